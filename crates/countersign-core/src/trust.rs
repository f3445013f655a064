//! What a gate, a client or a verifier pinned beforehand: the contents of `trust.json`. It comes from a founder, never from
//! the server.

use countersign_ledger::{
    Digest,
    checkpoint::SignedCheckpoint,
    cosignature::{Quorum, VerifierKey},
};
use serde::{Deserialize, Serialize};

use crate::{catalog::Tier, refusal::Refusal};

pub const TRUST_VERSION: u32 = 1;

/// How old cosignatures may be on tier 1, in seconds.
const FRESH_TIER_1_SECS: i64 = 60;
/// … and on the other tiers.
const FRESH_OTHERS_SECS: i64 = 5 * 60;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    pub version: u32,
    /// The log's origin.
    pub origin: String,
    /// Signed-note verifier key: `origin+hash+base64`.
    pub log_key: String,
    /// Payload digest of the genesis.
    pub genesis: Digest,
    /// How many founders can together begin a new epoch when keys are lost.
    pub recovery_quorum: u32,
    /// A checkpoint that a first follow must reach: without one, the first log that is shown is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Followers whose cosignatures vouch that a log is complete: so many of them, of different operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigners: Option<Quorum>,
    /// How old their cosignatures may be.
    #[serde(default, skip_serializing_if = "Freshness::is_default")]
    pub fresh: Freshness,
    /// Plain witnesses, which check consistency alone: told, and never counted as cosigners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<VerifierKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Freshness {
    pub tier_1_secs: i64,
    pub others_secs: i64,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { tier_1_secs: FRESH_TIER_1_SECS, others_secs: FRESH_OTHERS_SECS }
    }
}

impl Freshness {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// How old a cosignature may be for a target of this tier.
    pub fn secs(&self, tier: Tier) -> i64 {
        if tier == Tier::HIGHEST { self.tier_1_secs } else { self.others_secs }
    }
}

impl Trust {
    /// What can be wrong with it besides its form: fewer cosigners than half, the log's own key among them, a checkpoint
    /// of another log.
    pub fn check(&self) -> Result<(), Refusal> {
        let invalid =
            |what: String| Refusal::malformed("trust-invalid", format!("the trust file does not hold: {what}"));
        if let Some(quorum) = &self.cosigners {
            let operators = quorum.operators();
            if quorum.need().saturating_mul(2) <= operators {
                return Err(invalid(format!(
                    "{} of {operators} cosigners is not more than half, so that two halves could be shown two logs",
                    quorum.need()
                )));
            }
            if quorum.cosigners().iter().any(|cosigner| cosigner.key.is_log_key(&self.log_key)) {
                return Err(invalid("the log's own key is no cosigner of it".to_owned()));
            }
        }
        if let Some(note) = &self.checkpoint {
            SignedCheckpoint::open(note, &self.log_key).map_err(|e| invalid(format!("its checkpoint: {e}")))?;
        }
        Ok(())
    }
}
