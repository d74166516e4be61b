//! What clients are told.
//!
//! # Which row is authoritative for a waiting POST?
//!
//! A POST is answered once, and every repetition of it is answered the same, for ever. So its
//! answer must be a fact that never changes, in rows that any copy of this service can read:
//!
//! - **200 `placed`** as soon as `orders.total` is known. Only SAGA_PREPARED writes it, or
//!   APPROVE_ORDER if that overtook it (an approval proves that the order was prepared). ORDER_CREATED
//!   is not enough: inventory may still refuse. Once there, a total stays: an order that is approved
//!   a millisecond later, or cancelled a day later, *was* placed, and that is what its POST is told.
//! - **A refusal** from `requests.state`, which only SAGA_REJECTED and SAGA_CANCELLED write: the
//!   orchestrator sends them after the last undo was answered. `orders.state` is not enough: it
//!   is `rejected` while the pet is still on its way back, and a client told so at that moment
//!   could order the pet again and be refused for its own first order.
//! - Otherwise there is no answer yet, and what is said past the deadline (202) is not stored.
//!
//! The first two exclude each other: after an end no total is written, and a total that was there
//! before the end goes first here.

use saga_contract::{Money, Reason};
use serde::Serialize;
use utoipa::ToSchema;

use super::request::{Conflict, End, Request, State};

/// The final answer to the POST of an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The order was placed.
    Placed(View),
    /// It was not, and all is undone.
    Refused(End, View),
}

/// An order as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Where it stands.
    pub state: State,
    /// Why it was rejected or cancelled.
    pub reason: Option<Reason>,
    /// What it costs; shown while it stands.
    pub total: Option<Money>,
}

/// Where an order stands, in the Petstore's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All that can refuse has agreed; it waits for approval.
    Placed,
    /// Approved; nothing can undo it any longer.
    Approved,
    /// Handed to its customer.
    Delivered,
}

impl View {
    /// The Petstore's status: it knows three of our states.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self.state {
            State::Placed => Some(Status::Placed),
            State::Approved => Some(Status::Approved),
            State::Delivered => Some(Status::Delivered),
            State::Requested | State::Pending | State::Rejected | State::Cancelled => None,
        }
    }

    /// The Petstore's `complete`: the customer has it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Delivered
    }
}

impl Request {
    /// The order as it is now.
    #[must_use]
    pub fn view(&self) -> View {
        let view = View { state: self.state(), reason: self.reason().cloned(), total: None };
        View { total: self.total().filter(|_| view.status().is_some()), ..view }
    }

    /// The final answer to its POST, if there is one yet: see the page of this module.
    #[must_use]
    pub fn answer(&self) -> Option<Answer> {
        if let Some(total) = self.total() {
            return Some(Answer::Placed(View { state: State::Placed, reason: None, total: Some(total) }));
        }
        self.end.clone().map(|end| Answer::Refused(end, self.view()))
    }

    /// What a DELETE that waits is told: `None` while it is undecided or being undone.
    #[must_use]
    pub fn after_cancel(&self) -> Option<Result<(), Conflict>> {
        match self.state() {
            State::Cancelled => self.end.as_ref().map(|_| Ok(())),
            State::Requested | State::Pending | State::Placed => None,
            state @ (State::Approved | State::Delivered | State::Rejected) => Some(Err(Conflict(state))),
        }
    }

    /// What an approval that waits is told: `None` while it is undecided.
    #[must_use]
    pub fn after_grant(&self) -> Option<Result<(), Conflict>> {
        match self.state() {
            State::Approved | State::Delivered => Some(Ok(())),
            State::Requested | State::Pending | State::Placed => None,
            state @ (State::Rejected | State::Cancelled) => Some(Err(Conflict(state))),
        }
    }
}
