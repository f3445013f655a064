//! Rules that were switched off and on again: what passed between, that they would have stopped.
//!
//! Both are lawful changes of what governs, each by two people. What went through meanwhile no leaf says, and whoever reads the log
//! would have to judge every change of that time again; the server does, and says it once.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    decision::{Mode, Outcome},
    governance::{Governance, GovernanceRecord, RULES, parse_rules, read_manifest},
    ids::{ActorId, ChangeId, RuleId, Target},
    rules::decide::weigh,
    snapshot::Snapshot,
    state::FindingRecord,
    statement::{Body, Decided, MAX_LIST, Matter, governance_stream},
};
use countersign_ledger::Digest;

use super::{Engine, EngineError, OwnLeaf};
use crate::{
    records::{self, facet},
    store::{Facet, List, MAX_PAGE},
};

/// How many of the last publications are looked at: more come at once only where the server was away.
const LOOKED_BACK: usize = 8;
/// How many leaves between a rule's going and its coming back are read, the last ones.
const MAX_LEAVES: u64 = 100_000;
/// How many findings on one rule are looked through for the same.
const MAX_KNOWN: u64 = 200;

/// Governance as a publication left it, as far as rules go.
struct Stood {
    index: u64,
    statement: Digest,
    files: BTreeMap<String, Digest>,
    enforced: BTreeSet<RuleId>,
}

impl Engine {
    /// Raises a finding where a rule that bound something once, and then did not, binds again, and changes passed meanwhile that
    /// it would have stopped: one for each of their targets. Gives how many.
    pub async fn raise_switched(&self) -> Result<usize, EngineError> {
        let now = self.clock.now()?;
        let governance = self.governance().await?;
        let who: BTreeSet<ActorId> = governance.policy_group().into_iter().cloned().collect();
        let history = self.stood().await?;
        let mut found = Vec::new();
        for (at, on) in history.iter().enumerate().skip(1).rev().take(LOOKED_BACK) {
            let Some((past, before)) = history.get(..at).and_then(|past| Some((past, past.last()?))) else { continue };
            for rule in on.enforced.difference(&before.enforced) {
                let Some(last) = past.iter().rposition(|stood| stood.enforced.contains(rule)) else { continue };
                let (Some(old), Some(off)) = (past.get(last), past.get(last + 1)) else { continue };
                for (target, changes) in self.passed(&governance, rule, old, off, on).await? {
                    let changes = changes.into_iter().take(MAX_LIST).collect();
                    let is_there = governance.catalog.target(&target).is_ok();
                    let (off, on) = (off.statement, on.statement);
                    let what = Matter::RuleSwitched { changes, off, on, rule: rule.clone(), target };
                    if is_there && !self.was_found(rule, &what).await? {
                        found.push((what, who.clone()));
                    }
                }
            }
        }
        self.raise(found, now).await
    }

    /// What each genesis and publication left.
    async fn stood(&self) -> Result<Vec<Stood>, EngineError> {
        let mut stood: Vec<Stood> = Vec::new();
        let mut known: BTreeMap<Digest, BTreeSet<RuleId>> = BTreeMap::new();
        for (index, bytes) in self.stream(&governance_stream()?).await? {
            let leaf = OwnLeaf::read(&bytes)?;
            let Some(list) = leaf.body().governance_files() else { continue };
            let lists = self.store.blobs(&[list]).await?;
            let replaced = read_manifest(&list, &|digest| lists.get(digest).cloned())?;
            let replaced = replaced.into_iter().filter(|(path, _)| path.starts_with(RULES));
            let mut files = stood.last().map(|last| last.files.clone()).unwrap_or_default();
            for (path, digest) in replaced {
                match digest {
                    Some(digest) => drop(files.insert(path, digest)),
                    None => drop(files.remove(&path)),
                }
            }
            let unread: Vec<Digest> = files.values().filter(|digest| !known.contains_key(*digest)).copied().collect();
            for (digest, bytes) in self.store.blobs(&unread).await? {
                known.insert(digest, enforced(bytes));
            }
            let enforced = files.values().filter_map(|digest| known.get(digest)).flatten().cloned().collect();
            stood.push(Stood { index, statement: leaf.leaf.envelope.payload_digest(), files, enforced });
        }
        Ok(stood)
    }

    /// The changes that were let through while the rule did not bind and that it would have stopped, by their targets.
    async fn passed(
        &self,
        governance: &Governance,
        rule: &RuleId,
        old: &Stood,
        off: &Stood,
        on: &Stood,
    ) -> Result<BTreeMap<Target, BTreeSet<ChangeId>>, EngineError> {
        let mut passed: BTreeMap<Target, BTreeSet<ChangeId>> = BTreeMap::new();
        let allowed = self.allowed(off.index.max(on.index.saturating_sub(MAX_LEAVES)), on.index).await?;
        if allowed.is_empty() {
            return Ok(passed);
        }
        // By the rules of then, and whoever is there now.
        let others = governance.record.files.iter().filter(|(path, _)| !path.starts_with(RULES));
        let files = others.chain(&old.files).map(|(path, digest)| (path.clone(), *digest)).collect();
        let record = GovernanceRecord { files, ..governance.record.clone() };
        let then = records::read_governance(&*self.store, record).await?;
        for (id, decided) in allowed {
            let blobs = self.store.blobs(&[decided.snapshot]).await?;
            let snapshot =
                blobs.get(&decided.snapshot).and_then(|bytes| serde_json::from_slice::<Snapshot>(bytes).ok());
            let (Some(snapshot), Some(change)) = (snapshot, self.change(&id).await?) else { continue };
            let snapshot = snapshot.as_asked_by(&then, &change).unwrap_or(snapshot);
            let weighed = weigh(&then.rules, &snapshot, decided.decided_at);
            for one in weighed.rules.iter().filter(|one| one.rule.id == *rule && one.stops()) {
                for view in &one.unmet {
                    passed.entry(view.target.clone()).or_default().insert(id.clone());
                }
            }
        }
        Ok(passed)
    }

    /// The last decision that let each change through, of those between two leaves.
    async fn allowed(&self, from: u64, to: u64) -> Result<BTreeMap<ChangeId, Decided>, EngineError> {
        let mut allowed = BTreeMap::new();
        let mut next = from;
        while next < to {
            let leaves = self.store.leaves(next..to.min(next.saturating_add(MAX_PAGE))).await?;
            if leaves.is_empty() {
                break;
            }
            next = next.saturating_add(leaves.len() as u64);
            for bytes in leaves {
                match OwnLeaf::read(&bytes)?.body() {
                    Body::Decided(decided) if decided.outcome == Outcome::Allow => {
                        allowed.insert(decided.change.clone(), decided.clone());
                    }
                    _ => {}
                }
            }
        }
        Ok(allowed)
    }

    /// Whether that was found before, answered or not.
    async fn was_found(&self, rule: &RuleId, what: &Matter) -> Result<bool, EngineError> {
        let filters = [Facet::new(facet::ABOUT, format!("rule/{rule}"))];
        let page = self.store.list(&List { filters: &filters, ..List::of(records::FINDING, MAX_KNOWN) }).await?;
        for item in &page.items {
            let record: FindingRecord = records::parse(&item.name, &item.body)?;
            if record.what.same() == what.same() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The rules of a file that bind; none of one that does not parse any more.
fn enforced(bytes: Vec<u8>) -> BTreeSet<RuleId> {
    let rules = String::from_utf8(bytes).ok().and_then(|text| parse_rules(&[("a.cedar".to_owned(), text)].into()).ok());
    let rules = rules.iter().flat_map(|rules| rules.iter());
    rules.filter(|rule| rule.mode == Mode::Enforce).map(|rule| rule.id.clone()).collect()
}
