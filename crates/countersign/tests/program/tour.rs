//! `scripts/tour`, which runs what pages tell their readers to do: what it lets pass, what it reports, what it leaves.

use std::{fs, path::Path};

use insta::assert_snapshot;

use crate::support::{Run, Stage};

fn stage() -> Stage {
    let stage = Stage::new();
    fs::create_dir(stage.path("folders")).unwrap();
    stage
}

/// Tours `page.md`, whose text this is.
fn tour(stage: &Stage, options: &[&str], page: &str) -> Run {
    let page = stage.write("page.md", page);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/tour");
    let bin = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let mut command = stage.command(script);
    command.env("TMPDIR", stage.path("folders")).arg("--bin").arg(bin).args(options).arg("page.md");
    Run::new(command.output().unwrap(), page.parent().unwrap())
}

/// What a tour of a block says of it, without the name of the page that failed.
fn reported(block: &str) -> String {
    let run = tour(&stage(), &[], &format!("# Title\n\n```sh\n{block}\n```\n"));
    assert_eq!(run.status, 1, "{run}");
    run.stderr.trim().trim_end_matches("failed: page.md").trim().to_owned()
}

/// The first line of that: bash says the same in other words from version to version.
fn wrong(block: &str) -> String {
    reported(block).lines().next().unwrap_or_default().to_owned()
}

fn folders(stage: &Stage) -> Vec<String> {
    let entries = fs::read_dir(stage.path("folders")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whether the process that a page has written down still runs.
fn runs(stage: &Stage, file: &str) -> bool {
    let id = stage.read(file);
    let status = fs::read_to_string(format!("/proc/{}/status", id.trim())).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[test]
fn a_page_runs_from_top_to_bottom_in_one_shell() {
    let page = r##"# Title

```sh no-tour
false
```

```text
false
```

## First

```sh
# A comment is not a line.
name="two
lines"
cat <<END | grep -qx 'of two'
of ${name%%
*}
END
for word in a \
    b; do
    test -n "$word"
done
mkdir folder
cd folder
sleep 100 &
```

## Second

- in a list

  ```sh
  test "${PWD##*/} $name" = 'folder two
  lines'
  kill %1
  countersign --version
  test "$HOME" != "$PWD" && git config --global user.name Ada
  false   # refused
  git -c x.y=z update-ref refs/heads/main HEAD   # refused: there is no repository
  ```
"##;
    let stage = stage();
    let run = tour(&stage, &[], page);
    assert_snapshot!(run, @"
    status 0
    --- stdout
    page.md
      First
      Second
      12 lines ran, 2 refused as they should
    ");
    assert_eq!(folders(&stage), [""; 0]);
}

#[test]
fn a_line_that_fails_is_reported_with_its_place_and_what_it_said() {
    assert_snapshot!(reported("true\n\necho \\\n    so far; false\ntrue"), @r"
    page.md:6: this has to succeed, and ended with exit status 1

        echo \
            so far; false

    It said:

        so far
    ");
    assert_snapshot!(wrong("for n in 1 2; do test $n = 2; done"), @"page.md:4: this has to succeed, and ended with exit status 1");
    assert_snapshot!(wrong("change=$(false | cat)"), @"page.md:4: this has to succeed, and ended with exit status 1");
    assert_snapshot!(wrong("exit 0"), @"page.md:4: this ended the shell");
    assert!(wrong("echo 'never closed").starts_with("page.md:4: this is no whole command: "));
}

#[test]
fn a_refusal_has_to_be_one() {
    assert_snapshot!(wrong("true   # refused"), @"page.md:4: this has to be refused, and succeeded");
    assert_snapshot!(reported("countersign log --url http://127.0.0.1:1   # refused"), @"
    page.md:4: this has to be refused with exit status 3, and ended with 1

        countersign log --url http://127.0.0.1:1   # refused

    It said:

        error: cannot reach the server at http://127.0.0.1:1: io: Connection refused (os error 111)
        hint: start it with `countersign serve --home HOME`, or name it with --url
    ");
    assert_snapshot!(wrong("countersign --no-such-option # refused"), @"page.md:4: this has to be refused with exit status 3, and ended with 2");
    assert_snapshot!(wrong("git push # refused"), @"page.md:4: this has to be refused with exit status 1, and ended with 128");
    assert_snapshot!(wrong("no-such-program # refused"), @"page.md:4: this has to be refused, and did not run to its end: exit status 127");
    assert_snapshot!(wrong("bash -c 'exit 101' # refused"), @"page.md:4: this has to be refused, and did not run to its end: exit status 101");
    assert_snapshot!(wrong("bash -c 'kill -KILL $$' >/dev/null # refused"), @"page.md:4: this has to be refused, and did not run to its end: exit status 137");
}

#[test]
fn a_block_that_would_not_be_seen_is_reported() {
    let run = tour(&stage(), &[], "```sh notour\nfalse\n```\n");
    assert_snapshot!(run, @"
    status 1
    --- stdout
    page.md
    --- stderr

    page.md:1: a block is `sh` or `sh no-tour`

        ```sh notour

    failed: page.md
    ");
    let run = tour(&stage(), &[], "```bash\ntrue\n```\n");
    assert_snapshot!(run, @"
    status 1
    --- stdout
    page.md
    --- stderr

    page.md:1: a block for a shell is called `sh`, or is not seen here

        ```bash

    failed: page.md
    ");
    let run = tour(&stage(), &[], "```sh no-tour\nfalse\n```\n");
    assert_snapshot!(run, @"
    status 0
    --- stdout
    page.md: nothing to run
    ");
}

#[test]
fn nothing_is_left_behind() {
    for end in ["true", "false"] {
        let stage = stage();
        let page = format!(
            "```sh\nsleep 1000 &\necho $! > {0}/job\nsetsid bash -c 'echo $$ > {0}/away; exec sleep 1000' &\n\
             until test -s {0}/away; do sleep 0.1; done\n{end}\n```\n",
            stage.path("folders").parent().unwrap().display()
        );
        let run = tour(&stage, &[], &page);
        assert_eq!(run.status, i32::from(end == "false"), "{run}");
        assert!(!runs(&stage, "job") && !runs(&stage, "away"), "after {end}");
        assert_eq!(folders(&stage), [""; 0], "after {end}");
    }
    let stage = stage();
    let run = tour(&stage, &["--keep"], "```sh\necho here > file\n```\n");
    let kept = folders(&stage);
    let [folder] = kept.as_slice() else { panic!("{run}") };
    assert!(run.stdout.contains(&format!("kept: folders/{folder}\n")), "{run}");
    assert_eq!(stage.read(&format!("folders/{folder}/tour/file")), "here\n");
}

#[test]
fn a_page_that_hangs_is_ended() {
    let stage = stage();
    let run = tour(&stage, &["--timeout", "1"], "```sh\ntrue\nsleep 1000\n```\n");
    assert_snapshot!(run, @"
    status 1
    --- stdout
    page.md
    --- stderr

    page.md:3: the page takes longer than 1 s; it was here

        sleep 1000

    failed: page.md
    ");
    assert_eq!(folders(&stage), [""; 0]);
}

#[test]
fn a_server_of_a_page_listens_where_its_commands_look() {
    let page = "```sh
ssh-keygen -q -t ed25519 -N '' -C ada -f ada
countersign init home --name example --founder ada=ada@example.com=ada
countersign serve --home home &
countersign log --wait 60
kill %1
```
";
    let (one, other) = (stage(), stage());
    let run = std::thread::scope(|scope| {
        let second = scope.spawn(|| tour(&other, &[], page));
        [tour(&one, &[], page), second.join().unwrap()]
    });
    for run in run {
        assert_eq!(run.status, 0, "{run}");
    }
}
