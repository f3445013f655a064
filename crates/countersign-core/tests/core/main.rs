//! One binary for all of core's integration tests.

mod attacks;
mod audit;
mod catalog;
mod facts;
mod kit;
mod landing;
mod memory;
mod replay;
mod rules;
mod statement;
mod verify;
