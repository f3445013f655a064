//! `attest`: a workload says what it found of a revision.

mod token;

use std::path::{Path, PathBuf};

use countersign_core::{
    evidence::{self, Attested, EvidenceResult, MAX_DOCUMENT_BYTES},
    ids::{ActorId, EvidenceKind},
    statement::{Body, Evidence},
};
use countersign_ledger::Digest;

use self::token::ByToken;
use super::{
    Global,
    error::{CliError, Exit},
    submit::{self, Session, announce, reason},
};
use crate::{client::ChangePrefix, clock, home::files::read, known::KnownLog};

/// Say what tests, a scan or a build found of a change, by the key of what ran it, or by a CI's OIDC token.
///
/// Only a workload attests, of the kinds that the catalog gives it (annotation `countersign/attests`), and only of changes that
/// it had no hand in. It is of one revision: a new one is attested anew. Of one workload and kind the newest counts, so that a
/// later `failed` takes a pass back; whatever is skipped, neutral or missing has not passed. What was made by a workflow that the
/// change edits passes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign attest 9f2c4e6a81d0 --kind tests --result passed --workflow .github/workflows/ci.yml --key ci_ed25519\n  \
    countersign attest 9f2c4e6a81d0 --kind tests --result failed --from junit.xml --note https://ci.example.com/runs/4711\n  \
    countersign attest 9f2c4e6a81d0 --from tests.intoto.json\n  \
    countersign attest 9f2c4e6a81d0 --kind tests --result passed --workload ci     on GitHub Actions, by its token")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// What sort of evidence it is: tests, scan, build, … Without it, of an in-toto test result `tests`, of a SLSA provenance
    /// `build`.
    #[arg(long)]
    kind: Option<EvidenceKind>,
    /// What came of it. An in-toto test result or a SLSA provenance says that itself.
    #[arg(long, value_parser = result)]
    result: Option<EvidenceResult>,
    /// The revision that it was run on; without it, the present one.
    #[arg(long, value_name = "N")]
    revision: Option<u32>,
    /// What it went by, kept beside the log: an in-toto test result or a SLSA provenance, bare or in a DSSE envelope, which have
    /// to be about just this revision; or anything else, such as a report.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The file of the repository that says what was run.
    #[arg(long, value_name = "PATH")]
    workflow: Option<String>,
    /// Words, such as where the run can be looked at. They lie beside the log and can be erased.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    note: Option<String>,
    #[command(flatten)]
    by_token: ByToken,
}

fn result(text: &str) -> Result<EvidenceResult, String> {
    let all = EvidenceResult::ALL;
    all.into_iter()
        .find(|result| result.as_str() == text)
        .ok_or_else(|| format!("one of {}", all.map(EvidenceResult::as_str).join(", ")))
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    args.by_token.is_in_order()?;
    if let Some(file) = &args.by_token.prepared {
        return token::sent(global, &args.change, &args.by_token, file);
    }
    let by = match &args.by_token.workload {
        Some(workload) => By::Token(Box::new(global.log()?), workload.clone()),
        None => By::Key(Box::new(global.session()?)),
    };
    let reading = match &by {
        By::Token(log, _) => log.read(&args.change, clock::now())?,
        By::Key(session) => session.read(&args.change)?,
    };
    let view = reading.view()?;
    let short = view.id.short();
    if args.revision.is_some_and(|number| number != view.revision) {
        let number = args.revision.unwrap_or_default();
        let what = format!("change {short} has revision {}, and this is said of revision {number}", view.revision);
        return Err(CliError::new("stale-revision", what).hint("run it on what is there now, and attest that"));
    }
    let document = args.from.as_deref().map(document).transpose()?;
    let said = match &document {
        Some(bytes) => evidence::read(bytes, Some(reading.subject()))?,
        None => None,
    };
    let result = agreed(said.as_ref(), args.result)?;
    let kind = match (args.kind, &said) {
        (Some(kind), _) => kind,
        (None, Some(said)) => usual_kind(said)?,
        (None, None) => {
            return Err(CliError::usage("--kind: what sort of evidence is it?").hint("for example --kind tests"));
        }
    };
    let workflow = args.workflow.or(said.and_then(|said| said.workflow));
    let note = args.note.as_deref().map(reason).transpose()?;
    let made_by = workflow.as_ref().map(|path| format!(", by {path}")).unwrap_or_default();
    let blobs: Vec<Vec<u8>> = document.iter().cloned().chain(note.iter().map(|(_, blob)| blob.clone())).collect();
    let body = Body::Evidence(Evidence {
        change: view.id.clone(),
        document: document.map(Digest::of),
        kind: kind.clone(),
        result,
        revision: reading.revision_ref(),
        subject: view.subject_ref.clone(),
        text: note.map(|(digest, _)| digest),
        workflow,
    });
    match by {
        By::Key(session) => {
            let words =
                format!("{kind} {result} for revision {} of change {short}{made_by}: {}", view.revision, view.title);
            announce(&session.speaker, &[words]);
            let me = session.speaker.me.clone();
            submit::say(global, &session, body, &blobs, |_| format!("{me} attested {kind} {result} for {short}"))
        }
        By::Token(log, by) => {
            let words = format!("{kind} {result} for revision {} of change {short}{made_by}", view.revision);
            let said = token::Said { log: &log, reading: &reading, by: &by, body, blobs, words };
            token::say(global, &args.by_token, said)
        }
    }
}

/// By what it is said.
enum By {
    Key(Box<Session>),
    Token(Box<KnownLog>, ActorId),
}

fn document(path: &Path) -> Result<Vec<u8>, CliError> {
    read(path, MAX_DOCUMENT_BYTES).map_err(|error| {
        CliError::new("evidence-document", error.to_string())
            .hint("of something larger attest a summary, and say with --note where the whole is")
    })
}

/// What came of it. A document that says so is never contradicted by a flag.
fn agreed(said: Option<&Attested>, flag: Option<EvidenceResult>) -> Result<EvidenceResult, CliError> {
    match (said, flag) {
        (None, Some(flag)) => Ok(flag),
        (Some(said), None) => Ok(said.result),
        (Some(said), Some(flag)) if said.result == flag => Ok(flag),
        (Some(said), Some(flag)) => Err(CliError::new(
            "result-mismatch",
            format!("--result {flag}, but the document says that it {}", said.result),
        )
        .hint("leave --result away: the document says what came of it")),
        (None, None) => Err(CliError::usage("--result: what came of it?")
            .hint(format!("one of {}", EvidenceResult::ALL.map(EvidenceResult::as_str).join(", ")))),
    }
}

fn usual_kind(said: &Attested) -> Result<EvidenceKind, CliError> {
    let usual = if said.predicate == evidence::PROVENANCE { "build" } else { "tests" };
    usual.parse().map_err(|error: countersign_core::ids::InvalidId| CliError::usage(error.to_string()))
}
