"""Who is here: join, see each other, leave, take an identity over, be refused."""

import pytest
from livekit import rtc

from harness.guest import Guest
from harness.polling import until
from harness.token import token


async def test_a_guest_learns_about_the_room_and_itself(call):
    ann = await call.join("ann", claims={"name": "Ann Example", "metadata": "m", "attributes": {"role": "host"}})
    assert ann.room.isconnected()
    assert ann.room.name == call.room
    # The id may come a moment after the join.
    assert (await ann.room.sid).startswith("RM_")
    assert (ann.me.identity, ann.me.name, ann.me.metadata) == ("ann", "Ann Example", "m")
    assert ann.me.attributes == {"role": "host"}
    assert ann.me.sid.startswith("PA_")


async def test_two_guests_see_each_other(call):
    ann = await call.join("ann", claims={"name": "Ann"})
    ben = await call.join("ben", claims={"attributes": {"seat": "7"}})
    (seen,) = await ann.sees("participant_connected")
    assert (seen.identity, seen.attributes) == ("ben", {"seat": "7"})
    assert (await ben.sees_participant("ann")).name == "Ann"


async def test_a_leave_is_seen(call):
    ann, ben = await call.pair()
    await ben.room.disconnect()
    (left,) = await ann.sees("participant_disconnected")
    assert left.identity == "ben"
    assert left.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED
    assert not ann.room.remote_participants


async def test_a_second_join_takes_the_identity_over(call):
    ann, first = await call.pair()
    second = await call.join("ben")
    (reason,) = await first.sees("disconnected")
    assert reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
    await until("ann sees the second ben", lambda: _sid(ann, "ben") == second.me.sid)
    await second.sees_participant("ann")


def _sid(guest: Guest, identity: str):
    participant = guest.room.remote_participants.get(identity)
    return participant and participant.sid


async def test_a_guest_comes_back(call):
    ann, ben = await call.pair()
    for _ in range(3):
        await ben.room.disconnect()
        await until("ann is alone", lambda: not ann.room.remote_participants)
        ben = await call.join("ben")
        await ann.sees_participant("ben")
        await ben.sees_participant("ann")


async def test_seven_guests_see_all_others(call):
    guests = [await call.join(f"guest-{n}") for n in range(7)]
    for guest in guests:
        await until(f"{guest.identity} sees six", lambda: len(guest.room.remote_participants) == 6)


async def test_rooms_are_apart(call):
    ann = await call.join("ann")
    stranger = Guest("ann")
    try:
        await stranger.room.connect(call.server.url, token(f"{call.room}-other", "ann"), call.options())
        assert not stranger.room.remote_participants
        assert ann.room.isconnected(), "the same identity elsewhere is somebody else"
    finally:
        await stranger.room.disconnect()


@pytest.mark.parametrize(
    "ticket",
    [
        pytest.param(lambda room: token(room, "eve", secret="guessed"), id="wrong-secret"),
        pytest.param(lambda room: token(room, "eve", key="nobody"), id="unknown-key"),
        pytest.param(lambda room: token(room, "eve", lifetime_s=-600), id="expired"),
        pytest.param(lambda room: token(room, "eve", roomJoin=False), id="no-grant"),
        pytest.param(lambda room: token(room, ""), id="no-identity"),
        pytest.param(lambda room: "not.a.token", id="no-token"),
    ],
)
async def test_who_has_no_right_stays_outside(call, ticket):
    ann = await call.join("ann")
    eve = Guest("eve")
    with pytest.raises(rtc.ConnectError):
        await eve.room.connect(call.server.url, ticket(call.room), call.options())
    assert not ann.room.remote_participants
