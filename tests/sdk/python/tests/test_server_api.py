"""Rooms steered from a back end: PyPI `livekit-api`, unmodified, beside people in the room."""

import time
from typing import Any, AsyncIterator

import pytest
from livekit import rtc

from harness.media import watch
from harness.polling import until

api = pytest.importorskip("livekit.api", reason="the back end's SDK is tested in its newest version")
# It came with the SDK.
aiohttp = pytest.importorskip("aiohttp")
ServerError = pytest.importorskip("livekit.api.twirp_client").ServerError

KEY, SECRET = "devkey", "secret"


@pytest.fixture
async def back_end(server) -> AsyncIterator[Any]:
    async with api.LiveKitAPI(url=server.url.replace("ws", "http", 1), api_key=KEY, api_secret=SECRET) as client:
        yield client.room


def everything(**changes: Any) -> Any:
    return api.ParticipantPermission(
        **{"can_subscribe": True, "can_publish": True, "can_publish_data": True, "can_update_metadata": True, **changes}
    )


async def refused(what: Any) -> ServerError:
    with pytest.raises(ServerError) as error:
        await what
    return error.value


async def sees_no_more(guest: Any, identity: str) -> None:
    """The SDK says nothing of subscriptions that the server ends: the pictures stop."""
    track = (await guest.camera_of(identity)).track

    async def stands_still() -> bool:
        try:
            await watch(track, limit_s=1)
        except AssertionError:
            return True
        return False

    await until(f"{guest.identity} sees no more of {identity}", stands_still)


async def test_rooms_are_made_listed_and_ended(call, back_end):
    made = await back_end.create_room(
        api.CreateRoomRequest(
            name=call.room, empty_timeout=60, departure_timeout=40, max_participants=2, metadata="lesson"
        )
    )
    assert made.sid.startswith("RM_")
    assert (made.empty_timeout, made.departure_timeout, made.max_participants) == (60, 40, 2)
    ann = await call.join("ann")
    assert ann.room.metadata == "lesson"
    listed = await back_end.list_rooms(api.ListRoomsRequest(names=[call.room]))
    assert [(room.name, room.num_participants) for room in listed.rooms] == [(call.room, 1)]
    await call.join("ben")
    with pytest.raises(rtc.ConnectError):
        await call.join("one too many")
    await back_end.delete_room(api.DeleteRoomRequest(room=call.room))
    (reason,) = await ann.sees("disconnected")
    assert reason == rtc.DisconnectReason.ROOM_DELETED
    assert not (await back_end.list_rooms(api.ListRoomsRequest(names=[call.room]))).rooms


async def test_a_room_nobody_comes_to_ends(call, back_end):
    await back_end.create_room(api.CreateRoomRequest(name=call.room, empty_timeout=1))

    async def ended() -> bool:
        return not (await back_end.list_rooms(api.ListRoomsRequest(names=[call.room]))).rooms

    await until("the room has ended", ended)


async def test_people_are_listed_and_changed(call, back_end):
    ann, ben = await call.pair()
    people = await back_end.list_participants(api.ListParticipantsRequest(room=call.room))
    assert {person.identity for person in people.participants} == {"ann", "ben"}
    changed = await back_end.update_participant(
        api.UpdateParticipantRequest(
            room=call.room, identity="ann", name="Ann", metadata="seated", attributes={"role": "host"}
        )
    )
    assert (changed.name, changed.metadata, dict(changed.attributes)) == ("Ann", "seated", {"role": "host"})
    seen = ben.room.remote_participants["ann"]
    await until("ben sees it", lambda: (seen.name, seen.metadata) == ("Ann", "seated"))
    await until("ann sees it", lambda: ann.me.attributes == {"role": "host"})
    looked = await back_end.get_participant(api.RoomParticipantIdentity(room=call.room, identity="ann"))
    assert looked.sid == ann.me.sid
    await back_end.update_room_metadata(api.UpdateRoomMetadataRequest(room=call.room, metadata="break"))
    await until("all see the room's", lambda: ann.room.metadata == ben.room.metadata == "break")


async def test_permissions_hold_from_the_moment_they_change(call, back_end):
    ann, ben = await call.pair()
    await ann.publish(call.camera())
    await ben.watches("ann")
    update = lambda identity, permission: back_end.update_participant(
        api.UpdateParticipantRequest(room=call.room, identity=identity, permission=permission)
    )

    await update("ben", everything(can_subscribe=False))
    await sees_no_more(ben, "ann")
    await update("ben", everything())
    await ben.watches("ann")

    ben.forget()
    await update("ann", everything(can_publish=False))
    await ben.sees("track_unpublished")
    assert not ben.room.remote_participants["ann"].track_publications
    await update("ann", everything(can_publish_data=False))
    await ann.me.publish_data("nobody hears this", topic="t")
    await back_end.send_data(api.SendDataRequest(room=call.room, data=b"after", topic="t"))
    await ben.sees("data_received", lambda packet: packet.data == b"after")
    assert len(ben.all("data_received")) == 1

    ben.forget()
    await update("ann", everything(hidden=True))
    await ben.sees("participant_disconnected", lambda who: who.identity == "ann")
    await update("ann", everything())
    await ben.sees("participant_connected", lambda who: who.identity == "ann")


async def test_a_track_is_muted_and_stays_its_owners_to_open(call, back_end):
    ann, ben = await call.pair()
    publication = await ann.publish(call.microphone())
    await ben.microphone_of("ann")
    mute = lambda muted: back_end.mute_published_track(
        api.MuteRoomTrackRequest(room=call.room, identity="ann", track_sid=publication.sid, muted=muted)
    )
    assert (await mute(True)).track.muted
    await ben.sees("track_muted")
    assert (await refused(mute(False))).code == "failed_precondition"


async def test_subscriptions_are_ended_and_begun(call, back_end):
    ann, ben = await call.pair()
    publication = await ann.publish(call.camera())
    await ben.watches("ann")
    subscribe = lambda on: back_end.update_subscriptions(
        api.UpdateSubscriptionsRequest(room=call.room, identity="ben", track_sids=[publication.sid], subscribe=on)
    )
    await subscribe(False)
    await sees_no_more(ben, "ann")
    await subscribe(True)
    await ben.watches("ann")


async def test_data_reaches_whom_it_names(call, back_end):
    ann, ben = await call.pair()
    send = lambda data, to, kind: back_end.send_data(
        api.SendDataRequest(room=call.room, data=data, kind=kind, topic="news", destination_identities=to)
    )
    await send(b"for ben", ["ben"], 0)
    await send(b"for all", [], 0)
    for guest, expected in [(ben, [b"for ben", b"for all"]), (ann, [b"for all"])]:
        await guest.sees("data_received", lambda packet: packet.data == b"for all")
        packets = [packet for (packet,) in guest.all("data_received")]
        assert [packet.data for packet in packets] == expected
        assert {packet.topic for packet in packets} == {"news"}
        assert all(packet.participant is None for packet in packets), "it comes from nobody in the room"


async def test_who_is_removed_comes_back_with_a_new_token_only(call, back_end):
    ann, ben = await call.pair()
    await back_end.remove_participant(api.RoomParticipantIdentity(room=call.room, identity="ann"))
    (reason,) = await ann.sees("disconnected")
    assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    await ben.sees("participant_disconnected")
    # `token` of this suite says that it was signed ten seconds ago: it is an old one.
    with pytest.raises(rtc.ConnectError):
        await call.join("ann")
    fresh = (
        api.AccessToken(KEY, SECRET)
        .with_identity("ann")
        .with_grants(api.VideoGrants(room_join=True, room=call.room))
    )
    removed_s = int(time.time())
    await until("the next second", lambda: int(time.time()) > removed_s)
    again = rtc.Room()
    await again.connect(call.server.url, fresh.to_jwt(), call.options())
    await again.disconnect()


async def test_somebody_is_moved_with_what_it_sends(call, back_end):
    ann, ben = await call.pair()
    await ann.publish(call.camera())
    await ben.watches("ann")
    other = f"{call.room}-other"
    there, call.room = call.room, other
    eve = await call.join("eve")
    call.room = there
    await back_end.move_participant(
        api.MoveParticipantRequest(room=call.room, identity="ann", destination_room=other)
    )
    await ben.sees("participant_disconnected", lambda who: who.identity == "ann")
    await eve.sees_participant("ann")
    await eve.watches("ann", 30)
    await until("ann is there", lambda: ann.room.name == other and "eve" in ann.room.remote_participants)
    assert "ben" not in ann.room.remote_participants
    await ann.me.publish_data("hello", topic="t")
    await eve.sees("data_received", lambda packet: packet.data == b"hello")


async def test_a_procedure_of_somebody_is_called(call):
    ann = await call.join("ann")

    @ann.me.register_rpc_method("greet")
    async def greet(data: rtc.RpcInvocationData) -> str:
        return f"{data.payload}, {data.caller_identity}"

    @ann.me.register_rpc_method("refuse")
    async def refuse(data: rtc.RpcInvocationData) -> str:
        raise rtc.RpcError(42, "not today", "tomorrow")

    token = api.AccessToken(KEY, SECRET).with_grants(api.VideoGrants(room_admin=True, room=call.room)).to_jwt()

    async def perform(method: str) -> Any:
        url = call.server.url.replace("ws", "http", 1) + "/twirp/livekit.RoomService/PerformRpc"
        request = {"room": call.room, "destinationIdentity": "ann", "method": method, "payload": "hello"}
        async with aiohttp.ClientSession() as session:
            async with session.post(url, json=request, headers={"Authorization": f"Bearer {token}"}) as response:
                return response.status, await response.json()

    async def answers() -> bool:
        # Its data channel may come up a moment after it has joined.
        return (await perform("greet")) == (200, {"payload": "hello, server"})

    await until("the procedure answers", answers, 30)
    status, error = await perform("refuse")
    assert (status, error["code"], error["meta"]) == (409, "aborted", {"rpc_code": "42", "rpc_data": "tomorrow"})
    status, error = await perform("nothing")
    assert (status, error["code"]) == (501, "unimplemented")


async def test_what_cannot_be_done_is_told(call, back_end):
    nobody = api.RoomParticipantIdentity(room=call.room, identity="nobody")
    assert (await refused(back_end.get_participant(nobody))).status == 404
    await call.join("ann")
    for refusal in [
        await refused(back_end.get_participant(nobody)),
        await refused(back_end.remove_participant(nobody)),
        await refused(back_end.delete_room(api.DeleteRoomRequest(room="nowhere"))),
    ]:
        assert (refusal.status, refusal.code) == (404, "not_found")
    async with api.LiveKitAPI(url=call.server.url.replace("ws", "http", 1), api_key=KEY, api_secret="guessed") as eve:
        refusal = await refused(eve.room.list_rooms(api.ListRoomsRequest()))
        assert (refusal.status, refusal.code) == (401, "unauthenticated")
