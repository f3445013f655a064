//! What the next weeks would be like, if they are as the last ones were: recorded weeks come again, in an order that a seed gives, and
//! each approval takes as long as a recorded one did.
//!
//! Everybody answers one change after the other. A change goes to whoever could begin with it first, of those who approved on its
//! systems in that time and had no hand in it. How long an answer takes is drawn from what all took together, from when the change came
//! or the same person's last answer, whichever was later: so nothing can be made out of it about one of them.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::{Answer, Ask, History, MIN_APPROVALS, MIN_WEEKS, Spread, WEEK_SECS, dice::Dice, minutes};
use crate::ids::{ActorId, SystemId};

pub const AHEAD_WEEKS: u32 = 4;
/// How often the weeks ahead are drawn.
pub const RUNS: u32 = 100;
/// So many answers are drawn at the most; a busy home is drawn less often.
const MAX_DRAWN: usize = 500_000;
const MINUTES_A_WEEK: u64 = WEEK_SECS.unsigned_abs() / 60;

/// Who is there that was not, and who is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// As if these could approve everything that is asked.
    pub with: BTreeSet<ActorId>,
    pub without: BTreeSet<ActorId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    pub seed: u64,
    pub runs: u32,
    pub weeks: u32,
    /// Changes that came, in all runs together.
    pub changes: u64,
    /// How long a change waited for the last of its approvals, by the clock; `None` where none got all.
    pub waited: Option<Spread>,
    /// Approvals, in all runs together, of each.
    pub approvals: BTreeMap<ActorId, u64>,
    /// Changes for which nobody was left who had approved there.
    pub unanswered: u64,
}

impl Forecast {
    /// How many of these are in one of the weeks.
    pub fn per_week(&self, number: u64) -> f64 {
        number as f64 / f64::from(self.runs.saturating_mul(self.weeks).max(1))
    }
}

/// A recorded change, as it comes again.
struct Recorded<'a> {
    /// From the beginning of its week.
    offset: u64,
    needs: usize,
    pool: BTreeSet<&'a ActorId>,
}

/// When somebody is away, in minutes from now.
type Away<'a> = BTreeMap<&'a ActorId, Vec<(u64, u64)>>;

/// None where there is too little to go by. `away` says until when somebody is away who is so at a moment.
pub fn forecast(
    history: &History,
    scenario: &Scenario,
    seed: u64,
    away: impl Fn(&ActorId, Time) -> Option<Time>,
) -> Option<Forecast> {
    let answers = history.asks.iter().map(|ask| ask.answers.len()).sum::<usize>();
    if answers < MIN_APPROVALS || history.weeks < MIN_WEEKS {
        return None;
    }
    let took = took(&history.asks);
    let weeks = recorded(history, scenario);
    let people: BTreeSet<&ActorId> = weeks.iter().flatten().flat_map(|one| &one.pool).copied().collect();
    let away: Away<'_> = people.into_iter().map(|person| (person, spans(person, history.until, &away))).collect();
    let a_run = answers.saturating_mul(usize::try_from(AHEAD_WEEKS).unwrap_or(1)) / weeks.len().max(1);
    let runs = u32::try_from(MAX_DRAWN / a_run.max(1)).unwrap_or(RUNS).clamp(1, RUNS);
    let mut sum = Forecast {
        seed,
        runs,
        weeks: AHEAD_WEEKS,
        changes: 0,
        waited: None,
        approvals: BTreeMap::new(),
        unanswered: 0,
    };
    let mut waited = Vec::new();
    for run in 0..runs {
        one_run(&mut sum, &mut waited, (run, &weeks), &took, &away);
    }
    sum.waited = Spread::of(waited);
    Some(sum)
}

/// How long each answer took from when somebody could begin with it.
fn took(asks: &[Ask]) -> Vec<u64> {
    let mut by: BTreeMap<&ActorId, Vec<&Answer>> = BTreeMap::new();
    for answer in asks.iter().flat_map(|ask| &ask.answers) {
        by.entry(&answer.by).or_default().push(answer);
    }
    let mut took = Vec::new();
    for answers in by.values_mut() {
        answers.sort_by_key(|answer| answer.at);
        let mut free = None;
        for answer in answers {
            took.push(minutes(free.map_or(answer.asked, |free: Time| free.max(answer.asked)), answer.at));
            free = Some(answer.at);
        }
    }
    // In an order that does not tell whose they are.
    took.sort_unstable();
    took
}

fn recorded<'a>(history: &'a History, scenario: &'a Scenario) -> Vec<Vec<Recorded<'a>>> {
    let mut known: BTreeMap<&SystemId, BTreeSet<&ActorId>> = BTreeMap::new();
    for ask in &history.asks {
        for system in &ask.systems {
            known.entry(system).or_default().extend(ask.answers.iter().map(|answer| &answer.by));
        }
    }
    let mut weeks: Vec<Vec<Recorded<'a>>> = (0..history.weeks).map(|_| Vec::new()).collect();
    for ask in &history.asks {
        let since = minutes(history.from, ask.at);
        let week = usize::try_from(since / MINUTES_A_WEEK).ok().and_then(|week| weeks.get_mut(week));
        // What came before the first of the weeks is none of theirs.
        let Some(week) = week.filter(|_| ask.at >= history.from) else { continue };
        let pool = ask.systems.iter().filter_map(|system| known.get(system)).flatten().copied();
        let pool = pool.chain(&scenario.with);
        let pool = pool.filter(|person| !scenario.without.contains(*person) && !ask.hands.contains(*person)).collect();
        week.push(Recorded { offset: since % MINUTES_A_WEEK, needs: ask.answers.len(), pool });
    }
    weeks.iter_mut().for_each(|week| week.sort_by_key(|one| one.offset));
    weeks
}

/// When somebody is away in the weeks ahead, as calendars and their own word have it now.
fn spans(person: &ActorId, now: Time, away: impl Fn(&ActorId, Time) -> Option<Time>) -> Vec<(u64, u64)> {
    const LOOK_SECS: i64 = 6 * 60 * 60;
    let end = now.plus_secs(WEEK_SECS.saturating_mul(i64::from(AHEAD_WEEKS)));
    let (mut at, mut spans) = (now, Vec::new());
    while at < end {
        match away(person, at).filter(|until| *until > at) {
            Some(until) => {
                spans.push((minutes(now, at), minutes(now, until)));
                at = until;
            }
            None => at = at.plus_secs(LOOK_SECS),
        }
    }
    spans
}

/// When somebody who has time from then on is there.
fn there(spans: Option<&Vec<(u64, u64)>>, mut at: u64) -> u64 {
    for (from, until) in spans.into_iter().flatten() {
        if (*from..*until).contains(&at) {
            at = *until;
        }
    }
    at
}

fn one_run(
    sum: &mut Forecast,
    waited: &mut Vec<u64>,
    (run, weeks): (u32, &[Vec<Recorded<'_>>]),
    took: &[u64],
    away: &Away<'_>,
) {
    let mut free: BTreeMap<&ActorId, u64> = BTreeMap::new();
    for week in 0..sum.weeks {
        let draw = |what: usize, which: usize| {
            let [what, which] = [what, which].map(|number| u64::try_from(number).unwrap_or(0));
            Dice::of(sum.seed, [u64::from(run) << 32 | u64::from(week), what, which])
        };
        let Some(changes) = draw(0, 0).pick(weeks) else { continue };
        let begins = u64::from(week).saturating_mul(MINUTES_A_WEEK);
        for (number, change) in changes.iter().enumerate() {
            let came = begins.saturating_add(change.offset);
            let mut left = change.pool.clone();
            let mut last = came;
            for need in 0..change.needs {
                // Whoever is asked, the answer takes as long: so that scenarios differ by nothing but who is there.
                let takes = draw(number.saturating_add(1), need).pick(took).copied().unwrap_or_default();
                let begin =
                    |person: &ActorId| there(away.get(person), came.max(free.get(person).copied().unwrap_or(0)));
                let given = |person: &ActorId| sum.approvals.get(person).copied().unwrap_or_default();
                let next = left.iter().copied().min_by_key(|person| (begin(person), given(person), *person));
                let Some(next) = next else {
                    sum.unanswered = sum.unanswered.saturating_add(1);
                    break;
                };
                let done = begin(next).saturating_add(takes);
                left.remove(next);
                free.insert(next, done);
                last = last.max(done);
                let given = sum.approvals.entry(next.clone()).or_default();
                *given = given.saturating_add(1);
            }
            sum.changes = sum.changes.saturating_add(1);
            if change.pool.len() >= change.needs {
                waited.push(last.saturating_sub(came));
            }
        }
    }
}
