//! The engine: the only writer of the log. It loads the part of the state that a statement needs, asks core, and commits
//! leaves and projections in one transaction.
//!
//! Every write comes in through [`Engine::submit`] as a signed statement. What the server itself says (decisions,
//! permits, observations) follows from those and is signed with the server's own key, which opens nothing alone.
//!
//! | room | holds |
//! |---|---|
//! | `drafts` | the leaves of one submission as they are put together |
//! | `speakers` | whose keys there ever were |
//! | `speech` | what the server says |
//! | `steady` | the clock, and whether it jumps |
//! | `reads` | answers to questions |
//! | `bundles` | bundles, exports, tiles, proofs |
//! | `cosigned` | what others cosigned, as it was brought here |
//! | `findings` | what the server finds, and the list of findings |
//! | `guidance` | reading cited documents from their own branch |
//! | `material` | contents that reviewers look at, beside the log |

mod approving;
mod bundles;
mod cosigned;
mod drafts;
mod familiar;
mod findings;
pub mod guidance;
mod material;
mod reads;
mod recovered;
mod speakers;
mod speech;
mod steady;
mod subscriptions;
mod switched;

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    admit::{Signed, authenticate_genesis},
    change::Change,
    decision::{Decision, Outcome},
    epoch::{is_from_before, was_cut_off},
    explain::Explained,
    fold::Entry,
    governance::Governance,
    refusal::{Refusal, RefusalClass},
    state::State,
    statement::{Body, ObservedDocument, Publication, Statement},
};
use countersign_ledger::{Digest, Envelope, Leaf, Line, LogKeys, StreamHead, StreamId, Time, tree};
use thiserror::Error;
use tokio::sync::{Notify, RwLock};

use self::{
    cosigned::Cosigned, drafts::Draft, guidance::GuidanceSource, material::Place, speakers::Speakers, steady::Steady,
};
pub use self::{
    findings::FindingFilter,
    reads::{ChangeFilter, PAGE},
    steady::Uptime,
};
pub use crate::store::{Head, layout::tile_paths};
use crate::{
    rebuild,
    records::{self, GovernanceCache, Overview, RecordError},
    ring::Ring,
    store::{
        self, Age, Conflict, Damage, NewLeaf, Store, StoreError, Submission, Trouble, Unique,
        scrub::scrub,
        writer::{SubmitError, Writer},
    },
    wire::{EpochHint, Receipt},
};

/// How long a statement may look back: its checkpoint must be among those of the last day.
const MAX_CHECKPOINT_AGE_SECS: i64 = 24 * 60 * 60;
/// The same of what a gate was handed while it could not reach the log, and of proposals, which grant nothing.
const MAX_OUTAGE_SECS: i64 = 30 * 24 * 60 * 60;

pub const MAX_BLOB_BYTES: usize = 4 * 1024 * 1024;

/// How often a write is tried again when another one came first.
const MAX_ATTEMPTS: usize = 32;

/// How often beside others.
const TOGETHER: usize = 4;

#[derive(Debug, Error)]
pub enum EngineError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The rules deny. The decision is in the log.
    #[error("the rules do not allow change {}", .0.decision.change)]
    Denied(Box<Explained>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(SubmitError),
    #[error("the server cannot sign: {0}")]
    Signing(String),
    #[error("material cannot be read or written: {0}")]
    Material(io::Error),
}

/// What a failure of the server means to whoever asked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may have been written, or not.
    Unknown,
    /// Nothing was written, and it may be taken later.
    Passing(Trouble),
    /// The disk is not what was signed.
    Damaged,
    Other,
}

impl EngineError {
    pub fn failure(&self) -> Failure {
        match self {
            Self::Store(error) => of_the_store(error, error.is_unknown()),
            Self::Write(SubmitError::Failed(error) | SubmitError::Undone(error)) => of_the_store(error, false),
            Self::Write(SubmitError::Unknown(_) | SubmitError::Stopped) => Failure::Unknown,
            Self::Write(SubmitError::Conflict(_))
            | Self::Refused(_)
            | Self::Denied(_)
            | Self::Signing(_)
            | Self::Material(_) => Failure::Other,
        }
    }

    /// The store holds something else than it has to.
    pub fn damaged(what: &'static str, found: String) -> Self {
        Self::Store(Damage::Value { what, found }.into())
    }
}

fn replayed(index: u64) -> Refusal {
    let there = format!("the log has this statement, or the key that it registers, already, in leaf {index}");
    Refusal::conflict("replayed", there)
}

fn of_the_store(error: &StoreError, is_unknown: bool) -> Failure {
    match error {
        StoreError::Unknown { .. } if is_unknown => Failure::Unknown,
        error if error.is_damage() => Failure::Damaged,
        // Of a commit that failed it may have been found out that it did not happen.
        StoreError::Database { trouble, .. } | StoreError::Unknown { trouble, .. } => Failure::Passing(*trouble),
        StoreError::Damaged(_)
        | StoreError::OtherLog(_)
        | StoreError::Note(_)
        | StoreError::File { .. }
        | StoreError::Newer { .. }
        | StoreError::Older { .. }
        | StoreError::Foreign(_)
        | StoreError::Address(_)
        | StoreError::NoText(_) => Failure::Other,
    }
}

impl From<Damage> for EngineError {
    fn from(damage: Damage) -> Self {
        Self::Store(damage.into())
    }
}

impl From<RecordError> for EngineError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Store(error) => Self::Store(error),
            RecordError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// Time as an argument, all the way from here.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// What the engine is opened with.
pub struct Setup {
    pub store: Arc<dyn Store>,
    pub keys: Arc<Ring>,
    pub genesis: Envelope,
    /// What a store that is empty is founded with; else nothing has to be there.
    pub genesis_blobs: Vec<Vec<u8>>,
    pub guidance: Vec<GuidanceSource>,
    pub clock: Clock,
    /// What the clock is compared with; without it the clock is believed.
    pub uptime: Option<Uptime>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").finish_non_exhaustive()
    }
}

pub struct Engine {
    store: Arc<dyn Store>,
    writer: Writer,
    keys: Arc<Ring>,
    guidance: Vec<GuidanceSource>,
    clock: Steady,
    /// Held by all who write at once; alone by who has come too late too often.
    turn: RwLock<()>,
    governance: GovernanceCache,
    cosigned: Cosigned,
    damage: OnceLock<String>,
    speakers: tokio::sync::Mutex<Speakers>,
    erasures: AtomicU64,
    /// Whether what is loud is told to somebody, by jobs of the store.
    tells: AtomicBool,
    material: Place,
    /// Held while a revocation is admitted: how many there are at a time no stream tells.
    revocations: tokio::sync::Mutex<()>,
    /// Told when people, rules or keys have changed.
    moved: Notify,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the log, and founds it with the genesis if it is empty. Projections of an older version are made again first.
    pub async fn open(setup: Setup) -> Result<Self, EngineError> {
        let signed = Signed::check(&setup.genesis)?;
        let genesis = authenticate_genesis(&signed)?;
        let note = setup.store.head().await?.note;
        let notary = Arc::clone(&setup.keys).notary(&note, &genesis.log_key)?;
        let writer = Writer::start(Arc::clone(&setup.store), notary);
        let engine = Self {
            store: setup.store,
            writer,
            keys: setup.keys,
            guidance: setup.guidance,
            clock: Steady::new(setup.clock, setup.uptime),
            turn: RwLock::default(),
            governance: GovernanceCache::default(),
            cosigned: Cosigned::default(),
            damage: OnceLock::new(),
            speakers: Default::default(),
            erasures: AtomicU64::new(0),
            tells: AtomicBool::new(false),
            material: Place::default(),
            revocations: Default::default(),
            moved: Notify::default(),
        };
        if engine.store.head().await?.size == 0 {
            engine.found(&setup.genesis, setup.genesis_blobs).await?;
        }
        match Age::of(engine.store.version().await?, records::PROJECTIONS) {
            Age::Current => {}
            Age::Older(_) => rebuild::projections(&*engine.store, &mut rebuild::told).await?,
            Age::Newer(found) => return Err(records::newer(found).into()),
        }
        // Nothing that grows with the number of people: a server that starts answers at once.
        let founded = engine.overview().await?;
        if founded.genesis != setup.genesis.payload_digest() {
            return Err(Refusal::conflict(
                "another-genesis",
                format!("the store was founded by {}, the home's genesis is another", founded.genesis),
            )
            .hint("a home and its ledger belong together; restore both from the same backup")
            .into());
        }
        if engine.keys.server(&founded.server_key).is_none() {
            return Err(Refusal::conflict(
                "another-server-key",
                "the home's server key is not the one of the genesis, or of what came in its place",
            )
            .hint("restore keys/server.key from the backup of this home")
            .into());
        }
        Ok(engine)
    }

    async fn found(&self, genesis: &Envelope, blobs: Vec<Vec<u8>>) -> Result<(), EngineError> {
        let signed = Signed::check(genesis)?;
        authenticate_genesis(&signed)?;
        let by_digest: BTreeMap<Digest, Vec<u8>> = blobs.into_iter().map(|b| (Digest::of(&b), b)).collect();
        let streams = signed.statement().streams(&signed.payload())?;
        let leaf = leaf_at(&streams, |_| Ok(StreamHead::EMPTY), self.clock.now()?, genesis.clone())?;
        let entry = Entry::of(leaf.clone(), signed);
        let state = State::genesis(&entry, &|digest| by_digest.get(digest).cloned())?;
        let submission = Submission {
            expected: streams.iter().map(|stream| (stream.clone(), 0)).collect(),
            projections: records::projections(&state, &streams)?,
            blobs: by_digest.into_values().collect(),
            leaves: vec![NewLeaf { unique: records::uniques(&state, &entry.signed)?, leaf }],
            erased: Vec::new(),
            outbox: Vec::new(),
            log_key: None,
        };
        match self.writer.submit(submission, None).await {
            Ok(_) => Ok(self.store.set_version(records::PROJECTIONS).await?),
            Err(SubmitError::Conflict(_)) => {
                Err(Refusal::conflict("already-founded", "another server founded the log just now").into())
            }
            Err(error) => Err(EngineError::Write(error)),
        }
    }

    /// Reads the whole log on the disk again. That it does not hold is told from then on ([`Engine::is_whole`]); that it could
    /// not be read just now is no damage.
    pub async fn read_again(&self, options: &store::Options, pause: Duration) -> Result<u64, StoreError> {
        let read = scrub(self.store(), options, &records::keys, pause).await;
        if let Err(error) = &read
            && error.is_damage()
        {
            self.damaged_is(error.to_string());
        }
        read
    }

    pub(crate) fn damaged_is(&self, what: String) {
        // The first finding is the one that is told.
        drop(self.damage.set(what));
    }

    /// Whether the log was found to hold, as far as it was read.
    pub fn is_whole(&self) -> Result<(), EngineError> {
        match self.damage.get() {
            Some(found) => Err(EngineError::damaged("the log", found.clone())),
            None => Ok(()),
        }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// From here on what is loud is written down for [`crate::notify`], with its leaf.
    pub fn tell(&self) {
        self.tells.store(true, Ordering::Relaxed);
    }

    /// How often something was erased since the log was opened: what is kept elsewhere of it has to go, too.
    pub fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::Relaxed)
    }

    pub async fn head(&self) -> Result<Head, EngineError> {
        Ok(self.store.head().await?)
    }

    /// What governs, in short: read in no time, however many people there are.
    pub async fn overview(&self) -> Result<Overview, EngineError> {
        Ok(records::overview(&*self.store).await?)
    }

    /// By which key the log signs which sizes.
    pub async fn log_keys(&self) -> Result<LogKeys, EngineError> {
        Ok(records::log_keys(&*self.store).await?)
    }

    /// Where epochs were begun; `None` in the first.
    pub async fn epochs(&self) -> Result<Option<Vec<EpochHint>>, EngineError> {
        Ok(EpochHint::of(&records::epochs(&*self.store).await?))
    }

    /// Governance as it stands.
    pub async fn governance(&self) -> Result<Arc<Governance>, EngineError> {
        Ok(self.governed().await?.1)
    }

    async fn governed(&self) -> Result<(StreamHead, Arc<Governance>), EngineError> {
        let governed = self.governance.get(&*self.store).await?;
        Ok(governed.ok_or_else(|| Refusal::unknown("not-founded", "the log has no genesis"))?)
    }

    /// Takes a signed statement: the one way to write.
    pub async fn submit(&self, envelope: &[u8], blobs: Vec<Vec<u8>>) -> Result<Receipt, EngineError> {
        // What is signed over a damaged log contradicts it.
        self.is_whole()?;
        let submitted = self.take(envelope, blobs).await;
        if let Err(error) = &submitted
            && error.failure() == Failure::Damaged
        {
            self.damaged_is(error.to_string());
        }
        if submitted.is_ok() {
            self.look_after(envelope).await;
        }
        submitted
    }

    /// Who rolled back alone is told at once who looks at it: from the start of what runs, however that ends. Who breaks the glass is told
    /// when they sign it.
    /// Where that does not work it is asked again when a server starts.
    async fn look_after(&self, envelope: &[u8]) {
        let statement = Envelope::parse(envelope).ok().and_then(|envelope| Statement::parse(envelope.payload()).ok());
        let targets = match statement.map(|statement| statement.body) {
            Some(Body::OutcomeReport(report)) => report.targets,
            Some(Body::BreakGlass(said)) => said.targets,
            _ => return,
        };
        if let Err(error) = self.raise_after_reviews(&targets).await {
            tracing::warn!(%error, "nobody could be asked to look at what was rolled back");
        }
    }

    async fn take(&self, envelope: &[u8], blobs: Vec<Vec<u8>>) -> Result<Receipt, EngineError> {
        let envelope =
            Envelope::parse(envelope).map_err(|e| Refusal::malformed("malformed-envelope", e.to_string()))?;
        let signed = Signed::check(&envelope)?;
        let is_from_before = is_from_before(&self.governance().await?.record, signed.statement());
        let blobs = match &signed.statement().body {
            // What it puts in force came with what it puts it in force by.
            body @ Body::Publication(Publication { change: Some(_), .. }) => {
                records::all_named(&*self.store, std::iter::once((body, None))).await?.into_values().collect()
            }
            _ => blobs,
        };
        let blobs = drafts::named_blobs(&signed, blobs, is_from_before)?;
        let mut last = None;
        let mut not_before = Time::from_unix_millis(i64::MIN);
        for attempt in 0..MAX_ATTEMPTS {
            // Whoever has come too late a few times writes alone, and so waits for others instead of trying for ever.
            // Nothing comes between an epoch and the log that it goes on from.
            let together = attempt < TOGETHER && !matches!(signed.statement().body, Body::Epoch(_));
            let (_together, _alone) = match together {
                true => (Some(self.turn.read().await), None),
                false => (None, Some(self.turn.write().await)),
            };
            let attempted = self.attempt(&envelope, &signed, &blobs, not_before).await;
            // What was written before often conflicts with what it brought about; who sends it again learns that it was written.
            if let Err(EngineError::Refused(Refusal { class: RefusalClass::Conflict, .. })) = &attempted {
                let key = Unique::of_digest(&signed.payload());
                if let Some(index) = self.store.taken(&[key]).await?.get(&key) {
                    return Err(replayed(*index).into());
                }
            }
            match attempted? {
                Attempt::Taken(receipt) => return Ok(*receipt),
                Attempt::Denied(denial) => return Err(EngineError::Denied(denial)),
                Attempt::Conflict(Conflict::Taken { index, .. }) => {
                    return Err(replayed(index).into());
                }
                Attempt::Conflict(Conflict::Unfit(unfit)) => {
                    return Err(Refusal::malformed("unfit", unfit.to_string()).into());
                }
                // Another statement came first: look again, and judge by what it changed.
                Attempt::Conflict(conflict @ Conflict::Moved(_)) => last = Some(conflict),
                Attempt::Conflict(conflict @ Conflict::Overtaken(time)) => {
                    steady::may_wait(self.clock.now()?, time)?;
                    not_before = time;
                    last = Some(conflict);
                }
            }
        }
        let what = match last {
            Some(Conflict::Moved(stream)) => format!("stream {stream} is being written to by others"),
            Some(Conflict::Overtaken(_)) => "another server's clock runs ahead".to_owned(),
            Some(Conflict::Taken { .. } | Conflict::Unfit(_)) | None => "others are writing".to_owned(),
        };
        Err(Refusal::conflict("busy", what).hint("try again").into())
    }

    async fn attempt(
        &self,
        envelope: &Envelope,
        signed: &Signed,
        blobs: &BTreeMap<Digest, Vec<u8>>,
        not_before: Time,
    ) -> Result<Attempt, EngineError> {
        self.fresh(signed.statement()).await?;
        // Another server's clock may be ahead of ours; the log's time never goes back.
        let at = self.clock.now()?.max(not_before);
        let announced = self.writer.expect(at);
        let _one_at_a_time = match &signed.statement().body {
            Body::KeyRevocation(_) => Some(self.revocations.lock().await),
            _ => None,
        };
        let mut draft = Draft::begin(self, signed, at).await?;
        draft.blobs.clone_from(blobs);
        match (draft.push(envelope.clone(), signed.clone()), &signed.statement().body) {
            // Whomever the refusal names has to be able to do it: looked up only now, and nothing is decided by it.
            (Err(EngineError::Refused(_)), Body::BreakGlass(_) | Body::Freeze(_)) => {
                draft.know_everybody().await?;
                draft.push(envelope.clone(), signed.clone())?;
            }
            (pushed, _) => pushed?,
        }
        draft.fits_the_home(signed).await?;
        let id = signed.statement().change(&signed.payload());
        let mut permit = None;
        let mut denied = false;
        if let Some(id) = &id {
            draft.observe(id).await?;
            if let Body::PermitRequest(request) = &signed.statement().body {
                match draft.decide(request).await? {
                    drafts::Asked::Permitted(envelope) => {
                        permit = Some(String::from_utf8_lossy(envelope.raw()).into_owned());
                    }
                    drafts::Asked::Denied => denied = true,
                    drafts::Asked::DeniedBefore(denial) => return Ok(Attempt::Denied(denial)),
                }
            }
        }
        let standing = match &id {
            Some(id) => draft.standing(id).await?,
            None => None,
        };
        let submission = draft.finish().await?;
        Ok(match self.writer.submit(submission, Some(announced)).await {
            Err(SubmitError::Conflict(conflict)) => Attempt::Conflict(conflict),
            Err(error) => return Err(EngineError::Write(error)),
            Ok(index) => {
                self.has_grown();
                match &signed.statement().body {
                    Body::Erasure(erasure) => {
                        self.erasures.fetch_add(1, Ordering::Relaxed);
                        // The log has it; what stays behind now goes when everything is tidied.
                        if let Err(error) = self.erase_material(erasure).await {
                            tracing::error!(%error, "material of what was erased is still there");
                        }
                    }
                    Body::Publication(_) | Body::KeyRevocation(_) | Body::KeyRotation(_) | Body::Recovery(_) => {
                        self.moved.notify_one()
                    }
                    _ => {}
                }
                match standing {
                    Some(denial) if denied => Attempt::Denied(Box::new(denial)),
                    standing => {
                        let (decision, explanation) =
                            standing.map(|standing| (standing.decision, standing.explanation)).unzip();
                        let statement = signed.payload();
                        let receipt = Receipt { index, statement, change: id, permit, decision, explanation };
                        Attempt::Taken(Box::new(receipt))
                    }
                }
            }
        })
    }

    /// The checkpoint that a statement names must be one of ours, and not an old one.
    async fn fresh(&self, statement: &Statement) -> Result<(), EngineError> {
        let governance = self.governance().await?;
        if was_cut_off(&governance.record, statement) {
            return Ok(());
        }
        let (seen, head) = (&statement.header.checkpoint, self.store.head().await?);
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
        if matches!(statement.body, Body::Epoch(_)) && seen.size != head.size {
            return Err(Refusal::conflict(
                "epoch-overtaken",
                format!("the log has {} leaves, and the epoch was to begin behind {}", head.size, seen.size),
            )
            .hint("make it again: countersign epoch HOME --why …")
            .into());
        }
        if seen.size == head.size {
            return if seen.root == head.root { Ok(()) } else { Err(foreign().into()) };
        }
        let root = store::with_nodes(&*self.store, |nodes| tree::root(seen.size, &nodes)).await?;
        if !root.is_ok_and(|root| root == seen.root) {
            return Err(foreign().into());
        }
        // What was lost with a cut comes back when whoever had it finds the log again.
        if is_from_before(&governance.record, statement) {
            return Ok(());
        }
        let next = store::leaf_at(&*self.store, seen.size).await?;
        // What was signed for a gate in an outage comes when that is over: it is told what happened, and proposed what did.
        let may_be_late = match &statement.body {
            Body::BreakGlass(said) => said.nonce.is_some(),
            Body::LocalPermit(_) | Body::Drill(_) => true,
            Body::Proposal(proposal) => !proposal.subject.is_governance(),
            _ => false,
        };
        let most = if may_be_late { MAX_OUTAGE_SECS } else { MAX_CHECKPOINT_AGE_SECS };
        if self.clock.now()?.secs_since(next.admitted_at) > most {
            return Err(Refusal::conflict(
                "stale-statement",
                format!("the statement was made more than {} ago", countersign_core::permit::span(most)),
            )
            .hint("make and sign it again")
            .into());
        }
        Ok(())
    }

    /// The guidance that a change cites, if it stands otherwise than last observed.
    async fn observe(&self, change: &Change) -> Result<Option<Vec<ObservedDocument>>, EngineError> {
        let cited: Vec<String> = change.cited_guidance().into_iter().map(str::to_owned).collect();
        if cited.is_empty() || !change.status.is_open() {
            return Ok(None);
        }
        let sources = self.guidance.clone();
        let observed = tokio::task::spawn_blocking(move || guidance::observe(&sources, &cited))
            .await
            .map_err(|e| Refusal::conflict("guidance-unread", format!("guidance could not be read: {e}")))?;
        Ok((observed != change.observed).then_some(observed))
    }
}

/// What came of one attempt to write.
enum Attempt {
    Taken(Box<Receipt>),
    Denied(Box<Explained>),
    Conflict(Conflict),
}

/// A leaf behind the heads of its streams.
fn leaf_at(
    streams: &[StreamId],
    head: impl Fn(&StreamId) -> Result<StreamHead, Refusal>,
    at: Time,
    envelope: Envelope,
) -> Result<Leaf, Refusal> {
    let lines = streams.iter().map(|stream| Ok(Line::after(stream.clone(), head(stream)?)));
    let lines = lines.collect::<Result<Vec<_>, Refusal>>()?;
    Leaf::new(lines, at, envelope).map_err(|e| Refusal::malformed("malformed-leaf", e.to_string()))
}

/// Whether a decision lets the change go.
pub fn allows(decision: &Decision) -> bool {
    match decision.outcome {
        Outcome::Allow => true,
        Outcome::Deny => false,
    }
}

/// A leaf of the engine's own log. Its signatures were checked when it was admitted, and are not checked again to hand it on:
/// whoever gets it does.
#[derive(Debug)]
pub struct OwnLeaf {
    pub leaf: Leaf,
    pub statement: Statement,
}

impl OwnLeaf {
    pub fn read(bytes: &[u8]) -> Result<Self, EngineError> {
        let leaf = Leaf::parse(bytes).map_err(|e| EngineError::damaged("a leaf", e.to_string()))?;
        let statement = Statement::parse(leaf.envelope.payload())?;
        Ok(Self { leaf, statement })
    }

    pub fn body(&self) -> &Body {
        &self.statement.body
    }

    pub fn said(&self) -> records::Said<'_> {
        (&self.statement.body, self.leaf.envelope.token().map(|token| token.digest))
    }
}
