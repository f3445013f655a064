//! GitHub, as `gh pr list --json` prints it.

use std::collections::BTreeMap;

use countersign_core::facts::git::Ident;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Approval, Request, RequestsError, as_of, moment, somebody};

pub(super) const FORGE: &str = "GitHub";

pub(super) const EXPORT: &str = "gh pr list --state merged --limit 10000 \
     --json number,author,mergedBy,mergeCommit,reviews,commits > reviews.json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    #[serde(default)]
    number: u64,
    author: Option<Account>,
    merged_by: Option<Account>,
    merge_commit: Option<Commit>,
    reviews: Option<Vec<Review>>,
    #[serde(default)]
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    login: String,
    name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    is_bot: bool,
}

#[derive(Deserialize)]
struct Commit {
    oid: String,
    #[serde(default)]
    authors: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    author: Option<Account>,
    #[serde(default)]
    state: String,
    submitted_at: Option<String>,
}

impl Account {
    fn who(&self) -> Option<Ident> {
        // `app/dependabot`, as `gh` writes it.
        let login = self.login.strip_prefix("app/").unwrap_or(&self.login);
        let name = if self.is_bot && !login.ends_with("[bot]") { format!("{login}[bot]") } else { login.to_owned() };
        somebody(Some(&name), None)
    }
}

pub(super) fn read(nth: usize, record: &Map<String, Value>) -> Result<Option<Request>, RequestsError> {
    let pull: Pull = as_of(nth, FORGE, record)?;
    let name = format!("{FORGE} #{}", pull.number);
    let Some(reviews) = pull.reviews else {
        return Err(RequestsError::Incomplete { nth, name, lacks: "`reviews`" });
    };
    let Some(landed) = pull.merge_commit else { return Ok(None) };
    // Of each person the last word that says anything; a comment takes nothing back.
    let mut stands: BTreeMap<String, Option<Approval>> = BTreeMap::new();
    for review in reviews {
        let Some(by) = review.author.as_ref().and_then(Account::who) else { continue };
        match review.state.as_str() {
            "APPROVED" => {
                let at = moment(review.submitted_at.as_deref());
                stands.insert(by.name.clone(), Some(Approval { by, at, how: None }));
            }
            "CHANGES_REQUESTED" | "DISMISSED" => {
                stands.insert(by.name, None);
            }
            _ => {}
        }
    }
    Ok(Some(Request {
        name,
        author: pull.author.as_ref().and_then(Account::who),
        contributors: pull.commits.iter().flat_map(|commit| &commit.authors).filter_map(known).collect(),
        approvals: stands.into_values().flatten().collect(),
        merged_by: pull.merged_by.as_ref().and_then(Account::who),
        commits: vec![landed.oid],
        signed: false,
    }))
}

/// Whoever wrote a commit of the branch: with the name and mail of git.
fn known(account: &Account) -> Option<Ident> {
    let name = account.name.as_deref().filter(|name| !name.is_empty()).or(Some(&account.login));
    somebody(name, account.email.as_deref())
}

/// A login is a name without a mail. Commits of branches tell whose it is, where they tell one mail.
pub(super) fn know_logins(records: &[Map<String, Value>], found: &mut [Request]) {
    let mut mails: BTreeMap<String, Option<Ident>> = BTreeMap::new();
    let pulls = records.iter().filter(|record| record.contains_key("mergeCommit"));
    let accounts = pulls
        .filter_map(|record| serde_json::from_value::<Vec<Commit>>(record.get("commits")?.clone()).ok())
        .flatten()
        .flat_map(|commit| commit.authors);
    for account in accounts.filter(|account| !account.login.is_empty()) {
        let Some(who) = known(&account).filter(|who| !who.mail.is_empty()) else { continue };
        let same = |other: &Ident| other.mail.eq_ignore_ascii_case(&who.mail);
        match mails.get_mut(&account.login) {
            None => drop(mails.insert(account.login, Some(who))),
            Some(known) if known.as_ref().is_some_and(same) => {}
            Some(known) => *known = None,
        }
    }
    let name = |who: &mut Ident| {
        if let Some(Some(known)) = mails.get(&who.name).filter(|_| who.mail.is_empty()) {
            *who = known.clone();
        }
    };
    for request in found {
        request.author.iter_mut().chain(&mut request.merged_by).for_each(name);
        request.approvals.iter_mut().map(|approval| &mut approval.by).for_each(name);
    }
}
