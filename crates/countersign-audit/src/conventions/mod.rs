//! How projects write down who looked at a change. A new convention is one file and one line in [`TABLE`];
//! `docs/audit.md` has the table in words, and a test compares the two.
//!
//! A convention only *reads*: it says what is written and who is named. Whether that proves a second person is
//! [`grade`](super::grade)'s to say, and who is who is [`People`](super::people::People)'s.

use countersign_core::facts::git::Ident;

mod acks;
mod attestation;
mod azure;
mod bitbucket;
mod bors;
mod bors_ng;
mod bsd_ok;
mod committer;
mod copybara;
mod countersign_log;
mod forge_review;
mod forgejo;
mod freebsd;
mod gerrit_note;
mod gerrit_trailer;
mod github_merge;
mod github_queue;
mod github_squash;
mod gitlab;
mod gittuf;
mod homu;
mod lines;
mod loose_trailer;
mod merger;
mod mozilla;
mod notedb;
mod phabricator;
mod prow;
pub(super) mod quotes;
mod request_page;
mod rietveld;
mod slsa;
mod trailer;
mod webkit;
mod written_by;
mod zuul;

use self::lines::{named_people, says_nobody};
pub use self::{
    bors_ng::owner_of_single,
    committer::CONVENTION as COMMITTER,
    lines::{Commit, Context, Line},
};

/// One way to write down who looked.
#[derive(Debug)]
pub struct Convention {
    /// Frozen: it stands in reports.
    pub name: &'static str,
    pub proves: &'static str,
    pub does_not_prove: &'static str,
    pub find: fn(&Context<'_>) -> Vec<Found>,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Says {
    /// Somebody had a hand in the content.
    Contributed,
    /// Somebody else wrote what the author of the commit only committed.
    Wrote,
    /// Somebody reviewed or approved.
    Approved,
    /// It says itself that nobody did.
    NobodyApproved,
    /// Somebody merged or committed it.
    Landed,
    /// A machine landed it under a platform's rule, or a platform attests that its rule was kept.
    Platform,
    /// The forge made the commit, or names a page where the review is: git cannot see who looked.
    Opaque,
}

/// One thing that a convention found. `who` without a mail is a login or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub says: Says,
    pub who: Option<Ident>,
    /// What was read, as it stands.
    pub signal: String,
    /// When, in seconds since the Unix epoch, where the convention tells.
    pub at: Option<i64>,
}

impl Found {
    fn new(says: Says, who: Option<Ident>, signal: impl Into<String>) -> Self {
        Self { says, who, signal: signal.into(), at: None }
    }

    fn by(says: Says, who: Ident, signal: impl Into<String>) -> Self {
        Self::new(says, Some(who), signal)
    }

    fn nobody(says: Says, signal: impl Into<String>) -> Self {
        Self::new(says, None, signal)
    }
}

/// Longest note that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;

/// Every convention. Of two that prove the same, the first gives the signal that is reported: so what is particular
/// stands before what is general.
pub const TABLE: &[Convention] = &[
    countersign_log::CONVENTION,
    forge_review::CONVENTION,
    trailer::CONVENTION,
    loose_trailer::CONVENTION,
    gerrit_note::CONVENTION,
    notedb::CONVENTION,
    phabricator::CONVENTION,
    homu::CONVENTION,
    bors::CONVENTION,
    bors_ng::CONVENTION,
    acks::CONVENTION,
    bsd_ok::CONVENTION,
    freebsd::CONVENTION,
    webkit::CONVENTION,
    mozilla::CONVENTION,
    rietveld::CONVENTION,
    written_by::CONVENTION,
    gittuf::CONVENTION,
    slsa::CONVENTION,
    zuul::CONVENTION,
    prow::CONVENTION,
    github_queue::CONVENTION,
    github_merge::CONVENTION,
    gitlab::CONVENTION,
    bitbucket::CONVENTION,
    azure::CONVENTION,
    forgejo::CONVENTION,
    copybara::CONVENTION,
    merger::CONVENTION,
    github_squash::CONVENTION,
    gerrit_trailer::CONVENTION,
    request_page::CONVENTION,
    committer::CONVENTION,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_everything_is_said() {
        let names: std::collections::BTreeSet<_> = TABLE.iter().map(|convention| convention.name).collect();
        assert_eq!(names.len(), TABLE.len());
        assert!(TABLE.iter().all(|row| !row.proves.is_empty() && !row.does_not_prove.is_empty()));
    }
}
