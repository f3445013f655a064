//! A CI's OIDC token says what tests came to, of one revision, and nothing else: not for somebody else, not for another
//! statement, not later, not by another key, and not when nobody can check it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    evidence::EvidenceResult,
    ids::ChangeId,
    issuer::{self, MAX_TOKEN_SECS, SKEW_SECS, written},
    loosening,
    statement::{Body, Erased, Statement},
};
use countersign_ledger::{Digest, Envelope, dsse::NamedToken, jws};
use insta::assert_snapshot;
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use serde_json::{Value, json};

use super::{author, evidence::asks_for_tests, facts};
use crate::kit::{Files, World, told};

const ISSUER: &str = "https://token.example.com";
const YAML: &str = "\
issuer: https://token.example.com
workloads:
  - workload: ci
    claims:
      sub: repo:shop/search:ref:refs/heads/*
      environment: production
";

fn key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

fn jwk(kid: &str, key: &SigningKey) -> Value {
    let point = key.verifying_key().to_encoded_point(false);
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
            "x": part(point.x().unwrap()), "y": part(point.y().unwrap()) })
}

fn issuer_file(yaml: &str, keys: &[Value]) -> Result<Vec<u8>, String> {
    let jwks = json!({ "keys": keys }).to_string();
    let files = BTreeMap::from([
        ("ci.yaml".to_owned(), yaml.as_bytes().to_vec()),
        ("ci.jwks.json".to_owned(), jwks.into_bytes()),
    ]);
    let issuers = written::issuers(&files).map_err(|refusal| told::<()>(Err(refusal)))?;
    Ok(issuers["ci"].to_bytes().unwrap())
}

fn with_issuer(files: &mut Files) {
    asks_for_tests(files);
    files.insert(issuer::path_of("ci"), issuer_file(YAML, &[jwk("one", &key(1)), jwk("two", &key(2))]).unwrap());
}

fn tested() -> World {
    World::founded(with_issuer, |_| {}).unwrap()
}

/// A change that lacks the tests alone.
fn approved(world: &mut World) -> ChangeId {
    let change = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
    world.disclose("ada", &change, &[], &[]).unwrap();
    world.approve("linus", &change).unwrap();
    assert_eq!(world.standing(&change), "tested");
    change
}

/// What a token says.
fn claims(world: &World, audience: &Digest) -> Value {
    let now = world.now.unix_secs();
    json!({
        "iss": ISSUER, "sub": "repo:shop/search:ref:refs/heads/main", "aud": audience.to_string(),
        "environment": "production", "actor": "octocat", "iat": now, "nbf": now, "exp": now + 300,
    })
}

fn signed(header: &Value, claims: &str, key: &SigningKey) -> Vec<u8> {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", part(header.to_string().as_bytes()), part(claims.as_bytes()));
    let signature: Signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", part(&signature.to_bytes())).into_bytes()
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "one", "typ": "JWT" })
}

/// As a statement by a token of the first key names it.
fn keyid() -> String {
    let keys = jws::parse_jwks(json!({ "keys": [jwk("one", &key(1))] }).to_string().as_bytes()).unwrap();
    format!("ci/{}", keys["one"].fingerprint())
}

/// A statement for which a token speaks.
fn enveloped(world: &mut World, statement: &Statement, token: Vec<u8>) -> Envelope {
    let (keyid, digest) = (keyid(), world.blob(token));
    Envelope::by_token(&statement.encode().unwrap(), NamedToken { keyid, digest }).unwrap()
}

fn evidence(world: &mut World, change: &ChangeId, result: EvidenceResult) -> Statement {
    let body = match world.evidence_of(change) {
        Body::Evidence(said) => Body::Evidence(countersign_core::statement::Evidence { result, ..said }),
        other => other,
    };
    world.statement("ci", body)
}

/// Says by a token whose claims and header somebody has edited.
fn attested(world: &mut World, change: &ChangeId, edit: impl FnOnce(&mut Value, &mut Value)) -> Result<(), String> {
    let statement = evidence(world, change, EvidenceResult::Passed);
    let mut claims = claims(world, &Digest::of(statement.encode().unwrap()));
    let mut header = header();
    edit(&mut header, &mut claims);
    let token = signed(&header, &claims.to_string(), &key(1));
    let envelope = enveloped(world, &statement, token);
    world.submit(envelope).map(drop).map_err(|refusal| refusal.code.to_owned())
}

fn code(world: &mut World, change: &ChangeId, edit: impl FnOnce(&mut Value, &mut Value)) -> String {
    attested(world, change, edit).unwrap_err()
}

#[test]
fn a_token_for_just_this_statement_attests() {
    let mut world = tested();
    let change = approved(&mut world);
    attested(&mut world, &change, |_, _| {}).unwrap();
    assert_eq!(world.standing(&change), "allow");
    // Replayed by whoever has the token it comes to the same; in no leaf is whom it ran for.
    world.state = world.replayed().unwrap();
    assert_eq!(world.standing(&change), "allow");
    assert!(world.leaves.iter().all(|leaf| !String::from_utf8_lossy(&leaf.bytes).contains("octocat")));
    // An array with that one audience is the same.
    let other = approved(&mut world);
    attested(&mut world, &other, |_, claims| claims["aud"] = json!([claims["aud"]])).unwrap();
    assert_eq!(world.standing(&other), "allow");
}

#[test]
fn a_token_for_another_payload_or_audience_is_none_for_this() {
    let mut world = tested();
    let (change, other) = (approved(&mut world), approved(&mut world));
    // Got for a failure, sent with a pass; got for one change, sent with another.
    let failed = evidence(&mut world, &change, EvidenceResult::Failed);
    let of_other = evidence(&mut world, &other, EvidenceResult::Passed);
    for got_for in [failed, of_other] {
        let token = signed(&header(), &claims(&world, &Digest::of(got_for.encode().unwrap())).to_string(), &key(1));
        let passed = evidence(&mut world, &change, EvidenceResult::Passed);
        let envelope = enveloped(&mut world, &passed, token);
        assert_eq!(world.submit(envelope).unwrap_err().code, "token-audience");
    }
    for audience in [json!("https://countersign.example.com"), json!([]), json!(null), json!({})] {
        assert_eq!(code(&mut world, &change, |_, claims| claims["aud"] = audience), "token-audience");
    }
    // Beside the right one a second: whoever that is could hand it on.
    let two = |_: &mut Value, claims: &mut Value| claims["aud"] = json!([claims["aud"], "sts.amazonaws.com"]);
    assert_eq!(code(&mut world, &change, two), "token-audience");
    assert_eq!(world.standing(&change), "tested");
}

#[test]
fn a_token_holds_as_long_as_it_says() {
    let mut world = tested();
    let change = approved(&mut world);
    let now = world.now.unix_secs();
    let times = |iat: i64, exp: i64| {
        move |_: &mut Value, claims: &mut Value| {
            claims["iat"] = json!(iat);
            claims["nbf"] = json!(iat);
            claims["exp"] = json!(exp);
        }
    };
    assert_eq!(code(&mut world, &change, times(now - 400, now - SKEW_SECS - 1)), "token-expired");
    assert_eq!(code(&mut world, &change, times(now + SKEW_SECS + 1, now + 400)), "token-not-yet");
    assert_eq!(code(&mut world, &change, times(now, now + MAX_TOKEN_SECS + 1)), "token-time");
    assert_eq!(code(&mut world, &change, times(now, now)), "token-time");
    assert_eq!(code(&mut world, &change, times(i64::MIN, i64::MAX)), "token-time");
    for wrong in [json!(null), json!("soon"), json!(1.5)] {
        let exp = wrong.clone();
        assert_eq!(code(&mut world, &change, |_, claims| claims["exp"] = exp), "token-time");
        assert_eq!(code(&mut world, &change, |_, claims| claims["nbf"] = wrong), "token-time");
    }
    attested(&mut world, &change, times(now - 300, now - SKEW_SECS)).unwrap();
}

#[test]
fn a_token_by_an_unpinned_key_or_no_key_is_nobodys() {
    let mut world = tested();
    let change = approved(&mut world);
    assert_eq!(code(&mut world, &change, |header, _| header["kid"] = json!("three")), "unknown-issuer-key");
    // Signed by one, said of the other.
    assert_eq!(code(&mut world, &change, |header, _| header["kid"] = json!("two")), "token-signature");
    assert_eq!(code(&mut world, &change, |header, _| header["kid"] = json!(null)), "token-malformed");
    // A key that the token brings along is nobody's.
    let own = jwk("one", &key(9));
    let statement = evidence(&mut world, &change, EvidenceResult::Passed);
    let mut header = header();
    header["jwk"] = own;
    let claims = claims(&world, &Digest::of(statement.encode().unwrap())).to_string();
    let envelope = enveloped(&mut world, &statement, signed(&header, &claims, &key(9)));
    assert_eq!(world.submit(envelope).unwrap_err().code, "token-signature");
    assert_eq!(world.standing(&change), "tested");
}

#[test]
fn no_algorithm_but_that_of_the_key() {
    let mut world = tested();
    let change = approved(&mut world);
    // With the public key as the secret of an HMAC as well: it is refused before anything is computed.
    for algorithm in ["none", "None", "", "HS256", "RS256", "ES384", "PS256", "EdDSA"] {
        assert_eq!(code(&mut world, &change, |header, _| header["alg"] = json!(algorithm)), "token-algorithm");
    }
    assert_eq!(code(&mut world, &change, |header, _| header["crit"] = json!(["exp"])), "token-malformed");
    assert_eq!(code(&mut world, &change, |header, _| header["typ"] = json!("at+jwt")), "token-malformed");
    // And with nothing where the signature is.
    let statement = evidence(&mut world, &change, EvidenceResult::Passed);
    let claims = claims(&world, &Digest::of(statement.encode().unwrap())).to_string();
    let whole = String::from_utf8(signed(&header(), &claims, &key(1))).unwrap();
    let cut = format!("{}.", whole.rsplit_once('.').unwrap().0);
    let envelope = enveloped(&mut world, &statement, cut.into_bytes());
    assert_eq!(world.submit(envelope).unwrap_err().code, "token-signature");
}

#[test]
fn a_token_of_another_repository_branch_or_issuer_does_not_speak_for_this_one() {
    let mut world = tested();
    let change = approved(&mut world);
    for sub in [
        "repo:evil/search:ref:refs/heads/main",
        "repo:shop/search2:ref:refs/heads/main",
        "repo:shop/search:ref:refs/heads/main/evil",
        "repo:shop/search:pull_request",
        "xrepo:shop/search:ref:refs/heads/main",
        "repo:shop/search:ref:refs/heads/a:b",
    ] {
        assert_eq!(code(&mut world, &change, |_, claims| claims["sub"] = json!(sub)), "token-claims", "{sub}");
    }
    for environment in [json!("prod"), json!("production "), json!(["production"]), json!(null)] {
        assert_eq!(code(&mut world, &change, |_, claims| claims["environment"] = environment), "token-claims");
    }
    for iss in ["https://token.example.com/", "http://token.example.com", "https://TOKEN.example.com", ""] {
        assert_eq!(code(&mut world, &change, |_, claims| claims["iss"] = json!(iss)), "unknown-issuer", "{iss}");
    }
    // What it does not speak for, it does not, whatever else it says.
    let body = world.evidence_of(&change);
    for (by, expected) in [
        ("robo", "token-speaks-for-workloads"),
        ("grace", "token-speaks-for-workloads"),
        ("nobody", "token-speaks-for-workloads"),
    ] {
        let statement = world.statement(by, body.clone());
        let claims = claims(&world, &Digest::of(statement.encode().unwrap())).to_string();
        let envelope = enveloped(&mut world, &statement, signed(&header(), &claims, &key(1)));
        assert_eq!(world.submit(envelope).unwrap_err().code, expected, "{by}");
    }
}

#[test]
fn a_token_says_each_thing_once_and_not_at_length() {
    let mut world = tested();
    let change = approved(&mut world);
    let statement = evidence(&mut world, &change, EvidenceResult::Passed);
    let right = claims(&world, &Digest::of(statement.encode().unwrap())).to_string();
    let twice = right.replacen('{', r#"{"sub":"repo:evil/search:ref:refs/heads/main","#, 1);
    let huge = right.replacen('{', &format!(r#"{{"padding":"{}","#, "x".repeat(20_000)), 1);
    let whole = String::from_utf8(signed(&header(), &right, &key(1))).unwrap();
    for (token, expected) in [
        (signed(&header(), &twice, &key(1)), "token-malformed"),
        (signed(&header(), &huge, &key(1)), "token-too-large"),
        (format!("{whole}=").into_bytes(), "token-malformed"),
        (format!("{whole}\n").into_bytes(), "token-malformed"),
        (format!("{whole}.x").into_bytes(), "token-malformed"),
        (b"..".to_vec(), "token-malformed"),
        (vec![0xff; 100], "token-malformed"),
    ] {
        let envelope = enveloped(&mut world, &statement, token);
        assert_eq!(world.submit(envelope).unwrap_err().code, expected);
    }
    // The right one, under the name of another.
    let token = whole.into_bytes();
    let digest = world.blob(token);
    for keyid in ["", "ci", "ci/SHA256:xyz", "other/SHA256:xyz"] {
        let named = NamedToken { keyid: keyid.to_owned(), digest };
        let envelope = Envelope::by_token(&statement.encode().unwrap(), named).unwrap();
        assert_eq!(world.submit(envelope).unwrap_err().code, "token-changed", "{keyid}");
    }
    let token = world.blobs[&digest].clone();
    let envelope = enveloped(&mut world, &statement, token);
    world.blobs.insert(digest, b"something else".to_vec());
    assert_eq!(world.submit(envelope).unwrap_err().code, "blob-changed");
}

#[test]
fn a_token_approves_nothing_and_signs_nothing_else() {
    let mut world = tested();
    let change = approved(&mut world);
    let bodies = [
        Body::Approval(world.approval(&change)),
        world.rejection(&change),
        world.remark(&change),
        world.revocation("linus"),
    ];
    for body in bodies {
        for by in ["ci", "grace"] {
            let statement = world.statement(by, body.clone());
            let claims = claims(&world, &Digest::of(statement.encode().unwrap())).to_string();
            let envelope = enveloped(&mut world, &statement, signed(&header(), &claims, &key(1)));
            assert_eq!(world.submit(envelope).unwrap_err().code, "token-signs-evidence-only");
        }
    }
    // Nor beside a signature.
    let raw = |signatures: &str| {
        format!(r#"{{"payloadType":"application/vnd.in-toto+json","payload":"aGk","signatures":[{signatures}]}}"#)
    };
    let (token, key) = (format!(r#"{{"sig":"{}=","type":"oidc-jwt"}}"#, "A".repeat(43)), r#"{"sig":"eA"}"#);
    assert!(Envelope::parse(raw(&token).as_bytes()).is_ok());
    for both in [format!("{token},{key}"), format!("{key},{token}"), format!("{token},{token}")] {
        assert!(Envelope::parse(raw(&both).as_bytes()).unwrap_err().to_string().starts_with("a token stands alone"));
    }
}

#[test]
fn an_issuers_key_that_governance_takes_away_counts_no_more() {
    let mut world = tested();
    let change = approved(&mut world);
    attested(&mut world, &change, |_, _| {}).unwrap();
    let path = issuer::path_of("ci");
    let before = world.state.governance.clone();
    // Another key beside: that loosens, and takes nothing away.
    let more = issuer_file(YAML, &[jwk("one", &key(1)), jwk("two", &key(2)), jwk("three", &key(3))]).unwrap();
    let publication = world.publication(&[(&path, Some(&more))]);
    let after = before.publish(&publication, Digest::of("x"), &|digest| world.blobs.get(digest).cloned()).unwrap();
    let loosens: Vec<String> = loosening::loosens(&before, &after).iter().map(ToString::to_string).collect();
    assert_eq!(loosens, ["issuer ci signs by another key"]);
    // The one that signed goes.
    let fewer = issuer_file(YAML, &[jwk("two", &key(2))]).unwrap();
    let publication = world.publication(&[(&path, Some(&fewer))]);
    world.publish(publication).unwrap();
    assert_eq!(world.standing(&change), "tested");
    assert_eq!(code(&mut world, &change, |_, _| {}), "unknown-issuer-key");
    // And so it is where other tokens are asked for than then: it was never asked for this.
    let mut world = tested();
    let change = approved(&mut world);
    attested(&mut world, &change, |_, _| {}).unwrap();
    let other = YAML.replace("refs/heads/*", "refs/heads/release");
    let other = issuer_file(&other, &[jwk("one", &key(1)), jwk("two", &key(2))]).unwrap();
    let publication = world.publication(&[(&path, Some(&other))]);
    let after =
        world.state.governance.publish(&publication, Digest::of("x"), &|digest| world.blobs.get(digest).cloned());
    let loosens = loosening::loosens(&world.state.governance, &after.unwrap());
    assert_eq!(loosens[0].to_string(), "issuer ci speaks for a workload by other tokens than before");
}

/// Whoever never had the token cannot say that it was right: for them it does not count. Whoever runs an old decision again is told.
#[test]
fn evidence_whose_token_nobody_can_check_passes_nothing() {
    let mut world = tested();
    let change = approved(&mut world);
    let statement = evidence(&mut world, &change, EvidenceResult::Passed);
    let token = signed(&header(), &claims(&world, &Digest::of(statement.encode().unwrap())).to_string(), &key(1));
    let digest = Digest::of(&token);
    let envelope = enveloped(&mut world, &statement, token);
    world.submit(envelope).unwrap();
    world.register_gate();
    let transition = world.transition(&change);
    let request = world.request("git-gate", &change, &transition);
    let request = countersign_core::statement::PermitRequest { gate: "shop-gate".parse().unwrap(), ..request };
    world.ask_for("ada", request).unwrap();
    let (whole, with_it) = (world.evidence(), world.state.clone());
    // A server that keeps it back shows a log that holds, and opens nothing by it.
    let token = world.blobs.remove(&digest).unwrap();
    world.state = world.replayed().unwrap();
    assert_eq!(world.standing(&change), "tested");
    let mut evidence = whole.clone();
    evidence.blobs.remove(&digest).unwrap();
    let report = countersign_core::verify::verify(&world.trust, &evidence, world.now);
    assert!(report.holds(), "{report:?}");
    let step = report.steps.last().unwrap();
    let said = step.detail.replace(&digest.to_string(), "TOKEN");
    assert_snapshot!(said, @"1 decision run again with the same result; in 1 of them evidence counted whose token is missing here, which no erasure in this copy took away (TOKEN), so that the log's word stands for it");
    // Two people erase it: then it counts for nobody, also for who had it.
    world.blobs.insert(digest, token);
    world.state = with_it;
    assert_eq!(world.standing(&change), "allow");
    world.erased(&["ada", "linus"], Erased::Change(change.clone()), [digest]).unwrap();
    assert_eq!(world.standing(&change), "tested");
    world.blobs.remove(&digest).unwrap();
    world.state = world.replayed().unwrap();
    assert_eq!(world.standing(&change), "tested");
    let report = countersign_core::verify::verify(&world.trust, &world.evidence(), world.now);
    assert!(report.holds(), "{report:?}");
    assert_snapshot!(report.steps.last().unwrap().detail, @"1 decision run again with the same result; in 1 of them evidence counted whose token was erased since, so that the log's word stands for it");
}

/// A captured server that puts a pass behind a failure, by a token that it never had.
#[test]
fn a_pass_by_a_token_that_nobody_saw_does_not_take_a_failure_back() {
    let mut world = tested();
    let change = approved(&mut world);
    let failed = evidence(&mut world, &change, EvidenceResult::Failed);
    let token = signed(&header(), &claims(&world, &Digest::of(failed.encode().unwrap())).to_string(), &key(1));
    let envelope = enveloped(&mut world, &failed, token);
    world.submit(envelope).unwrap();
    let passed = evidence(&mut world, &change, EvidenceResult::Passed);
    let named = NamedToken { keyid: keyid(), digest: Digest::of("never there") };
    world.submit(Envelope::by_token(&passed.encode().unwrap(), named).unwrap()).unwrap();
    assert_eq!(world.standing(&change), "tested");
    let missing = world.decision(&change).rules.iter().flat_map(|rule| rule.missing.clone()).next().unwrap();
    assert_eq!(missing.of, ["ci: failed"]);
    // And by a key that nobody pinned it is not even taken.
    let named = NamedToken { keyid: "ci/SHA256:nobodys".to_owned(), digest: Digest::of("never there") };
    let envelope = Envelope::by_token(&passed.encode().unwrap(), named).unwrap();
    assert_eq!(world.submit(envelope).unwrap_err().code, "unknown-issuer-key");
}

/// What one repository's jobs found says nothing of what another's go to.
#[test]
fn a_token_attests_for_the_targets_of_its_issuers_entry_alone() {
    let scoped = |places: &str| {
        let yaml = YAML.replace("    claims:", &format!("    attests-for: {places}\n    claims:"));
        let file = issuer_file(&yaml, &[jwk("one", &key(1))])?;
        let founded = World::founded(
            |files| {
                asks_for_tests(files);
                files.insert(issuer::path_of("ci"), file);
            },
            |_| {},
        );
        founded.map_err(|refusal| told::<()>(Err(refusal)))
    };
    let mut other = scoped("[checkout]").unwrap();
    let change = approved(&mut other);
    assert_eq!(code(&mut other, &change, |_, _| {}), "attests-for-others");
    let mut own = scoped("[checkout, search/production]").unwrap();
    let change = approved(&mut own);
    attested(&mut own, &change, |_, _| {}).unwrap();
    assert_eq!(own.standing(&change), "allow");
    // To let it attest for more is to loosen.
    let wider = issuer_file(YAML, &[jwk("one", &key(1))]).unwrap();
    let files: &[(&str, Option<&[u8]>)] = &[("issuers/ci.json", Some(&wider))];
    assert_snapshot!(super::loosening::said(&mut own, files), @"issuer ci speaks for a workload by other tokens than before");
    let mut all = tested();
    let narrower = YAML.replace("    claims:", "    attests-for: [search]\n    claims:");
    let narrower = issuer_file(&narrower, &[jwk("one", &key(1)), jwk("two", &key(2))]).unwrap();
    let files: &[(&str, Option<&[u8]>)] = &[("issuers/ci.json", Some(&narrower))];
    assert_snapshot!(super::loosening::said(&mut all, files), @"nothing");
    assert_snapshot!(scoped("[serch]").map(drop).unwrap_err(), @"issuer-invalid: issuers/ci.json: there is no `serch`, for which ci attests");
    assert_snapshot!(scoped("[]").map(drop).unwrap_err(), @"issuer-invalid: issuers/ci.yaml: `attests-for` of ci names no target");
    let two = format!(
        "{YAML}  - workload: ci\n    attests-for: [checkout]\n    claims: {{sub: 'repo:shop/checkout:ref:refs/heads/main'}}\n"
    );
    assert_snapshot!(issuer_file(&two, &[jwk("one", &key(1))]).unwrap_err(), @"issuer-invalid: issuers/ci.yaml: its tokens speak for ci for some targets and for others");
}

#[test]
fn an_issuer_that_anybody_could_use_is_not_taken() {
    let keys = [jwk("one", &key(1))];
    let wrong = |yaml: &str, keys: &[Value]| issuer_file(yaml, keys).unwrap_err();
    let claims = |claims: &str| format!("issuer: {ISSUER}\nworkloads:\n  - workload: ci\n    claims: {claims}\n");
    let all = [
        wrong(&claims("{environment: production}"), &keys),
        wrong(&claims("{sub: '**'}"), &keys),
        wrong(&claims("{repository: '*/search'}"), &keys),
        wrong(&claims("{}"), &keys),
        wrong(&claims("{iss: x, sub: a}"), &keys),
        wrong(&YAML.replace("https://", "http://"), &keys),
        wrong(&YAML.replace("workload:", "person:"), &keys),
        wrong(YAML, &[]),
        wrong(YAML, &[jwk("one", &key(1)), jwk("one", &key(2))]),
        wrong(YAML, &[jwk("one", &key(1)), jwk("two", &key(1))]),
        wrong(YAML, &[json!({ "kty": "oct", "kid": "one", "alg": "HS256", "k": "c2VjcmV0" })]),
        wrong(
            YAML,
            &[
                json!({ "kty": "RSA", "kid": "one", "alg": "RS256", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" }),
            ],
        ),
        wrong(YAML, &[json!({ "kty": "EC", "crv": "P-521", "kid": "one", "x": "AA", "y": "AA" })]),
        wrong(
            YAML,
            &[
                json!({ "kty": "EC", "crv": "P-256", "kid": "one", "x": URL_SAFE_NO_PAD.encode([1; 32]), "y": URL_SAFE_NO_PAD.encode([1; 32]) }),
            ],
        ),
    ];
    assert_snapshot!(all.join("\n"), @"
    issuer-invalid: issuers/ci.yaml: workload ci: nothing that it asks for says where a token is from, so that others' would do
    issuer-invalid: issuers/ci.yaml: workload ci: `sub` has a pattern that says nothing: `**`
    issuer-invalid: issuers/ci.yaml: workload ci: nothing that it asks for says where a token is from, so that others' would do
    issuer-invalid: issuers/ci.yaml: workload ci: it asks for 0 claims; 1 to 20 are taken
    issuer-invalid: issuers/ci.yaml: workload ci: `iss` is looked at anyway, and cannot be asked for
    issuer-invalid: issuers/ci.yaml: the issuer is no https:// address
    issuer-invalid: issuers/ci.yaml: unknown field `person`, expected one of attests-for, claims, workload at line 3, column 5
    issuer-invalid: issuers/ci.jwks.json: it has no key that signs tokens
    issuer-invalid: issuers/ci.jwks.json: two keys are called `one`
    issuer-invalid: issuers/ci.yaml: one key has two names
    issuer-invalid: issuers/ci.jwks.json: key `one` has a secret half, which belongs to nobody but the issuer
    issuer-invalid: issuers/ci.jwks.json: key `one` cannot be taken: it is an RSA key of 1024 bits, and 2048 to 8192 are taken
    issuer-invalid: issuers/ci.jwks.json: key `one` cannot be taken: it is of the kind `EC P-521`; RSA, EC P-256 and OKP Ed25519 are taken
    issuer-invalid: issuers/ci.jwks.json: key `one` cannot be taken: its numbers make no key of that kind
    ");
    // Of whom the catalog does not have, and of who is no workload.
    for (name, code) in [("nobody", "issuer-invalid"), ("grace", "issuer-invalid"), ("robo", "issuer-invalid")] {
        let file = issuer_file(&YAML.replace("workload: ci", &format!("workload: {name}")), &keys).unwrap();
        let founded = World::founded(|files| drop(files.insert(issuer::path_of("ci"), file)), |_| {});
        assert_eq!(founded.map(drop).unwrap_err().code, code, "{name}");
    }
    // One issuer in two files could say two things.
    let twice = World::founded(
        |files| {
            with_issuer(files);
            files.insert(issuer::path_of("ci2"), files[&issuer::path_of("ci")].clone());
        },
        |_| {},
    );
    assert_eq!(twice.map(drop).unwrap_err().code, "issuer-invalid");
}
