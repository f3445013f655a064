//! The armor around a signature in a file (PROTOCOL.sshsig section 1).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{MAX_SSHSIG_BYTES, SignatureError};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const LINE_BYTES: usize = 70;

/// Base64 and line ends need less than half as much again.
const MAX_ARMOR_BYTES: usize = MAX_SSHSIG_BYTES * 2;

/// The text that `ssh-keygen -Y sign` writes.
pub fn armor(sshsig: &[u8]) -> String {
    let body = lines(&STANDARD.encode(sshsig));
    format!("{BEGIN}\n{body}{END}\n")
}

/// Reads an armored signature. White space around it and the width of its lines do not matter.
pub fn dearmor(text: &str) -> Result<Vec<u8>, SignatureError> {
    if text.len() > MAX_ARMOR_BYTES {
        return Err(SignatureError::Malformed("its armor is too large"));
    }
    let body = text
        .trim()
        .strip_prefix(BEGIN)
        .ok_or(SignatureError::Malformed("it does not start with `-----BEGIN SSH SIGNATURE-----`"))?
        .strip_suffix(END)
        .ok_or(SignatureError::Malformed("it does not end with `-----END SSH SIGNATURE-----`"))?;
    let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(base64).map_err(|_| SignatureError::Malformed("its armor is not base64"))
}

/// Base64 in lines of 70, each ended.
pub(super) fn lines(base64: &str) -> String {
    let mut out = String::with_capacity(base64.len() + base64.len() / LINE_BYTES + 2);
    for (i, c) in base64.chars().enumerate() {
        if i > 0 && i % LINE_BYTES == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push('\n');
    out
}
