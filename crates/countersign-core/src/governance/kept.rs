//! Governance as it was made of its files, in a form that is read again within a few milliseconds. A gate reads it at each
//! push, and thousands of people's keys, a canonical spelling to compare and rules to validate would take it most of a
//! push's time.
//!
//! It is a cache of what this machine verified itself, and lies beside the copy of the log that it follows from. Whoever has
//! none, or one of another program or another moment, reads the files. It holds names and mails: to erase those for good, the
//! file has to go as well.
//!
//! ```text
//! countersign-governance VERSION\n  SHA-256 of the rest  the rest
//! ```

use std::{collections::BTreeSet, sync::Arc};

use countersign_ledger::{Digest, StreamHead};
use serde::{Deserialize, Serialize};

use super::{Files, Governance, GovernanceRecord};
use crate::{
    calendar::{Calendar, Calendars},
    catalog::kept::KeptCatalog,
    issuer::{Issuer, Issuers},
    rules::kept::KeptRules,
    standard::Standard,
};

/// What a program writes only itself reads: with another one the files may come to something else.
const HEADING: &str = concat!("countersign-governance ", env!("CARGO_PKG_VERSION"), " 18\n");

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Where the governance stream stood.
    at: StreamHead,
    record: GovernanceRecord,
    catalog: KeptCatalog,
    rules: KeptRules,
    /// Templates of standard changes, as they were written.
    standards: Vec<(String, String)>,
    /// Calendars, as their files are.
    calendars: Vec<(String, String)>,
    /// Issuers of tokens, likewise.
    issuers: Vec<(String, Vec<u8>)>,
    profiles_missing: BTreeSet<Digest>,
}

impl Governance {
    /// What can be kept of governance as its stream stood here. `None` of governance that was itself read from what was
    /// kept: that is there already.
    pub fn to_kept(&self, at: StreamHead) -> Option<Vec<u8>> {
        let Files::Read(_) = &self.files else { return None };
        let (catalog, rules) = (KeptCatalog::of(&self.catalog)?, KeptRules::of(&self.rules)?);
        let profiles_missing = self.profiles_missing.clone();
        let standards = self.standards.values().map(|one| (one.name.clone(), one.text.clone())).collect();
        let text = |one: &Calendar| Some((one.name.clone(), String::from_utf8(one.file.to_bytes().ok()?).ok()?));
        let calendars = self.calendars.iter().map(text).collect::<Option<_>>()?;
        let bytes = |one: &Issuer| Some((one.name.clone(), one.file.to_bytes().ok()?));
        let issuers = self.issuers.iter().map(bytes).collect::<Option<_>>()?;
        let record = self.record.clone();
        let kept = Kept { at, record, catalog, rules, standards, calendars, issuers, profiles_missing };
        let rest = postcard::to_allocvec(&kept).ok()?;
        Some([HEADING.as_bytes(), Digest::of(&rest).as_bytes(), &rest].concat())
    }

    /// Reads what was kept of governance as its stream stood here; `None` if it is of another moment or another program, or
    /// not whole.
    pub fn from_kept(bytes: &[u8], at: StreamHead) -> Option<Self> {
        Self::kept(bytes, |found| found == at).map(|(_, governance)| governance)
    }

    /// Reads what was kept of governance, with where its stream stood, if that is wanted.
    pub fn kept(bytes: &[u8], wanted: impl FnOnce(StreamHead) -> bool) -> Option<(StreamHead, Self)> {
        let (digest, rest) = bytes.strip_prefix(HEADING.as_bytes())?.split_first_chunk::<32>()?;
        if Digest::of(rest).as_bytes() != digest {
            return None;
        }
        let kept: Kept = postcard::from_bytes(rest).ok().filter(|kept: &Kept| wanted(kept.at))?;
        let parse = |(name, text): (String, String)| Some((name.clone(), Standard::parse(&name, &text).ok()?));
        let standards = kept.standards.into_iter().map(parse).collect::<Option<_>>()?;
        let parse = |(name, text): (String, String)| Calendar::parse(&name, text.as_bytes()).ok();
        let calendars = kept.calendars.into_iter().map(parse).collect::<Option<Vec<_>>>()?;
        let parse = |(name, bytes): (String, Vec<u8>)| Issuer::parse(&name, &bytes).ok();
        let issuers = kept.issuers.into_iter().map(parse).collect::<Option<Vec<_>>>()?;
        let calendars = Calendars::kept(calendars).with_fetched(&kept.record.fetched);
        let governance = Self {
            record: kept.record,
            catalog: Arc::new(kept.catalog.resolved()),
            rules: Arc::new(kept.rules.parsed().ok()?),
            standards: Arc::new(standards),
            calendars: Arc::new(calendars),
            issuers: Arc::new(Issuers::kept(issuers)),
            profiles_missing: kept.profiles_missing,
            files: Files::Kept,
        };
        Some((kept.at, governance))
    }
}
