use std::os::unix::fs::PermissionsExt as _;

use countersign_ledger::{
    Assurance, SignatureError, SigningKey, Verified,
    dsse::{IN_TOTO, NAMESPACE, pae},
    sshsig::{armor, dearmor, verify},
};
use proptest::prelude::*;

use crate::support::{FixedRng, Keygen, flip, key, one_bit_of_each_byte};

const MESSAGE: &[u8] = b"DSSEv1 4 type 7 payload";

/// A key and a signature made by stock `ssh-keygen`, and everything that must break it.
fn stock(options: &[&str]) {
    let keygen = Keygen::new();
    let public = keygen.generate(options);
    let armored = keygen.sign(&["-n", NAMESPACE], MESSAGE);
    let sshsig = dearmor(&armored).unwrap();
    assert_eq!(armor(&sshsig), armored);

    let verified = Verified { key: public, assurance: Assurance::SoftwareKey };
    assert_eq!(verify(&sshsig, NAMESPACE, MESSAGE), Ok(verified));
    assert_eq!(verify(&sshsig, NAMESPACE, b"another message"), Err(SignatureError::Invalid));
    assert_eq!(
        verify(&sshsig, "git", MESSAGE),
        Err(SignatureError::Namespace { found: NAMESPACE.to_owned(), expected: "git".to_owned() })
    );
    for bit in one_bit_of_each_byte(&sshsig) {
        assert!(verify(&flip(&sshsig, bit), NAMESPACE, MESSAGE).is_err(), "bit {bit}");
    }
    for len in 0..sshsig.len() {
        assert!(verify(&sshsig[..len], NAMESPACE, MESSAGE).is_err(), "{len} bytes");
    }
    let longer = [sshsig.as_slice(), &[0]].concat();
    assert_eq!(verify(&longer, NAMESPACE, MESSAGE), Err(SignatureError::Malformed("there are bytes after its end")));
}

#[test]
fn stock_ed25519() {
    stock(&["-t", "ed25519"]);
}

#[test]
fn stock_ecdsa_p256() {
    stock(&["-t", "ecdsa", "-b", "256"]);
}

#[test]
fn stock_ecdsa_p384() {
    stock(&["-t", "ecdsa", "-b", "384"]);
}

#[test]
fn stock_rsa_3072() {
    stock(&["-t", "rsa", "-b", "3072"]);
}

/// Makes a stock signature and says why it is refused.
fn refusal(key: &[&str], sign: &[&str]) -> String {
    let keygen = Keygen::new();
    keygen.generate(key);
    let sshsig = dearmor(&keygen.sign(sign, MESSAGE)).unwrap();
    verify(&sshsig, NAMESPACE, MESSAGE).unwrap_err().to_string()
}

#[test]
fn good_signatures_that_the_ledger_refuses() {
    let ours = ["-n", NAMESPACE];
    insta::assert_snapshot!(refusal(&["-t", "rsa", "-b", "1024"], &ours), @"the RSA key has 1024 bits; between 2048 and 8192 are accepted");
    insta::assert_snapshot!(refusal(&["-t", "ecdsa", "-b", "521"], &ours), @"`ecdsa-sha2-nistp521` signatures are not supported");
    insta::assert_snapshot!(refusal(&["-t", "ed25519"], &["-n", NAMESPACE, "-O", "hashalg=sha256"]), @"the signature hashes its message with `sha256`, not with `sha512`");
    insta::assert_snapshot!(refusal(&["-t", "ed25519"], &["-n", "git"]), @"the signature was made for namespace `git`, not for `countersign`");
}

#[test]
fn an_algorithm_that_does_not_fit_the_key_is_refused() {
    let keygen = Keygen::new();
    keygen.generate(&["-t", "rsa", "-b", "2048"]);
    let sshsig = dearmor(&keygen.sign(&["-n", NAMESPACE], MESSAGE)).unwrap();
    let named = |name: &[u8; 12]| {
        let at = sshsig.windows(12).position(|w| w == b"rsa-sha2-512").unwrap();
        let mut altered = sshsig.clone();
        altered[at..at + 12].copy_from_slice(name);
        verify(&altered, NAMESPACE, MESSAGE).unwrap_err().to_string()
    };
    insta::assert_snapshot!(named(b"rsa-sha2-256"), @"the signature does not fit the message and the key");
    insta::assert_snapshot!(named(b"rsa-sha1-512"), @"`rsa-sha1-512` signatures are not supported");
}

#[test]
fn stock_ssh_keygen_accepts_our_signatures() {
    let payload = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;
    let signature = key().sign(payload).unwrap();
    assert_eq!(signature.keyid, key().public().fingerprint().to_string());
    let keygen = Keygen::new();
    let accepted = keygen.accepts(&key().public(), &signature.sshsig, &pae(IN_TOTO, payload));
    assert!(accepted.status.success(), "{accepted:?}");
    let refused = keygen.accepts(&key().public(), &signature.sshsig, payload);
    assert!(!refused.status.success());
}

#[test]
fn stock_ssh_keygen_reads_our_keys_and_we_its() {
    let keygen = Keygen::new();
    let ours = keygen.write("ours", &*key().to_openssh());
    std::fs::set_permissions(&ours, std::fs::Permissions::from_mode(0o600)).unwrap();
    let public = keygen.run(&["-y", "-f", "ours"], b"");
    assert_eq!(String::from_utf8(public.stdout).unwrap().trim(), key().public().to_string());

    let public = keygen.generate(&["-t", "ed25519"]);
    let theirs = SigningKey::from_openssh(&std::fs::read_to_string(keygen.path("key")).unwrap()).unwrap();
    assert_eq!(theirs.public(), public);
}

#[test]
fn secret_keys_round_trip_and_are_not_shown() {
    for seed in 0..20 {
        let key = SigningKey::generate(&mut FixedRng(seed));
        let again = SigningKey::from_openssh(&key.to_openssh()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(again.sign(b"payload"), key.sign(b"payload"));
    }
    assert_eq!(format!("{:?}", key()), format!("SigningKey({})", key().public().fingerprint()));
}

#[test]
fn secret_keys_of_other_kinds_are_refused() {
    let refusal = |options: &[&str]| {
        let keygen = Keygen::new();
        let made = keygen.run(&[&["-q", "-f", "key"], options].concat(), b"");
        assert!(made.status.success());
        let text = std::fs::read_to_string(keygen.path("key")).unwrap();
        SigningKey::from_openssh(&text).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refusal(&["-t", "ed25519", "-N", "secret"]), @"the secret key is not an unencrypted OpenSSH ed25519 key: it has a passphrase");
    insta::assert_snapshot!(refusal(&["-t", "ecdsa", "-N", ""]), @"the secret key is not an unencrypted OpenSSH ed25519 key: it is of another type");
    insta::assert_snapshot!(SigningKey::from_openssh("no key").unwrap_err(), @"the secret key is not an unencrypted OpenSSH ed25519 key: it is not an OpenSSH private key");
}

#[test]
fn armor_is_read_leniently_in_its_white_space_only() {
    let signature = key().sign(b"payload").unwrap().sshsig;
    let armored = armor(&signature);
    assert_eq!(dearmor(&armored.replace('\n', "\r\n")).unwrap(), signature);
    assert_eq!(dearmor(&format!("\n  {armored}\n")).unwrap(), signature);
    assert!(dearmor("").is_err());
    assert!(dearmor(&armored.replace("BEGIN", "BEGUN")).is_err());
    assert!(dearmor(&armored.replace("END", "AND")).is_err());
    assert!(dearmor(&armored.replace("U1NI", "U1N!")).is_err());
    assert!(dearmor(&format!("{armored}{armored}")).is_err());
    assert!(dearmor(&"x".repeat(1 << 20)).is_err());
}

#[test]
fn assurances_are_ordered_and_have_names() {
    assert!(Assurance::SoftwareKey < Assurance::Touch && Assurance::Touch < Assurance::UserVerified);
    assert_eq!(serde_json::to_string(&Assurance::UserVerified).unwrap(), "\"user_verified\"");
}

proptest! {
    #[test]
    fn verify_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify(&bytes, NAMESPACE, MESSAGE).is_err());
        let magic = [b"SSHSIG\0\0\0\x01".as_slice(), &bytes].concat();
        prop_assert!(verify(&magic, NAMESPACE, MESSAGE).is_err());
    }

    #[test]
    fn any_altered_byte_fails(place: prop::sample::Index, byte: u8) {
        let sshsig = key().sign(b"payload").unwrap().sshsig;
        let message = pae(IN_TOTO, b"payload");
        let mut altered = sshsig.clone();
        altered[place.index(sshsig.len())] = byte;
        prop_assert_eq!(verify(&altered, NAMESPACE, &message).is_ok(), altered == sshsig);
    }

    #[test]
    fn armor_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert_eq!(dearmor(&armor(&bytes)).unwrap(), bytes);
    }
}
