use countersign_ledger::{
    Cosigner, CosignerKey, Quorum, Time,
    cosignature::{MAX_COSIGNERS, MalformedQuorum},
};

use crate::{
    cosignature::{NOW, forged, line, note_with, verifier},
    support::FixedRng,
};

fn by(operator: &str, number: u64) -> Cosigner {
    Cosigner { operator: operator.to_owned(), key: verifier(number) }
}

/// Two of three operators; the first runs two cosigners.
fn quorum() -> Quorum {
    Quorum::new(2, vec![by("ops-a", 1), by("ops-a", 2), by("ops-b", 3), by("ops-c", 4)]).unwrap()
}

/// Operators and names that count at [`NOW`], or why too few do.
fn met(lines: &[String]) -> String {
    match quorum().met(&note_with(lines), NOW, 60) {
        Ok(counted) => {
            let counted = counted.iter();
            counted.map(|counted| format!("{}: {}\n", counted.operator, counted.cosignature.name())).collect()
        }
        Err(error) => error.to_string().replace("; ", ";\n"),
    }
}

#[test]
fn operators_are_counted_not_keys() {
    insta::assert_snapshot!(met(&[line(1, 0), line(3, -1)]), @"
    ops-a: follower.example/f1
    ops-b: follower.example/f3
    ");
    insta::assert_snapshot!(met(&[line(4, 0), line(2, -1), line(1, -2), line(3, 0)]), @"
    ops-a: follower.example/f2
    ops-b: follower.example/f3
    ops-c: follower.example/f4
    ");
    insta::assert_snapshot!(met(&[line(1, 0), line(2, 0)]), @"
    1 of the 2 operators that it takes have cosigned the checkpoint lately: `follower.example/f3` of `ops-b` has not;
    `follower.example/f4` of `ops-c` has not
    ");
    insta::assert_snapshot!(met(&[line(1, 0), line(1, -1), line(1, -2)]), @"
    1 of the 2 operators that it takes have cosigned the checkpoint lately: `follower.example/f3` of `ops-b` has not;
    `follower.example/f4` of `ops-c` has not
    ");
}

#[test]
fn who_is_missing_or_late_is_said() {
    insta::assert_snapshot!(met(&[]), @"
    0 of the 2 operators that it takes have cosigned the checkpoint lately: `follower.example/f1` of `ops-a` has not;
    `follower.example/f2` of `ops-a` has not;
    `follower.example/f3` of `ops-b` has not;
    `follower.example/f4` of `ops-c` has not
    ");
    insta::assert_snapshot!(met(&[line(1, -75), line(2, 361), forged(4, 0), line(3, 0)]), @"
    1 of the 2 operators that it takes have cosigned the checkpoint lately: `follower.example/f1` of `ops-a` did 75 s ago, 15 s more than the 60 s that count;
    `follower.example/f2` of `ops-a` did 361 s after now, 301 s more than clocks may differ;
    `follower.example/f4` of `ops-c` has an invalid signature there
    ");
}

#[test]
fn a_minute_either_way_counts() {
    let counts = |secs| quorum().met(&note_with(&[line(1, 0), line(3, secs)]), NOW, 60).is_ok();
    assert_eq!([-61, -60, 0, 60, 61].map(counts), [false, true, true, true, false]);
    let note = note_with(&[line(1, 0), line(3, 0)]);
    let counts = |now: Time, max_age_secs| quorum().met(&note, now, max_age_secs).is_ok();
    // Both clocks are read in whole seconds.
    assert!(counts(Time::from_unix_millis(NOW.plus_secs(60).unix_millis() + 999), 60));
    assert!(!counts(NOW.plus_secs(61), 60));
    assert!(counts(NOW.plus_secs(3_600), 3_600) && !counts(NOW.plus_secs(3_600), 3_599));
    assert!(!counts(Time::from_unix_millis(i64::MIN), u64::MAX));
    assert!(counts(Time::from_unix_millis(i64::MAX), u64::MAX));
}

#[test]
fn a_clock_that_was_ahead_does_not_hide_an_honest_line() {
    insta::assert_snapshot!(met(&[line(1, 0), line(3, 600), line(3, -3)]), @"
    ops-a: follower.example/f1
    ops-b: follower.example/f3
    ");
}

#[test]
fn a_quorum_that_counts_wrongly_cannot_be_made() {
    let check = |need, cosigners: Vec<Cosigner>, expected| {
        assert_eq!(Quorum::new(need, cosigners).unwrap_err(), expected);
    };
    check(0, vec![by("a", 1)], MalformedQuorum::Need { need: 0, operators: 1 });
    check(2, vec![by("a", 1), by("a", 2)], MalformedQuorum::Need { need: 2, operators: 1 });
    check(1, Vec::new(), MalformedQuorum::Need { need: 1, operators: 0 });
    for operator in ["", "Ops", "ops a", "ops\n", "\u{43e}ps", &"a".repeat(101)] {
        check(1, vec![by(operator, 1)], MalformedQuorum::Operator(operator.to_owned()));
    }
    // One key under two names: a signature does not say whose it is, so it would count for both.
    let twin = CosignerKey::generate("other.example/f1", &mut FixedRng(101)).unwrap().verifier().clone();
    assert_eq!(twin.public(), verifier(1).public());
    let twin = Cosigner { operator: "b".to_owned(), key: twin };
    let shared = MalformedQuorum::SharedKey("follower.example/f1".to_owned(), "other.example/f1".to_owned());
    check(1, vec![by("a", 1), twin], shared);
    let many = (0..=MAX_COSIGNERS as u64).map(|number| by("a", number)).collect();
    check(1, many, MalformedQuorum::TooMany(MAX_COSIGNERS + 1));
}

#[test]
fn a_quorum_is_data() {
    let quorum = Quorum::new(1, vec![by("ops-a", 1)]).unwrap();
    let json = serde_json::to_string(&quorum).unwrap();
    insta::assert_snapshot!(json, @r#"{"need":1,"cosigners":[{"operator":"ops-a","key":"follower.example/f1+23fc988e+BImvAIh9Hkz/MgCnxEDb8h2Q58cz0FSZVWacPARdGtZD"}]}"#);
    assert_eq!(serde_json::from_str::<Quorum>(&json).unwrap(), quorum);
    for wrong in
        [json.replace(":1,", ":0,"), json.replace("ops-a", "OPS"), json.replace("\"need\"", "\"any\":1,\"need\"")]
    {
        assert!(serde_json::from_str::<Quorum>(&wrong).is_err(), "{wrong}");
    }
}
