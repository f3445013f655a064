//! Replay: what rules would have done to the past. Every landed change is put to the same rules as a proposal would be,
//! with what was known when it landed.
//!
//! A repository has no catalog, no keys and no signatures, so a change becomes a snapshot by stated assumptions:
//! [`Assumptions::words`] says each of them, and a report repeats them. Rules are asked through
//! [`countersign_core::rules::weigh`], which is what `decide` writes down, so a replay and a decision cannot differ.
//!
//! | room | holds |
//! |---|---|
//! | `known` | who was there, senior and owner in the year before a change |
//! | `reading` | a change's kind and documents, from its paths and messages |
//! | `tally` | counts by rule, the curve, and the comparison of two sets |
//!
//! Invariant: what is said of a change depends on it and on changes that landed before it, never on later ones. Whether
//! it was reverted is counted beside the verdict and is nothing to the rules.

mod known;
mod reading;
mod tally;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use countersign_core::{
    catalog::Tier,
    decision::Outcome,
    ids::{ActorId, ChangeId, Environment, GroupId, InvalidId, RuleId, SystemId, Target},
    kind::Kind,
    requirement::{Choice, Has, Need, Role},
    rules::Rules,
    snapshot::{Ai, AiStatus, Builder, Snapshot, TargetView},
};
use countersign_ledger::Time;

pub(super) use self::reading::{documents_of, kind_of, ruled};
pub use self::tally::{All, CurvePoint, Missing, Part, RuleReplay, Stopped};
use self::{
    known::{Actors, History, Known, Parts, Person, There},
    tally::{Asked, Tally},
};
use super::{
    Grade,
    ai::AiStatus as Sign,
    areas::{Areas, AreasBy},
    carriers::{at_fraction, dated_reviews, secs_to_landing},
    judge::Audited,
    people::People,
    reverts::Reverts,
    timeline::timeline,
};

/// So far back is known who is there, who is senior and who owns an area.
pub const WINDOW_DAYS: i64 = 365;
/// One person in so many is senior: those who worked most.
pub const SENIOR_FRACTION: usize = 5;
/// So many landed changes in an area make an owner of it.
pub const OWNER_CHANGES: u32 = 3;
/// From so many reviews on whose time is told, theirs is the waiting time that is assumed.
const MIN_DATED_REVIEWS: usize = 30;
/// The tier of a change that touches a path that reaches far, and of any other.
const FAR_REACHING_TIER: u8 = 1;
const OTHER_TIER: u8 = 3;
const WEEK_SECS: f64 = 7.0 * 86_400.0;
const LONGEST_NAME: usize = 56;

/// A settled history, oldest change first.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    pub changes: &'a [Audited],
    pub people: &'a People,
    pub areas: &'a Areas,
    pub reverts: &'a Reverts,
}

/// What one set of rules would have done.
#[derive(Clone, Debug)]
pub struct Replay {
    /// In the order of their ids; then the checks that no rule file can switch off, as far as they stopped anything.
    pub rules: Vec<RuleReplay>,
    pub all: All,
    /// Rules by the reverted changes that they caught for each change that they stopped, best first.
    pub curve: Vec<CurvePoint>,
    /// By change: what the set would have said; none of a change without paths, which no rule was asked about.
    pub outcomes: Vec<Option<Outcome>>,
    /// By change: the rules that it did not meet.
    pub stopped: Vec<Vec<Stopped>>,
}

/// Where the assumed waiting time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitBasis {
    /// The median from author date to an approval whose time is told.
    DatedApprovals,
    /// The median from author date to landing.
    Landing,
}

/// What had to be assumed to put the past to rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// The length of the history; a week at least.
    pub weeks: f64,
    /// How long a change waits for an approval that it lacks.
    pub wait_secs: i64,
    pub wait_basis: WaitBasis,
    /// Areas are systems of a catalog, whose tiers count.
    pub by_catalog: bool,
    /// Changes of which a target counts as tier 1.
    pub tier_1: u64,
    /// Changes without paths, about which no rule was asked.
    pub without_paths: u64,
    /// At the end: how many people count as senior, and from how many changes and reviews on.
    pub seniors: usize,
    pub senior_from: u32,
}

/// A history is replayed in so many stretches, which somebody with threads may ask side by side. Their number is fixed:
/// shares of approvals are added up stretch by stretch, and the sums are to be the same on every machine.
const STRETCHES: usize = 4;

/// A history, made ready to be put to sets of rules: every stretch is asked, in any order, and then they are added up.
#[derive(Debug)]
pub struct Course<'a> {
    past: Past<'a>,
    /// Those before are only what was known.
    first: usize,
    sets: &'a [&'a Rules],
    times: Vec<i64>,
    actors: Actors,
    parts: Vec<Parts>,
    systems: Vec<SystemId>,
}

impl<'a> Course<'a> {
    pub fn new(past: Past<'a>, sets: &'a [&'a Rules]) -> Result<Self, InvalidId> {
        Self::from(past, 0, sets)
    }

    /// Only the changes from a position on are asked about.
    pub fn from(past: Past<'a>, first: usize, sets: &'a [&'a Rules]) -> Result<Self, InvalidId> {
        let mut actors = Actors::default();
        let parts: Result<Vec<Parts>, InvalidId> =
            past.changes.iter().map(|change| Parts::of(change, past.people, &mut actors)).collect();
        let (parts, systems) = (parts?, systems(past.areas)?);
        Ok(Self { past, first, sets, times: timeline(past.changes), actors, parts, systems })
    }

    /// Positions of changes that can be asked about apart from each other.
    pub fn stretches(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let changes = self.past.changes.len();
        let first = self.first.min(changes);
        let length = changes.saturating_sub(first).div_ceil(STRETCHES).max(1);
        (first..changes).step_by(length).map(move |from| from..from.saturating_add(length).min(changes))
    }

    /// Asks about the changes of a stretch. What was known before them is learnt from the changes before it.
    pub fn ask(&self, stretch: Range<usize>) -> Result<Stretch<'a>, InvalidId> {
        let past = self.past;
        let history = History {
            changes: past.changes,
            times: &self.times,
            parts: &self.parts,
            actors: &self.actors,
            systems: &self.systems,
            areas: past.areas,
        };
        let mut asked = Stretch::new(self.sets, &self.actors);
        let mut known = Known::new(&self.actors);
        let mut there = There::new();
        let mut snapshot = Builder::new("0".repeat(ChangeId::LEN).parse()?, Kind::Code).build();
        let production: Environment = "production".parse()?;
        for (at, (change, part)) in past.changes.iter().zip(&self.parts).enumerate().take(stretch.end) {
            known.before(at, history, &mut there);
            if at < stretch.start {
                // Only learnt. What nobody asks about at all has its place among the outcomes.
                if stretch.start == self.first {
                    asked.tallies.iter_mut().for_each(Tally::pass_over);
                }
            } else if change.areas.is_empty() {
                asked.without_paths = asked.without_paths.saturating_add(1);
                asked.tallies.iter_mut().for_each(Tally::pass_over);
            } else {
                let strangers = put(&mut snapshot, &mut there, change, part, history, &production, past.people)?;
                let tier_1 = snapshot.targets.iter().any(|target| target.tier == Tier::HIGHEST);
                asked.tier_1 = asked.tier_1.saturating_add(u64::from(tier_1));
                let now = Time::from_unix_secs(self.times.get(at).copied().unwrap_or_default());
                let reverted = past.reverts.of(at).is_some();
                for tally in &mut asked.tallies {
                    tally.ask(&Asked { snapshot: &snapshot, there: &there, now, reverted, known: &known });
                }
                for stranger in strangers {
                    there.remove(&stranger);
                }
            }
            known.after(at, history, &mut there);
        }
        asked.seniors = known.seniors;
        asked.senior_from = known.senior_from;
        Ok(asked)
    }

    /// Adds up all the stretches, in their order.
    pub fn close(&self, stretches: Vec<Stretch<'a>>) -> (Assumptions, Vec<Replay>) {
        let mut all = Stretch::new(self.sets, &self.actors);
        for stretch in stretches {
            all.append(stretch);
        }
        let assumed = Assumptions {
            tier_1: all.tier_1,
            without_paths: all.without_paths,
            seniors: all.seniors,
            senior_from: all.senior_from,
            ..assumptions(self.past, &self.times, self.first)
        };
        let replays = all.tallies.into_iter().map(|tally| tally.close(&assumed, &self.actors)).collect();
        (assumed, replays)
    }
}

/// What is counted over a stretch of a history.
#[derive(Debug)]
pub struct Stretch<'r> {
    tallies: Vec<Tally<'r>>,
    tier_1: u64,
    without_paths: u64,
    seniors: usize,
    senior_from: u32,
}

impl<'r> Stretch<'r> {
    fn new(sets: &[&'r Rules], actors: &Actors) -> Self {
        Self {
            tallies: sets.iter().map(|rules| Tally::new(rules, actors.len())).collect(),
            tier_1: 0,
            without_paths: 0,
            seniors: 0,
            senior_from: 0,
        }
    }

    /// Puts a later stretch behind this one.
    fn append(&mut self, later: Self) {
        for (tally, later) in self.tallies.iter_mut().zip(later.tallies) {
            tally.append(later);
        }
        self.tier_1 = self.tier_1.saturating_add(later.tier_1);
        self.without_paths = self.without_paths.saturating_add(later.without_paths);
        self.seniors = later.seniors;
        self.senior_from = later.senior_from;
    }
}

/// Makes the snapshot that of a change. Whoever has a part in it was there, though nothing before says so; they are given
/// back, to be taken out again.
fn put(
    snapshot: &mut Snapshot,
    there: &mut There,
    change: &Audited,
    parts: &Parts,
    history: History<'_>,
    production: &Environment,
    people: &People,
) -> Result<Vec<ActorId>, InvalidId> {
    snapshot.change = change.commit.as_str().chars().take(ChangeId::LEN).collect::<String>().parse()?;
    snapshot.kind = change.kind;
    snapshot.targets = targets(change, history, production)?;
    let ids = |numbers: &[usize]| -> Vec<ActorId> {
        numbers.iter().filter_map(|number| history.actors.id(*number)).cloned().collect()
    };
    snapshot.contributors = ids(&parts.contributors).into_iter().collect();
    let approvers = match (change.grade, change.decisive().and_then(|evidence| evidence.who)) {
        (Grade::Named, _) => parts.reviewers.clone(),
        // Another hand merged it: that is one approval.
        (Grade::OtherHand, Some(who)) => {
            parts.all.iter().copied().filter(|n| history.actors.identity(*n) == Some(people.person(who))).collect()
        }
        (Grade::OtherHand, None)
        | (Grade::Platform | Grade::Opaque | Grade::SelfApproved | Grade::SelfMerged | Grade::Alone, _) => Vec::new(),
    };
    let mut strangers = ids(&parts.all);
    strangers.retain(|id| !there.contains_key(id));
    there.extend(strangers.iter().map(|stranger| (stranger.clone(), Person::default())));
    snapshot.approvals.clear();
    for by in ids(&approvers) {
        let Some(person) = there.get(&by) else { continue };
        snapshot.approve(by, person.senior, person.owns.iter().cloned());
    }
    let text = |words: &[&'static str]| words.iter().map(|word| (*word).to_owned()).collect();
    snapshot.ai = Ai {
        status: match change.ai.status {
            Sign::Declared => AiStatus::Declared,
            Sign::Inferred => AiStatus::Inferred,
            Sign::Unknown => AiStatus::Unknown,
        },
        tools: text(&change.ai.tools),
        signals: text(&change.ai.signals),
        disclosed: false,
    };
    snapshot.documents.clone_from(&change.documents);
    snapshot.paths.clone_from(&change.ruled);
    snapshot.population = u32::try_from(there.len()).unwrap_or(u32::MAX);
    Ok(strangers)
}

fn targets(change: &Audited, history: History<'_>, production: &Environment) -> Result<Vec<TargetView>, InvalidId> {
    let tier = if change.impact.reaches_far() { FAR_REACHING_TIER } else { OTHER_TIER };
    // Both tiers are valid; the highest is the careful answer if they ever were not.
    let tier = Tier::try_from(tier).unwrap_or(Tier::HIGHEST);
    let view = |(system, stated): (&SystemId, Option<Tier>)| -> Result<TargetView, InvalidId> {
        let target = Target { system: system.clone(), environment: production.clone() };
        let tier = stated.unwrap_or(tier);
        Ok(TargetView { target, production: true, tier, owner: system.as_str().parse::<GroupId>()? })
    };
    let named = |area: &u32| Some((history.systems.get(*area as usize)?, history.areas.tier(*area)));
    change.areas.iter().filter_map(named).map(view).collect()
}

/// A system for every area, under its name as far as a system can be called so.
fn systems(areas: &Areas) -> Result<Vec<SystemId>, InvalidId> {
    let mut taken = BTreeSet::new();
    let mut systems = Vec::new();
    for name in areas.names() {
        let plain: String = name
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
            .take(LONGEST_NAME)
            .collect();
        let plain = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let plain = if plain.is_empty() { "area" } else { plain };
        let mut system = plain.to_owned();
        let mut again = 1_u32;
        while !taken.insert(system.clone()) {
            again = again.saturating_add(1);
            system = format!("{plain}-{again}");
        }
        systems.push(system.parse()?);
    }
    Ok(systems)
}

fn assumptions(past: Past<'_>, times: &[i64], first: usize) -> Assumptions {
    let span = match (times.get(first), times.last()) {
        (Some(first), Some(last)) => last.saturating_sub(*first),
        (_, _) => 0,
    };
    let changes = past.changes.get(first..).unwrap_or_default();
    let mut dated: Vec<i64> = changes.iter().flat_map(|change| dated_reviews(change, past.people)).collect();
    dated.sort_unstable();
    let (wait_basis, wait_secs) = match dated.len() {
        MIN_DATED_REVIEWS.. => (WaitBasis::DatedApprovals, at_fraction(&dated, 1, 2).unwrap_or_default()),
        _ => {
            let mut landing: Vec<u32> = changes.iter().filter_map(secs_to_landing).collect();
            landing.sort_unstable();
            (WaitBasis::Landing, at_fraction(&landing, 1, 2).map(i64::from).unwrap_or_default())
        }
    };
    Assumptions {
        weeks: (span as f64 / WEEK_SECS).max(1.0),
        wait_secs,
        wait_basis,
        by_catalog: past.areas.by() == AreasBy::Catalog,
        tier_1: 0,
        without_paths: 0,
        seniors: 0,
        senior_from: 0,
    }
}

impl Assumptions {
    /// Every assumption, in sentences for a report.
    pub fn words(&self) -> Vec<String> {
        let basis = match self.wait_basis {
            WaitBasis::DatedApprovals => "from author date to an approval whose time is told",
            WaitBasis::Landing => "from author date to landing",
        };
        let mut said = vec![
            "A replay asks what rules would have said had they been asked then, with what git carries. Where git names \
             nobody there is no approval to count: that a rule would have stopped a change does not say that nobody had \
             looked, and people who had known of the rule would have met it more often."
                .to_owned(),
            match self.by_catalog {
                true => format!(
                    "Each system of the catalog that a change touches counts as in production, of the tier that the \
                     catalog gives it today. What lies in no system counts as one more, of tier {FAR_REACHING_TIER} if \
                     the change touches a path that reaches far, else of tier {OTHER_TIER} (of tier 1: {}).",
                    self.tier_1
                ),
                false => format!(
                    "Each area that a change touches counts as a system in production, of tier {FAR_REACHING_TIER} if the \
                     change touches a path that reaches far, else of tier {OTHER_TIER} (of tier 1: {}).",
                    self.tier_1
                ),
            },
            format!(
                "Approvals are the reviewers whom git names and who are no contributors; where another hand merged or \
                 committed a change, that is one approval. Who could have approved is everybody who wrote, reviewed or \
                 landed a change in the {WINDOW_DAYS} days before, and whoever has a part in the change itself."
            ),
            format!(
                "Senior is whoever belonged, on that day, to the fifth of these people with most changes written or \
                 reviewed (at the end: {} with {} or more); an owner of an area wrote at least {OWNER_CHANGES} landed \
                 changes in it in those {WINDOW_DAYS} days. In the first year little was known yet.",
                match self.seniors {
                    1 => "1 person".to_owned(),
                    seniors => format!("{seniors} people"),
                },
                self.senior_from
            ),
            "Paths are those that a change differs in from its first parent. A link counts as one only where it took a \
             file's place or gave it up."
                .to_owned(),
            "Why, risk, rollback and tests are the characters that commit messages say of them (trailers left out), the \
             kind of a change comes from its paths, no change cites guidance, nobody waives, and nobody signed what AI \
             had to do with it: only what commits declare counts."
                .to_owned(),
            format!(
                "Extra approvals fall on those who could have given them, in proportion to their reviews in the \
                 {WINDOW_DAYS} days before. A change that lacks approvals is taken to wait {:.1} hours for them: the \
                 median {basis}.",
                self.wait_hours()
            ),
        ];
        if self.without_paths > 0 {
            said.push(format!("No rule was asked about changes that change no path: {}.", self.without_paths));
        }
        said
    }

    pub fn wait_hours(&self) -> f64 {
        self.wait_secs as f64 / 3_600.0
    }
}

/// Rules that ask about groups, named people, keys, material, size, evidence, who proposed or what for: of those a repository tells nothing,
/// so that what is counted of such a rule is no judgement of it.
pub fn not_judged(sets: &[&Rules]) -> Option<String> {
    let mut not: BTreeMap<&'static str, BTreeSet<&RuleId>> = BTreeMap::new();
    for (rules, rule) in sets.iter().flat_map(|rules| rules.iter().map(move |rule| (rules, rule))) {
        let mentions = rules.mentions(&rule.id);
        let needs = rule.requires.iter().flat_map(Choice::ways).flat_map(|way| way.need.roles());
        let by_needs = needs.filter_map(|role| match role {
            Role::Touch | Role::Verified => Some("keys"),
            Role::Material => Some("who had the content at hand"),
            Role::Recent(_) => Some("when somebody approved"),
            Role::OnCall | Role::Present => Some("who was there"),
            Role::Group(_) => Some("groups"),
            Role::Independent | Role::Owner | Role::Senior => None,
        });
        let waivers = rule.waivers.as_ref().map(GroupId::as_str);
        // Who may waive it bears on no approval.
        let named = mentions.groups.iter().any(|group| Some(group.as_str()) != waivers);
        let asks_of_commits =
            rule.requires.iter().flat_map(Choice::ways).any(|way| way.need == Need::Has(Has::SignedCommits));
        let asks_of_labels = rule
            .requires
            .iter()
            .flat_map(Choice::ways)
            .any(|way| matches!(way.need, Need::Has(Has::Label(_) | Has::NoLabel(_))));
        let asks_who_applies =
            rule.requires.iter().flat_map(Choice::ways).any(|way| way.need == Need::Has(Has::ApplierApart));
        let asks_of_links =
            rule.requires.iter().flat_map(Choice::ways).any(|way| matches!(way.need, Need::Has(Has::Link(_))));
        let asks_for_windows =
            rule.requires.iter().flat_map(Choice::ways).any(|way| way.need == Need::Has(Has::Window));
        let asks = |word: &str| mentions.asked.iter().any(|asked| asked.starts_with(word));
        let by_words = [
            (named || asks("contributor_groups"), "groups"),
            (!mentions.people.is_empty(), "people by their ids"),
            (asks("approvals.touch") || asks("approvals.verified"), "keys"),
            (asks("proposer"), "who proposed"),
            (asks("purpose"), "what a change is for"),
            (asks("size"), "how large a change is"),
            (asks("evidence") || rule.evidence().next().is_some(), "what workloads attested"),
            (asks("source") || asks("branch"), "branches"),
            (asks("labels") || asks_of_labels, "labels"),
            (asks("applier") || asks_who_applies, "who applied it"),
            (asks("links") || asks_of_links, "links"),
            (asks("commits") || asks_of_commits, "who signed commits"),
            (asks("freeze") || asks("window") || asks("time.") || asks_for_windows, "calendars"),
            (asks("waiting"), "how long a change waited"),
            (asks("findings"), "findings that nobody answered"),
        ];
        for what in by_needs.chain(by_words.into_iter().filter_map(|(asked, what)| asked.then_some(what))) {
            not.entry(what).or_default().insert(&rule.id);
        }
    }
    let of = |(what, ids): (&&str, &BTreeSet<&RuleId>)| {
        let ids: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
        format!("{what} ({})", ids.join(", "))
    };
    let said: Vec<String> = not.iter().map(of).collect();
    (!said.is_empty()).then(|| {
        format!(
            "Not judged, because a repository does not tell: {}. In a replay nobody is in a group or has a key, and nothing is small, so \
             these rules stop whatever they ask that of, and let pass what they only ask about where it is so.",
            said.join("; ")
        )
    })
}

/// Changes about which two sets of rules differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Positions of the changes that the first set allows and the second denies.
    pub allow_to_deny: Vec<usize>,
    pub deny_to_allow: Vec<usize>,
}

/// What changes verdict from one set to another: by what binds, so that a rule that leaves watch shows.
pub fn compare(one: &Replay, other: &Replay) -> Comparison {
    let mut found = Comparison::default();
    for (at, (before, after)) in one.outcomes.iter().zip(&other.outcomes).enumerate() {
        match (before, after) {
            (Some(Outcome::Allow), Some(Outcome::Deny)) => found.allow_to_deny.push(at),
            (Some(Outcome::Deny), Some(Outcome::Allow)) => found.deny_to_allow.push(at),
            (Some(Outcome::Allow), Some(Outcome::Allow)) | (Some(Outcome::Deny), Some(Outcome::Deny)) => {}
            (None, _) | (_, None) => {}
        }
    }
    found
}

/// Best first: more reverted changes caught for each change stopped; then more caught.
fn by_worth(a: &RuleReplay, b: &RuleReplay) -> Ordering {
    let cross = |x: &RuleReplay, y: &RuleReplay| u128::from(x.stopped_reverted) * u128::from(y.stopped.max(1));
    cross(b, a).cmp(&cross(a, b)).then(b.stopped_reverted.cmp(&a.stopped_reverted)).then_with(|| a.id.cmp(&b.id))
}
