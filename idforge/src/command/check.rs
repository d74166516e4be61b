//! `idforge validate` and `idforge info`: what the configuration is, and whether it is fit for use.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use idforge::security::{self, Finding};
use idforge::{Forge, PYTHON_VERSION, Salt, UNICODE_VERSION};
use serde_json::json;

use super::settings::Settings;
use super::{Failure, code};

/// Check whether namespace and salt are fit for use: exit code 1 for a missing salt, with --strict for a short one too.
#[derive(Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    settings: Settings,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

impl Validate {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (namespace, salt) = (self.settings.namespace()?, self.settings.salt()?.unwrap_or_default());
        let findings = security::check(&namespace, &salt);
        let refused = if salt.is_empty() { None } else { Salt::new(salt).err() };
        let mut out = io::stdout().lock();
        for finding in &findings {
            writeln!(out, "{finding}")?;
        }
        if let Some(error) = &refused {
            writeln!(out, "CRITICAL: {error}")?;
        }
        if findings.is_empty() && refused.is_none() {
            writeln!(out, "OK: namespace and salt are fit for use.")?;
        }
        Ok(code(refused.is_none() && security::passes(&findings, self.strict)))
    }
}

/// Show the configuration, without the salt.
#[derive(Args)]
pub(crate) struct Info {
    #[command(flatten)]
    settings: Settings,
    /// Print an object
    #[arg(long)]
    json_output: bool,
}

impl Info {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (namespace, salt) = (self.settings.namespace()?, self.settings.salt()?);
        let text = salt.as_deref().unwrap_or_default();
        let findings = security::check(&namespace, text);
        let length = text.chars().count();
        let fingerprint = salt.as_deref().map(|salt| Forge::lenient(namespace.clone(), salt).fingerprint().to_string());
        let mut out = io::stdout().lock();
        if self.json_output {
            let object = json!({
                "version": env!("CARGO_PKG_VERSION"),
                "namespace": namespace.domain(),
                "namespace_uuid": namespace.uuid(),
                "salt_set": salt.is_some(),
                "salt_length": length,
                "salt_fingerprint": fingerprint,
                "unicode_version": UNICODE_VERSION,
                "findings": findings.iter().map(Finding::to_string).collect::<Vec<_>>(),
            });
            writeln!(out, "{object}")?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "idforge     {}, ids of uuid-forge 0.1.1", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "text as in  Unicode {UNICODE_VERSION}, Python {PYTHON_VERSION}")?;
        writeln!(out, "namespace   {} {}", namespace.domain().unwrap_or("(a UUID)"), namespace.uuid())?;
        match fingerprint {
            Some(fingerprint) => writeln!(out, "salt        set, {length} characters, fingerprint {fingerprint}")?,
            None => writeln!(out, "salt        not set")?,
        }
        findings.iter().try_for_each(|finding| writeln!(out, "{finding}"))?;
        Ok(ExitCode::SUCCESS)
    }
}
