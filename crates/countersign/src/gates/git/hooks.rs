//! The hooks of a gated repository: what they are, whether they are as they were written, and where git looks for them.
//!
//! Git runs `reference-transaction` twice for each reference of most pushes. To start the program each time would make a
//! mirror's thousand tags take half a minute, so the hook itself lets a single reference pass that this gate has nothing to
//! do with: one whose name ends like none that is protected, while `gate.yaml` is as old as the hook (which is given the
//! file's time when it is written), and no protected branch is another name of something. Whatever it cannot tell starts the
//! program.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use countersign_core::subject::quoted;

use super::{
    GateConfig, GateError,
    install::{git, io_error, setup},
};
use crate::{durable, home::files, unix};

pub const HOOKS: [&str; 3] = ["pre-receive", REFERENCE_TRANSACTION, "post-receive"];
const REFERENCE_TRANSACTION: &str = "reference-transaction";

/// Where the gate has copies of its hooks, to tell whether they are as they were written.
const COPIES: &str = "hooks";

/// What tells our hooks from others.
const MARK: &str = "# A hook of `countersign gate install`.";

/// Where git looks for hooks. Elsewhere than in the repository they would be other repositories' hooks too.
pub fn folder(git_dir: &Path) -> Result<PathBuf, GateError> {
    let hooks = git_dir.join("hooks");
    let said = git(git_dir, &["rev-parse", "--path-format=absolute", "--git-path", "hooks"])?;
    let asked = PathBuf::from(said.trim_end_matches('\n'));
    let whole = |path: &Path| fs::canonicalize(path).ok();
    let same = asked == hooks || (whole(&asked).is_some() && whole(&asked) == whole(&hooks));
    if same {
        return Ok(hooks);
    }
    Err(setup(
        "hooks-elsewhere",
        format!("git looks for this repository's hooks in {}", asked.display()),
        format!(
            "take core.hooksPath away: git -C {} config --unset core.hooksPath (or in git's global configuration)",
            files::word(git_dir)
        ),
    ))
}

/// Refuses to write over a hook that is not ours.
pub fn free(hooks: &Path) -> Result<(), GateError> {
    for name in HOOKS {
        let path = hooks.join(name);
        match is_ours(&path) {
            Ok(true) => {}
            Ok(false) => {
                return Err(setup(
                    "hook-exists",
                    format!("{} is there already", path.display()),
                    "move it away; what it does can be done by an `update` or `post-update` hook, which git runs as well",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(io_error("read", &path, source)),
        }
    }
    Ok(())
}

/// Whether a hook was written by a gate.
pub fn is_ours(path: &Path) -> io::Result<bool> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).contains(MARK))
}

/// What a hook is to say.
fn text(name: &str, config: &GateConfig, program: &Path) -> String {
    let program = quoted(&[program.display().to_string()]);
    // Found from the hook's own place, so that a repository can be moved. Where the program is gone, `exec` fails, and
    // the gate stays shut.
    // A gate that only watches stops nothing, also where its program is gone.
    let (watching, unless) = match config.is_watched() {
        true => (" --watching", format!("[ -x {program} ] || exit 0\n")),
        false => ("", String::new()),
    };
    let run = format!("{program} gate hook{watching} --repository \"${{0%/*}}/..\" {name}");
    let run = match name {
        REFERENCE_TRANSACTION => filtered(&run, config),
        // The branch has moved: whoever pushed does not wait until the log is told. What is open would keep git waiting.
        "post-receive" => format!("(exec {run} \"$@\" </dev/null >/dev/null 2>&1 &)\n"),
        _ => format!("exec {run} \"$@\"\n"),
    };
    format!("#!/bin/sh\n{MARK} Do not edit it.\n{unless}{run}")
}

/// What stands around a protected branch's name at the end of a line that the gate has to do with: a folder, or nothing but the
/// line's other words, where a reference lies beside `refs/`.
const ENDS: [(&str, &str); 4] = [("/", ""), ("/", "/HEAD"), (" ", ""), (" ", "/HEAD")];

/// Git asks about states that the gate does not act on, and about references that it has nothing to do with. Only what the
/// shell does by itself is used here: another program would cost as much as ours.
fn filtered(run: &str, config: &GateConfig) -> String {
    let word = |text: String| quoted(&[text]);
    let ends: Vec<String> = config
        .branches
        .iter()
        .flat_map(|branch| {
            ENDS.map(|(before, after)| format!("*{}", word(format!("{before}{}{after}", branch.short()))))
        })
        .collect();
    let branches: Vec<String> = config.branches.iter().map(|branch| word(branch.branch.clone())).collect();
    format!(
        "case \"$1\" in prepared | committed) ;; *) exit 0 ;; esac\n\
         ask() {{ exec {run} \"$@\"; }}\n\
         IFS= read -r one || [ -n \"$one\" ] || exit 0\n\
         if IFS= read -r two || [ -n \"$two\" ]; then ask \"$1\" --line=\"$one\" --line=\"$two\"; fi\n\
         config=\"${{0%/*}}/../{folder}/{file}\"\n\
         if [ ! -f \"$config\" ] || [ \"$config\" -nt \"$0\" ] || [ \"$config\" -ot \"$0\" ]; then ask \"$1\" --line=\"$one\"; fi\n\
         case \"$one\" in *\" refs/replace/\"* | {ends}) ask \"$1\" --line=\"$one\" ;; esac\n\
         for branch in {branches}; do\n\
         \x20 tip= && [ ! -f \"${{0%/*}}/../$branch\" ] || IFS= read -r tip <\"${{0%/*}}/../$branch\"\n\
         \x20 case \"$tip\" in ref:*) ask \"$1\" --line=\"$one\" ;; esac\n\
         done\n\
         exit 0\n",
        folder = super::FOLDER,
        file = super::CONFIG,
        ends = ends.join(" | "),
        branches = branches.join(" "),
    )
}

/// Leaves beside the gate's files what its hooks are to say.
pub fn write_copies(folder: &Path, config: &GateConfig, program: &Path) -> Result<(), GateError> {
    let copies = folder.join(COPIES);
    fs::create_dir_all(&copies).map_err(|source| io_error("make", &copies, source))?;
    for name in HOOKS {
        let path = copies.join(name);
        durable::replace(&path, text(name, config, program)).map_err(|source| io_error("write", &path, source))?;
    }
    Ok(())
}

/// Writes all hooks, for `gate.yaml` as it is.
pub fn write(hooks: &Path, config_path: &Path, config: &GateConfig, program: &Path) -> Result<(), GateError> {
    fs::create_dir_all(hooks).map_err(|source| io_error("make", hooks, source))?;
    let written = fs::metadata(config_path).and_then(|found| found.modified());
    let written = written.map_err(|source| io_error("read", config_path, source))?;
    for name in HOOKS {
        let path = hooks.join(name);
        let failed = |source| io_error("write", &path, source);
        let mut file = tempfile::Builder::new();
        let mut file = file.permissions(unix::program()).tempfile_in(hooks).map_err(failed)?;
        io::Write::write_all(&mut file, text(name, config, program).as_bytes()).map_err(failed)?;
        file.as_file().set_modified(written).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
    }
    Ok(())
}

/// Something that may keep the gate from being asked, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub said: String,
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.said, self.mend)
    }
}

/// What is wrong with the hooks as they are.
pub fn problems(git_dir: &Path) -> Vec<Problem> {
    let hooks = match folder(git_dir) {
        Ok(hooks) => hooks,
        Err(error) => {
            return vec![Problem { said: error.to_string(), mend: error.hint().unwrap_or_default() }];
        }
    };
    let as_written = git_dir.join(super::FOLDER).join(COPIES);
    let again = format!("install the gate again: countersign gate install {} …", files::word(git_dir));
    let problem = |name: &&str| {
        let path = hooks.join(name);
        let said = match found(&path, name, &as_written)? {
            Broken::MayNotRun(said) => {
                return Some(Problem { said, mend: format!("chmod 755 {}", files::word(&path)) });
            }
            Broken::ToInstall(said) => said,
        };
        Some(Problem { said, mend: again.clone() })
    };
    HOOKS.iter().filter_map(problem).collect()
}

/// What makes pushes slower than they need to be.
pub fn notes(git_dir: &Path, config: &GateConfig) -> Vec<String> {
    let config_path = git_dir.join(super::FOLDER).join(super::CONFIG);
    let time = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let hook = git_dir.join("hooks").join(REFERENCE_TRANSACTION);
    if !hook.exists() || time(&config_path) == time(&hook) {
        return Vec::new();
    }
    vec![format!(
        "{} of {} was changed since its hooks were written: each reference of a push starts the program, until the gate is \
         installed again",
        super::CONFIG,
        config.name
    )]
}

/// What a hook is not.
enum Broken {
    MayNotRun(String),
    ToInstall(String),
}

fn found(path: &Path, name: &str, as_written: &Path) -> Option<Broken> {
    let install = |said: String| Some(Broken::ToInstall(said));
    let found = match fs::read_to_string(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return install(format!("hook {name} is missing")),
        Err(error) => return install(format!("hook {name} cannot be read ({error})")),
    };
    if !fs::metadata(path).is_ok_and(|found| unix::is_executable(&found)) {
        return Some(Broken::MayNotRun(format!("hook {name} may not be run, so that git passes over it")));
    }
    if fs::read_to_string(as_written.join(name)).ok().as_deref() != Some(found.as_str()) {
        return install(format!("hook {name} is not what was installed"));
    }
    let program = found.lines().find_map(|line| Some(line.split_once("exec ")?.1.split_once(" gate hook ")?.0));
    let written = program.and_then(shlex::split).and_then(|words| words.into_iter().next());
    let there = written.is_some_and(|program| fs::metadata(program).is_ok_and(|found| unix::is_executable(&found)));
    match there {
        true => None,
        false => install(format!("hook {name} runs a program that is not there, and keeps the gate shut")),
    }
}
