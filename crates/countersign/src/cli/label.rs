//! `label`: words that rules ask about, put on a change or taken off it.

use std::collections::BTreeSet;

use countersign_core::{
    ids::Label,
    statement::{Body, LabelAct, Labelling},
};

use super::{
    Global,
    error::{CliError, Exit},
    output,
    submit::{self, announce},
};
use crate::client::ChangePrefix;

/// Put labels on a change, or take them off.
///
/// A label is signed and stands until it is taken off, over later revisions, too. Rules ask for `labels.all`, or for
/// `labels.by_others`: those that somebody who had no hand in the change put on just this revision. Whoever put a label on takes it off;
/// what others put on comes off by a person who had no hand in the change.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign label 9f2c4e6a81d0 no-backport\n  \
    countersign label 9f2c4e6a81d0 do-not-merge/hold --remove")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// Lower-case letters, digits and `-_./`, at most 50.
    #[arg(required = true)]
    labels: Vec<Label>,
    /// Take them off.
    #[arg(long)]
    remove: bool,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    let labels: BTreeSet<Label> = args.labels.into_iter().collect();
    let (what, named, short) = (if args.remove { "off" } else { "on" }, output::list(&labels), view.id.short());
    let verb = if args.remove { "taking" } else { "putting" };
    let line = format!("{verb} {named} {what} revision {} of change {short}: {}", view.revision, view.title);
    announce(&session.speaker, &[line]);
    let me = session.speaker.me.clone();
    let act = if args.remove { LabelAct::TakeOff } else { LabelAct::PutOn };
    let body = Body::Label(Labelling { act, change: view.id.clone(), labels, revision: reading.revision_ref() });
    let did = if args.remove { "took" } else { "put" };
    submit::say(global, &session, body, &[], |_| format!("{me} {did} {named} {what} {short}"))
}
