//! Says whom the rules and the catalog lock out, and whose absence closes what.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    calendar::{MAX_WEEKS, weeks_after},
    catalog::{System, did_you_mean},
    coverage::{
        Coverage, Gap, Missing, Opening, Road, Way,
        absent::{Absences, Among, Closing, Gate, Stands, absences},
        ahead::{Ahead, Others, Window, ahead},
        coverage,
        gone::{Gone, StandIn},
        supply::{Supply, supply},
    },
    decision::Mode,
    explain::Obligation,
    governance::Governance,
    ids::{ActorId, SystemId, Target},
    kind::Kind,
    standard::last_day,
};
use countersign_ledger::Time;
use serde_json::{Value, json};

use super::{
    Global, calendar,
    error::{CliError, Exit},
    output::{self, Format, bad, count, faint, good, list, warn},
    times,
};
use crate::{clock, wire::rfc3339};

/// How many lines are printed; JSON has them all.
const MAX_LINES: usize = 20;

/// Show who could let changes through now, and whose absence would close a gate.
///
/// A gate is closed when none of those who remain could propose a change that the others can let through, however many approve. A waiver
/// does not count; where one would still do, it says so. Sets of one and of two people are all found; beyond, how many it takes.
/// Away is who is so by a calendar or by their own word, and who has no key that holds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign coverage                                  every production target\n  \
    countersign coverage --system checkout                one system, and who could supply what each rule asks\n  \
    countersign coverage --without ada grace              what is closed while they are away\n  \
    countersign coverage --at 2026-12-24 --weeks 3        then, and the three weeks that follow\n\n\
    Exit status: 0 every target can be opened, 3 one is closed or opens by a waiver alone.")]
pub struct Args {
    /// Only this system, with who could supply each thing that the rules ask.
    #[arg(long, value_name = "SYSTEM")]
    system: Option<SystemId>,
    /// As if these people were away.
    #[arg(long, value_name = "PERSON", num_args = 1..)]
    without: Vec<ActorId>,
    /// As of then; now, if it is not said. `2026-12-24`, `2026-12-24T10:00` (here) or `2026-12-24T09:00:00Z`.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How far ahead: when a gate will be closed, or hang on one person.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_WEEKS)))]
    weeks: u32,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let now = clock::now();
    let at = args.at.as_deref().map(calendar::moment).transpose()?.unwrap_or(now);
    let log = global.log()?;
    let state = log.standing(None, now)?;
    let governance: &Governance = &state.governance;
    let system = args.system.as_ref().map(|id| known_system(governance, id)).transpose()?;
    args.without.iter().try_for_each(|person| known_person(governance, "--without", person))?;
    let presence = state.presence(at);
    let others = |at: Time| {
        let presence = state.presence(at);
        Gone::of(presence.absent(), &presence.delegations).and(args.without.iter().cloned())
    };
    let by_calendar = governance.calendars.away(at).into_iter().filter(|id| governance.person(id).is_some()).cloned();
    let mut gone = others(at).and(by_calendar);
    gone.settle();
    let absent = &gone.people;
    let until = weeks_after(at, args.weeks);
    let said = state.people().flat_map(|(_, record)| &record.away);
    let lent = state.people().flat_map(|(_, record)| &record.received);
    let lent = lent.flat_map(|one| [one.from, one.until]);
    let moments = said.flat_map(|one| [one.from, one.until]).chain(lent).collect();
    let coming = ahead(governance, args.system.as_ref(), (at, until), &Others { moments, away: others });
    let found = absences(governance, args.system.as_ref(), &gone, at);
    let whole = (system.is_none() && args.without.is_empty()).then(|| coverage(governance, at));
    let supplied: Vec<(Target, Vec<Supply>)> =
        system.iter().flat_map(|system| supplies(governance, system, &gone, at)).collect();
    match global.format {
        Format::Json => output::json(&json!({
            "at": rfc3339(at),
            "absent": absent,
            "stand_ins": gone.stand_ins.iter().map(stand_in_json).collect::<Vec<_>>(),
            "coverage": whole.as_ref().map(to_json),
            "gates": found.gates.iter().map(gate_json).collect::<Vec<_>>(),
            "unasked": found.unasked,
            "until": rfc3339(coming.cut.unwrap_or(until)),
            "windows": coming.windows.iter().map(window_json).collect::<Vec<_>>(),
            "supply": supplied.iter().map(supply_json).collect::<Vec<_>>(),
        }))?,
        Format::Text => {
            whole.iter().for_each(print);
            tell_absences(&found, &gone, &presence.disabled);
            tell_ahead(&coming, at, until);
            supplied.iter().for_each(tell_supply);
        }
    }
    Ok(match found.gates.iter().all(|gate| gate.stands == Stands::Open) {
        true => Exit::Done,
        false => Exit::Refused,
    })
}

pub(super) fn known_system<'a>(governance: &'a Governance, id: &SystemId) -> Result<&'a System, CliError> {
    let systems = &governance.catalog.systems;
    systems.get(id).ok_or_else(|| {
        let error = CliError::usage(format!("--system: the catalog knows no system `{id}`"));
        meant(error, did_you_mean(id.as_str(), systems.keys().map(SystemId::as_str)))
    })
}

pub(super) fn known_person(governance: &Governance, flag: &str, id: &ActorId) -> Result<(), CliError> {
    if governance.person(id).is_some() {
        return Ok(());
    }
    let people = governance.catalog.people();
    let error = CliError::usage(format!("{flag}: the catalog knows no person `{id}`"));
    Err(meant(error, did_you_mean(id.as_str(), people.iter().map(ActorId::as_str))))
}

fn meant(error: CliError, name: Option<&str>) -> CliError {
    match name {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None => error,
    }
}

fn supplies(governance: &Governance, system: &System, gone: &Gone, at: Time) -> Vec<(Target, Vec<Supply>)> {
    let environments = &governance.catalog.settings.production;
    let of = |environment| Target { system: system.id.clone(), environment };
    let each = environments
        .iter()
        .map(|environment| (of(environment.clone()), supply(governance, system, environment, gone, at)));
    each.collect()
}

fn tell_absences(found: &Absences, gone: &Gone, disabled: &BTreeSet<ActorId>) {
    let absent = &gone.people;
    output::heading("Absences: without whom would a gate be closed?");
    let named = absent.iter().map(|person| match disabled.contains(person) {
        true => format!("{person} (no key that holds)"),
        false => person.to_string(),
    });
    if !absent.is_empty() {
        anstream::println!("  away: {}", list(named));
    }
    for StandIn { of, role, targets, to } in &gone.stand_ins {
        let where_ = if targets.is_empty() { String::new() } else { format!(" on {}", list(targets)) };
        anstream::println!("  {to} stands in as {} for {of}{where_}", role.words());
    }
    // What is closed first, then what hangs on the fewest; targets of which the same is so are one line.
    let mut grouped: BTreeMap<(usize, String), Vec<&Target>> = BTreeMap::new();
    for gate in &found.gates {
        let (order, words) = gate_words(gate);
        grouped.entry((order, words)).or_default().push(&gate.target);
    }
    let lines: Vec<String> = grouped
        .into_iter()
        .map(|((order, words), targets)| {
            let some = targets.iter().take(MAX_TARGETS).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let more = targets.len().saturating_sub(MAX_TARGETS);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let line = format!("{some}{more}: {words}");
            match order {
                CLOSED => bad(line),
                ONE => warn(line),
                _ => line,
            }
        })
        .collect();
    lines.iter().take(MAX_LINES).for_each(|line| anstream::println!("  {line}"));
    if lines.len() > MAX_LINES {
        anstream::println!("  and {} more: see --format json", lines.len() - MAX_LINES);
    }
    if found.unasked > 0 {
        anstream::println!("  {}", warn(format!("{} not looked at: too many", count(found.unasked, "target"))));
    }
}

/// What is so all the time was told before.
fn tell_ahead(ahead: &Ahead, at: Time, until: Time) {
    let until = ahead.cut.unwrap_or(until);
    let mut grouped: BTreeMap<(Time, Time, String), BTreeSet<String>> = BTreeMap::new();
    for Window { span, gate, away } in
        ahead.windows.iter().filter(|window| (window.span.from, window.span.until) != (at, until))
    {
        let words = match gate.stands {
            // How many more would close it is told of now.
            Stands::Open => {
                let alone = gate.closings.iter().filter(|closing| closing.people() == 1).map(closing_words);
                warn(format!("closed while {}", alone.collect::<Vec<_>>().join("; or ")))
            }
            Stands::ByWaiver | Stands::Closed(_) => bad(gate_words(gate).1),
        };
        let away =
            if away.is_empty() { String::new() } else { format!(" {}", faint(format!("(away: {})", some(away)))) };
        let line = format!("{words}{away}");
        grouped.entry((span.from, span.until, line)).or_default().insert(gate.target.to_string());
    }
    if !grouped.is_empty() {
        output::heading(format!(
            "Ahead, until {}: when a gate is closed or hangs on one person",
            times::local(&rfc3339(until))
        ));
    }
    for ((from, until, words), targets) in grouped.iter().take(MAX_LINES) {
        let [from, until] = [from, until].map(|at| times::local(&rfc3339(*at)));
        anstream::println!("  {from} to {until}  {}: {words}", list(targets.iter().take(MAX_TARGETS)));
    }
    if grouped.len() > MAX_LINES {
        anstream::println!("  and {} more: see --format json", grouped.len() - MAX_LINES);
    }
    if ahead.cut.is_some() {
        anstream::println!("  {}", warn("looked no further: too many come and go"));
    }
}

fn stand_in_json(one: &StandIn) -> Value {
    let StandIn { of, role, targets, to } = one;
    json!({"of": of, "role": role, "targets": targets, "to": to})
}

fn window_json(window: &Window) -> Value {
    let Window { span, gate, away } = window;
    json!({"from": rfc3339(span.from), "until": rfc3339(span.until), "away": away, "gate": gate_json(gate)})
}

/// In which order lines are told.
const CLOSED: usize = 0;
const ONE: usize = 1;
/// How many targets of one line, and sets of a target, are named.
const MAX_TARGETS: usize = 6;
const MAX_SETS: usize = 6;

fn gate_words(gate: &Gate) -> (usize, String) {
    let of = if gate.kinds.len() == Kind::ALL.len() { String::new() } else { format!("{}: ", kinds(&gate.kinds)) };
    match &gate.stands {
        Stands::Closed(_) => {
            let missing = |missing: &Missing| format!("{} ({})", missing.what, missing.rule);
            (
                CLOSED,
                format!("{of}closed; missing: {}", gate.missing().iter().map(missing).collect::<Vec<_>>().join("; ")),
            )
        }
        Stands::ByWaiver => (CLOSED, format!("{of}opens only by a waiver")),
        Stands::Open => {
            let (least, most) = gate.away;
            let mut sets: Vec<&Closing> = gate.closings.iter().collect();
            sets.sort_by_key(|closing| closing.people());
            let told: Vec<String> = sets.iter().take(MAX_SETS).map(|closing| closing_words(closing)).collect();
            let more = sets.len().saturating_sub(told.len());
            let more = if more == 0 { String::new() } else { format!("; and {more} more sets") };
            let words = match (told.is_empty(), least == most) {
                (false, _) => format!("closed while {}{more}", told.join("; or ")),
                (true, true) => format!("open while fewer than {least} people are away who could help"),
                (true, false) => {
                    format!("open while fewer than {least} people are away; closed by {most}, and perhaps by fewer")
                }
            };
            (least, format!("{of}{words}"))
        }
    }
}

/// `ada and any one of grace and linus are away`.
fn closing_words(closing: &Closing) -> String {
    let among = |among: &Among| {
        let all = among.people.len() == among.count;
        let number =
            ["none", "one", "two"].get(among.count).map_or_else(|| among.count.to_string(), ToString::to_string);
        match all {
            true => list(&among.people),
            false => format!("any {number} of {}", some(&among.people)),
        }
    };
    let verb = if closing.people() == 1 { "is" } else { "are" };
    let waiver = if closing.by_waiver { " (a waiver would open it)" } else { "" };
    // Whoever is named alone first: `grace and any one of ada and linus`, and not the other way round.
    let (alone, of): (Vec<&Among>, Vec<&Among>) = closing.of.iter().partition(|one| one.people.len() == one.count);
    let told: Vec<String> = alone.into_iter().chain(of).map(among).collect();
    format!("{} {verb} away{waiver}", told.join(" and "))
}

fn some(people: &BTreeSet<ActorId>) -> String {
    let named: Vec<&str> = people.iter().take(MAX_TARGETS).map(ActorId::as_str).collect();
    match people.len().saturating_sub(named.len()) {
        0 => list(named),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn tell_supply((target, supplied): &(Target, Vec<Supply>)) {
    output::heading(format!("{target}: who could supply what each rule asks"));
    for one in supplied {
        let watch = match one.mode {
            Mode::Watch => faint(" (in watch)"),
            Mode::Enforce => String::new(),
        };
        anstream::println!("  {}{watch}", one.rule);
        for asks in &one.asks {
            let way = |way: &Obligation| match (way.who.is_empty(), way.more) {
                (true, _) => format!("{}: {}", way.missing, bad("nobody")),
                (false, 0) => format!("{}: {}", way.missing, list(way.named())),
                (false, more) => format!("{}: {} and {more} more", way.missing, output::joined(way.named())),
            };
            anstream::println!("    {}", asks.ways().map(way).collect::<Vec<_>>().join(", or "));
        }
    }
}

fn gate_json(gate: &Gate) -> Value {
    let missing: Vec<Value> =
        gate.missing().iter().map(|missing| json!({"rule": missing.rule, "what": missing.what})).collect();
    let stands = match gate.stands {
        Stands::Open => "open",
        Stands::ByWaiver => "by_waiver",
        Stands::Closed(_) => "closed",
    };
    let among = |among: &[Among]| -> Vec<Value> {
        among.iter().map(|among| json!({"count": among.count, "of": among.people})).collect()
    };
    let closing = |closing: &Closing| json!({"people": closing.people(), "away": among(&closing.of), "by_waiver": closing.by_waiver});
    json!({
        "target": gate.target,
        "tier": u8::from(gate.tier),
        "kinds": gate.kinds,
        "stands": stands,
        "missing": missing,
        "closed_while": gate.closings.iter().map(closing).collect::<Vec<_>>(),
        "at_least": gate.away.0,
        "at_most": gate.away.1,
    })
}

fn supply_json((target, supplied): &(Target, Vec<Supply>)) -> Value {
    let way = |way: &Obligation| json!({"missing": way.missing, "who": way.who, "more": way.more});
    let asks = |asks: &Obligation| asks.ways().map(way).collect::<Vec<_>>();
    let rules = supplied.iter().map(|one| {
        json!({
            "rule": one.rule,
            "mode": one.mode,
            "strength": one.strength,
            "any_of": one.asks.iter().map(asks).collect::<Vec<_>>(),
        })
    });
    json!({"target": target, "rules": rules.collect::<Vec<_>>()})
}

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
