//! Chat as a room sees it: what the server API posts, and (in time) what people write.

/// A message posted through the server API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatPost {
    /// Its id; clients know it by this.
    pub id: String,
    /// In whose name.
    pub identity: String,
    /// How its author is shown.
    pub name: String,
    /// What it says: at most 16 KiB.
    pub text: String,
}
