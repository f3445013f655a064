//! Signing as a person: `ssh-keygen -Y sign`, run the way git runs it. Passphrases, agents and hardware keys come with it,
//! and no secret half of a person's key is ever read here.
//!
//! Invariant: what [`SshKeygen::sign`] returns was verified with our own verifier, and is by the key that
//! [`SshKeygen::public`] names.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use countersign_ledger::{
    Fingerprint, PublicKey, SignatureError,
    dsse::{IN_TOTO, NAMESPACE, Signature, pae},
    sshsig,
};
use tempfile::TempDir;
use thiserror::Error;

use crate::{home::files::word, unix};

const SSH_KEYGEN: &str = "ssh-keygen";

/// Names that OpenSSH gives keys, best first: what is tried where nobody says which key to use.
const USUAL_NAMES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// No key file is larger; a larger one is something else.
const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

#[derive(Debug, Error)]
pub enum SignerError {
    #[error("there is no key at {path}")]
    Missing { path: PathBuf },
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} does not hold an OpenSSH public key")]
    NotAPublicKey { path: PathBuf },
    #[error("`git config user.signingkey` is `{found}`, which is no OpenSSH public key")]
    GitSigningKey { found: String },
    #[error("{path} is a folder, and no key")]
    Folder { path: PathBuf },
    #[error("{path} is no private key: it does not begin as one")]
    NoPrivateKey { path: PathBuf },
    #[error("ssh-keygen found no key in {path} ({status})")]
    NotAKey { path: PathBuf, status: ExitStatus },
    #[error("{path} can be read by others (mode {mode:04o}), and ssh signs with no such key")]
    Loose { path: PathBuf, mode: u32 },
    #[error("{path} begins as a private key, but is damaged or cut off")]
    DamagedKey { path: PathBuf },
    #[error("this machine's ssh-keygen cannot sign: it does not know `-Y sign`, which OpenSSH has since 8.2")]
    TooOld,
    #[error("no key to sign with was found")]
    NoKey,
    #[error("cannot run ssh-keygen: {0}")]
    Run(io::Error),
    #[error("cannot write what is to be signed: {0}")]
    Write(io::Error),
    #[error("ssh-keygen could not sign with {key} ({status})")]
    Refused { key: String, status: ExitStatus },
    #[error("the signature that ssh-keygen made with {key} is not acceptable: {problem}")]
    NotAcceptable { key: String, problem: SignatureError },
    #[error("{key} signs as {found}, but its public half says {expected}")]
    AnotherKey { key: String, found: Fingerprint, expected: Fingerprint },
}

impl SignerError {
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => "pass --key with an SSH key, or make one: ssh-keygen -t ed25519".to_owned(),
            Self::Read { .. } => "whoever signs must be able to read their own key file".to_owned(),
            Self::NotAPublicKey { .. } => {
                "it reads `ssh-ed25519 AAAA… comment`, on one line, as `ssh-keygen -y -f KEY` prints it".to_owned()
            }
            Self::GitSigningKey { .. } => {
                "set it to a key file, or to `key::ssh-ed25519 AAAA…`; or pass --key".to_owned()
            }
            Self::Folder { .. } => {
                "name the file of a private SSH key, such as ~/.ssh/id_ed25519; or make one: ssh-keygen -t ed25519".to_owned()
            }
            Self::NoPrivateKey { .. } => {
                "a private SSH key begins with `-----BEGIN OPENSSH PRIVATE KEY-----`; a public one, whose private half is in your \
                 agent, is named KEY.pub. Make one: ssh-keygen -t ed25519"
                    .to_owned()
            }
            Self::NotAKey { path, .. } => format!(
                "it has to be a private OpenSSH key that only you can read (chmod 600 {0}), or a public key whose private \
                 half is in your agent; look at it with: ssh-keygen -l -f {0}",
                word(path)
            ),
            Self::Loose { path, .. } => format!("chmod 600 {}", word(path)),
            Self::DamagedKey { path } => format!(
                "restore it from a copy, or use another key; it ends with a line `-----END … PRIVATE KEY-----`. Its public half \
                 alone does, where the private one is in your agent: --key {}",
                word(&public_path(path))
            ),
            Self::TooOld => {
                "install OpenSSH 8.2 or later (`ssh -V` says which it is), and have its ssh-keygen first in PATH".to_owned()
            }
            Self::NoKey => "pass --key KEYFILE, set COUNTERSIGN_KEY, or make a key: ssh-keygen -t ed25519".to_owned(),
            Self::Run(_) => "install OpenSSH 8.2 or later (its ssh-keygen makes the signatures)".to_owned(),
            Self::Write(_) => "is there space in the folder for temporary files ($TMPDIR)?".to_owned(),
            Self::Refused { .. } => {
                "ssh-keygen says why above: a wrong passphrase, a hardware key that was not touched, or a public key whose \
                 private half is not in the agent (ssh-add -l)"
                    .to_owned()
            }
            Self::NotAcceptable { .. } => "use an ed25519, ECDSA or hardware key, or RSA of 2048 bits or more".to_owned(),
            Self::AnotherKey { key, .. } => format!(
                "write its public half again: ssh-keygen -y -f {} > {}",
                word(Path::new(key)),
                word(&public_path(Path::new(key)))
            ),
        };
        Some(hint)
    }
}

/// A key that somebody chose to sign with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A private key, or a public one whose private half lies beside it or is in the agent.
    File(PathBuf),
    /// From git's configuration; its private half is in the agent.
    Public(PublicKey),
}

/// Whether git signs with an SSH key, which is then the one to sign with here, too.
pub fn is_set_for_git() -> bool {
    git_config(&["gpg.format"]).as_deref() == Some("ssh") && git_config(&["user.signingkey"]).is_some()
}

/// The key to sign with: the one that was given, else what git signs with, else the usual files.
pub fn default_key(given: Option<&Path>) -> Result<Choice, SignerError> {
    if let Some(path) = given {
        return Ok(Choice::File(path.to_owned()));
    }
    if git_config(&["gpg.format"]).as_deref() == Some("ssh")
        && let Some(literal) = git_config(&["user.signingkey"])
    {
        return match literal.strip_prefix("key::").or_else(|| literal.starts_with("ssh-").then_some(literal.as_str())) {
            Some(key) => {
                key.parse().map(Choice::Public).map_err(|_| SignerError::GitSigningKey { found: literal.clone() })
            }
            // Asked for again as a path, so that git expands `~/`.
            None => Ok(Choice::File(
                git_config(&["--type=path", "user.signingkey"]).map_or_else(|| literal.into(), PathBuf::from),
            )),
        };
    }
    let folder = std::env::home_dir().map(|home| home.join(".ssh")).ok_or(SignerError::NoKey)?;
    USUAL_NAMES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists() || public_path(path).exists())
        .map(Choice::File)
        .ok_or(SignerError::NoKey)
}

/// One value of the user's git configuration; `None` where it is not set or there is no git.
pub fn git_config(arguments: &[&str]) -> Option<String> {
    git_config_in(Path::new("."), arguments)
}

/// The same, as the repository at this path sees it.
pub fn git_config_in(path: &Path, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").arg("-C").arg(path).arg("config").args(arguments).stderr(Stdio::null()).output().ok()?;
    let value = String::from_utf8(output.stdout).ok()?;
    let value = value.trim();
    (output.status.success() && !value.is_empty()).then(|| value.to_owned())
}

/// Signs statements with one of a person's keys.
#[derive(Debug)]
pub struct SshKeygen {
    /// What `ssh-keygen -f` is given.
    key: PathBuf,
    public: PublicKey,
    /// Holds the file of a key that git's configuration has as text.
    _folder: Option<TempDir>,
}

impl SshKeygen {
    /// Takes a key file. Its public half is read from `KEY.pub`, or else derived from the private one.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, SignerError> {
        let path = path.into();
        if path.is_dir() {
            return Err(SignerError::Folder { path });
        }
        is_private(&path)?;
        let beside = public_path(&path);
        let (key, public) = if path.extension() == Some(OsStr::new("pub")) && path.exists() {
            let public = read_public(&path)?;
            (path, public)
        } else if beside.exists() {
            // Without the private file, ssh-keygen looks for it in the agent.
            let public = read_public(&beside)?;
            (if path.exists() { path } else { beside }, public)
        } else if path.exists() {
            let public = derive_public(&path)?;
            (path, public)
        } else {
            return Err(SignerError::Missing { path });
        };
        Ok(Self { key, public, _folder: None })
    }

    /// The key that was given, or the default one: see [`default_key`].
    pub fn choose(given: Option<&Path>) -> Result<Self, SignerError> {
        match default_key(given)? {
            Choice::File(path) => Self::new(path),
            Choice::Public(public) => {
                let folder = tempfile::tempdir().map_err(SignerError::Write)?;
                let key = folder.path().join("key.pub");
                fs::write(&key, format!("{public}\n")).map_err(SignerError::Write)?;
                Ok(Self { key, public, _folder: Some(folder) })
            }
        }
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }

    /// Whether the private half is at hand: in a file, or in the agent.
    pub fn is_here(&self) -> bool {
        let private = match self.key.extension() == Some(OsStr::new("pub")) {
            true => self.key.with_extension(""),
            false => self.key.clone(),
        };
        private.exists() || agent_has(&self.public)
    }

    /// Signs a statement's payload: its pre-authentication encoding, in our namespace.
    pub fn sign(&self, payload: &[u8]) -> Result<Signature, SignerError> {
        can_sign()?;
        // ssh-keygen would say so in words of its own; where the agent has the key, the file is not needed.
        if is_damaged(&self.key) && !agent_has(&self.public) {
            return Err(SignerError::DamagedKey { path: self.key.clone() });
        }
        let message = pae(IN_TOTO, payload);
        // A file and not a pipe, as git does it: where its standard input is no terminal, ssh-keygen asks for
        // passphrases and PINs in a window, or not at all.
        let folder = tempfile::tempdir().map_err(SignerError::Write)?;
        let file = folder.path().join("statement");
        fs::write(&file, &message).map_err(SignerError::Write)?;
        let status = Command::new(SSH_KEYGEN)
            .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
            .args([&self.key, &file])
            .stdout(Stdio::null())
            .status()
            .map_err(SignerError::Run)?;
        let key = self.key.display().to_string();
        let armored = fs::read_to_string(folder.path().join("statement.sig"));
        let (true, Ok(armored)) = (status.success(), armored) else {
            return Err(SignerError::Refused { key, status });
        };
        let not_acceptable = |problem| SignerError::NotAcceptable { key: key.clone(), problem };
        let signature = sshsig::dearmor(&armored).map_err(not_acceptable)?;
        let verified = sshsig::verify(&signature, NAMESPACE, &message).map_err(not_acceptable)?;
        let (found, expected) = (verified.key.fingerprint(), self.fingerprint());
        if found != expected {
            return Err(SignerError::AnotherKey { key, found, expected });
        }
        Ok(Signature { keyid: found.to_string(), sshsig: signature })
    }
}

/// What every private key in a file begins and ends with.
const BEGINS: &[u8] = b"-----BEGIN ";
const ENDS: &[u8] = b"PRIVATE KEY-----";

/// ssh reads no private key that others can read, and says so in a dozen lines.
fn is_private(path: &Path) -> Result<(), SignerError> {
    let mode = fs::metadata(path)
        .ok()
        .filter(fs::Metadata::is_file)
        .map(|file| unix::mode(&file))
        .filter(|mode| mode & 0o077 != 0);
    match mode {
        Some(mode) if beginning(path).starts_with(BEGINS) => Err(SignerError::Loose { path: path.to_owned(), mode }),
        Some(_) | None => Ok(()),
    }
}

/// The bytes of a key file, as far as one can be long.
fn beginning(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What cannot be read ssh-keygen will tell of.
    let _ = fs::File::open(path).and_then(|file| file.take(MAX_KEY_FILE_BYTES).read_to_end(&mut bytes));
    bytes
}

/// Whether a file begins as a private key and is none: cut off, or not what OpenSSH can parse without a passphrase.
fn is_damaged(path: &Path) -> bool {
    let bytes = beginning(path);
    if !bytes.starts_with(BEGINS) {
        return false;
    }
    if !bytes.trim_ascii_end().ends_with(ENDS) {
        return true;
    }
    // With a passphrase that is none: a whole key that has one says so.
    let tried = Command::new(SSH_KEYGEN).args(["-y", "-P", "", "-f"]).arg(path).stdin(Stdio::null()).output();
    tried.is_ok_and(|tried| {
        let said = String::from_utf8_lossy(&tried.stderr).to_lowercase();
        !tried.status.success() && (said.contains("error in libcrypto") || said.contains("invalid format"))
    })
}

/// Asks ssh-keygen for nothing by `-Y`: one that does not know it says so.
fn can_sign() -> Result<(), SignerError> {
    let asked =
        Command::new(SSH_KEYGEN).args(["-Y", "sign"]).stdin(Stdio::null()).output().map_err(SignerError::Run)?;
    let said = String::from_utf8_lossy(&asked.stderr).to_lowercase();
    let unknown = ["unknown option -- y", "illegal option -- y", "invalid option -- 'y'", "invalid option -- y"];
    if unknown.iter().any(|words| said.contains(words)) { Err(SignerError::TooOld) } else { Ok(()) }
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn read_public(path: &Path) -> Result<PublicKey, SignerError> {
    let failed = |source| SignerError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > MAX_KEY_FILE_BYTES {
        return Err(SignerError::NotAPublicKey { path: path.to_owned() });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| SignerError::NotAPublicKey { path: path.to_owned() })?;
    text.trim_start_matches('\u{feff}').trim().parse().map_err(|_| SignerError::NotAPublicKey { path: path.to_owned() })
}

fn derive_public(path: &Path) -> Result<PublicKey, SignerError> {
    fs::File::open(path).map_err(|source| SignerError::Read { path: path.to_owned(), source })?;
    // ssh-keygen would say of anything else that others can read it, in a dozen lines.
    if !beginning(path).starts_with(BEGINS) {
        return Err(SignerError::NoPrivateKey { path: path.to_owned() });
    }
    if is_damaged(path) {
        return Err(SignerError::DamagedKey { path: path.to_owned() });
    }
    let output = Command::new(SSH_KEYGEN)
        .args([OsStr::new("-y"), OsStr::new("-f"), path.as_os_str()])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(SignerError::Run)?;
    let not_a_key = || SignerError::NotAKey { path: path.to_owned(), status: output.status };
    if !output.status.success() {
        return Err(not_a_key());
    }
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| not_a_key())
}

fn agent_has(public: &PublicKey) -> bool {
    let Ok(output) = Command::new("ssh-add").arg("-L").stdin(Stdio::null()).stderr(Stdio::null()).output() else {
        return false;
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.parse::<PublicKey>().ok())
        .any(|key| key.fingerprint() == public.fingerprint())
}
