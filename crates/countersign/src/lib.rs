//! The program: engine, store, gates, HTTP API and command line.
//!
//! Arrows go one way: `api | cli | gates -> engine -> store`. The command line and the gates reach a running server
//! through [`client`], with which [`api`] shares [`wire`]; of the command line only what makes or serves a home may hold
//! an engine itself.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::todo)]

pub mod api;
pub mod audit;
pub mod bundle;
pub mod cli;
pub mod client;
pub mod clock;
pub mod copies;
pub mod cosigning;
pub mod difference;
pub mod directory;
pub mod doctor;
pub mod durable;
pub mod engine;
pub mod erasing;
pub mod evidence;
pub mod files;
pub mod follower;
pub mod gates;
pub mod git;
pub mod home;
pub mod intake;
pub mod joined;
pub mod known;
pub mod material;
pub mod memory;
pub mod notify;
pub mod oidc;
pub mod page;
pub mod publication;
pub mod random;
pub mod reading;
pub mod rebuild;
pub mod records;
pub mod ring;
pub mod settings;
pub mod signer;
pub mod speaker;
pub mod store;
pub mod subscriptions;
pub mod unix;
pub mod verifying;
pub mod view;
pub mod wire;

/// What fuzz targets are fed with, beside the code that nobody else sees.
#[cfg(test)]
#[path = "../../countersign-ledger/tests/ledger/edits.rs"]
mod edits;
