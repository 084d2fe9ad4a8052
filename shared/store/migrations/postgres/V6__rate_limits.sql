-- When systems with a rate limit take requests, in microseconds since 1970: the last slot that was given away,
-- and until when none is due.
CREATE TABLE rate_limits (
    system     text COLLATE "C" PRIMARY KEY,
    last_slot  bigint NOT NULL,
    held_until bigint NOT NULL
) WITH (fillfactor = 50);
