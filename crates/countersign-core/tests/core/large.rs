//! A home of thousands: what is decided there is as small as in a home of five, and who stands by makes no difference.

use std::{fmt::Write as _, sync::Arc};

use countersign_core::{
    change::Change,
    decision::Decision,
    explain::{Obligation, explain},
    governance::Governance,
    ids::{ChangeId, Target},
    presence::Presence,
    rules::{Rules, decide},
    snapshot::Snapshot,
    state::State,
};
use countersign_ledger::SigningKey;
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::kit::{FixedRng, World, entities, file, parse_catalog, rules};

const PEOPLE: usize = 5_000;
const SYSTEMS: usize = 335;
/// The most that a decision and a snapshot may take.
const SMALL: usize = 4_096;

/// Somebody who has nothing to do with any change here.
#[derive(Clone, Debug)]
struct Bystander {
    name: String,
    level: &'static str,
    group: &'static str,
}

fn bystander(n: usize) -> Bystander {
    let level = if n.is_multiple_of(10) { "senior" } else { "standard" };
    Bystander { name: format!("person-{n}"), level, group: "everybody" }
}

/// The state with bystanders and systems beside those of the kit.
fn home(world: &World, bystanders: &[Bystander], systems: usize) -> State {
    let mut rng = FixedRng(11);
    let mut text = entities(&world.keys);
    for group in ["everybody", "others"] {
        write!(text, "---\napiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {{name: {group}}}\nspec: {{type: team, children: []}}\n").unwrap();
    }
    for Bystander { name, level, group } in bystanders {
        let key = SigningKey::generate(&mut rng).public();
        write!(
            text,
            "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    countersign/level: {level}\n    \
             countersign/keys: {key}\nspec: {{memberOf: [{group}]}}\n"
        )
        .unwrap();
    }
    for n in 0..systems {
        write!(text, "---\napiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {{name: system-{n}}}\nspec: {{owner: everybody}}\n").unwrap();
    }
    let mut state = world.state.clone();
    let mut governance = Governance::clone(&state.governance);
    governance.catalog = Arc::new(parse_catalog(text));
    state.governance = Arc::new(governance);
    state
}

fn large(world: &World) -> State {
    home(world, &(0..PEOPLE).map(bystander).collect::<Vec<_>>(), SYSTEMS)
}

/// A tier 1 change of two systems, approved by linus, rejected by mallory.
fn contested(world: &mut World) -> ChangeId {
    let mut proposal = world.proposal("checkout/production", &file("timeout: 30"), None);
    proposal.targets.insert("search/production".parse::<Target>().unwrap());
    let change = world.begin("ada", proposal);
    world.approve("linus", &change).unwrap();
    world.reject("mallory", &change).unwrap();
    change
}

fn decided(state: &State, rules: &Rules, change: &Change, world: &World) -> (Snapshot, Decision) {
    let snapshot = Snapshot::take(state, change, world.now).unwrap();
    let decision = decide(rules, &snapshot, world.now);
    (snapshot, decision)
}

fn bytes(decision: &Decision) -> usize {
    serde_json::to_vec(decision).unwrap().len()
}

#[test]
fn a_decision_and_its_snapshot_do_not_grow_with_the_home() {
    let mut world = World::new();
    let change = contested(&mut world);
    let change = world.change(&change);
    let rules = &world.state.governance.rules;
    let (few, many) = (home(&world, &[], 0), large(&world));
    let (small, small_decision) = decided(&few, rules, change, &world);
    let (snapshot, decision) = decided(&many, rules, change, &world);
    assert_eq!(snapshot.population as usize, PEOPLE + 5);
    assert_eq!(Snapshot { population: small.population, ..snapshot.clone() }, small);
    assert_eq!((decision.outcome, &decision.rules), (small_decision.outcome, &small_decision.rules));
    assert!(snapshot.to_bytes().len() < SMALL, "{}", snapshot.to_bytes().len());
    assert!(bytes(&decision) < SMALL, "{}", bytes(&decision));
}

#[test]
fn a_decision_does_not_grow_with_the_rules_that_do_not_apply() {
    let mut world = World::new();
    let change = contested(&mut world);
    let change = world.change(&change);
    let mut files = rules();
    for n in 0..1_000 {
        let rule = format!(
            "@id(\"of-system-{n}\")\n@requires(\"approval:owner:1\")\n@because(\"Because.\")\n@remedy(\"mend {{change}}\")\n\
             @mode(\"enforce\")\n@strength(\"waivable\")\nforbid (principal, action == \
             Countersign::Action::\"apply\", resource in Countersign::System::\"system-{n}\")\nunless {{ \
             resource.approvals.owner >= 1 }};\n"
        );
        files.insert(format!("of-system-{n}.cedar"), rule);
    }
    let rules = Rules::parse(&files).unwrap_or_else(|e| panic!("{e}"));
    let (_, decision) = decided(&world.state, &rules, change, &world);
    assert!(bytes(&decision) < SMALL, "{}", bytes(&decision));
    assert!(decision.not_applicable >= 1_000);
}

/// Who is asked, and how many others.
fn asked(obligations: &[Obligation]) -> String {
    let lines = obligations.iter().map(|obligation| {
        let who: Vec<&str> = obligation.who.iter().map(|id| id.as_str()).collect();
        format!("{}: {} and {} more", obligation.missing, who.join(", "), obligation.more)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_nearest_are_named_and_the_others_counted() {
    let mut world = World::new();
    let change = contested(&mut world);
    let change = world.change(&change);
    let state = large(&world);
    let (_, decision) = decided(&state, &state.governance.rules, change, &world);
    let told = explain(&decision, &state, change, &Presence::default(), world.now).unwrap();
    let of = |rule: &str| asked(&told.rules.iter().find(|told| told.id.as_str() == rule).unwrap().obligations);
    // grace owns checkout, which lacks an owner; ada made it, linus approved it, and mallory rejected it.
    assert_snapshot!(of("tier-1-senior"), @"
    1 approval by a senior: grace, barbara, person-0, person-10, person-100 and 497 more
    1 more approval by somebody who had no hand in the change: grace, barbara, person-0, person-10, person-100 and 4997 more
    ");
    assert_snapshot!(of("owner-approves"), @"1 approval by an owner of the system (checkout): grace and 0 more");
    assert_snapshot!(of("no-rejection"), @"mallory rejected this change: mallory and 0 more");
}

fn any_bystanders() -> impl Strategy<Value = Vec<Bystander>> {
    let levels = proptest::sample::select(vec!["standard", "senior", "principal", "director"]);
    let one = (0..50_usize, levels, proptest::sample::select(vec!["everybody", "others"]));
    proptest::collection::btree_map(0..40_usize, one, 0..12).prop_map(|people| {
        let bystander = |(n, (name, level, group))| Bystander { name: format!("p{n}-{name}"), level, group };
        people.into_iter().map(bystander).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever had no part in a change is nothing to its decision but their number.
    #[test]
    fn bystanders_only_count(some in any_bystanders(), others in any_bystanders()) {
        let mut world = World::new();
        let contested = contested(&mut world);
        let plain = world.propose("grace", "search/production");
        world.approve("barbara", &plain).unwrap();
        world.waive("barbara", &plain, "owner-approves").unwrap();
        let (one, other) = (home(&world, &some, 2), home(&world, &others, 9));
        for change in [contested, plain] {
            let change = world.change(&change);
            let rules = &world.state.governance.rules;
            let (here, decided_here) = decided(&one, rules, change, &world);
            let (there, decided_there) = decided(&other, rules, change, &world);
            prop_assert_eq!(here.population as usize, 5 + some.len());
            prop_assert_eq!(&Snapshot { population: here.population, ..there.clone() }, &here);
            prop_assert_eq!((decided_here.outcome, decided_here.rules), (decided_there.outcome, decided_there.rules));
        }
    }
}
