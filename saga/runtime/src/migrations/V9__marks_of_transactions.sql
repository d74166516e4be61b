-- A mark stands for what one transaction sends: a row and an index entry for each message cost more than the message.
ALTER TABLE outbox ADD COLUMN times timestamptz[], ADD COLUMN message_ids uuid[], ADD COLUMN queues text[];
UPDATE outbox SET times = ARRAY[time], message_ids = ARRAY[message_id], queues = CASE WHEN queue IS NOT NULL THEN ARRAY[queue] END;
ALTER TABLE outbox ALTER COLUMN times SET NOT NULL, ALTER COLUMN message_ids SET NOT NULL,
    DROP COLUMN time, DROP COLUMN message_id, DROP COLUMN queue;
COMMENT ON TABLE outbox IS 'Marks of the messages that are still to be published, up to 64 of one transaction in each';
COMMENT ON COLUMN outbox.queues IS 'The queue that each goes straight into, if any does';
