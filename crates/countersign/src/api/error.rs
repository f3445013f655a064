//! From errors to HTTP. Only this file names status codes.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use countersign_core::refusal::{Refusal, RefusalClass};
use countersign_ledger::witness::Answer;

use crate::{
    engine::{EngineError, Failure},
    follower::cosigner::CosignError,
    wire::{DENIED, ErrorBody, ErrorDetail},
};

/// Why a request was not answered, and with which status that is told.
#[derive(Debug)]
pub struct ApiError {
    error: EngineError,
    /// Where it does not follow from the error.
    status: Option<StatusCode>,
}

impl<E: Into<EngineError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self { error: error.into(), status: None }
    }
}

/// Malformed for being larger than anything that is taken.
const TOO_LARGE: [&str; 2] = ["too-large", "blob-too-large"];

/// With an answer: what lies under it, for the server's own log.
#[derive(Clone, Debug)]
pub struct Cause(pub String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let cause = Cause(cause(&self.error));
        let (status, body) = match self.error {
            EngineError::Refused(refusal) if TOO_LARGE.contains(&refusal.code) => {
                (StatusCode::PAYLOAD_TOO_LARGE, ErrorBody::of(&refusal))
            }
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
            // Details are for the operator's log, not for the network.
            error @ (EngineError::Store(_)
            | EngineError::Write(_)
            | EngineError::Signing(_)
            | EngineError::Material(_)) => of_the_store(&error),
        };
        let mut response = (self.status.unwrap_or(status), Json(body)).into_response();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response.extensions_mut().insert(cause);
        response
    }
}

/// An error with all that it was caused by.
fn cause(error: &EngineError) -> String {
    match error {
        EngineError::Refused(refusal) => format!("{}: {refusal}", refusal.code),
        EngineError::Denied(_) => DENIED.to_owned(),
        EngineError::Store(_) | EngineError::Write(_) | EngineError::Signing(_) | EngineError::Material(_) => {
            error.to_string()
        }
    }
}

fn of_the_store(error: &EngineError) -> (StatusCode, ErrorBody) {
    match error.failure() {
        Failure::Unknown => (
            StatusCode::SERVICE_UNAVAILABLE,
            failed(
                "outcome-unknown",
                "the server could not find out whether this was written".to_owned(),
                "look whether it is there; sending the same statement again is safe: one that was written is refused as \
                 `replayed`",
            ),
        ),
        Failure::Passing(trouble) => (
            StatusCode::SERVICE_UNAVAILABLE,
            failed(
                trouble.code(),
                format!("{}; nothing was written", trouble.words()),
                match trouble.may_pass() {
                    true => "try again in a while; if it stays so, tell whoever runs the server",
                    false => "tell whoever runs the server; once that is mended, the same can be sent again",
                },
            ),
        ),
        Failure::Damaged => (
            StatusCode::INTERNAL_SERVER_ERROR,
            failed(
                "store-damaged",
                "what the server has on its disk is not what its log was signed over; it writes nothing".to_owned(),
                "tell whoever runs the server: its own log says what to restore",
            ),
        ),
        Failure::Other => (
            StatusCode::INTERNAL_SERVER_ERROR,
            failed("internal", "the server failed".to_owned(), "try again; the server's log says more"),
        ),
    }
}

fn failed(code: &'static str, message: String, hint: &str) -> ErrorBody {
    let error = ErrorDetail { code: code.to_owned(), class: None, message, hint: Some(hint.to_owned()) };
    ErrorBody { error, decision: None, explanation: None }
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
    Refusal::malformed("bad-request", message).hint("docs/api.md says what each request takes").into()
}

fn with(status: StatusCode, refusal: Refusal) -> ApiError {
    ApiError { error: refusal.into(), status: Some(status) }
}

pub fn too_large(limit: usize) -> ApiError {
    let refusal = Refusal::malformed("too-large", format!("the body is larger than {limit} bytes"));
    with(StatusCode::PAYLOAD_TOO_LARGE, refusal)
}

/// A body that does not come, or that stood still while others needed its room.
pub fn too_slow() -> ApiError {
    let refusal = Refusal::malformed("too-slow", "the body came too slowly, or not to its end").hint("try again");
    with(StatusCode::REQUEST_TIMEOUT, refusal)
}

/// There is no room for another large body.
pub fn crowded() -> ApiError {
    let refusal =
        Refusal::conflict("crowded", "the server has too many large bodies to read").hint("try again in a while");
    with(StatusCode::SERVICE_UNAVAILABLE, refusal)
}

/// A request by a name that is not this server's.
pub fn another_host(host: &str) -> ApiError {
    let host: String = host.chars().filter(|c| !c.is_control()).take(100).collect();
    let refusal = Refusal::malformed("another-host", format!("this server is not `{host}`"))
        .hint("if that is one of its names, whoever runs it adds it to `hosts` in countersign.yaml, or passes --host");
    with(StatusCode::MISDIRECTED_REQUEST, refusal)
}

/// An address that takes other methods.
pub fn method_not_allowed() -> Response {
    let refusal = Refusal::malformed("method-not-allowed", "this address does not take that method")
        .hint("writing is POST /v1/statements; everything else is read with GET");
    (StatusCode::METHOD_NOT_ALLOWED, Json(ErrorBody::of(&refusal))).into_response()
}

pub fn not_found(what: &str) -> ApiError {
    Refusal::unknown("not-found", format!("there is no {what}")).into()
}

/// Why a cosigner did not read what a log sent. The protocol has one status for all that is malformed.
pub fn to_a_log(error: ApiError) -> Response {
    let status = Some(StatusCode::BAD_REQUEST);
    ApiError { status, ..error }.into_response()
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
