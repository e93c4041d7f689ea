"""What an application attaches to a frame arrives with that frame: in packet trailers, which this SDK appends and takes off."""

import asyncio
import itertools

import pytest
from livekit import rtc

from harness.media import FRAMES_PER_S
from harness.polling import LIMIT_S
from harness.sdk import needs_frame_metadata

WIDTH, HEIGHT = 320, 240


async def _film(source: rtc.VideoSource) -> None:
    """Frames that are numbered, and say so."""
    picture = rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.I420, bytearray([128]) * (WIDTH * HEIGHT * 3 // 2))
    for number in itertools.count(1):
        metadata = rtc.FrameMetadata(frame_id=number, user_timestamp=1000 * number, user_data=b"frame %d" % number)
        source.capture_frame(picture, metadata=metadata)
        await asyncio.sleep(1 / FRAMES_PER_S)


async def _read(track: rtc.Track, frames: int) -> list:
    """What so many frames bring with them."""
    stream, read = rtc.VideoStream(track), []
    try:
        async for event in stream:
            read += [event.metadata] if event.metadata is not None else []
            if len(read) == frames:
                return read
    finally:
        await stream.aclose()
    raise AssertionError(f"the track ended after {len(read)} frames")


@needs_frame_metadata
@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1", "H264"])
async def test_metadata_arrives_with_its_frame(call, codec):
    ann, ben = await call.pair()
    source = rtc.VideoSource(WIDTH, HEIGHT)
    features = [
        rtc.FrameMetadataFeature.FMF_USER_TIMESTAMP,
        rtc.FrameMetadataFeature.FMF_FRAME_ID,
        rtc.FrameMetadataFeature.FMF_USER_DATA,
    ]
    track = rtc.LocalVideoTrack.create_video_track("camera", source)
    film = asyncio.ensure_future(_film(source))
    try:
        video_codec = getattr(rtc.VideoCodec, codec)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_CAMERA, video_codec=video_codec, frame_metadata_features=features
        )
        await ann.me.publish_track(track, options)
        publication = await ben.camera_of("ann")
        assert publication.frame_metadata_features == features
        read = await asyncio.wait_for(_read(publication.track, 5), LIMIT_S)
        for metadata in read:
            assert metadata.user_timestamp == 1000 * metadata.frame_id
            assert metadata.user_data == b"frame %d" % metadata.frame_id
        assert [m.frame_id for m in read] == sorted({m.frame_id for m in read})
    finally:
        film.cancel()
        await asyncio.gather(film, return_exceptions=True)
        await source.aclose()
