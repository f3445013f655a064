//! Every format of the program, fed with bytes that were changed on their way: nothing panics, nothing leaves its folder, and what has
//! one spelling is written again as it was read.

use std::{fs, path::Path, sync::LazyLock};

use countersign::{
    bundle::{self, Bundle, Files, files_of_tar, tar_of},
    gates::{
        desk::handed_over,
        git::{GateConfig, Update},
        stops::Stop,
    },
    home::Config,
    wire::{
        ChangePage, ChangeView, Entries, EpochHint, ErrorBody, LogInfo, Proof, Published, Receipt, Revocation, Submit,
    },
};
use countersign_core::{
    admit::Signed,
    governance::Signer,
    state::GateRecord,
    statement::{Body, Epoch, Erased, Erasure, GateRegistration, Holder, Rejection, RevisionRef, Statement},
    text::Reason,
};
use countersign_ledger::{Digest, Envelope};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    api::proposal,
    edits::{any_of, foreign},
    world::World,
};

const GATE: &str = "version: 1\nname: shop-git\nrepository: shop\nurl: \"http://127.0.0.1:7878\"\nguidance: false\ncopy: /var/lib/copy\nbranches:\n  \
    - branch: refs/heads/main\n    map:\n      - paths: \"checkout/**\"\n        target: checkout/production\n";

const HOME: &str = "version: 1\norigin: example\nlisten: \"127.0.0.1:7878\"\nguidance:\n  - repository: runbooks\n    path: /srv/git\n    \
    branch: main\ncosigners:\n  - https://follower.example\ncatalog:\n  tier_annotation: countersign/tier\n  environments: \
    [production, staging]\n  production: [production]\n";

const UPDATES: &str =
    "1111111111111111111111111111111111111111 2222222222222222222222222222222222222222 refs/heads/main\n";

fn files() -> Files {
    let hash = "3c06f9a65725af605261f636672c9620d409731d89a451d7455fe9c4ae167829\n".repeat(2);
    let manifest = "{\n  \"version\": 1,\n  \"origin\": \"example\",\n  \"change\": \"9f2c4e6a81d09f2c4e6a81d09f2c4e6a\",\n  \
                    \"streams\": [\n    \"governance\"\n  ]\n}";
    [
        ("bundle.json", manifest),
        ("checkpoint", "example\n1\nAAAA\n\n— example AAAA\n"),
        ("leaves/0000000000", "countersign-leaf/v1\n"),
        ("proofs/0000000000", &hash),
        ("blobs/2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6", "c"),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .collect()
}

fn archive() -> Vec<u8> {
    tar_of(&files()).unwrap()
}

/// What a server answers, and what it hands over.
struct Answers {
    /// The address, and the answer.
    json: Vec<(String, Vec<u8>)>,
    permit: Vec<u8>,
    /// What a second person or a gate is handed, as files.
    handed: Vec<Vec<u8>>,
}

static ANSWERS: LazyLock<Answers> = LazyLock::new(|| {
    let world = World::usual();
    let (body, blobs) = proposal("Turn it on");
    let receipt = world.voice("alice").say(body, &blobs).unwrap();
    let url = &world.server().url;
    let get = |path: String| {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let body = agent.get(format!("{url}{path}")).call().unwrap().body_mut().read_to_vec().unwrap();
        (path, body)
    };
    let change = receipt.change.clone().unwrap();
    let key = format!("{}", world.key("alice").public().fingerprint()).replace('+', "%2B");
    let mut json: Vec<(String, Vec<u8>)> = [
        "/v1/log".to_owned(),
        "/v1/changes".to_owned(),
        format!("/v1/changes/{change}"),
        "/v1/changes/000000000000".to_owned(),
        "/v1/entries?from=0&limit=2".to_owned(),
        "/v1/inclusion?index=0&size=2".to_owned(),
        "/v1/governance/history".to_owned(),
        format!("/v1/signer?key={key}"),
        "/v1/gates/shop-git".to_owned(),
    ]
    .into_iter()
    .map(get)
    .collect();
    let revoked = Revocation {
        of: Holder::Person("alice".parse().unwrap()),
        revocation: Digest::of("a statement"),
        revoked_by: "bob".parse().unwrap(),
        at: "2026-11-23T08:26:26Z".to_owned(),
        until: None,
    };
    json.push(("revocation".to_owned(), serde_json::to_vec(&revoked).unwrap()));
    json.push(("receipt".to_owned(), serde_json::to_vec(&receipt).unwrap()));
    let approved = crate::copies::propose(&world, "Go on");
    for words in [&["approve", &approved, "--file", "flags.json"][..], &["permit", &approved, "--out", "permit"]] {
        let run = world.say(if words[0] == "approve" { "bob" } else { "alice" }, words);
        assert_eq!(run.status, 0, "{run}");
    }
    let permit = fs::read(world.stage.path("permit")).unwrap();
    json.push(("/epoch".to_owned(), b"[{\"number\":2,\"leaf\":100}]".to_vec()));
    let reason = Reason { salt: countersign::random::nonce(), why: "no".to_owned() }.to_blob().unwrap();
    let targets = ["search/production".parse().unwrap()].into();
    let words = Digest::of(&reason);
    let bob = world.voice("bob");
    let (after, change) = (bob.log.checkpoint, receipt.change.unwrap());
    let gate = countersign::client::Client::new(url).gate(&"shop-git".parse().unwrap()).unwrap();
    let loosened = GateRegistration {
        gate: "shop-git".parse().unwrap(),
        key: gate.key,
        map: Some(words),
        reason: Some(words),
        repository: gate.repository,
        watching: [("refs/heads/main".to_owned(), gate.targets.clone())].into(),
        targets: gate.targets,
    };
    let revision = RevisionRef { number: 1, digest: receipt.statement };
    let (raised, blobs) = world.raise(2);
    let bodies = [
        Body::Rejection(Rejection { change: change.clone(), reason: words, revision, targets }),
        Body::Erasure(Erasure { blobs: [words].into(), of: Erased::Change(change), reason: words }),
        Body::Epoch(Epoch { after, number: 2, reason: words }),
        Body::GateRegistration(loosened),
    ];
    let mut handed: Vec<Vec<u8>> = bodies
        .map(|body| serde_json::to_vec(&Submit::new(&bob.sign(body), std::slice::from_ref(&reason))).unwrap())
        .into();
    handed.push(serde_json::to_vec(&Submit::new(&raised, &blobs)).unwrap());
    Answers { json, permit, handed }
});

fn answers() -> Vec<Vec<u8>> {
    ANSWERS.json.iter().map(|(_, bytes)| bytes.clone()).collect()
}

/// What was read is written so that it is read the same.
fn read_again<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, TestCaseError> {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return Ok(None) };
    let written = serde_json::to_vec(&read).unwrap();
    let again: T = serde_json::from_slice(&written).unwrap();
    prop_assert_eq!(serde_json::to_vec(&again).unwrap(), written);
    Ok(Some(read))
}

fn text(bytes: Vec<u8>) -> Result<String, TestCaseError> {
    String::from_utf8(bytes).map_err(|_| TestCaseError::reject("no text"))
}

foreign! {
    fn foreign_archives(bytes in any_of(vec![archive()])) {
        let place = Path::new("it");
        if let Ok(read) = files_of_tar(place, &bytes) {
            for name in read.keys() {
                prop_assert!(!name.starts_with('/') && name.split('/').all(|part| part != ".."), "{name}");
            }
            if let Ok(bundle) = Bundle::from_files(place, read.clone()) {
                // What was read is written so that it is read the same.
                let again = Bundle::from_files(place, bundle.to_files().unwrap()).unwrap();
                prop_assert_eq!((again.evidence, again.change), (bundle.evidence, bundle.change));
            }
            prop_assert_eq!(files_of_tar(place, &tar_of(&read).unwrap()).unwrap(), read);
        }
        drop(Bundle::from_tar(place, &bytes));
    }

    fn foreign_archives_stay_in_their_folder(bytes in any_of(vec![archive()])) {
        let outer = tempfile::tempdir().unwrap();
        let into = outer.path().join("into");
        fs::create_dir(&into).unwrap();
        drop(bundle::unpack(Path::new("it"), bytes.as_slice(), &into));
        prop_assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
    }

    fn foreign_configuration(gate in any_of(vec![GATE.as_bytes().to_vec()]), home in any_of(vec![HOME.as_bytes().to_vec()])) {
        let place = Path::new("it.yaml");
        if let Ok(read) = GateConfig::parse(&text(gate)?, place) {
            let again = GateConfig::parse(&read.to_yaml(), place).unwrap();
            prop_assert_eq!(again.to_yaml(), read.to_yaml());
        }
        if let Ok(read) = Config::parse(&text(home)?, place) {
            let again = Config::parse(&read.to_yaml(), place).unwrap();
            prop_assert_eq!(again.to_yaml(), read.to_yaml());
        }
    }

    fn foreign_answers(bytes in any_of(answers())) {
        read_again::<LogInfo>(&bytes)?;
        read_again::<ChangePage>(&bytes)?;
        read_again::<ChangeView>(&bytes)?;
        read_again::<Proof>(&bytes)?;
        read_again::<Vec<Published>>(&bytes)?;
        read_again::<Receipt>(&bytes)?;
        read_again::<Revocation>(&bytes)?;
        read_again::<ErrorBody>(&bytes)?;
        read_again::<Signer>(&bytes)?;
        read_again::<GateRecord>(&bytes)?;
        if let Some(entries) = read_again::<Entries>(&bytes)? {
            drop((entries.leaves(), entries.blobs()));
        }
    }

    fn foreign_permits(bytes in any_of(vec![ANSWERS.permit.clone()])) {
        if let Ok((change, statement)) = handed_over(&bytes) {
            // It is named by what was signed, however that is wrapped.
            prop_assert_eq!(handed_over(&bytes).unwrap(), (change, statement));
        }
    }

    fn foreign_updates_stops_and_submissions(updates in any_of(vec![UPDATES.as_bytes().to_vec()]), body in any_of(vec![
        b"{\"envelope\":\"{}\",\"blobs\":[\"AAAA\"]}".to_vec(),
    ])) {
        drop(Update::parse_all(&String::from_utf8_lossy(&updates)));
        drop(Stop::read(&body));
        if let Ok(read) = serde_json::from_slice::<Submit>(&body) {
            let written = serde_json::to_vec(&read).unwrap();
            prop_assert_eq!(serde_json::to_vec(&serde_json::from_slice::<Submit>(&written).unwrap()).unwrap(), written);
        }
    }
}

foreign! {
    fn foreign_drafts_and_stops(bytes in any_of(ANSWERS.handed.clone())) {
        if let Ok(stop) = Stop::read(&bytes) {
            // Whatever was changed around it, what was signed is what is obeyed.
            drop(stop.words());
        }
        let Ok(read) = serde_json::from_slice::<Submit>(&bytes) else { return Ok(()) };
        if let Ok(envelope) = Envelope::parse(read.envelope.as_bytes())
            && let Ok(statement) = Statement::parse(envelope.payload())
        {
            prop_assert_eq!(statement.encode().unwrap(), envelope.payload());
            drop(Signed::check(&envelope));
        }
    }

    fn foreign_epochs(bytes in any_of(vec![b"[{\"number\":2,\"leaf\":100},{\"number\":3,\"leaf\":2000}]".to_vec()])) {
        let read = EpochHint::read(&bytes);
        let again = EpochHint::read(&serde_json::to_vec(&read).unwrap());
        prop_assert_eq!(again.len(), read.len());
    }
}

/// The seeds are what they are called, or nothing of this would say much.
#[test]
fn the_foreign_seeds_are_read() {
    let place = Path::new("it");
    assert_eq!(files_of_tar(place, &archive()).unwrap(), files());
    assert!(Bundle::from_files(place, files()).is_ok());
    assert!(GateConfig::parse(GATE, place).is_ok(), "{:?}", GateConfig::parse(GATE, place));
    assert!(Config::parse(HOME, place).is_ok(), "{:?}", Config::parse(HOME, place));
    assert_eq!(Update::parse_all(UPDATES).unwrap().len(), 1);
    handed_over(&ANSWERS.permit).unwrap();
    Stop::read(&ANSWERS.handed[0]).unwrap();
    for bytes in &ANSWERS.handed {
        let read: Submit = serde_json::from_slice(bytes).unwrap();
        Statement::parse(Envelope::parse(read.envelope.as_bytes()).unwrap().payload()).unwrap();
    }
    fn is<T: DeserializeOwned>(path: &str) -> bool {
        let found = ANSWERS.json.iter().find(|(at, _)| at.starts_with(path));
        found.is_some_and(|(_, bytes)| serde_json::from_slice::<T>(bytes).is_ok())
    }
    let all: Vec<_> = ANSWERS.json.iter().map(|(path, bytes)| (path, String::from_utf8_lossy(bytes))).collect();
    assert!(is::<LogInfo>("/v1/log") && is::<ChangePage>("/v1/changes") && is::<ChangeView>("/v1/changes/"));
    assert!(is::<ErrorBody>("/v1/changes/0000") && is::<Entries>("/v1/entries") && is::<Proof>("/v1/inclusion"));
    assert!(
        is::<Vec<Published>>("/v1/governance") && is::<Signer>("/v1/signer") && is::<Revocation>("revocation"),
        "{all:?}"
    );
    assert!(is::<GateRecord>("/v1/gates/") && is::<Receipt>("receipt"));
}
