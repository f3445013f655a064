//! Whether a change has room in a window: what calendars and freezes leave of it, as they are known now. For whoever is about to
//! sign one. What decides is what holds when it lands, so nothing here is asked then.

use countersign_ledger::Time;

use crate::{
    calendar::{Calendar, Span, Use},
    change::Change,
    freeze,
    governance::Governance,
    ids::Target,
    statement::Window,
};

/// How far it is looked where a window has no end, and for the next moment that is free.
const LOOKED_SECS: i64 = 40 * 24 * 60 * 60;
const NEXT_SECS: i64 = 366 * 24 * 60 * 60;

/// What is in the way of a whole window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Freezes, and windows of calendars that are shut, by name.
    pub by: Vec<String>,
    /// The next moment at which it could land, if one is to be seen.
    pub next: Option<Time>,
}

/// The first moment in the window at which no freeze that is known holds for the change, and at which the windows of its targets
/// are open, where rules ask for that.
pub fn room(governance: &Governance, change: &Change, window: &Window, now: Time) -> Result<Time, NoRoom> {
    let from = window.not_before.unwrap_or(now).max(now);
    let end = window.until.unwrap_or_else(|| from.plus_secs(LOOKED_SECS));
    let ways = Ways::of(governance, change, from, end.max(from.plus_secs(NEXT_SECS)));
    match ways.first() {
        Some(free) if free < end => Ok(free),
        next => Err(NoRoom { by: ways.by(from), next }),
    }
}

/// What is shut, and for each target what is open, from a moment on.
struct Ways<'a> {
    from: Time,
    shut: Vec<(String, Span)>,
    open: Vec<(&'a Target, Vec<&'a Calendar>, Vec<Span>)>,
}

impl<'a> Ways<'a> {
    fn of(governance: &'a Governance, change: &'a Change, from: Time, until: Time) -> Self {
        let meant = |calendar: &Calendar| freeze::meant(governance, change, &calendar.file.scope);
        let passes =
            |calendar: &Calendar| calendar.file.may_pass.iter().any(|pass| pass.lets(change.kind, &change.purpose));
        let freezes = governance.calendars.used_for(Use::Freeze);
        let freezes = freezes.filter(|calendar| !meant(calendar).is_empty() && !passes(calendar));
        let mut shut: Vec<(String, Span)> = freezes
            .flat_map(|calendar| {
                calendar.between(from, until).into_iter().map(|(span, _)| (calendar.name.clone(), span))
            })
            .collect();
        let signed = freeze::about(governance, change, from).into_iter();
        shut.extend(
            signed.filter(|(_, record, _)| record.lets(change.kind, &change.purpose).is_none()).map(
                |(statement, record, _)| (freeze::name_of(statement), Span { from: record.at, until: record.end() }),
            ),
        );
        let mut open = Vec::new();
        if governance.rules.ask_about("window") {
            for target in &change.targets {
                let theirs = governance.calendars.used_for(Use::Window);
                let theirs: Vec<&Calendar> = theirs.filter(|calendar| meant(calendar).contains(target)).collect();
                let spans = theirs.iter().flat_map(|calendar| calendar.between(from, until));
                let spans = spans.map(|(span, _)| span).collect();
                if !theirs.is_empty() {
                    open.push((target, theirs, spans));
                }
            }
        }
        Self { from, shut, open }
    }

    fn is_free(&self, at: Time) -> bool {
        !self.shut.iter().any(|(_, span)| span.covers(at))
            && self.open.iter().all(|(_, _, spans)| spans.iter().any(|span| span.covers(at)))
    }

    /// Something becomes free only where something shut ends or something open begins.
    fn first(&self) -> Option<Time> {
        let ends = self.shut.iter().map(|(_, span)| span.until);
        let begins = self.open.iter().flat_map(|(_, _, spans)| spans.iter().map(|span| span.from));
        let mut moments: Vec<Time> =
            std::iter::once(self.from).chain(ends).chain(begins).filter(|at| *at >= self.from).collect();
        moments.sort_unstable();
        moments.dedup();
        moments.into_iter().find(|at| self.is_free(*at))
    }

    /// What is in the way then.
    fn by(&self, at: Time) -> Vec<String> {
        let shut = self.shut.iter().filter(|(_, span)| span.covers(at)).map(|(name, _)| format!("freeze {name}"));
        let closed = self.open.iter().filter(|(_, _, spans)| !spans.iter().any(|span| span.covers(at)));
        let closed =
            closed.flat_map(|(_, theirs, _)| theirs.iter().map(|calendar| format!("window {}", calendar.name)));
        let mut by: Vec<String> = shut.chain(closed).collect();
        by.sort_unstable();
        by.dedup();
        by
    }
}
