-- A timeline is found as the runtime finds what an inbox has of one saga. Only here is the journal asked for a saga without a time.
DROP INDEX inbox_saga;
DROP INDEX journal_saga;
CREATE INDEX journal_of_saga ON journal
    USING brin (saga_id uuid_bloom_ops (n_distinct_per_range = 5000, false_positive_rate = 0.01))
    WITH (pages_per_range = 256, autosummarize = on);
