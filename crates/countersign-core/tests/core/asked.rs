//! What rules ask about comes from what was signed and from content, and stands in a snapshot only where a rule asks.

use countersign_core::{
    decision::RuleStatus,
    facts::{MAX_RULED_PATHS, Size, size::Lines},
    ids::ChangeId,
    snapshot::Snapshot,
    statement::Proposal,
};
use countersign_ledger::Digest;

use crate::kit::{Extracted, World, author, facts, file, id, oid};

/// The shop with one rule more, which applies where `when` holds.
fn asking(when: &str) -> World {
    let rule = format!(
        "@id(\"asked\") @requires(\"approval:group:payments:1\") @because(\"B.\") @remedy(\"ask for {{change}}\") \
         @mode(\"enforce\") @strength(\"waivable\") forbid (principal, action == Countersign::Action::\"apply\", \
         resource) when {{ {when} }} unless {{ resource.approvals.group[\"payments\"] >= 1 }};"
    );
    World::founded(|files| drop(files.insert("rules/asked.cedar".to_owned(), rule.into_bytes())), |_| {}).unwrap()
}

fn applies(world: &World, change: &ChangeId) -> bool {
    let decision = world.decision(change);
    decision.rules.iter().any(|rule| rule.id.as_str() == "asked" && rule.status != RuleStatus::NotApplicable)
}

/// Commits that touch these paths, in git's mode.
fn touching(paths: &[(&str, u32)]) -> Extracted {
    let mut commits = facts(9, &[author("linus@example.com")]);
    let touched = |(n, (path, mode)): (u64, &(&str, u32))| {
        let mut touched = commits.facts.paths[0].clone();
        touched.path = (*path).to_owned();
        touched.old = None;
        touched.new.as_mut().unwrap().mode = *mode;
        touched.new.as_mut().unwrap().id = oid(5_000 + n);
        touched
    };
    let mut paths: Vec<_> = (0..).zip(paths).map(touched).collect();
    paths.sort();
    commits.facts.delta = countersign_core::facts::delta::digest(&paths);
    commits.facts.size = Size::of_files(paths.len());
    commits.facts.lines = if paths.len() > MAX_RULED_PATHS { Vec::new() } else { vec![None; paths.len()] };
    commits.facts.paths = paths;
    commits
}

#[test]
fn paths_are_those_of_the_delta() {
    const FILE: u32 = 0o100_644;
    let docs = |paths: &[(&str, u32)]| {
        let mut world = asking("resource.paths.only[\"docs/** | **/*.md\"]");
        let change = world.propose_git("linus", &touching(paths));
        applies(&world, &change)
    };
    assert!(docs(&[("docs/a.txt", FILE), ("README.md", FILE)]));
    assert!(!docs(&[("docs/a.txt", FILE), ("src/app.rs", FILE)]));
    assert!(!docs(&[("docs/a.txt", 0o120_000)]), "a link could point anywhere");
    assert!(!docs(&[("docs/module", 0o160_000)]), "anything could lie in a submodule");
    // As many as are kept.
    let many: Vec<String> = (0..=MAX_RULED_PATHS).map(|n| format!("docs/{n:05}.txt")).collect();
    let many: Vec<(&str, u32)> = many.iter().map(|path| (path.as_str(), FILE)).collect();
    assert!(docs(&many[1..]));
    // Of files the names are asked about.
    let mut world = asking("resource.paths.touched[\"app.*\"] && !resource.paths.added[\"app.*\"]");
    let change = world.propose("linus", "search/production");
    assert!(applies(&world, &change));
}

#[test]
fn a_submodule_touches_what_could_lie_in_it() {
    for (pattern, touches) in [("a/b/**", true), ("a/b/c.tf", true), ("a/*", true), ("**/*.tf", true), ("b/**", false)]
    {
        let mut world = asking(&format!("resource.paths.touched[\"{pattern}\"]"));
        let change = world.propose_git("linus", &touching(&[("a/b", 0o160_000)]));
        assert_eq!(applies(&world, &change), touches, "{pattern}");
    }
}

/// Whatever the paths are, they do not keep a rule from applying.
#[test]
fn too_many_paths_to_tell_deny_what_asks_for_their_absence() {
    let many: Vec<String> = (0..=MAX_RULED_PATHS).map(|n| format!("docs/{n:05}.txt")).collect();
    let many: Vec<(&str, u32)> = many.iter().map(|path| (path.as_str(), 0o100_644)).collect();
    for (when, status) in [
        ("paths.touched[\"infra/**\"]", RuleStatus::Unsatisfied),
        ("production && (!resource.paths.only[\"x\"] || resource.paths.added[\"x\"])", RuleStatus::Unsatisfied),
        ("paths.touched[\"infra/**\"] && !resource.paths.added[\"infra/**\"]", RuleStatus::Error),
        ("production && !(resource.paths.touched[\"infra/**\"])", RuleStatus::Error),
        ("paths.only[\"docs/**\"]", RuleStatus::Error),
        ("paths.deleted[\"infra/**\"] == resource.production", RuleStatus::Error),
    ] {
        let mut world = asking(&format!("resource.{when}"));
        let change = world.propose_git("linus", &touching(&many));
        let decision = world.decision(&change);
        let asked = decision.rules.iter().find(|rule| rule.id.as_str() == "asked").unwrap();
        assert_eq!(asked.status, status, "{when}");
    }
}

#[test]
fn people_are_in_their_groups_by_the_catalog() {
    let by = |when: &str, by: &str| {
        let mut world = asking(when);
        let sponsor = (by == "robo").then(|| id("linus"));
        let proposal = world.proposal("search/production", &file("timeout: 30"), None);
        let change = world.begin(by, Proposal { sponsor, ..proposal });
        applies(&world, &change)
    };
    let in_group = "resource.proposer in Countersign::Group::\"discovery\"";
    assert!(by(in_group, "linus") && !by(in_group, "ada") && !by(in_group, "barbara"));
    let agent = "resource.proposer_kind == \"agent\"";
    assert!(by(agent, "robo") && !by(agent, "linus"));
    let all = "resource.contributor_groups.all.contains(Countersign::Group::\"discovery\")";
    // An agent is in no group, and its sponsor had a hand in it.
    assert!(by(all, "linus") && !by(all, "robo"));
    let any = "resource.contributor_groups.any.contains(Countersign::Group::\"discovery\")";
    assert!(by(any, "linus") && by(any, "robo") && !by(any, "ada"));
}

#[test]
fn approvals_of_a_group_are_those_of_the_catalog() {
    let mut world = asking("resource.production");
    let change = world.propose("mallory", "search/production");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "asked");
    world.approve("grace", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

/// Decisions of old keep their digests.
#[test]
fn what_no_rule_asks_about_is_in_no_snapshot() {
    let mut world = World::new();
    let change = world.propose_git("ada", &facts(9, &[author("ada@example.com")]));
    world.approve("linus", &change).unwrap();
    let snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    let spelled = String::from_utf8(snapshot.to_bytes()).unwrap();
    for name in ["groups", "proposer", "paths", "carried"] {
        assert!(!spelled.contains(&format!("\"{name}\":")), "{spelled}");
    }
    assert_eq!(Digest::of(&spelled), snapshot.digest());
}

#[test]
fn a_size_is_that_of_the_facts() {
    let status = |when: &str, size: Size| {
        let mut world = asking(when);
        let mut commits = touching(&[("src/app.rs", 0o100_644)]);
        commits.facts.size = size;
        commits.facts.lines = vec![size.lines];
        let change = world.propose_git("linus", &commits);
        applies(&world, &change)
    };
    let of = |added, deleted| Size { files: 1, lines: Some(Lines { added, deleted }) };
    assert!(!status("resource.size.added > 200", of(200, 0)));
    assert!(status("resource.size.added > 200", of(201, 0)));
    assert!(status("resource.size.deleted == 3 && resource.size.files == 1", of(0, 3)));
    assert!(status("!(resource.size.added <= 200)", Size::of_files(1)), "unknown is larger than any");
}
