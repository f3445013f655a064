//! `break-glass`: a gate is opened once, whatever the rules say, on the word of those who are entitled.

mod drill;
mod over;
mod signers;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::{
    facts::{GitFacts, Identities, Range},
    freeze::name_of,
    glass::{self, GLASS_SECS},
    governance::Governance,
    ids::{ActorId, ChangeId, GateId, Oid, Target},
    kind::{Kind, Purpose},
    permit::span,
    statement::{Body, BreakGlass, Proposal, RevisionRef, Seen},
    subject::{ApplyTransition, GitSubject, Subject, SubjectRef, Transition, quoted},
    text::{ProposalText, Reason},
};
use countersign_ledger::{Digest, Envelope, Fingerprint};
use serde_json::json;

use super::{
    Global,
    approve::{about, recompute},
    content::{self, Computed, subject_of},
    error::{CliError, Exit},
    looking::{self, Looked, Origin},
    output::{self, Format, good, heading},
    pager, permit,
    propose::{self, Blobs, KindArg},
    submit,
};
use crate::{
    client::ChangePrefix,
    clock,
    difference::Length,
    gates::{
        git::outage::{GLASS_OPTION, MAX_CHARS},
        glass::{Drawn, Glass, Part},
    },
    git::Repository,
    home::files::{self, word},
    memory::{self, Memory},
    random,
    speaker::{Hand, InFrontOf, signed},
    wire::rfc3339,
};

/// Open a gate once in an emergency, whatever the rules say.
///
/// Whoever owns every target and every senior is entitled. The gate opens for one push or one run; somebody else is asked to look at
/// it afterwards. With the log at hand one person suffices: name the change. Without it, a refused push or `apply` prints the line
/// to copy (`--at`): what is signed then is a file, which on tier 1 a second person signs, too, each in a clone of their own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign break-glass 9f2c4e6a81d0 --why 'orders fail, INC-4711' --incident INC-4711\n  \
    countersign break-glass --git . --at WORD --why 'orders fail'     the log is away; WORD is from the refused push\n  \
    countersign break-glass --git . --cosign break-glass.json         the second person\n  \
    countersign break-glass --drill checkout/production               before it is needed\n  \
    countersign break-glass --file flags.json --at WORD --why 'orders fail'     of a command; WORD is from `apply`\n  \
    git push -o countersign-break-glass=$(base64 -w0 break-glass.json) origin HEAD:main\n  \
    countersign gate break-glass REPO break-glass.json                on the gate's machine, where the file is over 64 KiB")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    #[arg(required_unless_present_any = ["at", "cosign", "show", "drill"], conflicts_with_all = ["at", "cosign", "show"])]
    change: Option<ChangePrefix>,
    /// What the refused push, or `apply`, printed while the log is away.
    #[arg(long, value_name = "WORD", conflicts_with_all = ["cosign", "show"], requires = "content")]
    at: Option<String>,
    /// Sign what another has signed.
    #[arg(long, value_name = "FILE", requires = "content", conflicts_with = "show")]
    cosign: Option<PathBuf>,
    /// Show what it opens, and sign nothing.
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,
    /// Exercise it: say how the road of an outage is walked to a probe at the gate of this target, by which nothing happens.
    #[arg(long, value_name = "SYSTEM/ENV", conflicts_with_all = ["change", "at", "cosign", "show"])]
    drill: Option<Target>,
    /// Your clone, with the commits.
    #[arg(long, value_name = "REPO", group = "content")]
    git: Option<PathBuf>,
    /// Each file that the command runs over, while the log is away.
    #[arg(long, value_name = "PATH", num_args = 1.., group = "content", conflicts_with = "change")]
    file: Vec<PathBuf>,
    /// Why: kept in the log.
    #[arg(long, required_unless_present_any = ["cosign", "show", "drill"])]
    why: Option<String>,
    /// The incident, under its name in whatever keeps incidents.
    #[arg(long, value_name = "NAME")]
    incident: Option<String>,
    /// Whose rejection it goes over (repeatable).
    #[arg(long, value_name = "PERSON")]
    over: Vec<ActorId>,
    /// The freeze that it goes over, as a refusal names it (repeatable); while the log is away, by its whole digest.
    #[arg(long, value_name = "ID")]
    over_freeze: Vec<String>,
    /// The kind of change, where the log is away [default: code, of a command config]
    #[arg(long, value_enum)]
    kind: Option<KindArg>,
    /// The gate, where more than one guards the repository.
    #[arg(long, value_name = "NAME", requires = "change")]
    gate: Option<GateId>,
    /// Who you are in the catalog, where this machine has not seen it yet.
    #[arg(long = "as", value_name = "ID", conflicts_with = "change")]
    me: Option<ActorId>,
    /// Where to write what was signed [default: break-glass-….json here]
    #[arg(long, value_name = "FILE", requires = "at")]
    out: Option<PathBuf>,
    /// Do not ask, also on a terminal.
    #[arg(long)]
    yes: bool,
}

const EXPECTED: &str = "it is the file that `countersign break-glass --at …` wrote";
const MAX_BYTES: usize = 4 * 1024 * 1024;

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    if let Some(target) = &args.drill {
        return drill::begin(global, target);
    }
    match (&args.change, &args.at, &args.cosign, &args.show) {
        (Some(change), ..) => with_the_log(global, args, change),
        (None, Some(at), ..) => without_the_log(global, args, at),
        (None, None, Some(file), _) => cosign(global, args, file),
        (None, None, None, Some(file)) => show(global, args, file),
        (None, None, None, None) => {
            Err(CliError::usage("which change?").hint("countersign break-glass CHANGE --why TEXT"))
        }
    }
}

fn with_the_log(global: &Global, args: &Args, change: &ChangePrefix) -> Result<Exit, CliError> {
    let session = global.session().map_err(CliError::or_without_the_log)?;
    let reading = session.read(change).map_err(CliError::or_without_the_log)?;
    let view = reading.view()?;
    let (gate, audience, transition) = permit::asked(&session, &reading, args.gate.as_ref(), None, None)?;
    let origin = Origin::of(&session.log.client, args.git.as_deref(), &[]);
    let computed = recompute(&reading, args.git.as_deref(), &[])?;
    let looked = looking::look(&reading, origin, Length::Bounded).ok();
    let why = args.why.as_deref().unwrap_or_default();
    let mut lines = about("break-glass", &view);
    lines.extend(computed.iter().flat_map(propose::describe));
    lines.extend(opens(&gate, &args.over, args.incident.as_deref(), why));
    lines.extend(from_where(&transition, args.git.as_deref(), view.id.short()));
    lines.extend(over::named(&reading, &args.over)?);
    let over_freezes = super::freeze::gone_over(&reading.state().governance, &args.over_freeze)?;
    lines.extend(over_freezes.iter().map(|freeze| format!("goes over freeze {}", name_of(freeze))));
    lines.extend(over::of_calendars(&reading)?);
    let seen = looked.as_ref().map_or(Seen::None, |looked| looked.seen);
    let (reason, blob) = submit::reason(why)?;
    tell(&session.speaker.me, &session.speaker.hand, &lines, looked.as_ref());
    confirm(args)?;
    let body = Body::BreakGlass(BreakGlass {
        audience,
        change: view.id.clone(),
        expires_at: clock::now().plus_secs(GLASS_SECS),
        gate,
        incident: args.incident.clone(),
        nonce: None,
        over_freezes,
        overrides: args.over.iter().cloned().collect(),
        reason,
        revision: reading.revision_ref(),
        seen,
        targets: view.targets.clone(),
        transition: transition.reference()?,
    });
    let receipt = session.say(body, &[blob, transition.to_blob()?])?;
    match global.format {
        Format::Json => output::json(&json!({"change": view.id, "leaf": receipt.index}))?,
        Format::Text => {
            anstream::println!(
                "{} for {}: its gate opens once within {} (leaf {})",
                good("glass broken"),
                view.id.short(),
                span(GLASS_SECS),
                receipt.index
            );
            heading("Next");
            anstream::println!(
                "  {}",
                match transition {
                    Transition::Git(moved) => {
                        let branch = moved.reference.trim_start_matches("refs/heads/");
                        format!("git push origin {}:{}", moved.new.short(), quoted(&[branch.to_owned()]))
                    }
                    Transition::Apply(apply) => {
                        let files: Vec<String> = apply.files.keys().map(|name| word(Path::new(name))).collect();
                        let (short, files) = (view.id.short(), files.join(" "));
                        format!("countersign apply {short} --file {files} -- {}", quoted(&apply.command))
                    }
                }
            );
        }
    }
    Ok(Exit::Done)
}

/// It opens for one move alone, which the branch may have left behind: a clone at hand may know.
fn from_where(transition: &Transition, git: Option<&Path>, short: &str) -> Vec<String> {
    let Transition::Git(moved) = transition else { return Vec::new() };
    let branch = moved.reference.trim_start_matches("refs/heads/");
    let mut lines = vec![format!(
        "moves {branch} of {} from {} to {}, and nothing else",
        moved.repository,
        moved.old.short(),
        moved.new.short()
    )];
    let path = git.unwrap_or(Path::new("."));
    let is_its_clone = || content::name_of_clone(path).is_ok_and(|name| name == moved.repository);
    let there = || Repository::open(path).ok()?.resolve(&format!("refs/remotes/origin/{branch}")).ok();
    if let Some(tip) = is_its_clone().then(there).flatten().filter(|tip| *tip != moved.old) {
        lines.push(format!(
            "this clone has {branch} at {}: where it stands there by now, rebase, countersign revise {short} --git . and break it for that",
            tip.short()
        ));
    }
    lines
}

fn opens(gate: &GateId, over: &[ActorId], incident: Option<&str>, why: &str) -> Vec<String> {
    let mut lines = vec![format!("opens gate {gate} once, whatever the rules say"), format!("why: {why}")];
    lines.extend(incident.map(|incident| format!("answers: {incident}")));
    lines.extend(over.iter().map(|by| format!("goes over the rejection of {by}")));
    lines
}

fn tell(me: &ActorId, hand: &Hand, lines: &[String], looked: Option<&Looked>) {
    if let Some(looked) = looked {
        pager::beside(&looked.text());
    }
    submit::announce_as(me, &hand.fingerprint(), lines);
}

fn confirm(args: &Args) -> Result<(), CliError> {
    if args.yes { Ok(()) } else { submit::ask("break the glass?") }
}

/// Governance of a log as this machine knew it last.
pub(super) fn remembered(origin: &str) -> Result<Option<Arc<Governance>>, CliError> {
    let memory = Memory::of(&memory::place()?, origin);
    let newest = memory.governed().into_iter().max().and_then(|governed| memory.governance(governed));
    Ok(newest.map(|before| before.governance))
}

/// Who signs, on a machine that cannot ask the log.
pub(super) fn whose(
    global: &Global,
    named: Option<&ActorId>,
    origin: &str,
    known: Option<&Governance>,
) -> Result<(Hand, ActorId), CliError> {
    let signer = global.signer()?;
    let key = signer.fingerprint();
    let listed = known.and_then(|known| known.catalog.actor_by_key(&key).map(|actor| actor.id.clone()));
    let me = named.cloned().or(listed).ok_or_else(|| {
        CliError::new("unknown-key", format!("this machine does not know whose key {key} is in log {origin}"))
            .hint("say who you are in its catalog: --as ID; or pass --key with the one that it lists for you")
    })?;
    Ok((Hand::Person(signer), me))
}

/// What is to happen, computed here from what whoever signs has at hand, and what they look at.
fn at_hand(args: &Args, transition: &Transition) -> Result<(Computed, Looked), CliError> {
    match transition {
        Transition::Git(moved) => {
            let path = args.git.as_deref().unwrap_or(Path::new("."));
            let git = Repository::open(path)?;
            let there = |commit: &Oid| git.resolve(commit.as_str());
            let range = Range {
                repository: moved.repository.clone(),
                branch: moved.reference.clone(),
                base: there(&moved.old)?,
                head: there(&moved.new)?,
            };
            let (facts, identities) = content::extract_facts(&git, &range, &random::nonce())?;
            let computed = Computed { links: super::paths::links(&git, &facts)?, ..of_facts(facts, identities) };
            let looked = looking::in_clone(&computed, path, Length::Bounded)?;
            Ok((computed, looked))
        }
        Transition::Apply(apply) => {
            let computed = content::over(&args.file, apply.command.clone())?;
            same_files(&computed.subject, apply)?;
            let looked = looking::in_files(&computed, Length::Bounded);
            Ok((computed, looked))
        }
    }
}

/// What is signed is what the gate was asked for.
fn same_files(subject: &Subject, apply: &ApplyTransition) -> Result<(), CliError> {
    let is_it = match subject {
        Subject::Files(here) => here.files == apply.files && here.executable == apply.executable,
        Subject::Git(_) | Subject::Governance(_) => false,
    };
    if is_it {
        return Ok(());
    }
    let asked: Vec<String> = apply.files.iter().map(|(name, digest)| format!("{name} {digest}")).collect();
    Err(CliError::new("another-subject", "these files are not those that the gate was asked for").hint(format!(
        "nothing was signed; it is to be run over {}: give them to --file as `apply` was given them",
        asked.join(", ")
    )))
}

fn without_the_log(global: &Global, args: &Args, at: &str) -> Result<Exit, CliError> {
    let drawn = Drawn::read(at)?;
    let now = clock::now();
    if now > drawn.until {
        let again = match &drawn.transition {
            Transition::Git(moved) => {
                let branch = moved.reference.trim_start_matches("refs/heads/");
                format!(
                    "push again, and sign the line that it prints then: git push origin HEAD:{}",
                    quoted(&[branch.to_owned()])
                )
            }
            Transition::Apply(_) => "run it again, and sign the line that it prints then".to_owned(),
        };
        return Err(
            CliError::refused("glass-expiry", format!("what the gate drew was good until {}", drawn.until)).hint(again)
        );
    }
    if drawn.drill {
        return drill::sign(global, args, &drawn);
    }
    let known = remembered(&drawn.log)?;
    let (hand, me) = whose(global, args.me.as_ref(), &drawn.log, known.as_deref())?;
    if let Some(known) = &known {
        args.over
            .iter()
            .try_for_each(|by| over::is_a_person(known, by).map_err(|error| error.hint("name whoever rejected it")))?;
    }
    let over_freezes = over::freezes(known.as_deref(), &args.over_freeze)?;
    let (computed, looked) = at_hand(args, &drawn.transition)?;
    let why = args.why.as_deref().unwrap_or_default();
    let mut lines = vec![format!("break glass for {}, without the log", output::joined(&drawn.targets))];
    lines.extend(propose::describe(&computed));
    lines.extend(opens(&drawn.gate, &args.over, args.incident.as_deref(), why));
    let kind = Kind::from(args.kind.unwrap_or(usual(&drawn.transition)));
    let purpose = Purpose { incident: args.incident.clone(), ..Purpose::default() };
    lines.extend(over::of_known_calendars(known.as_deref(), &drawn.targets, kind, &purpose));
    lines.push(format!("until {}, {}", drawn.until, once(&drawn.transition)));
    lines.extend(signers::not_entitled(&me, &drawn.targets, known.as_deref(), now));
    tell(&me, &hand, &lines, Some(&looked));
    confirm(args)?;
    let log = InFrontOf { origin: drawn.log.clone(), checkpoint: drawn.checkpoint, epoch: drawn.epoch };
    let (proposal, change, revision) = match drawn.change.clone() {
        Some((change, revision)) => (None, change, revision),
        None => {
            let (body, bytes) = proposal(args, &drawn, &computed, why)?;
            let part = Part::new(signed(&hand, &me, &log, body)?, bytes)?;
            let payload = part.signed.payload();
            (Some(part), ChangeId::of_proposal(&payload), RevisionRef { number: 1, digest: payload })
        }
    };
    let (reason, blob) = submit::reason(why)?;
    let said = BreakGlass {
        audience: drawn.audience.clone(),
        change,
        expires_at: drawn.until,
        gate: drawn.gate.clone(),
        incident: args.incident.clone(),
        nonce: Some(drawn.nonce.clone()),
        over_freezes,
        overrides: args.over.iter().cloned().collect(),
        reason,
        revision,
        seen: if looked.is_whole() { Seen::Computed } else { Seen::None },
        targets: drawn.targets.clone(),
        transition: drawn.transition.reference()?,
    };
    let said = Part::new(signed(&hand, &me, &log, Body::BreakGlass(said))?, vec![blob, drawn.transition.to_blob()?])?;
    let glass = Glass::new(proposal, said)?;
    let short: String = glass.said.signed.payload().hex().chars().take(12).collect();
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("break-glass-{short}.json")));
    files::write(&file, glass.to_bytes()?)?;
    told(global, &glass, &file, &[me], drawn.needed, args)
}

fn once(transition: &Transition) -> &'static str {
    match transition {
        Transition::Git(_) => "for this push alone",
        Transition::Apply(_) => "for one run of this command",
    }
}

fn usual(transition: &Transition) -> KindArg {
    match transition {
        Transition::Git(_) => KindArg::Code,
        Transition::Apply(_) => KindArg::Config,
    }
}

/// What nobody could propose while the log is away.
fn proposal(args: &Args, drawn: &Drawn, computed: &Computed, why: &str) -> Result<(Body, Vec<Vec<u8>>), CliError> {
    let text = ProposalText {
        salt: random::nonce(),
        title: format!("break glass: {}", why.lines().next().unwrap_or_default()),
        why: why.to_owned(),
        risk: String::new(),
        rollback: String::new(),
        tests: String::new(),
        links: Vec::new(),
    };
    let Blobs { text: text_digest, subject, facts, identities, bytes } = Blobs::of(&text, computed)?;
    let proposal = Proposal {
        documents: text.documents(),
        facts,
        identities,
        kind: Kind::from(args.kind.unwrap_or(usual(&drawn.transition))),
        purpose: Purpose { incident: args.incident.clone(), ..Purpose::default() },
        sponsor: None,
        subject,
        targets: drawn.targets.clone(),
        text: text_digest,
    };
    Ok((Body::Proposal(proposal), bytes))
}

fn of_facts(facts: GitFacts, identities: Identities) -> Computed {
    Computed::as_said(subject_of(&facts), Some((facts, identities)))
}

/// What lies in a file that people sign.
enum Paper {
    Glass(Box<Glass>),
    Drill(Box<Part>),
}

fn read(file: &Path) -> Result<Paper, CliError> {
    let bytes = files::read(file, MAX_BYTES).map_err(|error| error.expecting(EXPECTED))?;
    match drill::read(&bytes) {
        Some(part) => Ok(Paper::Drill(Box::new(part))),
        None => Ok(Paper::Glass(Box::new(Glass::read(&bytes)?))),
    }
}

/// What a file opens, in words, from what was signed.
fn words(glass: &Glass) -> Result<Vec<String>, CliError> {
    let said = glass.says()?;
    let blobs = glass.blobs();
    let why = blobs.get(&said.reason).and_then(|blob| Reason::parse(blob).ok()).map(|reason| reason.why);
    let over: Vec<ActorId> = said.overrides.iter().cloned().collect();
    let mut lines = vec![format!("break glass for {}, without the log", output::joined(&said.targets))];
    let transition = transition(glass);
    lines.push(match &transition {
        Ok(Transition::Git(moved)) => {
            format!("moves {} of {} from {} to {}", moved.reference, moved.repository, moved.old, moved.new)
        }
        Ok(Transition::Apply(apply)) => format!("runs {}", quoted(&apply.command)),
        Err(error) => format!(
            "what it lets happen is not to be told: {} ({}). Nobody can sign or open anything by this file; have whoever signed \
             first send it again, whole",
            error.message, said.transition.digest
        ),
    });
    lines.extend(opens(&said.gate, &over, said.incident.as_deref(), &why.unwrap_or_default()));
    lines.extend(said.over_freezes.iter().map(|freeze| format!("goes over freeze {}", freeze.hex())));
    lines.push(match &transition {
        Ok(transition) => format!("until {}, {}", said.expires_at, once(transition)),
        Err(_) => format!("until {}", said.expires_at),
    });
    lines.push(format!("said by {}", glass.said.signed.statement().header.by));
    Ok(lines)
}

/// What is in it, how long it lives, and what is missing.
fn show(global: &Global, args: &Args, file: &Path) -> Result<Exit, CliError> {
    let glass = match read(file)? {
        Paper::Glass(glass) => *glass,
        Paper::Drill(part) => return drill::show(global, &part),
    };
    let opens = transition(&glass).ok();
    let said = glass.says()?;
    let known = remembered(&glass.said.signed.statement().header.log)?;
    let mut lines = words(&glass)?;
    lines.extend(over::of_known_calendars_by(known.as_deref(), &glass)?);
    let signers = signers::of(&glass, known.as_deref());
    let who = |(key, id): (&Fingerprint, &Option<ActorId>)| match id {
        Some(id) => format!("signed by {id} with key {key}"),
        None => format!("signed with key {key}, whose this machine does not know"),
    };
    lines.extend(signers.iter().map(who));
    let needed = known.as_ref().map(|known| glass::needed(known, &said.targets, true));
    let all: BTreeSet<&ActorId> = signers.values().flatten().collect();
    let (people, others) = signers::counting(&all, &said.targets, known.as_deref(), clock::now());
    lines.extend(others.iter().map(|by| format!("{by} is not entitled, so that this signature does not count")));
    let missing = needed.map(|needed| needed.saturating_sub(people.len()));
    lines.push(match missing {
        None => "how many have to sign this machine does not know: the gate says it".to_owned(),
        Some(0) => {
            "enough have signed, unless the gate's copy of the log is older than a day: then one more".to_owned()
        }
        Some(more) => {
            let with = opens.as_ref().map(|opens| match opens {
                Transition::Git(_) => "--git .",
                Transition::Apply(_) => "--file PATH",
            });
            let how = with.map(|with| format!(": countersign break-glass {with} --cosign {}", word(file)));
            format!("{more} more who owns it all or is a senior has to sign{}", how.unwrap_or_default())
        }
    });
    let left = said.expires_at.secs_since(clock::now());
    lines.push(if left > 0 {
        format!("lives for {} yet", span(left))
    } else {
        "opens nothing any more: its time is over".to_owned()
    });
    // Paths, where the commits are at hand.
    let computed = args.git.as_deref().map(|path| computed_again(&glass, path)).transpose()?;
    lines.extend(computed.iter().flat_map(propose::describe));
    match global.format {
        Format::Json => output::json(&json!({
            "does": lines, "change": said.change, "gate": said.gate, "targets": said.targets, "until": rfc3339(said.expires_at),
            "signed_by": all, "not_entitled": others, "missing": missing, "whole": opens.is_some(),
        }))?,
        Format::Text => lines.iter().for_each(|line| anstream::println!("{}", output::printable(line))),
    }
    Ok(Exit::Done)
}

/// What a file lets happen.
fn transition(glass: &Glass) -> Result<Transition, CliError> {
    let said = glass.says()?;
    let blobs = glass.blobs();
    let blob = blobs.get(&said.transition.digest).ok_or_else(|| missing("what it lets happen"))?;
    Ok(Transition::read(&said.transition, blob)?)
}

fn missing(what: &str) -> CliError {
    CliError::new("malformed-break-glass", format!("{what} did not come along")).hint(EXPECTED)
}

/// The next person signs what they computed themselves, of their own files or in their own clone.
fn cosign(global: &Global, args: &Args, file: &Path) -> Result<Exit, CliError> {
    let glass = match read(file)? {
        Paper::Glass(glass) => *glass,
        Paper::Drill(part) => return drill::cosign(global, args, *part, file),
    };
    let known = remembered(&glass.said.signed.statement().header.log)?;
    let (hand, me) = whose(global, args.me.as_ref(), &glass.said.signed.statement().header.log, known.as_deref())?;
    signers::another_person(&glass, known.as_deref(), &hand, &me)?;
    signers::is_entitled(&me, &glass.says()?.targets, known.as_deref(), clock::now())?;
    let (computed, looked) = match transition(&glass)? {
        Transition::Git(_) => {
            let path = args.git.as_deref().unwrap_or(Path::new("."));
            let computed = computed_again(&glass, path)?;
            let looked = looking::in_clone(&computed, path, Length::Bounded)?;
            (computed, looked)
        }
        apply @ Transition::Apply(_) => at_hand(args, &apply)?,
    };
    if !looked.is_whole() {
        return Err(CliError::refused("unseen", "not all of the content is at hand here, or can be looked at")
            .hint("nothing was signed; of commits: git fetch first"));
    }
    let mut lines = words(&glass)?;
    lines.extend(over::of_known_calendars_by(known.as_deref(), &glass)?);
    lines.extend(propose::describe(&computed));
    tell(&me, &hand, &lines, Some(&looked));
    confirm(args)?;
    let mut signatures = glass.said.envelope.signatures().to_vec();
    signatures.push(hand.sign(glass.said.envelope.payload())?);
    let envelope = Envelope::new(glass.said.envelope.payload(), signatures)
        .map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
    let first = glass.said.signed.statement().header.by.clone();
    let people = glass.said.signed.keys().count() + 1;
    let glass = Glass::new(glass.proposal, Part::new(envelope, glass.said.blobs)?)?;
    files::replace(file, glass.to_bytes()?)?;
    told(global, &glass, file, &[first, me], people, args)
}

/// What the proposal says of its commits, computed here.
fn computed_again(glass: &Glass, path: &Path) -> Result<Computed, CliError> {
    let proposed = glass.proposal.as_ref().map(|part| &part.signed.statement().body);
    let Some(Body::Proposal(proposal)) = proposed else {
        return Err(CliError::new("malformed-break-glass", "it proposes nothing").hint(EXPECTED));
    };
    let blobs = glass.blobs();
    let blob = |digest: Option<Digest>| digest.and_then(|digest| blobs.get(&digest));
    let missing = || missing("what it proposes");
    let SubjectRef { digest, .. } = proposal.subject;
    let subject = Subject::read(&proposal.subject, blob(Some(digest)).ok_or_else(missing)?)?;
    let Subject::Git(GitSubject { repository, branch, base, head, .. }) = &subject else {
        return Err(CliError::new("malformed-break-glass", "it is about no commits").hint(EXPECTED));
    };
    let said = Identities::parse(blob(proposal.identities).ok_or_else(missing)?)?;
    let git = Repository::open(path)?;
    let range = Range {
        repository: repository.clone(),
        branch: branch.clone(),
        base: git.resolve(base.as_str())?,
        head: git.resolve(head.as_str())?,
    };
    let (facts, identities) = content::extract_facts(&git, &range, &said.salt)?;
    if Some(Digest::of(facts.to_blob()?)) != proposal.facts || identities != said {
        return Err(CliError::new("another-subject", "what is in this clone is not what the file opens the gate for")
            .hint("nothing was signed; git fetch, and ask who signed it first"));
    }
    let links = super::paths::links(&git, &facts)?;
    Ok(Computed { links, ..of_facts(facts, identities) })
}

fn told(
    global: &Global,
    glass: &Glass,
    file: &Path,
    by: &[ActorId],
    needed: usize,
    args: &Args,
) -> Result<Exit, CliError> {
    let change = glass.says()?.change.clone();
    let signed: BTreeSet<&ActorId> = by.iter().collect();
    let names = output::list(&signed);
    let more = needed.saturating_sub(glass.said.envelope.signatures().len());
    if global.format == Format::Json {
        output::json(&json!({"change": change, "file": file, "signed_by": signed, "more": more}))?;
        return Ok(Exit::Done);
    }
    anstream::println!("{} by {names}: {}", good("signed"), word(file));
    heading("Next");
    let transition = transition(glass)?;
    let of = match &transition {
        Transition::Git(_) => "--git .".to_owned(),
        Transition::Apply(_) => files_words(&args.file),
    };
    if more > 0 {
        anstream::println!("  another who is entitled: countersign break-glass {of} --cosign {}", word(file));
    }
    match &transition {
        Transition::Git(moved) => {
            let branch = moved.reference.trim_start_matches("refs/heads/");
            match glass.to_bytes()?.len().div_ceil(3).saturating_mul(4) > MAX_CHARS {
                false => {
                    anstream::println!("  git push -o {GLASS_OPTION}$(base64 -w0 {}) origin HEAD:{branch}", word(file))
                }
                true => {
                    anstream::println!(
                        "  it is too long for a push option; on the gate's machine, whoever may write to the gate:"
                    );
                    anstream::println!("  countersign gate break-glass REPO {}", word(file));
                    anstream::println!("  git push origin HEAD:{branch}");
                }
            }
        }
        Transition::Apply(apply) => {
            let (what, command) = (applied(glass, &change), quoted(&apply.command));
            anstream::println!(
                "  where it was refused: countersign apply {what} {of} --offline {} -- {command}",
                word(file)
            );
        }
    }
    Ok(Exit::Done)
}

/// What `apply` is asked for: the change, or the targets of what nobody could propose.
fn applied(glass: &Glass, change: &ChangeId) -> String {
    let proposed = glass.proposal.as_ref().map(|part| part.signed.statement().body.clone());
    let Some(Body::Proposal(proposal)) = proposed else { return change.short().to_owned() };
    let targets: Vec<String> = proposal.targets.iter().map(|target| format!("--target {target}")).collect();
    targets.join(" ")
}

/// Files as options of a command line.
pub(super) fn files_words(files: &[PathBuf]) -> String {
    let words: Vec<String> = files.iter().map(|file| format!("--file {}", word(file))).collect();
    words.join(" ")
}
