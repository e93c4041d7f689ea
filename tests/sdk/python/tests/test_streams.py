"""Text and byte streams over data packets: chat, files, and calls of procedures."""

import asyncio

import pytest
from livekit import rtc

from harness.polling import until
from harness.procedures import perform


def _collect_text(guest, topic):
    """Reads every text stream of a topic; the list fills as they end."""
    texts, tasks = [], []

    async def read(reader, identity):
        texts.append((identity, await reader.read_all(), dict(reader.info.attributes or {})))

    guest.room.register_text_stream_handler(
        topic, lambda reader, identity: tasks.append(asyncio.ensure_future(read(reader, identity)))
    )
    return texts


async def test_chat_goes_both_ways(call):
    ann, ben = await call.pair()
    at_ann, at_ben = _collect_text(ann, "lk.chat"), _collect_text(ben, "lk.chat")
    await ann.me.send_text("Hello Ben, schöne Grüße 👋", topic="lk.chat")
    await until("ben reads it", lambda: at_ben)
    assert at_ben[0][:2] == ("ann", "Hello Ben, schöne Grüße 👋")
    await ben.me.send_text("Hello Ann", topic="lk.chat", attributes={"mood": "fine"})
    await until("ann reads it", lambda: at_ann)
    assert at_ann[0][:2] == ("ben", "Hello Ann")
    assert at_ann[0][2].get("mood") == "fine"


async def test_a_long_text_arrives_whole(call):
    ann, ben = await call.pair()
    at_ben = _collect_text(ben, "essay")
    essay = "All work and no play. " * 5_000
    await ann.me.send_text(essay, topic="essay")
    await until("ben read it", lambda: at_ben)
    assert at_ben[0][1] == essay


async def test_a_text_to_one_is_read_by_one(call):
    ann, ben = await call.pair()
    eve = await call.join("eve")
    await ann.sees_participant("eve")
    at_ben, at_eve = _collect_text(ben, "whisper"), _collect_text(eve, "whisper")
    await ann.me.send_text("psst", topic="whisper", destination_identities=["ben"])
    await ann.me.send_text("aloud", topic="whisper")
    await until("eve read one", lambda: at_eve)
    await until("ben read two", lambda: len(at_ben) == 2)
    assert [text for _, text, _ in at_eve] == ["aloud"]


async def test_text_written_bit_by_bit_is_read_bit_by_bit(call):
    ann, ben = await call.pair()
    pieces = []

    async def read(reader):
        async for piece in reader:
            pieces.append(piece)

    tasks = []
    ben.room.register_text_stream_handler("live", lambda reader, _: tasks.append(asyncio.ensure_future(read(reader))))
    writer = await ann.me.stream_text(topic="live")
    await writer.write("one ")
    await until("the first piece is here before the second is written", lambda: "".join(pieces) == "one ")
    await writer.write("two")
    await writer.aclose()
    await until("all of it", lambda: "".join(pieces) == "one two")


async def test_a_file_arrives_whole(call, tmp_path):
    ann, ben = await call.pair()
    content = bytes(n * 31 % 251 for n in range(300_000))
    path = tmp_path / "picture.bin"
    path.write_bytes(content)
    received = {}

    async def read(reader, identity):
        chunks = [chunk async for chunk in reader]
        received[identity] = (reader.info.name, b"".join(chunks))

    tasks = []
    ben.room.register_byte_stream_handler(
        "files", lambda reader, identity: tasks.append(asyncio.ensure_future(read(reader, identity)))
    )
    info = await ann.me.send_file(str(path), topic="files")
    assert info.size == len(content)
    await until("ben has it", lambda: "ann" in received)
    assert received["ann"] == ("picture.bin", content)


async def test_a_procedure_is_called(call):
    ann, ben = await call.pair()
    calls = []

    async def greet(data):
        calls.append((data.caller_identity, data.payload))
        return f"Hello {data.caller_identity}"

    ben.me.register_rpc_method("greet", greet)
    answer = await perform(ann, destination_identity="ben", method="greet", payload="now")
    assert answer == "Hello ann"
    assert calls == [("ann", "now")]


async def test_errors_of_a_procedure_come_back(call):
    ann, ben = await call.pair()

    async def refuse(_):
        raise rtc.RpcError(42, "not today", "try tomorrow")

    async def stumble(_):
        raise RuntimeError("a bug")

    ben.me.register_rpc_method("refuse", refuse)
    ben.me.register_rpc_method("stumble", stumble)

    async def error_of(method, destination="ben"):
        with pytest.raises(rtc.RpcError) as caught:
            await perform(ann, destination_identity=destination, method=method, payload="", response_timeout=5)
        return caught.value

    refused = await error_of("refuse")
    assert (refused.code, refused.message, refused.data) == (42, "not today", "try tomorrow")
    assert (await error_of("stumble")).code == rtc.RpcError.ErrorCode.APPLICATION_ERROR
    assert (await error_of("nothing")).code == rtc.RpcError.ErrorCode.UNSUPPORTED_METHOD
    nobody = await error_of("greet", destination="nobody")
    assert nobody.code in (rtc.RpcError.ErrorCode.CONNECTION_TIMEOUT, rtc.RpcError.ErrorCode.RECIPIENT_NOT_FOUND)


async def test_a_large_answer_of_a_procedure(call):
    ann, ben = await call.pair()

    async def echo(data):
        return data.payload

    ben.me.register_rpc_method("echo", echo)
    payload = "x" * 15_000
    assert await perform(ann, destination_identity="ben", method="echo", payload=payload) == payload
