//! OpenSSH keys and signatures, verified without OpenSSH (`PROTOCOL.sshsig`, `PROTOCOL.u2f`).
//!
//! Out of scope: whose key it is, whether it was valid at the time, and certificates.
//!
//! Invariants:
//! - What [`verify`] accepts, stock `ssh-keygen -Y verify` accepts too; not the other way round, because we are
//!   stricter: only SHA-512 as the message hash (the default of `ssh-keygen`), RSA of 2048 bits or more and never SHA-1,
//!   nothing after the signature, nothing in the reserved field.
//! - One key has one encoding, so a fingerprint names one key.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha512};
use thiserror::Error;

use crate::dsse::{Envelope, NAMESPACE};

pub(crate) mod algorithms;
mod allowed_signers;
mod armor;
mod key;
mod known_keys;
mod signing_key;
mod webauthn;
mod wire;

pub use allowed_signers::{AllowedSigner, AllowedSignersError, AllowedSignersProblem, parse_allowed_signers};
pub use armor::{armor, dearmor};
pub use key::{Fingerprint, KeyError, PublicKey};
pub use known_keys::KnownKeys;
pub use signing_key::SigningKey;
pub use webauthn::{WebauthnAssertion, from_webauthn};

use wire::{Reader, Writer};

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const HASH_ALGORITHM: &str = "sha512";

/// The largest signature that is looked at. One with RSA of 8192 bits has less than 3 KiB.
pub const MAX_SSHSIG_BYTES: usize = 16 * 1024;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    #[error("the signature is malformed: {0}")]
    Malformed(&'static str),
    #[error("the signature's SSHSIG version is {0}, not {VERSION}")]
    Version(u32),
    #[error("the signature was made for namespace `{found}`, not for `{expected}`")]
    Namespace { found: String, expected: String },
    #[error("the signature hashes its message with `{0}`, not with `{HASH_ALGORITHM}`")]
    HashAlgorithm(String),
    #[error("`{0}` signatures are not supported")]
    Unsupported(String),
    #[error("the signature's algorithm `{algorithm}` does not fit its key, `{key}`")]
    KeyMismatch { algorithm: &'static str, key: String },
    #[error("the RSA key has {0} bits; between 2048 and 8192 are accepted")]
    RsaBits(usize),
    #[error("the signature's public key is malformed")]
    PublicKey,
    #[error("the passkey's signature is not acceptable: {0}")]
    Webauthn(&'static str),
    #[error("the signature does not fit the message and the key")]
    Invalid,
    #[error("the secret key is not an unencrypted OpenSSH ed25519 key: {0}")]
    SecretKey(&'static str),
}

/// How sure a signature makes us that a person was there when it was made. A later one includes the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// A key in a file or an agent: any program of that user could have signed.
    SoftwareKey,
    /// A hardware key that somebody touched.
    Touch,
    /// A hardware key or passkey that was touched and checked a PIN or a finger.
    UserVerified,
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SoftwareKey => "software key",
            Self::Touch => "touch",
            Self::UserVerified => "user verified",
        })
    }
}

/// What a good signature says: this key signed. Whether the key may is for the caller to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub key: PublicKey,
    pub assurance: Assurance,
}

/// Checks a raw (not armored) SSHSIG blob over `message` in `namespace`.
pub fn verify(sshsig: &[u8], namespace: &str, message: &[u8]) -> Result<Verified, SignatureError> {
    let blob = Blob::of(sshsig, namespace)?;
    let key = PublicKey::from_blob(blob.public_key)?;
    let assurance = algorithms::check(&key, None, blob.signature, &signed_data(namespace, message))?;
    Ok(Verified { key, assurance })
}

impl Envelope {
    /// Checks every signature of the envelope, in their order.
    pub fn verify_all(&self) -> Vec<Result<Verified, SignatureError>> {
        let message = self.signed_bytes();
        self.signatures().iter().map(|signature| verify(&signature.sshsig, NAMESPACE, &message)).collect()
    }

    /// The keys that its signatures name, whether or not they are by them: for whoever has checked that before.
    pub fn named_keys(&self) -> impl Iterator<Item = PublicKey> {
        let blobs = self.signatures().iter().filter_map(|signature| Blob::parse(&signature.sshsig).ok());
        blobs.filter_map(|blob| PublicKey::from_blob(blob.public_key).ok())
    }

    /// The same for whoever checks many: each key is read once, and its fingerprint comes along.
    pub fn verify_all_knowing(&self, keys: &mut KnownKeys) -> Vec<Result<(Verified, Fingerprint), SignatureError>> {
        let data = signed_data(NAMESPACE, &self.signed_bytes());
        let check = |sshsig: &[u8]| {
            let blob = Blob::of(sshsig, NAMESPACE)?;
            let known = keys.read(blob.public_key)?;
            let assurance = algorithms::check(&known.key, known.point.as_ref(), blob.signature, &data)?;
            Ok((Verified { key: known.key.clone(), assurance }, known.fingerprint.clone()))
        };
        self.signatures().iter().map(|signature| signature.sshsig.as_slice()).map(check).collect()
    }
}

/// The bytes that a key signs for `message` (PROTOCOL.sshsig section 2). For a passkey they are the challenge.
pub fn signed_data(namespace: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Writer::from(MAGIC);
    out.string(namespace.as_bytes());
    out.string(b"");
    out.string(HASH_ALGORITHM.as_bytes());
    out.string(&Sha512::digest(message));
    out.into_bytes()
}

/// An SSHSIG blob (PROTOCOL.sshsig section 1), taken apart.
struct Blob<'a> {
    public_key: &'a [u8],
    namespace: &'a str,
    hash_algorithm: &'a str,
    signature: &'a [u8],
}

impl<'a> Blob<'a> {
    /// A blob that was made in this namespace, by the hash that is used here.
    fn of(sshsig: &'a [u8], namespace: &str) -> Result<Self, SignatureError> {
        let blob = Self::parse(sshsig)?;
        // PROTOCOL.sshsig section 1: the namespace must not be empty.
        if blob.namespace != namespace || namespace.is_empty() {
            return Err(SignatureError::Namespace { found: blob.namespace.to_owned(), expected: namespace.to_owned() });
        }
        if blob.hash_algorithm != HASH_ALGORITHM {
            return Err(SignatureError::HashAlgorithm(blob.hash_algorithm.to_owned()));
        }
        Ok(blob)
    }

    fn parse(sshsig: &'a [u8]) -> Result<Self, SignatureError> {
        if sshsig.len() > MAX_SSHSIG_BYTES {
            return Err(SignatureError::Malformed("it is too large"));
        }
        let body = sshsig.strip_prefix(MAGIC).ok_or(SignatureError::Malformed("it does not start with `SSHSIG`"))?;
        let mut reader = Reader::new(body);
        let version = reader.u32("version")?;
        if version != VERSION {
            return Err(SignatureError::Version(version));
        }
        let public_key = reader.string("public key")?;
        let namespace = reader.text("namespace")?;
        let reserved = reader.string("reserved field")?;
        let hash_algorithm = reader.text("hash algorithm")?;
        let signature = reader.string("signature")?;
        reader.finish()?;
        // The section has verifiers ignore this field. OpenSSH signs it as empty whatever it holds, so accepting
        // content would let anybody alter a signature that stays valid.
        if !reserved.is_empty() {
            return Err(SignatureError::Malformed("its reserved field is not empty"));
        }
        Ok(Self { public_key, namespace, hash_algorithm, signature })
    }
}

/// Puts an SSHSIG blob together.
fn blob(public_key: &[u8], namespace: &str, signature: &[u8]) -> Vec<u8> {
    let mut out = Writer::from(MAGIC);
    out.u32(VERSION);
    out.string(public_key);
    out.string(namespace.as_bytes());
    out.string(b"");
    out.string(HASH_ALGORITHM.as_bytes());
    out.string(signature);
    out.into_bytes()
}
