//! A person's machine: the programs that sign and read, the key, the log, and whether the clocks agree.

use std::process::{Command, Stdio};

use countersign_core::governance::Signer;
use countersign_ledger::Time;

use super::{Findings, version};
use crate::{
    client::{Client, ClientError},
    home::files::word,
    signer::{SignerError, SshKeygen},
    wire::rfc3339,
};

/// Statements and permits hold for minutes: more than this, and somebody is refused for the time.
pub const MAX_SKEW_SECS: i64 = 60;

const OLDEST_GIT: (u32, u32) = (2, 38);

/// The programs and the key that sign.
pub fn look(signer: Result<&SshKeygen, &SignerError>) -> Findings {
    let mut found = Findings::of("client");
    programs(&mut found);
    match signer {
        Ok(key) if key.is_here() => found.good("key", format!("signs with {}", key.fingerprint())),
        Ok(key) => found.wrong(
            "key",
            format!("the private half of {} is neither in a file nor in the agent", key.fingerprint()),
            Some("ssh-add KEYFILE, or pass --key KEYFILE".to_owned()),
        ),
        Err(error) => found.wrong("key", error.to_string(), error.hint()),
    }
    found
}

fn programs(found: &mut Findings) {
    match said("git", &["--version"]) {
        Some(said) => match version(&said) {
            Some(known) if known >= OLDEST_GIT => found.good("git", said),
            Some(_) | None => found.wrong(
                "git",
                format!("{said} is older than {}.{}", OLDEST_GIT.0, OLDEST_GIT.1),
                Some("install a newer git".to_owned()),
            ),
        },
        None => found.wrong("git", "git cannot be run", Some("install git 2.38 or newer".to_owned())),
    }
    // It has no option that tells its version; one before 8.2 does not know how to sign.
    match said("ssh-keygen", &["-Y"]) {
        Some(usage) if usage.contains("unknown option") || usage.contains("illegal option") => found.wrong(
            "ssh-keygen",
            "this ssh-keygen cannot sign: it does not know -Y",
            Some("install OpenSSH 8.2 or newer".to_owned()),
        ),
        Some(_) => found.good("ssh-keygen", said("ssh", &["-V"]).unwrap_or_else(|| "it can sign".to_owned())),
        None => found.wrong(
            "ssh-keygen",
            "ssh-keygen cannot be run",
            Some("install OpenSSH 8.2 or newer (openssh-client)".to_owned()),
        ),
    }
}

/// The first line that a program says, on whichever output.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
}

/// The server as this machine sees it. `log` says whether it is the log that is known here.
pub fn look_at_server(
    client: &Client,
    log: Result<String, (String, Option<String>)>,
    key: Option<&SshKeygen>,
    now: Time,
) -> Findings {
    let mut found = Findings::of("server");
    let there = client.clock();
    if let Err(error @ ClientError::Unreachable { .. }) = &there {
        found.wrong(
            "address",
            error.to_string(),
            Some("countersign serve --home HOME on its machine, or name it: --url, COUNTERSIGN_URL".to_owned()),
        );
        return found;
    }
    match log {
        Ok(said) => found.good("log", said),
        Err((said, mend)) => found.wrong("log", said, mend),
    }
    match there {
        Ok(Some(there)) => clocks(&mut found, now.secs_since(there)),
        Ok(None) | Err(_) => found.doubtful("clock", "the server does not tell its time", "compare the clocks by hand"),
    }
    if let Some(key) = key {
        whose(&mut found, client, key);
    }
    unanswered(&mut found, client, now);
    found
}

fn clocks(found: &mut Findings, ahead: i64) {
    let apart = ahead.abs();
    if apart <= MAX_SKEW_SECS {
        return found.good("clock", format!("this machine and the server are {apart} s apart"));
    }
    let which = if ahead > 0 { "ahead of" } else { "behind" };
    found.wrong(
        "clock",
        format!("this machine's clock is {apart} s {which} the server's"),
        Some("timedatectl set-ntp true, on whichever is wrong".to_owned()),
    );
}

/// What somebody should have answered by now. What is due first comes first, so that one page tells.
fn unanswered(found: &mut Findings, client: &Client, now: Time) {
    let now = rfc3339(now);
    match client.findings(&[("open", "true")]) {
        Ok(page) => {
            for finding in page.findings.iter().filter(|finding| finding.is_overdue(&now)) {
                let who: Vec<&str> = finding.who.iter().map(|person| person.as_str()).collect();
                found.wrong(
                    "finding",
                    format!("{} should have answered by {}: {}", who.join(", "), finding.due, finding.said),
                    Some("countersign findings --open".to_owned()),
                );
            }
        }
        // One that is older than findings.
        Err(ClientError::Refused { .. }) => {}
        Err(error) => found.doubtful("finding", error.to_string(), "countersign findings --open"),
    }
}

fn whose(found: &mut Findings, client: &Client, key: &SshKeygen) {
    match client.signer(&key.fingerprint()) {
        Ok(Signer::Actor { id, kind }) => found.good("signer", format!("the key is {id}'s, {}", kind.with_article())),
        Ok(Signer::Gate(gate)) => found.wrong(
            "signer",
            format!("the key is gate {gate}'s"),
            Some("sign with a key of your own: --key KEYFILE".to_owned()),
        ),
        Ok(Signer::Server) => found.wrong(
            "signer",
            "the key is the server's",
            Some("sign with a key of your own: --key KEYFILE".to_owned()),
        ),
        Err(error) => found.wrong(
            "signer",
            error.to_string(),
            Some(format!(
                "have it added to the home's catalog (countersign/keys: {}), and amended by two people",
                key.public()
            )),
        ),
    }
}

/// A command over a path, for what is printed.
pub(super) fn chmod(mode: &str, path: &std::path::Path) -> String {
    format!("chmod {mode} {}", word(path))
}
