//! Which changes a push lands, and whether each may: permits are asked for, and everything that they stand on is checked
//! here. Nothing is reserved until all of them hold.

use std::collections::BTreeSet;

use countersign_core::{
    change::Change,
    facts::{GitFacts, Identities, NotALanding, git::GitRead as _},
    ids::{ChangeId, Oid, Target},
    refusal::Refusal,
    statement::{Body, PermitRequest, RevisionRef, Statement, Subject, Transition},
};
use countersign_ledger::{Digest, Envelope, Leaf, Time};

use super::{
    GateError,
    examine::{Named, Push},
    refused::Refused,
};
use crate::{
    bundle::Bundle,
    client::{ClientError, Receipt},
    engine::{ChangeLine, ChangeView, allows},
    gates::opening::{self, Asked, Memory, Opening, OpeningError},
    speaker::{SpeakError, Speaker},
};

/// More changes than anybody lands with one head.
const MAX_CHANGES: usize = 16;

/// How far back from the pushed commit a change is looked for whose head somebody pushed on from.
const LOOK_BACK: usize = 10;

/// The gate at work on one push.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub push: &'a Push<'a>,
    pub speaker: &'a Speaker,
    pub transition: &'a Transition,
    pub now: Time,
    /// The log as this gate last saw it; each opening moves it on.
    pub memory: Option<Memory>,
}

/// The changes that are open for the delta of a push, and what the push reaches.
#[derive(Debug)]
pub(super) struct Found {
    pub targets: BTreeSet<Target>,
    pub changes: Vec<ChangeView>,
}

/// Of some changes those that are still open.
struct Open {
    /// For the branch that is pushed to.
    here: Vec<ChangeView>,
    /// One that is for another, with its name.
    elsewhere: Option<(ChangeId, String)>,
}

impl Judge<'_> {
    /// The open changes that this push could be landing, as the server tells it. It may lie: what it hides only keeps the
    /// gate shut, and what it makes up does not open it.
    pub fn find(&self) -> Result<Found, GateError> {
        let client = &self.speaker.client;
        let repository = &self.push.gate.config().repository;
        let lines = client.changes_with(repository, &self.push.delta()?)?;
        let Open { here, elsewhere } = self.still_open(lines)?;
        let (mut landing, mut refused) = (Vec::new(), None);
        for view in here {
            // Refused before permits are asked for, and the log has more to say.
            match self.examine_as_shown(&view) {
                Ok(()) => landing.push(view),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        if !landing.is_empty() {
            return Ok(Found { targets: self.push.targets()?, changes: landing });
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        Err(self.nothing_proposed(elsewhere)?.into())
    }

    fn still_open(&self, lines: Vec<ChangeLine>) -> Result<Open, GateError> {
        let mut open = Open { here: Vec::new(), elsewhere: None };
        for line in lines.iter().filter(|line| is_open(line)) {
            let view = self.speaker.client.change(line.id.as_str())?;
            match &view.subject {
                Subject::Git { branch, .. } if *branch == self.push.branch.branch => open.here.push(view),
                Subject::Git { branch, .. } => open.elsewhere = Some((view.id, branch.clone())),
                Subject::Files { .. } => {}
            }
            if open.here.len() > MAX_CHANGES {
                return Err(Refused::new(
                    "too-many-changes",
                    format!("more than {MAX_CHANGES} changes are about this"),
                )
                .command("withdraw those that are not needed: countersign withdraw CHANGE")
                .into());
            }
        }
        Ok(open)
    }

    /// Whether the push lands a change as the server shows it. What counts is the same question, asked of the log.
    fn examine_as_shown(&self, view: &ChangeView) -> Result<(), GateError> {
        let Subject::Git { base, head, .. } = &view.subject else { return Ok(()) };
        // Names that were erased are missed when the bundle is there.
        let Some(digest) = view.identities_blob else { return Ok(()) };
        let identities = Identities::parse(&self.speaker.client.blob(&digest)?).map_err(|e| Refused::of(&e))?;
        self.push.examine(&Named { change: &view.id, base, head, salt: &identities.salt })?;
        Ok(())
    }

    /// Nothing is proposed that has this delta: says what comes nearest.
    fn nothing_proposed(&self, elsewhere: Option<(ChangeId, String)>) -> Result<Refused, GateError> {
        let repository = &self.push.gate.config().repository;
        let candidates = self.push.candidates()?;
        let mut elsewhere = elsewhere;
        for head in &candidates {
            let lines = self.speaker.client.changes_at(repository, head.as_str())?;
            let open = self.still_open(lines)?;
            // It is the reviewed commit, and yet brings something else: this says what.
            for view in &open.here {
                self.examine_as_shown(view)?;
            }
            elsewhere = elsewhere.or(open.elsewhere);
        }
        // Of a merge the merged head is what somebody reviews.
        let head = candidates.last().unwrap_or(&self.push.new);
        let branch = &self.push.branch.branch;
        if let Some((change, at)) = elsewhere {
            return Ok(Refused::new("another-branch", format!("change {change} is for {at}, not {branch}"))
                .note("an approval holds for one branch; propose the change for this one too:")
                .about(&change)
                .command(self.push.propose(head, &self.push.targets()?)));
        }
        let parents = self.push.parents()?;
        if parents > 2 {
            let octopus = NotALanding::Octopus { new: self.push.new.short().to_owned(), parents };
            return Ok(Refused::new(octopus.code(), octopus.to_string()).note(octopus.way_out()));
        }
        let targets = self.push.targets()?;
        if let Some(change) = self.overtaken(head)? {
            return Ok(Refused::new(
                "not-the-head",
                format!("change {change} was proposed at an earlier commit; {} has more", head.short()),
            )
            .note("approvals are for what was reviewed; make this its next revision and have it approved:")
            .command(format!("countersign revise {change} {}", self.push.range(head)))
            .about(&change));
        }
        Ok(Refused::new("no-change", format!("no change is proposed for {} on {branch}", head.short()))
            .note(format!("it would reach {}; propose it, have it approved, then push again:", list(&targets)))
            .command(self.push.propose(head, &targets)))
    }

    /// A change that was proposed at a commit from which the push went on.
    fn overtaken(&self, head: &Oid) -> Result<Option<ChangeId>, GateError> {
        for earlier in self.push.repository.range(&self.push.old, head, LOOK_BACK + 1)?.iter().skip(1) {
            let changes = self.speaker.client.changes_at(&self.push.gate.config().repository, earlier.as_str())?;
            if let Some(line) = changes.into_iter().find(is_open) {
                return Ok(Some(line.id));
            }
        }
        Ok(None)
    }

    /// Asks for the permits that this push needs, and opens each. All or none.
    pub fn ask(&mut self, found: &Found) -> Result<Vec<Opening>, GateError> {
        let needed = &found.targets;
        let relevant = found.changes.iter().filter(|change| !change.targets.is_disjoint(needed));
        let (allowing, denying): (Vec<_>, Vec<_>) = relevant.partition(|change| allows(&change.decision));
        let covered: BTreeSet<&Target> = allowing.iter().flat_map(|change| &change.targets).collect();
        let mut openings = Vec::new();
        if !needed.iter().all(|target| covered.contains(target)) {
            // Asking puts the denial into the log, with its reasons.
            let mut refusals = Vec::new();
            for change in denying {
                match self.permit(change) {
                    Ok(opening) => openings.push(opening),
                    Err(GateError::Refused(refused)) => refusals.push(*refused),
                    Err(error) => return Err(error),
                }
            }
            if let Some(refused) = Refused::all(refusals) {
                return Err(refused.into());
            }
        }
        for change in allowing {
            openings.push(self.permit(change)?);
        }
        self.covers(&openings, needed)?;
        Ok(openings)
    }

    /// Every target that the paths reach is a target of a change that may go.
    pub fn covers(&self, openings: &[Opening], needed: &BTreeSet<Target>) -> Result<(), GateError> {
        let covered: BTreeSet<&Target> = openings.iter().flat_map(|opening| &opening.change().targets).collect();
        let missing: BTreeSet<Target> = needed.iter().filter(|target| !covered.contains(target)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Refused::new("targets-not-covered", format!("the push also reaches {}", list(&missing)))
            .note("the changes that are approved do not name it; propose that part too:")
            .command(self.push.propose(self.push.candidates()?.last().unwrap_or(&self.push.new), &missing))
            .into())
    }

    fn permit(&mut self, view: &ChangeView) -> Result<Opening, GateError> {
        let request = PermitRequest {
            change: view.id.clone(),
            revision: RevisionRef { number: view.revision, digest: view.revision_digest },
            gate: self.push.gate.config().name.clone(),
            audience: self.speaker.hand.fingerprint(),
            transition: self.transition.clone(),
        };
        let permit = match self.speaker.say(Body::PermitRequest(request), &[]) {
            Ok(Receipt { permit: Some(permit), .. }) => permit,
            Ok(Receipt { permit: None, .. }) => {
                return Err(
                    Refused::new("no-permit", format!("the server gave no permit for change {}", view.id)).into()
                );
            }
            Err(SpeakError::Client(ClientError::Denied(decision))) => {
                return Err(Refused::by_rules("denied-by-rules", &decision, Some(&view.title)).into());
            }
            Err(SpeakError::Client(ClientError::Refused { message, hint, .. })) => {
                let refused = Refused::new("no-permit", message).about(&view.id);
                return Err(hint.into_iter().fold(refused, Refused::note).into());
            }
            Err(error) => return Err(error.into()),
        };
        self.open(&view.id, permit.as_bytes())
    }

    /// Opens the gate for a permit that somebody brought along.
    pub fn open_given(&mut self, permit: &[u8]) -> Result<Opening, GateError> {
        let refused = |refusal: Refusal| GateError::from(Refused::of(&refusal));
        let envelope = Envelope::parse(permit)
            .map_err(|e| refused(Refusal::malformed("malformed-permit", format!("the permit is malformed: {e}"))))?;
        let statement = Statement::parse(envelope.payload()).map_err(refused)?;
        match statement.body {
            Body::PermitGrant(grant) => self.open(&grant.change, permit),
            other => Err(Refused::new("not-a-permit", format!("what was given is a {}", other.kind())).into()),
        }
    }

    /// Opens the gate again for a permit that is reserved and was not used, as the log has it. The rules are asked again:
    /// somebody may have rejected the change since.
    pub fn open_reserved(&mut self, change: &ChangeId, permit: &Digest) -> Result<Opening, GateError> {
        let bytes = self.bundle(change)?;
        let bundle = parsed(&bytes)?;
        let envelope = bundle
            .evidence
            .leaves
            .values()
            .filter_map(|leaf| Leaf::parse(leaf).ok())
            .find(|leaf| leaf.envelope.payload_digest() == *permit)
            .ok_or_else(|| Refused::new("permit-not-logged", "the permit that is reserved is no longer in the log"))?;
        self.open_with(change, envelope.envelope.raw(), &bytes, &bundle)
    }

    fn open(&mut self, change: &ChangeId, permit: &[u8]) -> Result<Opening, GateError> {
        let bytes = self.bundle(change)?;
        let bundle = parsed(&bytes)?;
        self.open_with(change, permit, &bytes, &bundle)
    }

    fn bundle(&self, change: &ChangeId) -> Result<Vec<u8>, GateError> {
        Ok(self.speaker.client.bundle(change.as_str(), self.memory.map(|memory| memory.size))?)
    }

    fn open_with(&mut self, id: &ChangeId, permit: &[u8], bytes: &[u8], bundle: &Bundle) -> Result<Opening, GateError> {
        let asked = Asked {
            trust: self.push.gate.trust(),
            memory: self.memory,
            audience: &self.speaker.hand.fingerprint(),
            transition: self.transition,
            now: self.now,
        };
        let opening = opening::open(&asked, permit, bytes).map_err(|error| match error {
            OpeningError::Bundle(error) => Refused::new("bundle-broken", error.to_string()).note(error.hint()),
            OpeningError::Refused(refusal) => Refused::of(&refusal).about(id),
            OpeningError::Denied(decision) => Refused::by_rules("denied-by-gate", &decision, None)
                .note("the server gave a permit all the same: tell whoever runs it"),
        })?;
        self.same_facts(opening.change(), bundle)?;
        self.push.guidance(&opening.change().observed)?;
        self.memory = Some(opening.memory());
        Ok(opening)
    }

    /// The push lands the change as it stands in the log, and the facts that people and rules judged by are those that the
    /// objects give here.
    fn same_facts(&self, change: &Change, bundle: &Bundle) -> Result<(), GateError> {
        let differ = |why: &str| {
            GateError::from(
                Refused::new(
                    "facts-differ",
                    format!("what change {} says of its commits is not what they are: {why}", change.id),
                )
                .command(format!("countersign revise {} {}", change.id, self.push.range(&self.push.new)))
                .about(&change.id),
            )
        };
        let Some(revision) = change.current() else { return Err(differ("it has no revision")) };
        let Subject::Git { base, head, .. } = &revision.subject else { return Err(differ("it is about files")) };
        let blob = |named: Option<Digest>, what| {
            let bytes = named.and_then(|digest| bundle.evidence.blobs.get(&digest).filter(|b| Digest::of(b) == digest));
            bytes.ok_or_else(|| differ(what))
        };
        let facts = blob(revision.facts, "its facts are missing")?;
        let identities = blob(revision.identities_blob, "the names in its commits were erased")?;
        let (said, names) = (GitFacts::parse(facts), Identities::parse(identities));
        let (said, names) = (said.map_err(|e| differ(&e.to_string()))?, names.map_err(|e| differ(&e.to_string()))?);
        let named = Named { change: &change.id, base, head, salt: &names.salt };
        let (facts, identities) = self.push.examine(&named)?;
        if said == facts && names == identities {
            return Ok(());
        }
        Err(differ(difference(&said, &facts)))
    }
}

fn is_open(line: &ChangeLine) -> bool {
    !matches!(line.state.as_str(), "applied" | "withdrawn")
}

fn difference(said: &GitFacts, here: &GitFacts) -> &'static str {
    let parts = [
        (said.version == here.version, "they were extracted by another version"),
        (said.base == here.base, "its base is another"),
        (said.head == here.head, "its head is another"),
        (said.delta == here.delta && said.tree == here.tree, "its content is another"),
        (said.paths == here.paths, "its paths are others"),
        (said.identities == here.identities, "the people whom the commits name are others"),
        (said.ai == here.ai, "the signs of AI assistance are others"),
        (said.guidance == here.guidance, "the cited documents are others"),
    ];
    parts.into_iter().find(|(same, _)| !same).map_or("the names differ", |(_, what)| what)
}

fn parsed(bytes: &[u8]) -> Result<Bundle, GateError> {
    Bundle::from_tar("the server's bundle".as_ref(), bytes)
        .map_err(|error| Refused::new("bundle-broken", error.to_string()).note(error.hint()).into())
}

fn list(targets: &BTreeSet<Target>) -> String {
    targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
