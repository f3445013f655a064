//! `rules check`: does each rule ask for what it says?
//!
//! A rule says in `@requires` what would satisfy it, and demands it again in Cedar; nothing but this keeps the two
//! together. For every sample to which a rule applies, all of its requirements are supplied and it has to be satisfied;
//! then each one is taken away and it has to be unsatisfied. A rule that applies to no sample, or that nothing satisfies,
//! would be noticed only when it is needed.

use std::{collections::BTreeSet, fmt};

use thiserror::Error;

use super::{Rule, Rules, attributes::Judged, evaluate::Slices, parse::Parsed, sample};
use crate::{
    catalog::{Catalog, did_you_mean},
    ids::{RuleId, Target},
    requirement::{Choice, MAX_APPROVALS, Need, Requirement, Role},
    snapshot::Snapshot,
};

pub use super::sample::SAMPLE_NOW;

/// Something wrong with a rule that parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFinding {
    pub rule: RuleId,
    pub file: String,
    pub line: usize,
    pub problem: CheckProblem,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CheckProblem {
    #[error(
        "it applies to no sample change, of any tier, kind or AI status: its condition contradicts itself, or compares with a name or number that does not occur"
    )]
    NeverApplies,
    #[error(
        "with everything that @requires names, it is still not met for {0}: the condition asks for more than @requires says"
    )]
    NotSatisfiable(String),
    #[error("without {requirement} it is still met for {sample}: @requires says more than the condition asks")]
    NotNeeded { requirement: String, sample: String },
    #[error("it cannot be evaluated: {0}")]
    Error(String),
    #[error(
        "without {requirement} it is met for {sample} once enough other people approve: the condition has a way that @requires does not say"
    )]
    UnsaidWay { requirement: String, sample: String },
    #[error("without the other ways, `{requirement}` does not satisfy it for {sample}: the condition has no such way")]
    NoSuchWay { requirement: String, sample: String },
    #[error("the catalog knows no {what} `{name}`{}", meant.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    UnknownName { what: &'static str, name: String, meant: Option<String> },
}

impl fmt::Display for CheckFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: rule {}: {}", self.file, self.line, self.rule, self.problem)
    }
}

/// Checks every rule against sample changes. Empty: nothing is wrong.
pub fn check(rules: &Rules) -> Vec<CheckFinding> {
    rules
        .parsed()
        .flat_map(|parsed| {
            check_rule(rules, parsed).into_iter().map(|problem| finding(&parsed.rule, problem)).collect::<Vec<_>>()
        })
        .collect()
}

/// Names in rules that the catalog does not know; near misses such as `prod` for `production` among them.
pub fn check_names(rules: &Rules, catalog: &Catalog) -> Vec<CheckFinding> {
    // What governs is no system of a catalog.
    let of_all = Target::governance();
    let systems: BTreeSet<&str> =
        catalog.systems.keys().map(|id| id.as_str()).chain([of_all.system.as_str()]).collect();
    let environments = catalog.settings.environments.iter().map(|id| id.as_str());
    let environments: BTreeSet<&str> = environments.chain([of_all.environment.as_str()]).collect();
    let groups: BTreeSet<&str> = catalog.groups.keys().map(|id| id.as_str()).collect();
    let people: BTreeSet<&str> = catalog.actors.keys().map(|id| id.as_str()).collect();
    let mut findings = Vec::new();
    for rule in rules.iter() {
        let mentions = rules.mentions(&rule.id);
        let sorts = [
            ("system", &mentions.systems, &systems),
            ("environment", &mentions.environments, &environments),
            ("group", &mentions.groups, &groups),
            ("person", &mentions.people, &people),
        ];
        for (what, names, known) in sorts {
            let unknown = names.iter().filter(|name| !known.contains(name.as_str()));
            findings.extend(unknown.map(|name| {
                let meant = did_you_mean(name, known.iter().copied()).map(str::to_owned);
                finding(rule, CheckProblem::UnknownName { what, name: name.clone(), meant })
            }));
        }
    }
    findings
}

fn finding(rule: &Rule, problem: CheckProblem) -> CheckFinding {
    CheckFinding { rule: rule.id.clone(), file: rule.file.clone(), line: rule.line, problem }
}

/// In how many samples of a rule so many approve that a way which it does not say would show: each is slow.
const MAX_CROWDS: usize = 100;

/// At most one problem of each sort.
fn check_rule(rules: &Rules, parsed: &Parsed) -> Vec<CheckProblem> {
    let slices = match Slices::new([parsed]) {
        Ok(slices) => slices,
        Err(error) => return vec![CheckProblem::Error(error)],
    };
    let requires = &parsed.rule.requires;
    let mut applied = false;
    let mut not_satisfiable = None;
    let mut not_needed: Vec<(&Choice, CheckProblem)> = Vec::new();
    let mut no_way = None;
    let mut crowds = 0_usize;
    let asks_of_approvals = parsed.asks.words.contains("approvals");
    let groups = rules.literals.groups().map(Role::Group);
    let roles = [Role::Owner, Role::Senior, Role::Verified, Role::Material, Role::OnCall, Role::Recent(0)]
        .into_iter()
        .chain(groups);
    let everybody: Vec<Requirement> =
        roles.map(|role| Requirement { need: Need::Approvals { role, count: MAX_APPROVALS }, only: None }).collect();
    for base in sample::samples(&rules.mentions(&parsed.rule.id)) {
        let state = |snapshot: &Snapshot| ask(rules, &slices, snapshot);
        match state(&base) {
            Ok(State::NotApplicable) => continue,
            Ok(State::Met | State::Unmet) => applied = true,
            Err(error) => return vec![CheckProblem::Error(error)],
        }
        let mut full = base.clone();
        requires.iter().for_each(|choice| choice.supply(&mut full));
        match state(&full) {
            Ok(State::Met) => {}
            // Supplying took it out of the rule's reach, so there is nothing to take away.
            Ok(State::NotApplicable) => continue,
            Ok(State::Unmet) => {
                not_satisfiable.get_or_insert_with(|| CheckProblem::NotSatisfiable(describe(&full)));
                continue;
            }
            Err(error) => return vec![CheckProblem::Error(error)],
        }
        let crowd = (crowds < MAX_CROWDS && asks_of_approvals).then(|| {
            let mut crowd = full.clone();
            everybody.iter().for_each(|role| role.supply(&mut crowd));
            crowd
        });
        crowds = crowds.saturating_add(1);
        for choice in requires {
            let asked = full.targets.iter().any(|target| choice.asked(&full, target));
            if !asked || not_needed.iter().any(|(known, _)| *known == choice) {
                continue;
            }
            let mut less = full.clone();
            choice.take_away(&mut less);
            // Each of the other ways has to do alone.
            for way in choice.ways().iter().skip(1) {
                let mut other = less.clone();
                way.supply(&mut other);
                let rest = requires.iter().filter(|rest| *rest != choice);
                rest.for_each(|rest| rest.supply(&mut other));
                let asked = other.targets.iter().any(|target| way.asked(&other, target));
                match state(&other) {
                    Ok(State::Unmet) if asked => {
                        no_way.get_or_insert_with(|| CheckProblem::NoSuchWay {
                            requirement: way.to_string(),
                            sample: describe(&other),
                        });
                    }
                    Ok(State::Unmet | State::Met | State::NotApplicable) => {}
                    Err(error) => return vec![CheckProblem::Error(error)],
                }
            }
            // Nor does anybody else's approval do instead.
            if let Some(mut crowd) = crowd.clone() {
                choice.take_away(&mut crowd);
                match (state(&less), state(&crowd)) {
                    (Ok(State::Unmet), Ok(State::Met)) => {
                        let (requirement, sample) = (choice.to_string(), describe(&crowd));
                        not_needed.push((choice, CheckProblem::UnsaidWay { requirement, sample }));
                        continue;
                    }
                    (_, Err(error)) => return vec![CheckProblem::Error(error)],
                    (_, Ok(_)) => {}
                }
            }
            match state(&less) {
                Ok(State::Unmet) => {}
                Ok(State::Met | State::NotApplicable) => {
                    let problem = CheckProblem::NotNeeded { requirement: choice.to_string(), sample: describe(&less) };
                    not_needed.push((choice, problem));
                }
                Err(error) => return vec![CheckProblem::Error(error)],
            }
        }
    }
    let never = (!applied).then_some(CheckProblem::NeverApplies);
    never
        .into_iter()
        .chain(not_satisfiable)
        .chain(no_way)
        .chain(not_needed.into_iter().map(|(_, problem)| problem))
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    NotApplicable,
    Met,
    Unmet,
}

/// Samples have one target.
pub(super) fn ask(rules: &Rules, slices: &Slices, snapshot: &Snapshot) -> Result<State, String> {
    let mut state = State::NotApplicable;
    for target in &snapshot.targets {
        let answers = slices.ask(rules.vocabulary(), &Judged::new(snapshot, target, &rules.literals, SAMPLE_NOW))?;
        if let Some(error) = answers.errors.into_values().next() {
            return Err(error);
        }
        state = match (answers.applies.is_empty(), answers.fired.is_empty()) {
            (true, true) => State::NotApplicable,
            (false, true) => State::Met,
            (_, false) => State::Unmet,
        };
    }
    Ok(state)
}

pub(super) fn describe(snapshot: &Snapshot) -> String {
    let targets: Vec<String> = snapshot
        .targets
        .iter()
        .map(|view| {
            let production = if view.production { "production" } else { "not production" };
            format!("{} (tier {}, {production})", view.target, u8::from(view.tier))
        })
        .collect();
    format!(
        "a {} change of {}, AI {}, {} people, {} cited documents",
        snapshot.kind,
        targets.join(", "),
        snapshot.ai.status.as_str(),
        snapshot.population,
        snapshot.guidance.len()
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rules::attributes::{ATTRIBUTES, Attribute, Type};

    /// Whether there is a sample of which the condition holds.
    fn applies(condition: &str) -> bool {
        let file = format!(
            "@id(\"a\")\n@requires(\"approval:independent:1\")\n@because(\"a reason\")\n@remedy(\"countersign approve {{change}}\")\n@mode(\"watch\")\n\
             @strength(\"waivable\")\nforbid (principal, action == Countersign::Action::\"apply\", resource)\n\
             when {{ {condition} }}\nunless {{ resource.approvals.independent >= 1 }};\n"
        );
        let rules = Rules::parse(&BTreeMap::from([("a.cedar".to_owned(), file)])).unwrap();
        let parsed = rules.parsed().next().unwrap();
        let slices = Slices::new([parsed]).unwrap();
        let mentions = rules.mentions(&parsed.rule.id);
        let mut samples = sample::samples(&mentions);
        samples.any(|sample| !matches!(ask(&rules, &slices, &sample).unwrap(), State::NotApplicable))
    }

    /// Whatever a documented attribute can be asked is asked of some sample: a condition that means something is not told to mean nothing.
    #[test]
    fn every_documented_attribute_can_be_asked_in_every_way() {
        let conditions = |attribute: &Attribute| -> Vec<String> {
            let name = attribute.name;
            // What there is of tiers, and else more than anybody thinks of.
            let number = if name == "tier" { 3 } else { 40 };
            match attribute.ty {
                Type::Long => ["==", "!=", "<", "<=", ">", ">="].map(|op| format!("{name} {op} {number}")).to_vec(),
                Type::Bool => vec![name.to_owned(), format!("!{name}")],
                Type::Text => {
                    let values: &[&str] = match name {
                        "proposer_kind" => &["person", "workload", "agent"],
                        _ => &["declared", "inferred", "none", "unknown"],
                    };
                    let values = values.iter();
                    let both = |value| ["==", "!="].map(|op| format!("{name} {op} \"{value}\""));
                    values.flat_map(both).collect()
                }
                Type::Person => ["==", "!="].map(|op| format!("{name} {op} Countersign::Person::\"grace\"")).to_vec(),
                Type::Groups => vec![
                    format!("{name}.contains(Countersign::Group::\"red\")"),
                    format!("!{name}.contains(Countersign::Group::\"red\")"),
                ],
                Type::ByGroup => [">=", "<", "==", "!="].map(|op| format!("{name}[\"red\"] {op} 2")).to_vec(),
                Type::ByHours => [">=", "<", "==", "!="].map(|op| format!("{name}[\"24h\"] {op} 2")).to_vec(),
                Type::LeftOut => [">=", "<", "==", "!="].map(|op| format!("{name}[\"gen/**\"] {op} 2")).to_vec(),
                // What different people give is supplied to a rule that asks for it, and no sample has it by itself.
                Type::Apart => vec![format!("!{name}[\"group:red:1+group:blue:1\"]")],
                Type::Evidence => vec![format!("{name}[\"tests\"]"), format!("!{name}[\"tests\"]")],
                Type::Paths => vec![format!("{name}[\"docs/**\"]"), format!("!{name}[\"docs/**\"]")],
                Type::Texts => sets(name, r#""robo""#, r#""other""#),
                Type::People => {
                    let mut asked = sets(name, r#"Countersign::Person::"grace""#, r#"Countersign::Person::"linus""#);
                    let other = if name == "approvers" { "contributors" } else { "approvers" };
                    asked.push(format!("{name}.containsAny(resource.{other})"));
                    asked
                }
            }
        };
        let mut never = Vec::new();
        for condition in ATTRIBUTES.iter().flat_map(conditions) {
            let condition = match condition.strip_prefix('!') {
                Some(rest) => format!("!resource.{rest}"),
                None => format!("resource.{condition}").replace(" && ", " && resource."),
            };
            if !applies(&condition) {
                never.push(condition);
            }
        }
        assert_eq!(never, Vec::<String>::new());
    }

    fn sets(name: &str, one: &str, other: &str) -> Vec<String> {
        vec![
            format!("{name}.contains({one})"),
            format!("{name}.contains({one}) && {name}.contains({other})"),
            format!("{name}.containsAll([{one}, {other}])"),
            format!("{name}.containsAny([{one}, {other}])"),
        ]
    }
}
