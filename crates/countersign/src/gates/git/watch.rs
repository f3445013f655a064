//! A gate that only watches: what reaches nothing that it enforces passes, and what it would have met is written down.
//!
//! A gate watches where `gate.yaml` says so *and* the log does: two people have to agree before what was enforced is only
//! watched, and who edits the file alone loosens nothing as long as the copy of the log can be asked.
//!
//! ```text
//!  push ─> judged as ever ─> may go: lands by permit, as in an enforcing gate
//!                         └─ may not: only what is watched? ─> written down, told, and let pass
//! ```

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, BufRead as _, Write as _},
    path::Path,
};

use countersign_core::{
    change::Change,
    decision::{Mode, RuleStatus},
    explain::ExplainedRule,
    facts::{self, Range, delta, git::GitRead as _},
    ids::{ActorId, ChangeId, Oid, Target},
    kind::{self, Documents, Kind},
    preview::Preview,
    state::GateRecord,
    subject::{GitSubject, Subject},
};
use countersign_ledger::Time;
use serde::{Deserialize, Serialize};

use super::{
    Branch, FOLDER, GateError, GitGate, Update, Value,
    examine::{self, Push},
    refused, status,
};
use crate::{
    gates::desk::{Desk, Judged},
    git::Repository,
    home::HomeError,
    random, unix,
};

/// What was watched, a line of JSON each.
const FILE: &str = "watched";
/// From this size on a file is laid aside; the one that was laid aside before goes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Paths that no entry names and that are written down of one push.
const MAX_UNMAPPED: usize = 50;

/// A push that passed because nobody enforces yet what it reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Met {
    pub at: Time,
    pub branch: String,
    pub from: Oid,
    pub to: Oid,
    /// Of the process that pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The person of the catalog who made it, as far as its commits tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ActorId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub targets: BTreeSet<Target>,
    /// The change that it brings, where somebody has proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeId>,
    /// What an enforcing gate would have refused it for.
    pub code: String,
    pub said: String,
    /// Paths that no entry of the map names, some of them where there are many.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unmapped: BTreeSet<String>,
    /// The rules that would have stopped it, or a proposal of it; and those in watch that it did not meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<MetRule>,
}

impl Met {
    /// Whether the branch was taken away.
    pub fn deletes(&self) -> bool {
        self.to.is_zero()
    }
}

/// A rule that stops, or that would if it were enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetRule {
    pub rule: String,
    /// Whether it is in watch, and so stops nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watch: bool,
    /// What is missing, in words.
    pub missing: Vec<String>,
    /// Whom it falls on: the nearest who could supply it.
    pub who: BTreeSet<ActorId>,
    /// The commands that do.
    pub how: BTreeSet<String>,
}

/// Whether a move of a branch reaches nothing that this gate enforces. Where that cannot be told, it does.
pub(super) fn passes(gate: &GitGate, branch: &Branch, from: Option<&Oid>, to: Option<&Oid>) -> bool {
    if branch.watch.is_empty() || !is_agreed(gate, branch) {
        return false;
    }
    if branch.is_watched() {
        return true;
    }
    match (from, to) {
        (Some(from), Some(to)) if !from.is_zero() && !to.is_zero() => {
            reaches_only_watched(gate, branch, from, to).unwrap_or(false)
        }
        _ => false,
    }
}

/// The same of what git tells a hook.
pub(super) fn passes_update(gate: &GitGate, update: &Update) -> bool {
    let Some(branch) = gate.config.branch(&update.reference) else { return false };
    passes(gate, branch, update.old.object(), update.new.object())
}

/// As many new commits as are looked at: what brings more is judged as if it reached everything.
const MAX_COMMITS: usize = 1_000;

/// Nothing that is enforced is touched: not by all of it together, and not by any commit on the way, which would be on the branch for
/// ever; and nothing is taken from the branch's history.
fn reaches_only_watched(gate: &GitGate, branch: &Branch, from: &Oid, to: &Oid) -> Result<bool, GateError> {
    let repository = Repository::in_hook(&gate.repository, to, &gate.repository.join(FOLDER))?;
    if facts::moves_on(&repository, from, to).is_err() {
        return Ok(false);
    }
    let only_watched = |old: &Oid, new: &Oid| -> Result<bool, GateError> {
        let paths = delta::touched(&repository.diff(old, new)?);
        Ok(branch.only_watches(&branch.reached(paths.iter().map(examine::place))))
    };
    let arriving = repository.range(from, to, MAX_COMMITS + 1)?;
    if arriving.len() > MAX_COMMITS || !only_watched(from, to)? {
        return Ok(false);
    }
    let led = examine::led(&repository, branch, to, &delta::touched(&repository.diff(from, to)?))?;
    if !led.iter().all(|target| branch.watch.contains(target)) {
        return Ok(false);
    }
    for id in &arriving {
        // What a merge brings of its other parents, their own commits tell.
        let commit = repository.commit(id)?;
        let Some(parent) = commit.parents.first() else { return Ok(false) };
        if !only_watched(parent, id)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the log says, too, that all of this is only watched here, by this map. A copy that cannot be asked contradicts nobody.
fn is_agreed(gate: &GitGate, branch: &Branch) -> bool {
    match status::registered(gate) {
        Some(record) => record.map == gate.config.map_digest() && differs(&record, branch).is_none(),
        None => true,
    }
}

/// What `gate.yaml` only watches on a branch, and the log does not.
pub(super) fn differs(record: &GateRecord, branch: &Branch) -> Option<Target> {
    branch.watch.iter().find(|target| !record.watches(&branch.branch, target)).cloned()
}

/// Writes down what a push would have met, and tells whoever pushes. That it cannot be written down stops nothing.
pub(super) fn met(gate: &GitGate, update: &Update, error: &GateError, now: Time) {
    let (Some(branch), Value::Object(from), Value::Object(to)) =
        (gate.config.branch(&update.reference), &update.old, &update.new)
    else {
        return;
    };
    let account = unix::account();
    let mut met = Met {
        at: now,
        branch: branch.branch.clone(),
        from: from.clone(),
        to: to.clone(),
        account,
        by: None,
        targets: BTreeSet::new(),
        change: None,
        code: error.code().to_owned(),
        said: first_line(error),
        unmapped: BTreeSet::new(),
        rules: Vec::new(),
    };
    // Whatever cannot be found out about it is left out.
    if !from.is_zero() && !to.is_zero() {
        let _ = look(gate, branch, &mut met, now);
    }
    tell(&met);
    if let Err(error) = write(&gate.repository.join(FOLDER).join(FILE), &met) {
        eprintln!("countersign: what this gate watches cannot be written down: {error}");
    }
}

fn first_line(error: &GateError) -> String {
    match error {
        GateError::Refused(refused) => refused.what().to_owned(),
        other => other.to_string(),
    }
}

/// What the rules say of it: of the change that somebody proposed, or of one that somebody would.
fn look(gate: &GitGate, branch: &Branch, met: &mut Met, now: Time) -> Result<(), GateError> {
    let repository = Repository::in_hook(&gate.repository, &met.to, &gate.repository.join(FOLDER))?;
    let push = Push { gate, repository: &repository, branch, old: met.from.clone(), new: met.to.clone() };
    let paths = delta::touched(&repository.diff(&met.from, &met.to)?);
    let reached = branch.reached(paths.iter().map(examine::place));
    met.unmapped = reached.unmapped.iter().take(MAX_UNMAPPED).map(|path| (*path).to_owned()).collect();
    met.targets = reached.targets;
    met.targets.extend(examine::led(&repository, branch, &met.to, &paths)?);
    let desk = gate.desk()?;
    let governance = desk.governance()?;
    let range = Range {
        repository: gate.config.repository.clone(),
        branch: branch.branch.clone(),
        base: met.from.clone(),
        head: met.to.clone(),
    };
    let extracted = facts::facts(&repository, &range, &random::nonce()).ok();
    met.by = extracted.as_ref().and_then(|(_, names)| {
        let known = |mail: &str| governance.catalog.person_by_mail(mail).map(|person| person.id.clone());
        names.people.values().find_map(|ident| known(&ident.mail))
    });
    let proposed = desk.changes_bringing(&gate.config.repository, &branch.branch, &push.delta()?)?.into_iter().next();
    met.change = proposed.as_ref().map(|change| change.id.clone());
    let change = match (proposed, extracted) {
        (Some(change), _) => change,
        (None, Some((facts, names))) => {
            let message = repository.commit(&met.to)?.message;
            let by = met.by.clone().map_or_else(|| gate.config.actor(), Ok)?;
            let subject = GitSubject {
                repository: range.repository,
                branch: range.branch,
                base: range.base,
                head: range.head,
                delta: facts.delta,
            };
            let documents = Documents { why: chars(&message), form: form(&message), ..Documents::default() };
            let subject = Subject::Git(subject);
            let preview = Preview::of(Kind::Code, met.targets.clone(), documents, subject, Some((facts, names)))?;
            preview.change(&by, &governance, now)?
        }
        (None, None) => return Ok(()),
    };
    met.rules = stopping(&desk, &change, met.change.is_some(), now)?;
    Ok(())
}

/// What its message says counts as its reason.
fn chars(message: &[u8]) -> u32 {
    u32::try_from(String::from_utf8_lossy(message).trim().chars().count()).unwrap_or(u32::MAX)
}

/// Its first line stands for a title.
fn form(message: &[u8]) -> String {
    let message = String::from_utf8_lossy(message);
    kind::form(message.lines().next().unwrap_or_default()).unwrap_or_default().to_owned()
}

/// The rules that stop a change here and now, and those that would if they were enforced.
fn stopping(desk: &Desk, change: &Change, is_proposed: bool, now: Time) -> Result<Vec<MetRule>, GateError> {
    let (_, Judged { explanation, .. }) = desk.judge(change, now)?;
    let watches = |rule: &ExplainedRule| rule.mode == Mode::Watch && rule.status == RuleStatus::Unsatisfied;
    let rules = explanation.rules.iter().filter(|rule| rule.stops() || watches(rule));
    let met = |rule: &ExplainedRule| MetRule {
        rule: rule.id.to_string(),
        watch: !rule.stops(),
        missing: match rule.obligations.as_slice() {
            [] => vec![rule.requires.clone()],
            obligations => obligations.iter().map(|obligation| obligation.missing.clone()).collect(),
        },
        who: rule.obligations.iter().flat_map(|obligation| obligation.who.iter().cloned()).collect(),
        // A change that nobody proposed has no id that a command could name.
        how: match is_proposed {
            true => rule.obligations.iter().map(|o| o.how.replace(change.id.as_str(), change.id.short())).collect(),
            false => BTreeSet::new(),
        },
    };
    Ok(rules.map(met).collect())
}

/// Two or three lines: nobody who is not stopped reads more.
fn tell(met: &Met) {
    eprintln!(
        "countersign: this gate only watches, and lets it pass. It would say: {} [{}]",
        refused::plain(&met.said),
        met.code
    );
    let rules: Vec<&str> = met.rules.iter().filter(|rule| !rule.watch).map(|rule| rule.rule.as_str()).collect();
    if !rules.is_empty() {
        eprintln!("countersign:   rules that would stop it: {}", rules.join(", "));
    }
}

fn write(path: &Path, met: &Met) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| found.len() > MAX_BYTES) {
        fs::rename(path, path.with_extension("before"))?;
    }
    let is_new = !path.exists();
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    if is_new && let Some(folder) = path.parent().filter(|folder| unix::is_shared(folder)) {
        unix::share(&file, folder)?;
    }
    let mut line = serde_json::to_vec(met).map_err(io::Error::other)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// What was watched since a moment, the oldest first. A line that was cut off is left out.
pub fn since(gate: &GitGate, since: Time) -> Result<Vec<Met>, GateError> {
    let path = gate.repository.join(FOLDER).join(FILE);
    let mut all = Vec::new();
    for path in [path.with_extension("before"), path] {
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(HomeError::Io { operation: "read", path, source }.into()),
        };
        for line in io::BufReader::new(file).lines() {
            let line = line.map_err(|source| HomeError::Io { operation: "read", path: path.clone(), source })?;
            all.extend(serde_json::from_str::<Met>(&line).ok().filter(|met| met.at >= since));
        }
    }
    Ok(all)
}
