//! Catalogs as people write them, and what they are told.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::catalog::{Catalog, CatalogSettings, Level, did_you_mean};
use proptest::prelude::*;

const JANE: &str = "ssh-ed25519+AAAAC3NzaC1lZDI1NTE5AAAAIJv4VKkxmvvZzLzTUXlpoqnG4ABZ1ZbGHEx9JGBhOaEq";

fn parse(text: &str) -> Result<Catalog, String> {
    let files = BTreeMap::from([("c.yaml".to_owned(), text.to_owned())]);
    Catalog::parse(&files, &CatalogSettings::default()).map_err(|error| error.to_string())
}

/// Short-hand for entities: `Kind name key=value …`; `@` marks annotations.
fn entities(lines: &str) -> String {
    let entity = |line: &str| {
        let mut words = line.split_whitespace();
        let (kind, name) = (words.next().unwrap(), words.next().unwrap());
        let (mut annotations, mut spec) = (String::new(), String::new());
        for word in words {
            let (key, value) = word.split_once('=').unwrap();
            match key.strip_prefix('@') {
                Some(key) => annotations += &format!("    {key}: \"{}\"\n", value.replacen('+', " ", 1)),
                None => spec += &format!("  {key}: {value}\n"),
            }
        }
        let annotations = if annotations.is_empty() { annotations } else { format!("  annotations:\n{annotations}") };
        let spec = if spec.is_empty() { spec } else { format!("spec:\n{spec}") };
        format!("apiVersion: backstage.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n{annotations}{spec}")
    };
    lines.trim().lines().map(|line| entity(line.trim())).collect::<Vec<_>>().join("---\n")
}

fn error(lines: &str) -> String {
    parse(&entities(lines)).unwrap_err()
}

const SHOP: &str = r#"
    Group eng
    Group payments parent=group:default/eng
    Group cards parent=payments
    User jane memberOf=[cards] profile={"email":"Jane@Example.com"} @countersign/level=principal
    User sam memberOf=[group:eng]
    User robot memberOf=[cards] @countersign/actor=workload @countersign/mails=robot@users.noreply.github.com
    System checkout owner=payments @countersign/tier=Tier-2 dependsOn=[component:ledger,resource:default/db]
    Component ledger owner=group:default/eng
    API orders owner=nobody
"#;

fn shop() -> Catalog {
    parse(&entities(SHOP)).unwrap()
}

fn owners(catalog: &Catalog, system: &str) -> Vec<String> {
    catalog.owners(&system.parse().unwrap()).iter().map(ToString::to_string).collect()
}

#[test]
fn a_catalog_reads() {
    let catalog = shop();
    let jane = catalog.actors.get(&"jane".parse().unwrap()).unwrap();
    assert_eq!((jane.level, jane.mails.first().map(String::as_str)), (Level::Principal, Some("jane@example.com")));
    let tier = |name: &str| u8::from(catalog.systems[&name.parse().unwrap()].tier);
    assert_eq!((tier("checkout"), tier("ledger")), (2, 1), "no tier is the highest");
    assert_eq!(catalog.systems[&"checkout".parse().unwrap()].depends_on.len(), 1);
    assert_eq!(catalog.systems.len(), 2, "an API is skipped");
}

#[test]
fn a_lone_owner_is_not_joined_by_those_above() {
    let catalog = shop();
    assert_eq!(
        owners(&catalog, "checkout"),
        ["jane"],
        "the robot is no person, and the group above owns nothing of it"
    );
    assert_eq!(owners(&catalog, "ledger"), ["jane", "sam"]);
    assert_eq!(owners(&catalog, "unknown"), [""; 0]);
}

#[test]
fn enough_owners_are_not_joined() {
    let catalog = parse(&entities(
        "Group eng\nGroup pay parent=eng\nUser a memberOf=[pay]\nUser b memberOf=[pay]\nUser boss memberOf=[eng]\n\
         System s owner=pay",
    ));
    assert_eq!(owners(&catalog.unwrap(), "s"), ["a", "b"]);
}

#[test]
fn mails_are_found() {
    let catalog = parse(&entities("User a @countersign/mails=alice@users.noreply.github.com,A@x.org")).unwrap();
    let found = |mail: &str| catalog.person_by_mail(mail).is_some();
    assert!(found("a@X.org") && found("123+Alice@users.noreply.github.com"));
    assert!(!found("x+alice@users.noreply.github.com") && !found("alice@example.com") && !found(""));
}

#[test]
fn keys_are_found() {
    let catalog =
        parse(&entities(&format!("User a @countersign/keys={JANE} @countersign/level=senior\nUser b"))).unwrap();
    let [a, b]: [countersign_core::ids::ActorId; 2] = ["a", "b"].map(|name| name.parse().unwrap());
    let [key] = &catalog.actors.get(&a).unwrap().keys[..] else { panic!("a has one key") };
    assert_eq!(catalog.actor_by_key(&key.fingerprint()).map(|actor| &actor.id), Some(&a));
    assert!(catalog.actors.get(&b).unwrap().keys.is_empty());
    assert_eq!((catalog.people(), catalog.seniors()), (&BTreeSet::from([a.clone()]), &BTreeSet::from([a])));
}

#[test]
fn unknown_targets_are_explained() {
    let catalog = shop();
    let said = |target: &str| catalog.target(&target.parse().unwrap()).unwrap_err().to_string();
    insta::assert_snapshot!(said("checkout/prod"), @"`checkout/prod`: there is no environment `prod`; did you mean `production`?");
    insta::assert_snapshot!(said("chekout/production"), @"`chekout/production`: the catalog knows no system `chekout`; did you mean `checkout`?");
    insta::assert_snapshot!(said("elsewhere/production"), @"`elsewhere/production`: the catalog knows no system `elsewhere`");
    assert!(catalog.target(&"checkout/production".parse().unwrap()).is_ok());
    assert_eq!(did_you_mean("prod", ["production", "staging"]), Some("production"));
}

#[test]
fn references_must_resolve() {
    insta::assert_snapshot!(error("Group payments\nSystem s owner=paymets"), @r#"
    c.yaml:11: owner `paymets` is not in the catalog
      hint: did you mean `payments`?
    "#);
    insta::assert_snapshot!(error("Group g\nSystem s owner=group:other/g"), @r#"
    c.yaml:11: `group:other/g` refers to namespace `other`
      hint: only the namespace `default` is supported
    "#);
    insta::assert_snapshot!(error("User jane\nSystem s owner=user:jane"), @r#"
    c.yaml:11: owner `user:jane` is a User and must be a Group
      hint: a person alone would be irreplaceable; name a group that they are in
    "#);
    insta::assert_snapshot!(error("User jane\nSystem s owner=jane"), @r#"
    c.yaml:11: owner `jane` is a User and must be a Group
      hint: a person alone would be irreplaceable; name a group that they are in
    "#);
    insta::assert_snapshot!(error("Group g\nSystem s owner=g dependsOn=[component:t,widget:u]"), @r#"
    c.yaml:12: dependsOn `component:t` is not in the catalog
    c.yaml:12: dependsOn `widget:u` is of kind `widget`
      hint: write `component:NAME`, `system:NAME` or `resource:NAME`
    "#);
    insta::assert_snapshot!(error("User jane memberOf=[ghosts]"), @"c.yaml:6: memberOf `ghosts` is not in the catalog");
    insta::assert_snapshot!(error("Group g members=[jnae]\nUser jane"), @r#"
    c.yaml:6: member `jnae` is no User of the catalog
      hint: did you mean `jane`?
    "#);
    insta::assert_snapshot!(error("System s"), @r#"
    c.yaml:4: system `s` has no `spec.owner`
      hint: name a group
    "#);
}

#[test]
fn where_evidence_counts_is_there() {
    let of = |places: &str| {
        error(&format!(
            "Group g\nSystem s owner=g\nUser ci @countersign/actor=workload @countersign/attests-for={places}"
        ))
    };
    insta::assert_snapshot!(of("t"), @"c.yaml:19: there is no system `t`");
    insta::assert_snapshot!(of("s/dev"), @"c.yaml:19: `s/dev`: there is no environment `dev`; did you mean `development`?");
    insta::assert_snapshot!(of(","), @r#"
    c.yaml:19: it names no target
      hint: for example `checkout, search/production`: systems or targets
    "#);
    insta::assert_snapshot!(of("s/"), @r#"
    c.yaml:19: `` is not a valid environment name: lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit
      hint: for example `checkout, search/production`: systems or targets
    "#);
}

#[test]
fn nothing_is_there_twice() {
    insta::assert_snapshot!(error("Group g\nSystem s owner=g\nComponent s owner=g"), @r#"
    c.yaml:16: system `s` is already at c.yaml:9
      hint: Components and Systems share their names here
    "#);
    insta::assert_snapshot!(error("User a @countersign/mails=x@y.z\nUser b @countersign/mails=X@y.z"), @r#"
    c.yaml:13: mail `x@y.z` belongs to `b` here and to `a` at c.yaml:6
      hint: a mail belongs to one actor
    "#);
    let keys = format!("User a @countersign/keys={JANE}\nUser b @countersign/keys={JANE}");
    insta::assert_snapshot!(error(&keys), @r#"
    c.yaml:13: key SHA256:YpcHXCQMXmw8qDWRP+Y55bx+riN0hBADVyZV0zzE7xk belongs to `b` here and to `a` at c.yaml:6
      hint: a key belongs to one actor
    "#);
    insta::assert_snapshot!(error("Group g\nSystem check-out owner=g\nSystem checkout owner=g"), @r#"
    c.yaml:16: system `checkout` is too easily read as `check-out` at c.yaml:9
      hint: rename one of them
    "#);
}

#[test]
fn group_trees_have_no_cycle() {
    insta::assert_snapshot!(error("Group a parent=b\nGroup b parent=c\nGroup c parent=a\nGroup d parent=a"), @r#"
    c.yaml:6: groups contain each other: `a` < `b` < `c` < `a`
      hint: remove one `parent`
    "#);
    insta::assert_snapshot!(error("Group a parent=a"), @r#"
    c.yaml:6: groups contain each other: `a` < `a`
      hint: remove one `parent`
    "#);
    insta::assert_snapshot!(error("Group a children=[c]\nGroup b children=[c]\nGroup c"), @r#"
    c.yaml:13: group `c` has parent `b` here and `a` at c.yaml:6
      hint: a group has one parent
    "#);
}

#[test]
fn values_must_be_valid() {
    insta::assert_snapshot!(error("Group g\nSystem s owner=g @countersign/tier=0"), @r#"
    c.yaml:11: `0` is no tier
      hint: 1 (highest) to 4, also as `tier_1` or `Tier-1`
    "#);
    insta::assert_snapshot!(error("User a @countersign/level=boss"), @r#"
    c.yaml:6: `boss` is no level
      hint: one of standard, senior, principal, director
    "#);
    insta::assert_snapshot!(error("User a @countersign/actor=human"), @r#"
    c.yaml:6: `human` is no actor
      hint: one of person, workload, agent
    "#);
    insta::assert_snapshot!(error("User a @countersign/actor=agent @countersign/level=senior"), @r#"
    c.yaml:7: agent `a` has a level
      hint: only a person approves
    "#);
    insta::assert_snapshot!(error("User a @countersign/keys=ssh-rsa+nonsense"), @r#"
    c.yaml:6: `a`: `ssh-rsa nonsense` is no OpenSSH public key
      hint: one OpenSSH public key a line, as in `~/.ssh/id_ed25519.pub`
    "#);
    insta::assert_snapshot!(error("User a @countersign/mails=nobody"), @r#"
    c.yaml:6: `nobody` is no mail address
      hint: write `name@host`
    "#);
    insta::assert_snapshot!(error("User Jane"), @r#"
    c.yaml:4: `Jane` is not a valid person, workload or agent name: lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit
      hint: write `jane`
    "#);
}

#[test]
fn slips_are_not_skipped() {
    insta::assert_snapshot!(error("Componet s owner=g"), @r#"
    c.yaml:2: unknown kind `Componet`
      hint: did you mean `Component`?
    "#);
    insta::assert_snapshot!(error("User a @countersign/key=x"), @r#"
    c.yaml:6: unknown annotation `countersign/key`
      hint: did you mean `countersign/keys`?
    "#);
    insta::assert_snapshot!(error("User a @countersign/colour=x"), @"
    c.yaml:6: unknown annotation `countersign/colour`
      hint: known are `countersign/tier`, `countersign/level`, `countersign/keys`, `countersign/mails`, `countersign/actor`, `countersign/paths`, `countersign/hosts`, `countersign/attests`, `countersign/attests-for`, `countersign/workflows`
    ");
    insta::assert_snapshot!(parse("kind: User\nmetadata: {name: a, namespace: other}").unwrap_err(), @r#"
    c.yaml:1: `apiVersion` of a User is `none`
      hint: write `backstage.io/v1alpha1` or `backstage.io/v1beta1`
    c.yaml:2: `a` is in namespace `other`
      hint: only the namespace `default` is supported
    "#);
    insta::assert_snapshot!(parse("apiVersion: backstage.io/v1alpha1\nkind: User\nkind: Group").unwrap_err(), @"c.yaml:3: duplicate mapping key: kind");
    insta::assert_snapshot!(parse("metadata: {name: a}").unwrap_err(), @r#"
    c.yaml: an entity has no `kind`
      hint: one of Component, System, Group, User
    "#);
    insta::assert_snapshot!(parse("kind: [").unwrap_err(), @"c.yaml:1: expected string scalar");
}

#[test]
fn tiers_are_written_in_many_ways() {
    for tier in ["3", "tier_3", "Tier-3", "tier3", "Tier+3"] {
        let catalog = parse(&entities(&format!("Group g\nSystem s owner=g @countersign/tier={tier}"))).unwrap();
        assert_eq!(catalog.systems.values().map(|system| u8::from(system.tier)).collect::<Vec<_>>(), [3], "{tier}");
    }
    let unquoted = entities("Group g\nSystem s owner=g @countersign/tier=3").replace('"', "");
    assert!(parse(&unquoted).is_ok(), "a number is text too");
}

#[test]
fn problems_are_counted_beyond_the_limit() {
    let many: Vec<String> = (0..30).map(|n| format!("User u{n} memberOf=[ghosts{n}]")).collect();
    let said = error(&many.join("\n"));
    assert_eq!(said.lines().filter(|line| line.starts_with("c.yaml")).count(), 20);
    assert!(said.ends_with("and 10 more"), "{said}");
}

#[test]
fn bombs_do_not_go_off() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"]) {
        bomb += &format!("{name}: &{name} [*{of},*{of},*{of},*{of},*{of},*{of},*{of},*{of},*{of}]\n");
    }
    assert!(parse(&bomb).is_err());
    assert!(parse(&"[".repeat(100_000)).is_err());
}

/// A tree of groups (each below an earlier one, or at the top), and who is in which.
fn any_teams() -> impl Strategy<Value = (Vec<usize>, Vec<BTreeSet<usize>>)> {
    let parents = proptest::collection::vec(0..8_usize, 8);
    let people = proptest::collection::vec(proptest::collection::btree_set(0..8_usize, 0..3), 1..6);
    (parents, people)
}

proptest! {
    /// What is looked up is what going through everybody finds.
    #[test]
    fn look_ups_agree_with_the_list((parents, people) in any_teams()) {
        let parent = |group: usize| parents.get(group).copied().filter(|parent| *parent < group);
        let mut text = String::new();
        for group in 0..8 {
            let above = parent(group).map(|parent| format!(" parent=g{parent}")).unwrap_or_default();
            text += &format!("Group g{group}{above}\nSystem s{group} owner=g{group}\n");
        }
        for (person, groups) in people.iter().enumerate() {
            let groups = groups.iter().map(|group| format!("g{group}")).collect::<Vec<_>>().join(",");
            text += &format!("User p{person} memberOf=[{groups}]\n");
        }
        let catalog = parse(&entities(&text)).unwrap();
        let is_within = |group: usize, other: usize| {
            std::iter::successors(Some(group), |group| parent(*group)).any(|above| above == other)
        };
        for group in 0..8 {
            let in_it = |groups: &BTreeSet<usize>| groups.iter().any(|of| is_within(*of, group));
            let listed: Vec<String> = (0..people.len()).filter(|p| in_it(&people[*p])).map(|p| format!("p{p}")).collect();
            let id = format!("g{group}").parse().unwrap();
            prop_assert_eq!(catalog.members(&id).iter().map(ToString::to_string).collect::<Vec<_>>(), listed);
            let system = format!("s{group}").parse().unwrap();
            for person in catalog.actors.keys() {
                prop_assert_eq!(catalog.owns(person, &system), catalog.owners(&system).contains(person));
            }
        }
    }

    #[test]
    fn parsing_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn entities_never_panic(name in "\\PC{1,20}", value in "\\PC{0,40}") {
        let quote = |text: &str| serde_json::to_string(text).unwrap();
        let _ = parse(&format!(
            "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {}\n  annotations: {{ {}: {} }}\n\
             spec: {{ memberOf: [{}] }}", quote(&name), quote(&name), quote(&value), quote(&value),
        ));
    }

    #[test]
    fn near_misses_never_panic(a in "\\PC{0,200}", b in "\\PC{0,200}") {
        let _ = did_you_mean(&a, [b.as_str()]);
    }
}

#[test]
fn what_runs_where_and_what_it_hangs_on() {
    let catalog = parse(&entities(
        "Group eng\nSystem a owner=eng dependsOn=[system:b]\nSystem b owner=eng dependsOn=[system:a,system:c]\n\
         System c owner=eng\nSystem ci owner=eng dependsOn=[system:a] @countersign/hosts=gate/shop,+log",
    ))
    .unwrap();
    let written = catalog.to_files(|_| countersign_core::ids::Nonce::from_bytes([0; 16])).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&written["systems/ci.json"]),
        r#"{"depends_on":["a"],"hosts":["log","gate/shop"],"owner":"eng","tier":1}"#
    );
    assert!(!String::from_utf8_lossy(&written["systems/a.json"]).contains("hosts"), "absent is not spelled");
    let guarded = ["b", "c"].map(|name| name.parse().unwrap()).into();
    let hangs = catalog.hangs_on(&"gate/shop".parse().unwrap(), &guarded);
    let words: Vec<String> = hangs.iter().map(|hangs| hangs.words()).collect();
    assert_eq!(
        words,
        ["runs on ci, which needs a, which needs b", "runs on ci, which needs a, which needs b, which needs c"],
        "also where they need each other"
    );
    assert!(catalog.hangs_on(&"gate/other".parse().unwrap(), &guarded).is_empty());
    let said = error("Group eng\nSystem a owner=eng @countersign/hosts=gates/shop");
    assert!(said.contains("`gates/shop` is neither `log` nor `gate/NAME`") && said.contains("gate/NAME"), "{said}");
    assert!(error("Group eng\nSystem a owner=eng @countersign/host=log").contains("did you mean `countersign/hosts`"));
}
