//! The last step: twenty bytes of SHA-1 become a version 5 UUID.

use sha1_smol::Sha1;
use uuid::{Builder, Uuid};

/// The UUID of what was hashed: the digest's first sixteen bytes, marked as version 5 (RFC 9562, section 5.5).
pub(crate) fn seal(hash: &Sha1) -> Uuid {
    let [bytes @ .., _, _, _, _] = hash.digest().bytes();
    Builder::from_sha1_bytes(bytes).into_uuid()
}
