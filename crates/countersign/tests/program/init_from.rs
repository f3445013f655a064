//! `countersign init --from`: a home that begins from the history of a repository.

use std::{collections::BTreeMap, fs, path::Path};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    audit::{
        history::{Commit, EPOCH, History},
        slice,
    },
    support::Stage,
};

const FOUNDERS: &str = "--founder ada=ada@shop.test=ada --founder grace=grace@shop.test=grace";
const DAY: i64 = 86_400;
const ADA: &str = "Ada Lovelace <ada@shop.test>";
const GRACE: &str = "Grace Hopper <grace@shop.test>";
/// One person under two mails, another under GitHub's, one whose name is no text, and a machine.
const LINUS: &str = "Linus Torvald <linus@shop.test>";
const LINUS_BEFORE: &str = "Linus Torvald <linus@old.test>";
const BARBARA: &str = "Barbara <7+barbara@users.noreply.github.com>";
const MALLORY: &str = "Mal\u{1b}[31mlory\u{202e}: {x} # \"'\u{2028}- <mal@shop.test>";
const ROBOT: &str = "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>";
const OWNERS: &str = "* @org/everybody\n/infra/ @org/platform\n/billing/ @barbara linus@shop.test\n/docs/ @gone\n";

/// A change of these files a day after the one before.
struct Line(History, usize, i64);

impl Line {
    fn new() -> Self {
        Self(History::default(), 0, EPOCH)
    }

    fn wait(&mut self, days: i64) {
        self.2 += days * DAY;
    }

    fn change(&mut self, author: &str, message: &str, files: &[&str], contents: &[(&str, &[u8])]) {
        let files: Vec<&[u8]> = files.iter().map(|file| file.as_bytes()).collect();
        let parents: Vec<usize> = (self.1 > 0).then_some(self.1).into_iter().collect();
        let committer = if author == ROBOT { ADA } else { author };
        self.1 = self.0.commit(&Commit {
            parents: &parents,
            author,
            committer,
            at: self.2,
            message: message.as_bytes(),
            files: &files,
            contents,
            ..Commit::default()
        });
        self.2 += DAY;
    }

    fn reviewed(&mut self, author: &str, by: &str, file: &str) {
        self.change(author, &format!("change\n\nReviewed-by: {by}"), &[file], &[]);
    }
}

/// A shop in which Grace looks at what others write.
fn shop(owners: &str) -> History {
    let mut line = Line::new();
    line.change("Old Timer <old@shop.test>", "begin", &["README", "infra/main.tf", "billing/a", "docs/a"], &[]);
    line.wait(400);
    for _ in 0..5 {
        line.reviewed(ADA, GRACE, "infra/main.tf");
        line.reviewed(LINUS, GRACE, "billing/a");
        line.reviewed(LINUS_BEFORE, ADA, "infra/b.tf");
        line.reviewed(BARBARA, GRACE, "billing/b");
        line.wait(25);
    }
    line.change(ROBOT, "bump", &["billing/lock"], &[]);
    line.change(MALLORY, "mine", &["billing/a"], &[]);
    let contents: &[(&str, &[u8])] = if owners.is_empty() { &[] } else { &[("CODEOWNERS", owners.as_bytes())] };
    line.change(ADA, "owners", &["docs/a"], contents);
    line.0
}

fn stage(history: &History) -> Stage {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.bare("shop.git", history);
    stage
}

fn files(stage: &Stage, folder: &str) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(path.to_string_lossy().into_owned(), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&stage.path(folder), &mut found);
    let prefix = stage.path(folder).to_string_lossy().into_owned();
    found.into_iter().map(|(path, bytes)| (path.replacen(&prefix, "", 1), bytes)).collect()
}

/// What the summary says of the history.
fn told(stdout: &str) -> &str {
    &stdout[stdout.find("\nFrom ").unwrap()..]
}

#[test]
fn a_history_with_owners_becomes_a_home() {
    let stage = stage(&shop(OWNERS));
    let run = stage.run(&format!("init home --name log --from shop.git {FOUNDERS}"));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    assert_snapshot!(told(&run.stdout), @"");
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{run}");
    assert_snapshot!(stage.read("home/catalog/org.yaml"), @"");
    assert_snapshot!(stage.read("home/catalog/systems.yaml"), @"");
    assert_snapshot!(stage.read("home/rules/tier-1-senior.cedar").split("@id").next().unwrap(), @"");
}

#[test]
fn the_home_serves_and_its_rules_hold() {
    let stage = stage(&shop(OWNERS));
    let run = stage.run(&format!("init home --name log --from shop.git {FOUNDERS}"));
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(stage.run("rules check home/rules").status, 0);
    assert_eq!(stage.run("rules test home/rules").status, 0);
    let audit = stage.run("audit shop.git --rules home/rules --catalog home/catalog --format json");
    assert_eq!((audit.status, audit.json()["areas_by"].as_str()), (0, Some("catalog")), "{audit}");

    let server = stage.serve();
    stage.write("flags.json", "{}");
    let words = "propose --key ada --target platform/production --kind config --file flags.json --title T --why W --format json";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.extend(["--command", "cat flags.json", "--url", &server.url]);
    let proposed = stage.run_words(&words);
    assert_eq!(proposed.status, 0, "{proposed}");
    let change = proposed.json()["id"].as_str().unwrap().to_owned();
    let show = || stage.run(&format!("show {change} --url {} --format json", server.url)).json();
    let outcome = |shown: &Value| shown["decision"]["outcome"].clone();
    assert_eq!(outcome(&show()), "deny", "the second pair of eyes binds from the beginning");
    let approved = stage.run(&format!("approve {change} --key grace --file flags.json --url {}", server.url));
    assert_eq!(approved.status, 0, "{approved}");
    let shown = show();
    assert_eq!(outcome(&shown), "allow", "rules in shadow stop nothing: {shown}");
    let unmet: Vec<&str> = shown["decision"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| rule["status"] == "unsatisfied")
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert!(unmet.contains(&"documented"), "{shown}");
}

#[test]
fn the_same_history_gives_the_same_files() {
    let stage = stage(&shop(OWNERS));
    for home in ["one", "two"] {
        assert_eq!(stage.run(&format!("init {home} --name log --from shop.git {FOUNDERS}")).status, 0);
    }
    for folder in ["catalog", "rules"] {
        assert_eq!(files(&stage, &format!("one/{folder}")), files(&stage, &format!("two/{folder}")));
    }
}

#[test]
fn without_owners_top_folders_are_systems() {
    let stage = stage(&shop(""));
    let run = stage.run(&format!("init home --name log --from shop.git --format json {FOUNDERS}"));
    let from = &run.json()["from"];
    let system = |system: &Value| json!([system["system"], system["tier"], system["landed"], system["owner"]]);
    let systems: Vec<Value> = from["systems"].as_array().unwrap().iter().map(system).collect();
    assert_eq!(
        json!(systems),
        json!([
            ["billing", 3, 12, "billing-owners"],
            ["infra", 1, 10, "infra-owners"],
            ["docs", 3, 1, "docs-owners"],
            ["everything-else", 3, 0, "everything-else-owners"],
        ])
    );
    assert_eq!(
        from["map"],
        json!([
            "billing/**=billing/production",
            "infra/**=infra/production",
            "docs/**=docs/production",
            "*=everything-else/production"
        ])
    );
}

#[test]
fn keys_come_from_allowed_signers_and_find_their_people() {
    let stage = stage(&shop(""));
    stage.key("linus");
    let key = stage.read("linus.pub");
    stage.key("new");
    stage.write("signers", &format!("linus@old.test {key}new@shop.test {}", stage.read("new.pub")));
    let run =
        stage.run(&format!("init home --name log --from shop.git --allowed-signers signers --format json {FOUNDERS}"));
    assert_eq!(run.status, 0, "{run}");
    let people = &run.json()["from"]["people"];
    assert_eq!(people["without_keys"], json!(["barbara", "mal"]), "{run}");
    assert_eq!(people["founders_not_in_history"], json!([]));
    let org = stage.read("home/catalog/org.yaml");
    assert_eq!(org.matches("name: linus\n").count(), 1, "{org}");
    assert!(org.contains("countersign/mails: linus@"), "{org}");
}

#[test]
fn since_says_who_counts() {
    let stage = stage(&shop(""));
    let all = stage.run(&format!("init all --name log --from shop.git --since 2020-01-01 --format json {FOUNDERS}"));
    assert_eq!(all.json()["from"]["people"]["left_out"], 0, "{all}");
    assert!(stage.read("all/catalog/org.yaml").contains("name: old\n"));
    let run = stage.run(&format!("init home --name log --from shop.git --since 2099-01-01 {FOUNDERS}"));
    assert_snapshot!(run, @"");
    assert!(!stage.path("home").exists());
}

#[test]
fn nothing_is_written_where_the_history_cannot_be_read() {
    let stage = stage(&shop(""));
    let before = files(&stage, "shop.git");
    assert_snapshot!(stage.run(&format!("init home --from nowhere.git {FOUNDERS}")), @"");
    assert_snapshot!(stage.run(&format!("init home --from shop.git --branch mian {FOUNDERS}")), @"");
    assert_snapshot!(stage.run("init home --from shop.git --founder ada=ada@shop.test=ada.pub --key ada.pub").status, @"");
    assert_eq!(stage.run("init home --branch main").status, 2);
    assert_eq!(stage.run("init home --from shop.git --catalog x").status, 2);
    assert!(!stage.path("home").exists());
    assert_eq!(stage.run(&format!("init home --name log --from shop.git {FOUNDERS}")).status, 0);
    assert_eq!(files(&stage, "shop.git"), before);
}

#[test]
fn a_home_of_one_says_plainly_what_it_cannot_do() {
    let stage = Stage::with_keys(&["ada"]);
    stage.bare("shop.git", &History::chain(&["begin", "more"]));
    let run = stage.run("init home --name log --from shop.git --founder ada=ada@shop.test=ada");
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("with one person nothing can be approved"), "{run}");
    assert_snapshot!(told(&run.stdout), @"");
    assert_eq!(stage.run("rules test home/rules").status, 0);
    assert_snapshot!(stage.read("home/rules/tier-1-senior.cedar"), @"");
}

/// Nothing that a terminal or a parser would obey gets through, and nobody can write lines of the catalog by their name.
#[test]
fn hostile_names_stay_names() {
    let mut line = Line::new();
    line.change("x\"\\\r  memberOf: [y] <a@b.test>", "a", &["src/a"], &[]);
    line.change("countersign <countersign@shop.test>", "a", &["src/a"], &[]);
    line.change("... <...@shop.test>", "a", &["src/a"], &[]);
    line.change("\u{feff}null\u{85} <a,b c@shop.test>", "a", &["--- #/a", "{x}*: [/b", "~/c"], &[]);
    line.change("root <root@localhost>", "a", &["con/\u{1b}]0;x\u{7}"], &[]);
    line.change(&format!("{} <{}@shop.test>", "n".repeat(300), "m".repeat(300)), "a", &["src/a"], &[]);
    line.change(MALLORY, "a", &["src/a"], &[]);
    let stage = stage(&line.0);
    let run = stage.run(&format!("init home --name log --from shop.git {FOUNDERS}"));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    let obeyed =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    assert!(!run.stdout.contains(obeyed), "{run}");
    for file in ["catalog/org.yaml", "catalog/systems.yaml", "rules/tier-1-senior.cedar"] {
        let text = stage.read(&format!("home/{file}"));
        assert!(!text.contains(obeyed), "{file}: {text}");
    }
    let ids: Vec<String> = stage
        .read("home/catalog/org.yaml")
        .split("kind: User")
        .skip(1)
        .map(|user| user.lines().nth(2).unwrap().trim().to_owned())
        .collect();
    assert_snapshot!(ids.join("\n"), @"");
    assert_eq!(stage.run("audit shop.git --rules home/rules --catalog home/catalog").status, 0);
}

/// A slice of a real production configuration, with Gerrit's votes.
#[test]
fn a_real_history() {
    let stage = stage(&slice::read("operations-puppet"));
    let run = stage.run(&format!("init home --name log --from shop.git --format json {FOUNDERS}"));
    assert_eq!(run.status, 0, "{run}");
    let from = &run.json()["from"];
    let of =
        |system: &Value| json!([system["system"], system["tier"], system["landed"], system["approvals_supported"]]);
    let systems: Vec<Value> = from["systems"].as_array().unwrap().iter().map(of).collect();
    assert_snapshot!(json!([systems, from["people"]["seniors"], from["tier_1_approvals"]]), @"");
    assert_eq!(stage.run("rules test home/rules").status, 0);
    let audit = stage.audit("shop.git --rules home/rules --catalog home/catalog");
    assert_eq!(audit["landed"], from["read"]);
}
