//! The ledger: an append-only Merkle log of signed statements that an auditor can read alone.
//!
//! This crate knows bytes, hashes and signatures. It never knows what a change, a rule or a person is, where bytes are
//! stored, or what time it is: nothing here does I/O or reads a clock, so everything a verifier needs can be run on a
//! copied file by somebody who trusts nobody.
//!
//! | room | holds |
//! |---|---|
//! | [`digest`] | SHA-256 content digests and RFC 6962 hashes |
//! | [`time`] | the time a leaf was admitted, as a number |
//! | [`dsse`] | DSSE envelopes and the bytes that are signed |
//! | [`sshsig`] | OpenSSH keys and signatures: verified for everybody, made for servers and gates |
//! | [`jws`] | tokens of OIDC issuers and their keys: verified, never made |
//! | [`leaf`] | streams, leaves and their frozen byte format |
//! | [`tree`] | the Merkle tree: roots, inclusion and consistency proofs, and their checks |
//! | [`mod@seal`] | drafts become leaves of a longer tree |
//! | [`checkpoint`] | the log's signed size and root |
//! | [`mod@cosignature`] | what others signed about a checkpoint, and how many of them are enough |
//! | [`witness`] | what a log and its cosigners say to each other |
//! | [`tile`] | the paths and contents of the static files that a log is served as |

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::todo)]

pub mod checkpoint;
pub mod cosignature;
pub mod digest;
pub mod dsse;
pub mod jws;
pub mod leaf;
pub mod seal;
pub mod sshsig;
pub mod tile;
pub mod time;
pub mod tree;
pub mod witness;

pub use checkpoint::{Checkpoint, LogKey, LogKeys, SignedCheckpoint};
pub use cosignature::{Cosignature, Cosigner, CosignerKey, Quorum, VerifierKey};
pub use digest::{Digest, Hash};
pub use dsse::Envelope;
pub use jws::Jws;
pub use leaf::{Leaf, Line, StreamHead, StreamId};
pub use seal::{Draft, Sealed, SealedLeaf, seal};
pub use sshsig::{Assurance, Fingerprint, PublicKey, SignatureError, SigningKey, Verified};
pub use time::Time;
pub use tree::{Frontier, MemoryNodes, Node, Nodes};
