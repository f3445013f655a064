//! The changes inside the page: columns with places in lists of words, as JSON, packed. A browser unpacks them, so that
//! 44,000 changes are 4 MB rather than 30.

use std::{collections::HashMap, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    PageError,
    parts::{ai_key, grade_key},
};
use crate::audit::report::{Change, Report, Signal};

/// Words that repeat, each kept once, by place.
#[derive(Debug, Default)]
struct Words<'a> {
    places: HashMap<&'a str, usize>,
    words: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn place(&mut self, word: &'a str) -> usize {
        let next = self.words.len();
        let place = *self.places.entry(word).or_insert(next);
        if place == next {
            self.words.push(word);
        }
        place
    }

    fn places<T: AsRef<str> + 'a>(&mut self, words: &'a [T]) -> Vec<usize> {
        words.iter().map(|word| self.place(word.as_ref())).collect()
    }
}

/// One column each, all of one length, oldest change first. `assets/audit/changes.js` reads it.
#[derive(Debug, Default, Serialize)]
struct Columns<'a> {
    /// All ids one after the other.
    ids: String,
    id_length: usize,
    /// Seconds since the change before, from 1970 on.
    after: Vec<i64>,
    /// Absent when people are anonymised.
    subject: Option<Vec<&'a str>>,
    grade: Vec<usize>,
    ai: Vec<usize>,
    ai_signals: Vec<Vec<usize>>,
    ai_tools: Vec<Vec<usize>>,
    contributors: Vec<Vec<usize>>,
    reviewers: Vec<Vec<usize>>,
    impact: Vec<Vec<usize>>,
    areas: Vec<Vec<usize>>,
    brought: Vec<u32>,
    /// Those in which robots alone had a hand, by place.
    robots: Vec<usize>,
    /// Five numbers a signal: convention, what it says, who and with what words (-1 is none), whether it decided.
    signals: Vec<Vec<i64>>,
    /// Change, what it takes back.
    reverts: Vec<(usize, Vec<usize>)>,
    /// Change, what took it back, after how many days.
    reverted: Vec<(usize, usize, f64)>,
    /// By rule that was not met: its place, whether nobody could have given what lacks, places of what lacks.
    stopped: Vec<Vec<(usize, u8, Vec<usize>)>>,
    /// Denied by the first set, and by the second; null where no rule was asked.
    denied: Vec<Option<(bool, Option<bool>)>>,
    words: Said<'a>,
}

#[derive(Debug, Default, Serialize)]
struct Said<'a> {
    grade: Vec<&'a str>,
    ai: Vec<&'a str>,
    ai_signal: Vec<&'a str>,
    tool: Vec<&'a str>,
    person: Vec<&'a str>,
    impact: Vec<&'a str>,
    area: Vec<&'a str>,
    convention: Vec<&'a str>,
    says: Vec<&'a str>,
    text: Vec<&'a str>,
    rule: Vec<&'a str>,
    lacks: Vec<&'a str>,
}

#[derive(Debug, Default)]
struct Lists<'a> {
    grade: Words<'a>,
    ai: Words<'a>,
    ai_signal: Words<'a>,
    tool: Words<'a>,
    person: Words<'a>,
    impact: Words<'a>,
    area: Words<'a>,
    convention: Words<'a>,
    says: Words<'a>,
    text: Words<'a>,
    rule: Words<'a>,
    lacks: Words<'a>,
}

/// Base64 of gzip of JSON: no character in it means anything to HTML.
pub fn packed(report: &Report) -> Result<String, PageError> {
    let changes = report.changes.as_deref().unwrap_or_default();
    let json = serde_json::to_vec(&columns(changes)).map_err(PageError::Data)?;
    // The default packs to within a percent of the best, in half the time.
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packer.write_all(&json).and_then(|()| packer.finish()).map_err(PageError::Packing)?;
    Ok(STANDARD.encode(packed))
}

fn columns(changes: &[Change]) -> Columns<'_> {
    let places: HashMap<&str, usize> =
        changes.iter().enumerate().map(|(at, change)| (change.commit.as_str(), at)).collect();
    let place = |id: &countersign_core::ids::Oid| places.get(id.as_str()).copied();
    let mut lists = Lists::default();
    let mut columns = Columns {
        id_length: changes.first().map_or(0, |change| change.commit.as_str().len()),
        subject: changes.iter().map(|change| change.subject.as_deref()).collect(),
        ..Columns::default()
    };
    let mut before = 0_i64;
    for (at, change) in changes.iter().enumerate() {
        let landed = change.landed_at.parse::<Timestamp>().map_or(0, Timestamp::as_second);
        columns.ids.push_str(change.commit.as_str());
        columns.after.push(landed.saturating_sub(before));
        before = landed;
        columns.grade.push(lists.grade.place(grade_key(change.grade)));
        columns.ai.push(lists.ai.place(ai_key(change.ai)));
        columns.ai_signals.push(lists.ai_signal.places(&change.ai_signals));
        columns.ai_tools.push(lists.tool.places(&change.ai_tools));
        columns.contributors.push(lists.person.places(&change.contributors));
        columns.reviewers.push(lists.person.places(&change.reviewers));
        columns.impact.push(lists.impact.places(&change.impact));
        columns.areas.push(lists.area.places(&change.areas));
        columns.brought.push(change.brought);
        if change.by_robots {
            columns.robots.push(at);
        }
        columns.signals.push(change.signals.iter().flat_map(|signal| lists.signal(signal)).collect());
        let reverts: Vec<usize> = change.reverts.iter().filter_map(place).collect();
        if !reverts.is_empty() {
            columns.reverts.push((at, reverts));
        }
        if let Some(by) = change.reverted_by.as_ref().and_then(place) {
            columns.reverted.push((at, by, change.reverted_after_days.unwrap_or_default()));
        }
        let stopped = change.rules.iter().flat_map(|rules| &rules.stopped_by).map(|stopped| {
            let rule = lists.rule.place(stopped.rule.as_str());
            (rule, u8::from(stopped.nobody_could), lists.lacks.places(&stopped.lacks))
        });
        columns.stopped.push(stopped.collect());
        columns.denied.push(change.rules.as_ref().map(|rules| (rules.denied, rules.other_denied)));
    }
    columns.words = Said {
        grade: lists.grade.words,
        ai: lists.ai.words,
        ai_signal: lists.ai_signal.words,
        tool: lists.tool.words,
        person: lists.person.words,
        impact: lists.impact.words,
        area: lists.area.words,
        convention: lists.convention.words,
        says: lists.says.words,
        text: lists.text.words,
        rule: lists.rule.words,
        lacks: lists.lacks.words,
    };
    columns
}

impl<'a> Lists<'a> {
    fn signal(&mut self, signal: &'a Signal) -> [i64; 5] {
        let number = |place: usize| i64::try_from(place).unwrap_or(-1);
        [
            number(self.convention.place(signal.convention)),
            number(self.says.place(signal.says)),
            signal.who.as_deref().map_or(-1, |who| number(self.person.place(who))),
            signal.text.as_deref().map_or(-1, |text| number(self.text.place(text))),
            i64::from(signal.decided),
        ]
    }
}
