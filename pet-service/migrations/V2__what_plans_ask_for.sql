-- While a table grows, autovacuum takes a sample of it again and again: of what nobody searches by, it looks at nothing, and of the
-- rest 3,000 rows tell enough.
ALTER TABLE pets
    ALTER id SET STATISTICS 10, ALTER uuid SET STATISTICS 10, ALTER status SET STATISTICS 10,
    ALTER version SET STATISTICS 0, ALTER name SET STATISTICS 0, ALTER category SET STATISTICS 0, ALTER photo_urls SET STATISTICS 0,
    ALTER tags SET STATISTICS 0, ALTER price SET STATISTICS 0, ALTER currency SET STATISTICS 0,
    ALTER reserved_by_order SET STATISTICS 0, ALTER reserved_by_saga SET STATISTICS 0,
    ALTER sold_to_order SET STATISTICS 0, ALTER sold_to_saga SET STATISTICS 0;
