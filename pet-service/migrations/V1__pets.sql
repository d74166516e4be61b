-- The pets of the store. A row is never removed, so that a pet's number is never given again.

CREATE TABLE pets (
    id bigint PRIMARY KEY CHECK (id BETWEEN 1 AND 9007199254740991),
    uuid uuid NOT NULL UNIQUE,
    version bigint NOT NULL CHECK (version > 0),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    category jsonb CHECK (jsonb_typeof(category) = 'object'),
    photo_urls jsonb NOT NULL CHECK (jsonb_typeof(photo_urls) = 'array'),
    tags jsonb NOT NULL CHECK (jsonb_typeof(tags) = 'array'),
    price bigint NOT NULL CHECK (price BETWEEN 0 AND 9007199254740991),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status text NOT NULL CHECK (status IN ('available', 'pending', 'sold', 'deleted')),
    reserved_by_order uuid,
    reserved_by_saga uuid,
    sold_to_order uuid,
    sold_to_saga uuid,
    CONSTRAINT pending_means_reserved CHECK (
        (status = 'pending') = (reserved_by_order IS NOT NULL)
        AND (reserved_by_order IS NULL) = (reserved_by_saga IS NULL)),
    CONSTRAINT sold_means_to_somebody CHECK (
        (status = 'sold') = (sold_to_order IS NOT NULL)
        AND (sold_to_order IS NULL) = (sold_to_saga IS NULL))
) WITH (fillfactor = 80);
COMMENT ON TABLE pets IS 'Every pet that ever was in the store; a deleted one stays as a row';
COMMENT ON COLUMN pets.uuid IS 'Forged from the id when the pet was born, and never computed again';
COMMENT ON COLUMN pets.version IS 'The version of the aggregate: one more with each change';
COMMENT ON COLUMN pets.price IS 'In minor units of the currency';

-- For finding pets by status, in the order of their ids.
CREATE INDEX pets_by_status ON pets (status, id);

-- Numbers for pets that are created without one. Small ones are left to clients who choose their own.
CREATE SEQUENCE pet_numbers AS bigint START 1000001 MAXVALUE 9007199254740991;

CREATE FUNCTION refuse_to_remove_pets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a pet is never removed, it is marked as deleted';
END $$;
CREATE TRIGGER pets_stay BEFORE DELETE OR TRUNCATE ON pets EXECUTE FUNCTION refuse_to_remove_pets();
