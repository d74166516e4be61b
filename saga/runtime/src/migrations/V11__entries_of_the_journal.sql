-- What one transaction sends is one row of the journal: rows and index entries of their own cost more than the messages. It
-- also makes a long value of many short ones that are alike, which shrinks to less than half.
CREATE TABLE journal_entries (
    day date NOT NULL,
    time timestamptz NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY (INCREMENT BY 64),
    ids uuid[] NOT NULL,
    types text[] NOT NULL,
    saga_ids uuid[] NOT NULL,
    bodies bytea[] NOT NULL,
    PRIMARY KEY (day, time, seq),
    CHECK (cardinality(ids) BETWEEN 1 AND 64 AND cardinality(types) = cardinality(ids)
           AND cardinality(saga_ids) = cardinality(ids) AND cardinality(bodies) = cardinality(ids))
) PARTITION BY RANGE (day);
COMMENT ON TABLE journal_entries IS 'What each transaction of this process sent, up to 64 messages of one time in a row; never changed';
COMMENT ON COLUMN journal_entries.seq IS 'The place of the first of its messages; the others have the next ones';
CREATE INDEX journal_entries_seq ON journal_entries USING brin (seq) WITH (pages_per_range = 256, autosummarize = on);

-- Whoever looks for a saga reads all but the bodies.
ALTER TABLE journal_entries
    ALTER ids SET STORAGE PLAIN, ALTER saga_ids SET STORAGE PLAIN, ALTER types SET STORAGE MAIN;
DO $$ BEGIN
    ALTER TABLE journal_entries ALTER types SET COMPRESSION lz4, ALTER bodies SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'this server was built without LZ4: the journal takes the slower PGLZ';
END $$;

-- Messages that were sent before have an entry each, and the places that they had. Nobody adds one meanwhile. A day that left the
-- table before, and could not be dropped, is dropped under its new name.
LOCK TABLE journal IN EXCLUSIVE MODE;
DO $$
DECLARE
    old record;
BEGIN
    FOR old IN
        SELECT replace(c.relname, 'journal', 'journal_entries') AS entries, pg_get_expr(c.relpartbound, c.oid) AS bounds
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'journal'::regclass
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF journal_entries %s', old.entries, old.bounds);
    END LOOP;
    FOR old IN
        SELECT c.oid::regclass AS name, replace(c.relname, 'journal', 'journal_entries') AS entries
        FROM pg_class c JOIN pg_class j ON j.oid = 'journal'::regclass AND j.relnamespace = c.relnamespace
        WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relname ~ '^journal_[0-9]{8}$'
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME TO %I', old.name, old.entries);
    END LOOP;
END $$;
INSERT INTO journal_entries (day, time, seq, ids, types, saga_ids, bodies) OVERRIDING SYSTEM VALUE
SELECT day, time, seq, ARRAY[id], ARRAY[type], ARRAY[saga_id], ARRAY[body] FROM journal;
SELECT setval('journal_entries_seq_seq', last_value, is_called) FROM journal_seq_seq;
TRUNCATE journal;

DROP TYPE journal_row;
CREATE TYPE journal_entry AS (day date, time timestamptz, ids uuid[], types text[], saga_ids uuid[], bodies bytea[]);
COMMENT ON TYPE journal_entry IS 'What is noted down of messages that are sent';
