//! What a cosigner serves: the requests of C2SP `tlog-witness`, and the newest checkpoint that it cosigned. It is an address of
//! its own, beside no server: whoever cosigns a log does not run it.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    middleware::from_fn,
    response::Response,
    routing::{get, post},
};
use countersign_ledger::witness::{ADD_CHECKPOINT, MAX_REQUEST_BYTES};
use tokio::net::TcpListener;

use super::{
    body::{Room, whole},
    connections::{self, Patience},
    error::{self, ApiError, method_not_allowed, not_found},
    note,
    requests::logged,
};
use crate::{clock, follower::cosigner::Cosigner, unix};

pub fn router(cosigner: Arc<Cosigner>) -> Router {
    Router::new()
        .route("/", get(index))
        .route(&format!("/{ADD_CHECKPOINT}"), post(add_checkpoint))
        .route(&format!("/{}", cosigner.checkpoint_path()), get(newest))
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .fallback(|| async { not_found("page at this address") })
        .layer(DefaultBodyLimit::disable())
        .layer(Extension(Room::new()))
        .with_state(cosigner)
}

/// Serves until asked to stop; a request under way is answered.
pub async fn serve(
    cosigner: Arc<Cosigner>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let most = connections::most(unix::open_files());
    connections::serve(router(cosigner).layer(from_fn(logged)), listener, most, Patience::default(), stop).await
}

async fn index(State(cosigner): State<Arc<Cosigner>>) -> String {
    format!(
        "countersign: a cosigner\n{}\n\nPOST /{ADD_CHECKPOINT}   C2SP tlog-witness\nGET  /{}\n",
        cosigner.key().verifier(),
        cosigner.checkpoint_path()
    )
}

async fn add_checkpoint(
    State(cosigner): State<Arc<Cosigner>>,
    Extension(room): Extension<Arc<Room>>,
    body: Body,
) -> Response {
    match whole(body, MAX_REQUEST_BYTES, &room).await {
        Ok((body, _share)) => error::cosigner(cosigner.answer(&body, clock::now()).await),
        Err(error) => error::to_a_log(error),
    }
}

async fn newest(State(cosigner): State<Arc<Cosigner>>) -> Result<Response, ApiError> {
    match cosigner.newest().await {
        Some(newest) => Ok(note(newest.to_note())),
        None => Err(not_found("checkpoint that was cosigned here yet")),
    }
}
