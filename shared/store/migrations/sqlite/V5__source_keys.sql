-- What a source listed, of flows that take what it no longer lists for deleted. Runs of a flow come one
-- after the other and their ids sort in that order, so a key is missing from a run when it was listed
-- last in an earlier one.
CREATE TABLE source_keys (
    flow      TEXT NOT NULL,
    key       TEXT NOT NULL,
    version   TEXT NOT NULL,
    listed_in TEXT NOT NULL,
    PRIMARY KEY (flow, key)
) STRICT, WITHOUT ROWID;

-- What is odd about a run though it was read to its end.
ALTER TABLE runs ADD COLUMN warning TEXT;
