//! Whether a namespace and a salt are fit for use: uuid-forge's check, in its own words.

use std::fmt;

use crate::Namespace;

/// The length below which a salt is a risk, in characters.
pub const LEAST_SALT_LENGTH: usize = 16;

/// The length from which nothing is said about a salt, in characters.
pub const GOOD_SALT_LENGTH: usize = 32;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Fails a strict check.
    Warning,
    /// Fails every check.
    Critical,
}

/// Something to know about a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is no salt.
    NoSalt,
    /// The salt has fewer than [`LEAST_SALT_LENGTH`] characters.
    ShortSalt {
        /// Its length in characters.
        length: usize,
    },
    /// The salt has fewer than [`GOOD_SALT_LENGTH`] characters.
    FairSalt {
        /// Its length in characters.
        length: usize,
    },
    /// The namespace is the bare DNS one, which everybody shares who sets none.
    DefaultNamespace,
}

/// Looks at a namespace and the text of a salt, an empty one meaning none. The gravest finding comes first.
#[must_use]
pub fn check(namespace: &Namespace, salt: &str) -> Vec<Finding> {
    let salt = match salt.chars().count() {
        0 => Some(Finding::NoSalt),
        length @ ..LEAST_SALT_LENGTH => Some(Finding::ShortSalt { length }),
        length @ ..GOOD_SALT_LENGTH => Some(Finding::FairSalt { length }),
        _ => None,
    };
    let namespace = (*namespace == Namespace::DNS).then_some(Finding::DefaultNamespace);
    salt.into_iter().chain(namespace).collect()
}

/// Whether findings let a configuration pass: nothing critical, and in a strict check no warning either.
#[must_use]
pub fn passes(findings: &[Finding], strict: bool) -> bool {
    let tolerated = if strict { Level::Info } else { Level::Warning };
    findings.iter().all(|finding| finding.level() <= tolerated)
}

impl Finding {
    /// How much it matters.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Finding::NoSalt => Level::Critical,
            Finding::ShortSalt { .. } => Level::Warning,
            Finding::FairSalt { .. } | Finding::DefaultNamespace => Level::Info,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NoSalt => f.write_str(
                "CRITICAL: No salt configured. UUIDs are predictable and may be a security risk. \
                 Generate a salt with generate_salt() and set UUID_FORGE_SALT environment variable.",
            ),
            Finding::ShortSalt { length } => write!(
                f,
                "WARNING: Salt is only {length} characters. Recommended minimum is {LEAST_SALT_LENGTH} characters for security."
            ),
            Finding::FairSalt { length } => {
                write!(f, "INFO: Salt is {length} characters. Consider using {GOOD_SALT_LENGTH}+ characters for optimal security.")
            }
            Finding::DefaultNamespace => f.write_str(
                "INFO: Using default DNS namespace. Consider setting a custom namespace via UUID_FORGE_NAMESPACE for better isolation.",
            ),
        }
    }
}
