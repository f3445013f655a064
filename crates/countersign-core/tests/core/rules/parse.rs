//! What a rule file may not say, and what it is told instead.

use countersign_core::rules::{BASE_PERMIT, Literals, MAX_RULES, Rules, schema};
use insta::assert_snapshot;

use super::{SCOPE, one, parsed, rule_file, shipped, shipped_rules};

/// The message for one file with this text.
fn refusal(text: &str) -> String {
    Rules::parse(&one(text)).map(|_| "it parsed".to_owned()).unwrap_or_else(|error| error.to_string())
}

/// The message for an otherwise good rule with this body.
fn body(body: &str) -> String {
    refusal(&rule_file("r", "enforce", "waivable", "approval:owner:1", body))
}

fn condition(condition: &str) -> String {
    body(&format!("{SCOPE} when {{ {condition} }};"))
}

#[test]
fn text_that_is_not_cedar() {
    assert_snapshot!(body("forbid (principal, action, resource) wenn { true };"), @"
    a.cedar:7: this is not Cedar: invalid policy condition: wenn
      hint: condition must be either `when` or `unless`
    ");
    assert_snapshot!(refusal("// nothing\n"), @"
    a.cedar: there is no rule in the file
      hint: write a `forbid`, or remove the file
    ");
}

#[test]
fn scope() {
    assert_snapshot!(body("permit (principal, action == Countersign::Action::\"apply\", resource);"), @"
    a.cedar:1: a rule is a `forbid`, never a `permit`
      hint: what no rule forbids is permitted; turn the condition round: `forbid … when { it applies } unless { it is met }`
    ");
    assert_snapshot!(body("forbid (principal == Countersign::Gate::\"any\", action == Countersign::Action::\"apply\", resource);"), @"
    a.cedar:1: the rule names a principal
      hint: write `principal` alone: a rule judges the change, not the gate that asks
    ");
    assert_snapshot!(body("forbid (principal, action, resource);"), @r#"
    a.cedar:1: the rule does not name the action
      hint: write `action == Countersign::Action::"apply"`
    "#);
    assert_snapshot!(body("forbid (principal, action == Countersign::Action::\"aply\", resource);"), @"
    a.cedar:1: it does not fit the schema: unable to find an applicable action given the policy scope constraints
      hint: `countersign rules schema` prints what a rule can ask about
    ");
    assert_snapshot!(body("forbid (principal, action == Countersign::Action::\"apply\", resource == Countersign::Change::\"x\");"), @"
    a.cedar:1: the rule is about one single change
      hint: write `resource`, or `resource in` a Countersign::System, Environment, Kind or Group
    ");
    assert_snapshot!(body("forbid (principal, action == Countersign::Action::\"apply\", resource in ?resource);"), @"
    a.cedar: templates (`?principal`, `?resource`) are no rules
      hint: write the entity into the rule
    ");
    assert_snapshot!(body("forbid (principal, action == Countersign::Action::\"apply\", resource in Countersign::Kind::\"konfig\");"), @r#"
    a.cedar:7: it does not fit the schema: entity `Countersign::Kind::"konfig"` is of an enumerated entity type, but `"konfig"` is not declared as a valid eid
      hint: valid entity eids: "code", "config", "infrastructure", "schema", "flag", "rules", "agent"
    "#);
}

#[test]
fn annotations() {
    let good = rule_file("r", "enforce", "waivable", "approval:owner:1", &format!("{SCOPE};"));
    let without = |line: &str| {
        let kept: Vec<&str> = good.lines().filter(|kept| !kept.starts_with(line)).collect();
        refusal(&kept.join("\n"))
    };
    assert_eq!(refusal(&good), "it parsed");
    assert_snapshot!(without("@id"), @r#"
    a.cedar:1: the annotation `@id` is missing
      hint: add `@id("owner-approves")`
    "#);
    assert_snapshot!(without("@requires"), @r#"
    a.cedar:1: the annotation `@requires` is missing
      hint: add `@requires("approval:owner:1")`
    "#);
    assert_snapshot!(without("@because"), @r#"
    a.cedar:1: the annotation `@because` is missing
      hint: add `@because("Whoever is woken at night has seen the change.")`
    "#);
    assert_snapshot!(without("@remedy"), @r#"
    a.cedar:1: the annotation `@remedy` is missing
      hint: add `@remedy("countersign review {change}")`
    "#);
    assert_snapshot!(without("@mode"), @r#"
    a.cedar:1: the annotation `@mode` is missing
      hint: add `@mode("enforce")` or `@mode("watch")`
    "#);
    assert_snapshot!(without("@strength"), @r#"
    a.cedar:1: the annotation `@strength` is missing
      hint: add `@strength("waivable")` or `@strength("mandatory")`
    "#);
    assert_snapshot!(refusal(&format!("// see below\n@owner(\"x\")\n{good}")), @"
    a.cedar:2: there is no annotation `@owner`
      hint: a rule has @id, @requires, @because, @remedy, @mode and @strength, and may have @carry and @waivers
    ");
    let with = |id: &str, mode: &str, strength: &str, requires: &str| {
        refusal(&rule_file(id, mode, strength, requires, &format!("{SCOPE};")))
    };
    assert_snapshot!(with("Not An Id", "enforce", "waivable", "disclosure"), @r#"
    a.cedar:1: `@id("Not An Id")` is not valid
      hint: lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit
    "#);
    assert_snapshot!(with("floor", "enforce", "waivable", "disclosure"), @"
    a.cedar:1: `floor` is the name of a check that is built in
      hint: choose another @id
    ");
    assert_snapshot!(with("r", "on", "waivable", "disclosure"), @r#"
    a.cedar:1: `@mode("on")` is not valid
      hint: write `enforce` or `watch`
    "#);
    assert_snapshot!(with("r", "enforce", "strong", "disclosure"), @r#"
    a.cedar:1: `@strength("strong")` is not valid
      hint: write `waivable` or `mandatory`
    "#);
    assert_snapshot!(with("r", "watch", "mandatory", "disclosure"), @r#"
    a.cedar:1: a mandatory rule cannot be in watch
      hint: write `@strength("waivable")` to try it out, or `@mode("enforce")`
    "#);
    assert_snapshot!(with("r", "enforce", "waivable", ""), @r#"
    a.cedar:1: `@requires("")` is not valid
      hint: separate by commas: approval:independent:N, approval:owner:N, approval:senior:N, approval:group:NAME:N, approval:touch:N, approval:verified:N, approval:material:N, approval:oncall:N, approval:present:N, approval:recent:HOURSh:N, approval:apart:ROLE:N+ROLE:N, guidance:fresh, document:why:CHARS, document:risk:CHARS, document:rollback:CHARS, document:tests:CHARS, evidence:KIND, disclosure, title:FORM, link:HOST, commits:signed, label:NAME, no-label:NAME, applier:apart; each may end in a condition such as @tier<=2, @tier=1 or @people>=3; `a | b` asks for either, and `a | b@waiting>=8wh` for a, or after 8 working hours also for b
    "#);
    assert_snapshot!(with("r", "enforce", "waivable", "approval:boss:1"), @r#"
    a.cedar:1: `@requires("approval:boss:1")` is not valid
      hint: write one of approval:independent:N, approval:owner:N, approval:senior:N, approval:group:NAME:N, approval:touch:N, approval:verified:N, approval:material:N, approval:oncall:N, approval:present:N, approval:recent:HOURSh:N, approval:apart:ROLE:N+ROLE:N
    "#);
    let hint = |text: &str| {
        let told = with("r", "enforce", "waivable", text);
        told.split("hint: ").nth(1).unwrap().trim().to_owned()
    };
    assert_snapshot!(hint("approval:owners:1"), @"did you mean `approval:owner:N`? N is 1 to 9");
    assert_snapshot!(hint("disclosure, aproval:owner:1@tier=1"), @"did you mean `approval:owner:N`? N is 1 to 9");
    assert_snapshot!(hint("approval:owner:12"), @"it reads `approval:owner:N`. N is 1 to 9");
    assert_snapshot!(hint("approval:owner:1@tier2"), @"a condition is such as @tier<=2, @tier=1 or @people>=3");
    assert_snapshot!(hint("label:Hold!"), @"it reads `label:NAME`. NAME is of lower-case letters, digits and `-_./`");
    assert_snapshot!(hint("document:wy:10 | disclosure"), @"did you mean `document:why:CHARS`? CHARS is 1 to 10000");
    assert_snapshot!(refusal(&good.replace("{change}", "{id}")), @r#"
    a.cedar:1: `@remedy("countersign mend {id}")` is not valid
      hint: a command with `{change}` where the change's id goes, and no other placeholder
    "#);
}

#[test]
fn conditions_that_do_not_fit_the_schema() {
    assert_snapshot!(condition("resource.tiers == 1"), @"
    a.cedar:7: it does not fit the schema: attribute `tiers` on entity type `Countersign::Change` not found
      hint: did you mean `tier`?
    ");
    assert_snapshot!(condition("resource.tier == \"1\""), @"
    a.cedar:7: it does not fit the schema: the types Long and String are not compatible
      hint: for policy `r`, both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible
    ");
    assert_snapshot!(condition("resource.approvals.senior >= true"), @"
    a.cedar:7: it does not fit the schema: unexpected type: expected Long but saw __cedar::internal::True
      hint: `countersign rules schema` prints what a rule can ask about
    ");
    assert_snapshot!(condition("resource in Countersign::Sytem::\"checkout\""), @"
    a.cedar:7: it does not fit the schema: unrecognized entity type `Countersign::Sytem`
      hint: did you mean `Countersign::System`?
    ");
    assert_snapshot!(condition("false"), @"
    a.cedar:1: it does not fit the schema: policy is impossible: the policy expression evaluates to false for all valid requests
      hint: `countersign rules schema` prints what a rule can ask about
    ");
}

#[test]
fn conditions_that_could_err_are_refused_because_a_forbid_that_errs_fails_open() {
    assert_snapshot!(condition("resource.tier + 1 == 2"), @"
    a.cedar:1: the condition uses `+`, which can err, and a `forbid` that errs fails open
      hint: compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be computed is an attribute
    ");
    assert_snapshot!(condition("resource.approvals.senior * 2 < 4"), @"
    a.cedar:1: the condition uses `*`, which can err, and a `forbid` that errs fails open
      hint: compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be computed is an attribute
    ");
    assert_snapshot!(condition("-resource.tier < 0"), @"
    a.cedar:1: the condition uses `neg`, which can err, and a `forbid` that errs fails open
      hint: compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be computed is an attribute
    ");
    assert_snapshot!(condition("datetime(\"2026-01-01\") < datetime(\"2026-02-01\")"), @"
    a.cedar:1: the condition uses `datetime`, which can err, and a `forbid` that errs fails open
      hint: compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be computed is an attribute
    ");
    assert_snapshot!(condition("ip(\"10.0.0.1\").isLoopback()"), @"
    a.cedar:1: the condition uses `isLoopback`, which can err, and a `forbid` that errs fails open
      hint: compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be computed is an attribute
    ");
    assert_snapshot!(condition("[1, resource.tier - 1].contains(0)"), @"
    a.cedar:1: the condition uses `-`, which can err, and a `forbid` that errs fails open
      hint: compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be computed is an attribute
    ");
    assert_snapshot!(condition("{a: resource.tier + 1}.a == 2"), @"
    a.cedar:1: the condition uses `+`, which can err, and a `forbid` that errs fails open
      hint: compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be computed is an attribute
    ");
    assert_snapshot!(condition("decimal(\"1.0\").lessThan(decimal(\"2.0\"))"), @"
    a.cedar:1: the condition uses `lessThan`, which can err, and a `forbid` that errs fails open
      hint: compare attributes with numbers and words, without arithmetic, dates, decimals or addresses; what has to be computed is an attribute
    ");
}

#[test]
fn twice_the_same_id_and_other_names() {
    let rule = rule_file("r", "enforce", "waivable", "disclosure", &format!("{SCOPE};"));
    assert_snapshot!(refusal(&format!("{rule}\n{rule}")), @"
    a.cedar:9: the rule `r` is already in a.cedar:1
      hint: every @id is there once
    ");
    let mut files = one(&rule);
    files.insert("b.cedar".to_owned(), format!("\n\n{rule}"));
    assert_snapshot!(Rules::parse(&files).unwrap_err(), @"
    b.cedar:3: the rule `r` is already in a.cedar:1
      hint: every @id is there once
    ");
    files = one(&rule);
    files.insert("README.md".to_owned(), "rules".to_owned());
    assert_snapshot!(Rules::parse(&files).unwrap_err(), @"
    README.md: the file's name does not end in `.cedar`
      hint: put rules into files such as `owner-approves.cedar`, and cases elsewhere
    ");
}

#[test]
fn limits_and_hostile_texts() {
    let nested = format!("{}true{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_snapshot!(condition(&nested), @"
    a.cedar:7: brackets or operators nest deeper than 48 levels, or one rule has more than 80 of them
      hint: split the rule into several
    ");
    // Without brackets as well: a long chain, and prefixes.
    let chain = vec!["true"; 20_000].join(" && ");
    assert_snapshot!(condition(&chain), @"
    a.cedar:7: brackets or operators nest deeper than 48 levels, or one rule has more than 80 of them
      hint: split the rule into several
    ");
    assert_snapshot!(condition(&format!("{}true", "!".repeat(3))), @"
    a.cedar:1: it does not fit the schema: policy is impossible: the policy expression evaluates to false for all valid requests
      hint: `countersign rules schema` prints what a rule can ask about
    ");
    assert_snapshot!(condition(&format!("{}true", "if true then true else ".repeat(2_000))), @"
    a.cedar:7: brackets or operators nest deeper than 48 levels, or one rule has more than 80 of them
      hint: split the rule into several
    ");
    // As deep as may be, everything survives on the small stack of a test.
    assert_snapshot!(condition(&vec!["true"; 40].join(" && ")), @"it parsed");
    assert_snapshot!(condition(&format!("{}true", "if true then true else ".repeat(40))), @"it parsed");
    assert_snapshot!(condition(&format!("resource{}", ".tier".repeat(40))), @"
    a.cedar:7: it does not fit the schema: unexpected type: expected __cedar::internal::AnyEntity, or __cedar::internal::OpenRecord{} but saw Long
      hint: `countersign rules schema` prints what a rule can ask about
    ");
    assert_snapshot!(condition(&format!("{}true{}", "(".repeat(40), ")".repeat(40))), @"it parsed");
    assert_eq!(condition(&vec!["resource.tier == 1"; 35].join(" || ")), "it parsed");
    assert_snapshot!(refusal(&" ".repeat(300_000)), @"
    a.cedar: the file is larger than 262144 bytes
      hint: split the rule into several
    ");
    let rule = |n| rule_file(&format!("r{n}"), "enforce", "waivable", "disclosure", &format!("{SCOPE};"));
    let files = (0..=MAX_RULES).map(|n| (format!("{n:05}.cedar"), rule(n))).collect();
    assert_snapshot!(Rules::parse(&files).unwrap_err(), @"
    05000.cedar: there are more than 5000 rules
      hint: merge rules that differ only in their scope
    ");
}

#[test]
fn a_rule_knows_where_it_stands_and_what_it_asks() {
    let first = rule_file("first", "enforce", "waivable", "approval:owner:1", &format!("{SCOPE};"));
    let second = rule_file("second", "watch", "waivable", "disclosure, document:why:9@tier<=2", &format!("{SCOPE};"));
    let rules = parsed(&format!("// two rules\n{first}\n{second}"));
    let told: Vec<String> = rules
        .iter()
        .map(|rule| {
            format!("{} {}:{} {} {}: {}", rule.id, rule.file, rule.line, rule.mode, rule.strength, rule.words())
        })
        .collect();
    assert_snapshot!(told.join("\n"), @"
    first a.cedar:2 enforce waivable: 1 approval by an owner of the system
    second a.cedar:10 watch waivable: a statement of whether AI assisted; why, in 9 characters or more (tiers 1 to 2)
    ");
}

#[test]
fn the_digest_is_of_names_and_texts() {
    let files = shipped(".cedar");
    assert_eq!(Rules::parse(&files).unwrap().digest(), shipped_rules().digest());
    let mut other = files.clone();
    other.get_mut("documented.cedar").unwrap().push('\n');
    assert_ne!(Rules::parse(&other).unwrap().digest(), shipped_rules().digest());
}

#[test]
fn a_prover_reads_the_base_permit_and_what_binds() {
    let text = shipped_rules().enforced_cedar();
    assert!(text.starts_with(BASE_PERMIT));
    assert_eq!(text.matches("forbid (").count(), 6);
    let watched = parsed(&rule_file("r", "watch", "waivable", "disclosure", &format!("{SCOPE};")));
    assert_eq!(watched.enforced_cedar(), BASE_PERMIT);
}

#[test]
fn schema_that_rules_see() {
    assert_snapshot!(schema(&Literals::default()), @r#"
    namespace Countersign {
      entity Group;
      // In their groups and those above, of which rules name.
      entity Person in [Group];
      entity System;
      entity Environment;
      entity Kind enum ["code", "config", "infrastructure", "schema", "flag", "rules", "agent"];
      // Which gate asks makes no difference to a rule.
      entity Gate enum ["any"];
      // One change for one target.
      entity Change in [System, Environment, Kind, Group] = {
        ai: {
          // `declared`, `inferred` (from a signal), `none` (signed, and no signal contradicts it) or `unknown`.
          status: String,
          // Whether AI may have assisted: true unless the status is `none`.
          assisted: Bool,
          // Whether somebody signed a disclosure for this revision.
          disclosed: Bool,
          // The AI tools that a disclosure or a signal names.
          tools: Set<String>,
        },
        applier: {
          // Whether whoever applies it, by running its command or by a signed push, is none of those whose approvals count. Of an unsigned push: false; before anybody applies it: true.
          apart: Bool,
        },
        approvals: {
          // How many people who had no hand in the change approved this revision.
          independent: Long,
          // How many of those own the target's system.
          owner: Long,
          // How many of those are senior.
          senior: Long,
          // How many of those signed with a hardware key that they touched, or that checked a PIN or a finger.
          touch: Long,
          // How many of those signed with a key that checked a PIN or a finger.
          verified: Long,
          // How many of those had the content at hand, as bytes that were checked or in their own clone.
          material: Long,
          // How many of those are on call for the target's system now.
          oncall: Long,
          // How many of those are not away now, by a calendar or by their own word.
          present: Long,
          // How many of those were given at most so many hours ago: `approvals.recent["24h"]`.
          recent: {},
          // Whether different people gave each of several: `approvals.apart["group:red:1+group:blue:1"]`. Who is in both groups is one of the two.
          apart: {},
          // How many of those are in a group or in one below it: `approvals.group["payments"]`.
          group: {},
        },
        // Everybody whose approval of this revision stands, contributors too.
        approvers: Set<Person>,
        // The branch that it is for, in full: `resource.branch == "refs/heads/main"`. Empty for files.
        branch: String,
        commits: {
          // Whether each commit carries an SSH signature that holds, by a key that somebody in the catalog held when the revision came, and holds.
          signed: Bool,
          // Whether each is signed so by whoever committed it.
          by_committer: Bool,
        },
        contributor_groups: {
          // Groups that one of the contributors is in, or in a group below. Workloads and agents are in none.
          any: Set<Group>,
          // Groups that all contributors are in, or in groups below.
          all: Set<Group>,
        },
        // Whoever had a hand in any revision, or is claimed to have had one. Never a second pair of eyes.
        contributors: Set<Person>,
        documents: {
          // Characters that say why.
          why: Long,
          // Characters that say what could go wrong.
          risk: Long,
          // Characters that say how to roll back.
          rollback: Long,
          // Characters that say how it was tested.
          tests: Long,
        },
        evidence: {
          // Whether a workload that may attests that it passed, for this revision, and none that it failed: `evidence.passed["tests"]`. What is missing, skipped or neutral has not passed, nor what the change made itself.
          passed: {},
          // Whether it passed by nothing but workloads that the change itself steers: it edits their workflow.
          self_made: {},
        },
        findings: {
          // How many findings about the change's targets nobody has answered in time. Never asked of a rollback.
          overdue: Long,
        },
        freeze: {
          // Whether a freeze holds for the target now, also one that the change may pass. What may not is stopped whatever rules say.
          active: Bool,
        },
        guidance: {
          // How many documents the change says it was made by.
          cited: Long,
          // How many of those are past their review, or do not say.
          stale: Long,
        },
        home: {
          // How many people the catalog gives a key to, the contributors among them.
          people: Long,
        },
        labels: {
          // The labels that stand, whoever put them on, and at whatever revision: for what asks for more.
          all: Set<String>,
          // Those that a person who had no hand in the change put on this revision: for what asks for less.
          by_others: Set<String>,
        },
        links: {
          // How many links it has.
          count: Long,
          // Where those lead: the host of each, in lower case.
          hosts: Set<String>,
        },
        paths: {
          // Whether it touches a path of these patterns: `paths.touched["infra/** | **/*.tf"]`. A submodule is its path, and whatever could lie below it; a symbolic link also where it leads, and what links lead to also where they lie.
          touched: {},
          // Whether it touches no other path, also by symbolic links, and is none of a link or a submodule itself.
          only: {},
          // Whether a file is new there.
          added: {},
          // Whether a file goes from there.
          deleted: {},
        },
        // Whether the target's environment counts as production.
        production: Bool,
        // Who proposed the change. A person is *in* their groups and those above: `resource.proposer in Countersign::Group::"payments"`.
        proposer: Person,
        // `person`, `workload` or `agent`.
        proposer_kind: String,
        purpose: {
          // Whether its proposer says that it brings back the state of an earlier change.
          restores: Bool,
          // Whether its proposer names an incident that it answers.
          incident: Bool,
          // Whether its proposer says that it closes a security hole.
          security: Bool,
        },
        // Which revision of the change this is, from 1.
        revision: Long,
        size: {
          // How many files it touches.
          files: Long,
          // How many lines of the new files are not in the old ones, as often as they are there. Of a binary or very large file, a submodule or a change of files nobody counts them: 4294967295.
          added: Long,
          // How many lines of the old files are not in the new ones.
          deleted: Long,
          // How many files it touches besides those of these patterns: `size.files_without["gen/**"]`. A symbolic link and a submodule are never left out.
          files_without: {},
          // The lines added in those.
          added_without: {},
          // The lines deleted in those.
          deleted_without: {},
        },
        // The branch that its proposer says it comes from, under its short name: `resource.source like "release/*"`. Empty where they say nothing.
        source: String,
        // Whether it fits a standard change, so that the two who approved its template are its second pair of eyes.
        standard: Bool,
        // How much a failure of the target's system matters: 1 is highest, 4 lowest.
        tier: Long,
        time: {
          // Whether the target's owner group works now, by its working hours and holidays: where no calendar says any, from 9 to 17, Monday to Friday.
          working_hours: Bool,
        },
        title: {
          // The word before the colon of its title: `feat` of `feat(api)!: …`, `PAY-12` of `PAY-12: …`. Empty where that is none.
          form: String,
        },
        waiting: {
          // How many hours ago the log took this revision, begun ones in full.
          hours: Long,
          // How many whole working hours of the target's owner group have passed since the log took this revision: its working hours and holidays, where no calendar says any from 9 to 17, Monday to Friday.
          worked_hours: Long,
        },
        window: {
          // Whether one of the target's change windows is open now. A target for which no calendar has any is always open.
          open: Bool,
        },
      };
      action apply appliesTo { principal: Gate, resource: Change };
    }
    "#);
}
