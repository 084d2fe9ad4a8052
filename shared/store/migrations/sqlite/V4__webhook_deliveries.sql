-- The deliveries that flows have taken in, for as long as they are remembered. id is the models' DeliveryId.
CREATE TABLE deliveries (
    flow       TEXT NOT NULL,
    id         BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (flow, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX expired_deliveries ON deliveries (expires_at);
