-- What somebody is about to do beside the server, which writes it into its audit trail and says so here.
CREATE TABLE owed_deeds (
    id TEXT NOT NULL PRIMARY KEY,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    whom TEXT,
    detail TEXT,
    -- asked, written, refused or failed
    state TEXT NOT NULL,
    -- Since when it is that.
    at_ms BIGINT NOT NULL
);
