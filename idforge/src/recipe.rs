//! Ids whose words stand in the code: checked by the compiler, so that making one cannot fail.

use crate::guard;

/// An entity type and its attributes' keys.
///
/// Made in a `const`, what a forge would refuse does not compile:
///
/// ```compile_fail
/// const TWICE: idforge::Recipe<2> = idforge::Recipe::new("order", ["id", "id"]);
/// ```
/// ```compile_fail
/// const BAR: idforge::Recipe<1> = idforge::Recipe::new("order|salt:x", ["id"]);
/// ```
/// ```compile_fail
/// const RESERVED: idforge::Recipe<1> = idforge::Recipe::new("order", ["config"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Recipe<const N: usize> {
    entity_type: &'static str,
    /// Each key with the place of its value, sorted by key.
    keys: [(&'static str, usize); N],
}

impl<const N: usize> Recipe<N> {
    /// The recipe of an entity type; values are given in the order of these keys.
    ///
    /// # Panics
    /// When a forge would refuse the words: while compiling, in a `const`.
    #[must_use]
    #[expect(clippy::panic, reason = "in a const it is an error of the compiler's")]
    pub const fn new(entity_type: &'static str, keys: [&'static str; N]) -> Self {
        if contains(entity_type, b'|') {
            panic!("an entity type cannot contain '|'");
        }
        let mut sorted = [("", 0); N];
        let mut count = 0;
        while count < N {
            let key = keys[count];
            check_key(key);
            let mut place = count;
            while place > 0 && !is_less(sorted[place - 1].0, key) {
                assert!(is_less(key, sorted[place - 1].0), "an attribute is given twice");
                sorted[place] = sorted[place - 1];
                place -= 1;
            }
            sorted[place] = (key, count);
            count += 1;
        }
        Recipe { entity_type, keys: sorted }
    }

    pub(crate) fn entity_type(&self) -> &'static str {
        self.entity_type
    }

    pub(crate) fn sorted(&self) -> [(&'static str, usize); N] {
        self.keys
    }
}

/// Makes an id whose words stand in the code, with the words and in the order of uuid-forge's own call.
///
/// `id!(forge, "order_saga", user_id = user, order_id = order)` is what Python writes as
/// `forge.generate("order_saga", user_id=user, order_id=order)`. It gives a [`Uuid`](crate::Uuid), not a `Result`: the words are
/// checked by the compiler, and values that could fail do not fit (see [`Scalar`](crate::Scalar)).
///
/// ```
/// # fn main() -> Result<(), idforge::Error> {
/// use idforge::{Forge, Namespace, Salt, UuidText, id};
/// let forge = Forge::new(Namespace::from_domain("sagas.petstore.example"), &Salt::new("sixteen-chars-xx")?);
/// let user = id!(forge, "user", email = "alice@example.com");
/// let saga = id!(forge, "order_saga", user_id = UuidText(user), order_id = 7);
/// assert_eq!(saga, forge.id("order_saga").attr("order_id", 7).attr("user_id", user.to_string()).finish()?);
/// # Ok(()) }
/// ```
/// ```compile_fail
/// # fn twice(forge: &idforge::Forge) {
/// idforge::id!(forge, "user", email = "a", email = "b");
/// # }
/// ```
#[macro_export]
macro_rules! id {
    ($forge:expr, $entity_type:literal $(, $key:ident = $value:expr)* $(,)?) => {{
        const KEYS: &[&str] = &[$(::core::stringify!($key)),*];
        const RECIPE: $crate::Recipe<{ KEYS.len() }> = $crate::Recipe::new($entity_type, [$(::core::stringify!($key)),*]);
        $forge.make(&RECIPE, [$($crate::Scalar::from($value)),*])
    }};
}

#[expect(clippy::panic, reason = "in a const it is an error of the compiler's")]
const fn check_key(key: &str) {
    if contains(key, b'|') || contains(key, b'=') {
        panic!("a key cannot contain '|' or '='");
    }
    let mut at = 0;
    while at < guard::RESERVED.len() {
        if is_equal(key, guard::RESERVED[at]) {
            panic!("this key is a parameter of uuid-forge's own calls");
        }
        at += 1;
    }
}

const fn contains(text: &str, byte: u8) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_equal(left: &str, right: &str) -> bool {
    !is_less(left, right) && !is_less(right, left)
}

/// Byte order of UTF-8, which is the order of code points.
const fn is_less(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}
