//! Admission of freezes: who may, for how long, not again at once; and who ends one before its time.

use countersign_ledger::Time;

use super::{Authenticated, need_two_people, person};
use crate::{
    explain::{able, names},
    freeze::{self, FREEZE_SECS, FreezeRecord, MAX_OF_ONE, RENEW_SECS, may_freeze, name_of, who_may},
    governance::{Governance, Signer},
    ids::ActorId,
    permit::MAX_SKEW_SECS,
    refusal::Refusal,
    state::State,
    statement::{Freeze, FreezeLift, Header, MAX_LIST},
};

const MAX_PATHS_BYTES: usize = 2_000;

const LIFTING: super::ByTwo = super::ByTwo {
    what: "to lift what somebody else froze",
    people: "lift a freeze",
    others: "lift a freeze",
    command: "lift --cosign FILE",
};

pub(super) fn freeze(
    state: &State,
    authenticated: &Authenticated<'_>,
    said: &Freeze,
    now: Time,
) -> Result<(), Refusal> {
    let by = person(authenticated, "freeze anything")?;
    let governance = &*state.governance;
    let freezes = &governance.record.freezes;
    if freezes.contains_key(&authenticated.payload()) {
        return Err(Refusal::conflict("already-frozen", "the log has this freeze"));
    }
    sensible(governance, said, now)?;
    if !may_freeze(governance, &by, &said.scope, now) {
        let who = able(state, who_may(governance, &said.scope, now), now);
        return Err(Refusal::forbidden(
            "not-theirs-to-freeze",
            format!("{by} is no senior, and does not own, nor is on call for, all that this would freeze"),
        )
        .hint(match who.is_empty() {
            true => "name systems that you own: --system S".to_owned(),
            false => format!("name systems that you own (--system S), or let one of these sign: {}", names(&who)),
        }));
    }
    if let Some((statement, bars)) = freezes.iter().find(|(_, known)| known.bars(&by, &said.scope, now)) {
        return Err(renewed(&by, &name_of(statement), bars.end()));
    }
    let lately = |known: &&FreezeRecord| known.by == by && now < known.end().plus_secs(RENEW_SECS);
    if freezes.values().filter(lately).count() >= MAX_OF_ONE {
        return Err(Refusal::conflict(
            "too-many-freezes",
            format!("{by} has signed {MAX_OF_ONE} freezes within a day of now"),
        )
        .hint("let somebody else sign it, or put a longer one into a calendar"));
    }
    Ok(())
}

/// That somebody would freeze for longer than one signature is good for.
pub fn renewed(by: &ActorId, name: &str, end: Time) -> Refusal {
    let again = end.plus_secs(RENEW_SECS);
    Refusal::forbidden(
        "freeze-renewed",
        format!("{by} froze some of this before (freeze {name}), and may not again before {again}"),
    )
    .hint(
        "somebody else who owns it, is on call for it or is a senior can; what is to stay frozen longer goes into a calendar \
         (countersign amend)",
    )
}

/// What it says, whoever says it.
fn sensible(governance: &Governance, said: &Freeze, now: Time) -> Result<(), Refusal> {
    let lasts = said.until.secs_since(now);
    if lasts <= 0 {
        return Err(Refusal::conflict("freeze-over", format!("it ends at {}, which is over", said.until)));
    }
    if lasts > FREEZE_SECS.saturating_add(MAX_SKEW_SECS) {
        return Err(Refusal::forbidden(
            "freeze-too-long",
            format!("one signature freezes for {} hours at the most, not until {}", FREEZE_SECS / 3_600, said.until),
        )
        .hint("sign it for a shorter time; what is to be frozen longer goes into a calendar (countersign amend)"));
    }
    let scope = &said.scope;
    if scope.systems.len().max(scope.environments.len()) > MAX_LIST
        || scope.paths.as_ref().is_some_and(|paths| paths.len() > MAX_PATHS_BYTES)
    {
        return Err(Refusal::malformed(
            "freeze-scope",
            format!(
                "a freeze names {MAX_LIST} systems and environments at the most, and {MAX_PATHS_BYTES} bytes of paths"
            ),
        ));
    }
    match scope.problem(&governance.catalog) {
        None => Ok(()),
        Some((what, hint)) => {
            let refusal = Refusal::malformed("freeze-scope", what);
            Err(match hint {
                Some(hint) => refusal.hint(hint),
                None => refusal,
            })
        }
    }
}

/// What was handed to a gate, which has said by then whose it is and whether they may: only its time can have run out since.
pub(crate) fn still_holds(
    state: &State,
    statement: &countersign_ledger::Digest,
    said: &Freeze,
    now: Time,
) -> Result<(), Refusal> {
    if state.governance.record.freezes.contains_key(statement) {
        return Err(Refusal::conflict("already-frozen", "the log has this freeze"));
    }
    match said.until > now {
        true => Ok(()),
        false => Err(Refusal::conflict("freeze-over", format!("it ended at {}", said.until))),
    }
}

/// Whoever froze signs alone; else any two people do: whoever froze may be asleep.
pub(super) fn need_signatures<T>(
    state: &State,
    said: &FreezeLift,
    header: &Header,
    signers: &[(Signer, T)],
    now: Time,
) -> Result<(), Refusal> {
    let record = standing(state, said, now)?;
    if record.by == header.by && signers.len() == 1 {
        return Ok(());
    }
    need_two_people(state, signers, &LIFTING, now)
}

fn standing<'a>(state: &'a State, said: &FreezeLift, now: Time) -> Result<&'a freeze::FreezeRecord, Refusal> {
    let record = state.governance.record.freezes.get(&said.freeze);
    let record = record.ok_or_else(|| {
        Refusal::unknown("unknown-freeze", format!("there is no freeze {}", name_of(&said.freeze)))
            .hint("list them: countersign freezes")
    })?;
    match record.holds(now) {
        true => Ok(record),
        false => {
            Err(Refusal::conflict("freeze-over", format!("freeze {} ended at {}", name_of(&said.freeze), record.end())))
        }
    }
}

pub(super) fn lift(
    state: &State,
    authenticated: &Authenticated<'_>,
    said: &FreezeLift,
    now: Time,
) -> Result<(), Refusal> {
    person(authenticated, "lift a freeze")?;
    standing(state, said, now).map(|_| ())
}
