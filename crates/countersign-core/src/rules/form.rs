//! The form of a rule's conditions, by which one is shown to stop whatever another stops, whatever there is to judge: what no sample
//! has, and nobody thought of, too. Comments and the order of words are not in it.
//!
//! A condition is taken apart at `&&`, `||`, `!` and `if`, at comparisons of a number with one that is written down, and no further;
//! evaluation cannot err ([`super::parse`] sees to that), so that these mean what they mean in logic. What is not shown is not so:
//! [`Form::implies`] says `false` of much that holds, and never `true` of what does not.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

use super::parse::{Parsed, record};
use crate::{
    ids::GroupId,
    requirement::{Role, parse_parts},
};

/// When a rule fires, with `!` only before what is not taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Always,
    Never,
    All(Vec<Form>),
    Any(Vec<Form>),
    /// A number that lies between these, themselves included.
    Number {
        of: Value,
        from: i64,
        to: i64,
    },
    /// Anything else, as it is or denied.
    Other {
        of: Value,
        holds: bool,
    },
}

/// What is known of whatever is judged, so that a form is asked for it alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub people: Option<u32>,
    pub tier: Option<u8>,
    pub production: Option<bool>,
}

/// How large a form may be, and how many steps it may take to show something: more is not shown.
const MAX_PARTS: usize = 10_000;
const MAX_STEPS: usize = 200_000;

/// Where a rule stops something. `None` where that is too large to tell, or where what is known is asked for in a form that is not
/// taken apart.
pub(super) fn fires(policy: &Policy, known: Known) -> Option<Form> {
    let json = policy.to_json().ok()?;
    let mut reading = Reading { known, parts: 0 };
    let mut all = Vec::new();
    for part in ["principal", "action", "resource"] {
        let scope = json.get(part)?;
        if scope.get("op").and_then(Value::as_str) != Some("All") {
            all.push(Form::Other { of: scope.clone(), holds: true });
        }
    }
    for condition in json.get("conditions")?.as_array()? {
        let is_when = match condition.get("kind")?.as_str()? {
            "when" => true,
            "unless" => false,
            _ => return None,
        };
        all.push(reading.form(condition.get("body")?, is_when)?);
    }
    Some(Form::all(all))
}

/// Whether the new rule stops whatever the old one stops.
pub(super) fn stops_as_much(old: &Parsed, new: &Parsed) -> bool {
    // Where there are too many paths to tell, such a rule denies.
    if old.asks.unsure && !new.asks.unsure {
        return false;
    }
    let of = |parsed: &Parsed| fires(&parsed.full, Known::default());
    matches!((of(old), of(new)), (Some(old), Some(new)) if old.implies(&new))
}

/// Whether a rule stops of the one whatever it stops of the other.
pub(super) fn stops_as_much_of(parsed: &Parsed, before: Known, after: Known) -> bool {
    let of = |known| fires(&parsed.full, known);
    matches!((of(before), of(after)), (Some(before), Some(after)) if before.implies(&after))
}

/// What a rule stops less by, where there is less of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Falling {
    /// Approvals by people of these groups.
    pub groups: BTreeSet<GroupId>,
    /// Approvals by owners.
    pub owners: bool,
}

/// Whose approvals a rule asks for in a way that it stops less where fewer people could give them: in its `when`, or denied in its
/// `unless`.
pub(super) fn falling(parsed: &Parsed) -> Falling {
    let mut falling = Falling::default();
    match fires(&parsed.full, Known::default()) {
        Some(form) => form.falls(&mut falling),
        None => {
            falling.groups.extend(parsed.rule.groups().cloned().chain(parsed.asks.literals.groups()));
            falling.owners = true;
        }
    }
    falling
}

struct Reading {
    known: Known,
    parts: usize,
}

impl Reading {
    /// An expression in Cedar's JSON form that has to be true, or false. It nests no deeper than [`super::MAX_DEPTH`].
    fn form(&mut self, expression: &Value, holds: bool) -> Option<Form> {
        self.parts = self.parts.saturating_add(1);
        if self.parts > MAX_PARTS {
            return None;
        }
        if let Some(value) = expression.get("Value").and_then(Value::as_bool) {
            return Some(Form::constant(value == holds));
        }
        if let (Some("production"), Some(production)) = (attribute(expression), self.known.production) {
            return Some(Form::constant(production == holds));
        }
        if let Some(not) = expression.get("!") {
            return self.form(not.get("arg")?, !holds);
        }
        if let Some(both) = expression.get("&&") {
            let sides = vec![self.form(both.get("left")?, holds)?, self.form(both.get("right")?, holds)?];
            return Some(if holds { Form::all(sides) } else { Form::any(sides) });
        }
        if let Some(either) = expression.get("||") {
            let sides = vec![self.form(either.get("left")?, holds)?, self.form(either.get("right")?, holds)?];
            return Some(if holds { Form::any(sides) } else { Form::all(sides) });
        }
        if let Some(choice) = expression.get("if-then-else") {
            let (condition, then, other) = (choice.get("if")?, choice.get("then")?, choice.get("else")?);
            let then = Form::all(vec![self.form(condition, true)?, self.form(then, holds)?]);
            let other = Form::all(vec![self.form(condition, false)?, self.form(other, holds)?]);
            return Some(Form::any(vec![then, other]));
        }
        for comparison in ["==", "!=", "<", "<=", ">", ">="] {
            if let Some(sides) = expression.get(comparison) {
                return self.compare(comparison, sides.get("left")?, sides.get("right")?, holds);
            }
        }
        self.other(expression.clone(), holds)
    }

    fn compare(&mut self, comparison: &str, left: &Value, right: &Value, holds: bool) -> Option<Form> {
        let literal = |side: &Value| side.get("Value").cloned();
        if let (Some(number), None) = (literal(left).as_ref().and_then(Value::as_i64), literal(right)) {
            return self.number(right, mirrored(comparison), number, holds);
        }
        if let (None, Some(number)) = (literal(left), literal(right).as_ref().and_then(Value::as_i64)) {
            return self.number(left, comparison, number, holds);
        }
        let (comparison, left, right, holds) = match comparison {
            "!=" => ("==", left, right, !holds),
            ">" => ("<", right, left, holds),
            ">=" => ("<", left, right, !holds),
            "<=" => ("<", right, left, !holds),
            comparison => (comparison, left, right, holds),
        };
        if comparison == "==" {
            for (one, other) in [(left, right), (right, left)] {
                if let Some(value) = literal(other).as_ref().and_then(Value::as_bool) {
                    return self.form(one, value == holds);
                }
            }
        }
        // Which side of an equation is which says nothing.
        let (one, other) = (left.to_string(), right.to_string());
        let swapped = comparison == "==" && one > other;
        let (left, right) = if swapped { (right, left) } else { (left, right) };
        let mut sides = serde_json::Map::new();
        sides.insert("left".to_owned(), left.clone());
        sides.insert("right".to_owned(), right.clone());
        let mut of = serde_json::Map::new();
        of.insert(comparison.to_owned(), Value::Object(sides));
        self.other(Value::Object(of), holds)
    }

    fn number(&self, of: &Value, comparison: &str, number: i64, holds: bool) -> Option<Form> {
        let (below, above) = (number.checked_sub(1), number.checked_add(1));
        let to = |to: Option<i64>| to.map(|to| (i64::MIN, to));
        let from = |from: Option<i64>| from.map(|from| (from, i64::MAX));
        let ranges = match (comparison, holds) {
            ("==", true) | ("!=", false) => [Some((number, number)), None],
            ("!=", true) | ("==", false) => [to(below), from(above)],
            ("<", true) | (">=", false) => [to(below), None],
            ("<=", true) | (">", false) => [to(Some(number)), None],
            (">", true) | ("<=", false) => [from(above), None],
            (">=", true) | ("<", false) => [from(Some(number)), None],
            (_, _) => return None,
        };
        let ranges = ranges.into_iter().flatten();
        let known = match (attribute(of), record(of)) {
            (Some("tier"), _) => self.known.tier.map(i64::from),
            (_, Some(("home", "people"))) => self.known.people.map(i64::from),
            (_, _) => None,
        };
        if let Some(known) = known {
            let mut ranges = ranges;
            return Some(Form::constant(ranges.any(|(from, to)| from <= known && known <= to)));
        }
        if self.asks_for_what_is_known(of) {
            return None;
        }
        Some(Form::any(ranges.map(|(from, to)| Form::Number { of: of.clone(), from, to }).collect()))
    }

    fn other(&self, of: Value, holds: bool) -> Option<Form> {
        (!self.asks_for_what_is_known(&of)).then_some(Form::Other { of, holds })
    }

    fn asks_for_what_is_known(&self, expression: &Value) -> bool {
        let Known { people, tier, production } = self.known;
        let is_known = match (attribute(expression), record(expression)) {
            (Some("tier"), _) => tier.is_some(),
            (Some("production"), _) => production.is_some(),
            (Some("home"), _) | (_, Some(("home", _))) => people.is_some(),
            (_, _) => false,
        };
        is_known || parts(expression).any(|part| self.asks_for_what_is_known(part))
    }
}

/// `tier` of `resource.tier`.
fn attribute(expression: &Value) -> Option<&str> {
    let access = expression.get(".")?;
    access.get("left")?.get("Var")?;
    access.get("attr")?.as_str()
}

fn mirrored(comparison: &str) -> &str {
    match comparison {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}

fn parts(expression: &Value) -> impl Iterator<Item = &Value> {
    let of_list = expression.as_array().into_iter().flatten();
    of_list.chain(expression.as_object().into_iter().flat_map(serde_json::Map::values))
}

impl Form {
    fn constant(holds: bool) -> Self {
        if holds { Self::Always } else { Self::Never }
    }

    fn all(parts: Vec<Self>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Self::Always => {}
                Self::Never => return Self::Never,
                Self::All(parts) => all.extend(parts),
                Self::Any(_) | Self::Number { .. } | Self::Other { .. } => all.push(part),
            }
        }
        match (all.pop(), all.is_empty()) {
            (None, _) => Self::Always,
            (Some(only), true) => only,
            (Some(last), false) => {
                all.push(last);
                Self::All(all)
            }
        }
    }

    fn any(parts: Vec<Self>) -> Self {
        let mut any = Vec::new();
        for part in parts {
            match part {
                Self::Never => {}
                Self::Always => return Self::Always,
                Self::Any(parts) => any.extend(parts),
                Self::All(_) | Self::Number { .. } | Self::Other { .. } => any.push(part),
            }
        }
        match (any.pop(), any.is_empty()) {
            (None, _) => Self::Never,
            (Some(only), true) => only,
            (Some(last), false) => {
                any.push(last);
                Self::Any(any)
            }
        }
    }

    /// Whether it is shown that the other holds wherever this does.
    fn implies(&self, other: &Self) -> bool {
        let mut steps = MAX_STEPS;
        self.shows(other, &mut steps)
    }

    fn shows(&self, other: &Self, steps: &mut usize) -> bool {
        let Some(left) = steps.checked_sub(1) else { return false };
        *steps = left;
        match (self, other) {
            (Self::Never, _) | (_, Self::Always) => true,
            // First what has to be shown of each, then what one of suffices.
            (Self::Any(ways), _) => ways.iter().all(|way| way.shows(other, steps)),
            (_, Self::All(parts)) => parts.iter().all(|part| self.shows(part, steps)),
            (Self::All(parts), Self::Any(ways)) => {
                ways.iter().any(|way| self.shows(way, steps)) || parts.iter().any(|part| part.shows(other, steps))
            }
            (Self::All(parts), Self::Never | Self::Number { .. } | Self::Other { .. }) => {
                parts.iter().any(|part| part.shows(other, steps))
            }
            (Self::Always | Self::Number { .. } | Self::Other { .. }, Self::Any(ways)) => {
                ways.iter().any(|way| self.shows(way, steps))
            }
            (Self::Number { of, from, to }, Self::Number { of: same, from: low, to: high }) => {
                of == same && low <= from && to <= high
            }
            (Self::Other { of, holds }, Self::Other { of: same, holds: also }) => of == same && holds == also,
            (Self::Always, Self::Never | Self::Number { .. } | Self::Other { .. })
            | (Self::Number { .. }, Self::Never | Self::Other { .. })
            | (Self::Other { .. }, Self::Never | Self::Number { .. }) => false,
        }
    }

    fn falls(&self, falling: &mut Falling) {
        match self {
            Self::Always | Self::Never => {}
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.falls(falling)),
            // So few of them, or fewer.
            Self::Number { of, from: i64::MIN, .. } if is_a_count(of) => {}
            // That nobody gave each of several.
            Self::Other { of, holds: false } if matches!(record_of(of), Some(("approvals", "apart"))) => {}
            Self::Number { of, .. } | Self::Other { of, .. } => counted(of, falling),
        }
    }
}

/// `approvals.owner`, or `approvals.group["payments"]`, and no more than that.
fn is_a_count(expression: &Value) -> bool {
    let counts = |of| matches!(of, Some(("approvals", _)));
    counts(record(expression)) || counts(record_of(expression))
}

/// `approvals` and `group` of `resource.approvals.group["payments"]`.
fn record_of(expression: &Value) -> Option<(&str, &str)> {
    record(expression.get(".")?.get("left")?)
}

/// Whose approvals an expression counts.
fn counted(expression: &Value, falling: &mut Falling) {
    if matches!(record(expression), Some(("approvals", "owner"))) {
        falling.owners = true;
    }
    let name = || expression.get(".").and_then(|access| access.get("attr")).and_then(Value::as_str);
    match record_of(expression) {
        Some(("approvals", "group")) => falling.groups.extend(name().and_then(|name| name.parse().ok())),
        Some(("approvals", "apart")) => {
            let roles = || name().and_then(parse_parts).into_iter().flatten().map(|part| part.role);
            falling.owners |= roles().any(|role| role == Role::Owner);
            falling.groups.extend(roles().filter_map(|role| role.group().cloned()));
        }
        Some(_) | None => {}
    }
    parts(expression).for_each(|part| counted(part, falling));
}
