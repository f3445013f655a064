//! Findings: what the server raises because nobody else sees it, and the list of them.
//!
//! That a revocation ended without anybody confirming it is no leaf of its own, and who can still supply what a rule asks no stream
//! tells. The server looks for both, and says each once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_core::{
    catalog::{Catalog, did_you_mean},
    change::Change,
    coverage,
    escalation::escalated,
    governance::Governance,
    ids::{ActorId, ChangeId, FindingId, Target},
    landed::{BrokenGlass, LandedAlone, RolledBack},
    refusal::Refusal,
    rollback::{self, AFTER_REVIEW_SECS},
    state::{FindingRecord, RevocationRecord, TargetRecord, Took},
    statement::{Body, Finding, Holder, MAX_LIST, Matter},
    take,
    text::Reason,
};
use countersign_ledger::{Digest, Time};

use super::{Engine, EngineError, reads::MAX_PAGE, speech};
use crate::{
    random,
    records::{self, facet},
    store::{Cursor, Facet, List},
    wire::{FindingLine, FindingPage, LandedLine, RolledBackLine, TargetLanded, rfc3339},
};

/// How long somebody has to answer for what the server raises.
const ANSWER_WITHIN_SECS: i64 = 7 * 24 * 60 * 60;
/// Raised in one look; the next one raises more.
const MAX_AT_ONCE: usize = 16;
/// Findings that go along with a change.
const MAX_ON_A_CHANGE: u64 = 32;
/// Gates among which one that is meant is looked for.
const MAX_GATES: u64 = 200;

/// Something that was found, and who is asked.
pub(super) struct ToRaise {
    pub what: Matter,
    pub who: BTreeSet<ActorId>,
    /// Who had a hand in it, beside those of the change that it is about: they do not answer, unless they are asked.
    pub hands: BTreeSet<ActorId>,
    /// What there is to say besides.
    pub why: Option<String>,
}

impl From<(Matter, BTreeSet<ActorId>)> for ToRaise {
    fn from((what, who): (Matter, BTreeSet<ActorId>)) -> Self {
        Self { what, who, hands: BTreeSet::new(), why: None }
    }
}

/// What a list of findings is narrowed by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingFilter {
    pub open: bool,
    /// As [`Matter::about`] spells it.
    pub about: Option<String>,
    /// Who has to answer.
    pub who: Option<ActorId>,
}

impl Engine {
    /// One page of findings: the open ones before the answered, what is due first before what is due later.
    pub async fn findings(
        &self,
        filter: &FindingFilter,
        after: Option<Cursor>,
        limit: u64,
    ) -> Result<FindingPage, EngineError> {
        let mut filters = Vec::new();
        filters.extend(filter.open.then(|| Facet::new(facet::OPEN, "open")));
        filters.extend(filter.about.as_ref().map(|about| Facet::new(facet::ABOUT, about.as_str())));
        filters.extend(filter.who.as_ref().map(|who| Facet::new(facet::PERSON, who.as_str())));
        let list = List { filters: &filters, after, ..List::of(records::FINDING, limit.clamp(1, MAX_PAGE)) };
        let page = self.store.list(&list).await?;
        let (governance, now) = (self.governance().await?, self.clock.shown());
        let mut findings = Vec::with_capacity(page.items.len());
        for item in &page.items {
            let record: FindingRecord = records::parse(&item.name, &item.body)?;
            let id: FindingId = item.name.parse().map_err(|e| records::unreadable(&item.name, e))?;
            findings.push(line(id, record, &governance, now));
        }
        // What is gone from the catalog may still have findings; where there are none, a slip would look like good news.
        if findings.is_empty() {
            self.known(filter).await?;
        }
        Ok(FindingPage { findings, next: page.next.map(|cursor| cursor.to_string()) })
    }

    /// What asks somebody to look at a change.
    pub(super) async fn findings_on(&self, change: &ChangeId) -> Result<Vec<(FindingId, FindingRecord)>, EngineError> {
        let filters = [Facet::new(facet::ABOUT, format!("change/{change}"))];
        let list = List { filters: &filters, ..List::of(records::FINDING, MAX_ON_A_CHANGE) };
        let items = self.store.list(&list).await?.items;
        let read = items.iter().map(|item| {
            let id: FindingId = item.name.parse().map_err(|e| records::unreadable(&item.name, e))?;
            Ok((id, records::parse(&item.name, &item.body)?))
        });
        read.collect()
    }

    /// Refuses what nobody and nothing is called.
    async fn known(&self, filter: &FindingFilter) -> Result<(), EngineError> {
        let governance = self.governance().await?;
        let people: Vec<&str> = governance.catalog.actors.keys().map(ActorId::as_str).collect();
        if let Some(who) = filter.who.as_ref().filter(|who| !people.contains(&who.as_str())) {
            return Err(unknown("person", who.as_str(), "", &people).into());
        }
        let Some(about) = filter.about.as_deref() else { return Ok(()) };
        let listed = self.store.list(&List::of(records::GATE, MAX_GATES)).await?;
        let gates: Vec<&str> = listed.items.iter().map(|item| item.name.as_str()).collect();
        let rules: Vec<&str> = governance.rules.iter().map(|rule| rule.id.as_str()).collect();
        let (kind, name) = about.split_once('/').unwrap_or(("", about));
        let names = match kind {
            "gate" => gates,
            "person" => people,
            "rule" => rules,
            "change" => return self.find(name).await.map(drop),
            "target" => {
                let target = name.parse::<Target>().map_err(|_| {
                    Refusal::malformed("malformed-about", format!("`{about}` names no target"))
                        .hint("it is target/SYSTEM/ENVIRONMENT")
                })?;
                let found = governance.catalog.target(&target);
                return Ok(found.map(drop).map_err(|error| Refusal::unknown("unknown-target", error.to_string()))?);
            }
            _ => {
                let is_target = about.parse::<Target>().is_ok_and(|target| governance.catalog.target(&target).is_ok());
                let of = [("gate", gates), ("person", people), ("rule", rules)];
                let meant = of.iter().find(|(_, names)| names.contains(&about)).map(|(kind, _)| *kind);
                let refusal = Refusal::malformed("malformed-about", format!("`{about}` does not say what it names"));
                return Err(match meant.or_else(|| is_target.then_some("target")) {
                    Some(kind) => refusal.hint(format!("did you mean `{kind}/{about}`?")),
                    None => refusal
                        .hint("name one of gate/NAME, target/SYSTEM/ENVIRONMENT, person/NAME, rule/ID and change/ID"),
                }
                .into());
            }
        };
        match names.contains(&name) {
            true => Ok(()),
            false => Err(unknown(kind, name, &format!("{kind}/"), &names).into()),
        }
    }

    /// Raises a finding on whoever took another's key away so that it ended without anybody confirming it. Gives how many.
    pub async fn raise_unconfirmed(&self) -> Result<usize, EngineError> {
        let now = self.clock.now()?;
        let mut found = Vec::new();
        for (by, record) in records::people(&*self.store).await? {
            for took in record.took.into_iter().filter(|took| !took.confirmed && !took.found) {
                let said = self.said_last(&took).await?;
                let ended = said
                    .is_some_and(|said| said.statement == took.statement && said.until().is_some() && !said.takes(now));
                if ended {
                    let Took { key, of, statement, .. } = took;
                    let what = Matter::RevocationUnconfirmed { by: by.clone(), key, of, revocation: statement };
                    found.push((what, BTreeSet::from([by.clone()])));
                }
            }
        }
        self.raise(found, now).await
    }

    /// What was said last of the key that somebody took away.
    async fn said_last(&self, took: &Took) -> Result<Option<RevocationRecord>, EngineError> {
        let revoked = match &took.of {
            Holder::Person(person) => records::person(&*self.store, person).await?.map(|record| record.revoked),
            Holder::Gate(gate) => self.gate(gate).await?.map(|record| record.revoked),
        };
        Ok(revoked.and_then(|mut revoked| revoked.remove(&took.key)))
    }

    /// Raises a finding where the owners of a target cannot supply any more what an enforced rule asks of them. Gives how many.
    pub async fn raise_unable(&self) -> Result<usize, EngineError> {
        let now = self.clock.now()?;
        let governance = self.governance().await?;
        let disabled = records::presence(&*self.store, &governance, now).await?.disabled;
        let asked = Arc::clone(&governance);
        let unable = tokio::task::spawn_blocking(move || coverage::nobody_can(&asked, &disabled, now)).await;
        let unable = unable.map_err(|e| Refusal::conflict("unread", format!("rules could not be asked: {e}")))?;
        let who: BTreeSet<ActorId> = governance.policy_group().into_iter().cloned().collect();
        let mut found = Vec::new();
        for (rule, target) in unable {
            let what = Matter::NobodyCan { rule, target: target.clone() };
            let open = self.target(&target).await?.map(|record| record.findings).unwrap_or_default();
            if !open.iter().any(|open| open.matter == what.same()) {
                found.push((what, who.clone()));
            }
        }
        let raised = self.raise(found, now).await?;
        if raised == MAX_AT_ONCE {
            // There may be more.
            self.moved.notify_one();
        }
        Ok(raised)
    }

    /// Asks somebody else to look at what one person rolled back alone, and at what broke the glass, on these targets. Gives how
    /// many.
    pub async fn raise_after_reviews(&self, targets: &BTreeSet<Target>) -> Result<usize, EngineError> {
        let now = self.clock.now()?;
        let governance = self.governance().await?;
        let mut changes: BTreeMap<ChangeId, RolledBack> = BTreeMap::new();
        let mut glass: BTreeMap<Digest, BrokenGlass> = BTreeMap::new();
        let mut alone: BTreeMap<ChangeId, LandedAlone> = BTreeMap::new();
        for target in targets {
            let history = self.target(target).await?.map(|record| record.history).unwrap_or_default();
            let unreviewed = history.rolled_back.into_iter().filter(|rolled| rolled.unreviewed);
            changes.extend(unreviewed.map(|rolled| (rolled.change.clone(), rolled)));
            let unreviewed = history.broken.into_iter().filter(|broken| broken.unreviewed);
            glass.extend(unreviewed.map(|broken| (broken.glass, broken)));
            let unreviewed = history.alone.into_iter().filter(|alone| alone.unreviewed);
            alone.extend(unreviewed.map(|alone| (alone.change.clone(), alone)));
        }
        let mut found = Vec::new();
        if glass.is_empty() && changes.is_empty() && alone.is_empty() {
            return Ok(0);
        }
        // Nobody is asked who cannot answer, and whoever is away only where nobody else is there.
        let presence = records::presence(&*self.store, &governance, now).await?;
        let asked = |targets: &BTreeSet<Target>, hands: BTreeSet<ActorId>| -> BTreeSet<ActorId> {
            rollback::asked(&governance, targets, &hands, &presence, now).into_iter().take(MAX_LIST).collect()
        };
        // Whom only a trailer names stays among them: else whoever writes it would choose who looks.
        let had_a_hand = |change: &Change| take::contributors(&governance, change).but_claimed();
        for (glass, BrokenGlass { by, change, over, .. }) in glass {
            let Some(broken) = self.change(&change).await? else { continue };
            let mut hands = had_a_hand(&broken);
            hands.extend(by.iter().cloned());
            let who = asked(&broken.targets, hands);
            found.push((Matter::GlassBroken { by, change, glass, over, targets: broken.targets }, who));
        }
        for (id, LandedAlone { gate, unmet, .. }) in alone {
            let Some(landed) = self.change(&id).await? else { continue };
            let who = asked(&landed.targets, had_a_hand(&landed));
            found.push((Matter::LandedAlone { change: id, gate, targets: landed.targets, unmet }, who));
        }
        for (id, RolledBack { by, change, restores, .. }) in changes {
            let Some(rollback) = self.change(&id).await? else { continue };
            let mut hands = had_a_hand(&rollback);
            hands.insert(by.clone());
            let targets = rollback.targets;
            let who = asked(&targets, hands);
            found.push((Matter::AfterReview { by, change, restores, targets }, who));
        }
        self.raise(found, now).await
    }

    /// Tells the owners of what somebody had begun to drill for that the next drill is overdue, once. Gives how many.
    pub async fn raise_overdue_drills(&self) -> Result<usize, EngineError> {
        let now = self.clock.now()?;
        let governance = self.governance().await?;
        let mut found = Vec::new();
        for target in self.known_targets(&governance.catalog).await? {
            let drilled = self.target(&target).await?.and_then(|record| record.drilled);
            if drilled.is_some_and(|drilled| drilled.is_overdue(now) && !drilled.found) {
                let who = governance.catalog.owners(&target.system).into_iter().take(MAX_LIST).cloned().collect();
                found.push((Matter::DrillOverdue { target }, who));
            }
        }
        self.raise(found, now).await
    }

    /// The same on every target: whoever was stopped between a landing and this asks when it starts again.
    pub async fn raise_all_after_reviews(&self) -> Result<usize, EngineError> {
        let governance = self.governance().await?;
        let targets = self.known_targets(&governance.catalog).await?;
        self.raise_after_reviews(&targets).await
    }

    /// Of which the log says something.
    async fn known_targets(&self, catalog: &Catalog) -> Result<BTreeSet<Target>, EngineError> {
        let (mut targets, mut after) = (BTreeSet::new(), None);
        loop {
            let page = self.store.list(&List { after, ..List::of(records::TARGET, MAX_PAGE) }).await?;
            let known = page.items.iter().filter_map(|item| item.name.parse::<Target>().ok());
            targets.extend(known.filter(|target| catalog.target(target).is_ok()));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(targets),
            }
        }
    }

    /// What landed on a target and was not taken back, the last first, and what was rolled back lately.
    pub async fn landed(&self, target: &Target) -> Result<TargetLanded, EngineError> {
        self.governance()
            .await?
            .catalog
            .target(target)
            .map_err(|e| Refusal::unknown("unknown-target", e.to_string()))?;
        let history = self.target(target).await?.map(|record| record.history).unwrap_or_default();
        let mut lines: Vec<_> =
            history.landed.iter().flat_map(|(gate, landed)| landed.iter().map(move |landed| (gate, landed))).collect();
        // What landed in the same moment through one gate stays as it came.
        lines.sort_by_key(|(_, landed)| landed.at);
        let landed = lines.into_iter().rev().map(|(gate, landed)| LandedLine {
            change: landed.change.clone(),
            gate: gate.clone(),
            at: rfc3339(landed.at),
            failed: landed.failed,
            no_way_back: landed.no_way_back,
            over_rejection: landed.over_rejection,
        });
        let rolled_back = history.rolled_back.iter().rev().map(|rolled| RolledBackLine {
            by: rolled.by.clone(),
            at: rfc3339(rolled.at),
            change: rolled.change.clone(),
            restores: rolled.restores.clone(),
        });
        Ok(TargetLanded { target: target.clone(), landed: landed.collect(), rolled_back: rolled_back.collect() })
    }

    async fn target(&self, target: &Target) -> Result<Option<TargetRecord>, EngineError> {
        let name = target.to_string();
        let body = self.store.projections(records::TARGET, std::slice::from_ref(&name)).await?.remove(&name);
        Ok(body.map(|body| records::parse(&name, &body)).transpose()?)
    }

    pub(super) async fn raise(&self, found: Vec<impl Into<ToRaise>>, now: Time) -> Result<usize, EngineError> {
        let governance = self.governance().await?;
        let mut raised = 0;
        for found in found.into_iter().take(MAX_AT_ONCE) {
            let ToRaise { what, mut who, hands: known, why } = found.into();
            who.retain(|person| governance.person(person).is_some());
            if who.is_empty() {
                who = governance.policy_group().into_iter().cloned().collect();
            }
            // Where nobody else is there, they are asked all the same.
            let hands = match what.change() {
                Some(id) => self.change(id).await?.map(|change| take::contributors(&governance, &change).but_claimed()),
                None => None,
            };
            let hands: BTreeSet<ActorId> = hands.unwrap_or_default().into_iter().chain(known).collect();
            let apart = hands.difference(&who).take(MAX_LIST).cloned().collect();
            let why = why.map(|why| Reason { salt: random::nonce(), why }.to_blob()).transpose()?;
            let text = why.as_ref().map(Digest::of);
            let within = match &what {
                Matter::AfterReview { .. }
                | Matter::GlassBroken { .. }
                | Matter::KeysRecovered { .. }
                | Matter::LandedAlone { .. } => AFTER_REVIEW_SECS,
                Matter::ApprovesEachOther { .. }
                | Matter::BranchMoved { .. }
                | Matter::CalendarStale { .. }
                | Matter::CarriesAThird { .. }
                | Matter::GateMode { .. }
                | Matter::NobodyCan { .. }
                | Matter::DrillOverdue { .. }
                | Matter::RuleSwitched { .. }
                | Matter::RevocationUnconfirmed { .. } => ANSWER_WITHIN_SECS,
            };
            let finding = Finding { apart, due: now.plus_secs(within), text, what, who };
            let head = self.store.head().await?;
            let said = speech::signed(
                &*self.keys.in_force(&governance.record)?,
                &governance.record,
                &head,
                Body::Finding(finding),
            )?;
            match Box::pin(self.submit(said.raw(), why.into_iter().collect())).await {
                Ok(_) => raised += 1,
                // Nobody is told of it, so that whoever runs the server has to be.
                Err(EngineError::Refused(refusal)) if refusal.code == "too-many-findings" => {
                    tracing::warn!(code = refusal.code, %refusal, "a finding was kept out, and nobody is asked to answer it");
                }
                // Another server of the same store was first.
                Err(EngineError::Refused(refusal)) => {
                    tracing::debug!(code = refusal.code, %refusal, "a finding was not taken");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(raised)
    }

    /// Waits until something was written by which a group may have become unable to supply what is asked of it.
    pub async fn governance_moved(&self) {
        self.moved.notified().await;
    }
}

/// What has no such name, with the one that may be meant; before it goes what the asker put before the name.
fn unknown(kind: &str, name: &str, before: &str, names: &[&str]) -> Refusal {
    let code = match kind {
        "gate" => "unknown-gate",
        "rule" => "unknown-rule",
        _ => "unknown-person",
    };
    let refusal = Refusal::unknown(code, format!("there is no {kind} `{name}`"));
    match did_you_mean(name, names.iter().copied()) {
        Some(meant) => refusal.hint(format!("did you mean `{before}{meant}`?")),
        None => refusal,
    }
}

fn line(id: FindingId, record: FindingRecord, governance: &Governance, now: Time) -> FindingLine {
    FindingLine {
        escalated: escalated(governance, &record, now),
        id,
        kind: record.what.kind().to_owned(),
        about: record.what.about(),
        said: record.what.words(),
        raised_by: record.raised_by,
        raised_at: rfc3339(record.raised_at),
        due: rfc3339(record.due),
        who: record.who,
        text: record.text,
        open: record.answered.is_none(),
        answered_by: record.answered.as_ref().map(|answered| answered.by.clone()),
        answered_at: record.answered.as_ref().map(|answered| rfc3339(answered.at)),
        what: record.what,
    }
}
