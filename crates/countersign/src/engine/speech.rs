//! What the server says: signed with its own key, which opens nothing alone.

use countersign_core::{
    governance::{GovernanceRecord, SERVER},
    statement::{Body, Header, SeenCheckpoint, Statement},
};
use countersign_ledger::{Envelope, sshsig::SigningKey};

use super::EngineError;
use crate::{random, store::Head};

/// A statement of the server's, signed.
pub(super) fn signed(
    key: &SigningKey,
    governance: &GovernanceRecord,
    head: &Head,
    body: Body,
) -> Result<Envelope, EngineError> {
    let statement = Statement {
        header: Header {
            by: SERVER.parse().map_err(|e| EngineError::Signing(format!("{e}")))?,
            checkpoint: SeenCheckpoint { root: head.root, size: head.size },
            epoch: governance.header_epoch(),
            log: governance.origin.clone(),
            nonce: random::nonce(),
        },
        body,
    };
    let payload = statement.encode()?;
    let signature = key.sign(&payload).map_err(|e| EngineError::Signing(e.to_string()))?;
    Envelope::new(&payload, vec![signature]).map_err(|e| EngineError::Signing(e.to_string()))
}
