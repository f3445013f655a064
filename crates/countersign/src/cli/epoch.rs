//! `epoch`: a restored log goes on, on the word of the recovery quorum of founders.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    governance::Governance,
    statement::{Body, Epoch, SeenCheckpoint, Statement},
    text::Reason,
};
use countersign_ledger::{Digest, Envelope};
use serde_json::json;
use tokio::{runtime::Runtime, time::timeout};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, good, list, warn},
    serve::{self, Continues},
    submit,
};
use crate::{
    client::Client,
    engine::{Engine, EngineError},
    home::{
        Home,
        files::{self, word},
    },
    speaker::{Hand, InFrontOf, Speaker, signed},
    wire::Submit,
};

const MAX_DRAFT_BYTES: usize = 1024 * 1024;
/// By what core says that more have to sign.
const MORE_SIGN: &str = "recovery-quorum";

/// Go on with a log that was restored from an older copy.
///
/// What was behind the copy's last leaf is lost, and nobody can tell any more what was said there against what was approved
/// before. So as many founders as the recovery quorum asks for begin a new epoch of the log: every later statement names it, and
/// no approval, waiver or permit from before it counts. Gates and people that had seen more accept the log on that, and on
/// nothing else; rejections and revocations that they have of what was lost they hand in.
///
/// The server must not run, and should not have been started on the older copy before.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign import BACKUP --home home --older              put the newest copy that is left into its place\n  \
    countersign epoch home --why \"the disk was lost\"           sign first; writes home/epoch-….json\n  \
    countersign epoch home --show home/epoch-….json            read what it begins; signs nothing\n  \
    countersign epoch home --cosign home/epoch-….json          sign next; begins it when enough have signed")]
pub struct Args {
    /// The home whose ledger was restored.
    home: PathBuf,
    /// Why: kept with the epoch.
    #[arg(long, required_unless_present_any = ["cosign", "show"], conflicts_with_all = ["cosign", "show"])]
    why: Option<String>,
    /// The epoch's number, where the next one was used in a log that is lost. Without it: the next that this home does not know.
    #[arg(long, value_name = "N", requires = "why")]
    number: Option<u32>,
    /// Sign what another founder has signed, and begin the epoch if that is enough.
    #[arg(long, value_name = "FILE", conflicts_with = "show")]
    cosign: Option<PathBuf>,
    /// Show what would be begun, and sign nothing.
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let home = global.home(&args.home)?;
    home.founded()?;
    if let Some(file) = &args.show {
        return show(global, &home, &Draft::read(file)?);
    }
    if !home.has_begun() {
        return Err(CliError::new("ledger-missing", format!("{} has no ledger", home.path().display())).hint(format!(
            "put the newest copy that is left into its place: countersign import EXPORT_OR_BACKUP --home {} --older",
            word(home.path())
        )));
    }
    let _alone = serve::alone(&home)?;
    let runtime = Runtime::new().map_err(|e| CliError::new("failed", format!("the program cannot start: {e}")))?;
    runtime.block_on(async {
        let engine = serve::open_engine_that(&home, Continues::Anything).await?;
        let done = match (&args.why, &args.cosign) {
            (_, Some(file)) => cosign(global, &home, &engine, file).await,
            (Some(why), None) => sign(global, &home, &engine, why, args.number).await,
            (None, None) => Err(CliError::usage("an epoch needs a reason").hint("add --why \"…\"")),
        };
        drop(timeout(serve::CLOSING, engine.store().close()).await);
        done
    })
}

/// What founders sign, on its way from one to the next.
struct Draft {
    envelope: Envelope,
    epoch: Epoch,
    why: String,
    blob: Vec<u8>,
}

impl Draft {
    fn read(file: &Path) -> Result<Self, CliError> {
        const EXPECTED: &str = "it is the file that `countersign epoch` wrote when a founder gave it --why";
        let wrong = |what: String| CliError::new("not-an-epoch", format!("{}: {what}", file.display())).hint(EXPECTED);
        let bytes = files::read(file, MAX_DRAFT_BYTES).map_err(|e| e.expecting(EXPECTED))?;
        let submit: Submit = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        let envelope = Envelope::parse(submit.envelope.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let Body::Epoch(epoch) = Statement::parse(envelope.payload())?.body else {
            return Err(wrong("it begins no epoch".to_owned()));
        };
        let blobs = submit.blobs.iter().map(|blob| STANDARD.decode(blob));
        let blobs: Vec<Vec<u8>> = blobs.collect::<Result<_, _>>().map_err(|e| wrong(e.to_string()))?;
        let blob = blobs.into_iter().find(|blob| Digest::of(blob) == epoch.reason);
        let blob = blob.ok_or_else(|| wrong("it lacks the reason that its statement names".to_owned()))?;
        Ok(Self { why: Reason::parse(&blob)?.why, envelope, epoch, blob })
    }

    /// What is signed, a line each.
    fn lines(&self, home: &Home) -> Result<Vec<String>, CliError> {
        let Epoch { after, number, reason: _ } = &self.epoch;
        let seen = home.seen()?.map_or(0, |seen| seen.checkpoint().size);
        Ok(vec![
            format!("epoch {number} of log {}: {}", home.config().origin, self.why),
            format!("it goes on behind {} leaves with root {}", after.size, after.root),
            match seen.saturating_sub(after.size) {
                0 => "this home has seen no more of it".to_owned(),
                lost => format!("{lost} leaves that this home had seen are given up"),
            },
            "no approval, waiver or permit from before it counts".to_owned(),
        ])
    }

    fn write(&self, file: &Path) -> Result<(), CliError> {
        let text = serde_json::to_string(&Submit::new(&self.envelope, std::slice::from_ref(&self.blob)))
            .map_err(|error| CliError::new("failed", format!("it cannot be written: {error}")))?;
        if file.exists() {
            return Ok(files::replace(file, text)?);
        }
        Ok(files::write(file, text)?)
    }

    /// Whose signatures it has, as the restored log knows their keys.
    fn signers(&self, governance: &Governance) -> Vec<String> {
        let keys = self.envelope.named_keys().map(|key| key.fingerprint());
        keys.map(|key| match governance.catalog.actor_by_key(&key) {
            Some(actor) => actor.id.to_string(),
            None => format!("key {key}, which is nobody's"),
        })
        .collect()
    }
}

fn speaker(global: &Global, governance: &Governance) -> Result<Speaker, CliError> {
    let hand = Hand::Person(global.signer()?);
    let key = hand.fingerprint();
    let me = governance.catalog.actor_by_key(&key).map(|actor| actor.id.clone()).ok_or_else(|| {
        CliError::new("unknown-key", format!("key {key} belongs to nobody in the catalog of the restored log"))
            .hint("pass --key with a founder's key")
    })?;
    Ok(Speaker { client: Client::new(&global.url), hand, me })
}

async fn sign(global: &Global, home: &Home, engine: &Engine, why: &str, number: Option<u32>) -> Result<Exit, CliError> {
    let governance = engine.governance().await?;
    let head = engine.head().await?;
    let speaker = speaker(global, &governance)?;
    // One that was begun in this home and is lost again keeps its number.
    let begun = home.epochs_begun()?.into_iter().chain([governance.record.epoch()]).max().unwrap_or_default();
    let number = number.unwrap_or(begun.saturating_add(1));
    let after = SeenCheckpoint { root: head.root, size: head.size };
    let (reason, blob) = submit::reason(why)?;
    let origin = governance.record.origin.clone();
    let log = InFrontOf { origin, checkpoint: after, epoch: Some(number) };
    let epoch = Epoch { after, number, reason };
    // Told before it is signed.
    let unsigned = |envelope| Draft { envelope, epoch: epoch.clone(), why: why.to_owned(), blob: blob.clone() };
    let lines = unsigned(home.genesis().clone()).lines(home)?;
    submit::announce(&speaker, &lines);
    let draft = unsigned(signed(&speaker.hand, &speaker.me, &log, Body::Epoch(epoch.clone()))?);
    let short: String = draft.envelope.payload_digest().hex().chars().take(12).collect();
    let file = home.path().join(format!("epoch-{short}.json"));
    begin(global, home, engine, &governance, &draft, &file).await
}

async fn cosign(global: &Global, home: &Home, engine: &Engine, file: &Path) -> Result<Exit, CliError> {
    let mut draft = Draft::read(file)?;
    let governance = engine.governance().await?;
    // It was begun already, and what comes after that was not finished.
    if governance.record.epochs.last().is_some_and(|epoch| epoch.statement == draft.envelope.payload_digest()) {
        return finish(global, home, engine, &draft, file).await;
    }
    let speaker = speaker(global, &governance)?;
    submit::not_twice(&draft.envelope, &speaker.hand)?;
    submit::announce(&speaker, &draft.lines(home)?);
    let mut signatures = draft.envelope.signatures().to_vec();
    signatures.push(speaker.hand.sign(draft.envelope.payload())?);
    draft.envelope = Envelope::new(draft.envelope.payload(), signatures)
        .map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
    begin(global, home, engine, &governance, &draft, file).await
}

/// Begins the epoch if enough have signed; else keeps what was signed for the next founder.
async fn begin(
    global: &Global,
    home: &Home,
    engine: &Engine,
    governance: &Governance,
    draft: &Draft,
    file: &Path,
) -> Result<Exit, CliError> {
    match engine.submit(draft.envelope.raw(), vec![draft.blob.clone()]).await {
        Ok(_) => finish(global, home, engine, draft, file).await,
        Err(EngineError::Refused(refusal)) if refusal.code == MORE_SIGN => {
            draft.write(file)?;
            let (by, quorum) = (draft.signers(governance), governance.record.recovery_quorum);
            match global.format {
                Format::Json => output::json(&json!({
                    "epoch": draft.epoch.number,
                    "after": draft.epoch.after.size,
                    "begun": false,
                    "signed_by": by,
                    "quorum": quorum,
                    "file": file,
                }))?,
                Format::Text => {
                    anstream::println!("{} signed; {quorum} founders have to", good(list(by)));
                    output::heading("Next");
                    let (home, file) = (word(home.path()), word(file));
                    anstream::println!("  another founder reads it:  countersign epoch {home} --show {file}");
                    anstream::println!(
                        "  and signs it within a day: countersign epoch {home} --cosign {file} --key KEY"
                    );
                }
            }
            Ok(Exit::Done)
        }
        Err(error) => Err(error.into()),
    }
}

/// From here on the home has seen the restored log.
async fn finish(global: &Global, home: &Home, engine: &Engine, draft: &Draft, file: &Path) -> Result<Exit, CliError> {
    let Epoch { number, after, reason: _ } = draft.epoch;
    let note = engine.head().await?.note;
    home.begins_epoch(number, &note)?;
    if file.exists() {
        std::fs::remove_file(file)
            .map_err(|e| CliError::new("cannot-remove", format!("begun, but cannot remove {}: {e}", file.display())))?;
    }
    let by = draft.signers(&*engine.governance().await?);
    match global.format {
        Format::Json => output::json(&json!({
            "epoch": number,
            "after": after.size,
            "begun": true,
            "signed_by": by,
        }))?,
        Format::Text => {
            anstream::println!("{}: epoch {number}, behind {} leaves, by {}", good("begun"), after.size, list(by));
            output::heading("Next");
            anstream::println!("  serve it:                countersign serve --home {}", word(home.path()));
            anstream::println!(
                "  gates and followers go over to it when they next follow, and hand in what they have of stops"
            );
            anstream::println!(
                "  {}: approvals and waivers are given again, and a trust.json that pins a checkpoint of what was lost is \
                 replaced",
                warn("to do")
            );
        }
    }
    Ok(Exit::Done)
}

fn show(global: &Global, home: &Home, draft: &Draft) -> Result<Exit, CliError> {
    let lines = draft.lines(home)?;
    let keys: Vec<String> = draft.envelope.named_keys().map(|key| key.fingerprint().to_string()).collect();
    match global.format {
        Format::Json => output::json(&json!({
            "epoch": draft.epoch.number,
            "after": draft.epoch.after.size,
            "root": draft.epoch.after.root,
            "why": draft.why,
            "keys": keys,
        }))?,
        Format::Text => {
            lines.iter().for_each(|line| anstream::println!("{}", output::printable(line)));
            anstream::println!("signed with {}", list(keys));
        }
    }
    Ok(Exit::Done)
}
