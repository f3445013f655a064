//! `countersign amend`: proposes the catalog and rules that somebody edited, as a change.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use countersign_core::{
    canonical,
    governance::{GRANTING_SIGNATURES, Governance, GovernanceRecord, Replacements, merge::Merged},
    ids::Target,
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
    folder::{Proposed, Sides},
    meaning::{Known, Meaning},
    output::{self, Format, warn},
    pull::{self, Keep},
    show,
    submit::{self, Session},
};
use crate::{
    client::ChangePrefix,
    clock,
    home::{Folder, GovernanceFiles, files},
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
/// force. Several can be open at a time. What is proposed is what you edited, and nothing else: whatever only others changed since
/// your folder was brought up to date is taken as it is in force. If something else comes into force first, the change is made again
/// with --revise.
///
/// With --pull nothing is proposed: what is in force is written into the folder, also into one that is not there yet, from the log
/// alone. Your edits stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign amend home --why \"Linus joins payments\"     propose what you edited\n  \
    countersign review 9f2c4e6a81d0                         somebody else reads what it means, and signs\n  \
    countersign publish 9f2c4e6a81d0                        put it in force\n  \
    countersign amend home --revise 9f2c4e6a81d0            make it again on what is in force now\n  \
    countersign amend home --pull                           bring catalog/ and rules/ up to date; your edits stay\n  \
    countersign amend mine --pull                           a folder of your own to edit, from the log that you joined")]
pub struct Args {
    /// The home whose catalog/ and rules/ were edited, or a folder that --pull made.
    home: PathBuf,
    /// Why: kept with the change.
    #[arg(long, required_unless_present_any = ["revise", "pull"])]
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
    /// Write what is in force into the folder, and propose nothing.
    #[arg(long, conflicts_with_all = ["why", "title", "revise", "quiet"])]
    pull: bool,
    /// What becomes of what you and others changed: your edits stay, or what is in force comes in their place.
    #[arg(long, value_name = "WHOSE", requires = "pull")]
    keep: Option<Keep>,
    /// What alone is meant of what was edited.
    #[arg(skip)]
    only: Option<BTreeSet<String>>,
}

impl Args {
    /// Of what was edited by another command, and nothing else that stands in the folder: by the names of
    /// [`countersign_core::governance::merge::Entities`].
    pub(super) fn of(home: PathBuf, why: String, quiet: bool, only: BTreeSet<String>) -> Self {
        Self { home, why: Some(why), title: None, revise: None, quiet, pull: false, keep: None, only: Some(only) }
    }
}

/// How much of why is a title.
const TITLE_CHARS: usize = 100;

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    if args.pull {
        return pull::run(global, &args.home, args.keep);
    }
    let (folder, log) = global.folder(&args.home)?;
    let people = log.client.log()?.governance.people;
    if u64::from(people) < GRANTING_SIGNATURES as u64 {
        return Err(CliError::new(
            "two-people",
            format!("an amendment takes {GRANTING_SIGNATURES} people, and {people} has a key"),
        )
        .hint("this home cannot grow; make one with two founders: countersign init --help"));
    }
    let sides = Sides::of(&log, &folder)?;
    let only = args.only.as_ref();
    let amended = Amended::of(&log, &folder, &sides, only)?;
    let in_force = &sides.in_force;
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
    if only.is_none() {
        lines.extend(super::folder::taken(&amended.merged));
    }
    lines.extend(amended.meaning.lines());
    submit::announce(&session.speaker, &lines);
    let (body, blobs) = amended.body(in_force, &text, revised.as_ref())?;
    let receipt = session.say(body, &blobs)?;
    let id = receipt.change.ok_or_else(|| CliError::new("failed", "what was proposed is no change"))?;
    let number = revised.as_ref().map_or(1, |reading| reading.revision_ref().number.saturating_add(1));
    if let Err(error) = sides.keep(&folder, only, &amended.merged, Some((id.clone(), number))) {
        anstream::eprintln!("{}: {}; what you edit next begins from before this", warn("note"), error.message);
    }
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
                told.insert("taken".to_owned(), json!(amended.merged.taken));
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

/// What was edited in a folder, on what is in force, and what that means.
struct Amended {
    replaced: Replacements,
    files: GovernanceFiles,
    merged: Merged,
    governance: Governance,
    meaning: Meaning,
}

impl Amended {
    fn of(log: &KnownLog, folder: &Folder, sides: &Sides, only: Option<&BTreeSet<String>>) -> Result<Self, CliError> {
        let in_force = &sides.in_force;
        let Proposed { replaced, files, merged } = sides.proposed(folder, only)?;
        if replaced.is_empty() {
            sides.keep(folder, only, &merged, None)?;
            return Err(nothing(folder, &merged));
        }
        let by_digest: BTreeMap<Digest, &Vec<u8>> = files.values().map(|bytes| (Digest::of(bytes), bytes)).collect();
        let mut known = Known::of(&log.client, |digest| by_digest.get(digest).map(|bytes| (*bytes).clone()));
        let mut meaning = Meaning::of(&mut known, in_force, &replaced)?;
        let record = log.standing(None, clock::now())?.governance.record.clone();
        let mut wanted = in_force.files.clone();
        for (path, digest) in &replaced {
            match digest {
                Some(digest) => drop(wanted.insert(path.clone(), *digest)),
                None => drop(wanted.remove(path)),
            }
        }
        let of = |files: BTreeMap<String, Digest>| GovernanceRecord { files, in_force: in_force.by, ..record.clone() };
        let governance = Governance::load(of(wanted), &|digest| known.get(digest))?;
        holds(&governance, folder)?;
        let before = Governance::load(of(in_force.files.clone()), &|digest| known.get(digest))?;
        meaning.compare(log, &before, &governance)?;
        Ok(Self { replaced, files: files.clone(), merged, governance, meaning })
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
            self.files.values().filter(|bytes| new.contains(&Digest::of(bytes))).cloned().collect();
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
        anstream::println!("  a second person reviews it: countersign review {short}");
        anstream::println!("  anybody puts it in force:   countersign publish {short}");
        anstream::println!("  {} takes it back so:       countersign withdraw {short}", session.speaker.me);
    }
}

/// Nothing of it is to be put in force.
fn nothing(folder: &Folder, merged: &Merged) -> CliError {
    let path = folder.path();
    if !merged.taken.is_empty() || !merged.erased.is_empty() {
        let names = super::folder::several(&merged.taken.union(&merged.erased).cloned().collect());
        return CliError::new(
            "nothing-changes",
            format!("you changed nothing: what differs from what is in force is older in your folder: {names}"),
        )
        .hint(format!("bring it up to date: countersign amend {} --pull", files::word(path)));
    }
    CliError::new("nothing-changes", "nothing changes: catalog/ and rules/ are what is in force").hint(format!(
        "edit {} or {} first",
        files::word(&path.join("catalog")),
        files::word(&path.join("rules"))
    ))
}

/// What does not say what it means is not signed.
fn holds(governance: &Governance, folder: &Folder) -> Result<(), CliError> {
    let mut findings = check::check(&governance.rules);
    findings.extend(check::check_names(&governance.rules, &governance.catalog));
    if findings.is_empty() {
        return Ok(());
    }
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(CliError::new("rules-invalid", format!("the rules do not hold:\n  {}", findings.join("\n  ")))
        .hint(format!("see also: countersign rules check {}", files::word(&folder.path().join("rules")))))
}
