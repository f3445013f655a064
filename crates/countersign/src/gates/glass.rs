//! Breaking the glass without the log: what a gate draws when it cannot reach the log, and what people sign over it.
//!
//! ```text
//!  push ─> the log is away ─> the gate draws a nonce for this very transition, and prints it
//!             ada, in her clone:  break-glass --at …          break-glass-….json
//!             grace, in hers:     break-glass --cosign FILE   the same file, with her signature
//!  push, with that file ─> checked by the gate's own copy, written down, let through ─> told when the log is back
//! ```
//!
//! The apply gate does the same for a command, on the machine and with the key of whoever runs it.
//!
//! The file has the proposal of the change beside what breaks the glass for it, so that both can be in the log afterwards as they
//! were signed. A change that the gate's copy of the log has is named alone.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign_core::{
    admit::Signed,
    ids::{ChangeId, GateId, Nonce, Target},
    refusal::Refusal,
    statement::{Body, BreakGlass, RevisionRef, SeenCheckpoint},
    subject::Transition,
};
use countersign_ledger::{Digest, Envelope, Fingerprint, Time};
use serde::{Deserialize, Serialize};

use super::journal::{Event, Journal, JournalError};
use crate::{durable, random, wire::Submit};

/// What was handed to a gate, beside its journal.
const FOLDER: &str = "glass";
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// More than a log that works would ever leave here.
const MAX_KEPT: usize = 100;

/// What a gate drew when it could not reach the log: who wants to open it signs over this, and it is good for an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    pub audience: Fingerprint,
    /// The change, where the gate's copy of the log has it; else it is proposed by who signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<(ChangeId, RevisionRef)>,
    /// The newest checkpoint that the gate has followed.
    pub checkpoint: SeenCheckpoint,
    /// It is a drill: what is signed over this opens a probe.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    pub gate: GateId,
    /// The log's origin.
    pub log: String,
    /// How many people have to sign.
    pub needed: usize,
    pub nonce: Nonce,
    pub targets: std::collections::BTreeSet<Target>,
    pub transition: Transition,
    pub until: Time,
}

/// What was drawn for exactly this within the last hour, or something new, which is written down first.
pub fn draw(journal: &mut Journal, transition: &Transition, now: Time) -> Result<(Nonce, Time), JournalError> {
    if let Some(drawn) = journal.drawn(transition, now) {
        return Ok(drawn);
    }
    let nonce = random::nonce();
    journal.write(Event::Drawn { nonce: nonce.clone(), transition: transition.clone(), at: now })?;
    Ok((nonce, now))
}

impl Drawn {
    /// One word of a command line.
    pub fn word(&self) -> Result<String, Refusal> {
        let json = serde_json::to_vec(self).map_err(|e| Refusal::malformed("malformed-drawn", e.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }

    pub fn read(word: &str) -> Result<Self, Refusal> {
        let malformed = || {
            Refusal::malformed("malformed-drawn", "this is not what a gate draws")
                .hint("copy the whole line that what was refused printed: countersign break-glass --at …")
        };
        let bytes = URL_SAFE_NO_PAD.decode(word.trim()).map_err(|_| malformed())?;
        serde_json::from_slice(&bytes).map_err(|_| malformed())
    }
}

/// As it lies in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposal: Option<Submit>,
    said: Submit,
}

/// A statement with the blobs that it names.
#[derive(Clone, Debug)]
pub struct Part {
    pub envelope: Envelope,
    pub signed: Signed,
    pub blobs: Vec<Vec<u8>>,
}

impl Part {
    pub fn new(envelope: Envelope, blobs: Vec<Vec<u8>>) -> Result<Self, Refusal> {
        let signed = Signed::check(&envelope).map_err(|refusal| match refusal.code {
            "signature-invalid" => refusal.hint(
                "the file was changed after somebody signed it, or did not arrive whole: get it again from who signed last, or sign anew",
            ),
            _ => refusal,
        })?;
        Ok(Self { signed, envelope, blobs })
    }

    pub fn of(written: &Submit) -> Result<Self, Refusal> {
        let wrong = |why: String| malformed(&why);
        let envelope = Envelope::parse(written.envelope.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let blobs = written.blobs.iter().map(|blob| STANDARD.decode(blob)).collect::<Result<_, _>>();
        Self::new(envelope, blobs.map_err(|e| wrong(format!("a blob is no base64: {e}")))?)
    }
}

/// What people signed: a change, and that a gate opens for it.
#[derive(Clone, Debug)]
pub struct Glass {
    /// `None` where the gate's copy of the log has the change.
    pub proposal: Option<Part>,
    pub said: Part,
}

fn malformed(why: &str) -> Refusal {
    Refusal::malformed("malformed-break-glass", format!("this opens nothing: {why}"))
        .hint("a gate takes the file that `countersign break-glass --at …` wrote, as it is")
}

impl Glass {
    pub fn new(proposal: Option<Part>, said: Part) -> Result<Self, Refusal> {
        let glass = Self { proposal, said };
        let proposes = |part: &Part| match part.signed.statement().body {
            Body::Proposal(_) => part.signed.statement().change(&part.signed.payload()),
            _ => None,
        };
        match (glass.proposal.as_ref().map(proposes), glass.broken()) {
            (None, Some(_)) => Ok(glass),
            (Some(Some(change)), Some(broken)) if broken.change == change => Ok(glass),
            _ => Err(malformed("it does not hold what breaks the glass, and the proposal of that change")),
        }
    }

    /// In the order in which the log takes them.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.proposal.iter().chain([&self.said])
    }

    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_BYTES {
            return Err(malformed(&format!("it has more than {MAX_BYTES} bytes")));
        }
        let written: Written = serde_json::from_slice(bytes).map_err(|e| malformed(&e.to_string()))?;
        Self::new(written.proposal.as_ref().map(Part::of).transpose()?, Part::of(&written.said)?)
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        let submit = |part: &Part| Submit::new(&part.envelope, &part.blobs);
        let written = Written { proposal: self.proposal.as_ref().map(submit), said: submit(&self.said) };
        serde_json::to_vec(&written).map_err(|e| malformed(&e.to_string()))
    }

    fn broken(&self) -> Option<&BreakGlass> {
        match &self.said.signed.statement().body {
            Body::BreakGlass(said) => Some(said),
            _ => None,
        }
    }

    /// What it says.
    pub fn says(&self) -> Result<&BreakGlass, Refusal> {
        self.broken().ok_or_else(|| malformed("it breaks no glass"))
    }

    /// Every blob that came along, by its digest.
    pub fn blobs(&self) -> BTreeMap<Digest, Vec<u8>> {
        let all = self.parts().flat_map(|part| &part.blobs);
        all.map(|blob| (Digest::of(blob), blob.clone())).collect()
    }

    /// Each with its signatures: a worthless one beside it keeps no good one out.
    fn name(&self) -> String {
        format!("{}.json", Digest::of(self.said.envelope.raw()).hex())
    }
}

/// What was handed to a gate and the log does not have yet.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// In the folder of a gate.
    pub fn of(gate: &Path) -> Self {
        Self { folder: gate.join(FOLDER) }
    }

    /// Beside the journal of an apply gate.
    pub fn beside(journal: &Path) -> Self {
        Self { folder: journal.with_extension(FOLDER) }
    }

    /// In no order that says anything.
    pub fn all(&self) -> Result<Vec<Glass>, Refusal> {
        let paths = durable::json_files(&self.folder).map_err(|e| self.unusable(&e))?;
        // One that cannot be read opens nothing, and keeps no other from it.
        let read = |path: PathBuf| fs::read(path).ok().and_then(|bytes| Glass::read(&bytes).ok());
        Ok(paths.into_iter().filter_map(read).collect())
    }

    /// Keeps it. Where there is no room, the one goes that ends first: nobody fills a gate with what opens nothing.
    pub fn keep(&self, glass: &Glass) -> Result<(), Refusal> {
        let mut kept = self.all()?;
        kept.retain(|other| other.name() != glass.name());
        if kept.len() >= MAX_KEPT {
            let ends = |glass: &&Glass| glass.says().map(|said| said.expires_at).ok();
            kept.iter().min_by_key(ends).map(|first| self.forget(first)).transpose()?;
        }
        let bytes = glass.to_bytes()?;
        let written =
            durable::folder(&self.folder).and_then(|()| durable::replace(&self.folder.join(glass.name()), bytes));
        written.map_err(|e| self.unusable(&e))
    }

    /// The log has it, or it opens nothing any more.
    pub fn forget(&self, glass: &Glass) -> Result<(), Refusal> {
        match fs::remove_file(self.folder.join(glass.name())) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    fn unusable(&self, error: &io::Error) -> Refusal {
        Refusal::conflict("break-glass-unusable", format!("cannot use {}: {error}", self.folder.display()))
            .hint("may this account read and write there?")
    }
}
