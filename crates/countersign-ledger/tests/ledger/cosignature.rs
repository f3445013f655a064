use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_ledger::{
    Checkpoint, CosignerKey, Hash, LogKey, SignedCheckpoint, Time, VerifierKey,
    checkpoint::{CheckpointError, MAX_NOTE_BYTES, MAX_SIGNATURES, open},
    cosignature::CosignatureError,
};
use proptest::prelude::*;

use crate::support::{FixedRng, flip};

pub const ORIGIN: &str = "countersign.example/log";
pub const NOW: Time = Time::from_unix_secs(1_774_000_000);

pub fn log_key() -> LogKey {
    LogKey::generate(ORIGIN, &mut FixedRng(1)).unwrap()
}

pub fn checkpoint() -> SignedCheckpoint {
    signed(20_852_163)
}

fn signed(size: u64) -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: Hash::leaf(b"root") };
    SignedCheckpoint::open(&log_key().sign(&checkpoint).unwrap(), &log_key().verifier()).unwrap()
}

/// The cosigner `follower.example/fN`.
pub fn cosigner(number: u64) -> CosignerKey {
    CosignerKey::generate(&format!("follower.example/f{number}"), &mut FixedRng(100 + number)).unwrap()
}

pub fn verifier(number: u64) -> VerifierKey {
    cosigner(number).verifier().clone()
}

/// A line of `fN`, made `secs` after [`NOW`].
pub fn line(number: u64, secs: i64) -> String {
    cosigner(number).cosign(&checkpoint(), NOW.plus_secs(secs)).unwrap().line()
}

/// A line of `fN`, made `secs` after [`NOW`], which says that it was made a second later.
pub fn forged(number: u64, secs: i64) -> String {
    let line = line(number, secs);
    let (name, base64) = line.trim_end().rsplit_once(' ').unwrap();
    let mut bytes = STANDARD.decode(base64).unwrap();
    bytes[4..12].copy_from_slice(&(NOW.unix_secs() + secs + 1).to_be_bytes());
    format!("{name} {}\n", STANDARD.encode(bytes))
}

/// The log's note with `lines` below it, whoever made them.
pub fn note_with(lines: &[String]) -> SignedCheckpoint {
    SignedCheckpoint::open(&(checkpoint().to_note() + &lines.concat()), &log_key().verifier()).unwrap()
}

/// Names and times, in seconds after [`NOW`].
fn listed(note: &SignedCheckpoint, known: &[VerifierKey]) -> Vec<(String, i64)> {
    let at = |secs: u64| i64::try_from(secs).unwrap() - NOW.unix_secs();
    note.cosignatures(known).iter().map(|line| (line.name().to_owned(), at(line.time_secs()))).collect()
}

#[test]
fn golden_cosignature() {
    let key = cosigner(1);
    insta::assert_snapshot!(*key.to_text(), @"PRIVATE+KEY+follower.example/f1+23fc988e+BBfXZK1fSgLRo3ZLldCnZgRauuiztmbGRC9OkKdt+/iN");
    insta::assert_snapshot!(key.verifier(), @"follower.example/f1+23fc988e+BImvAIh9Hkz/MgCnxEDb8h2Q58cz0FSZVWacPARdGtZD");
    let mut note = checkpoint();
    note.add_cosignatures(&line(1, 0), &[verifier(1)], NOW).unwrap();
    insta::assert_snapshot!(note.to_note(), @"
    countersign.example/log
    20852163
    PAb5plclr2BSYfY2ZyyWINQJcx2JpFHXRV/pxK4WeCk=

    — countersign.example/log KB5HRJ/5ASYhzulJ1dTFO4KoQEJEZmsqooXIXiNHP4tV1D830PktS8lfh0b9b3CUy2E9sPCvhE+Ju/Yx54eyEUAJIgA=
    — follower.example/f1 I/yYjgAAAABpvReASkOyAFLz9ada9SLQsoCix9fFob2b7fPdSvhdTl3dIQ2vDu2rgplUtJyTS0JyvjmdrE3BILOFTIhEuDOJUlcbCg==
    ");
}

#[test]
fn a_cosigned_note_opens_under_the_logs_key_and_keeps_every_line() {
    let others = [line(1, 0), line(2, -5), "— somebody.example/x AAAAAAUGBwg=\n".to_owned(), line(1, -9)];
    let text = checkpoint().to_note() + &others.concat();
    let note = SignedCheckpoint::open(&text, &log_key().verifier()).unwrap();
    assert_eq!(note.to_note(), text);
    assert_eq!(open(&text, &log_key().verifier()).unwrap(), *checkpoint().checkpoint());
    assert_eq!(note.without_cosignatures(), checkpoint());
    assert_eq!(
        listed(&note, &[verifier(2), verifier(1), verifier(3)]),
        [("follower.example/f2".to_owned(), -5), ("follower.example/f1".to_owned(), 0)]
    );
    assert_eq!(listed(&note, &[]), []);
}

#[test]
fn lines_are_handed_on_whoever_they_are_of_and_none_of_them_shuts_the_note() {
    let stranger = "— somebody.example/x AAAAAAUGBwg=\n".to_owned();
    let own = checkpoint().to_note().lines().last().unwrap().to_owned();
    // In the log's own name, and not made by its key.
    let spoiled = format!("{}AAAA\n", &own[..own.len() - 4]);
    let note = note_with(&[line(3, 0)]).handing_on([line(1, 0).as_str(), &stranger, &spoiled, &line(1, 0)]).unwrap();
    assert_eq!(note.to_note(), checkpoint().to_note() + &line(1, 0) + &stranger);
    assert_eq!(note.others(), 2);
    assert_eq!(SignedCheckpoint::open(&note.to_note(), &log_key().verifier()).unwrap(), note);

    assert_eq!(checkpoint().handing_on(["no line"]), Err(CosignatureError::Lines));
    let many: Vec<String> = (0..MAX_SIGNATURES as i64).map(|secs| line(1, secs)).collect();
    let too_many = checkpoint().handing_on(many.iter().map(String::as_str));
    assert!(matches!(too_many, Err(CosignatureError::TooLarge { .. })));
}

#[test]
fn a_log_is_not_opened_by_its_cosigners() {
    let cosigned = note_with(&[line(1, 0)]).to_note();
    let unsigned: String = cosigned.split_inclusive('\n').filter(|line| !line.contains("— countersign")).collect();
    assert!(matches!(open(&unsigned, &log_key().verifier()), Err(CheckpointError::Signature { .. })));
    assert!(matches!(open(&cosigned, &verifier(1).to_string()), Err(CheckpointError::VerifierKey(_))));
}

#[test]
fn a_cosignature_holds_for_its_text_time_and_name_alone() {
    let known = [verifier(1), verifier(2)];
    let elsewhere = cosigner(1).cosign(&signed(20_852_164), NOW).unwrap().line();
    assert_eq!(listed(&note_with(&[elsewhere]), &known), []);

    let honest = line(1, 0);
    let (name, base64) = honest.trim_end().rsplit_once(' ').unwrap();
    let bytes = STANDARD.decode(base64).unwrap();
    for bit in 0..bytes.len() * 8 {
        let altered = format!("{name} {}\n", STANDARD.encode(flip(&bytes, bit)));
        assert_eq!(listed(&note_with(&[altered]), &known), [], "bit {bit}");
    }
    for wrong in [bytes[..75].to_vec(), [&bytes[..], &[0]].concat(), bytes[..5].to_vec(), bytes[..12].to_vec()] {
        assert_eq!(listed(&note_with(&[format!("{name} {}\n", STANDARD.encode(wrong))]), &known), []);
    }
    let renamed = honest.replace("follower.example/f1", "follower.example/f2");
    assert_eq!(listed(&note_with(&[renamed]), &known), []);
}

#[test]
fn the_newest_valid_line_of_each_key_stays() {
    let known = [verifier(1), verifier(2)];
    let check = |standing: &[String], lines: &[String], added: &[(u64, i64)], expected: &[String]| {
        let mut note = note_with(standing);
        let taken = note.add_cosignatures(&lines.concat(), &known, NOW).unwrap();
        let expected_lines: Vec<_> = added.iter().map(|(number, secs)| line(*number, *secs)).collect();
        assert_eq!(taken.iter().map(|line| line.line()).collect::<Vec<_>>(), expected_lines);
        assert_eq!(note, note_with(expected));
    };
    check(&[], &[line(1, -3)], &[(1, -3)], &[line(1, -3)]);
    check(&[line(1, -3)], &[line(1, -2)], &[(1, -2)], &[line(1, -2)]);
    check(&[line(1, -3)], &[line(1, -4)], &[], &[line(1, -3)]);
    check(&[line(1, -3)], &[line(1, -3)], &[], &[line(1, -3)]);
    // In one order, however they come.
    check(&[], &[line(2, 0), line(1, -9), line(1, -3)], &[(1, -3), (2, 0)], &[line(1, -3), line(2, 0)]);
    check(&[line(2, 0)], &[line(1, -3), line(1, -9)], &[(1, -3)], &[line(1, -3), line(2, 0)]);
    // A key that nobody asked about: what stands there stays, what comes does not.
    check(&[line(3, 0)], &[line(4, 0), line(1, 0)], &[(1, 0)], &[line(3, 0), line(1, 0)]);
    // A time that nobody signed does not win.
    let forged = forged(1, -3);
    check(&[line(1, -3)], std::slice::from_ref(&forged), &[], &[line(1, -3)]);
    check(std::slice::from_ref(&forged), &[line(1, -3)], &[(1, -3)], &[line(1, -3)]);
    check(&[forged], &[line(2, 0)], &[(2, 0)], &[line(2, 0)]);
    // A clock that is ahead: up to a minute.
    check(&[], &[line(1, 60)], &[(1, 60)], &[line(1, 60)]);
    check(&[line(1, -3)], &[line(1, 61)], &[], &[line(1, -3)]);
    check(&[line(1, 61)], &[line(1, -3)], &[(1, -3)], &[line(1, -3)]);
}

#[test]
fn a_note_stays_readable_however_many_cosign() {
    let junk = |count: usize, bytes: usize| -> Vec<String> {
        let line = |number| format!("— junk.example/{number} {}\n", STANDARD.encode(vec![7; bytes]));
        (0..count).map(line).collect()
    };
    let add = |standing: &[String]| {
        let mut note = note_with(standing);
        let result = note.add_cosignatures(&line(1, 0), &[verifier(1)], NOW).map(|_| ());
        assert_eq!(SignedCheckpoint::open(&note.to_note(), &log_key().verifier()).unwrap(), note);
        (result, note.to_note().len())
    };
    assert_eq!(add(&junk(MAX_SIGNATURES - 2, 68)).0, Ok(()));
    let (full, bytes) = add(&junk(MAX_SIGNATURES - 1, 68));
    let one_more = bytes + line(1, 0).len();
    assert_eq!(full, Err(CosignatureError::TooLarge { signatures: MAX_SIGNATURES + 1, bytes: one_more }));
    let (large, bytes) = add(&junk(19, 2_559));
    assert!(bytes < MAX_NOTE_BYTES && bytes + line(1, 0).len() > MAX_NOTE_BYTES, "{bytes}");
    assert!(matches!(large, Err(CosignatureError::TooLarge { signatures: 21, .. })));
}

#[test]
fn only_whole_signature_lines_are_read() {
    let good = line(1, 0);
    for wrong in [
        "",
        "\n",
        good.trim_end(),
        &good.replace('—', "-"),
        &good.replace('\n', "\r\n"),
        &good.replace("— ", "—  "),
        &good.replace('\n', " \n"),
        &good.replace("==", "="),
        &format!("{good}\n"),
        &format!("\n{good}"),
        &format!("{good}{good}x"),
        &good.replace("/f1", "/f\u{7}1"),
        &good.repeat(MAX_SIGNATURES + 1),
    ] {
        let mut note = checkpoint();
        assert_eq!(note.add_cosignatures(wrong, &[verifier(1)], NOW), Err(CosignatureError::Lines), "{wrong:?}");
        assert_eq!(note, checkpoint());
    }
}

#[test]
fn the_secret_round_trips_and_is_not_shown() {
    for seed in 0..20 {
        let key = CosignerKey::generate("follower.example/f", &mut FixedRng(seed)).unwrap();
        let text = key.to_text();
        let again = CosignerKey::from_text(&format!("{}\n", *text)).unwrap();
        assert_eq!((again.to_text(), again.verifier()), (text.clone(), key.verifier()));
        assert!(!format!("{key:?}").contains(text.splitn(5, '+').last().unwrap()));
    }
    let text = cosigner(1).to_text();
    let id = text.split('+').nth(3).unwrap();
    for wrong in [
        text.replace("KEY", "KEE"),
        text.replace(id, "00000000"),
        text.replace("/f1", "/f2"),
        text.replace("/f1", "/ f1"),
        text.trim_end_matches('=').to_owned() + "=",
        log_key().to_text().to_string(),
        cosigner(1).verifier().to_string(),
        String::new(),
    ] {
        assert_eq!(CosignerKey::from_text(&wrong).unwrap_err(), CosignatureError::SecretKey, "{wrong}");
    }
}

#[test]
fn names_that_a_note_cannot_carry_are_refused() {
    for name in ["", "two words", "a+b", "line\nbreak", "bell\u{7}"] {
        let refused = CosignerKey::generate(name, &mut FixedRng(1)).unwrap_err();
        assert_eq!(refused, CosignatureError::Name(name.to_owned()));
    }
}

#[test]
fn a_verifier_key_has_one_spelling() {
    let refused = |text: &str| text.parse::<VerifierKey>().unwrap_err().to_string().replace(text, "KEY");
    let key = verifier(1).to_string();
    let parts: Vec<_> = key.splitn(3, '+').collect();
    let with = |bytes: &[u8]| format!("{}+{}+{}", parts[0], parts[1], STANDARD.encode(bytes));
    let messages = [
        refused("follower.example/f1"),
        refused(&key.replace(parts[1], "00000000")),
        refused(&key.replace(parts[1], &parts[1].to_uppercase())),
        refused(&format!("{key}=")),
        refused(&key.replace("/f1", "/f 1")),
        refused(&log_key().verifier()),
        refused(&with(&[6; 1_313])),
        refused(&with(&[2; 33])),
        refused(&with(&[4; 32])),
        // The neutral element: everything is signed by it.
        refused(&with(&[&[4, 1], [0; 31].as_slice()].concat())),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): it has no such form
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): its id is not that of its name and key
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): its id is not that of its name and key
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): it has no such form
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): a note cannot carry its name
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): it is of a log (algorithm 0x01), not of a cosigner (0x04)
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): it is of ML-DSA-44 (algorithm 0x06), of which only Ed25519 (0x04) is read
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): its algorithm is not 0x04
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): its key has not 32 bytes
    `KEY` is not a cosigner's verifier key (`<name>+<id>+<base64>`): its key is not one of Ed25519
    ");
    let json = serde_json::to_string(&verifier(1)).unwrap();
    assert_eq!(json, format!("\"{key}\""));
    assert_eq!(serde_json::from_str::<VerifierKey>(&json).unwrap(), verifier(1));
    assert!(serde_json::from_str::<VerifierKey>("\"f1\"").is_err());
}

#[test]
fn nothing_is_cosigned_before_1970() {
    let before = cosigner(1).cosign(&checkpoint(), Time::from_unix_millis(-1));
    assert_eq!(before, Err(CosignatureError::Time(1)));
    assert_eq!(cosigner(1).cosign(&checkpoint(), Time::from_unix_millis(1_999)).unwrap().time_secs(), 1);
}

proptest! {
    #[test]
    fn what_opens_is_written_the_same(lines in "(— [a-c/.]{1,3} [A-D]{4,12}={0,2}\n){0,3}") {
        let text = checkpoint().to_note() + &lines;
        if let Ok(note) = SignedCheckpoint::open(&text, &log_key().verifier()) {
            prop_assert_eq!(note.to_note(), text);
        }
    }

    #[test]
    fn reading_lines_never_panics(lines in "(— follower.example/f1 [A-Za-z0-9+/]{4,12}={0,2}\n|\\PC{0,9}\n?){0,3}") {
        let mut note = checkpoint();
        if let Ok(added) = note.add_cosignatures(&lines, &[verifier(1)], NOW) {
            prop_assert_eq!(added.len(), 0);
            prop_assert_eq!(note, checkpoint());
        }
    }

    #[test]
    fn what_parses_as_a_key_is_written_the_same(text in "\\PC{0,20}|[a-z]{1,3}\\+[0-9a-f]{8}\\+B[A-Za-z0-9+/]{43}") {
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text.clone());
        }
        if let Ok(key) = CosignerKey::from_text(&text) {
            prop_assert_eq!(&*key.to_text(), text.trim());
        }
    }

    #[test]
    fn every_key_and_time_round_trips(seed: u64, secs in 0..=i64::MAX / 1_000) {
        let key = CosignerKey::generate("follower.example/f", &mut FixedRng(seed)).unwrap();
        let time = Time::from_unix_secs(secs);
        prop_assert_eq!(key.verifier().to_string().parse::<VerifierKey>().unwrap(), key.verifier().clone());
        let mut note = checkpoint();
        let made = key.cosign(&note, time).unwrap();
        prop_assert_eq!(note.add_cosignatures(&made.line(), &[key.verifier().clone()], time).unwrap(), vec![made]);
    }
}
