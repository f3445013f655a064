//! Asking for an OIDC token with a stated audience: of what a CI runs beside its jobs, or of a command. What it says is for others
//! to look at; here it is a secret until the log has what it speaks for.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use countersign_ledger::jws::MAX_JWS_BYTES;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use thiserror::Error;
use ureq::http::Uri;
use zeroize::Zeroizing;

use crate::client::route::{self, Via};

/// Where GitHub Actions, and what is like it, gives out tokens: a job that may ask (`permissions: id-token: write`) has both.
pub const REQUEST_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
pub const REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
/// In which a command finds the audience; in its words `{audience}` stands for it.
pub const AUDIENCE: &str = "COUNTERSIGN_AUDIENCE";

const TIMEOUT: Duration = Duration::from_secs(30);
/// An answer has a token and little beside it.
const MAX_ANSWER_BYTES: u64 = 2 * MAX_JWS_BYTES as u64;

#[derive(Debug, Error)]
pub enum OidcError {
    #[error("`{0}` is no address that a token can be asked of: https://, or http:// on this machine")]
    Address(String),
    #[error("{place} could not be asked for a token: {why}")]
    Unreachable { place: String, why: String },
    #[error("{place} gives no token: it answers with {status}")]
    Refused { place: String, status: u16 },
    #[error("{place} answers with no token")]
    NoToken { place: String },
    #[error("`{0}` is no command")]
    NoCommand(String),
    #[error("`{command}` cannot be run: {source}")]
    Run { command: String, source: io::Error },
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
}

impl OidcError {
    pub fn hint(&self) -> String {
        match self {
            Self::Address(_) | Self::Unreachable { .. } => {
                format!("on GitHub Actions {REQUEST_URL} says it; else pass --oidc-request-url or --oidc-command")
            }
            Self::Refused { .. } => "on GitHub Actions the job needs `permissions: id-token: write`".to_owned(),
            Self::NoToken { .. } => "what is taken is JSON with the token as `value`, or the token alone".to_owned(),
            Self::NoCommand(_) | Self::Run { .. } | Self::Failed { .. } => format!(
                "it gets the audience as {{audience}} in its words and as {AUDIENCE}, and prints the token, for example: \
                 --oidc-command 'buildkite-agent oidc request-token --audience {{audience}}'"
            ),
            Self::Read { .. } => "name the file with the token, or - for standard input".to_owned(),
        }
    }
}

/// Where a token comes from.
#[derive(Debug)]
pub enum Source {
    Request { url: String, bearer: Option<Zeroizing<String>> },
    Command(String),
}

impl Source {
    /// A token for this audience, as the issuer gives it.
    pub fn token(&self, audience: &str) -> Result<Zeroizing<Vec<u8>>, OidcError> {
        match self {
            Self::Request { url, bearer } => request(url, bearer.as_ref().map(|bearer| bearer.as_str()), audience),
            Self::Command(command) => run(command, audience),
        }
    }
}

/// A token that somebody has in a file, or on standard input.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, OidcError> {
    let failed = |source| OidcError::Read { path: path.to_owned(), source };
    let bytes = match path == Path::new("-") {
        true => bounded(io::stdin().lock()),
        false => fs::File::open(path).and_then(bounded),
    };
    bytes.map(|bytes| trimmed(&bytes)).map_err(failed)
}

fn bounded(from: impl io::Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn trimmed(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.trim_ascii().to_vec())
}

#[derive(Deserialize)]
struct Answer {
    value: String,
}

fn request(url: &str, bearer: Option<&str>, audience: &str) -> Result<Zeroizing<Vec<u8>>, OidcError> {
    let place = url.split('?').next().unwrap_or(url).to_owned();
    // Whoever reads along has the bearer, and with it a token for whatever they like.
    let parsed: Uri = url.parse().map_err(|_| OidcError::Address(place.clone()))?;
    let host = parsed.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_safe = match parsed.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => route::is_loopback(&host),
        Some(_) | None => false,
    };
    if !is_safe {
        return Err(OidcError::Address(place));
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    let whole = format!("{url}{joint}audience={}", utf8_percent_encode(audience, NON_ALPHANUMERIC));
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(TIMEOUT))
        .proxy(route::proxy(url, Via::Environment, |name| std::env::var(name).ok()))
        // The bearer goes nowhere else.
        .max_redirects(0)
        .build()
        .new_agent();
    let mut request = agent.get(&whole).header("Accept", "application/json");
    if let Some(bearer) = bearer {
        request = request.header("Authorization", &format!("Bearer {bearer}"));
    }
    let unreachable = |why: String| OidcError::Unreachable { place: place.clone(), why };
    let mut answer = request.call().map_err(|error| unreachable(error.to_string()))?;
    if !answer.status().is_success() {
        return Err(OidcError::Refused { place, status: answer.status().as_u16() });
    }
    let body = bounded(answer.body_mut().as_reader()).map_err(|error| unreachable(error.to_string()))?;
    let token = match serde_json::from_slice::<Answer>(&body) {
        Ok(answer) => trimmed(Zeroizing::new(answer.value).as_bytes()),
        Err(_) => trimmed(&body),
    };
    match token.is_empty() || token.contains(&b' ') || token.contains(&b'{') {
        true => Err(OidcError::NoToken { place }),
        false => Ok(token),
    }
}

fn run(command: &str, audience: &str) -> Result<Zeroizing<Vec<u8>>, OidcError> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| OidcError::NoCommand(command.to_owned()))?;
    let mut words = words.into_iter().map(|word| word.replace("{audience}", audience));
    let program = words.next().unwrap_or_default();
    let failed = |source| OidcError::Run { command: command.to_owned(), source };
    let mut child = Command::new(program)
        .args(words)
        .env(AUDIENCE, audience)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let said = child.stdout.take().map(bounded).transpose();
    let status = child.wait().map_err(failed)?;
    match said.map_err(failed)? {
        Some(said) if status.success() => Ok(trimmed(&said)),
        Some(_) | None => Err(OidcError::Failed { command: command.to_owned(), status }),
    }
}
