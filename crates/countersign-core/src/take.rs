//! Taking a snapshot: from governance and a change as they stand, to what the rules look at.

mod calendar;
mod commits;
mod content;
mod delegation;
mod evidence;
mod findings;
mod inputs;
mod judged;
mod labels;
mod loosening;
mod part;
mod standard;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Fingerprint, Time};

use self::{
    commits::commits,
    content::{branch, files, paths, size, size_without},
    labels::labels,
};
pub(crate) use self::{
    delegation::{Idle, idle},
    loosening::behind,
    standard::is_of_sort,
};
pub use self::{
    evidence::evidence_of,
    standard::{Nearly, day, like_it, nearly_standard, unknown_in},
};
use crate::{
    catalog::{Actor, ActorKind},
    change::{ApprovalRecord, Change, DisclosureRecord, EvidenceRecord, LabelRecord, Revision},
    facts::{IdentityFact, Role, git::Ident},
    governance::Governance,
    ids::{ActorId, GroupId, SystemId},
    newcomers,
    refusal::Refusal,
    snapshot::{
        Ai, AiStatus, Applier, ApprovalView, Carried, GuidanceView, ProposerView, ScheduleView, Snapshot, TargetView,
        WaiverView,
    },
    state::State,
    statement::{IdentityVerdict, RevisionRef},
};

/// Whoever had a hand in any revision of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contributors {
    /// Everybody, the claimed ones too.
    pub all: BTreeSet<ActorId>,
    /// Those whom only a co-author trailer names and whom nobody has cleared.
    pub claimed: BTreeSet<ActorId>,
    /// References of identities that belong to nobody in the catalog.
    pub unmapped: BTreeSet<String>,
    /// Sponsors who have not said that they are. Whoever steers an agent could name somebody else and then approve.
    pub unconfirmed: BTreeSet<ActorId>,
    /// Everybody whom a co-author trailer names and the catalog knows, cleared or not.
    pub named: BTreeSet<ActorId>,
    /// Whoever said whose an unknown mail is, or that nobody is behind it.
    pub cleared_by: BTreeSet<ActorId>,
    /// References of AI tools that are authors, of whom nobody has said who drove them.
    pub undriven: BTreeSet<String>,
}

impl Contributors {
    /// All but those whom only a trailer names: whoever writes one does not choose who looks at the change afterwards.
    pub fn but_claimed(&self) -> BTreeSet<ActorId> {
        self.all.difference(&self.claimed).cloned().collect()
    }
}

/// Who has a hand in a change by what they signed.
pub(crate) fn signed_hands(governance: &Governance, change: &Change) -> BTreeSet<ActorId> {
    signed(governance, change, &Moved::default())
}

/// Whoever signed something that gave them a hand in a change: that stays known when names are erased.
fn signed(governance: &Governance, change: &Change, moved: &Moved) -> BTreeSet<ActorId> {
    let mut signed = BTreeSet::from([change.proposer.clone()]);
    for revision in change.revisions.iter().filter(|revision| !moved.is_one(revision)) {
        signed.insert(revision.by.clone());
        signed.extend(revision.sponsor.clone());
    }
    for disclosure in &change.disclosures {
        signed.insert(disclosure.by.clone());
        signed.extend(disclosure.said.prompted_by.iter().cloned());
    }
    // Whoever signed a commit had a hand in it, whatever name and mail it carries.
    let identities = change.revisions.iter().flat_map(|revision| moved.identities(revision));
    let keys: BTreeSet<Fingerprint> = identities.flat_map(|identity| identity.keys).collect();
    signed.extend(keys.iter().filter_map(|key| governance.ever_by_key(key)).map(|actor| actor.id.clone()));
    // Also whose it was when the revision came, whosever it is now.
    let signers = change.revisions.iter().flat_map(|revision| &revision.signers);
    signed.extend(signers.filter(|(key, _)| keys.contains(*key)).map(|(_, by)| by.clone()));
    signed
}

/// Revisions that only moved a change on: they bring what an earlier one brought. For an approval of that one, whoever committed
/// or submitted them had no hand in the change; whoever is named as an author or co-author has.
#[derive(Debug, Default)]
struct Moved(BTreeSet<RevisionRef>);

impl Moved {
    fn of(change: &Change) -> Self {
        Self(change.same_revisions().skip(1).map(|revision| revision.reference).collect())
    }

    fn is_one(&self, revision: &Revision) -> bool {
        self.0.contains(&revision.reference)
    }

    /// The identities of a revision that count.
    fn identities(&self, revision: &Revision) -> Vec<IdentityFact> {
        if !self.is_one(revision) {
            return revision.identities.clone();
        }
        let mut identities = revision.identities.clone();
        for identity in &mut identities {
            identity.roles.remove(&Role::Committer);
            // The key is that of who committed.
            if !identity.roles.contains(&Role::Author) {
                identity.keys.clear();
            }
        }
        identities.retain(|identity| !identity.roles.is_empty());
        identities
    }
}

/// Works out the contributors of all revisions. What people said of identities counts only if they are no contributors
/// themselves.
pub fn contributors(governance: &Governance, change: &Change) -> Contributors {
    contributors_without(governance, change, &Moved::default())
}

fn contributors_without(governance: &Governance, change: &Change, moved: &Moved) -> Contributors {
    // One entry an identity, with every role and every key that it has in any revision.
    let mut named: BTreeMap<String, IdentityFact> = BTreeMap::new();
    let mut names: BTreeMap<&str, &Ident> = BTreeMap::new();
    let mut holders: BTreeMap<&str, BTreeSet<&ActorId>> = BTreeMap::new();
    for revision in &change.revisions {
        for identity in moved.identities(revision) {
            let entry = named.entry(identity.reference.clone()).or_insert_with(|| identity.clone());
            entry.roles.extend(identity.roles.iter().copied());
            entry.keys.extend(identity.keys.iter().cloned());
            if let Some((reference, holder)) = revision.holders.get_key_value(&identity.reference) {
                holders.entry(reference).or_default().insert(holder);
            }
        }
        names.extend(revision.named.iter().map(|(reference, who)| (reference.as_str(), who)));
    }

    // First those whom the catalog knows beyond doubt: what they say of the others does not count.
    let mut all = signed(governance, change, moved);
    let mut claims: BTreeSet<(String, ActorId)> = BTreeSet::new();
    let mut unknown = BTreeMap::new();
    let mut tools: BTreeSet<String> = BTreeSet::new();
    let mut committers: BTreeSet<ActorId> = BTreeSet::new();
    for (reference, identity) in named {
        // A tool that others committed for was driven by those.
        if identity.agent && identity.roles.contains(&Role::Author) {
            tools.insert(reference.clone());
        }
        let known_by_key = identity.keys.iter().any(|key| governance.ever_by_key(key).is_some());
        let claimed_only = identity.roles.iter().all(|role| *role == Role::CoAuthor);
        // Whose name was erased is somebody whom nobody knows, until somebody says who it is.
        let mail = names.get(reference.as_str()).map(|who| who.mail.as_str()).unwrap_or_default();
        // A mail that went over to somebody else makes nobody independent of what came under it.
        let held = holders.remove(reference.as_str()).into_iter().flatten().cloned();
        match claimed_only {
            true => claims.extend(held.map(|holder| (reference.clone(), holder))),
            false => all.extend(held),
        }
        match governance.catalog.person_by_mail(mail) {
            Some(actor) if claimed_only => {
                claims.insert((reference, actor.id.clone()));
            }
            Some(actor) => {
                if identity.roles.contains(&Role::Committer) && actor.kind == ActorKind::Person {
                    committers.insert(actor.id.clone());
                }
                all.insert(actor.id.clone());
            }
            // A tool is an agent, not somebody whom nobody knows.
            None if identity.agent || known_by_key => {}
            None => {
                unknown.insert(reference, claimed_only);
            }
        }
    }

    // Once somebody was said to have had a hand, nobody takes that back by saying something else. With who said so.
    let named_as = |reference: &str, known: &BTreeSet<ActorId>| -> BTreeSet<(ActorId, ActorId)> {
        let said = change.identifications.iter().filter(|record| record.said.identity == reference);
        said.filter(|record| !known.contains(&record.by))
            .filter_map(|record| match &record.said.verdict {
                IdentityVerdict::Is(actor) => Some((record.by.clone(), actor.clone())),
                IdentityVerdict::Automation | IdentityVerdict::NotInvolved => None,
            })
            .collect()
    };
    let verdict = |reference: &str, known: &BTreeSet<ActorId>| {
        change
            .identifications
            .iter()
            .rev()
            .find(|record| {
                let clears = !matches!(record.said.verdict, IdentityVerdict::Is(_));
                let counts = !clears || record.epoch == governance.record.header_epoch();
                record.said.identity == reference && counts && !known.contains(&record.by)
            })
            .map(|record| (record.said.verdict.clone(), record.by.clone()))
    };
    // Whom a commit names, cleared or not, says nothing of the others: two could clear each other.
    let named: BTreeSet<ActorId> = claims.iter().map(|(_, actor)| actor.clone()).collect();
    let known: BTreeSet<ActorId> = all.union(&named).cloned().collect();
    let mut cleared_by = BTreeSet::new();
    let mut unmapped = BTreeSet::new();
    for (reference, claimed_only) in unknown {
        let named = named_as(&reference, &known);
        if !named.is_empty() {
            for (by, actor) in named {
                cleared_by.insert(by);
                all.insert(actor);
            }
            continue;
        }
        match verdict(&reference, &known) {
            Some((IdentityVerdict::Is(actor), by)) => {
                cleared_by.insert(by);
                all.insert(actor);
            }
            Some((IdentityVerdict::Automation, by)) => {
                cleared_by.insert(by);
            }
            Some((IdentityVerdict::NotInvolved, by)) if claimed_only => {
                cleared_by.insert(by);
            }
            Some((IdentityVerdict::NotInvolved, _)) | None => {
                unmapped.insert(reference);
            }
        }
    }
    let mut claimed = BTreeSet::new();
    for (reference, actor) in claims {
        let cleared = matches!(
            verdict(&reference, &known),
            Some((IdentityVerdict::NotInvolved, by)) if by != actor
        );
        if !cleared && !all.contains(&actor) {
            claimed.insert(actor);
        }
    }
    all.extend(claimed.iter().cloned());
    cleared_by.retain(|person| !all.contains(person));
    // An AI tool as author does not make the others independent of who drove it: whoever committed, or has said so.
    let said = |disclosure: &DisclosureRecord| {
        !disclosure.said.tools.is_empty() && governance.person(&disclosure.by).is_some()
    };
    if !committers.is_empty() || change.disclosures.iter().any(said) {
        tools.clear();
    }
    Contributors {
        all,
        claimed,
        unmapped,
        unconfirmed: unconfirmed(governance, change),
        named,
        cleared_by,
        undriven: tools,
    }
}

/// Sponsors of what no person signed, who have not signed a disclosure of the change either.
fn unconfirmed(governance: &Governance, change: &Change) -> BTreeSet<ActorId> {
    let by_machine = change.revisions.iter().filter(|revision| governance.person(&revision.by).is_none());
    by_machine
        .filter_map(|revision| revision.sponsor.clone())
        .filter(|sponsor| !change.disclosures.iter().any(|disclosure| disclosure.by == *sponsor))
        .collect()
}

impl Snapshot {
    /// What the rules see of the present revision, now.
    pub fn take(state: &State, change: &Change, now: Time) -> Result<Self, Refusal> {
        let governance = &*state.governance;
        let all = contributors(governance, change);
        let carried = || contributors_without(governance, change, &Moved::of(change)).all;
        Self::with(state, change, all, carried, now)
    }

    /// The same where somebody is about to apply it, if these rules ask.
    #[must_use]
    pub fn applied_by(mut self, applier: &Applier, rules: &crate::rules::Rules) -> Self {
        if rules.ask_about("applier") {
            self.applier = Some(applier.clone());
        }
        self
    }

    /// The same as rules would see it that ask about other things: what no rule asks about is in no snapshot. `None` where the
    /// change does not have its revision.
    pub fn as_asked_by(&self, governance: &Governance, change: &Change) -> Option<Self> {
        let revision = change.revisions.iter().find(|revision| revision.reference.number == self.revision)?;
        let by = self.approvals.iter().chain(self.carried.iter().flat_map(|carried| &carried.approvals));
        let part = by.map(|approval| &approval.by).chain(self.waivers.iter().map(|waiver| &waiver.by));
        let part: BTreeSet<&ActorId> = part.chain(&self.contributors).collect();
        let listed = |record: &EvidenceRecord| Ok(evidence::is_listed(governance, record));
        let kinds = governance.evidence();
        let evidence = evidence::evidence(governance, change, revision, &self.contributors, &kinds, listed);
        Some(Self {
            groups: groups(governance, &part),
            proposer: proposer(governance, change),
            paths: paths(governance, revision),
            size: size(governance, revision),
            size_without: size_without(governance, revision),
            branch: branch(governance, revision),
            // Whose key was revoked then is not looked at.
            commits: commits(governance, change, revision, |_, _| Ok(true)).ok().flatten(),
            evidence: evidence.ok()?,
            labels: labels(governance, change, &self.contributors, |record| {
                Ok(record.revision == revision.reference && governance.person(&record.by).is_some())
            })
            .ok()?,
            ..self.clone()
        })
    }

    /// The same after names were erased that were there when `logged` was taken: whom the commits named is taken from it,
    /// and nothing else. Whoever signed had a hand in the change, whatever it says.
    pub fn take_like(logged: &Self, state: &State, change: &Change, now: Time) -> Result<Self, Refusal> {
        let moved = Moved::of(change);
        let mut all = signed(&state.governance, change, &Moved::default());
        all.extend(logged.contributors.iter().cloned());
        let contributors = Contributors {
            all,
            claimed: logged.claimed.clone(),
            unmapped: logged.unmapped.clone(),
            unconfirmed: unconfirmed(&state.governance, change),
            named: logged.claimed.clone(),
            cleared_by: logged.cleared_by.clone(),
            undriven: logged.undriven.clone(),
        };
        let carried = || {
            let mut without = signed(&state.governance, change, &moved);
            without.extend(logged.carried.iter().flat_map(|carried| carried.contributors.iter().cloned()));
            without
        };
        let mut taken = Self::with(state, change, contributors, carried, now)?;
        // Whose name stands beside a key was erased.
        if let (Some(commits), Some(before)) = (&mut taken.commits, &logged.commits) {
            commits.by_committer = commits.signed && before.by_committer;
        }
        taken.held_as(logged, state, change)
    }

    /// `without` tells the contributors without those who only moved the change on.
    fn with(
        state: &State,
        change: &Change,
        contributors: Contributors,
        without: impl Fn() -> BTreeSet<ActorId>,
        now: Time,
    ) -> Result<Self, Refusal> {
        let governance = &*state.governance;
        let Some(revision) = change.current() else {
            return Err(Refusal::conflict("change-damaged", format!("change {} has no revision", change.id)));
        };
        let mut targets = Vec::new();
        let mut unknown_targets = BTreeSet::new();
        for target in &change.targets {
            if target.is_governance() {
                targets.push(TargetView::of_governance());
                continue;
            }
            match governance.catalog.target(target) {
                Ok(system) => targets.push(TargetView {
                    target: target.clone(),
                    production: governance.catalog.is_production(target),
                    tier: system.tier,
                    owner: system.owner.clone(),
                }),
                Err(_) => {
                    unknown_targets.insert(target.clone());
                }
            }
        }
        let current = change.current_ref();
        let mut approvals = approvals(state, change, &contributors, |a| Some(a.revision) == current, now)?;
        let counts = |record: &LabelRecord, made: &Contributors| label_counts(state, change, made, record, now);
        let at_present = |record: &LabelRecord| Ok(Some(record.revision) == current && counts(record, &contributors)?);
        let labels = labels(governance, change, &contributors.all, at_present)?;
        let may_carry = change.approvals.iter().any(|a| change.may_carry(a))
            || !labels.is_empty() && change.labels.iter().any(|label| Some(label.revision) != current);
        let mut carried = if governance.rules.carry_over() && may_carry {
            let without = Contributors { all: without(), ..contributors.clone() };
            let approvals = self::approvals(state, change, &without, |a| change.may_carry(a), now)?;
            let of_the_same =
                |record: &LabelRecord| Ok(change.is_of_the_same(&record.revision) && counts(record, &without)?);
            let labels = self::labels(governance, change, &without.all, of_the_same)?.by_others;
            let any = !approvals.is_empty() || !labels.is_empty();
            any.then_some(Carried { approvals, contributors: without.all, labels })
        } else {
            None
        };
        let mut waivers = waivers(state, change, &contributors, now)?;
        let binds = |view: &TargetView| view.production || view.target.is_governance();
        let together = match targets.iter().any(binds) {
            true => {
                let carried = carried.iter().flat_map(|carried| &carried.approvals);
                let all: Vec<&ApprovalView> = approvals.iter().chain(carried).collect();
                newcomers::together(governance, &contributors.all, &all, &waivers, now)
            }
            false => BTreeMap::new(),
        };
        approvals.retain(|approval| !together.contains_key(&approval.by));
        if let Some(carried) = &mut carried {
            carried.approvals.retain(|approval| !together.contains_key(&approval.by));
        }
        waivers.retain(|waiver| !together.contains_key(&waiver.by));
        let loosening = loosening::loosening(state, change, revision, &approvals, now)?;
        let calendar = calendar::calendar(governance, change, revision, &targets, state.waits_from(revision.at), now);
        let carried_by = carried.iter().flat_map(|carried| &carried.approvals);
        let part = contributors.all.iter().chain(approvals.iter().chain(carried_by).map(|approval| &approval.by));
        let part: BTreeSet<&ActorId> = part.chain(waivers.iter().map(|waiver| &waiver.by)).collect();
        let kinds = governance.evidence();
        let held = |record: &EvidenceRecord| evidence::holds(state, record, now);
        let evidence = evidence::evidence(governance, change, revision, &contributors.all, &kinds, held)?;
        let standard = standard::standard(state, change, revision, &contributors.all, &evidence, now)?;
        let mut unconfirmed = contributors.unconfirmed.clone();
        // Whoever answers for what a template lets a workload do, two others have said it there.
        if let Some(fits) = standard.as_ref().and_then(|fits| governance.standards.get(&fits.name)) {
            unconfirmed.retain(|sponsor| fits.sponsor.as_ref() != Some(sponsor));
        }
        Ok(Self {
            change: change.id.clone(),
            revision: revision.reference.number,
            kind: change.kind,
            purpose: change.purpose.clone(),
            targets,
            unknown_targets,
            groups: groups(governance, &part),
            proposer: proposer(governance, change),
            paths: paths(governance, revision),
            size: size(governance, revision),
            size_without: size_without(governance, revision),
            branch: branch(governance, revision),
            commits: commits(governance, change, revision, |id, key| Ok(state.holds(id, key, now)?.is_some()))?,
            evidence,
            labels,
            applier: change.applier(now).filter(|_| governance.rules.ask_about("applier")),
            standard,
            rollback: crate::rollback::view(state, change, now)?,
            carried,
            approvals,
            rejected_by: change.standing_rejections().map(|rejection| rejection.by.clone()).collect(),
            held_by: state.held_by(change)?.into_iter().map(|rejection| rejection.by.clone()).collect(),
            ai: ai(governance, change, &contributors),
            guidance: guidance(change),
            documents: revision.documents.clone(),
            waivers,
            contributors: contributors.all,
            unmapped: contributors.unmapped,
            unconfirmed,
            claimed: contributors.claimed,
            cleared_by: contributors.cleared_by,
            undriven: contributors.undriven,
            population: governance.population(),
            loosening,
            together,
            calendar,
            waiting_hours: governance
                .rules
                .ask_about("waiting")
                .then(|| hours_between(state.waits_from(revision.at), now)),
            findings_overdue: findings::overdue(state, change, now)?,
            schedule: change
                .window()
                .map(|window| ScheduleView { by: change.windows().map(|(by, _)| by.clone()).collect(), window }),
            expires_at: change.expires_at(governance.catalog.settings.expires_after_days),
        })
    }
}

/// Who proposed a change, where a rule asks.
fn proposer(governance: &Governance, change: &Change) -> Option<ProposerView> {
    let asked = ["proposer", "proposer_kind"].iter().any(|word| governance.rules.ask_about(word));
    // Whoever left the catalog meanwhile is no machine for that.
    let kind = || governance.catalog.actors.get(&change.proposer).map_or(ActorKind::Person, |actor| actor.kind);
    asked.then(|| ProposerView { id: change.proposer.clone(), kind: kind() })
}

/// Who of these is in which of the groups that the rules name.
fn groups(governance: &Governance, part: &BTreeSet<&ActorId>) -> BTreeMap<GroupId, BTreeSet<ActorId>> {
    let here = |group: &GroupId| -> BTreeSet<ActorId> {
        let is_in = |person: &&&ActorId| governance.catalog.is_in(person, group);
        part.iter().filter(is_in).map(|person| (*person).clone()).collect()
    };
    let of = |group: &GroupId| Some((group.clone(), here(group))).filter(|(_, members)| !members.is_empty());
    governance.rules.groups().iter().filter_map(of).collect()
}

/// Whether somebody's word is not that of a second pair of eyes: they had a hand in the change, said whose an unknown mail is,
/// set a rejection aside, or have taken away the key of somebody who has a say.
fn is_partial(
    state: &State,
    change: &Change,
    contributors: &Contributors,
    by: &ActorId,
    now: Time,
) -> Result<bool, Refusal> {
    Ok(contributors.all.contains(by)
        || contributors.cleared_by.contains(by)
        || change.has_set_aside(by)
        || state.set_against(by, change, now)?.is_some())
}

/// Whether a label is one by a second pair of eyes, with a key that is theirs and still holds.
fn label_counts(
    state: &State,
    change: &Change,
    contributors: &Contributors,
    record: &LabelRecord,
    now: Time,
) -> Result<bool, Refusal> {
    Ok(record.epoch == state.governance.record.header_epoch()
        && change.has_lived_since(record.at)
        && person(state, &record.by, &record.key, now)?.is_some()
        && !is_partial(state, change, contributors, &record.by, now)?
        && !newcomers::is_beside(&state.governance, &contributors.all, &record.by, now))
}

/// One approval a person: of those that are asked for, by somebody who is no contributor, with a key that is theirs and still
/// holds.
fn approvals(
    state: &State,
    change: &Change,
    contributors: &Contributors,
    of: impl Fn(&ApprovalRecord) -> bool,
    now: Time,
) -> Result<Vec<ApprovalView>, Refusal> {
    let epoch = state.governance.record.header_epoch();
    let asks = |word| state.governance.rules.ask_about(word);
    let mut by_person: BTreeMap<&ActorId, ApprovalView> = BTreeMap::new();
    for approval in &change.approvals {
        let stands = approval.epoch == epoch
            && change.is_still_within(approval.within.as_ref())
            && change.has_lived_since(approval.at);
        if !of(approval) || !stands || !state.governance.catalog.settings.counts(approval.seen) {
            continue;
        }
        let Some(person) = person(state, &approval.by, &approval.key, now)? else { continue };
        if is_partial(state, change, contributors, &approval.by, now)? {
            continue;
        }
        let view = ApprovalView {
            by: approval.by.clone(),
            assurance: approval.assurance,
            seen: approval.seen,
            senior: person.level.is_senior(),
            owns: owned(&state.governance, change, &approval.by),
            hours: asks("recent").then(|| hours_between(approval.at, now)),
            on_call: if asks("oncall") {
                calendar::on_call(&state.governance, change, &approval.by, now)
            } else {
                BTreeSet::new()
            },
            away: asks("present") && state.is_away(&approval.by, now)?,
            delegated: delegation::delegated(state, change, contributors, approval, now)?,
        };
        // The stronger of two, never the best parts of both; of two that are as strong, the later.
        match by_person.get(&approval.by) {
            Some(known) if (known.assurance, known.seen) > (view.assurance, view.seen) => {}
            Some(_) | None => {
                by_person.insert(&approval.by, view);
            }
        }
    }
    Ok(by_person.into_values().collect())
}

/// How many hours lie between, begun ones in full.
fn hours_between(then: Time, now: Time) -> u32 {
    const HOUR: i64 = 60 * 60 * 1_000;
    let millis = now.unix_millis().saturating_sub(then.unix_millis()).max(0);
    u32::try_from(millis.saturating_add(HOUR - 1) / HOUR).unwrap_or(u32::MAX)
}

/// Somebody who signed with this key, if they are a person and the key still holds and is theirs.
fn person<'a>(state: &'a State, id: &ActorId, key: &Fingerprint, now: Time) -> Result<Option<&'a Actor>, Refusal> {
    Ok(state.holds(id, key, now)?.filter(|actor| actor.kind == ActorKind::Person))
}

/// The systems among a change's targets that somebody owns.
fn owned(governance: &Governance, change: &Change, person: &ActorId) -> BTreeSet<SystemId> {
    let systems: BTreeSet<&SystemId> = change.targets.iter().map(|target| &target.system).collect();
    systems.into_iter().filter(|system| governance.owns(person, system)).cloned().collect()
}

fn waivers(state: &State, change: &Change, contributors: &Contributors, now: Time) -> Result<Vec<WaiverView>, Refusal> {
    let (current, epoch) = (change.current_ref(), state.governance.record.header_epoch());
    let mut views = Vec::new();
    for waiver in &change.waivers {
        let stands = waiver.epoch == epoch && change.is_still_within(waiver.within.as_ref());
        if Some(waiver.revision) != current || !stands {
            continue;
        }
        if let Some(person) = person(state, &waiver.by, &waiver.key, now)?
            && !is_partial(state, change, contributors, &waiver.by, now)?
        {
            let (rule, by) = (waiver.rule.clone(), waiver.by.clone());
            views.push(WaiverView { rule, by, senior: person.level.is_senior() });
        }
    }
    Ok(views)
}

/// What is known of AI assistance in a change, for whoever looks back at it.
pub fn ai_of(governance: &Governance, change: &Change) -> Ai {
    ai(governance, change, &contributors(governance, change))
}

/// Signals and declarations of every revision count, since what an assistant wrote may live on in a later one; a claim
/// that there was no assistance holds only for the revision that it was made for.
fn ai(governance: &Governance, change: &Change, contributors: &Contributors) -> Ai {
    let mut tools = BTreeSet::new();
    let mut signals = BTreeSet::new();
    let mut declared = false;
    let mut inferred = false;
    for signal in change.revisions.iter().flat_map(|revision| &revision.ai) {
        signals.insert(signal.signal.clone());
        tools.extend(signal.tool.clone());
        declared |= signal.declared;
        inferred |= !signal.declared;
    }
    for actor in &contributors.all {
        if governance.catalog.actors.get(actor).is_some_and(|actor| actor.kind == ActorKind::Agent) {
            signals.insert("agent-contributed".to_owned());
            tools.insert(actor.to_string());
            declared = true;
        }
    }
    let current = change.current_ref();
    let mut none_claimed = false;
    let mut disclosed = false;
    for disclosure in &change.disclosures {
        let of_this_revision = Some(disclosure.said.revision) == current;
        if disclosure.said.tools.is_empty() {
            none_claimed |= of_this_revision;
        } else {
            tools.extend(disclosure.said.tools.iter().cloned());
            declared = true;
        }
        disclosed |= of_this_revision || !disclosure.said.tools.is_empty();
    }
    let status = match (declared, inferred, none_claimed) {
        (true, _, _) => AiStatus::Declared,
        (false, true, _) => AiStatus::Inferred,
        (false, false, true) => AiStatus::None,
        (false, false, false) => AiStatus::Unknown,
    };
    Ai { status, tools, signals, disclosed }
}

fn guidance(change: &Change) -> Vec<GuidanceView> {
    let review_due = |path: &str| change.observed_document(path).and_then(|document| document.review_due);
    let view = |path: &str| GuidanceView { path: path.to_owned(), review_due: review_due(path) };
    change.cited_guidance().into_iter().map(view).collect()
}
