//! The accounts there are, and what administrators do with them: one function for each thing. The doors and the command line
//! both come here. Knows neither tokens nor who asks.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_store::{Identity, PasswordHash, RoomName, Store, StoreError, Transaction, UnixMillis, User, UserId};

use super::{AccountError, Vouched, credentials, now, random_secret};
use crate::config::ServerConfig;
use crate::random::random_id;
use crate::roles::Roles;

/// Letters of an account's id: 31^16 of them.
const USER_ID_LETTERS: usize = 16;
/// Of a foreign login that is taken here, before what tells it from others: together it is still one.
const FOREIGN_BYTES: usize = 100;
/// How often a change is tried again when others change the same account.
const ATTEMPTS: u32 = 5;

/// Access tokens of accounts are for no room: the store keeps what revokes them under this name, which no room can have.
pub(super) fn no_room() -> RoomName {
    RoomName::from("")
}

/// An account to be made.
#[derive(Clone, Default)]
pub struct NewUser {
    /// What is typed to sign in.
    pub login: String,
    /// What others see; the login when it is not said.
    pub name: Option<String>,
    /// `None`: no password opens it until one is set.
    pub password: Option<String>,
    /// Which roles.
    pub roles: Vec<String>,
}

/// What is to be changed of an account; `None` stays.
#[derive(Clone, Default)]
pub struct UserChange {
    /// What others see.
    pub name: Option<String>,
    /// All of its roles.
    pub roles: Option<Vec<String>>,
    /// Whether it cannot be used.
    pub disabled: Option<bool>,
    /// A new password.
    pub password: Option<String>,
}

/// All accounts.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    roles: BTreeSet<String>,
    /// After this time no access token that is out now counts.
    access_life: Duration,
}

impl Directory {
    /// The accounts in this store.
    #[must_use]
    pub fn new(store: Store, config: &ServerConfig) -> Self {
        let roles = Roles::new(&config.roles).names().map(str::to_owned).collect();
        Self { store, roles, access_life: config.accounts.access_life }
    }

    /// Accounts in the order of their logins, at most `limit` of those after the login `after`.
    ///
    /// # Errors
    /// [`AccountError::Storage`].
    pub async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>, AccountError> {
        Ok(self.store.users(after, limit).await?)
    }

    /// The account of that login.
    ///
    /// # Errors
    /// [`AccountError::NoUser`], [`AccountError::Storage`].
    pub async fn find(&self, login: &str) -> Result<User, AccountError> {
        let login = credentials::login(login).map_err(|_| AccountError::NoUser)?;
        self.store.user_by_login(&login).await?.ok_or(AccountError::NoUser)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`AccountError`]: what of it cannot be so, or that the login is taken.
    pub async fn create(&self, new: NewUser) -> Result<User, AccountError> {
        let user = self.draft(new).await?;
        self.insert(&user).await?;
        Ok(user)
    }

    /// An account as it would be made.
    pub(super) async fn draft(&self, new: NewUser) -> Result<User, AccountError> {
        let login = credentials::login(&new.login)?;
        let name = credentials::name(new.name.as_deref().unwrap_or(&login))?;
        let roles = self.known(new.roles)?;
        let password_hash = match new.password {
            Some(password) => Some(hash(&password).await?),
            None => None,
        };
        let now = now();
        Ok(User {
            id: UserId::from(random_id(USER_ID_LETTERS)),
            login,
            name,
            password_hash,
            foreign: None,
            roles,
            disabled: false,
            created: now,
            updated: now,
        })
    }

    pub(super) async fn insert(&self, user: &User) -> Result<(), AccountError> {
        self.store.create_user(user).await.map_err(|error| match error {
            StoreError::Exists { .. } => AccountError::LoginTaken,
            other => other.into(),
        })
    }

    /// Changes an account. With a new password, or disabled, it is signed out everywhere at once.
    ///
    /// # Errors
    /// [`AccountError`]: what of it cannot be so, or that there is no such account.
    pub async fn change(&self, id: &UserId, change: UserChange) -> Result<User, AccountError> {
        let name = change.name.as_deref().map(credentials::name).transpose()?;
        let roles = change.roles.map(|roles| self.known(roles)).transpose()?;
        let password_hash = match change.password {
            Some(password) => Some(hash(&password).await?),
            None => None,
        };
        let signs_out = password_hash.is_some() || change.disabled == Some(true);
        self.edit(id, signs_out, |user| {
            if let Some(name) = &name {
                user.name.clone_from(name);
            }
            if let Some(roles) = &roles {
                user.roles.clone_from(roles);
            }
            if let Some(hash) = &password_hash {
                user.password_hash = Some(hash.clone());
            }
            user.disabled = change.disabled.unwrap_or(user.disabled);
            Ok(())
        })
        .await
    }

    /// Deletes an account; rooms it made and what it said in them stay. (To forget a person is another thing.)
    ///
    /// # Errors
    /// [`AccountError::NoUser`], [`AccountError::Storage`].
    pub async fn remove(&self, id: &UserId) -> Result<(), AccountError> {
        self.store.delete_user(id).await.map_err(|error| match error {
            StoreError::Missing { .. } => AccountError::NoUser,
            other => other.into(),
        })
    }

    /// Changes an account as it is now: of two who change it at once neither undoes what the other did.
    pub(super) async fn edit(
        &self,
        id: &UserId,
        signs_out: bool,
        edit: impl Fn(&mut User) -> Result<(), AccountError>,
    ) -> Result<User, AccountError> {
        for _ in 0..ATTEMPTS {
            let mut user = self.store.user(id).await?.ok_or(AccountError::NoUser)?;
            let seen = user.updated;
            edit(&mut user)?;
            user.updated = now().max(seen.plus(Duration::from_millis(1)));
            let mut transaction = self.store.begin().await?;
            match transaction.update_seen_user(&user, seen).await {
                Err(StoreError::Conflict { .. }) => continue,
                other => other?,
            }
            if signs_out {
                self.sign_out(&mut transaction, id).await?;
            }
            transaction.commit().await?;
            return Ok(user);
        }
        Err(AccountError::Storage(StoreError::Conflict { what: "others keep changing the account" }))
    }

    /// Everywhere: neither a refresh token nor an access token that is out counts any more.
    async fn sign_out(&self, transaction: &mut Transaction, id: &UserId) -> Result<(), AccountError> {
        let now = now();
        let identity = Identity::from(id.as_str());
        transaction.revoke_refresh_tokens(id, now).await?;
        transaction
            .raise_token_floor(&no_room(), &identity, now, now.plus(self.access_life))
            .await?;
        Ok(())
    }

    /// Roles there are, each once.
    fn known(&self, mut roles: Vec<String>) -> Result<Vec<String>, AccountError> {
        if !roles.iter().all(|role| self.roles.contains(role)) {
            return Err(AccountError::UnknownRole);
        }
        let mut seen = BTreeSet::new();
        roles.retain(|role| seen.insert(role.clone()));
        Ok(roles)
    }

    /// Of these, the roles there are.
    pub(super) fn only_known(&self, roles: Vec<String>) -> Vec<String> {
        let known = roles.into_iter().filter(|role| self.roles.contains(role)).collect();
        self.known(known).unwrap_or_default()
    }
}

/// A login for somebody who comes from elsewhere: as they are called there, with letters behind it when that is taken here.
/// It never leads to an account that is there already: a name proves nothing.
pub(super) fn foreign_login(hint: Option<&str>, is_taken: bool) -> String {
    let login = hint.and_then(|hint| credentials::login(hint).ok());
    match (login, is_taken) {
        (Some(login), false) => login,
        (Some(login), true) => {
            let most = &login[..login.floor_char_boundary(FOREIGN_BYTES)];
            format!("{most}-{}", random_id(6))
        }
        (None, _) => format!("user-{}", random_id(8)),
    }
}

/// The account of somebody whom nobody here knows yet.
pub(super) fn new_foreign(vouched: &Vouched, roles: Vec<String>) -> User {
    let now: UnixMillis = now();
    let login = foreign_login(vouched.login.as_deref(), false);
    let name = vouched.name.as_deref().and_then(|name| credentials::name(name).ok());
    User {
        id: UserId::from(random_id(USER_ID_LETTERS)),
        name: name.or_else(|| credentials::name(&login).ok()).unwrap_or_else(|| "?".to_owned()),
        login,
        password_hash: None,
        foreign: Some(vouched.account.clone()),
        roles,
        disabled: false,
        created: now,
        updated: now,
    }
}

pub(super) async fn hash(password: &str) -> Result<PasswordHash, AccountError> {
    let salt: [u8; 16] = random_secret();
    PasswordHash::new(credentials::password(password)?, salt)
        .await
        .map_err(|_| AccountError::Busy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn whoever_comes_from_elsewhere_has_a_login_that_can_be_typed() {
        assert_eq!(foreign_login(Some("Ada@example.org"), false), "ada@example.org");
        let long = "é".repeat(64);
        for hint in [Some("ada"), Some(long.as_str()), Some("a b"), Some(""), None] {
            for is_taken in [false, true] {
                let login = foreign_login(hint, is_taken);
                assert_eq!(credentials::login(&login).unwrap(), login, "{hint:?}");
            }
        }
        assert!(foreign_login(Some("ada"), true).starts_with("ada-"));
    }
}
