-- While a table grows, autovacuum takes a sample of it again and again: of what nobody searches by, it looks at nothing, and of the
-- rest 3,000 rows tell enough.
ALTER TABLE sagas
    ALTER id SET STATISTICS 10, ALTER definition SET STATISTICS 10, ALTER definition_version SET STATISTICS 10,
    ALTER subject SET STATISTICS 10, ALTER phase SET STATISTICS 10, ALTER needs_intervention SET STATISTICS 10,
    ALTER alarm SET STATISTICS 10, ALTER started_at SET STATISTICS 10, ALTER ended_at SET STATISTICS 10,
    ALTER reason SET STATISTICS 10, ALTER version SET STATISTICS 0, ALTER updated_at SET STATISTICS 0, ALTER state SET STATISTICS 0;
