//! JSON Web Signatures in their compact form (RFC 7515), as an OIDC issuer signs its tokens: read strictly and verified, never made.
//!
//! Out of scope: what its claims mean, whose key it is, and whether it was valid at the time.
//!
//! Invariants:
//! - The key decides by which algorithm it signs, and the header has to say the same: RS256, ES256 or EdDSA. There is no
//!   `none`, and no algorithm by a shared secret, so that nobody passes a public key off as one.
//! - One token has one spelling: base64url without padding, no member of header or claims twice.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::Value;
use thiserror::Error;

use crate::sshsig::{PublicKey, SignatureError, algorithms};

/// The largest token that is looked at. Those of CI systems have one to three KiB.
pub const MAX_JWS_BYTES: usize = 16 * 1024;
/// The largest set of keys, and the most in it: issuers publish a handful.
pub const MAX_JWKS_BYTES: usize = 64 * 1024;
pub const MAX_JWKS: usize = 32;
/// Longest name of a key.
const MAX_KID_BYTES: usize = 128;

/// By which algorithm a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsAlgorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl JwsAlgorithm {
    const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    fn parse(name: &str) -> Result<Self, JwsError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
        found.ok_or_else(|| JwsError::Algorithm(short(name)))
    }
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JwsError {
    #[error("the token has {0} bytes, more than {MAX_JWS_BYTES}")]
    TooLarge(usize),
    #[error("the token is not header.claims.signature")]
    Shape,
    #[error("the token's {0} is not base64url without padding")]
    Base64(&'static str),
    #[error("the token's {0} is no JSON object with each member once: {1}")]
    Json(&'static str, String),
    #[error("the token is signed by `{0}`; RS256, ES256 and EdDSA are taken")]
    Algorithm(String),
    #[error("the token's header names no key (`kid`)")]
    NoKeyId,
    #[error("the token's header is of the type `{0}`, not `JWT`")]
    Type(String),
    #[error("the token's header asks for something that is not known here (`crit`)")]
    Critical,
    #[error("the token says that it is signed by {found}, and its key signs by {expected}")]
    KeyMismatch { found: &'static str, expected: &'static str },
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JwksError {
    #[error("the keys have {0} bytes, more than {MAX_JWKS_BYTES}")]
    TooLarge(usize),
    #[error("it is no JSON Web Key Set ({{\"keys\": [...]}}): {0}")]
    Json(String),
    #[error("it has no key that signs tokens")]
    Empty,
    #[error("it has more than {MAX_JWKS} keys")]
    TooMany,
    #[error("key {0} of the set has no `kid` of 1 to {MAX_KID_BYTES} visible characters")]
    NoKeyId(usize),
    #[error("two keys are called `{0}`")]
    Twice(String),
    #[error("key `{0}` has a secret half, which belongs to nobody but the issuer")]
    Secret(String),
    #[error("key `{kid}` cannot be taken: {why}")]
    Key { kid: String, why: String },
}

/// A JSON object in which no member stands twice: two readers could otherwise see different things in it.
struct Once(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Once;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.contains_key(&name) {
                        return Err(de::Error::custom(format_args!("`{}` is there twice", short(&name))));
                    }
                    members.insert(name, value);
                }
                Ok(Once(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A token, taken apart. Nothing is said yet of whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jws {
    algorithm: JwsAlgorithm,
    kid: String,
    claims: BTreeMap<String, Value>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Jws {
    pub fn parse(token: &[u8]) -> Result<Self, JwsError> {
        if token.len() > MAX_JWS_BYTES {
            return Err(JwsError::TooLarge(token.len()));
        }
        let token = std::str::from_utf8(token).map_err(|_| JwsError::Shape)?;
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::Shape);
        };
        let signed = format!("{header}.{claims}").into_bytes();
        let Once(header) = object("header", header)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let algorithm = JwsAlgorithm::parse(text("alg").unwrap_or_default())?;
        if header.contains_key("crit") {
            return Err(JwsError::Critical);
        }
        if let Some(kind) =
            header.get("typ").filter(|kind| !kind.as_str().is_some_and(|k| k.eq_ignore_ascii_case("JWT")))
        {
            return Err(JwsError::Type(short(kind.as_str().unwrap_or("something else"))));
        }
        let kid = text("kid").filter(|kid| is_kid(kid)).ok_or(JwsError::NoKeyId)?.to_owned();
        let Once(claims) = object("claims", claims)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwsError::Base64("signature"))?;
        Ok(Self { algorithm, kid, claims, signed, signature })
    }

    /// By which key it says that it is signed.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn claims(&self) -> &BTreeMap<String, Value> {
        &self.claims
    }

    /// Checks the signature by this key.
    pub fn verify(&self, key: &PublicKey) -> Result<(), JwsError> {
        let expected = algorithm_of(key)?;
        if expected != self.algorithm {
            return Err(JwsError::KeyMismatch { found: self.algorithm.as_str(), expected: expected.as_str() });
        }
        Ok(algorithms::check_bare(key, &self.signature, &self.signed)?)
    }
}

/// By which algorithm a key signs tokens.
pub fn algorithm_of(key: &PublicKey) -> Result<JwsAlgorithm, JwsError> {
    match key.algorithm().as_str() {
        "ssh-rsa" => Ok(JwsAlgorithm::Rs256),
        "ecdsa-sha2-nistp256" => Ok(JwsAlgorithm::Es256),
        "ssh-ed25519" => Ok(JwsAlgorithm::EdDsa),
        other => Err(JwsError::Algorithm(other.to_owned())),
    }
}

fn object(what: &'static str, part: &str) -> Result<Once, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Base64(what))?;
    serde_json::from_slice(&bytes).map_err(|error| JwsError::Json(what, error.to_string()))
}

fn is_kid(kid: &str) -> bool {
    !kid.is_empty() && kid.len() <= MAX_KID_BYTES && kid.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Once>,
}

/// The keys of a JSON Web Key Set (RFC 7517), by their names. Those for encrypting are left out; any other that signs by
/// something else than is taken here is refused, so that nobody believes that it counts.
pub fn parse_jwks(bytes: &[u8]) -> Result<BTreeMap<String, PublicKey>, JwksError> {
    if bytes.len() > MAX_JWKS_BYTES {
        return Err(JwksError::TooLarge(bytes.len()));
    }
    let set: KeySet = serde_json::from_slice(bytes).map_err(|error| JwksError::Json(error.to_string()))?;
    if set.keys.len() > MAX_JWKS {
        return Err(JwksError::TooMany);
    }
    let mut keys = BTreeMap::new();
    for (place, Once(members)) in set.keys.into_iter().enumerate() {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let kid = text("kid").filter(|kid| is_kid(kid)).ok_or(JwksError::NoKeyId(place.saturating_add(1)))?.to_owned();
        if ["d", "k", "p", "q"].iter().any(|secret| members.contains_key(*secret)) {
            return Err(JwksError::Secret(kid));
        }
        if text("use") == Some("enc") {
            continue;
        }
        let key = read_key(&members).map_err(|why| JwksError::Key { kid: kid.clone(), why })?;
        if keys.contains_key(&kid) {
            return Err(JwksError::Twice(kid));
        }
        keys.insert(kid, key);
    }
    if keys.is_empty() { Err(JwksError::Empty) } else { Ok(keys) }
}

/// RFC 7518 section 6, RFC 8037 section 2.
fn read_key(members: &BTreeMap<String, Value>) -> Result<PublicKey, String> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        let bytes = text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        bytes.ok_or_else(|| format!("its `{name}` is not there, or not base64url"))
    };
    let (key, algorithm) = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => (PublicKey::of_rsa(&bytes("n")?, &bytes("e")?), JwsAlgorithm::Rs256),
        (Some("EC"), Some("P-256")) => (PublicKey::of_p256(&bytes("x")?, &bytes("y")?), JwsAlgorithm::Es256),
        (Some("OKP"), Some("Ed25519")) => (PublicKey::of_ed25519(&bytes("x")?), JwsAlgorithm::EdDsa),
        (kind, curve) => {
            let found = [kind, curve].into_iter().flatten().map(short).collect::<Vec<_>>().join(" ");
            return Err(format!("it is of the kind `{found}`; RSA, EC P-256 and OKP Ed25519 are taken"));
        }
    };
    if let Some(said) = text("alg").filter(|said| *said != algorithm.as_str()) {
        return Err(format!("it is for `{}`; a key of its kind signs by {} here", short(said), algorithm.as_str()));
    }
    let key = key.map_err(|_| "its numbers make no key of that kind".to_owned())?;
    match key.unfit() {
        Some(why) => Err(format!("it is {why}")),
        None => Ok(key),
    }
}
