-- The models' Outcomes::merge: the first outcome of a slot stays, unless the new one is dead and the first not stale.
CREATE OR REPLACE FUNCTION merge_outcomes(stored text, added text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN length(added) >= length(stored) AND stored = repeat('.', length(stored)) THEN added
        WHEN length(added) <= length(stored) AND added = repeat('.', length(added)) THEN stored
        ELSE (
            SELECT string_agg(
                CASE
                    WHEN substr(added, slot, 1) = '' THEN substr(stored, slot, 1)
                    WHEN substr(stored, slot, 1) IN ('', '.') THEN substr(added, slot, 1)
                    WHEN substr(added, slot, 1) = 'x' AND substr(stored, slot, 1) <> 's' THEN 'x'
                    ELSE substr(stored, slot, 1)
                END,
                '' ORDER BY slot)
            FROM generate_series(1, greatest(length(stored), length(added))) AS slot)
    END
$$;
