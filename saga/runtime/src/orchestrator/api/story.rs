//! The story of one saga, from all processes that can be asked; and the way to those processes.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use saga_core::{Instance, Message};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use crate::clock::MOST_APART;
use crate::error::StoreError;
use crate::http::problem::{PROCESS_SILENT, Problem};
use crate::http::{Json, Path};
use crate::orchestrator::{Entry, Peer, SOURCE, Seen, Silent, find, received, sent};

/// A saga with its story.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Story {
    /// Its id.
    id: Uuid,
    /// Its definition.
    definition: String,
    /// The version of the definition.
    definition_version: u16,
    /// What it is about.
    subject: String,
    /// Where it stands.
    state: &'static str,
    /// Why it ends or ended, unless it completes.
    reason: Option<String>,
    /// Whether a person should look.
    needs_intervention: bool,
    /// When it was started.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    started_at: saga_core::Time,
    /// Its steps, in the order of the table.
    steps: Vec<StepView>,
    /// Every message that was seen of it, in order of time: of each process the first thousand.
    timeline: Vec<Entry>,
    /// What is missing in the timeline: processes that did not answer, and this one, should it not find its own in time.
    unseen: Vec<Unseen>,
}

/// Where a step stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepView {
    /// Its name.
    name: String,
    /// Its state: pending, sent, done, refused, skipped, undoing or undone.
    #[schema(value_type = String)]
    state: saga_core::StepState,
    /// Which run of it.
    epoch: u32,
    /// How often its request was sent again, since it was last asked for.
    resends: u32,
}

/// A process that could not be asked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unseen {
    /// The process.
    process: String,
    /// Why.
    why: String,
}

/// Show one saga with its story
///
/// By its own id, or by the id of what it is about. Participants are asked for what they sent; whoever
/// does not answer is named.
#[utoipa::path(get, path = "/admin/sagas/{id}", tag = "sagas", params(("id" = Uuid, Path, description = "The saga, or what it is about")),
    responses(
        (status = 200, description = "The saga", body = Story),
        (status = 404, description = "No such saga", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(State(api): State<Api>, Path(id): Path<Uuid>) -> Result<Json<Story>, Problem> {
    let pool = api.writer.pool();
    let saga = find(pool, id)
        .await?
        .ok_or_else(|| Problem::not_found(format!("there is no saga {id}, and none about {id}")))?;
    let mut entries = received(pool, &saga).await?;
    let mut unseen = Vec::new();
    // What takes too long to find here is missing, as it is where another process does not answer.
    match sent(pool, &saga, &entries).await {
        Ok(sent) => entries.extend(sent),
        Err(error @ StoreError::TooLong(_)) => {
            unseen.push(Unseen { process: SOURCE.to_owned(), why: error.to_string() });
        }
        Err(error) => return Err(error.into()),
    }
    let journal = journal_of(&saga, &entries).map_err(|error| Problem::internal(&error))?;
    let asked = api.peers.iter().map(|peer| sent_by(&api, peer, &journal));
    for answer in futures_util::future::join_all(asked).await {
        match answer {
            Ok(sent) => entries.extend(sent),
            Err(Silent { process, why }) => unseen.push(Unseen { process, why }),
        }
    }
    // What came in led to what went out with the same time.
    entries.sort_by_key(|entry| (entry.at, entry.seen == Seen::Sent));
    Ok(Json(story(&api, saga, entries, unseen)))
}

/// What a peer's journal says.
#[derive(Deserialize)]
struct Journal {
    messages: Vec<JournalEntry>,
}

#[derive(Deserialize)]
struct JournalEntry {
    body: String,
}

/// Where a participant shows what it sent for a saga. Its journal goes by time, and nobody reads all of it for one saga: from
/// when this one began to the last that is known of it here, or to now while it goes on.
fn journal_of(saga: &Instance, known: &[Entry]) -> Result<String, time::error::Format> {
    let begins = (saga.started_at - MOST_APART).format(&Rfc3339)?;
    let all = format!("admin/journal?saga={}&limit=1000&from={begins}", saga.id);
    let last = known.iter().map(|entry| entry.at).max().filter(|_| saga.phase.is_end());
    let Some(last) = last else { return Ok(all) };
    Ok(format!("{all}&until={}", (last + MOST_APART).format(&Rfc3339)?))
}

async fn sent_by(api: &Api, peer: &Peer, journal: &str) -> Result<Vec<Entry>, Silent> {
    let journal: Journal = api.peers.ask(peer, journal).await?;
    let silent = |why: String| Silent { process: peer.name.clone(), why };
    let parse = |entry: &JournalEntry| Message::parse(entry.body.as_bytes()).map_err(|error| silent(error.to_string()));
    journal.messages.iter().map(|entry| Ok(Entry::sent(&parse(entry)?))).collect()
}

fn story(api: &Api, saga: Instance, timeline: Vec<Entry>, unseen: Vec<Unseen>) -> Story {
    let names = api.orchestrator.engine_of(&saga).map(|engine| engine.definition.steps).unwrap_or_default();
    let steps = saga.steps.iter().enumerate().map(|(row, record)| StepView {
        name: names.get(row).map_or_else(|| format!("step {row}"), |step| step.name.to_owned()),
        state: record.state,
        epoch: record.epoch,
        resends: record.resends,
    });
    Story {
        steps: steps.collect(),
        id: saga.id,
        state: saga.phase.as_str(),
        reason: saga.end.map(|end| end.reason),
        definition: saga.definition,
        definition_version: saga.definition_version,
        subject: saga.subject,
        needs_intervention: saga.needs_intervention,
        started_at: saga.started_at,
        timeline,
        unseen,
    }
}

/// Another process.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProcessView {
    /// Its name, as in `/admin/processes/{name}/...`.
    name: String,
    /// Where its HTTP is.
    url: String,
}

/// List the other processes
#[utoipa::path(get, path = "/admin/processes", tag = "sagas", responses(
    (status = 200, description = "The processes that SAGA_PROCESSES names", body = Vec<ProcessView>),
))]
pub(super) async fn processes(State(api): State<Api>) -> Json<Vec<ProcessView>> {
    Json(api.peers.iter().map(|peer| ProcessView { name: peer.name.clone(), url: peer.url.to_string() }).collect())
}

/// Ask another process
///
/// Passes the request on to `/admin/{path}` of that process.
#[utoipa::path(get, path = "/admin/processes/{name}/{*path}", tag = "sagas",
    params(("name" = String, Path, description = "The process"), ("path" = String, Path, description = "Below its /admin")),
    responses(
        (status = 200, description = "What it answers"),
        (status = 404, description = "No such process", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It did not answer", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn ask_process(
    State(api): State<Api>,
    Path((name, path)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    pass_on(&api, Method::GET, &name, &path, query, None, Bytes::new()).await
}

/// Tell another process
///
/// Passes the request on to `/admin/{path}` of that process, with the token of whoever asks.
#[utoipa::path(post, path = "/admin/processes/{name}/{*path}", tag = "sagas", security(("token" = [])), request_body = serde_json::Value,
    params(("name" = String, Path, description = "The process"), ("path" = String, Path, description = "Below its /admin")),
    responses(
        (status = 200, description = "What it answers"),
        (status = 404, description = "No such process", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It did not answer", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn tell_process(
    State(api): State<Api>,
    Path((name, path)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let token = headers.get(AUTHORIZATION).and_then(|token| token.to_str().ok());
    pass_on(&api, Method::POST, &name, &path, query, token, body).await
}

async fn pass_on(
    api: &Api,
    method: Method,
    name: &str,
    path: &str,
    query: Option<String>,
    token: Option<&str>,
    body: Bytes,
) -> Result<Response, Problem> {
    let known = || api.peers.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>().join(", ");
    let unknown = || Problem::not_found(format!("no process {name} is known here; there are {}", known()));
    let peer = api.peers.get(name).ok_or_else(unknown)?;
    let path = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let url = peer.admin(&path).ok_or_else(|| Problem::invalid_parameter("the path leaves /admin"))?;
    let silent = |error: Silent| Problem::new(&PROCESS_SILENT, error.to_string());
    let answer = api.peers.pass_on(peer, method, url, token, body.to_vec()).await.map_err(silent)?;
    let (status, content_type) = (answer.status(), answer.headers().get("content-type").cloned());
    let body = answer.bytes().await.map_err(|error| Problem::new(&PROCESS_SILENT, error.to_string()))?;
    let mut response = (status, body).into_response();
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    Ok(response)
}
