//! Everybody in a catalog, found by their ids. Of a catalog that was kept and is read again, somebody is taken out of the
//! bytes when they are first asked for: a push concerns a few people of thousands.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::OnceLock,
};

use countersign_ledger::{Fingerprint, PublicKey};
use serde::{Deserialize, Serialize};

use super::{Actor, ActorKind, Level};
use crate::{
    evidence::{Attests, Scope},
    ids::{ActorId, EvidenceKind, GroupId},
};

/// In the order of their ids; each has a number, its place.
#[derive(Clone, Default)]
pub struct Actors {
    slots: Vec<OnceLock<Box<Actor>>>,
    /// Where those come from that are not in their slots yet.
    kept: KeptActors,
}

/// Actors as bytes, with where each of them begins. The first thing of each is its id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct KeptActors {
    starts: Vec<u32>,
    #[serde(with = "bytes")]
    bytes: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptActor {
    id: ActorId,
    kind: ActorKind,
    level: Level,
    name: Option<String>,
    mails: Vec<String>,
    keys: Vec<PublicKey>,
    groups: Vec<GroupId>,
    attests: Option<(BTreeSet<EvidenceKind>, Option<String>, Scope)>,
}

impl Actors {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn get(&self, id: &ActorId) -> Option<&Actor> {
        self.at(self.number(id.as_str())?)
    }

    pub fn contains_key(&self, id: &ActorId) -> bool {
        self.has_name(id.as_str())
    }

    /// Whether somebody is called so.
    pub fn has_name(&self, name: &str) -> bool {
        self.number(name).is_some()
    }

    pub fn values(&self) -> impl Iterator<Item = &Actor> + Clone {
        (0..self.slots.len()).filter_map(|number| self.at(number))
    }

    pub fn keys(&self) -> impl Iterator<Item = &ActorId> + Clone {
        self.values().map(|actor| &actor.id)
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.slots.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle)?.cmp(name) {
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn name(&self, number: usize) -> Option<&str> {
        match self.slots.get(number)?.get() {
            Some(actor) => Some(actor.id.as_str()),
            None => self.kept.name(number),
        }
    }

    /// Somebody by their number. What was kept was written by this program and hashes to what it should; whoever could
    /// nevertheless not be read is nobody, who may nothing.
    pub(super) fn at(&self, number: usize) -> Option<&Actor> {
        let slot = self.slots.get(number)?;
        if let Some(actor) = slot.get() {
            return Some(actor);
        }
        let actor = Box::new(self.kept.actor(number)?);
        Some(slot.get_or_init(|| actor))
    }

    /// Puts another key in the place of one of somebody's.
    pub(super) fn replace_key(&mut self, id: &ActorId, old: &Fingerprint, new: &PublicKey) {
        let Some(number) = self.number(id.as_str()).filter(|number| self.at(*number).is_some()) else { return };
        let Some(actor) = self.slots.get_mut(number).and_then(OnceLock::get_mut) else { return };
        let has = actor.keys.contains(new);
        let place = actor.keys.iter().position(|key| key.fingerprint() == *old);
        match place.and_then(|place| actor.keys.get_mut(place)) {
            Some(key) if !has => key.clone_from(new),
            Some(_) => actor.keys.retain(|key| key.fingerprint() != *old),
            None => {}
        }
    }

    pub(super) fn from_kept(kept: KeptActors) -> Self {
        Self { slots: vec![OnceLock::new(); kept.starts.len()], kept }
    }

    pub(super) fn to_kept(&self) -> Option<KeptActors> {
        let mut kept = KeptActors::default();
        for actor in self.values() {
            kept.starts.push(u32::try_from(kept.bytes.len()).ok()?);
            let Actor { id, kind, display_name, level, mails, keys, member_of, attests } = actor.clone();
            let actor = KeptActor {
                id,
                kind,
                level,
                name: display_name,
                mails: mails.into_iter().collect(),
                keys,
                groups: member_of.into_iter().collect(),
                attests: (!attests.is_none()).then_some((attests.kinds, attests.workflows, attests.only_for)),
            };
            kept.bytes = postcard::to_extend(&actor, kept.bytes).ok()?;
        }
        Some(kept)
    }
}

impl KeptActors {
    fn of(&self, number: usize) -> Option<&[u8]> {
        let start = usize::try_from(*self.starts.get(number)?).ok()?;
        self.bytes.get(start..)
    }

    fn name(&self, number: usize) -> Option<&str> {
        postcard::take_from_bytes(self.of(number)?).ok().map(|(name, _)| name)
    }

    fn actor(&self, number: usize) -> Option<Actor> {
        let (actor, _) = postcard::take_from_bytes(self.of(number)?).ok()?;
        let KeptActor { id, kind, level, name, mails, keys, groups, attests } = actor;
        let (kinds, workflows, only_for) = attests.unwrap_or_default();
        Some(Actor {
            id,
            kind,
            display_name: name,
            level,
            mails: mails.into_iter().collect(),
            keys,
            member_of: groups.into_iter().collect(),
            attests: Attests { kinds, workflows, only_for },
        })
    }
}

/// As one run of bytes and not byte by byte.
mod bytes {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;

        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

impl From<BTreeMap<ActorId, Actor>> for Actors {
    fn from(actors: BTreeMap<ActorId, Actor>) -> Self {
        Self {
            slots: actors.into_values().map(|actor| OnceLock::from(Box::new(actor))).collect(),
            kept: KeptActors::default(),
        }
    }
}

impl PartialEq for Actors {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.values().eq(other.values())
    }
}

impl Eq for Actors {}

impl fmt::Debug for Actors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}
