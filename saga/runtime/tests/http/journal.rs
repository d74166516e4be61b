//! The journal: rows of what transactions sent, read message by message.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use saga_core::{Message, Time};
use saga_runtime::{Outgoing, Output, StoreError, clock};
use serde_json::Value;
use uuid::Uuid;

use crate::failures::note;
use crate::process::Running;

const SAGA: Uuid = Uuid::from_u128(0x5A6A);
const QUEUE: &str = "kept";

/// Notes of one time, every tenth of one saga.
fn notes(range: std::ops::Range<u128>, time: Time) -> Vec<Message> {
    let of_one_time = |n| {
        let mut message = note(n, &format!("note {n}"));
        (message.time, message.saga_id) = (time, (n % 10 == 0).then_some(SAGA));
        message
    };
    range.map(of_one_time).collect()
}

/// Sends messages in one transaction, into a queue from which nobody takes them.
async fn send(desk: &Running, messages: Vec<Message>) {
    let into_queue = |message| Outgoing { message, queue: Some(QUEUE.to_owned()) };
    let output = Output { send: messages.into_iter().map(into_queue).collect(), ..Output::default() };
    desk.writer.transact::<_, StoreError>(async |_| Ok(((), output))).await.unwrap();
}

/// The subjects on all pages of the journal, and how many pages there were.
async fn read(desk: &Running, query: &str) -> (Vec<String>, usize) {
    let (mut after, mut subjects, mut pages) = (Value::from(0), Vec::new(), 0);
    while !after.is_null() {
        let (status, page) = desk.get(&format!("/admin/journal?{query}&after_seq={after}")).await;
        assert_eq!(status, 200, "{page}");
        let sent = page["messages"].as_array().unwrap().iter();
        subjects.extend(sent.map(|m| Message::parse(m["body"].as_str().unwrap().as_bytes()).unwrap().subject));
        (after, pages) = (page["next"].clone(), pages + 1);
    }
    (subjects, pages)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_transaction_sent_is_read_message_by_message_wherever_a_page_ends() {
    let desk = Running::start().await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    desk.channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await.unwrap();
    let (earlier, now) = (clock::now() - time::Duration::SECOND, clock::now());
    send(&desk, notes(0..1, earlier)).await;
    send(&desk, [notes(1..3, earlier), notes(3..143, now)].concat()).await;
    send(&desk, notes(143..145, now)).await;
    let names = |notes: &mut dyn Iterator<Item = u128>| notes.map(|n| format!("note {n}")).collect::<Vec<_>>();

    let rows = "SELECT cardinality(ids)::int8 FROM journal_entries ORDER BY seq";
    let client = desk.database.connect().await;
    let rows: Vec<i64> = client.query(rows, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, [1, 2, 64, 64, 12, 2]);
    for (limit, pages) in [(1, 146), (7, 21), (64, 3), (1000, 1)] {
        assert_eq!(read(&desk, &format!("limit={limit}")).await, (names(&mut (0..145)), pages), "{limit}");
        let of_saga = read(&desk, &format!("limit={limit}&saga={SAGA}")).await.0;
        assert_eq!(of_saga, names(&mut (0..145).step_by(10)), "{limit}");
    }
    let (_, page) = desk.get("/admin/journal?after_seq=2&limit=1").await;
    let place = page["messages"][0]["seq"].as_i64().unwrap();
    let window = format!("after_seq={}&until_seq={}", place + 70, place + 75);
    let (_, page) = desk.get(&format!("/admin/journal?{window}")).await;
    let places: Vec<i64> = page["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_i64().unwrap()).collect();
    assert_eq!(places, (place + 71..=place + 75).collect::<Vec<_>>(), "a window within a row");
    let (_, extent) = desk.get("/admin/journal/extent").await;
    let (_, last) = desk.get("/admin/journal?limit=1000").await;
    let last = last["messages"].as_array().unwrap().last().unwrap()["seq"].clone();
    assert_eq!((&extent["messages"], &extent["last_seq"]), (&Value::from(145), &last));
    desk.stop().await;
}

/// What an older version left: a row for each message, each at the next place.
const BEFORE: &str = "
    INSERT INTO journal_entries (day, time, seq, ids, types, saga_ids, bodies) OVERRIDING SYSTEM VALUE
    SELECT current_date, now(), n, ARRAY[gen_random_uuid()], '{NOTE}', '{NULL}', ARRAY[convert_to('note ' || n, 'UTF8')]
    FROM generate_series(1, 1500) AS n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_messages_that_had_rows_of_their_own_no_page_leaves_one_out() {
    let desk = Running::start().await;
    desk.database.connect().await.batch_execute(BEFORE).await.unwrap();
    for limit in [7, 63, 64, 65, 1000] {
        let (mut after, mut places) = (Value::from(0), Vec::new());
        while !after.is_null() {
            let (_, page) = desk.get(&format!("/admin/journal?limit={limit}&after_seq={after}")).await;
            places.extend(page["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_i64().unwrap()));
            after = page["next"].clone();
        }
        assert_eq!(places, (1..=1500).collect::<Vec<_>>(), "{limit}");
    }
    let (status, least) = desk.get(&format!("/admin/journal?limit=1&after_seq={}", i64::MIN)).await;
    assert_eq!((status, &least["messages"][0]["seq"]), (200, &Value::from(1)));
    desk.stop().await;
}
