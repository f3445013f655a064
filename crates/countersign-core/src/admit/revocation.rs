//! Who may take a key's authority away, for how long, and what they may not do meanwhile.
//!
//! Anybody may revoke another's key at once, because a stolen key does not wait: for a day, and for good once a second person
//! confirms it. What one person can take away so is bounded, or the key of one newcomer could close a home.
//!
//! What follows from the streams of who revoked and of whose key it is, admission checks, and so does everybody who follows.
//! How many are suspended in the whole home is for [`bounds`], which the engine asks where it admits one revocation after the
//! other: no stream tells it, and a server that let more pass would only have stopped more.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Fingerprint, Time};

use super::{Authenticated, Signed, person};
use crate::{
    catalog::Actor,
    governance::Governance,
    ids::ActorId,
    newcomers,
    refusal::Refusal,
    state::{PersonRecord, RevocationRecord, State},
    statement::{Body, Holder, KeyRevocation, RevocationConfirmation},
};

/// Of one person or gate another revokes a key once in this time.
const ONCE_IN_SECS: i64 = 30 * 24 * 60 * 60;
/// How many keys of others one person suspends at a time.
pub const MAX_OF_ONE: usize = 2;
/// How many of a hundred people are suspended at a time; one always can be.
const MAX_PERCENT: usize = 5;

pub(super) fn revocation(
    state: &State,
    authenticated: &Authenticated<'_>,
    revocation: &KeyRevocation,
    now: Time,
) -> Result<(), Refusal> {
    let by = person(authenticated, "revoke a key")?;
    let key = &revocation.key;
    let (theirs, own, records) = of_holder(state, &revocation.of, key, &by)?;
    if !theirs {
        return Err(Refusal::unknown("unknown-key", format!("key {key} belongs to nobody of that name"))
            .hint("a fingerprint reads SHA256:…, as `ssh-keygen -l -f KEY` prints it"));
    }
    match records.and_then(|records| records.get(key)).filter(|record| record.takes(now)) {
        // What is suspended its holder can still give up for good.
        Some(record) if record.until().is_none() || !own => {
            let until = record.until().map(|_| format!(" by {}", record.by)).unwrap_or_default();
            let refusal = Refusal::conflict("already-revoked", format!("key {key} is already revoked{until}"));
            return Err(match record.until() {
                Some(_) => refusal.hint(format!("so that it stays so, confirm it: countersign revoke {key} --confirm")),
                None => refusal,
            });
        }
        Some(_) | None => {}
    }
    if own {
        return Ok(());
    }
    let lately = |record: &&RevocationRecord| !record.own && now.secs_since(record.at) < ONCE_IN_SECS;
    if let Some(before) = records.and_then(|records| records.values().find(lately)) {
        return Err(Refusal::conflict(
            "revoked-lately",
            format!("{} revoked a key of {} within the last 30 days", before.by, name(&revocation.of)),
        )
        .hint("take the key out of the catalog: countersign amend HOME, signed by two people"));
    }
    let suspended = state.person(&by)?.map_or(0, |record| record.suspends(now).count());
    if suspended >= MAX_OF_ONE {
        return Err(Refusal::conflict(
            "too-many-revocations",
            format!("{by} has revoked {suspended} keys of others that nobody has confirmed yet, and that is the most"),
        )
        .hint("have a second person confirm them (countersign revoke KEY --confirm), or let somebody else revoke"));
    }
    Ok(())
}

/// Whether it is the holder's key, whether it is the speaker's own to revoke, and what was said of the holder's keys.
#[expect(clippy::type_complexity, reason = "three answers to one question, named where they are taken apart")]
fn of_holder<'a>(
    state: &'a State,
    of: &Holder,
    key: &Fingerprint,
    by: &ActorId,
) -> Result<(bool, bool, Option<&'a BTreeMap<Fingerprint, RevocationRecord>>), Refusal> {
    Ok(match of {
        Holder::Person(id) => {
            let records = state.person(id)?.map(|record| &record.revoked);
            // Also one that was given up, by which something may have been approved, or that can recover.
            let governance = &state.governance;
            let was = || governance.record.retired.get(key).is_some_and(|retired| retired.of == *id);
            let pinned = || governance.founder_by_pinned_key(key) == Some(id);
            (governance.listed(id, key).is_some() || was() || pinned(), id == by, records)
        }
        Holder::Gate(id) => match state.gate(id)? {
            Some(gate) => (gate.key.fingerprint() == *key, gate.registered_by == *by, Some(&gate.revoked)),
            None => (false, false, None),
        },
    })
}

pub(super) fn confirmation(
    state: &State,
    authenticated: &Authenticated<'_>,
    said: &RevocationConfirmation,
    now: Time,
) -> Result<(), Refusal> {
    let by = person(authenticated, "confirm a revocation")?;
    let (_, _, records) = of_holder(state, &said.of, &said.key, &by)?;
    let record = records
        .and_then(|records| records.get(&said.key))
        .filter(|record| record.statement == said.revocation && record.by == said.revoked_by);
    let Some(record) = record else {
        return Err(Refusal::unknown(
            "unknown-revocation",
            format!("{} has not revoked key {} of {}", said.revoked_by, said.key, name(&said.of)),
        ));
    };
    if record.until().is_none() {
        return Err(Refusal::conflict("already-revoked", format!("key {} is already revoked for good", said.key)));
    }
    if !record.takes(now) {
        return Err(Refusal::conflict(
            "revocation-ended",
            format!("nobody confirmed within a day that key {} is revoked; it holds again", said.key),
        )
        .hint("take the key out of the catalog: countersign amend HOME, signed by two people"));
    }
    newcomers::apart(&state.governance, &[&record.by, &by], now)?;
    may_confirm(&state.governance, &said.of, &record.by, &by)
}

/// Whether this person can be the second who says that a key stays revoked.
pub fn may_confirm(
    governance: &Governance,
    of: &Holder,
    revoked_by: &ActorId,
    person: &ActorId,
) -> Result<(), Refusal> {
    if person == revoked_by || *of == Holder::Person(person.clone()) {
        return Err(Refusal::forbidden(
            "third-person",
            format!("{person} cannot confirm this revocation: another person does"),
        )
        .hint("neither who revoked nor whose key it is; whose it is revokes it for good: countersign revoke KEY"));
    }
    let senior = |id: &ActorId| governance.person(id).is_some_and(|actor| actor.level.is_senior());
    if senior(person) || senior(revoked_by) || governance.catalog.seniors().is_empty() {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "senior-needed",
        format!("neither {revoked_by} nor {person} is a senior; one of the two has to be"),
    )
    .hint("have a senior confirm it"))
}

/// Whether a home can bear another revocation: how many are suspended at a time, and who is left to act. `records` are those of
/// everybody of whom something was revoked.
pub fn bounds(
    governance: &Governance,
    records: &BTreeMap<ActorId, PersonRecord>,
    signed: &Signed,
    now: Time,
) -> Result<(), Refusal> {
    let statement = signed.statement();
    let Body::KeyRevocation(KeyRevocation { key, of: Holder::Person(of), .. }) = &statement.body else { return Ok(()) };
    if *of == statement.header.by {
        return Ok(());
    }
    let suspended = |record: &PersonRecord| {
        record.revoked.values().any(|revocation| revocation.until().is_some_and(|until| now < until))
    };
    let others: BTreeSet<&ActorId> =
        records.iter().filter(|(id, record)| *id != of && suspended(record)).map(|(id, _)| id).collect();
    let most = governance.catalog.population().saturating_mul(MAX_PERCENT).div_euclid(100).max(1);
    if others.len() >= most {
        let names: Vec<&str> = others.into_iter().take(5).map(ActorId::as_str).collect();
        return Err(Refusal::conflict(
            "too-many-suspended",
            format!("keys of {} are suspended now, and of this home no more than {most} at a time", names.join(", ")),
        )
        .hint("have a second person confirm one of those revocations (countersign revoke KEY --confirm), or wait until it ends"));
    }
    let able = |person: &&Actor| {
        let record = records.get(&person.id);
        let holds = |fingerprint: &Fingerprint| {
            let taken = person.id == *of && fingerprint == key;
            !taken && !record.is_some_and(|record| record.is_revoked(fingerprint, now))
        };
        person.keys.iter().any(|key| holds(&key.fingerprint()))
    };
    let left = governance.people_with_keys().filter(able).count();
    let needed = usize::try_from(governance.record.recovery_quorum).unwrap_or(usize::MAX);
    if left >= needed {
        return Ok(());
    }
    Err(Refusal::conflict(
        "too-few-left",
        format!("without key {key}, {left} people could act here, fewer than the {needed} who could recover the log"),
    )
    .hint("whose key it is can revoke it: countersign revoke KEY; or two people take it out of the catalog: countersign amend HOME"))
}

/// Refuses a publication that lists a key again which was revoked for good: it would look like a key and sign nothing.
pub fn brings_back(
    before: &Governance,
    after: &Governance,
    records: &BTreeMap<ActorId, PersonRecord>,
) -> Result<(), Refusal> {
    for (id, record) in records {
        for (key, revocation) in record.revoked.iter().filter(|(_, revocation)| revocation.until().is_none()) {
            if after.listed(id, key).is_some() && before.listed(id, key).is_none() {
                return Err(Refusal::conflict(
                    "revoked-key",
                    format!("key {key} of {id} was revoked by {}, and does not come back", revocation.by),
                )
                .hint(format!("give {id} a new key: ssh-keygen -t ed25519")));
            }
        }
    }
    Ok(())
}

fn name(of: &Holder) -> String {
    match of {
        Holder::Person(person) => person.to_string(),
        Holder::Gate(gate) => format!("gate {gate}"),
    }
}
