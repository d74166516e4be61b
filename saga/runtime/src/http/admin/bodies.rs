//! Every body that these routes read, read and checked as they do it: for tests that send anything.

use serde_json::json;

use super::edit::{Corrected, written};
use super::parked::{Discard, checked};
use super::{Came, QueueMessages, Replay};
use crate::http::Json;
use crate::testing::Body;

/// The bodies, by what they are sent to.
pub(crate) const BODIES: [(&str, Body); 5] = [
    ("parked/{id}/replay", |bytes| {
        let Json(how) = Json::<Replay>::from_bytes(bytes)?;
        Ok(json!(how.why()?))
    }),
    ("parked/{id}/edit", |bytes| {
        let Json(corrected) = Json::<Corrected>::from_bytes(bytes)?;
        Ok(json!(written(corrected)?))
    }),
    ("parked/{id}/discard", |bytes| {
        let Json(why) = Json::<Discard>::from_bytes(bytes)?;
        Ok(json!(checked(&why.reason)?))
    }),
    ("dry-run", |bytes| {
        let Json(came) = Json::<Came>::from_bytes(bytes)?;
        came.check()?;
        Ok(json!(null))
    }),
    ("fates", |bytes| {
        let Json(asked) = Json::<QueueMessages>::from_bytes(bytes)?;
        asked.check()?;
        Ok(json!(asked))
    }),
];
