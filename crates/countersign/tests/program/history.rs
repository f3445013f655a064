//! A real history behind the gate: the last sixty commits of a public repository of Kubernetes deployments, made
//! content-free (real topology, times, trailers and paths; people are pseudonyms), rebuilt and pushed on, commit by
//! commit, through real hooks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::Write as _,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::support::{Run, Server, Stage};

const HISTORY: &str = include_str!("../data/deployment-charts.jsonl");

/// How many of the commits are there before the gate is.
const BEFORE: usize = 56;

const MAP: [(&str, &str); 4] = [
    ("helmfile.d/ml-services/", "ml/production"),
    ("helmfile.d/dse-k8s-services/", "dse/production"),
    ("helmfile.d/admin_ng/", "clusters/production"),
    ("charts/", "charts/production"),
];

/// The rebuilt history, its people with keys, a server, and the gate.
struct Past {
    stage: Stage,
    server: Server,
    commits: Vec<Value>,
    ids: Vec<String>,
}

/// `Pd7dd8522eb <ed8f667b9ea@p.invalid>` as name and mail.
fn name_and_mail(identity: &str) -> (&str, &str) {
    let (name, mail) = identity.split_once(" <").unwrap();
    (name, mail.trim_end_matches('>'))
}

/// One person a mail: the same person appears under several names.
fn person(identity: &str) -> String {
    let (name, mail) = name_and_mail(identity);
    if name == "jenkins-bot" { name.to_owned() } else { mail.split('@').next().unwrap().to_owned() }
}

impl Past {
    fn new() -> Self {
        let commits: Vec<Value> = HISTORY.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let stage = Stage::new();
        let ids = rebuild(&stage, &commits);
        let git = |args: &[&str]| must(stage.command("git").args(args).output().unwrap());
        git(&["--git-dir", "past.git", "update-ref", "refs/heads/main", &ids[BEFORE - 1]]);
        git(&["clone", "--quiet", "past.git", "charts.git", "--bare"]);
        git(&["--git-dir", "past.git", "update-ref", "refs/heads/next", ids.last().unwrap()]);
        git(&["clone", "--quiet", "past.git", "work"]);
        git(&["-C", "work", "remote", "set-url", "origin", &stage.path("charts.git").to_string_lossy()]);
        git(&["-C", "work", "config", "countersign.repository", "charts"]);

        let mut people: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for commit in &commits {
            for who in ["author", "committer"] {
                let identity = commit[who].as_str().unwrap();
                people.entry(person(identity)).or_default().insert(name_and_mail(identity).1);
            }
        }
        stage.write("catalog/all.yaml", &catalog(&stage, &people));
        let founders: Vec<String> = people.keys().filter(|id| *id != "jenkins-bot").take(2).cloned().collect();
        let founder = |id: &str| format!("{id}={}={id}", people[id].first().unwrap());
        let run = stage.run(&format!(
            "init home --name charts --catalog catalog --founder {} --founder {}",
            founder(&founders[0]),
            founder(&founders[1])
        ));
        assert_eq!(run.status, 0, "{run}");
        let server = stage.serve();
        let past = Self { stage, server, commits, ids };
        let mut install = String::from(
            "gate install charts.git --name charts-git --repository charts --trust home/trust.json --branch main --map **=deployment/production",
        );
        for (folder, target) in MAP {
            write!(install, " --map {folder}**={target}").unwrap();
        }
        let run = past.say(&founders[0], &install.split(' ').collect::<Vec<_>>());
        assert_eq!(run.status, 0, "{run}");
        past
    }

    fn say(&self, who: &str, words: &[&str]) -> Run {
        self.stage.run_words(&[&["--url", &self.server.url, "--key", who, "--format", "json"], words].concat())
    }

    fn git(&self, args: &[&str]) -> Output {
        let mut command = self.stage.command("git");
        command.args(["-C", "work"]).args(args);
        for (role, mail) in [("AUTHOR", "x@p.invalid"), ("COMMITTER", "x@p.invalid")] {
            command.env(format!("GIT_{role}_NAME"), "x").env(format!("GIT_{role}_EMAIL"), mail);
        }
        command.output().unwrap()
    }

    fn push(&self, head: &str) -> (bool, String) {
        let output = self.git(&["push", "origin", &format!("{head}:refs/heads/main")]);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }

    fn tip(&self) -> String {
        must(self.stage.command("git").args(["--git-dir", "charts.git", "rev-parse", "main"]).output().unwrap())
    }

    fn author(&self, n: usize) -> String {
        person(self.commits[n]["author"].as_str().unwrap())
    }

    /// Two people who had no hand in a commit.
    fn others(&self, n: usize) -> Vec<String> {
        let hands: Vec<String> =
            ["author", "committer"].iter().map(|who| person(self.commits[n][*who].as_str().unwrap())).collect();
        let all: BTreeSet<String> =
            self.commits.iter().map(|commit| person(commit["author"].as_str().unwrap())).collect();
        all.into_iter().filter(|id| !hands.contains(id) && id != "jenkins-bot").take(2).collect()
    }

    fn targets(&self, n: usize) -> BTreeSet<&'static str> {
        let mut targets = BTreeSet::from(["deployment/production"]);
        for change in self.commits[n]["paths"].as_array().unwrap() {
            let path = change[1].as_str().unwrap();
            targets.extend(MAP.iter().filter(|(folder, _)| path.starts_with(folder)).map(|(_, target)| *target));
        }
        targets
    }

    fn propose(&self, who: &str, targets: &BTreeSet<&str>, range: &str) -> String {
        let mut words =
            vec!["propose", "--again", "--kind", "config", "--git", "work", "--branch", "main", "--range", range];
        targets.iter().for_each(|target| words.extend(["--target", target]));
        words.extend([
            "--title",
            "As it was in the history",
            "--why",
            "it was needed then, and it is needed here again",
        ]);
        words.extend(["--risk", "what it was in the history", "--rollback", "revert the commit and deploy again"]);
        words.extend(["--tests", "it ran in production for years"]);
        let run = self.say(who, &words);
        assert_eq!(run.status, 0, "{run}");
        run.json()["id"].as_str().unwrap().to_owned()
    }

    fn approve(&self, who: &str, change: &str) -> Run {
        self.say(who, &["approve", change, "--git", "work"])
    }

    /// Commits something new on top of `base`, as somebody, and gives its id.
    fn commit(&self, base: &str, mail: &str, message: &str) -> String {
        must(self.git(&["checkout", "--quiet", "--detach", base]));
        self.stage.write("work/charts/added.yaml", message);
        must(self.git(&["add", "--all"]));
        let author = format!("somebody <{mail}>");
        let config = ["-c", "user.name=somebody", "-c"];
        let user = format!("user.email={mail}");
        let mut command = self.stage.command("git");
        command.args(["-C", "work"]).args(config).arg(&user);
        must(command.args(["commit", "--quiet", "--author", &author, "-m", message]).output().unwrap());
        must(self.git(&["rev-parse", "HEAD"]))
    }
}

fn must(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Rebuilds the commits with `git fast-import` and gives their new ids.
fn rebuild(stage: &Stage, commits: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut stream = String::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (n, commit) in commits.iter().enumerate() {
        let mark = n + 1;
        let mut message = format!("{}\n", text(&commit["subject"]));
        for (i, trailer) in commit["trailers"].as_array().into_iter().flatten().enumerate() {
            let gap = if i == 0 { "\n" } else { "" };
            writeln!(message, "{gap}{}: {}", text(&trailer[0]), text(&trailer[1])).unwrap();
        }
        writeln!(stream, "commit refs/heads/past\nmark :{mark}").unwrap();
        for (who, when) in [("author", "at"), ("committer", "ct")] {
            let zone = text(&commit[when][1]);
            writeln!(stream, "{who} {} {} {zone}", text(&commit[who]), commit[when][0]).unwrap();
        }
        writeln!(stream, "data {}\n{message}", message.len()).unwrap();
        for parent in commit["parents"].as_array().unwrap().iter().filter_map(|p| known.get(p.as_str().unwrap())) {
            writeln!(stream, "from :{parent}").unwrap();
        }
        for change in commit["paths"].as_array().unwrap() {
            let path = text(&change[1]);
            match change[0].as_str().unwrap() {
                "D" => writeln!(stream, "D {path}").unwrap(),
                _ => writeln!(stream, "M 100644 inline {path}\ndata {}\n{mark}", mark.to_string().len()).unwrap(),
            }
        }
        stream.push('\n');
        known.insert(text(&commit["sha"]), mark);
    }
    must(stage.command("git").args(["init", "--quiet", "--bare", "-b", "main", "past.git"]).output().unwrap());
    let mut import = stage
        .command("git")
        .args(["--git-dir", "past.git", "fast-import", "--quiet", "--export-marks=marks"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    let marks = stage.read("marks");
    let by_mark: BTreeMap<usize, String> = marks
        .lines()
        .map(|line| {
            let (mark, id) = line.split_once(' ').unwrap();
            (mark.trim_start_matches(':').parse().unwrap(), id.to_owned())
        })
        .collect();
    by_mark.into_values().collect()
}

fn catalog(stage: &Stage, people: &BTreeMap<String, BTreeSet<&str>>) -> String {
    let head = "apiVersion: backstage.io/v1alpha1\nkind:";
    let mut yaml = format!("{head} Group\nmetadata:\n  name: owners\nspec:\n  children: []\n");
    for (system, tier) in [("clusters", 1), ("ml", 2), ("dse", 2), ("charts", 3), ("deployment", 3)] {
        write!(yaml, "---\n{head} Component\nmetadata:\n  name: {system}\n  annotations:\n    countersign/tier: \"{tier}\"\nspec:\n  owner: owners\n").unwrap();
    }
    for (id, mails) in people {
        stage.key(id);
        let (actor, level) = match id.as_str() {
            "jenkins-bot" => ("workload", ""),
            _ => ("person", "    countersign/level: senior\n"),
        };
        let key = stage.read(&format!("{id}.pub"));
        let further: Vec<String> =
            mails.iter().skip(1).map(|mail| (*mail).to_owned()).chain([format!("{id}@second.invalid")]).collect();
        write!(
            yaml,
            "---\n{head} User\nmetadata:\n  name: {id}\n  annotations:\n    countersign/actor: {actor}\n{level}    countersign/mails: {}\n    \
             countersign/keys: {}\nspec:\n  profile:\n    email: {}\n  memberOf: [owners]\n",
            further.join(" "),
            key.trim(),
            mails.first().unwrap()
        )
        .unwrap();
    }
    let key = {
        stage.key("robot");
        stage.read("robot.pub")
    };
    write!(yaml, "---\n{head} User\nmetadata:\n  name: robot\n  annotations:\n    countersign/actor: agent\n    countersign/keys: {}\nspec:\n  memberOf: []\n", key.trim()).unwrap();
    yaml
}

#[test]
fn a_real_history_lands_with_a_second_person_and_not_without() {
    let past = Past::new();
    for n in BEFORE..past.ids.len() {
        let (id, author, targets) = (&past.ids[n], past.author(n), past.targets(n));
        let (passed, said) = past.push(id);
        assert!(!passed && said.contains("no change is proposed"), "{said}");
        let change = past.propose(&author, &targets, &format!("{}..{id}", past.ids[n - 1]));
        let tier_1 = targets.contains("clusters/production");
        if tier_1 {
            assert_eq!(past.say(&author, &["disclose", &change, "--none"]).status, 0);
        }
        let (passed, said) = past.push(id);
        assert!(!passed && said.contains("second-pair-of-eyes"), "one person alone: {said}");
        assert!(
            said.contains(&format!("countersign review {}", &change[..12])),
            "the to-do list has the command: {said}"
        );
        assert_eq!(past.approve(&author, &change).status, 3, "self-approval");
        let others = past.others(n);
        let needed = if tier_1 { 2 } else { 1 };
        for other in others.iter().take(needed) {
            let run = past.approve(other, &change);
            assert_eq!(run.status, 0, "{run}");
        }
        let (passed, said) = past.push(id);
        assert!(passed, "commit {n} for {targets:?}: {said}");
        assert_eq!(past.tip(), *id);
    }
}

#[test]
fn hands_in_a_change_of_a_real_history_are_no_second_pair_of_eyes() {
    let past = Past::new();
    let base = past.ids[BEFORE - 1].clone();
    let (author, others) = (past.author(BEFORE), past.others(BEFORE));
    let (second, third) = (others[0].clone(), others[1].clone());
    let targets = BTreeSet::from(["charts/production", "deployment/production"]);

    // Approved, then something is pushed on top of it.
    let head = past.commit(&base, &format!("{author}@second.invalid"), "reviewed");
    let change = past.propose(&author, &targets, &format!("{base}..{head}"));
    assert_eq!(past.approve(&second, &change).status, 0);
    let on_top = past.commit(&head, &format!("{author}@second.invalid"), "slipped in later");
    let (passed, said) = past.push(&on_top);
    assert!(!passed && said.contains("[not-the-head]"), "{said}");

    // The proposer differs, but the commits carry a second mail of the approver.
    let head = past.commit(&base, &format!("{second}@second.invalid"), "by the second mail");
    let change = past.propose(&author, &targets, &format!("{base}..{head}"));
    let run = past.approve(&second, &change);
    assert!(run.status == 3 && run.stderr.contains("had a hand in it"), "{run}");

    // A co-author approves.
    let message = format!("together\n\nCo-authored-by: S <{second}@second.invalid>");
    let head = past.commit(&base, &format!("{author}@second.invalid"), &message);
    let change = past.propose(&author, &targets, &format!("{base}..{head}"));
    let run = past.approve(&second, &change);
    assert!(run.status == 3 && run.stderr.contains("co-author"), "{run}");

    // An agent approves; then a workload does.
    for actor in ["robot", "jenkins-bot"] {
        let run = past.approve(actor, &change);
        assert!(run.status == 3 && run.stderr.contains("only a person can approve"), "{run}");
    }
    let (passed, said) = past.push(&head);
    assert!(!passed, "{said}");
    assert_eq!(past.approve(&third, &change).status, 0);
    assert!(past.push(&head).0);
}
