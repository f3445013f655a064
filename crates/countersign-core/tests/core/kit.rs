//! A whole log in memory: people with keys, a catalog, the shipped rules, a genesis, and a server that decides and issues
//! permits as the real one does. Everything is the same in every run.

mod commits;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Mutex,
};

use countersign_core::{
    catalog::CatalogSettings,
    change::Change,
    decision::{Decision, Outcome, RuleStatus},
    ids::{ActorId, ChangeId, Nonce, Oid, Target},
    kind::{Documents, Kind, Purpose},
    permit::{Denied, Permit},
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::{
        Approval, Body, Decided, Disclosure, Founder, Genesis, Header, Heads, Identification, IdentityVerdict,
        NewRevision, OutcomeReport, OutcomeResult, PermitRequest, Proposal, Rejection, RejectionLift, RevisionRef,
        Seen, SeenCheckpoint, Statement, Subject, Transition, Waiver,
    },
    text::{FileSet, ProposalText, Reason},
    verify::{Evidence, TRUST_VERSION, Trust},
};
use countersign_ledger::{
    Checkpoint, Digest, Draft, Envelope, Hash, LogKey, MemoryNodes, SealedLeaf, SigningKey, StreamHead, StreamId, Time,
    seal, tree,
};
use rand_core::{CryptoRng, Error, RngCore};

pub use commits::{Extracted, Identity, author, co_author, facts, git, inferred, landing};

pub const ORIGIN: &str = "shop/log";
pub const START: Time = Time::from_unix_secs(1_775_001_600);

/// Random numbers that are the same in every run (SplitMix64).
pub struct FixedRng(pub u64);

impl RngCore for FixedRng {
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).unwrap()
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

/// For tests only: the numbers are anything but unpredictable.
impl CryptoRng for FixedRng {}

/// Everybody with a key. `ada-laptop` is ada's second key; `stranger` is nobody's.
const KEYS: [&str; 11] =
    ["ada", "ada-laptop", "barbara", "grace", "linus", "mallory", "ci", "robo", "countersign", "stranger", "git-gate"];

/// `checkout` is tier 1 and owned by payments (ada, grace); `search` is tier 3 and owned by discovery (linus, mallory).
fn catalog(keys: &BTreeMap<&str, SigningKey>) -> String {
    let key = |name: &str| keys[name].public().to_string();
    let group = |name: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {{name: {name}}}\nspec: {{type: team, children: []}}\n"
        )
    };
    let user = |name: &str, groups: &str, sort: &str, mails: &str, keys: &[String]| {
        let keys: String = keys.iter().map(|key| format!("      {key}\n")).collect();
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    \
             countersign/{sort}\n    countersign/mails: {mails}\n    countersign/keys: |\n{keys}spec: {{memberOf: \
             [{groups}]}}\n"
        )
    };
    let system = |name: &str, owner: &str, tier: u8| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: {name}\n  annotations: \
             {{countersign/tier: \"{tier}\"}}\nspec: {{owner: {owner}}}\n"
        )
    };
    [
        group("payments"),
        group("discovery"),
        user(
            "ada",
            "payments",
            "level: standard",
            "ada@example.com, ada@home.example",
            &[key("ada"), key("ada-laptop")],
        ),
        user("barbara", "", "level: principal", "barbara@example.com", &[key("barbara")]),
        user("grace", "payments", "level: senior", "grace@example.com", &[key("grace")]),
        user("linus", "discovery", "level: standard", "linus@example.com", &[key("linus")]),
        user("mallory", "discovery", "level: standard", "mallory@example.com", &[key("mallory")]),
        user("ci", "", "actor: workload", "ci@example.com", &[key("ci")]),
        user("robo", "", "actor: agent", "robo@example.com", &[key("robo")]),
        system("checkout", "payments", 1),
        system("search", "discovery", 3),
    ]
    .join("---\n")
}

/// The shipped rules' files.
pub fn rules() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cedar"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

pub fn id(name: &str) -> ActorId {
    name.parse().unwrap()
}

pub fn targets(names: &[&str]) -> BTreeSet<Target> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub fn oid(n: u64) -> Oid {
    format!("{n:040x}").parse().unwrap()
}

/// A file with this content, applied by `deploy app.yaml`.
pub fn file(content: &str) -> Subject {
    Subject::Files {
        files: BTreeMap::from([("app.yaml".to_owned(), Digest::of(content))]),
        command: Some(vec!["deploy".to_owned(), "app.yaml".to_owned()]),
    }
}

pub struct World {
    pub keys: BTreeMap<&'static str, SigningKey>,
    pub log_key: LogKey,
    pub trust: Trust,
    pub state: State,
    pub leaves: Vec<SealedLeaf>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    pub now: Time,
    nodes: MemoryNodes,
    heads: BTreeMap<StreamId, StreamHead>,
    nonces: Mutex<FixedRng>,
}

impl World {
    pub fn new() -> Self {
        let mut rng = FixedRng(7);
        let keys: BTreeMap<&str, SigningKey> =
            KEYS.into_iter().map(|name| (name, SigningKey::generate(&mut rng))).collect();
        let log_key = LogKey::generate(ORIGIN, &mut rng).unwrap();
        let catalog = FileSet {
            settings: CatalogSettings::default(),
            files: BTreeMap::from([("catalog.yaml".to_owned(), catalog(&keys))]),
        };
        let blobs: BTreeMap<Digest, Vec<u8>> =
            [catalog.to_blob().unwrap(), FileSet { settings: (), files: rules() }.to_blob().unwrap()]
                .into_iter()
                .map(|blob| (Digest::of(&blob), blob))
                .collect();
        let founder = |name| Founder { person: id(name), key: keys[name].public() };
        let genesis = Body::Genesis(Genesis {
            founders: vec![founder("ada"), founder("grace"), founder("barbara")],
            threshold: 2,
            catalog: Digest::of(catalog.to_blob().unwrap()),
            rules: Digest::of(FileSet { settings: (), files: rules() }.to_blob().unwrap()),
            server_key: keys["countersign"].public(),
            log_key: log_key.verifier(),
            recovery_quorum: 2,
        });
        let checkpoint = SeenCheckpoint { size: 0, root: Hash::empty_tree() };
        let header = Header { log: ORIGIN.to_owned(), by: id("ada"), nonce: nonce(&mut rng), checkpoint };
        let payload = Statement { header, body: genesis }.encode().unwrap();
        let signatures = ["ada", "grace"].map(|name| keys[name].sign(&payload).unwrap());
        let envelope = Envelope::new(&payload, signatures.to_vec()).unwrap();
        let draft = Draft { stream: "governance".parse().unwrap(), admitted_at: START, envelope };
        let nodes = MemoryNodes::new();
        let sealed = seal(nodes.frontier(), &BTreeMap::new(), vec![draft]).unwrap();
        let leaf = &sealed.leaves[0];
        let state = State::genesis(&leaf.leaf, leaf.hash, &|digest| blobs.get(digest).cloned()).unwrap();
        let trust = Trust {
            version: TRUST_VERSION,
            origin: ORIGIN.to_owned(),
            log_key: log_key.verifier(),
            genesis: Digest::of(&payload),
            recovery_quorum: 2,
        };
        let mut world = Self {
            keys,
            log_key,
            trust,
            state,
            leaves: Vec::new(),
            blobs,
            now: START,
            nodes,
            heads: sealed.heads,
            nonces: Mutex::new(rng),
        };
        world.nodes.push_leaf(leaf.hash);
        world.leaves.extend(sealed.leaves);
        world
    }

    pub fn size(&self) -> u64 {
        self.nodes.size()
    }

    pub fn change(&self, change: &ChangeId) -> &Change {
        &self.state.changes[change]
    }

    pub fn revision(&self, change: &ChangeId) -> RevisionRef {
        self.change(change).current_ref().unwrap()
    }

    /// Keeps a blob.
    pub fn blob(&mut self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        self.blobs.insert(digest, bytes);
        digest
    }

    /// Takes a blob away, and replays the log without it.
    pub fn erase(&mut self, digest: &Digest) {
        self.blobs.remove(digest).unwrap();
        let blob = |digest: &Digest| self.blobs.get(digest).cloned();
        let mut leaves = self.leaves.iter();
        let first = leaves.next().unwrap();
        let mut state = State::genesis(&first.leaf, first.hash, &blob).unwrap();
        leaves.for_each(|leaf| drop(state.fold(&leaf.leaf, leaf.hash, &blob).unwrap()));
        self.state = state;
    }

    pub fn reason(&mut self, why: &str) -> Digest {
        let salt = nonce(&mut self.nonces.lock().unwrap());
        let blob = Reason { salt, why: why.to_owned() }.to_blob().unwrap();
        self.blob(blob)
    }

    /// A statement by `by`, as it would be made now.
    pub fn statement(&self, by: &str, body: Body) -> Statement {
        Statement {
            header: Header {
                log: ORIGIN.to_owned(),
                by: id(by),
                nonce: nonce(&mut self.nonces.lock().unwrap()),
                checkpoint: SeenCheckpoint { size: self.nodes.size(), root: self.nodes.root() },
            },
            body,
        }
    }

    /// An envelope with the signatures of these keys.
    pub fn sign(&self, statement: &Statement, keys: &[&str]) -> Envelope {
        let payload = statement.encode().unwrap();
        let signatures = keys.iter().map(|key| self.keys[key].sign(&payload).unwrap()).collect();
        Envelope::new(&payload, signatures).unwrap()
    }

    /// Seals an envelope and takes it, or says why it is refused and forgets it.
    pub fn submit(&mut self, envelope: Envelope) -> Result<Digest, Refusal> {
        let payload = envelope.payload_digest();
        let stream = Statement::parse(envelope.payload())?.stream(&payload)?;
        let draft = Draft { stream, admitted_at: self.now, envelope };
        let heads: BTreeMap<_, _> =
            self.heads.get(&draft.stream).map(|head| (draft.stream.clone(), *head)).into_iter().collect();
        let mut sealed = seal(self.nodes.frontier(), &heads, vec![draft]).unwrap();
        let leaf = sealed.leaves.pop().unwrap();
        let blobs = &self.blobs;
        self.state.fold(&leaf.leaf, leaf.hash, &|digest| blobs.get(digest).cloned())?;
        self.nodes.push_leaf(leaf.hash);
        self.heads.extend(sealed.heads);
        self.leaves.push(leaf);
        Ok(payload)
    }

    /// Says something with the key of the same name.
    pub fn say(&mut self, by: &str, body: Body) -> Result<Digest, Refusal> {
        self.say_with(by, by, body)
    }

    pub fn say_with(&mut self, by: &str, key: &str, body: Body) -> Result<Digest, Refusal> {
        let envelope = self.sign(&self.statement(by, body), &[key]);
        self.submit(envelope)
    }

    /// The words of a proposal, long enough for every rule.
    pub fn text(&mut self) -> (Digest, Documents) {
        let words = |what: &str| format!("{what}: a sentence that is long enough for every tier");
        let text = ProposalText {
            salt: nonce(&mut self.nonces.lock().unwrap()),
            title: "Raise the payment timeout".to_owned(),
            why: words("why"),
            risk: words("risk"),
            rollback: words("rollback"),
            tests: words("tests"),
            links: vec![],
        };
        (self.blob(text.to_blob().unwrap()), text.documents())
    }

    pub fn proposal(&mut self, target: &str, subject: Subject, facts: Option<&GitFacts>) -> Proposal {
        let (text, documents) = self.text();
        let facts = facts.map(|facts| self.blob(serde_json::to_vec(facts).unwrap()));
        Proposal {
            kind: Kind::Config,
            purpose: Purpose::default(),
            targets: targets(&[target]),
            subject,
            facts,
            text,
            documents,
            sponsor: None,
        }
    }

    /// Proposes a file for a target.
    pub fn propose(&mut self, by: &str, target: &str) -> ChangeId {
        let proposal = self.proposal(target, file("timeout: 30"), None);
        ChangeId::of_proposal(&self.say(by, Body::Proposal(proposal)).unwrap())
    }

    /// Proposes commits for `search/production`.
    pub fn propose_git(&mut self, by: &str, facts: &GitFacts) -> ChangeId {
        let proposal = self.proposal("search/production", git(facts), Some(facts));
        ChangeId::of_proposal(&self.say(by, Body::Proposal(proposal)).unwrap())
    }

    pub fn new_revision(&mut self, change: &ChangeId, subject: Subject, facts: Option<&GitFacts>) -> Body {
        let (text, documents) = self.text();
        let facts = facts.map(|facts| self.blob(serde_json::to_vec(facts).unwrap()));
        let revision = self.revision(change);
        Body::NewRevision(NewRevision {
            change: change.clone(),
            revision,
            subject,
            facts,
            text,
            documents,
            sponsor: None,
        })
    }

    /// The approval of the present revision.
    pub fn approval(&self, change: &ChangeId) -> Approval {
        let now = self.change(change);
        let current = now.current().unwrap();
        Approval {
            change: change.clone(),
            revision: current.reference,
            targets: now.targets.clone(),
            reviewed: current.subject.clone(),
            seen: Seen::Computed,
        }
    }

    pub fn approve(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let body = Body::Approval(self.approval(change));
        self.say(by, body)
    }

    pub fn reject(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let (revision, reason) = (self.revision(change), self.reason("it is wrong"));
        self.say(by, Body::Rejection(Rejection { change: change.clone(), revision, reason }))
    }

    pub fn lift(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let revision = self.revision(change);
        self.say(by, Body::RejectionLift(RejectionLift { change: change.clone(), revision }))
    }

    pub fn waive(&mut self, by: &str, change: &ChangeId, rule: &str) -> Result<Digest, Refusal> {
        let (revision, reason) = (self.revision(change), self.reason("it can wait"));
        let rule = rule.parse().unwrap();
        self.say(by, Body::Waiver(Waiver { change: change.clone(), revision, rule, reason }))
    }

    pub fn disclose(
        &mut self,
        by: &str,
        change: &ChangeId,
        tools: &[&str],
        prompted_by: &[&str],
    ) -> Result<Digest, Refusal> {
        let body = Body::Disclosure(Disclosure {
            change: change.clone(),
            revision: self.revision(change),
            tools: tools.iter().map(ToString::to_string).collect(),
            guidance: BTreeSet::new(),
            prompted_by: prompted_by.iter().map(|name| id(name)).collect(),
        });
        self.say(by, body)
    }

    pub fn identify(
        &mut self,
        by: &str,
        change: &ChangeId,
        identity: &Identity,
        verdict: IdentityVerdict,
    ) -> Result<Digest, Refusal> {
        let body = Body::Identification(Identification {
            change: change.clone(),
            revision: self.revision(change),
            identity: countersign_core::snapshot::identity_ref(identity),
            verdict,
        });
        self.say(by, body)
    }

    /// The decision as it stands now.
    pub fn decision(&self, change: &ChangeId) -> Decision {
        let snapshot = Snapshot::take(&self.state.governance, self.change(change)).unwrap();
        decide::decide(&self.state.governance.rules, &snapshot, self.now)
    }

    /// What still stops a change, rule by rule; `allow` if nothing does.
    pub fn standing(&self, change: &ChangeId) -> String {
        let decision = self.decision(change);
        match decision.outcome {
            Outcome::Allow => "allow".to_owned(),
            Outcome::Deny => {
                let stopping = decision.rules.iter().filter(|rule| Decision::stops(rule));
                stopping.map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    pub fn status(&self, change: &ChangeId, rule: &str) -> RuleStatus {
        self.decision(change).rules.iter().find(|decided| decided.id.as_str() == rule).unwrap().status
    }

    /// What the change's present revision would do under `apply`, or by a fast-forward.
    pub fn transition(&self, change: &ChangeId) -> Transition {
        match &self.change(change).current().unwrap().subject {
            Subject::Files { files, command } => {
                Transition::Apply { files: files.clone(), command: command.clone().unwrap() }
            }
            Subject::Git { repository, branch, base, head, .. } => Transition::Git {
                repository: repository.clone(),
                reference: branch.clone(),
                old: base.clone(),
                new: head.clone(),
            },
        }
    }

    /// A request for a permit for the apply gate, whose key is the asker's own.
    pub fn request(&self, by: &str, change: &ChangeId, transition: Transition) -> PermitRequest {
        PermitRequest {
            change: change.clone(),
            revision: self.revision(change),
            gate: "apply".parse().unwrap(),
            audience: self.keys[by].public().fingerprint(),
            transition,
        }
    }

    /// What the server says of the change as it stands, without saying it.
    pub fn decided(&mut self, change: &ChangeId) -> (Decision, Decided) {
        let snapshot = Snapshot::take(&self.state.governance, self.change(change)).unwrap();
        let decision = decide::decide(&self.state.governance.rules, &snapshot, self.now);
        let decided = Decided {
            change: change.clone(),
            revision: self.revision(change),
            outcome: decision.outcome,
            decision: self.blob(serde_json::to_vec(&decision).unwrap()),
            snapshot: self.blob(snapshot.to_bytes()),
            rules: decision.rules_digest,
            semantics: decision.semantics,
            decided_at: self.now,
            heads: Heads { governance: self.state.governance.record.head, change: self.change(change).head },
        };
        (decision, decided)
    }

    /// Asks for a permit, and lets the server decide, log its decision and issue the permit, as the engine does.
    pub fn ask(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Denied> {
        let transition = self.transition(change);
        self.ask_for(by, change, transition)
    }

    pub fn ask_for(&mut self, by: &str, change: &ChangeId, transition: Transition) -> Result<Digest, Denied> {
        let request = self.request(by, change, transition);
        self.say(by, Body::PermitRequest(request.clone()))?;
        let (decision, decided) = self.decided(change);
        let digest = decided.decision;
        self.say("countersign", Body::Decided(decided))?;
        let permit = Permit::issue(&decision, digest, self.change(change), &request, self.now)?;
        Ok(self.say("countersign", Body::PermitGrant(permit.grant().clone()))?)
    }

    pub fn report(
        &mut self,
        by: &str,
        change: &ChangeId,
        permit: Digest,
        result: OutcomeResult,
    ) -> Result<Digest, Refusal> {
        let revision = self.revision(change);
        let exit_status = None;
        self.say(
            by,
            Body::OutcomeReport(OutcomeReport { change: change.clone(), revision, permit, result, exit_status }),
        )
    }

    /// A change of a file on `search/production` from its proposal to its outcome: six leaves.
    pub fn whole_life(&mut self) -> ChangeId {
        let change = self.propose("ada", "search/production");
        self.approve("linus", &change).unwrap();
        let permit = self.ask("ada", &change).unwrap();
        self.report("ada", &change, permit, OutcomeResult::Applied).unwrap();
        change
    }

    pub fn checkpoint(&self) -> String {
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: self.nodes.size(), root: self.nodes.root() };
        self.log_key.sign(&checkpoint).unwrap()
    }

    /// The whole log, as an export has it.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            checkpoint: self.checkpoint(),
            leaves: self.leaves.iter().map(|leaf| (leaf.index, leaf.bytes.clone())).collect(),
            proofs: BTreeMap::new(),
            hashes: self.leaves.iter().map(|leaf| leaf.hash).collect(),
            blobs: self.blobs.clone(),
        }
    }

    /// The part of the log that a change's bundle has.
    pub fn part(&self, change: &ChangeId) -> Evidence {
        let of_it = |leaf: &&SealedLeaf| {
            let stream = leaf.leaf.stream.as_str();
            stream == "governance" || stream == format!("change/{change}")
        };
        let leaves: Vec<&SealedLeaf> = self.leaves.iter().filter(of_it).collect();
        let proof = |index| tree::inclusion_proof(index, self.size(), &self.nodes).unwrap();
        Evidence {
            checkpoint: self.checkpoint(),
            leaves: leaves.iter().map(|leaf| (leaf.index, leaf.bytes.clone())).collect(),
            proofs: leaves.iter().map(|leaf| (leaf.index, proof(leaf.index))).collect(),
            hashes: Vec::new(),
            blobs: self.blobs.clone(),
        }
    }

    /// What somebody who holds the log key can make of it: other leaves, with every number, hash and the checkpoint put
    /// right again.
    pub fn resealed(&self, edit: impl FnOnce(&mut Vec<Draft>)) -> Evidence {
        let draft = |leaf: &SealedLeaf| Draft {
            stream: leaf.leaf.stream.clone(),
            admitted_at: leaf.leaf.admitted_at,
            envelope: leaf.leaf.envelope.clone(),
        };
        let mut drafts: Vec<Draft> = self.leaves.iter().map(draft).collect();
        edit(&mut drafts);
        let sealed = seal(MemoryNodes::new().frontier(), &BTreeMap::new(), drafts).unwrap();
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: sealed.frontier.size(), root: sealed.root };
        Evidence {
            checkpoint: self.log_key.sign(&checkpoint).unwrap(),
            leaves: sealed.leaves.iter().map(|leaf| (leaf.index, leaf.bytes.clone())).collect(),
            proofs: BTreeMap::new(),
            hashes: sealed.leaves.iter().map(|leaf| leaf.hash).collect(),
            blobs: self.blobs.clone(),
        }
    }

    /// Where in the log a statement stands.
    pub fn index_of(&self, payload: &Digest) -> u64 {
        self.leaves.iter().find(|leaf| leaf.leaf.envelope.payload_digest() == *payload).unwrap().index
    }
}

fn nonce(rng: &mut FixedRng) -> Nonce {
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()).parse().unwrap()
}

/// A refusal as a user sees it, with what differs from change to change left out.
pub fn told<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    let refusal = result.expect_err("it was taken");
    let text = format!("{}: {}", refusal.code, refusal.message);
    text.split(' ')
        .map(|word| {
            let bare = word.trim_end_matches([':', ',', ';']);
            let is_id = bare.len() == ChangeId::LEN && bare.bytes().all(|b| b.is_ascii_hexdigit());
            if is_id {
                word.replace(bare, "CHANGE")
            } else if bare.starts_with("SHA256:") || bare.starts_with("sha256:") {
                word.replace(bare, "DIGEST")
            } else {
                word.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
