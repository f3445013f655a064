//! `serve`: the server over a home.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    Global,
    error::{CliError, Exit},
};
use crate::{
    api, clock,
    cosigning::{Collector, CosigningError},
    durable,
    engine::{Engine, EngineError, Setup},
    home::Home,
    store, unix,
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
}

pub fn run(_: &Global, args: &Args) -> Result<Exit, CliError> {
    let home = Home::open(&args.home)?;
    home.founded()?;
    let listen = args.listen.unwrap_or(home.config().listen);
    // Colours are for terminals.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_ansi(colours).with_writer(std::io::stderr).init();
    let runtime =
        tokio::runtime::Runtime::new().map_err(|e| CliError::new("failed", format!("the server cannot start: {e}")))?;
    let served = runtime.block_on(async {
        let engine = open_engine(&home).await?;
        let collector = Collector::begin(Arc::clone(&engine), &home.config().cosigners, &home.cosigned_path()).await?;
        let listener = api::bind(listen).await.map_err(|e| {
            CliError::new("cannot-listen", format!("cannot listen on {listen}: {e}"))
                .hint("is another server running there? choose another address with --listen")
        })?;
        let address = listener.local_addr().map_err(|e| CliError::new("failed", e.to_string()))?;
        anstream::println!("serving {} on http://{address} (stop with Ctrl-C)", home.config().origin);
        tokio::spawn(collector.run());
        // So that who asks first does not wait for it.
        let warmed = Arc::clone(&engine);
        tokio::spawn(async move {
            if let Err(error) = warmed.governance().await {
                tracing::error!(%error, "governance cannot be read");
            }
        });
        let serving = api::serve(Arc::clone(&engine), listener, unix::stopped());
        serving.await.map_err(|e| CliError::new("failed", format!("{e}")))?;
        // Whoever copies the file of a server that has ended has all of it.
        drop(timeout(CLOSING, engine.store().close()).await);
        Ok(Exit::Done)
    });
    // A cosigner that is being asked is not waited for.
    runtime.shutdown_timeout(PARTING);
    served
}

/// Says that the home's log was founded, so that a ledger that was lost is not founded anew in silence.
const FOUNDED: &str = "founded";

/// How long the store may take to put everything into its file when the server ends.
const CLOSING: Duration = Duration::from_secs(10);

/// The engine over a home's store.
pub async fn open_engine(home: &Home) -> Result<Arc<Engine>, CliError> {
    let store = store::open(&home.store_address(), &home.store_options()).await.map_err(EngineError::from)?;
    let mark = home.path().join(FOUNDED);
    if mark.exists() && store.head().await.map_err(EngineError::from)?.size == 0 {
        // Nothing of the empty one stays beside the file that is put back.
        drop(timeout(CLOSING, store.close()).await);
        let lost =
            format!("the ledger of {} is empty or missing, and its log was founded before", home.path().display());
        return Err(CliError::new("ledger-missing", lost).hint(format!(
            "put the newest copy of the ledger back, with its -wal file if there is one; to begin another log on purpose, remove {}",
            mark.display()
        )));
    }
    let setup = Setup {
        store,
        log_key: Arc::new(home.log_key()?),
        server_key: home.server_key()?,
        genesis: home.genesis().clone(),
        genesis_blobs: home.genesis_blobs(),
        guidance: home.config().guidance.clone(),
        clock: Arc::new(clock::now),
    };
    let engine = Arc::new(Engine::open(setup).await?);
    if !mark.exists() {
        let genesis = format!("{}\n", home.genesis().payload_digest());
        durable::replace(&mark, genesis)
            .map_err(|e| CliError::new("cannot-write", format!("cannot write {}: {e}", mark.display())))?;
    }
    Ok(engine)
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
            EngineError::Write(error) => Self::new("store", error.to_string()),
            EngineError::Signing(_) => Self::new("cannot-sign", error.to_string()),
        }
    }
}
