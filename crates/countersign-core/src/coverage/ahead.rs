//! What comes: the times in which other people are away, by calendars and by their own word, and which gates are closed then or hang on one person.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::{
    absent::{Absences, Gate, Stands, absences},
    cast::Cast,
    gone::Gone,
};
use crate::{
    calendar::{Calendars, Span, Use},
    governance::Governance,
    ids::{ActorId, SystemId},
};

/// So many different sets of people who are away, or times, are looked at.
pub const MAX_SETS: usize = 200;

/// A time in which a gate is closed, or one person's absence would close it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub span: Span,
    pub gate: Gate,
    /// Who is away all of that time, and for whom somebody asked.
    pub away: BTreeSet<ActorId>,
}

/// What comes between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// In the order of their beginnings.
    pub windows: Vec<Window>,
    /// Where it was looked no further, because there are too many who come and go.
    pub cut: Option<Time>,
}

/// The times in which the same people are away by calendars and, where rules ask, on call: one after the other, with none left out.
fn stretches(
    calendars: &Calendars,
    (from, until): (Time, Time),
    asks_on_call: bool,
    others: &Others<impl Fn(Time) -> Gone>,
) -> Vec<(Span, Gone)> {
    let rotas = calendars.used_for(Use::OnCall).filter(|_| asks_on_call);
    let spans = calendars.used_for(Use::Absence).chain(rotas).flat_map(|calendar| calendar.between(from, until));
    let mut moments: BTreeSet<Time> = spans.flat_map(|(span, _)| [span.from, span.until]).collect();
    moments.extend(&others.moments);
    moments.retain(|at| from < *at && *at < until);
    let begins: Vec<Time> = std::iter::once(from).chain(moments).collect();
    let ends = begins.iter().copied().skip(1).chain([until]);
    let mut stretches: Vec<(Span, Gone)> = Vec::new();
    for (from, until) in begins.iter().copied().zip(ends).filter(|(from, until)| from < until) {
        let mut away = (others.away)(from).and(calendars.away(from).into_iter().cloned());
        away.settle();
        match stretches.last_mut() {
            Some((span, same)) if *same == away && !asks_on_call => span.until = until,
            Some(_) | None => stretches.push((Span { from, until }, away)),
        }
    }
    stretches
}

/// Who besides is away, with all delegations that stand then, and when that changes.
#[derive(Debug)]
pub struct Others<F> {
    pub moments: BTreeSet<Time>,
    pub away: F,
}

/// Looks at each of those times.
pub fn ahead(
    governance: &Governance,
    only: Option<&SystemId>,
    (from, until): (Time, Time),
    others: &Others<impl Fn(Time) -> Gone>,
) -> Ahead {
    // Who is on call is another at each of those times.
    let asks_on_call = Cast::of(governance, &BTreeSet::new()).asks_on_call();
    let mut known: BTreeMap<(Option<Time>, Gone), Absences> = BTreeMap::new();
    let mut ahead = Ahead::default();
    for (span, away) in stretches(&governance.calendars, (from, until), asks_on_call, others) {
        let question = (asks_on_call.then_some(span.from), away.clone());
        if known.len() >= MAX_SETS && !known.contains_key(&question) {
            ahead.cut = Some(span.from);
            break;
        }
        let found = known.entry(question).or_insert_with(|| absences(governance, only, &away, span.from));
        for gate in found.gates.iter().filter(|gate| hangs(gate)) {
            let goes_on = |window: &&mut Window| window.span.until == span.from && is_same(&window.gate, gate);
            match ahead.windows.iter_mut().find(goes_on) {
                Some(window) => {
                    window.span.until = span.until;
                    window.away.retain(|person| away.people.contains(person));
                }
                None => ahead.windows.push(Window { span, gate: gate.clone(), away: away.people.clone() }),
            }
        }
    }
    ahead
}

/// Whether it is closed, or one person's absence would close it.
fn hangs(gate: &Gate) -> bool {
    match gate.stands {
        Stands::Closed(_) | Stands::ByWaiver => true,
        Stands::Open => gate.closings.iter().any(|closing| closing.people() == 1),
    }
}

/// Whether the same is so of the same target, apart from how many more would close it.
fn is_same(one: &Gate, other: &Gate) -> bool {
    let alone =
        |gate: &Gate| -> Vec<_> { gate.closings.iter().filter(|closing| closing.people() == 1).cloned().collect() };
    (&one.target, &one.kinds, &one.stands, alone(one)) == (&other.target, &other.kinds, &other.stands, alone(other))
}
