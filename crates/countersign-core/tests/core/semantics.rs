//! Situations that other review systems decide, and what is right here: one test each.

use std::collections::BTreeMap;

use countersign_core::{
    cases::run_cases,
    change::Change,
    facts::{Role, RuledPath},
    ids::ChangeId,
    kind::Purpose,
    rules::{Rules, check},
    statement::{Body, Proposal},
};
use insta::assert_snapshot;

use crate::kit::{Extracted, Identity, World, author, facts, file, git, id, oid, told};

const SCOPE: &str = "forbid (principal, action == Countersign::Action::\"apply\", resource)";

fn rule(requires: &str, conditions: &str) -> String {
    format!(
        "@id(\"r\") @requires(\"{requires}\") @because(\"B.\") @remedy(\"ask for {{change}}\") @mode(\"enforce\") \
         @strength(\"waivable\") @carry(\"delta\") {SCOPE} {conditions};"
    )
}

/// A rule that asks for what it says decides these cases as they expect: each a name, what is given, and what comes of it.
fn cases(requires: &str, conditions: &str, given: &[(&str, &str, &str)]) {
    assert_eq!(check(&rules(requires, conditions)), [], "{requires}: {conditions}");
    decided(requires, conditions, given);
}

fn rules(requires: &str, conditions: &str) -> Rules {
    let rules = Rules::parse(&BTreeMap::from([("r.cedar".to_owned(), rule(requires, conditions))]));
    rules.unwrap_or_else(|error| panic!("{error}"))
}

fn decided(requires: &str, conditions: &str, given: &[(&str, &str, &str)]) {
    let rules = rules(requires, conditions);
    let case = |(name, given, status): &(&str, &str, &str)| {
        format!("- name: {name}\n  given: {{ {given} }}\n  expect: {{ status: {status} }}\n")
    };
    let yaml: String = given.iter().map(case).collect();
    let results = run_cases(&rules, &BTreeMap::from([("r.cases.yaml".to_owned(), yaml)]));
    for result in results.unwrap_or_else(|error| panic!("{error}")) {
        assert!(result.passed(), "{result}");
    }
}

/// Two people, where `when` holds.
fn two_where(when: &str, given: &[(&str, &str, &str)]) {
    let conditions = format!("when {{ {when} }} unless {{ resource.approvals.independent >= 2 }}");
    decided("approval:independent:2", &conditions, given);
}

/// The shop with one rule more.
fn with_rule(requires: &str, conditions: &str) -> World {
    let text = rule(requires, conditions).into_bytes();
    World::founded(|files| drop(files.insert("rules/r.cedar".to_owned(), text)), |_| {}).unwrap()
}

fn moved(commits: &Extracted, head: u64, base: u64) -> Extracted {
    let mut commits = commits.clone();
    (commits.head, commits.base, commits.tree) = (oid(head), oid(base), oid(1_000 + head));
    commits
}

fn revise(world: &mut World, by: &str, change: &ChangeId, commits: &Extracted) {
    let body = world.new_revision(change, &git(commits), Some(commits));
    world.say(by, body).unwrap();
}

/// The same in the words of the revision before.
fn revise_in_its_words(world: &mut World, by: &str, change: &ChangeId, commits: &Extracted) {
    let text = world.change(change).current().unwrap().text;
    let Body::NewRevision(mut revision) = world.new_revision(change, &git(commits), Some(commits)) else { panic!() };
    revision.text = text;
    world.say(by, Body::NewRevision(revision)).unwrap();
}

/// Commits by ada for `search/production`, which linus owns.
fn proposed() -> (World, ChangeId, Extracted) {
    let mut world = World::new();
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    (world, change, commits)
}

#[test]
fn a_rejection_stands_over_another_commit_and_another_message_until_it_is_lifted() {
    let (mut world, change, commits) = proposed();
    world.reject("mallory", &change).unwrap();
    revise(&mut world, "ada", &change, &facts(10, &[author("ada@example.com")]));
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "no-rejection");
    revise(&mut world, "ada", &change, &moved(&commits, 11, 1));
    assert!(world.standing(&change).contains("no-rejection"), "{}", world.standing(&change));
    world.lift("mallory", &change).unwrap();
    assert!(!world.standing(&change).contains("no-rejection"));
}

#[test]
fn a_rejection_holds_a_second_proposal_of_the_same() {
    let (mut world, change, commits) = proposed();
    world.reject("mallory", &change).unwrap();
    let again = world.propose_git("ada", &commits);
    world.approve("linus", &again).unwrap();
    assert!(world.standing(&again).contains("no-rejection"), "{}", world.standing(&again));
}

#[test]
fn where_no_rule_applies_the_floor_asks_for_one_approval_and_says_so() {
    let mut world = World::founded(
        |files| {
            files.retain(|path, _| !path.starts_with("rules/"));
            let text =
                rule("approval:senior:1", "when { !resource.production } unless { resource.approvals.senior >= 1 }");
            drop(files.insert("rules/r.cedar".to_owned(), text.into_bytes()));
        },
        |_| {},
    )
    .unwrap();
    let change = world.propose("ada", "search/production");
    assert_snapshot!(world.standing(&change), @"floor");
    assert_eq!(world.decision(&change).not_applicable, 1);
    world.approve("mallory", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn the_same_patch_on_a_new_base_keeps_its_approval_and_another_patch_does_not() {
    let (mut world, change, commits) = proposed();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    revise_in_its_words(&mut world, "ada", &change, &moved(&commits, 10, 5));
    assert_eq!(world.standing(&change), "allow");
    revise_in_its_words(&mut world, "ada", &change, &facts(11, &[author("ada@example.com")]));
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn an_approval_is_withdrawn_by_its_author_who_may_approve_again() {
    let (mut world, change, _) = proposed();
    world.approve("linus", &change).unwrap();
    world.take_back("linus", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn who_approves_rejects_and_lifts_must_approve_again() {
    let (mut world, change, _) = proposed();
    world.approve("linus", &change).unwrap();
    world.reject("linus", &change).unwrap();
    world.lift("linus", &change).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    let is_said = |change: &Change| change.taken_back.iter().any(|taken| taken.by == id("linus") && taken.rejected);
    assert!(is_said(world.change(&change)));
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn any_of_two_teams() {
    cases(
        "approval:group:red:1 | approval:group:blue:1",
        "unless { resource.approvals.group[\"red\"] >= 1 || resource.approvals.group[\"blue\"] >= 1 }",
        &[
            ("one of the second", "groups: { red: [grace], blue: [linus] }, approvals: [linus]", "satisfied"),
            ("one of neither", "groups: { red: [grace], blue: [linus] }, approvals: [barbara]", "unsatisfied"),
        ],
    );
}

#[test]
fn both_of_two_teams_are_different_people() {
    cases(
        "approval:apart:group:red:1+group:blue:1",
        "unless { resource.approvals.apart[\"group:red:1+group:blue:1\"] }",
        &[
            (
                "a person in both teams is one",
                "groups: { red: [grace], blue: [grace] }, approvals: [grace]",
                "unsatisfied",
            ),
            ("two people", "groups: { red: [grace], blue: [grace, linus] }, approvals: [grace, linus]", "satisfied"),
        ],
    );
}

#[test]
fn one_of_team_a_or_two_of_team_b() {
    cases(
        "approval:group:a:1 | approval:group:b:2",
        "unless { resource.approvals.group[\"a\"] >= 1 || resource.approvals.group[\"b\"] >= 2 }",
        &[
            ("one of b", "groups: { a: [grace], b: [linus, barbara] }, approvals: [linus]", "unsatisfied"),
            ("two of b", "groups: { a: [grace], b: [linus, barbara] }, approvals: [linus, barbara]", "satisfied"),
            ("one of a", "groups: { a: [grace], b: [linus, barbara] }, approvals: [grace]", "satisfied"),
        ],
    );
}

#[test]
fn only_documentation_and_everything_but_documentation() {
    let docs = "resource.paths.only[\"docs/** | **/*.md\"]";
    let (inside, mixed) =
        ("paths: { docs/a.txt: modified, README.md: added }", "paths: { docs/a.txt: modified, a.rs: added }");
    two_where(docs, &[("documentation", inside, "unsatisfied"), ("with code", mixed, "not_applicable")]);
    two_where(&format!("!{docs}"), &[("documentation", inside, "not_applicable"), ("with code", mixed, "unsatisfied")]);
}

#[test]
fn a_file_is_deleted_or_new() {
    let (gone, new) = ("paths: { db/a.sql: deleted }", "paths: { db/a.sql: added }");
    two_where("resource.paths.deleted[\"db/**\"]", &[("gone", gone, "unsatisfied"), ("new", new, "not_applicable")]);
    two_where("resource.paths.added[\"db/**\"]", &[("gone", gone, "not_applicable"), ("new", new, "unsatisfied")]);
}

#[test]
fn over_so_many_lines() {
    two_where(
        "!(resource.size.added <= 200)",
        &[
            ("few", "size: { files: 1, added: 200, deleted: 0 }", "not_applicable"),
            ("many", "size: { files: 1, added: 201, deleted: 0 }", "unsatisfied"),
            ("nobody counted them", "size: { files: 1 }", "unsatisfied"),
        ],
    );
}

#[test]
fn a_generated_folder_is_left_out_of_size_and_not_of_approval() {
    // Of each path in a case one line is added.
    two_where(
        "resource.size.files_without[\"gen/**\"] > 1",
        &[
            ("generated", "paths: { gen/a: modified, gen/b: modified, a.rs: modified }", "not_applicable"),
            ("written", "paths: { gen/a: modified, b.rs: modified, a.rs: modified }", "unsatisfied"),
            ("a link is never left out", "paths: { gen/a: link, gen/b: link }", "unsatisfied"),
        ],
    );
    two_where(
        "resource.size.added_without[\"gen/**\"] >= 1",
        &[
            ("nothing else", "paths: { gen/a: modified }", "not_applicable"),
            ("one line", "paths: { gen/a: modified, a.rs: modified }", "unsatisfied"),
        ],
    );
    // Whatever is left out of its size is approved.
    let mut world = World::new();
    let change = world.propose_git("ada", &facts(9, &[author("ada@example.com")]));
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn whoever_rejected_it_has_no_approval_that_counts_or_carries() {
    cases(
        "approval:independent:1",
        "unless { resource.approvals.independent >= 1 }",
        &[
            ("carried", "carried: [grace]", "satisfied"),
            ("rejected since", "carried: [grace], rejected_by: [grace]", "unsatisfied"),
            ("taken back", "approvals: [grace], rejected_by: [grace]", "unsatisfied"),
            ("by another", "carried: [grace], rejected_by: [linus]", "satisfied"),
        ],
    );
}

#[test]
fn sizes_without_are_counted_from_the_paths_of_the_log() {
    let text = rule(
        "approval:independent:2",
        "when { resource.size.added_without[\"gen/**\"] > 1 } unless { resource.approvals.independent >= 2 }",
    );
    let rules = Rules::parse(&BTreeMap::from([("r.cedar".to_owned(), text)])).unwrap();
    let path = |path: &str, submodule, lines| RuledPath {
        path: path.to_owned(),
        status: countersign_core::facts::PathStatus::Modified,
        submodule,
        link: false,
        mode: false,
        led: false,
        lines,
    };
    let lines = |added| Some(countersign_core::facts::Lines { added, deleted: 0 });
    let added = |paths: Option<&[RuledPath]>| rules.sizes_without(paths)["gen/**"].added();
    assert_eq!(added(Some(&[path("gen/a", false, lines(500)), path("a", false, lines(3))])), 3);
    assert_eq!(
        added(Some(&[path("gen/a", false, None), path("a", false, lines(3))])),
        3,
        "what is left out need not be counted"
    );
    assert_eq!(added(Some(&[path("gen/a", true, None)])), u32::MAX, "a submodule is never left out");
    assert_eq!(added(None), u32::MAX, "too many to tell");
}

#[test]
fn the_proposer_is_in_a_group_and_so_are_all_contributors() {
    two_where(
        "resource.proposer in Countersign::Group::\"contractors\"",
        &[
            ("in it", "proposer: linus, groups: { contractors: [linus] }", "unsatisfied"),
            ("not in it", "groups: { contractors: [linus] }", "not_applicable"),
        ],
    );
    two_where(
        "!resource.contributor_groups.all.contains(Countersign::Group::\"docs\")",
        &[
            ("all are", "contributors: [linus], groups: { docs: [ada, linus] }", "not_applicable"),
            ("one is not", "contributors: [linus], groups: { docs: [ada] }", "unsatisfied"),
        ],
    );
}

#[test]
fn a_person_is_the_only_contributor() {
    two_where(
        "!(resource.proposer == Countersign::Person::\"linus\" && resource.contributors.contains(Countersign::Person::\"linus\") \
         && !resource.contributors.contains(Countersign::Person::\"ada\"))",
        &[
            ("alone", "proposer: linus", "not_applicable"),
            ("with another", "proposer: linus, contributors: [ada]", "unsatisfied"),
        ],
    );
}

#[test]
fn the_change_of_a_robot_takes_two_people() {
    two_where(
        "resource.proposer_kind != \"person\"",
        &[
            ("a robot's", "proposer: renovate, proposer_kind: workload, approvals: [grace]", "unsatisfied"),
            ("a person's", "approvals: [grace]", "not_applicable"),
        ],
    );
}

#[test]
fn it_comes_from_a_release_branch_or_goes_to_one() {
    two_where(
        "!(resource.source like \"release/*\")",
        &[
            ("it does", "source: release/2026-04", "not_applicable"),
            ("it does not", "source: main", "unsatisfied"),
            ("nobody says so", "", "unsatisfied"),
        ],
    );
    two_where(
        "resource.branch like \"refs/heads/release/*\"",
        &[
            ("it does", "branch: refs/heads/release/2026-04", "unsatisfied"),
            ("it does not", "branch: refs/heads/main", "not_applicable"),
        ],
    );
    let when = "when { resource.branch == \"refs/heads/main\" && resource.source like \"release/*\" } unless { \
                resource.approvals.senior >= 1 }";
    let mut world = with_rule("approval:senior:1", when);
    let commits = facts(9, &[author("ada@example.com")]);
    let proposal = world.proposal("search/production", &git(&commits), Some(&commits));
    let purpose = Purpose { source: Some("release/2026-04".to_owned()), ..Purpose::default() };
    let change = world.begin("ada", Proposal { purpose, ..proposal });
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "r");
}

/// A name that is none would be free text in a leaf.
#[test]
fn the_source_is_a_name() {
    let mut world = World::new();
    let proposal = world.proposal("search/production", &file("timeout: 30"), None);
    let purpose = Purpose { source: Some("the branch of Ada".to_owned()), ..Purpose::default() };
    assert_snapshot!(told(world.say("ada", Body::Proposal(Proposal { purpose, ..proposal }))), @"source-name: a branch that a change comes from is named in 1 to 200 letters, digits and `-_.#/+@`");
}

#[test]
fn a_title_has_a_form() {
    cases(
        "title:feat | title:fix | title:PAY-*",
        "unless { resource.title.form == \"feat\" || resource.title.form == \"fix\" || resource.title.form like \"PAY-*\" }",
        &[
            ("a kind", "title: 'feat: a button'", "satisfied"),
            ("with a scope", "title: 'fix(api)!: a button'", "satisfied"),
            ("an issue", "title: 'PAY-12: a button'", "satisfied"),
            ("another", "title: 'wip: a button'", "unsatisfied"),
            ("none", "title: a button", "unsatisfied"),
        ],
    );
    two_where(
        "resource.title.form == \"BREAKING\"",
        &[("it says so", "title: 'BREAKING: all'", "unsatisfied"), ("it does not", "", "not_applicable")],
    );
}

#[test]
fn the_form_of_a_title_names_nobody() {
    use countersign_core::kind::form;
    assert_eq!(form("feat(api)!: x"), Some("feat"));
    assert_eq!(form("PAY-12: x"), Some("PAY-12"));
    for none in [
        "Ada: x",
        "a b: x",
        "feat(: x",
        "feat()): x",
        "x",
        ": x",
        "PAY-: x",
        "pay-12: x",
        &format!("{}: x", "a".repeat(21)),
    ] {
        assert_eq!(form(none), None, "{none}");
    }
}

#[test]
fn a_link_leads_to_the_tracker() {
    cases(
        "link:tracker.example",
        "unless { resource.links.hosts.contains(\"tracker.example\") }",
        &[
            ("it does", "links: [https://tracker.example/PAY-12]", "satisfied"),
            ("in capitals, with a port", "links: ['HTTPS://Tracker.Example:443/PAY-12']", "satisfied"),
            ("a name that only begins so", "links: [https://tracker.example.evil/1]", "unsatisfied"),
            ("a user who is called so", "links: ['https://tracker.example@evil/1']", "unsatisfied"),
            ("no link", "", "unsatisfied"),
        ],
    );
    two_where(
        "resource.links.count == 0",
        &[("none", "", "unsatisfied"), ("one", "links: [https://a/b]", "not_applicable")],
    );
}

#[test]
fn all_commits_are_signed() {
    cases(
        "commits:signed",
        "unless { resource.commits.signed }",
        &[("they are", "commits: signed", "satisfied"), ("they are not", "", "unsatisfied")],
    );
    two_where(
        "!resource.commits.by_committer",
        &[
            ("by who committed", "commits: by_committer", "not_applicable"),
            ("by others", "commits: signed", "unsatisfied"),
        ],
    );
}

/// Somebody who signed with that key.
fn signing(world: &World, mail: &str, key: &str) -> Identity {
    let keys = [world.keys[key].public().fingerprint()].into();
    Identity { keys, ..author(mail) }
}

#[test]
fn commits_are_signed_by_keys_that_somebody_here_holds() {
    let signed = "unless { resource.commits.signed }";
    let standing = |conditions: &str, make: &dyn Fn(&World) -> Vec<Identity>| {
        let mut world = with_rule("commits:signed", conditions);
        let people = make(&world);
        let change = world.propose_git("ada", &facts(9, &people));
        world.approve("linus", &change).unwrap();
        (world.standing(&change), world, change)
    };
    let (told, mut world, change) = standing(signed, &|world| vec![signing(world, "ada@example.com", "ada")]);
    assert_eq!(told, "allow");
    // The key is revoked: what it signed is as good as unsigned, until it holds again.
    world.revoke("barbara", "ada").unwrap();
    assert_eq!(world.standing(&change), "r");
    // One of them is not.
    let one = |world: &World| vec![signing(world, "ada@example.com", "ada"), author("ada@home.example")];
    assert_eq!(standing(signed, &one).0, "r");
    // A key that nobody here has.
    let foreign = |_: &World| vec![Identity { keys: [strange()].into(), ..author("ada@example.com") }];
    assert_eq!(standing(signed, &foreign).0, "r");
}

fn strange() -> countersign_ledger::Fingerprint {
    countersign_ledger::SigningKey::generate(&mut crate::kit::FixedRng(4_711)).public().fingerprint()
}

/// Whoever commits in another's name signs with a key of their own.
#[test]
fn a_signature_by_another_than_who_committed_is_told_apart() {
    let by_committer = "when { !resource.commits.by_committer } unless { resource.approvals.senior >= 1 }";
    let standing = |key: &str| {
        let mut world = with_rule("approval:senior:1", by_committer);
        let people = [signing(&world, "ada@example.com", key)];
        let change = world.propose_git("ada", &facts(9, &people));
        world.approve("linus", &change).unwrap();
        world.standing(&change)
    };
    assert_eq!(standing("ada"), "allow");
    assert_eq!(standing("ada-laptop"), "allow");
    assert_eq!(standing("mallory"), "r");
}

#[test]
fn an_approval_ages() {
    cases(
        "approval:recent:24h:1",
        "unless { resource.approvals.recent[\"24h\"] >= 1 }",
        &[
            ("of today", "approvals: [grace]", "satisfied"),
            ("of a day ago", "approvals: [grace], approved_hours_ago: { grace: 24 }", "satisfied"),
            ("older", "approvals: [grace], approved_hours_ago: { grace: 25 }", "unsatisfied"),
            ("by who made it", "approvals: [ada]", "unsatisfied"),
        ],
    );
    let mut world = with_rule("approval:recent:24h:1", "unless { resource.approvals.recent[\"24h\"] >= 1 }");
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.now = world.now.plus_secs(24 * 60 * 60 + 60);
    assert_eq!(world.standing(&change), "r");
    world.take_back("linus", &change).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn the_vote_of_an_uploader_a_robot_or_a_stranger_does_not_count() {
    let (mut world, change, _) = proposed();
    for by in ["ada", "robo", "ci"] {
        world.approve(by, &change).unwrap_err();
    }
    world.keys.insert("stranger", countersign_ledger::SigningKey::generate(&mut crate::kit::FixedRng(4_711)));
    world.approve("stranger", &change).unwrap_err();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn a_deactivated_account_does_not_count() {
    let (mut world, change, _) = proposed();
    world.approve("linus", &change).unwrap();
    world.revoke("barbara", "linus").unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
}

#[test]
fn a_rename_across_folders_is_a_file_that_goes_and_one_that_is_new() {
    let renamed = "paths: { infra/a: deleted, docs/a: added }";
    two_where("resource.paths.touched[\"infra/**\"]", &[("from there", renamed, "unsatisfied")]);
    two_where("resource.paths.touched[\"docs/**\"]", &[("to there", renamed, "unsatisfied")]);
    two_where("resource.paths.only[\"docs/**\"]", &[("nothing else", renamed, "not_applicable")]);
}

#[test]
fn a_submodule_and_a_symbolic_link_are_in_no_set_alone() {
    for odd in ["paths: { docs/a: link }", "paths: { docs/a: submodule }"] {
        two_where("!resource.paths.only[\"docs/**\"]", &[("odd", odd, "unsatisfied")]);
    }
}

/// A co-author is no committer: nothing of theirs has to be signed.
#[test]
fn who_is_only_named_signs_nothing() {
    let mut world = with_rule("commits:signed", "unless { resource.commits.signed }");
    let named = Identity { roles: [Role::CoAuthor].into(), ..author("grace@example.com") };
    let people = [signing(&world, "ada@example.com", "ada"), named];
    let change = world.propose_git("ada", &facts(9, &people));
    world.approve("linus", &change).unwrap();
    assert_eq!(world.status(&change, "r"), countersign_core::decision::RuleStatus::Satisfied);
}

#[test]
fn a_label_by_somebody_allowed_to_label() {
    cases(
        "approval:senior:2 | label:no-backport",
        "unless { resource.approvals.senior >= 2 || resource.labels.by_others.contains(\"no-backport\") }",
        &[
            ("somebody who had no hand in it", "labels: { no-backport: linus }", "satisfied"),
            ("its proposer", "labels: { no-backport: ada }", "unsatisfied"),
            ("a claimed co-author", "claimed: [linus], labels: { no-backport: linus }", "unsatisfied"),
            ("a stranger", "labels: { no-backport: eve }", "unsatisfied"),
            ("another label", "labels: { backport: linus }", "unsatisfied"),
        ],
    );
}

#[test]
fn a_hold_by_anybody_holds() {
    cases(
        "no-label:do-not-merge/hold",
        "unless { !resource.labels.all.contains(\"do-not-merge/hold\") }",
        &[
            ("none", "", "satisfied"),
            ("its proposer", "labels: { do-not-merge/hold: ada }", "unsatisfied"),
            ("somebody else", "labels: { do-not-merge/hold: linus }", "unsatisfied"),
        ],
    );
    two_where(
        "resource.labels.all.contains(\"kind/risky\")",
        &[
            ("labelled by its proposer", "labels: { kind/risky: ada }, approvals: [grace]", "unsatisfied"),
            ("not labelled", "approvals: [grace]", "not_applicable"),
        ],
    );
}

#[test]
fn a_test_passed_was_skipped_never_run_or_run_by_what_the_change_edits() {
    cases(
        "evidence:tests",
        "unless { resource.evidence.passed[\"tests\"] }",
        &[
            ("passed", "evidence: { tests: passed }", "satisfied"),
            ("skipped", "evidence: { tests: skipped }", "unsatisfied"),
            ("neutral", "evidence: { tests: neutral }", "unsatisfied"),
            ("failed", "evidence: { tests: failed }", "unsatisfied"),
            ("never run", "evidence: { lint: passed }", "unsatisfied"),
            ("by a workflow that the change edits", "evidence: { tests: self_made }", "unsatisfied"),
        ],
    );
    two_where(
        "resource.evidence.self_made[\"tests\"]",
        &[("it says so", "evidence: { tests: self_made }, approvals: [grace]", "unsatisfied")],
    );
}

#[test]
fn what_fits_a_template_asks_nobody_again() {
    decided(
        "approval:independent:1",
        "when { !resource.standard } unless { resource.approvals.independent >= 1 }",
        &[
            (
                "a robot's update that fits",
                "proposer: renovate, proposer_kind: workload, standard: true",
                "not_applicable",
            ),
            ("one that does not", "proposer: renovate, proposer_kind: workload", "unsatisfied"),
        ],
    );
}

#[test]
fn a_senior_overrides_by_a_waiver_and_no_contributor_does() {
    decided(
        "approval:owner:1",
        "unless { resource.approvals.owner >= 1 }",
        &[
            ("a senior who had no hand in it", "waivers: { r: barbara }", "waived"),
            ("its proposer", "proposer: barbara, waivers: { r: barbara }", "unsatisfied"),
        ],
    );
}

#[test]
fn a_vote_of_one_and_a_vote_of_two_are_roles() {
    cases(
        "approval:independent:2, approval:owner:1",
        "unless { resource.approvals.independent >= 2 && resource.approvals.owner >= 1 }",
        &[
            ("two who only look", "approvals: [linus, barbara]", "unsatisfied"),
            ("one looks, an owner approves", "approvals: [linus, grace]", "satisfied"),
            ("an owner alone", "approvals: [grace]", "unsatisfied"),
        ],
    );
}
