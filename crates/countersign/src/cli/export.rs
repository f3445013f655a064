//! `export`: the whole log as files, which the next export brings up to date.

use std::path::{Path, PathBuf};

use super::{
    Global,
    error::{CliError, Exit},
    follow,
    output::{self, Format, count, good},
    verify,
};
use crate::{
    copies::{
        CopyError,
        export::{Exported, export},
        ledger_of,
    },
    follower::{COPY, source::Source},
};

/// Write the whole log as files, or bring such an export up to date.
///
/// The layout is that of C2SP tlog-tiles, with the blobs beside it: any web server can serve it, `verify` and `follow` read it,
/// and `import` builds a ledger from it. What is there is read again: a blob that was damaged is fetched anew, a leaf or node that
/// was damaged is named. The leaves are hashed on from those that are there, up to the root of the new checkpoint: a log that
/// does not continue the export is refused. What was erased since is taken away.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign export log                       from the server (--url)\n  \
    countersign export log --home HOME           from a home, whether it is served or not\n  \
    countersign export log --copy COPY --trust trust.json    from a follower's copy, which may lack texts\n\n\
    Run it again, from cron for one, and it fetches what is new.")]
pub struct Args {
    /// The folder of the export; made if it is not there.
    dir: PathBuf,
    /// Read the ledger of this home, in place of asking the server.
    #[arg(long, value_name = "DIR", conflicts_with = "copy")]
    home: Option<PathBuf>,
    /// Read the copy that `follow` keeps in this folder: it may have what a server has lost.
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let (source, trust) = match (&args.home, &args.copy) {
        (Some(home), _) => {
            let home = global.home(home)?;
            (ledger_of(&home)?, home.trust().clone())
        }
        (None, Some(copy)) => {
            let trust = global.trust_of_copy(copy)?.ok_or_else(|| {
                CliError::usage("what the copy is checked against is missing: --trust FILE").hint(verify::TRUST_HINT)
            })?;
            let source = Source::of_copy(&copy.join(COPY), &trust, follow::access(copy));
            (source.map_err(CopyError::from)?, trust)
        }
        (None, None) => return of_server(global, &args.dir),
    };
    tell(global, &args.dir, &export(&source, &args.dir, &trust)?)
}

/// Exports the log of the server.
pub fn of_server(global: &Global, dir: &Path) -> Result<Exit, CliError> {
    let log = global.log()?;
    tell(global, dir, &export(&Source::Server(log.client.clone()), dir, log.trust())?)
}

fn tell(global: &Global, dir: &Path, exported: &Exported) -> Result<Exit, CliError> {
    if global.format == Format::Json {
        return output::json(exported).map(|()| Exit::Done);
    }
    let Exported { size, new, erased, mended, .. } = exported;
    let of_blobs = |number: u64, what: &str| match usize::try_from(number) {
        Ok(0) => String::new(),
        number => format!("; {} {what}", count(number.unwrap_or(usize::MAX), "blob")),
    };
    let erased = of_blobs(*erased, "taken away, since they were erased");
    let mended = of_blobs(*mended, "damaged, and fetched again");
    anstream::println!("{} {size} leaves in {}, {new} of them new{erased}{mended}", good("exported"), dir.display());
    Ok(Exit::Done)
}

impl From<CopyError> for CliError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Home(error) => error.into(),
            CopyError::Client(error) => error.into(),
            CopyError::Archive(error) => error.into(),
            CopyError::Refused(refusal) => refusal.into(),
            CopyError::Verify(error) => error.into(),
            error => Self { hint: error.hint(), ..Self::new(error.code(), error.to_string()) },
        }
    }
}
