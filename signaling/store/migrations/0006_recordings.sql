CREATE TABLE recordings (
    id TEXT NOT NULL PRIMARY KEY,
    room TEXT NOT NULL,
    session_id TEXT NOT NULL,
    -- The account whose room it was.
    owner TEXT,
    -- LiveKit's `EgressInfo` as JSON, without secrets.
    info TEXT NOT NULL,
    -- The files there are, as JSON.
    files TEXT NOT NULL,
    is_over BOOLEAN NOT NULL,
    -- Nobody may delete it.
    is_held BOOLEAN NOT NULL,
    -- Somebody began to delete it: nobody sees it any more, and its files go before it does.
    is_deleting BOOLEAN NOT NULL DEFAULT FALSE,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    -- Somebody said how long it is kept after its end; `keep_ms` NULL: until somebody deletes it.
    is_keep_said BOOLEAN NOT NULL DEFAULT FALSE,
    keep_ms BIGINT,
    -- When it is deleted; NULL: never by itself.
    expires_ms BIGINT,
    bytes BIGINT NOT NULL
);
CREATE INDEX recordings_of_room ON recordings (room, created_ms);
CREATE INDEX recordings_of_owner ON recordings (owner, created_ms);
CREATE INDEX recordings_by_time ON recordings (created_ms);
CREATE INDEX recordings_open ON recordings (is_over);
CREATE INDEX recordings_by_expiry ON recordings (expires_ms);
