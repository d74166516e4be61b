//! One supply.

use saga_contract::{Money, OnHand, Quantity, Sku};

/// One supply: `0 <= reserved <= on_hand` and `reserved <= taken`, always.
///
/// Reserving raises `reserved` and `taken`; releasing lowers both; committing lowers `on_hand` and
/// `reserved`, as the units leave the store, and `taken` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// Its name.
    pub sku: Sku,
    /// How many units lie in the store, those that are set aside included.
    pub on_hand: i64,
    /// How many of them are set aside for orders.
    pub reserved: i64,
    /// How many units live and completed orders took, ever: set aside or gone.
    pub taken: i64,
    /// The price of one unit.
    pub price: Money,
    /// Raised by one with each change; 0 for one that nobody has set yet.
    pub version: u64,
}

/// A stock cannot be set below what is set aside for orders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reserved} units of {sku} are reserved for orders, so the stock cannot be set to {quantity}")]
pub struct BelowReserved {
    /// The supply.
    pub sku: Sku,
    /// How many units are set aside.
    pub reserved: i64,
    /// What it was to be set to.
    pub quantity: i64,
}

impl Stock {
    /// A supply that nobody has set yet.
    #[must_use]
    pub fn unset(sku: Sku, price: Money) -> Self {
        Self { sku, on_hand: 0, reserved: 0, taken: 0, price, version: 0 }
    }

    /// How many units an order can still have.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }

    /// Sets what lies in the store and what a unit costs. Says whether that changed anything.
    ///
    /// # Errors
    /// [`BelowReserved`]: nothing changed.
    pub fn set(&mut self, quantity: OnHand, price: Money) -> Result<bool, BelowReserved> {
        let quantity = quantity.get();
        if quantity < self.reserved {
            return Err(BelowReserved { sku: self.sku.clone(), reserved: self.reserved, quantity });
        }
        if self.version > 0 && (self.on_hand, self.price) == (quantity, price) {
            return Ok(false);
        }
        (self.on_hand, self.price) = (quantity, price);
        self.version += 1;
        Ok(true)
    }

    /// Sets units aside. Says whether there were enough; nothing changed otherwise.
    pub(super) fn reserve(&mut self, quantity: Quantity) -> bool {
        let quantity = quantity.get();
        if quantity > self.available() {
            return false;
        }
        self.reserved += quantity;
        self.taken += quantity;
        self.version += 1;
        true
    }

    /// Puts units back that were set aside.
    pub(super) fn release(&mut self, quantity: Quantity) {
        self.reserved -= quantity.get();
        self.taken -= quantity.get();
        self.version += 1;
    }

    /// Hands units out that were set aside.
    pub(super) fn commit(&mut self, quantity: Quantity) {
        self.on_hand -= quantity.get();
        self.reserved -= quantity.get();
        self.version += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saga_contract::Currency;

    fn eur(amount: i64) -> Money {
        Money::new(amount, Currency::EUR).unwrap()
    }

    fn units(quantity: i64) -> OnHand {
        OnHand::new(quantity).unwrap()
    }

    fn ball(on_hand: i64, reserved: i64) -> Stock {
        Stock { sku: "TOY-BALL".parse().unwrap(), on_hand, reserved, taken: reserved, price: eur(250), version: 7 }
    }

    #[test]
    fn the_first_setting_counts_even_if_it_is_zero() {
        let mut stock = Stock::unset("TOY-BALL".parse().unwrap(), eur(250));
        assert_eq!(stock.set(units(0), eur(250)), Ok(true));
        assert_eq!(stock.version, 1);
        assert_eq!(stock.set(units(0), eur(250)), Ok(false), "the same again changes nothing");
        assert_eq!(stock.version, 1);
    }

    #[test]
    fn a_stock_can_be_lowered_to_what_is_reserved_and_no_further() {
        let mut stock = ball(12, 5);
        assert_eq!(stock.set(units(5), eur(250)), Ok(true));
        assert_eq!((stock.available(), stock.version), (0, 8));
        let error = stock.set(units(4), eur(250)).unwrap_err();
        assert_eq!(error.to_string(), "5 units of TOY-BALL are reserved for orders, so the stock cannot be set to 4");
        assert_eq!((stock.on_hand, stock.version), (5, 8));
    }

    #[test]
    fn a_new_price_is_a_change_too() {
        let mut stock = ball(12, 5);
        assert_eq!(stock.set(units(12), eur(300)), Ok(true));
        assert_eq!((stock.price, stock.version), (eur(300), 8));
    }

    #[test]
    fn the_last_unit_can_be_had_and_the_next_cannot() {
        let mut stock = ball(3, 2);
        assert!(stock.reserve(Quantity::ONE));
        assert!(!stock.reserve(Quantity::ONE));
        assert_eq!((stock.on_hand, stock.reserved, stock.taken), (3, 3, 3));
    }

    #[test]
    fn what_is_committed_leaves_the_store_and_stays_taken() {
        let mut stock = ball(3, 2);
        stock.commit(Quantity::ONE);
        assert_eq!((stock.on_hand, stock.reserved, stock.taken, stock.available()), (2, 1, 2, 1));
        stock.release(Quantity::ONE);
        assert_eq!((stock.on_hand, stock.reserved, stock.taken, stock.available()), (2, 0, 1, 2));
    }
}
