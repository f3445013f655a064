//! Says whom the rules and the catalog lock out.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    coverage::{Coverage, Gap, Opening, Road, Way},
    ids::{ActorId, Target},
    kind::Kind,
    standard::last_day,
};
use serde_json::{Value, json};

use super::output::{self, bad, good, list, warn};

/// How many lines are printed; JSON has them all.
const MAX_LINES: usize = 20;

pub fn print(coverage: &Coverage) {
    output::heading("Coverage: can every change to production find its approvals?");
    if let [only] = coverage.people.iter().collect::<Vec<_>>().as_slice() {
        anstream::println!(
            "  {}\n  {}",
            bad(format!(
                "with one person nothing can be approved: {only} is never the second pair of eyes for {only}."
            )),
            "  Nor can rules, catalog or people be amended, since that takes two signatures. To try things out it is\n    \
             enough; before anything depends on it, make a home with two founders: countersign init --help"
        );
        return;
    }
    if coverage.people.is_empty() {
        anstream::println!("  {}", bad("nobody has a key, so nobody can propose or approve anything"));
        return;
    }
    for line in roads(coverage) {
        anstream::println!("  {}", warn(line));
    }
    let lines = lines(coverage);
    for line in lines.iter().take(MAX_LINES) {
        anstream::println!("  {line}");
    }
    if lines.len() > MAX_LINES {
        anstream::println!("  and {} more: see --format json", lines.len() - MAX_LINES);
    }
    for opening in too_few(coverage) {
        anstream::println!("  {}", warn(in_words(opening)));
    }
    let summary = summary(coverage);
    anstream::println!("  {}", if lines.is_empty() { good(summary) } else { summary });
    if coverage.unasked > 0 {
        anstream::println!("  {}", warn(format!("{} more pairs were not looked at: too many", coverage.unasked)));
    }
}

/// What opens without a second person at each change.
pub fn roads(coverage: &Coverage) -> Vec<String> {
    let road = |road: &Road| {
        let Road { standard, proposers, targets, per_day, until } = road;
        let each = if targets.len() == 1 { "" } else { " each" };
        format!(
            "by standard change {standard} {} opens {} alone, {per_day} a day{each}, until {}",
            list(proposers),
            list(targets),
            last_day(*until)
        )
    };
    coverage.roads.iter().filter(|road| !road.targets.is_empty()).map(road).collect()
}

/// Where fewer people than there should be could open something.
fn too_few(coverage: &Coverage) -> impl Iterator<Item = &Opening> {
    let population = coverage.people.len();
    coverage.fewest.iter().filter(move |opening| opening.is_too_few(population)).take(MAX_LINES)
}

fn in_words(opening: &Opening) -> String {
    let Opening { target, tier, .. } = opening;
    let (people, words) = (opening.people(), opening.words());
    format!("{people} people alone can open {target}, which is tier {}: {words}", u8::from(*tier))
}

/// With how few people each tier opens, and before.
pub fn fewest(before: &Coverage, after: &Coverage) -> Vec<String> {
    let by_tier = |coverage: &Coverage| -> BTreeMap<u8, usize> {
        let mut least = BTreeMap::new();
        for opening in &coverage.fewest {
            let known = least.entry(u8::from(opening.tier)).or_insert(usize::MAX);
            *known = opening.people().min(*known);
        }
        least
    };
    let (was, is) = (by_tier(before), by_tier(after));
    let differs = is.iter().filter(|(tier, people)| was.get(tier).is_some_and(|was| was != *people));
    let mut lines: Vec<String> = differs
        .filter_map(|(tier, people)| {
            let example = after.fewest.iter().find(|one| u8::from(one.tier) == *tier && one.people() == *people)?;
            let was = was.get(tier)?;
            let (target, words) = (&example.target, example.words());
            Some(format!("fewest: {people} people open tier {tier}, before {was}; {target}: {words}"))
        })
        .collect();
    let known: Vec<String> = too_few(before).map(in_words).collect();
    lines.extend(
        too_few(after).map(in_words).filter(|line| !known.contains(line)).map(|line| format!("fewest: {line}")),
    );
    lines
}

/// How many ways are open, in words.
pub fn summary(coverage: &Coverage) -> String {
    format!("{} pairs of production target and proposer are open", ratio(coverage))
}

pub fn ratio(coverage: &Coverage) -> String {
    format!("{} of {}", coverage.asked.saturating_sub(affected(coverage)), coverage.asked)
}

fn affected(coverage: &Coverage) -> usize {
    coverage.gaps.iter().map(|gap| (&gap.target, &gap.proposer)).collect::<BTreeSet<_>>().len()
}

/// Gaps that differ only in who proposes are one line.
fn lines(coverage: &Coverage) -> Vec<String> {
    let mut grouped: BTreeMap<(&Target, String), BTreeSet<&ActorId>> = BTreeMap::new();
    for gap in &coverage.gaps {
        grouped.entry((&gap.target, outcome(gap))).or_default().insert(&gap.proposer);
    }
    grouped
        .into_iter()
        .map(|((target, outcome), proposers)| {
            let proposes = if proposers.len() == 1 { "proposes" } else { "propose" };
            format!("if {} {proposes} {}", list(proposers), outcome.replace("{target}", &target.to_string()))
        })
        .collect()
}

fn outcome(gap: &Gap) -> String {
    let assisted = if gap.only_assisted { " that AI assisted" } else { "" };
    let what = format!("{} of {{target}}{assisted}", kinds(&gap.kinds));
    match &gap.way {
        Way::Open => format!("{what}: open"),
        Way::ByWaiver(rules) => {
            let rules: Vec<_> = rules.iter().map(|rule| rule.as_str()).collect();
            warn(format!("{what}, it takes a senior's waiver of {}", list(rules)))
        }
        Way::Locked(missing) => {
            let missing: Vec<String> = missing.iter().map(|m| format!("{} ({})", m.what, m.rule)).collect();
            bad(format!("{what}, nobody can let it through; missing: {}", missing.join("; ")))
        }
    }
}

fn kinds(kinds: &BTreeSet<Kind>) -> String {
    if kinds.len() == Kind::ALL.len() {
        "a change".to_owned()
    } else {
        format!("a {} change", kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or "))
    }
}

pub fn to_json(coverage: &Coverage) -> Value {
    json!({
        "people": coverage.people,
        "asked": coverage.asked,
        "unasked": coverage.unasked,
        "fewest": coverage.fewest.iter().map(opening).collect::<Vec<_>>(),
        "gaps": coverage.gaps.iter().map(gap).collect::<Vec<_>>(),
        "roads": coverage.roads.iter().map(road).collect::<Vec<_>>(),
    })
}

fn road(road: &Road) -> Value {
    json!({
        "standard": road.standard,
        "proposers": road.proposers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "targets": road.targets,
        "per_day": road.per_day,
        "until": last_day(road.until),
    })
}

fn opening(opening: &Opening) -> Value {
    json!({
        "target": opening.target,
        "people": opening.people(),
        "proposer": opening.proposer,
        "approve": opening.approve,
        "waive": opening.waive,
        "waived": opening.waived,
    })
}

fn gap(gap: &Gap) -> Value {
    let (way, rules, missing) = match &gap.way {
        Way::Open => ("open", json!([]), json!([])),
        Way::ByWaiver(rules) => ("by_waiver", json!(rules), json!([])),
        Way::Locked(missing) => {
            let missing: Vec<Value> = missing.iter().map(|m| json!({"rule": m.rule, "what": m.what})).collect();
            ("locked", json!([]), json!(missing))
        }
    };
    json!({
        "target": gap.target,
        "proposer": gap.proposer,
        "kinds": gap.kinds,
        "only_assisted": gap.only_assisted,
        "way": way,
        "waive": rules,
        "missing": missing,
    })
}
