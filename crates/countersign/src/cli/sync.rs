//! `sync`: people and groups as a directory exports them, proposed as an amendment; leavers' keys revoked at once.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use countersign_core::{
    catalog::Catalog,
    ids::GroupId,
    statement::{Body, Holder, KeyRevocation},
};
use serde_json::json;

use super::{
    Global, amend,
    error::{CliError, Exit},
    output::{self, Format, faint, good, heading, printable, warn},
    submit,
};
use crate::{
    clock,
    directory::{self, DirectoryError, Plan},
    home::{self, files},
};

/// Propose what a directory says of people and groups: who joins, who leaves, who is in another group.
///
/// The file is what Okta, Entra, Google or a SCIM server exports: a CSV with headings, or JSON. People are known by their mails, else
/// by what they are called. Levels change only where the file has a column `level`, groups only where it has one `groups`; groups that
/// the catalog does not have are told and left out. Nobody gets a key by this. Whoever changes moves to catalog/directory.yaml;
/// everything else in catalog/ stays as it is. It is an amendment like any other: somebody else approves it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign sync people.csv home --dry-run                what would change, in words\n  \
    countersign sync people.csv home --why 'July'             write it into catalog/, and propose it\n  \
    countersign sync people.csv home --why 'July' --revoke-leavers\n  \
    countersign sync scim.json home --keep-group oncall --yes-remove 12 --why 'the Oslo office closes'")]
pub struct Args {
    /// What the directory exported.
    file: PathBuf,
    /// The home whose catalog it is.
    home: PathBuf,
    /// Why: kept with the change. Without it: that the directory says so.
    #[arg(long)]
    why: Option<String>,
    /// Tell what would change, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// That so many people leave or lose a group is meant: without it one in ten, at least one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    yes_remove: usize,
    /// A group in whose members the directory has no say.
    #[arg(long, value_name = "GROUP")]
    keep_group: Vec<GroupId>,
    /// Also revoke the keys of who leaves, at once and for a day, as `revoke` does and within its bounds: another person confirms it.
    #[arg(long, conflicts_with = "dry_run")]
    revoke_leavers: bool,
    /// Print the change's id alone.
    #[arg(long)]
    quiet: bool,
}

impl From<DirectoryError> for CliError {
    fn from(error: DirectoryError) -> Self {
        let code = match &error {
            DirectoryError::Row { .. } | DirectoryError::Unreadable(_) | DirectoryError::Empty => "export-unreadable",
            DirectoryError::TooMany { .. } => "too-many-leave",
            DirectoryError::Catalog(_) | DirectoryError::ListedByGroup { .. } => "catalog-invalid",
        };
        Self::new(code, error.to_string()).hint(error.hint())
    }
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let home = global.folder_alone(&args.home)?;
    let bytes = files::read(&args.file, directory::MAX_BYTES)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CliError::from(DirectoryError::Unreadable(format!("{} is no UTF-8 text", args.file.display()))))?;
    let folder = home.path().join(home::CATALOG);
    let (written, settings) = home::catalog_at(home.path())?;
    let catalog = Catalog::parse(&written, &settings).map_err(|e| DirectoryError::Catalog(e.to_string()))?;
    let kept: BTreeSet<GroupId> = args.keep_group.iter().cloned().collect();
    let plan = directory::plan(&catalog, &directory::read(&text)?, &kept, args.yes_remove)?;
    let edited = directory::edited(&written, &settings, &plan)?;
    if !args.quiet || args.dry_run {
        tell(global, &plan, args.dry_run)?;
    }
    if plan.lines.is_empty() || args.dry_run {
        return Ok(Exit::Done);
    }
    for (name, text) in &edited {
        let path = folder.join(name);
        if path.exists() { files::replace(&path, text)? } else { files::write(&path, text)? }
    }
    let why = args.why.clone().unwrap_or_else(|| format!("the directory says so: {}", file_name(&args.file)));
    let exit = amend::run(global, amend::Args::of(args.home.clone(), why, args.quiet, plan.touches()))?;
    if args.revoke_leavers {
        revoke(global, &plan, args.quiet)?;
    }
    Ok(exit)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// On standard error, but where it is all that is wanted.
fn tell(global: &Global, plan: &Plan, alone: bool) -> Result<(), CliError> {
    if alone && global.format == Format::Json {
        return output::json(
            &json!({"changes": plan.lines, "leavers": plan.leavers, "other_groups": plan.other_groups}),
        );
    }
    let mut lines: Vec<String> = plan.lines.iter().map(|line| printable(line).to_string()).collect();
    if lines.is_empty() {
        lines.push("nothing changes: the catalog says what the directory says".to_owned());
    }
    for (group, people) in &plan.other_groups {
        let group = printable(group);
        lines.push(faint(format!("the catalog has no group {group}, in which {people} are: left out")).to_string());
    }
    for line in lines {
        if alone { anstream::println!("{line}") } else { anstream::eprintln!("{line}") }
    }
    Ok(())
}

/// As far as one person may.
fn revoke(global: &Global, plan: &Plan, quiet: bool) -> Result<(), CliError> {
    let session = global.session()?;
    // What the catalog's files list may have been given up for another key.
    let governance = session.log.standing(None, clock::now())?.governance;
    let mut held = Vec::new();
    for leaver in plan.leavers.iter().filter(|leaver| **leaver != session.speaker.me) {
        let keys = governance.person(leaver).map(|person| person.keys.as_slice()).unwrap_or_default();
        held.extend(keys.iter().map(|key| (leaver, key.fingerprint())));
    }
    let mut left = Vec::new();
    for (leaver, key) in held {
        let (reason, blob) = submit::reason("they have left, by the directory")?;
        let body = KeyRevocation { key: key.clone(), of: Holder::Person(leaver.clone()), reason };
        match session.say(Body::KeyRevocation(body), &[blob]) {
            Ok(_) if quiet => {}
            Ok(_) => anstream::eprintln!(
                "{} {key} of {} for a day; another person: countersign revoke {key} --confirm",
                good("revoked"),
                leaver
            ),
            Err(error) if error.code == "already-revoked" => {}
            Err(error) => left.push((leaver, key, error)),
        }
    }
    if !left.is_empty() {
        anstream::eprintln!("{}: keys of leavers that still hold until the change is in force", warn("left"));
        for (leaver, key, error) in &left {
            anstream::eprintln!("  {leaver} {key}: {}", printable(&error.message));
        }
        heading("Next");
        anstream::eprintln!("  others revoke the rest: countersign revoke KEY --why …");
    }
    Ok(())
}
