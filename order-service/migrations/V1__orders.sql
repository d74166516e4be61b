-- The numbers that the store gives to orders whose clients sent none.
CREATE SEQUENCE order_numbers START 1001 MINVALUE 1 MAXVALUE 9007199254740991 CACHE 1;

CREATE TABLE requests (
    order_id uuid PRIMARY KEY,
    number bigint NOT NULL UNIQUE CHECK (number BETWEEN 1 AND 9007199254740991),
    user_id uuid NOT NULL,
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    pet uuid NOT NULL,
    pet_id bigint NOT NULL CHECK (pet_id BETWEEN 1 AND 9007199254740991),
    items jsonb NOT NULL CHECK (jsonb_typeof(items) = 'array'),
    ship_date timestamptz,
    saga_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    granted boolean NOT NULL DEFAULT false,
    cancellation_requested boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'rejected', 'cancelled')),
    reason text,
    CHECK ((state = 'requested') = (reason IS NULL))
) WITH (fillfactor = 80);
-- The order's id is forged from customer and key: the primary key is what makes a key theirs alone.
CREATE INDEX requests_newest ON requests (created_at DESC, number DESC);
CREATE INDEX requests_of_user ON requests (user_id, created_at DESC, number DESC);
COMMENT ON TABLE requests IS 'Every order that was ever asked for; the state is what its saga came to, once all is undone';
COMMENT ON COLUMN requests.request_hash IS 'What was asked for: the same key with another hash is another request';

CREATE TABLE orders (
    order_id uuid PRIMARY KEY REFERENCES requests,
    state text NOT NULL CHECK (state IN ('pending', 'placed', 'approved', 'delivered', 'rejected', 'cancelled')),
    reason text,
    total bigint CHECK (total BETWEEN 0 AND 9007199254740991),
    currency text CHECK (currency ~ '^[A-Z]{3}$'),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((total IS NULL) = (currency IS NULL)),
    CHECK (total IS NOT NULL OR state IN ('pending', 'rejected', 'cancelled')),
    CHECK ((reason IS NOT NULL) = (state IN ('rejected', 'cancelled')))
) WITH (fillfactor = 80);
COMMENT ON TABLE orders IS 'Orders that exist, each because PET_RESERVED was read; the state is what this service did';
COMMENT ON COLUMN orders.version IS 'The version of the request at the last change of this row';
