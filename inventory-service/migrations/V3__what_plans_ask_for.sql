-- While a table grows, autovacuum takes a sample of it again and again: of what nobody searches by, it looks at nothing, and of the
-- rest 3,000 rows tell enough.
ALTER TABLE pets
    ALTER generation SET STATISTICS 10, ALTER pet SET STATISTICS 10, ALTER status SET STATISTICS 10,
    ALTER version SET STATISTICS 0, ALTER updated_at SET STATISTICS 0;
ALTER TABLE reservations
    ALTER saga_id SET STATISTICS 10, ALTER sku SET STATISTICS 10, ALTER state SET STATISTICS 10,
    ALTER order_id SET STATISTICS 0, ALTER quantity SET STATISTICS 0, ALTER price SET STATISTICS 0, ALTER currency SET STATISTICS 0,
    ALTER version SET STATISTICS 0, ALTER updated_at SET STATISTICS 0;
