//! The law of the bodies of supplies, for the fuzz target and for what it kept: any bytes are a supply that can be stored,
//! or the client's to correct.

use inventory_service::domain::Stock;
use inventory_service::error::Error;
use inventory_service::http::{SetStock, Supply};
use saga_contract::Sku;
use saga_runtime::http::{Json, Problem};
use saga_runtime::testing::is_taken;
use serde_json::{Value, json};

/// Reads a body as the request that has one does; says whether it is taken.
///
/// # Panics
/// When the law does not hold.
pub(crate) fn check(bytes: &[u8]) -> bool {
    is_taken(set(bytes))
}

fn set(bytes: &[u8]) -> Result<Value, Problem> {
    let Json(wish) = Json::<SetStock>::from_bytes(bytes)?;
    let (quantity, price) = wish.check()?;
    let sku: Sku = "TOY-BALL".parse().map_err(|why| Error::Field { field: "sku", why })?;
    let mut stock = Stock::unset(sku, price);
    stock.set(quantity, price).map_err(Error::from)?;
    Ok(json!(Supply::from(stock)))
}
