//! The SSH wire format (RFC 4251 section 5), as much of it as signatures need.

use super::SignatureError;

/// Reads from the front of some bytes. Every method names what it wants, for the error message.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, SignatureError> {
        let [byte] = self.array(what)?;
        Ok(byte)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, SignatureError> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(super) fn string(&mut self, what: &'static str) -> Result<&'a [u8], SignatureError> {
        let len = usize::try_from(self.u32(what)?).map_err(|_| SignatureError::Malformed(what))?;
        let (string, rest) = self.0.split_at_checked(len).ok_or(SignatureError::Malformed(what))?;
        self.0 = rest;
        Ok(string)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, SignatureError> {
        std::str::from_utf8(self.string(what)?).map_err(|_| SignatureError::Malformed(what))
    }

    /// A positive `mpint` in its shortest form, as big-endian bytes without leading zeros.
    pub(super) fn positive(&mut self, what: &'static str) -> Result<&'a [u8], SignatureError> {
        match self.string(what)? {
            [0, digits @ ..] if digits.first().is_some_and(|first| *first >= 0x80) => Ok(digits),
            digits @ [1..=0x7f, ..] => Ok(digits),
            _ => Err(SignatureError::Malformed(what)),
        }
    }

    pub(super) fn finish(self) -> Result<(), SignatureError> {
        if self.0.is_empty() { Ok(()) } else { Err(SignatureError::Malformed("there are bytes after its end")) }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], SignatureError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(SignatureError::Malformed(what))?;
        self.0 = rest;
        Ok(*array)
    }
}

/// Appends to some bytes.
pub(super) struct Writer(Vec<u8>);

impl From<&[u8]> for Writer {
    fn from(start: &[u8]) -> Self {
        Self(start.to_vec())
    }
}

impl Writer {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// With room for secrets: a vector that grew would leave copies behind.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.raw(&number.to_be_bytes());
    }

    /// Strings here are far below 4 GiB: keys, hashes, signatures and [`super::MAX_SSHSIG_BYTES`] bound them.
    pub(super) fn string(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.raw(bytes);
    }

    /// A positive number, given as big-endian bytes.
    pub(super) fn positive(&mut self, number: &[u8]) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = number.get(zeros..).unwrap_or_default();
        let mut mpint = Vec::with_capacity(digits.len() + 1);
        if digits.first().is_some_and(|byte| *byte >= 0x80) {
            mpint.push(0);
        }
        mpint.extend_from_slice(digits);
        self.string(&mpint);
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
