-- The journal's key follows time, as its rows do: an id is a hash, and in a key that began with it each row's entry would
-- go to a page of its own, which is read, written whole into the log after a checkpoint, and written back.
ALTER TABLE journal DROP CONSTRAINT journal_pkey, ADD PRIMARY KEY (day, time, id);

-- So a mark names the time of its message.
ALTER TABLE outbox ADD COLUMN time timestamptz;
UPDATE outbox o SET time = j.time FROM journal j WHERE j.day = o.day AND j.id = o.message_id;
UPDATE outbox o SET time = (convert_from(i.body, 'UTF8')::json ->> 'time')::timestamptz
FROM inbox i WHERE o.time IS NULL AND i.day = o.day AND i.id = o.message_id AND i.body IS NOT NULL;
-- What was dropped past retention: whoever loads the mark finds nothing, says so, and removes it.
UPDATE outbox SET time = day::timestamp AT TIME ZONE 'UTC' WHERE time IS NULL;
ALTER TABLE outbox ALTER COLUMN time SET NOT NULL, DROP COLUMN day;
