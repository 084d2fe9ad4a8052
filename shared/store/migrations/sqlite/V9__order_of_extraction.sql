-- What a source does not list any more is deleted by the order of extraction.
ALTER TABLE source_keys DROP COLUMN version;
