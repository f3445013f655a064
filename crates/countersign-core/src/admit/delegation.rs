//! Admission of delegations: of what one has oneself, to a person, for a time; their end; and of what is approved again by one.

use countersign_ledger::Time;

use super::{Authenticated, absence::Said, governance::unknown_target, person};
use crate::{
    calendar::Use,
    catalog::ActorKind,
    change::{ApprovalRecord, Change},
    delegation::{AHEAD_SECS, DELEGATION_SECS, DelegatedRole, DelegationRecord, MAX_GIVEN, MAX_TAKEN, name_of},
    governance::Governance,
    ids::{ActorId, Target},
    refusal::Refusal,
    state::State,
    statement::{Delegation, DelegationEnd, MAX_LIST},
};

pub(super) fn delegation(
    state: &State,
    authenticated: &Authenticated<'_>,
    said: &Delegation,
    now: Time,
) -> Result<(), Refusal> {
    let by = person(authenticated, "delegate a role")?;
    let governance = &*state.governance;
    let Delegation { from, until, .. } = *said;
    Said { what: "a delegation", from, until, most_secs: DELEGATION_SECS, ahead_secs: AHEAD_SECS }.fits(now)?;
    to_a_person(governance, &by, &said.to)?;
    if said.targets.len() > MAX_LIST {
        return Err(Refusal::malformed(
            "delegation-targets",
            format!("a delegation names {MAX_LIST} targets at the most"),
        )
        .hint("name none: then it is for all that you have the role for"));
    }
    for target in &said.targets {
        governance.catalog.target(target).map_err(unknown_target)?;
    }
    has(governance, &by, said)?;
    let running = |known: &[DelegationRecord]| known.iter().filter(|one| !one.is_over(now)).count();
    let gave = state.person(&by)?.map(|record| record.gave.as_slice()).unwrap_or_default();
    // A part of a log need not tell what others delegated to them.
    let received = state.received(&said.to)?.unwrap_or_default();
    if running(gave) >= MAX_GIVEN || running(received) >= MAX_TAKEN {
        return Err(Refusal::conflict(
            "too-many-delegations",
            format!(
                "one person gives {MAX_GIVEN} delegations at the most, and has {MAX_TAKEN} of others, that are not over"
            ),
        )
        .hint("end one: countersign delegate --end ID; see them: countersign delegations"));
    }
    Ok(())
}

/// Whoever has approved a revision approves it again only where something was delegated to them since that can count for it.
pub(super) fn says_more<'a>(
    state: &State,
    change: &Change,
    before: impl Iterator<Item = &'a ApprovalRecord>,
    by: &ActorId,
    now: Time,
) -> Result<(), Refusal> {
    let epoch = state.governance.record.header_epoch();
    // Of what governs nothing is delegated.
    let counts = |known: &&DelegationRecord| {
        let covers = |target: &Target| !target.is_governance() && known.covers(target);
        known.holds(now) && known.epoch == epoch && change.targets.iter().any(covers)
    };
    let received = state.person(by)?.map(|record| record.received.as_slice()).unwrap_or_default();
    for before in before {
        let is_new = |known: &DelegationRecord| !before.delegated.contains_key(&known.statement);
        if state.holds(by, &before.key, now)?.is_some() && !received.iter().filter(counts).any(is_new) {
            let short = change.id.short();
            return Err(Refusal::conflict("already-approved", format!("{by} has already approved this revision")).hint(
                format!(
                    "by another key, or having seen more: countersign take-back {short}, then countersign review {short}"
                ),
            ));
        }
    }
    Ok(())
}

fn to_a_person(governance: &Governance, by: &ActorId, to: &ActorId) -> Result<(), Refusal> {
    if to == by {
        return Err(Refusal::forbidden("delegated-to-oneself", format!("{by} has their own roles already"))
            .hint("name somebody else: --to PERSON"));
    }
    match governance.catalog.actors.get(to) {
        None => Err(Refusal::unknown("unknown-person", format!("the catalog has no person `{to}`"))
            .hint("name somebody of the catalog: --to PERSON")),
        Some(actor) if actor.kind != ActorKind::Person => Err(Refusal::forbidden(
            "only-people",
            format!("{to} is {}; a role is delegated to a person", actor.kind.with_article()),
        )
        .hint("name a person: --to PERSON")),
        Some(actor) if actor.keys.is_empty() => {
            Err(Refusal::forbidden("no-key", format!("{to} has no key, and can approve nothing"))
                .hint("name somebody who has: --to PERSON"))
        }
        Some(_) => Ok(()),
    }
}

/// Nobody delegates what they have not in the catalog: what was delegated to them is not theirs to pass on.
fn has(governance: &Governance, by: &ActorId, said: &Delegation) -> Result<(), Refusal> {
    let role = &said.role;
    let lacks = |what: String| {
        Refusal::forbidden("not-theirs-to-delegate", what)
            .hint("see what you are here: countersign whoami; what others delegated to you cannot be passed on")
    };
    match role {
        DelegatedRole::Group(group) => {
            if !governance.catalog.is_in(by, group) {
                return Err(lacks(format!("{by} is not of group {group}")));
            }
        }
        DelegatedRole::Senior => {
            if !governance.person(by).is_some_and(|actor| actor.level.is_senior()) {
                return Err(lacks(format!("{by} is no senior")));
            }
        }
        DelegatedRole::Owner => {
            let lacking = said.targets.iter().find(|target| !governance.owns(by, &target.system));
            let owns_any = || governance.catalog.systems.keys().any(|system| governance.owns(by, system));
            if let Some(Target { system, .. }) = lacking {
                return Err(lacks(format!("{by} does not own {system}")));
            }
            if said.targets.is_empty() && !owns_any() {
                return Err(lacks(format!("{by} owns no system")));
            }
        }
        // Whether they are on call then, calendars say then.
        DelegatedRole::OnCall => {
            let rotas = governance.calendars.used_for(Use::OnCall);
            let mut events = rotas.flat_map(|calendar| &calendar.file.events);
            if !events.any(|event| event.person.as_ref() == Some(by)) {
                return Err(lacks(format!("{by} is in no on-call rota")));
            }
        }
    }
    Ok(())
}

/// Whoever delegated, or whom it was delegated to.
pub(super) fn theirs_to_end(by: &ActorId, said: &DelegationEnd) -> Result<(), Refusal> {
    if *by == said.of || *by == said.to {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "not-theirs-to-end",
        format!("{by} neither delegated {} nor has it", name_of(&said.delegation)),
    )
    .hint(format!("{} or {} ends it", said.of, said.to)))
}

pub(super) fn end(
    state: &State,
    authenticated: &Authenticated<'_>,
    said: &DelegationEnd,
    now: Time,
) -> Result<(), Refusal> {
    theirs_to_end(&person(authenticated, "end a delegation")?, said)?;
    // It stands in the delegator's stream, which is this statement's home.
    let gave = state.person(&said.of)?.map(|record| record.gave.as_slice()).unwrap_or_default();
    match gave.iter().find(|known| known.statement == said.delegation) {
        Some(known) if known.to == said.to && !known.is_over(now) => Ok(()),
        Some(_) | None => Err(Refusal::unknown(
            "no-delegation",
            format!("no delegation {} by {} to {} stands", name_of(&said.delegation), said.of, said.to),
        )
        .hint("see what stands: countersign delegations")),
    }
}
