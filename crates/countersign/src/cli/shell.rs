//! `completions` and `man`, and the help of each command with the options that it uses: all from the definition that parses.

use std::{fs, io, path::PathBuf};

use clap::{ArgMatches, Command, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use super::{
    Cli, Global,
    error::{CliError, Exit},
    output::{self, Format},
};
use crate::home::files::word;

/// Options that every command takes. A command's help lists those that it uses.
const SHARED: [&str; 4] = ["url", "log", "key", "trust"];
/// Who only looks at a log signs nothing.
const READS: [&str; 3] = ["url", "log", "trust"];
/// Where a home or a gate pins the log itself.
const PINNED: [&str; 3] = ["url", "log", "key"];

/// Which of them a command uses, by its words.
fn uses(words: &[&str]) -> &'static [&'static str] {
    match words {
        ["rules", "explain"] => &SHARED,
        ["rules", "simulate"] => &READS,
        ["demo" | "serve" | "import" | "backup" | "rebuild" | "rules" | "completions" | "man" | "help", ..] => &[],
        ["init", ..] => &["key"],
        // The log, wherever it lies, and what it is checked by.
        ["audit", ..] => &["log", "trust"],
        ["join", ..] => &["key", "trust"],
        ["verify", ..] => &["trust"],
        ["show" | "bundle" | "log" | "export" | "follow" | "trust", ..] => &READS,
        ["amend" | "epoch", ..] => &PINNED,
        ["gate", "uninstall" | "hook" | "status", ..] => &[],
        ["gate", "stop", ..] => &["trust"],
        _ => &SHARED,
    }
}

/// Whether what was typed is a command that uses none of them.
pub fn uses_none(matches: &ArgMatches) -> bool {
    let mut words = Vec::new();
    let mut typed = matches.subcommand();
    while let Some((name, below)) = typed {
        words.push(name);
        typed = below.subcommand();
    }
    // An audit needs no settings: what it uses is typed.
    uses(&words).is_empty() || words.first() == Some(&"audit")
}

/// The command line, as it parses and as it is shown.
pub fn command() -> Command {
    let mut command = Cli::command();
    // From here on each command has the options of all.
    command.build();
    command.mut_subcommands(|sub| only_used(sub, &mut Vec::new()))
}

fn only_used(command: Command, above: &mut Vec<String>) -> Command {
    above.push(command.get_name().to_owned());
    let words: Vec<&str> = above.iter().map(String::as_str).collect();
    let used = uses(&words);
    let is_leaf = command.get_subcommands().next().is_none();
    // A group of commands shows what any of them uses when it is asked for that one.
    let hidden = |id: &str| SHARED.contains(&id) && (!is_leaf || !used.contains(&id));
    // One that a command defines for itself is not the shared one.
    let shared = |arg: &clap::Arg| arg.is_global_set();
    let command = command.mut_args(|arg| match shared(&arg) && hidden(arg.get_id().as_str()) {
        true => arg.hide(true),
        false => arg,
    });
    let command = command.mut_subcommands(|sub| only_used(sub, above));
    above.pop();
    command
}

/// Print what makes a shell complete commands and options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    source <(countersign completions bash)\n  \
    countersign completions zsh > ~/.zfunc/_countersign\n  \
    countersign completions fish > ~/.config/fish/completions/countersign.fish")]
pub struct CompletionsArgs {
    shell: Shell,
}

pub fn completions(args: &CompletionsArgs) -> Exit {
    clap_complete::generate(args.shell, &mut command(), "countersign", &mut io::stdout());
    Exit::Done
}

/// Write man pages, one a command
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  countersign man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The folder to write them to; it is made.
    dir: PathBuf,
}

pub fn man(global: &Global, args: &ManArgs) -> Result<Exit, CliError> {
    let dir = &args.dir;
    let failed = |error: io::Error| {
        CliError::new("io", format!("cannot write man pages to {}: {error}", dir.display()))
            .hint("name a folder that you may write to: countersign man ~/.local/share/man/man1")
    };
    fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(command(), dir).map_err(failed)?;
    match global.format {
        Format::Json => output::json(&json!({"dir": dir}))?,
        Format::Text => anstream::println!(
            "man pages written to {}: man -M is its parent, or: man {}",
            word(dir),
            word(&dir.join("countersign.1"))
        ),
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of commands, each with the shared options that its help lists.
    fn listed(command: &mut Command, words: &str) -> String {
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        if names.is_empty() {
            let help = command.render_long_help().to_string();
            let shared = SHARED.iter().filter(|name| help.contains(&format!("--{name} ")));
            return format!("{words}: {}\n", shared.copied().collect::<Vec<_>>().join(" "));
        }
        let mut all = String::new();
        for name in names.iter().filter(|name| *name != "help") {
            let sub = command.find_subcommand_mut(name).unwrap();
            all.push_str(&listed(sub, &format!("{words} {name}")));
        }
        all
    }

    #[test]
    fn help_lists_only_what_a_command_uses() {
        let all = listed(&mut command(), "");
        let of =
            |words: &str| all.lines().find_map(|line| line.strip_prefix(&format!(" {words}: "))).map(str::to_owned);
        for (words, options) in [
            ("audit", "log trust"),
            ("demo", ""),
            ("rules check", ""),
            ("rules explain", "url log key trust"),
            ("rules simulate", "url log trust"),
            ("serve", ""),
            ("verify", "trust"),
            ("show", "url log trust"),
            ("list", "url log key trust"),
            ("approve", "url log key trust"),
            ("amend", "url log key"),
        ] {
            assert_eq!(of(words).as_deref(), Some(options), "{words}\n{all}");
        }
        // Their own, of the same names.
        assert!(of("gate install").unwrap().contains("trust"), "{all}");
    }

    #[test]
    fn a_hidden_option_still_parses_where_it_was_written_before() {
        let words = ["countersign", "--url", "http://a", "audit", ".", "--key", "k"];
        assert!(command().try_get_matches_from(words).is_ok());
        let error = command().try_get_matches_from(["countersign", "lst"]).unwrap_err().to_string();
        assert!(error.contains("unrecognized subcommand 'lst'") && error.contains("'list'"), "{error}");
        let error = command().try_get_matches_from(["countersign", "show"]).unwrap_err().to_string();
        assert!(error.contains("<CHANGE>") && error.contains("countersign show"), "{error}");
    }
}
