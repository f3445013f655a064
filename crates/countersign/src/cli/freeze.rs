//! `freeze`, `lift`, `freezes`: a stop over a scope, for a day at the most; its end; what it let through.

use std::{collections::BTreeSet, path::PathBuf};

use countersign_core::{
    calendar::{CalendarFile, Pass, Scope, Use},
    freeze::{FREEZE_SECS, FreezeRecord, name_of, passed},
    governance::{Governance, SERVER},
    ids::{ActorId, SystemId, Target},
    kind::Kind,
    state::State,
    statement::{Body, Freeze, FreezeLift},
};
use countersign_ledger::{Digest, Time};
use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, bad, good, heading, printable, warn},
    propose::KindArg,
    several::Several,
    stop,
    submit::{self, Session},
    times,
};
use crate::{client::ChangePrefix, clock, home::files::word, known::KnownLog, wire::rfc3339};

/// How many changes are looked through for what is under way, and for what passed.
const LOOKED_AT: usize = 500;

/// Freeze part of production, at once, for a day at the most.
///
/// Nothing goes there but a rollback, breaking the glass, and what `--may-pass` names. Whoever owns the systems or is on call for
/// them signs alone, a senior anything. Every gate obeys as soon as it is told, with the server or without it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign freeze --system checkout --for 4h --why 'payments are slow, INC-4711' --may-pass incident\n  \
    countersign freeze --tier 1 --until 2026-11-28T06:00:00Z --why 'sales day'\n  \
    countersign freeze --all --for 2h --why 'INC-4711' --copy DIR      no server answers: a file for a gate")]
pub struct Args {
    /// This system in this environment (repeatable).
    #[arg(long, value_name = "SYSTEM/ENVIRONMENT")]
    target: Vec<Target>,
    /// This system, in production (repeatable).
    #[arg(long, value_name = "SYSTEM")]
    system: Vec<SystemId>,
    /// Systems of this tier (repeatable).
    #[arg(long, value_name = "TIER", value_parser = clap::value_parser!(u8).range(1..=4))]
    tier: Vec<u8>,
    /// All of production.
    #[arg(long, conflicts_with_all = ["target", "system", "tier"], required_unless_present_any = ["target", "system", "tier"])]
    all: bool,
    /// Only changes of this kind (repeatable).
    #[arg(long, value_enum)]
    kind: Vec<KindArg>,
    /// Only what touches one of these paths: patterns, as rules write them.
    #[arg(long, value_name = "GLOB")]
    path: Option<String>,
    /// Until when: 2026-11-28T06:00:00Z, or without the Z in the time of this machine.
    #[arg(long, value_name = "TIME", required_unless_present = "lasts", conflicts_with = "lasts")]
    until: Option<String>,
    /// For how long, such as 4h or 30m.
    #[arg(long = "for", id = "lasts", value_name = "TIME", value_parser = seconds)]
    lasts: Option<i64>,
    /// What may go in spite of it, comma-separated: incident, security, or a kind of change. A rollback always may.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    may_pass: Vec<String>,
    /// Why.
    #[arg(long)]
    why: String,
    /// Sign by this verified copy of the log, without any server, and write a file for a gate.
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
}

/// End a freeze before its time.
///
/// Whoever froze does so alone. Else two people do: the first writes a file, which the second signs and sends.
#[derive(Debug, clap::Args)]
pub struct LiftArgs {
    /// The freeze, as `countersign freezes` names it.
    #[arg(required_unless_present = "cosign", conflicts_with = "cosign")]
    freeze: Option<String>,
    /// Sign what another has signed, and send it.
    #[arg(long, value_name = "FILE")]
    cosign: Option<PathBuf>,
}

/// List the freezes that people signed, and those of calendars; of one, what it let through and why.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// One of them, or the name of a calendar.
    freeze: Option<String>,
}

fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "a time such as 4h or 30m, of 24h at the most".to_owned();
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<i64>().ok());
    let unit = match text.chars().last() {
        Some('h') => 3_600,
        Some('m') => 60,
        _ => return Err(wrong()),
    };
    number.and_then(|number| number.checked_mul(unit)).filter(|secs| (1..=FREEZE_SECS).contains(secs)).ok_or_else(wrong)
}

impl Args {
    fn scope(&self) -> Result<Scope, CliError> {
        let environments: BTreeSet<_> = self.target.iter().map(|target| target.environment.clone()).collect();
        // One freeze has every system in every environment that it names.
        if environments.len() > 1 || !self.target.is_empty() && !self.system.is_empty() {
            return Err(CliError::usage("one freeze is of systems in one environment")
                .hint("sign one for each environment, and --system where it is production"));
        }
        let tier = |tier: &u8| (*tier).try_into().map_err(|_| CliError::usage("a tier is 1 to 4"));
        Ok(Scope {
            environments,
            kinds: self.kind.iter().map(|kind| Kind::from(*kind)).collect(),
            paths: self.path.clone(),
            systems: self
                .target
                .iter()
                .map(|target| target.system.clone())
                .chain(self.system.iter().cloned())
                .collect(),
            tiers: self.tier.iter().map(tier).collect::<Result<_, CliError>>()?,
        })
    }

    fn body(&self, reason: Digest) -> Result<Freeze, CliError> {
        let until = match (self.lasts, &self.until) {
            (Some(secs), _) => clock::now().plus_secs(secs),
            (None, Some(until)) => super::calendar::moment(until)?,
            (None, None) => return Err(CliError::usage("until when? --until TIME or --for 4h")),
        };
        let others = self.may_pass.iter().filter(|what| *what != "rollback");
        let may_pass = others.map(|what| what.parse::<Pass>().map_err(|error| CliError::usage(error.to_string())));
        Ok(Freeze { may_pass: may_pass.collect::<Result<_, _>>()?, reason, scope: self.scope()?, until })
    }
}

fn passes(may_pass: &BTreeSet<Pass>) -> String {
    let named = may_pass.iter().map(ToString::to_string);
    ["rollback".to_owned(), "break-glass".to_owned()].into_iter().chain(named).collect::<Vec<_>>().join(", ")
}

fn local(at: Time) -> String {
    times::local(&rfc3339(at))
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let (reason, blob) = submit::reason(&args.why)?;
    let said = args.body(reason)?;
    let (words, until) = (said.scope.words(), local(said.until));
    let what = format!("freeze until {until}: {words}; what may pass: {}; {}", passes(&said.may_pass), args.why);
    if let Some(copy) = &args.copy {
        return stop::freeze(global, copy, said, blob, &what);
    }
    let by_a_copy = |error| stop::or_by_a_copy(error, "countersign freeze … --copy DIR");
    let session = global.session().map_err(by_a_copy)?;
    let state = session.log.standing(None, clock::now())?;
    let mut lines = vec![what, reach(&state.governance, &said.scope)];
    lines.extend(under_way(&session.log, &state, &said)?);
    submit::announce(&session.speaker, &lines);
    let receipt = session.say(Body::Freeze(said.clone()), &[blob]).map_err(by_a_copy)?;
    let name = name_of(&receipt.statement);
    match global.format {
        Format::Json => output::json(&json!({
            "freeze": name, "leaf": receipt.index, "until": rfc3339(said.until), "about": words, "may_pass": said.may_pass,
        }))?,
        Format::Text => {
            anstream::println!("{}: freeze {name} holds until {until} (leaf {})", good("frozen"), receipt.index);
            heading("Next");
            anstream::println!("  end it before: countersign lift {name}");
            anstream::println!("  what passed:   countersign freezes {name}");
        }
    }
    Ok(Exit::Done)
}

/// How many systems it is about.
fn reach(governance: &Governance, scope: &Scope) -> String {
    let systems = governance.catalog.systems.values();
    let meant = |tier, id| {
        (scope.systems.is_empty() || scope.systems.contains(id))
            && (scope.tiers.is_empty() || scope.tiers.contains(&tier))
    };
    let names: Vec<&str> = systems.filter(|one| meant(one.tier, &one.id)).map(|one| one.id.as_str()).collect();
    let some: Vec<&str> = names.iter().take(8).copied().collect();
    let more = names.len().saturating_sub(some.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("it reaches {}: {}{more}", output::count(names.len(), "system"), some.join(", "))
}

/// Changes to what it freezes that have a permit, or are being applied.
fn under_way(log: &KnownLog, state: &State, said: &Freeze) -> Result<Vec<String>, CliError> {
    let mut lines = Vec::new();
    for (word, means) in [
        ("permitted", "has a permit, which is good no more unless it may pass"),
        ("applying", "is being applied, and goes on"),
    ] {
        let listed = log.list(&[("state", word.to_owned())], None, LOOKED_AT)?;
        let catalog = &state.governance.catalog;
        let about = |target: &Target, kind: Kind| {
            let tier = catalog.target(target).map(|system| system.tier).ok();
            tier.is_some_and(|tier| said.scope.is_about(target, catalog.is_production(target), tier, kind, || true))
        };
        let meant = listed.changes.iter().filter(|line| line.targets.iter().any(|target| about(target, line.kind)));
        lines.extend(meant.map(|line| format!("under way: {} {means}: {}", line.id.short(), printable(&line.title))));
    }
    Ok(lines)
}

/// The freeze that begins so.
fn find<'a>(governance: &'a Governance, name: &str) -> Result<(&'a Digest, &'a FreezeRecord), CliError> {
    let wanted = |digest: &&Digest| name.len() >= 6 && digest.hex().starts_with(name);
    let mut found = governance.record.freezes.iter().filter(|(digest, _)| wanted(digest));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => {
            Err(CliError::usage(format!("several freezes begin with {name}")).hint("type more of it"))
        }
        (None, _) => Err(CliError::new("unknown-freeze", format!("there is no freeze {name}"))
            .hint("list them: countersign freezes; one of a calendar: countersign calendar")),
    }
}

/// A freeze by its whole digest.
pub fn whole(name: &str) -> Option<Digest> {
    let text = if name.starts_with("sha256:") { name.to_owned() } else { format!("sha256:{name}") };
    text.parse().ok()
}

/// Whether none of these is a freeze of a calendar, which whoever breaks the glass passes unnamed.
pub fn of_no_calendar(governance: &Governance, names: &[String]) -> Result<(), CliError> {
    let of_one = |name: &&String| {
        governance.calendars.get(name).is_some_and(|calendar| calendar.file.used == Use::Freeze)
            && find(governance, name).is_err()
    };
    match names.iter().find(of_one) {
        None => Ok(()),
        Some(name) => Err(CliError::usage(format!("{name} is a freeze of a calendar, over which broken glass goes"))
            .hint("a calendar's freeze needs no naming: leave --over-freeze away")),
    }
}

/// The statements that whoever breaks the glass goes over: freezes that hold, or by its whole digest one that only a gate was handed.
pub fn gone_over(governance: &Governance, names: &[String]) -> Result<BTreeSet<Digest>, CliError> {
    let one = |name: &String| match find(governance, name) {
        Ok((digest, record)) if record.holds(clock::now()) => Ok(*digest),
        Ok((_, record)) => Err(CliError::usage(format!("freeze {name} ended {}", local(record.end())))
            .hint("what is over stops nothing: leave --over-freeze away")),
        Err(error) => whole(name).ok_or(error),
    };
    of_no_calendar(governance, names)?;
    names.iter().map(one).collect()
}

const EXPECTED: &str = "it is the file that `countersign lift` wrote";

pub fn lift(global: &Global, args: &LiftArgs) -> Result<Exit, CliError> {
    let session = global.session()?;
    if let Some(file) = &args.cosign {
        let mut draft = Several::read(file, EXPECTED)?;
        let Body::FreezeLift(said) = draft.body.clone() else { return Err(draft.is_another(file, EXPECTED)) };
        submit::not_twice(&draft.envelope, &session.speaker.hand)?;
        submit::announce(&session.speaker, &[lifts(&session, &said.freeze)?]);
        draft.sign(&session.speaker.hand)?;
        let receipt = draft.send(&session, Some(file))?;
        return lifted(global, &said.freeze, receipt.index);
    }
    let state = session.log.standing(None, clock::now())?;
    let (freeze, record) = find(&state.governance, args.freeze.as_deref().unwrap_or_default())?;
    submit::announce(&session.speaker, &[lifts(&session, freeze)?]);
    let body = Body::FreezeLift(FreezeLift { freeze: *freeze });
    if record.by == session.speaker.me {
        let receipt = session.say(body, &[])?;
        return lifted(global, freeze, receipt.index);
    }
    let envelope = session.speaker.sign(&session.log.in_front_of(), body)?;
    let file = Several::new(envelope, Vec::new())?.write(None, "lift")?;
    match global.format {
        Format::Json => output::json(&json!({"file": file, "signed_by": [session.speaker.me]}))?,
        Format::Text => {
            anstream::println!(
                "{} signed; {} froze it, and it holds until another signs, too",
                good(&session.speaker.me),
                record.by
            );
            heading("Next");
            anstream::println!("  a second person, within a day: countersign lift --cosign {} --key KEY", word(&file));
        }
    }
    Ok(Exit::Done)
}

fn lifts(session: &Session, freeze: &Digest) -> Result<String, CliError> {
    let state = session.log.standing(None, clock::now())?;
    let (_, record) = find(&state.governance, &freeze.hex())?;
    let name = name_of(freeze);
    Ok(format!(
        "end now of freeze {name} by {}, which holds until {}: {}",
        record.by,
        local(record.until),
        record.scope.words()
    ))
}

fn lifted(global: &Global, freeze: &Digest, leaf: u64) -> Result<Exit, CliError> {
    let name = name_of(freeze);
    match global.format {
        Format::Json => output::json(&json!({"freeze": name, "leaf": leaf}))?,
        Format::Text => anstream::println!("{}: freeze {name} holds no more (leaf {leaf})", good("lifted")),
    }
    Ok(Exit::Done)
}

/// The freezes that hold, in a line each, for banners.
pub fn banner(governance: &Governance, now: Time) -> Vec<String> {
    let holding = governance.record.freezes.iter().filter(|(_, record)| record.holds(now));
    let line = |(statement, record): (&Digest, &FreezeRecord)| {
        let (name, until) = (name_of(statement), local(record.end()));
        format!("freeze {name} by {} holds until {until}: {}", record.by, record.scope.words())
    };
    holding.map(line).collect()
}

pub fn list(global: &Global, args: &ListArgs) -> Result<Exit, CliError> {
    let log = global.log()?;
    let now = clock::now();
    let state = log.standing(None, now)?;
    let governance = &*state.governance;
    let mut of_calendars = lately(governance, now);
    let shown: Vec<(&Digest, &FreezeRecord)> = match &args.freeze {
        Some(name) if of_calendars.iter().any(|(calendar, _)| calendar == name) => {
            of_calendars.retain(|(calendar, _)| calendar == name);
            Vec::new()
        }
        Some(name) => {
            of_calendars.clear();
            vec![find(governance, name)?]
        }
        None => governance.record.freezes.iter().collect(),
    };
    let passing = match &args.freeze {
        None => None,
        Some(_) => {
            let mut passing = Vec::new();
            for record in shown.iter().map(|(_, record)| *record).chain(of_calendars.iter().map(|(_, record)| record)) {
                passing.extend(what_passed(&log, governance, record)?);
            }
            Some(passing)
        }
    };
    let why = |record: &FreezeRecord| {
        let blob = log.client.blob(&record.reason).ok()?;
        Some(countersign_core::text::Reason::parse(&blob).ok()?.why)
    };
    match global.format {
        Format::Json => {
            let one = |(statement, record): &(&Digest, &FreezeRecord)| {
                json!({
                    "freeze": name_of(statement), "by": record.by, "from": rfc3339(record.at), "until": rfc3339(record.end()),
                    "holds": record.holds(now), "about": record.scope.words(), "may_pass": record.may_pass, "why": why(record),
                })
            };
            let of_calendar = |(calendar, record): &(String, FreezeRecord)| {
                json!({
                    "calendar": calendar, "from": rfc3339(record.at), "until": rfc3339(record.until),
                    "holds": record.holds(now), "about": record.scope.words(), "may_pass": record.may_pass,
                })
            };
            output::json(&json!({
                "freezes": shown.iter().map(one).collect::<Vec<_>>(),
                "calendars": of_calendars.iter().map(of_calendar).collect::<Vec<_>>(),
                "passed": passing,
            }))?;
        }
        Format::Text => {
            if shown.is_empty() && of_calendars.is_empty() {
                anstream::println!(
                    "nobody has frozen anything, and no calendar has lately; what comes: countersign calendar"
                );
            }
            for (statement, record) in shown {
                let (name, until) = (name_of(statement), local(record.end()));
                let holds = match record.holds(now) {
                    true => bad(format!("freeze {name} holds until {until}")).to_string(),
                    false => format!("freeze {name} ended {until}"),
                };
                anstream::println!("{holds}: {}; by {}", record.scope.words(), record.by);
                anstream::println!("  what may pass: {}", passes(&record.may_pass));
                if let Some(why) = why(record) {
                    anstream::println!("  {}", printable(&why));
                }
            }
            for (calendar, record) in &of_calendars {
                let (from, until) = (local(record.at), local(record.until));
                let holds = match record.holds(now) {
                    true => bad(format!("freeze {calendar} holds until {until}")).to_string(),
                    false => format!("freeze {calendar} ended {until}"),
                };
                anstream::println!("{holds}: {}; by a calendar, from {from}", record.scope.words());
                anstream::println!("  what may pass: {}", passes(&record.may_pass));
            }
            for line in passing.iter().flatten() {
                anstream::println!("  {} {} at {}: {}", warn("passed"), line.change, line.at, line.why);
            }
        }
    }
    Ok(Exit::Done)
}

/// How long freezes of calendars that are over are listed, as those that people sign are.
const LATELY_SECS: i64 = 30 * 24 * 60 * 60;

/// Freezes of calendars that hold or ended lately, as if somebody had signed each, by the calendars in force now.
fn lately(governance: &Governance, now: Time) -> Vec<(String, FreezeRecord)> {
    let mut found = Vec::new();
    // Nobody signed these.
    let Ok(nobody) = SERVER.parse::<ActorId>() else { return found };
    for calendar in governance.calendars.used_for(Use::Freeze) {
        let CalendarFile { may_pass, scope, .. } = &calendar.file;
        for (span, _) in calendar.between(now.plus_secs(-LATELY_SECS), now.plus_secs(1)) {
            let record = FreezeRecord {
                by: nobody.clone(),
                at: span.from,
                lifted_at: None,
                may_pass: may_pass.clone(),
                reason: calendar.digest,
                scope: scope.clone(),
                until: span.until,
            };
            found.push((calendar.name.clone(), record));
        }
    }
    found
}

#[derive(serde::Serialize)]
struct Passed {
    change: String,
    at: String,
    why: String,
}

/// The permits that were issued while it held for what it is about. Which changes there are is the server's word; what is said of
/// them is not.
fn what_passed(log: &KnownLog, governance: &Governance, freeze: &FreezeRecord) -> Result<Vec<Passed>, CliError> {
    let mut found = Vec::new();
    for line in log.list(&[], None, LOOKED_AT)?.changes {
        let systems = &freeze.scope.systems;
        if !systems.is_empty() && line.targets.iter().all(|target| !systems.contains(&target.system)) {
            continue;
        }
        if !["permitted", "applying", "applied", "failed"].contains(&line.state.as_str()) {
            continue;
        }
        let asked: ChangePrefix = line.id.as_str().parse().map_err(|_| CliError::new("failed", "an id is no id"))?;
        let reading = log.read(&asked, clock::now())?;
        for permit in &reading.change().permits {
            if let Some(why) = passed(governance, freeze, reading.change(), permit) {
                found.push(Passed { change: line.id.short().to_string(), at: rfc3339(permit.issued_at), why });
            }
        }
    }
    Ok(found)
}
