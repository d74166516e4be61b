//! Namespace and salt, from options, files and the environment.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use idforge::config::{self, NAMESPACE_VARIABLE, SALT_VARIABLE};
use idforge::{Defaults, Namespace, Uuid};

use super::Failure;

/// Where ids belong and what they are salted with. The salt is never an argument, since `ps` shows those.
#[derive(Args)]
pub(super) struct Settings {
    /// The namespace, as a domain; otherwise UUID_FORGE_NAMESPACE, otherwise the bare DNS namespace
    #[arg(short = 'n', long, value_name = "DOMAIN")]
    namespace: Option<String>,
    /// The namespace, as a UUID
    #[arg(long, value_name = "UUID", conflicts_with = "namespace")]
    namespace_uuid: Option<Uuid>,
    /// The file that holds the salt; otherwise UUID_FORGE_SALT. One line end after the salt is not part of it
    #[arg(long, value_name = "FILE")]
    salt_file: Option<PathBuf>,
}

impl Settings {
    /// The namespace that holds.
    pub(super) fn namespace(&self) -> Result<Namespace, Failure> {
        Ok(match (&self.namespace, self.namespace_uuid) {
            (Some(domain), _) => Namespace::from_domain(domain),
            (None, Some(uuid)) => Namespace::from_uuid(uuid),
            (None, None) => config::namespace(config::variable(NAMESPACE_VARIABLE)?.as_deref()),
        })
    }

    /// The salt's text, if there is one.
    pub(super) fn salt(&self) -> Result<Option<String>, Failure> {
        match &self.salt_file {
            Some(file) => read_salt(file).map(Some),
            None => Ok(config::variable(SALT_VARIABLE)?.filter(|salt| !salt.is_empty())),
        }
    }

    /// What ids are forged with.
    pub(super) fn defaults(&self, lenient: bool) -> Result<Defaults, Failure> {
        Ok(Defaults { namespace: self.namespace()?, salt: self.salt()?, lenient })
    }
}

fn read_salt(file: &Path) -> Result<String, Failure> {
    let mode = fs::metadata(file).map_err(Failure::file("read the salt file", file))?.permissions().mode();
    if mode & 0o077 != 0 {
        let path = file.display();
        writeln!(io::stderr(), "idforge: {path} can be read by others (mode {:03o}); chmod 600 it", mode & 0o777)?;
    }
    let text = fs::read_to_string(file).map_err(Failure::file("read the salt file", file))?;
    let salt = text.strip_suffix('\n').unwrap_or(&text);
    Ok(salt.strip_suffix('\r').unwrap_or(salt).to_owned())
}
