//! Servers: one in this process, over a store that is open here, and one in a process of its own, whose memory and start
//! can be seen.

use std::{
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use countersign::{api, client::Client, clock, engine::Engine, home::Home, store::Store};
use tokio::{runtime::Runtime, sync::oneshot};

use super::{fill, watch};

/// The program that is measured.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");

const STOPPING: Duration = Duration::from_secs(5);

pub struct Here {
    pub engine: Arc<Engine>,
    pub url: String,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
}

impl Here {
    pub fn start(runtime: Runtime, home: &Home, store: &Arc<dyn Store>) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let setup = fill::setup(home, store, Arc::new(clock::now))?;
        let (engine, listener) = runtime.block_on(async {
            let engine = Arc::new(Engine::open(setup).await?);
            anyhow::Ok((engine, api::bind((Ipv4Addr::LOCALHOST, 0).into()).await?))
        })?;
        let url = format!("http://{}", listener.local_addr()?);
        runtime.spawn(api::serve(Arc::clone(&engine), listener, async { drop(stopped.await) }));
        Ok(Self { engine, url, runtime, stop: Some(stop) })
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn stop(mut self) {
        // Nobody listens any more where it has stopped by itself.
        let _ = self.stop.take().map(|stop| stop.send(()));
        self.runtime.shutdown_timeout(STOPPING);
    }
}

/// `countersign serve`.
pub struct Apart {
    child: Child,
    pub client: Client,
}

impl Apart {
    /// Starts it, and returns when it has answered.
    pub fn start(home: &Home) -> Result<Self> {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--home"])
            .arg(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) else {
            child.kill()?;
            bail!("the server says `{line}`");
        };
        let client = Client::new(url);
        client.log()?;
        Ok(Self { child, client })
    }

    /// The most memory that it has had, in kilobytes.
    pub fn peak(&self) -> u64 {
        watch::peak_of(self.child.id())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
