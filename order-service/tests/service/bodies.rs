//! The law of the bodies of orders, for the fuzz target and for what it kept: any bytes are an order that can be stored, or
//! the client's to correct.

use axum::http::HeaderMap;
use idforge::Salt;
use order_service::http::{Asked, Order};
use saga_contract::messages::OrderRequested;
use saga_contract::{DEFAULT_DOMAIN, Names};
use saga_core::{Ids, Message};
use saga_runtime::clock;
use saga_runtime::http::{Json, Problem};
use saga_runtime::testing::{SALT, is_taken};
use serde_json::{Value, json};

/// Reads a body as the request that has one does; says whether it is taken.
///
/// # Panics
/// When the law does not hold.
pub(crate) fn check(bytes: &[u8]) -> bool {
    is_taken(placed(bytes))
}

fn placed(bytes: &[u8]) -> Result<Value, Problem> {
    let Json(order) = Json::<Order>::from_bytes(bytes)?;
    let salt = Salt::new(SALT).map_err(|error| Problem::internal(&error))?;
    let (names, ids, now) = (Names::new(&salt, DEFAULT_DOMAIN), Ids::new(&salt, DEFAULT_DOMAIN), clock::now());
    let request = Asked::understand(&names, &ids, &HeaderMap::new(), order)?.request(&names, now);
    let event = request.requested_event();
    let sent = request.message(&ids, &event, now).map_err(|error| Problem::internal(&error))?;
    // What goes out must be what the others can read.
    let read = Message::parse(&sent.to_bytes()).ok().and_then(|message| message.payload::<OrderRequested>().ok());
    assert_eq!(read.as_ref(), Some(&event));
    Ok(json!(event))
}
