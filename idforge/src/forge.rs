//! The forge: a namespace and a salt, from which ids are made.

use std::fmt;
use std::sync::Arc;

use sha1_smol::Sha1;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::python::{self, Sink};
use crate::{Arg, Error, Fingerprint, Namespace, Recipe, Salt, Scalar, digest, guard, prefixed};

/// Makes ids in one namespace with one salt. Cheap to clone and to share between threads.
///
/// The same input gives the same id, today and in twenty years, here and in Python; see the crate's own page.
#[derive(Clone)]
pub struct Forge {
    namespace: Namespace,
    fingerprint: Fingerprint,
    /// `|salt:` and the salt, or nothing: what follows each entity type.
    salting: Arc<str>,
    lenient: bool,
}

impl Forge {
    /// The forge to use: it refuses what would let two inputs meet in one id, and makes uuid-forge's id of everything else.
    #[must_use]
    pub fn new(namespace: Namespace, salt: &Salt) -> Self {
        Self::with(namespace, salt.reveal(), false)
    }

    /// A forge that takes all that uuid-forge takes: any salt, an empty one meaning none, and any entity type and key.
    ///
    /// For checking against it and for ids that already exist. Inputs that an attacker can choose can be made to collide here.
    #[must_use]
    pub fn lenient(namespace: Namespace, salt: &str) -> Self {
        Self::with(namespace, salt, true)
    }

    fn with(namespace: Namespace, salt: &str, lenient: bool) -> Self {
        let salting = if salt.is_empty() { Arc::default() } else { format!("|salt:{salt}").into() };
        Forge { namespace, fingerprint: Fingerprint::of(salt), salting, lenient }
    }

    /// The namespace of its ids.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What can be shown of its salt, so that two processes can be compared.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Begins an id whose words are known only when the program runs. For words that stand in the code there is [`id!`](crate::id).
    #[inline]
    pub fn id<'a>(&'a self, entity_type: &'a str) -> IdBuilder<'a> {
        IdBuilder { forge: self, entity_type, args: SmallVec::new(), attrs: SmallVec::new() }
    }

    /// The id of a recipe: its values in the recipe's own order. It cannot fail, since the recipe was checked by the compiler.
    #[must_use]
    pub fn make<const N: usize>(&self, recipe: &Recipe<N>, values: [Scalar<'_>; N]) -> Uuid {
        let mut hashing = self.begin(recipe.entity_type());
        for (key, place) in recipe.sorted() {
            hashing.push("|");
            hashing.push(key);
            hashing.push("=");
            python::write_scalar(&mut hashing, values[place]);
        }
        hashing.finish()
    }

    fn begin(&self, entity_type: &str) -> Hashing {
        let mut hashing = Hashing::new(self.namespace.uuid());
        hashing.push(entity_type);
        hashing.push(&self.salting);
        hashing
    }
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forge")
            .field("namespace", &self.namespace)
            .field("salt", &format_args!("redacted, fingerprint {}", self.fingerprint))
            .field("lenient", &self.lenient)
            .finish_non_exhaustive()
    }
}

/// An id being put together: an entity type, then arguments in order, then attributes in any order.
#[derive(Clone, Debug)]
#[must_use = "an id is made by `finish`"]
pub struct IdBuilder<'a> {
    forge: &'a Forge,
    entity_type: &'a str,
    args: SmallVec<[Arg<'a>; 2]>,
    attrs: SmallVec<[(&'a str, Arg<'a>); 4]>,
}

impl<'a> IdBuilder<'a> {
    /// Adds a positional argument.
    #[inline]
    pub fn arg(mut self, value: impl Into<Arg<'a>>) -> Self {
        self.args.push(value.into());
        self
    }

    /// Adds an attribute. Their order does not matter: they are hashed by key.
    #[inline]
    pub fn attr(mut self, key: &'a str, value: impl Into<Arg<'a>>) -> Self {
        self.attrs.push((key, value.into()));
        self
    }

    /// The id.
    ///
    /// # Errors
    /// What this forge refuses, and what no Python could reproduce.
    pub fn finish(self) -> Result<Uuid, Error> {
        let mut hashing = Hashing::new(self.forge.namespace.uuid());
        self.write(&mut hashing)?;
        Ok(hashing.finish())
    }

    /// The id behind a prefix, such as `INV-0fc74411-...`. The prefix is for people: it does not change the id.
    ///
    /// # Errors
    /// As [`Self::finish`]; attributes called `prefix` or `separator`, which uuid-forge swallows in such a call; and, unless
    /// the forge is lenient, a prefix from which [`prefixed::extract`] would not get the id back.
    pub fn finish_prefixed(self, prefix: &str, separator: &str) -> Result<String, Error> {
        if let Some((key, _)) = self.attrs.iter().find(|(key, _)| guard::PREFIXED_CALL.contains(key)) {
            return Err(Error::ReservedKey((*key).to_owned()));
        }
        let lenient = self.forge.lenient;
        let id = self.finish()?;
        if lenient { Ok(prefixed::join_lenient(prefix, separator, id)) } else { prefixed::join(prefix, separator, id) }
    }

    /// The text that is hashed after the namespace. **It contains the salt**: for tests and for looking closely, not for logs.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn hashed_text(self) -> Result<String, Error> {
        let mut text = String::new();
        self.write(&mut text)?;
        Ok(text)
    }

    fn write(mut self, sink: &mut impl Sink) -> Result<(), Error> {
        let lenient = self.forge.lenient;
        guard::check_entity_type(self.entity_type, lenient)?;
        self.attrs.sort_unstable_by_key(|(key, _)| *key);
        guard::check_keys(self.attrs.iter().map(|(key, _)| *key), lenient)?;
        sink.push(self.entity_type);
        sink.push(&self.forge.salting);
        for value in &self.args {
            sink.push("|");
            write_arg(sink, value, lenient)?;
        }
        for (key, value) in &self.attrs {
            sink.push("|");
            sink.push(key);
            sink.push("=");
            write_arg(sink, value, lenient)?;
        }
        Ok(())
    }
}

fn write_arg(sink: &mut impl Sink, arg: &Arg<'_>, lenient: bool) -> Result<(), Error> {
    match arg {
        Arg::Scalar(scalar) => python::write_scalar(sink, *scalar),
        Arg::Borrowed(value) => python::write_value(sink, value, lenient)?,
        Arg::Owned(value) => python::write_value(sink, value, lenient)?,
    }
    Ok(())
}

/// A hash that gathers small pieces, so that it is fed seldom.
struct Hashing {
    hash: Sha1,
    gathered: [u8; Self::ROOM],
    count: usize,
}

impl Hashing {
    /// More than most ids hash; what is longer is fed in parts.
    const ROOM: usize = 256;

    /// Every id begins with its namespace.
    fn new(namespace: Uuid) -> Self {
        let mut gathered = [0; Self::ROOM];
        let start = namespace.as_bytes();
        gathered[..start.len()].copy_from_slice(start);
        Hashing { hash: Sha1::new(), gathered, count: start.len() }
    }

    fn feed(&mut self) {
        self.hash.update(&self.gathered[..self.count]);
        self.count = 0;
    }

    /// Takes what does not fit any more.
    #[cold]
    fn push_beyond(&mut self, text: &str) {
        self.feed();
        match self.gathered.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                self.count = text.len();
            }
            None => self.hash.update(text.as_bytes()),
        }
    }

    fn finish(mut self) -> Uuid {
        self.feed();
        digest::seal(&self.hash)
    }
}

impl Sink for Hashing {
    /// Inlined, so that pieces of a known length, as most are, become plain stores.
    #[inline(always)]
    fn push(&mut self, text: &str) {
        let end = self.count + text.len();
        match self.gathered.get_mut(self.count..end) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                self.count = end;
            }
            None => self.push_beyond(text),
        }
    }
}
