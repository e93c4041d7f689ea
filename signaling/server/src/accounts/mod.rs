//! Accounts: people who sign in, here with a password or by a provider of OpenID Connect, and what they show afterwards.
//!
//! Whoever signed in has an *access token* for a quarter of an hour, which the doors take, and a *refresh token*, which is
//! used once for the next pair; who shows it again within seconds, since the answer was lost, gets the same next one. An
//! access token is looked at anew at each request, against the store and without a cache: an account that was disabled, or
//! whose password was changed, is out with its next request.
//!
//! One function for each thing somebody does. Knows neither HTTP nor cookies (the doors do), nor rooms.
//! [`directory`] is what administrators do, [`access`] the tokens, [`credentials`] what may be typed, [`oidc`] the provider.

mod access;
mod credentials;
mod directory;
mod oidc;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_store::{
    Identity, PasswordError, PasswordHash, RefreshToken, Rotation, Store, StoreError, Successor, TokenFamily,
    UnixMillis, User, UserId,
};
use tokio::sync::OnceCell;

use crate::auth::KeyError;
use crate::clock::moment as now;
use crate::config::{AccountsConfig, ServerConfig};
use crate::random::{random_id, random_secret};
use crate::roles::ADMIN;
use access::{AccessClaims, OwnKey};
pub use directory::{Directory, NewUser, UserChange};
pub use oidc::ProviderError;
pub(crate) use oidc::{Callback, OidcError, Provider, TICKET_LIFE_S, Vouched};

/// A refresh token that comes again this soon is one whose answer was lost, or that two pages showed at once: who shows it is
/// given the same successor, as long as nobody has shown that. Longer than a request that is tried again takes, shorter
/// than it takes to make use of a stolen one unnoticed.
const GRACE: Duration = Duration::from_secs(10);

/// Letters of ids nobody types.
const ID_LETTERS: usize = 20;

/// Why something was not done with an account. Each message is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// A login of another form.
    #[error("a login has 1 to 128 bytes: letters, digits and . _ - + @")]
    BadLogin,
    /// A name of another form.
    #[error("a name has 1 to 64 letters and at most 256 bytes")]
    BadName,
    /// A password that is too short, or far too long.
    #[error("a password has at least 8 characters and at most 1024 bytes")]
    BadPassword,
    /// A role nobody defined.
    #[error("there is no such role: `[roles]` of the configuration defines those besides host, participant and admin")]
    UnknownRole,
    /// Somebody else has it.
    #[error("there is already an account with this login")]
    LoginTaken,
    /// It is not there, or not any more.
    #[error("there is no such account")]
    NoUser,
    /// Nobody is told which of the two, nor that an account is disabled.
    #[error("no account has this login and this password")]
    WrongCredentials,
    /// By an administrator.
    #[error("this account cannot be used: ask an administrator")]
    Disabled,
    /// It signs in elsewhere.
    #[error("this account has no password: it signs in by a provider")]
    NoPassword,
    /// No refresh token, or none that counts.
    #[error("nobody is signed in: sign in again")]
    NotSignedIn,
    /// It was used before.
    #[error("this sign-in was ended, since its refresh token came twice: sign in again")]
    Reused,
    /// Accounts are made by administrators.
    #[error("accounts are made by administrators here")]
    RegistrationClosed,
    /// Too many passwords wait to be hashed, memory is out, or the process ends.
    #[error("that could not be done now: try again")]
    Busy,
    /// The store does not answer.
    #[error("storage does not answer: {0}")]
    Storage(#[from] StoreError),
    /// A token could not be signed.
    #[error("cannot sign a token: {0}")]
    Sign(#[from] serde_json::Error),
}

impl From<PasswordError> for AccountError {
    fn from(_: PasswordError) -> Self {
        Self::Busy
    }
}

/// Somebody who shows an access token that counts.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// As the store has it at this request.
    pub(crate) user: User,
    claims: AccessClaims,
}

impl Account {
    /// May everything, in every room.
    pub(crate) fn is_admin(&self) -> bool {
        self.user.roles.iter().any(|role| role == ADMIN)
    }
}

/// What an access token is worth.
#[derive(Debug)]
pub(crate) enum Shown {
    /// It counts.
    Good(Box<Account>),
    /// It did, once.
    Over,
    /// Nobody here signed it.
    Forged,
}

/// Somebody who has just signed in, or stays.
pub(crate) struct Session {
    pub(crate) user: User,
    pub(crate) access_token: String,
    /// Used once, for the next pair.
    pub(crate) refresh_token: String,
}

/// Somebody for whom the provider vouches, as they are known here.
pub(crate) enum Met {
    /// They were here before.
    Known(User),
    /// Since then the provider has given them other roles.
    Changed {
        /// As they are here now.
        user: User,
        /// What they shall be.
        roles: Vec<String>,
    },
    /// They were not: the account to be made.
    New(User),
}

/// The accounts of this server.
pub(crate) struct Accounts {
    pub(crate) config: AccountsConfig,
    pub(crate) directory: Directory,
    store: Store,
    key: OwnKey,
    /// Makes the refresh token that follows another: the same each time, so that it can be given again, and known to nobody
    /// else.
    successors: OwnKey,
    provider: Option<Provider>,
    /// The hash of a password nobody has: to look as long for a login that is not there.
    decoy: OnceCell<PasswordHash>,
}

impl Accounts {
    /// `None` where nobody signs in.
    ///
    /// # Errors
    /// [`KeyError::NoKeys`]; [`ProviderError`] when the provider cannot be used as configured.
    pub(crate) fn new(config: &ServerConfig, store: &Store) -> Result<Option<Self>, crate::ServerError> {
        if !config.accounts.enabled {
            return Ok(None);
        }
        let (_, secret) = config.keys.first().ok_or(KeyError::NoKeys)?;
        let provider = config.accounts.oidc.clone();
        Ok(Some(Self {
            config: config.accounts.clone(),
            directory: Directory::new(store.clone(), config),
            store: store.clone(),
            key: OwnKey::derive(secret, "access tokens"),
            successors: OwnKey::derive(secret, "refresh tokens"),
            provider: provider
                .map(|oidc| Provider::new(oidc, OwnKey::derive(secret, "sign-in by a provider")))
                .transpose()?,
            decoy: OnceCell::new(),
        }))
    }

    /// Who else vouches for people.
    pub(crate) fn provider(&self) -> Option<&Provider> {
        self.provider.as_ref()
    }

    /// What an access token is worth now. Nothing is remembered from one request to the next.
    pub(crate) async fn look_at(&self, token: &str) -> Result<Shown, StoreError> {
        let Some(claims) = self.key.open::<AccessClaims>(token).filter(AccessClaims::is_for_us) else {
            return Ok(Shown::Forged);
        };
        if claims.expires() <= now() {
            return Ok(Shown::Over);
        }
        let id = claims.user();
        let identity = Identity::from(id.as_str());
        let is_revoked = self
            .store
            .token_revoked(Some(&claims.jti), &directory::no_room(), &identity, Some(claims.issued()))
            .await?;
        match self.store.user(&id).await? {
            Some(user) if !user.disabled && !is_revoked => Ok(Shown::Good(Box::new(Account { user, claims }))),
            _ => Ok(Shown::Over),
        }
    }

    /// Signs in with a password. It takes as long whether there is such a login or not.
    pub(crate) async fn sign_in(&self, login: &str, password: &str) -> Result<Session, AccountError> {
        let user = match credentials::login(login) {
            Ok(login) => self.store.user_by_login(&login).await?,
            Err(_) => None,
        };
        match self.checked(user, password).await? {
            Some(user) => self.begin(user).await,
            None => Err(AccountError::WrongCredentials),
        }
    }

    /// The account, if that is its password and it can be used.
    async fn checked(&self, user: Option<User>, password: &str) -> Result<Option<User>, AccountError> {
        let hash = user.as_ref().and_then(|user| user.password_hash.as_ref());
        let decoy = self.decoy.get_or_try_init(|| async {
            let nobodys: [u8; 32] = random_secret();
            PasswordHash::new(&URL_SAFE_NO_PAD.encode(nobodys), random_secret()).await
        });
        let decoy = decoy.await?;
        let matches = hash.unwrap_or(decoy).matches(password).await?;
        Ok(user.filter(|user| matches && user.password_hash.is_some() && !user.disabled))
    }

    /// The account that somebody asks to have, with no role. Nothing is done yet.
    pub(crate) async fn registration(&self, new: NewUser) -> Result<User, AccountError> {
        if !self.config.registration {
            return Err(AccountError::RegistrationClosed);
        }
        if new.password.is_none() {
            return Err(AccountError::BadPassword);
        }
        self.directory.draft(NewUser { roles: Vec::new(), ..new }).await
    }

    /// Makes an account that was asked for, and signs it in.
    pub(crate) async fn register(&self, user: User) -> Result<Session, AccountError> {
        self.directory.insert(&user).await?;
        self.begin(user).await
    }

    /// What it takes to sign in whom the provider vouches for. Nothing is done yet. Who comes for the first time gets an
    /// account; it is theirs by what the provider calls them for good (`iss` and `sub`), never by a login or a mail address.
    pub(crate) async fn meet(&self, vouched: &oidc::Vouched) -> Result<Met, AccountError> {
        let roles = vouched.roles.clone().map(|roles| self.directory.only_known(roles));
        match self.store.user_by_foreign(&vouched.account).await? {
            Some(user) if user.disabled => Err(AccountError::Disabled),
            Some(user) => match roles {
                // The provider decides who is what, at each sign-in.
                Some(roles) if roles != user.roles => Ok(Met::Changed { user, roles }),
                _ => Ok(Met::Known(user)),
            },
            None => Ok(Met::New(directory::new_foreign(vouched, roles.unwrap_or_default()))),
        }
    }

    /// Makes the account of somebody who came for the first time, under another login where that one is taken.
    ///
    /// # Errors
    /// [`AccountError::LoginTaken`] too when the same person signed in elsewhere at the same moment: meet them again.
    pub(crate) async fn welcome(&self, user: User) -> Result<User, AccountError> {
        match self.directory.insert(&user).await {
            Ok(()) => return Ok(user),
            Err(AccountError::LoginTaken) => {}
            Err(other) => return Err(other),
        }
        let login = directory::foreign_login(Some(&user.login), true);
        let user = User { login, ..user };
        self.directory.insert(&user).await?;
        Ok(user)
    }

    /// Gives an account the roles that the provider says.
    pub(crate) async fn appoint(&self, user: &UserId, roles: Vec<String>) -> Result<User, AccountError> {
        let change = UserChange { roles: Some(roles), ..UserChange::default() };
        self.directory.change(user, change).await
    }

    /// The next pair of tokens. A refresh token that comes twice has been copied, unless its answer was lost ([`GRACE`]): then
    /// all that came of this sign-in ends.
    pub(crate) async fn refresh(&self, token: &str) -> Result<Session, AccountError> {
        self.refresh_at(token, now()).await
    }

    async fn refresh_at(&self, token: &str, now: UnixMillis) -> Result<Session, AccountError> {
        let next = URL_SAFE_NO_PAD.encode(self.successors.following(token));
        let successor = Successor { secret: &next, expires: now.plus(self.config.refresh_life), grace: GRACE };
        let mut transaction = self.store.begin().await?;
        match transaction.rotate_refresh_token(token, &successor, now).await? {
            Rotation::Used { user, .. } | Rotation::Repeated { user } => {
                transaction.commit().await?;
                let user = self.store.user(&user).await?.filter(|user| !user.disabled);
                self.session(user.ok_or(AccountError::NotSignedIn)?, next)
            }
            Rotation::Reused { user } => {
                transaction.commit().await?;
                tracing::warn!(user = %user, "a refresh token came twice: the sign-in it belonged to is ended");
                Err(AccountError::Reused)
            }
            Rotation::Refused => Err(AccountError::NotSignedIn),
        }
    }

    /// Signs out here: neither the refresh token nor the access token counts any more.
    pub(crate) async fn sign_out(
        &self,
        refresh_token: Option<&str>,
        account: Option<&Account>,
    ) -> Result<(), AccountError> {
        let now = now();
        let mut transaction = self.store.begin().await?;
        if let Some(token) = refresh_token {
            // Used without a successor: whatever comes of it, it is over.
            transaction.use_refresh_token(token, now).await?;
        }
        if let Some(Account { claims, .. }) = account {
            transaction.revoke_token(&claims.jti, claims.expires()).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Changes one's own password. Everybody who is signed in to the account is signed out, but for who does it.
    pub(crate) async fn change_password(
        &self,
        account: &Account,
        old: &str,
        new: &str,
    ) -> Result<Session, AccountError> {
        if account.user.password_hash.is_none() {
            return Err(AccountError::NoPassword);
        }
        let hash = directory::hash(new).await?;
        let user = self.checked(Some(account.user.clone()), old).await?;
        let user = user.ok_or(AccountError::WrongCredentials)?;
        let user = self
            .directory
            .edit(&user.id, true, |user| {
                user.password_hash = Some(hash.clone());
                Ok(())
            })
            .await?;
        self.begin(user).await
    }

    /// Signs somebody in who has shown who they are.
    pub(crate) async fn begin(&self, user: User) -> Result<Session, AccountError> {
        self.begin_at(user, now()).await
    }

    async fn begin_at(&self, user: User, now: UnixMillis) -> Result<Session, AccountError> {
        let secret: [u8; 32] = random_secret();
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let family = TokenFamily::from(random_id(ID_LETTERS));
        let expires = now.plus(self.config.refresh_life);
        let token = RefreshToken { user: user.id.clone(), family, issued: now, expires };
        let mut transaction = self.store.begin().await?;
        transaction.give_refresh_token(&secret, &token).await?;
        transaction.commit().await?;
        self.session(user, secret)
    }

    fn session(&self, user: User, refresh_token: String) -> Result<Session, AccountError> {
        let life_s = i64::try_from(self.config.access_life.as_secs()).unwrap_or(i64::MAX);
        let claims = AccessClaims::new(&user.id, random_id(ID_LETTERS), now(), life_s);
        Ok(Session { access_token: self.key.sign(&claims)?, user, refresh_token })
    }
}

/// Whether a token says to be an account's.
pub(crate) fn is_access_token(token: &str) -> bool {
    access::is_one(token)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sluice_store::StoreOptions;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn later(ms: u64) -> UnixMillis {
        NOW.plus(Duration::from_millis(ms))
    }

    async fn accounts(store: &Store) -> Accounts {
        let mut config = ServerConfig::new(vec![("APIone".into(), "correct horse battery staple".into())]);
        config.accounts.enabled = true;
        Accounts::new(&config, store).unwrap().unwrap()
    }

    #[tokio::test]
    async fn an_answer_that_was_lost_is_given_again_and_a_copy_still_ends_the_sign_in() {
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", home.path().join("sluice.db").display());
        let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
        let before = accounts(&store).await;
        let ann = before
            .directory
            .create(NewUser { login: "ann".into(), ..NewUser::default() })
            .await
            .unwrap();
        let first = before.begin_at(ann.clone(), NOW).await.unwrap().refresh_token;
        let lost = before.refresh_at(&first, later(1_000)).await.unwrap();
        // By the server that was started since, or by another one beside it.
        let accounts = accounts(&store).await;
        let again = accounts.refresh_at(&first, later(10_999)).await.unwrap();
        assert_eq!(again.refresh_token, lost.refresh_token);
        assert_ne!(again.refresh_token, first);
        let third = accounts.refresh_at(&again.refresh_token, later(600_000)).await.unwrap().refresh_token;
        // The answer came, so who has the token before it is somebody else.
        let copy = accounts.refresh_at(&first, later(2_000)).await;
        assert!(matches!(copy, Err(AccountError::Reused)));
        let ended = accounts.refresh_at(&third, later(600_001)).await;
        assert!(matches!(ended, Err(AccountError::NotSignedIn)));

        let first = accounts.begin_at(ann.clone(), NOW).await.unwrap().refresh_token;
        let second = accounts.refresh_at(&first, later(1_000)).await.unwrap().refresh_token;
        assert!(matches!(accounts.refresh_at(&first, later(11_000)).await, Err(AccountError::Reused)), "too late");
        assert!(matches!(accounts.refresh_at(&second, later(11_001)).await, Err(AccountError::NotSignedIn)));

        // Signing out has no successor that could be given again.
        let first = accounts.begin(ann).await.unwrap().refresh_token;
        accounts.sign_out(Some(&first), None).await.unwrap();
        assert!(matches!(accounts.refresh(&first).await, Err(AccountError::Reused)));
        store.close().await;
    }
}
