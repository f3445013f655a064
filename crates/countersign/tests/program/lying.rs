//! A server that was taken over: its disk and its keys are somebody else's, nobody's own key is. It makes another log out of
//! the leaves that are there, signs a checkpoint of that, and serves it as if it were the log.
//!
//! Where an unmodified server would serve such a log, [`Log::store`] makes the store for it; where none would,
//! [`Liar`] answers in its place, and passes on to the honest one whatever is not about the log.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::{
    bundle::Bundle,
    clock,
    engine::tile_paths,
    random, records,
    records::blobs_named,
    store::{self, NewLeaf, Submission},
    wire::{Entries, Proof, Receipt, Submit},
};
use countersign_core::{
    decision::{Decision, Outcome},
    fold::Entry,
    governance::SERVER,
    ids::ChangeId,
    permit::PERMIT_SECS,
    rules::decide::decide,
    snapshot::Snapshot,
    state::State,
    statement::{Body, Decided, Header, PermitGrant, SeenCheckpoint, Statement, person_stream},
    verify::Evidence,
};
use countersign_ledger::{
    CosignerKey, Digest, Envelope, Hash, Leaf, Line, SignedCheckpoint, SigningKey, StreamHead, StreamId, Time,
    checkpoint::{Checkpoint, LogKey},
    seal::{Draft, seal},
    tile::{TILE_WIDTH, TileKind, TilePath, entry_bundle, hash_tile},
    tree::{Frontier, MemoryNodes, Nodes as _, consistency_proof, inclusion_proof},
};
use serde::Serialize;

use crate::{
    proxy::{Answer, Proxy, Request},
    world::World,
};

/// Leaves in their order, with the blobs that they name, and the keys of the server.
#[derive(Clone)]
pub struct Log {
    pub leaves: Vec<Leaf>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// Leaves that a bundle leaves out, though they are in the log.
    pub unshown: Vec<usize>,
    /// How many leaves come in one answer.
    pub piece: u64,
    /// Who says that it is the longest log there is, and when they said so.
    cosigned: Option<(Arc<CosignerKey>, Time)>,
    keys: Arc<Keys>,
}

struct Keys {
    log: LogKey,
    server: SigningKey,
}

impl Log {
    /// The log of a world as it is.
    pub fn of(world: &World) -> Self {
        let server = world.server();
        let store = server.engine.store();
        let (mut leaves, mut blobs) = (Vec::new(), BTreeMap::new());
        server.block_on(async {
            let size = store.head().await.unwrap().size;
            while (leaves.len() as u64) < size {
                leaves.extend(store.leaves(leaves.len() as u64..size).await.unwrap());
            }
            for bytes in &leaves {
                let entry = Entry::parse(bytes).unwrap();
                blobs.extend(store.blobs(&entry.signed.statement().body.blobs()).await.unwrap());
                if entry.signed.statement().body.governance_files().is_some() {
                    let named =
                        blobs_named(&entry.signed.statement().body, |digest| blobs.get(digest).cloned()).unwrap();
                    blobs.extend(store.blobs(&named.into_iter().collect::<Vec<_>>()).await.unwrap());
                }
            }
        });
        let leaves = leaves.iter().map(|bytes| Leaf::parse(bytes).unwrap()).collect();
        let keys = Keys { log: world.home.log_key().unwrap(), server: world.home.server_key().unwrap() };
        Self { leaves, blobs, unshown: vec![], piece: 1_000, cosigned: None, keys: Arc::new(keys) }
    }

    pub fn statement(&self, index: usize) -> Statement {
        Statement::parse(self.leaves[index].envelope.payload()).unwrap()
    }

    /// Where the last statement of a kind stands.
    pub fn last(&self, kind: &str) -> usize {
        (0..self.leaves.len()).rfind(|index| self.statement(*index).body.kind() == kind).unwrap()
    }

    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn bytes(&self) -> Vec<Vec<u8>> {
        self.leaves.iter().map(Leaf::to_bytes).collect()
    }

    fn nodes(&self) -> MemoryNodes {
        MemoryNodes::from_leaf_hashes(self.leaves.iter().map(Leaf::hash))
    }

    /// The checkpoint of its first leaves, truly signed with the log's key.
    pub fn note(&self) -> String {
        let checkpoint =
            Checkpoint { origin: self.keys.log.origin().to_owned(), size: self.size(), root: self.nodes().root() };
        self.keys.log.sign(&checkpoint).unwrap()
    }

    /// Under the word of a cosigner.
    pub fn cosigned_by(self, key: &Arc<CosignerKey>, at: Time) -> Self {
        Self { cosigned: Some((Arc::clone(key), at)), ..self }
    }

    /// The checkpoint with what its cosigner said.
    fn cosigned_note(&self) -> Option<String> {
        let (key, at) = self.cosigned.as_ref()?;
        let signed = SignedCheckpoint::open(&self.note(), &self.keys.log.verifier()).unwrap();
        let line = key.cosign(&signed, *at).unwrap().line();
        Some(signed.handing_on([line.as_str()]).unwrap().to_note())
    }

    // What can be done to it.

    /// As it was earlier.
    pub fn first(mut self, size: usize) -> Self {
        self.leaves.truncate(size);
        self
    }

    /// Without one leaf; those after it are chained as if it had never been there.
    pub fn without(mut self, index: usize) -> Self {
        self.leaves.remove(index);
        self.chained()
    }

    /// With two leaves in each other's places.
    pub fn swapped(mut self, one: usize, other: usize) -> Self {
        self.leaves.swap(one, other);
        self.chained()
    }

    /// With a leaf filed under other streams than its statement belongs into.
    pub fn relabelled(mut self, index: usize, streams: &[&str]) -> Self {
        let leaf = &self.leaves[index];
        let lines = streams.iter().map(|stream| Line::after(stream.parse().unwrap(), StreamHead::EMPTY));
        self.leaves[index] = Leaf::new(lines.collect(), leaf.admitted_at, leaf.envelope.clone()).unwrap();
        self.chained()
    }

    /// Without a blob.
    pub fn without_blob(mut self, digest: &Digest) -> Self {
        self.blobs.remove(digest).unwrap();
        self
    }

    /// Every leaf behind the one before it in each of its streams.
    fn chained(self) -> Self {
        let drafts = self.leaves.iter().map(|leaf| Draft {
            streams: leaf.lines().iter().map(|line| line.stream.clone()).collect(),
            admitted_at: leaf.admitted_at,
            envelope: leaf.envelope.clone(),
        });
        let sealed = seal(&Frontier::new(), &BTreeMap::new(), drafts.collect()).unwrap();
        Self { leaves: sealed.leaves.into_iter().map(|sealed| sealed.leaf).collect(), ..self }
    }

    /// Where a stream stands.
    pub fn head(&self, stream: &StreamId) -> StreamHead {
        let heads = self.leaves.iter().flat_map(|leaf| leaf.lines().iter().map(move |line| (leaf, line)));
        let last = heads.rev().find(|(_, line)| line.stream == *stream);
        last.map_or(StreamHead::EMPTY, |(leaf, line)| StreamHead { last: leaf.hash(), next_seq: line.seq + 1 })
    }

    /// The time of what is appended now: the log's time never goes back.
    pub fn now(&self) -> Time {
        self.leaves.last().map_or_else(clock::now, |leaf| leaf.admitted_at.max(clock::now()))
    }

    /// Appends a statement where it belongs.
    pub fn append(&mut self, envelope: Envelope) {
        self.append_at(self.now(), envelope);
    }

    fn append_at(&mut self, at: Time, envelope: Envelope) {
        let statement = Statement::parse(envelope.payload()).unwrap();
        let streams = statement.streams(&envelope.payload_digest()).unwrap();
        let lines = streams
            .into_iter()
            .map(|stream| (self.head(&stream), stream))
            .map(|(head, stream)| Line::after(stream, head));
        self.leaves.push(Leaf::new(lines.collect(), at, envelope).unwrap());
    }

    /// Appends whatever is signed, in a stream that is named.
    pub fn append_under(&mut self, stream: &str, envelope: Envelope) {
        let stream: StreamId = stream.parse().unwrap();
        let line = Line::after(stream.clone(), self.head(&stream));
        self.leaves.push(Leaf::new(vec![line], self.now(), envelope).unwrap());
    }

    /// Founded by another genesis, under the same keys.
    pub fn founded_by(&self, other: &Self) -> Self {
        Self { keys: Arc::clone(&self.keys), ..other.clone() }
    }

    /// Appends a statement behind another head of its home stream than the last: the stream is forked.
    pub fn fork(&mut self, envelope: Envelope, behind: &Self) {
        let statement = Statement::parse(envelope.payload()).unwrap();
        let streams = statement.streams(&envelope.payload_digest()).unwrap();
        let lines = streams.into_iter().enumerate().map(|(place, stream)| {
            let head = if place == 0 { behind.head(&stream) } else { self.head(&stream) };
            Line::after(stream, head)
        });
        self.leaves.push(Leaf::new(lines.collect(), self.now(), envelope).unwrap());
    }

    fn keep(&mut self, blob: Vec<u8>) -> Digest {
        let digest = Digest::of(&blob);
        self.blobs.insert(digest, blob);
        digest
    }

    /// A statement of the server's, in front of this log.
    pub fn say(&self, body: Body) -> Envelope {
        let header = Header {
            by: SERVER.parse().unwrap(),
            checkpoint: SeenCheckpoint { root: self.nodes().root(), size: self.size() },
            epoch: None,
            log: self.keys.log.origin().to_owned(),
            nonce: random::nonce(),
        };
        let payload = Statement { header, body }.encode().unwrap();
        Envelope::new(&payload, vec![self.keys.server.sign(&payload).unwrap()]).unwrap()
    }

    // What it is served from.

    /// The state that an unmodified program makes of it, as far as it can: what it cannot fold, it never saw.
    pub fn state(&self) -> State {
        self.folded(|_, _, _| {})
    }

    fn folded(&self, mut each: impl FnMut(&Entry, &State, Vec<StreamId>)) -> State {
        let blob = |digest: &Digest| self.blobs.get(digest).cloned();
        let mut entries = self.bytes().into_iter().filter_map(|bytes| Entry::parse(&bytes).ok());
        let first = entries.next().unwrap();
        let mut state = State::genesis(&first, &blob).unwrap();
        each(&first, &state, first.leaf.lines().iter().map(|line| line.stream.clone()).collect());
        for entry in entries {
            let mut next = state.clone();
            let touched = next.fold(&entry, &blob);
            if touched.is_ok() {
                state = next;
            }
            each(&entry, &state, touched.unwrap_or_default());
        }
        state
    }

    /// A store with these leaves and what follows from them, for an unmodified server.
    pub fn store(&self, world: &World, name: &str) -> String {
        let address = format!("sqlite:{}", world.stage.path(name).display());
        let mut submissions = Vec::new();
        self.folded(|entry, state, touched| {
            let blobs =
                entry.signed.statement().body.blobs().into_iter().filter_map(|digest| self.blobs.get(&digest).cloned());
            submissions.push(Submission {
                leaves: vec![NewLeaf {
                    unique: records::uniques(state, &entry.signed).unwrap_or_default(),
                    leaf: entry.leaf.clone(),
                }],
                projections: records::projections(state, &touched).unwrap(),
                blobs: blobs.collect(),
                ..Submission::default()
            });
        });
        submissions[0].blobs = self.blobs.values().cloned().collect();
        world.server().block_on(async {
            let store = store::open(&address, &world.home.store_options()).await.unwrap();
            for taken in store.commit(&self.keys.log, submissions).await.unwrap() {
                taken.unwrap();
            }
            store.set_version(records::PROJECTIONS).await.unwrap();
        });
        address
    }

    /// A file of the layout of C2SP tlog-tiles.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            "checkpoint" => return Some(self.note().into_bytes()),
            "cosigned" => return self.cosigned_note().map(String::into_bytes),
            _ => {}
        }
        if let Some(hex) = name.strip_prefix("blobs/") {
            return self.blobs.get(&Digest::from_hex(hex).ok()?).cloned();
        }
        let path: TilePath = name.parse().ok()?;
        if !path.is_within(self.size()) {
            return None;
        }
        let first = path.index * u64::from(TILE_WIDTH);
        let places = first..first + u64::from(path.width);
        match path.kind {
            TileKind::Entries => {
                let leaves: Vec<Vec<u8>> =
                    places.map(|at| self.leaves[usize::try_from(at).unwrap()].to_bytes()).collect();
                Some(entry_bundle(&leaves).unwrap())
            }
            TileKind::Hashes(level) => {
                let nodes = self.nodes();
                let hashes: Vec<Hash> = places.map(|at| nodes.node(8 * level, at).unwrap()).collect();
                Some(hash_tile(&hashes))
            }
        }
    }

    /// The whole log as files, as `countersign log --export` writes it.
    pub fn export(&self, folder: &Path) {
        let blobs = self.blobs.keys().map(|digest| format!("blobs/{}", digest.hex()));
        let tiles = tile_paths(self.size()).map(|path| path.to_string());
        for name in std::iter::once("checkpoint".to_owned()).chain(tiles).chain(blobs) {
            let path = folder.join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, self.file(&name).unwrap()).unwrap();
        }
    }

    /// A bundle of a change as this server would make it: everything but what it does not show.
    fn bundle(&self, change: &ChangeId, since: u64) -> Vec<u8> {
        let nodes = self.nodes();
        let kept = (0..self.leaves.len()).filter(|index| !self.unshown.contains(index));
        let mut evidence = Evidence { checkpoint: self.note(), blobs: self.blobs.clone(), ..Evidence::default() };
        for index in kept {
            let leaf = &self.leaves[index];
            let at = index as u64;
            evidence.leaves.insert(at, leaf.to_bytes());
            evidence.proofs.insert(at, inclusion_proof(at, self.size(), &nodes).unwrap());
            evidence.streams.extend(leaf.lines().iter().map(|line| line.stream.clone()));
        }
        // Nobody's stream is left out, also where nothing stands in it.
        let people = self
            .state()
            .governance
            .catalog
            .actors
            .keys()
            .map(|person| person_stream(person).unwrap())
            .collect::<Vec<_>>();
        evidence.streams.extend(people);
        evidence.streams.retain(|stream| !stream.as_str().starts_with("target/"));
        let consistency =
            if since == 0 || since >= self.size() { vec![] } else { self.consistency(since, self.size()) };
        let origin = self.keys.log.origin().to_owned();
        Bundle { origin, change: change.clone(), evidence, governed: None, consistency, extracts_differ: vec![] }
            .to_tar()
            .unwrap()
    }

    fn consistency(&self, from: u64, to: u64) -> Vec<Hash> {
        consistency_proof(from, to, &self.nodes()).unwrap_or_default()
    }
}

type OnSubmit = Box<dyn Fn(&mut Log, Envelope, Vec<Vec<u8>>) -> Answer + Send + Sync>;

/// The server that was taken over.
pub struct Liar {
    pub url: String,
    log: Arc<Mutex<Log>>,
}

impl Liar {
    /// Shows this log; everything else is the honest server's.
    pub fn shows(world: &World, log: Log) -> Self {
        Self::start(world, log, None)
    }

    /// Takes what is submitted in its own way.
    pub fn takes(
        world: &World,
        log: Log,
        taken: impl Fn(&mut Log, Envelope, Vec<Vec<u8>>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start(world, log, Some(Box::new(taken)))
    }

    fn start(world: &World, log: Log, taken: Option<OnSubmit>) -> Self {
        let log = Arc::new(Mutex::new(log));
        let shown = Arc::clone(&log);
        let proxy = Proxy::reading(&world.server().url, move |request| {
            let mut log = shown.lock().unwrap();
            match (request.method, &taken) {
                ("POST", Some(taken)) => {
                    let submit: Submit = serde_json::from_slice(request.body).unwrap();
                    let envelope = Envelope::parse(submit.envelope.as_bytes()).unwrap();
                    let blobs = submit.blobs.iter().map(|blob| STANDARD.decode(blob).unwrap()).collect();
                    taken(&mut log, envelope, blobs)
                }
                _ => answer(&log, request),
            }
        });
        Self { url: proxy.url, log }
    }

    /// Shows another log from now on.
    pub fn now_shows(&self, log: Log) {
        *self.log.lock().unwrap() = log;
    }
}

fn json(value: &impl Serialize) -> Answer {
    Answer::Lie(serde_json::to_string(value).unwrap())
}

/// What the log's own addresses answer; whatever is not about the log is the honest server's to say.
fn answer(log: &Log, request: &Request<'_>) -> Answer {
    let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
    let query: BTreeMap<&str, u64> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(name, n)| Some((name, n.parse().ok()?)))
        .collect();
    let asked = |name: &str| query.get(name).copied();
    let file = |name: &str| log.file(name).map_or(Answer::NotFound, Answer::Bytes);
    match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["checkpoint" | "cosigned"] | ["tile", ..] | ["blobs", _] => file(&path[1..]),
        ["v1", "blobs", digest] => file(&format!("blobs/{}", digest.trim_start_matches("sha256:"))),
        ["v1", "entries"] => {
            let from = asked("from").unwrap();
            let to = log.size().min(from + asked("limit").unwrap_or(log.piece).min(log.piece));
            let places = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
            let leaves = log.bytes().get(places).unwrap_or_default().to_vec();
            let cosigned = log.cosigned_note();
            json(&Entries { cosigned, ..Entries::new(log.note(), from, &leaves, &log.blobs) })
        }
        ["v1", "consistency"] => json(&Proof { hashes: log.consistency(asked("from").unwrap(), asked("to").unwrap()) }),
        ["v1", "inclusion"] => {
            let proof = inclusion_proof(asked("index").unwrap(), asked("size").unwrap(), &log.nodes());
            json(&Proof { hashes: proof.unwrap_or_default() })
        }
        ["v1", "changes", typed, "bundle"] => {
            let state = log.state();
            match state.changes().find(|change| change.id.as_str().starts_with(*typed)) {
                Some(change) => Answer::Bytes(log.bundle(&change.id, asked("since").unwrap_or(0))),
                None => Answer::NotFound,
            }
        }
        _ => Answer::Of(request.path.to_owned()),
    }
}

/// Answers every permit request with a decision that allows, whatever the rules say, and with a permit on it.
pub fn permits_everything(semantics: u32) -> impl Fn(&mut Log, Envelope, Vec<Vec<u8>>) -> Answer + Send + Sync {
    move |log, envelope, blobs| {
        let Body::PermitRequest(asked) = Statement::parse(envelope.payload()).unwrap().body else {
            return Answer::NotFound;
        };
        log.blobs.extend(blobs.into_iter().map(|blob| (Digest::of(&blob), blob)));
        let (request, index, at) = (envelope.payload_digest(), log.size(), log.now());
        log.append_at(at, envelope);
        let state = log.state();
        let change = state.change(&asked.change).unwrap().unwrap();
        let snapshot = Snapshot::take(&state, change, clock::now()).unwrap();
        let decision = Decision { outcome: Outcome::Allow, ..decide(&state.governance.rules, &snapshot, at) };
        let decided = Decided {
            change: asked.change.clone(),
            decided_at: at,
            decision: log.keep(serde_json::to_vec(&decision).unwrap()),
            heads: state.heads(&change.inputs(&state.governance, Some(&asked.gate)).unwrap()).unwrap(),
            outcome: Outcome::Allow,
            recovers: decision.rollback.is_some(),
            request,
            revision: asked.revision,
            rules: decision.rules_digest,
            semantics,
            snapshot: log.keep(snapshot.to_bytes()),
        };
        log.append_at(at, log.say(Body::Decided(decided.clone())));
        let permit = log.say(Body::PermitGrant(PermitGrant {
            audience: asked.audience,
            change: asked.change.clone(),
            decision: decided.decision,
            expires_at: at.plus_secs(PERMIT_SECS),
            gate: asked.gate,
            issued_at: at,
            revision: asked.revision,
            targets: change.targets.clone(),
            transition: asked.transition,
        }));
        log.append_at(at, permit.clone());
        json(&Receipt {
            index,
            statement: request,
            change: Some(asked.change),
            permit: Some(String::from_utf8(permit.raw().to_vec()).unwrap()),
            decision: None,
            explanation: None,
        })
    }
}
