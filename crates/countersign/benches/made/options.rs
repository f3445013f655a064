//! `--name VALUE` words of a bench's command line.

use std::{collections::BTreeMap, env, str::FromStr};

use anyhow::{Context as _, Result, bail};

#[derive(Debug)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads the command line; a word that is not among `known` is refused.
    pub fn read(known: &[&str]) -> Result<Self> {
        let mut given = BTreeMap::new();
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            // What cargo passes to every bench.
            if word == "--bench" {
                continue;
            }
            match word.strip_prefix("--").filter(|name| known.contains(name)) {
                Some(name) => {
                    let value = words.next().with_context(|| format!("{word} wants a value"))?;
                    given.insert(name.to_owned(), value);
                }
                None => bail!("`{word}` is none of --{}", known.join(", --")),
            }
        }
        Ok(Self(given))
    }

    pub fn get<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&self, name: &str, default: T) -> Result<T> {
        match self.0.get(name) {
            Some(text) => text.parse().with_context(|| format!("--{name} {text}")),
            None => Ok(default),
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Numbers with commas between them.
    pub fn list(&self, name: &str, default: &[usize]) -> Result<Vec<usize>> {
        match self.0.get(name) {
            Some(text) => {
                text.split(',').map(|part| part.parse().with_context(|| format!("--{name} {text}"))).collect()
            }
            None => Ok(default.to_vec()),
        }
    }
}
