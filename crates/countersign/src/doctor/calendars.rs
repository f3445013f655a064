//! Calendars of a home that are subscribed to: whether their addresses answer, and whom they name that nobody here is.
//!
//! Those are names and mails of people who may be nobody here: they are said to whoever keeps the home, and stand in no log.

use std::collections::BTreeMap;

use countersign_core::calendar::{Calendar, Use, name_of};

use super::Findings;
use crate::{home::Home, subscriptions};

const CHECK: &str = "subscribed";
/// So many names are said of each.
const MAX_NAMES: usize = 10;

pub fn look(found: &mut Findings, home: &Home, files: &BTreeMap<String, Vec<u8>>, quick: bool) {
    let read = files.iter().filter_map(|(path, bytes)| Calendar::parse(name_of(path)?, bytes).ok());
    let subscribed: Vec<Calendar> = read.filter(|calendar| calendar.file.from.is_some()).collect();
    if subscribed.is_empty() {
        return;
    }
    if quick {
        return found.doubtful(CHECK, "addresses of calendars were not asked", "countersign doctor without --quick");
    }
    let catalog = match home.folder().catalog() {
        Ok(catalog) => catalog,
        Err(error) => {
            let advice = error.advice();
            return found.wrong(CHECK, error.to_string(), advice);
        }
    };
    for Calendar { name, file, .. } in subscribed {
        let from = file.from.as_deref().unwrap_or_default();
        match subscriptions::unknown(&name, from, &file, &catalog) {
            Err(why) => found.wrong(
                CHECK,
                format!("calendar {name} cannot be fetched from {from}: {why}"),
                Some("ask whoever keeps it; what was heard last holds until then".to_owned()),
            ),
            Ok(unknown) if unknown.is_empty() || file.used != Use::Absence => {
                found.good(CHECK, format!("calendar {name} is read from {from}"));
            }
            Ok(unknown) => {
                let names: Vec<String> = unknown.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
                let more = match unknown.len().saturating_sub(MAX_NAMES) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                found.doubtful(
                    CHECK,
                    format!("calendar {name} says when these are away, and nobody here is called so: {}{more}", names.join(", ")),
                    "whoever is one of the people here: add the mail to countersign/mails in catalog/, then countersign amend",
                );
            }
        }
    }
}
