//! The HTTP API. Reading needs no authentication here (put the server behind one); writing is a signed statement, and
//! the signature is the authentication.
//!
//! A handler parses and makes one call to the engine.

mod body;
pub mod connections;
pub mod cosigner;
pub mod error;
mod export;
mod requests;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::header,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    governance::{GovernanceRecord, Signer},
    ids::{ActorId, GateId, Oid, RepositoryId, SystemId, Target},
    refusal::Refusal,
    state::GateRecord,
    trust::{Freshness, Outage, TRUST_VERSION, Trust},
};
use countersign_ledger::{Digest, Fingerprint, Time, tile::TilePath};
use serde::Deserialize;
use tokio::net::TcpListener;

use self::{
    body::{Room, whole},
    error::{ApiError, bad_request, method_not_allowed, not_found},
    requests::{for_this_host, logged},
};
pub use self::{connections::Patience, requests::Hosts};
use crate::{
    engine::{ChangeFilter, Engine, FindingFilter, PAGE},
    unix,
    view::ShownState,
    wire::{
        ChangePage, ChangeView, Entries, Familiar, FindingPage, GovernanceInfo, LogInfo, Material, Proof, Published,
        Receipt, Revocation, Standings, Submit, TargetLanded, Wanted,
    },
};

/// Enough for the largest statement with its blobs, in base64.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
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
        .route("/v1/revocation", get(revocation))
        .route("/v1/standings", get(standings))
        .route("/v1/changes", get(changes))
        .route("/v1/changes/{id}", get(change))
        .route("/v1/changes/{id}/bundle", get(bundle))
        .route("/v1/changes/{id}/familiar", get(familiar))
        .route("/v1/changes/{id}/material", get(wanted).post(give))
        .route("/v1/changes/{id}/material/contents", get(contents))
        .route("/v1/findings", get(findings))
        .route("/v1/targets/{system}/{environment}/landed", get(landed))
        .route("/v1/governance", get(governance))
        .route("/v1/governance/history", get(history))
        .route("/v1/gates", get(gates))
        .route("/v1/gates/{id}", get(gate))
        .route("/v1/entries", get(entries))
        .route("/v1/inclusion", get(inclusion))
        .route("/v1/consistency", get(consistency))
        .route("/v1/export", get(export))
        .route("/v1/blobs/{digest}", get(blob))
        .route("/checkpoint", get(checkpoint))
        .route("/cosigned", get(cosigned))
        .route("/epoch", get(epoch))
        .route("/tile/{*path}", get(tile))
        .route("/blobs/{digest}", get(static_blob))
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .fallback(|| async { not_found("page at this address") })
        .layer(DefaultBodyLimit::disable())
        .layer(Extension(Room::new()))
        .with_state(engine)
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Reached {
    pub hosts: Hosts,
    /// How many connections at the most.
    pub connections: usize,
    pub patience: Patience,
}

impl Default for Reached {
    fn default() -> Self {
        Self {
            hosts: Hosts::default(),
            connections: connections::most(unix::open_files()),
            patience: Patience::default(),
        }
    }
}

/// Serves until asked to stop; requests under way are finished.
pub async fn serve(
    engine: Arc<Engine>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_as(Reached::default(), engine, listener, stop).await
}

/// The same, under these names and within these bounds.
pub async fn serve_as(
    reached: Reached,
    engine: Arc<Engine>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = around(router(engine), reached.hosts);
    connections::serve(router, listener, reached.connections, reached.patience, stop).await
}

/// What every request passes through.
fn around(router: Router, hosts: Hosts) -> Router {
    router.layer(from_fn_with_state(hosts, for_this_host)).layer(from_fn(logged))
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
     GET  /v1/findings             what somebody has to answer\n\
     GET  /v1/log                  the log's checkpoint and governance\n\
     GET  /checkpoint, /tile/...   the log itself (C2SP tlog-tiles)\n\
     GET  /cosigned                the newest checkpoint that others cosigned\n\
     GET  /epoch                   where its present epoch was begun, if it is not the first\n\
     POST /v1/statements           a signed statement: the one way to write\n"
}

async fn healthz(State(engine): State<Arc<Engine>>) -> Reply<&'static str> {
    engine.head().await?;
    engine.is_whole()?;
    Ok("ok\n")
}

async fn submit(
    State(engine): State<Arc<Engine>>,
    Extension(room): Extension<Arc<Room>>,
    body: Body,
) -> Reply<Json<Receipt>> {
    // The room is given back when the statement is written.
    let (body, _share) = whole(body, MAX_BODY_BYTES, &room).await?;
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
    let governance = engine.overview().await?;
    let head = engine.head().await?;
    Ok(Json(LogInfo {
        origin: governance.origin.clone(),
        size: head.size,
        root: head.root,
        checkpoint: head.note,
        genesis: governance.genesis,
        trust: Trust {
            version: TRUST_VERSION,
            origin: governance.origin,
            log_key: engine.log_keys().await?,
            genesis: governance.genesis,
            recovery_quorum: governance.recovery_quorum,
            checkpoint: None,
            cosigners: None,
            fresh: Freshness::default(),
            outage: Outage::default(),
            witnesses: Vec::new(),
        },
        governance: GovernanceInfo {
            in_force: governance.in_force,
            semantics: governance.semantics,
            rules: governance.rules,
            people: governance.people,
        },
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    /// A fingerprint: `SHA256:…`.
    key: Fingerprint,
}

async fn revocation(
    State(engine): State<Arc<Engine>>,
    key: Result<Query<Key>, QueryRejection>,
) -> Reply<Json<Revocation>> {
    let Query(Key { key }) = key.map_err(|e| bad_request(e.body_text()))?;
    Ok(Json(engine.revocation(&key).await?))
}

async fn signer(State(engine): State<Arc<Engine>>, key: Result<Query<Key>, QueryRejection>) -> Reply<Json<Signer>> {
    let Query(Key { key }) = key.map_err(|e| bad_request(e.body_text()))?;
    Ok(Json(engine.signer(&key).await?))
}

/// What is in force, with the digest of every file.
async fn governance(State(engine): State<Arc<Engine>>) -> Reply<Json<GovernanceRecord>> {
    Ok(Json(engine.governance().await?.record.clone()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Behind {
    /// How many of them the asker has.
    #[serde(default)]
    from: u64,
}

/// The genesis and the publications, in their order, a page at a time.
async fn history(
    State(engine): State<Arc<Engine>>,
    behind: Result<Query<Behind>, QueryRejection>,
) -> Reply<Json<Vec<Published>>> {
    let Query(Behind { from }) = behind.map_err(|e| bad_request(e.body_text()))?;
    Ok(Json(engine.published(from).await?))
}

async fn gate(State(engine): State<Arc<Engine>>, id: Part) -> Reply<Json<GateRecord>> {
    let id: GateId = part(id)?.parse().map_err(|e| bad_request(format!("{e}")))?;
    match engine.gate(&id).await? {
        Some(gate) => Ok(Json(gate)),
        None => Err(Refusal::unknown("unknown-gate", format!("there is no gate `{id}`"))
            .hint("register it: countersign gate install REPO …")
            .into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Guarded {
    repository: RepositoryId,
}

/// The gates of a repository.
async fn gates(
    State(engine): State<Arc<Engine>>,
    guarded: Result<Query<Guarded>, QueryRejection>,
) -> Reply<Json<BTreeMap<GateId, GateRecord>>> {
    let Query(Guarded { repository }) = guarded.map_err(|e| bad_request(e.body_text()))?;
    Ok(Json(engine.gates(&repository).await?))
}

/// What a list of changes is narrowed by. All of it must hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Changes of a git range in this repository …
    repository: Option<RepositoryId>,
    /// … whose present revision has this head.
    head: Option<Oid>,
    state: Option<ShownState>,
    /// Those about which something can still be said.
    #[serde(default)]
    open: bool,
    system: Option<SystemId>,
    target: Option<Target>,
    /// Who proposed, revised, approved, rejected or waived.
    person: Option<ActorId>,
    /// Who proposed it, or answers for a machine that did.
    proposer: Option<ActorId>,
    /// Whose approval, or whatever else is missing, would help.
    waiting_on: Option<ActorId>,
    /// Proposed at or after this moment, in RFC 3339.
    since: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
    /// Where the page before ended.
    after: Option<String>,
    limit: Option<u64>,
}

async fn changes(
    State(engine): State<Arc<Engine>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Reply<Json<ChangePage>> {
    let Query(filter) = filter.map_err(|e| bad_request(e.body_text()))?;
    match (filter.repository, filter.head) {
        (None, None) => {}
        (Some(repository), Some(head)) => {
            let changes = engine.changes_at(&repository, &head).await?;
            return Ok(Json(ChangePage { changes: engine.lines_of(&changes).await?, next: None }));
        }
        (Some(_), None) | (None, Some(_)) => {
            return Err(bad_request("`repository` and `head` go together".to_owned()));
        }
    }
    let after = filter.after.map(|after| after.parse()).transpose();
    let after = after.map_err(|e| bad_request(format!("`after`: {e}")))?;
    let time = |at: jiff::Timestamp| Time::from_unix_millis(at.as_millisecond());
    let wanted = ChangeFilter {
        state: filter.state,
        open: filter.open,
        system: filter.system,
        target: filter.target,
        person: filter.person,
        proposer: filter.proposer,
        waiting_on: filter.waiting_on,
        since: filter.since.map(time),
        until: filter.until.map(time),
    };
    Ok(Json(engine.list(&wanted, after, filter.limit.unwrap_or(PAGE)).await?))
}

/// What a list of findings is narrowed by. All of it must hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Findings {
    /// Those that nobody has answered.
    #[serde(default)]
    open: bool,
    /// `gate/NAME`, `target/SYSTEM/ENVIRONMENT`, `person/NAME` or `rule/ID`.
    about: Option<String>,
    /// Who has to answer.
    who: Option<ActorId>,
    /// Where the page before ended.
    after: Option<String>,
    limit: Option<u64>,
}

async fn findings(
    State(engine): State<Arc<Engine>>,
    wanted: Result<Query<Findings>, QueryRejection>,
) -> Reply<Json<FindingPage>> {
    let Query(wanted) = wanted.map_err(|e| bad_request(e.body_text()))?;
    let after = wanted.after.map(|after| after.parse()).transpose();
    let after = after.map_err(|e| bad_request(format!("`after`: {e}")))?;
    let filter = FindingFilter { open: wanted.open, about: wanted.about, who: wanted.who };
    Ok(Json(engine.findings(&filter, after, wanted.limit.unwrap_or(PAGE)).await?))
}

async fn landed(
    State(engine): State<Arc<Engine>>,
    target: Result<Path<(String, String)>, PathRejection>,
) -> Reply<Json<TargetLanded>> {
    let Path((system, environment)) = target.map_err(|e| bad_request(e.body_text()))?;
    let target: Target = format!("{system}/{environment}").parse().map_err(|e| bad_request(format!("{e}")))?;
    Ok(Json(engine.landed(&target).await?))
}

async fn change(State(engine): State<Arc<Engine>>, id: Part) -> Reply<Json<ChangeView>> {
    let change = engine.find(&part(id)?).await?;
    Ok(Json(engine.view(&change).await?))
}

async fn familiar(State(engine): State<Arc<Engine>>, id: Part) -> Reply<Json<Familiar>> {
    let change = engine.find(&part(id)?).await?;
    Ok(Json(engine.familiar(&change).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Size of the log that the asker has seen.
    since: Option<u64>,
    /// Up to which leaves of the governance stream the asker has verified it: numbers with commas between.
    governed: Option<String>,
}

/// Moments that an asker may name.
const MAX_GOVERNED: usize = 64;

async fn bundle(
    State(engine): State<Arc<Engine>>,
    id: Part,
    since: Result<Query<Since>, QueryRejection>,
) -> Reply<Response> {
    let Query(Since { since, governed }) = since.map_err(|e| bad_request(e.body_text()))?;
    let governed = moments(governed.as_deref())?;
    let change = engine.find(&part(id)?).await?;
    let bundle = engine.bundle(&change, since, &governed).await?;
    let archive = bundle.to_tar().map_err(|e| Refusal::malformed("bundle", e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], archive).into_response())
}

/// What of the present revision's contents the server would keep.
async fn wanted(State(engine): State<Arc<Engine>>, id: Part) -> Reply<Json<Wanted>> {
    let change = engine.find(&part(id)?).await?;
    Ok(Json(engine.wanted(&change).await?))
}

/// Contents that the present revision names. Whoever has the bytes may give them.
async fn give(
    State(engine): State<Arc<Engine>>,
    Extension(room): Extension<Arc<Room>>,
    id: Part,
    body: Body,
) -> Reply<Json<Wanted>> {
    let change = engine.find(&part(id)?).await?;
    let (body, _share) = whole(body, MAX_BODY_BYTES, &room).await?;
    let given: Material =
        serde_json::from_slice(&body).map_err(|e| bad_request(format!("the body is not as it should be: {e}")))?;
    let contents = given.bytes().map_err(|e| bad_request(format!("a content is not base64: {e}")))?;
    engine.give(&change.id, contents).await?;
    Ok(Json(engine.wanted(&change).await?))
}

/// Moments of governance that an asker has verified.
fn moments(text: Option<&str>) -> Reply<Vec<u64>> {
    let numbers = text.unwrap_or_default().split(',').filter(|text| !text.is_empty()).take(MAX_GOVERNED);
    numbers
        .map(|text| text.parse().map_err(|_| bad_request(format!("`governed` is a list of numbers, not `{text}`"))))
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BehindContent {
    /// The last content that the asker has.
    after: Option<Oid>,
}

async fn contents(
    State(engine): State<Arc<Engine>>,
    id: Part,
    behind: Result<Query<BehindContent>, QueryRejection>,
) -> Reply<Json<Material>> {
    let Query(BehindContent { after }) = behind.map_err(|e| bad_request(e.body_text()))?;
    let change = engine.find(&part(id)?).await?;
    Ok(Json(engine.material(&change.id, after).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    /// Whose key this is, the answer tells of.
    key: Option<Fingerprint>,
    since: Option<u64>,
    governed: Option<String>,
}

/// How people stand, with what proves it.
async fn standings(
    State(engine): State<Arc<Engine>>,
    of: Result<Query<Standing>, QueryRejection>,
) -> Reply<Json<Standings>> {
    let Query(Standing { key, since, governed }) = of.map_err(|e| bad_request(e.body_text()))?;
    Ok(Json(engine.standings(key.as_ref(), since, &moments(governed.as_deref())?).await?))
}

/// The whole log, as a tar archive that is made while it is sent.
async fn export(State(engine): State<Arc<Engine>>) -> Reply<Response> {
    let head = engine.head().await?;
    let body = Body::from_stream(export::archive(engine, head));
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], body).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    /// How many leaves the follower has.
    from: u64,
    limit: Option<u64>,
}

async fn entries(State(engine): State<Arc<Engine>>, from: Result<Query<From>, QueryRejection>) -> Reply<Json<Entries>> {
    let Query(From { from, limit }) = from.map_err(|e| bad_request(e.body_text()))?;
    Ok(Json(engine.entries(from, limit.unwrap_or(u64::MAX)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inclusion {
    index: u64,
    size: u64,
}

async fn inclusion(
    State(engine): State<Arc<Engine>>,
    asked: Result<Query<Inclusion>, QueryRejection>,
) -> Reply<Json<Proof>> {
    let Query(Inclusion { index, size }) = asked.map_err(|e| bad_request(e.body_text()))?;
    Ok(Json(Proof { hashes: engine.inclusion(index, size).await? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consistency {
    from: u64,
    to: u64,
}

async fn consistency(
    State(engine): State<Arc<Engine>>,
    asked: Result<Query<Consistency>, QueryRejection>,
) -> Reply<Json<Proof>> {
    let Query(Consistency { from, to }) = asked.map_err(|e| bad_request(e.body_text()))?;
    Ok(Json(Proof { hashes: engine.consistency(from, to).await? }))
}

/// Content under its digest never changes; the newest checkpoint and what is at the log's right edge do.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const SHORTLY: &str = "public, max-age=60";
const NEVER: &str = "no-cache";

fn bytes(bytes: Vec<u8>, cached: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, cached)], bytes).into_response()
}

async fn blob(State(engine): State<Arc<Engine>>, digest: Part) -> Reply<Response> {
    let digest: Digest = part(digest)?.parse().map_err(|e| bad_request(format!("{e}")))?;
    blob_of(&engine, &digest).await
}

/// As a static copy of the log has it.
async fn static_blob(State(engine): State<Arc<Engine>>, digest: Part) -> Reply<Response> {
    let digest = Digest::from_hex(&part(digest)?).map_err(|e| bad_request(format!("{e}")))?;
    blob_of(&engine, &digest).await
}

async fn blob_of(engine: &Engine, digest: &Digest) -> Reply<Response> {
    match engine.blobs(&[*digest]).await?.remove(digest) {
        // It can be erased, so that nobody may keep it for ever.
        Some(blob) => Ok(bytes(blob, SHORTLY)),
        None => Err(not_found("such blob")),
    }
}

fn note(note: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, NEVER)], note).into_response()
}

async fn checkpoint(State(engine): State<Arc<Engine>>) -> Reply<Response> {
    Ok(note(engine.head().await?.note))
}

/// The newest checkpoint that others cosigned.
async fn cosigned(State(engine): State<Arc<Engine>>) -> Reply<Response> {
    match engine.cosigned() {
        Some(cosigned) => Ok(note(cosigned.to_note())),
        None => Err(not_found("checkpoint that others cosigned yet")),
    }
}

/// Where epochs of the log were begun.
async fn epoch(State(engine): State<Arc<Engine>>) -> Reply<Response> {
    match engine.epochs().await? {
        Some(epochs) => Ok(([(header::CACHE_CONTROL, NEVER)], Json(epochs)).into_response()),
        None => Err(not_found("epoch but the first")),
    }
}

async fn tile(State(engine): State<Arc<Engine>>, path: Part) -> Reply<Response> {
    let path: TilePath = format!("tile/{}", part(path)?).parse().map_err(|e| bad_request(format!("{e}")))?;
    match engine.tile(&path).await? {
        Some(tile) => Ok(bytes(tile, if path.is_full() { FOR_EVER } else { SHORTLY })),
        None => Err(not_found("such tile")),
    }
}
