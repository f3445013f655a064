//! `erase`: names, mails and words leave every copy of the log, on the signatures of two people. Leaves and facts stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    canonical,
    catalog::did_you_mean,
    governance::read_manifest,
    ids::ActorId,
    statement::{Body, Erased, Erasure, MAX_ERASED, Publication, Statement},
    text::{ProposalText, Reason},
};
use countersign_ledger::{Digest, Envelope};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, count, good, warn},
    submit::{self, Session},
};
use crate::{
    client::{ChangePrefix, Client},
    erasing::{self, SearchError, there},
    home::files::{self, word},
    publication::{self, InForce},
    random,
    wire::{Published, Submit},
};

const VERSION: u32 = 1;
/// Where people are among the governance files.
const PEOPLE: &str = "people/";
/// Publications of a large catalog, and as many statements as a person's traces take.
const MAX_DRAFT_BYTES: usize = 64 * 1024 * 1024;

/// Erase the names, mails and words of a person or a change, for good.
///
/// It takes two people, one of the policy group (the founders). The first signs, and gets a file; the second is shown what goes,
/// signs it too, and it is gone: from the server's store at once, from followers' copies and exports when they are next brought
/// up to date. In the log stays a tombstone that both signed. Leaves, ids and facts stay, so that proofs verify and decisions can
/// be run again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign erase linus --why \"asked for it\"         name and mails of linus, past and present; writes erasure-….json\n  \
    countersign erase linus --words --why \"…\"            … and what linus wrote\n  \
    countersign erase 9f2c4e6a81d0 --why \"…\"             the texts of a change, and whom its commits name\n  \
    countersign erase --show erasure-….json              read what goes; signs nothing\n  \
    countersign erase --cosign erasure-….json            sign second, and submit\n\n\
    What it cannot reach: backups, git repositories, and the files of a home's catalog/.")]
pub struct Args {
    /// A person's id, or a change: 12 or more digits of its id.
    #[arg(value_name = "PERSON|CHANGE", required_unless_present_any = ["cosign", "show"], conflicts_with_all = ["cosign", "show"])]
    what: Option<String>,
    /// Why: kept with the tombstone.
    #[arg(long, required_unless_present_any = ["cosign", "show"], conflicts_with_all = ["cosign", "show"])]
    why: Option<String>,
    /// Of a person, also what they wrote: proposals, reasons.
    #[arg(long, requires = "what")]
    words: bool,
    /// Where to write what was signed [default: erasure-….json here].
    #[arg(long, value_name = "FILE", requires = "what")]
    out: Option<PathBuf>,
    /// Sign what somebody else has signed, and submit it.
    #[arg(long, value_name = "FILE", conflicts_with = "show")]
    cosign: Option<PathBuf>,
    /// Show what goes, and sign nothing.
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    match (&args.what, &args.cosign, &args.show) {
        (_, Some(file), _) => cosign(global, file),
        (_, _, Some(file)) => show(global, file),
        (Some(what), None, None) => sign(global, &args, what),
        (None, None, None) => Err(CliError::usage("what is to be erased?").hint("name a person or a change")),
    }
}

/// What the first person signed, on its way to the second.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    statements: Vec<Submit>,
}

/// What is to be said, with the blobs that it names.
type Said = (Body, Vec<Vec<u8>>);

fn sign(global: &Global, args: &Args, what: &str) -> Result<Exit, CliError> {
    let session = global.session()?;
    let (reason, blob) = submit::reason(args.why.as_deref().unwrap_or_default())?;
    let said = match what.parse::<ChangePrefix>() {
        Ok(_) if args.words => return Err(CliError::usage("--words: of a change, all words go anyway")),
        Ok(change) => of_change(&session, &change, reason, &blob)?,
        Err(_) => {
            let person = what.parse().map_err(|_| {
                CliError::usage(format!("`{what}` is neither a person's id nor a change"))
                    .hint("a change is 12 or more hexadecimal digits, as `countersign list` shows them")
            })?;
            of_person(&session, &person, args.words, reason, &blob)?
        }
    };
    let mut statements = Vec::new();
    let mut lines = vec![format!("erasure: {}", args.why.as_deref().unwrap_or_default())];
    for (body, _) in &said {
        lines.extend(told(&session.log.client, body)?);
    }
    submit::announce(&session.speaker, &lines);
    for (body, blobs) in said {
        let envelope = session.speaker.sign(&session.log.in_front_of(), body)?;
        statements.push(Submit::new(&envelope, &blobs));
    }
    let text = serde_json::to_string(&File { version: VERSION, statements })
        .map_err(|error| CliError::new("failed", format!("it cannot be written: {error}")))?;
    let short: String = Digest::of(&text).hex().chars().take(12).collect();
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("erasure-{short}.json")));
    files::write(&file, text)?;
    match global.format {
        Format::Json => output::json(&json!({"file": file, "signed_by": [session.speaker.me], "erases": lines}))?,
        Format::Text => {
            anstream::println!("{} signed; nothing is erased yet", good(&session.speaker.me));
            output::heading("Next");
            let file = word(&file);
            anstream::println!("  a second person reads it:  countersign erase --show {file}");
            anstream::println!("  and signs it within a day: countersign erase --cosign {file} --key KEY");
        }
    }
    Ok(Exit::Done)
}

fn of_change(session: &Session, change: &ChangePrefix, reason: Digest, blob: &[u8]) -> Result<Vec<Said>, CliError> {
    let reading = session.read(change)?;
    let blobs: Vec<Digest> = reading.change().erasable().into_iter().collect();
    Ok(erasures(&blobs, &Erased::Change(reading.change().id.clone()), reason, blob))
}

/// A person's name stands in files in force, which are published without it first.
fn of_person(
    session: &Session,
    person: &ActorId,
    words: bool,
    reason: Digest,
    blob: &[u8],
) -> Result<Vec<Said>, CliError> {
    let client = &session.log.client;
    let history = client.published()?;
    let in_force = InForce::of(&history, &session.log.trust().genesis)?;
    let found = erasing::search(client, &history, &in_force, person, words, random::nonce)?;
    let mut said = Vec::new();
    if !found.replaced.is_empty() {
        let list = canonical::to_bytes(&found.replaced)?;
        let body = Publication { change: None, files: Digest::of(&list), parent: in_force.by, reason, semantics: None };
        let blobs = [list, blob.to_vec()].into_iter().chain(found.files).collect();
        said.push((Body::Publication(body), blobs));
    }
    let of_person: Vec<Digest> = found.of_person.into_iter().collect();
    said.extend(erasures(&of_person, &Erased::Person(person.clone()), reason, blob));
    for (change, blobs) in found.of_changes {
        said.extend(erasures(&Vec::from_iter(blobs), &Erased::Change(change), reason, blob));
    }
    if said.is_empty() {
        let known = people(client, &in_force)?;
        let meant = match known.contains(person) {
            true => None,
            false => did_you_mean(person.as_str(), known.iter().map(ActorId::as_str)),
        };
        let error = CliError::new("nothing-to-erase", format!("the log has no name, mail or text of {person}"));
        return Err(match meant {
            Some(meant) => error.hint(format!("did you mean {meant}?")),
            None => error.hint("a person goes by the id of the catalog; --words takes what they wrote, too"),
        });
    }
    Ok(said)
}

/// Who is in the catalog in force.
fn people(client: &Client, in_force: &InForce) -> Result<BTreeSet<ActorId>, CliError> {
    let mut people = BTreeSet::new();
    for (path, digest) in in_force.files.iter().filter(|(path, _)| path.starts_with(PEOPLE)) {
        let Some(bytes) = there(client, digest)? else { continue };
        let of_group: BTreeMap<ActorId, serde_json::Value> = serde_json::from_slice(&bytes).map_err(|error| {
            CliError::new("malformed-blob", format!("`{path}` of the catalog in force is malformed: {error}"))
        })?;
        people.extend(of_group.into_keys());
    }
    Ok(people)
}

fn erasures(blobs: &[Digest], of: &Erased, reason: Digest, blob: &[u8]) -> Vec<Said> {
    let one = |blobs: &[Digest]| {
        let blobs = blobs.iter().copied().collect();
        (Body::Erasure(Erasure { blobs, of: of.clone(), reason }), vec![blob.to_vec()])
    };
    blobs.chunks(MAX_ERASED).map(one).collect()
}

/// What a statement takes away, a line each, by what its blobs say.
fn told(client: &Client, body: &Body) -> Result<Vec<String>, CliError> {
    let Body::Erasure(erasure) = body else {
        return Ok(vec!["publishes files of names and mails without the name".to_owned()]);
    };
    let (whose, person) = match &erasure.of {
        Erased::Change(change) => (format!("of change {}", change.short()), None),
        Erased::Person(person) => (format!("of {person}"), Some(person)),
    };
    let mut lines = Vec::new();
    let mut has_text = false;
    for digest in &erasure.blobs {
        let words = match there(client, digest)? {
            Some(bytes) => {
                has_text |= ProposalText::parse(&bytes).is_ok();
                erasing::words(&bytes, person)
            }
            None => "something that is gone already".to_owned(),
        };
        lines.push(format!("{whose}: {words}"));
    }
    if let (Erased::Change(_), true) = (&erasure.of, has_text) {
        lines.push(format!("{whose}: its contents that are kept for reviewers"));
    }
    Ok(lines)
}

const DRAFT: &str = "it is the file that `countersign erase WHAT --why …` wrote";

/// What the first person signed, read.
struct Draft {
    statements: Vec<(Envelope, Statement, BTreeMap<Digest, Vec<u8>>)>,
}

impl Draft {
    fn read(file: &Path) -> Result<Self, CliError> {
        if !file.exists() {
            return Err(CliError::new("no-erasure", format!("{} is not there", file.display())).hint(
                "an erasure that was cosigned is done, and its file is taken away with the words that may be in it; is the \
                 path right?",
            ));
        }
        let wrong = |what: String| CliError::new("not-an-erasure", format!("{}: {what}", file.display())).hint(DRAFT);
        let bytes = files::read(file, MAX_DRAFT_BYTES).map_err(|e| e.expecting(DRAFT))?;
        let read: File = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        if read.version != VERSION {
            return Err(wrong(format!("it has version {}, this program knows {VERSION}", read.version)));
        }
        let mut statements = Vec::new();
        for submit in read.statements {
            let envelope = Envelope::parse(submit.envelope.as_bytes()).map_err(|e| wrong(e.to_string()))?;
            let statement = Statement::parse(envelope.payload())?;
            if !matches!(statement.body, Body::Erasure(_) | Body::Publication(_)) {
                return Err(wrong(format!("there is a {} statement in it", statement.body.kind())));
            }
            let mut blobs = BTreeMap::new();
            for blob in &submit.blobs {
                let bytes = STANDARD.decode(blob).map_err(|e| wrong(e.to_string()))?;
                blobs.insert(Digest::of(&bytes), bytes);
            }
            statements.push((envelope, statement, blobs));
        }
        if statements.is_empty() { Err(wrong("there is nothing in it".to_owned())) } else { Ok(Self { statements }) }
    }

    /// What the log has of it already, where signing second broke off, is left out.
    fn without(mut self, history: &[Published]) -> Self {
        let published: BTreeSet<Digest> = history.iter().map(|published| Digest::of(&published.statement)).collect();
        self.statements.retain(|(envelope, _, _)| !published.contains(&envelope.payload_digest()));
        self
    }

    /// Whether the catalog of the home has a name that is to go.
    fn is_of_the_catalog(&self) -> bool {
        self.statements.iter().any(|(_, statement, _)| {
            matches!(&statement.body, Body::Erasure(Erasure { of: Erased::Person(_), .. }) | Body::Publication(_))
        })
    }

    /// What goes and why, by the signed statements and the blobs that they name.
    fn lines(&self, session_client: &Client, in_force: &InForce) -> Result<Vec<String>, CliError> {
        let mut reasons = BTreeSet::new();
        let mut lines = Vec::new();
        for (_, statement, blobs) in &self.statements {
            let reason = match &statement.body {
                Body::Publication(publication) => {
                    let own = |digest: &Digest| blobs.get(digest).cloned();
                    let replaced = read_manifest(&publication.files, &own)?;
                    let mut old = BTreeMap::new();
                    for digest in replaced.keys().filter_map(|path| in_force.files.get(path)) {
                        old.extend(there(session_client, digest)?.map(|bytes| (*digest, bytes)));
                    }
                    let edits = publication::edits(in_force, &replaced, |digest| {
                        own(digest).or_else(|| old.get(digest).cloned())
                    })?;
                    lines.extend(publication::words(&edits)?.into_iter().map(|line| format!("publishes: {line}")));
                    publication.reason
                }
                Body::Erasure(erasure) => {
                    lines.extend(told(session_client, &statement.body)?);
                    erasure.reason
                }
                other => return Err(CliError::new("not-an-erasure", format!("a {} is in it", other.kind()))),
            };
            reasons.extend(blobs.get(&reason).and_then(|bytes| Reason::parse(bytes).ok()).map(|reason| reason.why));
        }
        let reasons = reasons.into_iter().map(|why| format!("erasure: {why}"));
        Ok(reasons.chain(lines).collect())
    }
}

fn show(global: &Global, file: &Path) -> Result<Exit, CliError> {
    let log = global.log()?;
    let draft = Draft::read(file)?;
    let in_force = InForce::of(&log.client.published()?, &log.trust().genesis)?;
    let lines = draft.lines(&log.client, &in_force)?;
    match global.format {
        Format::Json => output::json(&json!({"erases": lines}))?,
        Format::Text => lines.iter().for_each(|line| anstream::println!("{}", output::printable(line))),
    }
    Ok(Exit::Done)
}

fn cosign(global: &Global, file: &Path) -> Result<Exit, CliError> {
    let session = global.session()?;
    let draft = Draft::read(file)?;
    let history = session.log.client.published()?;
    let in_force = InForce::of(&history, &session.log.trust().genesis)?;
    let is_of_the_catalog = draft.is_of_the_catalog();
    let draft = draft.without(&history);
    let lines = draft.lines(&session.log.client, &in_force)?;
    for (envelope, ..) in &draft.statements {
        submit::not_twice(envelope, &session.speaker.hand)?;
    }
    submit::announce(&session.speaker, &lines);
    let mut leaves = Vec::new();
    for (envelope, _, blobs) in draft.statements {
        let mut signatures = envelope.signatures().to_vec();
        signatures.push(session.speaker.hand.sign(envelope.payload())?);
        let both = Envelope::new(envelope.payload(), signatures)
            .map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
        match session.send(&both, &Vec::from_iter(blobs.into_values())) {
            Ok(receipt) => leaves.push(receipt.index),
            // It came so far before signing second broke off.
            Err(error) if error.code == "replayed" => {}
            Err(error) => return Err(error),
        }
    }
    session.log.memory().forget_governance();
    // It may have the words in it that are gone.
    std::fs::remove_file(file)
        .map_err(|e| CliError::new("cannot-remove", format!("erased, but cannot remove {}: {e}", file.display())))?;
    match global.format {
        Format::Json => output::json(&json!({"leaves": leaves, "erased": lines}))?,
        Format::Text => {
            match leaves.len() {
                0 => anstream::println!("{}: it was done already", good("erased")),
                number => anstream::println!("{}: {} in the log", good("erased"), count(number, "tombstone")),
            }
            let copies = "backups and git repositories have what they had";
            let catalog = "take the name out of the home's catalog/, too, or the next `amend` publishes it again; ";
            anstream::println!("{}: {}{copies}", warn("left"), if is_of_the_catalog { catalog } else { "" });
        }
    }
    Ok(Exit::Done)
}

impl From<SearchError> for CliError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Client(error) => error.into(),
            SearchError::Refused(refusal) => refusal.into(),
        }
    }
}
