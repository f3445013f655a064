//! `config`: what holds here, and who says so.

use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, faint, printable},
    place::{Meant, Said, usual_key},
};
use crate::settings::FOLDER_FILE;

/// Show which log, key and trust are meant here, and who says so.
///
/// A flag is heard before a variable, that before `.countersign.toml` of this folder or one above, that before
/// ~/.config/countersign/config.toml, and that before what was joined. Your own file has `url` or `log`, `key` and `trust`; a
/// folder's has `log` alone, which chooses among the logs that you joined.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(global: &Global, _: &Args) -> Result<Exit, CliError> {
    let Meant { url, log, key, trust, settings } = &global.meant;
    let text = |said: &Said<std::path::PathBuf>| Said { value: said.value.display().to_string(), by: said.by.clone() };
    let rows = [
        ("url", Some(url.clone())),
        ("log", log.clone()),
        ("key", key.as_ref().map(text).or_else(usual_key)),
        ("trust", trust.as_ref().map(text)),
    ];
    match global.format {
        Format::Json => {
            let value = |said: &Option<Said<String>>| {
                said.as_ref().map(|said| json!({"value": said.value, "from": said.by.to_string()}))
            };
            let mut told: serde_json::Map<_, _> =
                rows.iter().map(|(name, said)| ((*name).to_owned(), json!(value(said)))).collect();
            told.insert("own_file".to_owned(), json!(settings.own_file));
            told.insert("folder_file".to_owned(), json!(settings.folder_file));
            output::json(&told)?;
        }
        Format::Text => {
            for (name, said) in rows {
                match (name, said) {
                    (_, Some(Said { value, by })) => {
                        anstream::println!("{name:<7}{}  {}", printable(&value), faint(format!("({by})")));
                    }
                    ("log", None) => anstream::println!("{name:<7}{}", faint("none that was joined")),
                    ("trust", None) => anstream::println!("{name:<7}{}", faint("what this machine pinned counts")),
                    (_, None) => anstream::println!("{name:<7}{}", faint("none was found")),
                }
            }
            let there = |path: &std::path::Path| if path.exists() { "" } else { " (not there)" };
            if let Some(path) = &settings.own_file {
                anstream::println!("{}", faint(format!("own file     {}{}", path.display(), there(path))));
            }
            match &settings.folder_file {
                Some(path) => anstream::println!("{}", faint(format!("folder file  {}", path.display()))),
                None => anstream::println!("{}", faint(format!("folder file  no {FOLDER_FILE} here or above"))),
            }
        }
    }
    Ok(Exit::Done)
}
