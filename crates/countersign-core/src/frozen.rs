//! Freezes that people signed, as governance remembers them.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::{
    calendar::{Pass, Scope},
    ids::ActorId,
    kind::{Kind, Purpose},
    statement::Freeze,
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
    pub fn lets(&self, kind: Kind, purpose: &Purpose) -> Option<Pass> {
        self.may_pass.iter().find(|pass| pass.lets(kind, purpose)).copied()
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
