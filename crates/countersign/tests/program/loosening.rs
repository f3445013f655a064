//! Changes of rules, catalog and people that let more through: two of the policy group, a wait, and what is told of them; rules
//! that are switched off and on again; people who came lately.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Run, Server, Stage, until};

const RULE: &str = "home/rules/documented.cedar";

struct Shop {
    stage: Stage,
    server: Server,
}

impl Shop {
    /// A home of ada and grace, in which what loosens waits so long.
    fn new(wait: &str) -> Self {
        let stage = Stage::with_keys(&["ada", "grace", "linus", "mallory", "dave"]);
        let founders = "--founder ada=ada@example.com=ada --founder grace=grace@example.com=grace";
        let run = stage.run(&format!("init home --name log --loosening-wait {wait} {founders}"));
        assert_eq!(run.status, 0, "{run}");
        let server = stage.serve();
        Self { stage, server }
    }

    fn say(&self, words: &str) -> Run {
        self.stage.run(&format!("--url {} {words}", self.server.url))
    }

    fn did(&self, words: &str) -> Run {
        let run = self.say(words);
        assert_eq!(run.status, 0, "{words}: {run}");
        run
    }

    /// Puts another text into a file of the home, and proposes that.
    fn amend(&self, path: &str, from: &str, to: &str) -> String {
        let text = self.stage.read(path);
        assert!(text.contains(from), "{path}: {from}");
        self.stage.write(path, &text.replace(from, to));
        let run = self.did("amend home --why edited --key ada --format json");
        run.json()["change"].as_str().unwrap().to_owned()
    }

    /// The same, in force.
    fn in_force(&self, path: &str, from: &str, to: &str) {
        let id = self.amend(path, from, to);
        self.did(&format!("approve {id} --key grace --publish"));
    }

    /// People of the owner group, with their keys.
    fn enrol(&self, names: &[&str]) {
        let mut org = self.stage.read("home/catalog/org.yaml");
        for name in names {
            let key = self.stage.read(&format!("{name}.pub"));
            org.push_str(&format!(
                "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    \
                 countersign/keys: {}\nspec:\n  profile:\n    email: {name}@example.com\n  memberOf: [owners]\n",
                key.trim()
            ));
        }
        self.stage.write("home/catalog/org.yaml", &org);
        let id =
            self.did("amend home --why joins --key ada --format json").json()["change"].as_str().unwrap().to_owned();
        self.did(&format!("approve {id} --key grace --publish"));
    }

    /// A change of a file, with a word of why.
    fn propose(&self, by: &str, content: &str) -> String {
        self.stage.write("app.yaml", content);
        let words = format!(
            "--url {} propose --target example/production --kind config --file app.yaml --title t --why w --key {by} --format json",
            self.server.url
        );
        let words: Vec<&str> = words.split(' ').chain(["--command", "cat app.yaml"]).collect();
        let run = self.stage.run_words(&words);
        assert_eq!(run.status, 0, "{run}");
        run.json()["id"].as_str().unwrap().to_owned()
    }
}

/// What a run says, with a change's id and the moment masked.
fn told(run: &Run, id: &str) -> String {
    let is_moment = |word: &&str| word.len() >= 20 && word.starts_with("20") && word.contains('T');
    let masked = run.to_string().replace(id, "CHANGE").replace(&id[..12], "CHANGE");
    let lines = masked.lines().map(|line| {
        let words = line.split(' ').map(|word| if is_moment(&word) { "MOMENT," } else { word });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_loosens_waits_and_says_until_when() {
    let shop = Shop::new("24h");
    let id = shop.amend(RULE, "@mode(\"enforce\")", "@mode(\"watch\")");
    let run = shop.did(&format!("show {id}"));
    assert!(run.stdout.contains("loosens: rule documented stops nothing any more: it is only watched"), "{run}");
    let run = shop.did(&format!("approve {id} --key grace"));
    assert_snapshot!(told(&run, &id).split("--- stderr").next().unwrap(), @"
    status 0
    --- stdout
    grace approved revision 1 of CHANGE (leaf 2)
    deny: something is missing
      loosening              unsatisfied
        missing: the time until MOMENT, in which anybody can still reject it
        who:     ada, grace
        how:     then, and not before: countersign publish CHANGE
        because: What lets more through, or gives somebody more of a say, is seen by those who would object before it holds.
      0 rules are met
      7 rules do not apply
    ");
    // Nobody puts it in force before, and anybody can still stop it.
    assert_snapshot!(told(&shop.say(&format!("publish {id} --key ada")), &id), @"
    status 3
    --- stderr
    error: the rules in force do not allow change CHANGE:
      loosening
        missing: the time until MOMENT, in which anybody can still reject it
        who:     ada, grace
        how:     then, and not before: countersign publish CHANGE
        because: What lets more through, or gives somebody more of a say, is seen by those who would object before it holds.
    ");
    let mine = shop.did("--key ada --format json").json();
    assert_snapshot!(told(&shop.did("--key ada"), &id), @"
    status 0
    --- stdout
    Nothing waits for you, ada.
    Comes into force unless somebody rejects it
      CHANGE  edited  governance/log  by ada, a moment ago
                    it loosens: the time until MOMENT, in which anybody can still reject it
                    whoever would stop it: countersign reject CHANGE --why TEXT
    Yours
      CHANGE  edited  governance/log  proposed, a moment ago
                    the time until MOMENT, in which anybody can still reject it: ada or grace
                    countersign show CHANGE
    ");
    assert_eq!(mine["mine"][0]["allowed"], false, "{mine}");
    shop.did(&format!("reject {id} --key grace --why not-that-one"));
    let run = shop.say(&format!("publish {id} --key ada"));
    assert!(run.status == 3 && run.stderr.contains("no-rejection"), "{run}");
    // What asks for more does not wait.
    shop.stage.write(RULE, &shop.stage.read(RULE).replace("@mode(\"watch\")", "@mode(\"enforce\")"));
    shop.in_force("home/catalog/systems.yaml", "countersign/tier: \"2\"", "countersign/tier: \"1\"");
}

#[test]
fn after_the_wait_anybody_puts_it_in_force() {
    let shop = Shop::new("1s");
    let id = shop.amend(RULE, "@mode(\"enforce\")", "@mode(\"watch\")");
    shop.did(&format!("approve {id} --key grace"));
    until("it has waited", || shop.say(&format!("publish {id} --key ada")).status == 0);
    let run = shop.did("export copy");
    drop(run);
    assert_eq!(shop.stage.run("verify copy --trust home/trust.json").status, 0);
}

#[test]
fn a_rule_switched_off_and_on_again_is_a_finding() {
    let shop = Shop::new("0s");
    let documented = shop.propose("ada", "timeout: 30\n");
    shop.did(&format!("approve {documented} --key grace --file app.yaml"));
    let apply = |id: &str| shop.say(&format!("apply {id} --key ada --file app.yaml -- cat app.yaml"));
    assert_eq!(apply(&documented).status, 3, "it says too little");
    shop.in_force(RULE, "@mode(\"enforce\")", "@mode(\"watch\")");
    let run = apply(&documented);
    assert_eq!(run.status, 0, "{run}");
    shop.in_force(RULE, "@mode(\"watch\")", "@mode(\"enforce\")");
    let findings = || shop.did("findings --about rule/documented --format json").json();
    until("it is found", || findings().as_array().is_some_and(|found| !found.is_empty()));
    let found = findings();
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    let Value::String(said) = &found[0]["said"] else { panic!("{found}") };
    assert_snapshot!(said.replace(&documented[..12], "CHANGE"), @"rule documented let more through for a while, and meanwhile passed to example/production what it stopped before and stops again: CHANGE");
    assert_eq!(found[0]["kind"], "rule-switched");
    // Nobody else is here: then the two are asked, and it says so.
    assert_eq!(found[0]["who"], serde_json::json!(["ada", "grace"]));
    let id = found[0]["id"].as_str().unwrap();
    let shown = shop.did(&format!("review {id} --key ada"));
    assert!(shown.stdout.contains("nobody is here who had no hand in switching it"), "{shown}");
    // Once, and nothing where nothing passed.
    shop.in_force(RULE, "@mode(\"enforce\")", "@mode(\"watch\")");
    shop.in_force(RULE, "@mode(\"watch\")", "@mode(\"enforce\")");
    shop.in_force("home/catalog/systems.yaml", "countersign/tier: \"2\"", "countersign/tier: \"1\"");
    assert_eq!(findings().as_array().map(Vec::len), Some(1));
}

const SYSTEMS: &str = "home/catalog/systems.yaml";
const TIER_1: &str = "countersign/tier: \"1\"";
const TIER_2: &str = "countersign/tier: \"2\"";

/// Applies what rule tier-1-senior stops once something else governs, and expects the finding after that has been taken back.
fn passes_for_a_while(shop: &Shop, approvers: &[&str], path: &str, from: &str, to: &str) {
    let id = shop.propose("linus", "timeout: 30\n");
    shop.did(&format!("disclose {id} --none --key linus"));
    for approver in approvers {
        shop.did(&format!("approve {id} --key {approver} --file app.yaml"));
    }
    let apply = || shop.say(&format!("apply {id} --key linus --file app.yaml -- cat app.yaml"));
    let run = apply();
    assert_eq!(run.status, 3, "{run}");
    shop.in_force(path, from, to);
    let run = apply();
    assert_eq!(run.status, 0, "{run}");
    let findings = || shop.did("findings --about rule/tier-1-senior --format json").json();
    assert_eq!(findings().as_array().map(Vec::len), Some(0));
    shop.in_force(path, to, from);
    until("it is found", || findings().as_array().is_some_and(|found| !found.is_empty()));
    let found = findings();
    assert_eq!(found[0]["kind"], "rule-switched", "{found}");
    assert!(found[0]["said"].as_str().is_some_and(|said| said.contains(&id[..12])), "{found}");
    // Neither who proposed it nor who approved it is asked, and neither answers.
    let who: Vec<&str> = found[0]["who"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(!who.is_empty() && !who.contains(&"ada") && !who.contains(&"grace"), "{who:?}");
    let finding = found[0]["id"].as_str().unwrap();
    for by in ["ada", "grace"] {
        let run = shop.say(&format!("review {finding} --answer it-was-meant --key {by}"));
        assert!(run.status == 3 && run.stderr.contains("had a hand in it"), "{by}: {run}");
    }
    shop.did(&format!("review {finding} --answer looked-at-it --key {}", who[0]));
}

#[test]
fn a_tier_lowered_and_raised_again_is_a_finding() {
    let shop = Shop::new("0s");
    shop.enrol(&["linus", "mallory"]);
    shop.in_force(RULE, "@mode(\"enforce\")", "@mode(\"watch\")");
    shop.in_force(SYSTEMS, TIER_2, TIER_1);
    passes_for_a_while(&shop, &["mallory"], SYSTEMS, TIER_1, TIER_2);
}

#[test]
fn somebody_promoted_and_demoted_again_is_a_finding() {
    let shop = Shop::new("0s");
    shop.enrol(&["linus", "mallory", "dave"]);
    shop.in_force(RULE, "@mode(\"enforce\")", "@mode(\"watch\")");
    shop.in_force(SYSTEMS, TIER_2, TIER_1);
    let mallory = "name: mallory\n  annotations:\n";
    let senior = format!("{mallory}    countersign/level: senior\n");
    passes_for_a_while(&shop, &["mallory", "dave"], "home/catalog/org.yaml", mallory, &senior);
}

#[test]
fn a_newcomer_does_not_count_beside_who_enrolled_them() {
    let shop = Shop::new("0s");
    shop.enrol(&["linus", "mallory"]);
    shop.in_force(RULE, "@mode(\"enforce\")", "@mode(\"watch\")");
    let id = shop.propose("ada", "timeout: 31\n");
    let run = shop.did(&format!("approve {id} --key linus --file app.yaml"));
    assert!(run.stdout.contains("deny"), "{run}");
    let shown = shop.did(&format!("show {id}"));
    let line = shown.stdout.lines().find(|line| line.contains("newcomer")).unwrap_or_default();
    assert!(line.contains("linus is a newcomer until 20"), "{shown}");
    assert!(line.contains("enrolled by ada and grace: they do not count together"), "{shown}");
    assert!(shown.stdout.contains("who:     grace\n"), "nobody else is of use: {shown}");
    // Where neither of those has a part in it, newcomers are people like all others.
    let id = shop.propose("linus", "timeout: 32\n");
    let run = shop.did(&format!("approve {id} --key mallory --file app.yaml"));
    assert!(run.stdout.contains("allow"), "{run}");
}

#[test]
fn too_few_people_to_open_tier_1_are_refused() {
    let shop = Shop::new("0s");
    shop.enrol(&["linus"]);
    shop.in_force("home/catalog/systems.yaml", "countersign/tier: \"2\"", "countersign/tier: \"1\"");
    let rule = "home/rules/tier-1-senior.cedar";
    let text = shop.stage.read(rule);
    let two = "approval:independent:2@people>=3";
    shop.stage.write(
        rule,
        &text
            .replace(&format!(", {two}"), "")
            .replace("resource.approvals.independent >= 2", "resource.approvals.independent >= 1"),
    );
    let run = shop.say("amend home --why calmer --key ada");
    assert_snapshot!(run.to_string().lines().filter(|line| line.starts_with("error") || line.starts_with("hint")).collect::<Vec<_>>().join("\n"), @"
    error: by this 2 people alone could open example/production, which is tier 1: ada proposes, grace approves
    hint: have a rule ask for more that nobody can waive alone: 3 people with whoever proposes on tier 1, 2 in all other production
    ");
}
