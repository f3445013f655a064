//! Cosignatures: what others than the log signed about a checkpoint (C2SP `tlog-cosignature`, for Ed25519).
//!
//! ```text
//! cosignature/v1
//! time 1774000000              when, in seconds since the Unix epoch
//! countersign.example/log      the checkpoint's text
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ```
//!
//! is what a cosigner signs. It says that at that time this was the longest log of this origin that the cosigner had
//! seen, and that it continues all that it saw before. In the note it stands as a signature line of the cosigner's key:
//!
//! ```text
//! — follower.example/f1 <base64 of: key id (4 bytes), time (8 bytes, big-endian), signature (64 bytes)>
//! ```
//!
//! | room | holds |
//! |---|---|
//! | `key` | a cosigner's two keys |
//! | `quorum` | how many operators have to have cosigned, and how lately |
//!
//! Signatures of `tlog-cosignature`'s other algorithm (ML-DSA-44, `0x06`) are lines of unknown keys here.
//!
//! Invariants:
//! - A [`Cosignature`] is valid: only checking a line and making one give it.
//! - A line is never preferred for a time that was not signed.

use std::collections::BTreeMap;

use signed_note::Signature;
use thiserror::Error;

use crate::{
    checkpoint::{MAX_NOTE_BYTES, MAX_SIGNATURES, SignedCheckpoint, parse_signatures, signature_line},
    time::Time,
};

mod key;
mod quorum;

pub use key::{CosignerKey, VerifierKey};
pub use quorum::{Cosigner, Counted, Lack, MAX_COSIGNERS, MalformedQuorum, Quorum, QuorumError, Shortfall};

/// How far a cosigner's clock may be ahead of ours. What is further ahead does not count, or somebody whose clock was
/// wrong once would look fresh for as long as it was ahead.
pub const MAX_AHEAD_SECS: u64 = 60;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum CosignatureError {
    #[error("`{0}` cannot name a cosigner: it must not be empty nor hold white space, control characters or `+`")]
    Name(String),
    #[error("the cosigner's secret key is malformed; it reads `PRIVATE+KEY+<name>+<id>+<base64>`")]
    SecretKey,
    #[error("`{key}` is not a cosigner's verifier key (`<name>+<id>+<base64>`): {reason}")]
    VerifierKey { key: String, reason: &'static str },
    #[error("the clock says {0} s before 1970, which a cosignature cannot")]
    Time(u64),
    #[error("these are not 1 to {MAX_SIGNATURES} signature lines (`— <name> <base64>`, each with its line end)")]
    Lines,
    #[error(
        "with {signatures} signatures the note would have {bytes} bytes; at most {MAX_SIGNATURES} and {MAX_NOTE_BYTES} are read"
    )]
    TooLarge { signatures: usize, bytes: usize },
    #[error("the checkpoint could not be cosigned: {0}")]
    Sign(String),
}

/// A valid cosignature.
#[derive(Clone, Debug, PartialEq)]
pub struct Cosignature {
    key: VerifierKey,
    time_secs: u64,
    signature: Signature,
}

impl Cosignature {
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The cosigner's name.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// When it was made, by the cosigner's clock, in seconds since the Unix epoch.
    pub const fn time_secs(&self) -> u64 {
        self.time_secs
    }

    /// The signature line, with its line end.
    pub fn line(&self) -> String {
        signature_line(&self.signature)
    }

    /// Seconds from the cosignature to `now`; negative when it is in the future.
    fn age_secs(&self, now: Time) -> i64 {
        // Keys refuse times above `i64::MAX`.
        now.unix_secs().saturating_sub(i64::try_from(self.time_secs).unwrap_or(i64::MAX))
    }

    /// By how many seconds it is ahead of `now`; `None` when that is not too far.
    fn too_far_ahead(&self, now: Time) -> Option<u64> {
        let ahead = u64::try_from(self.age_secs(now).saturating_neg()).ok()?;
        (ahead > MAX_AHEAD_SECS).then_some(ahead)
    }
}

impl SignedCheckpoint {
    /// The valid cosignatures by known keys: of each key the newest, however old, and even if in the future.
    pub fn cosignatures(&self, known: &[VerifierKey]) -> Vec<Cosignature> {
        let text = self.text();
        let newest = |key| valid(key, &text, self.signatures()).reduce(newer);
        known.iter().filter_map(newest).collect()
    }

    /// Adds the valid cosignatures among `lines` by known keys, of each key the newest, and drops what no longer counts:
    /// older ones of those keys, and lines under their names that are not valid or too far in the future. Lines of other
    /// keys are not taken, and those that stand in the note stay.
    ///
    /// Returns what was added. Whatever order lines come in, the note is the same; after an error it is as before.
    pub fn add_cosignatures(
        &mut self,
        lines: &str,
        known: &[VerifierKey],
        now: Time,
    ) -> Result<Vec<Cosignature>, CosignatureError> {
        let offered = parse_signatures(lines).ok_or(CosignatureError::Lines)?;
        let text = self.text();
        let mut newest = BTreeMap::new();
        let mut added = Vec::new();
        for key in known {
            let usable = |signatures| {
                valid(key, &text, signatures).filter(|line| line.too_far_ahead(now).is_none()).reduce(newer)
            };
            let standing = usable(self.signatures());
            let Some(line) = standing.iter().cloned().chain(usable(&offered)).reduce(newer) else { continue };
            let is_new = standing.as_ref() != Some(&line);
            if newest.insert(key, line.signature.clone()).is_none() && is_new {
                added.push(line);
            }
        }
        let is_of_others = |line: &&Signature| !known.iter().any(|key| key.is_named_in(line));
        let mut signatures: Vec<_> = self.signatures().iter().filter(is_of_others).cloned().collect();
        signatures.extend(newest.into_values());
        let changed = self.with_signatures(signatures);
        changed.bounded()?;
        *self = changed;
        Ok(added)
    }

    /// The checkpoint with its log's own signature and these lines, whoever they are of: for a log that hands on what its
    /// cosigners answer, and leaves it to those who pinned keys to say what counts. A line in the log's own name is left out,
    /// since one that does not hold would make the note one that nobody opens.
    pub fn handing_on<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Result<Self, CosignatureError> {
        let own = self.without_cosignatures();
        let mut signatures = own.signatures().to_vec();
        for lines in lines {
            let offered = parse_signatures(lines).ok_or(CosignatureError::Lines)?;
            let of_others = offered.into_iter().filter(|line| line.name() != self.checkpoint().origin);
            for line in of_others {
                if !signatures.contains(&line) {
                    signatures.push(line);
                }
            }
        }
        let note = own.with_signatures(signatures);
        note.bounded()?;
        Ok(note)
    }

    /// How many signature lines it has beside its log's own.
    pub fn others(&self) -> usize {
        self.signatures().len().saturating_sub(self.without_cosignatures().signatures().len())
    }

    fn bounded(&self) -> Result<(), CosignatureError> {
        let (signatures, bytes) = (self.signatures().len(), self.to_note().len());
        if signatures > MAX_SIGNATURES || bytes > MAX_NOTE_BYTES {
            return Err(CosignatureError::TooLarge { signatures, bytes });
        }
        Ok(())
    }
}

/// The lines that `key` made over `text`.
fn valid<'a>(
    key: &'a VerifierKey,
    text: &'a str,
    signatures: &'a [Signature],
) -> impl Iterator<Item = Cosignature> + use<'a> {
    signatures.iter().filter_map(move |signature| key.check(text, signature))
}

/// Of two equally new ones the first.
fn newer(first: Cosignature, second: Cosignature) -> Cosignature {
    if second.time_secs > first.time_secs { second } else { first }
}
