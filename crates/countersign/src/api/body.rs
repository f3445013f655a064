//! Bodies of requests: read whole, within bounds for each and for all that are held at once. Who holds a large body open and
//! sends nothing gives way to who comes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Reply,
    error::{bad_request, crowded, too_large, too_slow},
};

/// What every body may take without asking: more than a statement with its texts has.
const SMALL: usize = 128 * 1024;
/// What larger ones may take together.
const MAX_HELD: usize = 64 * 1024 * 1024;
/// As many times what is kept is read of a body that is too large, so that its sender has finished writing and reads the
/// answer. Who sends more than this finds the connection closed.
const DISCARDED: usize = 8;
/// How long the next part of a body may take to come, and all of it.
const PART: Duration = Duration::from_secs(15);
const WHOLE: Duration = Duration::from_secs(120);
/// How long a body must have stood still before it gives way, and how long is waited for room.
const GIVES_WAY: Duration = Duration::from_secs(2);
const ROOM: Duration = Duration::from_secs(20);

/// Room for large bodies.
#[derive(Debug)]
pub struct Room {
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    last: u64,
    by: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    bytes: usize,
    went_on: Instant,
    out: Arc<Notify>,
}

impl Room {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { held: Mutex::default(), changed: Notify::new() })
    }

    /// What is under it is consistent whenever it is let go.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one request holds, until it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Arc<Room>,
    number: u64,
    out: Arc<Notify>,
}

impl Share {
    fn begin(room: &Arc<Room>) -> Self {
        let out = Arc::new(Notify::new());
        let mut held = room.held();
        held.last += 1;
        let number = held.last;
        held.by.insert(number, Holder { bytes: 0, went_on: Instant::now(), out: Arc::clone(&out) });
        drop(held);
        Self { room: Arc::clone(room), number, out }
    }

    /// Takes room for so many bytes in all, of which those beyond what is small count.
    async fn grow(&self, bytes: usize) -> Reply<()> {
        let wanted = bytes.saturating_sub(SMALL);
        let until = Instant::now() + ROOM;
        loop {
            let changed = self.room.changed.notified();
            {
                let mut held = self.room.held();
                let now = Instant::now();
                let own = held.by.get(&self.number).map_or(0, |holder| holder.bytes);
                let more = wanted.saturating_sub(own);
                if held.bytes.saturating_add(more) <= MAX_HELD {
                    held.bytes += more;
                    if let Some(holder) = held.by.get_mut(&self.number) {
                        holder.bytes = own + more;
                        holder.went_on = now;
                    }
                    return Ok(());
                }
                let others = held.by.iter().filter(|(number, holder)| **number != self.number && holder.bytes > 0);
                let slowest = others.min_by_key(|(_, holder)| holder.went_on).map(|(_, holder)| holder);
                if let Some(holder) = slowest.filter(|holder| now.duration_since(holder.went_on) > GIVES_WAY) {
                    holder.out.notify_one();
                }
            }
            // Somebody lets go, or has stood still for long enough by then.
            let pause = GIVES_WAY.min(until.saturating_duration_since(Instant::now()));
            if pause.is_zero() {
                return Err(crowded());
            }
            drop(timeout(pause, changed).await);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.room.held();
        if let Some(holder) = held.by.remove(&self.number) {
            held.bytes = held.bytes.saturating_sub(holder.bytes);
        }
        drop(held);
        self.room.changed.notify_waiters();
    }
}

/// Reads a body to its end, keeping no more than `limit` bytes; the room that it takes is given back with the share.
///
/// An answer that comes while the sender still writes is lost to many of them: the kernel resets a connection that is
/// closed with bytes unread, and the sender sees that instead of the reason.
pub async fn whole(mut body: Body, limit: usize, room: &Arc<Room>) -> Reply<(Vec<u8>, Share)> {
    // Who says that it will be far too large need not send it.
    if body.size_hint().lower() > limit.saturating_mul(DISCARDED) as u64 {
        return Err(too_large(limit));
    }
    let share = Share::begin(room);
    let until = Instant::now() + WHOLE;
    let mut kept = Vec::new();
    let mut read = 0_usize;
    loop {
        let next = until.min(Instant::now() + PART);
        let frame = tokio::select! {
            frame = timeout_at(next, body.frame()) => frame.map_err(|_| too_slow())?,
            () = share.out.notified() => return Err(too_slow()),
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| bad_request(format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        read = read.saturating_add(data.len());
        if read <= limit {
            share.grow(read).await?;
            kept.extend_from_slice(&data);
        } else if read > limit.saturating_mul(DISCARDED) {
            break;
        } else {
            kept = Vec::new();
        }
    }
    if read > limit { Err(too_large(limit)) } else { Ok((kept, share)) }
}
