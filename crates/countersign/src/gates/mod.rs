//! Gates: where a change meets production. A gate extracts facts from what it sees, follows the log into its own verified
//! copy, asks for a permit, runs the rules by that copy, and only then opens. What all of them do is in [`desk`]; a new
//! gate is one file or folder beside it.
//!
//! | gate | guards | file |
//! |---|---|---|
//! | git | protected branches of a bare repository | `git/` |
//! | apply | one command over approved files | `apply.rs` |

pub mod alone;
pub mod apply;
pub mod desk;
pub mod git;
pub mod glass;
pub mod journal;
pub mod stops;
