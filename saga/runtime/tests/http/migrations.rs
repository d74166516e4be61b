//! Rows of an older version are still there after the migrations.

use refinery::Target;
use saga_runtime::store::no_migrations;
use saga_runtime::testing::{Database, Servers};
use tokio_postgres::{Client, Row};

mod all {
    refinery::embed_migrations!("src/migrations");
}

/// A day that left its journal and was not dropped. One message that was sent and one that was kept, each with a mark; a mark
/// whose message is gone; and one message that was handled and not kept.
const OLD: &str = r#"
    CREATE TABLE journal_20251231 (LIKE journal);
    CREATE TABLE journal_old PARTITION OF journal FOR VALUES FROM ('2026-01-01') TO (current_date + 1);
    CREATE TABLE inbox_old PARTITION OF inbox FOR VALUES FROM ('2026-01-01') TO (current_date + 1);
    CREATE TABLE kept_old PARTITION OF kept FOR VALUES FROM ('2026-01-01') TO (current_date + 1);
    INSERT INTO journal (day, id, time, type, body) VALUES
        ('2026-01-01', '00000000-0000-0000-0000-000000000001', '2026-01-01T23:59:59.123456Z', 'SENT', 'bytes');
    INSERT INTO inbox (consumer, day, id, hash, type, received_at) VALUES
        ('desk', '2026-01-02', '00000000-0000-0000-0000-000000000002', sha256('kept'), 'KEPT', '2026-01-02T08:00:00Z'),
        ('desk', '2026-01-02', '00000000-0000-0000-0000-000000000003', sha256('handled'), 'HANDLED', '2026-01-02T08:00:00Z');
    INSERT INTO kept (day, id, body) VALUES
        ('2026-01-02', '00000000-0000-0000-0000-000000000002', '{"time":"2026-01-02T07:59:59.5+00:00"}');
    INSERT INTO outbox (day, message_id, queue) VALUES
        ('2026-01-01', '00000000-0000-0000-0000-000000000001', NULL),
        ('2026-01-02', '00000000-0000-0000-0000-000000000002', 'desk'),
        ('2026-01-02', '00000000-0000-0000-0000-000000000004', NULL);"#;

/// A database of version 4 with these rows, after the migrations; it is gone when the first is dropped.
async fn migrated(servers: &Servers) -> (Database, Client) {
    let database = servers.database("desk").await;
    let mut owner = database.connect().await;
    let mut runner = all::migrations::runner().set_target(Target::Version(4));
    runner.set_migration_table_name("runtime_migrations").run_async(&mut owner).await.unwrap();
    owner.batch_execute(OLD).await.unwrap();
    let owner = database.migrate(&no_migrations()).await;
    (database, owner)
}

#[tokio::test]
async fn what_was_sent_kept_and_marked_is_there_after_the_migrations() {
    let servers = Servers::claim().await;
    let (_database, owner) = migrated(&servers).await;

    let inbox = "SELECT id::text, convert_from(body, 'UTF8') FROM inbox ORDER BY id";
    let inbox: Vec<(String, Option<String>)> =
        owner.query(inbox, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let bodies: Vec<Option<&str>> = inbox.iter().map(|(_, body)| body.as_deref()).collect();
    assert_eq!(bodies, [Some(r#"{"time":"2026-01-02T07:59:59.5+00:00"}"#), None]);
    let outbox = "
        SELECT right(m.id::text, 1) || ' ' || coalesce(m.queue, 'routed') || ' '
               || to_char(m.time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
        FROM outbox CROSS JOIN unnest(times, message_ids, queues) AS m(time, id, queue) ORDER BY m.id";
    let marks: Vec<String> = owner.query(outbox, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let expected = [
        "1 routed 2026-01-01 23:59:59.123456",
        "2 desk 2026-01-02 00:00:00.000000",
        "4 routed 2026-01-02 00:00:00.000000",
    ];
    assert_eq!(marks, expected);
    let journal = "SELECT convert_from(body, 'UTF8') FROM journal WHERE day = '2026-01-01' AND time = '2026-01-01T23:59:59.123456Z'";
    assert_eq!(owner.query_one(journal, &[]).await.unwrap().get::<_, &str>(0), "bytes");
    let key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'journal_entries_pkey'";
    assert_eq!(owner.query_one(key, &[]).await.unwrap().get::<_, &str>(0), "PRIMARY KEY (day, \"time\", seq)");
    let left = owner.query_one("SELECT to_regclass('journal_entries_20251231') IS NOT NULL", &[]).await.unwrap();
    assert!(left.get::<_, bool>(0), "it is dropped under the name that is looked for");
    let places = "SELECT array_agg(seq ORDER BY seq), nextval('journal_entries_seq_seq') FROM journal";
    let places = owner.query_one(places, &[]).await.unwrap();
    assert_eq!((places.get::<_, Vec<i64>>(0), places.get::<_, i64>(1)), (vec![1], 65), "each where it was");
    let kept = owner.query_one("SELECT to_regclass('kept') IS NULL", &[]).await.unwrap();
    assert!(kept.get::<_, bool>(0), "what it held is in the inbox");
}

#[tokio::test]
async fn autovacuum_looks_at_the_same_columns_of_every_day() {
    let servers = Servers::claim().await;
    let (_database, owner) = migrated(&servers).await;
    let of_days = "
        SELECT c.attname::text || ' of ' || p.inhrelid::regclass::text, t.attstattarget::int4, c.attstattarget::int4
        FROM pg_inherits p
        JOIN pg_attribute t ON t.attrelid = p.inhparent AND t.attnum > 0 AND NOT t.attisdropped
        JOIN pg_attribute c ON c.attrelid = p.inhrelid AND c.attname = t.attname
        WHERE p.inhparent IN ('journal_entries'::regclass, 'inbox'::regclass)";
    let columns = owner.query(of_days, &[]).await.unwrap();
    let column = |row: &Row| -> (String, Option<i32>, Option<i32>) { (row.get(0), row.get(1), row.get(2)) };
    let columns: Vec<_> = columns.iter().map(column).collect();
    for (name, of_table, of_day) in &columns {
        assert_eq!(of_table, of_day, "{name}");
    }
    for day in ["journal_entries_old".to_owned(), format!("journal_entries_{}", tomorrow())] {
        assert!(columns.contains(&(format!("bodies of {day}"), Some(0), Some(0))), "{day}: bodies are not unpacked");
        assert!(columns.contains(&(format!("time of {day}"), Some(10), Some(10))), "{day}: times are searched by");
    }
}

fn tomorrow() -> String {
    (saga_runtime::clock::now().date() + time::Duration::days(1)).to_string().replace('-', "")
}
