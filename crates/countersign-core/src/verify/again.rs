//! Running decisions of the log again.

use std::collections::BTreeSet;

use countersign_ledger::Digest;

use super::report::{Verdict, count};
use crate::{
    calendar::database,
    change::Change,
    decision::Decision,
    governance::Blobs,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::{Body, Decided},
};

/// What came of the decisions of a log, run again.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    run: u64,
    without_names: u64,
    /// How many counted evidence whose token is not there.
    without_tokens: u64,
    /// How many were taken by another database of time zones.
    by_other_zones: u64,
    /// What was not there of the names that those would have needed.
    missing: BTreeSet<Digest>,
    /// What erasures took away.
    erased: BTreeSet<Digest>,
    /// The first that differs, and how.
    differs: Option<(u64, String)>,
}

impl Decisions {
    pub(super) fn add(&mut self, index: u64, result: Result<Again, String>) {
        self.run = self.run.saturating_add(1);
        match result {
            Ok(Again::Same) => {}
            Ok(Again::ByOtherZones) => self.by_other_zones = self.by_other_zones.saturating_add(1),
            Ok(Again::WithoutNames(missing)) => {
                self.without_names = self.without_names.saturating_add(1);
                self.missing.extend(missing);
            }
            Ok(Again::WithoutTokens(missing)) => {
                self.without_tokens = self.without_tokens.saturating_add(1);
                self.missing.extend(missing);
            }
            Err(why) => {
                self.differs.get_or_insert((index, why));
            }
        }
    }

    /// Takes note of what a leaf erased.
    pub(super) fn erased(&mut self, body: &Body) {
        if let Body::Erasure(erasure) = body {
            self.erased.extend(&erasure.blobs);
        }
    }

    pub(super) fn words(&self) -> (Verdict, String, Option<u64>) {
        if let Some((index, why)) = &self.differs {
            return (Verdict::Broken, why.clone(), Some(*index));
        }
        if self.run == 0 {
            return (Verdict::NotChecked, "there is no decision to run again".to_owned(), None);
        }
        let mut detail = format!("{} run again with the same result", count(self.run, "decision"));
        if self.without_names > 0 {
            let why = match self.missing.difference(&self.erased).next() {
                None => "were erased since".to_owned(),
                Some(blob) => format!("are missing here, which no erasure in this copy took away ({blob})"),
            };
            detail.push_str(&format!(
                "; in {} of them names {why}, and whom the commits named is taken from the snapshot",
                self.without_names
            ));
        }
        if self.without_tokens > 0 {
            let why = match self.missing.difference(&self.erased).next() {
                None => "was erased since".to_owned(),
                Some(blob) => format!("is missing here, which no erasure in this copy took away ({blob})"),
            };
            detail.push_str(&format!(
                "; in {} of them evidence counted whose token {why}, so that the log's word stands for it",
                self.without_tokens
            ));
        }
        if self.by_other_zones > 0 {
            let (many, here) = (self.by_other_zones, database());
            detail.push_str(&format!(
                "; {many} of them by another database of time zones than is here ({here}), so that what calendars said is taken from the snapshot"
            ));
        }
        (Verdict::Holds, detail, None)
    }
}

/// How a decision came out the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// From what the statements say.
    Same,
    /// By another database of time zones than this program has, so that what calendars said had to be taken from the snapshot.
    ByOtherZones,
    /// Without the names in these blobs, so that whom the commits named had to be taken from the snapshot that the decision
    /// names.
    WithoutNames(BTreeSet<Digest>),
    /// Without these tokens, so that whether they spoke for evidence is taken from the log that took it.
    WithoutTokens(BTreeSet<Digest>),
}

/// The names that are not there, of what a decision about this change is taken from.
fn names_missing(state: &State, change: &Change) -> BTreeSet<Digest> {
    change.names_missing().chain(state.governance.profiles_missing().iter().copied()).collect()
}

/// The snapshot without which a decision cannot be run again, because names are missing that were there when it was taken.
pub fn snapshot_needed(state: &State, decided: &Decided) -> Option<Digest> {
    let change = state.change(&decided.change).ok().flatten()?;
    let missing = !names_missing(state, change).is_empty();
    let same = || {
        Snapshot::take(state, change, decided.decided_at).is_ok_and(|snapshot| snapshot.digest() == decided.snapshot)
    };
    ((missing || !state.governance.calendars.is_empty()) && !same()).then_some(decided.snapshot)
}

/// Decides again from a state and compares with what the log says was decided from it. Err says how they differ.
pub fn decide_again(state: &State, decided: &Decided, blob: &Blobs<'_>) -> Result<Again, String> {
    let change = state.change(&decided.change).map_err(|e| e.to_string())?;
    let change = change.ok_or_else(|| format!("there is no change {}", decided.change))?;
    let rules = &state.governance.rules;
    if decided.rules != rules.digest() {
        return Err("it was decided by other rules than those in force".to_owned());
    }
    let mut how = Again::Same;
    let mut by_other_zones = None;
    let mut snapshot = Snapshot::take(state, change, decided.decided_at).map_err(|e| e.to_string())?;
    let mut digest = snapshot.digest();
    let unseen: BTreeSet<Digest> = change.tokens_unseen().collect();
    let with_tokens = (!unseen.is_empty() && digest != decided.snapshot).then(|| change.as_with_tokens());
    let change = with_tokens.as_ref().unwrap_or(change);
    if with_tokens.is_some() {
        how = Again::WithoutTokens(unseen);
        snapshot = Snapshot::take(state, change, decided.decided_at).map_err(|e| e.to_string())?;
        digest = snapshot.digest();
    }
    if digest != decided.snapshot
        && let Some(logged) = blob(&decided.snapshot).and_then(|bytes| serde_json::from_slice(&bytes).ok())
    {
        snapshot = snapshot.held_as(&logged, state, change).map_err(|e| e.to_string())?;
        digest = snapshot.digest();
    }
    if digest != decided.snapshot
        && let Some(logged) = blob(&decided.snapshot).and_then(|bytes| serde_json::from_slice::<Snapshot>(&bytes).ok())
        && let Some(calendar) = logged.calendar.filter(|calendar| calendar.zones != database())
    {
        how = Again::ByOtherZones;
        by_other_zones = Some(calendar);
        snapshot.calendar.clone_from(&by_other_zones);
        digest = snapshot.digest();
    }
    let missing = names_missing(state, change);
    if !missing.is_empty() && digest != decided.snapshot {
        how = Again::WithoutNames(missing);
        let logged = blob(&decided.snapshot).ok_or_else(|| "names are missing, and so is the snapshot".to_owned())?;
        let logged =
            serde_json::from_slice(&logged).map_err(|e| format!("the snapshot in the log is malformed: {e}"))?;
        snapshot = Snapshot::take_like(&logged, state, change, decided.decided_at).map_err(|e| e.to_string())?;
        if by_other_zones.is_some() {
            snapshot.calendar = by_other_zones;
        }
        digest = snapshot.digest();
    }
    if digest != decided.snapshot {
        return Err(format!(
            "the snapshot that the statements give is {digest}, the decision names {}",
            decided.snapshot
        ));
    }
    let again = decide::decide_digested(rules, &snapshot, digest, decided.decided_at);
    if again.outcome != decided.outcome {
        return Err(format!("the rules say {} to what the log calls {}", again.outcome, decided.outcome));
    }
    if again.rollback.is_some() != decided.recovers {
        let alone = if decided.recovers { "" } else { "not " };
        return Err(format!("the log says that it went {alone}by one person's rollback, and the rules say otherwise"));
    }
    // The full decision may have been left out; where it is there, it has to be the same. Mostly it is so to the byte.
    let Some(logged) = blob(&decided.decision) else { return Ok(how) };
    let mut bytes = Vec::with_capacity(logged.len());
    if serde_json::to_writer(&mut bytes, &again).is_ok() && bytes == logged {
        return Ok(how);
    }
    match serde_json::from_slice::<Decision>(&logged) {
        Ok(logged) if logged == again => Ok(how),
        Ok(_) => Err("the decision in the log is not what the rules say".to_owned()),
        Err(e) => Err(format!("the decision in the log is malformed: {e}")),
    }
}
