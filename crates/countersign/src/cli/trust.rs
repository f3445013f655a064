//! `trust`: what a trust.json demands besides the log itself: a checkpoint that is there already, followers that vouch for the
//! log, and how lately they must have.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use countersign_core::trust::{Freshness, Outage, Trust};
use countersign_ledger::{Cosigner, Quorum, SignedCheckpoint, VerifierKey, checkpoint::MAX_NOTE_BYTES};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, good, printable},
    verify::read_trust,
};
use crate::{
    follower::{SEEN, learned},
    gates::git::GitGate,
    home::{Home, files},
};

/// Whoever names a trust.json vouches for one log. A command that gets its log from somewhere else goes on with no other.
impl Global {
    pub fn vouches_for(&self, trust: &Trust, of: &Path) -> Result<(), CliError> {
        let Some((path, given)) = self.given()? else { return Ok(()) };
        if given.is_of_the_same(trust) { Ok(()) } else { Err(wrong(path, &given, &trust.origin, of)) }
    }

    /// The same of which only the name is known.
    pub fn vouches_for_log(&self, origin: &str, of: &Path) -> Result<(), CliError> {
        match self.given()? {
            Some((path, given)) if given.origin != origin => Err(wrong(path, &given, origin, of)),
            Some(_) | None => Ok(()),
        }
    }

    /// What vouches for the copy of a log, which tells by its last checkpoint of which log it is; `None` where nothing was named.
    pub fn trust_of_copy(&self, copy: &Path) -> Result<Option<Trust>, CliError> {
        let Some((path, given)) = self.given()? else { return Ok(None) };
        let note = files::read_text(&copy.join(SEEN), MAX_NOTE_BYTES).unwrap_or_default();
        // What is no checkpoint at all is said by whoever reads the copy.
        match note.lines().next() {
            Some(origin) if !is_signed_by(&note, &given, copy) => Err(wrong(path, &given, origin, copy)),
            Some(_) | None => Ok(Some(given)),
        }
    }

    fn given(&self) -> Result<Option<(&Path, Trust)>, CliError> {
        self.trust.as_deref().map(|path| Ok((path, read_trust(path)?))).transpose()
    }

    /// The home there, of the log that was vouched for.
    pub fn home(&self, path: &Path) -> Result<Home, CliError> {
        let home = Home::open(path)?;
        self.vouches_for(home.trust(), path)?;
        Ok(home)
    }

    /// The gate of a repository, which follows the log that was vouched for.
    pub fn git_gate(&self, repository: &Path) -> Result<GitGate, CliError> {
        let gate = GitGate::open(repository)?;
        self.vouches_for(gate.trust(), repository)?;
        Ok(gate)
    }
}

fn wrong(path: &Path, given: &Trust, origin: &str, of: &Path) -> CliError {
    let there = match given.origin == origin {
        true => "another log of that name".to_owned(),
        false => format!("log `{}`", printable(origin)),
    };
    CliError::new(
        "another-log",
        format!(
            "wrong trust file: {} is of log `{}`, and {} is of {there}",
            path.display(),
            printable(&given.origin),
            of.display()
        ),
    )
    .hint("pass the trust.json of this log, or none (COUNTERSIGN_TRUST names one, too)")
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign trust add-cosigner trust.json 'follower.example/f1+23fc988e+BImv…' --operator audit-team\n  \
    countersign trust pin trust.json --url https://countersign.example\n  \
    countersign trust show trust.json\n\n\
    Who relies on a trust.json edits their own copy: a gate's lies in REPO/countersign/ (gate install puts it there).")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a trust.json demands
    Show(ShowArgs),
    /// Count a follower's cosignatures: more than half of the operators have to have cosigned lately
    AddCosigner(CosignerArgs),
    /// Tell a plain C2SP witness's cosignatures, which count for nothing: it checks consistency alone
    AddWitness(WitnessArgs),
    /// Say how old cosignatures may be
    Fresh(FreshArgs),
    /// Say how old what a gate verified may be for it to decide alone, while the log is away
    Outage(OutageArgs),
    /// Demand that the log has what it has now: whoever follows it for the first time has to reach this checkpoint
    Pin(PinArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The trust.json
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
struct CosignerArgs {
    /// The trust.json
    file: PathBuf,
    /// The cosigner's verifier key, as `countersign follow --cosign` prints it
    verifier: VerifierKey,
    /// Who runs it, in `a-z0-9-._/`. Operators are counted, not keys; none of them is whoever runs the server
    #[arg(long)]
    operator: String,
    /// How many operators it takes [default: more than half, and never fewer than before]
    #[arg(long, value_name = "COUNT")]
    need: Option<usize>,
}

#[derive(Debug, clap::Args)]
struct WitnessArgs {
    /// The trust.json
    file: PathBuf,
    /// The witness's verifier key
    verifier: VerifierKey,
}

#[derive(Debug, clap::Args)]
struct FreshArgs {
    /// The trust.json
    file: PathBuf,
    /// For changes that reach a target of tier 1, in seconds [default: 60]
    #[arg(long, value_name = "SECS")]
    tier_1: Option<i64>,
    /// For all others, in seconds [default: 300]
    #[arg(long, value_name = "SECS")]
    others: Option<i64>,
}

#[derive(Debug, clap::Args)]
struct OutageArgs {
    /// The trust.json
    file: PathBuf,
    /// Seconds for a change that reaches a tier-1 system; 0: only people open it [default: 0]
    #[arg(long, value_name = "SECONDS")]
    tier_1: Option<i64>,
    /// Seconds for tier 2 [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    tier_2: Option<i64>,
    /// Seconds for every other change [default: 28800]
    #[arg(long, value_name = "SECONDS")]
    others: Option<i64>,
}

#[derive(Debug, clap::Args)]
struct PinArgs {
    /// The trust.json
    file: PathBuf,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Show(ShowArgs { file }) => show(global, &vouched_for(global, &file)?)?,
        Command::AddCosigner(args) => {
            let CosignerArgs { file, verifier: key, operator, need } = args;
            edit(global, &file, |trust| add_cosigner(trust, Cosigner { operator, key }, need))?;
        }
        Command::AddWitness(WitnessArgs { file, verifier: key }) => edit(global, &file, |trust| {
            trust.witnesses.retain(|known| known.public() != key.public());
            trust.witnesses.push(key);
            Ok(())
        })?,
        Command::Fresh(FreshArgs { file, tier_1, others }) => edit(global, &file, |trust| {
            let Freshness { tier_1_secs, others_secs } = Freshness::default();
            trust.fresh =
                Freshness { tier_1_secs: tier_1.unwrap_or(tier_1_secs), others_secs: others.unwrap_or(others_secs) };
            Ok(())
        })?,
        Command::Outage(OutageArgs { file, tier_1, tier_2, others }) => edit(global, &file, |trust| {
            let Outage { tier_1_secs, tier_2_secs, others_secs } = Outage::default();
            trust.outage = Outage {
                tier_1_secs: tier_1.unwrap_or(tier_1_secs),
                tier_2_secs: tier_2.unwrap_or(tier_2_secs),
                others_secs: others.unwrap_or(others_secs),
            };
            Ok(())
        })?,
        Command::Pin(PinArgs { file }) => pin(global, &file)?,
    }
    Ok(Exit::Done)
}

fn vouched_for(global: &Global, file: &Path) -> Result<Trust, CliError> {
    let trust = read_trust(file)?;
    global.vouches_for(&trust, file)?;
    Ok(trust)
}

fn add_cosigner(trust: &mut Trust, new: Cosigner, need: Option<usize>) -> Result<(), CliError> {
    let before = trust.cosigners.as_ref();
    let known = before.map(|quorum| quorum.cosigners().to_vec()).unwrap_or_default();
    let mut cosigners: Vec<Cosigner> =
        known.into_iter().filter(|cosigner| cosigner.key.public() != new.key.public()).collect();
    cosigners.push(new);
    let invalid = |error: countersign_ledger::cosignature::MalformedQuorum| {
        CliError::new("trust-invalid", format!("the trust file would not hold: {error}"))
    };
    let operators = Quorum::new(1, cosigners.clone()).map_err(invalid)?.operators();
    let least = (operators / 2 + 1).max(before.map_or(0, Quorum::need)).min(operators);
    trust.cosigners = Some(Quorum::new(need.unwrap_or(least), cosigners).map_err(invalid)?);
    Ok(())
}

/// By a key that was pinned, or that the copy was found to have been signed with since.
fn is_signed_by(note: &str, given: &Trust, copy: &Path) -> bool {
    let learned = learned::in_folder(copy, given);
    learned.is_ok_and(|trust| SignedCheckpoint::open(note, &trust.log_key).is_ok())
}

/// The log as it is now, if it continues what this machine has seen.
fn pin(global: &Global, file: &Path) -> Result<(), CliError> {
    let trust = vouched_for(global, file)?;
    let log = global.log_of(Some(&trust))?;
    let seen = log.memory().seen()?.ok_or_else(|| CliError::new("not-seen", "this log was not seen yet"))?;
    let log_key = log.trust().log_key.clone();
    let signed = SignedCheckpoint::open(&seen.note, &log_key)
        .map_err(|error| CliError::new("another-log", error.to_string()))?;
    edit(global, file, |trust| {
        // By the keys that it was signed with, as governance was found to name them.
        trust.log_key = log_key;
        trust.checkpoint = Some(signed.without_cosignatures().to_note());
        Ok(())
    })
}

/// Changes the file, if what comes out of it holds, and shows it.
fn edit(global: &Global, file: &Path, change: impl FnOnce(&mut Trust) -> Result<(), CliError>) -> Result<(), CliError> {
    let mut trust = vouched_for(global, file)?;
    change(&mut trust)?;
    trust.check()?;
    let text = serde_json::to_string_pretty(&trust)
        .map_err(|error| CliError::new("failed", format!("the trust file cannot be written as JSON: {error}")))?;
    files::replace(file, format!("{text}\n"))?;
    show(global, &trust)
}

fn show(global: &Global, trust: &Trust) -> Result<(), CliError> {
    if global.format == Format::Json {
        return output::json(trust);
    }
    anstream::println!("log {}, key {}", printable(&trust.origin), trust.log_key.pinned());
    for successor in trust.log_key.successors() {
        anstream::println!("  and from {} leaves on {}", successor.from, printable(&successor.key));
    }
    anstream::println!("genesis {}", trust.genesis);
    match &trust.checkpoint {
        Some(note) => {
            let checkpoint = SignedCheckpoint::open(note, &trust.log_key).map(SignedCheckpoint::into_checkpoint);
            let checkpoint = checkpoint.map_err(|error| CliError::new("trust-invalid", error.to_string()))?;
            anstream::println!("has {} leaves at least, with root {}", checkpoint.size, checkpoint.root);
        }
        None => anstream::println!("no checkpoint is pinned: a first follow takes what it is shown"),
    }
    match &trust.cosigners {
        Some(quorum) => {
            anstream::println!(
                "{} {} of {} followers have to have cosigned within {} s for tier 1, {} s else:",
                good("ok"),
                quorum.need(),
                quorum.operators(),
                trust.fresh.tier_1_secs,
                trust.fresh.others_secs
            );
            for cosigner in quorum.cosigners() {
                anstream::println!("  {} of {}", cosigner.key, cosigner.operator);
            }
        }
        None => {
            anstream::println!("no cosigners: nobody outside of the server vouches that the log does not stand still")
        }
    }
    for witness in &trust.witnesses {
        anstream::println!("  {witness}, a plain witness, which counts for nothing here");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use countersign_ledger::{CosignerKey, Digest};
    use rand_core::OsRng;

    use super::*;

    fn cosigner(name: &str, operator: &str) -> Cosigner {
        let key = CosignerKey::generate(name, &mut OsRng).unwrap().verifier().clone();
        Cosigner { operator: operator.to_owned(), key }
    }

    #[test]
    fn more_than_half_of_the_operators_are_asked_for() {
        let mut trust = Trust {
            version: 1,
            origin: "log".to_owned(),
            log_key: String::new().into(),
            genesis: Digest::of("genesis"),
            recovery_quorum: 1,
            checkpoint: None,
            cosigners: None,
            fresh: Freshness::default(),
            outage: Outage::default(),
            witnesses: Vec::new(),
        };
        let mut add = |cosigner: Cosigner, need| {
            let added = add_cosigner(&mut trust, cosigner, need);
            let quorum = trust.cosigners.as_ref().unwrap();
            (added.is_ok(), quorum.need(), quorum.operators(), quorum.cosigners().len())
        };
        let a = cosigner("a", "ann");
        assert_eq!(add(a.clone(), None), (true, 1, 1, 1));
        assert_eq!(add(cosigner("b", "bob"), None), (true, 2, 2, 2));
        assert_eq!(add(cosigner("c", "cy"), None), (true, 2, 3, 3));
        // A second key of an operator is no second operator, and a key is there once.
        assert_eq!(add(cosigner("b2", "bob"), None), (true, 2, 3, 4));
        assert_eq!(add(a, Some(3)), (true, 3, 3, 4));
        assert_eq!(add(cosigner("d", "dan"), None), (true, 3, 4, 5));
        assert_eq!(add(cosigner("e", "eve"), Some(6)), (false, 3, 4, 5));
    }
}
