//! Governance is files: a publication replaces those that it names, and nothing else; and it may raise the semantics.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    canonical,
    catalog::files,
    governance::{Governance, MAX_FILES, Replacements, replacements},
    refusal::{Refusal, RefusalClass},
    semantics::{NEWEST_SEMANTICS, Semantics},
    state::State,
    statement::{Body, Genesis, Publication, Statement},
};
use countersign_ledger::{Digest, Hash, StreamHead};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::kit::{Files, World, blob_of, governance_files, id, told};

const SEARCH: &str = "systems/search.json";
/// Where the governance stream stands, for what is kept.
const AT: StreamHead = StreamHead { last: Hash::from_bytes([7; 32]), next_seq: 5 };

fn publish(world: &mut World, files: &[(&str, Option<&[u8]>)]) -> Result<Digest, Refusal> {
    let publication = world.publication(files);
    world.publish(publication)
}

/// What is said to one file of a publication.
fn refused(path: &str, content: Option<&str>) -> String {
    let mut world = World::new();
    let before = world.state.governance.record.clone();
    let said = told(publish(&mut world, &[(path, content.map(str::as_bytes))]));
    assert_eq!(world.state.governance.record, before);
    said
}

#[test]
fn a_publication_replaces_only_what_it_names() {
    let mut world = World::new();
    let before = Arc::clone(&world.state.governance);
    // Whatever does not change need not even be at hand.
    world.blobs.clear();
    let tier_2 = br#"{"owner":"discovery","tier":2}"#;
    publish(&mut world, &[(SEARCH, Some(tier_2))]).unwrap();
    let after = &world.state.governance;
    let search = &after.catalog.systems[&"search".parse().unwrap()];
    assert_eq!(u8::from(search.tier), 2);
    let mut expected = before.record.files.clone();
    expected.insert(SEARCH.to_owned(), Digest::of(tier_2));
    assert_eq!(after.record.files, expected);
    assert!(Arc::ptr_eq(&before.rules, &after.rules), "no rule was parsed again");
}

#[test]
fn a_publication_of_rules_replaces_the_rules_and_no_catalog() {
    let mut world = World::new();
    let before = Arc::clone(&world.state.governance);
    world.blobs.clear();
    publish(&mut world, &[("rules/documented.cedar", None)]).unwrap();
    let after = &world.state.governance;
    assert_eq!(after.catalog, before.catalog);
    assert_ne!(after.rules.digest(), before.rules.digest());
    assert_eq!(after.rules.len(), before.rules.len() - 1);
    assert!(after.rules.get(&"documented".parse().unwrap()).is_none());
    // What is in force is the publication itself, and the next one names it.
    let Body::Publication(said) = crate::kit::body(world.last()) else { panic!("no publication") };
    assert_eq!(said.parent, before.record.in_force);
    assert_eq!(after.record.in_force, world.last().envelope.payload_digest());
}

#[test]
fn the_record_alone_gives_the_governance_back() {
    let mut world = World::new();
    publish(&mut world, &[("rules/documented.cedar", None), (SEARCH, Some(br#"{"owner":"discovery","tier":2}"#))])
        .unwrap();
    let folded = &world.state.governance;
    let loaded = Governance::load(folded.record.clone(), &blob_of(&world.blobs)).unwrap();
    assert_eq!(loaded.record, folded.record);
    assert_eq!(loaded.catalog, folded.catalog);
    assert_eq!(loaded.rules.digest(), folded.rules.digest());
}

#[test]
fn what_is_kept_of_governance_is_the_same_governance() {
    let mut world = World::new();
    publish(&mut world, &[("rules/documented.cedar", None), (SEARCH, Some(br#"{"owner":"discovery","tier":2}"#))])
        .unwrap();
    let change = world.propose("ada", "search/production");
    let governance = Arc::clone(&world.state.governance);
    let bytes = governance.to_kept(AT).unwrap();
    let kept = Governance::from_kept(&bytes, AT).unwrap();
    assert_eq!((&kept.record, &kept.catalog), (&governance.record, &governance.catalog));
    assert_eq!(kept.rules.digest(), governance.rules.digest());
    assert!(kept.rules.iter().eq(governance.rules.iter()));
    // Whose key it is and who may what comes out alike.
    let before = world.standing(&change);
    world.state.governance = Arc::new(kept);
    assert_eq!(world.standing(&change), before);
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn what_is_kept_is_of_one_publication_and_whole_or_is_not_read() {
    let world = World::new();
    let governance = &world.state.governance;
    let bytes = governance.to_kept(AT).unwrap();
    let read = |bytes: &[u8]| Governance::from_kept(bytes, AT).is_some();
    assert!(read(&bytes));
    assert!(Governance::from_kept(&bytes, StreamHead { next_seq: 6, ..AT }).is_none());
    assert!(Governance::from_kept(&bytes, StreamHead { last: Hash::empty_tree(), ..AT }).is_none());
    assert!(!read(&[]) && !read(&bytes[..bytes.len() - 1]) && !read(&[&bytes[..], b"more"].concat()));
    for at in (0..bytes.len()).step_by(97).chain(0..100) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(!read(&changed), "byte {at}");
    }
}

#[test]
fn a_publication_needs_the_files_and_not_only_what_was_kept_of_them() {
    let mut world = World::new();
    let whole = Arc::clone(&world.state.governance);
    let bytes = whole.to_kept(AT).unwrap();
    let kept = Governance::from_kept(&bytes, AT).unwrap();
    assert!(whole.is_read() && !kept.is_read());
    assert!(kept.to_kept(AT).is_none());
    world.state.governance = Arc::new(kept);
    let tier_2: &[u8] = br#"{"owner":"discovery","tier":2}"#;
    assert_eq!(publish(&mut world, &[(SEARCH, Some(tier_2))]).unwrap_err().code, "governance-not-read");
    let again = Governance::load(whole.record.clone(), &blob_of(&world.blobs)).unwrap();
    world.state.governance = Arc::new(again);
    publish(&mut world, &[(SEARCH, Some(tier_2))]).unwrap();
}

#[test]
fn people_come_and_go_with_their_files() {
    let mut world = World::new();
    let change = world.propose("barbara", "search/production");
    assert_eq!(world.approve("stranger", &change).unwrap_err().code, "unknown-key");
    let stranger = serde_json::json!({
        "stranger": {"groups": ["discovery"], "keys": [world.keys["stranger"].public()], "kind": "person", "level": "standard"},
    });
    let people = canonical::to_bytes(&stranger).unwrap();
    let mails = br#"{"people":{},"salt":"00112233445566778899aabbccddeeff"}"#;
    publish(&mut world, &[("people/discovery.json", Some(&people)), ("profiles/discovery.json", Some(mails))]).unwrap();
    assert_eq!(world.approve("linus", &change).unwrap_err().code, "unknown-key");
    world.approve("stranger", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn a_profiles_file_that_was_erased_leaves_people_without_names() {
    let named = |files: &mut Files| {
        let named = br#"{"people":{"grace":{"mails":["grace@example.com"],"name":"Grace"}},"salt":"00112233445566778899aabbccddeeff"}"#;
        files.insert("profiles/payments.json".to_owned(), named.to_vec());
    };
    let mut world = World::founded(named, |_| {}).unwrap();
    let change = world.whole_life();
    let name = |state: &State| state.governance.catalog.actors.get(&id("grace")).unwrap().display_name.clone();
    assert_eq!(name(&world.state).as_deref(), Some("Grace"));

    let erased = world.state.governance.record.files["profiles/payments.json"];
    world.blobs.remove(&erased).unwrap();
    let again = world.replayed().unwrap();
    assert_eq!(name(&again), None);
    let grace = again.governance.catalog.actors.get(&id("grace")).unwrap();
    assert!(grace.mails.is_empty() && !grace.keys.is_empty() && grace.level.is_senior());
    assert_eq!(again.change(&change).unwrap(), Some(world.change(&change)));
    assert_eq!(again.governance.record, world.state.governance.record);
    // Nothing but a profile can go missing.
    for (path, digest) in &world.state.governance.record.files {
        let kept = world.blobs.remove(digest).filter(|_| !files::is_profiles(path));
        if let Some(kept) = kept {
            assert_eq!(world.replayed().unwrap_err().code, "blob-missing", "{path}");
            world.blobs.insert(*digest, kept);
        }
    }
    // The log goes on, and somebody may be named anew.
    world.state = world.replayed().unwrap();
    world.whole_life();
    let named = br#"{"people":{"grace":{"name":"Grace H."}},"salt":"ffeeddccbbaa99887766554433221100"}"#;
    publish(&mut world, &[("profiles/payments.json", Some(named))]).unwrap();
    assert_eq!(name(&world.state).as_deref(), Some("Grace H."));
}

#[test]
fn a_publication_that_takes_away_a_missing_file_is_refused() {
    assert_snapshot!(refused("systems/billing.json", None), @"no-such-file: there is no governance file `systems/billing.json`");
    assert_snapshot!(refused("rules/nothing.cedar", None), @"no-such-file: there is no governance file `rules/nothing.cedar`");
}

#[test]
fn files_under_foreign_paths_are_refused() {
    let empty = r#"{"people":{},"salt":"00112233445566778899aabbccddeeff"}"#;
    for (path, content) in [
        ("readme.md", ""),
        ("", ""),
        ("Settings.json", "{}"),
        ("/settings.json", "{}"),
        ("./settings.json", "{}"),
        ("systems/checkout.yaml", "{}"),
        ("systems/../checkout.json", "{}"),
        ("systems/Checkout.json", r#"{"owner":"payments","tier":1}"#),
        ("systems/.json", r#"{"owner":"payments","tier":1}"#),
        ("groups/a/b.json", "{}"),
        ("people/../people/payments.json", "{}"),
        ("people/__.json", "{}"),
        ("profiles/../profiles/payments.json", empty),
        ("profiles/a/b.json", empty),
        ("profiles/a.txt", empty),
        ("rules/..", ""),
        ("rules/", ""),
        ("rules/.cedar", ""),
        ("rules/..cedar", ""),
        ("rules/a/b.cedar", ""),
        ("rules/a b.cedar", ""),
        ("rules/a.cedar.yaml", ""),
        ("rules/a.cases.yaml", ""),
        ("calendars/holidays.ics", "{}"),
        ("calendars/a/b.json", "{}"),
        ("calendars/.json", "{}"),
    ] {
        let said = refused(path, Some(content));
        assert!(said.starts_with("governance-path: "), "{path}: {said}");
    }
    assert_snapshot!(refused("rules/a.txt", Some("")), @"governance-path: no governance file has the path `rules/a.txt`");
    assert_snapshot!(refused("systems/Checkout.json", Some("{}")), @"governance-path: `systems/Checkout.json`: `Checkout` is not a valid system name: lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit");
    assert_snapshot!(refused(&"a".repeat(201), Some("")).replace(&"a".repeat(200), "a…"), @"governance-path: `a……` is longer than 200 bytes");
    // Nor is a foreign path hidden by leaving the file out, as only an erased profile may be.
    let mut world = World::new();
    let publication = world.publication(&[("profiles/../../outside", Some(b"x"))]);
    world.blobs.remove(&Digest::of("x")).unwrap();
    assert_snapshot!(told(world.publish(publication)), @"blob-missing: blob DIGEST, which is the governance file `profiles/../../outside`, is missing");
}

#[test]
fn files_that_do_not_hold_together_are_refused() {
    let said = [
        ("systems/search.json", r#"{"owner":"nobody","tier":3}"#),
        ("systems/search.json", r#"{"tier":3,"owner":"discovery"}"#),
        ("systems/search.json", r#"{"owner":"discovery","tier":5}"#),
        ("systems/search.json", r#"{"depends_on":["billing"],"owner":"discovery","tier":3}"#),
        ("systems/check-out.json", r#"{"owner":"payments","tier":1}"#),
        ("groups/payments.json", r#"{"parent":"payments"}"#),
        ("groups/payments.json", r#"{"parent":"nobody"}"#),
        ("settings.json", r#"{"environments":["staging"],"production":["production"]}"#),
        ("settings.json", r#"{"environments":[],"production":[]}"#),
        ("people/discovery.json", r#"{"grace":{"groups":["payments"],"kind":"person","level":"senior"}}"#),
        ("people/discovery.json", r#"{}"#),
        ("people/ghosts.json", r#"{"casper":{"groups":["ghosts"],"kind":"person","level":"senior"}}"#),
        ("profiles/payments.json", r#"{"people":{"eve":{"name":"Eve"}},"salt":"00112233445566778899aabbccddeeff"}"#),
        (
            "profiles/payments.json",
            r#"{"people":{"ada":{"mails":["linus@example.com"]}},"salt":"00112233445566778899aabbccddeeff"}"#,
        ),
        (
            "profiles/payments.json",
            r#"{"people":{"ada":{"mails":["Ada@example.com"]}},"salt":"00112233445566778899aabbccddeeff"}"#,
        ),
        ("rules/documented.cedar", "permit (principal, action, resource);"),
    ]
    .map(|(path, content)| format!("{path}: {}", refused(path, Some(content))));
    assert_snapshot!(said.join("\n"), @"
    systems/search.json: catalog-invalid: the catalog does not hold: systems/search.json: there is no group `nobody`, which owns it
    systems/search.json: not-canonical: systems/search.json (DIGEST) is not in its canonical spelling
    systems/search.json: malformed-blob: systems/search.json (DIGEST) is not what it should be: tier 5 is not one of 1, 2, 3, 4 at line 1 column 30
    systems/search.json: catalog-invalid: the catalog does not hold: systems/search.json: there is no system `billing`, which it depends on
    systems/check-out.json: catalog-invalid: the catalog does not hold: systems/checkout.json: system `checkout` is too easily read as `check-out`
    groups/payments.json: catalog-invalid: the catalog does not hold: groups/payments.json: the groups above it lead back to it
    groups/payments.json: catalog-invalid: the catalog does not hold: groups/payments.json: there is no group `nobody` above it
    settings.json: catalog-invalid: the catalog does not hold: settings.json: `production` is production and no environment
    settings.json: catalog-invalid: the catalog does not hold: settings.json: there is no environment
    people/discovery.json: governance-path: grace is in `people/discovery.json`, but belongs into people/payments.json
    people/discovery.json: catalog-invalid: the catalog does not hold: profiles/discovery.json: there is a profile of linus, who is nobody
    profiles/discovery.json: there is a profile of mallory, who is nobody
    people/ghosts.json: catalog-invalid: the catalog does not hold: people/ghosts.json: there is no group `ghosts`, which casper is in
    profiles/payments.json: catalog-invalid: the catalog does not hold: profiles/payments.json: there is a profile of eve, who is nobody
    profiles/payments.json: catalog-invalid: the catalog does not hold: profiles/payments.json: linus@example.com of ada is linus's already
    profiles/payments.json: catalog-invalid: the catalog does not hold: profiles/payments.json: `Ada@example.com` is not in lower case
    rules/documented.cedar: rules-invalid: the rules do not hold: documented.cedar:1: a rule is a `forbid`, never a `permit`
      hint: what no rule forbids is permitted; turn the condition round: `forbid … when { it applies } unless { it is met }`
    ");
}

#[test]
fn nobody_takes_the_servers_name_or_anothers_key() {
    let world = World::new();
    let person = |id: &str, key: &str| {
        let key = world.keys[key].public();
        let people = serde_json::json!({
            "linus": {"groups": ["discovery"], "keys": [world.keys["linus"].public()], "kind": "person", "level": "standard"},
            "mallory": {"groups": ["discovery"], "kind": "person", "level": "standard"},
            id: {"groups": ["discovery"], "keys": [key], "kind": "person", "level": "standard"},
        });
        refused("people/discovery.json", Some(&String::from_utf8(canonical::to_bytes(&people).unwrap()).unwrap()))
    };
    assert_snapshot!(person("countersign", "stranger"), @"catalog-invalid: the catalog has a User called `countersign`, the name that the server itself speaks under");
    assert_snapshot!(person("mallory", "grace"), @"
    catalog-invalid: the catalog does not hold: people/payments.json: key DIGEST of grace is mallory's already
      hint: a key belongs to one actor
    ");
}

#[test]
fn a_list_of_files_that_is_not_what_it_should_be_is_refused() {
    let mut world = World::new();
    let publication = world.publication(&[]);
    let mut with = |manifest: Vec<u8>| {
        let files = world.blob(manifest);
        told(world.publish(Publication { files, ..publication.clone() }))
    };
    let too_many: Replacements = (0..=MAX_FILES).map(|n| (format!("systems/s{n}.json"), None)).collect();
    let said = [
        with(b"[]".to_vec()),
        with(b" {}".to_vec()),
        with(br#"{"settings.json":"sha256:00"}"#.to_vec()),
        with(canonical::to_bytes(&too_many).unwrap()),
    ];
    assert_snapshot!(said.join("\n"), @"
    malformed-blob: the list (DIGEST) is not what it should be: invalid type: sequence, expected a map at line 1 column 0
    not-canonical: the list (DIGEST) is not in its canonical spelling
    malformed-blob: the list (DIGEST) is not what it should be: `00` is not 64 lower-case hexadecimal digits at line 1 column 28
    too-many-files: more than 50000 governance files
    ");
    let missing = Publication { files: Digest::of("nowhere"), ..publication };
    assert_snapshot!(told(world.publish(missing)), @"blob-missing: blob DIGEST, which is the list of governance files, is missing");
}

#[test]
fn a_genesis_has_every_file_and_takes_none_away() {
    let founded = |files: fn(&mut Files)| told(World::founded(files, |_| {}).map(|world| world.size()));
    assert_snapshot!(founded(|files| drop(files.remove("settings.json"))), @"catalog-invalid: the catalog does not hold: settings.json: there is no environment");
    assert_snapshot!(founded(|files| drop(files.remove("groups/payments.json"))), @"
    catalog-invalid: the catalog does not hold: systems/checkout.json: there is no group `payments`, which owns it
    people/payments.json: there is no group `payments`, which ada is in
    people/payments.json: there is no group `payments`, which grace is in
    ");
    let mut world = World::new();
    let statement = Statement::parse(world.leaves[0].leaf.envelope.payload()).unwrap();
    let Body::Genesis(mut genesis) = statement.body.clone() else { panic!("no genesis") };
    genesis.files = world.blob(br#"{"settings.json":null}"#.to_vec());
    let begun = Governance::begin(&statement, &genesis, Digest::of("it"), &blob_of(&world.blobs));
    assert_snapshot!(told(begun.map(|governance| governance.record)), @"governance-path: a genesis takes no file away: `settings.json`");
}

#[test]
fn only_what_differs_is_replaced() {
    let world = World::new();
    let in_force = &world.state.governance.record.files;
    let mut files = governance_files(&world.keys);
    assert!(replacements(in_force, &files).is_empty());
    files.remove("rules/documented.cedar");
    files.insert(SEARCH.to_owned(), b"{}".to_vec());
    files.insert("systems/billing.json".to_owned(), b"{}".to_vec());
    let expected = BTreeMap::from([
        ("rules/documented.cedar".to_owned(), None),
        (SEARCH.to_owned(), Some(Digest::of("{}"))),
        ("systems/billing.json".to_owned(), Some(Digest::of("{}"))),
    ]);
    assert_eq!(replacements(in_force, &files), expected);
}

#[test]
fn a_catalog_reads_back_from_its_files() {
    let world = World::new();
    let catalog = &world.state.governance.catalog;
    let salts = |path: &str| {
        let digest = world.state.governance.record.files[path];
        countersign_core::catalog::Catalog::salt_of(&world.blobs[&digest]).unwrap()
    };
    let mut files = governance_files(&world.keys);
    files.retain(|path, _| !path.starts_with("rules/"));
    assert_eq!(catalog.to_files(salts).unwrap(), files, "with the same salts nothing changes");
}

// Semantics.

fn raised(world: &mut World, semantics: u32) -> Result<Digest, Refusal> {
    let publication = world.publication(&[]);
    world.publish(Publication { semantics: Some(semantics), ..publication })
}

#[test]
fn a_log_raised_to_a_newer_semantics_is_newer_and_not_broken() {
    let mut world = World::new();
    let change = world.whole_life();
    raised(&mut world, 2).unwrap();
    assert_eq!(world.state.governance.record.semantics.number(), 2);
    let before = world.state.all_heads().clone();
    let refusal = world.approve("linus", &change).unwrap_err();
    assert_eq!((refusal.class, refusal.code), (RefusalClass::Newer, "newer-semantics"));
    assert_snapshot!(refusal.to_string(), @"the log has semantics 2, which is newer than this program (it knows 1)");
    assert_eq!(*world.state.all_heads(), before);
    // Not even another publication is read.
    assert_eq!(raised(&mut world, 3).unwrap_err().class, RefusalClass::Newer);
}

#[test]
fn semantics_are_only_raised() {
    let mut world = World::new();
    assert_snapshot!(told(raised(&mut world, 1)), @"semantics-not-raised: semantics 1 are in force; a publication can only raise them, not to 1");
    assert_snapshot!(told(raised(&mut world, 0)), @"semantics-not-raised: semantics 1 are in force; a publication can only raise them, not to 0");
    assert_eq!(world.state.governance.record.semantics, Semantics::known(NEWEST_SEMANTICS).unwrap());
}

#[test]
fn a_genesis_of_a_newer_semantics_is_newer() {
    let of = |semantics| World::founded(|_| {}, |genesis: &mut Genesis| genesis.semantics = semantics);
    let refusal = of(2).map(|world| world.size()).unwrap_err();
    assert_eq!(refusal.class, RefusalClass::Newer);
    assert_snapshot!(refusal.to_string(), @"the log has semantics 2, which is newer than this program (it knows 1)");
    assert_eq!(of(0).map(|world| world.size()).unwrap_err().class, RefusalClass::Malformed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_a_governance_file_never_panic(
        path in prop::sample::select(vec!["settings.json", SEARCH, "groups/payments.json", "people/_.json", "profiles/_.json", "rules/a.cedar"]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut world = World::new();
        prop_assert!(publish(&mut world, &[(path, Some(&bytes))]).is_err());
    }
}
