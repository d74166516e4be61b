//! From a commit to the broker, and the mark that goes when the broker has it: what
//! `saga-runtime`'s relay and its sweep do. Here each message has a mark of its own: what shares one there is narrowed, and
//! goes out again with others at most, which happens here one by one.

use time::Duration;

use super::{Event, Job, LOOK_EVERY, World};
use crate::simulate::book::{After, Outbound};
use crate::simulate::broker::PublishOutcome;
use crate::simulate::bugs::Bug;
use crate::simulate::copies::{CopyId, Owner};
use crate::simulate::faults::Fault;

/// A mark that nobody removed for so long has lost its publisher.
pub(super) const LEFT_FOR: Duration = Duration::seconds(10);
/// How long a copy takes to publish what it committed, at most.
const PUBLISHING: Duration = Duration::microseconds(500);
/// How long a confirm takes, at most.
const CONFIRMING: Duration = Duration::milliseconds(2);
/// How long a copy waits before it publishes a message again: mostly, for long, for very long.
const AGAIN_AFTER: [Duration; 3] = [Duration::milliseconds(100), Duration::SECOND, Duration::seconds(5)];

impl World {
    /// What a copy knows to be committed is published soon, each message by itself.
    pub(super) fn follow(&mut self, id: CopyId, after: After) {
        self.hand_over(id, after.publish);
    }

    /// A copy takes over messages, those that it does not hold already; says how many.
    fn hand_over(&mut self, id: CopyId, messages: Vec<Outbound>) -> usize {
        let Some(copy) = self.copies.get_mut(id) else { return 0 };
        let new: Vec<Outbound> = messages.into_iter().filter(|outbound| copy.held.insert(outbound.mark)).collect();
        let taken = new.len();
        for outbound in new {
            let after = self.dice.up_to(PUBLISHING);
            self.goes_on(id, after, Job::Publish(outbound));
        }
        taken
    }

    /// A message goes out.
    pub(super) fn publish(&mut self, id: CopyId, outbound: Outbound) {
        let (now, down_until) = (self.now(), self.broker.down_until);
        let Some(copy) = self.copies.get(id) else { return };
        let (session, back_at) = (copy.session, copy.away_until.max(down_until));
        if back_at > now {
            let after = back_at - now + self.dice.up_to(PUBLISHING);
            return self.goes_on(id, after, Job::Publish(outbound));
        }
        self.counts.published += 1;
        let (copies, outcome) = self.broker.publish(&outbound.letter, outbound.queue.as_deref(), &mut self.dice);
        for copy in copies {
            self.enter(now + copy.after, Event::Arrive(copy.queue, outbound.letter.clone(), 0));
        }
        if self.bug == Some(Bug::UnmarksBeforeConfirm) {
            self.service(id.owner).book_mut().confirmed(outbound.mark);
        }
        let after = self.dice.up_to(CONFIRMING);
        self.goes_on(id, after, Job::Hear(outbound, session, outcome));
    }

    /// A copy hears what became of a message. What was on its way over a connection that ended has no answer.
    pub(super) fn published(&mut self, id: CopyId, outbound: Outbound, session: u32, outcome: PublishOutcome) {
        let same_connection = self.copies.get(id).is_some_and(|copy| copy.session == session);
        let outcome = if same_connection { outcome } else { PublishOutcome::Unanswered };
        let believed = match outcome {
            PublishOutcome::Confirmed => true,
            PublishOutcome::Returned => self.bug == Some(Bug::ReturnIsPublished),
            PublishOutcome::Nacked => self.bug == Some(Bug::NackIsPublished),
            PublishOutcome::Unanswered => self.bug == Some(Bug::UnmarksBeforeConfirm),
        };
        if !believed {
            self.note(|| format!("{id} {} {}: {outcome:?}", outbound.letter.kind, outbound.letter.id));
            let after = self.dice.mostly_short(AGAIN_AFTER);
            return self.goes_on(id, after, Job::Publish(outbound));
        }
        if let Some(copy) = self.copies.get_mut(id) {
            copy.held.remove(&outbound.mark);
        }
        self.unmark(id, outbound.mark);
    }

    /// A mark goes; if that fails it stays, and its message goes out once more.
    fn unmark(&mut self, id: CopyId, mark: u64) {
        let down = self.databases_down_until.get(&id.owner).is_some_and(|until| *until > self.now());
        if !down && !self.dice.strikes(Fault::Failure) {
            self.service(id.owner).book_mut().confirmed(mark);
        }
    }

    /// A copy takes over what nobody published for a while.
    pub(super) fn sweep(&mut self, owner: Owner) {
        self.sweeping.remove(&owner);
        if self.bug == Some(Bug::NoSweep) {
            return;
        }
        let (now, id) = (self.now(), self.someone(owner));
        let connected = |id: &CopyId| self.copies.get(*id).is_some_and(|copy| copy.away_until <= now);
        if let Some(id) = id.filter(connected).filter(|_| self.broker.down_until <= now) {
            self.set_clock(owner);
            let left = self.service(owner).book_mut().leftovers(LEFT_FOR);
            self.counts.swept += self.hand_over(id, left);
        }
        if !self.book(owner).outbox.is_empty() {
            self.sweeping.insert(owner);
            let at = now + LOOK_EVERY;
            self.enter(at, Event::Sweep(owner));
        }
    }
}
