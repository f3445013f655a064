//! Counting roles that were delegated: a delegator's role is there once, and not beside the delegator.

use std::collections::BTreeSet;

use countersign_core::{
    ids::ActorId,
    requirement::{Part, Role, parse_parts},
    rules::count::{has_role, in_role, independent_approvals, unfilled},
    snapshot::{Applier, ApprovalView, DelegatedView, Snapshot, TargetView},
};
use countersign_ledger::{Digest, Time};
use proptest::prelude::*;

use super::{id, snapshot, target};

/// Who approves, whether they are a senior or an owner themselves, and of whom they have which role.
type Approves<'a> = (&'a str, bool, bool, &'a [(&'a str, &'a str)]);

fn approved(approves: &[Approves<'_>]) -> Snapshot {
    let mut snapshot = snapshot();
    let checkout = snapshot.targets[0].target.clone();
    for (by, senior, owns, lent) in approves {
        let owned = owns.then(|| checkout.system.clone());
        snapshot.approve(id(by), *senior, owned);
        let approval = snapshot.approvals.iter_mut().find(|approval| approval.by == id(by)).unwrap();
        approval.delegated = lent
            .iter()
            .map(|(of, role)| DelegatedView {
                of: id(of),
                role: role.parse().unwrap(),
                statement: Digest::of(of),
                targets: [checkout.clone()].into(),
                until: Time::from_unix_millis(i64::MAX),
            })
            .collect();
    }
    snapshot
}

fn seniors(approves: &[Approves<'_>]) -> u32 {
    let snapshot = approved(approves);
    in_role(&snapshot, &snapshot.targets[0], &Role::Senior)
}

fn open(snapshot: &Snapshot, parts: &str) -> usize {
    let parts: Vec<Part> = parse_parts(parts).unwrap();
    unfilled(snapshot, &snapshot.targets[0], &parts).len()
}

#[test]
fn a_delegated_role_counts_once_and_not_beside_its_delegator() {
    let of_grace: &[(&str, &str)] = &[("grace", "senior")];
    assert_eq!(seniors(&[("linus", false, false, of_grace)]), 1);
    // Two stand in for one.
    assert_eq!(seniors(&[("linus", false, false, of_grace), ("trudy", false, false, of_grace)]), 1);
    // She approves herself: one of the two is she.
    assert_eq!(seniors(&[("linus", false, false, of_grace), ("grace", true, false, &[])]), 1);
    // Of two delegators each of two takes one, whichever is asked first.
    let of_both: &[(&str, &str)] = &[("grace", "senior"), ("barbara", "senior")];
    assert_eq!(seniors(&[("linus", false, false, of_both), ("trudy", false, false, of_grace)]), 2);
    assert_eq!(seniors(&[("trudy", false, false, of_both), ("linus", false, false, of_grace)]), 2);
    // Who is a senior needs nobody's role, and has it once.
    assert_eq!(seniors(&[("barbara", true, false, of_grace), ("linus", false, false, of_grace)]), 2);
    assert_eq!(seniors(&[("barbara", true, false, of_grace)]), 1);
    // Another role is another.
    assert_eq!(seniors(&[("linus", false, false, &[("grace", "owner")])]), 0);
    // Of whoever made it nothing is lent, nor of who applies it.
    assert_eq!(seniors(&[("linus", false, false, &[("ada", "senior")])]), 0);
    let mut snapshot = approved(&[("linus", false, false, of_grace)]);
    snapshot.applier = Some(Applier::Is(id("grace")));
    assert_eq!(in_role(&snapshot, &snapshot.targets[0], &Role::Senior), 0);
    // It is for the targets that it names.
    let elsewhere = target("search/production", 3);
    assert_eq!(in_role(&approved(&[("linus", false, false, of_grace)]), &elsewhere, &Role::Senior), 0);
}

#[test]
fn different_people_do_not_share_one_delegators_word() {
    let both: &[(&str, &str)] = &[("grace", "senior"), ("grace", "owner")];
    let one = approved(&[("linus", false, false, both)]);
    assert_eq!(open(&one, "senior:1+owner:1"), 1);
    // Two people by one person's authority are one.
    let two =
        approved(&[("linus", false, false, &[("grace", "senior")]), ("trudy", false, false, &[("grace", "owner")])]);
    assert_eq!(open(&two, "senior:1+owner:1"), 1);
    let apart =
        approved(&[("linus", false, false, &[("grace", "senior")]), ("trudy", false, false, &[("barbara", "owner")])]);
    assert_eq!(open(&apart, "senior:1+owner:1"), 0);
}

const APPROVERS: [&str; 4] = ["linus", "mallory", "trudy", "edsger"];
const LENDERS: [&str; 5] = ["barbara", "grace", "ada", "linus", "donald"];
const ROLES: [&str; 3] = ["senior", "owner", "group:red"];

fn any_approvals() -> impl Strategy<Value = Snapshot> {
    let lent = proptest::collection::btree_set((0..LENDERS.len(), 0..ROLES.len()), 0..4);
    proptest::collection::vec((any::<bool>(), 0..6_u8, lent), 0..=APPROVERS.len()).prop_map(|approves| {
        let lent: Vec<Vec<(&str, &str)>> = approves
            .iter()
            .map(|(_, _, lent)| lent.iter().map(|(of, role)| (LENDERS[*of], ROLES[*role])).collect())
            .collect();
        let each = approves.iter().zip(&lent).zip(APPROVERS);
        let approves: Vec<Approves<'_>> =
            each.map(|(((senior, owns, _), lent), by)| (by, *senior, *owns == 0, lent.as_slice())).collect();
        approved(&approves)
    })
}

/// Whose word somebody brings: their own, or that of one of whom they have the role.
fn words<'a>(snapshot: &Snapshot, by: &'a ApprovalView, role: &Role, view: &TargetView) -> Vec<Option<&'a ActorId>> {
    let mut words = Vec::new();
    if has_role(snapshot, by, role, view) {
        words.push(None);
    }
    let approve = independent_approvals(snapshot);
    let lends = by.delegated.iter().filter(|lent| lent.role.to_string() == role.to_string());
    let apart = lends.filter(|lent| !snapshot.contributors.contains(&lent.of) && !approve.contains_key(&lent.of));
    words.extend(apart.map(|lent| Some(&lent.of)));
    words
}

/// How many of these places can be filled, by trying everything: each by somebody else, and no delegator's word twice.
fn tried(snapshot: &Snapshot, places: &[Role], used: &mut BTreeSet<String>) -> usize {
    let Some((place, others)) = places.split_first() else { return 0 };
    let view = snapshot.targets[0].clone();
    // Nobody fills it.
    let mut best = tried(snapshot, others, used);
    for (by, approval) in independent_approvals(snapshot) {
        if used.contains(by.as_str()) {
            continue;
        }
        for word in words(snapshot, approval, place, &view) {
            let of = word.map(|of| format!("word of {of}"));
            if of.as_ref().is_some_and(|of| used.contains(of)) {
                continue;
            }
            used.insert(by.to_string());
            used.extend(of.clone());
            best = best.max(1 + tried(snapshot, others, used));
            used.remove(by.as_str());
            used.retain(|known| Some(known) != of.as_ref());
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn delegated_roles_are_counted_as_trying_everything_counts_them(snapshot in any_approvals()) {
        let view = snapshot.targets[0].clone();
        for role in [Role::Senior, Role::Owner, Role::Group("red".parse().unwrap()), Role::Independent] {
            let places = vec![role.clone(); APPROVERS.len()];
            let counted = in_role(&snapshot, &view, &role);
            prop_assert_eq!(counted as usize, tried(&snapshot, &places, &mut BTreeSet::new()), "{}", role);
            prop_assert!(counted <= in_role(&snapshot, &view, &Role::Independent));
        }
        for parts in ["senior:1+owner:1", "senior:2+owner:1", "senior:1+owner:1+group:red:1", "independent:2+senior:1"] {
            let asked = parse_parts(parts).unwrap();
            let places: Vec<Role> =
                asked.iter().flat_map(|part| vec![part.role.clone(); part.count as usize]).collect();
            let filled = tried(&snapshot, &places, &mut BTreeSet::new());
            prop_assert_eq!(unfilled(&snapshot, &view, &asked).len(), places.len() - filled, "{}", parts);
        }
    }
}
