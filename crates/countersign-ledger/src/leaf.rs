//! Leaves: the log's header and, verbatim, the client's envelope.
//!
//! The byte format is frozen; golden bytes in the tests say so. It is text up to the envelope, so that an auditor can
//! read a leaf with `less`:
//!
//! ```text
//! countersign-leaf/v1
//! change/9f2c4e6a81d0          stream
//! 3                            sequence number in the stream, from 0
//! 5b1e…                        leaf hash of the stream's previous leaf; 64 zeros for the first
//! 1774000000000                admitted at, milliseconds since the Unix epoch
//!                              (empty line)
//! {"payloadType":…}            the DSSE envelope, verbatim, to the end
//! ```

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    digest::Hash,
    dsse::{Envelope, EnvelopeError},
    time::Time,
};

const MAGIC: &str = "countersign-leaf/v1";

/// A tlog-tiles entry bundle stores lengths as 16 bits.
pub const MAX_LEAF_BYTES: usize = 65_534;

const MAX_STREAM_BYTES: usize = 128;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum LeafError {
    #[error("the leaf has {0} bytes, more than {MAX_LEAF_BYTES}")]
    TooLarge(usize),
    #[error("the leaf's header is malformed: {0}")]
    Header(&'static str),
    #[error("`{0}` is not a stream name: lower-case letters, digits, `-`, `.` and `/`, at most 128 of them")]
    Stream(String),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// The name of a stream: `governance`, or `change/<id>`. The ledger gives it no meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId(String);

impl StreamId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamId {
    type Err = LeafError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'/');
        if s.is_empty() || s.len() > MAX_STREAM_BYTES || !s.bytes().all(allowed) {
            return Err(LeafError::Stream(s.to_owned()));
        }
        Ok(Self(s.to_owned()))
    }
}

impl TryFrom<String> for StreamId {
    type Error = LeafError;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a stream stands: how many leaves it has and the hash of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHead {
    /// The sequence number that the next leaf will have.
    pub next_seq: u64,
    /// Leaf hash of the last leaf; zeros for an empty stream.
    pub last: Hash,
}

impl StreamHead {
    pub const EMPTY: Self = Self { next_seq: 0, last: Hash::from_bytes([0; 32]) };
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub stream: StreamId,
    pub seq: u64,
    pub prev: Hash,
    pub admitted_at: Time,
    pub envelope: Envelope,
}

impl Leaf {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out =
            format!("{MAGIC}\n{}\n{}\n{}\n{}\n\n", self.stream, self.seq, self.prev, self.admitted_at.unix_millis())
                .into_bytes();
        out.extend_from_slice(self.envelope.raw());
        out
    }

    /// Parses the one spelling that [`Leaf::to_bytes`] writes; anything else is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(LeafError::TooLarge(bytes.len()));
        }
        let mut parts = bytes.splitn(7, |b| *b == b'\n');
        let mut line = |what: &'static str| {
            let raw = parts.next().ok_or(LeafError::Header(what))?;
            std::str::from_utf8(raw).map_err(|_| LeafError::Header(what))
        };
        if line("magic")? != MAGIC {
            return Err(LeafError::Header("it does not start with `countersign-leaf/v1`"));
        }
        let stream = line("stream")?.parse()?;
        let seq = canonical_number(line("sequence number")?, "the sequence number")?;
        let prev = line("previous leaf")?.parse().map_err(|_| LeafError::Header("the previous leaf's hash"))?;
        let admitted_at = canonical_number(line("time")?, "the time of admission")?;
        if !line("empty line")?.is_empty() {
            return Err(LeafError::Header("an empty line must end it"));
        }
        let envelope = Envelope::parse(parts.next().ok_or(LeafError::Header("the envelope is missing"))?)?;
        Ok(Self { stream, seq, prev, admitted_at: Time::from_unix_millis(admitted_at), envelope })
    }

    pub fn hash(&self) -> Hash {
        Hash::leaf(&self.to_bytes())
    }
}

fn canonical_number<N: FromStr + ToString>(text: &str, what: &'static str) -> Result<N, LeafError> {
    let number: N = text.parse().map_err(|_| LeafError::Header(what))?;
    if number.to_string() == text { Ok(number) } else { Err(LeafError::Header(what)) }
}
