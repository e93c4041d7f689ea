"""Recordings that begin by themselves, as a back end asked for with PyPI `livekit-api` when it made the room."""

import asyncio
from pathlib import Path
from typing import Any, List

from conftest import Call
from harness.polling import until
from harness.server import Server
from test_egress import api, active, client, ended, folder, probed  # noqa: F401 (a fixture is used by its name)
from test_webhooks import Receiver, receiver  # noqa: F401


async def listed(server: Server, room: str, number: int) -> List[Any]:
    """The room's recordings once there are so many, the newest first."""

    async def are_there() -> Any:
        async with client(server) as back_end:
            found = await back_end.egress.list_egress(api.ListEgressRequest(room_name=room))
        return len(found.items) >= number and list(found.items)

    return await until(f"{number} recordings begin", are_there)


async def test_who_publishes_is_recorded_without_anybody_asking(folder: Path, receiver: Receiver, door: str) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder), SLUICE_WEBHOOKS=receiver.setting)
    call = Call(server, door)
    try:
        output = api.EncodedFileOutput(filepath="{room_name}/{publisher_identity}-{time}")
        wanted = api.RoomEgress(participant=api.AutoParticipantEgress(file_outputs=[output]))
        async with client(server) as back_end:
            await back_end.room.create_room(api.CreateRoomRequest(name=call.room, egress=wanted))
        await call.join("ben")
        ann = await call.join("ann")
        await ann.publish(call.camera())
        await ann.publish(call.microphone())
        (first,) = await listed(server, call.room, 1)
        await active(server, first.egress_id)
        await asyncio.sleep(2)
        await ann.room.disconnect()
        info = await ended(server, first.egress_id)

        # She comes back, as a recording of her own.
        again = await call.join("ann")
        await again.publish(call.microphone())
        second = (await listed(server, call.room, 2))[0]
        await active(server, second.egress_id)
        async with client(server) as back_end:
            await back_end.room.delete_room(api.DeleteRoomRequest(room=call.room))
        await ended(server, second.egress_id)
        await until("both ends are told", lambda: receiver.names.count("egress_ended") == 2)
        recordings = await listed(server, call.room, 2)
    finally:
        await call.close()
        server.stop()

    assert (info.status, info.error) == (api.EgressStatus.EGRESS_COMPLETE, "")
    assert [recording.participant.identity for recording in recordings] == ["ann", "ann"], "who listens is not recorded"
    (result,) = info.file_results
    assert result.filename.startswith(f"{call.room}/ann-")
    (file,) = (folder / first.egress_id).glob("recording.*")
    assert sorted(stream["codec_type"] for stream in probed(file)["streams"]) == ["audio", "video"]
    told = [event for event in receiver.events if event.egress_info.egress_id == first.egress_id]
    names = [event.event for event in told]
    assert (names[0], names[-1]) == ("egress_started", "egress_ended") and "egress_updated" in names, names
    assert told[-1].egress_info.status == api.EgressStatus.EGRESS_COMPLETE


async def test_each_track_is_recorded_as_the_token_of_the_first_one_asks(folder: Path, door: str) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder))
    call = Call(server, door)
    try:
        wanted = api.RoomEgress(tracks=api.AutoTrackEgress(filepath="{track_source}"))
        token = (
            api.AccessToken("devkey", "secret")
            .with_identity("ann")
            .with_grants(api.VideoGrants(room_join=True, room=call.room))
            .with_room_config(api.RoomConfiguration(egress=wanted))
        )
        ann = call.guest("ann")
        await ann.room.connect(server.url, token.to_jwt(), call.options())
        await ann.publish(call.microphone())
        await ann.publish(call.camera())
        begun = await listed(server, call.room, 2)
        for recording in begun:
            await active(server, recording.egress_id)
        await asyncio.sleep(1)
        await ann.room.disconnect()
        infos = [await ended(server, recording.egress_id) for recording in begun]
    finally:
        await call.close()
        server.stop()

    assert {info.status for info in infos} == {api.EgressStatus.EGRESS_COMPLETE}
    names = sorted(info.file_results[0].filename for info in infos)
    assert [name.split(".")[0] for name in names] == ["camera", "microphone"]
    assert len(list(folder.iterdir())) == 2


async def test_what_cannot_be_recorded_is_told_and_the_call_goes_on(folder: Path, receiver: Receiver) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder), SLUICE_WEBHOOKS=receiver.setting)
    call = Call(server, "v1")
    try:
        elsewhere = api.AutoTrackEgress(filepath="../../etc/x")
        async with client(server) as back_end:
            await back_end.room.create_room(api.CreateRoomRequest(name=call.room, egress=api.RoomEgress(tracks=elsewhere)))
        ann = await call.join("ann")
        await ann.publish(call.microphone())
        await until("the failure is told", lambda: "egress_ended" in receiver.names)
        ben = await call.join("ben")
        await ben.sees_participant("ann")
    finally:
        await call.close()
        server.stop()
    (told,) = [event.egress_info for event in receiver.events if event.event.startswith("egress")]
    assert told.status == api.EgressStatus.EGRESS_FAILED
    assert "climbs" in told.error, told.error
    assert list(folder.iterdir()) == []
