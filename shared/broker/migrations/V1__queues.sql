-- The queues that were declared.
CREATE TABLE queues (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- What is in them. Times are milliseconds since 1970.
CREATE TABLE messages (
    -- Never used twice, so that a late acknowledgement cannot hit another message.
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    queue        TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    traceparent  TEXT,
    available_at INTEGER NOT NULL,
    -- The consumer that has it; none where it waits.
    leased_by    TEXT,
    -- How often it was delivered.
    deliveries   INTEGER NOT NULL DEFAULT 0,
    -- The queue whose consumers kept dying on it.
    poisoned     TEXT
);

CREATE INDEX messages_waiting ON messages (queue, available_at, sequence) WHERE leased_by IS NULL;
CREATE INDEX messages_leased ON messages (leased_by) WHERE leased_by IS NOT NULL;

-- Apart from the rest, because SQLite writes a whole row again when a column of it changes.
CREATE TABLE bodies (
    sequence INTEGER PRIMARY KEY,
    body     BLOB NOT NULL
);
