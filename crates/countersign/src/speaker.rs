//! Saying something: makes a statement in front of the log as it was last seen, and signs it. The command line speaks with a
//! person's key through `ssh-keygen`, a gate with its own.

use countersign_core::{
    governance::Signer as LogSigner,
    ids::ActorId,
    refusal::Refusal,
    statement::{Body, Header, SeenCheckpoint, Statement},
};
use countersign_ledger::{Envelope, Fingerprint, checkpoint::Checkpoint, dsse, sshsig::SigningKey};
use thiserror::Error;

use crate::{
    client::{Client, ClientError},
    random,
    signer::{SignerError, SshKeygen},
    wire::Receipt,
};

#[derive(Debug, Error)]
pub enum SpeakError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the gate's key cannot sign: {0}")]
    GateKey(String),
}

/// The hand that signs.
#[derive(Debug)]
pub enum Hand {
    Person(SshKeygen),
    Gate(SigningKey),
}

impl Hand {
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Person(key) => key.fingerprint(),
            Self::Gate(key) => key.public().fingerprint(),
        }
    }

    pub fn sign(&self, payload: &[u8]) -> Result<dsse::Signature, SpeakError> {
        match self {
            Self::Person(key) => Ok(key.sign(payload)?),
            Self::Gate(key) => key.sign(payload).map_err(|e| SpeakError::GateKey(e.to_string())),
        }
    }
}

/// The log as whoever speaks last saw it: what a statement names against replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFrontOf {
    pub origin: String,
    pub checkpoint: SeenCheckpoint,
    /// The epoch of the log, as headers spell it.
    pub epoch: Option<u32>,
}

impl InFrontOf {
    pub fn of(checkpoint: &Checkpoint, epoch: Option<u32>) -> Self {
        let Checkpoint { origin, size, root } = checkpoint;
        Self { origin: origin.clone(), checkpoint: SeenCheckpoint { root: *root, size: *size }, epoch }
    }
}

/// Somebody who can sign.
#[derive(Debug)]
pub struct Speaker {
    pub client: Client,
    pub hand: Hand,
    pub me: ActorId,
}

impl Speaker {
    /// Asks the log who the key belongs to. What is signed in another's name the log refuses, so that a lie gains nothing.
    pub fn of_person(client: Client, key: SshKeygen) -> Result<Self, SpeakError> {
        let me = match client.signer(&key.fingerprint())? {
            LogSigner::Actor { id, .. } => id,
            LogSigner::Gate(gate) => {
                return Err(Refusal::forbidden("not-a-person", format!("the key is gate {gate}'s")).into());
            }
            LogSigner::Server => return Err(Refusal::forbidden("not-a-person", "the key is the server's").into()),
        };
        Ok(Self { client, hand: Hand::Person(key), me })
    }

    /// Makes and signs a statement.
    pub fn sign(&self, log: &InFrontOf, body: Body) -> Result<Envelope, SpeakError> {
        signed(&self.hand, &self.me, log, body)
    }

    /// Makes, signs and submits a statement. That it is in the log is not known by that: see [`crate::known`].
    pub fn say(&self, log: &InFrontOf, body: Body, blobs: &[Vec<u8>]) -> Result<Receipt, SpeakError> {
        Ok(self.client.submit(&self.sign(log, body)?, blobs)?)
    }
}

/// A statement by somebody, signed.
pub fn signed(hand: &Hand, by: &ActorId, log: &InFrontOf, body: Body) -> Result<Envelope, SpeakError> {
    let InFrontOf { origin, checkpoint, epoch } = log;
    let header =
        Header { by: by.clone(), checkpoint: *checkpoint, epoch: *epoch, log: origin.clone(), nonce: random::nonce() };
    let payload = Statement { header, body }.encode()?;
    let signature = hand.sign(&payload)?;
    Ok(Envelope::new(&payload, vec![signature])
        .map_err(|e| Refusal::malformed("statement-too-large", e.to_string()))?)
}
