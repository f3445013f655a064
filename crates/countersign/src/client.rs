//! The client of the HTTP API, for the command line and for gates.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{explain::Explained, governance::Signer, ids::RepositoryId, refusal::RefusalClass};
use countersign_ledger::{Digest, Envelope, Fingerprint};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::wire::{ChangeLine, ChangeView, DENIED, ErrorBody, LogInfo, Receipt, Submit};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Error)]
pub enum ClientError {
    #[error("cannot reach the server at {url}: {why}")]
    Unreachable { url: String, why: String },
    #[error("{message}")]
    Refused { code: String, class: Option<RefusalClass>, message: String, hint: Option<String> },
    #[error("the rules do not allow change {}", .0.decision.change)]
    Denied(Box<Explained>),
    #[error("{url} does not answer like a Countersign server: {why}")]
    NotCountersign { url: String, why: String },
}

#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    agent: ureq::Agent,
}

impl Client {
    /// A client of the server at this address, for example `http://127.0.0.1:7878`.
    pub fn new(url: &str) -> Self {
        let agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).build().new_agent();
        Self { url: url.trim_end_matches('/').to_owned(), agent }
    }

    pub fn log(&self) -> Result<LogInfo, ClientError> {
        self.get("/v1/log")
    }

    /// Whose key it is, by the catalog in force.
    pub fn signer(&self, key: &Fingerprint) -> Result<Signer, ClientError> {
        // The base64 of a fingerprint has characters that mean something in a query.
        let key = utf8_percent_encode(key.as_str(), NON_ALPHANUMERIC);
        self.get(&format!("/v1/signer?key={key}"))
    }

    pub fn changes(&self) -> Result<Vec<ChangeLine>, ClientError> {
        self.get("/v1/changes")
    }

    pub fn changes_at(&self, repository: &RepositoryId, head: &str) -> Result<Vec<ChangeLine>, ClientError> {
        self.get(&format!("/v1/changes?repository={repository}&head={head}"))
    }

    /// Changes that a push which brings this delta could land.
    pub fn changes_with(&self, repository: &RepositoryId, delta: &Digest) -> Result<Vec<ChangeLine>, ClientError> {
        self.get(&format!("/v1/changes?repository={repository}&delta={delta}"))
    }

    pub fn change(&self, id: &str) -> Result<ChangeView, ClientError> {
        // An id goes into a path: anything else than its characters would be another address.
        let safe: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        if safe.is_empty() || safe != id {
            return Err(ClientError::Refused {
                code: "unknown-change".to_owned(),
                class: Some(RefusalClass::Unknown),
                message: format!("there is no change `{id}`"),
                hint: Some("list the changes: countersign list".to_owned()),
            });
        }
        self.get(&format!("/v1/changes/{id}"))
    }

    pub fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ClientError> {
        let bytes = self.bytes(&format!("/v1/blobs/{digest}"))?;
        if Digest::of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(ClientError::NotCountersign { url: self.url.clone(), why: format!("blob {digest} is something else") })
        }
    }

    /// A change's bundle, as a tar archive.
    pub fn bundle(&self, id: &str, since: Option<u64>) -> Result<Vec<u8>, ClientError> {
        let since = since.map(|size| format!("?since={size}")).unwrap_or_default();
        self.bytes(&format!("/v1/changes/{id}/bundle{since}"))
    }

    /// The whole log, as a tar archive.
    pub fn export(&self) -> Result<Vec<u8>, ClientError> {
        self.bytes("/v1/export")
    }

    pub fn submit(&self, envelope: &Envelope, blobs: &[Vec<u8>]) -> Result<Receipt, ClientError> {
        let submit = Submit {
            envelope: String::from_utf8_lossy(envelope.raw()).into_owned(),
            blobs: blobs.iter().map(|blob| STANDARD.encode(blob)).collect(),
        };
        let response = self
            .agent
            .post(format!("{}/v1/statements", self.url))
            .send_json(&submit)
            .map_err(|e| self.unreachable(&e))?;
        self.json(response)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.agent.get(format!("{}{path}", self.url)).call().map_err(|e| self.unreachable(&e))?;
        self.json(response)
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let mut response = self.agent.get(format!("{}{path}", self.url)).call().map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        response
            .body_mut()
            .with_config()
            .limit(crate::bundle::MAX_BUNDLE_BYTES)
            .read_to_vec()
            .map_err(|e| ClientError::Unreachable { url: self.url.clone(), why: format!("the answer broke off: {e}") })
    }

    fn json<T: DeserializeOwned>(&self, mut response: ureq::http::Response<ureq::Body>) -> Result<T, ClientError> {
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        response
            .body_mut()
            .with_config()
            .limit(crate::bundle::MAX_BUNDLE_BYTES)
            .read_json()
            .map_err(|e| ClientError::NotCountersign { url: self.url.clone(), why: e.to_string() })
    }

    fn refusal(&self, mut response: ureq::http::Response<ureq::Body>) -> ClientError {
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
            Err(_) => ClientError::NotCountersign { url: self.url.clone(), why: format!("status {status}") },
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> ClientError {
        ClientError::Unreachable { url: self.url.clone(), why: error.to_string() }
    }
}
