//! Azure DevOps, as `az repos pr list` prints it.

use countersign_core::facts::git::Ident;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Approval, Request, RequestsError, as_of, somebody};

pub(super) const FORGE: &str = "Azure DevOps";

pub(super) const EXPORT: &str =
    "az repos pr list --repository NAME --status completed --top 10000 --output json > reviews.json";

/// Of a reviewer's votes: approved, and approved with suggestions.
const APPROVED: i64 = 10;
const WITH_SUGGESTIONS: i64 = 5;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    pull_request_id: u64,
    created_by: Option<Account>,
    closed_by: Option<Account>,
    last_merge_commit: Option<Commit>,
    reviewers: Option<Vec<Reviewer>>,
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    display_name: Option<String>,
    unique_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    commit_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reviewer {
    #[serde(flatten)]
    account: Account,
    #[serde(default)]
    vote: i64,
    /// A group, not a person.
    #[serde(default)]
    is_container: bool,
}

impl Account {
    fn who(&self) -> Option<Ident> {
        let mail = self.unique_name.as_deref().filter(|name| name.contains('@'));
        somebody(self.display_name.as_deref().or(self.unique_name.as_deref()), mail)
    }
}

pub(super) fn read(nth: usize, record: &Map<String, Value>) -> Result<Option<Request>, RequestsError> {
    let pull: Pull = as_of(nth, FORGE, record)?;
    let name = format!("{FORGE} !{}", pull.pull_request_id);
    let Some(reviewers) = pull.reviewers else {
        return Err(RequestsError::Incomplete { nth, name, lacks: "`reviewers`" });
    };
    if pull.status.is_some_and(|status| status != "completed") {
        return Ok(None);
    }
    let Some(landed) = pull.last_merge_commit else { return Ok(None) };
    let approved = reviewers
        .iter()
        .filter(|reviewer| [APPROVED, WITH_SUGGESTIONS].contains(&reviewer.vote) && !reviewer.is_container);
    Ok(Some(Request {
        name,
        author: pull.created_by.as_ref().and_then(Account::who),
        contributors: Vec::new(),
        approvals: approved.filter_map(|one| Some(Approval { by: one.account.who()?, at: None, how: None })).collect(),
        merged_by: pull.closed_by.as_ref().and_then(Account::who),
        commits: vec![landed.commit_id],
        signed: false,
    }))
}
