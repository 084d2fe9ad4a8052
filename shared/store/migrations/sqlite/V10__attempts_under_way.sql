-- When what is in doubt was asked of the destination, at the latest. For a while it may still be under way there. It
-- is NULL where it is known to have ended.
ALTER TABLE ledger ADD COLUMN asked_at INTEGER;
