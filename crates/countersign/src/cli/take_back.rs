//! `take-back`: one's own approval counts no more.

use std::collections::BTreeSet;

use countersign_core::statement::{ApprovalWithdrawal, Body};

use super::{
    Global,
    error::{CliError, Exit},
    output,
    submit::{self, announce},
};
use crate::client::ChangePrefix;

/// Take your own approval of a change back.
///
/// It counts no more, a permit that nobody has spent yet does not open after it, and you may approve again. To stop the change
/// whatever others approve, reject it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    let me = session.speaker.me.clone();
    let mine: BTreeSet<u32> = view.approvals.iter().filter(|one| one.by == me).map(|one| one.revision).collect();
    if mine.is_empty() {
        let short = view.id.short();
        return Err(CliError::refused("not-approved", format!("no approval of change {short} by {me} stands")).hint(
            format!("see what stands: countersign show {short}; to stop it: countersign reject {short} --why …"),
        ));
    }
    let mine = output::list(mine);
    let lines =
        [format!("taking back of your approval of revision {mine} of change {}: {}", view.id.short(), view.title)];
    announce(&session.speaker, &lines);
    let body =
        Body::ApprovalWithdrawal(ApprovalWithdrawal { change: view.id.clone(), revision: reading.revision_ref() });
    submit::say(global, &session, body, &[], |_| {
        format!("{me} took their approval of revision {mine} of {} back", view.id.short())
    })
}
