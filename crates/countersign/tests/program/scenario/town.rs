//! The machines of two teams: each a folder of its own, with its own home directory, keys, clone and memory of logs.

use std::{fmt::Write as _, fs, path::Path, process::Output};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::{Run, Server, Stage, until};

pub struct Town {
    pub shop: Host,
    pub bank: Host,
    pub ada: Machine,
    pub grace: Machine,
    pub linus: Machine,
    pub mallory: Machine,
    pub dora: Machine,
}

/// Where a team's log is served and its repository lies.
pub struct Host {
    name: &'static str,
    stage: Stage,
    server: Option<Server>,
    /// Where it was served, while it is not.
    address: String,
    /// Public keys are here; this person's secret one was brought along.
    operators: Vec<&'static str>,
}

/// Somebody's own.
pub struct Machine {
    who: &'static str,
    stage: Stage,
}

/// How a push went.
pub struct Push(Output);

/// People of a team: who, level, of which groups.
type People = [(&'static str, &'static str, &'static str)];

const SHOP: &People = &[
    ("ada", "senior", "owners"),
    ("grace", "senior", "owners"),
    ("linus", "standard", "owners"),
    ("mallory", "standard", "owners"),
];
const BANK: &People = &[("dora", "senior", "owners"), ("grace", "senior", "owners")];

/// All that was printed.
pub fn said(run: &Run) -> String {
    format!("{}{}", run.stdout, run.stderr)
}

impl Town {
    pub fn found() -> Self {
        let [ada, grace, linus, mallory, dora] = ["ada", "grace", "linus", "mallory", "dora"].map(Machine::new);
        let all = [&ada, &grace, &linus, &mallory, &dora];
        let shop = Host::found("shop", SHOP, &["ada", "grace"], &all);
        let bank = Host::found("bank", BANK, &["dora", "grace"], &all);
        for (host, people) in [(&shop, SHOP), (&bank, BANK)] {
            for machine in all.into_iter().filter(|machine| people.iter().any(|(who, _, _)| *who == machine.who)) {
                machine.join(host);
            }
        }
        Self { shop, bank, ada, grace, linus, mallory, dora }
    }

    /// So many hours later, on every machine: servers are started anew, as clocks are not set while they run.
    pub fn later(&mut self, hours: u64) {
        let Self { shop, bank, ada, grace, linus, mallory, dora } = self;
        for machine in [ada, grace, linus, mallory, dora] {
            machine.stage.is_ahead(hours * 60 * 60);
        }
        for host in [shop, bank] {
            let server = host.server.take().unwrap();
            host.address = server.url.trim_start_matches("http://").to_owned();
            server.end();
            host.stage.is_ahead(hours * 60 * 60);
            host.comes_back();
        }
    }
}

impl Host {
    fn found(name: &'static str, people: &People, founders: &[&'static str], all: &[&Machine]) -> Self {
        let stage = Stage::new();
        let machine = |who: &str| all.iter().copied().find(|machine| machine.who == who).unwrap();
        let mut catalog = String::from(
            "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: owners\nspec:\n  children: []\n",
        );
        for (system, tier) in [("payments", 1), ("checkout", 2), ("search", 3)] {
            write!(
                catalog,
                "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {system}\n  annotations:\n    \
                 countersign/tier: \"{tier}\"\nspec:\n  owner: owners\n"
            )
            .unwrap();
        }
        for (who, level, group) in people {
            let key = machine(who).stage.read("key.pub");
            let key = key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            write!(
                catalog,
                "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {who}\n  annotations:\n    \
                 countersign/level: {level}\n    countersign/keys: {key}\nspec:\n  profile:\n    email: {who}@example.com\n  \
                 memberOf: [{group}]\n"
            )
            .unwrap();
        }
        stage.write("catalog/org.yaml", &catalog);
        // Whoever operates the host has their key there, as an agent that is forwarded would.
        for who in founders {
            for end in ["", ".pub"] {
                fs::copy(machine(who).stage.path(&format!("key{end}")), stage.path(&format!("agent-{who}{end}")))
                    .unwrap();
            }
        }
        let (first, others) = founders.split_first().unwrap();
        let mut words = format!("--founder {first}={first}@example.com=agent-{first}");
        for who in others {
            fs::rename(stage.path(&format!("agent-{who}")), stage.path("away")).unwrap();
            write!(words, " --founder {who}={who}@example.com=agent-{who}.pub").unwrap();
        }
        let made = stage.run(&format!("init home --name {name} --catalog catalog {words}"));
        assert_eq!(made.status, 0, "{made}");
        // The other founder signs on their own machine, in a copy without the server's keys, and sends the genesis back.
        for who in others {
            fs::rename(stage.path("away"), stage.path(&format!("agent-{who}"))).unwrap();
            let own = &machine(who).stage;
            let folder = own.path(&format!("{name}-home"));
            copy(&stage.path("home"), &folder);
            fs::remove_dir_all(folder.join("keys")).unwrap();
            let signed = own.run(&format!("init {name}-home --cosign --key key"));
            assert_eq!(signed.status, 0, "{signed}");
            stage.write("home/genesis.json", &own.read(&format!("{name}-home/genesis.json")));
        }
        let server = Some(stage.serve());
        let host = Self { name, stage, server, address: String::new(), operators: founders.to_vec() };
        host.git(&["init", "--quiet", "--bare", "--initial-branch=main", "shop.git"]);
        host.first_history();
        host
    }

    fn first_history(&self) {
        self.git(&["clone", "--quiet", "shop.git", "first"]);
        for (path, text) in [("checkout/timeout", "5\n"), ("search/limit", "10\n"), ("payments/retries", "3\n")] {
            self.stage.write(&format!("first/{path}"), text);
        }
        let at = |args: &[&str]| {
            self.git(&[&["-C", "first", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"], args].concat())
        };
        at(&["checkout", "--quiet", "-B", "main"]);
        at(&["add", "--all"]);
        at(&["commit", "--quiet", "-m", "first"]);
        at(&["push", "--quiet", "origin", "main"]);
        fs::remove_dir_all(self.stage.path("first")).unwrap();
    }

    /// As a machine that lost its power.
    pub fn goes_down(&mut self) {
        let server = self.server.take().unwrap();
        self.address = server.url.trim_start_matches("http://").to_owned();
        drop(server);
    }

    pub fn comes_back(&mut self) {
        self.server = Some(self.stage.serve_on(&self.address));
    }

    pub fn url(&self) -> &str {
        &self.server.as_ref().unwrap().url
    }

    fn git(&self, args: &[&str]) {
        let output = self.stage.command("git").args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// On the host itself, by nobody in particular.
    pub fn at_home(&self, words: &str) -> Run {
        self.stage.run(words)
    }

    /// On the host, with the key of one of its operators.
    pub fn as_somebody(&self, who: &str, words: &str) -> Run {
        assert!(self.operators.contains(&who), "{who} does not operate {}", self.name);
        self.stage.run(&format!("--url {} --key agent-{who} {words}", self.url()))
    }

    pub fn install(&self, who: &str, further: &str) -> Run {
        self.as_somebody(
            who,
            &format!(
                "gate install shop.git --name {}-git --trust home/trust.json --branch main --map \
                 checkout/**=checkout/production --map search/**=search/production --map payments/**=payments/production \
                 {further}",
                self.name
            ),
        )
    }
}

impl Machine {
    fn new(who: &'static str) -> Self {
        let stage = Stage::new();
        stage.key("key");
        Self { who, stage }
    }

    fn join(&self, host: &Host) {
        let trust = format!("{}.trust.json", host.name);
        self.stage.write(&trust, &host.stage.read("home/trust.json"));
        let joined = self.stage.run(&format!("join {} --trust {trust} --key key", host.url()));
        assert_eq!(joined.status, 0, "{joined}");
    }

    pub fn fingerprint(&self, key: &str) -> String {
        let output = self.stage.command("ssh-keygen").args(["-l", "-f", &format!("{key}.pub")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split_whitespace().nth(1).unwrap().to_owned()
    }

    /// A public key of this machine, as catalogs list it.
    pub fn public(&self, key: &str) -> String {
        self.stage.read(&format!("{key}.pub")).split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    pub fn makes(&self, key: &str) -> String {
        self.stage.key(key);
        self.public(key)
    }

    /// A file by mail.
    pub fn is_sent(&self, by: &Self, file: &str, as_file: &str) {
        self.stage.write(as_file, &by.stage.read(file));
    }

    /// Says something to a log that was joined here.
    pub fn say(&self, log: &str, words: &str) -> Run {
        // What is checked without a log takes none.
        let of_a_log = !words.starts_with("verify");
        self.stage.run(&if of_a_log { format!("--log {log} {words}") } else { words.to_owned() })
    }

    pub fn reads(&self, path: &str) -> String {
        self.stage.read(&format!("work/{path}"))
    }

    /// What became of a push is told after it.
    #[track_caller]
    pub fn sees(&self, log: &str, change: &str, state: &str) {
        until(state, || self.say(log, &format!("--format json show {change}")).json()["state"] == state);
    }

    /// A copy of a home without the server's keys, to amend it from.
    pub fn is_sent_the_home(&self, host: &Host) {
        let folder = self.stage.path(&format!("{}-home", host.name));
        copy(&host.stage.path("home"), &folder);
        fs::remove_dir_all(folder.join("keys")).unwrap();
    }

    #[track_caller]
    pub fn edits(&self, file: &str, edit: impl FnOnce(&str) -> String) {
        let before = self.stage.read(file);
        let after = edit(&before);
        assert_ne!(before, after, "nothing was edited in {file}");
        self.stage.write(file, &after);
    }

    fn git_command(&self, folder: &str) -> std::process::Command {
        let mut git = self.stage.command("git");
        git.current_dir(self.stage.path(folder))
            .env("GIT_SSH_COMMAND", self.stage.path("ssh"))
            .env("GIT_SSH_VARIANT", "simple");
        for part in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{part}_NAME"), self.who)
                .env(format!("GIT_{part}_EMAIL"), format!("{}@example.com", self.who));
        }
        git
    }

    #[track_caller]
    fn git(&self, folder: &str, args: &[&str]) -> String {
        let output = self.git_command(folder).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Git over ssh, as the host's own account runs it.
    pub fn clone_of(&self, host: &Host) {
        let at = host.stage.path("");
        let script = format!(
            "#!/bin/sh\n# ssh git@host COMMAND\nshift\ncd '{at}' || exit 1\nHOME='{at}/user' XDG_STATE_HOME='{at}/user/.local/state' exec sh -c \"$1\"\n",
            at = at.display()
        );
        let ssh = self.stage.write("ssh", &script);
        let mut mode = fs::metadata(&ssh).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        fs::set_permissions(&ssh, mode).unwrap();
        let (who, ssh) = (self.who, ssh.display());
        let settings = format!(
            "[user]\n\tname = {who}\n\temail = {who}@example.com\n[core]\n\tsshCommand = {ssh}\n[ssh]\n\tvariant = simple\n"
        );
        self.stage.write("user/.gitconfig", &settings);
        self.git(".", &["clone", "--quiet", "git@host:shop.git", "work"]);
    }

    /// One more commit on `main`, of one file.
    pub fn commit(&self, path: &str, text: &str) {
        self.stage.write(&format!("work/{path}"), text);
        self.git("work", &["add", "--all"]);
        self.git("work", &["commit", "--quiet", "-m", &format!("change {path}")]);
    }

    pub fn push(&self, _host: &Host, branch: &str) -> Push {
        Push(self.git_command("work").args(["push", "origin", &format!("HEAD:{branch}")]).output().unwrap())
    }

    /// The same, with what people signed in an outage.
    pub fn push_with(&self, _host: &Host, branch: &str, file: &str) -> Push {
        let file = fs::read(self.stage.path(file)).unwrap();
        let glass = format!("countersign-break-glass={}", STANDARD.encode(file));
        let head = format!("HEAD:{branch}");
        Push(self.git_command("work").args(["push", "-o", &glass, "origin", &head]).output().unwrap())
    }

    /// Takes over what is on the branch.
    pub fn pulls(&self) {
        self.git("work", &["pull", "--quiet", "--rebase", "origin", "main"]);
    }

    /// Leaves away what was committed here and not pushed.
    pub fn drops(&self) {
        self.git("work", &["reset", "--quiet", "--hard", "origin/main"]);
    }

    /// What somebody committed and has not pushed, by way of a bundle in the mail.
    pub fn is_sent_the_commits_of(&self, other: &Self) {
        other.git("work", &["bundle", "create", "--quiet", "../commits", "origin/main..HEAD"]);
        fs::copy(other.stage.path("commits"), self.stage.path("commits")).unwrap();
        self.git("work", &["fetch", "--quiet", "../commits", "HEAD"]);
    }

    /// Proposes what is here and not on the branch yet, and gives the change's id.
    #[track_caller]
    pub fn propose(&self, host: &Host, target: &str, branch: &str) -> String {
        let documents = ["--rollback", "git revert, then push again", "--tests", "load test 4711 in staging"];
        self.propose_with(host, target, branch, &documents)
    }

    /// The same with these documents besides why and risk.
    #[track_caller]
    pub fn propose_with(&self, host: &Host, target: &str, branch: &str, documents: &[&str]) -> String {
        let mut command = self.stage.command(env!("CARGO_BIN_EXE_countersign"));
        let output = command
            .current_dir(self.stage.path("work"))
            .env("XDG_STATE_HOME", self.stage.path("user/.local/state"))
            .args(["--log", host.name, "propose", "--quiet", "--target", target, "--kind", "config", "--git", "."])
            .args(["--repository", "shop", "--branch", branch, "--range", &format!("origin/{branch}..HEAD")])
            .args(["--title", "Raise the timeout", "--why", "the bank answers within eight seconds at month end"])
            .args(["--risk", "slow requests could pile up"])
            .args(documents)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Push {
    pub fn told(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    #[track_caller]
    pub fn passes(&self) {
        assert!(self.0.status.success(), "{}", self.told());
    }

    #[track_caller]
    pub fn is_refused(&self, why: &str) {
        assert!(!self.0.status.success() && self.told().contains(why), "{}", self.told());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}
