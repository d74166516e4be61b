//! Marks of the outbox: what they stand for, and what becomes of them.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use saga_core::Message;
use saga_runtime::testing::{Servers, eventually};
use saga_runtime::{Again, Outgoing, Output, StoreError, Writer};
use tokio_postgres::Client;

use crate::failures::{note, process};
use crate::process::{Running, SOON};

/// Sends these messages straight into queues, and these again.
async fn send(writer: &Writer, send: &[(Message, &str)], again: &[(Message, &str)]) {
    let send = send.iter().map(|(message, queue)| (message.clone(), Some((*queue).to_owned())));
    let send = send.map(|(message, queue)| Outgoing { message, queue }).collect();
    let again = again.iter().map(|(message, queue)| (message.reference(), Some((*queue).to_owned())));
    let resend = again.map(|(message, queue)| Again { message, queue }).collect();
    let output = Output { send, resend, ..Output::default() };
    writer.transact::<_, StoreError>(async |_| Ok(((), output))).await.unwrap();
}

/// The subjects of what each mark stands for, and where they go.
async fn marked(client: &Client) -> Vec<Vec<String>> {
    let sql = "
        SELECT array_agg(convert_from(j.body, 'UTF8')::json ->> 'subject' || ' ' || m.queue ORDER BY m.n)
        FROM outbox o CROSS JOIN unnest(o.times, o.message_ids, o.queues) WITH ORDINALITY AS m(time, id, queue, n)
        JOIN journal j ON j.time = m.time AND j.id = m.id GROUP BY o.id ORDER BY o.id";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

fn notes(range: std::ops::Range<u128>) -> Vec<Message> {
    range.map(|n| note(n, &format!("note {n}"))).collect()
}

#[tokio::test]
async fn a_mark_stands_for_what_a_transaction_sends_in_order_and_not_for_too_much() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    // Never served: what it has to send stays in its outbox.
    let process = process(&servers, &database);
    let client = database.migrate(&saga_runtime::store::no_migrations()).await;
    let (new, old) = (notes(0..130), notes(200..202));
    let to = |notes: &[Message], queue: &'static str| -> Vec<(Message, &str)> {
        notes.iter().map(|note| (note.clone(), queue)).collect()
    };
    send(&process.writer(), &to(&old, "a"), &[]).await;
    send(&process.writer(), &to(&new, "b"), &to(&old, "c")).await;
    let names = |range: std::ops::Range<u128>, queue: &str| -> Vec<String> {
        range.map(|n| format!("note {n} {queue}")).collect()
    };
    let expected =
        [names(200..202, "a"), names(0..64, "b"), names(64..128, "b"), names(128..130, "b"), names(200..202, "c")];
    assert_eq!(marked(&client).await, expected);
}

/// A process that sends notes into two queues, of which one is missing.
struct Desk {
    running: Running,
    client: Client,
}

impl Desk {
    async fn open() -> Self {
        let running = Running::start().await;
        let client = running.database.connect().await;
        let desk = Self { running, client };
        desk.declare("there").await;
        desk
    }

    async fn declare(&self, queue: &str) {
        let (options, none) = (QueueDeclareOptions { durable: true, ..Default::default() }, FieldTable::default());
        self.running.channel.queue_declare(queue.into(), options, none).await.unwrap();
    }

    /// How many AMQP messages wait in a queue.
    async fn waiting(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        self.running.channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap().message_count()
    }

    /// A figure of the process's.
    async fn metric(&self, name: &str) -> Option<i64> {
        let (_, page) = self.running.get("/metrics").await;
        page.as_str()?.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Sends three notes, of which the second finds no queue, and waits until the others are there, in one AMQP message.
    async fn send_one_too_many(&self) {
        let [first, second, third] = &notes(0..3)[..] else { panic!("three notes") };
        let send_these = [(first.clone(), "there"), (second.clone(), "missing"), (third.clone(), "there")];
        send(&self.running.writer, &send_these, &[]).await;
        eventually("the others are published", SOON, async || self.waiting("there").await == 1).await;
    }

    /// The missing queue is there, the ten seconds are over; waits until nothing is left to publish.
    async fn mend(&self) {
        self.declare("missing").await;
        let over = "UPDATE outbox SET claimed_at = claimed_at - interval '1 hour'";
        eventually("all is published", SOON, async || {
            self.client.execute(over, &[]).await.unwrap();
            marked(&self.client).await.is_empty()
        })
        .await;
        assert!(self.waiting("missing").await >= 1);
    }

    async fn close(self) {
        self.running.stop().await;
    }
}

#[tokio::test]
async fn what_no_queue_takes_stays_marked_and_the_rest_does_not_go_out_again_with_it() {
    let desk = Desk::open().await;
    desk.send_one_too_many().await;
    let left = [["note 1 missing"]];
    eventually("only that one is marked", SOON, async || marked(&desk.client).await == left).await;
    desk.mend().await;
    assert_eq!(desk.waiting("there").await, 1);
    desk.close().await;
}

#[tokio::test]
async fn a_sweep_takes_marks_until_they_stand_for_a_thousand_messages_and_all_are_counted() {
    const MARKS: i64 = 17;
    let desk = Desk::open().await;
    let notes: Vec<(Message, &str)> = notes(0..64 * 17).into_iter().map(|note| (note, "missing")).collect();
    send(&desk.running.writer, &notes, &[]).await;
    eventually("none is published", SOON, async || desk.metric("relay_returned_total").await >= Some(64 * MARKS)).await;
    desk.client.execute("UPDATE outbox SET claimed_at = claimed_at - interval '1 hour'", &[]).await.unwrap();
    let taken = async || {
        let sql = "
            SELECT array_agg(marks ORDER BY claimed_at) FROM (
                SELECT claimed_at, count(*) AS marks FROM outbox WHERE claimed_at > now() - interval '30 minutes'
                GROUP BY claimed_at) AS sweeps";
        desk.client.query_one(sql, &[]).await.unwrap().get::<_, Option<Vec<i64>>>(0) == Some(vec![16, 1])
    };
    eventually("two sweeps take them", SOON, taken).await;
    eventually("they are counted", SOON, async || desk.metric("outbox_unpublished").await == Some(64 * MARKS)).await;
    desk.close().await;
}

#[tokio::test]
async fn a_mark_that_somebody_else_narrowed_loses_nothing_by_it() {
    let desk = Desk::open().await;
    // As a copy does that took it over: the first one is gone from it, and the others move up. No sweep takes it meanwhile.
    let sql = "
        CREATE FUNCTION narrow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.times := NEW.times[2:]; NEW.message_ids := NEW.message_ids[2:]; NEW.queues := NEW.queues[2:];
            NEW.claimed_at := now() + interval '1 hour';
            RETURN NEW;
        END $$;
        CREATE TRIGGER narrow BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION narrow()";
    desk.client.batch_execute(sql).await.unwrap();
    desk.send_one_too_many().await;
    // Whatever else is published is dealt with behind it.
    desk.client.batch_execute("DROP TRIGGER narrow ON outbox").await.unwrap();
    send(&desk.running.writer, &[(note(9, "the next"), "there")], &[]).await;
    let left = [["note 1 missing", "note 2 there"]];
    eventually("the next one's mark is gone", SOON, async || marked(&desk.client).await == left).await;
    desk.mend().await;
    desk.close().await;
}
