-- While a table grows, autovacuum takes a sample of it again and again: of what nobody searches by, it looks at nothing, and of the
-- rest 3,000 rows tell enough.
ALTER TABLE requests
    ALTER order_id SET STATISTICS 10, ALTER number SET STATISTICS 10, ALTER user_id SET STATISTICS 10,
    ALTER created_at SET STATISTICS 10, ALTER state SET STATISTICS 10, ALTER order_state SET STATISTICS 10,
    ALTER idempotency_key SET STATISTICS 0, ALTER request_hash SET STATISTICS 0, ALTER pet SET STATISTICS 0,
    ALTER pet_id SET STATISTICS 0, ALTER items SET STATISTICS 0, ALTER ship_date SET STATISTICS 0, ALTER saga_id SET STATISTICS 0,
    ALTER version SET STATISTICS 0, ALTER granted SET STATISTICS 0, ALTER cancellation_requested SET STATISTICS 0,
    ALTER reason SET STATISTICS 0, ALTER order_reason SET STATISTICS 0, ALTER total SET STATISTICS 0, ALTER currency SET STATISTICS 0;
