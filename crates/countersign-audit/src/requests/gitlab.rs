//! GitLab: merge requests of its REST or GraphQL API with whoever approved them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Approval, Request, RequestsError, as_of, somebody};

pub(super) const FORGE: &str = "GitLab";

pub(super) const EXPORT: &str = "glab api graphql --paginate -f query='query($endCursor: String) { project(fullPath: \"GROUP/PROJECT\") \
     { mergeRequests(state: merged, after: $endCursor) { pageInfo { hasNextPage endCursor } nodes { iid author { name username } \
     mergeUser { name username } approvedBy { nodes { name username } } mergeCommitSha diffHeadSha } } } }' > reviews.json";

#[derive(Deserialize)]
struct Merge {
    iid: Value,
    author: Option<User>,
    #[serde(alias = "mergeUser")]
    merge_user: Option<User>,
    merged_by: Option<User>,
    #[serde(alias = "approvedBy")]
    approved_by: Option<Approvers>,
    #[serde(alias = "mergeCommitSha")]
    merge_commit_sha: Option<String>,
    squash_commit_sha: Option<String>,
    #[serde(alias = "diffHeadSha")]
    sha: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
struct User {
    name: Option<String>,
    username: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Approvers {
    /// As GraphQL lists them.
    Nodes {
        nodes: Vec<User>,
    },
    /// As `…/merge_requests/IID/approvals` has them.
    Wrapped(Vec<Wrapped>),
    Plain(Vec<User>),
}

#[derive(Deserialize)]
struct Wrapped {
    user: User,
}

impl User {
    fn who(&self) -> Option<countersign_core::facts::git::Ident> {
        somebody(self.name.as_deref().filter(|name| !name.is_empty()).or(self.username.as_deref()), None)
    }
}

pub(super) fn read(nth: usize, record: &Map<String, Value>) -> Result<Option<Request>, RequestsError> {
    let merge: Merge = as_of(nth, FORGE, record)?;
    let name = format!("{FORGE} !{}", merge.iid.to_string().trim_matches('"'));
    let Some(approvers) = merge.approved_by else {
        return Err(RequestsError::Incomplete { nth, name, lacks: "`approved_by` or `approvedBy`" });
    };
    if merge.state.is_some_and(|state| state != "merged") {
        return Ok(None);
    }
    let approvers = match approvers {
        Approvers::Nodes { nodes } => nodes,
        Approvers::Wrapped(all) => all.into_iter().map(|one| one.user).collect(),
        Approvers::Plain(all) => all,
    };
    let commits: Vec<String> =
        [merge.merge_commit_sha, merge.squash_commit_sha, merge.sha].into_iter().flatten().collect();
    if commits.is_empty() {
        return Ok(None);
    }
    Ok(Some(Request {
        name,
        author: merge.author.as_ref().and_then(User::who),
        contributors: Vec::new(),
        approvals: approvers.iter().filter_map(User::who).map(|by| Approval { by, at: None, how: None }).collect(),
        merged_by: merge.merge_user.or(merge.merged_by).as_ref().and_then(User::who),
        commits,
        signed: false,
    }))
}
