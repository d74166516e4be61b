//! `idforge batch`: an id for each line.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use clap::Args;
use idforge::batch::{self, MOST_LINE_BYTES};
use serde_json::json;

use super::settings::Settings;
use super::{Failure, code};

/// Forge an id for each line of JSON on standard input, in order.
///
/// A line is an object: {"entity_type": "order", "args": [..], "kwargs": {..}}, and if need be "namespace" ({"kind": "domain" or "uuid",
/// "value": ..}), "salt", "prefix" and "separator". A line that cannot be answered gives an object with "error" in its place, and exit
/// code 1 at the end.
#[derive(Args)]
pub(crate) struct Batch {
    #[command(flatten)]
    settings: Settings,
    /// Take all that uuid-forge takes, even what collides, and no salt at all
    #[arg(long)]
    lenient: bool,
}

impl Batch {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let batch = batch::Batch::new(self.settings.defaults(self.lenient)?);
        let bad = answer_all(batch, BufReader::with_capacity(1 << 16, io::stdin().lock()), io::stdout().lock())?;
        if bad > 0 {
            writeln!(io::stderr(), "idforge: {bad} {} without an id", if bad == 1 { "line" } else { "lines" })?;
        }
        Ok(code(bad == 0))
    }
}

/// Answers every line and says how many were bad. It writes what it has before it waits for more, so that a pipe can talk with it.
fn answer_all<R: Read>(mut batch: batch::Batch, mut input: BufReader<R>, output: impl Write) -> io::Result<u64> {
    let mut output = BufWriter::with_capacity(1 << 16, output);
    let (mut line, mut number, mut bad) = (Vec::new(), 0_u64, 0_u64);
    while read_line(&mut input, &mut line)? {
        number += 1;
        match batch.answer(&line) {
            Ok(id) => writeln!(output, "{id}")?,
            Err(error) => {
                bad += 1;
                writeln!(output, "{}", json!({ "line": number, "error": error.to_string() }))?;
            }
        }
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
    output.flush()?;
    Ok(bad)
}

/// Reads a line without its end. Of one that is too long it keeps just enough to show that.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let most = MOST_LINE_BYTES as u64 + 1;
    if input.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
    } else if line.len() > MOST_LINE_BYTES {
        input.skip_until(b'\n')?;
    }
    Ok(true)
}
