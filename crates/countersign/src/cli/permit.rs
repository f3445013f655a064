//! `permit`: a lease for one transition, as a file.

use std::path::PathBuf;

use countersign_core::{
    ids::{GateId, Oid},
    state::GateRecord,
    statement::{Body, PermitRequest},
    subject::{ApplyTransition, FilesSubject, GitSubject, GitTransition, Subject, Transition},
};
use countersign_ledger::Fingerprint;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format},
    schedule,
    submit::{self, Session},
};
use crate::{client::ChangePrefix, reading::Reading};

/// Ask for a permit: a short, signed lease that opens one gate for exactly one transition.
///
/// For files, the gate is `countersign apply` with your key. For commits it is the git gate of the repository, which also
/// asks by itself when you push; hand it a permit with: git push -o countersign-permit=$(base64 -w0 FILE) …
///
/// With --not-before and --until no lease is asked for: you sign in which window the change may land, and gates ask for their lease
/// then, and at no other time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// Where to write it.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["not_before", "until", "any_time"])]
    out: Option<PathBuf>,
    #[command(flatten)]
    when: schedule::When,
    /// The gate, where more than one guards the repository.
    #[arg(long, value_name = "NAME")]
    gate: Option<GateId>,
    /// The tip of the branch that the push will find. Default: the base of the change.
    #[arg(long, value_name = "COMMIT")]
    old: Option<Oid>,
    /// The commit that the push will bring. Default: the head of the change.
    #[arg(long, value_name = "COMMIT")]
    new: Option<Oid>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let Some(out) = &args.out else { return schedule::run(global, &args.change, &args.when) };
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let Args { gate, old, new, .. } = &args;
    let (gate, audience, transition) = asked(&session, &reading, gate.as_ref(), old.as_ref(), new.as_ref())?;
    let envelope = request(&session, &reading, gate, audience, &transition)?;
    std::fs::write(out, envelope.as_bytes()).map_err(|e| {
        CliError::new("cannot-write", format!("cannot write {}: {e}", out.display()))
            .hint("the permit is in the log; ask again with another --out")
    })?;
    let id = &reading.change().id;
    match global.format {
        Format::Json => output::json(&serde_json::json!({"change": id, "permit": out}))?,
        Format::Text => anstream::println!("permit for change {} written to {}", id.short(), out.display()),
    }
    Ok(Exit::Done)
}

/// Asks the log for a permit, and gives its envelope.
pub fn request(
    session: &Session,
    reading: &Reading,
    gate: GateId,
    audience: Fingerprint,
    transition: &Transition,
) -> Result<String, CliError> {
    let view = reading.view()?;
    let line = format!("request for a permit for change {}: {}", view.id.short(), view.title);
    submit::announce(&session.speaker, &[line]);
    let body = Body::PermitRequest(PermitRequest {
        applier: None,
        audience,
        change: view.id,
        gate,
        revision: reading.revision_ref(),
        transition: transition.reference()?,
    });
    let receipt = session.say(body, &[transition.to_blob()?])?;
    receipt.permit.ok_or_else(|| CliError::new("not-countersign", "the server gave a receipt, but no permit"))
}

/// The gate whose key is the asker's own.
pub fn apply_gate() -> Result<GateId, CliError> {
    GateId::APPLY.parse().map_err(|e| CliError::new("failed", format!("{e}")))
}

/// The gate that is meant, its key, and what would happen there.
pub fn asked(
    session: &Session,
    reading: &Reading,
    gate: Option<&GateId>,
    old: Option<&Oid>,
    new: Option<&Oid>,
) -> Result<(GateId, Fingerprint, Transition), CliError> {
    let change = reading.change().id.short();
    match reading.subject() {
        Subject::Files(FilesSubject { files, executable, command }) => {
            let command = command.clone().ok_or_else(|| {
                CliError::new("no-command", format!("change {change} names no command"))
                    .hint(format!("say what will be run: countersign revise {change} --file … --command \"COMMAND\""))
            })?;
            let transition =
                Transition::Apply(ApplyTransition { files: files.clone(), executable: executable.clone(), command });
            Ok((apply_gate()?, session.speaker.hand.fingerprint(), transition))
        }
        Subject::Governance(_) => Err(CliError::new(
            "another-kind-of-subject",
            format!("change {change} is about governance files, which no gate puts in force"),
        )
        .hint(format!("publish it: countersign publish {change}"))),
        Subject::Git(GitSubject { repository, branch, base, head, delta: _ }) => {
            let known = session.log.client.gates(repository)?;
            // Another gate of the repository, through which these targets are not reached, is not meant.
            let targets = &reading.change().targets;
            let guards = |record: &GateRecord| !record.is_retired() && targets.is_subset(&record.targets);
            let is_meant =
                |id: &GateId, record: &GateRecord| gate.map_or_else(|| guards(record), |wanted| wanted == id);
            let names = || output::list(known.keys().map(GateId::as_str));
            let meant: Vec<_> = known.iter().filter(|(id, record)| is_meant(id, record)).collect();
            let (gate, record) = match meant.as_slice() {
                [one] => *one,
                [] if gate.is_none() && !known.is_empty() => {
                    return Err(CliError::new(
                        "no-gate",
                        format!("no gate of repository {repository} guards all of {}", output::joined(targets)),
                    )
                    .hint(format!("{repository} is guarded by {}", names())));
                }
                [] if !known.is_empty() => {
                    return Err(CliError::usage("no gate of that name guards the repository")
                        .hint(format!("{repository} is guarded by {}", names())));
                }
                [] => {
                    return Err(CliError::new("no-gate", format!("no gate guards repository {repository}"))
                        .hint("install one: countersign gate install REPO …"));
                }
                several => {
                    let several = output::list(several.iter().map(|(id, _)| id.as_str()));
                    return Err(CliError::usage(format!("{several} guard {repository} and all of its targets"))
                        .hint("choose one with --gate"));
                }
            };
            let transition = Transition::Git(GitTransition {
                repository: repository.clone(),
                reference: branch.clone(),
                old: old.unwrap_or(base).clone(),
                new: new.unwrap_or(head).clone(),
            });
            Ok((gate.clone(), record.key.fingerprint(), transition))
        }
    }
}
