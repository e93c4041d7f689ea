"""Pictures and sound to send, and what to look for in those that arrive."""

import array
import asyncio
import math
from typing import List, Optional

from livekit import rtc

from .polling import LIMIT_S

SAMPLE_RATE_HZ = 48_000
AUDIO_FRAME_MS = 10
TONE_HZ = 440
# Root mean square, of 32768. The tone has about 7000; comfort noise and codec dust stay under 50.
AUDIBLE_RMS = 500
FRAMES_PER_S = 15


class Camera:
    """Sends pictures of one colour each, a vertical bar wandering through them, until it is closed."""

    def __init__(self, width: int = 320, height: int = 240, luma: int = 200, name: str = "camera") -> None:
        self.width, self.height, self._luma = width, height, luma
        self._source = rtc.VideoSource(width, height)
        self.track = rtc.LocalVideoTrack.create_video_track(name, self._source)
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        chroma = bytes([128]) * (self.width // 2 * (self.height // 2) * 2)
        bar = max(2, self.width // 20)
        number = 0
        while True:
            at = (number * 7) % (self.width - bar)
            row = bytearray([self._luma]) * self.width
            row[at : at + bar] = bytes([16]) * bar
            data = bytearray(bytes(row) * self.height + chroma)
            self._source.capture_frame(rtc.VideoFrame(self.width, self.height, rtc.VideoBufferType.I420, data))
            number += 1
            await asyncio.sleep(1 / FRAMES_PER_S)

    async def close(self) -> None:
        await _cancel(self._task)
        await self._source.aclose()


class Microphone:
    """Sends a tone until it is closed."""

    def __init__(self, name: str = "microphone") -> None:
        self._source = rtc.AudioSource(SAMPLE_RATE_HZ, 1)
        self.track = rtc.LocalAudioTrack.create_audio_track(name, self._source)
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        samples = SAMPLE_RATE_HZ * AUDIO_FRAME_MS // 1000
        at = 0
        while True:
            wave = array.array("h", (int(10_000 * math.sin(math.tau * TONE_HZ * (at + i) / SAMPLE_RATE_HZ)) for i in range(samples)))
            at = (at + samples) % SAMPLE_RATE_HZ
            # The source paces: it takes no more than it plays.
            await self._source.capture_frame(rtc.AudioFrame(wave.tobytes(), SAMPLE_RATE_HZ, 1, samples))

    async def close(self) -> None:
        await _cancel(self._task)
        await self._source.aclose()


async def _cancel(task: "asyncio.Future[None]") -> None:
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


class LostSink(Exception):
    """The SDK decodes pictures of a track and hands them to nobody: no fault of a server's, and none it could mend.

    An SDK that publishes its first picture adds `x-google-start-bitrate` to all its video codecs, so that libwebrtc
    makes its receiving streams anew. A packet that comes in between is taken for one of an unknown stream, and the
    stream loses its reader ("Could not create default receive stream", then a sink of nothing; seen with 1.2.0 on busy
    machines). A test in which that happened has shown nothing: it runs again.
    """


async def watch(
    track: rtc.Track, frames: int = 5, width: Optional[int] = None, limit_s: float = LIMIT_S
) -> rtc.VideoFrame:
    """Waits for so many decoded frames, of that width if one is given; the last one."""
    sizes: List[int] = []
    stream = rtc.VideoStream(track, format=rtc.VideoBufferType.I420)
    reading = asyncio.ensure_future(_read(stream, frames, width, sizes))
    try:
        done, _ = await asyncio.wait([reading], timeout=limit_s)
        if not done:
            await _expect_sink(track, sizes)
            wanted = "" if width is None else f" of width {width}"
            seen = f"{len(sizes)} seen, widths {sorted(set(sizes))}"
            raise AssertionError(f"not {frames} frames{wanted} within {limit_s:g} s: {seen}")
        return reading.result()
    finally:
        reading.cancel()
        await stream.aclose()


async def _read(stream: rtc.VideoStream, frames: int, width: Optional[int], sizes: List[int]) -> rtc.VideoFrame:
    """Adds the widths of all frames to `sizes`, and returns the one that makes it enough."""
    async for event in stream:
        sizes.append(event.frame.width)
        if sum(width in (None, size) for size in sizes) >= frames:
            return event.frame
    raise AssertionError(f"the track ended after {len(sizes)} frames")


async def _expect_sink(track: rtc.Track, sizes: List[int]) -> None:
    """Tells a track without pictures from one whose pictures are decoded and then lost, while `sizes` is written."""
    seen, decoded = len(sizes), await _frames_decoded(track)
    for _ in range(20):
        await asyncio.sleep(0.1)
        if len(sizes) > seen:
            return
        if await _frames_decoded(track) >= decoded + 5:
            raise LostSink(f"{await _frames_decoded(track)} frames decoded, {seen} handed out")


async def _frames_decoded(track: rtc.Track) -> int:
    return sum(stat.inbound_rtp.inbound.frames_decoded for stat in await track.get_stats() if stat.HasField("inbound_rtp"))


async def listen(track: rtc.Track, limit_s: float = LIMIT_S) -> float:
    """Waits until the track is audible; its loudness (root mean square)."""
    stream = rtc.AudioStream(track, sample_rate=SAMPLE_RATE_HZ, num_channels=1)
    loudest = 0.0

    async def hear() -> float:
        nonlocal loudest
        async for event in stream:
            loudest = max(loudest, _rms(event.frame))
            if loudest >= AUDIBLE_RMS:
                return loudest
        raise AssertionError(f"the track ended; loudest {loudest:.0f}")

    try:
        return await asyncio.wait_for(hear(), limit_s)
    except asyncio.TimeoutError:
        raise AssertionError(f"nothing audible within {limit_s:g} s; loudest {loudest:.0f}") from None
    finally:
        await stream.aclose()


async def hear_nothing(track: rtc.Track, limit_s: float = LIMIT_S) -> None:
    """Waits until the track has been silent for a second: it gives silence, or nothing at all."""
    stream = rtc.AudioStream(track, sample_rate=SAMPLE_RATE_HZ, num_channels=1)
    loudest = 0.0

    async def fall_silent() -> None:
        nonlocal loudest
        silent_ms = 0
        while silent_ms < 1000:
            try:
                event = await asyncio.wait_for(stream.__anext__(), 1.0)
            except (asyncio.TimeoutError, StopAsyncIteration):
                return
            loudest = _rms(event.frame)
            silent_ms = silent_ms + AUDIO_FRAME_MS if loudest < AUDIBLE_RMS else 0

    try:
        await asyncio.wait_for(fall_silent(), limit_s)
    except asyncio.TimeoutError:
        raise AssertionError(f"still audible after {limit_s:g} s; last {loudest:.0f}") from None
    finally:
        await stream.aclose()


def luma(frame: rtc.VideoFrame) -> int:
    """Brightness of the picture's middle row, the brightest of a few places: the bar covers at most one."""
    row = bytes(frame.data)[frame.width * (frame.height // 2) :][: frame.width]
    return max(row[frame.width // 8 * place] for place in range(1, 8))


def _rms(frame: rtc.AudioFrame) -> float:
    samples = array.array("h", bytes(frame.data))
    return math.sqrt(sum(s * s for s in samples) / max(1, len(samples)))

