//! Small things that several tests need.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use countersign_ledger::{Envelope, Hash, PublicKey, SigningKey, StreamId, dsse::Signature, sshsig::armor};
use rand_core::{CryptoRng, Error, RngCore};

/// Random numbers that are the same in every run.
pub struct FixedRng(pub u64);

impl RngCore for FixedRng {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    /// SplitMix64.
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

/// For tests only: the numbers are anything but unpredictable.
impl CryptoRng for FixedRng {}

pub fn key() -> SigningKey {
    SigningKey::generate(&mut FixedRng(7))
}

/// An envelope whose signature is not one.
pub fn envelope(payload: &[u8]) -> Envelope {
    Envelope::new(payload, vec![Signature { keyid: "SHA256:nobody".to_owned(), sshsig: b"not a signature".to_vec() }])
        .unwrap()
}

pub fn stream(name: &str) -> StreamId {
    name.parse().unwrap()
}

/// Leaf hashes of the numbers from 0.
pub fn numbered(count: u64) -> impl Iterator<Item = Hash> {
    (0..count).map(|i| Hash::leaf(&i.to_be_bytes()))
}

pub fn hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

pub fn hash(text: &str) -> Hash {
    text.parse().unwrap()
}

pub fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[bit / 8] ^= 1 << (bit % 8);
    out
}

/// Every byte, and every place in a byte, without the eightfold time.
pub fn one_bit_of_each_byte(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (0..bytes.len()).map(|byte| byte * 8 + byte % 8)
}

pub fn flip_hash(hash: &Hash, bit: usize) -> Hash {
    Hash::from_bytes(flip(hash.as_bytes(), bit).try_into().unwrap())
}

/// A temporary folder with keys in it, and the machine's `ssh-keygen`.
pub struct Keygen(tempfile::TempDir);

impl Keygen {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Makes a key pair in the file `key`; returns its public half.
    pub fn generate(&self, options: &[&str]) -> PublicKey {
        let made = self.run([&["-q", "-N", "", "-C", "a comment", "-f", "key"], options].concat().as_slice(), b"");
        assert!(made.status.success(), "{made:?}");
        std::fs::read_to_string(self.path("key.pub")).unwrap().parse().unwrap()
    }

    /// Signs with the file `key`; returns the armored signature.
    pub fn sign(&self, options: &[&str], message: &[u8]) -> String {
        let signed = self.run(&[&["-q", "-Y", "sign", "-f", "key"], options].concat(), message);
        assert!(signed.status.success(), "{signed:?}");
        String::from_utf8(signed.stdout).unwrap()
    }

    /// Whether `ssh-keygen -Y verify` accepts a signature in our namespace.
    pub fn accepts(&self, key: &PublicKey, sshsig: &[u8], message: &[u8]) -> Output {
        self.write("allowed_signers", format!("alice@example.com namespaces=\"countersign\" {key}\n"));
        self.write("signature", armor(sshsig));
        let options = "-Y verify -f allowed_signers -I alice@example.com -n countersign -s signature";
        self.run(&options.split(' ').collect::<Vec<_>>(), message)
    }

    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("ssh-keygen")
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }
}
