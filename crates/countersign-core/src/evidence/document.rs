//! What others already write down of tests and builds: in-toto Statements, bare or in a DSSE envelope. Read for what they say
//! of a subject and a result; whose signature is on them is not looked at, since whoever attests signs for all of it.

use countersign_ledger::dsse::{IN_TOTO, decode_base64};
use serde::Deserialize;
use serde_json::Value;

use super::{EvidenceResult, is_workflow};
use crate::{
    refusal::Refusal,
    subject::{GitSubject, Subject},
};

pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// Largest document that is kept beside the log.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    pub predicate: &'static str,
    pub result: EvidenceResult,
    /// The workflow that made it, as a path of the repository.
    pub workflow: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
}

#[derive(Deserialize)]
struct Statement {
    _type: String,
    subject: Vec<Value>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Value,
}

fn wrong(message: String) -> Refusal {
    Refusal::malformed("evidence-document", message)
}

/// Reads a document, for a revision's subject where that is at hand. `None`: it is no in-toto Statement, but something to look at.
pub fn read(bytes: &[u8], subject: Option<&Subject>) -> Result<Option<Attested>, Refusal> {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return Ok(None) };
    let value = match value.get("payloadType") {
        Some(_) => unwrapped(value)?,
        None => value,
    };
    let is_statement =
        |of: &Value| of.get("_type").and_then(Value::as_str).is_some_and(|ty| ty.contains("in-toto.io/"));
    if !is_statement(&value) {
        return Ok(None);
    }
    let statement: Statement =
        serde_json::from_value(value).map_err(|error| wrong(format!("it is no in-toto Statement: {error}")))?;
    if !["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"].contains(&statement._type.as_str()) {
        return Err(wrong(format!("`_type` is `{}`, not an in-toto Statement v1", short(&statement._type))));
    }
    match statement.predicate_type.as_str() {
        TEST_RESULT => test_result(&statement, subject).map(Some),
        PROVENANCE => provenance(&statement, subject).map(Some),
        other => Err(wrong(format!("a statement of `{}` says nothing that is read here", short(other)))
            .hint(format!("what is read: {TEST_RESULT} and {PROVENANCE}; attach anything else in another form"))),
    }
}

fn unwrapped(value: Value) -> Result<Value, Refusal> {
    let envelope: Envelope =
        serde_json::from_value(value).map_err(|error| wrong(format!("it is no DSSE envelope: {error}")))?;
    if envelope.payload_type != IN_TOTO {
        return Err(wrong(format!("the envelope holds `{}`, no in-toto Statement", short(&envelope.payload_type))));
    }
    let payload =
        decode_base64(&envelope.payload).ok_or_else(|| wrong("the envelope's payload is not base64".to_owned()))?;
    serde_json::from_slice(&payload).map_err(|error| wrong(format!("the envelope's payload is no JSON: {error}")))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// <https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>
fn test_result(statement: &Statement, subject: Option<&Subject>) -> Result<Attested, Refusal> {
    subject.map(|subject| is_about(&statement.subject, subject)).transpose()?;
    let said = statement.predicate.get("result").and_then(Value::as_str).unwrap_or_default();
    let result = match said {
        "PASSED" => EvidenceResult::Passed,
        "WARNED" => EvidenceResult::Warned,
        "FAILED" => EvidenceResult::Failed,
        other => {
            return Err(wrong(format!("the result is `{}`, none of PASSED, WARNED, FAILED", short(other))));
        }
    };
    let failed = statement.predicate.get("failedTests").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if failed && result == EvidenceResult::Passed {
        return Err(wrong("it says PASSED, and lists tests that failed".to_owned()));
    }
    let workflow =
        statement.predicate.get("configuration").and_then(Value::as_array).and_then(|list| {
            list.iter().find_map(|resource| resource.get("name").and_then(Value::as_str).and_then(path))
        });
    Ok(Attested { predicate: TEST_RESULT, result, workflow })
}

/// <https://slsa.dev/spec/v1.0/provenance>: what was built is its subject, what it was built from are its dependencies.
fn provenance(statement: &Statement, subject: Option<&Subject>) -> Result<Attested, Refusal> {
    let built = statement.predicate.get("buildDefinition").unwrap_or(&Value::Null);
    let from = built.get("resolvedDependencies").and_then(Value::as_array).cloned().unwrap_or_default();
    let all: Vec<Value> = statement.subject.iter().chain(&from).cloned().collect();
    subject.map(|subject| is_about(&all, subject)).transpose()?;
    let workflow = built.pointer("/externalParameters/workflow/path").and_then(Value::as_str);
    Ok(Attested { predicate: PROVENANCE, result: EvidenceResult::Passed, workflow: workflow.and_then(path) })
}

/// A path within the repository.
fn path(name: &str) -> Option<String> {
    let name = name.strip_prefix("./").unwrap_or(name);
    is_workflow(name).then(|| name.to_owned())
}

/// Of commits the head, of files each of them, of governance files their list.
fn is_about(subjects: &[Value], subject: &Subject) -> Result<(), Refusal> {
    let names = |algorithms: &[&str], digest: &str| {
        subjects.iter().any(|resource| {
            algorithms.iter().any(|algorithm| {
                let found = resource.pointer("/digest").and_then(|digests| digests.get(*algorithm));
                found.and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(digest))
            })
        })
    };
    let (about, what) = match subject {
        Subject::Git(GitSubject { head, .. }) => {
            (names(&["gitCommit", "sha1"], head.as_str()), format!("commit {head} (`gitCommit`)"))
        }
        Subject::Files(files) => {
            let missing = files.files.iter().find(|(_, digest)| !names(&["sha256"], &digest.hex()));
            let what = missing.map(|(name, digest)| format!("`{name}` (`sha256` {})", digest.hex()));
            (what.is_none(), what.unwrap_or_default())
        }
        Subject::Governance(governance) => {
            let digest = governance.files.hex();
            (names(&["sha256"], &digest), format!("the list of governance files (`sha256` {digest})"))
        }
    };
    match about {
        true => Ok(()),
        false => Err(Refusal::conflict("another-subject", format!("the document is not about {what}"))
            .hint("attest what was run on just this revision; after a new one it is run again")),
    }
}

#[cfg(test)]
mod tests {
    use countersign_ledger::Digest;
    use serde_json::json;

    use super::*;
    use crate::subject::FilesSubject;

    /// Without padding, which DSSE does not ask for.
    fn base64(bytes: &[u8]) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let group = |three: &[u8]| {
            let bits = (0..3).fold(0_u32, |bits, n| (bits << 8) | u32::from(three.get(n).copied().unwrap_or(0)));
            let letter = move |n: usize| char::from(LETTERS[((bits >> (18 - 6 * n)) & 63) as usize]);
            (0..=three.len()).map(letter).collect::<String>()
        };
        bytes.chunks(3).map(group).collect()
    }

    const HEAD: &str = "1111111111111111111111111111111111111111";

    fn commits() -> Subject {
        Subject::Git(GitSubject {
            repository: "shop".parse().unwrap(),
            branch: "refs/heads/main".to_owned(),
            base: "2222222222222222222222222222222222222222".parse().unwrap(),
            head: HEAD.parse().unwrap(),
            delta: Digest::of("delta"),
        })
    }

    fn tests(subject: &Value, result: &str) -> Value {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": "shop", "digest": subject }],
            "predicateType": TEST_RESULT,
            "predicate": { "result": result, "configuration": [{ "name": ".github/workflows/ci.yml" }] },
        })
    }

    fn read_json(value: &Value, subject: &Subject) -> Result<Option<Attested>, Refusal> {
        read(&serde_json::to_vec(value).unwrap(), Some(subject))
    }

    #[test]
    fn a_test_result_says_for_what_and_how_it_went() {
        let of_head = json!({ "gitCommit": HEAD });
        for (said, result) in
            [("PASSED", EvidenceResult::Passed), ("WARNED", EvidenceResult::Warned), ("FAILED", EvidenceResult::Failed)]
        {
            let attested = read_json(&tests(&of_head, said), &commits()).unwrap().unwrap();
            assert_eq!((attested.result, attested.workflow.as_deref()), (result, Some(".github/workflows/ci.yml")));
        }
        let other = json!({ "gitCommit": "3333333333333333333333333333333333333333" });
        assert_eq!(read_json(&tests(&other, "PASSED"), &commits()).unwrap_err().code, "another-subject");
        assert_eq!(read_json(&tests(&of_head, "SKIPPED"), &commits()).unwrap_err().code, "evidence-document");
        let mut lying = tests(&of_head, "PASSED");
        lying["predicate"]["failedTests"] = json!(["checkout::pays"]);
        assert_eq!(read_json(&lying, &commits()).unwrap_err().code, "evidence-document");
        // Something else is a document that says nothing by itself.
        assert_eq!(read(b"<testsuite/>", Some(&commits())), Ok(None));
        assert_eq!(read_json(&json!({ "tests": 3 }), &commits()), Ok(None));
    }

    #[test]
    fn a_document_in_an_envelope_is_read_as_one_without() {
        let payload = base64(&serde_json::to_vec(&tests(&json!({ "gitCommit": HEAD }), "PASSED")).unwrap());
        let envelope = json!({ "payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": [] });
        assert_eq!(read_json(&envelope, &commits()).unwrap().unwrap().result, EvidenceResult::Passed);
        let other = json!({ "payloadType": "text/plain", "payload": "", "signatures": [] });
        assert_eq!(read_json(&other, &commits()).unwrap_err().code, "evidence-document");
    }

    #[test]
    fn a_provenance_is_about_what_was_built_from() {
        let provenance = |commit: &str| {
            json!({
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{ "name": "shop.tar", "digest": { "sha256": "00" } }],
                "predicateType": PROVENANCE,
                "predicate": { "buildDefinition": {
                    "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                    "externalParameters": { "workflow": { "ref": "refs/heads/main", "path": ".github/workflows/release.yml" } },
                    "resolvedDependencies": [{ "uri": "git+https://github.com/shop/shop", "digest": { "gitCommit": commit } }],
                } },
            })
        };
        let attested = read_json(&provenance(HEAD), &commits()).unwrap().unwrap();
        assert_eq!(attested.workflow.as_deref(), Some(".github/workflows/release.yml"));
        let other = "3333333333333333333333333333333333333333";
        assert_eq!(read_json(&provenance(other), &commits()).unwrap_err().code, "another-subject");
    }

    #[test]
    fn of_files_each_is_named() {
        let files = [("a".to_owned(), Digest::of("a")), ("b".to_owned(), Digest::of("b"))].into();
        let subject = Subject::Files(FilesSubject { files, executable: [].into(), command: None });
        let mut both = tests(&json!({ "sha256": Digest::of("a").hex() }), "PASSED");
        assert_eq!(read_json(&both, &subject).unwrap_err().code, "another-subject");
        both["subject"].as_array_mut().unwrap().push(json!({ "digest": { "sha256": Digest::of("b").hex() } }));
        assert!(read_json(&both, &subject).unwrap().is_some());
    }
}
