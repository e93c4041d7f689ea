//! Finishing a file whose writer was killed: all that was written whole is kept, what was cut is cut off, and the index,
//! the duration and the size are written as if the recording had ended there.
//!
//! Reads one cluster or fragment at a time. The file may be anything: what is not ours is refused, not guessed at.

use std::io::{self, Read, Seek, SeekFrom};

use super::boxes::{self, find};
use super::ebml::{self, LONG_HEAD, read_head, read_uint};
use super::fragmented_mp4::{MAX_MOOF, duration_patch, mehd as mehd_in, sample_len};
use super::matroska::{Cue, Cues, DURATION_LEN, Layout, SEEK_HEAD_LEN, TYPE_VIDEO, id, tail};
use super::{MAX_CLUSTER_BYTES, Patch};

/// Largest element that is read as a whole: a cluster of one frame beyond the bound, and more.
const MAX_READ: u64 = 16 << 20;
const _: () = assert!(MAX_CLUSTER_BYTES < 16 << 20, "our own clusters are read");

/// What to do to a file so that it is whole: cut it to `keep`, append, patch, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Length in bytes of what stays.
    pub keep: u64,
    /// Length of all but the last cluster or fragment, two seconds at most. Where a disk has no room for the rest of this, the
    /// file cut to that has, and is to be looked at anew. `None` where it is the only one.
    pub without_last: Option<u64>,
    /// What comes behind it.
    pub append: Vec<u8>,
    /// What is written over.
    pub patches: Vec<Patch>,
    /// How long the file plays, in microseconds.
    pub duration_us: u64,
}

/// Why a file cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum NotRecoverable {
    /// Reading failed.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// No frame of it was written whole.
    #[error("nothing that plays was written before the recording was cut off: delete the file")]
    Empty,
    /// Not a file of this crate.
    #[error("this is not a recording of ours: leave it as it is")]
    Foreign,
}

/// Reads a file that was cut off; says how to finish it. Nothing is to be done for one that is whole.
///
/// # Errors
/// The file cannot be read, holds nothing that plays, or is not ours.
pub fn recover(file: &mut (impl Read + Seek)) -> Result<Option<Repair>, NotRecoverable> {
    let len = file.seek(SeekFrom::End(0))?;
    let first = read_at(file, 0, len.min(8))?;
    match first.get(..4) {
        Some([0x1a, 0x45, 0xdf, 0xa3]) => recover_matroska(file, len),
        _ if first.get(4..) == Some(b"ftyp") => recover_mp4(file, len),
        _ if len < 8 => Err(NotRecoverable::Empty),
        _ => Err(NotRecoverable::Foreign),
    }
}

fn read_at(file: &mut (impl Read + Seek), at: u64, len: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(len.min(MAX_READ)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An element of a file: head, and where the body begins and ends.
struct Element {
    id: u32,
    at: u64,
    body: u64,
    end: u64,
}

/// The element at a place, when it is there as a whole.
fn element_at(file: &mut (impl Read + Seek), at: u64, len: u64) -> io::Result<Option<Element>> {
    let head = read_at(file, at, u64::try_from(LONG_HEAD).unwrap_or(u64::MAX))?;
    let Some(head) = read_head(&head) else { return Ok(None) };
    let body = at.saturating_add(u64::try_from(head.len).unwrap_or(u64::MAX));
    let end = head.size.and_then(|size| body.checked_add(size)).filter(|end| *end <= len);
    Ok(end.map(|end| Element { id: head.id, at, body, end }))
}

fn recover_matroska(file: &mut (impl Read + Seek), len: u64) -> Result<Option<Repair>, NotRecoverable> {
    let Some(ebml) = element_at(file, 0, len)? else { return Err(NotRecoverable::Empty) };
    let segment = read_at(file, ebml.end, u64::try_from(LONG_HEAD).unwrap_or(u64::MAX))?;
    let Some(segment) = read_head(&segment) else { return Err(NotRecoverable::Empty) };
    if segment.id != id::SEGMENT || segment.len != LONG_HEAD {
        return Err(NotRecoverable::Foreign);
    }
    let data = ebml.end + u64::try_from(LONG_HEAD).unwrap_or(u64::MAX);
    if segment.size.and_then(|size| data.checked_add(size)) == Some(len) {
        return Ok(None);
    }
    let mut layout = Layout { data, ..Layout::default() };
    let mut cues = Cues::default();
    let (mut keep, mut without_last, mut end_ms, mut video) = (0, None, 0, None);
    let mut at = data;
    while let Some(element) = element_at(file, at, len)? {
        match element.id {
            id::INFO => {
                layout.info = element.at;
                layout.duration = element.end.saturating_sub(u64::try_from(DURATION_LEN).unwrap_or(u64::MAX));
            }
            id::TRACKS => {
                layout.tracks = element.at;
                video = video_track(&read_at(file, element.body, element.end - element.body)?);
            }
            id::CLUSTER => {
                let body = read_at(file, element.body, element.end - element.body)?;
                let cluster = Cluster::read(&body, video).ok_or(NotRecoverable::Foreign)?;
                if let Some(time_ms) = cluster.entry_ms {
                    cues.push(Cue { time_ms, track: video.unwrap_or(1), position: element.at - data });
                }
                end_ms = end_ms.max(cluster.end_ms);
                without_last = (keep > 0).then_some(element.at);
                keep = element.end;
            }
            // What an end that was cut off has written already.
            id::CUES => break,
            id::VOID | id::SEEK_HEAD => {}
            _ => return Err(NotRecoverable::Foreign),
        }
        at = element.end;
    }
    if keep == 0 {
        return Err(NotRecoverable::Empty);
    }
    let room = u64::try_from(SEEK_HEAD_LEN).unwrap_or(u64::MAX);
    if layout.tracks == 0 || layout.duration <= layout.info || layout.info < data + room {
        return Err(NotRecoverable::Foreign);
    }
    let (append, patches) = tail(&layout, &cues, keep, end_ms);
    Ok(Some(Repair { keep, without_last, append, patches, duration_us: end_ms.saturating_mul(1000) }))
}

/// The number of the first track of pictures.
fn video_track(body: &[u8]) -> Option<u64> {
    children(body).filter(|(child, _)| *child == id::TRACK_ENTRY).find_map(|(_, entry)| {
        let field = |wanted| children(entry).find(|(child, _)| *child == wanted).and_then(|(_, body)| read_uint(body));
        (field(id::TRACK_TYPE)? == TYPE_VIDEO).then(|| field(id::TRACK_NUMBER))?
    })
}

/// What a cluster says of itself, in milliseconds of the file.
struct Cluster {
    entry_ms: Option<u64>,
    end_ms: u64,
}

impl Cluster {
    fn read(body: &[u8], video: Option<u64>) -> Option<Self> {
        let mut blocks = children(body);
        let (first, timestamp) = blocks.next()?;
        let begin_ms = read_uint(timestamp).filter(|_| first == id::TIMESTAMP)?;
        let mut cluster = Self { entry_ms: None, end_ms: begin_ms };
        for (child, block) in blocks {
            let ([number, high, low, flags], _) = block.split_first_chunk::<4>()?;
            if child != id::SIMPLE_BLOCK {
                return None;
            }
            let relative = i64::from(i16::from_be_bytes([*high, *low]));
            let time_ms = begin_ms.saturating_add_signed(relative);
            let is_sought = video.is_none_or(|video| video == u64::from(number & 0x7f));
            if is_sought && flags & 0x80 != 0 && cluster.entry_ms.is_none() {
                cluster.entry_ms = Some(time_ms);
            }
            cluster.end_ms = cluster.end_ms.max(time_ms);
        }
        Some(cluster)
    }
}

/// The elements of a body, as far as they are whole.
fn children(mut body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let head: ebml::Head = read_head(body)?;
        let size = usize::try_from(head.size?).ok()?;
        let (child, rest) = body.get(head.len..)?.split_at_checked(size)?;
        body = rest;
        Some((head.id, child))
    })
}

fn recover_mp4(file: &mut (impl Read + Seek), len: u64) -> Result<Option<Repair>, NotRecoverable> {
    let (mut at, mut keep, mut duration_us) = (0, 0, 0_u64);
    let (mut fragment_at, mut without_last) = (0, None);
    let (mut mehd, mut has_duration, mut timescales, mut fragment_us) = (None, false, Vec::new(), 0);
    let mut before = None;
    loop {
        let head = read_at(file, at, 8)?;
        let Some(([a, b, c, d], kind)) = head.split_first_chunk::<4>() else { break };
        let Some(kind) = kind.first_chunk::<4>() else { break };
        let size = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
        // What was never written although the file was made longer.
        if size == 0 && *kind == [0; 4] {
            break;
        }
        if !follows(before.as_ref(), kind) || size < 8 {
            return Err(NotRecoverable::Foreign);
        }
        let Some(end) = at.checked_add(size).filter(|end| *end <= len) else { break };
        match kind {
            b"moov" => {
                let body = read_at(file, at, size)?;
                let place = mehd_in(&body).ok_or(NotRecoverable::Foreign)?;
                mehd = Some(at + place);
                has_duration =
                    body.get(usize::try_from(place).unwrap_or(usize::MAX)..).and_then(|body| number(body, 4)) > Some(0);
                timescales = timescales_of(&body);
            }
            b"moof" => {
                if size > MAX_MOOF {
                    return Err(NotRecoverable::Foreign);
                }
                fragment_at = at;
                let moof = read_at(file, at, size)?;
                fragment_us = end_us(&moof, &timescales).ok_or(NotRecoverable::Foreign)?;
            }
            b"mdat" => {
                without_last = (keep > 0).then_some(fragment_at);
                keep = end;
                duration_us = duration_us.max(fragment_us);
            }
            _ => {}
        }
        before = Some(*kind);
        at = end;
    }
    let is_indexed = before == Some(*b"mfra") && at == len;
    if is_indexed && has_duration {
        return Ok(None);
    }
    if keep == 0 {
        return Err(NotRecoverable::Empty);
    }
    let patches = mehd.map(|mehd| duration_patch(mehd, duration_us / 1000)).into_iter().collect();
    // The index is written before the duration, and a disk may keep either of them alone. Without an index players look
    // through the fragments' heads, which they do anyway where one is missing.
    let (keep, append) = if is_indexed { (len, Vec::new()) } else { (keep, empty_index()) };
    // One with an index is cut without it.
    let without_last = without_last.filter(|_| !is_indexed);
    Ok(Some(Repair { keep, without_last, append, patches, duration_us }))
}

/// Whether a box is what we write behind another: `ftyp`, `moov`, `moof` and `mdat` in turn, `mfra`. Where something else
/// stands, frames may lie that we know nothing of, and nothing may be cut off.
fn follows(before: Option<&boxes::Kind>, kind: &boxes::Kind) -> bool {
    match before {
        None => kind == b"ftyp",
        Some(b"ftyp") => kind == b"moov",
        Some(b"moov") => kind == b"moof",
        Some(b"moof") => kind == b"mdat",
        Some(b"mdat") => matches!(kind, b"moof" | b"mfra"),
        Some(_) => false,
    }
}

/// `mfra` with nothing but its own size: it says that the file has come to its end.
fn empty_index() -> Vec<u8> {
    [&24_u32.to_be_bytes()[..], b"mfra", &16_u32.to_be_bytes(), b"mfro", &[0; 4], &24_u32.to_be_bytes()].concat()
}

/// Ticks of a second for each track, in the order of their numbers (section 8.4.2).
fn timescales_of(moov: &[u8]) -> Vec<u32> {
    let headers = find(moov, &[*b"moov", *b"trak", *b"mdia", *b"mdhd"]);
    headers
        .into_iter()
        .filter_map(|body| {
            let body = moov.get(body)?;
            number(body, if *body.first()? == 0 { 12 } else { 20 })
        })
        .collect()
}

/// When the last sample of a fragment ends. Nothing, where it is not laid out as [`super::fragmented_mp4`] writes it: counts
/// are believed only where as many follow.
fn end_us(moof: &[u8], timescales: &[u32]) -> Option<u64> {
    let mut end_us = 0;
    for traf in find(moof, &[*b"moof", *b"traf"]) {
        let body = |kind: &boxes::Kind| {
            let mut all = boxes::children(moof, traf.clone()).filter(|(found, _)| found == kind);
            all.next().and_then(|(_, body)| moof.get(body))
        };
        let place = usize::try_from(number(body(b"tfhd")?, 4)?).ok()?.checked_sub(1)?;
        let timescale = timescales.get(place).copied().filter(|timescale| *timescale > 0)?;
        let begin = body(b"tfdt")?.get(4..12)?.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))?;
        // Version and flags, count, offset.
        let (head, samples) = body(b"trun")?.split_first_chunk::<12>()?;
        let samples = samples.chunks_exact(sample_len(number(head, 0)?)?);
        if usize::try_from(number(head, 4)?).ok()? != samples.len() || !samples.remainder().is_empty() {
            return None;
        }
        let (mut decoded, mut end) = (begin, begin);
        for sample in samples {
            decoded = decoded.saturating_add(number(sample, 0)?.into());
            // How much later it is shown than it is decoded, where that is said.
            let offset = number(sample, 12).unwrap_or_default().cast_signed();
            end = end.max(decoded.saturating_add_signed(offset.into()));
        }
        let us = u128::from(end) * 1_000_000 / u128::from(timescale);
        end_us = end_us.max(u64::try_from(us).ok()?);
    }
    Some(end_us)
}

/// The number of four bytes there.
fn number(body: &[u8], at: usize) -> Option<u32> {
    body.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}
