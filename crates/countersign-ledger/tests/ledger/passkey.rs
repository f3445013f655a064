//! Hardware keys and passkeys, played by a key in software. Each blob is checked by stock `ssh-keygen` too, so that the
//! test does not only agree with itself.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_ledger::{
    Assurance, PublicKey, SignatureError, Verified,
    dsse::NAMESPACE,
    sshsig::{WebauthnAssertion, from_webauthn, signed_data, verify},
};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use sha2::{Digest as _, Sha256};

use proptest::prelude::*;

use crate::{
    edits::any_of,
    support::{FixedRng, Keygen, flip, one_bit_of_each_byte},
};

pub const MESSAGE: &[u8] = b"DSSEv1 4 type 7 payload";
const TOUCHED: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const EXTENSIONS: u8 = 0x80;

fn string(bytes: &[u8]) -> Vec<u8> {
    [(bytes.len() as u32).to_be_bytes().as_slice(), bytes].concat()
}

fn mpint(number: &[u8]) -> Vec<u8> {
    let digits = &number[number.iter().take_while(|b| **b == 0).count()..];
    let zero: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
    string(&[zero, digits].concat())
}

fn sshsig(key: &[u8], signature: &[u8]) -> Vec<u8> {
    [
        b"SSHSIG\0\0\0\x01".to_vec(),
        string(key),
        string(NAMESPACE.as_bytes()),
        string(b""),
        string(b"sha512"),
        string(signature),
    ]
    .concat()
}

fn parse_key(blob: &[u8]) -> PublicKey {
    ssh_key::PublicKey::from_bytes(blob).unwrap().to_openssh().unwrap().parse().unwrap()
}

fn hardware_message(application: &str, flags: u8, extensions: &[u8], message: &[u8]) -> Vec<u8> {
    let counter = 9_u32.to_be_bytes();
    [&Sha256::digest(application)[..], &[flags], &counter, extensions, &Sha256::digest(message)].concat()
}

fn ed25519_hardware(flags: u8) -> (PublicKey, Vec<u8>) {
    let secret = ed25519_dalek::SigningKey::generate(&mut FixedRng(11));
    let name = b"sk-ssh-ed25519@openssh.com";
    let key = [string(name), string(secret.verifying_key().as_bytes()), string(b"ssh:")].concat();
    let value = secret.sign(&hardware_message("ssh:", flags, b"", &signed_data(NAMESPACE, MESSAGE)));
    let signature = [string(name), string(&value.to_bytes()), vec![flags], 9_u32.to_be_bytes().to_vec()].concat();
    (parse_key(&key), sshsig(&key, &signature))
}

fn p256_secret() -> SigningKey {
    SigningKey::random(&mut FixedRng(12))
}

fn p256_key(application: &str) -> Vec<u8> {
    let point = p256_secret().verifying_key().to_encoded_point(false);
    [
        string(b"sk-ecdsa-sha2-nistp256@openssh.com"),
        string(b"nistp256"),
        string(point.as_bytes()),
        string(application.as_bytes()),
    ]
    .concat()
}

fn p256_hardware(flags: u8) -> (PublicKey, Vec<u8>) {
    let value: Signature = p256_secret().sign(&hardware_message("ssh:", flags, b"", &signed_data(NAMESPACE, MESSAGE)));
    let (r, s) = value.split_bytes();
    let scalars = [mpint(&r), mpint(&s)].concat();
    let name = b"sk-ecdsa-sha2-nistp256@openssh.com";
    let signature = [string(name), string(&scalars), vec![flags], 9_u32.to_be_bytes().to_vec()].concat();
    (parse_key(&p256_key("ssh:")), sshsig(&p256_key("ssh:"), &signature))
}

#[test]
fn hardware_keys_assure_what_their_flags_say() {
    let keygen = Keygen::new();
    for make in [ed25519_hardware, p256_hardware] {
        for (flags, assurance) in [
            (0, Assurance::SoftwareKey),
            (VERIFIED, Assurance::SoftwareKey),
            (TOUCHED, Assurance::Touch),
            (TOUCHED | VERIFIED, Assurance::UserVerified),
        ] {
            let (key, sshsig) = make(flags);
            assert_eq!(key.application(), Some("ssh:"));
            assert!(keygen.accepts(&key, &sshsig, MESSAGE).status.success());
            assert_eq!(verify(&sshsig, NAMESPACE, MESSAGE), Ok(Verified { key, assurance }));
            assert!(verify(&sshsig, NAMESPACE, b"another").is_err());
            for bit in one_bit_of_each_byte(&sshsig) {
                assert!(verify(&flip(&sshsig, bit), NAMESPACE, MESSAGE).is_err(), "bit {bit}");
            }
        }
    }
}

/// A browser and its passkey. Each test alters one thing.
struct Browser {
    relying_party: &'static str,
    origin: &'static str,
    flags: u8,
    extensions: &'static [u8],
    rest: &'static str,
}

const HONEST: Browser = Browser {
    relying_party: "countersign.example",
    origin: "https://countersign.example",
    flags: TOUCHED | VERIFIED,
    extensions: b"",
    rest: r#","crossOrigin":false}"#,
};

impl Browser {
    fn key(&self) -> PublicKey {
        parse_key(&p256_key(self.relying_party))
    }

    fn assertion(&self) -> WebauthnAssertion {
        let challenge = URL_SAFE_NO_PAD.encode(signed_data(NAMESPACE, MESSAGE));
        let client_data_json =
            format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{}"{}"#, self.origin, self.rest)
                .into_bytes();
        let signed = hardware_message(self.relying_party, self.flags, self.extensions, &client_data_json);
        let value: Signature = p256_secret().sign(&signed);
        let authenticator_data = signed[..signed.len() - 32].to_vec();
        WebauthnAssertion {
            origin: self.origin.to_owned(),
            authenticator_data,
            client_data_json,
            signature: value.to_der().as_bytes().to_vec(),
        }
    }

    fn sign(&self) -> Result<Vec<u8>, SignatureError> {
        from_webauthn(&self.key(), &self.assertion(), NAMESPACE, MESSAGE)
    }
}

/// What an honest browser made over [`MESSAGE`].
pub fn signed() -> Vec<u8> {
    HONEST.sign().unwrap()
}

#[test]
fn a_passkey_signs_and_stock_ssh_keygen_agrees() {
    let keygen = Keygen::new();
    for (browser, assurance) in [
        (HONEST, Assurance::UserVerified),
        (Browser { flags: TOUCHED, ..HONEST }, Assurance::Touch),
        (Browser { origin: "https://ops.countersign.example:8443", ..HONEST }, Assurance::UserVerified),
        (Browser { relying_party: "localhost", origin: "http://localhost:8080", ..HONEST }, Assurance::UserVerified),
        (
            Browser { flags: TOUCHED | VERIFIED | EXTENSIONS, extensions: b"\xa1\x61a\x01", ..HONEST },
            Assurance::UserVerified,
        ),
        (Browser { rest: "}", ..HONEST }, Assurance::UserVerified),
    ] {
        let sshsig = browser.sign().unwrap();
        let accepted = keygen.accepts(&browser.key(), &sshsig, MESSAGE);
        assert!(accepted.status.success(), "{accepted:?}");
        assert_eq!(verify(&sshsig, NAMESPACE, MESSAGE), Ok(Verified { key: browser.key(), assurance }));
    }
}

#[test]
fn an_altered_passkey_signature_fails() {
    let sshsig = HONEST.sign().unwrap();
    assert!(verify(&sshsig, NAMESPACE, b"another").is_err());
    assert!(verify(&sshsig, "git", MESSAGE).is_err());
    for bit in one_bit_of_each_byte(&sshsig) {
        assert!(verify(&flip(&sshsig, bit), NAMESPACE, MESSAGE).is_err(), "bit {bit}");
    }
}

#[test]
fn what_a_phishing_page_could_get_is_refused() {
    let refusal = |browser: Browser| browser.sign().unwrap_err().to_string();
    insta::assert_snapshot!(refusal(Browser { origin: "https://countersign.example.evil.example", ..HONEST }), @"the passkey's signature is not acceptable: its origin does not belong to the key's relying party");
    insta::assert_snapshot!(refusal(Browser { origin: "https://evilcountersign.example", ..HONEST }), @"the passkey's signature is not acceptable: its origin does not belong to the key's relying party");
    insta::assert_snapshot!(refusal(Browser { origin: "https://.countersign.example", ..HONEST }), @"the passkey's signature is not acceptable: its origin does not belong to the key's relying party");
    insta::assert_snapshot!(refusal(Browser { origin: "https://evil.example/.countersign.example", ..HONEST }), @"the passkey's signature is not acceptable: its origin does not belong to the key's relying party");
    insta::assert_snapshot!(refusal(Browser { origin: "http://countersign.example", ..HONEST }), @"the passkey's signature is not acceptable: its origin does not belong to the key's relying party");
    insta::assert_snapshot!(refusal(Browser { relying_party: "", ..HONEST }), @"the passkey's signature is not acceptable: its origin does not belong to the key's relying party");
    insta::assert_snapshot!(refusal(Browser { rest: r#","crossOrigin":true}"#, ..HONEST }), @"the passkey's signature is not acceptable: it was made in a page framed by another origin");
    insta::assert_snapshot!(refusal(Browser { rest: r#","origin":"https://evil.example"}"#, ..HONEST }), @"the passkey's signature is not acceptable: its client data is not JSON, or repeats a field");
    insta::assert_snapshot!(refusal(Browser { rest: "", ..HONEST }), @"the passkey's signature is not acceptable: its client data is not JSON, or repeats a field");
    insta::assert_snapshot!(refusal(Browser { origin: r#"https://a","x":"y"#, ..HONEST }), @"the passkey's signature is not acceptable: its origin is not an origin");
    insta::assert_snapshot!(refusal(Browser { flags: TOUCHED | EXTENSIONS, ..HONEST }), @"the passkey's signature is not acceptable: its flags and its extensions disagree");
    insta::assert_snapshot!(refusal(Browser { extensions: b"\xa0", ..HONEST }), @"the passkey's signature is not acceptable: its flags and its extensions disagree");
    insta::assert_snapshot!(refusal(Browser { flags: TOUCHED | 0x40, ..HONEST }), @"the passkey's signature is not acceptable: it carries attested credential data");
}

#[test]
fn an_assertion_for_another_message_or_key_is_refused() {
    let other = from_webauthn(&HONEST.key(), &HONEST.assertion(), NAMESPACE, b"another").unwrap_err();
    insta::assert_snapshot!(other, @"the passkey's signature is not acceptable: its client data is for another challenge or origin");
    let short = WebauthnAssertion { authenticator_data: vec![0; 36], ..HONEST.assertion() };
    insta::assert_snapshot!(from_webauthn(&HONEST.key(), &short, NAMESPACE, MESSAGE).unwrap_err(), @"the passkey's signature is not acceptable: its authenticator data is too short");
    let garbled = WebauthnAssertion { signature: vec![0; 70], ..HONEST.assertion() };
    insta::assert_snapshot!(from_webauthn(&HONEST.key(), &garbled, NAMESPACE, MESSAGE).unwrap_err(), @"the passkey's signature is not acceptable: its signature is not ES256 in DER");
    let software = crate::support::key().public();
    insta::assert_snapshot!(from_webauthn(&software, &HONEST.assertion(), NAMESPACE, MESSAGE).unwrap_err(), @"the signature's algorithm `webauthn-sk-ecdsa-sha2-nistp256@openssh.com` does not fit its key, `ssh-ed25519`");
}

proptest! {
    /// What a browser sends, changed on its way: it is the assertion, or it is none.
    #[test]
    fn foreign_assertions(
        client_data in any_of(vec![HONEST.assertion().client_data_json]),
        authenticator_data in any_of(vec![HONEST.assertion().authenticator_data]),
        signature in any_of(vec![HONEST.assertion().signature]),
        sshsig in any_of(vec![from_webauthn(&HONEST.key(), &HONEST.assertion(), NAMESPACE, MESSAGE).unwrap()]),
    ) {
        let honest = HONEST.assertion();
        let changed =
            WebauthnAssertion { client_data_json: client_data, authenticator_data, signature, origin: honest.origin.clone() };
        if let Ok(made) = from_webauthn(&HONEST.key(), &changed, NAMESPACE, MESSAGE) {
            prop_assert!(verify(&made, NAMESPACE, MESSAGE).is_ok());
            prop_assert_eq!(&changed.client_data_json, &honest.client_data_json);
        }
        if verify(&sshsig, NAMESPACE, b"another").is_ok() {
            return Err(TestCaseError::fail("a signature over other bytes holds"));
        }
    }
}
