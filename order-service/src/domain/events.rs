//! What this service tells of an order.

use saga_contract::messages::{
    OrderApprovalGranted, OrderApproved, OrderCancellationRequested, OrderCreated, OrderDelivered, OrderRequested,
};
use saga_contract::{Money, Quantity, Reason, processes};
use saga_core::{Body, Ids, Message, Payload, PayloadError, Time};

use super::Request;

impl Request {
    /// The message of an event that a person causes, not a message: it takes its id from the
    /// version of the order, which is as it is after the change.
    ///
    /// # Errors
    /// [`PayloadError`] when the event cannot be written as JSON.
    pub fn message<P: Payload>(&self, ids: &Ids, event: &P, now: Time) -> Result<Message, PayloadError> {
        let subject = self.order.to_string();
        let id = ids.event_at(&subject, self.version, P::TYPE);
        let message = Message::new(id, processes::ORDER_SERVICE, subject, Body::of(event)?, now);
        let mut message = message.at_version(self.version);
        message.saga_id = Some(self.saga);
        message.correlation_id = ids.correlation(self.saga);
        Ok(message)
    }

    /// ORDER_REQUESTED.
    #[must_use]
    pub fn requested_event(&self) -> OrderRequested {
        OrderRequested {
            order: self.order,
            order_id: self.number,
            user_id: self.user,
            pet: self.pet,
            pet_id: self.pet_number,
            quantity: Quantity::ONE,
            items: self.items.clone(),
            ship_date: self.ship_date,
        }
    }

    /// ORDER_CREATED.
    #[must_use]
    pub fn created_event(&self) -> OrderCreated {
        OrderCreated {
            order: self.order,
            order_id: self.number,
            pet: self.pet,
            pet_id: self.pet_number,
            user_id: self.user,
        }
    }

    /// ORDER_APPROVED, with everything that selling the pet and handing out the supplies need.
    #[must_use]
    pub fn approved_event(&self, total: Money) -> OrderApproved {
        OrderApproved {
            order: self.order,
            order_id: self.number,
            pet: self.pet,
            pet_id: self.pet_number,
            user_id: self.user,
            items: self.items.clone(),
            total: self.total().unwrap_or(total),
        }
    }

    /// ORDER_APPROVAL_GRANTED, by the name of an operator's token.
    #[must_use]
    pub fn granted_event(&self, by: String) -> OrderApprovalGranted {
        OrderApprovalGranted { order: self.order, by }
    }

    /// ORDER_CANCELLATION_REQUESTED.
    #[must_use]
    pub fn cancellation_event(&self) -> OrderCancellationRequested {
        let reason = Reason::CANCELLED_BY_CUSTOMER;
        OrderCancellationRequested { order: self.order, by: "customer".to_owned(), reason }
    }

    /// ORDER_DELIVERED.
    #[must_use]
    pub fn delivered_event(&self) -> OrderDelivered {
        OrderDelivered { order: self.order, order_id: self.number }
    }
}
