//! What pages for a browser share: one style, one policy, tables, and texts in which nothing hides.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::difference::visible;

pub const STYLE: &str = include_str!("../assets/audit/style.css");

/// One cell of a table.
pub type Cell = Markup;

/// A Content-Security-Policy by which nothing is loaded from anywhere, and nothing runs but these, by their digests.
pub fn policy(scripts: &[&str], styles: &[&str]) -> String {
    let digests = |texts: &[&str]| match texts {
        [] => "'none'".to_owned(),
        texts => {
            let each = texts.iter().map(|text| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text))));
            each.collect::<Vec<_>>().join(" ")
        }
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        digests(scripts),
        digests(styles)
    )
}

/// What stands in the head of every page.
pub fn head(title: &str, policy: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta name="generator" content=(concat!("countersign ", env!("CARGO_PKG_VERSION")));
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// A page without any script.
pub fn still(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, &policy(&[], &[STYLE])))
            body {
                a.skip href="#main" { "To the evidence" }
                (body)
                footer { p { "Made by " code { (concat!("countersign ", env!("CARGO_PKG_VERSION"))) } ". This page loads nothing and sends nothing." } }
            }
        }
    };
    page.into_string()
}

/// Text from elsewhere, its invisible characters shown as what they are.
pub fn shown(text: &str) -> String {
    visible(text.as_bytes())
}

pub fn cell(text: impl ToString) -> Cell {
    html! { (text.to_string()) }
}

/// A table, each row of which is a card where the page is narrow.
pub fn table(caption: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> Markup {
    html! {
        div.scroll role="region" tabindex="0" aria-label=(caption) {
            table.stack {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, (cell, head)) in row.into_iter().zip(heads).enumerate() {
                                @if at == 0 { th scope="row" { (cell) } } @else { td data-label=(head) { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Names with what they are.
pub fn pairs(pairs: &[(&str, Markup)]) -> Markup {
    html! { dl.pairs { @for (name, value) in pairs { dt { (name) } dd { (value) } } } }
}
