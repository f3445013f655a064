//! Checks that no rule file can switch off. They are listed in a decision like rules, enforced and mandatory.
//!
//! Three are always listed. The other two are a floor under any set of rules and are listed only where they themselves
//! stop the change, so that nobody is told twice to find a second person.

use crate::{
    decision::{Mode, Obligation, RuleDecision, RuleStatus, Strength},
    ids::{ActorId, InvalidId, RuleId, Target},
    snapshot::Snapshot,
};

use super::count;

pub const IDENTITIES_KNOWN: &str = "identities-known";
pub const NO_REJECTION: &str = "no-rejection";
pub const TARGETS_KNOWN: &str = "targets-known";
pub const FLOOR: &str = "floor";
pub const RULES_LOADED: &str = "rules-loaded";

/// Names that no rule may take.
pub const ALL: [&str; 5] = [IDENTITIES_KNOWN, NO_REJECTION, TARGETS_KNOWN, FLOOR, RULES_LOADED];

/// The names, parsed once.
#[derive(Debug)]
pub(super) struct BuiltinIds {
    identities_known: RuleId,
    no_rejection: RuleId,
    targets_known: RuleId,
    floor: RuleId,
    rules_loaded: RuleId,
}

impl BuiltinIds {
    pub fn new() -> Result<Self, InvalidId> {
        Ok(Self {
            identities_known: IDENTITIES_KNOWN.parse()?,
            no_rejection: NO_REJECTION.parse()?,
            targets_known: TARGETS_KNOWN.parse()?,
            floor: FLOOR.parse()?,
            rules_loaded: RULES_LOADED.parse()?,
        })
    }
}

/// Everybody who made the change, or is said to have, has a name.
pub(super) fn identities_known(ids: &BuiltinIds, snapshot: &Snapshot) -> RuleDecision {
    // Asked for only where somebody is missing, which is seldom.
    let who =
        || -> Vec<ActorId> { snapshot.people.keys().filter(|id| !count::had_a_hand(snapshot, id)).cloned().collect() };
    let mut obligations: Vec<Obligation> = snapshot
        .unmapped
        .iter()
        .map(|reference| Obligation {
            missing: format!("who {reference} is"),
            who: who(),
            how: format!("countersign identify {} --identity {reference} --as PERSON", snapshot.change),
        })
        .collect();
    obligations.extend(snapshot.unconfirmed.iter().map(|sponsor| Obligation {
        missing: format!("{sponsor}'s own word that they answer for what a machine proposed"),
        who: vec![sponsor.clone()],
        how: format!("countersign disclose {} --tool NAME, or --none", snapshot.change),
    }));
    if snapshot.contributors.is_empty() && obligations.is_empty() {
        obligations.push(Obligation {
            missing: "anybody who made the change".to_owned(),
            who: who(),
            how: format!("countersign identify {} --identity REF --as PERSON", snapshot.change),
        });
    }
    RuleDecision {
        id: ids.identities_known.clone(),
        requires: "everybody who had a hand in the change is known".to_owned(),
        because: "Only who is known to have made a change can be told apart from a second pair of eyes.".to_owned(),
        targets: unmet_everywhere(snapshot, &obligations),
        ..binding(ids, obligations)
    }
}

/// Nobody's rejection stands.
pub(super) fn no_rejection(ids: &BuiltinIds, snapshot: &Snapshot) -> RuleDecision {
    let obligations: Vec<Obligation> = snapshot
        .rejected_by
        .iter()
        .map(|person| Obligation {
            missing: format!("{person} rejected this revision"),
            who: vec![person.clone()],
            how: format!("a new revision (countersign revise {}), or {person} lifts the rejection", snapshot.change),
        })
        .collect();
    RuleDecision {
        id: ids.no_rejection.clone(),
        requires: "nobody's rejection of this revision stands".to_owned(),
        because: "One person who saw a problem outweighs any number who did not.".to_owned(),
        targets: unmet_everywhere(snapshot, &obligations),
        ..binding(ids, obligations)
    }
}

/// The change says where it goes.
pub(super) fn targets_known(ids: &BuiltinIds, snapshot: &Snapshot) -> RuleDecision {
    let mut obligations = Vec::new();
    if snapshot.targets.is_empty() && snapshot.unknown_targets.is_empty() {
        obligations.push(Obligation {
            missing: "at least one target".to_owned(),
            who: snapshot.people.keys().filter(|id| count::had_a_hand(snapshot, id)).cloned().collect(),
            how: "propose it again: countersign propose --target SYSTEM/ENVIRONMENT …".to_owned(),
        });
    }
    for target in &snapshot.unknown_targets {
        obligations.push(Obligation {
            missing: format!("{target}, which the catalog no longer has"),
            who: snapshot.people.keys().filter(|id| count::had_a_hand(snapshot, id)).cloned().collect(),
            how: "propose it again for targets of the catalog: countersign propose --target SYSTEM/ENVIRONMENT …"
                .to_owned(),
        });
    }
    RuleDecision {
        id: ids.targets_known.clone(),
        requires: "every target is in the catalog".to_owned(),
        because: "Rules are asked target by target; without one, none of them would be.".to_owned(),
        ..binding(ids, obligations)
    }
}

/// A production target has an approval by somebody who had no hand in the change, whatever the rules say.
pub(super) fn floor(ids: &BuiltinIds, snapshot: &Snapshot) -> RuleDecision {
    let unmet: Vec<_> = snapshot
        .targets
        .iter()
        .filter(|view| view.production && count::count(snapshot, view).independent == 0)
        .collect();
    let requirement = super::Requirement {
        need: super::requirement::Need::Approvals { role: count::Role::Independent, count: 1 },
        only: None,
    };
    // Which guidance is stale is nothing to this requirement, so any time will do.
    let now = countersign_ledger::Time::from_unix_millis(0);
    RuleDecision {
        id: ids.floor.clone(),
        requires: requirement.words(),
        because: "No change reaches production on one person's word, whatever the rules say.".to_owned(),
        targets: unmet.iter().map(|view| view.target.clone()).collect(),
        ..binding(ids, requirement.obligation(snapshot, &unmet, now).into_iter().collect())
    }
}

/// A missing set of rules is not a set that forbids nothing.
pub(super) fn rules_loaded(ids: &BuiltinIds, snapshot: &Snapshot, rules: usize) -> RuleDecision {
    let mut obligations = Vec::new();
    if rules == 0 {
        obligations.push(Obligation {
            missing: "rules: none are in force".to_owned(),
            who: snapshot.people.keys().cloned().collect(),
            how: "countersign amend HOME --why REASON".to_owned(),
        });
    }
    RuleDecision {
        id: ids.rules_loaded.clone(),
        requires: "at least one rule in force".to_owned(),
        because: "An empty set of rules is far more often a mistake than a wish.".to_owned(),
        targets: unmet_everywhere(snapshot, &obligations),
        ..binding(ids, obligations)
    }
}

fn unmet_everywhere(snapshot: &Snapshot, obligations: &[Obligation]) -> Vec<Target> {
    if obligations.is_empty() { Vec::new() } else { snapshot.targets.iter().map(|view| view.target.clone()).collect() }
}

/// What all built-in checks share; the id and the words are the caller's.
fn binding(ids: &BuiltinIds, obligations: Vec<Obligation>) -> RuleDecision {
    RuleDecision {
        id: ids.floor.clone(),
        status: if obligations.is_empty() { RuleStatus::Satisfied } else { RuleStatus::Unsatisfied },
        mode: Mode::Enforce,
        strength: Strength::Mandatory,
        requires: String::new(),
        because: String::new(),
        targets: Vec::new(),
        obligations,
        error: None,
    }
}
