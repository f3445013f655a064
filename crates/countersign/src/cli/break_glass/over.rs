//! What breaking the glass goes over, as it is shown before it is signed.

use std::collections::BTreeSet;

use countersign_core::{
    calendar::Use,
    governance::Governance,
    ids::{ActorId, Target},
    kind::{Kind, Purpose},
    snapshot::Snapshot,
    statement::Body,
};
use countersign_ledger::Digest;

use super::super::{error::CliError, freeze, output::joined};
use crate::{clock, gates::glass::Glass, reading::Reading};

/// Whose rejection it says that it goes over, checked: a slip would look as if it were named. A rejection that only a gate was handed
/// the log does not have, and it can be named all the same.
pub fn named(reading: &Reading, over: &[ActorId]) -> Result<Vec<String>, CliError> {
    let (state, change) = (reading.state(), reading.change());
    let held = state.held_by(change)?;
    let standing: BTreeSet<&ActorId> =
        change.standing_rejections().map(|rejection| &rejection.by).chain(held.iter().map(|held| &held.by)).collect();
    let mut lines = Vec::new();
    for by in over.iter().filter(|by| !standing.contains(by)) {
        is_a_person(&state.governance, by).map_err(|error| match standing.is_empty() {
            true => error.hint(format!("nobody's rejection of {} stands: leave --over away", change.id.short())),
            false => {
                error.hint(format!("those whose rejection of {} stands: {}", change.id.short(), joined(&standing)))
            }
        })?;
        lines.push(format!("the log has no rejection by {by} that stands: only one that its gate was handed is meant"));
    }
    Ok(lines)
}

pub fn is_a_person(governance: &Governance, who: &ActorId) -> Result<(), CliError> {
    match governance.person(who) {
        Some(_) => Ok(()),
        None => Err(CliError::usage(format!("--over {who}: there is no such person in the catalog"))),
    }
}

/// The freezes that it goes over, which this machine may know of; of a log that it has never seen they go by their whole digests.
pub fn freezes(known: Option<&Governance>, names: &[String]) -> Result<BTreeSet<Digest>, CliError> {
    let Some(known) = known else { return whole(names) };
    freeze::of_no_calendar(known, names)?;
    freeze::gone_over(known, names).or_else(|_| whole(names))
}

/// Freezes by whole digests: what the log would tell is away.
fn whole(names: &[String]) -> Result<BTreeSet<Digest>, CliError> {
    let digest = |name: &String| {
        freeze::whole(name).ok_or_else(|| {
            CliError::usage(format!("`{name}` is not the whole digest of a freeze"))
                .hint("while the log is away it has 64 digits, as the gate's refusal says them: --over-freeze DIGEST")
        })
    };
    names.iter().map(digest).collect()
}

/// Freezes of calendars that hold for a change: it goes over them without their being named.
pub fn of_calendars(reading: &Reading) -> Result<Vec<String>, CliError> {
    let snapshot = Snapshot::take(reading.state(), reading.change(), clock::now())?;
    let holding = snapshot.freezes().iter().filter(|freeze| freeze.by.is_none() && !freeze.lets(&snapshot));
    Ok(holding
        .map(|freeze| format!("goes over freeze {} of a calendar, until {}", freeze.name, freeze.until))
        .collect())
}

/// The same by what this machine knows, where the log is away.
pub fn of_known_calendars(
    known: Option<&Governance>,
    targets: &BTreeSet<Target>,
    kind: Kind,
    purpose: &Purpose,
) -> Vec<String> {
    let (Some(known), now) = (known, clock::now()) else { return Vec::new() };
    let mut lines = Vec::new();
    for calendar in known.calendars.used_for(Use::Freeze) {
        let is_meant = |target: &Target| {
            let tier = known.catalog.target(target).map(|system| system.tier).ok();
            tier.is_some_and(|tier| {
                // Which paths a freeze is about is left to the gate.
                calendar.file.scope.is_about(target, known.catalog.is_production(target), tier, kind, || true)
            })
        };
        let passes = calendar.file.may_pass.iter().any(|pass| pass.lets(kind, purpose));
        if let Some(until) = calendar.until(now).filter(|_| !passes && targets.iter().any(is_meant)) {
            lines.push(format!("goes over freeze {} of a calendar, until {until}", calendar.name));
        }
    }
    lines
}

/// The same of a file that somebody has signed.
pub fn of_known_calendars_by(known: Option<&Governance>, glass: &Glass) -> Result<Vec<String>, CliError> {
    let said = glass.says()?;
    let (kind, purpose) = match glass.proposal.as_ref().map(|part| &part.signed.statement().body) {
        Some(Body::Proposal(proposal)) => (proposal.kind, proposal.purpose.clone()),
        // Of what stands in the log alone this machine knows no more.
        _ => (Kind::Code, Purpose { incident: said.incident.clone(), ..Purpose::default() }),
    };
    Ok(of_known_calendars(known, &said.targets, kind, &purpose))
}
