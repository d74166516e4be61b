//! Counts: sagas by state, what their open steps wait for, and how many began and ended within the last hour.

use axum::extract::State;
use saga_core::Time;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::Api;
use crate::clock;
use crate::http::{Json, Problem};
use crate::store::query;

const STATES: &str = "
    SELECT definition, phase, count(*), min(started_at), count(*) FILTER (WHERE needs_intervention)
    FROM sagas WHERE ended_at IS NULL OR started_at > $1 GROUP BY definition, phase ORDER BY definition, phase";

// What waits for an answer, by its row in the definition's table.
const STEPS: &str = "
    SELECT definition, definition_version, (n - 1)::int4, step->>'state', count(*), min((step->>'asked_at')::timestamptz)
    FROM sagas, LATERAL json_array_elements(state::json->'steps') WITH ORDINALITY AS s(step, n)
    WHERE ended_at IS NULL AND step->>'state' IN ('sent', 'undoing')
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

const LAST_HOUR: &str = "
    SELECT definition, count(*), count(*) FILTER (WHERE ended_at IS NOT NULL),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at)::float8),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at)::float8)
    FROM sagas WHERE started_at > $1 GROUP BY definition ORDER BY definition";

/// How the sagas are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    /// Sagas by state: all that are open, and those that were started within the last hour.
    states: Vec<InState>,
    /// Steps of open sagas that wait for an answer.
    steps: Vec<Waiting>,
    /// What began and ended within the last hour.
    last_hour: Vec<LastHour>,
}

/// Sagas in one state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InState {
    definition: String,
    state: String,
    count: i64,
    /// When the oldest of them was started.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    oldest: Time,
    /// How many of them a person should look at.
    needs_intervention: i64,
}

/// Sagas of which one step waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Waiting {
    definition: String,
    step: String,
    /// `sent` or `undoing`.
    state: String,
    count: i64,
    /// When the oldest of them was asked for.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest: Option<Time>,
}

/// Sagas of one definition that were started within the last hour.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LastHour {
    definition: String,
    started: i64,
    /// How many of them have ended.
    ended: i64,
    /// How long half of those took at most, in seconds.
    median_s: Option<f64>,
    /// How long 99 of 100 took at most, in seconds.
    p99_s: Option<f64>,
}

/// Count sagas by state and step
#[utoipa::path(get, path = "/admin/stats", tag = "sagas", responses(
    (status = 200, description = "How the sagas are", body = Stats),
))]
pub(super) async fn stats(State(api): State<Api>) -> Result<Json<Stats>, Problem> {
    let (client, hour_ago) = (api.client().await?, clock::now() - time::Duration::hours(1));
    let states = query(&client, STATES, &[&hour_ago]).await?;
    let steps = query(&client, STEPS, &[]).await?;
    let last_hour = query(&client, LAST_HOUR, &[&hour_ago]).await?;
    let in_state = |row: &Row| InState {
        definition: row.get(0),
        state: row.get(1),
        count: row.get(2),
        oldest: row.get(3),
        needs_intervention: row.get(4),
    };
    let of_hour = |row: &Row| LastHour {
        definition: row.get(0),
        started: row.get(1),
        ended: row.get(2),
        median_s: row.get(3),
        p99_s: row.get(4),
    };
    Ok(Json(Stats {
        states: states.iter().map(in_state).collect(),
        steps: steps.iter().map(|row| waiting(&api, row)).collect(),
        last_hour: last_hour.iter().map(of_hour).collect(),
    }))
}

fn waiting(api: &Api, row: &Row) -> Waiting {
    let (definition, version, n): (String, i32, i32) = (row.get(0), row.get(1), row.get(2));
    let mut known = api.orchestrator.definitions();
    let table = known.find(|known| known.name == definition && i32::from(known.version) == version);
    let step = table.and_then(|table| table.steps.get(usize::try_from(n).ok()?)).map(|step| step.name.to_owned());
    let step = step.unwrap_or_else(|| format!("step {n}"));
    Waiting { definition, step, state: row.get(3), count: row.get(4), oldest: row.get(5) }
}
