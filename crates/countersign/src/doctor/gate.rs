//! A git gate: its hooks, its key, its copy of the log, and the server that it asks.

use std::path::Path;

use countersign_core::catalog::{HOSTS_ANNOTATION, Hosted, systems_of};
use countersign_ledger::{Time, checkpoint::SignedCheckpoint};

use super::{Findings, machine::MAX_SKEW_SECS};
use crate::{
    client::Client,
    follower::{Follower, learned, source::Source},
    gates::git::{CONFIG, FOLDER, GitGate, hooks, status},
    home::files::word,
};

pub fn look(repository: &Path, now: Time) -> Findings {
    let mut found = Findings::of("gate");
    let gate = match GitGate::open(repository) {
        Ok(gate) => gate,
        Err(error) => {
            let hint = error.hint();
            found.wrong("files", error.to_string(), hint);
            return found;
        }
    };
    let config = gate.config();
    found.good("files", format!("gate {} guards {}", config.name, repository.display()));
    match status::status(&gate, now) {
        Ok(status) => {
            let look = || Some(format!("countersign gate status {}", word(repository)));
            for branch in status.branches.iter().filter_map(|branch| Some((&branch.branch, branch.expected.as_ref()?)))
            {
                let (branch, expected) = branch;
                let said = format!("{branch} stands elsewhere than at {expected}: somebody went round the gate");
                found.wrong("branches", said, look());
            }
            let hooks = hooks::problems(repository);
            for hook in &hooks {
                found.wrong("hooks", hook.said.clone(), Some(hook.mend.clone()));
            }
            let of_hooks = |problem: &&String| !hooks.iter().any(|hook| hook.to_string() == **problem);
            for problem in status.problems.iter().filter(of_hooks) {
                found.wrong("status", problem.clone(), look());
            }
            if status.unanswered {
                let said = "branches were found where no permit put them, and nobody has said what it was";
                let answer = format!("countersign gate status {} --answer …", word(repository));
                found.wrong("branches", said, Some(answer));
            }
            if status.unreported > 0 {
                let said = format!("the log does not have {} of this gate's outcomes", status.unreported);
                found.wrong("outcomes", said, Some("the next push tells it, once the server answers".to_owned()));
            }
            if status.is_well() {
                found.good("status", "it stands as permits left it, and has what it needs");
            }
        }
        Err(error) => {
            let hint = error.hint();
            found.wrong("status", error.to_string(), hint);
        }
    }
    server(&mut found, &gate, repository, now);
    host(&mut found, &gate);
    found
}

/// Whether the gate hangs on what it guards, by the catalog as its own copy of the log has it.
fn host(found: &mut Findings, gate: &GitGate) {
    let name = &gate.config().name;
    let governance = match gate.desk().and_then(|desk| Ok(desk.governance()?)) {
        Ok(governance) => governance,
        Err(error) => {
            let said = format!("what the catalog says of where it runs cannot be read: {error}");
            return found.doubtful(
                "host",
                said,
                error.hint().unwrap_or_else(|| "push, so that it follows the log".to_owned()),
            );
        }
    };
    let (catalog, what) = (&governance.catalog, Hosted::Gate(name.clone()));
    let hosts = catalog.hosts_of(&what);
    if hosts.is_empty() {
        let said = "the catalog does not say on which system this gate runs, so that nobody is told when it hangs on what it guards";
        return found.doubtful("host", said, format!("annotate that system with {HOSTS_ANNOTATION}: {what}"));
    }
    let hanging = catalog.hangs_on(&what, &systems_of(&gate.config().targets()));
    for hangs in &hanging {
        let on = hangs.on().map_or("", |on| on.as_str());
        found.doubtful(
            "host",
            format!(
                "it {}, whose changes pass it: while {on} is down, what mends it takes breaking the glass",
                hangs.words()
            ),
            "exercise that: countersign break-glass --drill SYSTEM/ENVIRONMENT",
        );
    }
    if hanging.is_empty() {
        let hosts: Vec<&str> = hosts.iter().map(|host| host.as_str()).collect();
        found.good("host", format!("it runs on {}, which needs nothing that it guards", hosts.join(", ")));
    }
}

fn server(found: &mut Findings, gate: &GitGate, repository: &Path, now: Time) {
    let config = gate.config();
    let own = repository.join(FOLDER);
    let file = word(&own.join(CONFIG));
    let install = format!("countersign gate install {} …", word(repository));
    let client = Client::new(&config.url);
    let note = match client.checkpoint() {
        Ok(note) => note,
        Err(error) => {
            let said = format!("{error}; until it answers, nothing lands");
            return found.wrong(
                "server",
                said,
                Some(format!(
                    "countersign serve --home HOME on its machine; or write where it is under `url` into {file}"
                )),
            );
        }
    };
    let trust = learned::in_folder(&config.copy, gate.trust()).unwrap_or_else(|_| gate.trust().clone());
    // It may have been replaced since the gate followed last, which it finds out by itself.
    let size = Follower::seen_in(&config.copy, &trust).ok().flatten().map_or(0, |seen| seen.checkpoint().size);
    let further = || learned::ahead(&Source::Server(client.clone()), &trust.log_key, size, &note).ok().flatten();
    let opened = SignedCheckpoint::open(&note, &trust.log_key);
    match opened.or_else(|error| further().and_then(|keys| SignedCheckpoint::open(&note, &keys).ok()).ok_or(error)) {
        Ok(signed) => {
            found.good("server", format!("{} serves the pinned log, {} leaves", config.url, signed.checkpoint().size))
        }
        Err(error) => found.wrong(
            "server",
            format!("{} serves a log that is not the pinned one: {error}", config.url),
            Some(format!(
                "write the address of this log's server under `url` into {file}; or, for the other log: {install}"
            )),
        ),
    }
    if let Ok(Some(there)) = client.clock() {
        let ahead = now.secs_since(there);
        if ahead.abs() > MAX_SKEW_SECS {
            let said = format!("this machine's clock and the server's are {} s apart", ahead.abs());
            found.wrong("clock", said, Some("timedatectl set-ntp true, on whichever is wrong".to_owned()));
        }
    }
    match (client.gate(&config.name), gate.key()) {
        (Ok(known), Ok(key)) if known.key(now) == Some(key.public().fingerprint()) => {
            found.good("key", "the log knows the gate by its key");
        }
        (Ok(_), Ok(_)) => found.wrong(
            "key",
            "the log knows this gate by another key, or has revoked it",
            Some(format!("mv {0} {0}.old; {install}", word(&own))),
        ),
        (Err(error), _) => found.wrong("key", format!("the log does not know the gate: {error}"), Some(install)),
        (Ok(_), Err(error)) => {
            let hint = error.hint();
            found.wrong("key", error.to_string(), hint);
        }
    }
}
