//! Issuers as people keep them: `issuers/NAME.yaml`, which says whose tokens speak for which workload, and beside it
//! `issuers/NAME.jwks.json`, the keys as the issuer publishes them.
//!
//! ```yaml
//! issuer: https://token.actions.githubusercontent.com
//! workloads:
//!   - workload: ci
//!     claims:
//!       repository: acme/checkout
//!       job_workflow_ref: acme/checkout/.github/workflows/ci.yml@refs/heads/main
//! ```

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::jws;
use serde::Deserialize;

use super::{ISSUERS, IssuerFile, SpeaksFor, invalid, is_name};
use crate::{evidence::Place, ids::ActorId, refusal::Refusal};

pub const YAML: &str = ".yaml";
pub const JWKS: &str = ".jwks.json";
pub const MAX_YAML_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Says {
    issuer: String,
    workloads: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, rename = "attests-for")]
    attests_for: Option<Vec<Place>>,
    claims: BTreeMap<String, String>,
    workload: ActorId,
}

const SAYS: &str = "what it says: issuer, workloads; of each of these workload and claims, and attests-for, a list of targets or systems, where not all";

/// The issuers that a home's `issuers/` comes to. `files` are by their names in the folder.
pub fn issuers(files: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, IssuerFile>, Refusal> {
    let mut issuers = BTreeMap::new();
    let mut read: BTreeSet<String> = BTreeSet::new();
    for (yaml, bytes) in files {
        let Some(name) = yaml.strip_suffix(YAML) else { continue };
        let at = format!("{ISSUERS}{yaml}");
        if !is_name(name) {
            return Err(invalid(&at, "the name of an issuer is in small letters, digits and `-`"));
        }
        let Says { issuer, workloads } = parse(&at, bytes)?;
        let beside = format!("{name}{JWKS}");
        let keys = files.get(&beside).ok_or_else(|| {
            invalid(&at, format_args!("its keys are not there: {ISSUERS}{beside}")).hint(format!(
                "fetch what the issuer publishes, and look at it: {}/.well-known/openid-configuration names it as jwks_uri",
                issuer.trim_end_matches('/')
            ))
        })?;
        let keys = jws::parse_jwks(keys).map_err(|error| invalid(&format!("{ISSUERS}{beside}"), error))?;
        read.insert(beside);
        let mut entries = Vec::new();
        for Entry { attests_for, claims, workload } in workloads {
            if attests_for.as_ref().is_some_and(Vec::is_empty) {
                return Err(invalid(&at, format_args!("`attests-for` of {workload} names no target")).hint(SAYS));
            }
            let attests_for = attests_for.into_iter().flatten().collect();
            entries.push(SpeaksFor { attests_for, claims, workload });
        }
        let mut workloads: Vec<SpeaksFor> = entries;
        workloads.sort_by(|a, b| (&a.workload, &a.claims).cmp(&(&b.workload, &b.claims)));
        workloads.dedup();
        let file = IssuerFile { issuer, keys, workloads };
        file.holds(&at)?;
        issuers.insert(name.to_owned(), file);
    }
    if let Some(alone) = files.keys().find(|name| name.ends_with(JWKS) && !read.contains(*name)) {
        let name = alone.strip_suffix(JWKS).unwrap_or(alone);
        return Err(invalid(&format!("{ISSUERS}{alone}"), "nothing says whose keys they are")
            .hint(format!("write {ISSUERS}{name}{YAML} beside it, with issuer and workloads")));
    }
    Ok(issuers)
}

fn parse(at: &str, bytes: &[u8]) -> Result<Says, Refusal> {
    let wrong = |what: String| invalid(at, what).hint(SAYS);
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8 text".to_owned()))?;
    if text.len() > MAX_YAML_BYTES {
        return Err(wrong(format!("{} bytes are more than {MAX_YAML_BYTES}", text.len())));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 16, max_nodes: 50_000, max_anchors: 0, max_aliases: 0 },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| wrong(error.to_string()))
}
