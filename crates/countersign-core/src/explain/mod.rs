//! Explaining a decision: what each rule says in words, what is missing, who could supply it now, and the command that
//! does it. Computed when somebody looks and never logged: who is there and who holds which key changes while a decision
//! stands.
//!
//! Invariant: nothing here takes part in deciding; a decision is the same whoever could act.
//!
//! | room | holds |
//! |---|---|
//! | `freezes` | what freezes stop, and what passes them |
//! | `doubts` | documents that nobody reviewed or found, and mails of which nobody says whose they are |
//! | `enough` | the smallest set of people that would do |
//! | `people` | who could act now, and who is nearest to what is missing |
//! | `scheduled` | when it lands, and whose word that is |
//! | `reviewers` | whom to ask, and why |
//! | `steps` | from when on somebody else may supply it |
//! | `theirs` | what only those who are named can do: say that they answer for it, lift a rejection |
//! | `words` | what is missing, in words |

mod approvers;
mod beside;
mod doubts;
mod enough;
mod freezes;
mod has;
mod people;
mod reviewers;
mod scheduled;
mod steps;
mod theirs;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

use self::{
    beside::{beside, glass_is_over, idle},
    enough::{Wish, enough},
    people::{Found, Wanted, asked},
    words::{how_to_disclose, way_in_words},
};
pub use self::{
    people::{MAX_WHO, People, able, names},
    reviewers::{Past, Reviewer, reviewers},
    words::words,
};
use crate::{
    change::Change,
    decision::{Decision, Missing, Mode, RuleDecision, RuleStatus, Strength, Token},
    facts::git::Ident,
    governance::Governance,
    ids::{ActorId, ChangeId, GroupId, RuleId, SystemId, Target},
    landed::RollbackView,
    newcomers,
    presence::Presence,
    refusal::Refusal,
    requirement::{Carry, Has, Need, Part, Role},
    rollback::{AFTER_REVIEW_SECS, Rollback, instead, instead_in_words, rollback},
    rules::{Rules, builtin, count, decide},
    snapshot::Snapshot,
    standard::StandardView,
    state::State,
    take::{Nearly, day, nearly_standard},
};

/// How much of an identity's reference is shown.
const SHORT_REFERENCE: usize = 12;

/// What a decision means to a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// When it was looked up who could supply what is missing.
    pub explained_at: Time,
    /// In the order of the decision's.
    pub rules: Vec<ExplainedRule>,
    /// The smallest set of people whose approvals would meet every rule that binds and asks for approvals: for example these.
    /// Empty where none is missing, or where not enough people could.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enough: Vec<ActorId>,
    /// Which standard change it is, or by what it misses the nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// What it takes back, on whose one signature; why it is no rollback though it is said to be one; or that it could be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
    /// The freezes that hold for it now, and whether it may pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<String>,
    /// When it lands, and by whose word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lands: Option<String>,
    /// When it expires, from a week before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// From when on somebody else may supply what is missing, by which rule, and where that was used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// That the glass was broken for it, and that this is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glass: Option<String>,
    /// Who has rejected another change of the same places lately, which holds nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Roles of others that an approval does not count by, though they were delegated, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<String>,
}

/// A rule of a decision, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedRule {
    pub id: RuleId,
    pub status: RuleStatus,
    pub mode: Mode,
    pub strength: Strength,
    /// What the rule asks for.
    pub requires: String,
    pub because: String,
    /// The targets for which it is not met.
    pub targets: Vec<Target>,
    pub obligations: Vec<Obligation>,
    /// Whose members may waive it; seniors where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waivers: Option<GroupId>,
    /// What the evaluator says, for `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a rule still misses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligation {
    /// `1 more approval by a senior`.
    pub missing: String,
    /// Who can supply it now: those who are nearest, at most [`MAX_WHO`]. Empty: nobody can, which is a finding.
    pub who: Vec<ActorId>,
    /// How many others can.
    pub more: u32,
    /// What is to be known of some of those who are named: until when they are away, and by whose delegation they could.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<ActorId, String>,
    /// The command that does it.
    pub how: String,
    /// Other ways to the same, any one of which suffices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<Self>,
}

impl Obligation {
    /// It, and the other ways to the same.
    pub fn ways(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.or)
    }

    /// Those who are named, each with what is to be known of them.
    pub fn named(&self) -> Vec<String> {
        let one = |person: &ActorId| match self.notes.get(person) {
            Some(note) => format!("{person} ({note})"),
            None => person.to_string(),
        };
        self.who.iter().map(one).collect()
    }
}

impl Explanation {
    /// Who would do, where more than one thing is asked: `for example: ada and grace approve, …`.
    pub fn for_example(&self) -> Option<String> {
        let asked: usize = self.rules.iter().filter(|rule| rule.stops()).map(|rule| rule.obligations.len()).sum();
        let (last, others) = self.enough.split_last()?;
        let others: Vec<&str> = others.iter().map(ActorId::as_str).collect();
        match others.is_empty() {
            true if asked < 2 => None,
            true => Some(format!("for example: {last} approves, and no approval is missing")),
            false => Some(format!("for example: {} and {last} approve, and no approval is missing", others.join(", "))),
        }
    }
}

impl ExplainedRule {
    /// What is missing, a line each, with all ways.
    pub fn missing(&self) -> impl Iterator<Item = String> {
        self.obligations
            .iter()
            .map(|todo| todo.ways().map(|way| way.missing.as_str()).collect::<Vec<_>>().join(", or "))
    }

    /// Whether this rule alone stops the change.
    pub fn stops(&self) -> bool {
        Decision::binds(self.mode, self.status)
    }
}

/// A decision with its explanation: what somebody is told who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    pub decision: Decision,
    pub explanation: Explanation,
}

impl Explained {
    /// Decides a change as it stands now, and explains that.
    pub fn standing(state: &State, change: &Change, presence: &Presence, now: Time) -> Result<Self, Refusal> {
        let snapshot = Snapshot::take(state, change, now)?;
        let decision = decide(&state.governance.rules, &snapshot, now);
        let mut explanation = Scene::of(state, change, &snapshot, presence, now)?.explain(&decision, now);
        explanation.standard = standard(&decision, state, change, now)?;
        explanation.rollback = rolls_back(&decision, state, change, now)?;
        explanation.glass = glass_is_over(change, now);
        explanation.beside = beside(state, change)?;
        explanation.idle = idle(state, change, &snapshot, now)?;
        Ok(Self { decision, explanation })
    }
}

/// Explains a decision of a change as it stands now.
pub fn explain(
    decision: &Decision,
    state: &State,
    change: &Change,
    presence: &Presence,
    now: Time,
) -> Result<Explanation, Refusal> {
    let snapshot = Snapshot::take(state, change, now)?;
    let mut explanation = Scene::of(state, change, &snapshot, presence, now)?.explain(decision, now);
    explanation.standard = standard(decision, state, change, now)?;
    explanation.rollback = rolls_back(decision, state, change, now)?;
    explanation.glass = glass_is_over(change, now);
    explanation.beside = beside(state, change)?;
    explanation.idle = idle(state, change, &snapshot, now)?;
    Ok(explanation)
}

/// What it takes back, where rules were set aside for that; else why it is none, though it is said to be one.
fn rolls_back(decision: &Decision, state: &State, change: &Change, now: Time) -> Result<Option<String>, Refusal> {
    if let Some(RollbackView { by, restores, undoes }) = &decision.rollback {
        let (restores, undoes) = (restores.short(), undoes.short());
        return Ok(Some(format!(
            "rolls back {undoes} to {restores} on one signature, by {by}; rules are set aside for recovery, and somebody else \
             looks at it within {} h of its landing",
            AFTER_REVIEW_SECS / 3600
        )));
    }
    Ok(match rollback(state, change, now)? {
        // What has landed is what stands there.
        Rollback::IsNot(why) if change.status.is_open() => {
            Some(format!("no rollback that one person may do alone: {why}"))
        }
        Rollback::Unknown if change.status.is_open() => {
            Some("whether it is a rollback that one person may do alone, its gate finds out".to_owned())
        }
        Rollback::NotSaid if change.status.is_open() => {
            instead(state, change, now)?.map(|found| instead_in_words(&found, &change.targets))
        }
        Rollback::IsNot(_) | Rollback::NotSaid | Rollback::Unknown | Rollback::Is(_) => None,
    })
}

/// Which standard change it is, or by what it misses the nearest of its proposer.
fn standard(decision: &Decision, state: &State, change: &Change, now: Time) -> Result<Option<String>, Refusal> {
    if let Some(StandardView { name, approved_by, approved_at }) = &decision.standard {
        let by: Vec<&str> = approved_by.iter().map(ActorId::as_str).collect();
        return Ok(Some(format!("standard change {name}, approved by {} on {}", by.join(" and "), day(*approved_at))));
    }
    let nearly = nearly_standard(state, change, now)?;
    Ok(nearly.map(|Nearly { name, misses }| format!("no standard change {name}: {}", misses.join("; "))))
}

/// What is missing that this person could supply now.
pub fn could_supply(
    decision: &Decision,
    state: &State,
    change: &Change,
    presence: &Presence,
    person: &ActorId,
) -> Result<Vec<Obligation>, Refusal> {
    let snapshot = Snapshot::take(state, change, decision.decided_at)?;
    Ok(Scene::of(state, change, &snapshot, presence, decision.decided_at)?.could_supply(decision, person))
}

/// Those who grant nothing here while they suspend somebody whom the change concerns.
fn set_against(state: &State, change: &Change, now: Time) -> BTreeSet<ActorId> {
    let against = state.people().filter(|(_, record)| state.is_set_against(record, change, now).is_some());
    against.map(|(person, _)| person.clone()).collect()
}

/// All that explaining looks at.
#[derive(Debug)]
pub struct Scene<'a> {
    pub rules: &'a Rules,
    pub snapshot: &'a Snapshot,
    pub people: People<'a>,
    /// Who could refresh a cited document, where it names a person or group of the catalog.
    pub keepers: BTreeMap<&'a str, BTreeSet<&'a ActorId>>,
    /// Cited documents that are nowhere.
    pub nowhere: BTreeSet<&'a str>,
    /// Whom commits name, where that was not erased.
    pub names: BTreeMap<&'a str, &'a Ident>,
    /// Who rejected what it brings in which other changes, and whether that was all that it brings.
    pub held_in: BTreeMap<(&'a ActorId, &'a ChangeId), bool>,
    /// Whose approval would not count, since they or who had a part in it came into the home lately, enrolled by the other.
    pub together: BTreeSet<ActorId>,
    /// Of whom the first approval does not count: they enrolled a newcomer whose change it is.
    pub half: BTreeSet<ActorId>,
    /// Who rejected an earlier revision than the present one, so that it is theirs to look again.
    pub look_again: BTreeSet<&'a ActorId>,
    /// Of whose catalog the workloads are that attest.
    pub governance: Option<&'a Governance>,
}

impl<'a> Scene<'a> {
    /// One without documents, names and other changes: of a snapshot that nobody took.
    pub fn bare(rules: &'a Rules, snapshot: &'a Snapshot, people: People<'a>) -> Self {
        Self {
            rules,
            snapshot,
            people,
            keepers: BTreeMap::new(),
            nowhere: BTreeSet::new(),
            names: BTreeMap::new(),
            held_in: BTreeMap::new(),
            together: BTreeSet::new(),
            half: BTreeSet::new(),
            look_again: BTreeSet::new(),
            governance: None,
        }
    }

    /// The snapshot is the one that was taken of the change.
    pub fn of(
        state: &'a State,
        change: &'a Change,
        snapshot: &'a Snapshot,
        presence: &'a Presence,
        now: Time,
    ) -> Result<Self, Refusal> {
        let governance: &Governance = &state.governance;
        let keepers = |path| {
            let owner = change.observed_document(path).and_then(|document| document.owner.as_deref());
            owner.map(|owner| governance.people_called(owner)).unwrap_or_default()
        };
        // Of what governs nothing is delegated, and of nobody whose own word is there, or cannot be.
        let governs = change.targets.iter().any(Target::is_governance);
        let lends = |of: &ActorId| {
            let spoke = snapshot.approvals.iter().any(|approval| approval.by == *of)
                || snapshot.waivers.iter().any(|waiver| waiver.by == *of)
                || snapshot.rejected_by.contains(of)
                || snapshot.cleared_by.contains(of);
            !governs && !spoke && !count::had_a_hand(snapshot, of)
        };
        Ok(Self {
            rules: &governance.rules,
            snapshot,
            people: People::of(governance, change, presence, lends, now).without(set_against(state, change, now)),
            keepers: change.cited_guidance().into_iter().map(|path| (path, keepers(path))).collect(),
            names: change
                .revisions
                .iter()
                .flat_map(|revision| &revision.named)
                .map(|(reference, who)| (reference.as_str(), who))
                .collect(),
            nowhere: change.cited_guidance().into_iter().filter(|p| change.observed_document(p).is_none()).collect(),
            held_in: state.held_by(change)?.into_iter().fold(BTreeMap::new(), |mut held_in, rejection| {
                let same = change.content().is_ok_and(|content| content == rejection.content);
                *held_in.entry((&rejection.by, &rejection.change)).or_default() |= same;
                held_in
            }),
            together: newcomers::would_not_count(governance, snapshot, now),
            half: newcomers::enrolled_its_maker(governance, snapshot, now),
            look_again: change.look_again().collect(),
            governance: Some(governance),
        })
    }

    pub fn explain(&self, decision: &Decision, now: Time) -> Explanation {
        let wanted = Wanted::by(decision);
        let rules = decision.rules.iter().map(|rule| self.rule(rule, &wanted)).collect();
        Explanation {
            explained_at: now,
            rules,
            enough: self.enough(decision),
            standard: None,
            rollback: None,
            freezes: self.freezes(),
            lands: self.lands(),
            expires: self.expires(now),
            steps: self.steps(decision),
            glass: None,
            beside: Vec::new(),
            idle: Vec::new(),
        }
    }

    /// The smallest set of people whose approvals would be all that are lacking. None where a rule asks for people of several
    /// roles who are all different: who counts for what is then more than a matter of sets.
    fn enough(&self, decision: &Decision) -> Vec<ActorId> {
        let mut excluded = self.spoken();
        excluded.extend(self.people.silent());
        let binding = || decision.rules.iter().filter(|rule| Decision::binds(rule.mode, rule.status));
        excluded.extend(binding().flat_map(|rule| self.carried_by(rule)));
        self.wishes(decision).map(|wishes| enough(&self.people, &wishes, &excluded)).unwrap_or_default()
    }

    /// What approvals the rules that stop the change still lack, all together; of several ways to the same the first.
    fn wishes(&self, decision: &Decision) -> Option<Vec<Wish<'_>>> {
        let mut wishes: BTreeMap<(Role, Option<&SystemId>), u32> = BTreeMap::new();
        let carrying = self.snapshot.carrying();
        for rule in decision.rules.iter().filter(|rule| Decision::binds(rule.mode, rule.status)) {
            let by = carrying.as_ref().filter(|_| self.carries(rule)).unwrap_or(self.snapshot);
            for missing in &rule.missing {
                let approvals = missing.ways().find_map(|way| match &way.token {
                    Token::Requirement(requirement) => match &requirement.need {
                        Need::Approvals { .. } | Need::Apart(_) => Some(requirement),
                        Need::FreshGuidance
                        | Need::Document { .. }
                        | Need::Evidence(_)
                        | Need::Has(_)
                        | Need::Disclosure => None,
                    },
                    _ => None,
                });
                let Some(requirement) = approvals else { continue };
                let Need::Approvals { role, count } = &requirement.need else { return None };
                let targets = self.snapshot.targets.iter().filter(|target| rule.targets.contains(&target.target));
                for target in targets.filter(|target| requirement.asked(self.snapshot, target)) {
                    let lacks = count.saturating_sub(count::in_role(by, target, role));
                    let of = match role {
                        Role::Owner | Role::OnCall => Some(&target.target.system),
                        Role::Independent
                        | Role::Senior
                        | Role::Group(_)
                        | Role::Touch
                        | Role::Verified
                        | Role::Recent(_)
                        | Role::Material
                        | Role::Present => None,
                    };
                    let wish = wishes.entry((role.clone(), of)).or_default();
                    *wish = lacks.max(*wish);
                }
            }
        }
        let wanted = wishes.into_iter().filter(|(_, count)| *count > 0);
        Some(wanted.map(|((role, system), count)| Wish { role, system, count }).collect())
    }

    fn could_supply(&self, decision: &Decision, person: &ActorId) -> Vec<Obligation> {
        let made_it = count::had_a_hand(self.snapshot, person);
        let spoke = self.rejected(person)
            || self.snapshot.cleared_by.contains(person)
            || self.snapshot.together.contains_key(person)
            || self.together.contains(person);
        let named = |missing: &Missing| missing.of.iter().any(|name| name == person.as_str());
        let theirs = |rule: &RuleDecision, missing: &Missing| match &missing.token {
            Token::Requirement(requirement) => match &requirement.need {
                Need::Approvals { role, .. } => {
                    !made_it
                        && !spoke
                        && !self.carried_by(rule).any(|by| by == person)
                        && self.could_still(person, role, &asked(rule, missing))
                }
                Need::Apart(parts) => {
                    let could = |role| self.could_still(person, role, &asked(rule, missing));
                    !made_it
                        && !spoke
                        && !self.carried_by(rule).any(|by| by == person)
                        && open(parts, missing).any(could)
                }
                Need::FreshGuidance => self.keepers.values().any(|keepers| keepers.contains(person)),
                Need::Evidence(kind) => self.attesters(kind).contains(person),
                Need::Document { .. } | Need::Disclosure => made_it,
                Need::Has(Has::Title(_) | Has::Link(_) | Has::SignedCommits) => made_it,
                Need::Has(Has::Label(_)) => !made_it,
                Need::Has(Has::NoLabel(_)) => !made_it || named(missing),
                Need::Has(Has::ApplierApart) => made_it,
                Need::Has(Has::Window) => false,
            },
            Token::Sponsor => named(missing),
            // Until its author has moved, who rejected it has said all there is to say.
            Token::Lift => named(missing) && self.look_again.contains(person),
            Token::Driver | Token::Revive => made_it,
            Token::Remedy
            | Token::Contributor
            | Token::Identity
            | Token::Target
            | Token::Rules
            | Token::Wait
            | Token::Thaw
            | Token::Opens => false,
            Token::Reschedule => self.snapshot.schedule.iter().any(|view| view.by.contains(person)),
        };
        let wanted = Wanted::by(decision);
        let unmet = decision.rules.iter().filter(|rule| rule.status == RuleStatus::Unsatisfied);
        let missing = unmet.flat_map(|rule| rule.missing.iter().map(move |missing| (rule, missing)));
        let mut obligations = Vec::new();
        for (rule, missing) in missing.filter(|(rule, missing)| missing.ways().any(|way| theirs(rule, way))) {
            let mut one = self.obligations(rule, missing, &wanted);
            // Of several who rejected, each lifts their own.
            one.retain(|obligation| !named(missing) || obligation.who.contains(person));
            obligations.extend(one);
        }
        obligations
    }

    fn rule(&self, decided: &RuleDecision, wanted: &Wanted<'_>) -> ExplainedRule {
        let rule = self.rules.get(&decided.id);
        let (requires, because) = match (rule, builtin::words(decided.id.as_str())) {
            (Some(rule), _) => (rule.words(), rule.because.clone()),
            (None, Some(check)) => (check.requires, check.because.to_owned()),
            // It was decided by other rules than those in force.
            (None, None) => (
                decided.missing.iter().map(|missing| words(missing, None)).collect::<Vec<_>>().join("; "),
                String::new(),
            ),
        };
        let obligations = match decided.status {
            RuleStatus::Unsatisfied => {
                decided.missing.iter().flat_map(|missing| self.obligations(decided, missing, wanted)).collect()
            }
            RuleStatus::Error => vec![self.repair(decided)],
            RuleStatus::NotApplicable | RuleStatus::Satisfied | RuleStatus::Waived | RuleStatus::SetAside => Vec::new(),
        };
        ExplainedRule {
            id: decided.id.clone(),
            status: decided.status,
            mode: decided.mode,
            strength: decided.strength,
            requires,
            because,
            targets: decided.targets.clone(),
            obligations,
            waivers: rule.and_then(|rule| rule.waivers.clone()),
            error: decided.error.clone(),
        }
    }

    fn obligations(&self, decided: &RuleDecision, missing: &Missing, wanted: &Wanted<'_>) -> Vec<Obligation> {
        let mut list = self.of_one_way(decided, missing, wanted);
        if let Some(last) = list.last_mut() {
            last.or = missing.or.iter().flat_map(|way| self.of_one_way(decided, way, wanted)).collect();
        }
        list
    }

    fn of_one_way(&self, decided: &RuleDecision, missing: &Missing, wanted: &Wanted<'_>) -> Vec<Obligation> {
        let change = &self.snapshot.change;
        let rule = self.rules.get(&decided.id);
        let one = |found: Found, how: String| vec![obligation(way_in_words(missing, rule), found, how)];
        match &missing.token {
            Token::Requirement(requirement) => match &requirement.need {
                Need::Approvals { role, .. } => {
                    let found = self.approvers(decided, missing, role, wanted);
                    let how = self.how_to_approve(&found);
                    one(found, how)
                }
                // Each place is somebody's to fill.
                Need::Apart(parts) => {
                    let found = open(parts, missing).map(|role| self.approvers(decided, missing, role, wanted));
                    let found = Found::all(found.collect());
                    let how = self.how_to_approve(&found);
                    one(found, how)
                }
                Need::FreshGuidance => self.guidance(decided, missing),
                Need::Document { document, .. } => {
                    one(self.authors(decided), format!("countersign revise {change} --{} TEXT", document.name()))
                }
                Need::Evidence(kind) => one(self.attested(kind), self.how_to_attest(kind)),
                Need::Disclosure => one(self.authors(decided), how_to_disclose(change)),
                Need::Has(has) => {
                    let (found, how) = self.of_what_it_has(decided, missing, has);
                    one(found, how)
                }
            },
            Token::Remedy => {
                let remedy = rule.map(|rule| rule.remedy.replace("{change}", change.as_str()));
                one(self.anybody(decided), remedy.unwrap_or_else(|| format!("countersign show {change}")))
            }
            Token::Contributor => {
                let how = format!("countersign identify {change} --identity REF --as PERSON");
                one(self.no_contributors(decided), how)
            }
            Token::Identity => self.identities(decided, missing),
            Token::Sponsor => self.snapshot.unconfirmed.iter().map(|sponsor| self.sponsor(sponsor)).collect(),
            Token::Driver => {
                let how = format!(
                    "countersign disclose {change} --tool NAME, and --prompted-by PERSON where that was not you"
                );
                one(self.authors(decided), how)
            }
            Token::Lift => {
                let here = self.snapshot.rejected_by.iter().map(|person| self.lift(decided, person, change, true));
                let held_by = self.snapshot.held_by.iter();
                here.chain(held_by.flat_map(|person| self.lift_elsewhere(decided, person))).collect()
            }
            Token::Target => {
                let how =
                    "propose it again for targets of the catalog: countersign propose --target SYSTEM/ENVIRONMENT …";
                one(self.authors(decided), how.to_owned())
            }
            Token::Rules => one(self.anybody(decided), "countersign amend HOME --why REASON".to_owned()),
            Token::Wait => one(self.anybody(decided), format!("then, and not before: countersign publish {change}")),
            Token::Thaw => self.thaw(missing),
            Token::Revive => one(self.authors(decided), format!("countersign revise {change} …, which begins it anew")),
            Token::Opens | Token::Reschedule => vec![self.scheduled(missing)],
        }
    }

    fn repair(&self, decided: &RuleDecision) -> Obligation {
        let file = self.rules.get(&decided.id).map(|rule| format!("{}:{}", rule.file, rule.line));
        let how = format!("mend {}, then: countersign amend HOME --why REASON", file.unwrap_or("the rule".to_owned()));
        obligation("a rule that can be evaluated".to_owned(), self.anybody(decided), how)
    }

    fn contributors(&self) -> BTreeSet<&ActorId> {
        self.snapshot.contributors.union(&self.snapshot.claimed).collect()
    }

    /// Whether approvals of an earlier revision count for all targets for which this rule is not met, as its decision says it.
    fn carries(&self, decided: &RuleDecision) -> bool {
        let unmet = || self.snapshot.targets.iter().filter(|view| decided.targets.contains(&view.target));
        self.rules
            .get(&decided.id)
            .is_some_and(|rule| rule.carry != Carry::Never && unmet().all(|view| rule.carries(self.snapshot, view)))
    }

    /// Whose approval of an earlier revision counts for this rule already.
    fn carried_by(&self, decided: &RuleDecision) -> impl Iterator<Item = &ActorId> {
        let carries = self.carries(decided);
        let carried = self.snapshot.carried.iter().filter(move |_| carries).flat_map(|carried| &carried.approvals);
        carried.map(|approval| &approval.by)
    }

    fn anybody(&self, decided: &RuleDecision) -> Found {
        self.anybody_but(decided, &BTreeSet::new())
    }

    fn no_contributors(&self, decided: &RuleDecision) -> Found {
        self.anybody_but(decided, &self.contributors())
    }

    fn anybody_but(&self, decided: &RuleDecision, excluded: &BTreeSet<&ActorId>) -> Found {
        let systems = decided.targets.iter().map(|target| &target.system).collect();
        self.people.nearest(&Role::Independent, &systems, &Wanted::default(), excluded)
    }

    /// Who best writes about the change: whoever made it, because anybody else would become a contributor by it. Where
    /// none of them has a key, anybody.
    fn authors(&self, decided: &RuleDecision) -> Found {
        let authors = self.people.able_among(self.contributors());
        if authors.who.is_empty() { self.anybody(decided) } else { authors }
    }

    /// A page that names no owner whom the catalog knows can be reviewed by anybody.
    fn keepers(&self, decided: &RuleDecision, missing: &Missing) -> Found {
        let keepers = missing.of.iter().filter_map(|path| self.keepers.get(path.as_str()));
        let keepers = self.people.able_among(keepers.flatten().copied().collect());
        if keepers.who.is_empty() { self.anybody(decided) } else { keepers }
    }
}

/// The roles for which nobody is left, each once.
fn open<'a>(parts: &'a [Part], missing: &Missing) -> impl Iterator<Item = &'a Role> {
    let roles: Vec<&Role> = parts.iter().map(|part| &part.role).collect();
    roles.into_iter().filter(|role| missing.of.contains(&role.to_string()))
}

fn obligation(missing: String, found: Found, how: String) -> Obligation {
    Obligation { missing, who: found.who, more: found.more, notes: found.notes, how, or: Vec::new() }
}
