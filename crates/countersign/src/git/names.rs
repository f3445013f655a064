//! Names that git does not check out, or that a file system takes for git's own: who looks at such a tree sees another one
//! than who checks it out. What is refused is what `verify_path` of git refuses by default, and what `git fsck` calls `hasDot`,
//! `hasDotdot`, `hasDotgit`, `emptyName` or `gitmodulesSymlink`.
//!
//! Links called `.gitattributes`, `.gitignore` or `.mailmap` git checks out, and does not follow.

use super::LINK;

/// How NTFS shortens `.gitmodules` where several names begin like it.
const SHORT_GITMODULES: &[u8] = b"gi7eba";
/// The length of a short name.
const SHORT: usize = 8;

/// What in a path no checkout can have, where this mode stands at its end, and what else it would have to be.
pub(super) fn unusable(path: &[u8], mode: u32) -> Option<(&[u8], &'static str)> {
    let is_unusable =
        |part: &&[u8]| matches!(*part, b"" | b"." | b"..") || is_hfs(part, ".git") || any(part, is_ntfs_git);
    if let Some(part) = path.split(|byte| *byte == b'/').find(is_unusable) {
        return Some((part, ""));
    }
    let last = path.rsplit(|byte| *byte == b'/').next().filter(|_| mode == LINK)?;
    (is_hfs(last, ".gitmodules") || any(last, is_ntfs_gitmodules)).then_some((last, " that is a symbolic link"))
}

/// NTFS separates folders by `\` as well.
fn any(name: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
    let behind = name.iter().enumerate().filter(|(_, byte)| **byte == b'\\').map(|(at, _)| at.saturating_add(1));
    std::iter::once(0).chain(behind).any(|from| name.get(from..).is_some_and(&is))
}

/// HFS+ leaves some characters out of names, and does not tell large letters from small ones.
fn is_hfs(name: &[u8], known: &str) -> bool {
    let readable = match std::str::from_utf8(name) {
        Ok(text) => text,
        // To git a name ends where it is no UTF-8.
        Err(error) => name.get(..error.valid_up_to()).and_then(|start| std::str::from_utf8(start).ok()).unwrap_or(""),
    };
    readable.chars().filter(|c| !is_ignored(*c)).map(|c| c.to_ascii_lowercase()).eq(known.chars())
}

/// Characters that HFS+ does not tell apart from nothing.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// `is_ntfs_dotgit` of git.
fn is_ntfs_git(name: &[u8]) -> bool {
    let plain = name.to_ascii_lowercase();
    let rest = plain.strip_prefix(b".git").or_else(|| plain.strip_prefix(b"git~1"));
    rest.is_some_and(|rest| nothing_follows(rest, b"\\:"))
}

/// `is_ntfs_dotgitmodules` of git.
fn is_ntfs_gitmodules(name: &[u8]) -> bool {
    let plain = name.to_ascii_lowercase();
    if let Some(rest) = plain.strip_prefix(b".gitmodules") {
        return nothing_follows(rest, b":");
    }
    plain.split_at_checked(SHORT).is_some_and(|(short, rest)| is_short_gitmodules(short) && nothing_follows(rest, b":"))
}

/// `gitmod~1`, or a beginning of what else NTFS calls it, and a number.
fn is_short_gitmodules(name: &[u8]) -> bool {
    let mut parts = name.splitn(2, |byte| *byte == b'~');
    let (Some(begins), Some(number)) = (parts.next(), parts.next()) else { return false };
    match (begins, number) {
        (b"gitmod", [b'1'..=b'4']) => true,
        (_, [b'1'..=b'9', digits @ ..]) => {
            digits.iter().all(u8::is_ascii_digit) && SHORT_GITMODULES.starts_with(begins)
        }
        _ => false,
    }
}

/// NTFS takes dots and spaces from the end of a name, and what stands behind a `:` names a stream of the same file.
fn nothing_follows(rest: &[u8], ends: &[u8]) -> bool {
    let end = rest.iter().position(|byte| ends.contains(byte)).unwrap_or(rest.len());
    rest.get(..end).is_some_and(|rest| rest.iter().all(|byte| matches!(byte, b'.' | b' ')))
}
