//! Makes submissions whose leaves follow each other. A store does not look into what leaves say.

use std::collections::{BTreeMap, BTreeSet};

use countersign::store::{NewLeaf, Projection, Submission, Unique};
use countersign_ledger::{Envelope, Hash, Leaf, Line, StreamHead, StreamId, Time, dsse::Signature};

pub fn stream(name: &str) -> StreamId {
    name.parse().unwrap()
}

#[derive(Clone)]
pub struct Pen {
    pub heads: BTreeMap<StreamId, StreamHead>,
    /// Every leaf says another number.
    pub made: i64,
    pub now: Time,
    /// The bytes of all leaves.
    pub written: Vec<Vec<u8>>,
}

impl Default for Pen {
    fn default() -> Self {
        Self { heads: BTreeMap::new(), made: 0, now: Time::from_unix_secs(1_775_001_600), written: Vec::new() }
    }
}

impl Pen {
    /// One whose leaves say other numbers.
    pub fn numbered(made: i64) -> Self {
        Self { made, ..Self::default() }
    }

    /// One that saw the same, and whose leaves say other numbers.
    pub fn rival(&self, made: i64) -> Self {
        Self { made, ..self.clone() }
    }

    /// A leaf in these streams, the key of its number, and a projection of its home that says the number.
    pub fn next(&mut self, streams: &[&str]) -> Submission {
        self.made += 1;
        let payload = self.made.to_string();
        self.submission(streams, payload.as_bytes(), 3)
    }

    /// One that is as long as a statement and its signature are.
    pub fn of_bytes(&mut self, name: &str, payload: usize) -> Submission {
        self.made += 1;
        let payload = format!("{:>payload$}", self.made);
        self.submission(&[name], payload.as_bytes(), 300)
    }

    /// One whose parts are each within their bounds, but not together.
    pub fn too_large(&mut self, home: &str) -> Submission {
        let names: Vec<String> = (10..70).map(|n| format!("target/{n}{}", "x".repeat(180))).collect();
        let streams: Vec<&str> = std::iter::once(home).chain(names.iter().map(String::as_str)).collect();
        self.submission(&streams, &[b' '; 32 * 1024], 11_000)
    }

    fn submission(&mut self, streams: &[&str], payload: &[u8], signature: usize) -> Submission {
        let signature = Signature { keyid: "nobody".to_owned(), sshsig: vec![7; signature] };
        let envelope = Envelope::new(payload, vec![signature]).unwrap();
        let head = |stream: &StreamId| self.heads.get(stream).copied().unwrap_or(StreamHead::EMPTY);
        let lines = streams.iter().map(|name| stream(name)).map(|stream| Line::after(stream.clone(), head(&stream)));
        let leaf = Leaf::new(lines.collect(), self.now, envelope).unwrap();
        for line in leaf.lines() {
            let head = StreamHead { next_seq: line.seq + 1, last: leaf.hash() };
            self.heads.insert(line.stream.clone(), head);
        }
        assert_ne!(leaf.hash(), Hash::empty_tree());
        self.written.push(leaf.to_bytes());
        Submission {
            projections: vec![self.thing(streams[0], &self.made.to_string())],
            leaves: vec![NewLeaf { leaf, unique: vec![Unique::of(self.made.to_string())] }],
            ..Submission::default()
        }
    }

    pub fn thing(&self, name: &str, body: &str) -> Projection {
        let (name, body) = (name.to_owned(), body.as_bytes().to_vec());
        Projection { kind: "thing", name, body, order: 0, facets: BTreeSet::new() }
    }
}
