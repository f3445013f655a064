//! What keeps every push out, whatever was approved: the gate's key was revoked, or too few vouch for the log. Pushes would
//! say so; whoever watches a gate to which nobody pushes is told here.
//!
//! What a server adds to it makes a gate look shut and never open: nothing is decided here.

use countersign_core::{
    governance::Governance,
    ids::Target,
    state::GateRecord,
    statement::Body,
    trust::{Trust, Vouching},
};
use countersign_ledger::{Fingerprint, SignedCheckpoint, Time};

use super::{FOLDER, GateError, GitGate};
use crate::{
    client::{Client, Via},
    follower::{learned, source::Source},
    gates::stops::Stops,
    home::files::word,
    wire::rfc3339,
};

/// Whether permits are given to the gate's key, by its copy, by what the server says now, and by stops that it was handed.
pub fn by_its_key(gate: &GitGate, by_copy: Option<&GateRecord>, now: Time) -> Result<Option<String>, GateError> {
    // That there is none is said already.
    let Ok(key) = gate.key() else { return Ok(None) };
    let key = key.public().fingerprint();
    let by_server = client(gate).gate(&gate.config.name).ok();
    let said = by_copy.into_iter().chain(&by_server).find_map(|record| lost(record, &key, now));
    let said = match said {
        Some(said) => Some(said),
        None => handed(gate, &key)?,
    };
    let own = gate.repository.join(FOLDER);
    Ok(said.map(|said| {
        format!(
            "no push is let through: {said}. For a new one: mv {0} {0}.old; countersign gate install {1} …",
            word(&own),
            word(&gate.repository)
        )
    }))
}

fn lost(record: &GateRecord, key: &Fingerprint, now: Time) -> Option<String> {
    if let Some(revoked) = record.revoked.get(key).filter(|revoked| revoked.takes(now)) {
        let (by, at) = (&revoked.by, rfc3339(revoked.at));
        return Some(match revoked.until() {
            None => format!("the gate's key {key} was revoked by {by} at {at}"),
            Some(until) => format!("the gate's key {key} was revoked by {by} until {}", rfc3339(until)),
        });
    }
    let known = record.key.fingerprint();
    (known != *key).then(|| format!("the log knows this gate by key {known}, and its key here is {key}"))
}

/// A revocation that the log does not have yet.
pub(super) fn handed(gate: &GitGate, key: &Fingerprint) -> Result<Option<String>, GateError> {
    let stops = Stops::beside(&gate.config.copy).all()?;
    let takes = |body: &Body| matches!(body, Body::KeyRevocation(revocation) if revocation.key == *key);
    let by =
        stops.iter().map(|stop| stop.signed().statement()).find(|said| takes(&said.body)).map(|said| &said.header.by);
    Ok(by.map(|by| {
        format!("the gate's key {key} was revoked by {by}, as the gate was told; the log does not have it yet")
    }))
}

/// Whether enough vouch for the log for any push that this gate could be asked about, as the server hands it on now. Where it
/// cannot be asked, what was remembered counts, as at a push.
pub fn by_cosigners(
    gate: &GitGate,
    governance: Option<&Governance>,
    remembered: Option<&SignedCheckpoint>,
    now: Time,
) -> Option<String> {
    gate.trust.cosigners.as_ref()?;
    let source = Source::Server(client(gate));
    let (shown, unasked) = match source.notes() {
        Ok((_, cosigned)) => {
            let trust = learned::in_folder(&gate.config.copy, &gate.trust).unwrap_or_else(|_| gate.trust.clone());
            (cosigned.and_then(|note| SignedCheckpoint::open(&note, &trust.log_key).ok()), None)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    let secs = longest_secs(&gate.trust, &gate.config.targets(), governance);
    let vouched = |note: Option<&SignedCheckpoint>| gate.trust.vouching(note, now, u64::try_from(secs).unwrap_or(0));
    let short = match (vouched(shown.as_ref()), vouched(remembered)) {
        (Vouching::Short(error), Vouching::Short(old)) => {
            if shown.is_some() {
                error
            } else {
                old
            }
        }
        (Vouching::Nobody | Vouching::Enough { .. }, _) | (_, Vouching::Nobody | Vouching::Enough { .. }) => {
            return None;
        }
    };
    let unasked = unasked.map(|error| format!(" (the server cannot be asked: {error})")).unwrap_or_default();
    Some(format!("no push is let through (`not-cosigned`): within {secs} s, {short}{unasked}"))
}

/// How old cosignatures may be for the target that asks least of them: while they are older than that, nothing passes.
fn longest_secs<'t>(
    trust: &Trust,
    targets: impl IntoIterator<Item = &'t Target>,
    governance: Option<&Governance>,
) -> i64 {
    let tier = |target: &Target| Some(governance?.catalog.target(target).ok()?.tier);
    let secs = targets.into_iter().filter_map(|target| Some(trust.fresh.secs(tier(target)?)));
    secs.max().unwrap_or_else(|| trust.fresh.longest_secs())
}

fn client(gate: &GitGate) -> Client {
    Client::through(&gate.config.url, Via::Only(gate.config.proxy.as_deref()))
}
