//! The participants' half of "nothing doubled": what a request may still do.
//!
//! A participant keys what it did by saga, step and epoch. So a request that comes again is
//! answered without effect, an undo that overtakes what it undoes leaves a tombstone, and the late
//! request is refused.

use crate::message::MessageRef;

/// What a participant remembers of one step of one saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// The highest epoch that it dealt with.
    pub epoch: u32,
    /// What became of it.
    pub state: EffectState,
    /// Where the answer lies that was given.
    pub answer: MessageRef,
}

/// What became of a step at its participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectState {
    /// Done.
    Done,
    /// Refused, with the reason in the answer.
    Refused,
    /// Undone, or undone before it came: a tombstone.
    Undone,
}

impl EffectState {
    /// Its name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Undone => "undone",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Undone].into_iter().find(|state| state.as_str() == name)
    }
}

/// What a participant is to do with a request to do a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDo {
    /// Do it, or refuse it for reasons of the business.
    Perform,
    /// It was dealt with: give the recorded answer again, the same bytes.
    AnswerAgain(MessageRef),
    /// It was undone before it came: refuse it, without effect.
    RefuseCancelled,
}

/// What a participant is to do with a request to undo a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUndo {
    /// Undo what was done, and answer.
    Revert,
    /// Nothing was done: leave a tombstone, and answer that it is undone.
    Bury,
    /// It was undone: give the recorded answer again, the same bytes.
    AnswerAgain(MessageRef),
    /// It is older than what was done since: answer that it is undone, without effect.
    Stale,
}

/// What a request to do a step may do, given what is remembered.
#[must_use]
pub fn on_do(remembered: Option<&Effect>, epoch: u32) -> OnDo {
    let Some(effect) = remembered else { return OnDo::Perform };
    match effect.state {
        EffectState::Done => OnDo::AnswerAgain(effect.answer),
        EffectState::Refused if epoch > effect.epoch => OnDo::Perform,
        EffectState::Refused => OnDo::AnswerAgain(effect.answer),
        EffectState::Undone if epoch > effect.epoch => OnDo::Perform,
        EffectState::Undone => OnDo::RefuseCancelled,
    }
}

/// What a request to undo a step may do, given what is remembered.
#[must_use]
pub fn on_undo(remembered: Option<&Effect>, epoch: u32) -> OnUndo {
    let Some(effect) = remembered else { return OnUndo::Bury };
    match effect.state {
        EffectState::Done | EffectState::Refused if epoch < effect.epoch => OnUndo::Stale,
        EffectState::Done => OnUndo::Revert,
        EffectState::Refused => OnUndo::Bury,
        EffectState::Undone if epoch > effect.epoch => OnUndo::Bury,
        EffectState::Undone => OnUndo::AnswerAgain(effect.answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;
    use uuid::Uuid;

    const ANSWER: MessageRef = MessageRef { id: Uuid::nil(), time: datetime!(2026-01-01 0:00 UTC) };

    fn effect(state: EffectState, epoch: u32) -> Option<Effect> {
        Some(Effect { epoch, state, answer: ANSWER })
    }

    #[test]
    fn a_request_is_performed_once() {
        assert_eq!(on_do(None, 0), OnDo::Perform);
        assert_eq!(on_do(effect(EffectState::Done, 0).as_ref(), 0), OnDo::AnswerAgain(ANSWER));
        assert_eq!(
            on_do(effect(EffectState::Done, 0).as_ref(), 1),
            OnDo::AnswerAgain(ANSWER),
            "a retry of what is done has no effect"
        );
    }

    #[test]
    fn a_refusal_stands_until_an_operator_retries() {
        assert_eq!(on_do(effect(EffectState::Refused, 0).as_ref(), 0), OnDo::AnswerAgain(ANSWER));
        assert_eq!(on_do(effect(EffectState::Refused, 0).as_ref(), 1), OnDo::Perform);
    }

    #[test]
    fn a_tombstone_refuses_every_do_up_to_its_epoch() {
        assert_eq!(on_do(effect(EffectState::Undone, 1).as_ref(), 0), OnDo::RefuseCancelled);
        assert_eq!(on_do(effect(EffectState::Undone, 1).as_ref(), 1), OnDo::RefuseCancelled);
        assert_eq!(on_do(effect(EffectState::Undone, 1).as_ref(), 2), OnDo::Perform);
    }

    #[test]
    fn undoing_what_never_happened_is_success() {
        assert_eq!(on_undo(None, 0), OnUndo::Bury);
        assert_eq!(on_undo(effect(EffectState::Refused, 0).as_ref(), 0), OnUndo::Bury);
    }

    #[test]
    fn an_undo_reverts_once_and_never_what_came_after_it() {
        assert_eq!(on_undo(effect(EffectState::Done, 0).as_ref(), 0), OnUndo::Revert);
        assert_eq!(on_undo(effect(EffectState::Undone, 0).as_ref(), 0), OnUndo::AnswerAgain(ANSWER));
        assert_eq!(on_undo(effect(EffectState::Undone, 0).as_ref(), 1), OnUndo::Bury);
        assert_eq!(on_undo(effect(EffectState::Done, 1).as_ref(), 0), OnUndo::Stale);
    }
}
