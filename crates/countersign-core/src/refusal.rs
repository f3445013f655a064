//! Refusals: why a statement was not taken. Each has a stable code, because scripts and tests match on it, and a hint
//! that says what to do.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What sort of refusal it is; an edge turns it into an exit status or a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalClass {
    /// The bytes are not what they should be.
    Malformed,
    /// The signature or its key does not hold.
    Unauthenticated,
    /// The actor may not do this.
    Forbidden,
    /// It speaks of something that does not exist.
    Unknown,
    /// It was right a moment ago, or never: the state has moved on.
    Conflict,
    /// The rules deny.
    Denied,
    /// It is of a later semantics than this program knows: not wrong, not readable here.
    Newer,
}

#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[error("{message}")]
pub struct Refusal {
    pub class: RefusalClass,
    /// Stable, kebab-case.
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

impl Refusal {
    pub fn new(class: RefusalClass, code: &'static str, message: impl Into<String>) -> Self {
        Self { class, code, message: message.into(), hint: None }
    }

    pub fn malformed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalClass::Malformed, code, message)
    }

    pub fn unauthenticated(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalClass::Unauthenticated, code, message)
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalClass::Forbidden, code, message)
    }

    pub fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalClass::Unknown, code, message)
    }

    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalClass::Conflict, code, message)
    }

    /// What a later program wrote. Never called tampered or broken.
    pub fn newer(message: impl Into<String>) -> Self {
        Self::new(RefusalClass::Newer, "newer-semantics", message)
            .hint("install a newer countersign on this machine; until then nothing is decided here")
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
