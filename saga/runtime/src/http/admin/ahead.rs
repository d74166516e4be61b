//! Looking ahead, at what messages would do here, and back, at what became of them.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Admin, MOST};
use crate::delivery::{Delivered, DryRun, Fate};
use crate::http::problem::INVALID_BODY;
use crate::http::{Json, Operator, Problem};

/// Messages, as they would come from a queue.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Came {
    /// The queue.
    pub(crate) queue: String,
    /// Their bytes.
    #[schema(max_items = 1000)]
    pub(crate) messages: Vec<String>,
}

/// What would become of each, in order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DryRuns {
    /// One for each message.
    pub(crate) outcomes: Vec<DryRun>,
}

/// Messages that came from a queue.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct QueueMessages {
    /// The queue.
    pub(crate) queue: String,
    /// Which.
    #[schema(max_items = 1000)]
    pub(crate) messages: Vec<Delivered>,
}

/// What became of each, in order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Fates {
    /// One for each message.
    pub(crate) fates: Vec<Fate>,
}

impl Came {
    /// Whether they can be looked at in one go.
    pub(super) fn check(&self) -> Result<(), Problem> {
        few_enough(self.messages.len())
    }
}

impl QueueMessages {
    /// Whether they can be looked for, and in one go.
    pub(super) fn check(&self) -> Result<(), Problem> {
        few_enough(self.messages.len())?;
        if self.messages.iter().any(|message| message.key.contains('\0')) {
            return Err(Problem::new(&INVALID_BODY, "a key contains the character U+0000"));
        }
        Ok(())
    }
}

impl Admin {
    /// What these messages would do if they came from this queue now.
    pub(crate) async fn would(&self, came: Came) -> Result<DryRuns, Problem> {
        came.check()?;
        let bodies = came.messages.into_iter().map(String::into_bytes).collect();
        let outcomes = self.delivery()?.dry_run(&came.queue, bodies).await?;
        Ok(DryRuns { outcomes: outcomes.ok_or_else(|| not_ours(&came.queue))? })
    }

    /// What became of messages that came from this queue.
    pub(crate) async fn became(&self, asked: &QueueMessages) -> Result<Fates, Problem> {
        asked.check()?;
        let QueueMessages { queue, messages } = asked;
        let fates = self.delivery()?.fates(queue, messages).await?;
        Ok(Fates { fates: fates.ok_or_else(|| not_ours(queue))? })
    }
}

/// Say what messages would do
///
/// Executes the real handler on each, in a transaction that is always rolled back. It changes nothing, and locks for a
/// moment what the handler would change.
#[utoipa::path(post, path = "/admin/dry-run", tag = "operator", security(("token" = [])), request_body = Came, responses(
    (status = 200, description = "What would become of each", body = DryRuns),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This process does not consume that queue", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "There are too many messages", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn dry_run(
    State(admin): State<Admin>,
    _who: Operator,
    Json(came): Json<Came>,
) -> Result<Json<DryRuns>, Problem> {
    admin.would(came).await.map(Json)
}

/// Say what became of messages
///
/// Handled, put off, parked, or not known here.
#[utoipa::path(post, path = "/admin/fates", tag = "operator", security(("token" = [])), request_body = QueueMessages, responses(
    (status = 200, description = "What became of each", body = Fates),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This process does not consume that queue", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "There are too many messages", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn fates(
    State(admin): State<Admin>,
    _who: Operator,
    Json(asked): Json<QueueMessages>,
) -> Result<Json<Fates>, Problem> {
    admin.became(&asked).await.map(Json)
}

fn few_enough(messages: usize) -> Result<(), Problem> {
    let most = MOST as usize;
    let too_many =
        || Problem::new(&INVALID_BODY, format!("{messages} messages are too many at once; {most} are the most"));
    if messages <= most { Ok(()) } else { Err(too_many()) }
}

fn not_ours(queue: &str) -> Problem {
    Problem::not_found(format!("this process does not consume the queue {queue}"))
}
