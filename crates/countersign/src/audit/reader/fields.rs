//! Bounded reading of what git streams.

use std::io::{self, BufRead, Read};

use super::MAX_TEXT_BYTES;

const HALF: usize = MAX_TEXT_BYTES / 2;

/// Reads up to and without `end`, keeping at most the beginning and the end of it. `None` at the end of the stream.
pub fn until(input: &mut impl BufRead, end: u8) -> io::Result<Option<Vec<u8>>> {
    let mut kept = Bounded::default();
    let mut any = false;
    loop {
        let available = match input.fill_buf() {
            Ok([]) if any => return Ok(Some(kept.into_bytes())),
            Ok([]) => return Ok(None),
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        any = true;
        let found = memchr::memchr(end, available);
        let part = available.get(..found.unwrap_or(available.len())).unwrap_or_default();
        kept.push(part);
        let used = part.len().saturating_add(usize::from(found.is_some()));
        input.consume(used);
        if found.is_some() {
            return Ok(Some(kept.into_bytes()));
        }
    }
}

/// Reads `size` bytes, keeping at most the beginning and the end of them.
pub fn exactly(input: &mut impl BufRead, size: u64) -> io::Result<Vec<u8>> {
    let mut rest = input.take(size);
    let mut kept = Bounded::default();
    while rest.limit() > 0 {
        let used = match rest.fill_buf() {
            Ok([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(available) => {
                kept.push(available);
                available.len()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        rest.consume(used);
    }
    Ok(kept.into_bytes())
}

/// The next byte, which stays where it is.
pub fn peek(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        match input.fill_buf() {
            Ok(available) => return Ok(available.first().copied()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What fits, or else the first half and the last half of it.
#[derive(Default)]
struct Bounded {
    start: Vec<u8>,
    /// Not empty once there is more than fits: then it follows a `start` of one half.
    end: Vec<u8>,
}

impl Bounded {
    fn push(&mut self, mut part: &[u8]) {
        if self.end.is_empty() {
            let room = MAX_TEXT_BYTES.saturating_sub(self.start.len());
            let (fits, more) = part.split_at(part.len().min(room));
            self.start.extend_from_slice(fits);
            if more.is_empty() {
                return;
            }
            self.end = self.start.split_off(HALF);
            part = more;
        }
        self.end.extend_from_slice(last_half(part));
        if self.end.len() > 2 * HALF {
            self.end.drain(..self.end.len().saturating_sub(HALF));
        }
    }

    fn into_bytes(mut self) -> Vec<u8> {
        if !self.end.is_empty() {
            self.start.push(b'\n');
            self.start.extend_from_slice(last_half(&self.end));
        }
        self.start
    }
}

fn last_half(bytes: &[u8]) -> &[u8] {
    bytes.get(bytes.len().saturating_sub(HALF)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// In pieces of seven bytes, as a pipe might hand it over.
    fn read(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut input = BufReader::with_capacity(7, bytes);
        std::iter::from_fn(|| until(&mut input, 0).unwrap()).collect()
    }

    #[test]
    fn fields_end_with_their_mark() {
        assert_eq!(read(b""), Vec::<Vec<u8>>::new());
        assert_eq!(read(b"one\0\0a second one\0rest"), [&b"one"[..], b"", b"a second one", b"rest"]);
    }

    #[test]
    fn long_fields_keep_their_beginning_and_their_end() {
        for len in [MAX_TEXT_BYTES - 1, MAX_TEXT_BYTES] {
            let bytes = vec![b'x'; len];
            assert_eq!(read(&bytes), [bytes]);
        }
        for len in [MAX_TEXT_BYTES + 1, 5 * MAX_TEXT_BYTES + 3] {
            let mut bytes = vec![b'x'; len];
            bytes[..5].copy_from_slice(b"first");
            bytes[len - 4..].copy_from_slice(b"last");
            let size = u64::try_from(len).unwrap();
            let exact = exactly(&mut BufReader::with_capacity(7, &bytes[..]), size).unwrap();
            assert_eq!(read(&bytes), std::slice::from_ref(&exact));
            assert_eq!(exact.len(), MAX_TEXT_BYTES + 1);
            assert!(exact.starts_with(b"firstxx") && exact.ends_with(b"xxlast"));
            assert!(exactly(&mut &bytes[1..], size).is_err());
        }
    }
}
