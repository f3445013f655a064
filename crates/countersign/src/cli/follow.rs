//! `follow`: a verified copy of the log, kept up to date, and on request the word of it for others.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use countersign_core::trust::Trust;
use countersign_ledger::{CosignerKey, Hash, Time};
use rand_core::OsRng;
use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{
    Global,
    error::{CliError, Exit},
    output::{Format, count, faint, good, printable, warn},
    verify,
};
use crate::{
    api, clock,
    follower::{
        Access, Contradiction, FollowError, Followed, Follower,
        cosigner::{CosignError, Cosigner},
        following::Following,
        source::Source,
        vouching::Outside,
    },
    home::files,
    memory::{self, Memory},
    unix,
};

/// The longest pause after errors.
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// How long what still runs is waited for in the end.
const PARTING: Duration = Duration::from_secs(1);

/// Keep a verified copy of a log, and vouch for it to others.
///
/// Every leaf is read, its signatures checked, and admitted again as the server did; what contradicts is kept as proof in
/// DIR/proof, and ends the command. With --cosign and --listen it is a cosigner (C2SP tlog-witness): the server asks it to
/// sign where the log stands, and it signs what it has followed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign follow --url https://countersign.example --trust trust.json --into copy --once\n  \
    countersign follow --url https://countersign.example --trust trust.json --into copy \\\n      \
    --cosign follower.key --name follower.example/f1 --listen 0.0.0.0:7879\n\n\
    --url names a server, an address with a static copy of a log, or a folder with one (countersign export).\n\n\
    Exit status: 0 followed, 1 an error, 3 the log contradicts itself or what was seen before.")]
pub struct Args {
    /// Where the copy is kept; made if it is not there.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Follow once, and end.
    #[arg(long, conflicts_with_all = ["every", "listen"])]
    once: bool,
    /// How often to look for new leaves, in seconds.
    #[arg(long, value_name = "SECS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
    /// The key to cosign with; made if it is not there.
    #[arg(long, value_name = "KEYFILE")]
    cosign: Option<PathBuf>,
    /// What a new key is called, like an address without its scheme: follower.example/f1.
    #[arg(long, requires = "cosign")]
    name: Option<String>,
    /// Where to answer the server that asks for cosignatures.
    #[arg(long, value_name = "ADDRESS", requires = "cosign")]
    listen: Option<SocketAddr>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let trust = global.trust_of_copy(&args.into)?.ok_or_else(|| {
        CliError::usage("what the log is checked against is missing: --trust FILE").hint(verify::TRUST_HINT)
    })?;
    let memory = Memory::of(&memory::place()?, &trust.origin);
    // A new copy has to reach what this machine has seen of the log, as every other command has.
    let trust = Trust { checkpoint: memory.newest(&trust)?, ..memory.with_keys(&trust)? };
    let key = match &args.cosign {
        Some(path) => Some((cosigner_key(path, args.name.as_deref())?, path.as_path())),
        None => None,
    };
    let printer = Printer { format: global.format, place: global.url.clone(), trust: trust.clone() };
    if let Some((key, _)) = &key {
        printer.tell_key(key)?;
    }
    // Without a cosigner to serve there is nothing that a log line would be about.
    if args.listen.is_some() {
        tracing_subscriber::fmt().with_writer(io::stderr).init();
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| CliError::new("failed", format!("the program cannot start: {error}")))?;
    let ended = runtime.block_on(async {
        let follower = Follower::open(&args.into, &trust, access(&args.into)).await?;
        let following = Arc::new(Following::new(follower, Source::at(&global.url)));
        let (who, caught) = match key {
            Some((key, path)) => {
                let (cosigner, caught) = Cosigner::open(key, path, following).await?;
                (Who::Cosigner(Arc::new(cosigner)), Some(caught))
            }
            None => (Who::Follower(following), None),
        };
        tokio::select! {
            ended = go(&who, args, &printer, caught) => ended,
            () = unix::stopped() => Ok(Exit::Done),
        }
    });
    // What is written is written whole or not at all, so that nothing has to be waited for.
    runtime.shutdown_timeout(PARTING);
    ended
}

/// Who may use the copy: whoever may use its folder.
pub fn access(folder: &Path) -> Access {
    if unix::is_shared(folder) { Access::Group } else { Access::Owner }
}

enum Who {
    Follower(Arc<Following>),
    Cosigner(Arc<Cosigner>),
}

impl Who {
    async fn follow(&self, now: Time) -> Result<Followed, FollowError> {
        match self {
            Self::Follower(following) => following.follow(now).await,
            Self::Cosigner(cosigner) => cosigner.follow(now).await,
        }
    }
}

/// Follows until told to stop, until the log contradicts itself, or once.
async fn go(
    who: &Who,
    args: &Args,
    printer: &Printer,
    mut caught: Option<mpsc::Receiver<FollowError>>,
) -> Result<Exit, CliError> {
    if args.once {
        let followed = who.follow(clock::now()).await.map_err(|error| printer.failed(error))?;
        return printer.tell(&followed).map(|()| Exit::Done);
    }
    // Tells the cosigner's server to finish what it is answering, and waits for that.
    let (end, ended) = watch::channel(());
    let serving = match (who, args.listen) {
        (Who::Cosigner(cosigner), Some(address)) => Some(serve(cosigner, address, ended, printer).await?),
        (Who::Cosigner(_) | Who::Follower(_), _) => None,
    };
    let error = follow_on(who, args, printer, caught.as_mut()).await;
    drop(end);
    if let Some(serving) = serving {
        // Who has asked is answered; a connection that stays open is not waited for.
        drop(timeout(PARTING, serving).await);
    }
    Err(error)
}

/// Follows for ever, but for what cannot be mended by trying again.
async fn follow_on(
    who: &Who,
    args: &Args,
    printer: &Printer,
    mut caught: Option<&mut mpsc::Receiver<FollowError>>,
) -> CliError {
    let every = Duration::from_secs(u64::from(args.every));
    let mut pause = every;
    let mut is_first = true;
    loop {
        match who.follow(clock::now()).await {
            Ok(followed) => {
                pause = every;
                if (is_first || followed.new > 0)
                    && let Err(error) = printer.tell(&followed)
                {
                    return error;
                }
                is_first = false;
            }
            Err(error @ FollowError::Contradiction(_)) => return printer.failed(error),
            // Another log than is pinned, from the first: trying again would not help.
            Err(error @ (FollowError::Checkpoint(_) | FollowError::AnotherCopy { .. })) if is_first => {
                return printer.failed(error);
            }
            Err(error) => {
                CliError::from(error).print(printer.format);
                pause = pause.saturating_mul(2).min(MAX_PAUSE);
            }
        }
        let handed_in = async {
            match &mut caught {
                Some(caught) => caught.recv().await,
                None => None,
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            Some(error) = handed_in => return printer.failed(error),
        }
    }
}

/// Answers the log that asks for cosignatures, until told to end.
async fn serve(
    cosigner: &Arc<Cosigner>,
    address: SocketAddr,
    mut end: watch::Receiver<()>,
    printer: &Printer,
) -> Result<tokio::task::JoinHandle<io::Result<()>>, CliError> {
    let cannot = |error: io::Error| {
        CliError::new("cannot-listen", format!("cannot listen on {address}: {error}"))
            .hint("is another program listening there? choose another address with --listen")
    };
    let listener = api::bind(address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    printer.tell_address(address)?;
    let ended = async move {
        // It never changes: the sender is dropped when it is time.
        drop(end.changed().await);
    };
    Ok(tokio::spawn(api::cosigner::serve(Arc::clone(cosigner), listener, ended)))
}

/// The key in a file, or a new one.
fn cosigner_key(path: &Path, name: Option<&str>) -> Result<CosignerKey, CliError> {
    let invalid = |message: String| CliError::new("key-invalid", format!("{}: {message}", path.display()));
    if path.exists() {
        let key = CosignerKey::from_text(&files::read_secret(path)?).map_err(|error| invalid(error.to_string()))?;
        return match name {
            Some(name) if name != key.name() => {
                Err(CliError::usage(format!("the key in {} is called {}, not {name}", path.display(), key.name()))
                    .hint("leave --name away, or make another key"))
            }
            Some(_) | None => Ok(key),
        };
    }
    let name = name.ok_or_else(|| {
        CliError::usage(format!("there is no key in {}, and no name for a new one", path.display()))
            .hint("--name NAME makes it; the name stands in every cosignature, like follower.example/f1")
    })?;
    let key = CosignerKey::generate(name, &mut OsRng).map_err(|error| CliError::usage(error.to_string()))?;
    files::write_secret(path, &format!("{}\n", *key.to_text()))?;
    Ok(key)
}

/// What is printed: a line for people, or an object a line for programs, since there may be many.
struct Printer {
    format: Format,
    place: String,
    trust: Trust,
}

/// How a follow ended.
#[derive(Serialize)]
struct Told<'a> {
    origin: &'a str,
    place: &'a str,
    size: u64,
    root: Hash,
    new: u64,
    outside: Outside,
}

/// What a log was caught at.
#[derive(Serialize)]
struct Caught<'a> {
    caught: &'static str,
    detail: &'a str,
    seen: Option<&'a str>,
    shown: &'a str,
    proof: &'a Path,
}

impl Printer {
    fn line(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CliError> {
        let line = match self.format {
            Format::Json => serde_json::to_string(value)
                .map_err(|error| CliError::new("failed", format!("the result cannot be written as JSON: {error}")))?,
            Format::Text => text(),
        };
        anstream::println!("{line}");
        // Whoever waits for a line has it now, also through a pipe.
        drop(anstream::stdout().flush());
        Ok(())
    }

    fn tell(&self, followed: &Followed) -> Result<(), CliError> {
        let outside =
            Outside::of(&self.trust, followed.cosigned.as_ref(), clock::now(), self.trust.fresh.longest_secs());
        let Followed { checkpoint, note: _, cosigned: _, new, epoch: _, restored } = followed;
        if let Some(restored) = restored {
            // Whoever reads the results of a program sees it as well.
            anstream::eprintln!("{}: {}", warn("restored"), printable(&restored.to_string()));
        }
        let told = Told {
            origin: &checkpoint.origin,
            place: &self.place,
            size: checkpoint.size,
            root: checkpoint.root,
            new: *new,
            outside,
        };
        self.line(&told, || {
            let origin = printable(&checkpoint.origin);
            let leaves =
                count(usize::try_from(checkpoint.size).unwrap_or(usize::MAX), "leaf").replace("leafs", "leaves");
            format!(
                "{} {origin}: {leaves}, {new} of them new, root {}\n{}",
                good("followed"),
                checkpoint.root,
                outside_text(&told.outside)
            )
        })
    }

    fn tell_key(&self, key: &CosignerKey) -> Result<(), CliError> {
        let verifier = key.verifier().to_string();
        self.line(&serde_json::json!({"cosigner": verifier}), || {
            format!(
                "cosigner {verifier}\n{}",
                faint(format!(
                    "whoever relies on it: countersign trust add-cosigner trust.json '{verifier}' --operator WHO"
                ))
            )
        })
    }

    fn tell_address(&self, address: SocketAddr) -> Result<(), CliError> {
        self.line(&serde_json::json!({"listening": format!("http://{address}")}), || {
            format!("cosigning on http://{address} (stop with Ctrl-C)")
        })
    }

    /// What was caught goes to standard output for programs; people read it in the error.
    fn failed(&self, error: FollowError) -> CliError {
        if let (FollowError::Contradiction(contradiction), Format::Json) = (&error, self.format) {
            let Contradiction { what, detail, seen, shown, proof } = &**contradiction;
            let caught = Caught { caught: what.code(), detail, seen: seen.as_deref(), shown, proof };
            drop(self.line(&caught, String::new));
        }
        error.into()
    }
}

/// Who outside of the server vouches for it, on one line, and a second one about plain witnesses.
fn outside_text(outside: &Outside) -> String {
    let words = match outside.enough {
        Some(true) => good(&outside.words),
        Some(false) | None => warn(&outside.words),
    };
    match outside.witnesses() {
        Some(witnesses) => format!("{words}\n{}", faint(witnesses)),
        None => words,
    }
}

pub fn tell_outside(outside: &Outside) {
    anstream::println!("{}", outside_text(outside));
}

impl From<FollowError> for CliError {
    fn from(error: FollowError) -> Self {
        let exit = match &error {
            // Whatever a log is caught at, nothing is decided by it.
            FollowError::Contradiction(_) => Exit::Refused,
            FollowError::Source(_)
            | FollowError::Store { .. }
            | FollowError::Io { .. }
            | FollowError::Checkpoint(_)
            | FollowError::AnotherCopy { .. }
            | FollowError::Older { .. }
            | FollowError::Short { .. }
            | FollowError::Refused(_) => Exit::Failed,
        };
        Self { exit, hint: error.hint(), ..Self::new(error.code(), error.to_string()) }
    }
}

impl From<CosignError> for CliError {
    fn from(error: CosignError) -> Self {
        match error {
            CosignError::Follow(error) => error.into(),
            error => Self { hint: error.hint(), ..Self::new("cannot-cosign", error.to_string()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_under_its_name_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f1.key");
        let refused = cosigner_key(&path, None).unwrap_err();
        assert_eq!((refused.exit, refused.code.as_ref()), (Exit::Usage, "usage"));
        let made = cosigner_key(&path, Some("follower.example/f1")).unwrap();
        assert_eq!(unix::mode(&std::fs::metadata(&path).unwrap()), 0o600);
        let read = cosigner_key(&path, None).unwrap();
        assert_eq!(read.verifier(), made.verifier());
        assert!(cosigner_key(&path, Some("follower.example/f2")).is_err());
        assert!(matches!(
            cosigner_key(&folder.path().join("f2.key"), Some("with blanks")),
            Err(CliError { exit: Exit::Usage, .. })
        ));
    }
}
