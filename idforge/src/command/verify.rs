//! `idforge verify`: vectors.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, code};

/// Check a file of vectors: ids that uuid-forge made. They are forged leniently.
#[derive(Args)]
pub(crate) struct Verify {
    /// The file
    file: PathBuf,
}

const SHOWN_FAILURES: usize = 10;

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let text = fs::read_to_string(&self.file).map_err(Failure::file("read the vectors", &self.file))?;
        let report = idforge::verify::run(&text)?;
        let mut out = io::stdout().lock();
        for failure in report.failures.iter().take(SHOWN_FAILURES) {
            writeln!(out, "{failure}")?;
        }
        let (passed, failed) = (report.passed, report.failures.len());
        writeln!(out, "{passed} passed, {failed} failed")?;
        if report.skipped > 0 {
            writeln!(io::stderr(), "idforge: {} cases are calls written in Python, not forged here", report.skipped)?;
        }
        let recognised = passed + failed + report.skipped > 0;
        if !recognised {
            writeln!(io::stderr(), "idforge: {} has no vectors, so nothing was verified", self.file.display())?;
        }
        Ok(code(recognised && failed == 0))
    }
}
