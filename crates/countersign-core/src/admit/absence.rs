//! Admission of absences: when, for how long, how many; and what nobody signs who said that they are away.

use countersign_ledger::{Digest, Time};

use super::{Authenticated, person};
use crate::{
    absence::{ABSENT_SECS, AHEAD_SECS, MAX_ABSENCES},
    catalog::ActorKind,
    governance::Signer,
    permit::MAX_SKEW_SECS,
    refusal::Refusal,
    state::State,
    statement::{Away, Back},
};

/// A time that somebody says beforehand: from when on, until when, how long it is at the most, and how far ahead it begins.
pub(super) struct Said {
    pub what: &'static str,
    pub from: Option<Time>,
    pub until: Time,
    pub most_secs: i64,
    pub ahead_secs: i64,
}

impl Said {
    /// It begins now or later, and ends after that, and not too late.
    pub fn fits(&self, now: Time) -> Result<(), Refusal> {
        let Self { what, from, until, most_secs, ahead_secs } = self;
        let begins = from.unwrap_or(now);
        if now.secs_since(begins) > MAX_SKEW_SECS {
            return Err(Refusal::conflict("backdated", format!("{what} begins at {begins}, which is over"))
                .hint("leave out --from: it begins when the log takes it"));
        }
        if *until <= begins || *until <= now {
            return Err(Refusal::conflict(
                "over-already",
                format!("{what} ends at {until}, which is not after it begins"),
            )
            .hint("say a later time: --until TIME"));
        }
        let days = |secs: i64| secs / (24 * 60 * 60);
        if until.secs_since(begins.max(now)) > most_secs.saturating_add(MAX_SKEW_SECS) {
            return Err(Refusal::forbidden(
                "too-long",
                format!("{what} lasts {} days at the most, not until {until}", days(*most_secs)),
            )
            .hint("say an earlier end: --until TIME; what goes on is said again then"));
        }
        if begins.secs_since(now) > *ahead_secs {
            return Err(Refusal::conflict(
                "too-far-ahead",
                format!("{what} begins within {} days, not at {begins}", days(*ahead_secs)),
            )
            .hint("say it again when it is nearer"));
        }
        Ok(())
    }
}

pub(super) fn away(state: &State, authenticated: &Authenticated<'_>, said: &Away, now: Time) -> Result<(), Refusal> {
    let by = person(authenticated, "say that they are away")?;
    let Away { from, until } = *said;
    Said { what: "an absence", from, until, most_secs: ABSENT_SECS, ahead_secs: AHEAD_SECS }.fits(now)?;
    let known = state.person(&by)?.map(|record| record.away.as_slice()).unwrap_or_default();
    if known.iter().filter(|one| !one.is_over(now)).count() >= MAX_ABSENCES {
        return Err(Refusal::conflict(
            "too-many-absences",
            format!("{by} has said {MAX_ABSENCES} absences that are not over"),
        )
        .hint(
            "end some: countersign back --planned; what comes every week belongs into a calendar (countersign amend)",
        ));
    }
    Ok(())
}

/// An absence that is handed to a gate, which may have begun: how long it lasts is checked, and that it is not over.
pub(super) fn handed(said: &Away, now: Time) -> Result<(), Refusal> {
    let Away { from, until } = *said;
    let from = from.filter(|from| *from > now);
    Said { what: "an absence", from, until, most_secs: ABSENT_SECS, ahead_secs: AHEAD_SECS }.fits(now)
}

pub(super) fn back(state: &State, authenticated: &Authenticated<'_>, said: &Back, now: Time) -> Result<(), Refusal> {
    let by = person(authenticated, "say that they are back")?;
    if said.away.is_empty() || said.away.len() > MAX_ABSENCES {
        return Err(Refusal::malformed("back", format!("it ends 1 to {MAX_ABSENCES} absences")));
    }
    let known = state.person(&by)?.map(|record| record.away.as_slice()).unwrap_or_default();
    let stands = |statement: &Digest| known.iter().any(|one| one.statement == *statement && !one.is_over(now));
    match said.away.iter().find(|statement| !stands(statement)) {
        None => Ok(()),
        Some(statement) => Err(Refusal::unknown("no-absence", format!("no absence {statement} by {by} stands"))
            .hint("see what stands: countersign whoami")),
    }
}

/// Refuses what grants where somebody who said that they are away signs it: whoever has their key says first that they are back,
/// which everybody can see.
pub(super) fn need_presence<T>(state: &State, signers: &[(Signer, T)], now: Time) -> Result<(), Refusal> {
    for (signer, _) in signers {
        let Signer::Actor { id, kind: ActorKind::Person } = signer else { continue };
        let until = state.person(id)?.and_then(|record| record.away_until(now));
        if let Some(until) = until {
            return Err(Refusal::forbidden("away", format!("{id} said that they are away until {until}"))
                .hint(format!("if you are {id}, say first that you are back: countersign back")));
        }
    }
    Ok(())
}
