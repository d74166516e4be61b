-- A mark names the time of its message.
ALTER TABLE outbox ADD COLUMN time timestamptz;
UPDATE outbox o SET time = j.time FROM journal j WHERE j.day = o.day AND j.id = o.message_id;
-- What is kept in the inbox is found by its day alone; and what was dropped past retention is not found: whoever loads its
-- mark says so, and removes it.
UPDATE outbox SET time = day::timestamp AT TIME ZONE 'UTC' WHERE time IS NULL;
ALTER TABLE outbox ALTER COLUMN time SET NOT NULL, DROP COLUMN day;

-- So the journal's key follows time, as its rows do: an id is a hash, and in a key that began with it each row's entry would
-- go to a page of its own, which is read, written whole into the log after a checkpoint, and written back.
ALTER TABLE journal DROP CONSTRAINT journal_pkey, ADD PRIMARY KEY (day, time, id);
