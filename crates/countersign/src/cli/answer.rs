//! Answering a finding: what is shown of it, and the statement that closes it. It is part of `review`.

use std::io::BufRead as _;

use countersign_core::{
    statement::{Body, FindingAnswer, Seen},
    text::Reason,
};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, bold, faint, joined, printable, printable_lines},
    submit::{self, Session},
    times,
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

/// What it is, who is asked, until when, and what was said besides. Its words are worked out here, of what will be signed.
pub fn lines(log: &KnownLog, found: &FindingLine) -> String {
    let state = match (&found.answered_by, &found.answered_at) {
        (Some(by), Some(at)) => format!("answered by {by} {}", times::when(at)),
        _ if found.open => format!("to be answered by {}", found.due),
        _ => "answered".to_owned(),
    };
    let mut lines = vec![
        format!("{} {}", bold(anstyle::Style::new(), format!("finding {}", found.id.short())), printable(&state)),
        printable(&found.what.words()),
    ];
    let besides = found.text.and_then(|text| log.client.blob(&text).ok());
    if let Some(besides) = besides.and_then(|bytes| Reason::parse(&bytes).ok()) {
        lines.push(printable_lines(&besides.why));
    }
    lines.push(format!(
        "{} {} {}",
        faint("raised:"),
        printable(found.raised_by.as_str()),
        times::when(&found.raised_at)
    ));
    lines.push(format!("{} {}", faint("asked:"), printable(&joined(&found.who))));
    if let Some(besides) = &found.escalated {
        lines.push(format!(
            "{} {} ({})",
            faint("overdue, asked too:"),
            printable(&joined(&besides.who)),
            besides.group
        ));
    }
    format!("{}\n\n", lines.join("\n"))
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

pub fn say(
    global: &Global,
    session: &Session,
    found: &FindingLine,
    said: &str,
    seen: Option<Seen>,
) -> Result<Exit, CliError> {
    if said.trim().is_empty() {
        return Err(
            CliError::usage("an answer says something").hint("for example --answer 'Looked at it: as it was before'")
        );
    }
    let (text, blob) = submit::reason(said)?;
    let body = Body::FindingAnswer(FindingAnswer { finding: found.id.clone(), seen, text, what: found.what.clone() });
    let receipt = session.say(body, &[blob])?;
    match global.format {
        output::Format::Json => output::json(&receipt)?,
        output::Format::Text => anstream::println!("answered finding {}", found.id.short()),
    }
    Ok(Exit::Done)
}
