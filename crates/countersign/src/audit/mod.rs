//! Audit: reading the history of any repository, and writing down what it proves.
//!
//! [`reader`] streams landed changes out of git, `countersign_audit` judges them, [`report`] puts it together,
//! [`text`] tells it on a terminal and [`html`] in a browser. Nothing is ever written into the audited repository and
//! nothing is fetched for it; whoever reads the report sees only what git has.

mod carried;
pub mod forge;
pub mod governed;
pub mod html;
pub mod loaded;
pub mod names;
mod next;
pub mod progress;
pub mod reader;
pub mod replayed;
pub mod report;
pub mod scope;
pub mod simulated;
pub mod started;
pub mod text;

use countersign_audit::{
    Audited, LandedChange, Mailmap, People, Reverts, Scope, Summary, codeowners::LOCATIONS, judge,
};

use self::{
    progress::Progress,
    reader::{History, ReadError},
    scope::Prepared,
};

const MAILMAP: &str = ".mailmap";

/// A history whose changes have all been judged.
#[derive(Debug)]
pub struct Judged {
    /// Oldest first.
    pub changes: Vec<Audited>,
    pub people: People,
    pub scope: Scope,
    /// Where `CODEOWNERS` was read, if there is one.
    pub owners_file: Option<&'static str>,
    /// Files about people and owners that the branch has and that this clone lacks.
    pub unread: Vec<String>,
    pub summary: Summary,
    pub reverts: Reverts,
}

/// Reads and judges every landed change of a history.
pub fn judge_all(history: &History, prepared: Prepared, progress: &Progress) -> Result<Judged, ReadError> {
    judge_watched(history, prepared, progress, |_, _| {})
}

/// The same, showing every change as it was read to somebody who wants more of it than a verdict; newest first.
pub fn judge_watched(
    history: &History,
    prepared: Prepared,
    progress: &Progress,
    mut watch: impl FnMut(&LandedChange, &Scope),
) -> Result<Judged, ReadError> {
    let mailmap = history.file(MAILMAP)?.map(|text| Mailmap::parse(&text));
    let mut people = People::new(mailmap.unwrap_or_default());
    let Prepared { mut scope, owners_file } = prepared;
    let mut changes = Vec::with_capacity(history.len());
    for change in history.changes()? {
        let change = change?;
        watch(&change, &scope);
        changes.push(judge(&change, &mut people, &mut scope));
        progress.one_more();
    }
    changes.reverse();
    people.settle();
    let mut summary = Summary::default();
    for change in &mut changes {
        change.settle(&people);
        summary.add(change, &people);
    }
    let reverts = Reverts::find(&changes);
    let unread = history.unread(&[&LOCATIONS[..], &[MAILMAP]].concat())?;
    Ok(Judged { changes, people, scope, owners_file, unread, summary, reverts })
}
