//! From a requirement that is not met to what is missing, who can supply it now, and the command that does it.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::{
    attributes::is_stale,
    count::{self, Role},
    requirement::{Document, Need, Requirement, approvals},
};
use crate::{
    decision::Obligation,
    ids::ActorId,
    snapshot::{AiStatus, Material, Snapshot, TargetView},
};

impl Requirement {
    /// How much is still missing of it for these targets: approvals, or 1 for anything else that people have to do.
    pub fn lacks(&self, snapshot: &Snapshot, targets: &[&TargetView], now: Time) -> u32 {
        let asked = || targets.iter().filter(|target| self.asked(snapshot, target));
        match self.need {
            Need::Approvals { role, count } => asked()
                .map(|target| count.saturating_sub(count::count(snapshot, target).of(role)))
                .max()
                .unwrap_or_default(),
            _ if asked().next().is_none() => 0,
            Need::FreshGuidance => u32::from(snapshot.guidance.iter().any(|guidance| is_stale(guidance, now))),
            Need::Document { document, chars } => u32::from(document.chars(&snapshot.documents) < chars),
            Need::Disclosure => u32::from(is_undisclosed(snapshot)),
        }
    }

    /// What is still missing of it for these targets; `None` when nothing is.
    pub fn obligation(&self, snapshot: &Snapshot, targets: &[&TargetView], now: Time) -> Option<Obligation> {
        let asked: Vec<&TargetView> = targets.iter().copied().filter(|target| self.asked(snapshot, target)).collect();
        if asked.is_empty() {
            return None;
        }
        match self.need {
            Need::Approvals { role, count } => missing_approvals(snapshot, &asked, role, count),
            Need::FreshGuidance => stale_guidance(snapshot, now),
            Need::Document { document, chars } => short_document(snapshot, document, chars),
            Need::Disclosure => missing_disclosure(snapshot),
        }
    }
}

fn missing_approvals(snapshot: &Snapshot, targets: &[&TargetView], role: Role, count: u32) -> Option<Obligation> {
    let mut missing = 0;
    let mut who = BTreeSet::new();
    let mut systems = BTreeSet::new();
    for target in targets {
        let short = count.saturating_sub(count::count(snapshot, target).of(role));
        if short > 0 {
            missing = missing.max(short);
            who.extend(count::candidates(snapshot, role, target));
            systems.insert(target.target.system.as_str());
        }
    }
    if missing == 0 {
        return None;
    }
    let more = if missing == count { "" } else { "more " };
    let mut text = approvals(missing, more, role);
    match role {
        // Who owns one system may not own the next, so the list says which.
        Role::Owner => {
            let systems: Vec<&str> = systems.into_iter().collect();
            text = format!("{text} ({})", systems.join(", "));
        }
        Role::Independent | Role::Senior => {}
    }
    // With what was reviewed at hand, so that the digests are computed where they are signed.
    let how = match snapshot.material {
        Material::Commits => format!("countersign approve {} --git .", snapshot.change),
        Material::Files => format!("countersign approve {} --file PATH", snapshot.change),
    };
    Some(Obligation { missing: text, who: who.into_iter().cloned().collect(), how })
}

fn stale_guidance(snapshot: &Snapshot, now: Time) -> Option<Obligation> {
    let stale: Vec<_> = snapshot.guidance.iter().filter(|guidance| is_stale(guidance, now)).collect();
    if stale.is_empty() {
        return None;
    }
    // A page that names no owner whom the catalog knows can be reviewed by anybody.
    let owners: BTreeSet<&ActorId> = stale
        .iter()
        .flat_map(|guidance| &guidance.owners)
        .filter(|owner| snapshot.people.contains_key(*owner))
        .collect();
    let who = if owners.is_empty() {
        snapshot.people.keys().cloned().collect()
    } else {
        owners.into_iter().cloned().collect()
    };
    let paths: Vec<&str> = stale.iter().map(|guidance| guidance.path.as_str()).collect();
    let paths = paths.join(", ");
    Some(Obligation {
        missing: format!("a review of {paths}"),
        who,
        how: format!("review {paths} and land the new review date on its protected branch"),
    })
}

fn short_document(snapshot: &Snapshot, document: Document, chars: u32) -> Option<Obligation> {
    let have = document.chars(&snapshot.documents);
    if have >= chars {
        return None;
    }
    let name = document.name();
    let what = match document {
        Document::Why => "why",
        Document::Risk => "the risk",
        Document::Rollback => "how to roll back",
        Document::Tests => "how it was tested",
    };
    Some(Obligation {
        missing: format!("{what}, in {chars} characters or more ({have} so far)"),
        who: authors(snapshot),
        how: format!("countersign revise {} --{name} TEXT", snapshot.change),
    })
}

fn missing_disclosure(snapshot: &Snapshot) -> Option<Obligation> {
    is_undisclosed(snapshot).then(|| Obligation {
        missing: "a statement of whether AI assisted".to_owned(),
        who: authors(snapshot),
        how: format!("countersign disclose {} --tool NAME, or --none", snapshot.change),
    })
}

fn is_undisclosed(snapshot: &Snapshot) -> bool {
    match snapshot.ai.status {
        AiStatus::Declared | AiStatus::None => false,
        AiStatus::Inferred | AiStatus::Unknown => !snapshot.ai.disclosed,
    }
}

/// Who best writes about the change: whoever made it, because anybody else would become a contributor by it. Where none
/// of them has a key, anybody.
fn authors(snapshot: &Snapshot) -> Vec<ActorId> {
    let made_it: Vec<ActorId> = snapshot.people.keys().filter(|id| count::had_a_hand(snapshot, id)).cloned().collect();
    if made_it.is_empty() { snapshot.people.keys().cloned().collect() } else { made_it }
}
