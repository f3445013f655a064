//! `apply`: run a command over exactly the approved bytes.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use countersign_core::{
    explain::Explained,
    statement::OutcomeResult,
    subject::{ApplyTransition, Transition, quoted},
};
use countersign_ledger::Digest;

use super::{
    Global,
    error::{CliError, Exit},
    output::{good, printable, warn},
    permit, show,
    submit::{self, Session},
};
use crate::{
    client::{ChangePrefix, Via},
    clock, files,
    follower::Access,
    gates::{
        apply,
        desk::{Desk, DeskError, Judged, Opening, Place, bundle, handed_over, spend},
        journal::{Journal, JournalError},
        stops::Stops,
    },
    reading::Reading,
    wire::DENIED,
};

/// The verified copy of a log, by which this machine's apply gate decides.
pub const COPY: &str = "copy";

/// Run the approved command over a private copy of exactly the approved files, and record what came of it.
///
/// The permit, and the signatures under it, are checked here against the trust.json that you pinned. Without --trust it is
/// what this machine pinned when it first saw the log.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign apply 9f2c4e6a81d0 --file flags.json -- curl --fail -T flags.json https://flags.example/\n\n\
    Exit status: that of the command once it runs; 3 if it may not run; 1 on an error before.")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// Each file of the change (repeatable).
    #[arg(long, required = true, value_name = "PATH", num_args = 1..)]
    file: Vec<PathBuf>,
    /// A permit from `countersign permit`, instead of asking for one.
    #[arg(long, value_name = "FILE")]
    permit: Option<PathBuf>,
    /// Decide by the change's bundle instead of following the log. Only where trust.json names followers that vouch for it.
    #[arg(long)]
    by_bundle: bool,
    /// The approved command, word for word.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let files = files::read_files(&args.file)?;
    files::names_no_outside_path(&args.command, &files)?;
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let transition = Transition::Apply(ApplyTransition {
        files: files.iter().map(|(name, file)| (name.clone(), Digest::of(&file.bytes))).collect(),
        command: args.command.clone(),
    });
    let id = reading.change().id.clone();
    let journal = apply::journal_path(session.log.memory().folder(), &session.speaker.hand.fingerprint());
    let given = args.permit.as_deref().map(permit_at).transpose()?;
    if let Some(permit) = &given {
        spend::unspent(&*Journal::open(&journal)?, permit).map_err(DeskError::from)?;
    }
    // Before the gate opens, so that nothing lies between what it sees then and the start.
    let copies = apply::private_copies(&files)?;
    let (gate, opening) = match args.by_bundle {
        true => open_by_bundle(session, &reading, given, &transition)?,
        false => open_by_copy(session, &reading, given, &transition, &journal)?,
    };
    let permit = opening.permit().statement;
    {
        let mut journal = Journal::open(&journal)?;
        spend::reserve(&mut journal, std::slice::from_ref(&opening), &transition, None, clock::now())?;
        spend::settle(&mut journal, permit, OutcomeResult::Started, None, clock::now())?;
    }

    gate.report(&opening, OutcomeResult::Started, None);
    anstream::eprintln!("{} {}", good("running"), printable(&quoted(&args.command)));
    let status = apply::run(&args.command, copies.path());
    let (result, code) = match &status {
        Ok(status) if status.success() => (OutcomeResult::Applied, status.code()),
        Ok(status) => (OutcomeResult::Failed, status.code()),
        Err(_) => (OutcomeResult::Failed, None),
    };
    spend::settle(&mut Journal::open(&journal)?, permit, result, code, clock::now())?;
    gate.report(&opening, result, code);
    match status {
        Ok(status) if status.success() => {
            anstream::eprintln!("{} change {}", good("applied"), id.short());
            Ok(Exit::Done)
        }
        Ok(status) => Ok(Exit::Command(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))),
        Err(e) => Err(CliError::new("command-not-started", format!("cannot run `{}`: {e}", quoted(&args.command)))
            .hint("the permit is spent; when the command can be found, ask again")),
    }
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
}

impl Gate {
    /// Tells the log. What cannot be told now stays in the journal; the command is not held up for it.
    fn report(&self, opening: &Opening, result: OutcomeResult, exit_status: Option<i32>) {
        let told = match self {
            Self::Desk(desk) => desk.report(opening, result, exit_status).map(drop).map_err(CliError::from),
            Self::Session(session) => session.say(opening.outcome(result, exit_status), &[]).map(drop),
        };
        if let Err(error) = told {
            anstream::eprintln!("{}: the outcome could not be reported: {error}", warn("warning"));
        }
    }
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
    if given.is_none() {
        let title = reading.view()?.title;
        submit::announce(&session.speaker, &[format!("request for a permit for change {}: {title}", id.short())]);
    }
    let Session { log, speaker } = session;
    let copy = log.memory().folder().join(COPY);
    let place =
        Place { copy: &copy, access: Access::Owner, trust: log.trust(), url: log.client.url(), via: Via::Environment };
    let mut desk = Desk::open(&place, speaker.hand, permit::apply_gate()?, speaker.me)?;
    desk.follow(clock::now())?;
    // What could not be told before; if the server does not take it now either, it can wait.
    let unreported = Journal::open(journal)?.unreported();
    let _ = spend::report(journal, &desk, unreported);
    let change = desk
        .change(&id)?
        .ok_or_else(|| CliError::new("unknown-change", format!("the log has no change {}", id.short())))?;
    let opening = match &given {
        Some(permit) => desk.open_permit(&change, permit, transition, clock::now()).map_err(after_the_permit)?,
        None => desk.ask(&change, transition, &clock::now)?,
    };
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
