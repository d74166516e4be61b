//! What stands behind the question mark.

use std::fmt::Write as _;

use saga_contract::{PetNumber, PetStatus};

/// Which pets are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByStatus {
    /// With any of these statuses, each once.
    pub statuses: Vec<PetStatus>,
    /// With a higher number than this.
    pub after: i64,
    /// Without so many of the first ones.
    pub skip: i64,
    /// So many at most.
    pub limit: i64,
}

/// Which part of the feed is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPage {
    /// Pets with a higher number than this.
    pub after: i64,
    /// So many at most.
    pub limit: i64,
}

/// A parameter that makes no sense. The text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// A status that no pet has.
    #[error("status must be available, pending or sold, several separated by commas; {0:?} is none of them")]
    Status(String),
    /// A number that is none, or out of bounds.
    #[error("{name} must be a whole number between {min} and {max}")]
    Number {
        /// The parameter.
        name: &'static str,
        /// The smallest that is allowed.
        min: i64,
        /// The largest that is allowed.
        max: i64,
    },
}

type Pairs = [(String, String)];

impl ByStatus {
    /// How many pets are listed unless the client says how many.
    pub const LIMIT: i64 = 100;
    /// How many pets are listed at most.
    pub const MOST: i64 = 500;
    /// How many are left out at most: each of them is read. `after` costs nothing.
    const DEEPEST: i64 = 10_000;

    /// Reads the parameters: `status`, repeated or separated by commas, `after`, `skip` and `limit`.
    /// Without a status it is `available`.
    ///
    /// # Errors
    /// [`InvalidQuery`].
    pub fn parse(pairs: &Pairs) -> Result<Self, InvalidQuery> {
        let mut statuses = Vec::new();
        for word in pairs.iter().filter(|(key, _)| key == "status").flat_map(|(_, words)| words.split(',')) {
            let status = PetStatus::ALL.into_iter().find(|status| status.as_str() == word.trim());
            statuses.push(status.ok_or_else(|| InvalidQuery::Status(word.chars().take(50).collect()))?);
        }
        if statuses.is_empty() {
            statuses.push(PetStatus::Available);
        }
        statuses.sort_unstable();
        statuses.dedup();
        let after = number(pairs, "after", 0, i64::MAX)?.unwrap_or(0);
        let skip = number(pairs, "skip", 0, Self::DEEPEST)?.unwrap_or(0);
        let limit = number(pairs, "limit", 1, Self::MOST)?.unwrap_or(Self::LIMIT);
        Ok(Self { statuses, after, skip, limit })
    }

    /// The query of the page after this one, which ends with this pet.
    #[must_use]
    pub fn next(&self, last: PetNumber) -> String {
        let mut query = String::new();
        for status in &self.statuses {
            let _ = write!(query, "status={}&", status.as_str());
        }
        let _ = write!(query, "after={}&limit={}", last.get(), self.limit);
        query
    }
}

impl FeedPage {
    /// How many pets a page has at most, and unless the client says how many.
    pub const MOST: i64 = 1000;

    /// Reads the parameters `after` and `limit`.
    ///
    /// # Errors
    /// [`InvalidQuery`].
    pub fn parse(pairs: &Pairs) -> Result<Self, InvalidQuery> {
        let after = number(pairs, "after", 0, i64::MAX)?.unwrap_or(0);
        let limit = number(pairs, "limit", 1, Self::MOST)?.unwrap_or(Self::MOST);
        Ok(Self { after, limit })
    }
}

fn number(pairs: &Pairs, name: &'static str, min: i64, max: i64) -> Result<Option<i64>, InvalidQuery> {
    let Some((_, text)) = pairs.iter().find(|(key, _)| key == name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.map(Some).ok_or(InvalidQuery::Number { name, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use PetStatus::{Available, Pending, Sold};

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn statuses(query: &[(&str, &str)]) -> Option<Vec<PetStatus>> {
        ByStatus::parse(&pairs(query)).ok().map(|asked| asked.statuses)
    }

    #[test]
    fn statuses_are_repeated_or_separated_by_commas() {
        assert_eq!(statuses(&[]), Some(vec![Available]));
        assert_eq!(statuses(&[("status", "sold")]), Some(vec![Sold]));
        assert_eq!(statuses(&[("status", "sold,available")]), Some(vec![Available, Sold]));
        assert_eq!(statuses(&[("status", "sold"), ("x", "y"), ("status", "pending")]), Some(vec![Pending, Sold]));
        assert_eq!(statuses(&[("status", "sold, sold"), ("status", "sold")]), Some(vec![Sold]));
    }

    #[test]
    fn a_status_that_no_pet_has_is_refused() {
        for wrong in ["", "deleted", "Available", "sold,", "sold;pending", "sold\u{0}"] {
            assert_eq!(statuses(&[("status", wrong)]), None, "{wrong:?}");
        }
        let error = ByStatus::parse(&pairs(&[("status", &"x".repeat(1000))])).unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
    }

    #[test]
    fn pages_have_bounds() {
        for (name, value, ok) in [
            ("limit", "1", true),
            ("limit", "500", true),
            ("limit", "0", false),
            ("limit", "501", false),
            ("limit", "", false),
            ("limit", "ten", false),
            ("skip", "0", true),
            ("skip", "-1", false),
            ("skip", "10000", true),
            ("skip", "10001", false),
            ("after", "9223372036854775807", true),
            ("after", "-1", false),
            ("skip", "9223372036854775808", false),
        ] {
            assert_eq!(ByStatus::parse(&pairs(&[(name, value)])).is_ok(), ok, "{name}={value}");
        }
        assert_eq!(FeedPage::parse(&[]), Ok(FeedPage { after: 0, limit: 1000 }));
        assert!(FeedPage::parse(&pairs(&[("after", "9223372036854775807"), ("limit", "1")])).is_ok());
        assert!(FeedPage::parse(&pairs(&[("after", "-1")])).is_err());
    }

    #[test]
    fn the_next_page_asks_for_the_same_pets() {
        let asked = ByStatus::parse(&pairs(&[("status", "sold,pending"), ("skip", "10"), ("limit", "5")])).unwrap();
        assert_eq!(asked.next(PetNumber::MIN), "status=pending&status=sold&after=1&limit=5");
    }
}
