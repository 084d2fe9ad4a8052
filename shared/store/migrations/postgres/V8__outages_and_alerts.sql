-- The systems that are down. class and reason are those of the failure with which an outage began; one that
-- nobody has seen for long is over: who said so may be gone.
CREATE TABLE outages (
    system  text COLLATE "C" PRIMARY KEY,
    class   text NOT NULL,
    reason  text NOT NULL,
    since   timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What has been announced and still stands.
CREATE TABLE alerts (
    subject   text COLLATE "C" PRIMARY KEY,
    text      text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
