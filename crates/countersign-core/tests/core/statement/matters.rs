//! Findings of every matter.

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
            targets: targets(&["checkout/production"]),
        }),
        of(Matter::LandedAlone { change: change(), gate: gate(), targets: targets(&["checkout/production"]) }),
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
