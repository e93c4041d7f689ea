//! What can go wrong, without a word of what others said about it.

use std::error::Error;
use std::fmt;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

use crate::durable;
use crate::transport::{Answered, OffLimits};

/// The code of an error as S3 names it (`AccessDenied`, `NoSuchBucket`, ...): letters and digits only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// Longest of S3's is about 50.
    const BYTES: usize = 64;

    /// The code in the body of an answer. What is no plain word is none: it would be shown.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (_, rest) = text.split_once("<Code>")?;
        let (code, _) = rest.split_once("</Code>")?;
        let is_word = (1..=Self::BYTES).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_word.then(|| Self(code.to_owned()))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An HTTP status, with the code that came with it.
struct Said<'a>(u16, Option<&'a Code>);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(code) => write!(f, "{} {}", self.0, code.as_str()),
            None => write!(f, "{}", self.0),
        }
    }
}

/// What passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody answers there.
    #[error("it cannot be connected to")]
    Connect,
    /// No answer in time.
    #[error("it does not answer in time")]
    Timeout,
    /// The connection broke, or what came over it was not to be understood.
    #[error("the connection broke")]
    Interrupted,
    /// It says that it cannot just now.
    #[error("it answers {0}")]
    Status(u16),
}

/// Why something is not done with a bucket. Texts have no secrets, no keys of objects and no addresses.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// What should be the key of an object is none.
    #[error("the name of an object {0}")]
    Key(&'static str),
    /// The settings cannot be right.
    #[error("{0}")]
    Settings(&'static str),
    /// A signed address is to live longer than [`crate::LONGEST_LIFE`].
    #[error("a signed address does not live that long")]
    Life,
    /// The file here cannot be read.
    #[error("the file to be kept cannot be read: {0}")]
    Local(#[source] io::Error),
    /// The file here was written to while it was sent.
    #[error("the file to be kept changed on its way")]
    Changed,
    /// The file is larger than a bucket takes.
    #[error("the file to be kept is larger than a bucket takes")]
    TooLarge,
    /// The keys are wrong, or may not do this.
    #[error("the bucket does not let these keys in ({})", Said(*.status, .code.as_ref()))]
    Denied {
        /// HTTP status.
        status: u16,
        /// What S3 calls it.
        code: Option<Code>,
    },
    /// It is where a bucket that came with a request must not be.
    #[error("the bucket is not on the open internet")]
    OffLimits,
    /// There is no such bucket.
    #[error("there is no such bucket")]
    NoBucket,
    /// There is no such object.
    #[error("there is no such object in the bucket")]
    NoObject,
    /// The bucket will not, and asking again is of no use.
    #[error("the bucket refuses ({})", Said(*.status, .code.as_ref()))]
    Refused {
        /// HTTP status.
        status: u16,
        /// What S3 calls it.
        code: Option<Code>,
    },
    /// It did not work as often as was to be tried.
    #[error("the bucket is not to be reached: {0}")]
    Unavailable(Trouble),
    /// What the bucket holds is not what it was sent, again and again.
    #[error("what the bucket holds is not what it was sent")]
    Corrupt,
    /// There is no bucket configured.
    #[error("no bucket is configured")]
    NoShelf,
}

impl ShelfError {
    /// The disk here is full, which passes: what is on its way makes room on it.
    pub(crate) fn is_full_disk(&self) -> bool {
        matches!(self, Self::Local(error) if durable::is_full(error))
    }
}

/// What one request came to, when it did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another try may work.
    Passing(Trouble),
    /// The bucket knows nothing of this upload in parts (any more).
    NoUpload,
    /// No try will work.
    Final(ShelfError),
}

impl From<ShelfError> for Failure {
    fn from(error: ShelfError) -> Self {
        Self::Final(error)
    }
}

/// Refusals of bodies that were not what their checksums say: broken on the way, so sending them again helps.
const BROKEN: &[&str] = &[
    "BadDigest",
    "IncompleteBody",
    "InvalidDigest",
    "RequestTimeout",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
];

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        let mut next: Option<&(dyn Error + 'static)> = Some(&error);
        let mut of_http = None;
        // Not a loop without end: an error owns its source.
        while let Some(error) = next {
            if let Some(answered) = error.downcast_ref::<Answered>() {
                return answered.failure();
            }
            if error.is::<OffLimits>() {
                return Self::Final(ShelfError::OffLimits);
            }
            of_http = of_http.or_else(|| error.downcast_ref::<HttpError>());
            next = error.source();
        }
        Self::Passing(match of_http.map(HttpError::kind) {
            Some(HttpErrorKind::Connect) => Trouble::Connect,
            Some(HttpErrorKind::Timeout) => Trouble::Timeout,
            // An answer that cannot be read is of a gateway in between, or was cut off.
            _ => Trouble::Interrupted,
        })
    }
}

impl Answered {
    fn failure(&self) -> Failure {
        let (status, code) = (self.status, self.code.clone());
        let name = code.as_ref().map_or("", Code::as_str);
        match (status, name) {
            (408 | 409 | 425 | 429 | 500.., _) => Failure::Passing(Trouble::Status(status)),
            (400, name) if BROKEN.contains(&name) => Failure::Passing(Trouble::Status(status)),
            (404, "NoSuchBucket") => Failure::Final(ShelfError::NoBucket),
            (404, "NoSuchUpload") => Failure::NoUpload,
            (404, _) => Failure::Final(ShelfError::NoObject),
            (401 | 403, _) => Failure::Final(ShelfError::Denied { status, code }),
            _ => Failure::Final(ShelfError::Refused { status, code }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_word_or_none() {
        let code = |body: &str| Code::of_body(body.as_bytes()).map(|code| code.0);
        assert_eq!(code("<Error><Code>NoSuchBucket</Code></Error>").as_deref(), Some("NoSuchBucket"));
        for bad in ["", "<Code>", "<Code></Code>", "<Code>a b</Code>", "<Code>http://x?sig=1</Code>", "</Code><Code>"] {
            assert_eq!(code(bad), None, "{bad}");
        }
        assert_eq!(code(&format!("<Code>{}</Code>", "x".repeat(65))), None);
        assert_eq!(Code::of_body(b"\xff<Code>A</Code>"), None);
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let failure =
            |status, code: Option<&str>| Answered { status, code: code.map(|code| Code(code.to_owned())) }.failure();
        for passing in [(500, None), (503, Some("SlowDown")), (429, None), (400, Some("BadDigest"))] {
            assert!(matches!(failure(passing.0, passing.1), Failure::Passing(Trouble::Status(_))), "{passing:?}");
        }
        assert!(matches!(failure(404, Some("NoSuchUpload")), Failure::NoUpload));
        assert!(matches!(failure(404, Some("NoSuchBucket")), Failure::Final(ShelfError::NoBucket)));
        let denied = failure(403, Some("SignatureDoesNotMatch")).give_up();
        assert_eq!(denied.to_string(), "the bucket does not let these keys in (403 SignatureDoesNotMatch)");
        assert!(matches!(failure(301, None), Failure::Final(ShelfError::Refused { status: 301, .. })));
    }
}
