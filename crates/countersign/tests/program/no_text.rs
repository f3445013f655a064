//! Paths that are no UTF-8: each is refused in words, and nothing is made beside it.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

use crate::{support::Run, world::World};

const DIR: &[u8] = b"caf\xe9";

#[test]
fn a_path_that_is_no_text_is_refused_in_words() {
    let world = World::usual();
    let stage = &world.stage;
    world.edit("topic", "search/limit", "20\n");
    assert!(!world.push(&["HEAD:main"]).passed, "so that the gate has a copy of the log");
    let folder = stage.path("").join(OsStr::from_bytes(DIR));
    fs::create_dir(&folder).unwrap();
    for (from, to) in [("home", "home"), ("shop.git", "shop.git")] {
        let copied = stage.command("cp").arg("-r").arg(stage.path(from)).arg(folder.join(to)).status().unwrap();
        assert!(copied.success());
    }
    let copy = stage.run("gate status shop.git --format json").json()["copy"].as_str().unwrap().to_owned();
    let copied = stage.command("cp").arg("-r").arg(stage.path(&copy)).arg(folder.join("copied")).status().unwrap();
    assert!(copied.success());
    let before = names(&stage.path(""));
    for command in [
        "init DIR/new --founder alice=alice@example.com=alice",
        "serve --home DIR/home --listen 127.0.0.1:0",
        "amend DIR/home --why better",
        "doctor --home DIR/home --quick",
        "rebuild --home DIR/home",
        "rebuild --home home --into DIR/new.db",
        "backup DIR/backup --home home",
        "backup backup --home DIR/home",
        "export export --home DIR/home",
        "import home --home DIR/new",
        "follow --once --into DIR/copy --trust home/trust.json",
        "export export --copy DIR/copied --trust home/trust.json",
        "gate install DIR/shop.git --name other --trust home/trust.json --branch main --map-else search/production",
        "gate install shop.git --copy DIR/copy",
        "propose --title Title --why so --kind code --target search/production --git DIR/shop.git",
    ] {
        let mut words = vec![OsString::from("--url"), OsString::from(&world.server().url)];
        words.extend(["--key", "alice"].map(OsString::from));
        words.extend(command.split(' ').map(|word| match word.strip_prefix("DIR") {
            Some(rest) => OsString::from_vec([DIR, rest.as_bytes()].concat()),
            None => OsString::from(word),
        }));
        let output = stage.command(env!("CARGO_BIN_EXE_countersign")).args(&words).output().unwrap();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_bytes();
        let (stdout, stderr) = (lossy(&output.stdout), lossy(&output.stderr));
        let run = Run::new(std::process::Output { status: output.status, stdout, stderr }, &stage.path(""));
        assert!(matches!(run.status, 1..=3), "{command}: {run}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("UTF-8"), "{command}: {run}");
    }
    assert_eq!(names(&stage.path("")), before, "something was made at another path");
}

fn names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}
