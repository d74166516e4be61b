//! What the store's owner and its clients can do: read counts and supplies, and set supplies.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use saga_contract::messages::StockSet;
use saga_contract::processes::INVENTORY_SERVICE;
use saga_contract::{InvalidValue, Money, OnHand, Sku};
use saga_runtime::core::{Body, Ids, Message, Payload, PayloadError, Time};
use saga_runtime::http::problem::{MEDIA_TYPE, Problem};
use saga_runtime::http::{Json, Operator, Path, Query, Tokens};
use saga_runtime::store::Lists;
use saga_runtime::{Outgoing, StoreError, Transaction, Writer, clock};
use serde::{Deserialize, Serialize};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::{Counts, Stock};
use crate::error::Error;
use crate::store;

/// The most supplies of one answer.
const MOST: i64 = 100;

/// What the routes work with.
#[derive(Clone)]
pub struct Shelves {
    /// The database, with the messages that changes send.
    pub writer: Writer,
    /// Where lists of supplies are read.
    pub lists: Lists,
    /// The forges of the messages' ids.
    pub ids: Ids,
    /// Who may set supplies.
    pub tokens: Tokens,
}

impl FromRef<Shelves> for Tokens {
    fn from_ref(shelves: &Shelves) -> Self {
        shelves.tokens.clone()
    }
}

/// A supply, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Stock)]
pub struct Supply {
    /// Its name, in its one spelling: trimmed, upper case.
    #[schema(example = "FOOD-CAT-2KG")]
    sku: String,
    /// How many units lie in the store, those that are set aside included.
    #[schema(minimum = 0)]
    quantity: i64,
    /// How many of them are set aside for orders.
    #[schema(minimum = 0)]
    reserved: i64,
    /// How many can still be ordered.
    #[schema(minimum = 0)]
    available: i64,
    /// How many units live and completed orders took, ever.
    #[schema(minimum = 0)]
    taken: i64,
    /// The price of one unit in minor units (cents).
    #[schema(minimum = 0, example = 1250)]
    price: i64,
    /// The currency of the price, ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// Raised with each change.
    #[schema(minimum = 1)]
    version: u64,
}

/// What a supply is set to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
pub struct SetStock {
    /// How many units lie in the store, those that are set aside included: what one counts on the
    /// shelf.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    quantity: i64,
    /// The price of one unit in minor units (cents).
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1250)]
    price: i64,
    /// The currency of the price, ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many to leave out at the start.
    #[serde(default)]
    #[param(minimum = 0, default = 0)]
    skip: i64,
    /// How many at most.
    #[serde(default = "some")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: i64,
}

fn some() -> i64 {
    20
}

/// Where all paths of the API begin.
pub const BASE: &str = "/api/v3";

#[derive(OpenApi)]
#[openapi(
    info(title = "inventory-service", description = "Pets by status, as in the Petstore's API, and the supplies."),
    tags(
        (name = "store", description = "How many pets the store has"),
        (name = "stock", description = "Supplies that orders can have besides the pet"),
    ),
    modifiers(&Bearer)
)]
struct Description;

/// Operators have a token.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("operator", scheme);
    }
}

/// The routes of the API, and the document that describes them.
pub fn routes(shelves: Shelves) -> (Router, utoipa::openapi::OpenApi) {
    let (routes, document) = described();
    (routes.with_state(shelves), document)
}

/// The document that describes the API.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    described().1
}

fn described() -> (Router<Shelves>, utoipa::openapi::OpenApi) {
    let api = OpenApiRouter::new()
        .routes(routes!(get_inventory))
        .routes(routes!(list_stock))
        .routes(routes!(get_stock, set_stock));
    OpenApiRouter::with_openapi(Description::openapi()).nest(BASE, api).split_for_parts()
}

/// Returns pet inventories by status.
///
/// Always all three of `available`, `pending` and `sold`. The counts follow the pets' events: a
/// change shows a moment later.
#[utoipa::path(get, path = "/store/inventory", tag = "store", operation_id = "getInventory", responses(
    (status = OK, description = "How many pets have each status", body = BTreeMap<String, i32>),
    (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
))]
async fn get_inventory(State(shelves): State<Shelves>) -> Result<Json<BTreeMap<&'static str, i32>>, Error> {
    let client = shelves.writer.pool().get().await.map_err(StoreError::from)?;
    let Counts { available, pending, sold } = store::counts(&client).await?;
    // The Petstore's numbers are of 32 bits.
    let shown = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
    Ok(Json([("available", available), ("pending", pending), ("sold", sold)].map(|(k, n)| (k, shown(n))).into()))
}

/// Returns supplies in the order of their names.
///
/// A few lists are read at once, others wait for them; what cannot be read within 5 seconds is answered 503.
#[utoipa::path(get, path = "/stock", tag = "stock", operation_id = "listStock", params(Page), responses(
    (status = OK, description = "The supplies of this part of the list", body = Vec<Supply>),
    (status = BAD_REQUEST, description = "`skip` or `limit` is not valid", body = Problem, content_type = MEDIA_TYPE),
    (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
))]
async fn list_stock(State(shelves): State<Shelves>, Query(page): Query<Page>) -> Result<Json<Vec<Supply>>, Error> {
    let page = page.check()?;
    let stock = shelves.lists.read(async |reading| store::list(reading, page.skip, page.limit).await).await?;
    Ok(Json(stock.into_iter().map(Supply::from).collect()))
}

/// Finds a supply by its name.
#[utoipa::path(get, path = "/stock/{sku}", tag = "stock", operation_id = "getStock",
    params(("sku" = String, Path, description = "The supply, in any spelling", max_length = 64)),
    responses(
        (status = OK, description = "The supply", body = Supply),
        (status = BAD_REQUEST, description = "That is no SKU", body = Problem, content_type = MEDIA_TYPE),
        (status = NOT_FOUND, description = "There is no such supply", body = Problem, content_type = MEDIA_TYPE),
        (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
    ))]
async fn get_stock(State(shelves): State<Shelves>, Path(sku): Path<String>) -> Result<Json<Supply>, Error> {
    let sku = read_sku(&sku)?;
    let client = shelves.writer.pool().get().await.map_err(StoreError::from)?;
    let stock = store::find(&client, &sku).await?.ok_or(Error::Unknown(sku))?;
    Ok(Json(stock.into()))
}

/// Sets what lies in the store of a supply, and its price.
///
/// The same again changes nothing. Orders that are placed keep the price that they were told.
#[utoipa::path(put, path = "/stock/{sku}", tag = "stock", operation_id = "setStock",
    params(("sku" = String, Path, description = "The supply, in any spelling", max_length = 64)),
    request_body = SetStock,
    security(("operator" = [])),
    responses(
        (status = OK, description = "The supply as it is now", body = Supply),
        (status = CREATED, description = "The supply, which is new", body = Supply),
        (status = BAD_REQUEST, description = "That is no SKU, or no JSON", body = Problem, content_type = MEDIA_TYPE),
        (status = UNAUTHORIZED, description = "No operator's token", body = Problem, content_type = MEDIA_TYPE),
        (status = CONFLICT, description = "Orders hold more than this", body = Problem, content_type = MEDIA_TYPE),
        (status = PAYLOAD_TOO_LARGE, description = "Above 1 MiB", body = Problem, content_type = MEDIA_TYPE),
        (status = UNSUPPORTED_MEDIA_TYPE, description = "Not JSON by its own account", body = Problem, content_type = MEDIA_TYPE),
        (status = UNPROCESSABLE_ENTITY, description = "A field is not valid", body = Problem, content_type = MEDIA_TYPE),
        (status = "default", description = "Unexpected error", body = Problem, content_type = MEDIA_TYPE),
    ))]
async fn set_stock(
    _operator: Operator,
    State(shelves): State<Shelves>,
    Path(sku): Path<String>,
    Json(wish): Json<SetStock>,
) -> Result<(StatusCode, Json<Supply>), Error> {
    let sku = read_sku(&sku)?;
    let (quantity, price) = wish.check()?;
    let now = clock::now();
    let ids = &shelves.ids;
    let (stock, created) = shelves.writer.write(async |on| set(on, ids, sku, quantity, price, now).await).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(stock.into())))
}

/// Sets a supply in a transaction: what it is then, whether it is new, and what is told of it.
async fn set(
    on: &Transaction<'_>,
    ids: &Ids,
    sku: Sku,
    quantity: OnHand,
    price: Money,
    now: Time,
) -> Result<((Stock, bool), Vec<Outgoing>), Error> {
    let mut stock = store::lock_to_set(on, &sku, price, now).await?;
    let before = stock.version;
    if !stock.set(quantity, price)? {
        return Ok(((stock, false), Vec::new()));
    }
    store::save_set(on, &stock, before, now).await?;
    let told = stock_set(ids, &stock, quantity, now)?;
    Ok(((stock, before == 0), vec![told.into()]))
}

fn stock_set(ids: &Ids, stock: &Stock, quantity: OnHand, now: Time) -> Result<Message, PayloadError> {
    let (sku, version) = (stock.sku.as_str(), stock.version);
    let body = Body::of(&StockSet { sku: stock.sku.clone(), quantity, price: stock.price })?;
    let id = ids.event_at(sku, version, StockSet::TYPE);
    Ok(Message::new(id, INVENTORY_SERVICE, sku, body, now).at_version(version))
}

fn read_sku(text: &str) -> Result<Sku, Error> {
    text.parse().map_err(|why: InvalidValue| Error::Parameter { name: "sku", why: why.to_string() })
}

impl Page {
    fn check(self) -> Result<Self, Error> {
        let wrong = |name, why: &str| Err(Error::Parameter { name, why: why.to_owned() });
        if self.skip < 0 {
            return wrong("skip", "must not be negative");
        }
        if !(1..=MOST).contains(&self.limit) {
            return wrong("limit", "must be between 1 and 100");
        }
        Ok(self)
    }
}

impl SetStock {
    /// How many units, and the price of one.
    ///
    /// # Errors
    /// [`Error::Field`], the first that is not valid.
    pub fn check(&self) -> Result<(OnHand, Money), Error> {
        let field = |field| move |why| Error::Field { field, why };
        let quantity = OnHand::new(self.quantity).map_err(field("quantity"))?;
        let currency = self.currency.parse().map_err(field("currency"))?;
        Ok((quantity, Money::new(self.price, currency).map_err(field("price"))?))
    }
}

impl From<Stock> for Supply {
    fn from(stock: Stock) -> Self {
        Self {
            available: stock.available(),
            sku: stock.sku.to_string(),
            quantity: stock.on_hand,
            reserved: stock.reserved,
            taken: stock.taken,
            price: stock.price.amount(),
            currency: stock.price.currency().into(),
            version: stock.version,
        }
    }
}
