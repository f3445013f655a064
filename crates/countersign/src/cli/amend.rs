//! `countersign amend`: publishes the catalog and rules that people edited, on the signatures of two of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    canonical,
    catalog::{Catalog, files::PROFILES},
    coverage::coverage,
    governance::{
        GRANTING_SIGNATURES, Governance, GovernanceRecord, Replacements, Signer, read_manifest, replacements,
    },
    ids::Nonce,
    rules::check,
    statement::{Body, Publication, Statement},
    text::Reason,
};
use countersign_ledger::{Digest, Envelope};
use serde_json::json;

use super::{
    Global, coverage as report,
    error::{CliError, Exit},
    output::{self, Format, faint, good, list},
    submit::{self, Session},
};
use crate::{
    client::Client,
    clock,
    erasing::there,
    home::{GovernanceFiles, Home, files},
    known::KnownLog,
    publication::{self, Content, Edit, InForce},
    random,
    speaker::Speaker,
    wire::{Published, Submit},
};

/// As much as the server takes in one request.
const MAX_DRAFT_BYTES: usize = 16 * 1024 * 1024;

/// Put what you edited in a home's catalog/ and rules/ into force.
///
/// Granting authority takes two people. The first signs a publication and gets a file; the second reads what it changes,
/// signs it too, and it is in force. What was signed is the files that it replaces, and what they replace: if somebody else
/// published in between, it is refused and has to be made again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign amend home --why \"Linus joins payments\"        sign first; writes home/publication-….json\n  \
    countersign amend home --show home/publication-….json      read what it changes; signs nothing\n  \
    countersign amend home --cosign home/publication-….json    sign second, and submit")]
pub struct Args {
    /// The home whose catalog/ and rules/ were edited.
    home: PathBuf,
    /// Why: kept with the publication.
    #[arg(long, required_unless_present_any = ["cosign", "show"], conflicts_with_all = ["cosign", "show"])]
    why: Option<String>,
    /// Sign a publication that somebody else has signed, and submit it.
    #[arg(long, value_name = "FILE", conflicts_with = "show")]
    cosign: Option<PathBuf>,
    /// Show what a publication changes, and sign nothing.
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let home = global.home(&args.home)?;
    let log = global.log_of(Some(home.trust()))?;
    let history = log.client.published()?;
    let in_force = InForce::of(&history, &home.trust().genesis)?;
    let read = |file: &Path| Draft::read(file, &home, &in_force, &history);
    match (&args.why, &args.cosign, &args.show) {
        (_, Some(file), _) => cosign(global, log, &in_force, &home, file, read(file)?),
        (_, _, Some(file)) => show(global, &log, &in_force, &read(file)?),
        (Some(why), None, None) => sign(global, log, &in_force, &home, why),
        (None, None, None) => Err(CliError::usage("a publication needs a reason").hint("add --why \"…\"")),
    }
}

fn sign(global: &Global, log: KnownLog, in_force: &InForce, home: &Home, why: &str) -> Result<Exit, CliError> {
    let people = log.client.log()?.governance.people;
    if u64::from(people) < GRANTING_SIGNATURES as u64 {
        return Err(CliError::new(
            "two-people",
            format!("a publication takes {GRANTING_SIGNATURES} people, and {people} has a key"),
        )
        .hint("this home cannot grow; make one with two founders: countersign init --help"));
    }
    let salts = salts(&log.client, in_force)?;
    // A file of names and mails keeps its salt, so that one in which nothing changed stays the same.
    let edited = home.edited(|path| salts.get(path).cloned().unwrap_or_else(random::nonce))?;
    let replaced = replacements(&in_force.files, &edited);
    if replaced.is_empty() {
        return Err(CliError::new("nothing-changes", "nothing changes: catalog/ and rules/ are what is in force")
            .hint(format!(
                "edit {} or {} first",
                files::word(&home.path().join("catalog")),
                files::word(&home.path().join("rules"))
            )));
    }
    let governance = governance(home, in_force, &edited)?;
    holds(&governance, home)?;
    let coverage = coverage(&governance, clock::now());

    let manifest = canonical::to_bytes(&replaced)?;
    let (reason_digest, reason) = submit::reason(why)?;
    let of_files = |digest: &Digest| edited.values().find(|bytes| Digest::of(bytes) == *digest).cloned();
    let changes = Changes::of(&log.client, in_force, &replaced, of_files)?;
    let mut blobs = vec![manifest.clone(), reason];
    for digest in replaced.values().flatten() {
        blobs.extend(of_files(digest));
    }
    let session = Session { speaker: Speaker::of_person(log.client.clone(), global.signer()?)?, log };
    let mut lines = vec![format!("publication: {why}")];
    lines.extend(changes.words.iter().cloned());
    submit::announce(&session.speaker, &lines);
    let body = Body::Publication(Publication {
        files: Digest::of(&manifest),
        parent: in_force.by,
        reason: reason_digest,
        semantics: None,
    });
    let envelope = session.speaker.sign(&session.log.in_front_of(), body)?;
    let digest = envelope.payload_digest();
    let short: String = digest.hex().chars().take(12).collect();
    let file = home.path().join(format!("publication-{short}.json"));
    let text = serde_json::to_string(&Submit::new(&envelope, &blobs))
        .map_err(|error| CliError::new("failed", format!("the publication cannot be written: {error}")))?;
    files::write(&file, text)?;
    match global.format {
        Format::Json => output::json(&json!({
            "publication": digest,
            "signed_by": [session.speaker.me],
            "file": file,
            "changed": changes.paths(),
            "words": changes.words,
            "coverage": report::to_json(&coverage),
        }))?,
        Format::Text => {
            anstream::println!("{} signed publication {digest}", good(&session.speaker.me));
            changes.print_words();
            for line in super::init::robots_of(&governance.catalog) {
                anstream::println!("{line}");
            }
            anstream::println!("  file       {}", files::word(&file));
            report::print(&coverage);
            output::heading("Next");
            let (home, file) = (files::word(home.path()), files::word(&file));
            anstream::println!("  a second person reads it:  countersign amend {home} --show {file}");
            anstream::println!("  and signs it:              countersign amend {home} --cosign {file} --key KEY");
        }
    }
    Ok(Exit::Done)
}

/// The salts of the names and mails in force, as far as they are still there.
fn salts(client: &Client, in_force: &InForce) -> Result<BTreeMap<String, Nonce>, CliError> {
    let mut salts = BTreeMap::new();
    for (path, digest) in in_force.files.iter().filter(|(path, _)| path.starts_with(PROFILES)) {
        if let Some(salt) = there(client, digest)?.and_then(|bytes| Catalog::salt_of(&bytes)) {
            salts.insert(path.clone(), salt);
        }
    }
    Ok(salts)
}

/// What the edited files would make govern.
fn governance(home: &Home, in_force: &InForce, edited: &GovernanceFiles) -> Result<Governance, CliError> {
    let blobs: BTreeMap<Digest, &Vec<u8>> = edited.values().map(|bytes| (Digest::of(bytes), bytes)).collect();
    let files = edited.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect();
    let record = GovernanceRecord { files, in_force: in_force.by, ..home.governance()?.record };
    Ok(Governance::load(record, &|digest| blobs.get(digest).map(|bytes| (*bytes).clone()))?)
}

/// What does not say what it means is not signed.
fn holds(governance: &Governance, home: &Home) -> Result<(), CliError> {
    let mut findings = check::check(&governance.rules);
    findings.extend(check::check_names(&governance.rules, &governance.catalog));
    if findings.is_empty() {
        return Ok(());
    }
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(CliError::new("rules-invalid", format!("the rules do not hold:\n  {}", findings.join("\n  ")))
        .hint(format!("see also: countersign rules check {}", files::word(&home.path().join("rules")))))
}

/// What a publication changes, worked out here.
struct Changes {
    edits: Vec<Edit>,
    words: Vec<String>,
}

impl Changes {
    /// `new` finds the new files; the old ones are fetched by the digests under which they are in force.
    fn of(
        client: &Client,
        in_force: &InForce,
        replaced: &Replacements,
        new: impl Fn(&Digest) -> Option<Vec<u8>>,
    ) -> Result<Self, CliError> {
        let mut old = BTreeMap::new();
        for digest in replaced.keys().filter_map(|path| in_force.files.get(path)) {
            if let Some(bytes) = there(client, digest)? {
                old.insert(*digest, bytes);
            }
        }
        let edits = publication::edits(in_force, replaced, |digest| new(digest).or_else(|| old.get(digest).cloned()))?;
        let words = publication::words(&edits)?;
        Ok(Self { edits, words })
    }

    fn paths(&self) -> Vec<&str> {
        self.edits.iter().map(|edit| edit.path.as_str()).collect()
    }

    fn print_words(&self) {
        for (line, label) in self.words.iter().zip(std::iter::once("changes").chain(std::iter::repeat(""))) {
            anstream::println!("  {label:<10} {}", output::printable(line));
        }
    }

    /// The rules as git shows a difference: what their words leave out. Everything else is in the words.
    fn diff(&self) -> Result<String, CliError> {
        let failed = |error: std::io::Error| CliError::new("io", format!("cannot compare the files: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let mut text = String::new();
        let rules = self.edits.iter().filter(|edit| edit.path.starts_with(countersign_core::governance::RULES));
        for (number, edit) in rules.enumerate() {
            let of = |content: &Content| match content {
                Content::Text(text) => text.clone(),
                Content::None | Content::Erased => String::new(),
            };
            // The names were checked by nobody: they become numbers on the disk, and names again in what is shown.
            for (side, content) in [("in-force", &edit.old), ("publication", &edit.new)] {
                let path = folder.path().join(side).join(number.to_string());
                fs::create_dir_all(folder.path().join(side))
                    .and_then(|()| fs::write(path, of(content)))
                    .map_err(failed)?;
            }
            let output = Command::new("git")
                .args(["--no-pager", "diff", "--no-index", "--no-color", "--no-ext-diff", "--"])
                .args([format!("in-force/{number}"), format!("publication/{number}")])
                .current_dir(folder.path())
                .output()
                .map_err(failed)?;
            let hunks = String::from_utf8_lossy(&output.stdout);
            let hunks: Vec<&str> = hunks.lines().skip_while(|line| !line.starts_with("@@")).collect();
            text.push_str(&format!("\n{}\n{}\n", edit.path.escape_debug(), hunks.join("\n")));
        }
        Ok(text)
    }
}

/// A publication on its way from the first to the second person.
struct Draft {
    envelope: Envelope,
    replaced: Replacements,
    why: String,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

fn show(global: &Global, log: &KnownLog, in_force: &InForce, draft: &Draft) -> Result<Exit, CliError> {
    let signers: Vec<String> = draft
        .envelope
        .verify_all()
        .into_iter()
        .map(|result| match result {
            Ok(verified) => match log.client.signer(&verified.key.fingerprint()) {
                Ok(signer) => name(&signer),
                Err(_) => format!("an unknown key, {}", verified.key.fingerprint()),
            },
            Err(error) => format!("a signature that does not hold: {error}"),
        })
        .collect();
    let changes = draft.changes(&log.client, in_force)?;
    match global.format {
        Format::Json => output::json(&json!({
            "publication": draft.envelope.payload_digest(),
            "why": draft.why,
            "signed_by": signers,
            "changed": changes.paths(),
            "words": changes.words,
        }))?,
        Format::Text => {
            anstream::println!("publication  {}", draft.envelope.payload_digest());
            anstream::println!("why          {}", output::printable_lines(&draft.why).replace('\n', "\n             "));
            anstream::println!("signed by    {}", list(signers));
            changes.print_words();
            anstream::print!("{}", output::printable_lines(&changes.diff()?.replace('\t', "    ")));
            anstream::println!();
        }
    }
    Ok(Exit::Done)
}

fn cosign(
    global: &Global,
    log: KnownLog,
    in_force: &InForce,
    home: &Home,
    file: &Path,
    draft: Draft,
) -> Result<Exit, CliError> {
    let changes = draft.changes(&log.client, in_force)?;
    let signer = global.signer()?;
    let already =
        draft.envelope.verify_all().into_iter().flatten().any(|by| by.key.fingerprint() == signer.fingerprint());
    if already {
        return Err(CliError::new("already-signed", "this key has already signed the publication")
            .hint("a second person signs it: pass their --key"));
    }
    let session = Session { speaker: Speaker::of_person(log.client.clone(), signer)?, log };
    let mut lines = vec![format!("publication: {}", draft.why)];
    lines.extend(changes.words.iter().cloned());
    submit::announce(&session.speaker, &lines);
    let mut signatures = draft.envelope.signatures().to_vec();
    signatures.push(session.speaker.hand.sign(draft.envelope.payload())?);
    let envelope = Envelope::new(draft.envelope.payload(), signatures)
        .map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
    let blobs: Vec<Vec<u8>> = draft.blobs.into_values().collect();
    // The server knows neither the home nor the file.
    let receipt = session.send(&envelope, &blobs).map_err(|error| match error.code == "two-people" {
        true => error.hint(format!(
            "let a second person sign it: countersign amend {} --cosign {} --key THEIR_KEY",
            files::word(home.path()),
            files::word(file)
        )),
        false => error,
    })?;
    match global.format {
        Format::Json => output::json(&json!({
            "publication": receipt.statement,
            "index": receipt.index,
            "changed": changes.paths(),
            "words": changes.words,
        }))?,
        Format::Text => {
            anstream::println!(
                "{}: publication {} is entry {} of the log",
                good("in force"),
                receipt.statement,
                receipt.index
            );
            changes.print_words();
            anstream::println!("{}", faint(format!("  second signature by {}", session.speaker.me)));
        }
    }
    Ok(Exit::Done)
}

impl Draft {
    /// Reads the file, and checks that it holds what is signed and that it still fits.
    fn read(file: &Path, home: &Home, in_force: &InForce, history: &[Published]) -> Result<Self, CliError> {
        let expected = "it is the file that `countersign amend` wrote when somebody gave it --why";
        let wrong =
            |what: String| CliError::new("not-a-publication", format!("{}: {what}", file.display())).hint(expected);
        let bytes = files::read(file, MAX_DRAFT_BYTES).map_err(|e| e.expecting(expected))?;
        let submit: Submit = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        let envelope = Envelope::parse(submit.envelope.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let statement = Statement::parse(envelope.payload())?;
        let Body::Publication(publication) = statement.body else {
            return Err(wrong(format!("it is a {} statement", statement.body.kind())));
        };
        let itself = envelope.payload_digest();
        if history.iter().any(|published| Digest::of(&published.statement) == itself) {
            let since = if itself == in_force.by { "" } else { ", and others since" };
            return Err(CliError::new("already-published", format!("publication {itself} was put in force{since}"))
                .hint("nothing is left to sign"));
        }
        if publication.parent != in_force.by {
            return Err(CliError::new("publication-overtaken", "somebody else published since this was made").hint(
                format!(
                    "make it again on what is in force now: countersign amend {} --why …",
                    files::word(home.path())
                ),
            ));
        }
        let mut blobs = BTreeMap::new();
        for blob in &submit.blobs {
            let bytes = STANDARD.decode(blob).map_err(|e| wrong(e.to_string()))?;
            blobs.insert(Digest::of(&bytes), bytes);
        }
        let replaced = read_manifest(&publication.files, &|digest| blobs.get(digest).cloned())?;
        let missing = || wrong("it lacks a file or the reason that its statement names".to_owned());
        if replaced.values().flatten().any(|digest| !blobs.contains_key(digest)) {
            return Err(missing());
        }
        let why = Reason::parse(blobs.get(&publication.reason).ok_or_else(missing)?)?.why;
        Ok(Self { envelope, replaced, why, blobs })
    }

    /// What the signed statement and its blobs say.
    fn changes(&self, client: &Client, in_force: &InForce) -> Result<Changes, CliError> {
        Changes::of(client, in_force, &self.replaced, |digest| self.blobs.get(digest).cloned())
    }
}

fn name(signer: &Signer) -> String {
    match signer {
        Signer::Actor { id, .. } => id.to_string(),
        Signer::Gate(gate) => format!("gate {gate}"),
        Signer::Server => "the server".to_owned(),
    }
}
