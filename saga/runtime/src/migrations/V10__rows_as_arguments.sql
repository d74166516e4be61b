-- What a transaction notes down travels as arrays of rows. An array for each column costs more: its elements are taken
-- apart and put together again one by one. They are types of their own, so that a column more is no change to them; what
-- else is to be written one day takes a new type, as programs know these by all of their attributes.

CREATE TYPE inbox_row AS (
    day date, id uuid, hash bytea, type text, saga_id uuid, note text, answers uuid[], answered_at timestamptz, body bytea);
COMMENT ON TYPE inbox_row IS 'What is noted down of a message that was handled';
CREATE TYPE journal_row AS (day date, id uuid, time timestamptz, type text, saga_id uuid, body bytea);
COMMENT ON TYPE journal_row IS 'What is noted down of a message that is sent';
CREATE TYPE outbox_row AS (times timestamptz[], message_ids uuid[], queues text[]);
COMMENT ON TYPE outbox_row IS 'A mark of messages that are to be published';
