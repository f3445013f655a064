//! What calendars say of a change, for its snapshot.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use crate::{
    calendar::{Calendar, Use, database},
    change::{Change, Revision},
    freeze::{self, FreezeRecord, name_of, touches},
    governance::Governance,
    ids::{ActorId, SystemId, Target},
    snapshot::{CalendarView, FreezeView, TargetView, Worked},
};

/// `since` is when it began to wait. `None` where no calendar bears on it and no rule asks.
pub(super) fn calendar(
    governance: &Governance,
    change: &Change,
    revision: &Revision,
    targets: &[TargetView],
    since: Time,
    now: Time,
) -> Option<CalendarView> {
    let calendars = &governance.calendars;
    let asks = |words: &[&str]| words.iter().any(|word| governance.rules.ask_about(word));
    let (windows, hours, worked) = (asks(&["window"]), asks(&["working_hours"]), asks(&["worked_hours"]));
    let (on_call, present) = (asks(&["oncall"]), asks(&["present"]));
    let bears = |used: Use| match used {
        Use::Freeze => true,
        Use::Window => windows,
        Use::Holiday => hours || worked,
        Use::OnCall => on_call,
        Use::Absence => present,
    };
    let files: BTreeMap<_, _> = calendars
        .iter()
        .filter(|calendar| bears(calendar.file.used))
        .map(|calendar| (calendar.name.clone(), calendar.digest))
        .collect();
    let signed = freeze::about(governance, change, now);
    if files.is_empty() && !hours && !worked && signed.is_empty() {
        return None;
    }
    let about = |calendar: &Calendar| -> BTreeSet<Target> {
        let touched = || calendar.globs().is_none_or(|globs| touches(revision, globs));
        let scope = &calendar.file.scope;
        let is_meant =
            |view: &&TargetView| scope.is_about(&view.target, view.production, view.tier, change.kind, touched);
        let meant = targets.iter().filter(is_meant);
        meant.map(|view| view.target.clone()).collect()
    };
    let mut view = CalendarView { files, zones: database().to_owned(), ..CalendarView::default() };
    for calendar in calendars.used_for(Use::Freeze) {
        let targets = about(calendar);
        if !targets.is_empty()
            && let Some(until) = calendar.until(now)
        {
            let (name, may_pass) = (calendar.name.clone(), calendar.file.may_pass.clone());
            view.freezes.push(FreezeView { by: None, name, may_pass, targets, until });
        }
    }
    for (statement, record, targets) in signed {
        let FreezeRecord { by, may_pass, .. } = record.clone();
        view.freezes.push(FreezeView {
            by: Some(by),
            name: name_of(statement),
            may_pass,
            targets,
            until: record.end(),
        });
    }
    if windows {
        let mut open = BTreeSet::new();
        for calendar in calendars.used_for(Use::Window) {
            let targets = about(calendar);
            match calendar.is_now(now) {
                true => open.extend(targets),
                false => view.shut.extend(targets),
            }
        }
        view.shut.retain(|target| !open.contains(target));
    }
    if hours {
        let works = targets.iter().filter(|view| calendars.works(&view.owner, &governance.catalog, now));
        view.working = works.map(|view| view.target.clone()).collect();
    }
    if worked {
        let of = |view: &TargetView| {
            let hours = calendars.worked_hours(&view.owner, &governance.catalog, since, now);
            (view.target.clone(), Worked { since, hours })
        };
        view.worked = targets.iter().map(of).collect();
    }
    Some(view)
}

/// Those that they are on call for now.
pub(super) fn on_call(governance: &Governance, change: &Change, person: &ActorId, now: Time) -> BTreeSet<SystemId> {
    let systems: BTreeSet<&SystemId> = change.targets.iter().map(|target| &target.system).collect();
    systems.into_iter().filter(|system| governance.is_on_call(person, system, now)).cloned().collect()
}
