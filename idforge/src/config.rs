//! Configuration from the environment, with the variables that uuid-forge reads.

use std::env;

use crate::{Error, Forge, Namespace, Salt};

/// The variable that holds the namespace, as a domain.
pub const NAMESPACE_VARIABLE: &str = "UUID_FORGE_NAMESPACE";

/// The variable that holds the salt.
pub const SALT_VARIABLE: &str = "UUID_FORGE_SALT";

/// What a process needs to forge ids. Unlike uuid-forge's, it cannot be had without a salt.
#[derive(Clone, Debug)]
pub struct Config {
    /// The namespace; the bare DNS namespace when none is set.
    pub namespace: Namespace,
    /// The salt.
    pub salt: Salt,
}

impl Config {
    /// Reads this process's environment. Nothing is trimmed; an empty variable counts as unset.
    ///
    /// # Errors
    /// [`Error::MissingSalt`], [`Error::SaltWithBar`] for a salt that could collide, and [`Error::VariableNotText`].
    pub fn from_env() -> Result<Self, Error> {
        Self::from_settings(variable(NAMESPACE_VARIABLE)?.as_deref(), variable(SALT_VARIABLE)?)
    }

    /// Takes the settings that the environment, or whatever else, holds.
    ///
    /// # Errors
    /// [`Error::MissingSalt`] and [`Error::SaltWithBar`].
    pub fn from_settings(domain: Option<&str>, salt: Option<String>) -> Result<Self, Error> {
        let salt = salt.filter(|salt| !salt.is_empty()).ok_or(Error::MissingSalt(SALT_VARIABLE))?;
        Ok(Config { namespace: namespace(domain), salt: Salt::new(salt)? })
    }

    /// The forge of this namespace and salt.
    #[must_use]
    pub fn forge(&self) -> Forge {
        Forge::new(self.namespace.clone(), &self.salt)
    }
}

/// The namespace that a setting means: always a domain, and the bare DNS namespace for none.
#[must_use]
pub fn namespace(setting: Option<&str>) -> Namespace {
    match setting {
        None | Some("") => Namespace::DNS,
        Some(domain) => Namespace::from_domain(domain),
    }
}

/// A variable of this process's environment; none when it is unset.
///
/// # Errors
/// [`Error::VariableNotText`]: taken for unset, it would silently change every id.
pub fn variable(name: &'static str) -> Result<Option<String>, Error> {
    match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Error::VariableNotText(name)),
    }
}
