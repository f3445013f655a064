//! Admission: whether a statement may enter the log. The engine asks before it writes; whoever follows or verifies the log
//! asks again about every leaf, with the same code and the state as it stood there.
//!
//! Three steps: [`Signed::check`] reads an envelope and checks that its signatures hold, whoever made them;
//! [`authenticate`] turns it into [`Authenticated`], the proof that whom it names has signed it with a key that holds;
//! [`admit`] checks that this actor may say this now.

mod absence;
mod approving;
mod change;
mod delegation;
mod drill;
mod epoch;
mod evidence;
mod files;
mod finding;
mod freeze;
mod glass;
mod governance;
mod label;
mod outage;
mod permit;
mod publication;
mod recovery;
mod registrar;
mod revocation;
mod rotation;
mod schedule;
mod second;
mod subscription;
mod token;

use countersign_ledger::{
    Digest, Envelope, Fingerprint, Jws, Time,
    dsse::NamedToken,
    sshsig::{self, KnownKeys},
};

pub use self::change::MAX_COMMENTS;
pub use self::finding::MAX_OPEN as MAX_OPEN_FINDINGS;
pub use self::freeze::renewed as freeze_renewed;
pub(crate) use self::freeze::still_holds as freeze_still_holds;
pub use self::glass::enough as enough_broke;
pub use self::outage::may_land_alone;
pub(crate) use self::publication::may_publish;
pub use self::publication::{replaces_what_is_in_force, standards_hold};
pub use self::recovery::can_govern;
pub use self::registrar::may_register;
pub use self::revocation::{MAX_OF_ONE, bounds, brings_back, may_confirm};
pub(crate) use self::token::read as read_token;
use crate::{
    catalog::ActorKind,
    change::{Found, SignedWith},
    governance::{GRANTING_SIGNATURES, Governance, SERVER, Signer},
    ids::{ActorId, GateId},
    newcomers,
    refusal::{Refusal, RefusalClass},
    state::{RevocationRecord, State},
    statement::{Body, Genesis, Publication, Statement},
};

/// A statement whose signatures hold, though nothing is said yet of whose they are. Needs no state, so that many can be
/// checked at once.
#[derive(Clone, Debug)]
pub struct Signed {
    statement: Statement,
    payload: Digest,
    verified: Vec<(sshsig::Verified, Fingerprint)>,
    /// Of what a token speaks for there is no signature.
    token: Option<NamedToken>,
}

impl Signed {
    pub fn check(envelope: &Envelope) -> Result<Self, Refusal> {
        Self::check_knowing(envelope, &mut KnownKeys::default())
    }

    /// The same for whoever checks many.
    pub fn check_knowing(envelope: &Envelope, keys: &mut KnownKeys) -> Result<Self, Refusal> {
        let statement = Statement::parse(envelope.payload())?;
        let token = envelope.token().cloned();
        if token.is_some() {
            token::may_speak(&statement)?;
        }
        let verified = signatures(envelope, keys)?;
        Ok(Self { statement, payload: envelope.payload_digest(), verified, token })
    }

    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Digest of the payload: the statement's name.
    pub fn payload(&self) -> Digest {
        self.payload
    }

    /// The token that speaks for it, in the place of a signature.
    pub fn token(&self) -> Option<&NamedToken> {
        self.token.as_ref()
    }

    /// The blobs that it names: those of what it says, and its token.
    pub fn blobs(&self) -> Vec<Digest> {
        let token = self.token.iter().map(|token| token.digest);
        self.statement.body.blobs().into_iter().chain(token).collect()
    }

    /// The keys that signed it.
    pub fn keys(&self) -> impl Iterator<Item = Fingerprint> {
        self.verified.iter().map(|(_, key)| key.clone())
    }
}

/// A statement that was signed by whom it names. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Authenticated<'a> {
    signed: &'a Signed,
    signer: Signer,
    signed_with: SignedWith,
}

impl<'a> Authenticated<'a> {
    pub fn statement(&self) -> &'a Statement {
        &self.signed.statement
    }

    /// Digest of the payload: the statement's name.
    pub fn payload(&self) -> Digest {
        self.signed.payload
    }

    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    pub fn signed_with(&self) -> &SignedWith {
        &self.signed_with
    }
}

/// Checks every signature on a statement against the keys that hold now, or its token, where that is at hand.
pub fn authenticate<'a>(
    state: &State,
    signed: &'a Signed,
    token: Option<&Jws>,
    now: Time,
) -> Result<Authenticated<'a>, Refusal> {
    let Statement { header, body } = &signed.statement;
    let origin = &state.governance.record.origin;
    if header.log != *origin {
        return Err(Refusal::unauthenticated(
            "another-log",
            format!("the statement is for log `{}`, this is `{origin}`", header.log),
        ));
    }
    epoch::said_in(&state.governance.record, &signed.statement)?;
    if let Some(named) = &signed.token {
        return token::authenticate(state, signed, named, token, now);
    }
    let mut signers = Vec::new();
    for (verified, key) in &signed.verified {
        // Whose it is, the rest of them say.
        if rotation::is_the_new_key(body, &verified.key) {
            continue;
        }
        signers.push((signer(state, &signed.statement, verified, key, now)?, (verified, key)));
    }
    let Some((signer, (verified, key))) = signers.iter().find(|(signer, _)| speaks_for(signer, &header.by)) else {
        let mut names: Vec<_> = signers.iter().map(|(signer, _)| name(signer)).collect();
        if names.is_empty() {
            names.push("nobody's key that holds".to_owned());
        }
        return Err(Refusal::unauthenticated(
            "signed-by-another",
            format!("the statement says that it is by {}, but it is signed by {}", header.by, names.join(", ")),
        )
        .hint("sign with a key of the person that the statement names"));
    };
    if body.needs_presence() {
        absence::need_presence(state, &signers, now)?;
    }
    match body {
        Body::Publication(Publication { change: None, .. }) => need_two_people(state, &signers, &PUBLISHING, now)?,
        Body::Erasure(_) => {
            need_two_people(state, &signers, &ERASING, now)?;
            need_policy_group(state, &signers)?;
        }
        Body::Epoch(_) => epoch::need_recovery_quorum(&state.governance.record, &signers)?,
        Body::Recovery(_) => recovery::need_quorum(&state.governance, &signers)?,
        Body::BreakGlass(said) => glass::need_enough(state, &said.targets, said.nonce.is_some(), &signers, now)?,
        Body::Drill(said) => glass::need_enough(state, &said.targets, true, &signers, now)?,
        Body::FreezeLift(said) => freeze::need_signatures(state, said, header, &signers, now)?,
        Body::KeyRotation(said) => {
            let has_the_new_key = signers.len() < signed.verified.len();
            rotation::need_signatures(state, said, header, &signers, has_the_new_key, now)?;
        }
        Body::GateRegistration(gate) if state.gate(&gate.gate)?.is_some_and(|known| known.is_loosened_by(gate)) => {
            need_two_people(state, &signers, &LOOSENING, now)?;
            need_policy_group(state, &signers)?;
        }
        Body::Genesis(_)
        | Body::Publication(_)
        | Body::KeyRevocation(_)
        | Body::RevocationConfirmation(_)
        | Body::GateRegistration(_)
        | Body::Proposal(_)
        | Body::NewRevision(_)
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
        | Body::PermitRequest(_)
        | Body::Decided(_)
        | Body::PermitGrant(_)
        | Body::LocalPermit(_)
        | Body::OutcomeReport(_)
        | Body::Finding(_)
        | Body::Freeze(_)
        | Body::CalendarFetched(_)
        | Body::Away(_)
        | Body::Back(_)
        | Body::Delegation(_)
        | Body::DelegationEnd(_)
        | Body::FindingAnswer(_) => {
            if signers.len() != 1 {
                return Err(Refusal::unauthenticated(
                    "one-signature",
                    format!("a statement of the kind `{}` carries one signature, not {}", body.kind(), signers.len()),
                ));
            }
        }
    }
    Ok(Authenticated {
        signer: signer.clone(),
        signed_with: SignedWith { key: (*key).clone(), assurance: verified.assurance, token: None },
        signed,
    })
}

/// Whether enough founders have signed, each with a key that holds in this state: for whoever knows more than the log that is cut.
pub fn quorum_signed(state: &State, signed: &Signed, now: Time) -> Result<(), Refusal> {
    let mut signers = Vec::new();
    for (verified, key) in &signed.verified {
        signers.push((signer(state, &signed.statement, verified, key, now)?, ()));
    }
    epoch::need_recovery_quorum(&state.governance.record, &signers)
}

/// A stop, as somebody hands it over: by a person, with a key that holds now. A freeze they may sign, too: what is checked of
/// that now is not asked again while it lasts.
pub fn stop<'a>(state: &State, signed: &'a Signed, now: Time) -> Result<Authenticated<'a>, Refusal> {
    only_stops(signed)?;
    let authenticated = authenticate(state, signed, None, now)?;
    person(&authenticated, "stop anything")?;
    if let Body::Freeze(said) = &signed.statement.body {
        match freeze::freeze(state, &authenticated, said, now) {
            Err(refusal) if refusal.code != "already-frozen" => return Err(refusal),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(authenticated)
}

/// A stop that was handed over before: then [`stop`] has said whose it is. What became of the key since takes away what it
/// grants, and a stop grants nothing.
pub(crate) fn stop_known(signed: &Signed) -> Result<Authenticated<'_>, Refusal> {
    only_stops(signed)?;
    let (verified, key) = signed
        .verified
        .first()
        .ok_or_else(|| Refusal::unauthenticated("one-signature", "a stop carries one signature"))?;
    Ok(Authenticated {
        signer: Signer::Actor { id: signed.statement.header.by.clone(), kind: ActorKind::Person },
        signed_with: SignedWith { key: key.clone(), assurance: verified.assurance, token: None },
        signed,
    })
}

fn only_stops(signed: &Signed) -> Result<(), Refusal> {
    let body = &signed.statement.body;
    if body.is_stop() {
        return Ok(());
    }
    let what = format!("a statement of the kind `{}` stops nothing", body.kind());
    Err(Refusal::malformed("not-a-stop", what)
        .hint("a gate takes a signed rejection, freeze or revocation directly; everything else goes to the log"))
}

/// Whose key it is, if it holds. Who the statement says that it is by names a gate.
fn signer(
    state: &State,
    statement: &Statement,
    verified: &sshsig::Verified,
    key: &Fingerprint,
    now: Time,
) -> Result<Signer, Refusal> {
    let governance = &state.governance;
    let by = &statement.header.by;
    if governance.record.server_key == verified.key {
        return Ok(Signer::Server);
    }
    if let Some(actor) = governance.catalog.actor_by_key(key) {
        let record = state.person(&actor.id)?.and_then(|record| record.revoked.get(key));
        return match record.filter(|record| record.takes(now)) {
            None => Ok(Signer::Actor { id: actor.id.clone(), kind: actor.kind }),
            // What is suspended grants nothing, and may still stop something.
            Some(record)
                if record.until().is_some() && matches!(statement.body, Body::Rejection(_) | Body::Freeze(_)) =>
            {
                Ok(Signer::Actor { id: actor.id.clone(), kind: actor.kind })
            }
            Some(record) => Err(revoked(key, record)),
        };
    }
    if let Body::Recovery(_) = &statement.body
        && let Some(founder) = governance.founder_by_pinned_key(key)
    {
        let record = state.person(founder)?.and_then(|record| record.revoked.get(key));
        return match record.filter(|record| record.takes(now)) {
            None => Ok(Signer::Actor { id: founder.clone(), kind: ActorKind::Person }),
            Some(record) => Err(revoked(key, record)),
        };
    }
    let is_gate = !governance.catalog.actors.contains_key(by) && by.as_str() != SERVER;
    let named: Option<GateId> = if is_gate { by.as_str().parse().ok() } else { None };
    if let Some(id) = named
        && let Some(gate) = state.gate(&id)?
    {
        if gate.key(now).as_ref() == Some(key) {
            return Ok(Signer::Gate(id));
        }
        if let Some(record) = gate.revoked.get(key).filter(|record| record.takes(now)) {
            return Err(revoked(key, record)
                .hint("a gate gets another key so: remove REPO/countersign/gate.key, and install the gate again"));
        }
    }
    Err(Refusal { class: RefusalClass::Unauthenticated, ..nobodys(governance, key) })
}

/// Why a key that the catalog lists for nobody signs nothing.
pub fn nobodys(governance: &Governance, key: &Fingerprint) -> Refusal {
    let Some(retired) = governance.record.retired.get(key) else {
        return Refusal::unknown("unknown-key", format!("key {key} belongs to nobody in the catalog"))
            .hint("pass --key with a key that the catalog lists for you");
    };
    let keys = governance.catalog.actors.get(&retired.of).map(|actor| &actor.keys);
    let now: Vec<String> = keys.into_iter().flatten().map(|key| key.fingerprint().to_string()).collect();
    Refusal::unknown("key-retired", format!("another key came in the place of {key}, which was {}'s", retired.of))
        .hint(format!("pass --key with the one that they have now: {}", now.join(", ")))
}

/// Why a key that was revoked signs nothing.
pub fn revoked(key: &Fingerprint, record: &RevocationRecord) -> Refusal {
    match record.until() {
        None => Refusal::unauthenticated("key-revoked", format!("key {key} was revoked"))
            .hint("sign with another of your keys, or have a new one added to the catalog"),
        Some(_) => Refusal::unauthenticated(
            "key-revoked",
            format!("key {key} was revoked by {}, for a day unless somebody else confirms it", record.by),
        )
        .hint("sign with another of your keys; if the key is not lost, ask who revoked it, and wait"),
    }
}

/// Checks entry 0: enough of the founders that it names have signed it. Whether it is the *right* genesis is for whoever
/// pinned its digest to say.
pub fn authenticate_genesis(signed: &Signed) -> Result<&Genesis, Refusal> {
    let statement = &signed.statement;
    let Body::Genesis(genesis) = &statement.body else {
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
    let mut agreed: Vec<&ActorId> = Vec::new();
    for (verified, key) in &signed.verified {
        let founder = genesis.founders.iter().find(|founder| founder.key == verified.key);
        match founder {
            Some(founder) => agreed.push(&founder.person),
            None => {
                return Err(Refusal::unauthenticated(
                    "not-a-founder",
                    format!("the genesis is signed with {key}, which is no founder's key"),
                ));
            }
        }
    }
    agreed.sort();
    agreed.dedup();
    if agreed.len() < threshold {
        return Err(Refusal::unauthenticated(
            "genesis-incomplete",
            format!("the genesis has the signatures of {} of the {threshold} founders that it needs", agreed.len()),
        )
        .hint("let the next founder run: countersign init HOME --cosign --key THEIR_KEY"));
    }
    Ok(genesis)
}

/// Whether this actor may say this now. `found` is what the statement names by digest, parsed.
pub fn admit(state: &State, authenticated: &Authenticated<'_>, found: &Found, now: Time) -> Result<(), Refusal> {
    let statement = authenticated.statement();
    let change = match statement.change(&authenticated.payload()) {
        Some(id) => state.change(&id)?,
        None => None,
    };
    match (&statement.body, statement.body.about(), change) {
        (Body::Proposal(proposal), _, None) => change::proposal(state, authenticated, proposal, found),
        (Body::Proposal(_), _, Some(change)) => {
            Err(Refusal::conflict("already-proposed", format!("change {} is already there", change.id)))
        }
        (_, Some((id, _)), None) => Err(Refusal::unknown("unknown-change", format!("there is no change {id}"))
            .hint("list the changes: countersign list")),
        (_, Some(_), Some(change)) => change::about(state, change, authenticated, found, now),
        (_, None, _) => governance::admit(state, authenticated, found, now),
    }
}

fn signatures(envelope: &Envelope, keys: &mut KnownKeys) -> Result<Vec<(sshsig::Verified, Fingerprint)>, Refusal> {
    envelope
        .verify_all_knowing(keys)
        .into_iter()
        .map(|result| {
            result.map_err(|e| {
                Refusal::unauthenticated("signature-invalid", format!("a signature does not hold: {e}"))
                    .hint("sign the bytes as they are: ssh-keygen -Y sign -n countersign -f KEY")
            })
        })
        .collect()
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

/// What takes two people, in words.
struct ByTwo {
    /// What it is that needs them.
    what: &'static str,
    /// What only people can do, and what nobody else can.
    people: &'static str,
    others: &'static str,
    /// By which the second of them signs.
    command: &'static str,
}

const PUBLISHING: ByTwo = ByTwo {
    what: "what grants authority",
    people: "publish rules or catalog",
    others: "grant authority",
    command: "erase --cosign FILE",
};

const LOOSENING: ByTwo = ByTwo {
    what: "to have a gate only watch what it enforced",
    people: "loosen a gate",
    others: "loosen a gate",
    command: "gate watch --cosign FILE",
};

const ERASING: ByTwo = ByTwo {
    what: "what erases names and words",
    people: "erase names and words",
    others: "erase names and words",
    command: "erase --cosign FILE",
};

fn need_two_people<T>(state: &State, signers: &[(Signer, T)], by_two: &ByTwo, now: Time) -> Result<(), Refusal> {
    let ByTwo { what, people: only, others, command } = by_two;
    let mut people = Vec::new();
    for (signer, _) in signers {
        match signer {
            Signer::Actor { id, kind } => {
                only_people(id, *kind, only)?;
                people.push(id);
            }
            Signer::Gate(_) | Signer::Server => {
                return Err(Refusal::forbidden("only-people", format!("{} cannot {others}", name(signer))));
            }
        }
    }
    people.sort();
    people.dedup();
    newcomers::apart(&state.governance, &people, now)?;
    if people.len() < GRANTING_SIGNATURES {
        return Err(Refusal::forbidden(
            "two-people",
            format!("{what} needs {GRANTING_SIGNATURES} people, this has {}", people.len()),
        )
        .hint(format!("let a second person sign it: countersign {command} --key THEIR_KEY")));
    }
    Ok(())
}

/// One of the policy group.
fn need_policy_group<T>(state: &State, signers: &[(Signer, T)]) -> Result<(), Refusal> {
    let policy = state.governance.policy_group();
    let is_of_it = |signer: &Signer| match signer {
        Signer::Actor { id, .. } => policy.contains(id),
        Signer::Gate(_) | Signer::Server => false,
    };
    if signers.iter().any(|(signer, _)| is_of_it(signer)) {
        return Ok(());
    }
    let names: Vec<&str> = policy.iter().map(|person| person.as_str()).collect();
    Err(Refusal::forbidden("policy-group", "one of the two who sign has to be of the policy group")
        .hint(format!("let one of them sign: {}", names.join(", "))))
}

fn only_people(id: &ActorId, kind: ActorKind, what: &str) -> Result<(), Refusal> {
    match kind {
        ActorKind::Person => Ok(()),
        ActorKind::Workload | ActorKind::Agent => {
            Err(Refusal::forbidden("only-people", format!("{id} is {}; only a person can {what}", kind.with_article()))
                .hint("ask a person who had no hand in the change"))
        }
    }
}

/// The person who signed, or a refusal that says what only people can do.
fn person(authenticated: &Authenticated<'_>, what: &str) -> Result<ActorId, Refusal> {
    match &authenticated.signer {
        Signer::Actor { id, kind } => only_people(id, *kind, what).map(|()| id.clone()),
        Signer::Gate(_) | Signer::Server => {
            Err(Refusal::forbidden("only-people", format!("{} cannot {what}", name(&authenticated.signer))))
        }
    }
}

fn server(authenticated: &Authenticated<'_>) -> Result<(), Refusal> {
    match &authenticated.signer {
        Signer::Server => Ok(()),
        Signer::Actor { .. } | Signer::Gate(_) => Err(Refusal::forbidden(
            "only-the-server",
            format!("only the server says a {}", authenticated.statement().body.kind()),
        )),
    }
}
