//! Admission of epochs, and to which epoch a statement belongs.

use std::collections::BTreeSet;

use super::{Authenticated, name, only_people};
use crate::{
    epoch::{FIRST, MAX_STEP},
    governance::{GovernanceRecord, Signer},
    ids::ActorId,
    refusal::Refusal,
    statement::{Body, Epoch, Statement},
};

/// What is said names the epoch in which the log is, and a checkpoint of it, so that nobody signs for an epoch that is still to
/// come. Stops are taken whatever they name: somebody in between could have had them name another.
pub(super) fn said_in(governance: &GovernanceRecord, statement: &Statement) -> Result<(), Refusal> {
    let Statement { header, body } = statement;
    let (now, said) = (governance.epoch(), header.said_in());
    let another = |what: String| Err(Refusal::conflict("another-epoch", what));
    if body.is_stop() {
        return Ok(());
    }
    if header.epoch.is_some_and(|epoch| epoch <= FIRST) {
        return another("the first epoch is not spelled in a header".to_owned());
    }
    if let Body::Epoch(begun) = body {
        let next = now.saturating_add(1);
        if begun.number != said || said < next || said > now.saturating_add(MAX_STEP) {
            return another(format!(
                "the log is in epoch {now}; the statement begins epoch {} and names epoch {said}, next is {next}",
                begun.number
            ));
        }
        return Ok(());
    }
    if said == now {
        let began = governance.epochs.last().map(|epoch| epoch.after.size);
        return match began {
            Some(began) if header.checkpoint.size <= began => another(format!(
                "the statement names epoch {said} and a checkpoint of {} leaves, from before that epoch",
                header.checkpoint.size
            )),
            Some(_) | None => Ok(()),
        };
    }
    let what = format!("the statement is of epoch {said}, the log is in epoch {now}");
    let hint = match said < now {
        true => {
            "the log was restored from a copy, and what was said before has to be said again: make and sign it again"
        }
        false => "the log is older than what you have seen of it: ask whoever runs the server",
    };
    Err(Refusal::conflict("another-epoch", what).hint(hint))
}

/// As many founders as genesis asks for, each with a key that holds.
pub(super) fn need_recovery_quorum<T>(governance: &GovernanceRecord, signers: &[(Signer, T)]) -> Result<(), Refusal> {
    let founders: BTreeSet<&ActorId> = governance.founders.iter().map(|founder| &founder.person).collect();
    let names = || founders.iter().map(|person| person.as_str()).collect::<Vec<_>>().join(", ");
    let mut agreed = BTreeSet::new();
    for (signer, _) in signers {
        let id = match signer {
            Signer::Actor { id, kind } => {
                only_people(id, *kind, "begin an epoch")?;
                id
            }
            Signer::Gate(_) | Signer::Server => {
                return Err(Refusal::forbidden("only-people", format!("{} cannot begin an epoch", name(signer))));
            }
        };
        if !founders.contains(id) {
            return Err(Refusal::forbidden("policy-group", format!("{id} is no founder; only they begin an epoch"))
                .hint(format!("let one of them sign: {}", names())));
        }
        agreed.insert(id);
    }
    let quorum = usize::try_from(governance.recovery_quorum.max(1)).unwrap_or(usize::MAX);
    if agreed.len() >= quorum {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "recovery-quorum",
        format!("an epoch is begun by {quorum} founders, this has the signatures of {}", agreed.len()),
    )
    .hint(format!("let another of them sign: countersign epoch HOME --cosign FILE --key THEIR_KEY ({})", names())))
}

pub(super) fn admit(authenticated: &Authenticated<'_>, epoch: &Epoch) -> Result<(), Refusal> {
    if epoch.after == authenticated.statement().header.checkpoint {
        return Ok(());
    }
    Err(Refusal::malformed("epoch-after", "an epoch is begun in front of the log that it goes on from"))
}
