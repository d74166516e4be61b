-- Replays: each a durable operation with one owner at a time.

CREATE TABLE replays (
    id uuid PRIMARY KEY,
    source text NOT NULL CHECK (source IN ('parked', 'queue', 'stream', 'journals')),
    plan jsonb NOT NULL,
    extent jsonb NOT NULL,
    position jsonb NOT NULL,
    begins timestamptz,
    who text NOT NULL,
    why text,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'stopped', 'finished', 'cancelled')),
    total bigint NOT NULL CHECK (total >= 0),
    pending bigint NOT NULL CHECK (pending >= 0),
    done bigint NOT NULL DEFAULT 0 CHECK (done >= 0),
    failed bigint NOT NULL DEFAULT 0 CHECK (failed >= 0),
    skipped bigint NOT NULL DEFAULT 0 CHECK (skipped >= 0),
    details jsonb NOT NULL DEFAULT '{}',
    trouble text,
    fence bigint NOT NULL DEFAULT 0,
    owned_until timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT replays_add_up CHECK (total = pending + done + failed + skipped),
    CONSTRAINT replays_end_with_nothing_pending CHECK (state <> 'finished' OR pending = 0),
    CHECK ((ended_at IS NOT NULL) = (state IN ('finished', 'cancelled')))
) WITH (fillfactor = 70);
CREATE INDEX replays_running ON replays (created_at) WHERE state = 'running';
COMMENT ON TABLE replays IS 'Replays: what was asked for, how far each is, and how its messages fared';
COMMENT ON COLUMN replays.extent IS 'What there was at its start: its end is fixed';
COMMENT ON COLUMN replays.fence IS 'Raised by each new owner: what an earlier one still writes finds no row';

CREATE TABLE replay_messages (
    replay uuid NOT NULL REFERENCES replays,
    n bigint GENERATED ALWAYS AS IDENTITY,
    message text NOT NULL,
    type text,
    queue text,
    outcome text NOT NULL,
    why text,
    PRIMARY KEY (replay, n)
);
COMMENT ON TABLE replay_messages IS 'What is said of single messages: all of a dry run, and those that failed';
