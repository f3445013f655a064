//! Connections: how many there are, how long one may wait, and which goes when there are too many. Whoever holds connections
//! open and asks nothing takes nobody else's place: the one that has been idle the longest is closed for who comes.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// How long a connection may take for the head of a request, and be without one.
const HEAD: Duration = Duration::from_secs(15);

/// How long an answer may wait for its reader, before the connection is closed.
const STALLED: Duration = Duration::from_secs(60);

/// How long one that is busy must have stood still before it goes where there are too many.
const GIVES_WAY: Duration = Duration::from_secs(5);

/// How many connections at the most.
const MAX_CONNECTIONS: usize = 1_024;

/// Files that the program needs beside its connections.
const RESERVED_FILES: usize = 64;

/// How long requests under way are waited for when the server is asked to stop.
const PARTING: Duration = Duration::from_secs(10);

/// How long is waited after a connection could not be taken: for want of files, mostly.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections fit into so many open files.
pub fn most(open_files: usize) -> usize {
    open_files.saturating_sub(RESERVED_FILES).clamp(8, MAX_CONNECTIONS)
}

/// Serves until asked to stop; requests under way are finished.
pub async fn serve(
    router: Router,
    listener: TcpListener,
    most: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let open = Arc::new(Open::default());
    let mut stop = pin!(stop);
    let mut sweep = tokio::time::interval(GIVES_WAY);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = sweep.tick() => open.close_stalled(STALLED),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if open.count() >= most {
                        open.close_one();
                    }
                    tokio::spawn(connection(stream, router.clone(), Arc::clone(&open)));
                }
                Err(error) if of_the_other_side(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "a connection could not be taken");
                    open.close_one();
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    open.stopping.send_replace(true);
    drop(timeout(PARTING, open.all_closed()).await);
    Ok(())
}

fn of_the_other_side(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

async fn connection(stream: TcpStream, router: Router, open: Arc<Open>) {
    let (number, it) = open.begin();
    // What is small is sent at once.
    drop(stream.set_nodelay(true));
    let router = TowerToHyperService::new(router);
    let serving = {
        let it = Arc::clone(&it);
        service_fn(move |request| answer(request, router.clone(), Arc::clone(&it)))
    };
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), serving));
    let mut stopping = open.stopping.subscribe();
    let stopping = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
    tokio::select! {
        // What goes wrong with one connection concerns nobody else.
        ended = &mut served => drop(ended),
        () = it.close.notified() => {}
        () = stopping => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut served => drop(ended),
                () = it.close.notified() => {}
            }
        }
    }
    open.end(number);
}

async fn answer(
    mut request: hyper::Request<Incoming>,
    router: TowerToHyperService<Router>,
    it: Arc<Connection>,
) -> Result<Response, Infallible> {
    let busy = Busy::begin(Arc::clone(&it));
    request.extensions_mut().insert(Progress(it));
    let response = router.call(request).await?;
    Ok(response.map(|body| {
        // It is busy until its reader has all of it.
        Body::new(body.map_frame(move |frame| {
            busy.it.goes_on();
            frame
        }))
    }))
}

/// All connections.
#[derive(Debug, Default)]
struct Open {
    all: Mutex<BTreeMap<u64, Arc<Connection>>>,
    last: AtomicU64,
    closed: Notify,
    stopping: watch::Sender<bool>,
}

#[derive(Debug)]
struct Connection {
    state: Mutex<(State, Instant)>,
    close: Notify,
}

/// What a connection is at, since when, or since when it has not gone on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Busy,
    /// It was told to close.
    Closing,
}

/// A poisoned lock only means that somebody panicked: what is under it is replaced whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    fn begin(&self) -> (u64, Arc<Connection>) {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let it = Arc::new(Connection { state: Mutex::new((State::Idle, Instant::now())), close: Notify::new() });
        locked(&self.all).insert(number, Arc::clone(&it));
        (number, it)
    }

    fn end(&self, number: u64) {
        locked(&self.all).remove(&number);
        self.closed.notify_waiters();
    }

    /// Those that are closing already have given way.
    fn count(&self) -> usize {
        locked(&self.all).values().filter(|it| it.state().0 != State::Closing).count()
    }

    /// Closes the one that has been idle the longest; if none is, the one that has stood still the longest.
    fn close_one(&self) {
        let all = locked(&self.all);
        let oldest = |state: State| {
            let those = all.values().map(|it| (it.state(), it)).filter(move |((is, _), _)| *is == state);
            those.min_by_key(|((_, since), _)| *since).map(|((_, since), it)| (since, it))
        };
        let stands_still = || oldest(State::Busy).filter(|(since, _)| since.elapsed() > GIVES_WAY);
        if let Some((_, it)) = oldest(State::Idle).or_else(stands_still) {
            it.end();
        }
    }

    fn close_stalled(&self, after: Duration) {
        for it in locked(&self.all).values() {
            let (state, since) = it.state();
            if state == State::Busy && since.elapsed() > after {
                it.end();
            }
        }
    }

    async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if locked(&self.all).is_empty() {
                return;
            }
            closed.await;
        }
    }
}

impl Connection {
    fn state(&self) -> (State, Instant) {
        *locked(&self.state)
    }

    fn is(&self, state: State) {
        let mut now = locked(&self.state);
        if now.0 != State::Closing {
            *now = (state, Instant::now());
        }
    }

    fn end(&self) {
        self.is(State::Closing);
        self.close.notify_one();
    }

    fn goes_on(&self) {
        self.is(State::Busy);
    }
}

/// A request is under way as long as this is held.
struct Busy {
    it: Arc<Connection>,
}

impl Busy {
    fn begin(it: Arc<Connection>) -> Self {
        it.is(State::Busy);
        Self { it }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.it.is(State::Idle);
    }
}

/// With a request: whoever reads its body says that it goes on.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Connection>);

impl Progress {
    pub fn goes_on(&self) {
        self.0.goes_on();
    }
}
