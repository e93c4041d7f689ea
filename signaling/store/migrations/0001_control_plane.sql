-- The control plane's tables, in the words that SQLite and PostgreSQL share: TEXT, BIGINT, BOOLEAN, DOUBLE PRECISION.
-- Numbers are counted by the table `sequences`, so no dialect's own counter is needed. Times are milliseconds since
-- 1970, UTC, and their columns end in `_ms`. JSON is TEXT: nothing here is searched by what is inside.

CREATE TABLE sequences (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

CREATE TABLE rooms (
    name TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    -- NULL: a lasting room. Else it goes when nobody has used it until then.
    expires_ms BIGINT,
    settings TEXT NOT NULL,
    password_hash TEXT,
    lobby BOOLEAN NOT NULL,
    locked BOOLEAN NOT NULL,
    guests BOOLEAN NOT NULL,
    keeps_chat BOOLEAN NOT NULL,
    max_participants BIGINT NOT NULL,
    default_roles TEXT NOT NULL,
    created_by TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX rooms_expire ON rooms (expires_ms);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    room TEXT NOT NULL,
    kind TEXT NOT NULL,
    phase TEXT NOT NULL,
    state TEXT NOT NULL,
    companion_id TEXT,
    scheduled_ms BIGINT,
    started_ms BIGINT,
    ended_ms BIGINT,
    active_ms BIGINT NOT NULL,
    message_count BIGINT NOT NULL,
    transcript_preview TEXT NOT NULL
);
CREATE INDEX sessions_of_room ON sessions (room, active_ms);
CREATE INDEX sessions_by_activity ON sessions (active_ms, id);

CREATE TABLE session_participants (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    participant TEXT NOT NULL,
    identity TEXT NOT NULL,
    user_id TEXT,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    joined_ms BIGINT NOT NULL,
    left_ms BIGINT,
    left_because TEXT,
    PRIMARY KEY (session_id, participant)
);
CREATE INDEX session_participants_by_identity ON session_participants (identity);
CREATE INDEX session_participants_by_user ON session_participants (user_id);

CREATE TABLE quality_samples (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    participant TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    bitrate_bps BIGINT NOT NULL,
    frame_rate DOUBLE PRECISION NOT NULL,
    resolution TEXT NOT NULL,
    packet_loss_percent DOUBLE PRECISION NOT NULL,
    latency_ms DOUBLE PRECISION NOT NULL,
    jitter_ms DOUBLE PRECISION NOT NULL,
    quality TEXT NOT NULL,
    PRIMARY KEY (session_id, participant, at_ms)
);
CREATE INDEX quality_samples_by_time ON quality_samples (at_ms);

CREATE TABLE chat_messages (
    room TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    session_id TEXT,
    identity TEXT NOT NULL,
    user_id TEXT,
    sender TEXT NOT NULL,
    message TEXT NOT NULL,
    audio_url TEXT,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (room, sequence)
);
CREATE INDEX chat_messages_by_time ON chat_messages (at_ms);
CREATE INDEX chat_messages_by_identity ON chat_messages (identity);
CREATE INDEX chat_messages_by_user ON chat_messages (user_id);

CREATE TABLE events (
    number BIGINT NOT NULL PRIMARY KEY,
    room TEXT,
    room_sequence BIGINT,
    session_id TEXT,
    kind TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    payload TEXT NOT NULL,
    erased BOOLEAN NOT NULL
);
CREATE INDEX events_of_room ON events (room, number);
CREATE INDEX events_by_age ON events (kind, at_ms);

-- Whom an event is about: what finds it when a person's data is to be deleted.
CREATE TABLE event_subjects (
    subject TEXT NOT NULL,
    number BIGINT NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    PRIMARY KEY (subject, number)
);
CREATE INDEX event_subjects_of_event ON event_subjects (number);

CREATE TABLE webhook_receivers (
    id TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    api_key TEXT NOT NULL,
    dropped BIGINT NOT NULL
);

-- What one receiver has still to hear of one room, in order: a lane. Its head is in one pair of hands at a time.
CREATE TABLE webhook_lanes (
    receiver TEXT NOT NULL REFERENCES webhook_receivers (id) ON DELETE CASCADE,
    room TEXT NOT NULL,
    pending BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    lease TEXT,
    lease_until_ms BIGINT NOT NULL,
    PRIMARY KEY (receiver, room)
);
CREATE INDEX webhook_lanes_due ON webhook_lanes (receiver, due_ms);

CREATE TABLE webhook_outbox (
    receiver TEXT NOT NULL REFERENCES webhook_receivers (id) ON DELETE CASCADE,
    room TEXT NOT NULL,
    number BIGINT NOT NULL REFERENCES events (number),
    queued_ms BIGINT NOT NULL,
    PRIMARY KEY (receiver, room, number)
);
CREATE INDEX webhook_outbox_by_age ON webhook_outbox (receiver, number);
CREATE INDEX webhook_outbox_of_event ON webhook_outbox (number);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- A PHC string. NULL: signs in elsewhere.
    password_hash TEXT,
    issuer TEXT,
    issuer_subject TEXT,
    roles TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_of_issuer ON users (issuer, issuer_subject);

CREATE TABLE bans (
    id TEXT NOT NULL PRIMARY KEY,
    -- NULL: from every room.
    room TEXT,
    subject_kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    banned_by TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT
);
CREATE INDEX bans_by_subject ON bans (subject_kind, subject);

CREATE TABLE refresh_tokens (
    -- SHA-256 of the token: who reads this table cannot sign in with it.
    digest TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    family TEXT NOT NULL,
    issued_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    used_ms BIGINT,
    revoked_ms BIGINT
);
CREATE INDEX refresh_tokens_of_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_of_user ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_expire ON refresh_tokens (expires_ms);

CREATE TABLE revoked_tokens (
    token_id TEXT NOT NULL PRIMARY KEY,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expire ON revoked_tokens (expires_ms);

-- Tokens of an identity for a room that were issued before `not_before_ms` open nothing any more.
CREATE TABLE token_floors (
    room TEXT NOT NULL,
    identity TEXT NOT NULL,
    not_before_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    PRIMARY KEY (room, identity)
);
