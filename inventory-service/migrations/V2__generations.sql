-- The read model of the pets can be rebuilt while it is served: each generation has rows and counts of its own.

INSERT INTO read_models (name) VALUES ('inventory');

DROP VIEW unbalanced_pets;

ALTER TABLE pets DROP CONSTRAINT pets_pkey, ADD PRIMARY KEY (generation, pet);
COMMENT ON COLUMN pets.generation IS 'Which rebuild of the read model the row belongs to; 0 before the first';

ALTER TABLE pet_counts ADD COLUMN generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0);
ALTER TABLE pet_counts DROP CONSTRAINT pet_counts_pkey, ADD PRIMARY KEY (generation, slot);
COMMENT ON TABLE pet_counts IS 'How many pets of a generation have each status: the sum over all its slots';

CREATE VIEW unbalanced_pets AS
    SELECT status, counted, coalesce(present, 0) AS present
    FROM (
        SELECT s.status, s.counted
        FROM (
            SELECT coalesce(sum(available), 0) AS a, coalesce(sum(pending), 0) AS p, coalesce(sum(sold), 0) AS s
            FROM pet_counts WHERE generation = (SELECT serving FROM read_models WHERE name = 'inventory')
        ) c,
        LATERAL (VALUES ('available', c.a), ('pending', c.p), ('sold', c.s)) AS s (status, counted)
    ) counted
    LEFT JOIN (
        SELECT status, count(*) AS present FROM pets
        WHERE generation = (SELECT serving FROM read_models WHERE name = 'inventory') GROUP BY status
    ) rows USING (status)
    WHERE counted <> coalesce(present, 0);
COMMENT ON VIEW unbalanced_pets IS 'Statuses whose count is not that of the rows: always empty';
