//! `approve`: a person's countersignature over one revision, and `reject`, `withdraw` beside it.

use std::path::{Path, PathBuf};

use countersign_core::{
    facts::{GitFacts, Range, delta, git::GitRead as _},
    ids::ActorId,
    statement::{Approval, Body, Rejection, RejectionLift, RejectionSetAside, Seen, Withdrawal},
    subject::{FilesSubject, GitSubject, Subject},
};
use countersign_ledger::Digest;

use super::{
    Global,
    content::{self, Computed},
    error::{CliError, Exit},
    looking::{self, Origin},
    output, pager, paths, propose,
    publish::{self, Approving},
    stop,
    submit::{self, Session, announce},
};
use crate::{
    client::ChangePrefix,
    difference::Length,
    files,
    git::{Repository, SUBMODULE},
    home::files::word,
    reading::Reading,
    wire::ChangeView,
};

/// Approve the present revision of a change, as a second pair of eyes.
///
/// With --git or --file the digests are computed again from what you have looked at, and nothing is signed if they differ. Without
/// either you are shown what the server has of it, compared with what is signed; if that is not all of it, an approval does not count,
/// unless the home says so. On a terminal you are asked before anything is signed. `countersign review` shows everything about it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign approve 9f2c4e6a81d0\n  \
    countersign approve 9f2c4e6a81d0 --git .\n  \
    countersign approve 9f2c4e6a81d0 --revision 2 --file flags.json")]
pub struct Args {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// Your clone, with the commits fetched.
    #[arg(long, value_name = "REPO", conflicts_with = "file")]
    git: Option<PathBuf>,
    /// Your copy of the files (repeatable).
    #[arg(long, value_name = "PATH", num_args = 1..)]
    file: Vec<PathBuf>,
    /// The revision that you have looked at: nothing is signed if there is a newer one.
    #[arg(long, value_name = "N")]
    revision: Option<u32>,
    /// Do not ask, also on a terminal.
    #[arg(long)]
    yes: bool,
    /// Put a change of rules, catalog or people in force as well, where this approval completes it.
    #[arg(long)]
    publish: bool,
}

pub fn run(global: &Global, args: Args) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    if view.text.is_none() {
        return Err(CliError::new(
            "text-missing",
            format!("title, reason and rollback of change {} are not here: erased, or held back by the server", view.id.short()),
        )
        .hint("nothing is approved unread: ask who proposed it to say it again (countersign revise), or ask another copy of the log"));
    }
    if let Some(wanted) = args.revision.filter(|wanted| *wanted != view.revision) {
        let short = view.id.short();
        return Err(CliError::new(
            "another-revision",
            format!("change {short} has revision {} now, not {wanted}", view.revision),
        )
        .hint(format!("nothing was signed; look at what is there: countersign show {short}")));
    }
    if let Subject::Governance(_) = reading.subject() {
        if args.git.is_some() || !args.file.is_empty() {
            let what = "this change is about governance files, which come with it: pass neither --git nor --file";
            return Err(CliError::usage(what));
        }
        let how = Approving { yes: args.yes, publish: args.publish };
        return publish::approve(global, &session, &reading, &how);
    }
    let settings = &reading.state().governance.catalog.settings;
    let made_it = view.contributors.contains(&session.speaker.me);
    let brings_nothing = args.git.is_none() && args.file.is_empty();
    // Whoever brings nothing is shown what the server has, if that is all of it.
    let looked = match brings_nothing && !made_it {
        true => looking::look(&reading, Origin::Server(&session.log.client), Length::Bounded).ok(),
        false => None,
    };
    let shown = looked.as_ref().filter(|looked| looked.is_whole());
    if brings_nothing && shown.is_none() && !settings.counts(Seen::None) && !made_it {
        let (short, with) = (
            view.id.short(),
            match view.subject {
                Subject::Git(_) => "--git REPO, your clone with the commits fetched",
                Subject::Files(_) | Subject::Governance(_) => "--file PATH, for each file of it",
            },
        );
        let lacks = looked.map(|looked| format!("\n{}", looked.told(&reading).join("\n"))).unwrap_or_default();
        return Err(CliError { exit: Exit::Refused, ..CliError::new("unseen", format!("an approval of {short} without its content at hand does not count here{lacks}")) }
            .hint(format!("nothing was signed; pass {with}. A home can let such approvals count: `unseen_approvals: true` in countersign.yaml")));
    }
    let computed = recompute(&reading, args.git.as_deref(), &args.file)?;
    let mut lines = about("approval", &view);
    match &computed {
        Some(computed) => {
            lines.extend(propose::describe(computed));
            lines.extend(content::submodule_addresses(args.git.as_deref(), computed)?);
        }
        None => {
            lines.extend(propose::describe(&Computed::as_said(view.subject.clone(), None)));
            if shown.is_none() {
                lines.push(
                    "these digests are what the proposer signed; --git REPO or --file PATH computes them from what you have"
                        .to_owned(),
                );
            }
        }
    }
    let seen = match (&computed, shown) {
        (Some(_), _) => Seen::Computed,
        (None, Some(looked)) => looked.seen,
        (None, None) => Seen::None,
    };
    lines.push(match (seen, shown) {
        (Seen::Computed, _) => "seen: computed, these digests are of what you have here".to_owned(),
        (_, Some(looked)) => looked.told(&reading).join("\n"),
        (Seen::None | Seen::Shown | Seen::Material, None) => format!("seen: {}", seen.as_str()),
    });
    if let Some(looked) = shown {
        pager::beside(&looked.text());
    }
    announce(&session.speaker, &lines);
    if !args.yes {
        submit::ask("sign this approval?")?;
    }
    sign(global, &session, &reading, seen)
}

/// Signs an approval of the present revision, exactly as it was read.
pub fn sign(global: &Global, session: &Session, reading: &Reading, seen: Seen) -> Result<Exit, CliError> {
    if let Subject::Governance(_) = reading.subject() {
        return publish::sign(global, session, reading, seen, &Approving { yes: false, publish: false });
    }
    let view = reading.view()?;
    let body = Body::Approval(Approval {
        change: view.id.clone(),
        reviewed: view.subject_ref.clone(),
        revision: reading.revision_ref(),
        seen,
        targets: view.targets.clone(),
        within: reading.change().window(),
    });
    let me = session.speaker.me.clone();
    submit::say(global, session, body, &[], |_| {
        format!("{me} approved revision {} of {}", view.revision, view.id.short())
    })
}

/// What is said about a change before anything about it is signed, all of it from its signed statements.
pub fn about(what: &str, view: &ChangeView) -> Vec<String> {
    let mut lines = vec![
        format!("{what} of revision {} of change {}: {}", view.revision, view.id.short(), view.title),
        format!("targets: {}", output::joined(&view.targets)),
        format!("made by: {}", output::list(&view.contributors)),
    ];
    lines.extend(view.explanation.lands.clone());
    lines.extend(view.text.as_ref().map(|text| format!("why: {}", text.why.replace('\n', " "))));
    lines
}

/// Computes the subject from what the approver has; a difference is an error.
pub fn recompute(reading: &Reading, git: Option<&Path>, file: &[PathBuf]) -> Result<Option<Computed>, CliError> {
    let change = reading.change().id.short();
    let differs = |what: String| {
        CliError::new("another-subject", format!("what you have is not what change {change} is about: {what}"))
            .hint(format!("fetch what was proposed, look at it, and approve again: countersign show {change}"))
    };
    match (reading.subject(), git, file) {
        (_, None, []) => Ok(None),
        (Subject::Git(GitSubject { repository, branch, base, head, delta: _ }), Some(path), _) => {
            let git = Repository::open(path)?;
            let range = Range {
                repository: repository.clone(),
                branch: branch.clone(),
                base: git.resolve(base.as_str())?,
                head: git.resolve(head.as_str())?,
            };
            let Some(said) = reading.identities()? else {
                return Err(differs(
                    "the names in its commits are not here (erased, or held back by the server), so that they cannot be compared".to_owned(),
                ));
            };
            // Facts are also of contents, so that this says first what is missing.
            at_hand(&git, path, change, &range)?;
            let (facts, identities) = content::extract_facts(&git, &range, &said.salt)?;
            let proposed = reading.revision().facts.ok_or_else(|| differs("the change names no facts".to_owned()))?;
            if Digest::of(facts.to_blob()?) != proposed {
                let theirs = reading.blob(&proposed).and_then(|bytes| GitFacts::parse(bytes).ok());
                let what = match theirs {
                    Some(theirs) if theirs.delta != facts.delta => "the difference between base and head",
                    Some(_) => "the commits, their authors or their messages",
                    None => "the facts",
                };
                return Err(differs(what.to_owned()));
            }
            if identities != said {
                return Err(differs("the names in the commits".to_owned()));
            }
            let links = paths::links(&git, &facts)?;
            let said = Computed::as_said(reading.subject().clone(), Some((facts, identities)));
            Ok(Some(Computed { links, ..said }))
        }
        (Subject::Files(FilesSubject { files, executable, .. }), _, paths @ [_, ..]) => {
            let mine = files::read_files(paths)?;
            for (name, file) in &mine {
                match files.get(name) {
                    Some(proposed) if *proposed == Digest::of(&file.bytes) => {}
                    Some(_) => return Err(differs(format!("the bytes of {name}"))),
                    None => return Err(another_name(change, name, &Digest::of(&file.bytes), files)),
                }
            }
            if let Some(missing) = files.keys().find(|name| !mine.contains_key(*name)) {
                return Err(differs(format!("you left out {missing}")));
            }
            if let Some(name) = executable.symmetric_difference(&files::executable(&mine)).next() {
                let what =
                    if executable.contains(name) { "can be run there, and not here" } else { "can be run only here" };
                return Err(differs(format!("{name} {what}")));
            }
            Ok(Some(Computed::as_said(reading.subject().clone(), None)))
        }
        (Subject::Governance(_), _, _) => Ok(None),
        (Subject::Files(_), Some(_), _) => Err(CliError::usage("this change is about files: pass --file PATH")),
        (Subject::Git(_), None, _) => Err(CliError::usage("this change is about commits: pass --git REPO")),
    }
}

/// Commits and trees tell the digests; a clone may have them and not the content, which then nobody here has looked at.
fn at_hand(git: &Repository, path: &Path, change: &str, range: &Range) -> Result<(), CliError> {
    const NAMED: usize = 5;
    let mut missing = Vec::new();
    for touched in delta::touched(&git.diff(&range.base, &range.head)?) {
        // The commit of a submodule is in another repository.
        let sides = [("before", &touched.old), ("after", &touched.new)].into_iter();
        let contents =
            sides.filter_map(|(when, side)| Some((when, side.as_ref().filter(|side| side.mode != SUBMODULE)?)));
        for (when, entry) in contents {
            if !git.has_blob(&entry.id)? {
                missing.push(format!("{} {when} ({})", touched.path, entry.id));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(NAMED);
    missing.truncate(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Err(CliError::new(
        "content-missing",
        format!("`{}` does not have the content of change {change}: {}{more}", path.display(), missing.join(", ")),
    )
    .hint(format!(
        "nothing was signed. In a partial clone this fetches it and shows it: git -C {} diff {} {}. If git cannot, nobody has \
         what these commits name: do not approve",
        word(path),
        range.base,
        range.head
    )))
}

/// The same bytes may be there under another name, which is the name they were proposed by.
pub fn another_name(
    change: &str,
    name: &str,
    digest: &Digest,
    files: &std::collections::BTreeMap<String, Digest>,
) -> CliError {
    let same = files.iter().find(|(_, proposed)| *proposed == digest).map(|(name, _)| name);
    match same {
        Some(proposed) => CliError::new(
            "another-name",
            format!("change {change} has no file `{name}`; the same bytes are in it as `{proposed}`"),
        )
        .hint(format!("files are named as they are passed: go to the folder in which `{proposed}` is that file, and pass --file {proposed}")),
        None => CliError::new("another-subject", format!("change {change} has no file `{name}`"))
            .hint(format!("its files are {}", output::list(files.keys()))),
    }
}

/// Reject a change, take your rejection back, or set another's aside.
///
/// A rejection stands over later revisions, and holds any other change that brings the same content to one of its targets. A day
/// later two people who had no hand in the change and do not approve it, one of them a senior, can set it aside.
#[derive(Debug, clap::Args)]
pub struct RejectArgs {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// Why.
    #[arg(long)]
    why: Option<String>,
    /// Take your rejection back.
    #[arg(long)]
    lift: bool,
    /// Set this person's rejection aside, for what the change brings now.
    #[arg(long, value_name = "PERSON", conflicts_with = "copy")]
    set_aside: Option<ActorId>,
    /// Sign by this verified copy of the log, without any server, and write a file for a gate. It is the folder of `countersign
    /// follow --into`, or the copy that `countersign gate status` names.
    #[arg(long, value_name = "DIR", conflicts_with = "lift")]
    copy: Option<PathBuf>,
}

impl RejectArgs {
    /// One of three things is done at a time, and only one of them takes no reason.
    fn is_one_thing(&self) -> Result<(), CliError> {
        let what = match (self.lift, &self.why, &self.set_aside) {
            (false, Some(_), _) | (true, None, None) => return Ok(()),
            (true, Some(_), None) => {
                "--lift takes your own rejection back and gives no reason, so --why is not for it".to_owned()
            }
            (true, _, Some(who)) => {
                format!("--lift takes your own rejection back, and --set-aside sets {who}'s aside")
            }
            (false, None, Some(who)) => format!("who sets {who}'s rejection aside says why: --why TEXT"),
            (false, None, None) => "a rejection says why: --why TEXT".to_owned(),
        };
        let change = &self.change;
        Err(CliError::usage(what).hint(format!(
            "one of: countersign reject {change} --why TEXT; countersign reject {change} --lift; \
             countersign reject {change} --set-aside PERSON --why TEXT"
        )))
    }
}

pub fn reject(global: &Global, args: RejectArgs) -> Result<Exit, CliError> {
    args.is_one_thing()?;
    if let (Some(copy), Some(why)) = (&args.copy, &args.why) {
        return stop::reject(global, copy, &args.change, why);
    }
    let rejects = args.why.is_some() && args.set_aside.is_none();
    let by_a_copy = |error: CliError| match rejects {
        true => stop::or_by_a_copy(error, &format!("countersign reject {} --why … --copy DIR", args.change)),
        false => error,
    };
    let session = global.session().map_err(by_a_copy)?;
    let reading = session.read(&args.change).map_err(by_a_copy)?;
    let view = reading.view()?;
    let (change, revision, targets) = (view.id.clone(), reading.revision_ref(), view.targets.clone());
    let me = session.speaker.me.clone();
    match args.why {
        Some(why) if let Some(rejected_by) = args.set_aside => {
            let (reason, blob) = submit::reason(&why)?;
            let mut lines = about(&format!("setting aside of {rejected_by}'s rejection"), &view);
            lines.push(format!("because: {why}"));
            announce(&session.speaker, &lines);
            let who = rejected_by.clone();
            let body = Body::RejectionSetAside(RejectionSetAside { change, reason, rejected_by, revision, targets });
            submit::say(global, &session, body, &[blob], |_| {
                format!("{me} set {who}'s rejection of {} aside, which takes two people", view.id.short())
            })
        }
        Some(why) => sign_rejection(global, &session, &reading, &why),
        None => {
            announce(&session.speaker, &about("lifting of your rejection", &view));
            let body = Body::RejectionLift(RejectionLift { change, revision, targets });
            let gone = view.taken_back.iter().any(|taken| taken.by == me && taken.rejected);
            submit::say(global, &session, body, &[], |_| {
                let gone = if gone { "; the approval that it took back stays gone: approve it again" } else { "" };
                format!("{me} lifted the rejection of {}{gone}", view.id.short())
            })
        }
    }
}

/// Signs a rejection of the present revision, exactly as it was read.
pub fn sign_rejection(global: &Global, session: &Session, reading: &Reading, why: &str) -> Result<Exit, CliError> {
    let view = reading.view()?;
    let (reason, blob) = submit::reason(why)?;
    let mut lines = about("rejection", &view);
    lines.push(format!("because: {why}"));
    announce(&session.speaker, &lines);
    let (change, revision, targets) = (view.id.clone(), reading.revision_ref(), view.targets.clone());
    let body = Body::Rejection(Rejection { change, reason, revision, targets });
    let me = &session.speaker.me;
    submit::say(global, session, body, &[blob], |_| format!("{me} rejected {}", view.id.short()))
}

/// Signs that one's own rejection is lifted, before something else is.
pub fn sign_lift(session: &Session, reading: &Reading) -> Result<(), CliError> {
    let view = reading.view()?;
    announce(&session.speaker, &about("lifting of your rejection", &view));
    let (change, revision, targets) = (view.id.clone(), reading.revision_ref(), view.targets.clone());
    let receipt = session.say(Body::RejectionLift(RejectionLift { change, revision, targets }), &[])?;
    let me = &session.speaker.me;
    anstream::println!("{me} lifted the rejection of {} (leaf {})", view.id.short(), receipt.index);
    Ok(())
}

/// Withdraw a change that you proposed.
#[derive(Debug, clap::Args)]
pub struct WithdrawArgs {
    /// The change: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
}

pub fn withdraw(global: &Global, args: WithdrawArgs) -> Result<Exit, CliError> {
    let session = global.session()?;
    let reading = session.read(&args.change)?;
    let view = reading.view()?;
    announce(&session.speaker, &[format!("withdrawal of change {}: {}", view.id.short(), view.title)]);
    let body = Body::Withdrawal(Withdrawal { change: view.id.clone(), revision: reading.revision_ref() });
    submit::say(global, &session, body, &[], |_| format!("withdrew {}", view.id.short()))
}
