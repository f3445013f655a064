//! One binary for all of core's integration tests.

mod audit;
mod catalog;
mod facts;
mod replay;
mod rules;
