//! RTP headers and their extensions: what is read can be written, and reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rtp::packet::{Packet, parse_rtx_payload, write_header, write_padding};

fuzz_target!(|bytes: &[u8]| {
    let Some(packet) = Packet::parse(bytes) else { return };
    let _ = parse_rtx_payload(packet.payload);
    // Id 0 cannot be written, and an empty value reads as padding in the one-byte form.
    let extensions: Vec<(u8, &[u8])> = packet.extensions().filter(|(id, _)| *id != 0).collect();
    let mut buf = Vec::new();
    let header_len = write_header(&mut buf, &packet.header, &extensions);
    buf.extend_from_slice(packet.payload);
    write_padding(&mut buf, 0, packet.padding_len);
    let again = Packet::parse(&buf).expect("written by us");
    assert_eq!((again.header, again.header_len), (packet.header, header_len));
    assert_eq!((again.payload, again.padding_len), (packet.payload, packet.padding_len));
    assert!(again.extensions().eq(extensions));
});
