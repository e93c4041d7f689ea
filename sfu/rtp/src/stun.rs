//! What is read in a STUN message (RFC 8489) by whoever is no ICE agent: whom it is for, and whether it nominates.

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const HEADER_LEN: usize = 20;
const USERNAME: u16 = 0x0006;
const USE_CANDIDATE: u16 = 0x0025;

/// The ICE user name fragment of the receiver in a binding request: the part of USERNAME in front of the
/// colon (RFC 8445 section 7.2.2). `None` for anything else, well-formed or not. The message's integrity is
/// not checked here.
#[must_use]
pub fn receiver_ufrag(datagram: &[u8]) -> Option<&str> {
    let (_, username) = attributes(datagram)?.find(|(kind, _)| *kind == USERNAME)?;
    std::str::from_utf8(username).ok()?.split_once(':').map(|(receiver, _)| receiver)
}

/// True for a binding request by which the controlling agent chooses the pair it travels (USE-CANDIDATE, RFC 8445
/// section 7.1.2). The message's integrity is not checked here.
#[must_use]
pub fn is_nominating(datagram: &[u8]) -> bool {
    attributes(datagram).is_some_and(|mut attributes| attributes.any(|(kind, _)| kind == USE_CANDIDATE))
}

/// Types and values of a binding request's attributes, as far as they are whole.
fn attributes(datagram: &[u8]) -> Option<impl Iterator<Item = (u16, &[u8])>> {
    let (header, mut rest) = datagram.split_at_checked(HEADER_LEN)?;
    if header[..2] != BINDING_REQUEST || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    Some(std::iter::from_fn(move || {
        let (type_and_len, after) = rest.split_first_chunk::<4>()?;
        let [t0, t1, l0, l1] = *type_and_len;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let value = after.get(..len)?;
        rest = after.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_be_bytes([t0, t1]), value))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut message = vec![0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        message.extend(attributes);
        message
    }

    #[test]
    fn finds_the_receiver_behind_other_attributes() {
        let priority = [0x00, 0x24, 0, 4, 1, 2, 3, 4];
        let odd = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        let username = [0x00, 0x06, 0, 5, b'a', b'b', b':', b'c', b'd', 0, 0, 0];
        let message = request(&[&priority[..], &odd, &username].concat());
        assert_eq!(receiver_ufrag(&message), Some("ab"));
    }

    #[test]
    fn everything_else_is_for_nobody() {
        assert_eq!(receiver_ufrag(&request(&[0x00, 0x06, 0, 9, b'a', b':'])), None, "promises too much");
        assert_eq!(receiver_ufrag(&request(&[0x00, 0x06, 0, 2, b'a', b'b', 0, 0])), None, "no colon");
        assert_eq!(receiver_ufrag(&request(&[])[..19]), None, "cut short");
        let mut indication = request(&[0x00, 0x06, 0, 3, b'a', b':', b'b', 0]);
        indication[1] = 0x11;
        assert_eq!(receiver_ufrag(&indication), None);
    }

    #[test]
    fn a_nomination_is_seen_wherever_it_stands() {
        let username = [0x00, 0x06, 0, 3, b'a', b':', b'c', 0];
        let nomination = [0x00, 0x25, 0, 0];
        assert!(is_nominating(&request(&[&username[..], &nomination].concat())));
        assert!(is_nominating(&request(&[&nomination[..], &username].concat())));
        assert!(!is_nominating(&request(&username)));
        assert!(!is_nominating(&request(&[0x00, 0x06, 0, 4, 0x00, 0x25, 0, 0])), "within another one");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            for message in [&bytes, &request(&bytes)] {
                let _ = (receiver_ufrag(message), is_nominating(message));
            }
        }
    }
}
