//! Free text: what people write about a change. It lies beside the ledger as a blob with a random salt, so that a leaf
//! holds only its digest, nobody can guess it from there, and it can be erased.

use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    ids::Nonce,
    kind::Documents,
    refusal::Refusal,
    statement::{MAX_LIST, MAX_TEXT_CHARS},
};

/// The words of a proposal or revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalText {
    pub salt: Nonce,
    pub title: String,
    pub why: String,
    pub risk: String,
    pub rollback: String,
    pub tests: String,
    pub links: Vec<String>,
}

impl ProposalText {
    pub fn documents(&self) -> Documents {
        // Counted after trimming, so that blanks do not document anything.
        let chars = |text: &str| u32::try_from(text.trim().chars().count()).unwrap_or(u32::MAX);
        Documents {
            why: chars(&self.why),
            risk: chars(&self.risk),
            rollback: chars(&self.rollback),
            tests: chars(&self.tests),
        }
    }

    pub fn to_blob(&self) -> Result<Vec<u8>, Refusal> {
        to_blob(self)
    }

    /// Parses and bounds the text of a statement.
    pub fn parse(blob: &[u8]) -> Result<Self, Refusal> {
        let text: Self = parse(blob)?;
        let fields = [&text.title, &text.why, &text.risk, &text.rollback, &text.tests];
        if let Some(long) = fields.into_iter().chain(&text.links).find(|f| f.chars().count() > MAX_TEXT_CHARS) {
            return Err(Refusal::malformed(
                "text-too-long",
                format!("a text of {} characters is longer than {MAX_TEXT_CHARS}", long.chars().count()),
            )
            .hint("put the long version behind a link (`--link URL`)"));
        }
        if text.links.len() > MAX_LIST {
            return Err(Refusal::malformed("too-many-links", format!("more than {MAX_LIST} links")));
        }
        if text.title.trim().is_empty() {
            return Err(Refusal::malformed("title-missing", "a change needs a title").hint("add --title \"…\""));
        }
        if text.title.chars().any(char::is_control) {
            return Err(Refusal::malformed("title-malformed", "a title is one line, without control characters")
                .hint("put the rest into --why"));
        }
        Ok(text)
    }
}

/// A reason for a rejection, a waiver, a revocation or an amendment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    pub salt: Nonce,
    pub why: String,
}

impl Reason {
    pub fn to_blob(&self) -> Result<Vec<u8>, Refusal> {
        to_blob(self)
    }

    pub fn parse(blob: &[u8]) -> Result<Self, Refusal> {
        let reason: Self = parse(blob)?;
        if reason.why.trim().is_empty() || reason.why.chars().count() > MAX_TEXT_CHARS {
            return Err(Refusal::malformed(
                "reason-missing",
                format!("a reason of 1 to {MAX_TEXT_CHARS} characters is needed"),
            )
            .hint("add --why \"…\""));
        }
        Ok(reason)
    }
}

fn to_blob(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|e| Refusal::malformed("malformed-blob", e.to_string()))
}

fn parse<T: for<'a> Deserialize<'a>>(blob: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(blob).map_err(|e| {
        Refusal::malformed("malformed-blob", format!("blob {} is not what its statement says: {e}", Digest::of(blob)))
    })
}
