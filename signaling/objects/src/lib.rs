//! Where finished files are kept: a bucket that speaks S3, and the way there.
//!
//! A [`Shelf`] is a bucket with its keys: files are put on it, looked after, shown and taken away. What is on its way
//! there stands in an [`Outbox`]: a small file beside the files themselves, so that neither a killed server nor a
//! bucket that is away for days loses any.
//!
//! Owned by the control plane. Knows of ours only what a secret is, and nothing of rooms and recordings: it is handed files,
//! keys and randomness. Without a bucket there is nothing to do here: files stay where they were written.
//!
//! # What is held before a local file may go
//!
//! Every request is signed over its body (SigV4 with `x-amz-content-sha256`), so a bucket refuses what was changed on
//! the way. Afterwards it is asked what it holds: the size, and the `ETag`, which is the MD5 of what it received (of
//! several parts: the MD5 of their MD5s). A bucket whose ETags are something else (those that encrypt with keys of
//! their own) has the file read back and its SHA-256 compared. Only then is it [`Stored`].
//!
//! # Secrets
//!
//! Keys are [`Secret`]s, and errors are made anew here: of what a bucket or the network says, only the HTTP status and
//! the code of the error are kept ([`ShelfError`]), since texts may have addresses in them, and addresses signatures.
//! Keys that came with a request have to survive a crash: they stand in the clear in `outbox.json`, which its owner
//! alone may read, until the files are where they belong.

mod backoff;
mod digest;
mod durable;
mod error;
mod key;
mod outbox;
mod parcel;
mod settings;
mod shelf;
#[cfg(test)]
mod tests;
mod transport;
mod upload;

pub use backoff::{Patience, Random};
pub use error::{Code, ShelfError, Trouble};
pub use key::ObjectKey;
pub use outbox::{Outbox, OutboxConfig, Outcome, Receipt};
pub use parcel::{Destination, Item, Kept, Parcel};
pub use settings::S3Settings;
pub use shelf::{LONGEST_LIFE, Shelf, SignedUrl, Stored, Tries};
pub use sluice_secret::Secret;
pub use transport::Reach;
