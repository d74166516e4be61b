//! Looking at orders.

use axum::extract::State;
use saga_runtime::http::problem::MEDIA_TYPE;
use saga_runtime::http::{Json, Problem, Query};
use saga_runtime::store::Connection;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use super::wire::{Order, OrderId};
use crate::domain::{self, Request};
use crate::error::ApiError;
use crate::store::{self, Filter};

/// The most orders in one answer.
const MOST: i64 = 100;
/// The most orders that may be passed over: each of them is read.
const MOST_SKIPPED: i64 = 10_000;

/// Find purchase order by ID.
///
/// Every request that was ever accepted is found, also one that never became an order; `state` and `reason` tell.
#[utoipa::path(
    get,
    path = "/store/order/{orderId}",
    operation_id = "getOrderById",
    tag = "store",
    params(("orderId" = i64, Path, description = "ID of order that needs to be fetched")),
    responses(
        (status = 200, description = "successful operation", body = Order),
        (status = 400, description = "Invalid ID supplied", body = Problem, content_type = MEDIA_TYPE),
        (status = 404, description = "Order not found", body = Problem, content_type = MEDIA_TYPE),
        (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
    )
)]
pub(super) async fn get_order(State(app): State<App>, OrderId(number): OrderId) -> Result<Json<Order>, ApiError> {
    let client = app.client().await?;
    let found = store::find_number(&client, number).await?;
    found.map(|request| Json(shown(&request))).ok_or(ApiError::UnknownOrder(number.get()))
}

/// Which orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// The e-mail address of a customer.
    customer: Option<String>,
    /// The id of a customer or guest.
    user_id: Option<Uuid>,
    /// Only those in this state.
    state: Option<domain::State>,
    /// How many of the newest to pass over, 10,000 at most.
    #[param(minimum = 0, maximum = 10_000)]
    skip: Option<i64>,
    /// How many at most; 100 unless told otherwise.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// List orders, the newest first.
///
/// A few lists are read at once, others wait for them; what cannot be read within 5 seconds is answered 503.
#[utoipa::path(
    get,
    path = "/store/orders",
    operation_id = "listOrders",
    tag = "store",
    params(Search),
    responses(
        (status = 200, description = "successful operation", body = Vec<Order>),
        (status = 400, description = "Invalid parameter", body = Problem, content_type = MEDIA_TYPE),
        (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
    )
)]
pub(super) async fn list_orders(
    State(app): State<App>,
    Query(search): Query<Search>,
) -> Result<Json<Vec<Order>>, ApiError> {
    let Some(filter) = filter(&app, &search)? else { return Ok(Json(Vec::new())) };
    let found = app.lists.read(async |reading| store::list(reading, &filter).await).await?;
    Ok(Json(found.iter().map(shown).collect()))
}

/// The filter that a search means; `None` if nobody can be both of the customers that it names.
fn filter(app: &App, search: &Search) -> Result<Option<Filter>, ApiError> {
    let bounded = |name: &str, number: Option<i64>, min: i64, max: i64, otherwise: i64| {
        let number = number.unwrap_or(otherwise);
        let is_allowed = (min..=max).contains(&number);
        is_allowed
            .then_some(number)
            .ok_or_else(|| ApiError::Parameter(format!("{name} must be between {min} and {max}")))
    };
    let customer = search.customer.as_deref().map(|email| app.desk.names.user(email)).transpose();
    let customer = customer.map_err(|_| ApiError::Parameter("customer must be an e-mail address".to_owned()))?;
    if let (Some(customer), Some(user)) = (customer, search.user_id)
        && customer != user
    {
        return Ok(None);
    }
    Ok(Some(Filter {
        user: customer.or(search.user_id),
        state: search.state,
        skip: bounded("skip", search.skip, 0, MOST_SKIPPED, 0)?,
        limit: bounded("limit", search.limit, 1, MOST, MOST)?,
    }))
}

impl App {
    pub(super) async fn client(&self) -> Result<Connection, ApiError> {
        Ok(self.desk.writer.pool().get().await.map_err(saga_runtime::StoreError::from)?)
    }
}

fn shown(request: &Request) -> Order {
    Order::shown(request, &request.view())
}
