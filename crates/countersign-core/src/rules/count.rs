//! Counting approvals: the one function that rules trust, because Cedar cannot count.
//!
//! Invariant, for every snapshot: `0 <= senior <= independent` and `0 <= owner <= independent`. A person counts once, and
//! where nobody is known to have made the change nobody counts as a second pair of eyes. A role that was delegated counts once,
//! and not where its delegator approves as well.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::sshsig::Assurance;

use crate::{
    ids::ActorId,
    requirement::{MAX_APPROVALS, Part, Role},
    snapshot::{Applier, ApprovalView, Snapshot, TargetView},
    statement::Seen,
};

/// Distinct people who countersigned the revision, by what they are to one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Had no hand in the change.
    pub independent: u32,
    /// Independent, and own the target's system.
    pub owner: u32,
    /// Independent, and senior.
    pub senior: u32,
}

/// Whether an approval is one by somebody in the role for the target, supposing that they are independent.
pub fn has_role(snapshot: &Snapshot, approval: &ApprovalView, role: &Role, target: &TargetView) -> bool {
    match role {
        Role::Independent => true,
        Role::Owner => approval.owns.contains(&target.target.system),
        Role::Senior => approval.senior,
        Role::Group(group) => snapshot.is_in(&approval.by, group),
        Role::Touch => approval.assurance >= Assurance::Touch,
        Role::Verified => approval.assurance >= Assurance::UserVerified,
        Role::Recent(hours) => approval.hours.is_some_and(|ago| ago <= *hours),
        Role::Material => approval.seen >= Seen::Material,
        Role::OnCall => approval.on_call.contains(&target.target.system),
        Role::Present => !approval.away,
    }
}

/// Whether a person had a hand in the change, or is claimed to have had one.
pub fn had_a_hand(snapshot: &Snapshot, person: &ActorId) -> bool {
    snapshot.contributors.contains(person) || snapshot.claimed.contains(person)
}

/// Whether whoever applies it is none of those whose approvals count. Of a push by nobody knows whom nobody can tell; before anybody
/// applies it there is nothing to tell.
pub fn applier_is_apart(snapshot: &Snapshot) -> bool {
    match &snapshot.applier {
        None => true,
        Some(Applier::Unknown) => false,
        Some(Applier::Is(who)) => !independent_approvals(snapshot).contains_key(who),
    }
}

/// Everybody whose approval stands, contributors among them: each once.
pub fn approvers(snapshot: &Snapshot) -> BTreeSet<&ActorId> {
    snapshot.approvals.iter().map(|approval| &approval.by).collect()
}

/// The approvals by people who had no hand in the change, one a person.
pub fn independent_approvals(snapshot: &Snapshot) -> BTreeMap<&ActorId, &ApprovalView> {
    let mut independent = BTreeMap::new();
    // Without contributors nobody can be told apart from them.
    if !snapshot.contributors.is_empty() {
        let counts = |by| !had_a_hand(snapshot, by) && !snapshot.cleared_by.contains(by);
        for approval in snapshot.approvals.iter().filter(|approval| counts(&approval.by)) {
            independent.entry(&approval.by).or_insert(approval);
        }
    }
    independent
}

/// How many approvals by people in one role stand for one target. Who has it only by delegation takes it from somebody of whom nobody
/// else has taken it: a delegator's role is there once.
pub fn in_role(snapshot: &Snapshot, target: &TargetView, role: &Role) -> u32 {
    let approvals = independent_approvals(snapshot);
    let mut own: u32 = 0;
    let mut borrowing: Vec<Vec<&ActorId>> = Vec::new();
    for approval in approvals.values() {
        match has_role(snapshot, approval, role, target) {
            true => own = own.saturating_add(1),
            false => borrowing.push(lenders(snapshot, &approvals, approval, role, target)),
        }
    }
    let mut taken = BTreeMap::new();
    let lent = (0..borrowing.len()).filter(|place| fill(&borrowing, *place, &mut taken, &mut BTreeSet::new())).count();
    own.saturating_add(u32::try_from(lent).unwrap_or(u32::MAX))
}

/// Those of whom an approver has a role by delegation, and who neither had a hand in the change nor approve or apply it themselves: two
/// people are not counted as one, nor one as two.
fn lenders<'a>(
    snapshot: &Snapshot,
    approvals: &BTreeMap<&ActorId, &ApprovalView>,
    approval: &'a ApprovalView,
    role: &Role,
    target: &TargetView,
) -> Vec<&'a ActorId> {
    let lends = approval.delegated.iter().filter(|lent| lent.role.is(role) && lent.targets.contains(&target.target));
    let applies =
        |of: &ActorId| snapshot.applier.as_ref().is_some_and(|who| matches!(who, Applier::Is(who) if who == of));
    let apart = |of: &&ActorId| {
        !had_a_hand(snapshot, of) && !snapshot.cleared_by.contains(*of) && !approvals.contains_key(of) && !applies(of)
    };
    lends.map(|lent| &lent.of).filter(apart).collect()
}

/// Ways to share out the roles of delegators that are looked at: of more the others lend nothing.
const MAX_SHARED: usize = 4_096;

/// The roles for which nobody is left, where different people approve in each: none where the parts can be shared out.
pub fn unfilled<'a>(snapshot: &Snapshot, target: &TargetView, parts: &'a [Part]) -> Vec<&'a Role> {
    let by_person = independent_approvals(snapshot);
    let approvals: Vec<&ApprovalView> = by_person.values().copied().collect();
    let places: Vec<&Role> =
        parts.iter().flat_map(|part| (0..part.count.min(MAX_APPROVALS)).map(|_| &part.role)).collect();
    let lent = |role: &Role| -> Vec<Vec<&ActorId>> {
        approvals.iter().map(|by| lenders(snapshot, &by_person, by, role, target)).collect()
    };
    let own = |role: &Role| -> Vec<bool> { approvals.iter().map(|by| has_role(snapshot, by, role, target)).collect() };
    // Of each role once, whose it is and who could take it of whom.
    let roles: BTreeMap<&Role, (Vec<bool>, Vec<Vec<&ActorId>>)> =
        places.iter().map(|role| (*role, (own(role), lent(role)))).collect();
    // To whom each delegator could lend anything that is asked.
    let mut borrowers: BTreeMap<&ActorId, BTreeSet<usize>> = BTreeMap::new();
    for (_, lent) in roles.values() {
        for (person, lenders) in lent.iter().enumerate() {
            for of in lenders {
                borrowers.entry(of).or_default().insert(person);
            }
        }
    }
    let open = |shared: &BTreeMap<&ActorId, usize>| -> Vec<&'a Role> {
        let able = |role: &Role| -> Vec<usize> {
            let Some((own, lent)) = roles.get(role) else { return Vec::new() };
            let both = own.iter().zip(lent).enumerate();
            let takes = |person: usize, lenders: &[&ActorId]| lenders.iter().any(|of| shared.get(of) == Some(&person));
            both.filter(|(person, (own, lent))| **own || takes(*person, lent)).map(|(person, _)| person).collect()
        };
        open_places(&places, able)
    };
    let mut least = open(&BTreeMap::new());
    for shared in shares(&borrowers) {
        if least.is_empty() {
            break;
        }
        let left = open(&shared);
        if left.len() < least.len() {
            least = left;
        }
    }
    least
}

/// All ways in which each delegator lends to one person, as far as there are not too many.
fn shares<'a>(borrowers: &BTreeMap<&'a ActorId, BTreeSet<usize>>) -> Vec<BTreeMap<&'a ActorId, usize>> {
    let mut ways: Vec<BTreeMap<&ActorId, usize>> = Vec::new();
    for (of, people) in borrowers {
        let before = if ways.is_empty() { vec![BTreeMap::new()] } else { ways.clone() };
        if before.len().saturating_mul(people.len()) > MAX_SHARED {
            continue;
        }
        let with = |way: &BTreeMap<&'a ActorId, usize>, person: usize| {
            let mut way = way.clone();
            way.insert(*of, person);
            way
        };
        ways = before.iter().flat_map(|way| people.iter().map(|person| with(way, *person))).collect();
    }
    ways
}

/// The places that stay open, at the least.
///
/// Each place that is to be filled looks for somebody, and whoever has one already moves to another where they can: what is
/// found so leaves as few places open as possible (augmenting paths, Kuhn 1955).
fn open_places<'a>(places: &[&'a Role], able: impl Fn(&Role) -> Vec<usize>) -> Vec<&'a Role> {
    let able: Vec<Vec<usize>> = places.iter().map(|role| able(role)).collect();
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let open = (0..places.len()).filter(|place| !fill(&able, *place, &mut taken, &mut BTreeSet::new()));
    open.filter_map(|place| places.get(place).copied()).collect()
}

/// Finds somebody for a place: no deeper than there are places.
fn fill<P: Ord + Copy>(
    places: &[Vec<P>],
    place: usize,
    taken: &mut BTreeMap<P, usize>,
    asked: &mut BTreeSet<P>,
) -> bool {
    let Some(able) = places.get(place) else { return false };
    for person in able {
        if !asked.insert(*person) {
            continue;
        }
        let moves = match taken.get(person).copied() {
            Some(other) => fill(places, other, taken, asked),
            None => true,
        };
        if moves {
            taken.insert(*person, place);
            return true;
        }
    }
    false
}

/// Counts the approvals that stand for one target.
pub fn count(snapshot: &Snapshot, target: &TargetView) -> Counts {
    let of = |role| in_role(snapshot, target, &role);
    Counts { independent: of(Role::Independent), owner: of(Role::Owner), senior: of(Role::Senior) }
}
