//! A bucket with its keys, and what is done with single objects.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::HttpConnector;
use object_store::signer::Signer as _;
use object_store::{ObjectStoreExt as _, RetryConfig};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use crate::error::Failure;
use crate::transport::{Connector, Network, Reach};
use crate::{ObjectKey, Patience, Random, S3Settings, ShelfError, Trouble};

/// Longest a signed address lives. It is a key of its own: who has it needs no other.
pub const LONGEST_LIFE: Duration = Duration::from_secs(300);
/// Most that one [`Shelf::read`] gives.
const READ_BYTES: u64 = 8 << 20;
/// An answer to a small request takes no longer.
const ANSWER: Duration = Duration::from_secs(30);
/// Slowest a body may go: a way slower than this would take two minutes for a part, and never end a call of an hour.
const SLOWEST_BYTES_PER_S: u64 = 64 * 1024;

/// How requests are made, and how many at once.
#[derive(Clone)]
pub struct Tries {
    /// How often one is tried.
    pub patience: Patience,
    /// For how long to wait in between.
    pub random: Random,
    /// A permit is held while a request is under way (not while it is waited for the next try), and with it at most one
    /// part of a file in memory. Shared by as many shelves as should take turns.
    pub turns: Arc<Semaphore>,
}

/// A bucket with its keys. Copies are the same one.
#[derive(Clone)]
pub struct Shelf {
    inner: Arc<Inner>,
}

struct Inner {
    s3: AmazonS3,
    settings: S3Settings,
    tries: Tries,
}

/// What a bucket holds, and was seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its name there.
    pub key: ObjectKey,
    /// How large.
    pub bytes: u64,
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Its address, for who has keys.
    pub location: String,
}

/// An address that opens an object without keys. Not shown, since it is a key itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl(String);

impl SignedUrl {
    /// The address, for the one it is meant for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::Secret::HIDDEN)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shelf").field(&self.inner.settings).finish()
    }
}

impl fmt::Debug for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tries")
            .field("patience", &self.patience)
            .field("turns", &self.turns)
            .finish_non_exhaustive()
    }
}

impl Shelf {
    /// A bucket. Nobody is asked yet whether it is there. With a `reach`, it has to be at addresses that are reached;
    /// a name is looked at each time it is resolved.
    ///
    /// # Errors
    /// [`ShelfError::Settings`]; [`ShelfError::OffLimits`] when the endpoint is an address that is not reached.
    pub fn open(settings: S3Settings, tries: Tries, reach: Option<Reach>) -> Result<Self, ShelfError> {
        settings.check_reach(reach)?;
        let network = Network { reach, is_plain_http: settings.is_plain_http() };
        Self::over(Arc::new(network), settings, tries)
    }

    /// A bucket by another way than the network.
    pub(crate) fn over(
        connector: Arc<dyn HttpConnector>,
        settings: S3Settings,
        tries: Tries,
    ) -> Result<Self, ShelfError> {
        settings.check()?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(settings.region())
            .with_access_key_id(settings.access_key.reveal())
            .with_secret_access_key(settings.secret_key.reveal())
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(Connector(connector));
        builder = match (&settings.endpoint, settings.path_style) {
            // The bucket is added by `object_store`.
            (Some(endpoint), true) => builder.with_endpoint(endpoint),
            _ if !settings.path_style => builder.with_endpoint(settings.address()),
            _ => builder,
        };
        if let Some(token) = &settings.session_token {
            builder = builder.with_token(token.reveal());
        }
        let s3 = builder
            .build()
            .map_err(|_| ShelfError::Settings("no bucket can be asked with these settings"))?;
        Ok(Self { inner: Arc::new(Inner { s3, settings, tries }) })
    }

    /// What it was opened with.
    #[must_use]
    pub fn settings(&self) -> &S3Settings {
        &self.inner.settings
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_patience(&self, patience: Patience) -> Self {
        let Inner { s3, settings, tries } = self.inner.as_ref();
        let tries = Tries { patience, ..tries.clone() };
        Self { inner: Arc::new(Inner { s3: s3.clone(), settings: settings.clone(), tries }) }
    }

    /// The address of an object, for who has keys.
    #[must_use]
    pub fn location(&self, key: &ObjectKey) -> String {
        self.inner.settings.location(key)
    }

    /// Whether an object is in this bucket, and not in one that was configured before. Nobody is asked.
    #[must_use]
    pub fn is_of(&self, stored: &Stored) -> bool {
        self.location(&stored.key) == stored.location
    }

    /// An address that opens an object without keys, for a short time. Whether there is such an object is not asked.
    ///
    /// # Errors
    /// [`ShelfError::Life`] when it is to live longer than [`LONGEST_LIFE`], or not a second.
    pub async fn presign(&self, key: &ObjectKey, life: Duration) -> Result<SignedUrl, ShelfError> {
        if life > LONGEST_LIFE || life < Duration::from_secs(1) {
            return Err(ShelfError::Life);
        }
        let signed = self.s3().signed_url(Method::GET, &key.path()?, life).await;
        // Nothing is asked of anybody, so nothing can be wrong but what was signed.
        signed
            .map(|url| SignedUrl(url.into()))
            .map_err(|_| ShelfError::Key("is none that can be signed"))
    }

    /// Takes an object away. One that is not there is away.
    ///
    /// # Errors
    /// All that a bucket can refuse, and [`ShelfError::Unavailable`].
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), ShelfError> {
        let path = key.path()?;
        match self.ask(|| self.s3().delete(&path)).await {
            Err(Failure::Final(ShelfError::NoObject)) => Ok(()),
            outcome => outcome.map_err(Failure::give_up),
        }
    }

    /// Reads bytes of an object, at most 8 MiB of them.
    ///
    /// # Errors
    /// [`ShelfError::NoObject`], all that a bucket can refuse, and [`ShelfError::Unavailable`].
    pub async fn read(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, ShelfError> {
        let path = key.path()?;
        let range = range.start..range.end.min(range.start.saturating_add(READ_BYTES));
        self.ask(|| self.s3().get_range(&path, range.clone())).await.map_err(Failure::give_up)
    }

    pub(crate) fn s3(&self) -> &AmazonS3 {
        &self.inner.s3
    }

    /// A small request, as often as it takes.
    pub(crate) async fn ask<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut failures = 0;
        loop {
            let outcome = {
                let _turn = self.turn().await;
                in_time(0, request()).await
            };
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.wait_after(failure, &mut failures).await?,
            }
        }
    }

    /// Waits until it is this one's turn.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The error is that nobody takes turns any more; then nobody waits either.
        self.inner.tries.turns.acquire().await.ok()
    }

    /// Waits before the next try of something that failed. The error: there is none.
    pub(crate) async fn wait_after(&self, failure: Failure, failures: &mut u32) -> Result<(), Failure> {
        let Failure::Passing(trouble) = failure else { return Err(failure) };
        *failures = failures.saturating_add(1);
        let Tries { patience, random, .. } = &self.inner.tries;
        if patience.is_spent(*failures) {
            return Err(Failure::Passing(trouble));
        }
        // Once in a while: an outage of a day is not a million lines.
        if failures.is_power_of_two() {
            tracing::warn!(bucket = %self.inner.settings, %trouble, tries = *failures, "a bucket is tried again");
        }
        sleep(patience.delay(*failures, random())).await;
        Ok(())
    }
}

impl Failure {
    /// Nothing more is tried.
    pub(crate) fn give_up(self) -> ShelfError {
        match self {
            Self::Passing(trouble) => ShelfError::Unavailable(trouble),
            Self::NoUpload => ShelfError::NoObject,
            Self::Final(error) => error,
        }
    }
}

/// A request with so many bytes in its body has so long.
pub(crate) async fn in_time<T, E>(bytes: u64, request: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    let most = ANSWER + Duration::from_secs(bytes / SLOWEST_BYTES_PER_S);
    match timeout(most, request).await {
        Ok(outcome) => outcome.map_err(Failure::from),
        Err(_) => Err(Failure::Passing(Trouble::Timeout)),
    }
}
