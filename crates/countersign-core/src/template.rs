//! A rule to begin with, and its cases: for whoever writes a new one. It is checked and tested before anybody gets it.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::{
    cases::{CasesError, run_cases},
    ids::{GroupId, RuleId},
    requirement::{Choice, Comparison, Condition, Fact, Has, Need, Requirement, Role},
    rules::{Rules, RulesError, check},
};

/// What the cases' people are called.
const NAMES: [&str; 9] = ["grace", "linus", "barbara", "edsger", "frances", "tony", "radia", "donald", "margaret"];

/// The texts of two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub rule: String,
    pub cases: String,
}

#[derive(Clone, Debug, Error)]
pub enum TemplateError {
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error(transparent)]
    Cases(#[from] CasesError),
    #[error("a rule cannot ask for just this: {0}")]
    Finding(String),
}

/// A rule in watch that asks this of changes to production.
pub fn template(id: &RuleId, requires: &[Choice]) -> Result<Template, TemplateError> {
    let rule = rule(id, requires);
    let rules = Rules::parse(&BTreeMap::from([(format!("{id}.cedar"), rule.clone())]))?;
    if let Some(finding) = check::check(&rules).first() {
        return Err(TemplateError::Finding(finding.problem.to_string()));
    }
    let holds = |cases: &str| -> Result<bool, TemplateError> {
        let results = run_cases(&rules, &BTreeMap::from([(format!("{id}.cases.yaml"), cases.to_owned())]))?;
        Ok(results.iter().all(crate::cases::CaseResult::passed))
    };
    let mut cases = met(requires);
    // Where a requirement has a condition, not every tier and not every home is asked.
    for (tier, everybody) in [3, 1, 2, 4].into_iter().flat_map(|tier| [(tier, true), (tier, false)]) {
        let unmet = unmet(requires, tier, everybody);
        if holds(&unmet)? {
            cases.push_str(&unmet);
            break;
        }
    }
    cases.push_str(ELSEWHERE);
    match holds(&cases)? {
        true => Ok(Template { rule, cases }),
        false => Err(TemplateError::Finding("no case of it comes out as it should".to_owned())),
    }
}

fn rule(id: &RuleId, requires: &[Choice]) -> String {
    let joined = |with: &str, of: &dyn Fn(&Choice) -> String| requires.iter().map(of).collect::<Vec<_>>().join(with);
    let requirements = joined(", ", &Choice::to_string);
    let condition = joined(" &&\n  ", &cedar);
    format!(
        r#"// What can go wrong that no other rule prevents, and why this one asks for no more than that. Whoever signs the rule
// reads this; whoever is stopped by it reads @because.
//
// It only watches: it is told and logged, and stops nobody. Try it over the past (countersign rules simulate), then
// write "enforce". Where no waiver shall do, write "mandatory"; such a rule is always enforced.
@id("{id}")
@requires("{requirements}")
@because("Say in a sentence why a change to production takes this.")
@remedy("countersign show {{change}}")
@mode("watch")
@strength("waivable")
forbid (
  principal,
  action == Countersign::Action::"apply",
  // Of one system alone: resource in Countersign::System::"checkout"
  resource
)
// Where it applies. What else it can ask about: countersign rules schema.
when {{ resource.production }}
// What meets it: the same as @requires says.
unless {{
  {condition}
}};
"#
    )
}

/// The condition that says the same. A way whose condition does not hold is no way; where none is one, nothing is asked.
fn cedar(choice: &Choice) -> String {
    let ways = choice.ways();
    let conditions: Option<Vec<Condition>> = ways.iter().map(|way| way.only).collect();
    let mut terms: Vec<String> = ways
        .iter()
        .map(|way| match way.only {
            Some(only) if ways.len() > 1 => format!("({} && {})", holds(only), need(way)),
            Some(_) | None => need(way),
        })
        .collect();
    if let Some(conditions) = conditions {
        let none: Vec<String> = conditions.into_iter().map(holds_not).collect();
        terms.insert(0, if none.len() == 1 { none.concat() } else { format!("({})", none.join(" && ")) });
    }
    if terms.len() == 1 { terms.concat() } else { format!("({})", terms.join(" || ")) }
}

fn need(way: &Requirement) -> String {
    match &way.need {
        Need::Approvals { role: Role::Group(group), count } => {
            format!("resource.approvals.group[\"{group}\"] >= {count}")
        }
        Need::Approvals { role: Role::Recent(hours), count } => {
            format!("resource.approvals.recent[\"{hours}h\"] >= {count}")
        }
        Need::Approvals { role, count } => format!("resource.approvals.{role} >= {count}"),
        Need::Apart(parts) => format!("resource.approvals.apart[\"{}\"]", crate::requirement::spelled(parts)),
        Need::FreshGuidance => "resource.guidance.stale == 0".to_owned(),
        Need::Document { document, chars } => format!("resource.documents.{} >= {chars}", document.name()),
        Need::Evidence(kind) => format!("resource.evidence.passed[\"{kind}\"]"),
        Need::Has(Has::Title(form)) if form.ends_with('*') => format!("resource.title.form like \"{form}\""),
        Need::Has(Has::Title(form)) => format!("resource.title.form == \"{form}\""),
        Need::Has(Has::Link(host)) => format!("resource.links.hosts.contains(\"{host}\")"),
        Need::Has(Has::SignedCommits) => "resource.commits.signed".to_owned(),
        Need::Has(Has::Label(label)) => format!("resource.labels.by_others.contains(\"{label}\")"),
        Need::Has(Has::ApplierApart) => "resource.applier.apart".to_owned(),
        Need::Has(Has::NoLabel(label)) => format!("!resource.labels.all.contains(\"{label}\")"),
        Need::Has(Has::Window) => "resource.window.open".to_owned(),
        Need::Disclosure => "(resource.ai.disclosed || resource.ai.status == \"declared\")".to_owned(),
    }
}

fn fact(condition: Condition) -> &'static str {
    match condition.fact {
        Fact::Tier => "resource.tier",
        Fact::People => "resource.home.people",
        Fact::Worked => "resource.waiting.worked_hours",
    }
}

fn holds(condition: Condition) -> String {
    let sign = match condition.comparison {
        Comparison::AtMost => "<=",
        Comparison::Exactly => "==",
        Comparison::AtLeast => ">=",
    };
    format!("{} {sign} {}", fact(condition), condition.value)
}

fn holds_not(condition: Condition) -> String {
    let sign = match condition.comparison {
        Comparison::AtMost => ">",
        Comparison::Exactly => "!=",
        Comparison::AtLeast => "<",
    };
    format!("{} {sign} {}", fact(condition), condition.value)
}

/// A case that has all that anybody could ask for.
fn met(requires: &[Choice]) -> String {
    let needs = || requires.iter().flat_map(Choice::ways).map(|way| &way.need);
    let approvals = |need: &Need| match need {
        Need::Approvals { count, .. } => *count,
        Need::Apart(parts) => parts.iter().map(|part| part.count).sum(),
        Need::FreshGuidance | Need::Document { .. } | Need::Evidence(_) | Need::Has(_) | Need::Disclosure => 0,
    };
    let most = usize::try_from(needs().map(approvals).max().unwrap_or_default()).unwrap_or(NAMES.len());
    let people: Vec<&str> = NAMES.into_iter().take(most).collect();
    let groups: BTreeSet<&GroupId> = needs().flat_map(Need::roles).filter_map(Role::group).collect();
    let is_signed = |role: &Role| matches!(role, Role::Touch | Role::Verified | Role::Material);
    let chars = needs().filter_map(|need| match need {
        Need::Document { chars, .. } => Some(*chars),
        Need::Approvals { .. }
        | Need::Apart(_)
        | Need::FreshGuidance
        | Need::Evidence(_)
        | Need::Has(_)
        | Need::Disclosure => None,
    });
    let each = |of: &str| people.iter().map(|person| format!("{person}: {of}")).collect::<Vec<_>>().join(", ");
    let mut given = Vec::new();
    if most > 0 {
        let roles = if needs().flat_map(Need::roles).any(|role| *role == Role::OnCall) { " oncall" } else { "" };
        given.push(format!("people: {{ ada: owner, {} }}", each(&format!("senior owner{roles}"))));
        given.push(format!("approvals: [{}]", people.join(", ")));
    }
    if needs().flat_map(Need::roles).any(is_signed) {
        given.push(format!("signed: {{ {} }}", each("verified computed")));
    }
    if !groups.is_empty() {
        let members = groups.iter().map(|group| format!("{group}: [{}]", people.join(", ")));
        given.push(format!("groups: {{ {} }}", members.collect::<Vec<_>>().join(", ")));
    }
    if let Some(chars) = chars.max() {
        given.push(format!("documents: {{ why: {chars}, risk: {chars}, rollback: {chars}, tests: {chars} }}"));
    }
    let evidence: Vec<String> = needs()
        .filter_map(|need| match need {
            Need::Evidence(kind) => Some(format!("{kind}: passed")),
            Need::Approvals { .. }
            | Need::Apart(_)
            | Need::FreshGuidance
            | Need::Document { .. }
            | Need::Has(_)
            | Need::Disclosure => None,
        })
        .collect();
    if !evidence.is_empty() {
        given.push(format!("evidence: {{ {} }}", evidence.join(", ")));
    }
    let mut labels = Vec::new();
    for has in needs().filter_map(Need::has) {
        match has {
            Has::Title(form) => given.push(format!("title: '{}: with it'", Has::sample(form))),
            Has::Link(host) => given.push(format!("links: [https://{host}/1]")),
            Has::SignedCommits => given.push("commits: by_committer".to_owned()),
            Has::Label(label) => labels.push(format!("{label}: grace")),
            Has::NoLabel(_) => {}
            Has::ApplierApart => given.push("applier: ada".to_owned()),
            Has::Window => given.push("window: open".to_owned()),
        }
    }
    if !labels.is_empty() {
        given.push(format!("labels: {{ {} }}", labels.join(", ")));
    }
    if needs().any(|need| *need == Need::Disclosure) {
        given.push("disclosed: true".to_owned());
    }
    if needs().any(|need| *need == Need::FreshGuidance) {
        given.push("guidance: { docs/runbook.md: 30 }".to_owned());
    }
    let mut text =
        "# What is not given is harmless: docs/rules.md says what there is.\n- name: with all that it asks for\n"
            .to_owned();
    if !given.is_empty() {
        text.push_str("  given:\n");
    }
    given.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    text.push_str("  expect: { status: satisfied }\n");
    text
}

/// A case that has nothing of it.
fn unmet(requires: &[Choice], tier: u8, everybody: bool) -> String {
    let has = || requires.iter().flat_map(Choice::ways).filter_map(|way| way.need.has());
    let labels: Vec<String> = has()
        .filter_map(|has| match has {
            Has::NoLabel(label) => Some(format!("{label}: ada")),
            Has::Title(_) | Has::Link(_) | Has::SignedCommits | Has::Label(_) | Has::ApplierApart | Has::Window => None,
        })
        .collect();
    let labels = match labels.is_empty() {
        true => String::new(),
        false => format!("\n    labels: {{ {} }}", labels.join(", ")),
    };
    let applier = if has().any(|has| *has == Has::ApplierApart) { "\n    applier: \"?\"" } else { "" };
    let window = if has().any(|has| *has == Has::Window) { "\n    window: shut" } else { "" };
    let people = if everybody { "" } else { "\n    people: { ada: owner, grace: senior owner }" };
    format!(
        "- name: with nothing of it
  given:
    tier: {tier}{people}
    documents: {{ why: 0, risk: 0, rollback: 0, tests: 0 }}
    ai: unknown
    guidance: {{ docs/runbook.md: -1 }}{labels}{applier}{window}
  expect: {{ status: unsatisfied }}
"
    )
}

const ELSEWHERE: &str = "- name: not outside of production
  given: { environment: staging }
  expect: { status: not_applicable }
";
