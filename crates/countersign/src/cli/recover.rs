//! `recover`: new keys for people, on the word of the recovery quorum, where fewer than two people could act any more.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use countersign_core::{
    governance::Governance,
    ids::ActorId,
    statement::{Body, Recovery},
};
use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, good, heading, list},
    several::Several,
    submit::{self, Session},
};
use crate::{
    clock,
    home::files::word,
    signer::SshKeygen,
    speaker::{Hand, Speaker},
};

/// Give people new keys when fewer than two could act any more.
///
/// As many founders as the recovery quorum asks for sign, each with a key that they work with or with the one that the genesis
/// pins; seniors of the policy group may stand in. Every key that the named people had goes, and what it approved counts no
/// more. As long as two people can act, one of them of the policy group, it is refused: then lost keys go by `rotate-key --lost`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign recover --person ada --new-key ada2.pub --why 'every laptop was stolen' --out recovery.json\n  \
    countersign recover --show recovery.json            read what it does; signs nothing\n  \
    countersign recover --cosign recovery.json --key …  sign next; does it once enough have signed")]
pub struct Args {
    /// Who gets a new key; several are named one after the other, each with their key.
    #[arg(long = "person", value_name = "ID", required_unless_present_any = ["cosign", "show"])]
    people: Vec<ActorId>,
    /// The public key that they get.
    #[arg(long = "new-key", value_name = "KEYFILE", requires = "people")]
    new_keys: Vec<PathBuf>,
    /// Why: kept in the log.
    #[arg(long, required_unless_present_any = ["cosign", "show"])]
    why: Option<String>,
    /// Where to write what was signed [default: recovery-….json here]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Sign what another has signed, and do it if that is enough.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["show", "people", "why", "out"])]
    cosign: Option<PathBuf>,
    /// Show what it does, and sign nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["people", "why", "out"])]
    show: Option<PathBuf>,
}

const EXPECTED: &str = "it is the file that `countersign recover --person … --why …` wrote";
const KIND: &str = "recovery";
/// By what core says that more have to sign.
const MORE_SIGN: &str = "recovery-quorum";

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    match (&args.cosign, &args.show) {
        (Some(file), _) => cosign(global, file),
        (None, Some(file)) => show(global, file),
        (None, None) => begin(global, args),
    }
}

/// Somebody of the quorum in front of the log: also by the key that genesis pins, which no catalog need list.
fn session(global: &Global) -> Result<(Session, std::sync::Arc<Governance>), CliError> {
    let signer = global.signer()?;
    let log = global.log()?;
    let key = signer.fingerprint();
    let governance = log.standing(Some(&key), clock::now())?.governance;
    let listed = governance.catalog.actor_by_key(&key).map(|actor| &actor.id);
    let me = listed.or_else(|| governance.founder_by_pinned_key(&key)).cloned().ok_or_else(|| {
        CliError::new("unknown-key", format!("key {key} is no founder's and nobody's in the catalog"))
            .hint("pass --key with one of a founder: the one that they work with, or the one that the genesis pins")
    })?;
    let speaker = Speaker { client: log.client.clone(), hand: Hand::Person(signer), me };
    Ok((Session { log, speaker }, governance))
}

fn begin(global: &Global, args: &Args) -> Result<Exit, CliError> {
    if args.people.len() != args.new_keys.len() {
        return Err(CliError::usage(format!("{} people, and {} keys", args.people.len(), args.new_keys.len()))
            .hint("each gets one: --person ada --new-key ada2.pub --person grace --new-key grace2.pub"));
    }
    let mut keys = BTreeMap::new();
    for (person, key) in args.people.iter().zip(&args.new_keys) {
        if keys.insert(person.clone(), SshKeygen::new(key)?.public().clone()).is_some() {
            return Err(CliError::usage(format!("{person} is named twice")));
        }
    }
    let (session, governance) = session(global)?;
    let why = args.why.as_deref().unwrap_or_default();
    let (reason, blob) = submit::reason(why)?;
    let body = Recovery { keys, reason };
    submit::announce(&session.speaker, &lines(&body, why));
    let envelope = session.speaker.sign(&session.log.in_front_of(), Body::Recovery(body))?;
    finish(global, &session, &governance, &Several::new(envelope, vec![blob])?, args.out.as_deref())
}

fn lines(said: &Recovery, why: &str) -> Vec<String> {
    let line = |(person, key): (&ActorId, &countersign_ledger::PublicKey)| {
        format!("every key of {person} goes, and {} comes", key.fingerprint())
    };
    std::iter::once(format!("recovery: {why}")).chain(said.keys.iter().map(line)).collect()
}

fn read(file: &Path) -> Result<(Several, Vec<String>), CliError> {
    let draft = Several::read(file, EXPECTED)?;
    let Body::Recovery(said) = &draft.body else {
        return Err(draft.is_another(file, EXPECTED));
    };
    let lines = lines(said, &draft.why(Some(said.reason)));
    Ok((draft, lines))
}

fn show(global: &Global, file: &Path) -> Result<Exit, CliError> {
    let (draft, lines) = read(file)?;
    draft.show(global.format, &lines)
}

fn cosign(global: &Global, file: &Path) -> Result<Exit, CliError> {
    let (mut draft, lines) = read(file)?;
    let (session, governance) = session(global)?;
    submit::not_twice(&draft.envelope, &session.speaker.hand)?;
    submit::announce(&session.speaker, &lines);
    draft.sign(&session.speaker.hand)?;
    finish(global, &session, &governance, &draft, Some(file))
}

/// Does it if enough have signed; else keeps what was signed for the next.
fn finish(
    global: &Global,
    session: &Session,
    governance: &Governance,
    draft: &Several,
    file: Option<&Path>,
) -> Result<Exit, CliError> {
    let (by, quorum) = (draft.signers(governance), governance.record.recovery_quorum);
    match draft.send(session, file) {
        Ok(receipt) => match global.format {
            Format::Json => output::json(&json!({"recovered": true, "leaf": receipt.index, "signed_by": by}))?,
            Format::Text => {
                anstream::println!("{} by {} (leaf {})", good("recovered"), list(by), receipt.index);
                anstream::println!("  somebody who did not sign it is asked to look at it within 72 hours");
                heading("Next");
                anstream::println!(
                    "  say so in the catalog, and add whom the home lacks: countersign amend HOME --why …"
                );
            }
        },
        Err(error) if error.code == MORE_SIGN => {
            let file = draft.write(file, KIND)?;
            match global.format {
                Format::Json => {
                    output::json(&json!({"recovered": false, "signed_by": by, "quorum": quorum, "file": file}))?;
                }
                Format::Text => {
                    anstream::println!("{} signed; {quorum} of the recovery quorum have to", good(list(by)));
                    heading("Next");
                    let file = word(&file);
                    anstream::println!("  another founder reads it:  countersign recover --show {file}");
                    anstream::println!("  and signs it within a day: countersign recover --cosign {file} --key KEY");
                }
            }
        }
        Err(error) => return Err(error),
    }
    Ok(Exit::Done)
}
