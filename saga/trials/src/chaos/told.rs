//! What clients were told, and whether it agrees with what is stored.

use uuid::Uuid;

use super::wish::{Wish, Word};
use crate::demo::shop::Answer;

/// What one customer was told, in order; answers that are no last word (202, 503) left out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// What was wanted.
    pub(super) wish: Wish,
    /// The order's public number, once it was told.
    pub(super) number: Option<i64>,
    /// Each last word.
    pub(super) answers: Vec<Reply>,
}

/// A last word over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reply {
    /// To what.
    pub(super) to: Word,
    /// The status.
    pub(super) status: u16,
    /// The reason of a refusal, or of an order's end.
    pub(super) reason: String,
}

/// An order as it is stored, once all is quiet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its public number.
    pub(super) number: i64,
    /// Its saga.
    pub(super) saga: Uuid,
    /// Its state, or the request's, if it never became an order.
    pub(super) state: String,
    /// Why it was rejected or cancelled.
    pub(super) reason: Option<String>,
    /// Whether somebody asked to cancel it.
    pub(super) cancellation_requested: bool,
    /// How its saga ended.
    pub(super) phase: String,
    /// Whether its pet is reserved for it or sold to it.
    pub(super) has_pet: bool,
    /// Whether supplies are set aside for it or gone with it.
    pub(super) has_supplies: bool,
}

impl Reply {
    /// What an answer says.
    #[must_use]
    pub(super) fn of(to: Word, answer: &Answer) -> Self {
        Self { to, status: answer.status.as_u16(), reason: answer.text("reason") }
    }
}

impl Told {
    /// A customer who was told nothing yet.
    #[must_use]
    pub(super) fn nothing(wish: Wish) -> Self {
        Self { wish, number: None, answers: Vec::new() }
    }

    /// The answer to the wish itself, if there was one.
    #[must_use]
    pub(super) fn outcome(&self) -> Option<&Reply> {
        self.answers.iter().find(|reply| reply.to == Word::Place)
    }

    /// Everything that this customer was told and that is not so.
    #[must_use]
    pub(super) fn against(&self, stored: &Stored) -> Vec<String> {
        let different =
            self.outcome().and_then(|first| self.answers.iter().find(|r| r.to == Word::Place && *r != first));
        let different = different.map(|other| format!("one request was answered {:?} and {other:?}", self.outcome()));
        let untrue = self.answers.iter().filter(|reply| !stored.agrees_with(reply));
        let untrue = untrue.map(|reply| format!("{:?} was answered {} {}", reply.to, reply.status, reply.reason));
        let tell = |what| format!("order {} ({}): {what}; it is {stored:?}", stored.number, self.wish.key);
        different.into_iter().chain(untrue).map(tell).collect()
    }
}

impl Stored {
    fn is(&self, states: &[&str]) -> bool {
        states.contains(&self.state.as_str())
    }

    /// A 200 is never taken back, except by a cancellation or an expiry that the order shows. A refusal hides
    /// nothing that is held.
    fn agrees_with(&self, reply: &Reply) -> bool {
        match (reply.to, reply.status) {
            (Word::Place, 200) => self.is(&["approved", "delivered"]) || self.was_given_up(),
            (Word::Place, 409 | 422) => {
                self.is(&["rejected", "cancelled"])
                    && self.reason.as_deref() == Some(reply.reason.as_str())
                    && !self.has_pet
                    && !self.has_supplies
            }
            (Word::Cancel, 200) => self.is(&["cancelled"]),
            (Word::Cancel, 409) => self.is(&["approved", "delivered", "rejected"]),
            (Word::Approve, 200) => self.is(&["approved", "delivered"]),
            (Word::Approve, 409) => self.is(&["rejected", "cancelled"]),
            (Word::Deliver, 200) => self.is(&["delivered"]),
            // Not approved yet, or never: both may be so later.
            (Word::Deliver, 409) => true,
            (Word::Place | Word::Cancel | Word::Approve | Word::Deliver, _) => false,
        }
    }

    fn was_given_up(&self) -> bool {
        let reason = self.reason.as_deref();
        let asked = self.cancellation_requested && reason == Some("cancelled_by_customer");
        self.is(&["cancelled"]) && (asked || reason == Some("reservation_expired"))
    }

    /// Whether order, saga and what is held for it say the same.
    #[must_use]
    pub(super) fn is_consistent(&self) -> bool {
        match self.phase.as_str() {
            "completed" => self.is(&["approved", "delivered"]) && self.has_pet,
            "rejected" => self.is(&["rejected"]) && !self.has_pet && !self.has_supplies,
            "cancelled" => self.is(&["cancelled"]) && !self.has_pet && !self.has_supplies,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(state: &str, reason: Option<&str>) -> Stored {
        let phase = if state == "approved" { "completed" } else { state };
        Stored {
            number: 1,
            saga: Uuid::nil(),
            state: state.into(),
            reason: reason.map(Into::into),
            cancellation_requested: reason == Some("cancelled_by_customer"),
            phase: phase.into(),
            has_pet: state == "approved",
            has_supplies: state == "approved",
        }
    }

    fn told(replies: &[(Word, u16, &str)]) -> Told {
        let reply =
            |(to, status, reason): &(Word, u16, &str)| Reply { to: *to, status: *status, reason: (*reason).into() };
        Told { answers: replies.iter().map(reply).collect(), ..Told::nothing(Wish::of(1, 1, 1)) }
    }

    #[test]
    fn what_is_so_is_not_held_against_anybody() {
        let told_and_stored = [
            (vec![(Word::Place, 200, ""), (Word::Approve, 200, ""), (Word::Cancel, 409, "")], stored("approved", None)),
            (vec![(Word::Place, 200, ""), (Word::Cancel, 200, "")], stored("cancelled", Some("cancelled_by_customer"))),
            (vec![(Word::Place, 200, "")], stored("cancelled", Some("reservation_expired"))),
            (vec![(Word::Place, 409, "pet_taken"), (Word::Approve, 409, "")], stored("rejected", Some("pet_taken"))),
            (vec![(Word::Place, 422, "out_of_stock"); 2], stored("rejected", Some("out_of_stock"))),
        ];
        for (replies, stored) in told_and_stored {
            assert_eq!(told(&replies).against(&stored), Vec::<String>::new());
            assert!(stored.is_consistent());
        }
    }

    #[test]
    fn a_200_that_was_taken_back_is_found() {
        let taken_back = told(&[(Word::Place, 200, "")]);
        assert_eq!(taken_back.against(&stored("rejected", Some("participant_timeout"))).len(), 1);
        let unasked = Stored { cancellation_requested: false, ..stored("cancelled", Some("cancelled_by_customer")) };
        assert_eq!(taken_back.against(&unasked).len(), 1);
        assert_eq!(told(&[(Word::Cancel, 200, "")]).against(&stored("approved", None)).len(), 1);
    }

    #[test]
    fn a_refusal_that_hides_a_reservation_is_found() {
        let refused = told(&[(Word::Place, 409, "pet_taken")]);
        let hidden = Stored { has_pet: true, ..stored("rejected", Some("pet_taken")) };
        assert_eq!((refused.against(&hidden).len(), hidden.is_consistent()), (1, false));
        assert_eq!(refused.against(&stored("approved", None)).len(), 1);
        assert_eq!(refused.against(&stored("rejected", Some("out_of_stock"))).len(), 1);
    }

    #[test]
    fn two_answers_to_one_request_and_one_that_nobody_may_give_are_found() {
        let two = told(&[(Word::Place, 409, "pet_taken"), (Word::Place, 422, "pet_taken")]);
        assert_eq!(two.against(&stored("rejected", Some("pet_taken"))).len(), 1);
        assert_eq!(told(&[(Word::Place, 500, "")]).against(&stored("approved", None)).len(), 1);
    }
}
