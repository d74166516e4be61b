//! What can be wrong with an input, said to the person who has to change it.

use thiserror::Error;

/// Why an id was not forged. No variant ever holds a salt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// An entity type with `|`, which could imitate a salt or an attribute.
    #[error(
        "entity type {0:?} contains '|', which could imitate a salt or an attribute; leave it out or forge leniently"
    )]
    EntityTypeWithBar(String),
    /// An attribute's key with `|` or `=`, which could imitate other attributes.
    #[error(
        "attribute key {0:?} contains '|' or '=', which could imitate other attributes; leave it out or forge leniently"
    )]
    KeyWithSeparator(String),
    /// An attribute's key that uuid-forge takes as a parameter of its own.
    #[error(
        "attribute key {0:?} is a parameter of uuid-forge's own calls and cannot be reproduced there; name it otherwise"
    )]
    ReservedKey(String),
    /// The same attribute twice.
    #[error("attribute {0:?} is given twice; give it once")]
    DuplicateKey(String),
    /// An empty salt: anybody could compute the ids.
    #[error("the salt is empty, so anybody could compute these ids; make one with `idforge new-salt`")]
    EmptySalt,
    /// A salt with `|`, which could imitate an argument.
    #[error(
        "the salt contains '|', which could imitate an argument; make another with `idforge new-salt` or forge leniently"
    )]
    SaltWithBar,
    /// No salt in the environment.
    #[error("{0} is not set or empty; set it to the salt that all processes share (`idforge new-salt` makes one)")]
    MissingSalt(&'static str),
    /// A variable of the environment that is not UTF-8.
    #[error("{0} is not UTF-8 text; set it to text")]
    VariableNotText(&'static str),
    /// Fewer random bytes than a salt needs.
    #[error("a salt needs at least {least} random bytes, got {got}", least = crate::Salt::LEAST_RANDOM_BYTES)]
    SaltTooShort {
        /// How many bytes there were.
        got: usize,
    },
    /// A namespace that is no UUID.
    #[error("namespace {0:?} is not a UUID; give 32 hexadecimal digits, 8-4-4-4-12, or a domain instead")]
    NamespaceNotUuid(String),
    /// An integer that Python refuses to print.
    #[error("an integer of {digits} digits cannot be reproduced: Python prints at most {most}", most = crate::Int::MOST_DIGITS)]
    IntegerTooLong {
        /// How many digits it has.
        digits: usize,
    },
    /// Values inside values, too deep.
    #[error("the value is nested more than {most} deep, where Python gives up too", most = crate::Value::MOST_DEPTH)]
    TooDeep,
    /// A set of several items: its order differs from one Python process to the next.
    #[error("a set of {items} items has no stable order in Python; give a sorted tuple")]
    UnorderedSet {
        /// How many items it has.
        items: usize,
    },
    /// A key of a map or an item of a set that Python cannot hash.
    #[error("{0} cannot be a key or a set's item: Python cannot hash it")]
    Unhashable(&'static str),
    /// Two keys of one map that Python takes, or may take, for equal.
    #[error(
        "the map's key {0} is, or may be, equal to another of its keys in Python, which would keep one of them only"
    )]
    EqualKeys(String),
    /// A value that Python cannot hold, such as the 30th of February.
    #[error("{what} cannot be {text:?}: {hint}")]
    Impossible {
        /// The kind of value.
        what: &'static str,
        /// What was given.
        text: String,
        /// What would be right.
        hint: &'static str,
    },
    /// A number of a parsed JSON value that may have been written as another one.
    #[error(
        "the JSON number {0} was parsed as a float but may have been written as an integer; parse the text with Value::from_json_text, or tag it as \"$py\" int or float"
    )]
    AmbiguousNumber(String),
    /// JSON text that cannot be read.
    #[error("not the JSON wanted: {0}")]
    Json(String),
    /// A `$py` tag that is unknown or lacks something.
    #[error("the \"$py\" tag {tag:?} wants {wants}")]
    Tag {
        /// The tag's name.
        tag: String,
        /// What it should look like.
        wants: &'static str,
    },
    /// An empty separator, after which nothing can be extracted.
    #[error("the separator is empty, so the id could never be extracted again; give one, '-' for instance")]
    EmptySeparator,
    /// No id in a text.
    #[error("no id found in {0:?}")]
    NoUuid(String),
    /// A text too long to be read leniently.
    #[error("a text of {bytes} bytes is too long to be read leniently; give at most {most}", most = crate::prefixed::MOST_LENIENT_BYTES)]
    TextTooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A prefix whose id could not be extracted again.
    #[error(
        "prefix {prefix:?} with separator {separator:?} gives a text from which its id cannot be extracted again; change one of them"
    )]
    LosesId {
        /// The prefix.
        prefix: String,
        /// The separator.
        separator: String,
    },
    /// A text that is no canonical input.
    #[error("{what} {text:?} cannot be canonicalised: {hint}")]
    NotCanonical {
        /// The kind of input.
        what: &'static str,
        /// What was given.
        text: String,
        /// What would be right.
        hint: &'static str,
    },
}
