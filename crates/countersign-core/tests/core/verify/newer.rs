//! A log of a later semantics: not readable any further, never called broken, and checked as far as it can be read.

use countersign_core::decision::Outcome;
use countersign_ledger::Line;

use super::*;

fn raise(world: &mut World) {
    let publication = world.publication(&[]);
    world.publish(Publication { semantics: Some(2), ..publication }).unwrap();
}

fn verdicts(report: &Report) -> Vec<String> {
    report.steps.iter().skip(4).map(|step| format!("{} {:?} {:?}", step.name, step.verdict, step.index)).collect()
}

/// A leaf of ada's after the last one, with one word of its statement edited.
fn with_a_leaf(world: &World, from: &str, to: &str) -> Evidence {
    let change = world.state.changes().next().unwrap().id.clone();
    let payload = world.statement("ada", Body::Approval(world.approval(&change))).encode().unwrap();
    let payload = String::from_utf8(payload).unwrap();
    let edited = payload.replacen(from, to, 1);
    assert_ne!(edited, payload);
    let signature = world.keys["ada"].sign(edited.as_bytes()).unwrap();
    let envelope = Envelope::new(edited.as_bytes(), vec![signature]).unwrap();
    let stream = format!("change/{change}").parse().unwrap();
    let line = Line::after(stream, world.state.head(&format!("change/{change}").parse().unwrap()).unwrap());
    world.forged(|leaves| leaves.push(Leaf::new(vec![line], world.now, envelope).unwrap()))
}

#[test]
fn a_log_of_a_newer_semantics_is_newer_than_this_program() {
    let mut world = lively();
    let before = world.evidence();
    raise(&mut world);
    let report = check(&world, &world.evidence());
    assert!(!report.holds() && report.state.is_none());
    assert_eq!(report.first_broken(), None);
    assert_eq!(verdicts(&report), ["statements Newer None", "decisions Holds None"]);
    assert_snapshot!(report.steps[4].detail, @"the log has semantics 2, which is newer than this program (it knows 1)");
    // Everything before it still verifies.
    assert!(check(&world, &before).holds());
}

/// Rules that ask for what only the newer semantics has come with the publication that raises it, or after it.
#[test]
fn a_raise_that_brings_newer_rules_is_newer() {
    let brings = |semantics| {
        let mut world = lively();
        let rules =
            crate::kit::rules().remove("documented.cedar").unwrap().replace("documents.why", "documents.whence");
        let publication = world.publication(&[("rules/documented-by-tier.cedar", Some(rules.as_bytes()))]);
        let change = world.amend_as("ada", &Publication { semantics, ..publication }).unwrap();
        world.approve("grace", &change).unwrap();
        let body = Body::Publication(world.publication_of(&change));
        let envelope = world.sign(&world.statement("ada", body), &["ada"]);
        let line = |stream: &str| {
            let stream: countersign_ledger::StreamId = stream.parse().unwrap();
            let head = world.state.head(&stream).unwrap();
            Line::after(stream, head)
        };
        let lines = vec![line("governance"), line(&format!("change/{change}"))];
        let at = world.size();
        let evidence = world.forged(|leaves| leaves.push(Leaf::new(lines, world.now, envelope).unwrap()));
        (at, verdicts(&check(&world, &evidence)))
    };
    assert_eq!(brings(Some(2)).1, ["statements Newer None", "decisions Holds None"]);
    let (at, said) = brings(None);
    assert_eq!(said[0], format!("statements Broken Some({at})"));
}

#[test]
fn what_this_program_cannot_read_in_a_newer_log_does_not_break_it() {
    let mut world = lively();
    let unknown = [
        ("approval:v1", "blessing:v1"),
        ("approval:v1", "approval:v2"),
        ("approval:v1", "meeting:v1"),
        ("\"seen\":\"computed\"", "\"seen\":\"computed\",\"with\":\"gloves\""),
        ("\"seen\":\"computed\"", "\"seen\":\"recited\""),
    ];
    let at = world.size();
    let said = unknown.map(|(from, to)| verdicts(&check(&world, &with_a_leaf(&world, from, to))).join(", "));
    let broken = format!("statements Broken Some({at})");
    // Of a kind that has a name already, no raise has to say that it is newer.
    let newer = format!("statements Newer Some({at}), decisions Holds None");
    assert_eq!(said, [&broken, &broken, &newer, &broken, &broken].map(String::clone));
    raise(&mut world);
    for (from, to) in unknown {
        let report = check(&world, &with_a_leaf(&world, from, to));
        assert_eq!(verdicts(&report), [&format!("statements Newer Some({})", at + 1), "decisions Holds None"], "{to}");
        assert!(report.state.is_none());
    }
}

#[test]
fn a_newer_end_hides_nothing_that_is_broken_before_it() {
    let mut world = World::new();
    let change = world.propose("mallory", "search/production");
    world.requested("mallory", &change);
    let (_, decided) = world.decided(&change);
    let at = world.size();
    // A captured server lets through what the rules deny, and raises the semantics over it.
    world.say("countersign", Body::Decided(Decided { outcome: Outcome::Allow, ..decided })).unwrap();
    raise(&mut world);
    let report = check(&world, &world.evidence());
    assert_eq!(verdicts(&report), ["statements Newer None", &format!("decisions Broken Some({at})")]);
    assert_eq!(report.first_broken(), Some(at));
}

#[test]
fn a_genesis_of_a_newer_semantics_is_newer_than_this_program() {
    let world = World::new();
    let of = |semantics: u32| {
        let genesis = &world.leaves[0].leaf;
        let mut statement = Statement::parse(genesis.envelope.payload()).unwrap();
        if let Body::Genesis(genesis) = &mut statement.body {
            genesis.semantics = semantics;
        }
        let envelope = world.sign(&statement, &["ada", "grace"]);
        let mut trust = world.trust.clone();
        trust.genesis = envelope.payload_digest();
        let evidence = world.forged(|leaves| leaves[0] = enveloped(genesis, envelope));
        verify(&trust, &evidence, world.now)
    };
    assert!(of(1).holds());
    assert_eq!(verdicts(&of(2)), ["statements Newer Some(0)", "decisions NotChecked None"]);
    assert_eq!(verdicts(&of(0)), ["statements Broken Some(0)"]);
}
