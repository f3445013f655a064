//! From errors to HTTP. Only this file names status codes.

use axum::{
    Json,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use countersign_core::refusal::{Refusal, RefusalClass};
use countersign_ledger::witness::Answer;

use crate::{
    engine::EngineError,
    follower::cosigner::CosignError,
    wire::{DENIED, ErrorBody, ErrorDetail},
};

#[derive(Debug)]
pub struct ApiError(pub EngineError);

impl<E: Into<EngineError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, body) = match self.0 {
            EngineError::Refused(refusal) => (status(refusal.class), ErrorBody::of(&refusal)),
            EngineError::Denied(denial) => (
                StatusCode::FORBIDDEN,
                ErrorBody {
                    error: ErrorDetail {
                        code: DENIED.to_owned(),
                        class: Some(RefusalClass::Denied),
                        message: format!("the rules do not allow change {}", denial.decision.change.short()),
                        hint: Some(format!("see what is missing: countersign show {}", denial.decision.change.short())),
                    },
                    decision: Some(denial.decision),
                    explanation: Some(denial.explanation),
                },
            ),
            error @ (EngineError::Store(_) | EngineError::Write(_) | EngineError::Signing(_)) => {
                // Details are for the operator's log, not for the network.
                tracing::error!(%error, "a request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, ErrorBody::internal())
            }
        };
        (status, Json(body)).into_response()
    }
}

fn status(class: RefusalClass) -> StatusCode {
    match class {
        RefusalClass::Malformed => StatusCode::BAD_REQUEST,
        RefusalClass::Unauthenticated => StatusCode::UNAUTHORIZED,
        RefusalClass::Forbidden | RefusalClass::Denied => StatusCode::FORBIDDEN,
        RefusalClass::Unknown => StatusCode::NOT_FOUND,
        RefusalClass::Conflict => StatusCode::CONFLICT,
        RefusalClass::Newer => StatusCode::NOT_IMPLEMENTED,
    }
}

/// A request whose body or path could not be read, in the same shape as every other refusal.
pub fn bad_request(message: String) -> ApiError {
    ApiError(Refusal::malformed("bad-request", message).hint("docs/api.md says what each request takes").into())
}

pub fn too_large(limit: usize) -> ApiError {
    ApiError(Refusal::malformed("too-large", format!("the body is larger than {limit} bytes")).into())
}

/// An address that takes other methods.
pub fn method_not_allowed() -> Response {
    let refusal = Refusal::malformed("method-not-allowed", "this address does not take that method")
        .hint("writing is POST /v1/statements; everything else is read with GET");
    (StatusCode::METHOD_NOT_ALLOWED, Json(ErrorBody::of(&refusal))).into_response()
}

pub fn not_found(what: &str) -> ApiError {
    ApiError(Refusal::unknown("not-found", format!("there is no {what}")).into())
}

/// What a cosigner answers to a log, or why it cannot: then the log asks again later.
pub fn cosigner(answer: Result<Answer, CosignError>) -> Response {
    match answer {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(CONTENT_TYPE, answer.content_type())], answer.body()).into_response()
        }
        Err(error) => {
            tracing::warn!(%error, "a checkpoint was not cosigned");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
        }
    }
}
