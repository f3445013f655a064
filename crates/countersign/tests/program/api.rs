//! The HTTP API, asked by a client that does everything wrong: whatever comes in, it answers with a refusal that says
//! what was wrong, writes nothing, and goes on.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::client::{ChangePrefix, Client};
use countersign_core::{
    catalog::Level,
    ids::ChangeId,
    kind::{Kind, Purpose},
    statement::{Approval, Body, Disclosure, Header, Proposal, RevisionRef, Seen, SeenCheckpoint, Statement},
    subject::{FilesSubject, Subject},
    text::ProposalText,
};
use countersign_ledger::{Digest, Envelope, Hash, SigningKey};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::world::World;

fn world() -> World {
    World::new(&[
        ("alice", Level::Standard),
        ("bob", Level::Senior),
        ("carol", Level::Standard),
        ("dave", Level::Standard),
    ])
}

/// A proposal for `search/production`, with the blobs that it names. No two are alike.
pub fn proposal(title: &str) -> (Body, Vec<Vec<u8>>) {
    let text = ProposalText {
        salt: countersign::random::nonce(),
        title: title.to_owned(),
        why: "a reason that is long enough".to_owned(),
        risk: String::new(),
        rollback: String::new(),
        tests: String::new(),
        links: vec![],
    };
    let subject = Subject::Files(FilesSubject {
        files: [("flags.json".to_owned(), Digest::of("{}"))].into(),
        executable: Default::default(),
        command: Some(vec!["true".to_owned()]),
    });
    let blobs = vec![text.to_blob().unwrap(), subject.to_blob().unwrap()];
    let body = Proposal {
        kind: Kind::Flag,
        purpose: Purpose::default(),
        targets: ["search/production".parse().unwrap()].into(),
        subject: subject.reference().unwrap(),
        facts: None,
        identities: None,
        text: Digest::of(&blobs[0]),
        documents: text.documents(),
        sponsor: None,
    };
    (Body::Proposal(body), blobs)
}

fn propose(world: &World, who: &str) -> ChangeId {
    let (body, blobs) = proposal("Turn it on");
    world.voice(who).say(body, &blobs).unwrap().change.unwrap()
}

fn approval(world: &World, change: &ChangeId) -> Body {
    let view = Client::new(&world.server().url).change(&ChangePrefix::from(change)).unwrap();
    Body::Approval(Approval {
        change: view.id.clone(),
        revision: RevisionRef { number: view.revision, digest: view.revision_digest },
        targets: view.targets.clone(),
        reviewed: view.subject_ref.clone(),
        seen: Seen::Computed,
        within: None,
    })
}

fn submit(envelope: &str, blobs: &[Vec<u8>]) -> Vec<u8> {
    let blobs: Vec<String> = blobs.iter().map(|blob| STANDARD.encode(blob)).collect();
    serde_json::to_vec(&json!({"envelope": envelope, "blobs": blobs})).unwrap()
}

fn text(envelope: &Envelope) -> String {
    String::from_utf8(envelope.raw().to_vec()).unwrap()
}

/// An answer: its status, and its body with what differs from run to run left out.
fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, String) {
    let mut response = response.unwrap();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().new_agent()
}

/// What a refused request is told. Every refusal has the same shape, and none is a failure of the server.
fn told((status, body): (u16, String)) -> String {
    assert!((400..500).contains(&status), "{status} {body}");
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {status} {body}"));
    let said = |key: &str| body["error"][key].as_str();
    let (code, message) = (said("code").unwrap(), said("message").unwrap());
    let hint = said("hint").map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    redact(&format!("{status} {code}: {message}{hint}"))
}

fn redact(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || matches!(c, ':' | '+' | '/' | '=') {
            word.push(c);
            continue;
        }
        let hex = word.rsplit(':').next().unwrap();
        let is_hex = hex.len() >= 12 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        match () {
            () if word.starts_with("SHA256:") => out.push_str("[KEY]"),
            () if is_hex => out.push_str(&format!("{}[HEX]", &word[..word.len() - hex.len()])),
            () if word.starts_with("nonce/") || word.starts_with("statement/") => out.push_str("[NAME]"),
            () => out.push_str(&word),
        }
        word.clear();
        out.push(c);
    }
    out.trim_end_matches('\0').to_owned()
}

impl World {
    fn post(&self, body: &[u8]) -> (u16, String) {
        answer(agent().post(format!("{}/v1/statements", self.server().url)).send(body))
    }

    fn get(&self, path: &str) -> (u16, String) {
        answer(agent().get(format!("{}{path}", self.server().url)).call())
    }

    /// How many leaves the log has: nothing that was refused is in it.
    fn size(&self) -> u64 {
        Client::new(&self.server().url).log().unwrap().size
    }
}

/// Says how a statement of this header and body is answered, signed with that key.
fn said(world: &World, signer: &str, edit: impl FnOnce(&mut Header)) -> String {
    let log = world.voice("alice").log;
    let mut header = Header {
        by: "alice".parse().unwrap(),
        checkpoint: log.checkpoint,
        epoch: None,
        log: log.origin,
        nonce: countersign::random::nonce(),
    };
    edit(&mut header);
    let (body, blobs) = proposal("Turn it on");
    let payload = Statement { header, body }.encode().unwrap();
    let envelope = Envelope::new(&payload, vec![world.key(signer).sign(&payload).unwrap()]).unwrap();
    told(world.post(&submit(&text(&envelope), &blobs)))
}

#[test]
fn a_body_that_is_no_submission_is_told_what_one_is() {
    let world = world();
    let told = |body: &[u8]| told(world.post(body));
    let answers = [
        told(b""),
        told(b"hello"),
        told(b"{}"),
        told(b"[]"),
        told(b"{\"envelope\": 1}"),
        told(b"{\"envelope\": \"{}\", \"blob\": []}"),
        told(b"{\"envelope\": \"{}\", \"blobs\": [\"not base64!\"]}"),
        told(&[0xff, 0xfe, 0x00]),
        told("[".repeat(100_000).as_bytes()),
    ];
    assert_snapshot!(answers.join("\n"), @"
    400 bad-request: the body is not as it should be: EOF while parsing a value at line 1 column 0
      hint: docs/api.md says what each request takes
    400 bad-request: the body is not as it should be: expected value at line 1 column 1
      hint: docs/api.md says what each request takes
    400 bad-request: the body is not as it should be: missing field `envelope` at line 1 column 2
      hint: docs/api.md says what each request takes
    400 bad-request: the body is not as it should be: invalid length 0, expected struct Submit with 2 elements at line 1 column 2
      hint: docs/api.md says what each request takes
    400 bad-request: the body is not as it should be: invalid type: integer `1`, expected a string at line 1 column 14
      hint: docs/api.md says what each request takes
    400 bad-request: the body is not as it should be: unknown field `blob`, expected `envelope` or `blobs` at line 1 column 25
      hint: docs/api.md says what each request takes
    400 bad-request: blob 0 is not base64: Invalid symbol 32, offset 3.
      hint: docs/api.md says what each request takes
    400 bad-request: the body is not as it should be: expected value at line 1 column 1
      hint: docs/api.md says what each request takes
    400 bad-request: the body is not as it should be: invalid type: sequence, expected a string at line 1 column 1
      hint: docs/api.md says what each request takes
    ");
    assert_eq!(world.size(), 1);
}

#[test]
fn an_envelope_that_is_none_is_told_what_one_is() {
    let world = world();
    let (body, blobs) = proposal("Turn it on");
    let honest = world.voice("alice").sign(body);
    let honest: Value = serde_json::from_str(&text(&honest)).unwrap();
    let told = |edit: &dyn Fn(&mut Value)| {
        let mut envelope = honest.clone();
        edit(&mut envelope);
        told(world.post(&submit(&envelope.to_string(), &blobs)))
    };
    let answers = [
        told(&|e| *e = json!("text")),
        told(&|e| e["payloadType"] = json!("text/plain")),
        told(&|e| e["payload"] = json!("%%%")),
        told(&|e| e["payload"] = json!(STANDARD.encode("{}"))),
        told(&|e| e["payload"] = json!(STANDARD.encode(vec![b' '; 33_000]))),
        told(&|e| e["payload"] = json!(STANDARD.encode(vec![b' '; 62_000]))),
        told(&|e| e["signatures"] = json!([])),
        told(&|e| e["signatures"] = json!([{"sig": "%%%"}])),
        told(&|e| e["signatures"] = json!([{"sig": STANDARD.encode("SSHSIG")}])),
        told(&|e| e["signatures"] = Value::Array(vec![e["signatures"][0].clone(); 17])),
        told(&|e| e["signatures"] = Value::Array(vec![e["signatures"][0].clone(); 2])),
        told(&|e| e["extra"] = json!(1)),
        told(&|e| *e = json!([e["payloadType"], e["payload"], e["signatures"]])),
        told(&|e| e["signatures"] = json!([["", "AAAA"]])),
    ];
    assert_snapshot!(answers.join("\n"), @r#"
    400 malformed-envelope: the envelope is not a DSSE envelope: invalid type: string "text", expected a JSON object at line 1 column 6
    400 malformed-envelope: the payload type is `text/plain`, not `application/vnd.in-toto+json`
    400 malformed-envelope: the payload is not base64
    400 malformed-statement: the payload is no in-toto Statement in JSON: missing field `_type` at line 1 column 2
    400 malformed-envelope: the payload has 33000 bytes, more than the 32768 that are allowed
    400 malformed-envelope: the envelope has 83058 bytes, more than the 61440 that a leaf can hold
    400 malformed-envelope: the envelope has 0 signatures; it needs between 1 and 16
    400 malformed-envelope: signature 0 is not base64
    401 signature-invalid: a signature does not hold: the signature is malformed: version
      hint: sign the bytes as they are: ssh-keygen -Y sign -n countersign -f KEY
    400 malformed-envelope: the envelope has 17 signatures; it needs between 1 and 16
    401 one-signature: a statement of the kind `proposal` carries one signature, not 2
    400 malformed-envelope: the envelope is not a DSSE envelope: unknown field `extra`, expected one of `payloadType`, `payload`, `signatures` at line 1 column 1333
    400 malformed-envelope: the envelope is not a DSSE envelope: invalid type: sequence, expected a JSON object at line 1 column 0
    400 malformed-envelope: the envelope is not a DSSE envelope: invalid type: sequence, expected a JSON object at line 1 column 1009
    "#);
    assert_eq!(world.size(), 1);
}

#[test]
fn a_body_that_is_too_large_is_refused_like_everything_else() {
    let world = world();
    assert_snapshot!(told(world.post(&vec![b' '; 17 << 20])), @"413 too-large: the body is larger than 16777216 bytes");
    let (body, blobs) = proposal("Turn it on");
    let envelope = world.voice("alice").sign(body);
    let larger = [blobs.clone(), vec![vec![0; (4 << 20) + 1]]].concat();
    assert_snapshot!(told(world.post(&submit(&text(&envelope), &larger))), @"413 blob-too-large: a blob of 4194305 bytes is larger than 4194304");
    assert_snapshot!(told(world.post(&submit(&text(&envelope), &vec![blobs; 5].concat()))), @"400 too-many-blobs: more than 8 blobs");
    assert_eq!(world.size(), 1);
}

/// The reason reaches a sender who writes everything before reading anything, and waits between.
#[test]
fn whoever_sends_too_much_can_send_it_all_and_then_reads_why() {
    let world = world();
    let address = world.server().url.strip_prefix("http://").unwrap().to_owned();
    let megabytes = 40;
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /v1/statements HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        megabytes << 20
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..megabytes {
        stream.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("too-large"), "{answer}");
}

/// Whoever says at once how much too much it is is told at once, and need not send it.
#[test]
fn who_announces_far_too_much_is_told_at_once() {
    let world = world();
    let address = world.server().url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream
        .write_all(b"POST /v1/statements HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        .unwrap();
    let mut answer = [0; 13];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(std::str::from_utf8(&answer), Ok("HTTP/1.1 413 "));
}

#[test]
fn a_request_that_breaks_off_or_is_no_http_does_not_stop_the_server() {
    let world = world();
    let address = world.server().url.strip_prefix("http://").unwrap().to_owned();
    for bytes in [
        &b"POST /v1/statements HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"enve"[..],
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /%00%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(world.get("/healthz"), (200, "ok\n".to_owned()));
}

#[test]
fn signatures_and_headers_that_do_not_hold_are_refused() {
    let world = world();
    let other = SigningKey::generate(&mut rand_core::OsRng);
    world.stage.write("stranger", &other.to_openssh());
    let keep = |_: &mut Header| {};
    let answers = [
        said(&world, "stranger", keep),
        said(&world, "bob", keep),
        said(&world, "alice", |header| header.log = "another".to_owned()),
        said(&world, "alice", |header| header.by = "nobody".parse().unwrap()),
        said(&world, "alice", |header| header.checkpoint.root = Hash::leaf(b"another")),
        said(&world, "alice", |header| header.checkpoint = SeenCheckpoint { size: 0, root: Hash::empty_tree() }),
        said(&world, "alice", |header| header.checkpoint.size = u64::MAX),
    ];
    assert_snapshot!(answers.join("\n"), @"
    401 unknown-key: key [KEY] belongs to nobody in the catalog
      hint: pass --key with a key that the catalog lists for you
    401 signed-by-another: the statement says that it is by alice, but it is signed by bob
      hint: sign with a key of the person that the statement names
    401 another-log: the statement is for log `another`, this is `world`
    401 signed-by-another: the statement says that it is by nobody, but it is signed by alice
      hint: sign with a key of the person that the statement names
    409 foreign-checkpoint: the log never had a checkpoint of 1 leaves with root [HEX]
      hint: the statement was made for another log, or this log lost entries: compare trust.json
    409 foreign-checkpoint: the log never had a checkpoint of 0 leaves with root [HEX]
      hint: the statement was made for another log, or this log lost entries: compare trust.json
    409 foreign-checkpoint: the log never had a checkpoint of [HEX] leaves with root [HEX]
      hint: the statement was made for another log, or this log lost entries: compare trust.json
    ");
    assert_eq!(world.size(), 1);
}

#[test]
fn a_signature_in_another_namespace_is_refused() {
    let world = world();
    let (body, blobs) = proposal("Turn it on");
    let honest = world.voice("alice").sign(body);
    world.stage.write("signed", &String::from_utf8(honest.signed_bytes()).unwrap());
    for namespace in ["git", "file", "countersign.example"] {
        let run = world
            .stage
            .command("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f", "alice", "signed"])
            .output();
        assert!(run.unwrap().status.success());
        let sshsig = countersign_ledger::sshsig::dearmor(&world.stage.read("signed.sig")).unwrap();
        std::fs::remove_file(world.stage.path("signed.sig")).unwrap();
        let signature = countersign_ledger::dsse::Signature { keyid: String::new(), sshsig };
        let envelope = Envelope::new(honest.payload(), vec![signature]).unwrap();
        let answer = told(world.post(&submit(&text(&envelope), &blobs)));
        let expected = format!(
            "401 signature-invalid: a signature does not hold: the signature was made for namespace `{namespace}`"
        );
        assert!(answer.starts_with(&expected), "{answer}");
    }
}

#[test]
fn a_replayed_statement_is_refused() {
    let world = world();
    let change = propose(&world, "alice");
    let envelope = world.voice("bob").sign(approval(&world, &change));
    let body = submit(&text(&envelope), &[]);
    assert_eq!(world.post(&body).0, 200);
    assert_snapshot!(told(world.post(&body)), @"409 replayed: the log has this statement, or the key that it registers, already, in leaf 2");

    let (body, blobs) = proposal("Turn it off");
    let envelope = world.voice("alice").sign(body);
    let body = submit(&text(&envelope), &blobs);
    assert_eq!(world.post(&body).0, 200);
    assert_snapshot!(told(world.post(&body)), @"409 replayed: the log has this statement, or the key that it registers, already, in leaf 3");
}

/// Also one that nothing but its being there already speaks against.
#[test]
fn a_statement_is_in_the_log_once() {
    let world = world();
    let change = propose(&world, "alice");
    let view = Client::new(&world.server().url).change(&ChangePrefix::from(&change)).unwrap();
    let said = Body::Disclosure(Disclosure {
        change,
        guidance: ["docs/runbook.md".to_owned()].into(),
        prompted_by: [].into(),
        revision: RevisionRef { number: view.revision, digest: view.revision_digest },
        tools: [].into(),
    });
    let body = submit(&text(&world.voice("alice").sign(said)), &[]);
    assert_eq!(world.post(&body).0, 200);
    assert_snapshot!(told(world.post(&body)), @"409 replayed: the log has this statement, or the key that it registers, already, in leaf 2");
}

#[test]
fn blobs_are_those_that_the_statement_names() {
    let world = world();
    let (body, blobs) = proposal("Turn it on");
    let envelope = world.voice("alice").sign(body);
    assert_snapshot!(told(world.post(&submit(&text(&envelope), &blobs[..1]))), @"404 blob-missing: the proposal names blob sha256:[HEX], which was not sent along");
    assert_snapshot!(told(world.post(&submit(&text(&envelope), &[b"another".to_vec()]))), @"404 blob-missing: the proposal names blob sha256:[HEX], which was not sent along");
    // A blob that nobody names is not kept.
    let smuggled = [blobs, vec![b"smuggled".to_vec()]].concat();
    assert_eq!(world.post(&submit(&text(&envelope), &smuggled)).0, 200);
    assert_eq!(world.get(&format!("/v1/blobs/{}", Digest::of("smuggled"))).0, 404);

    let say = |edit: &dyn Fn(&mut Proposal, &mut Vec<Vec<u8>>)| {
        let (Body::Proposal(mut proposal), mut blobs) = proposal("Turn it on") else { panic!("no proposal") };
        edit(&mut proposal, &mut blobs);
        let envelope = world.voice("alice").sign(Body::Proposal(proposal));
        told(world.post(&submit(&text(&envelope), &blobs)))
    };
    assert_snapshot!(say(&|proposal, blobs| {
        blobs[0] = b"these are no words of a proposal".to_vec();
        proposal.text = Digest::of(&blobs[0]);
    }), @"400 malformed-blob: blob sha256:[HEX] is not what its statement says: expected ident at line 1 column 2");
    assert_snapshot!(say(&|proposal, _| proposal.documents.why = 4_000), @"400 documents-mismatch: the statement says other lengths of its texts than they have");
    assert_snapshot!(say(&|proposal, blobs| {
        blobs[1] = b"{ }".to_vec();
        proposal.subject.digest = Digest::of(&blobs[1]);
    }), @"400 malformed-blob: the subject (sha256:[HEX]) is not what it should be: missing field `files` at line 1 column 3");
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = world();
    let change = propose(&world, "alice");
    let told = |path: &str| format!("{path}\n{}", told(world.get(path)));
    let answers = [
        told("/nowhere"),
        told("/v1/changes/ffffffffffff"),
        told("/v1/changes/xyz"),
        told("/v1/changes/..%2f..%2fgovernance"),
        told("/v1/changes/%25"),
        told("/v1/changes/%ff"),
        told("/v1/changes/ffffffffffff/bundle"),
        told("/v1/changes?head=abc&repository=shop"),
        told("/v1/changes?head=abc"),
        told("/v1/changes?color=red"),
        told("/v1/signer"),
        told("/v1/signer?key=abc"),
        told("/v1/signer?key=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        told("/v1/blobs/abc"),
        told("/v1/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        told("/tile/8/0/000"),
        told("/tile/0/000.p/0"),
        told("/tile/0/000.p/255"),
        told("/tile/0/999"),
        told("/tile/99/000"),
        told("/tile/0/x999999999999999999999999/000"),
        told("/tile/entries/../../keys"),
    ];
    assert_snapshot!(answers.join("\n"), @"
    /nowhere
    404 not-found: there is no page at this address
    /v1/changes/ffffffffffff
    404 unknown-change: there is no change `[HEX]`
      hint: list the changes: countersign list
    /v1/changes/xyz
    404 unknown-change: there is no change `xyz`
      hint: list the changes: countersign list
    /v1/changes/..%2f..%2fgovernance
    404 unknown-change: there is no change `../../governance`
      hint: list the changes: countersign list
    /v1/changes/%25
    404 unknown-change: there is no change `%`
      hint: list the changes: countersign list
    /v1/changes/%ff
    400 bad-request: Invalid URL: Invalid UTF-8 in `id`
      hint: docs/api.md says what each request takes
    /v1/changes/ffffffffffff/bundle
    404 unknown-change: there is no change `[HEX]`
      hint: list the changes: countersign list
    /v1/changes?head=abc&repository=shop
    400 bad-request: Failed to deserialize query string: head: `abc` is not a valid git object id: 40 or 64 lower-case hexadecimal digits
      hint: docs/api.md says what each request takes
    /v1/changes?head=abc
    400 bad-request: Failed to deserialize query string: head: `abc` is not a valid git object id: 40 or 64 lower-case hexadecimal digits
      hint: docs/api.md says what each request takes
    /v1/changes?color=red
    400 bad-request: Failed to deserialize query string: color: unknown field `color`, expected one of `repository`, `head`, `state`, `open`, `system`, `target`, `person`, `proposer`, `waiting_on`, `since`, `until`, `after`, `limit`
      hint: docs/api.md says what each request takes
    /v1/signer
    400 bad-request: Failed to deserialize query string: missing field `key`
      hint: docs/api.md says what each request takes
    /v1/signer?key=abc
    404 unknown-key: key abc belongs to nobody in the catalog
      hint: pass --key with a key that the catalog lists for you
    /v1/signer?key=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    404 unknown-key: key [KEY] belongs to nobody in the catalog
      hint: pass --key with a key that the catalog lists for you
    /v1/blobs/abc
    400 bad-request: digest `abc` does not start with `sha256:`
      hint: docs/api.md says what each request takes
    /v1/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    404 not-found: there is no such blob
    /tile/8/0/000
    400 bad-request: `tile/8/0/000` is not the path of a tile (`tile/<level>/<index>` or `tile/entries/<index>`, perhaps with `.p/<width>`)
      hint: docs/api.md says what each request takes
    /tile/0/000.p/0
    400 bad-request: `tile/0/000.p/0` is not the path of a tile (`tile/<level>/<index>` or `tile/entries/<index>`, perhaps with `.p/<width>`)
      hint: docs/api.md says what each request takes
    /tile/0/000.p/255
    404 not-found: there is no such tile
    /tile/0/999
    404 not-found: there is no such tile
    /tile/99/000
    400 bad-request: `tile/99/000` is not the path of a tile (`tile/<level>/<index>` or `tile/entries/<index>`, perhaps with `.p/<width>`)
      hint: docs/api.md says what each request takes
    /tile/0/x999999999999999999999999/000
    400 bad-request: `tile/0/x999999999999999999999999/000` is not the path of a tile (`tile/<level>/<index>` or `tile/entries/<index>`, perhaps with `.p/<width>`)
      hint: docs/api.md says what each request takes
    /tile/entries/../../keys
    400 bad-request: `tile/entries/../../keys` is not the path of a tile (`tile/<level>/<index>` or `tile/entries/<index>`, perhaps with `.p/<width>`)
      hint: docs/api.md says what each request takes
    ");
    assert_snapshot!(told(&format!("/v1/changes/{change}/bundle?since=-1")).split_once('\n').unwrap().1, @"
    400 bad-request: Failed to deserialize query string: since: invalid digit found in string
      hint: docs/api.md says what each request takes
    ");
    assert_eq!(world.get(&format!("/v1/changes/{change}/bundle?since=99999")).0, 200);
}

#[test]
fn a_method_that_an_address_does_not_take_is_refused() {
    let world = world();
    let url = &world.server().url;
    assert_snapshot!(told(world.get("/v1/statements")), @"
    405 method-not-allowed: this address does not take that method
      hint: writing is POST /v1/statements; everything else is read with GET
    ");
    assert_snapshot!(told(answer(agent().post(format!("{url}/v1/changes")).send(&b"{}"[..]))), @"
    405 method-not-allowed: this address does not take that method
      hint: writing is POST /v1/statements; everything else is read with GET
    ");
    assert_snapshot!(told(answer(agent().delete(format!("{url}/v1/log")).call())), @"
    405 method-not-allowed: this address does not take that method
      hint: writing is POST /v1/statements; everything else is read with GET
    ");
}

/// An id that somebody could make another change for, by trying, names nothing.
#[test]
fn twelve_digits_or_more_of_an_id_name_a_change() {
    let world = world();
    let change = propose(&world, "alice");
    let whole = change.as_str();
    assert_eq!(whole.len(), 32);
    for typed in [&whole[..12], &whole[..20], whole, &whole[..12].to_uppercase()] {
        let (status, body) = world.get(&format!("/v1/changes/{typed}"));
        assert_eq!(status, 200, "{body}");
        assert!(body.contains(whole));
    }
    assert_snapshot!(told(world.get(&format!("/v1/changes/{}", &whole[..11]))).replace(&whole[..11], "[ID]"), @"
    400 short-change-id: `[ID]` is too short for the id of a change
      hint: give its first 12 characters or more, as `countersign list` shows them
    ");
}

#[test]
fn approvals_at_once_are_all_taken_and_one_person_counts_once() {
    let world = world();
    let change = propose(&world, "alice");
    let body = approval(&world, &change);
    let statuses: Vec<(u16, String)> = thread::scope(|scope| {
        let world = &world;
        let speakers = ["bob", "carol", "dave"].into_iter().flat_map(|name| [name, name, name]);
        let tasks: Vec<_> = speakers
            .map(|name| {
                let envelope = world.voice(name).sign(body.clone());
                scope.spawn(move || world.post(&submit(&text(&envelope), &[])))
            })
            .collect();
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    let taken = statuses.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(taken, 3, "{statuses:?}");
    let refused = statuses.into_iter().filter(|(status, _)| *status != 200);
    for answer in refused {
        assert_eq!(told(answer).split(':').next(), Some("409 already-approved"));
    }
    let view = Client::new(&world.server().url).change(&ChangePrefix::from(&change)).unwrap();
    assert_eq!(view.approvals.len(), 3);
    assert!(view.allowed());
    assert_eq!(world.size(), 1 + 1 + 3);
}

#[test]
fn proposals_at_once_each_get_a_place_in_the_log() {
    let world = world();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| propose(&world, "alice"));
        }
    });
    assert_eq!(world.size(), 17);
    let (_, page) = world.get("/v1/changes");
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["changes"].as_array().unwrap().len(), 16);
}
