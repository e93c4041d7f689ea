//! Everything durable of the control plane: rooms, the event log and the webhooks that are owed, sessions, chat,
//! quality, accounts, bans, tokens. Over SQLite, which needs nothing, or PostgreSQL, by URL.
//!
//! Owned by the composition root, which opens one [`Store`] and gives clones to the doors. No SQL is written outside
//! this crate, and no type of a database driver leaves it. It decides nothing: who may do what is asked before, what a
//! value means is known elsewhere. Time and randomness (ids, salts, jitter) come in from outside. The audit trail is
//! not here: it is a file of its own that nobody with access to the database can change.

mod bans;
mod chat;
mod check;
mod deeds;
mod erasure;
mod error;
mod events;
mod migrations;
pub mod outbox;
mod passwords;
mod quality;
mod query;
mod recordings;
mod retention;
mod rooms;
mod server_lock;
mod sessions;
mod store;
mod summaries;
mod tokens;
mod users;
mod values;
mod version;

pub use bans::{BANS_OF_A_ROOM, Ban, BanSubject};
pub use chat::{ChatMessage, NewChatMessage, Sender};
pub use deeds::{DeedState, OwedDeed};
pub use erasure::{Erased, Person};
pub use error::{Source, StoreError};
pub use events::{Event, EventPage, NewEvent};
pub use passwords::{PasswordError, PasswordHash};
pub use quality::{Quality, QualitySample};
pub use recordings::{Recording, RecordingFilter};
pub use retention::{Retention, Swept};
pub use rooms::{Lifetime, Room};
pub use server_lock::{LockNews, ServerLock};
pub use sessions::{NewSession, Phase, Session, SessionKind, SessionState, Stay};
pub use store::{Store, StoreOptions, Transaction};
pub use summaries::{SessionFigures, SessionFilter, SessionPlace, SessionSummary};
pub use tokens::{RefreshToken, Rotation, Successor};
pub use users::{ForeignAccount, User};
pub use values::{
    BanId, EventKind, Identity, LeaseId, MessageId, ParticipantId, ReceiverId, RoomName, SessionId, TokenFamily,
    UnixMillis, UserId,
};
