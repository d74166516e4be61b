-- What is forgotten past retention is found by its age: refusals and tombstones. What was done stays.
CREATE INDEX effects_forgettable ON effects (updated_at) WHERE state <> 'done';
