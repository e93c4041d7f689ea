"""Publications over time: mute, unpublish, publish again, subscribe at will, permissions."""

import pytest
from livekit import rtc

from harness.media import hear_nothing, listen, luma, watch
from harness.polling import until
from harness.sdk import needs_mute, needs_refusals


@needs_mute
@pytest.mark.parametrize("kind", ["camera", "microphone"])
async def test_a_mute_is_seen(call, kind):
    ann, ben = await call.pair()
    media = getattr(call, kind)()
    published = await ann.publish(media)
    seen = await getattr(ben, f"{kind}_of")("ann")
    assert not seen.muted
    media.track.mute()
    who, publication = await ben.sees("track_muted")
    assert (who.identity, publication.sid) == ("ann", published.sid)
    await until("the publication is muted", lambda: seen.muted)
    media.track.unmute()
    await ben.sees("track_unmuted")
    await (watch if kind == "camera" else listen)(seen.track)


@needs_mute
async def test_a_muted_track_is_known_as_muted_to_who_comes_late(call):
    ann = await call.join("ann")
    microphone = call.microphone()
    published = await ann.publish(microphone)
    microphone.track.mute()
    await ann.sees("track_muted")
    late = await call.join("late")
    participant = await late.sees_participant("ann")
    publication = await until("late sees the publication", lambda: participant.track_publications.get(published.sid))
    await until("it is muted", lambda: publication.muted)


async def test_unpublish_is_seen(call):
    ann, ben = await call.pair()
    published = await ann.publish(call.camera())
    await ben.camera_of("ann")
    await ann.me.unpublish_track(published.sid)
    await ben.sees("track_unsubscribed")
    publication, who = await ben.sees("track_unpublished")
    assert (publication.sid, who.identity) == (published.sid, "ann")
    assert not who.track_publications


async def test_publish_and_unpublish_again_and_again(call):
    """Sections of session descriptions are reused: each round must decode, as the picture it is."""
    ann, ben = await call.pair()
    for cycle, brightness in enumerate([60, 200, 100, 220, 80]):
        camera, microphone = call.camera(luma=brightness), call.microphone()
        video = await ann.publish(camera, simulcast=False)
        audio = await ann.publish(microphone)
        seen = await ben.camera_of("ann")
        assert seen.sid == video.sid, f"cycle {cycle}"
        assert abs(luma(await watch(seen.track)) - brightness) < 30, f"cycle {cycle}"
        await listen((await ben.microphone_of("ann")).track)
        await ann.me.unpublish_track(video.sid)
        await ann.me.unpublish_track(audio.sid)
        await until("ben sees nothing", lambda: not ben.room.remote_participants["ann"].track_publications)


async def test_six_tracks_of_one_guest(call):
    ann, ben = await call.pair()
    wanted = {}
    for n in range(6):
        brightness = 60 + 30 * n
        published = await ann.publish(
            call.camera(width=160, height=120, luma=brightness, name=f"camera-{n}"), simulcast=False
        )
        wanted[published.sid] = brightness
    ann_seen_by_ben = await ben.sees_participant("ann")
    for sid, brightness in wanted.items():
        publication = await until(
            f"ben receives {sid}",
            lambda: (p := ann_seen_by_ben.track_publications.get(sid)) is not None and p.track is not None and p,
        )
        assert abs(luma(await watch(publication.track)) - brightness) < 15


async def test_a_guest_that_leaves_takes_its_tracks_along(call):
    ann, ben = await call.pair()
    await ann.publish(call.camera())
    await ben.camera_of("ann")
    await ann.room.disconnect()
    await ben.sees("track_unpublished")
    await ben.sees("participant_disconnected")


async def test_subscribing_by_hand(call):
    ann = await call.join("ann")
    ben = await call.join("ben", auto_subscribe=False)
    await ann.publish(call.camera())
    publication, _ = await ben.sees("track_published")
    assert publication.track is None
    for _ in range(2):
        publication.set_subscribed(True)
        await until("the track is here", lambda: publication.track is not None)
        await watch(publication.track)
        publication.set_subscribed(False)
        await until("the track is gone", lambda: publication.track is None)


async def test_only_whom_the_publisher_allows_may_subscribe(call):
    ann = await call.join("ann")
    ben = await call.join("ben")
    eve = await call.join("eve")
    ann.me.set_track_subscription_permissions(
        allow_all_participants=False,
        participant_permissions=[
            rtc.ParticipantTrackPermission(participant_identity="ben", allow_all=True)
        ],
    )
    await ann.publish(call.microphone())
    await listen((await ben.microphone_of("ann")).track)
    publication, _ = await eve.sees("track_published")
    assert publication.track is None, "eve may know that it is there, not hear it"
    ann.me.set_track_subscription_permissions(allow_all_participants=True)
    heard_by_eve = (await eve.microphone_of("ann")).track
    await listen(heard_by_eve)
    # And back: who lost the right hears nothing. (The SDK has no event for it: the track object stays.)
    heard_by_ben = (await ben.microphone_of("ann")).track
    ann.me.set_track_subscription_permissions(allow_all_participants=False)
    await hear_nothing(heard_by_eve)
    await hear_nothing(heard_by_ben)


@needs_refusals
async def test_who_may_not_publish_does_not(call):
    ann = await call.join("ann")
    mute = await call.join("mute", grants={"canPublish": False})
    with pytest.raises(Exception):
        await mute.publish(call.camera())
    assert not ann.all("track_published")


async def test_who_may_not_subscribe_does_not(call):
    ann = await call.join("ann")
    await ann.publish(call.microphone())
    blind = await call.join("blind", grants={"canSubscribe": False})
    ben = await call.join("ben")
    await listen((await ben.microphone_of("ann")).track)
    assert not blind.all("track_subscribed")


@needs_refusals
async def test_only_the_sources_of_the_grant(call):
    ann = await call.join("ann")
    speaker = await call.join("speaker", grants={"canPublishSources": ["microphone"]})
    await speaker.publish(call.microphone())
    await listen((await ann.microphone_of("speaker")).track)
    with pytest.raises(Exception):
        await speaker.publish(call.camera())
