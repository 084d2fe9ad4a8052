-- What a source listed, of flows that take what it no longer lists for deleted. Runs of a flow come one
-- after the other and their ids sort in that order, so a key is missing from a run when it was listed
-- last in an earlier one.
CREATE TABLE source_keys (
    flow      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    version   text NOT NULL,
    listed_in uuid NOT NULL,
    PRIMARY KEY (flow, key)
) WITH (fillfactor = 50);

-- What is odd about a run though it was read to its end.
ALTER TABLE runs ADD COLUMN warning text;
