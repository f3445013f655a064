//! Sixteen random bytes, for a statement's nonce or a text's salt.

use countersign_core::ids::Nonce;
use rand_core::{OsRng, RngCore as _};

pub fn nonce() -> Nonce {
    let mut random = [0; 16];
    OsRng.fill_bytes(&mut random);
    random.into()
}
