//! The two kinds of hash. A [`Digest`] names content (`sha256:…`); a [`Hash`](struct@Hash) is a node of the Merkle tree, which is
//! domain-separated as RFC 6962 section 2.1 asks, so that neither can be mistaken for the other.

use std::{fmt, str::FromStr};

use base16ct::lower;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ParseDigestError {
    #[error("digest `{0}` does not start with `sha256:`")]
    Algorithm(String),
    #[error("`{0}` is not 64 lower-case hexadecimal digits")]
    Hex(String),
}

/// SHA-256 of some content. Written `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(content: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(content.as_ref()).into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits without the algorithm, as in-toto digest sets and file names want them.
    pub fn hex(&self) -> String {
        lower::encode_string(&self.0)
    }

    /// Parses the 64 hex digits of a digest without its algorithm.
    pub fn from_hex(hex: &str) -> Result<Self, ParseDigestError> {
        from_hex(hex).map(Self).ok_or_else(|| ParseDigestError::Hex(hex.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let hex = s.strip_prefix("sha256:").ok_or_else(|| ParseDigestError::Algorithm(s.to_owned()))?;
        Self::from_hex(hex)
    }
}

/// A node of the Merkle tree (RFC 6962 section 2.1). Written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// `MTH({}) = SHA-256()`, the root of the empty tree.
    pub fn empty_tree() -> Self {
        Self(Sha256::digest(b"").into())
    }

    /// `SHA-256(0x00 || leaf)`.
    pub fn leaf(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x00]);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    /// `SHA-256(0x01 || left || right)`.
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x01]);
        hasher.update(left.0);
        hasher.update(right.0);
        Self(hasher.finalize().into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = ParseDigestError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        from_hex(s).map(Self).ok_or_else(|| ParseDigestError::Hex(s.to_owned()))
    }
}

/// As text where people read, as bytes in a binary format.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl de::Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a text")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Text)
                } else {
                    <[u8; 32]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

serde_as_text!(Digest);
serde_as_text!(Hash);

fn write_hex(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut digits = [0; 64];
    lower::encode_str(bytes, &mut digits).map_err(|_| fmt::Error).and_then(|hex| f.write_str(hex))
}

/// Lower-case hex only: one content has one spelling.
fn from_hex(hex: &str) -> Option<[u8; 32]> {
    let mut out = [0_u8; 32];
    // Fewer digits would fill a part of it.
    (hex.len() == 64 && lower::decode(hex, &mut out).is_ok()).then_some(out)
}
