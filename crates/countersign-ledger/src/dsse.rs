//! DSSE 1.0.2 envelopes: who signed which bytes. An envelope is kept verbatim, because its bytes are part of a leaf.
//!
//! A signature here is an SSHSIG blob (OpenSSH `PROTOCOL.sshsig`) in the namespace [`NAMESPACE`] over the
//! pre-authentication encoding of the payload, so that stock `ssh-keygen -Y verify` can check it.

use std::{fmt, marker::PhantomData};

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use thiserror::Error;

use crate::digest::Digest;

/// The SSHSIG namespace of every signature in the ledger. Never `git` or `file`: a signature made for
/// something else must not count here.
pub const NAMESPACE: &str = "countersign";

/// The payload type of every statement: an in-toto Statement v1.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The type of a signature: an SSHSIG blob, which is also meant where no type is written.
pub const SSHSIG: &str = "sshsig";

/// The type of what stands in the place of a signature where a CI's OIDC token speaks for one: the digest of the token, which
/// lies beside the ledger. The token is over the payload, since that is its audience.
pub const OIDC_JWT: &str = "oidc-jwt";

/// The largest payload that the ledger takes.
pub const MAX_PAYLOAD_BYTES: usize = 32 * 1024;

/// The largest envelope, so that a leaf stays below the 65,535 bytes that a tlog-tiles entry bundle can hold.
pub const MAX_ENVELOPE_BYTES: usize = 60 * 1024;

/// More signatures than any statement needs; a bound on the work that a stranger can ask for.
pub const MAX_SIGNATURES: usize = 16;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum EnvelopeError {
    #[error("the envelope has {0} bytes, more than the {MAX_ENVELOPE_BYTES} that a leaf can hold")]
    TooLarge(usize),
    #[error("the envelope is not a DSSE envelope: {0}")]
    Json(String),
    #[error("the payload type is `{0}`, not `{IN_TOTO}`")]
    PayloadType(String),
    #[error("the payload is not base64")]
    PayloadBase64,
    #[error("the payload has {0} bytes, more than the {MAX_PAYLOAD_BYTES} that are allowed")]
    PayloadTooLarge(usize),
    #[error("the envelope has {0} signatures; it needs between 1 and {MAX_SIGNATURES}")]
    SignatureCount(usize),
    #[error("signature {0} is not base64")]
    SignatureBase64(usize),
    #[error("a token stands alone: the envelope has another signature beside it")]
    TokenBeside,
    #[error("the envelope names a token by something else than the 32 bytes of its SHA-256")]
    TokenDigest,
    #[error(
        "signature {place} is of the type `{found}`, which this program does not know; it knows `sshsig` and `oidc-jwt`"
    )]
    SignatureType { place: usize, found: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    payload_type: String,
    payload: String,
    signatures: Vec<Object<WireSignature>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
    /// Absent for the sort that a person makes.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    sort: Option<String>,
}

/// A JSON object. What derives `Deserialize` is also read from an array of its fields, which no other reader of DSSE takes.
#[derive(Serialize)]
#[serde(transparent)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMaps<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OnlyMaps(PhantomData))
    }
}

/// One signature: an SSHSIG blob. The key id is a hint (the signer's fingerprint) and never trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub keyid: String,
    pub sshsig: Vec<u8>,
}

/// The token that speaks in the place of a signature. The key id is a hint: by which issuer's which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedToken {
    pub keyid: String,
    pub digest: Digest,
}

/// A DSSE envelope, parsed, together with the bytes that it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    raw: Vec<u8>,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
    token: Option<NamedToken>,
}

/// DSSE's pre-authentication encoding:
/// `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

impl Envelope {
    /// Parses an envelope and keeps its bytes as they are. Both base64 alphabets are accepted, as DSSE asks.
    pub fn parse(raw: &[u8]) -> Result<Self, EnvelopeError> {
        if raw.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge(raw.len()));
        }
        let Object(wire): Object<Wire> = serde_json::from_slice(raw).map_err(|e| EnvelopeError::Json(e.to_string()))?;
        if wire.payload_type != IN_TOTO {
            return Err(EnvelopeError::PayloadType(wire.payload_type));
        }
        let payload = decode_base64(&wire.payload).ok_or(EnvelopeError::PayloadBase64)?;
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(EnvelopeError::PayloadTooLarge(payload.len()));
        }
        if wire.signatures.is_empty() || wire.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::SignatureCount(wire.signatures.len()));
        }
        if wire.signatures.iter().any(|Object(signature)| signature.sort.as_deref() == Some(OIDC_JWT)) {
            let token = named_token(wire.signatures)?;
            return Ok(Self { raw: raw.to_vec(), payload, signatures: Vec::new(), token: Some(token) });
        }
        let signatures = wire
            .signatures
            .into_iter()
            .enumerate()
            .map(|(i, Object(s))| {
                match s.sort.as_deref() {
                    None | Some(SSHSIG) => {}
                    Some(found) => {
                        let found = found.chars().take(80).collect();
                        return Err(EnvelopeError::SignatureType { place: i, found });
                    }
                }
                let sshsig = decode_base64(&s.sig).ok_or(EnvelopeError::SignatureBase64(i))?;
                Ok(Signature { keyid: s.keyid, sshsig })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { raw: raw.to_vec(), payload, signatures, token: None })
    }

    /// Builds an envelope for which a token speaks.
    pub fn by_token(payload: &[u8], token: NamedToken) -> Result<Self, EnvelopeError> {
        let NamedToken { keyid, digest } = token;
        let sig = STANDARD.encode(digest.as_bytes());
        let wire = Wire {
            payload_type: IN_TOTO.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Object(WireSignature { keyid, sig, sort: Some(OIDC_JWT.to_owned()) })],
        };
        let raw = serde_json::to_vec(&wire).map_err(|e| EnvelopeError::Json(e.to_string()))?;
        Self::parse(&raw)
    }

    /// Builds an envelope from a payload and its signatures.
    pub fn new(payload: &[u8], signatures: Vec<Signature>) -> Result<Self, EnvelopeError> {
        let wire = Wire {
            payload_type: IN_TOTO.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: signatures
                .into_iter()
                .map(|s| Object(WireSignature { keyid: s.keyid, sig: STANDARD.encode(&s.sshsig), sort: None }))
                .collect(),
        };
        let raw = serde_json::to_vec(&wire).map_err(|e| EnvelopeError::Json(e.to_string()))?;
        Self::parse(&raw)
    }

    /// The envelope's bytes, exactly as they came.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The digest of the payload: what names a statement, whoever signed it.
    pub fn payload_digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The token that stands in the place of a signature; then there is none.
    pub fn token(&self) -> Option<&NamedToken> {
        self.token.as_ref()
    }

    /// The bytes that every signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pae(IN_TOTO, &self.payload)
    }
}

fn named_token(signatures: Vec<Object<WireSignature>>) -> Result<NamedToken, EnvelopeError> {
    let [Object(WireSignature { keyid, sig, .. })] =
        <[_; 1]>::try_from(signatures).map_err(|_| EnvelopeError::TokenBeside)?;
    let digest = decode_base64(&sig).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let digest = digest.map(Digest::from_bytes).ok_or(EnvelopeError::TokenDigest)?;
    Ok(NamedToken { keyid, digest })
}

/// The standard alphabet or the URL-safe one, with or without padding.
/// In either alphabet, padded or not.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const EITHER: [GeneralPurpose; 2] = [
        GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT),
        GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT),
    ];
    EITHER.iter().find_map(|engine| engine.decode(text).ok())
}
