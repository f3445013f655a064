//! Mistakes that were found on histories that nobody had looked at before, with invented names.

use countersign_audit::{Audited, LandedChange, Mailmap, People, Reverts, Scope, judge};
use insta::assert_snapshot;

use super::conventions::{ANN, BOB, GITHUB, audit, commit, graded, linear, merge, message, with_note};

/// The grades of several changes of one history.
fn grades(changes: &[LandedChange]) -> String {
    let mut people = People::new(Mailmap::default());
    let mut scope = Scope::default();
    let mut audited: Vec<Audited> = changes.iter().map(|change| judge(change, &mut people, &mut scope)).collect();
    people.settle();
    audited.iter_mut().for_each(|change| change.settle(&people));
    audited.iter().map(|change| format!("{:?}", change.grade)).collect::<Vec<_>>().join(" ")
}

#[test]
fn somebody_who_is_known_by_several_names_is_one_person() {
    // `Ann Lee` and `Annie` have one mail; `Annie` is named beside another mail of Ann's.
    let history = [
        linear("Annie <ann@x.example>", "Annie <ann@x.example>", "a\n"),
        linear(ANN, ANN, "b\n\nReviewed-by: Annie\n"),
        linear("Ann Lee <ann@home.example>", "Ann Lee <ann@home.example>", "c\n\nReviewed-by: Annie <ann@x.example>\n"),
    ];
    assert_snapshot!(grades(&history), @"Alone SelfApproved SelfApproved");
    // Hyphens, dots and underscores of logins are the blanks of names.
    assert_snapshot!(message("s\n\nReviewed-by: ann-lee\n"), @"SelfApproved by trailer");
    assert_snapshot!(message("s\n\nReviewed-by: ann.lee\n"), @"SelfApproved by trailer");
    assert_snapshot!(graded(&linear("ann-lee <1+ann-lee@users.noreply.github.com>", "Ann Lee <al@x.example>", "s\n")), @"Alone by nothing");
}

#[test]
fn robots_and_collective_accounts_are_nobody() {
    let by = |who: &str| graded(&linear(ANN, who, "s\n"));
    assert_snapshot!(by("acmebot <acmebot@x.example>"), @"Platform by committer");
    assert_snapshot!(by("Chromium Release Team <chrome-release@x.example>"), @"Platform by committer");
    assert_snapshot!(by("VSTS Build Account <x@y.example>"), @"Platform by committer");
    assert_snapshot!(by("azure-pipelines <x@y.example>"), @"Platform by committer");
    assert_snapshot!(by("Jane Abbot <j@y.example>"), @"OtherHand by committer");
}

#[test]
fn the_authors_own_vote_is_no_ones() {
    // Gerrit submits: the committer is the server.
    let own = linear(
        ANN,
        "Gerrit Code Review <gerrit@x.example>",
        "s\n\nChange-Id: I0123456789012345678901234567890123456789\nReviewed-on: https://review.x.example/1\n",
    );
    let note = "Code-Review+2: Ann Lee <ann@x.example>\nSubmitted-by: Ann Lee <ann@x.example>\nSubmitted-at: Fri, 08 Jun 2018 17:55:17 +0000\n";
    assert_snapshot!(graded(&with_note(own, "refs/notes/review", note)), @"SelfApproved by gerrit-note");
    let squash = linear(
        ANN,
        GITHUB,
        "s (#1)\n\nCo-authored-by: Bob Ray <bob@y.example>\nReviewed-by: Bob Ray <bob@y.example>\n",
    );
    assert_snapshot!(graded(&squash), @"SelfApproved by trailer");
}

#[test]
fn a_co_author_is_in_it_and_neither_alone_nor_another_hand() {
    assert_snapshot!(graded(&linear(ANN, BOB, "s\n\nCo-authored-by: Bob Ray <bob@y.example>\n")), @"SelfMerged by committer");
    assert_snapshot!(message("s\n\nCo-authored-by: Bob Ray <bob@y.example>\n"), @"SelfMerged by committer");
}

#[test]
fn via_in_prose_names_nobody() {
    let (audited, people) = audit(&linear(ANN, ANN, "Fetch prices (now via the cache)\n"));
    let made: Vec<&str> = audited.contributors.iter().map(|who| people.label(*who)).collect();
    assert_eq!(made, ["Ann Lee"]);
    let (audited, people) = audit(&linear(ANN, ANN, "Reach the queue (Kafka via a proxy)\n"));
    let made: Vec<&str> = audited.contributors.iter().map(|who| people.label(*who)).collect();
    assert_eq!(made, ["Ann Lee"]);
}

#[test]
fn trailers_in_odd_places_are_read() {
    // After a quoted message.
    let after = "Revert \"s\"\n\nOriginal commit message:\n\n    s\n\n    Reviewed-by: Cleo <c@z.example>\n\nReviewed-by: Bob Ray <bob@y.example>\n";
    assert_snapshot!(message(after), @"Named by trailer: Bob Ray");
    // A message that is indented as a whole.
    assert_snapshot!(message("    s\n\n    Why it is so.\n\n    Reviewed-by: Bob Ray <bob@y.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\\n\\nReviewed-by: Bob Ray <bob@y.example>\n"), @"Named by trailer: Bob Ray");
    assert_snapshot!(message("s\n\nReviewed-by: Bob Ray &lt;bob@y.example&gt;\n"), @"Named by trailer: Bob Ray");
}

#[test]
fn a_squashed_revert_is_found_by_its_subject() {
    let mut first = linear(ANN, GITHUB, "feat: prices (#12)\n");
    first.commit.id = format!("{:040x}", 7).parse().unwrap();
    let mut second = linear(ANN, GITHUB, "revert: feat: prices (#13)\n");
    second.commit.id = format!("{:040x}", 8).parse().unwrap();
    second.commit.committed_at += 10;
    let mut third = linear(ANN, GITHUB, "Revert \"feat: prices (#12)\" (#14)\n");
    third.commit.id = format!("{:040x}", 9).parse().unwrap();
    third.commit.committed_at += 20;
    for revert in [second, third] {
        let all: Vec<Audited> = [first.clone(), revert].iter().map(|change| audit(change).0).collect();
        let found = Reverts::find(&all);
        assert!(found.of(0).is_some(), "{}", all[1].subject);
    }
}

#[test]
fn each_part_of_a_merge_has_its_own_reviewers() {
    // Bob's own commit was reviewed by Ann, and Ann's by Bob: both were looked at by somebody else.
    let mut change = merge("Cleo Dun <cleo@z.example>", "Cleo Dun <cleo@z.example>", "Merge branch 'release'\n", ANN);
    change.brought = vec![
        commit(2, 1, ANN, ANN, b"a\n\nReviewed-by: Bob Ray <bob@y.example>\n"),
        commit(3, 1, BOB, BOB, b"b\n\nReviewed-by: Ann Lee <ann@x.example>\n"),
    ];
    assert_snapshot!(graded(&change), @"Named by trailer: Ann Lee, Bob Ray");
}
