//! Symbolic links in facts: what a change reaches by them.

use std::collections::BTreeMap;

use countersign_core::{
    evidence::Attests,
    facts::{GitFacts, Led, delta, facts, git::GitRead as _, led},
    rules::Rules,
};

use crate::memory::{Memory, Node, file, oid, range, salt};

const LINK: u32 = 0o120_000;
const ADA: &str = "Ada <ada@example.com>";

/// A history of two commits, in which links are named by where they lead.
fn history(before: &[(&'static str, &'static str)], touched: &[(&'static str, &'static str)]) -> Memory {
    let mut git = Memory::default();
    let mut n = 100;
    for (at, (commit, paths)) in [(1, before), (2, touched)].into_iter().enumerate() {
        let mut files: Vec<(&[u8], Node)> = Vec::new();
        for (path, leads) in paths {
            n += 1;
            match *leads {
                "" => files.push((path.as_bytes(), file(n))),
                leads => {
                    git.texts.insert(n, leads);
                    files.push((path.as_bytes(), Node(LINK, n)));
                }
            }
        }
        let parents: &[u64] = if at == 0 { &[] } else { &[1] };
        git.write(commit, parents, [ADA, ADA], b"x", &files);
    }
    git
}

/// What is known of the second of them.
fn extracted(before: &[(&'static str, &'static str)], touched: &[(&'static str, &'static str)]) -> GitFacts {
    facts(&history(before, touched), &range(1, 2), &salt()).unwrap().0
}

fn reaches(before: &[(&'static str, &'static str)], touched: &[(&'static str, &'static str)]) -> String {
    let git = history(before, touched);
    let changes = delta::touched(&git.diff(&oid(1), &oid(2)).unwrap());
    let found = led(&git, &oid(2), &changes).unwrap();
    let (extracted, _) = facts(&git, &range(1, 2), &salt()).unwrap();
    assert_eq!(extracted.led, found);
    match found {
        Led { unknown: true, .. } => "unknown".to_owned(),
        Led { paths, .. } => {
            let one =
                |led: &countersign_core::facts::LedPath| format!("{}{}", led.path, if led.below { "/" } else { "" });
            paths.iter().map(one).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn a_link_that_comes_reaches_where_it_leads() {
    assert_eq!(reaches(&[("core/a.txt", "")], &[("docs/l2", "../core/a.txt")]), "core/a.txt/");
    assert_eq!(reaches(&[("core/a.txt", "")], &[("docs/l2", ".././docs/../core")]), "core/");
    // By another link, and by a folder that is one.
    assert_eq!(reaches(&[("core/a", ""), ("by", "core")], &[("docs/l2", "../by/a")]), "by/a/ core/a/");
    assert_eq!(reaches(&[("core/a", "")], &[("docs/gone", "nowhere")]), "docs/nowhere/");
}

#[test]
fn an_edit_reaches_the_links_that_lead_to_it() {
    let core = ("core/cfg", "../docs/cfg");
    assert_eq!(reaches(&[("docs/cfg", ""), core], &[("docs/cfg", "")]), "core/cfg");
    assert_eq!(reaches(&[("docs/other", ""), core], &[("docs/other", "")]), "");
    // To a folder above it, link by link, and by what a link in between is turned to.
    assert_eq!(reaches(&[("docs/x/cfg", ""), ("core/d", "../docs")], &[("docs/x/cfg", "")]), "core/d/x/cfg");
    assert_eq!(reaches(&[("a", ""), ("b", "a"), ("c", "b")], &[("a", "")]), "b c");
    assert_eq!(reaches(&[("a", ""), ("b", "a"), ("c", "b"), ("d", "")], &[("b", "d")]), "a/ c c/ d/");
    assert_eq!(reaches(&[("a/f", ""), ("b", "a"), ("c/l", "../b/f")], &[("a/f", "")]), "b/f c/l");
    // The link was there, and goes with this.
    assert_eq!(reaches(&[("docs/cfg", ""), core], &[("docs/cfg", ""), ("core/cfg", "")]), "core/cfg docs/cfg/");
}

#[test]
fn where_nobody_can_tell_where_a_link_leads_a_change_touches_everything() {
    for leads in ["/etc/passwd", "../../out", "..", "l", "."] {
        assert_eq!(
            reaches(&[("docs/a", "")], &[("docs/l", leads)]),
            if leads == "." { "docs/" } else { "unknown" },
            "{leads}"
        );
    }
    // One that was there is not found, and one to the folder that it is in does not go round.
    assert_eq!(reaches(&[("docs/a", ""), ("docs/l", "/docs/a")], &[("docs/a", "")]), "");
    assert_eq!(reaches(&[("docs/a", ""), ("docs/l", ".")], &[("docs/a", "")]), "docs/l/a");
    assert_eq!(reaches(&[("a", ""), ("l", ".")], &[("a", "")]), "l/a");
}

/// A workflow that has been a link for long is edited where it leads, and where a link on the way is turned elsewhere.
#[test]
fn a_link_of_long_ago_hides_no_edit_of_the_workflow_that_it_leads_to() {
    let workflow = ".github/workflows/ci.yml";
    let edits = |before: &[(&'static str, &'static str)], touched: &[(&'static str, &'static str)], named| {
        let ruled = extracted(before, touched).ruled_paths();
        Attests::default().is_edited_by(ruled.as_deref(), named)
    };
    let linked = [("ci/steps.yml", ""), ("ci/other.yml", ""), (".github/workflows/ci.yml", "../../ci/steps.yml")];
    assert!(edits(&linked, &[("ci/steps.yml", "")], Some(workflow)) && edits(&linked, &[("ci/steps.yml", "")], None));
    assert!(!edits(&linked, &[("ci/other.yml", "")], Some(workflow)));
    // By a folder that is a link, and by a link in between.
    let by_folder = [("tools/run.sh", ""), ("ci", "tools"), ("elsewhere/run.sh", "")];
    assert!(edits(&by_folder, &[("tools/run.sh", "")], Some("ci/run.sh")));
    assert!(edits(&by_folder, &[("ci", "elsewhere")], Some("ci/run.sh")));
    let in_between = [("b/run.sh", ""), ("a", "b"), ("ci/run.sh", "../a/run.sh"), ("c/run.sh", "")];
    assert!(edits(&in_between, &[("b/run.sh", "")], Some("ci/run.sh")));
    assert!(edits(&in_between, &[("a", "c")], Some("ci/run.sh")));
    // The other way round: a link to the workflow, turned away from it.
    let to_it = [(workflow, ""), ("run", ".github/workflows/ci.yml"), ("b", "")];
    assert!(edits(&to_it, &[("run", "b")], Some(workflow)) && edits(&to_it, &[(workflow, "")], Some("run")));
}

#[test]
fn rules_are_asked_about_what_links_lead_to_and_a_size_is_not() {
    let mut git = Memory::default();
    git.texts.insert(12, "../docs/cfg");
    git.write(1, &[], [ADA, ADA], b"x", &[(b"docs/cfg", file(11)), (b"core/cfg", Node(LINK, 12))]);
    git.write(2, &[1], [ADA, ADA], b"x", &[(b"docs/cfg", file(13))]);
    let (extracted, _) = facts(&git, &range(1, 2), &salt()).unwrap();
    let text = "@id(\"r\")\n@requires(\"approval:independent:2\")\n@because(\"x\")\n@remedy(\"ask for {change}\")\n@mode(\"enforce\")\n\
        @strength(\"waivable\")\nforbid (principal, action == Countersign::Action::\"apply\", resource) when { \
        resource.paths.touched[\"core/**\"] && !resource.paths.only[\"docs/**\"] && resource.size.files_without[\"gen/**\"] == 1 } \
        unless { resource.approvals.independent >= 2 };";
    let rules = Rules::parse(&BTreeMap::from([("r.cedar".to_owned(), text.to_owned())])).unwrap();
    let paths = extracted.ruled_paths().unwrap();
    let views = rules.paths_of(Some(&paths));
    assert!(views["core/**"].touched && !views["docs/**"].only, "{views:?}");
    assert_eq!(rules.sizes_without(Some(&paths))["gen/**"].files, 1);
    let out = countersign_core::facts::GitFacts { led: Led { paths: Vec::new(), unknown: true }, ..extracted };
    assert!(rules.paths_of(out.ruled_paths().as_deref())["core/**"].touched, "nobody can tell");
}
