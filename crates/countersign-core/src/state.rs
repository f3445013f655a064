//! State: what the ledger has said so far, as records that each follow from one stream. It may be all of it, in memory, or
//! only the part that a statement needs, loaded from a store; the same [`crate::fold`] runs over either.
//!
//! Invariant: what was not loaded is not taken for absent. Asking a part for a record whose stream it does not know is an
//! error, because an unknown revocation must not look like none.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use countersign_ledger::{Digest, Fingerprint, StreamHead, StreamId, Time};
use serde::{Deserialize, Serialize};

mod gate;

pub use self::gate::GateRecord;
use crate::{
    absence::{self, AwayRecord},
    approving::Tally,
    catalog::Actor,
    change::{Aside, Change, Revision, is_set_aside},
    delegation::DelegationRecord,
    drill::Drilled,
    governance::Governance,
    ids::{ActorId, ChangeId, FindingId, GateId, Target},
    landed::LandedRecord,
    pieces::Pieces,
    refusal::Refusal,
    sight::Sights,
    standard::StandardUse,
    statement::{
        Holder, Matter, Seen, Share, change_stream, finding_stream, gate_stream, person_stream, target_stream,
    },
};

/// What stands in somebody's own stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonRecord {
    /// What was said last of each of their keys.
    pub revoked: BTreeMap<Fingerprint, RevocationRecord>,
    /// Keys of others that they revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<Took>,
    /// Open findings on what they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<OpenFinding>,
    /// When they are away, by their own word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<AwayRecord>,
    /// Roles of theirs that they delegated, and roles of others that were delegated to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gave: Vec<DelegationRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub received: Vec<DelegationRecord>,
    /// What stood out of how they approve, and when that was found: see [`Matter::same`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub approving: BTreeMap<Digest, Time>,
    /// Recoveries that gave them a key, and that nobody was asked yet to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovered: Vec<Recovered>,
}

impl PersonRecord {
    /// Until when they are away, by their own word.
    pub fn away_until(&self, at: Time) -> Option<Time> {
        absence::away_until(&self.away, at)
    }

    /// A delegation to them that stands.
    pub fn delegation(&self, statement: &Digest) -> Option<&DelegationRecord> {
        self.received.iter().find(|known| known.statement == *statement)
    }

    /// Whether none of their keys holds.
    pub fn disables(&self, person: &Actor, now: Time) -> bool {
        person.keys.iter().all(|key| self.is_revoked(&key.fingerprint(), now))
    }

    pub fn is_revoked(&self, key: &Fingerprint, now: Time) -> bool {
        self.revoked.get(key).is_some_and(|revocation| revocation.takes(now))
    }

    /// The keys of others that they suspend now, unconfirmed.
    pub fn suspends(&self, now: Time) -> impl Iterator<Item = &Took> {
        self.took.iter().filter(move |took| !took.confirmed && now < took.at.plus_secs(SUSPENSION_SECS))
    }
}

/// How long another's key is revoked unless a second person confirms it.
pub const SUSPENSION_SECS: i64 = 24 * 60 * 60;

/// That the quorum gave people new keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    pub at: Time,
    pub by: BTreeSet<ActorId>,
    /// All of those who got one.
    pub of: BTreeSet<ActorId>,
    /// The recovery's payload digest.
    pub recovery: Digest,
}

/// A key's revocation, in the stream of whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRecord {
    pub by: ActorId,
    pub at: Time,
    /// The revocation's payload digest.
    pub statement: Digest,
    /// By its holder, or by who registered the gate: that needs nobody to confirm it.
    pub own: bool,
    /// Who confirmed that it is for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<ActorId>,
}

impl RevocationRecord {
    /// When it ends, unless it is for good.
    pub fn until(&self) -> Option<Time> {
        let for_good = self.own || self.confirmed_by.is_some();
        (!for_good).then(|| self.at.plus_secs(SUSPENSION_SECS))
    }

    /// Whether the key grants nothing now.
    pub fn takes(&self, now: Time) -> bool {
        self.until().is_none_or(|until| now < until)
    }
}

/// That somebody revoked another's key, in their own stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Took {
    pub key: Fingerprint,
    pub of: Holder,
    pub at: Time,
    pub statement: Digest,
    pub confirmed: bool,
    /// Whether a finding says that nobody confirmed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
}

/// That a finding is open, in the stream of whom or what it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenFinding {
    pub id: FindingId,
    /// See [`Matter::same`].
    pub matter: Digest,
    #[serde(default, skip_serializing_if = "Share::is_common")]
    pub share: Share,
}

/// A finding, as its stream tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingRecord {
    pub what: Matter,
    /// The gate, or the server.
    pub raised_by: ActorId,
    pub raised_at: Time,
    pub due: Time,
    pub who: BTreeSet<ActorId>,
    /// They had a hand in it, and do not answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub apart: BTreeSet<ActorId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    pub by: ActorId,
    pub at: Time,
    /// The answer's payload digest.
    pub statement: Digest,
    /// How they had the content at hand that they looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Blob: what they said.
    pub text: Digest,
}

/// What stands in a target's stream: rejections, which follow their content to any change on it, findings, and what landed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRecord {
    pub rejections: Vec<TargetRejection>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<OpenFinding>,
    /// Until when each finding that is open in this stream is to be answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: BTreeMap<FindingId, Time>,
    /// What landed within a day that templates of standard changes are about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standard: Vec<StandardUse>,
    /// What landed lately, and what was rolled back.
    #[serde(default, skip_serializing_if = "LandedRecord::is_empty")]
    pub history: LandedRecord,
    /// The last drill for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drilled: Option<Drilled>,
    /// The gates that were ever registered for it; what each guards by now, its own stream says.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub guards: BTreeSet<GateId>,
    /// Who approved whose changes that landed lately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approving: Vec<Tally>,
}

impl TargetRecord {
    const EMPTY: Self = Self {
        rejections: Vec::new(),
        findings: Vec::new(),
        due: BTreeMap::new(),
        standard: Vec::new(),
        history: LandedRecord {
            landed: BTreeMap::new(),
            rolled_back: Vec::new(),
            broken: Vec::new(),
            alone: Vec::new(),
        },
        drilled: None,
        guards: BTreeSet::new(),
        approving: Vec::new(),
    };
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRejection {
    pub by: ActorId,
    pub change: ChangeId,
    /// What was rejected: see [`crate::subject::Subject::content`].
    pub content: Digest,
    /// What of it has not landed since by another change; of much, some.
    #[serde(default, skip_serializing_if = "Pieces::is_empty")]
    pub pieces: Pieces,
    /// Which places it touched; of many, some.
    #[serde(default, skip_serializing_if = "Pieces::is_empty")]
    pub places: Pieces,
    pub at: Time,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aside: Vec<Aside>,
}

impl TargetRejection {
    pub fn stands(&self) -> bool {
        !is_set_aside(&self.aside, &self.content)
    }

    /// Whether a revision brings what was rejected, alone or among other things.
    pub fn covers(&self, revision: &Revision, content: &Digest) -> bool {
        self.content == *content || self.pieces.are_among(&revision.pieces)
    }

    /// Whether it stands over what a change brings, of this content, that it is not of.
    pub fn holds(&self, change: &Change, content: &Digest) -> bool {
        let other = change.current().filter(|_| self.change != change.id);
        other.is_some_and(|revision| self.covers(revision, content)) && !is_set_aside(&self.aside, content)
    }
}

/// A record of a state, as a store keeps it under the name of its stream.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    Governance(&'a Governance),
    Change(&'a Change),
    Person(&'a PersonRecord),
    Gate(&'a GateRecord),
    Target(&'a TargetRecord),
    Finding(&'a FindingRecord),
}

#[derive(Clone, Debug)]
pub struct State {
    pub governance: Arc<Governance>,
    changes: BTreeMap<ChangeId, Change>,
    people: BTreeMap<ActorId, PersonRecord>,
    gates: BTreeMap<GateId, GateRecord>,
    targets: BTreeMap<Target, TargetRecord>,
    findings: BTreeMap<FindingId, FindingRecord>,
    heads: BTreeMap<StreamId, StreamHead>,
    known: Known,
    /// Whether what is taken now is from before the governance that it is taken by.
    by_later: bool,
    /// What the follower whose state it is saw later than its header says. Empty in every other.
    sights: Sights,
}

/// Which streams a state knows.
#[derive(Clone, Debug)]
enum Known {
    All,
    /// Those that were loaded; the others have to be before they are asked for.
    Loaded(BTreeSet<StreamId>),
    /// Those that a copy of a part of the log holds whole. There is nothing to load.
    Confined(BTreeSet<StreamId>),
    /// All, but of changes only those that were looked up; the others may lie on a shelf.
    Shelved(HashSet<StreamId>),
}

impl State {
    /// All there is of a log that has just begun.
    pub(crate) fn whole(governance: Governance) -> Self {
        Self { known: Known::All, ..Self::part(Arc::new(governance)) }
    }

    /// A part of which no stream is known yet.
    pub fn part(governance: Arc<Governance>) -> Self {
        Self {
            governance,
            changes: BTreeMap::new(),
            people: BTreeMap::new(),
            gates: BTreeMap::new(),
            targets: BTreeMap::new(),
            findings: BTreeMap::new(),
            heads: BTreeMap::new(),
            known: Known::Loaded(BTreeSet::new()),
            by_later: false,
            sights: Sights::default(),
        }
    }

    /// The same as a follower saw it: what waits is counted from there.
    #[must_use]
    pub fn seen_by(mut self, sights: Sights) -> Self {
        self.sights = sights;
        self
    }

    /// The moment from which something waits that its header dates so.
    pub(crate) fn waits_from(&self, at: Time) -> Time {
        self.sights.since(at)
    }

    /// Confines a state to these streams, which a copy holds whole. A leaf whose home is another stream says nothing here,
    /// but its place is kept; asking for another stream is an error. What a decision names as the heads of its targets'
    /// streams is taken as it stands: those are long, and in a part of a log nobody but a follower vouches for them.
    pub fn confined(mut self, streams: BTreeSet<StreamId>) -> Self {
        self.known = Known::Confined(streams);
        self
    }

    /// Takes what is from before the governance that is at hand: who might say what then, that does not tell.
    pub(crate) fn by_later(&mut self, is: bool) {
        self.by_later = is;
    }

    pub(crate) fn is_by_later(&self) -> bool {
        self.by_later
    }

    /// Whether a leaf with this home is only kept in its place.
    pub(crate) fn is_foreign(&self, home: &StreamId) -> bool {
        match &self.known {
            Known::All | Known::Loaded(_) | Known::Shelved(_) => false,
            Known::Confined(streams) => !streams.contains(home),
        }
    }

    /// Lets changes be laid aside: from here on, those that were not looked up are unknown.
    pub(crate) fn with_a_shelf(mut self) -> Self {
        let changes = self.heads.keys().filter(|stream| stream.as_str().starts_with("change/"));
        self.known = Known::Shelved(changes.cloned().collect());
        self
    }

    /// Makes a change known, with the head of its stream; `None` for one that is not there yet.
    pub(crate) fn look_up(&mut self, stream: StreamId, found: Option<(Change, StreamHead)>) {
        if let Some((change, head)) = found {
            self.heads.insert(stream.clone(), head);
            self.put_change(change);
        }
        match &mut self.known {
            Known::All => {}
            Known::Loaded(streams) | Known::Confined(streams) => {
                streams.insert(stream);
            }
            Known::Shelved(streams) => {
                streams.insert(stream);
            }
        }
    }

    /// Takes changes out, each with the head of its stream. They are unknown until they are looked up again.
    pub(crate) fn take_changes(
        &mut self,
        which: impl Fn(&Change) -> bool,
    ) -> Result<Vec<(Change, StreamHead)>, Refusal> {
        let mut taken = Vec::new();
        for (id, change) in self.changes.extract_if(.., |_, change| which(change)) {
            let stream = change_stream(&id)?;
            if let Known::Shelved(streams) = &mut self.known {
                streams.remove(&stream);
            }
            taken.push((change, self.heads.remove(&stream).unwrap_or(StreamHead::EMPTY)));
        }
        Ok(taken)
    }

    /// Whether the streams stand where these heads say.
    pub fn heads_agree(&self, named: &BTreeMap<StreamId, StreamHead>) -> Result<bool, Refusal> {
        for (stream, head) in named {
            let vouched = match &self.known {
                Known::All | Known::Loaded(_) | Known::Shelved(_) => false,
                Known::Confined(streams) => stream.as_str().starts_with("target/") && !streams.contains(stream),
            };
            if !vouched && self.head(stream)? != *head {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes a stream known, with its head. Its record, if it has one, is put in beside it.
    pub fn know(&mut self, stream: StreamId, head: StreamHead) {
        self.heads.insert(stream.clone(), head);
        match &mut self.known {
            Known::All | Known::Shelved(_) => {}
            Known::Loaded(streams) | Known::Confined(streams) => {
                streams.insert(stream);
            }
        }
    }

    pub fn put_change(&mut self, change: Change) {
        self.changes.insert(change.id.clone(), change);
    }

    pub fn put_person(&mut self, person: ActorId, record: PersonRecord) {
        self.people.insert(person, record);
    }

    pub fn put_gate(&mut self, gate: GateId, record: GateRecord) {
        self.gates.insert(gate, record);
    }

    pub fn put_target(&mut self, target: Target, record: TargetRecord) {
        self.targets.insert(target, record);
    }

    pub fn put_finding(&mut self, finding: FindingId, record: FindingRecord) {
        self.findings.insert(finding, record);
    }

    pub fn knows(&self, stream: &StreamId) -> bool {
        match &self.known {
            Known::All => true,
            Known::Loaded(streams) | Known::Confined(streams) => streams.contains(stream),
            Known::Shelved(changes) => !stream.as_str().starts_with("change/") || changes.contains(stream),
        }
    }

    fn need(&self, stream: &StreamId) -> Result<(), Refusal> {
        if self.knows(stream) {
            return Ok(());
        }
        Err(Refusal::unknown("stream-missing", format!("stream {stream}, on which this depends, is missing here"))
            .hint("fetch the evidence again; without that stream nothing can be decided"))
    }

    /// Where a stream stands; empty for one that has no leaf.
    pub fn head(&self, stream: &StreamId) -> Result<StreamHead, Refusal> {
        self.need(stream)?;
        Ok(self.heads.get(stream).copied().unwrap_or(StreamHead::EMPTY))
    }

    pub(crate) fn set_head(&mut self, stream: &StreamId, head: StreamHead) {
        self.heads.insert(stream.clone(), head);
    }

    /// The heads of these streams.
    pub fn heads(&self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamHead>, Refusal> {
        streams.iter().map(|stream| Ok((stream.clone(), self.head(stream)?))).collect()
    }

    /// Every stream that has a leaf.
    pub fn all_heads(&self) -> &BTreeMap<StreamId, StreamHead> {
        &self.heads
    }

    pub fn change(&self, id: &ChangeId) -> Result<Option<&Change>, Refusal> {
        self.need(&change_stream(id)?)?;
        Ok(self.changes.get(id))
    }

    /// The changes that are loaded.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = &Change> {
        self.changes.values()
    }

    pub fn gate(&self, id: &GateId) -> Result<Option<&GateRecord>, Refusal> {
        self.need(&gate_stream(id.as_str())?)?;
        Ok(self.gates.get(id))
    }

    /// The gates that are loaded.
    pub fn gates(&self) -> impl Iterator<Item = (&GateId, &GateRecord)> {
        self.gates.iter()
    }

    pub fn person(&self, id: &ActorId) -> Result<Option<&PersonRecord>, Refusal> {
        self.need(&person_stream(id)?)?;
        Ok(self.people.get(id))
    }

    /// What was delegated to somebody. `None` in a copy of a part of the log that does not have their stream.
    pub fn received(&self, id: &ActorId) -> Result<Option<&[DelegationRecord]>, Refusal> {
        let stream = person_stream(id)?;
        if let Known::Confined(streams) = &self.known
            && !streams.contains(&stream)
        {
            return Ok(None);
        }
        self.need(&stream)?;
        Ok(Some(self.people.get(id).map(|record| record.received.as_slice()).unwrap_or_default()))
    }

    pub fn finding(&self, id: &FindingId) -> Result<Option<&FindingRecord>, Refusal> {
        self.need(&finding_stream(id)?)?;
        Ok(self.findings.get(id))
    }

    pub(crate) fn finding_mut(&mut self, id: &FindingId) -> Option<&mut FindingRecord> {
        self.findings.get_mut(id)
    }

    /// The findings that are loaded.
    pub fn findings(&self) -> impl Iterator<Item = (&FindingId, &FindingRecord)> {
        self.findings.iter()
    }

    pub fn target(&self, target: &Target) -> Result<Option<&TargetRecord>, Refusal> {
        self.need(&target_stream(target)?)?;
        Ok(self.targets.get(target))
    }

    /// The people's records that are loaded.
    pub fn people(&self) -> impl Iterator<Item = (&ActorId, &PersonRecord)> {
        self.people.iter()
    }

    /// The rejections in a target's stream. `None` in a copy of a part of the log, for which nobody but a follower vouches for
    /// those streams.
    pub fn rejections_on(&self, target: &Target) -> Result<Option<&[TargetRejection]>, Refusal> {
        let stream = target_stream(target)?;
        if let Known::Confined(streams) = &self.known
            && !streams.contains(&stream)
        {
            return Ok(None);
        }
        self.need(&stream)?;
        Ok(Some(self.targets.get(target).map(|record| record.rejections.as_slice()).unwrap_or_default()))
    }

    /// What landed on a target. `None` as for rejections.
    pub fn what_landed_on(&self, target: &Target) -> Result<Option<&TargetRecord>, Refusal> {
        static NOTHING: TargetRecord = TargetRecord::EMPTY;
        if self.rejections_on(target)?.is_none() {
            return Ok(None);
        }
        Ok(Some(self.targets.get(target).unwrap_or(&NOTHING)))
    }

    /// What landed on a target that templates of standard changes are about, as far as it is known: a part of the log tells what
    /// landed by its changes.
    pub fn known_standard_uses(&self, target: &Target) -> Result<&[StandardUse], Refusal> {
        self.rejections_on(target)?;
        Ok(self.targets.get(target).map(|record| record.standard.as_slice()).unwrap_or_default())
    }

    /// The same as far as they are known: a part of the log tells those that stand in its changes.
    pub fn known_rejections_on(&self, target: &Target) -> Result<&[TargetRejection], Refusal> {
        match self.rejections_on(target)? {
            Some(all) => Ok(all),
            None => Ok(self.targets.get(target).map(|record| record.rejections.as_slice()).unwrap_or_default()),
        }
    }

    /// Whose rejections stand over a change and are no younger than this, of it or of the same content in other changes on its targets;
    /// of those only where their streams are at hand.
    pub fn rejected_by<'a>(&'a self, change: &'a Change, until: Time) -> Result<BTreeSet<&'a ActorId>, Refusal> {
        let content = change.content()?;
        let own = change.standing_rejections().filter(|rejection| rejection.at <= until);
        let mut by: BTreeSet<&ActorId> = own.map(|rejection| &rejection.by).collect();
        for target in &change.targets {
            let elsewhere = self.rejections_on(target)?.unwrap_or_default().iter();
            let holds = elsewhere.filter(|rejection| rejection.at <= until && rejection.holds(change, &content));
            by.extend(holds.map(|rejection| &rejection.by));
        }
        Ok(by)
    }

    /// Rejections of what a change brings, alone or among other things, that stand in other changes on its targets, as far as
    /// they are known.
    pub fn held_by<'a>(&'a self, change: &Change) -> Result<Vec<&'a TargetRejection>, Refusal> {
        let content = change.content()?;
        let mut held_by = Vec::new();
        for target in &change.targets {
            let on = self.known_rejections_on(target)?.iter();
            held_by.extend(on.filter(|rejection| rejection.holds(change, &content)));
        }
        Ok(held_by)
    }

    pub(crate) fn target_mut(&mut self, target: &Target) -> &mut TargetRecord {
        self.targets.entry(target.clone()).or_default()
    }

    /// The targets that a finding is about remember until when it is to be answered, as long as it is open.
    pub(crate) fn due_on(&mut self, what: &Matter, finding: &FindingId, until: Option<Time>) {
        for target in what.targets() {
            let due = &mut self.target_mut(target).due;
            match until {
                Some(until) => drop(due.insert(finding.clone(), until)),
                None => drop(due.remove(finding)),
            }
        }
    }

    pub(crate) fn person_mut(&mut self, id: &ActorId) -> &mut PersonRecord {
        self.people.entry(id.clone()).or_default()
    }

    pub(crate) fn gate_mut(&mut self, id: &GateId) -> Option<&mut GateRecord> {
        self.gates.get_mut(id)
    }

    pub(crate) fn change_mut(&mut self, id: &ChangeId) -> Option<&mut Change> {
        self.changes.get_mut(id)
    }

    /// The record that stands under a stream's name, if there is one.
    pub fn record(&self, stream: &StreamId) -> Option<Record<'_>> {
        match stream.as_str().split_once('/') {
            None => Some(Record::Governance(&self.governance)),
            Some(("change", id)) => self.changes.get(&id.parse().ok()?).map(Record::Change),
            Some(("person", id)) => self.people.get(&id.parse().ok()?).map(Record::Person),
            Some(("gate", id)) => self.gates.get(&id.parse().ok()?).map(Record::Gate),
            Some(("target", id)) => self.targets.get(&id.parse().ok()?).map(Record::Target),
            Some(("finding", id)) => self.findings.get(&id.parse().ok()?).map(Record::Finding),
            Some(_) => None,
        }
    }

    /// Whether somebody has this key in the catalog, or had it before they took another in its place, and neither it nor one that came
    /// in its place is revoked now: whoever revokes the key that is listed cannot know who took it.
    pub fn holds(&self, id: &ActorId, key: &Fingerprint, now: Time) -> Result<Option<&Actor>, Refusal> {
        let Some((actor, keys)) = self.governance.keys_since(id, key) else { return Ok(None) };
        let record = self.person(id)?;
        let revoked = record.is_some_and(|record| keys.iter().any(|key| record.is_revoked(key, now)));
        Ok((!revoked).then_some(actor))
    }

    /// Whose key somebody suspends, unconfirmed, who owns what a change goes to or spoke about it: meanwhile who suspended them
    /// grants nothing there.
    pub fn set_against(&self, person: &ActorId, change: &Change, now: Time) -> Result<Option<ActorId>, Refusal> {
        Ok(self.person(person)?.and_then(|record| self.is_set_against(record, change, now)))
    }

    pub(crate) fn is_set_against(&self, record: &PersonRecord, change: &Change, now: Time) -> Option<ActorId> {
        let concerned = |other: &ActorId| {
            // What governs concerns everybody.
            let owns = |target: &Target| target.is_governance() || self.governance.owns(other, &target.system);
            change.targets.iter().any(owns) || change.speakers().contains(other)
        };
        let mut suspended = record.suspends(now).filter_map(|took| match &took.of {
            Holder::Person(other) => Some(other),
            Holder::Gate(_) => None,
        });
        suspended.find(|other| concerned(other)).cloned()
    }
}
