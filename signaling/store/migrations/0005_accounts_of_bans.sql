-- Whose identity it is that is kept out: the account is kept out with it, by the same ban. NULL: nobody's who signed in.
ALTER TABLE bans ADD COLUMN account TEXT;
CREATE INDEX bans_by_account ON bans (account);
