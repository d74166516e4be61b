-- What every process keeps. The application's role may only add to the journal; the grants are
-- made after the migrations, since only the settings know the role's name.
-- Journal, inbox and kept messages are partitioned by the day of the message's own time.

CREATE TABLE journal (
    day date NOT NULL,
    id uuid NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    time timestamptz NOT NULL,
    type text NOT NULL,
    saga_id uuid,
    body bytea NOT NULL,
    PRIMARY KEY (day, id)
) PARTITION BY RANGE (day);
COMMENT ON TABLE journal IS 'Every message that this process sent, as its bytes; never changed';

CREATE TABLE inbox (
    consumer text NOT NULL,
    day date NOT NULL,
    id uuid NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    type text NOT NULL,
    saga_id uuid,
    received_at timestamptz NOT NULL,
    note text,
    answers uuid[],
    answered_at timestamptz,
    PRIMARY KEY (consumer, day, id)
) PARTITION BY RANGE (day);
COMMENT ON TABLE inbox IS 'Every message that this process has handled; a row means done';

CREATE TABLE kept (
    day date NOT NULL,
    id uuid NOT NULL,
    saga_id uuid,
    body bytea NOT NULL,
    PRIMARY KEY (day, id)
) PARTITION BY RANGE (day);
COMMENT ON TABLE kept IS 'Messages of others that this process may have to send again, as their bytes';

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day date NOT NULL,
    message_id uuid NOT NULL,
    queue text,
    claimed_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE outbox IS 'One mark for each message that is still to be published';

CREATE TABLE effects (
    saga_id uuid NOT NULL,
    step text NOT NULL,
    epoch integer NOT NULL CHECK (epoch >= 0),
    state text NOT NULL CHECK (state IN ('done', 'refused', 'undone')),
    answer_id uuid NOT NULL,
    answer_time timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (saga_id, step)
) WITH (fillfactor = 80);
COMMENT ON TABLE effects IS 'What became of each step that this process was asked to do or undo';

CREATE TABLE deferred (
    queue text NOT NULL,
    key text NOT NULL,
    day date,
    message_id uuid,
    attempt integer NOT NULL CHECK (attempt > 0),
    due_at timestamptz NOT NULL,
    reason text NOT NULL,
    incoming jsonb NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (queue, key)
);
CREATE INDEX deferred_due ON deferred (due_at);
COMMENT ON TABLE deferred IS 'Messages put off: they come back by themselves';

CREATE TABLE parked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    key text NOT NULL,
    message_id uuid,
    type text,
    saga_id uuid,
    reason text NOT NULL,
    detail text NOT NULL,
    fingerprint text NOT NULL,
    incoming jsonb NOT NULL,
    body bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('parked', 'replayed', 'discarded', 'edited')),
    times integer NOT NULL CHECK (times > 0),
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    UNIQUE (queue, key)
);
CREATE INDEX parked_open ON parked (fingerprint, id) WHERE state = 'parked';
COMMENT ON TABLE parked IS 'Messages set aside for an operator, with the reason and the original bytes';

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    why text
);
COMMENT ON TABLE audit IS 'Every write of an operator: who, when, what, why';
