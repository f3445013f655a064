//! Which changes a push lands, and whether each may: permits are asked for, and everything that they stand on is checked
//! here. Nothing is reserved until all of them hold.

use std::collections::BTreeSet;

use countersign_core::{
    change::Change,
    facts::{GitFacts, git::GitRead as _},
    ids::{ChangeId, Oid, Target},
    refusal::Refusal,
    statement::{Body, PermitRequest, RevisionRef, Statement, Subject, Transition},
};
use countersign_ledger::{Digest, Envelope, Leaf, Time};

use super::{
    GateError,
    examine::{Examined, Push},
    refused::Refused,
};
use crate::{
    bundle::Bundle,
    client::ClientError,
    gates::opening::{self, Asked, Memory, Opening, OpeningError},
    speaker::{SpeakError, Speaker},
    wire::{ChangeView, Receipt},
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

/// A head of the push, the changes that are open for it, and what it brings.
#[derive(Debug)]
pub(super) struct Found {
    pub examined: Examined,
    pub changes: Vec<ChangeView>,
}

impl Judge<'_> {
    /// The open changes that this push could be landing, as the server tells it. It may lie: what it hides only keeps the
    /// gate shut, and what it makes up does not open it.
    pub fn find(&self) -> Result<Found, GateError> {
        let mut elsewhere = None;
        let candidates = self.push.candidates()?;
        for head in &candidates {
            let mut changes = Vec::new();
            for line in self.speaker.client.changes_at(&self.push.gate.config().repository, head.as_str())? {
                if matches!(line.state.as_str(), "applied" | "withdrawn") {
                    continue;
                }
                let view = self.speaker.client.change(line.id.as_str())?;
                match &view.subject {
                    Subject::Git { branch, .. } if *branch == self.push.branch.branch => changes.push(view),
                    Subject::Git { branch, .. } => elsewhere = Some((view.id, branch.clone())),
                    Subject::Files { .. } => {}
                }
                if changes.len() > MAX_CHANGES {
                    return Err(Refused::new(
                        "too-many-changes",
                        format!("more than {MAX_CHANGES} changes have this head"),
                    )
                    .command("withdraw those that are not needed: countersign withdraw CHANGE")
                    .into());
                }
            }
            if let Some(first) = changes.first() {
                return Ok(Found { examined: self.push.examine(head, Some(&first.id))?, changes });
            }
        }
        Err(self.nothing_proposed(&candidates, elsewhere)?.into())
    }

    fn nothing_proposed(
        &self,
        candidates: &[Oid],
        elsewhere: Option<(ChangeId, String)>,
    ) -> Result<Refused, GateError> {
        // Of a merge the merged head is what somebody reviews.
        let head = candidates.last().unwrap_or(&self.push.new);
        let Examined { targets, .. } = self.push.examine(head, None)?;
        let branch = &self.push.branch.branch;
        if elsewhere.is_none()
            && let Some(change) = self.overtaken(head)?
        {
            return Ok(Refused::new(
                "not-the-head",
                format!("change {change} was proposed at an earlier commit; {} has more", head.short()),
            )
            .note("approvals are for what was reviewed; make this its next revision and have it approved:")
            .command(format!("countersign revise {change} {}", self.push.range(head)))
            .about(&change));
        }
        let refused = match elsewhere {
            Some((change, at)) => Refused::new("another-branch", format!("change {change} is for {at}, not {branch}"))
                .note("an approval holds for one branch; propose the change for this one too:")
                .about(&change),
            None => Refused::new("no-change", format!("no change is proposed for {} on {branch}", head.short()))
                .note(format!("it would reach {}; propose it, have it approved, then push again:", list(&targets))),
        };
        Ok(refused.command(self.push.propose(head, &targets)))
    }

    /// A change that was proposed at a commit from which the push went on.
    fn overtaken(&self, head: &Oid) -> Result<Option<ChangeId>, GateError> {
        for earlier in self.push.repository.range(&self.push.old, head, LOOK_BACK + 1)?.iter().skip(1) {
            let changes = self.speaker.client.changes_at(&self.push.gate.config().repository, earlier.as_str())?;
            let open = changes.into_iter().find(|line| !matches!(line.state.as_str(), "applied" | "withdrawn"));
            if let Some(line) = open {
                return Ok(Some(line.id));
            }
        }
        Ok(None)
    }

    /// Asks for the permits that this push needs, and opens each. All or none.
    pub fn ask(&mut self, found: &Found) -> Result<Vec<Opening>, GateError> {
        let needed = &found.examined.targets;
        let relevant = found.changes.iter().filter(|change| !change.targets.is_disjoint(needed));
        let (allowing, denying): (Vec<_>, Vec<_>) = relevant.partition(|change| change.allowed());
        let covered: BTreeSet<&Target> = allowing.iter().flat_map(|change| &change.targets).collect();
        let mut openings = Vec::new();
        if !needed.iter().all(|target| covered.contains(target)) {
            // Asking puts the denial into the log, with its reasons.
            let mut refusals = Vec::new();
            for change in denying {
                match self.permit(change, &found.examined.facts) {
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
            openings.push(self.permit(change, &found.examined.facts)?);
        }
        self.covers(&openings, &found.examined)?;
        Ok(openings)
    }

    /// Every target that the paths reach is a target of a change that may go.
    pub fn covers(&self, openings: &[Opening], examined: &Examined) -> Result<(), GateError> {
        let covered: BTreeSet<&Target> = openings.iter().flat_map(|opening| &opening.change().targets).collect();
        let missing: BTreeSet<Target> =
            examined.targets.iter().filter(|target| !covered.contains(target)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Refused::new("targets-not-covered", format!("the push also reaches {}", list(&missing)))
            .note("the changes that are approved do not name it; propose that part too:")
            .command(self.push.propose(&examined.facts.head, &missing))
            .into())
    }

    fn permit(&mut self, view: &ChangeView, facts: &GitFacts) -> Result<Opening, GateError> {
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
            Err(SpeakError::Client(ClientError::Denied(denied))) => {
                return Err(Refused::by_rules("denied-by-rules", &denied, Some(&view.title)).into());
            }
            Err(SpeakError::Client(ClientError::Refused { message, hint, .. })) => {
                let refused = Refused::new("no-permit", message).about(&view.id);
                return Err(hint.into_iter().fold(refused, Refused::note).into());
            }
            Err(error) => return Err(error.into()),
        };
        self.open(&view.id, permit.as_bytes(), facts)
    }

    /// Opens the gate for a permit that somebody brought along.
    pub fn open_given(&mut self, permit: &[u8], facts: &GitFacts) -> Result<Opening, GateError> {
        let refused = |refusal: Refusal| GateError::from(Refused::of(&refusal));
        let envelope = Envelope::parse(permit)
            .map_err(|e| refused(Refusal::malformed("malformed-permit", format!("the permit is malformed: {e}"))))?;
        let statement = Statement::parse(envelope.payload()).map_err(refused)?;
        match statement.body {
            Body::PermitGrant(grant) => self.open(&grant.change, permit, facts),
            other => Err(Refused::new("not-a-permit", format!("what was given is a {}", other.kind())).into()),
        }
    }

    /// Opens the gate again for a permit that is reserved and was not used, as the log has it. The rules are asked again:
    /// somebody may have rejected the change since.
    pub fn open_reserved(
        &mut self,
        change: &ChangeId,
        permit: &Digest,
        facts: &GitFacts,
    ) -> Result<Opening, GateError> {
        let bytes = self.bundle(change)?;
        let bundle = parsed(&bytes)?;
        let envelope = bundle
            .evidence
            .leaves
            .values()
            .filter_map(|leaf| Leaf::parse(leaf).ok())
            .find(|leaf| leaf.envelope.payload_digest() == *permit)
            .ok_or_else(|| Refused::new("permit-not-logged", "the permit that is reserved is no longer in the log"))?;
        self.open_with(change, envelope.envelope.raw(), &bytes, &bundle, facts)
    }

    fn open(&mut self, change: &ChangeId, permit: &[u8], facts: &GitFacts) -> Result<Opening, GateError> {
        let bytes = self.bundle(change)?;
        let bundle = parsed(&bytes)?;
        self.open_with(change, permit, &bytes, &bundle, facts)
    }

    fn bundle(&self, change: &ChangeId) -> Result<Vec<u8>, GateError> {
        Ok(self.speaker.client.bundle(change.as_str(), self.memory.map(|memory| memory.size))?)
    }

    fn open_with(
        &mut self,
        id: &ChangeId,
        permit: &[u8],
        bytes: &[u8],
        bundle: &Bundle,
        facts: &GitFacts,
    ) -> Result<Opening, GateError> {
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
            OpeningError::Denied(denied) => Refused::by_rules("denied-by-gate", &denied, None)
                .note("the server gave a permit all the same: tell whoever runs it"),
        })?;
        self.same_facts(opening.change(), bundle, facts)?;
        self.push.guidance(&opening.change().observed)?;
        self.memory = Some(opening.memory());
        Ok(opening)
    }

    /// The facts that people and rules judged by are those that the objects give here.
    fn same_facts(&self, change: &Change, bundle: &Bundle, facts: &GitFacts) -> Result<(), GateError> {
        let differ = |why: String| {
            GateError::from(
                Refused::new(
                    "facts-differ",
                    format!("what change {} says of its commits is not what they are: {why}", change.id),
                )
                .command(format!("countersign revise {} {}", change.id, self.push.range(&facts.head)))
                .about(&change.id),
            )
        };
        let named = change.current().and_then(|revision| revision.facts);
        let blob = named.and_then(|digest| Some((digest, bundle.evidence.blobs.get(&digest)?)));
        let Some((digest, bytes)) = blob.filter(|(digest, bytes)| Digest::of(bytes) == *digest) else {
            return Err(differ("its facts are missing".to_owned()));
        };
        let said: GitFacts =
            serde_json::from_slice(bytes).map_err(|e| differ(format!("its facts {digest} are malformed: {e}")))?;
        if said == *facts {
            return Ok(());
        }
        Err(differ(difference(&said, facts).to_owned()))
    }
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
    parts.into_iter().find(|(same, _)| !same).map_or("something differs", |(_, what)| what)
}

fn parsed(bytes: &[u8]) -> Result<Bundle, GateError> {
    Bundle::from_tar("the server's bundle".as_ref(), bytes)
        .map_err(|error| Refused::new("bundle-broken", error.to_string()).note(error.hint()).into())
}

fn list(targets: &BTreeSet<Target>) -> String {
    targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
