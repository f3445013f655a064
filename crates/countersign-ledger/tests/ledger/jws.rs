//! Tokens and sets of keys: what is taken, and what is not.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_ledger::jws::{JwksError, Jws, JwsError, MAX_JWKS, parse_jwks};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn jwk() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": part(key().verifying_key().as_bytes()) })
}

fn token(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    format!("{signed}.{}", part(key().sign(signed.as_bytes()).to_bytes()))
}

const HEADER: &str = r#"{"alg":"EdDSA","kid":"one","typ":"JWT"}"#;

#[test]
fn a_token_by_an_ed25519_key_holds_and_an_altered_one_does_not() {
    let keys = parse_jwks(json!({ "keys": [jwk()] }).to_string().as_bytes()).unwrap();
    let whole = token(HEADER, r#"{"sub":"a"}"#);
    let jws = Jws::parse(whole.as_bytes()).unwrap();
    assert_eq!((jws.kid(), &jws.claims()["sub"]), ("one", &json!("a")));
    jws.verify(&keys["one"]).unwrap();
    let (_, signature) = whole.rsplit_once('.').unwrap();
    let altered = format!("{}.{}.{signature}", part(HEADER), part(r#"{"sub":"b"}"#));
    assert!(matches!(Jws::parse(altered.as_bytes()).unwrap().verify(&keys["one"]), Err(JwsError::Signature(_))));
    // The last character carries bits that nobody reads, and has one spelling all the same.
    let last = whole.chars().last().unwrap();
    for other in ('A'..='Z').chain('a'..='z').filter(|other| *other != last) {
        let respelled = format!("{}{other}", &whole[..whole.len() - 1]);
        let holds = Jws::parse(respelled.as_bytes()).is_ok_and(|jws| jws.verify(&keys["one"]).is_ok());
        assert!(!holds, "{other}");
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_no_token() {
    for (header, claims) in [
        (r#"{"alg":"EdDSA","alg":"EdDSA","kid":"one"}"#, "{}"),
        (r#"{"alg":"EdDSA","kid":"one","kid":"two"}"#, "{}"),
        (HEADER, r#"{"sub":"a","sub":"b"}"#),
        (HEADER, r#"{"sub":"a","\u0073ub":"b"}"#),
        (HEADER, "[]"),
        (HEADER, "{} {}"),
        (r#"{"alg":"EdDSA","kid":"one two"}"#, "{}"),
        (r#"{"alg":"EdDSA","kid":7}"#, "{}"),
        (r#"{"alg":["EdDSA"],"kid":"one"}"#, "{}"),
    ] {
        assert!(Jws::parse(token(header, claims).as_bytes()).is_err(), "{header} {claims}");
    }
}

/// As GitHub publishes them: with certificates, which nobody looks at.
#[test]
fn a_set_of_keys_is_read_with_what_issuers_put_beside() {
    let n = part([0xc1; 256]);
    let github = json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "cc413527", "n": n, "e": "AQAB", "x5c": ["MII"], "x5t": "x" });
    let keys = parse_jwks(json!({ "keys": [github, jwk()] }).to_string().as_bytes()).unwrap();
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["cc413527", "one"]);
    assert_eq!(keys["cc413527"].algorithm(), "ssh-rsa");
    let encrypts = json!({ "kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "kid": "enc", "n": "AA", "e": "AQAB" });
    let keys = parse_jwks(json!({ "keys": [encrypts, jwk()] }).to_string().as_bytes()).unwrap();
    assert_eq!(keys.len(), 1);
    let many: Vec<Value> = (0..=MAX_JWKS).map(|_| jwk()).collect();
    assert_eq!(parse_jwks(json!({ "keys": many }).to_string().as_bytes()), Err(JwksError::TooMany));
    let mut secret = jwk();
    secret["d"] = json!("AA");
    assert_eq!(
        parse_jwks(json!({ "keys": [secret] }).to_string().as_bytes()),
        Err(JwksError::Secret("one".to_owned()))
    );
}

proptest! {
    #[test]
    fn a_strangers_token_or_keys_are_refused_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..200, to: u8) {
        drop(Jws::parse(&bytes));
        drop(parse_jwks(&bytes));
        let mut edited = token(HEADER, r#"{"sub":"a"}"#).into_bytes();
        let place = at % edited.len();
        edited[place] = to;
        drop(Jws::parse(&edited));
        let mut keys = json!({ "keys": [jwk()] }).to_string().into_bytes();
        let place = at % keys.len();
        keys[place] = to;
        drop(parse_jwks(&keys));
    }
}
