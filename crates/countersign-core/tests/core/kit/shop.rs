//! The shop whose log it is: people with keys, a catalog, the shipped rules, and what they change.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use countersign_core::{
    catalog::{Catalog, CatalogSettings},
    ids::{ActorId, ChangeId, Nonce, Oid, Target},
    statement::{Body, Holder, NewRevision, Proposal},
    subject::{FilesSubject, Subject},
};
use countersign_ledger::{Digest, SigningKey};
use rand_core::{CryptoRng, Error, RngCore};

use super::{Extracted, World};

/// Random numbers that are the same in every run (SplitMix64).
pub struct FixedRng(pub u64);

impl RngCore for FixedRng {
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).unwrap()
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

/// For tests only: the numbers are anything but unpredictable.
impl CryptoRng for FixedRng {}

/// Everybody with a key. `ada-laptop` is ada's second key; `stranger` is nobody's; `git-gate` is that of gate `shop-gate`.
pub const KEYS: [&str; 11] =
    ["ada", "ada-laptop", "barbara", "grace", "linus", "mallory", "ci", "robo", "countersign", "stranger", "git-gate"];

/// Whose key it is.
pub fn holder(key: &str) -> Holder {
    match key {
        "git-gate" => Holder::Gate("shop-gate".parse().unwrap()),
        key => Holder::Person(id(key.trim_end_matches("-laptop"))),
    }
}

fn catalog(keys: &BTreeMap<&str, SigningKey>) -> Catalog {
    parse_catalog(entities(keys))
}

pub fn parse_catalog(text: String) -> Catalog {
    let files = BTreeMap::from([("catalog.yaml".to_owned(), text)]);
    // What is said of waiting has tests of its own.
    let settings = CatalogSettings { loosening_wait_secs: 0, ..CatalogSettings::default() };
    Catalog::parse(&files, &settings).unwrap_or_else(|error| panic!("{error}"))
}

/// `checkout` is tier 1 and owned by payments (ada, grace); `search` is tier 3 and owned by discovery (linus, mallory).
pub fn entities(keys: &BTreeMap<&str, SigningKey>) -> String {
    let key = |name: &str| keys[name].public().to_string();
    let group = |name: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {{name: {name}}}\nspec: {{type: team, children: []}}\n"
        )
    };
    let user = |name: &str, groups: &str, sort: &str, mails: &str, keys: &[String]| {
        let keys: String = keys.iter().map(|key| format!("      {key}\n")).collect();
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    \
             countersign/{sort}\n    countersign/mails: {mails}\n    countersign/keys: |\n{keys}spec: {{memberOf: \
             [{groups}]}}\n"
        )
    };
    let system = |name: &str, owner: &str, tier: u8| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: {name}\n  annotations: \
             {{countersign/tier: \"{tier}\"}}\nspec: {{owner: {owner}}}\n"
        )
    };
    [
        group("payments"),
        group("discovery"),
        user(
            "ada",
            "payments",
            "level: standard",
            "ada@example.com, ada@home.example",
            &[key("ada"), key("ada-laptop")],
        ),
        user("barbara", "", "level: principal", "barbara@example.com", &[key("barbara")]),
        user("grace", "payments", "level: senior", "grace@example.com", &[key("grace")]),
        user("linus", "discovery", "level: standard", "linus@example.com", &[key("linus")]),
        user("mallory", "discovery", "level: standard", "mallory@example.com", &[key("mallory")]),
        user("ci", "", "actor: workload\n    countersign/attests: tests", "ci@example.com", &[key("ci")]),
        user("robo", "", "actor: agent", "robo@example.com", &[key("robo")]),
        system("checkout", "payments", 1),
        system("search", "discovery", 3),
    ]
    .join("---\n")
}

fn salt(of: &str) -> Nonce {
    Digest::of(of).hex()[..32].parse().unwrap()
}

pub type Files = BTreeMap<String, Vec<u8>>;

/// The shop's governance files.
pub fn governance_files(keys: &BTreeMap<&str, SigningKey>) -> Files {
    let mut files = catalog(keys).to_files(salt).unwrap();
    files.extend(rules().into_iter().map(|(name, text)| (format!("rules/{name}"), text.into_bytes())));
    files
}

/// With something more in the settings, in its place.
pub fn extend_settings(files: &mut Files, more: &str) {
    let settings = String::from_utf8(files["settings.json"].clone()).unwrap();
    files.insert(
        "settings.json".to_owned(),
        settings.replace("],\"loosening", &format!("],{more}\"loosening")).into_bytes(),
    );
}

/// The shipped rules' files.
pub fn rules() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cedar"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

pub fn id(name: &str) -> ActorId {
    name.parse().unwrap()
}

pub fn targets(names: &[&str]) -> BTreeSet<Target> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub fn oid(n: u64) -> Oid {
    format!("{n:040x}").parse().unwrap()
}

/// A file with this content, applied by `deploy app.yaml`.
pub fn file(content: &str) -> Subject {
    Subject::Files(FilesSubject {
        files: BTreeMap::from([("app.yaml".to_owned(), Digest::of(content))]),
        executable: BTreeSet::new(),
        command: Some(vec!["deploy".to_owned(), "app.yaml".to_owned()]),
    })
}

impl World {
    pub fn new_revision(&mut self, change: &ChangeId, subject: &Subject, commits: Option<&Extracted>) -> Body {
        let Proposal { documents, facts, identities, sponsor, subject, text, .. } =
            self.proposal("search/production", subject, commits);
        let (targets, revision) = (self.change(change).rejected_on(), self.revision(change));
        let change = change.clone();
        Body::NewRevision(NewRevision {
            change,
            documents,
            facts,
            identities,
            revision,
            sponsor,
            subject,
            targets,
            text,
        })
    }
}
