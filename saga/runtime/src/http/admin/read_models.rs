//! Read models: looked at, and rebuilt.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Admin;
use super::parked::checked;
use crate::clock;
use crate::http::{Json, Operator, Path, Problem};
use crate::read_model::{self, ReadModelView, Started};
use crate::store::{Transaction, audit};

/// The read models of a process.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct ReadModels {
    /// Each with the rebuild of it that is under way, or the last one.
    read_models: Vec<ReadModelView>,
}

/// Why a read model is rebuilt.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Rebuild {
    /// For the audit: a sentence.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

/// List the read models
///
/// Which generation of each is served, and how far a rebuild is.
#[utoipa::path(get, path = "/admin/read-models", tag = "operator", responses(
    (status = 200, description = "The read models of this process; most have none", body = ReadModels),
))]
pub(super) async fn list(State(admin): State<Admin>) -> Result<Json<ReadModels>, Problem> {
    Ok(Json(ReadModels { read_models: read_model::list(&admin.client().await?).await? }))
}

/// Rebuild a read model
///
/// Fills a new generation from its source while the old one is served; events apply to both. In the end the new one is
/// served, in one statement. It goes on by itself, after a restart too.
#[utoipa::path(post, path = "/admin/read-models/{name}/rebuild", tag = "operator", security(("token" = [])),
    params(("name" = String, Path, description = "The read model")), request_body = Rebuild, responses(
        (status = 202, description = "It is under way", body = ReadModelView),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such read model", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is being rebuilt already", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason is too long", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn rebuild(
    State(admin): State<Admin>,
    Operator(who): Operator,
    Path(name): Path<String>,
    Json(because): Json<Rebuild>,
) -> Result<(StatusCode, Json<ReadModelView>), Problem> {
    let why = because.reason.as_deref().map(checked).transpose()?;
    let no_such = || Problem::not_found(format!("this process has no read model {name:?}"));
    // PostgreSQL keeps no U+0000, so nothing is called that.
    if name.contains('\0') {
        return Err(no_such());
    }
    let (now, mut client) = (clock::now(), admin.client().await?);
    let transaction = Transaction::begin(&mut client).await?;
    let started = read_model::start(&transaction, &name, &who, why, now).await?;
    let found = read_model::find(&transaction, &name).await?.ok_or_else(no_such)?;
    if started == Started::Before {
        let (by, read) = (found.who.as_deref().unwrap_or("somebody"), found.filled);
        return Err(Problem::conflict(format!("{by} has asked for a rebuild of {name}; {read} entries are read")));
    }
    audit(&transaction, now, &who, "rebuild", &name, why).await?;
    transaction.commit().await?;
    tracing::info!(operator = who, read_model = name, "a rebuild was asked for");
    admin.rebuild.notify_one();
    Ok((StatusCode::ACCEPTED, Json(found)))
}
