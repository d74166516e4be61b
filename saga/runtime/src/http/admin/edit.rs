//! Replacing a parked message by an edited copy: an id of its own, derived from the original's, and on record in what
//! the two differ.

use axum::extract::State;
use saga_core::{Message, Route};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Admin;
use super::parked::{checked, close, not_published, target};
use crate::broker::{Parcel, Properties};
use crate::clock;
use crate::delivery::{Would, without_nul};
use crate::http::problem::{CONFLICT, INVALID_BODY};
use crate::http::{Json, Operator, Path, Problem};
use crate::store::admin::{self, Closed, Edit, ParkedState};
use crate::store::{Transaction, audit};

/// The corrected message.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Corrected {
    /// All of it: the envelope as it should be. Its id is derived, whatever stands there.
    #[schema(value_type = Object)]
    message: Value,
    /// For the audit: a sentence.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// What became of an edit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Edited {
    /// The queue that the copy went to.
    queue: String,
    /// The copy, and in what it differs.
    #[serde(flatten)]
    edit: Edit,
}

/// Replace a parked message by an edited copy
///
/// The copy gets an id derived from the original's, and goes into the original's queue; the original is closed. A copy
/// that would be parked again is refused.
#[utoipa::path(post, path = "/admin/parked/{id}/edit", tag = "operator", security(("token" = [])),
    params(("id" = i64, Path, description = "Its number")), request_body = Corrected, responses(
        (status = 200, description = "The copy is in the queue, the original is closed", body = Edited),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such message", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not parked, has no id, or its queue is gone", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The copy is no message, or would be parked again", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The broker did not take it; the original stays parked", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn edit(
    State(admin): State<Admin>,
    Operator(name): Operator,
    Path(id): Path<i64>,
    Json(corrected): Json<Corrected>,
) -> Result<Json<Edited>, Problem> {
    let reason = checked(&corrected.reason)?;
    let mut client = admin.client().await?;
    let transaction = Transaction::begin(&mut client).await?;
    let Closed { parked, body, .. } = close(&transaction, id, ParkedState::Edited).await?;
    let Some(original) = parked.message_id else {
        let detail =
            format!("message {id} has no id that another could be derived from: publish a right one, and discard it");
        return Err(Problem::new(&CONFLICT, detail));
    };
    let n = admin::edits(&transaction, id).await?.len() + 1;
    let message_id = admin.ids.edit(original, u32::try_from(n).unwrap_or(u32::MAX));
    let (message, copy) = copy_of(corrected.message, message_id)?;
    admin.check_copy(&parked.queue, &copy).await?;
    let difference = difference(&body, &message);
    let edit = Edit { n: i32::try_from(n).unwrap_or(i32::MAX), message_id, difference, at: clock::now() };
    admin::add_edit(&transaction, id, &edit).await?;
    audit(&transaction, edit.at, &name, "edit", &target(id), Some(reason)).await?;
    // As with a replay: published inside of the transaction, and the same id again after a crash between the two.
    let parcel = parcel(&parked.queue, &copy)?;
    admin.relay.publish_confirmed(parcel).await.map_err(not_published)?;
    transaction.commit().await?;
    tracing::info!(operator = name, parked = id, copy = %message_id, "a parked message was replaced by an edited copy");
    Ok(Json(Edited { queue: parked.queue, edit }))
}

impl Admin {
    /// A copy that its own handler would park again helps nobody. Where the queue is consumed elsewhere, nobody here knows.
    async fn check_copy(&self, queue: &str, copy: &Message) -> Result<(), Problem> {
        let outcomes = self.delivery()?.dry_run(queue, vec![copy.to_bytes()]).await?;
        let parked = outcomes.into_iter().flatten().find(|outcome| outcome.would == Would::Park);
        let Some(outcome) = parked else { return Ok(()) };
        Err(invalid(format!("the copy would be parked again: {}", outcome.why.unwrap_or_default())))
    }
}

/// The corrected message under its new id: as it was written, and as an envelope.
fn copy_of(mut message: Value, id: uuid::Uuid) -> Result<(Value, Message), Problem> {
    let fields = message.as_object_mut().ok_or_else(|| invalid("message is no JSON object".to_owned()))?;
    fields.insert("id".to_owned(), json!(id));
    let copy = Message::parse(message.to_string().as_bytes()).map_err(|error| invalid(error.to_string()))?;
    Ok((message, copy))
}

fn parcel(queue: &str, copy: &Message) -> Result<Parcel, Problem> {
    let properties = Properties::from(copy).to_json().map_err(|error| invalid(error.to_string()))?;
    Ok(Parcel { route: Route::to_queue(queue), properties, body: copy.to_bytes() })
}

/// What is written down of a corrected message, and its reason.
#[cfg(feature = "testing")]
pub(super) fn written(corrected: Corrected) -> Result<(Value, String), Problem> {
    let reason = checked(&corrected.reason)?.to_owned();
    let (message, copy) = copy_of(corrected.message, uuid::Uuid::nil())?;
    parcel("any", &copy)?;
    Ok((difference(b"{}", &message), reason))
}

fn invalid(detail: String) -> Problem {
    Problem::new(&INVALID_BODY, detail)
}

/// What differs between two messages: paths, with the value before and the one after, as it can be stored.
fn difference(original: &[u8], copy: &Value) -> Value {
    let before: Value = serde_json::from_slice(original).unwrap_or_default();
    let mut changes = Vec::new();
    compare("$", &before, copy, &mut changes);
    without_nul(changes.into())
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<Value>) {
    if before == after {
        return;
    }
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return changes.push(json!({ "path": path, "before": before, "after": after }));
    };
    for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
        let (old, new) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
        compare(&format!("{path}.{name}"), old, new, changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_each_path_with_both_values() {
        let mut changes = Vec::new();
        let before = json!({"id": 1, "data": {"status": "x", "pet": 7, "tags": [1]}});
        let after = json!({"id": 2, "data": {"status": "available", "pet": 7, "tags": [1, 2], "more": true}});
        compare("$", &before, &after, &mut changes);
        let expected = json!([
            {"path": "$.id", "before": 1, "after": 2},
            {"path": "$.data.status", "before": "x", "after": "available"},
            {"path": "$.data.tags", "before": [1], "after": [1, 2]},
            {"path": "$.data.more", "before": null, "after": true},
        ]);
        assert_eq!(Value::from(changes), expected);
    }
}
