//! The commands of `./dev`, one in each file.

pub(crate) mod bench;
pub(crate) mod chaos;
pub(crate) mod demo;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod saga;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod test_env;
pub(crate) mod up;

use std::path::Path;

use saga_trials::servers::{Place, Trouble};
use saga_trials::up::Up;

/// The checkout that we are in; `./dev` has gone to its root.
fn place() -> Result<Place, Trouble> {
    Place::of(Path::new("."))
}

/// The system of this checkout.
fn system() -> Result<Up, Trouble> {
    Up::open(place()?)
}

/// Prints variables in the form that a shell's `eval` takes.
fn print_exports<N: AsRef<str>>(environment: &[(N, String)]) -> std::io::Result<()> {
    let line = |(name, value): &(N, String)| format!("export {}={}\n", name.as_ref(), quoted(value));
    saga_trials::screen::print(&environment.iter().map(line).collect::<String>())
}

/// `value` as one word of a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_word_for_the_shell_whatever_is_in_it() {
        let value = r#"it's $HOME "quoted" `here`"#;
        let printed = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quoted(value))]).output();
        assert_eq!(String::from_utf8(printed.unwrap().stdout).unwrap(), value);
    }
}
