//! What is wrong with a machine, a home or a gate, and the command that mends it. Nothing is changed here, and nothing is decided
//! by what is said.
//!
//! Each part is a list of findings; a check that cannot be made says why, in place of being left out.

mod calendars;
pub mod gate;
pub mod home;
mod ledger;
pub mod machine;

use serde::Serialize;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Good,
    /// It works, and might not be meant so.
    Doubtful,
    Wrong,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `client`, `server`, `home`, `ledger` or `gate`.
    pub part: &'static str,
    /// What was looked at. Stable, kebab-case.
    pub check: &'static str,
    pub state: State,
    pub said: String,
    /// What mends it, mostly a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// The findings about one part, as they are made.
#[derive(Debug)]
pub struct Findings {
    part: &'static str,
    pub all: Vec<Finding>,
}

impl Findings {
    fn of(part: &'static str) -> Self {
        Self { part, all: Vec::new() }
    }

    fn add(&mut self, check: &'static str, state: State, said: impl Into<String>, mend: Option<String>) {
        self.all.push(Finding { part: self.part, check, state, said: said.into(), mend });
    }

    fn good(&mut self, check: &'static str, said: impl Into<String>) {
        self.add(check, State::Good, said, None);
    }

    fn doubtful(&mut self, check: &'static str, said: impl Into<String>, mend: impl Into<String>) {
        self.add(check, State::Doubtful, said, Some(mend.into()));
    }

    fn wrong(&mut self, check: &'static str, said: impl Into<String>, mend: Option<String>) {
        self.add(check, State::Wrong, said, mend);
    }
}

/// A program's version, `2.47` of `git version 2.47.3`, as numbers.
fn version(said: &str) -> Option<(u32, u32)> {
    let at = said.find(|c: char| c.is_ascii_digit())?;
    let digits = said.get(at..)?;
    let mut numbers = digits.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_out_of_what_programs_say() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.1"), Some((10, 0)));
        assert_eq!(version("none"), None);
    }
}
