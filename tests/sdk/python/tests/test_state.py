"""What guests say about themselves, and what the server says about them."""

import asyncio

from harness.polling import until
from harness.server import Server


async def test_attributes_metadata_and_name_travel(call):
    ann, ben = await call.pair()
    await ann.me.set_attributes({"hand": "up", "mood": "fine"})
    changed, who = await ben.sees("participant_attributes_changed")
    assert who.identity == "ann"
    assert changed == {"hand": "up", "mood": "fine"}
    await ann.me.set_metadata('{"seat": 3}')
    who, _, metadata = await ben.sees("participant_metadata_changed")
    assert (who.identity, metadata) == ("ann", '{"seat": 3}')
    await ann.me.set_name("Ann of Green Gables")
    who, _, name = await ben.sees("participant_name_changed")
    assert (who.identity, name) == ("ann", "Ann of Green Gables")


async def test_an_empty_attribute_is_removed_and_others_stay(call):
    ann, ben = await call.pair()
    await ann.me.set_attributes({"hand": "up", "mood": "fine"})
    await until("both are seen", lambda: ben.room.remote_participants["ann"].attributes == {"hand": "up", "mood": "fine"})
    await ann.me.set_attributes({"hand": ""})
    await until("one is left", lambda: ben.room.remote_participants["ann"].attributes == {"mood": "fine"})


async def test_ones_own_state_comes_back(call):
    ann = await call.join("ann")
    await ann.me.set_attributes({"hand": "up"})
    await until("ann knows", lambda: ann.me.attributes == {"hand": "up"})
    await ann.me.set_name("Anna")
    await until("ann knows", lambda: ann.me.name == "Anna")


async def test_who_comes_late_knows_all_of_it(call):
    ann = await call.join("ann")
    await ann.me.set_attributes({"hand": "up"})
    await ann.me.set_metadata("seated")
    await ann.me.set_name("Anna")
    late = await call.join("late")
    seen = await late.sees_participant("ann")
    assert (seen.name, seen.metadata, seen.attributes) == ("Anna", "seated", {"hand": "up"})


async def test_who_may_not_change_itself_does_not(call):
    ann = await call.join("ann", grants={"canUpdateOwnMetadata": False})
    ben = await call.join("ben")
    await ann.me.set_name("Somebody Else")
    # What comes after shows that the change did not come before.
    await ann.me.publish_data("after", topic="order")
    await ben.sees("data_received")
    assert not ben.all("participant_name_changed")
    assert (await ben.sees_participant("ann")).name == "ann"


async def test_speakers_are_seen_and_fall_silent(call):
    ann, ben = await call.pair()
    microphone = call.microphone()
    await ann.publish(microphone)
    await ben.microphone_of("ann")
    await ben.sees("active_speakers_changed", lambda speakers: [s.identity for s in speakers] == ["ann"])
    await ann.sees("active_speakers_changed", lambda speakers: [s.identity for s in speakers] == ["ann"])
    ben.forget()
    microphone.track.mute()
    await ben.sees("active_speakers_changed", lambda speakers: not speakers)


async def test_connection_quality_is_reported(call):
    ann, ben = await call.pair()
    await ann.publish(call.camera())
    await ben.camera_of("ann")
    await ben.sees("connection_quality_changed", limit_s=20)


async def test_a_server_that_restarts_takes_its_guests_back(call):
    """Its own server: the others' goes on."""
    server = Server()
    try:
        ann, ben = await call.join("ann", url=server.url), await call.join("ben", url=server.url)
        await ann.publish(call.camera())
        await ben.camera_of("ann")
        code = await asyncio.get_running_loop().run_in_executor(None, server.stop)
        assert code == 0
        # Told, not found out: an unannounced end is noticed seconds later.
        await ann.sees("reconnecting", limit_s=3)
        server = Server(f"127.0.0.1:{server.port}")
        await ann.sees("reconnected", limit_s=30)
        await ben.sees("reconnected", limit_s=30)
        await ben.watches("ann", limit_s=30)
        await ann.room.disconnect()
        await ben.room.disconnect()
    finally:
        server.stop()

