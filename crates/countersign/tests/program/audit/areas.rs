//! What reviews are shared out by: folders, owners, systems; and periods.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::history::{Commit, EPOCH, History};
use crate::support::Stage;

const OWNERS: &str = "* @org/all\n/billing/ @org/payments\n/db/ @org/dba @ada\n/db/docs/\n";
const DAY: i64 = 86_400;

/// A change in each folder, and then `CODEOWNERS` at a location.
pub(super) fn shop(location: &str, owners: &[u8]) -> History {
    let mut history = History::default();
    let reviewed: &[u8] = b"change\n\nReviewed-by: Grace Hopper <grace@shop.test>";
    for (at, file) in ["billing/a", "db/x.sql", "db/docs/a", "src/a"].iter().enumerate() {
        let parents: Vec<usize> = (at > 0).then_some(at).into_iter().collect();
        let files = [file.as_bytes()];
        history.commit(&Commit { parents: &parents, message: reviewed, files: &files, ..Commit::default() });
    }
    history.commit(&Commit { parents: &[4], files: &[], contents: &[(location, owners)], ..Commit::default() });
    history
}

/// Area to landed changes.
fn areas(report: &Value) -> BTreeMap<&str, u64> {
    let area = |area: &'_ Value| area["landed"].as_u64().unwrap();
    report["areas"].as_array().unwrap().iter().map(|one| (one["area"].as_str().unwrap(), area(one))).collect()
}

/// Class to landed changes.
fn classes(report: &Value) -> BTreeMap<&str, u64> {
    let rows = report["impact"].as_array().unwrap().iter();
    rows.map(|row| (row["class"].as_str().unwrap(), row["landed"].as_u64().unwrap())).filter(|row| row.1 > 0).collect()
}

#[test]
fn owners_are_found_where_forges_look() {
    for location in [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"] {
        let stage = Stage::new();
        stage.bare("shop.git", &shop(location, OWNERS.as_bytes()));
        let report = stage.audit("shop.git --changes");
        assert_eq!((&report["areas_by"], &report["owners_file"]["path"]), (&json!("codeowners"), &json!(location)));
        let expected = [("@org/all", 2), ("@org/payments", 1), ("@ada @org/dba", 1), ("(no owner)", 1)];
        assert_eq!(areas(&report), expected.into(), "{location}");
        assert_eq!(classes(&report)["owned"], 2, "{location}");
        assert_eq!(report["changes"][0]["impact"], json!(["owned"]));
        let dba = report["areas"].as_array().unwrap().iter().find(|area| area["area"] == "@ada @org/dba").unwrap();
        assert_eq!((&dba["owners"], &dba["patterns"]), (&json!(["@ada", "@org/dba"]), &json!(["/db/"])));
        assert!(report["caveats"].to_string().contains("today's file, laid over the past"), "{report}");
        // Who wants folders gets them, and the owners still say what is owned.
        let report = stage.audit("shop.git --areas folders");
        assert_eq!(report["areas_by"], "folders");
        assert_eq!((areas(&report)["db"], classes(&report)["owned"]), (2, 2));
    }
}

#[test]
fn the_first_place_counts_and_only_the_tip() {
    let stage = Stage::new();
    let mut history = shop("docs/CODEOWNERS", b"/billing/ @org/docs\n");
    let contents: &[(&str, &[u8])] = &[(".github/CODEOWNERS", b"/billing/ @org/github\n"), ("CODEOWNERS", b"* @x\n")];
    history.commit(&Commit { parents: &[5], files: &[], contents, ..Commit::default() });
    stage.bare("shop.git", &history);
    assert_eq!(stage.audit("shop.git")["owners_file"]["path"], ".github/CODEOWNERS");
    assert_eq!(areas(&stage.audit("shop.git"))["@org/github"], 1);
    stage.git(&["-C", "shop.git", "branch", "before", "main~1"]);
    assert_eq!(areas(&stage.audit("shop.git --branch before"))["@org/docs"], 1);
    stage.git(&["-C", "shop.git", "branch", "long-before", "main~2"]);
    let report = stage.audit("shop.git --branch long-before");
    assert_eq!((&report["areas_by"], &report["owners_file"]), (&json!("folders"), &Value::Null));
}

/// A file that names one owner for everything tells no areas apart.
#[test]
fn a_catch_all_alone_makes_no_areas() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop("CODEOWNERS", b"* @org/all\n"));
    let report = stage.audit("shop.git");
    assert_eq!(report["areas_by"], "folders");
    assert_eq!(classes(&report), BTreeMap::from([("ownership-and-policy", 1), ("schema", 1)]));
    assert_eq!(areas(&stage.audit("shop.git --areas codeowners")), [("@org/all", 5)].into());
}

#[test]
fn sections_of_gitlab_share_a_path() {
    let stage = Stage::new();
    let text = b"[Backend] @org/backend\nbilling/\n/src/\n^[Database][2] @org/dba\n*.sql\n/billing/ @org/money\n";
    stage.bare("shop.git", &shop("CODEOWNERS", text));
    let report = stage.audit("shop.git");
    let expected = [("@org/backend", 2), ("@org/money", 1), ("@org/dba", 1), ("(no owner)", 2)];
    assert_eq!(areas(&report), expected.into());
}

#[test]
fn bytes_that_are_no_text_and_what_a_terminal_would_obey() {
    let stage = Stage::new();
    let text = b"\xef\xbb\xbf/caf\xe9/ @caf\xe9\n/billing/ @org/\x1b[31mpay\xe2\x80\xaements\n!x @a\n/src/[a] @a\n\x00\x01\x02\n";
    stage.bare("shop.git", &shop("CODEOWNERS", text));
    for words in ["", "--format json --changes", "--anonymise --format json"] {
        let run = stage.run(&format!("audit shop.git {words}"));
        assert_eq!(run.status, 0, "{run}");
        assert!(!run.stdout.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{run}");
        assert!(!run.stdout.contains("\\u001b"), "{run}");
    }
    let report = stage.audit("shop.git");
    assert_eq!(report["owners_file"], json!({"path": "CODEOWNERS", "entries": 3, "left_out": 2}));
    assert_eq!(areas(&report)["@org/\u{fffd}[31mpay\u{fffd}ments"], 1);
    assert!(report["caveats"].to_string().contains("2 lines could not be read and count for nothing; line 3: `!x`"));
}

#[test]
fn a_huge_file_is_cut_or_left() {
    let stage = Stage::new();
    let many: String = (0..60_000).map(|at| format!("/services/s{at}/ @org/team{at}\n")).collect();
    stage.bare("many.git", &shop("CODEOWNERS", many.as_bytes()));
    let report = stage.audit("many.git");
    assert_eq!(report["owners_file"]["entries"], 10_000);
    assert_eq!(report["owners_file"]["left_out"], 50_000);
    stage.bare("huge.git", &shop("CODEOWNERS", "# nothing\n".repeat(600_000).as_bytes()));
    assert_eq!(stage.audit("huge.git")["areas_by"], "folders");
}

#[test]
fn people_among_owners_have_pseudonyms() {
    let stage = Stage::new();
    let text = b"/billing/ @org/payments @grace\n/db/ ada@shop.test\nwrong Ada Lovelace\n";
    stage.bare("shop.git", &shop("CODEOWNERS", text));
    let report = stage.audit("shop.git --anonymise --changes");
    let page = report.to_string();
    assert!(!page.contains("grace") && !page.contains("ada@") && !page.contains("Ada"), "{page}");
    let ada = report["changes"][0]["contributors"][0].as_str().unwrap();
    assert_eq!(areas(&report)[ada], 2, "known by their mail");
    assert!(areas(&report).keys().any(|area| area.contains("@org/payments")), "{page}");
}

const CATALOG: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: payments}
spec: {}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: billing
  annotations:
    TIER: '1'
    backstage.io/source-location: url:https://github.com/org/shop/tree/main/billing/
spec: {owner: payments}
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata:
  name: database
  annotations: {TIER: '3', countersign/paths: 'db/**, billing/*'}
spec: {owner: payments}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: other
  annotations: {backstage.io/source-location: 'url:https://github.com/org/other/'}
spec: {owner: payments}
";

#[test]
fn systems_of_a_catalog() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop("CODEOWNERS", OWNERS.as_bytes()));
    stage.write("backstage/catalog.yaml", &CATALOG.replace("TIER", "countersign/tier"));
    let report = stage.audit("shop.git --catalog backstage --changes");
    assert_eq!(report["areas_by"], "catalog");
    assert_eq!(areas(&report), [("billing", 1), ("database", 3), ("(no system)", 2)].into());
    assert_eq!((classes(&report)["tier-1"], classes(&report)["owned"]), (1, 2));
    assert_eq!(report["changes"][0]["impact"], json!(["tier-1", "owned"]));
    let database = &report["areas"][0];
    assert_eq!(database["owners"], json!(["payments"]));
    assert_eq!(database["patterns"], json!(["db/**", "billing/*"]));
    assert!(report["caveats"].to_string().contains("the catalog as it is today"), "{report}");
    assert_eq!(stage.audit("shop.git --catalog backstage --areas codeowners")["areas_by"], "codeowners");
    assert!(stage.run("audit shop.git --catalog backstage").stdout.contains("\n  system  "));

    // A home reads its catalog by its own settings, whether it is named itself or its folder is.
    let config = "version: 1\norigin: shop.test\nlisten: 127.0.0.1:7878\ncatalog: {tier_annotation: shop/tier}\n";
    stage.write("home/countersign.yaml", config);
    stage.write("home/catalog/all.yaml", &CATALOG.replace("TIER", "shop/tier"));
    for folder in ["home", "home/catalog", "home/catalog/"] {
        let report = stage.audit(&format!("shop.git --catalog {folder}"));
        assert_eq!(areas(&report)["database"], 3, "{folder}");
        assert_eq!(classes(&report)["tier-1"], 1, "{folder}");
    }
}

#[test]
fn the_catalog_of_a_home_that_was_made() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop("CODEOWNERS", OWNERS.as_bytes()));
    stage.key("ada");
    stage.key("grace");
    stage.home_of_two();
    // The example that a home begins with has no source anywhere.
    let run = stage.run("audit shop.git --catalog home/catalog");
    assert!(run.status == 1 && run.stderr.contains("no system of the catalog in home/catalog"), "{run}");
    stage.write("home/catalog/shop.yaml", &CATALOG.replace("TIER", "countersign/tier"));
    for folder in ["home", "home/catalog"] {
        let report = stage.audit(&format!("shop.git --catalog {folder}"));
        assert_eq!(areas(&report), [("billing", 1), ("database", 3), ("(no system)", 2)].into());
    }
}

#[test]
fn what_cannot_be_had_is_said() {
    let stage = Stage::new();
    stage.bare("plain.git", &History::chain(&["one"]));
    stage.bare("empty.git", &shop("docs/CODEOWNERS", b"# nobody yet\n/x/ nobody\n"));
    stage.write("strange/catalog.yaml", CATALOG);
    stage.write("wrong/catalog.yaml", "kind: Component\n");
    assert_snapshot!(stage.run("audit plain.git --areas codeowners"), @r"
    status 1
    --- stderr
    error: there is no CODEOWNERS file at the tip of `main`
    hint: it is looked for at .github/CODEOWNERS, CODEOWNERS, docs/CODEOWNERS, .gitlab/CODEOWNERS
    ");
    assert_snapshot!(stage.run("audit empty.git --areas codeowners"), @r"
    status 1
    --- stderr
    error: docs/CODEOWNERS of `main` has no entry that can be read; line 2: `nobody` is no owner: @login, @org/team or a mail
    hint: an entry reads `PATTERN @OWNER …`
    ");
    assert_snapshot!(stage.run("audit plain.git --areas catalog"), @r"
    status 2
    --- stderr
    error: --areas catalog needs a catalog
    hint: name a folder of Backstage YAML, or a home: --catalog DIR
    ");
    assert_snapshot!(stage.run("audit plain.git --catalog nowhere"), @"
    status 1
    --- stderr
    error: cannot read nowhere: No such file or directory (os error 2)
    hint: it is a folder of Backstage YAML, or a home; is the path right?
    ");
    assert_snapshot!(stage.run("audit plain.git --catalog wrong"), @r"
    status 1
    --- stderr
    error: the catalog in wrong does not hold:
    catalog.yaml:1: `apiVersion` of a Component is `none`
      hint: write `backstage.io/v1alpha1` or `backstage.io/v1beta1`
    catalog.yaml:1: a Component has no `metadata.name`
    ");
    stage.write("strange/catalog.yaml", &CATALOG.replace("countersign/paths: 'db/**, billing/*'", "a: b"));
    assert_snapshot!(stage.run("audit plain.git --catalog strange"), @r"
    status 1
    --- stderr
    error: no system of the catalog in strange says that it has its source in `plain`
    hint: annotate systems with `backstage.io/source-location: url:https://…/plain/tree/main/FOLDER/` or `countersign/paths: 'FOLDER/**'`
    ");
    stage.write("strange/catalog.yaml", &CATALOG.replace("billing/*", "[x"));
    assert_snapshot!(stage.run("audit plain.git --catalog strange"), @r"
    status 1
    --- stderr
    error: the catalog in strange does not hold:
    catalog.yaml:19: `[x` is not a glob: unclosed character class; missing ']'
    ");
    assert_snapshot!(stage.run("audit plain.git --areas teams"), @r"
    status 2
    --- stderr
    error: invalid value 'teams' for '--areas <BY>'
      [possible values: folders, codeowners, catalog]

    For more information, try '--help'.
    ");
    assert_eq!(stage.audit("empty.git")["areas_by"], "folders");
}

fn quarterly(days: &[i64]) -> History {
    let mut history = History::default();
    for (at, day) in days.iter().enumerate() {
        let parents: Vec<usize> = (at > 0).then_some(at).into_iter().collect();
        let who = if at % 3 == 0 { "Linus <linus@shop.test>" } else { "Grace Hopper <grace@shop.test>" };
        let message = format!("change\n\nReviewed-by: {who}");
        history.commit(&Commit {
            parents: &parents,
            message: message.as_bytes(),
            at: EPOCH + day * DAY,
            files: &[if at % 2 == 0 { b"src/a" } else { b"db/b" }],
            ..Commit::default()
        });
    }
    history
}

#[test]
fn reviews_are_told_by_quarter_or_by_year() {
    let stage = Stage::new();
    stage.bare("r.git", &quarterly(&[0, 1, 2, 60, 61, 400]));
    let report = stage.audit("r.git");
    let told = |periods: &Value| {
        let one = |period: &Value| {
            let who = period["reviewers"].as_array().unwrap().iter();
            let who: Vec<String> =
                who.map(|who| format!("{} {}", who["person"].as_str().unwrap(), who["share"])).collect();
            format!(
                "{} {}/{} {} {}",
                period["period"].as_str().unwrap(),
                period["landed"],
                period["reviews"],
                period["half_of_reviews"],
                who.join(", ")
            )
        };
        periods.as_array().unwrap().iter().map(one).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(told(&report["carrying"]["periods"]), @r"
    2023-Q4 3/3 1 Grace Hopper 0.666667, Linus 0.333333
    2024-Q1 2/2 1 Grace Hopper 0.5, Linus 0.5
    2024-Q4 1/1 1 Grace Hopper 1.0
    ");
    assert_snapshot!(told(&report["areas"][0]["periods"]), @r"
    2023-Q4 1/1 1 Grace Hopper 1.0
    2024-Q1 1/1 1 Linus 1.0
    2024-Q4 1/1 1 Grace Hopper 1.0
    ");
    let text = stage.run("audit r.git").stdout;
    assert_snapshot!(text.lines().skip_while(|line| !line.contains("gave half")).take(4).collect::<Vec<_>>().join("\n"), @r"
                                    changes    reviews reviewers gave half  half landed  nine of ten
    2023-Q4                               3          3         2         1  a minute     a minute
    2024-Q1                               2          2         2         1  a minute     a minute
    2024-Q4                               1          1         1         1  a minute     a minute
    ");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");

    stage.bare("long.git", &quarterly(&[0, 1, 400, 800, 1_200]));
    let report = stage.audit("long.git");
    let periods = report["carrying"]["periods"].as_array().unwrap();
    assert_eq!(
        periods.iter().map(|period| period["period"].as_str().unwrap()).collect::<Vec<_>>(),
        ["2023", "2024", "2026", "2027"]
    );
    // A clock that said 2099 neither adds a period nor makes quarters into years.
    stage.bare("clock.git", &quarterly(&[0, 1, 27_000, 2, 3]));
    let report = stage.audit("clock.git");
    assert_eq!(report["carrying"]["periods"].as_array().unwrap().len(), 1, "{}", report["carrying"]);
    assert_eq!(report["carrying"]["periods"][0]["period"], "2023-Q4");
}

#[test]
fn wrong_clocks_at_either_end_move_nothing() {
    let daily: Vec<i64> = (0..200).collect();
    let of = |name: &str, wrong: &[(usize, i64)]| {
        let mut days = daily.clone();
        for (at, day) in wrong {
            days[*at] = *day;
        }
        let stage = Stage::with_keys(&["ada"]);
        stage.bare(name, &quarterly(&days));
        let report = stage.audit(name);
        let periods = report["carrying"]["periods"].as_array().unwrap();
        let periods: Vec<&str> = periods.iter().map(|period| period["period"].as_str().unwrap()).collect();
        let run = stage.run(&format!("init home --name log --from {name} --founder ada=ada@shop.test=ada"));
        assert_eq!(run.status, 0, "{run}");
        let counted = run.stdout.split_once("numbers come from the ").unwrap().1;
        let counted: String = counted.chars().take_while(|c| c.is_ascii_digit()).collect();
        format!("{} weeks, {}, {counted} for a home", report["replay"]["weeks"], periods.join(" "))
    };
    const IN_2099: i64 = 27_500;
    const IN_1970: i64 = -19_675;
    let right = of("right.git", &[]);
    assert_eq!(right, "28.4 weeks, 2023-Q4 2024-Q1 2024-Q2, 200 for a home");
    let first = [of("a.git", &[(0, IN_2099)]), of("b.git", &[(0, 370), (1, 371)]), of("c.git", &[(0, IN_1970)])];
    let newest = [of("d.git", &[(199, IN_2099)]), of("e.git", &[(198, IN_2099), (199, IN_2099)])];
    for told in first.iter().chain(&newest) {
        let (weeks, rest) = told.split_once(' ').unwrap();
        assert!((weeks.parse::<f64>().unwrap() - 28.4).abs() < 0.7, "{told}");
        assert_eq!(rest, right.split_once(' ').unwrap().1);
    }
}

#[test]
fn a_time_after_every_calendar_is_told_alike_everywhere() {
    let stage = Stage::with_keys(&["ada"]);
    // 9999-12-31 and far beyond.
    for (name, day) in [("last.git", 2_913_220), ("beyond.git", 400_000_000)] {
        stage.bare(name, &quarterly(&[day]));
        let report = stage.audit(name);
        assert_eq!(report["read"]["last"].as_str().unwrap().split('T').next(), Some("9999-12-30"));
        assert_eq!(report["months"][0]["month"], "9999-12");
        assert_eq!(report["carrying"]["periods"][0]["period"], "9999-Q4");
        let home = format!("init home-{name} --name log --from {name} --founder ada=ada@shop.test=ada");
        let run = stage.run(&home);
        assert!(run.stdout.contains("9999-12-30 to 9999-12-30"), "{run}");
    }
}

/// A partial clone has names and no contents; the file is there, and the audit says so.
#[test]
fn owners_that_a_partial_clone_left_out_are_told() {
    let stage = Stage::new();
    let origin = stage.bare("origin.git", &shop("CODEOWNERS", OWNERS.as_bytes()));
    stage.git(&["-C", "origin.git", "config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", origin.display());
    stage.git(&["clone", "--quiet", "--bare", "--filter=blob:none", &url, "partial.git"]);
    let report = stage.audit("partial.git");
    assert_eq!((&report["areas_by"], &report["owners_file"]), (&json!("folders"), &Value::Null));
    assert!(
        report["caveats"].to_string().contains("The branch has CODEOWNERS, whose content is not in this clone"),
        "{report}"
    );
    assert!(!stage.audit("origin.git")["caveats"].to_string().contains("not in this clone"));
    assert_snapshot!(stage.run("audit partial.git --areas codeowners"), @"
    status 1
    --- stderr
    error: CODEOWNERS of `main` is there, but its content is not in this clone, or it is too large
    hint: a partial clone leaves contents out; `git show main:CODEOWNERS` in the repository fetches it
    ");
}

/// What a symbolic link has is where it leads: no owners, though it could be read as some.
#[test]
fn a_link_is_no_owners_file_and_no_mailmap() {
    let stage = Stage::new();
    let mut history = shop("docs/CODEOWNERS", OWNERS.as_bytes());
    let links = [("CODEOWNERS", "* @org/everybody"), (".mailmap", "Nobody <ada@shop.test>")];
    history.commit(&Commit { parents: &[5], files: &[], links: &links, ..Commit::default() });
    stage.bare("r.git", &history);
    let report = stage.audit("r.git --changes");
    assert_eq!(report["owners_file"]["path"], "docs/CODEOWNERS", "{report}");
    assert_eq!(report["changes"][0]["contributors"], json!(["Ada Lovelace"]), "{report}");
}
