-- What the orchestrator keeps beside what every process does.

CREATE TABLE sagas (
    id uuid PRIMARY KEY,
    definition text NOT NULL,
    definition_version integer NOT NULL,
    subject text NOT NULL,
    phase text NOT NULL CHECK (phase IN
        ('running', 'prepared', 'completing', 'compensating', 'completed', 'rejected', 'cancelled')),
    reason text,
    needs_intervention boolean NOT NULL,
    alarm timestamptz,
    version bigint NOT NULL CHECK (version > 0),
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    state json NOT NULL,
    CHECK ((ended_at IS NOT NULL) = (phase IN ('completed', 'rejected', 'cancelled'))),
    CHECK (ended_at IS NULL OR alarm IS NULL),
    CHECK (reason IS NULL OR phase IN ('compensating', 'rejected', 'cancelled'))
) WITH (fillfactor = 70);
COMMENT ON TABLE sagas IS 'One row a saga; its state is what the engine decided last';

-- No index names a column that changes with every step: updates stay on their page.
CREATE INDEX sagas_alarm ON sagas (alarm) WHERE alarm IS NOT NULL;
CREATE INDEX sagas_open ON sagas (started_at) WHERE ended_at IS NULL;
CREATE INDEX sagas_started ON sagas USING brin (started_at);
CREATE INDEX sagas_subject ON sagas (subject);

-- The timeline of one saga: what came in and what went out.
CREATE INDEX journal_saga ON journal (saga_id);
CREATE INDEX inbox_saga ON inbox (saga_id);
CREATE INDEX kept_saga ON kept (saga_id);
