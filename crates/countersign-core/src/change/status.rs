//! Where a change stands.

use serde::{Deserialize, Serialize};

/// Where a change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    Proposed,
    Permitted,
    Applying,
    Applied,
    Failed,
    Withdrawn,
    Rejected,
}

impl ChangeStatus {
    pub const ALL: [Self; 7] =
        [Self::Proposed, Self::Permitted, Self::Applying, Self::Applied, Self::Failed, Self::Withdrawn, Self::Rejected];

    /// Whether statements about the change are still taken.
    pub fn is_open(self) -> bool {
        match self {
            Self::Proposed | Self::Permitted | Self::Applying | Self::Failed | Self::Rejected => true,
            Self::Applied | Self::Withdrawn => false,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Permitted => "permitted",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::Rejected => "rejected",
        }
    }
}
