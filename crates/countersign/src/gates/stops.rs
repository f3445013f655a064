//! Stops that were handed to a gate directly: signed rejections and revocations that it obeys at once, and keeps until the
//! log has them. They lie beside the copy of the log, so that all gates of a machine obey them.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    admit::Signed,
    ids::ChangeId,
    refusal::Refusal,
    state::State,
    statement::{Body, Holder},
};
use countersign_ledger::{Envelope, StreamId, Time};

use crate::{durable, wire::Submit};

const FOLDER: &str = "stops";
/// More than a log that works would ever leave here; a bound on what somebody can fill a disk with.
const MAX_STOPS: usize = 1_000;
const MAX_STOP_BYTES: u64 = 256 * 1024;

/// Why a stop has nothing left to take away: the log says the same, or what it is about is gone.
const NOTHING_LEFT: [&str; 5] =
    ["already-rejected", "already-revoked", "change-closed", "stale-revision", "unknown-key"];

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
            return Err(Refusal::malformed("not-a-stop", format!("a {kind} stops nothing"))
                .hint("a gate takes a signed rejection or revocation directly; everything else goes to the log"));
        }
        Ok(Self { envelope, signed, blobs })
    }

    /// Reads what a client saved: a statement as it is sent to a server.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let malformed = |why: String| Refusal::malformed("malformed-stop", format!("this is no signed stop: {why}"));
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

    /// Whether it takes something away from a decision about this change, which depends on these streams.
    pub fn concerns(&self, change: &ChangeId, inputs: &BTreeSet<StreamId>) -> bool {
        let statement = self.signed.statement();
        let streams = statement.streams(&self.signed.payload()).unwrap_or_default();
        match &statement.body {
            Body::Rejection(rejection) => rejection.change == *change,
            // Its home is the stream of whose key it is.
            _ => streams.first().is_some_and(|home| inputs.contains(home)),
        }
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

    pub fn all(&self) -> Result<Vec<Stop>, Refusal> {
        let mut stops = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(stops),
            Err(error) => return Err(self.unreadable(&error)),
        };
        for entry in entries {
            let path = entry.map_err(|e| self.unreadable(&e))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            // One that cannot be read might be the one that counts.
            let bytes = fs::read(&path).map_err(|e| self.unreadable(&e))?;
            stops.push(Stop::read(&bytes).map_err(|refusal| {
                Refusal::new(refusal.class, refusal.code, format!("{}: {refusal}", path.display()))
            })?);
        }
        Ok(stops)
    }

    pub fn keep(&self, stop: &Stop) -> Result<(), Refusal> {
        let bytes = stop.to_bytes()?;
        if bytes.len() as u64 > MAX_STOP_BYTES || self.all()?.len() >= MAX_STOPS {
            return Err(Refusal::conflict("too-many-stops", format!("this gate keeps {MAX_STOPS} stops at the most"))
                .hint("send them to the log, which has room"));
        }
        let written =
            durable::folder(&self.folder).and_then(|()| durable::replace(&self.folder.join(stop.name()), bytes));
        written.map_err(|e| self.unreadable(&e))
    }

    /// The log has it by now.
    pub fn forget(&self, stop: &Stop) -> Result<(), Refusal> {
        match fs::remove_file(self.folder.join(stop.name())) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    fn unreadable(&self, error: &io::Error) -> Refusal {
        Refusal::conflict("stops-unreadable", format!("cannot use {}: {error}", self.folder.display()))
            .hint("may this account read and write there? until then the gate stays shut")
    }
}
