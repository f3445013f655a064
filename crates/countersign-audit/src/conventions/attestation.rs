//! Signed statements in notes: in-toto, bare, in a DSSE envelope or in a bundle around one. Read, not verified.

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use serde_json::Value;

use super::{Context, MAX_NOTE_BYTES};

/// Most statements that are read of one note.
const MAX_STATEMENTS: usize = 64;

/// What a last character has beyond whole bytes does not matter: statements are read here, not verified.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

#[derive(Debug)]
pub struct Statement {
    pub predicate_type: String,
    pub predicate: Value,
    /// What it is about, where that is said.
    commits: Vec<String>,
    /// Key ids of the envelope's signatures.
    pub keys: Vec<String>,
}

/// Every statement in the notes of a change that is about it: a note may be one JSON value or one a line. A statement
/// whose subject is another commit was copied, or attached to the wrong one.
pub fn all<'a>(context: &'a Context<'_>) -> impl Iterator<Item = Statement> + 'a {
    context.notes.iter().flat_map(|note| {
        let body = note.body.get(..MAX_NOTE_BYTES).unwrap_or(&note.body);
        let text = String::from_utf8_lossy(body);
        if !text.trim_start().starts_with('{') {
            return Vec::new();
        }
        serde_json::Deserializer::from_str(&text)
            .into_iter::<Value>()
            .map_while(Result::ok)
            .take(MAX_STATEMENTS)
            .filter_map(|value| statement(&value, Vec::new(), 0))
            .filter(|statement| {
                let ours = |id: &String| context.commits().any(|commit| commit.record.id.as_str() == id);
                statement.commits.is_empty() || statement.commits.iter().any(ours)
            })
            .collect()
    })
}

/// The commits that a statement says that it is about, in lower case. Of a digest by another name nothing is known here.
fn commits(statement: &Value) -> Vec<String> {
    const COMMIT: &[&str] = &["gitCommit", "sha1", "sha256"];
    let subjects = statement.get("subject").and_then(Value::as_array).into_iter().flatten();
    let digests = subjects.filter_map(|subject| subject.get("digest")?.as_object()).flatten();
    let of_commits = digests.filter(|(kind, _)| COMMIT.contains(&kind.as_str()));
    of_commits.filter_map(|(_, digest)| Some(digest.as_str()?.to_ascii_lowercase())).collect()
}

fn statement(value: &Value, keys: Vec<String>, depth: u8) -> Option<Statement> {
    if depth > 3 {
        return None;
    }
    let deeper = depth.saturating_add(1);
    if let Some(envelope) = value.get("dsseEnvelope") {
        return statement(envelope, keys, deeper);
    }
    if let Some(payload) = value.get("payload").and_then(Value::as_str) {
        let inner: Value = serde_json::from_slice(&base64(payload)?).ok()?;
        let signatures = value.get("signatures").and_then(Value::as_array);
        let ids = signatures.into_iter().flatten().filter_map(|signature| signature.get("keyid")?.as_str());
        return statement(&inner, ids.map(str::to_owned).collect(), deeper);
    }
    let kind = value.get("predicateType").or_else(|| value.get("predicate_type"))?.as_str()?;
    let predicate = value.get("predicate")?.clone();
    Some(Statement { predicate_type: kind.to_owned(), predicate, commits: commits(value), keys })
}

/// Either alphabet, with or without padding, as DSSE asks; notes are wrapped besides.
fn base64(text: &str) -> Option<Vec<u8>> {
    let one = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    });
    LENIENT.decode(one.collect::<Vec<u8>>()).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_alphabets() {
        assert_eq!(super::base64("eyJhIjoxfQ==").unwrap(), b"{\"a\":1}");
        assert_eq!(super::base64("-_8").unwrap(), [0xfb, 0xff]);
        assert!(super::base64("a b!").is_none());
    }
}
