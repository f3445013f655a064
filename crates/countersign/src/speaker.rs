//! Saying something: makes a statement about what the log shows now, signs it, and submits it. The command line speaks
//! with a person's key through `ssh-keygen`, a gate with its own.

use countersign_core::{
    governance::Signer as LogSigner,
    ids::ActorId,
    refusal::Refusal,
    statement::{Body, Header, SeenCheckpoint, Statement},
};
use countersign_ledger::{Digest, Envelope, Fingerprint, dsse, sshsig::SigningKey};
use thiserror::Error;

use crate::{
    client::{Client, ClientError},
    nonce::nonce,
    signer::{SignerError, SshKeygen},
    wire::{LogInfo, Receipt},
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

    fn sign(&self, payload: &[u8]) -> Result<dsse::Signature, SpeakError> {
        match self {
            Self::Person(key) => Ok(key.sign(payload)?),
            Self::Gate(key) => key.sign(payload).map_err(|e| SpeakError::GateKey(e.to_string())),
        }
    }
}

/// Somebody who can sign, in front of a log.
#[derive(Debug)]
pub struct Speaker {
    pub client: Client,
    pub hand: Hand,
    pub me: ActorId,
    pub log: LogInfo,
}

impl Speaker {
    /// Asks the log who the key belongs to.
    pub fn of_person(client: Client, key: SshKeygen) -> Result<Self, SpeakError> {
        let me = match client.signer(&key.fingerprint())? {
            LogSigner::Actor { id, .. } => id,
            LogSigner::Gate(gate) => {
                return Err(Refusal::forbidden("not-a-person", format!("the key is gate {gate}'s")).into());
            }
            LogSigner::Server => return Err(Refusal::forbidden("not-a-person", "the key is the server's").into()),
        };
        let log = client.log()?;
        Ok(Self { client, hand: Hand::Person(key), me, log })
    }

    pub fn of_gate(client: Client, key: SigningKey, me: ActorId) -> Result<Self, SpeakError> {
        let log = client.log()?;
        Ok(Self { client, hand: Hand::Gate(key), me, log })
    }

    /// Makes, signs and submits a statement.
    pub fn say(&self, body: Body, blobs: &[Vec<u8>]) -> Result<Receipt, SpeakError> {
        let (_, envelope) = self.sign(body)?;
        Ok(self.client.submit(&envelope, blobs)?)
    }

    /// Makes and signs a statement.
    pub fn sign(&self, body: Body) -> Result<(Digest, Envelope), SpeakError> {
        let statement = Statement {
            header: Header {
                log: self.log.origin.clone(),
                by: self.me.clone(),
                nonce: nonce(),
                checkpoint: SeenCheckpoint { size: self.log.size, root: self.log.root },
            },
            body,
        };
        let payload = statement.encode()?;
        let signature = self.hand.sign(&payload)?;
        let envelope = Envelope::new(&payload, vec![signature])
            .map_err(|e| Refusal::malformed("statement-too-large", e.to_string()))?;
        Ok((envelope.payload_digest(), envelope))
    }
}
