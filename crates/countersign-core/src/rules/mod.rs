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
//! | [`requirement`] | what a rule asks for, in a form that a to-do list can hold |
//! | [`decide`](mod@decide) | allow or deny, with every rule's status |
//! | [`check`](mod@check) | whether each rule can be satisfied, and by what it says |
//! | [`cases`] | the cases beside the rules |
//!
//! Invariants: evaluation cannot err on a set of rules that parsed; a decision is a function of its arguments; some
//! checks ([`builtin`]) bind whatever the rules say.

pub mod attributes;
pub mod builtin;
pub mod cases;
pub mod check;
pub mod count;
pub mod decide;
mod error;
mod evaluate;
mod obligation;
mod parse;
pub mod requirement;
mod sample;
mod supply;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};

use self::{
    attributes::Seen,
    builtin::BuiltinIds,
    evaluate::{Answers, Slices},
    vocabulary::Vocabulary,
};
pub use self::{
    attributes::{SCHEMA_VERSION, schema},
    decide::{decide, engine},
    error::{Problem, RulesError},
    parse::{MAX_ANNOTATION_CHARS, MAX_DEPTH, MAX_FILE_BYTES, MAX_REQUIREMENTS, MAX_RULES},
    requirement::Requirement,
};
use crate::{
    decision::{Mode, Strength},
    ids::{Environment, RuleId, SystemId},
    snapshot::{Snapshot, TargetView},
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
    pub requires: Vec<Requirement>,
    pub because: String,
    /// A command, with `{change}` where the change's id goes.
    pub remedy: String,
    pub file: String,
    /// Where in the file it begins, from 1.
    pub line: usize,
}

impl Rule {
    /// What the rule asks for, in words.
    pub fn words(&self) -> String {
        self.requires.iter().map(Requirement::words).collect::<Vec<_>>().join("; ")
    }
}

/// A set of rules that parsed and fits the schema.
#[derive(Debug)]
pub struct Rules {
    rules: BTreeMap<RuleId, Rule>,
    digest: Digest,
    slices: Slices,
    vocabulary: Vocabulary,
    builtin: BuiltinIds,
    cedar: BTreeMap<RuleId, String>,
    names: Names,
}

/// The systems and environments that rules name, to be compared with a catalog: a rule for `prod` where the environment
/// is called `production` never applies, and nothing else would say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub systems: BTreeMap<String, RuleId>,
    pub environments: BTreeMap<String, RuleId>,
    pub groups: BTreeMap<String, RuleId>,
}

impl Rules {
    /// Parses and strictly validates rule files: file name to Cedar text.
    pub fn parse(files: &BTreeMap<String, String>) -> Result<Self, RulesError> {
        let internal = |message| RulesError { file: String::new(), line: None, problem: Problem::Internal(message) };
        let vocabulary = Vocabulary::new().map_err(internal)?;
        let builtin = BuiltinIds::new().map_err(|error| internal(error.to_string()))?;
        let parsed = parse::parse(files, &vocabulary, &builtin::ALL)?;
        let slices = Slices::new(&parsed).map_err(internal)?;
        let canonical = serde_json::to_vec(files).map_err(|error| internal(error.to_string()))?;
        let mut names = Names::default();
        let mut cedar = BTreeMap::new();
        for one in &parsed {
            for literal in one.full.entity_literals() {
                let list = match literal.type_name() {
                    ty if *ty == vocabulary.system => &mut names.systems,
                    ty if *ty == vocabulary.environment => &mut names.environments,
                    ty if *ty == vocabulary.group => &mut names.groups,
                    _ => continue,
                };
                list.entry(literal.id().unescaped().to_owned()).or_insert_with(|| one.rule.id.clone());
            }
            cedar.insert(one.rule.id.clone(), one.full.to_string());
        }
        let rules = parsed.into_iter().map(|parsed| (parsed.rule.id.clone(), parsed.rule)).collect();
        Ok(Self { rules, digest: Digest::of(canonical), slices, vocabulary, builtin, cedar, names })
    }

    /// Digest over the canonical JSON of the files that the rules were parsed from.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The rules in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    pub fn get(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.get(id)
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The names of systems, environments and groups that rules mention.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The Cedar text of a rule, as its file has it.
    pub fn cedar(&self, id: &RuleId) -> Option<&str> {
        self.cedar.get(id).map(String::as_str)
    }

    /// The base permit and the rules that bind, as one Cedar text: what a prover reads.
    pub fn enforced_cedar(&self) -> String {
        let binding = self.rules.values().filter(|rule| match (rule.mode, rule.strength) {
            (Mode::Shadow, _) | (Mode::Enforce, Strength::Advisory) => false,
            (Mode::Enforce, Strength::Waivable | Strength::Mandatory) => true,
        });
        let texts = binding.filter_map(|rule| self.cedar(&rule.id));
        std::iter::once(BASE_PERMIT).chain(texts).collect::<Vec<_>>().join("\n")
    }

    fn ask(&self, snapshot: &Snapshot, target: &TargetView, now: Time) -> Result<Answers, String> {
        self.slices.ask(&self.vocabulary, &Seen::new(snapshot, target, now))
    }

    /// Names in rules that the catalog does not know, as `environment prod`, with the rule.
    pub fn unknown_names(
        &self,
        systems: &BTreeSet<SystemId>,
        environments: &BTreeSet<Environment>,
    ) -> Vec<(String, RuleId)> {
        let systems: BTreeSet<&str> = systems.iter().map(SystemId::as_str).collect();
        let environments: BTreeSet<&str> = environments.iter().map(Environment::as_str).collect();
        let unknown = |what: &str, names: &BTreeMap<String, RuleId>, known: &BTreeSet<&str>| {
            let missing = names.iter().filter(|(name, _)| !known.contains(name.as_str()));
            missing.map(|(name, rule)| (format!("{what} {name}"), rule.clone())).collect::<Vec<_>>()
        };
        let mut list = unknown("system", &self.names.systems, &systems);
        list.extend(unknown("environment", &self.names.environments, &environments));
        list
    }
}
