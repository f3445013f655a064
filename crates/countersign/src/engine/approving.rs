//! How approvals are shared: the server counts what every target remembers, and has somebody else look at what stands out.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    approving::{LEAST_OWNERS, Sums, Tally, is_recent},
    escalation,
    governance::Governance,
    ids::{ActorId, GroupId, Target},
    presence::Presence,
    state::TargetRecord,
    statement::{MAX_LIST, MAX_TARGETS, Matter},
};
use countersign_ledger::Time;

use super::{Engine, EngineError};
use crate::{
    records,
    store::{List, MAX_PAGE},
};

type Tallies = BTreeMap<Target, Vec<Tally>>;

impl Engine {
    /// Raises a finding on two people who approve each other, and on whoever gives over a third of the approvals on a group's targets.
    /// Gives how many.
    pub async fn raise_shares(&self) -> Result<usize, EngineError> {
        let (now, governance) = (self.clock.now()?, self.governance().await?);
        let tallies = self.tallies().await?;
        let mut matters = each_other(&tallies, now);
        matters.extend(carriers(&governance, &tallies, now));
        if matters.is_empty() {
            return Ok(0);
        }
        let presence = records::presence(&*self.store, &governance, now).await?;
        let mut found = Vec::new();
        for what in matters {
            let concerned: BTreeSet<ActorId> = what.actors().into_iter().cloned().collect();
            if !self.was_found_lately(&concerned, &what, now).await? {
                let who = self::others(&governance, &presence, &concerned, now);
                // Where nobody else is there, nobody can look at it.
                found.extend((!who.is_empty()).then_some((what, who)));
            }
        }
        self.raise(found, now).await
    }

    async fn was_found_lately(
        &self,
        concerned: &BTreeSet<ActorId>,
        what: &Matter,
        now: Time,
    ) -> Result<bool, EngineError> {
        let Some(first) = concerned.first() else { return Ok(true) };
        let record = records::person(&*self.store, first).await?;
        let found = record.and_then(|record| record.approving.get(&what.same()).copied());
        Ok(found.is_some_and(|found| is_recent(found, now)))
    }

    /// What every target that is in the catalog remembers.
    async fn tallies(&self) -> Result<Tallies, EngineError> {
        let governance = self.governance().await?;
        let (mut tallies, mut after) = (Tallies::new(), None);
        loop {
            let page = self.store.list(&List { after, ..List::of(records::TARGET, MAX_PAGE) }).await?;
            for item in &page.items {
                let Ok(target) = item.name.parse::<Target>() else { continue };
                let record: TargetRecord = records::parse(&item.name, &item.body)?;
                if !record.approving.is_empty() && governance.catalog.target(&target).is_ok() {
                    tallies.insert(target, record.approving);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(tallies),
            }
        }
    }
}

/// Who is asked: whoever is away only where nobody else is there.
pub(super) fn others(
    governance: &Governance,
    presence: &Presence,
    hands: &BTreeSet<ActorId>,
    now: Time,
) -> BTreeSet<ActorId> {
    let mut gone = presence.disabled.clone();
    gone.extend(presence.away.keys().cloned());
    gone.extend(governance.calendars.away(now).into_iter().cloned());
    let there = escalation::others(governance, hands, &gone, now);
    let who = match there.is_empty() {
        true => escalation::others(governance, hands, &presence.disabled, now),
        false => there,
    };
    who.into_iter().take(MAX_LIST).collect()
}

fn sums(tallies: &Tallies, on: &BTreeSet<Target>, now: Time) -> Sums {
    Sums::of(tallies.iter().filter(|(target, _)| on.contains(*target)).flat_map(|(_, tallies)| tallies), now)
}

/// As many targets as a finding names: those where most landed of what is meant.
fn busiest(tallies: &Tallies, is_meant: impl Fn(&Target, &Tally) -> bool) -> BTreeSet<Target> {
    let landed = |target: &Target, tallies: &[Tally]| -> u64 {
        tallies.iter().filter(|tally| is_meant(target, tally)).map(|tally| u64::from(tally.landed)).sum()
    };
    let mut counted: Vec<(u64, &Target)> =
        tallies.iter().map(|(target, tallies)| (landed(target, tallies), target)).filter(|(n, _)| *n > 0).collect();
    counted.sort_by(|one, other| other.cmp(one));
    counted.into_iter().take(MAX_TARGETS).map(|(_, target)| target.clone()).collect()
}

fn each_other(tallies: &Tallies, now: Time) -> Vec<Matter> {
    let all = Sums::of(tallies.values().flatten(), now);
    let found = all.pairs().filter_map(|(one, other)| {
        let targets = busiest(tallies, |_, tally| tally.of.contains(one) || tally.of.contains(other));
        let (first, second) = sums(tallies, &targets, now).each_other(one, other)?;
        Some(Matter::ApprovesEachOther { first, second, targets })
    });
    found.collect()
}

fn carriers(governance: &Governance, tallies: &Tallies, now: Time) -> Vec<Matter> {
    let catalog = &governance.catalog;
    let owner = |target: &Target| catalog.systems.get(&target.system).map(|system| &system.owner);
    let units: BTreeSet<&GroupId> = tallies.keys().filter_map(owner).collect();
    let mut found = Vec::new();
    for unit in units.into_iter().filter(|unit| catalog.members(unit).len() >= LEAST_OWNERS) {
        let targets = busiest(tallies, |target, tally| owner(target) == Some(unit) && !tally.by.is_empty());
        let sums = sums(tallies, &targets, now);
        found.extend(sums.carriers().filter_map(|by| {
            let ((given, of), targets) = (sums.third(by)?, targets.clone());
            Some(Matter::CarriesAThird { by: by.clone(), given, of, targets, unit: unit.clone() })
        }));
    }
    found
}
