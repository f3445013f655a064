//! Keys that are revoked, given up and replaced, and freezes, which one signature says as well.

use std::collections::BTreeSet;

use countersign_core::{
    calendar::Scope,
    refusal::Refusal,
    statement::{Body, Freeze, FreezeLift, Holder, KeyRevocation, KeyRotation, Recovery},
};
use countersign_ledger::{Digest, SigningKey};

use super::{FixedRng, World, holder, id};

impl World {
    pub fn revocation(&mut self, key: &str) -> Body {
        let (reason, of) = (self.reason("it was lost"), holder(key));
        Body::KeyRevocation(KeyRevocation { key: self.keys[key].public().fingerprint(), of, reason })
    }

    pub fn revoke(&mut self, by: &str, key: &str) -> Result<Digest, Refusal> {
        let body = self.revocation(key);
        self.say(by, body)
    }

    /// A freeze of production for so many hours from now.
    pub fn freeze_of(&mut self, scope: Scope, hours: i64) -> Freeze {
        let until = self.now.plus_secs(hours * 60 * 60);
        Freeze { may_pass: BTreeSet::new(), reason: self.reason("payments are slow"), scope, until }
    }

    pub fn freeze(&mut self, by: &str, scope: Scope, hours: i64) -> Result<Digest, Refusal> {
        let body = Body::Freeze(self.freeze_of(scope, hours));
        self.say(by, body)
    }

    pub fn thaw(&mut self, keys: &[&str], freeze: Digest) -> Result<Digest, Refusal> {
        self.say_with(keys[0], keys, Body::FreezeLift(FreezeLift { freeze }))
    }

    /// A key that nobody has had.
    pub fn spare(&mut self, name: &'static str) {
        let seed = name.bytes().fold(1_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        self.keys.insert(name, SigningKey::generate(&mut FixedRng(seed)));
    }

    pub fn rotation(&mut self, of: &str, old: &str, new: &str) -> KeyRotation {
        let (key, new_key) = (self.keys[old].public().fingerprint(), self.keys[new].public());
        KeyRotation { key, new_key, of: id(of), reason: None }
    }

    /// Takes another key in the place of one's own.
    pub fn rotate(&mut self, of: &str, old: &str, new: &str) -> Result<Digest, Refusal> {
        let body = Body::KeyRotation(self.rotation(of, old, new));
        self.say_with(of, &[old, new], body)
    }

    /// Others give somebody another key.
    pub fn rotate_lost(&mut self, by: &[&str], old: &str, new: &str) -> Result<Digest, Refusal> {
        let Holder::Person(of) = holder(old) else { unreachable!() };
        let reason = Some(self.reason("the disk was lost"));
        let body = Body::KeyRotation(KeyRotation { reason, ..self.rotation(of.as_str(), old, new) });
        self.say_with(by[0], by, body)
    }

    /// New keys for people, on the word of these; the first is whom the statement is by.
    pub fn recover(&mut self, by: &str, keys: &[&str], of: &[(&str, &str)]) -> Result<Digest, Refusal> {
        let keys_of = of.iter().map(|(of, new)| (id(of), self.keys[new].public())).collect();
        let body = Body::Recovery(Recovery { keys: keys_of, reason: self.reason("every disk was lost") });
        self.say_with(by, keys, body)
    }
}
