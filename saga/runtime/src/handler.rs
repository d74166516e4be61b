//! What a process does with the messages of a queue: the one trait between business and pipeline.
//!
//! A handler holds business; claiming, deduplicating, journalling, publishing, putting off,
//! parking and acknowledging are the pipeline's.

use futures_util::future::BoxFuture;
use saga_core::{Message, MessageRef, PayloadError, Time};

use crate::awaited::Awaited;
use crate::error::StoreError;
use crate::store::{Transaction, Writes};

/// Handles the messages of a queue.
pub trait Handler: Send + Sync + 'static {
    /// Handles a batch inside the transaction of its delivery, and says what becomes of each
    /// message, in order. It changes nothing itself, and returns what is to be written: should some of the messages
    /// turn out to have been handled before, the decisions are dropped with the transaction, and it is called again, in
    /// another one, without them.
    ///
    /// Lock what the batch touches first, all of it and in key order; decide in pure code; leave the
    /// writing to what is returned, once for each table. A batch that fails is rolled back and run again, message by message.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of the batch happened.
    fn handle<'a>(&'a self, transaction: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a>;

    /// Whether a request that comes again is answered again, with the stored bytes. Participants
    /// do; the orchestrator resends by its timers instead.
    fn answers_again(&self) -> bool {
        true
    }

    /// Whether somebody waits for what comes of messages of this type. One that is only taken note of begins no batch: it is
    /// handled with the next message of its queue that does hurry, or when it was in hand for 20 ms.
    fn hurries(&self, _kind: &str) -> bool {
        true
    }

    /// The memory of what the sagas await that it decides for. Where there is one, it says which messages hurry, and
    /// [`Handler::hurries`] is not asked.
    fn awaited(&self) -> Option<&Awaited> {
        None
    }
}

/// Why a message changed nothing whose aggregate is ahead of it.
pub const NO_NEWS: &str = "an older or repeated version";

/// A batch being handled.
pub type Handling<'a> = BoxFuture<'a, Result<Decided, StoreError>>;

/// What a handler makes of a batch.
pub struct Decided {
    /// What became of each message, in order.
    pub verdicts: Vec<Verdict>,
    /// What changed. The pipeline sends it together with its own writes and COMMIT, in one round trip.
    pub writes: Writes,
    /// Called once all of it is committed. For telling those who wait in this process; nothing that must happen belongs
    /// here.
    pub committed: Box<dyn FnOnce() + Send>,
}

impl Decided {
    /// These verdicts, and what writes the changes behind them.
    #[must_use]
    pub fn new(verdicts: Vec<Verdict>, writes: Writes) -> Self {
        Self { verdicts, writes, committed: Box::new(|| ()) }
    }

    /// And who is told once that is committed.
    #[must_use]
    pub fn then(self, committed: impl FnOnce() + Send + 'static) -> Self {
        Self { committed: Box::new(committed), ..self }
    }

    /// These verdicts, by a handler that has nothing to write.
    #[must_use]
    pub fn nothing_to_write(verdicts: Vec<Verdict>) -> Self {
        Self::new(verdicts, Writes::default())
    }
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It was handled, and this goes out.
    Done(Output),
    /// It cannot be handled yet; it comes back later by itself.
    PutOff {
        /// Why, for the operator.
        reason: String,
    },
    /// It cannot be handled by this program; it is set aside for an operator, bytes and all.
    Park {
        /// Why, a word that groups: `malformed_data`.
        reason: &'static str,
        /// Why, in a sentence.
        detail: String,
    },
}

/// What goes out because of one message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// New messages, in order: journalled and published.
    pub send: Vec<Outgoing>,
    /// Stored messages that go out once more, the same bytes.
    pub resend: Vec<Again>,
    /// Whether the bytes of the message itself are kept, because they may have to be sent again.
    pub keep: bool,
    /// Why nothing changed, where nothing did.
    pub note: Option<&'static str>,
}

/// A new message to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The message.
    pub message: Message,
    /// Straight into this queue; by the topology's route for its type otherwise.
    pub queue: Option<String>,
}

/// A stored message to send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Which: in this process's journal, or kept in its inbox.
    pub message: MessageRef,
    /// Straight into this queue; by the topology's route for its type otherwise.
    pub queue: Option<String>,
}

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        Self { message, queue: None }
    }
}

impl From<MessageRef> for Again {
    fn from(message: MessageRef) -> Self {
        Self { message, queue: None }
    }
}

impl Verdict {
    /// Handled, and these go out.
    #[must_use]
    pub fn send(messages: Vec<Message>) -> Self {
        let send = messages.into_iter().map(Outgoing::from).collect();
        Self::Done(Output { send, ..Output::default() })
    }

    /// Handled; nothing changed, and this is why.
    #[must_use]
    pub fn ignored(why: &'static str) -> Self {
        Self::Done(Output { note: Some(why), ..Output::default() })
    }

    /// Handled; the aggregate is ahead of it, so nothing changed.
    #[must_use]
    pub fn no_news() -> Self {
        Self::ignored(NO_NEWS)
    }

    /// Handled before under another id: the recorded answer goes out again.
    #[must_use]
    pub fn answer_again(answer: MessageRef) -> Self {
        Self::Done(Output { resend: vec![answer.into()], ..Output::default() })
    }

    /// The message belongs to no saga, and should.
    #[must_use]
    pub fn no_saga(message: &Message) -> Self {
        let detail = format!("{} carries no sagaid: nobody could ever undo or finish what it asks for", message.kind);
        Self::Park { reason: "no_saga", detail }
    }
}

/// The data of a message does not fit its type.
impl From<PayloadError> for Verdict {
    fn from(error: PayloadError) -> Self {
        let reason = match error {
            PayloadError::NewerVersion { .. } => "newer_version",
            PayloadError::OtherType { .. } => "unknown_type",
            PayloadError::Malformed { .. } => "malformed_data",
        };
        Self::Park { reason, detail: error.to_string() }
    }
}
