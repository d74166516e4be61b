//! The ids of users, pets, orders and order sagas: forged from what they mean, so that anybody who
//! holds the salt computes the same ones. All other ids are the engine's ([`saga_core::Ids`]).

use idforge::{Forge, Namespace, Salt, UuidText, canonical, id};
use saga_core::Ids;
use uuid::Uuid;

use crate::values::PetNumber;

/// The domain under which ids are forged unless a system is told another.
pub const DEFAULT_DOMAIN: &str = "petstore.example";

/// The forges of the pet store's own ids, bound to one salt and one domain.
#[derive(Debug, Clone)]
pub struct Names {
    users: Forge,
    pets: Forge,
    orders: Forge,
}

impl Names {
    /// The forges for a system with this salt and domain ([`DEFAULT_DOMAIN`]).
    #[must_use]
    pub fn new(salt: &Salt, domain: &str) -> Self {
        let forge = |of: &str| Forge::new(Namespace::from_domain(&format!("{of}.{domain}")), salt);
        Self { users: forge("users"), pets: forge("pets"), orders: forge("orders") }
    }

    /// The id of a customer with an e-mail address, however it is spelled. The address itself goes
    /// no further than this call.
    ///
    /// # Errors
    /// [`idforge::Error::NotCanonical`] when it is blank or has invisible characters.
    pub fn user(&self, email: &str) -> Result<Uuid, idforge::Error> {
        Ok(id!(self.users, "user", email = canonical::email(email)?.as_str()))
    }

    /// The id of a customer without an e-mail address, known by the idempotency key of the request alone.
    #[must_use]
    pub fn guest(&self, idempotency_key: &str) -> Uuid {
        id!(self.users, "user", guest = idempotency_key)
    }

    /// The id of the pet with this public number.
    #[must_use]
    pub fn pet(&self, number: PetNumber) -> Uuid {
        id!(self.pets, "pet", id = number.get())
    }

    /// The id of the order that a customer placed under this idempotency key.
    #[must_use]
    pub fn order(&self, user: Uuid, idempotency_key: &str) -> Uuid {
        id!(self.orders, "order", user_id = UuidText(user), idempotency_key = idempotency_key)
    }
}

/// The id of the saga of an order.
#[must_use]
pub fn order_saga_id(ids: &Ids, user: Uuid, order: Uuid) -> Uuid {
    id!(ids.sagas(), "order_saga", user_id = UuidText(user), order_id = UuidText(order))
}
