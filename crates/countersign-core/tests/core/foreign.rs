//! Every format of this crate, fed with bytes that were changed on their way: nothing panics, and what has one spelling is read in no
//! other.

use std::{collections::BTreeMap, sync::LazyLock};

use countersign_core::{
    canonical,
    cases::run_cases,
    catalog::{Catalog, CatalogSettings},
    facts::{GitFacts, Identities, git::Commit},
    fold::Entry,
    governance::{Replacements, parse_rules, read_manifest},
    ids::Nonce,
    rules::Rules,
    statement::Statement,
    subject::{FilesSubject, GitSubject, Subject},
    text::{ProposalText, Reason},
    trust::Trust,
};
use countersign_ledger::Digest;
use proptest::prelude::*;

use crate::{
    edits::{any_of, foreign},
    kit::{World, author, facts, file, git},
};

/// What a small log has of each.
struct Seeds {
    leaves: Vec<Vec<u8>>,
    blobs: Vec<Vec<u8>>,
    trust: Vec<u8>,
    files: Vec<(String, Vec<u8>)>,
    manifest: Vec<u8>,
}

static SEEDS: LazyLock<Seeds> = LazyLock::new(|| {
    let mut world = World::new();
    let commits = facts(9, &[author("linus@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.approve("mallory", &change).unwrap();
    world.reject("mallory", &change).unwrap();
    let record = &world.state.governance.record;
    Seeds {
        leaves: world.leaves.iter().map(|leaf| leaf.bytes.clone()).collect(),
        blobs: world.blobs.values().cloned().collect(),
        trust: serde_json::to_vec(&world.trust).unwrap(),
        files: record.files.iter().map(|(path, digest)| (path.clone(), world.blobs[digest].clone())).collect(),
        manifest: canonical::to_bytes(
            &record.files.iter().map(|(path, d)| (path, Some(d))).collect::<BTreeMap<_, _>>(),
        )
        .unwrap(),
    }
});

const CATALOG: &str = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: owners\nspec:\n  children: []\n---\n\
    apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: ada\n  annotations:\n    countersign/keys: |\n      \
    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChMQ2 ada\nspec:\n  profile:\n    email: ada@example.com\n  memberOf: [owners]\n";

const COMMIT: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 1111111111111111111111111111111111111111\n\
    author Ada <ada@example.com> 1774000000 +0100\ncommitter Grace <grace@example.com> 1774000001 +0100\n\
    encoding UTF-8\ngpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lHAAAAAQ==\n -----END SSH SIGNATURE-----\n\n\
    Raise it\n\nCo-authored-by: Linus <linus@example.com>\nGuidance: docs/runbook.md\n";

const EYES: &str = include_str!("../../../../rules/second-pair-of-eyes.cedar");

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    parse_rules(&BTreeMap::from([("second-pair-of-eyes.cedar".to_owned(), EYES.to_owned())])).unwrap()
});

fn cases() -> Vec<Vec<u8>> {
    let all: &[u8] = include_bytes!("../../../../rules/second-pair-of-eyes.cases.yaml");
    let one = b"- name: all of it\n  given: {tier: 2, kind: config, purpose: [incident], approvals: [grace], people: {grace: senior owner}, \
        guidance: {docs/a.md: 3}, waivers: {second-pair-of-eyes: barbara}}\n  expect: {status: satisfied, outcome: allow, missing: []}\n";
    vec![all.to_vec(), one.to_vec()]
}

fn as_it_was<T: serde::Serialize>(read: &T, bytes: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(String::from_utf8(canonical::to_bytes(read).unwrap()).unwrap(), String::from_utf8_lossy(bytes));
    Ok(())
}

foreign! {
    fn foreign_leaves_and_statements(bytes in any_of(SEEDS.leaves.clone())) {
        if let Ok(entry) = Entry::parse(&bytes) {
            prop_assert_eq!(entry.leaf.to_bytes(), bytes);
            let statement = entry.signed.statement();
            let written = statement.encode().unwrap();
            prop_assert_eq!(&Statement::parse(&written).unwrap(), statement);
            prop_assert!(statement.streams(&entry.signed.payload()).is_ok());
        }
    }

    fn foreign_blobs(bytes in any_of(SEEDS.blobs.clone())) {
        if let Ok(read) = GitFacts::parse(&bytes) {
            prop_assert_eq!(&read.to_blob().unwrap(), &bytes);
        }
        if let Ok(read) = Identities::parse(&bytes) {
            prop_assert_eq!(&read.to_blob().unwrap(), &bytes);
        }
        // These are named by digest alone, and may be spelled as somebody likes.
        drop((ProposalText::parse(&bytes), Reason::parse(&bytes)));
        if let Ok(read) = canonical::from_bytes::<GitSubject>(&bytes, "it") {
            as_it_was(&read, &bytes)?;
        }
        if let Ok(read) = canonical::from_bytes::<FilesSubject>(&bytes, "it") {
            as_it_was(&read, &bytes)?;
        }
        for subject in [git(&facts(9, &[])), file("timeout: 31")] {
            let mut reference = subject.reference().unwrap();
            reference.digest = Digest::of(&bytes);
            if let Ok(read) = Subject::read(&reference, &bytes) {
                prop_assert_eq!(read.to_blob().unwrap(), bytes.clone());
            }
        }
    }

    fn foreign_lists_of_files(bytes in any_of(vec![SEEDS.manifest.clone()])) {
        let digest = Digest::of(&bytes);
        if let Ok(read) = read_manifest(&digest, &|_| Some(bytes.clone())) {
            as_it_was::<Replacements>(&read, &bytes)?;
        }
    }

    fn foreign_governance_files(at in any::<prop::sample::Index>(), edits in crate::edits::edits()) {
        let (path, bytes) = at.get(&SEEDS.files);
        let bytes = crate::edits::edited(bytes, &edits);
        match path.strip_prefix("rules/") {
            Some(name) => drop(parse_rules(&BTreeMap::from([(name.to_owned(), String::from_utf8_lossy(&bytes).into_owned())]))),
            None => drop(countersign_core::catalog::files::CatalogFile::parse(path, &bytes)),
        }
        let person = "ada".parse().unwrap();
        if let Ok(Some(without)) =
            countersign_core::catalog::files::CatalogFile::without_profile(&bytes, &person, Nonce::from_bytes([1; 16]))
        {
            prop_assert!(countersign_core::catalog::files::CatalogFile::profile(&without, &person).is_none());
        }
    }

    fn foreign_catalogs(text in any_of(vec![CATALOG.as_bytes().to_vec()])) {
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        drop(Catalog::parse(&BTreeMap::from([("org.yaml".to_owned(), text)]), &CatalogSettings::default()));
    }

    fn foreign_rule_cases(text in any_of(cases())) {
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        drop(run_cases(&RULES, &BTreeMap::from([("second-pair-of-eyes.cases.yaml".to_owned(), text)])));
    }

    fn foreign_trust(bytes in any_of(vec![SEEDS.trust.clone()])) {
        if let Ok(read) = serde_json::from_slice::<Trust>(&bytes) {
            drop(read.check());
            let again: Trust = serde_json::from_slice(&serde_json::to_vec(&read).unwrap()).unwrap();
            prop_assert_eq!(again, read);
        }
    }

    fn foreign_commits(bytes in any_of(vec![COMMIT.as_bytes().to_vec()])) {
        if let Ok(read) = Commit::parse(&bytes) {
            // What git takes for the message is the rest of the object.
            prop_assert!(bytes.ends_with(&read.message));
            prop_assert!(read.parents.len() <= bytes.len() / 40);
        }
    }
}

/// The seeds are what they are called, or nothing of this would say much.
#[test]
fn the_foreign_seeds_are_read() {
    assert!(SEEDS.leaves.iter().all(|bytes| Entry::parse(bytes).is_ok()));
    assert!(SEEDS.blobs.iter().any(|bytes| GitFacts::parse(bytes).is_ok()));
    assert!(SEEDS.blobs.iter().any(|bytes| Identities::parse(bytes).is_ok()));
    assert!(SEEDS.blobs.iter().any(|bytes| ProposalText::parse(bytes).is_ok()));
    assert!(serde_json::from_slice::<Trust>(&SEEDS.trust).is_ok_and(|trust| trust.check().is_ok()));
    let commit = Commit::parse(COMMIT.as_bytes()).unwrap();
    assert_eq!((commit.parents.len(), commit.author.mail.as_str()), (1, "ada@example.com"));
    for text in cases() {
        let text = String::from_utf8(text).unwrap();
        run_cases(&RULES, &BTreeMap::from([("second-pair-of-eyes.cases.yaml".to_owned(), text)])).unwrap();
    }
    assert!(read_manifest(&Digest::of(&SEEDS.manifest), &|_| Some(SEEDS.manifest.clone())).is_ok());
}
