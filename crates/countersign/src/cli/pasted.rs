//! Placeholders of hints and help that were pasted as they stand: `--why …` is no reason, and nobody signs it.
//!
//! One check of all that was typed, whatever command it is for. What is passed on to another program is that one's.

use std::any::TypeId;

use clap::{Arg, ArgMatches, Command, parser::ValueSource};

use super::error::CliError;

/// What hints write where somebody has to say something, beside what help calls the value.
const WORDS: [&str; 24] = [
    "BASE..HEAD",
    "BRANCH",
    "CHANGE",
    "COMMAND",
    "COMMIT",
    "DIR",
    "EXPORT_OR_BACKUP",
    "FILE",
    "HOME",
    "KEY",
    "NAME",
    "NEW",
    "OLD..NEW",
    "PATH",
    "PERSON",
    "REASON",
    "REF",
    "REPO",
    "SYSTEM/ENVIRONMENT",
    "TARGET",
    "TEXT",
    "TITLE",
    "WHAT",
    "WHY",
];

/// The first placeholder among the values that were typed.
pub fn refuse(command: &Command, matches: &ArgMatches) -> Result<(), CliError> {
    let called = matches.subcommand().and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    if let Some((command, matches)) = called {
        return refuse(command, matches);
    }
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let is_typed = matches.value_source(id) == Some(ValueSource::CommandLine);
        if !is_typed || arg.is_last_set() || arg.is_trailing_var_arg_set() {
            continue;
        }
        let mut typed = matches.get_raw(id).into_iter().flatten();
        if let Some(value) = typed.find(|value| value.to_str().is_some_and(|value| is_placeholder(arg, value))) {
            let value = value.to_string_lossy();
            let (what, instead) = match arg.get_long() {
                Some(long) => (format!("--{long} {value}: "), format!("--{long}")),
                None => (String::new(), "there".to_owned()),
            };
            let refused = CliError::usage(format!(
                "{what}`{value}` stands for what is meant; put that in its place, nothing was done"
            ));
            // What the help says of it, in its first sentence.
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let help = help.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned();
            return Err(match help.is_empty() {
                true => refused.hint(format!("countersign {} --help says what goes {instead}", command.get_name())),
                false => refused.hint(format!("what goes {instead}: {help}")),
            });
        }
    }
    Ok(())
}

fn is_placeholder(arg: &Arg, value: &str) -> bool {
    let word = value.trim().trim_matches(['"', '\'', '`', '“', '”']).trim();
    // `.` and `..` are folders.
    let dots = word.replace('…', "...");
    if dots.len() > 2 && dots.chars().all(|c| c == '.') {
        return true;
    }
    // A mail is written like that, too.
    let bare =
        word.strip_prefix('<').and_then(|word| word.strip_suffix('>')).filter(|word| !word.contains(['<', '@', '=']));
    let named = arg.get_value_names().unwrap_or_default().iter().any(|name: &clap::builder::Str| name == word);
    let stands = bare.is_some() || named || WORDS.contains(&word);
    stands && !is_there(arg, value)
}

/// A file or folder may be called anything.
fn is_there(arg: &Arg, value: &str) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<std::path::PathBuf>() && std::path::Path::new(value).exists()
}
