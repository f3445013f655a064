//! What is long goes through the user's pager where somebody sits before a terminal. Which one, the user's environment and own
//! configuration say, never a repository's.

use std::{
    env,
    io::{IsTerminal as _, Write as _},
    process::{Command, Stdio},
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

use crate::signer::git_config;

/// Prints a text, with the escapes of a terminal only where one shows it. Returns when it was read.
pub fn page(text: &str) {
    let out = std::io::stdout();
    if !out.is_terminal() || !through_a_pager(text, AutoStream::choice(&out) != ColorChoice::Never) {
        anstream::print!("{text}");
    }
}

/// The same for what stands beside a command's own output: on standard error where nobody reads a terminal.
pub fn beside(text: &str) {
    if std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
        page(text);
    } else {
        anstream::eprint!("{text}");
    }
}

/// As git chooses it.
fn chosen() -> Option<String> {
    let variable = |name: &str| env::var(name).ok();
    let pager = variable("GIT_PAGER").or_else(|| git_config(&["--global", "--get", "core.pager"]));
    let pager = pager.or_else(|| variable("PAGER")).unwrap_or_else(|| "less".to_owned());
    (!["", "cat"].contains(&pager.trim())).then_some(pager)
}

fn through_a_pager(text: &str, colours: bool) -> bool {
    let Some(pager) = chosen() else { return false };
    let mut command = Command::new("sh");
    command.args(["-c", &pager]).stdin(Stdio::piped());
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut into) = child.stdin.take() {
        // Whoever has read enough closes it.
        drop(match colours {
            true => into.write_all(text.as_bytes()),
            false => write!(into, "{}", strip_str(text)),
        });
    }
    const NOT_FOUND: i32 = 127;
    child.wait().is_ok_and(|status| status.code() != Some(NOT_FOUND))
}
