//! What the owner of the store writes about a pet.

use saga_contract::{Category, Currency, InvalidValue, Money, PetStatus};
use serde::{Deserialize, Serialize};

/// What a client wrote about a pet, before it was checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Its category, if it has one.
    pub category: Option<Category>,
    /// Where pictures of it are.
    pub photo_urls: Vec<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its price in minor units. Absent: as it was; 0 for a new pet.
    pub price: Option<i64>,
    /// The currency of the price, ISO 4217. Absent: as it was; EUR for a new pet.
    pub currency: Option<String>,
    /// Where the client says that it stands. Absent: as it is.
    pub status: Option<PetStatus>,
}

/// What the store's catalogue says about a pet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: 1 to [`Entry::NAME`] characters.
    pub name: String,
    /// Its category, if it has one.
    pub category: Option<Category>,
    /// Where pictures of it are; may be empty.
    pub photo_urls: Vec<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// What it costs.
    pub price: Money,
}

/// A word that the owner of the store groups pets by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tag {
    /// Its number, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Why a draft cannot be taken over. The text is for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDraft {
    /// A text that is too short, too long, or not to be shown.
    #[error("{what} must have {min} to {max} characters, none of them a control character")]
    Text {
        /// What it is.
        what: &'static str,
        /// The fewest characters.
        min: usize,
        /// The most characters.
        max: usize,
    },
    /// A name of nothing but blanks.
    #[error("name must not be blank")]
    Blank,
    /// A list that is too long.
    #[error("at most {max} {what} are allowed, these are {found}")]
    TooMany {
        /// What it lists.
        what: &'static str,
        /// The most that are allowed.
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// A price that is none.
    #[error("price or currency: {0}")]
    Price(#[from] InvalidValue),
}

impl Entry {
    /// The longest name of a pet, a category or a tag, in characters.
    pub const NAME: usize = 200;
    /// The most pictures.
    pub const PHOTO_URLS: usize = 50;
    /// The longest address of a picture, in characters.
    pub const PHOTO_URL: usize = 1000;
    /// The most tags.
    pub const TAGS: usize = 50;
}

impl Draft {
    /// What a new pet costs when nobody says so: nothing, in euros.
    const NO_PRICE: (i64, Currency) = (0, Currency::EUR);

    /// The entry of a new pet.
    ///
    /// # Errors
    /// [`InvalidDraft`].
    pub fn into_first_entry(self) -> Result<Entry, InvalidDraft> {
        let (amount, currency) = Self::NO_PRICE;
        let free = Money::new(amount, currency)?;
        self.into_entry(free)
    }

    /// The entry that takes the place of one with this price: what the draft leaves out is empty
    /// from now on, but price and currency, which not every client knows of, stay.
    ///
    /// # Errors
    /// [`InvalidDraft`].
    pub fn into_entry(self, price: Money) -> Result<Entry, InvalidDraft> {
        self.check()?;
        let currency = self.currency.map_or(Ok(price.currency()), |code| code.parse())?;
        let price = Money::new(self.price.unwrap_or(price.amount()), currency)?;
        let Self { name, category, photo_urls, tags, .. } = self;
        Ok(Entry { name, category, photo_urls, tags, price })
    }

    fn check(&self) -> Result<(), InvalidDraft> {
        text("name", 1, Entry::NAME, &self.name)?;
        if self.name.trim().is_empty() {
            return Err(InvalidDraft::Blank);
        }
        if let Some(name) = self.category.as_ref().and_then(|category| category.name.as_ref()) {
            text("category.name", 0, Entry::NAME, name)?;
        }
        few("photoUrls", Entry::PHOTO_URLS, self.photo_urls.len())?;
        self.photo_urls.iter().try_for_each(|url| text("each of photoUrls", 0, Entry::PHOTO_URL, url))?;
        few("tags", Entry::TAGS, self.tags.len())?;
        let mut names = self.tags.iter().filter_map(|tag| tag.name.as_ref());
        names.try_for_each(|name| text("each tag's name", 0, Entry::NAME, name))
    }
}

fn text(what: &'static str, min: usize, max: usize, text: &str) -> Result<(), InvalidDraft> {
    let length = text.chars().take(max + 1).count();
    if (min..=max).contains(&length) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(InvalidDraft::Text { what, min, max })
    }
}

fn few(what: &'static str, max: usize, found: usize) -> Result<(), InvalidDraft> {
    if found <= max { Ok(()) } else { Err(InvalidDraft::TooMany { what, max, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft { name: "Miso".to_owned(), ..Draft::default() }
    }

    fn eur(amount: i64) -> Money {
        Money::new(amount, Currency::EUR).unwrap()
    }

    #[test]
    fn a_new_pet_costs_nothing_until_somebody_says_so() {
        assert_eq!(draft().into_first_entry().unwrap().price, eur(0));
        let priced = Draft { price: Some(25_000), ..draft() };
        assert_eq!(priced.into_first_entry().unwrap().price, eur(25_000));
        let dollars = Draft { price: Some(5), currency: Some("USD".to_owned()), ..draft() };
        assert_eq!(dollars.into_first_entry().unwrap().price, Money::new(5, "USD".parse().unwrap()).unwrap());
    }

    #[test]
    fn a_client_that_knows_of_no_prices_leaves_them_alone() {
        assert_eq!(draft().into_entry(eur(700)).unwrap().price, eur(700));
        let cheaper = Draft { price: Some(600), ..draft() };
        assert_eq!(cheaper.into_entry(eur(700)).unwrap().price, eur(600));
        let free = Draft { price: Some(0), ..draft() };
        assert_eq!(free.into_entry(eur(700)).unwrap().price, eur(0), "0 is a price, not its absence");
    }

    #[test]
    fn what_a_draft_leaves_out_is_empty_from_now_on() {
        let entry = draft().into_entry(eur(1)).unwrap();
        assert_eq!((entry.category, entry.photo_urls, entry.tags), (None, vec![], vec![]));
    }

    #[test]
    fn every_text_has_its_bounds() {
        let long = |n: usize| "é".repeat(n);
        let tag = |name: String| vec![Tag { id: None, name: Some(name) }];
        let category = |name: String| Some(Category { id: Some(-1), name: Some(name) });
        for (draft, ok) in [
            (Draft { name: long(200), ..draft() }, true),
            (Draft { name: long(201), ..draft() }, false),
            (Draft { name: String::new(), ..draft() }, false),
            (Draft { name: " \u{a0} ".to_owned(), ..draft() }, false),
            (Draft { name: "a\u{0}b".to_owned(), ..draft() }, false),
            (Draft { name: "two\nlines".to_owned(), ..draft() }, false),
            (Draft { category: category(String::new()), ..draft() }, true),
            (Draft { category: category(long(201)), ..draft() }, false),
            (Draft { photo_urls: vec!["string".to_owned(); 50], ..draft() }, true),
            (Draft { photo_urls: vec!["string".to_owned(); 51], ..draft() }, false),
            (Draft { photo_urls: vec![long(1000)], ..draft() }, true),
            (Draft { photo_urls: vec![long(1001)], ..draft() }, false),
            (Draft { tags: tag(long(200)), ..draft() }, true),
            (Draft { tags: tag(long(201)), ..draft() }, false),
            (Draft { tags: vec![Tag::default(); 50], ..draft() }, true),
            (Draft { tags: vec![Tag::default(); 51], ..draft() }, false),
        ] {
            assert_eq!(draft.clone().into_first_entry().is_ok(), ok, "{draft:?}");
        }
    }

    #[test]
    fn a_price_is_a_whole_number_of_minor_units_in_a_currency() {
        for (price, currency, ok) in [
            (0, "EUR", true),
            (Money::MAX_AMOUNT, "JPY", true),
            (-1, "EUR", false),
            (Money::MAX_AMOUNT + 1, "EUR", false),
            (1, "eur", false),
            (1, "", false),
            (1, "E\u{0}R", false),
        ] {
            let draft = Draft { price: Some(price), currency: Some(currency.to_owned()), ..draft() };
            assert_eq!(draft.into_first_entry().is_ok(), ok, "{price} {currency:?}");
        }
    }

    #[test]
    fn the_error_says_which_field_and_which_bounds() {
        let error = Draft::default().into_first_entry().unwrap_err().to_string();
        assert_eq!(error, "name must have 1 to 200 characters, none of them a control character");
        let many = Draft { tags: vec![Tag::default(); 51], ..draft() }.into_first_entry().unwrap_err();
        assert_eq!(many.to_string(), "at most 50 tags are allowed, these are 51");
    }
}
