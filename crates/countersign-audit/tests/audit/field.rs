//! Shapes that real repositories have and the first tests did not, with invented names.

use countersign_audit::{AiStatus, Audited, People, Reverts};
use insta::assert_snapshot;

use super::conventions::{ANN, BOB, GITHUB, audit, commit, graded, linear, merge, message, with_note};

const CLEO: &str = "Cleo Dun <cleo@z.example>";

fn contributors(audited: &Audited, people: &People) -> String {
    audited.contributors.iter().map(|who| people.label(*who)).collect::<Vec<_>>().join(", ")
}

#[test]
fn who_committed_or_merged_on_the_branch_had_it_in_hand_and_wrote_nothing() {
    // A maintainer applies patches from mail to a topic branch and merges that.
    let mut change = merge(BOB, BOB, "Merge branch 'ann/topic'\n", ANN);
    change.brought = vec![commit(2, 1, ANN, BOB, b"work\n")];
    assert_snapshot!(graded(&change), @"OtherHand by merge-commit");
    // The merger pressed "Update branch" before.
    change.brought.push(commit(3, 2, BOB, GITHUB, b"Merge branch 'main' into topic\n"));
    let (audited, people) = audit(&change);
    assert_snapshot!(contributors(&audited, &people), @"Ann Lee");
    assert_snapshot!(graded(&change), @"OtherHand by merge-commit");
    // A merge that brings nothing but merges is its authors'.
    change.brought = vec![commit(3, 2, BOB, BOB, b"Merge branch 'x' into y\n")];
    assert_snapshot!(graded(&change), @"SelfMerged by merge-commit");
    // What an agent wrote and a person committed stays that person's.
    change.brought = vec![commit(2, 1, "Claude <noreply@anthropic.com>", BOB, b"work\n")];
    assert_snapshot!(graded(&change), @"SelfMerged by merge-commit");
}

#[test]
fn one_person_under_a_login_is_no_second_one() {
    let login = "Ann L. <7+annlee@users.noreply.github.com>";
    assert_snapshot!(graded(&linear("annlee <ann@x.example>", login, "s\n")), @"Alone by nothing");
    assert_snapshot!(graded(&linear("A <annlee@x.example>", login, "s\n")), @"Alone by nothing");
    assert_snapshot!(graded(&merge(login, GITHUB, "Merge pull request #1 from annlee/x\n", "Ann Lee <ann@x.example>")), @"SelfMerged by github-merge");
    assert_snapshot!(graded(&linear("A. Lee <ann.lee@x.example>", "Ann Lee <ann.lee@y.example>", "s\n")), @"Alone by nothing");
    assert_snapshot!(graded(&linear("Ann Lee <me@x.example>", "Bob Ray <me@y.example>", "s\n")), @"OtherHand by committer");
}

#[test]
fn sentences_name_nobody() {
    assert_snapshot!(message("s\n\nReviewers: this may be tested by building, then running it with the flag.\n"), @"Alone by nothing");
    assert_snapshot!(message("s\n\nReviewers: if you run a build, please submit:\n"), @"Alone by nothing");
    assert_snapshot!(message("s\n\nReviewed by Bob Ray on IRC.\n"), @"Named by reviewed-by-sentence: Bob Ray");
}

#[test]
fn lists_go_on_in_the_next_line() {
    assert_snapshot!(message("s\n\nReviewed-by: Bob Ray <bob@y.example>,\n Cleo Dun <cleo@z.example>\n"), @"Named by trailer: Bob Ray, Cleo Dun");
    assert_snapshot!(message("s\n\nReviewed by:\tbob, cleo,\n\t\tdan\n"), @"Named by reviewed-by-field: bob, cleo, dan");
}

#[test]
fn what_looks_like_an_approval_and_is_none() {
    let alone = [
        "s\n\nWrite it so:\n\n```\nReviewed-by: Bob Ray <bob@y.example>\n```\n",
        "s\n\nReviewed-by: <name>\n",
        "s\n\nReviewed-by: Your Name <you@example.com>\n",
        "Revert \"s\"\n\nIt broke.\n\nOriginal commit message:\n\ns\n\nReviewed-by: Bob Ray <bob@y.example>\n",
        "Revert \"s\"\n\nOriginal change's description:\n  s\n\n  Reviewed-by: Bob Ray <bob@y.example>\n",
        "fix\n\nno ok from tb@ yet\n",
        "fix\n\nnot ok tb@\n",
    ];
    for text in alone {
        assert_eq!(message(text), "Alone by nothing", "{text}");
    }
    // What the revert itself says stands below what it repeats, and a fence without an end hides nothing.
    let own = "Revert \"s\"\n\nOriginal change's description:\n> s\n> \n> Reviewed-by: Cleo <c@z.example>\n\nReviewed-by: Bob Ray <bob@y.example>\n";
    assert_snapshot!(message(own), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\n```\ncode\n\nReviewed-by: Bob Ray <bob@y.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nReviewed-by: <bob@y.example>\n"), @"Named by trailer: bob@y.example");
}

#[test]
fn what_counts_as_an_ack() {
    let acked = |line: &str| {
        let text = format!("Merge bitcoin/bitcoin#1: t\n\nACKs for top commit:\n  cleo:\n    {line}\n");
        graded(&merge(BOB, BOB, &text, ANN)) == "Named by ack-list: cleo"
    };
    let yes = [
        "ACK abc",
        "utACK abc",
        "tACK abc",
        "re-ACK abc",
        "reACK abc",
        "crACK abc",
        "Code review ACK abc",
        "Tested ACK",
    ];
    assert!(yes.into_iter().all(acked));
    assert!(acked("Concept ACK, tested ACK abc") && acked("re-utACK abc 📦"));
    let no = [
        "Concept ACK",
        "Approach ACK abc",
        "Concept/approach ACK",
        "concept and Approach ACK",
        "tested NACK abc",
        "no ACK yet",
    ];
    assert!(!no.into_iter().any(acked));
}

#[test]
fn who_was_only_asked_is_no_reviewer() {
    let template = "s\n\nSummary: x\n\nTest Plan: y\n\nReviewers: bob\n\nCC: cleo\n\nTask ID: #1\n\nBlame Rev:\n";
    assert_snapshot!(message(template), @"Alone by nothing");
    assert_snapshot!(message("s\n\nReviewers: bob\n\nTest Plan: y\n"), @"Alone by nothing");
    assert_snapshot!(message("s\n\nReviewers: bob, cleo\n\nReviewed By: bob\n\nPull Request: https://github.com/o/r/pull/1\n"), @"Named by phabricator: bob");
    assert_snapshot!(message("s\n\nReviewers: bob, cleo\n\nPull Request: https://github.com/o/r/pull/1\n"), @"Opaque by request-page");
    assert_snapshot!(message("s\n\nR=bob@y.example\nBUG=1\n\nReview URL: https://codereview.chromium.example/1\n"), @"Opaque by rietveld");
    assert_snapshot!(message("s\n\nLGTM=bob, cleo\nR=golang-dev, bob, cleo, dan\nCC=golang-dev\nhttps://golang.org/cl/1\n"), @"Named by rietveld: bob, cleo");
    assert_snapshot!(message("s\n\nLGTM=ann\nR=ann\n"), @"SelfApproved by rietveld");
}

#[test]
fn a_quoted_subject_is_another_commits() {
    assert_snapshot!(message("Revert \"Auto merge of #1 - ann:x, r=bob\"\n"), @"Alone by nothing");
    assert_snapshot!(message("Revert \"Bug 12 - Title. r=bob\" for failures. r=cleo\n"), @"Named by r-equals: cleo");
    assert_snapshot!(message("Bug 12 - Title. r=backout\n"), @"Alone by nothing");
    // Long titles of CVS's time go on in the body; a sentence may stand behind another.
    assert_snapshot!(message("Bugzilla bug 12: a long title\n\nthat goes on. r=bob.\n"), @"Named by r-equals: bob");
    assert_snapshot!(message("Title\n\nFixes 12.  Reviewed by Bob Ray.\n"), @"Named by reviewed-by-sentence: Bob Ray");
    assert_snapshot!(message("Title\n\nTo be reviewed by Bob Ray.\n"), @"Alone by nothing");
}

#[test]
fn older_forms_of_known_robots() {
    let acks = "Merge #1: t\n\nACKs for commit 1a2b3c:\n  cleo:\n    utACK 1a2b3c4\n\nTree-SHA512: 0\n";
    assert_snapshot!(graded(&merge(BOB, BOB, acks, ANN)), @"Named by ack-list: cleo");
    const NG: &str = "bors[bot] <26634292+bors[bot]@users.noreply.github.com>";
    assert_snapshot!(graded(&merge(NG, GITHUB, "Merge #1\n\n1: Title\r\n r=ann a=ann\r\n\r\nbors r+\n", ANN)), @"SelfApproved by bors-ng");
    assert_snapshot!(graded(&merge(NG, GITHUB, "Merge #1\n\n1: Title\r\n r=bob a=ann\r\n", ANN)), @"Named by bors-ng: bob");
    assert_snapshot!(graded(&merge(ANN, "Tarmac <>", "Title of the request.\n", ANN)), @"Platform by merge-commit");
    const PROW: &str = "kubernetes-prow[bot] <181008794+kubernetes-prow[bot]@users.noreply.github.com>";
    assert_snapshot!(graded(&merge(PROW, GITHUB, "Merge pull request #1 from ann/x\n", ANN)), @"Platform by prow");
    // A lander that lands its own update goes by the same rule.
    assert_snapshot!(graded(&merge(PROW, GITHUB, "Merge pull request #1 from robot/bump\n", PROW)), @"Platform by prow");
    // A subject about the queue is not the queue.
    assert_snapshot!(graded(&linear(ANN, GITHUB, "ci: trigger builds for gh-readonly-queue/* (#12)\n")), @"Opaque by github-squash");
}

#[test]
fn several_people_and_other_ways_to_write_them() {
    assert_snapshot!(message("fix\n\nok jca@ (earlier version), kn@\n"), @"Named by bsd-ok: jca, kn");
    assert_snapshot!(message("fix\n\nReviewed by:\tbob, kib\n\t\tmarkj, imp\nApproved by:\tgjb (mentor)\n"), @"Named by reviewed-by-field: bob, kib, markj, imp, gjb");
    assert_snapshot!(message("fix\n\nReviewed by:\tbob\n\tand that was all\n"), @"Named by reviewed-by-field: bob");
    assert_snapshot!(message("s\n\nReviewers: @bob @cy\n"), @"Named by trailer: bob, cy");
    assert_snapshot!(message("s\n\nReviewed-by: Bo <b@y.example> + Cy <c@z.example>\n"), @"Named by trailer: Bo, Cy");
    assert_snapshot!(message("s\n\nReviewed-by: Lee, Ann <ann@x.example>\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nReviewed-by: \"Lee, Ann\" <ann@x.example>\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nReviewed-by: Ray, Bob <bob@y.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nReviewed_by: Bob Ray bob@y.example\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nReviewed by @bob and @cy\n"), @"Named by reviewed-by-sentence: bob, cy");
    assert_snapshot!(message("s\n\nReviewed by hand\n"), @"Alone by nothing");
    assert_snapshot!(message("s\n\nLGTM: bob\n"), @"Named by rietveld: bob");
    assert_snapshot!(message("s\n\nLGTM: thanks\n"), @"Alone by nothing");
}

#[test]
fn logins_without_their_at() {
    assert_snapshot!(message("fix\n\nlonger text\n\nok bob cleo\n"), @"Named by bsd-ok: bob, cleo");
    assert_snapshot!(message("fix\n\ndo not complain; ok bob, cleo\n"), @"Named by bsd-ok: bob, cleo");
    assert_snapshot!(message("fix\n\nrename the file, bob@ ok\n"), @"Named by bsd-ok: bob");
    assert_snapshot!(message("fix\n\nok bob, tweaks cleo\n"), @"Named by bsd-ok: bob");
    assert_snapshot!(message("fix\n\nthis is ok to do\n\nok now it works\n"), @"Alone by nothing");
    assert_snapshot!(message("fix\n\ntests ok\n"), @"Alone by nothing");
    assert_snapshot!(message("Ok no more work for tonight\n"), @"Alone by nothing");
}

#[test]
fn somebody_else_wrote_it() {
    assert_snapshot!(message("PROJ-1. Title (Cleo Dun via ann)\n"), @"OtherHand by committer");
    assert_snapshot!(message("PROJ-1. Title. Contributed by Cleo Dun.\n"), @"OtherHand by committer");
    assert_snapshot!(message("Title\n\nAuthor: Cleo Dun <cleo@z.example>\nDiscussion: https://list.example/1\n"), @"OtherHand by committer");
    assert_snapshot!(message("fix\n\nSubmitted by:\tcleo\n"), @"OtherHand by committer");
    let (audited, people) = audit(&linear(ANN, ANN, "PROJ-1. Title (Cleo Dun via ann)\n"));
    assert_snapshot!(contributors(&audited, &people), @"Cleo Dun");
    assert_snapshot!(message("Title\n\nAuthor: Cleo Dun, Dan Fox\n"), @"OtherHand by committer");
    assert_snapshot!(message("Title\n\nSubmitted-by: Cleo Dun <cleo z.example>\n"), @"OtherHand by committer");
    // Their own, under another spelling; the log of another commit.
    assert_snapshot!(message("Title\n\nAuthor: A. Lee <ann@other.example>\n"), @"Alone by nothing");
    assert_snapshot!(message("Title\n\nBroken by:\n\ncommit 1a2b\nAuthor: Cleo Dun <cleo@z.example>\nDate: Mon\n"), @"Alone by nothing");
    // The reviewer of what somebody else wrote may be whoever committed it.
    assert_snapshot!(message("Title\n\nAuthor: Cleo Dun <cleo@z.example>\nReviewers: Ann Lee <ann@x.example>\nCloses #1 from cleo/x\n"), @"Named by trailer: Ann Lee");
}

#[test]
fn other_forges() {
    assert_snapshot!(graded(&linear(ANN, ANN, "Merged PR 12: Title\n\nRelated work items: #34\n")), @"Opaque by azure-devops");
    assert_snapshot!(graded(&linear(ANN, BOB, "Merged PR 12: Title\n")), @"OtherHand by committer");
    assert_snapshot!(graded(&merge(BOB, BOB, "Merged PR 12: Title\n", ANN)), @"OtherHand by azure-devops");
    const FORGEJO: &str = "Forgejo <noreply@forge.example>";
    assert_snapshot!(graded(&linear(ANN, FORGEJO, "Title (#12)\n\nReviewed-on: https://forge.example/o/r/pulls/12\n")), @"Opaque by forgejo");
    assert_snapshot!(graded(&linear(ANN, FORGEJO, "Title (#12)\n\nReviewed-on: https://forge.example/o/r/pulls/12\nReviewed-by: Bob Ray <bob@y.example>\n")), @"Named by trailer: Bob Ray");
    assert_snapshot!(graded(&merge(BOB, "Gogs <gogs@fake.local>", "Merge pull request 'Title' (#12) from ann/x into main\n", ANN)), @"OtherHand by forgejo");
    assert_snapshot!(message("Title\n\nPR-URL: https://github.com/o/r/pull/12\n"), @"Opaque by request-page");
    assert_snapshot!(message("Title\n\nCloses #12 from ann/branch and squashes the following commits:\n"), @"Opaque by request-page");
    assert_snapshot!(graded(&linear("gVisor bot <gvisor-bot@google.example>", "gVisor bot <gvisor-bot@google.example>", "Title\n\nPiperOrigin-RevId: 12\n")), @"Platform by export");
}

#[test]
fn gerrit_makes_patch_sets_of_its_own() {
    let meta = |text: &str| graded(&with_note(linear(ANN, BOB, "s\n"), "refs/changes/01/1/meta", text));
    let owner = "author Gerrit User 1 <1@server>\n\nCreate change\n\nPatch-set: 1\nCommit: abc\n\0";
    let vote = "author Gerrit User 2 <2@server>\n\nUpdate\n\nPatch-set: 1\nLabel: Code-Review=+2\n\0";
    let rebase = "author Gerrit User 2 <2@server>\n\nCreate patch set 2\n\nPatch-set: 2\nCommit: def\n\0\
                  author Gerrit User 2 <2@server>\n\nUploaded patch set 2: Patch Set 1 was rebased.\n\nPatch-set: 2\n\0";
    let submit = "author Gerrit User 2 <2@server>\n\nMerged\n\nPatch-set: 2\nStatus: merged\nCommit: 123\n";
    assert_snapshot!(meta(&format!("{owner}{vote}{rebase}{submit}")), @"Named by gerrit-notedb: Gerrit User 2");
    let upload = "author Gerrit User 2 <2@server>\n\nUploaded patch set 2.\n\nPatch-set: 2\nCommit: def\n\0";
    assert_snapshot!(meta(&format!("{owner}{vote}{upload}{submit}")), @"OtherHand by committer");
    // Whoever submits their own change merged it.
    let own = "author Gerrit User 1 <1@server>\n\nMerged\n\nPatch-set: 1\nStatus: merged\n";
    assert_snapshot!(graded(&with_note(linear(ANN, ANN, "s\n"), "refs/changes/01/1/meta", &format!("{owner}{own}"))), @"SelfMerged by gerrit-notedb");
}

#[test]
fn assistance_in_words_that_tools_and_projects_use() {
    let says = |text: &str| {
        let (audited, _) = audit(&linear(ANN, CLEO, text));
        format!("{:?} {}", audited.ai.status, audited.ai.tools.join(", "))
    };
    assert_snapshot!(says("s\n\nOpenAI Codex assisted with drafting this change. I verified it.\n"), @"Declared codex");
    assert_snapshot!(says("s\n\nAssisted-by: jetski\n"), @"Declared antigravity");
    assert_snapshot!(says("s\n\nAssisted-By: devx/26cd7e09-2a13-4e79-9cd0-8191fff4dc7a\n"), @"Declared");
    assert_snapshot!(says("s\n\nAssited-by: openai:gpt-5.5\n"), @"Declared openai");
    assert_eq!(audit(&linear(ANN, CLEO, "s\n\nThe cursor helped with nothing here.\n")).0.ai.status, AiStatus::Unknown);
    assert_eq!(audit(&linear(ANN, CLEO, "s\n\nAssisted-by: Dan Fox <dan@w.example>\n")).0.ai.status, AiStatus::Unknown);
}

#[test]
fn reverts_by_the_number_of_the_request() {
    let reverted = |original: &str, revert: &str| {
        let mut changes = vec![merge(BOB, GITHUB, original, ANN), merge(BOB, GITHUB, revert, ANN)];
        for (nth, change) in (10_u8..).zip(&mut changes) {
            change.commit.id = format!("{nth:040x}").parse().unwrap();
            change.commit.committed_at = i64::from(nth);
            change.brought = vec![commit(nth + 10, 1, ANN, ANN, b"work\n")];
        }
        let audited: Vec<Audited> = changes.iter().map(|change| audit(change).0).collect();
        Reverts::find(&audited).of(0).is_some()
    };
    assert!(reverted(
        "Merge pull request #12 from ann/x\n",
        "Merge pull request #13 from o/revert-12-x\n\nRevert \"Title\"\n"
    ));
    assert!(reverted(
        "Auto merge of #12 - ann:x, r=bob\n",
        "Auto merge of #13 - o:revert-12-x, r=bob\n\nRevert \"Title\"\n"
    ));
    assert!(reverted("Auto merge of #12 - ann:x, r=bob\n", "Merge #13\n\nReverts o/r#12 as it breaks\n"));
    assert!(reverted("Merge o/r#12: Title\n", "MINOR: Revert #12\n"));
    assert!(reverted("Merge #12 #14\n", "Revert #12 as the feature is done\n"));
    assert!(!reverted("Merge pull request #12 from ann/x\n", "Merge pull request #13 from ann/revert-changes\n"));
}
