//! What calendars say of a change, for its snapshot.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::files;
use crate::{
    calendar::{Calendar, Scope, Use, database},
    catalog::Tier,
    change::{Change, Revision},
    facts::RuledPath,
    freeze::{self, FreezeRecord, name_of},
    glob::Globs,
    governance::Governance,
    ids::{ActorId, SystemId, Target},
    snapshot::{CalendarView, FreezeView, TargetView},
    subject::Subject,
};

/// `None` where no calendar bears on it and no rule asks.
pub(super) fn calendar(
    governance: &Governance,
    change: &Change,
    revision: &Revision,
    targets: &[TargetView],
    now: Time,
) -> Option<CalendarView> {
    let calendars = &governance.calendars;
    let asks = |words: &[&str]| words.iter().any(|word| governance.rules.ask_about(word));
    let (windows, hours) = (asks(&["window"]), asks(&["working_hours"]));
    let (on_call, present) = (asks(&["oncall"]), asks(&["present"]));
    let bears = |used: Use| match used {
        Use::Freeze => true,
        Use::Window => windows,
        Use::Holiday => hours,
        Use::OnCall => on_call,
        Use::Absence => present,
    };
    let files: BTreeMap<_, _> = calendars
        .iter()
        .filter(|calendar| bears(calendar.file.used))
        .map(|calendar| (calendar.name.clone(), calendar.digest))
        .collect();
    let signed = freeze::about(governance, change, now);
    if files.is_empty() && !hours && signed.is_empty() {
        return None;
    }
    let touches = Touches::of(revision);
    let about = |calendar: &Calendar| -> BTreeSet<Target> {
        let touched = || calendar.globs().is_none_or(|globs| touches.any(globs));
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
    Some(view)
}

/// Those of a change's targets that a scope means, by what it brings now. What the catalog does not know is taken for production
/// of the highest tier.
pub(crate) fn meant(governance: &Governance, change: &Change, scope: &Scope) -> BTreeSet<Target> {
    let Some(revision) = change.current() else { return BTreeSet::new() };
    let touched = || match scope.paths.as_deref().map(Globs::parse) {
        None | Some(Err(_)) => true,
        Some(Ok(globs)) => Touches::of(revision).any(&globs),
    };
    let is_meant = |target: &&Target| {
        let system = governance.catalog.target(target).ok();
        let tier = system.map_or(Tier::HIGHEST, |system| system.tier);
        let production = system.is_none() || governance.catalog.is_production(target);
        scope.is_about(target, production, tier, change.kind, touched)
    };
    change.targets.iter().filter(is_meant).cloned().collect()
}

/// Those that they are on call for now.
pub(super) fn on_call(governance: &Governance, change: &Change, person: &ActorId, now: Time) -> BTreeSet<SystemId> {
    let systems: BTreeSet<&SystemId> = change.targets.iter().map(|target| &target.system).collect();
    systems.into_iter().filter(|system| governance.is_on_call(person, system, now)).cloned().collect()
}

/// The paths that a revision touches; of one of which nobody knows them, all.
enum Touches<'a> {
    Paths(std::borrow::Cow<'a, [RuledPath]>),
    Anything,
}

impl<'a> Touches<'a> {
    fn of(revision: &'a Revision) -> Self {
        match &revision.subject {
            Subject::Git(_) => revision.paths.as_deref().map_or(Self::Anything, |paths| Self::Paths(paths.into())),
            Subject::Files(subject) => Self::Paths(files(subject).into()),
            Subject::Governance(_) => Self::Anything,
        }
    }

    fn any(&self, globs: &Globs) -> bool {
        match self {
            Self::Anything => true,
            Self::Paths(paths) => {
                paths.iter().any(|path| globs.is_match(&path.path) || path.submodule && globs.reaches_into(&path.path))
            }
        }
    }
}
