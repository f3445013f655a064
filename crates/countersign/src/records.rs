//! State in a store: which projections the records of a state are, and how the part of it that a statement needs is loaded.
//! The engine and a follower keep their state in the same way, so that both run the same fold over it.
//!
//! A record's projection is named as its stream: kind `change`, name the change's id. Governance is parsed once and kept
//! in memory until its stream moves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use countersign_core::{
    admit::Signed,
    change::Change,
    epoch::EpochRecord,
    governance::{self, Governance, GovernanceRecord, ReplacedKeys, files_named, list_named},
    ids::{ActorId, ChangeId, GateId, Oid, RepositoryId},
    presence::Presence,
    refusal::{Refusal, RefusalClass},
    state::{FindingRecord, GateRecord, PersonRecord, Record, State},
    statement::{Body, Erasure, Statement, governance_stream},
    subject::Subject,
};
use countersign_ledger::{Digest, Fingerprint, Leaf, LogKeys, PublicKey, StreamHead, StreamId, Time};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    durable,
    store::{Damage, Facet, List, MAX_ITEMS, Projection, Store, StoreError, Unique},
};

/// Version of what is written here. A store of an older one is rebuilt from its leaves.
pub const PROJECTIONS: u32 = 23;

pub const GOVERNANCE: &str = "governance";
pub const OVERVIEW: &str = "overview";
pub const CHANGE: &str = "change";
pub const PERSON: &str = "person";
pub const GATE: &str = "gate";
pub const TARGET: &str = "target";
pub const FINDING: &str = "finding";

/// All of them.
pub const KINDS: [&str; 7] = [GOVERNANCE, OVERVIEW, CHANGE, PERSON, GATE, TARGET, FINDING];

/// The values that changes, gates and findings are found by.
pub mod facet {
    pub const STATE: &str = "state";
    /// Of a change about which something can still be said, and of a finding that nobody has answered.
    pub const OPEN: &str = "open";
    pub const SYSTEM: &str = "system";
    pub const TARGET: &str = "target";
    /// Whoever proposed it, and who answers for a machine that did.
    pub const PROPOSER: &str = "proposer";
    /// Whoever signed something about it; whoever has to answer it.
    pub const PERSON: &str = "person";
    pub const HEAD: &str = "head";
    pub const DELTA: &str = "delta";
    /// Of a gate: the repository that it guards.
    pub const REPOSITORY: &str = "repository";
    /// Of a gate: the fingerprint of its key.
    pub const KEY: &str = "key";
    /// Of a finding: what it is about.
    pub const ABOUT: &str = "about";
}

#[derive(Debug, Error)]
pub enum RecordError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<Damage> for RecordError {
    fn from(damage: Damage) -> Self {
        Self::Store(damage.into())
    }
}

/// Projections that another program wrote, which knows more.
pub fn newer(found: u32) -> Refusal {
    let known = PROJECTIONS;
    let newer = format!("the store's projections have version {found}, this program knows {known}");
    Refusal::new(RefusalClass::Newer, "newer-projections", newer)
        .hint("a newer countersign wrote them: install it on this machine")
}

/// The blobs that a statement names, governance files among them that are in force by it or proposed; `blob` finds the list, and
/// the subject that says which list it is.
pub fn blobs_named(body: &Body, blob: impl Fn(&Digest) -> Option<Vec<u8>>) -> Result<BTreeSet<Digest>, Refusal> {
    let mut named: BTreeSet<Digest> = body.blobs().into_iter().collect();
    named.extend(files_named(body, &|digest| blob(digest))?);
    Ok(named)
}

/// Whether a statement names governance files by a list.
pub fn names_a_list(body: &Body) -> bool {
    body.governance_files().is_some() || body.governance_subject().is_some()
}

/// A statement, with the token that speaks for it, if one does.
pub type Said<'a> = (&'a Body, Option<Digest>);

/// The blobs that statements name, as far as they are still there. Publications name mostly what earlier ones named, so that
/// each is looked up once.
pub async fn all_named<'a>(
    store: &dyn Store,
    said: impl Iterator<Item = Said<'a>> + Clone,
) -> Result<BTreeMap<Digest, Vec<u8>>, RecordError> {
    let named: BTreeSet<Digest> =
        said.clone().flat_map(|(body, token)| body.blobs().into_iter().chain(token)).collect();
    let mut blobs = store.blobs(&Vec::from_iter(named)).await?;
    let of_governance: Vec<&Body> = said.map(|(body, _)| body).filter(|body| names_a_list(body)).collect();
    for step in [Step::Lists, Step::Files] {
        let mut more = BTreeSet::new();
        for body in &of_governance {
            let blob = |digest: &Digest| blobs.get(digest).cloned();
            match step {
                Step::Lists => more.extend(list_named(body, &blob)?),
                Step::Files => more.extend(files_named(body, &blob)?),
            }
        }
        more.retain(|digest| !blobs.contains_key(digest));
        blobs.extend(store.blobs(&Vec::from_iter(more)).await?);
    }
    Ok(blobs)
}

/// What is named by what was read before.
#[derive(Clone, Copy)]
enum Step {
    Lists,
    Files,
}

/// What an admitted erasure takes out of a store, of what is there.
pub async fn erased(store: &dyn Store, erasure: &Erasure) -> Result<Vec<Digest>, StoreError> {
    let named: Vec<Digest> = erasure.blobs.iter().copied().collect();
    let blobs = store.blobs(&named).await?;
    Ok(blobs.into_iter().filter(|(_, bytes)| erasure.takes(bytes)).map(|(digest, _)| digest).collect())
}

/// A projection that is not what was written.
pub fn unreadable(name: &str, error: impl std::fmt::Display) -> StoreError {
    Damage::Value { what: "a projection", found: format!("{name}: {error}") }.into()
}

pub fn json(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|e| unreadable("what is to be written", e))
}

pub fn parse<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(body).map_err(|e| unreadable(name, e))
}

/// A stream's kind and the name of its record.
fn place(stream: &StreamId) -> (&'static str, String) {
    match stream.as_str().split_once('/') {
        Some(("change", name)) => (CHANGE, name.to_owned()),
        Some(("person", name)) => (PERSON, name.to_owned()),
        Some(("gate", name)) => (GATE, name.to_owned()),
        Some(("target", name)) => (TARGET, name.to_owned()),
        Some(("finding", name)) => (FINDING, name.to_owned()),
        Some((_, name)) => ("", name.to_owned()),
        None => (GOVERNANCE, GOVERNANCE.to_owned()),
    }
}

/// The other way.
pub fn stream_of(kind: &str, name: &str) -> Option<StreamId> {
    if [GOVERNANCE, OVERVIEW].contains(&kind) {
        return governance_stream().ok().filter(|_| name == GOVERNANCE);
    }
    let stream = format!("{kind}/{name}").parse().ok()?;
    (place(&stream) == (kind, name.to_owned())).then_some(stream)
}

/// Governance as it stood when it was last asked for, in memory and, beside a follower's copy, in a file.
#[derive(Debug, Default)]
pub struct GovernanceCache {
    known: RwLock<Option<Known>>,
    reading: tokio::sync::Mutex<()>,
    /// Where it is kept for the next process.
    file: Option<PathBuf>,
}

/// Governance in short: a projection of its own, since the record lists a file for everybody, and its rules have to be parsed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Overview {
    pub origin: String,
    pub genesis: Digest,
    pub log_key: String,
    pub server_key: PublicKey,
    pub recovery_quorum: u32,
    /// Genesis or publication in force.
    pub in_force: Digest,
    pub semantics: u32,
    /// Digest of the rules.
    pub rules: Digest,
    /// How many people have a key.
    pub people: u32,
    /// Epochs that were begun after the first.
    pub epochs: Vec<EpochRecord>,
    /// Keys that the server had before.
    pub replaced_keys: Vec<ReplacedKeys>,
}

impl Overview {
    fn of(governance: &Governance) -> Self {
        let record = &governance.record;
        Self {
            origin: record.origin.clone(),
            genesis: record.genesis,
            log_key: record.log_key.clone(),
            server_key: record.server_key.clone(),
            recovery_quorum: record.recovery_quorum,
            in_force: record.in_force,
            semantics: record.semantics.number(),
            rules: governance.rules.digest(),
            people: governance.population(),
            epochs: record.epochs.clone(),
            replaced_keys: record.replaced_keys.clone(),
        }
    }
}

/// What governs, in short. The log has to be founded.
pub async fn overview(store: &dyn Store) -> Result<Overview, RecordError> {
    of_governance(store, OVERVIEW).await
}

/// By which key a log signs which sizes.
pub async fn log_keys(store: &dyn Store) -> Result<LogKeys, RecordError> {
    let Overview { log_key, replaced_keys, .. } = overview(store).await?;
    let keys: Vec<Unique> = replaced_keys.iter().map(|replaced| Unique::of_digest(&replaced.by)).collect();
    let found = store.taken(&keys).await?;
    Ok(governance::log_keys(&log_key, &replaced_keys, |by| found.get(&Unique::of_digest(by)).copied()))
}

/// The epochs that were begun in a log, in their order; none where it is not founded.
pub async fn epochs(store: &dyn Store) -> Result<Vec<EpochRecord>, RecordError> {
    if head_of(store, governance_stream()?).await? == StreamHead::EMPTY {
        return Ok(Vec::new());
    }
    Ok(overview(store).await?.epochs)
}

async fn of_governance<T: DeserializeOwned>(store: &dyn Store, kind: &'static str) -> Result<T, RecordError> {
    let name = GOVERNANCE.to_owned();
    let body = store.projections(kind, std::slice::from_ref(&name)).await?.remove(&name);
    Ok(parse(kind, &body.ok_or_else(|| unreadable(kind, "it is missing"))?)?)
}

#[derive(Clone, Debug)]
struct Known {
    head: StreamHead,
    governance: Arc<Governance>,
    /// Whether the file has it.
    kept: bool,
}

impl GovernanceCache {
    /// One that also keeps governance in this file. Whoever can write it can write the copy beside it.
    pub fn with_file(file: PathBuf) -> Self {
        Self { file: Some(file), ..Self::default() }
    }

    /// Governance as it stands in the store, with the head of its stream; `None` for an empty log.
    pub async fn get(&self, store: &dyn Store) -> Result<Option<(StreamHead, Arc<Governance>)>, RecordError> {
        let head = head_of(store, governance_stream()?).await?;
        if head == StreamHead::EMPTY {
            return Ok(None);
        }
        let known = || self.known().filter(|known| known.head == head);
        if let Some(known) = known() {
            return Ok(Some((head, known.governance)));
        }
        // Whoever comes while it is read waits, and does not read it again.
        let _reading = self.reading.lock().await;
        if let Some(known) = known() {
            return Ok(Some((head, known.governance)));
        }
        // What is there may be of another moment or damaged; then it is as if it were not there.
        let bytes = self.file.as_ref().and_then(|file| fs::read(file).ok());
        if let Some(governance) = bytes.and_then(|bytes| Governance::from_kept(&bytes, head)) {
            let governance = Arc::new(governance);
            self.know(Known { head, governance: Arc::clone(&governance), kept: true });
            return Ok(Some((head, governance)));
        }
        let governance = Arc::new(read_governance(store, of_governance(store, GOVERNANCE).await?).await?);
        self.put(head, &governance);
        self.keep();
        Ok(Some((head, governance)))
    }

    /// Takes governance that was folded here, so that nobody parses it again.
    pub fn put(&self, head: StreamHead, governance: &Arc<Governance>) {
        if self.known().is_none_or(|known| known.head != head) {
            self.know(Known { head, governance: Arc::clone(governance), kept: false });
        }
    }

    /// Writes down what is in memory, for the next process.
    pub fn keep(&self) {
        let (Some(file), Some(known)) = (&self.file, self.known()) else { return };
        if known.kept {
            return;
        }
        let Some(bytes) = known.governance.to_kept(known.head) else { return };
        match durable::put(file, bytes) {
            Ok(()) => self.know(Known { kept: true, ..known }),
            // The next process reads the files once more; that is slow and not wrong.
            Err(error) => tracing::warn!(path = %file.display(), %error, "governance could not be kept"),
        }
    }

    // A poisoned lock only means that somebody panicked while they read: the cache is filled anew.
    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn know(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

/// Reads the files of governance whose record is known.
pub async fn read_governance(store: &dyn Store, record: GovernanceRecord) -> Result<Governance, RecordError> {
    let digests: Vec<Digest> = record.files.values().copied().collect();
    let blobs = store.blobs(&digests).await?;
    Ok(Governance::load(record, &|digest| blobs.get(digest).cloned())?)
}

async fn head_of(store: &dyn Store, stream: StreamId) -> Result<StreamHead, StoreError> {
    Ok(store.heads(&[stream]).await?.first().copied().unwrap_or(StreamHead::EMPTY))
}

/// Makes these streams known to a state, with their records.
pub async fn load(store: &dyn Store, state: &mut State, streams: &BTreeSet<StreamId>) -> Result<(), RecordError> {
    let streams: Vec<StreamId> = streams.iter().filter(|stream| !state.knows(stream)).cloned().collect();
    if streams.is_empty() {
        return Ok(());
    }
    // The heads first: a record that is newer than its head makes a write come too late, an older one would not.
    let heads = store.heads(&streams).await?;
    for kind in [CHANGE, PERSON, GATE, TARGET, FINDING] {
        let names: Vec<String> =
            streams.iter().map(place).filter(|(of, _)| *of == kind).map(|(_, name)| name).collect();
        if names.is_empty() {
            continue;
        }
        for (name, body) in store.projections(kind, &names).await? {
            let invalid = |e: countersign_core::ids::InvalidId| unreadable(&name, e);
            match kind {
                CHANGE => state.put_change(parse(&name, &body)?),
                PERSON => state.put_person(name.parse().map_err(invalid)?, parse(&name, &body)?),
                FINDING => state.put_finding(name.parse().map_err(invalid)?, parse(&name, &body)?),
                TARGET => state.put_target(name.parse().map_err(invalid)?, parse(&name, &body)?),
                _ => state.put_gate(name.parse().map_err(invalid)?, parse(&name, &body)?),
            }
        }
    }
    for (stream, head) in streams.into_iter().zip(heads) {
        state.know(stream, head);
    }
    Ok(())
}

/// Loads what a statement needs to be folded.
pub async fn load_for(store: &dyn Store, state: &mut State, signed: &Signed) -> Result<(), RecordError> {
    loop {
        let missing = state.missing(signed)?;
        if missing.is_empty() {
            return Ok(());
        }
        load(store, state, &missing).await?;
    }
}

/// The projections of the records under these streams.
pub fn projections<'a>(
    state: &State,
    streams: impl IntoIterator<Item = &'a StreamId>,
) -> Result<Vec<Projection>, StoreError> {
    let mut projections = Vec::new();
    for stream in streams {
        let (_, name) = place(stream);
        let plain = |kind, body| Projection { kind, name: name.clone(), body, order: 0, facets: BTreeSet::new() };
        match state.record(stream) {
            Some(Record::Governance(governance)) => {
                projections.push(plain(GOVERNANCE, json(&governance.record)?));
                projections.push(plain(OVERVIEW, json(&Overview::of(governance))?));
            }
            Some(Record::Change(change)) => projections.push(change_projection(change)?),
            Some(Record::Person(person)) => projections.push(plain(PERSON, json(person)?)),
            Some(Record::Gate(gate)) => projections.push(Projection {
                facets: BTreeSet::from([
                    Facet::new(facet::REPOSITORY, gate.repository.as_str()),
                    Facet::new(facet::KEY, gate.key.fingerprint().to_string()),
                ]),
                ..plain(GATE, json(gate)?)
            }),
            Some(Record::Target(target)) => projections.push(plain(TARGET, json(target)?)),
            Some(Record::Finding(finding)) => {
                let body = json(finding)?;
                projections.push(Projection {
                    // What is due first comes first.
                    order: finding.due.unix_millis().saturating_neg(),
                    facets: finding_facets(finding),
                    ..plain(FINDING, body)
                });
            }
            // Nothing was rejected there.
            None => {}
        }
    }
    Ok(projections)
}

fn finding_facets(finding: &FindingRecord) -> BTreeSet<Facet> {
    let mut facets: BTreeSet<Facet> =
        finding.what.about().into_iter().map(|about| Facet::new(facet::ABOUT, about)).collect();
    facets.extend(finding.who.iter().map(|person| Facet::new(facet::PERSON, person.as_str())));
    if finding.answered.is_none() {
        facets.insert(Facet::new(facet::OPEN, "open"));
    }
    facets
}

pub fn change_projection(change: &Change) -> Result<Projection, StoreError> {
    let mut facets = BTreeSet::from([
        Facet::new(facet::STATE, change.status.as_str()),
        Facet::new(facet::PROPOSER, change.proposer.as_str()),
    ]);
    if change.status.is_open() {
        facets.insert(Facet::new(facet::OPEN, "open"));
    }
    for target in &change.targets {
        facets.insert(Facet::new(facet::SYSTEM, target.system.as_str()));
        facets.insert(Facet::new(facet::TARGET, target.to_string()));
    }
    let sponsors = change.revisions.iter().filter_map(|revision| revision.sponsor.as_ref());
    facets.extend(sponsors.map(|sponsor| Facet::new(facet::PROPOSER, sponsor.as_str())));
    let spoke = change.revisions.iter().map(|revision| &revision.by);
    let spoke = spoke.chain(change.revisions.iter().filter_map(|revision| revision.sponsor.as_ref()));
    let spoke = spoke.chain(change.approvals.iter().map(|approval| &approval.by));
    let spoke = spoke.chain(change.rejections.iter().map(|rejection| &rejection.by));
    let spoke = spoke.chain(change.waivers.iter().map(|waiver| &waiver.by));
    let spoke = spoke.chain(change.comments.iter().map(|comment| &comment.by));
    let spoke = spoke.chain(change.evidence.iter().map(|evidence| &evidence.by));
    let spoke = spoke.chain(change.taken_back.iter().map(|taken| &taken.by)).chain(change.schedules.keys());
    facets.extend(spoke.map(|person| Facet::new(facet::PERSON, person.as_str())));
    if let Some(Subject::Git(git)) = change.current().map(|revision| &revision.subject) {
        facets.insert(head_facet(&git.repository, &git.head));
        facets.insert(delta_facet(&git.repository, &git.branch, &git.delta));
    }
    Ok(Projection {
        kind: CHANGE,
        name: change.id.to_string(),
        body: json(change)?,
        order: change.proposed_at.unix_millis(),
        facets,
    })
}

/// What changes are found by whose present revision is this commit.
pub fn head_facet(repository: &RepositoryId, head: &Oid) -> Facet {
    Facet::new(facet::HEAD, format!("{repository}/{head}"))
}

/// What changes are found by whose present revision brings exactly this to a branch.
pub fn delta_facet(repository: &RepositoryId, branch: &str, delta: &Digest) -> Facet {
    Facet::new(facet::DELTA, format!("{repository}/{branch}/{}", delta.hex()))
}

/// A statement is in a log once, and a gate's key is of one gate.
pub fn uniques(state: &State, signed: &Signed) -> Result<Vec<Unique>, Refusal> {
    let mut keys = vec![Unique::of_digest(&signed.payload())];
    if let Body::GateRegistration(gate) = &signed.statement().body {
        let known = state.gate(&gate.gate)?.is_some_and(|known| known.key == gate.key);
        if !known {
            keys.push(key_of_gate(&gate.key));
        }
    }
    Ok(keys)
}

/// The keys that a leaf of a log names, its own the first. Who names a gate's key first has it.
pub fn keys(leaf: &Leaf) -> Vec<Unique> {
    let mut keys = vec![Unique::of_digest(&leaf.envelope.payload_digest())];
    if let Ok(Body::GateRegistration(gate)) = Statement::parse(leaf.envelope.payload()).map(|said| said.body) {
        keys.push(key_of_gate(&gate.key));
    }
    keys
}

/// By which a gate's key is known to be one's already.
pub fn key_of_gate(key: &PublicKey) -> Unique {
    Unique::of(format!("gate-key {}", key.fingerprint()))
}

/// How people stand: who cannot supply what is missing of a change, who is away, and who has whose role.
pub async fn presence(store: &dyn Store, governance: &Governance, now: Time) -> Result<Presence, StoreError> {
    Ok(Presence::of(governance, &people(store).await?, now))
}

/// The record of one of them.
pub async fn person(store: &dyn Store, id: &ActorId) -> Result<Option<PersonRecord>, StoreError> {
    let name = id.to_string();
    let body = store.projections(PERSON, std::slice::from_ref(&name)).await?.remove(&name);
    body.map(|body| parse(&name, &body)).transpose()
}

/// The records of everybody in whose own stream something stands.
pub async fn people(store: &dyn Store) -> Result<BTreeMap<ActorId, PersonRecord>, StoreError> {
    let mut people = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.list(&List { after, ..List::of(PERSON, MAX_ITEMS) }).await?;
        for item in page.items {
            let Ok(id) = item.name.parse::<ActorId>() else { continue };
            people.insert(id, parse(&item.name, &item.body)?);
        }
        after = page.next;
        if after.is_none() {
            return Ok(people);
        }
    }
}

/// Puts what stands about all of them into a state, beside what it knows: for who is named, not for what is decided.
pub async fn know_everybody(store: &dyn Store, state: &mut State) -> Result<(), StoreError> {
    for (person, record) in people(store).await? {
        state.put_person(person, record);
    }
    Ok(())
}

/// The gate whose key it is, revoked or not.
pub async fn gate_by_key(store: &dyn Store, key: &Fingerprint) -> Result<Option<(GateId, GateRecord)>, StoreError> {
    let filters = [Facet::new(facet::KEY, key.to_string())];
    let list = List { filters: &filters, ..List::of(GATE, 1) };
    let Some(item) = store.list(&list).await?.items.into_iter().next() else { return Ok(None) };
    let id: GateId = item.name.parse().map_err(|e| unreadable(&item.name, e))?;
    Ok(Some((id, parse(&item.name, &item.body)?)))
}

pub async fn gate(store: &dyn Store, id: &GateId) -> Result<Option<GateRecord>, StoreError> {
    let name = id.to_string();
    let body = store.projections(GATE, std::slice::from_ref(&name)).await?.remove(&name);
    body.map(|body| parse(&name, &body)).transpose()
}

/// A change of a store, by its whole id.
pub async fn change(store: &dyn Store, id: &ChangeId) -> Result<Option<Change>, StoreError> {
    let name = id.to_string();
    let body = store.projections(CHANGE, std::slice::from_ref(&name)).await?.remove(&name);
    body.map(|body| parse(&name, &body)).transpose()
}
