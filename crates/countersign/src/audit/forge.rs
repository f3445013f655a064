//! Where a commit can be looked at, if the repository was cloned from a forge that everybody knows.

use gix_url::Url;

/// Hosts, and what stands between a repository's address and a commit's id there.
const FORGES: &[(&str, &str)] = &[
    ("github.com", "/commit/"),
    ("gitlab.com", "/-/commit/"),
    ("bitbucket.org", "/commits/"),
    ("codeberg.org", "/commit/"),
    ("git.sr.ht", "/commit/"),
];
const MAX_SEGMENTS: usize = 8;

/// Where a repository was cloned from, as far as it names it: host and path, and nothing that lets anybody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub host: String,
    /// `owner/name`.
    pub path: String,
}

/// The host and the path of a remote that has both, spelt in characters that mean nothing else in an address.
pub fn origin(remote: &str) -> Option<Origin> {
    let url = gix_url::parse(remote).ok()?;
    let host = Url::host(&url)?.to_ascii_lowercase();
    let path = std::str::from_utf8(&url.path).ok()?.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let segments: Vec<&str> = path.split('/').collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let fits = |segment: &&str| !segment.trim_matches('.').is_empty() && segment.chars().all(plain);
    let whole = (1..=MAX_SEGMENTS).contains(&segments.len()) && segments.iter().all(fits);
    whole.then(|| Origin { host, path: path.to_owned() })
}

/// The address of a commit's page without the id. Nothing of the remote's address but host and path gets into it, so no
/// credentials do.
pub fn commits_at(remote: &str) -> Option<String> {
    let Origin { host, path } = origin(remote)?;
    let (host, between) = FORGES.iter().find(|(forge, _)| *forge == host)?;
    // Owner and name at least.
    path.contains('/').then(|| format!("https://{host}/{path}{between}"))
}

#[cfg(test)]
mod tests {
    use super::commits_at;

    #[test]
    fn known_forges_in_every_spelling() {
        for (remote, expected) in [
            ("https://github.com/rust-lang/cargo.git", "https://github.com/rust-lang/cargo/commit/"),
            ("https://ann:s3cret@github.com/o/r", "https://github.com/o/r/commit/"),
            ("git@github.com:o/r.git", "https://github.com/o/r/commit/"),
            ("ssh://git@GitHub.com:22/o/r.git/", "https://github.com/o/r/commit/"),
            ("https://gitlab.com/group/sub/r.git", "https://gitlab.com/group/sub/r/-/commit/"),
            ("git://bitbucket.org/o/r", "https://bitbucket.org/o/r/commits/"),
            ("https://git.sr.ht/~ann/r", "https://git.sr.ht/~ann/r/commit/"),
        ] {
            assert_eq!(commits_at(remote).as_deref(), Some(expected), "{remote}");
        }
    }

    #[test]
    fn nothing_else_becomes_a_link() {
        for remote in [
            "",
            "../r.git",
            "/srv/github.com/o/r.git",
            "https://example.com/o/r",
            "https://github.com.evil.example/o/r",
            "https://github.com/o",
            "https://github.com/o/../r",
            "https://github.com/o/r?x=\"><script>",
            "https://github.com/o/r#x",
            "javascript:alert(1)//github.com/o/r",
            "file://github.com\u{0}/o/r",
        ] {
            assert_eq!(commits_at(remote), None, "{remote}");
        }
    }
}
