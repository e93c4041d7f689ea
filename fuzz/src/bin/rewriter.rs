//! The stream rewriter under any order of switches and packets: no sequence number twice after a switch.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use sluice_rtp::StreamRewriter;

fuzz_target!(|steps: &[u8]| {
    let mut stream = StreamRewriter::default();
    let mut sent = HashSet::new();
    let mut of_source = HashSet::new();
    for step in steps.chunks_exact(8) {
        let sequence = u64::from(u32::from_le_bytes([step[0], step[1], step[2], step[3]]));
        let timestamp = u32::from_le_bytes([step[4], step[5], step[6], 0]);
        if step[7] & 1 == 1 {
            stream.switch(sequence, timestamp, timestamp);
            of_source.clear();
        }
        // The engine hands a packet over once.
        if of_source.insert(sequence)
            && let Some(out) = stream.forward(sequence, timestamp)
        {
            assert!(sent.insert(out.sequence), "{} sent twice", out.sequence);
        }
    }
});
