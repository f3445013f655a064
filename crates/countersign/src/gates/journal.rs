//! A gate's journal: what it was allowed, what it spent, and what it still has to report. One line of JSON an event,
//! written and synced before the gate acts on it, so that a permit is spent once even when the machine loses power.
//!
//! It stays short: when it has grown, what nobody will ask for again moves to a file beside it (`journal.1`, `journal.2`,
//! …), so that a push costs the same after ten thousand others. A permit that is long over needs no memory: its lease
//! refuses it.

mod shorter;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    ops::Deref,
    path::{Path, PathBuf},
};

use countersign_core::{
    glass::GLASS_SECS,
    ids::{ChangeId, Nonce, Oid, Target},
    statement::{OutcomeResult, RevisionRef},
    subject::{GitTransition, Transition},
};
use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    durable,
    home::files::word,
    unix::{self, Process},
};

/// Lines after which a journal is made short again.
const MAX_LINES: usize = 192;

#[derive(Debug, Error)]
pub enum JournalError {
    #[error("cannot {operation} the gate's journal {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("line {line} of the gate's journal {path} is damaged: {why}")]
    Damaged { path: PathBuf, line: usize, why: String },
    /// It is there from the installation on, and says something from then on.
    #[error("the gate's journal {path} is gone, or empty: where branches have to stand and what was spent is in it")]
    Lost { path: PathBuf },
}

impl JournalError {
    pub fn hint(&self) -> String {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run it as the user who owns it; where a group shares a repository, install the gate again".to_owned()
            }
            Self::Io { .. } => "without its journal the gate stays shut; is the disk full?".to_owned(),
            Self::Damaged { .. } => {
                "the journal says which permits are spent: put it back from a backup, do not delete it".to_owned()
            }
            // Only that of a repository is missed.
            Self::Lost { path } => format!(
                "put it back from a backup; where there is none, look at what the branches stand at, and begin another, which \
                 says so: countersign gate status {} --answer …",
                word(path.parent().and_then(Path::parent).unwrap_or(path))
            ),
        }
    }
}

/// A transition that the gate may let happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    pub permit: Digest,
    pub change: ChangeId,
    pub revision: RevisionRef,
    /// Those of the change, which its outcome names.
    pub targets: BTreeSet<Target>,
    pub transition: Transition,
    pub expires_at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    Reserved {
        reservation: Reservation,
        at: Time,
        /// The one process that it is for, where a gate knows: what another one does was not judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Process>,
        /// How many leaves the copy of the log had that it was judged by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaves: Option<u64>,
    },
    /// A branch is about to be moved for this permit. If nothing more is heard of it, and the branch stands there, it happened.
    LetThrough { permit: Digest, at: Time },
    /// It happened (or failed): the permit is spent.
    Settled { permit: Digest, result: OutcomeResult, exit_status: Option<i32>, at: Time },
    /// A protected branch stood there when the gate came.
    Found { reference: String, tip: Oid, at: Time },
    /// Where the copies lie that a command is to run over.
    Copied { permit: Digest, folder: PathBuf, at: Time },
    /// The process that the command runs in.
    Running { permit: Digest, process: Process, at: Time },
    /// The log has the outcome.
    Reported { permit: Digest },
    /// A reference would have moved without a permit, and was kept from it.
    Caught {
        detail: String,
        at: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
    /// A protected branch was found where no permit put it: the gate was gone round.
    Moved {
        reference: String,
        from: Oid,
        /// `None` where the branch is gone.
        to: Option<Oid>,
        at: Time,
        /// Whose the file is that says so, and since when, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Time>,
    },
    /// The log has a finding of that move.
    Raised { reference: String, from: Oid, to: Option<Oid>, at: Time },
    /// A branch moved whose gate only watches what that reaches: no permit put it there, and none was needed.
    Watched {
        reference: String,
        /// `None` where it is gone.
        to: Option<Oid>,
        at: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
    /// The log could not be reached: what people sign over who want this moved all the same.
    Drawn { nonce: Nonce, transition: Transition, at: Time },
    /// Somebody has looked at what was found until then, and says what it was.
    Answered {
        why: String,
        at: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
}

/// Where a branch has to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    At(Oid),
    /// It was found to be gone.
    Gone,
}

impl Place {
    pub fn of(tip: Option<&Oid>) -> Self {
        tip.map_or(Self::Gone, |tip| Self::At(tip.clone()))
    }

    pub fn words(&self) -> &str {
        match self {
            Self::At(tip) => tip.short(),
            Self::Gone => "nowhere",
        }
    }
}

/// What a reservation came to, with the exit status of a command.
pub type Unreported = (Reservation, OutcomeResult, Option<i32>);

/// What was reserved and not settled to its end: a program was cut off, or is at it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub reservation: Reservation,
    /// Whether the log has taken that it starts, so that the command may have run.
    pub started: bool,
    pub run: Run,
}

/// What was made for a command, and what it runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub folder: Option<PathBuf>,
    pub process: Option<Process>,
}

/// What a journal says. To look at it takes no lock, and no right to write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Past {
    events: Vec<Event>,
}

/// The journal, locked for this process.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    past: Past,
    /// Held as long as the journal is. A file of its own, since the journal's is replaced.
    _lock: File,
}

impl Journal {
    /// Opens and locks a journal that says something already; a second process waits.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let lost = || JournalError::Lost { path: path.to_owned() };
        // Nothing is made where there is none, a lock neither.
        if !path.exists() {
            return Err(lost());
        }
        let journal = Self::begin(path)?;
        if journal.past.events.is_empty() { Err(lost()) } else { Ok(journal) }
    }

    /// The same of one that may be new.
    pub fn begin(path: &Path) -> Result<Self, JournalError> {
        let io = |operation| move |source| JournalError::Io { operation, path: path.to_owned(), source };
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(io("make the directory of"))?;
        }
        let lock = durable::lock(&path.with_extension("lock")).map_err(io("lock"))?;
        let is_new = !path.exists();
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io("open"))?;
        if is_new && let Some(dir) = path.parent().filter(|dir| unix::is_shared(dir)) {
            unix::share(&file, dir).map_err(io("share"))?;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(io("read"))?;
        let (whole, past) = Past::parse(path, &text)?;
        if whole < text.len() {
            // A line that was cut off by a crash was never acted on.
            file.set_len(whole as u64).map_err(io("mend"))?;
        }
        let mut journal = Self { path: path.to_owned(), file, past, _lock: lock };
        if journal.past.events.len() > MAX_LINES {
            journal.shorten().map_err(io("shorten"))?;
        }
        Ok(journal)
    }

    /// Writes an event and waits until it is on disk.
    pub fn write(&mut self, event: Event) -> Result<(), JournalError> {
        self.write_all(vec![event])
    }

    /// Writes events that belong together, and waits until they are on disk.
    pub fn write_all(&mut self, events: Vec<Event>) -> Result<(), JournalError> {
        let io = |operation| {
            let path = self.path.clone();
            move |source| JournalError::Io { operation, path, source }
        };
        let text = lines(&events).map_err(io("write"))?;
        self.file.write_all(text.as_bytes()).map_err(io("write"))?;
        self.file.sync_data().map_err(io("sync"))?;
        self.past.events.extend(events);
        Ok(())
    }

    /// Moves what nobody will ask for again into a file beside the journal: first all of it is there, then the journal is
    /// replaced, so that nothing is lost in between.
    fn shorten(&mut self) -> io::Result<()> {
        let kept = shorter::kept(&self.past.events);
        // Where most of it is needed, the next opening would do all of this again.
        if kept.len() > self.past.events.len() / 2 {
            return Ok(());
        }
        let archive = (1..).map(|n| self.path.with_extension(n.to_string())).find(|path| !path.exists());
        if let Some(archive) = archive {
            durable::replace(&archive, lines(&self.past.events)?)?;
        }
        durable::replace(&self.path, lines(&kept)?)?;
        self.file = OpenOptions::new().read(true).append(true).open(&self.path)?;
        self.past.events = kept;
        Ok(())
    }
}

/// Whoever has the journal sees what it says.
impl Deref for Journal {
    type Target = Past;

    fn deref(&self) -> &Past {
        &self.past
    }
}

impl Past {
    /// Reads a journal that somebody else may be writing; `None` where there is none that says anything.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(Self::parse(path, &text)?.1).filter(|past| !past.events.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(JournalError::Io { operation: "read", path: path.to_owned(), source }),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Reads the whole lines, and says how many bytes they are.
    fn parse(path: &Path, text: &str) -> Result<(usize, Self), JournalError> {
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut events = Vec::new();
        for (n, line) in text.get(..whole).unwrap_or_default().lines().enumerate() {
            let event = serde_json::from_str(line).map_err(|e| JournalError::Damaged {
                path: path.to_owned(),
                line: n + 1,
                why: e.to_string(),
            })?;
            events.push(event);
        }
        Ok((whole, Self { events }))
    }

    /// Whether a permit was spent.
    pub fn is_spent(&self, permit: &Digest) -> bool {
        self.settled(permit).is_some()
    }

    fn settled(&self, permit: &Digest) -> Option<(OutcomeResult, Option<i32>)> {
        self.events.iter().rev().find_map(|event| {
            let Event::Settled { permit: of, result, exit_status, .. } = event else { return None };
            (of == permit).then_some((*result, *exit_status))
        })
    }

    fn reservations(&self) -> impl DoubleEndedIterator<Item = &Reservation> {
        self.events.iter().filter_map(|event| {
            let Event::Reserved { reservation, .. } = event else { return None };
            Some(reservation)
        })
    }

    /// Where the last permit put a branch, or where it was found: where it has to stand. `None` where nothing is known of it.
    pub fn expected(&self, branch: &str) -> Option<Place> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Found { reference, tip, .. } if reference == branch => Some(Place::At(tip.clone())),
            Event::Moved { reference, to, .. } | Event::Watched { reference, to, .. } if reference == branch => {
                Some(Place::of(to.as_ref()))
            }
            Event::Settled { permit, result: OutcomeResult::Applied, .. } => {
                let reservation = self.reservations().find(|reservation| reservation.permit == *permit)?;
                moved_by(reservation, branch).map(|moved| Place::At(moved.new.clone()))
            }
            Event::Reserved { .. }
            | Event::LetThrough { .. }
            | Event::Settled { .. }
            | Event::Found { .. }
            | Event::Copied { .. }
            | Event::Running { .. }
            | Event::Reported { .. }
            | Event::Caught { .. }
            | Event::Moved { .. }
            | Event::Raised { .. }
            | Event::Watched { .. }
            | Event::Drawn { .. }
            | Event::Answered { .. } => None,
        })
    }

    /// The permits for which a branch was let go from one commit to another, and of which nothing more was heard: the machine
    /// stopped, or the process that settles them waits. `None` where such permits do not lead there.
    ///
    /// ```text
    ///  let through ─> git moves the branch ─> settled
    ///       └──────── a stop in here ────────────┘
    /// ```
    pub fn way(&self, branch: &str, from: &Oid, to: &Oid) -> Option<Vec<Reservation>> {
        let (mut way, mut at) = (Vec::new(), from.clone());
        // More steps than there are events would go round in a circle.
        for _ in &self.events {
            if at == *to {
                return Some(way);
            }
            let step = |reservation: &&Reservation| {
                let starts = moved_by(reservation, branch).is_some_and(|moved| moved.old == at);
                starts && self.was_let_through(&reservation.permit) && !self.is_spent(&reservation.permit)
            };
            // Several changes may go with one move; and of several moves only one happened.
            let steps: Vec<&Reservation> = self.reservations().filter(step).collect();
            let leads =
                |reservation: &&&Reservation| moved_by(reservation, branch).is_some_and(|moved| moved.new == *to);
            let last = steps.iter().find(leads).or(steps.last())?;
            let next = moved_by(last, branch)?.new.clone();
            for reservation in steps {
                let same = moved_by(reservation, branch).is_some_and(|moved| moved.new == next);
                if same && !way.iter().any(|known: &Reservation| known.permit == reservation.permit) {
                    way.push(reservation.clone());
                }
            }
            at = next;
        }
        None
    }

    fn was_let_through(&self, permit: &Digest) -> bool {
        self.events.iter().any(|event| matches!(event, Event::LetThrough { permit: of, .. } if of == permit))
    }

    /// Reservations of such transitions that are not spent, the oldest first; some may be over.
    pub fn unspent(&self, of: impl Fn(&Transition) -> bool) -> Vec<Reservation> {
        // What is asked for first: looking through the journal for each reservation costs more.
        let asked = self.reservations().filter(|reservation| of(&reservation.transition));
        asked.filter(|reservation| !self.is_spent(&reservation.permit)).cloned().collect()
    }

    /// The same, of those for which git was let move a branch.
    pub fn let_through(&self, of: impl Fn(&Transition) -> bool) -> Vec<Reservation> {
        let mut unspent = self.unspent(of);
        unspent.retain(|reservation| self.was_let_through(&reservation.permit));
        unspent
    }

    /// Reservations of exactly this transition that are neither spent nor over.
    pub fn reserved(&self, transition: &Transition, now: Time) -> Vec<Reservation> {
        let mut reserved = self.unspent(|reserved| reserved == transition);
        reserved.retain(|reservation| reservation.expires_at >= now);
        reserved
    }

    /// The same, of what was reserved for this process.
    pub fn reserved_for(&self, transition: &Transition, process: &Process, now: Time) -> Vec<Reservation> {
        let mut reserved = self.reserved(transition, now);
        reserved.retain(|reservation| {
            self.events.iter().any(|event| {
                matches!(event, Event::Reserved { reservation: of, by, .. } if of == reservation && by.as_ref() == Some(process))
            })
        });
        reserved
    }

    /// What was reserved for this process and leads, one move after the other, where this one does. Nothing where it does not.
    pub fn reserved_way(&self, moved: &GitTransition, process: &Process, now: Time) -> Vec<Reservation> {
        let (mut way, mut at) = (Vec::new(), moved.old.clone());
        for _ in &self.events {
            let next = self.reservations().rev().find_map(|reservation| {
                let step = moved_by(reservation, &moved.reference).filter(|step| step.old == at)?;
                let reserved = self.reserved_for(&reservation.transition, process, now);
                (!reserved.is_empty()).then(|| (reserved, step.new.clone()))
            });
            let Some((reserved, new)) = next else { return Vec::new() };
            way.extend(reserved);
            at = new;
            if at == moved.new {
                return way;
            }
        }
        Vec::new()
    }

    /// What was drawn for this transition within the last hour, the newest.
    pub fn drawn(&self, transition: &Transition, now: Time) -> Option<(Nonce, Time)> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Drawn { nonce, transition: of, at } if of == transition && at.plus_secs(GLASS_SECS) > now => {
                Some((nonce.clone(), *at))
            }
            _ => None,
        })
    }

    /// Whether a change was applied here and the log does not have that yet. What the log has, it says itself.
    pub fn has_landed(&self, change: &ChangeId) -> bool {
        let applied = |result: &OutcomeResult| match result {
            OutcomeResult::Applied => true,
            OutcomeResult::Started | OutcomeResult::Failed => false,
        };
        self.unreported().iter().any(|(reservation, result, _)| reservation.change == *change && applied(result))
    }

    /// What was settled and is not in the log yet. That something started the log has taken before it did.
    pub fn unreported(&self) -> Vec<Unreported> {
        let mut settled = BTreeMap::new();
        let mut reported = BTreeSet::new();
        for event in &self.events {
            match event {
                Event::Settled {
                    permit,
                    result: result @ (OutcomeResult::Applied | OutcomeResult::Failed),
                    exit_status,
                    ..
                } => {
                    settled.insert(*permit, (*result, *exit_status));
                }
                Event::Reported { permit } => {
                    reported.insert(*permit);
                }
                Event::Settled { result: OutcomeResult::Started, .. }
                | Event::Reserved { .. }
                | Event::Found { .. }
                | Event::Copied { .. }
                | Event::Running { .. }
                | Event::LetThrough { .. }
                | Event::Caught { .. }
                | Event::Moved { .. }
                | Event::Raised { .. }
                | Event::Watched { .. }
                | Event::Drawn { .. }
                | Event::Answered { .. } => {}
            }
        }
        let mut found = Vec::new();
        for reservation in self.reservations().filter(|reservation| !reported.contains(&reservation.permit)) {
            // Once, also where a permit was reserved twice.
            if let Some((result, exit_status)) = settled.remove(&reservation.permit) {
                found.push((reservation.clone(), result, exit_status));
            }
        }
        found
    }

    /// When it was last written.
    pub fn last_at(&self) -> Option<Time> {
        self.events.iter().filter_map(shorter::time_of).max()
    }

    /// What was caught, found and answered, in the order in which it was.
    pub fn incidents(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| is_incident(event))
    }

    /// Branches that were found where no permit put them, and that nobody has answered for since.
    pub fn unanswered(&self) -> impl Iterator<Item = &Event> {
        let answered = self.events.iter().rposition(|event| matches!(event, Event::Answered { .. }));
        let since = answered.map_or(0, |at| at + 1);
        self.events.iter().skip(since).filter(|event| matches!(event, Event::Moved { .. }))
    }

    /// Branches that were found where no permit put them, and of which the log has no finding.
    pub fn untold(&self) -> Vec<Event> {
        let is_of = |told: &Event, moved: &Event| match (told, moved) {
            (
                Event::Raised { reference, from, to, .. },
                Event::Moved { reference: moved, from: left, to: found, .. },
            ) => (reference, from, to) == (moved, left, found),
            _ => false,
        };
        let moved = self.events.iter().enumerate().filter(|(_, event)| matches!(event, Event::Moved { .. }));
        let untold = moved.filter(|(n, moved)| !self.events.iter().skip(*n).any(|told| is_of(told, moved)));
        untold.map(|(_, moved)| moved.clone()).collect()
    }

    /// What was reserved here and is not known to have ended.
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let mut runs = self.runs();
        let mut unfinished: BTreeMap<Digest, Unfinished> = BTreeMap::new();
        for reservation in self.reservations() {
            let (permit, reservation) = (reservation.permit, reservation.clone());
            let run = runs.remove(&permit).unwrap_or_default();
            unfinished.entry(permit).or_insert(Unfinished { reservation, started: false, run });
        }
        for event in &self.events {
            let Event::Settled { permit, result, .. } = event else { continue };
            match result {
                OutcomeResult::Started => {
                    if let Some(one) = unfinished.get_mut(permit) {
                        one.started = true;
                    }
                }
                OutcomeResult::Applied | OutcomeResult::Failed => drop(unfinished.remove(permit)),
            }
        }
        unfinished.into_values().collect()
    }

    /// What was made for commands, by their permits.
    pub fn runs(&self) -> BTreeMap<Digest, Run> {
        let mut runs: BTreeMap<Digest, Run> = BTreeMap::new();
        for event in &self.events {
            match event {
                Event::Copied { permit, folder, .. } => {
                    runs.entry(*permit).or_default().folder = Some(folder.clone());
                }
                Event::Running { permit, process, .. } => {
                    runs.entry(*permit).or_default().process = Some(process.clone());
                }
                Event::Reserved { .. }
                | Event::LetThrough { .. }
                | Event::Settled { .. }
                | Event::Found { .. }
                | Event::Reported { .. }
                | Event::Caught { .. }
                | Event::Moved { .. }
                | Event::Raised { .. }
                | Event::Watched { .. }
                | Event::Drawn { .. }
                | Event::Answered { .. } => {}
            }
        }
        runs
    }
}

fn is_incident(event: &Event) -> bool {
    match event {
        Event::Caught { .. } | Event::Moved { .. } | Event::Answered { .. } => true,
        Event::Reserved { .. }
        | Event::LetThrough { .. }
        | Event::Settled { .. }
        | Event::Found { .. }
        | Event::Raised { .. }
        | Event::Watched { .. }
        | Event::Drawn { .. }
        | Event::Copied { .. }
        | Event::Running { .. }
        | Event::Reported { .. } => false,
    }
}

/// How a reservation moves a branch.
fn moved_by<'a>(reservation: &'a Reservation, branch: &str) -> Option<&'a GitTransition> {
    match &reservation.transition {
        Transition::Git(moved) if moved.reference == branch => Some(moved),
        Transition::Git(_) | Transition::Apply(_) => None,
    }
}

fn lines(events: &[Event]) -> io::Result<String> {
    let mut text = String::new();
    for event in events {
        text.push_str(&serde_json::to_string(event)?);
        text.push('\n');
    }
    Ok(text)
}
