//! When a change lands, whose word that is, and when it expires.

use countersign_ledger::Time;

use super::{Obligation, Scene, obligation, words::way_in_words};
use crate::{
    change::SAID_BEFORE_SECS,
    decision::{Missing, Token},
    ids::ActorId,
    snapshot::ScheduleView,
};

impl Scene<'_> {
    /// What its window still misses: that it opens, or another one.
    pub(super) fn scheduled(&self, missing: &Missing) -> Obligation {
        let change = &self.snapshot.change;
        let by = self.snapshot.schedule.iter().flat_map(|view| &view.by);
        let found = self.people.able_among(by.clone().collect());
        let whose = by.map(ActorId::as_str).collect::<Vec<_>>().join(" and ");
        let how = match missing.token == Token::Opens {
            true => format!(
                "wait until then; {whose} said so, and can say another time: countersign permit {change} --not-before TIME"
            ),
            false => format!(
                "{whose} said until when, and says another time: countersign permit {change} --not-before TIME --until TIME, or \
                 --any-time; approvals count for the times that they were given for"
            ),
        };
        obligation(way_in_words(missing, None), found, how)
    }

    /// When it expires, from a week before; that it did stands in the to-do list.
    pub(super) fn expires(&self, now: Time) -> Option<String> {
        let at = self.snapshot.expires_at.filter(|at| *at > now && at.secs_since(now) <= SAID_BEFORE_SECS)?;
        Some(format!("expires at {at}, unless somebody touches it before: approves, comments, revises"))
    }

    /// When it lands, for whoever looks.
    pub(super) fn lands(&self) -> Option<String> {
        let ScheduleView { by, window } = self.snapshot.schedule.as_ref()?;
        let by = by.iter().map(ActorId::as_str).collect::<Vec<_>>().join(" and ");
        Some(format!("lands {window}, by the word of {by}"))
    }
}
