//! A commit object as it stands, with its times.

use countersign_audit::CommitRecord;
use countersign_core::{facts::git::Ident, ids::Oid};

/// Reads a commit object whose message may have been shortened. Of a repeated header the first counts, as for git; what
/// is missing is empty, since git itself could read the commit.
pub fn parse(id: Oid, parents: Vec<Oid>, object: &[u8]) -> CommitRecord {
    let (headers, message) = split(object);
    let encoding = headers.iter().find_map(|line| line.strip_prefix(b"encoding ".as_slice()));
    let latin1 = encoding.is_some_and(|name| {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        matches!(
            name.as_str(),
            "latin1" | "latin-1" | "iso-8859-1" | "iso8859-1" | "iso-8859-15" | "windows-1252" | "cp1252"
        )
    });
    let decode = |bytes: &[u8]| if latin1 { bytes.iter().map(|byte| char::from(*byte)).collect() } else { text(bytes) };
    let person = |key: &[u8]| {
        let line = headers.iter().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        who(&decode(line))
    };
    let ((author, authored_at), (committer, committed_at)) = (person(b"author "), person(b"committer "));
    let message = if latin1 { decode(message).into_bytes() } else { message.to_vec() };
    CommitRecord { id, parents, author, authored_at, committer, committed_at, message }
}

/// The lines before the first empty one, and everything after it.
fn split(object: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut headers = Vec::new();
    let mut rest = object;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at(at);
        rest = after.get(1..).unwrap_or_default();
        if line.is_empty() {
            return (headers, rest);
        }
        headers.push(line);
    }
    headers.push(rest);
    (headers, &[])
}

/// `Name <mail> 1700000000 +0100`.
fn who(line: &str) -> (Ident, i64) {
    let Some((name, rest)) = line.split_once('<') else {
        return (Ident { name: line.trim().to_owned(), mail: String::new() }, 0);
    };
    let (mail, time) = rest.rsplit_once('>').unwrap_or((rest, ""));
    let seconds = time.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default();
    (Ident { name: name.trim().to_owned(), mail: mail.trim().to_owned() }, seconds)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(object: &[u8]) -> CommitRecord {
        parse("0".repeat(40).parse().unwrap(), Vec::new(), object)
    }

    #[test]
    fn a_signed_commit() {
        let commit = of(b"tree 0\nauthor Ada L <ada@x> 5 +0100\ncommitter Gr <g@x> 7 -0700\ngpgsig -----BEGIN\n \n author\n\nsubject\n\nbody\n");
        assert_eq!(
            (commit.author.name.as_str(), commit.author.mail.as_str(), commit.authored_at),
            ("Ada L", "ada@x", 5)
        );
        assert_eq!((commit.committer.name.as_str(), commit.committed_at), ("Gr", 7));
        assert_eq!(commit.message, b"subject\n\nbody\n");
    }

    #[test]
    fn what_is_broken_is_empty() {
        let commit = of(b"tree 0\nauthor nobody\n");
        assert_eq!((commit.author.name.as_str(), commit.author.mail.as_str(), commit.authored_at), ("nobody", "", 0));
        assert_eq!(of(b"author A <a> 99999999999999999999 +0000\n\n\xff").authored_at, 0);
        assert_eq!(of(b"").message, b"");
    }

    #[test]
    fn old_encodings() {
        let commit = of(b"author J\xf6rg <j@x> 1 +0000\nencoding ISO-8859-1\n\ngr\xfcn");
        assert_eq!((commit.author.name.as_str(), commit.message), ("Jörg", "grün".as_bytes().to_vec()));
    }
}
