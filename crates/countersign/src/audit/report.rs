//! The report of an audit, as programs read it. `docs/audit-json.md` describes every field, and a test compares the two.
//!
//! Every text that comes from a repository has been through [`shown`], so nothing here can drive a terminal.

use std::collections::BTreeMap;

use countersign_audit::{
    AiCounts, AiStatus, AreasBy, Audited, Carriers, Evidence, Grade, GradeCounts, IdentityId, ImpactSet, Scope, Share,
    conventions::Says,
    month_of, shown,
    timeline::{on_calendar, timeline},
};
use countersign_core::ids::Oid;
use serde::Serialize;

use super::{
    Judged,
    carried::{self, Area, Carrying},
    names::Names,
    next,
    reader::{History, Selection},
    replayed::{Compare, Replayed, Rule, Verdict, Whole},
};

/// Of the fields and their meaning. It grows when a field changes or goes, not when one is added.
pub const VERSION: u32 = 1;
const MAX_TEXT_CHARS: usize = 200;
const MAX_TITLE_CHARS: usize = 80;
/// How many months are the last ones.
const RECENT_MONTHS: i32 = 12;
const SECONDS_A_DAY: f64 = 86_400.0;

#[derive(Debug, Serialize)]
pub struct Report {
    pub version: u32,
    pub repository: String,
    pub title: String,
    pub branch: String,
    pub tip: Oid,
    pub since: Option<String>,
    pub until: Option<String>,
    pub anonymised: bool,
    pub landed: u64,
    pub read: Read,
    pub grades: Grades,
    pub ai: Ai,
    pub robots: Grades,
    pub recent: Recent,
    pub reviewers: Vec<Reviewer>,
    pub approvers: Vec<Reviewer>,
    pub carrying: Carrying,
    pub areas_by: &'static str,
    pub owners_file: Option<OwnersFile>,
    pub forge_reviews: Option<ForgeReviews>,
    pub governed: Option<Governed>,
    pub areas: Vec<Area>,
    pub people: People,
    pub conventions: Vec<Convention>,
    pub impact: Vec<Impact>,
    pub reverts: Reverts,
    pub months: Vec<Month>,
    pub rules: Vec<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Whole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    pub next: Vec<next::Step>,
    pub caveats: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
}

/// What was read.
#[derive(Debug, Serialize)]
pub struct Read {
    pub commits: u64,
    pub brought: u64,
    pub first: Option<String>,
    pub last: Option<String>,
    pub shallow: bool,
    pub notes: Vec<String>,
    pub note_db_changes: u64,
}

/// The `CODEOWNERS` file of the branch's tip.
#[derive(Debug, Serialize)]
pub struct OwnersFile {
    pub path: &'static str,
    pub entries: u64,
    /// Lines that cannot be read.
    pub left_out: u64,
}

/// What people exported from the forge.
#[derive(Debug, Serialize)]
pub struct ForgeReviews {
    /// Merged requests that the files have.
    pub requests: u64,
    /// Landed changes that are one of them.
    pub landed: u64,
}

/// What people signed in a Countersign log.
#[derive(Debug, Serialize)]
pub struct Governed {
    /// Changes that landed by commits, by that log.
    pub changes: u64,
    /// Landed changes here that are one of them.
    pub landed: u64,
}

/// Landed changes by the strongest thing that git proves; they add up to `landed`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Grades {
    pub named: u64,
    pub other_hand: u64,
    pub platform: u64,
    pub opaque: u64,
    pub self_approved: u64,
    pub self_merged: u64,
    pub alone: u64,
}

impl Grades {
    /// Changes of which git carries no second person.
    pub fn no_second_person(&self) -> u64 {
        self.opaque.saturating_add(self.self_approved).saturating_add(self.self_merged).saturating_add(self.alone)
    }

    /// Changes of which it carries one.
    pub fn second_person(&self) -> u64 {
        self.named.saturating_add(self.other_hand).saturating_add(self.platform)
    }

    pub fn total(&self) -> u64 {
        self.second_person().saturating_add(self.no_second_person())
    }
}

impl From<GradeCounts> for Grades {
    fn from(counts: GradeCounts) -> Self {
        let GradeCounts { named, other_hand, platform, opaque, self_approved, self_merged, alone } = counts;
        Self { named, other_hand, platform, opaque, self_approved, self_merged, alone }
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ai {
    pub declared: u64,
    pub inferred: u64,
    pub unknown: u64,
}

#[derive(Debug, Serialize)]
pub struct Reviewer {
    pub person: String,
    pub count: u64,
    pub share: f64,
}

#[derive(Debug, Serialize)]
pub struct People {
    pub people: u64,
    pub identities: u64,
    pub joined: Vec<Joined>,
}

#[derive(Debug, Serialize)]
pub struct Joined {
    pub why: &'static str,
    pub identities: u64,
}

#[derive(Debug, Serialize)]
pub struct Convention {
    pub convention: &'static str,
    pub decided: u64,
}

#[derive(Debug, Serialize)]
pub struct Impact {
    pub class: String,
    pub landed: u64,
    pub no_second_person: u64,
}

#[derive(Debug, Serialize)]
pub struct Reverts {
    pub reverted: u64,
    pub unfound: u64,
    pub median_days: Option<f64>,
    /// Reverted changes by grade.
    pub grades: Grades,
}

#[derive(Debug, Serialize)]
pub struct Month {
    pub month: String,
    pub landed: u64,
    pub grades: Grades,
    pub ai: Ai,
    /// Changes in which robots alone had a hand.
    pub robots: u64,
}

/// The last twelve calendar months up to the one of the newest change.
#[derive(Debug, Serialize)]
pub struct Recent {
    /// `2026-03`; null where nothing landed.
    pub from: Option<String>,
    pub to: Option<String>,
    pub landed: u64,
    pub grades: Grades,
    pub ai: Ai,
    pub robots: Grades,
}

#[derive(Debug, Serialize)]
pub struct Change {
    pub commit: Oid,
    pub landed_at: String,
    /// Absent when people are anonymised, as subjects name them.
    pub subject: Option<String>,
    pub grade: Grade,
    pub signals: Vec<Signal>,
    pub ai: AiStatus,
    pub ai_signals: Vec<&'static str>,
    pub ai_tools: Vec<&'static str>,
    pub contributors: Vec<String>,
    pub reviewers: Vec<String>,
    pub impact: Vec<String>,
    pub areas: Vec<String>,
    /// Robots alone had a hand in it.
    pub by_robots: bool,
    pub brought: u32,
    pub reverts: Vec<Oid>,
    pub reverted_by: Option<Oid>,
    pub reverted_after_days: Option<f64>,
    /// None where no rule was asked.
    pub rules: Option<Verdict>,
}

#[derive(Debug, Serialize)]
pub struct Signal {
    pub convention: &'static str,
    pub says: &'static str,
    pub who: Option<String>,
    pub text: Option<String>,
    /// It gave the grade.
    pub decided: bool,
}

/// What the user wants in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    pub changes: bool,
    pub anonymise: bool,
}

/// What the repository is called, and where it was cloned from if the report may tell.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// As on the command line.
    pub path: &'a str,
    pub title: &'a str,
    pub host: Option<&'a str>,
}

impl Report {
    pub fn new(called: Called<'_>, history: &History, selection: &Selection, judged: &Judged, wanted: Wanted) -> Self {
        let Judged { changes, people, scope, owners_file: _, unread: _, summary, reverts: _ } = judged;
        let names = names(people, history, wanted);
        let carriers = Carriers::find(changes, people);
        let reviewers = |shares: Vec<Share>| shares.into_iter().map(|share| reviewer(&names, share)).collect();
        let conventions =
            summary.conventions.iter().map(|(name, count)| Convention { convention: name, decided: *count });
        let month = |(&(year, month), counts): (&(i32, u8), &countersign_audit::Month)| Month {
            month: format!("{year:04}-{month:02}"),
            landed: counts.grades.total(),
            grades: counts.grades.into(),
            ai: ai(counts.ai),
            robots: counts.robots.total(),
        };
        let joined = people.joins().into_iter().map(|join| Joined { why: join.reason.words(), identities: join.count });
        let mut report = Self {
            version: VERSION,
            repository: shown(called.path, MAX_TEXT_CHARS),
            title: shown(called.title, MAX_TITLE_CHARS),
            branch: shown(&history.branch, MAX_TEXT_CHARS),
            tip: history.tip.clone(),
            since: selection.since.map(time),
            until: selection.until.map(time),
            anonymised: wanted.anonymise,
            landed: summary.landed,
            read: read(history, changes),
            grades: summary.grades.into(),
            ai: ai(summary.ai),
            robots: summary.robots.into(),
            recent: recent(judged),
            reviewers: reviewers(summary.reviewers()),
            approvers: reviewers(summary.approvers()),
            carrying: carried::carrying(&carriers, &names),
            areas_by: scope.areas.by().as_str(),
            owners_file: owners_file(judged),
            forge_reviews: forge_reviews(judged),
            governed: governed(judged),
            areas: carried::areas(&carriers, &scope.areas, &names),
            people: People {
                people: number(people.count()),
                identities: number(people.identities().filter(|id| people.is_person(*id)).count()),
                joined: joined.collect(),
            },
            conventions: conventions.collect(),
            impact: impact(changes, scope),
            reverts: taken_back(judged),
            months: summary.months.iter().map(month).collect(),
            rules: Vec::new(),
            replay: None,
            compare: None,
            next: Vec::new(),
            caveats: Vec::new(),
            changes: None,
        };
        report.next = next::steps(&report, called.host);
        report.caveats = caveats(&report);
        report.caveats.extend(words_about_areas(judged, wanted));
        report.caveats.extend(words_about_dates(changes));
        if wanted.changes {
            let by = takers(judged);
            let listed = changes.iter().enumerate();
            report.changes = Some(listed.map(|(at, one)| change(at, one, judged, &names, &by)).collect());
        }
        report
    }

    /// Puts in what the rules would have done, with everything that had to be assumed.
    pub fn add_replay(&mut self, called: Called<'_>, history: &History, judged: &Judged, replayed: &Replayed) {
        let names = names(&judged.people, history, Wanted { changes: false, anonymise: self.anonymised });
        self.rules = replayed.rules(&names);
        self.replay = Some(replayed.whole());
        self.compare = replayed.compare(judged);
        for (at, change) in self.changes.iter_mut().flatten().enumerate() {
            change.rules = replayed.verdict(at);
        }
        self.caveats.extend(replayed.assumptions.words());
        self.caveats.extend(replayed.not_judged.clone());
        self.next = next::steps(self, called.host);
    }
}

fn names<'a>(people: &'a countersign_audit::People, history: &History, wanted: Wanted) -> Names<'a> {
    match wanted.anonymise {
        true => Names::pseudonyms(people, &history.root),
        false => Names::plain(people),
    }
}

fn read(history: &History, changes: &[Audited]) -> Read {
    let coverage = history.coverage();
    let times = || changes.iter().map(|change| change.landed_at);
    Read {
        commits: number(coverage.commits),
        brought: changes.iter().map(|change| u64::from(change.brought)).sum(),
        first: times().min().map(time),
        last: times().max().map(time),
        shallow: coverage.shallow,
        notes: coverage.notes.iter().map(|name| shown(name, MAX_TEXT_CHARS)).collect(),
        note_db_changes: number(coverage.note_db_changes),
    }
}

fn ai(counts: AiCounts) -> Ai {
    Ai { declared: counts.declared, inferred: counts.inferred, unknown: counts.unknown }
}

fn recent(judged: &Judged) -> Recent {
    // Clocks that go wrong at the end make no months of their own.
    let newest = timeline(&judged.changes).last().map(|newest| month_of(*newest));
    let nth = |(year, month): (i32, u8)| year.saturating_mul(12).saturating_add(i32::from(month));
    let last = newest.map(nth).unwrap_or_default();
    let first = last.saturating_sub(RECENT_MONTHS).saturating_add(1);
    let spelt = |nth: i32| {
        format!(
            "{:04}-{:02}",
            nth.saturating_sub(1).div_euclid(12),
            nth.saturating_sub(1).rem_euclid(12).saturating_add(1)
        )
    };
    let mut sum = countersign_audit::Month::default();
    for (_, month) in judged.summary.months.iter().filter(|(month, _)| (first..=last).contains(&nth(**month))) {
        sum.add(month);
    }
    Recent {
        from: newest.map(|_| spelt(first)),
        to: newest.map(|_| spelt(last)),
        landed: sum.grades.total(),
        grades: sum.grades.into(),
        ai: ai(sum.ai),
        robots: sum.robots.into(),
    }
}

pub(super) fn reviewer(names: &Names<'_>, share: Share) -> Reviewer {
    // Four digits are more than anybody can tell apart.
    Reviewer { person: names.of(share.person), count: share.count, share: rounded(share.share, 1_000_000.0) }
}

fn forge_reviews(judged: &Judged) -> Option<ForgeReviews> {
    let (_, told) = judged.scope.requests.counts();
    (told > 0).then(|| ForgeReviews { requests: number(told), landed: landed_as(judged, false) })
}

fn governed(judged: &Judged) -> Option<Governed> {
    let (signed, _) = judged.scope.requests.counts();
    (signed > 0).then(|| Governed { changes: number(signed), landed: landed_as(judged, true) })
}

fn landed_as(judged: &Judged, signed: bool) -> u64 {
    let of =
        |change: &&Audited| judged.scope.requests.of(&change.commit).is_some_and(|request| request.signed == signed);
    number(judged.changes.iter().filter(of).count())
}

fn owners_file(judged: &Judged) -> Option<OwnersFile> {
    let owners = judged.scope.areas.code_owners()?;
    Some(OwnersFile {
        path: judged.owners_file?,
        entries: number(owners.entries().len()),
        left_out: number(owners.problem_count()),
    })
}

/// Of how many changes nothing tells how long they waited.
fn words_about_dates(changes: &[Audited]) -> Option<String> {
    let redated = changes.iter().filter(|change| change.redated).count();
    (redated > 0).then(|| {
        format!(
            "Of {redated} changes the forge wrote the author's date anew when they landed, so that nothing tells how long they \
             waited: the times to landing leave them out."
        )
    })
}

/// What areas stand on.
fn words_about_areas(judged: &Judged, wanted: Wanted) -> Vec<String> {
    let mut said = Vec::new();
    let file = judged.owners_file.unwrap_or("CODEOWNERS");
    match judged.scope.areas.by() {
        AreasBy::Folders => {}
        AreasBy::CodeOwners => said.push(format!(
            "Areas are the owners that {file} names at the tip of the branch: today's file, laid over the past. When a \
             change landed, others may have owned its paths."
        )),
        AreasBy::Catalog => said.push(
            "Areas are the systems of the catalog as it is today, laid over the past. When a change landed, its paths \
             may have belonged to others."
                .to_owned(),
        ),
    }
    if let Some(owners) = judged.scope.areas.code_owners()
        && let Some(first) = owners.problems().first()
    {
        // What it quotes may be somebody's name.
        let why = if wanted.anonymise { String::new() } else { format!(": {}", first.what) };
        let count = owners.problem_count();
        let lines = if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
        said.push(format!("Of {file} {lines} could not be read and count for nothing; line {}{why}.", first.line));
    }
    if !judged.unread.is_empty() {
        let files = judged.unread.iter().map(|file| shown(file, MAX_TEXT_CHARS)).collect::<Vec<_>>().join(", ");
        said.push(format!(
            "The branch has {files}, whose content is not in this clone or too large, so that it counts for nothing. A \
             partial clone leaves contents out; `git show` of the file fetches it."
        ));
    }
    said
}

fn impact(changes: &[Audited], scope: &Scope) -> Vec<Impact> {
    let class = |(at, class): (usize, &str)| {
        let of_class = || changes.iter().filter(move |change| change.impact.has(at));
        let without = of_class().filter(|change| !has_second_person(change.grade)).count();
        Impact {
            class: shown(class, MAX_TEXT_CHARS),
            landed: number(of_class().count()),
            no_second_person: number(without),
        }
    };
    let known = |at: usize| match at {
        ImpactSet::OWNED => scope.areas.code_owners().is_some(),
        ImpactSet::TIER_1 => scope.areas.systems().is_some(),
        _ => true,
    };
    scope.impact.classes().filter(|(at, _)| known(*at)).map(class).collect()
}

pub fn has_second_person(grade: Grade) -> bool {
    match grade {
        Grade::Named | Grade::OtherHand | Grade::Platform => true,
        Grade::Opaque | Grade::SelfApproved | Grade::SelfMerged | Grade::Alone => false,
    }
}

fn taken_back(judged: &Judged) -> Reverts {
    let firsts: Vec<_> = (0..judged.changes.len()).filter_map(|at| judged.reverts.of(at)).collect();
    let mut after: Vec<i64> = firsts.iter().map(|revert| revert.after_secs.max(0)).collect();
    after.sort_unstable();
    let mut grades = GradeCounts::default();
    for change in firsts.iter().filter_map(|revert| judged.changes.get(revert.reverted)) {
        grades.add(change.grade);
    }
    Reverts {
        reverted: number(firsts.len()),
        unfound: number(judged.reverts.unfound),
        median_days: after.get(after.len() / 2).map(|seconds| days(*seconds)),
        grades: grades.into(),
    }
}

/// By the change that takes back: what it takes back.
fn takers(judged: &Judged) -> BTreeMap<usize, Vec<Oid>> {
    let mut by: BTreeMap<usize, Vec<Oid>> = BTreeMap::new();
    for revert in &judged.reverts.all {
        if let Some(reverted) = judged.changes.get(revert.reverted) {
            by.entry(revert.by).or_default().push(reverted.commit.clone());
        }
    }
    by
}

fn change(at: usize, one: &Audited, judged: &Judged, names: &Names<'_>, takers: &BTreeMap<usize, Vec<Oid>>) -> Change {
    let called = |ids: &[IdentityId]| {
        let mut called: Vec<String> = Vec::new();
        for name in ids.iter().map(|id| names.of(*id)) {
            if !called.contains(&name) {
                called.push(name);
            }
        }
        called
    };
    let reverted = judged.reverts.of(at);
    let by = reverted.and_then(|revert| judged.changes.get(revert.by));
    Change {
        commit: one.commit.clone(),
        landed_at: time(one.landed_at),
        subject: (!names.are_pseudonyms()).then(|| one.subject.to_string()),
        grade: one.grade,
        signals: one.evidence.iter().enumerate().map(|(at, e)| signal(e, one.by == Some(at), names)).collect(),
        ai: one.ai.status,
        ai_signals: one.ai.signals.clone(),
        ai_tools: one.ai.tools.clone(),
        contributors: called(&one.contributors),
        reviewers: called(&one.reviewers),
        impact: judged.scope.impact.names(one.impact).into_iter().map(|name| shown(name, MAX_TEXT_CHARS)).collect(),
        areas: one.areas.iter().map(|area| carried::called(&judged.scope.areas, *area, names).0).collect(),
        by_robots: one.by_robots(&judged.people),
        brought: one.brought,
        reverts: takers.get(&at).cloned().unwrap_or_default(),
        reverted_by: by.map(|by| by.commit.clone()),
        reverted_after_days: reverted.map(|revert| days(revert.after_secs)),
        rules: None,
    }
}

fn signal(evidence: &Evidence, decided: bool, names: &Names<'_>) -> Signal {
    Signal {
        convention: evidence.convention,
        says: match evidence.says {
            Says::Contributed | Says::Wrote => "contributed",
            Says::Approved => "approved",
            Says::NobodyApproved => "nobody_approved",
            Says::Landed => "landed",
            Says::Platform => "platform",
            Says::Opaque => "opaque",
        },
        who: evidence.who.map(|who| names.of(who)),
        text: (!names.are_pseudonyms()).then(|| evidence.signal.to_string()),
        decided,
    }
}

/// What a reader has to know before they draw conclusions.
fn caveats(report: &Report) -> Vec<String> {
    let mut said = vec![
        "Git cannot prove a second person who left no trace in it: reviews on a forge, by mail or at a desk may have \
         happened. \"Git carries no second person\" does not say that nobody looked."
            .to_owned(),
        "Trailers, names and dates in commits are claims: nobody had to sign them.".to_owned(),
        "AI assistance is what commits and notes declare, or what an identity or a mention suggests. No sign does not \
         mean that a human wrote it, and a sign does not prove that a tool did."
            .to_owned(),
    ];
    if report.forge_reviews.is_some() {
        said.push(
            "What a forge knows of its requests comes from files that somebody exported there, and that nobody signed: \
             second persons are counted that git does not carry. A page of an export that is missing is not noticed."
                .to_owned(),
        );
    }
    if report.read.shallow {
        said.push(
            "The clone is shallow: what was before is unknown, and so is what its oldest change changed. \
             `git fetch --unshallow` brings the rest."
                .to_owned(),
        );
    }
    if report.read.notes.is_empty() {
        said.push(
            "There are no notes here. A clone leaves them out; where reviews are kept in notes (Gerrit, git-ai), fetch \
             them first: git fetch origin 'refs/notes/*:refs/notes/*'"
                .to_owned(),
        );
    }
    let strange = |at: &Option<String>, wrong: fn(&str) -> bool| at.as_deref().is_some_and(wrong);
    if strange(&report.read.first, |at| at < "1990") || strange(&report.read.last, |at| at > "2090") {
        said.push(
            "Some commits carry impossible dates. Periods, weeks and what is counted back from the newest change take \
             those times from the neighbours; months, and the time to a landing or a revert, take them as they stand and \
             mean nothing there."
                .to_owned(),
        );
    }
    if report.anonymised {
        said.push(
            "People have pseudonyms, the same in every report about this history. Whoever has the repository can find \
             out whose they are, also by commit ids."
                .to_owned(),
        );
    }
    said
}

/// RFC 3339, in UTC.
pub fn time(seconds: i64) -> String {
    on_calendar(seconds).to_string()
}

pub(super) fn days(seconds: i64) -> f64 {
    // To the second, so that minutes are minutes.
    rounded(seconds as f64 / SECONDS_A_DAY, 100_000.0)
}

pub(super) fn rounded(value: f64, to: f64) -> f64 {
    (value * to).round() / to
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
