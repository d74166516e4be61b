//! What a person sees while something takes time: one line for each thing, to stderr, so that stdout is data.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A line of the screen: what is being done, and in the end how long it took.
///
/// On a terminal it shows a moving clock; elsewhere (CI, a pipe) it prints one line at the end alone.
#[derive(Debug)]
pub struct Line {
    label: &'static str,
    started: Instant,
    bar: ProgressBar,
}

impl Line {
    /// Starts a line: `label` is the left column, `doing` what the person waits for.
    #[must_use]
    pub fn start(label: &'static str, doing: impl Into<Cow<'static, str>>) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{prefix:<10} {msg} {elapsed} {spinner}") {
            bar.set_style(style);
        }
        bar.set_prefix(label);
        bar.set_message(doing);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { label, started: Instant::now(), bar }
    }

    /// Says what is being waited for now.
    pub fn now(&self, doing: impl Into<Cow<'static, str>>) {
        self.bar.set_message(doing);
    }

    /// Ends the line with its result and the seconds it took.
    pub fn done(self, result: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.bar.finish_and_clear();
        eprintln!("{:<10} {result:<68} ready {seconds:>4.1} s", self.label);
    }
}

/// Prints a command's result to stdout; that nobody reads it to its end (`| head`) is no error.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints one finished line, `label` in the left column.
pub fn say(label: &str, text: &str) {
    eprintln!("{label:<10} {text}");
}
