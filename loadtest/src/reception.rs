//! What a subscriber makes of a stream: what came of what was owed, how regularly, and when a first picture could
//! be shown. Does as little as it can for each packet; knows no transport.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::stamp::Stamp;
use crate::tally::{Live, Present};
use crate::window::Window;

/// A picture that stays this much longer than usual is frozen (as webrtc-stats counts `freezeCount`).
const FREEZE_EXTRA_NS: u64 = 150_000_000;
/// Between requests for a first key frame.
const ASK_AGAIN_NS: u64 = 1_000_000_000;
/// Streams one participant keeps books on. A server that makes up more is not believed.
const MAX_STREAMS: usize = 4096;

/// A packet as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) ssrc: u32,
    /// Extended sequence number.
    pub(crate) sequence: u64,
    pub(crate) is_marked: bool,
    pub(crate) payload: &'a [u8],
}

/// One track on one stream.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// The track's number in the run.
    pub(crate) track: u32,
    pub(crate) is_uniform: bool,
    pub(crate) is_video: bool,
    pub(crate) began_ns: u64,
    /// A first picture was complete, or a first sound there.
    pub(crate) first_frame_ns: Option<u64>,
    /// Of the window: packets, bytes of payload, extremes of sequence numbers and of the sender's numbers.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    sequences: Option<(u64, u64)>,
    pub(crate) numbers: Option<(u32, u32)>,
    /// Mean deviation of transit times in nanoseconds (RFC 3550 section 6.4.1).
    pub(crate) jitter_ns: u64,
    transit_ns: Option<u64>,
    last_frame_ns: Option<u64>,
    interval_ns: u64,
    pub(crate) freezes: u64,
    pub(crate) frozen_ns: u64,
    /// The key frame that is being received: encoding, frame, packets so far.
    keyframe: (u8, u32, u8),
    asked_ns: u64,
}

impl Stream {
    fn new(stamp: &Stamp, now_ns: u64) -> Self {
        Self {
            track: stamp.track,
            is_uniform: stamp.is_uniform,
            is_video: stamp.is_video,
            began_ns: now_ns,
            first_frame_ns: None,
            packets: 0,
            bytes: 0,
            sequences: None,
            numbers: None,
            jitter_ns: 0,
            transit_ns: None,
            last_frame_ns: None,
            interval_ns: 0,
            freezes: 0,
            frozen_ns: 0,
            keyframe: (0, 0, 0),
            asked_ns: 0,
        }
    }

    /// Packets of the window between its first and its last that never came.
    pub(crate) fn missing(&self) -> u64 {
        self.sequences.map_or(0, |(first, last)| (last - first + 1).saturating_sub(self.packets))
    }

    fn count(&mut self, stamp: &Stamp, arrival: &Arrival<'_>, latency_ns: u64) {
        self.packets += 1;
        self.bytes += arrival.payload.len() as u64;
        let (first, last) = self.sequences.unwrap_or((arrival.sequence, arrival.sequence));
        self.sequences = Some((first.min(arrival.sequence), last.max(arrival.sequence)));
        let (first, last) = self.numbers.unwrap_or((stamp.number, stamp.number));
        self.numbers = Some((first.min(stamp.number), last.max(stamp.number)));
        if let Some(before) = self.transit_ns.replace(latency_ns) {
            let deviation = latency_ns.abs_diff(before);
            self.jitter_ns = self.jitter_ns - self.jitter_ns / 16 + deviation / 16;
        }
    }

    /// A frame's last packet came.
    fn show(&mut self, now_ns: u64, window: Window) {
        let Some(before) = self.last_frame_ns.replace(now_ns) else { return };
        let gap = now_ns.saturating_sub(before);
        if self.interval_ns == 0 {
            self.interval_ns = gap;
        }
        if window.contains(now_ns) && gap > (3 * self.interval_ns).max(self.interval_ns + FREEZE_EXTRA_NS) {
            self.freezes += 1;
            self.frozen_ns += gap - self.interval_ns;
        } else {
            self.interval_ns = self.interval_ns - self.interval_ns / 8 + gap / 8;
        }
    }

    /// The picture stood still until the window ended, or until it was no longer watched.
    fn close(&mut self, window: Window, until_ns: u64) {
        let Some(last) = self.last_frame_ns.filter(|_| self.is_video && self.interval_ns > 0) else { return };
        let gap = window.end_ns.min(until_ns).saturating_sub(last.max(window.begin_ns));
        if gap > (3 * self.interval_ns).max(self.interval_ns + FREEZE_EXTRA_NS) {
            self.freezes += 1;
            self.frozen_ns += gap - self.interval_ns;
        }
    }

    /// Looks for the first complete key frame; true when one must be asked for.
    fn look_for_picture(&mut self, stamp: &Stamp, now_ns: u64) -> bool {
        if stamp.is_keyframe {
            let so_far =
                if (self.keyframe.0, self.keyframe.1) == (stamp.encoding, stamp.frame) { self.keyframe.2 } else { 0 };
            self.keyframe = (stamp.encoding, stamp.frame, so_far.saturating_add(1));
            if self.keyframe.2 >= stamp.packets {
                self.first_frame_ns = Some(now_ns);
            }
            return false;
        }
        let asks = now_ns.saturating_sub(self.asked_ns.max(self.began_ns)) > ASK_AGAIN_NS;
        if asks {
            self.asked_ns = now_ns;
        }
        asks
    }
}

/// Everything a subscriber receives.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    streams: HashMap<u32, Stream>,
    /// Those whose SSRC carries something else by now.
    past: Vec<Stream>,
    tracks: HashSet<u32>,
}

impl Reception {
    /// Takes a packet; true when its sender must be asked for a key frame.
    pub(crate) fn receive(&mut self, arrival: &Arrival<'_>, present: &mut Present<'_>) -> bool {
        let Some(stamp) = Stamp::read(arrival.payload) else {
            // Padding has none; anything else is not of this run.
            present.tally.foreign += u64::from(!arrival.payload.is_empty());
            return false;
        };
        present.tally.received += 1;
        let now_ns = present.ns();
        let is_known = self.streams.get(&arrival.ssrc).is_some_and(|stream| stream.track == stamp.track);
        if !is_known && !self.begin(arrival.ssrc, &stamp, now_ns, present) {
            return false;
        }
        let Some(stream) = self.streams.get_mut(&arrival.ssrc) else { return false };
        if present.window.contains(stamp.sent_ns) {
            let latency_ns = now_ns.saturating_sub(stamp.sent_ns);
            stream.count(&stamp, arrival, latency_ns);
            let len = arrival.payload.len() as u64;
            present.tally.record(present.window, stamp.sent_ns, Duration::from_nanos(latency_ns), len);
        }
        if !stream.is_video {
            stream.first_frame_ns.get_or_insert(now_ns);
            return false;
        }
        if arrival.is_marked {
            stream.show(now_ns, present.window);
        }
        stream.first_frame_ns.is_none() && stream.look_for_picture(&stamp, now_ns)
    }

    /// A track begins on an SSRC; false when there are too many.
    fn begin(&mut self, ssrc: u32, stamp: &Stamp, now_ns: u64, present: &Present<'_>) -> bool {
        if self.streams.len() + self.past.len() >= MAX_STREAMS {
            return false;
        }
        if self.tracks.insert(stamp.track) {
            Live::count(&present.tally.live.flowing);
        }
        self.past.extend(self.streams.insert(ssrc, Stream::new(stamp, now_ns)));
        true
    }

    /// All streams there were, watched until then.
    pub(crate) fn into_streams(self, window: Window, until_ns: u64) -> Vec<Stream> {
        let mut streams = self.past;
        streams.extend(self.streams.into_values().map(|mut stream| {
            stream.close(window, until_ns);
            stream
        }));
        streams
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::clock::Clock;
    use crate::tally::Tally;

    const MS: u64 = 1_000_000;

    /// A subscriber in virtual time.
    struct Scene {
        reception: Reception,
        tally: Tally,
        origin: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let tally = Tally::new(Arc::new(Live::default()));
            Self { reception: Reception::default(), tally, origin: Instant::now() }
        }

        /// One packet a frame, sent at its number in intervals of 33 ms and 5 ms under way.
        fn receive(&mut self, number: u32, is_keyframe: bool) -> bool {
            let sent_ns = u64::from(number) * 33 * MS;
            let stamp = Stamp {
                track: 1,
                encoding: 0,
                is_keyframe,
                is_uniform: true,
                is_video: true,
                packet: 0,
                packets: 1,
                frame: number,
                number,
                sent_ns,
            };
            let mut payload = [0; 100];
            stamp.write(&mut payload);
            let clock = Clock::new(self.origin, 0);
            let window = Window { begin_ns: 330 * MS, end_ns: 3300 * MS };
            let now = self.origin + Duration::from_nanos(sent_ns + 5 * MS);
            let mut present = Present { now, clock, window, tally: &mut self.tally };
            let arrival = Arrival { ssrc: 9, sequence: 500 + u64::from(number), is_marked: true, payload: &payload };
            self.reception.receive(&arrival, &mut present)
        }

        fn finish(self) -> (Stream, Tally) {
            self.finish_at(u64::MAX)
        }

        fn finish_at(self, until_ns: u64) -> (Stream, Tally) {
            let streams = self.reception.into_streams(Window { begin_ns: 330 * MS, end_ns: 3300 * MS }, until_ns);
            assert_eq!(streams.len(), 1);
            (streams.into_iter().next().expect("one stream"), self.tally)
        }
    }

    #[test]
    fn what_was_sent_in_the_window_counts() {
        let mut scene = Scene::new();
        for number in 0..120 {
            scene.receive(number, number == 0);
        }
        let (stream, tally) = scene.finish();
        assert_eq!((stream.packets, stream.missing(), stream.freezes), (90, 0, 0));
        assert_eq!(stream.numbers, Some((10, 99)));
        assert_eq!(stream.first_frame_ns, Some(5 * MS));
        assert_eq!((tally.latency.count(), tally.latency.max()), (90, Some(Duration::from_millis(5))));
        assert_eq!(tally.seconds.iter().map(|second| second.packets).sum::<u64>(), 90);
    }

    #[test]
    fn what_never_came_is_missing() {
        let mut scene = Scene::new();
        for number in (0..120).filter(|number| number % 10 != 5) {
            scene.receive(number, number == 0);
        }
        assert_eq!(scene.finish().0.missing(), 9);
    }

    #[test]
    fn a_picture_that_stands_still_is_frozen() {
        let mut scene = Scene::new();
        for number in (0..60).filter(|number| !(40..50).contains(number)) {
            scene.receive(number, number == 0);
        }
        let (stream, _) = scene.finish();
        // Once for a third of a second, and from the 60th frame to the end.
        assert_eq!(stream.freezes, 2);
        assert!((1600..1700).contains(&(stream.frozen_ns / MS)), "{}", stream.frozen_ns / MS);
    }

    #[test]
    fn nothing_is_frozen_for_those_who_left() {
        let mut scene = Scene::new();
        for number in 0..60 {
            scene.receive(number, number == 0);
        }
        assert_eq!(scene.finish_at(60 * 33 * MS).0.freezes, 0);
    }

    #[test]
    fn a_key_frame_that_does_not_come_is_asked_for() {
        let mut scene = Scene::new();
        let asked: Vec<u32> = (0..70).filter(|number| scene.receive(*number, false)).collect();
        assert_eq!(asked, [31, 62], "once a second");
        scene.receive(70, true);
        assert!((71..120).all(|number| !scene.receive(number, false)));
        assert_eq!(scene.finish().0.first_frame_ns, Some(70 * 33 * MS + 5 * MS));
    }
}
