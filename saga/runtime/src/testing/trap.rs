//! Reads that take as long as a test wants.

/// How many sessions wait in the trap of this database.
pub const TRAPPED: &str = "
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()";

/// Lets go who is in the trap, in the session that set it.
pub const RELEASE: &str = "SELECT pg_advisory_unlock(7)";

/// SQL for the table's owner: whoever else reads a row that is not `free` waits until the session lets them go. Rows that are
/// found by their key are found without looking at the others.
#[must_use]
pub fn trap(table: &str, free: &str) -> String {
    format!(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY trap ON {table}
             USING ({free} OR pg_advisory_xact_lock_shared(7) IS NOT NULL) WITH CHECK (true);
         SELECT pg_advisory_lock(7)"
    )
}
