//! Whether what is stored is what it must be: ids computed again, and views that are always empty.

use axum::extract::State;
use saga_core::{Direction, Ids, Message};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Admin, MOST, WhichSent};
use crate::http::{Json, Problem, Query};
use crate::store::admin;

/// How many places of the journal are looked through in one request.
const WINDOW: i64 = MOST as i64;

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichPart {
    /// After this place of the journal: the `next` of the answer before.
    after_seq: Option<i64>,
}

/// What was looked at, and what disagrees.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verified {
    /// An id that processes with the same salt and domain compute alike.
    probe: Uuid,
    /// How many sent messages were looked at.
    messages: usize,
    /// How many views that must be empty were looked at: those whose names begin with `unbalanced_`.
    views: usize,
    /// What is not as it must be.
    disagree: Vec<Disagreement>,
    /// Where to go on (`after_seq`), when there is more of the journal.
    next: Option<i64>,
}

/// Something that is not as it must be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Disagreement {
    /// A message, or a row of a view.
    what: String,
    /// What is wrong with it.
    why: String,
}

/// Verify what is stored, a part at a time
///
/// Computes the ids of sent messages again, and looks at the views that are always empty while rows and counts agree.
#[utoipa::path(get, path = "/admin/verify", tag = "operator", params(WhichPart), responses(
    (status = 200, description = "What disagrees", body = Verified),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn verify(
    State(admin): State<Admin>,
    Query(WhichPart { after_seq }): Query<WhichPart>,
) -> Result<Json<Verified>, Problem> {
    let after = after_seq.unwrap_or_default();
    let end = after.saturating_add(WINDOW);
    let window = WhichSent { after_seq: Some(after), until_seq: Some(end), limit: Some(MOST), ..WhichSent::default() };
    let sent = admin.sent(window).await?.messages;
    let mut disagree: Vec<Disagreement> = sent.iter().filter_map(|sent| wrong(&admin.ids, sent)).collect();
    let last = admin.extent(None, None).await?.last_seq;
    // The views are looked at once, with the first part.
    let views = if after == 0 { admin::unbalanced(&admin.client().await?).await? } else { Vec::new() };
    for (view, rows) in &views {
        let why = || format!("{view} must be empty");
        disagree.extend(rows.iter().map(|row| Disagreement { what: row.clone(), why: why() }));
    }
    let probe = admin.ids.correlation(Uuid::nil());
    let next = (end < last).then_some(end);
    Ok(Json(Verified { probe, messages: sent.len(), views: views.len(), disagree, next }))
}

fn wrong(ids: &Ids, sent: &admin::Sent) -> Option<Disagreement> {
    let disagreement =
        |why: &str| Some(Disagreement { what: format!("{} {}", sent.kind, sent.id), why: why.to_owned() });
    let Ok(message) = Message::parse(sent.body.as_bytes()) else { return disagreement("its bytes are no envelope") };
    if message.id != sent.id || message.kind != sent.kind || message.saga_id != sent.saga_id {
        return disagreement("its row and its bytes differ");
    }
    if message.saga_id.is_some_and(|saga| message.correlation_id != ids.correlation(saga)) {
        return disagreement("its correlation id does not follow from its saga");
    }
    if follows(ids, &message) { None } else { disagreement("its id follows from nothing that it says") }
}

/// Whether a message's id is one of those that its own words lead to.
fn follows(ids: &Ids, message: &Message) -> bool {
    let caused = message.causation_id.map(|cause| ids.event_caused(cause, &message.kind));
    let versions = message.aggregate_version.into_iter();
    let of_request = versions.map(|version| ids.event_at(&message.subject, version, &message.kind));
    let commands = message.saga_id.zip(message.step.as_deref()).into_iter().flat_map(|(saga, step)| {
        [Direction::Do, Direction::Undo].map(|direction| ids.command(saga, step, direction, message.epoch))
    });
    caused.into_iter().chain(of_request).chain(commands).any(|id| id == message.id)
}
