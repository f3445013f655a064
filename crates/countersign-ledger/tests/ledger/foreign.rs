//! Every format of this crate, fed with bytes that were changed on their way: nothing panics, and what is read is spelled so and not
//! otherwise.

use std::sync::LazyLock;

use countersign_ledger::{
    Checkpoint, CosignerKey, Envelope, Hash, Leaf, Line, LogKey, PublicKey, StreamHead, Time,
    checkpoint::{self, SignedCheckpoint},
    cosignature::{Cosignature, VerifierKey},
    dsse::NAMESPACE,
    sshsig::{self, parse_allowed_signers},
    tile::{TilePath, entry_bundle, hash_tile, parse_entry_bundle, parse_hash_tile},
    witness::{AddCheckpoint, Answer},
};
use proptest::prelude::*;

use crate::{
    edits::{any_of, foreign},
    support::{FixedRng, Keygen, envelope, key, numbered, stream},
};

fn leaf() -> Leaf {
    let lines = vec![
        Line::after(stream("change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a"), StreamHead::EMPTY),
        Line::after(stream("target/checkout/production"), StreamHead { next_seq: 7, last: Hash::leaf(b"x") }),
    ];
    Leaf::new(lines, Time::from_unix_millis(1_774_000_000_000), envelope(b"{\"a\":1}")).unwrap()
}

struct Note {
    text: String,
    verifier: String,
}

/// A signed checkpoint with a cosignature below it.
static NOTE: LazyLock<Note> = LazyLock::new(|| {
    let log = LogKey::generate("shop/log", &mut FixedRng(3)).unwrap();
    let root = Hash::leaf(b"root");
    let note = log.sign(&Checkpoint { origin: "shop/log".to_owned(), size: 9, root }).unwrap();
    Note { text: note, verifier: log.verifier() }
});

fn sshsig_blob() -> Vec<u8> {
    let signature = key().sign(b"payload").unwrap();
    signature.sshsig
}

/// By a key in a file, by RSA, and by a passkey: each is another way through the parser.
static SIGNED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let keygen = Keygen::new();
    keygen.generate(&["-t", "rsa", "-b", "2048"]);
    let rsa = sshsig::dearmor(&keygen.sign(&["-n", NAMESPACE], b"payload")).unwrap();
    vec![sshsig_blob(), rsa, crate::passkey::signed()]
});

fn texts(seeds: &[&str]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

foreign! {
    fn foreign_leaves_and_envelopes(leaf in any_of(vec![leaf().to_bytes()]), raw in any_of(vec![envelope(b"{}").raw().to_vec()])) {
        if let Ok(read) = Leaf::parse(&leaf) {
            prop_assert_eq!(read.to_bytes(), leaf);
        }
        if let Ok(read) = Envelope::parse(&raw) {
            prop_assert_eq!(read.raw(), &raw[..]);
            drop(read.verify_all());
            // Its own spelling is one of those that are read.
            prop_assert!(Envelope::new(read.payload(), read.signatures().to_vec()).is_ok());
        }
    }

    fn foreign_notes(note in any_of(vec![NOTE.text.clone().into_bytes()])) {
        let Ok(note) = String::from_utf8(note) else { return Ok(()) };
        if let Ok(read) = SignedCheckpoint::open(&note, &NOTE.verifier) {
            // Whatever was added below it, what the log signed is what it signed.
            prop_assert_eq!(read.checkpoint().size, 9);
            let again = SignedCheckpoint::open(&read.to_note(), &NOTE.verifier).unwrap();
            prop_assert_eq!(again.to_note(), read.to_note());
        }
        drop(checkpoint::open(&note, &NOTE.verifier));
        drop(AddCheckpoint::parse(note.as_bytes()));
        drop(Answer::parse(200, Some("text/x.tlog.size"), note.as_bytes()));
    }

    fn foreign_keys(key in any_of(texts(&[&NOTE.verifier, &key().public().to_string()]))) {
        let Ok(text) = String::from_utf8(key) else { return Ok(()) };
        if let Ok(read) = text.parse::<VerifierKey>() {
            prop_assert_eq!(read.to_string().parse::<VerifierKey>().unwrap().to_string(), read.to_string());
        }
        if let Ok(read) = text.parse::<PublicKey>() {
            prop_assert_eq!(read.to_string().parse::<PublicKey>().unwrap(), read);
        }
        drop(LogKey::from_text(&text));
        drop(CosignerKey::from_text(&text));
    }

    fn foreign_tiles(
        path in any_of(texts(&["tile/0/x001/x234/067", "tile/entries/000.p/17", "tile/7/255"])),
        bundle in any_of(vec![entry_bundle(&[b"one".to_vec(), b"another".to_vec()]).unwrap()]),
        hashes in any_of(vec![hash_tile(&numbered(3).collect::<Vec<_>>())]),
    ) {
        if let Ok(path) = String::from_utf8(path)
            && let Ok(read) = path.parse::<TilePath>()
        {
            prop_assert_eq!(read.to_string(), path);
            let _ = (read.nodes(), read.is_within(u64::MAX));
        }
        if let Ok(read) = parse_entry_bundle(&bundle) {
            prop_assert_eq!(entry_bundle(&read).unwrap(), bundle);
        }
        if let Ok(read) = parse_hash_tile(&hashes) {
            prop_assert_eq!(hash_tile(&read), hashes);
        }
    }

    fn foreign_signatures(blob in any_of(SIGNED.clone()), armored in any_of(vec![sshsig::armor(&sshsig_blob()).into_bytes()])) {
        // Of other bytes than were signed, or of this key in another spelling, none holds.
        drop(sshsig::verify(&blob, NAMESPACE, b"payload"));
        if sshsig::verify(&blob, NAMESPACE, b"another payload").is_ok() {
            return Err(TestCaseError::fail("a signature over other bytes holds"));
        }
        if let Ok(armored) = String::from_utf8(armored)
            && let Ok(read) = sshsig::dearmor(&armored)
        {
            prop_assert_eq!(sshsig::dearmor(&sshsig::armor(&read)).unwrap(), read);
        }
    }

    fn foreign_allowed_signers(text in any_of(texts(&[
        "# us\nada@example.com,ada namespaces=\"git,countersign\",valid-after=\"20260101\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChMQ2\n",
        "*@example.com cert-authority ssh-ed25519 AAAA\n\u{feff}",
    ]))) {
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        drop(parse_allowed_signers(&text));
    }
}

/// The seeds are what they are called, or nothing of this would say much.
#[test]
fn the_foreign_seeds_are_read() {
    assert!(sshsig::verify(&SIGNED[1], NAMESPACE, b"payload").is_ok());
    assert!(sshsig::verify(&SIGNED[2], NAMESPACE, crate::passkey::MESSAGE).is_ok());
    assert!(Leaf::parse(&leaf().to_bytes()).is_ok());
    assert!(SignedCheckpoint::open(&NOTE.text, &NOTE.verifier).is_ok());
    assert!(
        sshsig::verify(
            &sshsig_blob(),
            NAMESPACE,
            &countersign_ledger::dsse::pae(countersign_ledger::dsse::IN_TOTO, b"payload")
        )
        .is_ok()
    );
    let note = SignedCheckpoint::open(&NOTE.text, &NOTE.verifier).unwrap();
    let follower = CosignerKey::generate("follower.example/f1", &mut FixedRng(4)).unwrap();
    let known: Vec<Cosignature> = note.cosignatures(&[follower.verifier().clone()]);
    assert_eq!(known, []);
}
