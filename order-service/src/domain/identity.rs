//! Which order a request is about: computed, never drawn.

use saga_contract::{Names, OrderNumber, order_saga_id};
use saga_core::{Ids, Time};
use uuid::Uuid;

use super::{Key, Request, Wish};

/// The ids of an order, from whom it is for and the key it was requested under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The customer; a guest is known by the key alone.
    pub user: Uuid,
    /// The order.
    pub order: Uuid,
    /// Its saga.
    pub saga: Uuid,
    /// The key as text.
    pub key: String,
}

impl Identity {
    /// The ids of the order that `customer` (a guest, if `None`) requests under `key`.
    #[must_use]
    pub fn new(names: &Names, ids: &Ids, customer: Option<Uuid>, key: &Key) -> Self {
        let key = key.to_string();
        let user = customer.unwrap_or_else(|| names.guest(&key));
        let order = names.order(user, &key);
        Self { user, order, saga: order_saga_id(ids, user, order), key }
    }

    /// The request for what somebody wishes, as it is taken. Without a number of the client's own
    /// the store has yet to give it one.
    #[must_use]
    pub fn request(&self, wish: &Wish, names: &Names, now: Time) -> Request {
        Request {
            order: self.order,
            number: wish.number.unwrap_or(OrderNumber::MIN),
            user: self.user,
            pet: names.pet(wish.pet),
            pet_number: wish.pet,
            items: wish.items.clone(),
            ship_date: wish.ship_date,
            saga: self.saga,
            created_at: now,
            version: 1,
            granted: false,
            cancellation_requested: false,
            end: None,
            life: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use idforge::Salt;
    use saga_contract::DEFAULT_DOMAIN;

    fn identity(customer: Option<&str>, key: &Key) -> Identity {
        let salt = Salt::new("v1").unwrap();
        let (names, ids) = (Names::new(&salt, DEFAULT_DOMAIN), Ids::new(&salt, DEFAULT_DOMAIN));
        Identity::new(&names, &ids, customer.map(|email| names.user(email).unwrap()), key)
    }

    #[test]
    fn the_same_customer_and_key_give_the_same_order_and_saga() {
        let key = Key::Given("cart-17".to_owned());
        let one = identity(Some("ann@example.com"), &key);
        assert_eq!(one, identity(Some(" Ann@Example.com "), &key));
        let other = identity(Some("bob@example.com"), &key);
        assert_ne!((one.order, one.saga), (other.order, other.saga), "keys are per customer");
    }

    #[test]
    fn a_guest_who_sends_an_order_id_is_known_by_it() {
        let key = Key::Number(OrderNumber::new(17).unwrap());
        assert_eq!(identity(None, &key), identity(None, &key));
        assert_ne!(identity(None, &key).order, identity(Some("ann@example.com"), &key).order);
    }
}
