//! The ledger's tests, one binary. Signatures are made by the machine's own `ssh-keygen`.

mod allowed_signers;
mod checkpoint;
mod cosignature;
mod edits;
mod foreign;
mod jws;
mod leaf;
mod litewitness;
mod passkey;
mod quorum;
mod seal;
mod sshsig;
mod support;
mod tile;
mod tree;
mod witness;
