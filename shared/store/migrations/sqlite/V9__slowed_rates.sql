-- To which share of its rate limit a system was slowed, in millionths, and when, in microseconds since 1970. What is
-- held may have no rate limit.
ALTER TABLE rate_limits ADD COLUMN slowed_to INTEGER NOT NULL DEFAULT 1000000;
ALTER TABLE rate_limits ADD COLUMN slowed_at INTEGER NOT NULL DEFAULT 0;
