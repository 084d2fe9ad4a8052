-- The newest change of each record that was transformed, of flows whose mapping may split records: how many outputs it
-- had, and what an older one may have left behind. Parts from 'outputs' to 'parts' are to be deleted, and so is the
-- record itself where it is 'whole' and has several outputs. The ledger says which of them are deleted already.
CREATE TABLE record_shapes (
    flow    text COLLATE "C" NOT NULL,
    key     text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    outputs bigint NOT NULL,
    parts   bigint NOT NULL,
    whole   boolean NOT NULL,
    PRIMARY KEY (flow, key)
) WITH (fillfactor = 50);
CREATE INDEX split_records ON record_shapes (flow) WHERE parts > 0;
