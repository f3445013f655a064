//! Which reading of a log this program knows: what admits, folds and decides. It is raised when a result changes, not
//! when a version is released, so that what was decided can be decided again by any later program.

/// The newest that this program knows. A log that asks for a higher one is newer than this program, not wrong.
pub const NEWEST_SEMANTICS: u32 = 1;
