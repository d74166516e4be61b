//! The sweep: each step, in each direction, is failed, repeated, delayed past its deadline, and loses its answer. Every
//! saga ends as the table says, and every effect is there once or not at all.

mod request;

use std::time::Duration;

use saga_contract::{TOPOLOGY, steps};
use saga_core::{Ids, Message};
use saga_runtime::testing::{SALT, eventually};
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::command::told;
use crate::shop::{PATIENCE, Settings, Shop, count};
use request::{ALL, Asks, Request, channel, give, make_overdue, needs_intervention, phase, take};

/// The system with a supply; requests are sent again soon. No step is late by itself: a participant may be away for longer
/// than any test takes.
async fn open() -> Shop {
    let (resend_after, step_timeout) = (Duration::from_millis(300), Duration::from_secs(600));
    let order_wait = Duration::from_millis(100);
    let shop = Shop::open(Settings { order_wait, resend_after, step_timeout, ..Settings::default() }).await;
    shop.set_stock("FOOD", 100).await;
    shop
}

async fn ends(shop: &Shop, request: &Request, saga: Uuid, phase_at_end: &str) {
    let what = format!("the saga is {phase_at_end} after {} ({:?})", request.step, request.asks);
    eventually(&what, PATIENCE, async || phase(shop, saga).await == phase_at_end).await;
    assert!(!needs_intervention(shop, saga).await, "the mark is gone");
}

/// Nothing is left to do or to look at, and every effect agrees with the end of its saga.
async fn close(shop: Shop) {
    shop.settled().await;
    assert_eq!(shop.databases.effects_against_end().await.unwrap(), Vec::<String>::new());
    for client in shop.databases.each() {
        assert_eq!(count(client, "SELECT count(*) FROM parked").await, 0);
    }
    shop.close().await;
}

/// How a saga ends whose request comes through after all.
fn through(request: &Request) -> &'static str {
    match request.asks {
        Asks::BeforePivot(_) | Asks::AfterPivot => "completed",
        Asks::Undo => "cancelled",
    }
}

/// The participant's no, as one in any language would send it.
fn refusal(request: &Request, asked: &Message, kind: &str) -> Message {
    let ids = Ids::new(&idforge::Salt::new(SALT).unwrap(), saga_contract::DEFAULT_DOMAIN);
    let mut answer = asked.clone();
    (answer.id, answer.kind) = (ids.event_caused(asked.id, kind), kind.to_owned());
    (answer.causation_id, answer.aggregate_version) = (Some(asked.id), None);
    answer.data["reason"] = json!("not_today");
    answer.for_step(request.step, 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_is_refused_is_undone_and_one_that_may_not_be_is_done_as_soon_as_it_can() {
    let mut shop = open().await;
    for (request, pet) in ALL.iter().zip(1..) {
        let saga = request.bring_about(&mut shop, pet).await;
        if let Asks::BeforePivot(kind) = request.asks {
            let channel = channel(&shop).await;
            let asked = take(&channel, request.queue).await.into_iter().find(|message| message.saga_id == Some(saga));
            let no = refusal(request, &asked.unwrap(), kind);
            assert!(TOPOLOGY.message_type(kind).is_some());
            give(&shop, "saga.inbox", &[no]).await;
            shop.start(request.process).await;
            ends(&shop, request, saga, "rejected").await;
        } else {
            fails(&mut shop, request).await;
            ends(&shop, request, saga, through(request)).await;
        }
    }
    close(shop).await;
}

const FAIL: &str = "
    CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'on purpose'; END $$;
    CREATE TRIGGER fails BEFORE INSERT ON inbox FOR EACH STATEMENT EXECUTE FUNCTION fails()";

/// Lets the participant come back and fail at everything for a while.
async fn fails(shop: &mut Shop, request: &Request) {
    participant(shop, request).batch_execute(FAIL).await.unwrap();
    shop.start(request.process).await;
    let database = participant(shop, request);
    let failed = "SELECT count(*) FROM deferred WHERE reason LIKE 'handling failed%'";
    eventually("it fails and is put off", PATIENCE, async || count(database, failed).await > 0).await;
    database.batch_execute("DROP TRIGGER fails ON inbox; DROP FUNCTION fails()").await.unwrap();
}

/// The participant's database.
fn participant<'a>(shop: &'a Shop, request: &Request) -> &'a Client {
    match request.process {
        "pet-service" => &shop.databases.pets,
        "order-service" => &shop.databases.orders,
        _ => &shop.databases.inventory,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_again_and_again_is_done_once() {
    let mut shop = open().await;
    for (request, pet) in ALL.iter().zip(1..) {
        let saga = request.bring_about(&mut shop, pet).await;
        let asked = take(&channel(&shop).await, request.queue).await;
        let again: Vec<Message> = (0..4).flat_map(|_| asked.clone()).collect();
        give(&shop, request.queue, &again).await;
        shop.start(request.process).await;
        ends(&shop, request, saga, through(request)).await;
        give(&shop, request.queue, &asked).await;
    }
    close(shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_late_is_undone_before_the_pivot_and_waited_for_after_it() {
    let mut shop = open().await;
    for (request, pet) in ALL.iter().zip(1..) {
        let saga = request.bring_about(&mut shop, pet).await;
        make_overdue(&shop, saga).await;
        if let Asks::BeforePivot(_) = request.asks {
            eventually("the saga is undone", PATIENCE, async || phase(&shop, saga).await == "compensating").await;
            // The undo overtakes the request, which comes when all is over.
            let channel = channel(&shop).await;
            let (late, rest): (Vec<Message>, Vec<Message>) =
                take(&channel, request.queue).await.into_iter().partition(|message| message.kind == request.kind);
            assert!(!late.is_empty());
            give(&shop, request.queue, &rest).await;
            shop.start(request.process).await;
            ends(&shop, request, saga, "rejected").await;
            give(&shop, request.queue, &late).await;
        } else {
            let marked = async || needs_intervention(&shop, saga).await;
            eventually("somebody should look", PATIENCE, marked).await;
            shop.start(request.process).await;
            ends(&shop, request, saga, through(request)).await;
        }
    }
    close(shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_timer_or_an_operator_made_a_saga_say_has_an_id_that_is_computed_again() {
    let mut shop = open().await;
    let request = ALL.iter().find(|request| request.step == steps::COMMIT_INVENTORY).unwrap();
    let saga = request.bring_about(&mut shop, 1).await;
    make_overdue(&shop, saga).await;
    eventually("somebody should look", PATIENCE, async || needs_intervention(&shop, saga).await).await;
    told(&shop, &["skip", &saga.to_string(), request.step, "--reason", "by-hand"]).await;
    ends(&shop, request, saga, "completed").await;
    let said = "SELECT count(DISTINCT type) FROM journal WHERE type IN ('SAGA_NEEDS_INTERVENTION', 'SAGA_COMPLETED')";
    assert_eq!(count(&shop.databases.sagas, said).await, 2);
    shop.start(request.process).await;
    // It is told where that one is now.
    shop.stop("saga").await;
    shop.start("saga").await;
    shop.settled().await;
    assert_eq!(told(&shop, &["verify"]).await["disagree"], 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_given_again() {
    let mut shop = open().await;
    for (request, pet) in ALL.iter().zip(1..) {
        let saga = request.bring_about(&mut shop, pet).await;
        shop.stop("saga").await;
        shop.start(request.process).await;
        let (channel, mut kept) = (channel(&shop).await, Vec::new());
        let lost = eventually("the answer was sent", PATIENCE, async || {
            kept.extend(take(&channel, "saga.inbox").await);
            kept.iter().find(|message| message.kind == request.answer && message.saga_id == Some(saga)).cloned()
        })
        .await;
        kept.retain(|message| message.id != lost.id);
        give(&shop, "saga.inbox", &kept).await;
        shop.start("saga").await;
        ends(&shop, request, saga, through(request)).await;
        let heard = "SELECT count(*) FROM inbox WHERE id = $1";
        let heard = shop.databases.sagas.query_one(heard, &[&lost.id]).await.unwrap();
        assert_eq!(heard.get::<_, i64>(0), 1, "the very same answer came again");
    }
    close(shop).await;
}
