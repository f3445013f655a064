//! Freezes that people sign: who may, for how long, and which changes they stop. Those of calendars are in [`crate::calendar`].
//!
//! A freeze stands in the stream of governance, which every decision depends on: whatever its scope, no gate and no verifier can
//! overlook it. Only [`FREEZE_SECS`] long, it takes away on one signature; whoever signed one waits as long again before they
//! sign another one over the same.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::{
    calendar::{Pass, Scope},
    change::{Change, PermitRecord},
    governance::Governance,
    ids::{ActorId, SystemId, Target},
    statement::Freeze,
    take::meant,
};

/// How long one lasts at the most.
pub const FREEZE_SECS: i64 = 24 * 60 * 60;
/// How long after its end the same person signs none over the same.
pub const RENEW_SECS: i64 = 24 * 60 * 60;
/// Most of one person that are remembered at once.
pub const MAX_OF_ONE: usize = 8;
/// How long those that are over stay known, so that it can be told what passed them; and how many.
const KEPT_SECS: i64 = 30 * 24 * 60 * 60;
const MAX_OVER: usize = 200;

/// A freeze, as the stream of governance tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeRecord {
    pub by: ActorId,
    pub at: Time,
    pub lifted_at: Option<Time>,
    pub may_pass: BTreeSet<Pass>,
    /// Blob: why, salted.
    pub reason: Digest,
    pub scope: Scope,
    pub until: Time,
}

/// Freezes by the payload digests of their statements.
pub type Freezes = BTreeMap<Digest, FreezeRecord>;

impl FreezeRecord {
    pub(crate) fn of(said: &Freeze, by: &ActorId, at: Time) -> Self {
        let Freeze { may_pass, reason, scope, until } = said.clone();
        Self { by: by.clone(), at, lifted_at: None, may_pass, reason, scope, until }
    }

    pub fn end(&self) -> Time {
        self.lifted_at.map_or(self.until, |lifted| lifted.min(self.until))
    }

    pub fn holds(&self, now: Time) -> bool {
        now < self.end()
    }

    /// Whether its signer still waits before they freeze the same again.
    pub fn bars(&self, by: &ActorId, scope: &Scope, now: Time) -> bool {
        self.by == *by && self.scope.overlaps(scope) && now < self.end().plus_secs(RENEW_SECS)
    }

    /// Why a change goes in spite of it, by what it says itself.
    pub fn lets(&self, change: &Change) -> Option<Pass> {
        self.may_pass.iter().find(|pass| pass.lets(change.kind, &change.purpose)).copied()
    }
}

/// What a freeze is called: the first digits of its statement's digest.
pub fn name_of(statement: &Digest) -> String {
    statement.hex().chars().take(12).collect()
}

/// Puts one in, and takes out what is long over.
pub(crate) fn put(freezes: &mut Freezes, statement: Digest, record: FreezeRecord) {
    let at = record.at;
    freezes.retain(|_, known| at < known.end().plus_secs(KEPT_SECS));
    let mut over: Vec<(Time, Digest)> = Vec::new();
    for (statement, known) in freezes.iter() {
        if at >= known.end().plus_secs(RENEW_SECS) {
            over.push((known.end(), *statement));
        }
    }
    over.sort_unstable();
    let surplus = over.len().saturating_sub(MAX_OVER);
    for (_, statement) in over.into_iter().take(surplus) {
        freezes.remove(&statement);
    }
    freezes.insert(statement, record);
}

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
        about(governance, change, now).into_iter().filter(|(_, record, _)| record.lets(change).is_none());
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
            freeze.lets(change).map_or_else(|| "nothing that may pass".to_owned(), |pass| pass.to_string())
        }
    })
}

/// As one text: what governance is kept in leaves no field out.
pub(crate) mod as_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    use super::Freezes;

    pub fn serialize<S: Serializer>(freezes: &Freezes, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(freezes).map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Freezes, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
