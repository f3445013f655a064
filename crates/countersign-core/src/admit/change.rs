//! Admission of statements about a change.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::{
    Authenticated, delegation, evidence,
    files::files,
    glass,
    governance::unknown_target,
    label, outage, permit, person, publication, schedule,
    second::{may_grant, no_contributor},
    server,
};
use crate::{
    catalog::ActorKind,
    change::{ApprovalRecord, Aside, Change, Found},
    decision::Strength,
    facts::Role,
    governance::{Governance, Signer},
    ids::{ActorId, ChangeId, Target},
    kind::{MAX_INCIDENT_CHARS, MAX_SOURCE_CHARS},
    newcomers,
    refusal::Refusal,
    state::{State, TargetRejection},
    statement::{
        Approval, Body, Comment, Disclosure, Identification, IdentityVerdict, MAX_LIST, MAX_TARGETS, NewRevision,
        Proposal, Rejection, RejectionLift, RejectionSetAside, RevisionRef, Waiver,
    },
    subject::{GitSubject, Subject},
    take,
};

/// How many rejections of one person stand on targets that they do not own.
pub const MAX_REJECTIONS: usize = 5;
/// How many comments of one actor a change takes, and how many in all: each is a leaf.
pub const MAX_COMMENTS: usize = 50;
pub const MAX_ALL_COMMENTS: usize = 500;
/// How long a rejection has stood before others can set it aside.
const ASIDE_AFTER_SECS: i64 = 24 * 60 * 60;

pub(super) fn proposal(
    state: &State,
    authenticated: &Authenticated<'_>,
    proposal: &Proposal,
    found: &Found,
) -> Result<(), Refusal> {
    may_contribute(&state.governance, authenticated, proposal.sponsor.as_ref())?;
    if !publication::governs(&proposal.targets) {
        targets(&state.governance, &proposal.targets)?;
    }
    if !proposal.purpose.names_its_incident() {
        return Err(Refusal::malformed(
            "incident-name",
            format!("an incident's name is 1 to {MAX_INCIDENT_CHARS} letters, digits and `-_.#/`"),
        )
        .hint("name it as the tool that keeps incidents does: --incident INC-4711; why goes into --why"));
    }
    if !proposal.purpose.names_its_source() {
        return Err(Refusal::malformed(
            "source-name",
            format!(
                "a branch that a change comes from is named in 1 to {MAX_SOURCE_CHARS} letters, digits and `-_.#/+@`"
            ),
        )
        .hint("name it as git does, without refs/heads/: --source release/2026-04; or leave it out"));
    }
    subject(found)?;
    publication::fits_its_targets(authenticated, proposal.kind, &proposal.targets, found)
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
        Body::OutcomeReport(report) => return permit::outcome(state, change, authenticated, report, now),
        // As is what it let happen in an outage.
        Body::LocalPermit(said) => return outage::admit(state, change, authenticated, said, found, now),
        // What was rejected follows its content, whatever became of this change; so does the lifting.
        Body::Rejection(rejection) => return self::rejection(state, authenticated, change, rejection),
        Body::RejectionLift(lift) => return self::lift(state, authenticated, change, lift),
        // What is remarked may be of an earlier revision.
        Body::Comment(comment) => return self::comment(authenticated, change, comment),
        Body::Genesis(_)
        | Body::KeyRevocation(_)
        | Body::RevocationConfirmation(_)
        | Body::KeyRotation(_)
        | Body::Freeze(_)
        | Body::FreezeLift(_)
        | Body::CalendarFetched(_)
        | Body::Drill(_)
        | Body::Away(_)
        | Body::Back(_)
        | Body::Delegation(_)
        | Body::DelegationEnd(_)
        | Body::Recovery(_)
        | Body::GateRegistration(_)
        | Body::Erasure(_)
        | Body::Epoch(_)
        | Body::Finding(_)
        | Body::FindingAnswer(_)
        | Body::Proposal(_) => {
            return Err(Refusal::malformed("not-about-a-change", "the statement is not about a change"));
        }
        Body::Publication(_)
        | Body::NewRevision(_)
        | Body::Approval(_)
        | Body::RejectionSetAside(_)
        | Body::Withdrawal(_)
        | Body::ApprovalWithdrawal(_)
        | Body::Label(_)
        | Body::Schedule(_)
        | Body::Evidence(_)
        | Body::Disclosure(_)
        | Body::Waiver(_)
        | Body::Identification(_)
        | Body::GuidanceObservation(_)
        | Body::PermitRequest(_)
        | Body::Decided(_)
        | Body::PermitGrant(_)
        | Body::BreakGlass(_) => {}
    }
    if !change.status.is_open() {
        return Err(closed(change));
    }
    if let Some((_, revision)) = body.about() {
        current_revision(change, revision)?;
    }
    schedule::is_alive(governance, change, body, now)?;
    match body {
        Body::NewRevision(revision) => new_revision(governance, change, authenticated, revision, found),
        Body::Publication(publication) => publication::of_change(state, change, authenticated, publication, now),
        Body::Approval(approval) => self::approval(state, change, authenticated, approval, now),
        Body::RejectionSetAside(said) => set_aside(state, authenticated, change, said, now),
        Body::Withdrawal(_) => withdrawal(authenticated, change),
        Body::ApprovalWithdrawal(_) => approval_withdrawal(authenticated, change),
        Body::Evidence(said) => evidence::admit(governance, change, authenticated, said),
        Body::Label(said) => label::admit(state, change, authenticated, said, now),
        Body::Schedule(said) => schedule::admit(governance, change, authenticated, said, now),
        Body::Disclosure(disclosure) => self::disclosure(governance, change, authenticated, disclosure),
        Body::Waiver(waiver) => self::waiver(state, change, authenticated, waiver, now),
        Body::Identification(said) => identification(governance, change, authenticated, said),
        Body::PermitRequest(request) => permit::request(state, change, authenticated, request, found, now),
        Body::GuidanceObservation(_) => server(authenticated),
        Body::Decided(decided) => server(authenticated).and_then(|()| permit::decided(state, change, decided, now)),
        Body::PermitGrant(grant) => server(authenticated).and_then(|()| permit::grant(state, change, grant, now)),
        Body::BreakGlass(said) => glass::admit(state, change, authenticated, said, found, now),
        Body::Genesis(_)
        | Body::KeyRevocation(_)
        | Body::RevocationConfirmation(_)
        | Body::KeyRotation(_)
        | Body::Freeze(_)
        | Body::FreezeLift(_)
        | Body::CalendarFetched(_)
        | Body::Drill(_)
        | Body::Away(_)
        | Body::Back(_)
        | Body::Delegation(_)
        | Body::DelegationEnd(_)
        | Body::Recovery(_)
        | Body::GateRegistration(_)
        | Body::Proposal(_)
        | Body::Rejection(_)
        | Body::RejectionLift(_)
        | Body::Comment(_)
        | Body::LocalPermit(_)
        | Body::OutcomeReport(_)
        | Body::Erasure(_)
        | Body::Epoch(_)
        | Body::Finding(_)
        | Body::FindingAnswer(_) => Ok(()),
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
        (Some(Subject::Files(subject)), None) => files(subject),
        (Some(Subject::Governance(_)), None) => Ok(()),
        (Some(Subject::Files(_) | Subject::Governance(_)), Some(_)) => {
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
    // A rejection stands over it, whatever it brings, and is of it from then on.
    if revision.targets.is_empty() && !change.rejected_on().is_empty() {
        return Err(Refusal::conflict(
            "rejection-stands",
            format!("a rejection of change {} stands, and the revision does not name the targets on which it stands over it", change.id),
        )
        .hint(format!("look at what was said, then sign again: countersign show {}", change.id.short())));
    }
    if !revision.targets.is_empty() {
        its_targets(change, &revision.targets)?;
    }
    subject(found)?;
    publication::fits_its_targets(authenticated, change.kind, &change.targets, found)
}

/// What is said for the change's targets names them as they are: it stands in their streams.
pub(super) fn its_targets(change: &Change, targets: &BTreeSet<Target>) -> Result<(), Refusal> {
    if *targets == change.targets {
        return Ok(());
    }
    Err(Refusal::conflict(
        "another-subject",
        format!("the statement names other targets than change {} has", change.id),
    ))
}

fn approval(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    approval: &Approval,
    now: Time,
) -> Result<(), Refusal> {
    let by = person(authenticated, "approve")?;
    may_grant(state, change, &by, "approve", now)?;
    let short = change.id.short();
    if change.standing_rejections().any(|rejection| rejection.by == by) {
        return Err(Refusal::conflict("your-rejection-stands", format!("{by} has rejected change {}", change.id))
            .hint(format!("take the rejection back first: countersign reject {short} --lift")));
    }
    let others = others_rejections(state, change)?;
    if let Some(other) = rejected_elsewhere(&others, change, &by)? {
        return Err(Refusal::conflict(
            "your-rejection-stands",
            format!("{by} has rejected in change {other} what change {} brings", change.id),
        )
        .hint(format!("take that rejection back first: countersign reject {other} --lift")));
    }
    if change.has_set_aside(&by) || others.iter().any(|r| r.aside.iter().any(|a| a.by == by)) {
        return Err(Refusal::forbidden(
            "set-aside",
            format!("{by} has set a rejection of change {} aside, and does not approve it besides", change.id),
        )
        .hint(format!("somebody else approves; see who in: countersign show {short}")));
    }
    if !state.governance.catalog.settings.counts(approval.seen) {
        return Err(Refusal::forbidden("unseen", "an approval without the content at hand does not count here")
            .hint(format!("look at what you approve: countersign review {short}; of what the server does not have, with --git REPO or --file PATH")));
    }
    let reviewed = change.current().map(|revision| revision.subject.reference()).transpose()?;
    if reviewed.as_ref() != Some(&approval.reviewed) || approval.targets != change.targets {
        return Err(Refusal::conflict(
            "another-subject",
            "the approval is for other targets or another subject than the revision's",
        ));
    }
    schedule::is_as_seen(change, approval.within.as_ref())?;
    // What was said before a cut is said again, with a key that holds no more, or of another time.
    let epoch = authenticated.statement().header.epoch;
    let before = |a: &&ApprovalRecord| a.by == by && a.revision == approval.revision && a.epoch == epoch;
    let before = change.approvals.iter().filter(before).filter(|a| change.is_still_within(a.within.as_ref()));
    delegation::says_more(state, change, before, &by, now)
}

fn rejection(
    state: &State,
    authenticated: &Authenticated<'_>,
    change: &Change,
    rejection: &Rejection,
) -> Result<(), Refusal> {
    let by = person(authenticated, "reject")?;
    // An earlier one may come again, and whoever rejects need not know of the newest.
    if change.revision(&rejection.revision).is_none() {
        let number = rejection.revision.number;
        let never = format!("the rejection is of a revision {number} that change {} never had", change.id);
        return Err(Refusal::conflict("stale-revision", never)
            .hint(format!("look at what is there, then sign again: countersign show {}", change.id)));
    }
    its_targets(change, &rejection.targets)?;
    if change.standing_rejections().any(|r| r.by == by && r.revision == rejection.revision) {
        return Err(Refusal::conflict("already-rejected", format!("{by} has already rejected this revision")));
    }
    let mut elsewhere: BTreeSet<&ChangeId> = BTreeSet::new();
    for target in change.targets.iter().filter(|target| !state.governance.owns(&by, &target.system)) {
        let standing = state.rejections_on(target)?.unwrap_or_default().iter().filter(|r| r.by == by && r.stands());
        elsewhere.extend(standing.map(|rejection| &rejection.change));
    }
    let owns_all = change.targets.iter().all(|target| state.governance.owns(&by, &target.system));
    if !owns_all && elsewhere.len() >= MAX_REJECTIONS {
        return Err(Refusal::conflict(
            "too-many-rejections",
            format!("{} rejections by {by} stand on these targets, which they do not own", elsewhere.len()),
        )
        .hint(format!(
            "lift one that is settled, or tell an owner what is wrong: {}",
            elsewhere
                .iter()
                .map(|id| format!("countersign reject {} --lift", id.short()))
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    Ok(())
}

/// Rejections of what the change brings, alone or among other things, in other changes on these targets, set aside or not. A part
/// of a log does not tell them.
fn others_rejections<'a>(state: &'a State, change: &Change) -> Result<Vec<&'a TargetRejection>, Refusal> {
    let content = change.content()?;
    let covers = |rejection: &&TargetRejection| {
        rejection.change != change.id && change.current().is_some_and(|revision| rejection.covers(revision, &content))
    };
    let mut found = Vec::new();
    for target in &change.targets {
        found.extend(state.rejections_on(target)?.unwrap_or_default().iter().filter(covers));
    }
    Ok(found)
}

/// The other change in which this person's rejection of the content stands.
fn rejected_elsewhere<'a>(
    others: &[&'a TargetRejection],
    change: &Change,
    person: &ActorId,
) -> Result<Option<&'a str>, Refusal> {
    let content = change.content()?;
    let theirs = others.iter().find(|rejection| rejection.by == *person && rejection.holds(change, &content));
    Ok(theirs.map(|rejection| rejection.change.short()))
}

/// Whether the streams of the change's targets are at hand. Where they are not, what was said of rejections in other changes is
/// taken as it stands.
fn tells_of_others(state: &State, change: &Change) -> Result<bool, Refusal> {
    for target in &change.targets {
        if state.rejections_on(target)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn lift(
    state: &State,
    authenticated: &Authenticated<'_>,
    change: &Change,
    lift: &RejectionLift,
) -> Result<(), Refusal> {
    let by = person(authenticated, "lift a rejection")?;
    current_revision(change, &lift.revision)?;
    its_targets(change, &lift.targets)?;
    if change.standing_rejections().any(|rejection| rejection.by == by) {
        return Ok(());
    }
    let others = others_rejections(state, change)?;
    if let Some(other) = rejected_elsewhere(&others, change, &by)? {
        return Err(Refusal::conflict(
            "rejected-elsewhere",
            format!("what holds change {} is what {by} said of change {other}, which has the same content", change.id),
        )
        .hint(format!("lift it there: countersign reject {other} --lift")));
    }
    Err(Refusal::forbidden("not-yours", format!("no rejection by {by} stands; only who rejected can lift it")))
}

/// Two people who had no hand in the change and do not approve it, one of them a senior, once the rejection has stood a day.
fn set_aside(
    state: &State,
    authenticated: &Authenticated<'_>,
    change: &Change,
    said: &RejectionSetAside,
    now: Time,
) -> Result<(), Refusal> {
    let by = person(authenticated, "set a rejection aside")?;
    its_targets(change, &said.targets)?;
    may_grant(state, change, &by, "set a rejection aside in", now)?;
    if by == said.rejected_by {
        return Err(Refusal::forbidden("third-person", "nobody sets their own rejection aside")
            .hint(format!("take it back: countersign reject {} --lift", change.id.short())));
    }
    let approved = |approval: &ApprovalRecord| approval.by == by && Some(approval.revision) == change.current_ref();
    if change.approvals.iter().any(approved) {
        return Err(Refusal::forbidden(
            "set-aside",
            format!("{by} approves this revision; others set a rejection aside"),
        ));
    }
    let content = change.content()?;
    let own = change.standing_rejections().filter(|rejection| rejection.by == said.rejected_by);
    let others = others_rejections(state, change)?;
    let others =
        others.into_iter().filter(|rejection| rejection.by == said.rejected_by && rejection.holds(change, &content));
    let by_them: Vec<(Time, &[Aside])> = own
        .map(|rejection| (rejection.at, rejection.aside.as_slice()))
        .chain(others.map(|rejection| (rejection.at, rejection.aside.as_slice())))
        .collect();
    // Nor do those who could be one of the makers, or of those who have set it aside, count as another.
    let set = by_them.iter().flat_map(|(_, aside)| aside.iter()).filter(|aside| aside.content == content);
    let made = take::contributors(&state.governance, change).all;
    newcomers::beside(&state.governance, &set.map(|aside| &aside.by).chain(&made).collect(), &by, now)?;
    let Some(last) = by_them.iter().map(|(at, _)| *at).max() else {
        if !tells_of_others(state, change)? {
            return Ok(());
        }
        return Err(Refusal::unknown("no-rejection", format!("no rejection by {} stands here", said.rejected_by)));
    };
    if by_them.iter().all(|(_, aside)| aside.iter().any(|aside| aside.by == by && aside.content == content)) {
        return Err(Refusal::conflict("already-set-aside", format!("{by} has already set it aside for this content"))
            .hint("another person has to as well, one of the two a senior"));
    }
    if now.secs_since(last) < ASIDE_AFTER_SECS {
        return Err(Refusal::conflict(
            "rejected-lately",
            format!("{} rejected it less than a day ago, and may yet say what would make it right", said.rejected_by),
        )
        .hint(format!("talk to {}; after a day two people can set it aside", said.rejected_by)));
    }
    Ok(())
}

/// Nobody takes back what they have not given: an approval that stands.
fn approval_withdrawal(authenticated: &Authenticated<'_>, change: &Change) -> Result<(), Refusal> {
    let by = person(authenticated, "take an approval back")?;
    // One of an earlier revision may carry over.
    if change.approvals.iter().any(|approval| approval.by == by) {
        return Ok(());
    }
    Err(Refusal::conflict("not-approved", format!("no approval by {by} of change {} stands", change.id))
        .hint(format!("see what stands: countersign show {}; to stop it, reject it", change.id.short())))
}

/// Anybody whose key stands may remark something, so often.
fn comment(authenticated: &Authenticated<'_>, change: &Change, comment: &Comment) -> Result<(), Refusal> {
    let by = match authenticated.signer() {
        Signer::Actor { id, .. } => id,
        Signer::Gate(_) | Signer::Server => {
            return Err(Refusal::forbidden(
                "cannot-comment",
                "a gate or the server says what it has to say in its own statements",
            ));
        }
    };
    if !change.status.is_open() {
        return Err(closed(change));
    }
    if change.revision(&comment.revision).is_none() {
        let number = comment.revision.number;
        let never = format!("the comment is on a revision {number} that change {} never had", change.id);
        return Err(Refusal::conflict("stale-revision", never)
            .hint(format!("look at what is there: countersign show {}", change.id.short())));
    }
    let theirs = change.comments.iter().filter(|comment| comment.by == *by).count();
    if theirs >= MAX_COMMENTS || change.comments.len() >= MAX_ALL_COMMENTS {
        return Err(Refusal::conflict(
            "too-many-comments",
            format!(
                "change {} has {theirs} comments by {by} and {} in all, and that is the most",
                change.id,
                change.comments.len()
            ),
        )
        .hint("talk elsewhere, and put a link into the change: countersign revise … --link URL"));
    }
    Ok(())
}

fn closed(change: &Change) -> Refusal {
    Refusal::conflict(
        "change-closed",
        format!("change {} is {}; nothing more can be said about it", change.id, change.status.as_str()),
    )
    .hint("propose a new change: countersign propose …")
}

fn withdrawal(authenticated: &Authenticated<'_>, change: &Change) -> Result<(), Refusal> {
    let by = &authenticated.statement().header.by;
    let theirs = change.revisions.iter().any(|r| r.by == *by || r.sponsor.as_ref() == Some(by));
    if theirs {
        return Ok(());
    }
    Err(Refusal::forbidden("not-yours", format!("{by} has not proposed change {}", change.id))
        .hint(format!("to stop somebody else's change, reject it: countersign reject {} --why …", change.id.short())))
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
    let nobody_can_tell = change.names_missing().next().is_some()
        || (!governance.profiles_missing().is_empty() && !contributors.unmapped.is_empty());
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
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    waiver: &Waiver,
    now: Time,
) -> Result<(), Refusal> {
    let governance = &*state.governance;
    let by = person(authenticated, "waive a rule")?;
    may_grant(state, change, &by, "waive a rule for", now)?;
    let rule = governance.rules.iter().find(|rule| rule.id == waiver.rule).ok_or_else(|| {
        let known: Vec<_> = governance.rules.iter().map(|rule| rule.id.as_str()).collect();
        Refusal::unknown("unknown-rule", format!("there is no rule `{}`", waiver.rule))
            .hint(format!("the rules in force are {}", known.join(", ")))
    })?;
    match rule.strength {
        Strength::Waivable => {}
        Strength::Mandatory => {
            return Err(Refusal::forbidden("not-waivable", format!("rule `{}` cannot be waived", rule.id))
                .hint(format!("satisfy it; what it asks for: countersign show {}", change.id.short())));
        }
    }
    if let Some(group) = &rule.waivers {
        return match governance.catalog.is_in(&by, group) {
            true => Ok(()),
            false => Err(Refusal::forbidden(
                "not-of-the-group",
                format!("{by} is not of group {group}, whose people waive rule `{}`", rule.id),
            )
            .hint(format!("somebody of that group does; what it asks for: countersign show {}", change.id.short()))),
        };
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
    let short = change.id.short();
    if take::contributors(governance, change).named.contains(&by) {
        return Err(Refusal::forbidden(
            "third-person",
            format!("a commit of change {} names {by}; a third person says", change.id),
        )
        .hint(format!("somebody whom no commit names: countersign show {short}")));
    }
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
