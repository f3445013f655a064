//! `countersign.yaml`: the home's configuration, read strictly and with the line of what is wrong.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use countersign_core::catalog::CatalogSettings;
use serde::Deserialize;

use super::HomeError;
use crate::{cosigning::MAX_ASKED, engine::guidance::GuidanceSource, material::shelf::Bounds};

/// The format of a home that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

pub const FILE: &str = "countersign.yaml";

/// Of one revision: more is for a clone.
const MAX_LIMIT_MIB: u32 = 256;

const MAX_CONFIG_BYTES: usize = 256 * 1024;

/// What the file says, for whoever has to mend it.
const READS: &str = "it reads `version: 1`, `origin: NAME`, `listen: ADDRESS:PORT`, `hosts: [NAME]`, `guidance: [{repository, path, branch}]`, \
                     `cosigners: [ADDRESS]`, `material: {keep_days, limit_mib}` and `catalog: {…}`, as `countersign init` writes it";

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub version: u32,
    /// The log's name, in its checkpoints and statements.
    pub origin: String,
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Names by which the server is asked, beside its addresses and `localhost`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Where guidance is read from.
    #[serde(default)]
    pub guidance: Vec<GuidanceSource>,
    /// Whom the server asks to cosign its log, by their addresses.
    #[serde(default)]
    pub cosigners: Vec<String>,
    /// What is kept for reviewers beside the log.
    #[serde(default)]
    pub material: Bounds,
    /// How `catalog/` is read. What is in force is in the ledger.
    #[serde(default)]
    pub catalog: CatalogSettings,
}

pub fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 7878))
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    version: serde_saphyr::Spanned<u32>,
}

impl Config {
    pub fn parse(text: &str, path: &Path) -> Result<Self, HomeError> {
        if text.len() > MAX_CONFIG_BYTES {
            return Err(HomeError::Config {
                path: path.to_owned(),
                line: None,
                message: format!("{} bytes are more than {MAX_CONFIG_BYTES}", text.len()),
                reads: READS,
            });
        }
        // A newer format may have fields that this program does not know: say that, not what it cannot parse.
        let versioned: Versioned = yaml(text, path)?;
        let found = versioned.version.value;
        if found > VERSION {
            return Err(HomeError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        if found == 0 {
            return Err(HomeError::Config {
                path: path.to_owned(),
                line: Some(versioned.version.referenced.line()),
                message: format!("there is no version 0 of this format; this program writes {VERSION}"),
                reads: READS,
            });
        }
        let config: Self = yaml(text, path)?;
        config.check().map_err(|message| HomeError::Config {
            path: path.to_owned(),
            line: None,
            message,
            reads: READS,
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.cosigners.len() > MAX_ASKED {
            return Err(format!("a server asks at most {MAX_ASKED} cosigners"));
        }
        if self.material.limit_mib > MAX_LIMIT_MIB {
            return Err(format!("`material`: limit_mib is at most {MAX_LIMIT_MIB}"));
        }
        let is_address = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
        match self.cosigners.iter().find(|url| !is_address(url)) {
            Some(url) => Err(format!("cosigner `{url}` is no address, for example https://follower.example")),
            None => Ok(()),
        }
    }

    /// The file's text, for people to edit.
    pub fn to_yaml(&self) -> String {
        let mut text = format!(
            "# Countersign: the configuration of this home. `countersign serve` reads it when it starts.\n\
             version: {}\n\n\
             # The log's name, in its checkpoints and in every statement. Pinned by the genesis: it cannot change.\n\
             origin: {}\n\n\
             listen: {}\n",
            self.version,
            quoted(&self.origin),
            quoted(&self.listen.to_string()),
        );
        let list = |names: Vec<&str>| names.into_iter().map(quoted).collect::<Vec<_>>().join(", ");
        let _ = write!(
            text,
            "\n# Names by which the server is asked, beside its addresses and localhost: a request by another name is refused.\n\
             hosts: [{}]\n",
            list(self.hosts.iter().map(String::as_str).collect()),
        );
        text.push_str(
            "\n# Documents that people and agents act on, read from a protected branch of repositories on this machine:\n\
             #   - repository: runbooks\n\
             #     path: /srv/git/runbooks.git\n\
             #     branch: main\n",
        );
        if self.guidance.is_empty() {
            text.push_str("guidance: []\n");
        } else {
            text.push_str("guidance:\n");
        }
        for source in &self.guidance {
            let path = quoted(&source.path.to_string_lossy());
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "  - repository: {}\n    path: {path}\n    branch: {}\n",
                quoted(source.repository.as_str()),
                quoted(&source.branch)
            );
        }
        let _ = write!(
            text,
            "\n# Followers of others that vouch for this log: `countersign follow --cosign KEYFILE --listen ADDRESS`. They are asked\n\
             # at least every 20 seconds. Who counts is for each gate's trust.json to say.\n\
             cosigners: [{}]\n",
            list(self.cosigners.iter().map(String::as_str).collect()),
        );
        let _ = write!(
            text,
            "\n# Contents of changes, so that reviewers see them without a clone: how much of a revision (0: nothing), for how long.\n\
             material: {{keep_days: {}, limit_mib: {}}}\n",
            self.material.keep_days, self.material.limit_mib,
        );
        let CatalogSettings {
            tier_annotation,
            level_annotation,
            keys_annotation,
            mails_annotation,
            actor_annotation,
            environments,
            production,
            unseen_approvals,
            loosening_wait_secs,
            expires_after_days,
            load,
        } = &self.catalog;
        let _ = write!(
            text,
            "\n# How catalog/ is read. An edit counts from the next `countersign amend`.\n\
             catalog:\n  \
               tier_annotation: {}\n  \
               level_annotation: {}\n  \
               keys_annotation: {}\n  \
               mails_annotation: {}\n  \
               actor_annotation: {}\n  \
               environments: [{}]\n  \
               production: [{}]\n  \
               # How long a change of rules, catalog or people waits that loosens something, once enough people stand behind it.\n  \
               loosening_wait_secs: {loosening_wait_secs}\n",
            quoted(tier_annotation),
            quoted(level_annotation),
            quoted(keys_annotation),
            quoted(mails_annotation),
            quoted(actor_annotation),
            list(environments.iter().map(|name| name.as_str()).collect()),
            list(production.iter().map(|name| name.as_str()).collect()),
        );
        if let Some(days) = expires_after_days {
            let _ = write!(
                text,
                "  # After how many days a change expires that nobody touches.\n  expires_after_days: {days}\n"
            );
        }
        if *unseen_approvals {
            text.push_str(
                "  # Approvals count that were given without the content at hand.\n  unseen_approvals: true\n",
            );
        }
        if load.people {
            text.push_str("  # `countersign load` tells how long people take to answer.\n  load: {people: true}\n");
        }
        text
    }
}

/// Text as a YAML scalar: a JSON string is one. Plain where it cannot be read as anything else.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '@');
    let unmistakable = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if unmistakable && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        serde_json::Value::String(text.to_owned()).to_string()
    }
}

fn yaml<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, HomeError> {
    // The file needs no anchors, and without them no small file becomes a large one.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_documents: 1,
            max_nodes: 10_000,
            max_anchors: 0,
            max_aliases: 0,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| HomeError::Config {
        path: path.to_owned(),
        line: error.location().map(|at| at.line()).filter(|line| *line > 0),
        message: message(&error.to_string()),
        reads: READS,
    })
}

/// The parser's message without the place, which the error has already, and what only the parser's users could act upon.
fn message(text: &str) -> String {
    let line = text.lines().next().unwrap_or("is no valid YAML");
    line.split(" at line ").next().unwrap_or(line).chars().take(300).collect()
}
