//! A publisher's packets into files: any payloads, numbers, times, reports and formats, for two tracks of a file.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sluice_recorder::{FileRecorder, Format, Input, Kind, PacketHead, SenderReport};

const MIME_TYPES: [&str; 6] = ["video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1", "audio/opus"];

fuzz_target!(|data: &[u8]| {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let start = Instant::now();
    let kind = if first & 1 == 0 { Kind::Matroska } else { Kind::FragmentedMp4 };
    let mut recorder = FileRecorder::new(kind, 2, start);
    let mut now = start;
    let mut sequence = 0_u64;
    let mut timestamp = 0_u32;
    // What to do, and how much of what follows it is done with.
    while let Some(([what, amount], after)) = rest.split_first_chunk::<2>() {
        let input = Input(usize::from(what & 1));
        let (payload, after) = after.split_at(usize::from(*amount).min(after.len()));
        rest = after;
        now += Duration::from_millis(u64::from(what >> 6) * 40);
        match what >> 1 & 0x7 {
            0 => {
                let mime_type = MIME_TYPES[usize::from(*amount) % MIME_TYPES.len()];
                if let Ok(format) = Format::new(mime_type, 90_000, 2, sequence) {
                    recorder.handle_format(input, format, now);
                }
            }
            1 => recorder.handle_muted(input, amount & 1 == 0, now),
            2 => {
                let ntp = payload.iter().fold(0_u64, |ntp, byte| ntp << 8 | u64::from(*byte));
                recorder.handle_sender_report(input, &SenderReport { ntp, timestamp, received_at: now });
            }
            3 => recorder.handle_ended(input, now),
            jump => {
                sequence = sequence.wrapping_add(if jump == 4 { u64::from(*amount) } else { 1 });
                timestamp = timestamp.wrapping_add(if jump == 5 { u32::from(*amount) << 24 } else { 3_000 });
                let head = PacketHead { sequence, timestamp, marker: what & 0x20 != 0, received_at: now };
                recorder.handle_packet(input, &head, payload, now);
            }
        }
        while recorder.poll_write().is_some() || recorder.poll_request().is_some() {}
        // Its owner would never sleep again.
        recorder.handle_timeout(now);
        assert!(recorder.poll_timeout().is_none_or(|at| at > now), "a timeout that was handled is over");
        while recorder.poll_write().is_some() {}
    }
    recorder.finish(now);
    assert!(recorder.poll_timeout().is_none());
    while recorder.poll_write().is_some() {}
});
