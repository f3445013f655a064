//! What would have become of the changes that were decided lately, had other rules been in force: the log's own snapshots, judged by
//! both.
//!
//! It is told to whoever weighs an amendment, and decides nothing. What no rule asked about is in no snapshot: a decision of which the
//! snapshot may lack what the rules ask is counted, and not judged.

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
    /// Of those whose snapshots may lack what the rules ask.
    pub untold: usize,
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
        if !told(&decided.rules, before, after) {
            self.untold = self.untold.saturating_add(1);
            return;
        }
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
        let untold = (self.untold > 0).then(|| {
            let of = output::count(self.untold, "decided change");
            format!("{of} cannot be judged by both: what the rules ask was not noted then; by a repository: countersign rules simulate DIR")
        });
        if self.looked_at == 0 {
            return untold.into_iter().collect();
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
        let mut lines: Vec<String> = lines.into_iter().flatten().collect();
        if lines.is_empty() {
            lines.push(format!("{of}, none would have come out otherwise"));
        }
        lines.extend(untold);
        lines
    }
}

/// Whether the snapshot of a decision by these rules has all that both ask: it was made for what those asked.
fn told(by: &Digest, before: &Rules, after: &Rules) -> bool {
    let noted = if *by == before.digest() { noted(before) } else { BTreeSet::new() };
    [before, after].into_iter().all(|rules| self::noted(rules).is_subset(&noted))
}

/// What is in a snapshot only where a rule asks about it.
fn noted(rules: &Rules) -> BTreeSet<String> {
    let words =
        ["size", "proposer", "proposer_kind"].into_iter().filter(|word| rules.ask_about(word)).map(str::to_owned);
    let paths = rules.patterns().map(|pattern| format!("paths {pattern}"));
    let groups = rules.groups().iter().map(|group| format!("group {group}"));
    words.chain(paths).chain(groups).collect()
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
            Otherwise { looked_at: 12, untold: 0, would_pass, would_not }.lines().join("\n").replace("0000000000", "…")
        };
        insta::assert_snapshot!(told(ids(0..0), ids(0..0)), @"of 12 changes decided lately, none would have come out otherwise");
        insta::assert_snapshot!(told(ids(0..7), ids(8..9)), @"
        of 12 changes decided lately, 7 that the rules in force deny would have passed: …00, …00, …00, …00, …00 and 2 more
        of 12 changes decided lately, 1 that they allow would not have passed: …00
        ");
        assert_eq!(Otherwise::default().lines(), Vec::<String>::new());
        let untold = Otherwise { untold: 1, ..Otherwise::default() };
        insta::assert_snapshot!(untold.lines().join("\n"), @"1 decided change cannot be judged by both: what the rules ask was not noted then; by a repository: countersign rules simulate DIR");
    }

    #[test]
    fn what_was_not_noted_is_not_judged() {
        let rules = |condition: &str| {
            let rule = format!(
                "@id(\"two\")\n@requires(\"approval:independent:1\")\n@because(\"four eyes\")\n@remedy(\"countersign approve {{change}}\")\n@mode(\"enforce\")\n\
                 @strength(\"mandatory\")\nforbid (principal, action == Countersign::Action::\"apply\", resource) when {{ {condition} }} \
                 unless {{ resource.approvals.independent >= 1 }};"
            );
            Rules::parse(&BTreeMap::from([("two.cedar".to_owned(), rule)])).unwrap()
        };
        let (plain, migrations) = (rules("resource.production"), rules("resource.paths.touched[\"migrations/**\"]"));
        assert!(told(&plain.digest(), &plain, &rules("resource.tier >= 2")));
        assert!(!told(&plain.digest(), &plain, &migrations), "no snapshot by `plain` says whether it touched them");
        assert!(told(&migrations.digest(), &migrations, &plain), "these say more than either asks");
        assert!(!told(&plain.digest(), &migrations, &plain), "made for what is in force no more");
        let large = rules("resource.size.added > 10");
        assert!(!told(&migrations.digest(), &migrations, &large));
    }
}
