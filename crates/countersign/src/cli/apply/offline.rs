//! `apply` while the log is away: it is refused with the lines that open it in an emergency, and runs the command once where enough
//! of those who are entitled have signed that, over what this machine drew.
//!
//! ```text
//!  apply, the log is away ─> draws, written down ─> refused, with the lines
//!      break-glass --file … --at WORD       whoever runs it
//!      break-glass --file … --cosign FILE   another person
//!  apply --offline FILE ─> checked by this machine's copy ─> kept and written down ─> run once ─> told when the log is back
//! ```

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use countersign_core::{
    change::Change,
    glass::{self, GLASS_SECS},
    ids::{ActorId, Target},
    permit::span,
    subject::{Transition, quoted},
};

use super::super::{
    Global,
    break_glass::{files_words, remembered, whose},
    error::CliError,
    output::{self, warn},
    permit,
    verify::read_trust,
};
use crate::{
    client::{ChangePrefix, Via},
    clock,
    follower::Access,
    gates::{
        apply,
        desk::{Desk, DeskError, Opening, Place},
        glass::{Drawn, Glass, Kept, draw},
        journal::Journal,
    },
    home::files,
    memory::{self, Memory},
    speaker::Hand,
};

const MAX_GLASS_BYTES: usize = 4 * 1024 * 1024;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub change: Option<&'a ChangePrefix>,
    /// What it moves, where nobody has proposed it.
    pub targets: &'a [Target],
    pub files: &'a [PathBuf],
    pub transition: &'a Transition,
}

impl Wanted<'_> {
    /// As it is typed.
    fn words(&self) -> String {
        let change = self.change.map(|change| format!(" {}", change.as_str())).unwrap_or_default();
        let targets: String = self.targets.iter().map(|target| format!(" --target {target}")).collect();
        format!("countersign apply{change}{targets} {}", files_words(self.files))
    }
}

/// This machine's apply gate, without the log.
pub struct Alone {
    desk: Desk,
    me: ActorId,
    origin: String,
    pub journal: PathBuf,
}

/// What people signed beside a journal, and the log does not have yet.
pub fn kept(journal: &Path) -> Kept {
    Kept::beside(journal)
}

impl Alone {
    /// The gate of this account for the log that this machine has seen at that address.
    pub fn open(global: &Global) -> Result<Self, CliError> {
        let place = memory::place()?;
        let given = global.trust.as_deref().map(read_trust).transpose()?;
        let origin = match &given {
            Some(trust) => trust.origin.clone(),
            None => {
                let known = memory::served_at(&place, &global.url).or_else(|| memory::only_pinned(&place));
                known.ok_or_else(|| unknown(&global.url))?
            }
        };
        let memory = Memory::of(&place, &origin);
        let trust = match given {
            Some(trust) => trust,
            None => memory.pinned()?.ok_or_else(|| unknown(&global.url))?,
        };
        let known = remembered(&origin)?;
        let (hand, me) = whose(global, None, &origin, known.as_deref())?;
        let Hand::Person(_) = &hand else { return Err(unknown(&global.url)) };
        let journal = apply::journal_path(memory.folder(), &hand.fingerprint());
        let copy = memory.folder().join(super::COPY);
        let place =
            Place { copy: &copy, access: Access::Owner, trust: &trust, url: &global.url, via: Via::Environment };
        let desk = Desk::open(&place, hand, permit::apply_gate()?, me.clone())?;
        Ok(Self { desk, me, origin, journal })
    }

    /// The change that is meant, by this machine's copy.
    fn change(&self, wanted: &Wanted<'_>) -> Result<Option<Change>, CliError> {
        let Some(prefix) = wanted.change else { return Ok(None) };
        let known = self.desk.change_named(prefix.as_str())?;
        known.map(Some).ok_or_else(|| {
            CliError::new(
                "unknown-change",
                format!("this machine's copy of the log has no change {}", prefix.as_str()),
            )
            .hint("say what the files are for instead: countersign apply --target SYSTEM/ENVIRONMENT --file … -- COMMAND")
        })
    }

    fn targets(&self, wanted: &Wanted<'_>) -> Result<BTreeSet<Target>, CliError> {
        let change = self.change(wanted)?;
        let named = wanted.targets.iter().cloned();
        Ok(change.map_or_else(|| named.collect(), |change| change.targets))
    }

    /// The lines by which people open it, for whom it was refused.
    fn lines(&self, wanted: &Wanted<'_>) -> Result<String, CliError> {
        let now = clock::now();
        let change = self.change(wanted)?;
        if let Some(change) = &change {
            change.fits(wanted.transition)?;
        }
        let targets = self.targets(wanted)?;
        let governance = self.desk.governance()?;
        for target in &targets {
            governance.catalog.target(target).map_err(|error| CliError::new("unknown-target", error.to_string()))?;
        }
        let entitled = glass::entitled(&governance, &targets, now);
        let needed = self.desk.needed_without_the_log(&targets, now)?;
        if entitled.len() < needed {
            return Err(CliError::new("glass-people", format!("no {needed} people are entitled to open that")));
        }
        if !entitled.contains(&self.me) {
            return Err(CliError::new(
                "not-entitled",
                format!("{} neither owns {}, nor is on call for it, nor is a senior", self.me, glass::all_of(&targets)),
            )
            .hint(format!("one of these runs it, with their own key: {}", output::list(&entitled))));
        }
        let (checkpoint, epoch) = self.desk.in_front_of()?;
        let (nonce, at) = draw(&mut Journal::begin(&self.journal)?, wanted.transition, now)?;
        let until = at.plus_secs(GLASS_SECS);
        let drawn = Drawn {
            audience: self.desk.key(),
            change: change.as_ref().and_then(|change| Some((change.id.clone(), change.current_ref()?))),
            checkpoint,
            drill: false,
            epoch,
            gate: permit::apply_gate()?,
            log: self.origin.clone(),
            needed,
            nonce,
            targets: targets.clone(),
            transition: wanted.transition.clone(),
            until,
        };
        let names = glass::all_of(&targets);
        let who = match needed {
            1 => format!("you open it alone, as one who owns {names} or is a senior"),
            n => format!("{n} people who own {names} or are seniors open it, you the first"),
        };
        let of = files_words(wanted.files);
        let mut lines = vec![
            format!("in an emergency, within {}, {who}, for one run:", span(until.secs_since(now))),
            format!("  countersign break-glass {of} --why TEXT --at {}", drawn.word()?),
        ];
        if needed > 1 {
            lines.push(format!("  countersign break-glass {of} --cosign FILE"));
        }
        let Transition::Apply(apply) = wanted.transition else { return Ok(String::new()) };
        lines.push(format!("  {} --offline FILE -- {}", wanted.words(), quoted(&apply.command)));
        Ok(lines.join("\n"))
    }

    /// Opens for what people signed, which is kept before anything runs.
    pub fn opens(&mut self, wanted: &Wanted<'_>, file: &Path) -> Result<Opening, CliError> {
        let bytes = files::read(file, MAX_GLASS_BYTES)
            .map_err(|error| error.expecting("it is the file that `countersign break-glass --at …` wrote"))?;
        let glass = Glass::read(&bytes)?;
        // Where the log can be reached after all, what it says by now counts.
        if let Err(error) = self.desk.follow(clock::now()) {
            anstream::eprintln!("{}: without the log: {error}", warn("alone"));
        }
        let now = clock::now();
        self.desk.check_alone(now)?;
        let drawn = Journal::begin(&self.journal)?.drawn(wanted.transition, now);
        let (nonce, at) = drawn.ok_or_else(|| {
            CliError::new("not-drawn", "this machine has drawn nothing for this within the last hour, with this key")
                .hint(format!("what it draws now is signed anew: {} -- COMMAND", wanted.words()))
        })?;
        let (glass, others) = self.desk.counting(&glass, now)?;
        for other in &others {
            anstream::eprintln!("{}: a signature does not count: {other}", warn("note"));
        }
        let opening = self.desk.open_glass(&glass, (&nonce, at), wanted.transition, now)?;
        let targets = self.targets(wanted)?;
        if opening.change().targets != targets {
            return Err(CliError::new(
                "another-change",
                format!("what was signed is for {}", output::joined(&opening.change().targets)),
            )
            .hint("name the change, or the targets, that were signed"));
        }
        kept(&self.journal).keep(&glass)?;
        let by = opening.permit().broken.iter().flat_map(|broken| broken.by.keys());
        let by: Vec<&str> = by.map(ActorId::as_str).collect();
        anstream::eprintln!(
            "{}: the glass is broken by {}, without the log; somebody else looks at it afterwards",
            warn("broken"),
            by.join(" and ")
        );
        Ok(opening)
    }
}

/// The refusal, with the lines by which it is opened all the same, or why it is not.
pub fn refused(global: &Global, wanted: &Wanted<'_>, away: CliError) -> CliError {
    match Alone::open(global).and_then(|alone| alone.lines(wanted)) {
        Ok(lines) => CliError { message: format!("{}\n{lines}", away.message), ..away },
        Err(error) => {
            let hint = error.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            let why = format!("without the log this machine opens nothing either: {}{hint}", error.message);
            CliError { message: format!("{}\n{why}", away.message), ..away }
        }
    }
}

/// Sends the log what people signed while it was away: before it is told what came of that.
pub fn hand_on(desk: &mut Desk, journal: &Path) -> Result<(), DeskError> {
    let kept = kept(journal);
    if kept.all()?.is_empty() {
        return Ok(());
    }
    for (glass, why) in desk.hand_on_glass(&kept)? {
        let change = glass.says()?.change.clone();
        anstream::eprintln!(
            "{}: the log does not take what broke the glass for change {}: {why}",
            warn("warning"),
            change.short()
        );
    }
    desk.follow(clock::now())
}

fn unknown(url: &str) -> CliError {
    CliError::new("not-followed", format!("this machine does not know which log is served at {url}"))
        .hint("name what you pinned: --trust FILE; only a machine that has applied before has a copy to decide by")
}
