-- While a table grows, autovacuum takes a sample of it again and again, 30,000 rows as shipped, and looks into each value: of
-- the journal's arrays into each element, unpacked. Within 400,000 sagas that was more than half of its time. No plan asks
-- what is in them, nor in most of what an inbox has; and what is forged is spread evenly, which 3,000 rows tell as well.
ALTER TABLE journal_entries
    ALTER day SET STATISTICS 10, ALTER time SET STATISTICS 10, ALTER seq SET STATISTICS 10,
    ALTER ids SET STATISTICS 0, ALTER types SET STATISTICS 0, ALTER saga_ids SET STATISTICS 0, ALTER bodies SET STATISTICS 0;
ALTER TABLE inbox
    ALTER consumer SET STATISTICS 10, ALTER day SET STATISTICS 10, ALTER id SET STATISTICS 10, ALTER saga_id SET STATISTICS 10,
    ALTER hash SET STATISTICS 0, ALTER type SET STATISTICS 0, ALTER received_at SET STATISTICS 0, ALTER note SET STATISTICS 0,
    ALTER answers SET STATISTICS 0, ALTER answered_at SET STATISTICS 0, ALTER body SET STATISTICS 0;
ALTER TABLE effects
    ALTER saga_id SET STATISTICS 10, ALTER step SET STATISTICS 10, ALTER state SET STATISTICS 10, ALTER updated_at SET STATISTICS 10,
    ALTER epoch SET STATISTICS 0, ALTER answer_id SET STATISTICS 0, ALTER answer_time SET STATISTICS 0;
