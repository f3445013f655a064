//! What of other rules lets more through than those in force: by what they say of themselves, and where their conditions differ.
//!
//! A condition lets nothing more through where its form shows it ([`super::form`]); else it counts as letting more through, seen or not.
//! Samples of [`mod@super::check`] say of what, where one of them has it: they prove nothing of what they do not have.

use std::{collections::BTreeSet, fmt};

use super::{
    Mentions, Rules,
    check::{State, ask, describe},
    evaluate::Slices,
    form::{Falling, Known, falling, stops_as_much, stops_as_much_of},
    parse::Parsed,
    sample,
};
use crate::{
    catalog::Tier,
    decision::{Mode, Strength},
    ids::{GroupId, RuleId},
    kind::Kind,
    requirement::Carry,
    snapshot::{AiStatus, Snapshot},
};

/// Samples of one rule that are looked at.
const MAX_SAMPLES: usize = 10_000;

/// How a rule that binds comes to stop less.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weaker {
    pub rule: RuleId,
    pub how: Weakened,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakened {
    Gone,
    Watched,
    Waivable,
    /// Others may waive it.
    Waivers,
    /// Approvals of earlier revisions count where they did not.
    Carries,
    /// It stops a sample no more.
    LetsThrough(String),
    /// Its conditions differ, and nothing shows that they stop more.
    Unsure,
    /// The home has another number of people, and the rule asks less of it.
    Population,
}

impl fmt::Display for Weaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, how } = self;
        match how {
            Weakened::Gone => write!(f, "takes rule {rule} away"),
            Weakened::Watched => write!(f, "rule {rule} stops nothing any more: it is only watched"),
            Weakened::Waivable => write!(f, "rule {rule} can be waived"),
            Weakened::Waivers => write!(f, "rule {rule} can be waived by others"),
            Weakened::Carries => write!(f, "rule {rule} takes approvals of earlier revisions that it did not take"),
            Weakened::LetsThrough(sample) => write!(f, "rule {rule} lets through what it stopped: {sample}"),
            Weakened::Unsure => {
                write!(f, "rule {rule} is another, and nothing shows that it stops more: compare its text")
            }
            Weakened::Population => write!(f, "rule {rule} asks less of a home of so many people"),
        }
    }
}

/// What of these rules lets more through, a line for each way; nothing of a rule that bound nothing. `people` are how many the
/// home has by either.
pub fn weaker(before: &Rules, after: &Rules, people: (u32, u32)) -> Vec<Weaker> {
    let mut found = Vec::new();
    for old in before.parsed().filter(|parsed| parsed.rule.mode == Mode::Enforce) {
        let id = &old.rule.id;
        let mut add = |how| found.push(Weaker { rule: id.clone(), how });
        let Some(new) = after.rules.get(id) else {
            add(Weakened::Gone);
            continue;
        };
        match new.rule.mode {
            Mode::Watch => {
                add(Weakened::Watched);
                continue;
            }
            Mode::Enforce => {}
        }
        match (old.rule.strength, new.rule.strength) {
            (Strength::Mandatory, Strength::Waivable) => add(Weakened::Waivable),
            (Strength::Waivable, Strength::Waivable) if old.rule.waivers != new.rule.waivers => add(Weakened::Waivers),
            (Strength::Waivable | Strength::Mandatory, Strength::Mandatory)
            | (Strength::Waivable, Strength::Waivable) => {}
        }
        if new.rule.carry != Carry::Never && new.rule.carry != old.rule.carry {
            add(Weakened::Carries);
        }
        if let Some(how) = conditions(before, old, after, new) {
            add(how);
        }
        if people.0 != people.1 && asks_for_people(old) && eases(new, people) {
            add(Weakened::Population);
        }
    }
    found
}

/// A rule's policy without what it says of itself.
fn policy(parsed: &Parsed) -> Option<serde_json::Value> {
    let mut json = parsed.full.to_json().ok()?;
    json.as_object_mut()?.remove("annotations");
    Some(json)
}

fn condition(parsed: &Parsed) -> &str {
    parsed.text.split_once("forbid").map_or(parsed.text.as_str(), |(_, rest)| rest)
}

fn conditions(before: &Rules, old: &Parsed, after: &Rules, new: &Parsed) -> Option<Weakened> {
    if old.text == new.text || policy(old).is_some_and(|policy| Some(policy) == self::policy(new)) {
        return None;
    }
    let (Ok(of_old), Ok(of_new)) = (Slices::new([old]), Slices::new([new])) else { return Some(Weakened::Unsure) };
    let stops = |rules: &Rules, slices: &Slices, snapshot: &Snapshot| match ask(rules, slices, snapshot) {
        // What errs denies.
        Ok(State::Unmet) | Err(_) => true,
        Ok(State::NotApplicable | State::Met) => false,
    };
    let mentions = mentioned(before, old, after, new);
    for base in bases(&mentions, old, new).take(MAX_SAMPLES) {
        for sample in variants(base, [old, new]) {
            if stops(before, &of_old, &sample) && !stops(after, &of_new, &sample) {
                return Some(Weakened::LetsThrough(describe(&sample)));
            }
        }
    }
    (!stops_as_much(old, new)).then_some(Weakened::Unsure)
}

/// What both name, also in their `unless`.
fn mentioned(before: &Rules, old: &Parsed, after: &Rules, new: &Parsed) -> Mentions {
    let mut mentions = before.mentions(&old.rule.id);
    let Mentions {
        systems,
        environments,
        groups,
        purpose,
        patterns,
        people,
        numbers,
        texts,
        evidence,
        asked,
        hours,
        waits,
    } = after.mentions(&new.rule.id);
    mentions.systems.extend(systems);
    mentions.environments.extend(environments);
    mentions.groups.extend(groups);
    mentions.purpose |= purpose;
    mentions.patterns.extend(patterns);
    mentions.hours.extend(hours);
    mentions.people.extend(people);
    mentions.numbers.extend(numbers);
    mentions.texts.extend(texts);
    mentions.evidence.extend(evidence);
    mentions.asked.extend(asked);
    mentions.waits.extend(waits);
    mentions.add_conditions(condition(old));
    mentions.add_conditions(condition(new));
    mentions
}

/// The samples of what they name.
fn bases(mentions: &Mentions, old: &Parsed, new: &Parsed) -> impl Iterator<Item = Snapshot> {
    let either = |word: &str| old.text.contains(word) || new.text.contains(word);
    let (kinds, ai) = (either("Kind::"), either(".ai."));
    // Without a rule that tells them apart, two of each are as good as all.
    let wanted = move |sample: &Snapshot| {
        (kinds || matches!(sample.kind, Kind::Code | Kind::Config))
            && (ai || matches!(sample.ai.status, AiStatus::Unknown | AiStatus::None))
    };
    sample::samples(mentions).filter(wanted)
}

/// A sample as it is, with all that either rule asks for, and without each of it.
fn variants(base: Snapshot, of: [&Parsed; 2]) -> Vec<Snapshot> {
    let mut variants = vec![base.clone()];
    for parsed in of {
        let mut full = base.clone();
        parsed.rule.requires.iter().for_each(|choice| choice.supply(&mut full));
        for choice in &parsed.rule.requires {
            let mut less = full.clone();
            choice.take_away(&mut less);
            variants.push(less);
        }
        variants.push(full);
    }
    variants
}

/// Whether a rule asks how many people the home has.
fn asks_for_people(parsed: &Parsed) -> bool {
    parsed.asks.words.contains("people")
}

/// Whether it is not shown to stop in a home of as many as there will be whatever it stops in one of so many people.
fn eases(parsed: &Parsed, (before, after): (u32, u32)) -> bool {
    let of = |people| Known { people: Some(people), ..Known::default() };
    !stops_as_much_of(parsed, of(before), of(after))
}

impl Rules {
    fn enforced(&self) -> impl Iterator<Item = &Parsed> {
        self.parsed().filter(|parsed| parsed.rule.mode == Mode::Enforce)
    }

    /// A rule that binds and is not shown to stop of what is of one tier whatever it stops of the same in another.
    pub(crate) fn eased_by_tier(&self, before: Tier, after: Tier, people: u32) -> Option<&RuleId> {
        let (before, after): (u8, u8) = (before.into(), after.into());
        let of = |tier| Known { tier: Some(tier), ..Known::default() };
        let carries = |parsed: &Parsed| {
            let carry = parsed.rule.carry;
            carry.holds(after, people) && !carry.holds(before, people)
        };
        let eases = |parsed: &&Parsed| carries(parsed) || !stops_as_much_of(parsed, of(before), of(after));
        self.enforced().find(eases).map(|parsed| &parsed.rule.id)
    }

    /// A rule that binds and is not shown to stop in production whatever it stops elsewhere.
    pub(crate) fn eased_in_production(&self) -> Option<&RuleId> {
        let of = |production| Known { production: Some(production), ..Known::default() };
        let eases = |parsed: &&Parsed| !stops_as_much_of(parsed, of(false), of(true));
        self.enforced().find(eases).map(|parsed| &parsed.rule.id)
    }

    /// The groups of which rules that bind name the people, or ask for their approvals in such a way that a rule stops less where
    /// somebody leaves them; and whether any asks so for approvals by owners.
    pub(crate) fn looked_in(&self) -> (BTreeSet<GroupId>, bool) {
        let mut all = Falling::default();
        for parsed in self.enforced() {
            let Falling { groups, owners } = falling(parsed);
            all.groups.extend(groups.into_iter().chain(parsed.asks.looked_in.iter().cloned()));
            all.owners |= owners;
        }
        (all.groups, all.owners)
    }

    /// The groups that rules that bind name as such, as in `resource in Group::"payments"`.
    pub(crate) fn named_groups(&self) -> BTreeSet<GroupId> {
        let literals = self.enforced().flat_map(|parsed| parsed.full.entity_literals());
        let groups = literals.filter(|literal| *literal.type_name() == self.vocabulary().group);
        groups.filter_map(|literal| literal.id().unescaped().parse().ok()).collect()
    }
}
