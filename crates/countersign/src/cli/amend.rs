//! `countersign amend`: puts the catalog and rules that people edited into force, on the signatures of two of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    catalog::CatalogSettings,
    coverage::coverage,
    governance::{GRANTING_SIGNATURES, Signer, parse_catalog, parse_rules},
    rules::check,
    statement::{Amendment, Body, Statement},
    text::{FileSet, Reason},
};
use countersign_ledger::{Digest, Envelope};
use serde_json::json;

use super::{
    Global, coverage as report,
    error::{CliError, Exit},
    output::{self, Format, faint, good, list},
    submit,
};
use crate::{
    client::Client,
    clock,
    home::{Home, files},
    speaker::Speaker,
    wire::{LogInfo, Submit},
};

/// As much as the server takes in one request.
const MAX_DRAFT_BYTES: usize = 16 * 1024 * 1024;

/// Put what you edited in a home's catalog/ and rules/ into force.
///
/// Granting authority takes two people. The first signs and gets a file; the second reads what it changes, signs it too,
/// and it is in force. What was signed is the bytes in that file, and what it replaces: if somebody else amended in
/// between, it is refused and has to be made again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign amend home --why \"Linus joins payments\"      sign first; writes home/amendment-….json\n  \
    countersign amend home --show home/amendment-….json      read what it changes; signs nothing\n  \
    countersign amend home --cosign home/amendment-….json    sign second, and submit")]
pub struct Args {
    /// The home whose catalog/ and rules/ were edited.
    home: PathBuf,
    /// Why: kept with the amendment.
    #[arg(long, required_unless_present_any = ["cosign", "show"], conflicts_with_all = ["cosign", "show"])]
    why: Option<String>,
    /// Sign an amendment that somebody else has signed, and submit it.
    #[arg(long, value_name = "FILE", conflicts_with = "show")]
    cosign: Option<PathBuf>,
    /// Show what an amendment changes, and sign nothing.
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let home = Home::open(&args.home)?;
    let client = Client::new(&global.url);
    let log = client.log()?;
    if log.origin != home.trust().origin || log.genesis != home.trust().genesis {
        return Err(CliError::new(
            "another-log",
            format!("{} serves log `{}`, which is not this home's", global.url, log.origin),
        )
        .hint("pass the --url of the server of this home"));
    }
    match (&args.why, &args.cosign, &args.show) {
        (_, Some(file), _) => cosign(global, client, &log, file),
        (_, _, Some(file)) => show(global, &client, &log, file),
        (Some(why), None, None) => sign(global, client, &log, &home, why),
        (None, None, None) => Err(CliError::usage("an amendment needs a reason").hint("add --why \"…\"")),
    }
}

/// An amendment on its way from the first to the second person.
struct Draft {
    envelope: Envelope,
    amendment: Amendment,
    why: String,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

fn sign(global: &Global, client: Client, log: &LogInfo, home: &Home, why: &str) -> Result<Exit, CliError> {
    let people = log.governance.people.len();
    if people < GRANTING_SIGNATURES {
        return Err(CliError::new(
            "two-people",
            format!("an amendment takes {GRANTING_SIGNATURES} people, and {people} has a key"),
        )
        .hint("this home cannot grow; make one with two founders: countersign init --help"));
    }
    let (catalog, rules) = (home.catalog_blob()?, home.rules_blob()?);
    let (parsed_catalog, parsed_rules) = (parse_catalog(&catalog)?, parse_rules(&rules)?);
    if (Digest::of(&catalog), Digest::of(&rules)) == (log.governance.catalog, log.governance.rules) {
        return Err(CliError::new("nothing-to-amend", "catalog/ and rules/ are what is in force")
            .hint(format!("edit {0}/catalog or {0}/rules first", home.path().display())));
    }
    let mut findings = check::check(&parsed_rules);
    findings.extend(check::check_names(&parsed_rules, &parsed_catalog));
    if !findings.is_empty() {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        return Err(CliError::new("rules-invalid", format!("the rules do not hold:\n  {}", findings.join("\n  ")))
            .hint(format!("see also: countersign rules check {}/rules", home.path().display())));
    }
    let mut governance = home.governance()?;
    governance.catalog = parsed_catalog.into();
    governance.rules = parsed_rules.into();
    let coverage = coverage(&governance, clock::now());

    let (reason_digest, reason) = submit::reason(why)?;
    let amendment = Amendment {
        parent: log.governance.in_force,
        catalog: Digest::of(&catalog),
        rules: Digest::of(&rules),
        reason: reason_digest,
    };
    let draft_changes = changes(&client, log, &catalog, &rules)?;
    let speaker = Speaker::of_person(client, global.signer()?)?;
    let (digest, envelope) = speaker.sign(Body::Amendment(amendment))?;
    let submit = Submit {
        envelope: String::from_utf8_lossy(envelope.raw()).into_owned(),
        blobs: [catalog, rules, reason].iter().map(|blob| STANDARD.encode(blob)).collect(),
    };
    let short: String = digest.hex().chars().take(12).collect();
    let file = home.path().join(format!("amendment-{short}.json"));
    let text = serde_json::to_string(&submit)
        .map_err(|error| CliError::new("failed", format!("the amendment cannot be written: {error}")))?;
    files::write(&file, text)?;
    match global.format {
        Format::Json => output::json(&json!({
            "amendment": digest,
            "signed_by": [speaker.me],
            "file": file,
            "changed": draft_changes.names(),
            "coverage": report::to_json(&coverage),
        }))?,
        Format::Text => {
            anstream::println!("{} signed amendment {digest}", good(&speaker.me));
            anstream::println!("  changes    {}", list(draft_changes.names()));
            anstream::println!("  file       {}", file.display());
            report::print(&coverage);
            output::heading("Next");
            anstream::println!("  a second person reads it:  countersign amend HOME --show {}", file.display());
            anstream::println!(
                "  and signs it:              countersign amend HOME --cosign {} --key KEY",
                file.display()
            );
        }
    }
    Ok(Exit::Done)
}

fn show(global: &Global, client: &Client, log: &LogInfo, file: &Path) -> Result<Exit, CliError> {
    let draft = Draft::read(file, log)?;
    let signers: Vec<String> = draft
        .envelope
        .verify_all()
        .into_iter()
        .map(|result| match result {
            Ok(verified) => match client.signer(&verified.key.fingerprint()) {
                Ok(signer) => name(&signer),
                Err(_) => format!("an unknown key, {}", verified.key.fingerprint()),
            },
            Err(error) => format!("a signature that does not hold: {error}"),
        })
        .collect();
    let changes = draft.changes(client, log)?;
    match global.format {
        Format::Json => output::json(&json!({
            "amendment": draft.envelope.payload_digest(),
            "why": draft.why,
            "signed_by": signers,
            "changed": changes.names(),
        }))?,
        Format::Text => {
            anstream::println!("amendment  {}", draft.envelope.payload_digest());
            anstream::println!("why        {}", output::printable(&draft.why));
            anstream::println!("signed by  {}", list(signers));
            anstream::println!("{}", output::printable_lines(&changes.diff()?.replace('\t', "    ")));
        }
    }
    Ok(Exit::Done)
}

fn cosign(global: &Global, client: Client, log: &LogInfo, file: &Path) -> Result<Exit, CliError> {
    let draft = Draft::read(file, log)?;
    let changed = draft.changes(&client, log)?.names();
    let signer = global.signer()?;
    let already =
        draft.envelope.verify_all().into_iter().flatten().any(|by| by.key.fingerprint() == signer.fingerprint());
    if already {
        return Err(CliError::new("already-signed", "this key has already signed the amendment")
            .hint("a second person signs it: pass their --key"));
    }
    let me = client.signer(&signer.fingerprint())?;
    let mut signatures = draft.envelope.signatures().to_vec();
    signatures.push(signer.sign(draft.envelope.payload())?);
    let envelope = Envelope::new(draft.envelope.payload(), signatures)
        .map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
    let blobs: Vec<Vec<u8>> = draft.blobs.into_values().collect();
    let receipt = client.submit(&envelope, &blobs)?;
    match global.format {
        Format::Json => output::json(&json!({
            "amendment": receipt.statement,
            "index": receipt.index,
            "changed": changed,
        }))?,
        Format::Text => {
            anstream::println!(
                "{}: amendment {} is entry {} of the log",
                good("in force"),
                receipt.statement,
                receipt.index
            );
            anstream::println!("  changes    {}", list(changed));
            anstream::println!("{}", faint(format!("  second signature by {}", name(&me))));
        }
    }
    Ok(Exit::Done)
}

impl Draft {
    /// Reads the file, and checks that what is signed is what it holds and that it still fits.
    fn read(file: &Path, log: &LogInfo) -> Result<Self, CliError> {
        let wrong = |what: String| {
            CliError::new("not-an-amendment", format!("{}: {what}", file.display()))
                .hint("it is the file that `countersign amend HOME --why …` wrote")
        };
        let submit: Submit =
            serde_json::from_slice(&files::read(file, MAX_DRAFT_BYTES)?).map_err(|e| wrong(e.to_string()))?;
        let envelope = Envelope::parse(submit.envelope.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let statement = Statement::parse(envelope.payload())?;
        let Body::Amendment(amendment) = statement.body else {
            return Err(wrong(format!("it is a {} statement", statement.body.kind())));
        };
        if amendment.parent != log.governance.in_force {
            return Err(CliError::new("amendment-overtaken", "somebody else amended since this was made")
                .hint("make it again on what is in force now: countersign amend HOME --why …"));
        }
        let mut blobs = BTreeMap::new();
        for blob in &submit.blobs {
            let bytes = STANDARD.decode(blob).map_err(|e| wrong(e.to_string()))?;
            blobs.insert(Digest::of(&bytes), bytes);
        }
        let missing = || wrong("it lacks the catalog, the rules or the reason that its statement names".to_owned());
        let of = |digest: &Digest| blobs.get(digest).ok_or_else(missing);
        parse_catalog(of(&amendment.catalog)?)?;
        parse_rules(of(&amendment.rules)?)?;
        let why = Reason::parse(of(&amendment.reason)?)?.why;
        Ok(Self { envelope, amendment, why, blobs })
    }

    fn changes(&self, client: &Client, log: &LogInfo) -> Result<Changes, CliError> {
        let blob = |digest: &Digest| self.blobs.get(digest).map(Vec::as_slice).unwrap_or_default();
        changes(client, log, blob(&self.amendment.catalog), blob(&self.amendment.rules))
    }
}

fn name(signer: &Signer) -> String {
    match signer {
        Signer::Actor { id, .. } => id.to_string(),
        Signer::Gate(gate) => format!("gate {gate}"),
        Signer::Server => "the server".to_owned(),
    }
}

/// Files by their path in a home, before and after.
struct Changes {
    old: BTreeMap<String, String>,
    new: BTreeMap<String, String>,
}

/// What is in force is fetched by digest, so that the server cannot say that it was something else.
fn changes(client: &Client, log: &LogInfo, catalog: &[u8], rules: &[u8]) -> Result<Changes, CliError> {
    Ok(Changes {
        old: as_files(&client.blob(&log.governance.catalog)?, &client.blob(&log.governance.rules)?)?,
        new: as_files(catalog, rules)?,
    })
}

fn as_files(catalog: &[u8], rules: &[u8]) -> Result<BTreeMap<String, String>, CliError> {
    let catalog: FileSet<CatalogSettings> = FileSet::parse(catalog)?;
    let rules: FileSet<()> = FileSet::parse(rules)?;
    let settings = serde_json::to_string_pretty(&catalog.settings)
        .map_err(|error| CliError::new("failed", format!("the catalog's settings cannot be shown: {error}")))?;
    let mut all = BTreeMap::from([("catalog settings".to_owned(), format!("{settings}\n"))]);
    all.extend(catalog.files.into_iter().map(|(name, text)| (format!("catalog/{name}"), text)));
    all.extend(rules.files.into_iter().map(|(name, text)| (format!("rules/{name}"), text)));
    Ok(all)
}

impl Changes {
    fn names(&self) -> BTreeSet<String> {
        let all: BTreeSet<&String> = self.old.keys().chain(self.new.keys()).collect();
        all.into_iter().filter(|name| self.old.get(*name) != self.new.get(*name)).cloned().collect()
    }

    /// A diff as git shows it.
    fn diff(&self) -> Result<String, CliError> {
        let failed = |error: std::io::Error| CliError::new("io", format!("cannot compare the files: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        for (side, all) in [("in-force", &self.old), ("amendment", &self.new)] {
            // The names were checked by nobody: they become numbers on the disk, and names again in what is shown.
            for (number, name) in self.names().iter().enumerate() {
                let path = folder.path().join(side).join(number.to_string());
                files::write(&path, all.get(name).map(String::as_str).unwrap_or_default())?;
            }
        }
        fs::create_dir_all(folder.path().join("in-force")).map_err(failed)?;
        let mut text = String::new();
        for (number, name) in self.names().iter().enumerate() {
            let output = Command::new("git")
                .args(["--no-pager", "diff", "--no-index", "--no-color", "--no-ext-diff", "--"])
                .args([format!("in-force/{number}"), format!("amendment/{number}")])
                .current_dir(folder.path())
                .output()
                .map_err(failed)?;
            let hunks = String::from_utf8_lossy(&output.stdout);
            let hunks: Vec<&str> = hunks.lines().skip_while(|line| !line.starts_with("@@")).collect();
            text.push_str(&format!("\n{}\n{}\n", name.escape_debug(), hunks.join("\n")));
        }
        Ok(text)
    }
}
