//! Bitbucket: pull requests as the APIs of Cloud and of Data Center list them.

use countersign_core::facts::git::Ident;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Approval, Request, RequestsError, as_of, moment, somebody};

pub(super) const FORGE: &str = "Bitbucket";

pub(super) const EXPORT: &str = "curl -u USER:TOKEN \
     'https://api.bitbucket.org/2.0/repositories/WORKSPACE/REPO/pullrequests?state=MERGED&pagelen=50&fields=%2Bvalues.participants' \
     > reviews-1.json   (the address of the next page is its `next`; Data Center: \
     /rest/api/1.0/projects/KEY/repos/REPO/pull-requests?state=MERGED)";

#[derive(Deserialize)]
struct Pull {
    id: u64,
    state: Option<String>,
    author: Option<Either>,
    closed_by: Option<User>,
    merge_commit: Option<Hash>,
    participants: Option<Vec<Participant>>,
    reviewers: Option<Vec<Participant>>,
    properties: Option<Properties>,
}

/// In Data Center an author is a participant.
#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Participant { user: User },
    User(User),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    #[serde(alias = "display_name")]
    display_name: Option<String>,
    nickname: Option<String>,
    name: Option<String>,
    email_address: Option<String>,
}

#[derive(Deserialize)]
struct Hash {
    hash: String,
}

#[derive(Deserialize)]
struct Participant {
    user: Option<User>,
    #[serde(default)]
    approved: bool,
    participated_on: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    merge_commit: Option<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl User {
    fn who(&self) -> Option<Ident> {
        let name = [&self.display_name, &self.nickname, &self.name].into_iter().flatten().next();
        somebody(name.map(String::as_str), self.email_address.as_deref())
    }
}

pub(super) fn read(nth: usize, record: &Map<String, Value>) -> Result<Option<Request>, RequestsError> {
    let pull: Pull = as_of(nth, FORGE, record)?;
    let name = format!("{FORGE} #{}", pull.id);
    if pull.state.is_some_and(|state| state != "MERGED") {
        return Ok(None);
    }
    let landed = pull.merge_commit.map(|commit| commit.hash);
    let landed = landed.or(pull.properties.and_then(|said| said.merge_commit).map(|commit| commit.id));
    let Some(landed) = landed else { return Ok(None) };
    let looked: Vec<Participant> = pull.participants.into_iter().chain(pull.reviewers).flatten().collect();
    let approved = looked.iter().filter(|one| one.approved);
    let approvals = approved.filter_map(|one| {
        Some(Approval { by: one.user.as_ref()?.who()?, at: moment(one.participated_on.as_deref()), how: None })
    });
    let author = match &pull.author {
        Some(Either::Participant { user }) | Some(Either::User(user)) => user.who(),
        None => None,
    };
    Ok(Some(Request {
        name,
        author,
        contributors: Vec::new(),
        approvals: approvals.collect(),
        merged_by: pull.closed_by.as_ref().and_then(User::who),
        commits: vec![landed],
        signed: false,
    }))
}
