//! Core from outside, in one binary.

mod catalog;
mod facts;
