//! Whose absence closes what: by classes of people who are alike, and by brute force.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use countersign_core::{
    catalog::{ActorKind, Catalog, Tier},
    coverage::{
        absent::{Absences, Among, Closing, EXACT, Gate, Stands, absences},
        gone::{Gone, StandIn},
        supply::supply,
    },
    decision::Outcome,
    explain::Obligation,
    governance::Governance,
    ids::{ActorId, ChangeId, GroupId, Target},
    kind::{Documents, Kind},
    rules::{Rules, decide},
    snapshot::{AiStatus, Builder, TargetView},
};
use countersign_ledger::{Digest, SigningKey};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::kit::{FixedRng, START, World, id, parse_catalog};

/// One of a small home.
#[derive(Clone, Debug)]
struct Person {
    senior: bool,
    red: bool,
    blue: bool,
}

/// A rule of one kind or another, and how many it asks for.
#[derive(Clone, Copy, Debug)]
struct Asks {
    what: usize,
    count: u32,
    waivable: bool,
    schema_only: bool,
}

const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

impl Asks {
    fn cedar(self, nth: usize) -> String {
        let Self { what, count, waivable, schema_only } = self;
        let (requires, met) = match what % 7 {
            0 => (format!("approval:independent:{count}"), format!("resource.approvals.independent >= {count}")),
            1 => (format!("approval:senior:{count}"), format!("resource.approvals.senior >= {count}")),
            2 => (format!("approval:owner:{count}"), format!("resource.approvals.owner >= {count}")),
            3 => (format!("approval:group:blue:{count}"), format!("resource.approvals.group[\"blue\"] >= {count}")),
            4 => (
                format!("approval:owner:1 | approval:senior:{count}"),
                format!("resource.approvals.owner >= 1 || resource.approvals.senior >= {count}"),
            ),
            5 => (
                format!("approval:apart:group:blue:1+independent:{count}"),
                format!("resource.approvals.apart[\"group:blue:1+independent:{count}\"]"),
            ),
            _ => (
                "approval:independent:1".to_owned(),
                "resource.approvers.contains(Countersign::Person::\"a\") || resource.contributors.contains(Countersign::Person::\"b\")"
                    .to_owned(),
            ),
        };
        let strength = if waivable { "waivable" } else { "mandatory" };
        let when = if schema_only { "resource in Countersign::Kind::\"schema\"" } else { "resource.production" };
        format!(
            "@id(\"rule-{nth}\")\n@requires(\"{requires}\")\n@because(\"Because.\")\n@remedy(\"countersign approve {{change}}\")\n@mode(\"enforce\")\n\
             @strength(\"{strength}\")\nforbid (principal, action == Countersign::Action::\"apply\", resource)\nwhen {{ {when} }}\nunless {{ {met} }};\n"
        )
    }
}

/// `red` owns `shop`; `blue` owns `search`.
fn home(people: &[Person], asks: &[Asks]) -> Governance {
    let mut rng = FixedRng(5);
    let mut text = String::new();
    for group in ["red", "blue"] {
        write!(text, "---\napiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {{name: {group}}}\nspec: {{type: team, children: []}}\n").unwrap();
    }
    for (name, tier, owner) in [("shop", 1, "red"), ("search", 3, "blue")] {
        write!(text, "---\napiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: {name}\n  annotations: {{countersign/tier: \"{tier}\"}}\nspec: {{owner: {owner}}}\n").unwrap();
    }
    for (name, person) in NAMES.iter().zip(people) {
        let level = if person.senior { "senior" } else { "standard" };
        let groups: Vec<&str> =
            [(person.red, "red"), (person.blue, "blue")].into_iter().filter(|(is, _)| *is).map(|(_, g)| g).collect();
        let key = SigningKey::generate(&mut rng).public();
        write!(
            text,
            "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    countersign/level: {level}\n    \
             countersign/keys: {key}\nspec: {{memberOf: [{}]}}\n",
            groups.join(", ")
        )
        .unwrap();
    }
    let files: BTreeMap<String, String> =
        asks.iter().enumerate().map(|(nth, asks)| (format!("rule-{nth}.cedar"), asks.cedar(nth))).collect();
    let mut governance = Governance::clone(&World::new().state.governance);
    governance.catalog = Arc::new(parse_catalog(text));
    governance.rules = Arc::new(Rules::parse(&files).unwrap_or_else(|error| panic!("{error}")));
    governance
}

type People = BTreeSet<ActorId>;

/// Every subset of these.
fn subsets(people: &People) -> Vec<People> {
    people.iter().fold(vec![People::new()], |known, person| {
        let with = |set: &People| set.iter().chain([person]).cloned().collect();
        known.iter().map(with).chain(known.clone()).collect()
    })
}

/// Who with which approvers gets a change of a target through, without any waiver.
fn roads(governance: &Governance, target: &Target, kind: Kind) -> Vec<People> {
    let catalog: &Catalog = &governance.catalog;
    let system = &catalog.systems[&target.system];
    let blue: GroupId = "blue".parse().unwrap();
    let mut open = Vec::new();
    for proposer in catalog.people() {
        let others = catalog.people().iter().filter(|id| *id != proposer).cloned().collect();
        for approvers in subsets(&others) {
            let mut snapshot = Builder::new(ChangeId::of_proposal(&Digest::of("it")), kind)
                .target(TargetView {
                    target: target.clone(),
                    production: true,
                    tier: system.tier,
                    owner: system.owner.clone(),
                })
                .proposed_by(proposer.clone(), ActorKind::Person)
                .ai(AiStatus::None, true)
                .documents(Documents { why: 999, risk: 999, rollback: 999, tests: 999, ..Documents::default() })
                .population(catalog.population());
            for by in &approvers {
                let owns = catalog.owns(by, &target.system).then(|| target.system.clone());
                snapshot = snapshot.approved(by.clone(), catalog.seniors().contains(by), owns);
            }
            let here: People = approvers.iter().chain([proposer]).cloned().collect();
            let members: Vec<ActorId> = here.iter().filter(|by| catalog.is_in(by, &blue)).cloned().collect();
            if !members.is_empty() {
                snapshot = snapshot.in_group(blue.clone(), members);
            }
            if decide(&governance.rules, &snapshot.build(), START).outcome == Outcome::Allow {
                open.push(here);
            }
        }
    }
    open
}

/// Every set of people that these say.
fn sets(of: &[Among]) -> BTreeSet<People> {
    of.iter().fold(BTreeSet::from([People::new()]), |known, among| {
        let some: Vec<People> = subsets(&among.people).into_iter().filter(|set| set.len() == among.count).collect();
        known.iter().flat_map(|one| some.iter().map(move |more| one.union(more).cloned().collect())).collect()
    })
}

fn check(governance: &Governance) -> Result<(), TestCaseError> {
    let everybody = governance.catalog.people();
    let Absences { gates, unasked } = absences(governance, None, &Gone::default(), START);
    prop_assert_eq!(unasked, 0);
    for target in ["shop/production", "search/production"] {
        let target: Target = target.parse().unwrap();
        for kind in [Kind::Code, Kind::Schema] {
            let roads = roads(governance, &target, kind);
            let closed = |away: &People| roads.iter().all(|road| !road.is_disjoint(away));
            let of_it: Vec<&Gate> =
                gates.iter().filter(|gate| gate.target == target && gate.kinds.contains(&kind)).collect();
            let [gate] = of_it.as_slice() else { panic!("{target} has {} gates for {kind}", of_it.len()) };
            prop_assert_eq!(gate.stands == Stands::Open, !roads.is_empty(), "{} {}", target, kind);
            if roads.is_empty() {
                prop_assert!(gate.closings.is_empty());
                continue;
            }
            let all: Vec<People> = subsets(everybody).into_iter().filter(closed).collect();
            let smallest =
                |set: &&People| set.len() <= EXACT && all.iter().all(|other| other == *set || !other.is_subset(set));
            let expected: BTreeSet<People> = all.iter().filter(smallest).cloned().collect();
            let told: BTreeSet<People> = gate.closings.iter().flat_map(|closing| sets(&closing.of)).collect();
            prop_assert_eq!(&told, &expected, "{} {}", target, kind);
            let least = all.iter().map(BTreeSet::len).min().unwrap();
            prop_assert!(gate.away.0 <= least && least <= gate.away.1, "{:?}, and it is {}", gate.away, least);
            for set in sets(&gate.example) {
                prop_assert!(set.len() == gate.away.1 && closed(&set), "{:?} does not close it", set);
            }
        }
    }
    Ok(())
}

fn person() -> impl Strategy<Value = Person> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(senior, red, blue)| Person { senior, red, blue })
}

fn asks() -> impl Strategy<Value = Asks> {
    (0_usize..7, 1_u32..4, any::<bool>(), prop::bool::weighted(0.2))
        .prop_map(|(what, count, waivable, schema_only)| Asks { what, count, waivable, schema_only })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn it_is_what_brute_force_finds(
        people in prop::collection::vec(person(), 2..=6),
        asks in prop::collection::vec(asks(), 1..=3),
    ) {
        check(&home(&people, &asks))?;
    }
}

/// A line for each target: how it stands, and whose absence closes it.
fn told(governance: &Governance, absent: &[&str]) -> String {
    told_of(governance, &without(absent, &[]))
}

/// These are away, and to these somebody delegated a role of theirs.
fn without(absent: &[&str], lent: &[(&str, &str, &str)]) -> Gone {
    let stand_in = |(of, role, to): &(&str, &str, &str)| StandIn {
        of: id(of),
        role: role.parse().unwrap(),
        targets: [].into(),
        to: id(to),
    };
    let stand_ins = lent.iter().map(stand_in).collect();
    let mut gone = Gone { people: absent.iter().map(|name| id(name)).collect(), stand_ins };
    gone.settle();
    gone
}

fn told_of(governance: &Governance, gone: &Gone) -> String {
    let line = |gate: &Gate| {
        let among = |among: &Among| {
            format!("{} of {}", among.count, Vec::from_iter(among.people.iter().map(ActorId::as_str)).join(" "))
        };
        let closing = |closing: &Closing| {
            let waiver = if closing.by_waiver { " (a waiver opens it)" } else { "" };
            closing.of.iter().map(among).collect::<Vec<_>>().join(" and ") + waiver
        };
        let closings: Vec<String> = gate.closings.iter().map(closing).collect();
        let stands = match &gate.stands {
            Stands::Open => "open".to_owned(),
            Stands::ByWaiver => "by waiver".to_owned(),
            Stands::Closed(missing) => {
                format!("closed: {}", missing.iter().map(|m| m.what.clone()).collect::<Vec<_>>().join("; "))
            }
        };
        format!("{} {stands}; {:?}; {}", gate.target, gate.away, closings.join(" | "))
    };
    absences(governance, None, gone, START).gates.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_absence_of_one_who_alone_can_is_found() {
    let world = World::new();
    let governance = &world.state.governance;
    assert_snapshot!(told(governance, &[]), @"
    checkout/production open; (2, 2); 1 of barbara and 1 of grace | 1 of ada and 1 of grace
    search/production open; (2, 2); 2 of linus mallory (a waiver opens it)
    ");
    assert_snapshot!(told(governance, &["grace"]), @"
    checkout/production open; (1, 1); 1 of barbara | 1 of ada | 2 of linus mallory
    search/production open; (2, 2); 2 of linus mallory (a waiver opens it)
    ");
    assert_snapshot!(told(governance, &["grace", "barbara"]), @"
    checkout/production closed: 1 approval by a senior; (0, 0); 
    search/production open; (2, 2); 2 of linus mallory | 1 of ada and 1 of linus mallory
    ");
    assert_snapshot!(told(governance, &["ada", "grace", "barbara", "linus"]), @"
    checkout/production closed: 1 approval by an owner of the system (checkout); 1 approval by somebody who had no hand in the change; 1 approval by a senior; 2 approvals by people who had no hand in the change; (0, 0); 
    search/production closed: 1 approval by an owner of the system (search); 1 approval by somebody who had no hand in the change; (0, 0);
    ");
}

#[test]
fn who_stands_in_for_somebody_who_is_away_could_let_it_through() {
    let world = World::new();
    let governance = &world.state.governance;
    let lent = [("grace", "senior", "linus"), ("grace", "owner", "linus")];
    // With both seniors away, one of them lent her roles.
    assert_snapshot!(told_of(governance, &without(&["grace", "barbara"], &lent)), @"
    checkout/production open; (1, 1); 1 of linus | 1 of ada | 1 of mallory
    search/production open; (2, 2); 1 of mallory and 1 of linus | 1 of ada and 1 of linus | 1 of ada and 1 of mallory
    ");
    // Who is there has the role, and a role is there once.
    assert_eq!(told_of(governance, &without(&["barbara"], &lent)), told(governance, &["barbara"]));
    // Nor does somebody pass it on who is away, or who has it not.
    let two = [("grace", "senior", "linus"), ("linus", "senior", "mallory"), ("ada", "senior", "mallory")];
    assert_eq!(told_of(governance, &without(&["grace", "linus"], &two)), told(governance, &["grace", "linus"]));
    let system = &governance.catalog.systems[&"checkout".parse().unwrap()];
    let seniors = |gone: &Gone| {
        let supplies = supply(governance, system, &"production".parse().unwrap(), gone, START);
        let rule = supplies.into_iter().find(|one| one.rule.as_str() == "tier-1-senior").unwrap();
        rule.asks[0].who.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    // Two to whom the same role was lent are one.
    let twice = [("grace", "senior", "linus"), ("grace", "senior", "mallory"), ("grace", "senior", "barbara")];
    assert_eq!(seniors(&without(&["grace"], &twice)), "barbara linus");
    assert_eq!(seniors(&without(&["grace", "linus"], &twice)), "barbara mallory");
}

#[test]
fn of_a_large_class_as_many_as_make_a_difference_are_counted() {
    let one = Person { senior: false, red: true, blue: false };
    let people = vec![one; 7];
    let asks = Asks { what: 0, count: 3, waivable: false, schema_only: false };
    // Who proposes and three more: four of seven close it.
    assert_snapshot!(told(&home(&people, &[asks]), &[]), @"
    search/production open; (4, 4); 
    shop/production open; (4, 4);
    ");
}

#[test]
fn who_could_supply_each_thing_is_named() {
    let world = World::new();
    let governance = &world.state.governance;
    let system = &governance.catalog.systems[&"checkout".parse().unwrap()];
    assert_eq!(system.tier, Tier::HIGHEST);
    let said = |absent: &[&str]| {
        let absent = Gone { people: absent.iter().map(|name| id(name)).collect(), ..Gone::default() };
        let way = |way: &Obligation| {
            let who: Vec<&str> = way.who.iter().map(ActorId::as_str).collect();
            format!("{}: {}", way.missing, who.join(" "))
        };
        let asks = |asks: &Obligation| asks.ways().map(way).collect::<Vec<_>>().join(" | ");
        let supplies = supply(governance, system, &"production".parse().unwrap(), &absent, START);
        let lines = supplies
            .iter()
            .map(|one| format!("{}: {}", one.rule, one.asks.iter().map(asks).collect::<Vec<_>>().join("; ")));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(said(&[]), @"
    ai-assisted-senior: 1 approval by a senior: grace barbara; a statement of whether AI assisted: ada grace barbara linus mallory
    documented: why, in 40 characters or more (0 so far): ada grace barbara linus mallory; the risk, in 20 characters or more (0 so far): ada grace barbara linus mallory; how to roll back, in 20 characters or more (0 so far): ada grace barbara linus mallory; how it was tested, in 20 characters or more (0 so far): ada grace barbara linus mallory
    owner-approves: 1 approval by an owner of the system (checkout): grace ada
    second-pair-of-eyes: 1 approval by somebody who had no hand in the change: grace ada barbara linus mallory
    tier-1-senior: 1 approval by a senior: grace barbara; 2 approvals by people who had no hand in the change: grace ada barbara linus mallory
    ");
    assert_snapshot!(said(&["grace"]), @"
    ai-assisted-senior: 1 approval by a senior: barbara; a statement of whether AI assisted: ada barbara linus mallory
    documented: why, in 40 characters or more (0 so far): ada barbara linus mallory; the risk, in 20 characters or more (0 so far): ada barbara linus mallory; how to roll back, in 20 characters or more (0 so far): ada barbara linus mallory; how it was tested, in 20 characters or more (0 so far): ada barbara linus mallory
    owner-approves: 1 approval by an owner of the system (checkout): ada
    second-pair-of-eyes: 1 approval by somebody who had no hand in the change: ada barbara linus mallory
    tier-1-senior: 1 approval by a senior: barbara; 2 approvals by people who had no hand in the change: ada barbara linus mallory
    ");
}
