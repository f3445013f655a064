//! Faults for tests: a commit that fails at one of its steps, refusing, or having done it. A store that is opened without them
//! has none.

use std::{fmt, io, sync::Arc};

/// The steps of a commit, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The transaction is begun, and the head read.
    Begin,
    /// What the submissions bear on is looked up.
    Look,
    /// Leaves, tiles, blobs and projections are written.
    Rows,
    /// The head is written, with its checkpoint.
    Head,
    Commit,
}

impl Step {
    pub const ALL: [Self; 5] = [Self::Begin, Self::Look, Self::Rows, Self::Head, Self::Commit];
}

/// On which side of a step it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It is refused.
    Before,
    /// It was done, and then failed.
    After,
}

/// Which step fails now, if any.
pub type Fault = dyn Fn(Step, Side) -> bool + Send + Sync;

#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Fault>>);

impl Faults {
    pub fn new(fault: impl Fn(Step, Side) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(fault)))
    }

    pub(super) fn at(&self, step: Step, side: Side) -> Result<(), sqlx::Error> {
        match &self.0 {
            Some(fault) if fault(step, side) => Err(sqlx::Error::Io(io::Error::other("the disk is on fire"))),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "faults" } else { "none" })
    }
}
