//! Orders as JSON, and what is read from requests.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use saga_contract::{Money, OrderNumber, ShipDate};
use saga_runtime::http::{Path, object};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{Draft, DraftItem, Request, State, Status, View};
use crate::error::ApiError;

/// An order: the Petstore's fields, and ours. A client's `status`, `complete` and prices are ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its public id, 1 to 2^53 - 1. Without one, the store gives it the next free one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 10)]
    pub id: Option<i64>,
    /// The pet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 198_772)]
    pub pet_id: Option<i64>,
    /// How many: absent or 1, as a pet is one of a kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>, example = 1)]
    pub quantity: Option<i64>,
    /// When it is to be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ship_date: Option<ShipDate>,
    /// Where it stands, in the Petstore's words; absent in a state that those have no word for.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only, example = "approved")]
    pub status: Option<Status>,
    /// Whether its customer has it.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub complete: Option<bool>,
    /// Supplies besides the pet: all of them are sold with it, or nothing is.
    #[serde(default, deserialize_with = "object::optional_list", skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 100)]
    pub items: Option<Vec<OrderItem>>,
    /// Who orders. It is not kept: answers have `userId`, which is forged from it. Without it the customer is a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only, max_length = 254)]
    pub customer_email: Option<String>,
    /// The customer's id.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub user_id: Option<Uuid>,
    /// Its id, forged from customer and idempotency key.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub uuid: Option<Uuid>,
    /// Its saga.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub saga_id: Option<Uuid>,
    /// Where it stands.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub state: Option<State>,
    /// Why it was rejected or cancelled, a word: `out_of_stock`.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub reason: Option<String>,
    /// What pet and supplies cost together, in minor units; while it is placed, approved or delivered.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub total: Option<i64>,
    /// The currency of the total, as ISO 4217 has it.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only, example = "EUR")]
    pub currency: Option<String>,
}

/// So many units of a supply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderItem {
    /// The supply, in any spelling. Lines of the same supply are added up.
    #[schema(example = "FOOD-CAT-2KG", max_length = 64)]
    pub sku: String,
    /// How many units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: i64,
}

/// What a client may not say: it may be anything, and it is nothing.
fn ignored<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error> {
    IgnoredAny::deserialize(deserializer)?;
    Ok(None)
}

impl Order {
    /// An order as a client sees it.
    #[must_use]
    pub fn shown(request: &Request, view: &View) -> Self {
        let items = request.items.iter();
        let items = items.map(|item| OrderItem { sku: item.sku.to_string(), quantity: item.quantity.get() });
        Self {
            id: Some(request.number.get()),
            pet_id: Some(request.pet_number.get()),
            quantity: Some(1),
            ship_date: request.ship_date,
            status: view.status(),
            complete: Some(view.is_complete()),
            items: (!request.items.is_empty()).then(|| items.collect()),
            customer_email: None,
            user_id: Some(request.user),
            uuid: Some(request.order),
            saga_id: Some(request.saga),
            state: Some(view.state),
            reason: view.reason.as_ref().map(ToString::to_string),
            total: view.total.map(Money::amount),
            currency: view.total.map(|total| total.currency().to_string()),
        }
    }
}

impl From<Order> for Draft {
    fn from(order: Order) -> Self {
        let items = order.items.unwrap_or_default().into_iter();
        Self {
            id: order.id,
            pet_id: order.pet_id,
            quantity: order.quantity,
            ship_date: order.ship_date,
            items: items.map(|item| DraftItem { sku: item.sku, quantity: item.quantity }).collect(),
            customer_email: order.customer_email,
        }
    }
}

/// The public id in a path. One that no order can have is that of an unknown order.
#[derive(Debug, Clone, Copy)]
pub(super) struct OrderId(pub(super) OrderNumber);

impl<S: Send + Sync> FromRequestParts<S> for OrderId {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let number = text.parse().map_err(|_| ApiError::Parameter(NOT_AN_ID.to_owned()));
        let number = number.and_then(|id| OrderNumber::new(id).map_err(|_| ApiError::UnknownOrder(id)));
        number.map(Self).map_err(IntoResponse::into_response)
    }
}

const NOT_AN_ID: &str = "an order's id in a path must be a whole number of 64 bits";

/// Whether the client would rather not wait (RFC 7240).
pub(super) fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.any(|preference| {
        let name = preference.split([';', '=']).next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("respond-async")
    })
}

/// The client's trace context, if it sent one that is well-formed (W3C, version 00).
pub(super) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_valid = lengths == [2, 32, 16, 2] && parts[0] == "00" && parts.iter().all(|part| part.chars().all(is_hex));
    is_valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_a_client_may_not_say_is_ignored_whatever_it_is() {
        let json =
            r#"{"petId": 1, "status": 7, "complete": "no", "total": [], "state": "sold", "uuid": 1, "more": {}}"#;
        let order: Order = serde_json::from_str(json).unwrap();
        assert_eq!(order, Order { pet_id: Some(1), ..Order::default() });
    }

    #[test]
    fn a_client_may_say_that_it_would_rather_not_wait() {
        for (values, is_async) in [
            (&["respond-async"] as &[_], true),
            (&["return=minimal, Respond-Async; x=1"], true),
            (&["wait=5", "respond-async"], true),
            (&["respond-asynchronously"], false),
            (&[], false),
        ] {
            assert_eq!(prefers_async(&headers("prefer", values)), is_async, "{values:?}");
        }
    }

    #[test]
    fn a_trace_context_is_taken_only_when_it_is_one() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&headers("traceparent", &[valid])).as_deref(), Some(valid));
        for wrong in ["", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "ff-1-2-3", "x"] {
            assert_eq!(traceparent(&headers("traceparent", &[wrong])), None, "{wrong}");
        }
    }
}
