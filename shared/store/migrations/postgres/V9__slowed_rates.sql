-- To which share of its rate limit a system was slowed, in millionths, and when, in microseconds since 1970. What is
-- held may have no rate limit.
ALTER TABLE rate_limits
    ADD COLUMN slowed_to bigint NOT NULL DEFAULT 1000000,
    ADD COLUMN slowed_at bigint NOT NULL DEFAULT 0;
