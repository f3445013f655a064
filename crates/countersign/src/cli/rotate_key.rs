//! `rotate-key`: another key in the place of one's own, on the word of both; or in the place of one that its holder has lost,
//! on the word of two others; or other keys for the server, which governance puts in force.

use std::path::{Path, PathBuf};

use countersign_core::{
    governance::SERVER_KEYS,
    statement::{Body, KeyRotation},
};
use countersign_ledger::Fingerprint;
use serde_json::json;

use super::{
    Global, amend,
    error::{CliError, Exit},
    output::{self, Format, good, heading},
    several::Several,
    stop, submit,
};
use crate::{clock, home::files::word, signer::SshKeygen, speaker::Hand};

/// Take another key in the place of yours, or give somebody one who has lost theirs.
///
/// The key that you sign with (--key) says itself which comes in its place, and the new one signs, too. From then on the old
/// one signs nothing; what you approved with it stands. The catalog's files may go on listing the old one: it does not come back.
///
/// Where the old key is lost, two others sign, one of them a senior: the first gets a file, the second signs that. What the
/// lost key approved counts no more. A senior's key takes two of the policy group.
///
/// The server's own keys (--home, on its machine) are replaced by a change of what governs: new ones are made beside the old, and
/// when the change is put in force the running server signs with them. Readers, gates and `trust.json` follow by themselves.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign rotate-key --key ~/.ssh/id_old --new ~/.ssh/id_ed25519\n  \
    countersign rotate-key --lost SHA256:… --new linus2.pub --why 'the laptop fell into the sea'\n  \
    countersign rotate-key --home home --why 'as every year'     new keys for the server and its log, proposed\n  \
    countersign rotate-key --show key-rotation-….json           read what it does; signs nothing\n  \
    countersign rotate-key --cosign key-rotation-….json         the second person signs, and submits")]
pub struct Args {
    /// The new key: its private half, where it is your own; where it is another's, the public one that they gave you.
    #[arg(long, value_name = "KEYFILE", required_unless_present_any = ["cosign", "show", "home"])]
    new: Option<PathBuf>,
    /// The key that another person has lost, as `ssh-keygen -l -f KEY` prints it: SHA256:…
    #[arg(long, value_name = "FINGERPRINT", value_parser = super::revoke::fingerprint, requires = "why")]
    lost: Option<Fingerprint>,
    /// Make new keys for the server of this home and its log, and propose them.
    #[arg(long, value_name = "HOME", conflicts_with_all = ["new", "lost", "cosign", "show"])]
    home: Option<PathBuf>,
    /// Why, where a key was lost, or the server's are replaced: without it, those are made, and proposed by `countersign amend`.
    #[arg(long, conflicts_with_all = ["cosign", "show"])]
    why: Option<String>,
    /// Where to write what was signed [default: key-rotation-….json here]
    #[arg(long, value_name = "FILE", requires = "lost")]
    out: Option<PathBuf>,
    /// Sign what somebody else has signed, and submit it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["show", "new", "lost"])]
    cosign: Option<PathBuf>,
    /// Show what it does, and sign nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["new", "lost"])]
    show: Option<PathBuf>,
}

const EXPECTED: &str = "it is the file that `countersign rotate-key --lost` wrote";
const KIND: &str = "key-rotation";

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    if let Some(home) = &args.home {
        return of_the_log(global, home, args.why.as_deref());
    }
    if args.why.is_some() && args.lost.is_none() {
        return Err(CliError::usage("--why is said of a key that was lost (--lost), or of the server's (--home)"));
    }
    match (&args.new, &args.lost, &args.cosign, &args.show) {
        (_, _, Some(file), _) => cosign(global, file),
        (_, _, _, Some(file)) => show(global, file),
        (Some(new), Some(lost), None, None) => lost_key(global, args, new, lost),
        (Some(new), None, None, None) => own(global, new),
        (None, _, None, None) => Err(CliError::usage("which key comes in its place? --new KEYFILE")),
    }
}

fn own(global: &Global, new: &Path) -> Result<Exit, CliError> {
    let new = SshKeygen::new(new)?;
    let session = global.session()?;
    let (key, of) = (session.speaker.hand.fingerprint(), session.speaker.me.clone());
    if new.fingerprint() == key {
        return Err(CliError::usage(format!("--new is the key that you sign with, {key}"))
            .hint("make another: ssh-keygen -t ed25519 -f NEW; then: countersign rotate-key --key OLD --new NEW"));
    }
    let lines = [
        format!("key {} comes in the place of {key}, for good; what {of} approved with that stands", new.fingerprint()),
        "the new key signs it, too".to_owned(),
    ];
    submit::announce(&session.speaker, &lines);
    let new_key = new.public().clone();
    let body = Body::KeyRotation(KeyRotation { key: key.clone(), new_key: new_key.clone(), of, reason: None });
    let envelope = session.speaker.sign(&session.log.in_front_of(), body)?;
    let mut both = Several::new(envelope, Vec::new())?;
    let (new, fingerprint) = (Hand::Person(new), new_key.fingerprint());
    both.sign(&new)?;
    let receipt = both.send(&session, None)?;
    match global.format {
        Format::Json => {
            output::json(&json!({"leaf": receipt.index, "key": key, "new_key": new_key, "of": session.speaker.me}))?;
        }
        Format::Text => {
            anstream::println!(
                "{}: {} signs with {} (leaf {})",
                good("done"),
                session.speaker.me,
                fingerprint,
                receipt.index
            );
            heading("Next");
            anstream::println!("  sign with it:          --key NEW, or: git config --global user.signingkey NEW.pub");
            anstream::println!("  say so in the catalog: the next `countersign amend` lists {new_key}");
        }
    }
    Ok(Exit::Done)
}

/// Makes the keys where they stay, and proposes their public halves.
fn of_the_log(global: &Global, path: &Path, why: Option<&str>) -> Result<Exit, CliError> {
    let home = global.home(path)?;
    let keys = home.make_next_keys()?;
    if let Some(why) = why {
        if global.format == Format::Text {
            anstream::println!("made new keys for {}: {}", home.config().origin, keys.log_key);
        }
        let only = [SERVER_KEYS.to_owned()].into();
        return amend::run(global, amend::Args::of(path.to_owned(), why.to_owned(), false, only));
    }
    let (log_key, server_key) = (&keys.log_key, keys.server_key.fingerprint());
    match global.format {
        Format::Json => output::json(&json!({"log_key": log_key, "server_key": server_key}))?,
        Format::Text => {
            anstream::println!("made new keys; nothing has changed yet");
            anstream::println!("  log key    {log_key}");
            anstream::println!("  server key {server_key}");
            heading("Next");
            anstream::println!("  propose them: countersign amend {} --why TEXT", word(path));
        }
    }
    Ok(Exit::Done)
}

fn lost_key(global: &Global, args: &Args, new: &Path, lost: &Fingerprint) -> Result<Exit, CliError> {
    let new = SshKeygen::new(new)?;
    let session = global.session()?;
    // Whose it is, the signed catalog says, and not the server.
    let state = session.log.standing(Some(lost), clock::now())?;
    let Some(of) = state.governance.catalog.actor_by_key(lost).map(|actor| actor.id.clone()) else {
        return Err(
            CliError::new("unknown-key", format!("key {lost} belongs to nobody in the catalog")).hint(stop::WHICH_KEY)
        );
    };
    let (reason, blob) = submit::reason(args.why.as_deref().unwrap_or_default())?;
    let body = KeyRotation { key: lost.clone(), new_key: new.public().clone(), of, reason: Some(reason) };
    let lines = lines(&body, args.why.as_deref().unwrap_or_default());
    submit::announce(&session.speaker, &lines);
    let envelope = session.speaker.sign(&session.log.in_front_of(), Body::KeyRotation(body))?;
    let file = Several::new(envelope, vec![blob])?.write(args.out.as_deref(), KIND)?;
    match global.format {
        Format::Json => output::json(&json!({"file": file, "signed_by": [session.speaker.me], "does": lines}))?,
        Format::Text => {
            anstream::println!("{} signed; nothing has changed yet", good(&session.speaker.me));
            heading("Next");
            let file = word(&file);
            anstream::println!("  a second person reads it:  countersign rotate-key --show {file}");
            anstream::println!("  and signs it within a day: countersign rotate-key --cosign {file} --key KEY");
        }
    }
    Ok(Exit::Done)
}

fn lines(said: &KeyRotation, why: &str) -> Vec<String> {
    vec![
        format!(
            "key {} comes in the place of {}, which {} has lost: {why}",
            said.new_key.fingerprint(),
            said.key,
            said.of
        ),
        "whoever has the new key speaks for them; what the lost one approved counts no more".to_owned(),
        "one of the two who sign is a senior; for a senior's key both are of the policy group".to_owned(),
    ]
}

fn read(file: &Path) -> Result<(Several, Vec<String>), CliError> {
    let draft = Several::read(file, EXPECTED)?;
    let Body::KeyRotation(said) = &draft.body else {
        return Err(draft.is_another(file, EXPECTED));
    };
    let lines = lines(said, &draft.why(said.reason));
    Ok((draft, lines))
}

fn show(global: &Global, file: &Path) -> Result<Exit, CliError> {
    let (draft, lines) = read(file)?;
    draft.show(global.format, &lines)
}

fn cosign(global: &Global, file: &Path) -> Result<Exit, CliError> {
    let (mut draft, lines) = read(file)?;
    let session = global.session()?;
    submit::not_twice(&draft.envelope, &session.speaker.hand)?;
    submit::announce(&session.speaker, &lines);
    draft.sign(&session.speaker.hand)?;
    let receipt = draft.send(&session, Some(file))?;
    match global.format {
        Format::Json => output::json(&json!({"leaf": receipt.index, "done": lines}))?,
        Format::Text => anstream::println!("{}: the new key holds (leaf {})", good("done"), receipt.index),
    }
    Ok(Exit::Done)
}
