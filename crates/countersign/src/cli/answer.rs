//! Answering a finding: what is shown of it, and the statement that closes it. It is part of `review`.

use std::io::BufRead as _;

use countersign_core::statement::{Body, FindingAnswer};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, bold, faint, joined, printable},
    submit::{self, Session},
};
use crate::{client::ChangePrefix, known::KnownLog, wire::FindingLine};

/// How many pages of findings are looked through.
const MAX_PAGES: usize = 50;

/// The finding whose id begins so, as the server tells it. Whoever answers signs what it says, and the log takes no answer to
/// anything else.
pub fn find(log: &KnownLog, asked: &ChangePrefix) -> Result<Option<FindingLine>, CliError> {
    let begins = asked.to_string();
    let mut after: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut query = vec![("limit", "200")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page = log.client.findings(&query)?;
        if let Some(found) = page.findings.into_iter().find(|found| found.id.as_str().starts_with(&begins)) {
            return Ok(Some(found));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(None)
}

/// What it is, who is asked, until when. Its words are worked out here, of what will be signed.
pub fn lines(found: &FindingLine) -> String {
    let state = if found.open { format!("to be answered by {}", found.due) } else { "answered".to_owned() };
    format!(
        "{} {}\n{}\n{} {}\n\n",
        bold(anstyle::Style::new(), format!("finding {}", found.id.short())),
        state,
        printable(&found.what.words()),
        faint("asked:"),
        printable(&joined(&found.who)),
    )
}

/// A sentence that somebody types; nothing leaves it.
pub fn asked() -> Result<Option<String>, CliError> {
    anstream::eprint!("your answer, in a sentence (nothing: leave it): ");
    let mut typed = String::new();
    let read = std::io::stdin().lock().read_line(&mut typed);
    read.map_err(|e| CliError::new("failed", format!("what you typed cannot be read: {e}")))?;
    let typed = typed.trim();
    Ok((!typed.is_empty()).then(|| typed.to_owned()))
}

pub fn say(global: &Global, session: &Session, found: &FindingLine, said: &str) -> Result<Exit, CliError> {
    if said.trim().is_empty() {
        return Err(
            CliError::usage("an answer says something").hint("for example --answer 'Looked at it: as it was before'")
        );
    }
    let (text, blob) = submit::reason(said)?;
    let body = Body::FindingAnswer(FindingAnswer { finding: found.id.clone(), text, what: found.what.clone() });
    let receipt = session.say(body, &[blob])?;
    match global.format {
        output::Format::Json => output::json(&receipt)?,
        output::Format::Text => anstream::println!("answered finding {}", found.id.short()),
    }
    Ok(Exit::Done)
}
