-- What decided what became of a dead record (the models' Fate). A record of equal fate that is read again is dead as
-- long as its letter stands: open and in no replay, or discarded. Of older letters it is not known.
ALTER TABLE dead_letters ADD COLUMN fate BLOB;
DROP INDEX open_dead_letters_by_key;
CREATE INDEX standing_dead_letters ON dead_letters (flow, key, fate)
    WHERE state IN ('open', 'discarded') AND replayed_in IS NULL;
