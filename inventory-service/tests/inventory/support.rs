//! What the tests stand on: a database of the service's own, messages, and looking at rows.

use inventory_service::messages::Messages;
use saga_contract::messages::{OrderApproved, PetReserved, ReleaseInventory};
use saga_contract::{Currency, Item, Items, Money, OrderNumber, PetNumber, PetStatus, Quantity, steps};
use saga_runtime::core::{Body, Ids, Message, Payload};
use saga_runtime::error::Remedy;
use saga_runtime::testing::{Database, SALT, Servers};
use saga_runtime::{Decided, Handler, Pool, Secret, StoreError, Transaction, Verdict, clock, store};
use tokio_postgres::Client;
use uuid::Uuid;

/// A database with the service's schema, and its handler on it.
pub(crate) struct Inventory {
    pub(crate) pool: Pool,
    pub(crate) messages: Messages,
    pub(crate) owner: Client,
    pub(crate) database: Database,
    pub(crate) servers: Servers,
}

impl Inventory {
    /// A fresh one with these supplies at 2.50 EUR.
    pub(crate) async fn with(supplies: &[(&str, i64)]) -> Self {
        let servers = Servers::claim().await;
        let database = servers.database("inventory").await;
        let owner = database.migrate(&inventory_service::migrations()).await;
        for (sku, on_hand) in supplies {
            let insert = "INSERT INTO stock VALUES ($1, $2, 0, 0, 250, 'EUR', 1, now())";
            owner.execute(insert, &[sku, on_hand]).await.unwrap();
        }
        let pool = store::connect("DATABASE_URL", &Secret::new(&database.app_url), "test", 16).unwrap();
        Self { pool, messages: Messages::new(ids()), owner, database, servers }
    }

    /// Handles a batch as one delivery does, though without an inbox: nothing but the handler
    /// itself stands against repetitions. A lost race is run again, a deadlock fails the test.
    pub(crate) async fn deliver(&self, batch: &[Message]) -> Vec<Verdict> {
        for _ in 0..100 {
            match self.attempt(batch).await {
                Ok(verdicts) => return verdicts,
                Err(error) => {
                    assert!(!error.to_string().contains("deadlock"), "{error}");
                    assert_eq!(error.remedy(), Remedy::Again, "{error}");
                }
            }
        }
        panic!("100 attempts and no end");
    }

    async fn attempt(&self, batch: &[Message]) -> Result<Vec<Verdict>, StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let batch = Vec::from_iter(batch);
        let Decided { verdicts, writes, .. } = self.messages.handle(&transaction, &batch, clock::now()).await?;
        writes.send(&transaction).await?;
        transaction.commit().await?;
        Ok(verdicts)
    }

    /// Units on hand, reserved and taken.
    pub(crate) async fn levels(&self, sku: &str) -> (i64, i64, i64) {
        let row = self.owner.query_one("SELECT on_hand, reserved, taken FROM stock WHERE sku = $1", &[&sku]).await;
        let row = row.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

    /// Every row that is not the pipeline's, as text. Of the counts only the sum: which slot a
    /// change went to is chance.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let tables = ["stock", "reservations", "pets", "effects"];
        let tables = tables.map(|table| format!("SELECT '{table} ' || t::text FROM {table} t"));
        let counts = "SELECT 'counts ' || (sum(available), sum(pending), sum(sold))::text FROM pet_counts";
        let sql = format!("{} UNION ALL {counts} ORDER BY 1", tables.join(" UNION ALL "));
        self.owner.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Fails when the units are not those of the orders, or the counts not those of the pets.
    pub(crate) async fn assert_balanced(&self) {
        for view in ["unbalanced_stock", "unbalanced_pets"] {
            let sql = format!("SELECT t::text FROM {view} t");
            let wrong: Vec<String> = self.owner.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
            assert!(wrong.is_empty(), "{view}: {wrong:?}");
        }
    }
}

/// The forges of the process's ids.
pub(crate) fn ids() -> Ids {
    Ids::new(&idforge::Salt::new(SALT).unwrap(), "petstore.example")
}

/// The types of what is told, in order; of a repeated answer `again`.
pub(crate) fn told(verdicts: &[Verdict]) -> Vec<&str> {
    let of = |verdict: &'_ Verdict| -> Vec<String> {
        match verdict {
            Verdict::Done(output) => {
                let new = output.send.iter().map(|out| out.message.kind.clone());
                new.chain(output.resend.iter().map(|_| "again".to_owned())).collect()
            }
            Verdict::PutOff { .. } => vec!["put off".to_owned()],
            Verdict::Park { reason, .. } => vec![(*reason).to_owned()],
        }
    };
    verdicts.iter().flat_map(of).map(|text| &*text.leak()).collect()
}

pub(crate) fn order_of(saga: u128) -> Uuid {
    Uuid::from_u128(saga + 1_000_000)
}

pub(crate) fn items(lines: &[(&str, i64)]) -> Items {
    let line =
        |(sku, quantity): &(&str, i64)| Item { sku: sku.parse().unwrap(), quantity: Quantity::new(*quantity).unwrap() };
    Items::new(lines.iter().map(line).collect()).unwrap()
}

fn message<P: Payload>(id: u128, saga: u128, subject: Uuid, payload: &P) -> Message {
    let body = Body::of(payload).unwrap();
    let mut message = Message::new(Uuid::from_u128(id), "test", subject.to_string(), body, clock::now());
    message.saga_id = Some(Uuid::from_u128(saga));
    message
}

/// PET_RESERVED of a saga's own pet, at the pet's version 2. Its id is made of the saga's.
pub(crate) fn pet_reserved(saga: u128, lines: &[(&str, i64)]) -> Message {
    let pet = Uuid::from_u128(saga + 2_000_000);
    let event = PetReserved {
        pet,
        pet_id: PetNumber::new(12).unwrap(),
        name: "Miso".to_owned(),
        status: PetStatus::Pending,
        price: Money::new(10_000, Currency::EUR).unwrap(),
        order: order_of(saga),
        order_id: OrderNumber::new(1001).unwrap(),
        user_id: Uuid::from_u128(3),
        quantity: Quantity::ONE,
        items: items(lines),
        ship_date: None,
    };
    message(saga * 10 + 1, saga, pet, &event).for_step(steps::RESERVE_PET, 0).at_version(2)
}

/// RELEASE_INVENTORY of a saga.
pub(crate) fn release(saga: u128) -> Message {
    let command = ReleaseInventory { order: order_of(saga) };
    message(saga * 10 + 2, saga, order_of(saga), &command).for_step(steps::RESERVE_INVENTORY, 0)
}

/// ORDER_APPROVED of a saga.
pub(crate) fn approved(saga: u128, lines: &[(&str, i64)]) -> Message {
    let event = OrderApproved {
        order: order_of(saga),
        order_id: OrderNumber::new(1001).unwrap(),
        pet: Uuid::from_u128(saga + 2_000_000),
        pet_id: PetNumber::new(12).unwrap(),
        user_id: Uuid::from_u128(3),
        items: items(lines),
        total: Money::new(10_500, Currency::EUR).unwrap(),
    };
    message(saga * 10 + 3, saga, order_of(saga), &event).for_step(steps::APPROVE_ORDER, 0).at_version(3)
}

/// Puts things into an order that only the seed decides.
pub(crate) fn shuffle<T>(things: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for last in (1..things.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        things.swap(last, (state % (last as u64 + 1)) as usize);
    }
}
