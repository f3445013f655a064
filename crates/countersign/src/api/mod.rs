//! The HTTP API. Reading needs no authentication here (put the server behind one); writing is a signed statement, and
//! the signature is the authentication.
//!
//! A handler parses and makes one call to the engine.

pub mod error;
pub mod wire;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    governance::Signer,
    ids::{Oid, RepositoryId},
    refusal::Refusal,
    verify::{TRUST_VERSION, Trust},
};
use countersign_ledger::{Digest, Fingerprint, tile::TilePath};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::net::TcpListener;

use self::{
    error::{ApiError, bad_request, method_not_allowed, not_found, too_large},
    wire::{GovernanceInfo, LogInfo, Submit},
};
use crate::engine::{ChangeLine, ChangeView, Engine, Receipt};

/// Enough for the largest statement with its blobs, in base64.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Read of a body that is too large, so that its sender has finished writing and reads the answer. Who sends more than
/// this finds the connection closed.
const MAX_DISCARDED_BYTES: usize = 8 * MAX_BODY_BYTES;

type Reply<T> = Result<T, ApiError>;

/// What an address names, if it is text at all.
type Part = Result<Path<String>, PathRejection>;

fn part(part: Part) -> Reply<String> {
    part.map(|Path(part)| part).map_err(|e| bad_request(e.body_text()))
}

pub fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(healthz))
        .route("/v1/statements", post(submit))
        .route("/v1/log", get(log))
        .route("/v1/signer", get(signer))
        .route("/v1/changes", get(changes))
        .route("/v1/changes/{id}", get(change))
        .route("/v1/changes/{id}/bundle", get(bundle))
        .route("/v1/export", get(export))
        .route("/v1/blobs/{digest}", get(blob))
        .route("/checkpoint", get(checkpoint))
        .route("/tile/{*path}", get(tile))
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .fallback(|| async { not_found("page at this address") })
        .layer(DefaultBodyLimit::disable())
        .with_state(engine)
}

/// Serves until asked to stop; requests under way are finished.
pub async fn serve(
    engine: Arc<Engine>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(engine)).with_graceful_shutdown(stop).await
}

/// Binds the address, with a message that says which.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn index() -> &'static str {
    "countersign\n\n\
     GET  /v1/changes              the changes\n\
     GET  /v1/changes/ID           one change, with the decision as it stands\n\
     GET  /v1/changes/ID/bundle    its bundle, for countersign verify\n\
     GET  /v1/log                  the log's checkpoint and governance\n\
     GET  /checkpoint, /tile/...   the log itself (C2SP tlog-tiles)\n\
     POST /v1/statements           a signed statement: the one way to write\n"
}

async fn healthz(State(engine): State<Arc<Engine>>) -> Reply<&'static str> {
    engine.head().await?;
    Ok("ok\n")
}

/// Reads a body to its end, keeping no more than [`MAX_BODY_BYTES`].
///
/// An answer that comes while the sender still writes is lost to many of them: the kernel resets a connection that is
/// closed with bytes unread, and the sender sees that instead of the reason.
async fn whole(mut body: Body) -> Reply<Vec<u8>> {
    let mut kept = Vec::new();
    let mut read = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| bad_request(format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        read = read.saturating_add(data.len());
        if read <= MAX_BODY_BYTES {
            kept.extend_from_slice(&data);
        } else if read > MAX_DISCARDED_BYTES {
            break;
        } else {
            kept = Vec::new();
        }
    }
    if read > MAX_BODY_BYTES { Err(too_large(MAX_BODY_BYTES)) } else { Ok(kept) }
}

async fn submit(State(engine): State<Arc<Engine>>, body: Body) -> Reply<Json<Receipt>> {
    let body = whole(body).await?;
    let submit: Submit =
        serde_json::from_slice(&body).map_err(|e| bad_request(format!("the body is not as it should be: {e}")))?;
    let blobs = submit
        .blobs
        .iter()
        .enumerate()
        .map(|(i, blob)| STANDARD.decode(blob).map_err(|e| bad_request(format!("blob {i} is not base64: {e}"))))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(engine.submit(submit.envelope.as_bytes(), blobs).await?))
}

async fn log(State(engine): State<Arc<Engine>>) -> Reply<Json<LogInfo>> {
    let governance = engine.governance().await?;
    let head = engine.head().await?;
    let record = &governance.record;
    Ok(Json(LogInfo {
        origin: record.origin.clone(),
        size: head.size,
        root: head.root,
        checkpoint: head.note,
        genesis: record.genesis,
        trust: Trust {
            version: TRUST_VERSION,
            origin: record.origin.clone(),
            log_key: record.log_key.clone(),
            genesis: record.genesis,
            recovery_quorum: record.recovery_quorum,
        },
        governance: GovernanceInfo {
            in_force: record.in_force,
            catalog: record.catalog,
            rules: record.rules,
            gates: record.gates.clone(),
            people: governance.able_people().map(|person| person.id.clone()).collect(),
        },
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    /// A fingerprint: `SHA256:…`.
    key: Fingerprint,
}

async fn signer(State(engine): State<Arc<Engine>>, key: Result<Query<Key>, QueryRejection>) -> Reply<Json<Signer>> {
    let Query(Key { key }) = key.map_err(|e| bad_request(e.body_text()))?;
    let governance = engine.governance().await?;
    match governance.signer(&key) {
        Some(signer) => Ok(Json(signer)),
        None if governance.record.revoked.contains(&key) => {
            Err(Refusal::unauthenticated("key-revoked", format!("key {key} was revoked")).into())
        }
        None => Err(Refusal::unknown("unknown-key", format!("key {key} belongs to nobody in the catalog"))
            .hint("pass --key with a key that the catalog lists for you")
            .into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Changes of a git range in this repository …
    repository: Option<String>,
    /// … whose present revision has this head.
    head: Option<String>,
}

async fn changes(
    State(engine): State<Arc<Engine>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Reply<Json<Vec<ChangeLine>>> {
    let Query(filter) = filter.map_err(|e| bad_request(e.body_text()))?;
    let repository: Option<RepositoryId> =
        filter.repository.map(|r| r.parse()).transpose().map_err(|e| bad_request(format!("{e}")))?;
    let head: Option<Oid> = filter.head.map(|h| h.parse()).transpose().map_err(|e| bad_request(format!("{e}")))?;
    let changes = match (repository, head) {
        (None, None) => engine.changes().await?,
        (Some(repository), Some(head)) => engine.changes_at(&repository, &head).await?,
        (Some(_), None) | (None, Some(_)) => {
            return Err(bad_request("`repository` and `head` go together".to_owned()));
        }
    };
    let mut lines = Vec::with_capacity(changes.len());
    for change in &changes {
        lines.push(engine.line(change).await?);
    }
    Ok(Json(lines))
}

async fn change(State(engine): State<Arc<Engine>>, id: Part) -> Reply<Json<ChangeView>> {
    let change = engine.find(&part(id)?).await?;
    Ok(Json(engine.view(&change).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Size of the log that the asker has seen.
    since: Option<u64>,
}

async fn bundle(
    State(engine): State<Arc<Engine>>,
    id: Part,
    since: Result<Query<Since>, QueryRejection>,
) -> Reply<Response> {
    let Query(Since { since }) = since.map_err(|e| bad_request(e.body_text()))?;
    let change = engine.find(&part(id)?).await?;
    let bundle = engine.bundle(&change.id, since).await?;
    let archive = bundle.to_tar().map_err(|e| crate::engine::EngineError::Damaged(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], archive).into_response())
}

async fn export(State(engine): State<Arc<Engine>>) -> Reply<Response> {
    let files = engine.export().await?;
    let archive = crate::bundle::tar_of(&files).map_err(|e| crate::engine::EngineError::Damaged(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], archive).into_response())
}

async fn blob(State(engine): State<Arc<Engine>>, digest: Part) -> Reply<Response> {
    let digest: Digest = part(digest)?.parse().map_err(|e| bad_request(format!("{e}")))?;
    match crate::store::blob(engine.store(), &digest).await? {
        Some(bytes) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()),
        None => Err(not_found("such blob")),
    }
}

async fn checkpoint(State(engine): State<Arc<Engine>>) -> Reply<Response> {
    let note = engine.head().await?.note;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}

async fn tile(State(engine): State<Arc<Engine>>, path: Part) -> Reply<Response> {
    let path: TilePath = format!("tile/{}", part(path)?).parse().map_err(|e| bad_request(format!("{e}")))?;
    match engine.tile(&path).await? {
        Some(bytes) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()),
        None => Err(not_found("such tile")),
    }
}
