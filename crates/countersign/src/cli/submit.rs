//! What the writing commands share: reach the server, say something, show how the change stands then.

use countersign_core::{
    statement::{Body, RevisionRef},
    text::Reason,
};
use countersign_ledger::Digest;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format},
    show,
};
use crate::{
    client::{Client, ClientError},
    nonce::nonce,
    speaker::{SpeakError, Speaker},
    wire::{ChangeView, DENIED, Receipt},
};

impl Global {
    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// The person whose key was chosen, in front of the log.
    pub fn speaker(&self) -> Result<Speaker, CliError> {
        Ok(Speaker::of_person(self.client(), self.signer()?)?)
    }
}

/// A reason as a blob, with the digest that a statement names it by.
pub fn reason(why: &str) -> Result<(Digest, Vec<u8>), CliError> {
    let blob = Reason { salt: nonce(), why: why.to_owned() }.to_blob()?;
    Reason::parse(&blob)?;
    Ok((Digest::of(&blob), blob))
}

pub fn revision(view: &ChangeView) -> RevisionRef {
    RevisionRef { number: view.revision, digest: view.revision_digest }
}

/// Tells, before anything is signed, what is about to be signed. On standard error, so that it is there with JSON too.
pub fn announce(speaker: &Speaker, lines: &[String]) {
    anstream::eprintln!("{} as {} with key {}:", output::faint("signing"), speaker.me, speaker.hand.fingerprint());
    for line in lines {
        anstream::eprintln!("  {}", output::printable(line));
    }
}

/// Says it, and shows the change as it stands after.
pub fn say(
    global: &Global,
    speaker: &Speaker,
    body: Body,
    blobs: &[Vec<u8>],
    done: impl FnOnce(&Receipt) -> String,
) -> Result<Exit, CliError> {
    let receipt = speaker.say(body, blobs)?;
    let Some(id) = &receipt.change else {
        return match global.format {
            Format::Json => output::json(&receipt).map(|()| Exit::Done),
            Format::Text => {
                anstream::println!("{}", done(&receipt));
                Ok(Exit::Done)
            }
        };
    };
    let view = speaker.client.change(id.as_str())?;
    match global.format {
        Format::Json => output::json(&view)?,
        Format::Text => {
            anstream::println!("{} (leaf {})", done(&receipt), receipt.index);
            show::standing(&view);
        }
    }
    Ok(Exit::Done)
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } => Self::new("unreachable", error.to_string())
                .hint("start it with `countersign serve --home HOME`, or name it with --url"),
            ClientError::Refused { code, class, message, hint } => {
                let exit = class.map_or(Exit::Failed, Exit::of);
                Self { exit, code: code.into(), message, hint }
            }
            ClientError::Denied(denied) => Self {
                exit: Exit::Refused,
                code: DENIED.into(),
                message: format!(
                    "the rules do not allow change {}:\n{}",
                    denied.decision.change.short(),
                    show::to_do(&denied)
                ),
                hint: Some(format!("all of it: countersign show {}", denied.decision.change.short())),
            },
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

impl From<crate::git::GitError> for CliError {
    fn from(error: crate::git::GitError) -> Self {
        let text = error.to_string();
        match text.split_once("\n  hint: ") {
            Some((message, hint)) => Self::new("git", message).hint(hint),
            None => Self::new("git", text),
        }
    }
}
