//! Sagas in lists, their definitions, and operators' words to one of them.

use axum::extract::State;
use saga_core::{OperatorWord, Time, mermaid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Api, checked};
use crate::http::{Json, Operator, Path, Problem, Query};
use crate::orchestrator::{Filter, SagaSummary, WordError, list as list_sagas, say};

const MOST: i64 = 1000;
const USUAL: i64 = 50;

/// Which sagas.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those in this state: running, prepared, completing, compensating, completed, rejected or cancelled.
    state: Option<String>,
    /// Those that end or ended for this reason.
    reason: Option<String>,
    /// Those started before this time (RFC 3339).
    #[serde(default, with = "crate::http::times::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    started_before: Option<Time>,
    /// With `started_before`: also those started at that very time whose id is smaller. The next page has `started_at` and
    /// `id` of the last saga of the page before.
    before_id: Option<Uuid>,
    /// Those that a person should look at.
    #[serde(default)]
    needs_intervention: bool,
    /// Those about this object.
    subject: Option<String>,
    /// Those whose first message's data says this: `userId=f9ede48f-...`, or deeper `ship.to=...`. No index helps.
    start: Option<String>,
    /// At most so many, 1 to 1000; 50 by default.
    limit: Option<i64>,
}

/// Sagas, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SagaList {
    sagas: Vec<SagaSummary>,
}

/// List sagas, newest first
#[utoipa::path(get, path = "/admin/sagas", tag = "sagas", params(Which), responses(
    (status = 200, description = "Sagas, newest first", body = SagaList),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<SagaList>, Problem> {
    let limit = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::invalid_parameter(format!("limit is {limit}; it can be 1 to {MOST}")));
    }
    let texts = [&which.state, &which.reason, &which.subject, &which.start];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Problem::invalid_parameter("a parameter contains the character U+0000"));
    }
    if which.before_id.is_some() && which.started_before.is_none() {
        return Err(Problem::invalid_parameter("before_id goes with started_before: both of the same saga"));
    }
    let start = which.start.as_deref().map(|start| {
        let (path, value) = start.split_once('=')?;
        Some((path.split('.').map(str::to_owned).collect(), value.to_owned()))
    });
    if start == Some(None) {
        return Err(Problem::invalid_parameter("start is not of the form name=value"));
    }
    let filter = Filter {
        start: start.flatten(),
        phase: which.state,
        reason: which.reason,
        started_before: which.started_before,
        before_id: which.before_id,
        needs_intervention: which.needs_intervention,
        subject: which.subject,
        limit,
    };
    Ok(Json(SagaList { sagas: list_sagas(api.writer.pool(), &filter).await? }))
}

/// A saga as its table defines it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DefinitionView {
    /// Its name.
    name: &'static str,
    /// Its version.
    version: u16,
    /// The names of its steps, in the order of the table.
    steps: Vec<&'static str>,
    /// The picture of it, as a Mermaid flowchart.
    mermaid: String,
}

/// Show the definitions that sagas run by
#[utoipa::path(get, path = "/admin/definitions", tag = "sagas", responses(
    (status = 200, description = "Every definition in every version that is known", body = Vec<DefinitionView>),
))]
pub(super) async fn definitions(State(api): State<Api>) -> Json<Vec<DefinitionView>> {
    let view = |definition: &saga_core::Definition| DefinitionView {
        name: definition.name,
        version: definition.version,
        steps: definition.steps.iter().map(|step| step.name).collect(),
        mermaid: mermaid(definition),
    };
    Json(api.orchestrator.definitions().map(view).collect())
}

/// Why an operator does something to a saga.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Because {
    /// For the audit, and for a cancellation the reason on the wire: at most 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub(super) reason: String,
}

/// Which step, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StepBecause {
    /// The step's name.
    step: String,
    /// For the audit: at most 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub(super) reason: String,
}

/// Which step counts as what, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SkipBecause {
    /// The step's name.
    step: String,
    /// For the audit: at most 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub(super) reason: String,
    /// It is being undone, and counts as undone; otherwise it counts as done.
    #[serde(default)]
    undone: bool,
}

/// How a saga stands after a word.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Said {
    /// Its id.
    id: Uuid,
    /// Where it stands.
    state: &'static str,
    /// Counts what was applied to it.
    version: u64,
}

/// Ask a saga to stop and undo
#[utoipa::path(post, path = "/admin/sagas/{id}/cancel", tag = "sagas", security(("token" = [])), request_body = Because,
    params(("id" = Uuid, Path, description = "The saga")), responses(
    (status = 200, description = "It is being undone", body = Said),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such saga", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Its state does not allow it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<Uuid>,
    Json(because): Json<Because>,
) -> Result<Json<Said>, Problem> {
    let reason = checked(&because.reason)?;
    speak(&api, id, OperatorWord::Cancel { reason: reason.to_owned() }, &who, reason).await
}

/// Run a step again, as a new epoch
#[utoipa::path(post, path = "/admin/sagas/{id}/retry", tag = "sagas", security(("token" = [])), request_body = StepBecause,
    params(("id" = Uuid, Path, description = "The saga")), responses(
    (status = 200, description = "The step was asked for again", body = Said),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such saga", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Its state does not allow it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn retry(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<Uuid>,
    Json(because): Json<StepBecause>,
) -> Result<Json<Said>, Problem> {
    let reason = checked(&because.reason)?;
    speak(&api, id, OperatorWord::Retry { step: because.step.clone(), starter: None }, &who, reason).await
}

/// Count a step as done, or its undo as done
#[utoipa::path(post, path = "/admin/sagas/{id}/skip", tag = "sagas", security(("token" = [])), request_body = SkipBecause,
    params(("id" = Uuid, Path, description = "The saga")), responses(
    (status = 200, description = "The step counts as done", body = Said),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such saga", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Its state does not allow it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn skip(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<Uuid>,
    Json(because): Json<SkipBecause>,
) -> Result<Json<Said>, Problem> {
    let reason = checked(&because.reason)?;
    speak(&api, id, OperatorWord::Skip { step: because.step.clone(), undone: because.undone }, &who, reason).await
}

async fn speak(api: &Api, id: Uuid, word: OperatorWord, who: &str, why: &str) -> Result<Json<Said>, Problem> {
    let saga = say(&api.orchestrator, &api.writer, id, word, who, why).await.map_err(refused)?;
    tracing::info!(operator = who, saga_id = %id, state = saga.phase.as_str(), "an operator spoke to a saga");
    Ok(Json(Said { id: saga.id, state: saga.phase.as_str(), version: saga.version }))
}

fn refused(error: WordError) -> Problem {
    match error {
        WordError::Unknown(_) => Problem::not_found(error.to_string()),
        WordError::UnknownDefinition(_) | WordError::Refused(_) => Problem::conflict(error.to_string()),
        WordError::Store(error) => error.into(),
    }
}
