//! A request that was refused, as it goes over the wire.

use countersign_core::{
    decision::Decision,
    explain::Explanation,
    refusal::{Refusal, RefusalClass},
};
use serde::{Deserialize, Serialize};

/// What every refused request gets.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: ErrorDetail,
    /// With `denied-by-rules`: the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Beside it: who could supply what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
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

impl ErrorBody {
    pub fn of(refusal: &Refusal) -> Self {
        Self {
            error: ErrorDetail {
                code: refusal.code.to_owned(),
                class: Some(refusal.class),
                message: refusal.message.clone(),
                hint: refusal.hint.clone(),
            },
            decision: None,
            explanation: None,
        }
    }
}
