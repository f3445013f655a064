//! Admission of breaking the glass: enough of those who are entitled have signed it, for this gate and this transition, and it
//! says which rejections it goes over.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::{Authenticated, Signed, change::its_targets, name, only_people, permit};
use crate::{
    change::{Change, Found},
    explain::{able, names},
    freeze,
    glass::{self, GLASS_SECS},
    governance::Signer,
    ids::{ActorId, Target},
    kind::MAX_INCIDENT_CHARS,
    newcomers,
    permit::MAX_SKEW_SECS,
    refusal::Refusal,
    state::State,
    statement::{BreakGlass, Holder, Seen},
};

/// One person counts once, by whatever keys.
pub(super) fn need_enough<T>(
    state: &State,
    targets: &BTreeSet<Target>,
    without_the_log: bool,
    signers: &[(Signer, T)],
    now: Time,
) -> Result<(), Refusal> {
    let mut people: BTreeSet<&ActorId> = BTreeSet::new();
    for (signer, _) in signers {
        match signer {
            Signer::Actor { id, kind } => {
                only_people(id, *kind, "break the glass")?;
                is_entitled(state, targets, id, now)?;
                grants(state, id, now)?;
                people.insert(id);
            }
            Signer::Gate(_) | Signer::Server => {
                return Err(Refusal::forbidden("only-people", format!("{} cannot break the glass", name(signer))));
            }
        }
    }
    enough(state, targets, &people, glass::needed(&state.governance, targets, without_the_log), now)
}

/// Whose each signature is that counts for opening these targets, in the order of the signatures, or why it does not.
pub fn counting(
    state: &State,
    signed: &Signed,
    targets: &BTreeSet<Target>,
    now: Time,
) -> Vec<Result<ActorId, Refusal>> {
    let one = |(verified, key)| match super::signer(state, &signed.statement, verified, key, now)? {
        Signer::Actor { id, kind } => {
            only_people(&id, kind, "break the glass")?;
            is_entitled(state, targets, &id, now)?;
            grants(state, &id, now)?;
            Ok(id)
        }
        other @ (Signer::Gate(_) | Signer::Server) => {
            Err(Refusal::forbidden("only-people", format!("{} cannot break the glass", name(&other))))
        }
    };
    signed.verified.iter().map(|(verified, key)| one((verified, key))).collect()
}

/// Whether these people are enough, a newcomer and who enrolled them counted as one. Says who else could sign.
pub fn enough(
    state: &State,
    targets: &BTreeSet<Target>,
    people: &BTreeSet<&ActorId>,
    needed: usize,
    now: Time,
) -> Result<(), Refusal> {
    if newcomers::counted(&state.governance, people, now) >= needed {
        return Ok(());
    }
    if people.len() >= needed {
        newcomers::apart(&state.governance, &people.iter().copied().collect::<Vec<_>>(), now)?;
    }
    let people = people.len();
    Err(Refusal::forbidden(
        "glass-people",
        format!("{needed} people who are entitled open this without the log, this has the signatures of {people}"),
    )
    .hint(format!(
        "let another of them look at it and sign: countersign break-glass --git . --cosign FILE ({})",
        names(&able(state, glass::entitled(&state.governance, targets, now), now))
    )))
}

fn is_entitled(state: &State, targets: &BTreeSet<Target>, id: &ActorId, now: Time) -> Result<(), Refusal> {
    let governance = &*state.governance;
    let Some(target) = targets.iter().find(|target| !glass::is_entitled(governance, id, target, now)) else {
        return Ok(());
    };
    let who = able(state, glass::entitled(governance, targets, now), now);
    Err(Refusal::forbidden(
        "not-entitled",
        format!(
            "{id} neither owns {target}, nor is on call for it, nor is a senior; nobody else opens it in an emergency"
        ),
    )
    .hint(match who.is_empty() {
        true => "nobody who could sign now is entitled for all of its targets: propose them apart".to_owned(),
        false => format!("let one of these sign: {}", names(&who)),
    }))
}

/// Whoever has taken somebody's key away grants nothing until a second person confirms it.
fn grants(state: &State, id: &ActorId, now: Time) -> Result<(), Refusal> {
    let mut suspends = state.person(id)?.into_iter().flat_map(|record| record.suspends(now));
    match suspends.find(|took| matches!(took.of, Holder::Person(_))) {
        None => Ok(()),
        Some(took) => Err(Refusal::forbidden(
            "suspends-another",
            format!("{id} has revoked key {}, which nobody has confirmed, and grants nothing meanwhile", took.key),
        )
        .hint("have a second person confirm it (countersign revoke KEY --confirm), or let others sign")),
    }
}

pub(super) fn admit(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    said: &BreakGlass,
    found: &Found,
    now: Time,
) -> Result<(), Refusal> {
    its_targets(change, &said.targets)?;
    if said.incident.as_deref().is_some_and(|incident| !crate::kind::is_incident(incident)) {
        return Err(Refusal::malformed(
            "incident-name",
            format!("an incident's name is 1 to {MAX_INCIDENT_CHARS} letters, digits and `-_.#/`"),
        )
        .hint("name it as the tool that keeps incidents does: --incident INC-4711; why goes into --why"));
    }
    let audience = permit::audience(state, change, authenticated, &said.gate, now)?;
    if said.audience != audience {
        return Err(Refusal::forbidden(
            "another-audience",
            format!("gate {} has key {audience}, not {}", said.gate, said.audience),
        ));
    }
    permit::not_running(change)?;
    match &found.transition {
        Some(transition) => change.fits(transition)?,
        None => return Err(Refusal::unknown("blob-missing", "the transition is missing")),
    }
    match said.nonce {
        // It happened before the log could be told: when, the gate's journal bounded.
        Some(_) => seen(said),
        None => {
            let lasts = said.expires_at.secs_since(now);
            if lasts <= 0 || lasts > GLASS_SECS.saturating_add(MAX_SKEW_SECS) {
                return Err(Refusal::malformed(
                    "glass-expiry",
                    format!("it opens the gate for {} minutes at the most, from now on", GLASS_SECS / 60),
                )
                .hint(format!("sign anew, for now: countersign break-glass {} --why \"…\"", change.id.short())));
            }
            if let Some(nobody) = said.overrides.iter().find(|by| state.governance.person(by).is_none()) {
                return Err(Refusal::unknown(
                    "unknown-person",
                    format!("{nobody}, whom it goes over, is no person here"),
                )
                .hint("name those whose rejection stands, as countersign show tells them: --over PERSON"));
            }
            names_what_it_overrides(state, change, said, now)?;
            names_freezes(state, change, said, now)
        }
    }
}

/// Without the log nobody else looks at it before.
fn seen(said: &BreakGlass) -> Result<(), Refusal> {
    match said.seen {
        Seen::Material | Seen::Computed => Ok(()),
        Seen::None | Seen::Shown => Err(Refusal::forbidden(
            "not-seen",
            "without the log it counts only of those who had the content at hand, from their own clone or checked bytes",
        )
        .hint("sign in a clone that has the commits: --git PATH")),
    }
}

fn names_freezes(state: &State, change: &Change, said: &BreakGlass, now: Time) -> Result<(), Refusal> {
    match freeze::unnamed_freeze(&state.governance, change, &said.over_freezes, now) {
        None => Ok(()),
        Some(refusal) => Err(refusal),
    }
}

/// Also what was said of the same content in another change, which was withdrawn, say, and proposed anew.
fn names_what_it_overrides(state: &State, change: &Change, said: &BreakGlass, now: Time) -> Result<(), Refusal> {
    let standing = state.rejected_by(change, now)?;
    match standing.into_iter().find(|by| !said.overrides.contains(*by)) {
        None => Ok(()),
        Some(by) => Err(Refusal::conflict(
            "stop-not-named",
            format!("{by} has rejected change {}, or what it brings; whoever goes over that says so", change.id),
        )
        .hint(format!("read why (countersign show {}), then sign again with --over {by}", change.id.short()))),
    }
}
