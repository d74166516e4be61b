-- Read models that can be refilled: which generation is served, and how far the next one is.

CREATE TABLE read_models (
    name text PRIMARY KEY,
    state text NOT NULL DEFAULT 'served' CHECK (state IN ('served', 'filling', 'clearing')),
    serving integer NOT NULL DEFAULT 0 CHECK (serving >= 0),
    filling integer CHECK (filling > serving),
    place bigint NOT NULL DEFAULT 0,
    filled bigint NOT NULL DEFAULT 0 CHECK (filled >= 0),
    trouble text,
    fence bigint NOT NULL DEFAULT 0,
    owned_until timestamptz,
    who text,
    why text,
    started_at timestamptz,
    updated_at timestamptz,
    ended_at timestamptz,
    CHECK ((filling IS NOT NULL) = (state = 'filling'))
) WITH (fillfactor = 50);
COMMENT ON TABLE read_models IS 'Read models of this process: the generation that is served, and the rebuild under way, or the last one';
COMMENT ON COLUMN read_models.place IS 'How far the source was read for the generation that is filled';
COMMENT ON COLUMN read_models.fence IS 'Raised by each new owner: what an earlier one still writes finds no row';
