-- The models' SlotOutcomes::merge: the first outcome of a slot stays, unless the new one is dead and the first not
-- stale. A slot of which no record is known ('_') waits (.) once a batch is recorded with it.
CREATE OR REPLACE FUNCTION merge_outcomes(stored text, added text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN stored = repeat('.', length(stored)) THEN
            translate(left(added, length(stored)), '_', '.')
                || substr(added, length(stored) + 1) || substr(stored, length(added) + 1)
        WHEN added = repeat('.', length(added)) THEN
            translate(left(stored, length(added)), '_', '.')
                || substr(stored, length(added) + 1) || substr(added, length(stored) + 1)
        ELSE (
            SELECT string_agg(
                CASE
                    WHEN substr(added, slot, 1) = '' THEN substr(stored, slot, 1)
                    WHEN substr(stored, slot, 1) IN ('', '_') THEN substr(added, slot, 1)
                    WHEN substr(stored, slot, 1) = '.' AND substr(added, slot, 1) <> '_' THEN substr(added, slot, 1)
                    WHEN substr(added, slot, 1) = 'x' AND substr(stored, slot, 1) <> 's' THEN 'x'
                    ELSE substr(stored, slot, 1)
                END,
                '' ORDER BY slot)
            FROM generate_series(1, greatest(length(stored), length(added))) AS slot)
    END
$$;

-- The outcomes of a batch that has this size now. Nobody waits for the records that it had beyond it; those that
-- settled stay counted.
CREATE OR REPLACE FUNCTION resize_outcomes(stored text, size integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT left(stored, size) || rtrim(translate(substr(stored, size + 1), '.', '_'), '_')
$$;
