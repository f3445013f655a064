//! What would have become of the changes that were decided lately, had other rules been in force: the log's own snapshots, judged by
//! both.
//!
//! It is told to whoever weighs an amendment, and decides nothing. What no rule asked about is in no snapshot, so that a rule that
//! asks something new finds nothing there.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    admit::Signed,
    decision::Outcome,
    ids::ChangeId,
    rules::{Rules, decide::weigh},
    snapshot::Snapshot,
    statement::{Body, Decided},
};
use countersign_ledger::{Digest, Leaf, PublicKey};

use super::{error::CliError, output};
use crate::{client::Client, erasing::there};

/// How far back.
const MAX_LEAVES: u64 = 2_000;
/// How many changes are judged, the newest first.
const MAX_CHANGES: usize = 100;
/// How many of those that differ are named.
const NAMED: usize = 5;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Otherwise {
    pub looked_at: usize,
    /// Denied by the rules in force, allowed by the others.
    pub would_pass: BTreeSet<ChangeId>,
    pub would_not: BTreeSet<ChangeId>,
}

impl Otherwise {
    /// Judges the last decision of each change that the end of the log tells of, as signed by the server.
    pub fn of(client: &Client, size: u64, server: &PublicKey, before: &Rules, after: &Rules) -> Result<Self, CliError> {
        let mut found = Self::default();
        for (change, decided) in decided_lately(client, size, server)?.into_iter().take(MAX_CHANGES) {
            let Some(bytes) = there(client, &decided.snapshot)? else { continue };
            if Digest::of(&bytes) != decided.snapshot {
                continue;
            }
            // Of an older program it may have another form.
            let Ok(snapshot) = serde_json::from_slice::<Snapshot>(&bytes) else { continue };
            found.add(change, &snapshot, &decided, before, after);
        }
        Ok(found)
    }

    fn add(&mut self, change: ChangeId, snapshot: &Snapshot, decided: &Decided, before: &Rules, after: &Rules) {
        self.looked_at = self.looked_at.saturating_add(1);
        let outcome = |rules: &Rules| weigh(rules, snapshot, decided.decided_at).outcome;
        match (outcome(before), outcome(after)) {
            (Outcome::Deny, Outcome::Allow) => drop(self.would_pass.insert(change)),
            (Outcome::Allow, Outcome::Deny) => drop(self.would_not.insert(change)),
            (Outcome::Allow, Outcome::Allow) | (Outcome::Deny, Outcome::Deny) => {}
        }
    }

    /// A line for each way in which they differ.
    pub fn lines(&self) -> Vec<String> {
        let of = format!("of {} decided lately", output::count(self.looked_at, "change"));
        if self.looked_at == 0 {
            return Vec::new();
        }
        let line = |changes: &BTreeSet<ChangeId>, would: &str| {
            let named: Vec<&str> = changes.iter().take(NAMED).map(ChangeId::short).collect();
            let more = changes.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            (!changes.is_empty()).then(|| format!("{of}, {} {would}: {}{more}", changes.len(), named.join(", ")))
        };
        let lines = [
            line(&self.would_pass, "that the rules in force deny would have passed"),
            line(&self.would_not, "that they allow would not have passed"),
        ];
        let lines: Vec<String> = lines.into_iter().flatten().collect();
        if lines.is_empty() { vec![format!("{of}, none would have come out otherwise")] } else { lines }
    }
}

/// The last decision of each change, the newest first.
fn decided_lately(client: &Client, size: u64, server: &PublicKey) -> Result<Vec<(ChangeId, Decided)>, CliError> {
    let mut last: BTreeMap<ChangeId, (u64, Decided)> = BTreeMap::new();
    let mut next = size.saturating_sub(MAX_LEAVES);
    while next < size {
        let leaves = client.entries(next)?.leaves().unwrap_or_default();
        if leaves.is_empty() {
            break;
        }
        for bytes in leaves {
            if let Some(decided) = decision(&bytes, server) {
                last.insert(decided.change.clone(), (next, decided));
            }
            next = next.saturating_add(1);
        }
    }
    let mut newest: Vec<(ChangeId, (u64, Decided))> = last.into_iter().collect();
    newest.sort_by_key(|(_, (index, _))| std::cmp::Reverse(*index));
    Ok(newest.into_iter().map(|(change, (_, decided))| (change, decided)).collect())
}

/// What the server decided, if this leaf is that.
fn decision(bytes: &[u8], server: &PublicKey) -> Option<Decided> {
    let signed = Signed::check(&Leaf::parse(bytes).ok()?.envelope).ok()?;
    let by_the_server = signed.keys().any(|key| key == server.fingerprint());
    match &signed.statement().body {
        Body::Decided(decided) if by_the_server => Some(decided.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let ids = |numbers: std::ops::Range<u8>| -> BTreeSet<ChangeId> {
            numbers.map(|n| format!("{n:032x}").parse().unwrap()).collect()
        };
        let told = |would_pass, would_not| {
            Otherwise { looked_at: 12, would_pass, would_not }.lines().join("\n").replace("0000000000", "…")
        };
        insta::assert_snapshot!(told(ids(0..0), ids(0..0)), @"of 12 changes decided lately, none would have come out otherwise");
        insta::assert_snapshot!(told(ids(0..7), ids(8..9)), @"
        of 12 changes decided lately, 7 that the rules in force deny would have passed: …00, …00, …00, …00, …00 and 2 more
        of 12 changes decided lately, 1 that they allow would not have passed: …00
        ");
        assert_eq!(Otherwise::default().lines(), Vec::<String>::new());
    }
}
