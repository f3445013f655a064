//! What of a change went past the rules, and who looks at it afterwards: one shape for `show`, `review`, `verify` and the page of a
//! bundle, with its words.

use std::collections::BTreeSet;

use countersign_core::{
    freeze,
    ids::{ActorId, ChangeId, FindingId, GateId, RuleId},
    permit::span,
    statement::{OutcomeResult, Seen},
};
use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

/// What there is to tell of a change whose gate opened on people's word or decided alone, or that was rolled back on one signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<BrokenLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rolled_back: Vec<RollbackLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<AloneLine>,
    /// Whom it asks to look at it afterwards, and what they said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_reviews: Vec<AfterReviewLine>,
}

/// That people opened a gate, whatever the rules said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenLine {
    /// Everybody who signed.
    pub by: BTreeSet<ActorId>,
    pub at: String,
    pub gate: GateId,
    /// `None` where the words were erased, or are not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Whose rejections it went over.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub over: BTreeSet<ActorId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub over_freezes: BTreeSet<Digest>,
    /// Whose rejections stood besides, which nobody who signed has named.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unnamed: BTreeSet<ActorId>,
    /// Whether the gate could not ask the log.
    pub without_the_log: bool,
    /// Nothing where nobody went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeResult>,
}

/// That somebody rolled back alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackLine {
    pub by: ActorId,
    pub at: String,
    pub gate: GateId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<ChangeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeResult>,
}

/// That a gate decided alone, while it could not reach the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AloneLine {
    pub gate: GateId,
    /// By the gate's clock.
    pub at: String,
    /// How old what it knew of the log was then, in seconds, by its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knew_secs: Option<i64>,
    /// Whether the log, when it heard of it, would have let it go.
    pub stands: bool,
    /// The rules that were not met; none where a stop alone kept it, which the gate could not know.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unmet: BTreeSet<RuleId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeResult>,
}

/// That somebody else is asked to look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterReviewLine {
    pub finding: FindingId,
    pub asked: BTreeSet<ActorId>,
    pub due: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerLine {
    pub by: ActorId,
    pub at: String,
    /// How they had the content at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// What they said; `None` where that is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// How somebody had content at hand, in words.
pub fn seen_words(seen: Seen) -> &'static str {
    match seen {
        Seen::None => "not at hand",
        Seen::Shown => "shown on a page",
        Seen::Material => "as verified bytes",
        Seen::Computed => "computed from their own clone",
    }
}

fn names<T: ToString>(of: impl IntoIterator<Item = T>, word: &str) -> String {
    let names: Vec<String> = of.into_iter().map(|name| name.to_string()).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {word} {last}", others.join(", ")),
        None => "nobody".to_owned(),
    }
}

fn ended(outcome: Option<OutcomeResult>) -> String {
    outcome.map_or_else(|| "nothing went through it".to_owned(), |outcome| outcome.to_string())
}

impl BrokenLine {
    /// Who opened what, in a sentence.
    pub fn headline(&self) -> String {
        let signed = match self.by.len() {
            1 => "one signature".to_owned(),
            more => format!("{more} signatures"),
        };
        let how = if self.without_the_log { ", while the log was away" } else { "" };
        let (by, gate, ended) = (names(&self.by, "and"), &self.gate, ended(self.outcome));
        format!("the glass was broken by {by} ({signed}){how}: gate {gate} opened whatever the rules said; {ended}")
    }

    fn details(&self) -> Vec<String> {
        let mut lines =
            vec![format!("why: {}", self.why.as_deref().unwrap_or("(not here: erased, held back, or lost)"))];
        lines.extend(self.incident.as_ref().map(|incident| format!("answers incident {incident}")));
        lines.extend(self.over.iter().map(|by| format!("went over the rejection of {by}")));
        lines.extend(self.unnamed.iter().map(|by| format!("went over the rejection of {by}, which nobody named")));
        lines.extend(self.over_freezes.iter().map(|freeze| format!("went over freeze {}", freeze::name_of(freeze))));
        lines.push(format!("signed {}", self.at));
        lines
    }
}

impl RollbackLine {
    pub fn headline(&self) -> String {
        let to = self.restores.as_ref().map(|change| format!(" to what {} left", change.short())).unwrap_or_default();
        format!("rolled back by {} alone{to}; {}", self.by, ended(self.outcome))
    }

    fn details(&self) -> Vec<String> {
        let incident = self.incident.as_ref().map(|incident| format!("answers incident {incident}"));
        incident.into_iter().chain([format!("permitted {} at gate {}", self.at, self.gate)]).collect()
    }
}

impl AloneLine {
    pub fn headline(&self) -> String {
        let Self { gate, knew_secs, stands, unmet, outcome, .. } = self;
        let by = knew_secs.map(|secs| format!(", by what it knew {} before", span(secs))).unwrap_or_default();
        let test = match (stands, unmet.is_empty()) {
            (true, _) => "the log, when it heard of it, would have let it go as well".to_owned(),
            (false, true) => "by what the log has, a stop that it could not know was there".to_owned(),
            (false, false) => format!("by what the log has, it does not meet {}", names(unmet, "and")),
        };
        format!("gate {gate} decided alone while the log was away{by}; {}; {test}", ended(*outcome))
    }
}

impl AfterReviewLine {
    pub fn words(&self) -> String {
        let short = self.finding.short();
        match &self.answer {
            None => {
                format!("after-review {short}: open, to be answered until {} by {}", self.due, names(&self.asked, "or"))
            }
            Some(AnswerLine { by, at, seen, said }) => {
                let seen = seen.map(|seen| format!(", content seen: {}", seen_words(seen))).unwrap_or_default();
                let said = said.as_deref().unwrap_or("(not here)");
                format!("after-review {short}: answered {at} by {by}{seen}: {said}")
            }
        }
    }
}

impl Emergency {
    /// What happened, a sentence each.
    pub fn headlines(&self) -> Vec<String> {
        let broken = self.broken.iter().map(BrokenLine::headline);
        let rolled_back = self.rolled_back.iter().map(RollbackLine::headline);
        broken.chain(rolled_back).chain(self.alone.iter().map(AloneLine::headline)).collect()
    }

    /// Everything about it, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for broken in &self.broken {
            lines.push(broken.headline());
            lines.extend(broken.details().into_iter().map(|line| format!("  {line}")));
        }
        for rolled in &self.rolled_back {
            lines.push(rolled.headline());
            lines.extend(rolled.details().into_iter().map(|line| format!("  {line}")));
        }
        for alone in &self.alone {
            lines.push(alone.headline());
            lines.push(format!("  decided {}", alone.at));
        }
        lines.extend(self.after());
        lines
    }

    /// Whether it is of nothing but what a gate decided by the rules, as the log has them, too.
    pub fn is_of_an_outage_alone(&self) -> bool {
        self.broken.is_empty() && self.rolled_back.is_empty() && self.alone.iter().all(|alone| alone.stands)
    }

    /// Who looks at it, or that nobody was asked.
    pub fn after(&self) -> Vec<String> {
        let outcomes = self.broken.iter().map(|one| one.outcome).chain(self.rolled_back.iter().map(|one| one.outcome));
        let over = self.alone.iter().filter(|alone| !alone.stands).map(|alone| alone.outcome);
        if self.after_reviews.is_empty() && outcomes.chain(over).flatten().next().is_some() {
            return vec!["after-review: nobody has been asked, as far as this tells".to_owned()];
        }
        self.after_reviews.iter().map(AfterReviewLine::words).collect()
    }
}
