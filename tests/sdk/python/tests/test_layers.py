"""Simulcast: who asks for a small picture gets a small one. (SVC is forwarded whole.)"""

import pytest
from livekit import rtc

from harness.media import watch
from harness.polling import until
from harness.sdk import needs_quality


@needs_quality
@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_the_quality_asked_for_arrives(call, codec):
    ann, ben = await call.pair()
    await ann.publish(
        call.camera(width=1280, height=720),
        video_codec=getattr(rtc.VideoCodec, codec),
        simulcast=True,
        video_encoding=rtc.VideoEncoding(max_bitrate=2_000_000, max_framerate=15),
    )
    publication = await ben.camera_of("ann")
    assert publication.simulcasted
    # Software encoders on a busy machine take their time before the top layer starts.
    publication.set_video_quality(rtc.VideoQuality.VIDEO_QUALITY_LOW)
    await watch(publication.track, width=320, limit_s=30)
    publication.set_video_quality(rtc.VideoQuality.VIDEO_QUALITY_HIGH)
    await watch(publication.track, width=1280, limit_s=30)
    publication.set_video_quality(rtc.VideoQuality.VIDEO_QUALITY_LOW)
    await watch(publication.track, width=320, limit_s=30)


@needs_quality
async def test_two_viewers_of_one_camera_choose_apart(call):
    ann, ben = await call.pair()
    eve = await call.join("eve")
    await ann.publish(call.camera(width=960, height=540), simulcast=True)
    small, large = await ben.camera_of("ann"), await eve.camera_of("ann")
    small.set_video_quality(rtc.VideoQuality.VIDEO_QUALITY_LOW)
    large.set_video_quality(rtc.VideoQuality.VIDEO_QUALITY_HIGH)
    await watch(large.track, width=960, limit_s=30)
    await watch(small.track, width=320, limit_s=30)


async def test_simulcast_offers_three_layers(call):
    ann, ben = await call.pair()
    camera = call.camera(width=1280, height=720)
    await ann.publish(
        camera, simulcast=True, video_encoding=rtc.VideoEncoding(max_bitrate=2_500_000, max_framerate=15)
    )
    await watch((await ben.camera_of("ann")).track)

    async def layers():
        stats = await camera.track.get_stats()
        outbound = [s.outbound_rtp.outbound for s in stats if s.WhichOneof("stats") == "outbound_rtp"]
        sending = {o.rid for o in outbound if o.frames_sent > 0}
        return sending if sending >= {"q", "h", "f"} else None

    await until("three layers are sent", layers, limit_s=30)
