-- PostgreSQL parses what it takes as JSON, each time, to see whether it is any: a fifth of what it takes to write a state. Only
-- the orchestrator writes states, and reads all of each; whoever else asks for a part of one casts it.
ALTER TABLE sagas ALTER COLUMN state TYPE text;
COMMENT ON COLUMN sagas.state IS 'What the engine decided last, as JSON';
