//! `serve`: the server over a home.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use countersign_core::verify::Verdict;
use countersign_ledger::{Digest, checkpoint::Checkpoint, tree};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    Global,
    error::{CliError, Exit},
};
use crate::{
    api::{self, Hosts, Reached},
    clock,
    cosigning::{Collector, CosigningError},
    durable,
    engine::{Engine, EngineError, Failure, Setup},
    follower::{ledger::Ledger, source::Source},
    home::{FOUNDED, Home, LOCK, SEEN, files::word},
    notify::Notifier,
    ring::Ring,
    store::{self, Damage, Store, StoreError, writer::SubmitError},
    subscriptions, unix, verifying,
};

/// How long what still runs is waited for in the end.
const PARTING: Duration = Duration::from_secs(1);

/// Serve a home: the log, the decisions, the API.
///
/// Writing needs no token: every write is a signed statement. Reading is open to whoever can reach the address; put a
/// proxy with your authentication before it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The home, from `countersign init`.
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_HOME")]
    home: PathBuf,
    /// Where to listen. Default: `listen` of the home's countersign.yaml.
    #[arg(long, value_name = "ADDRESS", env = "COUNTERSIGN_LISTEN")]
    listen: Option<SocketAddr>,
    /// A name by which it is asked (repeatable), beside its addresses and `hosts` of the home's countersign.yaml.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// An address that is told what is loud (broken glass, rollbacks, freezes, findings raised and overdue), each as a CloudEvent of
    /// ids and links, until it takes it.
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_NOTIFY", value_parser = address)]
    notify: Option<String>,
}

fn address(text: &str) -> Result<String, String> {
    match text.starts_with("http://") || text.starts_with("https://") {
        true => Ok(text.to_owned()),
        false => Err("an address such as https://pager.example/hook".to_owned()),
    }
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let home = global.home(&args.home)?;
    home.founded()?;
    let listen = args.listen.unwrap_or(home.config().listen);
    // Colours are for terminals.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_ansi(colours).with_writer(std::io::stderr).init();
    let runtime =
        tokio::runtime::Runtime::new().map_err(|e| CliError::new("failed", format!("the server cannot start: {e}")))?;
    let _alone = alone(&home)?;
    let served = runtime.block_on(async {
        // A log that nobody could be served is not begun.
        let listener = api::bind(listen).await.map_err(|e| {
            CliError::new("cannot-listen", format!("cannot listen on {listen}: {e}"))
                .hint("is another server running there? choose another address with --listen")
        })?;
        let engine = open_engine(&home).await?;
        let collector = Collector::begin(Arc::clone(&engine), &home.config().cosigners, &home.cosigned_path()).await?;
        let address = listener.local_addr().map_err(|e| CliError::new("failed", e.to_string()))?;
        // Before anybody is told that it serves: a manager may stop it at once.
        let stopped = unix::stopped();
        anstream::println!("serving {} on http://{address} (stop with Ctrl-C)", home.config().origin);
        tokio::spawn(collector.run());
        if let Some(url) = &args.notify {
            tokio::spawn(Notifier::of(Arc::clone(&engine), url).run());
        }
        tokio::spawn(keep_home(Arc::clone(&engine), home.path().to_owned()));
        tokio::spawn(tidy_material(Arc::clone(&engine)));
        tokio::spawn(subscriptions::run(Arc::clone(&engine)));
        tokio::spawn(reread(Arc::clone(&engine), Home::open(home.path())?));
        tokio::spawn(look_around(Arc::clone(&engine), home.path().to_owned()));
        let names = home.config().hosts.iter().chain(&args.host).cloned();
        let reached = Reached { hosts: Hosts::new(names), ..Reached::default() };
        // So that who asks first does not wait for it.
        let warmed = Arc::clone(&engine);
        tokio::spawn(async move {
            if let Err(error) = warmed.governance().await {
                tracing::error!(%error, "governance cannot be read");
            }
        });
        let serving = api::serve_as(reached, Arc::clone(&engine), listener, stopped);
        serving.await.map_err(|e| CliError::new("failed", format!("{e}")))?;
        drop(write_seen(&engine, &home.seen_path(), &mut String::new()).await);
        drop(forget(&engine, home.path()).await);
        // Whoever copies the file of a server that has ended has all of it.
        drop(timeout(CLOSING, engine.store().close()).await);
        Ok(Exit::Done)
    });
    // A cosigner that is being asked is not waited for.
    runtime.shutdown_timeout(PARTING);
    served
}

/// One server at a time serves a home whose store is a file: two would each sign by what they hold in memory.
pub(super) fn alone(home: &Home) -> Result<File, CliError> {
    let path = home.path().join(LOCK);
    let locked = durable::try_lock(&path).map_err(|e| {
        CliError::new("cannot-write", format!("cannot lock {}: {e}", path.display())).hint(MAY_IT_WRITE)
    })?;
    locked.ok_or_else(|| {
        let process = std::fs::read_to_string(&path).unwrap_or_default();
        let process = process.trim();
        let who = if process.is_empty() { String::new() } else { format!(", as process {process}") };
        CliError::new("home-in-use", format!("another server runs on {}{who}", home.path().display()))
            .hint("a home is served once; stop that one first, or ask it")
    })
}

/// For a home that is not written to.
const MAY_IT_WRITE: &str = "serve a home as the account that owns it, on a disk that can be written to";

/// How often it is written down where the log stands.
const SEEN_EVERY: Duration = Duration::from_secs(1);

/// Takes away what was kept for reviewers for as long as the home says.
async fn tidy_material(engine: Arc<Engine>) {
    let mut due = interval(BETWEEN_TIDYING);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if let Err(error) = engine.tidy_all_material().await {
            tracing::warn!(%error, "what is kept for reviewers could not be tidied");
        }
    }
}

/// Raises what nobody else finds: revocations that ended unconfirmed, groups that cannot give any more what is asked of them,
/// rules that let more through for a while.
async fn look_around(engine: Arc<Engine>, home: PathBuf) {
    let mut due = interval(LOOK_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if let Err(error) = engine.raise_all_after_reviews().await {
        tracing::warn!(%error, "what was rolled back could not be looked for");
    }
    loop {
        let raised = tokio::select! {
            _ = due.tick() => by_the_clock(&engine).await,
            () = engine.governance_moved() => {
                if let Err(error) = settle(&engine, &home).await {
                    tracing::warn!(%error, "which keys are in force could not be written down; they are when the server starts next");
                }
                what_governs_moved(&engine).await
            }
        };
        match raised {
            Ok(0) => {}
            Ok(raised) => tracing::info!(raised, "raised findings"),
            Err(error) => tracing::warn!(%error, "what somebody has to answer could not be looked for"),
        }
    }
}

/// What there is to find though nobody says anything.
async fn by_the_clock(engine: &Engine) -> Result<usize, EngineError> {
    let unconfirmed = engine.raise_unconfirmed().await?;
    let overdue = engine.raise_overdue_drills().await?;
    // Whoever was stopped in between asks again.
    let recovered = engine.raise_recovered().await?;
    Ok(unconfirmed + overdue + recovered + engine.raise_shares().await?)
}

/// What there is to find where somebody changed what governs, or whose keys hold.
async fn what_governs_moved(engine: &Engine) -> Result<usize, EngineError> {
    let recovered = engine.raise_recovered().await?;
    let switched = engine.raise_switched().await?;
    Ok(recovered + switched + engine.raise_unable().await?)
}

/// Other keys may have come in the place of the server's.
async fn settle(engine: &Engine, home: &Path) -> Result<(), CliError> {
    Ok(Home::open(home)?.settle(&engine.log_keys().await?)?)
}

const BETWEEN_TIDYING: Duration = Duration::from_secs(60 * 60);

/// How often it is looked for what has ended by the clock alone.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Reads the whole log again from time to time, slowly, and says what has decayed. What is damaged where nobody looks would else be
/// found when somebody needs it.
async fn reread(engine: Arc<Engine>, home: Home) {
    let options = home.store_options();
    tokio::time::sleep(FIRST_READING).await;
    loop {
        let read = match engine.read_again(&options, READING_PAUSE).await {
            Ok(leaves) => replayed(&home).await.map(|damage| (leaves, damage)),
            Err(error) if error.is_damage() => Ok((0, Some(error))),
            Err(error) => Err(error.to_string()),
        };
        let pause = match read {
            Ok((leaves, None)) => {
                tracing::info!(log.leaves = leaves, "the whole log was read again, and holds");
                BETWEEN_READINGS
            }
            Ok((_, Some(error))) => {
                let hint = match &error {
                    StoreError::Damaged(Damage::Kept(_)) => home.making_again(),
                    error => error.hint().to_owned(),
                };
                tracing::error!(%error, hint, "the log on the disk does not hold");
                engine.damaged_is(error.to_string());
                BETWEEN_READINGS
            }
            Err(error) => {
                tracing::warn!(error, "the whole log could not be read again just now");
                UNTIL_ANOTHER_TRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Whether the log holds when it is replayed as a verifier does, and what is kept beside the leaves is what they say: the server
/// decides by that.
async fn replayed(home: &Home) -> Result<Option<StoreError>, String> {
    let (path, trust) = (home.ledger_path(), home.trust().clone());
    let options = home.store_options();
    let replay = move || {
        let ledger = Ledger::open(&path, &options).map_err(|e| e.to_string())?;
        let source = Source::Ledger(Arc::new(ledger));
        let verified = verifying::verify(&trust, &source, 1, clock::now()).map_err(|e| e.to_string())?;
        let broken = verified.report.steps.iter().find(|step| step.verdict == Verdict::Broken);
        if let Some(step) = broken {
            let found = format!("{}: {}", step.name, step.detail);
            return Ok(Some(Damage::Value { what: "the log", found }.into()));
        }
        let Source::Ledger(ledger) = &source else { return Ok(None) };
        verified.misses(ledger).map_err(|e| e.to_string())
    };
    tokio::task::spawn_blocking(replay).await.map_err(|e| e.to_string())?
}

/// When the log is read again after the server began, how long is waited between two readings, after one that could not be
/// made, and between two pages of one.
const FIRST_READING: Duration = Duration::from_secs(5);
const BETWEEN_READINGS: Duration = Duration::from_secs(6 * 60 * 60);
const UNTIL_ANOTHER_TRY: Duration = Duration::from_secs(10 * 60);
const READING_PAUSE: Duration = Duration::from_millis(20);

/// How long the store may take to put everything into its file when the server ends.
pub(super) const CLOSING: Duration = Duration::from_secs(10);

/// The engine over a home's store. Nothing is made before the home and its keys are found to be good.
pub async fn open_engine(home: &Home) -> Result<Arc<Engine>, CliError> {
    open_engine_that(home, Continues::WhatWasSeen).await
}

/// Whether a ledger has to have all that was written down of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continues {
    WhatWasSeen,
    /// It was restored from an older copy, and a new epoch is begun in it.
    Anything,
}

pub(super) async fn open_engine_that(home: &Home, continues: Continues) -> Result<Arc<Engine>, CliError> {
    home.has_keys_of_its_own()?;
    let genesis_files = if home.was_served() { None } else { Some(home.genesis_files()?) };
    if home.was_served() && !home.ledger_path().exists() {
        return Err(ledger_missing(home, "missing"));
    }
    let told = |error: StoreError| of_the_ledger(home, error.into());
    let store = store::open(&home.store_address(), &home.store_options()).await.map_err(told)?;
    let empty = store.head().await.map_err(told)?.size == 0;
    if empty && home.was_served() {
        // Nothing of the empty one stays beside the file that is put back.
        drop(timeout(CLOSING, store.close()).await);
        return Err(ledger_missing(home, "empty"));
    }
    match continues {
        Continues::WhatWasSeen => continues_what_was_seen(home, &*store).await?,
        Continues::Anything => {}
    }
    let setup = Setup {
        store,
        keys: Arc::new(Ring::looking(home.key_reader())),
        genesis: home.genesis().clone(),
        genesis_blobs: genesis_files.filter(|_| empty).map(|files| files.blobs()).unwrap_or_default(),
        guidance: home.config().guidance.clone(),
        clock: Arc::new(clock::now),
        uptime: Some(Arc::new(unix::uptime)),
    };
    let engine = Engine::open(setup).await.map_err(|error| of_the_ledger(home, error))?;
    home.settle(&engine.log_keys().await?)?;
    let engine = Arc::new(engine.keeping(home.shelf()));
    let mark = home.path().join(FOUNDED);
    if !mark.exists() {
        let genesis = format!("{}\n", home.genesis().payload_digest());
        durable::replace(&mark, genesis).map_err(|e| {
            CliError::new("cannot-write", format!("cannot write {}: {e}", mark.display())).hint(MAY_IT_WRITE)
        })?;
    }
    Ok(engine)
}

fn ledger_missing(home: &Home, is: &str) -> CliError {
    let lost = format!("the ledger of {} is {is}, and its log was founded before", home.path().display());
    let begin_another = [home.path().join(FOUNDED), home.seen_path()].map(|path| word(&path)).join(" and ");
    CliError::new("ledger-missing", lost).hint(format!(
        "put the newest copy of the log back: {}; to begin another log on purpose, remove {begin_another}",
        home.putting_back()
    ))
}

/// What is wrong with a ledger is told with where it lies and how it is put back.
fn of_the_ledger(home: &Home, error: EngineError) -> CliError {
    let EngineError::Store(cause) = &error else { return error.into() };
    let said = format!("the ledger {}: {cause}", home.ledger_path().display());
    match error.failure() {
        Failure::Damaged if matches!(cause, StoreError::Damaged(Damage::Kept(_))) => {
            CliError::new("store-damaged", said).hint(home.making_again())
        }
        Failure::Damaged => CliError::new("store-damaged", said).hint(format!(
            "see all that is wrong: countersign doctor --home {}; put the newest copy back: {}",
            word(home.path()),
            home.putting_back()
        )),
        Failure::Unknown | Failure::Passing(_) | Failure::Other => CliError::new("store", said).hint(cause.hint()),
    }
}

/// The ledger has all that was written down of it when it was served before: an older copy in its place is no ledger to extend.
async fn continues_what_was_seen(home: &Home, store: &dyn Store) -> Result<(), CliError> {
    let Some(seen) = home.seen()? else { return Ok(()) };
    let Checkpoint { size, root, .. } = seen.checkpoint();
    let (place, found) = (home.path().display(), store.head().await.map_err(EngineError::from)?.size);
    if *size > found {
        let back = format!("the ledger of {place} has {found} leaves, and had {size} when it was last served");
        return Err(CliError::new("ledger-went-back", format!("{back}: it is an older copy")).hint(format!(
            "put the newest copy back: countersign import EXPORT_OR_BACKUP --home {}. Gates and people that saw more \
             refuse this one; if there is no newer, the founders begin a new epoch: countersign epoch {} --why REASON",
            word(home.path()),
            word(home.path())
        )));
    }
    let there = store::with_nodes(store, |nodes| tree::root(*size, &nodes)).await;
    let there = there.map_err(|error| of_the_ledger(home, error.into()))?;
    if there.is_ok_and(|there| there == *root) {
        return Ok(());
    }
    let differs =
        format!("the ledger of {place} does not continue what it was when it was last served, at {size} leaves");
    Err(CliError::new("ledger-differs", differs).hint(format!(
        "is the ledger of another home in its place? {} has the checkpoint that it must continue",
        home.seen_path().display()
    )))
}

/// Writes down where the log stands as long as it is served, and takes out of the home's files what was erased.
async fn keep_home(engine: Arc<Engine>, home: PathBuf) {
    let mut due = interval(SEEN_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let seen = home.join(SEEN);
    // What was erased while this home was not served is looked for once.
    let (mut kept, mut erasures, mut failing) = (String::new(), None, false);
    loop {
        due.tick().await;
        if let Err(error) = write_seen(&engine, &seen, &mut kept).await {
            tracing::warn!(path = %seen.display(), %error, "where the log stands could not be written down");
        }
        let now = engine.erasures();
        if erasures != Some(now) {
            match forget(&engine, &home).await {
                Ok(()) => (erasures, failing) = (Some(now), false),
                Err(error) => {
                    if !failing {
                        tracing::warn!(home.path = %home.display(), %error, "what was erased may still be in the home");
                    }
                    failing = true;
                }
            }
        }
    }
}

/// Names and mails that the log began with are in a file of the home, too.
async fn forget(engine: &Engine, home: &Path) -> Result<(), CliError> {
    let files = Home::open(home)?.genesis_files()?;
    let here: Vec<Digest> = files.profiles().collect();
    let there = engine.blobs(&here).await?;
    let gone = here.into_iter().filter(|digest| !there.contains_key(digest)).collect();
    Ok(files.forget(&gone)?)
}

/// Nobody waits for the disk: what a power cut takes of it is a second of the log's time.
async fn write_seen(engine: &Engine, path: &Path, kept: &mut String) -> Result<(), CliError> {
    let note = engine.head().await?.note;
    if note != *kept {
        let failed = |e| CliError::new("cannot-write", format!("cannot write {}: {e}", path.display()));
        durable::put(path, &note).map_err(failed)?;
        *kept = note;
    }
    Ok(())
}

impl From<CosigningError> for CliError {
    fn from(error: CosigningError) -> Self {
        match error {
            CosigningError::Engine(error) => error.into(),
            error => Self::new(error.code(), error.to_string()).hint(error.hint()),
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::Denied(_) => Self { exit: Exit::Refused, ..Self::new("denied-by-rules", error.to_string()) },
            EngineError::Store(error) => Self::new("store", error.to_string()).hint(error.hint()),
            EngineError::Write(error) => {
                let hint = match &error {
                    SubmitError::Failed(error) | SubmitError::Undone(error) | SubmitError::Unknown(error) => {
                        Some(error.hint().to_owned())
                    }
                    SubmitError::Conflict(_) | SubmitError::Stopped => None,
                };
                Self { hint, ..Self::new("store", error.to_string()) }
            }
            EngineError::Signing(_) => Self::new("cannot-sign", error.to_string()),
            EngineError::Material(_) => Self::new("io", error.to_string()),
        }
    }
}
