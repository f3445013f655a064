//! Rules: Cedar policies, parsed strictly, evaluated, explained and tested.
//!
//! A rule is one `forbid … when { it applies } unless { it is met }` with its annotations; whatever no rule forbids is
//! permitted. *Applies* is asked apart from *is met*, so that a satisfied rule and one that does not apply differ. No
//! room outside this one names Cedar.
//!
//! | room | holds |
//! |---|---|
//! | [`attributes`] | what a rule can ask about: one table, from which the schema derives |
//! | [`count`] | counting approvals, the one function that rules trust |
//! | [`builtin`] | checks that no rule file can switch off |
//! | [`decide`](mod@decide) | allow or deny, with every rule's status |
//! | `compare` | what of other rules lets more through |
//! | [`check`](mod@check) | whether each rule can be satisfied, and by what it says |
//!
//! Invariants: evaluation cannot err on a set of rules that parsed; a decision is a function of its arguments; some
//! checks ([`builtin`]) bind whatever the rules say.

pub mod attributes;
pub mod builtin;
pub mod check;
mod compare;
pub mod count;
pub mod decide;
mod depth;
mod error;
mod evaluate;
pub(crate) mod kept;
mod missing;
mod parse;
pub(crate) mod sample;
mod supply;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use self::{
    attributes::Judged,
    builtin::BuiltinIds,
    evaluate::{Answers, Slices},
    parse::Parsed,
    vocabulary::Vocabulary,
};
pub use self::{
    attributes::schema,
    check::{CheckFinding, CheckProblem, check, check_names},
    compare::{Weakened, Weaker, weaker},
    decide::{Weighed, WeighedRule, decide, weigh},
    depth::{MAX_DEPTH, MAX_OPERATORS},
    error::{Problem, RulesError},
    parse::{MAX_ANNOTATION_CHARS, MAX_FILE_BYTES, MAX_REQUIREMENTS, MAX_RULES},
};
use crate::{
    decision::{Mode, Strength},
    facts::{
        Lines, PathStatus, RuledPath, Size,
        size::{self, UNKNOWN},
    },
    glob::{Globs, NoPattern},
    ids::{EvidenceKind, GroupId, RuleId},
    requirement::{Carry, Choice, MAX_WAIT, Need, Requirement, Role, parse_parts},
    snapshot::{PathsView, Snapshot, TargetView},
};

/// The permit that all rules narrow. With the enforced rules it is the policy set that a prover reads.
pub const BASE_PERMIT: &str =
    "@id(\"base-permit\")\npermit (principal, action == Countersign::Action::\"apply\", resource);\n";

/// What a rule says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub id: RuleId,
    pub mode: Mode,
    pub strength: Strength,
    pub requires: Vec<Choice>,
    pub because: String,
    /// A command, with `{change}` where the change's id goes.
    pub remedy: String,
    pub carry: Carry,
    /// Whose members may waive it; seniors where it does not say.
    pub waivers: Option<GroupId>,
    pub file: String,
    /// Where in the file it begins, from 1.
    pub line: usize,
}

impl Rule {
    /// What the rule asks for, in words.
    pub fn words(&self) -> String {
        self.requires.iter().map(Choice::words).collect::<Vec<_>>().join("; ")
    }

    /// Whether an approval of an earlier revision that brought the same counts for it, for this target.
    pub fn carries(&self, snapshot: &Snapshot, target: &TargetView) -> bool {
        self.carry.holds(target.tier.into(), snapshot.population)
    }

    /// The kinds of evidence that it asks for.
    pub fn evidence(&self) -> impl Iterator<Item = &EvidenceKind> {
        self.requires.iter().flat_map(Choice::ways).filter_map(|way| match &way.need {
            Need::Evidence(kind) => Some(kind),
            Need::Approvals { .. }
            | Need::Apart(_)
            | Need::FreshGuidance
            | Need::Document { .. }
            | Need::Disclosure
            | Need::Has(_) => None,
        })
    }

    /// The groups that it asks approvals of, and whose members may waive it.
    pub fn groups(&self) -> impl Iterator<Item = &GroupId> {
        let asked = self.requires.iter().flat_map(Choice::ways).flat_map(|way| way.need.roles());
        let asked = asked.filter_map(Role::group);
        asked.chain(&self.waivers)
    }
}

/// Whether an attribute is named there, not only as the end of a longer word: `source` is none of `resource`.
fn is_named(text: &str, name: &str) -> bool {
    let begins =
        |at: usize| !text.get(..at).is_some_and(|t| t.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    text.match_indices(name).any(|(at, _)| begins(at))
}

fn internal(message: String) -> RulesError {
    RulesError { file: String::new(), line: None, problem: Problem::Internal(message) }
}

/// A set of rules that parsed and fits the schema.
#[derive(Debug)]
pub struct Rules {
    rules: BTreeMap<RuleId, Parsed>,
    digest: Digest,
    slices: Slices,
    vocabulary: Vocabulary,
    builtin: BuiltinIds,
    literals: Literals,
    groups: BTreeSet<GroupId>,
    words: BTreeSet<String>,
    paths: BTreeMap<String, Globs>,
    evidence: BTreeSet<EvidenceKind>,
    left_out: BTreeMap<String, Globs>,
}

/// What rules count by, in their own words: each is an attribute only because a rule names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Literals {
    /// The groups of which approvals are counted.
    pub counted: BTreeSet<GroupId>,
    /// What different people approve, by how it is spelled.
    pub apart: BTreeSet<String>,
    /// The patterns of paths that are asked about.
    pub paths: BTreeSet<String>,
    /// The kinds of evidence that are asked about.
    pub evidence: BTreeSet<EvidenceKind>,
    /// The patterns of paths that are left out of a size.
    pub left_out: BTreeSet<String>,
    /// Within how many hours approvals are counted.
    pub recent: BTreeSet<u32>,
}

impl Literals {
    fn extend(&mut self, other: &Self) {
        self.counted.extend(other.counted.iter().cloned());
        self.apart.extend(other.apart.iter().cloned());
        self.paths.extend(other.paths.iter().cloned());
        self.evidence.extend(other.evidence.iter().cloned());
        self.left_out.extend(other.left_out.iter().cloned());
        self.recent.extend(&other.recent);
    }

    /// All groups that they name.
    fn groups(&self) -> impl Iterator<Item = GroupId> {
        let parts = self.apart.iter().filter_map(|text| parse_parts(text)).flatten();
        let apart = parts.filter_map(|part| part.role.group().cloned());
        self.counted.iter().cloned().chain(apart)
    }
}

/// What a rule names: systems, environments and groups, to be compared with a catalog, because a rule for `prod` where the
/// environment is called `production` never applies, and nothing else would say so; and what samples must therefore have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    pub systems: BTreeSet<String>,
    pub environments: BTreeSet<String>,
    pub groups: BTreeSet<String>,
    /// Whether the rule asks what a change is for.
    pub purpose: bool,
    /// Patterns of paths.
    pub patterns: BTreeSet<String>,
    /// Kinds of evidence.
    pub evidence: BTreeSet<EvidenceKind>,
    /// Within how many hours it counts approvals.
    pub hours: BTreeSet<u32>,
    /// People whom its conditions name.
    pub people: BTreeSet<String>,
    /// Numbers and texts in its `when`, which a sample has to have for the rule to apply.
    pub numbers: BTreeSet<u32>,
    pub texts: BTreeSet<String>,
    /// The attributes that its `when` asks about.
    pub asked: BTreeSet<&'static str>,
    /// After how many working hours another way may be one, as it says in words or in its conditions.
    pub waits: BTreeSet<u32>,
}

impl Mentions {
    /// The most that a rule names of one sort.
    fn most(&self) -> usize {
        let Self {
            systems,
            environments,
            groups,
            purpose: _,
            patterns,
            evidence,
            hours,
            people,
            numbers,
            texts,
            asked: _,
            waits: _,
        } = self;
        let texts = [systems.len(), environments.len(), groups.len(), patterns.len(), people.len(), texts.len()];
        texts.into_iter().chain([evidence.len(), hours.len(), numbers.len()]).max().unwrap_or_default()
    }

    /// What a condition's text asks about, and the numbers and texts in it.
    fn add_conditions(&mut self, text: &str) {
        self.asked
            .extend(attributes::ATTRIBUTES.iter().map(|attribute| attribute.name).filter(|name| is_named(text, name)));
        for (number, part) in text.split('"').enumerate() {
            // Every other part stands in quotes.
            if number.is_multiple_of(2) {
                let numbers = part.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u32>().ok());
                self.numbers.extend(numbers);
            } else {
                self.texts.insert(part.to_owned());
            }
        }
    }
}

impl Rules {
    /// Parses and strictly validates rule files: file name to Cedar text.
    pub fn parse(files: &BTreeMap<String, String>) -> Result<Self, RulesError> {
        let parsed = parse::parse(files, &builtin::ALL)?;
        let canonical = serde_json::to_vec(files).map_err(|error| internal(error.to_string()))?;
        Self::of(Digest::of(canonical), parsed)
    }

    fn of(digest: Digest, parsed: Vec<Parsed>) -> Result<Self, RulesError> {
        let vocabulary = Vocabulary::new().map_err(internal)?;
        let builtin = BuiltinIds::new().map_err(|error| internal(error.to_string()))?;
        let slices = Slices::new(&parsed).map_err(internal)?;
        let mut literals = Literals::default();
        parsed.iter().for_each(|parsed| literals.extend(&parsed.asks.literals));
        let asked = parsed.iter().flat_map(|parsed| parsed.rule.groups().cloned());
        let looked_in = parsed.iter().flat_map(|parsed| parsed.asks.looked_in.iter().cloned());
        let groups = literals.groups().chain(asked).chain(looked_in).collect();
        let globs = |texts: &BTreeSet<String>| -> Result<BTreeMap<String, Globs>, RulesError> {
            let globs = texts.iter().map(|text| Ok((text.clone(), Globs::parse(text)?)));
            globs.collect::<Result<_, NoPattern>>().map_err(|error| internal(error.to_string()))
        };
        let (paths, left_out) = (globs(&literals.paths)?, globs(&literals.left_out)?);
        let required = parsed.iter().flat_map(|parsed| parsed.rule.evidence().cloned());
        let evidence = literals.evidence.iter().cloned().chain(required).collect();
        let words = parsed.iter().flat_map(|parsed| parsed.asks.words.iter().cloned()).collect();
        let rules = parsed.into_iter().map(|parsed| (parsed.rule.id.clone(), parsed)).collect();
        Ok(Self { rules, digest, slices, vocabulary, builtin, literals, groups, words, paths, evidence, left_out })
    }

    /// Digest over the canonical JSON of the files that the rules were parsed from.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The groups of which a snapshot has to say who is in them.
    pub fn groups(&self) -> &BTreeSet<GroupId> {
        &self.groups
    }

    /// The kinds of evidence that they ask for or about.
    pub fn evidence(&self) -> &BTreeSet<EvidenceKind> {
        &self.evidence
    }

    /// The patterns of paths that they ask about.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(String::as_str)
    }

    /// What a change that touches these paths does to those that the rules name. `None`: too many to tell; a rule that this could make
    /// apply is asked as if it did, and one that it could stop from applying is in error (`parse::Asks::unsure`). Anything could lie in a
    /// submodule: it touches also what is below. A link touches where it lies and where it leads. Neither is in any set alone.
    pub fn paths_of(&self, touched: Option<&[RuledPath]>) -> BTreeMap<String, PathsView> {
        let view = |globs: &Globs| {
            let Some(touched) = touched else {
                return PathsView { touched: true, only: false, added: true, deleted: true, unknown: true };
            };
            let any = |status: Option<PathStatus>| {
                let is = |path: &&RuledPath| status.is_none_or(|status| path.status == status);
                touched.iter().filter(is).any(|path| path.meets(globs))
            };
            PathsView {
                touched: any(None),
                only: !touched.is_empty()
                    && touched.iter().all(|path| !path.link && !path.submodule && globs.is_match(&path.path)),
                unknown: false,
                added: any(Some(PathStatus::Added)),
                deleted: any(Some(PathStatus::Deleted)),
            }
        };
        self.paths.iter().map(|(text, globs)| (text.clone(), view(globs))).collect()
    }

    /// How large a change that touches these paths is without those of the patterns that the rules leave out. `None`: too many to
    /// tell. A link or a submodule is never left out.
    pub fn sizes_without(&self, touched: Option<&[RuledPath]>) -> BTreeMap<String, Size> {
        let unknown = Size { files: UNKNOWN, lines: None };
        let of = |globs: &Globs| {
            let Some(touched) = touched else { return unknown };
            let is_left_out =
                |path: &RuledPath| path.led || globs.is_match(&path.path) && !path.link && !path.submodule;
            let counted: Vec<Option<Lines>> =
                touched.iter().filter(|path| !is_left_out(path)).map(|path| path.lines).collect();
            Size { lines: size::sum(&counted), ..Size::of_files(counted.len()) }
        };
        self.left_out.iter().map(|(text, globs)| (text.clone(), of(globs))).collect()
    }

    /// Whether any of them could ask about this attribute, or about one in this record. What no rule asks about is in no snapshot.
    pub fn ask_about(&self, attribute: &str) -> bool {
        self.words.contains(attribute)
    }

    /// Whether any of them lets approvals carry over.
    pub fn carry_over(&self) -> bool {
        self.iter().any(|rule| rule.carry != Carry::Never)
    }

    /// The rules in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values().map(|parsed| &parsed.rule)
    }

    pub fn get(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.get(id).map(|parsed| &parsed.rule)
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The Cedar text of a rule, as its file has it.
    pub fn cedar(&self, id: &RuleId) -> Option<String> {
        self.rules.get(id).map(|parsed| parsed.text.clone())
    }

    /// The base permit and the rules that bind, as one Cedar text: what a prover reads.
    pub fn enforced_cedar(&self) -> String {
        let binding = self.iter().filter(|rule| match rule.mode {
            Mode::Watch => false,
            Mode::Enforce => true,
        });
        let texts = binding.filter_map(|rule| self.cedar(&rule.id));
        std::iter::once(BASE_PERMIT.to_owned()).chain(texts).collect::<Vec<_>>().join("\n")
    }

    /// The names that a rule mentions.
    pub fn mentions(&self, id: &RuleId) -> Mentions {
        let Some(parsed) = self.rules.get(id) else { return Mentions::default() };
        let purpose = parsed.text.contains("purpose");
        let mut mentions = Mentions { purpose, ..Mentions::default() };
        for literal in parsed.full.entity_literals() {
            let list = match literal.type_name() {
                ty if *ty == self.vocabulary.system => &mut mentions.systems,
                ty if *ty == self.vocabulary.environment => &mut mentions.environments,
                ty if *ty == self.vocabulary.group => &mut mentions.groups,
                ty if *ty == self.vocabulary.person => &mut mentions.people,
                // Kinds and actions are enumerated in the schema, so that a misspelt one does not parse.
                _ => continue,
            };
            list.insert(literal.id().unescaped().to_owned());
        }
        let groups = parsed.rule.groups().cloned().chain(parsed.asks.literals.groups());
        let literals = &parsed.asks.literals;
        mentions.patterns.extend(literals.paths.union(&literals.left_out).cloned());
        mentions.hours.extend(&literals.recent);
        mentions.evidence.extend(literals.evidence.iter().cloned());
        mentions.groups.extend(groups.map(|group| group.as_str().to_owned()));
        // Whether it applies is what its `when` says; the rest is what it asks for.
        let when = parsed.text.rsplit_once("unless").map_or(parsed.text.as_str(), |(when, _)| when);
        mentions.add_conditions(when.split_once("forbid").map_or(when, |(_, when)| when));
        // What it compares them with.
        let compared = parsed.text.split("worked_hours").skip(1).filter_map(|rest| {
            let rest = rest.trim_start_matches([' ', '<', '>', '=', '!']);
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        });
        mentions.waits.extend(compared.filter(|hours| (1..=MAX_WAIT).contains(hours)));
        mentions.waits.extend(parsed.rule.requires.iter().flat_map(Choice::ways).filter_map(Requirement::waits));
        mentions
    }

    fn parsed(&self) -> impl Iterator<Item = &Parsed> {
        self.rules.values()
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn ask(&self, snapshot: &Snapshot, target: &TargetView, now: Time) -> Result<Answers, String> {
        self.slices.ask(&self.vocabulary, &Judged::new(snapshot, target, &self.literals, now))
    }
}
