//! Verification: an honest log passes, and whatever is changed in it is found and named, whoever changed it.

mod captured;
mod complete;
mod erased;
mod newer;
mod part;
mod shelved;

use std::collections::BTreeSet;

use countersign_core::{
    calendar::{FetchedFile, Scope},
    governance::files_named,
    ids::FindingId,
    statement::{
        Body, CalendarFetched, Decided, Erased, Finding, FindingAnswer, GuidanceObservation, IdentityVerdict, LabelAct,
        Matter, OutcomeResult, PermitRequest, Publication, Seen, Statement,
    },
    trust::Trust,
    verify::{Evidence, Report, Verdict, verify},
};
use countersign_ledger::{Checkpoint, Digest, Envelope, Hash, Leaf, LogKey};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::kit::{FixedRng, Identity, ORIGIN, World, author, blob_of, body, facts, file, id, masked};

pub fn check(world: &World, evidence: &Evidence) -> Report {
    verify(&world.trust, evidence, world.now)
}

/// The first step that is broken, the index that it names, and why, without digests.
fn broken(report: &Report) -> String {
    assert!(!report.holds(), "it holds");
    assert!(report.state.is_none(), "what is broken leaves no state");
    let step = report.steps.iter().find(|step| step.verdict == Verdict::Broken).unwrap();
    let index = step.index.map_or("nowhere".to_owned(), |index| format!("at {index}"));
    masked(&format!("{} {index}: {}", step.name, step.detail))
}

/// One of every kind: a change that was applied, one that was rejected and revised, commits through a gate, one that was
/// withdrawn; a publication, revoked keys.
fn lively() -> World {
    let mut world = World::new();
    let rejected = world.proposal("search/production", &file("timeout: 99"), None);
    let rejected = world.begin("ada", rejected);
    world.reject("linus", &rejected).unwrap();
    world.now = world.now.plus_secs(24 * 60 * 60);
    world.whole_life();
    let change = world.propose("ada", "checkout/production");
    world.approve("linus", &change).unwrap();
    world.reject("grace", &change).unwrap();
    let push = world.new_revision(&change, &file("timeout: 31"), None);
    world.say("ada", push).unwrap();
    world.disclose("ada", &change, &["robo"], &[]).unwrap();
    let renamed = renamed_rule(&mut world);
    world.publish(renamed).unwrap();
    world.lift("grace", &change).unwrap();
    world.approve("grace", &change).unwrap();
    world.ask("ada", &change).unwrap_err();
    world.revoke("barbara", "ada-laptop").unwrap();
    world.confirm("grace", "ada-laptop").unwrap();
    world.approve("linus", &change).unwrap();
    let permit = world.ask("ada", &change).unwrap();
    world.report("ada", &change, permit, OutcomeResult::Started).unwrap();
    world.report("ada", &change, permit, OutcomeResult::Failed).unwrap();
    through_the_gate(&mut world);
    let change = world.propose("linus", "search/production");
    world.withdraw("linus", &change).unwrap();
    world.revoke("barbara", "git-gate").unwrap();
    let text = world.change(&change).revisions[0].text;
    world.erased(&["ada", "linus"], Erased::Change(change), [text]).unwrap();
    world.set_aside("grace", &rejected, "linus").unwrap();
    world.withdraw("ada", &rejected).unwrap();
    world.revoke("linus", "mallory").unwrap();
    world.confirm("grace", "mallory").unwrap();
    let remarked = world.propose("ada", "search/production");
    world.approve("grace", &remarked).unwrap();
    world.take_back("grace", &remarked).unwrap();
    world.comment("grace", &remarked).unwrap();
    world.label("grace", LabelAct::PutOn, &remarked, "hold").unwrap();
    let evidence = world.evidence_of(&remarked);
    world.say("ci", evidence).unwrap();
    world.withdraw("ada", &remarked).unwrap();
    let unable =
        Matter::NobodyCan { rule: "owner-approves".parse().unwrap(), target: "search/production".parse().unwrap() };
    let found =
        Finding { apart: [].into(), due: world.now.plus_secs(60), text: None, what: unable, who: [id("ada")].into() };
    let finding = FindingId::of_finding(&world.say("countersign", Body::Finding(found.clone())).unwrap());
    let text = world.reason("ada has asked for another owner");
    world.say("ada", Body::FindingAnswer(FindingAnswer { finding, seen: None, text, what: found.what })).unwrap();
    world.begin_epoch(&["ada", "grace"], 2).unwrap();
    for name in ["barbara-2", "mallory-2"] {
        world.spare(name);
    }
    world.rotate("barbara", "barbara", "barbara-2").unwrap();
    world.recover("ada", &["ada", "grace"], &[("mallory", "mallory-2")]).unwrap();
    let freeze = world.freeze("grace", Scope::default(), 1).unwrap();
    world.thaw(&["grace"], freeze).unwrap();
    let delegation = world.delegate("grace", "senior", "linus", 7).unwrap();
    world.end_delegation("linus", ("grace", "linus"), delegation).unwrap();
    let away = world.away("grace", 7).unwrap();
    world.back("grace", [away]).unwrap();
    let put_off = world.propose("ada", "search/production");
    world.schedule("ada", &put_off, (Some(3_600), None)).unwrap();
    world.subscribe("use: freeze\nsystems: [search]\nfrom: https://calendar.example/team.ics\n");
    let nothing = world.blob(FetchedFile { events: Vec::new() }.to_bytes().unwrap());
    let fetched = CalendarFetched { calendar: "team".to_owned(), content: nothing };
    world.say("countersign", Body::CalendarFetched(fetched)).unwrap();
    world
}

/// Commits of which one is by somebody unknown, rejected for a while, approved, with a rule waived, and landed.
fn through_the_gate(world: &mut World) {
    world.register_gate();
    let nobody: Identity = author("somebody@elsewhere.example");
    let change = world.propose_git("ada", &facts(9, &[author("ada@example.com"), nobody.clone()]));
    world.identify("mallory", &change, &nobody, IdentityVerdict::Automation).unwrap();
    world.reject("mallory", &change).unwrap();
    world.lift("mallory", &change).unwrap();
    world.approve("barbara", &change).unwrap();
    world.waive("grace", &change, "owner-approves").unwrap();
    let revision = world.revision(&change);
    let observation = GuidanceObservation { change: change.clone(), documents: vec![], revision };
    world.say("countersign", Body::GuidanceObservation(observation)).unwrap();
    let transition = world.transition(&change);
    let request = world.request("git-gate", &change, &transition);
    let request = PermitRequest { gate: "shop-gate".parse().unwrap(), ..request };
    let permit = world.ask_for("ada", request).unwrap();
    let report = world.outcome(&change, permit, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    let burning = world.propose_git("ada", &facts(10, &[author("ada@example.com")]));
    let glass = world.glass(&burning);
    let opened = world.say("linus", Body::BreakGlass(glass)).unwrap();
    let report = world.outcome(&burning, opened, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
    let drill = world.drill("search/production");
    world.say("linus", Body::Drill(drill)).unwrap();
    let cut_off = world.propose_git("ada", &facts(11, &[author("ada@example.com")]));
    world.approve("barbara", &cut_off).unwrap();
    let alone = world.local_permit(&cut_off);
    let opened = world.say_with("shop-gate", &["git-gate"], Body::LocalPermit(alone)).unwrap();
    let report = world.outcome(&cut_off, opened, OutcomeResult::Applied);
    world.say_with("shop-gate", &["git-gate"], report).unwrap();
}

/// Publishes the same rules with another file name: new bytes, a new digest.
fn renamed_rule(world: &mut World) -> Publication {
    let text = crate::kit::rules().remove("documented.cedar").unwrap() + "// By tier.\n";
    world.publication(&[("rules/documented.cedar", None), ("rules/documented-by-tier.cedar", Some(text.as_bytes()))])
}

fn kind(leaf: &Leaf) -> &'static str {
    body(leaf).kind()
}

/// The leaf with another envelope.
fn enveloped(leaf: &Leaf, envelope: Envelope) -> Leaf {
    Leaf::new(leaf.lines().to_vec(), leaf.admitted_at, envelope).unwrap()
}

/// Everything that a state has to say of a log.
fn everything(state: &countersign_core::state::State) -> impl PartialEq + std::fmt::Debug {
    let changes: Vec<_> = state.changes().cloned().collect();
    let people: Vec<_> = state.people().map(|(id, record)| (id.clone(), record.clone())).collect();
    let gates: Vec<_> = state.gates().map(|(id, record)| (id.clone(), record.clone())).collect();
    (changes, people, gates, state.all_heads().clone(), state.governance.record.clone())
}

#[test]
fn an_honest_log_holds() {
    let world = lively();
    let report = check(&world, &world.evidence());
    assert!(report.holds(), "{report:?}");
    let said: Vec<String> = report.steps.iter().map(|step| format!("{} {:?}", step.name, step.verdict)).collect();
    assert_eq!(
        said,
        ["checkpoint Holds", "leaves Holds", "blobs Holds", "genesis Holds", "statements Holds", "decisions Holds"]
    );
    assert_eq!(everything(&report.state.unwrap()), everything(&world.state));
    let kinds: BTreeSet<&str> = world.leaves.iter().map(|leaf| kind(&leaf.leaf)).collect();
    assert_eq!(kinds, countersign_core::statement::KINDS.iter().copied().collect());
}

#[test]
fn an_honest_log_of_ten_thousand_leaves_holds() {
    let mut world = World::new();
    while world.size() < 10_000 {
        world.now = world.now.plus_secs(60);
        world.whole_life();
    }
    let evidence = world.evidence();
    let report = check(&world, &evidence);
    assert!(report.holds(), "{:?}", report.steps);
    let mut changed = evidence;
    changed.leaves.get_mut(&7_777).unwrap()[500] ^= 1;
    assert_eq!(check(&world, &changed).first_broken(), Some(7_777));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_bit_of_any_leaf_is_found_and_named(place in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (world, evidence, _) = shared();
        let mut changed = evidence.clone();
        let index = place.index(changed.leaves.len()) as u64;
        let bytes = changed.leaves.get_mut(&index).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(check(world, &changed).first_broken(), Some(index));
        // Where the copy has no tiles, the leaf may still betray itself; it is never said to hold.
        changed.hashes.clear();
        prop_assert!(!check(world, &changed).holds());
    }

    #[test]
    fn any_changed_bit_of_any_leaf_of_a_part_is_found_and_named(place in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (world, _, part) = shared();
        let mut changed = part.clone();
        let indices: Vec<u64> = changed.leaves.keys().copied().collect();
        let index = indices[place.index(indices.len())];
        let bytes = changed.leaves.get_mut(&index).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(check(world, &changed).first_broken(), Some(index));
    }

    #[test]
    fn any_changed_bit_of_any_blob_is_found_and_named_by_the_leaf_that_names_it(place in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (world, evidence, _) = shared();
        let digests: Vec<Digest> = evidence.blobs.keys().copied().collect();
        let digest = digests[place.index(digests.len())];
        let mut changed = evidence.clone();
        let bytes = changed.blobs.get_mut(&digest).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let named_by = world.leaves.iter().find(|leaf| names(world, &leaf.leaf).contains(&digest)).unwrap().index;
        prop_assert_eq!(check(world, &changed).first_broken(), Some(named_by));
    }

    #[test]
    fn any_two_leaves_that_change_places_are_found_at_the_first_of_them(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let (world, evidence, _) = shared();
        let (a, b) = (a.index(evidence.leaves.len()) as u64, b.index(evidence.leaves.len()) as u64);
        prop_assume!(a != b);
        let mut changed = evidence.clone();
        let first = changed.leaves[&a].clone();
        let second = changed.leaves.insert(b, first).unwrap();
        changed.leaves.insert(a, second);
        prop_assert_eq!(check(world, &changed).first_broken(), Some(a.min(b)));
        changed.hashes.clear();
        prop_assert!(!check(world, &changed).holds());
    }

    #[test]
    fn any_leaf_that_is_left_out_is_named(place in any::<prop::sample::Index>()) {
        let (world, evidence, _) = shared();
        let index = place.index(evidence.leaves.len()) as u64;
        let mut changed = evidence.clone();
        changed.leaves.remove(&index);
        prop_assert_eq!(check(world, &changed).first_broken(), Some(index));
    }
}

/// The blobs that a leaf names, itself or by its list of governance files.
fn names(world: &World, leaf: &Leaf) -> Vec<Digest> {
    let body = body(leaf);
    let files = files_named(&body, &blob_of(&world.blobs)).unwrap();
    body.blobs().into_iter().chain(files).collect()
}

/// A log, the whole copy of it, and the part that a change needs.
fn shared() -> &'static (World, Evidence, Evidence) {
    static SHARED: std::sync::LazyLock<(World, Evidence, Evidence)> = std::sync::LazyLock::new(|| {
        let world = lively();
        let (evidence, part) = (world.evidence(), world.part(&world.state.changes().next().unwrap().id));
        (world, evidence, part)
    });
    &SHARED
}

#[test]
fn without_tiles_a_changed_signature_or_statement_is_still_named() {
    let world = lively();
    for leaf in &world.leaves[1..] {
        let mut statement = Statement::parse(leaf.leaf.envelope.payload()).unwrap();
        statement.header.checkpoint.root = Hash::empty_tree();
        let payload = statement.encode().unwrap();
        let signatures = leaf.leaf.envelope.signatures().to_vec();
        let changed_leaf = enveloped(&leaf.leaf, Envelope::new(&payload, signatures).unwrap());
        let mut changed = world.evidence();
        changed.hashes.clear();
        changed.leaves.insert(leaf.index, changed_leaf.to_bytes());
        assert_eq!(check(&world, &changed).first_broken(), Some(leaf.index), "{}", kind(&leaf.leaf));
    }
}

#[test]
fn a_missing_blob_that_judging_needs_is_found() {
    let world = lively();
    let mut changed = world.evidence();
    changed.blobs.remove(&world.state.governance.record.files["rules/documented-by-tier.cedar"]);
    assert_snapshot!(broken(&check(&world, &changed)), @"statements at 16: leaf 16: blob DIGEST, which is the governance file `rules/documented-by-tier.cedar`, is missing");
}

#[test]
fn an_erased_text_breaks_nothing() {
    let world = lively();
    let change = world.state.changes().next().unwrap();
    let mut erased = world.evidence();
    erased.blobs.remove(&change.revisions[0].text).unwrap();
    assert!(check(&world, &erased).holds());
}

/// Whoever gave the trust file had seen the log so far: an older copy, or another one, is not it.
#[test]
fn a_copy_that_does_not_reach_the_pinned_checkpoint_is_refused() {
    let mut world = lively();
    let older = world.evidence();
    world.propose("linus", "search/production");
    let newer = world.evidence();
    let pinned = |note: &str| Trust { checkpoint: Some(note.to_owned()), ..world.trust.clone() };
    assert_snapshot!(broken(&verify(&pinned(&newer.checkpoint), &older, world.now)), @"checkpoint nowhere: it is of 81 leaves, and the trust file pins a checkpoint of 82: this is an older copy, or the log went back");
    assert!(verify(&pinned(&older.checkpoint), &newer, world.now).holds());
    let size = older.leaves.len() as u64;
    let other = Checkpoint { origin: ORIGIN.to_owned(), size, root: Hash::leaf(b"another") };
    let other = world.log_key.sign(&other).unwrap();
    assert_snapshot!(broken(&verify(&pinned(&other), &newer, world.now)), @"leaves nowhere: its first 81 leaves hash to DIGEST, and the trust file pins DIGEST");
}

#[test]
fn another_log_key_or_origin_or_genesis_is_not_the_pinned_one() {
    let world = lively();
    let evidence = world.evidence();
    let other = LogKey::generate(ORIGIN, &mut FixedRng(8)).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 1, root: world.leaves[0].hash };
    let signed_by_another = Evidence { checkpoint: other.sign(&checkpoint).unwrap(), ..evidence.clone() };
    assert_eq!(check(&world, &signed_by_another).steps[0].verdict, Verdict::Broken);
    let mut trust = world.trust.clone();
    trust.genesis = Digest::of("another");
    assert_snapshot!(broken(&verify(&trust, &evidence, world.now)), @"genesis at 0: wrong trust file, or a log that was founded anew: entry 0 is DIGEST, pinned is DIGEST");
    let mut trust = world.trust.clone();
    trust.origin = "shop/another".to_owned();
    assert_eq!(verify(&trust, &evidence, world.now).steps[0].verdict, Verdict::Broken);
}

#[test]
fn an_empty_or_cut_off_copy_is_broken() {
    let world = lively();
    let empty = Evidence { checkpoint: world.checkpoint(), ..Evidence::default() };
    assert_snapshot!(broken(&check(&world, &empty)), @"leaves at 0: leaf 0 of 81 is missing");
    assert!(!check(&world, &Evidence::default()).holds());
    let mut cut = world.evidence();
    let (last, _) = cut.leaves.pop_last().unwrap();
    assert_eq!(check(&world, &cut).first_broken(), Some(last));
    let mut more = world.evidence();
    more.leaves.insert(world.size(), b"one more".to_vec());
    assert_eq!(check(&world, &more).first_broken(), Some(world.size()));
}
