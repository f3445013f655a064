//! A whole log in memory: people with keys, governance files, a genesis, and a server that decides and issues permits as
//! the real one does. Everything is the same in every run.

mod absence;
mod commits;
mod emergency;
mod govern;
mod keys;
mod log;
mod shop;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use countersign_core::{
    canonical,
    change::Change,
    decision::{Decision, Outcome, RuleStatus},
    evidence::EvidenceResult,
    fold::Entry,
    governance::{Replacements, manifest_of},
    ids::{ChangeId, Nonce},
    kind::{Documents, Kind, Purpose},
    permit::{Denied, Permit},
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::{
        Approval, ApprovalWithdrawal, Body, Comment, Decided, Disclosure, Epoch, Erased, Erasure, Evidence, Finding,
        Founder, GateRegistration, Genesis, Header, Holder, Identification, IdentityVerdict, LabelAct, Labelling,
        Matter, OutcomeReport, OutcomeResult, PermitRequest, Proposal, Publication, Rejection, RejectionLift,
        RejectionSetAside, RevisionRef, RevocationConfirmation, Schedule, Seen, SeenCheckpoint, Statement, Waiver,
        Window, Withdrawal,
    },
    subject::{ApplyTransition, FilesSubject, GitSubject, GitTransition, Subject, Transition},
    text::{CommentText, ProposalText, Reason},
    trust::{Freshness, Outage, TRUST_VERSION, Trust},
};
use countersign_ledger::{
    Digest, Draft, Envelope, Hash, LogKey, MemoryNodes, SealedLeaf, SigningKey, StreamId, Time, seal,
};
use rand_core::RngCore;

pub use self::{absence::*, commits::*, log::*, shop::*};

pub const ORIGIN: &str = "shop/log";
pub const START: Time = Time::from_unix_secs(1_775_001_600);

pub struct World {
    pub keys: BTreeMap<&'static str, SigningKey>,
    pub log_key: LogKey,
    pub trust: Trust,
    pub state: State,
    pub leaves: Vec<SealedLeaf>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    pub now: Time,
    nodes: MemoryNodes,
    nonces: Mutex<FixedRng>,
}

impl World {
    pub fn new() -> Self {
        Self::founded(|_| {}, |_| {}).unwrap()
    }

    /// A log that begins with other files or with another genesis than usual.
    pub fn founded(files: impl FnOnce(&mut Files), genesis: impl FnOnce(&mut Genesis)) -> Result<Self, Refusal> {
        let mut rng = FixedRng(7);
        let keys: BTreeMap<&str, SigningKey> =
            KEYS.into_iter().map(|name| (name, SigningKey::generate(&mut rng))).collect();
        let log_key = LogKey::generate(ORIGIN, &mut rng).unwrap();
        let mut governance = governance_files(&keys);
        files(&mut governance);
        let manifest = manifest_of(&governance).unwrap();
        let founder = |name| Founder { person: id(name), key: keys[name].public() };
        let mut body = Genesis {
            files: Digest::of(&manifest),
            founders: vec![founder("ada"), founder("grace"), founder("barbara")],
            log_key: log_key.verifier(),
            recovery_quorum: 2,
            semantics: 1,
            server_key: keys["countersign"].public(),
            threshold: 2,
        };
        genesis(&mut body);
        let checkpoint = SeenCheckpoint { size: 0, root: Hash::empty_tree() };
        let header = Header { by: id("ada"), checkpoint, epoch: None, log: ORIGIN.to_owned(), nonce: nonce(&mut rng) };
        let payload = Statement { header, body: Body::Genesis(body) }.encode().unwrap();
        let signatures = ["ada", "grace"].map(|name| keys[name].sign(&payload).unwrap());
        let envelope = Envelope::new(&payload, signatures.to_vec()).unwrap();
        let draft = Draft { streams: vec!["governance".parse().unwrap()], admitted_at: START, envelope };
        let mut nodes = MemoryNodes::new();
        let leaves = seal(nodes.frontier(), &BTreeMap::new(), vec![draft]).unwrap().leaves;
        nodes.push_leaf(leaves[0].hash);
        let blobs = governance.into_values().chain([manifest]).map(|bytes| (Digest::of(&bytes), bytes)).collect();
        let trust = Trust {
            version: TRUST_VERSION,
            origin: ORIGIN.to_owned(),
            log_key: log_key.verifier().into(),
            genesis: Digest::of(&payload),
            recovery_quorum: 2,
            checkpoint: None,
            cosigners: None,
            fresh: Freshness::default(),
            outage: Outage::default(),
            witnesses: Vec::new(),
        };
        let state = State::genesis(&Entry::parse(&leaves[0].bytes)?, &blob_of(&blobs))?;
        Ok(Self { keys, log_key, trust, state, leaves, blobs, now: START, nodes, nonces: Mutex::new(rng) })
    }

    pub fn change(&self, change: &ChangeId) -> &Change {
        self.state.change(change).unwrap().unwrap()
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
        self.state = self.replayed().unwrap();
    }

    pub fn reason(&mut self, why: &str) -> Digest {
        let salt = self.nonce();
        let blob = Reason { salt, why: why.to_owned() }.to_blob().unwrap();
        self.blob(blob)
    }

    fn nonce(&self) -> Nonce {
        nonce(&mut self.nonces.lock().unwrap())
    }

    // Saying things.

    /// A statement by `by`, as it would be made now.
    pub fn statement(&self, by: &str, body: Body) -> Statement {
        let checkpoint = SeenCheckpoint { size: self.nodes.size(), root: self.nodes.root() };
        let epoch = match &body {
            Body::Epoch(begun) => Some(begun.number),
            _ => self.state.governance.record.header_epoch(),
        };
        let header = Header { by: id(by), checkpoint, epoch, log: ORIGIN.to_owned(), nonce: self.nonce() };
        Statement { header, body }
    }

    /// An envelope with the signatures of these keys.
    pub fn sign(&self, statement: &Statement, keys: &[&str]) -> Envelope {
        let payload = statement.encode().unwrap();
        let signatures = keys.iter().map(|key| self.keys[key].sign(&payload).unwrap()).collect();
        Envelope::new(&payload, signatures).unwrap()
    }

    /// The leaf that an envelope would be, in the streams where it belongs.
    pub fn leaf(&self, envelope: Envelope) -> Result<SealedLeaf, Refusal> {
        let streams = Statement::parse(envelope.payload())?.streams(&envelope.payload_digest())?;
        Ok(self.leaf_in(streams, envelope))
    }

    /// The leaf that it would be in other streams.
    pub fn leaf_in(&self, streams: Vec<StreamId>, envelope: Envelope) -> SealedLeaf {
        let heads = self.state.heads(&streams.iter().cloned().collect()).unwrap();
        let draft = Draft { streams, admitted_at: self.now, envelope };
        seal(self.nodes.frontier(), &heads, vec![draft]).unwrap().leaves.pop().unwrap()
    }

    /// Takes a leaf, or says why it is refused and forgets it.
    pub fn take(&mut self, leaf: SealedLeaf) -> Result<Digest, Refusal> {
        let entry = Entry::parse(&leaf.bytes)?;
        self.state.fold(&entry, &blob_of(&self.blobs))?;
        self.nodes.push_leaf(leaf.hash);
        self.leaves.push(leaf);
        Ok(entry.signed.payload())
    }

    pub fn submit(&mut self, envelope: Envelope) -> Result<Digest, Refusal> {
        let leaf = self.leaf(envelope)?;
        self.take(leaf)
    }

    /// Says something with the key of the same name.
    pub fn say(&mut self, by: &str, body: Body) -> Result<Digest, Refusal> {
        self.say_with(by, &[by], body)
    }

    pub fn say_with(&mut self, by: &str, keys: &[&str], body: Body) -> Result<Digest, Refusal> {
        let envelope = self.sign(&self.statement(by, body), keys);
        self.submit(envelope)
    }

    // Changes.

    /// The words of a proposal, long enough for every rule.
    pub fn text(&mut self) -> (Digest, Documents) {
        let words = |what: &str| format!("{what}: a sentence that is long enough for every tier");
        let text = ProposalText {
            salt: self.nonce(),
            title: "Raise the payment timeout".to_owned(),
            why: words("why"),
            risk: words("risk"),
            rollback: words("rollback"),
            tests: words("tests"),
            links: vec![],
        };
        (self.blob(text.to_blob().unwrap()), text.documents())
    }

    pub fn proposal(&mut self, target: &str, subject: &Subject, commits: Option<&Extracted>) -> Proposal {
        let (text, documents) = self.text();
        self.blob(subject.to_blob().unwrap());
        Proposal {
            documents,
            facts: commits.map(|commits| self.blob(commits.facts.to_blob().unwrap())),
            identities: commits.map(|commits| self.blob(commits.identities.to_blob().unwrap())),
            kind: Kind::Config,
            purpose: Purpose::default(),
            sponsor: None,
            subject: subject.reference().unwrap(),
            targets: targets(&[target]),
            text,
        }
    }

    /// Proposes a file for a target.
    pub fn propose(&mut self, by: &str, target: &str) -> ChangeId {
        let proposal = self.proposal(target, &file("timeout: 30"), None);
        self.begin(by, proposal)
    }

    /// Proposes commits for `search/production`.
    pub fn propose_git(&mut self, by: &str, commits: &Extracted) -> ChangeId {
        let proposal = self.proposal("search/production", &git(commits), Some(commits));
        self.begin(by, proposal)
    }

    pub fn begin(&mut self, by: &str, proposal: Proposal) -> ChangeId {
        ChangeId::of_proposal(&self.say(by, Body::Proposal(proposal)).unwrap())
    }

    /// The approval of the present revision.
    pub fn approval(&self, change: &ChangeId) -> Approval {
        let now = self.change(change);
        let current = now.current().unwrap();
        Approval {
            change: change.clone(),
            reviewed: current.subject.reference().unwrap(),
            revision: current.reference,
            seen: Seen::Computed,
            targets: now.targets.clone(),
            within: now.window(),
        }
    }

    pub fn approve(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let body = Body::Approval(self.approval(change));
        self.say(by, body)
    }

    pub fn rejection(&mut self, change: &ChangeId) -> Body {
        let (reason, revision) = (self.reason("it is wrong"), self.revision(change));
        let targets = self.change(change).targets.clone();
        Body::Rejection(Rejection { change: change.clone(), reason, revision, targets })
    }

    pub fn reject(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let body = self.rejection(change);
        self.say(by, body)
    }

    pub fn lift(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let (revision, targets) = (self.revision(change), self.change(change).targets.clone());
        self.say(by, Body::RejectionLift(RejectionLift { change: change.clone(), revision, targets }))
    }

    pub fn withdraw(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let revision = self.revision(change);
        self.say(by, Body::Withdrawal(Withdrawal { change: change.clone(), revision }))
    }

    pub fn take_back(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let revision = self.revision(change);
        self.say(by, Body::ApprovalWithdrawal(ApprovalWithdrawal { change: change.clone(), revision }))
    }

    pub fn remark(&mut self, change: &ChangeId) -> Body {
        let salt = self.nonce();
        let said =
            CommentText { salt, text: "is that so?".to_owned(), path: Some("app.yaml".to_owned()), line: Some(1) };
        let text = self.blob(said.to_blob().unwrap());
        Body::Comment(Comment { change: change.clone(), revision: self.revision(change), text })
    }

    pub fn comment(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let body = self.remark(change);
        self.say(by, body)
    }

    /// That its tests passed, with a report and where the run is.
    pub fn evidence_of(&mut self, change: &ChangeId) -> Body {
        let current = self.change(change).current().unwrap();
        let (revision, subject) = (current.reference, current.subject.reference().unwrap());
        let document = self.blob(b"<testsuite tests=\"3\"/>".to_vec());
        let text = self.reason("https://ci.example.com/4711");
        Body::Evidence(Evidence {
            change: change.clone(),
            document: Some(document),
            kind: "tests".parse().unwrap(),
            result: EvidenceResult::Passed,
            revision,
            subject,
            text: Some(text),
            workflow: Some(".github/workflows/ci.yml".to_owned()),
        })
    }

    /// Says when a change lands: so many seconds from now, not before and until.
    pub fn schedule(
        &mut self,
        by: &str,
        change: &ChangeId,
        (not_before, until): (Option<i64>, Option<i64>),
    ) -> Result<Digest, Refusal> {
        let at = |secs: i64| self.now.plus_secs(secs);
        let window = Window { not_before: not_before.map(at), until: until.map(at) };
        self.schedule_at(by, change, Some(window).filter(|_| not_before.is_some() || until.is_some()))
    }

    pub fn schedule_at(&mut self, by: &str, change: &ChangeId, window: Option<Window>) -> Result<Digest, Refusal> {
        let revision = self.revision(change);
        self.say(by, Body::Schedule(Schedule { change: change.clone(), revision, window }))
    }

    pub fn label(&mut self, by: &str, act: LabelAct, change: &ChangeId, label: &str) -> Result<Digest, Refusal> {
        let (revision, labels) = (self.revision(change), [label.parse().unwrap()].into());
        self.say(by, Body::Label(Labelling { act, change: change.clone(), labels, revision }))
    }

    pub fn waive(&mut self, by: &str, change: &ChangeId, rule: &str) -> Result<Digest, Refusal> {
        let (reason, revision) = (self.reason("it can wait"), self.revision(change));
        let rule = rule.parse().unwrap();
        self.say(by, Body::Waiver(Waiver { change: change.clone(), reason, revision, rule }))
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
            guidance: BTreeSet::new(),
            prompted_by: prompted_by.iter().map(|name| id(name)).collect(),
            revision: self.revision(change),
            tools: tools.iter().map(ToString::to_string).collect(),
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
            identity: identity.reference(),
            revision: self.revision(change),
            verdict,
        });
        self.say(by, body)
    }

    // Governance, people and gates.

    /// Replaces these governance files, and takes away those without content.
    pub fn publication(&mut self, files: &[(&str, Option<&[u8]>)]) -> Publication {
        let named =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.map(|bytes| self.blob(bytes.to_vec()))));
        let named: Replacements = named.collect();
        Publication {
            change: None,
            files: self.blob(canonical::to_bytes(&named).unwrap()),
            parent: self.state.governance.record.in_force,
            reason: self.reason("it is better so"),
            semantics: None,
        }
    }

    /// Publishes by a change of ada's that grace approves; what raises the semantics with the signatures of both.
    pub fn publish(&mut self, publication: Publication) -> Result<Digest, Refusal> {
        if publication.semantics.is_some() {
            return self.say_with("ada", &["ada", "grace"], Body::Publication(publication));
        }
        let change = self.amend_as("ada", &publication)?;
        self.approve("grace", &change)?;
        self.put_in_force("ada", &change)
    }

    /// Erases on the word of these people; the first is whom the statement is by.
    pub fn erased(
        &mut self,
        keys: &[&str],
        of: Erased,
        blobs: impl IntoIterator<Item = Digest>,
    ) -> Result<Digest, Refusal> {
        let reason = self.reason("asked for");
        let body = Body::Erasure(Erasure { blobs: blobs.into_iter().collect(), of, reason });
        self.say_with(keys[0], keys, body)
    }

    /// The body that begins an epoch here.
    pub fn epoch(&mut self, number: u32) -> Epoch {
        let after = SeenCheckpoint { size: self.nodes.size(), root: self.nodes.root() };
        Epoch { after, number, reason: self.reason("the disk was lost") }
    }

    /// Begins an epoch on the word of these people; the first is whom the statement is by.
    pub fn begin_epoch(&mut self, keys: &[&str], number: u32) -> Result<Digest, Refusal> {
        let body = Body::Epoch(self.epoch(number));
        self.say_with(keys[0], keys, body)
    }

    /// Confirms the last revocation of a key.
    pub fn confirm(&mut self, by: &str, key: &str) -> Result<Digest, Refusal> {
        let (of, fingerprint) = (holder(key), self.keys[key].public().fingerprint());
        let record = match &of {
            Holder::Person(person) => self.state.person(person).unwrap().unwrap().revoked[&fingerprint].clone(),
            Holder::Gate(gate) => self.state.gate(gate).unwrap().unwrap().revoked[&fingerprint].clone(),
        };
        let body = Body::RevocationConfirmation(RevocationConfirmation {
            key: fingerprint,
            of,
            revocation: record.statement,
            revoked_by: record.by,
        });
        self.say(by, body)
    }

    pub fn set_aside(&mut self, by: &str, change: &ChangeId, rejected_by: &str) -> Result<Digest, Refusal> {
        let (reason, revision) = (self.reason("it was answered"), self.revision(change));
        let targets = self.change(change).targets.clone();
        let (change, rejected_by) = (change.clone(), id(rejected_by));
        self.say(by, Body::RejectionSetAside(RejectionSetAside { change, reason, rejected_by, revision, targets }))
    }

    /// `shop-gate`, which guards `search/production`.
    pub fn registration(&self) -> GateRegistration {
        GateRegistration {
            gate: "shop-gate".parse().unwrap(),
            key: self.keys["git-gate"].public(),
            map: None,
            reason: None,
            repository: "shop".parse().unwrap(),
            targets: targets(&["search/production"]),
            watching: BTreeMap::new(),
        }
    }

    pub fn register_gate(&mut self) {
        let registration = self.registration();
        self.say("barbara", Body::GateRegistration(registration)).unwrap();
    }

    /// That `main` was moved at this gate, which reaches these.
    pub fn moved(&self, gate: &str, reached: &[&str], to: u64) -> Finding {
        let what = Matter::BranchMoved {
            branch: "refs/heads/main".to_owned(),
            from: oid(1),
            gate: gate.parse().unwrap(),
            targets: targets(reached),
            to: Some(oid(to)),
        };
        Finding { apart: [].into(), due: self.now.plus_secs(3_600), text: None, what, who: [id("barbara")].into() }
    }

    // Deciding.

    /// The decision as it stands now.
    pub fn decision(&self, change: &ChangeId) -> Decision {
        let snapshot = Snapshot::take(&self.state, self.change(change), self.now).unwrap();
        decide::decide(&self.state.governance.rules, &snapshot, self.now)
    }

    /// What still stops a change, rule by rule; `allow` if nothing does.
    pub fn standing(&self, change: &ChangeId) -> String {
        let decision = self.decision(change);
        match decision.outcome {
            Outcome::Allow => "allow".to_owned(),
            Outcome::Deny => stopping(&decision),
        }
    }

    pub fn status(&self, change: &ChangeId, rule: &str) -> RuleStatus {
        self.decision(change).rules.iter().find(|decided| decided.id.as_str() == rule).unwrap().status
    }

    /// What the change's present revision would do under `apply`, or by a fast-forward.
    pub fn transition(&self, change: &ChangeId) -> Transition {
        match self.change(change).current().unwrap().subject.clone() {
            // No gate puts that in force.
            Subject::Governance(_) => Transition::Apply(ApplyTransition {
                files: BTreeMap::new(),
                executable: BTreeSet::new(),
                command: vec!["true".to_owned()],
            }),
            Subject::Files(FilesSubject { files, executable, command }) => {
                Transition::Apply(ApplyTransition { files, executable, command: command.unwrap() })
            }
            Subject::Git(GitSubject { repository, branch, base, head, .. }) => {
                Transition::Git(GitTransition { repository, reference: branch, old: base, new: head })
            }
        }
    }

    /// A request for a permit for the apply gate, whose key is the asker's own.
    pub fn request(&mut self, by: &str, change: &ChangeId, transition: &Transition) -> PermitRequest {
        self.blob(transition.to_blob().unwrap());
        PermitRequest {
            applier: None,
            audience: self.keys[by].public().fingerprint(),
            change: change.clone(),
            gate: "apply".parse().unwrap(),
            revision: self.revision(change),
            transition: transition.reference().unwrap(),
        }
    }

    /// Asks for a permit, and nobody answers yet.
    pub fn requested(&mut self, by: &str, change: &ChangeId) -> PermitRequest {
        let transition = self.transition(change);
        let request = self.request(by, change, &transition);
        self.say(by, Body::PermitRequest(request.clone())).unwrap();
        request
    }

    /// What the server says to the last request, without saying it.
    pub fn decided(&mut self, change: &ChangeId) -> (Decision, Decided) {
        let now = self.change(change);
        let asked = now.requested.as_ref().expect("somebody has asked");
        let (request, inputs) = (asked.statement, now.inputs(&self.state.governance, Some(&asked.gate)).unwrap());
        let snapshot = Snapshot::take(&self.state, now, self.now).unwrap();
        let decision = decide::decide(&self.state.governance.rules, &snapshot, self.now);
        let decided = Decided {
            change: change.clone(),
            decided_at: self.now,
            heads: self.state.heads(&inputs).unwrap(),
            outcome: decision.outcome,
            recovers: decision.rollback.is_some(),
            request,
            revision: self.revision(change),
            rules: decision.rules_digest,
            semantics: self.state.governance.record.semantics.number(),
            decision: self.blob(serde_json::to_vec(&decision).unwrap()),
            snapshot: self.blob(snapshot.to_bytes()),
        };
        (decision, decided)
    }

    /// Lets the server decide and say so; returns the permit that it would issue.
    pub fn answered(&mut self, change: &ChangeId, request: &PermitRequest) -> Result<Permit, Denied> {
        let (decision, decided) = self.decided(change);
        let digest = decided.decision;
        self.say("countersign", Body::Decided(decided))?;
        Permit::issue(&decision, digest, self.change(change), request, self.now)
    }

    /// Asks for a permit, and lets the server decide, log its decision and issue the permit, as the engine does.
    pub fn ask(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Denied> {
        let transition = self.transition(change);
        let request = self.request(by, change, &transition);
        self.ask_for(by, request)
    }

    pub fn ask_for(&mut self, by: &str, request: PermitRequest) -> Result<Digest, Denied> {
        self.say(by, Body::PermitRequest(request.clone()))?;
        let permit = self.answered(&request.change, &request)?;
        Ok(self.say("countersign", Body::PermitGrant(permit.grant().clone()))?)
    }

    pub fn outcome(&self, change: &ChangeId, permit: Digest, result: OutcomeResult) -> Body {
        let (revision, targets) = (self.revision(change), self.change(change).targets.clone());
        let change = change.clone();
        Body::OutcomeReport(OutcomeReport { change, exit_status: None, permit, result, revision, targets })
    }

    pub fn report(
        &mut self,
        by: &str,
        change: &ChangeId,
        permit: Digest,
        result: OutcomeResult,
    ) -> Result<Digest, Refusal> {
        let body = self.outcome(change, permit, result);
        self.say(by, body)
    }

    /// A change of a file on `search/production` from its proposal to its outcome: six leaves.
    pub fn whole_life(&mut self) -> ChangeId {
        let change = self.propose("ada", "search/production");
        self.approve("linus", &change).unwrap();
        let permit = self.ask("ada", &change).unwrap();
        self.report("ada", &change, permit, OutcomeResult::Applied).unwrap();
        change
    }
}

fn nonce(rng: &mut FixedRng) -> Nonce {
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()).parse().unwrap()
}

/// The rules that stop a change.
pub fn stopping(decision: &Decision) -> String {
    let stopping = decision.rules.iter().filter(|rule| Decision::stops(rule));
    stopping.map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(" ")
}

/// A refusal as a user sees it, with what differs from log to log left out.
pub fn told<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    let refusal = result.expect_err("it was taken");
    masked(&format!("{}: {}", refusal.code, refusal.message))
}

/// A text without its digests and ids.
pub fn masked(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches([':', ',', '.', ';', '`', '(', ')']);
        let of_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
        let id = bare.strip_prefix("change/").unwrap_or(bare);
        if of_hex(id, ChangeId::LEN) {
            word.replace(id, "CHANGE")
        } else if of_hex(bare, 64) || bare.starts_with("SHA256:") || bare.starts_with("sha256:") {
            word.replace(bare, "DIGEST")
        } else {
            word.to_owned()
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
