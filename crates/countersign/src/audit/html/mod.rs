//! The report as one page for a browser, which needs no network and can be forwarded.
//!
//! What the page says stands in its HTML, made by `maud`, which escapes every text. A script adds charts (Observable Plot
//! on d3, both from `assets/audit/vendor`) and the table of the changes behind each number. A Content-Security-Policy
//! lets nothing run or be loaded but what is in the page, by digest: a text from a repository that came through as an
//! element would still do nothing.

mod carriers;
mod data;
mod parts;
mod rules;
mod sections;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::json;
use thiserror::Error;

use self::parts::{GRADES, grade_key, grade_label, grade_meaning, of_grade};
use super::{
    report::{Month, Report, has_second_person},
    text::counted,
};
use crate::page::{self, STYLE};

const SHARED: &str = include_str!("../../../assets/audit/page.js");
const CHARTS: &str = include_str!("../../../assets/audit/charts.js");
const CHANGES: &str = include_str!("../../../assets/audit/changes.js");
const D3: &str = include_str!("../../../assets/audit/vendor/d3.min.js");
const PLOT: &str = include_str!("../../../assets/audit/vendor/plot.min.js");
/// In the order in which they run.
const SCRIPTS: [&str; 5] = [D3, PLOT, SHARED, CHARTS, CHANGES];
const D3_LICENSE: &str = include_str!("../../../assets/audit/vendor/d3.LICENSE");
const PLOT_LICENSE: &str = include_str!("../../../assets/audit/vendor/plot.LICENSE");
/// The style that Plot puts into every chart. The browser lets it in by its digest, like ours.
const PLOT_STYLE: &str = ":where(.plot-d6a7b5) {
  --plot-background: white;
  display: block;
  height: auto;
  height: intrinsic;
  max-width: 100%;
}
:where(.plot-d6a7b5 text),
:where(.plot-d6a7b5 tspan) {
  white-space: pre;
}";

#[derive(Debug, Error)]
pub enum PageError {
    #[error("its data cannot be written as JSON: {0}")]
    Data(serde_json::Error),
    #[error("its data cannot be packed: {0}")]
    Packing(std::io::Error),
}

/// The page of a report that lists its changes. `commits_at` is the address of a commit's page without its id.
pub fn render(report: &Report, commits_at: Option<&str>) -> Result<String, PageError> {
    let data = small_data(report, commits_at)?;
    let packed = data::packed(report)?;
    let title = format!("Audit of {}", report.title);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (page::head(&title, &page::policy(&SCRIPTS, &[STYLE, PLOT_STYLE])))
            body {
                a.skip href="#main" { "To the report" }
                (sections::head(report))
                main id="main" {
                    @if report.landed > 0 {
                        (sections::all(report))
                        (rules::section(report))
                        (table::section(report))
                    }
                    (sections::methods(report))
                }
                (foot())
                dialog id="change" aria-labelledby="change-title" {}
                script type="application/json" id="page-data" { (data) }
                script type="text/plain" id="changes-data" { (PreEscaped(packed)) }
                @for script in SCRIPTS { script { (PreEscaped(script)) } }
            }
        }
    };
    Ok(page.into_string())
}

fn foot() -> Markup {
    html! {
        footer {
            p {
                "Made by " code { (concat!("countersign ", env!("CARGO_PKG_VERSION"))) }
                ", from the repository alone. This page loads nothing and sends nothing."
            }
            details {
                summary { "Licences of the chart library" }
                p { "d3" }
                pre { (D3_LICENSE) }
                p { "Observable Plot" }
                pre { (PLOT_LICENSE) }
            }
        }
    }
}

/// What the charts are drawn from, and the words that the table uses.
fn small_data(report: &Report, commits_at: Option<&str>) -> Result<Markup, PageError> {
    let reverted = reverted_by_month(report);
    let month = |month: &Month| {
        let grades: Vec<u64> = GRADES.iter().map(|grade| of_grade(&month.grades, *grade)).collect();
        let ai = [month.ai.declared, month.ai.inferred, month.ai.unknown];
        let reverted = reverted.get(month.month.as_str()).copied().unwrap_or_default();
        json!({"month": month.month, "landed": month.landed, "grades": grades, "ai": ai, "reverted": reverted})
    };
    let grade = |grade: &countersign_audit::Grade| {
        json!({
            "key": grade_key(*grade),
            "label": grade_label(*grade),
            "meaning": grade_meaning(*grade),
            "second_person": has_second_person(*grade),
        })
    };
    let whole = report.replay.as_ref();
    let data = json!({
        "anonymised": report.anonymised,
        "commits_at": commits_at,
        "grades": GRADES.iter().map(grade).collect::<Vec<_>>(),
        "months": report.months.iter().map(month).collect::<Vec<_>>(),
        "reviewers": report.reviewers.iter().map(|reviewer| reviewer.count).collect::<Vec<_>>(),
        "curve": whole.map(|whole| &whole.curve),
        "reverted": whole.map(|whole| whole.reverted),
        "rules": report.rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(),
        "compared": report.compare.is_some(),
    });
    let json = serde_json::to_string(&data).map_err(PageError::Data)?;
    Ok(PreEscaped(inert(&json)))
}

fn reverted_by_month(report: &Report) -> std::collections::BTreeMap<&str, u64> {
    let mut by = std::collections::BTreeMap::new();
    for change in report.changes.iter().flatten().filter(|change| change.reverted_by.is_some()) {
        // `2026-03`; a year before the first has a sign.
        let month =
            change.landed_at.split('T').next().and_then(|day| day.rsplit_once('-')).map_or("", |(month, _)| month);
        let count: &mut u64 = by.entry(month).or_default();
        *count = count.saturating_add(1);
    }
    by
}

/// JSON without anything that HTML or an old parser of scripts would act on.
fn inert(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// `1 change`, `44,148 changes`.
fn number_of_changes(count: u64) -> String {
    counted(count, "change")
}

#[cfg(test)]
mod tests {
    use super::{CHANGES, CHARTS, D3, PLOT, PLOT_STYLE, SCRIPTS, SHARED, STYLE, inert};
    use countersign_ledger::Digest;

    /// Whoever brings in a newer library changes these: it is then seen that they did.
    #[test]
    fn the_library_is_the_one_that_its_authors_published() {
        let published = [
            (D3, "// https://d3js.org v7.9.2 ", "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1"),
            (
                PLOT,
                "// @observablehq/plot v0.6.17 ",
                "4358086467740777dd788d6b27a95cebdbaefdd50c730a3060117073bd7134cb",
            ),
        ];
        for (library, begins, digest) in published {
            assert!(library.starts_with(begins), "{begins}");
            assert_eq!(Digest::of(library).hex(), digest, "{begins}");
        }
    }

    /// The digest in the page's policy is of this text, which Plot writes with the name of a class filled in.
    #[test]
    fn the_style_of_charts_is_the_librarys() {
        let written = PLOT_STYLE.replace("plot-d6a7b5", "${c}").replace('\n', "\\n");
        assert!(PLOT.contains(&format!("append(\"style\").text(`{written}`)")), "Plot's style is another now");
    }

    #[test]
    fn what_stands_in_a_script_element_cannot_end_it() {
        for text in SCRIPTS.iter().chain([&STYLE]) {
            let beginning = text.lines().next();
            let text = text.to_ascii_lowercase();
            let ends = ["</script", "<!--", "</style"].iter().any(|end| text.contains(end));
            assert!(!ends, "{beginning:?}");
        }
        assert_eq!(inert("\"</script><!--&\u{2028}\""), r#""\u003c/script\u003e\u003c!--\u0026\u2028""#);
    }

    #[test]
    fn the_scripts_make_no_elements_from_text() {
        let words = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch("];
        for (script, word) in [SHARED, CHARTS, CHANGES].iter().flat_map(|script| words.map(|word| (script, word))) {
            assert!(!script.contains(word), "{word}");
        }
    }
}
