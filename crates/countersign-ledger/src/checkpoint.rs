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
//! Signature lines of other keys (cosigners, see [`mod@crate::cosignature`]) may follow the log's own.
//!
//! Invariants:
//! - One checkpoint has one text. Sizes are canonical decimals, roots are canonical base64, and this log writes no
//!   extension lines, so a note that has some is not from it.
//! - A [`SignedCheckpoint`] is signed by its log: only opening a note makes one.

mod keys;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use signed_note::{
    Note, Signature, Signer as _, StandardSigner, StandardVerifier, Verifier as _, VerifierList, generate_key,
    is_key_name_valid,
};
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::keys::{LogKeys, Successor, Verifies};
use crate::digest::Hash;

/// The largest note that is read: a checkpoint with room for 100 cosignatures.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The most signature lines of a note, which bounds the work of checking one. `signed_note` reads no more either.
pub const MAX_SIGNATURES: usize = 100;

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
    #[error("the checkpoint's size is 0, but its root is not that of an empty log")]
    EmptyRoot,
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
        let size =
            parse_size(size).ok_or(CheckpointError::Body("size is not a decimal number without leading zeros"))?;
        let root = parse_hash(root).ok_or(CheckpointError::Body("root is not the base64 of 32 bytes"))?;
        if size == 0 && root != Hash::empty_tree() {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// A decimal without leading zeros.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}

/// Canonical base64, as notes and proofs write hashes.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    <[u8; 32]>::try_from(STANDARD.decode(text).ok()?).ok().map(Hash::from_bytes)
}

/// Checks a checkpoint's note against the log's verifier key, and reads it. Signatures of other keys (cosigners) are
/// ignored, as `signed-note` asks.
pub fn open(note: &str, keys: &(impl Verifies + ?Sized)) -> Result<Checkpoint, CheckpointError> {
    SignedCheckpoint::open(note, keys).map(SignedCheckpoint::into_checkpoint)
}

/// Whether it is a verifier key by which a log of this origin can sign.
pub fn is_verifier_key(key: &str, origin: &str) -> bool {
    StandardVerifier::new(key).is_ok_and(|verifier| verifier.name() == origin)
}

/// What a note says before it is known whose signatures those are. Only whoever finds the key in the log that it is of, and
/// opens it by that in the end, has a use for it.
pub fn claimed(note: &str) -> Result<Checkpoint, CheckpointError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(CheckpointError::Note(format!("it has {} bytes, more than {MAX_NOTE_BYTES}", note.len())));
    }
    let (text, _) = note.rsplit_once(BEFORE_SIGNATURES).unwrap_or_default();
    Checkpoint::parse_text(&format!("{text}\n"))
}

/// A checkpoint that its log has signed, with every signature line of its note, verbatim and in order.
///
/// Whoever cosigns, counts cosignatures or asks for them needs one, so nobody does so on text that the log never signed.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    log_key_id: u32,
    signatures: Vec<Signature>,
}

impl SignedCheckpoint {
    /// Checks a note against the key by which the log signs that size, and keeps all of it. What other keys signed is not
    /// checked here.
    pub fn open(note: &str, keys: &(impl Verifies + ?Sized)) -> Result<Self, CheckpointError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(CheckpointError::Note(format!("it has {} bytes, more than {MAX_NOTE_BYTES}", note.len())));
        }
        let vkey = keys.key_at(claimed(note).map_or(0, |claimed| claimed.size));
        let verifier = StandardVerifier::new(vkey).map_err(|_| CheckpointError::VerifierKey(vkey.to_owned()))?;
        let (key, log_key_id) = (verifier.name().to_owned(), verifier.key_id());
        let parsed = Note::from_bytes(note.as_bytes()).map_err(|e| CheckpointError::Note(e.to_string()))?;
        parsed
            .verify(&VerifierList::new(vec![Box::new(verifier)]))
            .map_err(|e| CheckpointError::Signature { key: key.clone(), reason: e.to_string() })?;
        // `signed_note` hands out the signatures that it verified, not the lines as they stand.
        let (text, lines) = note.rsplit_once(BEFORE_SIGNATURES).unwrap_or_default();
        let checkpoint = Checkpoint::parse_text(&format!("{text}\n"))?;
        if checkpoint.origin != key {
            return Err(CheckpointError::OtherLog { found: checkpoint.origin, expected: key });
        }
        let signatures =
            parse_signatures(lines).ok_or_else(|| CheckpointError::Note("a signature line is malformed".to_owned()))?;
        Ok(Self { checkpoint, log_key_id, signatures })
    }

    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    pub fn into_checkpoint(self) -> Checkpoint {
        self.checkpoint
    }

    /// The note, byte for byte as it was opened, and with what was added since.
    pub fn to_note(&self) -> String {
        let lines: String = self.signatures.iter().map(signature_line).collect();
        format!("{}\n{lines}", self.text())
    }

    /// The checkpoint with the log's own signature alone, for those who read only a few signatures of a note.
    pub fn without_cosignatures(&self) -> Self {
        let is_of_log = |line: &Signature| line.name() == self.checkpoint.origin && line.id() == self.log_key_id;
        self.with_signatures(self.signatures.iter().filter(|line| is_of_log(line)).cloned().collect())
    }

    /// What is signed.
    pub(crate) fn text(&self) -> String {
        self.checkpoint.to_text()
    }

    pub(crate) fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The caller leaves the log's own signature in.
    pub(crate) fn with_signatures(&self, signatures: Vec<Signature>) -> Self {
        Self { checkpoint: self.checkpoint.clone(), log_key_id: self.log_key_id, signatures }
    }
}

/// The text's last line end, and an empty line.
const BEFORE_SIGNATURES: &str = "\n\n";

/// Whole signature lines, at least one. A line has one spelling.
pub(crate) fn parse_signatures(lines: &str) -> Option<Vec<Signature>> {
    let count = lines.bytes().filter(|byte| *byte == b'\n').count();
    if lines.len() > MAX_NOTE_BYTES || count > MAX_SIGNATURES {
        return None;
    }
    let parse = |line: &str| Signature::from_bytes(line.as_bytes()).ok();
    let signatures: Vec<_> = lines.strip_suffix('\n')?.split('\n').map(parse).collect::<Option<_>>()?;
    let has_control = lines.chars().any(|c| c < ' ' && c != '\n');
    (!has_control && signatures.iter().map(signature_line).eq(lines.split_inclusive('\n'))).then_some(signatures)
}

/// With its line end.
pub(crate) fn signature_line(signature: &Signature) -> String {
    String::from_utf8_lossy(&signature.to_bytes()).into_owned()
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
