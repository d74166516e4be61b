//! Whether what is stored is what it must be: ids computed again, and views that are always empty.

use axum::extract::State;
use saga_core::{Direction, Ids, Message};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Admin, MOST, SentList, WINDOW, WhichSent};
use crate::check::{Disagreement, Looked};
use crate::http::{Json, Problem, Query};
use crate::store::admin;

/// The first part, which is of every process.
const JOURNAL: &str = "journal";

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichPart {
    /// The `next` of the answer before.
    after: Option<String>,
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
    /// How many rows of the process's own were looked at.
    rows: usize,
    /// What is not as it must be.
    disagree: Vec<Disagreement>,
    /// Where to go on (`after`), when there is more.
    next: Option<String>,
}

/// Verify what is stored, a part at a time
///
/// Computes the ids of sent messages again, looks at the views that are always empty while rows and counts agree, and
/// then at what the process holds against something else: ids against what they are made of, a read model against its
/// source.
#[utoipa::path(get, path = "/admin/verify", tag = "operator", params(WhichPart), responses(
    (status = 200, description = "What disagrees", body = Verified),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "What it is held against does not answer", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn verify(
    State(admin): State<Admin>,
    Query(WhichPart { after }): Query<WhichPart>,
) -> Result<Json<Verified>, Problem> {
    let after = after.as_deref().unwrap_or(JOURNAL);
    let (of, place) = after.split_once('/').map_or((after, None), |(of, place)| (of, Some(place)));
    let unknown = || Problem::invalid_parameter(format!("after is {after:?}, which is the next of no answer"));
    let probe = admin.ids.correlation(Uuid::nil());
    if of == JOURNAL {
        let place = place.map_or(Ok(0), |place| place.parse().map_err(|_| unknown()))?;
        let (messages, views, disagree, next) = admin.verify_journal(place).await?;
        return Ok(Json(Verified { probe, messages, views, rows: 0, disagree, next }));
    }
    let number = admin.checks.iter().position(|check| check.of() == of).ok_or_else(unknown)?;
    let Looked { rows, disagree, next } = admin.checks[number].look(place).await?;
    let next = match next {
        Some(place) => Some(format!("{of}/{place}")),
        None => admin.checks.get(number + 1).map(|check| check.of().to_owned()),
    };
    Ok(Json(Verified { probe, messages: 0, views: 0, rows, disagree, next }))
}

impl Admin {
    /// A window of the journal: how many messages and views were looked at, what disagrees, and where to go on.
    async fn verify_journal(&self, after: i64) -> Result<(usize, usize, Vec<Disagreement>, Option<String>), Problem> {
        let end = after.saturating_add(WINDOW);
        let (after_seq, until_seq, limit) = (Some(after), Some(end), Some(MOST));
        let which = WhichSent { after_seq, until_seq, limit, ..WhichSent::default() };
        let SentList { messages: sent, next } = self.sent(which).await?;
        let reached = next.unwrap_or(end);
        let mut disagree: Vec<Disagreement> = sent.iter().filter_map(|sent| wrong(&self.ids, sent)).collect();
        let last = admin::last_place(&self.client().await?).await?;
        // The views are looked at once, with the first part.
        let views = if after == 0 { admin::unbalanced(&self.client().await?).await? } else { Vec::new() };
        for (view, rows) in &views {
            let why = || format!("{view} must be empty");
            disagree.extend(rows.iter().map(|row| Disagreement { what: row.clone(), why: why() }));
        }
        let own = || self.checks.first().map(|check| check.of().to_owned());
        let next = if reached < last { Some(format!("{JOURNAL}/{reached}")) } else { own() };
        Ok((sent.len(), views.len(), disagree, next))
    }
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
    let at = |aggregate: &str| message.aggregate_version.map(|version| ids.event_at(aggregate, version, &message.kind));
    let of_request = at(&message.subject);
    // The subject of what a saga says is what it is about; the saga's own id is in what no message made it say.
    let of_saga = message.saga_id.and_then(|saga| at(&saga.to_string()));
    let commands = message.saga_id.zip(message.step.as_deref()).into_iter().flat_map(|(saga, step)| {
        [Direction::Do, Direction::Undo].map(|direction| ids.command(saga, step, direction, message.epoch))
    });
    caused.into_iter().chain(of_request).chain(of_saga).chain(commands).any(|id| id == message.id)
}

#[cfg(test)]
mod tests {
    use idforge::Salt;
    use saga_core::Body;
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_no_message_caused_has_its_id_from_its_subject_or_from_its_saga_and_from_nothing_else() {
        let ids = Ids::new(&Salt::new("a salt of this test alone").unwrap(), "petstore.example");
        let (saga, order, kind) = (Uuid::from_u128(7), "the order", "SAGA_NEEDS_INTERVENTION");
        let follows = |aggregate: &str, cause: Option<Uuid>| {
            let body = Body { kind, version: 1, data: json!({}) };
            let id = ids.event_at(aggregate, 4, kind);
            let mut message = Message::new(id, "saga", order, body, datetime!(2026-11-20 12:00 UTC)).at_version(4);
            (message.saga_id, message.causation_id) = (Some(saga), cause);
            follows(&ids, &message)
        };
        for cause in [None, Some(ids.timer(saga, "sell_pet", Direction::Do, "deadline", 0, 0))] {
            assert!(follows(order, cause), "of a request");
            assert!(follows(&saga.to_string(), cause), "of a timer, or of an operator");
            assert!(!follows("another", cause));
        }
    }
}
