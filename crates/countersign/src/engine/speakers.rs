//! Whose keys there ever were: a bundle has the streams of everybody who speaks in its leaves, also of who has left the
//! catalog since or has another key now, so that whoever reads it can say that nothing was revoked when they spoke.

use std::collections::{BTreeSet, HashMap};

use countersign_core::{
    catalog::files::CatalogFile,
    governance::SERVER,
    ids::ActorId,
    statement::{Body, gate_stream, governance_stream, person_stream},
};
use countersign_ledger::{Digest, Fingerprint, StreamId};

use super::{Engine, EngineError, OwnLeaf};
use crate::records::blobs_named;

/// How the streams of people begin.
pub(super) const PEOPLE: &str = "person/";

/// What all publications so far say. They are only added to, so that each is read once.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    /// How many leaves of the governance stream were read.
    read: u64,
    holders: HashMap<Fingerprint, BTreeSet<ActorId>>,
    people: BTreeSet<ActorId>,
    files: BTreeSet<Digest>,
}

impl Engine {
    /// The streams in which revocations of whoever speaks in these leaves would stand.
    pub(super) async fn streams_of_speakers(&self, leaves: &[OwnLeaf]) -> Result<BTreeSet<StreamId>, EngineError> {
        let mut speakers = self.speakers.lock().await;
        self.read_on(&mut speakers).await?;
        let mut streams = BTreeSet::new();
        for leaf in leaves {
            let by = &leaf.statement.header.by;
            if by.as_str() != SERVER {
                streams.insert(person_stream(by)?);
                if !speakers.people.contains(by) {
                    streams.insert(gate_stream(by.as_str())?);
                }
            }
            for key in leaf.leaf.envelope.named_keys() {
                for holder in speakers.holders.get(&key.fingerprint()).into_iter().flatten() {
                    streams.insert(person_stream(holder)?);
                }
            }
            // Of whom a key goes, what was revoked of them is looked at.
            match leaf.body() {
                Body::KeyRotation(said) => drop(streams.insert(person_stream(&said.of)?)),
                Body::Recovery(said) => {
                    for of in said.keys.keys() {
                        streams.insert(person_stream(of)?);
                    }
                }
                // Also of whoever only approved the template that it goes by.
                Body::Decided(said) => {
                    streams.extend(said.heads.keys().filter(|stream| stream.as_str().starts_with(PEOPLE)).cloned());
                }
                _ => {}
            }
            let gate = match leaf.body() {
                Body::PermitRequest(request) => Some(&request.gate),
                Body::BreakGlass(said) => Some(&said.gate),
                Body::LocalPermit(said) => Some(&said.gate),
                Body::Drill(said) => Some(&said.gate),
                _ => None,
            };
            if let Some(gate) = gate.filter(|gate| !gate.is_its_runners()) {
                streams.insert(gate_stream(gate.as_str())?);
            }
        }
        Ok(streams)
    }

    async fn read_on(&self, speakers: &mut Speakers) -> Result<(), EngineError> {
        let stream = governance_stream()?;
        loop {
            let page = self.store.stream(&stream, speakers.read).await?;
            if page.is_empty() {
                return Ok(());
            }
            for (_, bytes) in &page {
                self.read_publication(speakers, OwnLeaf::read(bytes)?.body()).await?;
            }
            speakers.read = speakers.read.saturating_add(page.len() as u64);
        }
    }

    async fn read_publication(&self, speakers: &mut Speakers, body: &Body) -> Result<(), EngineError> {
        match body {
            Body::KeyRotation(said) => {
                let key = said.new_key.fingerprint();
                speakers.holders.entry(key).or_default().insert(said.of.clone());
            }
            Body::Recovery(said) => {
                for (of, key) in &said.keys {
                    speakers.holders.entry(key.fingerprint()).or_default().insert(of.clone());
                }
            }
            // They recover by the keys that it pins, whatever files list.
            Body::Genesis(genesis) => {
                for founder in &genesis.founders {
                    let key = founder.key.fingerprint();
                    speakers.holders.entry(key).or_default().insert(founder.person.clone());
                }
            }
            _ => {}
        }
        let Some(list) = body.governance_files() else { return Ok(()) };
        let lists = self.store.blobs(&[list]).await?;
        let mut named = blobs_named(body, |digest| lists.get(digest).cloned())?;
        named.retain(|digest| !speakers.files.contains(digest));
        for (digest, bytes) in self.store.blobs(&Vec::from_iter(named)).await? {
            for (person, keys) in CatalogFile::holders(&bytes) {
                for key in keys {
                    speakers.holders.entry(key).or_default().insert(person.clone());
                }
                speakers.people.insert(person);
            }
            speakers.files.insert(digest);
        }
        Ok(())
    }
}
