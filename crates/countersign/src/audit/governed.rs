//! What a Countersign log has of the changes that landed in a repository: followed from its genesis into a folder of its own, so
//! that every signature and every decision was checked here.

use std::collections::{BTreeMap, BTreeSet};

use countersign_audit::requests::{Approval, Request};
use countersign_core::{
    catalog::Catalog,
    change::{Change, DecisionRecord, PermitRecord},
    decision::{Decision, Outcome},
    facts::git::{GitRead as _, Ident},
    governance::Governance,
    ids::{ActorId, ChangeId},
    refusal::Refusal,
    standard::StandardView,
    state::FindingRecord,
    statement::OutcomeResult,
    subject::Transition,
    take,
    trust::Trust,
};
use countersign_ledger::Time;
use thiserror::Error;
use tokio::runtime::Builder;

use crate::{
    follower::{Access, FollowError, Follower, source::Source},
    git::Repository,
    records,
    store::{List, MAX_ITEMS, StoreError},
};

/// Commits that one change brings at the most.
const MAX_BROUGHT: usize = 10_000;

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

/// Every change that landed by commits of this repository, with whose signatures it did.
pub fn read(git: &Repository, place: &str, trust: &Trust, now: Time) -> Result<Vec<Request>, GovernedError> {
    copied(place, trust, now, async |follower| {
        let governance = follower.governance().await?;
        let after = after_reviews(follower).await?;
        let mut landed = Vec::new();
        for change in changes(follower).await? {
            landed.extend(by_commits(follower, git, &change, &governance, &after).await?);
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

/// Who looked at a change afterwards, by what each finding asked of them.
async fn after_reviews(follower: &Follower) -> Result<BTreeMap<ChangeId, Vec<(ActorId, Time)>>, GovernedError> {
    let (mut found, mut after): (BTreeMap<ChangeId, Vec<_>>, _) = (BTreeMap::new(), None);
    loop {
        let page = follower.store().list(&List { after, ..List::of(records::FINDING, MAX_ITEMS) }).await?;
        for item in page.items {
            let record: FindingRecord = records::parse(&item.name, &item.body)?;
            if let (Some(change), Some(answered)) = (record.what.change(), &record.answered) {
                found.entry(change.clone()).or_default().push((answered.by.clone(), answered.at));
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Whoever is a second person of a permit besides those who approved: those who broke the glass, or stand behind the template that it
/// fits.
async fn besides(
    follower: &Follower,
    change: &Change,
    permit: &PermitRecord,
) -> Result<Vec<(ActorId, Time, String)>, GovernedError> {
    if let Some(broken) = &permit.broken {
        let by = broken.by.keys().map(|by| (by.clone(), permit.issued_at, "broke the glass for it".to_owned()));
        return Ok(by.collect());
    }
    let of_it = |decision: &&DecisionRecord| {
        decision.outcome == Outcome::Allow && decision.revision == permit.revision && decision.at <= permit.issued_at
    };
    let Some(decided) = change.decisions.iter().rev().find(of_it) else { return Ok(Vec::new()) };
    let blobs = follower.blobs(&[decided.decision]).await?;
    let decision = blobs.get(&decided.decision).and_then(|blob| serde_json::from_slice::<Decision>(blob).ok());
    let Some(StandardView { name, approved_by, approved_at }) = decision.and_then(|decision| decision.standard) else {
        return Ok(Vec::new());
    };
    let one = |by: ActorId| (by, approved_at, format!("approved its template, the standard change {name}"));
    Ok(approved_by.into_iter().map(one).collect())
}

/// The commits that a change landed by, and who signed that.
async fn by_commits(
    follower: &Follower,
    git: &Repository,
    change: &Change,
    governance: &Governance,
    after: &BTreeMap<ChangeId, Vec<(ActorId, Time)>>,
) -> Result<Option<Request>, GovernedError> {
    let catalog = &governance.catalog;
    let mut commits = Vec::new();
    let mut approved = BTreeSet::new();
    for permit in change.permits.iter().filter(|permit| permit.outcome == Some(OutcomeResult::Applied)) {
        let blobs = follower.blobs(&[permit.transition.digest]).await?;
        let Some(blob) = blobs.get(&permit.transition.digest) else { continue };
        if let Transition::Git(moved) = Transition::read(&permit.transition, blob)? {
            // All that it brought, not only where the branch then stood; what is gone from here nobody asks about.
            let brought = git.range(&moved.old, &moved.new, MAX_BROUGHT).unwrap_or_default();
            commits.push(moved.new.to_string());
            commits.extend(brought.iter().filter(|commit| **commit != moved.new).map(ToString::to_string));
            let is_present = Some(permit.revision) == change.current_ref();
            let of_it = change
                .approvals
                .iter()
                .filter(|approval| approval.revision == permit.revision || (is_present && change.may_carry(approval)));
            approved.extend(of_it.map(|approval| (approval.by.clone(), approval.at.unix_millis(), None)));
            let hands = take::contributors(governance, change).all;
            let besides = besides(follower, change, permit).await?.into_iter();
            let besides = besides.filter(|(by, ..)| !hands.contains(by));
            approved.extend(besides.map(|(by, at, how)| (by, at.unix_millis(), Some(how))));
        }
    }
    if commits.is_empty() {
        return Ok(None);
    }
    let answered = after.get(&change.id).into_iter().flatten();
    let how = || Some("looked at it after it landed".to_owned());
    approved.extend(answered.map(|(by, at)| (by.clone(), at.unix_millis(), how())));
    let submitters = change.revisions.iter().map(|revision| &revision.by);
    let others: BTreeSet<&ActorId> = submitters.filter(|by| **by != change.proposer).collect();
    Ok(Some(Request {
        name: format!("change {}", change.id.short()),
        author: Some(person(catalog, &change.proposer)),
        contributors: others.into_iter().map(|id| person(catalog, id)).collect(),
        approvals: approved
            .into_iter()
            .map(|(by, millis, how)| Approval { by: person(catalog, &by), at: Some(millis / 1_000), how })
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
