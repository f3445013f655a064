//! `serve`: the server over a home.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use super::{
    Global,
    error::{CliError, Exit},
};
use crate::{
    api, clock,
    cosigning::{Collector, CosigningError},
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
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
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
        api::serve(engine, listener, unix::stopped()).await.map_err(|e| CliError::new("failed", format!("{e}")))?;
        Ok(Exit::Done)
    });
    // A cosigner that is being asked is not waited for.
    runtime.shutdown_timeout(PARTING);
    served
}

/// The engine over a home's store.
pub async fn open_engine(home: &Home) -> Result<Arc<Engine>, CliError> {
    let setup = Setup {
        store: store::open(&home.store_address(), &home.store_options()).await.map_err(EngineError::from)?,
        log_key: Arc::new(home.log_key()?),
        server_key: home.server_key()?,
        genesis: home.genesis().clone(),
        genesis_blobs: home.genesis_blobs(),
        guidance: home.config().guidance.clone(),
        clock: Arc::new(clock::now),
    };
    Ok(Arc::new(Engine::open(setup).await?))
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
