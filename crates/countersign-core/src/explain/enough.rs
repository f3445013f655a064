//! The smallest set of people whose approvals would meet every rule at once: exact where few suffice, near it beyond.
//!
//! Of a home of thousands only those are looked at who own what the change goes to, and the first few of each level: whoever else
//! there is can do no more than they.

use std::collections::{BTreeMap, BTreeSet};

use super::people::People;
use crate::{
    ids::{ActorId, GroupId, SystemId},
    requirement::Role,
};

/// As many people as are looked for.
pub const MAX_ENOUGH: usize = 12;
/// Up to so many the smallest set is found for certain, if it is found in so many steps.
const MAX_EXACT: usize = 5;
const MAX_STEPS: u32 = 20_000;
/// More wishes than any change has; a set of people is a mask over them.
const MAX_WISHES: usize = 64;

/// Approvals that are wanted of people in a role, of a system's owners for that one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wish<'a> {
    pub role: Role,
    pub system: Option<&'a SystemId>,
    pub count: u32,
}

/// People who satisfy the same wishes: no matter which of them.
#[derive(Clone, Copy, Debug)]
struct Alike<'p> {
    mask: u64,
    people: &'p [&'p ActorId],
}

/// The set, in the order of names; empty where nothing is wanted or not enough people could.
pub(super) fn enough(people: &People<'_>, wishes: &[Wish<'_>], excluded: &BTreeSet<&ActorId>) -> Vec<ActorId> {
    if wishes.is_empty() || wishes.len() > MAX_WISHES {
        return Vec::new();
    }
    let systems: BTreeSet<&SystemId> = wishes.iter().filter_map(|wish| wish.system).collect();
    let groups: BTreeSet<&GroupId> = wishes.iter().filter_map(|wish| wish.role.group()).collect();
    let candidates = people.candidates(&systems, &groups, excluded, MAX_ENOUGH);
    let mut by_mask: BTreeMap<u64, Vec<&ActorId>> = BTreeMap::new();
    for person in candidates {
        // Who has a role of somebody else is not told from them here, and would be counted beside them.
        let does = |wish: &Wish<'_>| people.has_it_themselves(person, &wish.role, &wish.system.into_iter().collect());
        let mask = wishes.iter().enumerate().filter(|(_, wish)| does(wish)).fold(0_u64, |mask, (at, _)| mask | 1 << at);
        let alike = by_mask.entry(mask).or_default();
        if mask != 0 && alike.len() < MAX_ENOUGH {
            alike.push(person);
        }
    }
    let mut classes: Vec<Alike<'_>> = by_mask.iter().map(|(mask, people)| Alike { mask: *mask, people }).collect();
    // Who satisfies most is tried first.
    classes.sort_by_key(|class| (std::cmp::Reverse(class.mask.count_ones()), class.people.first().copied()));
    let needs: Vec<u32> = wishes.iter().map(|wish| wish.count).collect();
    let least = needs.iter().copied().max().unwrap_or_default();
    let mut steps = MAX_STEPS;
    let exact = (usize::try_from(least).unwrap_or(usize::MAX)..=MAX_EXACT)
        .find_map(|size| pick(&classes, size, &needs, &mut steps).filter(|picked| picked.len() <= size));
    let mut found = exact.or_else(|| greedy(&classes, needs)).unwrap_or_default();
    found.sort();
    found.into_iter().cloned().collect()
}

fn without(needs: &[u32], mask: u64) -> Vec<u32> {
    let lessened = |(at, need): (usize, &u32)| if mask >> at & 1 == 1 { need.saturating_sub(1) } else { *need };
    needs.iter().enumerate().map(lessened).collect()
}

/// So many people at the most, if so many can.
fn pick<'p>(classes: &[Alike<'p>], size: usize, needs: &[u32], steps: &mut u32) -> Option<Vec<&'p ActorId>> {
    if needs.iter().all(|need| *need == 0) {
        return Some(Vec::new());
    }
    let most = needs.iter().copied().max().unwrap_or_default();
    if usize::try_from(most).map_or(true, |most| most > size) {
        return None;
    }
    let (first, rest) = classes.split_first()?;
    *steps = steps.checked_sub(1)?;
    if let Some((person, others)) = first.people.split_first() {
        let mut with: Vec<Alike<'p>> = vec![Alike { people: others, ..*first }];
        with.extend(rest);
        if let Some(mut picked) = pick(&with, size.saturating_sub(1), &without(needs, first.mask), steps) {
            picked.push(person);
            return Some(picked);
        }
    }
    pick(rest, size, needs, steps)
}

/// One after the other, whoever satisfies most of what is still wanted.
fn greedy<'p>(classes: &[Alike<'p>], mut needs: Vec<u32>) -> Option<Vec<&'p ActorId>> {
    let mut left: Vec<Alike<'p>> = classes.to_vec();
    let mut picked = Vec::new();
    while needs.iter().any(|need| *need > 0) {
        let open = needs.iter().enumerate().filter(|(_, need)| **need > 0).fold(0_u64, |mask, (at, _)| mask | 1 << at);
        let does = |class: &Alike<'_>| (class.mask & open).count_ones();
        let best = left.iter_mut().filter(|class| !class.people.is_empty()).max_by_key(|class| does(class))?;
        if does(best) == 0 || picked.len() == MAX_ENOUGH {
            return None;
        }
        let (person, others) = best.people.split_first()?;
        picked.push(*person);
        needs = without(&needs, best.mask);
        best.people = others;
    }
    Some(picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Owners are `system=person,person`.
    fn found(everybody: &str, seniors: &str, owners: &str, wishes: &[(Role, &str, u32)]) -> String {
        let people =
            |text: &str| -> BTreeSet<ActorId> { text.split_whitespace().map(|p| p.parse().unwrap()).collect() };
        let (everybody, seniors) = (people(everybody), people(seniors));
        let owned: Vec<(SystemId, ActorId)> = owners
            .split_whitespace()
            .flat_map(|line| {
                let (system, people) = line.split_once('=').unwrap();
                people.split(',').map(|person| (system.parse().unwrap(), person.parse().unwrap())).collect::<Vec<_>>()
            })
            .collect();
        let given =
            People::given(&everybody, &seniors, owned.iter().map(|(system, person)| (system, person)), BTreeMap::new());
        let systems: Vec<Option<SystemId>> = wishes.iter().map(|(_, system, _)| system.parse().ok()).collect();
        let wishes: Vec<Wish<'_>> = wishes
            .iter()
            .zip(&systems)
            .map(|((role, _, count), system)| Wish { role: role.clone(), system: system.as_ref(), count: *count })
            .collect();
        let names: Vec<String> = enough(&given, &wishes, &BTreeSet::new()).iter().map(ToString::to_string).collect();
        names.join(" ")
    }

    #[test]
    fn one_who_is_all_of_it_is_enough() {
        use Role::{Independent, Owner, Senior};
        let (all, seniors, owners) = ("a b c d e", "b d", "x=a,c y=c,d");
        let of = |wishes: &[(Role, &str, u32)]| found(all, seniors, owners, wishes);
        assert_eq!(of(&[(Independent, "", 1)]), "a");
        assert_eq!(of(&[(Senior, "", 1), (Owner, "y", 1)]), "d");
        assert_eq!(of(&[(Senior, "", 1), (Owner, "x", 1)]), "a b");
        assert_eq!(of(&[(Owner, "x", 1), (Owner, "y", 1), (Independent, "", 2)]), "a c");
        assert_eq!(of(&[(Senior, "", 1), (Owner, "x", 1), (Owner, "y", 1)]), "c d");
        assert_eq!(of(&[(Independent, "", 5)]), "a b c d e");
        // There are not so many.
        assert_eq!(of(&[(Senior, "", 3)]), "");
        assert_eq!(of(&[(Independent, "", 6)]), "");
    }

    /// Beyond what is tried exactly there is still an answer, and an end.
    #[test]
    fn many_wishes_have_an_answer_too() {
        let systems: Vec<String> = (0..10).map(|n| format!("s{n}")).collect();
        let owners: Vec<String> = (0..10).map(|n| format!("s{n}=p{n},q")).collect();
        let people: Vec<String> = (0..10).map(|n| format!("p{n}")).chain(["q".to_owned()]).collect();
        let wishes: Vec<(Role, &str, u32)> = systems.iter().map(|system| (Role::Owner, system.as_str(), 1)).collect();
        assert_eq!(found(&people.join(" "), "", &owners.join(" "), &wishes), "q");
        let twice: Vec<(Role, &str, u32)> = systems.iter().map(|system| (Role::Owner, system.as_str(), 2)).collect();
        assert_eq!(found(&people.join(" "), "", &owners.join(" "), &twice).split(' ').count(), 11);
    }
}
