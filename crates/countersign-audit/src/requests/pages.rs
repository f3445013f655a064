//! Whether an export is all there is: APIs hand out pages, and tools stop at a limit. What was left behind would look as if
//! nobody had looked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// That something is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    pub forge: &'static str,
    pub why: String,
    /// The command that fetches the rest.
    pub rest: String,
}

/// What pages say of each other, in all the files of one forge.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    forges: BTreeMap<&'static str, Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// Each file's records.
    files: Vec<usize>,
    /// Whether a page says that it is the last.
    ends: bool,
    /// What a page says of the next, where it is not.
    next: Option<String>,
}

/// What the lists of one file say.
#[derive(Debug, Default)]
pub(super) struct Said {
    ends: bool,
    next: Option<String>,
}

impl Said {
    /// Reads what stands beside a list.
    pub(super) fn list(&mut self, object: &Map<String, Value>) {
        let flag = |value: Option<&Value>| value.and_then(Value::as_bool);
        let graph = object.get("pageInfo").and_then(|info| flag(info.get("hasNextPage")));
        let data_center = flag(object.get("isLastPage")).map(|last| !last);
        match graph.or(data_center) {
            Some(true) => {
                let start = object.get("nextPageStart").map(|start| format!(" (start={start})")).unwrap_or_default();
                self.next = Some(format!("its last page says that there is another{start}"));
            }
            Some(false) => self.ends = true,
            // Bitbucket Cloud names the next page, and leaves the name out on the last.
            None => match object.get("next").and_then(Value::as_str) {
                Some(next) => self.next = Some(next.to_owned()),
                None => self.ends |= object.contains_key("pagelen"),
            },
        }
    }

    /// Reads what Gerrit writes into its last record.
    pub(super) fn record(&mut self, record: &Map<String, Value>) {
        let more = ["moreChanges", "_more_changes"].iter().find_map(|name| record.get(*name)?.as_bool());
        match more {
            Some(true) => self.next = Some("Gerrit says that there are more changes".to_owned()),
            Some(false) => self.ends = true,
            None => {}
        }
    }
}

impl Pages {
    pub(super) fn add(&mut self, forge: &'static str, records: usize, said: Said) {
        let seen = self.forges.entry(forge).or_default();
        seen.files.push(records);
        seen.ends |= said.ends;
        seen.next = said.next.or(seen.next.take());
    }

    pub(super) fn cuts(&self) -> Vec<Cut> {
        self.forges.iter().filter_map(|(forge, seen)| seen.cut(forge)).collect()
    }
}

/// As many records as a tool gives unless it is told otherwise, or as the export's own command asks for.
const LIMITS: [(&str, &[usize]); 3] = [
    (super::github::FORGE, &[30, 100, 1_000, 10_000]),
    (super::gitlab::FORGE, &[20, 30, 100]),
    (super::azure::FORGE, &[100, 101, 1_000, 10_000]),
];

impl Seen {
    fn cut(&self, forge: &'static str) -> Option<Cut> {
        if self.ends {
            return None;
        }
        let all: usize = self.files.iter().sum();
        let rest = |why: String, next: Option<&str>| Some(Cut { forge, why, rest: rest(forge, all, next)? });
        if let Some(next) = &self.next {
            let is_address = next.starts_with("http");
            let why = if is_address { "its last page names another".to_owned() } else { next.clone() };
            return rest(why, is_address.then_some(next));
        }
        let (_, limits) = LIMITS.iter().find(|(of, _)| *of == forge)?;
        let full = self.files.iter().all(|records| limits.contains(records));
        let last = self.files.last().filter(|_| full)?;
        rest(format!("it has {last} requests, as many as one page or a limit allows"), None)
    }
}

/// How the rest is fetched, behind so many records.
fn rest(forge: &str, all: usize, next: Option<&str>) -> Option<String> {
    let (_, export) = super::EXPORTS.iter().find(|(of, _)| *of == forge)?;
    Some(match next {
        // As in the first command: who may read it.
        Some(next) => format!("curl -u USER:TOKEN '{next}' > reviews-2.json"),
        None if forge == super::gerrit::FORGE => {
            export.replace(" > reviews.json", &format!(" --start {all} > reviews-2.json"))
        }
        None if forge == super::azure::FORGE => {
            export.replace(" --output", &format!(" --skip {all} --output")).replace("reviews.json", "reviews-2.json")
        }
        None => export.replace("--limit 10000", &format!("--limit {}", all.saturating_mul(10).max(10_000))),
    })
}
