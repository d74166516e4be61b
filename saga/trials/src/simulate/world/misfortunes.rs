//! What befalls copies, databases and the broker.

use saga_core::Time;
use time::Duration;

use super::{Event, World};
use crate::simulate::broker::Delivery;
use crate::simulate::copies::CopyId;
use crate::simulate::faults::Fault;
use crate::simulate::report::Step;

/// How long a copy is dead: mostly, for long, for very long.
const DEAD: [Duration; 3] = [Duration::SECOND, Duration::seconds(10), Duration::minutes(2)];
/// How long a copy stands still.
const FROZEN: [Duration; 3] = [Duration::seconds(3), Duration::MINUTE, Duration::minutes(10)];
/// How long all copies of a process are gone; a step may take ten minutes.
const GONE: [Duration; 3] = [Duration::seconds(20), Duration::minutes(3), Duration::minutes(14)];
/// How long a server is gone.
const DOWN: [Duration; 3] = [Duration::seconds(2), Duration::seconds(10), Duration::MINUTE];
/// How far a clock is off, either way.
const SKEW: Duration = Duration::minutes(4);
/// The broker takes a copy for dead that was silent for so long.
const HEARTBEATS: Duration = Duration::MINUTE;
/// In times that are less bad, misfortunes are so much rarer.
const RARER: i32 = 6;

impl World {
    /// Whether a copy dies at a step; then it starts again some time later.
    pub(super) fn dies(&mut self, id: CopyId, step: Step) -> bool {
        let dies = self.dice.strikes(Fault::Crash);
        if dies {
            self.counts.crashed(step);
            let after = self.dice.mostly_short(DEAD);
            self.note(|| format!("{id} dies {step}"));
            self.die(id, self.now() + after);
        }
        dies
    }

    fn die(&mut self, id: CopyId, starts_at: Time) {
        let back = self.copies.get_mut(id).map(|copy| copy.die()).unwrap_or_default();
        self.enter(starts_at, Event::Start(id));
        self.give_back(back);
    }

    /// What nobody acknowledged is delivered again.
    fn give_back(&mut self, back: Vec<(&'static str, Delivery)>) {
        for (queue, Delivery { letter, times }) in back {
            self.enter(self.now(), Event::Arrive(queue, letter, times));
        }
    }

    /// A copy starts again, and looks for what is left.
    pub(super) fn start(&mut self, id: CopyId) {
        let now = self.now();
        let Some(copy) = self.copies.get_mut(id).filter(|copy| !copy.up) else { return };
        (copy.up, copy.frozen_until, copy.away_until) = (true, now, now);
        self.note(|| format!("{id} starts"));
        self.look_after(id.owner);
        id.owner.queues().for_each(|queue| self.offer(queue));
    }

    /// Whether a copy stands still from now on, for a while.
    pub(super) fn freezes(&mut self, id: CopyId) -> bool {
        let freezes = self.dice.strikes(Fault::Freeze);
        if freezes {
            let (now, lasts) = (self.now(), self.dice.mostly_short(FROZEN));
            self.note(|| format!("{id} stands still for {lasts}"));
            let Some(copy) = self.copies.get_mut(id) else { return false };
            copy.frozen_until = now + lasts;
            let session = copy.session;
            if lasts > HEARTBEATS {
                self.enter(now + HEARTBEATS, Event::HungUp(id, session));
            }
        }
        freezes
    }

    /// The broker takes a silent copy for dead, and delivers what it held to others.
    pub(super) fn hang_up(&mut self, id: CopyId, session: u32) {
        let Some(copy) = self.copies.get_mut(id).filter(|copy| copy.up && copy.session == session) else { return };
        copy.away_until = copy.frozen_until;
        let (back, comes_back) = (copy.disconnect(), copy.frozen_until);
        self.enter(comes_back, Event::Offer);
        self.note(|| format!("the broker hangs up on {id}"));
        self.give_back(back);
    }

    /// Something befalls the whole system; and something else will, a little later.
    pub(super) fn misfortune(&mut self) {
        match self.dice.misfortune() {
            Some(Fault::Jump) => self.clock_jumps(),
            Some(Fault::Outage) => self.all_die(),
            Some(Fault::BrokerRestart) => self.broker_restarts(),
            Some(Fault::DatabaseOutage) => self.database_goes(),
            Some(_) | None => {}
        }
        self.next_misfortune();
    }

    pub(super) fn next_misfortune(&mut self) {
        let Some(mean) = self.dice.faults.between_misfortunes() else { return };
        let mean = if self.now() > self.last_order + Duration::MINUTE { mean * RARER } else { mean };
        let at = self.now() + self.dice.up_to(mean * 2);
        if at < self.last_order + super::BAD_TIMES {
            self.enter(at, Event::Misfortune);
        }
    }

    fn somebody(&mut self) -> CopyId {
        let all: Vec<CopyId> = self.copies.iter().map(|(id, _)| id).collect();
        all[self.dice.below(all.len())]
    }

    fn clock_jumps(&mut self) {
        let (id, back) = (self.somebody(), self.dice.coin());
        let skew = self.dice.up_to(SKEW);
        let offset = if back { -skew } else { skew };
        self.note(|| format!("the clock of {id} is off by {offset}"));
        if let Some(copy) = self.copies.get_mut(id) {
            copy.offset = offset;
        }
    }

    fn all_die(&mut self) {
        let owner = self.somebody().owner;
        let until = self.now() + self.dice.mostly_short(GONE);
        self.note(|| format!("{} is gone until {until}", owner.name()));
        for id in owner.copies() {
            if self.copies.get(id).is_some_and(|copy| copy.up) {
                self.die(id, until);
            }
        }
    }

    fn database_goes(&mut self) {
        let owner = self.somebody().owner;
        let until = self.now() + self.dice.mostly_short(DOWN);
        self.note(|| format!("the database of {} is gone until {until}", owner.name()));
        self.databases_down_until.insert(owner, until);
    }

    /// Every connection ends; what was not acknowledged is delivered again once the broker is back.
    fn broker_restarts(&mut self) {
        let until = self.now() + self.dice.mostly_short(DOWN);
        self.note(|| format!("the broker is gone until {until}"));
        self.broker.down_until = self.broker.down_until.max(until);
        let all: Vec<CopyId> = self.copies.iter().map(|(id, _)| id).collect();
        for id in all {
            let Some(copy) = self.copies.get_mut(id).filter(|copy| copy.up) else { continue };
            copy.away_until = copy.away_until.max(until);
            let back = copy.disconnect();
            self.give_back(back);
        }
        self.enter(until, Event::Offer);
    }
}
