//! Findings of every matter.

use countersign_core::statement::Side;

use super::*;

/// A finding of every matter.
pub fn matters() -> Vec<Statement> {
    let of = |what: Matter| {
        let mut statement = one_of_each().into_iter().find(|said| said.body.kind() == "finding").unwrap();
        let Body::Finding(finding) = &mut statement.body else { unreachable!() };
        finding.what = what;
        statement
    };
    let branch = || "refs/heads/main".to_owned();
    let revocation = |of| Matter::RevocationUnconfirmed {
        by: id("linus"),
        key: key().fingerprint(),
        of,
        revocation: Digest::of("revocation"),
    };
    vec![
        of(Matter::AfterReview {
            by: id("linus"),
            change: change(),
            restores: "1a2b".repeat(8).parse().unwrap(),
            targets: targets(&["checkout/production"]),
        }),
        of(Matter::GlassBroken {
            by: BTreeSet::from([id("grace"), id("linus")]),
            change: change(),
            glass: Digest::of("glass"),
            over: BTreeSet::from([id("mallory")]),
            targets: targets(&["checkout/production"]),
        }),
        of(Matter::ApprovesEachOther {
            first: Side { approved: 23, by: id("grace"), of: 30 },
            second: Side { approved: 25, by: id("linus"), of: 31 },
            targets: targets(&["checkout/production", "search/staging"]),
        }),
        of(Matter::CarriesAThird {
            by: id("grace"),
            given: 21,
            of: 60,
            targets: targets(&["checkout/production"]),
            unit: "payments".parse().unwrap(),
        }),
        of(Matter::KeysRecovered {
            by: BTreeSet::from([id("ada"), id("grace")]),
            of: BTreeSet::from([id("linus"), id("mallory")]),
            recovery: Digest::of("recovery"),
        }),
        of(Matter::CalendarStale { calendar: "team".to_owned(), heard: Some(START) }),
        of(Matter::CalendarStale { calendar: "team".to_owned(), heard: None }),
        of(Matter::DrillOverdue { target: "checkout/production".parse().unwrap() }),
        of(Matter::LandedAlone {
            change: change(),
            gate: gate(),
            targets: targets(&["checkout/production"]),
            unmet: ["owner-approves".parse().unwrap()].into(),
        }),
        of(Matter::GateMode { branch: branch(), gate: gate(), targets: targets(&["checkout/production"]) }),
        of(Matter::NobodyCan {
            rule: "owner-approves".parse().unwrap(),
            target: "checkout/production".parse().unwrap(),
        }),
        of(Matter::RuleSwitched {
            changes: ["1a2b".repeat(8).parse().unwrap()].into(),
            off: Digest::of("off"),
            on: Digest::of("on"),
            rule: "owner-approves".parse().unwrap(),
            target: "checkout/production".parse().unwrap(),
        }),
        of(revocation(Holder::Person(id("grace")))),
        of(revocation(Holder::Gate(gate()))),
    ]
}

#[test]
fn a_reserved_kind_is_newer() {
    for kind in RESERVED_KINDS {
        assert!(!KINDS.contains(kind), "{kind} has a body");
        let other = approval().replacen("approval:v1", &format!("{kind}:v1"), 1);
        let refusal = Statement::parse(other.as_bytes()).unwrap_err();
        assert_eq!(refusal.class, RefusalClass::Newer, "{kind}");
    }
    let other = approval().replacen("approval:v1", "observation:v1", 1);
    let refusal = Statement::parse(other.as_bytes()).unwrap_err();
    assert_snapshot!(refusal.to_string(), @"a statement of the kind `observation` is newer than this program");
    assert_snapshot!(refusal.hint.unwrap(), @"install a newer countersign on this machine; until then nothing is decided here");
}

/// What people say in their own streams.
pub fn of_people() -> Vec<Body> {
    vec![
        Body::Away(Away { from: Some(START), until: START.plus_secs(60) }),
        Body::Back(Back { away: [Digest::of("away")].into() }),
        Body::Delegation(Delegation {
            from: Some(START),
            role: "group:payments".parse().unwrap(),
            targets: targets(&["checkout/production", "search/staging"]),
            to: id("linus"),
            until: START.plus_secs(60),
        }),
        Body::DelegationEnd(DelegationEnd { delegation: Digest::of("delegation"), of: id("ada"), to: id("linus") }),
    ]
}
