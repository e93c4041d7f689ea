"""Somebody in two rooms: a back end's `ForwardParticipant`, seen by people in the other room."""

import pytest
from livekit import rtc

from harness.media import hear_nothing, listen, watch
from harness.polling import until

api = pytest.importorskip("livekit.api", reason="the back end's SDK is tested in its newest version")
aiohttp = pytest.importorskip("aiohttp")

KEY, SECRET = "devkey", "secret"


async def forward(call, identity: str, destination: str):
    """Not a method of the SDK. Status and answer."""
    grants = api.VideoGrants(room_admin=True, room=call.room, destination_room=destination)
    token = api.AccessToken(KEY, SECRET).with_grants(grants).to_jwt()
    url = call.server.url.replace("ws", "http", 1) + "/twirp/livekit.RoomService/ForwardParticipant"
    request = {"room": call.room, "identity": identity, "destinationRoom": destination}
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json=request, headers={"Authorization": f"Bearer {token}"}) as response:
            return response.status, await response.json()


async def somebody_elsewhere(call, identity: str, room: str):
    there, call.room = call.room, room
    guest = await call.join(identity)
    call.room = there
    return guest


async def test_who_is_forwarded_is_seen_and_heard_in_both_rooms(call):
    ann, ben = await call.pair()
    other = f"{call.room}-other"
    eve = await somebody_elsewhere(call, "eve", other)
    await ann.publish(call.camera())
    await ben.watches("ann")
    assert await forward(call, "ann", other) == (200, {})

    seen = await eve.sees_participant("ann")
    assert seen.sid != ann.me.sid
    await watch((await eve.camera_of("ann")).track, limit_s=30)
    # What it publishes later comes as well.
    microphone = call.microphone()
    publication = await ann.publish(microphone)
    heard = (await eve.microphone_of("ann")).track
    await listen(heard)
    # So does mute, and its end.
    microphone.track.mute()
    await eve.sees("track_muted", lambda who, what: who.identity == "ann" and what.kind == rtc.TrackKind.KIND_AUDIO)
    await hear_nothing(heard)
    microphone.track.unmute()
    await listen(heard)
    await ann.me.set_name("Ann B.")
    await until("eve sees the name", lambda: seen.name == "Ann B.")
    await ann.me.unpublish_track(publication.sid)
    await eve.sees("track_unpublished", lambda what, who: who.identity == "ann")
    # Who comes later sees it too, and nobody at home missed anything.
    fay = await somebody_elsewhere(call, "fay", other)
    await fay.watches("ann", 30)
    await ben.watches("ann")
    assert "eve" not in ann.room.remote_participants

    await ann.room.disconnect()
    await eve.sees("participant_disconnected", lambda who: who.identity == "ann")


async def test_an_encrypted_track_is_forwarded_as_it_is(call):
    key = b"a key of both rooms"
    options = rtc.E2EEOptions(key_provider_options=rtc.KeyProviderOptions(shared_key=key))
    ann = await call.join("ann", encryption=options)
    other = f"{call.room}-other"
    there, call.room = call.room, other
    eve = await call.join("eve", encryption=options)
    call.room = there
    await ann.publish(call.camera())
    assert await forward(call, "ann", other) == (200, {})
    await watch((await eve.camera_of("ann")).track, limit_s=30)
