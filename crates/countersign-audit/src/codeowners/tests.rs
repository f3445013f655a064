use proptest::prelude::*;

use super::*;

/// Who owns each path, by the last line that matches: `@a@3`, `-@2` where that line names nobody, `?` where none does.
fn owners(text: &str, paths: &[&str]) -> String {
    let owners = CodeOwners::parse(text);
    assert_eq!(owners.problems(), [], "{text}");
    let one = |path: &&str| match owners.owners(path) {
        Some(entry) if entry.owners.is_empty() => format!("-@{}", entry.line),
        Some(entry) => format!("{}@{}", entry.owners.join("+"), entry.line),
        None => "?".to_owned(),
    };
    paths.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn matching(pattern: &str, paths: &[&'static str]) -> Vec<&'static str> {
    let owners = CodeOwners::parse(&format!("{pattern} @a"));
    assert_eq!(owners.problems(), [], "{pattern}");
    paths.iter().copied().filter(|path| owners.owners(path).is_some()).collect()
}

fn problems(text: &str) -> String {
    let owners = CodeOwners::parse(text);
    owners.problems().iter().map(|problem| format!("{}: {}\n", problem.line, problem.what)).collect()
}

#[test]
fn githubs_own_example() {
    let text = "\
# The owners of what has no other.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
";
    let told = |paths: &[&str]| owners(text, paths);
    assert_eq!(told(&["README.md", "a/b/c.md"]), "@global-owner1+@global-owner2@2 @global-owner1+@global-owner2@2");
    assert_eq!(
        told(&["x.js", "src/x.js", "x.go", "a/x.txt"]),
        "@js-owner@3 @js-owner@3 docs@example.com@4 @octo-org/octocats@5"
    );
    assert_eq!(told(&["build/logs/a/b", "deeply/nested/logs/x", "build/x.js"]), "@octocat@11 @octocat@11 @js-owner@3");
    assert_eq!(
        told(&["docs/a.md", "docs/a/b.md", "sub/docs/a.md"]),
        "@doctocat@9 @doctocat@9 @global-owner1+@global-owner2@2"
    );
    assert_eq!(told(&["apps/a.js", "apps/github", "apps/github/a", "x/apps/a"]), "@octocat@12 -@13 -@13 @octocat@8");
}

#[test]
fn what_each_pattern_matches() {
    #[rustfmt::skip]
    let table: &[(&str, &[&str], &[&str])] = &[
        ("docs/*", &["docs/a.md"], &["docs/a/b.md", "sub/docs/a.md", "docs"]),
        ("/docs", &["docs", "docs/a", "docs/a/b"], &["sub/docs/a", "docs2/a"]),
        ("docs", &["docs", "docs/a", "sub/docs/a/b"], &["docs2/a", "mydocs"]),
        ("docs/", &["docs/a", "sub/docs/a/b"], &["docs"]),
        ("/docs/", &["docs/a/b"], &["docs", "sub/docs/a"]),
        ("src/app", &["src/app", "src/app/x"], &["a/src/app"]),
        ("/docs/**/*.md", &["docs/a.md", "docs/a/b/c.md"], &["docs/a.txt", "a.md"]),
        ("/docs/**", &["docs/a", "docs/a/b"], &["docs", "a"]),
        ("**/logs", &["logs", "a/logs", "a/logs/b"], &["alogs"]),
        ("a/**/b", &["a/b", "a/x/y/b", "a/x/b/c"], &["b", "x/a/b"]),
        ("/*", &["README.md"], &["src/a"]),
        ("*", &["README.md", "src/a"], &[]),
        ("**", &["README.md", "src/a"], &[]),
        ("*.js", &["a.js", "x/a.js", ".js"], &["a.jsx", "js"]),
        ("/src/*/x", &["src/a/x", "src/a/x/y"], &["src/x", "src/a/b/x"]),
        ("file?.c", &["file1.c", "a/file2.c"], &["file.c", "file12.c", "file/.c"]),
        (r"my\ docs/", &["my docs/a"], &["my", "docs/a"]),
        (r"\#notes", &["#notes", "a/#notes"], &["notes"]),
        (r"/app/\[id\]/{a,b}", &["app/[id]/{a,b}"], &["app/i/a", "app/[id]/a"]),
        (r"\*", &["*", "a/*"], &["a"]),
        ("/größe/", &["größe/a"], &["grosse/a"]),
        ("DOCS/", &["DOCS/a"], &["docs/a"]),
    ];
    for (pattern, yes, no) in table {
        let paths: Vec<&'static str> = yes.iter().chain(*no).copied().collect();
        assert_eq!(matching(pattern, &paths), *yes, "{pattern}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_remembered_and_the_others_count() {
    let text = "\u{feff}* @a\r\n!secret @b\r\nsrc/[a-z] @b\n/docs/ nobody\nback\\\n/ @c\n/x/ @x\n";
    insta::assert_snapshot!(problems(text), @r"
    2: `!secret`: a `!` takes nothing back here
    3: `src/[a-z]`: forges know no `[ ]` here; `\[` is the character itself
    4: `nobody` is no owner: @login, @org/team or a mail
    5: `back\` ends in a `\`
    6: `/` matches nothing; `*` matches everything
    ");
    let owners = CodeOwners::parse(text);
    assert_eq!(owners.owners("docs/a").map(|entry| entry.line), Some(1));
    assert_eq!(owners.owners("x/a").map(|entry| entry.line), Some(7));
}

#[test]
fn what_is_shown_drives_no_terminal() {
    let owners = CodeOwners::parse("a\u{1b}[31m @b\nx\u{202e} @ev\u{1b}il\n\u{7}! @a\n");
    let kept = format!("{:?} {:?}", owners.entries(), owners.problems());
    assert!(!kept.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{kept}");
    assert_eq!(owners.entries().len() + owners.problem_count(), 3);
}

const SECTIONS: &str = "\
* @all

[Docs] @writers
docs/
/docs/legal/ @lawyers @judges

^[Database][2] @dba
*.sql
docs/schema/ word @schema

[DOCS]
README.md @editors
";

#[test]
fn each_section_of_gitlab_decides_for_itself() {
    let owners = CodeOwners::parse(SECTIONS);
    assert_eq!(owners.problems(), []);
    let told = |path: &str| {
        let one = |entry: &Entry| format!("{}:{}", entry.section.as_deref().unwrap_or("-"), entry.owners.join("+"));
        owners.owners_by_section(path).into_iter().map(one).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told("src/a.rs"), "-:@all");
    assert_eq!(told("docs/a.md"), "Docs:@writers -:@all");
    assert_eq!(told("docs/legal/a.sql"), "Database:@dba Docs:@lawyers+@judges -:@all");
    assert_eq!(told("x/docs/schema/a"), "Database:@schema Docs:@writers -:@all");
    // Without a `/` in front a pattern holds at any depth; names of sections differ in more than case.
    assert_eq!(told("docs/README.md"), "DOCS:@editors -:@all");
    assert_eq!(owners.owners("docs/legal/a.sql").map(|entry| entry.line), Some(8));
}

#[test]
fn in_gitlabs_folder_patterns_mean_what_gitlab_says() {
    let text = "internal/README.md @a\ndocs @b\n/lib/ @c\n/ @d\n";
    let gitlab = CodeOwners::parse_at(".gitlab/CODEOWNERS", text);
    let line = |path: &str| gitlab.owners_by_section(path).first().map(|entry| entry.line);
    assert_eq!(gitlab.problems(), []);
    assert_eq!(line("x/internal/README.md"), Some(4));
    let gitlab = CodeOwners::parse_at(".gitlab/CODEOWNERS", "internal/README.md @a\ndocs @b\n/lib/ @c\n");
    let line = |path: &str| gitlab.owners(path).map(|entry| entry.line);
    assert_eq!(
        [line("x/internal/README.md"), line("docs/a"), line("a/docs"), line("lib/x/y")],
        [Some(1), None, Some(2), Some(3)]
    );
    let github = CodeOwners::parse("internal/README.md @a\n");
    assert!(github.owners("x/internal/README.md").is_none());
}

#[test]
fn a_catch_all_is_known() {
    let owners = CodeOwners::parse("* @a\n** @a\n/** @a\n**/* @a\n/* @a\n*.rs @a\n/src/ @a\n");
    let told: Vec<bool> = owners.entries().iter().map(Entry::is_catch_all).collect();
    assert_eq!(told, [true, true, true, true, false, false, false]);
}

#[test]
fn a_huge_file_is_bounded() {
    let many: String = (0..MAX_ENTRIES + 200).map(|at| format!("/services/s{at}/ @team{at}\n")).collect();
    let owners = CodeOwners::parse(&many);
    assert_eq!((owners.entries().len(), owners.problem_count()), (MAX_ENTRIES, 200));
    assert_eq!(owners.problems().len(), MAX_PROBLEMS);
    assert_eq!(owners.owners("services/s9999/a").map(|entry| entry.line), Some(10_000));
    assert_eq!(owners.owners("services/s1/a/b").map(|entry| entry.line), Some(2));

    let lines = CodeOwners::parse(&"\n".repeat(MAX_LINES + 1));
    assert_eq!(lines.problems().len(), 1);
    let long = CodeOwners::parse(&format!("{} @a\n/b @b", "x".repeat(MAX_BYTES)));
    insta::assert_snapshot!(problems(&format!("{} @a\n", "x".repeat(5_000))), @"1: the pattern is longer than 1000 characters");
    assert_eq!(long.entries().len(), 0);
    // What a cut leaves of the last line would take `/s` from its owners.
    let text = format!("/s @a\n{}\n/services/ @b\n", "#".repeat(MAX_BYTES - 9));
    let cut = CodeOwners::parse(&text);
    assert_eq!((cut.entries().len(), cut.problem_count()), (1, 1));
    assert_eq!(cut.problems().first().map(|problem| problem.line), Some(3));
    let people = CodeOwners::parse(&format!("/a {}", "@x ".repeat(MAX_OWNERS + 1)));
    assert_eq!(people.problem_count(), 1);
    let headings: String = (0..3_000).map(|at| format!("[s{at}]\n*.a @a\n")).collect();
    assert_eq!(CodeOwners::parse(&headings).owners_by_section("x.a").len(), MAX_SECTIONS);
}

#[test]
fn stars_upon_stars_cost_little() {
    let hostile: String = (0..300).map(|at| format!("{}{at} @a\n", "*a*b?".repeat(150))).collect();
    let owners = CodeOwners::parse(&hostile);
    assert_eq!(owners.entries().len() + owners.problem_count(), 300);
    assert!(owners.owners(&"ab/".repeat(300)).is_none());
}

/// Patterns of a small alphabet, so that they often match.
fn small_pattern() -> impl Strategy<Value = String> {
    "/?(a|b|\\*|\\*\\*|a\\*|\\*b)(/(a|b|\\*|\\*\\*|a\\*)){0,2}/?"
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "(?s).{0,200}", path in ".{0,40}", location in prop::sample::select(&LOCATIONS[..])) {
        let owners = CodeOwners::parse_at(location, &text);
        owners.owners(&path);
        owners.owners_by_section(&path);
    }

    #[test]
    fn nothing_that_looks_like_a_file_makes_it_panic(
        text in "([\\[\\]*?!#@/\\\\ab{},^ \t\n]|\\*\\*/|@a|\\[s\\]\n){0,80}",
        path in "[ab/*\\[\\] ]{0,12}",
    ) {
        let owners = CodeOwners::parse(&text);
        owners.owners(&path);
        let sections = owners.owners_by_section(&path);
        prop_assert_eq!(sections.first().copied(), owners.owners(&path));
    }

    /// Each entry is asked by itself, one after the other: the last one that matches decides.
    #[test]
    fn the_last_match_wins(
        patterns in prop::collection::vec(small_pattern(), 1..12),
        path in "[ab](/[ab]){0,3}",
    ) {
        let text: String = patterns.iter().enumerate().map(|(at, pattern)| format!("{pattern} @o{at}\n")).collect();
        let alone = |pattern: &String| CodeOwners::parse(&format!("{pattern} @o")).owners(&path).is_some();
        let last = patterns.iter().rposition(alone).map(|at| at + 1);
        prop_assert_eq!(CodeOwners::parse(&text).owners(&path).map(|entry| entry.line), last);
    }
}
