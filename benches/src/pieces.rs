//! Single steps of the way of a packet.

use std::time::{Duration, Instant};

use sluice_core::bench::{Deadlines, Piece, Published, Shares};
use sluice_rtp::dependency_descriptor::{Descriptor, set_frame_number};
use sluice_rtp::srtp::{OutboundStream, Profile, Sender};

use crate::measure::{Effort, Samples, repeat};
use crate::media::Vp8;
use crate::send_side::keys;

const HEADER_LEN: usize = 24;
/// Calls in a stretch.
pub const CALLS: usize = 200;
/// The same, of the allocator.
pub const ALLOCATIONS: usize = 20;
/// The first descriptor of a stream that a browser sent: three spatial and three temporal layers.
const KEY: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b0\
    4a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d";
/// One in the middle of it.
const DELTA: [u8; 3] = [0xc3, 0x01, 0x75];

/// SRTP alone: a packet with so much payload sealed in its place, its bytes copied in before.
#[must_use]
pub fn seal(profile: Profile, payload_len: usize, effort: Effort) -> Option<f64> {
    const SSRC: u32 = 0x0102_0304;
    let sender = Sender::new(&keys(profile).0);
    let mut stream = OutboundStream::new(SSRC);
    let mut clear = vec![0xab; HEADER_LEN + payload_len];
    clear[0] = 0x80;
    clear[8..12].copy_from_slice(&SSRC.to_be_bytes());
    let mut datagram = Vec::with_capacity(clear.len() + 32);
    let mut sequence = 0u64;
    repeat(effort, CALLS, || {
        sequence += 1;
        clear[2..4].copy_from_slice(&sequence.to_be_bytes()[6..]);
        datagram.clear();
        datagram.extend_from_slice(&clear);
        sender.protect(&mut stream, sequence, &mut datagram, 0, HEADER_LEN).unwrap();
        datagram.len()
    })
}

/// A dependency descriptor read with the structure that holds, and another frame number written into it.
#[must_use]
pub fn dependency_descriptor(effort: Effort) -> Option<f64> {
    let pairs = KEY.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let key: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let structure = Descriptor::parse(&key, None).unwrap().structure.unwrap();
    let mut number = 0u16;
    repeat(effort, CALLS, || {
        let mut bytes = std::hint::black_box(DELTA);
        let read = Descriptor::parse(&bytes, Some(&structure)).unwrap();
        number = number.wrapping_add(1);
        assert!(set_frame_number(&mut bytes, number));
        (read, bytes)
    })
}

/// One call of the allocator for a subscriber of so many cameras, over links of many rates.
#[must_use]
pub fn allocate(tracks: usize, effort: Effort) -> Option<f64> {
    let mut now = Instant::now();
    let mut shares = Shares::new(tracks);
    let per_track = 300_000 * u64::try_from(tracks).unwrap();
    let mut call = 0;
    repeat(effort, ALLOCATIONS, || {
        now += Duration::from_millis(250);
        call += 1;
        shares.allocate(per_track * (1 + call % 7) / 2, now)
    })
}

/// A deadline moved by 50 ms, as that of a connection at each feedback, among those of so many.
#[must_use]
pub fn deadlines(connections: u32, effort: Effort) -> Option<f64> {
    let start = Instant::now();
    let mut deadlines = Deadlines::default();
    let mut standing: Vec<_> = (0..connections).map(|key| start + Duration::from_micros(u64::from(key * 50))).collect();
    for (key, at) in (0u32..).zip(&standing) {
        deadlines.reschedule(key, None, Some(*at));
    }
    repeat(effort, CALLS, || {
        let (before, key) = deadlines.first().unwrap();
        let after = before + Duration::from_millis(50);
        deadlines.reschedule(key, Some(before), Some(after));
        standing[usize::try_from(key).unwrap()] = after;
    })
}

/// A published packet read once for all who get it: its descriptor, its numbers, its share of the rates.
#[must_use]
pub fn ingest(payload_len: usize, effort: Effort) -> Option<f64> {
    let (mut encoder, mut published) = (Vp8::new(payload_len), Published::vp8());
    let mut now = Instant::now();
    let mut samples = Samples::default();
    for sample in 0..effort.warm_up + effort.samples {
        if sample == effort.warm_up {
            samples.forget();
        }
        let ahead: Vec<_> = (0..CALLS).map(|_| encoder.next_piece()).collect();
        samples.time(|| {
            for made in &ahead {
                now += Duration::from_micros(1_100);
                let piece = Piece {
                    payload: &made.payload,
                    timestamp: made.timestamp,
                    marker: made.marker,
                    dependency_descriptor: None,
                };
                std::hint::black_box(published.read(piece, now));
            }
            CALLS
        });
    }
    samples.median_ns()
}
