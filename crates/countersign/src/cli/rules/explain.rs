//! `rules explain`: what will be asked of a diff, before anybody proposes it.

use std::{collections::BTreeSet, path::PathBuf};

use countersign_core::{
    explain::{Explained, ExplainedRule, Obligation},
    facts::{GitFacts, Identities},
    ids::{ActorId, RepositoryId, Target},
    kind::{Documents, Kind},
    preview::Preview,
    state::State,
    subject::{GitSubject, Subject},
};
use countersign_ledger::Digest;
use serde_json::{Value, json};

use super::grounds::Grounds;
use crate::{
    cli::{
        Global,
        content::{self, Computed, Content},
        dry_run,
        error::{CliError, Exit},
        output::{self, Format, faint, joined, printable},
        propose::KindArg,
        show,
    },
    clock, random,
};

/// Say what will be asked of a change before anybody proposes it.
///
/// By the rules in force in a log, or by those of folders that nobody has signed yet. Nothing is signed or sent. Words that
/// a proposal would say (--why and so on) are taken as not yet written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign rules explain --target checkout/production --git . --range origin/main..HEAD\n  \
    countersign rules explain --target checkout/production --kind flag --file flags.json \\\n    \
        --rules rules --catalog catalog")]
pub struct Args {
    /// What it would change: SYSTEM/ENVIRONMENT (repeatable).
    #[arg(long, required = true, value_name = "SYSTEM/ENV", num_args = 1..)]
    target: Vec<Target>,
    /// Its kind. Default: code for commits, config for files.
    #[arg(long, value_enum)]
    kind: Option<KindArg>,
    /// Who would propose it. Default: whose key it is, else whom the commits name.
    #[arg(long, value_name = "PERSON")]
    by: Option<ActorId>,
    /// The repository with the commits. Without it and --file: a change that touches anything.
    #[arg(long, value_name = "REPO", conflicts_with = "file")]
    git: Option<PathBuf>,
    /// The protected branch that the commits are for.
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    branch: String,
    /// The commits. Default: refs/remotes/origin/BRANCH..HEAD.
    #[arg(long, value_name = "BASE..HEAD", requires = "git")]
    range: Option<String>,
    /// The name under which the gate knows the repository.
    #[arg(long, value_name = "NAME", requires = "git")]
    repository: Option<RepositoryId>,
    /// A file whose exact bytes are the change (repeatable).
    #[arg(long, value_name = "PATH", num_args = 1.., action = clap::ArgAction::Append)]
    file: Vec<PathBuf>,
    #[command(flatten)]
    grounds: Grounds,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let state = args.grounds.state(global)?;
    let catalog = &state.governance.catalog;
    let targets: BTreeSet<Target> = args.target.into_iter().collect();
    dry_run::known(catalog, &targets)?;
    let of_files = !args.file.is_empty();
    let what = Content {
        git: args.git,
        branch: args.branch,
        range: args.range,
        repository: args.repository,
        push: None,
        file: args.file,
        // By which command they would be applied no rule asks.
        command: of_files.then(|| "true".to_owned()),
    };
    let computed = match what.is_named() {
        true => Some(what.compute(&random::nonce())?),
        false => None,
    };
    let kind: Kind = match args.kind {
        Some(kind) => kind.into(),
        None if of_files => Kind::Config,
        None => Kind::Code,
    };
    let known = |id: &ActorId| catalog.actors.get(id).map(|actor| actor.id.clone());
    let by = match &args.by {
        Some(by) => Some(known(by).ok_or_else(|| {
            CliError::new("unknown-person", format!("the catalog has nobody called `{by}`"))
                .hint("--by takes the metadata.name of a User")
        })?),
        None => who(global, &state, computed.as_ref().and_then(|computed| computed.extracted.as_ref())),
    };
    let about = match &computed {
        Some(Computed { subject: Subject::Files(files), .. }) => joined(files.files.keys()),
        Some(computed) => computed.subject.summary(),
        None => "anything, as if it touched every path".to_owned(),
    };
    let (subject, facts) = match computed {
        Some(Computed { subject, extracted, .. }) => (subject, extracted),
        None => (of_nothing_known()?, None),
    };
    let now = clock::now();
    let preview = Preview::of(kind, targets.clone(), Documents::default(), subject, facts)?;
    let change = preview.change(by.as_ref().unwrap_or(&somebody()?), &state.governance, now)?;
    let explained = Explained::standing(&state, &change, &state.presence(now), now)?;
    let told = Told { kind, targets, by, about };
    match global.format {
        Format::Json => output::json(&told.to_json(&explained))?,
        Format::Text => told.print(&explained),
    }
    Ok(Exit::Done)
}

/// Whoever holds the key that would sign, else the first person whom the commits name.
fn who(global: &Global, state: &State, extracted: Option<&(GitFacts, Identities)>) -> Option<ActorId> {
    let catalog = &state.governance.catalog;
    let by_key = global.signer().ok().and_then(|signer| catalog.actor_by_key(&signer.public().fingerprint()));
    let names = extracted.map(|(_, names)| names.people.values());
    let by_mail = || names?.find_map(|ident| catalog.person_by_mail(&ident.mail));
    by_key.or_else(by_mail).map(|actor| actor.id.clone())
}

/// Where nobody says who.
fn somebody() -> Result<ActorId, CliError> {
    invalid("somebody-who-proposes".parse())
}

/// A subject that says nothing: what has no paths that are known touches all, and its size is not known either.
fn of_nothing_known() -> Result<Subject, CliError> {
    let none = || invalid("0".repeat(40).parse());
    Ok(Subject::Git(GitSubject {
        repository: invalid("any".parse())?,
        branch: content::full_branch("main"),
        base: none()?,
        head: none()?,
        delta: Digest::of(b""),
    }))
}

fn invalid<T>(made: Result<T, countersign_core::ids::InvalidId>) -> Result<T, CliError> {
    made.map_err(|error| CliError::new("failed", error.to_string()))
}

/// What was asked about.
struct Told {
    kind: Kind,
    targets: BTreeSet<Target>,
    by: Option<ActorId>,
    about: String,
}

impl Told {
    fn print(&self, explained: &Explained) {
        let by = self.by.as_ref().map_or_else(|| "by somebody".to_owned(), |by| format!("by {by}"));
        anstream::println!("{} change of {}, proposed {by}", self.kind, joined(&self.targets));
        anstream::println!("{}", faint(format!("it brings {}", printable(&self.about))));
        if self.by.is_none() {
            anstream::println!(
                "{}",
                faint("who proposes it is not known here, and is never the second pair of eyes: --by PERSON")
            );
        }
        for rule in &explained.explanation.rules {
            show::status(rule);
            anstream::println!("    asks:    {}", printable(&rule.requires));
            for obligation in &rule.obligations {
                for (number, way) in obligation.ways().enumerate() {
                    let heading = if number == 0 { "missing:" } else { "or:" };
                    anstream::println!("    {heading:<8} {}", printable(&way.missing));
                    anstream::println!("    who:     {}", show::who(way));
                }
            }
            anstream::println!("    because: {}", printable(&rule.because));
        }
        explained.explanation.for_example().iter().for_each(|line| anstream::println!("  {line}"));
        explained.explanation.steps.iter().for_each(|line| anstream::println!("  {line}"));
        show::not_applicable(explained.decision.not_applicable);
    }

    fn to_json(&self, explained: &Explained) -> Value {
        json!({
            "targets": self.targets,
            "kind": self.kind,
            "by": self.by,
            "outcome": explained.decision.outcome,
            "rules": explained.explanation.rules.iter().map(rule).collect::<Vec<_>>(),
            "enough": explained.explanation.enough,
            "steps": explained.explanation.steps,
            "not_applicable": explained.decision.not_applicable,
        })
    }
}

/// Without the commands: a change that nobody has proposed has no id that they could name.
fn rule(rule: &ExplainedRule) -> Value {
    json!({
        "id": rule.id,
        "status": rule.status,
        "mode": rule.mode,
        "strength": rule.strength,
        "stops": rule.stops(),
        "requires": rule.requires,
        "because": rule.because,
        "targets": rule.targets,
        "missing": rule.obligations.iter().map(missing).collect::<Vec<_>>(),
    })
}

fn missing(obligation: &Obligation) -> Value {
    json!({
        "what": obligation.missing,
        "who": obligation.who,
        "notes": obligation.notes,
        "more": obligation.more,
        "or": obligation.or.iter().map(missing).collect::<Vec<_>>(),
    })
}
