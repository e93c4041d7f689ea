//! What goes beside a message: control messages (`cmsg`), written and read in the kernel's own layout.

use libc::{IP_TOS, IPPROTO_IP, IPPROTO_IPV6, IPV6_TCLASS, SOL_UDP, UDP_GRO, UDP_SEGMENT, c_int};

use crate::Ecn;

/// Length, level and type.
const HEADER_LEN: usize = size_of::<usize>() + 2 * size_of::<c_int>();
/// What control messages are aligned to.
const ALIGNMENT: usize = size_of::<usize>();

/// Tells the kernel to cut a message into datagrams of this length.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct SegmentControl {
    len: usize,
    level: c_int,
    kind: c_int,
    segment_len: u16,
    padding: [u8; ALIGNMENT - size_of::<u16>()],
}

impl SegmentControl {
    pub(super) fn new(segment_len: u16) -> Self {
        let len = HEADER_LEN + size_of::<u16>();
        Self { len, level: SOL_UDP, kind: UDP_SEGMENT, segment_len, padding: [0; _] }
    }
}

/// Room for the two control messages we ask for, and some that we do not.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct ControlRoom(pub(super) [u8; 128]);

impl ControlRoom {
    pub(super) const EMPTY: Self = Self([0; 128]);
}

/// What the kernel said beside a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) ecn: Ecn,
    /// The message is a train of datagrams of this length; the last may be shorter.
    pub(super) segment_len: Option<usize>,
}

impl Notes {
    /// Reads control messages one after another; what is not understood is skipped, what is broken ends it.
    pub(super) fn read(mut control: &[u8]) -> Self {
        let mut notes = Self::default();
        while let Some(header) = control.get(..HEADER_LEN) {
            let (len, rest) = header.split_at(size_of::<usize>());
            let (level, kind) = rest.split_at(size_of::<c_int>());
            let len = usize::from_ne_bytes(filled(len));
            let Some(data) = control.get(HEADER_LEN..len) else { break };
            let first = data.first().copied().unwrap_or_default();
            match (c_int::from_ne_bytes(filled(level)), c_int::from_ne_bytes(filled(kind))) {
                // One byte.
                (IPPROTO_IP, IP_TOS) => notes.ecn = Ecn::from_traffic_class(first),
                // An int, of which the class is the lowest byte.
                (IPPROTO_IPV6, IPV6_TCLASS) => {
                    let [class, ..] = c_int::from_ne_bytes(filled(data)).to_le_bytes();
                    notes.ecn = Ecn::from_traffic_class(class);
                }
                (SOL_UDP, UDP_GRO) => {
                    notes.segment_len = usize::try_from(c_int::from_ne_bytes(filled(data))).ok().filter(|len| *len > 0);
                }
                _ => {}
            }
            control = control.get(len.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        }
        notes
    }
}

/// The first bytes, and nought where there are none.
fn filled<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes.get(i).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER_LEN + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    #[test]
    fn marks_and_trains_are_read_among_strangers() {
        let control = [
            message(IPPROTO_IP, IP_TOS, &[0b1011_1011]),
            message(libc::SOL_SOCKET, libc::SCM_TIMESTAMP, &[9; 16]),
            message(SOL_UDP, UDP_GRO, &1100i32.to_ne_bytes()),
        ]
        .concat();
        assert_eq!(Notes::read(&control), Notes { ecn: Ecn::Ce, segment_len: Some(1100) });
        let control = message(IPPROTO_IPV6, IPV6_TCLASS, &2i32.to_ne_bytes());
        assert_eq!(Notes::read(&control), Notes { ecn: Ecn::Ect0, segment_len: None });
    }

    #[test]
    fn our_own_control_message_is_as_long_as_the_kernel_counts() {
        // SAFETY: reads nothing, computes.
        #[allow(unsafe_code, reason = "the macro of the C library is an unsafe function")]
        let space = unsafe { libc::CMSG_SPACE(2) };
        assert_eq!(u32::try_from(size_of::<SegmentControl>()), Ok(space));
    }

    proptest! {
        #[test]
        fn no_bytes_trouble_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            let _ = Notes::read(&bytes);
        }

        #[test]
        fn no_lengths_trouble_the_reader(lens in prop::collection::vec(any::<usize>(), 0..8)) {
            let bytes: Vec<u8> = lens.iter().flat_map(|len| [(len % 40).to_ne_bytes(), len.to_ne_bytes()]).flatten().collect();
            let _ = Notes::read(&bytes);
        }
    }
}
