//! The orchestrator's loop and its operators' words.

use saga_core::{Direction, Instance, OperatorWord, Time};
use time::Duration;
use uuid::Uuid;

use super::{Event, LOOK_EVERY, World};
use crate::simulate::book::After;
use crate::simulate::copies::{CopyId, Owner};
use crate::simulate::process::Service;
use crate::simulate::sagas::SagaRows;
use crate::simulate::{Stopped, lawful};

/// How long an operator waits before the next word to the same saga, at most.
const ANOTHER_WORD: Duration = Duration::seconds(3);

impl World {
    /// When the next saga is woken, and by which copy: the one whose clock says first that it is time.
    pub(super) fn next_wake(&self) -> Option<(Time, CopyId)> {
        let alarm = self.sagas.tables.next_alarm()?;
        let wakes = |id: CopyId| {
            let copy = self.copies.get(id).filter(|copy| copy.up)?;
            Some(((alarm - copy.offset).max(copy.frozen_until).max(self.wake_after).max(self.now()), id))
        };
        let first = Owner::Sagas.copies().filter_map(wakes).min()?;
        Some(first).filter(|(at, _)| *at <= self.last_order + super::BAD_TIMES + super::PATIENCE)
    }

    /// A copy wakes the sagas whose alarm is due by its clock.
    pub(super) fn wake(&mut self, copy: CopyId, at: Time) -> Result<(), Stopped> {
        self.agenda.forward_to(at);
        let clock = self.clock(copy);
        let done = self.transaction(copy, |world| {
            let (rows, output, woken) = lawful(world.sagas.tables.wake(clock))?;
            world.counts.alarms += woken;
            world.note(|| format!("{copy} wakes {woken}: {} new, {} again", output.send.len(), output.resend.len()));
            Ok(world.sagas.change(rows, output))
        })?;
        match done {
            Some(after) => self.follow(copy, after),
            None => self.wake_after = self.now() + LOOK_EVERY,
        }
        Ok(())
    }

    /// An operator says a word to a saga that has not ended, and perhaps another one a little later.
    pub(super) fn operator_speaks(&mut self, to: Option<Uuid>) -> Result<(), Stopped> {
        let from = to.unwrap_or_else(|| Uuid::from_u128(self.dice.bits()));
        let Some(saga) = self.sagas.tables.live_from(from).cloned() else { return Ok(()) };
        if self.dice.coin() {
            let after = self.dice.up_to(ANOTHER_WORD);
            self.enter(self.now() + after, Event::Word(Some(saga.id)));
        }
        let (Some(copy), Some((row, word))) = (self.someone(Owner::Sagas), self.word_for(&saga)) else { return Ok(()) };
        let clock = self.clock(copy);
        let done = self.transaction(copy, |world| {
            let heard = world.sagas.tables.hear(saga.id, &word, clock);
            world.note(|| format!("an operator says {} to saga {}: {}", name(&word), saga.id, outcome(&heard)));
            let Ok((next, output)) = heard else { return Ok(After::default()) };
            if let (OperatorWord::Skip { .. }, Some(direction)) = (&word, saga.steps[row].waiting()) {
                world.skips.add(saga.id, row, direction);
            }
            world.counts.words += 1;
            Ok(world.sagas.change(SagaRows::from([(next.id, next)]), output))
        })?;
        done.into_iter().for_each(|after| self.follow(copy, after));
        Ok(())
    }

    /// A word, mostly about a step that waits for an answer.
    fn word_for(&mut self, saga: &Instance) -> Option<(usize, OperatorWord)> {
        let steps = self.sagas.tables.engine.definition.steps;
        let waiting: Vec<usize> = (0..steps.len()).filter(|row| saga.steps[*row].waiting().is_some()).collect();
        let chosen = self.dice.below(waiting.len());
        let row = waiting.get(chosen).copied()?;
        let step = steps[row].name.to_owned();
        let word = match self.dice.below(8) {
            0..=3 => OperatorWord::Retry { step, starter: self.starter(saga, row) },
            4..=5 => OperatorWord::Cancel { reason: "by_hand".to_owned() },
            _ => OperatorWord::Skip { step, undone: saga.steps[row].waiting() == Some(Direction::Undo) },
        };
        Some((row, word))
    }

    /// The event that started a step, or the copy of it that an earlier retry made.
    fn starter(&self, saga: &Instance, row: usize) -> Option<Box<saga_core::Message>> {
        self.sagas.tables.engine.definition.steps[row].starter()?;
        let request = saga.steps[row].request?;
        self.sagas.book().stored(&(request.time.date(), request.id)).map(|letter| Box::new((**letter).clone()))
    }
}

fn name(word: &OperatorWord) -> String {
    match word {
        OperatorWord::Cancel { .. } => "cancel".to_owned(),
        OperatorWord::Retry { step, .. } => format!("retry {step}"),
        OperatorWord::Skip { step, .. } => format!("skip {step}"),
    }
}

fn outcome<T>(heard: &Result<T, saga_core::Refusal>) -> String {
    heard.as_ref().map_or_else(|refusal| format!("refused, {refusal}"), |_| "done".to_owned())
}
