//! What holds for every decision, whatever the story: each decision of each test is made through here.

use saga_core::{Decision, Engine, Input, Instance, Note, Refusal, Time};

/// Decides, and checks everything that must hold of any decision.
pub(crate) fn decide(
    engine: &Engine,
    saga: Option<&Instance>,
    input: Input<'_>,
    now: Time,
) -> Result<Decision, Refusal> {
    let outcome = engine.decide(saga, input, now);
    assert_eq!(outcome, engine.decide(saga, input, now), "the same input gives the same decision");
    let Ok(decision) = &outcome else { return outcome };
    survives_storage(&decision.next);
    has_an_alarm_in_time(engine, &decision.next);
    is_marked_only_while_it_lives(&decision.next);
    match decision.note {
        Note::Ignored(_) => changes_nothing(saga, decision),
        Note::Applied => is_counted(saga, decision),
    }
    if let Some(ended) = saga.filter(|saga| saga.phase.is_end()) {
        assert_eq!(&decision.next, ended, "nothing happens after the end");
    }
    if input == Input::Wake {
        let again = engine.decide(Some(&decision.next), Input::Wake, now).unwrap();
        assert_eq!(again.note, Note::Ignored("nothing is due"), "waking twice is waking once");
    }
    belongs_to_the_saga(engine, decision, now);
    nothing_comes_of_an_answer_while_another_is_awaited(engine, saga, input, decision);
    outcome
}

/// So they may be put together before the saga is told of any.
fn nothing_comes_of_an_answer_while_another_is_awaited(
    engine: &Engine,
    saga: Option<&Instance>,
    input: Input<'_>,
    decision: &Decision,
) {
    let (Some(saga), Input::Message(message), Note::Applied) = (saga, input, decision.note) else { return };
    let mut awaited = engine.definition.awaited(saga);
    let Some(at) = awaited.iter().position(|kind| *kind == message.kind).filter(|_| awaited.len() > 1) else { return };
    awaited.remove(at);
    assert!(decision.send.is_empty() && decision.resend.is_empty(), "{} leads to {decision:#?}", message.kind);
    assert_eq!(decision.next.phase, saga.phase);
    assert_eq!(engine.definition.awaited(&decision.next), awaited, "the others are still awaited");
}

fn survives_storage(next: &Instance) {
    let stored = serde_json::to_value(next).unwrap();
    assert_eq!(&serde_json::from_value::<Instance>(stored).unwrap(), next);
}

/// A live saga always waits for something that has a timer, and its alarm is no later.
fn has_an_alarm_in_time(engine: &Engine, next: &Instance) {
    let first = next.timers(&engine.definition, &engine.timings).iter().map(|timer| timer.due).min();
    assert_eq!(first.is_none(), next.phase.is_end(), "{next:#?}");
    assert_eq!(next.alarm.is_none(), next.phase.is_end());
    assert!(next.alarm <= first, "the alarm {:?} is later than a timer at {first:?}", next.alarm);
}

/// Whoever looks for marked sagas looks at those that live.
fn is_marked_only_while_it_lives(next: &Instance) {
    assert!(!(next.needs_intervention && next.phase.is_end()), "{next:#?}");
}

fn changes_nothing(saga: Option<&Instance>, decision: &Decision) {
    assert_eq!(Some(&decision.next), saga, "an ignored input changes nothing");
    assert!(decision.send.is_empty() && decision.resend.is_empty() && !decision.keep_input);
}

fn is_counted(saga: Option<&Instance>, decision: &Decision) {
    assert_eq!(decision.next.version, saga.map_or(0, |saga| saga.version) + 1, "an applied input is counted");
}

fn belongs_to_the_saga(engine: &Engine, decision: &Decision, now: Time) {
    for send in &decision.send {
        let message = &send.message;
        assert_eq!(message.saga_id, Some(decision.next.id));
        assert_eq!(message.correlation_id, decision.next.correlation_id);
        assert!(message.time <= now);
        assert_eq!(saga_core::Message::parse(&message.to_bytes()).as_ref(), Ok(message));
        assert!(send.queue.is_some() || message.source == engine.source, "only an event's copy keeps its maker");
    }
}
