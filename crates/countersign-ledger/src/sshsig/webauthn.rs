//! Passkeys: `webauthn-sk-ecdsa-sha2-nistp256@openssh.com` (PROTOCOL.u2f), a browser's WebAuthn assertion in the shape of
//! an SSH signature. The challenge is the blob that any other SSH key would sign.
//!
//! Besides what `ssh-keygen` checks, the origin must be HTTPS (or `localhost`) on the key's relying party or a subdomain
//! of it, and the page must not have been framed by another origin. The key names its relying party, so whoever pins
//! the key has pinned that too.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{
    PublicKey, SignatureError, blob, signed_data,
    wire::{Reader, Writer},
};

pub(super) const ALGORITHM: &str = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";

/// WebAuthn section 6.1: attested credential data follows, which an assertion never has.
const HAS_ATTESTED_DATA: u8 = 0x40;
/// WebAuthn section 6.1: extension data follows.
const HAS_EXTENSIONS: u8 = 0x80;

/// SHA-256 of the relying party's id, one byte of flags, four of the counter (WebAuthn section 6.1).
const AUTHENTICATOR_DATA_BYTES: usize = 37;

/// The part of the signature that the browser wrote.
pub(super) struct Client<'a> {
    origin: &'a str,
    /// The client data, JSON, as the browser serialised it.
    pub(super) data: &'a [u8],
    pub(super) extensions: &'a [u8],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

impl<'a> Client<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, SignatureError> {
        Ok(Self {
            origin: reader.text("origin")?,
            data: reader.string("client data")?,
            extensions: reader.string("extensions")?,
        })
    }

    pub(super) fn check(&self, flags: u8, relying_party: &str, message: &[u8]) -> Result<(), SignatureError> {
        if flags & HAS_ATTESTED_DATA != 0 {
            return Err(SignatureError::Webauthn("it carries attested credential data"));
        }
        if (flags & HAS_EXTENSIONS != 0) == self.extensions.is_empty() {
            return Err(SignatureError::Webauthn("its flags and its extensions disagree"));
        }
        if self.origin.contains(['"', '\\']) {
            return Err(SignatureError::Webauthn("its origin is not an origin"));
        }
        // WebAuthn section 5.8.1.2 fixes the order of these first fields, so that no JSON parser is needed to trust
        // them; PROTOCOL.u2f relies on it.
        let start = format!(
            r#"{{"type":"webauthn.get","challenge":"{}","origin":"{}""#,
            URL_SAFE_NO_PAD.encode(message),
            self.origin
        );
        if !self.data.starts_with(start.as_bytes()) {
            return Err(SignatureError::Webauthn("its client data is for another challenge or origin"));
        }
        // Parsing refuses a second `origin` further back.
        let data: ClientData = serde_json::from_slice(self.data)
            .map_err(|_| SignatureError::Webauthn("its client data is not JSON, or repeats a field"))?;
        if data.origin != self.origin || data.cross_origin {
            return Err(SignatureError::Webauthn("it was made in a page framed by another origin"));
        }
        if !belongs_to(self.origin, relying_party) {
            return Err(SignatureError::Webauthn("its origin does not belong to the key's relying party"));
        }
        Ok(())
    }
}

/// WebAuthn section 5.1.4.1: a relying party's id is the origin's host or a parent domain of it.
fn belongs_to(origin: &str, relying_party: &str) -> bool {
    let (authority, secure) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(authority), _) => (authority, true),
        (None, Some(authority)) => (authority, false),
        (None, None) => return false,
    };
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let well_formed = !relying_party.is_empty()
        && !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
        && host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    let related = host == relying_party
        || host.strip_suffix(relying_party).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'));
    let local = host == "localhost" || host.ends_with(".localhost");
    well_formed && related && (secure || local)
}

/// A browser's answer to `navigator.credentials.get`, decoded from base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebauthnAssertion {
    /// The page's origin, `https://countersign.example`.
    pub origin: String,
    pub authenticator_data: Vec<u8>,
    pub client_data_json: Vec<u8>,
    /// ES256, DER, as authenticators give it.
    pub signature: Vec<u8>,
}

/// Turns a passkey's assertion over [`signed_data`] into the SSHSIG blob that goes into an envelope. The key is the
/// passkey's, as `sk-ecdsa-sha2-nistp256@openssh.com` with the relying party's id as its application. The result is
/// verified before it is returned.
pub fn from_webauthn(
    key: &PublicKey,
    assertion: &WebauthnAssertion,
    namespace: &str,
    message: &[u8],
) -> Result<Vec<u8>, SignatureError> {
    let (header, extensions) = assertion
        .authenticator_data
        .split_first_chunk::<AUTHENTICATOR_DATA_BYTES>()
        .ok_or(SignatureError::Webauthn("its authenticator data is too short"))?;
    let [.., flags, c0, c1, c2, c3] = *header;
    let der = p256::ecdsa::Signature::from_der(&assertion.signature)
        .map_err(|_| SignatureError::Webauthn("its signature is not ES256 in DER"))?;
    let (r, s) = der.split_bytes();

    let mut scalars = Writer::new();
    scalars.positive(&r);
    scalars.positive(&s);
    let mut signature = Writer::new();
    signature.string(ALGORITHM.as_bytes());
    signature.string(&scalars.into_bytes());
    signature.u8(flags);
    signature.u32(u32::from_be_bytes([c0, c1, c2, c3]));
    signature.string(assertion.origin.as_bytes());
    signature.string(&assertion.client_data_json);
    signature.string(extensions);
    let signature = signature.into_bytes();
    super::algorithms::check(key, None, &signature, &signed_data(namespace, message))?;
    Ok(blob(&key.to_blob()?, namespace, &signature))
}
