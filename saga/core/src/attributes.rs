//! How the attributes of an envelope are read and written, where serde needs to be told.

use serde::{Deserialize, Deserializer, Serialize};

pub(crate) fn first_version() -> u16 {
    1
}

/// A CloudEvents attribute that is null is one that is not there.
pub(crate) fn unset<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

pub(crate) fn version<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_else(first_version))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
pub(crate) fn is_zero(epoch: &u32) -> bool {
    *epoch == 0
}

/// `specversion`, which is always "1.0".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub(crate) struct SpecVersion;

impl From<SpecVersion> for &'static str {
    fn from(_: SpecVersion) -> Self {
        "1.0"
    }
}

impl TryFrom<String> for SpecVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "1.0" { Ok(Self) } else { Err(format!("specversion {text} is not 1.0")) }
    }
}

/// `datacontenttype`, which is JSON, with or without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub(crate) struct ContentType;

impl From<ContentType> for &'static str {
    fn from(_: ContentType) -> Self {
        "application/json"
    }
}

impl TryFrom<String> for ContentType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Ok(Self)
        } else {
            Err(format!("datacontenttype {text} is not application/json"))
        }
    }
}
