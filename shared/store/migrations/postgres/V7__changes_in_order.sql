-- The changes that flows which apply every one of them have read and not settled; version is an order key of the
-- models' Version. A later change of the key waits for them. One that is not confirmed may never have been
-- published: it is given up after a while. A dead one is waited for until it is replayed or discarded.
CREATE TABLE changes (
    flow        text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    version     text COLLATE "C" NOT NULL,
    run         uuid NOT NULL,
    batch       text COLLATE "C" NOT NULL,
    expected_at timestamptz NOT NULL DEFAULT now(),
    confirmed   boolean NOT NULL DEFAULT false,
    dead        boolean NOT NULL DEFAULT false,
    PRIMARY KEY (flow, key, version)
);
CREATE INDEX changes_by_batch ON changes (run, batch);
CREATE INDEX unconfirmed_changes ON changes (flow, expected_at) WHERE NOT confirmed;

-- The records that wait for earlier changes of their key: each as the message that brings it back.
CREATE TABLE parked (
    run         uuid NOT NULL,
    batch       text COLLATE "C" NOT NULL,
    slot        bigint NOT NULL,
    flow        text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    version     text COLLATE "C" NOT NULL,
    taken_by    uuid,
    taken_until timestamptz,
    message     text NOT NULL,
    PRIMARY KEY (run, batch, slot)
);
CREATE INDEX parked_by_key ON parked (flow, key, version);

-- Which record a dead letter is of: a newer version of it, once applied, closes the letter.
ALTER TABLE dead_letters
    ADD COLUMN batch   text COLLATE "C",
    ADD COLUMN slot    bigint,
    ADD COLUMN key     text COLLATE "C",
    ADD COLUMN version text COLLATE "C",
    DROP CONSTRAINT dead_letters_state_check,
    ADD CONSTRAINT dead_letters_state_check CHECK (state IN ('open', 'replayed', 'discarded', 'superseded'));
CREATE INDEX open_dead_letters_by_key ON dead_letters (flow, key) WHERE state = 'open';

-- The outcomes of a batch of which these slots were dead and are stale.
CREATE FUNCTION stale_instead_of_dead(outcomes text, slots bigint[]) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT string_agg(
        CASE WHEN substr(outcomes, place, 1) = 'x' AND place - 1 = ANY (slots)
            THEN 's' ELSE substr(outcomes, place, 1) END,
        '' ORDER BY place)
    FROM generate_series(1, length(outcomes)) AS place
$$;

-- What is known of a batch that turns out to have this size. It may have had more slots when it was read before a
-- crash, and not all of them may have been sent then: nobody settles those.
CREATE FUNCTION resize_outcomes(stored text, size integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT left(stored, size) || rtrim(substr(stored, size + 1), '.')
$$;
