//! A bare repository behind a gate, beside one without, and a clone of each to push from. Changes to the governed one are
//! proposed and approved for the commit that is about to be pushed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use countersign::{client::Client, git::Repository, home::Home, random, wire::Receipt};
use countersign_core::{
    change::ChangeStatus,
    facts::{Range, facts},
    ids::{ActorId, ChangeId, Oid},
    statement::{Approval, Body, RevisionRef, Seen, SeenCheckpoint},
};
use countersign_ledger::{Digest, SigningKey};

use super::{
    history::{Content, say},
    serving::PROGRAM,
    world::World,
};

/// How long the outcome of a push may take to be in the log.
const REPORTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);
/// Folders of a repository, each of which reaches a system of its own, as far as there are so many.
const AREAS: usize = 40;

/// Says something in somebody's name, in front of the log as it stands.
pub fn submit(client: &Client, by: &ActorId, key: &SigningKey, body: Body, blobs: &[Vec<u8>]) -> Result<Receipt> {
    let log = client.log()?;
    let said = say(&log.origin, by, key, SeenCheckpoint { root: log.root, size: log.size }, body)?;
    Ok(client.submit(&said.envelope, blobs)?)
}

/// A bare repository and a clone of it.
pub struct Pushed {
    folder: PathBuf,
    name: String,
    commits: usize,
}

impl Pushed {
    pub fn new(folder: &Path, name: &str) -> Result<Self> {
        let this = Self { folder: folder.to_owned(), name: name.to_owned(), commits: 0 };
        let (bare, work) = (this.bare(), this.work());
        git(folder, &["init", "--quiet", "--bare", "--initial-branch=main"], &bare)?;
        git(folder, &["init", "--quiet", "--initial-branch=main"], &work)?;
        this.git(&["config", "user.name", "Nobody"])?;
        this.git(&["config", "user.email", "nobody@shop.test"])?;
        this.git(&["remote", "add", "origin", bare.to_str().context("a path")?])?;
        // A repository as it is in practice: some thousand files.
        for area in 0..AREAS {
            let folder = work.join(format!("services/area-{area:02}"));
            fs::create_dir_all(&folder)?;
            for file in 0..50 {
                fs::write(folder.join(format!("file-{file:02}.yaml")), format!("value: {area} {file}\n"))?;
            }
        }
        this.git(&["add", "--all"])?;
        this.git(&["commit", "--quiet", "-m", "first"])?;
        this.git(&["push", "--quiet", "origin", "main"])?;
        Ok(this)
    }

    pub fn bare(&self) -> PathBuf {
        self.folder.join(format!("{}.git", self.name))
    }

    pub fn work(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    fn git(&self, args: &[&str]) -> Result<String> {
        git(&self.work(), args, Path::new(""))
    }

    /// The area that the next commit changes.
    fn next_area(&self) -> usize {
        (self.commits + 1) % AREAS
    }

    /// Changes one file, and gives the commit before and the one after.
    pub fn commit(&mut self, name: &str, mail: &str) -> Result<(Oid, Oid)> {
        self.commits += 1;
        let file = format!("services/area-{:02}/file-{:02}.yaml", self.commits % AREAS, self.commits % 50);
        fs::write(self.work().join(file), format!("value: {}\n", self.commits))?;
        let author = format!("{name} <{mail}>");
        let before = self.git(&["rev-parse", "HEAD"])?.parse()?;
        let (name, mail) = (format!("user.name={name}"), format!("user.email={mail}"));
        self.git(&["-c", &name, "-c", &mail, "commit", "--quiet", "--all", "--author", &author, "-m", "Raise it"])?;
        Ok((before, self.git(&["rev-parse", "HEAD"])?.parse()?))
    }

    /// Pushes, and says how long that took.
    pub fn push(&self) -> Result<Duration> {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.work()).args(["push", "--quiet", "origin", "main"]);
        hermetic(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let start = Instant::now();
        let output = command.output()?;
        let took = start.elapsed();
        ensure!(output.status.success(), "the push is refused: {}", String::from_utf8_lossy(&output.stderr));
        Ok(took)
    }
}

/// A repository with a gate before its branch `main`.
pub struct Governed<'w> {
    pub pushed: Pushed,
    world: &'w World,
    client: Client,
    /// The system that each area reaches.
    systems: Vec<usize>,
    turn: usize,
}

impl<'w> Governed<'w> {
    /// Installs the gate with the program itself; its copy of the log lies in `copy`.
    pub fn install(world: &'w World, home: &Home, pushed: Pushed, url: &str, copy: &Path) -> Result<Self> {
        let plain = world.plain_systems();
        let systems: Vec<usize> = (0..AREAS).map(|area| plain[area % plain.len()]).collect();
        let key = world.key_file(&world.people[0])?;
        let mut command = Command::new(PROGRAM);
        hermetic(&mut command)
            .env("XDG_STATE_HOME", pushed.folder.join("state"))
            .args(["--url", url, "--key"])
            .arg(&key)
            .args(["gate", "install"])
            .arg(pushed.bare())
            .args(["--name", "shop-git", "--repository", "shop", "--branch", "main", "--trust"])
            .arg(home.path().join("trust.json"))
            .arg("--copy")
            .arg(copy);
        for (area, system) in systems.iter().enumerate() {
            command.args(["--map", &format!("services/area-{area:02}/**={}", world.target(*system)?)]);
        }
        let output = command.output()?;
        ensure!(output.status.success(), "the gate is not installed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { pushed, world, client: Client::new(url), systems, turn: 0 })
    }

    /// Commits, proposes the commit and approves it: what is left is the push.
    pub fn prepare(&mut self) -> Result<ChangeId> {
        let system = self.systems[self.pushed.next_area()];
        let (proposer, approver) = self.world.pair(system, self.turn);
        self.turn += 1;
        let (base, head) = self.pushed.commit(&format!("Person {}", proposer.id), &proposer.mail)?;
        let range = Range { repository: "shop".parse()?, branch: "refs/heads/main".to_owned(), base, head };
        let (facts, identities) = facts(&Repository::open(self.pushed.work())?, &range, &random::nonce())?;
        let content = Content::of(facts, identities)?;
        let targets = BTreeSet::from([self.world.target(system)?]);
        let body = Body::Proposal(content.proposal(targets.clone())?);
        let receipt = submit(&self.client, &proposer.id, &proposer.key, body, &content.blobs)?;
        let change = receipt.change.context("no change")?;
        let revision = RevisionRef { digest: receipt.statement, number: 1 };
        let approval = Approval {
            change: change.clone(),
            reviewed: content.subject.reference()?,
            revision,
            seen: Seen::Computed,
            targets,
            within: None,
        };
        submit(&self.client, &approver.id, &approver.key, Body::Approval(approval), &[])?;
        Ok(change)
    }

    /// Waits until the log has what came of the push.
    pub fn reported(&self, change: &ChangeId) -> Result<()> {
        let start = Instant::now();
        while self.client.change(&change.into())?.state != ChangeStatus::Applied.as_str() {
            if start.elapsed() > REPORTED_WITHIN {
                bail!("the outcome of change {change} is not reported");
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// The file in which the gate keeps what it did.
    pub fn journal(&self) -> PathBuf {
        self.pushed.bare().join("countersign/journal")
    }
}

pub fn hermetic(command: &mut Command) -> &mut Command {
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null")
}

fn git(folder: &Path, args: &[&str], last: &Path) -> Result<String> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args);
    if last != Path::new("") {
        command.arg(last);
    }
    let output = hermetic(&mut command).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A digest that nothing has.
pub fn nothing() -> Digest {
    Digest::of(random::nonce().as_str())
}
