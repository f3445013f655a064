//! `publish`: puts a change of what governs in force; and the approval of one, which shows what it means.

use std::io::IsTerminal as _;

use countersign_core::{
    statement::{Approval, Body, Publication, PublishedChange, Seen},
    subject::{GovernanceSubject, Subject},
};
use serde_json::json;

use super::{
    Global, approve,
    error::{CliError, Exit},
    meaning::{self, Meaning},
    output::{self, Format, faint, good},
    show,
    submit::{self, Session},
};
use crate::{client::ChangePrefix, reading::Reading, wire::ChangeView};

/// Put a change of rules, catalog or people in force.
///
/// Anybody can, once the rules in force allow it: who has approved it is in the log, and whoever follows the log works out again
/// that this was so. If something else came into force since the change was made, it is refused, stays open, and its author makes
/// it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign amend home --why \"Linus joins payments\"     propose what you edited\n  \
    countersign review 9f2c4e6a81d0                         somebody of the policy group, who had no hand in it\n  \
    countersign publish 9f2c4e6a81d0                        anybody")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// Do not ask, also on a terminal.
    #[arg(long)]
    yes: bool,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    let meaning = of_governance(&session, &reading)?;
    fits(&reading, &view, &meaning)?;
    let mut lines = approve::about("publication", &view);
    lines.extend(meaning.lines());
    submit::announce(&session.speaker, &lines);
    if !args.yes {
        submit::ask("put it in force?")?;
    }
    put_in_force(global, &session, &reading, &meaning)
}

/// What there is to say against it before anybody signs.
fn fits(reading: &Reading, view: &ChangeView, meaning: &Meaning) -> Result<(), CliError> {
    let short = view.id.short();
    if !reading.change().status.is_open() {
        return Err(CliError::new("change-closed", format!("change {short} is {}", view.state))
            .hint("there is nothing left to put in force"));
    }
    if meaning.overtaken {
        return Err(CliError::new(
            "publication-overtaken",
            format!("change {short} was made on something else than is in force"),
        )
        .hint(meaning::overtaken(short)));
    }
    if !view.allowed() {
        let explained = countersign_core::explain::Explained {
            decision: view.decision.clone(),
            explanation: view.explanation.clone(),
        };
        let message = format!("the rules in force do not allow change {short}:\n{}", show::to_do(&explained));
        return Err(CliError { exit: Exit::Refused, ..CliError::new("not-allowed", message) });
    }
    Ok(())
}

fn of_governance(session: &Session, reading: &Reading) -> Result<Meaning, CliError> {
    Meaning::of_change(&session.log, reading)?.ok_or_else(|| {
        let short = reading.change().id.short();
        let about = reading.subject().summary();
        CliError::new("another-kind-of-subject", format!("change {short} is about {about}, which a gate puts in force"))
            .hint(format!("push its commits, or: countersign apply {short} …"))
    })
}

fn put_in_force(global: &Global, session: &Session, reading: &Reading, meaning: &Meaning) -> Result<Exit, CliError> {
    let revision = reading.revision();
    let Subject::Governance(GovernanceSubject { files, parent, semantics }) = reading.subject() else {
        return Err(CliError::usage("only a change of what governs is published"));
    };
    let id = reading.change().id.clone();
    let receipt = session.say(
        Body::Publication(Publication {
            change: Some(PublishedChange { id: id.clone(), revision: revision.reference }),
            files: *files,
            parent: *parent,
            reason: revision.text,
            semantics: *semantics,
        }),
        &[],
    )?;
    match global.format {
        Format::Json => {
            let mut told = meaning.to_json();
            if let Some(told) = told.as_object_mut() {
                told.insert("change".to_owned(), json!(id));
                told.insert("publication".to_owned(), json!(receipt.statement));
                told.insert("index".to_owned(), json!(receipt.index));
            }
            output::json(&told)?;
        }
        Format::Text => {
            anstream::println!(
                "{}: publication {} of change {} is entry {} of the log",
                good("in force"),
                receipt.statement,
                id.short(),
                receipt.index
            );
            meaning.print();
            anstream::println!("{}", faint(format!("published by {}", session.speaker.me)));
        }
    }
    Ok(Exit::Done)
}

/// How somebody approves.
pub struct Approving {
    pub yes: bool,
    /// Whether it is put in force as well, where this approval completes it.
    pub publish: bool,
}

/// Approves a change of what governs, from the bytes that its signed statements name.
pub fn approve(global: &Global, session: &Session, reading: &Reading, how: &Approving) -> Result<Exit, CliError> {
    let view = reading.view()?;
    let meaning = of_governance(session, reading)?;
    let short = view.id.short();
    let mut lines = approve::about("approval", &view);
    lines.extend(meaning.lines());
    lines.push("seen: material, the bytes that its statements name, checked here".to_owned());
    submit::announce(&session.speaker, &lines);
    for line in meaning.diff()?.lines() {
        anstream::eprintln!("  {line}");
    }
    meaning.warn_if_overtaken(short);
    if !how.yes {
        submit::ask("sign this approval?")?;
    }
    sign(global, session, reading, Seen::Material, how)
}

/// Signs an approval of the present revision, exactly as it was read; and puts it in force as well where that is asked for.
pub fn sign(
    global: &Global,
    session: &Session,
    reading: &Reading,
    seen: Seen,
    how: &Approving,
) -> Result<Exit, CliError> {
    let view = reading.view()?;
    let meaning = of_governance(session, reading)?;
    let short = view.id.short();
    let body = Body::Approval(Approval {
        change: view.id.clone(),
        reviewed: view.subject_ref.clone(),
        revision: reading.revision_ref(),
        seen,
        targets: view.targets.clone(),
        within: reading.change().window(),
    });
    let receipt = session.say(body, &[])?;
    let reading = session.read(&ChangePrefix::from(&view.id))?;
    let now = reading.view()?;
    let completes = now.allowed() && !meaning.overtaken;
    if global.format == Format::Text {
        let (me, revision) = (&session.speaker.me, view.revision);
        anstream::println!("{me} approved revision {revision} of {short} (leaf {})", receipt.index);
    }
    // On a terminal somebody can answer; elsewhere only what was asked for is signed.
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if completes
        && (how.publish || (terminal && !how.yes && submit::ask("that completes it; put it in force now?").is_ok()))
    {
        return put_in_force(global, session, &reading, &meaning);
    }
    match global.format {
        Format::Json => output::json(&now)?,
        Format::Text => {
            show::of_mine(&now, &session.speaker.me);
            show::standing(&now);
            if completes {
                anstream::println!("  anybody puts it in force: countersign publish {short}");
            }
        }
    }
    Ok(Exit::Done)
}
