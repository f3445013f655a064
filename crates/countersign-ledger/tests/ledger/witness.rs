use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_ledger::{
    Checkpoint, Hash, LogKey, MemoryNodes, SignedCheckpoint,
    checkpoint::MAX_NOTE_BYTES,
    tree::TreeError,
    witness::{AddCheckpoint, Answer, MAX_PROOF_HASHES, MAX_REQUEST_BYTES, Refusal, WitnessError, checkpoint_path},
};
use proptest::prelude::*;

use crate::{
    cosignature::{NOW, ORIGIN, cosigner, line, log_key, verifier},
    support::numbered,
};

fn nodes(size: u64) -> MemoryNodes {
    MemoryNodes::from_leaf_hashes(numbered(size))
}

fn log(size: u64) -> Checkpoint {
    Checkpoint { origin: ORIGIN.to_owned(), size, root: nodes(size).root() }
}

fn signed(checkpoint: &Checkpoint) -> SignedCheckpoint {
    SignedCheckpoint::open(&log_key().sign(checkpoint).unwrap(), &log_key().verifier()).unwrap()
}

fn request(old: u64, size: u64) -> AddCheckpoint {
    AddCheckpoint::new(&signed(&log(size)), old, &nodes(size)).unwrap()
}

#[test]
fn golden_request() {
    insta::assert_snapshot!(request(3, 5).to_body(), @"
    old 3
    2B9ReB7rj0ag4RLobKM1iWzMEs7gDmz89Yo1ARKd/CQ=
    /uvxhjvR/O7f7/JpOCnVD/vKwQDQ++dFSC4DL5P2uvs=
    p9kYlLYfv0Y3jYjj4bH3rvOVMsUEtIS9MVUdFeCgnf8=
    mJkwf510d0YSJXXt7rOWPHyDwCkkH4Kj0XuZlyh42w4=

    countersign.example/log
    5
    ywPe8MW2O97L7WzYY8jmHtqyPhrHq3AoHGmRg8rCvvY=

    — countersign.example/log KB5HRFij8c7n0xAQ7RgTK3fShfvMonoLsgAm9tA9EEj3inB8Fiu3SMjlFYH9e9pgzNFZGkscoY0/tsLHnREjteQkbgY=
    ");
    assert_eq!(request(0, 5).to_body(), format!("old 0\n\n{}", signed(&log(5)).to_note()));
    assert_eq!(request(5, 5).to_body(), format!("old 5\n\n{}", signed(&log(5)).to_note()));
    for request in [request(3, 5), request(0, 5), request(5, 5), request(0, 0)] {
        assert_eq!(AddCheckpoint::parse(request.to_body().as_bytes()).unwrap(), request);
        assert_eq!(request.origin(), ORIGIN);
    }
}

#[test]
fn only_the_logs_own_signature_is_sent() {
    let mut cosigned = signed(&log(5));
    let by_one = cosigner(1).cosign(&cosigned, NOW).unwrap().line();
    cosigned.add_cosignatures(&by_one, &[verifier(1)], NOW).unwrap();
    assert_eq!(AddCheckpoint::new(&cosigned, 3, &nodes(5)).unwrap(), request(3, 5));
}

#[test]
fn no_request_goes_back() {
    let refused = AddCheckpoint::new(&signed(&log(5)), 6, &nodes(6)).unwrap_err();
    assert_eq!(refused, WitnessError::Tree { old: 6, source: TreeError::Sizes { old: 6, new: 5 } });
}

#[test]
fn a_request_has_one_spelling() {
    let body = request(3, 5).to_body();
    let hash = STANDARD.encode([7; 32]);
    let wrong = |body: String| AddCheckpoint::parse(body.as_bytes()).unwrap_err().to_string();
    let messages = [
        wrong(String::new()),
        wrong(body.replace("\n\n", "\n")),
        wrong(body.replace("old 3", "old 03")),
        wrong(body.replace("old 3", "old +3")),
        wrong(body.replace("old 3", "old  3")),
        wrong(body.replace("old 3", "Old 3")),
        wrong(body.replace("old 3", "old -1")),
        wrong(body.replace("old 3", "old 18446744073709551616")),
        wrong(body.replace("old 3\n", "old 3\r\n")),
        wrong(format!("\n{body}")),
        wrong(body.replace("old 3\n", "old 3\n ")),
        wrong(body.replace("old 3\n", &format!("old 3\n{}\n", hash.trim_end_matches('=')))),
        wrong(body.replace("old 3\n", &format!("old 3\n{}\n", STANDARD.encode([7; 31])))),
        wrong(format!("old 3\n{}\n{}", format!("{hash}\n").repeat(MAX_PROOF_HASHES + 1), request(3, 5).note)),
        wrong(format!("old 3\n\n{}", "x".repeat(MAX_NOTE_BYTES + 1))),
        wrong("x".repeat(MAX_REQUEST_BYTES + 1)),
        AddCheckpoint::parse(b"old 3\n\n\xff").unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the request has no empty line before the checkpoint
    the request has no empty line before the checkpoint
    the request does not begin with `old <size>`
    the request does not begin with `old <size>`
    the request does not begin with `old <size>`
    the request does not begin with `old <size>`
    the request does not begin with `old <size>`
    the request does not begin with `old <size>`
    the request does not begin with `old <size>`
    the request does not begin with `old <size>`
    the request has a line in its proof that is not the base64 of 32 bytes
    the request has a line in its proof that is not the base64 of 32 bytes
    the request has a line in its proof that is not the base64 of 32 bytes
    the proof has 64 hashes, more than the 63 that a request takes
    the request has a note larger than any that is read
    the request is larger than a proof and a note can be
    the request is not UTF-8
    ");
    let most =
        format!("old {}\n{}\n{}", u64::MAX, format!("{hash}\n").repeat(MAX_PROOF_HASHES), "x".repeat(MAX_NOTE_BYTES));
    assert!(most.len() <= MAX_REQUEST_BYTES);
    assert_eq!(AddCheckpoint::parse(most.as_bytes()).unwrap().to_body(), most);
}

#[test]
fn a_cosigner_cosigns_what_continues_the_log() {
    let key = log_key().verifier();
    let check = |request: AddCheckpoint, last: Option<u64>, expected: Result<u64, Refusal>| {
        let found = request.check(Some(&key), last.map(log).as_ref());
        assert_eq!(found.map(|signed| signed.checkpoint().size), expected, "{}", request.to_body());
    };
    check(request(0, 5), None, Ok(5));
    check(request(0, 0), None, Ok(0));
    check(request(0, 5), Some(0), Ok(5));
    check(request(3, 5), Some(3), Ok(5));
    check(request(5, 5), Some(5), Ok(5));
    check(request(3, 5), None, Err(Refusal::OtherSize { known: 0 }));
    check(request(0, 5), Some(3), Err(Refusal::OtherSize { known: 3 }));
    check(request(3, 5), Some(5), Err(Refusal::OtherSize { known: 5 }));
    check(request(3, 5), Some(7), Err(Refusal::OtherSize { known: 7 }));
    check(AddCheckpoint { old_size: 6, ..request(3, 5) }, Some(6), Err(Refusal::Malformed));
    // A proof that is none, of other sizes, or where none belongs.
    check(AddCheckpoint { proof: Vec::new(), ..request(3, 5) }, Some(3), Err(Refusal::Inconsistent));
    check(AddCheckpoint { proof: request(4, 5).proof, ..request(3, 5) }, Some(3), Err(Refusal::Inconsistent));
    check(AddCheckpoint { proof: request(3, 5).proof, ..request(0, 5) }, None, Err(Refusal::Inconsistent));
    check(AddCheckpoint { proof: request(3, 5).proof, ..request(5, 5) }, Some(5), Err(Refusal::Inconsistent));
}

#[test]
fn a_cosigner_refuses_a_fork_and_strangers() {
    let key = log_key().verifier();
    let fork = |size| Checkpoint { root: Hash::leaf(b"another"), ..log(size) };
    let of = |checkpoint: &Checkpoint, old, proof| AddCheckpoint {
        old_size: old,
        proof,
        note: log_key().sign(checkpoint).unwrap(),
    };
    // Other leaves behind what was cosigned, and another root for the same size.
    assert_eq!(of(&fork(5), 3, request(3, 5).proof).check(Some(&key), Some(&log(3))), Err(Refusal::Inconsistent));
    assert_eq!(of(&fork(5), 5, Vec::new()).check(Some(&key), Some(&log(5))), Err(Refusal::Inconsistent));
    assert_eq!(of(&fork(0), 0, Vec::new()).check(Some(&key), None), Err(Refusal::Inconsistent));

    let theirs = LogKey::generate("elsewhere.example/log", &mut crate::support::FixedRng(2)).unwrap();
    let same_name = LogKey::generate(ORIGIN, &mut crate::support::FixedRng(2)).unwrap();
    let asked = request(0, 5);
    assert_eq!(asked.check(None, None), Err(Refusal::UnknownLog));
    assert_eq!(asked.check(Some(&theirs.verifier()), None), Err(Refusal::NotSigned));
    assert_eq!(asked.check(Some(&same_name.verifier()), None), Err(Refusal::NotSigned));
    assert_eq!(asked.check(Some("no key"), None), Err(Refusal::UnknownLog));
    let of_theirs = Checkpoint { origin: "elsewhere.example/log".to_owned(), ..log(0) };
    assert_eq!(asked.check(Some(&key), Some(&of_theirs)), Err(Refusal::UnknownLog));
    let altered = asked.note.replace("\n5\n", "\n6\n");
    assert_eq!(AddCheckpoint { note: altered, ..asked.clone() }.check(Some(&key), None), Err(Refusal::NotSigned));
    let torn = asked.note.trim_end().to_owned();
    assert_eq!(AddCheckpoint { note: torn, ..asked }.check(Some(&key), None), Err(Refusal::Malformed));
}

#[test]
fn answers_round_trip() {
    let refusals = [
        Refusal::Malformed,
        Refusal::NotSigned,
        Refusal::UnknownLog,
        Refusal::OtherSize { known: 20_852_014 },
        Refusal::Inconsistent,
    ];
    let answers = refusals.map(Answer::Refused).into_iter().chain([Answer::Cosigned(line(1, 0) + &line(2, 0))]);
    let shown: String = answers
        .map(|answer| {
            let (status, content_type, body) = (answer.status(), answer.content_type(), answer.body());
            assert_eq!(Answer::parse(status, Some(content_type), body.as_bytes()).unwrap(), answer);
            format!("{status} {content_type}\n{body}\n")
        })
        .collect();
    insta::assert_snapshot!(shown, @"
    400 text/plain; charset=utf-8
    the request is malformed, or its old size is larger than the checkpoint's

    403 text/plain; charset=utf-8
    the checkpoint is not signed by a key that is known for its log

    404 text/plain; charset=utf-8
    the log is not known here

    409 text/x.tlog.size
    20852014

    422 text/plain; charset=utf-8
    the checkpoint does not continue the last one that was cosigned here

    200 text/plain; charset=utf-8
    — follower.example/f1 I/yYjgAAAABpvReASkOyAFLz9ada9SLQsoCix9fFob2b7fPdSvhdTl3dIQ2vDu2rgplUtJyTS0JyvjmdrE3BILOFTIhEuDOJUlcbCg==
    — follower.example/f2 awDk0AAAAABpvReAwqMtPRKhaviTQMf0XA4+VfflxN40xippm2/OPzlWUnV+3+b8EkmkA44EoLh2IRMOyCZzVrnUk8S7xMA/9OLwCw==
    ");
}

#[test]
fn answers_that_say_nothing_are_errors() {
    let wrong = |status, content_type, body: &[u8]| Answer::parse(status, content_type, body).unwrap_err().to_string();
    let size = Some("text/x.tlog.size");
    let messages = [
        wrong(200, None, b""),
        wrong(200, None, b"cosigned\n"),
        wrong(200, None, b"\xff"),
        wrong(409, None, b"3\n"),
        wrong(409, Some("text/plain"), b"3\n"),
        wrong(409, size, b"3"),
        wrong(409, size, b"03\n"),
        wrong(409, size, b"18446744073709551616\n"),
        wrong(429, size, b"3\n"),
        wrong(503, None, b"later\n"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the cosigner's answer 200 has something else than signature lines
    the cosigner's answer 200 has something else than signature lines
    the cosigner's answer 200 has something else than signature lines
    the cosigner's answer 409 does not say a size
    the cosigner's answer 409 does not say a size
    the cosigner's answer 409 does not say a size
    the cosigner's answer 409 does not say a size
    the cosigner's answer 409 does not say a size
    the cosigner's answer 429 is none that the protocol knows
    the cosigner's answer 503 is none that the protocol knows
    ");
    let spelled = Answer::parse(409, Some("Text/X.tlog.size; charset=utf-8"), b"0\n").unwrap();
    assert_eq!(spelled, Answer::Refused(Refusal::OtherSize { known: 0 }));
    // Words are not read.
    assert_eq!(Answer::parse(404, None, b"\xff").unwrap(), Answer::Refused(Refusal::UnknownLog));
}

#[test]
fn a_cosigned_checkpoint_is_found_by_its_origin() {
    insta::assert_snapshot!(checkpoint_path(ORIGIN), @"82236defccf678b6472cfcf867bb1f3f4c9e255bab11273ca1682c8e0ecc40f9/checkpoint");
}

proptest! {
    #[test]
    fn what_parses_as_a_request_is_written_the_same(
        body in "(old [0-9]{1,2}\n)?([A-Za-z0-9+/]{43}=\n){0,2}(\n)?\\PC{0,9}\n?",
    ) {
        if let Ok(request) = AddCheckpoint::parse(body.as_bytes()) {
            prop_assert_eq!(request.to_body(), body);
        }
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), status: u16) {
        let _ = AddCheckpoint::parse(&bytes);
        let _ = Answer::parse(status, Some("text/x.tlog.size"), &bytes);
    }

    #[test]
    fn every_step_of_a_log_can_be_cosigned(sizes in (0_u64..300, 0_u64..300).prop_map(|(a, b)| (a.min(b), a.max(b)))) {
        let (old, new) = sizes;
        let asked = AddCheckpoint::parse(request(old, new).to_body().as_bytes()).unwrap();
        prop_assert_eq!(asked.check(Some(&log_key().verifier()), Some(&log(old))).unwrap(), signed(&log(new)));
    }
}
