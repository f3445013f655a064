//! Who pushes: whoever signed the push (`git push --signed`, with an SSH key), by the keys of the catalog. The signature is checked here,
//! over the certificate that git has put among the objects, and it has to say just this move of this branch: so it is no use for another
//! push, whatever the environment of the hook says of it.

use std::env;

use countersign_core::ids::{ActorId, Oid};
use countersign_ledger::sshsig;

use super::{GateError, examine::Push};
use crate::gates::desk::Desk;

/// Where git names the certificate to its hooks.
const CERTIFICATE: &str = "GIT_PUSH_CERT";
/// The namespace in which git signs.
const NAMESPACE: &str = "git";
const ARMOR: &str = "-----BEGIN SSH SIGNATURE-----";
const MAX_BYTES: usize = 64 * 1024;

/// `None` where nobody has signed it whom the catalog knows.
pub(super) fn of(push: &Push<'_>, desk: &Desk) -> Result<Option<ActorId>, GateError> {
    let named = env::var(CERTIFICATE).ok().and_then(|name| name.parse::<Oid>().ok());
    let Some(named) = named else { return Ok(None) };
    let Some(bytes) = push.repository.blob(&named, MAX_BYTES)? else { return Ok(None) };
    let line = format!("{} {} {}", push.old, push.new, push.branch.branch);
    let Some(key) = String::from_utf8(bytes).ok().and_then(|text| signed_by(&text, &line)) else { return Ok(None) };
    Ok(desk.governance()?.catalog.actor_by_key(&key).map(|actor| actor.id.clone()))
}

/// The key over a certificate that has this line among what it moves.
fn signed_by(text: &str, line: &str) -> Option<countersign_ledger::Fingerprint> {
    let at = text.find(ARMOR)?;
    let (said, armored) = (text.get(..at)?, text.get(at..)?);
    let (_, moves) = said.split_once("\n\n")?;
    if !said.starts_with("certificate version 0.1\n") || !moves.lines().any(|moved| moved == line) {
        return None;
    }
    let blob = sshsig::dearmor(armored).ok()?;
    sshsig::verify(&blob, NAMESPACE, said.as_bytes()).ok().map(|verified| verified.key.fingerprint())
}
