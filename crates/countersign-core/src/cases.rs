//! `rules test`: the cases beside the rules, `<rule>.cases.yaml`. A case says in a few words what is given and what the
//! rule has to answer; all the rules decide, so a case can also say what comes of it.
//!
//! What a case leaves out is harmless: a documented code change by `ada` to `checkout/production`, tier 3, no AI, among
//! `ada` (owner), `grace` (senior, owner), `linus` and `barbara` (senior), approved by nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use countersign_ledger::sshsig::Assurance;
use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

use crate::{
    catalog::{ActorKind, Level, Tier},
    decision::{Decision, Outcome, RuleStatus},
    explain::{ExplainedRule, Obligation, People, Scene},
    facts::{PathStatus, RuledPath, Size, size::Lines},
    ids::{ActorId, Environment, EvidenceKind, GroupId, InvalidId, Label, RuleId, SystemId, Target},
    kind::{self, Documents, Kind, Purpose},
    rules::{
        Rules, decide,
        sample::{self, SAMPLE_NOW},
    },
    snapshot::{AiStatus, Applier, Builder, CommitsView, EvidenceView, Snapshot, TargetView, Worked},
    statement::Seen,
};

/// Most bytes in one file of cases.
pub const MAX_CASES_BYTES: usize = 256 * 1024;
/// Deepest nesting of YAML in it.
const MAX_YAML_DEPTH: usize = 16;
/// Most YAML nodes in it.
const MAX_YAML_NODES: usize = 100_000;
const SUFFIX: &str = ".cases.yaml";

/// How one case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    pub file: String,
    pub rule: RuleId,
    pub name: String,
    /// What came out differently from what the case expects. Empty: it passed.
    pub differences: Vec<String>,
}

impl CaseResult {
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "ok" } else { "FAILED" };
        write!(f, "{verdict}  {}: {}", self.rule, self.name)?;
        self.differences.iter().try_for_each(|difference| write!(f, "\n        {difference}"))
    }
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CasesError {
    #[error("{file}: cases are in files named after their rule, such as `owner-approves{SUFFIX}`")]
    FileName { file: String },
    #[error("{file}: there is no rule `{rule}`")]
    NoRule { file: String, rule: String },
    #[error("{file}: larger than {MAX_CASES_BYTES} bytes")]
    TooLarge { file: String },
    #[error("{file}: {message}")]
    Yaml { file: String, message: String },
    #[error("{file}: case `{case}`: {message}")]
    Given { file: String, case: String, message: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    given: Given,
    expect: Expect,
}

/// A snapshot in a few words.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    tier: Option<u8>,
    kind: Option<Kind>,
    purpose: BTreeSet<Word>,
    system: Option<SystemId>,
    environment: Option<Environment>,
    owner: Option<GroupId>,
    /// Left out: whether the environment is called `production`.
    production: Option<bool>,
    revision: Option<u32>,
    proposer: Option<ActorId>,
    /// Left out: a person.
    proposer_kind: Option<ActorKind>,
    /// Besides the proposer.
    contributors: BTreeSet<ActorId>,
    claimed: BTreeSet<ActorId>,
    unmapped: BTreeSet<String>,
    approvals: Vec<ActorId>,
    /// Left out: a key in software, and nothing seen.
    signed: BTreeMap<ActorId, String>,
    /// Whose approval of an earlier revision that brought the same would count where a rule lets it.
    carried: Vec<ActorId>,
    rejected_by: BTreeSet<ActorId>,
    /// `senior owner oncall`: a level, and whether they own the system, are on call for it or away. Without a level, `standard`.
    people: Option<BTreeMap<ActorId, String>>,
    /// Who is in a group, or in one below it.
    groups: BTreeMap<GroupId, BTreeSet<ActorId>>,
    ai: Option<AiStatus>,
    /// Left out: whether the status is `declared` or `none`.
    disclosed: Option<bool>,
    tools: BTreeSet<String>,
    /// Days until each page's review is due; `null` where it does not say.
    guidance: BTreeMap<String, Option<i32>>,
    documents: Option<Documents>,
    /// Left out: one without a form.
    title: Option<String>,
    links: Vec<String>,
    source: Option<String>,
    branch: Option<String>,
    /// Who signed them. Left out: nobody.
    commits: Option<Signatures>,
    /// How many hours ago each was given; left out: just now.
    approved_hours_ago: BTreeMap<ActorId, u32>,
    /// What it touches: each path, and what becomes of it.
    #[serde(deserialize_with = "fates")]
    paths: BTreeMap<String, Fate>,
    /// Whether it fits a standard change.
    standard: bool,
    /// Kinds of evidence, and what came of each.
    evidence: BTreeMap<EvidenceKind, Came>,
    /// Labels, and who put each on.
    labels: BTreeMap<Label, ActorId>,
    /// Who applies it, or `?` where nobody knows. Left out: nobody yet.
    applier: Option<String>,
    /// Left out: one line of one file.
    size: Option<Measure>,
    /// Whether a freeze holds. Left out: none.
    frozen: bool,
    /// Whether a change window is open. Left out: there is none, so that it is.
    window: Option<Shutter>,
    /// Whether the owners work. Left out: they do.
    working_hours: Option<bool>,
    /// Hours since the log took the revision. Left out: none.
    waiting_hours: Option<u32>,
    /// How many working hours of the owners have passed since the revision was proposed; none, where it is not said.
    worked_hours: Option<u32>,
    /// Findings about the target that nobody has answered in time. Left out: none.
    findings_overdue: u32,
    /// Rule, and who waives it.
    waivers: BTreeMap<RuleId, ActorId>,
}

/// How large it is. What is left out of it nobody counted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measure {
    files: u32,
    added: Option<u32>,
    deleted: Option<u32>,
}

impl Measure {
    const HARMLESS: Self = Self { files: 1, added: Some(1), deleted: Some(0) };

    fn size(self) -> Size {
        let lines = self.added.zip(self.deleted).map(|(added, deleted)| Lines { added, deleted });
        Size { files: self.files, lines }
    }
}

/// Whether a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shutter {
    Open,
    Shut,
}

/// What came of what a workload ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    Passed,
    /// It passed, by a workflow that the change edits.
    SelfMade,
    Failed,
    Warned,
    Skipped,
    Neutral,
}

impl Came {
    fn view(self) -> EvidenceView {
        let mut view = EvidenceView::default();
        let among = match self {
            Self::Passed => &mut view.passed_by,
            Self::SelfMade => &mut view.self_made_by,
            Self::Failed => &mut view.failed_by,
            Self::Warned | Self::Skipped | Self::Neutral => &mut view.neither_by,
        };
        among.extend("ci".parse().ok());
        view
    }
}

/// Who signed the commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Signatures {
    /// Somebody here, all of them.
    Signed,
    /// Whoever committed them.
    ByCommitter,
}

impl Signatures {
    fn view(self) -> CommitsView {
        CommitsView { signed: true, by_committer: self == Self::ByCommitter }
    }
}

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Added,
    Modified,
    Deleted,
    /// A symbolic link is or was there.
    Link,
    /// A submodule is or was there.
    Submodule,
}

/// Whoever writes them by what becomes of them is told which way round it is.
fn fates<'de, D: Deserializer<'de>>(paths: D) -> Result<BTreeMap<String, Fate>, D::Error> {
    BTreeMap::deserialize(paths).map_err(|error| {
        D::Error::custom(format!(
            "{error}; `paths` has each path and what becomes of it, which is added, modified, deleted, link or submodule: `paths: \
             {{platform/main.tf: modified}}`"
        ))
    })
}

/// What a change is for, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Restores,
    Incident,
    Security,
}

/// Who is there where a case does not say.
const PEOPLE: [(&str, &str); 4] =
    [("ada", "standard owner"), ("grace", "senior owner"), ("linus", "standard"), ("barbara", "senior")];

/// What people wrote where a case does not say: enough for every tier.
const DOCUMENTS: Documents =
    Documents { why: 200, risk: 200, rollback: 200, tests: 200, form: String::new(), hosts: BTreeSet::new(), links: 0 };

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: RuleStatus,
    outcome: Option<Outcome>,
    /// What the rule's obligations say is missing, in this order.
    missing: Option<Vec<String>>,
    /// Who can supply any of it: as an obligation has it, the nearest.
    who: Option<BTreeSet<ActorId>>,
}

/// Runs all cases: file name to YAML. A case that fails is a result; an error is a file that is no file of cases.
pub fn run_cases(rules: &Rules, cases: &BTreeMap<String, String>) -> Result<Vec<CaseResult>, CasesError> {
    let mut results = Vec::new();
    for (file, text) in cases {
        let rule = rule_of(rules, file)?;
        for case in parse(file, text)? {
            let given = |message| CasesError::Given { file: file.clone(), case: case.name.clone(), message };
            let home = Home::of(&case.given).map_err(given)?;
            let snapshot = snapshot(rules, &case.given, &home).map_err(given)?;
            let decision = decide(rules, &snapshot, SAMPLE_NOW);
            let told = home.scene(rules, &snapshot).explain(&decision, SAMPLE_NOW);
            let told = told.rules.iter().find(|told| told.id == rule);
            let differences = differences(&case.expect, told, &decision);
            results.push(CaseResult { file: file.clone(), rule: rule.clone(), name: case.name, differences });
        }
    }
    Ok(results)
}

/// Cases belong to the rule after which their file is named, in whatever folder.
fn rule_of(rules: &Rules, file: &str) -> Result<RuleId, CasesError> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let wrong = || CasesError::FileName { file: file.to_owned() };
    let name = name.strip_suffix(SUFFIX).ok_or_else(wrong)?;
    let id: RuleId = name.parse().map_err(|_| wrong())?;
    match rules.get(&id) {
        Some(_) => Ok(id),
        None => Err(CasesError::NoRule { file: file.to_owned(), rule: id.to_string() }),
    }
}

fn parse(file: &str, text: &str) -> Result<Vec<Case>, CasesError> {
    if text.len() > MAX_CASES_BYTES {
        return Err(CasesError::TooLarge { file: file.to_owned() });
    }
    // Cases need no anchors, and without them no small file becomes a large one.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_YAML_DEPTH,
            max_nodes: MAX_YAML_NODES,
            max_anchors: 0,
            max_aliases: 0,
        },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| CasesError::Yaml { file: file.to_owned(), message: error.to_string() })
}

/// Who is there in a case.
#[derive(Debug)]
struct Home {
    system: SystemId,
    everybody: BTreeSet<ActorId>,
    seniors: BTreeSet<ActorId>,
    owners: BTreeSet<ActorId>,
    on_call: BTreeSet<ActorId>,
    away: BTreeSet<ActorId>,
    groups: BTreeMap<GroupId, BTreeSet<ActorId>>,
}

impl Home {
    fn of(given: &Given) -> Result<Self, String> {
        let system = given_or(given.system.as_ref(), "checkout")?;
        let mut home = Self {
            system,
            everybody: BTreeSet::new(),
            seniors: BTreeSet::new(),
            owners: BTreeSet::new(),
            on_call: BTreeSet::new(),
            away: BTreeSet::new(),
            groups: given.groups.clone(),
        };
        match &given.people {
            Some(people) => people.iter().try_for_each(|(id, words)| home.join(id.clone(), words))?,
            None => PEOPLE.iter().try_for_each(|(name, words)| {
                home.join(name.parse().map_err(|error: InvalidId| error.to_string())?, words)
            })?,
        }
        Ok(home)
    }

    fn join(&mut self, person: ActorId, words: &str) -> Result<(), String> {
        let mut level = Level::Standard;
        for word in words.split_whitespace() {
            match word {
                "standard" => level = Level::Standard,
                "senior" => level = Level::Senior,
                "principal" => level = Level::Principal,
                "director" => level = Level::Director,
                "owner" => {
                    self.owners.insert(person.clone());
                }
                "oncall" => {
                    self.on_call.insert(person.clone());
                }
                "away" => {
                    self.away.insert(person.clone());
                }
                other => {
                    return Err(format!(
                        "`{other}` is none of standard, senior, principal, director, owner, oncall, away"
                    ));
                }
            }
        }
        if level.is_senior() {
            self.seniors.insert(person.clone());
        }
        self.everybody.insert(person);
        Ok(())
    }

    fn scene<'a>(&'a self, rules: &'a Rules, snapshot: &'a Snapshot) -> Scene<'a> {
        let owners = self.owners.iter().map(|owner| (&self.system, owner));
        let groups = self.groups.iter().map(|(group, members)| (group, members.iter().collect())).collect();
        let people = People::given(&self.everybody, &self.seniors, owners, groups);
        Scene::bare(rules, snapshot, people.who_are(&self.system, &self.on_call, &self.away))
    }
}

fn snapshot(rules: &Rules, given: &Given, home: &Home) -> Result<Snapshot, String> {
    let environment: Environment = given_or(given.environment.as_ref(), "production")?;
    let status = given.ai.unwrap_or(AiStatus::None);
    let disclosed = given.disclosed.unwrap_or(match status {
        AiStatus::Declared | AiStatus::None => true,
        AiStatus::Inferred | AiStatus::Unknown => false,
    });
    let target = TargetView {
        production: given.production.unwrap_or(environment.as_str() == "production"),
        target: Target { system: home.system.clone(), environment },
        tier: Tier::try_from(given.tier.unwrap_or(3))?,
        owner: given_or(given.owner.as_ref(), "payments")?,
    };
    let paths = paths(&given.paths);
    let mut snapshot = Builder::new(sample::change(), given.kind.unwrap_or(Kind::Code))
        .revision(given.revision.unwrap_or(1))
        .purpose(Purpose { source: given.source.clone(), ..purpose(&given.purpose) })
        .target(target)
        .proposed_by(given_or(given.proposer.as_ref(), "ada")?, given.proposer_kind.unwrap_or(ActorKind::Person))
        .made_by(given.contributors.iter().cloned())
        .claimed(given.claimed.iter().cloned())
        .unmapped(given.unmapped.iter().cloned())
        .rejected_by(given.rejected_by.iter().cloned())
        .ai(status, disclosed)
        .tools(given.tools.iter().cloned())
        .documents(documents(given))
        .paths(rules.paths_of(Some(&paths)))
        .size_without(rules.sizes_without(Some(&paths)))
        .size(given.size.unwrap_or(Measure::HARMLESS).size())
        .standard(given.standard.then(sample::standard))
        .population(home.everybody.len());
    // Whoever is not there has no key that holds, and their approval is not taken.
    // Who rejects takes back what they approved.
    let stands = |by: &&ActorId| home.everybody.contains(*by) && !given.rejected_by.contains(*by);
    for by in given.approvals.iter().filter(stands) {
        let owns = home.owners.contains(by).then(|| home.system.clone());
        let on_call = home.on_call.contains(by).then(|| home.system.clone());
        snapshot = snapshot.approved(by.clone(), home.seniors.contains(by), owns);
        snapshot = snapshot.there(by, on_call, home.away.contains(by));
    }
    for (kind, came) in &given.evidence {
        snapshot = snapshot.evidence(kind.clone(), came.view());
    }
    if let Some(who) = &given.applier {
        let is = |who: &str| who.parse().map(Applier::Is).map_err(|error: InvalidId| error.to_string());
        snapshot = snapshot.applied(if who == "?" { Applier::Unknown } else { is(who)? });
    }
    for (label, by) in &given.labels {
        let proposed = given.proposer.as_ref().map_or("ada", ActorId::as_str) == by.as_str();
        let made = proposed || given.contributors.contains(by) || given.claimed.contains(by);
        snapshot = snapshot.labelled(label, by, !made && home.everybody.contains(by));
    }
    snapshot = snapshot.approved_hours_ago(0);
    for (by, hours) in &given.approved_hours_ago {
        snapshot = snapshot.given_hours_ago(by, *hours);
    }
    if let Some(branch) = &given.branch {
        snapshot = snapshot.for_branch(branch.clone());
    }
    if let Some(signatures) = given.commits {
        snapshot = snapshot.commits(signatures.view());
    }
    for (by, words) in &given.signed {
        let (mut assurance, mut seen) = (Assurance::SoftwareKey, Seen::None);
        for word in words.split_whitespace() {
            match word {
                "touch" => assurance = Assurance::Touch,
                "verified" => assurance = Assurance::UserVerified,
                "shown" => seen = Seen::Shown,
                "material" => seen = Seen::Material,
                "computed" => seen = Seen::Computed,
                other => return Err(format!("`{other}` is none of touch, verified, shown, material, computed")),
            }
        }
        snapshot = snapshot.signed_with(by, assurance, seen);
    }
    for by in given.carried.iter().filter(stands) {
        let owns = home.owners.contains(by).then(|| home.system.clone());
        snapshot = snapshot.carried(by.clone(), home.seniors.contains(by), owns);
    }
    for (rule, by) in &given.waivers {
        snapshot = snapshot.waived(rule.clone(), by.clone(), home.seniors.contains(by));
    }
    for (group, members) in &given.groups {
        snapshot = snapshot.in_group(group.clone(), members.iter().cloned());
    }
    for (path, due_in_days) in &given.guidance {
        let due = due_in_days.map(|days| SAMPLE_NOW.plus_secs(i64::from(days).saturating_mul(86_400)));
        snapshot = snapshot.guidance(path.clone(), due);
    }
    snapshot = snapshot.waiting_hours(given.waiting_hours.unwrap_or(0)).findings_overdue(given.findings_overdue);
    let open = given.window != Some(Shutter::Shut);
    let mut calendar = sample::calendar(snapshot.so_far(), given.frozen, open, given.working_hours.unwrap_or(true));
    if let Some(hours) = given.worked_hours {
        let all = snapshot.so_far().targets.iter().map(|view| view.target.clone());
        calendar.worked = all.map(|target| (target, Worked { since: SAMPLE_NOW, hours })).collect();
    }
    Ok(snapshot.calendar(calendar).build())
}

fn documents(given: &Given) -> Documents {
    let mut documents = given.documents.clone().unwrap_or(DOCUMENTS);
    if let Some(title) = &given.title {
        documents.form = kind::form(title).unwrap_or_default().to_owned();
    }
    documents.hosts.extend(given.links.iter().filter_map(|link| kind::host(link)));
    documents.links = documents.links.saturating_add(u32::try_from(given.links.len()).unwrap_or(u32::MAX));
    documents
}

fn paths(given: &BTreeMap<String, Fate>) -> Vec<RuledPath> {
    let ruled = |(path, fate): (&String, &Fate)| {
        let status = match fate {
            Fate::Added => PathStatus::Added,
            Fate::Modified | Fate::Link | Fate::Submodule => PathStatus::Modified,
            Fate::Deleted => PathStatus::Deleted,
        };
        let (link, submodule) = (*fate == Fate::Link, *fate == Fate::Submodule);
        RuledPath {
            path: path.clone(),
            status,
            submodule,
            link,
            mode: false,
            led: false,
            lines: Some(Lines { added: 1, deleted: 0 }),
        }
    };
    given.iter().map(ruled).collect()
}

fn purpose(words: &BTreeSet<Word>) -> Purpose {
    Purpose {
        restores: words.contains(&Word::Restores).then(sample::change),
        incident: words.contains(&Word::Incident).then(|| "INC-1".to_owned()),
        security: words.contains(&Word::Security),
        no_way_back: false,
        source: None,
    }
}

fn given_or<T: Clone + FromStr<Err = InvalidId>>(given: Option<&T>, harmless: &str) -> Result<T, String> {
    given.map_or_else(|| harmless.parse().map_err(|error: InvalidId| error.to_string()), |given| Ok(given.clone()))
}

/// `told` is the rule as it is explained; a decision does not list a rule that does not apply.
fn differences(expect: &Expect, told: Option<&ExplainedRule>, decision: &Decision) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, expected: String, actual: String| {
        if expected != actual {
            differences.push(format!("{what}: expected {expected}, but it is {actual}"));
        }
    };
    let status = told.map_or(RuleStatus::NotApplicable, |told| told.status);
    let obligations = told.map(|told| told.obligations.as_slice()).unwrap_or_default();
    let lines: Vec<String> = told.map(|told| told.missing().collect()).unwrap_or_default();
    compare("status", expect.status.to_string(), status.to_string());
    if let Some(outcome) = expect.outcome {
        let stops = decision.rules.iter().filter(|rule| Decision::stops(rule)).map(|rule| rule.id.to_string());
        let stops: Vec<String> = stops.collect();
        let actual = match decision.outcome {
            Outcome::Deny if outcome == Outcome::Allow => format!("deny (by {})", stops.join(", ")),
            actual @ (Outcome::Allow | Outcome::Deny) => actual.to_string(),
        };
        compare("outcome", outcome.to_string(), actual);
    }
    if let Some(missing) = &expect.missing {
        compare("missing", quoted(missing.iter().map(String::as_str)), quoted(lines.iter().map(String::as_str)));
    }
    if let Some(who) = &expect.who {
        let actual: BTreeSet<&ActorId> =
            obligations.iter().flat_map(Obligation::ways).flat_map(|way| &way.who).collect();
        compare("who", names(who.iter()), names(actual.into_iter()));
    }
    differences
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "))
}

fn names<'a>(people: impl Iterator<Item = &'a ActorId>) -> String {
    format!("[{}]", people.map(ActorId::as_str).collect::<Vec<_>>().join(", "))
}
