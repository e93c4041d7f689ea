-- Bans are counted and listed by room.
CREATE INDEX bans_of_room ON bans (room, created_ms);
