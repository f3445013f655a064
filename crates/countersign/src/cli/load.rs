//! Says who has how much to approve, how long what waits, and what that would be with somebody more or less.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use countersign_core::{
    ids::{ActorId, SystemId},
    load::{
        AHEAD_WEEKS, Forecast, History, MAX_WEEKS, MIN_APPROVALS, MIN_PEOPLE, MIN_WEEKS, Row, Scenario, Spread, Waits,
        forecast, speed, waits,
    },
};
use serde_json::{Map, Value, json};

use super::{
    Global,
    coverage::{known_person, known_system},
    error::{CliError, Exit},
    output::{self, Format, count, faint, list, warn},
    times,
};
use crate::{audit::loaded::Loaded, clock, wire::rfc3339};

/// How many lines of a sort are printed; JSON has them all.
const MAX_LINES: usize = 20;
/// How many weeks are printed one by one.
const WEEKS_SHOWN: usize = 12;

/// Show who has how much to approve, how long what waits, and what somebody more or less would change.
///
/// The log is followed first, and so checked. A forecast has the weeks that were come again, in an order that the seed gives. How
/// long one person takes is not told, unless the home says so in its files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign load                               the last 12 weeks, and a forecast\n  \
    countersign load --system checkout --weeks 26  of one system, further back\n  \
    countersign load --without bob                 what it would be like while bob is away\n  \
    countersign load --with grace --seed 7         as if grace could approve, too")]
pub struct Args {
    /// So many weeks back.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_WEEKS)))]
    weeks: u32,
    /// Only changes of this system.
    #[arg(long, value_name = "SYSTEM")]
    system: Option<SystemId>,
    /// As if these could approve whatever is asked.
    #[arg(long, value_name = "PERSON", num_args = 1..)]
    with: Vec<ActorId>,
    /// As if these were not there.
    #[arg(long, value_name = "PERSON", num_args = 1..)]
    without: Vec<ActorId>,
    /// Draw the same forecast again; without it one that follows from the log.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let now = clock::now();
    let log = global.log()?;
    let standing = log.standing(None, now)?;
    args.system.as_ref().map(|id| known_system(&standing.governance, id)).transpose()?;
    args.with.iter().try_for_each(|person| known_person(&standing.governance, "--with", person))?;
    args.without.iter().try_for_each(|person| known_person(&standing.governance, "--without", person))?;
    let scenario =
        Scenario { with: args.with.iter().cloned().collect(), without: args.without.iter().cloned().collect() };
    if let Some(both) = scenario.with.intersection(&scenario.without).next() {
        return Err(CliError::usage(format!("{both} cannot be there and away: --with and --without both name them")));
    }
    let seed = args.seed.unwrap_or_else(|| seed_of(log.checkpoint().root.as_bytes()));
    let blob = |digest: &_| log.client.blob(digest).ok();
    let loaded = Loaded::read(log.client.url(), log.trust(), args.system.as_ref(), (args.weeks, now), &blob)?;
    let drawn =
        |scenario: &Scenario| forecast(&loaded.history, scenario, seed, |person, at| loaded.away_until(person, at));
    let told = Told {
        history: &loaded.history,
        waits: waits(&loaded.history),
        speed: speed(&loaded.governance, &loaded.history),
        as_is: drawn(&Scenario::default()),
        then: (scenario != Scenario::default()).then(|| drawn(&scenario)).flatten(),
        scenario,
    };
    match global.format {
        Format::Json => output::json(&told.json())?,
        Format::Text => told.print(),
    }
    Ok(Exit::Done)
}

/// The same log has the same seed.
fn seed_of(root: &[u8; 32]) -> u64 {
    u64::from(u32::from_be_bytes([root[0], root[1], root[2], root[3]]))
}

struct Told<'a> {
    history: &'a History,
    waits: Waits,
    /// Where the home has it told.
    speed: Option<BTreeMap<ActorId, Spread>>,
    as_is: Option<Forecast>,
    scenario: Scenario,
    then: Option<Forecast>,
}

impl Told<'_> {
    fn print(&self) {
        let history = self.history;
        let people: BTreeSet<&ActorId> = history.given.iter().map(|given| &given.by).collect();
        anstream::println!(
            "since {}: {} by {}",
            times::local(&rfc3339(history.from)),
            count(history.given.len(), "approval"),
            people_count(people.len()),
        );
        if history.given.is_empty() {
            anstream::println!("{}", faint("nothing was approved in that time"));
        }
        self.print_people();
        self.print_waits();
        match &self.as_is {
            None => {
                let enough = format!("{MIN_APPROVALS} approvals that let something through, over {MIN_WEEKS} weeks");
                anstream::println!("\n{}", warn(format!("too little to forecast from: it takes {enough}")));
            }
            Some(as_is) => {
                output::heading(format!(
                    "Ahead: {AHEAD_WEEKS} weeks as the last {} were, drawn {} times, seed {}",
                    history.weeks, as_is.runs, as_is.seed
                ));
                print_forecast("as it is", as_is);
                self.then.iter().for_each(|then| print_forecast(&self.words(), then));
            }
        }
    }

    fn print_people(&self) {
        let by_week = self.history.by_week();
        if by_week.is_empty() {
            return;
        }
        output::heading("Approvals, week by week, the last on the right");
        let mut rows: Vec<(&ActorId, Vec<u64>)> = by_week.into_iter().collect();
        let total = |counts: &[u64]| counts.iter().sum::<u64>();
        rows.sort_by_key(|(person, counts)| (std::cmp::Reverse(total(counts)), *person));
        let all: u64 = rows.iter().map(|(_, counts)| total(counts)).sum();
        for (person, counts) in rows.iter().take(MAX_LINES) {
            let shown = counts.len().saturating_sub(WEEKS_SHOWN);
            let weeks: Vec<String> = counts.iter().skip(shown).map(u64::to_string).collect();
            let (given, of) = (total(counts), total(counts).saturating_mul(100) / all.max(1));
            let waited = self.speed.as_ref().and_then(|speed| speed.get(*person));
            let waited = waited.map(|spread| format!("  {}", words(spread))).unwrap_or_default();
            anstream::println!("  {:<16} {given:>4}  {of:>3} %  {}{waited}", person.as_str(), weeks.join(" "));
        }
        more(rows.len());
    }

    fn print_waits(&self) {
        let Waits { systems, groups, rules } = &self.waits;
        if systems.is_empty() {
            return;
        }
        output::heading(
            "How long what was let through waited for each approval (in working hours where a calendar has them)",
        );
        print_rows("system", systems);
        print_rows("owners", groups);
        print_rows("rule", rules);
        let open: Vec<String> =
            self.history.open.iter().map(|(system, number)| format!("{number} of {system}")).collect();
        if !open.is_empty() {
            anstream::println!("  open now: {}", list(open.iter().take(MAX_LINES)));
        }
    }

    /// `with grace, without bob`.
    fn words(&self) -> String {
        let of =
            |word: &str, people: &BTreeSet<ActorId>| (!people.is_empty()).then(|| format!("{word} {}", list(people)));
        let Scenario { with, without } = &self.scenario;
        of("with", with).into_iter().chain(of("without", without)).collect::<Vec<_>>().join(", ")
    }

    fn json(&self) -> Value {
        let history = self.history;
        let people: Vec<Value> = history
            .by_week()
            .into_iter()
            .map(|(person, counts)| json!({"person": person, "approvals": counts.iter().sum::<u64>(), "by_week": counts}))
            .collect();
        let systems: BTreeSet<&SystemId> = history.proposed.keys().chain(history.open.keys()).collect();
        let systems = systems.into_iter().map(|system| {
            let number = |of: &BTreeMap<SystemId, u64>| of.get(system).copied().unwrap_or_default();
            json!({"system": system, "proposed": number(&history.proposed), "open": number(&history.open)})
        });
        let mut told = json!({
            "from": rfc3339(history.from),
            "until": rfc3339(history.until),
            "weeks": history.weeks,
            "approvals": history.given.len(),
            "people": people,
            "systems": systems.collect::<Vec<_>>(),
            "waits": {
                "systems": rows_json(&self.waits.systems),
                "groups": rows_json(&self.waits.groups),
                "rules": rows_json(&self.waits.rules),
            },
            "forecast": self.as_is.as_ref().map(forecast_json),
            "scenario": {"with": self.scenario.with, "without": self.scenario.without},
            "then": self.then.as_ref().map(forecast_json),
        });
        if let (Some(speed), Some(told)) = (&self.speed, told.as_object_mut()) {
            let of = |(person, spread): (&ActorId, &Spread)| (person.to_string(), spread_json(Some(spread)));
            told.insert("people_waited_for".to_owned(), Value::Object(speed.iter().map(of).collect()));
        }
        told
    }
}

fn people_count(number: usize) -> String {
    if number == 1 { "1 person".to_owned() } else { format!("{number} people") }
}

/// `35 min`, `12 h`.
fn lasting(minutes: u64) -> String {
    match minutes {
        0..120 => format!("{minutes} min"),
        _ => format!("{} h", minutes / 60),
    }
}

fn words(spread: &Spread) -> String {
    format!("half within {}, nine of ten within {}", lasting(spread.median), lasting(spread.nine_tenths))
}

fn more(rows: usize) {
    if rows > MAX_LINES {
        anstream::println!("  and {} more: see --format json", rows - MAX_LINES);
    }
}

fn print_rows<K: Display>(what: &str, rows: &BTreeMap<K, Row>) {
    for (key, row) in rows.iter().take(MAX_LINES) {
        let waited = match &row.waited {
            Some(spread) => words(spread),
            None => faint(format!("not told: fewer than {MIN_PEOPLE} people answered")),
        };
        let by = format!("{} by {}", count(row.approvals, "approval"), people_count(row.people));
        anstream::println!("  {what:<6} {:<20} {by}: {waited}", key.to_string());
    }
    more(rows.len());
}

fn print_forecast(what: &str, told: &Forecast) {
    let per_week = |number: u64| format!("{:.1}", told.per_week(number));
    let waited = told.waited.as_ref().map_or_else(|| "none got all its approvals".to_owned(), words);
    anstream::println!("  {what}: {} changes a week; {waited}, by the clock", per_week(told.changes));
    let mut people: Vec<(&ActorId, u64)> = told.approvals.iter().map(|(person, number)| (person, *number)).collect();
    people.sort_by_key(|(person, number)| (std::cmp::Reverse(*number), *person));
    let named = people.iter().take(MAX_LINES).map(|(person, number)| format!("{person} {}", per_week(*number)));
    anstream::println!("    approvals a week: {}", list(named));
    if told.unanswered > 0 {
        let left = format!("{} a week find nobody who approved there before", per_week(told.unanswered));
        anstream::println!("    {}", warn(left));
    }
}

fn spread_json(spread: Option<&Spread>) -> Value {
    json!(spread.map(|Spread { median, nine_tenths }| json!({"median": median, "nine_tenths": nine_tenths})))
}

fn rows_json<K: Display>(rows: &BTreeMap<K, Row>) -> Value {
    let of = |row: &Row| json!({"approvals": row.approvals, "people": row.people, "minutes": spread_json(row.waited.as_ref())});
    Value::Object(rows.iter().map(|(key, row)| (key.to_string(), of(row))).collect::<Map<_, _>>())
}

fn forecast_json(told: &Forecast) -> Value {
    let tenth = |number: u64| (told.per_week(number) * 10.0).round() / 10.0;
    let people: Map<String, Value> =
        told.approvals.iter().map(|(person, number)| (person.to_string(), json!(tenth(*number)))).collect();
    json!({
        "seed": told.seed,
        "runs": told.runs,
        "weeks": told.weeks,
        "changes_per_week": tenth(told.changes),
        "minutes": spread_json(told.waited.as_ref()),
        "approvals_per_week": people,
        "unanswered_per_week": tenth(told.unanswered),
    })
}
