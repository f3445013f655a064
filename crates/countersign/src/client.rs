//! The client of the HTTP API, for the command line and for gates. It fetches and believes nothing: what an answer is worth
//! is for whoever asked to check, see [`crate::known`] for people and [`crate::follower`] for gates.

pub(crate) mod route;

use std::{collections::BTreeMap, env, fmt, io::Read, str::FromStr, time::Duration};

use countersign_core::{
    explain::Explained,
    governance::Signer,
    ids::{ChangeId, GateId, InvalidId, Oid, RepositoryId, Target},
    refusal::RefusalClass,
    state::GateRecord,
};
use countersign_ledger::{Digest, Envelope, Fingerprint, Hash, Time, checkpoint::MAX_NOTE_BYTES};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use ureq::http::{Method, header::LOCATION};

use self::route::Redirect;
pub use self::route::{Via, named_for};
use crate::wire::{
    ChangePage, ChangeView, DENIED, Entries, EpochHint, ErrorBody, Familiar, FindingPage, LogInfo, MAX_HINT_BYTES,
    Material, Proof, Published, Receipt, Revocation, Standings, Submit, TargetLanded, Wanted,
};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Error)]
pub enum ClientError {
    #[error("cannot reach the server at {url}: {why}")]
    Unreachable { url: String, why: String },
    /// What was typed, or what a variable holds, is the address of nothing.
    #[error("{what}")]
    NoAddress { what: String, hint: String },
    #[error("{message}")]
    Refused { code: String, class: Option<RefusalClass>, message: String, hint: Option<String> },
    #[error("the rules do not allow change {}", .0.decision.change)]
    Denied(Box<Explained>),
    #[error("{url} does not answer like a Countersign server: {why}")]
    NotCountersign { url: String, why: String },
    #[error("{url} sends on to {to}, where this was not meant to go")]
    Redirected { url: String, to: String },
}

/// A change as somebody typed it: its id, or twelve or more digits of its beginning. Whatever comes back has to begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePrefix(String);

impl ChangePrefix {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the change that was meant, as far as it was typed.
    pub fn names(&self, id: &ChangeId) -> bool {
        id.as_str().starts_with(&self.0)
    }
}

impl FromStr for ChangePrefix {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let typed = s.to_ascii_lowercase();
        let fits = (ChangeId::MIN_PREFIX..=ChangeId::LEN).contains(&typed.len());
        if fits && typed.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(typed));
        }
        Err(InvalidId {
            what: "change id",
            text: s.chars().take(80).collect(),
            expected: "12 to 32 hexadecimal digits, as `countersign list` shows them",
        })
    }
}

impl From<&ChangeId> for ChangePrefix {
    fn from(id: &ChangeId) -> Self {
        Self(id.to_string())
    }
}

impl fmt::Display for ChangePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a list of changes is narrowed by: names and values of the query.
pub type Query<'a> = &'a [(&'a str, &'a str)];

#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    agent: ureq::Agent,
}

impl Client {
    /// A client of the server at this address, for example `http://127.0.0.1:7878`, through the proxy of the environment.
    pub fn new(url: &str) -> Self {
        Self::through(url, Via::Environment)
    }

    pub fn through(url: &str, via: Via<'_>) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .proxy(route::proxy(url, via, variable))
            // By itself it would turn a POST into a GET, and go wherever it is sent.
            .max_redirects(0)
            .build()
            .new_agent();
        Self { url: url.trim_end_matches('/').to_owned(), agent }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn log(&self) -> Result<LogInfo, ClientError> {
        self.get("/v1/log")
    }

    /// The newest signed checkpoint.
    pub fn checkpoint(&self) -> Result<String, ClientError> {
        let note = self.bytes("/checkpoint", MAX_NOTE_BYTES as u64).map_err(|error| match error {
            // Every log has one: this is no log's address, or more than one.
            ClientError::Refused { code, .. } if code == "not-found" => {
                self.not_countersign("it has no /checkpoint there")
            }
            error => error,
        })?;
        String::from_utf8(note).map_err(|_| self.not_countersign("its checkpoint is no text"))
    }

    /// Proof that a log of `from` leaves is the beginning of one of `to`.
    pub fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, ClientError> {
        Ok(self.get::<Proof>(&format!("/v1/consistency?from={from}&to={to}"))?.hashes)
    }

    /// Proof that leaf `index` is in a log of `size` leaves.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ClientError> {
        Ok(self.get::<Proof>(&format!("/v1/inclusion?index={index}&size={size}"))?.hashes)
    }

    /// The leaves behind the first `from`, as many as come in one answer.
    pub fn entries(&self, from: u64) -> Result<Entries, ClientError> {
        self.get(&format!("/v1/entries?from={from}"))
    }

    /// One leaf.
    pub fn leaf(&self, index: u64) -> Result<Vec<u8>, ClientError> {
        let entries: Entries = self.get(&format!("/v1/entries?from={index}&limit=1"))?;
        let leaf = entries.leaves().filter(|_| entries.from == index).and_then(|leaves| leaves.into_iter().next());
        leaf.ok_or_else(|| self.not_countersign(format!("it does not give leaf {index}")))
    }

    /// Every genesis and publication, in their order: what the files in force follow from.
    pub fn published(&self) -> Result<Vec<Published>, ClientError> {
        let mut all: Vec<Published> = Vec::new();
        loop {
            let page: Vec<Published> = self.get(&format!("/v1/governance/history?from={}", all.len()))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
            if all.len() > MAX_HISTORY {
                return Err(self.not_countersign("it tells of publications without end"));
            }
        }
    }

    /// The gates of a repository, as the server tells them: a permit for another one opens nothing.
    pub fn gates(&self, repository: &RepositoryId) -> Result<BTreeMap<GateId, GateRecord>, ClientError> {
        self.get(&format!("/v1/gates?repository={repository}"))
    }

    pub fn gate(&self, id: &GateId) -> Result<GateRecord, ClientError> {
        self.get(&format!("/v1/gates/{id}"))
    }

    /// Whose key it is, by the catalog in force.
    pub fn signer(&self, key: &Fingerprint) -> Result<Signer, ClientError> {
        self.get(&format!("/v1/signer?key={}", encoded(key.as_str())))
    }

    /// How a key was revoked, by whom.
    pub fn revocation(&self, key: &Fingerprint) -> Result<Revocation, ClientError> {
        self.get(&format!("/v1/revocation?key={}", encoded(key.as_str())))
    }

    /// How people stand, with what proves it: whose key this is, and those of whom a key is suspended.
    pub fn standings(&self, key: Option<&Fingerprint>, since: u64, governed: &[u64]) -> Result<Standings, ClientError> {
        let key = key.map(|key| format!("&key={}", encoded(key.as_str()))).unwrap_or_default();
        let governed: Vec<String> = governed.iter().map(u64::to_string).collect();
        self.get(&format!("/v1/standings?since={since}&governed={}{key}", governed.join(",")))
    }

    /// One page of a list.
    pub fn changes(&self, query: Query<'_>) -> Result<ChangePage, ClientError> {
        self.get(&format!("/v1/changes{}", asked(query)))
    }

    /// One page of findings, as the server tells them.
    pub fn findings(&self, query: Query<'_>) -> Result<FindingPage, ClientError> {
        self.get(&format!("/v1/findings{}", asked(query)))
    }

    /// What landed on a target, as the server tells it.
    pub fn landed(&self, target: &Target) -> Result<TargetLanded, ClientError> {
        self.get(&format!("/v1/targets/{target}/landed"))
    }

    /// A change as the server tells it: for whoever asks what that is.
    pub fn change(&self, id: &ChangePrefix) -> Result<ChangeView, ClientError> {
        self.get(&format!("/v1/changes/{id}"))
    }

    /// Who had to do with the systems of a change before, as the server tells it.
    pub fn familiar(&self, id: &ChangeId) -> Result<Familiar, ClientError> {
        self.get(&format!("/v1/changes/{id}/familiar"))
    }

    pub fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ClientError> {
        let bytes = self.bytes(&format!("/v1/blobs/{digest}"), MAX_BLOB_BYTES)?;
        if Digest::of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(self.not_countersign(format!("blob {digest} is something else")))
        }
    }

    /// A change's bundle, as a tar archive; `governed` are the moments of governance that need not be in it again.
    pub fn bundle(&self, id: &ChangePrefix, since: Option<u64>, governed: &[u64]) -> Result<Vec<u8>, ClientError> {
        let governed: Vec<String> = governed.iter().map(u64::to_string).collect();
        let mut query: Vec<String> = since.iter().map(|size| format!("since={size}")).collect();
        if !governed.is_empty() {
            query.push(format!("governed={}", governed.join(",")));
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        self.bytes(&format!("/v1/changes/{id}/bundle{query}"), crate::bundle::MAX_BUNDLE_BYTES)
    }

    /// What contents of a change the server would keep for reviewers.
    pub fn wanted(&self, change: &ChangeId) -> Result<Wanted, ClientError> {
        self.get(&format!("/v1/changes/{change}/material"))
    }

    /// Gives it some, and is told what is wanted then.
    pub fn give(&self, change: &ChangeId, contents: &Material) -> Result<Wanted, ClientError> {
        self.json(self.post(&format!("/v1/changes/{change}/material"), contents)?)
    }

    /// A page of the contents of a change, behind this one. They may be anything.
    pub fn material(&self, change: &ChangeId, after: Option<&Oid>) -> Result<Material, ClientError> {
        let after = after.map(|after| format!("?after={after}")).unwrap_or_default();
        self.get(&format!("/v1/changes/{change}/material/contents{after}"))
    }

    /// The whole log, as a tar archive, while it comes. That may take as long as it takes.
    pub fn export(&self) -> Result<impl Read + use<>, ClientError> {
        let response = self.follow("/v1/export", |url| {
            let request = self.agent.get(url).config().timeout_global(None);
            request.timeout_recv_response(Some(TIMEOUT)).build().call()
        })?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// A file of the log's static layout, if it is there.
    pub fn file(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ClientError> {
        let response = self.follow(&format!("/{name}"), |url| self.agent.get(url).call())?;
        match response.status().as_u16() {
            404 | 410 => Ok(None),
            _ => self.body(response, limit).map(Some),
        }
    }

    /// Where epochs of the log were begun, by the server's word; nothing in the first.
    pub fn epochs(&self) -> Result<Vec<EpochHint>, ClientError> {
        let answer = self.file("epoch", MAX_HINT_BYTES)?;
        Ok(answer.map(|bytes| EpochHint::read(&bytes)).unwrap_or_default())
    }

    /// What time it is by the server's clock, to the second, if it says so.
    pub fn clock(&self) -> Result<Option<Time>, ClientError> {
        let response = self.agent.get(format!("{}/healthz", self.url)).call().map_err(|e| self.unreachable(&e))?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        Ok(date.map(|date| Time::from_unix_secs(date.timestamp().as_second())))
    }

    pub fn submit(&self, envelope: &Envelope, blobs: &[Vec<u8>]) -> Result<Receipt, ClientError> {
        self.json(self.post("/v1/statements", Submit::new(envelope, blobs))?)
    }

    /// What is sent goes nowhere else.
    fn post(&self, path: &str, body: impl Serialize) -> Result<Response, ClientError> {
        let url = format!("{}{path}", self.url);
        let response = self.agent.post(&url).send_json(body).map_err(|e| self.unreachable(&e))?;
        match sent_on(&response) {
            Some(location) => match route::redirect(&Method::POST, &url, &location) {
                Redirect::Within(to) | Redirect::Elsewhere(to) => Err(ClientError::Redirected { url, to }),
            },
            None => Ok(response),
        }
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(self.follow(path, |url| self.agent.get(url).call())?)
    }

    fn bytes(&self, path: &str, limit: u64) -> Result<Vec<u8>, ClientError> {
        self.body(self.follow(path, |url| self.agent.get(url).call())?, limit)
    }

    /// Asks, and asks again where the same server says that it is to be asked.
    fn follow(&self, path: &str, get: impl Fn(&str) -> Result<Response, ureq::Error>) -> Result<Response, ClientError> {
        let mut url = format!("{}{path}", self.url);
        for _ in 0..MAX_REDIRECTS {
            let response = get(&url).map_err(|e| self.unreachable(&e))?;
            let Some(location) = sent_on(&response) else { return Ok(response) };
            match route::redirect(&Method::GET, &url, &location) {
                Redirect::Within(to) => url = to,
                Redirect::Elsewhere(to) => return Err(ClientError::Redirected { url, to }),
            }
        }
        Err(self.not_countersign(format!("it sends on more than {MAX_REDIRECTS} times")))
    }

    fn body(&self, mut response: Response, limit: u64) -> Result<Vec<u8>, ClientError> {
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        response
            .body_mut()
            .with_config()
            .limit(limit)
            .read_to_vec()
            .map_err(|e| ClientError::Unreachable { url: self.url.clone(), why: format!("the answer broke off: {e}") })
    }

    fn json<T: DeserializeOwned>(&self, mut response: Response) -> Result<T, ClientError> {
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        response
            .body_mut()
            .with_config()
            .limit(crate::bundle::MAX_BUNDLE_BYTES)
            .read_json()
            .map_err(|e| self.not_countersign(e.to_string()))
    }

    fn refusal(&self, mut response: Response) -> ClientError {
        let status = response.status();
        match response.body_mut().read_json::<ErrorBody>() {
            Ok(ErrorBody { error, decision: Some(decision), explanation: Some(explanation) })
                if error.code == DENIED =>
            {
                ClientError::Denied(Box::new(Explained { decision, explanation }))
            }
            Ok(ErrorBody { error, .. }) => {
                ClientError::Refused { code: error.code, class: error.class, message: error.message, hint: error.hint }
            }
            Err(_) => self.not_countersign(format!("status {status}")),
        }
    }

    fn not_countersign(&self, why: impl Into<String>) -> ClientError {
        ClientError::NotCountersign { url: self.url.clone(), why: why.into() }
    }

    fn unreachable(&self, error: &ureq::Error) -> ClientError {
        if let Some(wrong) = no_address(&self.url) {
            return wrong;
        }
        let why = error.to_string();
        // What rustls says where the other side does not speak TLS.
        if self.url.starts_with("https://") && (why.contains("InvalidContentType") || why.contains("corrupt message")) {
            let plain = self.url.replacen("https://", "http://", 1);
            return ClientError::NoAddress {
                what: format!("{} answers, and speaks http, not https", self.url),
                hint: format!(
                    "--url {plain} (or COUNTERSIGN_URL), or put a proxy with a certificate before the server"
                ),
            };
        }
        ClientError::Unreachable { url: self.url.clone(), why }
    }
}

/// The proxy of the environment for whatever is at this address.
pub fn proxy_of(url: &str) -> Option<ureq::Proxy> {
    route::proxy(url, Via::Environment, variable)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

type Response = ureq::http::Response<ureq::Body>;

/// Where an answer sends on to.
pub fn sent_on(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// How often a question is sent on.
const MAX_REDIRECTS: usize = 5;

/// What is wrong with an address that cannot be one.
fn no_address(url: &str) -> Option<ClientError> {
    if url.trim().is_empty() {
        return Some(ClientError::NoAddress {
            what: "the server's address is empty: --url, or COUNTERSIGN_URL where that is not given".to_owned(),
            hint: "unset COUNTERSIGN_URL, or set it to an address such as http://127.0.0.1:7878".to_owned(),
        });
    }
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if rest.is_some_and(|rest| !rest.is_empty()) {
        return None;
    }
    // With whatever scheme it has, or a part of one.
    let bare = match url.split_once("://") {
        Some((_, rest)) => rest,
        None => url.trim_start_matches("https:").trim_start_matches("http:").trim_start_matches('/'),
    };
    let bare = if bare.is_empty() { "HOST:7878" } else { bare };
    Some(ClientError::NoAddress {
        what: format!("`{url}` is no address: it has to begin with http:// or https://"),
        hint: format!("--url http://{bare} (or COUNTERSIGN_URL)"),
    })
}

/// More publications than any log has.
const MAX_HISTORY: usize = 100_000;

/// The largest blob that a log keeps, with some room.
pub const MAX_BLOB_BYTES: u64 = 64 * 1024 * 1024;

fn asked(query: Query<'_>) -> String {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) }
}

/// A value of a query.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_named_by_twelve_digits_or_more() {
        let whole = "9f2c4e6a81d09f2c4e6a81d09f2c4e6a";
        let id: ChangeId = whole.parse().unwrap();
        for typed in [whole, "9f2c4e6a81d0", "9F2C4E6A81D0"] {
            let prefix: ChangePrefix = typed.parse().unwrap();
            assert!(prefix.names(&id), "{typed}");
        }
        let other: ChangePrefix = "9f2c4e6a81d1".parse().unwrap();
        assert!(!other.names(&id));
        let longer = format!("{whole}0");
        for typed in ["", "9f2c4e6a81d", "9f2c4e6a81dg", "../governance", "9f2c4e6a81d0/bundle", &longer] {
            assert!(typed.parse::<ChangePrefix>().is_err(), "{typed}");
        }
    }
}
