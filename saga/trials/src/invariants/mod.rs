//! The rules that hold at all times, checked over four databases.

mod effects;

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use uuid::Uuid;

use crate::processes::System;
use crate::servers::{Trouble, databases};

/// Connections to the four databases, for looking only.
pub struct Databases {
    /// pet-service's.
    pub pets: Client,
    /// order-service's.
    pub orders: Client,
    /// inventory-service's.
    pub inventory: Client,
    /// The orchestrator's.
    pub sagas: Client,
}

/// What the databases say of the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Pets that are reserved for a saga that is neither live nor completed.
    pub pets_without_saga: i64,
    /// Pets that more than one live or completed order claims.
    pub pets_with_two_orders: i64,
    /// Rows of stock below zero.
    pub stock_below_zero: i64,
    /// Units that inventory counts as taken.
    pub units_taken: i64,
    /// Units in live and completed orders.
    pub units_in_orders: i64,
    /// Rows of read models and sums that do not add up.
    pub unbalanced: i64,
    /// Sagas whose steps do not agree with their end: done and not undone, or the other way round.
    pub steps_against_end: i64,
    /// Messages that are marked and not yet published, in all processes.
    pub unpublished: i64,
    /// Messages that were put off and have not come back yet, in all processes.
    pub put_off: i64,
    /// Changes of pets that inventory-service has not heard of yet.
    pub unheard: i64,
    /// Sagas by phase.
    pub sagas: BTreeMap<String, i64>,
    /// Sagas that need intervention.
    pub needing_intervention: i64,
}

const VERSIONS_HEARD_OF: &str = "
    SELECT coalesce(sum(version), 0)::bigint FROM pets
    WHERE generation = (SELECT serving FROM read_models WHERE name = 'inventory')";

const LIVE_ORDERS: &str = "('pending', 'placed', 'approved', 'delivered')";

impl Databases {
    /// Connects to the databases of a system.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub async fn of(system: &System) -> Result<Self, Trouble> {
        let url = |name: &str| {
            let found = system.databases.iter().find(|(known, _)| *known == name).map(|(_, urls)| urls.owner.clone());
            found.ok_or_else(|| Trouble::Unmet(format!("there is no database {name}")))
        };
        Self::at(&[url("pets")?, url("orders")?, url("inventory")?, url("sagas")?]).await
    }

    /// Connects to these databases: pets, orders, inventory, sagas.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub async fn at([pets, orders, inventory, sagas]: &[String; 4]) -> Result<Self, Trouble> {
        Ok(Self {
            pets: databases::connect(pets).await?,
            orders: databases::connect(orders).await?,
            inventory: databases::connect(inventory).await?,
            sagas: databases::connect(sagas).await?,
        })
    }

    /// All four.
    #[must_use]
    pub fn each(&self) -> [&Client; 4] {
        [&self.pets, &self.orders, &self.inventory, &self.sagas]
    }

    /// Checks all rules. Between the look at one database and the next, sagas go on: ask when all is
    /// quiet.
    ///
    /// # Errors
    /// When a database cannot be asked.
    pub async fn check(&self) -> Result<Findings, Trouble> {
        let mut findings = Findings {
            stock_below_zero: count(
                &self.inventory,
                "SELECT count(*) FROM stock WHERE on_hand < 0 OR reserved < 0 OR on_hand < reserved OR taken < 0",
            )
            .await?,
            units_taken: count(&self.inventory, "SELECT coalesce(sum(taken), 0)::bigint FROM stock").await?,
            units_in_orders: count(&self.orders, &units_in_orders()).await?,
            pets_with_two_orders: count(&self.orders, &pets_with_two_orders()).await?,
            pets_without_saga: self.pets_without_saga().await?,
            steps_against_end: count(&self.sagas, STEPS_AGAINST_END).await?,
            needing_intervention: count(&self.sagas, "SELECT count(*) FROM sagas WHERE needs_intervention").await?,
            ..Findings::default()
        };
        findings.unbalanced = count(&self.inventory, "SELECT count(*) FROM unbalanced_stock").await?
            + count(&self.inventory, "SELECT count(*) FROM unbalanced_pets").await?;
        findings.unpublished = self.unpublished().await?;
        findings.unheard = count(&self.pets, "SELECT coalesce(sum(version), 0)::bigint FROM pets").await?
            - count(&self.inventory, VERSIONS_HEARD_OF).await?;
        for client in self.each() {
            findings.put_off += count(client, "SELECT count(*) FROM deferred").await?;
        }
        for row in rows(&self.sagas, "SELECT phase, count(*) FROM sagas GROUP BY phase").await? {
            findings.sagas.insert(row.get(0), row.get(1));
        }
        Ok(findings)
    }

    /// How many messages are marked and not yet published, in all processes.
    ///
    /// # Errors
    /// When a database cannot be asked.
    pub async fn unpublished(&self) -> Result<i64, Trouble> {
        let mut unpublished = 0;
        for client in self.each() {
            unpublished += count(client, "SELECT count(*) FROM outbox CROSS JOIN unnest(message_ids)").await?;
        }
        Ok(unpublished)
    }

    /// How many sagas have not ended.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn live(&self) -> Result<i64, Trouble> {
        count(&self.sagas, "SELECT count(*) FROM sagas WHERE ended_at IS NULL").await
    }

    /// How many units of all supplies lie in the store.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn units(&self) -> Result<i64, Trouble> {
        count(&self.inventory, "SELECT coalesce(sum(on_hand), 0)::bigint FROM stock").await
    }

    /// Reserved and sold pets belong to sagas that are live or completed.
    async fn pets_without_saga(&self) -> Result<i64, Trouble> {
        let held = "SELECT coalesce(reserved_by_saga, sold_to_saga) FROM pets WHERE status IN ('pending', 'sold')";
        let held: BTreeSet<Uuid> = rows(&self.pets, held).await?.iter().map(|row| row.get(0)).collect();
        let right = "SELECT id FROM sagas WHERE phase NOT IN ('rejected', 'cancelled')";
        let right: BTreeSet<Uuid> = rows(&self.sagas, right).await?.iter().map(|row| row.get(0)).collect();
        Ok(i64::try_from(held.difference(&right).count()).unwrap_or(i64::MAX))
    }
}

impl Findings {
    /// What is wrong, in words; empty when every rule holds.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let zeros = [
            (self.pets_without_saga, "reserved or sold pets without a saga"),
            (self.pets_with_two_orders, "pets with more than one live order"),
            (self.stock_below_zero, "rows of stock below zero"),
            (self.unbalanced, "rows of read models that do not add up"),
            (self.steps_against_end, "sagas whose steps disagree with their end"),
        ];
        let broken = zeros.into_iter().filter(|(found, _)| *found != 0).map(|(found, what)| format!("{found} {what}"));
        let units = (self.units_taken != self.units_in_orders)
            .then(|| format!("{} units taken, {} in orders", self.units_taken, self.units_in_orders));
        broken.chain(units).collect()
    }

    /// How many sagas are in this phase.
    #[must_use]
    pub fn in_phase(&self, phase: &str) -> i64 {
        self.sagas.get(phase).copied().unwrap_or_default()
    }

    /// How many sagas have not ended.
    #[must_use]
    pub fn unfinished(&self) -> i64 {
        ["running", "prepared", "completing", "compensating"].iter().map(|phase| self.in_phase(phase)).sum()
    }

    /// Whether nothing is on its way any more.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.unpublished == 0 && self.unheard == 0 && self.unfinished() == 0
    }
}

fn units_in_orders() -> String {
    format!(
        "SELECT coalesce(sum((item ->> 'quantity')::bigint), 0)::bigint
         FROM orders JOIN requests USING (order_id), jsonb_array_elements(items) AS item
         WHERE orders.state IN {LIVE_ORDERS}"
    )
}

fn pets_with_two_orders() -> String {
    format!(
        "SELECT count(*) FROM (
             SELECT pet FROM orders JOIN requests USING (order_id)
             WHERE orders.state IN {LIVE_ORDERS} GROUP BY pet HAVING count(*) > 1) AS twice"
    )
}

/// At its end, a completed saga has every step done, and any other has none.
const STEPS_AGAINST_END: &str = "
    SELECT count(*) FROM sagas s
    WHERE ended_at IS NOT NULL AND EXISTS (
        SELECT 1 FROM json_array_elements(s.state::json -> 'steps') AS step
        WHERE CASE WHEN s.phase = 'completed' THEN step ->> 'state' NOT IN ('done', 'skipped')
                   ELSE step ->> 'state' IN ('done', 'sent', 'undoing') END)";

async fn count(client: &Client, sql: &str) -> Result<i64, Trouble> {
    let row = client.query_one(sql, &[]).await.map_err(Trouble::sql("checking a rule"))?;
    Ok(row.get(0))
}

async fn rows(client: &Client, sql: &str) -> Result<Vec<tokio_postgres::Row>, Trouble> {
    client.query(sql, &[]).await.map_err(Trouble::sql("checking a rule"))
}
