//! `apply`: run a command over exactly the approved bytes.

mod offline;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use countersign_core::{
    change::Change,
    explain::Explained,
    ids::{ChangeId, Target},
    statement::{Body, OutcomeReport, OutcomeResult},
    subject::{ApplyTransition, Transition, quoted},
};
use countersign_ledger::Digest;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, good, printable, warn},
    permit, show,
    submit::{self, Session},
};
use crate::{
    client::{ChangePrefix, ClientError, Via},
    clock, files,
    follower::Access,
    gates::{
        apply::{self, Claim, Copies},
        desk::{Desk, DeskError, Judged, Opening, Place, bundle, handed_over, spend},
        journal::{Event, Journal, JournalError, Past, Unfinished, Unreported},
        stops::Stops,
    },
    home,
    reading::Reading,
    unix::{self, Held},
    wire::DENIED,
};

/// The verified copy of a log, by which this machine's apply gate decides.
pub const COPY: &str = "copy";

/// Run the approved command over a private copy of exactly the approved files, and record what came of it.
///
/// The permit, and the signatures under it, are checked here against the trust.json that you pinned. Without --trust it is
/// what this machine pinned when it first saw the log. Ctrl-C, and other signals that ask to stop, go to the command; what it
/// ends with is recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign apply 9f2c4e6a81d0 --file flags.json -- curl --fail -T flags.json https://flags.example/\n  \
    countersign apply --resume 9f2c4e6a81d0       # this program was cut off while the command ran\n  \
    countersign apply --target flags/production --file flags.json --offline break-glass.json -- ./push   # the log is away\n\n\
    Exit status: that of the command once it runs (128 and the signal that ended it); 3 if it may not run; 1 on an error\n\
    before.")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: Option<ChangePrefix>,
    /// Each file of the change (repeatable).
    #[arg(long, required_unless_present = "resume", value_name = "PATH", num_args = 1..)]
    file: Vec<PathBuf>,
    /// A permit from `countersign permit`, instead of asking for one.
    #[arg(long, value_name = "FILE")]
    permit: Option<PathBuf>,
    /// Decide by the change's bundle instead of following the log. Only where trust.json names followers that vouch for it.
    #[arg(long)]
    by_bundle: bool,
    /// While the log is away: what the files are for, where nobody has proposed them (repeatable).
    #[arg(long, value_name = "SYSTEM/ENV", conflicts_with_all = ["change", "permit", "by_bundle", "resume"])]
    target: Vec<Target>,
    /// While the log is away: run it once on what people signed, which `countersign break-glass --at …` wrote.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["permit", "by_bundle", "resume"])]
    offline: Option<PathBuf>,
    /// Settle what was cut off here, of this change or of all: it is recorded as failed, since nobody saw how it ended.
    #[arg(long, conflicts_with_all = ["file", "permit", "by_bundle", "command"])]
    resume: bool,
    /// With --resume: it was cut off on a machine that is gone, or whose memory of it is.
    #[arg(long, requires = "resume", requires = "change")]
    lost: bool,
    /// The approved command, word for word.
    #[arg(last = true, required_unless_present = "resume", value_name = "COMMAND")]
    command: Vec<String>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let Args { change, file, target, offline, permit, by_bundle, resume, lost, command } = args;
    if resume {
        return self::resume(global, change.as_ref(), lost);
    }
    if change.is_none() && target.is_empty() {
        return Err(CliError::usage("which change?").hint(
            "countersign apply CHANGE --file PATH -- COMMAND; while the log is away, of what nobody has proposed: \
             countersign apply --target SYSTEM/ENV --file PATH -- COMMAND",
        ));
    }
    let files = files::read_files(&file)?;
    let transition = transition(&files, &command);
    let wanted = offline::Wanted { change: change.as_ref(), targets: &target, files: &file, transition: &transition };
    if let Some(signed) = offline {
        let mut alone = offline::Alone::open(global)?;
        begin(&alone.journal)?;
        let opening = alone.opens(&wanted, &signed)?;
        return go(global, Gate::Alone, &opening, &transition, &files, &command, &alone.journal);
    }
    let Some(change) = &change else {
        return Err(match global.session() {
            Ok(_) => CliError::usage("--target is for what nobody could propose, and the log is there")
                .hint("countersign propose --target SYSTEM/ENV --file … --command COMMAND, then apply that"),
            Err(away) if away.code == UNREACHABLE => offline::refused(global, &wanted, away),
            Err(error) => error,
        });
    };
    match apply(global, change, &files, permit.as_deref(), by_bundle, &command) {
        Err(away) if away.code == UNREACHABLE && !by_bundle => Err(offline::refused(global, &wanted, away)),
        ended => ended,
    }
}

/// As [`CliError`] spells that nobody answers.
const UNREACHABLE: &str = "unreachable";

fn transition(files: &BTreeMap<String, files::ReadFile>, command: &[String]) -> Transition {
    Transition::Apply(ApplyTransition {
        files: files.iter().map(|(name, file)| (name.clone(), Digest::of(&file.bytes))).collect(),
        executable: files::executable(files),
        command: command.to_vec(),
    })
}

/// Runs the command of a change over files that were read before.
pub(super) fn over(
    global: &Global,
    change: &ChangePrefix,
    files: &BTreeMap<String, files::ReadFile>,
    command: &[String],
) -> Result<Exit, CliError> {
    apply(global, change, files, None, false, command)
}

/// The journal, and copies that another run left behind taken away.
fn begin(journal: &Path) -> Result<Journal, CliError> {
    let past = Journal::begin(journal)?;
    apply::sweep(journal, &past.runs());
    Ok(past)
}

fn apply(
    global: &Global,
    change: &ChangePrefix,
    files: &BTreeMap<String, files::ReadFile>,
    permit: Option<&Path>,
    by_bundle: bool,
    command: &[String],
) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(change)?;
    let transition = transition(files, command);
    let journal = apply::journal_path(session.log.memory().folder(), &session.speaker.hand.fingerprint());
    let given = permit.map(permit_at).transpose()?;
    {
        let past = begin(&journal)?;
        if let Some(permit) = &given {
            spend::unspent(&past, permit).map_err(DeskError::from)?;
        }
    }
    let (gate, opening) = match by_bundle {
        true => open_by_bundle(session, &reading, given, &transition)?,
        false => open_by_copy(session, &reading, given, &transition, &journal)?,
    };
    go(global, gate, &opening, &transition, files, command, &journal)
}

/// Runs the command for what opened, and writes down and tells what came of it.
fn go(
    global: &Global,
    mut gate: Gate,
    opening: &Opening,
    transition: &Transition,
    files: &BTreeMap<String, files::ReadFile>,
    command: &[String],
    journal: &Path,
) -> Result<Exit, CliError> {
    let id = opening.change().id.clone();
    // From here on there is something to settle: a signal is kept for the command, or for after what it would have interrupted.
    let mut held = Held::begin().map_err(|e| CliError::new("failed", format!("cannot listen for signals: {e}")))?;
    let permit = opening.permit().statement;
    let claim = Claim::take(journal, &permit)?.ok_or_else(|| still_running(&id, journal, &permit))?;
    let place = Copies::place();
    {
        let mut journal = Journal::begin(journal)?;
        let now = clock::now();
        spend::reserve(&mut journal, &[(std::slice::from_ref(opening), transition)], None, None, now)?;
        // Where they are to be, before they are: so they are found, whenever this program is cut off.
        journal.write(Event::Copied { permit, folder: place.clone(), at: now })?;
    }
    let copies = match copies(files, command, &place) {
        Ok(copies) => copies,
        Err(error) => {
            spend::forgo(&mut Journal::open(journal)?, permit, clock::now())?;
            return Err(error);
        }
    };
    start(&mut gate, opening, journal)?;
    if let Some(signal) = held.came() {
        end(&mut gate, opening, journal, OutcomeResult::Failed, None)?;
        let short = id.short();
        return Err(CliError {
            exit: Exit::Command(u8::try_from(128 + signal).unwrap_or(1)),
            ..CliError::new(
                "stopped",
                format!("a signal came before the command of change {short} began; it was not run"),
            )
        });
    }
    anstream::eprintln!("{} {}", good("running"), printable(&quoted(command)));
    let began = |process| {
        let running = Event::Running { permit, process, at: clock::now() };
        if let Err(error) = Journal::open(journal).and_then(|mut journal| journal.write(running)) {
            anstream::eprintln!("{}: {error}", warn("warning"));
        }
    };
    let status = apply::run(command, &copies, &claim, held, began);
    drop(copies);
    let (result, code) = match &status {
        Ok(status) if status.success() => (OutcomeResult::Applied, status.code()),
        Ok(status) => (OutcomeResult::Failed, unix::ended_with(*status)),
        Err(_) => (OutcomeResult::Failed, None),
    };
    end(&mut gate, opening, journal, result, code)?;
    drop(claim);
    let short = id.short();
    if let (Format::Json, Ok(_)) = (global.format, &status) {
        // Standard output is the command's.
        let ended = serde_json::json!({"change": id, "permit": permit, "result": result, "exit_status": code});
        anstream::eprintln!("{ended}");
    }
    match status {
        Ok(status) if status.success() => {
            if let Format::Text = global.format {
                anstream::eprintln!("{} change {short}", good("applied"));
            }
            Ok(Exit::Done)
        }
        Ok(_) if global.format == Format::Json => Ok(Exit::Command(ends_with(code))),
        Ok(_) => {
            let how = code.map_or_else(String::new, |code| format!(" with status {code}"));
            anstream::eprintln!(
                "{} change {short}: the command ended{how}. Its permit is spent; to try again, run apply again",
                warn("failed")
            );
            Ok(Exit::Command(ends_with(code)))
        }
        Err(e) => Err(CliError::new("command-not-started", format!("cannot run `{}`: {e}", quoted(command)))
            .hint("the permit is spent; when the command can be found, ask again")),
    }
}

fn ends_with(code: Option<i32>) -> u8 {
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn copies(files: &BTreeMap<String, files::ReadFile>, command: &[String], place: &Path) -> Result<Copies, CliError> {
    let copies = Copies::make(files, place)?;
    files::names_no_outside_path(command, files, place)?;
    Ok(copies)
}

fn still_running(change: &ChangeId, journal: &Path, permit: &Digest) -> CliError {
    let what = format!("change {} is being applied on this machine, or its command runs on", change.short());
    let lock = apply::claim_path(journal, permit);
    CliError::new("still-running", what).hint(format!(
        "wait until it has ended, or stop it: whoever it is has {} open (fuser and lsof tell)",
        home::files::word(&lock)
    ))
}

/// Has the log take the start, and writes that down. Where it may not happen after all, what was taken is settled.
fn start(gate: &mut Gate, opening: &Opening, journal: &Path) -> Result<(), CliError> {
    let permit = opening.permit().statement;
    let settle = |result| spend::settle(&mut Journal::open(journal)?, permit, result, None, clock::now());
    match gate.start(opening) {
        Ok(()) => Ok(settle(OutcomeResult::Started)?),
        Err(NotStarted::Refused(error)) => {
            spend::forgo(&mut Journal::open(journal)?, permit, clock::now())?;
            Err(error)
        }
        // Not as if the log were merely away: nobody opens it another way while the log may have this start.
        Err(NotStarted::Unknown(error)) => Err(CliError {
            code: "start-unknown".into(),
            message: format!("whether the log took the start is unknown, so nothing was run: {}", error.message),
            ..error
        }
        .hint(format!("when the server is there: countersign apply --resume {}", opening.change().id.short()))),
        Err(NotStarted::After(error)) => {
            end(gate, opening, journal, OutcomeResult::Failed, None)?;
            Err(error)
        }
    }
}

/// Why a command may not run, as it is told.
enum NotStarted {
    Refused(CliError),
    Unknown(CliError),
    After(CliError),
}

/// Writes down how it ended, and tells the log.
fn end(
    gate: &mut Gate,
    opening: &Opening,
    journal: &Path,
    result: OutcomeResult,
    code: Option<i32>,
) -> Result<(), CliError> {
    spend::settle(&mut Journal::open(journal)?, opening.permit().statement, result, code, clock::now())?;
    gate.report(opening, result, code);
    Ok(())
}

/// What `--resume` did.
#[derive(Default)]
struct Resumed {
    settled: Vec<Settled>,
    /// What is not over.
    running: Vec<(ChangeId, Digest)>,
    /// What the log does not have, though it was told.
    missing: Vec<ChangeId>,
}

#[derive(serde::Serialize)]
struct Settled {
    change: ChangeId,
    /// `None` where it never began.
    result: Option<OutcomeResult>,
}

/// Settles what this machine began and did not see the end of. What the log has of it, the verified copy says: a server that
/// leaves something out of what it shows would have an outcome forgotten.
fn resume(global: &Global, change: Option<&ChangePrefix>, lost: bool) -> Result<Exit, CliError> {
    let session = global.session()?;
    let key = session.speaker.hand.fingerprint();
    let journal = apply::journal_path(session.log.memory().folder(), &key);
    let reading = change.map(|prefix| session.read(prefix)).transpose()?;
    let concerns = |id: &ChangeId| change.is_none_or(|prefix| prefix.names(id));
    let mut done = Resumed::default();
    // Who has never applied anything here has no journal.
    let past = Past::read(&journal)?.unwrap_or_default();
    let mut unreported = past.unreported();
    unreported.retain(|(reservation, ..)| concerns(&reservation.change));
    let mut unfinished = past.unfinished();
    unfinished.retain(|one| concerns(&one.reservation.change));
    if !unreported.is_empty() || !unfinished.is_empty() || lost {
        let mut desk = follow(session)?;
        offline::hand_on(&mut desk, &journal)?;
        for one in unfinished {
            unreported.extend(settle(&desk, &journal, one, &mut done)?);
        }
        apply::sweep(&journal, &past.runs());
        let told: Vec<Settled> = unreported
            .iter()
            .map(|(of, result, _)| Settled { change: of.change.clone(), result: Some(*result) })
            .collect();
        let missing = spend::tell(&journal, &mut desk, unreported, &clock::now)?;
        done.missing = missing.into_iter().map(|(of, ..)| of.change).collect();
        done.settled.extend(told.into_iter().filter(|settled| !done.missing.contains(&settled.change)));
        if let Some(reading) = reading.as_ref().filter(|_| lost && done.running.is_empty()) {
            settle_lost(&mut desk, &reading.change().id, &mut done)?;
        }
    }
    tell_resumed(global, &done)?;
    if let Some(change) = done.missing.first() {
        let what = format!("the log does not have how change {} ended, though it was told", change.short());
        return Err(CliError::new("not-seen", what)
            .hint("it stays written down here: try again, and if it stays so, tell whoever runs the server"));
    }
    if let Some((change, permit)) = done.running.first() {
        return Err(still_running(change, &journal, permit));
    }
    match reading {
        Some(reading) if done.settled.is_empty() => {
            let short = reading.change().id.short();
            let what = format!("nothing of change {short} was left unsettled on this machine with this key");
            Err(CliError::new("nothing-to-resume", what).hint(match reading.change().running() {
                Some(permit) if permit.audience == key => {
                    format!("it was started elsewhere: settle it there, or if that machine is gone: countersign apply --resume {short} --lost")
                }
                Some(permit) => format!("it was started with key {}: whoever has that settles it", permit.audience),
                None => format!("it is {}: countersign show {short}", reading.change().status.as_str()),
            }))
        }
        Some(_) | None => Ok(Exit::Done),
    }
}

/// Writes down what became of something that was cut off, unless it is at it still. What the log has to be told is given.
fn settle(desk: &Desk, journal: &Path, one: Unfinished, done: &mut Resumed) -> Result<Option<Unreported>, CliError> {
    let Unfinished { reservation, started, run } = one;
    let permit = reservation.permit;
    let claim = if apply::runs(journal, &permit, &run) { None } else { Claim::take(journal, &permit)? };
    let Some(_claim) = claim else {
        done.running.push((reservation.change, permit));
        return Ok(None);
    };
    let mut journal = Journal::open(journal)?;
    // It may have come to its end since the journal was read.
    if !journal.unfinished().iter().any(|one| one.reservation.permit == permit) {
        return Ok(None);
    }
    let change = desk.change(&reservation.change)?;
    let mut permits = change.iter().flat_map(|change| &change.permits);
    let is_known = permits.any(|record| record.statement == permit && record.outcome.is_some());
    if started || is_known {
        spend::settle(&mut journal, permit, OutcomeResult::Failed, None, clock::now())?;
        return Ok(Some((reservation, OutcomeResult::Failed, None)));
    }
    spend::forgo(&mut journal, permit, clock::now())?;
    done.settled.push(Settled { change: reservation.change, result: None });
    Ok(None)
}

/// The same of what runs by the log under this key, and no journal remembers.
fn settle_lost(desk: &mut Desk, id: &ChangeId, done: &mut Resumed) -> Result<(), CliError> {
    let key = desk.key();
    let running = |desk: &Desk| -> Result<Vec<OutcomeReport>, CliError> {
        let change = desk.change(id)?;
        let of = |change: &Change| -> Vec<OutcomeReport> {
            let running = change.permits.iter().filter(|permit| permit.is_running() && permit.audience == key);
            let failed = running.map(|permit| OutcomeReport {
                change: change.id.clone(),
                exit_status: None,
                permit: permit.statement,
                result: OutcomeResult::Failed,
                revision: permit.revision,
                targets: change.targets.clone(),
            });
            failed.collect()
        };
        Ok(change.as_ref().map(of).unwrap_or_default())
    };
    let lost = running(desk)?;
    if lost.is_empty() {
        return Ok(());
    }
    for report in lost {
        desk.say(Body::OutcomeReport(report), &[])?;
    }
    desk.follow(clock::now())?;
    match running(desk)?.is_empty() {
        true => done.settled.push(Settled { change: id.clone(), result: Some(OutcomeResult::Failed) }),
        false => done.missing.push(id.clone()),
    }
    Ok(())
}

fn tell_resumed(global: &Global, done: &Resumed) -> Result<(), CliError> {
    if global.format == Format::Json {
        let running: Vec<&ChangeId> = done.running.iter().map(|(change, _)| change).collect();
        return output::json(&serde_json::json!({
            "settled": done.settled,
            "running": running,
            "missing": done.missing,
        }));
    }
    for Settled { change, result } in &done.settled {
        let short = change.short();
        match result {
            Some(result) => anstream::eprintln!("{} change {short}: {result}", good("settled")),
            None => anstream::eprintln!("{} change {short}: the command never began", good("settled")),
        }
    }
    if done.settled.is_empty() && done.running.is_empty() && done.missing.is_empty() {
        anstream::eprintln!("nothing was left unsettled on this machine with this key");
    }
    Ok(())
}

/// The permit in a file from `countersign permit`, by its digest: what it says stands in the log.
fn permit_at(path: &Path) -> Result<Digest, CliError> {
    let bytes = std::fs::read(path)
        .map_err(|e| CliError::new("cannot-read", format!("cannot read {}: {e}", path.display())))?;
    let (_, permit) = handed_over(&bytes).map_err(DeskError::from)?;
    Ok(permit)
}

/// What the rules say now counts, whatever they said when the permit was issued.
fn after_the_permit(error: DeskError) -> CliError {
    let denied = matches!(error, DeskError::Denied(_));
    let error = CliError::from(error);
    if denied { CliError { code: "denied-by-gate".into(), ..error } } else { error }
}

/// Whoever is at the gate.
enum Gate {
    /// By a copy of the log.
    Desk(Box<Desk>),
    /// By bundles.
    Session(Box<Session>),
    /// On people's word, while the log is away.
    Alone,
}

impl Gate {
    /// Has the log take that it starts. Nothing runs before that.
    fn start(&mut self, opening: &Opening) -> Result<(), NotStarted> {
        match self {
            Self::Desk(desk) => spend::start(desk, opening, &clock::now).map_err(|error| match error {
                spend::NotStarted::Refused(error) => NotStarted::Refused(error.into()),
                spend::NotStarted::Unknown(error) => NotStarted::Unknown(error.into()),
                spend::NotStarted::After(error) => NotStarted::After(after_the_permit(error)),
            }),
            // The journal alone says that it starts, and is the authority.
            Self::Alone => Ok(()),
            Self::Session(session) => {
                let body = opening.outcome(OutcomeResult::Started, None);
                let envelope = session.speaker.sign(&session.log.in_front_of(), body);
                let envelope = envelope.map_err(|error| NotStarted::Refused(error.into()))?;
                let receipt = match session.log.client.submit(&envelope, &[]) {
                    Ok(receipt) => receipt,
                    Err(error @ (ClientError::Refused { class: Some(_), .. } | ClientError::Denied(_))) => {
                        return Err(NotStarted::Refused(error.into()));
                    }
                    Err(error) => return Err(NotStarted::Unknown(error.into())),
                };
                // Those who cosign have to vouch for a log that has it: else a log that was forked for this machine would do.
                let found = session.log.find(&receipt, &envelope, clock::now());
                found
                    .and_then(|_| session.log.acknowledged(&receipt, clock::now))
                    .map_err(|error| NotStarted::After(error.into()))
            }
        }
    }

    /// Tells the log. What cannot be told now stays in the journal.
    fn report(&mut self, opening: &Opening, result: OutcomeResult, exit_status: Option<i32>) {
        let told = match self {
            Self::Desk(desk) => {
                // The command may have taken days, and who speaks does so in front of the log as it is now.
                let followed = desk.follow(clock::now());
                let told = desk.report(opening, result, exit_status).map(drop);
                told.or_else(|error| followed.and(Err(error))).map_err(CliError::from)
            }
            Self::Session(session) => session.say(opening.outcome(result, exit_status), &[]).map(drop),
            Self::Alone => {
                return anstream::eprintln!(
                    "{}: the log is told when it is back: countersign apply --resume",
                    warn("note")
                );
            }
        };
        if let Err(error) = told {
            anstream::eprintln!(
                "{}: the log could not be told that change {} {result}: {error}; the next `countersign apply`, or one with \
                 --resume, tells it",
                warn("warning"),
                opening.change().id.short()
            );
        }
    }
}

/// Reads the log into this machine's own copy.
fn follow(session: Session) -> Result<Desk, CliError> {
    let Session { log, speaker } = session;
    let copy = log.memory().folder().join(COPY);
    let place =
        Place { copy: &copy, access: Access::Owner, trust: log.trust(), url: log.client.url(), via: Via::Environment };
    let mut desk = Desk::open(&place, speaker.hand, permit::apply_gate()?, speaker.me)?;
    desk.follow(clock::now())?;
    if let Some(restored) = desk.restored() {
        anstream::eprintln!("{}: {restored}", warn("restored"));
    }
    Ok(desk)
}

/// Follows the log, and decides by the copy.
fn open_by_copy(
    session: Session,
    reading: &Reading,
    given: Option<Digest>,
    transition: &Transition,
    journal: &Path,
) -> Result<(Gate, Opening), CliError> {
    let id = reading.change().id.clone();
    let (me, key) = (session.speaker.me.clone(), session.speaker.hand.fingerprint());
    let mut desk = follow(session)?;
    // What could not be told before; if the server does not take it now either, it can wait.
    let _ = offline::hand_on(&mut desk, journal);
    let past = Past::read(journal)?.unwrap_or_default();
    desk.has_under_way(past.under_way(clock::now()));
    let _ = spend::report(journal, &desk, past.unreported());
    let change = desk
        .change(&id)?
        .ok_or_else(|| CliError::new("unknown-change", format!("the log has no change {}", id.short())))?;
    let broken = desk.broken(&change, transition, clock::now());
    let opening = match given.as_ref().or(broken.as_ref()) {
        Some(permit) => desk.open_permit(&change, permit, transition, clock::now()).map_err(after_the_permit)?,
        None => {
            let title = reading.view()?.title;
            submit::announce_as(&me, &key, &[format!("request for a permit for change {}: {title}", id.short())]);
            desk.ask(&change, transition, &clock::now)?
        }
    };
    spend::nothing_withheld(&Past::read(journal)?.unwrap_or_default(), &desk, std::slice::from_ref(&opening))?;
    Ok((Gate::Desk(Box::new(desk)), opening))
}

/// How often a bundle is asked for until others have cosigned it, and how long is waited between.
const ATTEMPTS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(200);

/// Takes the word of followers that a bundle has all that it should, and decides by that.
fn open_by_bundle(
    session: Session,
    reading: &Reading,
    given: Option<Digest>,
    transition: &Transition,
) -> Result<(Gate, Opening), CliError> {
    bundle::is_enough(session.log.trust()).map_err(DeskError::from)?;
    let key = session.speaker.hand.fingerprint();
    let permit = match given {
        Some(permit) => permit,
        None => {
            let permit = permit::request(&session, reading, permit::apply_gate()?, key.clone(), transition)?;
            handed_over(permit.as_bytes())?.1
        }
    };
    let log = &session.log;
    let stops = Stops::beside(&log.memory().folder().join(COPY));
    let id = &reading.change().id;
    let asked = bundle::Asked { trust: log.trust(), change: id, permit: &permit, key: &key, transition, stops: &stops };
    let change = ChangePrefix::from(id);
    let mut found = session.bundle(&change)?;
    for _ in 0..ATTEMPTS {
        if bundle::is_ripe(asked.trust, &found.evidence, &permit) {
            break;
        }
        thread::sleep(PAUSE);
        found = session.bundle(&change)?;
    }
    let opening = bundle::open(&asked, &found, clock::now()).map_err(after_the_permit)?;
    Ok((Gate::Session(Box::new(session)), opening))
}

impl From<apply::ApplyError> for CliError {
    fn from(error: apply::ApplyError) -> Self {
        Self::new("gate", error.to_string())
            .hint("without its copy of the files the gate stays shut; is the disk full?")
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        DeskError::from(error).into()
    }
}

impl From<DeskError> for CliError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Follow(error) => Self { hint: error.hint(), ..Self::new(error.code(), error.to_string()) },
            DeskError::Client(error) => error.into(),
            DeskError::Speak(error) => error.into(),
            // Whatever a gate refuses, the rules refuse.
            DeskError::Refused(refusal) => Self { exit: Exit::Refused, ..refusal.into() },
            DeskError::Denied(judged) => {
                let Judged { decision, explanation, handed } = *judged;
                let change = decision.change.short().to_owned();
                let to_do = show::to_do(&Explained { decision, explanation });
                let handed: String = handed.iter().map(|stop| format!("\n  handed to this gate: {stop}")).collect();
                let message = format!("the rules do not allow change {change}:\n{to_do}{handed}");
                Self { exit: Exit::Refused, ..Self::new(DENIED, message) }
                    .hint(format!("all of it: countersign show {change}"))
            }
            DeskError::Journal(error) => Self::new("gate-journal", error.to_string()).hint(error.hint()),
            DeskError::Runtime(error) => Self::new("failed", format!("cannot start: {error}")),
        }
    }
}
