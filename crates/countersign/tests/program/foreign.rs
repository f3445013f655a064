//! Every format of the program, fed with bytes that were changed on their way: nothing panics, nothing leaves its folder, and what has
//! one spelling is written again as it was read.

use std::{fs, path::Path};

use countersign::{
    bundle::{self, Bundle, Files, files_of_tar, tar_of},
    gates::{
        git::{GateConfig, Update},
        stops::Stop,
    },
    home::Config,
    wire::Submit,
};
use proptest::prelude::*;

use crate::edits::any_of;

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

fn text(bytes: Vec<u8>) -> Result<String, TestCaseError> {
    String::from_utf8(bytes).map_err(|_| TestCaseError::reject("no text"))
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
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

    #[test]
    fn foreign_archives_stay_in_their_folder(bytes in any_of(vec![archive()])) {
        let outer = tempfile::tempdir().unwrap();
        let into = outer.path().join("into");
        fs::create_dir(&into).unwrap();
        drop(bundle::unpack(Path::new("it"), bytes.as_slice(), &into));
        prop_assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
    }

    #[test]
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

    #[test]
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

/// The seeds are what they are called, or nothing of this would say much.
#[test]
fn the_foreign_seeds_are_read() {
    let place = Path::new("it");
    assert_eq!(files_of_tar(place, &archive()).unwrap(), files());
    assert!(Bundle::from_files(place, files()).is_ok());
    assert!(GateConfig::parse(GATE, place).is_ok(), "{:?}", GateConfig::parse(GATE, place));
    assert!(Config::parse(HOME, place).is_ok(), "{:?}", Config::parse(HOME, place));
    assert_eq!(Update::parse_all(UPDATES).unwrap().len(), 1);
}
