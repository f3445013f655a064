//! Free text: what people write about a change. It lies beside the ledger as a blob with a random salt, so that a leaf
//! holds only its digest, nobody can guess it from there, and it can be erased.

use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    ids::Nonce,
    kind::{Documents, form, host},
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
            form: form(&self.title).unwrap_or_default().to_owned(),
            hosts: self.links.iter().filter_map(|link| host(link)).collect(),
            links: u32::try_from(self.links.len()).unwrap_or(u32::MAX),
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

/// A remark, and where in the content it belongs. The place is no less somebody's words than the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommentText {
    pub salt: Nonce,
    pub text: String,
    /// A path of the change's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A line of that, as it is after the change; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Longest path that a comment names.
const MAX_PATH_CHARS: usize = 4_096;

impl CommentText {
    pub fn to_blob(&self) -> Result<Vec<u8>, Refusal> {
        to_blob(self)
    }

    pub fn parse(blob: &[u8]) -> Result<Self, Refusal> {
        let comment: Self = parse(blob)?;
        if comment.text.trim().is_empty() || comment.text.chars().count() > MAX_TEXT_CHARS {
            return Err(Refusal::malformed(
                "comment-missing",
                format!("a comment has 1 to {MAX_TEXT_CHARS} characters"),
            )
            .hint("say it in words, and put long things behind a link"));
        }
        let is_path = |path: &String| !path.is_empty() && path.chars().count() <= MAX_PATH_CHARS;
        if comment.path.as_ref().is_some_and(|path| !is_path(path)) {
            return Err(Refusal::malformed("comment-place", format!("a path has 1 to {MAX_PATH_CHARS} characters")));
        }
        match (&comment.path, comment.line) {
            (None, Some(_)) => {
                Err(Refusal::malformed("comment-place", "a line is one of a path").hint("name the path, too"))
            }
            (_, Some(0)) => Err(Refusal::malformed("comment-place", "lines are counted from 1")),
            (_, Some(_) | None) => Ok(comment),
        }
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
