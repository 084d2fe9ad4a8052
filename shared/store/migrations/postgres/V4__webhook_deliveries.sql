-- The deliveries that flows have taken in, for as long as they are remembered. id is the models' DeliveryId.
CREATE TABLE deliveries (
    flow       text COLLATE "C" NOT NULL,
    id         bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (flow, id)
);
CREATE INDEX expired_deliveries ON deliveries (expires_at);
