//! Real repositories in temporary directories.

use std::{collections::BTreeMap, fs, process::Command};

use countersign_core::facts::{
    GitFacts, Identities, Landing, LandingError, NoBase, NotALanding, Range, delta_of, facts, git::GitRead as _,
    head_of_push, landing, single_base,
};
use tempfile::TempDir;

use super::{read::WALKED, *};

/// A repository and a `git` that nobody's configuration reaches.
struct Work {
    dir: TempDir,
}

impl Work {
    fn new() -> Self {
        Self::with_format("sha1")
    }

    fn with_format(format: &str) -> Self {
        let work = Self { dir: tempfile::tempdir().unwrap() };
        work.git(&["init", "--quiet", "--initial-branch=main", &format!("--object-format={format}")]);
        work.commit("base", &[("a", "1"), ("b", "1"), ("dir/c", "1")]);
        work
    }

    fn git(&self, args: &[&str]) -> String {
        self.git_among(args, &[])
    }

    fn git_among(&self, args: &[&str], environment: &[(&str, &Path)]) -> String {
        let mut command: Command = hermetic();
        command.current_dir(self.dir.path()).args(args);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Jane Doe");
            command.env(format!("GIT_{who}_EMAIL"), "Jane@Example.com");
            command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
        }
        command.envs(environment.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    fn commit(&self, message: &str, files: &[(&str, &str)]) -> Oid {
        for (name, content) in files {
            let path = self.dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.id("HEAD")
    }

    fn id(&self, rev: &str) -> Oid {
        self.git(&["rev-parse", rev]).parse().unwrap()
    }

    fn open(&self) -> Repository {
        Repository::open(self.dir.path()).unwrap()
    }

    /// The base of a proposal of `head` for a branch at `tip`.
    fn base(&self, tip: &Oid, head: &Oid) -> Result<Oid, NoBase> {
        single_base("refs/heads/main", tip, head, &self.open().merge_bases(tip, head).unwrap())
    }

    fn extract(&self, base: &Oid, head: &Oid) -> (GitFacts, Identities) {
        let branch = "refs/heads/main".to_owned();
        let range = Range { repository: "shop".parse().unwrap(), branch, base: base.clone(), head: head.clone() };
        facts(&self.open(), &range, &"5a".repeat(16).parse().unwrap()).unwrap()
    }

    fn facts(&self, base: &Oid, head: &Oid) -> GitFacts {
        self.extract(base, head).0
    }

    /// A change of `a` and `dir/c` in two commits on a branch from `main`, then something else on `main`.
    fn diverged(&self, upstream: &[(&str, &str)]) -> (Oid, Oid, GitFacts) {
        let base = self.id("main");
        self.git(&["checkout", "--quiet", "-b", "change"]);
        self.commit("change a", &[("a", "2")]);
        let head = self.commit("change c", &[("dir/c", "2")]);
        self.git(&["checkout", "--quiet", "main"]);
        let tip = self.commit("upstream", upstream);
        (tip, head.clone(), self.facts(&base, &head))
    }

    fn land(&self, old: &Oid, new: &Oid, facts: &GitFacts) -> Result<Landing, NotALanding> {
        let git = self.open();
        let landed = landing(&git, old, new, facts).map_err(|error| match error {
            LandingError::Not(reason) => reason,
            LandingError::Git(error) => panic!("{error}"),
        });
        assert!(landed.is_err() || delta_of(&git, old, new).unwrap() == facts.delta);
        landed
    }

    /// Why the push is no landing: its code, and the paths that differ.
    fn refused(&self, old: &Oid, new: &Oid, facts: &GitFacts) -> String {
        let reason = self.land(old, new, facts).unwrap_err();
        match &reason {
            NotALanding::DeltaDiffers { paths, .. } => format!("{} {paths:?}", reason.code()),
            _ => reason.code().to_owned(),
        }
    }
}

#[test]
fn facts_of_a_branch() {
    let work = Work::new();
    let base = work.id("HEAD");
    work.commit("one\n\nCo-authored-by: Claude <noreply@anthropic.com>", &[("a", "2"), ("new\tfile", "x")]);
    fs::remove_file(work.dir.path().join("b")).unwrap();
    let head = work.commit("two", &[]);
    let (facts, identities) = work.extract(&base, &head);
    assert_eq!((facts.base, facts.commits, facts.merges), (base, 2, 0));
    insta::assert_debug_snapshot!(facts.paths.iter().map(|p| (p.path.as_str(), p.status())).collect::<Vec<_>>(), @r#"
    [
        (
            "a",
            Modified,
        ),
        (
            "b",
            Deleted,
        ),
        (
            "new\\tfile",
            Added,
        ),
    ]
    "#);
    let people: BTreeMap<_, _> =
        facts.identities.iter().map(|who| (identities.people[&who.reference].mail.as_str(), who.agent)).collect();
    assert_eq!(people, BTreeMap::from([("jane@example.com", false), ("noreply@anthropic.com", true)]));
}

#[test]
fn fast_forward_lands() {
    let work = Work::new();
    let base = work.id("HEAD");
    let head = work.commit("change", &[("a", "2")]);
    let facts = work.facts(&base, &head);
    assert_eq!(work.land(&base, &head, &facts), Ok(Landing::FastForward));
    assert_eq!(head_of_push(&work.open(), &base, &head).unwrap(), [head]);
}

#[test]
fn merge_lands() {
    let work = Work::new();
    let (tip, head, facts) = work.diverged(&[("b", "2")]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    let merge = work.id("HEAD");
    assert_eq!(work.land(&tip, &merge, &facts), Ok(Landing::Merge));
    assert_eq!(head_of_push(&work.open(), &tip, &merge).unwrap(), [merge, head.clone()]);
    assert_eq!(work.refused(&tip, &head, &facts), "not-fast-forward");
}

#[test]
fn squash_lands() {
    let work = Work::new();
    let (tip, _, facts) = work.diverged(&[("b", "2")]);
    work.git(&["merge", "--quiet", "--squash", "change"]);
    let squash = work.commit("All of it (#7)", &[]);
    assert_eq!(work.land(&tip, &squash, &facts), Ok(Landing::Squash));
    work.git(&["commit", "--quiet", "--amend", "--author", "Mallory <mallory@example.com>", "-m", "mine"]);
    assert_eq!(work.refused(&tip, &work.id("HEAD"), &facts), "unreviewed-author");
}

#[test]
fn rebase_lands() {
    let work = Work::new();
    let (tip, head, facts) = work.diverged(&[("b", "2")]);
    work.git(&["rebase", "--quiet", "main", "change"]);
    let rebased = work.id("HEAD");
    assert_ne!(rebased, head);
    assert_eq!(work.land(&tip, &rebased, &facts), Ok(Landing::Replay));
    // One commit more that takes itself back, or the same by another author.
    work.commit("edit", &[("b", "66")]);
    let more = work.commit("and back", &[("b", "2")]);
    assert_eq!(work.refused(&tip, &more, &facts), "unreviewed-commits");
    work.git(&["reset", "--quiet", "--hard", rebased.as_str()]);
    work.git(&["commit", "--quiet", "--amend", "--author", "Mallory <mallory@example.com>", "-m", "mine"]);
    assert_eq!(work.refused(&tip, &work.id("HEAD"), &facts), "unreviewed-author");
}

#[test]
fn long_histories_land_too() {
    let work = Work::new();
    let base = work.id("main");
    // More than is walked commit by commit.
    work.git(&["checkout", "--quiet", "-b", "change"]);
    for n in 0..WALKED + 6 {
        work.commit(&format!("step {n}"), &[("a", &n.to_string())]);
    }
    let head = work.id("HEAD");
    let facts = work.facts(&base, &head);
    assert_eq!(facts.commits as usize, WALKED + 6);
    assert_eq!(work.land(&base, &head, &facts), Ok(Landing::FastForward));
    work.git(&["checkout", "--quiet", "main"]);
    let tip = work.commit("upstream", &[("b", "2")]);
    work.git(&["rebase", "--quiet", "main", "change"]);
    assert_eq!(work.land(&tip, &work.id("HEAD"), &facts), Ok(Landing::Replay));
}

#[test]
fn evil_merge_does_not_land() {
    let work = Work::new();
    let (tip, _, facts) = work.diverged(&[("b", "2")]);
    work.git(&["merge", "--quiet", "--no-ff", "--no-commit", "change"]);
    let merge = work.commit("merge", &[("dir/d", "smuggled")]);
    assert_eq!(work.refused(&tip, &merge, &facts), r#"delta-differs [("dir/d", BroughtBesides)]"#);
}

#[test]
fn octopus_does_not_land() {
    let work = Work::new();
    let (tip, _, facts) = work.diverged(&[("b", "2")]);
    work.git(&["checkout", "--quiet", "-b", "third", "main~1"]);
    work.commit("third", &[("d", "1")]);
    work.git(&["checkout", "--quiet", "main"]);
    work.git(&["merge", "--quiet", "-m", "octopus", "change", "third"]);
    let refused = work.land(&tip, &work.id("HEAD"), &facts).unwrap_err();
    assert!(matches!(refused, NotALanding::Octopus { parents: 3, .. }), "{refused}");
}

#[test]
fn overlap_does_not_land() {
    let work = Work::new();
    let long = |first: &str, last: &str| format!("{first}\n1\n2\n3\n4\n5\n6\n{last}\n");
    work.commit("long file", &[("a", &long("x", "x"))]);
    let base = work.id("HEAD");
    work.git(&["checkout", "--quiet", "-b", "change"]);
    let head = work.commit("first line", &[("a", &long("y", "x"))]);
    let facts = work.facts(&base, &head);
    work.git(&["checkout", "--quiet", "main"]);
    let tip = work.commit("last line", &[("a", &long("x", "y"))]);
    // Git merges it without a word, and nobody has looked at what that gives.
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    assert_eq!(work.refused(&tip, &work.id("HEAD"), &facts), r#"delta-differs [("a", ChangedSince)]"#);
}

#[test]
fn a_merge_that_renames_is_no_landing_of_what_was_reviewed() {
    let work = Work::new();
    let body = "1\n2\n3\n4\n5\n6\n7\n8\n";
    work.commit("long file", &[("a", body)]);
    let base = work.id("HEAD");
    work.git(&["checkout", "--quiet", "-b", "change"]);
    let head = work.commit("edit", &[("a", &format!("{body}9\n"))]);
    let facts = work.facts(&base, &head);
    work.git(&["checkout", "--quiet", "main"]);
    work.git(&["mv", "a", "moved"]);
    let tip = work.commit("move it", &[]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    let said = r#"delta-differs [("a", Missing), ("moved", BroughtBesides)]"#;
    assert_eq!(work.refused(&tip, &work.id("HEAD"), &facts), said);
}

#[test]
fn a_head_that_takes_back_what_landed_meanwhile_does_not_land() {
    let work = Work::new();
    let base = work.id("HEAD");
    let fix = work.commit("fix", &[("b", "fixed")]);
    let head = work.commit("undo the fix, edit a", &[("b", "1"), ("a", "2")]);
    let facts = work.facts(&base, &head);
    assert_eq!(facts.paths.len(), 1, "against the base the undoing does not show");
    assert_eq!(work.refused(&fix, &head, &facts), r#"delta-differs [("b", BroughtBesides)]"#);
}

#[test]
fn a_rewound_branch_does_not_take_commits_from_before_the_base() {
    let work = Work::new();
    let first = work.id("HEAD");
    work.commit("second", &[("b", "2")]);
    let base = work.commit("and back", &[("b", "1")]);
    let head = work.commit("change", &[("a", "2")]);
    let facts = work.facts(&base, &head);
    assert_eq!(work.refused(&first, &head, &facts), "unreviewed-commits");
}

#[test]
fn merges_of_something_else_do_not_land() {
    let work = Work::new();
    let (tip, head, facts) = work.diverged(&[("b", "2")]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    let tree = work.id("HEAD^{tree}");
    let merge = |parents: [&Oid; 2]| {
        let [first, second] = parents.map(Oid::as_str);
        work.git(&["commit-tree", tree.as_str(), "-p", first, "-p", second, "-m", "m"]).parse::<Oid>().unwrap()
    };
    let (base, part) = (work.id("main~1^"), work.id("change~1"));
    let refused = |parents| work.refused(&tip, &merge(parents), &facts);
    assert_eq!(refused([&head, &tip]), "foreign-parent");
    assert_eq!(refused([&base, &head]), "not-fast-forward");
    assert_eq!(refused([&tip, &base]), "not-the-head");
    assert_eq!(refused([&tip, &part]), "not-the-head");
    let zero: Oid = "0".repeat(40).parse().unwrap();
    assert!(matches!(work.land(&tip, &zero, &facts), Err(NotALanding::Deletion)));
    assert!(matches!(work.land(&zero, &head, &facts), Err(NotALanding::Creation)));
}

/// Two features, each merged into the branch and into the change, so that branch and change have two best common commits.
/// Then the branch takes one of them back.
#[test]
fn of_criss_cross_merges_only_what_was_reviewed_lands() {
    let work = Work::new();
    let conf = |public: &str, auth: &str| format!("public {public}\n1\n2\n3\n4\n5\n6\n7\n8\nauth {auth}\n");
    work.commit("a service", &[("conf", &conf("no", "none"))]);
    work.git(&["checkout", "--quiet", "-b", "auth"]);
    let auth = work.commit("ask who it is", &[("conf", &conf("no", "required"))]);
    work.git(&["checkout", "--quiet", "-b", "docs", "main"]);
    let docs = work.commit("words", &[("b", "2")]);
    work.git(&["checkout", "--quiet", "-b", "change", "auth"]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "with the words", "docs"]);
    let head = work.commit("open it", &[("conf", &conf("yes", "required"))]);
    work.git(&["checkout", "--quiet", "main"]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "words", "docs"]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "auth", "auth"]);
    work.git(&["revert", "--no-edit", "-m", "1", "HEAD"]);
    let tip = work.id("HEAD");

    let refused = work.base(&tip, &head).unwrap_err();
    assert!(matches!(&refused, NoBase::Several { bases, .. } if bases.len() == 2), "{refused}");
    // Whatever base a change names, what git makes of the merge is a service that is open and asks nobody.
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    let merge = work.id("HEAD");
    assert_eq!(work.git(&["show", "HEAD:conf"]), conf("yes", "none").trim());
    assert_eq!(work.refused(&tip, &merge, &work.facts(&docs, &head)), r#"delta-differs [("conf", OtherContent)]"#);
    let of_auth = work.facts(&auth, &head);
    assert_eq!(work.refused(&tip, &merge, &of_auth), r#"delta-differs [("b", Missing), ("conf", ChangedSince)]"#);
    // With the branch in the change there is one base, and the difference that lands is the one that is looked at.
    work.git(&["checkout", "--quiet", "change"]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "with the branch", tip.as_str()]);
    let head = work.id("HEAD");
    assert_eq!(work.base(&tip, &head), Ok(tip.clone()));
    assert_eq!(work.land(&tip, &head, &work.facts(&tip, &head)), Ok(Landing::FastForward));
}

#[cfg(unix)]
#[test]
fn modes_and_links_are_what_is_reviewed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let work = Work::new();
    let base = work.id("main");
    let at = |name: &str| work.dir.path().join(name);
    work.git(&["checkout", "--quiet", "-b", "change"]);
    fs::set_permissions(at("a"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(at("b")).unwrap();
    symlink("dir/c", at("b")).unwrap();
    let head = work.commit("a program and a link", &[]);
    let facts = work.facts(&base, &head);
    let shown: Vec<String> = facts
        .paths
        .iter()
        .map(|path| format!("{} {:?} {:06o}", path.path, path.status(), path.new.as_ref().unwrap().mode))
        .collect();
    assert_eq!(shown, ["a Modified 100755", "b TypeChanged 120000"]);
    work.git(&["checkout", "--quiet", "main"]);
    let tip = work.commit("upstream", &[("dir/c", "2")]);
    work.git(&["merge", "--quiet", "--squash", "change"]);
    let squash = work.commit("squash", &[]);
    assert_eq!(work.land(&tip, &squash, &facts), Ok(Landing::Squash));
    // Another place that it leads to, and a mode that is left out.
    fs::remove_file(at("b")).unwrap();
    symlink("/etc/passwd", at("b")).unwrap();
    fs::set_permissions(at("a"), fs::Permissions::from_mode(0o644)).unwrap();
    work.git(&["add", "--all"]);
    work.git(&["commit", "--quiet", "--amend", "--no-edit"]);
    let said = r#"delta-differs [("a", Missing), ("b", OtherContent)]"#;
    assert_eq!(work.refused(&tip, &work.id("HEAD"), &facts), said);
}

#[test]
fn a_commit_that_only_we_would_take_for_a_merge_is_refused() {
    let work = Work::new();
    let base = work.id("main");
    let head = work.commit("change", &[("a", "2")]);
    let tree = work.id("HEAD^{tree}");
    let who = "Jane Doe <Jane@Example.com> 1700000000 +0000";
    let object = format!("tree {tree}\nparent {base}\nauthor {who}\ncommitter {who}\nparent {head}\n\nnot a merge\n");
    let file = work.dir.path().join("object");
    fs::write(&file, object).unwrap();
    let forged = work.git(&["hash-object", "-t", "commit", "-w", "--literally", file.to_str().unwrap()]);
    let forged: Oid = forged.parse().unwrap();
    let git = work.open();
    assert!(matches!(git.commit(&forged), Err(GitError::Malformed { .. })));
    let refused = landing(&git, &base, &forged, &work.facts(&base, &head)).unwrap_err();
    assert!(matches!(refused, LandingError::Git(GitError::Malformed { .. })), "{refused}");
}

#[test]
fn sha256_repositories_work() {
    let work = Work::with_format("sha256");
    let (tip, head, facts) = work.diverged(&[("b", "2")]);
    assert_eq!(head.as_str().len(), 64);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    assert_eq!(work.land(&tip, &work.id("HEAD"), &facts), Ok(Landing::Merge));
}

#[test]
fn objects_in_quarantine_are_seen_and_nothing_is_written() {
    let work = Work::new();
    let base = work.id("HEAD");
    let main = work.dir.path().join(".git/objects");
    let quarantine = tempfile::tempdir().unwrap();
    let hook = [("GIT_OBJECT_DIRECTORY", quarantine.path()), ("GIT_ALTERNATE_OBJECT_DIRECTORIES", main.as_path())];
    let tree = work.git(&["rev-parse", "HEAD^{tree}"]);
    let pushed = work.git_among(&["commit-tree", &tree, "-p", base.as_str(), "-m", "pushed"], &hook);
    let pushed: Oid = pushed.parse().unwrap();

    assert!(matches!(work.open().commit(&pushed), Err(GitError::NoObject { .. })));
    let environment =
        |name: &str| hook.iter().find(|(key, _)| *key == name).map(|(_, path)| path.as_os_str().to_owned());
    let inside = Repository::open_among(work.dir.path(), environment).unwrap();
    assert_eq!(inside.commit(&pushed).unwrap().parents, vec![base.clone()]);
    assert_eq!(inside.resolve(pushed.as_str()).unwrap(), pushed);
    assert_eq!(inside.range(&base, &pushed, 10).unwrap(), [pushed]);

    let (tip, head, facts) = work.diverged(&[("b", "2")]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    let before = count(&main) + count(quarantine.path());
    assert_eq!(landing(&inside, &tip, &work.id("HEAD"), &facts).unwrap(), Landing::Merge);
    assert_eq!(inside.merge_bases(&tip, &head).unwrap(), [facts.base]);
    assert_eq!(count(&main) + count(quarantine.path()), before);
}

fn count(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}

#[test]
fn configuration_attributes_replacements_and_grafts_do_not_matter() {
    let work = Work::new();
    let (tip, head, facts) = work.diverged(&[("b", "2"), (".gitattributes", "* merge=union diff=none\n")]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]);
    let merge = work.id("HEAD");
    let info = work.dir.path().join(".git/info");
    fs::create_dir_all(&info).unwrap();
    fs::write(info.join("attributes"), "* merge=ours diff=none\n").unwrap();
    fs::write(info.join("grafts"), format!("{head}\n")).unwrap();
    work.git(&["config", "merge.ours.driver", "true"]);
    work.git(&["config", "diff.renames", "copies"]);
    work.git(&["config", "core.quotePath", "true"]);
    work.git(&["replace", head.as_str(), tip.as_str()]);
    assert_eq!(work.facts(&facts.base, &head), facts);
    assert_eq!(work.land(&tip, &merge, &facts), Ok(Landing::Merge));
}

#[test]
fn answers_stay_in_step() {
    let work = Work::new();
    let base = work.id("HEAD");
    // Paths that look like what ends an answer, or begins a part of it.
    let strange = ["end\n", ":100644", "x\nend\n:", "\u{fffd}"];
    let head = work.commit("strange", &strange.map(|name| (name, "1")));
    let later = work.commit("later", &[("a", "2")]);
    let git = work.open();
    let mut paths: Vec<Vec<u8>> = git.diff(&base, &head).unwrap().into_iter().map(|change| change.path).collect();
    paths.sort();
    let mut expected = strange.map(|name| name.as_bytes().to_vec());
    expected.sort();
    assert_eq!(paths, expected);
    assert_eq!(git.diff(&head, &head).unwrap(), []);

    // An object that cannot be read is an error, and only of that question.
    let tree = work.id("HEAD^{tree}");
    let (folder, file) = tree.as_str().split_at(2);
    let object = work.dir.path().join(".git/objects").join(folder).join(file);
    let away = work.dir.path().join("away");
    fs::rename(&object, &away).unwrap();
    assert!(matches!(git.diff(&base, &later), Err(GitError::Failed { .. })));
    assert_eq!(git.diff(&base, &head).unwrap().len(), 4);
    assert_eq!(git.diff(&head, &base).unwrap().len(), 4);
    fs::rename(&away, &object).unwrap();
    assert_eq!(work.open().diff(&base, &later).unwrap().len(), 5);
}

#[test]
fn blobs_are_read_within_their_limit() {
    let work = Work::new();
    let (repository, head) = (work.open(), work.id("HEAD"));
    let read = |path: &str, max| repository.blob_at(&head, path, max).unwrap();
    assert_eq!(read("dir/c", 10), Some(b"1".to_vec()));
    for (path, max) in [("dir/c", 0), ("dir", 10), ("missing", 10), ("", 10), ("a\nb", 10), ("../a", 10)] {
        assert_eq!(read(path, max), None, "{path:?}");
    }
    assert_eq!(read("a", 10), Some(b"1".to_vec()), "still in step");
}

#[test]
fn errors_say_what_and_where() {
    let work = Work::new();
    let repository = work.open();
    let root = work.dir.path().display().to_string();
    let said = |error: GitError| {
        let hint = error.hint().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        format!("{error}{hint}").replace(&root, "REPO")
    };
    insta::assert_snapshot!(said(repository.resolve("--all").unwrap_err()), @"
    `--all` names no commit in `REPO`
      hint: `git fetch`; if it is not there, ask the author to push it, to any branch that is not protected
    ");
    let missing: Oid = "1".repeat(40).parse().unwrap();
    insta::assert_snapshot!(said(repository.commit(&missing).unwrap_err()), @r"
    object 1111111111111111111111111111111111111111 is not in `REPO`
      hint: fetch it; a partial clone is not enough
    ");
    let tree = work.id("HEAD^{tree}");
    assert!(matches!(repository.commit(&tree), Err(GitError::NotACommit { .. })));
    assert!(matches!(repository.resolve("HEAD^{tree}"), Err(GitError::UnknownRevision { .. })));

    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("none");
    let error = said(Repository::open(&path).unwrap_err()).replace(&path.display().to_string(), "PATH");
    insta::assert_snapshot!(error, @r"
    `PATH` is no git repository: there is no such directory
      hint: name a directory with a checkout or a bare repository
    ");
    assert!(matches!(Repository::open(elsewhere.path()), Err(GitError::NotARepository { .. })));
}

#[test]
fn opens_bare_repositories_worktrees_and_refuses_shallow_ones() {
    let work = Work::new();
    work.commit("second", &[("a", "2")]);
    assert!(!work.open().is_bare());
    let elsewhere = tempfile::tempdir().unwrap();
    let bare = elsewhere.path().join("bare:repo.git");
    work.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let opened = Repository::open(&bare).unwrap();
    assert!(opened.is_bare());
    assert_eq!(opened.git_dir(), fs::canonicalize(&bare).unwrap());
    assert_eq!(opened.resolve("main").unwrap(), work.id("main"));
    opened.commit(&work.id("main")).unwrap();

    let tree = elsewhere.path().join("tree");
    work.git(&["worktree", "add", "--quiet", "--detach", tree.to_str().unwrap()]);
    let opened = Repository::open(&tree).unwrap();
    assert_eq!(opened.resolve("HEAD").unwrap(), work.id("main"));
    opened.commit(&work.id("main")).unwrap();

    let shallow = elsewhere.path().join("shallow");
    let from = format!("file://{}", work.dir.path().display());
    work.git(&["clone", "--quiet", "--depth=1", &from, shallow.to_str().unwrap()]);
    assert!(matches!(Repository::open(&shallow), Err(GitError::Shallow { .. })));
}

#[test]
fn unrelated_histories_have_no_base() {
    let work = Work::new();
    let main = work.id("HEAD");
    work.git(&["checkout", "--quiet", "--orphan", "other"]);
    let other = work.commit("other", &[("z", "1")]);
    assert_eq!(work.open().merge_bases(&main, &other).unwrap(), []);
    assert!(matches!(work.base(&main, &other), Err(NoBase::Unrelated { .. })));
}

/// What git itself refuses in its index, or finds by `fsck` in names, is refused, and nothing else. The others of git's list:
/// `treeNotSorted`, `duplicateEntries`, `emptyName` and `fullPathname` are in `trees.rs`; a `badFilemode`,
/// `zeroPaddedFilemode` or `nullSha1` git reads, and so it does a link called `.gitattributes`, `.gitignore` or `.mailmap`.
#[test]
fn names_are_refused_that_git_refuses() {
    const NAMES: [&[u8]; 44] = [
        b".",
        b"..",
        b".git",
        b".GIT",
        b".git.",
        b".git ",
        b".git . :x",
        b".git::$INDEX",
        b"git~1",
        b"GIT~1.",
        b".git\\x",
        b"a\\.git",
        b"a\\b\\git~1",
        ".gi\u{200c}t".as_bytes(),
        ".g\u{feff}IT".as_bytes(),
        b".git\xff",
        b".git~1",
        b"git~2",
        b".gitx",
        b"x.git",
        b".git x",
        b"...",
        b"a..b",
        b"git",
        b".github",
        b".gitignore",
        b".gitattributes",
        b".mailmap",
        b".gitmodules",
        b".GITMODULES",
        b".gitmodules ",
        b".gitmodules.:x",
        ".gitmod\u{200d}ules".as_bytes(),
        b"gitmod~1",
        b"GITMOD~4 ",
        b"gitmod~5",
        b"gi7eba~1",
        b"GI7EB~10",
        b"gi7ebb~1",
        b"~1000000",
        b"~0000000",
        b"a\\.gitmodules",
        b".gitmodules\\a",
        b".gitmodulesx",
    ];
    let work = Work::new();
    let (base, blob) = (work.id("HEAD"), work.id("HEAD:a"));
    let id: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&blob.as_str()[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let mut made = Vec::new();
    for mode in ["100644", "120000"] {
        for name in NAMES {
            fs::write(work.dir.path().join(".git/raw"), [mode.as_bytes(), b" ", name, b"\0", &id].concat()).unwrap();
            let tree = work.git(&["hash-object", "-t", "tree", "-w", "--literally", ".git/raw"]);
            let commit: Oid = work.git(&["commit-tree", "-p", base.as_str(), "-m", "odd", &tree]).parse().unwrap();
            made.push((mode, text(name), tree, commit));
        }
    }
    let run = |args: &[&str]| {
        let output = hermetic().current_dir(work.dir.path()).args(args).output().unwrap();
        (output.status.success(), text(&output.stderr))
    };
    let (_, fsck) = run(&["fsck", "--no-dangling"]);
    let git = work.open();
    for (mode, name, tree, commit) in made {
        let (reads, _) = run(&["read-tree", "--index-output=.git/none", &tree]);
        let says = |what: &str| fsck.contains(&format!(" in tree {tree}: {what}:"));
        let refused = !reads || ["hasDot", "hasDotdot", "hasDotgit", "gitmodulesSymlink"].iter().any(|what| says(what));
        let ours = git.diff(&base, &commit);
        assert_eq!(ours.is_err(), refused, "{mode} {name:?}: git reads it: {reads}, {ours:?}\n{fsck}");
        assert!(git.diff(&commit, &base).is_ok(), "what is there can be taken away: {mode} {name:?}");
    }
}

#[test]
fn a_size_is_counted_from_the_contents() {
    let work = Work::new();
    let base = work.commit("base", &[("a", "1\n2\n3\n"), ("gone", "x\n")]);
    work.git(&["rm", "--quiet", "gone"]);
    let head = work.commit("head", &[("a", "3\n1\n4\n5\n"), ("new", "y")]);
    let size = work.facts(&base, &head).size;
    assert_eq!((size.files, size.added(), size.deleted()), (3, 3, 2));
    let binary = work.commit("binary", &[("new", "y\0")]);
    let size = work.facts(&base, &binary).size;
    assert_eq!((size.files, size.lines), (3, None));
}
