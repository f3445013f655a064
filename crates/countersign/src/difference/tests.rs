//! What whoever signs is shown of contents.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

/// A content under an id that need not be its own.
fn id(bytes: &[u8]) -> Oid {
    Digest::of(bytes).hex().parse().unwrap()
}

fn entry(mode: u32, bytes: &[u8]) -> Entry {
    Entry { mode, id: id(bytes) }
}

type Side<'a> = Option<(u32, &'a [u8])>;

fn shown(paths: &[(&str, Side<'_>, Side<'_>)], length: Length) -> Vec<Shown> {
    let side = |side: &Side<'_>| side.map(|(mode, bytes)| entry(mode, bytes));
    let touched: Vec<TouchedPath> = paths
        .iter()
        .map(|(path, old, new)| TouchedPath { path: (*path).to_owned(), old: side(old), new: side(new) })
        .collect();
    let contents = paths.iter().flat_map(|(_, old, new)| [old, new]).flatten();
    show(&touched, &contents.map(|(_, bytes)| (id(bytes), bytes.to_vec())).collect(), length)
}

fn text(all: &[Shown]) -> String {
    let all: String = all.iter().flat_map(|shown| &shown.lines).map(|line| format!("{}\n", line.text)).collect();
    all.lines().filter(|line| !line.starts_with("index ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn modes_links_renames_and_submodules_are_told_in_words() {
    let all = shown(
        &[
            ("bin/run", Some((PLAIN, b"#!/bin/sh\n")), Some((EXECUTABLE, b"#!/bin/sh\n"))),
            ("gone", Some((PLAIN, b"one\n")), None),
            ("link", Some((PLAIN, b"key\n")), Some((LINK, b"/etc/shadow"))),
            ("moved", None, Some((PLAIN, b"kept\n"))),
            ("old-place", Some((PLAIN, b"kept\n")), None),
        ],
        Length::Bounded,
    );
    assert!(all.iter().all(Shown::is_whole));
    assert_snapshot!(text(&all), @r"
    diff --git a/bin/run b/bin/run
    old mode 100644
    new mode 100755
    (can be run)
    (content as before)
    diff --git a/gone b/gone
    deleted file mode 100644
    --- a/gone
    +++ /dev/null
    @@ -1 +0,0 @@
    -one
    diff --git a/link b/link
    old mode 100644
    new mode 120000
    (a symbolic link: its text is where it leads)
    --- a/link
    +++ b/link
    @@ -1 +1 @@
    -key
    +/etc/shadow
    \ No newline at end of file
    diff --git a/old-place b/moved
    similarity index 100%
    rename from old-place
    rename to moved
    ");
    let commit = |digit: &str| Some(Entry { mode: SUBMODULE, id: digit.repeat(40).parse().unwrap() });
    let sub = TouchedPath { path: "vendor/lib".to_owned(), old: commit("1"), new: commit("2") };
    assert_snapshot!(text(&show(&[sub], &Contents::new(), Length::Bounded)), @"
    diff --git a/vendor/lib b/vendor/lib
    (submodule, whose content is in another repository: 1111111111111111111111111111111111111111 -> 2222222222222222222222222222222222222222)
    --- a/vendor/lib
    +++ b/vendor/lib
    @@ -1 +1 @@
    -Subproject commit 1111111111111111111111111111111111111111
    +Subproject commit 2222222222222222222222222222222222222222
    ");
}

#[test]
fn invisible_and_bidirectional_characters_are_shown_in_content_and_paths() {
    let all =
        shown(&[("a\u{202e}txt.exe", None, Some((PLAIN, "if admin\u{2066} {\u{200b}\n".as_bytes())))], Length::Bounded);
    assert_snapshot!(text(&all), @"
    diff --git a/a<U+202E>txt.exe b/a<U+202E>txt.exe
    new file mode 100644
    (has 2 invisible, bidirectional or control characters, shown as <U+…> or <XX>)
    --- /dev/null
    +++ b/a<U+202E>txt.exe
    @@ -0,0 +1 @@
    +if admin<U+2066> {<U+200B>
    ");
}

/// A mark in a script that makes git call it binary hides nothing here.
#[test]
fn what_would_run_or_is_text_is_never_binary() {
    let all = shown(
        &[
            ("image.png", None, Some((PLAIN, b"\x89PNG\x00\xff\xfe"))),
            ("late", None, Some((PLAIN, b"echo quiet\n\x00\xff\nrm -rf / # as sh and perl read it\n"))),
            ("over", Some((PLAIN, b"\x00\xff")), Some((EXECUTABLE, b"#!/bin/sh\nsteal\n"))),
            ("script", None, Some((EXECUTABLE, b"#!/bin/sh\n\x00\xff\nrm -rf /\n"))),
            ("text", None, Some((PLAIN, b"quiet\x00\nsteal\n"))),
        ],
        Length::Bounded,
    );
    assert_snapshot!(text(&all), @"
    diff --git a/image.png b/image.png
    new file mode 100644
    (binary after, not shown: 7 bytes sha256:9efaa60d7f3ed19b07613e535ca19dbef3806802741714d8d4e3d4a9c63fd8b7)
    diff --git a/late b/late
    new file mode 100644
    (has 2 invisible, bidirectional or control characters, shown as <U+…> or <XX>)
    --- /dev/null
    +++ b/late
    @@ -0,0 +1,3 @@
    +echo quiet
    +<U+0000><FF>
    +rm -rf / # as sh and perl read it
    diff --git a/over b/over
    old mode 100644
    new mode 100755
    (can be run)
    (binary before, not shown: 2 bytes sha256:06eb7d6a69ee19e5fbdf749018d3d2abfa04bcbd1365db312eb86dc7169389b8)
    --- a/over
    +++ b/over
    @@ -0,0 +1,2 @@
    +#!/bin/sh
    +steal
    diff --git a/script b/script
    new file mode 100755
    (can be run)
    (has 2 invisible, bidirectional or control characters, shown as <U+…> or <XX>)
    --- /dev/null
    +++ b/script
    @@ -0,0 +1,3 @@
    +#!/bin/sh
    +<U+0000><FF>
    +rm -rf /
    diff --git a/text b/text
    new file mode 100644
    (has an invisible, bidirectional or control character, shown as <U+…> or <XX>)
    --- /dev/null
    +++ b/text
    @@ -0,0 +1,2 @@
    +quiet<U+0000>
    +steal
    ");
}

/// Nobody has looked at what is not shown.
#[test]
fn what_is_binary_is_told_and_not_whole() {
    let binary = (PLAIN, &b"\x00\xff"[..]);
    let other = (PLAIN, &b"\x00\xfe"[..]);
    let text = (PLAIN, &b"text\n"[..]);
    let sides = [("added", None, Some(binary)), ("gone", Some(other), None), ("now", Some(text), Some(binary))];
    for shown in shown(&sides, Length::Full) {
        assert!(!shown.is_whole() && shown.lacks[0].starts_with("binary "), "{shown:?}");
        assert_eq!(shown.lines.iter().any(|line| line.text == "-text"), shown.path == "now");
    }
    let runs = [("tool", None, Some((EXECUTABLE, &b"\x00\xff"[..]))), ("link", None, Some((LINK, &b"\x00\xff"[..])))];
    assert!(shown(&runs, Length::Full).iter().all(Shown::is_whole));
}

#[test]
fn what_is_missing_or_long_is_said_and_not_whole() {
    let touched = TouchedPath { path: "a".to_owned(), old: Some(entry(PLAIN, b"x")), new: Some(entry(PLAIN, b"y")) };
    let all = show(std::slice::from_ref(&touched), &[(id(b"x"), b"x".to_vec())].into(), Length::Full);
    assert!(!all[0].is_whole() && all[0].lacks[0].starts_with("content after is not here: "), "{all:?}");
    // Also where only the mode differs: nobody has looked at what can be run now.
    let mode = TouchedPath { new: Some(entry(EXECUTABLE, b"x")), ..touched };
    assert!(!show(&[mode], &Contents::new(), Length::Full)[0].is_whole());

    let long = "0123456789\n".repeat(200_000);
    let sides = [("long", None, Some((PLAIN, long.as_bytes())))];
    let cut = shown(&sides, Length::Bounded);
    assert_eq!(cut[0].lacks, ["too long, and cut here: --full shows all of it"]);
    assert_eq!(cut[0].added, 200_000);
    let full = shown(&sides, Length::Full);
    assert!(full[0].is_whole() && full[0].lines.len() > 200_000);
}

/// Content that is made to keep whoever looks at it waiting.
#[test]
fn what_has_too_many_lines_to_compare_is_shown_all_the_same() {
    let line = |n: usize, of: usize| format!("{}\n", n.wrapping_mul(2_654_435_761) % of);
    let (old, new): (String, String) = (0..250_000).map(|n| (line(n, 7), line(n, 11))).unzip();
    let all = shown(&[("x", Some((PLAIN, old.as_bytes())), Some((PLAIN, new.as_bytes())))], Length::Full);
    assert!(all[0].is_whole() && all[0].words[0].starts_with("too many lines to compare"), "{:?}", all[0].words);
    assert_eq!((all[0].removed, all[0].added), (250_000, 250_000));
}

#[test]
fn ends_of_lines_are_not_passed_over() {
    let crlf = (PLAIN, &b"one\r\ntwo\r\n"[..]);
    let all = shown(
        &[
            ("all", Some(crlf), Some((PLAIN, b"one\r\n2\r\n"))),
            ("becomes", Some((PLAIN, b"one\ntwo\n")), Some(crlf)),
            ("end", Some((PLAIN, b"one\n")), Some((PLAIN, b"one"))),
        ],
        Length::Bounded,
    );
    assert_snapshot!(text(&all), @r"
    diff --git a/all b/all
    (its lines end in CR LF)
    --- a/all
    +++ b/all
    @@ -1,2 +1,2 @@
     one
    -two
    +2
    diff --git a/becomes b/becomes
    --- a/becomes
    +++ b/becomes
    @@ -1,2 +1,2 @@
    -one
    -two
    +one<U+000D>
    +two<U+000D>
    diff --git a/end b/end
    --- a/end
    +++ b/end
    @@ -1 +1 @@
    -one
    +one
    \ No newline at end of file
    ");
}

#[test]
fn thirty_thousand_files_are_shown() {
    let names: Vec<(String, String)> = (0..30_000).map(|n| (format!("file-{n:05}"), format!("{n}\n"))).collect();
    let sides: Vec<_> =
        names.iter().map(|(path, text)| (path.as_str(), None, Some((PLAIN, text.as_bytes())))).collect();
    let all = shown(&sides, Length::Bounded);
    assert!(all.len() == 30_000 && all.iter().all(Shown::is_whole));
}

proptest! {
    /// Who applies what is shown has the new content.
    #[test]
    fn a_diff_is_all_of_the_difference(old in "([ab]\n){0,12}[a]?", new in "([ab]\n){0,12}[b]?") {
        prop_assume!(old != new);
        let all = shown(&[("x", Some((PLAIN, old.as_bytes())), Some((PLAIN, new.as_bytes())))], Length::Bounded);
        let before = lines(old.as_bytes());
        let (mut made, mut at) = (Vec::<String>::new(), 0);
        for line in &all[0].lines {
            match line.kind {
                Kind::Hunk => {
                    let range = line.text.split(['-', ' ', ',']).nth(2).unwrap().parse::<usize>().unwrap();
                    let is_empty = line.text.split(' ').nth(1).unwrap().ends_with(",0");
                    while at + usize::from(!is_empty) < range {
                        made.push(String::from_utf8_lossy(before[at]).into_owned());
                        at += 1;
                    }
                }
                _ if line.text.starts_with('\\') => {
                    if line.kind != Kind::Removed {
                        made.last_mut().unwrap().pop();
                    }
                }
                Kind::Context | Kind::Added => {
                    made.push(format!("{}\n", &line.text[1..]));
                    at += usize::from(line.kind == Kind::Context);
                }
                Kind::Removed => at += 1,
                Kind::Header | Kind::Words | Kind::Lacking => {}
            }
        }
        made.extend(before[at..].iter().map(|line| String::from_utf8_lossy(line).into_owned()));
        prop_assert_eq!(made.concat(), new);
    }
}
