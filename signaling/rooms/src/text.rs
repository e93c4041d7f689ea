//! Text that strangers chose and everybody sees: names, identities, metadata. Bounded and made harmless
//! here, once, so that no reader has to ask.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

/// Longest display name in graphemes (what a reader counts as letters).
const NAME_GRAPHEMES: usize = 64;
/// Longest display name in bytes: one grapheme can be made of hundreds ("zalgo").
const NAME_BYTES: usize = 256;
/// Longest identity or room name in bytes.
const KEY_BYTES: usize = 256;
/// Most bytes of metadata and attributes together that one participant (or a room) carries: every one of them
/// is sent to everybody.
const BAGGAGE_BYTES: usize = 64 * 1024;
/// Most attributes of one participant.
const ATTRIBUTES: usize = 64;

/// Why a display name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing visible is left of it.
    #[error("the name is empty")]
    Empty,
    /// Over 64 letters or 256 bytes.
    #[error("the name is longer than 64 letters")]
    TooLong,
}

/// Marks that turn the direction of the text around them; a name with one can rewrite the line it stands in.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_harmful(c: char) -> bool {
    c.is_control() || is_bidi_control(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}')
}

/// A display name without control and direction marks.
///
/// # Errors
/// [`NameError`] when nothing is left or it is too long.
pub fn display_name(raw: &str) -> Result<String, NameError> {
    if raw.len() > 4 * NAME_BYTES {
        return Err(NameError::TooLong);
    }
    let clean: String = raw.chars().filter(|c| !is_harmful(*c)).collect();
    let clean = clean.trim();
    if clean.is_empty() {
        return Err(NameError::Empty);
    }
    if clean.len() > NAME_BYTES || clean.graphemes(true).count() > NAME_GRAPHEMES {
        return Err(NameError::TooLong);
    }
    Ok(clean.to_owned())
}

/// A display name that came in a signed token: cleaned and cut to size instead of refused, since its bearer
/// cannot change it.
pub(crate) fn cut_name(raw: &str) -> String {
    let mut name = String::new();
    let clean: String = raw.chars().filter(|c| !is_harmful(*c)).take(NAME_BYTES).collect();
    for grapheme in clean.trim().graphemes(true).take(NAME_GRAPHEMES) {
        if name.len() + grapheme.len() > NAME_BYTES {
            break;
        }
        name.push_str(grapheme);
    }
    name
}

pub(crate) fn valid_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= KEY_BYTES && !key.chars().any(is_harmful)
}

/// Whether a token's identity can be used: 1 to 256 bytes, no control or direction marks.
#[must_use]
pub fn valid_identity(identity: &str) -> bool {
    valid_key(identity)
}

/// Whether a token's room name can be used: 1 to 256 bytes, no control or direction marks. Otherwise free,
/// as applications already name their rooms; no path or URL is ever made of it.
#[must_use]
pub fn valid_room_name(name: &str) -> bool {
    valid_key(name)
}

/// Whether a participant or room may carry so much.
pub(crate) fn baggage_fits(metadata: &str, attributes: &HashMap<String, String>) -> bool {
    let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    attributes.len() <= ATTRIBUTES && metadata.len() + bytes <= BAGGAGE_BYTES
}

/// Sets attributes over others; the empty string removes one.
pub(crate) fn merge_attributes(into: &mut HashMap<String, String>, from: &HashMap<String, String>) {
    for (key, value) in from {
        if value.is_empty() {
            into.remove(key);
        } else {
            into.insert(key.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_loses_what_could_rewrite_its_line() {
        assert_eq!(display_name(" Ada\u{202E}\n\u{0} Lovelace "), Ok("Ada Lovelace".into()));
        assert_eq!(display_name("<img onerror=1>"), Ok("<img onerror=1>".into()));
        assert_eq!(display_name("\u{200F}\n"), Err(NameError::Empty));
        assert_eq!(display_name(&"a".repeat(65)), Err(NameError::TooLong));
        assert_eq!(display_name(&format!("a{}", "\u{0301}".repeat(200))), Err(NameError::TooLong));
        assert_eq!(display_name(&"x".repeat(1 << 20)), Err(NameError::TooLong));
    }

    #[test]
    fn rooms_are_named_freely_but_not_harmfully() {
        assert!(valid_room_name("my room: Zürich/2"));
        assert!(!valid_room_name(""));
        assert!(!valid_room_name("a\nb"));
        assert!(!valid_room_name(&"x".repeat(257)));
    }

    proptest! {
        #[test]
        fn a_cut_name_is_a_valid_name_or_empty(raw in any::<String>()) {
            let name = cut_name(&raw);
            prop_assert!(name.is_empty() || display_name(&name).is_ok());
        }
    }
}
