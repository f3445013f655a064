//! `countersign init`: makes a home, and lets further founders sign its genesis.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use countersign_core::{
    catalog::{Actor, ActorKind, Catalog, CatalogSettings, Level, MAX_LOOSENING_WAIT_SECS, SIGNERS, robots},
    coverage::coverage,
    governance::Governance,
    ids::{ActorId, Environment, GateId},
    rules::Rule,
    statement::Founder,
};
use countersign_ledger::Fingerprint;
use rand_core::{OsRng, RngCore as _};
use serde_json::{Value, json};

use super::{
    Global, coverage as report,
    error::{CliError, Exit},
    init_from,
    output::{self, Format, count, good, list, printable, warn},
};
use crate::{
    audit::{started::Started, text},
    clock,
    home::{
        Blueprint, Config, Home, MAX_FOUNDERS, SIGNED_WITH, TRUST, VERSION, default_listen,
        files::{self, word},
        people::{self, Person},
        shipped,
    },
    material::shelf::Bounds,
    signer::{SshKeygen, git_config},
};

/// As much as the ledger's parser takes.
const MAX_ALLOWED_SIGNERS_BYTES: usize = 4 * 1024 * 1024;

/// Make a home: the folder that a server is started on.
///
/// A home begins with a genesis, entry 0 of its log. It names the founders, the first catalog (systems, groups, people
/// and their keys), the first rules and the server's keys, and the founders sign it with their SSH keys. trust.json pins
/// its digest; whoever verifies, and every gate, gets a copy of that file and follows the log from there.
///
/// Nothing is asked and nothing is half made: the home is there whole, or not at all.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    Try it out alone, with your git name, mail and signing key:\n    \
      countersign init home\n\n  \
    Two founders, of whom Ada has only Grace's public key. Grace signs next, here or in a copy of the home without its\n  \
    keys, from which she sends genesis.json back:\n    \
      countersign init home --founder ada=ada@example.com=ada.key --founder grace=grace@example.com=grace.pub\n    \
      countersign init home --cosign --key grace.key\n\n  \
    With the catalog and the signers that you already have:\n    \
      countersign init home --catalog backstage/ --allowed-signers .allowed_signers --annotation tier=example.com/tier\n  \
    From the past of a repository: people, systems, owners, and rules in watch, for you to check:\n    \
      countersign init home --from REPO --allowed-signers .allowed_signers\n\n\
    Afterwards:\n  \
      countersign serve --home home\n  \
      countersign amend home --why …    after edits of catalog/ or rules/; two people sign")]
pub struct Args {
    /// The folder to make. It must not be there yet.
    home: PathBuf,
    /// The log's name, in checkpoints and statements. It never changes. [default: countersign/FOLDER-RANDOM]
    #[arg(long, value_name = "ORIGIN")]
    name: Option<String>,
    /// A founder: name in the catalog, mail, and SSH key file. Repeatable. A public key suffices: whose private key lies
    /// beside it or is in the agent signs now, and everybody else later.
    /// [default: git's user.name and user.email, with the default key]
    #[arg(long, value_name = "NAME=MAIL=KEYFILE")]
    founder: Vec<FounderSpec>,
    /// How many founders have to sign before the log can begin. [default: all, at most 2]
    #[arg(long, value_name = "M")]
    threshold: Option<u32>,
    /// Import people and keys from an OpenSSH allowed_signers file, as git uses it.
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// Take the catalog from a folder of Backstage YAML, instead of writing one to start with.
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Where the catalog says something, if not in `countersign/WHAT`; WHAT is tier, level, keys, mails or actor.
    #[arg(long, value_name = "WHAT=ANNOTATION")]
    annotation: Vec<AnnotationSpec>,
    /// An environment that targets may name. Repeatable. [default: production, staging, development]
    #[arg(long, value_name = "NAME")]
    environment: Vec<Environment>,
    /// An environment that rules treat as production. Repeatable. [default: production]
    #[arg(long, value_name = "NAME")]
    production: Vec<Environment>,
    /// How long a change of rules, catalog or people waits that loosens something: `24h`, `90m`, `0s`. Nobody lowers it later
    /// without waiting as long.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = wait)]
    loosening_wait: u32,
    /// Begin from the history of a git repository: its people, systems, owners, and rules in watch.
    ///
    /// Reads any local repository as `countersign audit` does, and writes nothing into it. What it writes into the home is
    /// a proposal with its evidence beside it: everybody who wrote or looked at a change in the last year, a system for
    /// each set of owners in CODEOWNERS or each top folder, with a tier and the people who carried it, and the shipped
    /// rules in watch with numbers that this history supports. Keys are in no history: --founder and
    /// --allowed-signers bring them.
    #[arg(long, value_name = "REPO", conflicts_with = "catalog")]
    from: Option<PathBuf>,
    /// The branch of that repository [default: HEAD's].
    #[arg(long, value_name = "NAME", requires = "from")]
    branch: Option<String>,
    /// Count its changes from this time on: 2026-03-01 [default: 365 days before its newest landed change].
    #[arg(long, value_name = "DATE", requires = "from", value_parser = super::audit::time)]
    since: Option<i64>,
    /// Sign the genesis of a home that was already made, as one of its founders.
    #[arg(long, conflicts_with_all = [
        "name", "founder", "threshold", "allowed_signers", "catalog", "annotation", "environment", "production",
        "loosening_wait", "from",
    ])]
    cosign: bool,
}

impl Args {
    /// Whether it signs a log's genesis that is there already, in place of founding another.
    pub fn is_of_a_log(&self) -> bool {
        self.cosign
    }
}

/// A length of time in whole seconds, minutes, hours or days.
fn wait(text: &str) -> Result<u32, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let secs = match unit {
        "s" => Some(1),
        "m" | "min" => Some(60),
        "h" => Some(60 * 60),
        "d" => Some(24 * 60 * 60),
        _ => None,
    };
    let secs = secs.and_then(|unit| number.parse::<u32>().ok()?.checked_mul(unit));
    secs.filter(|secs| *secs <= MAX_LOOSENING_WAIT_SECS)
        .ok_or_else(|| "a time is a number with s, m, h or d, for example 24h, and at most 30d".to_owned())
}

#[derive(Clone, Debug)]
struct FounderSpec {
    name: ActorId,
    mail: String,
    key: PathBuf,
}

impl FromStr for FounderSpec {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = s.splitn(3, '=').collect();
        match parts.as_slice() {
            [name, mail, key] if mail.contains('@') && !key.is_empty() => Ok(Self {
                name: name.parse().map_err(|error| format!("{error}"))?,
                mail: (*mail).to_lowercase(),
                key: PathBuf::from(key),
            }),
            _ => Err("it reads NAME=MAIL=KEYFILE, for example ada=ada@example.com=ada.pub".to_owned()),
        }
    }
}

#[derive(Clone, Debug)]
struct AnnotationSpec {
    what: String,
    name: String,
}

impl FromStr for AnnotationSpec {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.split_once('=') {
            Some((what @ ("tier" | "level" | "keys" | "mails" | "actor"), name)) if !name.is_empty() => {
                Ok(Self { what: what.to_owned(), name: name.to_owned() })
            }
            _ => Err("it reads WHAT=ANNOTATION with WHAT one of tier, level, keys, mails, actor".to_owned()),
        }
    }
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    if args.cosign { cosign(global, &args.home) } else { init(global, args) }
}

fn init(global: &Global, args: Args) -> Result<Exit, CliError> {
    Home::vacant(&args.home)?;
    let settings = settings(&args)?;
    let (founders, mut people) = founders(global, &args)?;
    let mut left_out = Vec::new();
    let mut keys = |people: &mut Vec<Person>| -> Result<(), CliError> {
        if let Some(file) = &args.allowed_signers {
            left_out = import(file, people)?;
        }
        Ok(())
    };
    let begun = match &args.from {
        Some(repository) => {
            let source = init_from::Source { repository, branch: args.branch.as_deref(), since: args.since };
            Some(init_from::begin(source, &mut people, &settings, keys)?)
        }
        None => {
            keys(&mut people)?;
            None
        }
    };
    let (catalog, rules, started) = match (begun, &args.catalog) {
        (Some(begun), _) => (begun.catalog, begun.rules, Some(begun.started)),
        (None, Some(folder)) => {
            (existing_catalog(folder, &people, &settings, args.allowed_signers.is_some())?, shipped::files(), None)
        }
        (None, None) => (people::starting_catalog(&people, &settings), shipped::files(), None),
    };
    let heads: BTreeSet<&ActorId> = founders.iter().map(|(founder, _)| &founder.person).collect();
    let heads = u32::try_from(heads.len()).unwrap_or(u32::MAX);
    let threshold = args.threshold.unwrap_or(heads.min(2));
    if threshold == 0 || threshold > heads {
        return Err(CliError::usage(format!("--threshold {threshold} of {}", count(heads as usize, "founder")))
            .hint(format!("give a number from 1 to {heads}, or add founders: --founder NAME=MAIL=KEYFILE")));
    }
    let blueprint = Blueprint {
        config: Config {
            version: VERSION,
            origin: args.name.clone().unwrap_or_else(|| default_origin(&args.home)),
            listen: default_listen(),
            hosts: Vec::new(),
            guidance: Vec::new(),
            cosigners: Vec::new(),
            material: Bounds::default(),
            catalog: settings,
        },
        founders: founders.iter().map(|(founder, _)| founder.clone()).collect(),
        threshold,
        // More than half, so that no two groups of founders can begin apart.
        recovery_quorum: (heads / 2 + 1).max(threshold),
        catalog,
        rules,
    };
    let home = Home::create(&args.home, blueprint, |draft| {
        let mut signatures = Vec::new();
        for (_, signer) in founders.iter().filter(|(_, signer)| signer.is_here()) {
            signatures.push(signer.sign(&draft.payload)?);
        }
        if signatures.is_empty() {
            return Err(CliError::new(
                "cannot-sign",
                "no founder's private key is here, so nobody can sign the genesis",
            )
            .hint("make the home where at least one founder can sign, or load the key into the agent: ssh-add KEY"));
        }
        Ok(signatures)
    })?;
    tell(global.format, &home, &left_out, started.as_ref())?;
    Ok(Exit::Done)
}

fn settings(args: &Args) -> Result<CatalogSettings, CliError> {
    let mut settings = CatalogSettings::default();
    for AnnotationSpec { what, name } in &args.annotation {
        match what.as_str() {
            "tier" => settings.tier_annotation.clone_from(name),
            "level" => settings.level_annotation.clone_from(name),
            "keys" => settings.keys_annotation.clone_from(name),
            "mails" => settings.mails_annotation.clone_from(name),
            _ => settings.actor_annotation.clone_from(name),
        }
    }
    settings.loosening_wait_secs = args.loosening_wait;
    if !args.production.is_empty() {
        settings.production = args.production.iter().cloned().collect();
    }
    if !args.environment.is_empty() {
        settings.environments = args.environment.iter().cloned().collect();
    }
    match settings.production.iter().find(|name| !settings.environments.contains(*name)) {
        Some(name) => Err(CliError::usage(format!("`{name}` counts as production, but is no environment"))
            .hint(format!("add --environment {name}, or say what counts: --production NAME"))),
        None => Ok(settings),
    }
}

type Founders = Vec<(Founder, SshKeygen)>;

/// The founders with their keys, and the same as people of a catalog.
fn founders(global: &Global, args: &Args) -> Result<(Founders, Vec<Person>), CliError> {
    let given = if args.founder.is_empty() { vec![myself(global)?] } else { named(&args.founder)? };
    if given.len() > MAX_FOUNDERS {
        return Err(CliError::usage(format!("{} founders are more than {MAX_FOUNDERS}", given.len())));
    }
    let mut founders: Founders = Vec::new();
    let mut people: Vec<Person> = Vec::new();
    for (person, signer) in given {
        if let Some((other, _)) = founders.iter().find(|(other, _)| other.key == *signer.public()) {
            return Err(CliError::usage(format!("{} and {} have the same key", other.person, person.id))
                .hint("every founder signs with a key of their own"));
        }
        if people.iter().any(|known| known.id == person.id) {
            return Err(CliError::usage(format!("founder {} is named twice", person.id)).hint(
                "each founder is another person; whoever has a second key gets it by an amendment of the catalog",
            ));
        }
        if let Some(other) = people.iter().find(|known| known.mails == person.mails) {
            return Err(CliError::usage(format!("{} and {} have the same mail", other.id, person.id))
                .hint("a mail belongs to one person, and each founder is another one"));
        }
        founders.push((Founder { person: person.id.clone(), key: signer.public().clone() }, signer));
        people.push(person);
    }
    Ok((founders, people))
}

fn named(specs: &[FounderSpec]) -> Result<Vec<(Person, SshKeygen)>, CliError> {
    specs
        .iter()
        .map(|spec| {
            let signer = SshKeygen::new(&spec.key)?;
            Ok((founder(spec.name.clone(), None, &spec.mail, &signer), signer))
        })
        .collect()
}

/// Whoever runs the command, as git knows them.
fn myself(global: &Global) -> Result<(Person, SshKeygen), CliError> {
    let hint = "name the founders: --founder NAME=MAIL=KEYFILE";
    let unset = |what: &str| CliError::new("no-founder", format!("git does not know your {what}")).hint(hint);
    let name = git_config(&["user.name"]).ok_or_else(|| unset("user.name"))?;
    let mail = git_config(&["user.email"]).ok_or_else(|| unset("user.email"))?;
    let id = people::id_from(&name).ok_or_else(|| {
        CliError::new("no-founder", format!("no name for the catalog can be made of git's user.name, `{name}`"))
            .hint(hint)
    })?;
    let signer = global.signer()?;
    Ok((founder(id, Some(name), &mail.to_lowercase(), &signer), signer))
}

fn founder(id: ActorId, display_name: Option<String>, mail: &str, signer: &SshKeygen) -> Person {
    Person {
        id,
        display_name,
        mails: vec![mail.to_owned()],
        keys: vec![signer.public().clone()],
        founder: true,
        level: Level::Senior,
    }
}

fn import(file: &Path, people: &mut Vec<Person>) -> Result<Vec<String>, CliError> {
    let text = files::read_text(file, MAX_ALLOWED_SIGNERS_BYTES)
        .map_err(|e| e.expecting("it is a file of OpenSSH's `allowed_signers`, with a mail and a key a line"))?;
    people::import(people, &text).map_err(|error| {
        CliError::new("allowed-signers-invalid", format!("{}: {error}", file.display()))
            .hint("a line reads: ada@example.com ssh-ed25519 AAAA…")
    })
}

/// A catalog that is there already, with the people added that it does not have.
fn existing_catalog(
    folder: &Path,
    people: &[Person],
    settings: &CatalogSettings,
    beside: bool,
) -> Result<BTreeMap<String, String>, CliError> {
    const ADDED: &str = "countersign-people.yaml";
    let mut files = files::catalog_files(folder)
        .map_err(|e| e.expecting("it is a folder with Backstage entities in `.yaml` files"))?;
    let catalog = Catalog::parse(&files, settings).map_err(|error| {
        CliError::new("catalog-invalid", format!("the catalog in {} does not hold:\n{error}", folder.display()))
    })?;
    let mut new = Vec::new();
    let mut signers = String::new();
    for person in people {
        let Some((user, keys)) = people::missing_keys(&catalog, person) else {
            new.push(person);
            continue;
        };
        if keys.is_empty() {
            continue;
        }
        if !beside {
            let keys: Vec<String> = keys.into_iter().map(|key| format!("User {user}: {key}")).collect();
            return Err(CliError::new(
                "keys-missing",
                format!("the catalog in {} lacks keys of its people:\n  {}", folder.display(), keys.join("\n  ")),
            )
            .hint(format!(
                "add each to its User, one a line, under the annotation {}; or have them taken from a file: --allowed-signers FILE",
                settings.keys_annotation
            )));
        }
        // The keys stand beside the catalog, whose files stay as they are.
        let mail = catalog.actors.get(&user).and_then(|actor| actor.mails.iter().next().cloned()).ok_or_else(|| {
            CliError::new("keys-missing", format!("the catalog in {} has no mail of User {user}", folder.display()))
                .hint("a key beside the catalog is found by a mail: give the User one, or write the key into it")
        })?;
        signers.extend(keys.into_iter().map(|key| format!("{mail} {key}\n")));
    }
    if !signers.is_empty() {
        let before = files.remove(SIGNERS).unwrap_or_default();
        let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        let head = "# Keys that `countersign init` found beside the catalog's people.\n";
        files.insert(SIGNERS.to_owned(), format!("{before}{gap}{head}{signers}"));
    }
    if !new.is_empty() && files.insert(ADDED.to_owned(), people::further_users(&new, settings)).is_some() {
        return Err(CliError::new("catalog-invalid", format!("{} has a file {ADDED}", folder.display()))
            .hint("rename it: the people that you add are written to a file of that name"));
    }
    Ok(files)
}

/// Unlike that of any other log, because a statement is good for the log that it names.
fn default_origin(home: &Path) -> String {
    let folder = home.file_name().and_then(|name| people::id_from(&name.to_string_lossy()));
    let folder = folder.map_or_else(|| "home".to_owned(), |id| id.to_string());
    format!("countersign/{folder}-{:08x}", OsRng.next_u32())
}

fn cosign(global: &Global, path: &Path) -> Result<Exit, CliError> {
    // All of it at once: whoever has only a part would otherwise be told file after file.
    let missing: Vec<&str> = SIGNED_WITH.into_iter().filter(|name| !path.join(name).is_file()).collect();
    if !missing.is_empty() {
        let why = match path.is_dir() {
            true => format!("it lacks {}", missing.join(", ")),
            false => "there is no such folder".to_owned(),
        };
        return Err(CliError::new(
            "not-a-home",
            format!("{} is no copy of the home whose genesis you sign: {why}", path.display()),
        )
        .hint(
            "ask who made the home for a copy of its folder without keys/, sign in that copy, and send its genesis.json back; \
             `countersign init` without --cosign would found another log",
        ));
    }
    let mut home = global.home(path)?;
    // What does not hold is not worth a signature; and it is the genesis that is signed, not catalog/ and rules/ beside it.
    let governance = home.governance()?;
    let signer = global.signer()?;
    let fingerprint = signer.fingerprint();
    let founders = &home.genesis_body().founders;
    let Some(founder) = founders.iter().find(|founder| founder.key.fingerprint() == fingerprint) else {
        let expected = founders.iter().map(|founder| format!("{} with {}", founder.person, founder.key.fingerprint()));
        return Err(CliError::new("not-a-founder", format!("key {fingerprint} is no founder's"))
            .hint(format!("the founders are {}; pass --key", list(expected))));
    };
    let person = founder.person.clone();
    if signed(&home).contains(&fingerprint) {
        return Err(CliError::new("already-signed", format!("{person} has already signed this genesis")));
    }
    if home.has_begun() {
        return Err(CliError::new("already-begun", "the log has begun; nothing can be added to its entry 0")
            .hint("nothing has to be: enough founders have signed"));
    }
    anstream::eprintln!("{} as {person} with key {fingerprint}:", output::faint("signing"));
    anstream::eprintln!("  genesis {}", home.trust().genesis);
    contents(&home, &governance).iter().for_each(|line| anstream::eprintln!("{line}"));
    home.cosign(signer.sign(home.genesis().payload())?)?;
    match global.format {
        Format::Json => output::json(&json!({
            "signed_by": person,
            "genesis": home.trust().genesis,
            "complete": home.founded().is_ok(),
        }))?,
        Format::Text => {
            anstream::println!("{} signed genesis {}", good(&person), home.trust().genesis);
            next(&home, None);
        }
    }
    Ok(Exit::Done)
}

/// The founders' keys whose signature the genesis has.
fn signed(home: &Home) -> BTreeSet<Fingerprint> {
    home.genesis().verify_all().into_iter().flatten().map(|verified| verified.key.fingerprint()).collect()
}

fn tell(format: Format, home: &Home, left_out: &[String], started: Option<&Started>) -> Result<(), CliError> {
    let governance = home.governance()?;
    let coverage = coverage(&governance, clock::now());
    let (signed, genesis, trust) = (signed(home), home.genesis_body(), home.trust());
    let complete = home.founded().is_ok();
    let has_signed = |key: &Fingerprint| signed.contains(key);
    match format {
        Format::Json => output::json(&with(
            started,
            json!({
                "home": home.path(),
                "origin": trust.origin,
                "founders": genesis.founders.iter().map(|founder| json!({
                    "person": founder.person,
                    "key": founder.key.fingerprint(),
                    "signed": has_signed(&founder.key.fingerprint()),
                })).collect::<Vec<_>>(),
                "threshold": genesis.threshold,
                "complete": complete,
                "trust": trust,
                "left_out": left_out,
                "coverage": report::to_json(&coverage),
            }),
        )?),
        Format::Text => {
            anstream::println!("{} {}", good("made home"), home.path().display());
            contents(home, &governance).iter().for_each(|line| anstream::println!("{line}"));
            for line in left_out {
                anstream::println!("  {}   {line}", warn("left out"));
            }
            output::heading("Pinned by trust.json: give it to whoever verifies, and to every gate");
            anstream::println!("  genesis    {}", trust.genesis);
            anstream::println!("  log key    {}", trust.log_key.newest());
            let heads: BTreeSet<&ActorId> = genesis.founders.iter().map(|founder| &founder.person).collect();
            anstream::println!("  threshold  {} of {} to begin", genesis.threshold, count(heads.len(), "founder"));
            anstream::println!(
                "  recovery   {} of {} when keys are lost",
                trust.recovery_quorum,
                count(heads.len(), "founder")
            );
            report::print(&coverage);
            if let Some(started) = started {
                anstream::print!("\n{}", text::started::render(started, &word(home.path())));
            }
            next(home, started);
            if started.is_some() {
                let within = |name: &str| word(&home.path().join(name));
                let (rules, catalog) = (within("rules"), within("catalog"));
                anstream::println!("  before a rule is enforced, see what the one that you changed would have done:");
                anstream::println!(
                    "    countersign audit REPO --rules {rules} --catalog {catalog} --compare CHANGED/rules"
                );
                let rule = within("rules/RULE.cedar");
                anstream::println!("  to enforce a rule: @mode(\"enforce\") in {rule}, then amend");
            }
            Ok(())
        }
    }
}

/// What a genesis founds.
fn contents(home: &Home, governance: &Governance) -> Vec<String> {
    let signed = signed(home);
    let catalog = &governance.catalog;
    let mut lines = vec![format!("  log        {}", home.trust().origin)];
    for founder in &home.genesis_body().founders {
        let key = founder.key.fingerprint();
        let state = if signed.contains(&key) { good("signed") } else { warn("has not signed yet") };
        lines.push(format!("  founder    {} {key}: {state}", founder.person));
    }
    lines.push(format!(
        "  catalog    {}, {}, {} with keys",
        count(catalog.systems.len(), "system"),
        count(catalog.groups.len(), "group"),
        list_people(governance.people_with_keys().count())
    ));
    lines.extend(robots_of(catalog));
    let rules: Vec<&str> = governance.rules.iter().map(|rule: &Rule| rule.id.as_str()).collect();
    lines.push(output::beside("  rules      ", &list(rules)));
    lines
}

/// Who is a workload by the look of them: said, because what they sign counts for nothing.
pub fn robots_of(catalog: &Catalog) -> Vec<String> {
    // Whoever attests something is a workload because the catalog says so.
    let by_their_looks = |actor: &&Actor| actor.kind == ActorKind::Workload && actor.attests.is_none();
    let workloads = catalog.actors.values().filter(by_their_looks);
    workloads
        .filter_map(|actor| {
            let what = robots::no_person(actor.id.as_str(), actor.display_name.as_deref(), &actor.mails)?;
            let annotation = &catalog.settings.actor_annotation;
            Some(format!(
                "  {}   {} looks like {what}: a workload, which approves nothing. If it is a person: {annotation}: person",
                warn("workload"),
                actor.id
            ))
        })
        .collect()
}

fn with(started: Option<&Started>, mut made: Value) -> Result<Value, CliError> {
    if let (Some(started), Some(fields)) = (started, made.as_object_mut()) {
        let started = serde_json::to_value(started)
            .map_err(|error| CliError::new("failed", format!("the result cannot be written as JSON: {error}")))?;
        fields.insert("from".to_owned(), started);
    }
    Ok(made)
}

fn list_people(number: usize) -> String {
    if number == 1 { "1 person".to_owned() } else { format!("{number} people") }
}

fn next(home: &Home, started: Option<&Started>) {
    let path = word(home.path());
    output::heading("Next");
    // Who signed in a copy serves nothing.
    if !home.has_keys() {
        let genesis = word(&home.genesis_path());
        anstream::println!("  send {genesis} back to whoever made the home, who puts it in the place of theirs");
    }
    if home.founded().is_err() {
        let signed = signed(home);
        let missing =
            home.genesis_body().founders.iter().filter(|founder| !signed.contains(&founder.key.fingerprint()));
        let missing: BTreeSet<&ActorId> = missing.map(|founder| &founder.person).collect();
        anstream::println!("  {} signs too: countersign init {path} --cosign --key KEY", either(missing));
        return;
    }
    if !home.has_keys() {
        return;
    }
    let within = |name: &str| word(&home.path().join(name));
    anstream::println!("  countersign serve --home {path}");
    if let Some(started) = started {
        watch(home, started);
    }
    anstream::println!("  edit {} and {}, then: countersign amend {path} --why …", within("catalog"), within("rules"));
    anstream::println!("  keep a copy of {} somewhere safe: whoever has them can speak as this server", within("keys"));
}

/// The map with so many entries is told here; a longer one stands in the catalog.
const MAX_TOLD: usize = 12;

/// How the repository that the home was made from is watched: it stops nothing.
fn watch(home: &Home, started: &Started) {
    let (trust, systems) = (word(&home.path().join(TRUST)), word(&home.path().join("catalog/systems.yaml")));
    if started.map.len() > MAX_TOLD {
        anstream::println!("  watch the repository, which stops nothing: the command at the top of {systems}");
        return;
    }
    let repository = started.bare.as_deref().map_or("REPOSITORY.git".to_owned(), word);
    let stem = started.repository.trim_end_matches(".git");
    let name = format!("{stem}-git").parse::<GateId>().map_or("NAME".to_owned(), |name| name.to_string());
    let option = |name: &str, value: &str| word(Path::new(&format!("--{name}={}", printable(value))));
    let map: String = started.map.iter().map(|entry| format!(" \\\n      {}", option("map", entry))).collect();
    anstream::println!("  watch the repository, which stops nothing and writes down what it would have stopped:");
    anstream::println!(
        "    countersign gate install {repository} --name {name} --trust {trust} \\\n      --mode watch {}{map}",
        option("branch", &started.branch)
    );
    if started.bare.is_none() {
        anstream::println!("    REPOSITORY.git is the bare repository that people push to");
    }
    anstream::println!("    after a week: countersign gate report {repository}");
}

/// `ada or grace`.
fn either(people: BTreeSet<&ActorId>) -> String {
    people.into_iter().map(ActorId::as_str).collect::<Vec<_>>().join(" or ")
}
