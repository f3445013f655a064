//! Sample snapshots for [`mod@super::check`]: every mixture of what rules most often ask about.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time, sshsig::Assurance};

use super::Mentions;
use crate::{
    catalog::{ActorKind, Tier},
    facts::{Size, size::Lines},
    ids::{ActorId, ChangeId, EvidenceKind, GroupId, Label, Target},
    kind::{Kind, Purpose},
    requirement::Document,
    snapshot::{
        AiStatus, Applier, Builder, CalendarView, CommitsView, EvidenceView, FreezeView, GuidanceView, PathsView,
        Snapshot, TargetView, Worked,
    },
    standard::StandardView,
    statement::Seen,
};

/// When samples and cases are decided: 2026-04-01T00:00:00Z. Nothing about the date matters but that it stands still.
pub const SAMPLE_NOW: Time = Time::from_unix_secs(1_775_001_600);

/// How many of the names that a rule mentions are tried, of each sort.
pub(super) const MAX_NAMES: usize = 8;

/// The change that samples and cases are about.
pub(crate) fn change() -> ChangeId {
    ChangeId::of_proposal(&Digest::of("sample"))
}

/// A template that samples and cases fit.
pub(crate) fn standard() -> StandardView {
    let approved_by = ["sample-approver-1", "sample-approver-2"].into_iter().filter_map(|name| name.parse().ok());
    StandardView { name: "sample".to_owned(), approved_by: approved_by.collect(), approved_at: SAMPLE_NOW }
}

/// What calendars would say: of all targets the same.
pub(crate) fn calendar(snapshot: &Snapshot, frozen: bool, open: bool, works: bool) -> CalendarView {
    let all: BTreeSet<Target> = snapshot.targets.iter().map(|view| view.target.clone()).collect();
    let only = |is: bool| if is { all.clone() } else { BTreeSet::new() };
    let (name, until) = ("sample".to_owned(), SAMPLE_NOW.plus_secs(60 * 60));
    let freeze = FreezeView { by: None, name, may_pass: BTreeSet::new(), targets: all.clone(), until };
    CalendarView {
        freezes: Some(freeze).into_iter().filter(|_| frozen).collect(),
        shut: only(!open),
        working: only(works),
        ..CalendarView::default()
    }
}

/// The same after so many working hours of the owners.
fn waited(sample: &Snapshot, hours: u32) -> Snapshot {
    let mut sample = sample.clone();
    let worked = Worked { since: SAMPLE_NOW, hours };
    let each = sample.targets.iter().map(|view| (view.target.clone(), worked)).collect();
    sample.calendar.get_or_insert_default().worked = each;
    sample
}

/// Snapshots that differ in target, kind, AI status, guidance and size of the home. None of them has an approval, and
/// all that people say in them is empty.
pub(super) fn samples(mentions: &Mentions) -> impl Iterator<Item = Snapshot> + use<> {
    let rests = rests(mentions);
    let targets = targets(mentions).into_iter();
    let kinds = targets.flat_map(|target| Kind::ALL.map(|kind| (target.clone(), kind)));
    let statuses = [AiStatus::Declared, AiStatus::Inferred, AiStatus::Unknown, AiStatus::None];
    let with_status = kinds.flat_map(move |(target, kind)| statuses.map(|status| (target.clone(), kind, status)));
    let variety = Variety::of(mentions);
    // Just before another way is one, and when it is.
    let around = |hours: &u32| [hours.saturating_sub(1), *hours];
    let waits: BTreeSet<u32> = mentions.waits.iter().take(MAX_NAMES).flat_map(around).collect();
    with_status.enumerate().flat_map(move |(number, (target, kind, status))| {
        let sample = |rest: &Rest| sample(target.clone(), kind, status, rest.clone());
        let mut samples: Vec<Snapshot> = rests.iter().filter_map(sample).collect();
        let mixed: Vec<Snapshot> = variety.iter().flat_map(|variety| variety.mixtures(&samples, number)).collect();
        samples.extend(mixed);
        let waited = samples.iter().flat_map(|sample| waits.iter().map(move |hours| waited(sample, *hours)));
        let waited: Vec<Snapshot> = waited.collect();
        samples.extend(waited);
        samples
    })
}

/// What conditions ask about besides: samples of their own, made of the numbers, texts and names that the rule itself has.
struct Variety {
    numbers: Vec<u32>,
    texts: Vec<String>,
    people: Vec<ActorId>,
    groups: Vec<GroupId>,
    patterns: Vec<String>,
    evidence: Vec<EvidenceKind>,
    hours: Vec<u32>,
    asked: BTreeSet<&'static str>,
}

/// How many mixtures each sample is varied into, where a rule asks about more than samples have.
const MIXTURES: usize = 12;

impl Variety {
    fn of(mentions: &Mentions) -> Option<Self> {
        const HAVE: [&str; 7] = [
            "tier",
            "production",
            "ai.status",
            "ai.assisted",
            "purpose.restores",
            "purpose.incident",
            "purpose.security",
        ];
        let asked: BTreeSet<&'static str> =
            mentions.asked.iter().copied().filter(|name| !HAVE.contains(name)).collect();
        if asked.is_empty() {
            return None;
        }
        // Each number that the rule has, and what is on either side of it.
        let around = |number: &u32| [number.saturating_sub(1), *number, number.saturating_add(1)];
        let mut numbers: Vec<u32> = mentions.numbers.iter().take(MAX_NAMES).flat_map(around).chain([0, 1]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Some(Self {
            numbers,
            texts: mentions.texts.iter().take(MAX_NAMES).cloned().collect(),
            evidence: mentions.evidence.iter().take(MAX_NAMES).cloned().collect(),
            patterns: mentions.patterns.iter().take(MAX_NAMES).cloned().collect(),
            hours: mentions.hours.iter().take(MAX_NAMES).copied().collect(),
            groups: mentions.groups.iter().take(MAX_NAMES).filter_map(|name| name.parse().ok()).collect(),
            people: mentions.people.iter().take(MAX_NAMES).filter_map(|name| name.parse().ok()).collect(),
            asked,
        })
    }

    fn mixtures(&self, bases: &[Snapshot], number: usize) -> Vec<Snapshot> {
        let bases = bases.iter().cycle().zip(0..MIXTURES);
        bases.map(|(base, mixture)| Varied { of: self, mixture }.vary(base, number)).collect()
    }
}

/// One mixture.
struct Varied<'a> {
    of: &'a Variety,
    mixture: usize,
}

impl Varied<'_> {
    /// A sample with what the rule asks about set to something that the rule itself names.
    fn vary(&self, base: &Snapshot, number: usize) -> Snapshot {
        let Variety { numbers, texts, people, groups, patterns, evidence, hours, asked } = self.of;
        let mut sample = base.clone();
        // The same in every run, and another for each attribute, sample and mixture.
        let draw = |attribute: &str, among: usize| {
            let digest = Digest::of(format!("{attribute} {number} {}", self.mixture));
            usize::from(*digest.as_bytes().first().unwrap_or(&0)).checked_rem(among).unwrap_or(0)
        };
        let pick = |attribute: &str| numbers.get(draw(attribute, numbers.len())).copied().unwrap_or(0);
        let few = |attribute: &str| usize::try_from(pick(attribute)).unwrap_or(0).min(MOST);
        // A text that the rule has, with what a `*` in it may stand for; or none of them.
        let text = |attribute: &str| {
            let drawn = texts.get(draw(attribute, texts.len().saturating_add(1)));
            drawn.map(|text| text.replace('*', "x")).unwrap_or_default()
        };
        if asked.contains("source") {
            sample.purpose.source = Some(text("source")).filter(|text| !text.is_empty());
        }
        if asked.contains("branch") {
            sample.branch = Some(text("branch")).filter(|text| !text.is_empty());
        }
        if asked.contains("title.form") {
            sample.documents.form = text("title.form");
        }
        if asked.contains("links.hosts") {
            sample.documents.hosts = one_or_all(texts, draw("links.hosts", texts.len().saturating_add(1))).collect();
            sample.documents.links = u32::try_from(sample.documents.hosts.len()).unwrap_or(u32::MAX);
        }
        if asked.contains("links.count") {
            sample.documents.links = pick("links.count");
        }
        if asked.contains("commits.signed") || asked.contains("commits.by_committer") {
            let drawn = draw("commits", 3);
            sample.commits = Some(CommitsView { signed: drawn > 0, by_committer: drawn > 1 });
        }
        for pattern in patterns.iter().filter(|_| asked.iter().any(|name| name.ends_with("_without"))) {
            let pick = |what: &str| pick(&format!("{what} without {pattern}"));
            let lines = Lines { added: pick("added"), deleted: pick("deleted") };
            sample.size_without.insert(pattern.clone(), Size { files: pick("files"), lines: Some(lines) });
        }
        if asked.contains("revision") {
            sample.revision = pick("revision").max(1);
        }
        if asked.contains("home.people") {
            sample.population = pick("home.people").max(1);
        }
        if asked.contains("ai.disclosed") {
            sample.ai.disclosed = draw("ai.disclosed", 2) == 1;
        }
        if asked.contains("ai.tools") {
            sample.ai.tools = one_or_all(texts, draw("ai.tools", texts.len().saturating_add(1))).collect();
        }
        if asked.contains("contributors") {
            let drawn = draw("contributors", people.len().saturating_add(1));
            sample.contributors.extend(one_or_all(people, drawn));
        }
        for pattern in patterns.iter().filter(|_| asked.iter().any(|name| name.starts_with("paths."))) {
            let is = |what: &str| draw(&format!("{what} {pattern}"), 2) == 1;
            let (only, added, deleted) = (is("only"), is("added"), is("deleted"));
            let touched = only || added || deleted || is("touched");
            sample.paths.insert(pattern.clone(), PathsView { touched, only, added, deleted, unknown: false });
        }
        if asked.contains("labels.all") || asked.contains("labels.by_others") {
            let labels: Vec<Label> = texts.iter().filter_map(|text| text.parse().ok()).collect();
            let by = "somebody-else".parse().into_iter();
            for (label, by) in one_or_all(&labels, draw("labels", labels.len().saturating_add(1)))
                .flat_map(|l| by.clone().map(move |by| (l.clone(), by)))
            {
                sample.labels.put(&label, &by, draw(label.as_str(), 2) == 1);
            }
        }
        if asked.contains("applier.apart") && draw("applier", 2) == 1 {
            sample.applier = Some(Applier::Unknown);
        }
        if asked.iter().any(|name| ["freeze.", "window.", "time."].iter().any(|of| name.starts_with(of))) {
            let drawn = |what: &str| draw(what, 2) == 1;
            sample.calendar = Some(calendar(&sample, drawn("freeze"), drawn("window"), drawn("time")));
        }
        if asked.contains("waiting.worked_hours") {
            sample = waited(&sample, pick("waiting.worked_hours"));
        }
        if asked.contains("waiting.hours") {
            sample.waiting_hours = Some(pick("waiting.hours"));
        }
        if asked.contains("findings.overdue") {
            sample.findings_overdue = Some(pick("findings.overdue"));
        }
        if asked.contains("standard") && draw("standard", 2) == 1 {
            sample.standard = Some(standard());
        }
        for kind in evidence.iter().filter(|_| asked.iter().any(|name| name.starts_with("evidence."))) {
            let mut view = EvidenceView::default();
            let among = match draw(kind.as_str(), 3) {
                0 => &mut view.passed_by,
                1 => &mut view.self_made_by,
                _ => &mut view.failed_by,
            };
            among.extend("sample-ci".parse().ok());
            sample.evidence.insert(kind.clone(), view);
        }
        if asked.iter().any(|name| name.starts_with("size.")) {
            let lines = Lines { added: pick("size.added"), deleted: pick("size.deleted") };
            sample.size = Some(Size { files: pick("size.files").max(1), lines: Some(lines) });
        }
        if let Some(proposer) = &mut sample.proposer {
            if asked.contains("proposer_kind") {
                let kinds = [ActorKind::Person, ActorKind::Workload, ActorKind::Agent];
                proposer.kind = kinds.get(draw("proposer_kind", kinds.len())).copied().unwrap_or(ActorKind::Person);
            }
            if let Some(named) = people.get(draw("proposer", people.len().saturating_add(1))) {
                proposer.id = named.clone();
                sample.contributors = BTreeSet::from([named.clone()]);
            }
            let of_people = ["proposer", "contributor_groups.any", "contributor_groups.all"];
            for group in groups.iter().filter(|_| of_people.iter().any(|name| asked.contains(name))) {
                let members = match draw(group.as_str(), 3) {
                    0 => BTreeSet::new(),
                    1 => BTreeSet::from([proposer.id.clone()]),
                    _ => sample.contributors.clone(),
                };
                sample.groups.insert(group.clone(), members);
            }
            // Of several contributors some may be in a group and others not.
            if asked.contains("contributor_groups.any") && draw("contributors of groups", 2) == 1 {
                sample.contributors.extend("somebody-else".parse().ok());
            }
        }
        if asked.contains("guidance.cited") || asked.contains("guidance.stale") {
            let stale = few("guidance.stale");
            let cited = if asked.contains("guidance.cited") { few("guidance.cited") } else { stale };
            let due = |n: usize| (n >= stale).then_some(Time::from_unix_millis(i64::MAX));
            let document = |n: usize| GuidanceView { path: format!("docs/sample-{n}.md"), review_due: due(n) };
            sample.guidance = (0..cited).map(document).collect();
        }
        let documents = [
            ("documents.why", Document::Why),
            ("documents.risk", Document::Risk),
            ("documents.rollback", Document::Rollback),
            ("documents.tests", Document::Tests),
        ];
        for (name, document) in documents.into_iter().filter(|(name, _)| asked.contains(name)) {
            *document.chars_mut(&mut sample.documents) = pick(name);
        }
        let ways = [
            "approvals.touch",
            "approvals.verified",
            "approvals.material",
            "approvals.oncall",
            "approvals.present",
            "approvals.recent",
        ];
        let approvals =
            ["approvals.independent", "approvals.owner", "approvals.senior", "approvals.group", "approvers"];
        let approvals = [&approvals[..], &ways].concat();
        if approvals.iter().any(|name| asked.contains(name)) {
            let system = sample.targets.first().map(|view| view.target.system.clone());
            let (owners, seniors) = (few("approvals.owner"), few("approvals.senior"));
            let several = ["approvals.independent", "approvals.group"].iter().any(|name| asked.contains(name));
            let signed = ways.iter().find(|name| asked.contains(*name)).map_or(0, |name| few(name));
            let independent = if several { few("approvals.independent") } else { 0 }.max(signed);
            let mut named: Vec<ActorId> =
                one_or_all(people, draw("approvers", people.len().saturating_add(1))).collect();
            // Who had a hand in it can approve, too, though it counts for nothing.
            named.extend(sample.contributors.first().filter(|_| draw("both", 2) == 1).cloned());
            named.retain(|_| asked.contains("approvers"));
            let owners = if asked.contains("approvals.owner") { owners } else { 0 };
            let seniors = if asked.contains("approvals.senior") { seniors } else { 0 };
            let strangers =
                (0..independent.max(owners).max(seniors)).filter_map(|n| format!("approver-{n}").parse().ok());
            for (n, by) in named.into_iter().chain(strangers).enumerate() {
                sample.approve(by, n < seniors, system.clone().filter(|_| n < owners));
            }
            for approval in sample.approvals.iter_mut().take(signed) {
                (approval.assurance, approval.seen) = (Assurance::UserVerified, Seen::Computed);
                approval.on_call.extend(system.clone());
                approval.hours = hours.get(draw("hours", hours.len().saturating_add(1))).copied().or(Some(u32::MAX));
            }
            let approvers: BTreeSet<ActorId> = sample.approvals.iter().map(|approval| approval.by.clone()).collect();
            for group in groups.iter().filter(|_| asked.contains("approvals.group")) {
                let members = approvers.iter().take(few(group.as_str())).cloned();
                sample.groups.entry(group.clone()).or_default().extend(members);
            }
        }
        sample
    }
}

/// One of them, or all together: what asks for several of a set is met by nothing less.
fn one_or_all<T: Clone>(all: &[T], drawn: usize) -> impl Iterator<Item = T> + '_ {
    let one = all.get(drawn).map(std::slice::from_ref);
    one.unwrap_or(all).iter().cloned()
}

/// Most people or documents that a sample is given of one sort.
const MOST: usize = 256;

/// Every target that a rule could mean: the names that it mentions besides common ones, in every tier, as production and
/// not.
fn targets(mentions: &Mentions) -> Vec<TargetView> {
    let or = |names: &BTreeSet<String>, common: &[&str]| -> Vec<String> {
        let common = common.iter().map(|name| (*name).to_owned());
        names.iter().take(MAX_NAMES).cloned().chain(common).collect()
    };
    let mut targets = Vec::new();
    for system in or(&mentions.systems, &["checkout"]) {
        for environment in or(&mentions.environments, &["production"]) {
            for group in or(&mentions.groups, &["payments"]) {
                for (tier, production) in (1..=4_u8).flat_map(|tier| [(tier, true), (tier, false)]) {
                    // What is no valid name here can be no target either.
                    let (Ok(target), Ok(owner), Ok(tier)) = (
                        format!("{system}/{environment}").parse::<Target>(),
                        group.parse::<GroupId>(),
                        Tier::try_from(tier),
                    ) else {
                        continue;
                    };
                    targets.push(TargetView { target, production, tier, owner });
                }
            }
        }
    }
    targets
}

/// What a sample is besides its target, kind and AI status.
#[derive(Clone)]
struct Rest {
    people: usize,
    cites: bool,
    purpose: Purpose,
}

/// Large with guidance, large without, and a home of two; where the rule asks what a change is for, also one of each
/// purpose, and one of all.
fn rests(mentions: &Mentions) -> Vec<Rest> {
    let plain = |people, cites| Rest { people, cites, purpose: Purpose::default() };
    let mut rests = vec![plain(4, true), plain(4, false), plain(2, true)];
    if mentions.purpose {
        let (restores, incident) = (Some(change()), Some("INC-1".to_owned()));
        let purposes = [
            Purpose { restores: restores.clone(), ..Purpose::default() },
            Purpose { incident: incident.clone(), ..Purpose::default() },
            Purpose { security: true, ..Purpose::default() },
            Purpose { restores, incident, security: true, ..Purpose::default() },
        ];
        rests.extend(purposes.map(|purpose| Rest { purpose, ..plain(4, true) }));
    }
    rests
}

fn sample(target: TargetView, kind: Kind, status: AiStatus, rest: Rest) -> Option<Snapshot> {
    let sample = Builder::new(change(), kind)
        .target(target)
        .proposed_by("ada".parse().ok()?, ActorKind::Person)
        .ai(status, false)
        .purpose(rest.purpose)
        .population(rest.people);
    Some(if rest.cites { sample.guidance("docs/sample.md".to_owned(), None) } else { sample }.build())
}
