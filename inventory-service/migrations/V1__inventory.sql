-- The supplies, what is set aside for orders, and the read model of the pets.

CREATE TABLE stock (
    sku text COLLATE "C" PRIMARY KEY CHECK (char_length(sku) BETWEEN 1 AND 64),
    on_hand bigint NOT NULL CHECK (on_hand >= 0),
    reserved bigint NOT NULL CHECK (reserved >= 0 AND reserved <= on_hand),
    taken bigint NOT NULL CHECK (taken >= reserved),
    price bigint NOT NULL CHECK (price >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    version bigint NOT NULL CHECK (version >= 0),
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE stock IS 'Every supply; on_hand - reserved can still be ordered';
COMMENT ON COLUMN stock.on_hand IS 'Units in the store, those set aside included';
COMMENT ON COLUMN stock.reserved IS 'Units set aside for live orders';
COMMENT ON COLUMN stock.taken IS 'Units of live and completed orders: set aside, or gone with them';

CREATE TABLE reservations (
    saga_id uuid NOT NULL,
    sku text COLLATE "C" NOT NULL REFERENCES stock,
    order_id uuid NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    price bigint NOT NULL CHECK (price >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state text NOT NULL CHECK (state IN ('reserved', 'committed', 'released')),
    version bigint NOT NULL CHECK (version > 0),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (saga_id, sku)
) WITH (fillfactor = 80);
COMMENT ON TABLE reservations IS 'The supplies of each order, a row a line; the lines of an order share state and version';
COMMENT ON COLUMN reservations.price IS 'Of one unit, when it was reserved';

CREATE TABLE pets (
    pet uuid PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('available', 'pending', 'sold', 'deleted')),
    version bigint NOT NULL CHECK (version > 0),
    generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 80);
COMMENT ON TABLE pets IS 'Read model: each pet as the newest of its events told it';
COMMENT ON COLUMN pets.generation IS 'Which rebuild of the read model wrote the row; 0 before the first';

-- A sum spread over slots: each connection adds to its own, so that writers do not wait for each
-- other; a writer locks one row only, and last, so that none deadlocks. One slot may be negative.
CREATE TABLE pet_counts (
    slot integer PRIMARY KEY CHECK (slot BETWEEN 0 AND 31),
    available bigint NOT NULL DEFAULT 0,
    pending bigint NOT NULL DEFAULT 0,
    sold bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO pet_counts (slot) SELECT generate_series(0, 31);
COMMENT ON TABLE pet_counts IS 'How many pets have each status: the sum over all slots';

CREATE VIEW unbalanced_stock AS
    SELECT s.sku, s.reserved, s.taken, coalesce(r.reserved, 0) AS reserved_by_orders, coalesce(r.taken, 0) AS taken_by_orders
    FROM stock s
    LEFT JOIN (
        SELECT sku,
               coalesce(sum(quantity) FILTER (WHERE state = 'reserved'), 0) AS reserved,
               coalesce(sum(quantity) FILTER (WHERE state IN ('reserved', 'committed')), 0) AS taken
        FROM reservations GROUP BY sku
    ) r USING (sku)
    WHERE s.reserved <> coalesce(r.reserved, 0) OR s.taken <> coalesce(r.taken, 0);
COMMENT ON VIEW unbalanced_stock IS 'Supplies whose units are not those of the orders: always empty';

CREATE VIEW unbalanced_pets AS
    SELECT status, counted, coalesce(present, 0) AS present
    FROM (
        SELECT s.status, s.counted
        FROM (SELECT sum(available) AS a, sum(pending) AS p, sum(sold) AS s FROM pet_counts) c,
             LATERAL (VALUES ('available', c.a), ('pending', c.p), ('sold', c.s)) AS s (status, counted)
    ) counted
    LEFT JOIN (SELECT status, count(*) AS present FROM pets GROUP BY status) rows USING (status)
    WHERE counted <> coalesce(present, 0);
COMMENT ON VIEW unbalanced_pets IS 'Statuses whose count is not that of the rows: always empty';
