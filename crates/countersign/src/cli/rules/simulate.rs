//! `rules simulate`: what other rules would have said of what was decided.

use std::{path::PathBuf, sync::Arc};

use countersign_core::rules::Rules;
use countersign_ledger::Time;
use serde_json::json;

use crate::{
    audit::{
        Judged, judge_all,
        names::Names,
        progress::Progress,
        reader::{History, Selection},
        replayed::{Compare, Replayed, Rule, RuleSet, replay_all},
        scope,
        simulated::{Differs, Simulated, Simulates, simulate},
    },
    cli::{
        Global, audit,
        error::{CliError, Exit},
        output::{self, Format, count, faint, good, heading, list},
        times,
    },
    clock,
    wire::rfc3339,
};

/// Put the log's past, and a repository's, to other rules: which verdicts change, and what it would take.
///
/// Every change as it stood when it was last decided is decided again by the rules in force and by those of DIR. The log is
/// followed first, and so checked. Nothing is signed or sent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign rules simulate HOME/rules --since 30d\n  \
    countersign rules simulate rules --git .     also what landed in this repository (as audit --compare does)")]
pub struct Args {
    /// The folder of the other rules.
    dir: PathBuf,
    /// What was decided, or landed, since then: 90d, 2026-11-01 or 2026-11-26T09:00:00Z.
    #[arg(long, value_name = "TIME", default_value = "90d")]
    since: String,
    /// Also the past of this repository.
    #[arg(long, value_name = "REPO")]
    git: Option<PathBuf>,
}

/// How many changes of a sort, and people of a rule, text names; JSON has them all.
const MOST_NAMED: usize = 5;

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let rules = Arc::new(super::load(&args.dir)?);
    let moment = times::moment(&args.since)?;
    let since: jiff::Timestamp = moment.parse().map_err(|_| {
        CliError::usage(format!("--since: `{}` is no time", args.since)).hint("for example --since 90d")
    })?;
    let since = Time::from_unix_millis(since.as_millisecond());
    let log = global.log()?;
    let (simulated, governance) =
        simulate(log.client.url(), log.trust(), Arc::clone(&rules), (since, clock::now()), &|digest| {
            log.client.blob(digest).ok()
        })?;
    let past = match &args.git {
        Some(repository) => Some(past(repository, since, Arc::clone(&governance.rules), rules)?),
        None => None,
    };
    match global.format {
        Format::Json => output::json(&json!({
            "since": rfc3339(since),
            "rules": args.dir,
            "log": simulated,
            "repository": past.as_ref().map(|past| json!({ "compare": past.compare, "rules": past.rules })),
        }))?,
        Format::Text => {
            print(&simulated, since);
            past.iter().for_each(print_past);
        }
    }
    Ok(Exit::Done)
}

/// A repository's past by both sets.
struct Past {
    compare: Option<Compare>,
    /// Those of the other set.
    rules: Vec<Rule>,
}

fn past(repository: &std::path::Path, since: Time, in_force: Arc<Rules>, other: Arc<Rules>) -> Result<Past, CliError> {
    let stop = audit::stop_on_signals()?;
    let selection = Selection { branch: None, since: Some(since.unix_millis() / 1_000), until: None };
    let progress = Progress::start();
    let history = History::open(repository, &selection, &stop)?;
    let prepared = scope::prepare(&history, scope::Wanted::default())?;
    progress.changes(history.len());
    let judged: Judged = judge_all(&history, prepared, &progress)?;
    progress.rules();
    let set = |name: &str, rules| RuleSet { name: name.to_owned(), rules };
    let replayed: Replayed = replay_all(&judged, &set("in force", in_force), Some(&set("other", other)))
        .map_err(|error| CliError::new("failed", format!("the past cannot be put to rules: {error}")))?;
    progress.done();
    let names = Names::plain(&judged.people);
    Ok(Past { compare: replayed.compare(&judged), rules: replayed.other_rules(&names) })
}

fn print(simulated: &Simulated, since: Time) {
    let Simulated { decided, unread, weeks: _, allow_to_deny, deny_to_allow, rules } = simulated;
    let changes = |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX), "change");
    anstream::println!("since {} the log decided about {}", times::local(&rfc3339(since)), changes(*decided));
    if *unread > 0 {
        anstream::println!("{}", faint(format!("of {} more the snapshot is not at hand", changes(*unread))));
    }
    if allow_to_deny.is_empty() && deny_to_allow.is_empty() {
        anstream::println!("{}", good("no verdict changes"));
    }
    differs("would have been denied", allow_to_deny);
    differs("would have been allowed", deny_to_allow);
    for rule in rules {
        let Simulates { id, unmet, other_unmet, extra_approvals_per_week, falls_on, nobody_could } = rule;
        let said = match (unmet, other_unmet) {
            (None, None) => continue,
            (Some(now), Some(then)) => format!("would not be met by {}; as it is in force, by {now}", changes(*then)),
            (None, Some(then)) => format!("new; not met by {}", changes(*then)),
            (Some(now), None) => format!("gone; as it is in force, not met by {}", changes(*now)),
        };
        anstream::println!("  {id:<22} {said}");
        if *extra_approvals_per_week > 0.0 {
            anstream::println!(
                "    {extra_approvals_per_week} more approvals a week, by {}",
                shares(falls_on.iter().map(|(person, share)| (person.to_string(), *share)))
            );
        }
        if *nobody_could > 0 {
            anstream::println!("    nobody could have met it for {}", changes(*nobody_could));
        }
    }
}

fn differs(what: &str, changes: &[Differs]) {
    if changes.is_empty() {
        return;
    }
    anstream::println!("{}: {}", what, count(changes.len(), "change"));
    for Differs { change, by } in changes.iter().take(MOST_NAMED) {
        anstream::println!("  {} by {}", change.short(), list(by));
    }
    if changes.len() > MOST_NAMED {
        anstream::println!("  {}", faint(format!("and {} more: --format json", changes.len() - MOST_NAMED)));
    }
}

fn shares(all: impl Iterator<Item = (String, f64)>) -> String {
    let mut all: Vec<(String, f64)> = all.collect();
    if all.is_empty() {
        return "nobody who could".to_owned();
    }
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list(all.into_iter().take(MOST_NAMED).map(|(person, share)| format!("{} ({share})", output::printable(&person))))
}

fn print_past(past: &Past) {
    let Some(compare) = &past.compare else { return };
    heading("What landed in the repository:");
    anstream::println!(
        "  denied: {} instead of {}; {} would no longer pass, {} would",
        compare.other_denied,
        compare.denied,
        compare.allow_to_deny.changes,
        compare.deny_to_allow.changes
    );
    for rule in past.rules.iter().filter(|rule| rule.stopped > 0) {
        let falls_on = rule.falls_on.iter().map(|one| (one.person.clone(), one.approvals_per_week));
        anstream::println!(
            "  {:<22} not met by {} of {}; {} more approvals a week, by {}",
            rule.id,
            rule.stopped,
            rule.applied,
            rule.extra_approvals_per_week,
            shares(falls_on)
        );
    }
}
