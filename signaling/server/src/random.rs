//! Random ids for people to read and type, and secrets nobody types.

/// Lower-case letters and digits without look-alikes (no i, l, o, 0, 1).
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Bytes at or above this would make the first letters likelier.
const FAIR: u8 = 248;

/// So many random letters, from the system's randomness.
pub(crate) fn random_id(letters: usize) -> String {
    let mut id = String::with_capacity(letters);
    while id.len() < letters {
        let bytes: [u8; 16] = random_secret();
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        id.extend(fair.map(|byte| char::from(ALPHABET[usize::from(byte % 31)])).take(letters - id.len()));
    }
    id
}

/// So many random bytes, from the system's randomness.
pub(crate) fn random_secret<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's randomness is there once the process runs");
    bytes
}

#[cfg(test)]
mod tests {
    use super::random_id;

    #[test]
    fn ids_have_the_length_asked_for_and_differ() {
        assert_eq!(random_id(8).len(), 8);
        assert_eq!(random_id(40).len(), 40);
        assert_ne!(random_id(16), random_id(16));
    }
}
