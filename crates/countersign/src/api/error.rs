//! From errors to HTTP. Only this file names status codes.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign_core::{
    decision::Decision,
    refusal::{Refusal, RefusalClass},
};
use serde::{Deserialize, Serialize};

use crate::{engine::EngineError, store::writer::SubmitError};

/// What every refused request gets.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: ErrorDetail,
    /// With `denied-by-rules`: the decision, which is the to-do list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// Stable, kebab-case.
    pub code: String,
    /// What sort of refusal; `None` where the server itself failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<RefusalClass>,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

pub const DENIED: &str = "denied-by-rules";

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
            EngineError::Denied(decision) => (
                StatusCode::FORBIDDEN,
                ErrorBody {
                    error: ErrorDetail {
                        code: DENIED.to_owned(),
                        class: Some(RefusalClass::Denied),
                        message: format!("the rules do not allow change {}", decision.change),
                        hint: Some(format!("see what is missing: countersign show {}", decision.change)),
                    },
                    decision: Some(*decision),
                },
            ),
            error @ EngineError::Write(SubmitError::Unknown(_) | SubmitError::Stopped) => {
                tracing::error!(%error, "it is unknown whether a statement was written");
                (StatusCode::INTERNAL_SERVER_ERROR, ErrorBody::unknown())
            }
            error @ (EngineError::Store(_)
            | EngineError::Write(SubmitError::Failed(_) | SubmitError::Conflict(_))
            | EngineError::Damaged(_)
            | EngineError::Signing(_)) => {
                // Details are for the operator's log, not for the network.
                tracing::error!(%error, "a request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, ErrorBody::internal())
            }
        };
        (status, Json(body)).into_response()
    }
}

impl ErrorBody {
    fn of(refusal: &Refusal) -> Self {
        Self {
            error: ErrorDetail {
                code: refusal.code.to_owned(),
                class: Some(refusal.class),
                message: refusal.message.clone(),
                hint: refusal.hint.clone(),
            },
            decision: None,
        }
    }

    fn unknown() -> Self {
        Self {
            error: ErrorDetail {
                code: "unknown-outcome".to_owned(),
                class: None,
                message: "the server failed while it wrote; the statement may be in the log or not".to_owned(),
                hint: Some("send the same statement again: the log takes it once".to_owned()),
            },
            decision: None,
        }
    }

    fn internal() -> Self {
        Self {
            error: ErrorDetail {
                code: "internal".to_owned(),
                class: None,
                message: "the server failed; nothing was written".to_owned(),
                hint: Some("try again; the server's log says more".to_owned()),
            },
            decision: None,
        }
    }
}

fn status(class: RefusalClass) -> StatusCode {
    match class {
        RefusalClass::Malformed => StatusCode::BAD_REQUEST,
        RefusalClass::Unauthenticated => StatusCode::UNAUTHORIZED,
        RefusalClass::Forbidden | RefusalClass::Denied => StatusCode::FORBIDDEN,
        RefusalClass::Unknown => StatusCode::NOT_FOUND,
        RefusalClass::Conflict => StatusCode::CONFLICT,
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
