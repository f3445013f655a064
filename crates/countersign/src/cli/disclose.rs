//! `disclose`, `waive` and `identify`: what people say about how a change was made and who made it.

use std::collections::BTreeSet;

use countersign_core::{
    ids::{ActorId, RuleId},
    statement::{Body, Disclosure, Identification, IdentityVerdict, Waiver},
    subject::Subject,
};

use super::{
    Global, approve,
    error::{CliError, Exit},
    output, submit,
};
use crate::{client::ChangePrefix, wire::IdentityView};

/// How much of a reference names one of the few identities of a change.
const SHORTEST_REFERENCE: usize = 8;

/// Say what AI assistance and which guidance a change was made with.
///
/// It is evidence, not guilt. --none is a signed claim, which the commits can contradict.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign disclose 9f2c4e6a81d0 --tool 'Claude Code' --guidance runbooks/failover.md\n  \
    countersign disclose 9f2c4e6a81d0 --none")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// A tool that helped (repeatable).
    #[arg(long, value_name = "TOOL", required_unless_present = "none")]
    tool: Vec<String>,
    /// A document that was followed, by its path on its protected branch (repeatable).
    #[arg(long, value_name = "PATH", num_args = 1..)]
    guidance: Vec<String>,
    /// Who prompted the tool, where that was not you (repeatable).
    #[arg(long, value_name = "PERSON")]
    prompted_by: Vec<ActorId>,
    /// No AI assistance.
    #[arg(long, conflicts_with = "tool")]
    none: bool,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    let tools: BTreeSet<String> = args.tool.into_iter().collect();
    let guidance: BTreeSet<String> = args.guidance.into_iter().collect();
    let mut lines = vec![format!("disclosure for revision {} of change {}", view.revision, view.id.short())];
    lines.push(match tools.len() {
        0 => "no AI assistance".to_owned(),
        _ => format!("AI assistance: {}", tools.iter().cloned().collect::<Vec<_>>().join(", ")),
    });
    lines.extend(guidance.iter().map(|path| format!("guidance: {path}")));
    submit::announce(&session.speaker, &lines);
    // A signal is evidence that a word does not take back.
    if tools.is_empty() && !view.ai.signals.is_empty() {
        let tools = view.ai.tools.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let tools = if tools.is_empty() { String::new() } else { format!(" of {tools}") };
        anstream::eprintln!(
            "{} its commits or earlier disclosures say otherwise: {}{}; AI assistance stays {}. Where a tool did help, say which: \
             countersign disclose {} --tool NAME",
            output::warn("note:"),
            output::printable(&view.ai.signals.iter().cloned().collect::<Vec<_>>().join(", ")),
            output::printable(&tools),
            view.ai.status.as_str(),
            view.id.short(),
        );
    }
    let body = Body::Disclosure(Disclosure {
        change: view.id.clone(),
        revision: reading.revision_ref(),
        tools,
        guidance,
        prompted_by: args.prompted_by.into_iter().collect(),
    });
    submit::say(global, &session, body, &[], |_| format!("disclosed for {}", view.id.short()))
}

/// Waive a rule for the present revision of a change, as a senior who had no hand in it.
#[derive(Debug, clap::Args)]
pub struct WaiveArgs {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// The rule.
    #[arg(long, value_name = "ID")]
    rule: RuleId,
    /// Why it does not matter here.
    #[arg(long)]
    why: String,
}

pub fn waive(global: &Global, args: WaiveArgs) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    let (reason, blob) = submit::reason(&args.why)?;
    let mut lines = approve::about(&format!("waiver of rule {}", args.rule), &view);
    lines.push(format!("because: {}", args.why));
    submit::announce(&session.speaker, &lines);
    let rule = args.rule.clone();
    let body =
        Body::Waiver(Waiver { change: view.id.clone(), revision: reading.revision_ref(), rule: args.rule, reason });
    submit::say(global, &session, body, &[blob], |_| format!("waived {rule} for {}", view.id.short()))
}

/// Say who an identity in a change's commits is, as somebody who had no hand in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign identify 9f2c4e6a81d0 --identity 1b2c3d4e5f60 --as alice\n  \
    countersign identify 9f2c4e6a81d0 --identity 1b2c3d4e5f60 --automation\n  \
    countersign identify 9f2c4e6a81d0 --identity 1b2c3d4e5f60 --not-involved   (only a co-author trailer names them)")]
pub struct IdentifyArgs {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// The identity's reference (8 digits or more of it), or its mail address, as `countersign show` lists it.
    #[arg(long, value_name = "REF|MAIL")]
    identity: String,
    /// It is this person, workload or agent.
    #[arg(long = "as", value_name = "NAME", group = "verdict", required_unless_present_any = ["automation", "not_involved"])]
    is: Option<ActorId>,
    /// It is a script or a forge, with no further person behind it.
    #[arg(long, group = "verdict")]
    automation: bool,
    /// A co-author trailer names somebody who had no hand in it.
    #[arg(long, group = "verdict")]
    not_involved: bool,
}

pub fn identify(global: &Global, args: IdentifyArgs) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    let wanted = args.identity.to_lowercase();
    let begins = |reference: &str| wanted.len() >= SHORTEST_REFERENCE && reference.starts_with(&wanted);
    let named: Vec<&IdentityView> =
        view.identities.iter().filter(|who| begins(&who.reference) || who.mail == wanted).collect();
    let [known] = named.as_slice() else {
        let names: Vec<_> =
            view.identities.iter().map(|i| format!("{} ({} <{}>)", i.reference, i.name, i.mail)).collect();
        if names.is_empty() {
            let short = view.id.short();
            return Err(match view.subject {
                Subject::Files(_) | Subject::Governance(_) => CliError::new(
                    "unknown-identity",
                    format!("change {short} is about files: there are no commits that could name anybody"),
                )
                .hint("nobody has to be identified"),
                Subject::Git(_) => {
                    CliError::new("unknown-identity", format!("whom the commits of {short} name is not here"))
                        .hint("the names were erased, or the server holds them back")
                }
            });
        }
        let what = if named.is_empty() { "do not name" } else { "name more than one" };
        return Err(CliError::new("unknown-identity", format!("the commits of {} {what} {wanted}", view.id.short()))
            .hint(format!("they name {}", names.join(", "))));
    };
    let verdict = match args.is {
        Some(actor) => IdentityVerdict::Is(actor),
        None if args.automation => IdentityVerdict::Automation,
        None => IdentityVerdict::NotInvolved,
    };
    submit::announce(
        &session.speaker,
        &[format!("in change {}, {} <{}> {}", view.id.short(), known.name, known.mail, words(&verdict))],
    );
    let me = &session.speaker.me;
    anstream::eprintln!(
        "{} whoever says whose a mail is could hide behind it: {me} does not approve change {} besides",
        output::warn("note:"),
        view.id.short()
    );
    let body = Body::Identification(Identification {
        change: view.id.clone(),
        revision: reading.revision_ref(),
        identity: known.reference.clone(),
        verdict,
    });
    submit::say(global, &session, body, &[], |_| format!("identified {}", args.identity))
}

fn words(verdict: &IdentityVerdict) -> String {
    match verdict {
        IdentityVerdict::Is(actor) => format!("is {actor}"),
        IdentityVerdict::Automation => "is automation, with nobody behind it".to_owned(),
        IdentityVerdict::NotInvolved => "had no hand in it".to_owned(),
    }
}
