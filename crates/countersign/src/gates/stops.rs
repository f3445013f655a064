//! Stops that were handed to a gate directly: signed rejections, freezes, revocations, absences and ends of delegations that it obeys at
//! once, and keeps until the log has them. They lie beside the copy of the log, so that all gates of a machine obey them.
//!
//! ```text
//! COPY/stops/*.json           obeyed; each is by a person, with a key that held when it was handed over
//! COPY/stops/unchecked/*.json whose they are the copy cannot tell yet; the next follow finds out
//! COPY/stops/turn             which of them the log was sent last
//! ```

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    admit::{Signed, TAKEN_DIRECTLY},
    change::Change,
    delegation,
    freeze::RENEW_SECS,
    refusal::Refusal,
    state::State,
    statement::{Body, Holder, Statement, change_stream},
};
use countersign_ledger::{Envelope, StreamId, Time};

use crate::{durable, wire::Submit};

const FOLDER: &str = "stops";
const UNCHECKED: &str = "unchecked";
const TURN: &str = "turn";
/// More than a log that works would ever leave here; a bound on what somebody can fill a disk with.
const MAX_STOPS: usize = 1_000;
/// Of one person, so that nobody takes the room of the others.
const MAX_OF_ONE: usize = 32;
/// Of nobody knows whom. Each follow empties them.
const MAX_UNCHECKED: usize = 64;
const MAX_STOP_BYTES: u64 = 256 * 1024;

/// Why a stop has nothing left to take away: the log says the same, nobody has that key any more, or it is more than one
/// person may take away. That a change went on or was closed is no reason: what was rejected can come again.
const NOTHING_LEFT: [&str; 10] = [
    "already-frozen",
    "already-rejected",
    "already-revoked",
    "freeze-over",
    "no-delegation",
    "over-already",
    "revoked-lately",
    "too-many-rejections",
    "too-many-revocations",
    "unknown-key",
];

/// A signed statement that takes away, with the blobs that it names.
#[derive(Clone, Debug)]
pub struct Stop {
    envelope: Envelope,
    signed: Signed,
    blobs: Vec<Vec<u8>>,
}

impl Stop {
    pub fn new(envelope: Envelope, blobs: Vec<Vec<u8>>) -> Result<Self, Refusal> {
        let signed = Signed::check(&envelope)?;
        if !signed.statement().body.is_stop() {
            let kind = signed.statement().body.kind();
            return Err(Refusal::malformed("not-a-stop", format!("a {kind} stops nothing")).hint(TAKEN_DIRECTLY));
        }
        Ok(Self { envelope, signed, blobs })
    }

    /// Reads what a client saved: a statement as it is sent to a server.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let malformed = |why: String| {
            Refusal::malformed("malformed-stop", format!("this is no signed stop: {why}"))
                .hint("a gate takes the file that `countersign reject`, `countersign freeze` or `countersign revoke` kept, as it is")
        };
        let file: Submit = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        let envelope = Envelope::parse(file.envelope.as_bytes()).map_err(|e| malformed(e.to_string()))?;
        let blobs = file.blobs.iter().map(|blob| STANDARD.decode(blob));
        let blobs = blobs.collect::<Result<_, _>>().map_err(|e| malformed(format!("a blob is no base64: {e}")))?;
        Self::new(envelope, blobs)
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        serde_json::to_vec(&Submit::new(&self.envelope, &self.blobs))
            .map_err(|e| Refusal::malformed("malformed-stop", e.to_string()))
    }

    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    pub fn blobs(&self) -> &[Vec<u8>] {
        &self.blobs
    }

    /// Whether it may take something away from a decision about this change, which depends on these streams: what it bears on
    /// tells. See [`Self::holds`].
    pub fn may_concern(&self, change: &Change, inputs: &BTreeSet<StreamId>) -> bool {
        let statement = self.signed.statement();
        let streams = statement.streams(&self.signed.payload()).unwrap_or_default();
        match &statement.body {
            Body::Rejection(said) => said.change == change.id || !said.targets.is_disjoint(&change.targets),
            // Its home is the stream of whose key it is.
            _ => streams.first().is_some_and(|home| inputs.contains(home)),
        }
    }

    /// Whether it rejects a revision that this change never had, in a log of so many leaves: whoever signed it had not seen more, so
    /// that there is none. It takes nothing away from anything.
    pub fn is_of_no_revision(&self, change: &Change, leaves: u64) -> bool {
        let Statement { header, body } = self.signed.statement();
        match body {
            Body::Rejection(said) => {
                said.change == change.id
                    && change.revision(&said.revision).is_none()
                    && header.checkpoint.size <= leaves
            }
            _ => false,
        }
    }

    /// Whether what it takes away is this change's, in a state that has what it bears on: a rejection stands over later
    /// revisions, and follows what it rejected to other changes, as it does in the log. `None` where the state does not have
    /// what was rejected.
    pub fn holds(&self, state: &State, change: &Change) -> Result<Option<bool>, Refusal> {
        let rejection = match &self.signed.statement().body {
            Body::Rejection(rejection) if rejection.change != change.id => rejection,
            _ => return Ok(Some(true)),
        };
        if !state.knows(&change_stream(&rejection.change)?) {
            return Ok(None);
        }
        let Some(other) = state.change(&rejection.change)?.filter(|it| it.revision(&rejection.revision).is_some())
        else {
            return Ok(None);
        };
        for rejected in other.rejected_by_it(&rejection.revision) {
            if change.current().map(|brought| rejected.is_brought_by(brought)).transpose()? == Some(true) {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    /// Obeys it in a state that has what it bears on. Gives what it says, if it takes something away; whatever is unclear about
    /// it keeps the gate shut.
    pub fn obeyed(&self, state: &mut State, now: Time) -> Result<Option<String>, Refusal> {
        match state.obey(&self.signed, now) {
            Ok(()) => Ok(Some(self.words())),
            Err(refusal) if NOTHING_LEFT.contains(&refusal.code) => Ok(None),
            Err(refusal) => {
                let words = self.words();
                let unclear = format!("it is unclear what to make of what was handed to this gate: {words}: {refusal}");
                Err(Refusal::forbidden("stop-unclear", unclear).hint(format!(
                    "ask who signed it; where it is of no use any more, the gate's owner removes {} from its `stops`",
                    self.name()
                )))
            }
        }
    }

    /// Whether it has ended, so long ago that whoever signed it may freeze the same again.
    pub fn is_long_over(&self, now: Time) -> bool {
        match &self.signed.statement().body {
            Body::Freeze(said) => said.until.plus_secs(RENEW_SECS) <= now,
            Body::Away(said) => said.until <= now,
            _ => false,
        }
    }

    /// Whether it freezes some of what another freezes that the same person signed within a day.
    pub fn is_renewed_by(&self, other: &Self, now: Time) -> bool {
        let (this, other) = (self.signed.statement(), other.signed.statement());
        match (&this.body, &other.body) {
            (Body::Freeze(one), Body::Freeze(two)) => {
                let within = now < one.until.plus_secs(RENEW_SECS);
                this.header.by == other.header.by && within && one.scope.overlaps(&two.scope)
            }
            _ => false,
        }
    }

    /// One line for a reader.
    pub fn words(&self) -> String {
        let statement = self.signed.statement();
        let by = &statement.header.by;
        match &statement.body {
            Body::Rejection(rejection) => {
                format!("{by} rejected revision {} of change {}", rejection.revision.number, rejection.change.short())
            }
            Body::KeyRevocation(revocation) => match &revocation.of {
                Holder::Person(of) => format!("{by} revoked key {} of {of}", revocation.key),
                Holder::Gate(of) => format!("{by} revoked key {} of gate {of}", revocation.key),
            },
            Body::Freeze(freeze) => format!("{by} froze {} until {}", freeze.scope.words(), freeze.until),
            Body::Away(said) => format!("{by} is away until {}", said.until),
            Body::DelegationEnd(said) => {
                format!("{by} ended delegation {} of {} to {}", delegation::name_of(&said.delegation), said.of, said.to)
            }
            other => format!("{by} said a {}", other.kind()),
        }
    }

    fn name(&self) -> String {
        format!("{}.json", self.signed.payload().hex())
    }
}

/// The stops that a gate keeps.
#[derive(Clone, Debug)]
pub struct Stops {
    folder: PathBuf,
}

impl Stops {
    /// Beside a copy of the log.
    pub fn beside(copy: &Path) -> Self {
        Self { folder: copy.join(FOLDER) }
    }

    /// Those that are obeyed.
    pub fn all(&self) -> Result<Vec<Stop>, Refusal> {
        self.read(&self.folder)
    }

    /// Those of which the copy could not tell whose they are.
    pub fn unchecked(&self) -> Result<Vec<Stop>, Refusal> {
        self.read(&self.folder.join(UNCHECKED))
    }

    /// In the order of their names, which tell nothing of who signed when.
    fn read(&self, folder: &Path) -> Result<Vec<Stop>, Refusal> {
        let paths = durable::json_files(folder).map_err(|e| self.unreadable(&e))?;
        let mut stops = Vec::with_capacity(paths.len());
        for path in paths {
            // One that cannot be read might be the one that counts.
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                // Another gate of this machine has seen it in the log.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(self.unreadable(&error)),
            };
            stops.push(Stop::read(&bytes).map_err(|refusal| {
                Refusal::new(refusal.class, refusal.code, format!("{}: {refusal}", path.display()))
            })?);
        }
        Ok(stops)
    }

    /// Keeps one that is by whom it says.
    pub fn keep(&self, stop: &Stop) -> Result<(), Refusal> {
        let kept = self.all()?;
        if kept.iter().any(|kept| kept.signed.payload() == stop.signed.payload()) {
            return Ok(());
        }
        let by = |stop: &Stop| stop.signed.statement().header.by.clone();
        let (who, of_one) = (by(stop), kept.iter().filter(|kept| by(kept) == by(stop)).count());
        if of_one >= MAX_OF_ONE {
            return Err(too_many(format!(
                "this gate keeps {MAX_OF_ONE} stops of one person at the most, {who} has them"
            )));
        }
        if kept.len() >= MAX_STOPS {
            return Err(too_many(format!("this gate keeps {MAX_STOPS} stops at the most")));
        }
        self.write(&self.folder, stop)
    }

    /// Keeps one of which nobody here can tell yet whose it is.
    pub fn keep_unchecked(&self, stop: &Stop) -> Result<(), Refusal> {
        if self.unchecked()?.len() >= MAX_UNCHECKED {
            return Err(too_many(format!(
                "this gate keeps {MAX_UNCHECKED} stops at the most before it knows whose they are"
            )));
        }
        self.write(&self.folder.join(UNCHECKED), stop)
    }

    fn write(&self, folder: &Path, stop: &Stop) -> Result<(), Refusal> {
        let bytes = stop.to_bytes()?;
        if bytes.len() as u64 > MAX_STOP_BYTES {
            return Err(Refusal::malformed("malformed-stop", format!("a stop has {MAX_STOP_BYTES} bytes at the most")));
        }
        let written = durable::folder(folder).and_then(|()| durable::replace(&folder.join(stop.name()), bytes));
        written.map_err(|e| self.unreadable(&e))
    }

    /// The log has it by now.
    pub fn forget(&self, stop: &Stop) -> Result<(), Refusal> {
        self.remove(&self.folder, stop)
    }

    /// It was found out whose it is.
    pub fn forget_unchecked(&self, stop: &Stop) -> Result<(), Refusal> {
        self.remove(&self.folder.join(UNCHECKED), stop)
    }

    fn remove(&self, folder: &Path, stop: &Stop) -> Result<(), Refusal> {
        match fs::remove_file(folder.join(stop.name())) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// A few of these, those whose turn it is: what a log does not take would be sent to it for ever, before what it takes.
    pub fn in_turn(&self, mut stops: Vec<Stop>, few: usize) -> Vec<Stop> {
        let path = self.folder.join(TURN);
        let last = fs::read_to_string(&path).unwrap_or_default();
        stops.sort_by_key(|stop| (stop.name() <= last, stop.name()));
        stops.truncate(few);
        // Where it cannot be written the same ones are sent again, which is no harm to what is obeyed.
        if let Some(last) = stops.last()
            && let Err(error) = durable::put(&path, last.name())
        {
            tracing::warn!(path = %path.display(), %error, "whose turn it is could not be kept");
        }
        stops
    }

    fn unreadable(&self, error: &io::Error) -> Refusal {
        Refusal::conflict("stops-unreadable", format!("cannot use {}: {error}", self.folder.display()))
            .hint("may this account read and write there? until then the gate stays shut")
    }
}

fn too_many(message: String) -> Refusal {
    Refusal::conflict("too-many-stops", message).hint("send them to the log, which has room")
}
