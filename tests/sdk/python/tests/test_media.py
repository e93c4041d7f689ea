"""Pictures and sound: published by one, decoded by another."""

import pytest
from livekit import rtc

from harness.media import listen, luma, watch
from harness.polling import until


async def test_a_camera_is_seen(call):
    ann, ben = await call.pair()
    published = await ann.publish(call.camera())
    publication = await ben.camera_of("ann")
    assert publication.sid == published.sid
    assert publication.sid.startswith("TR_")
    assert publication.source == rtc.TrackSource.SOURCE_CAMERA
    assert publication.name == "camera"
    assert (await watch(publication.track)).width > 0


async def test_a_microphone_is_heard(call):
    ann, ben = await call.pair()
    await ann.publish(call.microphone())
    publication = await ben.microphone_of("ann")
    assert publication.source == rtc.TrackSource.SOURCE_MICROPHONE
    await listen(publication.track)


async def test_both_ways_at_once(call):
    ann, ben = await call.pair()
    for guest in (ann, ben):
        await guest.publish(call.microphone())
        await guest.publish(call.camera())
    for here, there in ((ann, "ben"), (ben, "ann")):
        await watch((await here.camera_of(there)).track)
        await listen((await here.microphone_of(there)).track)


async def test_who_comes_late_sees_what_is_on(call):
    ann = await call.join("ann")
    await ann.publish(call.camera())
    await ann.publish(call.microphone())
    late = await call.join("late")
    await watch((await late.camera_of("ann")).track)
    await listen((await late.microphone_of("ann")).track)


async def test_the_publisher_learns_of_its_first_subscriber(call):
    ann, _ = await call.pair()
    published = await ann.publish(call.camera())
    await published.wait_for_subscription()


async def test_pictures_are_not_mixed_up(call):
    """Three people of different brightness, each seen as who they are."""
    lumas = {"dark": 60, "grey": 130, "light": 220}
    guests = {name: await call.join(name) for name in lumas}
    for name, guest in guests.items():
        await guest.publish(call.camera(luma=lumas[name]), simulcast=False)
    for here, guest in guests.items():
        for there in lumas:
            if there != here:
                frame = await watch((await guest.camera_of(there)).track)
                assert abs(luma(frame) - lumas[there]) < 30, f"{here} sees {there} as {luma(frame)}"


@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1", "H264"])
async def test_every_codec_decodes(call, codec):
    ann, ben = await call.pair()
    # Simulcast asks for SVC with VP9 and AV1.
    await ann.publish(call.camera(), video_codec=getattr(rtc.VideoCodec, codec))
    publication = await ben.camera_of("ann")
    assert publication.mime_type.lower() == f"video/{codec.lower()}"
    await watch(publication.track)


async def test_a_screen_is_shared_beside_the_camera(call):
    ann, ben = await call.pair()
    await ann.publish(call.camera(luma=200))
    await ben.camera_of("ann")
    screen = await ann.publish(
        call.camera(name="screen", luma=80), rtc.TrackSource.SOURCE_SCREENSHARE, simulcast=False
    )
    participant = await ben.sees_participant("ann")
    shared = await until(
        "ben receives the screen", lambda: _with_track(participant.track_publications.get(screen.sid))
    )
    assert shared.source == rtc.TrackSource.SOURCE_SCREENSHARE
    assert luma(await watch(shared.track)) < 120
    assert luma(await watch((await ben.camera_of("ann")).track)) > 150


def _with_track(publication):
    return publication if publication is not None and publication.track is not None else None


async def test_a_crowd_watches_one(call):
    ann = await call.join("ann")
    await ann.publish(call.camera())
    await ann.publish(call.microphone())
    for watcher in [await call.join(f"watcher-{n}") for n in range(5)]:
        await watch((await watcher.camera_of("ann")).track)
        await listen((await watcher.microphone_of("ann")).track)
