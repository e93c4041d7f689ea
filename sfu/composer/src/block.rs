//! Raw pictures and sound with their times, in Matroska (RFC 9559): how ffmpeg is given them and gives them.
//!
//! A bare stream of pictures says no times, so a pause would have to be filled with copies, and sound and pictures would
//! need two ways into a process. Here each block says when it is. Only what ffmpeg needs is written, and only what it
//! writes is read: one track, blocks without lacing.

use std::io::{self, Read, Write};

use crate::composition::Canvas;

mod id {
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const CLUSTER: u32 = 0x1f43_b675;
    pub(super) const TIMESTAMP: u32 = 0xe7;
    pub(super) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(super) const BLOCK_GROUP: u32 = 0xa0;
    pub(super) const BLOCK: u32 = 0xa1;
}

/// An element whose end is not known before it is there.
const UNKNOWN_SIZE: u64 = (1 << 56) - 1;

/// Most bytes of a block: a picture of 3840 by 3840 and its head.
const MAX_BLOCK: u64 = 3840 * 3840 * 3 / 2 + 16;

/// Most bytes of anything else.
const MAX_OTHER: u64 = 1 << 20;

/// Samples per second of all sound.
pub(crate) const SAMPLE_RATE: u32 = 48_000;

/// Reads what ffmpeg writes.
#[derive(Debug)]
pub(crate) struct BlockReader<R> {
    source: R,
    cluster_ms: u64,
}

impl<R: Read> BlockReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, cluster_ms: 0 }
    }

    /// The next block into `block`, and its time in milliseconds. Nothing at the end.
    ///
    /// # Errors
    /// What the source says, or that this is no such stream.
    pub(crate) fn read(&mut self, block: &mut Vec<u8>) -> io::Result<Option<u64>> {
        loop {
            let Some((id, size)) = self.element()? else { return Ok(None) };
            match id {
                // Their children follow.
                id::SEGMENT | id::CLUSTER | id::BLOCK_GROUP => {}
                id::TIMESTAMP if size <= 8 => {
                    let mut number = [0; 8];
                    let bytes = number.get_mut(8 - usize::try_from(size).unwrap_or(8)..).unwrap_or_default();
                    self.source.read_exact(bytes)?;
                    self.cluster_ms = u64::from_be_bytes(number);
                }
                id::SIMPLE_BLOCK | id::BLOCK if (5..=MAX_BLOCK).contains(&size) => {
                    // One byte of the track's number, as there is one track.
                    let mut head = [0; 4];
                    self.source.read_exact(&mut head)?;
                    let [_, high, low, _] = head;
                    let size = size - 4;
                    block.clear();
                    block.reserve(usize::try_from(size).unwrap_or_default());
                    if (&mut self.source).take(size).read_to_end(block)? as u64 != size {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    return Ok(Some(self.cluster_ms.saturating_add_signed(i16::from_be_bytes([high, low]).into())));
                }
                _ if size <= MAX_OTHER => {
                    if io::copy(&mut (&mut self.source).take(size), &mut io::sink())? != size {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an element is too large")),
            }
        }
    }

    /// Id and size of what comes next.
    fn element(&mut self) -> io::Result<Option<(u32, u64)>> {
        let mut first = [0];
        if self.source.read(&mut first)? == 0 {
            return Ok(None);
        }
        let [first] = first;
        let length = first.leading_zeros();
        if length > 3 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no element begins so"));
        }
        let id = self.number(u64::from(first), length)?;
        let mut first = [0];
        self.source.read_exact(&mut first)?;
        let [first] = first;
        let length = first.leading_zeros();
        if length > 7 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no size begins so"));
        }
        let size = self.number(u64::from(first) & ((1 << (7 - length)) - 1), length)?;
        Ok(Some((u32::try_from(id).unwrap_or_default(), size)))
    }

    /// What so many more bytes make of a number.
    fn number(&mut self, start: u64, more: u32) -> io::Result<u64> {
        let mut byte = [0];
        (0..more).try_fold(start, |number, _| {
            self.source.read_exact(&mut byte)?;
            let [byte] = byte;
            Ok(number << 8 | u64::from(byte))
        })
    }
}

/// Writes what ffmpeg reads: pictures as track 1, sound as track 2, where there are such.
#[derive(Debug)]
pub(crate) struct BlockWriter<W> {
    sink: W,
}

impl<W: Write> BlockWriter<W> {
    /// Begins a stream.
    ///
    /// # Errors
    /// What the sink says.
    pub(crate) fn begin(mut sink: W, pictures: Option<Canvas>, has_sound: bool) -> io::Result<Self> {
        let ebml = [text(0x4282, "matroska"), uint(0x4287, 4), uint(0x4285, 2)].concat();
        // Times in microseconds.
        let info = [uint(0x002a_d7b1, 1000), text(0x4d80, "sluice"), text(0x5741, "sluice")].concat();
        let mut tracks = Vec::new();
        if let Some(canvas) = pictures {
            let period_ns = 1_000_000_000 / u64::from(canvas.fps.max(1));
            let size = [uint(0xb0, canvas.width.into()), uint(0xba, canvas.height.into()), bytes(0x002e_b524, b"I420")];
            let entry = [
                uint(0xd7, 1),
                uint(0x73c5, 1),
                uint(0x83, 1),
                uint(0x9c, 0),
                uint(0x0023_e383, period_ns),
                text(0x86, "V_UNCOMPRESSED"),
                bytes(0xe0, &size.concat()),
            ];
            tracks.extend(bytes(0xae, &entry.concat()));
        }
        if has_sound {
            let sound = [bytes(0xb5, &f64::from(SAMPLE_RATE).to_be_bytes()), uint(0x9f, 2), uint(0x6264, 32)];
            let entry = [
                uint(0xd7, 2),
                uint(0x73c5, 2),
                uint(0x83, 2),
                uint(0x9c, 0),
                text(0x86, "A_PCM/FLOAT/IEEE"),
                bytes(0xe1, &sound.concat()),
            ];
            tracks.extend(bytes(0xae, &entry.concat()));
        }
        sink.write_all(&bytes(0x1a45_dfa3, &ebml))?;
        sink.write_all(&id::SEGMENT.to_be_bytes())?;
        sink.write_all(&(1 << 56 | UNKNOWN_SIZE).to_be_bytes())?;
        sink.write_all(&bytes(0x1549_a966, &info))?;
        sink.write_all(&bytes(0x1654_ae6b, &tracks))?;
        Ok(Self { sink })
    }

    /// What is seen and heard from this time on. Samples are those of left and right, turn by turn.
    ///
    /// # Errors
    /// What the sink says, such as that nobody reads any more.
    pub(crate) fn write(&mut self, time_us: u64, picture: Option<&[u8]>, samples: Option<&[f32]>) -> io::Result<()> {
        let time = uint(id::TIMESTAMP, time_us);
        let picture_head = picture.map(|picture| block_head(1, picture.len()));
        let sound: Option<Vec<u8>> =
            samples.map(|samples| samples.iter().flat_map(|sample| sample.to_le_bytes()).collect());
        let sound_head = sound.as_ref().map(|sound| block_head(2, sound.len()));
        let parts = [Some(time.as_slice()), picture_head.as_deref(), picture, sound_head.as_deref(), sound.as_deref()];
        let length = parts.iter().flatten().map(|part| part.len()).sum();
        self.sink.write_all(&head(id::CLUSTER, length))?;
        parts.into_iter().flatten().try_for_each(|part| self.sink.write_all(part))
    }
}

/// Track, no time of its own, a key frame.
fn block_head(track: u8, length: usize) -> Vec<u8> {
    let mut head = head(id::SIMPLE_BLOCK, length + 4);
    head.extend([0x80 | track, 0, 0, 0x80]);
    head
}

/// Id, and size in eight bytes.
fn head(id: u32, length: usize) -> Vec<u8> {
    let mut head: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    head.extend((1 << 56 | u64::try_from(length).unwrap_or_default()).to_be_bytes());
    head
}

fn bytes(id: u32, content: &[u8]) -> Vec<u8> {
    let mut element = head(id, content.len());
    element.extend_from_slice(content);
    element
}

fn uint(id: u32, number: u64) -> Vec<u8> {
    bytes(id, &number.to_be_bytes())
}

fn text(id: u32, text: &str) -> Vec<u8> {
    bytes(id, text.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn read_all(stream: &[u8]) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let mut reader = BlockReader::new(stream);
        let mut blocks = Vec::new();
        let mut block = Vec::new();
        while let Some(time) = reader.read(&mut block)? {
            blocks.push((time, block.clone()));
        }
        Ok(blocks)
    }

    #[test]
    fn what_is_written_is_read() {
        let canvas = Canvas { width: 64, height: 64, fps: 30 };
        let mut stream = Vec::new();
        let mut writer = BlockWriter::begin(&mut stream, Some(canvas), true).unwrap();
        writer.write(0, Some(&[1, 2, 3]), Some(&[0.5, -0.5])).unwrap();
        writer.write(33_333, Some(&[4]), None).unwrap();
        let sound = [0.5_f32.to_le_bytes(), (-0.5_f32).to_le_bytes()].concat();
        // The reader takes times as they come: ours are microseconds, ffmpeg's milliseconds.
        assert_eq!(read_all(&stream).unwrap(), [(0, vec![1, 2, 3]), (0, sound), (33_333, vec![4])]);
        stream.pop();
        assert_eq!(read_all(&stream).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let cluster = [&id::CLUSTER.to_be_bytes()[..], &[0xff], &bytes].concat();
            drop(read_all(&bytes));
            drop(read_all(&cluster));
        }
    }
}
