//! The chapters of the demo, each a promise shown.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::shop::{Answer, Catalogue, Shop, order, until};
use super::{expect, print};
use crate::invariants::{Databases, Findings};
use crate::replayed;
use crate::servers::Trouble;

/// What the chapters work with.
pub(super) struct Demo {
    pub(super) shop: Shop,
    pub(super) databases: Databases,
    pub(super) amqp: String,
    pub(super) run: i64,
}

/// The shop of this run: pets and supplies that no other run touches.
pub(super) struct Opened {
    pets: Vec<(i64, String)>,
    /// A pet that no chapter needs.
    pub(super) spare: i64,
}

const FOOD: &str = "FOOD-CAT-2KG";
const BALL: &str = "TOY-BALL";
const CUSTOMERS: usize = 50;
const TIMES: usize = 5;

impl Demo {
    fn key(&self, name: &str) -> String {
        format!("demo-{}-{name}", self.run)
    }

    fn sku(&self, sku: &str) -> String {
        if self.run == 1 { sku.to_owned() } else { format!("{sku}-{}", self.run) }
    }

    /// Fills the shop from the catalogue.
    pub(super) async fn open(&self) -> Result<Opened, Trouble> {
        let catalogue = Catalogue::read()?;
        let pets = join_all(catalogue.pets.iter().map(|pet| self.shop.add_pet(pet))).await;
        let names = catalogue.pets.iter().map(|pet| {
            let kind = pet.pointer("/category/name").and_then(Value::as_str).unwrap_or("pet");
            format!("{} the {kind}", pet.get("name").and_then(Value::as_str).unwrap_or("?"))
        });
        let pets = pets.into_iter().zip(names).map(|(id, name)| Ok((id?, name)));
        let pets = pets.collect::<Result<Vec<_>, Trouble>>()?;
        for supply in &catalogue.supplies {
            let sku = supply.get("sku").and_then(Value::as_str).unwrap_or_default();
            self.shop.set_stock(&self.sku(sku), supply).await?;
        }
        print(&format!("shop       {} pets, {} supplies", pets.len(), catalogue.supplies.len()))?;
        let spare = pets.last().map_or(1, |(id, _)| *id);
        Ok(Opened { pets, spare })
    }

    pub(super) async fn an_order_goes_through(&self, opened: &Opened) -> Result<Uuid, Trouble> {
        let (pet, name) = &opened.pets[0];
        print(&format!("1  An order that goes through: {name} + 2 {FOOD}"))?;
        let wish = order(*pet, "ada@example.com", &[(&self.sku(FOOD), 2)]);
        let answer = self.shop.place(&self.key("through"), &wish).await?;
        let saga = answer.text("sagaId");
        print(&format!(
            "   POST /api/v3/store/order -> {} {}      order {}   saga {}",
            answer.status.as_u16(),
            answer.text("status"),
            answer.text("id"),
            short(&saga)
        ))?;
        expect(answer.status == 200 && answer.text("status") == "placed", "the order is placed", &answer.body)?;
        let (story, timeline) = self.shop.ended(&saga).await?;
        for line in timeline.lines() {
            print(&format!("    {line}"))?;
        }
        expect(story["state"] == "completed", "the saga completes", &story)?;
        let sold = self.shop.pet(*pet).await?;
        expect(sold.text("status") == "sold", "the pet is sold", &sold.body)?;
        saga.parse().map_err(|_| Trouble::Unmet(format!("{saga} is no id")))
    }

    pub(super) async fn an_order_is_undone(&self, opened: &Opened) -> Result<(), Trouble> {
        let ((pet, name), ball) = (&opened.pets[1], self.sku(BALL));
        let before = self.shop.stock(&ball).await?;
        print(&format!("2  An order that is undone: {name} + 900 {BALL} ({} in stock)", before.text("available")))?;
        let answer = self.shop.place(&self.key("undone"), &order(*pet, "bob@example.com", &[(&ball, 900)])).await?;
        let (status, reason) = (answer.status.as_u16(), answer.text("reason"));
        print(&format!(
            "   -> {status} {reason}      order {}   saga {}",
            answer.text("id"),
            short(&answer.text("sagaId"))
        ))?;
        expect(status == 422 && reason == "out_of_stock", "the order is rejected as out of stock", &answer.body)?;
        let (_, timeline) = self.shop.ended(&answer.text("sagaId")).await?;
        for line in timeline.lines() {
            print(&format!("    {line}"))?;
        }
        let (pet, after) = (self.shop.pet(*pet).await?, self.shop.stock(&ball).await?);
        expect(pet.text("status") == "available", "the pet is available again", &pet.body)?;
        expect(after.text("available") == before.text("available"), "the stock is what it was", &after.body)?;
        print(&format!("   {name} is available again, stock is still {}", after.text("available")))
    }

    pub(super) async fn a_customer_cancels(&self, opened: &Opened) -> Result<(), Trouble> {
        let (pet, name) = &opened.pets[5];
        print(&format!("3  An order above the limit waits for the owner ({name}); the customer cancels"))?;
        let answer = self.shop.place(&self.key("cancelled"), &order(*pet, "cleo@example.com", &[])).await?;
        expect(answer.text("state") == "placed", "the order waits as placed", &answer.body)?;
        let cancelled = self.shop.cancel(&answer.text("id")).await?;
        expect(cancelled.status == 200, "the order is cancelled", &cancelled.body)?;
        let (order, pet) = (self.shop.order(&answer.text("id")).await?, self.shop.pet(*pet).await?);
        expect(order.text("state") == "cancelled", "the order is cancelled", &order.body)?;
        expect(pet.text("status") == "available", "the pet is released", &pet.body)?;
        print(&format!("   -> {} {}, {name} is released", cancelled.status.as_u16(), order.text("state")))
    }

    pub(super) async fn one_request_three_times(&self, opened: &Opened) -> Result<(), Trouble> {
        let (pet, _) = &opened.pets[9];
        let (key, wish) = (self.key("thrice"), order(*pet, "dora@example.com", &[]));
        let answers = join_all((0..3).map(|_| self.shop.place(&key, &wish))).await;
        let answers = answers.into_iter().collect::<Result<Vec<Answer>, Trouble>>()?;
        let statuses: Vec<String> = answers.iter().map(|answer| answer.status.as_u16().to_string()).collect();
        let same =
            answers.iter().all(|answer| answer.status == 200 && answer.text("sagaId") == answers[0].text("sagaId"));
        expect(
            same,
            "the same request has the same answer",
            &json!(answers.iter().map(|a| &a.body).collect::<Vec<_>>()),
        )?;
        self.shop.ended(&answers[0].text("sagaId")).await?;
        print(&format!("4  One request sent three times      -> {}      one order, one saga", statuses.join(" ")))
    }

    pub(super) async fn fifty_customers_one_pet(&self, opened: &Opened) -> Result<(), Trouble> {
        let (pet, _) = &opened.pets[10];
        let reserved = "SELECT count(*) FROM journal WHERE type = 'PET_RESERVED'";
        let before = self.count(reserved).await?;
        let place = async |customer: usize| {
            let wish = order(*pet, &format!("customer{customer}@example.com"), &[]);
            self.shop.place(&self.key(&format!("rush-{customer}")), &wish).await
        };
        let answers =
            join_all((0..CUSTOMERS).map(place)).await.into_iter().collect::<Result<Vec<Answer>, Trouble>>()?;
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        let taken =
            answers.iter().filter(|answer| answer.status == 409 && answer.text("reason") == "pet_taken").count();
        let winner = answers.iter().find(|answer| answer.status == 200);
        let reserved = self.count(reserved).await? - before;
        let others: Vec<&Value> =
            answers.iter().filter(|a| a.status != 200 && a.status != 409).map(|a| &a.body).collect();
        expect(
            won == 1 && taken == CUSTOMERS - 1,
            "one customer wins, the others are told",
            &json!([won, taken, others]),
        )?;
        expect(reserved == 1, "there is one PET_RESERVED", &json!(reserved))?;
        if let Some(winner) = winner {
            self.shop.ended(&winner.text("sagaId")).await?;
        }
        print(&format!(
            "5  Fifty customers, one pet          -> {won} x 200, {taken} x 409 pet_taken, one PET_RESERVED"
        ))
    }

    pub(super) async fn everything_again(&self, saga: Uuid) -> Result<(), Trouble> {
        self.when_quiet().await?;
        let stored = replayed::messages_of(&self.databases, saga).await?;
        let mut again: Vec<&replayed::Stored> =
            stored.iter().flat_map(|message| std::iter::repeat_n(message, TIMES)).collect();
        replayed::shuffle(&mut again, self.run.unsigned_abs());
        let before = self.digests().await?;
        let dropped = self.shop.duplicates().await?;
        replayed::publish(&self.amqp, &again).await?;
        let expected: u64 = again.iter().map(|message| message.takers as u64).sum();
        until("all of it to be met again", async || {
            Ok((self.shop.duplicates().await? >= dropped + expected).then_some(()))
        })
        .await?;
        self.when_quiet().await?;
        let after = self.digests().await?;
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        expect(changed == 0, "no row changes", &json!({ "before": before, "after": after }))?;
        let (messages, id) = (stored.len(), short(&saga.to_string()));
        print(&format!(
            "6  All {messages} messages of {id} published {TIMES} times more, shuffled -> {} published again, {changed} tables changed",
            again.len()
        ))
    }

    pub(super) async fn a_message_nobody_understands(&self) -> Result<(), Trouble> {
        let (before, start) = (self.shop.parked().await?.len(), Instant::now());
        let body = format!("{{\"this\": \"is no envelope\", \"run\": {}}}", self.run).into_bytes();
        let route = saga_core::Route { exchange: "pet.events".into(), key: "pet.reserved".into(), mandatory: false };
        let garbage = replayed::Stored { route, takers: 1, body: body.clone() };
        replayed::publish(&self.amqp, &[&garbage]).await?;
        let parked = until("it to be parked", async || {
            let parked = self.shop.parked().await?;
            Ok((parked.len() > before).then_some(parked))
        })
        .await?;
        let took = start.elapsed().as_millis();
        let kept = "SELECT count(*) FROM parked WHERE body = $1 AND reason = 'not_an_envelope'";
        let kept = self
            .databases
            .inventory
            .query_one(kept, &[&body])
            .await
            .map_err(Trouble::sql("reading parked messages"))?;
        expect(kept.get::<_, i64>(0) == 1, "its bytes are kept", &json!(parked))?;
        print(&format!("7  A message nobody understands      -> parked in {took} ms, queue flows on, bytes kept"))
    }

    /// The state of everything once nothing is on its way any more.
    pub(super) async fn when_quiet(&self) -> Result<Findings, Trouble> {
        until("everything to come to rest", async || {
            let findings = self.databases.check().await?;
            Ok(findings.is_quiet().then_some(findings))
        })
        .await
    }

    async fn digests(&self) -> Result<Vec<Value>, Trouble> {
        let mut digests = Vec::new();
        for client in self.databases.each() {
            digests.push(json!(replayed::digest(client).await?));
        }
        Ok(digests)
    }

    async fn count(&self, sql: &str) -> Result<i64, Trouble> {
        let row = self.databases.pets.query_one(sql, &[]).await.map_err(Trouble::sql("counting"))?;
        Ok(row.get(0))
    }
}

fn short(id: &str) -> String {
    id.chars().take(8).collect()
}
