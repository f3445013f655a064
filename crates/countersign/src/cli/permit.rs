//! `permit`: a lease for one transition, as a file.

use std::path::PathBuf;

use countersign_core::{
    ids::{GateId, Oid},
    permit::APPLY_GATE,
    statement::{Body, PermitRequest, Subject, Transition},
};
use countersign_ledger::Fingerprint;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format},
    submit,
};
use crate::{speaker::Speaker, wire::ChangeView};

/// Ask for a permit: a short, signed lease that opens one gate for exactly one transition.
///
/// For files, the gate is `countersign apply` with your key. For commits it is the git gate of the repository, which also
/// asks by itself when you push; hand it a permit with: git push -o countersign-permit=$(base64 -w0 FILE) …
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The change: its id, or the beginning of it.
    change: String,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
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
    let speaker = global.speaker()?;
    let view = speaker.client.change(&args.change)?;
    let (gate, audience, transition) = asked(&speaker, &view, &args)?;
    let envelope = request(&speaker, &view, gate, audience, transition)?;
    std::fs::write(&args.out, envelope.as_bytes()).map_err(|e| {
        CliError::new("cannot-write", format!("cannot write {}: {e}", args.out.display()))
            .hint("the permit is in the log; ask again with another --out")
    })?;
    match global.format {
        Format::Json => output::json(&serde_json::json!({"change": view.id, "permit": args.out}))?,
        Format::Text => anstream::println!("permit for change {} written to {}", view.id, args.out.display()),
    }
    Ok(Exit::Done)
}

/// Asks the log for a permit, and gives its envelope.
pub fn request(
    speaker: &Speaker,
    view: &ChangeView,
    gate: GateId,
    audience: Fingerprint,
    transition: Transition,
) -> Result<String, CliError> {
    submit::announce(speaker, &[format!("request for a permit for change {}: {}", view.id, view.title)]);
    let body = Body::PermitRequest(PermitRequest {
        change: view.id.clone(),
        revision: submit::revision(view),
        gate,
        audience,
        transition,
    });
    let receipt = speaker.say(body, &[])?;
    receipt.permit.ok_or_else(|| CliError::new("not-countersign", "the server gave a receipt, but no permit"))
}

/// The gate whose key is the asker's own.
pub fn apply_gate() -> Result<GateId, CliError> {
    APPLY_GATE.parse().map_err(|e| CliError::new("failed", format!("{e}")))
}

fn asked(speaker: &Speaker, view: &ChangeView, args: &Args) -> Result<(GateId, Fingerprint, Transition), CliError> {
    match &view.subject {
        Subject::Files { files, command } => {
            let command = command.clone().ok_or_else(|| {
                CliError::new("no-command", format!("change {} names no command", view.id)).hint(format!(
                    "say what will be run: countersign revise {} --file … --command \"COMMAND\"",
                    view.id
                ))
            })?;
            let transition = Transition::Apply { files: files.clone(), command };
            Ok((apply_gate()?, speaker.hand.fingerprint(), transition))
        }
        Subject::Git { repository, branch, base, head, .. } => {
            let gates: Vec<_> = speaker
                .log
                .governance
                .gates
                .iter()
                .filter(|(id, gate)| {
                    gate.repository == *repository && args.gate.as_ref().is_none_or(|wanted| wanted == *id)
                })
                .collect();
            let (gate, record) = match gates.as_slice() {
                [one] => *one,
                [] if args.gate.is_some() => {
                    let known: Vec<_> = speaker
                        .log
                        .governance
                        .gates
                        .iter()
                        .filter(|(_, gate)| gate.repository == *repository)
                        .collect();
                    let names: Vec<_> = known.into_iter().map(|(id, _)| id.as_str()).collect();
                    return Err(CliError::usage("no gate of that name guards the repository")
                        .hint(format!("{repository} is guarded by {}", output::list(names))));
                }
                [] => {
                    return Err(CliError::new("no-gate", format!("no gate guards repository {repository}"))
                        .hint("install one: countersign gate install REPO …"));
                }
                several => {
                    let names: Vec<_> = several.iter().map(|(id, _)| id.as_str()).collect();
                    return Err(CliError::usage(format!("{repository} is guarded by {}", names.join(", ")))
                        .hint("choose one with --gate"));
                }
            };
            let transition = Transition::Git {
                repository: repository.clone(),
                reference: branch.clone(),
                old: args.old.clone().unwrap_or_else(|| base.clone()),
                new: args.new.clone().unwrap_or_else(|| head.clone()),
            };
            Ok((gate.clone(), record.key.fingerprint(), transition))
        }
    }
}
