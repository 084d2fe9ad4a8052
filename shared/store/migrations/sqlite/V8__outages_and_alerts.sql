-- The systems that are down. class and reason are those of the failure with which an outage began; one that
-- nobody has seen for long is over: who said so may be gone.
CREATE TABLE outages (
    system  TEXT PRIMARY KEY,
    class   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    since   INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What has been announced and still stands.
CREATE TABLE alerts (
    subject   TEXT PRIMARY KEY,
    text      TEXT NOT NULL,
    raised_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
