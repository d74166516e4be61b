//! An operator's words to one saga: cancel, retry, skip.

use saga_core::{Engine, Input, Instance, Message, MessageRef, OperatorWord, Refusal};
use uuid::Uuid;

use super::store::Sagas;
use super::{Orchestrator, output};
use crate::clock;
use crate::error::StoreError;
use crate::store::{Transaction, Writer, audit, day_of, query_opt};

// The event itself, or the copy of it that an earlier retry made.
const STARTER: &str = "
    SELECT body FROM inbox WHERE day = $1 AND id = $2 AND body IS NOT NULL
    UNION ALL SELECT bodies[array_position(ids, $2)] FROM journal_entries
    WHERE day = $1 AND time = $3 AND $2 = ANY(ids) LIMIT 1";

/// A word that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum WordError {
    /// There is no such saga.
    #[error("there is no saga {0}")]
    Unknown(Uuid),
    /// The saga's definition is not known to this program.
    #[error("saga {0} was started with a definition that this program does not know")]
    UnknownDefinition(Uuid),
    /// It does not fit the saga's state.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database did not do what it was asked to.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says a word to a saga, in one transaction with its audit row, and gives the saga as it is then.
///
/// # Errors
/// [`WordError`]: nothing happened.
pub async fn say(
    orchestrator: &Orchestrator,
    writer: &Writer,
    id: Uuid,
    word: OperatorWord,
    who: &str,
    why: &str,
) -> Result<Instance, WordError> {
    let now = clock::now();
    let (next, news) = writer
        .transact(async |transaction| {
            let mut sagas = Sagas::lock(transaction, &[id]).await?;
            let saga = sagas.get(id).ok_or(WordError::Unknown(id))?;
            let engine = orchestrator.engine_of(saga).ok_or(WordError::UnknownDefinition(id))?;
            let word = with_starter(transaction, engine, saga, word).await?;
            let decision = engine.decide(Some(saga), Input::Operator(&word), now)?;
            let (next, output) = output(decision);
            orchestrator.keep(&mut sagas, next.clone(), now);
            let (writes, news) = orchestrator.writes(sagas, now);
            writes.send(transaction).await?;
            audit(transaction, now, who, name_of(&word), &id.to_string(), Some(why)).await?;
            Ok::<_, WordError>(((next, news), output))
        })
        .await?;
    news.tell();
    Ok(next)
}

/// The event that started a step is among the messages that were kept.
async fn with_starter(
    transaction: &Transaction<'_>,
    engine: &Engine,
    saga: &Instance,
    word: OperatorWord,
) -> Result<OperatorWord, StoreError> {
    let OperatorWord::Retry { step, starter: None } = word else { return Ok(word) };
    let row = engine.definition.index_of(&step).filter(|row| engine.definition.steps[*row].starter().is_some());
    let starter = match row.and_then(|row| saga.steps[row].request) {
        Some(request) => kept(transaction, request).await?.map(Box::new),
        None => None,
    };
    Ok(OperatorWord::Retry { step, starter })
}

async fn kept(transaction: &Transaction<'_>, request: MessageRef) -> Result<Option<Message>, StoreError> {
    let row = query_opt(transaction, STARTER, &[&day_of(request.time), &request.id, &request.time]).await?;
    let Some(row) = row else { return Ok(None) };
    let body: Vec<u8> = row.get(0);
    let parsed = Message::parse(&body);
    parsed
        .map(Some)
        .map_err(|error| StoreError::Corrupt { what: format!("kept {}", request.id), why: error.to_string() })
}

fn name_of(word: &OperatorWord) -> &'static str {
    match word {
        OperatorWord::Cancel { .. } => "cancel",
        OperatorWord::Retry { .. } => "retry",
        OperatorWord::Skip { .. } => "skip",
    }
}
