//! Counting approvals: the one function that rules trust, because Cedar cannot count.
//!
//! Invariant, for every snapshot: `0 <= senior <= independent` and `0 <= owner <= independent`. A person counts once, and
//! where nobody is known to have made the change nobody counts as a second pair of eyes.

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

/// How many approvals by people in one role stand for one target.
pub fn in_role(snapshot: &Snapshot, target: &TargetView, role: &Role) -> u32 {
    let approvals = independent_approvals(snapshot).into_values();
    let count = approvals.filter(|approval| has_role(snapshot, approval, role, target)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The roles for which nobody is left, where different people approve in each: none where the parts can be shared out.
///
/// Each place that is to be filled looks for somebody, and whoever has one already moves to another where they can: what is
/// found so leaves as few places open as possible (augmenting paths, Kuhn 1955).
pub fn unfilled<'a>(snapshot: &Snapshot, target: &TargetView, parts: &'a [Part]) -> Vec<&'a Role> {
    let approvals: Vec<&ApprovalView> = independent_approvals(snapshot).into_values().collect();
    let places = parts.iter().flat_map(|part| (0..part.count.min(MAX_APPROVALS)).map(|_| &part.role));
    let places: Vec<(&Role, Vec<usize>)> = places
        .map(|role| {
            let able = approvals.iter().enumerate().filter(|(_, by)| has_role(snapshot, by, role, target));
            (role, able.map(|(person, _)| person).collect())
        })
        .collect();
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let filled = |place: usize, taken: &mut BTreeMap<usize, usize>| fill(&places, place, taken, &mut BTreeSet::new());
    let open = (0..places.len()).filter(|place| !filled(*place, &mut taken));
    open.filter_map(|place| Some(places.get(place)?.0)).collect()
}

/// Finds somebody for a place: no deeper than there are places.
fn fill(
    places: &[(&Role, Vec<usize>)],
    place: usize,
    taken: &mut BTreeMap<usize, usize>,
    asked: &mut BTreeSet<usize>,
) -> bool {
    let Some((_, able)) = places.get(place) else { return false };
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
