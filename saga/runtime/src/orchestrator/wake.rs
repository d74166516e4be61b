//! Alarms: sagas whose time has come.

use saga_core::Input;

use super::store::Sagas;
use super::{Orchestrator, decide};
use crate::clock;
use crate::error::StoreError;
use crate::handler::Output;
use crate::store::Writer;

/// Wakes sagas whose alarm is due, at most `limit` in one transaction, and says how many. One
/// public single step: a loop calls it once a second, and again at once while there are more.
///
/// # Errors
/// [`StoreError`]: nothing happened, the alarms stay due.
pub async fn wake_due(orchestrator: &Orchestrator, writer: &Writer, limit: i64) -> Result<usize, StoreError> {
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
            Ok::<_, StoreError>((ids.len(), all))
        })
        .await
}
