//! What people ask of an order that was requested: cancel it, approve it, deliver it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saga_contract::OrderNumber;
use saga_core::{Message, Time};
use saga_runtime::http::problem::MEDIA_TYPE;
use saga_runtime::http::{Json, Operator, Problem};
use saga_runtime::{StoreError, Transaction, clock};

use super::wire::{Order, OrderId, traceparent};
use super::{App, location};
use crate::domain::{Conflict, Request, Word};
use crate::error::ApiError;
use crate::store::Ledger;

/// What a waiting client is told of an order; `None` while it is undecided.
type Decided = fn(&Request) -> Option<Result<(), Conflict>>;

/// Cancel an order.
///
/// Answers once everything that was done for it is undone. An approved order can no longer be cancelled.
#[utoipa::path(
    delete,
    path = "/store/order/{orderId}",
    operation_id = "deleteOrder",
    tag = "store",
    params(("orderId" = i64, Path, description = "ID of the order that needs to be deleted")),
    responses(
        (status = 200, description = "The order is cancelled, now or before", body = Order),
        (status = 202, description = "It is being cancelled; look at `Location`", body = Order, headers(("Location" = String))),
        (status = 400, description = "Invalid ID supplied", body = Problem, content_type = MEDIA_TYPE),
        (status = 404, description = "Order not found", body = Problem, content_type = MEDIA_TYPE),
        (status = 409, description = "The order is approved, delivered or rejected", body = Problem, content_type = MEDIA_TYPE),
        (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
    )
)]
pub(super) async fn cancel_order(
    State(app): State<App>,
    OrderId(number): OrderId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let trace = traceparent(&headers);
    let (word, request) = change(&app, number, |request, now| {
        let word = request.cancel()?;
        let event = handed_on(word, || app.desk.event(request, &request.cancellation_event(), trace, now))?;
        Ok((word, event))
    })
    .await?;
    outcome(&app, word, request, Request::after_cancel).await
}

/// Approve an order, as the store's owner.
///
/// Answers once it is approved. An approval that comes before the order is placed is remembered.
#[utoipa::path(
    post,
    path = "/store/order/{orderId}/approve",
    operation_id = "approveOrder",
    tag = "store",
    params(("orderId" = i64, Path, description = "ID of the order to approve")),
    security(("operator" = [])),
    responses(
        (status = 200, description = "The order is approved, now or before", body = Order),
        (status = 202, description = "It is being approved; look at `Location`", body = Order, headers(("Location" = String))),
        (status = 400, description = "Invalid ID supplied", body = Problem, content_type = MEDIA_TYPE),
        (status = 401, description = "No operator's token", body = Problem, content_type = MEDIA_TYPE),
        (status = 404, description = "Order not found", body = Problem, content_type = MEDIA_TYPE),
        (status = 409, description = "The order is rejected or cancelled", body = Problem, content_type = MEDIA_TYPE),
        (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
    )
)]
pub(super) async fn approve_order(
    State(app): State<App>,
    Operator(name): Operator,
    OrderId(number): OrderId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let trace = traceparent(&headers);
    let (word, request) = change(&app, number, |request, now| {
        let word = request.grant()?;
        let event = handed_on(word, || app.desk.event(request, &request.granted_event(name), trace, now))?;
        Ok((word, event))
    })
    .await?;
    outcome(&app, word, request, Request::after_grant).await
}

/// Deliver an order, as the store's owner: its customer has it.
#[utoipa::path(
    post,
    path = "/store/order/{orderId}/deliver",
    operation_id = "deliverOrder",
    tag = "store",
    params(("orderId" = i64, Path, description = "ID of the order that was handed over")),
    security(("operator" = [])),
    responses(
        (status = 200, description = "The order is delivered, now or before", body = Order),
        (status = 400, description = "Invalid ID supplied", body = Problem, content_type = MEDIA_TYPE),
        (status = 401, description = "No operator's token", body = Problem, content_type = MEDIA_TYPE),
        (status = 404, description = "Order not found", body = Problem, content_type = MEDIA_TYPE),
        (status = 409, description = "The order is not approved", body = Problem, content_type = MEDIA_TYPE),
        (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
    )
)]
pub(super) async fn deliver_order(
    State(app): State<App>,
    _by: Operator,
    OrderId(number): OrderId,
    headers: HeaderMap,
) -> Result<Json<Order>, ApiError> {
    let trace = traceparent(&headers);
    let (_, request) = change(&app, number, |request, now| {
        let is_new = request.deliver()?;
        let event = is_new.then(|| app.desk.event(request, &request.delivered_event(), trace, now)).transpose()?;
        Ok(((), event))
    })
    .await?;
    Ok(Json(shown(&request)))
}

/// Changes one order, and sends what the change causes, in one transaction.
async fn change<T: Send>(
    app: &App,
    number: OrderNumber,
    decide: impl FnOnce(&mut Request, Time) -> Result<(T, Option<Message>), ApiError> + Send,
) -> Result<(T, Request), ApiError> {
    app.desk.writer.write(async |transaction| decide_locked(transaction, number, decide).await).await
}

async fn decide_locked<T>(
    transaction: &Transaction<'_>,
    number: OrderNumber,
    decide: impl FnOnce(&mut Request, Time) -> Result<(T, Option<Message>), ApiError>,
) -> Result<((T, Request), Vec<saga_runtime::Outgoing>), ApiError> {
    let now = clock::now();
    let (order, mut ledger) =
        Ledger::lock_number(transaction, number).await?.ok_or(ApiError::UnknownOrder(number.get()))?;
    let request = ledger.get_mut(order).ok_or(ApiError::UnknownOrder(number.get()))?;
    let (value, event) = decide(request, now)?;
    let request = request.clone();
    ledger.writes().send(transaction).await?;
    Ok(((value, request), event.into_iter().map(Into::into).collect()))
}

fn handed_on(word: Word, event: impl FnOnce() -> Result<Message, StoreError>) -> Result<Option<Message>, StoreError> {
    match word {
        Word::HandedOn => event().map(Some),
        Word::Fulfilled | Word::UnderWay => Ok(None),
    }
}

/// Waits for what comes of a word, up to the deadline.
async fn outcome(app: &App, word: Word, request: Request, decided: Decided) -> Result<Response, ApiError> {
    match word {
        Word::Fulfilled => return Ok(Json(shown(&request)).into_response()),
        Word::HandedOn | Word::UnderWay => {}
    }
    // What was asked is under way and cannot be taken back: without a seat it is only not waited for.
    let Ok(mut seat) = app.waiters.sit(request.order) else { return Ok(accepted(&request)) };
    seat.look();
    let told = seat.until(app.deadline(), |request| decided(request).map(|told| (told, request.clone()))).await;
    let Some((told, request)) = told else { return Ok(accepted(&request)) };
    told?;
    Ok(Json(shown(&request)).into_response())
}

fn accepted(request: &Request) -> Response {
    (StatusCode::ACCEPTED, [(header::LOCATION, location(request))], Json(shown(request))).into_response()
}

fn shown(request: &Request) -> Order {
    Order::shown(request, &request.view())
}
