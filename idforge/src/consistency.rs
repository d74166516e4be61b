//! Whether several stores hold the id that one thing should have.

use serde::Serialize;
use uuid::Uuid;

/// What a look at several stores showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consistency {
    /// Whether every store holds the expected id.
    pub consistent: bool,
    /// The id that all should hold.
    pub expected_uuid: Uuid,
    /// The stores that do not, in the order in which they were asked.
    pub inconsistencies: Vec<Inconsistency>,
}

/// A store that does not hold the expected id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inconsistency {
    /// The store.
    pub system: String,
    /// What it should hold.
    pub expected: Uuid,
    /// What it holds, as it is written there; none when it holds nothing.
    pub actual: Option<String>,
}

/// Compares an expected id with what each store holds: its name, and the id's text if there is one.
///
/// Texts are compared as UUIDs, so capitals, braces or missing hyphens make no difference.
///
/// ```
/// # fn main() -> Result<(), idforge::Error> {
/// # let forge = idforge::Forge::new(idforge::Namespace::DNS, &idforge::Salt::new("S")?);
/// let expected = idforge::id!(forge, "user", email = "alice@example.com");
/// let postgres = expected.to_string().to_uppercase();
/// let result = idforge::consistency::compare(expected, [("postgres", Some(postgres.as_str())), ("redis", None)]);
/// assert!(!result.consistent);
/// assert_eq!(result.inconsistencies[0].system, "redis");
/// # Ok(()) }
/// ```
#[must_use]
pub fn compare<'a>(expected: Uuid, held: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Consistency {
    let differs = |actual: Option<&str>| actual.is_none_or(|text| Uuid::try_parse(text) != Ok(expected));
    let inconsistencies: Vec<_> = held
        .into_iter()
        .filter(|(_, actual)| differs(*actual))
        .map(|(system, actual)| Inconsistency {
            system: system.to_owned(),
            expected,
            actual: actual.map(str::to_owned),
        })
        .collect();
    Consistency { consistent: inconsistencies.is_empty(), expected_uuid: expected, inconsistencies }
}
