//! The participants' half of a saga, where it is the same for all of them: which step a message asks for, what may still be
//! done for it, and how it is answered.

use std::fmt::Display;

use saga_core::effect::{Effect, EffectState, OnDo, OnUndo, on_do, on_undo};
use saga_core::{Body, Direction, Ids, Message, Time};
use uuid::Uuid;

use crate::handler::Verdict;
use crate::store::Effects;

/// A message that asks for a step to be done, or undone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepRequest<'a> {
    /// The message.
    pub message: &'a Message,
    /// The saga.
    pub saga: Uuid,
    /// The step.
    pub step: &'static str,
    /// Whether it is to be done, or undone.
    pub direction: Direction,
    /// Which run of it.
    pub epoch: u32,
}

impl<'a> StepRequest<'a> {
    /// A message that asks for this step to be done.
    ///
    /// # Errors
    /// The verdict on one that belongs to no saga: it is parked.
    pub fn to_do(message: &'a Message, step: &'static str) -> Result<Self, Verdict> {
        Self::of(message, step, Direction::Do)
    }

    /// A message that asks for this step to be undone.
    ///
    /// # Errors
    /// The verdict on one that belongs to no saga: it is parked.
    pub fn to_undo(message: &'a Message, step: &'static str) -> Result<Self, Verdict> {
        Self::of(message, step, Direction::Undo)
    }

    fn of(message: &'a Message, step: &'static str, direction: Direction) -> Result<Self, Verdict> {
        let saga = message.saga_id.ok_or_else(|| Verdict::no_saga(message))?;
        // A command is made out to its step. An event that starts this one answers another, whose epoch it carries; only
        // the copy of it that an operator's retry makes is made out to this one.
        let epoch = if message.step.as_deref() == Some(step) { message.epoch } else { 0 };
        Ok(Self { message, saga, step, direction, epoch })
    }

    /// The key of its effect.
    #[must_use]
    pub fn key(&self) -> (Uuid, &'static str) {
        (self.saga, self.step)
    }

    /// Whether its step is to be done in its first run: nothing is expected to be remembered of it.
    pub(crate) fn is_first(&self) -> bool {
        self.direction == Direction::Do && self.epoch == 0
    }
}

/// Who answers requests, and when.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// Forges the ids of the answers.
    pub ids: &'a Ids,
    /// The process.
    pub source: &'static str,
    /// The time of the batch.
    pub now: Time,
}

impl Answers<'_> {
    /// The answer to a request, about an aggregate, and with its version if it changed. Its id follows from the request's:
    /// it is the same however often it is made.
    #[must_use]
    pub fn to(&self, request: StepRequest<'_>, subject: impl Display, body: Body, version: Option<u64>) -> Message {
        let id = self.ids.event_caused(request.message.id, body.kind);
        let answer = Message::caused_by(request.message, id, self.source, subject.to_string(), body, self.now);
        version.into_iter().fold(answer.for_step(request.step, request.epoch), Message::at_version)
    }
}

impl Effects {
    /// What a request to do its step may do.
    #[must_use]
    pub fn on_do(&self, request: StepRequest<'_>) -> OnDo {
        on_do(self.get(request.saga, request.step), request.epoch)
    }

    /// What a request to undo its step may do.
    #[must_use]
    pub fn on_undo(&self, request: StepRequest<'_>) -> OnUndo {
        on_undo(self.get(request.saga, request.step), request.epoch)
    }

    /// Remembers what became of the step, and answers.
    pub fn settle(&mut self, request: StepRequest<'_>, state: EffectState, answer: Message) -> Verdict {
        let effect = Effect { epoch: request.epoch, state, answer: answer.reference() };
        self.set(request.saga, request.step, effect);
        Verdict::send(vec![answer])
    }
}

#[cfg(test)]
mod tests {
    use idforge::Salt;
    use time::macros::datetime;

    use super::*;

    const NOW: Time = datetime!(2026-11-20 12:00 UTC);

    fn body(kind: &'static str) -> Body {
        Body { kind, version: 1, data: serde_json::Value::Null }
    }

    fn message(kind: &'static str) -> Message {
        let mut message = Message::new(Uuid::from_u128(1), "saga", "ada", body(kind), NOW);
        message.saga_id = Some(Uuid::from_u128(7));
        message
    }

    #[test]
    fn the_epoch_of_a_message_counts_for_the_step_that_it_is_made_out_to() {
        let command = message("BOOK_ROOM").for_step("room", 2);
        assert_eq!(StepRequest::to_do(&command, "room").map(|request| request.epoch), Ok(2));
        let event = message("ROOM_BOOKED").for_step("room", 2);
        assert_eq!(
            StepRequest::to_do(&event, "seat").map(|request| request.epoch),
            Ok(0),
            "an event that starts a step"
        );
        let copy = message("ROOM_BOOKED").for_step("seat", 1);
        assert_eq!(StepRequest::to_do(&copy, "seat").map(|request| request.epoch), Ok(1), "an operator's copy of it");
    }

    #[test]
    fn a_request_of_no_saga_is_parked() {
        let mut lost = message("BOOK_ROOM");
        lost.saga_id = None;
        let verdict = StepRequest::to_do(&lost, "room").unwrap_err();
        assert!(matches!(verdict, Verdict::Park { reason: "no_saga", .. }), "{verdict:?}");
    }

    #[test]
    fn what_is_settled_is_answered_again_until_it_is_undone() {
        let (command, mut effects) = (message("BOOK_ROOM").for_step("room", 0), Effects::default());
        let request = StepRequest::to_do(&command, "room").unwrap();
        assert_eq!((effects.on_do(request), effects.on_undo(request)), (OnDo::Perform, OnUndo::Bury));
        let ids = Ids::new(&Salt::new("of a test").unwrap(), "trips.example");
        let answers = Answers { ids: &ids, source: "trips", now: NOW };
        let answer = answers.to(request, "ada", body("ROOM_BOOKED"), Some(3));
        let verdict = effects.settle(request, EffectState::Done, answer.clone());
        assert_eq!(verdict, Verdict::send(vec![answer.clone()]));
        assert_eq!(effects.on_do(request), OnDo::AnswerAgain(answer.reference()));
        assert_eq!(effects.on_undo(request), OnUndo::Revert);
    }

    #[test]
    fn an_answer_says_what_it_answers_and_has_the_same_id_however_often_it_is_made() {
        let command = message("BOOK_ROOM").for_step("room", 2);
        let request = StepRequest::to_do(&command, "room").unwrap();
        let ids = Ids::new(&Salt::new("of a test").unwrap(), "trips.example");
        let later = NOW + time::Duration::HOUR;
        let [first, second] = [NOW, later]
            .map(|now| Answers { ids: &ids, source: "trips", now }.to(request, "ada", body("ROOM_BOOKED"), None));
        assert_eq!(first.id, second.id);
        assert_eq!((first.saga_id, first.causation_id), (command.saga_id, Some(command.id)));
        assert_eq!((first.step.as_deref(), first.epoch, first.aggregate_version), (Some("room"), 2, None));
    }
}
