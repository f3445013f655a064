//! Whose signatures a file has that opens a gate, and whose of them count, as far as this machine knows: the gate decides.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    glass,
    governance::Governance,
    ids::{ActorId, Target},
};
use countersign_ledger::{Fingerprint, Time};

use super::super::{error::CliError, output};
use crate::{gates::glass::Glass, speaker::Hand};

/// Whoever said it, and whose keys the others are.
pub fn of(glass: &Glass, known: Option<&Governance>) -> BTreeMap<Fingerprint, Option<ActorId>> {
    let whose = |key: &Fingerprint| known.and_then(|known| Some(known.catalog.actor_by_key(key)?.id.clone()));
    let mut signers: BTreeMap<_, _> = glass.said.signed.keys().map(|key| (key.clone(), whose(&key))).collect();
    // With one signature alone it is that of who speaks.
    if let [(_, unknown @ None)] = signers.iter_mut().collect::<Vec<_>>().as_mut_slice() {
        **unknown = Some(glass.said.signed.statement().header.by.clone());
    }
    signers
}

/// One person counts once, by whatever keys.
pub fn another_person(glass: &Glass, known: Option<&Governance>, hand: &Hand, me: &ActorId) -> Result<(), CliError> {
    let (signers, mine) = (of(glass, known), hand.fingerprint());
    let by_me = signers.iter().find(|(key, id)| **key == mine || id.as_ref() == Some(me));
    let Some((key, _)) = by_me else { return Ok(()) };
    Err(CliError::refused(
        "already-signed",
        format!("{me} has already signed it, with key {key}; one person counts once, by whatever keys"),
    )
    .hint("another person who owns all of it, is on call for it or is a senior signs it: pass their --key"))
}

/// Those whose signature counts, and those who are not entitled; all count where this machine does not know the catalog.
pub fn counting<'a>(
    people: &BTreeSet<&'a ActorId>,
    targets: &BTreeSet<Target>,
    known: Option<&Governance>,
    now: Time,
) -> (BTreeSet<&'a ActorId>, BTreeSet<&'a ActorId>) {
    let Some(known) = known else { return (people.clone(), BTreeSet::new()) };
    people.iter().partition(|person| targets.iter().all(|target| glass::is_entitled(known, person, target, now)))
}

/// Whoever is not entitled is told so before they sign what another has signed: their signature would count for nothing.
pub fn is_entitled(
    me: &ActorId,
    targets: &BTreeSet<Target>,
    known: Option<&Governance>,
    now: Time,
) -> Result<(), CliError> {
    match why_not(me, targets, known, now) {
        Some((why, who)) => {
            Err(CliError::refused("not-entitled", format!("nothing was signed: {why}"))
                .hint(format!("whose does: {who}")))
        }
        None => Ok(()),
    }
}

/// The same of whoever signs first, in a line: the gate may know of somebody whom this machine does not.
pub fn not_entitled(me: &ActorId, targets: &BTreeSet<Target>, known: Option<&Governance>, now: Time) -> Option<String> {
    let (why, who) = why_not(me, targets, known, now)?;
    Some(format!("as far as this machine knows, the signature of {me} opens nothing: {why}; whose does: {who}"))
}

/// Why somebody's signature counts for nothing, as far as this machine knows, and whose does count.
fn why_not(
    me: &ActorId,
    targets: &BTreeSet<Target>,
    known: Option<&Governance>,
    now: Time,
) -> Option<(String, String)> {
    let (known, (_, others)) = (known?, counting(&BTreeSet::from([me]), targets, known, now));
    if others.is_empty() {
        return None;
    }
    let who = glass::entitled(known, targets, now);
    let who = match who.is_empty() {
        true => "nobody's, for all of it: push what belongs to each apart".to_owned(),
        false => output::list(&who),
    };
    Some((format!("{me} neither owns {}, nor is on call for it, nor is a senior", glass::all_of(targets)), who))
}
