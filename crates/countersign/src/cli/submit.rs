//! What the commands of a person in front of a log share: meet the log, read a change, say something, and show how it stands
//! then.

use std::{
    fs,
    io::{BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};

use countersign_core::{
    explain::Explained,
    ids::{ActorId, ChangeId},
    statement::{Body, Statement},
    text::Reason,
};
use countersign_ledger::{Digest, Envelope, Fingerprint};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, warn},
    show, stop, verify,
};
use crate::{
    bundle::Bundle,
    client::{ChangePrefix, Client, ClientError},
    clock,
    known::{KnownError, KnownLog, NewEpoch, Sight},
    memory::{self, MemoryError},
    random,
    reading::{Reading, swapped},
    speaker::{Hand, SpeakError, Speaker},
    wire::{ChangeView, DENIED, Receipt},
};

impl Global {
    /// The log, if it continues the one that this machine saw before.
    pub fn log(&self) -> Result<KnownLog, CliError> {
        let trust = self.trust.as_deref().map(verify::read_trust).transpose()?;
        self.log_of(trust.as_ref())
    }

    /// The same, by a trust that the command was given in another way.
    pub fn log_of(&self, trust: Option<&countersign_core::trust::Trust>) -> Result<KnownLog, CliError> {
        let log = KnownLog::meet(Client::new(&self.url), trust, &memory::place()?, clock::now())?;
        if let Some(NewEpoch { number, after, seen, by }) = log.restored() {
            anstream::eprintln!(
                "{}: log {} was restored with {after} of the {seen} leaves that this machine had seen, and {} began epoch \
                 {number} of it there. What was said after that has to be said again; approvals and waivers do not count any \
                 more. What was seen is kept in {}",
                warn("restored"),
                output::printable(&log.trust().origin),
                output::list(by.clone()),
                log.memory().folder().display()
            );
        }
        if trust.is_some() && log.differs_from_pinned()? {
            anstream::eprintln!(
                "{}: this machine has pinned another trust.json of log {}. The one that was named counts for this command alone; \
                 countersign join {} --trust FILE pins it",
                warn("note"),
                output::printable(&log.trust().origin),
                output::printable(log.client.url())
            );
        }
        match log.sight() {
            Sight::Pinned => {}
            Sight::First => anstream::eprintln!(
                "{} log {} with genesis {}: compare it with a founder's trust.json",
                warn("pinned"),
                output::printable(&log.trust().origin),
                log.trust().genesis
            ),
        }
        Ok(log)
    }

    /// The person whose key was chosen, in front of the log.
    pub fn session(&self) -> Result<Session, CliError> {
        let signer = self.signer()?;
        let log = self.log()?;
        let speaker = Speaker::of_person(log.client.clone(), signer)?;
        Ok(Session { log, speaker })
    }
}

/// A person in front of a log.
#[derive(Debug)]
pub struct Session {
    pub log: KnownLog,
    pub speaker: Speaker,
}

impl Session {
    /// A change, as its signed statements tell it.
    pub fn read(&self, change: &ChangePrefix) -> Result<Reading, CliError> {
        let reading = self.log.read(change, clock::now())?;
        // The server said whose key this is; the signed catalog knows.
        let key = self.speaker.hand.fingerprint();
        let holder = reading.state().governance.catalog.actor_by_key(&key).map(|actor| &actor.id);
        match holder {
            Some(holder) if *holder != self.speaker.me => Err(CliError::new(
                "another-signer",
                format!("the server says that key {key} is {}'s, the log says that it is {holder}'s", self.speaker.me),
            )
            .hint("nothing was signed; tell whoever runs the server")),
            Some(_) | None => Ok(reading),
        }
    }

    /// The bundle of a change as the server gives it; nothing of it is checked but which change it is of.
    pub fn bundle(&self, change: &ChangePrefix) -> Result<Bundle, CliError> {
        let bytes = self.log.client.bundle(change, None, &[])?;
        let bundle = Bundle::from_tar(Path::new("what the server sent"), &bytes)?;
        if change.names(&bundle.change) { Ok(bundle) } else { Err(swapped(change, bundle.change.as_str()).into()) }
    }

    /// Signs and submits a statement. It is said only when its leaf was found in the log.
    pub fn say(&self, body: Body, blobs: &[Vec<u8>]) -> Result<Receipt, CliError> {
        let envelope = self.speaker.sign(&self.log.in_front_of(), body)?;
        self.send(&envelope, blobs)
    }

    /// Submits what was signed, and finds it in the log.
    pub fn send(&self, envelope: &Envelope, blobs: &[Vec<u8>]) -> Result<Receipt, CliError> {
        let statement = Statement::parse(envelope.payload())?;
        // A stop is kept before it is sent: whatever happens then, it can be handed to a gate.
        let kept = match statement.body.is_stop() {
            true => Some(stop::keep(self.log.memory(), &statement, envelope, blobs)?),
            false => None,
        };
        let receipt = match self.log.client.submit(envelope, blobs) {
            // Which change it is about, what was signed says.
            Ok(receipt) => Receipt { change: statement.change(&envelope.payload_digest()), ..receipt },
            Err(ClientError::Denied(denied)) => return Err(self.denied(&denied.decision.change)),
            Err(ClientError::Refused { code, class: Some(class), message, hint }) => {
                let error = CliError { exit: Exit::of_said(class, &code), code: code.into(), message, hint };
                let own = "it is signed: if the server is wrong, a gate that is handed it says for itself whether it obeys it";
                return Err(or_to_a_gate(error, kept.as_ref(), own));
            }
            Err(error) => {
                let own = "it is signed, and a gate obeys it without the server";
                return Err(or_to_a_gate(error.into(), kept.as_ref(), own));
            }
        };
        if let Err(error) = self.log.find(&receipt, envelope, clock::now()) {
            return Err(unseen(error, kept.as_ref()));
        }
        // Where followers are asked to vouch, a stop is acknowledged when they have: a log that was forked for this one reader
        // would not get so far.
        if kept.is_some()
            && let Err(error) = self.log.acknowledged(&receipt, clock::now)
        {
            return Err(unseen(error, kept.as_ref()));
        }
        // It is no longer needed; another command may have taken it away already.
        kept.map(fs::remove_file);
        Ok(receipt)
    }

    /// A change, and how people stand who have not spoken about it.
    fn as_it_stands(&self, change: &ChangePrefix) -> Result<ChangeView, CliError> {
        let reading = self.read(change)?;
        let presence = show::others(&self.log, &reading);
        Ok(reading.with_presence(presence).view()?)
    }

    /// The server says that the rules deny: what they say of the signed statements is worked out here.
    fn denied(&self, change: &ChangeId) -> CliError {
        let view = match self.as_it_stands(&ChangePrefix::from(change)) {
            Ok(view) => view,
            Err(error) => return error,
        };
        let short = view.id.short();
        if view.allowed() {
            return CliError::new(
                "server-denies",
                format!("the server denies change {short}, and shows nothing that would: by what it shows every rule is met"),
            )
            .hint(format!(
                "look again, somebody may have spoken meanwhile: countersign show {short}; if it stays so, tell whoever runs the server"
            ));
        }
        let message = format!(
            "the rules do not allow change {short}:\n{}",
            show::to_do(&Explained { decision: view.decision.clone(), explanation: view.explanation.clone() })
        );
        CliError { exit: Exit::Refused, ..CliError::new(DENIED, message) }
            .hint(format!("all of it: countersign show {short}"))
    }
}

/// A stop that the server did not take can still be obeyed.
fn or_to_a_gate(mut error: CliError, kept: Option<&PathBuf>, own: &str) -> CliError {
    if let Some(kept) = kept {
        let own = format!("{own}, {}", stop::to_a_gate(kept));
        error.hint = Some(error.hint.map_or_else(|| own.clone(), |hint| format!("{hint}\n{own}")));
    }
    error
}

/// The server has answered, and yet the statement is not to be seen in the log.
pub(super) fn unseen(error: KnownError, kept: Option<&PathBuf>) -> CliError {
    // A log that contradicts what was seen of it is told as that.
    let code = match &error {
        KnownError::Memory(error) => error.code(),
        KnownError::Client(_) | KnownError::Bundle(_) | KnownError::Refused(_) => "not-seen",
        KnownError::AnotherLog { .. }
        | KnownError::WrongTrust { .. }
        | KnownError::WrongTrustFile { .. }
        | KnownError::WrongTrustOfName { .. }
        | KnownError::NoCheckpoint { .. } => "not-seen",
    };
    let cause = CliError::from(error);
    let message = format!("it was sent, but it is not to be seen in the log: {}", cause.message);
    let advice = match kept {
        Some(kept) => format!("hand it over yourself, {}", stop::to_a_gate(kept)),
        None => "see whether it is there later: countersign show, or say it again".to_owned(),
    };
    let hint = cause.hint.map(|hint| format!("\n{hint}")).unwrap_or_default();
    CliError::new(code, message).hint(format!("do not count on it: {advice}{hint}"))
}

/// A reason as a blob, with the digest that a statement names it by.
pub fn reason(why: &str) -> Result<(Digest, Vec<u8>), CliError> {
    let blob = Reason { salt: random::nonce(), why: why.to_owned() }.to_blob()?;
    Reason::parse(&blob)?;
    Ok((Digest::of(&blob), blob))
}

/// Tells, before anything is signed, what is about to be signed. On standard error, so that it is there with JSON too.
pub fn announce(speaker: &Speaker, lines: &[String]) {
    announce_as(&speaker.me, &speaker.hand.fingerprint(), lines);
}

/// The same of who speaks without a server.
pub fn announce_as(me: &ActorId, key: &Fingerprint, lines: &[String]) {
    anstream::eprintln!("{} as {me} with key {key}:", output::faint("signing"));
    for line in lines {
        anstream::eprintln!("  {}", output::printable(line));
    }
}

/// Refuses a second signature by the same key, before anything is announced.
pub fn not_twice(envelope: &Envelope, hand: &Hand) -> Result<(), CliError> {
    let mine = hand.fingerprint();
    match envelope.verify_all().into_iter().flatten().any(|by| by.key.fingerprint() == mine) {
        true => Err(CliError::refused("already-signed", format!("key {mine} has already signed it"))
            .hint("another person signs it: pass their --key")),
        false => Ok(()),
    }
}

/// Asks on a terminal, where somebody can answer; elsewhere what was announced is what is signed.
pub fn ask(question: &str) -> Result<(), CliError> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(());
    }
    anstream::eprint!("{question} [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CliError::new("not-confirmed", format!("the answer cannot be read: {error}")))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::new("not-confirmed", "nothing was signed").hint("answer `y`, or pass --yes")),
    }
}

/// Says it, and shows the change as it stands after.
pub fn say(
    global: &Global,
    session: &Session,
    body: Body,
    blobs: &[Vec<u8>],
    done: impl FnOnce(&Receipt) -> String,
) -> Result<Exit, CliError> {
    said(global, session, &session.say(body, blobs)?, done)
}

/// Shows how a change stands after something was said.
pub fn said(
    global: &Global,
    session: &Session,
    receipt: &Receipt,
    done: impl FnOnce(&Receipt) -> String,
) -> Result<Exit, CliError> {
    let Some(id) = &receipt.change else {
        return match global.format {
            Format::Json => output::json(receipt).map(|()| Exit::Done),
            Format::Text => {
                anstream::println!("{} (leaf {})", done(receipt), receipt.index);
                Ok(Exit::Done)
            }
        };
    };
    let view = session.as_it_stands(&ChangePrefix::from(id))?;
    stands(global, &view, &session.speaker.me, receipt, &done(receipt))
}

/// The same of a change that was read after, to whoever said it.
pub(super) fn stands(
    global: &Global,
    view: &ChangeView,
    me: &ActorId,
    receipt: &Receipt,
    done: &str,
) -> Result<Exit, CliError> {
    match global.format {
        Format::Json => output::json(view)?,
        Format::Text => {
            anstream::println!("{done} (leaf {})", receipt.index);
            show::of_mine(view, me);
            show::standing(view);
        }
    }
    Ok(Exit::Done)
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } => Self::new("unreachable", error.to_string())
                .hint("start it with `countersign serve --home HOME`, or name it with --url"),
            ClientError::NoAddress { what, hint } => Self::usage(what).hint(hint),
            ClientError::Refused { code, class, message, hint } => {
                let exit = class.map_or(Exit::Failed, Exit::of);
                Self { exit, code: code.into(), message, hint }
            }
            ClientError::Denied(denied) => {
                let change = denied.decision.change.short();
                Self {
                    exit: Exit::Refused,
                    code: DENIED.into(),
                    message: format!("the rules do not allow change {change}:\n{}", show::to_do(&denied)),
                    hint: Some(format!("all of it: countersign show {change}")),
                }
            }
            ClientError::Redirected { ref to, .. } => {
                let hint =
                    format!("if {to} is the server's, name its address with --url; nothing that is signed is sent on");
                Self::new("redirected", error.to_string()).hint(hint)
            }
            ClientError::NotCountersign { .. } => Self::new("not-countersign", error.to_string())
                .hint("is --url the address of a Countersign server of this version?"),
        }
    }
}

impl From<SpeakError> for CliError {
    fn from(error: SpeakError) -> Self {
        match error {
            SpeakError::Client(error) => error.into(),
            SpeakError::Signer(error) => error.into(),
            SpeakError::Refused(refusal) => refusal.into(),
            SpeakError::GateKey(_) => Self::new("cannot-sign", error.to_string()),
        }
    }
}

impl From<MemoryError> for CliError {
    fn from(error: MemoryError) -> Self {
        Self::new(error.code(), error.to_string()).hint(error.hint())
    }
}

impl From<KnownError> for CliError {
    fn from(error: KnownError) -> Self {
        match error {
            KnownError::Client(error) => error.into(),
            KnownError::Memory(error) => error.into(),
            KnownError::Bundle(error) => error.into(),
            KnownError::Refused(refusal) => refusal.into(),
            KnownError::AnotherLog { .. }
            | KnownError::WrongTrust { .. }
            | KnownError::WrongTrustFile { .. }
            | KnownError::WrongTrustOfName { .. } => Self::new("another-log", error.to_string())
                .hint("name the server of that log with --url, or pass the trust.json of the other one"),
            KnownError::NoCheckpoint { .. } => Self::new("not-countersign", error.to_string())
                .hint("is --url the address of a Countersign server of this version?"),
        }
    }
}

impl From<crate::git::GitError> for CliError {
    fn from(error: crate::git::GitError) -> Self {
        Self { hint: error.hint(), ..Self::new("git", error.to_string()) }
    }
}
