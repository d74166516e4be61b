//! What must hold once the faults are over, over four databases, the broker, and what clients were told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use saga_core::QueueType;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use uuid::Uuid;

use super::customers::Customers;
use super::told::{Reply, Stored, Told};
use super::wish::Word;
use crate::invariants::{Databases, Findings};
use crate::processes::VHOST;
use crate::servers::vhosts::Management;
use crate::servers::{Endpoints, Trouble};

/// How long everything may take to come to rest once nothing is wrong any more.
pub(super) const REST_WITHIN: Duration = Duration::from_secs(180);
/// How many clients ask again at a time, once all is quiet.
const AT_ONCE: usize = 4;

const ORDERS: &str = "
    SELECT r.number, r.saga_id, coalesce(o.state, r.state), coalesce(o.reason, r.reason), r.cancellation_requested
    FROM requests r LEFT JOIN orders o USING (order_id)";
const PHASES: &str = "SELECT id, phase FROM sagas";
const PETS: &str = "SELECT coalesce(reserved_by_saga, sold_to_saga) FROM pets WHERE status IN ('pending', 'sold')";
const SUPPLIES: &str = "SELECT DISTINCT saga_id FROM reservations WHERE state IN ('reserved', 'committed')";
const PARKED: &str = "SELECT queue, reason, detail, body FROM parked";
/// Units that left the store, and units that left it with an order.
const GONE: &str = "
    SELECT sum(on_hand)::bigint, (SELECT coalesce(sum(quantity), 0)::bigint FROM reservations WHERE state = 'committed')
    FROM stock";

/// Waits until nothing is on its way any more, in the databases and in the broker.
///
/// # Errors
/// When that takes too long: with what still moves.
pub(super) async fn rest(databases: &Databases, endpoints: &Endpoints) -> Result<Findings, Trouble> {
    let management = Management::at(&endpoints.broker.management)?;
    let end = Instant::now() + REST_WITHIN;
    loop {
        let findings = databases.check().await?;
        let waiting = waiting(&management).await?;
        if findings.is_quiet() && findings.put_off == 0 && waiting.is_empty() {
            return Ok(findings);
        }
        if Instant::now() > end {
            let patience = REST_WITHIN.as_secs();
            return Err(Trouble::Unmet(format!(
                "a rule is broken: no rest within {patience} s: {findings:?}, {waiting:?}"
            )));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Queues that are not empty, the stream aside.
async fn waiting(management: &Management) -> Result<BTreeMap<String, u64>, Trouble> {
    let mut waiting = BTreeMap::new();
    let queues = saga_contract::TOPOLOGY.queues.iter().filter(|queue| queue.kind != QueueType::Stream);
    for queue in queues {
        // What lies there now, and not what the broker's statistics knew some seconds ago.
        let found: Value = management.queue(VHOST, queue.name).await?;
        let messages = found.get("messages").and_then(Value::as_u64).unwrap_or_default();
        if messages > 0 {
            waiting.insert(queue.name.to_owned(), messages);
        }
    }
    Ok(waiting)
}

/// Everything in the databases that is against the rules. All is quiet.
///
/// # Errors
/// When a database cannot be asked.
pub(super) async fn against_rules(
    databases: &Databases,
    findings: &Findings,
    garbage: &BTreeMap<Vec<u8>, bool>,
    units: i64,
) -> Result<Vec<String>, Trouble> {
    let mut broken = findings.violations();
    broken.extend(
        (findings.needing_intervention > 0)
            .then(|| format!("{} sagas need intervention", findings.needing_intervention)),
    );
    broken.extend(databases.effects_against_end().await?);
    let row = one(&databases.inventory, GONE).await?;
    let (left, gone): (i64, i64) = (row.get(0), row.get(1));
    broken.extend((left + gone != units).then(|| format!("of {units} units {left} are left and {gone} are gone")));
    broken.extend(parked(databases, garbage).await?);
    Ok(broken)
}

/// Only garbage is parked, and all garbage that the broker confirmed is.
async fn parked(databases: &Databases, garbage: &BTreeMap<Vec<u8>, bool>) -> Result<Vec<String>, Trouble> {
    let (mut broken, mut found) = (Vec::new(), BTreeSet::new());
    for client in databases.each() {
        for row in rows(client, PARKED).await? {
            let (queue, reason, detail, body): (&str, &str, &str, Vec<u8>) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            if !garbage.contains_key(&body) {
                broken.push(format!("a good message of {queue} is parked: {reason}, {detail}"));
            }
            found.insert(body);
        }
    }
    let lost = garbage.iter().filter(|(body, confirmed)| **confirmed && !found.contains(*body));
    broken.extend(
        lost.map(|(body, _)| format!("garbage is neither parked nor anywhere: {}", String::from_utf8_lossy(body))),
    );
    Ok(broken)
}

/// Every order as it is stored, by its number.
///
/// # Errors
/// When a database cannot be asked.
pub(super) async fn stored(databases: &Databases) -> Result<BTreeMap<i64, Stored>, Trouble> {
    let phases: BTreeMap<Uuid, String> =
        rows(&databases.sagas, PHASES).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
    let ids = async |client, sql| {
        Ok::<BTreeSet<Uuid>, Trouble>(rows(client, sql).await?.iter().map(|row| row.get(0)).collect())
    };
    let (pets, supplies) = (ids(&databases.pets, PETS).await?, ids(&databases.inventory, SUPPLIES).await?);
    let orders = rows(&databases.orders, ORDERS).await?.into_iter().map(|row| {
        let (number, saga): (i64, Uuid) = (row.get(0), row.get(1));
        let phase = phases.get(&saga).cloned().unwrap_or_else(|| "never started".to_owned());
        let (has_pet, has_supplies) = (pets.contains(&saga), supplies.contains(&saga));
        let (state, reason, cancellation_requested) = (row.get(2), row.get(3), row.get(4));
        (number, Stored { number, saga, state, reason, cancellation_requested, phase, has_pet, has_supplies })
    });
    Ok(orders.collect())
}

/// Everything that does not agree: orders with their sagas, and what clients were told with what is stored.
#[must_use]
pub(super) fn against_answers(orders: &BTreeMap<i64, Stored>, told: &[Told]) -> Vec<String> {
    let torn = orders.values().filter(|order| !order.is_consistent());
    let torn = torn.map(|order| format!("order {} is not where its saga is: {order:?}", order.number));
    let untrue = told.iter().filter_map(|told| Some((told, told.number?))).flat_map(|(told, number)| {
        orders
            .get(&number)
            .map_or_else(|| vec![format!("order {number} was told of and is nowhere")], |order| told.against(order))
    });
    torn.chain(untrue).collect()
}

/// Asks everything once more, and says which answers are not what they were.
pub(super) async fn asked_again(customers: &Customers, told: &[Told]) -> Vec<String> {
    let answered = told.iter().filter_map(|told| Some((told, told.outcome()?)));
    let again = stream::iter(answered).map(async |(told, before)| {
        let answer = customers.place(&told.wish, 0).await;
        let now = answer.map(|answer| Reply::of(Word::Place, &answer));
        (now.as_ref() != Some(before)).then(|| format!("{} was answered {before:?}, and now {now:?}", told.wish.key))
    });
    again.buffer_unordered(AT_ONCE).filter_map(async |changed| changed).collect().await
}

async fn rows(client: &Client, sql: &str) -> Result<Vec<tokio_postgres::Row>, Trouble> {
    client.query(sql, &[]).await.map_err(Trouble::sql("checking a rule"))
}

async fn one(client: &Client, sql: &str) -> Result<tokio_postgres::Row, Trouble> {
    client.query_one(sql, &[]).await.map_err(Trouble::sql("checking a rule"))
}
