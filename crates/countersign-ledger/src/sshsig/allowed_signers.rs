//! `allowed_signers` files (ssh-keygen(1), "ALLOWED SIGNERS"): whose keys are whose, as git and `ssh-keygen` read it.
//!
//! Strict where `ssh-keygen` is: an option that is not known, not quoted or given twice is an error, never skipped.

use thiserror::Error;

use super::PublicKey;

/// More than any organisation has, and a bound on what a stranger's file can cost.
pub const MAX_ALLOWED_SIGNERS_BYTES: usize = 4 * 1024 * 1024;

/// What is wrong in which line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("allowed signers, line {line}: {problem}")]
pub struct AllowedSignersError {
    /// Counted from 1.
    pub line: usize,
    pub problem: AllowedSignersProblem,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AllowedSignersProblem {
    #[error("the file is larger than {MAX_ALLOWED_SIGNERS_BYTES} bytes")]
    TooLarge,
    #[error("the principals are missing or empty; it reads `principals [options] type key [comment]`")]
    Principals,
    #[error("the key is missing")]
    KeyMissing,
    #[error("`{0}` is not an OpenSSH public key")]
    Key(String),
    #[error("`{0}` is not an option; it knows `cert-authority`, `namespaces`, `valid-after` and `valid-before`")]
    UnknownOption(String),
    #[error("the option `{0}` is given twice")]
    Repeated(String),
    #[error("the option `{0}` takes a value in double quotes")]
    Value(String),
    #[error("a double quote is not closed")]
    Quote,
    #[error("`{0}` is not a time; it reads YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]")]
    Time(String),
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSigner {
    /// Where it stands, counted from 1.
    pub line: usize,
    /// Patterns, as in ssh_config(5): `alice@example.com`, `*@example.com`, `!mallory@example.com`.
    pub principals: Vec<String>,
    pub key: PublicKey,
    /// Patterns of the namespaces that the key may sign in; `None` for all.
    pub namespaces: Option<Vec<String>>,
    pub cert_authority: bool,
    /// As written; without a `Z` it is in the reader's time zone.
    pub valid_after: Option<String>,
    pub valid_before: Option<String>,
    pub comment: String,
}

/// Reads a whole file. The first bad line fails it: half a list of signers is not a list.
pub fn parse_allowed_signers(text: &str) -> Result<Vec<AllowedSigner>, AllowedSignersError> {
    if text.len() > MAX_ALLOWED_SIGNERS_BYTES {
        return Err(AllowedSignersError { line: 1, problem: AllowedSignersProblem::TooLarge });
    }
    // Some editors put a byte order mark before a file.
    text.trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| match parse_line(text) {
            Ok(signer) => Ok(AllowedSigner { line, ..signer }),
            Err(problem) => Err(AllowedSignersError { line, problem }),
        })
        .collect()
}

fn parse_line(line: &str) -> Result<AllowedSigner, AllowedSignersProblem> {
    let (principals, rest) = split_principals(line)?;
    let principals: Vec<String> = principals.split(',').map(str::to_owned).collect();
    if principals.iter().any(String::is_empty) {
        return Err(AllowedSignersProblem::Principals);
    }
    if rest.is_empty() {
        return Err(AllowedSignersProblem::KeyMissing);
    }
    // Like ssh-keygen: what does not read as a key is options, with the key after them.
    let (options, (key, comment)) = match split_key(rest) {
        Ok(key) => (Options::default(), key),
        Err(problem) => {
            let (options, after) = split_quoted(rest)?;
            match Options::parse(options) {
                Ok(options) => (options, split_key(after)?),
                // A first word with no key behind it was meant as the key's type.
                Err(AllowedSignersProblem::UnknownOption(_)) if split_key(after).is_err() => return Err(problem),
                Err(problem) => return Err(problem),
            }
        }
    };
    Ok(AllowedSigner {
        line: 0,
        principals,
        key,
        namespaces: options.namespaces,
        cert_authority: options.cert_authority,
        valid_after: options.valid_after,
        valid_before: options.valid_before,
        comment,
    })
}

/// The first word, which may be in double quotes as a whole.
fn split_principals(line: &str) -> Result<(&str, &str), AllowedSignersProblem> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(AllowedSignersProblem::Quote)?,
        None => line.split_once([' ', '\t']).unwrap_or((line, "")),
    };
    Ok((principals, rest.trim_start()))
}

/// `type base64 [comment]`.
fn split_key(text: &str) -> Result<(PublicKey, String), AllowedSignersProblem> {
    let mut words = text.splitn(2, [' ', '\t']);
    let algorithm = words.next().filter(|word| !word.is_empty()).ok_or(AllowedSignersProblem::KeyMissing)?;
    let rest = words.next().unwrap_or_default().trim_start();
    let (base64, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let text = format!("{algorithm} {base64}");
    let key = text.parse().map_err(|_| AllowedSignersProblem::Key(text))?;
    Ok((key, comment.trim().to_owned()))
}

/// Splits at the first white space outside of double quotes. A backslash keeps a quote from ending its string.
fn split_quoted(text: &str) -> Result<(&str, &str), AllowedSignersProblem> {
    let end = scan_unquoted(text, |c| c == ' ' || c == '\t')?;
    let (options, rest) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""));
    Ok((options, rest.trim_start()))
}

/// Where the first such character outside of double quotes stands.
fn scan_unquoted(text: &str, wanted: impl Fn(char) -> bool) -> Result<Option<usize>, AllowedSignersProblem> {
    let (mut quoted, mut escaped) = (false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted && wanted(c) => return Ok(Some(place)),
            _ => {}
        }
    }
    if quoted { Err(AllowedSignersProblem::Quote) } else { Ok(None) }
}

#[derive(Default)]
struct Options {
    cert_authority: bool,
    namespaces: Option<Vec<String>>,
    valid_after: Option<String>,
    valid_before: Option<String>,
}

impl Options {
    fn parse(text: &str) -> Result<Self, AllowedSignersProblem> {
        let mut options = Self::default();
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (option, after) = match scan_unquoted(text, |c| c == ',')? {
                Some(comma) => (text.get(..comma).unwrap_or_default(), text.get(comma + 1..)),
                None => (text, None),
            };
            options.set(option)?;
            rest = after;
        }
        Ok(options)
    }

    /// Names are matched without regard to case, as ssh-keygen does.
    fn set(&mut self, option: &str) -> Result<(), AllowedSignersProblem> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name.to_ascii_lowercase(), Some(value)),
            None => (option.to_ascii_lowercase(), None),
        };
        match (name.as_str(), value) {
            ("cert-authority", None) => {
                // A flag twice says the same.
                self.cert_authority = true;
                Ok(())
            }
            ("namespaces", value) => {
                let namespaces = unquote(&name, value)?.split(',').map(str::to_owned).collect();
                put(&mut self.namespaces, &name, namespaces)
            }
            ("valid-after", value) => put(&mut self.valid_after, &name, time(unquote(&name, value)?)?),
            ("valid-before", value) => put(&mut self.valid_before, &name, time(unquote(&name, value)?)?),
            _ => Err(AllowedSignersProblem::UnknownOption(option.to_owned())),
        }
    }
}

fn put<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), AllowedSignersProblem> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(AllowedSignersProblem::Repeated(name.to_owned())),
    }
}

/// `"value"`, in which `\"` stands for a double quote.
fn unquote(name: &str, value: Option<&str>) -> Result<String, AllowedSignersProblem> {
    let wrong = || AllowedSignersProblem::Value(name.to_owned());
    let inner = value.and_then(|v| v.strip_prefix('"')?.strip_suffix('"')).ok_or_else(wrong)?;
    // A quote that no backslash precedes ended the string before its end.
    let parts: Vec<&str> = inner.split("\\\"").collect();
    if inner.is_empty() || parts.iter().any(|part| part.contains('"')) { Err(wrong()) } else { Ok(parts.join("\"")) }
}

fn time(text: String) -> Result<String, AllowedSignersProblem> {
    let digits = text.strip_suffix('Z').unwrap_or(&text);
    let well_formed = matches!(digits.len(), 8 | 12 | 14) && digits.bytes().all(|b| b.is_ascii_digit());
    if well_formed { Ok(text) } else { Err(AllowedSignersProblem::Time(text)) }
}
