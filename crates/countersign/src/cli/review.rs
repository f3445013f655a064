//! `review`: everything about a change on one page, and then the question.
//!
//! Whatever is shown comes from signed statements, their blobs, and contents that were compared with them. What is signed is the
//! revision that was shown, by the same functions as `approve` and `reject`.

use std::io::{BufRead as _, IsTerminal as _};

use countersign_core::{
    catalog::ActorKind,
    explain::{Explained, ExplainedRule},
    ids::ActorId,
    statement::Seen,
    subject::Subject,
    text::{CommentText, ProposalText},
};
use serde_json::json;

use super::{
    Global, answer, approve, comment,
    diff::{AtHand, command},
    error::{CliError, Exit},
    looking::{self, Looked, Origin},
    meaning::Meaning,
    output::{self, Format, bad, bold, faint, good, joined, printable, warn},
    pager, show,
    submit::Session,
};
use crate::{
    client::ChangePrefix,
    clock,
    difference::Length,
    home::files::word,
    known::KnownLog,
    random,
    reading::Reading,
    view::NOT_HERE,
    wire::{ChangeView, Emergency, FindingLine},
};

/// Look at a change, then approve it, reject it or leave it: from any folder, without a clone.
///
/// It shows what the change is and who had a hand in it, what it brings, its documents and guidance, signs of AI assistance, what
/// changed since you last looked, and what is still missing. Then it asks. What is signed is exactly what was shown. Where nobody
/// can answer, it signs nothing and ends with the commands that would.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign review 9f2c4e6a81d0\n  \
    countersign review 9f2c4e6a81d0 --git .\n\n\
    On a terminal it is shown by $GIT_PAGER, your own core.pager or $PAGER; the question comes after that.")]
pub struct Args {
    /// The change, or the finding: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    #[command(flatten)]
    at_hand: AtHand,
    /// What you say to a finding, in a sentence; signed at once.
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let reader = Reader::of(global)?;
    let (log, me) = (reader.log(), reader.me());
    let reading = match reader.read(&args.change) {
        // What is no change may be a finding.
        Err(error) if error.code == "unknown-change" => {
            let found = answer::find(log, &args.change)?.ok_or(error)?;
            return answer_to(global, &reader, args, &found);
        }
        reading => reading?,
    };
    if args.answer.is_some() {
        return Err(CliError::usage(format!("{} is a change, and a finding is answered", args.change))
            .hint("to say something about a change: countersign comment"));
    }
    let view = reading.view()?;
    let origin = Origin::of(&log.client, args.at_hand.git.as_deref(), &args.at_hand.file);
    let looked = looking::look(&reading, origin, args.at_hand.length())?;
    let before = looked_before(log, me, &view).filter(|then| *then < view.revision);
    let since = before.and_then(|then| {
        Some(Since {
            then,
            words: new_words(&reading, then, &view),
            looked: looking::since(&reading, then, origin, Length::Bounded).ok()?,
        })
    });
    let verdict = may_approve(&reading, &view, me, &looked);
    let lifts = rejects(&view, me);
    let own = me.is_some_and(|me| view.contributors.contains(me));
    let commands = if own { own_commands(&view) } else { commands(&view, args, &looked, lifts) };
    let meaning = Meaning::of_change(log, &reading)?.map(|meaning| meaning.lines()).unwrap_or_default();
    let asks = global.format == Format::Text && can_answer();
    match (global.format, reader) {
        (Format::Json, _) => {
            output::json(&json!({
                "change": view,
                "seen": looked.seen,
                "whole": looked.is_whole(),
                "files": looked.shown,
                "since": since.as_ref().map(|since| json!({"revision": since.then, "words": since.words, "files": since.looked.shown})),
                "commands": commands,
            }))?;
            Ok(Exit::Done)
        }
        (Format::Text, Reader::Signs(session)) if asks => {
            pager::page(&page(&reading, &view, &meaning, &looked, since.as_ref()));
            session.log.memory().looks_at(&view.id, view.revision);
            ask(global, &session, &reading, &view, &looked, &verdict)
        }
        (Format::Text, reader) => {
            pager::page(&page(&reading, &view, &meaning, &looked, since.as_ref()));
            if !show::is_over(&view) {
                let what = if own { "what you can do" } else { "to sign it" };
                anstream::println!("\nnothing was signed; {what}:");
                let cannot = reader.cannot_sign().map(|error| error.message.clone()).or(verdict.err());
                if let Some(why) = cannot {
                    anstream::println!("  ({})", printable(&why));
                }
                commands.iter().for_each(|command| anstream::println!("  {command}"));
            }
            Ok(Exit::Done)
        }
    }
}

/// Shows a finding, with the change that it asks somebody to look at, and takes the answer.
fn answer_to(global: &Global, reader: &Reader, args: &Args, found: &FindingLine) -> Result<Exit, CliError> {
    let reading = found.what.change().map(|change| reader.read(&ChangePrefix::from(change))).transpose()?;
    let asked = Asked::of(reader.log(), found, reading.as_ref(), &args.at_hand)?;
    let Asked { shown, seen, .. } = &asked;
    match (global.format, reader, &args.answer) {
        (_, Reader::Signs(session), Some(said)) => {
            if let Format::Text = global.format {
                anstream::print!("{shown}");
            }
            asked.warn();
            answer::say(global, session, found, said, *seen)
        }
        (_, Reader::Reads(_, error), Some(_)) => Err(CliError {
            exit: error.exit,
            hint: error.hint.clone(),
            ..CliError::new(error.code.clone(), error.message.clone())
        }),
        (Format::Json, _, None) => output::json(&asked.to_json(found)?).map(|()| Exit::Done),
        (Format::Text, Reader::Signs(session), None) if can_answer() && found.open => {
            pager::page(shown);
            asked.warn();
            match answer::asked()? {
                Some(said) => answer::say(global, session, found, &said, *seen),
                None => {
                    anstream::println!("nothing was signed");
                    Ok(Exit::Done)
                }
            }
        }
        (Format::Text, _, None) => {
            pager::page(shown);
            if found.open {
                asked.warn();
                anstream::println!("\nnothing was signed; to answer it:");
                anstream::println!("  countersign review {} --answer TEXT", found.id.short());
            }
            Ok(Exit::Done)
        }
    }
}

/// A finding that is only shown.
pub(super) fn show_finding(global: &Global, log: &KnownLog, found: &FindingLine) -> Result<Exit, CliError> {
    let read = |change| log.read(&ChangePrefix::from(change), clock::now());
    let reading = found.what.change().map(read).transpose()?;
    let asked = Asked::of(log, found, reading.as_ref(), &AtHand::default())?;
    match global.format {
        Format::Json => output::json(&asked.to_json(found)?)?,
        Format::Text => {
            anstream::print!("{}", asked.shown);
            if found.open {
                asked.warn();
                anstream::println!("\none of those who are asked answers: countersign review {}", found.id.short());
            }
        }
    }
    Ok(Exit::Done)
}

/// What a finding asks somebody to look at.
struct Asked {
    shown: String,
    /// How the content of the change was at hand, where it is about one.
    seen: Option<Seen>,
    /// What would show what could not be shown.
    unseen: Option<String>,
    emergency: Option<Emergency>,
}

impl Asked {
    fn of(log: &KnownLog, found: &FindingLine, reading: Option<&Reading>, at_hand: &AtHand) -> Result<Self, CliError> {
        let mut asked = Self { shown: answer::lines(log, found), seen: None, unseen: None, emergency: None };
        let Some(reading) = reading else { return Ok(asked) };
        let view = reading.view()?;
        let origin = Origin::of(&log.client, at_hand.git.as_deref(), &at_hand.file);
        let looked = looking::look(reading, origin, at_hand.length())?;
        asked.shown.push_str(&page(reading, &view, &[], &looked, None));
        asked.seen = Some(looked.seen);
        if !looked.is_whole() {
            let with = match &view.subject {
                Subject::Git(_) => "--git REPO, a clone that has the commits",
                Subject::Files(_) => "--file PATH, each file as it was",
                Subject::Governance(_) => "countersign show, which has what it changes",
            };
            asked.unseen = Some(format!("countersign review {} {with}", found.id.short()));
        }
        asked.emergency = view.emergency;
        Ok(asked)
    }

    /// Says that not all of the content was there to look at: what is answered so says so in the log.
    fn warn(&self) {
        let Some(with) = &self.unseen else { return };
        anstream::eprintln!(
            "{}: not all of what the change brings could be shown (what was signed in an outage comes without it), and an answer says \
             that it was not seen",
            warn("unseen")
        );
        anstream::eprintln!("{}: {with}", bold(output::hint_style(), "hint"));
    }

    fn to_json(&self, found: &FindingLine) -> Result<serde_json::Value, CliError> {
        let failed =
            |error: serde_json::Error| CliError::new("failed", format!("the finding cannot be written: {error}"));
        let mut value = serde_json::to_value(found).map_err(failed)?;
        if let Some(value) = value.as_object_mut() {
            value.extend(self.seen.map(|seen| ("seen".to_owned(), json!(seen))));
            value.extend(self.emergency.as_ref().map(|said| ("emergency".to_owned(), json!(said))));
        }
        Ok(value)
    }
}

/// Who looks. Whoever only reads needs no key.
enum Reader {
    Signs(Box<Session>),
    /// And why they cannot sign.
    Reads(Box<KnownLog>, CliError),
}

impl Reader {
    fn of(global: &Global) -> Result<Self, CliError> {
        match global.session() {
            Ok(session) => Ok(Self::Signs(Box::new(session))),
            // What is wrong with the log is found here, too.
            Err(error) => Ok(Self::Reads(Box::new(global.log()?), error)),
        }
    }

    fn log(&self) -> &KnownLog {
        match self {
            Self::Signs(session) => &session.log,
            Self::Reads(log, _) => log,
        }
    }

    fn me(&self) -> Option<&ActorId> {
        match self {
            Self::Signs(session) => Some(&session.speaker.me),
            Self::Reads(..) => None,
        }
    }

    fn read(&self, change: &ChangePrefix) -> Result<Reading, CliError> {
        match self {
            Self::Signs(session) => session.read(change),
            Self::Reads(log, _) => Ok(log.read(change, clock::now())?),
        }
    }

    fn cannot_sign(&self) -> Option<&CliError> {
        match self {
            Self::Signs(_) => None,
            Self::Reads(_, error) => Some(error),
        }
    }
}

/// Somebody reads what is printed and can type an answer.
fn can_answer() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether their own rejection of it stands.
fn rejects(view: &ChangeView, me: Option<&ActorId>) -> bool {
    view.rejections.iter().any(|rejection| Some(&rejection.by) == me && !rejection.lifted)
}

/// What whoever had a hand in it can do about it.
fn own_commands(view: &ChangeView) -> Vec<String> {
    let id = view.id.short();
    ["revise", "disclose", "withdraw"]
        .map(|what| format!("countersign {what} {id} --help"))
        .into_iter()
        .chain([format!("countersign comment {id} TEXT")])
        .collect()
}

fn commands(view: &ChangeView, args: &Args, looked: &Looked, lifts: bool) -> Vec<String> {
    let (id, revision) = (view.id.short(), view.revision);
    let with = match (&args.at_hand.git, args.at_hand.file.as_slice()) {
        (Some(path), _) => format!(" --git {}", word(path)),
        (None, [_, ..]) => args.at_hand.file.iter().map(|path| format!(" --file {}", word(path))).collect::<String>(),
        (None, []) if looked.is_whole() => String::new(),
        (None, []) => match view.subject {
            Subject::Git(_) => " --git REPO".to_owned(),
            Subject::Files(_) => " --file PATH".to_owned(),
            Subject::Governance(_) => String::new(),
        },
    };
    let lift = lifts.then(|| format!("countersign reject {id} --lift"));
    let others = [
        format!("countersign approve {id} --revision {revision}{with}"),
        format!("countersign reject {id} --why TEXT"),
        format!("countersign comment {id} TEXT"),
    ];
    lift.into_iter().chain(others).collect()
}

/// Why somebody's approval of what was shown would not count, if it would not.
fn may_approve(reading: &Reading, view: &ChangeView, me: Option<&ActorId>, looked: &Looked) -> Result<(), String> {
    if me.is_some_and(|me| view.contributors.contains(me)) {
        return Err("you had a hand in it, and cannot approve it".to_owned());
    }
    let held_by = reading.state().held_by(reading.change()).unwrap_or_default();
    if let Some(theirs) = held_by.iter().find(|rejection| Some(&rejection.by) == me) {
        let other = theirs.change.short();
        return Err(format!("you rejected in change {other} what this brings: countersign reject {other} --lift"));
    }
    if view.text.is_none() {
        return Err("its words are not here, and nothing is approved unread".to_owned());
    }
    match reading.state().governance.catalog.settings.counts(looked.seen) {
        true => Ok(()),
        false => Err("not all of it could be shown, and what was not seen is not approved here".to_owned()),
    }
}

/// The revision that I looked at last: what I signed about, or what this machine remembers.
fn looked_before(log: &KnownLog, me: Option<&ActorId>, view: &ChangeView) -> Option<u32> {
    let approved = view.approvals.iter().filter(|said| Some(&said.by) == me).map(|said| said.revision);
    let rejected = view.rejections.iter().filter(|said| Some(&said.by) == me).map(|said| said.revision);
    approved.chain(rejected).chain(log.memory().looked_at(&view.id)).max()
}

/// What is new since an earlier revision.
struct Since {
    then: u32,
    /// Documents that say something else.
    words: Vec<&'static str>,
    looked: Looked,
}

fn new_words(reading: &Reading, then: u32, view: &ChangeView) -> Vec<&'static str> {
    let earlier = reading.change().revisions.iter().find(|revision| revision.reference.number == then);
    let blob = earlier.and_then(|revision| reading.blob(&revision.text));
    let (Some(old), Some(new)) = (blob.and_then(|blob| ProposalText::parse(blob).ok()), &view.text) else {
        return Vec::new();
    };
    let fields = [
        ("title", old.title == new.title),
        ("why", old.why == new.why),
        ("risk", old.risk == new.risk),
        ("rollback", old.rollback == new.rollback),
        ("tests", old.tests == new.tests),
        ("links", old.links == new.links),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

/// Lines of a page: a name, and what there is to say of it.
#[derive(Default)]
struct Page(String);

impl Page {
    fn field(&mut self, name: &str, value: impl std::fmt::Display) {
        self.line(format!("{}{value}", faint(format!("{name:<10}"))));
    }

    fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.line(format!("\n{}", bold(anstyle::Style::new(), text)));
    }
}

fn page(reading: &Reading, view: &ChangeView, meaning: &[String], looked: &Looked, since: Option<&Since>) -> String {
    let mut page = Page::default();
    about(&mut page, reading, view);
    people(&mut page, reading, view);
    documents(&mut page, view);
    verdicts(&mut page, view);
    if let Some(Since { then, words, looked }) = since {
        page.heading(&format!("Since revision {then}, which you looked at"));
        if !words.is_empty() {
            page.line(format!("says something else: {}", joined(words)));
        }
        page.line(if looked.shown.is_empty() { "brings the same".to_owned() } else { looked.size() });
        page.line(looked.text());
    }
    let said = show::comments(view);
    if !said.is_empty() {
        page.heading("What people remarked");
        said.iter().for_each(|line| page.line(line));
    }
    if !meaning.is_empty() {
        page.heading("What it means");
        meaning.iter().for_each(|line| page.line(printable(line)));
    }
    page.heading("What it brings");
    page.line(looked.size());
    looked.told(reading).iter().for_each(|line| page.line(printable(line)));
    page.line("");
    page.line(looked.text());
    if !show::is_over(view) {
        page.heading("To do");
        let explained = Explained { decision: view.decision.clone(), explanation: view.explanation.clone() };
        let stops = view.explanation.rules.iter().any(ExplainedRule::stops);
        if !stops {
            page.line(good("every rule is met"));
        }
        match show::to_do(&explained) {
            nothing if nothing.is_empty() => {}
            missing => page.line(missing),
        }
    }
    page.0
}

fn about(page: &mut Page, reading: &Reading, view: &ChangeView) {
    page.field("change", format!("{} {}", bold(anstyle::Style::new(), view.id.short()), printable(&view.title)));
    page.field("state", format!("{}, revision {}", view.state, view.revision));
    show::emergency(view).iter().for_each(|line| page.line(line));
    page.field("kind", show::kind(view));
    let systems = &reading.state().governance.catalog.systems;
    let target = |target: &countersign_core::ids::Target| match systems.get(&target.system) {
        Some(system) => format!("{target} (tier {})", u8::from(system.tier)),
        None if target.is_governance() => target.to_string(),
        None => format!("{target} (tier unknown)"),
    };
    page.field("targets", joined(view.targets.iter().map(target)));
    page.field("subject", printable(&view.subject.summary()));
    if let Some(command) = command(&view.subject) {
        page.field("", printable(&command));
    }
    page.field("proposed", format!("by {} at {}", view.proposer, view.proposed_at));
    view.explanation.lands.iter().for_each(|lands| page.field("when", printable(lands)));
}

/// People and programs apart.
fn people(page: &mut Page, reading: &Reading, view: &ChangeView) {
    let catalog = &reading.state().governance.catalog;
    let is_person = |id: &&ActorId| catalog.actors.get(id).is_none_or(|actor| actor.kind == ActorKind::Person);
    let (people, programs): (Vec<_>, Vec<_>) = view.contributors.iter().partition(is_person);
    page.field("made by", output::list(people));
    if !programs.is_empty() {
        let kind = |id: &ActorId| match catalog.actors.get(id).map(|actor| actor.kind) {
            Some(ActorKind::Agent) => format!("{id} (an agent)"),
            Some(ActorKind::Workload) => format!("{id} (a workload)"),
            Some(ActorKind::Person) | None => id.to_string(),
        };
        page.field("programs", output::list(programs.into_iter().map(kind)));
    }
    for person in &view.claimed {
        page.field("", format!("{person} only because a commit claims it; a third person can say otherwise"));
    }
    for identity in &view.unmapped {
        let named = format!("{} <{}>", printable(&identity.name), printable(&identity.mail));
        page.field("unknown", format!("{named} {}", faint("belongs to nobody in the catalog")));
    }
    let ai = serde_json::to_value(view.ai.status).ok();
    let ai = ai.as_ref().and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let of = |name: &str, set: &std::collections::BTreeSet<String>| match set.is_empty() {
        true => String::new(),
        false => format!(", {name}: {}", joined(set)),
    };
    page.field("AI", printable(&format!("{ai}{}{}", of("tools", &view.ai.tools), of("signals", &view.ai.signals))));
}

fn documents(page: &mut Page, view: &ChangeView) {
    match &view.text {
        None => page.field("words", bad("not here: erased, or held back by the server")),
        Some(text) => {
            for (name, words) in
                [("why", &text.why), ("risk", &text.risk), ("rollback", &text.rollback), ("tests", &text.tests)]
            {
                let words = if words.trim().is_empty() { warn("nothing said") } else { show::words_of(words) };
                page.field(name, words);
            }
            text.links.iter().for_each(|link| page.field("link", printable(link)));
        }
    }
    for document in &view.guidance {
        let due = match (&document.found, &document.review_due) {
            (None, _) => "not found where this home reads guidance".to_owned(),
            (Some(_), None) => "says no review date".to_owned(),
            (Some(found), Some(due)) => format!("review due {due}{}, {}", away(due), printable(found)),
        };
        let stale = if document.stale { warn("stale") } else { good("fresh") };
        page.field("guidance", format!("{} {stale}, {due}", printable(&document.path)));
    }
}

/// How far a day is away.
fn away(due: &str) -> String {
    const DAY: i64 = 24 * 60 * 60;
    let Ok(due) = due.parse::<jiff::Timestamp>() else { return String::new() };
    let days = due.as_second().saturating_sub(clock::now().unix_millis() / 1000) / DAY;
    match days {
        0 => " (today)".to_owned(),
        days if days < 0 => format!(" ({} ago)", output::count(usize::try_from(-days).unwrap_or_default(), "day")),
        days => format!(" (in {})", output::count(usize::try_from(days).unwrap_or_default(), "day")),
    }
}

fn verdicts(page: &mut Page, view: &ChangeView) {
    for approval in &view.approvals {
        let counts = show::counts(approval);
        page.field("approved", format!("by {} (revision {}), {counts}", approval.by, approval.revision));
    }
    for rejection in view.rejections.iter().filter(|rejection| !rejection.lifted) {
        let why = rejection.why.as_deref().unwrap_or(NOT_HERE);
        let by = bad(&rejection.by);
        page.field("rejected", format!("by {by} (revision {}): {}", rejection.revision, show::words_of(why)));
    }
    for waiver in &view.waivers {
        let why = waiver.why.as_deref().unwrap_or(NOT_HERE);
        page.field("waived", format!("{} by {}: {}", waiver.rule, waiver.by, show::words_of(why)));
    }
    show::evidence(view).iter().for_each(|line| page.field("evidence", line));
}

/// What somebody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Approve,
    Reject,
    Comment,
    Leave,
}

impl Answer {
    fn of(typed: &str) -> Option<Self> {
        match typed.trim().to_lowercase().as_str() {
            "a" | "approve" => Some(Self::Approve),
            "r" | "reject" => Some(Self::Reject),
            "c" | "comment" => Some(Self::Comment),
            "q" | "quit" | "leave" => Some(Self::Leave),
            _ => None,
        }
    }
}

fn ask(
    global: &Global,
    session: &Session,
    reading: &Reading,
    view: &ChangeView,
    looked: &Looked,
    may_approve: &Result<(), String>,
) -> Result<Exit, CliError> {
    if show::is_over(view) {
        return Ok(Exit::Done);
    }
    let (id, me, key) = (view.id.short(), &session.speaker.me, session.speaker.hand.fingerprint());
    let lifts = rejects(view, Some(me));
    anstream::eprintln!("change {id} revision {}: {}", view.revision, printable(&view.title));
    anstream::eprintln!("  {}", printable(&looked.told(reading).first().cloned().unwrap_or_default()));
    let question = match may_approve {
        Ok(()) if lifts => "[a]pprove, which lifts your rejection first, [r]eject again, [c]omment, [q] leave it?",
        Ok(()) => "[a]pprove, [r]eject, [c]omment, [q] leave it?",
        Err(why) => {
            anstream::eprintln!("  {}", warn(printable(why)));
            "[r]eject, [c]omment, [q] leave it?"
        }
    };
    anstream::eprintln!("  as {me} with key {key}");
    loop {
        match typed(question)?.as_deref().map(Answer::of) {
            Some(Some(Answer::Approve)) if may_approve.is_ok() => {
                if lifts {
                    approve::sign_lift(session, reading)?;
                }
                return approve::sign(global, session, reading, looked.seen);
            }
            Some(Some(Answer::Reject)) => {
                let why = typed("why?")?.unwrap_or_default();
                if why.trim().is_empty() {
                    anstream::eprintln!("nothing was signed: a rejection says why");
                    continue;
                }
                return approve::sign_rejection(global, session, reading, why.trim());
            }
            Some(Some(Answer::Comment)) => {
                let said = typed("what is there to say?")?.unwrap_or_default();
                if said.trim().is_empty() {
                    anstream::eprintln!("nothing was signed: a comment says something");
                    continue;
                }
                let text = CommentText { salt: random::nonce(), text: said.trim().to_owned(), path: None, line: None };
                return comment::sign(global, session, reading, &text);
            }
            Some(Some(Answer::Leave)) | None => {
                anstream::eprintln!("nothing was signed");
                return Ok(Exit::Done);
            }
            Some(Some(Answer::Approve) | None) => {}
        }
    }
}

/// A line that somebody types; `None` at the end of what they type.
fn typed(question: &str) -> Result<Option<String>, CliError> {
    anstream::eprint!("{question} ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    let read = read.map_err(|error| CliError::new("not-confirmed", format!("the answer cannot be read: {error}")))?;
    Ok((read > 0).then_some(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_is_one() {
        for (typed, answer) in [
            ("a\n", Some(Answer::Approve)),
            (" Approve ", Some(Answer::Approve)),
            ("r", Some(Answer::Reject)),
            ("c", Some(Answer::Comment)),
            ("q", Some(Answer::Leave)),
            ("y", None),
            ("", None),
            ("ar", None),
        ] {
            assert_eq!(Answer::of(typed), answer, "{typed}");
        }
    }

    #[test]
    fn days_are_counted_to_and_from() {
        let at = |days: i64| {
            let millis = clock::now().unix_millis() + days * 24 * 60 * 60 * 1000 + days.signum() * 60_000;
            jiff::Timestamp::from_millisecond(millis).unwrap().to_string()
        };
        assert_eq!([away(&at(3)), away(&at(-40)), away(&at(0))], [" (in 3 days)", " (40 days ago)", " (today)"]);
    }
}
