//! What the benches measure on, made up in process and valid in every part: a home with people who have keys, changes that
//! those people proposed and approved, and whatever serves, copies or pushes them.
//!
//! | room | holds |
//! |---|---|
//! | [`options`] | the words of a bench's command line |
//! | [`world`] | people, systems and the home that they founded |
//! | [`history`] | changes as leaves, made on both cores |
//! | [`fill`] | a history into a store, or into a folder |
//! | [`publishing`] | publications |
//! | [`repository`] | a bare repository with a gate, beside one without |
//! | [`serving`] | servers, in this process and in their own |
//! | [`watch`] | time, medians and memory |

pub mod fill;
pub mod history;
pub mod options;
pub mod publishing;
pub mod repository;
pub mod serving;
pub mod watch;
pub mod world;
