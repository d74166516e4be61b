-- COMMIT is on its way before a statement's rows are counted: it is the server that must not go on.
CREATE FUNCTION expect_rows(changed bigint, locked bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF changed <> locked THEN
        RAISE EXCEPTION '% rows were locked, % were found again as they were', locked, changed USING ERRCODE = 'SG001';
    END IF;
END $$;
COMMENT ON FUNCTION expect_rows IS 'Ends a transaction whose rows are not those that it locked';

CREATE FUNCTION overtaken() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a message of these was set aside before, or by another copy of the process meanwhile' USING ERRCODE = 'SG002';
END $$;
COMMENT ON FUNCTION overtaken IS 'Ends a transaction that handles a message which waits here';
