-- What somebody is about to do beside the server, which writes it into its audit trail and takes the row away.
CREATE TABLE owed_deeds (
    id TEXT NOT NULL PRIMARY KEY,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    whom TEXT,
    detail TEXT,
    failed BOOLEAN NOT NULL,
    at_ms BIGINT NOT NULL
);
