//! What a log and its cosigners say to each other (C2SP `tlog-witness`): a log posts a checkpoint with the proof that it
//! continues the last one that the cosigner signed; the cosigner answers with its signature line, or why not.
//!
//! ```text
//! old 20852014                                     the size that the proof begins at
//! PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=     the proof, at most 63 hashes
//! …
//!                                                  (empty line)
//! countersign.example/log                          the checkpoint's note
//! …
//! ```
//!
//! Bodies and statuses only: who sends them, and what a cosigner remembers, is elsewhere. A cosigner must have written
//! down durably what it is about to cosign before it answers, and look up what it cosigned last in the same transaction,
//! or of two requests at once the older one takes it back.
//!
//! Invariant: a request has one spelling.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

use crate::{
    checkpoint::{
        Checkpoint, CheckpointError, MAX_NOTE_BYTES, SignedCheckpoint, parse_hash, parse_signatures, parse_size,
    },
    digest::{Digest, Hash},
    tree::{self, Nodes, TreeError},
};

/// Where checkpoints are posted, after the cosigner's submission prefix.
pub const ADD_CHECKPOINT: &str = "add-checkpoint";

/// The content type of the answer that says which size the cosigner is at.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

const TEXT_CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// Section "add-checkpoint". Only a log of more than 2^62 leaves can need more.
pub const MAX_PROOF_HASHES: usize = 63;

/// The base64 of a hash.
const HASH_CHARS: usize = 44;

/// The largest request: the note, a full proof, and `old` with 20 digits.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + MAX_PROOF_HASHES * (HASH_CHARS + 1) + 32;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum WitnessError {
    #[error("the request {0}")]
    Request(&'static str),
    #[error("the proof has {0} hashes, more than the {MAX_PROOF_HASHES} that a request takes")]
    Proof(usize),
    #[error("no proof from {old} leaves to the checkpoint can be made: {source}")]
    Tree { old: u64, source: TreeError },
    #[error("the cosigner's answer {status} {reason}")]
    Answer { status: u16, reason: &'static str },
}

/// Where a cosigner serves the last checkpoint of a log that it cosigned, after its monitoring prefix.
pub fn checkpoint_path(origin: &str) -> String {
    format!("{}/checkpoint", Digest::of(origin).hex())
}

/// A log asks to have a checkpoint cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the log as the cosigner last cosigned it; 0 if it never did, or to be told.
    pub old_size: u64,
    /// That the checkpoint continues the log of that size.
    pub proof: Vec<Hash>,
    /// The checkpoint's note, not checked yet.
    pub note: String,
}

impl AddCheckpoint {
    /// Of a checkpoint's signatures only the log's own are sent: a cosigner need not read more than 16.
    pub fn new(checkpoint: &SignedCheckpoint, old_size: u64, nodes: &impl Nodes) -> Result<Self, WitnessError> {
        // The empty log is the beginning of every log, and there is no proof of it.
        let proof = match old_size {
            0 => Vec::new(),
            old => tree::consistency_proof(old, checkpoint.checkpoint().size, nodes)
                .map_err(|source| WitnessError::Tree { old, source })?,
        };
        if proof.len() > MAX_PROOF_HASHES {
            return Err(WitnessError::Proof(proof.len()));
        }
        Ok(Self { old_size, proof, note: checkpoint.without_cosignatures().to_note() })
    }

    /// The body of the request.
    pub fn to_body(&self) -> String {
        let hashes: String = self.proof.iter().map(|hash| STANDARD.encode(hash.as_bytes()) + "\n").collect();
        format!("old {}\n{hashes}\n{}", self.old_size, self.note)
    }

    pub fn parse(body: &[u8]) -> Result<Self, WitnessError> {
        let wrong = WitnessError::Request;
        if body.len() > MAX_REQUEST_BYTES {
            return Err(wrong("is larger than a proof and a note can be"));
        }
        let body = std::str::from_utf8(body).map_err(|_| wrong("is not UTF-8"))?;
        let (head, note) = body.split_once("\n\n").ok_or(wrong("has no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| parse_size(line.strip_prefix("old ")?));
        let old_size = old_size.ok_or(wrong("does not begin with `old <size>`"))?;
        let proof: Option<Vec<Hash>> = lines.map(parse_hash).collect();
        let proof = proof.ok_or(wrong("has a line in its proof that is not the base64 of 32 bytes"))?;
        if proof.len() > MAX_PROOF_HASHES {
            return Err(WitnessError::Proof(proof.len()));
        }
        if note.len() > MAX_NOTE_BYTES {
            return Err(wrong("has a note larger than any that is read"));
        }
        Ok(Self { old_size, proof, note: note.to_owned() })
    }

    /// Which log the note says that it is of: what a cosigner looks up the log's key by.
    pub fn origin(&self) -> &str {
        self.note.split('\n').next().unwrap_or_default()
    }

    /// The checkpoint, if its log signed it. `log_key` is the verifier key of the log at [`Self::origin`], if the cosigner
    /// knows that log.
    pub fn open(&self, log_key: Option<&str>) -> Result<SignedCheckpoint, Refusal> {
        SignedCheckpoint::open(&self.note, log_key.ok_or(Refusal::UnknownLog)?).map_err(refusal)
    }

    /// What the protocol asks of a cosigner before it cosigns: [`Self::open`], and that the checkpoint continues `last`, what
    /// the cosigner cosigned of this log last.
    pub fn check(&self, log_key: Option<&str>, last: Option<&Checkpoint>) -> Result<SignedCheckpoint, Refusal> {
        let signed = self.open(log_key)?;
        let Checkpoint { ref origin, size, root } = *signed.checkpoint();
        if last.is_some_and(|last| last.origin != *origin) {
            return Err(Refusal::UnknownLog);
        }
        if self.old_size > size {
            return Err(Refusal::Malformed);
        }
        let known = last.map_or(0, |last| last.size);
        if self.old_size != known {
            return Err(Refusal::OtherSize { known });
        }
        let is_consistent = match last.filter(|last| last.size > 0) {
            None => self.proof.is_empty(),
            Some(last) => tree::verify_consistency(last.size, &last.root, size, &root, &self.proof).is_ok(),
        };
        if is_consistent { Ok(signed) } else { Err(Refusal::Inconsistent) }
    }
}

fn refusal(error: CheckpointError) -> Refusal {
    match error {
        CheckpointError::Note(_) | CheckpointError::Body(_) => Refusal::Malformed,
        CheckpointError::Signature { .. } => Refusal::NotSigned,
        CheckpointError::EmptyRoot => Refusal::Inconsistent,
        // A key that is none, or of another log, is not one by which this log is known.
        CheckpointError::VerifierKey(_) | CheckpointError::OtherLog { .. } => Refusal::UnknownLog,
        // Those of making keys and checkpoints; opening one has none of them.
        CheckpointError::Origin(_) | CheckpointError::SecretKey | CheckpointError::Sign(_) => Refusal::Malformed,
    }
}

/// Why a cosigner did not cosign.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("the request is malformed, or its old size is larger than the checkpoint's")]
    Malformed,
    /// Some cosigners say so of a log that they do not know, too.
    #[error("the checkpoint is not signed by a key that is known for its log")]
    NotSigned,
    #[error("the log is not known here")]
    UnknownLog,
    /// Asking again with a proof from `known` helps, if the log has as many.
    #[error("the last checkpoint cosigned here has {known} leaves")]
    OtherSize { known: u64 },
    /// The log contradicts what it showed before, or the proof is wrong.
    #[error("the checkpoint does not continue the last one that was cosigned here")]
    Inconsistent,
}

/// What a cosigner answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Signature lines, well formed. Whose they are and whether they hold, [`SignedCheckpoint::add_cosignatures`] says.
    Cosigned(String),
    Refused(Refusal),
}

impl Answer {
    /// The answer's HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::Refused(Refusal::Malformed) => 400,
            Self::Refused(Refusal::NotSigned) => 403,
            Self::Refused(Refusal::UnknownLog) => 404,
            Self::Refused(Refusal::OtherSize { .. }) => 409,
            Self::Refused(Refusal::Inconsistent) => 422,
        }
    }

    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Refused(Refusal::OtherSize { .. }) => SIZE_CONTENT_TYPE,
            Self::Cosigned(_)
            | Self::Refused(Refusal::Malformed | Refusal::NotSigned | Refusal::UnknownLog | Refusal::Inconsistent) => {
                TEXT_CONTENT_TYPE
            }
        }
    }

    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(lines) => lines.clone(),
            Self::Refused(Refusal::OtherSize { known }) => format!("{known}\n"),
            Self::Refused(
                other @ (Refusal::Malformed | Refusal::NotSigned | Refusal::UnknownLog | Refusal::Inconsistent),
            ) => format!("{other}\n"),
        }
    }

    /// Reads an answer. What a refusal says in words is not read.
    pub fn parse(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<Self, WitnessError> {
        let wrong = |reason| WitnessError::Answer { status, reason };
        match status {
            200 => {
                let lines = std::str::from_utf8(body).ok().filter(|lines| parse_signatures(lines).is_some());
                Ok(Self::Cosigned(lines.ok_or(wrong("has something else than signature lines"))?.to_owned()))
            }
            400 => Ok(Self::Refused(Refusal::Malformed)),
            403 => Ok(Self::Refused(Refusal::NotSigned)),
            404 => Ok(Self::Refused(Refusal::UnknownLog)),
            409 => {
                let size = std::str::from_utf8(body).ok().and_then(|body| parse_size(body.strip_suffix('\n')?));
                let known = size.filter(|_| content_type.is_some_and(is_size));
                Ok(Self::Refused(Refusal::OtherSize { known: known.ok_or(wrong("does not say a size"))? }))
            }
            422 => Ok(Self::Refused(Refusal::Inconsistent)),
            _ => Err(wrong("is none that the protocol knows")),
        }
    }
}

/// Media types are compared without case and parameters.
fn is_size(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(SIZE_CONTENT_TYPE))
}
