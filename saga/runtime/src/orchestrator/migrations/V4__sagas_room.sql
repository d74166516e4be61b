-- A saga's row is written anew with each step, and ends twice as long as it began. With room for that on its page, no index
-- has to learn of the new versions, and they take the place of the old ones.
ALTER TABLE sagas SET (fillfactor = 30);
