//! One binary for all of core's integration tests.

mod attacks;
mod catalog;
mod facts;
mod kit;
mod landing;
mod large;
mod memory;
mod rules;
mod statement;
mod verify;
