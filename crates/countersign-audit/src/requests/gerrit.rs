//! Gerrit, as `gerrit query --format=JSON` prints it: one change a line, and a line of counts at the end.

use countersign_core::facts::git::Ident;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Approval, Request, RequestsError, as_of, somebody};

pub(super) const FORGE: &str = "Gerrit";

pub(super) const EXPORT: &str = "ssh -p 29418 HOST gerrit query --format=JSON --current-patch-set status:merged \
     project:PROJECT branch:BRANCH > reviews.json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    number: Option<Value>,
    owner: Option<Account>,
    status: Option<String>,
    current_patch_set: Option<PatchSet>,
}

#[derive(Deserialize)]
struct PatchSet {
    revision: String,
    author: Option<Account>,
    approvals: Option<Vec<Vote>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vote {
    #[serde(rename = "type")]
    label: String,
    value: String,
    granted_on: Option<i64>,
    by: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    name: Option<String>,
    email: Option<String>,
    username: Option<String>,
}

impl Account {
    fn who(&self) -> Option<Ident> {
        somebody(self.name.as_deref().or(self.username.as_deref()), self.email.as_deref())
    }
}

pub(super) fn read(nth: usize, record: &Map<String, Value>) -> Result<Option<Request>, RequestsError> {
    let change: Change = as_of(nth, FORGE, record)?;
    let number = change.number.map(|number| number.to_string()).unwrap_or_default();
    let name = format!("{FORGE} {}", number.trim_matches('"'));
    let Some(set) = change.current_patch_set else {
        return Err(RequestsError::Incomplete { nth, name, lacks: "`currentPatchSet` (--current-patch-set)" });
    };
    if change.status.is_some_and(|status| status != "MERGED") {
        return Ok(None);
    }
    let votes = set.approvals.unwrap_or_default();
    let by = |vote: &Vote| vote.by.as_ref().and_then(Account::who);
    let approvals = votes.iter().filter(|vote| vote.label == "Code-Review" && vote.value == "2");
    let submitted = votes.iter().find(|vote| vote.label == "SUBM");
    Ok(Some(Request {
        name,
        author: change.owner.as_ref().and_then(Account::who),
        contributors: set.author.as_ref().and_then(Account::who).into_iter().collect(),
        approvals: approvals
            .filter_map(|vote| Some(Approval { by: by(vote)?, at: vote.granted_on, how: None }))
            .collect(),
        merged_by: submitted.and_then(by),
        commits: vec![set.revision],
        signed: false,
    }))
}
