//! The engine: the only writer of the log. It loads, asks core, and commits leaves and projections in one transaction.
//!
//! Every write comes in through [`Engine::submit`] as a signed statement. What the server itself says (decisions,
//! permits, observations) follows from those and is signed with the server's own key, which opens nothing alone.

mod bundles;
pub mod guidance;
pub mod replay;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, RwLock},
};

use countersign_core::{
    admit::{Authenticated, authenticate, authenticate_genesis},
    change::Change,
    decision::{Decision, Outcome},
    governance::{Governance, GovernanceRecord, SERVER},
    ids::{ChangeId, Nonce, Oid, RepositoryId},
    permit::{Denied, Permit},
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::{self, Next, subject_change},
    statement::{
        Body, Decided, GuidanceObservation, Header, Heads, PermitRequest, SeenCheckpoint, Statement, Subject,
        change_stream, governance_stream,
    },
    text::{ProposalText, Reason},
};
use countersign_ledger::{
    Digest, Envelope, Leaf, Line, StreamHead, StreamId, Time, checkpoint::LogKey, sshsig::SigningKey, tree,
};
use rand_core::{OsRng, RngCore as _};
use serde::Serialize;
use thiserror::Error;

use self::guidance::GuidanceSource;
use crate::store::{
    self, Age, Conflict, Damage, Facet, Head, List, NewLeaf, Projection, Store, StoreError, Submission, Unique,
    writer::{SubmitError, Writer},
};

pub use view::{ChangeLine, ChangeView, IdentityView, rfc3339};

/// How long a statement may look back: its checkpoint must be among those of the last day.
const MAX_CHECKPOINT_AGE_SECS: i64 = 24 * 60 * 60;

pub const MAX_BLOB_BYTES: usize = 4 * 1024 * 1024;
const MAX_BLOBS: usize = 8;

/// How often a write is tried again when another one came first.
const MAX_ATTEMPTS: usize = 16;

/// The version of the projections, raised whenever what is written into them changes.
pub const PROJECTIONS: u32 = 1;

/// Kinds of projections.
const GOVERNANCE: &str = "governance";
const CHANGE: &str = "change";

/// The facet of changes that leads from a commit to those whose present revision it is.
const HEAD: &str = "head";

/// How many changes are read at once.
const CHANGES: u64 = 100;

#[derive(Debug, Error)]
pub enum EngineError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The rules deny. The decision is in the log.
    #[error("the rules do not allow change {}", .0.change)]
    Denied(Box<Decision>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] SubmitError),
    /// What the store holds makes no sense.
    #[error("the store's contents are damaged: {0}")]
    Damaged(String),
    #[error("the server cannot sign: {0}")]
    Signing(String),
}

/// What came of a statement.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Index of the leaf in the log.
    pub index: u64,
    pub statement: Digest,
    pub change: Option<ChangeId>,
    /// The permit's envelope, where one was asked for and issued.
    pub permit: Option<String>,
    /// How the change stands after the statement.
    pub decision: Option<Decision>,
}

/// Time as an argument, all the way from here.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// What the engine is opened with.
pub struct Setup {
    pub store: Arc<dyn Store>,
    pub log_key: Arc<LogKey>,
    pub server_key: SigningKey,
    pub genesis: Envelope,
    pub genesis_blobs: Vec<Vec<u8>>,
    pub guidance: Vec<GuidanceSource>,
    pub clock: Clock,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").finish_non_exhaustive()
    }
}

pub struct Engine {
    store: Arc<dyn Store>,
    writer: Writer,
    server_key: SigningKey,
    guidance: Vec<GuidanceSource>,
    clock: Clock,
    /// The parsed governance last seen, so that catalog and rules are not parsed for every request.
    governance: RwLock<Option<Arc<Governance>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the log, and founds it with the genesis if it is empty.
    pub async fn open(setup: Setup) -> Result<Self, EngineError> {
        let writer = Writer::start(Arc::clone(&setup.store), setup.log_key);
        let engine = Self {
            store: setup.store,
            writer,
            server_key: setup.server_key,
            guidance: setup.guidance,
            clock: setup.clock,
            governance: RwLock::new(None),
        };
        if engine.store.head().await?.size == 0 {
            engine.found(&setup.genesis, setup.genesis_blobs).await?;
        }
        match Age::of(engine.store.version().await?, PROJECTIONS) {
            Age::Current => {}
            Age::Older(found) => {
                tracing::info!(
                    found,
                    known = PROJECTIONS,
                    "the projections are of an older version and are made again"
                );
                replay::project(&*engine.store).await?;
            }
            Age::Newer(found) => {
                return Err(Refusal::conflict(
                    "newer-projections",
                    format!("the projections are of version {found}, this program knows {PROJECTIONS}"),
                )
                .hint("use the newer version of this program, or rebuild the store with this one")
                .into());
            }
        }
        let governance = engine.governance().await?;
        if governance.record.genesis != setup.genesis.payload_digest() {
            return Err(Refusal::conflict(
                "another-genesis",
                format!("the store was founded by {}, the home's genesis is another", governance.record.genesis),
            )
            .hint("a home and its ledger belong together; restore both from the same backup")
            .into());
        }
        if governance.record.server_key != engine.server_key.public() {
            return Err(Refusal::conflict("another-server-key", "the home's server key is not the one of the genesis")
                .hint("restore keys/server.key from the backup of this home")
                .into());
        }
        Ok(engine)
    }

    async fn found(&self, genesis: &Envelope, blobs: Vec<Vec<u8>>) -> Result<(), EngineError> {
        authenticate_genesis(genesis)?;
        let by_digest: BTreeMap<Digest, Vec<u8>> = blobs.into_iter().map(|b| (Digest::of(&b), b)).collect();
        let stream = governance_stream()?;
        let leaf = follow(&stream, StreamHead::EMPTY, genesis.clone(), (self.clock)())?;
        let governance = state::begin(&leaf, leaf.hash(), &|digest| by_digest.get(digest).cloned())?;
        let submission = Submission {
            expected: BTreeMap::from([(stream, 0)]),
            projections: vec![governance_projection(&governance.record)?],
            blobs: by_digest.into_values().collect(),
            leaves: vec![NewLeaf {
                unique: unique_keys(&Statement::parse(genesis.payload())?, &genesis.payload_digest()),
                leaf,
            }],
            outbox: Vec::new(),
        };
        match self.writer.submit(submission, None).await {
            Ok(_) => Ok(self.store.set_version(PROJECTIONS).await?),
            Err(SubmitError::Conflict(_)) => {
                Err(Refusal::conflict("already-founded", "another server founded the log just now").into())
            }
            Err(error) => Err(error.into()),
        }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub async fn head(&self) -> Result<Head, EngineError> {
        Ok(self.store.head().await?)
    }

    /// Governance as it stands.
    pub async fn governance(&self) -> Result<Arc<Governance>, EngineError> {
        let body = store::projection(&*self.store, GOVERNANCE, GOVERNANCE).await?;
        let body = body.ok_or_else(|| EngineError::Damaged("it has no governance projection".to_owned()))?;
        let record: GovernanceRecord = parse(&body)?;
        let cached = self.governance.read().map_err(|_| poisoned())?.clone();
        if let Some(cached) = cached
            && cached.record == record
        {
            return Ok(cached);
        }
        let blobs = self.store.blobs(&[record.catalog, record.rules]).await?;
        let governance = Arc::new(Governance::load(record, |digest| blobs.get(digest).cloned())?);
        *self.governance.write().map_err(|_| poisoned())? = Some(Arc::clone(&governance));
        Ok(governance)
    }

    /// A change by its id.
    pub async fn change(&self, id: &ChangeId) -> Result<Option<Change>, EngineError> {
        let body = store::projection(&*self.store, CHANGE, id.as_str()).await?;
        body.map(|body| parse(&body)).transpose()
    }

    /// The change whose id begins so. Ids are random enough that a few characters name one.
    pub async fn find(&self, prefix: &str) -> Result<Change, EngineError> {
        let unknown = || {
            Refusal::unknown("unknown-change", format!("there is no change `{prefix}`"))
                .hint("list the changes: countersign list")
        };
        if prefix.is_empty() || prefix.len() > ChangeId::LEN || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(unknown().into());
        }
        let mut found = self.store.find(CHANGE, &prefix.to_ascii_lowercase(), CHANGES).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(unknown().into()),
            (Some((_, body)), true) => Ok(parse(&body)?),
            (Some(_), false) => Err(Refusal::conflict(
                "ambiguous-change",
                format!("`{prefix}` is the beginning of {} changes", found.len() + 1),
            )
            .hint("give more characters of the id")
            .into()),
        }
    }

    pub async fn changes(&self) -> Result<Vec<Change>, EngineError> {
        let mut changes = self.listed(&[]).await?;
        changes.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(changes)
    }

    /// The changes whose present revision is this commit of this repository.
    pub async fn changes_at(&self, repository: &RepositoryId, head: &Oid) -> Result<Vec<Change>, EngineError> {
        self.listed(&[at_head(repository, head)]).await
    }

    async fn listed(&self, filters: &[Facet]) -> Result<Vec<Change>, EngineError> {
        let mut list = List { filters, ..List::of(CHANGE, CHANGES) };
        let mut changes = Vec::new();
        loop {
            let page = self.store.list(&list).await?;
            for item in page.items {
                changes.push(parse(&item.body)?);
            }
            list.after = page.next;
            if list.after.is_none() {
                return Ok(changes);
            }
        }
    }

    /// How a change stands now: the decision that a permit request would get.
    pub async fn decide(&self, change: &Change) -> Result<Decision, EngineError> {
        let governance = self.governance().await?;
        let mut change = change.clone();
        if let Some(observed) = self.observe(&change).await? {
            change.observed = observed;
        }
        let snapshot = Snapshot::take(&governance, &change)?;
        Ok(decide::decide(&governance.rules, &snapshot, (self.clock)()))
    }

    /// Takes a signed statement: the one way to write.
    pub async fn submit(&self, envelope: &[u8], blobs: Vec<Vec<u8>>) -> Result<Receipt, EngineError> {
        let envelope =
            Envelope::parse(envelope).map_err(|e| Refusal::malformed("malformed-envelope", e.to_string()))?;
        let mut last = None;
        let mut not_before = Time::from_unix_millis(i64::MIN);
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt(&envelope, &blobs, not_before).await? {
                Ok(receipt) => return receipt,
                Err(Conflict::Taken { key: _, index }) => {
                    return Err(Refusal::conflict(
                        "replayed",
                        format!("the log has this statement, or its nonce, already, in leaf {index}"),
                    )
                    .into());
                }
                // Another statement came first: look again, and judge by what it changed.
                Err(conflict @ Conflict::Moved(_)) => last = Some(conflict),
                Err(conflict @ Conflict::Overtaken(time)) => {
                    not_before = time;
                    last = Some(conflict);
                }
                Err(Conflict::Unfit(unfit)) => {
                    return Err(Refusal::malformed("unfit", unfit.to_string()).into());
                }
            }
        }
        Err(Refusal::conflict("busy", format!("the change is being written to by others ({last:?})"))
            .hint("try again")
            .into())
    }

    async fn attempt(
        &self,
        envelope: &Envelope,
        blobs: &[Vec<u8>],
        not_before: Time,
    ) -> Result<Result<Result<Receipt, EngineError>, Conflict>, EngineError> {
        let governance = self.governance().await?;
        let authenticated = authenticate(&governance, envelope)?;
        self.fresh(&authenticated.statement().header.checkpoint).await?;
        let id = subject_change(&authenticated);
        let change = match &id {
            Some(id) => self.change(id).await?,
            None => None,
        };
        // Another server's clock may be ahead of ours; the log's time never goes back.
        let at = (self.clock)().max(not_before);
        let announced = self.writer.expect(at);
        let mut draft = Draft::begin(self, governance, change, id.clone(), at)?;
        draft.blobs = named_blobs(&authenticated, blobs)?;
        draft.push(envelope.clone(), &authenticated)?;
        let mut denied = None;
        let mut permit = None;
        if let Some(change) = draft.change.clone() {
            if let Some(observed) = self.observe(&change).await? {
                let (change, revision) = about(&change)?;
                let body = GuidanceObservation { change, revision, documents: observed };
                draft.say(Body::GuidanceObservation(body)).await?;
            }
            if let Body::PermitRequest(request) = &authenticated.statement().body {
                match draft.decide_and_permit(request).await? {
                    Ok(envelope) => permit = Some(String::from_utf8_lossy(envelope.raw()).into_owned()),
                    Err(decision) => denied = Some(decision),
                }
            }
        }
        let decision = draft.standing().await?;
        let submission = draft.finish()?;
        match self.writer.submit(submission, Some(announced)).await {
            Err(SubmitError::Conflict(conflict)) => Ok(Err(conflict)),
            Err(error) => Err(error.into()),
            Ok(index) => Ok(Ok(match denied {
                Some(decision) => Err(EngineError::Denied(decision)),
                None => Ok(Receipt { index, statement: authenticated.payload(), change: id, permit, decision }),
            })),
        }
    }

    /// The checkpoint that a statement names must be one of ours, and not an old one.
    async fn fresh(&self, seen: &SeenCheckpoint) -> Result<(), EngineError> {
        let head = self.store.head().await?;
        let foreign = || {
            Refusal::conflict(
                "foreign-checkpoint",
                format!("the log never had a checkpoint of {} leaves with root {}", seen.size, seen.root),
            )
            .hint("the statement was made for another log, or this log lost entries: compare trust.json")
        };
        if seen.size == 0 || seen.size > head.size {
            return Err(foreign().into());
        }
        let root = store::with_nodes(&*self.store, |nodes| tree::root(seen.size, &nodes)).await?;
        if !root.is_ok_and(|root| root == seen.root) {
            return Err(foreign().into());
        }
        let Some(next) = self.store.leaves(seen.size..seen.size + 1).await?.pop() else { return Ok(()) };
        let next =
            Leaf::parse(&next).map_err(|source| StoreError::Damaged(Damage::Leaf { index: seen.size, source }))?;
        if (self.clock)().secs_since(next.admitted_at) > MAX_CHECKPOINT_AGE_SECS {
            return Err(Refusal::conflict("stale-statement", "the statement was made more than a day ago")
                .hint("make and sign it again")
                .into());
        }
        Ok(())
    }

    /// The guidance that a change cites, if it stands otherwise than last observed.
    async fn observe(
        &self,
        change: &Change,
    ) -> Result<Option<Vec<countersign_core::statement::ObservedDocument>>, EngineError> {
        let cited: Vec<String> = change.cited_guidance().into_iter().map(str::to_owned).collect();
        if cited.is_empty() || !change.status.is_open() {
            return Ok(None);
        }
        let sources = self.guidance.clone();
        let observed = tokio::task::spawn_blocking(move || guidance::observe(&sources, &cited))
            .await
            .map_err(|e| EngineError::Damaged(e.to_string()))?;
        Ok((observed != change.observed).then_some(observed))
    }
}

fn poisoned() -> EngineError {
    EngineError::Damaged("an earlier request failed while it held the governance cache".to_owned())
}

fn governance_projection(record: &GovernanceRecord) -> Result<Projection, EngineError> {
    let (name, facets) = (GOVERNANCE.to_owned(), BTreeSet::new());
    Ok(Projection { kind: GOVERNANCE, name, body: json(record)?, order: 0, facets })
}

/// Everything that is kept of a change, and what lists find it by.
pub fn change_projection(change: &Change) -> Result<Projection, EngineError> {
    let mut facets = BTreeSet::new();
    if let Some(Subject::Git { repository, head, .. }) = change.current().map(|revision| &revision.subject) {
        facets.insert(at_head(repository, head));
    }
    let (name, order) = (change.id.as_str().to_owned(), change.proposed_at.unix_millis());
    Ok(Projection { kind: CHANGE, name, body: json(change)?, order, facets })
}

fn at_head(repository: &RepositoryId, head: &Oid) -> Facet {
    Facet::new(HEAD, format!("{repository}/{head}"))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, EngineError> {
    serde_json::to_vec(value).map_err(|e| EngineError::Damaged(e.to_string()))
}

fn parse<T: for<'a> serde::Deserialize<'a>>(body: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(body).map_err(|e| EngineError::Damaged(format!("a projection is malformed: {e}")))
}

/// A leaf that follows a stream's head.
fn follow(stream: &StreamId, head: StreamHead, envelope: Envelope, at: Time) -> Result<Leaf, EngineError> {
    Leaf::new(vec![Line::after(stream.clone(), head)], at, envelope).map_err(|e| EngineError::Damaged(e.to_string()))
}

/// A statement may be in the log once, and so may its nonce.
fn unique_keys(statement: &Statement, payload: &Digest) -> Vec<Unique> {
    vec![Unique::of_digest(payload), Unique::of(format!("nonce/{}", statement.header.nonce))]
}

fn about(change: &Change) -> Result<(ChangeId, countersign_core::statement::RevisionRef), EngineError> {
    let revision =
        change.current_ref().ok_or_else(|| EngineError::Damaged(format!("change {} has no revision", change.id)))?;
    Ok((change.id.clone(), revision))
}

/// The blobs that the statement names, checked; others are not kept.
fn named_blobs(authenticated: &Authenticated, offered: &[Vec<u8>]) -> Result<BTreeMap<Digest, Vec<u8>>, Refusal> {
    if offered.len() > MAX_BLOBS {
        return Err(Refusal::malformed("too-many-blobs", format!("more than {MAX_BLOBS} blobs")));
    }
    if let Some(large) = offered.iter().find(|blob| blob.len() > MAX_BLOB_BYTES) {
        return Err(Refusal::malformed(
            "blob-too-large",
            format!("a blob of {} bytes is larger than {MAX_BLOB_BYTES}", large.len()),
        ));
    }
    let offered: BTreeMap<Digest, &Vec<u8>> = offered.iter().map(|blob| (Digest::of(blob), blob)).collect();
    let statement = authenticated.statement();
    let mut named = BTreeMap::new();
    for digest in statement.body.blobs() {
        let blob = offered.get(&digest).ok_or_else(|| {
            Refusal::unknown(
                "blob-missing",
                format!("the {} names blob {digest}, which was not sent along", statement.body.kind()),
            )
        })?;
        named.insert(digest, (*blob).clone());
    }
    let text = |digest: &Digest| named.get(digest).map(Vec::as_slice).unwrap_or_default();
    match &statement.body {
        Body::Proposal(b) => documents_agree(&ProposalText::parse(text(&b.text))?, &b.documents)?,
        Body::NewRevision(b) => documents_agree(&ProposalText::parse(text(&b.text))?, &b.documents)?,
        Body::Rejection(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Waiver(b) => drop(Reason::parse(text(&b.reason))?),
        Body::KeyRevocation(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Amendment(b) => drop(Reason::parse(text(&b.reason))?),
        Body::Genesis(_)
        | Body::GateRegistration(_)
        | Body::Approval(_)
        | Body::RejectionLift(_)
        | Body::Withdrawal(_)
        | Body::Disclosure(_)
        | Body::Identification(_)
        | Body::GuidanceObservation(_)
        | Body::PermitRequest(_)
        | Body::Decided(_)
        | Body::PermitGrant(_)
        | Body::OutcomeReport(_) => {}
    }
    Ok(named)
}

fn documents_agree(text: &ProposalText, documents: &countersign_core::snapshot::Documents) -> Result<(), Refusal> {
    if text.documents() == *documents {
        return Ok(());
    }
    Err(Refusal::malformed("documents-mismatch", "the statement says other lengths of its texts than they have"))
}

/// The leaves of one submission as they are put together, each on the state that the one before it left.
struct Draft<'a> {
    engine: &'a Engine,
    governance: Arc<Governance>,
    change: Option<Change>,
    stream: StreamId,
    head: StreamHead,
    at: Time,
    leaves: Vec<NewLeaf>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    expected: BTreeMap<StreamId, u64>,
    amended: Option<Box<Governance>>,
}

impl<'a> Draft<'a> {
    fn begin(
        engine: &'a Engine,
        governance: Arc<Governance>,
        change: Option<Change>,
        id: Option<ChangeId>,
        at: Time,
    ) -> Result<Self, EngineError> {
        let governance_head = governance.record.head;
        let (stream, head) = match &id {
            Some(id) => (change_stream(id)?, change.as_ref().map_or(StreamHead::EMPTY, |change| change.head)),
            None => (governance_stream()?, governance_head),
        };
        let expected =
            BTreeMap::from([(governance_stream()?, governance_head.next_seq), (stream.clone(), head.next_seq)]);
        Ok(Self {
            engine,
            governance,
            change,
            stream,
            head,
            at,
            leaves: Vec::new(),
            blobs: BTreeMap::new(),
            expected,
            amended: None,
        })
    }

    fn push(&mut self, envelope: Envelope, authenticated: &Authenticated) -> Result<(), EngineError> {
        let leaf = follow(&self.stream, self.head, envelope, self.at)?;
        let hash = leaf.hash();
        let blobs = &self.blobs;
        let next = state::step(&self.governance, self.change.as_ref(), authenticated, &leaf, hash, &|digest| {
            blobs.get(digest).cloned()
        })?;
        let unique = unique_keys(authenticated.statement(), &authenticated.payload());
        self.leaves.push(NewLeaf { leaf, unique });
        self.head = StreamHead { next_seq: self.head.next_seq + 1, last: hash };
        match next {
            Next::Change(change) => self.change = Some(*change),
            Next::Governance(governance) => self.amended = Some(governance),
        }
        Ok(())
    }

    /// Adds something that the server says.
    async fn say(&mut self, body: Body) -> Result<Envelope, EngineError> {
        let head = self.engine.store.head().await?;
        let mut nonce = [0_u8; 16];
        OsRng.fill_bytes(&mut nonce);
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let invalid = |e: countersign_core::ids::InvalidId| EngineError::Signing(e.to_string());
        let statement = Statement {
            header: Header {
                log: self.governance.record.origin.clone(),
                by: SERVER.parse().map_err(invalid)?,
                nonce: nonce.parse::<Nonce>().map_err(invalid)?,
                checkpoint: SeenCheckpoint { size: head.size, root: head.root },
            },
            body,
        };
        let payload = statement.encode()?;
        let signature = self.engine.server_key.sign(&payload).map_err(|e| EngineError::Signing(e.to_string()))?;
        let envelope = Envelope::new(&payload, vec![signature]).map_err(|e| EngineError::Signing(e.to_string()))?;
        let authenticated = authenticate(&self.governance, &envelope)?;
        self.push(envelope.clone(), &authenticated)?;
        Ok(envelope)
    }

    /// Decides by the state as this draft leaves it, logs the decision, and issues the permit if it allows.
    async fn decide_and_permit(
        &mut self,
        request: &PermitRequest,
    ) -> Result<Result<Envelope, Box<Decision>>, EngineError> {
        let change = self
            .change
            .clone()
            .ok_or_else(|| Refusal::unknown("unknown-change", format!("there is no change {}", request.change)))?;
        let snapshot = Snapshot::take(&self.governance, &change)?;
        let decision = decide::decide(&self.governance.rules, &snapshot, self.at);
        let decision_bytes = json(&decision)?;
        let decision_digest = Digest::of(&decision_bytes);
        let snapshot_bytes = snapshot.to_bytes();
        let decided = Decided {
            change: request.change.clone(),
            revision: request.revision,
            outcome: decision.outcome,
            decision: decision_digest,
            snapshot: Digest::of(&snapshot_bytes),
            rules: decision.rules_digest,
            engine: decision.engine.clone(),
            decided_at: self.at,
            heads: Heads { governance: self.governance.record.head, change: change.head },
        };
        self.blobs.insert(decision_digest, decision_bytes);
        self.blobs.insert(decided.snapshot, snapshot_bytes);
        self.say(Body::Decided(decided)).await?;
        let change = self.change.clone().unwrap_or(change);
        match Permit::issue(&decision, decision_digest, &change, request, self.at) {
            Ok(permit) => Ok(Ok(self.say(Body::PermitGrant(permit.grant().clone())).await?)),
            Err(Denied::ByRules(decision)) => Ok(Err(decision)),
            Err(Denied::Refused(refusal)) => Err(refusal.into()),
        }
    }

    /// The decision as it would be after this draft.
    async fn standing(&self) -> Result<Option<Decision>, EngineError> {
        let Some(change) = self.change.as_ref().filter(|change| change.status.is_open()) else { return Ok(None) };
        let snapshot = Snapshot::take(&self.governance, change)?;
        Ok(Some(decide::decide(&self.governance.rules, &snapshot, self.at)))
    }

    fn finish(self) -> Result<Submission, EngineError> {
        let projection = match (&self.amended, &self.change) {
            (Some(governance), _) => governance_projection(&governance.record)?,
            (None, Some(change)) => change_projection(change)?,
            (None, None) => return Err(EngineError::Damaged("a submission changes nothing".to_owned())),
        };
        Ok(Submission {
            leaves: self.leaves,
            expected: self.expected,
            projections: vec![projection],
            blobs: self.blobs.into_values().collect(),
            outbox: Vec::new(),
        })
    }
}

/// Whether a decision lets the change go.
pub fn allows(decision: &Decision) -> bool {
    match decision.outcome {
        Outcome::Allow => true,
        Outcome::Deny => false,
    }
}
