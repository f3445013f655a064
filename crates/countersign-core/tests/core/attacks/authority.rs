//! Attacks on the authority of others: one person who takes everybody's keys away, two who promote themselves, a rejection that
//! is shaken off, or that nobody can set aside.

use countersign_core::{
    admit::{Signed, bounds},
    explain::Explained,
    presence::Presence,
};

use super::*;
use crate::kit::governance_files;

const DAY: i64 = 24 * 60 * 60;

#[test]
fn one_person_takes_a_key_away_for_a_day_and_two_for_good() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    world.revoke("mallory", "linus").unwrap();
    assert_snapshot!(told(world.revoke("grace", "linus")), @"already-revoked: key DIGEST is already revoked by mallory");
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    world.now = world.now.plus_secs(DAY - 1);
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    // Nobody confirmed it: it ends, and nobody takes the key away again for a while.
    world.now = world.now.plus_secs(1);
    assert_eq!(world.standing(&change), "allow");
    assert_snapshot!(told(world.confirm("grace", "linus")), @"revocation-ended: nobody confirmed within a day that key DIGEST is revoked; it holds again");
    assert_snapshot!(told(world.revoke("grace", "linus")), @"revoked-lately: mallory revoked a key of linus within the last 30 days");
    world.now = world.now.plus_secs(30 * DAY);
    world.revoke("grace", "linus").unwrap();
    world.confirm("mallory", "linus").unwrap();
    world.now = world.now.plus_secs(2 * DAY);
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    assert_snapshot!(told(world.approve("linus", &change)), @"key-revoked: key DIGEST was revoked");
}

#[test]
fn who_revoked_or_is_revoked_does_not_confirm_and_neither_do_two_juniors() {
    let mut world = World::new();
    world.revoke("mallory", "ada").unwrap();
    assert_snapshot!(told(world.confirm("mallory", "ada")), @"third-person: mallory cannot confirm this revocation: another person does");
    let body = {
        let id = id("ada");
        let record = world.state.person(&id).unwrap().unwrap().revoked.values().next().unwrap().clone();
        Body::RevocationConfirmation(countersign_core::statement::RevocationConfirmation {
            key: world.keys["ada"].public().fingerprint(),
            of: crate::kit::holder("ada"),
            revocation: record.statement,
            revoked_by: record.by,
        })
    };
    assert_snapshot!(told(world.say_with("ada", &["ada-laptop"], body)), @"third-person: ada cannot confirm this revocation: another person does");
    assert_snapshot!(told(world.confirm("linus", "ada")), @"senior-needed: neither mallory nor linus is a senior; one of the two has to be");
    world.confirm("grace", "ada").unwrap();
    // One's own key one gives up alone, and for good.
    world.revoke("linus", "linus").unwrap();
    world.now = world.now.plus_secs(2 * DAY);
    assert_snapshot!(told(world.revoke("linus", "linus")), @"key-revoked: key DIGEST was revoked");
}

/// One newcomer's key cannot close a home.
#[test]
fn one_person_cannot_take_everybodys_keys_away() {
    let mut world = World::new();
    world.revoke("mallory", "ada").unwrap();
    world.revoke("mallory", "grace").unwrap();
    assert_snapshot!(told(world.revoke("mallory", "barbara")), @"too-many-revocations: mallory has revoked 2 keys of others that nobody has confirmed yet, and that is the most");
    let people = |world: &World| world.state.people().map(|(id, record)| (id.clone(), record.clone())).collect();
    let check = |world: &mut World, by: &str, key: &str| {
        let body = world.revocation(key);
        let signed = Signed::check(&world.sign(&world.statement(by, body), &[by])).unwrap();
        bounds(&world.state.governance, &people(world), &signed, world.now)
    };
    // In the whole home, too: one in twenty, at least one.
    assert_snapshot!(told(check(&mut world, "linus", "barbara")), @"too-many-suspended: keys of ada, grace are suspended now, and of this home no more than 1 at a time");
    world.now = world.now.plus_secs(DAY);
    check(&mut world, "linus", "barbara").unwrap();
    // None that leaves fewer than those who could recover the log.
    for (by, key) in [("grace", "mallory"), ("barbara", "linus"), ("grace", "barbara")] {
        world.revoke(by, key).unwrap();
    }
    world.confirm("ada", "linus").unwrap();
    world.confirm("barbara", "mallory").unwrap_err();
    world.confirm("ada", "barbara").unwrap();
    world.confirm("ada", "mallory").unwrap();
    assert_snapshot!(told(check(&mut world, "ada", "grace")), @"too-few-left: without key DIGEST, 1 people could act here, fewer than the 2 who could recover the log");
}

#[test]
fn who_suspends_another_grants_nothing_where_that_one_has_a_say() {
    let mut world = World::new();
    let (search, checkout) = (world.propose("ada", "search/production"), world.propose("ada", "checkout/production"));
    world.approve("mallory", &search).unwrap();
    assert_eq!(world.standing(&search), "allow");
    world.revoke("mallory", "linus").unwrap();
    // linus owns search, and has nothing to do with checkout.
    assert_snapshot!(world.standing(&search), @"owner-approves second-pair-of-eyes");
    world.approve("mallory", &checkout).unwrap();
    world.reject("barbara", &checkout).unwrap();
    world.revoke("mallory", "barbara").unwrap();
    let approvals = |world: &World| Snapshot::take(&world.state, world.change(&checkout), world.now).unwrap().approvals;
    assert_eq!(approvals(&world), []);
    // What barbara stopped stays so.
    assert!(world.standing(&checkout).contains("no-rejection"));
    let other = world.propose("ada", "search/production");
    assert_snapshot!(told(world.approve("mallory", &other)), @"suspends-another: mallory cannot approve change CHANGE: they have revoked a key of linus, who has a say in it");
    let publication = world.publication(&[("systems/search.json", Some(br#"{"owner":"discovery","tier":2}"#))]);
    assert_snapshot!(told(world.say_with("ada", &["ada", "mallory"], Body::Publication(publication))), @"suspends-another: mallory has revoked a key of linus, which nobody has confirmed, and grants nothing meanwhile");
    world.confirm("grace", "linus").unwrap();
    world.confirm("grace", "barbara").unwrap();
    assert_eq!(approvals(&world).len(), 1);
}

#[test]
fn two_juniors_do_not_promote_themselves() {
    let mut world = World::new();
    let of = |world: &World, name: &str| governance_files(&world.keys)[name].clone();
    let discovery = String::from_utf8(of(&world, "people/discovery.json")).unwrap();
    let raised = discovery.replace("\"level\":\"standard\"", "\"level\":\"director\"");
    let mut publish = |keys: &[&str]| {
        let publication = world.publication(&[("people/discovery.json", Some(raised.as_bytes()))]);
        world.say_with(keys[0], keys, Body::Publication(publication))
    };
    assert_snapshot!(told(publish(&["linus", "mallory"])), @"policy-group: nobody of the policy group has signed this");
    assert_snapshot!(told(publish(&["ada", "mallory"])), @"needs-a-change: `people/discovery.json` is put in force by a change that others could look at, and not by two signatures alone");
    assert_snapshot!(told(publish(&["ada", "grace"])), @"needs-a-change: `people/discovery.json` is put in force by a change that others could look at, and not by two signatures alone");
}

#[test]
fn a_rejection_follows_its_content_to_another_change() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    world.withdraw("ada", &change).unwrap();
    let again = world.propose("ada", "search/production");
    world.approve("linus", &again).unwrap();
    assert_eq!(world.standing(&again), "no-rejection");
    let elsewhere = world.propose("ada", "checkout/production");
    assert!(!world.standing(&elsewhere).contains("no-rejection"), "it is of these targets");
    assert_snapshot!(told(world.lift("linus", &again)), @"not-yours: no rejection by linus stands; only who rejected can lift it");
    // It is lifted where it was said, though that change is closed.
    assert_snapshot!(told(world.lift("mallory", &again)).replace(change.short(), "FIRST"), @"rejected-elsewhere: what holds change CHANGE is what mallory said of change FIRST, which has the same content");
    world.lift("mallory", &change).unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Withdrawn);
    assert_eq!(world.standing(&again), "allow");
}

#[test]
fn lifting_what_was_said_of_one_change_lifts_nothing_that_was_said_of_another() {
    let mut world = World::new();
    let [first, other, waiting] = [(); 3].map(|()| world.propose("ada", "search/production"));
    world.approve("linus", &waiting).unwrap();
    world.reject("mallory", &first).unwrap();
    world.reject("mallory", &other).unwrap();
    world.lift("mallory", &other).unwrap();
    assert_eq!(world.change(&first).status, ChangeStatus::Rejected);
    assert_eq!(world.standing(&waiting), "no-rejection");
    assert!(world.standing(&other).contains("no-rejection"), "what is said of the first holds it");
    let change = world.change(&waiting).clone();
    let told_to = Explained::standing(&world.state, &change, &Presence::default(), world.now).unwrap();
    let rule = told_to.explanation.rules.iter().find(|rule| rule.id.as_str() == "no-rejection").unwrap();
    assert_snapshot!(rule.obligations[0].missing.replace(first.short(), "FIRST"), @"mallory rejected the same content in change FIRST");
    assert!(rule.obligations[0].how.contains(&format!("countersign reject {} --lift", first.short())));
    world.lift("mallory", &first).unwrap();
    assert_eq!(world.standing(&waiting), "allow");
}

#[test]
fn who_has_rejected_it_elsewhere_does_not_approve_it() {
    let mut world = World::new();
    let [rejected, change] = [(); 2].map(|()| world.propose("ada", "search/production"));
    world.approve("mallory", &change).unwrap();
    world.reject("linus", &rejected).unwrap();
    assert_snapshot!(told(world.approve("linus", &change)).replace(rejected.short(), "REJECTED"), @"your-rejection-stands: linus has rejected in change REJECTED what change CHANGE brings");
    // Whose key is taken away lifts nothing, and what they said stands.
    world.revoke("barbara", "linus").unwrap();
    assert_eq!(world.standing(&change), "no-rejection");
    world.now = world.now.plus_secs(2 * DAY);
    assert_eq!(world.standing(&change), "no-rejection");
    world.lift("linus", &rejected).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn two_people_set_a_rejection_aside_after_a_day_for_one_content() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.reject("mallory", &change).unwrap();
    assert_snapshot!(told(world.set_aside("grace", &change, "mallory")), @"rejected-lately: mallory rejected it less than a day ago, and may yet say what would make it right");
    world.now = world.now.plus_secs(DAY);
    assert_snapshot!(told(world.set_aside("ada", &change, "mallory")), @"contributor: ada cannot set a rejection aside in change CHANGE: they had a hand in it");
    assert_snapshot!(told(world.set_aside("mallory", &change, "mallory")), @"third-person: nobody sets their own rejection aside");
    assert_snapshot!(told(world.set_aside("grace", &change, "linus")), @"no-rejection: no rejection by linus stands here");
    world.set_aside("grace", &change, "mallory").unwrap();
    assert_snapshot!(told(world.set_aside("grace", &change, "mallory")), @"already-set-aside: grace has already set it aside for this content");
    assert!(world.standing(&change).contains("no-rejection"), "it takes two");
    world.set_aside("barbara", &change, "mallory").unwrap();
    assert_eq!(world.change(&change).status, ChangeStatus::Proposed);
    assert_snapshot!(told(world.approve("barbara", &change)), @"set-aside: barbara has set a rejection of change CHANGE aside, and does not approve it besides");
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    // Other content is another question.
    let push = world.new_revision(&change, &file("timeout: 31"), None);
    world.say("ada", push).unwrap();
    assert!(world.standing(&change).contains("no-rejection"));
}

#[test]
fn one_person_does_not_stop_everything_on_what_they_do_not_own() {
    let mut world = World::new();
    for _ in 0..5 {
        let change = world.propose("ada", "checkout/production");
        world.reject("mallory", &change).unwrap();
    }
    let change = world.propose("ada", "checkout/production");
    assert_snapshot!(told(world.reject("mallory", &change)), @"too-many-rejections: 5 rejections by mallory stand on these targets, which they do not own");
    world.reject("grace", &change).unwrap();
}

#[test]
fn an_approval_without_the_content_at_hand_does_not_count() {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    let mut approval = world.approval(&change);
    approval.seen = countersign_core::statement::Seen::None;
    assert_snapshot!(told(world.say("linus", Body::Approval(approval.clone()))), @"unseen: an approval without the content at hand does not count here");
    let settings = br#"{"environments":["development","production","staging"],"production":["production"],"unseen_approvals":true}"#;
    let publication = world.publication(&[("settings.json", Some(settings))]);
    world.publish(publication).unwrap();
    world.say("linus", Body::Approval(approval)).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

/// Whoever hides behind an unmapped mail could say that it is somebody else's, and approve.
#[test]
fn who_says_whose_an_unmapped_mail_is_is_no_second_pair_of_eyes() {
    for verdict in [IdentityVerdict::Automation, IdentityVerdict::Is(id("ada"))] {
        let mut world = World::new();
        let hidden = author("somebody@elsewhere.example");
        let change = of_commits(&mut world, &[author("ada@example.com"), hidden.clone()]);
        world.identify("linus", &change, &hidden, verdict).unwrap();
        let refused = told(world.approve("linus", &change));
        assert!(refused.starts_with("identified-an-author: linus cannot approve"), "{refused}");
        world.approve("mallory", &change).unwrap();
        assert_eq!(world.standing(&change), "allow");
    }
}

#[test]
fn an_ai_tool_as_author_was_driven_by_somebody() {
    let mut world = World::new();
    let mut tool = author("noreply@anthropic.com");
    tool.agent = true;
    let change = of_commits(&mut world, &[tool]);
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "identities-known");
    // Whoever is said to have driven it had a hand in it.
    world.disclose("ada", &change, &["claude"], &["linus"]).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    world.approve("mallory", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
}

/// Enforce, watch, land, enforce: what was enforced is only watched when two people say so, also where the gate stopped guarding
/// it in between, or guards it on a branch that it never named before.
#[test]
fn from_enforcing_to_watching_a_gate_takes_two_people() {
    let mut world = World::new();
    let registration = world.registration();
    world.say("linus", Body::GateRegistration(registration)).unwrap();
    let watching = |world: &World, branch: &str| GateRegistration {
        map: Some(Digest::of("map")),
        watching: [(branch.to_owned(), world.registration().targets)].into(),
        ..world.registration()
    };
    let main = watching(&world, "refs/heads/main");
    assert_snapshot!(told(world.say("linus", Body::GateRegistration(main.clone()))), @"two-people: to have a gate only watch what it enforced needs 2 people, this has 1");
    // Nor by dropping it first.
    let elsewhere = GateRegistration { targets: crate::kit::targets(&["search/staging"]), ..world.registration() };
    world.say("linus", Body::GateRegistration(elsewhere)).unwrap();
    assert_snapshot!(told(world.say("linus", Body::GateRegistration(main.clone()))), @"two-people: to have a gate only watch what it enforced needs 2 people, this has 1");
    assert_snapshot!(told(world.say_with("linus", &["linus", "mallory"], Body::GateRegistration(main.clone()))), @"policy-group: one of the two who sign has to be of the policy group");
    world.say_with("linus", &["linus", "ada"], Body::GateRegistration(main.clone())).unwrap();
    // What the log says already needs nobody again; another branch does.
    world.say("linus", Body::GateRegistration(main)).unwrap();
    let release = watching(&world, "refs/heads/release");
    assert_snapshot!(told(world.say("linus", Body::GateRegistration(release))), @"two-people: to have a gate only watch what it enforced needs 2 people, this has 1");
    // Back takes one.
    let registration = world.registration();
    world.say("linus", Body::GateRegistration(registration)).unwrap();
}

/// A gate that is new may watch from the beginning: nobody relies on it yet.
#[test]
fn a_new_gate_watches_on_one_signature_and_names_what_it_guards() {
    let mut world = World::new();
    let registration = world.registration();
    let of = |branch: &str, targets: &[&str]| {
        let watching = [(branch.to_owned(), crate::kit::targets(targets))].into();
        let map = Some(Digest::of("map"));
        Body::GateRegistration(GateRegistration { map, watching, ..registration.clone() })
    };
    assert_snapshot!(told(world.say("barbara", of("main", &["search/production"]))), @"gate-watches: what is watched is named by a branch in full (refs/heads/main, at most 200 bytes) and what reaches it there");
    assert_snapshot!(told(world.say("barbara", of("refs/heads/main", &["checkout/production"]))), @"gate-watches: the gate is to watch checkout/production on refs/heads/main, and does not guard it");
    world.say("barbara", of("refs/heads/main", &["search/production"])).unwrap();
    let record = world.state.gate(&registration.gate).unwrap().unwrap();
    assert!(record.watches("refs/heads/main", &"search/production".parse().unwrap()));
    assert!(crate::verify::check(&world, &world.evidence()).holds());
}
