//! A requested order, and all that can happen to it.
//!
//! Two facts are kept apart, as they are told by different people at different times. The
//! [`Order`] is what this service did: it exists because PET_RESERVED was read, and CLOSE_ORDER
//! closes it. The [`End`] is what the orchestrator says of the whole request once *everything* is
//! undone, in other services too. So an order can be closed while its pet is still on its way
//! back; and a request that never became an order ends all the same.

use saga_contract::{Items, Money, OrderNumber, PetNumber, Reason, ShipDate};
use saga_core::{Outcome, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A requested order.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The order's id.
    pub order: Uuid,
    /// Its public number.
    pub number: OrderNumber,
    /// The customer.
    pub user: Uuid,
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_number: PetNumber,
    /// Supplies besides.
    pub items: Items,
    /// When it is to be sent.
    pub ship_date: Option<ShipDate>,
    /// Its saga.
    pub saga: Uuid,
    /// When it was accepted.
    pub created_at: Time,
    /// Raised by every change.
    pub version: u64,
    /// Whether the owner's approval was handed on.
    pub granted: bool,
    /// Whether a cancellation was handed on.
    pub cancellation_requested: bool,
    /// How its saga ended, if it ended without completing.
    pub end: Option<End>,
    /// The order, once there is one.
    pub life: Option<Order>,
}

/// An order that exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Where it stands.
    pub state: State,
    /// What it costs; known from SAGA_PREPARED or APPROVE_ORDER on, and kept from then on.
    pub total: Option<Money>,
    /// Why it was rejected or cancelled.
    pub reason: Option<Reason>,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Asked for; there is no order yet.
    Requested,
    /// Created; other steps may still refuse.
    Pending,
    /// All that can refuse has agreed; it waits for approval.
    Placed,
    /// Approved; nothing can undo it any longer.
    Approved,
    /// Handed to its customer.
    Delivered,
    /// The system said no.
    Rejected,
    /// A person or an expiry ended it.
    Cancelled,
}

/// How a saga ended that did not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Whose no it was.
    pub outcome: Outcome,
    /// The reason.
    pub reason: Reason,
}

/// What a message did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It changed the order.
    Changed,
    /// It changed nothing, rightly.
    Unchanged(&'static str),
}

/// What a message cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// Not yet: it overtook what must come first.
    NotYet(&'static str),
    /// Never, by any order of messages: somebody should look. A word that groups.
    Never(&'static str),
}

/// What becomes of a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It is so already, or it is so now.
    Fulfilled,
    /// It is handed on to the saga now; wait for what comes of it.
    HandedOn,
    /// It was handed on before, or the saga is about to do it anyway; wait.
    UnderWay,
}

/// The order's state forbids it, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is {}", .0.as_str())]
pub struct Conflict(pub State);

impl State {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Requested,
        Self::Pending,
        Self::Placed,
        Self::Approved,
        Self::Delivered,
        Self::Rejected,
        Self::Cancelled,
    ];

    /// Its name in database, API and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Pending => "pending",
            Self::Placed => "placed",
            Self::Approved => "approved",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl From<Outcome> for State {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Rejected => Self::Rejected,
            Outcome::Cancelled => Self::Cancelled,
        }
    }
}

impl End {
    /// The state that it leaves, as a word.
    #[must_use]
    pub fn outcome_word(&self) -> &'static str {
        State::from(self.outcome).as_str()
    }
}

/// What is asked of the order by messages.
impl Request {
    /// PET_RESERVED: the order comes into being.
    ///
    /// # Errors
    /// The reason to refuse: it is closed already.
    pub fn create(&mut self) -> Result<Change, Reason> {
        if self.end.is_some() {
            return Err(Reason::CANCELLED);
        }
        match self.life.as_ref().map(|order| order.state) {
            None | Some(State::Requested) => {
                self.life = Some(Order { state: State::Pending, total: None, reason: None });
                Ok(self.changed())
            }
            Some(State::Pending | State::Placed | State::Approved | State::Delivered) => {
                Ok(Change::Unchanged("the order was created already"))
            }
            Some(State::Rejected | State::Cancelled) => Err(Reason::CANCELLED),
        }
    }

    /// CLOSE_ORDER: the order's saga is being undone.
    ///
    /// # Errors
    /// [`Stuck::Never`] when the order is approved: its saga cannot be undone any longer.
    pub fn close(&mut self, outcome: Outcome, reason: &Reason) -> Result<Change, Stuck> {
        match self.life.as_ref().map(|order| order.state) {
            None => Ok(Change::Unchanged("there is no order to close")),
            Some(State::Requested | State::Pending | State::Placed) => {
                self.advance(outcome.into(), Some(reason.clone()));
                Ok(self.changed())
            }
            Some(State::Rejected | State::Cancelled) => Ok(Change::Unchanged("the order was closed already")),
            Some(State::Approved | State::Delivered) => Err(Stuck::Never("order_approved")),
        }
    }

    /// SAGA_PREPARED: everybody agreed, and the total is known.
    ///
    /// # Errors
    /// [`Stuck::NotYet`] when it overtook PET_RESERVED.
    pub fn prepared(&mut self, total: Money) -> Result<Change, Stuck> {
        if self.end.is_some() {
            return Ok(Change::Unchanged("the request has ended"));
        }
        let Some(order) = &mut self.life else { return Err(Stuck::NotYet("the order is not created yet")) };
        match order.state {
            State::Requested | State::Pending => {
                order.total = Some(total);
                self.advance(State::Placed, None);
                Ok(self.changed())
            }
            State::Placed => Ok(Change::Unchanged("the order is placed already")),
            State::Approved | State::Delivered => Ok(Change::Unchanged("the order is approved already")),
            State::Rejected | State::Cancelled => Ok(Change::Unchanged("the order is closed already")),
        }
    }

    /// APPROVE_ORDER: the point of no return is behind it.
    ///
    /// # Errors
    /// [`Stuck::NotYet`] when it overtook PET_RESERVED; [`Stuck::Never`] when the order is closed.
    pub fn approve(&mut self, total: Money) -> Result<Change, Stuck> {
        if self.end.is_some() {
            return Err(Stuck::Never("order_closed"));
        }
        let Some(order) = &mut self.life else { return Err(Stuck::NotYet("the order is not created yet")) };
        match order.state {
            State::Requested | State::Pending | State::Placed => {
                order.total.get_or_insert(total);
                self.advance(State::Approved, None);
                Ok(self.changed())
            }
            State::Approved | State::Delivered => Ok(Change::Unchanged("the order is approved already")),
            State::Rejected | State::Cancelled => Err(Stuck::Never("order_closed")),
        }
    }

    /// SAGA_REJECTED or SAGA_CANCELLED: all is undone. Closes the order too, should an operator
    /// have skipped the undo that does.
    ///
    /// # Errors
    /// [`Stuck::Never`] when the order is approved: such a saga cannot end so.
    pub fn ended(&mut self, outcome: Outcome, reason: Reason) -> Result<Change, Stuck> {
        if self.end.is_some() {
            return Ok(Change::Unchanged("the request has ended already"));
        }
        match self.life.as_ref().map(|order| order.state) {
            None | Some(State::Rejected | State::Cancelled) => {}
            Some(State::Requested | State::Pending | State::Placed) => {
                self.advance(outcome.into(), Some(reason.clone()));
            }
            Some(State::Approved | State::Delivered) => return Err(Stuck::Never("order_approved")),
        }
        self.end = Some(End { outcome, reason });
        Ok(self.changed())
    }

    fn advance(&mut self, state: State, reason: Option<Reason>) {
        if let Some(order) = &mut self.life {
            (order.state, order.reason) = (state, reason);
        }
    }

    fn changed(&mut self) -> Change {
        self.version += 1;
        Change::Changed
    }
}

/// What is asked of the order by people.
impl Request {
    /// A customer cancels. It is handed on at most once.
    ///
    /// # Errors
    /// [`Conflict`] when it is approved, delivered or rejected.
    pub fn cancel(&mut self) -> Result<Word, Conflict> {
        match self.state() {
            State::Cancelled if self.end.is_some() => Ok(Word::Fulfilled),
            State::Cancelled => Ok(Word::UnderWay),
            State::Requested | State::Pending | State::Placed if self.cancellation_requested => Ok(Word::UnderWay),
            State::Requested | State::Pending | State::Placed => {
                self.cancellation_requested = true;
                self.changed();
                Ok(Word::HandedOn)
            }
            state @ (State::Approved | State::Delivered | State::Rejected) => Err(Conflict(state)),
        }
    }

    /// The store owner approves. It is handed on at most once; before its time it is remembered there.
    ///
    /// # Errors
    /// [`Conflict`] when it is rejected or cancelled.
    pub fn grant(&mut self) -> Result<Word, Conflict> {
        match self.state() {
            State::Approved | State::Delivered => Ok(Word::Fulfilled),
            State::Requested | State::Pending | State::Placed if self.granted => Ok(Word::UnderWay),
            State::Requested | State::Pending | State::Placed => {
                self.granted = true;
                self.changed();
                Ok(Word::HandedOn)
            }
            state @ (State::Rejected | State::Cancelled) => Err(Conflict(state)),
        }
    }

    /// The store owner hands it to its customer. `true` when that happened just now.
    ///
    /// # Errors
    /// [`Conflict`] unless it is approved, or was delivered before.
    pub fn deliver(&mut self) -> Result<bool, Conflict> {
        match self.state() {
            State::Approved => {
                self.advance(State::Delivered, None);
                self.changed();
                Ok(true)
            }
            State::Delivered => Ok(false),
            state @ (State::Requested | State::Pending | State::Placed | State::Rejected | State::Cancelled) => {
                Err(Conflict(state))
            }
        }
    }
}

/// What it is.
impl Request {
    /// Where it stands, for all who ask.
    #[must_use]
    pub fn state(&self) -> State {
        match (&self.end, &self.life) {
            (Some(end), _) => end.outcome.into(),
            (None, Some(order)) => order.state,
            (None, None) => State::Requested,
        }
    }

    /// Why it was rejected or cancelled.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        let order = self.life.as_ref().and_then(|order| order.reason.as_ref());
        self.end.as_ref().map(|end| &end.reason).or(order)
    }

    /// What it costs, once that is known.
    #[must_use]
    pub fn total(&self) -> Option<Money> {
        self.life.as_ref().and_then(|order| order.total)
    }
}
