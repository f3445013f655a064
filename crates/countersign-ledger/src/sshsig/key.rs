//! Public keys and their fingerprints.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use ssh_key::{
    Mpint,
    public::{EcdsaPublicKey, Ed25519PublicKey, KeyData, RsaPublicKey},
};
use thiserror::Error;

use super::{SignatureError, algorithms};

#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("`{0}` is not an OpenSSH public key (`ssh-ed25519 AAAA…`)")]
    Parse(String),
}

/// `SHA256:…`, as `ssh-keygen -l` prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash that it writes down. `None` of a text that is no such fingerprint, and so nobody's.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        let mut hash = [0; 33];
        let base64 = self.0.strip_prefix("SHA256:")?;
        let length = STANDARD_NO_PAD.decode_slice(base64, &mut hash).ok()?;
        let (hash, _) = hash.split_first_chunk::<32>()?;
        (length == hash.len()).then_some(*hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An OpenSSH public key. Written as `algorithm base64`, without its comment; in a binary format as its wire format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(ssh_key::PublicKey);

impl PublicKey {
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.0.fingerprint(ssh_key::HashAlg::Sha256).to_string())
    }

    /// The key's type, as in its text: `ssh-ed25519`, `sk-ssh-ed25519@openssh.com`, ….
    pub fn algorithm(&self) -> String {
        self.0.algorithm().as_str().to_owned()
    }

    /// Why no signature of this key is ever taken, if that is so: it is of a type that is not known, or too short.
    pub fn unfit(&self) -> Option<String> {
        algorithms::unfit(self.data())
    }

    /// What a hardware key or passkey is bound to: `ssh:` for a key made by `ssh-keygen`, the relying party's id for a
    /// passkey. `None` for a key in software.
    pub fn application(&self) -> Option<&str> {
        match self.data() {
            KeyData::SkEd25519(key) => Some(key.application()),
            KeyData::SkEcdsaSha2NistP256(key) => Some(key.application()),
            _ => None,
        }
    }

    /// A key from the numbers that it is made of, big-endian.
    pub(crate) fn of_rsa(n: &[u8], e: &[u8]) -> Result<Self, SignatureError> {
        let number = |bytes: &[u8]| Mpint::from_positive_bytes(bytes).map_err(|_| SignatureError::PublicKey);
        Ok(Self::from_data(KeyData::Rsa(RsaPublicKey { e: number(e)?, n: number(n)? })))
    }

    pub(crate) fn of_p256(x: &[u8], y: &[u8]) -> Result<Self, SignatureError> {
        if x.len() != 32 || y.len() != 32 {
            return Err(SignatureError::PublicKey);
        }
        let point = [&[4], x, y].concat();
        // Also that it lies on the curve.
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| SignatureError::PublicKey)?;
        let point = EcdsaPublicKey::from_sec1_bytes(&point).map_err(|_| SignatureError::PublicKey)?;
        Ok(Self::from_data(KeyData::Ecdsa(point)))
    }

    pub(crate) fn of_ed25519(x: &[u8]) -> Result<Self, SignatureError> {
        let bytes: [u8; 32] = x.try_into().map_err(|_| SignatureError::PublicKey)?;
        ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| SignatureError::PublicKey)?;
        Ok(Self::from_data(KeyData::Ed25519(Ed25519PublicKey(bytes))))
    }

    pub(super) fn data(&self) -> &KeyData {
        self.0.key_data()
    }

    pub(super) fn from_data(data: KeyData) -> Self {
        Self(ssh_key::PublicKey::from(data))
    }

    /// Reads a key's wire format (RFC 4253 section 6.6), in its one canonical encoding.
    pub(super) fn from_blob(blob: &[u8]) -> Result<Self, SignatureError> {
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(|_| SignatureError::PublicKey)?;
        let key = Self(key);
        if key.to_blob()? == blob { Ok(key) } else { Err(SignatureError::PublicKey) }
    }

    pub(super) fn to_blob(&self) -> Result<Vec<u8>, SignatureError> {
        self.0.to_bytes().map_err(|_| SignatureError::PublicKey)
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
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        serializer.serialize_bytes(&self.to_blob().map_err(ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wire;

        impl de::Visitor<'_> for Wire {
            type Value = PublicKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a public key's wire format")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<PublicKey, E> {
                PublicKey::from_blob(bytes).map_err(E::custom)
            }
        }

        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return text.parse().map_err(de::Error::custom);
        }
        deserializer.deserialize_bytes(Wire)
    }
}
