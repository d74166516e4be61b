//! `idforge extract`: the id inside a prefixed id.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use idforge::prefixed;

use super::Failure;

/// Print the id inside a prefixed id, such as INV-0fc74411-ef05-5ccf-b457-74ece8bd2a03.
#[derive(Args)]
pub(crate) struct Extract {
    /// The prefixed id
    #[arg(value_name = "PREFIXED_ID", allow_hyphen_values = true)]
    text: String,
    /// What stands between prefix and id
    #[arg(short, long, default_value = "-", allow_hyphen_values = true)]
    separator: String,
    /// Read it as uuid-forge does, which takes damaged ids for whole ones
    #[arg(long)]
    lenient: bool,
}

impl Extract {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let extract = if self.lenient { prefixed::extract_lenient } else { prefixed::extract };
        writeln!(io::stdout(), "{}", extract(&self.text, &self.separator)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
