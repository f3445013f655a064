//! What each forge exports of its requests, in the shapes in which it does.

use countersign_audit::{LandedChange, Mailmap, People, Requests, Scope, judge};
use insta::assert_snapshot;

use crate::conventions::{ANN, BOB, GITHUB, linear, merge};

/// The landed commit of the changes of these tests.
const LANDED: &str = "0000000000000000000000000000000000000001";

/// `grade by convention: reviewers`, and how many had a hand in it.
fn graded(change: &LandedChange, export: &str) -> String {
    let mut requests = Requests::default();
    if let Err(error) = requests.add(&export.replace("LANDED", LANDED)) {
        return format!("refused: {error}");
    }
    let mut people = People::new(Mailmap::default());
    let mut scope = Scope { requests, ..Scope::default() };
    let mut audited = judge(change, &mut people, &mut scope);
    people.settle();
    audited.settle(&people);
    let by = audited.decisive().map_or("nothing", |evidence| evidence.convention);
    let signal = audited.decisive().map_or("", |evidence| &evidence.signal);
    let reviewers: Vec<_> = audited.reviewers.iter().map(|who| people.label(*who)).collect();
    format!("{:?} by {by} ({signal}): {}", audited.grade, reviewers.join(", ")).trim_end_matches([' ', ':']).to_owned()
}

/// What GitHub's button makes of a branch: git cannot see who looked.
fn squash() -> LandedChange {
    linear(ANN, GITHUB, "Prices (#12)\n")
}

fn gh(reviews: &str, merged_by: &str) -> String {
    graded(
        &squash(),
        &format!(
            r#"[{{"number": 12, "author": {{"id": "x", "is_bot": false, "login": "ann", "name": "Ann Lee"}},
                "mergedBy": {{"id": "y", "is_bot": false, "login": "{merged_by}", "name": ""}},
                "mergeCommit": {{"oid": "LANDED"}}, "reviews": [{reviews}],
                "commits": [{{"oid": "00", "authors": [{{"login": "ann", "name": "Ann Lee", "email": "ann@x.example", "id": "x"}}]}}]}}]"#
        ),
    )
}

fn review(login: &str, state: &str) -> String {
    format!(
        r#"{{"id": "r", "author": {{"login": "{login}"}}, "authorAssociation": "MEMBER", "body": "",
            "submittedAt": "2026-03-01T12:00:00Z", "state": "{state}", "commit": {{"oid": "00"}}}}"#
    )
}

#[test]
fn github() {
    let last = |all: &[(&str, &str)]| all.iter().map(|(who, state)| review(who, state)).collect::<Vec<_>>().join(",");
    assert_snapshot!(gh(&last(&[("bob", "APPROVED")]), "ann"), @"Named by forge-review (GitHub #12: approved): bob");
    // A comment takes nothing back; asking for changes and a dismissal do.
    assert_snapshot!(gh(&last(&[("bob", "APPROVED"), ("bob", "COMMENTED")]), "ann"), @"Named by forge-review (GitHub #12: approved): bob");
    assert_snapshot!(gh(&last(&[("bob", "APPROVED"), ("bob", "CHANGES_REQUESTED")]), "ann"), @"SelfMerged by forge-review (GitHub #12: merged)");
    assert_snapshot!(gh(&last(&[("bob", "DISMISSED")]), "cleo"), @"OtherHand by forge-review (GitHub #12: merged)");
    // Nobody looked, and she pressed the button herself.
    assert_snapshot!(gh("", "ann"), @"SelfMerged by forge-review (GitHub #12: merged)");
    // An AI tool's approval is nobody's, and so is a robot's.
    assert_snapshot!(gh(&last(&[("coderabbitai[bot]", "APPROVED")]), "ann"), @"SelfMerged by forge-review (GitHub #12: merged)");
    // What lacks the reviews says nothing of them.
    assert_snapshot!(graded(&squash(), r#"[{"number": 12, "mergeCommit": {"oid": "LANDED"}}]"#), @"refused: record 1, GitHub #12, does not say who approved: it lacks `reviews`");
    assert_snapshot!(graded(&squash(), r#"[{"number": 12, "mergeCommit": null, "reviews": []}]"#), @"refused: it has no merged request");
}

/// Whose login it is, the commits of branches tell.
#[test]
fn a_login_is_whoever_wrote_commits_under_it() {
    let change = linear("Ann <a.lee@corp.example>", GITHUB, "Prices (#12)\n\nCo-authored-by: B <bob@y.example>\n");
    let export = r#"[{"number": 12, "author": {"login": "ann"}, "mergedBy": null, "mergeCommit": {"oid": "LANDED"},
        "reviews": [{"author": {"login": "quux"}, "state": "APPROVED"}],
        "commits": [{"oid": "1", "authors": [{"login": "quux", "name": "", "email": "bob@y.example"}]}]}]"#;
    assert_snapshot!(graded(&change, export), @"SelfApproved by forge-review (GitHub #12: approved)");
}

#[test]
fn gitlab() {
    let change = linear(ANN, ANN, "Prices\n\nSee merge request shop/shop!12\n");
    let rest = r#"[{"iid": 12, "state": "merged", "author": {"username": "ann", "name": "Ann Lee"},
        "merge_user": {"username": "cleo", "name": "Cleo"}, "merge_commit_sha": null, "squash_commit_sha": "LANDED", "sha": "00",
        "approved_by": [{"user": {"username": "bob", "name": "Bob Ray"}}]}]"#;
    assert_snapshot!(graded(&change, rest), @"Named by forge-review (GitLab !12: approved): Bob Ray");
    let graphql = r#"{"data": {"project": {"mergeRequests": {"pageInfo": {"hasNextPage": false}, "nodes": [
        {"iid": "12", "author": {"name": "Ann Lee", "username": "ann"}, "mergeUser": {"name": "Ann Lee", "username": "ann"},
        "approvedBy": {"nodes": []}, "mergeCommitSha": null, "diffHeadSha": "LANDED"}]}}}}"#;
    assert_snapshot!(graded(&change, graphql), @"SelfMerged by forge-review (GitLab !12: merged)");
    assert_snapshot!(graded(&change, r#"[{"iid": 12, "merge_commit_sha": "LANDED"}]"#), @"refused: record 1, GitLab !12, does not say who approved: it lacks `approved_by` or `approvedBy`");
}

#[test]
fn gerrit() {
    let change = linear(ANN, ANN, "Prices\n\nChange-Id: I0123456789012345678901234567890123456789\n");
    let export = r#"{"project":"shop","branch":"main","id":"I01","number":1182,"owner":{"name":"Ann Lee","email":"ann@x.example","username":"ann"},"status":"MERGED","currentPatchSet":{"number":3,"revision":"LANDED","author":{"name":"Ann Lee","email":"ann@x.example"},"approvals":[{"type":"Verified","value":"1","by":{"name":"CI"}},{"type":"Code-Review","value":"2","grantedOn":1772366400,"by":{"name":"Bob Ray","email":"bob@y.example"}},{"type":"SUBM","value":"1","by":{"name":"Ann Lee","email":"ann@x.example"}}]}}
{"type":"stats","rowCount":1,"runTimeMilliseconds":5,"moreChanges":false}"#;
    assert_snapshot!(graded(&change, export), @"Named by forge-review (Gerrit 1182: approved): Bob Ray");
    // The author's own +2 and submit.
    assert_snapshot!(graded(&change, &export.replace("Bob Ray", "Ann Lee").replace("bob@y", "ann@x")), @"SelfApproved by forge-review (Gerrit 1182: approved)");
}

#[test]
fn azure_devops() {
    let change = merge(ANN, ANN, "Merged PR 12: Prices\n", ANN);
    let export = r#"[{"pullRequestId": 12, "status": "completed", "createdBy": {"displayName": "Ann Lee", "uniqueName": "ann@x.example"},
        "closedBy": {"displayName": "Ann Lee", "uniqueName": "ann@x.example"}, "lastMergeCommit": {"commitId": "LANDED"},
        "reviewers": [{"displayName": "[Shop]\\Everybody", "uniqueName": "vstfs:///x", "vote": 10, "isContainer": true},
            {"displayName": "Bob Ray", "uniqueName": "bob@y.example", "vote": 10},
            {"displayName": "Cleo", "uniqueName": "cleo@z.example", "vote": -5}]}]"#;
    assert_snapshot!(graded(&change, export), @"Named by forge-review (Azure DevOps !12: approved): Bob Ray");
}

#[test]
fn bitbucket() {
    let change = merge(ANN, ANN, "Merged in prices (pull request #12)\n", ANN);
    let cloud = r#"{"pagelen": 50, "values": [{"id": 12, "state": "MERGED", "author": {"display_name": "Ann Lee", "nickname": "ann"},
        "closed_by": {"display_name": "Ann Lee"}, "merge_commit": {"hash": "000000000000"},
        "participants": [{"user": {"display_name": "Bob Ray"}, "role": "REVIEWER", "approved": true, "participated_on": "2026-03-01T12:00:00.000+00:00"},
            {"user": {"display_name": "Cleo"}, "role": "PARTICIPANT", "approved": false}]}]}"#;
    assert_snapshot!(graded(&change, cloud), @"Named by forge-review (Bitbucket #12: approved): Bob Ray");
    let center = r#"{"size": 1, "isLastPage": true, "values": [{"id": 12, "state": "MERGED", "fromRef": {"id": "refs/heads/prices"},
        "author": {"user": {"name": "ann", "emailAddress": "ann@x.example", "displayName": "Ann Lee"}, "role": "AUTHOR"},
        "reviewers": [{"user": {"name": "bob", "emailAddress": "bob@y.example", "displayName": "Bob Ray"}, "approved": true, "status": "APPROVED"}],
        "participants": [], "properties": {"mergeCommit": {"id": "LANDED", "displayId": "0000"}}}]}"#;
    assert_snapshot!(graded(&change, center), @"Named by forge-review (Bitbucket #12: approved): Bob Ray");
}

#[test]
fn what_is_no_export_says_so() {
    let refused = |text: &str| graded(&linear(ANN, BOB, "s\n"), text);
    assert_snapshot!(refused("<html>"), @"refused: expected value at line 1 column 1");
    assert_snapshot!(refused("[]"), @"refused: it has no merged request");
    assert_snapshot!(refused(r#"[{"name": "x", "full_name": "y"}]"#), @"refused: record 1 is of no forge that is known here; it has name, full_name");
    assert_snapshot!(refused(r#"[{"number": "twelve", "mergeCommit": {}}]"#), @r#"refused: record 1 looks like one of GitHub, but invalid type: string "twelve", expected u64"#);
}

/// What stays behind on another page would look as if nobody had looked: the file shows it, and the command fetches the rest.
#[test]
fn an_export_that_is_cut_shows_it() {
    let cut = |files: &[&str]| {
        let mut requests = Requests::default();
        files.iter().for_each(|file| requests.add(file).unwrap());
        let cuts = requests.cuts();
        assert!(cuts.len() < 2, "{cuts:?}");
        cuts.into_iter()
            .next()
            .map_or_else(|| "whole".to_owned(), |cut| format!("{}: {} -> {}", cut.forge, cut.why, cut.rest))
    };
    let many = |record: &str, count: usize| {
        let records: Vec<String> = (0..count).map(|n| record.replace("ID", &format!("{n:040}"))).collect();
        format!("[{}]", records.join(","))
    };

    let pull = r#"{"number": 1, "mergeCommit": {"oid": "ID"}, "reviews": []}"#;
    assert_snapshot!(cut(&[&many(pull, 29)]), @"whole");
    assert_snapshot!(cut(&[&many(pull, 30)]), @"GitHub: it has 30 requests, as many as one page or a limit allows -> gh pr list --state merged --limit 10000 --json number,author,mergedBy,mergeCommit,reviews,commits > reviews.json");
    assert_snapshot!(cut(&[&many(pull, 10_000)]), @"GitHub: it has 10000 requests, as many as one page or a limit allows -> gh pr list --state merged --limit 100000 --json number,author,mergedBy,mergeCommit,reviews,commits > reviews.json");
    // The second page was not full.
    assert_snapshot!(cut(&[&many(pull, 100), &many(pull, 7)]), @"whole");

    let merge = r#"{"iid": "1", "approvedBy": {"nodes": []}, "diffHeadSha": "ID"}"#;
    let page = |more: bool| {
        let info = format!(r#"{{"hasNextPage": {more}, "endCursor": "x"}}"#);
        format!(
            r#"{{"data": {{"project": {{"mergeRequests": {{"pageInfo": {info}, "nodes": {}}}}}}}}}"#,
            many(merge, 100)
        )
    };
    assert_snapshot!(cut(&[&page(true)]), @r#"GitLab: its last page says that there is another -> glab api graphql --paginate -f query='query($endCursor: String) { project(fullPath: "GROUP/PROJECT") { mergeRequests(state: merged, after: $endCursor) { pageInfo { hasNextPage endCursor } nodes { iid author { name username } mergeUser { name username } approvedBy { nodes { name username } } mergeCommitSha diffHeadSha } } } }' > reviews.json"#);
    assert_snapshot!(cut(&[&format!("{}{}", page(true), page(false))]), @"whole");

    let change =
        r#"{"number": 1, "owner": {"name": "Ann"}, "status": "MERGED", "currentPatchSet": {"revision": "ID"}}"#;
    let gerrit =
        |more: bool| format!(r#"{} {{"type": "stats", "rowCount": 500, "moreChanges": {more}}}"#, many(change, 500));
    assert_snapshot!(cut(&[&gerrit(true)]), @"Gerrit: Gerrit says that there are more changes -> ssh -p 29418 HOST gerrit query --format=JSON --current-patch-set status:merged project:PROJECT branch:BRANCH --start 500 > reviews-2.json");
    assert_snapshot!(cut(&[&gerrit(false)]), @"whole");
    let rest = many(change, 3).replacen("MERGED", "MERGED\", \"_more_changes\": true, \"x\": \"", 1);
    assert_snapshot!(cut(&[&rest]), @"Gerrit: Gerrit says that there are more changes -> ssh -p 29418 HOST gerrit query --format=JSON --current-patch-set status:merged project:PROJECT branch:BRANCH --start 3 > reviews-2.json");

    let azure =
        r#"{"pullRequestId": 1, "status": "completed", "lastMergeCommit": {"commitId": "ID"}, "reviewers": []}"#;
    assert_snapshot!(cut(&[&many(azure, 101)]), @"Azure DevOps: it has 101 requests, as many as one page or a limit allows -> az repos pr list --repository NAME --status completed --top 10000 --skip 101 --output json > reviews-2.json");
    assert_snapshot!(cut(&[&many(azure, 102)]), @"whole");

    let bitbucket = r#"{"id": 1, "state": "MERGED", "merge_commit": {"hash": "ID"}, "participants": []}"#;
    let cloud = |next: &str| format!(r#"{{"pagelen": 50, {next} "values": {}}}"#, many(bitbucket, 50));
    let next = r#""next": "https://api.bitbucket.org/2.0/repositories/shop/shop/pullrequests?page=2","#;
    assert_snapshot!(cut(&[&cloud(next)]), @"Bitbucket: its last page names another -> curl -u USER:TOKEN 'https://api.bitbucket.org/2.0/repositories/shop/shop/pullrequests?page=2' > reviews-2.json");
    assert_snapshot!(cut(&[&cloud(next), &cloud("")]), @"whole");
    let center =
        |last: bool| format!(r#"{{"isLastPage": {last}, "nextPageStart": 25, "values": {}}}"#, many(bitbucket, 25));
    assert_snapshot!(cut(&[&center(false)]), @"Bitbucket: its last page says that there is another (start=25) -> curl -u USER:TOKEN 'https://api.bitbucket.org/2.0/repositories/WORKSPACE/REPO/pullrequests?state=MERGED&pagelen=50&fields=%2Bvalues.participants' > reviews-1.json   (the address of the next page is its `next`; Data Center: /rest/api/1.0/projects/KEY/repos/REPO/pull-requests?state=MERGED)");
    assert_snapshot!(cut(&[&center(true)]), @"whole");
}
