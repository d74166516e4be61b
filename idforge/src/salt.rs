//! The salt: what makes ids unguessable for those who do not hold it.

use std::fmt;
use std::sync::Arc;

use sha1_smol::Sha1;

use crate::Error;

/// A salt that cannot be mistaken for anything else in what is hashed: not empty, and without `|`.
///
/// Its text is never printed; two salts are compared by their [`Fingerprint`].
#[derive(Clone)]
pub struct Salt(Arc<str>);

impl Salt {
    /// The fewest random bytes a salt is made from.
    pub const LEAST_RANDOM_BYTES: usize = 16;

    /// A salt of this text, taken as it is: nothing is trimmed.
    ///
    /// # Errors
    /// [`Error::EmptySalt`] and [`Error::SaltWithBar`].
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        if text.is_empty() {
            return Err(Error::EmptySalt);
        }
        if text.contains('|') {
            return Err(Error::SaltWithBar);
        }
        Ok(Salt(text.into()))
    }

    /// A salt made from random bytes that the caller drew: unpadded URL-safe base64, 43 characters for 32 bytes.
    ///
    /// # Errors
    /// [`Error::SaltTooShort`] for fewer than [`Self::LEAST_RANDOM_BYTES`].
    pub fn from_random_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() < Self::LEAST_RANDOM_BYTES {
            return Err(Error::SaltTooShort { got: bytes.len() });
        }
        Ok(Salt(url_safe_base64(bytes).into()))
    }

    /// The text itself, for the one who stores it. Not for logs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What can be shown of it, and compared between processes.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Salt(redacted, fingerprint {})", self.fingerprint())
    }
}

/// Twelve hexadecimal digits that tell two salts apart without telling either.
///
/// Like the ids themselves it lets somebody *test* a guess, so a salt must be random, not a word.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 6]);

impl Fingerprint {
    /// Hashed first, so that a fingerprint is never the hash of anything else.
    const DOMAIN: &'static [u8] = b"idforge salt fingerprint 1\0";

    pub(crate) fn of(salt: &str) -> Self {
        let mut hash = Sha1::from(Self::DOMAIN);
        hash.update(salt.as_bytes());
        let [a, b, c, d, e, f, ..] = hash.digest().bytes();
        Fingerprint([a, b, c, d, e, f])
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

fn url_safe_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            text.push(char::from(ALPHABET[bits >> (18 - 6 * digit) & 63]));
        }
    }
    text
}
