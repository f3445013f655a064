//! Which meaning statements have. Genesis says a number, a publication may raise it, and whoever admits, folds or decides
//! takes the number in force at that leaf: a release, or a rule of admission that was tightened, never makes an old log
//! broken or its decisions different. Old numbers stay implemented.
//!
//! A number higher than this program knows is *newer*, never *tampered*: it stops here, and its gates stay shut.

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// The newest semantics that this program knows. Raised only when what is admitted, folded or decided changes.
pub const NEWEST_SEMANTICS: u32 = 1;

/// A semantics in force. It may be newer than this program: then nothing is read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Semantics(u32);

impl Semantics {
    /// The first semantics of a log.
    pub fn known(number: u32) -> Result<Self, Refusal> {
        match number {
            0 => Err(Refusal::malformed("semantics", "the semantics of a log are numbered from 1")),
            1..=NEWEST_SEMANTICS => Ok(Self(number)),
            newer => Err(Refusal::newer(format!(
                "the log has semantics {newer}, which is newer than this program (it knows {NEWEST_SEMANTICS})"
            ))),
        }
    }

    pub fn number(self) -> u32 {
        self.0
    }

    /// Raised by a publication, which this program may still read even where it cannot read what follows.
    pub fn raised_to(self, number: u32) -> Result<Self, Refusal> {
        if number > self.0 {
            Ok(Self(number))
        } else {
            Err(Refusal::conflict(
                "semantics-not-raised",
                format!("semantics {} are in force; a publication can only raise them, not to {number}", self.0),
            ))
        }
    }

    /// Whether this program may go on.
    pub fn readable(self) -> Result<(), Refusal> {
        Self::known(self.0).map(|_| ())
    }
}
