-- The id under which a session was made for a time. When its room begins, the session gets the id that the room's events
-- carry, and is found by either.
ALTER TABLE sessions ADD COLUMN appointment TEXT;
CREATE UNIQUE INDEX sessions_by_appointment ON sessions (appointment);
