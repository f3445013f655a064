//! Attacks on freezes that people sign: by clock, by who and how often, by name, kind, path and old permits, by hiding them, and on
//! what has to go in spite of them.

use countersign_core::{
    admit::{self, Signed},
    calendar::{Pass, Scope},
    freeze::passed,
    kind::{Kind, Purpose},
    rules::decide,
    statement::{BreakGlass, Freeze, Proposal},
};

use super::*;

const HOUR: i64 = 60 * 60;

fn of_search() -> Scope {
    Scope { systems: ["search".parse().unwrap()].into(), ..Scope::default() }
}

#[test]
fn a_freeze_stops_at_once_and_ends_by_itself() {
    let (mut world, change) = approved();
    assert_eq!(world.standing(&change), "allow");
    world.freeze("mallory", of_search(), 4).unwrap();
    assert_eq!(world.standing(&change), "frozen");
    world.now = world.now.plus_secs(4 * HOUR - 1);
    assert_eq!(world.standing(&change), "frozen");
    world.now = world.now.plus_secs(1);
    assert_eq!(world.standing(&change), "allow");
    // What governs is never frozen.
    world.freeze("barbara", Scope::default(), 4).unwrap();
    let amended = world.amend("ada", &[("rules/documented.cedar", None)]);
    assert!(!world.standing(&amended).contains("frozen"));
    assert_eq!(world.replayed().unwrap().governance.record, world.state.governance.record);
}

#[test]
fn a_freeze_by_somebody_who_owns_nothing_of_it_is_refused() {
    let mut world = World::new();
    let checkout = Scope { systems: ["checkout".parse().unwrap()].into(), ..Scope::default() };
    let both = Scope { systems: ["checkout".parse().unwrap(), "search".parse().unwrap()].into(), ..Scope::default() };
    for scope in [checkout.clone(), both, Scope::default()] {
        assert!(told(world.freeze("linus", scope, 1)).starts_with("not-theirs-to-freeze"));
    }
    assert!(told(world.freeze("ci", of_search(), 1)).starts_with("only-people"));
    world.freeze("ada", checkout, 1).unwrap();
    world.freeze("barbara", Scope::default(), 1).unwrap();
}

#[test]
fn a_freeze_of_a_name_that_is_nearly_right_is_refused() {
    let mut world = World::new();
    let of = |environment: &str, system: &str| Scope {
        environments: [environment.parse().unwrap()].into(),
        systems: [system.parse().unwrap()].into(),
        ..Scope::default()
    };
    for (scope, hint) in [(of("prod", "search"), "production"), (of("production", "serch"), "search")] {
        let refusal = world.freeze("barbara", scope, 1).unwrap_err();
        assert_eq!(refusal.code, "freeze-scope");
        assert_eq!(refusal.hint, Some(format!("did you mean `{hint}`?")));
    }
}

#[test]
fn nobody_freezes_for_ever_by_renewing() {
    let mut world = World::new();
    assert!(told(world.freeze("linus", of_search(), 25)).starts_with("freeze-too-long"));
    assert!(told(world.freeze("linus", of_search(), 0)).starts_with("freeze-over"));
    world.freeze("linus", of_search(), 24).unwrap();
    assert!(told(world.freeze("linus", of_search(), 24)).starts_with("freeze-renewed"));
    // Nor under a name that has some of it, nor as soon as it is over.
    let narrower = Scope { paths: Some("src/**".to_owned()), ..of_search() };
    world.now = world.now.plus_secs(25 * HOUR);
    assert!(told(world.freeze("linus", narrower, 24)).starts_with("freeze-renewed"));
    // Somebody else can.
    world.freeze("mallory", of_search(), 1).unwrap();
    world.now = world.now.plus_secs(23 * HOUR);
    world.freeze("linus", of_search(), 24).unwrap();
}

#[test]
fn an_edited_end_is_another_statement_that_nobody_signed() {
    let mut world = World::new();
    let freeze = world.freeze_of(of_search(), 4);
    let signed = world.sign(&world.statement("linus", Body::Freeze(freeze.clone())), &["linus"]);
    let payload = String::from_utf8(signed.payload().to_vec()).unwrap();
    let until = |freeze: &Freeze| serde_json::to_string(&freeze.until).unwrap();
    let shorter = Freeze { until: freeze.until.plus_secs(-3 * HOUR), ..freeze.clone() };
    let edited = payload.replace(&until(&freeze), &until(&shorter));
    assert_ne!(edited, payload);
    let envelope = countersign_ledger::Envelope::new(edited.as_bytes(), signed.signatures().to_vec()).unwrap();
    assert!(told(Signed::check(&envelope)).starts_with("signature-invalid"));
}

/// Approved changes of `search` that differ in kind and purpose.
#[test]
fn a_freeze_is_not_evaded_by_kind_path_or_purpose() {
    let mut world = World::new();
    let with = |kind: Kind, purpose: Purpose, freeze: Freeze| {
        let mut world = World::new();
        let proposal = world.proposal("search/production", &file("timeout: 31"), None);
        let change = world.begin("ada", Proposal { kind, purpose, ..proposal });
        world.approve("linus", &change).unwrap();
        let reason = world.reason("payments are slow");
        world.say("mallory", Body::Freeze(Freeze { reason, ..freeze })).unwrap();
        world.standing(&change)
    };
    let all = world.freeze_of(of_search(), 4);
    let flags_pass = Freeze { may_pass: [Pass::Incident, Pass::Kind(Kind::Flag)].into(), ..all.clone() };
    let of_kind = |kind| Freeze { scope: Scope { kinds: [kind].into(), ..of_search() }, ..all.clone() };
    let of_paths =
        |paths: &str| Freeze { scope: Scope { paths: Some(paths.to_owned()), ..of_search() }, ..all.clone() };
    let incident = || Purpose { incident: Some("INC-1".to_owned()), ..Purpose::default() };
    let security = || Purpose { security: true, ..Purpose::default() };
    let none = Purpose::default;
    assert_eq!(with(Kind::Config, incident(), all.clone()), "frozen");
    assert_eq!(with(Kind::Config, incident(), flags_pass.clone()), "allow");
    assert_eq!(with(Kind::Config, security(), flags_pass.clone()), "frozen");
    assert_eq!(with(Kind::Flag, none(), flags_pass), "allow");
    assert_eq!(with(Kind::Config, none(), of_kind(Kind::Config)), "frozen");
    assert_eq!(with(Kind::Config, none(), of_kind(Kind::Schema)), "allow");
    assert_eq!(with(Kind::Config, none(), of_paths("*.yaml")), "frozen");
    assert_eq!(with(Kind::Config, none(), of_paths("docs/**")), "allow");
}

#[test]
fn a_freeze_is_not_evaded_by_an_old_permit() {
    let (mut world, change) = approved();
    let permit = world.ask("ada", &change).unwrap();
    let freeze = world.freeze("mallory", of_search(), 4).unwrap();
    // A gate that redeems it judges anew; and the log takes no start within it.
    assert_eq!(world.standing(&change), "frozen");
    for result in [OutcomeResult::Started, OutcomeResult::Applied] {
        let refusal = world.report("ada", &change, permit, result).unwrap_err();
        assert_eq!(refusal.code, "frozen", "{refusal}");
    }
    world.thaw(&["mallory"], freeze).unwrap();
    world.report("ada", &change, permit, OutcomeResult::Started).unwrap();
}

#[test]
fn a_freeze_is_lifted_by_who_froze_or_by_two() {
    let (mut world, change) = approved();
    let freeze = world.freeze("mallory", of_search(), 4).unwrap();
    assert!(told(world.thaw(&["barbara"], freeze)).starts_with("two-people"));
    assert!(told(world.thaw(&["linus", "linus"], freeze)).starts_with("two-people"));
    assert!(told(world.thaw(&["ada", "ci"], freeze)).starts_with("only-people"));
    assert_eq!(world.standing(&change), "frozen");
    world.thaw(&["ada", "linus"], freeze).unwrap();
    assert_eq!(world.standing(&change), "allow");
    assert!(told(world.thaw(&["mallory"], freeze)).starts_with("freeze-over"));
    assert!(told(world.thaw(&["mallory"], Digest::of("none"))).starts_with("unknown-freeze"));
}

#[test]
fn a_freeze_that_a_server_hides_is_obeyed_where_it_was_handed_over() {
    let (mut world, change) = approved();
    let freeze = world.freeze_of(of_search(), 4);
    let signed = Signed::check(&world.sign(&world.statement("mallory", Body::Freeze(freeze)), &["mallory"])).unwrap();
    let standing = |world: &World| {
        let mut state = world.state.clone();
        let obeyed = state.obey(&signed, world.now);
        let snapshot = Snapshot::take(&state, state.change(&change).unwrap().unwrap(), world.now).unwrap();
        let standing = stopping(&decide::decide(&state.governance.rules, &snapshot, world.now));
        (obeyed.err().map_or("obeyed", |refusal| refusal.code), standing)
    };
    admit::stop(&world.state, &signed, world.now).unwrap();
    assert_eq!(standing(&world).1, "frozen");
    // It stands as long as it says, whatever becomes of who signed it.
    world.revoke("barbara", "mallory").unwrap();
    world.now = world.now.plus_secs(4 * HOUR - 1);
    assert_eq!(standing(&world).1, "frozen");
    world.now = world.now.plus_secs(1);
    assert_eq!(standing(&world), ("freeze-over", String::new()));
    // Whoever may not freeze it hands nothing over.
    let everything = world.freeze_of(Scope::default(), 4);
    let signed = Signed::check(&world.sign(&world.statement("linus", Body::Freeze(everything)), &["linus"])).unwrap();
    assert!(told(admit::stop(&world.state, &signed, world.now)).starts_with("not-theirs-to-freeze"));
}

#[test]
fn breaking_the_glass_names_the_freeze_that_it_goes_over() {
    let mut world = World::new();
    world.register_gate();
    let change = world.propose_git("ada", &facts(9, &[author("ada@example.com")]));
    let freeze = world.freeze("barbara", Scope::default(), 4).unwrap();
    let glass = world.glass(&change);
    let refusal = world.say("grace", Body::BreakGlass(glass.clone())).unwrap_err();
    assert_eq!(refusal.code, "stop-not-named", "{refusal}");
    let named = BreakGlass { over_freezes: [freeze].into(), ..glass };
    let who = world.change(&change).targets.iter().map(|target| target.to_string()).collect::<Vec<_>>();
    world.say("barbara", Body::BreakGlass(named)).unwrap_or_else(|refusal| panic!("{who:?} {refusal}"));
    let governance = &world.state.governance;
    let (change, record) = (world.change(&change), &governance.record.freezes[&freeze]);
    assert_eq!(passed(governance, record, change, change.permits.last().unwrap()).as_deref(), Some("break-glass"));
}
