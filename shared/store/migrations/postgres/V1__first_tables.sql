CREATE TABLE leases (
    name       text COLLATE "C" PRIMARY KEY,
    holder     text NOT NULL,
    token      bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE cursors (
    flow  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- A run was begun when it has a checkpoint, and ended when it has an extracted_at; then its error says
-- whether it failed. Whether all has settled is told by the masks of its batches.
CREATE TABLE runs (
    id           uuid PRIMARY KEY,
    flow         text COLLATE "C" NOT NULL,
    trigger      text NOT NULL,
    since        text,
    checkpoint   text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    extracted_at timestamptz,
    error        text
);
CREATE INDEX runs_by_flow ON runs (flow, id);
CREATE INDEX open_runs ON runs (flow) WHERE extracted_at IS NULL;

-- One character a slot: see the models' Outcomes.
CREATE TABLE run_batches (
    run      uuid NOT NULL,
    batch    text COLLATE "C" NOT NULL,
    outcomes text NOT NULL,
    PRIMARY KEY (run, batch)
) WITH (fillfactor = 50);

-- The rows are rewritten twice a record. Without a second index, and with room in each page for a
-- second version of all its rows, nearly every rewriting touches no index (HOT).
-- version is an order key of the models' Version.
CREATE TABLE ledger (
    flow          text COLLATE "C" NOT NULL,
    key           text COLLATE "C" NOT NULL,
    id            text,
    version       text COLLATE "C",
    hash          bytea,
    claim         uuid,
    claimed_until timestamptz,
    in_doubt      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (flow, key)
) WITH (fillfactor = 50);

-- letter is text, because json types may change what numbers look like.
CREATE TABLE dead_letters (
    id          text COLLATE "C" PRIMARY KEY,
    flow        text COLLATE "C" NOT NULL,
    run         uuid NOT NULL,
    stage       text NOT NULL,
    reason      text NOT NULL,
    died_at     timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
    replayed_in uuid,
    letter      text NOT NULL
);
CREATE INDEX open_dead_letters ON dead_letters (died_at, id) WHERE state = 'open';

-- The models' Outcomes::merge: the first outcome of a slot stays, the longer size wins.
CREATE FUNCTION merge_outcomes(stored text, added text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN length(added) >= length(stored) AND stored = repeat('.', length(stored)) THEN added
        WHEN length(added) <= length(stored) AND added = repeat('.', length(added)) THEN stored
        ELSE (
            SELECT string_agg(
                CASE WHEN substr(stored, slot, 1) IN ('', '.') AND substr(added, slot, 1) <> ''
                    THEN substr(added, slot, 1) ELSE substr(stored, slot, 1) END,
                '' ORDER BY slot)
            FROM generate_series(1, greatest(length(stored), length(added))) AS slot)
    END
$$;

-- Whether version a is older than b. Versions of different types (the first character) do not compare.
CREATE FUNCTION is_older(a text, b text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(a, 1) = left(b, 1) AND a COLLATE "C" < b COLLATE "C"
$$;
