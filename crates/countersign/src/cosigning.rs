//! Collecting cosignatures: the server asks each of its cosigners to cosign where the log stands, at least every 20 seconds,
//! also when nothing is new, and hands on what they answer (C2SP `tlog-witness`, the log's side).
//!
//! ```text
//!  every 20 s, or after new leaves
//!    the newest checkpoint ──> each cosigner, with the proof from what it cosigned last
//!    their lines, below it ──> /cosigned, entries, exports, bundles; HOME/cosigned
//! ```
//!
//! The server need not know whose lines they are, and nobody believes it what they say: whoever pinned the cosigners' keys
//! checks them.
//!
//! Invariant: what is handed on is a checkpoint of this log, and the store continues it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use countersign_ledger::{
    LogKeys, SignedCheckpoint, Time,
    checkpoint::CheckpointError,
    cosignature::MAX_COSIGNERS,
    witness::{ADD_CHECKPOINT, AddCheckpoint, Answer, Refusal},
};
use thiserror::Error;
use tokio::{
    task::{self, JoinSet},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    client::{proxy_of, sent_on},
    clock, durable,
    engine::{Engine, EngineError},
};

/// How often every cosigner is asked.
const EVERY: Duration = Duration::from_secs(20);
/// Between two rounds, however fast the log grows.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a cosigner may take: it follows the log first.
const PATIENCE: Duration = Duration::from_secs(10);
/// A checkpoint that fewer cosigned takes the place of one that more did only when that is so old: one cosigner that hiccups
/// shuts no gate for which the last round is fresh enough.
const KEPT_SECS: i64 = 40;
/// Signature lines of one cosigner, which may have several keys.
const MAX_LINES: usize = 4;
/// The largest answer that is read: a few lines, or why not.
const MAX_ANSWER_BYTES: u64 = 16 * 1024;

/// The most cosigners that a server asks.
pub const MAX_ASKED: usize = MAX_COSIGNERS;

#[derive(Debug, Error)]
pub enum CosigningError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is no checkpoint of this log: {source}")]
    OtherLog { path: PathBuf, source: CheckpointError },
    /// Somebody has taken leaves away.
    #[error("{path} has a checkpoint of {size} leaves that others cosigned, and this ledger does not continue it")]
    Behind { path: PathBuf, size: u64 },
}

impl CosigningError {
    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(_) => "store",
            Self::Io { .. } => "io",
            Self::OtherLog { .. } => "another-log",
            Self::Behind { .. } => "ledger-behind-cosigners",
        }
    }

    pub fn hint(&self) -> &'static str {
        match self {
            Self::Engine(_) => "see what the store says",
            Self::Io { .. } => "may this account read and write in the home?",
            Self::OtherLog { .. } => "is the file of another home? Whoever takes it away has the cosigners begin anew",
            Self::Behind { .. } => {
                "was the ledger restored from an older copy? Every gate and cosigner that saw more will refuse it: put the \
                 newest copy back"
            }
        }
    }
}

/// What one cosigner has to do with the log.
#[derive(Debug, Default)]
struct Asked {
    /// The size that it cosigned last, as far as it told.
    size: u64,
    /// What it answered last; told once, when it changes.
    said: String,
}

/// Collects the cosignatures of a server's log.
#[derive(Debug)]
pub struct Collector {
    engine: Arc<Engine>,
    agent: ureq::Agent,
    asked: BTreeMap<String, Asked>,
    path: PathBuf,
    /// What is handed on, since when, and whose answers stand below it.
    since: Time,
    answers: BTreeMap<String, String>,
}

impl Collector {
    /// Collects from the cosigners at these addresses. `path` keeps what was collected over a restart; it is read here.
    pub async fn begin(engine: Arc<Engine>, cosigners: &[String], path: &Path) -> Result<Self, CosigningError> {
        let log_key = engine.log_keys().await?;
        if let Some(kept) = kept(&engine, &log_key, path).await? {
            engine.put_cosigned(kept);
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            // By itself it would turn a POST into a GET, and go wherever it is sent.
            .max_redirects(0)
            .build()
            .new_agent();
        Ok(Self {
            engine,
            agent,
            asked: cosigners.iter().map(|url| (url.trim_end_matches('/').to_owned(), Asked::default())).collect(),
            path: path.to_owned(),
            since: clock::now(),
            answers: BTreeMap::new(),
        })
    }

    /// Asks for ever; returns at once where there is nobody to ask.
    pub async fn run(mut self) {
        if self.asked.is_empty() {
            return;
        }
        let mut due = interval(EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = due.tick() => {}
                () = self.engine.grown() => {}
            }
            if let Err(error) = self.round(clock::now()).await {
                tracing::error!(%error, "cosignatures could not be collected");
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks every cosigner once, all at the same time.
    async fn round(&mut self, now: Time) -> Result<(), CosigningError> {
        let note = self.engine.head().await?.note;
        let signed = SignedCheckpoint::open(&note, &self.engine.log_keys().await?)
            .map_err(|source| CosigningError::OtherLog { path: self.path.clone(), source })?;
        let mut asking = JoinSet::new();
        for (url, asked) in &self.asked {
            let question = Question {
                engine: Arc::clone(&self.engine),
                agent: self.agent.clone(),
                url: url.clone(),
                signed: signed.clone(),
            };
            let size = asked.size;
            asking.spawn(async move { (question.url.clone(), question.ask(size).await) });
        }
        let mut answers = BTreeMap::new();
        while let Some(answered) = asking.join_next().await {
            let Ok((url, answer)) = answered else { continue };
            let said = match answer {
                Ok(Answered { size, lines }) => {
                    if let Some(asked) = self.asked.get_mut(&url) {
                        asked.size = size;
                    }
                    answers.insert(url.clone(), lines);
                    String::new()
                }
                Err(why) => why,
            };
            self.tell(&url, said);
        }
        self.take(&signed, answers, now)
    }

    /// Logs what a cosigner says, once.
    fn tell(&mut self, url: &str, said: String) {
        let Some(asked) = self.asked.get_mut(url).filter(|asked| asked.said != said) else { return };
        if said.is_empty() {
            tracing::info!(cosigner.url = url, "cosigns again");
        } else {
            tracing::warn!(cosigner.url = url, why = said, "does not cosign");
        }
        asked.said = said;
    }

    /// Hands on what was answered, unless what is handed on already is better.
    fn take(
        &mut self,
        signed: &SignedCheckpoint,
        answers: BTreeMap<String, String>,
        now: Time,
    ) -> Result<(), CosigningError> {
        if answers.is_empty() {
            return Ok(());
        }
        let known = self.engine.cosigned();
        let is_same = known.as_ref().is_some_and(|known| known.checkpoint() == signed.checkpoint());
        let answers = match is_same {
            // Whoever did not answer this time has cosigned the same before.
            true => self.answers.iter().map(|(url, lines)| (url.clone(), lines.clone())).chain(answers).collect(),
            false => answers,
        };
        let Ok(note) = signed.handing_on(answers.values().map(String::as_str)) else {
            tracing::warn!("the cosigners' lines are more than a note can hold");
            return Ok(());
        };
        let keeps = known.is_some_and(|known| known.others() > note.others());
        if keeps && now.secs_since(self.since) < KEPT_SECS {
            return Ok(());
        }
        durable::replace(&self.path, note.to_note()).map_err(|source| CosigningError::Io {
            operation: "write",
            path: self.path.clone(),
            source,
        })?;
        self.engine.put_cosigned(note);
        self.answers = answers;
        self.since = now;
        Ok(())
    }
}

/// What was collected before, if this ledger continues it.
async fn kept(engine: &Engine, log_key: &LogKeys, path: &Path) -> Result<Option<SignedCheckpoint>, CosigningError> {
    let note = match fs::read_to_string(path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CosigningError::Io { operation: "read", path: path.to_owned(), source }),
    };
    let signed = SignedCheckpoint::open(&note, log_key)
        .map_err(|source| CosigningError::OtherLog { path: path.to_owned(), source })?;
    let size = signed.checkpoint().size;
    if engine.root_at(size).await? == Some(signed.checkpoint().root) {
        Ok(Some(signed))
    } else {
        Err(CosigningError::Behind { path: path.to_owned(), size })
    }
}

/// What a cosigner answered, and the size that it has cosigned now.
struct Answered {
    size: u64,
    lines: String,
}

/// One cosigner, asked for one checkpoint.
struct Question {
    engine: Arc<Engine>,
    agent: ureq::Agent,
    url: String,
    signed: SignedCheckpoint,
}

impl Question {
    /// Asks, from the size that the cosigner is thought to have cosigned last; if it says another one, once more from there.
    async fn ask(&self, old_size: u64) -> Result<Answered, String> {
        let size = self.signed.checkpoint().size;
        match self.post(old_size).await? {
            Answer::Refused(Refusal::OtherSize { known }) if known <= size && known != old_size => {
                match self.post(known).await? {
                    Answer::Cosigned(lines) => Ok(answered(size, &lines)),
                    Answer::Refused(refusal) => Err(refusal.to_string()),
                }
            }
            Answer::Refused(Refusal::OtherSize { known }) if known > size => Err(format!(
                "it has cosigned {known} leaves, and this log has {size}: was the ledger restored from an older copy?"
            )),
            Answer::Refused(refusal) => Err(refusal.to_string()),
            Answer::Cosigned(lines) => Ok(answered(size, &lines)),
        }
    }

    async fn post(&self, old_size: u64) -> Result<Answer, String> {
        let size = self.signed.checkpoint().size;
        let proof = match old_size {
            0 => Vec::new(),
            old => self.engine.consistency(old, size).await.map_err(|error| error.to_string())?,
        };
        let request = AddCheckpoint { old_size, proof, note: self.signed.without_cosignatures().to_note() };
        let (agent, url) = (self.agent.clone(), format!("{}/{ADD_CHECKPOINT}", self.url));
        let answer = task::spawn_blocking(move || send(&agent, &url, &request)).await;
        answer.map_err(|error| error.to_string())?
    }
}

fn answered(size: u64, lines: &str) -> Answered {
    Answered { size, lines: lines.split_inclusive('\n').take(MAX_LINES).collect() }
}

fn send(agent: &ureq::Agent, url: &str, request: &AddCheckpoint) -> Result<Answer, String> {
    let post = agent.post(url).config().proxy(proxy_of(url)).build();
    let mut response = post.send(request.to_body()).map_err(|error| error.to_string())?;
    if let Some(to) = sent_on(&response) {
        return Err(format!("it sends on to {to}; write the address that answers"));
    }
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
    let body = body.map_err(|error| format!("the answer breaks off: {error}"))?;
    Answer::parse(status, kind.as_deref(), &body).map_err(|error| {
        let said: String = String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control()).take(200).collect();
        format!("{error} ({said})")
    })
}
