//! Connections: how many there are, how long one may wait, how slow it may be, and which goes when there are too many.
//!
//! ```text
//!  at the bound, somebody comes:  1. the one that has been without a request the longest goes
//!                                 2. of those whose bodies or answers trickle, the slowest goes
//!                                 3. the one that has stood still the longest goes
//!                                 4. else who comes waits, in the kernel's queue, until there is room
//! ```
//!
//! What asks and is answered at once never gives way: who holds many connections open takes nobody else's place by them.
//!
//! Invariant: there are never more connections than the bound, and a few that are just closing.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{self, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http_body_util::BodyExt as _;
use hyper::{
    body::{Frame, Incoming, SizeHint},
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

/// How long is waited for whoever is connected.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of a request, and for a first or another request.
    pub head: Duration,
    /// For a reader of an answer, and for a body that stands still.
    pub stalled: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(15), stalled: Duration::from_secs(60) }
    }
}

/// How many bytes a second a body or an answer must have come to, after so long. The first is for everybody, always; the second is
/// for who would stay where there are too many.
const SLOWEST: (u64, Duration) = (1_024, Duration::from_secs(20));
const SLOW: (u64, Duration) = (16 * 1_024, Duration::from_secs(2));

/// How long one must have been without a request before it goes where there are too many: who has just come asks by then.
const ASKS: Duration = Duration::from_millis(500);

/// How long one that is busy must have stood still before it goes where there are too many.
const GIVES_WAY: Duration = Duration::from_secs(5);

/// How many connections beyond the bound may be just closing.
const CLOSING: usize = 16;

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
    patience: Patience,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let open = Arc::new(Open::default());
    let mut stop = pin!(stop);
    let mut sweep = tokio::time::interval(GIVES_WAY.min(patience.stalled));
    let mut failing = false;
    // Who has come, and waits for room; the others wait in the kernel's queue meanwhile.
    let mut come = None;
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = sweep.tick() => open.close_slow(patience),
            () = open.room(most), if come.is_some() => {
                if let Some(stream) = come.take() {
                    tokio::spawn(connection(stream, router.clone(), patience, Arc::clone(&open), open.begin()));
                }
            }
            accepted = listener.accept(), if come.is_none() => match accepted {
                Ok((stream, _)) => {
                    failing = false;
                    come = Some(stream);
                }
                Err(error) if of_the_other_side(&error) => {}
                Err(error) => {
                    // Once, and not ten times a second for as long as it lasts.
                    if !failing {
                        tracing::error!(%error, "connections cannot be taken");
                    }
                    failing = true;
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

async fn connection(
    stream: TcpStream,
    router: Router,
    patience: Patience,
    open: Arc<Open>,
    (number, it): (u64, Arc<Connection>),
) {
    // What is small is sent at once.
    drop(stream.set_nodelay(true));
    let router = TowerToHyperService::new(router);
    let serving = {
        let it = Arc::clone(&it);
        service_fn(move |request| answer(request, router.clone(), Arc::clone(&it)))
    };
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head);
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
    request: hyper::Request<Incoming>,
    router: TowerToHyperService<Router>,
    it: Arc<Connection>,
) -> Result<Response, Infallible> {
    let busy = Busy::begin(Arc::clone(&it), request.body());
    let response = router.call(request.map(|body| Coming { body, it })).await?;
    busy.it.is(State::Sending);
    Ok(response.map(|body| {
        // It is busy until its reader has all of it.
        Body::new(body.map_frame(move |frame| {
            busy.it.goes_on(frame.data_ref().map_or(0, Bytes::len));
            frame
        }))
    }))
}

/// The body of a request, watched while it comes.
struct Coming {
    body: Incoming,
    it: Arc<Connection>,
}

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            self.it.goes_on(frame.data_ref().map_or(0, Bytes::len));
        }
        if frame.is_none() || self.body.is_end_stream() {
            self.it.is(State::Working);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
    at: Mutex<At>,
    close: Notify,
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has asked nothing, or not all of the head yet.
    Idle,
    /// The body of a request comes.
    Receiving,
    Working,
    /// An answer goes.
    Sending,
    /// It was told to close.
    Closing,
}

#[derive(Clone, Copy, Debug)]
struct At {
    state: State,
    since: Instant,
    /// When it last went on with it, and how many bytes have come or gone by then.
    went_on: Instant,
    bytes: u64,
}

impl At {
    fn now(state: State) -> Self {
        let now = Instant::now();
        Self { state, since: now, went_on: now, bytes: 0 }
    }

    /// How many bytes a second have come or gone, if they are fewer than they had to be by now.
    fn slower_than(&self, (least, after): (u64, Duration)) -> Option<u128> {
        let moves = match self.state {
            State::Receiving | State::Sending => true,
            State::Idle | State::Working | State::Closing => false,
        };
        let took = self.since.elapsed();
        if !moves || took < after {
            return None;
        }
        let rate = u128::from(self.bytes).saturating_mul(1_000) / took.as_millis().max(1);
        (rate < u128::from(least)).then_some(rate)
    }

    /// How long it has been busy without going on.
    fn stood_still(&self) -> Duration {
        match self.state {
            State::Receiving | State::Working | State::Sending => self.went_on.elapsed(),
            State::Idle | State::Closing => Duration::ZERO,
        }
    }
}

/// A poisoned lock only means that somebody panicked: what is under it is replaced whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    fn begin(&self) -> (u64, Arc<Connection>) {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let it = Arc::new(Connection { at: Mutex::new(At::now(State::Idle)), close: Notify::new() });
        locked(&self.all).insert(number, Arc::clone(&it));
        (number, it)
    }

    fn end(&self, number: u64) {
        locked(&self.all).remove(&number);
        self.closed.notify_waiters();
    }

    /// Waits until there is room for one more; makes it if somebody can give way.
    async fn room(&self, most: usize) {
        loop {
            let closed = self.closed.notified();
            // Those that are closing already have given way.
            let (all, closing) = self.count();
            let is_full = all.saturating_sub(closing) >= most;
            if (!is_full || self.close_one()) && all < most.saturating_add(CLOSING) {
                return;
            }
            drop(timeout(PAUSE, closed).await);
        }
    }

    /// How many there are, and how many of them are closing.
    fn count(&self) -> (usize, usize) {
        let all = locked(&self.all);
        (all.len(), all.values().filter(|it| it.at().state == State::Closing).count())
    }

    /// Closes the one that can best be spared, if any can.
    fn close_one(&self) -> bool {
        let all = locked(&self.all);
        let at = || all.values().map(|it| (it.at(), it));
        let idle = at().filter(|(at, _)| at.state == State::Idle && at.since.elapsed() > ASKS);
        let idle = idle.min_by_key(|(at, _)| at.since);
        let slow = || {
            let slow = at().filter_map(|(at, it)| Some((at.slower_than(SLOW)?, at, it)));
            slow.min_by_key(|(rate, _, _)| *rate).map(|(_, at, it)| (at, it))
        };
        let still = || at().filter(|(at, _)| at.stood_still() > GIVES_WAY).max_by_key(|(at, _)| at.stood_still());
        let spared = idle.or_else(slow).or_else(still);
        if let Some((_, it)) = spared {
            it.end();
        }
        spared.is_some()
    }

    /// Closes those that stand still for too long, and those that are too slow for anybody.
    fn close_slow(&self, patience: Patience) {
        for it in locked(&self.all).values() {
            let at = it.at();
            if at.stood_still() > patience.stalled || at.slower_than(SLOWEST).is_some() {
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
    fn at(&self) -> At {
        *locked(&self.at)
    }

    fn is(&self, state: State) {
        let mut at = locked(&self.at);
        if at.state != State::Closing {
            *at = At::now(state);
        }
    }

    fn end(&self) {
        self.is(State::Closing);
        self.close.notify_one();
    }

    fn goes_on(&self, bytes: usize) {
        let mut at = locked(&self.at);
        at.went_on = Instant::now();
        at.bytes = at.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// A request is under way as long as this is held.
struct Busy {
    it: Arc<Connection>,
}

impl Busy {
    fn begin(it: Arc<Connection>, body: &Incoming) -> Self {
        it.is(if body.is_end_stream() { State::Working } else { State::Receiving });
        Self { it }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.it.is(State::Idle);
    }
}
