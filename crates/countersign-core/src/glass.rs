//! Breaking the glass: who is entitled to open a gate once whatever the rules say, and how many it takes.
//!
//! ```text
//!  the log is there      one who is entitled; the log takes it before the gate opens
//!  it is not             one, on tier 1 two, over what the gate drew in the outage; one more where the gate's copy of the log is
//!                        older than a day
//! ```
//!
//! Entitled is whoever owns the target or is on call for it at that moment, and every senior. That does not ask who had a hand in it: whoever made the mend at three
//! in the morning has to be able to put it into production. What they did alone somebody else looks at afterwards.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint, Time};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::ActorKind,
    governance::Governance,
    ids::{ActorId, Nonce, RuleId, Target},
};

/// How long it opens a gate, at most; and how long what a gate drew in an outage is good for.
pub const GLASS_SECS: i64 = 60 * 60;
/// From which age on of its copy a gate asks for one more without the log.
pub const OLD_COPY_SECS: i64 = 24 * 60 * 60;

/// That a permit stands on people's word alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broken {
    /// Who signed, with which key.
    pub by: BTreeMap<ActorId, Fingerprint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// What the gate drew, where the log was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub over_freezes: BTreeSet<Digest>,
    pub overrides: BTreeSet<ActorId>,
    /// Whose rejections stood besides: without the log nobody who signed knew of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unnamed: BTreeSet<ActorId>,
    pub reason: Digest,
}

/// That a permit is a gate's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alone {
    /// As of when the gate knew the log, by its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Time>,
    /// Whether the log, as it was when it heard of it, would have refused it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
    /// By which rules, unless it was for a stop alone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unmet: BTreeSet<RuleId>,
    /// Whether it went only because it is a rollback that one person may do alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovers: bool,
}

/// Whether somebody may open this target in an emergency.
pub fn is_entitled(governance: &Governance, person: &ActorId, target: &Target, now: Time) -> bool {
    let Some(actor) = governance.person(person) else { return false };
    let theirs =
        || governance.catalog.owns(person, &target.system) || governance.is_on_call(person, &target.system, now);
    actor.kind == ActorKind::Person && (actor.level.is_senior() || theirs())
}

/// Everybody who may open all of these targets in an emergency.
pub fn entitled<'a>(governance: &'a Governance, targets: &BTreeSet<Target>, now: Time) -> BTreeSet<&'a ActorId> {
    let may = |person: &ActorId| targets.iter().all(|target| is_entitled(governance, person, target, now));
    governance.people_with_keys().map(|actor| &actor.id).filter(|person| may(person)).collect()
}

/// What somebody has to own: `checkout/production`, `all of checkout/production and search/production`.
pub fn all_of(targets: &BTreeSet<Target>) -> String {
    let mut names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    match (names.pop(), names.is_empty()) {
        (None, _) => "all of it".to_owned(),
        (Some(one), true) => one,
        (Some(last), false) => format!("all of {} and {last}", names.join(", ")),
    }
}

/// How many people it takes.
pub fn needed(governance: &Governance, targets: &BTreeSet<Target>, without_the_log: bool) -> usize {
    let highest = targets.iter().any(|target| {
        // A system that the catalog does not know is taken for the most important one.
        governance.catalog.systems.get(&target.system).is_none_or(|system| system.tier == crate::catalog::Tier::HIGHEST)
    });
    if without_the_log && highest { 2 } else { 1 }
}

/// One more where a gate's copy is so old that it may not know of keys that were revoked.
pub fn needed_by_copy(governance: &Governance, targets: &BTreeSet<Target>, copy_age_secs: i64) -> usize {
    needed(governance, targets, true).saturating_add(usize::from(copy_age_secs > OLD_COPY_SECS))
}
