//! Changes as leaves, made on both cores: each was proposed, approved, asked for, decided, permitted and applied. They are
//! what an engine would have written, with real signatures and decisions that were really taken, but nobody admits them
//! one by one here, so that a million of them take a minute or two.
//!
//! ```text
//!  round   lane 0: systems 0, 2, 4, …      lane 1: systems 1, 3, 5, …
//!          proposals of both lanes, then their approvals, requests, decisions, permits, outcomes
//! ```
//!
//! In one round a system has one change, so that lanes share no stream but those that stand still: governance and gates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use countersign::{
    random,
    records::GovernanceCache,
    store::{self, Store},
};
use countersign_core::{
    change::{Admitted, ApprovalRecord, Change, Found, RequestRecord, SignedWith},
    facts::{
        Entry, GitFacts, Identities, IdentityFact, Role, SignatureFact, Size, TouchedPath, delta, extract::VERSION,
        git::Ident, identity,
    },
    governance::{Governance, SERVER},
    ids::{ActorId, Oid},
    kind::{Kind, Purpose},
    permit::Permit,
    rules::decide,
    snapshot::Snapshot,
    state::State,
    statement::{
        Approval, Body, Decided, GateRegistration, Header, OutcomeReport, OutcomeResult, PermitRequest, Proposal, Seen,
        SeenCheckpoint, Statement, change_stream, gate_stream, governance_stream, person_stream, target_stream,
    },
    subject::{GitSubject, GitTransition, Subject, Transition},
    text::ProposalText,
};
use countersign_ledger::{
    Assurance, Digest, Envelope, Frontier, Hash, Leaf, Line, SigningKey, StreamHead, StreamId, Time,
};

use super::world::{Person, World};

/// Leaves that a change has.
pub const LEAVES: usize = 6;
/// The time between two rounds, at the most.
const STEP_MILLIS: i64 = 60_000;

pub struct Made {
    pub leaf: Vec<u8>,
    pub blobs: Vec<Vec<u8>>,
}

pub struct Maker<'w> {
    world: &'w World,
    server_key: SigningKey,
    governance: Arc<Governance>,
    /// Of streams that stand still while changes are made.
    still: BTreeMap<StreamId, StreamHead>,
    lanes: Vec<Lane>,
    frontier: Frontier,
    at: Time,
    step_millis: i64,
    /// Counts rounds.
    turn: usize,
}

struct Lane {
    systems: Vec<usize>,
    /// Of the targets.
    heads: BTreeMap<StreamId, StreamHead>,
    /// Whose turn it is next.
    next: usize,
}

impl<'w> Maker<'w> {
    /// Goes on behind what is in a store. `changes` is how many will be made, all of them before `until`.
    pub async fn behind(world: &'w World, store: &dyn Store, changes: usize, until: Time) -> Result<Self> {
        let head = store.head().await?;
        let governed = GovernanceCache::default().get(store).await?;
        let (governance_head, governance) = governed.context("the store is empty")?;
        let frontier = store::with_nodes(store, |nodes| Frontier::from_nodes(head.size, &nodes)).await??;
        let mut still = BTreeMap::from([(governance_stream()?, governance_head)]);
        for system in 0..world.systems.len() {
            let stream = gate_stream(world.gate(system)?.0.as_str())?;
            let found = store.heads(std::slice::from_ref(&stream)).await?;
            still.insert(stream, found.first().copied().unwrap_or(StreamHead::EMPTY));
        }
        let plain = world.plain_systems();
        let lanes = thread::available_parallelism().map_or(1, usize::from).min(2);
        let mut made = Vec::new();
        for lane in 0..lanes {
            let systems: Vec<usize> = plain.iter().copied().skip(lane).step_by(lanes).collect();
            let streams: Vec<StreamId> =
                systems.iter().map(|system| Ok(target_stream(&world.target(*system)?)?)).collect::<Result<_>>()?;
            let heads = streams.iter().cloned().zip(store.heads(&streams).await?).collect();
            made.push(Lane { systems, heads, next: 0 });
        }
        let per_round: usize = made.iter().map(|lane| lane.systems.len()).sum();
        let rounds = i64::try_from(changes.div_ceil(per_round)).unwrap_or(i64::MAX);
        let last = head.time.unwrap_or(until);
        let begin = until.unix_millis().saturating_sub(rounds.saturating_mul(STEP_MILLIS)).max(last.unix_millis());
        let step_millis = (until.unix_millis().saturating_sub(begin) / rounds.max(1)).clamp(0, STEP_MILLIS);
        Ok(Self {
            world,
            server_key: world.home.server_key()?,
            governance,
            still,
            lanes: made,
            frontier,
            at: Time::from_unix_millis(begin),
            step_millis,
            turn: usize::try_from(head.size).unwrap_or(0),
        })
    }

    /// Makes the made-up gates known, those that are not yet.
    pub fn gates(&mut self) -> Result<Vec<Made>> {
        let mut made = Vec::new();
        let (seen, by) = (self.seen(), &self.world.people[0]);
        for systems in self.world.guarded() {
            let Some(first) = systems.first() else { continue };
            let (gate, key) = self.world.gate(*first)?;
            let stream = gate_stream(gate.as_str())?;
            if self.still.get(&stream).is_some_and(|head| *head != StreamHead::EMPTY) {
                continue;
            }
            let targets: BTreeSet<_> =
                systems.iter().map(|system| self.world.target(*system)).collect::<Result<_>>()?;
            let also: BTreeSet<StreamId> = targets.iter().map(target_stream).collect::<Result<_, _>>()?;
            let streams: Vec<StreamId> = std::iter::once(stream).chain(also).collect();
            let registration = GateRegistration {
                gate,
                key: key.public(),
                map: None,
                reason: None,
                repository: "shop".parse()?,
                targets,
                watching: BTreeMap::new(),
            };
            let said = self.said(&by.id, &by.key, seen, Body::GateRegistration(registration))?;
            // Of each target the lane that makes its changes knows where it stands.
            let mut heads = self.still.clone();
            heads.extend(self.lanes.iter().flat_map(|lane| lane.heads.clone()));
            let leaf = place(&mut heads, &streams, self.at, said.envelope)?;
            for line in leaf.lines() {
                let Some(head) = heads.get(&line.stream).copied() else { continue };
                match self.lanes.iter_mut().find_map(|lane| lane.heads.get_mut(&line.stream)) {
                    Some(known) => *known = head,
                    None => drop(self.still.insert(line.stream.clone(), head)),
                }
            }
            self.frontier.push(leaf.hash());
            made.push(Made { leaf: leaf.to_bytes(), blobs: Vec::new() });
        }
        Ok(made)
    }

    fn seen(&self) -> SeenCheckpoint {
        SeenCheckpoint { root: self.frontier.root(), size: self.frontier.size() }
    }

    /// How many changes a round has at the most.
    pub fn per_round(&self) -> usize {
        self.lanes.iter().map(|lane| lane.systems.len()).sum()
    }

    /// Makes at most so many changes, and gives their leaves in the order of the log.
    pub fn round(&mut self, changes: usize) -> Result<Vec<Made>> {
        let (seen, at, turn) = (self.seen(), self.at, self.turn);
        let mut lanes = std::mem::take(&mut self.lanes);
        let per_lane = changes.div_ceil(lanes.len());
        let made: Vec<Result<Vec<[Made; LEAVES]>>> = thread::scope(|scope| {
            let this = &*self;
            let running: Vec<_> =
                lanes.iter_mut().map(|lane| scope.spawn(move || lane.make(this, per_lane, seen, at, turn))).collect();
            running.into_iter().map(|lane| lane.join().unwrap_or_else(|_| Err(anyhow!("a lane panicked")))).collect()
        });
        self.lanes = lanes;
        self.turn += 1;
        self.at = Time::from_unix_millis(self.at.unix_millis().saturating_add(self.step_millis));
        let mut by_change = Vec::new();
        for lane in made {
            by_change.extend(lane?);
        }
        by_change.truncate(changes.max(1));
        let mut changes: Vec<_> = by_change.into_iter().map(IntoIterator::into_iter).collect();
        let mut leaves = Vec::with_capacity(changes.len() * LEAVES);
        for _ in 0..LEAVES {
            leaves.extend(changes.iter_mut().filter_map(Iterator::next));
        }
        for made in &leaves {
            self.frontier.push(Hash::leaf(&made.leaf));
        }
        Ok(leaves)
    }

    fn said(&self, by: &ActorId, key: &SigningKey, seen: SeenCheckpoint, body: Body) -> Result<Said> {
        let log = self.governance.record.origin.clone();
        say(&log, by, key, seen, body)
    }
}

/// A statement, signed.
pub struct Said {
    pub envelope: Envelope,
    pub payload: Digest,
    pub statement: Statement,
}

pub fn say(log: &str, by: &ActorId, key: &SigningKey, seen: SeenCheckpoint, body: Body) -> Result<Said> {
    let header = Header { by: by.clone(), checkpoint: seen, epoch: None, log: log.to_owned(), nonce: random::nonce() };
    let statement = Statement { header, body };
    let payload = statement.encode()?;
    let envelope = Envelope::new(&payload, vec![key.sign(&payload)?])?;
    Ok(Said { payload: Digest::of(&payload), envelope, statement })
}

/// A leaf behind the heads of its streams, which move on.
fn place(
    heads: &mut BTreeMap<StreamId, StreamHead>,
    streams: &[StreamId],
    at: Time,
    envelope: Envelope,
) -> Result<Leaf> {
    let head = |stream| heads.get(stream).copied().unwrap_or(StreamHead::EMPTY);
    let lines = streams.iter().map(|stream| Line::after(stream.clone(), head(stream))).collect();
    let leaf = Leaf::new(lines, at, envelope)?;
    let last = leaf.hash();
    for line in leaf.lines() {
        heads.insert(line.stream.clone(), StreamHead { last, next_seq: line.seq + 1 });
    }
    Ok(leaf)
}

impl Lane {
    fn make(
        &mut self,
        maker: &Maker<'_>,
        changes: usize,
        seen: SeenCheckpoint,
        at: Time,
        turn: usize,
    ) -> Result<Vec<[Made; LEAVES]>> {
        let mut made = Vec::new();
        for _ in 0..changes.min(self.systems.len()) {
            let system = self.systems[self.next];
            self.next = (self.next + 1) % self.systems.len();
            made.push(self.change(maker, system, seen, at, turn)?);
        }
        Ok(made)
    }

    fn change(
        &mut self,
        maker: &Maker<'_>,
        system: usize,
        seen: SeenCheckpoint,
        at: Time,
        turn: usize,
    ) -> Result<[Made; LEAVES]> {
        let world = maker.world;
        let (proposer, approver) = world.pair(system, turn);
        let target = world.target(system)?;
        let (gate, gate_key) = world.gate(system)?;
        let targets = BTreeSet::from([target.clone()]);
        let content = Content::made_up(world, system, proposer)?;
        let proposal = content.proposal(targets.clone())?;
        let Content { subject, transition, facts, identities, blobs, text: _ } = content;
        let found = Found {
            subject: Some(subject.clone()),
            facts: Some(facts),
            identities: Some(identities),
            transition: None,
            fetched: None,
            loosens: None,
            token: None,
        };
        let proposed = maker.said(&proposer.id, &proposer.key, seen, Body::Proposal(proposal.clone()))?;
        let signed_with =
            SignedWith { key: proposer.key.public().fingerprint(), assurance: Assurance::SoftwareKey, token: None };
        let admitted = Admitted {
            statement: &proposed.statement,
            payload: proposed.payload,
            signed_with: &signed_with,
            senior: false,
            at,
            found: &found,
        };
        let mut change = Change::begin(&admitted, &proposal, &subject);
        let (id, revision) = (change.id.clone(), change.current_ref().context("no revision")?);
        let own = [change_stream(&id)?];
        let mut heads = BTreeMap::new();
        let proposed = place(&mut heads, &own, at, proposed.envelope)?;

        let approval = Approval {
            change: id.clone(),
            reviewed: subject.reference()?,
            revision,
            seen: Seen::Computed,
            targets: targets.clone(),
            within: None,
        };
        let approved = maker.said(&approver.id, &approver.key, seen, Body::Approval(approval))?;
        change.approvals.push(ApprovalRecord {
            by: approver.id.clone(),
            key: approver.key.public().fingerprint(),
            assurance: Assurance::SoftwareKey,
            revision,
            seen: Seen::Computed,
            statement: approved.payload,
            at,
            epoch: None,
            delegated: BTreeMap::new(),
            within: None,
        });
        let approved = place(&mut heads, &own, at, approved.envelope)?;

        let (transition, transition_blob) = (transition.reference()?, transition.to_blob()?);
        let audience = gate_key.public().fingerprint();
        let speaker: ActorId = gate.as_str().parse()?;
        let request = PermitRequest {
            applier: None,
            audience: audience.clone(),
            change: id.clone(),
            gate: gate.clone(),
            revision,
            transition: transition.clone(),
        };
        let requested = maker.said(&speaker, gate_key, seen, Body::PermitRequest(request.clone()))?;
        let asked = requested.payload;
        change.requested = Some(RequestRecord {
            statement: asked,
            gate: gate.clone(),
            audience,
            transition,
            applier: None,
            watched_until: None,
            epoch: None,
        });
        let requested = place(&mut heads, &own, at, requested.envelope)?;

        let inputs = change.inputs(&maker.governance, Some(&gate))?;
        let mut state = State::part(Arc::clone(&maker.governance));
        for stream in &inputs {
            let known = heads.get(stream).or_else(|| self.heads.get(stream)).or_else(|| maker.still.get(stream));
            state.know(stream.clone(), known.copied().unwrap_or(StreamHead::EMPTY));
        }
        let snapshot = Snapshot::take(&state, &change, at)?;
        let decision = decide::decide(&maker.governance.rules, &snapshot, at);
        let (decision_blob, snapshot_blob) = (serde_json::to_vec(&decision)?, snapshot.to_bytes());
        let decided = Decided {
            change: id.clone(),
            decided_at: at,
            decision: Digest::of(&decision_blob),
            heads: state.heads(&inputs)?,
            outcome: decision.outcome,
            recovers: decision.rollback.is_some(),
            request: asked,
            revision,
            rules: decision.rules_digest,
            semantics: decision.semantics,
            snapshot: Digest::of(&snapshot_blob),
        };
        let server: ActorId = SERVER.parse()?;
        let decision_digest = decided.decision;
        let decided = maker.said(&server, &maker.server_key, seen, Body::Decided(decided))?;
        let decided = place(&mut heads, &own, at, decided.envelope)?;

        let permit = Permit::issue(&decision, decision_digest, &change, &request, at)
            .map_err(|denied| anyhow!("a made-up change is denied: {denied}: {decision:?}"))?;
        let permitted = maker.said(&server, &maker.server_key, seen, Body::PermitGrant(permit.grant().clone()))?;
        let permit = permitted.payload;
        let permitted = place(&mut heads, &own, at, permitted.envelope)?;

        let report =
            OutcomeReport { change: id, exit_status: None, permit, result: OutcomeResult::Applied, revision, targets };
        let applied = maker.said(&speaker, gate_key, seen, Body::OutcomeReport(report))?;
        let [own] = own;
        // Its home is the change's stream; the target's moves on with it.
        let both = [own.clone(), target_stream(&target)?];
        self.heads.extend(heads.remove(&own).map(|head| (own.clone(), head)));
        let applied = place(&mut self.heads, &both, at, applied.envelope)?;
        self.heads.remove(&own);

        let with = |leaf: Leaf, blobs| Made { leaf: leaf.to_bytes(), blobs };
        Ok([
            with(proposed, blobs),
            with(approved, Vec::new()),
            with(requested, vec![transition_blob]),
            with(decided, vec![decision_blob, snapshot_blob]),
            with(permitted, Vec::new()),
            with(applied, Vec::new()),
        ])
    }
}

/// What a change is about: made up, or a commit that is really there.
pub struct Content {
    pub subject: Subject,
    pub transition: Transition,
    pub facts: GitFacts,
    pub identities: Identities,
    pub text: ProposalText,
    /// Subject, facts, identities, text.
    pub blobs: Vec<Vec<u8>>,
}

impl Content {
    pub fn made_up(world: &World, system: usize, author: &Person) -> Result<Self> {
        let name = &world.systems[system];
        let (base, head) = (object()?, object()?);
        let side = || Ok::<_, anyhow::Error>(Some(Entry { mode: 0o100_644, id: object()? }));
        let paths = vec![TouchedPath { path: format!("services/{name}/limits.yaml"), old: side()?, new: side()? }];
        let salt = random::nonce();
        let who = Ident { name: format!("Person {}", author.id), mail: author.mail.clone() };
        let reference = identity::reference(&salt, &who);
        let facts = GitFacts {
            version: VERSION,
            repository: "shop".parse()?,
            branch: "refs/heads/main".to_owned(),
            base,
            head,
            tree: object()?,
            delta: delta::digest(&paths),
            paths,
            identities: vec![IdentityFact {
                reference: reference.clone(),
                roles: BTreeSet::from([Role::Author, Role::Committer]),
                agent: false,
                keys: BTreeSet::new(),
            }],
            ai: Vec::new(),
            guidance: BTreeSet::new(),
            commits: 1,
            merges: 0,
            lines: vec![None],
            signatures: BTreeSet::from([SignatureFact { committer: reference.clone(), key: None }]),
            size: Size::of_files(1),
            steps: None,
            led: Default::default(),
        };
        Self::of(facts, Identities { salt, people: BTreeMap::from([(reference, who)]) })
    }

    /// What lands these facts by moving the branch from their base to their head.
    pub fn of(facts: GitFacts, identities: Identities) -> Result<Self> {
        let subject = Subject::Git(GitSubject {
            repository: facts.repository.clone(),
            branch: facts.branch.clone(),
            base: facts.base.clone(),
            head: facts.head.clone(),
            delta: facts.delta,
        });
        let transition = Transition::Git(GitTransition {
            repository: facts.repository.clone(),
            reference: facts.branch.clone(),
            old: facts.base.clone(),
            new: facts.head.clone(),
        });
        let text = ProposalText {
            salt: random::nonce(),
            title: "Raise the limit".to_owned(),
            why: "The bank answers within eight seconds at month end, and we wait for five.".to_owned(),
            risk: "Slow requests could pile up behind it.".to_owned(),
            rollback: "git revert, then deploy again".to_owned(),
            tests: "load test 4711 in staging".to_owned(),
            links: Vec::new(),
        };
        let blobs = vec![subject.to_blob()?, facts.to_blob()?, identities.to_blob()?, text.to_blob()?];
        Ok(Self { subject, transition, facts, identities, text, blobs })
    }

    pub fn proposal(&self, targets: BTreeSet<countersign_core::ids::Target>) -> Result<Proposal> {
        let [subject, facts, identities, text] = &self.blobs[..] else { return Err(anyhow!("not four blobs")) };
        let reference = self.subject.reference()?;
        debug_assert_eq!(reference.digest, Digest::of(subject));
        Ok(Proposal {
            documents: self.text.documents(),
            facts: Some(Digest::of(facts)),
            identities: Some(Digest::of(identities)),
            kind: Kind::Code,
            purpose: Purpose::default(),
            sponsor: None,
            subject: reference,
            targets,
            text: Digest::of(text),
        })
    }
}

/// An object id that no repository has.
fn object() -> Result<Oid> {
    let random = random::nonce();
    Ok(format!("{random}{}", &random.as_str()[..8]).parse()?)
}

/// The streams of somebody's own acts, which say whether their key was revoked.
pub fn own_stream(person: &Person) -> Result<StreamId> {
    Ok(person_stream(&person.id)?)
}
