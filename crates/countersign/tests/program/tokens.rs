//! Evidence by a CI's OIDC token: a job without a key of its own attests by what its CI says of it. The issuer is one of the
//! test's own, on this machine, with a real RSA key.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign::clock;
use countersign_ledger::Digest;
use rsa::{
    RsaPrivateKey,
    pkcs1v15::SigningKey,
    signature::{SignatureEncoding as _, Signer as _},
    traits::PublicKeyParts as _,
};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{attest::tested, support::Run, world::World};

const YAML: &str = "\
issuer: https://token.example.com
workloads:
  - workload: ci
    claims:
      repository: shop/search
      job_workflow_ref: shop/search/.github/workflows/*.yml@refs/heads/main
";

/// An issuer, and what its tokens say beside audience and times.
struct Issuer {
    key: SigningKey<Sha256>,
    jwks: String,
    claims: Mutex<Value>,
}

impl Issuer {
    fn new() -> Arc<Self> {
        let key = RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap();
        let number = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        let jwks = json!({ "keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "2026", "n": number(key.n()), "e": number(key.e()),
        }] });
        let claims = json!({
            "iss": "https://token.example.com", "sub": "repo:shop/search:ref:refs/heads/main", "repository": "shop/search",
            "job_workflow_ref": "shop/search/.github/workflows/ci.yml@refs/heads/main", "actor": "octocat",
        });
        Arc::new(Self { key: SigningKey::new(key), jwks: jwks.to_string(), claims: Mutex::new(claims) })
    }

    fn token(&self, audience: &str) -> String {
        let now = clock::now().unix_secs();
        let mut claims = self.claims.lock().unwrap().clone();
        claims["aud"] = json!(audience);
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + 300);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "RS256", "kid": "2026", "typ": "JWT", "x5t": "2026" });
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Answers on this machine, as GitHub Actions does: to whoever brings the job's secret.
    fn serve(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token?api-version=2.0", listener.local_addr().unwrap());
        let issuer = Arc::clone(self);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let lines: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let said = |line: &String| line.to_lowercase() == "authorization: bearer secret";
                let answer = match lines[0].split_once("audience=").map(|(_, rest)| rest.split_once(' ').unwrap().0) {
                    Some(audience) if lines.iter().any(said) => {
                        let audience = audience.replace("%3A", ":");
                        let body = json!({ "count": 1, "value": issuer.token(&audience) }).to_string();
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
                    }
                    Some(_) | None => {
                        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
                    }
                };
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        url
    }
}

/// The usual world where tests have to pass, and tokens of an issuer speak for `ci`.
fn by_tokens() -> (World, Arc<Issuer>) {
    let world = tested();
    let issuer = Issuer::new();
    let files = [("ci.yaml", YAML.to_owned()), ("ci.jwks.json", issuer.jwks.clone())];
    let files = files.map(|(name, text)| (name.to_owned(), text.into_bytes())).into();
    let said = countersign_core::issuer::written::issuers(&files).unwrap();
    world.publish(|files| drop(files.insert("issuers/ci.json".to_owned(), said["ci"].to_bytes().unwrap())));
    (world, issuer)
}

fn approved(world: &World) -> String {
    world.edit("limit", "search/limit", "25\n");
    let change = world.propose("alice", &["search/production"]);
    world.say("alice", &["disclose", &change, "--none"]).done();
    world.approve("bob", &change);
    change
}

/// A job: no key, and the secret that its CI gives it.
fn job(world: &World, secrets: &[(&str, &str)], words: &[&str]) -> Run {
    let mut command = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
    command.env("XDG_STATE_HOME", world.stage.path("runner")).envs(secrets.iter().copied());
    let options = ["--url", &world.server().url, "--format", "json"];
    let output = command.args(options).args(words).output().unwrap();
    Run::new(output, &world.stage.path("."))
}

#[test]
fn a_job_attests_by_its_token_and_the_same_token_does_not_twice() {
    let (world, issuer) = by_tokens();
    let change = approved(&world);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    let url = issuer.serve();
    let passed = ["attest", &change, "--kind", "tests", "--result", "passed", "--workload", "ci"];
    // Where nobody says where the token is from, or the job may not ask, or asks somebody on the way.
    assert_eq!(job(&world, &[], &passed).status, 2);
    let at = |url: &str| {
        [&passed[..], &["--oidc-request-url", url]].concat().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let words = at(&url);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    job(&world, &[], &words).is_refused(1, "no-token");
    let plain = at("http://token.example.com/");
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    job(&world, &[("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret")], &plain).is_refused(1, "no-token");
    // As a job on GitHub Actions has it.
    let secrets = [("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret")];
    let run = job(&world, &secrets, &passed);
    let view = run.done();
    let said = &view["evidence"][0];
    assert_eq!(
        json!([said["by"], said["result"], said["counts"], said["issuer"], said["token_gone"]]),
        json!(["ci", "passed", true, "ci", null])
    );
    // Nowhere in what is said on the way is the token, or whom it ran for.
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("octocat"), "{run}");
    let shown = world.stage.run_words(&["--url", &world.server().url, "--key", "carol", "show", &change]);
    assert!(shown.stdout.contains("tests passed by ci a moment ago (revision 1, token of ci), counts"), "{shown}");
    // The gate has followed it, with the token, and opens.
    world.push(&["HEAD:main"]).passes();
}

#[test]
fn what_is_prepared_is_sent_with_its_token_and_no_other() {
    let (world, issuer) = by_tokens();
    let change = approved(&world);
    let prepare = |file: &str| {
        let words = ["attest", &change, "--kind", "tests", "--result", "passed", "--workload", "ci", "--prepare", file];
        // Which audience it says, digests being what tests do not print.
        assert!(job(&world, &[], &words).done()["audience"].as_str().unwrap().starts_with("sha256:"));
        let prepared: Value = serde_json::from_str(&world.stage.read(file)).unwrap();
        Digest::of(STANDARD.decode(prepared["payload"].as_str().unwrap()).unwrap()).to_string()
    };
    let send = |file: &str, token: &str| {
        world.stage.write("token", token);
        job(&world, &[], &["attest", &change, "--prepared", file, "--oidc-token", "token"])
    };
    let (first, second) = (prepare("first.json"), prepare("second.json"));
    assert_ne!(first, second);
    // GitLab's, which is there before: it is told what to do.
    let early = ["attest", &change, "--kind", "tests", "--result", "passed", "--oidc-token", "token"];
    world.stage.write("token", &issuer.token("https://countersign.example.com"));
    let run = job(&world, &[], &early);
    run.is_refused(1, "token-too-early");
    assert!(run.stderr.contains("an SSH key that only that job has"), "{run}");
    assert_eq!(send("first.json", &issuer.token("https://countersign.example.com")).code(), "token-audience");
    assert_eq!(send("first.json", &issuer.token(&second)).code(), "token-audience");
    let foreign = Issuer::new();
    assert_eq!(send("first.json", &foreign.token(&first)).code(), "token-signature");
    issuer.claims.lock().unwrap()["repository"] = json!("evil/search");
    assert_eq!(send("first.json", &issuer.token(&first)).code(), "token-claims");
    issuer.claims.lock().unwrap()["repository"] = json!("shop/search");
    let token = issuer.token(&first);
    // With a newline, as files have them.
    assert_eq!(send("first.json", &format!("{token}\n")).done()["evidence"][0]["counts"], true);
    // Once, also by another token for the same.
    assert_eq!(send("first.json", &token).code(), "replayed");
    assert_eq!(send("first.json", &issuer.token(&first)).code(), "replayed");
    world.push(&["HEAD:main"]).passes();
}

/// What lies beside the log can be erased, and then says nothing to anybody any more.
#[test]
fn an_erased_token_counts_for_nobody_and_the_log_holds() {
    let (world, issuer) = by_tokens();
    let change = approved(&world);
    let words = ["attest", &change, "--kind", "tests", "--result", "passed", "--workload", "ci"];
    let secrets =
        [("ACTIONS_ID_TOKEN_REQUEST_URL", issuer.serve()), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret".to_owned())];
    let secrets = secrets.each_ref().map(|(name, value)| (*name, value.as_str()));
    job(&world, &secrets, &words).done();
    world.say("alice", &["erase", &change, "--why", "the job ran for somebody who left", "--out", "erase.json"]).done();
    world.say("bob", &["erase", "--cosign", "erase.json"]).done();
    let view = world.say("carol", &["show", &change]).done();
    let said = &view["evidence"][0];
    assert_eq!(json!([said["counts"], said["token_gone"]]), json!([false, true]));
    // With the token went the names in the commits.
    world.push(&["HEAD:main"]).is_refused("facts-differ");
}
