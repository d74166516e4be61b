-- Journal and inbox only grow, so indexes over ranges of their pages cost a row nothing: autovacuum takes a range down once
-- the next one begins. It is told by a list of 256 ranges that all databases share, and comes for it once a minute: ranges of 16
-- pages filled it within seconds under load, and each that found no room was logged with its whole statement.
DROP INDEX journal_seq;
CREATE INDEX journal_seq ON journal USING brin (seq) WITH (pages_per_range = 256, autosummarize = on);

-- Where a saga may be: a Bloom filter for each range. Ids of sagas are hashes, so in an index that sorts them each row's
-- entry would go to a page of its own.
CREATE INDEX inbox_of_saga ON inbox
    USING brin (saga_id uuid_bloom_ops (n_distinct_per_range = 5000, false_positive_rate = 0.01))
    WITH (pages_per_range = 256, autosummarize = on);
