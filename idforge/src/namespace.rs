//! Where an id belongs: a domain, or a UUID chosen otherwise.

use std::fmt;

use sha1_smol::Sha1;
use uuid::Uuid;

use crate::{Error, digest};

/// The namespace of an id. The same input has another id in each namespace.
///
/// A namespace *is* its UUID: one made from a domain equals one made from that domain's UUID.
#[derive(Clone)]
pub struct Namespace {
    uuid: Uuid,
    domain: Option<String>,
}

impl Namespace {
    /// RFC 9562's namespace for domain names: the parent of all domains, and what uuid-forge uses when none is configured.
    pub const DNS: Namespace = Namespace { uuid: Uuid::NAMESPACE_DNS, domain: None };

    /// The namespace of a domain, taken as it is: neither case nor a trailing dot nor an IDN is touched.
    #[must_use]
    pub fn from_domain(domain: &str) -> Self {
        let mut hash = Sha1::new();
        hash.update(Uuid::NAMESPACE_DNS.as_bytes());
        hash.update(domain.as_bytes());
        Namespace { uuid: digest::seal(&hash), domain: Some(domain.to_owned()) }
    }

    /// The namespace that this UUID is.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Namespace { uuid, domain: None }
    }

    /// The namespace of a UUID's text.
    ///
    /// # Errors
    /// [`Error::NamespaceNotUuid`] when the text is none.
    pub fn parse_uuid(text: &str) -> Result<Self, Error> {
        Uuid::try_parse(text).map(Self::from_uuid).map_err(|_| Error::NamespaceNotUuid(text.to_owned()))
    }

    /// The UUID that is hashed before everything else.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The domain it was made from, if it was.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl Eq for Namespace {}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => f.write_str(domain),
            None => self.uuid.fmt(f),
        }
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({self})")
    }
}
