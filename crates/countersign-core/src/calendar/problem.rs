//! What is wrong with a calendar: file, line, and what would be right.

use std::fmt;

use crate::refusal::Refusal;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    file: String,
    line: Option<usize>,
    what: String,
    hint: Option<String>,
}

impl Problem {
    pub fn new(file: &str, line: Option<usize>, what: String) -> Self {
        Self { file: file.to_owned(), line, what, hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let refusal = Self::malformed("calendar-invalid", problem.to_string());
        Self { hint: problem.hint, ..refusal }
    }
}
