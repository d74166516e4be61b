//! Who may write: bearer tokens, each with the name that the audit names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use super::problem::{Problem, UNAUTHORIZED};
use crate::secret::Secret;

/// A shorter token could be guessed.
const SHORTEST: usize = 16;

/// The tokens of a process. Cheap to clone. `Debug` shows names alone.
#[derive(Clone, Default)]
pub struct Tokens {
    entries: Arc<[Entry]>,
    /// The first of them, to be shown to other processes.
    first: Option<Secret>,
}

struct Entry {
    name: String,
    digest: [u8; 32],
}

/// A file of tokens that cannot be used. Never carries a token.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of it is wrong.
    #[error("line {line} of the tokens' file: {why}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Tokens {
    /// Reads a file with a line `name:token` for each operator; empty lines and lines that start
    /// with `#` do not count. Without a file nobody may write.
    ///
    /// # Errors
    /// [`TokensError`]: no such file, a line without a name, a token under 16 characters, a name or
    /// a token that comes twice.
    pub fn read(path: Option<&Path>) -> Result<Self, TokensError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| TokensError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// The same from the text of such a file.
    ///
    /// # Errors
    /// As [`Tokens::read`].
    pub fn parse(text: &str) -> Result<Self, TokensError> {
        let (mut names, mut digests, mut entries) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        let mut first = None;
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why| TokensError::Line { line: index + 1, why };
            let (entry, token) = entry(line).map_err(wrong)?;
            if !names.insert(entry.name.clone()) {
                return Err(wrong("the name was used before"));
            }
            if !digests.insert(entry.digest) {
                return Err(wrong("the token was used before, so it would not tell who it is"));
            }
            entries.push(entry);
            first.get_or_insert_with(|| Secret::new(token));
        }
        Ok(Self { entries: entries.into(), first })
    }

    /// What this process shows to others when it writes there: the first token of the file, which all
    /// processes share.
    #[must_use]
    pub fn own(&self) -> Option<Secret> {
        self.first.clone()
    }

    /// Whose token this is.
    #[must_use]
    pub fn name_of(&self, token: &str) -> Option<&str> {
        let digest = digest(token);
        // Digests of secrets are compared, and all of them: time tells nothing of a token.
        self.entries
            .iter()
            .fold(None, |found, entry| if entry.digest == digest { Some(entry.name.as_str()) } else { found })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.entries.iter().map(|entry| &entry.name)).finish()
    }
}

fn entry(line: &str) -> Result<(Entry, &str), &'static str> {
    let (name, token) = line.split_once(':').ok_or("it is not name:token")?;
    let (name, token) = (name.trim(), token.trim());
    if name.is_empty() {
        return Err("the name is missing");
    }
    if token.len() < SHORTEST {
        return Err("the token has fewer than 16 characters");
    }
    Ok((Entry { name: name.to_owned(), digest: digest(token) }, token))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The name behind the request's bearer token. As an argument of a handler it keeps everybody else
/// out, with a 401. The state of such a route gives the tokens ([`FromRef`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Operator
where
    Tokens: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let tokens = Tokens::from_ref(state);
        let token = bearer(&parts.headers).ok_or_else(|| refuse("the request carries no bearer token"))?;
        let name = tokens.name_of(token).ok_or_else(|| refuse("nobody has this token"))?;
        Ok(Self(name.to_owned()))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refuse(detail: &str) -> Problem {
    Problem::new(&UNAUTHORIZED, detail).header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# operators\nanna: 0123456789abcdef0\n\nben:fedcba98765432100:with colons\n";

    #[test]
    fn a_token_names_its_operator() {
        let tokens = Tokens::parse(FILE).unwrap();
        assert_eq!(tokens.name_of("0123456789abcdef0"), Some("anna"));
        assert_eq!(tokens.name_of("fedcba98765432100:with colons"), Some("ben"));
        assert_eq!(tokens.name_of("0123456789abcdef"), None);
        assert_eq!(tokens.name_of(""), None);
    }

    #[test]
    fn no_token_is_shown() {
        let tokens = Tokens::parse(FILE).unwrap();
        assert_eq!(format!("{tokens:?}"), r#"{"anna", "ben"}"#);
    }

    #[test]
    fn without_a_file_nobody_is_let_in() {
        assert_eq!(Tokens::read(None).unwrap().name_of("0123456789abcdef"), None);
    }

    #[test]
    fn a_file_that_cannot_be_right_is_refused_with_its_line_and_without_its_token() {
        for (text, says) in [
            ("anna", "line 1 of the tokens' file: it is not name:token"),
            ("\n:0123456789abcdef", "line 2 of the tokens' file: the name is missing"),
            ("anna:short", "line 1 of the tokens' file: the token has fewer than 16 characters"),
            ("anna:0123456789abcdef\nanna:fedcba9876543210", "line 2 of the tokens' file: the name was used before"),
            (
                "anna:0123456789abcdef\nben:0123456789abcdef",
                "line 2 of the tokens' file: the token was used before, so it would not tell who it is",
            ),
        ] {
            assert_eq!(Tokens::parse(text).unwrap_err().to_string(), says);
        }
        let missing = Tokens::read(Some(Path::new("/nowhere/tokens"))).unwrap_err().to_string();
        assert!(missing.starts_with("/nowhere/tokens cannot be read"), "{missing}");
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        let header = |value: &'static str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
        assert_eq!(bearer(&header("bearer abc")), Some("abc"));
        assert_eq!(bearer(&header("Bearer abc")), Some("abc"));
        assert_eq!(bearer(&header("Basic abc")), None);
        assert_eq!(bearer(&header("Bearer")), None);
    }
}
