//! What can be wrong with a rule file: where, what, and what would be right.

use std::fmt;

use thiserror::Error;

use super::{depth, parse};

/// The first thing that is wrong with a set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    pub file: String,
    /// From 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    pub problem: Problem,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Problem {
    #[error("the file's name does not end in `.cedar`")]
    FileName,
    #[error("there are more than {} rules", parse::MAX_RULES)]
    TooMany,
    #[error("the file is larger than {} bytes", parse::MAX_FILE_BYTES)]
    TooLarge,
    #[error(
        "brackets or operators nest deeper than {} levels, or one rule has more than {} of them",
        depth::MAX_DEPTH,
        depth::MAX_OPERATORS
    )]
    TooDeep,
    #[error("this is not Cedar: {message}")]
    Syntax { message: String, help: Option<String> },
    #[error("there is no rule in the file")]
    Empty,
    #[error("templates (`?principal`, `?resource`) are no rules")]
    Template,
    #[error("a rule is a `forbid`, never a `permit`")]
    Permit,
    #[error("the rule names a principal")]
    Principal,
    #[error("the rule does not name the action")]
    Action,
    #[error("the rule is about one single change")]
    SingleChange,
    #[error("the annotation `@{0}` is missing")]
    MissingAnnotation(&'static str),
    #[error("there is no annotation `@{0}`")]
    UnknownAnnotation(String),
    #[error("`@{annotation}(\"{value}\")` is not valid")]
    Annotation { annotation: &'static str, value: String, expected: String },
    #[error("`{0}` is the name of a check that is built in")]
    Reserved(String),
    #[error("the rule `{id}` is already in {file}")]
    Duplicate { id: String, file: String },
    #[error("a mandatory rule cannot be waived, and says who may")]
    MandatoryWaivers,
    #[error("`{0}` does not say what different people approve")]
    NoParts(String),
    #[error("`{0}` is no number of hours")]
    NoHours(String),
    #[error("{0}")]
    NoPattern(String),
    #[error("`{0}` cannot be the name of a group")]
    NoGroup(String),
    #[error("`{0}` is no kind of evidence")]
    NoEvidence(String),
    #[error("a mandatory rule cannot be in watch")]
    MandatoryWatch,
    #[error("the condition uses `{0}`, which can err, and a `forbid` that errs fails open")]
    CanErr(String),
    #[error("it does not fit the schema: {message}")]
    Schema { message: String, help: Option<String> },
    #[error("Cedar's own vocabulary does not parse: {0}")]
    Internal(String),
}

impl RulesError {
    /// What would be right.
    pub fn hint(&self) -> String {
        let fixed = match &self.problem {
            Problem::FileName => "put rules into files such as `owner-approves.cedar`, and cases elsewhere",
            Problem::TooMany => "merge rules that differ only in their scope",
            Problem::TooLarge | Problem::TooDeep => "split the rule into several",
            Problem::Syntax { help: Some(help), .. } | Problem::Schema { help: Some(help), .. } => help,
            Problem::Syntax { help: None, .. } => {
                "a rule is `@id(\"…\") … forbid (principal, action == Countersign::Action::\"apply\", resource) when { … } \
                 unless { … };`"
            }
            Problem::Schema { help: None, .. } => "`countersign rules schema` prints what a rule can ask about",
            Problem::Empty => "write a `forbid`, or remove the file",
            Problem::Template => "write the entity into the rule",
            Problem::Permit => {
                "what no rule forbids is permitted; turn the condition round: `forbid … when { it applies } unless { it is \
                 met }`"
            }
            Problem::Principal => "write `principal` alone: a rule judges the change, not the gate that asks",
            Problem::Action => "write `action == Countersign::Action::\"apply\"`",
            Problem::SingleChange => {
                "write `resource`, or `resource in` a Countersign::System, Environment, Kind or Group"
            }
            Problem::MissingAnnotation(name) => return format!("add {}", parse::example(name)),
            Problem::UnknownAnnotation(_) => {
                "a rule has @id, @requires, @because, @remedy, @mode and @strength, and may have @carry and @waivers"
            }
            Problem::Annotation { expected, .. } => expected,
            Problem::Reserved(_) => "choose another @id",
            Problem::Duplicate { .. } => "every @id is there once",
            Problem::MandatoryWaivers => "leave `@waivers` out, or write `@strength(\"waivable\")`",
            Problem::NoParts(_) => {
                "two or more roles, each once and with how many, at most nine people in all: \
                 `resource.approvals.apart[\"group:red:1+owner:2\"]`"
            }
            Problem::NoHours(_) => "whole hours of a year at the most, as in `resource.approvals.recent[\"24h\"]`",
            Problem::NoPattern(_) => {
                "patterns as in gate.yaml, with `|` between them: `resource.paths.only[\"docs/** | **/*.md\"]`"
            }
            Problem::NoGroup(_) => "name a group of the catalog: `resource.approvals.group[\"payments\"] >= 1`",
            Problem::NoEvidence(_) => {
                "name a kind in lower-case letters, digits and `-`: `resource.evidence.passed[\"tests\"]`"
            }
            Problem::MandatoryWatch => "write `@strength(\"waivable\")` to try it out, or `@mode(\"enforce\")`",
            Problem::CanErr(_) => {
                "compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be \
                 computed is an attribute"
            }
            Problem::Internal(_) => "this is a fault of the program, not of the rules",
        };
        fixed.to_owned()
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}\n  hint: {}", self.problem, self.hint())
    }
}

impl std::error::Error for RulesError {}
