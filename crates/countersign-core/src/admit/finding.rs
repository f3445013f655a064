//! Admission of findings: a gate raises what it met itself, the server what follows from the log as a whole and no stream tells.
//! Both say it of what the log bears out, once, and no more than somebody can read.

use std::collections::BTreeSet;

use countersign_ledger::Time;

use super::{
    Authenticated, approving, governance::is_branch, governance::unknown_target, person, server, subscription,
};
use crate::{
    escalation::escalated,
    governance::Signer,
    ids::{ActorId, GateId, Target},
    landed::{BrokenGlass, LandedAlone, RolledBack},
    newcomers,
    refusal::Refusal,
    rollback::AFTER_REVIEW_SECS,
    state::{GateRecord, Recovered, State},
    statement::{Concerned, Finding, FindingAnswer, Holder, MAX_LIST, MAX_TARGETS, Matter, Share},
};

/// Open findings on one gate, person or target, and as many of what each gate says that it did there: what comes after is in whatever
/// raised it, and in these. What people did alone is always looked at.
pub const MAX_OPEN: usize = 64;
/// How far ahead an answer can be due.
const MAX_DUE_SECS: i64 = 90 * 24 * 60 * 60;

pub(super) fn finding(
    state: &State,
    authenticated: &Authenticated<'_>,
    finding: &Finding,
    now: Time,
) -> Result<(), Refusal> {
    bears_out(state, authenticated, &finding.what, now)?;
    if let Matter::AfterReview { .. }
    | Matter::GlassBroken { .. }
    | Matter::KeysRecovered { .. }
    | Matter::LandedAlone { .. } = &finding.what
        && finding.due > now.plus_secs(AFTER_REVIEW_SECS)
    {
        return Err(Refusal::malformed("finding-due", "what somebody did alone is looked at within 72 hours"));
    }
    let ahead = finding.due.secs_since(now);
    if ahead <= 0 || ahead > MAX_DUE_SECS {
        return Err(Refusal::malformed("finding-due", "a finding is due later than now, and within 90 days"));
    }
    if finding.who.is_empty() || finding.who.len() > MAX_LIST || finding.apart.len() > MAX_LIST {
        return Err(Refusal::malformed("finding-who", format!("a finding names 1 to {MAX_LIST} people who answer it")));
    }
    if let Some(unknown) = finding.who.iter().find(|person| state.governance.person(person).is_none()) {
        return Err(Refusal::unknown("unknown-person", format!("{unknown}, who is to answer, is no person here")));
    }
    // A part of the log does not tell what else is open there.
    let on = |target: &Target| Ok::<_, Refusal>(state.what_landed_on(target)?.map(|known| known.findings.as_slice()));
    let open = match finding.what.of() {
        Concerned::Gate(gate) => state.gate(gate)?.map(|gate| gate.findings.as_slice()),
        Concerned::Governance => None,
        Concerned::Person(person) => state.person(person)?.map(|person| person.findings.as_slice()),
        Concerned::People(people) => match people.first() {
            Some(person) => state.person(person)?.map(|person| person.findings.as_slice()),
            None => None,
        },
        Concerned::Target(target) => on(target)?,
        Concerned::Targets(targets) => targets.first().map(on).transpose()?.flatten(),
    };
    let (open, same) = (open.unwrap_or_default(), finding.what.same());
    if let Some(known) = open.iter().find(|known| known.matter == same) {
        return Err(Refusal::conflict("already-found", format!("finding {} says the same, and is open", known.id)));
    }
    addressed(state, finding)?;
    let share = finding.what.share();
    let before = match &share {
        Share::Always => 0,
        Share::Gate(_) | Share::Common => open.iter().filter(|known| known.share == share).count(),
    };
    if before >= MAX_OPEN {
        let of = match &share {
            Share::Gate(gate) => format!(" of what gate {gate} did"),
            Share::Always | Share::Common => String::new(),
        };
        return Err(Refusal::conflict(
            "too-many-findings",
            format!("{before} findings{of} are open there, and that is the most"),
        )
        .hint("read them, and mend what they say: countersign findings --open"));
    }
    Ok(())
}

/// One of those who are asked answers, once, and nobody for what they did alone themselves.
pub(super) fn answer(
    state: &State,
    authenticated: &Authenticated<'_>,
    said: &FindingAnswer,
    now: Time,
) -> Result<(), Refusal> {
    let by = person(authenticated, "answer a finding")?;
    let short = said.finding.short();
    let Some(found) = state.finding(&said.finding)? else {
        return Err(Refusal::unknown("unknown-finding", format!("there is no finding {}", said.finding))
            .hint("list them: countersign findings --open"));
    };
    if found.what != said.what {
        return Err(Refusal::malformed("another-finding", format!("finding {short} says something else")));
    }
    if let Some(answered) = &found.answered {
        return Err(Refusal::conflict(
            "already-answered",
            format!("{} has answered finding {short} at {}", answered.by, answered.at),
        ));
    }
    let who: Vec<&str> = found.who.iter().map(|person| person.as_str()).collect();
    let who = who.join(", ");
    let another = newcomers::beside(&state.governance, &found.what.actors(), &by, now);
    match &found.what {
        Matter::AfterReview { by: alone, .. } if *alone == by => {
            Err(Refusal::forbidden("your-own-act", format!("{by} did that alone, and somebody else looks at it"))
                .hint(format!("one of these answers: {who}")))
        }
        Matter::GlassBroken { by: broke, .. } if broke.contains(&by) => {
            Err(Refusal::forbidden("your-own-act", format!("{by} broke the glass, and somebody else looks at it"))
                .hint(format!("one of these answers: {who}")))
        }
        what @ (Matter::ApprovesEachOther { .. } | Matter::CarriesAThird { .. }) if what.actors().contains(&by) => Err(
            Refusal::forbidden("your-own-act", format!("it is about how {by} approves, and somebody else looks at it"))
                .hint(format!("one of these answers: {who}")),
        ),
        Matter::KeysRecovered { by: recovered, of, .. }
            if (recovered.contains(&by) || of.contains(&by)) && !found.who.contains(&by) =>
        {
            Err(Refusal::forbidden(
                "your-own-act",
                format!("{by} recovered the log or got a key by that, and somebody else looks at it"),
            )
            .hint(format!("one of these answers: {who}")))
        }
        // Where nobody else is there, they are asked.
        what @ Matter::KeysRecovered { .. } if what.actors().contains(&by) => Ok(()),
        _ if found.apart.contains(&by) => {
            Err(Refusal::forbidden("your-own-act", format!("{by} had a hand in it, and somebody else looks at it"))
                .hint(format!("one of these answers: {who}")))
        }
        // One of the two could be the other.
        _ if another.is_err() => another,
        _ if !found.who.contains(&by) => match escalated(&state.governance, found, now) {
            Some(besides) if besides.who.contains(&by) => Ok(()),
            besides => {
                let besides = besides.iter().flat_map(|besides| &besides.who).map(|person| person.as_str());
                let who: Vec<&str> = found.who.iter().map(|person| person.as_str()).chain(besides).collect();
                Err(Refusal::forbidden("another-answers", format!("{by} was not asked to answer finding {short}"))
                    .hint(format!("one of these answers: {}", who.join(", "))))
            }
        },
        _ => Ok(()),
    }
}

/// Seniors register gates on whatever target, and owners leave: of one that no owner registered, only who did answers.
fn addressed(state: &State, finding: &Finding) -> Result<(), Refusal> {
    let (gate, targets) = match &finding.what {
        Matter::BranchMoved { gate, targets, .. } | Matter::GateMode { gate, targets, .. } => (gate, targets),
        Matter::AfterReview { by, .. } if finding.who.contains(by) => {
            return Err(Refusal::forbidden(
                "your-own-act",
                format!("{by} did that alone, and somebody else looks at it"),
            ));
        }
        Matter::GlassBroken { by, .. } if !finding.who.is_disjoint(by) => {
            return Err(Refusal::forbidden("your-own-act", "who broke the glass does not look at it themselves"));
        }
        what @ (Matter::ApprovesEachOther { .. } | Matter::CarriesAThird { .. })
            if what.actors().iter().any(|person| finding.who.contains(*person)) =>
        {
            return Err(Refusal::forbidden("your-own-act", "how somebody approves they do not look at themselves"));
        }
        Matter::KeysRecovered { by, of, .. } if !others_look(state, finding, &by.union(of).collect()) => {
            return Err(Refusal::forbidden(
                "your-own-act",
                "who recovered a log or got a key by that does not look at it where anybody else is there",
            ));
        }
        Matter::AfterReview { .. }
        | Matter::ApprovesEachOther { .. }
        | Matter::CalendarStale { .. }
        | Matter::CarriesAThird { .. }
        | Matter::KeysRecovered { .. }
        | Matter::GlassBroken { .. }
        | Matter::LandedAlone { .. }
        | Matter::DrillOverdue { .. }
        | Matter::NobodyCan { .. }
        | Matter::RuleSwitched { .. }
        | Matter::RevocationUnconfirmed { .. } => return Ok(()),
    };
    let Some(record) = state.gate(gate)? else { return Ok(()) };
    let by = &record.registered_by;
    let catalog = &state.governance.catalog;
    let owns = state.governance.person(by).is_none() || targets.iter().all(|target| catalog.owns(by, &target.system));
    match finding.who.iter().find(|person| *person != by && !owns) {
        Some(other) => Err(Refusal::forbidden(
            "another-answers",
            format!("{by}, who registered gate {gate}, owns not all of what it guards: {other} need not answer for it"),
        )),
        None => Ok(()),
    }
}

/// Whether nobody who is asked had a hand in it, or nobody else is there who has a key.
fn others_look(state: &State, finding: &Finding, hands: &BTreeSet<&ActorId>) -> bool {
    let is_asked = finding.who.iter().any(|person| hands.contains(person));
    let mut people = state.governance.people_with_keys();
    !is_asked || people.all(|person| hands.contains(&person.id))
}

/// Whether the speaker may say it, and the log does not say otherwise.
fn bears_out(state: &State, authenticated: &Authenticated<'_>, matter: &Matter, now: Time) -> Result<(), Refusal> {
    match matter {
        Matter::AfterReview { by, change, restores, targets } => {
            server(authenticated)?;
            let is_it = |rolled: &RolledBack| {
                rolled.unreviewed && rolled.change == *change && rolled.by == *by && rolled.restores == *restores
            };
            for target in targets {
                // In a part of the log followers vouch for what landed there.
                let Some(record) = state.what_landed_on(target)? else { continue };
                if !record.history.rolled_back.iter().any(is_it) {
                    return Err(Refusal::conflict(
                        "not-rolled-back",
                        format!("{by} has not rolled {target} back by {change} so that nobody was asked to look at it"),
                    ));
                }
            }
            match targets.is_empty() || targets.len() > MAX_TARGETS {
                true => Err(Refusal::malformed("finding", format!("it names 1 to {MAX_TARGETS} targets"))),
                false => Ok(()),
            }
        }
        Matter::GlassBroken { by, change, glass, over, targets } => {
            server(authenticated)?;
            let is_it = |broken: &BrokenGlass| {
                broken.unreviewed
                    && broken.change == *change
                    && broken.glass == *glass
                    && broken.by == *by
                    && broken.over == *over
            };
            for target in targets {
                let Some(record) = state.what_landed_on(target)? else { continue };
                if !record.history.broken.iter().any(is_it) {
                    return Err(Refusal::conflict(
                        "glass-not-broken",
                        format!(
                            "nobody broke the glass for {change} on {target} so that nobody was asked to look at it"
                        ),
                    ));
                }
            }
            match targets.is_empty() || targets.len() > MAX_TARGETS {
                true => Err(Refusal::malformed("finding", format!("it names 1 to {MAX_TARGETS} targets"))),
                false => Ok(()),
            }
        }
        Matter::ApprovesEachOther { .. } | Matter::CarriesAThird { .. } => {
            server(authenticated)?;
            approving::bears_out(state, matter, now)
        }
        Matter::CalendarStale { calendar, heard } => {
            server(authenticated)?;
            subscription::is_stale(&state.governance, calendar, *heard, now)
        }
        Matter::KeysRecovered { by, of, recovery } => {
            server(authenticated)?;
            let is_it = |known: &Recovered| known.recovery == *recovery && known.by == *by && known.of == *of;
            for person in of {
                if !state.person(person)?.is_some_and(|record| record.recovered.iter().any(is_it)) {
                    return Err(Refusal::conflict(
                        "not-recovered",
                        format!("{person} got no key by recovery {recovery} so that nobody was asked to look at it"),
                    ));
                }
            }
            match of.is_empty() {
                true => Err(Refusal::malformed("finding", "it names who got a key")),
                false => Ok(()),
            }
        }
        Matter::DrillOverdue { target } => {
            server(authenticated)?;
            let drilled = state.target(target)?.and_then(|record| record.drilled.as_ref());
            match drilled.is_some_and(|drilled| drilled.is_overdue(now) && !drilled.found) {
                true => Ok(()),
                false => Err(Refusal::conflict("not-overdue", format!("no drill for {target} is overdue"))),
            }
        }
        Matter::LandedAlone { change, gate, targets, unmet } => {
            server(authenticated)?;
            let is_it = |alone: &LandedAlone| alone.change == *change && alone.gate == *gate && alone.unmet == *unmet;
            for target in targets {
                if !state.target(target)?.is_some_and(|record| record.history.alone.iter().any(is_it)) {
                    return Err(Refusal::conflict(
                        "not-landed-alone",
                        format!("gate {gate} has not landed {change} on {target} in an outage"),
                    ));
                }
            }
            match targets.is_empty() || targets.len() > MAX_TARGETS {
                true => Err(Refusal::malformed("finding", format!("it names 1 to {MAX_TARGETS} targets"))),
                false => Ok(()),
            }
        }
        Matter::BranchMoved { branch, from, gate, targets, to } => {
            let record = own(state, authenticated, gate, branch, targets)?;
            if to.as_ref() == Some(from) {
                return Err(Refusal::malformed("finding", format!("{branch} stands where it should")));
            }
            if targets.iter().all(|target| record.watches(branch, target)) {
                return Err(Refusal::conflict("only-watched", format!("gate {gate} only watches that on {branch}")));
            }
            Ok(())
        }
        Matter::GateMode { branch, gate, targets } => {
            let record = own(state, authenticated, gate, branch, targets)?;
            match targets.iter().find(|target| record.watches(branch, target)) {
                Some(target) => Err(Refusal::conflict(
                    "only-watched",
                    format!("the log has gate {gate} watch {target} on {branch}, too"),
                )),
                None => Ok(()),
            }
        }
        Matter::NobodyCan { rule, target } => {
            server(authenticated)?;
            state.governance.catalog.target(target).map_err(unknown_target)?;
            match state.governance.rules.get(rule) {
                Some(_) => Ok(()),
                None => Err(Refusal::unknown("unknown-rule", format!("there is no rule `{rule}`"))),
            }
        }
        Matter::RuleSwitched { changes, off, on, rule, target } => {
            server(authenticated)?;
            state.governance.catalog.target(target).map_err(unknown_target)?;
            if changes.is_empty() || changes.len() > MAX_LIST || off == on {
                return Err(Refusal::malformed(
                    "finding",
                    format!("it names two publications, and 1 to {MAX_LIST} changes that passed between them"),
                ));
            }
            match state.governance.rules.get(rule) {
                Some(_) => Ok(()),
                None => Err(Refusal::unknown("unknown-rule", format!("there is no rule `{rule}`"))),
            }
        }
        Matter::RevocationUnconfirmed { by, key, of, revocation } => {
            server(authenticated)?;
            let records = match of {
                Holder::Person(person) => state.person(person)?.map(|record| &record.revoked),
                Holder::Gate(gate) => state.gate(gate)?.map(|record| &record.revoked),
            };
            let ended = records.and_then(|records| records.get(key)).is_some_and(|record| {
                record.statement == *revocation && record.by == *by && record.until().is_some() && !record.takes(now)
            });
            let took =
                state.person(by)?.and_then(|record| record.took.iter().find(|took| took.statement == *revocation));
            match took {
                Some(took) if ended && took.found => Err(Refusal::conflict(
                    "already-found",
                    format!("that nobody confirmed {revocation} was found before"),
                )),
                Some(_) if ended => Ok(()),
                Some(_) | None => Err(Refusal::conflict(
                    "not-unconfirmed",
                    format!("{by} has not revoked key {key} so that it ended without anybody confirming it"),
                )),
            }
        }
    }
}

/// The record of the gate that speaks, of its own branch and of what it guards.
fn own<'a>(
    state: &'a State,
    authenticated: &Authenticated<'_>,
    gate: &GateId,
    branch: &str,
    targets: &BTreeSet<Target>,
) -> Result<&'a GateRecord, Refusal> {
    match authenticated.signer() {
        Signer::Gate(speaker) if speaker == gate => {}
        Signer::Gate(_) | Signer::Actor { .. } | Signer::Server => {
            return Err(Refusal::forbidden("another-gate", format!("what happened at gate {gate}, that gate says")));
        }
    }
    let record =
        state.gate(gate)?.ok_or_else(|| Refusal::unknown("unknown-gate", format!("there is no gate `{gate}`")))?;
    if let Some(target) = targets.iter().find(|target| !record.targets.contains(*target)) {
        return Err(Refusal::forbidden("another-gate", format!("gate {gate} does not guard {target}")));
    }
    if targets.is_empty() || targets.len() > MAX_TARGETS || !is_branch(branch) {
        return Err(Refusal::malformed(
            "finding",
            format!("a finding of a gate names a branch in full and 1 to {MAX_TARGETS} targets"),
        ));
    }
    Ok(record)
}
