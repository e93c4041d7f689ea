//! `Idempotency-Key`: a request that is sent again, since its answer was lost on the way, is answered as before and does
//! nothing again.
//!
//! Knows keys, bodies and answers, not what they are about. What went wrong is not remembered: it may be tried again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use tokio::sync::OnceCell;

use crate::doors::error::ApiError;

/// An answer is kept for so long.
const LIFE: Duration = Duration::from_secs(600);
/// Answers that are kept, of less than a KiB each; of more the oldest goes first.
const ANSWERS: usize = 8 * 1024;
/// Longest key, in bytes.
const KEY_BYTES: usize = 255;

/// The header.
pub(super) const KEY: &str = "idempotency-key";
/// Of who shows no token: too long to be guessed, or chosen by two.
const ANONYMOUS_KEY_BYTES: usize = 16;

pub(super) const BAD_KEY: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "bad_idempotency_key",
    "an `Idempotency-Key` has 1 to 255 visible characters, 16 or more without a token, and no two requests share one",
);
const CONFLICT: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "idempotency_conflict",
    "another request with the same `Idempotency-Key` had another body: use a new key for a new request",
);

/// Answers of the last minutes.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<(String, String), Kept>>);

struct Kept {
    at: Instant,
    body: String,
    /// Empty while the first of them is being answered, for which others wait.
    answer: Arc<OnceCell<serde_json::Value>>,
}

/// Whether there is a key of a length that is asked of who shows no token.
pub(super) fn is_long(headers: &HeaderMap) -> bool {
    headers.get(KEY).is_some_and(|key| key.len() >= ANONYMOUS_KEY_BYTES)
}

impl Answers {
    /// Answers with `make`, unless `who` has been answered to a request of this key and body before.
    pub(crate) async fn once(
        &self,
        headers: &HeaderMap,
        who: &str,
        body: &str,
        make: impl Future<Output = Result<serde_json::Value, ApiError>>,
    ) -> Result<serde_json::Value, ApiError> {
        let Some(key) = headers.get(KEY) else { return make.await };
        let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_BYTES).ok_or(BAD_KEY)?;
        let answer = self.cell((who.to_owned(), key.to_owned()), body, Instant::now())?;
        answer.get_or_try_init(|| make).await.cloned()
    }

    fn cell(
        &self,
        key: (String, String),
        body: &str,
        now: Instant,
    ) -> Result<Arc<OnceCell<serde_json::Value>>, ApiError> {
        // Whole after every step.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.get(&key).filter(|found| now.duration_since(found.at) < LIFE) {
            return if found.body == body { Ok(found.answer.clone()) } else { Err(CONFLICT) };
        }
        if kept.len() >= ANSWERS {
            kept.retain(|_, kept| now.duration_since(kept.at) < LIFE);
        }
        if kept.len() >= ANSWERS
            && let Some(oldest) = kept.iter().min_by_key(|(_, kept)| kept.at).map(|(key, _)| key.clone())
        {
            kept.remove(&oldest);
        }
        let answer = Arc::new(OnceCell::new());
        kept.insert(key, Kept { at: now, body: body.to_owned(), answer: answer.clone() });
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn key(number: usize) -> (String, String) {
        ("ada".to_owned(), number.to_string())
    }

    #[test]
    fn a_key_is_forgotten_after_its_time_and_the_oldest_makes_room() {
        let (answers, start) = (Answers::default(), Instant::now());
        let first = answers.cell(key(0), "{}", start).unwrap();
        assert!(Arc::ptr_eq(&first, &answers.cell(key(0), "{}", start + LIFE / 2).unwrap()));
        assert!(answers.cell(key(0), "{ }", start).is_err());
        assert!(!Arc::ptr_eq(&first, &answers.cell(key(0), "{ }", start + LIFE).unwrap()), "it is a new one");
        let later = start + LIFE;
        for number in 1..ANSWERS + 10 {
            answers.cell(key(number), "{}", later + Duration::from_millis(number as u64)).unwrap();
        }
        let kept = answers.0.lock().unwrap();
        assert_eq!(kept.len(), ANSWERS);
        assert!(!kept.contains_key(&key(0)) && kept.contains_key(&key(ANSWERS + 9)));
    }

    #[tokio::test]
    async fn what_failed_is_tried_again_and_what_was_done_is_not() {
        let answers = Answers::default();
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", "k".parse().unwrap());
        let failed = answers.once(&headers, "ada", "{}", async { Err(CONFLICT) }).await;
        assert!(failed.is_err());
        let made = answers.once(&headers, "ada", "{}", async { Ok(1.into()) }).await.unwrap();
        let again = answers.once(&headers, "ada", "{}", async { Ok(2.into()) }).await.unwrap();
        let others = answers.once(&headers, "bob", "{}", async { Ok(3.into()) }).await.unwrap();
        assert_eq!((made, again, others), (1.into(), 1.into(), 3.into()));
    }
}
