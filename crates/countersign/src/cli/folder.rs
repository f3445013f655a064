//! The folder that somebody edits, against what is in force: what the edits began from, and what becomes of both sides. Whatever
//! only others changed is taken as it is in force, so that edits take nothing back that somebody else published.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use countersign_core::{
    catalog::{Catalog, files::PROFILES},
    governance::{
        Replacements,
        merge::{self, Entities, Merged},
        replacements,
    },
    ids::{ChangeId, Nonce},
    trust::Trust,
};
use countersign_ledger::Digest;

use super::{
    Global,
    error::CliError,
    meaning::Known,
    output::{self, list},
};
use crate::{
    client::Client,
    erasing::there,
    home::{Base, Folder, GovernanceFiles, files::word},
    known::KnownLog,
    publication::{InForce, Step},
    random,
    wire::Published,
};

impl Global {
    /// A folder of files that govern, of the log that was vouched for, and that log. A home pins its own; a folder that `--pull`
    /// made is of the log whose name it has.
    pub fn folder(&self, path: &Path) -> Result<(Folder, KnownLog), CliError> {
        if Folder::is_home(path) {
            let home = self.home(path)?;
            let log = self.log_of(Some(home.trust()))?;
            return Ok((home.folder(), log));
        }
        let folder = self.folder_alone(path)?;
        let log = self.log()?;
        is_of(&folder, log.trust())?;
        Ok((folder, log))
    }

    /// The same without its log.
    pub fn folder_alone(&self, path: &Path) -> Result<Folder, CliError> {
        if Folder::is_home(path) {
            return Ok(self.home(path)?.folder());
        }
        let folder = Folder::open(path)?;
        self.vouches_for_log(&folder.config().origin, path)?;
        Ok(folder)
    }
}

fn is_of(folder: &Folder, trust: &Trust) -> Result<(), CliError> {
    let origin = &folder.config().origin;
    if *origin == trust.origin {
        return Ok(());
    }
    let what = format!("{} is of log `{origin}`, not of log `{}`", folder.path().display(), trust.origin);
    Err(CliError::new("another-log", output::printable(&what).to_string())
        .hint("name the log that it is of: --log NAME, or --url ADDRESS"))
}

/// The three sides of a folder.
pub struct Sides {
    pub in_force: InForce,
    /// What the edits began from.
    pub base: Base,
    began: Option<Began>,
    pub theirs: Entities,
    pub ours: Entities,
    /// The salts of the names and mails in force, as far as they are still there.
    salts: BTreeMap<String, Nonce>,
}

/// What the edits began from.
struct Began {
    entities: Entities,
    /// What was proposed from the folder and came into force since.
    published: BTreeSet<ChangeId>,
}

/// What is to be put in force.
pub struct Proposed {
    pub replaced: Replacements,
    /// Every file, by its path, but those whose names and mails were erased.
    pub files: GovernanceFiles,
    pub merged: Merged,
}

impl Sides {
    pub fn of(log: &KnownLog, folder: &Folder) -> Result<Self, CliError> {
        let client = &log.client;
        let (history, genesis) = (client.published()?, log.trust().genesis);
        let in_force = InForce::of(&history, &genesis)?;
        let salts = salts(client, &in_force)?;
        // A file of names and mails keeps its salt, so that one in which nothing changed stays the same.
        let edited = match folder.is_empty() {
            true => GovernanceFiles::new(),
            false => folder.edited(|path| salts.get(path).cloned().unwrap_or_else(random::nonce))?,
        };
        let by_digest: BTreeMap<Digest, &Vec<u8>> = edited.values().map(|bytes| (Digest::of(bytes), bytes)).collect();
        let mut known = Known::of(client, |digest| by_digest.get(digest).map(|bytes| (*bytes).clone()));
        let theirs = read(&mut known, &in_force.files)?;
        let digests = edited.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect();
        let ours = read(&mut known, &digests)?;
        let base = folder.base()?;
        let began = match &base {
            Some(base) => began(&mut known, &history, &genesis, base)?,
            None => None,
        };
        let base = base.unwrap_or_else(|| Base::at(in_force.by));
        Ok(Self { in_force, base, began, theirs, ours, salts })
    }

    /// What the edits began from; refused where nobody knows.
    pub fn began(&self, folder: &Folder) -> Result<&Entities, CliError> {
        let path = word(folder.path());
        self.began.as_ref().map(|began| &began.entities).ok_or_else(|| {
            CliError::new(
                "base-unknown",
                format!("it is not known what the edits in {path} began from, so that they cannot be told from what others changed since"),
            )
            .hint(format!(
                "countersign amend {path} --pull --keep mine    what differs from what is in force is your edit\n\
                 countersign amend {path} --pull --keep theirs  what differs is older: take it as it is in force"
            ))
        })
    }

    /// The edits, or those of them that are meant, on what is in force.
    pub fn proposed(&self, folder: &Folder, only: Option<&BTreeSet<String>>) -> Result<Proposed, CliError> {
        let merged = merge::merge(self.began(folder)?, &self.theirs, &self.ours, only);
        self.agrees(folder, &merged.both)?;
        let files = merged.entities.files(|path| self.salts.get(path).cloned().unwrap_or_else(random::nonce))?;
        let mut replaced = replacements(&self.in_force.files, &files);
        // Whose names and mails were erased, of them nothing is said anew.
        replaced.retain(|path, new| new.is_some() || !path.starts_with(PROFILES) || self.salts.contains_key(path));
        Ok(Proposed { replaced, files, merged })
    }

    pub fn agrees(&self, folder: &Folder, both: &BTreeSet<String>) -> Result<(), CliError> {
        if both.is_empty() {
            return Ok(());
        }
        let said = |of: &Entities, name: &str| -> Result<String, CliError> {
            Ok(of.digest(name)?.map_or_else(|| "not there".to_owned(), |digest| digest.to_string()))
        };
        let mut message = "others changed what you changed, too, and it is in force:".to_owned();
        for name in both {
            let (here, there) = (said(&self.ours, name)?, said(&self.theirs, name)?);
            message
                .push_str(&format!("\n  {}: here {here}, in force {there}", output::printable(&merge::called(name))));
        }
        let path = word(folder.path());
        Err(CliError::new("both-changed", message).hint(format!(
            "countersign amend {path} --pull --keep theirs  takes those as they are in force, and you edit them again\n\
             countersign amend {path} --pull --keep mine    keeps yours, which then replace what others published"
        )))
    }

    /// Writes down what was proposed from the folder, and what its edits begin from now.
    pub fn keep(
        &self,
        folder: &Folder,
        only: Option<&BTreeSet<String>>,
        merged: &Merged,
        proposed: Option<(ChangeId, u32)>,
    ) -> Result<(), CliError> {
        let mut base = self.base.clone();
        // Where all that others changed is in the folder already, its edits begin from what is in force now.
        if only.is_none() && merged.taken.is_empty() && merged.erased.is_empty() {
            base = self.now();
        }
        if let Some((change, revision)) = proposed {
            base.proposed.entry(change).or_default().insert(revision);
        }
        if base != self.base {
            folder.keep_base(&base)?;
        }
        Ok(())
    }

    /// What is in force now, as what edits begin from.
    pub fn now(&self) -> Base {
        let mut base = Base { publication: self.in_force.by, ..self.base.clone() };
        if let Some(began) = &self.began {
            base.proposed.retain(|change, _| !began.published.contains(change));
        }
        base
    }
}

fn read(known: &mut Known<'_>, files: &BTreeMap<String, Digest>) -> Result<Entities, CliError> {
    known.need(files.values())?;
    Ok(Entities::read(files, &|digest| known.get(digest))?)
}

/// What was in force where the edits began, with what was proposed from the same folder and is in force since. `None` where the log
/// knows of no such moment.
fn began(
    known: &mut Known<'_>,
    history: &[Published],
    genesis: &Digest,
    base: &Base,
) -> Result<Option<Began>, CliError> {
    let mut files: Option<BTreeMap<String, Digest>> = None;
    let (mut own, mut published) = (Vec::new(), BTreeSet::new());
    InForce::told(history, genesis, |Step { change, before, now }| {
        if files.is_none() {
            files = (now.by == base.publication).then(|| now.files.clone());
        } else if let Some(change) = change
            && base.proposed.get(&change.id).is_some_and(|numbers| numbers.contains(&change.revision.number))
        {
            let of = |digest: Option<&Digest>, path: &String| digest.map(|digest| (path.clone(), *digest));
            let before_it = before.iter().filter_map(|(path, digest)| of(digest.as_ref(), path)).collect();
            let after = before.keys().filter_map(|path| of(now.files.get(path), path)).collect();
            own.push((before_it, after));
            published.insert(change.id.clone());
        }
    })?;
    let Some(files) = files else { return Ok(None) };
    let mut entities = read(known, &files)?;
    for (before, after) in own {
        let (before, after) = (read(known, &before)?, read(known, &after)?);
        for name in before.differing(&after) {
            entities.take(name, &after);
        }
    }
    Ok(Some(Began { entities, published }))
}

/// What was taken as it is in force, in a line for people.
pub fn taken(merged: &Merged) -> Vec<String> {
    let mut lines = Vec::new();
    if !merged.taken.is_empty() {
        let (number, names) = (merged.taken.len(), several(&merged.taken));
        lines.push(format!("your folder is older: takes {number} of what others changed as it is in force: {names}"));
    }
    if !merged.erased.is_empty() {
        let names = several(&merged.erased);
        lines.push(format!("{names} were erased, and your folder still has them: they are not proposed again"));
    }
    lines
}

/// As many as fit in a line.
pub fn several(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| merge::called(name)).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len().saturating_sub(SHOWN)));
    }
    list(shown)
}

fn salts(client: &Client, in_force: &InForce) -> Result<BTreeMap<String, Nonce>, CliError> {
    let mut salts = BTreeMap::new();
    for (path, digest) in in_force.files.iter().filter(|(path, _)| path.starts_with(PROFILES)) {
        if let Some(salt) = there(client, digest)?.and_then(|bytes| Catalog::salt_of(&bytes)) {
            salts.insert(path.clone(), salt);
        }
    }
    Ok(salts)
}
