//! `delegate`, `delegations`: who stands in for whom, by a person's own word; and its end.

use std::{collections::BTreeSet, path::PathBuf};

use countersign_core::{
    delegation::{DELEGATION_SECS, DelegatedRole, DelegationRecord, name_of},
    ids::{ActorId, Target},
    state::State,
    statement::{Body, Delegation, DelegationEnd},
};
use countersign_ledger::Time;
use serde_json::{Value, json};

use super::{
    Global,
    away::{local, until},
    calendar,
    error::{CliError, Exit},
    me::Me,
    output::{self, Format, faint, good, heading, joined},
    stop, submit,
};
use crate::{clock, known::KnownLog, wire::rfc3339};

/// Have somebody else count as having a role of yours, for 30 days at the most.
///
/// They approve as themselves. It ends by itself, with your role or your key, or when either of you ends it. It is of no use for changes
/// that you made or spoke about, nor for what governs, and they cannot pass it on; two who have it of you count once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign delegate owner --to linus --until 2026-12-31\n  \
    countersign delegate senior --to barbara --for checkout/production --from 2026-12-24 --until 2026-12-31\n  \
    countersign delegate group:payments --to linus --until 2026-12-31\n  \
    countersign delegations                          who stands in for whom\n  \
    countersign delegate --end ID")]
pub struct Args {
    /// owner, senior, oncall or group:NAME; one that you have.
    #[arg(required_unless_present = "end", conflicts_with = "end", requires_all = ["to", "until"])]
    role: Option<DelegatedRole>,
    /// To whom.
    #[arg(long, value_name = "PERSON", conflicts_with = "end")]
    to: Option<ActorId>,
    /// For changes of these alone (repeatable); else wherever you have the role.
    #[arg(long = "for", value_name = "SYSTEM/ENVIRONMENT", conflicts_with = "end")]
    targets: Vec<Target>,
    /// From when on; now, if it is not said.
    #[arg(long, value_name = "TIME", conflicts_with = "end")]
    from: Option<String>,
    /// Until when: a day is meant whole.
    #[arg(long, value_name = "TIME", conflicts_with = "end")]
    until: Option<String>,
    /// End this one, as `countersign delegations` names it.
    #[arg(long, value_name = "ID")]
    end: Option<String>,
    /// With --end, without the server: sign by this copy of the log, for a gate to be told (countersign gate stop).
    #[arg(long, value_name = "DIR", requires = "end")]
    copy: Option<PathBuf>,
}

/// List who stands in for whom.
#[derive(Debug, clap::Args)]
pub struct ListArgs {}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    match (&args.end, &args.role, &args.to, &args.until) {
        (Some(name), ..) => match &args.copy {
            Some(copy) => stop::delegation_end(global, copy, name),
            None => end(global, name),
        },
        (None, Some(role), Some(to), Some(ends)) => delegate(global, args, (role, to, until(ends)?)),
        (None, ..) => Err(CliError::usage("what, to whom and until when? ROLE --to PERSON --until TIME")),
    }
}

fn delegate(
    global: &Global,
    args: &Args,
    (role, to, until): (&DelegatedRole, &ActorId, Time),
) -> Result<Exit, CliError> {
    let from = args.from.as_deref().map(calendar::moment).transpose()?;
    let targets: BTreeSet<Target> = args.targets.iter().cloned().collect();
    let begins = from.map_or("now".to_owned(), local);
    let session = global.session()?;
    if until.secs_since(from.unwrap_or_else(clock::now)) > DELEGATION_SECS {
        let days = DELEGATION_SECS / (24 * 60 * 60);
        return Err(CliError::usage(format!("a delegation lasts {days} days at the most, not until {}", local(until)))
            .hint("say an earlier end: --until TIME; what goes on is said again then"));
    }
    let me = &session.speaker.me;
    let of = scope(&targets);
    let what = format!(
        "{to} counts as {} by your delegation, {of}, from {begins} until {}; you end it at any time",
        role.words(),
        local(until)
    );
    submit::announce(&session.speaker, &[what]);
    let (role, to) = (role.clone(), to.clone());
    let body = Delegation { from, role: role.clone(), targets, to: to.clone(), until };
    let receipt = session.say(Body::Delegation(body), &[])?;
    let name = name_of(&receipt.statement);
    match global.format {
        Format::Json => output::json(&json!({
            "delegation": name, "leaf": receipt.index, "of": me, "to": to, "role": role, "until": rfc3339(until),
        }))?,
        Format::Text => {
            anstream::println!(
                "{}: {to} has {role} of {me} until {} (leaf {})",
                good("delegated"),
                local(until),
                receipt.index
            );
            heading("Next");
            anstream::println!("  end it before: countersign delegate --end {name}");
            anstream::println!(
                "  {}",
                faint("what they approved before does not count by it; they approve again: countersign review CHANGE")
            );
        }
    }
    Ok(Exit::Done)
}

fn scope(targets: &BTreeSet<Target>) -> String {
    match targets.is_empty() {
        true => "wherever you have that role".to_owned(),
        false => format!("for {}", joined(targets)),
    }
}

/// Those that are not over, each once.
pub(super) fn standing(state: &State, now: Time) -> Vec<&DelegationRecord> {
    let mut all: Vec<&DelegationRecord> =
        state.people().flat_map(|(_, record)| &record.received).filter(|known| !known.is_over(now)).collect();
    all.sort_by_key(|known| (known.from, known.statement));
    all
}

fn end(global: &Global, name: &str) -> Result<Exit, CliError> {
    let session = global.session()?;
    let me = Me::of(global, &session.log)?;
    let id = me.known()?;
    let known = standing(&me.state, clock::now());
    let mut meant = known.iter().filter(|known| name.len() >= 6 && known.statement.hex().starts_with(name));
    let found = match (meant.next(), meant.next()) {
        (Some(one), None) => *one,
        (Some(_), Some(_)) => {
            return Err(CliError::usage(format!("several delegations begin with {name}")).hint("type more of it"));
        }
        (None, _) => {
            return Err(CliError::new("no-delegation", format!("there is no delegation {name}"))
                .hint("list them: countersign delegations"));
        }
    };
    if found.of != *id && found.to != *id {
        return Err(CliError::new("not-theirs-to-end", format!("{id} neither gave delegation {name} nor has it"))
            .hint(format!("{} or {} ends it", found.of, found.to)));
    }
    submit::announce(&session.speaker, &[format!("end now of: {}", words(found))]);
    let said = DelegationEnd { delegation: found.statement, of: found.of.clone(), to: found.to.clone() };
    let receipt = session.say(Body::DelegationEnd(said), &[])?;
    let name = name_of(&found.statement);
    match global.format {
        Format::Json => output::json(&json!({"delegation": name, "leaf": receipt.index}))?,
        Format::Text => {
            anstream::println!("{}: delegation {name} holds no more (leaf {})", good("ended"), receipt.index)
        }
    }
    Ok(Exit::Done)
}

/// One of them, in a line.
pub(super) fn words(known: &DelegationRecord) -> String {
    let DelegationRecord { of, to, role, targets, from, until, .. } = known;
    let targets = match targets.is_empty() {
        true => String::new(),
        false => format!(", for {}", joined(targets)),
    };
    format!("{to} has {role} of {of}{targets}, from {} until {}", local(*from), local(*until))
}

pub fn list(global: &Global, _: &ListArgs) -> Result<Exit, CliError> {
    let log: KnownLog = global.log()?;
    let now = clock::now();
    let state = log.standing(None, now)?;
    let known = standing(&state, now);
    match global.format {
        Format::Json => {
            output::json(&json!({"delegations": known.iter().map(|one| in_json(one, now)).collect::<Vec<_>>()}))?
        }
        Format::Text if known.is_empty() => {
            anstream::println!("nobody stands in for anybody; to have somebody: countersign delegate --help");
        }
        Format::Text => {
            for one in known {
                let name = name_of(&one.statement);
                let holds = if one.holds(now) { good("holds").to_string() } else { faint("planned") };
                anstream::println!("{name}  {holds}  {}", words(one));
            }
        }
    }
    Ok(Exit::Done)
}

pub(super) fn in_json(known: &DelegationRecord, now: Time) -> Value {
    json!({
        "delegation": name_of(&known.statement), "of": known.of, "to": known.to, "role": known.role, "targets": known.targets,
        "from": rfc3339(known.from), "until": rfc3339(known.until), "holds": known.holds(now),
    })
}
