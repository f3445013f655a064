//! What of other calendars lets more through than before. What is not shown to take away counts as giving: there is no clock here, so
//! that also taking out what is over counts.

use std::collections::BTreeSet;

use super::{Calendar, Calendars, Use};
use crate::ids::ActorId;

/// The calendars that loosen, by name, each with how. `present`: whether rules ask who is away.
pub fn loosens(before: &Calendars, after: &Calendars, present: bool) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for old in before.iter() {
        let new = after.get(&old.name).filter(|new| new.file.used == old.file.used);
        let how = match (old.file.used, new) {
            (Use::Freeze, None) => Some("takes the freeze away"),
            (Use::Freeze, Some(new)) => freeze(old, new),
            // With one window less, others may be all that is left, or none.
            (Use::Window, None) => Some("takes the window away"),
            (Use::Window, Some(new)) => window(old, new),
            (Use::OnCall, Some(new)) => (!people(new).is_subset(&people(old))).then_some(ON_CALL),
            (Use::Absence, None) => present.then_some("says no more who is away"),
            (Use::Absence, Some(new)) => (present
                && (!has_all(new, old) || old.file.from.is_some() && old.file.from != new.file.from))
                .then_some("takes times out in which people are away"),
            (Use::OnCall, None) | (Use::Holiday, _) => None,
        };
        found.extend(how.map(|how| (old.name.clone(), how)));
    }
    let had_windows = before.used_for(Use::Window).next().is_some();
    for new in after.used_for(Use::Window) {
        if had_windows && before.get(&new.name).is_none_or(|old| old.file.used != Use::Window) {
            found.push((new.name.clone(), "opens another window"));
        }
    }
    for new in after.used_for(Use::OnCall) {
        if before.get(&new.name).is_none_or(|old| old.file.used != Use::OnCall || old.file.groups != new.file.groups) {
            found.push((new.name.clone(), ON_CALL));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Whoever is on call may do more; when they are is theirs to arrange.
const ON_CALL: &str = "puts somebody on call who was not";

fn people(rota: &Calendar) -> BTreeSet<&ActorId> {
    rota.file.events.iter().filter_map(|event| event.person.as_ref()).collect()
}

fn freeze(old: &Calendar, new: &Calendar) -> Option<&'static str> {
    if old.file.from.is_some() && old.file.from != new.file.from {
        return Some("is fetched no more where it was");
    }
    if !new.file.may_pass.is_subset(&old.file.may_pass) {
        return Some("lets more pass the freeze");
    }
    if !new.file.scope.is_as_wide_as(&old.file.scope) {
        return Some("freezes less");
    }
    match has_all(new, old) {
        true => None,
        false => Some("takes times out of the freeze, or makes them shorter"),
    }
}

/// Whether each time of the old one is there still, as long.
fn has_all(new: &Calendar, old: &Calendar) -> bool {
    old.file.events.iter().all(|old| new.file.events.iter().any(|new| new.is_whenever(old)))
}

fn window(old: &Calendar, new: &Calendar) -> Option<&'static str> {
    if old.file.scope != new.file.scope {
        return Some("opens for others");
    }
    let was = |new: &&super::Event| old.file.events.iter().any(|old| old.is_whenever(new));
    match new.file.events.iter().all(|event| was(&event)) {
        true => None,
        false => Some("opens at other times, or for longer"),
    }
}
