//! Random bytes: the only place that draws nonces and salts.

use countersign_core::ids::Nonce;
use rand_core::{OsRng, RngCore as _};

/// Sixteen random bytes, for a statement's nonce or a text's salt.
pub fn nonce() -> Nonce {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    Nonce::from_bytes(bytes)
}
