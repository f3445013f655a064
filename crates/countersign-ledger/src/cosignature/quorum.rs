//! A quorum: how many operators have to have cosigned a checkpoint, and how lately.
//!
//! Operators are counted, not keys: whoever runs three cosigners is one. Whether `need` is more than half of them, and
//! that none of them is the server's, is for whoever reads the pinned trust to see to.
//!
//! Invariant: no two cosigners of a quorum share a key, whatever their names. What a cosigner signs does not name it, so
//! one signature would count for both.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Cosignature, MAX_AHEAD_SECS, VerifierKey, newer, valid};
use crate::{checkpoint::SignedCheckpoint, time::Time};

/// The most cosigners of a quorum: all of them, the log, and lines of keys that are not known fit into one note.
pub const MAX_COSIGNERS: usize = 64;

const MAX_OPERATOR_BYTES: usize = 100;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum MalformedQuorum {
    #[error("a quorum needs at least one operator and at most all of its {operators}, not {need}")]
    Need { need: usize, operators: usize },
    #[error("a quorum has at most {MAX_COSIGNERS} cosigners, not {0}")]
    TooMany(usize),
    #[error("`{0}` cannot name an operator: 1 to {MAX_OPERATOR_BYTES} characters of `a-z0-9-._/`")]
    Operator(String),
    #[error("the cosigners `{0}` and `{1}` have the same key")]
    SharedKey(String, String),
}

/// Somebody whose cosignature counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosigner {
    /// Who runs it, and could have it sign anything.
    pub operator: String,
    pub key: VerifierKey,
}

/// `need` operators of those that run `cosigners`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Quorum {
    need: usize,
    cosigners: Vec<Cosigner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    need: usize,
    cosigners: Vec<Cosigner>,
}

impl TryFrom<Unchecked> for Quorum {
    type Error = MalformedQuorum;

    fn try_from(Unchecked { need, cosigners }: Unchecked) -> Result<Self, Self::Error> {
        Self::new(need, cosigners)
    }
}

/// Why a checkpoint does not count as seen by enough.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{have} of the {need} operators that it takes have cosigned the checkpoint lately: {}", list(short))]
pub struct QuorumError {
    pub need: usize,
    pub have: usize,
    /// Every cosigner of the operators that did not count, in the order of the quorum.
    pub short: Vec<Shortfall>,
}

/// A cosigner that did not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    pub operator: String,
    pub name: String,
    pub lack: Lack,
}

/// What a cosigner's cosignature lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// There is none.
    Missing,
    /// There is a line of its name and key id that its key did not make over this checkpoint.
    Invalid,
    TooOld {
        age_secs: u64,
        max_age_secs: u64,
    },
    /// Its clock is ahead, or ours is behind.
    TooFarAhead {
        ahead_secs: u64,
    },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of `{}` ", self.name, self.operator)?;
        match self.lack {
            Lack::Missing => f.write_str("has not"),
            Lack::Invalid => f.write_str("has an invalid signature there"),
            Lack::TooOld { age_secs, max_age_secs } => {
                let over = age_secs.saturating_sub(max_age_secs);
                write!(f, "did {age_secs} s ago, {over} s more than the {max_age_secs} s that count")
            }
            Lack::TooFarAhead { ahead_secs } => {
                let over = ahead_secs.saturating_sub(MAX_AHEAD_SECS);
                write!(f, "did {ahead_secs} s after now, {over} s more than clocks may differ")
            }
        }
    }
}

fn list(short: &[Shortfall]) -> String {
    short.iter().map(Shortfall::to_string).collect::<Vec<_>>().join("; ")
}

/// An operator's cosignature that counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    pub operator: String,
    pub cosignature: Cosignature,
}

impl Quorum {
    pub fn new(need: usize, cosigners: Vec<Cosigner>) -> Result<Self, MalformedQuorum> {
        if cosigners.len() > MAX_COSIGNERS {
            return Err(MalformedQuorum::TooMany(cosigners.len()));
        }
        let mut names = BTreeMap::new();
        for Cosigner { operator, key } in &cosigners {
            if !is_operator(operator) {
                return Err(MalformedQuorum::Operator(operator.clone()));
            }
            if let Some(other) = names.insert(key.public(), key.name()) {
                return Err(MalformedQuorum::SharedKey(other.to_owned(), key.name().to_owned()));
            }
        }
        let quorum = Self { need, cosigners };
        let operators = quorum.operators();
        if (1..=operators).contains(&need) { Ok(quorum) } else { Err(MalformedQuorum::Need { need, operators }) }
    }

    /// How many operators have to have cosigned.
    pub const fn need(&self) -> usize {
        self.need
    }

    pub fn cosigners(&self) -> &[Cosigner] {
        &self.cosigners
    }

    /// How many operators there are.
    pub fn operators(&self) -> usize {
        self.cosigners.iter().map(|cosigner| &cosigner.operator).collect::<BTreeSet<_>>().len()
    }

    /// The cosignatures by which enough operators cosigned, at most `max_age_secs` before `now`: of each operator the
    /// newest, in the order of their names.
    pub fn met(
        &self,
        checkpoint: &SignedCheckpoint,
        now: Time,
        max_age_secs: u64,
    ) -> Result<Vec<Counted>, QuorumError> {
        let mut counted: BTreeMap<&str, Cosignature> = BTreeMap::new();
        let mut short = Vec::new();
        for Cosigner { operator, key } in &self.cosigners {
            match freshest(checkpoint, key, now, max_age_secs) {
                Ok(fresh) => {
                    let best = match counted.remove(operator.as_str()) {
                        Some(other) => newer(other, fresh),
                        None => fresh,
                    };
                    counted.insert(operator, best);
                }
                Err(lack) => short.push(Shortfall { operator: operator.clone(), name: key.name().to_owned(), lack }),
            }
        }
        if counted.len() < self.need {
            short.retain(|shortfall| !counted.contains_key(shortfall.operator.as_str()));
            return Err(QuorumError { need: self.need, have: counted.len(), short });
        }
        let counted = counted.into_iter();
        Ok(counted.map(|(operator, cosignature)| Counted { operator: operator.to_owned(), cosignature }).collect())
    }
}

/// The cosigner's newest cosignature, if it counts. One in the future does not hide an older one that does.
fn freshest(
    checkpoint: &SignedCheckpoint,
    key: &VerifierKey,
    now: Time,
    max_age_secs: u64,
) -> Result<Cosignature, Lack> {
    let text = checkpoint.text();
    let mut newest: Option<Cosignature> = None;
    let mut lack =
        if checkpoint.signatures().iter().any(|line| key.is_named_in(line)) { Lack::Invalid } else { Lack::Missing };
    for line in valid(key, &text, checkpoint.signatures()) {
        match line.too_far_ahead(now) {
            Some(ahead_secs) => lack = Lack::TooFarAhead { ahead_secs },
            None => newest = Some(newest.map_or(line.clone(), |other| newer(other, line))),
        }
    }
    let newest = newest.ok_or(lack)?;
    let age_secs = u64::try_from(newest.age_secs(now)).unwrap_or(0);
    if age_secs > max_age_secs { Err(Lack::TooOld { age_secs, max_age_secs }) } else { Ok(newest) }
}

fn is_operator(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._/".contains(&byte);
    (1..=MAX_OPERATOR_BYTES).contains(&name.len()) && name.bytes().all(fits)
}
