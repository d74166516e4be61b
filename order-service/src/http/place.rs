//! POST /store/order: one transaction takes the request and starts its saga; then the client waits.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saga_contract::Names;
use saga_core::{Ids, Message, Time};
use saga_runtime::broker::batch;
use saga_runtime::http::problem::MEDIA_TYPE;
use saga_runtime::http::{Json, Problem};
use saga_runtime::store::{Gather, Gathered, Together, UnderWay, gather};
use saga_runtime::{Outgoing, Remedy, StoreError, Transaction, Turns, clock};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::wire::{Order, prefers_async, traceparent};
use super::{App, Desk, location};
use crate::domain::{Answer, Identity, Key, Request, Wish};
use crate::error::ApiError;
use crate::store::{self, NewRequest};

/// How many numbers in a row may turn out to be taken by clients before the client is asked to come again.
const MOST_TAKEN_NUMBERS: usize = 64;

/// How many requests may wait to be taken; the next ones wait outside.
const MOST_WAITING: usize = 1_024;
/// How many requests are taken in one transaction at most: as many as their messages then share an AMQP message.
const MOST_TOGETHER: usize = batch::MOST;

/// A request for an order, understood.
#[derive(Debug)]
pub struct Asked {
    wish: Wish,
    key: Key,
    identity: Identity,
    traceparent: Option<String>,
}

/// Where requests are taken together.
pub(super) type Taking = Gather<Arc<Asked>, Taken>;
/// A request that is new, taken together with others. `None`: it is not new, or something was wrong with one of them; each
/// is looked at alone then.
type Taken = Result<Option<Request>, Arc<StoreError>>;

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
    let asked = Arc::new(Asked::understand(&app.desk.names, &app.desk.ids, &headers, order)?);
    let is_async = prefers_async(&headers);
    // Taken before the request is, so that no outcome can be missed, and nothing is taken that cannot be waited for.
    let seat = match (!is_async).then(|| app.waiters.sit(asked.identity.order)).transpose() {
        Ok(seat) => seat,
        Err(full) => return Box::pin(answered_before(&app, &asked)).await?.ok_or_else(|| full.into()),
    };
    let (request, _under_way) = accept(&app, &asked).await?;
    let answer = match (request.answer(), seat) {
        (Some(answer), _) => Some(answer),
        (None, Some(mut seat)) => seat.until(deadline, Request::answer).await,
        (None, None) => None,
    };
    answer.map_or_else(|| Ok(accepted(&request, is_async)), |answer| answered(&request, answer))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a request without key or id has nothing that an id could be forged from"
)]
fn draw() -> Uuid {
    Uuid::new_v4()
}

/// What the same request was answered, if it was taken before and need not be waited for any longer.
async fn answered_before(app: &App, asked: &Asked) -> Result<Option<Response>, ApiError> {
    let client = app.client().await?;
    let Some((taken, hash)) = store::find(&client, asked.identity.order).await? else { return Ok(None) };
    let request = asked.same(taken, &hash)?;
    request.answer().map(|answer| answered(&request, answer)).transpose()
}

/// Takes the request and starts its saga, or finds it taken already. It is under way as long as its client waits.
async fn accept(app: &App, asked: &Arc<Asked>) -> Result<(Request, Option<UnderWay>), ApiError> {
    let (taken, under_way) = app.taking.ask(Arc::clone(asked)).await.unzip();
    let request = match taken {
        Some(Ok(Some(request))) => request,
        Some(Err(error)) => return Err(StoreError::Shared(error).into()),
        Some(Ok(None)) | None => {
            app.desk.writer.write(async |transaction| alone(&app.desk, asked, transaction).await).await?
        }
    };
    Ok((request, under_way))
}

/// Takes requests together, as they come.
pub struct Taker {
    desk: Arc<Desk>,
    gathered: Gathered<Arc<Asked>, Taken>,
}

pub(super) fn taker(desk: Arc<Desk>, together: Together) -> (Taking, Taker) {
    let (taking, gathered) = gather(MOST_WAITING, together);
    (taking, Taker { desk, gathered })
}

impl Taker {
    /// Runs until `stop`, and until what was asked before is taken.
    pub async fn run(self, turns: Turns, stop: CancellationToken) {
        let Self { desk, gathered } = self;
        gathered.run(MOST_TOGETHER, turns, stop, |batch| take(&desk, batch)).await;
    }
}

async fn take(desk: &Desk, batch: Vec<Arc<Asked>>) -> Vec<Taken> {
    let count = batch.len();
    match together(desk, batch).await {
        Ok(taken) => taken.into_iter().map(Ok).collect(),
        Err(error) if error.remedy() == Remedy::Wait => {
            let error = Arc::new(error);
            (0..count).map(|_| Err(Arc::clone(&error))).collect()
        }
        Err(error) => {
            tracing::info!(requests = count, %error, "requests cannot be taken together; they are taken one by one");
            (0..count).map(|_| Ok(None)).collect()
        }
    }
}

async fn together(desk: &Desk, batch: Vec<Arc<Asked>>) -> Result<Vec<Option<Request>>, StoreError> {
    let now = clock::now();
    let mut asked: Vec<(usize, &Arc<Asked>)> = batch.iter().enumerate().collect();
    // In key order, as another copy that takes the same ones does; it waits for us or we for it, never both.
    asked.sort_by_key(|(_, asked)| asked.identity.order);
    let new: Vec<(Request, NewRequest)> = asked.iter().map(|(_, asked)| asked.new_request(desk, now)).collect();
    let taken = desk.writer.write(async |transaction| {
        let rows: Vec<(&Request, &NewRequest)> = new.iter().map(|(request, new)| (request, new)).collect();
        let numbers = store::insert(transaction, &rows).await?;
        let (mut taken, mut events) = (vec![None; asked.len()], Vec::with_capacity(asked.len()));
        for (((place, asked), (request, _)), number) in asked.iter().zip(&new).zip(numbers) {
            let Some(number) = number else { continue };
            let request = Request { number, ..request.clone() };
            events.push(asked.requested(desk, &request, now)?.into());
            taken[*place] = Some(request);
        }
        Ok::<_, StoreError>((taken, events))
    });
    taken.await
}

async fn alone(
    desk: &Desk,
    asked: &Asked,
    transaction: &Transaction<'_>,
) -> Result<(Request, Vec<Outgoing>), ApiError> {
    let now = clock::now();
    let (mut request, new) = asked.new_request(desk, now);
    for _ in 0..MOST_TAKEN_NUMBERS {
        if let [Some(number)] = store::insert(transaction, &[(&request, &new)]).await?[..] {
            request.number = number;
            let event = asked.requested(desk, &request, now)?;
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
    /// What a client wants, from its headers and its body.
    ///
    /// # Errors
    /// [`ApiError`]: no order can be made of the body, or the header is no key for one.
    pub fn understand(names: &Names, ids: &Ids, headers: &HeaderMap, order: Order) -> Result<Self, ApiError> {
        let wish = Wish::of(order.into())?;
        let customer = wish.customer_email.as_deref().map(|email| names.user(email)).transpose()?;
        let given = headers.get_all("idempotency-key").into_iter().map(axum::http::HeaderValue::as_bytes);
        let key = Key::choose(given, wish.number, customer.is_none(), draw)?;
        let identity = Identity::new(names, ids, customer, &key);
        Ok(Self { wish, key, identity, traceparent: traceparent(headers) })
    }

    /// The request as it is taken; see [`Identity::request`].
    #[must_use]
    pub fn request(&self, names: &Names, now: Time) -> Request {
        self.identity.request(&self.wish, names, now)
    }

    fn new_request(&self, desk: &Desk, now: Time) -> (Request, NewRequest) {
        let request = self.request(&desk.names, now);
        (request, NewRequest { number: self.wish.number, key: self.identity.key.clone(), hash: self.wish.hash() })
    }

    fn requested(&self, desk: &Desk, request: &Request, now: Time) -> Result<Message, StoreError> {
        desk.event(request, &request.requested_event(), self.traceparent.clone(), now)
    }

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
