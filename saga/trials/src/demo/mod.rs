//! The demo: seven short chapters over HTTP and AMQP, like any client, and the rules checked at the
//! end. It fails when one of them does.

mod chapters;
pub mod shop;

use serde_json::Value;

use crate::invariants::{Databases, Findings};
use crate::processes::{self, System};
use crate::screen;
use crate::servers::Trouble;
use chapters::Demo;
pub use shop::{Catalogue, Shop, Urls};

/// Shows it all against a system that is up. Keys and SKUs carry the number of the run, so it can
/// run again and again.
///
/// # Errors
/// When something does not answer, or when what happens is not what is promised.
pub async fn run(system: &System, urls: Urls) -> Result<(), Trouble> {
    let databases = Databases::of(system).await?;
    let shop = Shop::new(urls, &system.token)?;
    let before = databases.check().await?;
    let run = run_number(&databases).await?;
    let demo = Demo { shop, databases, amqp: system.amqp.clone(), run };
    let opened = demo.open().await?;
    let first = demo.an_order_goes_through(&opened).await?;
    demo.an_order_is_undone(&opened).await?;
    demo.a_customer_cancels(&opened).await?;
    demo.one_request_three_times(&opened).await?;
    demo.fifty_customers_one_pet(&opened).await?;
    demo.everything_again(first).await?;
    demo.a_message_nobody_understands().await?;
    let after = demo.when_quiet().await?;
    checked(&before, &after)?;
    print(&format!(
        "Everything held. It is still running; next:\n   ./dev saga show {first}\n   ./dev saga run order --pet {}      ./dev down",
        opened.spare
    ))
}

/// The number of this run: one more than the shop has seen openings.
async fn run_number(databases: &Databases) -> Result<i64, Trouble> {
    let sql = "SELECT count(*) FROM requests WHERE idempotency_key LIKE 'demo-%-through'";
    let row = databases.orders.query_one(sql, &[]).await.map_err(Trouble::sql("counting runs"))?;
    Ok(row.get::<_, i64>(0) + 1)
}

fn checked(before: &Findings, after: &Findings) -> Result<(), Trouble> {
    let ended = |phase: &str| after.in_phase(phase) - before.in_phase(phase);
    print("Checked over four databases and the broker")?;
    let rows = [
        ("pets held without a saga", after.pets_without_saga, "stock below zero", after.stock_below_zero.to_string()),
        (
            "pets with more than one live order",
            after.pets_with_two_orders,
            "units taken = units in orders",
            format!("{} = {}", after.units_taken, after.units_in_orders),
        ),
        ("read models that do not add up", after.unbalanced, "messages unpublished", after.unpublished.to_string()),
    ];
    for (left, found, right, text) in rows {
        print(&format!("   {left:<36} {found:>4}     {right:<32} {text}"))?;
    }
    print(&format!(
        "   sagas: {} completed, {} rejected, {} cancelled, {} unfinished, {} needing intervention",
        ended("completed"),
        ended("rejected"),
        ended("cancelled"),
        after.unfinished(),
        after.needing_intervention
    ))?;
    let violations = after.violations();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Trouble::Unmet(format!("a rule is broken: {}", violations.join("; "))))
    }
}

/// Where the `n`th copies of the processes of a stack listen.
///
/// # Errors
/// When a port cannot be written down.
pub fn urls(stack: &mut crate::servers::Stack, n: usize) -> Result<Urls, Trouble> {
    let [pets, orders, inventory, saga] = &processes::ALL;
    Ok(Urls {
        pets: processes::url(stack, &pets.copy(n))?,
        orders: processes::url(stack, &orders.copy(n))?,
        inventory: processes::url(stack, &inventory.copy(n))?,
        saga: processes::url(stack, &saga.copy(n))?,
    })
}

fn print(text: &str) -> Result<(), Trouble> {
    screen::print(&format!("{text}\n")).map_err(|error| Trouble::Unmet(format!("printing: {error}")))
}

/// What is promised, and what happened instead.
fn expect(holds: bool, promise: &str, instead: &Value) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble::Unmet(format!("{promise}; instead: {instead}"))) }
}
