//! Whether each order, its saga and its pet have the ids that they are made of.

use futures_util::future::BoxFuture;
use saga_contract::{Names, PetNumber, order_saga_id};
use saga_core::Ids;
use saga_runtime::check::{Check, Disagreement, Looked};
use saga_runtime::http::problem::Problem;
use saga_runtime::store::query;
use saga_runtime::{Pool, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

const PART: &str = "
    SELECT order_id, user_id, idempotency_key, saga_id, pet, pet_id FROM requests WHERE order_id > $1
    ORDER BY order_id LIMIT 1000";

/// The ids of the orders, computed again.
#[derive(Debug, Clone)]
pub struct OrderIds {
    /// The database.
    pub pool: Pool,
    /// The forges of the engine's ids.
    pub ids: Ids,
    /// The forges of the pet store's own.
    pub names: Names,
}

impl OrderIds {
    async fn part(&self, place: Option<&str>) -> Result<Looked, Problem> {
        let unknown = |_| Problem::invalid_parameter("after is the next of no answer");
        let after = place.map_or(Ok(Uuid::nil()), |place| place.parse().map_err(unknown))?;
        let rows = query(&self.pool.get().await.map_err(StoreError::from)?, PART, &[&after]).await?;
        let disagree = rows.iter().flat_map(|row| self.wrong(row)).collect();
        let next = rows.last().map(|row| row.get::<_, Uuid>(0).to_string());
        Ok(Looked { rows: rows.len(), disagree, next })
    }

    fn wrong(&self, row: &Row) -> Vec<Disagreement> {
        let (order, user, key): (Uuid, Uuid, &str) = (row.get(0), row.get(1), row.get(2));
        let (saga, pet, number): (Uuid, Uuid, i64) = (row.get(3), row.get(4), row.get(5));
        let pet_follows = PetNumber::new(number).is_ok_and(|number| self.names.pet(number) == pet);
        let wrong = [
            (self.names.order(user, key) != order, "its id does not follow from its customer and key"),
            (order_saga_id(&self.ids, user, order) != saga, "its saga's id does not follow from customer and order"),
            (!pet_follows, "its pet's id does not follow from the pet's number"),
        ];
        let disagreement = |why: &str| Disagreement { what: format!("order {order}"), why: why.to_owned() };
        wrong.into_iter().filter(|(wrong, _)| *wrong).map(|(_, why)| disagreement(why)).collect()
    }
}

impl Check for OrderIds {
    fn of(&self) -> &'static str {
        "orders"
    }

    fn look<'a>(&'a self, place: Option<&'a str>) -> BoxFuture<'a, Result<Looked, Problem>> {
        Box::pin(self.part(place))
    }
}
