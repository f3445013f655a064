//! What a developer reads when the gate stays shut: what happened, what is missing, who can supply it, and the command
//! that does it. Git shows it line by line after `remote:`.
//!
//! Titles, paths and names were written by whoever pushed or proposed, so nothing in them may move a cursor.

use std::fmt;

use countersign_audit::misleads;
use countersign_core::{
    decision::RuleStatus,
    explain::{Explained, ExplainedRule, Obligation},
    ids::ChangeId,
    refusal::Refusal,
    subject::quoted,
};

const PREFIX: &str = "countersign:";
/// A terminal of 24 lines, which nobody has to scroll.
const MAX_LINES: usize = 24;
const MAX_LINE_CHARS: usize = 1_200;
const MAX_TITLE_CHARS: usize = 60;

/// Why the gate stays shut, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Stable, kebab-case.
    pub code: &'static str,
    what: String,
    todo: Vec<String>,
    show: Option<ChangeId>,
}

impl Refused {
    pub fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), todo: Vec::new(), show: None }
    }

    /// What happened, in a sentence.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The change that it is about.
    pub const fn of_change(&self) -> Option<&ChangeId> {
        self.show.as_ref()
    }

    /// A sentence of explanation.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.todo.push(text.into());
        self
    }

    /// A command that helps.
    #[must_use]
    pub fn command(mut self, text: impl AsRef<str>) -> Self {
        self.todo.push(format!("-> {}", text.as_ref()));
        self
    }

    /// The change that this is about.
    #[must_use]
    pub fn about(mut self, change: &ChangeId) -> Self {
        self.show = Some(change.clone());
        self
    }

    /// Something that core or the server refused.
    pub fn of(refusal: &Refusal) -> Self {
        let refused = Self::new(refusal.code, refusal.message.clone());
        match &refusal.hint {
            Some(hint) => refused.note(hint),
            None => refused,
        }
    }

    /// The rules deny: a to-do list of every rule that stops the change.
    pub fn by_rules(code: &'static str, denied: &Explained, title: Option<&str>) -> Self {
        let decision = &denied.decision;
        let targets: Vec<String> = decision.targets.iter().map(ToString::to_string).collect();
        let title = title.map(|title| format!(" \"{}\"", shortened(title))).unwrap_or_default();
        let what = format!("change {}{title} is not allowed on {} yet", decision.change.short(), targets.join(", "));
        let stopping: Vec<&ExplainedRule> = denied.explanation.rules.iter().filter(|rule| rule.stops()).collect();
        let width = stopping.iter().map(|rule| rule.id.as_str().len()).max().unwrap_or(0);
        let mut refused = Self::new(code, what).about(&decision.change);
        let mut last = None;
        for rule in &stopping {
            let id = format!("{:width$}", rule.id.as_str());
            // One command may answer several rules: it is said once, after the last of them.
            if let (RuleStatus::Error, Some(error)) = (rule.status, &rule.error) {
                refused = refused.say_command(&mut last).note(format!("{id}  cannot be evaluated: {error}"));
                continue;
            }
            if rule.obligations.is_empty() {
                refused = refused.say_command(&mut last).note(format!("{id}  {}", rule.requires));
            }
            for obligation in &rule.obligations {
                // As much of the id as somebody has to type.
                let how = obligation.how.replace(decision.change.as_str(), decision.change.short());
                if last.as_ref() != Some(&how) {
                    refused = refused.say_command(&mut last);
                }
                last = Some(how);
                refused = refused.note(format!("{id}  {}: {}", obligation.missing, who(obligation)));
                for other in &obligation.or {
                    let how = other.how.replace(decision.change.as_str(), decision.change.short());
                    if last.as_ref() != Some(&how) {
                        refused = refused.say_command(&mut last);
                    }
                    last = Some(how);
                    refused = refused.note(format!("{:width$}  or {}: {}", "", other.missing, who(other)));
                }
            }
        }
        refused = refused.say_command(&mut last);
        let standard = denied.explanation.standard.clone();
        let rollback = denied.explanation.rollback.clone();
        let (steps, glass) = (denied.explanation.steps.clone(), denied.explanation.glass.clone());
        let idle = denied.explanation.idle.clone();
        let notes = denied
            .explanation
            .for_example()
            .into_iter()
            .chain(standard)
            .chain(rollback)
            .chain(steps)
            .chain(glass)
            .chain(idle);
        notes.fold(refused, Self::note)
    }

    fn say_command(self, command: &mut Option<String>) -> Self {
        match command.take() {
            Some(command) => self.command(command),
            None => self,
        }
    }

    /// The to-do list, whichever change it is of.
    fn missing(&self) -> Vec<String> {
        let short = self.show.as_ref().map(ChangeId::short).unwrap_or_default();
        self.todo
            .iter()
            .map(|line| if short.is_empty() { line.clone() } else { line.replace(short, "CHANGE") })
            .collect()
    }

    /// Puts several refusals of one push together.
    pub fn all(mut refusals: Vec<Self>) -> Option<Self> {
        if refusals.len() < 2 {
            return refusals.pop();
        }
        let mut all = Self::new("several-changes", format!("{} changes of this push may not go yet", refusals.len()));
        // What is missing is often the same for all of them, and said once.
        let mut said: Vec<(Vec<String>, ChangeId)> = Vec::new();
        for refused in refusals {
            all.todo.push(refused.what.clone());
            let missing = refused.missing();
            match said.iter().find(|(known, _)| *known == missing) {
                Some((_, first)) => all.todo.push(format!("  it misses what change {} misses", first.short())),
                None => {
                    all.todo.extend(refused.todo.into_iter().map(|line| format!("  {line}")));
                    said.extend(refused.show.clone().map(|change| (missing, change)));
                }
            }
            if let Some(change) = refused.show {
                all.todo.push(format!("  all of it: countersign show {}", change.short()));
            }
        }
        Some(all)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PREFIX} refused: {} [{}]", plain(&self.what), self.code)?;
        // Room for the first line, the one that says how many are left out, and the last.
        let room = MAX_LINES - 3;
        for line in self.todo.iter().take(room) {
            writeln!(f, "{PREFIX}   {}", plain(line))?;
        }
        if self.todo.len() > room {
            writeln!(f, "{PREFIX}   ... and {} more lines", self.todo.len() - room)?;
        }
        if let Some(change) = &self.show {
            writeln!(f, "{PREFIX} all of it: countersign show {}", change.short())?;
        }
        Ok(())
    }
}

fn who(obligation: &Obligation) -> String {
    if obligation.who.is_empty() {
        return "nobody can at present; tell those who run Countersign".to_owned();
    }
    let named = obligation.named();
    match obligation.more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn shortened(title: &str) -> String {
    let short: String = title.chars().take(MAX_TITLE_CHARS).collect();
    if short.len() < title.len() { format!("{short}...") } else { short }
}

/// One line that nothing in it can break or recolour.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(MAX_LINE_CHARS) {
        match misleads(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// A word as a shell takes it.
pub fn shell_word(text: &str) -> String {
    quoted(&[text.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_move_the_cursor() {
        let refused = Refused::new("no-change", "title \u{1b}[2J\r\nremote: all is well \u{202e}live")
            .note("é, — and \u{1f389} stay, and what hides does not: a\u{200b}b\u{ad}")
            .command("countersign reject 0123 --set-aside grace --why …")
            .about(&"0123456789abcdef0123456789abcdef".parse().unwrap());
        insta::assert_snapshot!(refused, @r#"
        countersign: refused: title \u{1b}[2J\r\nremote: all is well \u{202e}live [no-change]
        countersign:   é, — and 🎉 stay, and what hides does not: a\u{200b}b\u{ad}
        countersign:   -> countersign reject 0123 --set-aside grace --why …
        countersign: all of it: countersign show 0123456789ab
        "#);
    }

    #[test]
    fn a_long_list_ends_on_the_screen() {
        let refused = (0..50).fold(Refused::new("x", "much"), |refused, n| refused.note(format!("line {n}")));
        assert!(refused.to_string().lines().count() <= MAX_LINES);
        assert!(refused.to_string().contains("... and 29 more lines"));
    }

    #[test]
    fn what_several_changes_miss_is_said_once() {
        let [first, second, third] = ["a", "b", "c"].map(|digit| digit.repeat(32).parse::<ChangeId>().unwrap());
        let of = |change: &ChangeId, rule: &str| {
            Refused::new("denied-by-rules", format!("change {} is not allowed yet", change.short()))
                .note(format!("{rule}  1 approval: grace"))
                .command(format!("countersign review {}", change.short()))
                .about(change)
        };
        let all = Refused::all(vec![of(&first, "two-people"), of(&second, "two-people"), of(&third, "documented")]);
        insta::assert_snapshot!(all.unwrap(), @"
        countersign: refused: 3 changes of this push may not go yet [several-changes]
        countersign:   change aaaaaaaaaaaa is not allowed yet
        countersign:     two-people  1 approval: grace
        countersign:     -> countersign review aaaaaaaaaaaa
        countersign:     all of it: countersign show aaaaaaaaaaaa
        countersign:   change bbbbbbbbbbbb is not allowed yet
        countersign:     it misses what change aaaaaaaaaaaa misses
        countersign:     all of it: countersign show bbbbbbbbbbbb
        countersign:   change cccccccccccc is not allowed yet
        countersign:     documented  1 approval: grace
        countersign:     -> countersign review cccccccccccc
        countersign:     all of it: countersign show cccccccccccc
        ");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!([shell_word("main"), shell_word("a b"), shell_word("it's")], ["main", "'a b'", "\"it's\""]);
    }
}
