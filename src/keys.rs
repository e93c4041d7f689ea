//! `sluice keys generate`: an API key and its secret from the system's randomness.

use std::io::Write as _;

use anyhow::Context as _;

/// Letters and digits only: a double click takes all of it, and it needs no quoting anywhere.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Characters of a key's name after `API`: a name, not a secret.
const KEY_CHARS: usize = 12;

/// Characters of a secret: 43 of 62 kinds carry 256 bits, the length of the HS256 hash.
const SECRET_CHARS: usize = 43;

/// Prints a new pair as TOML.
pub(crate) fn generate() -> anyhow::Result<()> {
    let key = random_text(KEY_CHARS)?;
    let secret = random_text(SECRET_CHARS)?;
    let toml = format!(
        "# For the configuration file. Whoever has the secret can enter every room: keep it out of repositories.\n\
         # The same as an environment variable: SLUICE_KEYS=\"API{key}: {secret}\"\n\
         [keys]\n\
         API{key} = \"{secret}\"\n"
    );
    std::io::stdout().write_all(toml.as_bytes()).context("cannot write to standard output")
}

/// So many letters and digits of [`ALPHABET`].
pub(crate) fn random_text(chars: usize) -> anyhow::Result<String> {
    let mut text = String::with_capacity(chars);
    while text.len() < chars {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
        text.extend(bytes.iter().filter_map(|&byte| letter(byte)).take(chars - text.len()));
    }
    Ok(text)
}

/// A byte as a letter, or none: bytes above the last full round of the alphabet would favour its first letters.
fn letter(byte: u8) -> Option<char> {
    const FULL_ROUNDS: usize = 256 / ALPHABET.len() * ALPHABET.len();
    let byte = usize::from(byte);
    (byte < FULL_ROUNDS).then(|| char::from(ALPHABET[byte % ALPHABET.len()]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_letter_is_as_likely() {
        let mut count = BTreeMap::new();
        for letter in (0..=u8::MAX).filter_map(letter) {
            *count.entry(letter).or_insert(0) += 1;
        }
        assert_eq!(count.len(), ALPHABET.len());
        assert!(count.values().all(|&n| n == 4), "{count:?}");
    }
}
