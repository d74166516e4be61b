//! Migrations, grants and partitions: what the owner's role does.

use std::fmt;

use refinery::{Migration, Runner};
use time::{Date, Duration};
use tokio_postgres::Client;

use super::{Statements, query_opt};
use crate::error::StoreError;

/// The schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A migration failed, or the database's history is another one.
    #[error("migration: {0}")]
    Migration(#[from] refinery::Error),
    /// The database did not do what it was asked to.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is the schema of another version of the program.
    #[error(
        "the database's schema is at {found}, and this program works with {needed}: a process with DATABASE_OWNER_URL \
         brings an older one up to date; for a newer one, run the newer program"
    )]
    OtherVersion {
        /// What is there.
        found: Version,
        /// What is needed.
        needed: Version,
    },
}

/// How far a schema's migrations went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version {
    runtime: i32,
    process: i32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} ({} of the process)", self.runtime, self.process)
    }
}

impl From<tokio_postgres::Error> for SchemaError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(StoreError::Database(error))
    }
}

mod runtime {
    refinery::embed_migrations!("src/migrations");
}

/// One lock for all copies of all versions: copies of a process start at once.
const LOCK: i64 = 0x5A6A_F0A6;
const UNLOCK: &str = "SELECT pg_advisory_unlock($1)";
const PARTITIONED: [&str; 2] = ["journal_entries", "inbox"];
/// Partitions are made this far ahead; a process that runs makes more in time.
const DAYS_AHEAD: i64 = 7;

/// What migrations V5 and V11 emptied. None of the runtime's can drop it: they run before those of the process, whose first
/// may have put an index on it. The journal then is its entries, message by message.
const LEFT_OVER: &str = "
    DROP TABLE IF EXISTS kept;
    DO $$ BEGIN
        IF (SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('journal')) THEN
            DROP TABLE journal;
            CREATE VIEW journal AS
                SELECT e.day, m.id, e.seq + m.n - 1 AS seq, e.time, m.type, m.saga_id, m.body
                FROM journal_entries e
                CROSS JOIN LATERAL unnest(e.ids, e.types, e.saga_ids, e.bodies)
                    WITH ORDINALITY AS m(id, type, saga_id, body, n);
            COMMENT ON VIEW journal IS 'Every message that this process sent, as its bytes';
        END IF;
    END $$";

/// Brings the schema up to date: the runtime's own tables, the process's, partitions and grants.
/// Copies that start together take turns.
///
/// # Errors
/// [`SchemaError`].
pub async fn migrate(
    client: &mut Client,
    process: &Runner,
    application_role: &str,
    today: Date,
    retention: Duration,
) -> Result<(), SchemaError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let done = migrate_locked(client, process, application_role, today, retention).await;
    client.execute(UNLOCK, &[&LOCK]).await?;
    done
}

async fn migrate_locked(
    client: &mut Client,
    process: &Runner,
    application_role: &str,
    today: Date,
    retention: Duration,
) -> Result<(), SchemaError> {
    runtime::migrations::runner().set_migration_table_name("runtime_migrations").run_async(client).await?;
    let mut own = Runner::new(process.get_migrations());
    own.set_migration_table_name("process_migrations").run_async(client).await?;
    client.batch_execute(LEFT_OVER).await?;
    if let Err(error) = make_ahead(client, today, retention).await {
        if !has_today(client, today).await? {
            return Err(error.into());
        }
        tracing::warn!(%error, "the partitions of days to come are made later");
    }
    grant(client, application_role).await?;
    Ok(())
}

const VERSION: &str = "
    SELECT (SELECT coalesce(max(version), 0) FROM runtime_migrations),
           (SELECT coalesce(max(version), 0) FROM process_migrations)";

/// Checks that the schema is the one that this program works with.
///
/// # Errors
/// [`SchemaError::OtherVersion`]; or the database's own, when there is no schema yet.
pub(crate) async fn check_version(on: &impl Statements, process: &Runner) -> Result<(), SchemaError> {
    let last = |runner: &Runner| runner.get_migrations().iter().map(Migration::version).max().unwrap_or(0);
    let needed = Version { runtime: last(&runtime::migrations::runner()), process: last(process) };
    let found = query_opt(on, VERSION, &[]).await?;
    let found = found.map(|row| Version { runtime: row.get(0), process: row.get(1) }).unwrap_or_default();
    if found == needed { Ok(()) } else { Err(SchemaError::OtherVersion { found, needed }) }
}

/// Makes the partitions that are needed from now on, and drops those that nothing can ask for any
/// more. The inbox lives a day longer than anything that can be replayed. What cannot be made or dropped keeps none of
/// the others from it. Nobody who reads or writes waits for it; of copies that come at once, one does it.
///
/// # Errors
/// The first [`StoreError`].
pub async fn partitions(client: &Client, today: Date, retention: Duration) -> Result<(), StoreError> {
    // Whoever waited for the lock would hold a snapshot, and the one who has it may be waiting until there is none older.
    if !client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await?.get::<_, bool>(0) {
        return Ok(());
    }
    let made = make_ahead(client, today, retention).await;
    let outcome = made.and(drop_old(client, today, retention).await);
    client.execute(UNLOCK, &[&LOCK]).await?;
    outcome
}

/// What is waited for holds up nobody meanwhile; but a reader may go on for hours, and there is another time.
async fn wait_for_a_while(client: &Client) -> Result<(), StoreError> {
    Ok(client.batch_execute("SET lock_timeout = '1min'").await?)
}

/// The days to come.
pub(crate) async fn make_ahead(client: &Client, today: Date, retention: Duration) -> Result<(), StoreError> {
    wait_for_a_while(client).await?;
    let mut outcome = Ok(());
    for table in PARTITIONED {
        outcome = outcome.and(make_ahead_in(client, table, today, retention).await);
    }
    outcome
}

async fn make_ahead_in(client: &Client, table: &str, today: Date, retention: Duration) -> Result<(), StoreError> {
    let mut day = match made_until(client, table).await? {
        Some(day) => day,
        None => {
            // What a client may still send with a time of the past, in one.
            create(client, table, oldest(today, retention), today).await?;
            today
        }
    };
    while day < today + Duration::days(DAYS_AHEAD) {
        create(client, table, day, day + Duration::days(1)).await?;
        day += Duration::days(1);
    }
    client.query(OPEN_FIRST_RANGES, &[&table]).await?;
    Ok(())
}

/// The day before which every day has a partition; `None` where there is none yet.
async fn made_until(client: &Client, table: &str) -> Result<Option<Date>, StoreError> {
    Ok(days_of(client, table).await?.into_iter().map(|(_, until)| until).max())
}

/// Whether what happens today has a place in each table.
async fn has_today(client: &Client, today: Date) -> Result<bool, StoreError> {
    for table in PARTITIONED {
        if made_until(client, table).await?.is_none_or(|until| until <= today) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The days that are past retention. A partition leaves its table first, for which nobody has to wait: that waits itself until
/// nobody uses it any more. Where it was interrupted in it, it is finished before the next one can leave.
async fn drop_old(client: &Client, today: Date, retention: Duration) -> Result<(), StoreError> {
    let mut outcome = Ok(());
    for table in PARTITIONED {
        for name in names(client, LEAVING, table).await? {
            outcome = outcome.and(detach(client, table, &name, "FINALIZE").await);
        }
        for (name, until) in
            days_of(client, table).await?.iter().filter(|(_, until)| *until <= oldest(today, retention))
        {
            tracing::info!(partition = name, %until, "dropping a partition that is past retention");
            outcome = outcome.and(detach(client, table, name, "CONCURRENTLY").await);
        }
        for name in names(client, LEFT, table).await? {
            let dropped = client.batch_execute(&format!("DROP TABLE IF EXISTS {name}")).await;
            outcome = outcome.and(dropped.map_err(StoreError::from));
        }
    }
    outcome
}

async fn detach(client: &Client, table: &str, name: &str, how: &str) -> Result<(), StoreError> {
    Ok(client.batch_execute(&format!("ALTER TABLE {table} DETACH PARTITION {name} {how}")).await?)
}

const LEAVING: &str = "
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass AND inhdetachpending";

const LEFT: &str = "
    SELECT c.oid::regclass::text FROM pg_class c
    JOIN pg_class t ON t.oid = $1::text::regclass AND t.relnamespace = c.relnamespace
    WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relname ~ ('^' || $1::text || '_[0-9]{8}$')";

async fn names(client: &Client, which: &str, table: &str) -> Result<Vec<String>, StoreError> {
    Ok(client.query(which, &[&table]).await?.iter().map(|row| row.get(0)).collect())
}

/// The first day of which anything is kept.
fn oldest(today: Date, retention: Duration) -> Date {
    today - retention - Duration::days(2)
}

async fn create(client: &Client, table: &str, from: Date, until: Date) -> Result<(), StoreError> {
    let name = format!("{table}_{}", from.to_string().replace('-', ""));
    let statistics = client.query_one(STATISTICS_OF, &[&table]).await?.get::<_, Option<String>>(0);
    let statistics = statistics.map(|columns| format!("ALTER TABLE {name} {columns};")).unwrap_or_default();
    // Made as a part of its table, it would lock all of it; one that is attached does not. Both or neither: sent together, they
    // are one transaction.
    let sql = format!(
        "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION);
         {statistics}
         ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{until}')"
    );
    Ok(client.batch_execute(&sql).await?)
}

/// What of a table's columns ANALYZE looks at, where that is not as the server has it: a new table does not take it over.
const STATISTICS_OF: &str = "
    SELECT string_agg(format('ALTER %I SET STATISTICS %s', attname, attstattarget), ', ')
    FROM pg_attribute
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0";

// An index over ranges of pages that is made while there are none takes the first range down as empty: each row that is put
// there would have to be added to it, and writes all of its filter anew.
const OPEN_FIRST_RANGES: &str = "
    SELECT brin_desummarize_range(x.indexrelid::regclass, 0)
    FROM pg_inherits p
    JOIN pg_index x ON x.indrelid = p.inhrelid
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_am a ON a.oid = i.relam AND a.amname = 'brin'
    WHERE p.inhparent = $1::text::regclass AND pg_relation_size(p.inhrelid) = 0";

const PARTITIONS_OF: &str = "
    SELECT c.relname::text, (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([0-9-]+)''\\)'))[1]::date
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = $1::text::regclass";

async fn days_of(client: &Client, table: &str) -> Result<Vec<(String, Date)>, StoreError> {
    let rows = client.query(PARTITIONS_OF, &[&table]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The application's role reads and writes everything but the journal and the audit, which it only adds to.
async fn grant(client: &Client, role: &str) -> Result<(), StoreError> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let sql = format!(
        "GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
         REVOKE UPDATE, DELETE ON journal_entries, audit FROM {role};
         REVOKE INSERT, UPDATE, DELETE ON journal FROM {role};
         REVOKE INSERT, UPDATE, DELETE ON runtime_migrations, process_migrations FROM {role};"
    );
    client.batch_execute(&sql).await?;
    revoke_on_partitions(client, &role).await
}

/// Rights on a partition count for whoever names it; rights on the table count for all others.
async fn revoke_on_partitions(client: &Client, role: &str) -> Result<(), StoreError> {
    for table in PARTITIONED {
        for (partition, _) in days_of(client, table).await? {
            client.batch_execute(&format!("REVOKE ALL ON {partition} FROM {role}")).await?;
        }
    }
    Ok(())
}

/// The set of migrations of a process that has none.
#[must_use]
pub fn no_migrations() -> Runner {
    Runner::new(&Vec::<Migration>::new())
}
