//! What a statement names by digest and admission has to see, read and parsed.

use countersign_ledger::Digest;

use crate::{
    admit::{self, Signed},
    calendar::FetchedFile,
    change::Found,
    facts::{GitFacts, Identities},
    governance::Blobs,
    refusal::Refusal,
    statement::{Body, BreakGlass, LocalPermit},
    subject::{Subject, Transition},
};

/// The blobs that admission has to see, parsed.
pub fn found(signed: &Signed, blob: &Blobs<'_>) -> Result<Found, Refusal> {
    let statement = signed.statement();
    let read = |digest: &Digest, what: &str| {
        blob(digest).ok_or_else(|| Refusal::unknown("blob-missing", format!("the {what} {digest} is missing")))
    };
    let (subject, facts, identities, transition) = match &statement.body {
        Body::Proposal(proposal) => (Some(&proposal.subject), proposal.facts, proposal.identities, None),
        Body::NewRevision(revision) => (Some(&revision.subject), revision.facts, revision.identities, None),
        Body::PermitRequest(request) => (None, None, None, Some(&request.transition)),
        Body::BreakGlass(BreakGlass { transition, .. }) | Body::LocalPermit(LocalPermit { transition, .. }) => {
            (None, None, None, Some(transition))
        }
        // What these say, admission reads in the statement itself.
        Body::Genesis(_)
        | Body::Publication(_)
        | Body::KeyRevocation(_)
        | Body::RevocationConfirmation(_)
        | Body::KeyRotation(_)
        | Body::Freeze(_)
        | Body::FreezeLift(_)
        | Body::CalendarFetched(_)
        | Body::Drill(_)
        | Body::Away(_)
        | Body::Back(_)
        | Body::Delegation(_)
        | Body::DelegationEnd(_)
        | Body::Recovery(_)
        | Body::GateRegistration(_)
        | Body::Approval(_)
        | Body::Rejection(_)
        | Body::RejectionLift(_)
        | Body::RejectionSetAside(_)
        | Body::Withdrawal(_)
        | Body::ApprovalWithdrawal(_)
        | Body::Comment(_)
        | Body::Label(_)
        | Body::Schedule(_)
        | Body::Evidence(_)
        | Body::Disclosure(_)
        | Body::Waiver(_)
        | Body::Identification(_)
        | Body::GuidanceObservation(_)
        | Body::Decided(_)
        | Body::PermitGrant(_)
        | Body::OutcomeReport(_)
        | Body::Erasure(_)
        | Body::Epoch(_)
        | Body::Finding(_)
        | Body::FindingAnswer(_) => (None, None, None, None),
    };
    let facts = facts.map(|digest| facts_of(&digest, &read(&digest, "list of facts")?)).transpose()?;
    Ok(Found {
        subject: subject.map(|named| Subject::read(named, &read(&named.digest, "subject")?)).transpose()?,
        identities: identities_of(identities, facts.as_ref(), blob)?,
        facts,
        transition: transition.map(|named| Transition::read(named, &read(&named.digest, "transition")?)).transpose()?,
        loosens: None,
        fetched: fetched(&statement.body, blob)?,
        token: signed.token().map(|token| admit::read_token(token, blob)).transpose()?.flatten(),
    })
}

/// What was fetched for a calendar.
fn fetched(body: &Body, blob: &Blobs<'_>) -> Result<Option<FetchedFile>, Refusal> {
    let Body::CalendarFetched(said) = body else { return Ok(None) };
    let bytes = blob(&said.content)
        .ok_or_else(|| Refusal::unknown("blob-missing", format!("the fetched calendar {} is missing", said.content)))?;
    if Digest::of(&bytes) != said.content {
        return Err(Refusal::malformed("blob-changed", format!("the events do not hash to {}", said.content)));
    }
    FetchedFile::parse(&said.calendar, &bytes).map(Some)
}

fn facts_of(digest: &Digest, bytes: &[u8]) -> Result<GitFacts, Refusal> {
    if Digest::of(bytes) != *digest {
        return Err(Refusal::malformed("blob-changed", format!("the facts do not hash to {digest}")));
    }
    GitFacts::parse(bytes)
}

/// The names behind the facts; `None` where they were erased.
fn identities_of(
    named: Option<Digest>,
    facts: Option<&GitFacts>,
    blob: &Blobs<'_>,
) -> Result<Option<Identities>, Refusal> {
    let (digest, facts) = match (named, facts) {
        (Some(digest), Some(facts)) => (digest, facts),
        (None, None) => return Ok(None),
        (Some(_), None) | (None, Some(_)) => {
            return Err(Refusal::malformed(
                "identities-missing",
                "facts of a git range and the names behind them come together",
            ));
        }
    };
    let Some(bytes) = blob(&digest) else { return Ok(None) };
    if Digest::of(&bytes) != digest {
        return Err(Refusal::malformed("blob-changed", format!("the identities do not hash to {digest}")));
    }
    let identities = Identities::parse(&bytes)?;
    if identities.are_of(facts) {
        return Ok(Some(identities));
    }
    Err(Refusal::malformed("identities-mismatch", "the identities are not those whom the facts name"))
}
