//! `bundle`, `verify` and `log`: the evidence, and what it proves to who trusts nobody.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use countersign_core::{
    change::Change,
    ids::{ActorId, ChangeId, Target},
    trust::{TRUST_VERSION, Trust},
    verify::{Completeness, Evidence, Report, Step, Verdict, verify},
};
use countersign_ledger::SignedCheckpoint;
use serde::Serialize;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, bad, faint, good, printable, warn},
};
use crate::{
    bundle::{self, Bundle, BundleError},
    client::{ChangePrefix, Client, ClientError},
    clock,
    follower::vouching::Outside,
    reading::Reading,
};

/// Write the bundle of a change: everything that somebody needs to check it, without us.
#[derive(Debug, clap::Args)]
pub struct BundleArgs {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// Where to write it (a tar archive).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn bundle(global: &Global, args: &BundleArgs) -> Result<Exit, CliError> {
    let log = global.log()?;
    let bytes = log.client.bundle(&args.change, None)?;
    // What does not hold is not a bundle: say so now, and not to the auditor.
    let bundle = Bundle::from_tar(&args.out, &bytes)?;
    let id = Reading::of(log.trust(), &args.change, bundle, clock::now())?.change().id.clone();
    write(&args.out, &bytes)?;
    match global.format {
        Format::Json => output::json(&serde_json::json!({"change": id, "bundle": args.out}))?,
        Format::Text => anstream::println!(
            "bundle of change {} written to {}; check it with: countersign verify {} --trust trust.json",
            id.short(),
            args.out.display(),
            args.out.display()
        ),
    }
    Ok(Exit::Done)
}

/// Verify a bundle or an exported log: every hash, every signature, every decision again.
///
/// Needs no server and no database, only the trust.json that you got when the log was founded.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign verify change.bundle --trust trust.json\n  \
    countersign log --export ./log && countersign verify ./log --trust trust.json\n\n\
    Exit status: 0 everything holds, 1 something is broken (the first broken leaf is named).")]
pub struct Args {
    /// A bundle (a file, or its unpacked directory) or an exported log.
    path: PathBuf,
}

#[derive(Serialize)]
struct Verified<'a> {
    holds: bool,
    first_broken: Option<u64>,
    steps: &'a [Step],
    /// Up to which leaf nothing was left out, by the word of enough followers; absent where they do not say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_until: Option<u64>,
    /// The same in words, and who says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    completeness: Option<String>,
    /// Everybody outside of the server who cosigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<Outside>,
    /// What the copy proves of its changes; empty unless everything holds.
    changes: Vec<Proved>,
}

/// What is proved of one change.
#[derive(Serialize)]
struct Proved {
    id: ChangeId,
    state: &'static str,
    targets: BTreeSet<Target>,
    revision: u32,
    subject: String,
    proposer: ActorId,
    /// Who approved the present revision, by signatures that hold.
    approved_by: BTreeSet<ActorId>,
    outcomes: Vec<String>,
}

/// The change that a bundle is about, or every change of an export.
fn proved(report: &Report, claimed: Option<&ChangeId>) -> Vec<Proved> {
    let Some(state) = report.state.as_ref().filter(|_| report.holds()) else { return Vec::new() };
    let of = |change: &Change| Proved {
        id: change.id.clone(),
        state: change.status.as_str(),
        targets: change.targets.clone(),
        revision: change.current_ref().map_or(0, |revision| revision.number),
        subject: change.current().map(|revision| revision.subject.summary()).unwrap_or_default(),
        proposer: change.proposer.clone(),
        approved_by: change
            .approvals
            .iter()
            .filter(|approval| Some(approval.revision) == change.current_ref())
            .map(|approval| approval.by.clone())
            .collect(),
        outcomes: change.permits.iter().filter_map(|permit| permit.outcome).map(|o| o.to_string()).collect(),
    };
    state.changes().filter(|change| claimed.is_none_or(|id| *id == change.id)).map(of).collect()
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let trust = global
        .trust
        .as_deref()
        .ok_or_else(|| CliError::usage("what it is verified against is missing: --trust FILE").hint(TRUST_HINT))?;
    let trust = read_trust(trust)?;
    let copy = bundle::read(&args.path)?;
    let mut report = verify(&trust, &copy.evidence, clock::now());
    let broken = |name, detail: String| Step { name, verdict: Verdict::Broken, detail, index: None };
    if let Some(name) = copy.extracts_differ.first() {
        let detail = format!("{name}, which is there for ssh-keygen, does not say what its leaf says");
        // approvals/0000000015-ben.sig is of leaf 15.
        let index = name.rsplit('/').next().and_then(|name| name.split('-').next()?.parse().ok());
        report.steps.push(Step { index, ..broken("extracts", detail) });
    }
    if let (Some((origin, change)), Some(state)) = (&copy.claim, &report.state)
        && (*origin != trust.origin || !matches!(state.change(change), Ok(Some(_))))
    {
        let detail =
            format!("bundle.json says that it is of change {change} of {origin}, which its leaves do not have");
        report.steps.push(broken("manifest", detail));
    }
    let claimed = copy.claim.as_ref().map(|(_, change)| change);
    // Of a whole log there is nothing to say where nobody is asked to vouch for it.
    let is_said = |complete: &&Completeness| report.holds() && (trust.cosigners.is_some() || !complete.whole);
    let complete = report.completeness.as_ref().filter(is_said);
    let outside = complete.and_then(|_| outside(&trust, &copy.evidence));
    match global.format {
        Format::Json => output::json(&Verified {
            holds: report.holds(),
            first_broken: report.first_broken(),
            steps: &report.steps,
            complete_until: complete.and_then(|complete| complete.until(claimed)),
            completeness: complete.map(|complete| complete.words(claimed)),
            outside,
            changes: proved(&report, claimed),
        })?,
        Format::Text => {
            print(&report, &proved(&report, claimed));
            if let Some(complete) = complete {
                anstream::println!("{}", complete.words(claimed));
            }
            for line in outside.iter().flat_map(Outside::lines) {
                anstream::println!("  {line}");
            }
            verdict(&report);
        }
    }
    Ok(if report.holds() { Exit::Done } else { Exit::Failed })
}

/// Whose cosignatures stand below the checkpoint, however old they are.
fn outside(trust: &Trust, evidence: &Evidence) -> Option<Outside> {
    let note = evidence.cosigned.as_deref().unwrap_or(&evidence.checkpoint);
    let note = SignedCheckpoint::open(note, &trust.log_key).ok()?;
    Some(Outside::of(trust, Some(&note), clock::now(), i64::MAX))
}

/// More changes than fit on a page are counted.
const SHOWN_CHANGES: usize = 20;

fn print(report: &Report, changes: &[Proved]) {
    for step in &report.steps {
        let verdict = match step.verdict {
            Verdict::Holds => good("holds"),
            Verdict::Broken => bad("BROKEN"),
            Verdict::Newer => warn("newer"),
            Verdict::NotChecked => faint("not checked"),
        };
        anstream::println!("{:<11} {verdict}  {}", step.name, printable(&step.detail));
    }
    for change in changes.iter().take(SHOWN_CHANGES) {
        anstream::println!(
            "change {} {} on {}: {}, revision {}, proposed by {}, approved by {}",
            change.id.short(),
            change.state,
            output::list(&change.targets),
            printable(&change.subject),
            change.revision,
            change.proposer,
            output::list(&change.approved_by),
        );
    }
    if changes.len() > SHOWN_CHANGES {
        anstream::println!("… and {} more changes", changes.len() - SHOWN_CHANGES);
    }
}

fn verdict(report: &Report) {
    match (report.holds(), report.first_broken()) {
        (true, _) => anstream::println!("{}", good("verified")),
        (false, Some(index)) => anstream::println!("{}: the first broken leaf is {index}", bad("not verified")),
        (false, None) => anstream::println!("{}", bad("not verified")),
    }
}

pub const TRUST_HINT: &str =
    "trust.json is made by `countersign init`; get it from somebody you trust, not from the server";

pub fn read_trust(path: &Path) -> Result<Trust, CliError> {
    let malformed = |why: String| CliError::new("trust-malformed", why).hint(TRUST_HINT);
    let text = fs::read_to_string(path)
        .map_err(|e| CliError::new("cannot-read", format!("cannot read {}: {e}", path.display())).hint(TRUST_HINT))?;
    let version = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|v| v.get("version")?.as_u64());
    if version == Some(0) {
        return Err(malformed(format!("{}: there is no version 0", path.display())));
    }
    if version.is_some_and(|version| version > u64::from(TRUST_VERSION)) {
        return Err(CliError::new("newer-version", format!("{} was written by a newer version", path.display()))
            .hint("verify with a newer countersign"));
    }
    let trust: Trust =
        serde_json::from_str(&text).map_err(|e| malformed(format!("{} is not a trust.json: {e}", path.display())))?;
    trust.check()?;
    Ok(trust)
}

/// Show where the log stands, or export all of it.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// Write the whole log there, in the layout of C2SP tlog-tiles, with the blobs beside it.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Where no server answers yet, try again for so many seconds: for scripts that have just started one.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u16,
}

/// Between two attempts to reach a server that is starting.
const PAUSE: Duration = Duration::from_millis(100);
const ATTEMPTS_A_SECOND: u32 = 10;

/// Waits until somebody answers, whatever the answer is.
fn await_answer(client: &Client, seconds: u16) {
    for _ in 0..u32::from(seconds).saturating_mul(ATTEMPTS_A_SECOND) {
        match client.checkpoint() {
            Err(ClientError::Unreachable { .. }) => thread::sleep(PAUSE),
            Ok(_) | Err(_) => return,
        }
    }
}

pub fn log(global: &Global, args: &LogArgs) -> Result<Exit, CliError> {
    await_answer(&Client::new(&global.url), args.wait);
    let log = global.log()?;
    let checkpoint = log.checkpoint();
    if let Some(dir) = &args.export {
        let files = export(&log.client)?;
        export_to(dir, files)?;
        if global.format == Format::Text {
            anstream::println!("{} leaves written to {}", checkpoint.size, dir.display());
            return Ok(Exit::Done);
        }
    }
    let info = log.client.log()?;
    match global.format {
        Format::Json => output::json(&info)?,
        Format::Text => {
            anstream::println!("origin     {}", printable(&checkpoint.origin));
            anstream::println!("leaves     {}", checkpoint.size);
            anstream::println!("root       {}", checkpoint.root);
            anstream::println!("genesis    {}", log.trust().genesis);
            anstream::println!("in force   {}", info.governance.in_force);
            anstream::println!("semantics  {}", info.governance.semantics);
            anstream::println!("people     {} with a key", info.governance.people);
            anstream::print!("\n{}", output::printable_lines(&info.checkpoint));
            anstream::println!();
        }
    }
    Ok(Exit::Done)
}

fn export(client: &Client) -> Result<bundle::Files, CliError> {
    let bytes = client.export()?;
    Ok(bundle::files_of_tar(Path::new("the server's export"), &bytes)?)
}

/// Written beside the place and moved there, so that nothing half-written is ever found.
fn export_to(dir: &Path, files: bundle::Files) -> Result<(), CliError> {
    let cannot = |e: std::io::Error| CliError::new("cannot-write", format!("cannot write {}: {e}", dir.display()));
    if dir.exists() {
        return Err(CliError::new("exists", format!("{} is there already", dir.display()))
            .hint("name a directory that does not exist yet"));
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(cannot)?;
    let staging = tempfile::tempdir_in(parent).map_err(cannot)?;
    for (name, bytes) in files {
        let path = staging.path().join(&name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(cannot)?;
        }
        fs::write(&path, bytes).map_err(cannot)?;
    }
    fs::rename(staging.keep(), dir).map_err(cannot)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    fs::write(path, bytes).map_err(|e| CliError::new("cannot-write", format!("cannot write {}: {e}", path.display())))
}

impl From<BundleError> for CliError {
    fn from(error: BundleError) -> Self {
        Self::new("bundle", error.to_string()).hint(error.hint())
    }
}
