//! Files of other people's repositories, fed with bytes that were changed on their way: nothing panics, and whoever is named owns.

use countersign_audit::{LandedChange, Mailmap, People, Requests, Scope, codeowners::CodeOwners, judge};

use crate::{
    conventions::{ANN, linear, with_note},
    edits::{any_of, foreign},
};

/// What five forges export of their requests, each as it does.
const EXPORTS: [&str; 6] = [
    r#"[{"number": 12, "author": {"login": "ann", "name": "Ann Lee"}, "mergedBy": {"login": "cleo", "name": ""}, "mergeCommit": {"oid": "0000000000000000000000000000000000000001"}, "reviews": [{"author": {"login": "bob"}, "state": "APPROVED", "commit": {"oid": "00"}}], "commits": [{"oid": "00", "authors": [{"login": "ann", "name": "Ann Lee", "email": "ann@x.example"}]}]}]"#,
    r#"[{"iid": 12, "state": "merged", "author": {"username": "ann", "name": "Ann Lee"}, "merge_user": {"username": "cleo", "name": "Cleo"}, "squash_commit_sha": "0000000000000000000000000000000000000001", "sha": "00", "approved_by": [{"user": {"username": "bob", "name": "Bob Ray"}}]}]"#,
    r#"{"project":"shop","branch":"main","id":"I01","number":1182,"owner":{"name":"Ann Lee","email":"ann@x.example","username":"ann"},"status":"MERGED","currentPatchSet":{"number":3,"revision":"0000000000000000000000000000000000000001","author":{"name":"Ann Lee","email":"ann@x.example"},"approvals":[{"type":"Code-Review","value":"2","by":{"name":"Bob Ray","email":"bob@y.example"}}]}}"#,
    r#"[{"pullRequestId": 12, "status": "completed", "createdBy": {"displayName": "Ann Lee", "uniqueName": "ann@x.example"}, "closedBy": {"displayName": "Ann Lee", "uniqueName": "ann@x.example"}, "lastMergeCommit": {"commitId": "0000000000000000000000000000000000000001"}, "reviewers": [{"displayName": "Bob Ray", "uniqueName": "bob@y.example", "vote": 10}]}]"#,
    r#"{"values": [{"id": 12, "state": "MERGED", "author": {"display_name": "Ann Lee", "nickname": "ann"}, "closed_by": {"display_name": "Ann Lee"}, "merge_commit": {"hash": "000000000000"}, "participants": [{"user": {"display_name": "Bob Ray"}, "role": "REVIEWER", "approved": true}]}]}"#,
    r#"{"isLastPage": true, "values": [{"id": 12, "state": "MERGED", "fromRef": {"id": "refs/heads/prices"}, "author": {"user": {"name": "ann", "emailAddress": "ann@x.example", "displayName": "Ann Lee"}, "role": "AUTHOR"}, "reviewers": [{"user": {"name": "bob", "emailAddress": "bob@y.example", "displayName": "Bob Ray"}, "approved": true, "status": "APPROVED"}], "participants": [], "properties": {"mergeCommit": {"id": "0000000000000000000000000000000000000001"}}}]}"#,
];

/// What lies beside commits: where, and what it says.
const NOTES: [(&str, &str); 4] = [
    (
        "refs/notes/review",
        "Verified+2: ci\nCode-Review+2: Bob Ray <bob@y.example>\nSubmitted-by: Bob Ray <bob@y.example>\nReviewed-on: https://g.example/r/1\n",
    ),
    (
        "refs/changes/01/1/meta",
        "author Gerrit User 1 <1@server>\n\nCreate change\n\nPatch-set: 1\nCommit: abc\n\0author Gerrit User 2 <2@server>\n\nUpdate\n\nPatch-set: 1\nLabel: Code-Review=+2\n",
    ),
    (
        "refs/notes/attestations",
        r#"{"predicateType":"https://gittuf.dev/github-pull-request-approval/v0.1","predicate":{"approvers":["bob+77"]}}"#,
    ),
    (
        "refs/notes/attestations",
        r#"{"payload":"eyJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9naXR0dWYuZGV2L3JlZmVyZW5jZS1hdXRob3JpemF0aW9uL3YwLjEiLCJwcmVkaWNhdGUiOnt9fQ==","signatures":[{"keyid":"bob@y.example::https://issuer"}]}"#,
    ),
];

/// How many looked at it, by what is said of it.
fn reviewers(change: &LandedChange, requests: Requests) -> usize {
    let mut people = People::new(Mailmap::default());
    let mut scope = Scope { requests, ..Scope::default() };
    let mut audited = judge(change, &mut people, &mut scope);
    people.settle();
    audited.settle(&people);
    audited.reviewers.len()
}

const CODEOWNERS: &str = "# us\n* @org/all\n/docs/ docs@example.com @ada # words\n*.rs @ada\n/a\\ b/[x-z]?/**/c.txt @b\n\n\
    [Databases][2] @org/dba\n^[Optional]\n/db/** @ada @grace\n!/db/x\n/nobody/\n";

const MAILMAP: &str =
    "Ada Lovelace <ada@example.com> <ada@old.example>\nGrace <grace@example.com> G. H. <g@old.example>\n<x@y> # no\n";

fn text(seed: &str) -> Vec<Vec<u8>> {
    vec![seed.as_bytes().to_vec()]
}

foreign! {
    fn foreign_owners_and_mailmaps(
        text in any_of(text(CODEOWNERS)),
        path in any_of(text("db/a b/x/y/c.txt")),
        mailmap in any_of(text(MAILMAP)),
    ) {
        let (text, path) = (String::from_utf8_lossy(&text), String::from_utf8_lossy(&path));
        for read in [CodeOwners::parse(&text), CodeOwners::parse_at(".gitlab/CODEOWNERS", &text)] {
            let owners = read.owners(&path);
            proptest::prop_assert!(owners.is_none_or(|owner| read.entries().contains(owner)));
            drop(read.owners_by_section(&path));
            proptest::prop_assert!(read.problem_count() >= read.problems().len());
        }
        let read = Mailmap::parse(&String::from_utf8_lossy(&mailmap));
        drop(read.proper("G. H.", "g@old.example"));
    }
}

foreign! {
    fn foreign_exports(bytes in any_of(EXPORTS.iter().map(|seed| seed.as_bytes().to_vec()).collect())) {
        let mut requests = Requests::default();
        if requests.add(&String::from_utf8_lossy(&bytes)).is_ok() {
            proptest::prop_assert!(!requests.is_empty());
        }
        reviewers(&linear(ANN, ANN, "Prices (#12)\n"), requests);
    }

    fn foreign_notes(at in 0..NOTES.len(), edits in crate::edits::edits()) {
        let (reference, note) = NOTES[at];
        let bytes = crate::edits::edited(note.as_bytes(), &edits);
        let mut change = with_note(linear(ANN, ANN, "s\n"), reference, "");
        change.notes[0].body = bytes;
        reviewers(&change, Requests::default());
    }
}

/// The seeds are what they are called, or nothing of this would say much.
#[test]
fn the_foreign_seeds_are_read() {
    assert!(CodeOwners::parse(CODEOWNERS).owners("src/lib.rs").is_some());
    assert!(CodeOwners::parse_at(".gitlab/CODEOWNERS", CODEOWNERS).owners_by_section("db/x").len() > 1);
    assert_eq!(Mailmap::parse(MAILMAP).proper("G. H.", "g@old.example").unwrap().name, "Grace");
    for export in EXPORTS {
        Requests::default().add(export).unwrap_or_else(|error| panic!("{export}: {error}"));
    }
    for (reference, note) in NOTES {
        assert_eq!(reviewers(&with_note(linear(ANN, ANN, "s\n"), reference, note), Requests::default()), 1, "{note}");
    }
}
