-- What authorisation servers granted: the tokens of each system, one row for each configuration that was used.
-- fingerprint tells configurations apart: a new first refresh token begins a new row. sealed holds the access token
-- and the refresh token, encrypted with a key that is derived from the project's secrets and stored nowhere.
-- generation grows with each grant; refused_at is when the authorisation server last refused to renew this one.
CREATE TABLE grants (
    system      text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    generation  bigint NOT NULL,
    sealed      bytea NOT NULL,
    refused_at  timestamptz,
    PRIMARY KEY (system, fingerprint)
);
