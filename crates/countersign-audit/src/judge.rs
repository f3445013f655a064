//! Judging one landed change: who had a hand in it, what is written about a second person, what it touches.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_core::{
    facts::message::Message,
    ids::Oid,
    kind::{Documents, Kind as ChangeKind},
    rules::Rules,
    snapshot::PathsView,
};

use super::{
    CommitRecord, Grade, LandedChange,
    ai::{self, AiOutcome},
    areas::Areas,
    conventions::{self, Context, Says},
    grade::{Graded, grade},
    impact::{ImpactSet, ImpactTable},
    parts::{self, Part},
    people::{IdentityId, Kind, People},
    replay::{documents_of, kind_of, ruled},
    requests::Requests,
    reverts::{self, Taken},
    text::{MAX_SIGNAL_CHARS, MAX_SUBJECT_CHARS, shown},
};

/// Most brought commits whose messages are read; a history that was merged whole has more.
pub const MAX_READ_COMMITS: usize = 20_000;
/// Most pieces of evidence that are kept of one change from one convention, each by somebody else.
pub const MAX_EVIDENCE: usize = 64;

/// One piece of evidence, with the words that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The name of the convention.
    pub convention: &'static str,
    pub says: Says,
    pub who: Option<IdentityId>,
    /// What was read, fit to be shown.
    pub signal: Box<str>,
    /// When, in seconds since the Unix epoch, where the convention tells.
    pub at: Option<i64>,
}

/// A landed change, judged. Small enough to keep one for each.
#[derive(Clone, Debug)]
pub struct Audited {
    pub commit: Oid,
    /// Committer time of the landed commit, in seconds since the Unix epoch.
    pub landed_at: i64,
    /// Author time of the oldest commit that it brings, or its own.
    pub authored_at: i64,
    /// Whether a forge wrote that time anew when it landed, so that nothing tells how long the change waited.
    pub redated: bool,
    /// Fit to be shown.
    pub subject: Box<str>,
    pub merge: bool,
    pub grade: Grade,
    pub evidence: Vec<Evidence>,
    /// The evidence that gave the grade; none for `alone`.
    pub by: Option<usize>,
    /// Identities of whoever had a hand in the content, machines and AI tools too.
    pub contributors: Vec<IdentityId>,
    /// People who approved and are no contributors, each once; of a merge whose every commit names one, those who had no hand
    /// in the commit that they approved.
    pub reviewers: Vec<IdentityId>,
    /// The commits of a merge each of which names who approved it; else none.
    pub parts: Box<[Part]>,
    pub ai: AiOutcome,
    /// Classes of the impact table.
    pub impact: ImpactSet,
    /// Areas of [`Areas`].
    pub areas: Vec<u32>,
    pub paths: u32,
    /// What it does to the paths that rules name, by their patterns.
    pub ruled: BTreeMap<String, PathsView>,
    /// What sort of change its paths make it.
    pub kind: ChangeKind,
    /// How much its messages say.
    pub documents: Documents,
    /// How many commits it first brings in, beside itself.
    pub brought: u32,
    /// What it takes back.
    pub takes_back: Vec<Taken>,
    /// First eight bytes of the ids of the landed commit and of those that it brought.
    pub ids: Box<[u64]>,
}

/// What a judge is told besides the change. Only `areas` grows.
#[derive(Debug, Default)]
pub struct Scope {
    pub impact: ImpactTable,
    pub areas: Areas,
    /// What forges know of requests that landed here.
    pub requests: Requests,
    /// Sets that will be asked about the changes: of paths only what these ask is kept.
    pub rules: Vec<Arc<Rules>>,
}

/// Judges a landed change. The grade may change once when everybody is known: see [`Audited::settle`].
pub fn judge(change: &LandedChange, people: &mut People, scope: &mut Scope) -> Audited {
    let records = || std::iter::once(&change.commit).chain(change.brought.iter().take(MAX_READ_COMMITS));
    let messages: Vec<Message> = records().map(|record| Message::read(&record.message)).collect();
    let mut evidence = Vec::new();
    let mut contributors = contributors(change, &messages, people);
    let mut subject = String::new();
    let mut takes_back = Vec::new();
    if let Some(mut context) = Context::new(change, &messages, scope.requests.of(&change.commit.id)) {
        subject = shown(context.landed.subject, MAX_SUBJECT_CHARS);
        takes_back = reverts::taken_back(&context);
        conventions::quotes::leave_out(&mut context);
        learn_login(&context, &contributors, people);
        evidence = gather(&context, people, &mut contributors);
    }
    let touched = scope.areas.of(&change.paths);
    // What a log says of its approvals is dated by the log, whoever committed it.
    let is_request = scope.requests.of(&change.commit.id).is_some_and(|request| !request.signed);
    let redated = redated(change, &evidence, is_request, people);
    let parts = parts::parts(change, &messages, people);
    let mut audited = Audited {
        commit: change.commit.id.clone(),
        landed_at: change.commit.committed_at,
        authored_at: records().map(|record| record.authored_at).min().unwrap_or(change.commit.authored_at),
        redated,
        subject: subject.into_boxed_str(),
        merge: change.commit.parents.len() > 1,
        grade: Grade::Alone,
        evidence,
        by: None,
        contributors: contributors.into_iter().collect(),
        reviewers: Vec::new(),
        parts,
        ai: ai::outcome(change, &messages),
        impact: scope.impact.of(&change.paths).with(&touched),
        areas: touched.areas,
        paths: u32::try_from(change.paths.len()).unwrap_or(u32::MAX),
        ruled: ruled(&change.paths, &scope.rules),
        kind: kind_of(&change.paths),
        documents: documents_of(&messages),
        brought: u32::try_from(change.brought.len()).unwrap_or(u32::MAX),
        takes_back,
        ids: std::iter::once(&change.commit).chain(&change.brought).map(|record| reverts::short(&record.id)).collect(),
    };
    audited.settle(people);
    audited
}

/// Whether a forge made the one commit anew: it was written in the second in which it landed, and a forge had a hand in it.
fn redated(change: &LandedChange, evidence: &[Evidence], is_request: bool, people: &mut People) -> bool {
    let record = &change.commit;
    let committer = people.intern(&record.committer);
    let by_forge = match people.kind(committer) {
        Kind::Machine(_) => true,
        Kind::Person | Kind::Agent => {
            is_request || evidence.iter().any(|item| matches!(item.says, Says::Platform | Says::Opaque))
        }
    };
    change.brought.is_empty() && record.authored_at == record.committed_at && by_forge
}

/// A robot's word for whose request it merged, where one person alone wrote it, tells that person's login.
fn learn_login(context: &Context<'_>, contributors: &BTreeSet<IdentityId>, people: &mut People) {
    let opened = || context.request.and_then(|request| request.author.clone());
    let Some(owner) = conventions::owner_of_single(context).or_else(opened) else { return };
    let wrote: BTreeSet<IdentityId> =
        contributors.iter().filter(|who| people.is_person(**who)).map(|who| people.person(*who)).collect();
    if let (Some(author), 1) = (wrote.first(), wrote.len()) {
        let login = people.intern(&owner);
        people.opened_request(login, *author);
    }
}

/// Asks every convention. What a particular one has said of somebody, a general one need not say again.
pub(super) fn gather(
    context: &Context<'_>,
    people: &mut People,
    contributors: &mut BTreeSet<IdentityId>,
) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = Vec::new();
    let mut wrote = BTreeSet::new();
    for convention in conventions::TABLE {
        let before = evidence.len();
        for found in (convention.find)(context) {
            let who = found.who.as_ref().map(|who| people.intern(who));
            match found.says {
                Says::Contributed => contributors.extend(who),
                Says::Wrote => wrote.extend(who),
                Says::Approved | Says::NobodyApproved | Says::Landed | Says::Platform | Says::Opaque => {
                    let known = evidence.iter().any(|item| item.says == found.says && item.who == who);
                    if known || evidence.len().saturating_sub(before) >= MAX_EVIDENCE {
                        continue;
                    }
                    evidence.push(Evidence {
                        convention: convention.name,
                        says: found.says,
                        who,
                        signal: shown(&found.signal, MAX_SIGNAL_CHARS).into_boxed_str(),
                        at: found.at,
                    });
                }
            }
        }
    }
    // Whatever git cannot see, the forge has told.
    if context.request.is_some() {
        evidence.retain(|item| item.says != Says::Opaque);
    }
    only_committed(context, people, &wrote, contributors);
    contributors.extend(wrote);
    evidence
}

/// Where a linear change says that somebody else wrote it, its author, who is its committer too, brought it in.
fn only_committed(
    context: &Context<'_>,
    people: &mut People,
    wrote: &BTreeSet<IdentityId>,
    contributors: &mut BTreeSet<IdentityId>,
) {
    let record = context.landed.record;
    let (author, committer) = (people.intern(&record.author), people.intern(&record.committer));
    // Somebody of the same last name may be the author under another first name.
    let last = |who: IdentityId| people.name(who).split_whitespace().last().map(str::to_lowercase);
    let by_author = wrote.iter().any(|who| people.could_be(*who, author) || last(*who) == last(author));
    let by_person = wrote.iter().any(|who| people.is_person(*who));
    if by_person && !by_author && !context.landed.is_merge() && people.could_be(author, committer) {
        contributors.remove(&author);
    }
}

impl Audited {
    /// Grades again by what is now known of who is who.
    pub fn settle(&mut self, people: &People) {
        let Graded { grade, by, reviewers } = grade(&self.evidence, &self.contributors, self.merge, people);
        self.grade = grade;
        self.by = by;
        self.reviewers = reviewers;
        if let Some(each) = parts::reviewers(&self.parts, people) {
            let named = |item: &Evidence| {
                item.says == Says::Approved && item.who.is_some_and(|who| each.contains(&people.person(who)))
            };
            if grade != Grade::Named {
                self.by = self.evidence.iter().position(named);
            }
            self.grade = Grade::Named;
            self.reviewers = each.union(&self.reviewers.iter().copied().collect()).copied().collect();
        }
    }

    /// Whether robots alone had a hand in the content: updates, releases, translations.
    pub fn by_robots(&self, people: &People) -> bool {
        let is_machine = |who: &IdentityId| matches!(people.kind(*who), Kind::Machine(_));
        !self.contributors.is_empty() && self.contributors.iter().all(is_machine)
    }

    /// The evidence that gave the grade.
    pub fn decisive(&self) -> Option<&Evidence> {
        self.by.and_then(|at| self.evidence.get(at))
    }
}

/// Authors and co-authors of everything that the change brings. Whoever committed or merged what somebody else wrote,
/// on the branch or when it landed, had it in hand: that is evidence, not content.
pub(super) fn contributors(change: &LandedChange, messages: &[Message], people: &mut People) -> BTreeSet<IdentityId> {
    let mut found = BTreeSet::new();
    let brought = || change.brought.iter().take(MAX_READ_COMMITS);
    let is_merge = |record: &CommitRecord| record.parents.len() > 1;
    // Of a merge of which nothing is known that it brought but merges, the authors of those are all that there is.
    let only_merges = change.brought.iter().all(is_merge);
    let records = std::iter::once(&change.commit).filter(|landed| !is_merge(landed) || change.brought.is_empty());
    for record in records.chain(brought().filter(|record| only_merges || !is_merge(record))) {
        let author = people.intern(&record.author);
        found.insert(author);
        // What an AI tool wrote and a person committed is that person's: there is one human hand in it.
        if people.kind(author) == Kind::Agent {
            found.insert(people.intern(&record.committer));
        }
    }
    for coauthor in messages.iter().flat_map(Message::coauthors) {
        found.insert(people.intern(&coauthor));
    }
    found
}
