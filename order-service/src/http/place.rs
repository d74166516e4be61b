//! POST /store/order: one transaction takes the request and starts its saga; then the client waits.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saga_runtime::http::problem::MEDIA_TYPE;
use saga_runtime::http::{Json, Problem};
use saga_runtime::{Outgoing, Transaction, clock};
use uuid::Uuid;

use super::wire::{Order, prefers_async, traceparent};
use super::{App, location};
use crate::domain::{Answer, Draft, Identity, Key, Request, Wish};
use crate::error::ApiError;
use crate::store::{self, NewRequest};

/// How many numbers in a row may turn out to be taken by clients before the client is asked to come again.
const MOST_TAKEN_NUMBERS: usize = 64;

/// A request for an order, understood.
struct Asked {
    wish: Wish,
    key: Key,
    identity: Identity,
    traceparent: Option<String>,
}

/// Place an order for a pet.
///
/// Answers once the order is placed, or all that was done for it is undone. The same request again,
/// under the same `Idempotency-Key` or order id, joins the wait and gets the same answer.
#[utoipa::path(
    post,
    path = "/store/order",
    operation_id = "placeOrder",
    tag = "store",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition the same order: quoted or bare, 1 to 255 visible ASCII characters; a UUID when there is no customerEmail"),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: do not wait"),
    ),
    request_body = Order,
    responses(
        (status = 200, description = "The order is placed", body = Order),
        (status = 202, description = "It is being placed; look at `Location`", body = Order, headers(("Location" = String))),
        (status = 400, description = "Invalid input: no JSON, or no idempotency key", body = Problem, content_type = MEDIA_TYPE),
        (status = 409, description = "The pet is taken, the order was cancelled meanwhile, or the order id is another order's", body = Problem, content_type = MEDIA_TYPE),
        (status = 415, description = "The content type is not JSON", body = Problem, content_type = MEDIA_TYPE),
        (status = 422, description = "Validation exception, or a participant refused, with its `reason`", body = Problem, content_type = MEDIA_TYPE),
        (status = 503, description = "Too busy; try again after `Retry-After` with the same key", body = Problem, content_type = MEDIA_TYPE),
        (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
    )
)]
pub(super) async fn place_order(
    State(app): State<App>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<Response, ApiError> {
    let deadline = app.deadline();
    let asked = understand(&app, &headers, order.into())?;
    let is_async = prefers_async(&headers);
    // Taken before the request is, so that no outcome can be missed, and nothing is taken that cannot be waited for.
    let seat = if is_async { None } else { Some(app.waiters.sit(asked.identity.order)?) };
    let request = accept(&app, &asked).await?;
    let answer = match (request.answer(), seat) {
        (Some(answer), _) => Some(answer),
        (None, Some(mut seat)) => seat.until(deadline, Request::answer).await,
        (None, None) => None,
    };
    answer.map_or_else(|| Ok(accepted(&request, is_async)), |answer| answered(&request, answer))
}

fn understand(app: &App, headers: &HeaderMap, draft: Draft) -> Result<Asked, ApiError> {
    let wish = Wish::of(draft)?;
    let customer = wish.customer_email.as_deref().map(|email| app.names.user(email)).transpose()?;
    let given = headers.get_all("idempotency-key").into_iter().map(axum::http::HeaderValue::as_bytes);
    let key = Key::choose(given, wish.number, customer.is_none(), draw)?;
    let identity = Identity::new(&app.names, &app.ids, customer, &key);
    Ok(Asked { wish, key, identity, traceparent: traceparent(headers) })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a request without key or id has nothing that an id could be forged from"
)]
fn draw() -> Uuid {
    Uuid::new_v4()
}

/// Takes the request and starts its saga, or finds it taken already.
async fn accept(app: &App, asked: &Asked) -> Result<Request, ApiError> {
    app.writer.write(async |transaction| take(app, asked, transaction).await).await
}

async fn take(app: &App, asked: &Asked, transaction: &Transaction<'_>) -> Result<(Request, Vec<Outgoing>), ApiError> {
    let now = clock::now();
    let mut request = asked.identity.request(&asked.wish, &app.names, now);
    let new = NewRequest { number: asked.wish.number, key: asked.identity.key.clone(), hash: asked.wish.hash() };
    for _ in 0..MOST_TAKEN_NUMBERS {
        if let Some(number) = store::insert(transaction, &request, &new).await? {
            request.number = number;
            let event = app.event(&request, &request.requested_event(), asked.traceparent.clone(), now)?;
            return Ok((request, vec![event.into()]));
        }
        match (store::find(transaction, asked.identity.order).await?, asked.wish.number) {
            (Some((taken, hash)), _) => return asked.same(taken, &hash).map(|request| (request, Vec::new())),
            (None, Some(number)) => return Err(ApiError::NumberTaken(number)),
            // A client chose the number that the store would have given: on to the next one.
            (None, None) => {}
        }
    }
    Err(ApiError::Busy("the next order ids are taken"))
}

impl Asked {
    /// The request that was taken before, if it is the same.
    fn same(&self, taken: Request, hash: &[u8]) -> Result<Request, ApiError> {
        match &self.key {
            _ if hash == self.wish.hash() => Ok(taken),
            Key::Number(number) => Err(ApiError::NumberTaken(*number)),
            Key::Given(_) | Key::Drawn(_) => Err(ApiError::KeyReused),
        }
    }
}

fn answered(request: &Request, answer: Answer) -> Result<Response, ApiError> {
    match answer {
        Answer::Placed(view) => Ok(Json(Order::shown(request, &view)).into_response()),
        Answer::Refused(end, view) => Err(ApiError::Refused { end, order: Box::new(Order::shown(request, &view)) }),
    }
}

fn accepted(request: &Request, is_async: bool) -> Response {
    let body = Json(Order::shown(request, &request.view()));
    let mut response = (StatusCode::ACCEPTED, [(header::LOCATION, location(request))], body).into_response();
    if is_async {
        response.headers_mut().insert("preference-applied", axum::http::HeaderValue::from_static("respond-async"));
    }
    response
}
