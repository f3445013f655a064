//! `countersign amend`: proposes the catalog and rules that somebody edited, as a change.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use countersign_core::{
    canonical,
    catalog::{Catalog, files::PROFILES},
    governance::{GRANTING_SIGNATURES, Governance, GovernanceRecord, Replacements, replacements},
    ids::{Nonce, Target},
    kind::{Kind, Purpose},
    rules::check,
    statement::{Body, NewRevision, Proposal},
    subject::{GovernanceSubject, Subject, SubjectRef},
    text::ProposalText,
};
use countersign_ledger::Digest;
use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    meaning::{Known, Meaning},
    output::{self, Format},
    show,
    submit::{self, Session},
};
use crate::{
    client::{ChangePrefix, Client},
    erasing::there,
    home::{GovernanceFiles, Home, files},
    known::KnownLog,
    publication::InForce,
    random,
    reading::Reading,
    speaker::Speaker,
    wire::ChangeView,
};

/// Propose what you edited in a home's catalog/ and rules/.
///
/// It is a change like any other: somebody of the policy group who had no hand in it approves it, and then anybody puts it in
/// force. Several can be open at a time. What is proposed is the files that differ from what is in force, and nothing else; if
/// something else comes into force first, the change is made again with --revise.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign amend home --why \"Linus joins payments\"     propose what you edited\n  \
    countersign approve 9f2c4e6a81d0                        somebody else reads what it means, and signs\n  \
    countersign publish 9f2c4e6a81d0                        put it in force\n  \
    countersign amend home --revise 9f2c4e6a81d0            make it again on what is in force now")]
pub struct Args {
    /// The home whose catalog/ and rules/ were edited.
    home: PathBuf,
    /// Why: kept with the change.
    #[arg(long, required_unless_present = "revise")]
    why: Option<String>,
    /// One line that says what it does. Without it, the beginning of why.
    #[arg(long)]
    title: Option<String>,
    /// A new revision of this change, on what is in force now.
    #[arg(long, value_name = "CHANGE")]
    revise: Option<ChangePrefix>,
    /// Print the change's id alone.
    #[arg(long)]
    quiet: bool,
}

impl Args {
    /// Of what was edited by another command.
    pub(super) fn of(home: PathBuf, why: String, quiet: bool) -> Self {
        Self { home, why: Some(why), title: None, revise: None, quiet }
    }
}

/// How much of why is a title.
const TITLE_CHARS: usize = 100;

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let home = global.home(&args.home)?;
    let log = global.log_of(Some(home.trust()))?;
    let people = log.client.log()?.governance.people;
    if u64::from(people) < GRANTING_SIGNATURES as u64 {
        return Err(CliError::new(
            "two-people",
            format!("an amendment takes {GRANTING_SIGNATURES} people, and {people} has a key"),
        )
        .hint("this home cannot grow; make one with two founders: countersign init --help"));
    }
    let in_force = InForce::of(&log.client.published()?, &home.trust().genesis)?;
    let amended = Amended::of(&log, &home, &in_force)?;
    let session = Session { speaker: Speaker::of_person(log.client.clone(), global.signer()?)?, log };
    let revised = args.revise.map(|change| session.read(&change)).transpose()?;
    let text = words(args.title, args.why, revised.as_ref())?;
    let mut lines = vec![match &revised {
        None => format!("proposal: {}", text.title),
        Some(reading) => {
            let next = reading.revision_ref().number.saturating_add(1);
            format!("revision {next} of change {}: {}", reading.change().id.short(), text.title)
        }
    }];
    lines.extend(amended.meaning.lines());
    submit::announce(&session.speaker, &lines);
    let (body, blobs) = amended.body(&in_force, &text, revised.as_ref())?;
    let receipt = session.say(body, &blobs)?;
    let id = receipt.change.ok_or_else(|| CliError::new("failed", "what was proposed is no change"))?;
    if args.quiet {
        anstream::println!("{id}");
        return Ok(Exit::Done);
    }
    let view = session.read(&ChangePrefix::from(&id))?.view()?;
    match global.format {
        Format::Json => {
            let mut told = amended.meaning.to_json();
            if let Some(told) = told.as_object_mut() {
                told.insert("change".to_owned(), json!(id));
                told.insert("revision".to_owned(), json!(view.revision));
                told.insert("decision".to_owned(), json!(view.decision));
                told.insert("explanation".to_owned(), json!(view.explanation));
            }
            output::json(&told)?;
        }
        Format::Text => amended.print(&view, &session, receipt.index),
    }
    Ok(Exit::Done)
}

/// What the change says of itself.
fn words(title: Option<String>, why: Option<String>, revised: Option<&Reading>) -> Result<ProposalText, CliError> {
    let old = revised.map(Reading::view).transpose()?.and_then(|view| view.text);
    let why = why.or_else(|| old.as_ref().map(|old| old.why.clone()));
    let why = why.ok_or_else(|| CliError::usage("an amendment needs a reason").hint("add --why \"…\""))?;
    let first = why.lines().next().unwrap_or_default();
    let first: String = first.chars().filter(|c| !c.is_control()).take(TITLE_CHARS).collect();
    Ok(ProposalText {
        salt: random::nonce(),
        title: title.or_else(|| old.map(|old| old.title)).unwrap_or(first),
        why,
        risk: String::new(),
        rollback: String::new(),
        tests: String::new(),
        links: Vec::new(),
    })
}

/// The files of a home that differ from what is in force, and what that means.
struct Amended {
    replaced: Replacements,
    edited: GovernanceFiles,
    governance: Governance,
    meaning: Meaning,
}

impl Amended {
    fn of(log: &KnownLog, home: &Home, in_force: &InForce) -> Result<Self, CliError> {
        let client = &log.client;
        let salts = salts(client, in_force)?;
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
        let by_digest: BTreeMap<Digest, &Vec<u8>> = edited.values().map(|bytes| (Digest::of(bytes), bytes)).collect();
        let mut known = Known::of(client, |digest| by_digest.get(digest).map(|bytes| (*bytes).clone()));
        let mut meaning = Meaning::of(&mut known, in_force, &replaced)?;
        let record = GovernanceRecord { files: in_force.files.clone(), ..governance.record.clone() };
        let before = Governance::load(record, &|digest| known.get(digest))?;
        meaning.compare(log, &before, &governance)?;
        Ok(Self { replaced, edited: edited.clone(), governance, meaning })
    }

    /// The statement, and the blobs that it names.
    fn body(
        &self,
        in_force: &InForce,
        text: &ProposalText,
        revised: Option<&Reading>,
    ) -> Result<(Body, Vec<Vec<u8>>), CliError> {
        let manifest = canonical::to_bytes(&self.replaced)?;
        let files = Digest::of(&manifest);
        let subject = Subject::Governance(GovernanceSubject { files, parent: in_force.by, semantics: None });
        let (reference, text_blob): (SubjectRef, _) = (subject.reference()?, text.to_blob()?);
        let new = self.replaced.values().flatten().collect::<BTreeSet<_>>();
        let mut blobs: Vec<Vec<u8>> =
            self.edited.values().filter(|bytes| new.contains(&Digest::of(bytes))).cloned().collect();
        let (documents, text) = (text.documents(), Digest::of(&text_blob));
        blobs.extend([manifest, subject.to_blob()?, text_blob]);
        let body = match revised {
            None => Body::Proposal(Proposal {
                documents,
                facts: None,
                identities: None,
                kind: Kind::Rules,
                purpose: Purpose::default(),
                sponsor: None,
                subject: reference,
                targets: BTreeSet::from([Target::governance()]),
                text,
            }),
            Some(reading) => Body::NewRevision(NewRevision {
                change: reading.change().id.clone(),
                documents,
                facts: None,
                identities: None,
                revision: reading.revision_ref(),
                sponsor: None,
                subject: reference,
                targets: reading.change().rejected_on(),
                text,
            }),
        };
        Ok((body, blobs))
    }

    fn print(&self, view: &ChangeView, session: &Session, index: u64) {
        let short = view.id.short();
        match view.revision {
            1 => anstream::println!("proposed change {short} (leaf {index})"),
            number => anstream::println!("change {short} now has revision {number} (leaf {index})"),
        }
        self.meaning.print();
        for line in super::init::robots_of(&self.governance.catalog) {
            anstream::println!("{line}");
        }
        show::standing(view);
        output::heading("Next");
        anstream::println!("  a second person reads it:  countersign show {short}");
        anstream::println!("  and approves it:           countersign approve {short} --key KEY");
        anstream::println!("  anybody puts it in force:  countersign publish {short}");
        anstream::println!("  {} takes it back so:      countersign withdraw {short}", session.speaker.me);
    }
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
