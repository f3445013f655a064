//! What is named by digest has one spelling, frozen: canonical JSON, the manifests written in it, and leaves.

use std::collections::BTreeMap;

use countersign_core::{
    canonical,
    governance::{Replacements, manifest_of},
    refusal::Refusal,
    subject::{ApplyTransition, FilesSubject, Subject, SubjectRef, Transition},
};
use countersign_ledger::{Digest, Draft, Envelope, Frontier, Hash, SigningKey, StreamHead, seal};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    kit::{FixedRng, START, World, author, facts, file, git, governance_files, landing, rules, told},
    statement::one_of_each,
};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn written(value: &impl serde::Serialize) -> String {
    text(canonical::to_bytes(value).unwrap())
}

#[test]
fn keys_stand_in_the_order_of_their_bytes() {
    let value = json!({
        "b": 1, "a": {"z": [], "y": {}}, "B": true, "": null, "\u{e4}": 2, "10": 3, "9": 4,
        // Before `!`, though its escape begins with a backslash.
        "\n": 5, "!": 6,
        // UTF-16 has these two the other way round.
        "\u{1f600}": 7, "\u{ffff}": 8,
    });
    let expected = "{\"\":null,\"\\n\":5,\"!\":6,\"10\":3,\"9\":4,\"B\":true,\"a\":{\"y\":{},\"z\":[]},\"b\":1,\"\u{e4}\":2,\
                    \"\u{ffff}\":8,\"\u{1f600}\":7}";
    assert_eq!(written(&value), expected);
    // The order of a list says something.
    assert_eq!(written(&json!([{"b": 1, "a": 2}, 2, 1])), r#"[{"a":2,"b":1},2,1]"#);
}

#[test]
fn only_what_must_be_escaped_is() {
    let control: String = (0..0x20_u8).map(char::from).collect();
    let escaped = concat!(
        r#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"#,
        r#"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f""#,
    );
    assert_eq!(written(&control), escaped);
    assert_eq!(written(&"\"\\/'<>&\u{7f}"), "\"\\\"\\\\/'<>&\u{7f}\"");
    assert_eq!(written(&"é\u{2028}\u{feff}\u{1f600}"), "\"é\u{2028}\u{feff}\u{1f600}\"");
    let numbers = json!([0, -1, 9_007_199_254_740_993_u64, u64::MAX, i64::MIN]);
    assert_eq!(written(&numbers), "[0,-1,9007199254740993,18446744073709551615,-9223372036854775808]");
}

/// Reads bytes as the manifest of a subject of files, named by their digest.
fn read(bytes: &str) -> Result<Subject, Refusal> {
    Subject::read(&SubjectRef { digest: Digest::of(bytes), kind: "files".parse().unwrap() }, bytes.as_bytes())
}

#[test]
fn another_spelling_of_a_blob_is_refused() {
    let subject = text(file("timeout: 30").to_blob().unwrap());
    assert_eq!(read(&subject).unwrap(), file("timeout: 30"));
    let (command, files) =
        subject.strip_prefix('{').unwrap().strip_suffix('}').unwrap().split_once(r#","files""#).unwrap();
    let value: Value = serde_json::from_str(&subject).unwrap();
    let plain = r#"{"files":{}}"#;
    assert!(read(plain).is_ok());
    for (other, code) in [
        (format!(r#"{{"files"{files},{command}}}"#), "not-canonical"),
        (serde_json::to_string_pretty(&value).unwrap(), "not-canonical"),
        (format!("{subject}\n"), "not-canonical"),
        (format!(" {subject}"), "not-canonical"),
        (subject.replacen("deploy", "deplo\\u0079", 1), "not-canonical"),
        (subject.replacen("app.yaml", "app\\/yaml", 1), "not-canonical"),
        // Absent is absent.
        (r#"{"command":null,"files":{}}"#.to_owned(), "not-canonical"),
        // A key that is there twice is read differently by different readers.
        (
            subject.replacen(r#""files":{"#, &format!(r#""files":{{"app.yaml":"{}","#, Digest::of("")), 1),
            "not-canonical",
        ),
        (subject.replacen(r#""files""#, r#""files":{},"files""#, 1), "malformed-blob"),
        // A list is no object, though it could be read as one.
        (format!(r#"[{},{}]"#, value["files"], value["command"]), "not-canonical"),
        (plain.replacen('}', r#"},"mode":1"#, 1), "malformed-blob"),
        (format!("\u{feff}{subject}"), "malformed-blob"),
        ("{}".to_owned(), "malformed-blob"),
        (String::new(), "malformed-blob"),
    ] {
        assert_eq!(read(&other).unwrap_err().code, code, "{other}");
    }
    assert_snapshot!(told(read(" {}")), @"malformed-blob: the subject (DIGEST) is not what it should be: missing field `files` at line 1 column 3");
    assert_snapshot!(told(read(&format!(" {plain}"))), @"not-canonical: the subject (DIGEST) is not in its canonical spelling");
}

#[test]
fn a_blob_that_is_not_the_named_one_is_refused() {
    let (one, other) = (file("timeout: 30"), file("timeout: 0"));
    let read = Subject::read(&one.reference().unwrap(), &other.to_blob().unwrap());
    assert_snapshot!(told(read), @"blob-changed: the subject does not hash to DIGEST, which its statement names");
    let transition = landing(&facts(9, &[]));
    let read = Transition::read(&transition.reference().unwrap(), &landing(&facts(10, &[])).to_blob().unwrap());
    assert_snapshot!(told(read), @"blob-changed: the transition does not hash to DIGEST, which its statement names");
    let mut unknown = one.reference().unwrap();
    unknown.kind = "kubernetes".parse().unwrap();
    assert_snapshot!(told(Subject::read(&unknown, &one.to_blob().unwrap())), @"unknown-subject-type: this program knows no subject of the type `kubernetes`");
}

/// These bytes are named by statements. A line that changes is a format that can no longer be read.
#[test]
fn the_bytes_of_subjects_and_transitions_are_frozen() {
    let commits = facts(9, &[author("ada@example.com")]);
    let files: BTreeMap<_, _> =
        [("b.yaml", ""), ("a.yaml", "x")].map(|(name, of)| (name.to_owned(), Digest::of(of))).into();
    let subjects = [
        git(&commits),
        file("timeout: 30"),
        Subject::Files(FilesSubject { files: files.clone(), executable: ["b.yaml".to_owned()].into(), command: None }),
    ];
    let transitions = [
        landing(&commits),
        Transition::Apply(ApplyTransition {
            files,
            executable: ["b.yaml".to_owned()].into(),
            command: vec!["deploy".to_owned(), "it's".to_owned()],
        }),
    ];
    let lines: Vec<String> = subjects
        .iter()
        .map(|subject| format!("{}\n  {}", text(subject.to_blob().unwrap()), written(&subject.reference().unwrap())))
        .chain(transitions.iter().map(|transition| {
            format!("{}\n  {}", text(transition.to_blob().unwrap()), written(&transition.reference().unwrap()))
        }))
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
    {"base":"0000000000000000000000000000000000000001","branch":"refs/heads/main","delta":"sha256:91d672fb19f263cf30d5739b685729af48c5d85d6115e13dae42d616aa1bd1c3","head":"0000000000000000000000000000000000000009","repository":"shop"}
      {"digest":"sha256:2cb4fee428520b5532f312bf21a436153f031eb5cd7f46f9eb4d1f75d8e2425d","type":"git"}
    {"command":["deploy","app.yaml"],"files":{"app.yaml":"sha256:fab6f492d9389e1e26e53beb4f7641b50cf41eadfea9fb82e5569e1074eac7c5"}}
      {"digest":"sha256:b6b8f9134d12730db1bd3a08032b5835a90957ebeafa154d1cf86b3f1ef7f3fb","type":"files"}
    {"executable":["b.yaml"],"files":{"a.yaml":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","b.yaml":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}
      {"digest":"sha256:1f87359afa6633164b5ddfd75700aa7762a60348b4b52161ead43ec8b7a23022","type":"files"}
    {"new":"0000000000000000000000000000000000000009","old":"0000000000000000000000000000000000000001","reference":"refs/heads/main","repository":"shop"}
      {"digest":"sha256:f1814d6bdfc650896a818239a310bf2e636232dee11d8a64baa7d960ef4fe5c1","prior":"0000000000000000000000000000000000000001","type":"git"}
    {"command":["deploy","it's"],"executable":["b.yaml"],"files":{"a.yaml":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","b.yaml":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}
      {"digest":"sha256:b70d42e89df0b2256050ce86668f314c5ad52fb48893396d6ca47e65eed154e9","type":"files"}
    "#);
}

#[test]
fn the_bytes_of_governance_files_are_frozen() {
    let world = World::new();
    let mut files = governance_files(&world.keys);
    let rules = rules();
    files.retain(|path, bytes| match path.strip_prefix("rules/") {
        Some(name) => {
            // A rule's file is its text as it is.
            assert_eq!(bytes, rules[name].as_bytes());
            false
        }
        None => true,
    });
    let manifest = manifest_of(&files).unwrap();
    let mut lines: Vec<String> =
        files.into_iter().map(|(path, bytes)| format!("{path} {}", String::from_utf8(bytes).unwrap())).collect();
    lines.push(format!("(manifest) {}", text(manifest)));
    let replaced = Replacements::from([
        ("systems/search.json".to_owned(), Some(Digest::of("new"))),
        ("people/discovery.json".to_owned(), None),
    ]);
    lines.push(format!("(manifest of a publication) {}", written(&replaced)));
    assert_snapshot!("golden_governance_files", lines.join("\n"));
}

#[test]
fn the_bytes_of_a_leaf_are_frozen() {
    let rejection = one_of_each().into_iter().find(|statement| statement.body.kind() == "rejection").unwrap();
    let payload = rejection.encode().unwrap();
    let signature = SigningKey::generate(&mut FixedRng(1)).sign(&payload).unwrap();
    let envelope = Envelope::new(&payload, vec![signature]).unwrap();
    let streams = rejection.streams(&envelope.payload_digest()).unwrap();
    let head = StreamHead { next_seq: 3, last: Hash::leaf(b"last") };
    let heads = BTreeMap::from([(streams[0].clone(), head)]);
    let draft = Draft { streams, admitted_at: START, envelope };
    let leaf = seal(&Frontier::new(), &heads, vec![draft]).unwrap().leaves.pop().unwrap();
    assert_snapshot!("golden_leaf", format!("{}\n\n(hash) {}", text(leaf.bytes), leaf.hash));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back_and_is_written_the_same_again(value in any_json()) {
        let bytes = canonical::to_bytes(&value).unwrap();
        prop_assert_eq!(&canonical::from_bytes::<Value>(&bytes, "it").unwrap(), &value);
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(canonical::to_bytes(&read).unwrap(), bytes);
    }

    #[test]
    fn of_changed_bytes_only_the_one_spelling_is_read(
        value in any_json(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = canonical::to_bytes(&value).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = canonical::from_bytes::<Value>(&bytes, "it") {
            prop_assert_eq!(canonical::to_bytes(&read).unwrap(), bytes);
        }
    }
}
