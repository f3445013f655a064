//! `bundle` and `verify`: the evidence, and what it proves to who trusts nobody.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    thread,
};

use countersign_core::{
    change::Change,
    decision::Outcome,
    ids::{ActorId, ChangeId, GateId, RuleId, Target},
    snapshot::Ai,
    state::State,
    statement::Seen,
    take,
    trust::{TRUST_VERSION, Trust},
    verify::{Completeness, Report, ShelfError, Step, Verdict, shelved, verify},
};
use countersign_ledger::{Digest, LogKeys, SignedCheckpoint, sshsig::Assurance};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeSeq as _},
};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, bad, faint, good, printable, warn},
};
use crate::{
    bundle::{self, Bundle, BundleError},
    client::{ChangePrefix, ClientError},
    clock,
    evidence::{self, Evidence, Proved as Proof},
    follower::{
        source::{Source, SourceError},
        vouching::Outside,
    },
    home::files,
    reading::Reading,
    verifying::{self, FileShelf, VerifyError, change_id, number},
    view::{self, Texts},
    wire::{Emergency, rfc3339},
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
    let bytes = log.client.bundle(&args.change, None, &[])?;
    // What does not hold is not a bundle: say so now, and not to the auditor.
    let bundle = Bundle::from_tar(&args.out, &bytes)?;
    let id = Reading::of(log.trust(), &args.change, bundle, None, clock::now())?.change().id.clone();
    write(&args.out, &bytes)?;
    match global.format {
        Format::Json => output::json(&serde_json::json!({"change": id, "bundle": args.out}))?,
        Format::Text => anstream::println!(
            "bundle of change {} written to {}; check it with: countersign verify {} --trust trust.json",
            id.short(),
            args.out.display(),
            files::word(&args.out)
        ),
    }
    Ok(Exit::Done)
}

/// Verify a bundle or a whole log: every hash, every signature, every decision again.
///
/// Needs no server and no database, only the trust.json that you got when the log was founded. A whole log is read where it
/// lies, at the address of a server or of a static copy, or in a directory, and its size does not matter.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign verify change.bundle --trust trust.json\n  \
    countersign export ./log && countersign verify ./log --trust trust.json\n  \
    countersign verify https://log.example --trust trust.json\n  \
    countersign verify change.bundle --trust trust.json --format html --out change.html\n\n\
    Exit status: 0 everything holds, 1 something is broken (the first broken leaf is named).")]
pub struct Args {
    /// A bundle (a file, or its unpacked directory), an exported log, or the address of a log.
    place: String,
    /// With `--format html`: write the page into this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
    changes: Changes<'a>,
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
    proposed_at: String,
    /// Who approved what the present revision brings, by signatures that hold.
    approved_by: BTreeSet<ActorId>,
    /// When, and how each had the content at hand.
    approvals: Vec<ProvedApproval>,
    waivers: Vec<ProvedWaiver>,
    /// Of a change that went past the rules: by whom, and who looked at it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency: Option<Emergency>,
    ai: Ai,
    /// What it says that it was made by, and whether that was found; past its review by when it was last decided.
    guidance: Vec<ProvedGuidance>,
    /// Whose rejection stands.
    rejected_by: BTreeSet<ActorId>,
    decisions: Vec<ProvedDecision>,
    outcomes: Vec<String>,
    /// The same, with who reported them and when the log took that.
    reported: Vec<ProvedOutcome>,
}

#[derive(Serialize)]
struct ProvedOutcome {
    outcome: String,
    gate: GateId,
    at: Option<String>,
}

#[derive(Serialize)]
struct ProvedApproval {
    /// The earlier revision that it is of, which brought the same in the same words: it counts for rules that let it.
    #[serde(skip_serializing_if = "Option::is_none")]
    carried_from: Option<u32>,
    by: ActorId,
    at: String,
    seen: Seen,
    assurance: Assurance,
}

#[derive(Serialize)]
struct ProvedWaiver {
    rule: RuleId,
    by: ActorId,
    at: String,
}

#[derive(Serialize)]
struct ProvedGuidance {
    path: String,
    found: bool,
    review_due: Option<String>,
    stale: bool,
}

#[derive(Serialize)]
struct ProvedDecision {
    outcome: Outcome,
    revision: u32,
    at: String,
}

impl Proved {
    fn of(state: &State, change: &Change, blob: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Self {
        let governance = &*state.governance;
        let current = change.current_ref();
        // By when it was last decided, or last spoken of.
        let when = change.decisions.last().map_or(change.proposed_at, |decision| decision.at);
        let guidance = |path: &str| {
            let found = change.observed_document(path);
            let due = found.and_then(|document| document.review_due);
            ProvedGuidance {
                path: path.to_owned(),
                found: found.is_some(),
                review_due: due.map(rfc3339),
                stale: due.is_none_or(|due| due < when),
            }
        };
        Self {
            proposed_at: rfc3339(change.proposed_at),
            approvals: change
                .approvals
                .iter()
                .filter(|approval| Some(approval.revision) == current || change.may_carry(approval))
                .map(|approval| ProvedApproval {
                    carried_from: Some(approval.revision.number).filter(|_| Some(approval.revision) != current),
                    by: approval.by.clone(),
                    at: rfc3339(approval.at),
                    seen: approval.seen,
                    assurance: approval.assurance,
                })
                .collect(),
            waivers: change
                .waivers
                .iter()
                .filter(|waiver| Some(waiver.revision) == current)
                .map(|waiver| ProvedWaiver { rule: waiver.rule.clone(), by: waiver.by.clone(), at: rfc3339(waiver.at) })
                .collect(),
            emergency: view::emergency(state, change, blob),
            ai: take::ai_of(governance, change),
            guidance: change.cited_guidance().into_iter().map(guidance).collect(),
            rejected_by: change.standing_rejections().map(|rejection| rejection.by.clone()).collect(),
            decisions: change
                .decisions
                .iter()
                .map(|decision| ProvedDecision {
                    outcome: decision.outcome,
                    revision: decision.revision.number,
                    at: rfc3339(decision.at),
                })
                .collect(),
            id: change.id.clone(),
            state: change.status.as_str(),
            targets: change.targets.clone(),
            revision: change.current_ref().map_or(0, |revision| revision.number),
            subject: change.current().map(|revision| revision.subject.summary()).unwrap_or_default(),
            proposer: change.proposer.clone(),
            approved_by: change
                .approvals
                .iter()
                .filter(|approval| Some(approval.revision) == change.current_ref() || change.may_carry(approval))
                .map(|approval| approval.by.clone())
                .collect(),
            outcomes: change.permits.iter().filter_map(|permit| permit.outcome).map(|o| o.to_string()).collect(),
            reported: change
                .permits
                .iter()
                .filter_map(|permit| {
                    Some(ProvedOutcome {
                        outcome: permit.outcome?.to_string(),
                        gate: permit.gate.clone(),
                        at: permit.reported_at.map(rfc3339),
                    })
                })
                .collect(),
        }
    }
}

impl Proved {
    /// What the one line leaves out.
    fn details(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.emergency.iter().flat_map(Emergency::lines).collect();
        lines.push(format!("proposed    {}", self.proposed_at));
        for approval in &self.approvals {
            let (by, at, seen) = (&approval.by, &approval.at, approval.seen.as_str());
            let carried = approval.carried_from.map(|from| format!(", carried over from revision {from}"));
            lines.push(format!("approved    {at} by {by}, content seen: {seen}{}", carried.unwrap_or_default()));
        }
        lines.extend(self.rejected_by.iter().map(|by| format!("rejected    by {by}, which stands")));
        for waiver in &self.waivers {
            lines.push(format!("waived      {} rule {} by {}", waiver.at, waiver.rule, waiver.by));
        }
        let tools: Vec<&str> = self.ai.tools.iter().map(String::as_str).collect();
        let tools = if tools.is_empty() { String::new() } else { format!(" ({})", tools.join(", ")) };
        let said = if self.ai.disclosed { "" } else { ", nobody has signed a disclosure" };
        lines.push(format!("AI          {}{tools}{said}", self.ai.status.as_str()));
        for guidance in &self.guidance {
            let how = match (guidance.found, &guidance.review_due, guidance.stale) {
                (false, _, _) => "was not found".to_owned(),
                (true, None, _) => "stale, says no review date".to_owned(),
                (true, Some(due), true) => format!("stale, review was due {due}"),
                (true, Some(due), false) => format!("reviewed, next by {due}"),
            };
            lines.push(format!("guidance    {} {how}", guidance.path));
        }
        for decision in &self.decisions {
            lines.push(format!("decided     {} {} of revision {}", decision.at, decision.outcome, decision.revision));
        }
        for report in &self.reported {
            let at = report.at.as_deref().unwrap_or("at an unknown time");
            lines.push(format!("outcome     {at} {} by gate {}", report.outcome, report.gate));
        }
        lines
    }
}

/// The change that a bundle is about, or every change of a whole log, in the order of their ids and one at a time.
struct Changes<'a> {
    ids: Vec<u128>,
    state: Option<&'a State>,
    shelf: Option<&'a FileShelf>,
    found: &'a Found,
}

impl<'a> Changes<'a> {
    fn of(found: &'a Found) -> Result<Self, CliError> {
        let state = found.report.state.as_ref().filter(|_| found.report.holds());
        let Some(state) = state else { return Ok(Self { ids: Vec::new(), state: None, shelf: None, found }) };
        let claimed = |change: &&Change| found.claim.as_ref().is_none_or(|(_, id)| *id == change.id);
        let mut ids: Vec<u128> =
            state.changes().filter(claimed).map(|change| number(&change.id)).collect::<Result<_, _>>()?;
        ids.extend(found.shelf.iter().flat_map(FileShelf::ids));
        ids.sort_unstable();
        ids.dedup();
        Ok(Self { ids, state: Some(state), shelf: found.shelf.as_ref(), found })
    }

    fn iter(&self) -> impl Iterator<Item = Result<Proved, ShelfError>> {
        self.ids.iter().map(|id| {
            let id = change_id(*id)?;
            let state = self.state.ok_or_else(|| ShelfError("nothing was verified".to_owned()))?;
            let blob = |digest: &Digest| self.found.blob(digest);
            // What is in memory is newer than what lies on the shelf.
            if let Some(change) = state.change(&id).ok().flatten() {
                return Ok(Proved::of(state, change, &blob));
            }
            let laid_down = self.shelf.map(|shelf| shelved(shelf, &id)).transpose()?.flatten();
            laid_down
                .as_ref()
                .map(|change| Proved::of(state, change, &blob))
                .ok_or_else(|| ShelfError(format!("change {id} is gone")))
        })
    }
}

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.ids.len()))?;
        for change in self.iter() {
            list.serialize_element(&change.map_err(S::Error::custom)?)?;
        }
        list.end()
    }
}

/// What was found of a bundle or of a whole log.
struct Found {
    report: Report,
    /// What others cosigned, or else the checkpoint.
    note: String,
    /// What a bundle says that it is: of which log, and of which change.
    claim: Option<(String, ChangeId)>,
    /// Of a whole log, the changes that are not in the report's state.
    shelf: Option<FileShelf>,
    /// Of a bundle, what its statements name.
    blobs: Texts,
    /// Where a whole log lies.
    source: Option<Source>,
}

impl Found {
    /// What a statement names by this digest, as far as it can be had.
    fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        let elsewhere = || self.source.as_ref()?.blob(digest).ok().flatten();
        self.blobs.get(digest).cloned().or_else(elsewhere).filter(|bytes| Digest::of(bytes) == *digest)
    }
}

/// More threads than cores, where each of them waits for answers.
const THREADS_AT_AN_ADDRESS: usize = 8;

fn find(trust: &Trust, place: &str) -> Result<Found, CliError> {
    let source = Source::files_at(place);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = match &source {
        Source::Folder(path) if bundle::is_bundle(path) => return find_in_bundle(trust, path),
        Source::Folder(_) | Source::Ledger(_) => cores,
        Source::Server(_) | Source::Static(_) => cores.max(THREADS_AT_AN_ADDRESS),
    };
    let verifying::Verified { report, shelf, note } = verifying::verify(trust, &source, threads, clock::now())?;
    Ok(Found { report, note, claim: None, shelf: Some(shelf), blobs: Texts::new(), source: Some(source) })
}

fn find_in_bundle(trust: &Trust, path: &Path) -> Result<Found, CliError> {
    let bundle = bundle::read(path)?;
    let mut report = verify(trust, &bundle.evidence, clock::now());
    let broken = |name, detail: String| Step { name, verdict: Verdict::Broken, detail, index: None };
    if let Some(name) = bundle.extracts_differ.first() {
        let detail = format!("{name}, which is there for ssh-keygen, does not say what its leaf says");
        // approvals/0000000015-ben.sig is of leaf 15.
        let index = name.rsplit('/').next().and_then(|name| name.split('-').next()?.parse().ok());
        report.steps.push(Step { index, ..broken("extracts", detail) });
    }
    let (origin, change) = (bundle.origin, bundle.change);
    if let Some(state) = &report.state
        && (origin != trust.origin || !matches!(state.change(&change), Ok(Some(_))))
    {
        let detail =
            format!("bundle.json says that it is of change {change} of {origin}, which its leaves do not have");
        report.steps.push(broken("manifest", detail));
    }
    let note = bundle.evidence.cosigned.unwrap_or(bundle.evidence.checkpoint);
    Ok(Found { report, note, claim: Some((origin, change)), shelf: None, blobs: bundle.evidence.blobs, source: None })
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let trust = global
        .trust
        .as_deref()
        .ok_or_else(|| CliError::usage("what it is verified against is missing: --trust FILE").hint(TRUST_HINT))?;
    let trust = read_trust(trust)?;
    let found = find(&trust, &args.place)?;
    let report = &found.report;
    let claimed = found.claim.as_ref().map(|(_, change)| change);
    // Of a whole log there is nothing to say where nobody is asked to vouch for it.
    let is_said = |complete: &&Completeness| report.holds() && (trust.cosigners.is_some() || !complete.whole);
    let complete = report.completeness.as_ref().filter(is_said);
    let log_key = found.report.log_keys.as_ref().unwrap_or(&trust.log_key);
    let outside = complete.and_then(|_| outside(&trust, log_key, &found.note));
    if global.page {
        let completeness = complete.map(|complete| complete.words(claimed));
        page(args, &trust, &found, completeness, &outside)?;
        return Ok(if report.holds() { Exit::Done } else { Exit::Failed });
    }
    if args.out.is_some() {
        return Err(CliError::usage("--out is where a page goes").hint("add --format html"));
    }
    let changes = Changes::of(&found)?;
    match global.format {
        Format::Json => output::json_in_pieces(&Verified {
            holds: report.holds(),
            first_broken: report.first_broken(),
            steps: &report.steps,
            complete_until: complete.and_then(|complete| complete.until(claimed)),
            completeness: complete.map(|complete| complete.words(claimed)),
            outside,
            changes,
        })?,
        Format::Text => {
            print(report, &changes)?;
            if let Some(complete) = complete {
                anstream::println!("{}", complete.words(claimed));
            }
            for line in outside.iter().flat_map(Outside::lines) {
                anstream::println!("  {line}");
            }
            verdict(report);
            let broken = |step: &&Step| step.verdict == Verdict::Broken && step.is_by_the_trust_file();
            if report.steps.iter().any(|step| broken(&step)) {
                anstream::eprintln!("{}: {TRUST_HINT}", output::bold(output::hint_style(), "hint"));
            }
        }
    }
    Ok(if report.holds() { Exit::Done } else { Exit::Failed })
}

/// The page is made of what does not hold, too: it then says so.
fn page(
    args: &Args,
    trust: &Trust,
    found: &Found,
    completeness: Option<String>,
    outside: &Option<Outside>,
) -> Result<(), CliError> {
    let Some((_, id)) = &found.claim else {
        return Err(CliError::usage("--format html makes a page of one change, and this is a whole log")
            .hint("name a bundle: countersign bundle CHANGE --out change.bundle"));
    };
    if args.out.is_none() && io::stdout().is_terminal() {
        return Err(CliError::usage("--format html is a page for a browser, which a terminal cannot show")
            .hint("name the file: --out change.html"));
    }
    let state = found.report.state.as_ref().filter(|_| found.report.holds());
    let change = state.and_then(|state| Some((state, state.change(id).ok().flatten()?)));
    let proved = change.map(|(state, change)| Proof::of(state, change, &found.blobs, clock::now())).transpose()?;
    let evidence = Evidence {
        file: &files::word(Path::new(&args.place)),
        trust,
        steps: &found.report.steps,
        holds: found.report.holds(),
        completeness,
        outside: outside.iter().flat_map(Outside::lines).collect(),
        proved,
    };
    let html = evidence::render(&evidence);
    match &args.out {
        Some(file) => super::audit::write_whole(file, &html),
        None => io::stdout()
            .write_all(html.as_bytes())
            .map_err(|error| CliError::new("failed", format!("cannot print the page: {error}"))),
    }
}

/// Whose cosignatures stand below the checkpoint, however old they are.
fn outside(trust: &Trust, log_key: &LogKeys, note: &str) -> Option<Outside> {
    let note = SignedCheckpoint::open(note, log_key).ok()?;
    Some(Outside::of(trust, Some(&note), clock::now(), i64::MAX))
}

/// More changes than fit on a page are counted.
const SHOWN_CHANGES: usize = 20;

fn print(report: &Report, changes: &Changes<'_>) -> Result<(), CliError> {
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
        let change = change?;
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
        change.details().iter().for_each(|line| anstream::println!("  {}", printable(line)));
    }
    match changes.ids.len().saturating_sub(SHOWN_CHANGES) {
        0 => {}
        more => anstream::println!("… and {more} more changes"),
    }
    Ok(())
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
    let text = fs::read_to_string(path).map(|text| files::without_mark(&text).to_owned()).map_err(|e| {
        let hint = match e.kind() {
            io::ErrorKind::PermissionDenied => "it is there, and this account may not read it: whose file is it?",
            _ => TRUST_HINT,
        };
        CliError::new("cannot-read", format!("cannot read {}: {e}", path.display())).hint(hint)
    })?;
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

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    fs::write(path, bytes).map_err(|e| CliError::new("cannot-write", format!("cannot write {}: {e}", path.display())))
}

impl From<BundleError> for CliError {
    fn from(error: BundleError) -> Self {
        Self::new("bundle", error.to_string()).hint(error.hint())
    }
}

impl From<VerifyError> for CliError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Source(SourceError::Client(error @ ClientError::Unreachable { .. })) => {
                Self::new("server-unreachable", error.to_string()).hint("does somebody serve the log there?")
            }
            VerifyError::Source(error) => Self::new("log-unreadable", error.to_string())
                .hint("nothing in it can be trusted as it is: fetch it again, or from another copy of the log"),
            VerifyError::Shelf(error) => error.into(),
        }
    }
}

impl From<ShelfError> for CliError {
    fn from(error: ShelfError) -> Self {
        Self::new("failed", error.to_string()).hint("is there room for temporary files? TMPDIR says where they go")
    }
}
