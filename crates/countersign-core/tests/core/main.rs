//! One binary for all of core's integration tests.

mod asked;
mod attacks;
mod calendar;
mod canonical;
mod carry;
mod catalog;
mod coverage;
#[path = "../../../countersign-ledger/tests/ledger/edits.rs"]
mod edits;
mod facts;
mod foreign;
mod governance;
mod kit;
mod landing;
mod large;
mod links;
mod load;
mod memory;
mod partial;
mod reviewers;
mod rules;
mod semantics;
mod statement;
mod streams;
mod verify;
