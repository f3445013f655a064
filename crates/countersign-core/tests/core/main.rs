//! One binary for all of core's integration tests.

mod attacks;
mod canonical;
mod catalog;
mod facts;
mod governance;
mod kit;
mod landing;
mod large;
mod memory;
mod partial;
mod rules;
mod statement;
mod streams;
mod verify;
