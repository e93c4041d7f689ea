"""What is known of a call afterwards: who was there, and how everybody fared."""

from harness.media import listen, watch
from harness.native import ask
from harness.polling import until

# A sample each ten seconds: the second is of a call in which all is under way.
SAMPLES_LIMIT_S = 40.0


async def test_quality_is_kept_as_it_was(call):
    ann, ben = await call.pair()
    for guest in (ann, ben):
        await guest.publish(call.microphone())
        await guest.publish(call.camera())
    for here, there in ((ann, "ben"), (ben, "ann")):
        await watch((await here.camera_of(there)).track)
        await listen((await here.microphone_of(there)).track)

    async def read(path):
        status, answer = await ask(call.server, "GET", path)
        assert status == 200, answer
        return answer

    (session,) = (await read(f"/api/sessions?room={call.room}"))["sessions"]
    path = f"/api/sessions/{session['session_id']}"

    async def two_samples_each():
        samples = (await read(f"{path}/quality"))["samples"]
        of = {who: [sample for sample in samples if sample["identity"] == who] for who in ("ann", "ben")}
        return all(len(own) >= 2 for own in of.values()) and of

    of = await until("two samples of each", two_samples_each, SAMPLES_LIMIT_S)
    for who, samples in of.items():
        sample = samples[1]
        # Of a small camera and a microphone of somebody else, on one machine.
        assert 20_000 < sample["bitrate"] < 5_000_000, (who, sample)
        assert 5 < sample["frameRate"] < 35, (who, sample)
        width, height = map(int, sample["resolution"].split("x"))
        assert (width * 3, width <= 320) == (height * 4, True), (who, sample)
        assert 0 <= sample["packetLoss"] < 5, (who, sample)
        assert 0 <= sample["latency"] < 500 and 0 <= sample["jitter"] < 500, (who, sample)
        assert sample["quality"] in ("excellent", "good"), (who, sample)
        assert 5_000 < sample["at"] - samples[0]["at"] < 20_000, (who, samples)

    await ben.room.disconnect()

    async def who_left():
        people = {person["identity"]: person for person in (await read(path))["participants"]}
        return people["ben"]["left_at"] and people

    people = await until("it is known that ben left", who_left)
    assert people["ann"]["left_at"] is None
    assert 10 <= people["ben"]["duration_seconds"] < 120
    assert people["ben"]["left_because"]
