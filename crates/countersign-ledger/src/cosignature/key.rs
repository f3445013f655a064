//! A cosigner's two keys. Their texts are those of notes (`signed-note`, section "Verifier keys") with the algorithm byte
//! of Ed25519 cosignatures, so that other programs of this kind read them.
//!
//! Invariant: a key has one spelling.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{SECRET_KEY_LENGTH, SIGNATURE_LENGTH, Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use signed_note::{Signature, is_key_name_valid, key_id};
use zeroize::Zeroizing;

use super::{Cosignature, CosignatureError};
use crate::{checkpoint::SignedCheckpoint, time::Time};

/// `signed-note`, section "Signature types": timestamped Ed25519 cosignatures.
const ALGORITHM: u8 = 0x04;

/// How the text of a secret key begins, lest it is taken for the public one.
const SECRET: &str = "PRIVATE+KEY+";

/// `tlog-cosignature`, section "Format": a time must not exceed 2^63 - 1.
const MAX_TIME_SECS: u64 = i64::MAX as u64;

/// A cosigner's secret: whoever has it can say that the cosigner saw any checkpoint that the log signed.
pub struct CosignerKey {
    verifier: VerifierKey,
    secret: SigningKey,
}

impl CosignerKey {
    pub fn generate(name: &str, rng: &mut impl CryptoRngCore) -> Result<Self, CosignatureError> {
        Self::new(name, SigningKey::generate(rng))
    }

    fn new(name: &str, secret: SigningKey) -> Result<Self, CosignatureError> {
        let verifier = VerifierKey::new(name, secret.verifying_key().to_bytes())
            .ok_or_else(|| CosignatureError::Name(name.to_owned()))?;
        Ok(Self { verifier, secret })
    }

    /// Reads `PRIVATE+KEY+<name>+<id>+<base64>`, as `to_text` writes it.
    pub fn from_text(text: &str) -> Result<Self, CosignatureError> {
        let text = text.trim();
        parse_secret(text).filter(|key| *key.to_text() == text).ok_or(CosignatureError::SecretKey)
    }

    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 1 + SECRET_KEY_LENGTH]);
        let [algorithm, seed @ ..] = &mut *bytes;
        *algorithm = ALGORITHM;
        *seed = *Zeroizing::new(self.secret.to_bytes());
        let base64 = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
        let public = format!("{SECRET}{}+{:08x}+", self.verifier.name, self.verifier.id);
        // With room for all of it no buffer grows and leaves a copy of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(public.len().saturating_add(base64.len())));
        text.push_str(&public);
        text.push_str(&base64);
        text
    }

    /// The cosigner's name.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// What others pin.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Says that at `now` this is the longest log of its origin that the cosigner saw. Whether that is true, the caller
    /// has to have made sure of: it followed the log up to here, or at least checked consistency with what it cosigned
    /// last.
    pub fn cosign(&self, checkpoint: &SignedCheckpoint, now: Time) -> Result<Cosignature, CosignatureError> {
        let time_secs =
            u64::try_from(now.unix_secs()).map_err(|_| CosignatureError::Time(now.unix_secs().unsigned_abs()))?;
        let made = self.secret.try_sign(&message(time_secs, &checkpoint.text()));
        let made = made.map_err(|e| CosignatureError::Sign(e.to_string()))?;
        let bytes = [time_secs.to_be_bytes().as_slice(), &made.to_bytes()].concat();
        let signature = Signature::new(self.verifier.name.clone(), self.verifier.id, bytes)
            .map_err(|e| CosignatureError::Sign(e.to_string()))?;
        Ok(Cosignature { key: self.verifier.clone(), time_secs, signature })
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CosignerKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

fn parse_secret(text: &str) -> Option<CosignerKey> {
    // Base64 has `+` too, so the key is what follows the second.
    let mut parts = text.strip_prefix(SECRET)?.splitn(3, '+');
    let (name, _id, base64) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = Zeroizing::new(STANDARD.decode(base64).ok()?);
    let (ALGORITHM, seed) = bytes.split_first().map(|(algorithm, seed)| (*algorithm, seed))? else { return None };
    CosignerKey::new(name, SigningKey::try_from(seed).ok()?).ok()
}

/// Section "Ed25519 signed message".
fn message(time_secs: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_secs}\n{text}").into_bytes()
}

/// The public half of a [`CosignerKey`], `<name>+<id>+<base64>`: what verifiers pin.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: String,
    id: u32,
    public: [u8; 32],
}

impl VerifierKey {
    /// `None` when a note could not carry the name.
    fn new(name: &str, public: [u8; 32]) -> Option<Self> {
        // `signed_note` leaves control characters to the note that holds the name.
        let is_valid = is_key_name_valid(name) && !name.chars().any(char::is_control);
        is_valid.then(|| Self { name: name.to_owned(), id: key_id(name, &with_algorithm(&public)), public })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 key itself. Two cosigners must not share one: what is signed does not name its signer.
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether it is the key of a log (`<origin>+<id>+<base64>`), which vouches for nothing but itself.
    pub fn is_log_key(&self, log_key: &str) -> bool {
        let encoded = log_key.splitn(3, '+').nth(2).and_then(|text| STANDARD.decode(text).ok());
        encoded.and_then(|bytes| bytes.split_first().map(|(_, key)| key == self.public)).unwrap_or(false)
    }

    /// Whether a line says that it is of this key.
    pub(super) fn is_named_in(&self, line: &Signature) -> bool {
        line.name() == self.name && line.id() == self.id
    }

    /// The line as a cosignature, if this key made it over `text`.
    pub(super) fn check(&self, text: &str, line: &Signature) -> Option<Cosignature> {
        if !self.is_named_in(line) {
            return None;
        }
        let (time, signature) = line.signature().split_first_chunk::<8>()?;
        let time_secs = Some(u64::from_be_bytes(*time)).filter(|secs| *secs <= MAX_TIME_SECS)?;
        let signature = ed25519_dalek::Signature::from_bytes(<&[u8; SIGNATURE_LENGTH]>::try_from(signature).ok()?);
        let key = VerifyingKey::from_bytes(&self.public).ok()?;
        key.verify_strict(&message(time_secs, text), &signature).ok()?;
        Some(Cosignature { key: self.clone(), time_secs, signature: line.clone() })
    }
}

fn with_algorithm(public: &[u8; 32]) -> Vec<u8> {
    [&[ALGORITHM], public.as_slice()].concat()
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(with_algorithm(&self.public)))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = CosignatureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_verifier(text).map_err(|reason| CosignatureError::VerifierKey { key: text.to_owned(), reason })
    }
}

fn parse_verifier(text: &str) -> Result<VerifierKey, &'static str> {
    const FORM: &str = "it has no such form";
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(_id), Some(base64)) = (parts.next(), parts.next(), parts.next()) else { return Err(FORM) };
    let bytes = STANDARD.decode(base64).map_err(|_| FORM)?;
    let (algorithm, public) = bytes.split_first().ok_or(FORM)?;
    match *algorithm {
        ALGORITHM => {}
        0x01 => return Err("it is of a log (algorithm 0x01), not of a cosigner (0x04)"),
        0x06 => return Err("it is of ML-DSA-44 (algorithm 0x06), of which only Ed25519 (0x04) is read"),
        _ => return Err("its algorithm is not 0x04"),
    }
    let public = <[u8; 32]>::try_from(public).map_err(|_| "its key has not 32 bytes")?;
    // A weak key has signatures that anybody can make.
    if VerifyingKey::from_bytes(&public).ok().is_none_or(|key| key.is_weak()) {
        return Err("its key is not one of Ed25519");
    }
    let key = VerifierKey::new(name, public).ok_or("a note cannot carry its name")?;
    if key.to_string() == text { Ok(key) } else { Err("its id is not that of its name and key") }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifierKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
