//! `revoke`: takes a key's authority away, at once, on one signature.

use std::path::PathBuf;

use countersign_core::{
    governance::Signer,
    statement::{Body, Holder, KeyRevocation},
};
use countersign_ledger::Fingerprint;

use super::{
    Global,
    error::{CliError, Exit},
    stop, submit,
};

/// Take a key's authority away, at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key, as `ssh-keygen -l -f KEY` prints it: SHA256:…
    #[arg(value_name = "FINGERPRINT", value_parser = fingerprint)]
    key_to_revoke: Fingerprint,
    /// Why.
    #[arg(long)]
    why: String,
    /// Sign by this verified copy of the log, without any server, and write a file for a gate. It is the folder of `countersign
    /// follow --into`, or the copy that `countersign gate status` names.
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    serde_json::from_value(text.into()).map_err(|_| "a fingerprint reads SHA256:…".to_owned())
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let key = args.key_to_revoke;
    if let Some(copy) = &args.copy {
        return stop::revoke(global, copy, &key, &args.why);
    }
    let session = global.session()?;
    // Whose it is stands in the statement, and is shown before it is signed. A revocation that names another holder takes
    // nothing away, and is refused.
    let signer = session.log.client.signer(&key).map_err(|error| match CliError::from(error) {
        unknown if unknown.code == "unknown-key" => unknown.hint(stop::WHICH_KEY),
        error => error,
    });
    let (of, whose) = match signer? {
        Signer::Actor { id, .. } => (Holder::Person(id.clone()), id.to_string()),
        Signer::Gate(gate) => (Holder::Gate(gate.clone()), format!("gate {gate}")),
        Signer::Server => {
            return Err(CliError::new(
                "server-key",
                format!("{key} is the server's own key, which is pinned by the genesis"),
            )
            .hint("stop the server; a new one of its keys takes a new log"));
        }
    };
    let (reason, blob) = submit::reason(&args.why)?;
    submit::announce(&session.speaker, &[format!("revocation of key {key} of {whose}: {}", args.why)]);
    let body = Body::KeyRevocation(KeyRevocation { key: key.clone(), of, reason });
    submit::say(global, &session, body, &[blob], |_| format!("revoked {key} of {whose}"))
}
