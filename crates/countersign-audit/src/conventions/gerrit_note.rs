//! Gerrit's reviewnotes plugin: votes and the submitter in `refs/notes/review`.

use super::{Convention, Found, MAX_NOTE_BYTES, Says, named_people};
use crate::{Note, text::http_time};

pub(super) const REFERENCE: &str = "refs/notes/review";

pub const CONVENTION: Convention = Convention {
    name: "gerrit-note",
    proves: "who gave the highest vote (`Code-Review+2`), who submitted, and when, as Gerrit recorded it at submission",
    does_not_prove: "what was said; `Code-Review+1` and `Verified` are no approval; whoever may write the notes may edit them",
    find: |context| context.notes_in(REFERENCE).flat_map(read).collect(),
};

/// What one note says.
pub(super) fn read(note: &Note) -> Vec<Found> {
    let mut found = Vec::new();
    let text = String::from_utf8_lossy(note.body.get(..MAX_NOTE_BYTES).unwrap_or(&note.body));
    let lines = || text.lines().filter_map(|line| Some((line, line.split_once(": ")?)));
    let at = lines().find(|(_, (key, _))| *key == "Submitted-at").and_then(|(_, (_, value))| http_time(value));
    for (line, (key, value)) in lines() {
        let says = match key.trim() {
            "Code-Review+2" | "Approved+2" => Says::Approved,
            "Submitted-by" => Says::Landed,
            _ => continue,
        };
        let who = named_people(value).into_iter();
        found.extend(who.map(|who| Found { at, ..Found::by(says, who, line) }));
    }
    found
}
