//! From a requirement that is not met to how much of it is missing, and for what.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::count;
use crate::{
    decision::{Missing, Token},
    requirement::{Choice, Has, Need, Requirement, Role},
    snapshot::{AiStatus, Applier, EvidenceView, Snapshot, TargetView},
};

impl Choice {
    /// Whether anything is asked for this target: a way that is not is no way there.
    pub fn asked(&self, snapshot: &Snapshot, target: &TargetView) -> bool {
        self.ways().iter().any(|way| way.asked(snapshot, target))
    }

    /// The targets of these for which none of the ways was gone.
    fn open<'a>(&self, snapshot: &Snapshot, targets: &[&'a TargetView], now: Time) -> Vec<&'a TargetView> {
        let met = |target: &TargetView| {
            let mut ways = self.ways().iter().filter(|way| way.asked(snapshot, target));
            ways.any(|way| way.lacks(snapshot, &[target], now) == 0)
        };
        targets.iter().copied().filter(|target| self.asked(snapshot, target) && !met(target)).collect()
    }

    /// The ways that are left for these targets, each with how much it still takes. Empty: nothing is missing.
    pub fn lacks(&self, snapshot: &Snapshot, targets: &[&TargetView], now: Time) -> Vec<(&Requirement, u32)> {
        let open = self.open(snapshot, targets, now);
        let ways = self.ways().iter().map(|way| (way, way.lacks(snapshot, &open, now)));
        ways.filter(|(_, lacks)| *lacks > 0).collect()
    }

    /// What is still missing of it for these targets, the other ways beside the first; `None` when nothing is.
    pub fn missing(&self, snapshot: &Snapshot, targets: &[&TargetView], now: Time) -> Option<Missing> {
        let open = self.open(snapshot, targets, now);
        let mut ways = self.ways().iter().filter_map(|way| way.missing(snapshot, &open, now));
        let first = ways.next()?;
        Some(Missing { or: ways.collect(), ..first })
    }
}

impl Requirement {
    /// Whether it is asked for this target.
    pub fn asked(&self, snapshot: &Snapshot, target: &TargetView) -> bool {
        let worked = || snapshot.worked(&target.target).map_or(0, |worked| worked.hours);
        self.only.is_none_or(|only| only.holds(target.tier.into(), snapshot.population, worked()))
    }

    /// How much is still missing of it for these targets: approvals, or 1 for anything else that people have to do.
    pub fn lacks(&self, snapshot: &Snapshot, targets: &[&TargetView], now: Time) -> u32 {
        let asked = || targets.iter().filter(|target| self.asked(snapshot, target));
        match &self.need {
            Need::Approvals { role, count } => {
                asked().map(|target| short(snapshot, target, role, *count)).max().unwrap_or_default()
            }
            Need::Apart(parts) => {
                let open = asked().map(|target| count::unfilled(snapshot, target, parts).len()).max();
                open.and_then(|open| u32::try_from(open).ok()).unwrap_or_default()
            }
            _ if asked().next().is_none() => 0,
            Need::FreshGuidance => u32::from(snapshot.guidance.iter().any(|guidance| guidance.is_stale(now))),
            Need::Document { document, chars } => u32::from(document.chars(&snapshot.documents) < *chars),
            Need::Evidence(kind) => {
                let passed = |came: &EvidenceView| came.passed_for(asked().map(|asked| &asked.target));
                u32::from(!snapshot.evidence.get(kind).is_some_and(passed))
            }
            Need::Disclosure => u32::from(is_undisclosed(snapshot)),
            Need::Has(has) => u32::from(!has.is_met(snapshot)),
        }
    }

    /// What is still missing of it for these targets; `None` when nothing is.
    pub fn missing(&self, snapshot: &Snapshot, targets: &[&TargetView], now: Time) -> Option<Missing> {
        let lacks = self.lacks(snapshot, targets, now);
        if lacks == 0 {
            return None;
        }
        let token = Token::Requirement(self.clone());
        Some(match &self.need {
            // Who owns one system, or is on call for it, may not be for the next, so the list says which.
            Need::Approvals { role: role @ (Role::Owner | Role::OnCall), count } => {
                let unmet = targets.iter().filter(|target| self.asked(snapshot, target));
                let unmet = unmet.filter(|target| short(snapshot, target, role, *count) > 0);
                let systems: BTreeSet<_> = unmet.map(|target| &target.target.system).collect();
                Missing { count: lacks, ..Missing::each(token, systems) }
            }
            // Who put it on.
            Need::Has(Has::NoLabel(label)) => {
                let by = snapshot.labels.all.get(label);
                Missing { count: lacks, ..Missing::each(token, by.into_iter().flatten()) }
            }
            // Who is about to apply it.
            Need::Has(Has::ApplierApart) => {
                let known = snapshot.applier.as_ref().and_then(|applier| match applier {
                    Applier::Is(who) => Some(who),
                    Applier::Unknown => None,
                });
                Missing { count: lacks, ..Missing::each(token, known) }
            }
            Need::Approvals { .. }
            | Need::Disclosure
            | Need::Has(Has::Title(_) | Has::Link(_) | Has::SignedCommits | Has::Label(_) | Has::Window) => {
                Missing { token, count: lacks, of: Vec::new(), or: Vec::new() }
            }
            // The roles for which nobody is left.
            Need::Apart(parts) => {
                let asked = targets.iter().filter(|target| self.asked(snapshot, target));
                let open = asked.map(|target| count::unfilled(snapshot, target, parts));
                Missing::each(token, open.max_by_key(Vec::len).into_iter().flatten())
            }
            // Who says what instead.
            Need::Evidence(kind) => {
                let said = snapshot.evidence.get(kind).map(EvidenceView::objections).unwrap_or_default();
                Missing { count: lacks, ..Missing::each(token, said) }
            }
            Need::FreshGuidance => {
                let stale = snapshot.guidance.iter().filter(|guidance| guidance.is_stale(now));
                Missing::each(token, stale.map(|guidance| &guidance.path))
            }
            Need::Document { document, chars } => {
                let count = chars.saturating_sub(document.chars(&snapshot.documents));
                Missing { token, count, of: Vec::new(), or: Vec::new() }
            }
        })
    }
}

impl Has {
    /// Whether a change has it.
    pub fn is_met(&self, snapshot: &Snapshot) -> bool {
        match self {
            Self::Title(form) => match form.strip_suffix('*') {
                Some(start) => snapshot.documents.form.starts_with(start),
                None => snapshot.documents.form == *form,
            },
            Self::Link(host) => snapshot.documents.hosts.contains(host),
            Self::SignedCommits => snapshot.commits.is_some_and(|commits| commits.signed),
            Self::Label(label) => snapshot.labels.by_others.contains(label),
            Self::ApplierApart => count::applier_is_apart(snapshot),
            Self::NoLabel(label) => !snapshot.labels.all.contains_key(label),
            Self::Window => snapshot.targets.iter().all(|view| snapshot.is_open(&view.target)),
        }
    }
}

/// How many approvals by people in a role a target lacks.
fn short(snapshot: &Snapshot, target: &TargetView, role: &Role, count: u32) -> u32 {
    count.saturating_sub(count::in_role(snapshot, target, role))
}

fn is_undisclosed(snapshot: &Snapshot) -> bool {
    match snapshot.ai.status {
        AiStatus::Declared | AiStatus::None => false,
        AiStatus::Inferred | AiStatus::Unknown => !snapshot.ai.disclosed,
    }
}
