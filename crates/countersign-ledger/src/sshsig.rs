//! OpenSSH keys and signatures, verified without OpenSSH.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("`{0}` is not an OpenSSH public key (`ssh-ed25519 AAAA…`)")]
    Parse(String),
}

/// How much a signature says about the hand that made it. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// A key in a file or an agent: a program that can reach it can sign.
    SoftwareKey,
    /// A hardware key was touched.
    Touch,
    /// A hardware key verified its user (PIN or biometry).
    UserVerified,
}

/// `SHA256:…`, as `ssh-keygen -l` prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An OpenSSH public key. Written as `algorithm base64`, without its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(ssh_key::PublicKey);

impl PublicKey {
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.0.fingerprint(ssh_key::HashAlg::Sha256).to_string())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut key = ssh_key::PublicKey::from_openssh(s).map_err(|_| KeyError::Parse(s.to_owned()))?;
        key.set_comment("");
        Ok(Self(key))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_openssh() {
            Ok(text) => f.write_str(text.trim_end()),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
