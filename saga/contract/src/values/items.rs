//! The supplies of an order.

use serde::{Deserialize, Serialize};

use super::{InvalidValue, Money, MoneyError, Quantity, Sku};

/// So many units of a supply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The supply.
    pub sku: Sku,
    /// How many units.
    pub quantity: Quantity,
}

/// So many units of a supply, with the price of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedItem {
    /// The supply.
    pub sku: Sku,
    /// How many units.
    pub quantity: Quantity,
    /// The price of one unit.
    pub price: Money,
}

/// One line of an order.
pub trait Line {
    /// The supply that it is about.
    fn sku(&self) -> &Sku;
}

/// The lines of an order, at most 100, one per supply, in the order of their SKUs: that order is
/// also the one in which rows are locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<L>", bound(deserialize = "L: Line + Deserialize<'de>"))]
pub struct Items<L = Item>(Vec<L>);

impl<L: Line> Items<L> {
    /// The most lines of one order.
    pub const MAX: usize = 100;

    /// The lines in the order of their SKUs.
    ///
    /// # Errors
    /// [`InvalidValue`]: more than [`Items::MAX`] lines, or two of one supply.
    pub fn new(mut lines: Vec<L>) -> Result<Self, InvalidValue> {
        if lines.len() > Self::MAX {
            return Err(InvalidValue::TooManyItems { max: Self::MAX, found: lines.len() });
        }
        lines.sort_by(|a, b| a.sku().cmp(b.sku()));
        match lines.windows(2).find(|pair| pair[0].sku() == pair[1].sku()) {
            Some(pair) => Err(InvalidValue::ItemTwice(pair[0].sku().clone())),
            None => Ok(Self(lines)),
        }
    }
}

impl<L> Items<L> {
    /// No lines at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The lines.
    #[must_use]
    pub fn as_slice(&self) -> &[L] {
        &self.0
    }

    /// The lines, one after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, L> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Items<PricedItem> {
    /// What all lines cost together; `None` when there are none, as there is no currency then.
    ///
    /// # Errors
    /// [`MoneyError`]: prices in two currencies, or too large a sum.
    pub fn total(&self) -> Result<Option<Money>, MoneyError> {
        self.iter().try_fold(None, |sum: Option<Money>, line| {
            let cost = line.price.times(line.quantity)?;
            sum.map_or(Ok(cost), |sum| sum.plus(cost)).map(Some)
        })
    }
}

impl Line for Item {
    fn sku(&self) -> &Sku {
        &self.sku
    }
}

impl Line for PricedItem {
    fn sku(&self) -> &Sku {
        &self.sku
    }
}

impl<L> Default for Items<L> {
    fn default() -> Self {
        Self::none()
    }
}

impl<L: Line> TryFrom<Vec<L>> for Items<L> {
    type Error = InvalidValue;

    fn try_from(lines: Vec<L>) -> Result<Self, InvalidValue> {
        Self::new(lines)
    }
}

impl<L> IntoIterator for Items<L> {
    type Item = L;
    type IntoIter = std::vec::IntoIter<L>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, L> IntoIterator for &'a Items<L> {
    type Item = &'a L;
    type IntoIter = std::slice::Iter<'a, L>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Currency;
    use super::*;

    fn item(sku: &str) -> Item {
        Item { sku: sku.parse().unwrap(), quantity: Quantity::ONE }
    }

    fn priced(sku: &str, quantity: i64, amount: i64, currency: &str) -> PricedItem {
        let price = Money::new(amount, currency.parse().unwrap()).unwrap();
        PricedItem { sku: sku.parse().unwrap(), quantity: Quantity::new(quantity).unwrap(), price }
    }

    #[test]
    fn lines_are_kept_in_the_order_of_their_skus() {
        let items = Items::new(vec![item("toy-ball"), item("FOOD-CAT-2KG")]).unwrap();
        let skus: Vec<_> = items.iter().map(|line| line.sku.as_str()).collect();
        assert_eq!(skus, ["FOOD-CAT-2KG", "TOY-BALL"]);
    }

    #[test]
    fn one_supply_twice_is_refused_however_it_is_spelled() {
        let error = Items::new(vec![item("toy-ball"), item(" TOY-BALL ")]).unwrap_err();
        assert_eq!(error.to_string(), "the item TOY-BALL is listed twice");
    }

    #[test]
    fn more_than_a_hundred_lines_are_refused() {
        let lines = |n: usize| (0..n).map(|i| item(&format!("S{i}"))).collect::<Vec<_>>();
        assert_eq!(Items::new(lines(100)).unwrap().len(), 100);
        assert_eq!(Items::new(lines(101)), Err(InvalidValue::TooManyItems { max: 100, found: 101 }));
        let json = serde_json::to_string(&lines(101)).unwrap();
        assert!(serde_json::from_str::<Items>(&json).is_err());
    }

    #[test]
    fn the_total_is_the_sum_over_units_in_one_currency() {
        let total = |lines| Items::new(lines).unwrap().total();
        assert_eq!(total(vec![]), Ok(None));
        let sum = total(vec![priced("A", 2, 1250, "EUR"), priced("B", 1, 99, "EUR")]);
        assert_eq!(sum, Ok(Some(Money::new(2599, Currency::EUR).unwrap())));
        let mixed = total(vec![priced("A", 1, 1, "EUR"), priced("B", 1, 1, "USD")]);
        assert!(matches!(mixed, Err(MoneyError::CurrencyMixed(..))));
        assert_eq!(total(vec![priced("A", 2, Money::MAX_AMOUNT, "EUR")]), Err(MoneyError::TooMuch));
    }
}
