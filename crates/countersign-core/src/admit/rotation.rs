//! Admission of another key in the place of somebody's: on the word of the old key and the new one, or of two others where the
//! old one is lost.
//!
//! ```text
//!  by its holder    old key: "this is mine now"    new key: "I am here"       what was approved before stands
//!  by two others    another person, a senior among them                       what the lost key approved counts no more
//! ```

use countersign_ledger::{PublicKey, Time};

use super::{Authenticated, ByTwo, name, need_two_people};
use crate::{
    governance::{GRANTING_SIGNATURES, Governance, Signer},
    ids::ActorId,
    refusal::Refusal,
    state::State,
    statement::{Body, Header, Holder, KeyRotation},
};

/// How often keys of one actor can go before the catalog's files have to say what they are now.
const MAX_RETIRED_OF_ONE: usize = 64;

const ROTATING: ByTwo = ByTwo {
    what: "another's key",
    people: "give somebody another key",
    others: "give somebody another key",
    command: "rotate-key --cosign FILE",
};

/// Whether a signature only proves that whoever has the new key has said so.
pub(super) fn is_the_new_key(body: &Body, key: &PublicKey) -> bool {
    matches!(body, Body::KeyRotation(said) if said.new_key == *key && said.key != key.fingerprint())
}

pub(super) fn need_signatures<T: SignedBy>(
    state: &State,
    said: &KeyRotation,
    header: &Header,
    signers: &[(Signer, T)],
    has_the_new_key: bool,
    now: Time,
) -> Result<(), Refusal> {
    if header.by == said.of {
        return by_its_holder(said, signers, has_the_new_key);
    }
    need_two_people(state, signers, &ROTATING, now)?;
    let governance = &*state.governance;
    let people: Vec<&ActorId> = signers.iter().filter_map(|(signer, _)| of_person(signer)).collect();
    if people.contains(&&said.of) {
        return Err(Refusal::forbidden(
            "third-person",
            format!("{} cannot say of their own key that it is lost", said.of),
        )
        .hint("whoever has the old key signs with it and with the new one: countersign rotate-key --new FILE"));
    }
    let senior = |id: &&&ActorId| governance.person(id).is_some_and(|actor| actor.level.is_senior());
    if !people.iter().any(|id| senior(&id)) && !governance.catalog.seniors().is_empty() {
        return Err(Refusal::forbidden("senior-needed", "one of the two who give somebody another key is a senior")
            .hint("have a senior sign it"));
    }
    // As where the catalog is published: whoever had a senior's key would have their say.
    let policy = governance.policy_group();
    let of_policy = people.iter().filter(|id| policy.contains(*id)).count();
    if senior(&&&said.of) && of_policy < GRANTING_SIGNATURES {
        let names: Vec<&str> = policy.iter().take(5).map(|person| person.as_str()).collect();
        return Err(Refusal::forbidden(
            "policy-group",
            format!("{} is a senior: two people of the policy group give them another key", said.of),
        )
        .hint(format!("of the policy group are {}", names.join(", "))));
    }
    for id in people {
        let mut suspends = state.person(id)?.into_iter().flat_map(|record| record.suspends(now));
        if let Some(took) = suspends.find(|took| matches!(took.of, Holder::Person(_))) {
            return Err(Refusal::forbidden(
                "suspends-another",
                format!("{id} has revoked key {}, which nobody has confirmed, and grants nothing meanwhile", took.key),
            )
            .hint("have a second person confirm it (countersign revoke KEY --confirm), or let others sign"));
        }
    }
    match said.reason {
        Some(_) => Ok(()),
        None => Err(Refusal::malformed("rotation-reason", "whoever gives another a key says why")),
    }
}

/// What there is to a signature.
pub(super) trait SignedBy {
    fn key(&self) -> &countersign_ledger::Fingerprint;
}

impl SignedBy for (&countersign_ledger::sshsig::Verified, &countersign_ledger::Fingerprint) {
    fn key(&self) -> &countersign_ledger::Fingerprint {
        self.1
    }
}

fn by_its_holder<T: SignedBy>(
    said: &KeyRotation,
    signers: &[(Signer, T)],
    has_the_new_key: bool,
) -> Result<(), Refusal> {
    match signers {
        [(_, old)] if *old.key() == said.key => {}
        _ => {
            let by: Vec<String> = signers.iter().map(|(signer, _)| name(signer)).collect();
            return Err(Refusal::unauthenticated(
                "old-key-signs",
                format!("key {} of {} says itself which comes in its place; this is signed by {}", said.key, said.of, by.join(", ")),
            )
            .hint("sign with the old key and the new one; if the old one is lost, two others sign: countersign rotate-key --lost"));
        }
    }
    if !has_the_new_key {
        return Err(Refusal::unauthenticated(
            "new-key-signs",
            format!("the new key {} has not signed it", said.new_key.fingerprint()),
        )
        .hint("sign with both: nobody takes a key that they do not have"));
    }
    match said.reason {
        None => Ok(()),
        Some(_) => Err(Refusal::malformed("rotation-reason", "whoever takes another key needs no reason")),
    }
}

fn of_person(signer: &Signer) -> Option<&ActorId> {
    match signer {
        Signer::Actor { id, .. } => Some(id),
        Signer::Gate(_) | Signer::Server => None,
    }
}

pub(super) fn rotation(state: &State, authenticated: &Authenticated<'_>, said: &KeyRotation) -> Result<(), Refusal> {
    let governance = &*state.governance;
    let KeyRotation { key, new_key, of, reason: _ } = said;
    if authenticated.statement().header.by == *of && authenticated.signed_with().key != *key {
        return Err(Refusal::unauthenticated("old-key-signs", format!("key {key} has not signed it")));
    }
    if governance.listed(of, key).is_none() {
        return Err(match governance.record.retired.get(key) {
            Some(retired) if retired.of == *of => {
                Refusal::conflict("key-retired", format!("another key came in place of {key} already"))
            }
            Some(_) | None => Refusal::unknown("unknown-key", format!("key {key} is not {of}'s"))
                .hint("a fingerprint reads SHA256:…, as `ssh-keygen -l -f KEY` prints it"),
        });
    }
    if governance.record.retired.values().filter(|retired| retired.of == *of).count() >= MAX_RETIRED_OF_ONE {
        return Err(Refusal::conflict(
            "too-many-keys",
            format!("{MAX_RETIRED_OF_ONE} keys of {of} have gone, and that is the most"),
        )
        .hint("put the new key into the catalog: countersign amend HOME"));
    }
    can_be_new(state, governance, of, new_key)
}

/// Whether a key can become somebody's: it is of a sort that is taken, and nobody has it or had it.
pub(super) fn can_be_new(
    state: &State,
    governance: &Governance,
    of: &ActorId,
    new_key: &PublicKey,
) -> Result<(), Refusal> {
    let fingerprint = new_key.fingerprint();
    if let Some(why) = new_key.unfit() {
        return Err(Refusal::malformed("key-unfit", format!("no signature of key {fingerprint} is taken: {why}"))
            .hint("make another: ssh-keygen -t ed25519"));
    }
    let taken = |whose: String| {
        Err(Refusal::conflict("key-taken", format!("key {fingerprint} is {whose}"))
            .hint("make one that nobody has had: ssh-keygen -t ed25519"))
    };
    if governance.record.server_key == *new_key {
        return taken("the server's".to_owned());
    }
    if let Some(gone) = governance.record.retired.get(&fingerprint) {
        return taken(format!("one that {} has given up, and does not come back", gone.of));
    }
    if let Some(actor) = governance.catalog.actor_by_key(&fingerprint) {
        return taken(format!("{}'s already", actor.id));
    }
    let mut founders = governance.record.founders.iter();
    if let Some(founder) = founders.find(|founder| founder.key == *new_key && founder.person != *of) {
        return taken(format!("that of founder {}", founder.person));
    }
    match state.person(of)?.and_then(|record| record.revoked.get(&fingerprint)) {
        Some(record) => taken(format!("one that {} revoked, and does not come back", record.by)),
        None => Ok(()),
    }
}
