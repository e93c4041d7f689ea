//! Fields as forms and queries carry them (`application/x-www-form-urlencoded`, WHATWG URL section 5). Writing only.

use std::fmt::Write as _;

/// Everything but letters, digits and `- . _ ~` by its bytes (RFC 3986 section 2.1), a space as well: that every reader takes.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Names with their values.
pub(super) fn pairs(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_ends_it() {
        assert_eq!(pairs(&[("a", "x&y=z +%"), ("b c", "é"), ("d", "")]), "a=x%26y%3Dz%20%2B%25&b%20c=%C3%A9&d=");
        assert_eq!(encoded("Az09-._~"), "Az09-._~");
    }
}
