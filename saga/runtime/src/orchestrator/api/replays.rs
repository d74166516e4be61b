//! Replays: asked for, looked at, paused, resumed, cancelled.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Api, checked};
use crate::broker::BrokerError;
use crate::http::problem::{BROKER_UNAVAILABLE, INVALID_BODY, PROCESS_SILENT, Problem};
use crate::http::{Json, Operator, Options, Path, Query};
use crate::orchestrator::processes::Unanswered;
use crate::orchestrator::replay::{self, Plan, Remark, Replay, Trouble, Word};

const MOST: i64 = 1000;
const USUAL: i64 = 50;

/// A replay that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewReplay {
    /// What to deliver again, and how.
    #[serde(flatten)]
    plan: Plan,
    /// Why, for the audit: at most 200 characters.
    #[schema(max_length = 200)]
    reason: Option<String>,
}

impl NewReplay {
    /// The plan, and the reason if there is one.
    pub(super) fn check(&self) -> Result<(&Plan, Option<&str>), Problem> {
        self.plan.check()?;
        Ok((&self.plan, self.reason.as_deref().map(checked).transpose()?))
    }
}

/// Start a replay
///
/// Stored messages are delivered again, same ids and same bytes, straight into queues. It never repeats what a
/// consumer has done: duplicates are counted. Its end is fixed by what there is now, and it goes on by itself after
/// a restart of the orchestrator or of the broker. `begins` says how far back its source reaches.
#[utoipa::path(post, path = "/admin/replays", tag = "replays", security(("token" = [])), request_body = NewReplay, responses(
    (status = 201, description = "It runs", body = Replay),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "It contradicts itself, or a queue or message is not there", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The broker or a process does not answer", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn start(
    State(api): State<Api>,
    Operator(who): Operator,
    Json(new): Json<NewReplay>,
) -> Result<Response, Problem> {
    let (plan, why) = new.check()?;
    let replay = api.replays.ask(plan.clone(), &who, why).await?;
    tracing::info!(operator = who, replay = %replay.id, total = replay.counters.total, "a replay was asked for");
    Ok((StatusCode::CREATED, Json(replay)).into_response())
}

/// Which replays.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those in this state: running, paused, stopped, finished or cancelled.
    state: Option<String>,
    /// At most so many, 1 to 1000; 50 by default.
    limit: Option<i64>,
}

/// Replays, youngest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayList {
    replays: Vec<Replay>,
}

/// List replays, youngest first
#[utoipa::path(get, path = "/admin/replays", tag = "replays", params(Which), responses(
    (status = 200, description = "Replays, youngest first", body = ReplayList),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<ReplayList>, Problem> {
    let state = which.state.as_deref();
    if state.is_some_and(|state| state.contains('\0')) {
        return Err(Problem::invalid_parameter("state contains the character U+0000"));
    }
    let replays = replay::list(&api.client().await?, state, limit(which.limit)?).await?;
    Ok(Json(ReplayList { replays }))
}

/// Show a replay
#[utoipa::path(get, path = "/admin/replays/{id}", tag = "replays", params(("id" = Uuid, Path, description = "The replay")), responses(
    (status = 200, description = "The replay", body = Replay),
    (status = 404, description = "No such replay", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(State(api): State<Api>, Path(id): Path<Uuid>) -> Result<Json<Replay>, Problem> {
    replay::find(&api.client().await?, id).await?.map(Json).ok_or_else(|| unknown(id))
}

/// Which remarks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichRemarks {
    /// Those with a greater place: the `n` of the last one of the answer before.
    after: Option<i64>,
    /// At most so many, 1 to 1000; 50 by default.
    limit: Option<i64>,
}

/// What is said of single messages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Remarks {
    messages: Vec<Remark>,
}

/// Say what became of single messages of a replay
///
/// Of a dry run: what each would do. Otherwise: those that failed, and parked ones that were not there to be delivered.
#[utoipa::path(get, path = "/admin/replays/{id}/messages", tag = "replays",
    params(("id" = Uuid, Path, description = "The replay"), WhichRemarks), responses(
    (status = 200, description = "Messages, in the order of the replay", body = Remarks),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn messages(
    State(api): State<Api>,
    Path(id): Path<Uuid>,
    Query(which): Query<WhichRemarks>,
) -> Result<Json<Remarks>, Problem> {
    let (after, limit) = (which.after.unwrap_or_default(), limit(which.limit)?);
    Ok(Json(Remarks { messages: replay::remarks(&api.client().await?, id, after, limit).await? }))
}

/// Why an operator says something to a replay.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct Because {
    /// For the audit: at most 200 characters.
    #[schema(max_length = 200)]
    reason: Option<String>,
}

impl Because {
    /// The reason, if there is one.
    pub(super) fn check(&self) -> Result<Option<&str>, Problem> {
        self.reason.as_deref().map(checked).transpose()
    }
}

/// Pause a replay
///
/// It delivers nothing any more once the chunk at hand is written down.
#[utoipa::path(post, path = "/admin/replays/{id}/pause", tag = "replays", security(("token" = [])), request_body = Option<Because>,
    params(("id" = Uuid, Path, description = "The replay")), responses(
    (status = 200, description = "It rests", body = Replay),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such replay", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It does not run", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn pause(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<Uuid>,
    Options(because): Options<Because>,
) -> Result<Json<Replay>, Problem> {
    speak(&api, id, Word::Pause, &who, &because).await
}

/// Resume a replay that is paused or was stopped
#[utoipa::path(post, path = "/admin/replays/{id}/resume", tag = "replays", security(("token" = [])), request_body = Option<Because>,
    params(("id" = Uuid, Path, description = "The replay")), responses(
    (status = 200, description = "It runs", body = Replay),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such replay", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It does not rest", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn resume(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<Uuid>,
    Options(because): Options<Because>,
) -> Result<Json<Replay>, Problem> {
    speak(&api, id, Word::Resume, &who, &because).await
}

/// Cancel a replay
///
/// What it has delivered stays delivered.
#[utoipa::path(post, path = "/admin/replays/{id}/cancel", tag = "replays", security(("token" = [])), request_body = Option<Because>,
    params(("id" = Uuid, Path, description = "The replay")), responses(
    (status = 200, description = "It is cancelled", body = Replay),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such replay", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It has ended", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<Uuid>,
    Options(because): Options<Because>,
) -> Result<Json<Replay>, Problem> {
    speak(&api, id, Word::Cancel, &who, &because).await
}

async fn speak(api: &Api, id: Uuid, word: Word, who: &str, because: &Because) -> Result<Json<Replay>, Problem> {
    let why = because.check()?;
    let (said, replay) = api.replays.say(id, word, who, why).await?.ok_or_else(|| unknown(id))?;
    if !said {
        let state = replay.state;
        let detail = format!("replay {id} is {state}: it cannot be told to {}", word.as_str());
        return Err(Problem::conflict(detail).with("state", state));
    }
    tracing::info!(operator = who, replay = %id, word = word.as_str(), "an operator spoke to a replay");
    Ok(Json(replay))
}

fn unknown(id: Uuid) -> Problem {
    Problem::not_found(format!("there is no replay {id}"))
}

fn limit(asked: Option<i64>) -> Result<i64, Problem> {
    match asked.unwrap_or(USUAL) {
        asked @ 1..=MOST => Ok(asked),
        asked => Err(Problem::invalid_parameter(format!("limit is {asked}; it can be 1 to {MOST}"))),
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Wrong(why) => Self::new(&INVALID_BODY, why),
            Trouble::Broker(error @ BrokerError::Missing { .. }) => Self::new(&INVALID_BODY, error.to_string()),
            Trouble::Process(Unanswered::Refused { detail, .. }) => Self::new(&INVALID_BODY, detail),
            Trouble::Process(Unanswered::Silent(silent)) => Self::new(&PROCESS_SILENT, silent.to_string()),
            Trouble::Broker(error) => Self::new(&BROKER_UNAVAILABLE, error.to_string()),
            Trouble::Publish(error) => Self::new(&BROKER_UNAVAILABLE, error.to_string()),
            Trouble::Store(error) => error.into(),
        }
    }
}
