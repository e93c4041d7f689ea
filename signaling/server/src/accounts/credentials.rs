//! What may be typed to sign in: the forms of logins, names and passwords. Pure.

use sluice_rooms::display_name;

use super::AccountError;

/// Longest login: a mail address may be one (RFC 5321 section 4.5.3.1 allows more, nobody has it).
const LOGIN_BYTES: usize = 128;
/// Shortest password, in characters (NIST SP 800-63B, section 5.1.1.2).
const PASSWORD_CHARS: usize = 8;
/// Longest password; the hash takes no more.
const PASSWORD_BYTES: usize = 1_024;

/// A login as it is stored: without what people type around it, and in lower case, so that there are no two that look alike
/// by their case.
pub(super) fn login(typed: &str) -> Result<String, AccountError> {
    let login = typed.trim().to_lowercase();
    let is_letter = |c: char| c.is_alphanumeric() || "._-+@".contains(c);
    if login.is_empty() || login.len() > LOGIN_BYTES || !login.chars().all(is_letter) {
        return Err(AccountError::BadLogin);
    }
    Ok(login)
}

/// A password as it was typed, nothing taken away.
pub(super) fn password(typed: &str) -> Result<&str, AccountError> {
    if typed.chars().count() < PASSWORD_CHARS || typed.len() > PASSWORD_BYTES {
        return Err(AccountError::BadPassword);
    }
    Ok(typed)
}

/// What others see of somebody.
pub(super) fn name(typed: &str) -> Result<String, AccountError> {
    display_name(typed).map_err(|_| AccountError::BadName)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn logins_are_plain_and_without_case() {
        assert_eq!(login(" Ada@Example.org ").unwrap(), "ada@example.org");
        assert_eq!(login("ÅSA-1").unwrap(), "åsa-1");
        for bad in ["", "  ", "a b", "a\u{0}", "a\u{202E}b", "a/b", &"x".repeat(129)] {
            assert!(matches!(login(bad), Err(AccountError::BadLogin)), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_long_enough_and_kept_as_it_is() {
        assert_eq!(password(" päss wo").unwrap(), " päss wo");
        assert!(password("1234567").is_err() && password(&"x".repeat(1_025)).is_err());
    }
}
