//! Checks that no rule file can switch off: enforced and mandatory. A decision lists them like rules, where they stop the
//! change.

use countersign_ledger::Time;

use super::count;
use crate::{
    catalog::Tier,
    decision::{Missing, Mode, RuleDecision, RuleStatus, Strength, Token},
    ids::{InvalidId, RuleId, Target},
    requirement::{Need, Requirement, Role},
    snapshot::{BEHIND_LOOSENING, Snapshot, TargetView},
};

pub const IDENTITIES_KNOWN: &str = "identities-known";
pub const NO_REJECTION: &str = "no-rejection";
pub const TARGETS_KNOWN: &str = "targets-known";
pub const FLOOR: &str = "floor";
pub const RULES_LOADED: &str = "rules-loaded";
pub const POLICY_GROUP: &str = "policy-group";
pub const LOOSENING: &str = "loosening";
pub const FROZEN: &str = "frozen";
pub const SCHEDULED: &str = "scheduled";
pub const EXPIRED: &str = "expired";

/// Names that no rule may take.
pub const ALL: [&str; 10] = [
    IDENTITIES_KNOWN,
    NO_REJECTION,
    TARGETS_KNOWN,
    FLOOR,
    RULES_LOADED,
    POLICY_GROUP,
    LOOSENING,
    FROZEN,
    SCHEDULED,
    EXPIRED,
];

/// What the floor asks of a production target.
const FLOOR_ASKS: Requirement = Requirement { need: Need::Approvals { role: Role::Independent, count: 1 }, only: None };

/// What is asked of what governs: its owners are the policy group.
const POLICY_GROUP_ASKS: Requirement =
    Requirement { need: Need::Approvals { role: Role::Owner, count: 1 }, only: None };

/// What a built-in check says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub requires: String,
    pub because: &'static str,
}

/// What the check of this name asks for, and why. `None`: there is no such check.
pub fn words(id: &str) -> Option<Words> {
    let (requires, because) = match id {
        IDENTITIES_KNOWN => (
            "everybody who had a hand in the change is known".to_owned(),
            "Only who is known to have made a change can be told apart from a second pair of eyes.",
        ),
        NO_REJECTION => (
            "nobody's rejection of it stands".to_owned(),
            "One person who saw a problem outweighs any number who did not.",
        ),
        TARGETS_KNOWN => (
            "every target is in the catalog".to_owned(),
            "Rules are asked target by target; without one, none of them would be.",
        ),
        FLOOR => (FLOOR_ASKS.words(), "No change reaches production on one person's word, whatever the rules say."),
        RULES_LOADED => {
            ("at least one rule in force".to_owned(), "An empty set of rules is far more often a mistake than a wish.")
        }
        POLICY_GROUP => (
            "an approval by somebody of the policy group".to_owned(),
            "Who may act and by which rules is not changed on one person's word, whatever the rules say.",
        ),
        LOOSENING => (
            "two people of the policy group behind it, one of them a senior, and a wait".to_owned(),
            "What lets more through, or gives somebody more of a say, is seen by those who would object before it holds.",
        ),
        FROZEN => (
            "that no freeze holds, or that it may pass".to_owned(),
            "While it is frozen, only what cannot wait goes; the freeze says what that is.",
        ),
        SCHEDULED => (
            "that it lands in the window that was signed for it".to_owned(),
            "Whoever put it off, and whoever approved it for that time, meant then and no other time.",
        ),
        EXPIRED => (
            "that somebody has touched it lately".to_owned(),
            "What nobody has looked at for so long is looked at again before it lands: what stands around it has moved on.",
        ),
        _ => return None,
    };
    Some(Words { requires, because })
}

/// The names, parsed once.
#[derive(Debug)]
pub(super) struct BuiltinIds {
    identities_known: RuleId,
    no_rejection: RuleId,
    targets_known: RuleId,
    floor: RuleId,
    rules_loaded: RuleId,
    policy_group: RuleId,
    loosening: RuleId,
    frozen: RuleId,
    scheduled: RuleId,
    expired: RuleId,
}

impl BuiltinIds {
    pub fn new() -> Result<Self, InvalidId> {
        Ok(Self {
            identities_known: IDENTITIES_KNOWN.parse()?,
            no_rejection: NO_REJECTION.parse()?,
            targets_known: TARGETS_KNOWN.parse()?,
            floor: FLOOR.parse()?,
            rules_loaded: RULES_LOADED.parse()?,
            policy_group: POLICY_GROUP.parse()?,
            loosening: LOOSENING.parse()?,
            frozen: FROZEN.parse()?,
            scheduled: SCHEDULED.parse()?,
            expired: EXPIRED.parse()?,
        })
    }
}

/// The change says where it goes.
pub(super) fn targets_known(ids: &BuiltinIds, snapshot: &Snapshot) -> Option<RuleDecision> {
    let missing = match (snapshot.unknown_targets.is_empty(), snapshot.targets.is_empty()) {
        (true, false) => return None,
        (true, true) => Missing::new(Token::Target, 1),
        (false, _) => Missing::each(Token::Target, &snapshot.unknown_targets),
    };
    // For targets that are unknown no rule says anything, so they are not among those for which it is not met.
    stopping(&ids.targets_known, Vec::new(), vec![missing])
}

/// Everybody who made the change, or is said to have, has a name.
pub(super) fn identities_known(ids: &BuiltinIds, snapshot: &Snapshot) -> Option<RuleDecision> {
    let mut missing = Vec::new();
    if !snapshot.unmapped.is_empty() {
        missing.push(Missing::each(Token::Identity, &snapshot.unmapped));
    }
    if !snapshot.unconfirmed.is_empty() {
        missing.push(Missing::each(Token::Sponsor, &snapshot.unconfirmed));
    }
    if !snapshot.undriven.is_empty() {
        missing.push(Missing::each(Token::Driver, &snapshot.undriven));
    }
    if snapshot.contributors.is_empty() && missing.is_empty() {
        missing.push(Missing::new(Token::Contributor, 1));
    }
    stopping(&ids.identities_known, everywhere(snapshot), missing)
}

/// Nobody's rejection stands.
pub(super) fn no_rejection(ids: &BuiltinIds, snapshot: &Snapshot) -> Option<RuleDecision> {
    let people: Vec<_> = snapshot.rejected_by.union(&snapshot.held_by).collect();
    match people.is_empty() {
        true => None,
        false => stopping(&ids.no_rejection, everywhere(snapshot), vec![Missing::each(Token::Lift, people)]),
    }
}

/// No freeze holds that it may not pass. By what name and until when is told with it.
pub(super) fn frozen(ids: &BuiltinIds, snapshot: &Snapshot) -> Option<RuleDecision> {
    let stopped = || snapshot.freezes().iter().filter(|freeze| !freeze.lets(snapshot));
    let missing = Missing::each(Token::Thaw, stopped().map(|freeze| &freeze.name));
    let is_in = |view: &&TargetView| stopped().any(|freeze| freeze.targets.contains(&view.target));
    let targets = snapshot.targets.iter().filter(is_in).map(|view| view.target.clone()).collect();
    stopping(&ids.frozen, targets, Some(missing).filter(|missing| missing.count > 0).into_iter().collect())
}

/// It is in its window, where it has one.
pub(super) fn scheduled(ids: &BuiltinIds, snapshot: &Snapshot, now: Time) -> Option<RuleDecision> {
    let window = snapshot.schedule.as_ref()?.window;
    let missing = match (window.until, window.not_before) {
        (Some(until), _) if until <= now => Missing::each(Token::Reschedule, [until]),
        (_, Some(from)) if now < from => Missing::each(Token::Opens, [from]),
        _ => return None,
    };
    stopping(&ids.scheduled, everywhere(snapshot), vec![missing])
}

/// It has not expired.
pub(super) fn expired(ids: &BuiltinIds, snapshot: &Snapshot, now: Time) -> Option<RuleDecision> {
    let expired = snapshot.expires_at.filter(|at| *at <= now)?;
    stopping(&ids.expired, everywhere(snapshot), vec![Missing::each(Token::Revive, [expired])])
}

/// A production target has an approval by somebody who had no hand in the change, whatever the rules say. One that carries
/// over does, but on tier 1.
pub(super) fn floor(ids: &BuiltinIds, snapshot: &Snapshot, carrying: Option<&Snapshot>) -> Option<RuleDecision> {
    let by = |view: &TargetView| carrying.filter(|_| view.tier != Tier::HIGHEST).unwrap_or(snapshot);
    // What fits a template has its second pair of eyes there.
    let alone = |view: &&TargetView| {
        view.production && snapshot.standard.is_none() && count::count(by(view), view).independent == 0
    };
    let unmet: Vec<&TargetView> = snapshot.targets.iter().filter(alone).collect();
    // Which guidance is stale is nothing to this requirement, so any time will do.
    let missing = FLOOR_ASKS.missing(snapshot, &unmet, Time::from_unix_millis(0));
    let targets = unmet.into_iter().map(|view| view.target.clone()).collect();
    stopping(&ids.floor, targets, missing.into_iter().collect())
}

/// What governs has an approval by one of the policy group who had no hand in the change, whatever the rules say.
pub(super) fn policy_group(ids: &BuiltinIds, snapshot: &Snapshot) -> Option<RuleDecision> {
    let alone = |view: &&TargetView| view.target.is_governance() && count::count(snapshot, view).owner == 0;
    let unmet: Vec<&TargetView> = snapshot.targets.iter().filter(alone).collect();
    let missing = POLICY_GROUP_ASKS.missing(snapshot, &unmet, Time::from_unix_millis(0));
    let targets = unmet.into_iter().map(|view| view.target.clone()).collect();
    stopping(&ids.policy_group, targets, missing.into_iter().collect())
}

/// What loosens has two of the policy group behind it, whoever submitted it among them, one senior; then it waits.
pub(super) fn loosening(ids: &BuiltinIds, snapshot: &Snapshot, now: Time) -> Option<RuleDecision> {
    let view = snapshot.loosening.as_ref()?;
    let unmet: Vec<&TargetView> = snapshot.targets.iter().filter(|view| view.target.is_governance()).collect();
    let still = |role: Role, lacks: u32| {
        let have = unmet.iter().map(|target| count::in_role(snapshot, target, &role)).min().unwrap_or_default();
        let need = Need::Approvals { role, count: have.saturating_add(lacks) };
        Requirement { need, only: None }.missing(snapshot, &unmet, Time::from_unix_millis(0))
    };
    let lacks = BEHIND_LOOSENING.saturating_sub(view.policy);
    let people = if lacks > 0 { still(Role::Owner, lacks) } else { None };
    let senior = if view.senior { None } else { still(Role::Senior, 1) };
    let wait = view.until.filter(|until| now < *until).map(|until| Missing::each(Token::Wait, [until]));
    let targets = unmet.iter().map(|view| view.target.clone()).collect();
    stopping(&ids.loosening, targets, people.into_iter().chain(senior).chain(wait).collect())
}

/// A missing set of rules is not a set that forbids nothing.
pub(super) fn rules_loaded(ids: &BuiltinIds, snapshot: &Snapshot, rules: usize) -> Option<RuleDecision> {
    match rules {
        0 => stopping(&ids.rules_loaded, everywhere(snapshot), vec![Missing::new(Token::Rules, 1)]),
        _ => None,
    }
}

fn everywhere(snapshot: &Snapshot) -> Vec<Target> {
    snapshot.targets.iter().map(|view| view.target.clone()).collect()
}

/// `None` where nothing is missing.
fn stopping(id: &RuleId, targets: Vec<Target>, missing: Vec<Missing>) -> Option<RuleDecision> {
    (!missing.is_empty()).then(|| RuleDecision {
        id: id.clone(),
        status: RuleStatus::Unsatisfied,
        mode: Mode::Enforce,
        strength: Strength::Mandatory,
        targets,
        missing,
        error: None,
    })
}
