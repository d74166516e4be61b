//! Every body that these routes read, read and checked as they do it: for tests that send anything.

use saga_core::Topology;
use serde_json::json;
use uuid::Uuid;

use super::checked;
use super::publish::Publish;
use super::replays::{self, NewReplay};
use super::sagas::{Because, SkipBecause, StepBecause};
use crate::http::Json;
use crate::testing::Body;

/// Nothing is known of any type.
const NOTHING: Topology = Topology { exchanges: &[], queues: &[], types: &[] };

/// The bodies, by what they are sent to.
pub(crate) const BODIES: [(&str, Body); 6] = [
    ("publish", |bytes| {
        let Json(what) = Json::<Publish>::from_bytes(bytes)?;
        what.parcel(Uuid::nil(), &NOTHING)?;
        Ok(json!(null))
    }),
    ("replays", |bytes| {
        let Json(new) = Json::<NewReplay>::from_bytes(bytes)?;
        Ok(json!(new.check()?))
    }),
    ("replays/{id}/pause", |bytes| {
        let Json(because) = Json::<replays::Because>::from_bytes(bytes)?;
        Ok(json!(because.check()?))
    }),
    ("sagas/{id}/cancel", |bytes| {
        let Json(because) = Json::<Because>::from_bytes(bytes)?;
        Ok(json!(checked(&because.reason)?))
    }),
    ("sagas/{id}/retry", |bytes| {
        let Json(because) = Json::<StepBecause>::from_bytes(bytes)?;
        Ok(json!(checked(&because.reason)?))
    }),
    ("sagas/{id}/skip", |bytes| {
        let Json(because) = Json::<SkipBecause>::from_bytes(bytes)?;
        Ok(json!(checked(&because.reason)?))
    }),
];
