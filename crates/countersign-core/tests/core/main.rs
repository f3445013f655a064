//! One binary for all of core's integration tests.

mod catalog;
mod facts;
mod replay;
mod rules;
