-- When systems with a rate limit take requests, in microseconds since 1970: the last slot that was given away,
-- and until when none is due.
CREATE TABLE rate_limits (
    system     TEXT PRIMARY KEY,
    last_slot  INTEGER NOT NULL,
    held_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
