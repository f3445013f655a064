//! Who can be the second pair of eyes of a change.

use countersign_ledger::Time;

use crate::{change::Change, governance::Governance, ids::ActorId, refusal::Refusal, state::State, take};

/// Refuses whoever had a hand in the change.
pub(super) fn no_contributor(
    governance: &Governance,
    change: &Change,
    person: &ActorId,
    what: &str,
) -> Result<(), Refusal> {
    let contributors = take::contributors(governance, change);
    if contributors.all.contains(person) {
        let reason = if contributors.claimed.contains(person) {
            "a commit names them as co-author"
        } else {
            "they had a hand in it"
        };
        return Err(Refusal::forbidden(
            "contributor",
            format!("{person} cannot {what} change {}: {reason}", change.id),
        )
        .hint(format!(
            "the second pair of eyes is somebody who is no contributor; see who in: countersign show {}",
            change.id.short()
        )));
    }
    Ok(())
}

/// Refuses whoever cannot tell a second pair of eyes from the first: who said whose an unknown mail is, and who has taken away
/// the key of somebody who has a say here.
pub(super) fn may_grant(
    state: &State,
    change: &Change,
    person: &ActorId,
    what: &str,
    now: Time,
) -> Result<(), Refusal> {
    let governance = &*state.governance;
    no_contributor(governance, change, person, what)?;
    let short = change.id.short();
    if take::contributors(governance, change).cleared_by.contains(person) {
        return Err(Refusal::forbidden(
            "identified-an-author",
            format!("{person} cannot {what} change {}: they said whose an unknown mail in its commits is", change.id),
        )
        .hint(format!(
            "whoever hides behind such a mail could say so, too: let somebody else approve, or put the mail into the catalog; \
             see who in: countersign show {short}"
        )));
    }
    if let Some(other) = state.set_against(person, change, now)? {
        return Err(Refusal::forbidden(
            "suspends-another",
            format!(
                "{person} cannot {what} change {}: they have revoked a key of {other}, who has a say in it",
                change.id
            ),
        )
        .hint("have a second person confirm that (countersign revoke KEY --confirm), or let somebody else do it"));
    }
    Ok(())
}
