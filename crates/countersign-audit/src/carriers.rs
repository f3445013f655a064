//! Who carries the reviews: how they are shared, per area and in all, and where one person is all there is.
//!
//! A review is one person who is no contributor and whom git names as reviewer of one landed change. Where git names
//! nobody there is nothing to share out, which is not to say that nobody looked. Times are counted back from the newest
//! landed change, never from a clock. Memory grows with areas, periods and people, and by eight bytes for each change of
//! an area.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    conventions::Says,
    judge::Audited,
    people::{IdentityId, People},
    summary::{Share, month_of},
    timeline::{DAY_SECS, timeline},
};

/// "Only one person has reviewed here" looks so far back.
pub const RECENT_DAYS: i64 = 180;
/// Two people approve each other when each did so at least this often.
pub const PAIR_TIMES: u64 = 5;
/// An approval within this time can hardly be a reading.
pub const QUICK_SECS: i64 = 60;

/// A history that spans more than this is told by years, a shorter one by quarters.
pub const QUARTERS_DAYS: i64 = 731;

/// A calendar year or quarter, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    Year(i32),
    /// The quarter counts from 1.
    Quarter(i32, u8),
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Year(year) => write!(f, "{year:04}"),
            Self::Quarter(year, quarter) => write!(f, "{year:04}-Q{quarter}"),
        }
    }
}

/// How long the periods of a history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calendar {
    Years,
    Quarters,
}

impl Calendar {
    /// For times that only go forward.
    fn of(times: &[i64]) -> Self {
        let span = |first: &i64, last: &i64| last.saturating_sub(*first);
        match times.first().zip(times.last()).map(|(first, last)| span(first, last)) {
            Some(secs) if secs > QUARTERS_DAYS * DAY_SECS => Self::Years,
            Some(_) | None => Self::Quarters,
        }
    }

    fn period(self, secs: i64) -> Period {
        let (year, month) = month_of(secs);
        match self {
            Self::Years => Period::Year(year),
            Self::Quarters => Period::Quarter(year, month.saturating_sub(1) / 3 + 1),
        }
    }
}

/// The reviews of some changes: of an area, or of all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    pub landed: u64,
    /// Second persons, most reviews first.
    pub reviewers: Vec<Share>,
    /// How many people, taken from the busiest on, gave at least half of the reviews.
    pub half_of_reviews: u64,
    /// The one person who reviewed anything in the last [`RECENT_DAYS`], where it was one.
    pub only_reviewer: Option<IdentityId>,
    /// From author date to landing.
    pub median_secs: Option<i64>,
    pub p90_secs: Option<i64>,
}

impl Carried {
    pub fn reviews(&self) -> u64 {
        self.reviewers.iter().map(|share| share.count).sum()
    }
}

/// Two people, each the only reviewer that the other's reviewed changes ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub people: [IdentityId; 2],
    /// How often the second reviewed the first, and the first the second.
    pub times: [u64; 2],
}

/// The reviews of an area.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CarriedArea {
    pub all: Carried,
    /// As in [`Carriers`].
    pub periods: Vec<(Period, Carried)>,
}

/// Who carries the reviews of a history.
#[derive(Clone, Debug, Default)]
pub struct Carriers {
    pub all: Carried,
    /// By period, oldest first; periods without a change are left out.
    pub periods: Vec<(Period, Carried)>,
    /// By area, as [`super::Areas`] numbers them.
    pub areas: BTreeMap<u32, CarriedArea>,
    pub pairs: Vec<Pair>,
    /// Approvals by second persons that carry a time.
    pub timed: u64,
    /// Those of them within [`QUICK_SECS`] of the change's author date.
    pub quick: u64,
}

impl Carriers {
    /// Counts over settled changes, in the order in which they landed.
    pub fn find(changes: &[Audited], people: &People) -> Self {
        let times = timeline(changes);
        let recent = times.last().map_or(i64::MIN, |newest| newest.saturating_sub(RECENT_DAYS * DAY_SECS));
        let calendar = Calendar::of(&times);
        let mut all = Tallies::default();
        let mut areas: BTreeMap<u32, Tallies> = BTreeMap::new();
        let mut sole = SoleReviewers::default();
        let mut found = Self::default();
        for (change, at) in changes.iter().zip(&times) {
            let reviewers: BTreeSet<IdentityId> = change.reviewers.iter().map(|who| people.person(*who)).collect();
            let period = calendar.period(*at);
            all.add(period, change, &reviewers, *at > recent);
            for area in &change.areas {
                areas.entry(*area).or_default().add(period, change, &reviewers, *at > recent);
            }
            sole.add(change, &reviewers, people);
            for review_secs in dated_reviews(change, people) {
                found.timed = found.timed.saturating_add(1);
                if review_secs <= QUICK_SECS {
                    found.quick = found.quick.saturating_add(1);
                }
            }
        }
        CarriedArea { all: found.all, periods: found.periods } = all.carried();
        found.areas = areas.into_iter().map(|(area, tallies)| (area, tallies.carried())).collect();
        found.pairs = sole.pairs();
        found
    }
}

/// From the author date to each approval by a second person whose time is told, in seconds, where the clocks agree.
pub(super) fn dated_reviews(change: &Audited, people: &People) -> impl Iterator<Item = i64> {
    let mut seen = BTreeSet::new();
    change
        .evidence
        .iter()
        .filter(|evidence| evidence.says == Says::Approved)
        .filter_map(move |evidence| Some((people.person(evidence.who?), evidence.at?)))
        .filter(|(who, _)| change.reviewers.contains(who))
        .filter(move |(who, _)| seen.insert(*who))
        .filter_map(|(_, at)| at.checked_sub(change.authored_at).filter(|secs| *secs >= 0 && !change.redated))
}

/// What lies at a fraction of sorted values: half is the median, of an even number the upper one.
pub(super) fn at_fraction<T: Copy>(sorted: &[T], numerator: usize, denominator: usize) -> Option<T> {
    let at = sorted.len().saturating_mul(numerator) / denominator.max(1);
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied()
}

/// From author date to landing, in seconds; a clock that was wrong counts as no time at all. Nothing where the date was written
/// anew.
pub(super) fn secs_to_landing(change: &Audited) -> Option<u32> {
    let secs = change.landed_at.saturating_sub(change.authored_at).max(0);
    (!change.redated).then(|| u32::try_from(secs).unwrap_or(u32::MAX))
}

/// Of some changes: in all, and by period.
#[derive(Debug, Default)]
struct Tallies {
    all: Tally,
    periods: BTreeMap<Period, Tally>,
}

impl Tallies {
    fn add(&mut self, period: Period, change: &Audited, reviewers: &BTreeSet<IdentityId>, recent: bool) {
        self.all.add(change, reviewers, recent);
        self.periods.entry(period).or_default().add(change, reviewers, recent);
    }

    fn carried(self) -> CarriedArea {
        let periods = self.periods.into_iter().map(|(period, tally)| (period, tally.carried()));
        CarriedArea { all: self.all.carried(), periods: periods.collect() }
    }
}

#[derive(Debug, Default)]
struct Tally {
    landed: u64,
    reviews: BTreeMap<IdentityId, u64>,
    recent: BTreeSet<IdentityId>,
    secs: Vec<u32>,
}

impl Tally {
    fn add(&mut self, change: &Audited, reviewers: &BTreeSet<IdentityId>, recent: bool) {
        self.landed = self.landed.saturating_add(1);
        self.secs.extend(secs_to_landing(change));
        for reviewer in reviewers {
            let count = self.reviews.entry(*reviewer).or_default();
            *count = count.saturating_add(1);
            if recent {
                self.recent.insert(*reviewer);
            }
        }
    }

    fn carried(mut self) -> Carried {
        self.secs.sort_unstable();
        let total: u64 = self.reviews.values().sum();
        let share = |count: u64| if total == 0 { 0.0 } else { count as f64 / total as f64 };
        let mut reviewers: Vec<Share> = self
            .reviews
            .iter()
            .map(|(person, count)| Share { person: *person, count: *count, share: share(*count) })
            .collect();
        reviewers.sort_by_key(|share| (std::cmp::Reverse(share.count), share.person));
        let mut sum = 0_u64;
        let half = reviewers.iter().take_while(|share| {
            let before = sum;
            sum = sum.saturating_add(share.count);
            before.saturating_mul(2) < total
        });
        Carried {
            landed: self.landed,
            half_of_reviews: u64::try_from(half.count()).unwrap_or(u64::MAX),
            reviewers,
            only_reviewer: self.recent.first().copied().filter(|_| self.recent.len() == 1),
            median_secs: at_fraction(&self.secs, 1, 2).map(i64::from),
            p90_secs: at_fraction(&self.secs, 9, 10).map(i64::from),
        }
    }
}

/// By contributor: who reviewed what they had a hand in, as long as it was always the same one person.
#[derive(Debug, Default)]
struct SoleReviewers(BTreeMap<IdentityId, Option<(IdentityId, u64)>>);

impl SoleReviewers {
    fn add(&mut self, change: &Audited, reviewers: &BTreeSet<IdentityId>, people: &People) {
        let Some(first) = reviewers.first() else { return };
        let only = Some(*first).filter(|_| reviewers.len() == 1);
        let contributors: BTreeSet<IdentityId> =
            change.contributors.iter().filter(|who| people.is_person(**who)).map(|who| people.person(*who)).collect();
        for contributor in contributors {
            let known = self.0.entry(contributor).or_insert_with(|| only.map(|only| (only, 0)));
            *known = match (*known, only) {
                (Some((known, times)), Some(only)) if known == only => Some((known, times.saturating_add(1))),
                (Some(_) | None, _) => None,
            };
        }
    }

    fn pairs(&self) -> Vec<Pair> {
        let sole = |who: &IdentityId| self.0.get(who).copied().flatten().filter(|(_, times)| *times >= PAIR_TIMES);
        let mut pairs = Vec::new();
        for one in self.0.keys() {
            if let Some((other, by_other)) = sole(one)
                && let Some((back, by_one)) = sole(&other)
                && back == *one
                && *one < other
            {
                pairs.push(Pair { people: [*one, other], times: [by_other, by_one] });
            }
        }
        pairs.sort_by_key(|pair| (std::cmp::Reverse(pair.times.iter().sum::<u64>()), pair.people));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_up_to_two_years_and_years_beyond() {
        let day = |days: i64| days * DAY_SECS;
        // 2023-11-14 and what follows.
        let begin = 1_700_000_000;
        let told = |days: i64| {
            let times = [begin, begin + day(days)];
            let calendar = Calendar::of(&times);
            times.map(|at| calendar.period(at).to_string()).join(" ")
        };
        assert_eq!(told(0), "2023-Q4 2023-Q4");
        assert_eq!(told(60), "2023-Q4 2024-Q1");
        assert_eq!(told(731), "2023-Q4 2025-Q4");
        assert_eq!(told(732), "2023 2025");
        assert_eq!(Calendar::of(&[]).period(0).to_string(), "1970-Q1");
        // The last and the first second of a quarter, and clocks that no calendar has.
        assert_eq!(Calendar::Quarters.period(1_711_929_599).to_string(), "2024-Q1");
        assert_eq!(Calendar::Quarters.period(1_711_929_600).to_string(), "2024-Q2");
        Calendar::Years.period(i64::MAX);
        Calendar::Years.period(i64::MIN);
    }
}
