//! The secret keys of servers and gates. People's keys are never here: they sign with `ssh-keygen` or a passkey.
//!
//! Invariant: the secret leaves through [`SigningKey::to_openssh`] only, and every copy that is made here is wiped.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer as _;
use rand_core::CryptoRngCore;
use ssh_key::{
    private::KeypairData,
    public::{Ed25519PublicKey, KeyData},
};
use zeroize::Zeroizing;

use super::{PublicKey, SignatureError, armor, blob, signed_data, wire::Writer};
use crate::dsse::{IN_TOTO, NAMESPACE, Signature, pae};

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";

/// PROTOCOL.key section 1.
const KEY_MAGIC: &[u8] = b"openssh-key-v1\0";
/// An unencrypted Ed25519 key has less; with this much room no buffer grows and leaves a copy of the secret behind.
const KEY_BYTES: usize = 512;
/// PROTOCOL.key section 3: unencrypted private keys are padded to multiples of 8 bytes.
const KEY_BLOCK: usize = 8;

const ALGORITHM: &str = "ssh-ed25519";

/// An Ed25519 key pair, kept as an unencrypted OpenSSH private key.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    pub fn generate(rng: &mut impl CryptoRngCore) -> Self {
        Self(ed25519_dalek::SigningKey::generate(rng))
    }

    /// Reads what `ssh-keygen -t ed25519 -N ''` or [`SigningKey::to_openssh`] wrote.
    pub fn from_openssh(text: &str) -> Result<Self, SignatureError> {
        let key = ssh_key::PrivateKey::from_openssh(text)
            .map_err(|_| SignatureError::SecretKey("it is not an OpenSSH private key"))?;
        let pair = match key.key_data() {
            KeypairData::Ed25519(pair) => pair,
            KeypairData::Encrypted(_) => return Err(SignatureError::SecretKey("it has a passphrase")),
            _ => return Err(SignatureError::SecretKey("it is of another type")),
        };
        let key = ed25519_dalek::SigningKey::from_bytes(pair.private.as_ref());
        if key.verifying_key().to_bytes() != pair.public.0 {
            return Err(SignatureError::SecretKey("its public and private halves do not belong together"));
        }
        Ok(Self(key))
    }

    /// The key file's text (PROTOCOL.key), unencrypted. It is wiped when dropped.
    pub fn to_openssh(&self) -> Zeroizing<String> {
        let public = self.0.verifying_key().to_bytes();
        let mut private = Writer::with_capacity(KEY_BYTES);
        // The check number, twice. It tells a wrong passphrase from a right one, and there is none.
        private.u32(0);
        private.u32(0);
        private.string(ALGORITHM.as_bytes());
        private.string(&public);
        private.string(Zeroizing::new(self.0.to_keypair_bytes()).as_slice());
        private.string(b"");
        for padding in 1..=u8::MAX {
            if private.len().is_multiple_of(KEY_BLOCK) {
                break;
            }
            private.u8(padding);
        }
        let private = Zeroizing::new(private.into_bytes());

        let mut file = Writer::with_capacity(KEY_BYTES);
        file.raw(KEY_MAGIC);
        file.string(b"none");
        file.string(b"none");
        file.string(b"");
        file.u32(1);
        file.string(&public_blob(&public));
        file.string(&private);
        let file = Zeroizing::new(file.into_bytes());
        let base64 = Zeroizing::new(STANDARD.encode(&*file));
        let body = Zeroizing::new(armor::lines(&base64));
        Zeroizing::new(format!("{BEGIN}\n{}{END}\n", *body))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::from_data(KeyData::Ed25519(Ed25519PublicKey(self.0.verifying_key().to_bytes())))
    }

    /// Signs a statement's payload: its pre-authentication encoding, in our namespace.
    pub fn sign(&self, payload: &[u8]) -> Result<Signature, SignatureError> {
        let signed = signed_data(NAMESPACE, &pae(IN_TOTO, payload));
        let value = self.0.try_sign(&signed).map_err(|_| SignatureError::Invalid)?;
        let mut signature = Writer::new();
        signature.string(ALGORITHM.as_bytes());
        signature.string(&value.to_bytes());
        let public = public_blob(&self.0.verifying_key().to_bytes());
        Ok(Signature {
            keyid: self.public().fingerprint().to_string(),
            sshsig: blob(&public, NAMESPACE, &signature.into_bytes()),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().fingerprint())
    }
}

/// RFC 8709 section 4.
fn public_blob(key: &[u8; 32]) -> Vec<u8> {
    let mut out = Writer::new();
    out.string(ALGORITHM.as_bytes());
    out.string(key);
    out.into_bytes()
}
