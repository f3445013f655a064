//! `rollback`: what ran immediately before, again: proposed, signed and landed by one command and one person.
//!
//! What it restores is worked out here, from the signed statements of what landed last; the server only says which change that is.
//! Whether one signature is enough, the gate decides by its own copy of the log.

mod refused;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use countersign_core::{
    facts::{GitFacts, Range, TouchedPath, delta::unescape_path},
    ids::{ChangeId, GateId, Oid, Target},
    kind::Purpose,
    landed::{SECOND_AFTER_SECS, shape_of},
    rollback::{NoRollback, ROLLBACK_DAYS, may_alone},
    statement::{Body, Matter, Proposal},
    subject::{FilesSubject, GitSubject, Subject, quoted},
    text::ProposalText,
};
use countersign_ledger::Digest;

use super::{
    Global, apply,
    content::{Computed, extract_facts, name_of_clone},
    error::{CliError, Exit},
    material,
    output::{self, Format, faint, good, joined, printable, warn},
    paths,
    propose::{Blobs, describe},
    submit::{self, Session},
    times,
};
use crate::{
    client::ChangePrefix,
    clock,
    files::{ReadFile, read_files},
    git::Repository,
    home::files::word,
    material::Naming,
    random,
    reading::Reading,
    wire::{LandedLine, Receipt, TargetLanded, rfc3339},
};

/// Bring back what ran on a target immediately before: one owner's signature is enough, also at three in the morning.
///
/// It takes back what landed last, exactly and wholly, and nothing else: in a clone it makes the commit that does, proposes it and
/// pushes it through the gate; of files it runs the command of before over the files of before. No rule, rejection or freeze stops
/// it, and somebody else is asked to look at it afterwards. What is no such rollback is an ordinary change: it says why, and by
/// which command to propose it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign rollback checkout/production --why 'The new timeout drops every order'\n  \
    countersign rollback checkout/production --git ~/shop --push origin --incident INC-4711")]
pub struct Args {
    /// What is rolled back: SYSTEM/ENVIRONMENT.
    #[arg(value_name = "SYSTEM/ENV")]
    target: Target,
    /// The change whose state is meant: it has to be the one that ran immediately before.
    #[arg(long, value_name = "CHANGE")]
    to: Option<ChangePrefix>,
    /// The gate through which it goes; without it that of what landed last by a command or in this clone's repository.
    #[arg(long, value_name = "GATE")]
    gate: Option<GateId>,
    /// Why, in a sentence.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// The incident that it answers.
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// A clone of the repository, where commits are rolled back.
    #[arg(long, value_name = "REPO", default_value = ".")]
    git: PathBuf,
    /// The remote of that clone whose gate it goes through.
    #[arg(long, value_name = "REMOTE", default_value = "origin")]
    push: String,
    /// The earlier files, where files are rolled back and the server keeps them no more (repeatable).
    #[arg(long, value_name = "PATH", num_args = 1.., action = clap::ArgAction::Append)]
    file: Vec<PathBuf>,
}

/// How often, and how far apart, it is looked whether somebody was asked for the after-review.
const LOOKS: u32 = 50;
const LOOKS_BEFORE: u32 = 15;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let session = global.session().map_err(CliError::or_without_the_log)?;
    let landed = landed(&session, &args.target).map_err(CliError::or_without_the_log)?;
    let target = &args.target;
    let all: BTreeSet<GateId> = landed.landed.iter().map(|line| line.gate.clone()).collect();
    let gate = match &args.gate {
        Some(gate) => Some(gate.clone()),
        None => meant(&session, &args, &landed)?,
    };
    let landed = through(landed, gate.as_ref());
    let Some(last) = landed.landed.first() else {
        let at = args.gate.as_ref().map(|gate| format!(" at gate {gate}")).unwrap_or_default();
        return Err(no_rollback(format!("the log knows of nothing that landed on {target}{at}")).hint(
            match args.gate.is_some() && !all.is_empty() {
                true => format!("something landed there at {}", joined(&all)),
                false => "propose what should run there: countersign propose --help".to_owned(),
            },
        ));
    };
    let undone = session.read(&ChangePrefix::from(&last.change))?;
    let before = landed.landed.iter().skip(1).find(|landed| !landed.failed);
    let plan = Plan { args: &args, session: &session, landed: &landed, undone: &undone, before };
    match undone.subject() {
        Subject::Git(git) => plan.commits(global, git),
        Subject::Files(_) => plan.files(global),
        Subject::Governance(_) => Err(no_rollback("what governs is not rolled back on one signature".to_owned())
            .hint("amend it: countersign amend")),
    }
}

/// What landed there, once the log knows how what was permitted has ended: a gate tells it after it has let a push through.
fn landed(session: &Session, target: &Target) -> Result<TargetLanded, CliError> {
    let client = &session.log.client;
    let name = target.to_string();
    for _ in 0..LOOKS_BEFORE {
        let under_way = |state: &str| {
            Ok::<_, CliError>(!client.changes(&[("target", &name), ("state", state)])?.changes.is_empty())
        };
        if !under_way("permitted")? && !under_way("applying")? {
            break;
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    Ok(client.landed(target)?)
}

/// The gate that is meant where nobody names one: that of what landed last by a command or in the clone's repository. What landed
/// elsewhere does not count: a gate of somebody else's could have said that.
fn meant(session: &Session, args: &Args, landed: &TargetLanded) -> Result<Option<GateId>, CliError> {
    let gates: BTreeSet<&GateId> = landed.landed.iter().map(|line| &line.gate).collect();
    if gates.len() < 2 {
        return Ok(gates.first().map(|gate| (*gate).clone()));
    }
    let of_clone = name_of_clone(&args.git).ok();
    let mut here = BTreeSet::new();
    for gate in &gates {
        if gate.is_its_runners() || Some(session.log.client.gate(gate)?.repository) == of_clone {
            here.insert(*gate);
        }
    }
    let Some(last) = landed.landed.iter().find(|line| here.contains(&line.gate)) else {
        let gates = output::list(gates.iter().map(|gate| gate.as_str()));
        return Err(CliError::usage(format!("something landed on {} at {gates}, in other repositories", args.target))
            .hint("go to a clone of the one that is meant (--git REPO), or name the gate: --gate NAME"));
    };
    let others = gates.into_iter().filter(|gate| **gate != last.gate).map(GateId::as_str);
    let (short, gate) = (last.change.short(), &last.gate);
    let others = output::list(others);
    anstream::eprintln!(
        "{}",
        faint(format!("{short} landed last, at gate {gate}; what landed at {others} is rolled back with --gate"))
    );
    Ok(Some(last.gate.clone()))
}

/// What landed through one gate.
fn through(landed: TargetLanded, gate: Option<&GateId>) -> TargetLanded {
    let TargetLanded { target, landed, rolled_back } = landed;
    let landed = landed.into_iter().filter(|line| Some(&line.gate) == gate).collect();
    TargetLanded { target, landed, rolled_back }
}

fn no_rollback(why: String) -> CliError {
    CliError::refused("no-rollback", format!("this is no rollback that one person may do alone: {why}"))
}

struct Plan<'a> {
    args: &'a Args,
    session: &'a Session,
    landed: &'a TargetLanded,
    /// What landed last.
    undone: &'a Reading,
    before: Option<&'a LandedLine>,
}

impl Plan<'_> {
    /// Why it is an ordinary change, as far as it can be told here.
    fn why_not(&self) -> Option<String> {
        let (target, me) = (&self.args.target, &self.session.speaker.me);
        let last = self.landed.landed.first()?;
        let short = last.change.short();
        let Some(before) = self.before else {
            let mut why = format!("before {short} no enforcing gate applied anything to {target}");
            for known in self.does_not_count() {
                why.push_str(&format!("; {known}"));
            }
            return Some(why);
        };
        if let Some(other) = self.args.to.as_ref().filter(|to| !to.names(&before.change)) {
            let before = before.change.short();
            return Some(format!("{other} is not what ran immediately before {short} on {target}; that was {before}"));
        }
        if let Some(marked) =
            self.landed.landed.iter().take_while(|one| one.change != before.change).find(|one| one.no_way_back)
        {
            return Some(format!("there is no way back past {}, which is marked so", marked.change.short()));
        }
        if before.over_rejection {
            return Some(format!("{} was applied while somebody's rejection of it stood", before.change.short()));
        }
        let now = clock::now();
        if last.at < rfc3339(now.plus_secs(-ROLLBACK_DAYS * 24 * 60 * 60)) {
            return Some(format!("{short} landed more than {ROLLBACK_DAYS} days ago"));
        }
        let governance = &self.undone.state().governance;
        if let Some(not) = self.undone.change().targets.iter().find(|target| !may_alone(governance, me, target, now)) {
            return Some(format!("{me} neither owns {not} nor is on call for it"));
        }
        let since = rfc3339(now.plus_secs(-SECOND_AFTER_SECS));
        let again = self.landed.rolled_back.iter().find(|rolled| rolled.by == *me && rolled.at > since);
        again.map(|rolled| {
            format!(
                "{me} rolled {target} back {}; within a day another one takes another person",
                times::ago(&rolled.at)
            )
        })
    }

    fn title(&self) -> String {
        let view = self.undone.view().ok();
        let title = view.map(|view| view.title).unwrap_or_default();
        let mut title = format!("Roll back: {title}");
        if title.chars().count() > 100 {
            title = title.chars().take(99).chain(['…']).collect();
        }
        title
    }

    fn why(&self) -> String {
        let short = self.undone.change().id.short();
        self.args
            .why
            .clone()
            .unwrap_or_else(|| format!("What landed last, {short}, does not run well: back to what did"))
    }

    /// How it would be taken back itself.
    fn back(&self) -> String {
        format!("Propose again what it takes back, {}", self.undone.change().id.short())
    }

    fn proposal(&self, computed: &Computed) -> Result<(Proposal, Vec<Vec<u8>>), CliError> {
        let undone = self.undone.change();
        let text = ProposalText {
            salt: random::nonce(),
            title: self.title(),
            why: self.why(),
            risk: "What it takes back is gone, and with it what was good of it".to_owned(),
            rollback: self.back(),
            tests: "It ran there immediately before".to_owned(),
            links: vec![],
        };
        let Blobs { text: digest, subject, facts, identities, bytes } = Blobs::of(&text, computed)?;
        let proposal = Proposal {
            documents: text.documents(),
            facts,
            identities,
            kind: undone.kind,
            purpose: Purpose {
                restores: self.before.map(|before| before.change.clone()),
                incident: self.args.incident.clone(),
                ..Purpose::default()
            },
            sponsor: None,
            subject,
            targets: undone.targets.clone(),
            text: digest,
        };
        Ok((proposal, bytes))
    }

    /// Signs it. `None`: it is an ordinary change, and was said to be.
    fn propose(&self, computed: &Computed, repository: Option<&Path>) -> Result<(ChangeId, Receipt), CliError> {
        let (proposal, bytes) = self.proposal(computed)?;
        let mut lines = vec![format!("proposal: {}", self.title())];
        lines.push(format!("takes back: {}", self.undone.change().id.short()));
        lines.extend(self.before.map(|before| format!("restores: {}", before.change.short())));
        lines.push(format!("targets: {}", joined(&proposal.targets)));
        lines.extend(describe(computed));
        submit::announce(&self.session.speaker, &lines);
        let receipt = self.session.say(Body::Proposal(proposal), &bytes)?;
        let Some(id) = receipt.change.clone() else {
            return Err(CliError::new("not-countersign", "the server took the proposal and names no change"));
        };
        material::give(&self.session.log.client, &id, computed, repository);
        let alone = receipt
            .decision
            .as_ref()
            .is_some_and(|decision| decision.outcome == countersign_core::decision::Outcome::Allow);
        if alone {
            return Ok((id, receipt));
        }
        let why = receipt.explanation.as_ref().and_then(|explanation| explanation.rollback.clone());
        let why = why.unwrap_or_else(|| "the rules ask for more".to_owned());
        let short = id.short();
        Err(CliError::refused("no-rollback", format!("{why}; it is proposed as an ordinary change, {short}"))
            .hint(self.entitled_or(format!("have it approved, then land it: countersign show {short}"), short)))
    }

    /// What came of it, for a person or a program.
    fn tell(&self, global: &Global, id: &ChangeId, repository: Option<&str>) -> Result<Exit, CliError> {
        let asked = [("open", "true"), ("about", &*format!("target/{}", self.args.target)), ("limit", "200")];
        let is_it = |what: &Matter| matches!(what, Matter::AfterReview { change, .. } if change == id);
        let mut found = None;
        // A gate tells the log after it has let the push through.
        for attempt in 0..LOOKS {
            if attempt > 0 {
                thread::sleep(BETWEEN_LOOKS);
            }
            let page = self.session.log.client.findings(&asked)?;
            found = page.findings.into_iter().find(|found| is_it(&found.what));
            if found.is_some() {
                break;
            }
        }
        let (undone, targets) = (&self.undone.change().id, &self.undone.change().targets);
        let restores = self.before.map(|before| &before.change);
        match global.format {
            Format::Json => output::json(&serde_json::json!({
                "change": id, "undoes": undone, "restores": restores, "targets": targets, "after_review": found,
            }))?,
            Format::Text => {
                let restores = restores.map(ChangeId::short).unwrap_or_default();
                anstream::println!(
                    "{} {} to what {restores} left, by change {}; {} is taken back",
                    good("rolled back"),
                    joined(targets),
                    id.short(),
                    undone.short()
                );
                repository.iter().for_each(|line| anstream::println!("{}", faint(line)));
                match found {
                    Some(found) => {
                        let who = joined(&found.who);
                        anstream::println!(
                            "after-review {}: to be answered {}, by one of {}",
                            found.id.short(),
                            times::ago(&found.due),
                            printable(&who)
                        );
                        anstream::println!("  they answer it: countersign review {}", found.id.short());
                    }
                    None => anstream::println!(
                        "nobody is asked yet to look at it afterwards; where it reached production, somebody is as soon as the gate \
                         has told the log: countersign findings --open"
                    ),
                }
            }
        }
        Ok(Exit::Done)
    }

    fn commits(&self, global: &Global, subject: &GitSubject) -> Result<Exit, CliError> {
        let path = &self.args.git;
        let blob = self.undone.revision().facts.and_then(|digest| self.undone.blob(&digest));
        let facts =
            GitFacts::parse(blob.ok_or_else(|| CliError::new("no-facts", "the server has not sent the facts"))?)?;
        run_git(
            path,
            &["fetch", "--quiet", "--no-tags", "--end-of-options", &self.args.push, &subject.branch],
            None,
            None,
        )?;
        let tip = oid(&run_git(path, &["rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}"], None, None)?)?;
        let head = self.reverting(path, &tip, &facts)?;
        let git = Repository::open(path)?;
        let range = Range {
            repository: subject.repository.clone(),
            branch: subject.branch.clone(),
            base: tip.clone(),
            head: head.clone(),
        };
        let (back, identities) = extract_facts(&git, &range, &random::nonce())?;
        if back.delta != facts.inverse() {
            return Err(CliError::refused(
                "no-rollback",
                "the commit that was made does not take back exactly what landed",
            ));
        }
        if let Some(why) = self.why_not() {
            return Err(no_rollback(why).hint(self.or_break(self.as_a_change(path, &tip, &head))));
        }
        let computed = Computed {
            subject: Subject::Git(GitSubject {
                repository: range.repository,
                branch: range.branch,
                base: range.base,
                head: range.head,
                delta: back.delta,
            }),
            links: paths::links(&git, &back)?,
            extracted: Some((back, identities)),
            read: BTreeMap::new(),
        };
        let (id, _) = self.propose(&computed, Some(path))?;
        let refspec = format!("{head}:{}", subject.branch);
        let pushed = Command::new("git")
            .arg("-C")
            .arg(path)
            .args(["push", "--quiet", "--end-of-options", &self.args.push, &refspec])
            .stdout(Stdio::null())
            .status();
        if !pushed.is_ok_and(|status| status.success()) {
            let again = format!("git -C {} push {} {refspec}", word(path), self.args.push);
            return Err(CliError::refused(
                "not-landed",
                format!("change {} is proposed and signed, and did not land", id.short()),
            )
            .hint(format!("read what the gate said, then try again: {again}")));
        }
        let line = format!("{} stands at {} now; git pull brings it into your branch", subject.branch, head.short());
        self.tell(global, &id, Some(&line))
    }

    /// The command that proposes it as an ordinary change.
    fn as_a_change(&self, path: &Path, tip: &Oid, head: &Oid) -> String {
        let change = self.undone.change();
        let targets: Vec<String> = change.targets.iter().map(|target| format!("--target {target}")).collect();
        let Subject::Git(git) = self.undone.subject() else { return String::new() };
        let quote = |text: String| quoted(&[text]);
        format!(
            "it is an ordinary change, and git push {} {}:{} lands it; propose it: countersign propose {} --kind {} --git {} --repository {} --branch {} --range {}..{} --title {} --why {} --rollback {}{}",
            self.args.push,
            head.short(),
            git.branch.trim_start_matches("refs/heads/"),
            targets.join(" "),
            change.kind,
            word(path),
            git.repository,
            git.branch.trim_start_matches("refs/heads/"),
            tip.short(),
            head.short(),
            quote(self.title()),
            quote(self.why()),
            quote(self.back()),
            self.documents()
        )
    }

    /// A commit on the tip that gives every touched path the mode and content that it had, and leaves every other as it is.
    fn reverting(&self, path: &Path, tip: &Oid, facts: &GitFacts) -> Result<Oid, CliError> {
        let failed = |e: std::io::Error| CliError::new("failed", format!("no commit can be made: {e}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let index = folder.path().join("index");
        run_git(path, &["read-tree", tip.as_str()], Some(&index), None)?;
        let listed = run_git(path, &["ls-files", "--stage", "-z"], Some(&index), None)?;
        let stands = staged(&listed);
        let mut wanted = Vec::new();
        for TouchedPath { path: name, old, new } in &facts.paths {
            let bytes = unescape_path(name);
            let here = stands.get(&bytes).map(String::as_str);
            if here != new.as_ref().map(ToString::to_string).as_deref() {
                return Err(no_rollback(format!("something else has changed {} since", printable(name))).hint(
                    self.or_break(
                        "take back what should go by hand (git revert), and propose that: countersign propose"
                            .to_owned(),
                    ),
                ));
            }
            match old {
                Some(old) => wanted.extend(format!("{old}\t").into_bytes()),
                None => wanted.extend(format!("0 {}\t", "0".repeat(tip.as_str().len())).into_bytes()),
            }
            wanted.extend(bytes);
            wanted.push(0);
        }
        run_git(path, &["update-index", "-z", "--index-info"], Some(&index), Some(&wanted))?;
        let tree = run_git(path, &["write-tree"], Some(&index), None)?;
        let message = format!("{}\n\n{}\n", self.title(), self.why());
        let tree = oid(&tree)?;
        let args = ["commit-tree", tree.as_str(), "-p", tip.as_str(), "-m", message.as_str()];
        oid(&run_git(path, &args, None, None)?)
    }

    fn files(&self, global: &Global) -> Result<Exit, CliError> {
        let Some(before) = self.before else {
            return Err(no_rollback(self.why_not().unwrap_or_default())
                .hint(self.or_break("propose what should run there: countersign propose".to_owned())));
        };
        let earlier = self.session.read(&ChangePrefix::from(&before.change))?;
        let Subject::Files(subject) = earlier.subject() else {
            return Err(no_rollback(format!("{} is about commits, and files landed after it", before.change.short()))
                .hint(self.or_break("propose what should run there: countersign propose".to_owned())));
        };
        let (target, undone) = (&self.args.target, &self.undone.change().id);
        let is_another = |undone: &FilesSubject| shape_of(undone) != shape_of(subject);
        if let Subject::Files(taken_back) = self.undone.subject()
            && is_another(taken_back)
        {
            let (target, last, before) = (target.clone(), undone.clone(), before.change.clone());
            return Err(no_rollback(NoRollback::AnotherCommand { target, last, before }.to_string())
                .hint(self.or_break("propose what should run there: countersign propose".to_owned())));
        }
        let Some(command) = &subject.command else {
            return Err(no_rollback(format!("{} names no command", before.change.short())));
        };
        if let Some(why) = self.why_not() {
            let files: Vec<String> =
                subject.files.keys().map(|name| format!("--file {}", quoted(std::slice::from_ref(name)))).collect();
            let targets: Vec<String> =
                self.undone.change().targets.iter().map(|target| format!("--target {target}")).collect();
            return Err(no_rollback(why).hint(self.or_break(format!(
                "it is an ordinary change; propose it: countersign propose {} --kind {} {} --command {} --title {} --why {} --rollback {}{}",
                targets.join(" "),
                self.undone.change().kind,
                files.join(" "),
                quoted(&[quoted(command)]),
                quoted(&[self.title()]),
                quoted(&[self.why()]),
                quoted(&[self.back()]),
                self.documents()
            ))));
        }
        let folder = tempfile::tempdir()
            .map_err(|e| CliError::new("failed", format!("the earlier files have no place here: {e}")))?;
        let files = self.earlier_files(&earlier, subject, folder.path())?;
        let (id, _) = self.propose(&Computed::as_said(Subject::Files(subject.clone()), None), None)?;
        match apply::over(global, &ChangePrefix::from(&id), &files, command)? {
            Exit::Done => self.tell(global, &id, None),
            other => {
                anstream::eprintln!(
                    "{} change {}: the earlier command did not end well; within a day another owner begins the next rollback, or \
                     somebody breaks the glass: countersign break-glass --help",
                    warn("failed"),
                    id.short()
                );
                Ok(other)
            }
        }
    }

    /// The files of before, checked against their digests: as somebody names them, or from the server.
    fn earlier_files(
        &self,
        earlier: &Reading,
        subject: &FilesSubject,
        folder: &Path,
    ) -> Result<BTreeMap<String, ReadFile>, CliError> {
        let mut by_digest: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        if self.args.file.is_empty() {
            let naming = Naming::of(earlier.subject());
            let mut after: Option<Oid> = None;
            while let Ok(page) = self.session.log.client.material(&earlier.change().id, after.as_ref()) {
                for (id, bytes) in page.bytes().unwrap_or_default() {
                    if naming.check(&id, &bytes).is_ok() {
                        by_digest.insert(Digest::of(&bytes), bytes);
                    }
                }
                match page.next {
                    Some(next) if after.as_ref().is_none_or(|after| next > *after) => after = Some(next),
                    Some(_) | None => break,
                }
            }
        } else {
            let given = read_files(&self.args.file)?;
            by_digest.extend(given.into_values().map(|file| (Digest::of(&file.bytes), file.bytes)));
        }
        let mut files = BTreeMap::new();
        let missing: BTreeSet<&String> =
            subject.files.iter().filter(|(_, digest)| !by_digest.contains_key(*digest)).map(|(name, _)| name).collect();
        if !missing.is_empty() {
            return Err(CliError::new(
                "no-material",
                format!("the earlier {} cannot be had from the server", joined(missing)),
            )
            .hint("pass each as it was: --file PATH"));
        }
        for (name, digest) in &subject.files {
            let Some(bytes) = by_digest.get(digest) else { continue };
            let source = folder.join(digest.hex());
            fs::write(&source, bytes)
                .map_err(|e| CliError::new("failed", format!("the earlier {name} cannot be written: {e}")))?;
            let executable = subject.executable.contains(name);
            files.insert(name.clone(), ReadFile { source, bytes: bytes.clone(), executable });
        }
        Ok(files)
    }
}

fn oid(said: &[u8]) -> Result<Oid, CliError> {
    let said = String::from_utf8_lossy(said);
    said.trim().parse().map_err(|e| CliError::new("git", format!("git says something else than a commit: {e}")))
}

/// What an index says of each path, as deltas spell it.
fn staged(listed: &[u8]) -> BTreeMap<Vec<u8>, String> {
    let entry = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'\t')?;
        let (head, path) = line.split_at_checked(at)?;
        let head = String::from_utf8_lossy(head).into_owned();
        let mut parts = head.split(' ');
        let (mode, id) = (parts.next()?, parts.next()?);
        Some((path.get(1..)?.to_vec(), format!("{mode} {id}")))
    };
    listed.split(|byte| *byte == 0).filter_map(entry).collect()
}

/// Runs the user's own git: their name, their remotes, their credentials.
fn run_git(repository: &Path, args: &[&str], index: Option<&Path>, stdin: Option<&[u8]>) -> Result<Vec<u8>, CliError> {
    let verb = args.first().copied().unwrap_or_default();
    let failed = |why: String| {
        CliError::new("git", format!("git {verb} in {} failed: {why}", repository.display()))
            .hint("run it in a clone of the repository, or name one: --git REPO, and its remote: --push REMOTE")
    };
    let mut git = Command::new("git");
    git.arg("-C").arg(repository).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    git.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    if let Some(index) = index {
        git.env("GIT_INDEX_FILE", index);
    }
    let mut child = git.spawn().map_err(|e| failed(e.to_string()))?;
    if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), stdin) {
        pipe.write_all(bytes).map_err(|e| failed(e.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(printable(String::from_utf8_lossy(&output.stderr).trim())));
    }
    Ok(output.stdout)
}
