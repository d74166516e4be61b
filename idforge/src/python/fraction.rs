//! Python's `fractions.Fraction`.

use std::fmt;

use crate::Error;

/// A fraction in lowest terms with a positive denominator: Python's own normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fraction {
    numerator: i128,
    denominator: i128,
}

impl Fraction {
    /// `numerator` divided by `denominator`, reduced.
    ///
    /// # Errors
    /// [`Error::Impossible`] for a denominator of zero, and for `i128::MIN`, which has no positive twin.
    pub fn new(numerator: i128, denominator: i128) -> Result<Self, Error> {
        let unusable = denominator == 0 || [numerator, denominator].contains(&i128::MIN);
        if unusable {
            let hint = "give a denominator other than 0, and numbers above -2^127";
            return Err(Error::Impossible { what: "a Fraction", text: format!("{numerator}/{denominator}"), hint });
        }
        let divisor = greatest_common_divisor(numerator.abs(), denominator.abs()) * denominator.signum();
        Ok(Fraction { numerator: numerator / divisor, denominator: denominator / divisor })
    }
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fraction({}, {})", self.numerator, self.denominator)
    }
}
