//! Who did what, when and why.

use saga_core::Time;

use super::{Transaction, execute};
use crate::error::StoreError;

const AUDIT: &str = "INSERT INTO audit (at, who, action, target, why) VALUES ($1, $2, $3, $4, $5)";

/// Notes an operator's write, in the transaction of the write itself.
///
/// # Errors
/// [`StoreError`].
pub async fn audit(
    transaction: &Transaction<'_>,
    at: Time,
    who: &str,
    action: &str,
    target: &str,
    why: Option<&str>,
) -> Result<(), StoreError> {
    execute(transaction, AUDIT, &[&at, &who, &action, &target, &why]).await?;
    Ok(())
}
