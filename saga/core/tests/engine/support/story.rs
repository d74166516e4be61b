//! Given, when, then: the story of one saga.

use std::collections::BTreeMap;

use saga_core::{
    Body, Decision, Engine, Input, Instance, Message, MessageRef, Note, OperatorWord, Phase, Refusal, StepState, Time,
};
use serde_json::{Value, json};
use time::Duration;
use uuid::{Uuid, uuid};

use super::inputs::{Said, What};
use super::{NOON, engine, errand, errand_with_result, ids, order};
use crate::laws;

const ORDER: Uuid = uuid!("33047e9e-ad11-5c90-b071-57f244b9c1d7");

/// One saga, what happened to it, and what it did about the last of it.
pub(crate) struct Story {
    pub(crate) engine: Engine,
    pub(crate) saga: Option<Instance>,
    pub(crate) now: Time,
    outcome: Option<Result<Decision, Refusal>>,
    last: Option<Message>,
    stored: BTreeMap<MessageRef, Message>,
    count: u64,
}

/// Nothing happened yet.
pub(crate) fn a_story(engine: Engine) -> Story {
    Story { engine, saga: None, now: NOON, outcome: None, last: None, stored: BTreeMap::new(), count: 0 }
}

/// An order for a pet and two supplies was requested; its approval waits for a person.
pub(crate) fn an_order() -> Story {
    a_story(engine(order(0))).given([start(2)])
}

/// An order for a pet alone was requested; its approval waits for a person.
pub(crate) fn an_order_for_a_pet() -> Story {
    a_story(engine(order(0))).given([start(0)])
}

/// The saga of three commands in a row was started.
pub(crate) fn an_errand() -> Story {
    a_story(engine(errand())).given([start(1)])
}

/// The same saga, whose result needs answers.
pub(crate) fn an_errand_with_result() -> Story {
    a_story(engine(errand_with_result())).given([start(1)])
}

fn start(items: u32) -> What {
    super::told("", None, json!({ "order": ORDER, "items": items }))
}

impl Story {
    /// What happened before: every input is applied.
    pub(crate) fn given(self, inputs: impl IntoIterator<Item = What>) -> Self {
        inputs.into_iter().fold(self, |story, input| {
            let story = story.when(input.clone());
            assert!(matches!(story.decision().note, Note::Applied), "{input:?} changes nothing");
            story
        })
    }

    /// Time passes.
    pub(crate) fn later(mut self, wait: Duration) -> Self {
        self.now += wait;
        self
    }

    /// Something happens.
    pub(crate) fn when(mut self, input: What) -> Self {
        match input {
            What::Message(said) => {
                let message = self.message(said);
                self.tell(message)
            }
            What::Alarm => self.decide(Input::Wake),
            What::Operator(word) => {
                let word = self.with_starter(word);
                self.decide(Input::Operator(&word))
            }
        }
    }

    /// The last message is delivered once more.
    pub(crate) fn when_delivered_again(self) -> Self {
        let message = self.last.clone().expect("a message was told");
        self.tell(message)
    }

    fn tell(mut self, message: Message) -> Self {
        let mut story = {
            self.last = Some(message.clone());
            self
        }
        .decide(Input::Message(&message));
        if story.outcome.as_ref().is_some_and(|outcome| outcome.as_ref().is_ok_and(|decision| decision.keep_input)) {
            story.stored.insert(message.reference(), message);
        }
        story
    }

    fn decide(mut self, input: Input<'_>) -> Self {
        let outcome = laws::decide(&self.engine, self.saga.as_ref(), input, self.now);
        if let Ok(decision) = &outcome {
            self.saga = Some(decision.next.clone());
            for send in &decision.send {
                self.stored.insert(send.message.reference(), send.message.clone());
            }
        }
        self.outcome = Some(outcome);
        self
    }

    fn message(&mut self, said: Said) -> Message {
        self.count += 1;
        // The start message of whatever saga the story is about.
        let kind = if said.kind.is_empty() { self.engine.definition.starts_on } else { said.kind };
        let id = ids().event_at("a story", self.count, kind);
        let mut message =
            Message::new(id, "somebody", "somewhat", Body { kind, version: 1, data: said.data }, self.now);
        message.correlation_id = self.saga.as_ref().map_or(id, |saga| saga.correlation_id);
        message.saga_id = said.saga.or(self.saga.as_ref().map(|saga| saga.id));
        match said.step {
            Some(step) => message.for_step(step, said.epoch),
            None => message,
        }
    }

    fn with_starter(&self, word: OperatorWord) -> OperatorWord {
        let OperatorWord::Retry { step, starter: None } = word else { return word };
        let row = self.engine.definition.index_of(&step);
        let by_event = row.filter(|row| self.engine.definition.steps[*row].starter().is_some());
        let request = by_event.and_then(|row| self.saga().steps[row].request);
        let starter = request.and_then(|request| self.stored.get(&request).cloned()).map(Box::new);
        OperatorWord::Retry { step, starter }
    }

    /// The saga as it is.
    pub(crate) fn saga(&self) -> &Instance {
        self.saga.as_ref().expect("the saga was started")
    }

    /// The last decision.
    pub(crate) fn decision(&self) -> &Decision {
        match self.outcome.as_ref().expect("something happened") {
            Ok(decision) => decision,
            Err(refusal) => panic!("refused: {refusal}"),
        }
    }

    /// The last decision's message of a type.
    pub(crate) fn sent(&self, kind: &str) -> &Message {
        let sent = self.decision().send.iter().map(|send| &send.message);
        sent.into_iter().find(|message| message.kind == kind).expect("it was sent")
    }

    /// The new messages are these and no others: `TYPE`, or `TYPE -> queue` past the exchanges.
    #[track_caller]
    pub(crate) fn then_sends<const N: usize>(self, expected: [&str; N]) -> Self {
        let sent = self.decision().send.iter();
        let sent: Vec<String> = sent
            .map(|send| match send.queue {
                Some(queue) => format!("{} -> {queue}", send.message.kind),
                None => send.message.kind.clone(),
            })
            .collect();
        assert_eq!(sent, expected);
        assert_eq!(self.decision().note, Note::Applied);
        self
    }

    /// These stored messages go out again, the same bytes, straight into the participants' queues.
    #[track_caller]
    pub(crate) fn then_resends<const N: usize>(self, expected: [&str; N]) -> Self {
        let name = |reference: &MessageRef| self.stored[reference].kind.clone();
        let again = self.decision().resend.iter();
        let again: Vec<String> = again.map(|r| format!("{} -> {}", name(&r.message), r.queue)).collect();
        assert_eq!(again, expected);
        self
    }

    /// The input was right and changed nothing.
    #[track_caller]
    pub(crate) fn then_ignores(self, why: &str) -> Self {
        match self.decision().note {
            Note::Ignored(note) => assert!(note.contains(why), "{note}"),
            Note::Applied => panic!("it was applied"),
        }
        self
    }

    /// The input was refused, with these words, and changed nothing.
    #[track_caller]
    pub(crate) fn then_refuses(self, why: &str) -> Self {
        match self.outcome.as_ref().expect("something happened") {
            Ok(decision) => panic!("it was accepted: {:?}", decision.note),
            Err(refusal) => assert!(refusal.to_string().contains(why), "{refusal}"),
        }
        self
    }

    /// The saga stands there.
    #[track_caller]
    pub(crate) fn then_it_is(self, phase: Phase) -> Self {
        assert_eq!(self.saga().phase, phase);
        self
    }

    /// A step stands there.
    #[track_caller]
    pub(crate) fn with_step(self, step: &str, state: StepState) -> Self {
        let row = self.engine.definition.index_of(step).expect("a step of the table");
        assert_eq!(self.saga().steps[row].state, state, "{step}");
        self
    }

    /// The last decision says why the saga ended.
    #[track_caller]
    pub(crate) fn because(self, reason: &str) -> Self {
        let said: Vec<&Value> = self.decision().send.iter().map(|send| &send.message.data["reason"]).collect();
        assert!(said.contains(&&json!(reason)), "{said:?}");
        self
    }

    /// The saga carries the mark, or does not.
    #[track_caller]
    pub(crate) fn needing_intervention(self, needed: bool) -> Self {
        assert_eq!(self.saga().needs_intervention, needed);
        self
    }

    /// The alarm is set to so long after noon.
    #[track_caller]
    pub(crate) fn with_alarm_after(self, wait: Duration) -> Self {
        assert_eq!(self.saga().alarm, Some(NOON + wait));
        self
    }
}
