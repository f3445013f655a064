//! What people, folders and branches are called: ids, and names that somebody made up to be obeyed.

use insta::assert_snapshot;
use serde_json::json;

use super::{ADA, FOUNDERS, Line, MALLORY, install, stage};

/// Whoever copies the command for the gate runs that command and nothing else.
#[test]
fn no_name_is_run_by_a_shell() {
    let mut line = Line::new();
    line.change(ADA, "a", &["$(touch x)/a", "';touch y;'/b", "`z`/c"], &[]);
    let stage = stage(&line.0);
    stage.git(&["-C", "shop.git", "branch", "a';touch${IFS}z;'", "main"]);
    let branch = "a';touch${IFS}z;'";
    let words = ["init", "home", "--name", "log", "--from", "shop.git", "--branch", branch];
    let founders: Vec<&str> = FOUNDERS.split(' ').collect();
    let run = stage.run_words(&[&words[..], &founders].concat());
    assert_eq!(run.status, 0, "{run}");
    let systems = stage.read("home/catalog/systems.yaml");
    let command: Vec<&str> = systems.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let script = format!("countersign() {{ printf '%s\\n' \"$@\"; }}\n{}", command.join("\n"));
    let shell = stage.command("sh").args(["-c", &script]).output().unwrap();
    assert!(shell.status.success() && shell.stderr.is_empty(), "{shell:?}");
    assert_eq!(
        String::from_utf8(shell.stdout)
            .unwrap()
            .lines()
            .filter(|word| word.strip_prefix("--branch=") == Some(branch))
            .count(),
        1
    );
    assert!(!["x", "y", "z"].iter().any(|name| stage.path(name).exists()));
}

/// Folders that look like options, or turn the writing round, are entries of the map that is printed.
#[test]
fn the_printed_command_installs_a_gate_whatever_folders_are_called() {
    let mut line = Line::new();
    line.change(ADA, "a", &["--map/a", "-x/b", "rev\u{202e}eld/c"], &[]);
    let stage = stage(&line.0);
    let run = stage.run(&format!("init home --name log --from shop.git {FOUNDERS}"));
    assert_eq!(run.status, 0, "{run}");
    let systems = stage.read("home/catalog/systems.yaml");
    assert!(!systems.contains('\u{202e}') && systems.contains("rev???eld/**"), "{systems}");
    let server = stage.serve();
    install(&stage, &systems, &server.url);
}

#[test]
fn ids_come_from_logins_and_are_told_apart() {
    let mut line = Line::new();
    for author in [
        "Sam One <sam@one.test>",
        "Sam Two <sam@two.test>",
        "Bo Li <bo@users.noreply.github.com>",
        "Zed <info@shop.test>",
        "Ann+ <ann+git@shop.test>",
        "Ada L <ada@other.test>",
        "Émile Zola <é@shop.test>",
    ] {
        line.change(author, "a", &["src/a"], &[]);
    }
    line.reviewed(ADA, "Only Named", "src/a");
    line.change(ADA, "a\n\nCo-authored-by: Nobody Else <>", &["src/a"], &[]);
    let stage = stage(&line.0);
    let run = stage.run(&format!("init home --name log --from shop.git --format json {FOUNDERS}"));
    assert_eq!(run.status, 0, "{run}");
    let from = &run.json()["from"];
    assert_snapshot!(from["people"]["without_keys"], @r#"["ada-l","ann","bo","mile-zola","only-named","sam","sam-two","zed"]"#);
    assert_eq!(from["people"]["without_mail"], json!(["only-named"]));
    assert_eq!(from["people"]["founders_not_in_history"], json!(["grace"]));
}

/// Nothing that a terminal or a parser would obey gets through, and nobody can write lines of the catalog by their name.
#[test]
fn hostile_names_stay_names() {
    let mut line = Line::new();
    line.change("x\"\\\r  memberOf: [y] <a@b.test>", "a", &["src/a"], &[]);
    line.change("countersign <countersign@shop.test>", "a", &["src/a"], &[]);
    line.change("... <...@shop.test>", "a", &["src/a"], &[]);
    line.change("\u{feff}null\u{85} <a,b c@shop.test>", "a", &["--- #/a", "{x}*: [/b", "~/c"], &[]);
    line.change("root <root@localhost>", "a", &["con/\u{1b}]0;x\u{7}"], &[]);
    line.change(&format!("{} <{}@shop.test>", "n".repeat(300), "m".repeat(300)), "a", &["src/a"], &[]);
    line.change(MALLORY, "a", &["src/a"], &[]);
    let stage = stage(&line.0);
    let run = stage.run(&format!("init home --name log --from shop.git {FOUNDERS}"));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    let obeyed =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    assert!(!run.stdout.contains(obeyed), "{run}");
    for file in ["catalog/org.yaml", "catalog/systems.yaml", "rules/tier-1-senior.cedar"] {
        let text = stage.read(&format!("home/{file}"));
        assert!(!text.contains(obeyed), "{file}: {text}");
    }
    let ids: Vec<String> = stage
        .read("home/catalog/org.yaml")
        .split("kind: User")
        .skip(1)
        .map(|user| user.lines().nth(2).unwrap().trim().to_owned())
        .collect();
    assert_snapshot!(ids.join("\n"), @r#"
    name: ada
    name: grace
    name: countersign-shop.test
    name: mal
    name: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn
    name: "null"
    name: root
    name: shop.test
    name: x-memberof-y
    "#);
    assert_eq!(stage.run("audit shop.git --rules home/rules --catalog home/catalog").status, 0);
}
