//! Admission of a recovery: new keys for people where those who are left could not change anything any more. Founders can sign
//! it by the keys that genesis pins, which they may keep apart from the ones that they work with.
//!
//! Whether fewer are left than it takes depends on everybody's stream; that is for [`can_govern`], which the engine asks. A
//! server that asked nothing would still need the quorum.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Fingerprint;

use super::{name, only_people, rotation::can_be_new};
use crate::{
    governance::{GRANTING_SIGNATURES, Governance, Signer},
    ids::ActorId,
    refusal::Refusal,
    state::{PersonRecord, RevocationRecord, State},
    statement::Recovery,
};

/// How many people one recovery gives a key.
const MAX_PEOPLE: usize = 16;

/// As many founders as genesis asks for; seniors of the policy group stand beside them.
pub(super) fn need_quorum<T>(governance: &Governance, signers: &[(Signer, T)]) -> Result<(), Refusal> {
    let may = who_may(governance);
    let names = || may.iter().map(|person| person.as_str()).collect::<Vec<_>>().join(", ");
    let mut agreed = BTreeSet::new();
    for (signer, _) in signers {
        let id = match signer {
            Signer::Actor { id, kind } => {
                only_people(id, *kind, "recover a log")?;
                id
            }
            Signer::Gate(_) | Signer::Server => {
                return Err(Refusal::forbidden("only-people", format!("{} cannot recover a log", name(signer))));
            }
        };
        if !may.contains(id) {
            return Err(Refusal::forbidden(
                "policy-group",
                format!("{id} is no founder and no senior of the policy group; only they recover a log"),
            )
            .hint(format!("let one of them sign: {}", names())));
        }
        agreed.insert(id);
    }
    let quorum = usize::try_from(governance.record.recovery_quorum.max(1)).unwrap_or(usize::MAX);
    if agreed.len() >= quorum {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "recovery-quorum",
        format!("{quorum} people of the recovery quorum recover a log, this has the signatures of {}", agreed.len()),
    )
    .hint(format!("let another of them sign: countersign recover --cosign FILE --key THEIR_KEY ({})", names())))
}

/// The founders who are still there, and where too few of them are left to govern, the seniors.
fn who_may(governance: &Governance) -> BTreeSet<&ActorId> {
    let founders = governance.record.founders.iter().map(|founder| &founder.person);
    let founders: BTreeSet<&ActorId> = founders.filter(|id| governance.person(id).is_some()).collect();
    let seniors = governance.policy_group().into_iter();
    let seniors = seniors.filter(|id| governance.person(id).is_some_and(|actor| actor.level.is_senior()));
    founders.iter().copied().chain(seniors).collect()
}

pub(super) fn recovery(state: &State, said: &Recovery) -> Result<(), Refusal> {
    let governance = &*state.governance;
    if said.keys.is_empty() || said.keys.len() > MAX_PEOPLE {
        return Err(Refusal::malformed("recovery", format!("a recovery gives 1 to {MAX_PEOPLE} people a key")));
    }
    let mut new = BTreeSet::new();
    for (of, new_key) in &said.keys {
        let Some(person) = governance.person(of) else {
            return Err(Refusal::unknown("unknown-person", format!("the catalog has no person {of}"))
                .hint("a recovery gives people of the catalog another key; who can act then adds others: countersign amend HOME"));
        };
        if person.keys.is_empty() {
            return Err(Refusal::conflict(
                "no-key",
                format!("{of} has no key in the catalog that another could replace"),
            )
            .hint("recover somebody who has one; who can act then adds others: countersign amend HOME"));
        }
        if !new.insert(new_key.fingerprint()) {
            return Err(Refusal::conflict("key-taken", format!("two people get key {}", new_key.fingerprint())));
        }
        can_be_new(state, governance, of, new_key)?;
    }
    Ok(())
}

/// Whether enough people are left who could change what governs, so that nothing has to be recovered. `records` are those of
/// everybody of whom something was revoked. What is only suspended comes back by itself.
pub fn can_govern(governance: &Governance, records: &BTreeMap<ActorId, PersonRecord>) -> bool {
    let gone = |record: &RevocationRecord| record.until().is_none();
    let able: BTreeSet<&ActorId> = governance
        .people_with_keys()
        .filter(|person| {
            let revoked = records.get(&person.id).map(|record| &record.revoked);
            let is_gone = |key: &Fingerprint| revoked.and_then(|revoked| revoked.get(key)).is_some_and(gone);
            person.keys.iter().any(|key| !is_gone(&key.fingerprint()))
        })
        .map(|person| &person.id)
        .collect();
    // What loosens, a lost key and a revocation take a senior, where there is one.
    let seniors = governance.catalog.seniors();
    able.len() >= GRANTING_SIGNATURES
        && governance.policy_group().iter().any(|person| able.contains(person))
        && (seniors.is_empty() || seniors.iter().any(|person| able.contains(person)))
}
