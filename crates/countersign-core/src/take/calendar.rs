//! What calendars say of a change, for its snapshot.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::files;
use crate::{
    calendar::{Calendar, Use, database},
    change::{Change, Revision},
    facts::RuledPath,
    glob::Globs,
    governance::Governance,
    ids::Target,
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
    let bears = |used: Use| match used {
        Use::Freeze => true,
        Use::Window => windows,
        Use::Holiday => hours,
        // Who is there is for whoever is asked, not for what is decided.
        Use::OnCall | Use::Absence => false,
    };
    let files: BTreeMap<_, _> = calendars
        .iter()
        .filter(|calendar| bears(calendar.file.used))
        .map(|calendar| (calendar.name.clone(), calendar.digest))
        .collect();
    if files.is_empty() && !hours {
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
            view.freezes.push(FreezeView { name, may_pass, targets, until });
        }
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
