//! How long what waited for whom: of a rule, an owner group, a system; of a person only where the home says so.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ask, History, MIN_PEOPLE};
use crate::{
    governance::Governance,
    ids::{ActorId, GroupId, RuleId, SystemId},
};

/// Of some waits, in minutes: half of them were no longer than the one, nine of ten no longer than the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    pub median: u64,
    pub nine_tenths: u64,
}

impl Spread {
    /// None of nothing.
    pub fn of(mut minutes: Vec<u64>) -> Option<Self> {
        minutes.sort_unstable();
        let last = minutes.len().checked_sub(1)?;
        let at = |tenths: usize| minutes.get(last.saturating_mul(tenths) / 10).copied();
        Some(Self { median: at(5)?, nine_tenths: at(9)? })
    }
}

/// What was answered of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub approvals: usize,
    /// How many people gave them.
    pub people: usize,
    /// Untold where that is how long one of few takes.
    pub waited: Option<Spread>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    pub systems: BTreeMap<SystemId, Row>,
    /// Those who own them.
    pub groups: BTreeMap<GroupId, Row>,
    pub rules: BTreeMap<RuleId, Row>,
}

#[derive(Default)]
struct Sum<'a> {
    people: BTreeSet<&'a ActorId>,
    minutes: Vec<u64>,
}

impl<'a> Sum<'a> {
    fn add(&mut self, ask: &'a Ask) {
        for answer in &ask.answers {
            self.people.insert(&answer.by);
            self.minutes.push(answer.minutes);
        }
    }

    fn row(self) -> Row {
        let (approvals, people) = (self.minutes.len(), self.people.len());
        Row { approvals, people, waited: Spread::of(self.minutes).filter(|_| people >= MIN_PEOPLE) }
    }
}

fn rows<'a, K: Ord + Clone + 'a>(history: &'a History, of: impl Fn(&'a Ask) -> &'a BTreeSet<K>) -> BTreeMap<K, Row> {
    let mut sums: BTreeMap<&K, Sum<'a>> = BTreeMap::new();
    for ask in &history.asks {
        of(ask).iter().for_each(|key| sums.entry(key).or_default().add(ask));
    }
    sums.into_iter().map(|(key, sum)| (key.clone(), sum.row())).collect()
}

pub fn waits(history: &History) -> Waits {
    Waits {
        systems: rows(history, |ask| &ask.systems),
        groups: rows(history, |ask| &ask.groups),
        rules: rows(history, |ask| &ask.rules),
    }
}

/// How long what each person approved had waited, if the home says that this may be told.
pub fn speed(governance: &Governance, history: &History) -> Option<BTreeMap<ActorId, Spread>> {
    governance.catalog.settings.load.people.then(|| {
        let mut of: BTreeMap<&ActorId, Vec<u64>> = BTreeMap::new();
        for answer in history.asks.iter().flat_map(|ask| &ask.answers) {
            of.entry(&answer.by).or_default().push(answer.minutes);
        }
        of.into_iter().filter_map(|(person, minutes)| Some((person.clone(), Spread::of(minutes)?))).collect()
    })
}
