//! Tokens that are out in the world: refresh tokens, which are used once, and access tokens that open nothing any more.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use crate::query::Query;
use crate::{Identity, RoomName, Store, StoreError, TokenFamily, Transaction, UnixMillis, UserId};

/// A refresh token that is given out. Only its digest is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whose.
    pub user: UserId,
    /// All that follow from one sign-in share it.
    pub family: TokenFamily,
    /// When it is given out.
    pub issued: UnixMillis,
    /// Until when it can be used.
    pub expires: UnixMillis,
}

/// The refresh token that follows one that is used.
#[derive(Debug, Clone, Copy)]
pub struct Successor<'a> {
    /// The same one whenever the same token is shown.
    pub secret: &'a str,
    /// Until when it can be used.
    pub expires: UnixMillis,
    /// For so long after it was used a token may come again, of somebody whom the answer did not reach.
    pub grace: Duration,
}

/// What became of a refresh token that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was good, and is used now.
    Used {
        /// Whose it was.
        user: UserId,
        /// That of its successor.
        family: TokenFamily,
    },
    /// It was used a moment ago, and nobody has shown its successor yet: that one stays the successor.
    Repeated {
        /// Whose it was.
        user: UserId,
    },
    /// It has been used before: somebody has a copy. The family is revoked, whoever of the two is honest.
    Reused {
        /// Whose it was.
        user: UserId,
    },
    /// It is unknown, over, or revoked.
    Refused,
}

impl Transaction {
    /// Remembers a refresh token.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such account.
    pub async fn give_refresh_token(&mut self, secret: &str, token: &RefreshToken) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO refresh_tokens (digest, user_id, family, issued_ms, expires_ms) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(fingerprint(secret))
        .bind(&token.user)
        .bind(&token.family)
        .bind(token.issued)
        .bind(token.expires);
        self.execute(query).await.map_err(|error| match error {
            StoreError::Exists { .. } => error.about("refresh token"),
            other => other.about("account"),
        })?;
        Ok(())
    }

    /// Takes a refresh token that was shown, and gives its successor. Commit whatever comes back: a family that was revoked
    /// has to stay so.
    ///
    /// # Errors
    /// Of storage.
    pub async fn rotate_refresh_token(
        &mut self,
        shown: &str,
        successor: &Successor<'_>,
        now: UnixMillis,
    ) -> Result<Rotation, StoreError> {
        if let Some((user, family)) = self.take_refresh_token(shown, now).await? {
            let token =
                RefreshToken { user: user.clone(), family: family.clone(), issued: now, expires: successor.expires };
            self.give_refresh_token(successor.secret, &token).await?;
            return Ok(Rotation::Used { user, family });
        }
        // Only after that: of two at once one waits for the other there, and finds the successor here.
        let query = Query::new(
            "SELECT shown.user_id FROM refresh_tokens shown JOIN refresh_tokens next ON next.family = shown.family
             JOIN users ON users.id = shown.user_id WHERE shown.digest = $1 AND next.digest = $2
             AND shown.used_ms > $3 AND shown.revoked_ms IS NULL
             AND next.used_ms IS NULL AND next.revoked_ms IS NULL AND next.expires_ms > $4 AND NOT users.disabled",
        );
        let since = now.0.saturating_sub(i64::try_from(successor.grace.as_millis()).unwrap_or(i64::MAX));
        let query = query.bind(fingerprint(shown)).bind(fingerprint(successor.secret)).bind(since).bind(now);
        match self.fetch_optional(query).await? {
            Some(row) => Ok(Rotation::Repeated { user: row.id("user_id")? }),
            None => self.refuse_refresh_token(shown, now).await,
        }
    }

    /// Takes a refresh token that was shown, and nothing follows it: whoever has it signs out. Commit whatever comes back.
    pub async fn use_refresh_token(&mut self, secret: &str, now: UnixMillis) -> Result<Rotation, StoreError> {
        match self.take_refresh_token(secret, now).await? {
            Some((user, family)) => Ok(Rotation::Used { user, family }),
            None => self.refuse_refresh_token(secret, now).await,
        }
    }

    /// One statement decides who uses it, so of two at once one comes second.
    async fn take_refresh_token(
        &mut self,
        secret: &str,
        now: UnixMillis,
    ) -> Result<Option<(UserId, TokenFamily)>, StoreError> {
        let query = Query::new(
            "UPDATE refresh_tokens SET used_ms = $2 WHERE digest = $1 AND used_ms IS NULL AND revoked_ms IS NULL
             AND expires_ms > $2 AND EXISTS (SELECT 1 FROM users WHERE users.id = user_id AND NOT disabled)
             RETURNING user_id, family",
        );
        let row = self.fetch_optional(query.bind(fingerprint(secret)).bind(now)).await?;
        row.map(|row| Ok((row.id("user_id")?, row.id("family")?))).transpose()
    }

    /// It cannot be used. One that was used before ends its family.
    async fn refuse_refresh_token(&mut self, secret: &str, now: UnixMillis) -> Result<Rotation, StoreError> {
        let query = Query::new("SELECT user_id, family FROM refresh_tokens WHERE digest = $1 AND used_ms IS NOT NULL");
        let Some(row) = self.fetch_optional(query.bind(fingerprint(secret))).await? else {
            return Ok(Rotation::Refused);
        };
        let query = Query::new("UPDATE refresh_tokens SET revoked_ms = $2 WHERE family = $1 AND revoked_ms IS NULL");
        self.execute(query.bind(row.text("family")?).bind(now)).await?;
        Ok(Rotation::Reused { user: row.id("user_id")? })
    }

    /// Signs an account out everywhere.
    pub async fn revoke_refresh_tokens(&mut self, user: &UserId, now: UnixMillis) -> Result<(), StoreError> {
        let query = Query::new("UPDATE refresh_tokens SET revoked_ms = $2 WHERE user_id = $1 AND revoked_ms IS NULL");
        self.execute(query.bind(user).bind(now)).await?;
        Ok(())
    }

    /// Makes one access token (`jti`) worthless; remembered until it would have been so anyway.
    pub async fn revoke_token(&mut self, token_id: &str, expires: UnixMillis) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO revoked_tokens (token_id, expires_ms) VALUES ($1, $2) ON CONFLICT (token_id) DO NOTHING",
        );
        self.execute(query.bind(token_id).bind(expires)).await?;
        Ok(())
    }

    /// Makes all access tokens of an identity for a room worthless that were issued before `not_before`: for somebody
    /// who was removed and whose tokens nobody knows. `expires`: when the longest-lived of them would be over.
    pub async fn raise_token_floor(
        &mut self,
        room: &RoomName,
        identity: &Identity,
        not_before: UnixMillis,
        expires: UnixMillis,
    ) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO token_floors (room, identity, not_before_ms, expires_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (room, identity) DO UPDATE SET
             not_before_ms = CASE WHEN token_floors.not_before_ms > $3 THEN token_floors.not_before_ms ELSE $3 END,
             expires_ms = CASE WHEN token_floors.expires_ms > $4 THEN token_floors.expires_ms ELSE $4 END",
        );
        self.execute(query.bind(room).bind(identity).bind(not_before).bind(expires)).await?;
        Ok(())
    }
}

impl Store {
    /// Whether an access token has been made worthless. One that does not say when it was issued is older than any
    /// floor.
    pub async fn token_revoked(
        &self,
        token_id: Option<&str>,
        room: &RoomName,
        identity: &Identity,
        issued: Option<UnixMillis>,
    ) -> Result<bool, StoreError> {
        let query = Query::new(
            "SELECT (SELECT COUNT(*) FROM revoked_tokens WHERE token_id = $1)
             + (SELECT COUNT(*) FROM token_floors WHERE room = $2 AND identity = $3 AND not_before_ms > $4) AS found",
        );
        let query = query
            .bind(token_id)
            .bind(room)
            .bind(identity)
            .bind(issued.map_or(i64::MIN, |issued| issued.0));
        let row = self.fetch_one(query).await?;
        Ok(row.number("found")? > 0)
    }
}

/// SHA-256 in hexadecimal. No salt is needed: a refresh token is random, not guessed.
fn fingerprint(secret: &str) -> String {
    use std::fmt::Write as _;
    digest(&SHA256, secret.as_bytes()).as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
