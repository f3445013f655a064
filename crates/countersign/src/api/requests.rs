//! Around every request: is it meant for this server, and one line of the log when it is answered.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, header::HOST, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use tokio::time::Instant;

use super::error::{Cause, another_host, bad_request};
use crate::random;

/// By which a request is found in the server's log.
const REQUEST_ID: &str = "x-request-id";

/// The names by which a server is asked. Its addresses, and `localhost`, need no mention.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<Vec<String>>);

impl Hosts {
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(names.into_iter().map(|name| name.to_ascii_lowercase()).collect()))
    }

    /// A page that somebody looks at can have its own name lead here, and then reads what this machine may read; only it asks
    /// by its own name.
    fn has(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }
}

/// Refuses what is asked by another name.
pub async fn for_this_host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    // Only what is older than browsers names none. A request line may name one as well, which comes before the header's.
    let in_line = request.uri().authority().map(|authority| authority.to_string());
    let headers: Vec<String> = request
        .headers()
        .get_all(HOST)
        .iter()
        .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned())
        .collect();
    if let Some(host) = in_line.iter().chain(&headers).find(|host| !hosts.has(host)) {
        return another_host(host).into_response();
    }
    if headers.len() > 1 {
        return bad_request(format!("a request has one Host header, this has {}", headers.len())).into_response();
    }
    next.run(request).await
}

/// Says what was asked, and what came of it.
pub async fn logged(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    // What was matched, and not the path: ids would fill the log's index.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let id: String = random::nonce().to_string().chars().take(16).collect();
    let mut response = next.run(request).await;
    let status = response.status();
    let cause = response.extensions().get::<Cause>().map(|cause| cause.0.as_str()).unwrap_or_default();
    let millis = began.elapsed().as_millis();
    if status.is_server_error() {
        tracing::error!(
            http.method = %method, http.route = route, http.status = status.as_u16(), request.id = id, cause, millis,
            "failed"
        );
    } else {
        tracing::info!(
            http.method = %method, http.route = route, http.status = status.as_u16(), request.id = id, cause, millis,
            "answered"
        );
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_by_its_addresses_and_its_names() {
        let hosts = Hosts::new(["Changes.example".to_owned()]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:7878",
            "[::1]:7878",
            "localhost:1",
            "a.localhost",
            "changes.example:443",
            "CHANGES.example.",
        ] {
            assert!(hosts.has(host), "{host}");
        }
        for host in ["evil.example", "changes.example.evil", "localhost.evil", "127.0.0.1.evil", "", "a b", "@"] {
            assert!(!hosts.has(host), "{host}");
        }
    }
}
