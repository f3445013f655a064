//! `countersign audit --format html`: the page, also as a browser shows it.

use std::{fs, io::Read as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use insta::assert_snapshot;
use regex::Regex;

use super::{
    GENTLE, areas,
    history::{Commit, EPOCH, History},
    shop, slice,
};
use crate::{browser::Shown, support::Stage};

/// What begins markup or ends a script, and what would drive a terminal or turn words round.
const EVIL: &str = "<script>alert(1)</script></script><img src=x onerror=alert(1)>\u{202e}\u{1b}[31m\"'&amp;";

fn page(stage: &Stage, words: &str) -> String {
    let run = stage.run(&format!("audit {words} --format html --out page.html"));
    assert_eq!((run.status, run.stderr.as_str(), run.stdout.as_str()), (0, "", ""), "{run}");
    stage.read("page.html")
}

/// Shows the page that was written last, at an address within it.
fn shown(stage: &Stage, at: &str) -> Shown {
    let shown = Shown::page(stage, "page.html", at);
    assert_eq!(shown.complaints, Vec::<String>::new(), "{at}");
    assert!(shown.dom.contains("data-ready=\"yes\""), "the script did not come to its end: {}", still(&shown.dom));
    shown
}

/// What a reader without a script sees.
fn still(page: &str) -> &str {
    let body = page.split_once("</head>").unwrap().1;
    body.split_once("<script type=\"application/json\"").unwrap().0
}

/// The changes inside a page.
fn unpacked(page: &str) -> String {
    let packed = page.split_once("id=\"changes-data\">").unwrap().1.split_once('<').unwrap().0;
    let mut text = String::new();
    GzDecoder::new(STANDARD.decode(packed).unwrap().as_slice()).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_page_says_in_its_html_what_the_report_says() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    let page = page(&stage, "shop.git");
    let still = still(&page);
    assert!(page.contains("<title>Audit of shop</title>"), "{page}");
    for words in [
        "<h1>Git carries a second person for 67% of 3 landed changes</h1>",
        "<a class=\"count\" href=\"#changes?second=no\">1</a>",
        "That is not to say that nobody looked",
        "<a class=\"count\" href=\"#changes?impact=deployment\">1</a>",
        "No change says that it takes back another one",
        "1 of 1 reviewer gave half of the 1 review",
        "<a class=\"count\" href=\"#changes?rule=second%2Dpair%2Dof%2Deyes\">1</a>",
        "Trailers, names and dates in commits are claims",
    ] {
        assert!(still.contains(words), "{words}\n{still}");
    }
    assert!(!still.to_lowercase().contains("unreviewed"), "{still}");
    // Nothing is loaded from anywhere, and no style stands where the policy would refuse it.
    for begins in ["src=", "url(", "@import", "<link", "<iframe", "<object", "style=\""] {
        assert!(!still.contains(begins), "{begins}\n{still}");
    }
}

/// A link of each kind is followed: a browser for every one of them would take minutes.
#[test]
fn numbers_lead_to_as_many_changes_as_they_say() {
    let stage = Stage::new();
    stage.bare("r.git", &slice::read("operations-puppet"));
    let page = page(&stage, "r.git");
    let link = Regex::new("<a class=\"count\" href=\"(#changes[^\"]*)\">([0-9,]+)</a>").unwrap();
    let mut kinds: Vec<String> = Vec::new();
    for found in link.captures_iter(&page) {
        let (address, number) = (found[1].replace("&amp;", "&"), &found[2]);
        let kind: String = address.split(['?', '&']).filter_map(|part| part.split('=').next()).collect();
        if kinds.contains(&kind) {
            continue;
        }
        kinds.push(kind);
        let count = shown(&stage, &address).text("count");
        assert!(count.starts_with(&format!("{number} of 246 changes")), "{address} says {number}, the table: {count}");
    }
    assert!(kinds.len() > 12, "{kinds:?}");
}

#[test]
fn charts_are_drawn_and_a_change_is_found_by_its_id() {
    let stage = Stage::new();
    let mut history = shop();
    history.commit(&Commit { parents: &[5], at: EPOCH + 400_000, message: b"Revert \"prices\"", ..Commit::default() });
    history.commit(&Commit {
        parents: &[6],
        at: EPOCH + 500_000,
        message: b"robots\n\nCo-authored-by: Claude <noreply@anthropic.com>",
        ..Commit::default()
    });
    stage.bare("r.git", &history);
    stage.git(&["-C", "r.git", "config", "remote.origin.url", "https://ada:s3cret@github.com/shop/prices.git"]);
    let page = page(&stage, "r.git");
    assert!(!page.contains("s3cret"));
    let id = stage.git(&["-C", "r.git", "rev-parse", "main~3"]);
    let seen = shown(&stage, &format!("#change={}", &id[..12]));
    let marks = Regex::new("<(rect|path|circle) ").unwrap();
    for chart in ["chart-grades", "chart-ai", "chart-reverts", "chart-curve"] {
        let figure = seen.element("figure", chart);
        assert!(figure.contains("class=\"plot-d6a7b5\"") && figure.contains("aria-label="), "{chart}: {figure}");
        assert!(marks.is_match(&figure), "{chart}: {figure}");
    }
    let change = seen.element("dialog", "change");
    for words in [
        "prices",
        "Grace Hopper",
        "Reviewed-by: Grace Hopper",
        "gave the grade",
        "Taken back by",
        &id,
        &format!("href=\"https://github.com/shop/prices/commit/{id}\""),
        "<code>documented</code> was not met. It lacks: ",
    ] {
        assert!(change.contains(words), "{words}: {change}");
    }
    let seen = shown(&stage, &format!("#changes?q={}", &id[..9]));
    assert_eq!(seen.text("count"), "1 of 5 changes, 1 to 1 shown");
    assert!(seen.element("div", "rows").contains(&format!("#change={id}")));
    assert!(shown(&stage, "#change=ffffffffffff").element("dialog", "change").contains("No such change"));
}

#[test]
fn hostile_texts_stay_texts() {
    let stage = Stage::new();
    let mut history = History::default();
    // git itself allows no angle bracket in a name, but a trailer may hold anything.
    let who = format!("Eve {} <eve@x.test>", EVIL.replace(['<', '>'], ""));
    let message =
        format!("{EVIL} subject\n\nReviewed-by: {EVIL} <mallory@x.test>\nCo-authored-by: Bob {EVIL} <bob@x.test>\n");
    let commit = Commit {
        author: &who,
        message: message.as_bytes(),
        files: &[b"\"<img src=y onerror=alert(2)>/x\""],
        ..Commit::default()
    };
    let first = history.commit(&commit);
    history.commit(&Commit { parents: &[first], at: EPOCH + 9, ..Commit::default() });
    let name = "<img src=z onerror=alert(3)>.git";
    let branch = "<svg/onload=alert(4)>";
    stage.bare(name, &history);
    stage.git(&["-C", name, "update-ref", &format!("refs/heads/{branch}"), "refs/heads/main"]);
    stage.git(&["-C", name, "config", "remote.origin.url", "https://github.com/o/r\"><script>alert(5)</script>"]);
    let run = stage.run_words(&["audit", name, "--branch", branch, "--format", "html", "--out", "page.html"]);
    assert_eq!(run.status, 0, "{run}");
    let page = stage.read("page.html");
    let acts =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!still(&page).contains(acts) && !unpacked(&page).contains(acts), "{page}");
    let id = stage.git(&["-C", name, "rev-parse", "main~1"]);
    let (value, handler) = (Regex::new("=\"[^\"]*\"").unwrap(), Regex::new("<[^<>]* on[a-z]+").unwrap());
    let by_area = "#changes?q=%3Cscript%3E&area=%3Cimg%20src%3Dy%20onerror%3Dalert(2)%3E&rule=%3Cimg%20src%3Dw%3E";
    for at in ["", "#changes", by_area, "#changes?reviewer=%3Cimg%20src%3Dv%3E", &format!("#change={id}")] {
        let dom = shown(&stage, at).dom;
        let body = still(&dom);
        for element in ["<img", "<script", "<svg/", "<svg onload"] {
            assert!(!body.contains(element), "{at}: {element}\n{body}");
        }
        assert!(!handler.is_match(&value.replace_all(body, "")), "{at}\n{body}");
        assert!(body.contains("&lt;img src=y onerror=alert(2)&gt;"), "an area: {body}");
        assert!(body.contains("&lt;svg/onload=alert(4)&gt;"), "the branch: {body}");
    }
    // As text they are there.
    let change = shown(&stage, &format!("#change={id}")).element("dialog", "change");
    assert!(change.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{change}");
    assert!(!change.contains("github.com"), "{change}");
}

#[test]
fn pseudonyms_hold_in_the_page() {
    let stage = Stage::new();
    stage.bare("r.git", &shop());
    stage.git(&["-C", "r.git", "config", "remote.origin.url", "git@github.com:ada-lovelace/goods.git"]);
    let page = page(&stage, "r.git --anonymise");
    let id = stage.git(&["-C", "r.git", "rev-parse", "main~1"]);
    let seen = shown(&stage, &format!("#change={id}"));
    let data = page.split_once("id=\"page-data\">").unwrap().1.split_once("</script>").unwrap().0;
    for text in [still(&page), still(&seen.dom), data, &unpacked(&page)] {
        for word in ["grace", "hopper", "lovelace", "shop.test", "github", "goods", "prices"] {
            assert!(!text.to_lowercase().contains(word), "{word}: {text}");
        }
    }
    assert!(seen.element("dialog", "change").contains("Subjects are left out"));
}

#[test]
fn areas_by_owner_lead_to_their_changes_under_pseudonyms_too() {
    let stage = Stage::new();
    let owners = b"/billing/ @org/payments @grace\n/db/ ada@shop.test\n";
    stage.bare("r.git", &areas::shop("CODEOWNERS", owners));
    let link = Regex::new("(#changes[?]area=[^\"]*payments[^\"]*)\">1<").unwrap();
    for words in ["r.git", "r.git --anonymise"] {
        let page = page(&stage, words);
        let found = link.captures(still(&page)).unwrap_or_else(|| panic!("{}", still(&page)));
        assert!(shown(&stage, &found[1]).text("count").starts_with("1 of 5 changes"), "{words}");
        assert_eq!(still(&page).contains("grace") || unpacked(&page).contains("grace"), words == "r.git");
    }
}

#[test]
fn a_history_of_one_change_and_a_time_without_any() {
    let stage = Stage::new();
    stage.bare("r.git", &History::chain(&["begin"]));
    let one = page(&stage, "r.git");
    assert!(one.contains("<h1>Git carries no second person for the one landed change</h1>"), "{one}");
    assert_eq!(shown(&stage, "#changes?grade=alone").text("count"), "1 of 1 change, 1 to 1 shown");
    let none = page(&stage, "r.git --since 2030-01-01");
    assert!(none.contains("<h1>No change landed in that time</h1>"), "{none}");
    assert_eq!(Shown::page(&stage, "page.html", "#changes").complaints, Vec::<String>::new());
}

#[test]
fn two_sets_of_rules_lead_to_what_changes_verdict() {
    let stage = Stage::new();
    stage.bare("r.git", &shop());
    fs::create_dir(stage.path("gentle")).unwrap();
    fs::write(stage.path("gentle/gentle.cedar"), GENTLE).unwrap();
    let page = page(&stage, "r.git --compare gentle");
    let link = Regex::new("(#changes[?]verdict=deny%2Dto%2Dallow)\">([0-9]+) changes").unwrap();
    let found = link.captures(&page).unwrap_or_else(|| panic!("{}", still(&page)));
    let count = shown(&stage, &found[1]).text("count");
    assert!(count.starts_with(&format!("{} of 3 changes", &found[2])), "{count}");
}

#[test]
fn only_what_is_forwarded_makes_pages() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    let said = stage.run("list --format html").to_string();
    assert_snapshot!(said, @r"
    status 2
    --- stderr
    error: --format html: only `countersign audit` and `countersign verify` make a page
    hint: --format text is for people, --format json for programs
    ");
    for words in ["rules check rules --format html", "--format html demo"] {
        assert_eq!(stage.run(words).to_string(), said, "{words}");
    }
}

#[test]
fn a_page_goes_into_a_pipe_but_not_to_a_terminal() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    let run = stage.run("audit shop.git --format html");
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    assert_eq!(run.stdout, page(&stage, "shop.git"));
    // `script` gives it a terminal.
    let program = format!("{} audit shop.git --format html", env!("CARGO_BIN_EXE_countersign"));
    let mut script = stage.command("script");
    let output = script.args(["--quiet", "--return", "--command", &program, "/dev/null"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("which a terminal cannot show") && said.contains("--out audit.html"), "{said}");
}

/// Else the browser's silence about our page would prove nothing.
#[test]
fn a_page_that_does_more_is_seen_to() {
    let stage = Stage::new();
    let refuse = "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">";
    for (html, complaint) in [
        ("<img src=http://elsewhere.test/x.png>".to_owned(), "GET http://elsewhere.test/x.png"),
        (format!("{refuse}<script>alert(1)</script>"), "Content Security Policy"),
        ("<script>throw new Error('broken')</script>".to_owned(), "broken"),
    ] {
        stage.write("page.html", &html);
        let complaints = Shown::page(&stage, "page.html", "").complaints;
        assert!(complaints.iter().any(|said| said.contains(complaint)), "{html}: {complaints:?}");
    }
}

/// A squash repository of two years, with a robot in it: what git cannot tell comes first, with what would.
#[test]
fn the_page_leads_with_what_cannot_be_judged_and_says_what_to_do_next() {
    let stage = Stage::new();
    let mut history = History::chain(&["begin", "prices\n\nReviewed-by: Grace Hopper <grace@shop.test>"]);
    let year = 366 * 86_400;
    for nth in 0..6_i64 {
        let (message, at) = (format!("squash {nth} (#{nth})"), EPOCH + year + nth * 86_400);
        let parents = &[2 + usize::try_from(nth).unwrap()];
        let committer = "GitHub <noreply@github.com>";
        history.commit(&Commit { parents, committer, at, message: message.as_bytes(), ..Commit::default() });
    }
    let robot = "renovate[bot] <29139614+renovate[bot]@users.noreply.github.com>";
    let at = EPOCH + year + 7 * 86_400;
    history.commit(&Commit { parents: &[8], author: robot, committer: robot, at, ..Commit::default() });
    stage.bare("r.git", &history);
    stage.git(&["-C", "r.git", "config", "remote.origin.url", "git@github.com:shop/prices.git"]);
    let html = page(&stage, "r.git");
    assert!(html.contains("<title>Audit of shop/prices</title>"));
    let still = still(&html);
    for words in [
        "<h1>Git cannot tell who looked at 67% of 9 landed changes</h1>",
        "Of the other 3 git carries a second person for",
        "Have GitHub tell of its reviews, which decides about 6 changes (66.7%)",
        "<code>gh pr list --state merged",
        "Begin with the rule ",
        "countersign init home --from r.git",
        "The last twelve months (2023-12 to 2024-11) beside all",
        "Robots alone made <a class=\"count\" href=\"#changes?made=robots\">1</a> of the changes",
    ] {
        assert!(still.contains(words), "{words}\n{still}");
    }
    assert_eq!(shown(&stage, "#changes?made=robots").text("count"), "1 of 9 changes, 1 to 1 shown");
    assert_eq!(
        shown(&stage, "#changes?made=people&month=2023-12..2024-11").text("count"),
        "6 of 9 changes, 1 to 6 shown"
    );
    let named = page(&stage, "r.git --title Prices");
    assert!(named.contains("<title>Audit of Prices</title>"));
    // Whose it is, is not told under pseudonyms.
    let anonymous = page(&stage, "r.git --anonymise");
    assert!(!anonymous.contains("shop/prices") && anonymous.contains("countersign audit --reviews-help"));
}
