"""Connections break. Media and publications outlive a broken signal connection; a lost session is built anew."""

import asyncio

import pytest
from livekit import rtc

from harness.media import listen, watch
from harness.polling import until
from harness.relay import SignalRelay
from harness.sdk import needs_restart, needs_simulate
from harness.server import Server


async def test_a_broken_signal_connection_is_resumed(call):
    """The same participant: others see neither a leave nor a join, and the media goes on."""
    ann = await call.join("ann")
    async with SignalRelay(call.server.port) as relay:
        ben = await call.join("ben", url=relay.url)
        await ben.publish(call.camera())
        await ben.publish(call.microphone())
        sid = (await ann.sees_participant("ben")).sid
        await watch((await ann.camera_of("ben")).track)
        ann.forget()
        relay.cut()
        await ben.sees("reconnecting")
        await ben.sees("reconnected")
        assert ben.me.sid == sid
        await watch((await ann.camera_of("ben")).track)
        await listen((await ann.microphone_of("ben")).track)
        assert not ann.all("participant_disconnected")
        # And the signal connection is a working one.
        await ben.me.set_name("Ben again")
        await ann.sees("participant_name_changed")
        await ann.publish(call.camera())
        await watch((await ben.camera_of("ann")).track)
        await ben.room.disconnect()


async def test_what_happened_meanwhile_is_known_after_a_resume(call):
    ann = await call.join("ann")
    async with SignalRelay(call.server.port) as relay:
        ben = await call.join("ben", url=relay.url)
        await ben.sees_participant("ann")
        relay.cut()
        await ann.publish(call.microphone())
        cy = await call.join("cy")
        await ben.sees_participant("cy")
        await listen((await ben.microphone_of("ann")).track)
        await cy.room.disconnect()
        await ben.room.disconnect()


@needs_restart
async def test_a_session_the_server_does_not_know_is_built_anew(call):
    """The signal connection comes back to another server: the SDK must be told to start over."""
    other = Server()
    try:
        async with SignalRelay(call.server.port) as relay:
            ben = await call.join("ben", url=relay.url)
            await ben.publish(call.camera())
            relay.target_port = other.port
            ann = await call.join("ann", url=other.url)
            relay.cut()
            await ben.sees("reconnected", limit_s=30)
            await watch((await ann.camera_of("ben")).track)
            await ben.room.disconnect()
            await ann.room.disconnect()
    finally:
        await asyncio.get_running_loop().run_in_executor(None, other.stop)


async def test_who_never_comes_back_is_gone(call):
    ann = await call.join("ann")
    async with SignalRelay(call.server.port) as relay:
        ben = await call.join("ben", url=relay.url)
        await ann.sees_participant("ben")
        relay.target_port = 9  # Discard: nobody answers.
        relay.cut()
        # The server keeps a participant for 15 s in case it comes back.
        await until("ben is gone", lambda: not ann.room.remote_participants, limit_s=40)


# The scenarios LiveKit's own suites ask for. A resume keeps the participant, the others build a new one.
SCENARIOS = [
    "SIGNAL_RECONNECT",
    "FULL_RECONNECT",
    "NODE_FAILURE",
    "MIGRATION",
    "DISCONNECT_SIGNAL_ON_RESUME",
]


@needs_simulate
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_scenarios_end_in_a_working_call(call, scenario):
    ann, ben = await call.pair()
    await ben.publish(call.camera())
    await watch((await ann.camera_of("ben")).track)
    await ben.room.simulate_scenario(getattr(rtc.SimulateScenarioKind, f"SIMULATE_{scenario}"))
    await ben.sees("reconnected", limit_s=40)
    await ann.watches("ben", limit_s=30)
    await ann.me.publish_data("still there?")
    await ben.sees("data_received")


@needs_simulate
async def test_the_server_ends_a_session(call):
    ann, ben = await call.pair()
    await ben.room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_SERVER_LEAVE)
    await ann.sees("participant_disconnected", limit_s=30)


@needs_simulate
async def test_a_speaker_is_simulated(call):
    ann, ben = await call.pair()
    await ben.room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_SPEAKER)
    await ann.sees("active_speakers_changed", lambda speakers: [s.identity for s in speakers] == ["ben"])
