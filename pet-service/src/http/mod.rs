//! The Petstore's API for pets, with our extensions.

mod catalogue;
mod extract;
pub mod query;
pub mod wire;

use axum::extract::State;
use axum::http::header::LINK;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use saga_contract::PetNumber;
use saga_runtime::http::problem::{MEDIA_TYPE, Problem};
use saga_runtime::http::{Json, Query};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::Draft;
use crate::error::Error;
pub use catalogue::Catalogue;
use extract::PetId;
use query::{ByStatus, FeedPage};
use wire::{PetDocument, StandingDocument, Status};

/// Where all paths of the API begin.
pub const BASE: &str = "/api/v3";

#[derive(OpenApi)]
#[openapi(
    info(title = "pet-service", description = "The pets of the store: the Petstore's API, with our extensions."),
    tags((name = "pet", description = "Everything about the pets")),
    components(schemas(Problem)),
)]
struct Description;

/// The routes of the API, and the document that describes them.
pub fn routes(catalogue: Catalogue) -> (axum::Router, utoipa::openapi::OpenApi) {
    let (routes, document) = described();
    (routes.with_state(catalogue), document)
}

/// The document that describes the API.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    described().1
}

fn described() -> (axum::Router<Catalogue>, utoipa::openapi::OpenApi) {
    let pets = OpenApiRouter::new()
        .routes(routes!(add_pet, update_pet))
        .routes(routes!(find_pets_by_status))
        .routes(routes!(feed))
        .routes(routes!(get_pet_by_id, delete_pet));
    let (routes, mut document) = OpenApiRouter::with_openapi(Description::openapi()).nest(BASE, pets).split_for_parts();
    describe_problems(&mut document);
    (routes, document)
}

/// Every answer that is no success is a problem: said once, for all of them.
fn describe_problems(document: &mut utoipa::openapi::OpenApi) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    let items = document.paths.paths.values_mut();
    let operations = items.flat_map(|item| [&mut item.get, &mut item.put, &mut item.post, &mut item.delete]).flatten();
    for (status, response) in operations.flat_map(|operation| operation.responses.responses.iter_mut()) {
        if let (false, RefOr::T(response)) = (status.starts_with('2'), response) {
            response.content.insert(MEDIA_TYPE.to_owned(), RefOr::T(problem.clone()));
        }
    }
}

/// Add a new pet to the store.
///
/// Without an id, or with 0, it gets a free one. An id that a pet has or had is refused, and so is
/// another status than `available`: a pet's status follows its orders.
#[utoipa::path(
    post, path = "/pet", tag = "pet", operation_id = "addPet",
    request_body(content = PetDocument, description = "Create a new pet in the store"),
    responses(
        (status = 200, description = "Successful operation", body = PetDocument),
        (status = 400, description = "Invalid input"),
        (status = 409, description = "The id is or was another pet's, or the status is not for clients to set"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "Validation exception"),
        (status = "default", description = "Unexpected error"),
    ),
)]
async fn add_pet(State(catalogue): State<Catalogue>, Json(pet): Json<PetDocument>) -> Result<Json<PetDocument>, Error> {
    let (number, draft) = to_add(pet)?;
    Ok(Json(catalogue.add(number, draft).await?.into()))
}

/// Update an existing pet.
///
/// Replaces name, category, pictures and tags; price and currency stay when they are absent. The
/// status may be absent or the present one: it follows the pet's orders. An update that changes
/// nothing succeeds, and nobody is told of it.
#[utoipa::path(
    put, path = "/pet", tag = "pet", operation_id = "updatePet",
    request_body(content = PetDocument, description = "Update an existent pet in the store"),
    responses(
        (status = 200, description = "Successful operation", body = PetDocument),
        (status = 400, description = "Invalid ID supplied"),
        (status = 404, description = "Pet not found"),
        (status = 409, description = "The status is not for clients to set"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "Validation exception"),
        (status = "default", description = "Unexpected error"),
    ),
)]
async fn update_pet(
    State(catalogue): State<Catalogue>,
    Json(pet): Json<PetDocument>,
) -> Result<Json<PetDocument>, Error> {
    let (number, draft) = to_update(pet)?;
    Ok(Json(catalogue.update(number, draft).await?.into()))
}

/// Finds Pets by status.
///
/// Multiple status values can be provided with comma separated strings, or by repeating the
/// parameter. In the order of their ids; the header `Link` leads to the next page if there is one. A few
/// lists are read at once, others wait for them; what cannot be read within 5 seconds is answered 503.
#[utoipa::path(
    get, path = "/pet/findByStatus", tag = "pet", operation_id = "findPetsByStatus",
    params(
        ("status" = inline(Option<Status>), Query, explode, description = "Status values that need to be considered for filter; `available` if absent"),
        ("after" = Option<i64>, Query, minimum = 0, description = "Only pets with a higher id; all if absent"),
        ("skip" = Option<i64>, Query, minimum = 0, maximum = 10_000, description = "Leave out so many of the first ones, 10,000 at most; for pages further on there is `after`"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "So many at most; 100 if absent"),
    ),
    responses(
        (status = 200, description = "successful operation", body = Vec<PetDocument>),
        (status = 400, description = "Invalid status value"),
        (status = "default", description = "Unexpected error"),
    ),
)]
async fn find_pets_by_status(
    State(catalogue): State<Catalogue>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<(HeaderMap, Json<Vec<PetDocument>>), Error> {
    let asked = ByStatus::parse(&pairs)?;
    let (pets, more) = catalogue.find_by_status(&asked).await?;
    let last = pets.last().filter(|_| more).map(|last| last.number);
    let link = last.map(|last| format!("<{BASE}/pet/findByStatus?{}>; rel=\"next\"", asked.next(last)));
    let link = link.and_then(|link| HeaderValue::try_from(link).ok());
    let headers = link.into_iter().map(|link| (LINK, link)).collect();
    Ok((headers, Json(pets.into_iter().map(PetDocument::from).collect())))
}

/// Where every pet stands, deleted ones included, for rebuilding a read model.
///
/// In the order of their ids; ask again with the last id as `after` until the answer is empty.
/// Pets may change meanwhile: each entry is true of its version, and messages tell of later ones.
#[utoipa::path(
    get, path = "/pet/feed", tag = "pet", operation_id = "feedPets",
    params(
        ("after" = Option<i64>, Query, minimum = 0, description = "Only pets with a higher id; all if absent"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "So many at most; 1000 if absent"),
    ),
    responses(
        (status = 200, description = "successful operation", body = Vec<StandingDocument>),
        (status = 400, description = "Invalid value"),
        (status = "default", description = "Unexpected error"),
    ),
)]
async fn feed(
    State(catalogue): State<Catalogue>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Vec<StandingDocument>>, Error> {
    let standings = catalogue.feed(FeedPage::parse(&pairs)?).await?;
    Ok(Json(standings.into_iter().map(StandingDocument::from).collect()))
}

/// Find pet by ID.
///
/// Returns a single pet.
#[utoipa::path(
    get, path = "/pet/{petId}", tag = "pet", operation_id = "getPetById",
    params(("petId" = i64, Path, description = "ID of pet to return")),
    responses(
        (status = 200, description = "successful operation", body = PetDocument),
        (status = 400, description = "Invalid ID supplied"),
        (status = 404, description = "Pet not found"),
        (status = "default", description = "Unexpected error"),
    ),
)]
async fn get_pet_by_id(State(catalogue): State<Catalogue>, PetId(number): PetId) -> Result<Json<PetDocument>, Error> {
    Ok(Json(catalogue.find(number).await?.into()))
}

/// Deletes a pet.
///
/// One that is reserved or sold stays. The id of a deleted pet is never given again.
#[utoipa::path(
    delete, path = "/pet/{petId}", tag = "pet", operation_id = "deletePet",
    params(
        ("petId" = i64, Path, description = "Pet id to delete"),
        ("api_key" = Option<String>, Header, description = "Taken for the Petstore's sake, and ignored"),
    ),
    responses(
        (status = 200, description = "Pet deleted"),
        (status = 400, description = "Invalid pet value"),
        (status = 404, description = "Pet not found"),
        (status = 409, description = "The pet is reserved or sold"),
        (status = "default", description = "Unexpected error"),
    ),
)]
async fn delete_pet(State(catalogue): State<Catalogue>, PetId(number): PetId) -> Result<StatusCode, Error> {
    catalogue.delete(number).await?;
    Ok(StatusCode::OK)
}

/// What a client wants to add, and under which number if not under a free one.
///
/// # Errors
/// [`Error`]: the number is none that a pet can have, a text cannot be stored.
pub fn to_add(pet: PetDocument) -> Result<(Option<PetNumber>, Draft), Error> {
    let number = pet.id.filter(|id| *id != 0).map(number).transpose()?;
    Ok((number, checked(pet)?.into()))
}

/// Which pet a client wants to update, and to what.
///
/// # Errors
/// [`Error`]: there is no number or none that a pet can have, a text cannot be stored.
pub fn to_update(pet: PetDocument) -> Result<(PetNumber, Draft), Error> {
    let number = number(pet.id.ok_or(Error::NoId)?)?;
    Ok((number, checked(pet)?.into()))
}

fn number(id: i64) -> Result<PetNumber, Error> {
    PetNumber::new(id).map_err(Error::InvalidId)
}

fn checked(document: PetDocument) -> Result<PetDocument, Error> {
    if document.contains_nul() { Err(Error::ContainsNul) } else { Ok(document) }
}
