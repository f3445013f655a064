//! Breaking the glass without the log: what a gate draws when it cannot reach the log, and what people sign over it.
//!
//! ```text
//!  push ─> the log is away ─> the gate draws a nonce for this very transition, and prints it
//!             ada, in her clone:  break-glass --at …          break-glass-….json
//!             grace, in hers:     break-glass --cosign FILE   the same file, with her signature
//!  push, with that file ─> checked by the gate's own copy, written down, let through ─> told when the log is back
//! ```
//!
//! The file has the proposal of the change beside what breaks the glass for it, so that both can be in the log afterwards as they
//! were signed.

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
    ids::{GateId, Nonce, Target},
    refusal::Refusal,
    statement::{Body, BreakGlass, SeenCheckpoint},
    subject::GitTransition,
};
use countersign_ledger::{Digest, Envelope, Fingerprint, Time};
use serde::{Deserialize, Serialize};

use crate::{durable, wire::Submit};

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
    /// The newest checkpoint that the gate has followed.
    pub checkpoint: SeenCheckpoint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    pub gate: GateId,
    /// The log's origin.
    pub log: String,
    /// How many people have to sign.
    pub needed: usize,
    pub nonce: Nonce,
    pub targets: std::collections::BTreeSet<Target>,
    pub transition: GitTransition,
    pub until: Time,
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
                .hint("copy the whole line that the refused push printed: countersign break-glass --at …")
        };
        let bytes = URL_SAFE_NO_PAD.decode(word.trim()).map_err(|_| malformed())?;
        serde_json::from_slice(&bytes).map_err(|_| malformed())
    }
}

/// As it lies in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    proposal: Submit,
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

    fn of(written: &Submit) -> Result<Self, Refusal> {
        let wrong = |why: String| malformed(&why);
        let envelope = Envelope::parse(written.envelope.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let blobs = written.blobs.iter().map(|blob| STANDARD.decode(blob)).collect::<Result<_, _>>();
        Self::new(envelope, blobs.map_err(|e| wrong(format!("a blob is no base64: {e}")))?)
    }
}

/// What people signed: a change, and that a gate opens for it.
#[derive(Clone, Debug)]
pub struct Glass {
    pub proposal: Part,
    pub said: Part,
}

fn malformed(why: &str) -> Refusal {
    Refusal::malformed("malformed-break-glass", format!("this opens nothing: {why}"))
        .hint("a gate takes the file that `countersign break-glass --at …` wrote, as it is")
}

impl Glass {
    pub fn new(proposal: Part, said: Part) -> Result<Self, Refusal> {
        let change = proposal.signed.statement().change(&proposal.signed.payload());
        let glass = Self { proposal, said };
        match (&glass.proposal.signed.statement().body, glass.broken()) {
            (Body::Proposal(_), Some(broken)) if Some(&broken.change) == change.as_ref() => Ok(glass),
            _ => Err(malformed("it holds no proposal and what breaks the glass for it")),
        }
    }

    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_BYTES {
            return Err(malformed(&format!("it has more than {MAX_BYTES} bytes")));
        }
        let written: Written = serde_json::from_slice(bytes).map_err(|e| malformed(&e.to_string()))?;
        Self::new(Part::of(&written.proposal)?, Part::of(&written.said)?)
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        let submit = |part: &Part| Submit::new(&part.envelope, &part.blobs);
        let written = Written { proposal: submit(&self.proposal), said: submit(&self.said) };
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
        let all = self.proposal.blobs.iter().chain(&self.said.blobs);
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

    /// In no order that says anything.
    pub fn all(&self) -> Result<Vec<Glass>, Refusal> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unusable(&error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| self.unusable(&e))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                // One that cannot be read opens nothing, and keeps no other from it.
                all.extend(fs::read(&path).ok().and_then(|bytes| Glass::read(&bytes).ok()));
            }
        }
        Ok(all)
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
