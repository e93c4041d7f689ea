//! Why something is not recorded.

/// What is wrong with a request, for whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field that is needed is empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Two fields of which only one can be meant.
    #[error("only one of {0} can be asked for")]
    Ambiguous(&'static str),
    /// A number that stands for nothing.
    #[error("{0} has a value that is not known")]
    UnknownValue(&'static str),
    /// A file name that leads elsewhere, or cannot be written.
    #[error("the file name {0}")]
    Name(&'static str),
    /// An address that is none, or of a scheme that is not spoken.
    #[error("a stream goes to an rtmp://, rtmps:// or srt:// address")]
    StreamAddress,
    /// More outputs than anybody needs.
    #[error("a recording has at most {0} outputs")]
    TooMany(usize),
    /// What needs something that is not there. The sentence says what there is instead.
    #[error("{0}")]
    NotOffered(&'static str),
}
