//! Attacks by a change that lets more through, or gives somebody more of a say: it takes two of the policy group, one of them a
//! senior, and waits.

use countersign_core::{
    coverage::{fewest, leaves_enough},
    governance::Governance,
    loosening::loosens,
    statement::Publication,
};

use super::*;
use crate::kit::{governance_files, rules};

const DAY: i64 = 24 * 60 * 60;
const SEARCH: &str = "systems/search.json";
const CALMER: &[u8] = br#"{"owner":"discovery","tier":4}"#;

/// A home in which what loosens waits for a day.
fn waiting() -> World {
    let settings = br#"{"environments":["development","production","staging"],"production":["production"]}"#;
    World::founded(|files| drop(files.insert("settings.json".to_owned(), settings.to_vec())), |_| {}).unwrap()
}

fn put(world: &mut World, change: &ChangeId) -> String {
    match world.put_in_force("linus", change) {
        Ok(_) => "in force".to_owned(),
        Err(refusal) => refusal.message.split(": ").last().unwrap_or_default().to_owned(),
    }
}

/// What is still missing of the check, in words.
fn missing(world: &World, change: &ChangeId) -> String {
    let decision = world.decision(change);
    let rule = decision.rules.iter().find(|rule| rule.id.as_str() == "loosening");
    let missing = rule.iter().flat_map(|rule| &rule.missing);
    missing.map(|missing| countersign_core::explain::words(missing, None)).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_loosens_takes_two_of_the_policy_group_and_waits() {
    let mut world = waiting();
    let change = world.amend("linus", &[(SEARCH, Some(CALMER))]);
    assert_snapshot!(missing(&world, &change), @"2 approvals from the policy group, by people who had no hand in the change; 1 approval by a senior");
    world.approve("ada", &change).unwrap();
    assert_snapshot!(missing(&world, &change), @"1 more approval from the policy group, by somebody who had no hand in the change; 1 approval by a senior");
    world.now = world.now.plus_secs(2 * DAY);
    assert_snapshot!(put(&mut world, &change), @"loosening");
    // From here on it waits, however many more approve it.
    world.approve("grace", &change).unwrap();
    assert_snapshot!(missing(&world, &change), @"the time until 2026-04-04T00:00:00Z, in which anybody can still reject it");
    world.now = world.now.plus_secs(DAY / 2);
    world.approve("barbara", &change).unwrap();
    assert_snapshot!(put(&mut world, &change), @"loosening");
    // While it waits anybody stops it.
    world.reject("mallory", &change).unwrap();
    world.now = world.now.plus_secs(DAY / 2);
    assert_snapshot!(put(&mut world, &change), @"no-rejection");
    world.lift("mallory", &change).unwrap();
    let whole = world.replayed().unwrap();
    assert_eq!(whole.change(&change).unwrap(), Some(world.change(&change)));
    assert_snapshot!(put(&mut world, &change), @"in force");
    world.replayed().unwrap();
}

#[test]
fn what_does_not_loosen_does_not_wait() {
    let mut world = waiting();
    let faster: &[u8] = br#"{"owner":"discovery","tier":2}"#;
    let change = world.amend("linus", &[(SEARCH, Some(faster))]);
    world.approve("ada", &change).unwrap();
    assert_snapshot!(put(&mut world, &change), @"in force");
}

/// Another revision is another change to whoever looks: it waits anew, and so does what is approved anew.
#[test]
fn another_revision_waits_anew() {
    let mut world = waiting();
    let change = world.amend("ada", &[(SEARCH, Some(CALMER))]);
    world.approve("grace", &change).unwrap();
    world.now = world.now.plus_secs(DAY - 1);
    let other = world
        .replacing(&[(SEARCH, Some(CALMER)), ("systems/checkout.json", Some(br#"{"owner":"payments","tier":2}"#))]);
    let revision = world.new_revision(&change, &other, None);
    world.say("ada", revision).unwrap();
    world.approve("grace", &change).unwrap();
    world.now = world.now.plus_secs(DAY - 1);
    assert_snapshot!(put(&mut world, &change), @"loosening");
    world.take_back("grace", &change).unwrap();
    world.approve("grace", &change).unwrap();
    world.now = world.now.plus_secs(DAY - 1);
    assert_snapshot!(put(&mut world, &change), @"loosening");
    world.now = world.now.plus_secs(1);
    assert_snapshot!(put(&mut world, &change), @"in force");
}

/// Otherwise one would lower the wait first, and then not wait.
#[test]
fn the_wait_is_not_lowered_without_waiting() {
    let mut world = waiting();
    let files = governance_files(&world.keys);
    let none = files["settings.json"].clone();
    let change = world.amend("ada", &[("settings.json", Some(&none))]);
    world.approve("grace", &change).unwrap();
    assert_snapshot!(put(&mut world, &change), @"loosening");
    world.now = world.now.plus_secs(DAY);
    assert_snapshot!(put(&mut world, &change), @"in force");
    // A longer one is in force at once.
    let longer = br#"{"environments":["development","production","staging"],"loosening_wait_secs":60,"production":["production"]}"#;
    let change = world.amend("ada", &[("settings.json", Some(longer))]);
    world.approve("barbara", &change).unwrap();
    assert_snapshot!(put(&mut world, &change), @"in force");
}

/// Of the policy group or not, people who are no seniors do not make themselves one, however long they wait.
#[test]
fn two_juniors_who_promote_themselves() {
    let mut world = waiting();
    let raised = |group: &str| {
        let files = governance_files(&waiting().keys);
        let path = format!("people/{group}.json");
        let text = String::from_utf8(files[&path].clone()).unwrap();
        (path, text.replacen("\"level\":\"standard\"", "\"level\":\"director\"", 1))
    };
    for (by, beside, group) in
        [("linus", "mallory", "discovery"), ("linus", "ada", "discovery"), ("ada", "linus", "payments")]
    {
        let (path, text) = raised(group);
        let change = world.amend(by, &[(&path, Some(text.as_bytes()))]);
        world.approve(beside, &change).unwrap();
        world.now = world.now.plus_secs(31 * DAY);
        assert_eq!(put(&mut world, &change), "loosening", "{by} and {beside}");
    }
}

/// What a publication loosens, a line for each way.
fn said(world: &mut World, files: &[(&str, Option<&[u8]>)]) -> String {
    let after = after(world, files);
    let lines: Vec<String> = loosens(&world.state.governance, &after).iter().map(ToString::to_string).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

fn after(world: &mut World, files: &[(&str, Option<&[u8]>)]) -> Governance {
    let Subject::Governance(subject) = world.replacing(files) else { panic!("no change of what governs") };
    let publication = Publication {
        change: None,
        files: subject.files,
        parent: subject.parent,
        reason: Digest::of("why"),
        semantics: None,
    };
    world.state.governance.publish(&publication, Digest::of("said"), &crate::kit::blob_of(&world.blobs)).unwrap()
}

#[test]
fn what_of_the_catalog_loosens_is_found() {
    let mut world = World::new();
    let world = &mut world;
    let key = |world: &World, name: &str| world.keys[name].public().to_string();
    let people = |of: &str| format!("{{{of}}}");
    let person = |world: &World, name: &str, groups: &str, level: &str, keys: &[&str]| {
        let keys: Vec<String> = keys.iter().map(|name| format!("\"{}\"", key(world, name))).collect();
        let groups = if groups.is_empty() { String::new() } else { format!("\"groups\":[\"{groups}\"],") };
        format!("\"{name}\":{{{groups}\"keys\":[{}],\"kind\":\"person\",\"level\":\"{level}\"}}", keys.join(","))
    };
    let discovery = |world: &World, rest: &str| {
        let (linus, mallory) = (
            person(world, "linus", "discovery", "standard", &["linus"]),
            person(world, "mallory", "discovery", "standard", &["mallory"]),
        );
        people(&format!("{linus},{mallory}{rest}"))
    };
    // Somebody new who owns nothing, a system that is new, one that matters more.
    let new = people(&person(world, "zoe", "web", "standard", &["stranger"]));
    let files: &[(&str, Option<&[u8]>)] = &[
        ("groups/web.json", Some(b"{}")),
        ("people/web.json", Some(new.as_bytes())),
        ("systems/web.json", Some(br#"{"owner":"web","tier":3}"#)),
        (SEARCH, Some(br#"{"owner":"discovery","tier":1}"#)),
    ];
    assert_snapshot!(said(world, files), @"nothing");
    let joins = discovery(world, &format!(",{}", person(world, "zoe", "discovery", "standard", &["stranger"])));
    assert_snapshot!(said(world, &[("people/discovery.json", Some(joins.as_bytes()))]), @"lets zoe answer for system search, as owners");
    let senior = discovery(world, "").replacen("standard", "senior", 1);
    assert_snapshot!(said(world, &[("people/discovery.json", Some(senior.as_bytes()))]), @"makes linus a senior");
    let key = discovery(world, "").replacen("\"keys\":[", &format!("\"keys\":[\"{}\",", key(world, "stranger")), 1);
    assert_snapshot!(said(world, &[("people/discovery.json", Some(key.as_bytes()))]), @"lets linus sign with another key");
    let leaves = people(&person(world, "linus", "discovery", "standard", &["linus"]));
    let names: &[u8] = br#"{"people":{},"salt":"00112233445566778899aabbccddeeff"}"#;
    let left: &[(&str, Option<&[u8]>)] =
        &[("people/discovery.json", Some(leaves.as_bytes())), ("profiles/discovery.json", Some(names))];
    assert_snapshot!(said(world, left), @"nothing");
    assert_snapshot!(said(world, &[(SEARCH, Some(br#"{"owner":"payments","tier":4}"#))]), @r"
    system search is of tier 4, was 3
    lets ada, grace answer for system search, as owners
    ");
    assert_snapshot!(said(world, &[(SEARCH, None)]), @"takes system search away");
    let settings = br#"{"environments":["development","production","staging"],"loosening_wait_secs":0,"production":[],"unseen_approvals":true}"#;
    assert_snapshot!(said(world, &[("settings.json", Some(settings))]), @r"
    environment production is production no more
    approvals count that were given without the content at hand
    ");
}

#[test]
fn what_of_the_rules_loosens_is_found() {
    let mut world = World::new();
    let world = &mut world;
    let text = |name: &str| rules()[&format!("{name}.cedar")].clone();
    let mut edited = |name: &str, from: &str, to: &str| {
        let text = text(name);
        assert!(text.contains(from), "{name}: {from}");
        said(world, &[(&format!("rules/{name}.cedar"), Some(text.replace(from, to).as_bytes()))])
    };
    assert_snapshot!(edited("documented", "@mode(\"enforce\")", "@mode(\"watch\")"), @"rule documented stops nothing any more: it is only watched");
    assert_snapshot!(edited("second-pair-of-eyes", "@strength(\"mandatory\")", "@strength(\"waivable\")"), @"rule second-pair-of-eyes can be waived");
    // What it says of itself decides nothing.
    assert_snapshot!(edited("tier-1-senior", "A tier 1 system", "A system of tier 1"), @"nothing");
    // Less of the same, and for fewer.
    assert_snapshot!(edited("tier-1-senior", "resource.approvals.independent >= 2", "resource.approvals.independent >= 1"), @"rule tier-1-senior lets through what it stopped: a code change of checkout/production (tier 1, production), AI unknown, 4 people, 1 cited documents");
    assert_snapshot!(edited("second-pair-of-eyes", "when { resource.production }", "when { resource.production && resource.tier <= 2 }"), @"rule second-pair-of-eyes lets through what it stopped: a code change of checkout/production (tier 3, production), AI unknown, 4 people, 1 cited documents");
    // More of the same, and for more.
    assert_snapshot!(edited("tier-1-senior", "resource.approvals.senior >= 1", "resource.approvals.senior >= 2"), @"nothing");
    assert_snapshot!(edited("tier-1-senior", "resource.tier == 1", "resource.tier <= 2"), @"nothing");
    // A way more beside what asks for more: no sample has to know it.
    assert_snapshot!(edited("tier-1-senior", "resource.approvals.senior >= 1 &&", "resource.contributors.contains(Countersign::Person::\"mallory\") || resource.approvals.senior >= 2 &&"), @"rule tier-1-senior lets through what it stopped: a code change of checkout/production (tier 1, production), AI unknown, 1 people, 1 cited documents");
    assert_snapshot!(said(world, &[("rules/documented.cedar", None)]), @"takes rule documented away");
    let more = text("tier-1-senior").replace("@id(\"tier-1-senior\")", "@id(\"tier-1-senior-too\")");
    assert_snapshot!(said(world, &[("rules/more.cedar", Some(more.as_bytes()))]), @"nothing");
}

/// With how few people each target opens, by whom.
fn openings(governance: &Governance) -> String {
    let line = |one: &countersign_core::coverage::Opening| format!("{} {}: {}", one.people(), one.target, one.words());
    fewest(governance, crate::kit::START).iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn fewer_than_three_do_not_come_to_open_tier_1() {
    let mut world = World::new();
    assert_snapshot!(openings(&world.state.governance), @"
    3 checkout/production: ada proposes, barbara approves, grace approves
    2 search/production: ada proposes, barbara approves and waives owner-approves
    ");
    let text = rules()["tier-1-senior.cedar"].clone();
    let less = text
        .replace(", approval:independent:2@people>=3", "")
        .replace("resource.approvals.independent >= 2", "resource.approvals.independent >= 1");
    let calmer = after(&mut world, &[("rules/tier-1-senior.cedar", Some(less.as_bytes()))]);
    assert_snapshot!(openings(&calmer), @"
    2 checkout/production: ada proposes, grace approves
    2 search/production: ada proposes, barbara approves and waives owner-approves
    ");
    assert_snapshot!(told(leaves_enough(&world.state.governance, &calmer, world.now)), @"too-few-people: by this 2 people alone could open checkout/production, which is tier 1: ada proposes, grace approves");
    // What is no worse than it was can be put in force.
    leaves_enough(&calmer, &calmer, world.now).unwrap();
    leaves_enough(&calmer, &world.state.governance, world.now).unwrap();
    // A waiver is a road, too: on tier 1 beside an approval, elsewhere by whoever approves.
    let waivable = text.replace("@strength(\"mandatory\")", "@strength(\"waivable\")");
    let by_waiver = after(&mut world, &[("rules/tier-1-senior.cedar", Some(waivable.as_bytes()))]);
    assert_snapshot!(openings(&by_waiver), @"
    3 checkout/production: ada proposes, barbara approves, grace approves
    2 search/production: ada proposes, barbara approves and waives owner-approves
    ");
    leaves_enough(&world.state.governance, &by_waiver, world.now).unwrap();
}

/// Two who are no seniors take the senior away, and need none from then on: it loosens.
#[test]
fn who_is_a_senior_is_not_taken_away_without_one() {
    let mut world = World::new();
    let world = &mut world;
    let text = String::from_utf8(governance_files(&world.keys)["people/_.json"].clone()).unwrap();
    let junior = text.replace("\"level\":\"principal\"", "\"level\":\"standard\"");
    assert_ne!(text, junior);
    assert_snapshot!(said(world, &[("people/_.json", Some(junior.as_bytes()))]), @"takes barbara away as a senior");
}

/// A condition with more numbers than a sample takes is not shown to stop more, whatever else is stricter in it.
#[test]
fn what_no_sample_has_counts_as_loosening() {
    let mut world = World::new();
    let world = &mut world;
    let text = rules()["second-pair-of-eyes.cedar"].clone();
    let tiers: String = (10..19).map(|tier| format!(" && resource.tier <= {tier}")).collect();
    let when = format!("when {{ resource.production{tiers} && resource.documents.why < 100 }}");
    let text = text.replace("when { resource.production }", &when);
    let text = text.replace("resource.approvals.independent >= 1", "resource.approvals.independent >= 2");
    assert_snapshot!(said(world, &[("rules/second-pair-of-eyes.cedar", Some(text.as_bytes()))]), @"rule second-pair-of-eyes is another, and nothing shows that it stops more: compare its text");
}

/// Whoever found a laptop proposes in its owner's name, or approves: when that key is gone, they never stood behind it.
#[test]
fn a_stolen_key_stands_behind_nothing_that_loosens() {
    let mut world = waiting();
    let proposal = world.amendment(&[(SEARCH, Some(CALMER))]);
    let proposed = world.say_with("ada", &["ada-laptop"], Body::Proposal(proposal)).unwrap();
    let change = ChangeId::of_proposal(&proposed);
    world.approve("grace", &change).unwrap();
    assert_snapshot!(missing(&world, &change), @"the time until 2026-04-02T00:00:00Z, in which anybody can still reject it");
    world.revoke("ada", "ada-laptop").unwrap();
    world.now = world.now.plus_secs(2 * DAY);
    assert_snapshot!(missing(&world, &change), @"1 more approval from the policy group, by somebody who had no hand in the change");
    assert_snapshot!(put(&mut world, &change), @"loosening");
    // With another of the policy group it begins to wait.
    world.approve("barbara", &change).unwrap();
    assert_snapshot!(missing(&world, &change), @"the time until 2026-04-04T00:00:00Z, in which anybody can still reject it");
    // Nor does an approval by such a key begin the waiting for one that comes later by another.
    let mut world = waiting();
    let change = world.amend("linus", &[(SEARCH, Some(CALMER))]);
    let approval = Body::Approval(world.approval(&change));
    world.say_with("ada", &["ada-laptop"], approval).unwrap();
    world.approve("grace", &change).unwrap();
    world.now = world.now.plus_secs(2 * DAY);
    world.revoke("ada", "ada-laptop").unwrap();
    assert_snapshot!(put(&mut world, &change), @"loosening");
    world.approve("ada", &change).unwrap();
    assert_snapshot!(missing(&world, &change), @"the time until 2026-04-04T00:00:00Z, in which anybody can still reject it");
    world.state = world.replayed().unwrap();
    assert_snapshot!(put(&mut world, &change), @"loosening");
}
