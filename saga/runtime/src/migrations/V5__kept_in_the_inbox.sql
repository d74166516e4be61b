-- What may have to be sent again is kept with the row that says that it came: one row, one search, one retention.

ALTER TABLE inbox ADD COLUMN body bytea;
COMMENT ON COLUMN inbox.body IS 'The message as its bytes, if this process may have to send it again';
UPDATE inbox i SET body = k.body FROM kept k WHERE k.day = i.day AND k.id = i.id;
TRUNCATE kept;

-- By the id first: it alone tells almost all rows apart, and a message is found without naming who consumed it.
ALTER TABLE inbox DROP CONSTRAINT inbox_pkey, ADD PRIMARY KEY (id, day, consumer);
