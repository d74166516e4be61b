-- History is listed newest first, page by page: that takes an index in order.
DROP INDEX sagas_started;
CREATE INDEX sagas_started ON sagas (started_at);
