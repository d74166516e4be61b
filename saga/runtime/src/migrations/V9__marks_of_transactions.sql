-- A mark stands for what one transaction sends: a row and an index entry for each message cost more than the message.
ALTER TABLE outbox
    ALTER COLUMN time TYPE timestamptz[] USING ARRAY[time],
    ALTER COLUMN message_id TYPE uuid[] USING ARRAY[message_id],
    ALTER COLUMN queue TYPE text[] USING CASE WHEN queue IS NOT NULL THEN ARRAY[queue] END;
ALTER TABLE outbox RENAME COLUMN time TO times;
ALTER TABLE outbox RENAME COLUMN message_id TO message_ids;
ALTER TABLE outbox RENAME COLUMN queue TO queues;
COMMENT ON TABLE outbox IS 'Marks of the messages that are still to be published, up to 64 of one transaction in each';
COMMENT ON COLUMN outbox.queues IS 'The queue that each goes straight into, if any does';
