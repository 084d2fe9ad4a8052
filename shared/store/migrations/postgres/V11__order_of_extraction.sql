-- Of equal versions the one read later is newer: an order key of the models' Version ends with the order of extraction,
-- after the character 1, or is nothing else where it begins with 'e'. Here it is without what stands before it.
CREATE FUNCTION extraction(version text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE left(version, 1) WHEN 'e' THEN substr(version, 2) ELSE split_part(version, chr(1), 2) END COLLATE "C"
$$;

-- The models' version::is_older.
CREATE OR REPLACE FUNCTION is_older(a text, b text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(CASE
        WHEN left(a, 1) = left(b, 1) THEN a COLLATE "C" < b COLLATE "C"
        WHEN 'e' IN (left(a, 1), left(b, 1))
            THEN extraction(a) <> '' AND extraction(a) COLLATE "C" < extraction(b) COLLATE "C"
    END, false)
$$;

-- The models' version::waits_for.
CREATE FUNCTION waits_for(version text, other text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT is_older(other, version) AND (left(version, 1) = 'e' OR left(other, 1) <> 'e')
$$;

-- What a source does not list any more is deleted by the order of extraction.
ALTER TABLE source_keys DROP COLUMN version;

-- A slot that is read again after a crash is another change of the same version, which settles for itself.
ALTER TABLE parked
    DROP CONSTRAINT parked_pkey,
    ADD PRIMARY KEY (run, batch, slot, version);
