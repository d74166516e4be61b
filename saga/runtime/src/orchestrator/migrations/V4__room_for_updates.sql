-- A state doubles from its first step to its last; what finds room on its page stays there, and no index is written.
ALTER TABLE sagas SET (fillfactor = 40);

-- Subjects are ids as text, and only asked for one at a time: their hashes take a third of the room.
DROP INDEX sagas_subject;
CREATE INDEX sagas_subject ON sagas USING hash (subject);
