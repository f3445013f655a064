//! `findings`: what somebody has to answer, and until when.

use countersign_core::escalation::Escalation;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, bad, bold, faint, printable},
};
use crate::{
    clock,
    wire::{FindingLine, rfc3339},
};

/// List what somebody has to answer by a stated time, what is due first before what is due later.
///
/// One of those who are asked answers: countersign review FINDING. After its time the group above the owners is asked, too, else the
/// policy group. `countersign gate status REPO --answer` besides tells the gate
/// why a branch was moved, so that it takes it as it stands.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Those that nobody has answered.
    #[arg(long)]
    open: bool,
    /// Those about this: gate/NAME, target/SYSTEM/ENVIRONMENT, person/NAME, rule/ID.
    #[arg(long, value_name = "X")]
    about: Option<String>,
    /// Those that this person has to answer.
    #[arg(long, value_name = "PERSON")]
    who: Option<String>,
    /// How many at the most.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let log = global.log()?;
    let wanted = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut findings: Vec<FindingLine> = Vec::new();
    let mut next: Option<String> = None;
    let more = loop {
        let limit = wanted.saturating_sub(findings.len()).to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(args.open.then_some(("open", "true")));
        query.extend(args.about.as_deref().map(|about| ("about", about)));
        query.extend(args.who.as_deref().map(|who| ("who", who)));
        query.extend(next.as_deref().map(|after| ("after", after)));
        let page = log.client.findings(&query)?;
        let progress = !page.findings.is_empty();
        findings.extend(page.findings);
        next = page.next.filter(|_| progress);
        if next.is_none() || findings.len() >= wanted {
            break next.is_some();
        }
    };
    match global.format {
        Format::Json => output::json(&findings)?,
        Format::Text if findings.is_empty() => anstream::println!("nothing to answer"),
        Format::Text => {
            let now = rfc3339(clock::now());
            findings.iter().for_each(|finding| line(finding, &now));
            anstream::eprintln!("{}", faint("as the server tells it"));
            if findings.iter().any(|finding| finding.open) {
                anstream::eprintln!("{}", faint("one of those who are asked answers: countersign review FINDING"));
            }
            if more {
                let limit = args.limit.saturating_mul(2);
                anstream::println!("{}", faint(format!("there are more: countersign findings --limit {limit}")));
            }
        }
    }
    Ok(Exit::Done)
}

/// Two lines: what it is, by when and by whom it is to be answered; and what was found.
pub(super) fn line(finding: &FindingLine, now: &str) {
    let who: Vec<&str> = finding.who.iter().map(|person| person.as_str()).collect();
    let due = match (finding.open, finding.is_overdue(now)) {
        (true, true) => bad(format!("was due {}", finding.due)).to_string(),
        (true, false) => format!("due {}", finding.due),
        (false, _) => "answered".to_owned(),
    };
    anstream::println!(
        "{}  {}  {due}  {}",
        bold(anstyle::Style::new(), finding.id.short()),
        printable(&finding.kind),
        printable(&who.join(", "))
    );
    anstream::println!("  {}", printable(&finding.said));
    if let Some(Escalation { group, who, .. }) = &finding.escalated {
        let who: Vec<&str> = who.iter().map(|person| person.as_str()).collect();
        anstream::println!(
            "  {}",
            bad(format!("overdue, so that {group} is asked, too: {}", printable(&who.join(", "))))
        );
    }
}
