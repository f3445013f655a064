//! What a gate, a client or a verifier pinned beforehand: the contents of `trust.json`. It comes from a founder, never from
//! the server.

use countersign_ledger::{
    Cosignature, Digest, LogKeys, Time,
    checkpoint::SignedCheckpoint,
    cosignature::{Counted, Lack, Quorum, QuorumError, Shortfall, VerifierKey},
};
use serde::{Deserialize, Serialize};

use crate::{catalog::Tier, refusal::Refusal};

pub const TRUST_VERSION: u32 = 1;

/// How old cosignatures may be on tier 1, in seconds.
const FRESH_TIER_1_SECS: i64 = 60;
/// … and on the other tiers.
const FRESH_OTHERS_SECS: i64 = 5 * 60;

/// How old what a gate has verified may be where it decides alone, on tier 2.
const OUTAGE_TIER_2_SECS: i64 = 60 * 60;
/// … and below.
const OUTAGE_OTHERS_SECS: i64 = 8 * 60 * 60;
/// Nobody decides for longer by what may be old: a copy of a day takes one more person to break the glass.
const MAX_OUTAGE_SECS: i64 = 24 * 60 * 60;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    pub version: u32,
    /// The log's origin.
    pub origin: String,
    /// Signed-note verifier key: `origin+hash+base64`. Those that came in its place later are found in the log; what is known of
    /// them stands beside it.
    pub log_key: LogKeys,
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
    /// How old what a gate has verified may be for it to decide alone, when it cannot reach the log.
    #[serde(default, skip_serializing_if = "Outage::is_default")]
    pub outage: Outage,
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

/// How long a gate goes on deciding by its own copy without the log, by tier, in seconds. Zero: it does not, and only people open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outage {
    pub tier_1_secs: i64,
    pub tier_2_secs: i64,
    pub others_secs: i64,
}

impl Default for Outage {
    fn default() -> Self {
        Self { tier_1_secs: 0, tier_2_secs: OUTAGE_TIER_2_SECS, others_secs: OUTAGE_OTHERS_SECS }
    }
}

impl Outage {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// For a target of this tier.
    pub fn secs(&self, tier: Tier) -> i64 {
        match tier {
            Tier::HIGHEST => self.tier_1_secs,
            Tier::SECOND => self.tier_2_secs,
            _ => self.others_secs,
        }
    }
}

impl Default for Freshness {
    fn default() -> Self {
        Self { tier_1_secs: FRESH_TIER_1_SECS, others_secs: FRESH_OTHERS_SECS }
    }
}

impl Trust {
    /// Whether it pins the same log, whatever else it demands of it.
    pub fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.origin, self.log_key.pinned(), self.genesis) == (&other.origin, other.log_key.pinned(), other.genesis)
    }

    fn is_log_key(&self, key: &VerifierKey) -> bool {
        let successors = self.log_key.successors().iter().map(|successor| successor.key.as_str());
        successors.chain([self.log_key.pinned()]).any(|log_key| key.is_log_key(log_key))
    }

    /// Whether it pins no more than the log: no checkpoint, nobody who vouches for it.
    pub fn demands_nothing(&self) -> bool {
        self.checkpoint.is_none()
            && self.cosigners.is_none()
            && self.witnesses.is_empty()
            && self.fresh.is_default()
            && self.outage.is_default()
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

    /// Older than this they count for nothing.
    pub fn longest_secs(&self) -> i64 {
        self.tier_1_secs.max(self.others_secs)
    }
}

/// How those outside of the server stand to what it shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Vouching {
    /// `trust.json` names no cosigners.
    Nobody,
    /// Enough operators cosigned, lately enough.
    Enough {
        counted: Vec<Counted>,
        operators: usize,
    },
    Short(QuorumError),
}

impl Vouching {
    /// As of when enough of them vouch: the oldest of the newest cosignatures that it takes, in seconds since 1970.
    pub fn as_of_secs(&self, need: usize) -> Option<u64> {
        match self {
            Self::Enough { counted, .. } => {
                let mut times: Vec<u64> = counted.iter().map(|counted| counted.cosignature.time_secs()).collect();
                times.sort_unstable_by(|a, b| b.cmp(a));
                times.get(need.checked_sub(1)?).copied()
            }
            Self::Nobody | Self::Short(_) => None,
        }
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
            if quorum.cosigners().iter().any(|cosigner| self.is_log_key(&cosigner.key)) {
                return Err(invalid("the log's own key is no cosigner of it".to_owned()));
            }
        }
        let counts = |key: &VerifierKey| {
            let mut cosigners = self.cosigners.iter().flat_map(Quorum::cosigners);
            cosigners.any(|cosigner| cosigner.key.public() == key.public())
        };
        if let Some(witness) = self.witnesses.iter().find(|witness| counts(witness)) {
            return Err(invalid(format!("`{}` is listed as a cosigner and as a plain witness", witness.name())));
        }
        let Outage { tier_1_secs, tier_2_secs, others_secs } = self.outage;
        if [tier_1_secs, tier_2_secs, others_secs].iter().any(|secs| !(0..=MAX_OUTAGE_SECS).contains(secs)) {
            return Err(invalid(format!("without the log a gate decides for 0 to {MAX_OUTAGE_SECS} seconds")));
        }
        if self.fresh.tier_1_secs < 1 || self.fresh.others_secs < 1 {
            return Err(invalid("a cosignature that may be less than a second old never counts".to_owned()));
        }
        if let Some(note) = &self.checkpoint {
            SignedCheckpoint::open(note, &self.log_key).map_err(|e| invalid(format!("its checkpoint: {e}")))?;
        }
        Ok(())
    }

    /// Whether enough cosigners vouch for a checkpoint, within so many seconds; `None` is for none that anybody cosigned.
    pub fn vouching(&self, note: Option<&SignedCheckpoint>, now: Time, max_age_secs: u64) -> Vouching {
        let Some(quorum) = &self.cosigners else { return Vouching::Nobody };
        let met = match note {
            Some(note) => quorum.met(note, now, max_age_secs),
            None => Err(nobody(quorum)),
        };
        match met {
            Ok(counted) => Vouching::Enough { counted, operators: quorum.operators() },
            Err(error) => Vouching::Short(error),
        }
    }

    /// What plain witnesses say of a checkpoint. It counts for nothing.
    pub fn witnessed(&self, note: &SignedCheckpoint) -> Vec<Cosignature> {
        note.cosignatures(&self.witnesses)
    }

    /// Every key whose lines mean something here.
    pub fn known_keys(&self) -> Vec<VerifierKey> {
        let cosigners = self.cosigners.iter().flat_map(Quorum::cosigners).map(|cosigner| cosigner.key.clone());
        cosigners.chain(self.witnesses.iter().cloned()).collect()
    }
}

/// What a quorum lacks where there is no checkpoint that anybody cosigned.
fn nobody(quorum: &Quorum) -> QuorumError {
    let missing = quorum.cosigners().iter().map(|cosigner| Shortfall {
        operator: cosigner.operator.clone(),
        name: cosigner.key.name().to_owned(),
        lack: Lack::Missing,
    });
    QuorumError { need: quorum.need(), have: 0, short: missing.collect() }
}
