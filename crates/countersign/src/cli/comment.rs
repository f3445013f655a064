//! `comment`: a remark on a change, or on a line of it; it neither grants nor stops anything.

use countersign_core::{
    facts::GitFacts,
    governance::read_manifest,
    statement::{Body, Comment},
    subject::Subject,
    text::CommentText,
};
use countersign_ledger::Digest;

use super::{
    Global,
    error::{CliError, Exit},
    looking::{self, After},
    output::{self, Format, printable},
    submit::{Session, announce},
};
use crate::{client::ChangePrefix, random, reading::Reading};

/// Remark something on a change, or on a line of it.
///
/// It is signed and stands in the change, with the revision that it is of; it approves nothing and stops nothing (countersign
/// reject does). Its words lie beside the ledger and can be erased.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign comment 9f2c4e6a81d0 'which load test is that?'\n  \
    countersign comment 9f2c4e6a81d0 --path checkout/timeout --line 1 'seconds or milliseconds?'")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// What there is to say.
    text: String,
    /// A file that the change touches.
    #[arg(long)]
    path: Option<String>,
    /// A line of it, as it is after the change.
    #[arg(long, value_name = "N", requires = "path", value_parser = clap::value_parser!(u32).range(1..))]
    line: Option<u32>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    if let Some(path) = &args.path {
        touches(&reading, path)?;
        if let Some(line) = args.line {
            has_line(&session, &reading, path, line)?;
        }
    }
    let text = CommentText { salt: random::nonce(), text: args.text, path: args.path, line: args.line };
    sign(global, &session, &reading, &text)
}

/// Signs a remark on the present revision, exactly as it was read.
pub fn sign(global: &Global, session: &Session, reading: &Reading, text: &CommentText) -> Result<Exit, CliError> {
    let view = reading.view()?;
    let blob = text.to_blob()?;
    CommentText::parse(&blob)?;
    announce(
        &session.speaker,
        &[
            format!("comment on revision {} of change {}: {}", view.revision, view.id.short(), view.title),
            text.text.clone(),
        ],
    );
    let me = session.speaker.me.clone();
    let body =
        Body::Comment(Comment { change: view.id.clone(), revision: reading.revision_ref(), text: Digest::of(&blob) });
    let receipt = session.say(body, &[blob])?;
    match global.format {
        Format::Json => output::json(&session.read(&ChangePrefix::from(&view.id))?.view()?)?,
        // How the change stands is not what was asked.
        Format::Text => anstream::println!("{me} commented on {} (leaf {})", view.id.short(), receipt.index),
    }
    Ok(Exit::Done)
}

/// A remark on a line that is not there would be read beside nothing. What the server does not have nobody can count here.
fn has_line(session: &Session, reading: &Reading, path: &str, line: u32) -> Result<(), CliError> {
    let (short, shown) = (reading.change().id.short(), printable(path));
    let lines = match looking::after(reading, &session.log.client, path)? {
        After::Content(bytes) => bytes.split_inclusive(|byte| *byte == b'\n').count(),
        After::Unknown => {
            let note = "the server does not have that file: whether it has this line is not checked";
            anstream::eprintln!("{} {note}", output::warn("note:"));
            return Ok(());
        }
        After::Nothing => {
            return Err(CliError::usage(format!(
                "change {short} leaves no lines in `{shown}`: it is deleted, or a submodule"
            ))
            .hint("leave --line away: the remark is of the file then"));
        }
    };
    if usize::try_from(line).is_ok_and(|line| line <= lines) {
        return Ok(());
    }
    let has = output::count(lines, "line");
    Err(CliError::usage(format!("--line {line}: `{shown}` has {has} after change {short}")).hint(match lines {
        0 => "leave --line away: the remark is of the file then".to_owned(),
        lines => format!("a line from 1 to {lines}, as the file is after the change: countersign diff {short}"),
    }))
}

/// A remark on a file that is not there would be read by nobody who looks at the content.
fn touches(reading: &Reading, path: &str) -> Result<(), CliError> {
    let paths: Vec<String> = match reading.subject() {
        Subject::Files(files) => files.files.keys().cloned().collect(),
        Subject::Governance(subject) => {
            let list = |digest: &Digest| reading.blob(digest).map(<[u8]>::to_vec);
            read_manifest(&subject.files, &list)?.into_keys().collect()
        }
        Subject::Git(_) => {
            let facts = reading.revision().facts.and_then(|digest| reading.blob(&digest)).map(GitFacts::parse);
            facts
                .transpose()?
                .map(|facts| facts.paths.iter().map(|touched| touched.path.to_string()).collect())
                .unwrap_or_default()
        }
    };
    if paths.iter().any(|touched| touched == path) {
        return Ok(());
    }
    const NAMED: usize = 10;
    let more = paths.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let named = output::joined(paths.iter().take(NAMED).map(|path| printable(path)));
    let what = format!("change {} does not touch `{}`", reading.change().id.short(), printable(path));
    Err(CliError::new("another-path", what).hint(format!("it touches {named}{more}")))
}
