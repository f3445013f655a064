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
//! | [`sshsig`] | verification of OpenSSH signatures |
//! | [`leaf`] | streams, leaves and their frozen byte format |

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::todo)]

pub mod digest;
pub mod dsse;
pub mod leaf;
pub mod sshsig;
pub mod time;

pub use digest::{Digest, Hash};
pub use dsse::Envelope;
pub use leaf::{Leaf, StreamHead, StreamId};
pub use sshsig::{Fingerprint, PublicKey};
pub use time::Time;
