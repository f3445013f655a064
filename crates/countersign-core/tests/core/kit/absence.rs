//! Who is away, and who stands in for them.

use std::collections::BTreeSet;

use countersign_core::{
    refusal::Refusal,
    statement::{Away, Back, Body, Delegation, DelegationEnd},
};
use countersign_ledger::{Digest, Time};

use super::{World, id, targets};

pub const HOUR: i64 = 60 * 60;
pub const DAY: i64 = 24 * HOUR;

impl World {
    /// Away from now on, for so many days.
    pub fn away(&mut self, by: &str, days: i64) -> Result<Digest, Refusal> {
        let until = self.now.plus_secs(days * DAY);
        self.say(by, Body::Away(Away { from: None, until }))
    }

    pub fn back(&mut self, by: &str, away: impl IntoIterator<Item = Digest>) -> Result<Digest, Refusal> {
        self.say(by, Body::Back(Back { away: away.into_iter().collect() }))
    }

    /// A delegation from now on, for so many days, wherever its delegator has the role.
    pub fn delegation(&self, role: &str, to: &str, days: i64) -> Delegation {
        let until = self.now.plus_secs(days * DAY);
        Delegation { from: None, role: role.parse().unwrap(), targets: BTreeSet::new(), to: id(to), until }
    }

    pub fn delegate(&mut self, by: &str, role: &str, to: &str, days: i64) -> Result<Digest, Refusal> {
        let body = Body::Delegation(self.delegation(role, to, days));
        self.say(by, body)
    }

    /// The same for changes of these alone.
    pub fn delegate_for(&mut self, by: &str, role: &str, to: &str, named: &[&str]) -> Result<Digest, Refusal> {
        let said = Delegation { targets: targets(named), ..self.delegation(role, to, 7) };
        self.say(by, Body::Delegation(said))
    }

    pub fn end_delegation(&mut self, by: &str, (of, to): (&str, &str), which: Digest) -> Result<Digest, Refusal> {
        self.say(by, Body::DelegationEnd(DelegationEnd { delegation: which, of: id(of), to: id(to) }))
    }

    pub fn later(&mut self, secs: i64) -> Time {
        self.now = self.now.plus_secs(secs);
        self.now
    }
}
