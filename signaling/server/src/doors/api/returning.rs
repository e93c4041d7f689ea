//! Return keys: how a page is the same person again after it was reloaded.
//!
//! Everybody in a room reads everybody's identity, so saying one proves nothing: who could come back by that alone could
//! throw anybody out and speak in their name. A key says who its bearer was, in which session of the room, and since
//! when, signed by this server for itself. Nothing is kept of it; it is worth nothing once the session is over, or once
//! its bearer was sent away.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest key that is looked at: twenty digits and a signature.
const KEY_BYTES: usize = 80;

/// Gives return keys and knows its own.
pub(crate) struct ReturnKeys(hmac::Key);

impl ReturnKeys {
    /// Drawn from a secret that signs tokens, and no such secret itself: a key is never a token, nor the other way round.
    pub(crate) fn derive(secret: &str) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let drawn = hmac::sign(&root, b"sluice: return keys");
        Self(hmac::Key::new(hmac::HMAC_SHA256, drawn.as_ref()))
    }

    /// For somebody who is let into a session of a room now (seconds since 1970).
    pub(super) fn give(&self, session: &str, identity: &str, now_s: u64) -> String {
        let signature = hmac::sign(&self.0, &signed(session, identity, now_s));
        format!("{now_s}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// When the key was given (seconds since 1970), if it was given to this identity in this session.
    pub(super) fn read(&self, key: &str, session: &str, identity: &str) -> Option<u64> {
        let (given, signature) = Some(key).filter(|key| key.len() <= KEY_BYTES)?.split_once('.')?;
        let given_s = given.parse().ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, &signed(session, identity, given_s), &signature).ok()?;
        Some(given_s)
    }
}

/// No two of these are the same bytes: a session's id has neither spaces nor line ends, and the identity comes last.
fn signed(session: &str, identity: &str, given_s: u64) -> Vec<u8> {
    format!("{given_s} {session}\n{identity}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_one_person_in_one_session() {
        let keys = ReturnKeys::derive("secret");
        let key = keys.give("RM_1", "ada", 1_700_000_000);
        assert_eq!(keys.read(&key, "RM_1", "ada"), Some(1_700_000_000));
        assert_eq!(keys.read(&key, "RM_1", "bob"), None);
        assert_eq!(keys.read(&key, "RM_2", "ada"), None);
        assert_eq!(ReturnKeys::derive("another").read(&key, "RM_1", "ada"), None);
        // Given later than it was: who was sent away would be back.
        let later = key.replacen("1700000000", "1700009999", 1);
        assert_eq!(keys.read(&later, "RM_1", "ada"), None);
    }

    #[test]
    fn what_is_no_key_is_none() {
        let keys = ReturnKeys::derive("secret");
        let key = keys.give("RM_1", "ada", 1);
        for bad in ["", ".", "1", "1.", "1.!", "-1.AAAA", "99999999999999999999.AAAA", &key[..key.len() - 4]] {
            assert_eq!(keys.read(bad, "RM_1", "ada"), None, "{bad}");
        }
        assert_eq!(keys.read(&"1".repeat(100_000), "RM_1", "ada"), None);
    }
}
