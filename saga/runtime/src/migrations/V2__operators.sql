-- What operators need beside the tables of V1.

-- The journal only grows, so its places follow its pages: this index costs an insert nothing, and a
-- replay reads history a window of places at a time.
CREATE INDEX journal_seq ON journal USING brin (seq) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE edits (
    parked bigint NOT NULL REFERENCES parked,
    n integer NOT NULL CHECK (n > 0),
    message_id uuid NOT NULL UNIQUE,
    difference jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (parked, n)
);
COMMENT ON TABLE edits IS 'Edited copies of parked messages: the id of each copy, and in what it differs from the original';
