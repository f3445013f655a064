//! Gates: where a change meets production. A gate extracts facts from what it sees, asks for a permit, checks everything
//! that the permit stands on against its own pinned trust, and only then opens.
//!
//! | gate | guards | file |
//! |---|---|---|
//! | git | protected branches of a bare repository | `git/` |
//! | apply | one command over approved files | `apply.rs` |

pub mod apply;
pub mod git;
pub mod journal;
pub mod opening;
