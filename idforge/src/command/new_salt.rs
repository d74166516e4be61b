//! `idforge new-salt`: random bytes as text, on standard output or in a file of one's own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use idforge::Salt;

use super::Failure;

/// Make a random salt: print it, or write it to a file that its owner alone can read.
#[derive(Args)]
pub(crate) struct NewSalt {
    /// How many random bytes, 16 at least
    #[arg(short, long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(LEAST_BYTES..=MOST_BYTES))]
    length: u16,
    /// Write it to this file instead of printing it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(short, long, requires = "output")]
    force: bool,
}

const LEAST_BYTES: i64 = Salt::LEAST_RANDOM_BYTES as i64;
const MOST_BYTES: i64 = 1024;

impl NewSalt {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut bytes = vec![0; self.length.into()];
        getrandom::fill(&mut bytes).map_err(Failure::NoRandomness)?;
        let salt = Salt::from_random_bytes(&bytes)?;
        match self.output {
            None => writeln!(io::stdout(), "{}", salt.reveal())?,
            Some(file) => {
                write(&file, &salt, self.force)?;
                let (path, fingerprint) = (file.display(), salt.fingerprint());
                writeln!(io::stderr(), "idforge: a salt with fingerprint {fingerprint} is in {path}")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Replacing goes through a new file beside the old one, so that what others could read, or a link, is not written to.
fn write(file: &Path, salt: &Salt, force: bool) -> Result<(), Failure> {
    if !force {
        let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        return create(file, salt).map_err(|error| match exists(&error) {
            true => Failure::Exists(file.to_owned()),
            false => Failure::file("write the salt to", file)(error),
        });
    }
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = file.with_file_name(name);
    let replaced = create(&beside, salt).and_then(|()| fs::rename(&beside, file));
    replaced.map_err(Failure::file("write the salt to", file))
}

fn create(file: &Path, salt: &Salt) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(file, "{}", salt.reveal())?;
    file.sync_all()
}
