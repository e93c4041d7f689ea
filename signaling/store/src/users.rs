//! Accounts: people who sign in, here with a password or elsewhere.

use crate::query::{Query, Row, texts};
use crate::{PasswordHash, Store, StoreError, Transaction, UnixMillis, UserId};

/// Who somebody is to an OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignAccount {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// What is typed to sign in; nobody else has it.
    pub login: String,
    /// What others see.
    pub name: String,
    /// `None`: no password opens it.
    pub password_hash: Option<PasswordHash>,
    /// Who it is elsewhere.
    pub foreign: Option<ForeignAccount>,
    /// host, participant, admin, and those the application defines.
    pub roles: Vec<String>,
    /// Whether it cannot be used.
    pub disabled: bool,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was last changed.
    pub updated: UnixMillis,
}

impl Transaction {
    /// Makes an account.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the login, the foreign account or the id is taken.
    pub async fn create_user(&mut self, user: &User) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO users (id, login, name, password_hash, issuer, issuer_subject, roles, disabled, updated_ms,
             created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        );
        self.execute(fields(query, user).bind(user.created))
            .await
            .map_err(|error| error.about("account"))?;
        Ok(())
    }

    /// Replaces all of an account but its id and when it was made.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Exists`] when the login or the foreign account is another's.
    pub async fn update_user(&mut self, user: &User) -> Result<(), StoreError> {
        let query = Query::new(
            "UPDATE users SET login = $2, name = $3, password_hash = $4, issuer = $5, issuer_subject = $6, roles = $7,
             disabled = $8, updated_ms = $9 WHERE id = $1",
        );
        match self.execute(fields(query, user)).await.map_err(|error| error.about("account"))? {
            0 => Err(StoreError::Missing { what: "account" }),
            _ => Ok(()),
        }
    }

    /// The same, unless the account was changed since `seen`, when it was last changed before it was read. `updated` must
    /// be later.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed or deleted it meanwhile; [`StoreError::Exists`] when the login or the
    /// foreign account is another's.
    pub async fn update_seen_user(&mut self, user: &User, seen: UnixMillis) -> Result<(), StoreError> {
        let query = Query::new(
            "UPDATE users SET login = $2, name = $3, password_hash = $4, issuer = $5, issuer_subject = $6, roles = $7,
             disabled = $8, updated_ms = $9 WHERE id = $1 AND updated_ms = $10",
        );
        match self
            .execute(fields(query, user).bind(seen))
            .await
            .map_err(|error| error.about("account"))?
        {
            0 => Err(StoreError::Conflict { what: "the account was changed meanwhile" }),
            _ => Ok(()),
        }
    }
}

impl Store {
    /// Makes an account; see [`Transaction::create_user`].
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn create_user(&self, user: &User) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.create_user(user).await?;
        transaction.commit().await
    }

    /// Deletes an account with its refresh tokens. Rooms it made, and recordings of them, stay, as nobody's.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn delete_user(&self, id: &UserId) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = Query::new("UPDATE rooms SET created_by = NULL WHERE created_by = $1");
        transaction.execute(query.bind(id)).await?;
        let query = Query::new("UPDATE recordings SET owner = NULL WHERE owner = $1");
        transaction.execute(query.bind(id)).await?;
        match transaction.execute(Query::new("DELETE FROM users WHERE id = $1").bind(id)).await? {
            0 => Err(StoreError::Missing { what: "account" }),
            _ => transaction.commit().await,
        }
    }

    /// An account by its id.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.one_user(Query::new("SELECT * FROM users WHERE id = $1").bind(id)).await
    }

    /// An account by what is typed to sign in.
    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        self.one_user(Query::new("SELECT * FROM users WHERE login = $1").bind(login)).await
    }

    /// An account by who it is elsewhere.
    pub async fn user_by_foreign(&self, account: &ForeignAccount) -> Result<Option<User>, StoreError> {
        let query = Query::new("SELECT * FROM users WHERE issuer = $1 AND issuer_subject = $2");
        self.one_user(query.bind(&account.issuer).bind(&account.subject)).await
    }

    async fn one_user(&self, query: Query) -> Result<Option<User>, StoreError> {
        self.fetch_optional(query).await?.as_ref().map(User::read).transpose()
    }

    /// Accounts in the order of their logins, those after `after`.
    pub async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>, StoreError> {
        let query = Query::new("SELECT * FROM users WHERE login > $1 ORDER BY login LIMIT $2");
        self.fetch_all(query.bind(after.unwrap_or_default()).bind(limit))
            .await?
            .iter()
            .map(User::read)
            .collect()
    }
}

/// `$1` to `$9`.
fn fields(query: Query, user: &User) -> Query {
    query
        .bind(&user.id)
        .bind(&user.login)
        .bind(&user.name)
        .bind(user.password_hash.as_ref().map(PasswordHash::as_str))
        .bind(user.foreign.as_ref().map(|foreign| foreign.issuer.as_str()))
        .bind(user.foreign.as_ref().map(|foreign| foreign.subject.as_str()))
        .bind(texts(&user.roles))
        .bind(user.disabled)
        .bind(user.updated)
}

impl User {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let foreign = match (row.text_or_none("issuer")?, row.text_or_none("issuer_subject")?) {
            (Some(issuer), Some(subject)) => Some(ForeignAccount { issuer, subject }),
            _ => None,
        };
        Ok(Self {
            id: row.id("id")?,
            login: row.text("login")?,
            name: row.text("name")?,
            password_hash: row.text_or_none("password_hash")?.map(PasswordHash::from_stored),
            foreign,
            roles: row.texts("roles")?,
            disabled: row.flag("disabled")?,
            created: row.time("created_ms")?,
            updated: row.time("updated_ms")?,
        })
    }
}
