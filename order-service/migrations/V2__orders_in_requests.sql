-- A request and its order are one row: they live as long as each other, and change together.

ALTER TABLE requests
    ADD COLUMN order_state text,
    ADD COLUMN order_reason text,
    ADD COLUMN total bigint,
    ADD COLUMN currency text;

UPDATE requests r SET order_state = o.state, order_reason = o.reason, total = o.total, currency = o.currency
FROM orders o WHERE o.order_id = r.order_id;

ALTER TABLE requests
    ADD CHECK (order_state IN ('pending', 'placed', 'approved', 'delivered', 'rejected', 'cancelled')),
    ADD CHECK ((order_reason IS NOT NULL) = coalesce(order_state IN ('rejected', 'cancelled'), false)),
    ADD CHECK (CASE WHEN total IS NULL THEN currency IS NULL AND coalesce(order_state, 'pending') IN ('pending', 'rejected', 'cancelled')
                    ELSE order_state IS NOT NULL AND total BETWEEN 0 AND 9007199254740991
                         AND coalesce(currency, '') ~ '^[A-Z]{3}$' END);

-- Each changes twice within moments, on its own page if there is room.
ALTER TABLE requests SET (fillfactor = 60);

DROP TABLE orders;
CREATE VIEW orders AS
    SELECT order_id, order_state AS state, order_reason AS reason, total, currency
    FROM requests WHERE order_state IS NOT NULL;
COMMENT ON VIEW orders IS 'Orders that exist, each because PET_RESERVED was read; the state is what this service did';
COMMENT ON COLUMN requests.order_state IS 'Where the order stands that came of it; none: there is no order';
COMMENT ON COLUMN requests.order_reason IS 'Why the order was closed';
COMMENT ON COLUMN requests.total IS 'What the order costs, in minor units; known from SAGA_PREPARED or APPROVE_ORDER on';
