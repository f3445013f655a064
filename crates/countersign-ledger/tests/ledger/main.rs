//! The ledger's tests, one binary. Signatures are made by the machine's own `ssh-keygen`.

mod allowed_signers;
mod checkpoint;
mod leaf;
mod passkey;
mod seal;
mod sshsig;
mod support;
mod tile;
mod tree;
