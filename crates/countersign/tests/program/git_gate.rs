//! The git gate: real pushes through real hooks, and the attacks that it must withstand.

use std::{fs, os::unix::fs::PermissionsExt as _, thread};

use countersign_core::catalog::Level;
use insta::assert_snapshot;

use crate::{
    lying::{Liar, Log},
    proxy::{Answer, Proxy},
    world::World,
};

const CHECKOUT: &str = "checkout/production";

/// A change of the checkout timeout, proposed by Alice and approved by Bob.
fn approved(world: &World) -> String {
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    change
}

#[test]
fn a_push_that_nobody_proposed_is_refused_with_the_command() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("no-change");
    assert_snapshot!(push.told(), @r#"
    countersign: refused: no change is proposed for [A] on refs/heads/main [no-change]
    countersign:   it would reach checkout/production; propose it, have it approved, then push again:
    countersign:   -> countersign propose --target checkout/production --kind code --git . --repository shop --branch main --range [B]..[A] --title "..." --why "..." --rollback "..."
    "#);
}

#[test]
fn a_push_that_misses_an_approval_is_refused_with_a_to_do_list() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert_snapshot!(push.told(), @r#"
    countersign: refused: change [A] "Raise the timeout" is not allowed on checkout/production yet [denied-by-rules]
    countersign:   owner-approves       1 approval by an owner of the system (checkout): bob, carol, dave
    countersign:   second-pair-of-eyes  1 approval by somebody who had no hand in the change: bob, carol, dave
    countersign:   -> countersign review [A]
    countersign:   for example: bob approves, and no approval is missing
    countersign: all of it: countersign show [A]
    "#);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.tip("main"), world.id("HEAD"));
    assert_eq!(world.state(&change), "applied");
}

#[test]
fn a_denial_that_the_log_has_is_not_logged_again() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    let kinds = || {
        let log = Log::of(&world);
        (0..log.leaves.len()).map(|index| log.statement(index).body.kind()).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        world.push(&["HEAD:main"]).is_refused("denied-by-rules");
        assert_eq!(kinds(), ["genesis", "gate-registration", "proposal", "permit-request", "decision"]);
    }
    // Something else is missing now, which is news.
    assert_eq!(world.say("carol", &["reject", &change, "--why", "not now"]).status, 0);
    for _ in 0..2 {
        world.push(&["HEAD:main"]).is_refused("denied-by-rules");
        assert_eq!(kinds()[5..], ["rejection", "permit-request", "decision"]);
    }
}

/// Where a folder is shared, so is the copy of the log in it, whatever the umask: each account's gates follow into it.
#[test]
fn a_copy_in_a_shared_folder_is_shared() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    let shared = world.stage.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o2775)).unwrap();
    let run = world.install("--copy shared/of/log");
    assert_eq!(run.status, 0, "{run}");
    world.edit("change", "checkout/timeout", "30\n");
    world.push(&["HEAD:main"]).is_refused("no-change");
    // A log that is caught, and a stop that a server never took.
    let older = Liar::shows(&world, Log::of(&world).first(1));
    world.tell_the_gate(&older.url);
    world.push(&["HEAD:main"]).is_refused("log-went-back");
    let change = world.propose("alice", &[CHECKOUT]);
    let silent = Proxy::before(&world.server().url, |method, path| match method {
        "POST" => Answer::Silence,
        _ => Answer::Of(path.to_owned()),
    });
    let run = world.say_to(&silent.url, "carol", &["reject", &change, "--why", "no"]);
    let (_, kept) = run.stderr.split_once("--statement ").unwrap_or_else(|| panic!("{run}"));
    let kept = kept.split(['"', '\\']).next().unwrap().trim();
    let run = world.stage.run(&format!("gate stop shop.git --statement {kept}"));
    assert_eq!(run.status, 0, "{run}");
    let find = world.stage.command("find").args(["shared/of", "-printf", "%m %P\n"]).output().unwrap();
    let found = String::from_utf8(find.stdout).unwrap();
    for line in found.lines() {
        let (mode, name) = line.split_once(' ').unwrap();
        let mode = u32::from_str_radix(mode, 8).unwrap();
        assert_eq!(mode & 0o060, 0o060, "the group cannot use {name}:\n{found}");
    }
    for part in ["log/copy.db", "log/seen", "log/lock", "log/proof/", "log/stops/"] {
        assert!(found.contains(part), "{part}:\n{found}");
    }
}

/// The journal, and the copy of the log, are for one at a time; who comes second waits, and looks again.
#[test]
fn pushes_at_once_are_each_judged_and_each_land() {
    let world = World::usual();
    let mut changes = Vec::new();
    for (branch, file, text) in [("main", "checkout/timeout", "30\n"), ("release", "search/limit", "20\n")] {
        world.git(&["checkout", "--quiet", "-B", &format!("for-{branch}"), &format!("origin/{branch}")]);
        world.write(file, text);
        world.commit("edit");
        let target = if branch == "main" { CHECKOUT } else { "search/production" };
        let change = world.propose_for("alice", &[target], branch, &format!("origin/{branch}..HEAD"));
        world.approve("bob", &change);
        changes.push(change);
    }
    thread::scope(|scope| {
        let pushes = ["for-main:main", "for-release:release"].map(|what| scope.spawn(|| world.push(&[what])));
        for push in pushes {
            push.join().unwrap().passes();
        }
    });
    for change in changes {
        assert_eq!(world.state(&change), "applied");
    }
    let status = world.stage.run("gate status shop.git --format json").json();
    assert_eq!((&status["caught"], &status["unreported"]), (&serde_json::json!([]), &0.into()));
}

#[test]
fn a_tier_1_system_takes_two_approvals() {
    let world = World::usual();
    world.edit("change", "payments/retries", "4\n");
    let change = world.propose("alice", &["payments/production"]);
    assert_eq!(world.say("alice", &["disclose", &change, "--none"]).status, 0);
    world.approve("carol", &change);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert_snapshot!(push.told(), @r#"
    countersign: refused: change [A] "Raise the timeout" is not allowed on payments/production yet [denied-by-rules]
    countersign:   tier-1-senior  1 approval by a senior: bob
    countersign:   tier-1-senior  1 more approval by somebody who had no hand in the change: bob, dave
    countersign:   -> countersign review [A]
    countersign:   for example: bob approves, and no approval is missing
    countersign: all of it: countersign show [A]
    "#);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
}

#[test]
fn a_merge_of_the_approved_head_passes() {
    let world = World::usual();
    let first = approved(&world);
    world.edit("other", "search/limit", "20\n");
    let other = world.propose("alice", &["search/production"]);
    world.approve("carol", &other);
    world.push(&["other:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    world.push(&["HEAD:main"]).passes();
    assert_eq!((world.state(&first), world.state(&other)), ("applied".to_owned(), "applied".to_owned()));
}

#[test]
fn one_push_may_land_changes_of_several_systems() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.write("search/limit", "20\n");
    world.commit("and search");
    let checkout = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &checkout);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("targets-not-covered");
    assert_snapshot!(push.told(), @r#"
    countersign: refused: the push also reaches search/production [targets-not-covered]
    countersign:   the changes that are approved do not name it; propose that part too:
    countersign:   -> countersign propose --target search/production --kind code --git . --repository shop --branch main --range [A]..[B] --title "..." --why "..."
    "#);
    let search = world.propose("alice", &["search/production"]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    world.approve("carol", &search);
    world.push(&["HEAD:main"]).passes();
    assert_eq!((world.state(&checkout), world.state(&search)), ("applied".to_owned(), "applied".to_owned()));
}

#[test]
fn a_path_that_maps_to_nothing_is_refused() {
    let world = World::usual();
    world.edit("change", "infra/main.tf", "x\n");
    world.propose("alice", &[CHECKOUT]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("unmapped-path");
    assert_snapshot!(push.told(), @"
    countersign: refused: no entry of the gate's map names infra/main.tf [unmapped-path]
    countersign:   whoever runs the repository says what these paths reach, in countersign/gate.yaml;
    countersign:   `else: SYSTEM/ENVIRONMENT` there is for whatever no entry names
    countersign:   every entry that matches a path counts, so `**` would add its target to all of them
    ");
}

#[test]
fn unprotected_branches_pass_without_the_server() {
    let mut world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.stop_server();
    world.push(&["HEAD:feature", "HEAD:refs/tags/v1"]).passes();
    world.push(&["--delete", "feature"]).passes();
    let push = world.push(&["HEAD:main"]);
    push.is_refused("server-unreachable");
}

// Approvals are for what was reviewed.

#[test]
fn approve_then_push_is_refused() {
    let world = World::usual();
    approved(&world);
    world.write("checkout/timeout", "3000\n");
    world.commit("one more thing");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("not-the-head");
    assert_snapshot!(push.told(), @"
    countersign: refused: change [A] was proposed at an earlier commit; [B] has more [not-the-head]
    countersign:   approvals are for what was reviewed; make this its next revision and have it approved:
    countersign:   -> countersign revise [A] --git . --repository shop --branch main --range [C]..[B]
    countersign: all of it: countersign show [A]
    ");
}

#[test]
fn approve_then_amend_is_refused() {
    let world = World::usual();
    approved(&world);
    world.write("checkout/timeout", "3000\n");
    world.git(&["commit", "--quiet", "--all", "--amend", "-m", "edit checkout/timeout"]);
    world.push(&["HEAD:main"]).is_refused("no-change");
}

#[test]
fn smuggling_in_a_merge_commit_is_refused() {
    let world = World::usual();
    approved(&world);
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.git(&["merge", "--quiet", "--no-ff", "--no-commit", "change"]);
    world.write("search/limit", "0\n");
    world.commit("Merge branch 'change'");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("delta-differs");
    assert_snapshot!(push.told(), @"
    countersign: refused: this is not change [A]: moving the branch from [B] to [C] is not what was approved: `search/limit` (brought besides) [delta-differs]
    countersign:   push what was approved, on top of the branch's tip; or make this the next revision and have it approved
    countersign:   -> countersign revise [A] --git . --repository shop --branch main --range [B]..[C]
    countersign: all of it: countersign show [A]
    ");
}

#[test]
fn an_octopus_a_rewind_and_a_deletion_are_refused() {
    let world = World::usual();
    approved(&world);
    for (branch, file) in [("one", "search/a"), ("two", "search/b")] {
        world.edit(branch, file, "x\n");
    }
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.git(&["merge", "--quiet", "-m", "octopus", "change", "one", "two"]);
    world.push(&["HEAD:main"]).is_refused("octopus");
    world.git(&["checkout", "--quiet", "--orphan", "rewritten"]);
    world.commit("rewritten");
    let force = world.push(&["--force", "HEAD:main"]);
    force.is_refused("not-fast-forward");
    assert_snapshot!(force.told(), @"
    countersign: refused: refs/heads/main is protected: [A] does not contain the branch's tip [B] [not-fast-forward]
    countersign:   what has landed stays: merge the branch's tip, or rebase on it; to undo what landed, propose a revert
    countersign:   -> git fetch && git merge origin/main
    ");
    world.push(&["--delete", "release"]).is_refused("deletion");
}

#[test]
fn two_protected_branches_at_once_are_refused() {
    let world = World::usual();
    approved(&world);
    for extra in [&[][..], &["--atomic"]] {
        let push = world.push(&[extra, &["HEAD:main", "HEAD:release"]].concat());
        push.is_refused("several-branches");
    }
}

#[test]
fn an_approval_for_another_branch_is_refused() {
    let world = World::usual();
    approved(&world);
    let push = world.push(&["HEAD:release"]);
    push.is_refused("another-branch");
    assert_snapshot!(push.told(), @r#"
    countersign: refused: change [A] is for refs/heads/main, not refs/heads/release [another-branch]
    countersign:   an approval holds for one branch; propose the change for this one too:
    countersign:   -> countersign propose --target checkout/production --kind code --git . --repository shop --branch release --range [B]..[C] --title "..." --why "..." --rollback "..."
    countersign: all of it: countersign show [A]
    "#);
}

#[test]
fn a_protected_branch_that_is_not_there_cannot_be_made() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    std::fs::remove_file(world.stage.path("shop.git/refs/heads/release")).unwrap();
    world.push(&["HEAD:release"]).is_refused("creation");
}

// Going round the gate.

#[test]
fn update_ref_and_fetch_into_the_repository_are_caught() {
    let world = World::usual();
    approved(&world);
    world.push(&["HEAD:feature"]).passes();
    let (before, head) = (world.tip("main"), world.id("HEAD"));
    let (before_id, head_id) = (before.as_str(), head.as_str());
    let work = world.stage.path("work").display().to_string();
    for attempt in [
        &["update-ref", "refs/heads/main", head_id][..],
        &["update-ref", "refs/heads/main", head_id, before_id],
        &["update-ref", "-d", "refs/heads/main"],
        // Packed first, as it is after housekeeping.
        &["pack-refs", "--all"],
        &["update-ref", "-d", "refs/heads/main"],
        &["update-ref", "-d", "refs/heads/main", before_id],
        &["branch", "-D", "release"],
        &["branch", "-f", "main", head_id],
        &["branch", "-M", "feature", "release"],
        &["branch", "-m", "release", "elsewhere"],
        &["fetch", "--quiet", &work, "+change:main"],
    ] {
        let tried = world.in_bare(attempt);
        if attempt[0] == "pack-refs" {
            tried.passes();
            continue;
        }
        assert!(!tried.passed, "{attempt:?}");
        assert_eq!(tried.code(), Some("gone-round"), "{attempt:?}: {}", tried.said);
    }
    assert_eq!((world.tip("main"), world.tip("release")), (before.clone(), before));
    let status = world.stage.run("gate status shop.git --format json").json();
    let caught = status["caught"].as_array().unwrap();
    assert!(caught.iter().all(|caught| caught["at"].as_str().is_some_and(|at| at.ends_with('Z'))), "{status}");
    assert!(caught.iter().all(|caught| caught["account"].as_str().is_some()), "{status}");
    let what: Vec<&str> = caught.iter().map(|caught| caught["what"].as_str().unwrap()).collect();
    let what = what.join("\n").replace(head.short(), "[HEAD]").replace(world.tip("main").short(), "[TIP]");
    assert_snapshot!(what, @"
    refs/heads/main: [TIP] -> [HEAD]
    refs/heads/main: [TIP] -> [HEAD]
    refs/heads/main: it is deleted at [TIP]
    refs/heads/main: it is deleted at [TIP]
    refs/heads/main: it is deleted at [TIP]
    refs/heads/release: it is deleted at [TIP]
    refs/heads/main: [TIP] -> [HEAD]
    refs/heads/release: it is deleted at [TIP]
    refs/heads/release: it is deleted at [TIP]
    refs/heads/main: [TIP] -> [HEAD]
    ");
    // What was kept from happening is written down, and nothing is wrong.
    let status = world.stage.run("gate status shop.git");
    assert_eq!(status.status, 0, "{status}");
    assert!(status.stdout.contains(&format!("  refs/heads/release: it is deleted at {}", world.tip("main").short())));
}

#[test]
fn a_protected_branch_that_is_made_an_alias_is_caught() {
    let world = World::usual();
    approved(&world);
    world.push(&["HEAD:feature"]).passes();
    let tried = world.in_bare(&["symbolic-ref", "refs/heads/main", "refs/heads/feature"]);
    if tried.passed {
        // Git before 2.46 asks nobody. Nothing moves then until the branch is a branch again.
        let status = world.stage.run("gate status shop.git").stdout;
        assert!(status.contains("somebody went round the gate"), "{status}");
        world.edit("more", "checkout/timeout", "31\n");
        world.push(&["+HEAD:feature"]).is_refused("gone-round");
    } else {
        assert_eq!(tried.code(), Some("gone-round"), "{}", tried.said);
    }
    let status = world.stage.run("gate status shop.git").stdout;
    assert!(status.contains("refs/heads/main: it becomes another name of refs/heads/feature"), "{status}");
}

#[test]
fn a_push_past_a_disabled_pre_receive_is_caught() {
    let world = World::usual();
    approved(&world);
    std::fs::remove_file(world.stage.path("shop.git/hooks/pre-receive")).unwrap();
    let push = world.push(&["HEAD:main"]);
    push.is_refused("gone-round");
    assert!(world.stage.run("gate status shop.git").to_string().contains("hook pre-receive is missing"));
}

#[test]
fn an_alias_of_the_protected_branch_is_caught() {
    let world = World::usual();
    world.in_bare(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]).passes();
    world.edit("change", "checkout/timeout", "30\n");
    let before = world.tip("main");
    world.push(&["HEAD:alias"]).is_refused("gone-round");
    assert_eq!(world.tip("main"), before);
}

#[test]
fn housekeeping_goes_on() {
    let world = World::usual();
    approved(&world);
    world.push(&["HEAD:main"]).passes();
    let tip = world.tip("main");
    for command in
        [&["pack-refs", "--all", "--prune"][..], &["gc", "--quiet", "--prune=now"], &["reflog", "expire", "--all"]]
    {
        world.in_bare(command).passes();
    }
    world.in_bare(&["update-ref", "refs/heads/main", tip.as_str()]).passes();
    world.in_bare(&["symbolic-ref", "HEAD", "refs/heads/release"]).passes();
    assert_eq!(world.tip("main"), tip);
    world.git(&["fetch", "--quiet"]);
    let change = {
        world.edit("next", "checkout/timeout", "40\n");
        world.propose("alice", &[CHECKOUT])
    };
    world.approve("carol", &change);
    world.push(&["HEAD:main"]).passes();
    assert!(world.stage.run("gate status shop.git --format json").json()["caught"].as_array().unwrap().is_empty());
}

// A server that comes and goes.

#[test]
fn an_outcome_that_could_not_be_told_is_told_later() {
    let mut world = World::usual();
    let change = approved(&world);
    // The server goes away between the judgement and the report.
    let gate = world.stage.read("shop.git/countersign/gate.yaml");
    let gone = format!(
        "sed -i 's|^url: .*|url: \"http://127.0.0.1:1\"|' {}",
        world.stage.path("shop.git/countersign/gate.yaml").display()
    );
    let hook = world.stage.write("shop.git/hooks/update", &format!("#!/bin/sh\n{gone}\n"));
    assert!(world.stage.command("chmod").arg("755").arg(&hook).status().unwrap().success());
    world.push(&["HEAD:main"]).passes();
    let status = world.stage.run("gate status shop.git");
    assert!(status.stdout.contains("1 outcome not reported yet since "), "{status}");
    assert!(status.stdout.contains("the next push does it, or: countersign gate sync shop.git"), "{status}");
    std::fs::remove_file(hook).unwrap();
    std::fs::write(world.stage.path("shop.git/countersign/gate.yaml"), gate).unwrap();
    assert_eq!(world.state(&change), "permitted");
    world.git(&["fetch", "--quiet"]);
    world.edit("next", "search/limit", "20\n");
    world.push(&["HEAD:main"]).is_refused("no-change");
    assert_eq!(world.state(&change), "applied");
    world.stop_server();
}

/// Whoever amends a commit that is proposed already is told to revise that change, and not to make another one of it.
#[test]
fn an_amended_commit_is_the_next_revision_of_what_was_proposed() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.write("checkout/timeout", "20\n");
    world.git(&["commit", "--quiet", "--all", "--amend", "--no-edit"]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("no-change");
    let revise = format!("countersign revise {} --git . --repository shop --branch main --range ", &change[..12]);
    let (at, new) = (push.raw.find(&revise), push.raw.find("countersign propose"));
    assert!(at.is_some() && at < new, "{}", push.said);
    // Of another branch it says nothing.
    let push = world.push(&["HEAD:release"]);
    push.is_refused("no-change");
    assert!(!push.raw.contains("countersign revise"), "{}", push.said);
}
