-- What a transaction notes down travels as arrays of rows. An array for each column costs more: its elements are taken
-- apart and put together again one by one. They are types of their own, so that a column more is no change to them.

CREATE TYPE received AS (
    day date, id uuid, hash bytea, type text, saga_id uuid, note text, answers uuid[], answered_at timestamptz, body bytea);
COMMENT ON TYPE received IS 'A row for the inbox';
CREATE TYPE sent AS (day date, id uuid, time timestamptz, type text, saga_id uuid, body bytea);
COMMENT ON TYPE sent IS 'A row for the journal';
CREATE TYPE to_publish AS (times timestamptz[], message_ids uuid[], queues text[]);
COMMENT ON TYPE to_publish IS 'A row for the outbox';
