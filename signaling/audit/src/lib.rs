//! The audit trail: who did what to whom, from where, with what result. A file of its own that is only ever appended
//! to, where each record is chained to the one before by its hash and signed, so that no change goes unnoticed by
//! [`verify()`].
//!
//! Owned by the composition root. Knows neither the store nor rooms nor the network: it is handed entries, time and
//! keys. It is apart from the database so that who can write there cannot rewrite what was done, and so that it can be
//! verified without a server.
//!
//! # The file
//!
//! One record a line, JSON: `{"record":{...},"hash":"...","signature":"..."}`. The record is written in one canonical
//! form (fields in order, no spaces), and holds the hash of the record before it. `hash` is SHA-256 over that hash and
//! the bytes of the record; `signature` is Ed25519 (RFC 8032) over number and hash. Beside the file, `NAME.head` holds
//! number, hash and signature of the newest record: what has been cut off the end is missed there. A copy of the head
//! that is kept elsewhere holds against somebody who changes both files.
//!
//! What it does not withstand: somebody who has the signing key can write another history. Keep copies of the head, and
//! the key where the file is not.

mod head;
mod keys;
mod log;
mod record;
mod shared;
mod verify;

pub use head::Head;
pub use keys::{AddressKey, KeyError, SigningKey, VerifyingKey};
pub use log::{AuditError, AuditLog};
pub use record::{Digest, Entry, Kind, Outcome, Record};
pub use shared::{Trail, TrailError};
pub use verify::{BadRecord, Flaw, Verified, VerifyError, export, head_path, verify};
