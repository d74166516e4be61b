//! Supplies and what is set aside for orders: all of an order's lines, or none.
//!
//! What is so already is answered again, and changes nothing: a copy of a request, handled at the same moment, sees what
//! the first one did before it sees that the step is done.

use std::collections::BTreeMap;

use saga_contract::messages::{InventoryCommitted, InventoryRefused, InventoryReleased, InventoryReserved};
use saga_contract::{Item, Items, Money, PricedItem, Quantity, Reason, Sku};
use uuid::Uuid;

use super::Stock;

/// The supplies and reservations that a batch touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warehouse {
    stock: BTreeMap<Sku, Stock>,
    reservations: BTreeMap<Uuid, Reservation>,
}

/// What is, or was, set aside for the order of one saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The order.
    pub order: Uuid,
    /// The lines, at the prices of the moment of reserving.
    pub items: Items<PricedItem>,
    /// What became of it.
    pub state: ReservationState,
    /// 1 when first reserved, raised by one with each change.
    pub version: u64,
}

/// What became of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationState {
    /// The units lie aside.
    Reserved,
    /// The units left the store.
    Committed,
    /// The units were put back.
    Released,
}

/// What an order wants.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// The saga of the order.
    pub saga: Uuid,
    /// The order.
    pub order: Uuid,
    /// The supplies, one line at least.
    pub items: &'a Items,
    /// What the pet costs: the supplies have to be paid in the same currency.
    pub pet_price: Money,
}

/// A reservation as it was asked for: what is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<P> {
    /// The event.
    pub event: P,
    /// The reservation's version after it; none if it was so before.
    pub version: Option<u64>,
}

/// Why nothing was set aside.
#[derive(Debug, Clone, PartialEq)]
pub enum NotReserved {
    /// The store says no.
    Refused(InventoryRefused),
    /// The request makes no sense.
    Contradiction(Contradiction),
}

/// A request that no saga makes in any order of its messages. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Nothing was ever set aside for this saga.
    #[error("nothing is set aside for this saga")]
    Nothing,
    /// The saga's reservation belongs to another order than the request names.
    #[error("this saga's supplies are set aside for the order {0}")]
    OtherOrder(Uuid),
    /// The supplies left the store.
    #[error("this saga's supplies left the store")]
    Committed,
    /// The supplies were put back.
    #[error("this saga's supplies were put back")]
    Released,
    /// A request to reserve nothing.
    #[error("the request has no items")]
    NoItems,
    /// A supply that is set aside is not in the store's books.
    #[error("a supply that is set aside is not known")]
    NoSupply,
}

impl Warehouse {
    /// Sets all that an order wants aside, or refuses and sets nothing aside. The refusal names the
    /// first supply, in the order of their names, that cannot be had.
    ///
    /// # Errors
    /// [`NotReserved`]: nothing changed.
    pub fn reserve(&mut self, demand: Demand<'_>) -> Result<Told<InventoryReserved>, NotReserved> {
        let known = self.known(demand.saga, demand.order).map_err(NotReserved::Contradiction)?;
        let version = match known {
            None => 1,
            Some(Reservation { state: ReservationState::Released, version, .. }) => version + 1,
            Some(Reservation { state: ReservationState::Reserved | ReservationState::Committed, items, .. }) => {
                return Ok(Told { event: reserved(&demand, items.clone())?, version: None });
            }
        };
        let after = self.take_all(&demand).map_err(|refusal| NotReserved::Refused(refusal.of(demand.order)))?;
        let lines = demand.items.iter().zip(&after).map(|(item, stock)| priced(item, stock.price)).collect();
        let items = Items::new(lines).unwrap_or_default(); // As lawful as the demand's own lines.
        let event = reserved(&demand, items.clone())?;
        self.stock.extend(after.into_iter().map(|stock| (stock.sku.clone(), stock)));
        let (order, state) = (demand.order, ReservationState::Reserved);
        self.reservations.insert(demand.saga, Reservation { order, items, state, version });
        Ok(Told { event, version: Some(version) })
    }

    /// Puts back what is set aside for a saga's order.
    ///
    /// # Errors
    /// [`Contradiction`]: nothing changed.
    pub fn release(&mut self, saga: Uuid, order: Uuid) -> Result<Told<InventoryReleased>, Contradiction> {
        let (items, version) = self.leave(saga, order, ReservationState::Released, Stock::release)?;
        Ok(Told { event: InventoryReleased { order, items }, version })
    }

    /// Hands out what is set aside for a saga's order.
    ///
    /// # Errors
    /// [`Contradiction`]: nothing changed.
    pub fn commit(&mut self, saga: Uuid, order: Uuid) -> Result<Told<InventoryCommitted>, Contradiction> {
        let (items, version) = self.leave(saga, order, ReservationState::Committed, Stock::commit)?;
        Ok(Told { event: InventoryCommitted { order, items }, version })
    }

    /// Puts a supply in.
    pub fn stock(&mut self, stock: Stock) {
        self.stock.insert(stock.sku.clone(), stock);
    }

    /// The supplies, in the order of their names.
    pub fn supplies(&self) -> impl Iterator<Item = &Stock> {
        self.stock.values()
    }

    /// The supply of that name.
    #[must_use]
    pub fn supply(&self, sku: &Sku) -> Option<&Stock> {
        self.stock.get(sku)
    }

    /// The reservations by saga, in key order.
    pub fn reservations(&self) -> impl Iterator<Item = (&Uuid, &Reservation)> {
        self.reservations.iter()
    }

    /// The reservation of a saga.
    #[must_use]
    pub fn reservation(&self, saga: &Uuid) -> Option<&Reservation> {
        self.reservations.get(saga)
    }

    /// A warehouse with these supplies and reservations.
    #[must_use]
    pub fn new(stock: impl IntoIterator<Item = Stock>, reservations: BTreeMap<Uuid, Reservation>) -> Self {
        Self { stock: stock.into_iter().map(|stock| (stock.sku.clone(), stock)).collect(), reservations }
    }

    /// The saga's reservation, if there is one.
    fn known(&self, saga: Uuid, order: Uuid) -> Result<Option<&Reservation>, Contradiction> {
        match self.reservations.get(&saga) {
            Some(known) if known.order != order => Err(Contradiction::OtherOrder(known.order)),
            known => Ok(known),
        }
    }

    /// Every supply of a demand as it would be afterwards; nothing is changed yet.
    fn take_all(&self, demand: &Demand<'_>) -> Result<Vec<Stock>, Refusal> {
        let take = |item: &Item| {
            let refusal = |reason| Refusal { reason, sku: Some(item.sku.clone()) };
            let mut stock = self.stock.get(&item.sku).cloned().ok_or_else(|| refusal(Reason::SKU_UNKNOWN))?;
            if stock.price.currency() != demand.pet_price.currency() {
                return Err(refusal(Reason::CURRENCY_MIXED));
            }
            if stock.reserve(item.quantity) { Ok(stock) } else { Err(refusal(Reason::OUT_OF_STOCK)) }
        };
        demand.items.iter().map(take).collect()
    }

    /// Ends a reservation: each of its lines goes the same way.
    fn leave(
        &mut self,
        saga: Uuid,
        order: Uuid,
        state: ReservationState,
        way: fn(&mut Stock, Quantity),
    ) -> Result<(Items, Option<u64>), Contradiction> {
        let known = self.known(saga, order)?.ok_or(Contradiction::Nothing)?;
        match known.state {
            ReservationState::Reserved => {}
            left if left == state => return Ok((known.quantities(), None)),
            ReservationState::Released => return Err(Contradiction::Released),
            ReservationState::Committed => return Err(Contradiction::Committed),
        }
        let after = |line: &PricedItem| {
            let mut stock = self.stock.get(&line.sku).cloned().ok_or(Contradiction::NoSupply)?;
            way(&mut stock, line.quantity);
            Ok((line.sku.clone(), stock))
        };
        let after: Vec<_> = known.items.iter().map(after).collect::<Result<_, _>>()?;
        let left = Reservation { state, version: known.version + 1, ..known.clone() };
        let told = (left.quantities(), Some(left.version));
        self.stock.extend(after);
        self.reservations.insert(saga, left);
        Ok(told)
    }
}

impl Reservation {
    /// The lines without their prices.
    #[must_use]
    pub fn quantities(&self) -> Items {
        let lines = self.items.iter().map(|line| Item { sku: line.sku.clone(), quantity: line.quantity }).collect();
        Items::new(lines).unwrap_or_default() // As lawful as the priced lines.
    }
}

impl ReservationState {
    /// Its name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Committed => "committed",
            Self::Released => "released",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Reserved, Self::Committed, Self::Released].into_iter().find(|state| state.as_str() == name)
    }
}

impl Contradiction {
    /// The word that groups it among parked messages.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Nothing => "nothing_reserved",
            Self::OtherOrder(_) => "other_order",
            Self::Committed => "already_committed",
            Self::Released => "already_released",
            Self::NoItems => "no_items",
            Self::NoSupply => "no_supply",
        }
    }
}

/// A refusal that does not know its order yet.
struct Refusal {
    reason: Reason,
    sku: Option<Sku>,
}

impl Refusal {
    fn total_too_large() -> Self {
        Self { reason: Reason::from("total_too_large".to_owned()), sku: None }
    }

    fn of(self, order: Uuid) -> InventoryRefused {
        InventoryRefused { order, reason: self.reason, sku: self.sku }
    }
}

/// What is told of lines that are set aside.
fn reserved(demand: &Demand<'_>, items: Items<PricedItem>) -> Result<InventoryReserved, NotReserved> {
    let too_large = |_| NotReserved::Refused(Refusal::total_too_large().of(demand.order));
    let total = items.total().map_err(too_large)?;
    let total = total.ok_or(NotReserved::Contradiction(Contradiction::NoItems))?;
    total.plus(demand.pet_price).map_err(too_large)?;
    Ok(InventoryReserved { order: demand.order, items, total })
}

fn priced(item: &Item, price: Money) -> PricedItem {
    PricedItem { sku: item.sku.clone(), quantity: item.quantity, price }
}

#[cfg(test)]
mod tests;
