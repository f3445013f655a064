//! What of other rules lets more through than those in force: by what they say of themselves, and where their conditions differ
//! over the samples of [`mod@super::check`].
//!
//! Samples prove nothing of what they do not have. So whatever is not seen to stop more, and to let nothing more through, counts as
//! letting more through; so does a condition that has a way more than it had.

use std::fmt;

use super::{
    Mentions, Rules,
    check::{State, ask, describe},
    evaluate::Slices,
    parse::Parsed,
    sample,
};
use crate::{
    decision::{Mode, Strength},
    ids::RuleId,
    kind::Kind,
    requirement::Carry,
    snapshot::{AiStatus, Snapshot},
};

/// Samples of one rule that are looked at: a rule that has more of them is not seen to stop more.
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
        if people.0 != people.1 && asks_for_people(old) && eases(after, new, people) {
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

/// How many ways there are in its conditions besides the first.
fn ways(parsed: &Parsed) -> usize {
    let text = condition(parsed);
    ["||", "!", " if ", " in "].iter().map(|word| text.matches(word).count()).sum()
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
    let mut tightens = false;
    let mentions = mentioned(before, old, after, new);
    // Of more names than that no sample has all.
    let is_whole = mentions.most() <= sample::MAX_NAMES;
    let mut samples = bases(&mentions, old, new);
    for base in samples.by_ref().take(MAX_SAMPLES) {
        for sample in variants(base, [old, new]) {
            match (stops(before, &of_old, &sample), stops(after, &of_new, &sample)) {
                (true, false) => return Some(Weakened::LetsThrough(describe(&sample))),
                (false, true) => tightens = true,
                (true, true) | (false, false) => {}
            }
        }
    }
    let shown = tightens && is_whole && samples.next().is_none() && ways(new) <= ways(old);
    (!shown).then_some(Weakened::Unsure)
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
    condition(parsed).contains("home.people")
}

/// Whether it stops something in a home of so many people that it does not stop in one of as many as there will be.
fn eases(rules: &Rules, parsed: &Parsed, (before, after): (u32, u32)) -> bool {
    let Ok(slices) = Slices::new([parsed]) else { return true };
    let mentions = mentioned(rules, parsed, rules, parsed);
    let mut samples = bases(&mentions, parsed, parsed);
    let eased = samples.by_ref().take(MAX_SAMPLES).any(|base| {
        variants(base, [parsed, parsed]).into_iter().any(|sample| {
            let of = |population| ask(rules, &slices, &Snapshot { population, ..sample.clone() });
            of(before) == Ok(State::Unmet) && of(after) != Ok(State::Unmet)
        })
    });
    eased || mentions.most() > sample::MAX_NAMES || samples.next().is_some()
}
