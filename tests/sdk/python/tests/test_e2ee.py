"""End-to-end encryption: the server forwards what it cannot read."""

import pytest
from livekit import rtc

from harness.media import listen, watch
from harness.sdk import needs_quality


def _encrypted(key: bytes):
    options = rtc.E2EEOptions(key_provider_options=rtc.KeyProviderOptions(shared_key=key))
    # `encryption` encrypts data too, and only newer SDKs know it.
    return {"encryption" if hasattr(rtc.RoomOptions, "encryption") else "e2ee": options}


async def test_with_the_same_key_all_is_seen_and_heard(call):
    ann, ben = await call.pair(**_encrypted(b"open sesame"))
    await ann.publish(call.camera())
    await ann.publish(call.microphone())
    camera = await ben.camera_of("ann")
    assert camera.encryption_type == rtc.EncryptionType.GCM
    await watch(camera.track)
    await listen((await ben.microphone_of("ann")).track)


@needs_quality
async def test_simulcast_layers_switch_while_encrypted(call):
    ann, ben = await call.pair(**_encrypted(b"open sesame"))
    await ann.publish(call.camera(width=960, height=540), simulcast=True)
    camera = await ben.camera_of("ann")
    camera.set_video_quality(rtc.VideoQuality.VIDEO_QUALITY_LOW)
    await watch(camera.track, width=320, limit_s=30)
    camera.set_video_quality(rtc.VideoQuality.VIDEO_QUALITY_HIGH)
    await watch(camera.track, width=960, limit_s=30)


async def test_with_another_key_nothing_is(call):
    ann = await call.join("ann", **_encrypted(b"open sesame"))
    eve = await call.join("eve", **_encrypted(b"open barley"))
    ben = await call.join("ben", **_encrypted(b"open sesame"))
    await ann.publish(call.camera())
    await ann.publish(call.microphone())
    camera, microphone = await eve.camera_of("ann"), await eve.microphone_of("ann")
    # That the media flows is shown by the one who has the key.
    await watch((await ben.camera_of("ann")).track)
    await listen((await ben.microphone_of("ann")).track)
    with pytest.raises(AssertionError, match="audible|ended"):
        await listen(microphone.track, limit_s=2)
    with pytest.raises(AssertionError, match="frames"):
        await watch(camera.track, frames=3, limit_s=2)


async def test_encrypted_data_travels(call):
    ann, ben = await call.pair(**_encrypted(b"open sesame"))
    await ann.me.publish_data("secret", topic="t")
    (packet,) = await ben.sees("data_received")
    assert packet.data == b"secret"
