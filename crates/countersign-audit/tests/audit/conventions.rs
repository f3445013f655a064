//! Conventions one by one, on messages written by hand: a case is one line of input and one of expectation.

use countersign_audit::{AiStatus, Audited, CommitRecord, LandedChange, Mailmap, Note, People, Scope, judge};
use countersign_core::facts::git::Ident;
use insta::assert_snapshot;

pub const ANN: &str = "Ann Lee <ann@x.example>";
pub const BOB: &str = "Bob Ray <bob@y.example>";
pub const GITHUB: &str = "GitHub <noreply@github.com>";

pub fn ident(text: &str) -> Ident {
    let (name, mail) = text.rsplit_once('<').unwrap();
    Ident { name: name.trim().to_owned(), mail: mail.trim_end_matches('>').to_owned() }
}

pub fn commit(nth: u8, parents: usize, author: &str, committer: &str, message: &[u8]) -> CommitRecord {
    CommitRecord {
        id: format!("{nth:040x}").parse().unwrap(),
        parents: vec!["f".repeat(40).parse().unwrap(); parents],
        author: ident(author),
        authored_at: 1_000,
        committer: ident(committer),
        committed_at: 2_000,
        message: message.to_vec(),
    }
}

pub fn linear(author: &str, committer: &str, message: &str) -> LandedChange {
    let commit = commit(1, 1, author, committer, message.as_bytes());
    LandedChange { commit, brought: Vec::new(), paths: Vec::new(), notes: Vec::new() }
}

/// A merge by `merger` (as author) and `committer`, of one commit by `author`.
pub fn merge(merger: &str, committer: &str, message: &str, author: &str) -> LandedChange {
    LandedChange {
        commit: commit(1, 2, merger, committer, message.as_bytes()),
        brought: vec![commit(2, 1, author, author, b"work\n")],
        paths: Vec::new(),
        notes: Vec::new(),
    }
}

pub fn with_note(mut change: LandedChange, reference: &str, body: &str) -> LandedChange {
    let on = change.commit.id.clone();
    change.notes.push(Note { reference: reference.to_owned(), on, body: body.as_bytes().to_vec() });
    change
}

pub fn audit(change: &LandedChange) -> (Audited, People) {
    let mut people = People::new(Mailmap::default());
    let mut audited = judge(change, &mut people, &mut Scope::default());
    people.settle();
    audited.settle(&people);
    (audited, people)
}

/// `grade by convention: reviewers`.
pub fn graded(change: &LandedChange) -> String {
    let (audited, people) = audit(change);
    let by = audited.decisive().map_or("nothing", |evidence| evidence.convention);
    let reviewers: Vec<_> = audited.reviewers.iter().map(|who| people.label(*who)).collect();
    format!("{:?} by {by}: {}", audited.grade, reviewers.join(", ")).trim_end_matches([' ', ':']).to_owned()
}

pub fn message(text: &str) -> String {
    graded(&linear(ANN, ANN, text))
}

/// Two who review each other's commits in one merge are each other's second persons.
#[test]
fn reviews_within_a_merge_are_judged_by_commit() {
    let merged = |of_ann: &str, of_bob: &str| {
        let mut change = merge(ANN, ANN, "Merge branch 'work'", ANN);
        let said = |text: &str| format!("work\n\n{text}");
        change.brought =
            vec![commit(2, 1, ANN, ANN, said(of_ann).as_bytes()), commit(3, 1, BOB, BOB, said(of_bob).as_bytes())];
        graded(&change)
    };
    let by = |who: &str| format!("Reviewed-by: {who}");
    assert_snapshot!(merged(&by(BOB), &by(ANN)), @"Named by trailer: Ann Lee, Bob Ray");
    assert_snapshot!(merged(&by(BOB), &by("Cid <cid@x.test>")), @"Named by trailer: Bob Ray, Cid");
    // One of them is nobody's second person.
    assert_snapshot!(merged(&by(ANN), &by(ANN)), @"SelfApproved by trailer");
    assert_snapshot!(merged(&by(BOB), "nothing more"), @"SelfApproved by trailer");
}

#[test]
fn trailers() {
    assert_snapshot!(message("s\n\nReviewed-by: Bob Ray <bob@y.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nAcked-by: Bob Ray <bob@y.example>\nSigned-off-by: A <a@x.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nReviewers: Bob Ray, Cleo <c@z.example>\n"), @"Named by trailer: Bob Ray, Cleo");
    assert_snapshot!(message("s\n\nReviewed-by: Ann Lee <ann@other.example>\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nReviewed-by: Ann  LEE <al@other.example>\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nApproved-by: Ann Lee @al\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nReviewed-by: none\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nTested-by: Bob Ray <bob@y.example>\n"), @"Alone by nothing");
    assert_snapshot!(message("s\n\nSigned-off-by: Bob Ray <bob@y.example>\n"), @"Alone by nothing");
    assert_snapshot!(message("s\n\nReviewed-by: dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>\n"), @"Alone by nothing");
    assert_snapshot!(message("s\n\nReviewed-by: Claude <noreply@anthropic.com>\n"), @"Alone by nothing");
    // A value that goes on in the next line, as `git interpret-trailers --unfold` reads it.
    assert_snapshot!(message("s\n\nReviewed-by:\n Bob Ray <bob@y.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nReviewed-by: Bob\n Ray\n\t<bob@y.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nCo-authored-by:\n Bob Ray <bob@y.example>\nReviewed-by: Bob Ray <bob@y.example> (again)\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nCo-authored-by: Bob Ray <bob@y.example>\nReviewed-by: Bob Ray <bob@y.example>\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nMerged-by: Bob Ray <bob@y.example>\n"), @"OtherHand by trailer");
}

#[test]
fn tools_and_robots_are_no_second_person() {
    for who in [
        "CodeRabbit <noreply@coderabbit.ai>",
        "coderabbitai",
        "Gemini Code Assist <gemini-code-assist@google.com>",
        "Cursor Bugbot",
        "claude-opus-4-6",
        "GPT-5",
        "Gemini 3 Pro",
        "syzbot",
        "Codecov",
    ] {
        let change = linear(ANN, ANN, &format!("s\n\nReviewed-by: {who}\n"));
        assert_eq!(graded(&change), "Alone by nothing", "{who}");
        // That a tool looked says nothing of who wrote it.
        assert_eq!(audit(&change).0.ai.status, AiStatus::Unknown, "{who}");
    }
    assert_snapshot!(message("s\n\nReviewed-by: Devin <devin@y.example>\n"), @"Named by trailer: Devin");
    assert_snapshot!(message("s\n\nReviewed-by: Kimi\n"), @"Named by trailer: Kimi");
    let named_as_tool =
        linear("GPT-5 <ann@x.example>", "GPT-5 <ann@x.example>", "s\n\nReviewed-by: Ann Lee <ann@x.example>\n");
    assert_snapshot!(graded(&named_as_tool), @"SelfApproved by trailer");
    for robot in
        ["Mergebot <mergebot@z.example>", "Automation <automation@z.example>", "svc-deploy <svc-deploy@z.example>"]
    {
        assert_eq!(graded(&merge(robot, robot, "Merge branch 'x'\n", ANN)), "Platform by merge-commit", "{robot}");
    }
}

#[test]
fn trailers_that_git_does_not_parse() {
    assert_snapshot!(message("s\n\nReviewed-by: Bob <bob@y.example>\n\nlast words\n"), @"Named by loose-trailer: Bob");
    assert_snapshot!(message("s\n\ntext\\n\\nReviewed-by: Bob <bob@y.example>, Cleo <c@z.example>\\n\n\nend\n"), @"Named by loose-trailer: Bob, Cleo");
    assert_snapshot!(message("s\n\n* first\n\n  Approved-by: Bob <bob@y.example>\n\nend\n"), @"Named by loose-trailer: Bob");
    assert_snapshot!(message("s\n\nThe original:\n\n    Reviewed-by: Bob <bob@y.example>\n\n> Reviewed-by: Cleo <c@z.example>\n\nend\n"), @"Alone by nothing");
}

#[test]
fn hands() {
    assert_snapshot!(graded(&linear(ANN, BOB, "s\n")), @"OtherHand by committer");
    assert_snapshot!(graded(&linear(ANN, BOB, "s\n\nReviewed-by: Bob Ray <bob@y.example>\n")), @"Named by trailer: Bob Ray");
    assert_snapshot!(graded(&linear(ANN, "Ann Lee <ann@laptop>", "s\n")), @"Alone by nothing");
    assert_snapshot!(graded(&linear(ANN, "git-svn <svn@x.example>", "s\n")), @"Opaque by committer");
    assert_snapshot!(graded(&linear(ANN, "facebook-github-bot <facebook-github-bot@users.noreply.github.com>", "s\n")), @"Platform by committer");
    assert_snapshot!(graded(&linear("github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>", "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>", "s\n")), @"Alone by nothing");
    assert_snapshot!(graded(&linear("Claude <noreply@anthropic.com>", ANN, "s\n")), @"Alone by nothing");
    assert_snapshot!(graded(&merge(BOB, BOB, "Merge branch 'x'\n", ANN)), @"OtherHand by merge-commit");
    assert_snapshot!(graded(&merge(ANN, ANN, "Merge branch 'x'\n", ANN)), @"SelfMerged by merge-commit");
}

#[test]
fn github() {
    assert_snapshot!(graded(&merge(BOB, GITHUB, "Merge pull request #1 from ann/x\n", ANN)), @"OtherHand by github-merge");
    assert_snapshot!(graded(&merge(ANN, GITHUB, "Merge pull request #1 from ann/x\n", ANN)), @"SelfMerged by github-merge");
    assert_snapshot!(graded(&merge("Ann Lee <7+al@users.noreply.github.com>", GITHUB, "Merge pull request #1 from ann/x\n", ANN)), @"SelfMerged by github-merge");
    assert_snapshot!(graded(&linear(ANN, GITHUB, "Title (#12)\n")), @"Opaque by github-squash");
    assert_snapshot!(graded(&linear(ANN, GITHUB, "Title (#12)\n\nReviewed-by: Bob Ray <bob@y.example>\n")), @"Named by trailer: Bob Ray");
    assert_snapshot!(graded(&linear(ANN, "github-merge-queue[bot] <118344674+github-merge-queue[bot]@users.noreply.github.com>", "Title (#12)\n")), @"Platform by github-merge-queue");
    assert_snapshot!(graded(&merge("mergify[bot] <37929162+mergify[bot]@users.noreply.github.com>", GITHUB, "Merge pull request #1 from ann/x\n", ANN)), @"Platform by github-merge");
    assert_snapshot!(graded(&merge(BOB, GITHUB, "Merge pull request #1 from dependabot/x\n", "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>")), @"OtherHand by github-merge");
}

#[test]
fn robots_that_merge() {
    const BORS: &str = "bors <bors@rust-lang.org>";
    assert_snapshot!(graded(&merge(BORS, BORS, "Auto merge of #1 - ann:x, r=bob\n", ANN)), @"Named by homu: bob");
    assert_snapshot!(graded(&merge(BORS, BORS, "Auto merge of #1 - ann:x, r=ann\n", ANN)), @"SelfApproved by homu");
    assert_snapshot!(graded(&merge(BORS, BORS, "Auto merge of #1 - ann:x, r=me\n", ANN)), @"Platform by homu");
    assert_snapshot!(graded(&merge(BORS, BORS, "Auto merge of #1 - team:x, r=ann\n", ANN)), @"SelfApproved by homu");
    assert_snapshot!(graded(&merge(BORS, BORS, "auto merge of #1 : ann/repo/x, r=bob,cleo\n", ANN)), @"Named by bors: bob, cleo");
    const NG: &str = "bors[bot] <26634292+bors[bot]@users.noreply.github.com>";
    assert_snapshot!(graded(&merge(NG, GITHUB, "Merge #1\n\n1: Title r=bob a=ann\n\nCo-authored-by: Ann Lee <ann@x.example>\n", ANN)), @"Named by bors-ng: bob");
    assert_snapshot!(graded(&merge(NG, GITHUB, "Merge #1\n\n1: Title r=ann a=ann\n", ANN)), @"SelfApproved by bors-ng");
    assert_snapshot!(graded(&merge("Kubernetes Prow Robot <k8s-ci-robot@users.noreply.github.com>", GITHUB, "Merge pull request #1 from ann/x\n", ANN)), @"Platform by prow");
    assert_snapshot!(graded(&merge("Zuul <zuul@review.opendev.org>", "Gerrit Code Review <review@openstack.org>", "Merge \"x\"\n", ANN)), @"Platform by zuul");
}

#[test]
fn bors_ng_tells_whose_a_login_is() {
    const TAIKI: &str = "Taiki Endo <te316@x.example>";
    const NG: &str = "bors[bot] <26634292+bors[bot]@users.noreply.github.com>";
    let mut people = People::new(Mailmap::default());
    let mut judged = |change: &LandedChange| judge(change, &mut people, &mut Scope::default());
    let own = judged(&merge(NG, GITHUB, "Merge #1\n\n1: Title r=taiki-e a=taiki-e\n", TAIKI));
    let mut by_word = judged(&linear(TAIKI, TAIKI, "s\n\nReviewed-by: taiki-e\n"));
    let mut other = judged(&merge(NG, GITHUB, "Merge #2\n\n2: Title r=taiki-e a=bob\n", BOB));
    people.settle();
    by_word.settle(&people);
    other.settle(&people);
    let grades = [own.grade, by_word.grade, other.grade].map(|grade| format!("{grade:?}"));
    assert_eq!(grades, ["SelfApproved", "SelfApproved", "Named"]);
    assert_eq!(other.reviewers.iter().map(|who| people.label(*who)).collect::<Vec<_>>(), ["Taiki Endo"]);
}

#[test]
fn gerrit() {
    let votes = |text: &str| graded(&with_note(linear(ANN, ANN, "s\n\nChange-Id: I1\n"), "refs/notes/review", text));
    assert_snapshot!(votes("Verified+2: jenkins-bot\nCode-Review+2: Bob Ray <bob@y.example>\nSubmitted-by: Bob Ray <bob@y.example>\nSubmitted-at: Fri, 08 Jun 2018 17:55:17 +0000\nReviewed-on: https://gerrit.example/r/1\n"), @"Named by gerrit-note: Bob Ray");
    assert_snapshot!(votes("Code-Review+2: Ann <ann@x.example>\nSubmitted-by: Ann <ann@x.example>\nReviewed-on: https://gerrit.example/r/1\n"), @"SelfApproved by gerrit-note");
    assert_snapshot!(votes("Code-Review+2: Ann Lee <ann@old.example>\n"), @"SelfApproved by gerrit-note");
    assert_snapshot!(votes("Code-Review+1: Bob Ray <bob@y.example>\nSubmitted-by: Ann Lee <ann@x.example>\n"), @"SelfMerged by gerrit-note");
    assert_snapshot!(votes("Verified+2: jenkins-bot\nSubmitted-by: jenkins-bot <jenkins-bot@y.example>\n"), @"Platform by gerrit-note");
    assert_snapshot!(votes("Code-Review+2: Ann <ann@x.example>\nSubmitted-by: jenkins-bot <jenkins-bot@y.example>\n"), @"SelfApproved by gerrit-note");
    assert_snapshot!(message("s\n\nChange-Id: I1\nReviewed-on: https://go-review.example/1\nReviewed-by: Bob Ray <bob@y.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nChange-Id: I1\nReviewed-on: https://go-review.example/1\n"), @"Opaque by gerrit-trailer");
    assert_snapshot!(message("s\n\nChange-Id: I1\n"), @"Alone by nothing");
}

#[test]
fn gerrit_notedb() {
    let meta = |text: &str| graded(&with_note(linear(ANN, ANN, "s\n"), "refs/changes/01/1/meta", text));
    let owner = "author Gerrit User 1 <1@server>\n\nCreate change\n\nPatch-set: 1\nCommit: abc\n\0";
    assert_snapshot!(meta(&format!("{owner}author Gerrit User 2 <2@server>\n\nUpdate\n\nPatch-set: 1\nLabel: Code-Review=+2\n")), @"Named by gerrit-notedb: Gerrit User 2");
    assert_snapshot!(meta(&format!("{owner}author Gerrit User 1 <1@server>\n\nUpdate\n\nPatch-set: 1\nLabel: Code-Review=+2\n")), @"SelfApproved by gerrit-notedb");
    assert_snapshot!(meta(&format!("{owner}author Gerrit User 2 <2@server>\n\nUpdate\n\nLabel: Code-Review=+2\n\0author Gerrit User 2 <2@server>\n\nUpdate\n\nLabel: -Code-Review\n")), @"Alone by nothing");
    assert_snapshot!(meta(&format!("{owner}author Gerrit User 1 <1@server>\n\nMerged\n\nStatus: merged\nSubmitted-with: OK: Code-Review: Gerrit User 3 <3@server>\n")), @"Named by gerrit-notedb: Gerrit User 3");
}

#[test]
fn a_gerrit_vote_that_is_in_both_places_is_one() {
    let event =
        |account: u32, text: &str| format!("author Gerrit User {account} <{account}@server>\n\nUpdate\n\n{text}\n\0");
    let both = |author: &str, committer: &str, note: &str, events: &[String]| {
        let change = with_note(linear(author, committer, "s\n"), "refs/notes/review", note);
        let change = with_note(change, "refs/changes/01/1/meta", &events.concat());
        let (audited, people) = audit(&change);
        let contributors: Vec<_> = audited.contributors.iter().map(|who| people.label(*who)).collect();
        format!("{} of {}", graded(&change), contributors.join(", "))
    };
    let bob = "Code-Review+2: Bob Ray <bob@y.example>\nSubmitted-by: Bob Ray <bob@y.example>\n";
    let (owned, voted) = (event(1, "Patch-set: 1\nCommit: abc"), event(2, "Label: Code-Review=+2"));
    let submitted = event(2, "Status: merged\nSubmitted-with: OK: Code-Review: Gerrit User 2 <2@server>");
    assert_snapshot!(both(ANN, ANN, bob, &[owned.clone(), voted.clone(), submitted.clone()]), @"Named by gerrit-note: Bob Ray of Ann Lee, Gerrit User 1");
    // The voter owns the change: another mail of the author, or somebody for whom another committed.
    let own = [owned.clone(), event(1, "Label: Code-Review=+2"), event(1, "Status: merged")];
    let ann = "Code-Review+2: A. Lee <alee@old.example>\nSubmitted-by: A. Lee <alee@old.example>\n";
    assert_snapshot!(both(ANN, ANN, ann, &own), @"SelfApproved by gerrit-note of Ann Lee, A. Lee");
    assert_snapshot!(both(BOB, BOB, ann, &own), @"SelfApproved by gerrit-note of Bob Ray, A. Lee");
    // Two votes: the submitter's is known, so the owner's is the other.
    let two = format!("{bob}Code-Review+2: A. Lee <alee@old.example>\n");
    let events = [owned.clone(), event(1, "Label: Code-Review=+2"), voted.clone(), submitted];
    assert_snapshot!(both(ANN, ANN, &two, &events), @"Named by gerrit-note: Bob Ray of Ann Lee, A. Lee");
    // Only the vote stands in the note.
    let vote = "Code-Review+2: Bob Ray <bob@y.example>\n";
    assert_snapshot!(both(ANN, ANN, vote, &[owned.clone(), voted, event(2, "Status: merged")]), @"Named by gerrit-note: Bob Ray of Ann Lee, Gerrit User 1");
    // A note that names nobody leaves the accounts as they are.
    assert_snapshot!(both(ANN, ANN, "Verified+1: jenkins-bot\n", &[owned, event(2, "Label: Code-Review=+2")]), @"Named by gerrit-notedb: Gerrit User 2 of Ann Lee, Gerrit User 1");
}

#[test]
fn phabricator() {
    assert_snapshot!(message("s\n\nSummary: x\n\nReviewers: bob, #team\n\nReviewed By: bob\n\nDifferential Revision: https://p.example/D1\n"), @"Named by phabricator: bob");
    assert_snapshot!(message("s\n\nReviewers: bob\n\nDifferential Revision: https://p.example/D1\n"), @"Opaque by phabricator");
    assert_snapshot!(message("s\n\nReviewed By: ann\n\nDifferential Revision: D1\n"), @"SelfApproved by phabricator");
}

#[test]
fn ack_lists() {
    let acks = |list: &str| {
        let text = format!(
            "Merge bitcoin/bitcoin#1: t\n\nabc t (Ann Lee)\n\nPull request description:\n\n  text\n\n{list}\n\nTree-SHA512: 0\n"
        );
        graded(&merge(BOB, BOB, &text, ANN))
    };
    assert_snapshot!(acks("ACKs for top commit:\n  cleo:\n    ACK abc, tested\n  ann:\n    ACK abc\n  dan:\n    NACK abc"), @"Named by ack-list: cleo");
    assert_snapshot!(acks("Top commit has no ACKs."), @"OtherHand by merge-commit");
    let own = "Merge bitcoin/bitcoin#1: t\n\nTop commit has no ACKs.\n";
    assert_snapshot!(graded(&merge(ANN, ANN, own, ANN)), @"SelfApproved by ack-list");
    let forged = "Merge bitcoin/bitcoin#1: t\n\nPull request description:\n\n  ACKs for top commit:\n    cleo:\n      ACK abc\n\nTop commit has no ACKs.\n";
    assert_snapshot!(graded(&merge(ANN, ANN, forged, ANN)), @"SelfApproved by ack-list");
}

#[test]
fn bsds() {
    assert_snapshot!(message("fix\n\nfrom me; ok deraadt@\n"), @"Named by bsd-ok: deraadt");
    assert_snapshot!(message("fix\n\nwith and OK kettenis@, patrick@ and jca@\n"), @"Named by bsd-ok: kettenis, patrick, jca");
    assert_snapshot!(message("fix; ok ann@\n"), @"SelfApproved by bsd-ok");
    assert_snapshot!(message("fix\n\nit is ok to mail bob@y.example\n"), @"Alone by nothing");
    assert_snapshot!(message("fix\n\nReviewed by:\tkib, bob\nApproved by:\tgjb (mentor)\n"), @"Named by reviewed-by-field: kib, bob, gjb");
    assert_snapshot!(message("fix\n\nApproved by:\tre (gjb)\n"), @"Named by reviewed-by-field: gjb");
    assert_snapshot!(message("fix\n\nApproved by:\tportmgr (blanket)\n"), @"Alone by nothing");
}

#[test]
fn sentences_and_subjects() {
    assert_snapshot!(message("fix\n\nReviewed by Bob Ray.\n"), @"Named by reviewed-by-sentence: Bob Ray");
    assert_snapshot!(message("Unreviewed, fix the build.\n\nUnreviewed build fix.\n"), @"SelfApproved by reviewed-by-sentence");
    assert_snapshot!(message("Bug 12 - Title. r=bob,cleo a=test\n"), @"Named by r-equals: bob, cleo");
    assert_snapshot!(message("Bug 12 - Title. r?bob\n"), @"Alone by nothing");
}

#[test]
fn gitlab_and_bitbucket() {
    assert_snapshot!(graded(&merge(BOB, BOB, "Merge branch 'x' into 'main'\n\nSee merge request group/x!12\n", ANN)), @"OtherHand by gitlab-merge");
    assert_snapshot!(graded(&merge(ANN, ANN, "Merge branch 'x' into 'main'\n\nSee merge request group/x!12\n", ANN)), @"SelfMerged by gitlab-merge");
    assert_snapshot!(graded(&merge(ANN, ANN, "Merge branch 'x' into 'main'\n\nApproved-by: Bob Ray <bob@y.example>\nSee merge request group/x!12\n", ANN)), @"Named by trailer: Bob Ray");
    assert_snapshot!(graded(&linear(ANN, ANN, "Title\n\nSee merge request group/x!12\n")), @"Opaque by gitlab-merge");
    assert_snapshot!(graded(&merge(BOB, BOB, "Merged in x (pull request #12)\n\nApproved-by: Cleo <c@z.example>\n", ANN)), @"Named by trailer: Cleo");
    assert_snapshot!(graded(&merge(BOB, BOB, "Merged in x (pull request #12)\n", ANN)), @"OtherHand by bitbucket-merge");
}

#[test]
fn attestations() {
    let note = |body: &str| graded(&with_note(linear(ANN, ANN, "s\n"), "refs/notes/attestations", body));
    assert_snapshot!(note(r#"{"predicateType":"https://gittuf.dev/github-pull-request-approval/v0.1","predicate":{"approvers":["bob+77"]}}"#), @"Named by gittuf: bob");
    // An envelope around {"predicateType":"https://gittuf.dev/reference-authorization/v0.1","predicate":{}}
    let payload = "eyJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9naXR0dWYuZGV2L3JlZmVyZW5jZS1hdXRob3JpemF0aW9uL3YwLjEiLCJwcmVkaWNhdGUiOnt9fQ==";
    assert_snapshot!(note(&format!(r#"{{"payload":"{payload}","signatures":[{{"keyid":"bob@y.example::https://issuer"}}]}}"#)), @"Named by gittuf: bob@y.example");
    assert_snapshot!(note(&format!(r#"{{"payload":"{payload}","signatures":[{{"keyid":"SHA256:abc"}}]}}"#)), @"Platform by gittuf");
    assert_snapshot!(note(r#"{"predicateType":"https://slsa.dev/verification_summary/v1","predicate":{"verificationResult":"PASSED","verifiedLevels":["SLSA_SOURCE_TWO_PARTY_REVIEWED"]}}"#), @"Platform by slsa-source");
    assert_snapshot!(note(r#"{"predicateType":"https://slsa.dev/verification_summary/v1","predicate":{"verificationResult":"FAILED","verifiedLevels":["SLSA_SOURCE_TWO_PARTY_REVIEWED"]}}"#), @"Alone by nothing");
    assert_snapshot!(note("{ broken"), @"Alone by nothing");
    let about = |kind: &str, commit: String| {
        note(&format!(
            r#"{{"subject":[{{"digest":{{"{kind}":"{commit}"}}}}],"predicateType":"https://slsa.dev/verification_summary/v1","predicate":{{"verificationResult":"PASSED","verifiedLevels":["SLSA_SOURCE_TWO_PARTY_REVIEWED"]}}}}"#
        ))
    };
    assert_snapshot!(about("gitCommit", format!("{:040x}", 1)), @"Platform by slsa-source");
    assert_snapshot!(about("gitTree", "e".repeat(40)), @"Platform by slsa-source");
    // Another commit's.
    assert_snapshot!(about("gitCommit", "e".repeat(40)), @"Alone by nothing");
    assert_snapshot!(about("sha1", "e".repeat(40)), @"Alone by nothing");
    assert_snapshot!(about("sha256", "e".repeat(64)), @"Alone by nothing");
}

#[test]
fn assistance_in_messages_and_in_notes() {
    let status = |change: &LandedChange| audit(change).0.ai.status;
    assert_eq!(status(&linear(ANN, ANN, "s\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n")), AiStatus::Declared);
    assert_eq!(status(&linear("Claude <noreply@anthropic.com>", ANN, "s\n")), AiStatus::Inferred);
    assert_eq!(status(&linear(ANN, ANN, "s\n")), AiStatus::Unknown);
    let bump = linear(
        "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
        GITHUB,
        "Bump claude from 1 to 2\n",
    );
    assert_eq!(status(&bump), AiStatus::Unknown);
    let noted = "src/a.rs\n  1a2b3c4d 1-20\n---\n{\"schema_version\":\"authorship/3.0.0\",\"prompts\":{\"1a2b3c4d\":{\"agent_id\":{\"tool\":\"cursor\"}}}}\n";
    assert_eq!(status(&with_note(linear(ANN, ANN, "s\n"), "refs/notes/ai", noted)), AiStatus::Declared);
    let empty = "---\n{\"schema_version\":\"authorship/3.0.0\",\"prompts\":{}}\n";
    assert_eq!(status(&with_note(linear(ANN, ANN, "s\n"), "refs/notes/ai", empty)), AiStatus::Unknown);
    let mut merged = merge(BOB, GITHUB, "Merge pull request #1 from ann/x\n", ANN);
    merged.brought[0].message = b"x\n\nAssisted-by: Claude Opus 4.6\n".to_vec();
    assert_eq!(status(&merged), AiStatus::Declared);
}

#[test]
fn hostile_input_is_bounded_and_harmless() {
    let mut huge = b"s\x1b[31m\n\n".to_vec();
    while huge.len() < 10 * 1024 * 1024 {
        huge.extend_from_slice(
            b"Reviewed-by: \x1b]0;x\x07<script> \xff\xfe ok a@ b@ \\n\\n r=x Label: Code-Review=+2\n",
        );
    }
    let record = commit(1, 2, "\u{1b}[2J <x\u{7}@y.example>", "\u{202e} <>", &huge);
    let note = |reference: &str| Note { reference: reference.to_owned(), on: record.id.clone(), body: huge.clone() };
    let change = LandedChange {
        brought: vec![record.clone(); 3],
        notes: vec![note("refs/notes/review"), note("refs/changes/1/1/meta"), note("refs/notes/ai")],
        paths: Vec::new(),
        commit: record.clone(),
    };
    let (audited, people) = audit(&change);
    assert!(audited.evidence.len() <= countersign_audit::MAX_EVIDENCE * 4);
    let texts = audited.evidence.iter().map(|evidence| evidence.signal.as_ref());
    let names = people.identities().flat_map(|who| [people.name(who), people.mail(who)]);
    for text in texts.chain(names).chain([audited.subject.as_ref()]) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.chars().count() < 300);
    }
}
