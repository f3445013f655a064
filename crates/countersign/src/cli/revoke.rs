//! `revoke`: takes a key's authority away, at once, on one signature; and confirms that another's stays so.

use std::path::PathBuf;

use countersign_core::{
    catalog::ActorKind,
    governance::Signer,
    ids::ActorId,
    statement::{Body, Holder, KeyRevocation, RevocationConfirmation},
};
use countersign_ledger::Fingerprint;

use super::{
    Global,
    error::{CliError, Exit},
    stop,
    submit::{self, Session},
};
use crate::clock;

/// Take a key's authority away, at once.
///
/// Your own key is revoked for good, another's for a day, unless a second person confirms it: then for good, too. A key that is
/// suspended approves nothing; what was rejected with it stays rejected. Meanwhile you grant nothing on what its holder owns or
/// spoke about.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign revoke SHA256:… --why 'the laptop was stolen'\n  \
    countersign revoke SHA256:… --confirm                       the second person: for good")]
pub struct Args {
    /// The key, as `ssh-keygen -l -f KEY` prints it: SHA256:…
    #[arg(value_name = "FINGERPRINT", value_parser = fingerprint)]
    key_to_revoke: Fingerprint,
    /// Why.
    #[arg(long, required_unless_present = "confirm", conflicts_with = "confirm")]
    why: Option<String>,
    /// Confirm what somebody else revoked, so that it is for good.
    #[arg(long)]
    confirm: bool,
    /// Sign by this verified copy of the log, without any server, and write a file for a gate. It is the folder of `countersign
    /// follow --into`, or the copy that `countersign gate status` names.
    #[arg(long, value_name = "DIR", conflicts_with = "confirm")]
    copy: Option<PathBuf>,
}

pub(super) fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    serde_json::from_value(text.into()).map_err(|_| "a fingerprint reads SHA256:…".to_owned())
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let key = args.key_to_revoke;
    let why = match (&args.why, args.confirm) {
        (Some(why), false) => why,
        (None, _) | (Some(_), true) => return confirm(global, &key),
    };
    if let Some(copy) = &args.copy {
        return stop::revoke(global, copy, &key, why);
    }
    let by_a_copy = |error| stop::or_by_a_copy(error, &format!("countersign revoke {key} --why … --copy DIR"));
    let session = global.session().map_err(by_a_copy)?;
    // Whose it is stands in the statement, and is shown before it is signed. A revocation that names another holder takes
    // nothing away, and is refused.
    let signer = session.log.client.signer(&key).map_err(|error| match CliError::from(error) {
        unknown if unknown.code == "unknown-key" => unknown.hint(stop::WHICH_KEY),
        revoked if revoked.code == "key-revoked" => already(&session, &key).unwrap_or(revoked),
        error => error,
    });
    let given_up = |error: &CliError| ["key-retired", "unknown-key"].contains(&error.code.as_ref());
    let signer = match signer {
        // One that another came in the place of, or that can recover, as the signed log says.
        Err(error) if given_up(&error) => match was(&session, &key)? {
            Some(id) => Signer::Actor { id, kind: ActorKind::Person },
            None => return Err(error),
        },
        signer => signer?,
    };
    let (of, whose) = match signer {
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
    let (reason, blob) = submit::reason(why)?;
    let own = of == Holder::Person(session.speaker.me.clone());
    let mut lines = vec![format!("revocation of key {key} of {whose}: {why}")];
    if !own {
        lines.push("for a day; for good once a second person confirms it".to_owned());
    }
    submit::announce(&session.speaker, &lines);
    let body = Body::KeyRevocation(KeyRevocation { key: key.clone(), of, reason });
    submit::say(global, &session, body, &[blob], |_| match own {
        true => format!("revoked {key} of {whose}"),
        false => format!(
            "revoked {key} of {whose} for a day. For good once a second person confirms it, one of you a senior:\n  \
             countersign revoke {key} --confirm\ndone"
        ),
    })
}

/// Whose key it was before another came in its place, or who can recover by it.
fn was(session: &Session, key: &Fingerprint) -> Result<Option<ActorId>, CliError> {
    let governance = session.log.standing(None, clock::now())?.governance;
    let was = governance.ever_by_key(key).map(|actor| &actor.id);
    Ok(was.or_else(|| governance.founder_by_pinned_key(key)).cloned())
}

/// That there is nothing to take away any more, and until when.
fn already(session: &Session, key: &Fingerprint) -> Option<CliError> {
    let said = session.log.client.revocation(key).ok()?;
    let (by, at) = (&said.revoked_by, &said.at);
    Some(match said.until {
        None => CliError::refused("already-revoked", format!("key {key} was revoked for good, by {by} at {at}")),
        Some(until) => CliError::refused("already-revoked", format!("key {key} was revoked by {by} until {until}"))
            .hint(format!("for good, if you say so too: countersign revoke {key} --confirm")),
    })
}

/// A second person's word that a key stays revoked.
fn confirm(global: &Global, key: &Fingerprint) -> Result<Exit, CliError> {
    let session = global.session()?;
    let standing = session.log.client.revocation(key)?;
    let whose = match &standing.of {
        Holder::Person(person) => person.to_string(),
        Holder::Gate(gate) => format!("gate {gate}"),
    };
    let lines = [format!("that key {key} of {whose}, which {} revoked, stays revoked for good", standing.revoked_by)];
    submit::announce(&session.speaker, &lines);
    let body = Body::RevocationConfirmation(RevocationConfirmation {
        key: key.clone(),
        of: standing.of,
        revocation: standing.revocation,
        revoked_by: standing.revoked_by,
    });
    submit::say(global, &session, body, &[], |_| format!("revoked {key} of {whose} for good"))
}
