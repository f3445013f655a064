//! Admission: whether a statement may enter the log. The engine asks before it writes; whoever replays the log asks
//! again about every leaf, with the same code and the state as it stood there.
//!
//! Two steps: [`authenticate`] turns an envelope into [`Authenticated`], the proof that whom it names has signed it with
//! a key that holds; [`admit`] checks that this actor may say this now.

mod change;
mod governance;

pub use change::fits;
use countersign_ledger::{Digest, Envelope, Time, sshsig};

use crate::{
    change::{Change, SignedWith},
    facts::GitFacts,
    governance::{GRANTING_SIGNATURES, Governance, SERVER, Signer},
    ids::ActorId,
    refusal::Refusal,
    statement::{Body, Genesis, Statement},
};

/// A statement whose signature holds. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Authenticated {
    statement: Statement,
    payload: Digest,
    signer: Signer,
    signed_with: SignedWith,
}

impl Authenticated {
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Digest of the payload: the statement's name.
    pub fn payload(&self) -> Digest {
        self.payload
    }

    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    pub fn signed_with(&self) -> &SignedWith {
        &self.signed_with
    }
}

/// Parses an envelope and checks every signature on it against the keys that hold now.
pub fn authenticate(governance: &Governance, envelope: &Envelope) -> Result<Authenticated, Refusal> {
    let statement = Statement::parse(envelope.payload())?;
    if statement.header.log != governance.record.origin {
        return Err(Refusal::unauthenticated(
            "another-log",
            format!("the statement is for log `{}`, this is `{}`", statement.header.log, governance.record.origin),
        ));
    }
    let mut signers = Vec::new();
    for verified in signatures(envelope)? {
        let signer =
            governance.signer(&verified.key.fingerprint()).ok_or_else(|| unknown_key(governance, &verified))?;
        signers.push((signer, verified));
    }
    let by = &statement.header.by;
    let Some((signer, verified)) = signers.iter().find(|(signer, _)| speaks_for(signer, by)).cloned() else {
        let names: Vec<_> = signers.iter().map(|(signer, _)| name(signer)).collect();
        return Err(Refusal::unauthenticated(
            "signed-by-another",
            format!("the statement says that it is by {by}, but it is signed by {}", names.join(", ")),
        )
        .hint("sign with a key of the person that the statement names"));
    };
    match &statement.body {
        Body::Amendment(_) => need_two_people(&signers)?,
        Body::Genesis(_)
        | Body::KeyRevocation(_)
        | Body::GateRegistration(_)
        | Body::Proposal(_)
        | Body::NewRevision(_)
        | Body::Approval(_)
        | Body::Rejection(_)
        | Body::RejectionLift(_)
        | Body::Withdrawal(_)
        | Body::Disclosure(_)
        | Body::Waiver(_)
        | Body::Identification(_)
        | Body::GuidanceObservation(_)
        | Body::PermitRequest(_)
        | Body::Decided(_)
        | Body::PermitGrant(_)
        | Body::OutcomeReport(_) => {
            if signers.len() != 1 {
                return Err(Refusal::unauthenticated(
                    "one-signature",
                    format!(
                        "a statement of the kind `{}` carries one signature, not {}",
                        statement.body.kind(),
                        signers.len()
                    ),
                ));
            }
        }
    }
    Ok(Authenticated {
        payload: envelope.payload_digest(),
        signed_with: SignedWith { key: verified.key.fingerprint(), assurance: verified.assurance },
        statement,
        signer,
    })
}

/// Checks entry 0: enough of the founders that it names have signed it. Whether it is the *right* genesis is for whoever
/// pinned its digest to say.
pub fn authenticate_genesis(envelope: &Envelope) -> Result<(Statement, Genesis), Refusal> {
    let statement = Statement::parse(envelope.payload())?;
    let Body::Genesis(genesis) = statement.body.clone() else {
        return Err(Refusal::malformed(
            "not-a-genesis",
            format!("entry 0 is a {} statement, not a genesis", statement.body.kind()),
        ));
    };
    let mut people: Vec<&ActorId> = genesis.founders.iter().map(|founder| &founder.person).collect();
    people.sort();
    people.dedup();
    let threshold = usize::try_from(genesis.threshold).unwrap_or(usize::MAX);
    if threshold == 0 || threshold > people.len() {
        return Err(Refusal::malformed(
            "genesis-threshold",
            format!("the genesis asks for {} of {} founders", genesis.threshold, people.len()),
        ));
    }
    let mut signed: Vec<&ActorId> = Vec::new();
    for verified in signatures(envelope)? {
        let founder = genesis.founders.iter().find(|founder| founder.key.fingerprint() == verified.key.fingerprint());
        match founder {
            Some(founder) => signed.push(&founder.person),
            None => {
                return Err(Refusal::unauthenticated(
                    "not-a-founder",
                    format!("the genesis is signed with {}, which is no founder's key", verified.key.fingerprint()),
                ));
            }
        }
    }
    signed.sort();
    signed.dedup();
    if signed.len() < threshold {
        return Err(Refusal::unauthenticated(
            "genesis-incomplete",
            format!("the genesis has the signatures of {} of the {threshold} founders that it needs", signed.len()),
        )
        .hint("let the next founder run: countersign init HOME --cosign --key THEIR_KEY"));
    }
    Ok((statement, genesis))
}

/// Whether this actor may say this now. `change` is the change that the statement speaks of; `None` for a proposal and
/// for governance. `facts` is the parsed facts blob of a proposal or revision.
pub fn admit(
    governance: &Governance,
    change: Option<&Change>,
    authenticated: &Authenticated,
    facts: Option<&GitFacts>,
    blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
    now: Time,
) -> Result<(), Refusal> {
    let statement = &authenticated.statement;
    match (&statement.body, statement.body.about(), change) {
        (Body::Proposal(proposal), _, None) => change::proposal(governance, authenticated, proposal, facts),
        (Body::Proposal(_), _, Some(change)) => {
            Err(Refusal::conflict("already-proposed", format!("change {} is already there", change.id)))
        }
        (_, Some((id, _)), None) => Err(Refusal::unknown("unknown-change", format!("there is no change {id}"))
            .hint("list the changes: countersign list")),
        (_, Some(_), Some(change)) => change::about(governance, change, authenticated, facts, now),
        (_, None, _) => governance::admit(governance, authenticated, blob),
    }
}

fn signatures(envelope: &Envelope) -> Result<Vec<sshsig::Verified>, Refusal> {
    envelope
        .verify_all()
        .into_iter()
        .map(|result| {
            result.map_err(|e| {
                Refusal::unauthenticated("signature-invalid", format!("a signature does not hold: {e}"))
                    .hint("sign the bytes as they are: ssh-keygen -Y sign -n countersign -f KEY")
            })
        })
        .collect()
}

fn unknown_key(governance: &Governance, verified: &sshsig::Verified) -> Refusal {
    let fingerprint = verified.key.fingerprint();
    if governance.record.revoked.contains(&fingerprint) {
        Refusal::unauthenticated("key-revoked", format!("key {fingerprint} was revoked"))
            .hint("sign with another of your keys, or have a new one added to the catalog")
    } else {
        Refusal::unauthenticated("unknown-key", format!("key {fingerprint} belongs to nobody in the catalog"))
            .hint("pass --key with a key that the catalog lists for you")
    }
}

fn speaks_for(signer: &Signer, by: &ActorId) -> bool {
    match signer {
        Signer::Actor { id, .. } => id == by,
        Signer::Gate(gate) => gate.as_str() == by.as_str(),
        Signer::Server => by.as_str() == SERVER,
    }
}

fn name(signer: &Signer) -> String {
    match signer {
        Signer::Actor { id, .. } => id.to_string(),
        Signer::Gate(gate) => format!("gate {gate}"),
        Signer::Server => "the server".to_owned(),
    }
}

fn need_two_people(signers: &[(Signer, sshsig::Verified)]) -> Result<(), Refusal> {
    let mut people = Vec::new();
    for (signer, _) in signers {
        match signer {
            Signer::Actor { id, kind } => {
                only_people(id, *kind, "amend rules or catalog")?;
                people.push(id);
            }
            Signer::Gate(_) | Signer::Server => {
                return Err(Refusal::forbidden("only-people", format!("{} cannot grant authority", name(signer))));
            }
        }
    }
    people.sort();
    people.dedup();
    if people.len() < GRANTING_SIGNATURES {
        return Err(Refusal::forbidden(
            "two-people",
            format!("what grants authority needs {GRANTING_SIGNATURES} people, this has {}", people.len()),
        )
        .hint("let a second person sign it: countersign amend HOME --cosign FILE --key THEIR_KEY"));
    }
    Ok(())
}

fn only_people(id: &ActorId, kind: crate::catalog::ActorKind, what: &str) -> Result<(), Refusal> {
    use crate::catalog::ActorKind;
    match kind {
        ActorKind::Person => Ok(()),
        ActorKind::Workload | ActorKind::Agent => {
            Err(Refusal::forbidden("only-people", format!("{id} is {}; only a person can {what}", kind.with_article()))
                .hint("ask a person who had no hand in the change"))
        }
    }
}

/// The person who signed, or a refusal that says what only people can do.
fn person(authenticated: &Authenticated, what: &str) -> Result<ActorId, Refusal> {
    match &authenticated.signer {
        Signer::Actor { id, kind } => only_people(id, *kind, what).map(|()| id.clone()),
        Signer::Gate(_) | Signer::Server => {
            Err(Refusal::forbidden("only-people", format!("{} cannot {what}", name(&authenticated.signer))))
        }
    }
}

fn server(authenticated: &Authenticated) -> Result<(), Refusal> {
    match &authenticated.signer {
        Signer::Server => Ok(()),
        Signer::Actor { .. } | Signer::Gate(_) => Err(Refusal::forbidden(
            "only-the-server",
            format!("only the server says a {}", authenticated.statement.body.kind()),
        )),
    }
}
