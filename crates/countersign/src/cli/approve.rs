//! `approve`: a person's countersignature over one revision, and `reject`, `withdraw` beside it.

use std::path::PathBuf;

use countersign_core::{
    facts::{GitFacts, Range},
    statement::{Approval, Body, Rejection, RejectionLift, Seen, Withdrawal},
    subject::Subject,
};
use countersign_ledger::Digest;

use super::{
    Global,
    content::{self, Computed},
    error::{CliError, Exit},
    propose, submit,
};
use crate::{files, git::Repository, speaker::Speaker, wire::ChangeView};

/// Approve the present revision of a change, as a second pair of eyes.
///
/// With --git or --file the digests are computed again from what you have looked at, and nothing is signed if they differ.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign approve 9f2c4e6a81d0 --git .\n  \
    countersign approve 9f2c4e6a81d0 --file flags.json")]
pub struct Args {
    /// The change: its id, or the beginning of it.
    change: String,
    /// Your clone, with the commits fetched.
    #[arg(long, value_name = "REPO", conflicts_with = "file")]
    git: Option<PathBuf>,
    /// Your copy of the files (repeatable).
    #[arg(long, value_name = "PATH", num_args = 1..)]
    file: Vec<PathBuf>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let speaker = global.speaker()?;
    let view = speaker.client.change(&args.change)?;
    let computed = recompute(&speaker, &view, &args)?;
    let mut lines = vec![format!("approval of revision {} of change {}: {}", view.revision, view.id, view.title)];
    lines.push(format!("targets: {}", view.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    let seen = if computed.is_some() { Seen::Computed } else { Seen::None };
    match &computed {
        Some(computed) => lines.extend(propose::describe(computed)),
        None => {
            lines.push(format!("subject: {}", view.subject.summary()));
            lines.push(
                "these digests are the server's word; --git REPO or --file PATH computes them from what you have"
                    .to_owned(),
            );
        }
    }
    submit::announce(&speaker, &lines);
    let body = Body::Approval(Approval {
        change: view.id.clone(),
        revision: submit::revision(&view),
        targets: view.targets.clone(),
        reviewed: view.subject.clone(),
        seen,
    });
    let me = speaker.me.clone();
    submit::say(global, &speaker, body, &[], |_| format!("{me} approved revision {} of {}", view.revision, view.id))
}

/// Computes the subject from what the approver has; a difference is an error.
fn recompute(speaker: &Speaker, view: &ChangeView, args: &Args) -> Result<Option<Computed>, CliError> {
    let differs = |what: String| {
        CliError::new("another-subject", format!("what you have is not what change {} is about: {what}", view.id))
            .hint(format!("fetch what was proposed, look at it, and approve again: countersign show {}", view.id))
    };
    match (&view.subject, &args.git, args.file.as_slice()) {
        (_, None, []) => Ok(None),
        (Subject::Git { repository, branch, base, head, .. }, Some(path), _) => {
            let git = Repository::open(path)?;
            let range = Range {
                repository: repository.clone(),
                branch: branch.clone(),
                base: git.resolve(base.as_str())?,
                head: git.resolve(head.as_str())?,
            };
            let Some(said) = propose::named(speaker, view)? else {
                return Err(differs(
                    "the names in its commits were erased, so that they cannot be compared".to_owned(),
                ));
            };
            let (facts, identities) = content::extract_facts(&git, &range, &said.salt)?;
            let proposed = view.facts.ok_or_else(|| differs("the change names no facts".to_owned()))?;
            if Digest::of(facts.to_blob()?) != proposed {
                let what = match GitFacts::parse(&speaker.client.blob(&proposed)?) {
                    Ok(theirs) if theirs.delta != facts.delta => "the difference between base and head",
                    Ok(_) => "the commits, their authors or their messages",
                    Err(_) => "the facts",
                };
                return Err(differs(what.to_owned()));
            }
            if identities != said {
                return Err(differs("the names in the commits".to_owned()));
            }
            Ok(Some(Computed { subject: view.subject.clone(), extracted: Some((facts, identities)) }))
        }
        (Subject::Files { files, .. }, _, paths @ [_, ..]) => {
            let mine = files::read_files(paths)?;
            for (name, file) in &mine {
                match files.get(name) {
                    Some(proposed) if *proposed == Digest::of(&file.bytes) => {}
                    Some(_) => return Err(differs(format!("the bytes of {name}"))),
                    None => return Err(differs(format!("it has no file {name}"))),
                }
            }
            if let Some(missing) = files.keys().find(|name| !mine.contains_key(*name)) {
                return Err(differs(format!("you left out {missing}")));
            }
            Ok(Some(Computed { subject: view.subject.clone(), extracted: None }))
        }
        (Subject::Files { .. }, Some(_), _) => Err(CliError::usage("this change is about files: pass --file PATH")),
        (Subject::Git { .. }, None, _) => Err(CliError::usage("this change is about commits: pass --git REPO")),
    }
}

/// Reject the present revision, or take your rejection back.
#[derive(Debug, clap::Args)]
pub struct RejectArgs {
    /// The change: its id, or the beginning of it.
    change: String,
    /// Why.
    #[arg(long, required_unless_present = "lift")]
    why: Option<String>,
    /// Take your rejection back.
    #[arg(long, conflicts_with = "why")]
    lift: bool,
}

pub fn reject(global: &Global, args: RejectArgs) -> Result<Exit, CliError> {
    let speaker = global.speaker()?;
    let view = speaker.client.change(&args.change)?;
    let (change, revision) = (view.id.clone(), submit::revision(&view));
    let me = speaker.me.clone();
    match args.why {
        Some(why) => {
            let (reason, blob) = submit::reason(&why)?;
            let line = format!("rejection of revision {} of change {}: {}", view.revision, view.id, view.title);
            submit::announce(&speaker, &[line]);
            let body = Body::Rejection(Rejection { change, revision, reason });
            submit::say(global, &speaker, body, &[blob], |_| format!("{me} rejected {}", view.id))
        }
        None => {
            submit::announce(&speaker, &[format!("lifting of your rejection of change {}", view.id)]);
            let body = Body::RejectionLift(RejectionLift { change, revision });
            submit::say(global, &speaker, body, &[], |_| format!("{me} lifted the rejection of {}", view.id))
        }
    }
}

/// Withdraw a change that you proposed.
#[derive(Debug, clap::Args)]
pub struct WithdrawArgs {
    /// The change: its id, or the beginning of it.
    change: String,
}

pub fn withdraw(global: &Global, args: WithdrawArgs) -> Result<Exit, CliError> {
    let speaker = global.speaker()?;
    let view = speaker.client.change(&args.change)?;
    submit::announce(&speaker, &[format!("withdrawal of change {}: {}", view.id, view.title)]);
    let body = Body::Withdrawal(Withdrawal { change: view.id.clone(), revision: submit::revision(&view) });
    submit::say(global, &speaker, body, &[], |_| format!("withdrew {}", view.id))
}
