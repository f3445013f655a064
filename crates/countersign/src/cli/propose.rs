//! `propose` and `revise`: what should change, why, and how it is undone.

use std::collections::BTreeSet;

use countersign_core::{
    facts::GitFacts,
    ids::{ActorId, ChangeId, Nonce, Target},
    kind::{Kind, Purpose},
    rollback::instead_in_words,
    statement::{Body, NewRevision, Proposal},
    subject::{FilesSubject, GitSubject, GovernanceSubject, Subject, SubjectRef},
    text::ProposalText,
};
use countersign_ledger::Digest;

use super::{
    Global,
    content::{self, Computed, Content},
    dry_run,
    error::{CliError, Exit},
    material,
    me::Me,
    output::{self, Format},
    paths, reviewers, show,
    submit::{self, Session},
};
use crate::{
    client::{ChangePrefix, Client},
    clock, random,
    reading::Reading,
    wire::{ChangeLine, Receipt},
};

/// Propose a change: the first step of every change.
///
/// The digests are computed here, from your repository or files, and are what people approve.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign propose --target checkout/production --kind config \\\n    \
        --git . --branch main --range origin/main..HEAD \\\n    \
        --title 'Raise the payment timeout' --why 'The bank answers in 8 s at month end' \\\n    \
        --risk 'Slow requests pile up' --rollback 'git revert' --tests 'Load test 4711'\n  \
    countersign propose --target checkout/production --kind flag --file flags.json \\\n    \
        --command 'curl --fail -T flags.json https://flags.example/' --title … --why …")]
pub struct Args {
    /// What it changes: SYSTEM/ENVIRONMENT (repeatable).
    #[arg(long, required = true, value_name = "SYSTEM/ENV", num_args = 1..)]
    target: Vec<Target>,
    /// Its kind.
    #[arg(long, value_enum)]
    kind: KindArg,
    /// The earlier change whose state it brings back: its id, or twelve or more digits of its beginning.
    #[arg(long, value_name = "CHANGE")]
    restores: Option<ChangePrefix>,
    /// The incident that it answers.
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// It closes a security hole.
    #[arg(long)]
    security: bool,
    /// Nobody goes back past it on one signature (of what closes a security hole and of a schema nobody does).
    #[arg(long)]
    no_way_back: bool,
    /// The branch that it comes from.
    #[arg(long, value_name = "BRANCH")]
    source: Option<String>,
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    words: Words,
    /// Show what it would be and what the rules would ask of it. Nothing is signed or sent.
    #[arg(long, conflicts_with = "quiet")]
    dry_run: bool,
    /// Print the id of the change, and nothing else.
    #[arg(long)]
    quiet: bool,
    /// Say nothing of open changes that bring the same
    #[arg(long)]
    again: bool,
}

/// Put a new revision of a change in place of the present one.
///
/// Approvals carry over where it brings exactly the same in the same words, for rules that let them.
///
/// What is not said again stays: without --git or --file the content, without --why and so on the words.
#[derive(Debug, clap::Args)]
pub struct ReviseArgs {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    words: OptionalWords,
    /// Do not ask, also on a terminal: whoever revises another's change can no longer approve it.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
struct Words {
    /// One line that says what it does.
    #[arg(long)]
    title: String,
    /// Why it is needed.
    #[arg(long)]
    why: String,
    /// What could go wrong.
    #[arg(long, default_value = "")]
    risk: String,
    /// How it is undone.
    #[arg(long, default_value = "")]
    rollback: String,
    /// How it was tested.
    #[arg(long, default_value = "")]
    tests: String,
    /// Where to read more (repeatable).
    #[arg(long, value_name = "URL")]
    link: Vec<String>,
    /// The person who answers for it, where an agent proposes.
    #[arg(long, value_name = "PERSON")]
    sponsor: Option<ActorId>,
}

#[derive(Debug, clap::Args)]
struct OptionalWords {
    /// One line that says what it does.
    #[arg(long)]
    title: Option<String>,
    /// Why it is needed.
    #[arg(long)]
    why: Option<String>,
    /// What could go wrong.
    #[arg(long)]
    risk: Option<String>,
    /// How it is undone.
    #[arg(long)]
    rollback: Option<String>,
    /// How it was tested.
    #[arg(long)]
    tests: Option<String>,
    /// Where to read more (repeatable).
    #[arg(long, value_name = "URL")]
    link: Vec<String>,
    /// The person who answers for it, where an agent proposes.
    #[arg(long, value_name = "PERSON")]
    sponsor: Option<ActorId>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum KindArg {
    Code,
    Config,
    Infrastructure,
    Schema,
    Flag,
    Agent,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Code => Self::Code,
            KindArg::Config => Self::Config,
            KindArg::Infrastructure => Self::Infrastructure,
            KindArg::Schema => Self::Schema,
            KindArg::Flag => Self::Flag,
            KindArg::Agent => Self::Agent,
        }
    }
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let computed = args.content.compute(&random::nonce())?;
    let words = args.words;
    let text = ProposalText {
        salt: random::nonce(),
        title: words.title,
        why: words.why,
        risk: words.risk,
        rollback: words.rollback,
        tests: words.tests,
        links: words.link,
    };
    let targets: BTreeSet<Target> = args.target.into_iter().collect();
    let Blobs { text: text_digest, subject, facts, identities, bytes } = Blobs::of(&text, &computed)?;
    let session = global.session()?;
    let restored = args.restores.map(|change| session.read(&change)?.view().map_err(CliError::from)).transpose()?;
    let mut lines = vec![format!("proposal: {}", text.title)];
    lines.extend(restored.as_ref().map(|change| format!("restores: {} {}", change.id.short(), change.title)));
    lines.extend(args.incident.as_ref().map(|incident| format!("answers: {incident}")));
    lines.extend(args.source.as_ref().map(|source| format!("comes from: {source}")));
    lines.extend(args.security.then(|| "closes a security hole".to_owned()));
    lines.extend(args.no_way_back.then(|| "no way back past it".to_owned()));
    lines.push(format!("targets: {}", output::joined(&targets)));
    lines.extend(describe(&computed));
    lines.extend(content::submodule_addresses(args.content.git.as_deref(), &computed)?);
    if !args.again
        && let Some(same) = proposed_already(&session.log.client, &computed.subject, &targets)
    {
        anstream::eprintln!("{} {}", output::warn("note:"), output::printable(&same));
    }
    if restored.is_none()
        && let Some(words) = takes_back(&session.log.client, &computed, &targets)
    {
        anstream::eprintln!("{} {}", output::warn("note:"), output::printable(&words));
    }
    if !args.quiet && !args.dry_run {
        submit::announce(&session.speaker, &lines);
    }
    for note in doubts(&session.log.client, &args.content, &computed.subject) {
        anstream::eprintln!("{} {}", output::warn("note:"), output::printable(&note));
    }
    let proposal = Proposal {
        documents: text.documents(),
        facts,
        identities,
        kind: args.kind.into(),
        purpose: Purpose {
            restores: restored.map(|change| change.id),
            incident: args.incident,
            security: args.security,
            no_way_back: args.no_way_back,
            source: args.source,
        },
        sponsor: words.sponsor,
        subject,
        targets,
        text: text_digest,
    };
    if args.dry_run {
        let me = Me::of(global, &session.log)?;
        let view = dry_run::would_be(&session, &me, &proposal, &computed, &bytes)?;
        return show::would_be(global, &lines, &view);
    }
    let receipt = session.say(Body::Proposal(proposal), &bytes)?;
    if let Some(id) = &receipt.change {
        given(&session, &args.content, &computed, id, 1);
    }
    if args.quiet {
        anstream::println!("{}", receipt.change.as_ref().map(ChangeId::as_str).unwrap_or_default());
        return Ok(Exit::Done);
    }
    let done = |receipt: &Receipt| {
        format!("proposed change {}", receipt.change.as_ref().map(ChangeId::short).unwrap_or_default())
    };
    let Some(id) = &receipt.change else { return submit::said(global, &session, &receipt, done) };
    let reading = session.read(&ChangePrefix::from(id))?;
    let ask = reviewers::beside(&session.log, &reading, show::others(&session.log, &reading));
    let view = reading.view()?;
    match global.format {
        Format::Json => output::json(&show::with(&view, None, &ask)?)?,
        Format::Text => {
            submit::stands(global, &view, &session.speaker.me, &receipt, &done(&receipt))?;
            reviewers::tell(&ask);
        }
    }
    Ok(Exit::Done)
}

/// What makes a proposal look like a slip: nothing here stops it, and what cannot be found out is left out.
fn doubts(client: &Client, content: &Content, subject: &Subject) -> Vec<String> {
    let mut notes = Vec::new();
    if let Subject::Git(git) = subject {
        notes.extend(content.doubts_of_branch(git));
        if client.gates(&git.repository).is_ok_and(|gates| gates.is_empty()) {
            notes.push(format!(
                "no gate of this log guards a repository `{}`: is that the name that `countersign gate install` was given? \
                 Else pass it with --repository",
                git.repository
            ));
        }
    }
    notes
}

/// That open changes bring the same to the same targets, as the server tells it.
fn proposed_already(client: &Client, subject: &Subject, targets: &BTreeSet<Target>) -> Option<String> {
    let (content, branch) = match subject {
        Subject::Git(git) => (git.delta, Some(&git.branch)),
        Subject::Files(_) | Subject::Governance(_) => (subject.content().ok()?, None),
    };
    let target = targets.first()?.to_string();
    let page = client.changes(&[("target", &target), ("open", "true"), ("limit", MAX_LOOKED_AT)]).ok()?;
    let same: Vec<&ChangeLine> = page
        .changes
        .iter()
        .filter(|change| change.content == Some(content) && change.branch.as_ref() == branch)
        .collect();
    let first = same.first()?.id.short();
    let (what, how) = match subject {
        Subject::Git(_) => {
            ("this is proposed for this branch already", "of several that may go a gate lands the oldest")
        }
        Subject::Files(_) | Subject::Governance(_) => ("these files are proposed already", "each is applied by itself"),
    };
    let named = same.iter().map(|change| format!("{} by {}", change.id.short(), change.proposer));
    Some(format!(
        "{what}: {}; {how}. If you meant that one: countersign revise {first}, and countersign withdraw takes this one back",
        output::joined(named)
    ))
}

/// That it takes back exactly what landed last, as the server tells it: one signature would do.
fn takes_back(client: &Client, computed: &Computed, targets: &BTreeSet<Target>) -> Option<String> {
    let target = targets.first()?;
    let landed = client.landed(target).ok()?.landed;
    let last = landed.first()?;
    let before = landed.iter().skip(1).find(|landed| landed.gate == last.gate && !landed.failed)?;
    let name = target.to_string();
    let changes = client.changes(&[("target", &name), ("limit", MAX_LOOKED_AT)]).ok()?.changes;
    let line = |id: &ChangeId| changes.iter().find(|line| line.id == *id && line.targets == *targets);
    let is_it = match (&computed.subject, &computed.extracted) {
        (Subject::Git(git), Some((facts, _))) => {
            let undone = line(&last.change)?;
            undone.content == Some(facts.inverse()) && undone.branch.as_ref() == Some(&git.branch)
        }
        (Subject::Files(_), _) => line(&before.change)?.content == computed.subject.content().ok(),
        (Subject::Git(_) | Subject::Governance(_), _) => false,
    };
    is_it.then(|| instead_in_words(&last.change, targets))
}

/// The newest changes, among which one is looked for that brings the same.
const MAX_LOOKED_AT: &str = "200";

/// What reviewers look at is brought to where they find it.
fn given(session: &Session, content: &Content, computed: &Computed, change: &ChangeId, revision: u32) -> usize {
    let repository = content.git.as_deref();
    let given = material::give(&session.log.client, change, computed, repository);
    if let (Some(remote), Some(repository)) = (&content.push, repository) {
        material::push(remote, repository, &computed.subject, change, revision);
    }
    given
}

pub fn revise(global: &Global, args: ReviseArgs) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    // Without --git or --file the content stays and only the words are new.
    let computed = match args.content.is_named() {
        true => args.content.compute(&salt(&reading)?)?,
        false => present(&reading)?,
    };
    let words = args.words;
    let old = view.text.as_ref();
    let keep = |new: Option<String>, old: Option<&String>| new.or_else(|| old.cloned()).unwrap_or_default();
    let mut text = ProposalText {
        salt: random::nonce(),
        title: keep(words.title, old.map(|t| &t.title)),
        why: keep(words.why, old.map(|t| &t.why)),
        risk: keep(words.risk, old.map(|t| &t.risk)),
        rollback: keep(words.rollback, old.map(|t| &t.rollback)),
        tests: keep(words.tests, old.map(|t| &t.tests)),
        links: if words.link.is_empty() { old.map(|t| t.links.clone()).unwrap_or_default() } else { words.link },
    };
    // Where nothing is said anew it is the same text to the byte, so that approvals can carry over.
    let same_words = old.filter(|old| ProposalText { salt: old.salt.clone(), ..text.clone() } == **old);
    if let Some(old) = same_words {
        text.salt.clone_from(&old.salt);
    }
    let same_words = same_words.is_some();
    let Blobs { text: text_digest, subject, facts, identities, bytes } = Blobs::of(&text, &computed)?;
    // What expired begins anew, also with what it was.
    let days = reading.state().governance.catalog.settings.expires_after_days;
    let is_over = reading.change().is_expired(days, clock::now());
    if !is_over && same_words && subject == *reading.subject_ref() && facts == reading.revision().facts {
        let short = view.id.short();
        // What reviewers look at may have gone, or never have come.
        if args.content.is_named() && given(&session, &args.content, &computed, &view.id, view.revision) > 0 {
            match global.format {
                Format::Json => output::json(&view)?,
                Format::Text => anstream::println!(
                    "nothing is new, and nothing was signed; its contents are with the server again, for reviewers"
                ),
            }
            return Ok(Exit::Done);
        }
        return Err(CliError::usage(format!("this is what revision {} of change {short} says already", view.revision))
            .hint("name what is new: --git or --file for the content, --title, --why, --rollback … for the words"));
    }
    let next = view.revision.saturating_add(1);
    let mut lines = vec![format!("revision {next} of change {}: {}", view.id.short(), text.title)];
    lines.extend(describe(&computed));
    lines.extend(content::submodule_addresses(args.content.git.as_deref(), &computed)?);
    submit::announce(&session.speaker, &lines);
    let me = &session.speaker.me;
    let brings_the_same = same_words && computed.subject.brings_the_same(reading.subject());
    // They could have been its second pair of eyes.
    let approved = view.approvals.iter().any(|approval| approval.by == *me && (approval.counts || approval.carries));
    if !view.contributors.contains(me) && brings_the_same && approved {
        anstream::eprintln!(
            "{} the approval by {me} counts for rules that let it carry over; whoever moves a change on can give no new one",
            output::warn("note:")
        );
    } else if !view.contributors.contains(me) {
        let (note, short) = (output::warn("note:"), view.id.short());
        anstream::eprintln!(
            "{note} {me} has had no hand in change {short} and could approve it; whoever revises it has, and cannot any more. To \
             say what should be another way: countersign reject {short} --why …"
        );
        if !args.yes {
            submit::ask("sign this revision all the same?")?;
        }
    }
    let body = Body::NewRevision(NewRevision {
        change: view.id.clone(),
        documents: text.documents(),
        facts,
        identities,
        revision: reading.revision_ref(),
        sponsor: words.sponsor,
        subject,
        targets: reading.change().rejected_on(),
        text: text_digest,
    });
    let approvals = match brings_the_same {
        true => "it brings what the last one brought, and approvals of that count for rules that let them carry over",
        false => "earlier approvals do not count",
    };
    let receipt = session.say(body, &bytes)?;
    if args.content.is_named() {
        given(&session, &args.content, &computed, &view.id, next);
    }
    submit::said(global, &session, &receipt, |_| {
        format!("change {} now has revision {next}; {approvals}", view.id.short())
    })
}

/// The content of the present revision, as its statement names it.
fn present(reading: &Reading) -> Result<Computed, CliError> {
    let extracted = match reading.revision().facts {
        Some(digest) => {
            let change = reading.change().id.short();
            let missing = |what: &str| {
                CliError::new(
                    "erased",
                    format!("{what} of change {change} are not here: erased, or held back by the server"),
                )
                .hint("name the commits again: --git .")
            };
            let facts = reading.blob(&digest).ok_or_else(|| missing("the facts"))?;
            let identities = reading.identities()?.ok_or_else(|| missing("the names in the commits"))?;
            Some((GitFacts::parse(facts)?, identities))
        }
        None => None,
    };
    Ok(Computed::as_said(reading.subject().clone(), extracted))
}

/// The salt of a change, so that somebody who was identified in one revision is known in the next.
fn salt(reading: &Reading) -> Result<Nonce, CliError> {
    Ok(reading.identities()?.map_or_else(random::nonce, |identities| identities.salt))
}

/// What a proposal or revision names by digest.
pub(super) struct Blobs {
    pub text: Digest,
    pub subject: SubjectRef,
    pub facts: Option<Digest>,
    pub identities: Option<Digest>,
    pub bytes: Vec<Vec<u8>>,
}

impl Blobs {
    pub fn of(text: &ProposalText, computed: &Computed) -> Result<Self, CliError> {
        let text = text.to_blob()?;
        let mut blobs = Self {
            text: Digest::of(&text),
            subject: computed.subject.reference()?,
            facts: None,
            identities: None,
            bytes: vec![text, computed.subject.to_blob()?],
        };
        if let Some((facts, identities)) = &computed.extracted {
            let (facts, identities) = (facts.to_blob()?, identities.to_blob()?);
            blobs.facts = Some(Digest::of(&facts));
            blobs.identities = Some(Digest::of(&identities));
            blobs.bytes.extend([facts, identities]);
        }
        Ok(blobs)
    }
}

/// What was computed, for the eyes of whoever signs it.
pub fn describe(computed: &Computed) -> Vec<String> {
    let mut lines = vec![format!("subject: {}", computed.subject.summary())];
    match &computed.subject {
        Subject::Git(GitSubject { delta, .. }) => lines.push(format!("difference: {delta}")),
        Subject::Files(FilesSubject { files, executable, .. }) => {
            let mark = |name: &String| if executable.contains(name) { " (executable)" } else { "" };
            lines.extend(files.iter().map(|(name, digest)| format!("  {name}{} {digest}", mark(name))));
        }
        Subject::Governance(GovernanceSubject { files, .. }) => lines.push(format!("files: {files}")),
    }
    if let Some((facts, _)) = &computed.extracted {
        lines.extend(paths::lines(facts, &computed.links));
    }
    lines
}
