//! One binary for all of the audit's integration tests: conventions one by one, real histories whose truths are known,
//! and the replay of rules.

mod conventions;
mod docs;
#[path = "../../../countersign-ledger/tests/ledger/edits.rs"]
mod edits;
mod field;
mod foreign;
mod history;
mod replay;
mod requests;
mod truths;
mod unseen;
