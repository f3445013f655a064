//! The signature algorithms, one function each, and what a signature of each assures.

use ed25519_dalek::VerifyingKey;
use rsa::{BigUint, RsaPublicKey, traits::PublicKeyParts as _};
use sha2::{Digest as _, Sha256, Sha512};
use ssh_key::public::{EcdsaPublicKey, KeyData};

use super::{Assurance, PublicKey, SignatureError, webauthn, wire::Reader};

const MIN_RSA_BITS: usize = 2_048;
const MAX_RSA_BITS: usize = 8_192;

/// PROTOCOL.u2f and WebAuthn section 6.1: somebody was there.
const USER_PRESENT: u8 = 0x01;
/// The authenticator checked who it was.
const USER_VERIFIED: u8 = 0x04;

#[derive(Clone, Copy)]
enum Algorithm {
    Ed25519,
    EcdsaP256,
    EcdsaP384,
    RsaSha256,
    RsaSha512,
    SkEd25519,
    SkEcdsaP256,
    WebauthnSkEcdsaP256,
}

impl Algorithm {
    const ALL: [Self; 8] = [
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::RsaSha256,
        Self::RsaSha512,
        Self::SkEd25519,
        Self::SkEcdsaP256,
        Self::WebauthnSkEcdsaP256,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::RsaSha256 => "rsa-sha2-256",
            Self::RsaSha512 => "rsa-sha2-512",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
            Self::WebauthnSkEcdsaP256 => webauthn::ALGORITHM,
        }
    }

    fn parse(name: &str) -> Result<Self, SignatureError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| SignatureError::Unsupported(name.to_owned()))
    }
}

/// Reads the point of an Ed25519 key, which takes a good part of the time that checking a signature does.
pub(super) fn point(key: &PublicKey) -> Option<VerifyingKey> {
    match key.data() {
        KeyData::Ed25519(key) => VerifyingKey::from_bytes(&key.0).ok(),
        _ => None,
    }
}

/// Checks the inner signature of an SSHSIG over `message` (the blob that `signed_data` makes). `point` is the key's, if it was
/// read before.
pub(super) fn check(
    key: &PublicKey,
    point: Option<&VerifyingKey>,
    signature: &[u8],
    message: &[u8],
) -> Result<Assurance, SignatureError> {
    let mut reader = Reader::new(signature);
    let algorithm = Algorithm::parse(reader.text("signature algorithm")?)?;
    let inner = reader.string("signature value")?;
    match (algorithm, key.data()) {
        (Algorithm::Ed25519, KeyData::Ed25519(key)) => {
            reader.finish()?;
            match point {
                Some(point) => ed25519_by(point, inner, message)?,
                None => ed25519(&key.0, inner, message)?,
            }
            Ok(Assurance::SoftwareKey)
        }
        (Algorithm::EcdsaP256, KeyData::Ecdsa(EcdsaPublicKey::NistP256(point))) => {
            reader.finish()?;
            p256(point.as_bytes(), inner, message)?;
            Ok(Assurance::SoftwareKey)
        }
        (Algorithm::EcdsaP384, KeyData::Ecdsa(EcdsaPublicKey::NistP384(point))) => {
            reader.finish()?;
            p384(point.as_bytes(), inner, message)?;
            Ok(Assurance::SoftwareKey)
        }
        (Algorithm::RsaSha256, KeyData::Rsa(key)) => {
            reader.finish()?;
            let key = rsa_key(key)?;
            rsa_check(&rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key), inner, message)?;
            Ok(Assurance::SoftwareKey)
        }
        (Algorithm::RsaSha512, KeyData::Rsa(key)) => {
            reader.finish()?;
            let key = rsa_key(key)?;
            rsa_check(&rsa::pkcs1v15::VerifyingKey::<Sha512>::new(key), inner, message)?;
            Ok(Assurance::SoftwareKey)
        }
        (Algorithm::SkEd25519, KeyData::SkEd25519(key)) => {
            let attested = Attested::read(&mut reader)?;
            reader.finish()?;
            ed25519(&key.public_key().0, inner, &attested.signed(key.application(), b"", message))?;
            Ok(attested.assurance())
        }
        (Algorithm::SkEcdsaP256, KeyData::SkEcdsaSha2NistP256(key)) => {
            let attested = Attested::read(&mut reader)?;
            reader.finish()?;
            p256(key.ec_point().as_bytes(), inner, &attested.signed(key.application(), b"", message))?;
            Ok(attested.assurance())
        }
        (Algorithm::WebauthnSkEcdsaP256, KeyData::SkEcdsaSha2NistP256(key)) => {
            let attested = Attested::read(&mut reader)?;
            let client = webauthn::Client::read(&mut reader)?;
            reader.finish()?;
            client.check(attested.flags, key.application(), message)?;
            let signed = attested.signed(key.application(), client.extensions, client.data);
            p256(key.ec_point().as_bytes(), inner, &signed)?;
            Ok(attested.assurance())
        }
        // The kinds of key are not ours to list: any other pair does not fit.
        (algorithm, _) => Err(SignatureError::KeyMismatch { algorithm: algorithm.name(), key: key.algorithm() }),
    }
}

/// Checks a signature as it is, in no SSH envelope, over a message: RSA with SHA-256 (RFC 8017 section 8.2), ECDSA over P-256 as
/// `r || s` (RFC 7518 section 3.4), Ed25519.
pub(crate) fn check_bare(key: &PublicKey, signature: &[u8], message: &[u8]) -> Result<(), SignatureError> {
    match key.data() {
        KeyData::Ed25519(key) => ed25519(&key.0, signature, message),
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => {
            use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
            let key = VerifyingKey::from_sec1_bytes(point.as_bytes()).map_err(|_| SignatureError::PublicKey)?;
            let signature = Signature::from_slice(signature)
                .map_err(|_| SignatureError::Malformed("an ES256 signature has 64 bytes"))?;
            key.verify(message, &signature).map_err(|_| SignatureError::Invalid)
        }
        KeyData::Rsa(key) => rsa_check(&rsa::pkcs1v15::VerifyingKey::<Sha256>::new(rsa_key(key)?), signature, message),
        _ => Err(SignatureError::Unsupported(key.algorithm())),
    }
}

/// What a hardware key adds to its signature: what it saw, and how often it signed.
struct Attested {
    flags: u8,
    counter: u32,
}

impl Attested {
    fn read(reader: &mut Reader<'_>) -> Result<Self, SignatureError> {
        Ok(Self { flags: reader.u8("flags")?, counter: reader.u32("counter")? })
    }

    /// What the hardware signs (PROTOCOL.u2f, "SSH U2F Signatures"; WebAuthn section 6.1 with extensions).
    fn signed(&self, application: &str, extensions: &[u8], message: &[u8]) -> Vec<u8> {
        let mut out = Sha256::digest(application).to_vec();
        out.push(self.flags);
        out.extend_from_slice(&self.counter.to_be_bytes());
        out.extend_from_slice(extensions);
        out.extend_from_slice(&Sha256::digest(message));
        out
    }

    /// A key made with `no-touch-required` signs without anybody there, and so assures no more than a file does.
    const fn assurance(&self) -> Assurance {
        match (self.flags & USER_PRESENT != 0, self.flags & USER_VERIFIED != 0) {
            (true, true) => Assurance::UserVerified,
            (true, false) => Assurance::Touch,
            (false, true | false) => Assurance::SoftwareKey,
        }
    }
}

fn ed25519(key: &[u8; 32], signature: &[u8], message: &[u8]) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| SignatureError::PublicKey)?;
    ed25519_by(&key, signature, message)
}

fn ed25519_by(key: &VerifyingKey, signature: &[u8], message: &[u8]) -> Result<(), SignatureError> {
    let signature = ed25519_dalek::Signature::from_slice(signature)
        .map_err(|_| SignatureError::Malformed("an Ed25519 signature has 64 bytes"))?;
    // Strict: no key of small order, which would verify many messages.
    key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
}

fn p256(point: &[u8], signature: &[u8], message: &[u8]) -> Result<(), SignatureError> {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
    let key = VerifyingKey::from_sec1_bytes(point).map_err(|_| SignatureError::PublicKey)?;
    let (r, s) = ecdsa_scalars::<32>(signature)?;
    let signature = Signature::from_scalars(r, s).map_err(|_| SignatureError::Invalid)?;
    key.verify(message, &signature).map_err(|_| SignatureError::Invalid)
}

fn p384(point: &[u8], signature: &[u8], message: &[u8]) -> Result<(), SignatureError> {
    use p384::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
    let key = VerifyingKey::from_sec1_bytes(point).map_err(|_| SignatureError::PublicKey)?;
    let (r, s) = ecdsa_scalars::<48>(signature)?;
    let signature = Signature::from_scalars(r, s).map_err(|_| SignatureError::Invalid)?;
    key.verify(message, &signature).map_err(|_| SignatureError::Invalid)
}

/// RFC 5656 section 3.1.2: `mpint r, mpint s`.
fn ecdsa_scalars<const N: usize>(signature: &[u8]) -> Result<([u8; N], [u8; N]), SignatureError> {
    let mut reader = Reader::new(signature);
    let r = pad(reader.positive("ECDSA r")?)?;
    let s = pad(reader.positive("ECDSA s")?)?;
    reader.finish()?;
    Ok((r, s))
}

fn pad<const N: usize>(digits: &[u8]) -> Result<[u8; N], SignatureError> {
    let mut out = [0; N];
    let tail = N.checked_sub(digits.len()).and_then(|start| out.get_mut(start..));
    tail.ok_or(SignatureError::Malformed("an ECDSA number is too large"))?.copy_from_slice(digits);
    Ok(out)
}

/// Why a key of these data can sign nothing that is taken.
pub(super) fn unfit(data: &KeyData) -> Option<String> {
    match data {
        KeyData::Rsa(key) => match rsa_key(key) {
            Ok(_) => None,
            Err(SignatureError::RsaBits(bits)) => {
                Some(format!("an RSA key of {bits} bits, and {MIN_RSA_BITS} to {MAX_RSA_BITS} are taken"))
            }
            Err(_) => Some("no proper RSA key".to_owned()),
        },
        KeyData::Dsa(_) => Some("a DSA key, of which no signature is taken".to_owned()),
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => None,
        _ => Some("a key of a type that is not known here".to_owned()),
    }
}

fn rsa_key(key: &ssh_key::public::RsaPublicKey) -> Result<RsaPublicKey, SignatureError> {
    let number =
        |mpint: &ssh_key::Mpint| mpint.as_positive_bytes().map(BigUint::from_bytes_be).ok_or(SignatureError::PublicKey);
    let (n, e) = (number(&key.n)?, number(&key.e)?);
    let bits = n.bits();
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(SignatureError::RsaBits(bits));
    }
    let key = RsaPublicKey::new_with_max_size(n, e, MAX_RSA_BITS).map_err(|_| SignatureError::PublicKey)?;
    // An even exponent or modulus is no RSA key.
    let odd = |number: &BigUint| number.to_bytes_le().first().is_some_and(|byte| byte & 1 == 1);
    if odd(key.e()) && odd(key.n()) { Ok(key) } else { Err(SignatureError::PublicKey) }
}

fn rsa_check<K>(key: &K, signature: &[u8], message: &[u8]) -> Result<(), SignatureError>
where
    K: rsa::signature::Verifier<rsa::pkcs1v15::Signature>,
{
    let signature = rsa::pkcs1v15::Signature::try_from(signature).map_err(|_| SignatureError::Invalid)?;
    key.verify(message, &signature).map_err(|_| SignatureError::Invalid)
}
