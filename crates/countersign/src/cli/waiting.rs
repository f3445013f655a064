//! `countersign` alone: what waits for whoever asks, and what of theirs waits on whom; each with the command that answers it.
//!
//! Which changes those are is the server's word, and nothing else is: each is read from its signed statements, and what does not
//! wait by those is not shown. So many are looked up at the most; of the others it is said how many there are.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use countersign_core::{
    admit::may_confirm,
    change::{Change, CommentRecord},
    decision::{Decision, Token},
    explain::Obligation,
    ids::{ActorId, ChangeId, Target},
    kind::Purpose,
    presence::Presence,
    state::RevocationRecord,
    statement::Holder,
};
use countersign_ledger::{Fingerprint, Time};
use serde::Serialize;

use super::{
    Global,
    error::{CliError, Exit},
    findings, list,
    me::Me,
    output::{self, Format, bad, bold, faint, good, list, printable, warn},
    place::Origin,
    times,
};
use crate::{
    client::ChangePrefix,
    clock,
    known::{KnownError, KnownLog},
    reading::Reading,
    signer::SignerError,
    wire::{ChangeView, FindingLine, FindingPage, RejectionLine, rfc3339},
};

/// How many changes of each of the two lists are looked up.
const LOOKED_UP: usize = 12;
/// How many the server is asked to name.
const NAMED: usize = 200;
/// How many findings are shown, as the server is asked for them.
const FINDINGS: &str = "5";
/// How much of a title a line has where no terminal says how wide it is.
const TITLE: usize = 60;

/// All that is told.
#[derive(Debug, Serialize)]
struct Told {
    me: ActorId,
    log: String,
    /// Until when they have said that they are away.
    #[serde(skip_serializing_if = "Option::is_none")]
    away_until: Option<String>,
    /// The most urgent first.
    waiting: Vec<Waits>,
    /// How many more the server names, which were not looked up.
    more_waiting: usize,
    /// Findings that they have to answer, as the server tells them.
    to_answer: Vec<FindingLine>,
    more_to_answer: bool,
    mine: Vec<Mine>,
    more_mine: usize,
    /// What loosens and lacks nothing but time, while it can still be stopped.
    coming: Vec<Coming>,
}

/// A change of what governs that waits because it loosens.
#[derive(Debug, Serialize)]
pub(super) struct Coming {
    id: ChangeId,
    title: String,
    targets: Vec<Target>,
    proposer: ActorId,
    proposed_at: String,
    waits: String,
    command: String,
}

/// Something that waits for whoever asks.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Waits {
    /// A key that somebody revoked for a day.
    Suspension(Suspended),
    Change(Open),
}

#[derive(Debug, Serialize)]
struct Suspended {
    key: Fingerprint,
    of: Holder,
    revoked_by: ActorId,
    at: String,
    until: String,
    /// What this person can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

#[derive(Debug, Serialize)]
struct Open {
    id: ChangeId,
    title: String,
    targets: Vec<Target>,
    proposer: ActorId,
    proposed_at: String,
    revision: u32,
    /// What this person could supply.
    missing: Vec<String>,
    command: String,
    #[serde(skip)]
    urgency: Urgency,
}

/// What comes first: what answers an incident, then the higher tier, then what waits longest.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Urgency {
    presses: Reverse<bool>,
    tier: u8,
    since: Time,
}

/// A change of whoever asks.
#[derive(Debug, Serialize)]
struct Mine {
    id: ChangeId,
    title: String,
    targets: Vec<Target>,
    state: String,
    allowed: bool,
    /// Whether something else came into force since it was made, so that it has to be made again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    overtaken: bool,
    proposed_at: String,
    /// From a week before it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// What others said of it since this person said something last, by how many comments.
    comments: usize,
    #[serde(skip)]
    asked_by: Vec<ActorId>,
    /// Who has rejected it, and why, where that stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<String>,
    waits_on: Vec<WaitsOn>,
    command: String,
}

#[derive(Debug, Serialize)]
struct WaitsOn {
    missing: String,
    /// Those who are nearest.
    who: Vec<ActorId>,
    more: u32,
    /// What is to be known of some of them: until when they are away, by whose delegation they could.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<ActorId, String>,
}

pub fn run(global: &Global) -> Result<Exit, CliError> {
    match global.signer() {
        Ok(_) => {}
        Err(SignerError::NoKey) => return Ok(begin("you have no SSH key that this program would find")),
        Err(error) => return Err(error.into()),
    }
    let log = match global.log() {
        Ok(log) => log,
        Err(error) if error.code == "unreachable" && global.meant.url.by == Origin::Usual => {
            return Ok(begin("no server is named here, and none answers on this machine"));
        }
        Err(error) => return Err(error),
    };
    let told = told(global, &log)?;
    match global.format {
        Format::Json => output::json(&told)?,
        Format::Text => {
            print(&told);
            list::freezes(&log);
            list::broken_glass(&log);
        }
    }
    Ok(Exit::Done)
}

/// What to do where nothing is set up yet.
fn begin(why: &str) -> Exit {
    anstream::println!("Nothing can wait for you yet: {why}.");
    anstream::println!("  a log that others keep   countersign join URL --trust trust.json --key ~/.ssh/id_ed25519");
    anstream::println!("  a log of your own        countersign init HOME, then countersign serve --home HOME");
    anstream::println!("  a key                    ssh-keygen -t ed25519, or --key KEYFILE");
    anstream::println!("  to see what it is for    countersign demo; all commands: countersign --help");
    Exit::Done
}

fn told(global: &Global, log: &KnownLog) -> Result<Told, CliError> {
    let me = Me::of(global, log)?;
    let id = me.known()?.clone();
    let now = clock::now();
    let mut waiting: Vec<Waits> = suspended(&me, &id, now).into_iter().map(Waits::Suspension).collect();
    let presence = me.state.presence(now);
    let (theirs, more_waiting) = look_up(log, vec![("waiting_on", id.to_string())], &presence, now)?;
    let mut open = Vec::new();
    for reading in &theirs {
        let missing = reading.could_supply(&id)?;
        if !missing.is_empty() {
            open.push(Open::of(reading, missing, &reading.view()?));
        }
    }
    open.sort_by(|a, b| a.urgency.cmp(&b.urgency));
    waiting.extend(open.into_iter().map(Waits::Change));
    let (own, more_mine) =
        look_up(log, vec![("proposer", id.to_string()), ("open", "true".to_owned())], &presence, now)?;
    let is_mine = |reading: &&Reading| {
        let change = reading.change();
        change.status.is_open()
            && change.revisions.iter().any(|revision| revision.by == id || revision.sponsor.as_ref() == Some(&id))
    };
    let mine = own.iter().filter(is_mine).map(|reading| Mine::of(reading, &id));
    let mine = mine.collect::<Result<_, CliError>>()?;
    let coming = coming(log, now)?;
    let asked = [("open", "true"), ("who", id.as_str()), ("limit", FINDINGS)];
    let FindingPage { findings: to_answer, next } = log.client.findings(&asked)?;
    let mut to_answer = to_answer;
    to_answer.extend(overdue_above(log, &id)?);
    let log = log.trust().origin.clone();
    let away_until = presence.away.get(&id).map(|until| rfc3339(*until));
    Ok(Told {
        me: id,
        log,
        away_until,
        waiting,
        more_waiting,
        to_answer,
        more_to_answer: next.is_some(),
        mine,
        more_mine,
        coming,
    })
}

/// What comes into force when its time has come, unless somebody rejects it.
pub(super) fn coming(log: &KnownLog, now: Time) -> Result<Vec<Coming>, CliError> {
    let asked = vec![("target", Target::governance().to_string()), ("open", "true".to_owned())];
    let (open, _) = look_up(log, asked, &Presence::default(), now)?;
    let mut coming = Vec::new();
    for reading in open.iter().filter(|reading| !reading.is_overtaken()) {
        let view = reading.view()?;
        let mut missing = view.decision.rules.iter().filter(|rule| Decision::binds(rule.mode, rule.status)).peekable();
        let waits = missing.peek().is_some()
            && missing.all(|rule| !rule.missing.is_empty() && rule.missing.iter().all(|one| one.token == Token::Wait));
        if reading.change().status.is_open() && waits {
            coming.push(Coming::of(&view));
        }
    }
    Ok(coming)
}

/// Findings that others have not answered in time, and that are asked of this person since. What is due first the server names first.
fn overdue_above(log: &KnownLog, me: &ActorId) -> Result<Vec<FindingLine>, CliError> {
    let page = log.client.findings(&[("open", "true"), ("limit", "200")])?;
    let is_mine = |found: &FindingLine| found.escalated.as_ref().is_some_and(|besides| besides.who.contains(me));
    Ok(page.findings.into_iter().filter(is_mine).take(LOOKED_UP).collect())
}

/// Keys that are suspended: what each can be answered with.
fn suspended(me: &Me, id: &ActorId, now: Time) -> Vec<Suspended> {
    let governance = &me.state.governance;
    let people = me.state.people().map(|(of, record)| (Holder::Person(of.clone()), &record.revoked));
    let gates = me.state.gates().map(|(of, record)| (Holder::Gate(of.clone()), &record.revoked));
    let mut found = Vec::new();
    for (of, revoked) in people.chain(gates) {
        for (key, record) in revoked.iter().filter(|(_, record)| record.takes(now)) {
            let RevocationRecord { by, at, .. } = record;
            let Some(until) = record.until() else { continue };
            let confirms = may_confirm(governance, &of, by, id).is_ok();
            found.push(Suspended {
                command: confirms.then(|| format!("countersign revoke {key} --confirm")),
                key: key.clone(),
                of: of.clone(),
                revoked_by: by.clone(),
                at: rfc3339(*at),
                until: rfc3339(until),
            });
        }
    }
    found.sort_by(|a, b| a.until.cmp(&b.until));
    found
}

/// Reads the changes that the server names, and says of how many more it only knows the ids.
fn look_up(
    log: &KnownLog,
    query: Vec<(&str, String)>,
    presence: &Presence,
    now: Time,
) -> Result<(Vec<Reading>, usize), CliError> {
    let named = log.list(&query, None, NAMED)?.changes;
    let more = named.len().saturating_sub(LOOKED_UP);
    let mut readings = Vec::new();
    for line in named.into_iter().take(LOOKED_UP) {
        match log.read(&ChangePrefix::from(&line.id), now) {
            Ok(reading) => readings.push(reading.with_presence(presence.clone())),
            // What does not verify is not shown; the others still wait.
            Err(KnownError::Refused(refusal)) => {
                anstream::eprintln!(
                    "{}: change {}: {}",
                    warn("left out"),
                    line.id.short(),
                    printable(&refusal.message)
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((readings, more))
}

impl Open {
    fn of(reading: &Reading, missing: Vec<Obligation>, view: &ChangeView) -> Self {
        let catalog = &reading.state().governance.catalog;
        let tiers = view.targets.iter().filter_map(|target| catalog.systems.get(&target.system));
        let Purpose { incident, restores, security, no_way_back: _, source: _ } = &view.purpose;
        let urgency = Urgency {
            presses: Reverse(incident.is_some() || restores.is_some() || *security),
            tier: tiers.map(|system| u8::from(system.tier)).min().unwrap_or(1),
            since: reading.revision().at,
        };
        let mut said: Vec<String> = Vec::new();
        for one in missing {
            if !said.contains(&one.missing) {
                said.push(one.missing);
            }
        }
        Self {
            id: view.id.clone(),
            title: view.title.clone(),
            targets: view.targets.iter().cloned().collect(),
            proposer: view.proposer.clone(),
            proposed_at: view.proposed_at.clone(),
            revision: view.revision,
            missing: said,
            command: format!("countersign review {}", view.id.short()),
            urgency,
        }
    }
}

impl Coming {
    fn of(view: &ChangeView) -> Self {
        let waits = view.explanation.rules.iter().filter(|rule| rule.stops()).flat_map(|rule| rule.missing());
        Self {
            id: view.id.clone(),
            title: view.title.clone(),
            targets: view.targets.iter().cloned().collect(),
            proposer: view.proposer.clone(),
            proposed_at: view.proposed_at.clone(),
            waits: waits.collect::<Vec<_>>().join("; "),
            command: format!("countersign reject {} --why TEXT", view.id.short()),
        }
    }

    pub(super) fn print(&self) {
        let rest = format!("by {}, {}", self.proposer, times::ago(&self.proposed_at));
        first(&self.id, &self.title, &self.targets, &rest);
        anstream::println!("{INDENT}it loosens: {}", printable(&self.waits));
        anstream::println!("{INDENT}whoever would stop it: {}", self.command);
    }
}

impl Mine {
    fn of(reading: &Reading, me: &ActorId) -> Result<Self, CliError> {
        let view = &reading.view()?;
        let overtaken = reading.is_overtaken();
        let mut waits_on: Vec<WaitsOn> = Vec::new();
        let stops = view.explanation.rules.iter().filter(|rule| rule.stops());
        for one in stops.flat_map(|rule| &rule.obligations) {
            if !waits_on.iter().any(|known| known.missing == one.missing) {
                let (missing, who, notes) = (one.missing.clone(), one.who.clone(), one.notes.clone());
                waits_on.push(WaitsOn { missing, who, more: one.more, notes });
            }
        }
        // What a gate lands, its owner pushes or applies; nothing but this puts in force what governs.
        let publishes = view.allowed() && view.targets.iter().all(Target::is_governance);
        let rejected: Vec<String> = view.rejections.iter().filter(|one| !one.lifted).map(said_no).collect();
        let governs = view.targets.iter().all(Target::is_governance);
        let command = match (overtaken || (governs && !rejected.is_empty()), publishes, rejected.is_empty()) {
            (true, ..) => format!("countersign amend HOME --revise {}", view.id.short()),
            (false, true, _) => format!("countersign publish {}", view.id.short()),
            (false, false, false) => {
                let short = view.id.short();
                format!("countersign revise {short} with what answers that; what was said: countersign show {short}")
            }
            (false, false, true) => format!("countersign show {}", view.id.short()),
        };
        let said = unanswered(reading.change(), me);
        let asked_by: BTreeSet<&ActorId> = said.iter().map(|comment| &comment.by).collect();
        let asked_by = asked_by.into_iter().cloned().collect();
        Ok(Self {
            id: view.id.clone(),
            title: view.title.clone(),
            targets: view.targets.iter().cloned().collect(),
            state: view.state.clone(),
            allowed: view.allowed(),
            overtaken,
            proposed_at: view.proposed_at.clone(),
            expires: view.explanation.expires.clone(),
            comments: said.len(),
            asked_by,
            rejected,
            waits_on,
            command,
        })
    }
}

fn print(told: &Told) {
    let me = &told.me;
    if let Some(until) = &told.away_until {
        let away = format!(
            "you said that you are away until {}, and sign nothing that grants: countersign back",
            times::local(until)
        );
        anstream::println!("{}", warn(away));
    }
    if told.waiting.is_empty() && told.to_answer.is_empty() && told.mine.is_empty() && told.coming.is_empty() {
        anstream::println!("Nothing waits for you, {me}, and nothing of yours is open.");
        anstream::println!("  what others have open    countersign list --state open");
        anstream::println!("  a change of your own     countersign propose --help");
        return;
    }
    match told.waiting.is_empty() {
        true if told.to_answer.is_empty() => anstream::println!("Nothing waits for you, {me}."),
        true => {}
        false => anstream::println!("{}", bold(anstyle::Style::new(), format!("Waits for you, {me}"))),
    }
    for waits in &told.waiting {
        match waits {
            Waits::Suspension(suspended) => suspended.print(),
            Waits::Change(open) => open.print(),
        }
    }
    more(told.more_waiting, "countersign list --waiting-on me");
    if !told.to_answer.is_empty() {
        anstream::println!("{}", bold(anstyle::Style::new(), "To answer"));
        let now = rfc3339(clock::now());
        for finding in &told.to_answer {
            findings::line(finding, &now);
            anstream::println!("{INDENT}countersign review {}", finding.id.short());
        }
        let all = format!("countersign findings --open --who {me}");
        anstream::println!("  {}{all}", if told.more_to_answer { "and more: " } else { "" });
    }
    print_coming(&told.coming);
    if !told.mine.is_empty() {
        anstream::println!("{}", bold(anstyle::Style::new(), "Yours"));
        told.mine.iter().for_each(Mine::print);
        more(told.more_mine, "countersign list --mine --state open");
    }
}

pub(super) fn print_coming(coming: &[Coming]) {
    if !coming.is_empty() {
        anstream::println!("{}", bold(anstyle::Style::new(), "Comes into force unless somebody rejects it"));
        coming.iter().for_each(Coming::print);
    }
}

fn more(number: usize, command: &str) {
    if number > 0 {
        anstream::println!("  and {number} more: {command}");
    }
}

/// The first line of a change: what it is, and where.
fn first(id: &ChangeId, title: &str, targets: &[Target], rest: &str) {
    let targets = output::joined(targets);
    let others = id.short().chars().count() + targets.chars().count() + rest.chars().count() + "        ".len();
    anstream::println!(
        "  {}  {}  {targets}  {}",
        bold(anstyle::Style::new(), id.short()),
        list::titled(title, others, TITLE),
        faint(rest)
    );
}

const INDENT: &str = "                ";

impl Suspended {
    fn print(&self) {
        let whose = match &self.of {
            Holder::Person(person) => person.to_string(),
            Holder::Gate(gate) => format!("gate {gate}"),
        };
        anstream::println!(
            "  {}     key {} of {whose}, by {}, ends {} unless somebody confirms it",
            bad("suspended"),
            self.key,
            self.revoked_by,
            times::ago(&self.until)
        );
        match &self.command {
            Some(command) => anstream::println!("{INDENT}{command}"),
            None => anstream::println!("{INDENT}{}", faint("others confirm it, or it ends")),
        }
    }
}

impl Open {
    fn print(&self) {
        let rest = format!("by {}, {}", self.proposer, times::ago(&self.proposed_at));
        first(&self.id, &self.title, &self.targets, &rest);
        anstream::println!("{INDENT}{}", printable(&self.missing.join("; ")));
        anstream::println!("{INDENT}{}", self.command);
    }
}

impl Mine {
    fn print(&self) {
        first(&self.id, &self.title, &self.targets, &format!("{}, {}", self.state, times::ago(&self.proposed_at)));
        if self.overtaken {
            let what = "made on something else than is in force: you make it again";
            anstream::println!("{INDENT}{}: {what}", warn("overtaken"));
        } else if self.allowed {
            anstream::println!("{INDENT}{}: every rule is met", good("allowed"));
        }
        self.expires.iter().for_each(|expires| anstream::println!("{INDENT}{}", warn(expires)));
        self.rejected.iter().for_each(|no| anstream::println!("{INDENT}{}: {}", bad("rejected"), printable(no)));
        for WaitsOn { missing, who, more, notes } in &self.waits_on {
            let named = |person: &ActorId| match notes.get(person) {
                Some(note) => format!("{person} ({note})"),
                None => person.to_string(),
            };
            let who: Vec<String> = who.iter().map(named).collect();
            let more = if *more == 0 { String::new() } else { format!(" or one of {more} others") };
            anstream::println!("{INDENT}{}: {}{more}", printable(missing), list(who).replace(" and ", " or "));
        }
        if self.comments > 0 {
            let comments = output::count(self.comments, "comment");
            anstream::println!("{INDENT}{comments} by {} since you said something of it", list(&self.asked_by));
        }
        anstream::println!("{INDENT}{}", self.command);
    }
}

/// `by carol: the timeout is too long`.
fn said_no(one: &RejectionLine) -> String {
    match &one.why {
        Some(why) => format!("by {}: {why}", one.by),
        None => format!("by {}, in words that were erased", one.by),
    }
}

/// What others remarked since somebody submitted a revision or remarked something themselves.
fn unanswered<'a>(change: &'a Change, me: &ActorId) -> Vec<&'a CommentRecord> {
    let revised = change.revisions.iter().filter(|revision| revision.by == *me).map(|revision| revision.at);
    let remarked = change.comments.iter().filter(|comment| comment.by == *me).map(|comment| comment.at);
    let last = revised.chain(remarked).max();
    change.comments.iter().filter(|comment| comment.by != *me && Some(comment.at) > last).collect()
}
