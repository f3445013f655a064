//! `countersign rules`: what can be asked of rule files before anybody signs them.

mod explain;
mod grounds;
mod new;
mod simulate;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use countersign_core::{
    cases::{CaseResult, run_cases},
    catalog::Catalog,
    rules::{
        Rules,
        check::{self, CheckFinding},
    },
};
use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, bad, count, good, printable},
};
use crate::{
    audit::scope::ScopeError,
    home::{self, files},
};

/// Write, check and test rule files; say what they would ask.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign rules check HOME/rules     does each rule ask for what its annotations say?\n  \
    countersign rules test HOME/rules      run the cases beside the rules (RULE.cases.yaml)\n  \
    countersign rules new payments-looks   a rule to begin from, with its cases\n  \
    countersign rules explain --target checkout/production --git .   what will be asked of these commits?\n  \
    countersign rules simulate HOME/rules  what would these have said of the past?")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Parse the rules strictly, and check each against sample changes.
    ///
    /// For every sample that a rule applies to, everything in its @requires is supplied and it has to be satisfied; then
    /// each thing is taken away and it has to be unsatisfied. A rule that applies to no sample is a finding too. Where a catalog lies
    /// beside the folder, as in a home, so is a system, an environment, a group or a person that it does not have.
    Check {
        /// The folder with the `.cedar` files.
        dir: PathBuf,
    },
    /// Run the cases beside the rules.
    ///
    /// A case says in a few words what is given and what the rule has to answer:
    ///
    ///   - name: one senior alone is not two people
    ///     given: { tier: 1, approvals: ["grace"] }
    ///     expect: { status: unsatisfied, outcome: deny }
    #[command(verbatim_doc_comment)]
    Test {
        /// The folder with the `.cedar` and `.cases.yaml` files.
        dir: PathBuf,
    },
    /// Print what a rule can ask about: the Cedar schema.
    Schema,
    Explain(explain::Args),
    New(new::Args),
    Simulate(simulate::Args),
}

impl Args {
    /// Whether it goes by a log, which a trust file could vouch for.
    pub fn is_of_a_log(&self) -> bool {
        match self.command {
            Command::Explain(_) | Command::Simulate(_) => true,
            Command::Check { .. } | Command::Test { .. } | Command::Schema | Command::New(_) => false,
        }
    }
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Check { dir } => check(global.format, &dir),
        Command::Test { dir } => test(global.format, &dir),
        Command::Schema => {
            let schema = countersign_core::rules::schema(&countersign_core::rules::Literals::default());
            match global.format {
                Format::Json => output::json(&serde_json::json!({ "schema": schema }))?,
                Format::Text => anstream::println!("{schema}"),
            }
            Ok(Exit::Done)
        }
        Command::Explain(args) => explain::run(global, args),
        Command::New(args) => new::run(global, &args),
        Command::Simulate(args) => simulate::run(global, &args),
    }
}

const FOLDER: &str = "it is the folder with the `.cedar` files, such as the rules/ of a home";

/// The rules of a folder, with errors that say what would be right.
pub(super) fn load(dir: &Path) -> Result<Rules, CliError> {
    Rules::parse(&files::rule_files(dir).map_err(|e| e.expecting(FOLDER))?).map_err(|error| {
        let text = error.to_string();
        let (message, hint) = text.split_once("\n  hint: ").unwrap_or((
            text.as_str(),
            "compare with the shipped rules: each is one annotated `forbid … when { … } unless { … };`",
        ));
        CliError::new("rules-invalid", format!("{}/{message}", dir.display())).hint(hint)
    })
}

fn check(format: Format, dir: &Path) -> Result<Exit, CliError> {
    let rules = load(dir)?;
    let mut findings = check::check(&rules);
    let compared = beside(dir)?;
    if let Some((_, catalog)) = &compared {
        findings.extend(check::check_names(&rules, catalog));
    }
    match format {
        Format::Json => output::json(&json!({
            "rules": rules.iter().map(|rule| json!({
                "id": rule.id,
                "file": rule.file,
                "line": rule.line,
                "mode": rule.mode,
                "strength": rule.strength,
                "requires": rule.words(),
            })).collect::<Vec<_>>(),
            "digest": rules.digest(),
            "findings": findings.iter().map(finding).collect::<Vec<_>>(),
            "catalog": compared.map(|(folder, _)| folder),
        }))?,
        Format::Text => {
            for rule in rules.iter() {
                let wrong = findings.iter().filter(|finding| finding.rule == rule.id).count();
                let verdict = if wrong == 0 { good("ok") } else { bad(count(wrong, "finding")) };
                anstream::println!("{verdict}  {} ({}, {}): {}", rule.id, rule.mode, rule.strength, rule.words());
            }
            for finding in &findings {
                anstream::println!("{}", bad(finding));
            }
            anstream::println!("{}, {}", count(rules.len(), "rule"), count(findings.len(), "finding"));
            if let Some((folder, _)) = &compared {
                anstream::println!("names are compared with the catalog in {}", printable(&folder.to_string_lossy()));
            }
        }
    }
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The catalog of the home that the rules lie in.
fn beside(dir: &Path) -> Result<Option<(PathBuf, Catalog)>, CliError> {
    let Some(folder) = dir.canonicalize().ok().and_then(|whole| Some(whole.parent()?.join(home::CATALOG))) else {
        return Ok(None);
    };
    if !folder.is_dir() {
        return Ok(None);
    }
    let folder = dir.join("..").join(home::CATALOG);
    let (files, settings) = home::catalog_at(&folder)?;
    let catalog = Catalog::parse(&files, &settings)
        .map_err(|source| CliError::from(ScopeError::Catalog { folder: folder.clone(), source }))?;
    Ok(Some((folder, catalog)))
}

fn finding(finding: &CheckFinding) -> serde_json::Value {
    json!({
        "rule": finding.rule,
        "file": finding.file,
        "line": finding.line,
        "problem": finding.problem.to_string(),
    })
}

fn test(format: Format, dir: &Path) -> Result<Exit, CliError> {
    let rules = load(dir)?;
    let cases = files::case_files(dir)?;
    if cases.is_empty() {
        let names = rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("there is no .cases.yaml file in {}; without a case are {names}", dir.display());
        return Err(
            CliError::new("no-cases", message).hint("write the cases of rule RULE into RULE.cases.yaml beside it")
        );
    }
    let results = run_cases(&rules, &cases)
        .map_err(|error| CliError::new("cases-invalid", format!("{}/{error}", dir.display())))?;
    // A rule that nobody has tried is not tested by the others' cases.
    let without: Vec<_> = rules.iter().filter(|rule| !results.iter().any(|case| case.rule == rule.id)).collect();
    let failed = results.iter().filter(|result| !result.passed()).count();
    match format {
        Format::Json => output::json(&json!({
            "passed": results.len() - failed,
            "failed": failed,
            "cases": results.iter().map(case).collect::<Vec<_>>(),
            "without_a_case": without.iter().map(|rule| &rule.id).collect::<Vec<_>>(),
        }))?,
        Format::Text => {
            for result in &results {
                let verdict = if result.passed() { good("ok") } else { bad("FAILED") };
                anstream::println!("{verdict}  {}: {}", result.rule, result.name);
                for difference in &result.differences {
                    anstream::println!("        {difference}");
                }
            }
            for rule in &without {
                anstream::println!("{}  {}: no case ({}:{})", bad("NO CASE"), rule.id, rule.file, rule.line);
            }
            anstream::println!("{}, {failed} failed", count(results.len(), "case"));
            if !without.is_empty() {
                let files = without.iter().map(|rule| format!("{}.cases.yaml", rule.id)).collect::<Vec<_>>();
                anstream::println!("{} without any: write one into {}", count(without.len(), "rule"), files.join(", "));
            }
        }
    }
    Ok(if failed == 0 && without.is_empty() && !results.is_empty() { Exit::Done } else { Exit::Failed })
}

fn case(result: &CaseResult) -> serde_json::Value {
    json!({
        "file": result.file,
        "rule": result.rule,
        "name": result.name,
        "passed": result.passed(),
        "differences": result.differences,
    })
}
