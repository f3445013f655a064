//! `countersign init --from`: a home that begins from the history of a repository.

mod counts;
mod names;
mod watching;

use std::{collections::BTreeMap, fs, path::Path};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    audit::history::{Commit, EPOCH, History},
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
    &stdout[stdout.find("\nFrom ").unwrap() + 1..]
}

#[test]
fn a_history_with_owners_becomes_a_home() {
    let stage = stage(&shop(OWNERS));
    let run = stage.run(&format!("init home --name log --from shop.git {FOUNDERS}"));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    assert_snapshot!(told(&run.stdout), @r#"
    From shop.git, branch main
      24 landed changes read. People, systems and numbers come from the 23 that landed in the 365 days
      before the newest, 2024-12-19 to 2025-05-15 (--since DATE asks for others). All of it is a
      proposal.

    Systems by the owners of CODEOWNERS, with the tier that their changes suggest
      system                          changes  tier  owners  people  of late
      billing                              12     3       2       5        5
      infra                                10     1       3       3        3
      docs                                  1     3       1       1        1
      everybody                             1     3       1       1        1

    Rules, and what they would have done to these changes
      rule                          mode       stopped          reverted  approvals a week
      ai-assisted-senior            watch           10   43.5%         0               0.3
      applier-apart                 watch            0    0.0%         0               0.0
      documented                    watch           23  100.0%         0               0.0
      fresh-guidance                watch            0    0.0%         0               0.0
      owner-approves                watch           20   87.0%         0               0.9
      second-pair-of-eyes           enforce          2    8.7%         0               0.1
      tier-1-senior                 watch            6   26.1%         0               0.3
      Of 23 changes, 0 were later reverted. Git carries 1.0 approvals a week, and these would come on
      top. A rule in watch is evaluated and told, and stops nothing. second-pair-of-eyes is enforced,
      since the engine asks for a second person in production whatever the rules say; it binds where a
      gate is installed. tier-1-senior asks for one approval, by a senior; it is mandatory as shipped,
      which no rule in watch can be, and waivable here.

    Look at first
      Keys: 3 of 5 people in the catalog have none (barbara, linus, mal). They are known as authors and
      can approve nothing, and no history has keys. Bring them in from the file that git uses
      (--allowed-signers FILE, when the home is made), or add them to home/catalog/org.yaml and amend.
      Levels: nobody but the founders is proposed as senior. Senior is whom git names on 12 or more
      changes of 3 or more others in 3 or more months. That is activity, not judgement: say yourself who
      is.
      One person or nobody of late: docs, everybody. No group above owns it with them; name a second
      owner.
      CODEOWNERS names @gone, who did nothing in that time, or whom nobody can tell in this history.
      Left out: 1 person of the history who had no part in what landed in that time.

    Next
      countersign serve --home home
      watch the repository, which stops nothing and writes down what it would have stopped:
        countersign gate install shop.git --name shop-git --trust home/trust.json \
          --mode watch '--branch=main' \
          '--map=billing/**=billing/production' \
          '--map=infra/**=infra/production' \
          '--map=docs/**=docs/production' \
          '--map=*=everybody/production'
        after a week: countersign gate report shop.git
      edit home/catalog and home/rules, then: countersign amend home --why …
      keep a copy of home/keys somewhere safe: whoever has them can speak as this server
      before a rule is enforced, see what the one that you changed would have done:
        countersign audit REPO --rules home/rules --catalog home/catalog --compare CHANGED/rules
      to enforce a rule: @mode("enforce") in home/rules/RULE.cedar, then amend
    "#);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{run}");
    let org = stage.read("home/catalog/org.yaml");
    let without_keys: Vec<&str> = org.lines().filter(|line| !line.contains("ssh-ed25519")).collect();
    assert_snapshot!(without_keys.join("\n"), @r#"
    # People and groups, as Backstage entities, proposed by `countersign init --from` from the 23 changes that landed from
    # 2024-12-19 to 2025-05-15 on main of shop.git. Check them: an edit counts once two people have signed it,
    # `countersign amend`.
    #
    # Levels are standard, senior, principal and director. Senior is proposed for founders, and for whoever is named by
    # git as having looked at 12 or more changes of 3 or more others in 3 or more different months. That is activity, not
    # judgement: say yourself who is senior.
    #
    # No history has keys. Whoever has none is known as the author of their commits, and can approve nothing: add
    # `countersign/keys: |` with one OpenSSH public key a line below their annotations.
    apiVersion: backstage.io/v1alpha1
    kind: Group
    metadata:
      name: everyone
    spec:
      type: organization
      children: []
    ---
    # Whom CODEOWNERS names as owners of billing, and who else carried it: barbara (CODEOWNERS) wrote 5 and looked at 0,
    # linus (CODEOWNERS) wrote 5 and looked at 0. In all 5 people had a part.
    apiVersion: backstage.io/v1alpha1
    kind: Group
    metadata:
      name: billing-owners
    spec:
      type: team
      parent: everyone
      children: []
      members: [barbara, linus]
    ---
    # CODEOWNERS names @gone as owners of docs. Who carried 80% of it is proposed: ada wrote 1 and looked at 0. In all 1
    # person had a part.
    # Nobody of the group above owns with it: with fewer than two members somebody is irreplaceable. Name a second.
    apiVersion: backstage.io/v1alpha1
    kind: Group
    metadata:
      name: docs-owners
    spec:
      type: team
      parent: everyone
      children: []
      members: [ada]
    ---
    # @org/everybody of CODEOWNERS. Git does not know who is in it: these carried 80% of everybody and are proposed: ada
    # wrote 1 and looked at 0. In all 1 person had a part.
    # Nobody of the group above owns with it: with fewer than two members somebody is irreplaceable. Name a second.
    apiVersion: backstage.io/v1alpha1
    kind: Group
    metadata:
      name: everybody
    spec:
      type: team
      parent: everyone
      children: []
      members: [ada]
    ---
    # @org/platform of CODEOWNERS. Git does not know who is in it: these carried 80% of infra and are proposed: ada wrote
    # 5 and looked at 5, grace wrote 0 and looked at 5, linus wrote 5 and looked at 0. In all 3 people had a part.
    apiVersion: backstage.io/v1alpha1
    kind: Group
    metadata:
      name: platform
    spec:
      type: team
      parent: everyone
      children: []
      members: [ada, grace, linus]
    ---
    # A hand in 6 changes; looked at 6 of 1 other, in 6 months.
    apiVersion: backstage.io/v1alpha1
    kind: User
    metadata:
      name: ada
      annotations:
        countersign/level: senior
        countersign/keys: |
    spec:
      profile:
        displayName: "Ada Lovelace"
        email: ada@shop.test
      memberOf: [everyone]
    ---
    # A hand in 0 changes; looked at 15 of 3 others, in 5 months: senior is proposed for that.
    apiVersion: backstage.io/v1alpha1
    kind: User
    metadata:
      name: grace
      annotations:
        countersign/level: senior
        countersign/keys: |
    spec:
      profile:
        displayName: "Grace Hopper"
        email: grace@shop.test
      memberOf: [everyone]
    ---
    # A hand in 5 changes; git does not name them as having looked at any of others.
    apiVersion: backstage.io/v1alpha1
    kind: User
    metadata:
      name: barbara
      annotations:
        countersign/level: standard
    spec:
      profile:
        displayName: Barbara
        email: "7+barbara@users.noreply.github.com"
      memberOf: [everyone]
    ---
    # A hand in 10 changes; git does not name them as having looked at any of others.
    apiVersion: backstage.io/v1alpha1
    kind: User
    metadata:
      name: linus
      annotations:
        countersign/level: standard
        countersign/mails: linus@shop.test
    spec:
      profile:
        displayName: "Linus Torvald"
        email: linus@old.test
      memberOf: [everyone]
    ---
    # A hand in 1 change; git does not name them as having looked at any of others.
    apiVersion: backstage.io/v1alpha1
    kind: User
    metadata:
      name: mal
      annotations:
        countersign/level: standard
    spec:
      profile:
        displayName: "Mal�[31mlory�: {x} # \"'�-"
        email: mal@shop.test
      memberOf: [everyone]
    "#);
    assert_snapshot!(stage.read("home/catalog/systems.yaml"), @r#"
    # What runs in production, proposed by `countersign init --from` from the 23 changes that landed from 2024-12-19 to
    # 2025-05-15 on main of shop.git: a system for each set of owners that CODEOWNERS names, and one for everything else.
    # Rename, split and join them until they are what you operate.
    #
    # The tier says how much a failure matters: 1 is highest, 4 lowest. Tier 1 is proposed where 50% or more of the
    # changes touch infrastructure, deployment, access control or a schema, tier 2 where 10% or more do, else tier 3. Git
    # does not know what an outage costs: you do.
    #
    # A git gate is told which paths reach which system; this covers every path of the branch today, and only watches:
    #
    #   countersign gate install REPOSITORY.git --key KEY --name NAME --trust HOME/trust.json --mode watch \
    #     --branch='main' \
    #     --map='billing/**=billing/production' \
    #     --map='infra/**=infra/production' \
    #     --map='docs/**=docs/production' \
    #     --map='*=everybody/production'

    # /billing/, of @barbara and linus@shop.test by CODEOWNERS. Changes: 12; none touches infrastructure, deployment,
    # access control or a schema.
    apiVersion: backstage.io/v1alpha1
    kind: System
    metadata:
      name: billing
      annotations:
        countersign/tier: "3"
        countersign/paths: |
          billing/**
    spec:
      owner: billing-owners
    ---
    # /infra/, of @org/platform by CODEOWNERS. Changes: 10; of them touch infrastructure, deployment, access control or a
    # schema: 10 (infrastructure 10).
    apiVersion: backstage.io/v1alpha1
    kind: System
    metadata:
      name: infra
      annotations:
        countersign/tier: "1"
        countersign/paths: |
          infra/**
    spec:
      owner: platform
    ---
    # /docs/, of @gone by CODEOWNERS. Changes: 1; none touches infrastructure, deployment, access control or a schema.
    apiVersion: backstage.io/v1alpha1
    kind: System
    metadata:
      name: docs
      annotations:
        countersign/tier: "3"
        countersign/paths: |
          docs/**
    spec:
      owner: docs-owners
    ---
    # *, of @org/everybody by CODEOWNERS. Changes: 1; none touches infrastructure, deployment, access control or a schema.
    apiVersion: backstage.io/v1alpha1
    kind: System
    metadata:
      name: everybody
      annotations:
        countersign/tier: "3"
        countersign/paths: |
          *
    spec:
      owner: everybody
    "#);
    assert_snapshot!(stage.read("home/rules/tier-1-senior.cedar").split("@id").next().unwrap(), @r#"
    // Written by `countersign init --from` for shop.git, branch main.
    // Put to the 23 changes that landed from 2024-12-19 to 2025-05-15, it would have stopped 6 of the 23 that change a
    // path, for want of what git carries. Of these 0 were later reverted, of 0 reverted in all. It would have asked for
    // 0.3 approvals a week besides the 1.0 that git carries.
    // An approval count is supported where 2 more people are there than it asks for: one made the change, and one is
    // away. infra is the tier 1 system with the fewest people: 3 people had a part in it in the last 180 days, so 1 is
    // supported, and not the 2 as shipped. There were 2 seniors of late with the founders, fewer than the 3 by which one
    // approval by a senior is supported: name more before this is enforced.
    // In watch: evaluated and told, it stops nothing. A mandatory rule cannot be in watch, so it is waivable here. To
    // enforce it, write @mode("enforce") and @strength("mandatory"), and amend.
    //
    // The systems whose failure everybody notices need somebody senior besides the author. As shipped, this rule asks for two
    // people besides the author; the history from which this home began does not support that.
    "#);
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
    let words =
        "propose --key ada --target infra/production --kind config --file flags.json --title T --why W --format json";
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
    assert_eq!(outcome(&shown), "allow", "rules in watch stop nothing: {shown}");
    let unmet: Vec<&str> = shown["decision"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| rule["status"] == "unsatisfied")
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert!(unmet.contains(&"documented"), "{shown}");

    // The gate takes the map as it is written beside the systems.
    let systems = stage.read("home/catalog/systems.yaml");
    install(&stage, &systems, &server.url);
}

/// Installs the gate with the map as it is written beside the systems.
fn install(stage: &Stage, systems: &str, url: &str) {
    let mut install =
        format!("gate install shop.git --key ada --name shop-git --trust home/trust.json --mode watch --url {}", url);
    for line in systems.lines().filter_map(|line| line.strip_prefix("#     ")) {
        install.push(' ');
        install.push_str(&line.trim_end_matches(" \\").replace('\'', ""));
    }
    let installed = stage.run(&install);
    assert_eq!(installed.status, 0, "{installed}");
}

/// What the proposal says of a gate's limit is the gate's limit.
#[test]
fn a_gate_takes_as_many_entries() {
    assert_eq!(countersign_audit::start::MAX_MAP, countersign::gates::git::config::MAX_ENTRIES);
}

/// More people than one file of a catalog takes.
#[test]
fn a_crowd_is_told_apart_and_bounded() {
    let mut line = Line::new();
    for at in 0..12_000 {
        line.2 = EPOCH;
        let name = "n".repeat(60);
        line.change(
            &format!("{name} {at} <someone.{at}@{name}.test>"),
            "a",
            if at == 0 { &["src/a"] } else { &[] },
            &[],
        );
    }
    let stage = stage(&line.0);
    let run = stage.run(&format!("init home --name log --from shop.git --format json {FOUNDERS}"));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    assert_eq!(run.json()["from"]["people"]["people"], 12_002);
    assert!(stage.path("home/catalog/org-2.yaml").exists());
}

/// Every kind of repository that an audit takes, also one without a file.
#[test]
fn every_kind_of_repository() {
    let mut line = Line::new();
    line.change(ADA, "nothing", &[], &[]);
    let stage = stage(&line.0);
    let run = stage.run(&format!("init empty --name log --from shop.git {FOUNDERS}"));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    stage.bare("full.git", &shop(OWNERS));
    let url = format!("file://{}", stage.path("full.git").display());
    stage.git(&["clone", "--quiet", "--depth", "3", &url, "shallow"]);
    stage.git(&["clone", "--quiet", "--bare", "--filter=blob:none", &url, "partial.git"]);
    stage.git(&["-C", "shallow", "checkout", "--quiet", "--detach"]);
    stage.bare_of("sha256.git", &shop(OWNERS), "sha256");
    for repository in ["shallow/docs", "partial.git", "sha256.git"] {
        let run = stage.run(&format!("init {repository}-home --name log --from {repository} {FOUNDERS}"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{repository}: {run}");
    }
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
    stage.key("barbara");
    stage.write(
        "signers",
        &format!(
            "linus@old.test {key}new@shop.test {}barbara@users.noreply.github.com {}",
            stage.read("new.pub"),
            stage.read("barbara.pub")
        ),
    );
    let run =
        stage.run(&format!("init home --name log --from shop.git --allowed-signers signers --format json {FOUNDERS}"));
    assert_eq!(run.status, 0, "{run}");
    let people = &run.json()["from"]["people"];
    assert_eq!(people["without_keys"], json!(["mal"]), "{run}");
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
    assert_snapshot!(run, @r"
    status 1
    --- stderr
    error: nothing landed since 2099-01-01, so there is nobody to begin with
    hint: choose an earlier --since, or leave it out: the year before the newest change counts then
    ");
    assert!(!stage.path("home").exists());
}

#[test]
fn nothing_is_written_where_the_history_cannot_be_read() {
    let stage = stage(&shop(""));
    let before = files(&stage, "shop.git");
    assert_snapshot!(stage.run(&format!("init home --from nowhere.git {FOUNDERS}")), @r"
    status 1
    --- stderr
    error: `nowhere.git` is no git repository: there is no such directory
    hint: name a directory with a checkout or a bare repository
    ");
    assert_snapshot!(stage.run(&format!("init home --from shop.git --branch mian {FOUNDERS}")), @r"
    status 1
    --- stderr
    error: there is no branch `mian` in `shop.git`
    hint: did you mean `main`?
    ");
    fs::copy(stage.path("ada.pub"), stage.path("only.pub")).unwrap();
    assert_snapshot!(stage.run("init home --from shop.git --founder ada=ada@shop.test=only.pub"), @r"
    status 1
    --- stderr
    error: no founder's private key is here, so nobody can sign the genesis
    hint: make the home where at least one founder can sign, or load the key into the agent: ssh-add KEY
    ");
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
    assert_snapshot!(told(&run.stdout), @r#"
    From shop.git, branch main
      2 landed changes read. People, systems and numbers come from the 2 that landed in the 365 days
      before the newest, 2023-11-14 to 2023-11-15 (--since DATE asks for others). All of it is a
      proposal.

    Systems by top folders, with the tier that their changes suggest
      system                          changes  tier  owners  people  of late
      src                                   2     3       1       1        1

    Rules, and what they would have done to these changes
      rule                          mode       stopped          reverted  approvals a week
      ai-assisted-senior            watch            0    0.0%         0               0.0
      applier-apart                 watch            0    0.0%         0               0.0
      documented                    watch            2  100.0%         0               0.0
      fresh-guidance                watch            0    0.0%         0               0.0
      owner-approves                watch            2  100.0%         0               2.0
      second-pair-of-eyes           enforce          2  100.0%         0               2.0
      tier-1-senior                 watch            0    0.0%         0               0.0
      Of 2 changes, 0 were later reverted. Git carries 0.0 approvals a week, and these would come on
      top. A rule in watch is evaluated and told, and stops nothing. second-pair-of-eyes is enforced,
      since the engine asks for a second person in production whatever the rules say; it binds where a
      gate is installed. tier-1-senior asks for one approval, by a senior; it is mandatory as shipped,
      which no rule in watch can be, and waivable here.

    Look at first
      Levels: nobody but the founders is proposed as senior. Senior is whom git names on 12 or more
      changes of 3 or more others in 3 or more months. That is activity, not judgement: say yourself who
      is.
      One person or nobody of late: src. No group above owns it with them; name a second owner.
      Git names nobody who looked at a change of somebody else, so owners are those who wrote. Reviews
      may be with the forge.

    Next
      countersign serve --home home
      watch the repository, which stops nothing and writes down what it would have stopped:
        countersign gate install shop.git --name shop-git --trust home/trust.json \
          --mode watch '--branch=main' \
          '--map=**=src/production'
        after a week: countersign gate report shop.git
      edit home/catalog and home/rules, then: countersign amend home --why …
      keep a copy of home/keys somewhere safe: whoever has them can speak as this server
      before a rule is enforced, see what the one that you changed would have done:
        countersign audit REPO --rules home/rules --catalog home/catalog --compare CHANGED/rules
      to enforce a rule: @mode("enforce") in home/rules/RULE.cedar, then amend
    "#);
    assert_eq!(stage.run("rules test home/rules").status, 0);
    assert_snapshot!(stage.read("home/rules/tier-1-senior.cedar"), @r#"
    // Written by `countersign init --from` for shop.git, branch main.
    // Put to the 2 changes that landed from 2023-11-14 to 2023-11-15, it would have stopped 0 of the 2 that change a
    // path, for want of what git carries. Of these 0 were later reverted, of 0 reverted in all. It would have asked for
    // 0.0 approvals a week besides the 0.0 that git carries.
    // An approval count is supported where 2 more people are there than it asks for: one made the change, and one is
    // away. No system is proposed as tier 1, so that the rule applies to nothing yet; in all 1 person had a part in
    // something in the last 180 days, so not even 1 is supported; a rule cannot ask for less, and changes will wait.
    // There was 1 senior of late with the founders, fewer than the 3 by which one approval by a senior is supported: name
    // more before this is enforced.
    // In watch: evaluated and told, it stops nothing. A mandatory rule cannot be in watch, so it is waivable here. To
    // enforce it, write @mode("enforce") and @strength("mandatory"), and amend.
    //
    // The systems whose failure everybody notices need somebody senior besides the author. As shipped, this rule asks for two
    // people besides the author; the history from which this home began does not support that.
    @id("tier-1-senior")
    @requires("approval:senior:1")
    @because("A tier 1 system takes a senior besides the author.")
    @remedy("countersign review {change}")
    @mode("watch")
    @strength("waivable")
    forbid (
      principal,
      action == Countersign::Action::"apply",
      resource
    )
    when { resource.production && resource.tier == 1 }
    unless { resource.approvals.senior >= 1 };
    "#);
}
