//! `attest` where a CI's OIDC token speaks in the place of a key: the statement is made first, and the token is asked for with its
//! digest as the audience. Before anything is sent it is checked here as the log will check it.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    ids::ActorId,
    issuer::of_token,
    statement::{Body, Header, Statement},
};
use countersign_ledger::{
    Digest, Envelope, Jws,
    dsse::{MAX_PAYLOAD_BYTES, NamedToken},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    super::{
        Global,
        error::{CliError, Exit},
        output::{self, Format},
        submit,
    },
    MAX_DOCUMENT_BYTES,
};
use crate::{
    client::ChangePrefix,
    clock,
    home::files::{self, word},
    known::KnownLog,
    oidc::{self, OidcError, REQUEST_TOKEN, REQUEST_URL, Source},
    random,
    reading::Reading,
};

/// By a CI's token, in the place of a key.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "By a CI's OIDC token, in the place of a key")]
pub struct ByToken {
    /// The workload that the token speaks for. On GitHub Actions nothing else is needed.
    #[arg(long, value_name = "ID")]
    pub workload: Option<ActorId>,
    /// Where to ask for the token, with `audience=` added; the secret to ask with is in ACTIONS_ID_TOKEN_REQUEST_TOKEN.
    #[arg(long, value_name = "URL", requires = "workload")]
    oidc_request_url: Option<String>,
    /// A command that prints the token; `{audience}` in it, and COUNTERSIGN_AUDIENCE, are the audience.
    #[arg(long, value_name = "COMMAND", requires = "workload", conflicts_with = "oidc_request_url")]
    oidc_command: Option<String>,
    /// Only make the statement and say its audience; with the token it is sent by --prepared.
    #[arg(long, value_name = "FILE", requires = "workload", conflicts_with_all = ["oidc_request_url", "oidc_command"])]
    prepare: Option<PathBuf>,
    /// A statement that --prepare made.
    #[arg(long, value_name = "FILE", requires = "oidc_token", conflicts_with_all = ["workload", "prepare"])]
    pub prepared: Option<PathBuf>,
    /// The token for it, or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub oidc_token: Option<PathBuf>,
}

/// A statement on its way to its token.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Prepared {
    payload: String,
    blobs: Vec<String>,
}

impl ByToken {
    /// A token that was there before the statement is for something else, whatever it is.
    pub fn is_in_order(&self) -> Result<(), CliError> {
        match (&self.oidc_token, &self.prepared) {
            (Some(_), None) => Err(CliError::new(
                "token-too-early",
                "--oidc-token: a token that was made before the statement is not for it: its audience has to be the statement's digest",
            )
            .hint(
                "make the statement first with --prepare FILE, get a token for the audience that it says, and send both with \
                 --prepared FILE --oidc-token TOKEN. A CI whose tokens have a fixed audience (GitLab's `id_tokens`) cannot do that: \
                 there, attest with --key, an SSH key that only that job has",
            )),
            (Some(_), Some(_)) | (None, _) => Ok(()),
        }
    }

    fn source(&self) -> Result<Source, CliError> {
        if let Some(command) = &self.oidc_command {
            return Ok(Source::Command(command.clone()));
        }
        let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let bearer = said(REQUEST_TOKEN).map(zeroize::Zeroizing::new);
        match self.oidc_request_url.clone().or_else(|| said(REQUEST_URL).filter(|_| bearer.is_some())) {
            Some(url) => Ok(Source::Request { url, bearer }),
            None => Err(CliError::usage("--workload: where is the token from?").hint(format!(
                "on GitHub Actions give the job `permissions: id-token: write`, so that {REQUEST_URL} and {REQUEST_TOKEN} are set; \
                 elsewhere pass --oidc-request-url, --oidc-command, or --prepare"
            ))),
        }
    }
}

/// What was said of a revision, with what it is said by.
pub struct Said<'a> {
    pub log: &'a KnownLog,
    pub reading: &'a Reading,
    pub by: &'a ActorId,
    pub body: Body,
    pub blobs: Vec<Vec<u8>>,
    pub words: String,
}

/// Makes the statement, gets its token, and sends both; or writes it down for who gets the token elsewhere.
pub fn say(global: &Global, how: &ByToken, said: Said<'_>) -> Result<Exit, CliError> {
    let Said { log, reading, by, body, blobs, words } = said;
    let source = match &how.prepare {
        Some(_) => None,
        None => Some(how.source()?),
    };
    let front = log.in_front_of();
    let header = Header {
        by: by.clone(),
        checkpoint: front.checkpoint,
        epoch: front.epoch,
        log: front.origin,
        nonce: random::nonce(),
    };
    let payload = Statement { header, body }.encode()?;
    let audience = Digest::of(&payload).to_string();
    anstream::eprintln!("{} as {by} by a token for {audience}:", output::faint("attesting"));
    anstream::eprintln!("  {}", output::printable(&words));
    let Some(source) = source else {
        let file = how.prepare.as_deref().unwrap_or(Path::new("-"));
        return prepare(global, file, &payload, &blobs, &audience);
    };
    let token = source.token(&audience).map_err(cannot_get)?;
    send(global, log, reading, &payload, &token, blobs, &words)
}

fn prepare(global: &Global, file: &Path, payload: &[u8], blobs: &[Vec<u8>], audience: &str) -> Result<Exit, CliError> {
    let prepared =
        Prepared { payload: STANDARD.encode(payload), blobs: blobs.iter().map(|blob| STANDARD.encode(blob)).collect() };
    let text = serde_json::to_string(&prepared)
        .map_err(|error| CliError::new("failed", format!("it cannot be written: {error}")))?;
    files::write(file, text)?;
    match global.format {
        Format::Json => output::json(&json!({ "audience": audience, "prepared": file }))?,
        Format::Text => {
            anstream::println!("audience {audience}");
            anstream::println!(
                "with a token for it: countersign attest CHANGE --prepared {} --oidc-token TOKEN",
                word(file)
            );
        }
    }
    Ok(Exit::Done)
}

/// Sends what was prepared, with its token.
pub fn sent(global: &Global, change: &ChangePrefix, how: &ByToken, file: &Path) -> Result<Exit, CliError> {
    const EXPECTED: &str = "name the file that countersign attest --prepare wrote";
    let wrong = |what: String| CliError::new("not-a-draft", format!("{}: {what}", file.display())).hint(EXPECTED);
    let most = 2 * (MAX_DOCUMENT_BYTES + MAX_PAYLOAD_BYTES);
    let bytes = files::read(file, most).map_err(|error| error.expecting(EXPECTED))?;
    let Prepared { payload, blobs } = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let decode = |text: &String| STANDARD.decode(text).map_err(|error| wrong(error.to_string()));
    let payload = decode(&payload)?;
    let blobs = blobs.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    let statement = Statement::parse(&payload)?;
    let Body::Evidence(said) = &statement.body else {
        return Err(wrong(format!("there is a {} statement in it", statement.body.kind())));
    };
    let log = global.log()?;
    let reading = log.read(change, clock::now())?;
    let id = reading.view()?.id;
    if said.change != id {
        return Err(wrong(format!("it is about change {}, not {}", said.change.short(), id.short())));
    }
    let words = format!("{} {} for revision {} of change {}", said.kind, said.result, said.revision.number, id.short());
    let path = how.oidc_token.as_deref().unwrap_or(Path::new("-"));
    let token = oidc::read(path).map_err(cannot_get)?;
    send(global, &log, &reading, &payload, &token, blobs, &words)
}

fn cannot_get(error: OidcError) -> CliError {
    CliError::new("no-token", error.to_string()).hint(error.hint())
}

fn send(
    global: &Global,
    log: &KnownLog,
    reading: &Reading,
    payload: &[u8],
    token: &[u8],
    mut blobs: Vec<Vec<u8>>,
    words: &str,
) -> Result<Exit, CliError> {
    let statement = Statement::parse(payload)?;
    let by = statement.header.by.clone();
    let jws = Jws::parse(token).map_err(of_token)?;
    let shown = reading.state().governance.issuers.check(&jws, &Digest::of(payload), &by, clock::now())?;
    let named = NamedToken { keyid: shown.keyid(), digest: Digest::of(token) };
    let envelope =
        Envelope::by_token(payload, named).map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
    blobs.push(token.to_vec());
    let receipt = log.client.submit(&envelope, &blobs)?;
    log.find(&receipt, &envelope, clock::now()).map_err(|error| submit::unseen(error, None))?;
    let id = reading.view()?.id;
    let view = log.read(&ChangePrefix::from(&id), clock::now())?.view()?;
    submit::stands(global, &view, &by, &receipt, &format!("{by} attested {words}"))
}
