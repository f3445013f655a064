//! `whoami`: who you are to the log, by your key and the signed catalog.

use std::collections::BTreeSet;

use countersign_core::{
    catalog::ActorKind,
    delegation::DelegationRecord,
    ids::{ActorId, SystemId},
};
use serde_json::json;

use super::{
    Global,
    away::local,
    delegate,
    error::{CliError, Exit},
    me::Me,
    output::{self, Format, bad, bold, faint, printable, warn},
    place::{Origin, Said, usual_key},
    times,
};
use crate::{clock, wire::rfc3339};

/// How many systems are named.
const NAMED: usize = 12;

/// Show who you are to the log: your key, what the catalog says of you, and what you own.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(global: &Global, _: &Args) -> Result<Exit, CliError> {
    let log = global.log()?;
    let me = Me::of(global, &log)?;
    let key = match &global.meant.key {
        Some(Said { value, by }) => Some(Said { value: value.display().to_string(), by: by.clone() }),
        None => usual_key(),
    };
    let key = key.unwrap_or(Said { value: String::new(), by: Origin::Usual });
    let catalog = &me.state.governance.catalog;
    let actor = me.actor();
    let groups: Vec<&str> = actor.iter().flat_map(|actor| &actor.member_of).map(|group| group.as_str()).collect();
    let owns: BTreeSet<&SystemId> = actor.map(|actor| owned(&me, &actor.id)).unwrap_or_default();
    let now = clock::now();
    let suspension = actor.and_then(|actor| {
        let record = me.state.person(&actor.id).ok()??.revoked.get(&me.fingerprint())?;
        record.takes(now).then(|| (record.by.clone(), record.until().map(rfc3339)))
    });
    let away_until = actor.and_then(|actor| me.state.presence(now).away.get(&actor.id).copied());
    let delegations = actor.map(|actor| theirs(&me, &actor.id)).unwrap_or_default();
    match global.format {
        Format::Json => output::json(&json!({
            "away_until": away_until.map(rfc3339),
            "delegations": delegations.iter().map(|known| delegate::in_json(known, now)).collect::<Vec<_>>(),
            "person": actor.map(|actor| &actor.id),
            "kind": actor.map(|actor| actor.kind.as_str()),
            "level": actor.map(|actor| actor.level.as_str()),
            "groups": groups,
            "owns": owns,
            "founder": actor.map(|actor| is_founder(&me, &actor.id)),
            "key": me.fingerprint(),
            "key_file": key.value,
            "key_from": key.by.to_string(),
            "revoked_by": suspension.as_ref().map(|(by, _)| by),
            "revoked_until": suspension.as_ref().and_then(|(_, until)| until.as_ref()),
            "log": log.trust().origin,
            "url": log.client.url(),
            "url_from": global.meant.url.by.to_string(),
            "genesis": log.trust().genesis,
            "trust": trust(global, &log),
        }))?,
        Format::Text => {
            let line = |name: &str, value: String| anstream::println!("{}{value}", faint(format!("{name:<9}")));
            match actor {
                Some(actor) => {
                    let name = actor.display_name.as_ref().map(|name| format!(" ({})", printable(name)));
                    let name = name.unwrap_or_default();
                    line("you are", format!("{}{name}", bold(anstyle::Style::new(), &actor.id)));
                    line(
                        "level",
                        match actor.kind {
                            ActorKind::Person => actor.level.as_str().to_owned(),
                            kind @ (ActorKind::Workload | ActorKind::Agent) => {
                                format!("{}: it approves nothing", kind.with_article())
                            }
                        },
                    );
                    let founder = if is_founder(&me, &actor.id) { ", and a founder of this log" } else { "" };
                    line(
                        "groups",
                        format!("{}{founder}", if groups.is_empty() { "none".to_owned() } else { groups.join(", ") }),
                    );
                    let named: Vec<&str> = owns.iter().take(NAMED).map(|system| system.as_str()).collect();
                    let more = owns.len().saturating_sub(named.len());
                    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                    line(
                        "owns",
                        if named.is_empty() { "no system".to_owned() } else { format!("{}{more}", named.join(", ")) },
                    );
                }
                None => {
                    line(
                        "you are",
                        format!(
                            "{}: this key is nobody's in the catalog of {} people",
                            warn("not known here"),
                            catalog.population()
                        ),
                    );
                    line(
                        "",
                        "another key: --key KEYFILE; or send this one to somebody who amends the catalog:".to_owned(),
                    );
                    line("", me.key.to_string());
                }
            }
            if let Some(until) = away_until {
                line("away", format!("{}; back: countersign back", warn(format!("until {}", local(until)))));
            }
            for known in &delegations {
                line("lent", delegate::words(known));
            }
            line("key", format!("{} {} {}", me.fingerprint(), printable(&key.value), faint(format!("({})", key.by))));
            if let Some((by, until)) = &suspension {
                let until = until.as_ref().map_or("for good".to_owned(), |until| format!("ends {}", times::ago(until)));
                line("", format!("{}: by {by}, {until}", bad("revoked")));
            }
            line(
                "log",
                format!(
                    "{} at {} {}",
                    printable(&log.trust().origin),
                    printable(log.client.url()),
                    faint(format!("({})", global.meant.url.by))
                ),
            );
            line("trust", format!("genesis {}, {}", log.trust().genesis, trust(global, &log)));
        }
    }
    // Whoever asks for a script is told by the status, too.
    Ok(if actor.is_some() { Exit::Done } else { Exit::Failed })
}

/// What they delegated, and what was delegated to them.
fn theirs<'a>(me: &'a Me, id: &ActorId) -> Vec<&'a DelegationRecord> {
    let all = delegate::standing(&me.state, clock::now());
    all.into_iter().filter(|known| known.of == *id || known.to == *id).collect()
}

/// Which file pins the log.
fn trust(global: &Global, log: &crate::known::KnownLog) -> String {
    match &global.meant.trust {
        Some(Said { value, by }) => format!("{} ({by})", value.display()),
        None => log.memory().folder().join("trust.json").display().to_string(),
    }
}

fn is_founder(me: &Me, id: &ActorId) -> bool {
    me.state.governance.record.founders.iter().any(|founder| founder.person == *id)
}

fn owned<'a>(me: &'a Me, id: &ActorId) -> BTreeSet<&'a SystemId> {
    let catalog = &me.state.governance.catalog;
    catalog.systems.keys().filter(|system| catalog.owns(id, system)).collect()
}
