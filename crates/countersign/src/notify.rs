//! Telling one address what is loud: broken glass, rollbacks, freezes, findings that were raised and that are overdue.
//!
//! ```text
//!  a leaf that is loud ──> with it, in one transaction, a job ──> POST, until it was taken ──> the job goes
//! ```
//!
//! Each is a CloudEvent (1.0, structured mode) of ids and links: no names of people, no words. Whoever gets one looks the rest up,
//! and believes nothing before they have.
//!
//! Invariant: what was written down is told at least once and in its order, or is a day old. Nothing waits for it: a receiver that
//! is away delays no statement.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use countersign_core::{
    freeze,
    ids::{ChangeId, FindingId, Target},
    state::State,
    statement::{Body, Matter, OutcomeResult, Statement},
};
use countersign_ledger::{Digest, Time};
use serde_json::{Value, json};
use tokio::{
    task,
    time::{MissedTickBehavior, interval},
};

use crate::{
    client::{proxy_of, sent_on},
    clock,
    engine::{Engine, EngineError, FindingFilter},
    store::{Job, StoreError},
    wire::rfc3339,
};

/// The kind of the store's jobs that are events.
pub const KIND: &str = "notify";

/// How often it is looked for something to tell.
const EVERY: Duration = Duration::from_secs(2);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited after the first failure; twice as long after each further one, up to the longest.
const FIRST_WAIT_SECS: i64 = 2;
const LONGEST_WAIT_SECS: i64 = 60;
/// What could not be told for so long is told to nobody any more, nor more than so much at once.
const OLDEST_SECS: i64 = 24 * 60 * 60;
const MAX_KEPT: usize = 1_000;
/// Findings that are looked at for those that are overdue.
const MAX_FINDINGS: u64 = 200;

/// What there is to tell of a statement that was taken. `state` has what it left.
pub fn job(statement: &Statement, payload: &Digest, at: Time, state: &State) -> Option<Job> {
    let (kind, subject, data) = match &statement.body {
        Body::BreakGlass(said) => {
            ("break-glass", format!("change/{}", said.change), of_change(&said.change, &said.targets))
        }
        Body::OutcomeReport(said) if said.result == OutcomeResult::Applied => {
            let change = state.change(&said.change).ok()??;
            let rolled_back = change.permits.iter().any(|permit| permit.statement == said.permit && permit.rollback);
            rolled_back
                .then(|| ("rollback", format!("change/{}", said.change), of_change(&said.change, &said.targets)))?
        }
        Body::Freeze(said) => {
            let name = freeze::name_of(payload);
            ("freeze", format!("freeze/{name}"), json!({"freeze": name, "until": rfc3339(said.until)}))
        }
        Body::FreezeLift(said) => {
            let name = freeze::name_of(&said.freeze);
            ("freeze-lift", format!("freeze/{name}"), json!({"freeze": name}))
        }
        Body::Finding(said) => {
            let id = FindingId::of_finding(payload);
            ("finding-raised", format!("finding/{id}"), of_finding(&id, &said.what, said.due))
        }
        _ => return None,
    };
    let log = &statement.header.log;
    Some(Job { kind: KIND.to_owned(), body: event(log, &payload.hex(), kind, &subject, at, &data) })
}

fn of_change(change: &ChangeId, targets: &BTreeSet<Target>) -> Value {
    let links =
        json!({"change": format!("/v1/changes/{change}"), "findings": format!("/v1/findings?about=change/{change}")});
    json!({"change": change, "targets": targets, "links": links})
}

fn of_finding(id: &FindingId, what: &Matter, due: Time) -> Value {
    let command = format!("countersign review {}", id.short());
    json!({"finding": id, "kind": what.kind(), "targets": what.targets(), "due": rfc3339(due), "command": command})
}

/// A CloudEvent in JSON.
fn event(log: &str, id: &str, kind: &str, subject: &str, at: Time, data: &Value) -> Vec<u8> {
    let event = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("urn:x-countersign:log:{log}"),
        "type": format!("x-countersign.{kind}"),
        "subject": subject,
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "data": data,
    });
    event.to_string().into_bytes()
}

/// Tells one address.
#[derive(Debug)]
pub struct Notifier {
    engine: Arc<Engine>,
    agent: ureq::Agent,
    url: String,
    /// Overdue findings that were told. Whoever starts a server again tells them again, by the same ids.
    overdue: BTreeSet<FindingId>,
    /// Not before then, after failures.
    not_before: Time,
    wait_secs: i64,
}

impl Notifier {
    /// From here on the engine writes jobs.
    pub fn of(engine: Arc<Engine>, url: &str) -> Self {
        engine.tell();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .build()
            .new_agent();
        let not_before = Time::from_unix_millis(0);
        Self { engine, agent, url: url.to_owned(), overdue: BTreeSet::new(), not_before, wait_secs: FIRST_WAIT_SECS }
    }

    /// Tells for ever.
    pub async fn run(mut self) {
        let mut due = interval(EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let now = clock::now();
            if now < self.not_before {
                continue;
            }
            match self.round(now).await {
                Ok(None) => self.wait_secs = FIRST_WAIT_SECS,
                Ok(Some(why)) => {
                    tracing::warn!(url = self.url, why, again_in_secs = self.wait_secs, "nobody could be notified");
                    self.not_before = now.plus_secs(self.wait_secs);
                    self.wait_secs = self.wait_secs.saturating_mul(2).min(LONGEST_WAIT_SECS);
                }
                Err(error) => tracing::error!(%error, "what there is to notify of could not be read"),
            }
        }
    }

    /// Tells what there is, the oldest first; why not, where something was not taken.
    async fn round(&mut self, now: Time) -> Result<Option<String>, EngineError> {
        loop {
            let jobs = self.jobs().await?;
            if jobs.is_empty() {
                break;
            }
            for (id, body) in jobs {
                let is_old = happened(&body).is_none_or(|at| now.secs_since(at) > OLDEST_SECS);
                if is_old {
                    tracing::warn!(job.id = id, "a notification that nobody took in a day is given up");
                } else if let Err(why) = self.send(body).await {
                    return Ok(Some(why));
                }
                self.engine.store().done(&[id]).await?;
            }
        }
        self.tell_overdue(now).await
    }

    /// What is waiting, of which the oldest goes where it is too much.
    async fn jobs(&self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let (mut waiting, mut after) = (Vec::new(), 0);
        loop {
            let page = self.engine.store().jobs(after).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            waiting.extend(page.into_iter().filter(|(_, job)| job.kind == KIND).map(|(id, job)| (id, job.body)));
        }
        let surplus = waiting.len().saturating_sub(MAX_KEPT);
        let gone: Vec<u64> = waiting.drain(..surplus).map(|(id, _)| id).collect();
        if !gone.is_empty() {
            tracing::warn!(jobs = gone.len(), "notifications that nobody took are given up, the oldest first");
            self.engine.store().done(&gone).await?;
        }
        Ok(waiting)
    }

    async fn tell_overdue(&mut self, now: Time) -> Result<Option<String>, EngineError> {
        let open = FindingFilter { open: true, ..FindingFilter::default() };
        let page = self.engine.findings(&open, None, MAX_FINDINGS).await?.findings;
        let (log, shown) = (self.engine.overview().await?.origin, rfc3339(now));
        let overdue: Vec<_> = page.into_iter().filter(|found| found.is_overdue(&shown)).collect();
        self.overdue.retain(|known| overdue.iter().any(|found| found.id == *known));
        for found in overdue {
            if self.overdue.contains(&found.id) {
                continue;
            }
            let due =
                found.due.parse::<jiff::Timestamp>().map_or(now, |at| Time::from_unix_millis(at.as_millisecond()));
            let data = of_finding(&found.id, &found.what, due);
            let (id, subject) = (format!("{}-overdue", found.id), format!("finding/{}", found.id));
            if let Err(why) = self.send(event(&log, &id, "finding-overdue", &subject, now, &data)).await {
                return Ok(Some(why));
            }
            self.overdue.insert(found.id);
        }
        Ok(None)
    }

    async fn send(&self, body: Vec<u8>) -> Result<(), String> {
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let sent = task::spawn_blocking(move || post(&agent, &url, &body)).await;
        sent.map_err(|error| error.to_string())?
    }
}

fn happened(body: &[u8]) -> Option<Time> {
    let event: Value = serde_json::from_slice(body).ok()?;
    let at: jiff::Timestamp = event.get("time")?.as_str()?.parse().ok()?;
    Some(Time::from_unix_millis(at.as_millisecond()))
}

fn post(agent: &ureq::Agent, url: &str, body: &[u8]) -> Result<(), String> {
    let post = agent.post(url).config().proxy(proxy_of(url)).build();
    let post = post.header("content-type", "application/cloudevents+json; charset=utf-8");
    let response = post.send(body).map_err(|error| error.to_string())?;
    if let Some(to) = sent_on(&response) {
        return Err(format!("it sends on to {to}; write the address that answers"));
    }
    match response.status().is_success() {
        true => Ok(()),
        false => Err(format!("it answers {}", response.status())),
    }
}
