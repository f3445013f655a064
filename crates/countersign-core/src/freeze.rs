//! Freezes that people sign: who may, for how long, and which changes they stop. Those of calendars are in [`crate::calendar`].
//!
//! A freeze stands in the stream of governance, which every decision depends on: whatever its scope, no gate and no verifier can
//! overlook it. Only [`FREEZE_SECS`] long, it takes away on one signature; whoever signed one waits as long again before they
//! sign another one over the same.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

pub use crate::frozen::{FREEZE_SECS, FreezeRecord, Freezes, MAX_OF_ONE, RENEW_SECS, name_of};
use crate::{
    calendar::Scope,
    catalog::Tier,
    change::{Change, PermitRecord, Revision},
    glob::Globs,
    governance::Governance,
    ids::{ActorId, SystemId, Target},
    refusal::Refusal,
    subject::Subject,
};

/// Whether somebody may freeze this: a senior everything, an owner and whoever is on call the systems that it names.
pub fn may_freeze(governance: &Governance, person: &ActorId, scope: &Scope, now: Time) -> bool {
    let Some(actor) = governance.person(person) else { return false };
    let theirs = |system: &SystemId| governance.owns(person, system) || governance.is_on_call(person, system, now);
    actor.level.is_senior() || !scope.systems.is_empty() && scope.systems.iter().all(theirs)
}

/// Everybody who may.
pub fn who_may<'a>(governance: &'a Governance, scope: &Scope, now: Time) -> BTreeSet<&'a ActorId> {
    let people = governance.people_with_keys().map(|actor| &actor.id);
    people.filter(|person| may_freeze(governance, person, scope, now)).collect()
}

/// The freezes that hold for a change, also those that it may pass, each with the targets that it is about.
pub fn about<'a>(
    governance: &'a Governance,
    change: &Change,
    now: Time,
) -> Vec<(&'a Digest, &'a FreezeRecord, BTreeSet<Target>)> {
    let holding = governance.record.freezes.iter().filter(|(_, record)| record.holds(now));
    let with_targets = holding.map(|(statement, record)| (statement, record, meant(governance, change, &record.scope)));
    with_targets.filter(|(_, _, targets)| !targets.is_empty()).collect()
}

/// The one that keeps a permit from being started.
pub(crate) fn stopping<'a>(
    governance: &'a Governance,
    change: &Change,
    permit: &PermitRecord,
    now: Time,
) -> Option<(&'a Digest, &'a FreezeRecord)> {
    let goes_over_it = permit.rollback || permit.broken.is_some();
    let mut stopping =
        about(governance, change, now).into_iter().filter(|(_, record, _)| lets(record, change).is_none());
    stopping.next().filter(|_| !goes_over_it).map(|(statement, record, _)| (statement, record))
}

/// Why a permit was issued, or a change was put in force, while a freeze held for it; `None` where none was.
pub fn passed(
    governance: &Governance,
    freeze: &FreezeRecord,
    change: &Change,
    permit: &PermitRecord,
) -> Option<String> {
    let within = freeze.at <= permit.issued_at && permit.issued_at < freeze.end();
    if !within || meant(governance, change, &freeze.scope).is_empty() {
        return None;
    }
    Some(match (&permit.broken, permit.rollback) {
        (Some(_), _) => "break-glass".to_owned(),
        (None, true) => "rollback".to_owned(),
        (None, false) => {
            lets(freeze, change).map_or_else(|| "nothing that may pass".to_owned(), |pass| pass.to_string())
        }
    })
}

fn lets(record: &FreezeRecord, change: &Change) -> Option<crate::calendar::Pass> {
    record.lets(change.kind, &change.purpose)
}

/// The first freeze that holds for a change, that it may not pass, and that whoever breaks the glass does not name.
pub fn unnamed_freeze(governance: &Governance, change: &Change, over: &BTreeSet<Digest>, now: Time) -> Option<Refusal> {
    let holding = about(governance, change, now).into_iter();
    let mut unnamed =
        holding.filter(|(statement, record, _)| lets(record, change).is_none() && !over.contains(statement));
    let (statement, record, _) = unnamed.next()?;
    let name = name_of(statement);
    Some(
        Refusal::conflict(
            "stop-not-named",
            format!(
                "{} has frozen this until {} (freeze {name}); whoever goes over that says so",
                record.by, record.until
            ),
        )
        .hint(format!("sign again with --over-freeze {}", statement.hex())),
    )
}

/// Those of a change's targets that a scope means, by what it brings now. What the catalog does not know is taken for production
/// of the highest tier.
pub(crate) fn meant(governance: &Governance, change: &Change, scope: &Scope) -> BTreeSet<Target> {
    let Some(revision) = change.current() else { return BTreeSet::new() };
    let touched = || match scope.paths.as_deref().map(Globs::parse) {
        None | Some(Err(_)) => true,
        Some(Ok(globs)) => touches(revision, &globs),
    };
    let is_meant = |target: &&Target| {
        let system = governance.catalog.target(target).ok();
        let tier = system.map_or(Tier::HIGHEST, |system| system.tier);
        let production = system.is_none() || governance.catalog.is_production(target);
        scope.is_about(target, production, tier, change.kind, touched)
    };
    change.targets.iter().filter(is_meant).cloned().collect()
}

/// Whether a revision touches one of these paths; of one of which nobody knows them, all.
pub(crate) fn touches(revision: &Revision, globs: &Globs) -> bool {
    match &revision.subject {
        Subject::Git(_) => revision.paths.as_ref().is_none_or(|paths| paths.iter().any(|path| path.meets(globs))),
        Subject::Files(subject) => subject.files.keys().any(|path| globs.is_match(path)),
        Subject::Governance(_) => true,
    }
}
