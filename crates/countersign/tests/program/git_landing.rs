//! How what was approved arrives at a protected branch, through real pushes: its delta, and nothing else.

use std::{fs, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use insta::assert_snapshot;

use crate::{
    git_facts,
    known::made_up_receipt,
    proxy::{Answer, Proxy},
    support::Run,
    world::World,
};

const CHECKOUT: &str = "checkout/production";

/// A change of the checkout timeout in two commits, approved by Bob; then the branch moves on elsewhere. Gives the change
/// and its head.
fn approved_and_overtaken(world: &World) -> (String, String) {
    world.edit("change", "checkout/timeout", "30\n");
    world.write("checkout/retries", "2\n");
    world.commit("retry, too");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    let head = world.id("HEAD").to_string();
    world.edit("other", "search/limit", "20\n");
    let other = world.propose("alice", &["search/production"]);
    world.approve("carol", &other);
    world.push(&["other:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    (change, head)
}

#[test]
fn a_squash_of_what_was_approved_passes() {
    let world = World::usual();
    let (change, head) = approved_and_overtaken(&world);
    world.git(&["merge", "--quiet", "--squash", "change"]);
    world.commit("All of it");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("commits-missing");
    assert_snapshot!(push.told(), @"
    countersign: refused: the repository does not have the commits that change [A] is about [commits-missing]
    countersign:   they are needed to compare what is pushed with what was approved; push them beside it:
    countersign:   -> git push origin [B]:refs/heads/review/[A]
    countersign: all of it: countersign show [A]
    ");
    world.push(&[&format!("{head}:refs/heads/review/{change}")]).passes();
    world.push(&["HEAD:main"]).passes();
    assert_eq!((world.tip("main"), world.state(&change)), (world.id("HEAD"), "applied".to_owned()));
}

/// Whoever merged the branch into the approved head is told that the same the other way round needs no new approval.
#[test]
fn a_merge_the_wrong_way_round_is_told_the_right_one() {
    let world = World::usual();
    let (change, _) = approved_and_overtaken(&world);
    world.git(&["checkout", "--quiet", "change"]);
    world.git(&["merge", "--quiet", "-m", "catch up", "main"]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("foreign-parent");
    // On a branch of its own, so that nothing of theirs is lost.
    let told = push.told();
    assert!(told.contains("-> git switch -c land ") && told.contains(" && git merge --no-ff "), "{told}");
    assert!(!told.contains("reset --hard"), "{told}");
    world.git(&["checkout", "--quiet", "--detach", "main"]);
    world.git(&["merge", "--quiet", "--no-ff", "-m", "land it", "change^1"]);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
}

#[test]
fn a_rebase_of_what_was_approved_passes() {
    let world = World::usual();
    let (change, head) = approved_and_overtaken(&world);
    world.push(&[&format!("{head}:refs/heads/review")]).passes();
    world.git(&["rebase", "--quiet", "main", "change"]);
    let rebased = world.id("HEAD");

    // One commit more, which takes itself back.
    world.write("search/limit", "66\n");
    world.commit("edit");
    world.write("search/limit", "20\n");
    world.commit("and back");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("unreviewed-commits");
    assert_snapshot!(push.told(), @"
    countersign: refused: this is not change [A]: [B] brings commits that nobody reviewed: [B], [C] [unreviewed-commits]
    countersign:   merge the approved head as it is, or squash it; or make this the next revision and have it approved
    countersign:   -> countersign revise [A] --git . --repository shop --branch main --range [D]..[B]
    countersign: all of it: countersign show [A]
    ");

    // The same by somebody else.
    world.git(&["reset", "--quiet", "--hard", rebased.as_str()]);
    world.git(&["commit", "--quiet", "--amend", "--no-edit", "--author", "Mallory <mallory@example.com>"]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("unreviewed-author");
    assert_snapshot!(push.told(), @"
    countersign: refused: this is not change [A]: commit [B] is by Mallory <mallory@example.com>, who wrote none of the reviewed commits [unreviewed-author]
    countersign:   keep the author: git commit --amend --author='NAME <MAIL>'
    countersign:   -> countersign revise [A] --git . --repository shop --branch main --range [C]..[B]
    countersign: all of it: countersign show [A]
    ");

    world.git(&["reset", "--quiet", "--hard", rebased.as_str()]);
    world.push(&["HEAD:main"]).passes();
    assert_eq!((world.tip("main"), world.state(&change)), (rebased, "applied".to_owned()));
}

/// Makes these commits of the clone the next revision, in the words of the one before.
fn revise(world: &World, who: &str, change: &str, range: &str) -> Run {
    let range = ["--git", "work", "--repository", "shop", "--branch", "main", "--range", range];
    let run = world.say(who, &[&["revise", change, "--yes"], &range[..]].concat());
    assert_eq!(run.status, 0, "{run}");
    run
}

#[test]
fn a_rebase_that_is_made_a_revision_keeps_its_approvals() {
    let world = World::usual();
    let (change, _) = approved_and_overtaken(&world);
    world.git(&["rebase", "--quiet", "main", "change"]);
    let view = revise(&world, "alice", &change, "origin/main..HEAD").json();
    assert_eq!(view["approvals"][0]["carries"], true, "{view:#}");
    assert_eq!((&view["approvals"][0]["counts"], &view["decision"]["outcome"]), (&false.into(), &"allow".into()));
    world.push(&["HEAD:main"]).passes();
    assert_eq!((world.tip("main"), world.state(&change)), (world.id("HEAD"), "applied".to_owned()));
}

/// What comes and goes between them would stay in the history.
#[test]
fn commits_that_nobody_saw_do_not_land_by_an_approval_of_others() {
    let world = World::usual();
    let (change, _) = approved_and_overtaken(&world);
    world.git(&["rebase", "--quiet", "main", "change"]);
    world.write("checkout/secret", "token\n");
    world.commit("a secret");
    world.git(&["rm", "--quiet", "checkout/secret"]);
    world.commit("no secret");
    let view = revise(&world, "alice", &change, "origin/main..HEAD").json();
    assert_eq!(view["decision"]["outcome"], "deny", "{view:#}");
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
}

/// Whoever approved it may be the one who moves it on.
#[test]
fn an_approver_may_rebase_what_they_approved() {
    let world = World::usual();
    let (change, _) = approved_and_overtaken(&world);
    world.git(&["-c", "user.name=Bob", "-c", "user.email=bob@example.com", "rebase", "--quiet", "main", "change"]);
    let run = revise(&world, "bob", &change, "origin/main..HEAD");
    assert!(run.stderr.contains("the approval by bob counts"), "{run}");
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "applied");
}

/// The same difference on a base that is not on the branch keeps its approvals, and brings that base nowhere.
#[test]
fn approvals_that_carry_over_bring_no_base_that_is_not_on_the_branch() {
    let world = World::usual();
    let (change, _) = approved_and_overtaken(&world);
    world.git(&["checkout", "--quiet", "-B", "change", "change"]);
    world.git(&["branch", "--quiet", "-f", "patch"]);
    world.git(&["checkout", "--quiet", "-B", "smuggled", "main"]);
    world.write("checkout/backdoor", "open\n");
    world.commit("a base that nobody has looked at");
    world.git(&["rebase", "--quiet", "--onto", "smuggled", "patch~2", "patch"]);
    let view = revise(&world, "alice", &change, "smuggled..patch").json();
    assert_eq!(view["decision"]["outcome"], "allow");
    world.push(&["patch:main"]).is_refused("delta-differs");
    world.push(&["patch:refs/heads/review"]).passes();
    world.git(&["checkout", "--quiet", "patch"]);
    world.git(&["rebase", "--quiet", "--onto", "main", "smuggled", "patch"]);
    world.push(&["HEAD:main"]).passes();
    assert!(world.git(&["ls-tree", "-r", "--name-only", "HEAD"]).contains("checkout/retries"));
    assert!(!world.git(&["ls-tree", "-r", "--name-only", "HEAD"]).contains("backdoor"));
}

#[test]
fn what_upstream_did_to_a_reviewed_path_stops_a_merge_that_git_makes_without_a_word() {
    let world = World::usual();
    let (first, last) = ("first 1\n1\n2\n3\n4\n5\n6\nlast 1\n", "first 1\n1\n2\n3\n4\n5\n6\nlast 2\n");
    world.edit("begin", "checkout/file", first);
    let begin = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &begin);
    world.push(&["HEAD:main"]).passes();
    world.git(&["fetch", "--quiet"]);

    world.edit("change", "checkout/file", &first.replace("first 1", "first 2"));
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    world.edit("other", "checkout/file", last);
    let other = world.propose("alice", &[CHECKOUT]);
    world.approve("carol", &other);
    world.push(&["HEAD:main"]).passes();
    world.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("delta-differs");
    assert_snapshot!(push.told(), @"
    countersign: refused: this is not change [A]: moving the branch from [B] to [C] is not what was approved: `checkout/file` (upstream changed it since) [delta-differs]
    countersign:   push what was approved, on top of the branch's tip; or make this the next revision and have it approved
    countersign:   -> countersign revise [A] --git . --repository shop --branch main --range [B]..[C]
    countersign: all of it: countersign show [A]
    ");
}

#[test]
fn a_delta_lands_once_per_change() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.edit("revert", "checkout/timeout", "5\n");
    let revert = world.propose("alice", &[CHECKOUT]);
    world.approve("carol", &revert);
    world.push(&["HEAD:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    // The same difference again, which was approved once and has landed once.
    world.edit("again", "checkout/timeout", "30\n");
    world.push(&["HEAD:main"]).is_refused("no-change");
    let again = world.propose("alice", &[CHECKOUT]);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    world.approve("carol", &again);
    world.push(&["HEAD:main"]).passes();
    assert_eq!([&change, &revert, &again].map(|change| world.state(change)), ["applied", "applied", "applied"]);
}

/// A service asks who it is. Auth was merged, and is taken back; the change, which is made on top of it, opens the
/// service. Merged, the two give a service that is open and asks nobody.
#[test]
fn a_change_with_two_merge_bases_is_not_proposed_and_a_forged_one_does_not_land() {
    let world = World::usual();
    let service = |public: &str, auth: &str| format!("public {public}\n1\n2\n3\n4\n5\n6\n7\n8\nauth {auth}\n");
    let land = |who: &str, what: &[&str]| {
        let change = world.propose("alice", &[CHECKOUT]);
        world.approve(who, &change);
        world.push(what).passes();
        world.git(&["fetch", "--quiet"]);
    };
    world.edit("begin", "checkout/service", &service("no", "none"));
    land("bob", &["HEAD:main"]);
    world.edit("auth", "checkout/service", &service("no", "required"));
    world.edit("words", "checkout/words", "more\n");
    land("bob", &["HEAD:main"]);
    world.git(&["checkout", "--quiet", "auth"]);
    let auth = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &auth);
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.git(&["merge", "--quiet", "--no-ff", "-m", "auth", "auth"]);
    world.push(&["HEAD:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.git(&["revert", "--no-edit", "-m", "1", "HEAD"]);
    land("carol", &["HEAD:main"]);

    world.git(&["checkout", "--quiet", "-B", "change", "auth"]);
    world.git(&["merge", "--quiet", "--no-ff", "-m", "with the words", "words"]);
    world.write("checkout/service", &service("yes", "required"));
    let head = world.commit("open it");
    let refused = world.say(
        "alice",
        &[
            "propose",
            "--again",
            "--kind",
            "code",
            "--title",
            "x",
            "--why",
            "x",
            "--target",
            CHECKOUT,
            "--git",
            "work",
            "--repository",
            "shop",
            "--range",
            "origin/main..change",
        ],
    );
    assert_eq!(refused.status, 1, "{refused}");
    assert!(refused.stderr.contains("no-base") && refused.stderr.contains("merge the protected branch"), "{refused}");

    // A program that names one of the two all the same.
    let (facts, identities) = git_facts::extract(&world, &world.id("words"), &head);
    let change = git_facts::propose(&world, &facts, &identities, "Open the service");
    world.approve("bob", &change);
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.git(&["merge", "--quiet", "--no-ff", "-m", "open", "change"]);
    assert_eq!(world.git(&["show", "HEAD:checkout/service"]), service("yes", "none").trim());
    let push = world.push(&["HEAD:main"]);
    push.is_refused("delta-differs");
    assert_snapshot!(push.told(), @"
    countersign: refused: this is not change [A]: moving the branch from [B] to [C] is not what was approved: `checkout/service` (brought with other content) [delta-differs]
    countersign:   push what was approved, on top of the branch's tip; or make this the next revision and have it approved
    countersign:   -> countersign revise [A] --git . --repository shop --branch main --range [B]..[C]
    countersign: all of it: countersign show [A]
    ");
}

/// Which commands of git a hook runs.
fn asked(world: &World, hook: &str, push: &[&str]) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;

    let git = Command::new("sh").args(["-c", "command -v git"]).output().unwrap().stdout;
    let git = String::from_utf8(git).unwrap();
    let log = world.stage.path("asked");
    fs::write(&log, "").unwrap();
    let shim = world.stage.write(
        "shim/git",
        &format!(
            "#!/bin/sh\nfor word; do case $word in -c|safe*) ;; *) break;; esac; done\necho $word >> {}\nexec {} \"$@\"\n",
            log.display(),
            git.trim()
        ),
    );
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("shop.git/hooks/{hook}");
    let text = world.stage.read(&path);
    world
        .stage
        .write(&path, &text.replacen("exec ", &format!("PATH={}:$PATH exec ", shim.parent().unwrap().display()), 1));
    world.push(push).passes();
    world.stage.write(&path, &text);
    let mut asked: Vec<String> = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    // Some are started at once, and which of them says so first is chance.
    asked.sort();
    asked
}

#[test]
fn a_push_waits_for_few_processes() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    assert_eq!(asked(&world, "pre-receive", &["HEAD:main"]), ["cat-file", "diff-tree", "ls-tree"]);
    world.git(&["fetch", "--quiet"]);
    world.edit("next", "checkout/timeout", "40\n");
    let next = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &next);
    world.edit("other", "search/limit", "20\n");
    let other = world.propose("alice", &["search/production"]);
    world.approve("carol", &other);
    assert_eq!(asked(&world, "reference-transaction", &["HEAD:main"]), [""; 0]);
    world.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "next"]);
    // Links are looked for in what was approved, and in what is pushed.
    let processes = ["cat-file", "diff-tree", "ls-tree", "ls-tree", "rev-list"];
    assert_eq!(asked(&world, "pre-receive", &["HEAD:main"]), processes);
}

/// A server that swallows what the gate reports does not make a change land a second time, after its landing was taken back.
#[test]
fn a_change_lands_once_even_if_the_log_is_not_told() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    let swallows = Proxy::reading(&world.server().url, |request| {
        let body = String::from_utf8_lossy(request.body);
        let envelope: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let envelope = envelope["envelope"].as_str().unwrap_or_default().to_owned();
        let payload: serde_json::Value = serde_json::from_str(&envelope).unwrap_or_default();
        let payload = STANDARD.decode(payload["payload"].as_str().unwrap_or_default()).unwrap_or_default();
        match request.method == "POST" && String::from_utf8_lossy(&payload).contains("x-countersign:outcome") {
            true => made_up_receipt(),
            false => Answer::Of(request.path.to_owned()),
        }
    });
    world.tell_the_gate(&swallows.url);
    world.push(&["HEAD:main"]).passes();
    assert_eq!(world.state(&change), "permitted", "the log was not told");
    world.git(&["fetch", "--quiet"]);
    world.edit("back", "checkout/timeout", "5\n");
    let back = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &back);
    world.push(&["HEAD:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.edit("again", "checkout/timeout", "30\n");
    world.push(&["HEAD:main"]).is_refused("already-landed");
}
