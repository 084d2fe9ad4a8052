-- etag is of the record at the destination as it was last written or read. incarnation counts the
-- records of a key that the destination has had before. attempted is the content that a claim is about
-- to apply; where its outcome stays in doubt, it stays.
ALTER TABLE ledger
    ADD COLUMN etag        text,
    ADD COLUMN incarnation bigint NOT NULL DEFAULT 0,
    ADD COLUMN attempted   bytea;
