//! Admission of statements about a change.

use std::collections::BTreeSet;

use countersign_ledger::{Fingerprint, Time};

use super::{Authenticated, governance::unknown_target, person, server};
use crate::{
    catalog::ActorKind,
    change::{Change, Found, PermitRecord},
    decision::{Outcome, Strength},
    facts::Role,
    governance::{Governance, Signer},
    ids::{ActorId, GateId, Target},
    kind::MAX_INCIDENT_CHARS,
    permit::{self, MAX_PERMIT_SECS},
    refusal::Refusal,
    state::State,
    statement::{
        Approval, Body, Decided, Disclosure, Identification, IdentityVerdict, MAX_LIST, MAX_TARGETS, NewRevision,
        OutcomeReport, OutcomeResult, PermitGrant, PermitRequest, Proposal, Rejection, RejectionLift, RevisionRef,
        Waiver, change_stream,
    },
    subject::{FilesSubject, GitSubject, MAX_COMMAND_WORDS, MAX_FILES, Subject},
    take,
};

pub(super) fn proposal(
    state: &State,
    authenticated: &Authenticated<'_>,
    proposal: &Proposal,
    found: &Found,
) -> Result<(), Refusal> {
    may_contribute(&state.governance, authenticated, proposal.sponsor.as_ref())?;
    targets(&state.governance, &proposal.targets)?;
    if !proposal.purpose.names_its_incident() {
        return Err(Refusal::malformed(
            "incident-name",
            format!("an incident's name is 1 to {MAX_INCIDENT_CHARS} letters, digits and `-_.#/`"),
        )
        .hint("name it as the tool that keeps incidents does: --incident INC-4711; why goes into --why"));
    }
    subject(found)
}

pub(super) fn about(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    found: &Found,
    now: Time,
) -> Result<(), Refusal> {
    let governance = &*state.governance;
    let body = &authenticated.statement().body;
    match body {
        // The gate's account of what happened is taken whatever became of the change meanwhile.
        Body::OutcomeReport(report) => return outcome(change, authenticated, report, now),
        Body::Genesis(_)
        | Body::Publication(_)
        | Body::KeyRevocation(_)
        | Body::GateRegistration(_)
        | Body::Erasure(_)
        | Body::Proposal(_) => {
            return Err(Refusal::malformed("not-about-a-change", "the statement is not about a change"));
        }
        Body::NewRevision(_)
        | Body::Approval(_)
        | Body::Rejection(_)
        | Body::RejectionLift(_)
        | Body::Withdrawal(_)
        | Body::Disclosure(_)
        | Body::Waiver(_)
        | Body::Identification(_)
        | Body::GuidanceObservation(_)
        | Body::PermitRequest(_)
        | Body::Decided(_)
        | Body::PermitGrant(_) => {}
    }
    if !change.status.is_open() {
        return Err(Refusal::conflict(
            "change-closed",
            format!("change {} is {}; nothing more can be said about it", change.id, change.status.as_str()),
        )
        .hint("propose a new change: countersign propose …"));
    }
    if let Some((_, revision)) = body.about() {
        current_revision(change, revision)?;
    }
    match body {
        Body::NewRevision(revision) => new_revision(governance, change, authenticated, revision, found),
        Body::Approval(approval) => self::approval(governance, change, authenticated, approval),
        Body::Rejection(rejection) => self::rejection(authenticated, change, rejection),
        Body::RejectionLift(lift) => self::lift(authenticated, change, lift),
        Body::Withdrawal(_) => withdrawal(authenticated, change),
        Body::Disclosure(disclosure) => self::disclosure(governance, change, authenticated, disclosure),
        Body::Waiver(waiver) => self::waiver(governance, change, authenticated, waiver),
        Body::Identification(said) => identification(governance, change, authenticated, said),
        Body::PermitRequest(request) => permit_request(state, change, authenticated, request, found),
        Body::GuidanceObservation(_) => server(authenticated),
        Body::Decided(decided) => server(authenticated).and_then(|()| self::decided(state, change, decided, now)),
        Body::PermitGrant(grant) => server(authenticated).and_then(|()| permit(state, change, grant, now)),
        Body::Genesis(_)
        | Body::Publication(_)
        | Body::KeyRevocation(_)
        | Body::GateRegistration(_)
        | Body::Proposal(_)
        | Body::OutcomeReport(_)
        | Body::Erasure(_) => Ok(()),
    }
}

fn current_revision(change: &Change, revision: &RevisionRef) -> Result<(), Refusal> {
    match change.current_ref() {
        Some(current) if current == *revision => Ok(()),
        Some(current) if current.number == revision.number => Err(Refusal::conflict(
            "stale-revision",
            format!(
                "the statement is about a revision {} that change {} never had: its digest is {}, not {}",
                revision.number, change.id, current.digest, revision.digest
            ),
        )
        .hint(format!("look at what is there, then sign again: countersign show {}", change.id))),
        Some(current) => Err(Refusal::conflict(
            "stale-revision",
            format!(
                "the statement is about revision {} of change {}, which now has revision {}",
                revision.number, change.id, current.number
            ),
        )
        .hint(format!("look at what changed, then sign again: countersign show {}", change.id))),
        None => Err(Refusal::conflict("change-damaged", format!("change {} has no revision", change.id))),
    }
}

/// Anybody known may contribute; a person answers for an agent and for a workload, or whoever steers one could propose by
/// it and be the second pair of eyes themselves.
fn may_contribute(
    governance: &Governance,
    authenticated: &Authenticated<'_>,
    sponsor: Option<&ActorId>,
) -> Result<(), Refusal> {
    match (authenticated.signer(), sponsor) {
        (Signer::Actor { .. }, Some(sponsor)) => known_person(governance, sponsor),
        (Signer::Actor { kind: ActorKind::Person, .. }, None) => Ok(()),
        (Signer::Actor { kind: kind @ (ActorKind::Agent | ActorKind::Workload), id }, None) => Err(Refusal::forbidden(
            "sponsor-missing",
            format!("{id} is {}; a person has to answer for what it proposes", kind.with_article()),
        )
        .hint("name the person: --sponsor PERSON")),
        (Signer::Gate(_) | Signer::Server, _) => {
            Err(Refusal::forbidden("cannot-propose", "a gate or the server proposes nothing"))
        }
    }
}

fn known_person(governance: &Governance, person: &ActorId) -> Result<(), Refusal> {
    match governance.person(person) {
        Some(_) => Ok(()),
        None => Err(Refusal::unknown("unknown-person", format!("the catalog has no person `{person}`"))),
    }
}

fn targets(governance: &Governance, targets: &BTreeSet<Target>) -> Result<(), Refusal> {
    if targets.is_empty() || targets.len() > MAX_TARGETS {
        return Err(Refusal::malformed("targets", format!("a change has 1 to {MAX_TARGETS} targets"))
            .hint("name them: --target SYSTEM/ENVIRONMENT"));
    }
    for target in targets {
        governance.catalog.target(target).map_err(unknown_target)?;
    }
    Ok(())
}

/// The subject says what its facts say. That the facts are true is for the gate to check, which has the objects.
fn subject(found: &Found) -> Result<(), Refusal> {
    match (&found.subject, &found.facts) {
        (Some(Subject::Git(GitSubject { repository, branch, base, head, delta })), Some(facts)) => {
            let same = facts.repository == *repository
                && facts.branch == *branch
                && facts.base == *base
                && facts.head == *head
                && facts.delta == *delta;
            if !same {
                return Err(Refusal::malformed(
                    "facts-mismatch",
                    "the facts are about another subject than the change",
                ));
            }
            if !branch.starts_with("refs/heads/") {
                return Err(Refusal::malformed("branch-name", format!("`{branch}` is not a branch in full"))
                    .hint("for example refs/heads/main"));
            }
            Ok(())
        }
        (Some(Subject::Git(_)), None) => {
            Err(Refusal::malformed("facts-missing", "a change of a git range carries the facts of that range"))
        }
        (Some(Subject::Files(FilesSubject { files, executable, command })), None) => {
            if files.is_empty() || files.len() > MAX_FILES {
                return Err(Refusal::malformed("files", format!("a change of files has 1 to {MAX_FILES} files")));
            }
            if let Some(name) = executable.iter().find(|name| !files.contains_key(*name)) {
                return Err(Refusal::malformed(
                    "files",
                    format!("`{name}` is to be run, and is no file of the change"),
                ));
            }
            match command {
                Some(words) if words.is_empty() || words.len() > MAX_COMMAND_WORDS => {
                    Err(Refusal::malformed("command", format!("a command has 1 to {MAX_COMMAND_WORDS} words")))
                }
                Some(_) => Ok(()),
                // No gate takes files but the one that runs a command over them.
                None => Err(Refusal::malformed(
                    "no-command",
                    "a change of files says by which command they are applied, or no gate could ever let it through",
                )
                .hint("add --command 'COMMAND', the command that `countersign apply` will run over these files")),
            }
        }
        (Some(Subject::Files(_)), Some(_)) => {
            Err(Refusal::malformed("facts-mismatch", "a change of files carries no facts of a git range"))
        }
        (None, _) => Err(Refusal::unknown("blob-missing", "the subject is missing")),
    }
}

fn new_revision(
    governance: &Governance,
    change: &Change,
    authenticated: &Authenticated<'_>,
    revision: &NewRevision,
    found: &Found,
) -> Result<(), Refusal> {
    may_contribute(governance, authenticated, revision.sponsor.as_ref())?;
    subject(found)?;
    // A rejection is not shaken off by a revision of the same content.
    let same = change
        .current()
        .is_some_and(|current| current.subject.reference().is_ok_and(|reference| reference == revision.subject));
    match change.standing_rejections().next().filter(|_| same) {
        Some(rejection) => Err(Refusal::conflict(
            "rejected",
            format!("{} rejected this content, and the revision brings it again", rejection.by),
        )
        .hint(format!("change what was rejected, or have {} lift the rejection", rejection.by))),
        None => Ok(()),
    }
}

/// What is said for the change's targets names them as they are: it stands in their streams.
fn its_targets(change: &Change, targets: &BTreeSet<Target>) -> Result<(), Refusal> {
    if *targets == change.targets {
        return Ok(());
    }
    Err(Refusal::conflict(
        "another-subject",
        format!("the statement names other targets than change {} has", change.id),
    ))
}

/// Refuses whoever had a hand in the change.
fn no_contributor(governance: &Governance, change: &Change, person: &ActorId, what: &str) -> Result<(), Refusal> {
    let contributors = take::contributors(governance, change);
    if contributors.all.contains(person) {
        let reason = if contributors.claimed.contains(person) {
            "a commit names them as co-author"
        } else {
            "they had a hand in it"
        };
        return Err(Refusal::forbidden(
            "contributor",
            format!("{person} cannot {what} change {}: {reason}", change.id),
        )
        .hint("the second pair of eyes is somebody who is no contributor; see who in: countersign show CHANGE"));
    }
    Ok(())
}

fn approval(
    governance: &Governance,
    change: &Change,
    authenticated: &Authenticated<'_>,
    approval: &Approval,
) -> Result<(), Refusal> {
    let by = person(authenticated, "approve")?;
    no_contributor(governance, change, &by, "approve")?;
    let reviewed = change.current().map(|revision| revision.subject.reference()).transpose()?;
    if reviewed.as_ref() != Some(&approval.reviewed) || approval.targets != change.targets {
        return Err(Refusal::conflict(
            "another-subject",
            "the approval is for other targets or another subject than the revision's",
        ));
    }
    let again = change.approvals.iter().any(|a| a.by == by && a.revision == approval.revision);
    if again {
        return Err(Refusal::conflict("already-approved", format!("{by} has already approved this revision")));
    }
    Ok(())
}

fn rejection(authenticated: &Authenticated<'_>, change: &Change, rejection: &Rejection) -> Result<(), Refusal> {
    let by = person(authenticated, "reject")?;
    its_targets(change, &rejection.targets)?;
    if change.standing_rejections().any(|r| r.by == by && r.revision == rejection.revision) {
        return Err(Refusal::conflict("already-rejected", format!("{by} has already rejected this revision")));
    }
    Ok(())
}

fn lift(authenticated: &Authenticated<'_>, change: &Change, lift: &RejectionLift) -> Result<(), Refusal> {
    let by = person(authenticated, "lift a rejection")?;
    its_targets(change, &lift.targets)?;
    if change.standing_rejections().any(|r| r.by == by) {
        return Ok(());
    }
    Err(Refusal::forbidden("not-yours", format!("no rejection by {by} stands; only who rejected can lift it")))
}

fn withdrawal(authenticated: &Authenticated<'_>, change: &Change) -> Result<(), Refusal> {
    let by = &authenticated.statement().header.by;
    let theirs = change.revisions.iter().any(|r| r.by == *by || r.sponsor.as_ref() == Some(by));
    if theirs {
        return Ok(());
    }
    Err(Refusal::forbidden("not-yours", format!("{by} has not proposed change {}", change.id))
        .hint("to stop somebody else's change, reject it: countersign reject CHANGE --why …"))
}

fn disclosure(
    governance: &Governance,
    change: &Change,
    authenticated: &Authenticated<'_>,
    disclosure: &Disclosure,
) -> Result<(), Refusal> {
    let by = &authenticated.statement().header.by;
    let contributors = take::contributors(governance, change);
    // Where names were erased nobody can tell any more; who discloses says of themselves that they had a hand in it.
    let nobody_can_tell =
        change.names_are_erased() || (governance.profiles_are_erased() && !contributors.unmapped.is_empty());
    if !nobody_can_tell && !contributors.all.contains(by) {
        return Err(Refusal::forbidden("not-a-contributor", format!("{by} had no hand in change {}", change.id))
            .hint("who made the change says how it was made"));
    }
    let long = |text: &String| text.is_empty() || text.len() > 200;
    let lists = [&disclosure.tools, &disclosure.guidance];
    if lists.iter().any(|list| list.len() > MAX_LIST || list.iter().any(long)) {
        return Err(Refusal::malformed(
            "disclosure",
            format!("at most {MAX_LIST} entries of 1 to 200 characters each"),
        ));
    }
    disclosure.prompted_by.iter().try_for_each(|person| known_person(governance, person))
}

fn waiver(
    governance: &Governance,
    change: &Change,
    authenticated: &Authenticated<'_>,
    waiver: &Waiver,
) -> Result<(), Refusal> {
    let by = person(authenticated, "waive a rule")?;
    no_contributor(governance, change, &by, "waive a rule for")?;
    let rule = governance.rules.iter().find(|rule| rule.id == waiver.rule).ok_or_else(|| {
        let known: Vec<_> = governance.rules.iter().map(|rule| rule.id.as_str()).collect();
        Refusal::unknown("unknown-rule", format!("there is no rule `{}`", waiver.rule))
            .hint(format!("the rules in force are {}", known.join(", ")))
    })?;
    match rule.strength {
        Strength::Waivable => {}
        Strength::Mandatory => {
            return Err(Refusal::forbidden("not-waivable", format!("rule `{}` cannot be waived", rule.id))
                .hint("satisfy it; what it asks for: countersign show CHANGE"));
        }
    }
    match governance.person(&by) {
        Some(actor) if actor.level.is_senior() => Ok(()),
        Some(_) | None => Err(Refusal::forbidden("senior-needed", format!("{by} is no senior; a senior waives rules"))),
    }
}

fn identification(
    governance: &Governance,
    change: &Change,
    authenticated: &Authenticated<'_>,
    said: &Identification,
) -> Result<(), Refusal> {
    let by = person(authenticated, "say who an identity is")?;
    no_contributor(governance, change, &by, "identify people in")?;
    let mut found = change
        .revisions
        .iter()
        .flat_map(|revision| &revision.identities)
        .filter(|identity| identity.reference == said.identity)
        .peekable();
    if found.peek().is_none() {
        return Err(Refusal::unknown(
            "unknown-identity",
            format!("no commit of change {} names identity {}", change.id, said.identity),
        ));
    }
    let name = change.revisions.iter().find_map(|revision| revision.named.get(&said.identity));
    let mapped = name.and_then(|who| governance.catalog.person_by_mail(&who.mail)).map(|actor| actor.id.clone());
    let only_claimed = found.all(|identity| identity.roles.iter().all(|role| *role == Role::CoAuthor));
    match &said.verdict {
        IdentityVerdict::Is(actor) if mapped.is_none() => match governance.catalog.actors.get(actor) {
            Some(_) => Ok(()),
            None => Err(Refusal::unknown("unknown-person", format!("the catalog has no `{actor}`"))),
        },
        IdentityVerdict::Automation if mapped.is_none() => Ok(()),
        IdentityVerdict::Is(_) | IdentityVerdict::Automation => {
            Err(Refusal::conflict("already-mapped", format!("the catalog already says who {} is", said.identity)))
        }
        IdentityVerdict::NotInvolved if !only_claimed => Err(Refusal::forbidden(
            "not-a-claim",
            "an author or committer cannot be cleared; only a co-author whom nothing but a trailer names",
        )),
        IdentityVerdict::NotInvolved if mapped.as_ref() == Some(&by) => {
            Err(Refusal::forbidden("third-person", "nobody clears themselves; a third person does"))
        }
        IdentityVerdict::NotInvolved => Ok(()),
    }
}

fn permit_request(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    request: &PermitRequest,
    found: &Found,
) -> Result<(), Refusal> {
    // Who runs `apply` is the gate; a registered gate asks for itself, or somebody asks for it and hands the permit on.
    let audience = match authenticated.signer() {
        Signer::Actor { .. } if request.gate.is_its_runners() => authenticated.signed_with().key.clone(),
        Signer::Actor { .. } => guarding(state, change, &request.gate)?,
        Signer::Gate(gate) if *gate == request.gate => guarding(state, change, gate)?,
        Signer::Gate(id) => return Err(not_that_gate(id.as_str(), &request.gate)),
        Signer::Server => return Err(not_that_gate("the server", &request.gate)),
    };
    if request.audience != audience {
        return Err(Refusal::forbidden(
            "another-audience",
            format!("gate {} has key {audience}, not {}", request.gate, request.audience),
        ));
    }
    not_running(change)?;
    match &found.transition {
        Some(transition) => change.fits(transition),
        None => Err(Refusal::unknown("blob-missing", "the transition is missing")),
    }
}

/// What is being put into production is not put there a second time at once, on another machine or by somebody else.
fn not_running(change: &Change) -> Result<(), Refusal> {
    let Some(permit) = change.running() else { return Ok(()) };
    let since = permit.reported_at.map(|at| format!(" at {at}")).unwrap_or_default();
    let short = change.id.short();
    Err(Refusal::conflict(
        "already-applying",
        format!(
            "change {} is being applied: gate {} with key {} started it{since}, and has not said how it ended",
            change.id, permit.gate, permit.audience
        ),
    )
    .hint(format!(
        "wait until it ends. Where it was cut off, whoever ran it says so: countersign apply --resume {short}; where they \
         cannot, a new revision can be approved and applied"
    )))
}

/// The key of a registered gate that guards a target of the change and was not revoked.
fn guarding(state: &State, change: &Change, gate: &GateId) -> Result<Fingerprint, Refusal> {
    let record = state.gate(gate)?.ok_or_else(|| {
        Refusal::unknown("unknown-gate", format!("there is no gate `{gate}`"))
            .hint("register it: countersign gate install REPO …")
    })?;
    if !change.targets.iter().any(|target| record.targets.contains(target)) {
        return Err(Refusal::forbidden("another-gate", format!("gate {gate} guards none of the targets")));
    }
    record.key().ok_or_else(|| Refusal::forbidden("key-revoked", format!("the key of gate {gate} was revoked")))
}

fn not_that_gate(who: &str, gate: &GateId) -> Refusal {
    Refusal::forbidden("another-gate", format!("{who} is not gate {gate}"))
}

/// A server could otherwise say that it decided before a review ran out or a freeze began, or from streams of which it
/// leaves the end out.
fn decided(state: &State, change: &Change, decided: &Decided, now: Time) -> Result<(), Refusal> {
    if decided.decided_at != now {
        return Err(Refusal::malformed("decision-time", "the decision says another time than it was admitted at"));
    }
    let request = change.requested.as_ref().filter(|request| request.statement == decided.request);
    let Some(request) = request else {
        return Err(Refusal::malformed("not-asked", "the decision answers no request, or another than the last one"));
    };
    let inputs = change.inputs(Some(&request.gate))?;
    if !decided.heads.keys().eq(&inputs) || !state.heads_agree(&decided.heads)? {
        return Err(Refusal::malformed(
            "other-heads",
            "the decision names other heads of its streams than stood there",
        ));
    }
    if decided.semantics != state.governance.record.semantics.number() {
        return Err(Refusal::malformed(
            "other-semantics",
            format!(
                "the decision was taken by semantics {}, in force are {}",
                decided.semantics,
                state.governance.record.semantics.number()
            ),
        ));
    }
    Ok(())
}

fn permit(state: &State, change: &Change, grant: &PermitGrant, now: Time) -> Result<(), Refusal> {
    let decision = change.decisions.last().filter(|decision| {
        decision.decision == grant.decision && decision.revision == grant.revision && decision.outcome == Outcome::Allow
    });
    let Some(decision) = decision else {
        return Err(Refusal::forbidden("not-decided", "the permit names no decision that allows this revision"));
    };
    let request = &decision.request;
    if grant.gate != request.gate || grant.audience != request.audience || grant.transition != request.transition {
        return Err(Refusal::forbidden("not-asked", "the permit is for something else than was asked for"));
    }
    // Nothing was said in between: a rejection, a revocation or other rules would not have been looked at. The decision
    // itself is the one leaf that its own stream has more.
    let own = change_stream(&change.id)?;
    let mut heads = decision.heads.clone();
    let inputs = change.inputs(Some(&request.gate))?;
    let decided_from = heads.remove(&own);
    let own_head = state.head(&own)?;
    let next = decided_from.is_some_and(|head| head.next_seq.saturating_add(1) == own_head.next_seq);
    if !next || !decision.heads.keys().eq(&inputs) || !state.heads_agree(&heads)? {
        return Err(Refusal::conflict("decision-overtaken", "the permit stands on a decision that was overtaken"));
    }
    let lease = grant.expires_at.secs_since(grant.issued_at);
    if grant.issued_at > now || lease <= 0 || lease > MAX_PERMIT_SECS || grant.targets != change.targets {
        return Err(Refusal::malformed("permit-shape", "the permit's times or targets are not as they should be"));
    }
    Ok(())
}

fn outcome(
    change: &Change,
    authenticated: &Authenticated<'_>,
    report: &OutcomeReport,
    now: Time,
) -> Result<(), Refusal> {
    its_targets(change, &report.targets)?;
    let Some(permit) = change.permits.iter().find(|permit| permit.statement == report.permit) else {
        return Err(Refusal::unknown(
            "unknown-permit",
            format!("change {} has no permit {}", change.id, report.permit),
        ));
    };
    if permit.audience != authenticated.signed_with().key || permit.revision != report.revision {
        return Err(Refusal::forbidden("another-gate", "the outcome is for another gate's permit or another revision"));
    }
    match (permit.outcome, report.result) {
        // It is asked before anything runs: one permit starts once, one change is started by one permit at a time, and only
        // as it stands.
        (None, OutcomeResult::Started) => may_start(change, permit, now),
        (None, OutcomeResult::Applied | OutcomeResult::Failed)
        | (Some(OutcomeResult::Started), OutcomeResult::Applied | OutcomeResult::Failed) => Ok(()),
        (Some(known), said) => Err(Refusal::conflict(
            "already-reported",
            format!("the permit's outcome is already {known}; it cannot become {said}"),
        )),
    }
}

/// Whether a permit may be started now.
fn may_start(change: &Change, permit: &PermitRecord, now: Time) -> Result<(), Refusal> {
    not_running(change)?;
    if !change.status.is_open() {
        return Err(Refusal::conflict(
            "change-closed",
            format!("change {} is {}; nothing of it is started any more", change.id, change.status.as_str()),
        ));
    }
    if change.current_ref() != Some(permit.revision) {
        return Err(Refusal::conflict(
            "stale-revision",
            format!(
                "the permit is for revision {} of change {}, which has a newer one",
                permit.revision.number, change.id
            ),
        )
        .hint("try again, so that a new permit is asked for"));
    }
    if let Some(rejection) = change.standing_rejections().next() {
        return Err(Refusal::conflict("rejected", format!("{} has rejected change {}", rejection.by, change.id)));
    }
    permit::still_good(permit, now)
}
