//! `enrol`: a newcomer's key, told to two people by a word that nobody on the way can make for another key.
//!
//! ```text
//!  newcomer     key, name ──> enrol-ID.json ──────────── any way, also a server ──────────> two people
//!               word       ──────────── by voice, face to face ───────────────────────────> the same two
//!  the first    --confirm: the word is that of the file, and the key signed it: an amendment
//!  the second   --check: the same; then reviews and approves the amendment
//! ```

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use countersign_core::{
    canonical,
    catalog::{Actor, ActorKind, Catalog, Level},
    ids::{ActorId, GroupId, Nonce},
};
use countersign_ledger::{Digest, Envelope, PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Global, amend,
    error::{CliError, Exit},
    output::{self, Format, good, heading, printable},
};
use crate::{
    directory::{self, DirectoryError, Plan},
    home::{self, files, files::word as quoted},
    random,
};

/// Ask to join with a key, or let somebody join who asked.
///
/// A newcomer makes a file that their key signed, and gets a word. The file goes any way to two people of the home; the word
/// they tell them by voice. It follows from the file, key and all: whoever puts another key into the file on its way gets another
/// word. The first person confirms and so proposes an amendment; the second checks the same word, and approves that.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign enrol --id linus --name 'Linus T' --mail linus@example.com --key ~/.ssh/id_ed25519\n  \
    countersign enrol --confirm enrol-linus.json --word k7qm-3pd9-x2aa-mmt5 --home home --group payments\n  \
    countersign enrol --check enrol-linus.json --word k7qm-3pd9-x2aa-mmt5      then: countersign review CHANGE")]
pub struct Args {
    /// What you want to be called; for ever.
    #[arg(long, required_unless_present_any = ["confirm", "check"], conflicts_with_all = ["confirm", "check"])]
    id: Option<ActorId>,
    /// Your name.
    #[arg(long, requires = "id")]
    name: Option<String>,
    /// Your mail, as your commits have it.
    #[arg(long, requires = "id")]
    mail: Option<String>,
    /// Where to write the request [default: enrol-ID.json here]
    #[arg(long, value_name = "FILE", requires = "id")]
    out: Option<PathBuf>,
    /// Confirm this request, and propose that they join.
    #[arg(long, value_name = "FILE", requires = "word", requires = "home", conflicts_with = "check")]
    confirm: Option<PathBuf>,
    /// Check this request by its word, and do nothing.
    #[arg(long, value_name = "FILE", requires = "word")]
    check: Option<PathBuf>,
    /// What the newcomer told you, by voice.
    #[arg(long)]
    word: Option<String>,
    /// The home whose catalog they join.
    #[arg(long, value_name = "DIR", requires = "confirm")]
    home: Option<PathBuf>,
    /// A group that they join.
    #[arg(long, value_name = "GROUP", requires = "confirm")]
    group: Vec<GroupId>,
    /// Print the change's id alone.
    #[arg(long, requires = "confirm")]
    quiet: bool,
}

/// What a newcomer asks for. Their key signs its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    id: ActorId,
    key: PublicKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    nonce: Nonce,
}

const MAX_BYTES: usize = 64 * 1024;
const EXPECTED: &str = "it is the file that `countersign enrol --id ID` wrote, as the newcomer sent it";
/// Letters and digits that nobody mishears or misreads.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
/// 80 bits: to find another request with the same word takes longer than anybody waits.
const WORD_BITS: usize = 80;

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let word = args.word.as_deref().unwrap_or_default();
    match (&args.confirm, &args.check, args.id.clone()) {
        (Some(file), _, _) => confirm(global, &args, &checked(file, word)?),
        (None, Some(file), _) => check(global, &checked(file, word)?),
        (None, None, Some(id)) => ask(global, &args, id),
        (None, None, None) => Err(CliError::usage("what do you want to be called? --id ID")),
    }
}

fn ask(global: &Global, args: &Args, id: ActorId) -> Result<Exit, CliError> {
    let signer = global.signer()?;
    let (key, nonce) = (signer.public().clone(), random::nonce());
    let request = Request { id, key, mail: args.mail.clone(), name: args.name.clone(), nonce };
    let payload = canonical::to_bytes(&request)?;
    let envelope = Envelope::new(&payload, vec![signer.sign(&payload)?])
        .map_err(|error| CliError::new("request-too-large", error.to_string()))?;
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("enrol-{}.json", request.id)));
    files::write(&file, envelope.raw())?;
    let word = word_of(&payload);
    match global.format {
        Format::Json => output::json(&json!({"file": file, "word": word, "key": request.key.fingerprint()}))?,
        Format::Text => {
            anstream::println!("{} {} for key {}", good("wrote"), file.display(), request.key.fingerprint());
            anstream::println!("your word: {}", good(&word));
            heading("Next");
            anstream::println!(
                "  send the file to two people of the home, and tell each of them the word by voice, not by mail"
            );
        }
    }
    Ok(Exit::Done)
}

/// The word of a request, in groups of four.
fn word_of(payload: &[u8]) -> String {
    let digest = Digest::of(payload);
    let bits = digest.as_bytes().iter().flat_map(|byte| (0..8).rev().map(move |at| (byte >> at) & 1));
    let mut word = String::new();
    let mut letter = 0_usize;
    for (number, bit) in (1..).zip(bits.take(WORD_BITS)) {
        letter = letter.wrapping_mul(2).wrapping_add(usize::from(bit));
        if number % 5 == 0 {
            word.push(LETTERS.get(letter).copied().map(char::from).unwrap_or_default());
            letter = 0;
            if number % 20 == 0 && number < WORD_BITS {
                word.push('-');
            }
        }
    }
    word
}

/// Reads a request, and refuses one that its key has not signed or that has another word.
fn checked(file: &Path, told: &str) -> Result<Request, CliError> {
    let wrong = |what: String| CliError::new("not-a-request", format!("{}: {what}", file.display())).hint(EXPECTED);
    let bytes = files::read(file, MAX_BYTES).map_err(|error| error.expecting(EXPECTED))?;
    let envelope = Envelope::parse(&bytes).map_err(|error| wrong(error.to_string()))?;
    let payload = envelope.payload();
    let request: Request = canonical::from_bytes(payload, "the request").map_err(|error| wrong(error.to_string()))?;
    let signed = envelope.verify_all().into_iter().flatten().any(|by| by.key == request.key);
    if !signed {
        return Err(wrong("its key has not signed it".to_owned()));
    }
    if let Some(why) = request.key.unfit() {
        return Err(wrong(format!("no signature of its key is taken: {why}")));
    }
    let plain = |word: &str| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if plain(told) != plain(&word_of(payload)) {
        return Err(CliError::new(
            "another-word",
            format!("the word is not that of {}: it is not what the newcomer made, or you misheard", file.display()),
        )
        .hint("ask them again, by voice; if it stays so, somebody has put another key into the file: let them send it another way"));
    }
    Ok(request)
}

fn check(global: &Global, request: &Request) -> Result<Exit, CliError> {
    let Request { id, key, .. } = request;
    match global.format {
        Format::Json => output::json(&json!({"id": id, "key": key, "fingerprint": key.fingerprint()}))?,
        Format::Text => {
            anstream::println!("{}: {id} asks to join with key {}", good("the word fits"), key.fingerprint());
            heading("Next");
            anstream::println!(
                "  the change that lets them join has to name exactly this key: countersign review CHANGE"
            );
        }
    }
    Ok(Exit::Done)
}

fn confirm(global: &Global, args: &Args, request: &Request) -> Result<Exit, CliError> {
    let Some(folder) = &args.home else { return Err(CliError::usage("which home do they join? --home DIR")) };
    let home = global.folder_alone(folder)?;
    let (written, settings) = home::catalog_at(home.path())?;
    let catalog = Catalog::parse(&written, &settings).map_err(|e| DirectoryError::Catalog(e.to_string()))?;
    let Request { id, key, mail, name, nonce: _ } = request;
    let known = catalog.actors.get(id);
    if known.is_some_and(|actor| actor.kind != ActorKind::Person || !actor.keys.is_empty()) {
        return Err(CliError::new("already-enrolled", format!("the catalog has a {id} with a key"))
            .hint("if it is the same person: countersign rotate-key; else they take another name"));
    }
    let mail = mail.as_ref().map(|mail| mail.to_lowercase());
    // Whoever is there without a key is known by their mail, or anybody could join in their name.
    if let (Some(known), Some(mail)) = (known, &mail)
        && !known.mails.is_empty()
        && !known.mails.contains(mail)
    {
        return Err(CliError::new("another-person", format!("the catalog has a {id} with other mails"))
            .hint("ask which of the two they are; a newcomer takes another name"));
    }
    let mut actor = known.cloned().unwrap_or_else(|| Actor {
        id: id.clone(),
        kind: ActorKind::Person,
        display_name: name.clone(),
        level: Level::Standard,
        mails: mail.into_iter().collect(),
        keys: Vec::new(),
        member_of: BTreeSet::new(),
        attests: Default::default(),
    });
    if let Some(group) = args.group.iter().find(|group| !catalog.groups.contains_key(*group)) {
        return Err(CliError::new("unknown-group", format!("the catalog has no group {group}")));
    }
    actor.member_of.extend(args.group.iter().cloned());
    actor.keys.push(key.clone());
    let plan = Plan { people: [(id.clone(), actor)].into(), ..Plan::default() };
    for (name, text) in directory::edited(&written, &settings, &plan)? {
        let path = home.path().join(home::CATALOG).join(name);
        if path.exists() { files::replace(&path, text)? } else { files::write(&path, text)? }
    }
    if !args.quiet {
        anstream::eprintln!("{id} joins with key {}: their word fits", printable(key.fingerprint().as_str()));
        anstream::eprintln!(
            "the second person: countersign enrol --check {} --word …, then reviews the change",
            quoted(args.confirm.as_deref().unwrap_or(Path::new("FILE")))
        );
    }
    let why = format!("{id} joins with key {}, told by a word", key.fingerprint());
    amend::run(global, amend::Args::of(folder.clone(), why, args.quiet, plan.touches()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_said_in_four_groups_of_four() {
        let word = word_of(b"request");
        assert_eq!((word.len(), word.split('-').count()), (19, 4), "{word}");
        assert_ne!(word, word_of(b"Request"));
    }
}
