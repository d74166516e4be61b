//! What a client wants, once it is known to be valid.

use std::collections::BTreeMap;

use saga_contract::{InvalidValue, Item, Items, OrderNumber, PetNumber, Quantity, ShipDate, Sku};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// An order as a client sent it: nothing of it is checked yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The public id that the client wants; below 1 is none.
    pub id: Option<i64>,
    /// The pet.
    pub pet_id: Option<i64>,
    /// How many.
    pub quantity: Option<i64>,
    /// When it is to be sent.
    pub ship_date: Option<ShipDate>,
    /// Supplies besides.
    pub items: Vec<DraftItem>,
    /// Who orders.
    pub customer_email: Option<String>,
}

/// One line of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftItem {
    /// The supply.
    pub sku: String,
    /// How many units.
    pub quantity: i64,
}

/// A valid request for an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// The public id that the client wants.
    pub number: Option<OrderNumber>,
    /// The pet.
    pub pet: PetNumber,
    /// Supplies besides, one line per SKU.
    pub items: Items,
    /// When it is to be sent.
    pub ship_date: Option<ShipDate>,
    /// The customer's e-mail address; a guest has none.
    pub customer_email: Option<String>,
}

/// A draft that no order can be made of. The text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No pet.
    #[error("petId is missing")]
    NoPet,
    /// Not one.
    #[error("quantity must be absent or 1, as a pet is one of a kind; {0} is not")]
    Quantity(i64),
    /// More lines than one order may have.
    #[error("at most {max} items are allowed, these are {0}", max = Items::<Item>::MAX)]
    TooManyItems(usize),
    /// A value against the law of its type.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// Not an e-mail address.
    #[error("customerEmail must be an e-mail address of at most {max} characters", max = MAX_EMAIL)]
    Email,
}

/// The longest e-mail address, in characters (RFC 5321 leaves room for no longer one).
const MAX_EMAIL: usize = 254;

impl Wish {
    /// Checks a draft.
    ///
    /// # Errors
    /// [`Invalid`], the first thing that is wrong with it.
    pub fn of(draft: Draft) -> Result<Self, Invalid> {
        let pet = PetNumber::new(draft.pet_id.ok_or(Invalid::NoPet)?)?;
        if let Some(quantity) = draft.quantity.filter(|quantity| *quantity != 1) {
            return Err(Invalid::Quantity(quantity));
        }
        Ok(Self {
            number: draft.id.filter(|id| *id >= 1).map(OrderNumber::new).transpose()?,
            pet,
            items: merged(&draft.items)?,
            ship_date: draft.ship_date,
            customer_email: draft.customer_email.map(checked_email).transpose()?,
        })
    }

    /// What tells a repetition from another request under the same key: SHA-256 over all that was
    /// asked for, in one spelling. Who asks is part of the key, not of this.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        #[derive(Serialize)]
        struct Canonical<'a>(Option<OrderNumber>, PetNumber, &'a Items, Option<ShipDate>);
        let canonical = Canonical(self.number, self.pet, &self.items, self.ship_date);
        // Numbers, strings and lists: nothing here can fail to be written.
        Sha256::digest(serde_json::to_vec(&canonical).unwrap_or_default()).into()
    }
}

/// One line per SKU, with the units of all lines of that SKU.
fn merged(lines: &[DraftItem]) -> Result<Items, Invalid> {
    let max = Items::<Item>::MAX;
    if lines.len() > max {
        return Err(Invalid::TooManyItems(lines.len()));
    }
    let mut units: BTreeMap<Sku, i64> = BTreeMap::new();
    for line in lines {
        let quantity = Quantity::new(line.quantity)?;
        // At most a hundred bounded numbers: no sum of them overflows.
        *units.entry(line.sku.parse()?).or_default() += quantity.get();
    }
    let item = |(sku, units)| Ok(Item { sku, quantity: Quantity::new(units)? });
    Ok(Items::new(units.into_iter().map(item).collect::<Result<_, InvalidValue>>()?)?)
}

/// Whether mail could be sent there is not checked, only that it is no slip of the keyboard.
fn checked_email(text: String) -> Result<String, Invalid> {
    let trimmed = text.trim();
    let is_address = trimmed.chars().count() <= MAX_EMAIL
        && trimmed.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !trimmed.chars().any(|c| c.is_control() || c.is_whitespace());
    if is_address { Ok(text) } else { Err(Invalid::Email) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn draft() -> Draft {
        Draft { pet_id: Some(12), ..Draft::default() }
    }

    fn line(sku: &str, quantity: i64) -> DraftItem {
        DraftItem { sku: sku.to_owned(), quantity }
    }

    #[test]
    fn an_order_is_for_one_pet() {
        assert_eq!(Wish::of(draft()).unwrap().pet.get(), 12);
        assert_eq!(Wish::of(Draft::default()), Err(Invalid::NoPet));
        assert!(Wish::of(Draft { quantity: Some(1), ..draft() }).is_ok());
        for quantity in [0, 2, -1, i64::MAX, i64::MIN] {
            assert_eq!(Wish::of(Draft { quantity: Some(quantity), ..draft() }), Err(Invalid::Quantity(quantity)));
        }
        for pet in [0, -1, i64::MAX] {
            assert!(matches!(Wish::of(Draft { pet_id: Some(pet), ..draft() }), Err(Invalid::Value(_))), "{pet}");
        }
    }

    #[test]
    fn an_id_from_1_to_2_to_the_53_is_the_public_id_and_below_there_is_none() {
        let number = |id| Wish::of(Draft { id: Some(id), ..draft() }).map(|wish| wish.number.map(OrderNumber::get));
        assert_eq!(number(1), Ok(Some(1)));
        assert_eq!(number((1 << 53) - 1), Ok(Some((1 << 53) - 1)));
        assert_eq!(number(0), Ok(None));
        assert_eq!(number(-5), Ok(None));
        assert!(number(1 << 53).is_err());
    }

    #[test]
    fn lines_of_one_sku_become_one_however_it_is_spelled() {
        let items = vec![line("toy-ball", 2), line("FOOD", 1), line(" TOY-BALL ", 3)];
        let wish = Wish::of(Draft { items, ..draft() }).unwrap();
        let lines: Vec<_> = wish.items.iter().map(|item| (item.sku.as_str(), item.quantity.get())).collect();
        assert_eq!(lines, [("FOOD", 1), ("TOY-BALL", 5)]);
    }

    #[test]
    fn lines_that_cannot_be_sold_are_refused() {
        let of = |items| Wish::of(Draft { items, ..draft() });
        assert_eq!(of(vec![line("A", 1); 101]), Err(Invalid::TooManyItems(101)));
        assert!(of(vec![line("A", 1); 100]).is_ok());
        for wrong in [line("A", 0), line("A", -1), line("A", i64::MAX), line("", 1), line("A\0", 1), line("  ", 1)] {
            assert!(of(vec![wrong.clone()]).is_err(), "{wrong:?}");
        }
        assert!(of(vec![line("A", 1_000_000), line("a", 1)]).is_err(), "the sum has the same bound");
    }

    #[test]
    fn a_customer_has_an_address_that_looks_like_one() {
        let email = |text: &str| Wish::of(Draft { customer_email: Some(text.to_owned()), ..draft() });
        assert!(email("ann@example.com").is_ok());
        assert!(email(" Ann@Example.COM ").is_ok());
        let long = format!("{}@example.com", "a".repeat(250));
        for wrong in ["", "ann", "@example.com", "ann@", "an n@example.com", "ann@exa\0mple.com", &long] {
            assert_eq!(email(wrong), Err(Invalid::Email), "{wrong:?}");
        }
    }

    #[test]
    fn the_hash_tells_what_was_asked_for_and_not_how_or_by_whom() {
        let hash = |draft: Draft| Wish::of(draft).unwrap().hash();
        let one = Draft { items: vec![line("a", 1), line("b", 2)], ..draft() };
        let same = Draft {
            items: vec![line("B", 1), line("A", 1), line("b", 1)],
            quantity: Some(1),
            id: Some(0),
            customer_email: Some("ann@example.com".to_owned()),
            ..draft()
        };
        assert_eq!(hash(one.clone()), hash(same));
        let date = Some(ShipDate::new(datetime!(2026-11-20 12:00 UTC)).unwrap());
        for other in [
            draft(),
            Draft { pet_id: Some(13), ..one.clone() },
            Draft { id: Some(5), ..one.clone() },
            Draft { ship_date: date, ..one.clone() },
            Draft { items: vec![line("a", 1), line("b", 3)], ..one.clone() },
        ] {
            assert_ne!(hash(one.clone()), hash(other.clone()), "{other:?}");
        }
    }
}
