//! Many ids at once: JSON objects in, one a line, ids out.

use crate::request::Request;
use crate::{Defaults, Error, Forge};

/// The longest line that is read, in bytes.
pub const MOST_LINE_BYTES: usize = 1 << 20;

/// Answers lines, one after the other. It keeps the last forge, since lines mostly share their namespace and salt.
#[derive(Debug)]
pub struct Batch {
    defaults: Defaults,
    last: Option<Last>,
}

/// A forge and the texts that it was made from.
struct Last {
    namespace: Option<String>,
    salt: Option<String>,
    forge: Forge,
}

impl Batch {
    /// A batch with these defaults.
    #[must_use]
    pub fn new(defaults: Defaults) -> Self {
        Batch { defaults, last: None }
    }

    /// The id that a line asks for.
    ///
    /// A line is an object with `entity_type` and, if need be, `args`, `kwargs`, `namespace` (`{"kind": "domain" or "uuid", "value": ..}`),
    /// `salt`, `prefix` and `separator`.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn answer(&mut self, line: &[u8]) -> Result<String, Error> {
        if line.len() > MOST_LINE_BYTES {
            return Err(Error::Json(format!("the line has {} bytes; at most {MOST_LINE_BYTES} are read", line.len())));
        }
        let line = str::from_utf8(line).map_err(|error| Error::Json(error.to_string()))?;
        let request = Request::parse(line)?;
        request.answer(self.forge(&request)?)
    }

    fn forge(&mut self, request: &Request<'_>) -> Result<&Forge, Error> {
        let namespace = request.namespace.map(|raw| raw.get());
        let salt = request.salt.map(|raw| raw.get());
        let last = match self.last.take() {
            Some(last) if last.namespace.as_deref() == namespace && last.salt.as_deref() == salt => last,
            _ => Last {
                namespace: namespace.map(str::to_owned),
                salt: salt.map(str::to_owned),
                forge: request.forge(&self.defaults)?,
            },
        };
        Ok(&self.last.insert(last).forge)
    }
}

impl std::fmt::Debug for Last {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.forge.fmt(f)
    }
}
