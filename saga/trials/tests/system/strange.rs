//! Messages that come doubled, overtaken, old, early, or that cannot be handled: published by hand.

use reqwest::Method;
use saga_contract::messages::{PetReservationRefused, ReleasePet, ReservePet};
use saga_contract::{Items, OrderNumber, PetNumber, Quantity, Reason, steps};
use saga_core::{Body, Message, Outcome, Payload, Route};
use saga_runtime::clock;
use saga_runtime::testing::eventually;
use saga_trials::replayed::{Stored, publish};
use serde_json::json;
use time::Duration;
use uuid::Uuid;

use crate::shop::{PATIENCE, Settings, Shop, count};

/// pet-service alone, with this many pets.
async fn pets(number: i64) -> Shop {
    let mut shop = Shop::closed(Settings::default()).await;
    shop.start("pet-service").await;
    for pet in 1..=number {
        shop.add_pet(pet, 1000).await;
    }
    shop
}

async fn pet_id(shop: &Shop, pet: i64) -> Uuid {
    shop.databases.pets.query_one("SELECT uuid FROM pets WHERE id = $1", &[&pet]).await.unwrap().get(0)
}

fn order_of(saga: u128) -> Uuid {
    Uuid::from_u128(saga << 64)
}

fn request<P: Payload>(id: u128, saga: u128, payload: &P) -> Message {
    let body = Body::of(payload).unwrap();
    let mut message = Message::new(Uuid::from_u128(id), "by-hand", order_of(saga).to_string(), body, clock::now());
    message.saga_id = Some(Uuid::from_u128(saga));
    message.for_step(steps::RESERVE_PET, 0)
}

async fn reserve(shop: &Shop, id: u128, saga: u128, pet: i64) -> Message {
    let payload = ReservePet {
        pet: pet_id(shop, pet).await,
        pet_id: PetNumber::new(pet).unwrap(),
        order: order_of(saga),
        order_id: OrderNumber::new(1).unwrap(),
        user_id: Uuid::from_u128(7),
        quantity: Quantity::ONE,
        items: Items::none(),
        ship_date: None,
    };
    request(id, saga, &payload)
}

async fn release(shop: &Shop, id: u128, saga: u128, pet: i64) -> Message {
    let payload = ReleasePet {
        pet: pet_id(shop, pet).await,
        pet_id: PetNumber::new(pet).unwrap(),
        order: order_of(saga),
        outcome: Outcome::Cancelled,
        reason: Reason::CANCELLED,
    };
    request(id, saga, &payload)
}

async fn command(shop: &Shop, message: &Message) {
    let route = Route { exchange: "commands".into(), key: "pet".into(), mandatory: false };
    publish(shop.servers.amqp_url(), &[&Stored { route, takers: 1, body: message.to_bytes() }]).await.unwrap();
}

async fn handled(shop: &Shop, message: &Message) -> bool {
    let sql = "SELECT count(*) FROM inbox WHERE id = $1 AND day = $2";
    let row = shop.databases.pets.query_one(sql, &[&message.id, &message.time.date()]).await.unwrap();
    row.get::<_, i64>(0) == 1
}

async fn parked(shop: &Shop, message: &Message, reason: &str) -> bool {
    let sql = "SELECT count(*) FROM parked WHERE message_id = $1 AND reason = $2 AND body = $3 AND state = 'parked'";
    let row = shop.databases.pets.query_one(sql, &[&message.id, &reason, &message.to_bytes()]).await.unwrap();
    row.get::<_, i64>(0) == 1
}

async fn settles(shop: &Shop, message: &Message) {
    command(shop, message).await;
    eventually("the message is handled", PATIENCE, async || handled(shop, message).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_with_other_content_is_parked_and_the_first_stands() {
    let shop = pets(2).await;
    let first = reserve(&shop, 1, 1, 1).await;
    settles(&shop, &first).await;
    let mut other = reserve(&shop, 1, 1, 2).await;
    other.time = first.time;
    command(&shop, &other).await;
    eventually("it is parked", PATIENCE, async || parked(&shop, &other, "conflict").await).await;
    assert_eq!((shop.pet_status(1).await.as_str(), shop.pet_status(2).await.as_str()), ("pending", "available"));
    assert_eq!(count(&shop.databases.pets, "SELECT count(*) FROM journal WHERE type = 'PET_RESERVED'").await, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_with_one_id_that_come_together_the_first_is_handled_once_and_what_differs_is_parked() {
    let mut shop = pets(2).await;
    let first = reserve(&shop, 1, 1, 1).await;
    let mut other = reserve(&shop, 1, 1, 2).await;
    other.time = first.time;
    shop.stop("pet-service").await;
    for message in [&first, &first, &other] {
        command(&shop, message).await;
    }
    shop.start("pet-service").await;
    eventually("the first is handled", PATIENCE, async || handled(&shop, &first).await).await;
    eventually("the other is parked", PATIENCE, async || parked(&shop, &other, "conflict").await).await;
    assert_eq!((shop.pet_status(1).await.as_str(), shop.pet_status(2).await.as_str()), ("pending", "available"));
    assert_eq!(count(&shop.databases.pets, "SELECT count(*) FROM journal WHERE type = 'PET_RESERVED'").await, 1);
    assert_eq!(count(&shop.databases.pets, "SELECT count(*) FROM parked").await, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_that_overtakes_its_do_is_an_effect_and_the_late_do_is_refused() {
    let shop = pets(1).await;
    settles(&shop, &release(&shop, 2, 1, 1).await).await;
    let late = reserve(&shop, 1, 1, 1).await;
    settles(&shop, &late).await;
    let sql = "SELECT body FROM journal WHERE type = $1";
    let answers = shop.databases.pets.query(sql, &[&PetReservationRefused::TYPE]).await.unwrap();
    let answers: Vec<Message> = answers.iter().map(|row| Message::parse(row.get(0)).unwrap()).collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!((answers[0].causation_id, &answers[0].data["reason"]), (Some(late.id), &"cancelled".into()));
    assert_eq!(shop.pet_status(1).await, "available");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_a_little_old_or_early_is_handled_what_is_too_old_is_parked_and_what_is_too_early_waits() {
    let shop = pets(4).await;
    let ages = [Duration::days(29), Duration::days(31), Duration::minutes(-3), Duration::minutes(-10)];
    let mut messages = Vec::new();
    for (n, age) in (1..).zip(ages) {
        let mut message = reserve(&shop, n, n, i64::try_from(n).unwrap()).await;
        message.time -= age;
        command(&shop, &message).await;
        messages.push(message);
    }
    for known in [&messages[0], &messages[2]] {
        eventually("it is handled", PATIENCE, async || handled(&shop, known).await).await;
    }
    eventually("the old one is parked", PATIENCE, async || parked(&shop, &messages[1], "too_old").await).await;
    let early = &messages[3];
    let deferred = "SELECT count(*) FROM deferred WHERE message_id = $1 AND due_at = $2 AND body = $3";
    eventually("the early one waits for its time", PATIENCE, async || {
        let row = shop.databases.pets.query_one(deferred, &[&early.id, &early.time, &early.to_bytes()]).await.unwrap();
        row.get::<_, i64>(0) == 1
    })
    .await;
    let mut statuses = Vec::new();
    for pet in 1..=4 {
        statuses.push(shop.pet_status(pet).await);
    }
    assert_eq!(statuses, ["pending", "available", "pending", "available"]);
    // Its time has come.
    let sql = "UPDATE deferred SET due_at = now(), body = $1";
    let mut due = early.clone();
    due.time = clock::now();
    shop.databases.pets.execute(sql, &[&due.to_bytes()]).await.unwrap();
    eventually("it is handled when it is due", PATIENCE, async || shop.pet_status(4).await == "pending").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_fails_each_time_it_is_due_holds_no_other_back_and_is_parked_in_the_end() {
    let shop = pets(1).await;
    settles(&shop, &release(&shop, 2, 1, 1).await).await;
    let refused = reserve(&shop, 1, 1, 1).await;
    settles(&shop, &refused).await;
    // The same request from another day, whose refusal has an id that was sent today already: here the database takes none twice.
    let pets = &shop.databases.pets;
    pets.batch_execute("CREATE UNIQUE INDEX once ON journal_entries (day, (ids[1]))").await.unwrap();
    let mut again = refused;
    again.time -= Duration::days(1);
    command(&shop, &again).await;
    eventually("it is put off", PATIENCE, async || count(pets, "SELECT count(*) FROM deferred").await == 1).await;
    let behind = reserve(&shop, 3, 3, 1).await;
    let sql = "
        INSERT INTO deferred (queue, key, attempt, due_at, reason, incoming, body)
        SELECT queue, 'behind', 1, due_at + interval '1 ms', 'by hand', '{}', $1 FROM deferred";
    assert_eq!(pets.execute(sql, &[&behind.to_bytes()]).await.unwrap(), 1);
    eventually("the one behind it is handled", PATIENCE, async || handled(&shop, &behind).await).await;
    let attempts = count(pets, "SELECT max(attempt)::bigint FROM deferred").await;
    assert!(attempts > 2, "the first is put off again, a little longer: {attempts}");
    // As if it had been put off for hours.
    pets.batch_execute("UPDATE deferred SET attempt = 20, due_at = now()").await.unwrap();
    eventually("it is parked", PATIENCE, async || parked(&shop, &again, "put_off_too_often").await).await;
    assert_eq!(count(pets, "SELECT count(*) FROM deferred").await, 0);
    pets.batch_execute("DROP INDEX once").await.unwrap();
    let id = count(pets, "SELECT id FROM parked").await;
    let url = format!("{}/admin/parked/{id}/replay", shop.url("pet-service", 0));
    let replayed = shop.send(Method::POST, &url, &[shop.token()], Some(&json!({}))).await;
    assert_eq!(replayed.status, 200, "{replayed:?}");
    eventually("it is handled once that is mended", PATIENCE, async || handled(&shop, &again).await).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_whose_message_is_gone_holds_no_other_back() {
    let shop = pets(3).await;
    let pets = &shop.databases.pets;
    let rest = async || count(pets, "SELECT count(*) FROM outbox").await == 0;
    eventually("everything is published", PATIENCE, rest).await;
    let published = async || shop.metric("pet-service", "messaging_client_sent_messages_total").await.unwrap();
    let before = published().await;
    // What a crash leaves, in one sweep: of one mark all is gone, since its partition was dropped, and of one the first.
    let sql = "
        INSERT INTO outbox (times, message_ids, claimed_at)
        VALUES (ARRAY[now() - interval '40 days'], ARRAY[gen_random_uuid()], now() - interval '1 hour');
        INSERT INTO outbox (times, message_ids, claimed_at)
        SELECT now() - interval '40 days' || array_agg(time ORDER BY id), gen_random_uuid() || array_agg(id ORDER BY id),
               now() - interval '1 hour' FROM journal";
    pets.batch_execute(sql).await.unwrap();
    eventually("the sweep publishes what there is", PATIENCE, rest).await;
    assert!(published().await >= before + 3.0, "a message for each pet");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_that_cannot_be_woken_keep_no_other_asleep() {
    let mut shop = Shop::open(Settings { order_wait: std::time::Duration::ZERO, ..Settings::default() }).await;
    shop.add_pet(1, 1000).await;
    shop.stop("pet-service").await;
    let taken = shop.place("asleep", &crate::shop::order(1, "ada", &[])).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let sagas = &shop.databases.sagas;
    eventually("the saga waits", PATIENCE, async || count(sagas, "SELECT count(*) FROM sagas").await == 1).await;
    // More of them than are woken at once: of a definition that is not known here, and unreadable ones.
    let sql = "
        INSERT INTO sagas (id, definition, definition_version, subject, phase, needs_intervention, alarm, version,
                           started_at, updated_at, state)
        SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN definition ELSE 'unknown' END, definition_version, 'x',
               'running', false, now() - interval '1 hour', 1, now(), now(), '{}'
        FROM sagas, generate_series(1, 300) AS n";
    sagas.batch_execute(sql).await.unwrap();
    // And one that is read and decided, but that the database does not take.
    let sql = "
        INSERT INTO sagas
        SELECT n, definition, definition_version, 'broken', phase, reason, needs_intervention, now() - interval '1 hour',
               version, started_at, updated_at, ended_at, jsonb_set(state::jsonb, '{id}', to_jsonb(n))::text
        FROM sagas, gen_random_uuid() AS n WHERE id = $1;
        ALTER TABLE sagas ADD CONSTRAINT broken CHECK (subject <> 'broken' OR version = 1) NOT VALID";
    let id = sagas.query_one("SELECT id::text FROM sagas WHERE state <> '{}'", &[]).await.unwrap().get::<_, String>(0);
    sagas.batch_execute(&sql.replace("$1", &format!("'{id}'"))).await.unwrap();
    let resent = "SELECT count(*) FROM sagas WHERE (state::json #>> '{steps,0,resends}')::int > 0";
    eventually("the request is sent again", PATIENCE, async || count(sagas, resent).await == 1).await;
    let late = shop.metric("saga", "timer_lag_seconds").await;
    assert!(late.is_some_and(|late| late > 0.0), "it says how late its last alarm was: {late:?}");
    shop.close().await;
}
