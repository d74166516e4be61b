//! The inbox knows a message by id and day. The same message with another day's time is stopped by
//! what is behind the inbox: effects, the states of steps, the versions of aggregates.

use std::collections::BTreeMap;

use saga_core::Message;
use saga_runtime::testing::eventually;
use saga_trials::replayed::{Stored, digest, messages_of, publish, shuffle};
use time::{Date, Duration};

use crate::shop::{PATIENCE, Settings, Shop, order};

/// Every row but those that say which messages came and went: a late request is refused once more.
async fn state(shop: &Shop) -> Vec<BTreeMap<String, String>> {
    let mut all = Vec::new();
    for client in shop.databases.each() {
        let mut tables = digest(client).await.unwrap();
        tables.retain(|table, _| !["inbox", "journal_entries", "parked"].contains(&table.as_str()));
        all.push(tables);
    }
    all
}

/// How many messages from before that day were dealt with, one way or another.
async fn met(shop: &Shop, day: Date) -> i64 {
    const MET: &str = "
        SELECT (SELECT count(*) FROM inbox WHERE day < $1::text::date)
             + (SELECT count(*) FROM parked WHERE (convert_from(body, 'UTF8')::json ->> 'time')::timestamptz < $1::text::date)";
    let day = day.to_string();
    let mut all = 0;
    for client in shop.databases.each() {
        all += client.query_one(MET, &[&day]).await.unwrap().get::<_, i64>(0);
    }
    all
}

/// Why messages were set aside.
async fn parked(shop: &Shop) -> Vec<String> {
    let mut all = Vec::new();
    for client in shop.databases.each() {
        let rows = client.query("SELECT DISTINCT reason FROM parked", &[]).await.unwrap();
        all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_of_finished_sagas_under_another_day_has_no_effect() {
    let today = saga_runtime::clock::now().date();
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    shop.add_pet(2, 1000).await;
    shop.set_stock("FOOD", 5).await;
    let done = shop.place("done", &order(1, "ada", &[("FOOD", 2)])).await;
    let undone = shop.place("undone", &order(2, "bob", &[("FOOD", 900)])).await;
    assert_eq!((done.status.as_u16(), undone.status.as_u16()), (200, 422), "{done:?} {undone:?}");
    shop.settled().await;
    let mut again = Vec::new();
    for saga in [done.text("sagaId"), undone.text("sagaId")] {
        for stored in messages_of(&shop.databases, saga.parse().unwrap()).await.unwrap() {
            let mut message = Message::parse(&stored.body).unwrap();
            // Two: of those that are sent after midnight, one day less is today still.
            message.time -= Duration::DAY * 2;
            again.push(Stored { body: message.to_bytes(), ..stored });
        }
    }
    shuffle(&mut again, 11);
    let before = state(&shop).await;
    assert_eq!(met(&shop, today).await, 0);
    publish(shop.servers.amqp_url(), &again.iter().collect::<Vec<_>>()).await.unwrap();
    let expected = i64::try_from(again.iter().map(|stored| stored.takers).sum::<usize>()).unwrap();
    assert!(expected >= 20, "{expected}");
    eventually("all of it is met", PATIENCE, async || met(&shop, today).await == expected).await;
    shop.settled().await;
    assert_eq!(
        parked(&shop).await,
        Vec::<String>::new(),
        "nothing is wrong with them, even where they meet in one batch"
    );
    assert_eq!(state(&shop).await, before, "nothing was done or undone");
    shop.close().await;
}
