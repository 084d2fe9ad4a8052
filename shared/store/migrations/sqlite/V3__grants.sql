-- What authorisation servers granted: the tokens of each system, one row for each configuration that was used.
-- fingerprint tells configurations apart: a new first refresh token begins a new row. sealed holds the access token
-- and the refresh token, encrypted with a key that is derived from the project's secrets and stored nowhere.
-- generation grows with each grant; refused_at is when the authorisation server last refused to renew this one.
CREATE TABLE grants (
    system      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    sealed      BLOB NOT NULL,
    refused_at  INTEGER,
    PRIMARY KEY (system, fingerprint)
) STRICT, WITHOUT ROWID;
