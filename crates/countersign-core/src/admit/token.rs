//! Who speaks by a CI's OIDC token: a workload, of evidence, as governance says whose tokens speak for it.
//!
//! Whoever has the token checks it, by the keys that governance pins at that leaf. Whoever does not have it takes note that it
//! was there, and counts what it says for nothing.

use countersign_ledger::{Digest, Jws, Time, dsse::NamedToken};

use super::{Authenticated, Signed};
use crate::{
    catalog::ActorKind,
    change::SignedWith,
    governance::{Blobs, Signer},
    issuer::{ByToken, of_token},
    refusal::Refusal,
    state::State,
    statement::{Body, Statement},
};

/// The rest is refused before anybody looks for the token.
pub(super) fn may_speak(statement: &Statement) -> Result<(), Refusal> {
    match &statement.body {
        Body::Evidence(_) => Ok(()),
        body => Err(Refusal::forbidden(
            "token-signs-evidence-only",
            format!(
                "a token speaks for evidence and nothing else, and this is a statement of the kind `{}`",
                body.kind()
            ),
        )
        .hint("sign it with an SSH key of whom it names")),
    }
}

/// The token, if it is at hand.
pub(crate) fn read(named: &NamedToken, blob: &Blobs<'_>) -> Result<Option<Jws>, Refusal> {
    let Some(bytes) = blob(&named.digest) else { return Ok(None) };
    if Digest::of(&bytes) != named.digest {
        return Err(Refusal::malformed("blob-changed", format!("the token does not hash to {}", named.digest)));
    }
    Jws::parse(&bytes).map(Some).map_err(of_token)
}

pub(super) fn authenticate<'a>(
    state: &State,
    signed: &'a Signed,
    named: &NamedToken,
    token: Option<&Jws>,
    now: Time,
) -> Result<Authenticated<'a>, Refusal> {
    let by = &signed.statement.header.by;
    match state.governance.catalog.actors.get(by).map(|actor| actor.kind) {
        Some(ActorKind::Workload) => {}
        Some(ActorKind::Person | ActorKind::Agent) | None => {
            return Err(Refusal::forbidden("token-speaks-for-workloads", format!("a token does not speak for {by}"))
                .hint("a token speaks for a workload of the catalog"));
        }
    }
    let issuers = &state.governance.issuers;
    let shown = match token {
        Some(token) => {
            let shown = issuers.check(token, &signed.payload, by, now)?;
            if shown.keyid() != named.keyid {
                return Err(Refusal::unauthenticated(
                    "token-changed",
                    format!("the statement names key `{}`, and its token is signed by {}", named.keyid, shown.keyid()),
                ));
            }
            shown
        }
        None => issuers.named(&named.keyid, by).ok_or_else(|| {
            let what = "the statement's token is not at hand, and what it names of it was not in force";
            Refusal::unauthenticated("unknown-issuer-key", what)
        })?,
    };
    let by_token = ByToken {
        digest: named.digest,
        issuer: shown.issuer,
        under: shown.under,
        unseen: token.is_none(),
        erased: false,
    };
    Ok(Authenticated {
        signer: Signer::Actor { id: by.clone(), kind: ActorKind::Workload },
        signed_with: SignedWith {
            key: shown.key,
            assurance: countersign_ledger::Assurance::SoftwareKey,
            token: Some(by_token),
        },
        signed,
    })
}
