//! A statement that several people sign, on its way from one to the next in a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    governance::Governance,
    statement::{Body, Header, Statement},
    text::Reason,
};
use countersign_ledger::{Digest, Envelope};
use serde_json::json;

use super::{
    error::{CliError, Exit},
    output::{self, Format},
    submit::{self, Session},
};
use crate::{home::files, speaker::Hand, wire::Submit};

const MAX_BYTES: usize = 1024 * 1024;

pub struct Several {
    pub envelope: Envelope,
    pub header: Header,
    pub body: Body,
    pub blobs: Vec<Vec<u8>>,
}

impl Several {
    pub fn new(envelope: Envelope, blobs: Vec<Vec<u8>>) -> Result<Self, CliError> {
        let Statement { header, body } = Statement::parse(envelope.payload())?;
        Ok(Self { envelope, header, body, blobs })
    }

    /// Reads what somebody wrote; `expected` says by which command.
    pub fn read(file: &Path, expected: &'static str) -> Result<Self, CliError> {
        let wrong = |what: String| CliError::new("not-a-draft", format!("{}: {what}", file.display())).hint(expected);
        let bytes = files::read(file, MAX_BYTES).map_err(|error| error.expecting(expected))?;
        let read: Submit = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let envelope = Envelope::parse(read.envelope.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let blobs: Result<Vec<Vec<u8>>, _> = read.blobs.iter().map(|blob| STANDARD.decode(blob)).collect();
        Self::new(envelope, blobs.map_err(|error| wrong(error.to_string()))?)
    }

    /// Writes it, anew or over what was there of it before. Returns where.
    pub fn write(&self, file: Option<&Path>, kind: &str) -> Result<PathBuf, CliError> {
        let text = serde_json::to_string(&Submit::new(&self.envelope, &self.blobs))
            .map_err(|error| CliError::new("failed", format!("it cannot be written: {error}")))?;
        let short: String = self.envelope.payload_digest().hex().chars().take(12).collect();
        let path = file.map_or_else(|| PathBuf::from(format!("{kind}-{short}.json")), Path::to_owned);
        match Self::is_at(&path, &self.envelope.payload_digest()) {
            true => files::replace(&path, text)?,
            false => files::write(&path, text)?,
        }
        Ok(path)
    }

    /// Whether the same statement lies there already.
    fn is_at(path: &Path, payload: &Digest) -> bool {
        Self::read(path, "").is_ok_and(|there| there.envelope.payload_digest() == *payload)
    }

    /// For who got a statement of another kind.
    pub fn is_another(&self, file: &Path, expected: &'static str) -> CliError {
        let what = format!("{}: there is a {} statement in it", file.display(), self.body.kind());
        CliError::new("not-a-draft", what).hint(expected)
    }

    /// What it does and who said it first, to whoever is to sign it.
    pub fn show(&self, format: Format, lines: &[String]) -> Result<Exit, CliError> {
        match format {
            Format::Json => output::json(&json!({"by": self.header.by, "does": lines}))?,
            Format::Text => {
                lines.iter().for_each(|line| anstream::println!("{}", output::printable(line)));
                anstream::println!("said by {}", self.header.by);
            }
        }
        Ok(Exit::Done)
    }

    /// Adds a signature.
    pub fn sign(&mut self, hand: &Hand) -> Result<(), CliError> {
        submit::not_twice(&self.envelope, hand)?;
        let mut signatures = self.envelope.signatures().to_vec();
        signatures.push(hand.sign(self.envelope.payload())?);
        self.envelope = Envelope::new(self.envelope.payload(), signatures)
            .map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
        Ok(())
    }

    /// Why, by the blob that it names.
    pub fn why(&self, reason: Option<Digest>) -> String {
        let blob = reason.and_then(|reason| self.blobs.iter().find(|blob| Digest::of(blob) == reason));
        let why = blob.and_then(|blob| Reason::parse(blob).ok()).map(|reason| reason.why);
        why.unwrap_or_else(|| "no reason came along".to_owned())
    }

    /// Whose signatures it has.
    pub fn signers(&self, governance: &Governance) -> Vec<String> {
        let keys = self.envelope.named_keys().map(|key| key.fingerprint());
        keys.map(|key| match governance.catalog.actor_by_key(&key).map(|actor| &actor.id) {
            Some(id) => id.to_string(),
            None => match governance.founder_by_pinned_key(&key) {
                Some(founder) => format!("founder {founder}"),
                None => format!("key {key}"),
            },
        })
        .collect()
    }

    /// Submits it, and takes the file away once the log has it.
    pub fn send(&self, session: &Session, file: Option<&Path>) -> Result<crate::wire::Receipt, CliError> {
        let receipt = session.send(&self.envelope, &self.blobs)?;
        if let Some(file) = file.filter(|file| file.exists()) {
            fs::remove_file(file).map_err(|error| {
                CliError::new("cannot-remove", format!("done, but cannot remove {}: {error}", file.display()))
            })?;
        }
        Ok(receipt)
    }
}
