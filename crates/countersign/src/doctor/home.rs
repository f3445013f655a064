//! A home: is it whole, are its secrets secret, and does its ledger hold.

use std::{fs, path::Path};

use countersign_core::{
    governance::{RULES, parse_rules},
    verify::Verdict,
};
use countersign_ledger::{Time, checkpoint::SignedCheckpoint};

use super::{Findings, calendars, ledger, machine::chmod};
use crate::{
    copies::ledger_of,
    follower::source::Source,
    home::{Home, HomeError, files::word},
    random, unix,
    verifying::{self, Verified},
};

/// Looks at a home. `quick` leaves out what takes as long as the ledger is.
pub fn look(path: &Path, quick: bool, threads: usize, now: Time) -> Vec<Findings> {
    let mut found = Findings::of("home");
    let whole = |home: Home| home.genesis_files().map(|_| home);
    let home = match Home::open(path).and_then(whole) {
        Ok(home) => home,
        Err(error) => {
            found.wrong("files", error.to_string(), error.advice());
            return vec![found];
        }
    };
    found.good("files", format!("{} is the home of log {}", path.display(), home.config().origin));
    match home.founded() {
        Ok(()) => found.good("genesis", format!("the pinned genesis is {}", home.trust().genesis)),
        Err(refusal) => found.wrong("genesis", refusal.message, refusal.hint),
    }
    keys(&mut found, &home);
    modes(&mut found, &home);
    edited(&mut found, &home, quick);
    let ledger = ledger(&home, quick, threads, now);
    vec![found, ledger]
}

/// What the next `amend` would publish.
fn edited(found: &mut Findings, home: &Home, quick: bool) {
    let check = "catalog-and-rules";
    let files = match home.folder().edited(|_| random::nonce()) {
        Ok(files) => files,
        Err(error) => {
            let advice = error.advice();
            return found.wrong(check, error.to_string(), advice);
        }
    };
    let rule = |(path, bytes): (&String, &Vec<u8>)| {
        Some((path.strip_prefix(RULES)?.to_owned(), String::from_utf8_lossy(bytes).into_owned()))
    };
    calendars::look(found, home, &files, quick);
    match parse_rules(&files.iter().filter_map(rule).collect()) {
        Ok(_) => found.good(check, "catalog/ and rules/ can be read"),
        Err(refusal) => {
            let rules = word(&home.path().join("rules"));
            found.wrong(check, refusal.message, Some(format!("countersign rules check {rules}")));
        }
    }
}

fn keys(found: &mut Findings, home: &Home) {
    let told = |found: &mut Findings, check, key: Result<(), HomeError>| match key {
        Ok(()) => found.good(check, "it is the key that the log names, and only its owner reads it"),
        Err(error) => {
            let advice = error.advice();
            found.wrong(check, error.to_string(), advice);
        }
    };
    told(found, "log-key", home.log_key().map(drop));
    told(found, "server-key", home.server_key().map(drop));
}

/// Whoever else may write the ledger may write another log into it; whoever may read it reads all names and texts.
fn modes(found: &mut Findings, home: &Home) {
    let ledger = home.ledger_path();
    let mut all_private = true;
    for (path, right) in [(home.path().join("keys"), "700"), (ledger.clone(), "600"), (beside(&ledger, "-wal"), "600")]
    {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let mode = unix::mode(&metadata);
        if mode & 0o077 != 0 {
            all_private = false;
            let said = format!("others than its owner can use {} (mode {mode:03o})", path.display());
            found.wrong("modes", said, Some(chmod(right, &path)));
        }
    }
    if let Ok(metadata) = fs::metadata(home.path())
        && unix::mode(&metadata) & 0o022 != 0
    {
        all_private = false;
        let said = format!("others than its owner can replace the files of {}", home.path().display());
        found.wrong("modes", said, Some(chmod("go-w", home.path())));
    }
    if all_private {
        found.good("modes", "keys and ledger are their owner's alone");
    }
}

fn beside(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn ledger(home: &Home, quick: bool, threads: usize, now: Time) -> Findings {
    let mut found = Findings::of("ledger");
    let path = home.ledger_path();
    if !path.exists() {
        match home.was_served() {
            true => found.wrong("file", format!("{} is missing, and its log was begun", path.display()), restore(home)),
            false => found.good("file", "the log has not begun: it begins when it is first served"),
        }
        return found;
    }
    let source = match ledger_of(home) {
        Ok(source) => source,
        Err(error) => {
            found.wrong("file", error.to_string(), restore(home));
            return found;
        }
    };
    let Source::Ledger(ledger) = &source else { return found };
    let head = match ledger.head() {
        Ok(head) => head,
        Err(error) => {
            found.wrong("file", error.to_string(), restore(home));
            return found;
        }
    };
    if head.size == 0 {
        match home.was_served() {
            true => found.wrong("file", format!("{} is empty, and its log was begun", path.display()), restore(home)),
            false => found.good("file", "the log has not begun: its ledger is empty"),
        }
        return found;
    }
    found.good("file", format!("{} leaves, under a checkpoint of the log's key", head.size));
    match home.seen() {
        Ok(seen) => newest(&mut found, "seen", home, head.size, seen),
        Err(error) => {
            let advice = error.advice();
            found.wrong("seen", error.to_string(), advice);
        }
    }
    let cosigned = fs::read_to_string(home.cosigned_path()).ok();
    match cosigned.map(|note| home.opened(&note)).transpose() {
        Ok(cosigned) => newest(&mut found, "cosigned", home, head.size, cosigned),
        Err(error) => found.wrong("cosigned", error.to_string(), Some("put back the file of this home".to_owned())),
    }
    if quick {
        found.doubtful("whole", "leaves, nodes and blobs were not looked at", "countersign doctor without --quick");
        return found;
    }
    whole(&mut found, home, &source, threads, now);
    found
}

/// The ledger is no older than a checkpoint that is known of it.
fn newest(found: &mut Findings, check: &'static str, home: &Home, size: u64, known: Option<SignedCheckpoint>) {
    let Some(known) = known else { return };
    let known = known.checkpoint().size;
    if known > size {
        found.wrong(
            check,
            format!("the ledger has {size} leaves, and had {known}: it is an older copy"),
            if was_put_back(home) { Some(begin_epoch(home)) } else { restore(home) },
        );
    } else {
        found.good(check, format!("the ledger is no older than what is known of it ({known} leaves)"));
    }
}

/// Whether `import --older` put it there: there is no newer one.
fn was_put_back(home: &Home) -> bool {
    let lost = format!("{}.lost-", home.ledger_path().file_name().unwrap_or_default().to_string_lossy());
    let names = std::fs::read_dir(home.path()).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name.to_string_lossy().starts_with(&lost))
}

fn begin_epoch(home: &Home) -> String {
    format!("the founders begin a new epoch in it: countersign epoch {} --why REASON", word(home.path()))
}

/// How a ledger is put back.
fn restore(home: &Home) -> Option<String> {
    Some(home.putting_back())
}

/// What the server decides by is what the leaves say.
fn kept(found: &mut Findings, home: &Home, source: &Source, verified: &Verified) {
    let Source::Ledger(ledger) = source else { return };
    match verified.misses(ledger) {
        Ok(None) => found.good("kept", "what is kept beside the leaves is what they say"),
        Ok(Some(damage)) => found.wrong("kept", damage.to_string(), Some(home.making_again())),
        Err(error) => found.wrong("kept", error.to_string(), restore(home)),
    }
}

/// Every leaf, node, blob, signature and decision.
fn whole(found: &mut Findings, home: &Home, source: &Source, threads: usize, now: Time) {
    match verifying::verify(home.trust(), source, threads, now) {
        Ok(verified) => {
            let broken = verified.report.steps.iter().filter(|step| match step.verdict {
                Verdict::Broken | Verdict::Newer => true,
                Verdict::Holds | Verdict::NotChecked => false,
            });
            let broken: Vec<String> = broken.map(|step| format!("{}: {}", step.name, step.detail)).collect();
            match broken.first() {
                Some(said) => found.wrong("whole", said.clone(), restore(home)),
                None => {
                    found.good("whole", "every leaf, signature, blob and decision holds");
                    kept(found, home, source, &verified);
                }
            }
        }
        Err(error) => found.wrong("whole", error.to_string(), restore(home)),
    }
    match ledger::nodes(source) {
        Ok(None) => found.good("nodes", "every node of the tree is what the leaves give"),
        Ok(Some(damage)) if damage.leaves_hold => found.wrong("nodes", damage.said, Some(home.making_again())),
        Ok(Some(damage)) => found.wrong("nodes", damage.said, restore(home)),
        Err(error) => found.wrong("nodes", error.to_string(), restore(home)),
    }
}
