//! Alarms: sagas whose time has come.

use std::sync::Arc;
use std::time::Duration;

use saga_core::Input;
use tokio_util::sync::CancellationToken;

use super::store::Sagas;
use super::{Orchestrator, decide};
use crate::clock;
use crate::error::StoreError;
use crate::handler::Output;
use crate::process::pause;
use crate::store::Writer;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many sagas are woken in one transaction.
const AT_ONCE: i64 = 100;

/// Wakes sagas whose alarm is due, at most `limit` in one transaction, and says how many. One
/// public single step: a loop calls it once a second, and again at once while there are more.
///
/// # Errors
/// [`StoreError`]: nothing happened, the alarms stay due.
pub async fn wake_due(orchestrator: &Orchestrator, writer: &Writer, limit: i64) -> Result<i64, StoreError> {
    let now = clock::now();
    writer
        .transact(async |transaction| {
            let mut sagas = Sagas::lock_due(transaction, now, limit).await?;
            let ids = sagas.ids();
            let mut all = Output::default();
            for id in &ids {
                let Some(saga) = sagas.get(*id) else { continue };
                let Some(engine) = orchestrator.engine_of(saga) else {
                    tracing::error!(saga_id = %id, definition = saga.definition, version = saga.definition_version,
                        "a saga is due whose definition this program does not know");
                    continue;
                };
                match decide(engine, saga, Input::Wake, now) {
                    Ok(decision) => {
                        let (next, output) = orchestrator.output(Some(saga), decision);
                        sagas.set(next, now);
                        all.send.extend(output.send);
                        all.resend.extend(output.resend);
                    }
                    Err(refusal) => tracing::error!(saga_id = %id, %refusal, "a saga cannot be woken"),
                }
            }
            sagas.save(transaction, now).await?;
            Ok::<_, StoreError>((i64::try_from(ids.len()).unwrap_or(limit), all))
        })
        .await
}

/// Wakes sagas once a second, and again at once while there are many.
pub async fn wake_always(orchestrator: Arc<Orchestrator>, writer: Writer, stop: CancellationToken) {
    loop {
        let wait = match wake_due(&orchestrator, &writer, AT_ONCE).await {
            Ok(woken) if woken >= AT_ONCE => Duration::ZERO,
            Ok(_) => LOOK_EVERY,
            Err(error) => {
                tracing::warn!(%error, "sagas that are due wait a little longer");
                LOOK_EVERY
            }
        };
        if pause(wait, &stop).await.is_break() {
            break;
        }
    }
}
