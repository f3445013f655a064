//! Reading what directories export: CSV as Okta, Entra and Google write it, JSON as a list of objects or as SCIM.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::catalog::Level;
use serde_json::Value;

use super::DirectoryError;

pub const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_PEOPLE: usize = 50_000;

/// Somebody, as the directory has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where in the file, from 1.
    pub row: usize,
    /// What they are called by: a login, or the beginning of a mail.
    pub login: String,
    pub name: Option<String>,
    pub mails: BTreeSet<String>,
    /// `None` where the directory says nothing of groups.
    pub groups: Option<BTreeSet<String>>,
    pub level: Option<Level>,
    pub active: bool,
}

/// Headings that mean the same, the best first.
const LOGIN: [&str; 7] = ["id", "login", "username", "userprincipalname", "primaryemail", "emailaddress", "email"];
const NAME: [&str; 3] = ["displayname", "name", "fullname"];
const MAIL: [&str; 6] = ["mail", "email", "emailaddress", "primaryemail", "userprincipalname", "login"];
const GROUPS: [&str; 4] = ["groups", "group", "memberof", "teams"];
const ACTIVE: [&str; 4] = ["active", "accountenabled", "enabled", "status"];
const SUSPENDED: [&str; 2] = ["suspended", "archived"];

/// Reads an export, by its first character.
pub fn read(text: &str) -> Result<Vec<Entry>, DirectoryError> {
    let text = text.trim_start_matches('\u{feff}');
    let rows = match text.trim_start().chars().next() {
        Some('[' | '{') => json(text)?,
        Some(_) => csv(text)?,
        None => return Err(DirectoryError::Empty),
    };
    if rows.len() > MAX_PEOPLE {
        return Err(DirectoryError::Unreadable(format!("it names more than {MAX_PEOPLE} people")));
    }
    if rows.is_empty() {
        return Err(DirectoryError::Empty);
    }
    rows.iter().enumerate().map(|(number, row)| entry(number.saturating_add(1), row)).collect()
}

/// What stands under each heading.
type Row = BTreeMap<String, Vec<String>>;

/// `First Name [Required]` and `first_name` are one heading.
fn heading(text: &str) -> String {
    let text = text.split('[').next().unwrap_or_default();
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn csv(text: &str) -> Result<Vec<Row>, DirectoryError> {
    let unreadable = |error: ::csv::Error| DirectoryError::Unreadable(error.to_string());
    let separator = match text.lines().next() {
        Some(first) if !first.contains(',') && first.contains(';') => b';',
        _ => b',',
    };
    let mut reader = ::csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
    let headings: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(heading).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let mut row = Row::new();
        for (heading, value) in headings.iter().zip(&record) {
            let several = GROUPS.contains(&heading.as_str());
            let values = if several { value.split([',', ';', '|', '\n']).collect() } else { vec![value] };
            row.entry(heading.clone()).or_default().extend(values.into_iter().map(|value| value.trim().to_owned()));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn json(text: &str) -> Result<Vec<Row>, DirectoryError> {
    let value: Value = serde_json::from_str(text).map_err(|e| DirectoryError::Unreadable(e.to_string()))?;
    let list = match &value {
        Value::Array(list) => list,
        Value::Object(object) => ["Resources", "users", "value"]
            .iter()
            .find_map(|name| object.get(*name).and_then(Value::as_array))
            .ok_or_else(|| DirectoryError::Unreadable("it is no list of people".to_owned()))?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(DirectoryError::Empty),
    };
    let mut rows = Vec::new();
    for (number, one) in list.iter().enumerate() {
        let object = one
            .as_object()
            .ok_or_else(|| DirectoryError::Row { row: number.saturating_add(1), what: "it is no object".to_owned() })?;
        // A group, in an export of both.
        if object.contains_key("members") && !object.contains_key("userName") {
            continue;
        }
        let mut row = Row::new();
        for (name, value) in object {
            row.entry(heading(name)).or_default().extend(words(value));
        }
        // SCIM's id is a number of its own.
        if object.contains_key("userName") {
            row.remove("id");
        }
        rows.push(row);
    }
    Ok(rows)
}

/// What a value says, as words: of objects (a mail, a group, a name) what names them, the primary one first.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Bool(value) => vec![value.to_string()],
        Value::Number(value) => vec![value.to_string()],
        Value::String(value) => vec![value.trim().to_owned()],
        Value::Array(values) => {
            let (first, then): (Vec<&Value>, Vec<&Value>) =
                values.iter().partition(|value| value.get("primary").and_then(Value::as_bool) == Some(true));
            first.into_iter().chain(then).flat_map(words).collect()
        }
        Value::Object(object) => {
            let named = ["display", "formatted", "fullName", "displayName", "value", "address", "name"];
            named
                .iter()
                .find_map(|name| object.get(*name).filter(|value| value.is_string()))
                .map(words)
                .unwrap_or_default()
        }
    }
}

fn entry(row_number: usize, row: &Row) -> Result<Entry, DirectoryError> {
    let all = |headings: &[&str]| -> Vec<&str> {
        let values = headings.iter().filter_map(|heading| row.get(*heading)).flatten();
        values.map(String::as_str).filter(|value| !value.is_empty()).collect()
    };
    let wrong = |what: String| DirectoryError::Row { row: row_number, what };
    let mails: BTreeSet<String> = all(&MAIL)
        .into_iter()
        .chain(all(&["emails"]))
        .filter(|value| value.contains('@'))
        .map(str::to_lowercase)
        .collect();
    let login = all(&LOGIN).into_iter().map(login_of).find(|login| !login.is_empty() && !is_a_number(login));
    let login = login.or_else(|| mails.first().map(|mail| login_of(mail)));
    let login = login.ok_or_else(|| wrong("it says neither who it is nor a mail".to_owned()))?;
    let name = all(&NAME).first().map(|name| (*name).to_owned()).or_else(|| {
        let parts: Vec<&str> = all(&["firstname"]).into_iter().chain(all(&["lastname"])).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    });
    let says_groups = GROUPS.iter().any(|heading| row.contains_key(*heading));
    let groups = says_groups.then(|| all(&GROUPS).into_iter().map(str::to_owned).collect());
    let level = match all(&["level"]).first() {
        None => None,
        Some(level) => Some(
            level_of(level)
                .ok_or_else(|| wrong(format!("level `{level}` is none of standard, senior, principal, director")))?,
        ),
    };
    let mut active = true;
    for said in all(&ACTIVE) {
        active &= is_active(said)
            .ok_or_else(|| wrong(format!("`{said}` says neither that they are there nor that they left")))?;
    }
    for said in all(&SUSPENDED) {
        active &= !is_active(said).ok_or_else(|| wrong(format!("`{said}` is neither true nor false")))?;
    }
    Ok(Entry { row: row_number, login, name, mails, groups, level, active })
}

/// What stands before the `@`, in the letters that an id has.
fn login_of(text: &str) -> String {
    let local = text.split('@').next().unwrap_or_default().to_lowercase();
    let word = local.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' });
    word.collect::<String>().trim_matches(['-', '.']).to_owned()
}

/// A number or a GUID, by which nobody is called.
fn is_a_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) || (text.len() == 36 && text.bytes().filter(|b| *b == b'-').count() == 4)
}

fn level_of(text: &str) -> Option<Level> {
    let levels = [Level::Standard, Level::Senior, Level::Principal, Level::Director];
    levels.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text))
}

fn is_active(text: &str) -> Option<bool> {
    match heading(text).as_str() {
        "true" | "yes" | "1" | "active" | "enabled" | "passwordexpired" | "recovery" | "lockedout" => Some(true),
        "false" | "no" | "0" | "inactive" | "disabled" | "suspended" | "deprovisioned" | "archived" | "deleted"
        | "staged" | "provisioned" | "pending" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<String> {
        let line = |entry: Entry| {
            let groups = entry.groups.map(|groups| groups.into_iter().collect::<Vec<_>>().join("+"));
            let level = entry.level.map_or("-", Level::as_str);
            let mails: Vec<String> = entry.mails.into_iter().collect();
            let (name, groups) = (entry.name.unwrap_or_default(), groups.unwrap_or_else(|| "?".to_owned()));
            format!("{} {name} {} {groups} {level} {}", entry.login, mails.join(" "), entry.active)
        };
        match read(text) {
            Ok(entries) => entries.into_iter().map(line).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn what_directories_export_is_read() {
        let ours =
            "id,name,mail,groups,level,manager,active\nada,Ada L,Ada@example.com,\"payments;search\",senior,bo,true\n";
        assert_eq!(check(ours), ["ada Ada L ada@example.com payments+search senior true"]);
        let okta = "login,firstName,lastName,email,status\nkim@x.example,Kim,Lee,kim@x.example,DEPROVISIONED\n";
        assert_eq!(check(okta), ["kim Kim Lee kim@x.example ? - false"]);
        let entra = "id;userPrincipalName;displayName;accountEnabled\n0f8fad5b-d9cb-469f-a165-70867728950e;Bo.Ek@x.example;Bo Ek;True\n";
        assert_eq!(check(entra), ["bo.ek Bo Ek bo.ek@x.example ? - true"]);
        let google = "First Name [Required],Last Name [Required],Email Address [Required],Status [READ ONLY]\nAl,Po,al@x.example,Suspended\n";
        assert_eq!(check(google), ["al Al Po al@x.example ? - false"]);
        let scim = r#"{"Resources": [{"id": "77", "userName": "ada@x.example", "name": {"formatted": "Ada"}, "active": true,
            "emails": [{"value": "a@home.example"}, {"value": "ada@x.example", "primary": true}], "groups": [{"display": "pay"}]},
            {"displayName": "pay", "members": []}]}"#;
        assert_eq!(check(scim), ["ada Ada a@home.example ada@x.example pay - true"]);
    }

    #[test]
    fn what_is_not_plain_is_an_error_and_nobody_who_left() {
        assert_eq!(check(""), ["it names nobody"]);
        assert_eq!(
            check("id,active\nada,perhaps\n"),
            ["row 1: `perhaps` says neither that they are there nor that they left"]
        );
        assert_eq!(
            check("id,level\nada,king\n"),
            ["row 1: level `king` is none of standard, senior, principal, director"]
        );
        assert_eq!(check("name\nAda\n"), ["row 1: it says neither who it is nor a mail"]);
        assert!(check("id,name\nada\n")[0].starts_with("it cannot be read"));
        assert!(check("{}")[0].starts_with("it cannot be read"));
    }
}
