//! `diff`: exactly what would be signed.

use std::path::PathBuf;

use countersign_core::subject::{FilesSubject, Subject, quoted};
use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    looking::{self, Looked, Origin},
    output::{self, Format, faint, printable},
    pager,
};
use crate::{client::ChangePrefix, clock, difference::Length, reading::Reading, wire::ChangeView};

/// Show what a change brings: exactly what would be signed.
///
/// Contents come from the server, or with --git from your clone, and each is compared with the id that was signed before it is
/// shown. Invisible, bidirectional and control characters are shown as <U+202E>, and attributes of a repository hide nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign diff 9f2c4e6a81d0\n  \
    countersign diff 9f2c4e6a81d0 --since 1\n\n\
    On a terminal it is shown by $GIT_PAGER, your own core.pager or $PAGER.")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// What this revision would have made of each path, compared with what the present one does.
    #[arg(long, value_name = "REVISION")]
    since: Option<u32>,
    #[command(flatten)]
    at_hand: AtHand,
}

/// Where contents are looked for.
#[derive(Debug, Default, clap::Args)]
pub struct AtHand {
    /// Your clone, with the commits fetched, instead of what the server has.
    #[arg(long, value_name = "REPO", conflicts_with = "file")]
    pub git: Option<PathBuf>,
    /// Your copy of the files (repeatable), instead of what the server has.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub file: Vec<PathBuf>,
    /// Show also what is very long to its end.
    #[arg(long)]
    pub full: bool,
}

impl AtHand {
    pub fn length(&self) -> Length {
        if self.full { Length::Full } else { Length::Bounded }
    }
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let log = global.log()?;
    let reading = log.read(&args.change, clock::now())?;
    let view = reading.view()?;
    let origin = Origin::of(&log.client, args.at_hand.git.as_deref(), &args.at_hand.file);
    let looked = match args.since {
        Some(then) => looking::since(&reading, then, origin, args.at_hand.length())?,
        None => looking::look(&reading, origin, args.at_hand.length())?,
    };
    match global.format {
        Format::Json => output::json(&json!({
            "change": view.id,
            "revision": view.revision,
            "since": args.since,
            "seen": looked.seen,
            "whole": looked.is_whole(),
            "files": looked.shown,
        }))?,
        Format::Text => pager::page(&text(&reading, &view, args.since, &looked)),
    }
    Ok(if looked.is_whole() { Exit::Done } else { Exit::Failed })
}

fn text(reading: &Reading, view: &ChangeView, since: Option<u32>, looked: &Looked) -> String {
    let since = since.map(|then| format!(" since revision {then}")).unwrap_or_default();
    let mut lines = vec![
        format!("change {} revision {}{since}: {}", view.id.short(), view.revision, view.title),
        format!("{}; {}", view.subject.summary(), looked.size()),
    ];
    lines.extend(command(&view.subject));
    lines.extend(looked.told(reading));
    let head: String = lines.iter().map(|line| format!("{}\n", faint(printable(line)))).collect();
    format!("{head}\n{}", looked.text())
}

/// The command by which files are applied, which is signed as they are.
pub fn command(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Files(FilesSubject { command: Some(words), .. }) => Some(format!("command: {}", quoted(words))),
        Subject::Files(_) | Subject::Git(_) | Subject::Governance(_) => None,
    }
}
