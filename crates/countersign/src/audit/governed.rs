//! What a Countersign log has of the changes that landed in a repository: followed from its genesis into a folder of its own, so
//! that every signature and every decision was checked here.

use std::collections::BTreeSet;

use countersign_audit::requests::{Approval, Request};
use countersign_core::{
    catalog::Catalog, change::Change, facts::git::Ident, ids::ActorId, refusal::Refusal, statement::OutcomeResult,
    subject::Transition, trust::Trust,
};
use countersign_ledger::Time;
use thiserror::Error;
use tokio::runtime::Builder;

use crate::{
    follower::{Access, FollowError, Follower, source::Source},
    records,
    store::{List, MAX_ITEMS, StoreError},
};

#[derive(Debug, Error)]
pub enum GovernedError {
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the copy of the log: {0}")]
    Store(#[from] StoreError),
    #[error("cannot make a folder for the log: {0}")]
    Folder(std::io::Error),
}

/// Every change that landed by a commit, with whose signatures it did.
pub fn read(place: &str, trust: &Trust, now: Time) -> Result<Vec<Request>, GovernedError> {
    copied(place, trust, now, async |follower| {
        let governance = follower.governance().await?;
        let mut landed = Vec::new();
        for change in changes(follower).await? {
            landed.extend(by_commits(follower, &change, &governance.catalog).await?);
        }
        Ok(landed)
    })
}

/// Follows a log into a folder of its own, which is there until what is read of it was read.
pub(super) fn copied<T>(
    place: &str,
    trust: &Trust,
    now: Time,
    read: impl AsyncFnOnce(&Follower) -> Result<T, GovernedError>,
) -> Result<T, GovernedError> {
    let folder = tempfile::tempdir().map_err(GovernedError::Folder)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(GovernedError::Folder)?;
    runtime.block_on(async {
        let follower = Follower::open(folder.path(), trust, Access::Owner).await?;
        follower.follow(&mut Source::at(place), now).await?;
        read(&follower).await
    })
}

pub(super) async fn changes(follower: &Follower) -> Result<Vec<Change>, GovernedError> {
    let (mut changes, mut after) = (Vec::new(), None);
    loop {
        let page = follower.store().list(&List { after, ..List::of(records::CHANGE, MAX_ITEMS) }).await?;
        for item in page.items {
            changes.push(records::parse(&item.name, &item.body)?);
        }
        after = page.next;
        if after.is_none() {
            return Ok(changes);
        }
    }
}

/// The commits that a change landed by, and who signed that.
async fn by_commits(follower: &Follower, change: &Change, catalog: &Catalog) -> Result<Option<Request>, GovernedError> {
    let mut commits = Vec::new();
    let mut approved = BTreeSet::new();
    for permit in change.permits.iter().filter(|permit| permit.outcome == Some(OutcomeResult::Applied)) {
        let blobs = follower.blobs(&[permit.transition.digest]).await?;
        let Some(blob) = blobs.get(&permit.transition.digest) else { continue };
        if let Transition::Git(moved) = Transition::read(&permit.transition, blob)? {
            commits.push(moved.new.to_string());
            let is_present = Some(permit.revision) == change.current_ref();
            let of_it = change
                .approvals
                .iter()
                .filter(|approval| approval.revision == permit.revision || (is_present && change.may_carry(approval)));
            approved.extend(of_it.map(|approval| (approval.by.clone(), approval.at.unix_millis())));
        }
    }
    if commits.is_empty() {
        return Ok(None);
    }
    let submitters = change.revisions.iter().map(|revision| &revision.by);
    let others: BTreeSet<&ActorId> = submitters.filter(|by| **by != change.proposer).collect();
    Ok(Some(Request {
        name: format!("change {}", change.id.short()),
        author: Some(person(catalog, &change.proposer)),
        contributors: others.into_iter().map(|id| person(catalog, id)).collect(),
        approvals: approved
            .into_iter()
            .map(|(by, millis)| Approval { by: person(catalog, &by), at: Some(millis / 1_000) })
            .collect(),
        merged_by: None,
        commits,
        signed: true,
    }))
}

/// As commits name them: the mails tell which people of the history they are.
fn person(catalog: &Catalog, id: &ActorId) -> Ident {
    let actor = catalog.actors.get(id);
    let name = actor.and_then(|actor| actor.display_name.clone()).unwrap_or_else(|| id.to_string());
    let mail = actor.and_then(|actor| actor.mails.first().cloned()).unwrap_or_default();
    Ident { name, mail }
}
