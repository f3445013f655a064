//! Checkpoints: the log's signed promise about its size and root (C2SP `tlog-checkpoint` in a C2SP `signed-note`).
//!
//! ```text
//! countersign.example/log      origin: the log's name, and the name of its key
//! 20852163                     number of leaves
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!                              (empty line)
//! — countersign.example/log Az3grlgt…
//! ```
//!
//! Invariant: one checkpoint has one text. Sizes are canonical decimals, roots are canonical base64, and this log
//! writes no extension lines, so a note that has some is not from it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use signed_note::{
    Note, Signer as _, StandardSigner, StandardVerifier, Verifier as _, VerifierList, generate_key, is_key_name_valid,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::digest::Hash;

/// The largest note that is read: a checkpoint with room for 100 cosignatures.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum CheckpointError {
    #[error("`{0}` cannot name a log: it must not be empty nor hold white space or `+`")]
    Origin(String),
    #[error("the log's secret key is malformed; it reads `PRIVATE+KEY+<origin>+<id>+<base64>`")]
    SecretKey,
    #[error("`{0}` is not a verifier key (`<origin>+<id>+<base64>`)")]
    VerifierKey(String),
    #[error("the checkpoint's note is malformed: {0}")]
    Note(String),
    #[error("the checkpoint is not signed by `{key}`: {reason}")]
    Signature { key: String, reason: String },
    #[error("the checkpoint is of `{found}`, not of `{expected}`")]
    OtherLog { found: String, expected: String },
    #[error("the checkpoint's {0}")]
    Body(&'static str),
    #[error("the checkpoint could not be signed: {0}")]
    Sign(String),
}

/// What a log promises: its first `size` leaves hash to `root`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// The note's text, which is what is signed.
    fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let mut line = |missing| lines.next().ok_or(CheckpointError::Body(missing));
        let origin = line("origin is missing")?;
        let size = line("size is missing")?;
        let root = line("root is missing")?;
        if !line("last line is not ended")?.is_empty() || lines.next().is_some() {
            return Err(CheckpointError::Body("text has more than three lines, which this log never writes"));
        }
        let checkpoint = Self { origin: origin.to_owned(), size: parse_size(size)?, root: parse_root(root)? };
        if checkpoint.size == 0 && checkpoint.root != Hash::empty_tree() {
            return Err(CheckpointError::Body("root is not that of an empty log, but its size is 0"));
        }
        Ok(checkpoint)
    }
}

fn parse_size(text: &str) -> Result<u64, CheckpointError> {
    const WRONG: CheckpointError = CheckpointError::Body("size is not a decimal number without leading zeros");
    let size: u64 = text.parse().map_err(|_| WRONG)?;
    if size.to_string() == text { Ok(size) } else { Err(WRONG) }
}

fn parse_root(text: &str) -> Result<Hash, CheckpointError> {
    const WRONG: CheckpointError = CheckpointError::Body("root is not the base64 of 32 bytes");
    let bytes = STANDARD.decode(text).map_err(|_| WRONG)?;
    <[u8; 32]>::try_from(bytes).map(Hash::from_bytes).map_err(|_| WRONG)
}

/// Checks a checkpoint's note against the log's verifier key, and reads it. Signatures of other keys (witnesses) are
/// ignored, as `signed-note` asks.
pub fn open(note: &str, vkey: &str) -> Result<Checkpoint, CheckpointError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(CheckpointError::Note(format!("it has {} bytes, more than {MAX_NOTE_BYTES}", note.len())));
    }
    let verifier = StandardVerifier::new(vkey).map_err(|_| CheckpointError::VerifierKey(vkey.to_owned()))?;
    let key = verifier.name().to_owned();
    let note = Note::from_bytes(note.as_bytes()).map_err(|e| CheckpointError::Note(e.to_string()))?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)]))
        .map_err(|e| CheckpointError::Signature { key: key.clone(), reason: e.to_string() })?;
    let text = std::str::from_utf8(note.text()).map_err(|e| CheckpointError::Note(e.to_string()))?;
    let checkpoint = Checkpoint::parse_text(text)?;
    if checkpoint.origin != key {
        return Err(CheckpointError::OtherLog { found: checkpoint.origin, expected: key });
    }
    Ok(checkpoint)
}

/// The log's secret: whoever has it can promise any root, though none that gates would follow without the human
/// signatures under it.
pub struct LogKey {
    signer: StandardSigner,
    secret: Zeroizing<String>,
    verifier: String,
}

impl LogKey {
    pub fn generate(origin: &str, rng: &mut impl CryptoRngCore) -> Result<Self, CheckpointError> {
        if !is_key_name_valid(origin) {
            return Err(CheckpointError::Origin(origin.to_owned()));
        }
        let (secret, _) = generate_key(rng, origin);
        Self::from_text(&Zeroizing::new(secret))
    }

    /// Reads `PRIVATE+KEY+<origin>+<id>+<base64>`, as `to_text` writes it.
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let secret = Zeroizing::new(text.trim().to_owned());
        let signer = StandardSigner::new(&secret).map_err(|_| CheckpointError::SecretKey)?;
        let verifier = verifier_key(&secret, signer.name())?;
        Ok(Self { signer, secret, verifier })
    }

    pub fn to_text(&self) -> Zeroizing<String> {
        self.secret.clone()
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        self.signer.name()
    }

    /// The verifier key, `<origin>+<id>+<base64>`: what a verifier pins.
    pub fn verifier(&self) -> String {
        self.verifier.clone()
    }

    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<String, CheckpointError> {
        if checkpoint.origin != self.origin() {
            return Err(CheckpointError::OtherLog {
                found: checkpoint.origin.clone(),
                expected: self.origin().to_owned(),
            });
        }
        let failed = |e: signed_note::NoteError| CheckpointError::Sign(e.to_string());
        let mut note = Note::new(checkpoint.to_text().as_bytes(), &[]).map_err(failed)?;
        note.add_sigs(&[&self.signer]).map_err(failed)?;
        String::from_utf8(note.to_bytes()).map_err(|e| CheckpointError::Sign(e.to_string()))
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

/// `signed_note` does not give a signer's public half, so it is derived from the secret again.
fn verifier_key(secret: &str, origin: &str) -> Result<String, CheckpointError> {
    // Base64 has `+` too, so the key is what follows the fourth.
    let encoded = secret.splitn(5, '+').nth(4).ok_or(CheckpointError::SecretKey)?;
    let decoded = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| CheckpointError::SecretKey)?);
    let (_algorithm, seed) = decoded.split_first().ok_or(CheckpointError::SecretKey)?;
    let key = ed25519_dalek::SigningKey::try_from(seed).map_err(|_| CheckpointError::SecretKey)?;
    Ok(signed_note::new_ed25519_verifier_key(origin, &key.verifying_key()))
}
