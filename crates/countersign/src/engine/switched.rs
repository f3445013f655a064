//! Rules that let more through for a while: what passed between, that they would have stopped before and stop again. They were switched
//! off and on, or became others; or a target was of a lower tier or of other owners, or somebody a senior.
//!
//! All of these are lawful changes of what governs, each by two people. What went through meanwhile no leaf says, and whoever reads the
//! log would have to judge every change of that time again; the server does, and says it once.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use countersign_core::{
    change::Change,
    decision::Outcome,
    governance::{Governance, GovernanceRecord, RULES, read_manifest},
    ids::{ActorId, ChangeId, RuleId, Target},
    rules::decide::weigh,
    snapshot::Snapshot,
    state::FindingRecord,
    statement::{Body, Decided, MAX_LIST, Matter, governance_stream},
    take,
};
use countersign_ledger::{Digest, Time};

use super::{Engine, EngineError, OwnLeaf, approving, findings::ToRaise};
use crate::{
    records::{self, RecordError, facet},
    store::{Facet, List, MAX_PAGE},
};

/// How many of the last publications are looked at: more come at once only where the server was away.
const LOOKED_BACK: usize = 8;
/// Where everybody here had a hand in both.
const NOBODY_ELSE: &str = "nobody is here who had no hand in switching it, so that those who did are asked";
/// How many publications before each of these are.
const MAX_PUBLICATIONS: usize = 64;
/// How many leaves before each are read, the last ones.
const MAX_LEAVES: u64 = 100_000;
/// How many findings on one rule are looked through for the same.
const MAX_KNOWN: u64 = 200;
/// People come, go and are promoted. Only whose standing changes to and fro within so long is looked at.
const STANDING_SECS: i64 = 30 * 24 * 60 * 60;

/// What a genesis or publication left.
struct Stood {
    index: u64,
    at: Time,
    statement: Digest,
    files: BTreeMap<String, Digest>,
    /// Who put it in force, and by which change.
    by: ActorId,
    change: Option<ChangeId>,
}

impl Stood {
    fn rules(&self) -> impl Iterator<Item = (&String, &Digest)> {
        self.files.iter().filter(|(path, _)| path.starts_with(RULES))
    }
}

/// A change that was let through.
struct Passed {
    id: ChangeId,
    leaf: u64,
    decided: Decided,
}

/// A rule that stops a change on a target.
type Stop = (RuleId, Target);

impl Engine {
    /// Raises a finding where a rule stops what it stopped once and then did not, and changes passed meanwhile: one for each of their
    /// targets. Gives how many.
    pub async fn raise_switched(&self) -> Result<usize, EngineError> {
        let now = self.clock.now()?;
        let governance = self.governance().await?;
        let presence = records::presence(&*self.store, &governance, now).await?;
        let history = self.stood().await?;
        let mut loaded = Loaded { record: &governance.record, known: BTreeMap::new() };
        let mut found = Vec::new();
        for at in (1..history.len()).rev().take(LOOKED_BACK) {
            let Some(past) = history.get(at.saturating_sub(MAX_PUBLICATIONS)..=at) else { continue };
            for ((off, on, rule, target), changes) in self.switched(&mut loaded, past).await? {
                let changes = changes.into_iter().take(MAX_LIST).collect();
                let is_there = governance.catalog.target(&target).is_ok() && governance.rules.get(&rule).is_some();
                let what = Matter::RuleSwitched { changes, off, on, rule: rule.clone(), target };
                if is_there && !self.was_found(&rule, &what).await? {
                    let hands = self.switched_by(&history, &[off, on]).await?;
                    let others = approving::others(&governance, &presence, &hands, now);
                    // Then it is told to everybody who reads it that nobody else is there.
                    let why = others.is_empty().then(|| NOBODY_ELSE.to_owned());
                    let who = match others.is_empty() {
                        true => governance.policy_group().into_iter().cloned().collect(),
                        false => others,
                    };
                    found.push(ToRaise { what, who, hands, why });
                }
            }
        }
        self.raise(found, now).await
    }

    /// Who had a hand in publications: whoever made or approved their changes, and put them in force.
    async fn switched_by(&self, history: &[Stood], statements: &[Digest]) -> Result<BTreeSet<ActorId>, EngineError> {
        let governance = self.governance().await?;
        let mut hands = BTreeSet::new();
        for stood in history.iter().filter(|stood| statements.contains(&stood.statement)) {
            hands.insert(stood.by.clone());
            let Some(id) = &stood.change else { continue };
            let Some(change) = self.change(id).await? else { continue };
            hands.extend(take::contributors(&governance, &change).all);
            hands.extend(change.approvals.iter().map(|approval| approval.by.clone()));
        }
        Ok(hands)
    }

    /// What each genesis and publication left.
    async fn stood(&self) -> Result<Vec<Stood>, EngineError> {
        let mut stood: Vec<Stood> = Vec::new();
        for (index, bytes) in self.stream(&governance_stream()?).await? {
            let leaf = OwnLeaf::read(&bytes)?;
            let Some(list) = leaf.body().governance_files() else { continue };
            let lists = self.store.blobs(&[list]).await?;
            let mut files = stood.last().map(|last| last.files.clone()).unwrap_or_default();
            for (path, digest) in read_manifest(&list, &|digest| lists.get(digest).cloned())? {
                match digest {
                    Some(digest) => drop(files.insert(path, digest)),
                    None => drop(files.remove(&path)),
                }
            }
            let (at, statement) = (leaf.leaf.admitted_at, leaf.leaf.envelope.payload_digest());
            let by = leaf.statement.header.by.clone();
            let change = match leaf.body() {
                Body::Publication(said) => said.change.as_ref().map(|change| change.id.clone()),
                _ => None,
            };
            stood.push(Stood { index, at, statement, files, by, change });
        }
        Ok(stood)
    }

    /// What the last of these stops again, that an earlier one stopped and those between did not, with the changes that passed.
    async fn switched(
        &self,
        loaded: &mut Loaded<'_>,
        past: &[Stood],
    ) -> Result<BTreeMap<(Digest, Digest, RuleId, Target), BTreeSet<ChangeId>>, EngineError> {
        let mut found: BTreeMap<_, BTreeSet<ChangeId>> = BTreeMap::new();
        let [first, .., before, on] = past else { return Ok(found) };
        if before.files == on.files {
            return Ok(found);
        }
        let same_rules = before.rules().eq(on.rules());
        let first = first.index.max(on.index.saturating_sub(MAX_LEAVES));
        for passed in self.allowed(first, on.index).await? {
            let blobs = self.store.blobs(&[passed.decided.snapshot]).await?;
            let snapshot = blobs.get(&passed.decided.snapshot);
            let snapshot = snapshot.and_then(|bytes| serde_json::from_slice::<Snapshot>(bytes).ok());
            let (Some(snapshot), Some(change)) = (snapshot, self.change(&passed.id).await?) else { continue };
            let judging = Judging { snapshot, change, at: passed.decided.decided_at };
            let (Some(then), Some(now)) = (loaded.of(self, before).await?, loaded.of(self, on).await?) else {
                continue;
            };
            if same_rules && judging.seen(&then, true) == judging.seen(&now, true) {
                continue;
            }
            let binds_again = |people: bool| -> BTreeSet<Stop> {
                judging.stops(&now, people).difference(&judging.stops(&then, people)).cloned().collect()
            };
            let (mut with, mut without) = (binds_again(true), binds_again(false));
            // What stopped it before the last did is found by then.
            let since = past.iter().rev().skip(2).take_while(|stood| stood.index > passed.leaf);
            for stood in since {
                if with.is_empty() && without.is_empty() {
                    break;
                }
                let Some(then) = loaded.of(self, stood).await? else { continue };
                for (people, again) in [(true, &mut with), (false, &mut without)] {
                    let stopped = judging.stops(&then, people);
                    again.retain(|stop| !stopped.contains(stop));
                }
            }
            let mut later: Option<&Stood> = None;
            for stood in past.iter().rev().skip_while(|stood| stood.index >= passed.leaf) {
                let Some(off) = later.replace(stood) else { continue };
                if with.is_empty() && without.is_empty() {
                    break;
                }
                let Some(then) = loaded.of(self, stood).await? else { continue };
                let people = on.at.secs_since(off.at) <= STANDING_SECS;
                let again = if people { &mut with } else { &mut without };
                let stopped: Vec<Stop> = judging.stops(&then, people).intersection(again).cloned().collect();
                for stop in stopped {
                    with.remove(&stop);
                    without.remove(&stop);
                    let (rule, target) = stop;
                    let key = (off.statement, on.statement, rule, target);
                    found.entry(key).or_default().insert(passed.id.clone());
                }
            }
        }
        Ok(found)
    }

    /// The last decision that let each change through, of those between two leaves.
    async fn allowed(&self, from: u64, to: u64) -> Result<Vec<Passed>, EngineError> {
        let mut allowed: BTreeMap<ChangeId, Passed> = BTreeMap::new();
        let mut next = from;
        while next < to {
            let leaves = self.store.leaves(next..to.min(next.saturating_add(MAX_PAGE))).await?;
            if leaves.is_empty() {
                break;
            }
            for (leaf, bytes) in (next..).zip(&leaves) {
                match OwnLeaf::read(bytes)?.body() {
                    Body::Decided(decided) if decided.outcome == Outcome::Allow => {
                        let id = decided.change.clone();
                        allowed.insert(id.clone(), Passed { id, leaf, decided: decided.clone() });
                    }
                    _ => {}
                }
            }
            next = next.saturating_add(leaves.len() as u64);
        }
        Ok(allowed.into_values().collect())
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

/// What governed once.
struct Loaded<'a> {
    record: &'a GovernanceRecord,
    known: BTreeMap<Digest, Option<Arc<Governance>>>,
}

impl Loaded<'_> {
    /// `None` of what does not hold together any more by what this program asks.
    async fn of(&mut self, engine: &Engine, stood: &Stood) -> Result<Option<Arc<Governance>>, EngineError> {
        let entry = match self.known.entry(stood.statement) {
            Entry::Occupied(known) => return Ok(known.get().clone()),
            Entry::Vacant(entry) => entry,
        };
        // Whose keys were retired since bears on nothing here, and those may stand in the catalog of then.
        let record = GovernanceRecord { files: stood.files.clone(), retired: BTreeMap::new(), ..self.record.clone() };
        let read = match records::read_governance(&*engine.store, record).await {
            Ok(read) => Some(Arc::new(read)),
            Err(RecordError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, publication = %stood.statement, "what governed then cannot be read any more");
                None
            }
        };
        Ok(entry.insert(read).clone())
    }
}

/// A change, as it was judged when it passed.
struct Judging {
    snapshot: Snapshot,
    change: Change,
    at: Time,
}

impl Judging {
    fn seen(&self, governance: &Governance, people: bool) -> Snapshot {
        self.snapshot.as_judged_by(governance, &self.change, people).unwrap_or_else(|| self.snapshot.clone())
    }

    /// What stops it by this governance, and where.
    fn stops(&self, governance: &Governance, people: bool) -> BTreeSet<Stop> {
        let snapshot = self.seen(governance, people);
        let weighed = weigh(&governance.rules, &snapshot, self.at);
        let stopping = weighed.rules.iter().filter(|one| one.stops());
        stopping.flat_map(|one| one.unmet.iter().map(|view| (one.rule.id.clone(), view.target.clone()))).collect()
    }
}
