//! From Cedar text to rules: whatever is not clearly a rule is refused, with the line and what would be right.
//!
//! Everything that could make a `forbid` err at run time is refused here, because Cedar skips a policy that errs.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, Effect, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint, ValidationMode,
    Validator,
};
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Literals, Rule,
    depth::{MAX_DEPTH, too_deep},
    error::{Problem, RulesError},
    vocabulary,
};
use crate::{
    decision::{Mode, Strength},
    glob::{Globs, NoPattern},
    ids::{GroupId, RuleId},
    requirement::{Carry, Choice, InvalidRequirement, hint, parse_hours, parse_parts, spelled},
};

/// Most rules in force at once.
pub const MAX_RULES: usize = 5_000;
/// Most bytes in one rule file.
pub const MAX_FILE_BYTES: usize = 256 * 1024;
/// Most characters in one annotation.
pub const MAX_ANNOTATION_CHARS: usize = 500;
/// Most tokens in `@requires`.
pub const MAX_REQUIREMENTS: usize = 20;

const ANNOTATIONS: [&str; 8] = ["id", "requires", "because", "remedy", "mode", "strength", "carry", "waivers"];

/// What asks which groups people are in.
const PEOPLE_IN_GROUPS: [&str; 2] = ["proposer", "contributor_groups"];

/// A rule and the two policies that are made of it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub rule: Rule,
    /// As its file has it.
    pub text: String,
    /// Fires where the rule applies and is not met.
    pub full: Policy,
    /// Fires where the rule applies.
    pub applies: Policy,
    pub asks: Asks,
}

/// What a rule's conditions ask about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asks {
    /// Every attribute's first word, and whatever else stands behind a dot.
    pub words: BTreeSet<String>,
    pub literals: Literals,
    /// The groups that it looks for people in.
    pub looked_in: BTreeSet<GroupId>,
    /// Whether it asks about paths in a way that what is taken for an unknown one could keep it from applying.
    pub unsure: bool,
}

/// The policy id under which the applies-only twin of a rule runs. No rule id holds a `?`.
pub(super) const APPLIES: &str = "?applies";

pub(super) fn example(annotation: &str) -> &'static str {
    match annotation {
        "id" => "`@id(\"owner-approves\")`",
        "requires" => "`@requires(\"approval:owner:1\")`",
        "because" => "`@because(\"Whoever is woken at night has seen the change.\")`",
        "remedy" => "`@remedy(\"countersign review {change}\")`",
        "mode" => "`@mode(\"enforce\")` or `@mode(\"watch\")`",
        _ => "`@strength(\"waivable\")` or `@strength(\"mandatory\")`",
    }
}

pub(super) fn parse(files: &BTreeMap<String, String>, reserved: &[&str]) -> Result<Vec<Parsed>, RulesError> {
    // Every file holds a rule at least, so that too many are told before any is read.
    if let Some(file) = files.keys().nth(MAX_RULES) {
        return Err(RulesError { file: file.clone(), line: None, problem: Problem::TooMany });
    }
    let mut rules: BTreeMap<RuleId, Parsed> = BTreeMap::new();
    for (file, text) in files {
        for parsed in parse_file(file, text)? {
            let at = |problem| RulesError { file: file.clone(), line: Some(parsed.rule.line), problem };
            let id = parsed.rule.id.clone();
            if reserved.contains(&id.as_str()) {
                return Err(at(Problem::Reserved(id.to_string())));
            }
            if let Some(other) = rules.get(&id) {
                let file = format!("{}:{}", other.rule.file, other.rule.line);
                return Err(at(Problem::Duplicate { id: id.to_string(), file }));
            }
            if rules.len() >= MAX_RULES {
                return Err(at(Problem::TooMany));
            }
            rules.insert(id, parsed);
        }
    }
    validate(files, &rules)?;
    Ok(rules.into_values().collect())
}

fn parse_file(file: &str, text: &str) -> Result<Vec<Parsed>, RulesError> {
    let whole = |problem| RulesError { file: file.to_owned(), line: None, problem };
    if !file.ends_with(".cedar") {
        return Err(whole(Problem::FileName));
    }
    if text.len() > MAX_FILE_BYTES {
        return Err(whole(Problem::TooLarge));
    }
    if let Some(offset) = too_deep(text) {
        let line = Some(line_at(text, offset));
        return Err(RulesError { file: file.to_owned(), line, problem: Problem::TooDeep });
    }
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| RulesError {
        file: file.to_owned(),
        line: errors.iter().find_map(|error| line_of(text, error)).or_else(|| line_of(text, &errors)),
        problem: Problem::Syntax { message: errors.to_string(), help: errors.help().map(|help| help.to_string()) },
    })?;
    if set.templates().next().is_some() {
        return Err(whole(Problem::Template));
    }
    // Cedar numbers the policies of a text in its order: `policy0`, `policy1`, ….
    let number = |policy: &Policy| -> Option<usize> {
        let id: &str = policy.id().as_ref();
        id.strip_prefix("policy")?.parse().ok()
    };
    let mut policies: Vec<&Policy> = set.policies().collect();
    policies.sort_by_key(|policy| number(policy));
    if policies.is_empty() {
        return Err(whole(Problem::Empty));
    }
    let mut from = 0;
    let mut rules = Vec::new();
    for policy in policies {
        // A policy's text, its first annotation included, is a slice of the file; where it begins is the rule's line.
        let cedar = policy.to_cedar().unwrap_or_default();
        let start = text.get(from..).and_then(|rest| rest.find(&cedar)).map_or(from, |at| from.saturating_add(at));
        from = start.saturating_add(cedar.len());
        let line = line_at(text, start);
        let at = |problem| RulesError { file: file.to_owned(), line: Some(line), problem };
        rules.push(parse_rule(policy, cedar, file, line).map_err(at)?);
    }
    Ok(rules)
}

fn parse_rule(policy: &Policy, text: String, file: &str, line: usize) -> Result<Parsed, Problem> {
    match policy.effect() {
        Effect::Permit => return Err(Problem::Permit),
        Effect::Forbid => {}
    }
    check_scope(policy)?;
    if let Some((name, _)) = policy.annotations().find(|(name, _)| !ANNOTATIONS.contains(name)) {
        return Err(Problem::UnknownAnnotation(name.to_owned()));
    }
    let rule = rule_of(policy, file, line)?;
    match (rule.mode, rule.strength) {
        (Mode::Watch, Strength::Mandatory) => return Err(Problem::MandatoryWatch),
        (Mode::Enforce, Strength::Mandatory) if rule.waivers.is_some() => return Err(Problem::MandatoryWaivers),
        (Mode::Watch, Strength::Waivable) | (Mode::Enforce, Strength::Waivable | Strength::Mandatory) => {}
    }
    let (applies, mut asks) = applies_only(policy, &rule.id)?;
    if PEOPLE_IN_GROUPS.iter().any(|word| asks.words.contains(*word)) {
        let groups = policy.entity_literals().into_iter().filter(|literal| literal.type_name().basename() == "Group");
        asks.looked_in = groups.filter_map(|literal| literal.id().unescaped().parse().ok()).collect();
    }
    Ok(Parsed { full: policy.new_id(PolicyId::new(rule.id.as_str())), text, applies, asks, rule })
}

/// What the annotations say.
pub(super) fn rule_of(policy: &Policy, file: &str, line: usize) -> Result<Rule, Problem> {
    Ok(Rule {
        id: choose(policy, "id", |id| id.parse::<RuleId>().map_err(|error| error.expected.to_owned()))?,
        requires: choose(policy, "requires", parse_requires)?,
        because: choose(policy, "because", |text| {
            if text.trim().is_empty() {
                Err("say in one sentence why the rule is there".to_owned())
            } else {
                Ok(text.to_owned())
            }
        })?,
        remedy: choose(policy, "remedy", |text| {
            let known = text.replace("{change}", "");
            if known.len() == text.len() || known.contains(['{', '}']) {
                Err("a command with `{change}` where the change's id goes, and no other placeholder".to_owned())
            } else {
                Ok(text.to_owned())
            }
        })?,
        mode: choose(policy, "mode", |mode| match mode {
            "enforce" => Ok(Mode::Enforce),
            "watch" => Ok(Mode::Watch),
            _ => Err("write `enforce` or `watch`".to_owned()),
        })?,
        strength: choose(policy, "strength", |strength| match strength {
            "waivable" => Ok(Strength::Waivable),
            "mandatory" => Ok(Strength::Mandatory),
            _ => Err("write `waivable` or `mandatory`".to_owned()),
        })?,
        carry: choose_if_any(policy, "carry", |text| {
            text.parse::<Carry>()
                .map_err(|_| "write `never`, `delta`, or `delta` with a condition: `delta@tier>=2`".to_owned())
        })?
        .unwrap_or_default(),
        waivers: choose_if_any(policy, "waivers", |text| {
            let group = text.strip_prefix("group:").and_then(|group| group.parse::<GroupId>().ok());
            group.ok_or_else(|| "write the group whose people may waive it: `group:NAME`".to_owned())
        })?,
        file: file.to_owned(),
        line,
    })
}

/// The same of an annotation that may be left out.
fn choose_if_any<T>(
    policy: &Policy,
    annotation: &'static str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Problem> {
    policy.annotation(annotation).map(|_| choose(policy, annotation, read)).transpose()
}

/// Reads one annotation; `read` gives what would be right as its error.
fn choose<T>(
    policy: &Policy,
    annotation: &'static str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Problem> {
    let value = policy.annotation(annotation).ok_or(Problem::MissingAnnotation(annotation))?;
    let short: String = value.chars().take(80).collect();
    if value.chars().count() > MAX_ANNOTATION_CHARS || value.chars().any(char::is_control) {
        let expected = format!("one line of at most {MAX_ANNOTATION_CHARS} characters");
        return Err(Problem::Annotation { annotation, value: short, expected });
    }
    read(value).map_err(|expected| Problem::Annotation { annotation, value: short, expected })
}

fn parse_requires(text: &str) -> Result<Vec<Choice>, String> {
    let tokens = text.split(',').map(|token| token.trim().parse());
    let requires: Vec<Choice> = tokens.collect::<Result<_, _>>().map_err(|error: InvalidRequirement| hint(&error))?;
    let ways = || requires.iter().flat_map(Choice::ways);
    let distinct: BTreeSet<_> = ways().collect();
    if ways().count() > MAX_REQUIREMENTS || distinct.len() < ways().count() {
        return Err(format!("at most {MAX_REQUIREMENTS} requirements, each once"));
    }
    Ok(requires)
}

fn check_scope(policy: &Policy) -> Result<(), Problem> {
    match policy.principal_constraint() {
        PrincipalConstraint::Any => {}
        PrincipalConstraint::In(_)
        | PrincipalConstraint::Eq(_)
        | PrincipalConstraint::Is(_)
        | PrincipalConstraint::IsIn(_, _) => return Err(Problem::Principal),
    }
    match policy.action_constraint() {
        // That the action exists is the schema's business.
        ActionConstraint::Eq(_) => {}
        ActionConstraint::Any | ActionConstraint::In(_) => return Err(Problem::Action),
    }
    match policy.resource_constraint() {
        ResourceConstraint::Any
        | ResourceConstraint::In(_)
        | ResourceConstraint::Is(_)
        | ResourceConstraint::IsIn(_, _) => Ok(()),
        ResourceConstraint::Eq(_) => Err(Problem::SingleChange),
    }
}

/// The same policy without its `unless`: fires wherever the rule applies, met or not. Checks the conditions on the way.
fn applies_only(policy: &Policy, id: &RuleId) -> Result<(Policy, Asks), Problem> {
    let internal = |error: &dyn std::fmt::Display| Problem::Internal(error.to_string());
    let mut json = policy.to_json().map_err(|error| internal(&error))?;
    let conditions = json.get_mut("conditions").and_then(Value::as_array_mut);
    let Some(conditions) = conditions else { return Err(internal(&"a policy without conditions in JSON")) };
    let mut asks = Asks::default();
    for condition in &*conditions {
        let body = condition.get("body").ok_or_else(|| internal(&"a condition without a body in JSON"))?;
        cannot_err(body, 0)?;
        asks.read(body)?;
        let is_when = condition.get("kind").and_then(Value::as_str) != Some("unless");
        asks.unsure |= unsure(body, Some(is_when));
    }
    conditions.retain(|condition| condition.get("kind").and_then(Value::as_str) != Some("unless"));
    let applies = Policy::from_json(Some(PolicyId::new(format!("{id}{APPLIES}"))), json);
    Ok((applies.map_err(|error| internal(&error))?, asks))
}

impl Asks {
    /// Reads an expression in Cedar's JSON form, which nests no deeper than [`MAX_DEPTH`].
    fn read(&mut self, expression: &Value) -> Result<(), Problem> {
        if let Some(access) = expression.get(".").or_else(|| expression.get("has")) {
            let attribute = access.get("attr").and_then(Value::as_str).unwrap_or_default();
            self.words.insert(attribute.to_owned());
            let short = || attribute.chars().take(80).collect();
            match access.get("left").and_then(record) {
                Some(("paths", "touched" | "only" | "added" | "deleted")) => {
                    let wrong = |error: NoPattern| Problem::NoPattern(error.to_string());
                    Globs::parse(attribute).map_err(wrong)?;
                    self.literals.paths.insert(attribute.to_owned());
                }
                Some(("evidence", "passed" | "self_made")) => {
                    self.literals.evidence.insert(attribute.parse().map_err(|_| Problem::NoEvidence(short()))?);
                }
                Some(("size", "files_without" | "added_without" | "deleted_without")) => {
                    let wrong = |error: NoPattern| Problem::NoPattern(error.to_string());
                    Globs::parse(attribute).map_err(wrong)?;
                    self.literals.left_out.insert(attribute.to_owned());
                }
                Some(("approvals", "recent")) => {
                    self.literals.recent.insert(parse_hours(attribute).ok_or_else(|| Problem::NoHours(short()))?);
                }
                Some(("approvals", "group")) => {
                    self.literals.counted.insert(attribute.parse().map_err(|_| Problem::NoGroup(short()))?);
                }
                Some(("approvals", "apart"))
                    if parse_parts(attribute).is_some_and(|parts| spelled(&parts) == attribute) =>
                {
                    self.literals.apart.insert(attribute.to_owned());
                }
                Some(("approvals", "apart")) => return Err(Problem::NoParts(short())),
                Some(_) | None => {}
            }
        }
        match expression {
            Value::Array(parts) => parts.iter().try_for_each(|part| self.read(part)),
            Value::Object(parts) => parts.values().try_for_each(|part| self.read(part)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }
}

/// Whether a word about paths stands where its value for too many of them ([`super::Rules::paths_of`]) is not the one that makes the rule
/// fire. `fires`: which value of this expression does; `None` where either may.
fn unsure(expression: &Value, fires: Option<bool>) -> bool {
    if let Some(access) = expression.get(".").or_else(|| expression.get("has"))
        && let Some(("paths", word)) = access.get("left").and_then(record)
    {
        return fires != Some(word != "only");
    }
    // In any other form than that one, too.
    if expression.get(".").and_then(|access| access.get("attr")).and_then(Value::as_str) == Some("paths") {
        return true;
    }
    if let Some(arg) = expression.get("!").and_then(|not| not.get("arg")) {
        return unsure(arg, fires.map(|fires| !fires));
    }
    if let Some(sides) = expression.get("&&").or_else(|| expression.get("||")).and_then(Value::as_object) {
        return sides.values().any(|side| unsure(side, fires));
    }
    match expression {
        Value::Array(parts) => parts.iter().any(|part| unsure(part, None)),
        Value::Object(parts) => parts.values().any(|part| unsure(part, None)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// `approvals` and `group` of `resource.approvals.group`. A record whose fields rules name has no others, so that what is written in any
/// other way does not fit the schema.
pub(super) fn record(expression: &Value) -> Option<(&str, &str)> {
    let field = expression.get(".")?;
    Some((field.get("left")?.get(".")?.get("attr")?.as_str()?, field.get("attr")?.as_str()?))
}

/// Walks an expression in Cedar's JSON form and refuses every operator that could err at run time on validated input:
/// arithmetic (overflow), tags, and the extension types' functions. What is not known to be safe is refused.
fn cannot_err(expression: &Value, depth: usize) -> Result<(), Problem> {
    if depth > MAX_DEPTH {
        return Err(Problem::TooDeep);
    }
    let refuse = |operator: &str| Err(Problem::CanErr(operator.to_owned()));
    let Some((operator, operand)) =
        expression.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next())
    else {
        return refuse("an expression of an unknown form");
    };
    let parts: &[&str] = match operator.as_str() {
        "Var" => return Ok(()),
        "Value" => return if operand.get("__extn").is_some() { refuse("an extension value") } else { Ok(()) },
        "Set" => return each(operand.as_array().into_iter().flatten(), depth),
        "Record" => return each(operand.as_object().into_iter().flat_map(serde_json::Map::values), depth),
        "!" | "isEmpty" => &["arg"],
        "." | "has" | "like" => &["left"],
        "is" => &["left", "in"],
        "if-then-else" => &["if", "then", "else"],
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "&&" | "||" | "in" | "contains" | "containsAll" | "containsAny" => {
            &["left", "right"]
        }
        other => return refuse(other),
    };
    each(parts.iter().filter_map(|part| operand.get(part)), depth)
}

fn each<'a>(expressions: impl Iterator<Item = &'a Value>, depth: usize) -> Result<(), Problem> {
    expressions.into_iter().try_for_each(|expression| cannot_err(expression, depth.saturating_add(1)))
}

/// Validates all rules at once, strictly; a warning (an impossible condition, letters that look like others) is an error.
fn validate(files: &BTreeMap<String, String>, rules: &BTreeMap<RuleId, Parsed>) -> Result<(), RulesError> {
    let internal = |error| RulesError { file: String::new(), line: None, problem: Problem::Internal(error) };
    let set = PolicySet::from_policies(rules.values().map(|parsed| parsed.full.clone()))
        .map_err(|error| internal(error.to_string()))?;
    let mut literals = Literals::default();
    rules.values().for_each(|parsed| literals.extend(&parsed.asks.literals));
    let result =
        Validator::new(vocabulary::schema(&literals).map_err(internal)?).validate(&set, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| complaint(files, rules, error.policy_id(), error));
    let warnings = result.validation_warnings().map(|warning| complaint(files, rules, warning.policy_id(), warning));
    // Cedar reports in no stated order; the first by place is what a reader fixes first.
    match errors.chain(warnings).min_by_key(|error| (error.file.clone(), error.line)) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn complaint(
    files: &BTreeMap<String, String>,
    rules: &BTreeMap<RuleId, Parsed>,
    policy: &PolicyId,
    diagnostic: &dyn Diagnostic,
) -> RulesError {
    let id: &str = policy.as_ref();
    let rule = rules.values().map(|parsed| &parsed.rule).find(|rule| rule.id.as_str() == id);
    let file = rule.map(|rule| rule.file.clone()).unwrap_or_default();
    let line = files.get(&file).and_then(|text| line_of(text, diagnostic)).or(rule.map(|rule| rule.line));
    // Cedar begins with the policy's name, which the line says already.
    let message = diagnostic.to_string();
    let name = format!("for policy `{id}`");
    let message = message
        .strip_prefix(&name)
        .map_or(message.as_str(), |rest| rest.trim_start_matches([',', ':', ' ']))
        .to_owned();
    RulesError {
        file,
        line,
        problem: Problem::Schema { message, help: diagnostic.help().map(|help| help.to_string()) },
    }
}

fn line_of(text: &str, diagnostic: &dyn Diagnostic) -> Option<usize> {
    diagnostic.labels()?.next().map(|label| line_at(text, label.offset()))
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    before.saturating_add(1)
}
