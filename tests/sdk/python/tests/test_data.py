"""Data packets: reliable and lossy, to all and to some, both ways."""

import pytest
from livekit import rtc

from harness.polling import until


@pytest.mark.parametrize("reliable", [True, False], ids=["reliable", "lossy"])
async def test_data_goes_both_ways(call, reliable):
    ann, ben = await call.pair()
    for here, there in ((ann, ben), (ben, ann)):
        await _send(here, there, b"\x00binary\xff", reliable)
        (packet,) = await there.sees("data_received")
        assert packet.data == b"\x00binary\xff"
        assert packet.topic == "test"
        assert packet.participant.identity == here.identity
        kind = rtc.DataPacketKind.KIND_RELIABLE if reliable else rtc.DataPacketKind.KIND_LOSSY
        assert packet.kind == kind


async def _send(here, there, payload, reliable):
    """Lossy data may be lost, also while a channel opens: it is sent until it comes."""
    if reliable:
        await here.me.publish_data(payload, topic="test")
        return

    async def again():
        await here.me.publish_data(payload, reliable=False, topic="test")
        return there.all("data_received")

    await until("lossy data comes", again)


async def test_only_who_is_meant_receives(call):
    ann = await call.join("ann")
    ben = await call.join("ben")
    eve = await call.join("eve")
    for guest in (ann, ben, eve):
        await until("all are here", lambda: len(guest.room.remote_participants) == 2)
    await ann.me.publish_data("for ben", destination_identities=["ben"], topic="private")
    await ann.me.publish_data("for all", topic="public")
    await eve.sees("data_received")
    await until("ben has both", lambda: len(ben.all("data_received")) == 2)
    assert [packet.topic for (packet,) in eve.all("data_received")] == ["public"]
    assert not ann.all("data_received"), "nobody hears its own echo"


async def test_reliable_data_keeps_its_order(call):
    ann, ben = await call.pair()
    for number in range(200):
        await ann.me.publish_data(str(number))
    await until("all arrived", lambda: len(ben.all("data_received")) == 200)
    assert [int(packet.data) for (packet,) in ben.all("data_received")] == list(range(200))


async def test_large_packets_arrive_whole(call):
    ann, ben = await call.pair()
    payload = bytes(n * 7 % 256 for n in range(14_000))
    await ann.me.publish_data(payload)
    (packet,) = await ben.sees("data_received")
    assert packet.data == payload


async def test_who_may_not_send_data_does_not(call):
    ann = await call.join("ann")
    mute = await call.join("mute", grants={"canPublishData": False})
    ben = await call.join("ben")
    await ann.sees_participant("ben")
    try:
        await mute.me.publish_data("hello")
    except Exception:
        pass  # Refusing at once is fine too.
    await ben.me.publish_data("after")
    await ann.sees("data_received")
    assert [packet.data for (packet,) in ann.all("data_received")] == [b"after"]


async def test_transcriptions_travel(call):
    ann, ben = await call.pair()
    published = await ann.publish(call.microphone())
    await ben.microphone_of("ann")
    segment = rtc.TranscriptionSegment(id="s1", text="hello", start_time=0, end_time=1, language="en", final=True)
    await ann.me.publish_transcription(
        rtc.Transcription(participant_identity="ann", track_sid=published.sid, segments=[segment])
    )
    segments, who, _ = await ben.sees("transcription_received")
    assert segments[0].text == "hello"
    assert who.identity == "ann"
