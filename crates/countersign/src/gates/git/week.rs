//! What a watching gate let pass in some time, in short: what would have stopped it, on whom that would fall, what the map lacks.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::ids::{ActorId, Target};
use serde::Serialize;

use super::watch::{Met, MetRule};

/// What was watched, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Pushes that passed and that an enforcing gate would have stopped.
    pub pushes: usize,
    /// Of those, how many brought a change that somebody had proposed.
    pub proposed: usize,
    /// Of those, how many took a branch away.
    pub deleted: usize,
    /// Why they would have been stopped, by code.
    pub codes: BTreeMap<String, usize>,
    /// By rule, the one that would have stopped most first.
    pub rules: Vec<RuleReport>,
    /// Rules in watch that they did not meet, and that would have stopped nothing.
    pub watched: Vec<RuleReport>,
    /// Who made them, as far as commits tell, and what each would have needed: whoever made most first.
    pub authors: Vec<AuthorReport>,
    pub by_target: BTreeMap<Target, usize>,
    /// What the map does not name, as entries that would, the one of most pushes first.
    pub unmapped: Vec<Unmapped>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    pub rule: String,
    pub pushes: usize,
    /// What was missing, and how often.
    pub missing: BTreeMap<String, usize>,
    /// Whom it would have fallen on: for how many of the pushes each was among the nearest.
    pub who: BTreeMap<ActorId, usize>,
    /// Pushes for which nobody could have supplied it.
    pub nobody: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthorReport {
    /// `None`: whoever the commits name is nobody of the catalog.
    pub by: Option<ActorId>,
    pub pushes: usize,
    pub proposed: usize,
    /// The rules that would have stopped them, and how often.
    pub rules: BTreeMap<String, usize>,
    /// On whom it would have fallen, and how often.
    pub who: BTreeMap<ActorId, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmapped {
    /// A pattern that names them, for `--map`.
    pub pattern: String,
    pub pushes: usize,
    /// One of them.
    pub for_example: String,
}

impl Report {
    pub fn of(all: &[Met]) -> Self {
        let mut report = Self { pushes: all.len(), ..Self::default() };
        let mut rules: BTreeMap<(bool, &str), RuleReport> = BTreeMap::new();
        let mut authors: BTreeMap<Option<&ActorId>, AuthorReport> = BTreeMap::new();
        let mut unmapped: BTreeMap<String, Unmapped> = BTreeMap::new();
        for met in all {
            report.proposed += usize::from(met.change.is_some());
            report.deleted += usize::from(met.deletes());
            *report.codes.entry(met.code.clone()).or_default() += 1;
            met.targets.iter().for_each(|target| *report.by_target.entry(target.clone()).or_default() += 1);
            let author = authors.entry(met.by.as_ref()).or_insert_with(|| AuthorReport {
                by: met.by.clone(),
                pushes: 0,
                proposed: 0,
                rules: BTreeMap::new(),
                who: BTreeMap::new(),
            });
            author.pushes += 1;
            author.proposed += usize::from(met.change.is_some());
            let stopping = met.rules.iter().filter(|rule| !rule.watch);
            let asked: BTreeSet<&ActorId> = stopping.clone().flat_map(|rule| &rule.who).collect();
            stopping.for_each(|rule| *author.rules.entry(rule.rule.clone()).or_default() += 1);
            asked.into_iter().for_each(|who| *author.who.entry(who.clone()).or_default() += 1);
            for MetRule { rule, watch, missing, who, how: _ } in &met.rules {
                let of = rules.entry((*watch, rule)).or_insert_with(|| RuleReport {
                    rule: rule.clone(),
                    pushes: 0,
                    missing: BTreeMap::new(),
                    who: BTreeMap::new(),
                    nobody: 0,
                });
                of.pushes += 1;
                of.nobody += usize::from(who.is_empty());
                missing.iter().for_each(|missing| *of.missing.entry(missing.clone()).or_default() += 1);
                who.iter().for_each(|person| *of.who.entry(person.clone()).or_default() += 1);
            }
            let patterns: BTreeMap<String, &String> = met.unmapped.iter().map(|path| (pattern(path), path)).collect();
            for (pattern, path) in patterns {
                let one = || Unmapped { pattern: pattern.clone(), pushes: 0, for_example: path.clone() };
                unmapped.entry(pattern.clone()).or_insert_with(one).pushes += 1;
            }
        }
        let (watched, stopping): (Vec<_>, Vec<_>) = rules.into_iter().partition(|((watch, _), _)| *watch);
        let sorted = |rules: Vec<((bool, &str), RuleReport)>| {
            let mut rules: Vec<RuleReport> = rules.into_iter().map(|(_, rule)| rule).collect();
            rules.sort_by(|a, b| b.pushes.cmp(&a.pushes).then_with(|| a.rule.cmp(&b.rule)));
            rules
        };
        (report.rules, report.watched) = (sorted(stopping), sorted(watched));
        report.authors = authors.into_values().collect();
        report.authors.sort_by(|a, b| b.pushes.cmp(&a.pushes).then_with(|| a.by.cmp(&b.by)));
        report.unmapped = unmapped.into_values().collect();
        report.unmapped.sort_by(|a, b| b.pushes.cmp(&a.pushes).then_with(|| a.pattern.cmp(&b.pattern)));
        report
    }
}

/// The top folder that a path lies in, whole; of what lies in none, the file.
fn pattern(path: &str) -> String {
    match path.split_once('/') {
        Some((folder, _)) => format!("{}/**", plain(folder)),
        None => plain(path),
    }
}

/// In a pattern these letters mean more than themselves: `?` stands for any one of them.
fn plain(name: &str) -> String {
    name.chars().map(|letter| if "*?[]{}\\!".contains(letter) { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_offered_for_what_none_names() {
        assert_eq!(["a/b/c", "README.md", "od[d]/x"].map(pattern), ["a/**", "README.md", "od?d?/**"]);
    }
}
