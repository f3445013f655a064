//! The domain: changes, statements, rules, decisions and permits.
//!
//! Core does no I/O and so cannot fail for want of a disk or a network; it takes time as an argument and never reads a
//! clock; it knows no SQL and no HTTP. Only [`rules`] names Cedar. What is computed here in the engine is computed
//! again, by the same code, in a gate and in a verifier.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::todo)]

pub mod absence;
pub mod admit;
pub mod approving;
pub mod calendar;
pub mod canonical;
pub mod cases;
pub mod catalog;
pub mod change;
pub mod coverage;
pub mod decision;
pub mod delegation;
pub mod drill;
pub mod epoch;
pub mod erasing;
pub mod escalation;
pub mod evidence;
pub mod explain;
pub mod facts;
pub mod fold;
pub mod freeze;
pub mod frozen;
pub mod glass;
pub mod glob;
pub mod governance;
pub mod ids;
pub mod issuer;
pub mod kind;
pub mod landed;
pub mod load;
pub mod loosening;
mod newcomers;
pub mod outage;
pub mod permit;
mod pieces;
pub mod presence;
pub mod preview;
pub mod refusal;
pub mod requirement;
pub mod rollback;
pub mod rules;
pub mod schedule;
pub mod semantics;
pub mod sight;
pub mod snapshot;
pub mod standard;
pub mod state;
pub mod statement;
pub mod subject;
pub mod take;
pub mod template;
pub mod text;
pub mod trust;
pub mod verify;
