use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_ledger::{
    Checkpoint, Hash, LogKey,
    checkpoint::{CheckpointError, open},
};
use proptest::prelude::*;
use signed_note::{Note, StandardSigner};

use crate::support::{FixedRng, flip};

const ORIGIN: &str = "countersign.example/log";

fn log_key() -> LogKey {
    LogKey::generate(ORIGIN, &mut FixedRng(1)).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: ORIGIN.to_owned(), size: 20_852_163, root: Hash::leaf(b"root") }
}

#[test]
fn golden_checkpoint() {
    insta::assert_snapshot!(log_key().sign(&checkpoint()).unwrap(), @r#"
        countersign.example/log
        20852163
        PAb5plclr2BSYfY2ZyyWINQJcx2JpFHXRV/pxK4WeCk=

        — countersign.example/log KB5HRJ/5ASYhzulJ1dTFO4KoQEJEZmsqooXIXiNHP4tV1D830PktS8lfh0b9b3CUy2E9sPCvhE+Ju/Yx54eyEUAJIgA=
        "#);
    insta::assert_snapshot!(log_key().verifier(), @"countersign.example/log+281e4744+AUu2dd5PY3arYXNwM9cBVg5ENL4dZzZWKuKbiDW3Y80k");
}

#[test]
fn a_signed_checkpoint_opens() {
    let note = log_key().sign(&checkpoint()).unwrap();
    assert_eq!(open(&note, &log_key().verifier()).unwrap(), checkpoint());
    let read_by_another =
        tlog_tiles::Checkpoint::from_bytes(note.split_inclusive("\n").take(3).collect::<String>().as_bytes()).unwrap();
    assert_eq!((read_by_another.size(), read_by_another.hash().0), (20_852_163, *checkpoint().root.as_bytes()));
}

#[test]
fn the_secret_round_trips_and_is_not_shown() {
    for seed in 0..20 {
        let key = LogKey::generate(ORIGIN, &mut FixedRng(seed)).unwrap();
        let text = key.to_text();
        assert_eq!(LogKey::from_text(&text).unwrap().verifier(), key.verifier());
        assert!(!format!("{key:?}").contains(text.splitn(5, '+').last().unwrap()));
    }
    let text = log_key().to_text();
    assert_eq!(LogKey::from_text(&text.replace("KEY", "KEE")).unwrap_err(), CheckpointError::SecretKey);
}

#[test]
fn names_that_a_note_cannot_carry_are_refused() {
    for origin in ["", "two words", "a+b", "line\nbreak"] {
        let refused = LogKey::generate(origin, &mut FixedRng(1)).unwrap_err();
        assert_eq!(refused, CheckpointError::Origin(origin.to_owned()));
    }
}

#[test]
fn another_logs_checkpoint_is_refused() {
    let note = log_key().sign(&checkpoint()).unwrap();
    let other_key = LogKey::generate(ORIGIN, &mut FixedRng(2)).unwrap().verifier();
    assert!(matches!(open(&note, &other_key), Err(CheckpointError::Signature { .. })));
    let other_name = LogKey::generate("elsewhere.example/log", &mut FixedRng(1)).unwrap();
    assert!(matches!(open(&note, &other_name.verifier()), Err(CheckpointError::Signature { .. })));
    assert!(matches!(other_name.sign(&checkpoint()), Err(CheckpointError::OtherLog { .. })));
    // A key may sign notes that are not its checkpoints.
    let stolen = sign_text(&format!("elsewhere.example/log\n1\n{}\n", STANDARD.encode([7; 32])));
    assert!(matches!(open(&stolen, &log_key().verifier()), Err(CheckpointError::OtherLog { .. })));
}

#[test]
fn witnesses_may_cosign() {
    let witness = LogKey::generate("witness.example", &mut FixedRng(3)).unwrap();
    let signer = StandardSigner::new(&witness.to_text()).unwrap();
    let mut note = Note::from_bytes(log_key().sign(&checkpoint()).unwrap().as_bytes()).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    let note = String::from_utf8(note.to_bytes()).unwrap();
    assert_eq!(open(&note, &log_key().verifier()).unwrap(), checkpoint());
}

fn sign_text(text: &str) -> String {
    let mut note = Note::new(text.as_bytes(), &[]).unwrap();
    note.add_sigs(&[&StandardSigner::new(&log_key().to_text()).unwrap()]).unwrap();
    String::from_utf8(note.to_bytes()).unwrap()
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let root = STANDARD.encode([7; 32]);
    let check = |text: String| {
        let refused = open(&sign_text(&text), &log_key().verifier()).unwrap_err();
        assert!(matches!(refused, CheckpointError::Body(_)), "{text:?}: {refused}");
    };
    assert!(open(&sign_text(&format!("{ORIGIN}\n1\n{root}\n")), &log_key().verifier()).is_ok());
    check(format!("{ORIGIN}\n01\n{root}\n"));
    check(format!("{ORIGIN}\n+1\n{root}\n"));
    check(format!("{ORIGIN}\n-1\n{root}\n"));
    check(format!("{ORIGIN}\n18446744073709551616\n{root}\n"));
    check(format!("{ORIGIN}\n1\n{}\n", root.trim_end_matches('=')));
    check(format!("{ORIGIN}\n1\n{}\n", STANDARD.encode([7; 31])));
    check(format!("{ORIGIN}\n1\n{root}\nextension\n"));
    check(format!("{ORIGIN}\n1\n{root}\n\n"));
    check(format!("{ORIGIN}\n1\n"));
    let empty = sign_text(&format!("{ORIGIN}\n0\n{root}\n"));
    assert_eq!(open(&empty, &log_key().verifier()), Err(CheckpointError::EmptyRoot));
}

proptest! {
    #[test]
    fn any_altered_bit_fails(bit: prop::sample::Index) {
        let note = log_key().sign(&checkpoint()).unwrap();
        let altered = flip(note.as_bytes(), bit.index(note.len() * 8));
        if let Ok(text) = String::from_utf8(altered) {
            prop_assert!(open(&text, &log_key().verifier()).is_err());
        }
    }
}
