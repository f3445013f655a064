//! `countersign audit`.

mod areas;
mod documented;
pub mod history;
mod manners;
mod page;
mod requests;
pub mod slice;

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use insta::assert_snapshot;
use serde_json::{Value, json};

use self::history::{Commit, EPOCH, History};
use crate::support::Stage;

const GENTLE: &str = r#"@id("gentle") @requires("disclosure") @because("B.") @remedy("countersign disclose {change} --none")
@mode("watch") @strength("waivable")
forbid (principal, action == Countersign::Action::"apply", resource) unless { resource.ai.disclosed };
"#;
const GRACE: &str = "Grace Hopper <grace@shop.test>";

/// Three changes: direct, reviewed, and a merge of two commits by somebody else.
fn shop() -> History {
    let mut history = History::chain(&["begin", "prices\n\nReviewed-by: Grace Hopper <grace@shop.test>"]);
    let side = history.commit(&Commit { branch: "side", parents: &[2], files: &[b"k8s/a.yaml"], ..Commit::default() });
    let side = history.commit(&Commit { branch: "side", parents: &[side], at: EPOCH + 5, ..Commit::default() });
    history.commit(&Commit {
        parents: &[2, side],
        author: GRACE,
        committer: GRACE,
        at: EPOCH + 3 * 86_400,
        message: b"Merge branch 'side'",
        files: &[b"k8s/a.yaml"],
        ..Commit::default()
    });
    history
}

/// What has to be the same for every kind of clone.
fn essence(report: &Value) -> Value {
    let of = |change: &Value| json!([change["grade"], change["brought"], change["reviewers"], change["impact"]]);
    json!(report["changes"].as_array().unwrap().iter().map(of).collect::<Vec<_>>())
}

fn shop_essence() -> Value {
    json!([["alone", 0, [], []], ["named", 0, ["Grace Hopper"], []], ["other_hand", 2, [], ["deployment"]],])
}

#[test]
fn the_report_tells_a_story() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    assert_snapshot!(stage.run("audit shop.git"), @r#"
    status 0
    --- stdout
    Git carries a second person for 67% of 3 landed changes.
    Audit of shop.git, branch main
      3 changes landed, 2023-11-14 to 2023-11-17; read from 5 commits. 2 people in all.

    What git proves about a second person
      named                                 1  33.3%  █████████████▍
      another hand merged it                1  33.3%  █████████████▍
      a platform's rule                     0   0.0%
      opaque: the forge made it             0   0.0%
      self-approved                         0   0.0%
      self-merged                           0   0.0%
      alone                                 1  33.3%  █████████████▍
      Of 1 change (33.3%) git carries no second person: the last four. That is not to say that nobody
      looked.
      Decided by: merge-commit 1, trailer 1.

    AI assistance, as far as commits and notes say
      declared                              0   0.0%
      inferred from a signal                0   0.0%
      unknown: nothing is said              3 100.0%  ████████████████████████████████████████

    Who carries the reviews
      Grace Hopper                          1 100.0%  ████████████████████████████████████████
      Git names no other reviewer.
      From author date to landing: half within a minute, nine of ten within 3 days.
      1 area that only one person reviewed in the 180 days before the newest change: src (Grace Hopper).

    Paths that reach far
                                      changes   of which git carries no second person
      deployment                            1   0 (0.0%)

    What was taken back
      No change says that it takes back another one that landed here.

    What the rules would have done
      3 changes, put to the shipped rules with what was known when each landed. Together the rules would
      have stopped 3 (100.0%).
                                                     of those  approvals  waiting h
      rule                       stopped             reverted     a week     a week
      documented                       3    100.0%          0        0.0        0.0
      owner-approves                   3    100.0%          0        3.0        0.0
      ai-assisted-senior               1     33.3%          0        1.0        0.0
      second-pair-of-eyes              1     33.3%          0        1.0        0.0
      tier-1-senior                    1     33.3%          0        1.0        0.0
      applier-apart                    0      0.0%          0        0.0        0.0
      fresh-guidance                   0      0.0%          0        0.0        0.0
      documented: most often for want of why, in 20 characters or more (tiers 2 to 4).
      owner-approves: most often for want of 1 approval by an owner of the system; too few could have
      given them for 3 changes.
      ai-assisted-senior: most often for want of 1 approval by a senior; too few could have given them
      for 1 change.
      second-pair-of-eyes: most often for want of 1 approval by somebody who had no hand in the change;
      too few could have given them for 1 change.
      tier-1-senior: most often for want of 1 approval by a senior; too few could have given them for 1
      change.

    What to do next
      Begin with the rule ai-assisted-senior, and watch it before it binds: it would have stopped 1
      change (33.3%), for 1.0 more approvals a week.
      Make a home from this history: its people, systems and owners, and rules that only watch.
        countersign init home --from shop.git

    How to read this
      A landed change is a first-parent commit of the branch. Evidence is looked for in it, in its notes
      and in every commit that it first brings in; the strongest counts. Whoever wrote, co-wrote or
      committed a part is no second person.
      Git cannot prove a second person who left no trace in it: reviews on a forge, by mail or at a desk
      may have happened. "Git carries no second person" does not say that nobody looked.
      Trailers, names and dates in commits are claims: nobody had to sign them.
      AI assistance is what commits and notes declare, or what an identity or a mention suggests. No
      sign does not mean that a human wrote it, and a sign does not prove that a tool did.
      There are no notes here. A clone leaves them out; where reviews are kept in notes (Gerrit,
      git-ai), fetch them first: git fetch origin 'refs/notes/*:refs/notes/*'
      A replay asks what rules would have said had they been asked then, with what git carries. Where
      git names nobody there is no approval to count: that a rule would have stopped a change does not
      say that nobody had looked, and people who had known of the rule would have met it more often.
      Each area that a change touches counts as a system in production, of tier 1 if the change touches
      a path that reaches far, else of tier 3 (of tier 1: 1).
      Approvals are the reviewers whom git names and who are no contributors; where another hand merged
      or committed a change, that is one approval. Who could have approved is everybody who wrote,
      reviewed or landed a change in the 365 days before, and whoever has a part in the change itself.
      Senior is whoever belonged, on that day, to the fifth of these people with most changes written or
      reviewed (at the end: 1 person with 2 or more); an owner of an area wrote at least 3 landed
      changes in it in those 365 days. In the first year little was known yet.
      Paths are those that a change differs in from its first parent. A link counts as one only where it
      took a file's place or gave it up.
      Why, risk, rollback and tests are the characters that commit messages say of them (trailers left
      out), the kind of a change comes from its paths, no change cites guidance, nobody waives, and
      nobody signed what AI had to do with it: only what commits declare counts.
      Extra approvals fall on those who could have given them, in proportion to their reviews in the 365
      days before. A change that lacks approvals is taken to wait 0.0 hours for them: the median from
      author date to landing.
      Not judged, because a repository does not tell: who applied it (`applier-apart`). In a replay
      nobody is in a group or has a key, and nothing is small, so these rules stop whatever they ask
      that of, and let pass what they only ask about where it is so.
    "#);
}

#[test]
fn every_kind_of_repository() {
    let stage = Stage::new();
    let bare = stage.bare("shop.git", &shop());
    let url = format!("file://{}", bare.display());
    stage.git(&["clone", "--quiet", "shop.git", "work"]);
    stage.git(&["-C", "work", "worktree", "add", "--quiet", "-b", "linked", "../linked"]);
    stage.git(&["-C", "shop.git", "config", "uploadpack.allowFilter", "true"]);
    stage.git(&["clone", "--quiet", "--bare", "--filter=blob:none", &url, "partial"]);
    stage.git(&["clone", "--quiet", "--bare", "--reference=shop.git", "shop.git", "borrowing"]);
    stage.bare_of("sha256.git", &shop(), "sha256");
    for name in ["shop.git", "work", "work/src", "linked", "partial", "borrowing", "sha256.git"] {
        let report = stage.audit(&format!("{name} --changes"));
        assert_eq!(essence(&report), shop_essence(), "{name}");
        assert_eq!(report["branch"], if name == "linked" { "linked" } else { "main" });
    }
    // A partial clone was not completed.
    let missing = stage.git(&["-C", "partial", "rev-list", "--objects", "--all", "--missing=print"]);
    assert!(missing.contains('?'), "{missing}");
}

#[test]
fn a_shallow_clone_says_so() {
    let stage = Stage::new();
    let bare = stage.bare("shop.git", &shop());
    stage.git(&["clone", "--quiet", "--bare", "--depth=2", &format!("file://{}", bare.display()), "shallow"]);
    let report = stage.audit("shallow --changes");
    assert_eq!((&report["landed"], &report["read"]["shallow"]), (&json!(2), &json!(true)));
    assert!(report["caveats"].to_string().contains("git fetch --unshallow"), "{report}");
}

#[test]
fn a_clone_without_trees_names_what_is_missing() {
    let stage = Stage::new();
    let bare = stage.bare("shop.git", &shop());
    stage.git(&["-C", "shop.git", "config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", bare.display());
    stage.git(&["clone", "--quiet", "--bare", "--filter=tree:0", &url, "treeless"]);
    let run = stage.run("audit treeless");
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains(" of `treeless` cannot be read: unable to read tree"), "{run}");
    let object = run.stderr.split_whitespace().nth(2).unwrap();
    assert_eq!(stage.git(&["-C", "shop.git", "cat-file", "-t", object]), "tree");
    assert!(run.stderr.contains("a partial clone needs at least the trees"), "{run}");
}

#[test]
fn broken_objects_are_named() {
    for (what, spec) in [("tree", "main~1^{tree}"), ("commit", "main~1"), ("brought commit", "main^2")] {
        let stage = Stage::new();
        stage.bare("shop.git", &shop());
        let id = stage.git(&["-C", "shop.git", "rev-parse", spec]);
        unpack(&stage, "shop.git");
        let object = stage.path(&format!("shop.git/objects/{}/{}", &id[..2], &id[2..]));
        fs::remove_file(&object).unwrap();
        let run = stage.run("audit shop.git");
        assert_eq!(run.status, 1, "{what}: {run}");
        assert!(run.stderr.contains(&format!("object {id} of `shop.git` cannot be read")), "{what}: {run}");
        fs::write(&object, "garbage").unwrap();
        let run = stage.run("audit shop.git --format json");
        assert_eq!(run.status, 1, "{what}: {run}");
        assert!(run.stderr.contains(&id) && run.stderr.contains("broken-object"), "{what}: {run}");
    }
}

/// Turns the pack into single objects.
fn unpack(stage: &Stage, name: &str) {
    let packs: Vec<_> =
        fs::read_dir(stage.path(&format!("{name}/objects/pack"))).unwrap().map(|e| e.unwrap().path()).collect();
    for pack in packs.iter().filter(|path| path.extension().is_some_and(|e| e == "pack")) {
        let moved = stage.path("moved.pack");
        fs::rename(pack, &moved).unwrap();
        let file = fs::File::open(&moved).unwrap();
        let status = stage.command("git").args(["-C", name, "unpack-objects", "-q"]).stdin(file).status().unwrap();
        assert!(status.success());
    }
}

#[test]
fn what_is_no_history() {
    let stage = Stage::new();
    stage.write("folder/file", "");
    stage.git(&["init", "--quiet", "--initial-branch=main", "empty"]);
    stage.bare("shop.git", &shop());
    stage.bare("other.git", &shop());
    stage.git(&["-C", "other.git", "symbolic-ref", "HEAD", "refs/heads/trunk"]);
    assert_snapshot!(stage.run("audit folder"), @r"
    status 1
    --- stderr
    error: `folder` is no git repository: fatal: not a git repository (or any of the parent directories): .git
    hint: name a directory with a checkout or a bare repository
    ");
    assert_snapshot!(stage.run("audit nowhere"), @r"
    status 1
    --- stderr
    error: `nowhere` is no git repository: there is no such directory
    hint: name a directory with a checkout or a bare repository
    ");
    assert_snapshot!(stage.run("audit folder/file"), @r"
    status 1
    --- stderr
    error: `folder/file` is no git repository: it is a file
    hint: name a directory with a checkout or a bare repository
    ");
    assert_snapshot!(stage.run("audit empty"), @r"
    status 1
    --- stderr
    error: `empty` has no commits yet
    hint: there is nothing to audit before the first commit
    ");
    assert_snapshot!(stage.run("audit other.git"), @r"
    status 1
    --- stderr
    error: HEAD of `other.git` names the branch `trunk`, which has no commits
    hint: say which branch: --branch main
    ");
    assert_snapshot!(stage.run("audit shop.git --branch mian"), @r"
    status 1
    --- stderr
    error: there is no branch `mian` in `shop.git`
    hint: did you mean `main`?
    ");
    assert_snapshot!(stage.run("audit shop.git --branch release/2026"), @r"
    status 1
    --- stderr
    error: there is no branch `release/2026` in `shop.git`
    hint: its branches are: main, side
    ");
    assert_snapshot!(stage.run("audit shop.git --branch=--evil"), @r"
    status 1
    --- stderr
    error: there is no branch `--evil` in `shop.git`
    hint: its branches are: main, side
    ");
    assert_snapshot!(stage.run("audit shop.git --since yesterday"), @r"
    status 2
    --- stderr
    error: invalid value 'yesterday' for '--since <DATE>': `yesterday` is not a date: expected 2026-03-01, 2026-03-01T12:00:00 (UTC) or 2026-03-01T12:00:00+01:00

    For more information, try '--help'.
    ");
    assert_snapshot!(stage.run("audit shop.git --since 2026-01-02 --until 2026-01-02"), @r"
    status 2
    --- stderr
    error: --since is not before --until, so no change can lie between them
    hint: --until is exclusive: for one day pass that day and the next
    ");
    assert_snapshot!(stage.run("audit shop.git --out nowhere/report"), @r"
    status 1
    --- stderr
    error: cannot write nowhere/report: there is no folder `nowhere`
    hint: name a file in a folder that exists and that you may write to
    ");
    assert_snapshot!(stage.run("audit shop.git --changes"), @r"
    status 2
    --- stderr
    error: --changes lists every change, which is for programs
    hint: add --format json
    ");
}

#[test]
fn since_is_inclusive_and_until_exclusive() {
    let stage = Stage::new();
    // At 22:13:20 of 14, 15 and 16 November 2023.
    stage.bare("r.git", &History::chain(&["one", "two", "three"]));
    let landed = |words: &str| {
        let report = stage.audit(&format!("r.git --changes {words}"));
        let subjects = report["changes"].as_array().unwrap().iter().map(|c| c["subject"].as_str().unwrap().to_owned());
        subjects.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(landed(""), "one two three");
    assert_eq!(landed("--since 2023-11-15T22:13:20"), "two three");
    assert_eq!(landed("--since 2023-11-15T22:13:21Z"), "three");
    assert_eq!(landed("--until 2023-11-15T22:13:20Z"), "one");
    assert_eq!(landed("--until 2023-11-15T23:13:21+01:00"), "one two");
    assert_eq!(landed("--since 2023-11-15 --until 2023-11-16"), "two");
    assert_eq!(landed("--since 2024-01-01"), "");
    assert!(stage.run("audit r.git --since 2024-01-01").stdout.contains("No change landed in that time"));
}

#[test]
fn a_commit_belongs_to_the_change_that_first_brings_it() {
    let stage = Stage::new();
    let mut history = History::chain(&["begin"]);
    let mut at = |branch: &str, parents: &[usize], message: &str| {
        history.commit(&Commit { branch, parents, message: message.as_bytes(), ..Commit::default() })
    };
    let deep = at("deep", &[1], "deep");
    let side = at("side", &[1], "side");
    let side = at("side", &[side, deep], "merge deep into side");
    let more = at("more", &[deep], "more");
    let first = at("main", &[1, side], "merge side");
    let direct = at("main", &[first], "direct");
    // An octopus, whose arms share what came before.
    let late = at("late", &[side], "late");
    at("main", &[direct, more, late], "merge more and late");
    stage.bare("r.git", &history);
    let report = stage.audit("r.git --changes");
    let brought: BTreeMap<&str, u64> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["subject"].as_str().unwrap(), change["brought"].as_u64().unwrap()))
        .collect();
    let expected = [("begin", 0), ("direct", 0), ("merge more and late", 2), ("merge side", 3)];
    assert_eq!(brought, BTreeMap::from(expected));
    assert_eq!((&report["read"]["commits"], &report["read"]["brought"]), (&json!(9), &json!(5)));
}

#[test]
fn other_branches_and_detached_heads() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    assert_eq!(stage.audit("shop.git --branch side")["landed"], 4);
    assert_eq!(stage.audit("shop.git --branch refs/heads/side")["branch"], "side");
    stage.git(&["clone", "--quiet", "shop.git", "work"]);
    assert_eq!(stage.audit("work --branch side")["landed"], 4);
    stage.git(&["-C", "work", "checkout", "--quiet", "--detach", "HEAD~1"]);
    let report = stage.audit("work");
    assert_eq!((&report["branch"], &report["landed"]), (&json!("HEAD"), &json!(2)));
}

#[test]
fn bytes_that_are_no_text() {
    let stage = Stage::new();
    let mut history = History::default();
    let commit = Commit {
        message: b"caf\xe9 \xff\n\nReviewed-by: J\xf6rg <j@x.test>",
        files: &[b"caf\xe9/\xff"],
        ..Commit::default()
    };
    let first = history.commit(&commit);
    history.commit(&Commit { parents: &[first], author: "Bj\u{f6}rn\u{202e}x <b@x.test>", at: 0, ..Commit::default() });
    history.commit(&Commit { parents: &[2], at: 4_085_000_000, ..Commit::default() });
    history.commit(&Commit { parents: &[3], at: 99_999_999_999_999, ..Commit::default() });
    stage.bare("r.git", &history);
    let report = stage.audit("r.git --changes");
    assert_eq!(report["changes"][0]["subject"], "caf\u{fffd} \u{fffd}");
    assert_eq!(report["changes"][1]["contributors"][0], "Bj\u{f6}rn\u{fffd}x");
    assert_eq!(report["read"]["first"], "1970-01-01T00:00:00Z");
    assert!(report["caveats"].to_string().contains("impossible dates"), "{report}");
    assert_eq!(stage.run("audit r.git").status, 0);
}

#[test]
fn a_message_of_ten_megabytes_keeps_its_trailers() {
    let stage = Stage::new();
    let message = format!("long\n\n{}\n\nReviewed-by: {GRACE}\n", "x".repeat(10_000_000));
    let mut history = History::chain(&["begin", &message]);
    // The same on a brought commit, which is read another way.
    let side = history.commit(&Commit { branch: "s", parents: &[2], message: message.as_bytes(), ..Commit::default() });
    history.commit(&Commit { parents: &[2, side], message: b"Merge", ..Commit::default() });
    stage.bare("r.git", &history);
    let report = stage.audit("r.git --changes");
    assert_eq!(report["grades"]["named"], 2, "{}", report["grades"]);
}

#[test]
fn hostile_strings_reach_neither_terminal_nor_report() {
    let stage = Stage::new();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}<script>alert(1)</script>";
    let mut history = History::default();
    // git itself allows no angle bracket in a name.
    let name = evil.replace(['<', '>'], "");
    let who = format!("Eve {name} <eve\u{1b}[31m@x.test>");
    let message =
        format!("subject {evil}\n\nReviewed-by: {evil} <mallory{evil}@x.test>\nReviewed-by: Bob{evil} <bob@x.test>\n");
    let file = "\"\\033[31mdir/\\033]0;x\\007\"".as_bytes();
    let files = [file, "\u{202e}bidi/x".as_bytes()];
    let first =
        history.commit(&Commit { author: &who, message: message.as_bytes(), files: &files, ..Commit::default() });
    history.note("refs/notes/review", first, &format!("Code-Review+2: Carl{evil} <carl@x.test>\n"));
    stage.bare("r.git", &history);
    for words in
        ["audit r.git", "audit r.git --format json --changes", "audit r.git --anonymise --format json --changes"]
    {
        let run = stage.run(words);
        assert_eq!(run.status, 0, "{run}");
        let bad =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(
            !run.stdout.contains(bad) && !run.stdout.contains("\\u001b") && !run.stdout.contains("\\u009b"),
            "{run}"
        );
    }
}

#[test]
fn notes_are_found_and_their_kinds_are_told() {
    let stage = Stage::new();
    let mut history = shop();
    history.note("refs/notes/review", 1, &format!("Code-Review+2: {GRACE}\nSubmitted-by: {GRACE}\n"));
    history.note("refs/notes/other", 3, "on a brought commit");
    stage.bare("r.git", &history);
    let report = stage.audit("r.git --changes");
    assert_eq!(report["read"]["notes"], json!(["refs/notes/other", "refs/notes/review"]));
}

#[test]
fn what_gittuf_attests_is_found_by_the_change_that_it_names() {
    let stage = Stage::new();
    stage.bare("r.git", &shop());
    let named = |what: &str| stage.git(&["-C", "r.git", "rev-parse", what]);
    let change = format!("{}-{}", named("main~1"), named("main^{tree}"));
    let statement = r#"{"predicate_type":"https://gittuf.dev/github-pull-request-approval/v0.1","predicate":{"approvers":["joan+77"]}}"#;
    fs::write(stage.path("statement"), statement).unwrap();
    let blob = stage.git(&["-C", "r.git", "hash-object", "-w", &stage.path("statement").display().to_string()]);
    let attest = |branch: &str, change: &str| {
        let path = format!("code-review-approvals/refs/heads/{branch}/{change}/github/app");
        stage.git(&["-C", "r.git", "update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]);
    };
    attest("main", &change);
    // What was approved for another branch was not approved for this one.
    let first = format!("{}-{}", named("main~2"), named("main~1^{tree}"));
    attest("other/main", &first);
    let tree = stage.git(&["-C", "r.git", "write-tree"]);
    let commit =
        stage.git(&["-C", "r.git", "-c", "user.name=n", "-c", "user.email=n@x", "commit-tree", "-m", "a", &tree]);
    stage.git(&["-C", "r.git", "update-ref", "refs/gittuf/attestations", &commit]);
    let report = stage.audit("r.git --changes");
    assert_eq!(report["read"]["notes"], json!(["refs/gittuf/attestations"]));
    let grades: Vec<&str> =
        report["changes"].as_array().unwrap().iter().map(|change| change["grade"].as_str().unwrap()).collect();
    assert_eq!(grades, ["alone", "named", "named"]);
    let last = report["changes"].as_array().unwrap().last().unwrap();
    assert_eq!(last["signals"][0]["convention"], "gittuf");
    let before = report["changes"][1]["signals"].as_array().unwrap();
    assert!(before.iter().all(|signal| signal["convention"] != "gittuf"), "{before:?}");
}

#[test]
fn a_review_in_gerrits_database_is_found_by_the_commit_that_it_names() {
    let stage = Stage::new();
    stage.bare("r.git", &shop());
    let landed = stage.git(&["-C", "r.git", "rev-parse", "main~2"]);
    let upload = format!("Create change\n\nPatch-set: 1\nChange-id: I1\nCommit: {landed}");
    let mut review = History::default();
    let events = [
        ("Gerrit User 1 <1@server>", upload.as_str()),
        ("Gerrit User 2 <2@server>", "Update patch set 1\n\nPatch-set: 1\nLabel: Code-Review=+2"),
        ("Gerrit User 2 <2@server>", "Submit patch set 1\n\nPatch-set: 1\nStatus: merged"),
    ];
    for (at, (author, message)) in events.iter().enumerate() {
        let parents: Vec<usize> = (at > 0).then_some(at).into_iter().collect();
        let message = message.as_bytes();
        review.commit(&Commit { branch: "meta", parents: &parents, author, message, files: &[], ..Commit::default() });
    }
    stage.import("r.git", &review);
    stage.git(&["-C", "r.git", "update-ref", "refs/changes/05/5/meta", "refs/heads/meta"]);
    let report = stage.audit("r.git --changes");
    let change = &report["changes"][0];
    assert_eq!((&change["grade"], &change["reviewers"]), (&json!("named"), &json!(["Gerrit User 2"])), "{change}");
    assert_eq!(report["read"]["note_db_changes"], 1);
}

/// 400 commits of a production configuration, with Gerrit's votes in notes. The numbers were counted from the records by
/// other means: votes of `Code-Review+2` by somebody who is author neither by name nor by mail.
#[test]
fn a_real_history() {
    let stage = Stage::new();
    stage.bare("r.git", &slice::read("operations-puppet"));
    let report = stage.audit("r.git --changes");
    let read = &report["read"];
    assert_eq!((&report["landed"], &read["commits"], &read["brought"]), (&json!(246), &json!(377), &json!(131)));
    let grades = &report["grades"];
    assert_eq!(grades["named"], 47);
    // 198 have only the author's own vote; one of them somebody else submitted, and one Gerrit committed, which hides nothing.
    let rest = [&grades["self_approved"], &grades["other_hand"], &grades["opaque"]];
    // One has no vote at all, and Gerrit committed it.
    assert_eq!(rest, [&json!(197), &json!(1), &json!(1)]);
    assert_eq!(read["notes"], json!(["refs/notes/review"]));
    assert_eq!(read["first"].as_str().unwrap().get(..10), Some("2012-03-15"));
}

/// What git carries a second person for passes the rule that asks for one, and nothing else does.
#[test]
fn the_shipped_rules_over_a_real_history() {
    let stage = Stage::new();
    stage.bare("r.git", &slice::read("operations-puppet"));
    let report = stage.audit("r.git");
    let rules = report["rules"].as_array().unwrap();
    let second = rules.iter().find(|rule| rule["id"] == "second-pair-of-eyes").unwrap();
    assert_eq!((&second["applied"], &second["stopped"]), (&json!(246), &json!(198)));
    assert_eq!(second["missing"][0]["changes"], 198);
    assert!(second["falls_on"].as_array().is_some_and(|people| !people.is_empty()));
}

#[test]
fn pseudonyms_are_stable_and_hide_names() {
    let stage = Stage::new();
    stage.bare("r.git", &shop());
    let report = stage.audit("r.git --anonymise --changes");
    let text = report.to_string();
    assert!(!text.contains("Grace") && !text.contains("Ada") && !text.contains("shop.test"), "{text}");
    assert!(report["anonymised"] == true && report["changes"][0]["subject"].is_null());
    let names = |report: &Value| report["reviewers"][0]["person"].clone();
    assert_eq!(names(&report), names(&stage.audit("r.git --anonymise --since 2023-11-15")));
    // Another history, other pseudonyms.
    let mut other = shop();
    other.commit(&Commit {
        branch: "orphan",
        message: b"x\n\nReviewed-by: Grace Hopper <grace@shop.test>",
        ..Commit::default()
    });
    stage.bare("other.git", &other);
    assert_ne!(names(&report), names(&stage.audit("other.git --anonymise --branch orphan")));
    assert!(!stage.run("audit r.git --anonymise").stdout.contains("Grace"));
}

#[test]
fn nothing_is_written_into_the_repository() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    stage.git(&["clone", "--quiet", "shop.git", "work"]);
    // What would make git run something, refresh the index or tidy up.
    for (key, value) in [("core.fsmonitor", "touch ../ran"), ("gc.auto", "1"), ("core.untrackedCache", "true")] {
        stage.git(&["-C", "work", "config", key, value]);
    }
    let before = listing(&stage.path("work"));
    let folder = listing(&stage.path(""));
    stage.audit("work --changes");
    stage.run("audit work");
    assert_eq!(listing(&stage.path("work")), before);
    assert_eq!(listing(&stage.path("")), folder);
}

/// Everything below a folder, with the times of the last changes.
fn listing(folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        found.insert(entry.path().display().to_string(), (metadata.len(), metadata.modified().unwrap()));
        if metadata.is_dir() {
            found.extend(listing(&entry.path()));
        }
    }
    found
}

#[test]
fn a_report_takes_the_place_of_a_file_when_it_is_whole() {
    let stage = Stage::new();
    stage.bare("r.git", &shop());
    stage.write("report.json", "old");
    assert_snapshot!(stage.run("audit r.git --format json --out report.json"), @"status 0");
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    assert_eq!(report["landed"], 3);
    stage.run("audit r.git --out report.txt");
    assert_eq!(stage.read("report.txt"), stage.run("audit r.git").stdout);
    assert_eq!(stage.run("audit r.git --branch nowhere --out report.txt").status, 1);
    assert_eq!(stage.read("report.txt"), stage.run("audit r.git").stdout);
}

#[test]
fn bad_rules_are_told_as_rules_check_tells_them() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    fs::create_dir(stage.path("rules")).unwrap();
    for text in [None, Some("forbid (principal"), Some("permit (principal, action, resource);")] {
        if let Some(text) = text {
            fs::write(stage.path("rules/bad.cedar"), text).unwrap();
        }
        let check = stage.run("rules check rules");
        assert_ne!(check.status, 0, "{check}");
        for flag in ["--rules", "--compare"] {
            let audit = stage.run(&format!("audit shop.git {flag} rules"));
            assert_eq!((audit.status, &audit.stderr), (check.status, &check.stderr), "{audit}");
        }
    }
}

#[test]
fn nothing_is_wider_than_a_hundred_columns() {
    let stage = Stage::new();
    let mut history = shop();
    let long = format!("{} <{}@x.test>", "Ada ".repeat(60), "y".repeat(300));
    let message = format!("x\n\nReviewed-by: {long}");
    history.commit(&Commit { parents: &[5], message: message.as_bytes(), at: EPOCH, ..Commit::default() });
    let name = format!("{}.git", "deep".repeat(30));
    stage.bare(&name, &history);
    let text = stage.run(&format!("audit {name}")).stdout;
    // A command is copied whole.
    let mut lines = text.lines().filter(|line| !line.starts_with("    countersign init"));
    assert!(lines.all(|line| line.chars().count() <= 100), "{text}");
}
