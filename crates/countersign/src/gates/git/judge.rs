//! Which changes a push lands, and whether each may: found in this gate's own copy of the log, asked for, and opened here.
//! Nothing is reserved until all of them hold.

use std::collections::BTreeSet;

use countersign_core::{
    change::Change,
    decision::Outcome,
    explain::Explained,
    facts::{self, GitFacts, Identities, NotALanding, Range, git::GitRead as _},
    ids::{ActorId, ChangeId, Oid, Target},
    kind::{Documents, Kind},
    preview::{Preview, documents_asked},
    rollback::instead_in_words,
    subject::{GitSubject, Subject, Transition},
    text::ProposalText,
};
use countersign_ledger::Digest;

use super::{
    GateError,
    examine::{Named, Push},
    outage::Brought,
    refused::Refused,
};
use crate::{
    client::ClientError,
    clock::Clock,
    gates::desk::{Desk, DeskError, Judged, Opening, handed_over},
    random,
    speaker::SpeakError,
};

/// How many changes that may not go yet one push puts to the server, whose to-do lists fill more than a screen.
const MAX_ASKED: usize = 8;

/// How far back from the pushed commit a change is looked for whose head somebody pushed on from.
const LOOK_BACK: usize = 10;

/// The gate at work on one push.
pub(super) struct Judge<'a> {
    pub push: &'a Push<'a>,
    pub desk: &'a mut Desk,
    pub transition: &'a Transition,
    pub clock: Clock<'a>,
    /// Blobs that were brought along, which the log need not have yet.
    pub brought: &'a Brought,
}

/// The open changes that have the delta of a push, the oldest first, and what it reaches.
#[derive(Debug)]
pub(super) struct Found {
    pub targets: BTreeSet<Target>,
    pub changes: Vec<Change>,
}

impl Judge<'_> {
    /// The open changes with the delta of this push, by this gate's own copy of the log.
    pub fn find(&self) -> Result<Found, GateError> {
        let (repository, branch) = (&self.push.gate.config().repository, &self.push.branch.branch);
        let changes = self.desk.changes_bringing(repository, branch, &self.push.delta()?)?;
        if changes.is_empty() {
            return Err(self.nothing_proposed()?.into());
        }
        Ok(Found { targets: self.push.targets()?, changes })
    }

    /// Nothing is proposed that has this delta: says what comes nearest.
    fn nothing_proposed(&self) -> Result<Refused, GateError> {
        let repository = &self.push.gate.config().repository;
        let branch = &self.push.branch.branch;
        let candidates = self.push.candidates()?;
        let mut elsewhere = None;
        for head in &candidates {
            for change in self.desk.changes_at(repository, head)? {
                match git_subject(&change) {
                    // It is the reviewed commit, and yet brings something else: this says what.
                    Some(subject) if subject.branch == *branch => self.lands(&change)?,
                    Some(subject) => elsewhere = Some((change.id.clone(), subject.branch.clone())),
                    None => {}
                }
            }
        }
        // Of a merge the merged head is what somebody reviews.
        let head = candidates.last().unwrap_or(&self.push.new);
        if let Some((change, at)) = elsewhere {
            let short = change.short();
            return Ok(Refused::new("another-branch", format!("change {short} is for {at}, not {branch}"))
                .note("an approval holds for one branch; propose the change for this one too:")
                .about(&change)
                .command(self.propose(head, &self.push.targets()?)?));
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
                format!("change {} was proposed at an earlier commit; {} has more", change.short(), head.short()),
            )
            .note("approvals are for what was reviewed; make this its next revision and have it approved:")
            .command(format!("countersign revise {} {}", change.short(), self.push.range(head)))
            .about(&change));
        }
        let mut refused = Refused::new("no-change", format!("no change is proposed for {} on {branch}", head.short()));
        // A refusal is not worth another error.
        if let Some(change) = self.amended(&targets).unwrap_or_default() {
            let short = change.short();
            refused = refused
                .note(format!("change {short} is open, of the same branch and author; if this is it, amended, make it its next revision:"))
                .command(format!("countersign revise {short} {}", self.push.range(head)));
        }
        let refused = refused
            .note(format!("it would reach {}; propose it, have it approved, then push again:", list(&targets)))
            .command(self.propose(head, &targets)?);
        Ok(match self.rollback_instead(&targets) {
            Ok(Some(words)) => refused.note(words),
            // A refusal is not worth another error.
            Ok(None) | Err(_) => refused,
        })
    }

    /// That one signature brings back what ran before, where the push takes exactly the last landing back.
    fn rollback_instead(&self, targets: &BTreeSet<Target>) -> Result<Option<String>, GateError> {
        let (Push { gate, branch, old, new, .. }, now) = (self.push, (self.clock)());
        let Some((facts, names)) = self.facts() else { return Ok(None) };
        let (repository, branch) = (gate.config().repository.clone(), branch.branch.clone());
        let (base, head) = (old.clone(), new.clone());
        let subject = Subject::Git(GitSubject { repository, branch, base, head, delta: facts.delta });
        let (documents, by) = (Documents::default(), gate.config().actor()?);
        let preview = Preview::of(Kind::Code, targets.clone(), documents, subject, Some((facts, names)))?;
        let change = preview.change(&by, &*self.desk.governance()?, now)?;
        let found = self.desk.rollback_instead(&change, now)?;
        Ok(found.map(|found| instead_in_words(&found, targets)))
    }

    /// The command that proposes this push, with what rules ask to be said of such a change.
    fn propose(&self, head: &Oid, targets: &BTreeSet<Target>) -> Result<String, GateError> {
        let documents = documents_asked(&*self.desk.governance()?, targets, Kind::Code, (self.clock)());
        Ok(self.push.propose(head, targets, &documents))
    }

    /// The newest open change of this branch, by who made these commits, that begins where the push does or touches the same.
    fn amended(&self, targets: &BTreeSet<Target>) -> Result<Option<ChangeId>, GateError> {
        let Some((facts, names)) = self.facts() else { return Ok(None) };
        let mails: BTreeSet<&str> = names.people.values().map(|who| who.mail.as_str()).collect();
        let touched: BTreeSet<&str> = facts.paths.iter().map(|touched| touched.path.as_str()).collect();
        let is_it = |change: &Change| {
            let of_here = git_subject(change).filter(|subject| {
                subject.repository == self.push.gate.config().repository && subject.branch == self.push.branch.branch
            });
            let (Some(subject), Some(revision)) = (of_here, change.current()) else { return false };
            let same_paths = || revision.paths.iter().flatten().any(|path| touched.contains(path.path.as_str()));
            change.status.is_open()
                && revision.named.values().any(|who| mails.contains(who.mail.as_str()))
                && (subject.base == self.push.old || same_paths())
        };
        let mut found: Vec<Change> = Vec::new();
        for target in targets {
            found.extend(self.desk.open_on(target)?.into_iter().filter(is_it));
        }
        Ok(found.into_iter().max_by_key(|change| change.proposed_at).map(|change| change.id))
    }

    /// What the push brings, where that can be told.
    fn facts(&self) -> Option<(GitFacts, Identities)> {
        let Push { repository, gate, branch, old, new, .. } = self.push;
        let range = Range {
            repository: gate.config().repository.clone(),
            branch: branch.branch.clone(),
            base: old.clone(),
            head: new.clone(),
        };
        facts::facts(*repository, &range, &random::nonce()).ok()
    }

    /// A change that was proposed at a commit from which the push went on.
    fn overtaken(&self, head: &Oid) -> Result<Option<ChangeId>, GateError> {
        for earlier in self.push.repository.range(&self.push.old, head, LOOK_BACK + 1)?.iter().skip(1) {
            let changes = self.desk.changes_at(&self.push.gate.config().repository, earlier)?;
            if let Some(change) = changes.into_iter().next() {
                return Ok(Some(change.id));
            }
        }
        Ok(None)
    }

    /// Asks for the permits that this push needs, and opens each. All or none.
    ///
    /// Of several changes with the same delta and the same targets the oldest that may go suffices: whoever proposes once more
    /// what somebody else has had approved takes nothing away.
    pub fn ask(&mut self, found: &Found) -> Result<Vec<Opening>, GateError> {
        let needed = &found.targets;
        let mut missing = needed.clone();
        let (mut going, mut waiting, mut refused) = (Vec::new(), Vec::new(), None);
        for change in &found.changes {
            if change.targets.is_disjoint(&missing) {
                continue;
            }
            match self.goes(change) {
                Ok(true) => {
                    missing.retain(|target| !change.targets.contains(target));
                    going.push(change);
                }
                Ok(false) => waiting.push(change),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        waiting.retain(|change| !change.targets.is_disjoint(&missing));
        let mut openings = Vec::new();
        // Asking puts the denial into the log, with its reasons.
        let mut refusals = Vec::new();
        for change in waiting.iter().take(MAX_ASKED) {
            match self.permit(change) {
                Ok(opening) => openings.push(opening),
                Err(GateError::Refused(refused)) => refusals.push(*refused),
                Err(error) => return Err(error),
            }
        }
        if let Some(all) = Refused::all(refusals) {
            let more = waiting.len().saturating_sub(MAX_ASKED);
            let all = if more > 0 { all.note(format!("and {more} more changes are about this")) } else { all };
            return Err(all.into());
        }
        // What has the right content and is no landing of it says best why, where nothing else is there.
        if let Some(refused) = refused.filter(|_| !missing.is_empty() && openings.is_empty()) {
            return Err(refused);
        }
        for change in going {
            openings.push(self.permit(change)?);
        }
        self.covers(&openings, needed)?;
        if openings.len() < 2 { Ok(openings) } else { self.again(openings) }
    }

    /// Whether what was found lets the push go here and now, and no more has to be said.
    pub fn is_ready(&self, found: &Found) -> bool {
        let mut missing = found.targets.clone();
        for change in &found.changes {
            // What is wrong with it is said when it is asked for.
            if !change.targets.is_disjoint(&missing) && self.goes(change).unwrap_or(false) {
                missing.retain(|target| !change.targets.contains(target));
            }
        }
        missing.is_empty()
    }

    /// Whether the rules let a change go, here and now, if this push lands it.
    fn goes(&self, change: &Change) -> Result<bool, GateError> {
        if self.broken(change).is_some() {
            return self.lands(change).map(|()| true);
        }
        let judged = self.desk.judge(change, (self.clock)());
        let (_, judged) = judged.map_err(|error| self.refused(change, error))?;
        self.lands(change)?;
        Ok(match judged.decision.outcome {
            Outcome::Allow => true,
            Outcome::Deny => false,
        })
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
            .command(self.propose(self.push.candidates()?.last().unwrap_or(&self.push.new), &missing)?)
            .into())
    }

    /// Opens all of them by one state of the log. While a later permit was asked for the copy has moved on, and with it the
    /// earlier changes may have.
    pub fn again(&self, openings: Vec<Opening>) -> Result<Vec<Opening>, GateError> {
        openings.iter().map(|opening| self.open_permit(&opening.change().id, &opening.permit().statement)).collect()
    }

    /// Whether a gate that was opened a moment ago still opens: by the rules, with the stops and by the clock of now.
    pub fn still_opens(&self, opening: &Opening) -> Result<(), GateError> {
        let (change, permit) = (opening.change(), &opening.permit().statement);
        let change = self.desk.change(&change.id)?.unwrap_or_else(|| change.clone());
        let again = self.desk.open_permit(&change, permit, self.transition, (self.clock)());
        again.map(drop).map_err(|error| self.refused(&change, error))
    }

    /// What people have signed so that exactly this goes, whatever the rules say.
    fn broken(&self, change: &Change) -> Option<Digest> {
        self.desk.broken(change, self.transition, (self.clock)())
    }

    fn permit(&mut self, change: &Change) -> Result<Opening, GateError> {
        if let Some(permit) = self.broken(change) {
            return self.open_permit(&change.id, &permit);
        }
        let opening = self.desk.ask(change, self.transition, self.clock);
        self.opened(change, opening)
    }

    /// Opens the gate for a permit that somebody brought along.
    pub fn open_given(&self, permit: &[u8]) -> Result<Opening, GateError> {
        let (change, permit) = handed_over(permit).map_err(|refusal| Refused::of(&refusal))?;
        self.open_permit(&change, &permit)
    }

    /// Opens the gate for a permit that is in the log. The rules are asked again: somebody may have rejected the change since.
    pub fn open_permit(&self, change: &ChangeId, permit: &Digest) -> Result<Opening, GateError> {
        let Some(change) = self.desk.change(change)? else {
            let unknown = format!("the log knows nothing of change {}", change.short());
            return Err(Refused::new("permit-not-logged", unknown).into());
        };
        let opening = self.desk.open_permit(&change, permit, self.transition, (self.clock)());
        self.opened(&change, opening)
    }

    fn opened(&self, change: &Change, opening: Result<Opening, DeskError>) -> Result<Opening, GateError> {
        let opening = opening.map_err(|error| self.refused(change, error))?;
        // The revision may have changed since the push was compared with it.
        self.lands(opening.change())?;
        self.push.guidance(&opening.change().observed)?;
        Ok(opening)
    }

    pub fn refused(&self, change: &Change, error: DeskError) -> GateError {
        match error {
            DeskError::Denied(judged) => self.denied(change, &judged).into(),
            DeskError::Refused(refusal) => Refused::of(&refusal).about(&change.id).into(),
            DeskError::Speak(SpeakError::Client(ClientError::Refused { message, hint, .. })) => {
                let refused = Refused::new("no-permit", message).about(&change.id);
                hint.into_iter().fold(refused, Refused::note).into()
            }
            error => error.into(),
        }
    }

    /// Broken glass opens for one transition alone. Whoever is refused since the branch moved, or since they rebased, would not know why it
    /// does not hold.
    pub fn with_glass(&self, error: GateError) -> GateError {
        let GateError::Refused(refused) = error else { return error };
        let told = refused.of_change().cloned().and_then(|change| self.glass_of_another(&change));
        match told {
            Some((what, commands)) => commands.iter().fold(refused.note(what), Refused::command).into(),
            None => GateError::Refused(refused),
        }
    }

    fn glass_of_another(&self, change: &ChangeId) -> Option<(String, [String; 2])> {
        let change = self.desk.change(change).ok().flatten()?;
        let permit = self.desk.broken_for_another(&change, self.transition, (self.clock)())?;
        let blob = self.desk.blob(&permit.transition.digest).ok().flatten()?;
        let Transition::Git(signed) = Transition::read(&permit.transition, &blob).ok()? else { return None };
        let by: Vec<&str> = permit.broken.iter().flat_map(|broken| broken.by.keys()).map(ActorId::as_str).collect();
        let short = change.id.short();
        let what = format!(
            "{} broke the glass for it to go from {} to {}, and this push goes from {} to {}; where the branch has moved, on top of it:",
            by.join(" and "),
            signed.old.short(),
            signed.new.short(),
            self.push.old.short(),
            self.push.new.short()
        );
        let revise = format!("countersign revise {short} {}", self.push.range(&self.push.new));
        Some((what, [revise, format!("countersign break-glass {short} --why TEXT")]))
    }

    fn denied(&self, change: &Change, judged: &Judged) -> Refused {
        let title = self.title(change);
        let explained = Explained { decision: judged.decision.clone(), explanation: judged.explanation.clone() };
        let refused = Refused::by_rules("denied-by-rules", &explained, title.as_deref());
        judged.handed.iter().fold(refused, |refused, stop| refused.note(format!("handed to this gate: {stop}")))
    }

    /// The change's title, for whoever reads the refusal; it is not worth another error.
    fn title(&self, change: &Change) -> Option<String> {
        let text = self.desk.blob(&change.current()?.text).ok().flatten()?;
        ProposalText::parse(&text).ok().map(|text| text.title)
    }

    /// The push lands the change as it stands in the log, and the facts that people and rules judged by are those that the
    /// objects give here.
    pub fn lands(&self, change: &Change) -> Result<(), GateError> {
        let differ = |why: &str| {
            GateError::from(
                Refused::new(
                    "facts-differ",
                    format!("what change {} says of its commits is not what they are: {why}", change.id.short()),
                )
                .command(format!("countersign revise {} {}", change.id.short(), self.push.range(&self.push.new)))
                .about(&change.id),
            )
        };
        let Some(revision) = change.current() else { return Err(differ("it has no revision")) };
        let Some(GitSubject { base, head, .. }) = git_subject(change) else { return Err(differ("it is about files")) };
        let blob = |named: Option<Digest>, missing: &str| -> Result<Vec<u8>, GateError> {
            let brought = named.and_then(|digest| self.brought.get(&digest).cloned());
            let asked = || named.map(|digest| self.desk.blob(&digest)).transpose();
            let bytes = match brought {
                Some(bytes) => Some(bytes),
                None => asked()?.flatten(),
            };
            bytes.ok_or_else(|| differ(missing))
        };
        let facts = blob(revision.facts, "its facts are missing")?;
        let identities = blob(revision.identities_blob, "the names in its commits were erased")?;
        let (said, names) = (GitFacts::parse(&facts), Identities::parse(&identities));
        let (said, names) = (said.map_err(|e| differ(&e.to_string()))?, names.map_err(|e| differ(&e.to_string()))?);
        let named = Named { change: &change.id, base, head, salt: &names.salt };
        let (facts, identities) = self.push.examine(&named)?;
        if said == facts && names == identities {
            return Ok(());
        }
        Err(differ(difference(&said, &facts)))
    }
}

fn git_subject(change: &Change) -> Option<&GitSubject> {
    match change.current().map(|revision| &revision.subject) {
        Some(Subject::Git(subject)) => Some(subject),
        Some(Subject::Files(_) | Subject::Governance(_)) | None => None,
    }
}

fn difference(said: &GitFacts, here: &GitFacts) -> &'static str {
    let parts = [
        (said.version == here.version, "they were extracted by another version"),
        (said.base == here.base, "its base is another"),
        (said.head == here.head, "its head is another"),
        (said.delta == here.delta && said.tree == here.tree, "its content is another"),
        (said.paths == here.paths, "its paths are others"),
        (said.steps == here.steps, "what its commits bring one by one is another"),
        (said.identities == here.identities, "the people whom the commits name are others"),
        (said.ai == here.ai, "the signs of AI assistance are others"),
        (said.guidance == here.guidance, "the cited documents are others"),
    ];
    parts.into_iter().find(|(same, _)| !same).map_or("the names differ", |(_, what)| what)
}

fn list(targets: &BTreeSet<Target>) -> String {
    targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
