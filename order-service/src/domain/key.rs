//! The idempotency key: what makes a repeated request the same request.

use std::fmt;

use saga_contract::OrderNumber;
use uuid::Uuid;

/// The key under which an order is requested: with the customer it gives the order's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The client's own, from the header `Idempotency-Key`.
    Given(String),
    /// The order id that the client sent, when there is no header: `id:17`.
    Number(OrderNumber),
    /// Drawn for this one request, when there is neither: `drawn:<uuid>`.
    Drawn(Uuid),
}

/// A header that is no idempotency key. The text is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// More than one header.
    #[error("the header Idempotency-Key may be sent once")]
    Twice,
    /// Empty, too long, or with characters that cannot be shown.
    #[error("an idempotency key has 1 to {max} visible ASCII characters", max = Key::MAX_LENGTH)]
    Text,
    /// It begins with a quote and does not end as a quoted string does.
    #[error("a quoted idempotency key ends with its quote, and escapes nothing but quotes and backslashes")]
    Quotes,
    /// It begins as one of our own keys does.
    #[error("idempotency keys that begin with id: or drawn: are reserved")]
    Reserved,
    /// A guest's key that another guest could think of too.
    #[error("without customerEmail the idempotency key must be a UUID, so that two strangers cannot meet")]
    NotAUuid,
}

impl Key {
    /// The longest, in characters, without its quotes.
    pub const MAX_LENGTH: usize = 255;

    /// The key of a request: from its headers `Idempotency-Key` (as sent, at most one), else from
    /// the order id that the client sent, else drawn.
    ///
    /// # Errors
    /// [`KeyError`], when there is a header that is no key.
    pub fn choose<'a>(
        headers: impl IntoIterator<Item = &'a [u8]>,
        number: Option<OrderNumber>,
        is_guest: bool,
        draw: impl FnOnce() -> Uuid,
    ) -> Result<Self, KeyError> {
        let mut headers = headers.into_iter();
        match (headers.next(), headers.next(), number) {
            (Some(_), Some(_), _) => Err(KeyError::Twice),
            (Some(header), None, _) => Self::given(header, is_guest),
            (None, _, Some(number)) => Ok(Self::Number(number)),
            (None, _, None) => Ok(Self::Drawn(draw())),
        }
    }

    fn given(header: &[u8], is_guest: bool) -> Result<Self, KeyError> {
        let text = unquoted(header)?;
        if text.starts_with("id:") || text.starts_with("drawn:") {
            return Err(KeyError::Reserved);
        }
        if is_guest {
            // A UUID has one spelling in ids: hyphenated, lower case.
            let uuid = Uuid::try_parse(&text).map_err(|_| KeyError::NotAUuid)?;
            return Ok(Self::Given(uuid.to_string()));
        }
        Ok(Self::Given(text))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(text) => f.write_str(text),
            Self::Number(number) => write!(f, "id:{number}"),
            Self::Drawn(uuid) => write!(f, "drawn:{uuid}"),
        }
    }
}

/// The text of a header that may be a quoted string (RFC 9651) or bare.
fn unquoted(header: &[u8]) -> Result<String, KeyError> {
    let inner = match header.strip_prefix(b"\"") {
        Some(rest) => unescaped(rest)?,
        None => header.to_vec(),
    };
    if inner.is_empty() || inner.len() > Key::MAX_LENGTH || !inner.iter().all(u8::is_ascii_graphic) {
        return Err(KeyError::Text);
    }
    String::from_utf8(inner).map_err(|_| KeyError::Text)
}

/// What stands before the closing quote, which must be the end.
fn unescaped(rest: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut bytes = rest.iter().copied();
    let mut text = Vec::with_capacity(rest.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if bytes.len() == 0 => return Ok(text),
            b'"' => return Err(KeyError::Quotes),
            b'\\' => match bytes.next() {
                Some(escaped @ (b'"' | b'\\')) => text.push(escaped),
                Some(_) | None => return Err(KeyError::Quotes),
            },
            other => text.push(other),
        }
    }
    Err(KeyError::Quotes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: Uuid = Uuid::from_u128(7);

    fn choose(headers: &[&str], number: Option<i64>, is_guest: bool) -> Result<String, KeyError> {
        let number = number.map(|n| OrderNumber::new(n).unwrap());
        let headers = headers.iter().map(|h| h.as_bytes());
        Key::choose(headers, number, is_guest, || DRAWN).map(|key| key.to_string())
    }

    #[test]
    fn a_customers_key_is_the_header_quoted_or_bare() {
        let long = "k".repeat(255);
        let too_long = "k".repeat(256);
        for (header, key) in [
            ("cart-17", Ok("cart-17")),
            ("\"cart-17\"", Ok("cart-17")),
            (r#""a\"b\\c""#, Ok(r#"a"b\c"#)),
            (r#"a"b"#, Ok(r#"a"b"#)),
            ("~!", Ok("~!")),
            (&long, Ok(long.as_str())),
            (&format!("\"{long}\""), Ok(&long)),
            (&too_long, Err(KeyError::Text)),
            (&format!("\"{too_long}\""), Err(KeyError::Text)),
            ("", Err(KeyError::Text)),
            ("\"\"", Err(KeyError::Text)),
            ("two words", Err(KeyError::Text)),
            ("\"two words\"", Err(KeyError::Text)),
            ("tab\tbed", Err(KeyError::Text)),
            ("naïve", Err(KeyError::Text)),
            ("\"open", Err(KeyError::Quotes)),
            ("\"", Err(KeyError::Quotes)),
            ("\"a\"b", Err(KeyError::Quotes)),
            ("\"a\";q=1", Err(KeyError::Quotes)),
            (r#""a\n""#, Err(KeyError::Quotes)),
            (r#""a\"#, Err(KeyError::Quotes)),
            ("id:17", Err(KeyError::Reserved)),
            ("\"id:17\"", Err(KeyError::Reserved)),
            ("drawn:5", Err(KeyError::Reserved)),
            ("ID:17", Ok("ID:17")),
            ("idea", Ok("idea")),
        ] {
            assert_eq!(choose(&[header], None, false), key.map(str::to_owned), "{header:?}");
        }
    }

    #[test]
    fn a_guests_key_is_a_uuid_in_its_one_spelling() {
        let uuid = "0fc74411-5f1b-4c2a-8d3e-00112233aabb";
        for (header, key) in [
            (uuid, Ok(uuid)),
            (&uuid.to_uppercase(), Ok(uuid)),
            (&format!("\"{uuid}\""), Ok(uuid)),
            (&uuid.replace('-', ""), Ok(uuid)),
            ("cart-17", Err(KeyError::NotAUuid)),
            ("0fc74411-5f1b-4c2a-8d3e-00112233aab", Err(KeyError::NotAUuid)),
            ("id:17", Err(KeyError::Reserved)),
        ] {
            assert_eq!(choose(&[header], Some(3), true), key.map(str::to_owned), "{header:?}");
        }
        assert_eq!(choose(&[&uuid.to_uppercase()], None, false), Ok(uuid.to_uppercase()), "a customer's key is a text");
    }

    #[test]
    fn without_a_header_the_order_id_is_the_key_and_without_both_it_is_drawn() {
        for is_guest in [true, false] {
            assert_eq!(choose(&[], Some(17), is_guest).unwrap(), "id:17");
            assert_eq!(choose(&[], None, is_guest).unwrap(), format!("drawn:{DRAWN}"));
        }
        assert_eq!(choose(&["cart"], Some(17), false).unwrap(), "cart", "the header goes first");
        assert_eq!(choose(&["a", "b"], Some(17), false), Err(KeyError::Twice));
    }
}
