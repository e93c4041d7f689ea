//! Chat as a room sees it: what people write to everybody, put together again from their data packets, and what the
//! server API posts, taken apart into such packets.
//!
//! Two ways count. Text streams on the topic `lk.chat`: a header, chunks, a trailer, or all of it in the header; perhaps
//! compressed. And the older `ChatMessage`. Edits and deletions of clients, files beside a text and whatever stands in
//! an encrypted packet are relayed like any data, and not seen here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use flate2::{Decompress, FlushDecompress, Status};
use livekit_protocol::data_stream::header::ContentHeader;
use livekit_protocol::data_stream::{Chunk, CompressionType, Header, OperationType, TextHeader, Trailer};
use livekit_protocol::{ChatMessage, DataPacket, data_packet::Value};
use prost::Message;

use crate::data::next_field;
use crate::text::valid_key;

/// The topic of chat, as the SDKs have it.
const TOPIC: &str = "lk.chat";
/// Longest message that is kept or posted.
pub(crate) const MESSAGE_BYTES: usize = 16 * 1024;
/// Messages of one participant that may be under way at once. One more, and the oldest is given up: a client that
/// never ends its streams loses its own.
const STREAMS: usize = 4;
/// Bytes of text in one packet; the SDKs cut there as well.
const CHUNK_BYTES: usize = 15_000;
/// A message in this time, on average, is told to the log...
const PACE: Duration = Duration::from_millis(500);
/// ...and so much of it at once: twenty messages. Who writes faster is relayed all the same; but the log is everybody's.
const BURST: Duration = Duration::from_secs(10);
/// The attribute of a stream that names its author, who may be nobody in the room.
const NAME: &str = "sluice.name";

// Field numbers of `DataPacket` (livekit_models.proto).
const CHAT_MESSAGE: u32 = 9;
const STREAM_HEADER: u32 = 13;
const STREAM_CHUNK: u32 = 14;
const STREAM_TRAILER: u32 = 15;
/// Of `DataStream.Chunk`.
const CHUNK_STREAM_ID: u32 = 1;

/// A message posted through the server API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatPost {
    /// Its id; clients know it by this.
    pub id: String,
    /// In whose name.
    pub identity: String,
    /// How its author is shown.
    pub name: String,
    /// What it says: at most 16 KiB.
    pub text: String,
}

impl ChatPost {
    /// The packets of it, in order: a text stream as every version of the SDKs reads it.
    pub(crate) fn packets(&self, unix_ms: i64) -> Vec<Vec<u8>> {
        let header = Header {
            stream_id: self.id.clone(),
            timestamp: unix_ms,
            topic: TOPIC.to_owned(),
            mime_type: "text/plain".to_owned(),
            total_length: Some(self.text.len() as u64),
            attributes: [(NAME.to_owned(), self.name.clone())].into(),
            content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
            ..Header::default()
        };
        let chunks = pieces(&self.text).zip(0..).map(|(piece, chunk_index)| {
            let (stream_id, content) = (self.id.clone(), piece.as_bytes().to_vec());
            Value::StreamChunk(Chunk { stream_id, chunk_index, content, ..Chunk::default() })
        });
        let trailer = Trailer { stream_id: self.id.clone(), ..Trailer::default() };
        std::iter::once(Value::StreamHeader(header))
            .chain(chunks)
            .chain(std::iter::once(Value::StreamTrailer(trailer)))
            .map(|value| {
                let participant_identity = self.identity.clone();
                DataPacket { participant_identity, value: Some(value), ..DataPacket::default() }.encode_to_vec()
            })
            .collect()
    }
}

/// The text in pieces that are texts themselves: clients read each packet on its own.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let (piece, rest) = text.split_at(text.floor_char_boundary(CHUNK_BYTES));
        text = rest;
        Some(piece)
    })
}

/// A message that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) id: String,
    /// `None` when it is not kept or cannot be read.
    pub(crate) text: Option<String>,
    /// Its length as it was sent.
    pub(crate) bytes: u64,
}

/// What one participant is writing.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    under_way: VecDeque<Stream>,
    /// When the log has room for the next message of somebody who keeps the pace.
    due: Option<Instant>,
}

/// A message under way.
#[derive(Debug)]
struct Stream {
    id: String,
    next_chunk: u64,
    bytes: u64,
    /// What has come; `None` when nobody will read it.
    content: Option<Vec<u8>>,
    compressed: bool,
}

impl Stream {
    fn of(header: &Header, keeps: bool) -> Self {
        #[expect(deprecated, reason = "clients that encrypt streams say so there")]
        let is_plain = header.encryption_type == 0;
        Self {
            id: header.stream_id.clone(),
            next_chunk: 0,
            bytes: 0,
            content: (keeps && is_plain).then(Vec::new),
            compressed: header.compression() == CompressionType::DeflateRaw,
        }
    }

    fn add(&mut self, content: &[u8]) {
        self.bytes = self.bytes.saturating_add(content.len() as u64);
        match &mut self.content {
            Some(known) if known.len() + content.len() <= MESSAGE_BYTES => known.extend_from_slice(content),
            unread => *unread = None,
        }
    }

    fn finish(self) -> Option<Said> {
        let compressed = self.compressed;
        let plain = self
            .content
            .and_then(|content| if compressed { inflate(&content) } else { Some(content) });
        let text = plain.and_then(|plain| String::from_utf8(plain).ok());
        (self.bytes > 0).then_some(Said { id: self.id, text, bytes: self.bytes })
    }
}

/// Raw DEFLATE, if it does not grow beyond the length of a message.
fn inflate(content: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(MESSAGE_BYTES);
    let status = Decompress::new(false).decompress_vec(content, &mut plain, FlushDecompress::Finish);
    matches!(status, Ok(Status::StreamEnd)).then_some(plain)
}

impl Writing {
    /// Reads a packet to everybody. A message, when it is the end of one. With `keeps` its text too.
    pub(crate) fn hear(&mut self, packet: &[u8], keeps: bool, now: Instant) -> Option<Said> {
        let said = self.read(packet, keeps).filter(|said| valid_key(&said.id))?;
        let due = self.due.map_or(now, |due| due.max(now));
        if due >= now + BURST {
            return None;
        }
        self.due = Some(due + PACE);
        Some(said)
    }

    fn read(&mut self, packet: &[u8], keeps: bool) -> Option<Said> {
        let (number, value) = carried(packet)?;
        match number {
            CHAT_MESSAGE => {
                let message = ChatMessage::decode(value).ok()?;
                let is_new = message.edit_timestamp.is_none() && !message.deleted && !message.message.is_empty();
                let bytes = message.message.len() as u64;
                let text = Some(message.message).filter(|text| keeps && text.len() <= MESSAGE_BYTES);
                is_new.then_some(Said { id: message.id, text, bytes })
            }
            STREAM_HEADER => self.begin(&Header::decode(value).ok()?, keeps),
            STREAM_CHUNK => {
                // Files come in chunks too, and large ones: who it is for is read before the rest.
                let place = self.place(chunk_stream(value)?)?;
                let chunk = Chunk::decode(value).ok()?;
                self.extend(place, &chunk);
                None
            }
            _ => {
                let trailer = Trailer::decode(value).ok()?;
                let stream = self.under_way.remove(self.place(&trailer.stream_id)?)?;
                trailer.reason.is_empty().then(|| stream.finish()).flatten()
            }
        }
    }

    fn begin(&mut self, header: &Header, keeps: bool) -> Option<Said> {
        let Some(ContentHeader::TextHeader(text)) = &header.content_header else { return None };
        let is_chat = header.topic == TOPIC && text.operation_type() == OperationType::Create && !text.generated;
        if !is_chat || !valid_key(&header.stream_id) || self.place(&header.stream_id).is_some() {
            return None;
        }
        let mut stream = Stream::of(header, keeps);
        if let Some(content) = &header.inline_content {
            stream.add(content);
            return stream.finish();
        }
        if self.under_way.len() >= STREAMS {
            self.under_way.pop_front();
        }
        self.under_way.push_back(stream);
        None
    }

    fn extend(&mut self, place: usize, chunk: &Chunk) {
        let Some(stream) = self.under_way.get_mut(place) else { return };
        #[expect(deprecated, reason = "clients that encrypt streams say so there")]
        let is_plain = chunk.iv.is_none() && chunk.version == 0;
        if chunk.chunk_index < stream.next_chunk {
            return;
        }
        if chunk.chunk_index > stream.next_chunk || !is_plain {
            stream.content = None;
        }
        stream.next_chunk = chunk.chunk_index.saturating_add(1);
        stream.add(&chunk.content);
    }

    fn place(&self, stream_id: &str) -> Option<usize> {
        self.under_way.iter().position(|stream| stream.id == stream_id)
    }

    /// Messages under way, and bytes held of them.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        let bytes = self.under_way.iter().filter_map(|stream| stream.content.as_ref()).map(Vec::len).sum();
        (self.under_way.len(), bytes)
    }
}

/// What a packet carries, when it may be chat: the number of the field and its content. Of several values the last
/// counts.
fn carried(mut packet: &[u8]) -> Option<(u32, &[u8])> {
    let mut carried = None;
    while let Some(field) = next_field(&mut packet).ok()? {
        if matches!(field.number, CHAT_MESSAGE | STREAM_HEADER | STREAM_CHUNK | STREAM_TRAILER) {
            carried = Some((field.number, field.value));
        }
    }
    carried
}

/// Which stream a chunk belongs to.
fn chunk_stream(mut chunk: &[u8]) -> Option<&str> {
    while let Some(field) = next_field(&mut chunk).ok()? {
        if field.number == CHUNK_STREAM_ID {
            return std::str::from_utf8(field.value).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]
    #![expect(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use std::io::Write;

    use flate2::{Compression, write::DeflateEncoder};
    use proptest::prelude::*;

    use super::*;

    fn packet(value: Value) -> Vec<u8> {
        DataPacket { value: Some(value), ..DataPacket::default() }.encode_to_vec()
    }

    fn post(text: &str) -> ChatPost {
        ChatPost { id: "m1".into(), identity: "ada".into(), name: "Ada".into(), text: text.into() }
    }

    fn header(id: &str) -> Header {
        Header {
            stream_id: id.into(),
            topic: TOPIC.into(),
            content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
            ..Header::default()
        }
    }

    fn hear(writing: &mut Writing, packets: &[Vec<u8>], keeps: bool) -> Vec<Said> {
        let now = Instant::now();
        packets.iter().filter_map(|packet| writing.hear(packet, keeps, now)).collect()
    }

    fn said(text: Option<&str>, bytes: u64) -> Said {
        Said { id: "m1".into(), text: text.map(Into::into), bytes }
    }

    fn deflated(text: &str) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn inline(content: Vec<u8>, compression: CompressionType) -> Vec<u8> {
        let compression = compression as i32;
        packet(Value::StreamHeader(Header { inline_content: Some(content), compression, ..header("m1") }))
    }

    #[test]
    fn a_short_message_in_one_packet_is_read_compressed_or_not() {
        let mut writing = Writing::default();
        let plain = inline(b"hello".to_vec(), CompressionType::None);
        assert_eq!(hear(&mut writing, &[plain], true), [said(Some("hello"), 5)]);
        let text = "hello ".repeat(100);
        let small = deflated(&text);
        let bytes = small.len() as u64;
        assert_eq!(hear(&mut writing, &[inline(small, CompressionType::DeflateRaw)], true), [said(Some(&text), bytes)]);
        assert_eq!(writing.held(), (0, 0));
    }

    #[test]
    fn a_small_packet_that_unfolds_to_a_book_is_not_unfolded() {
        let bomb = deflated(&"a".repeat(1 << 20));
        let bytes = bomb.len() as u64;
        let heard = hear(&mut Writing::default(), &[inline(bomb, CompressionType::DeflateRaw)], true);
        assert_eq!(heard, [said(None, bytes)]);
    }

    #[test]
    fn without_being_kept_a_message_is_counted_and_not_read() {
        assert_eq!(hear(&mut Writing::default(), &post("hello").packets(1), false), [said(None, 5)]);
        let message = ChatMessage { id: "m1".into(), message: "hello".into(), ..ChatMessage::default() };
        let old = packet(Value::ChatMessage(message.clone()));
        assert_eq!(hear(&mut Writing::default(), std::slice::from_ref(&old), false), [said(None, 5)]);
        assert_eq!(hear(&mut Writing::default(), &[old], true), [said(Some("hello"), 5)]);
        let edited = packet(Value::ChatMessage(ChatMessage { edit_timestamp: Some(1), ..message }));
        assert_eq!(hear(&mut Writing::default(), &[edited], true), []);
    }

    #[test]
    fn an_encrypted_message_is_counted_and_not_read() {
        #[expect(deprecated, reason = "what clients send")]
        let encrypted = Header { encryption_type: 1, ..header("m1") };
        let content = b"secret".to_vec();
        let packets = [
            packet(Value::StreamHeader(encrypted)),
            packet(Value::StreamChunk(Chunk { stream_id: "m1".into(), content, ..Chunk::default() })),
            packet(Value::StreamTrailer(Trailer { stream_id: "m1".into(), ..Trailer::default() })),
        ];
        assert_eq!(hear(&mut Writing::default(), &packets, true), [said(None, 6)]);
    }

    #[test]
    fn a_message_that_is_given_up_or_has_a_hole_says_nothing() {
        let mut packets = post(&"x".repeat(16_000)).packets(1);
        let reason = "interrupted".to_owned();
        let aborted = packet(Value::StreamTrailer(Trailer { stream_id: "m1".into(), reason, ..Trailer::default() }));
        let mut given_up = packets.clone();
        *given_up.last_mut().unwrap() = aborted;
        assert_eq!(hear(&mut Writing::default(), &given_up, true), []);
        packets.remove(1);
        assert_eq!(hear(&mut Writing::default(), &packets, true), [said(None, 1000)]);
    }

    #[test]
    fn four_messages_are_under_way_and_a_fifth_costs_the_oldest() {
        let mut writing = Writing::default();
        for n in 0..100 {
            let begun = packet(Value::StreamHeader(header(&format!("s{n}"))));
            assert_eq!(hear(&mut writing, &[begun], true), []);
        }
        assert_eq!(writing.held().0, STREAMS);
        let end = |id: &str| packet(Value::StreamTrailer(Trailer { stream_id: id.into(), ..Trailer::default() }));
        let content = b"x".to_vec();
        let more = packet(Value::StreamChunk(Chunk { stream_id: "s96".into(), content, ..Chunk::default() }));
        assert_eq!(hear(&mut writing, &[more, end("s96"), end("s95")], true).len(), 1);
    }

    #[test]
    fn a_long_message_is_known_of_and_not_held() {
        let mut writing = Writing::default();
        let mut packets = post(&"x".repeat(MESSAGE_BYTES + 1)).packets(1);
        let last = packets.pop().unwrap();
        assert_eq!(hear(&mut writing, &packets, true), []);
        assert_eq!(writing.held(), (1, 0));
        assert_eq!(hear(&mut writing, &[last], true), [said(None, MESSAGE_BYTES as u64 + 1)]);
    }

    #[test]
    fn who_writes_without_end_is_told_to_the_log_at_a_pace() {
        let mut writing = Writing::default();
        let start = Instant::now();
        let message = inline(b"spam".to_vec(), CompressionType::None);
        let mut told = |at: Duration| usize::from(writing.hear(&message, true, start + at).is_some());
        assert_eq!((0..1000).map(|_| told(Duration::ZERO)).sum::<usize>(), 20);
        let later = Duration::from_secs(5);
        assert_eq!((0..1000).map(|_| told(later)).sum::<usize>(), 10);
    }

    #[test]
    fn what_is_no_chat_is_left_alone() {
        let file = Header {
            content_header: Some(ContentHeader::ByteHeader(livekit_protocol::data_stream::ByteHeader::default())),
            ..header("f")
        };
        let other = Header { topic: "lk.transcription".into(), ..header("t") };
        let update = TextHeader { operation_type: OperationType::Update as i32, ..TextHeader::default() };
        let edited = Header { content_header: Some(ContentHeader::TextHeader(update)), ..header("e") };
        let mut writing = Writing::default();
        for header in [file, other, edited, header("a\nb"), header("")] {
            assert_eq!(hear(&mut writing, &[packet(Value::StreamHeader(header))], true), []);
        }
        assert_eq!(writing.held(), (0, 0));
    }

    proptest! {
        #[test]
        fn what_is_posted_is_what_is_heard(text in "\\PC{1,4000}", tail in "[a-zäß水🦀]{0,9}") {
            let text: String = text + &tail;
            prop_assume!(text.len() <= MESSAGE_BYTES);
            let packets = post(&text).packets(7);
            for packet in &packets {
                let decoded = DataPacket::decode(&packet[..]).unwrap();
                prop_assert_eq!(decoded.participant_identity, "ada");
                if let Some(Value::StreamChunk(chunk)) = decoded.value {
                    prop_assert!(chunk.content.len() <= CHUNK_BYTES);
                    prop_assert!(String::from_utf8(chunk.content).is_ok(), "each packet is text of its own");
                }
            }
            let bytes = text.len() as u64;
            prop_assert_eq!(hear(&mut Writing::default(), &packets, true), [said(Some(&text), bytes)]);
        }

        #[test]
        fn any_packets_are_read_or_not_and_hold_little(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..50),
            number in prop_oneof![Just(9_u32), Just(13), Just(14), Just(15)],
        ) {
            let mut writing = Writing::default();
            for value in &packets {
                // Half of them look like what is looked for.
                let mut packet = Vec::new();
                prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut packet);
                prost::encoding::encode_varint(value.len() as u64, &mut packet);
                packet.extend_from_slice(value);
                hear(&mut writing, &[packet, value.clone()], true);
                let (streams, bytes) = writing.held();
                prop_assert!(streams <= STREAMS && bytes <= STREAMS * MESSAGE_BYTES);
            }
        }
    }
}
