//! Times that clients write: in UTC from here on, or refused. RFC 3339 has some that UTC has not, and nothing behind this
//! expects one.

/// For `#[serde(with = ...)]` of a time that may be left out.
pub(crate) mod option {
    use saga_core::{Time, storable};
    use serde::de::{Deserializer, Error};
    use time::serde::rfc3339::option;

    pub(crate) use option::serialize;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
        let outside = || D::Error::custom("the time is outside the years 1 to 9999, UTC");
        let written = option::deserialize(deserializer)?;
        written.map(|time| storable(time).ok_or_else(outside)).transpose()
    }
}
