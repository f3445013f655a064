//! Standard changes: what fits a template that two people approved needs nobody else; what does not, does.

use countersign_core::{
    evidence::EvidenceResult,
    facts::{TouchedPath, delta, size::Lines},
    ids::ChangeId,
    statement::{Body, Evidence, OutcomeResult, PermitRequest},
    subject::Subject,
};

use super::{assert_snapshot, author, facts, git, id};
use crate::kit::{Extracted, Files, World};

/// What mallory's lock files may be changed by, as `founders` of the log have it.
const TEMPLATE: &str = "proposers: [mallory]
systems: [search]
kinds: [config]
paths: 'src/** | **/*.lock'
files: 2
added: 5
deleted: 5
evidence: [tests]
per-day: 1
until: 2026-05-01
because: 'What only locks versions is tested, and looked at by nobody.'
";

fn with(template: &str) -> World {
    let bytes = template.as_bytes().to_vec();
    World::founded(|files: &mut Files| drop(files.insert("standard/locks.yaml".to_owned(), bytes)), |_| {}).unwrap()
}

fn with_mode(n: u64, path: &str, mode: u32) -> Extracted {
    let mut commits = commits(n, path, 0);
    let touched = &mut commits.facts.paths[0];
    touched.new.as_mut().unwrap().mode = mode;
    commits.facts.delta = delta::digest(&commits.facts.paths);
    commits
}

fn commits(n: u64, path: &str, added: u32) -> Extracted {
    let mut commits = facts(n, &[author("mallory@example.com")]);
    let touched = TouchedPath { path: path.to_owned(), ..commits.facts.paths[0].clone() };
    commits.facts.paths = vec![touched];
    commits.facts.delta = delta::digest(&commits.facts.paths);
    commits.facts.size.lines = Some(Lines { added, deleted: 1 });
    commits.facts.lines = vec![commits.facts.size.lines];
    commits
}

fn propose(world: &mut World, by: &str, commits: &Extracted) -> ChangeId {
    let change = world.propose_git(by, commits);
    let current = world.change(&change).current().unwrap();
    let (revision, subject) = (current.reference, current.subject.reference().unwrap());
    let (document, text, workflow) = (None, None, None);
    let (kind, result) = ("tests".parse().unwrap(), EvidenceResult::Passed);
    let body = Evidence { change: change.clone(), document, kind, result, revision, subject, text, workflow };
    world.say("ci", Body::Evidence(body)).unwrap();
    change
}

fn nearly(world: &World, change: &ChangeId) -> String {
    let nearly = countersign_core::take::nearly_standard(&world.state, world.change(change), world.now).unwrap();
    nearly.map(|nearly| nearly.misses.join("; ")).unwrap_or_default()
}

fn land(world: &mut World, by: &str, change: &ChangeId) {
    let transition = world.transition(change);
    let request =
        PermitRequest { gate: "shop-gate".parse().unwrap(), ..world.request("git-gate", change, &transition) };
    let permit = world.ask_for(by, request).unwrap();
    let report = world.outcome(change, permit, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
}

#[test]
fn a_standard_change_needs_nobody_and_one_line_more_does() {
    let mut world = with(TEMPLATE);
    world.register_gate();
    let change = propose(&mut world, "mallory", &commits(2, "src/app.rs", 5));
    assert_eq!(world.standing(&change), "allow");
    let standard = world.decision(&change).standard.unwrap();
    assert_eq!((standard.name.as_str(), standard.approved_by), ("locks", [id("ada"), id("grace")].into()));
    let larger = propose(&mut world, "mallory", &commits(3, "src/app.rs", 6));
    assert_ne!(world.standing(&larger), "allow");
    assert_eq!(nearly(&world, &larger), "it adds 6 lines, and 5 are the most");
    let outside = propose(&mut world, "mallory", &commits(4, "deploy.sh", 1));
    assert_eq!(nearly(&world, &outside), "`deploy.sh` is outside of its paths");
    // The day's count is used up by what landed, and comes back.
    land(&mut world, "mallory", &change);
    let second = propose(&mut world, "mallory", &commits(5, "src/b.rs", 1));
    assert_eq!(nearly(&world, &second), "1 like it landed on search/production within a day, and 1 are the most");
    assert_ne!(world.standing(&second), "allow");
    world.state = world.replayed().unwrap();
    assert_ne!(world.standing(&second), "allow");
    world.now = world.now.plus_secs(24 * 60 * 60 + 1);
    assert_eq!(world.standing(&second), "allow");
    // It ends.
    world.now = world.now.plus_secs(60 * 24 * 60 * 60);
    assert_ne!(world.standing(&second), "allow");
    assert!(nearly(&world, &second).starts_with("it ended on 2026-05-02"), "{}", nearly(&world, &second));
}

#[test]
fn a_standard_change_is_its_proposers_and_not_its_approvers() {
    let mut world = with(&TEMPLATE.replace("[mallory]", "[mallory, grace]"));
    let change = propose(&mut world, "mallory", &commits(2, "src/app.rs", 1));
    assert_eq!(world.standing(&change), "allow");
    // Who approved the template is no second pair of eyes for themselves.
    let mut own = commits(3, "src/app.rs", 1);
    own.identities.people.clear();
    let theirs = facts(3, &[author("grace@example.com")]);
    let own = Extracted {
        facts: countersign_core::facts::GitFacts { identities: theirs.facts.identities.clone(), ..own.facts.clone() },
        identities: theirs.identities,
    };
    let own = propose(&mut world, "grace", &own);
    assert_ne!(world.standing(&own), "allow");
    assert!(nearly(&world, &own).contains("grace approved it, and had a hand in this change"));
    // Nor does it cover what somebody else put on top.
    let mixed = commits(4, "src/app.rs", 1);
    let other = world.propose_git("mallory", &mixed);
    world.disclose("mallory", &other, &["robo"], &["linus"]).unwrap();
    assert!(nearly(&world, &other).contains("linus had a hand in it, and is none of its proposers"));
    // Nor what nobody tested, or another proposes.
    assert!(nearly(&world, &other).contains("evidence that tests passed"));
    let another = propose(&mut world, "linus", &commits(5, "src/app.rs", 1));
    assert_ne!(world.standing(&another), "allow");
}

#[test]
fn a_rejection_holds_a_standard_change_too() {
    let mut world = with(TEMPLATE);
    let change = propose(&mut world, "mallory", &commits(2, "src/app.rs", 1));
    world.reject("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "no-rejection");
}

#[test]
fn there_is_no_standard_change_on_tier_1_or_of_what_governs() {
    let mut world = with(&TEMPLATE.replace("[search]", "[search, checkout]"));
    let change = commits(2, "src/app.rs", 1);
    let subject: Subject = git(&change);
    let proposal = world.proposal("checkout/production", &subject, Some(&change));
    let change = world.begin("mallory", proposal);
    assert!(nearly(&world, &change).contains("checkout/production is of tier 1, which has no standard changes"));
    assert_ne!(world.standing(&change), "allow");
    for wrong in [
        TEMPLATE.replace("kinds: [config]", "kinds: [rules]"),
        TEMPLATE.replace("per-day: 1", "per-day: 0"),
        TEMPLATE.replace("2026-05-01", "some day"),
        TEMPLATE.replace("files: 2", "fiels: 2"),
        TEMPLATE.replace("systems: [search]\n", ""),
    ] {
        let bytes = wrong.clone().into_bytes();
        let refused =
            World::founded(|files: &mut Files| drop(files.insert("standard/locks.yaml".to_owned(), bytes)), |_| {});
        assert_eq!(
            refused.err().map(|refusal| refusal.code.to_string()).as_deref(),
            Some("standard-invalid"),
            "{wrong}"
        );
    }
}

/// A template's lines say nothing of a mode, of what steers git or a forge, or of what nobody can count.
#[test]
fn what_no_line_tells_does_not_fit_a_template_by_a_wildcard() {
    let miss = |template: &str, commits: &Extracted| {
        let mut world = with(template);
        let change = propose(&mut world, "mallory", commits);
        assert_eq!(world.standing(&change) == "allow", nearly(&world, &change).is_empty());
        nearly(&world, &change)
    };
    let runs = with_mode(2, "src/run.sh", 0o100_755);
    assert_snapshot!(miss(TEMPLATE, &runs), @"the mode of `src/run.sh` changes, and its paths do not name it");
    assert_snapshot!(miss(&TEMPLATE.replace("src/**", "src/** | **/run.sh"), &runs), @"");
    for path in ["src/.gitattributes", "src/.GitModules", "src/.github/workflows/ci.yaml"] {
        let why = miss(TEMPLATE, &commits(2, path, 1));
        assert_eq!(why, format!("`{path}` steers git or a forge, and its paths do not name it"));
    }
    let named = TEMPLATE.replace("src/**", "src/.github/** | **/.gitattributes");
    assert_snapshot!(miss(&named, &commits(2, "src/.github/workflows/ci.yaml", 1)), @"");
    assert_snapshot!(miss(&named, &commits(2, "src/.gitattributes", 1)), @"");
    assert_snapshot!(miss(&named, &commits(2, "src/.github/.gitattributes", 1)), @"`src/.github/.gitattributes` steers git or a forge, and its paths do not name it");
    for (mode, named) in [(0o120_000, "src/to"), (0o160_000, "src/to")] {
        let of_another_sort = with_mode(2, "src/to", mode);
        let why = miss(&TEMPLATE.replace("src/**", named), &of_another_sort);
        assert!(why.starts_with("`src/to` is outside of its paths"), "{why}");
    }
    let mut large = commits(2, "src/app.rs", 1);
    (large.facts.size.lines, large.facts.lines) = (None, vec![None]);
    assert_snapshot!(miss(TEMPLATE, &large), @"nobody can count what it changes");
}

/// One approval of a template opens the gate for as long as it lasts, and so would a stolen key that gave it.
#[test]
fn a_stolen_key_behind_a_template_lets_nothing_through_once_it_is_taken_away() {
    // As founders of the log have it, with ada's key.
    let mut world = with(TEMPLATE);
    world.register_gate();
    let change = propose(&mut world, "mallory", &commits(2, "src/app.rs", 1));
    let person = |name: &str| format!("person/{name}").parse().unwrap();
    let inputs = world.change(&change).inputs(&world.state.governance, None).unwrap();
    assert!(inputs.contains(&person("ada")) && inputs.contains(&person("grace")), "{inputs:?}");
    assert_eq!(world.standing(&change), "allow");
    world.revoke("linus", "ada").unwrap();
    assert_ne!(world.standing(&change), "allow");
    assert_eq!(nearly(&world, &change), "fewer than 2 of those who had to approve it did so by a key that holds still");
    let transition = world.transition(&change);
    let request =
        PermitRequest { gate: "shop-gate".parse().unwrap(), ..world.request("git-gate", &change, &transition) };
    assert!(world.ask_for("mallory", request).is_err());
    world.state = world.replayed().unwrap();
    // Nobody confirms it, and it holds again.
    world.now = world.now.plus_secs(24 * 60 * 60);
    assert_eq!(world.standing(&change), "allow");
    // Her other key never stood behind the template; to give that up changes nothing, but the one that did ends it for good.
    world.revoke("ada", "ada-laptop").unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.revoke("ada", "ada").unwrap();
    world.now = world.now.plus_secs(48 * 60 * 60);
    assert_ne!(world.standing(&change), "allow");
    // What looks at nothing of the sort depends on nobody of them.
    let other = world.propose_git("linus", &commits(9, "deploy.sh", 1));
    let inputs = world.change(&other).inputs(&world.state.governance, None).unwrap();
    assert!(!inputs.contains(&person("grace")), "{inputs:?}");
}

#[test]
fn a_template_stands_on_the_very_keys_that_approved_it() {
    let mut world = World::founded(|_| {}, |_| {}).unwrap();
    world.register_gate();
    let brought = world.amend("ada", &[("standard/locks.yaml", Some(TEMPLATE.as_bytes()))]);
    world.approve("grace", &brought).unwrap();
    world.put_in_force("linus", &brought).unwrap();
    let change = propose(&mut world, "mallory", &commits(2, "src/app.rs", 1));
    assert_eq!(world.standing(&change), "allow");
    // Who takes another key in its place vouches for what they said with it before.
    world.spare("grace-new");
    world.rotate("grace", "grace", "grace-new").unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.replayed().unwrap();
    // Two others who give somebody a key, since theirs is lost, do not: who found it may have approved.
    world.spare("ada-new");
    world.rotate_lost(&["barbara", "grace-new"], "ada", "ada-new").unwrap();
    assert_ne!(world.standing(&change), "allow");
    assert_eq!(nearly(&world, &change), "fewer than 2 of those who had to approve it did so by a key that holds still");
    world.replayed().unwrap();
}
