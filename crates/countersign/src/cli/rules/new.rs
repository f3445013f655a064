//! `rules new`: a rule to begin with, and its cases beside it.

use std::{fs, path::PathBuf};

use countersign_core::{
    ids::RuleId,
    requirement::{Choice, InvalidRequirement, hint},
    template::{Template, template},
};
use serde_json::json;

use crate::{
    cli::{
        Global,
        error::{CliError, Exit},
        output::{self, Format},
    },
    home::files::{self, word},
};

/// Write a new rule, with its cases beside it, to begin from.
///
/// It only watches until you say otherwise in its file, and binds nobody before it is put in force (countersign amend).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign rules new payments-looks --requires 'approval:group:payments:1' --dir HOME/rules\n  \
    countersign rules new two-for-schemas --requires 'approval:independent:2, document:rollback:40'")]
pub struct Args {
    /// Its name, once among the rules: lower-case letters, digits, `-`, `_`, `.`.
    name: RuleId,
    /// What it asks for, as @requires spells it.
    #[arg(long, value_name = "REQUIREMENTS", default_value = "approval:independent:1")]
    requires: String,
    /// The folder of the rules; it is made.
    #[arg(long, value_name = "DIR", default_value = "rules")]
    dir: PathBuf,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let (name, dir) = (&args.name, &args.dir);
    let requires = args.requires.split(',').map(|choice| choice.trim().parse()).collect::<Result<Vec<Choice>, _>>();
    let requires = requires
        .map_err(|error: InvalidRequirement| CliError::usage(format!("--requires: {error}")).hint(hint(&error)))?;
    let [rule, cases] = ["cedar", "cases.yaml"].map(|ending| dir.join(format!("{name}.{ending}")));
    let taken = |place: String| {
        CliError::new("rule-exists", format!("there is a rule `{name}` already: {place}"))
            .hint("edit that one, or take another name")
    };
    if let Some(there) = [&rule, &cases].into_iter().find(|path| fs::symlink_metadata(path).is_ok()) {
        return Err(taken(there.display().to_string()));
    }
    // A rule may stand in a file of another name.
    if fs::symlink_metadata(dir).is_ok() && files::has_rules(dir)? {
        let others = super::load(dir)?;
        if let Some(other) = others.get(name) {
            return Err(taken(format!("{}/{}:{}", dir.display(), other.file, other.line)));
        }
    }
    let Template { rule: text, cases: of_cases } = template(name, &requires).map_err(|error| {
        CliError::new("rules-invalid", format!("--requires '{}' makes no rule: {error}", args.requires))
            .hint("ask for less at once, or write the rule by hand: docs/rules.md says how")
    })?;
    let failed = |source: std::io::Error| {
        CliError::new("io", format!("cannot make the folder {}: {source}", dir.display()))
            .hint("name a folder that you may write to: --dir DIR")
    };
    fs::create_dir_all(dir).map_err(failed)?;
    files::write(&rule, text)?;
    files::write(&cases, of_cases)?;
    match global.format {
        Format::Json => output::json(&json!({ "rule": name, "files": [&rule, &cases] }))?,
        Format::Text => anstream::println!(
            "wrote {} and {}\nsay there why it is, and where it applies; then: countersign rules check {dir} && countersign rules test {dir}",
            word(&rule),
            word(&cases),
            dir = word(dir)
        ),
    }
    Ok(Exit::Done)
}
