"""The native API beside an SDK: what is posted there is heard in the call, and who is kept out stays out."""

import asyncio

import pytest
from livekit import rtc

from harness.native import NativeRoom, ask
from harness.polling import until


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
async def test_chat_that_is_posted_is_heard_and_kept_only_if_asked(server, call, kept):
    room = await NativeRoom(server, call, keeps_chat=kept).make()
    ann, ben = await room.enter("ann"), await room.enter("ben")
    await ann.sees_participant("ben")
    heard = []

    async def read(reader: rtc.TextStreamReader, identity: str) -> None:
        heard.append((identity, await reader.read_all(), reader.info.stream_id))

    tasks = []
    ben.room.register_text_stream_handler(
        "lk.chat", lambda reader, identity: tasks.append(asyncio.ensure_future(read(reader, identity)))
    )
    chat = f"/api/rooms/{room.id}/chat"
    texts = ["Grüß Gott", "x" * 16_000]
    said = []

    async def post(text: str) -> dict:
        status, message = await ask(server, "POST", chat, {"message": text}, room.tokens["ann"])
        assert status == 201, message
        return message

    async def until_heard() -> bool:
        # Data channels may still be opening: what nobody heard is said again.
        said.append(await post(texts[0]))
        return bool(heard)

    await until("the first message is heard", until_heard)
    said.append(await post(texts[1]))
    await until("the long one is heard", lambda: any(text == texts[1] for _, text, _ in heard))
    assert {(identity, text) for identity, text, _ in heard} == {("ann", text) for text in texts}
    assert {stream for _, _, stream in heard} <= {message["id"] for message in said}

    status, page = await ask(server, "GET", chat, token=room.tokens["ben"])
    assert status == 200, page
    expected = [message["message"] for message in said] if kept else []
    assert [message["message"] for message in page["messages"]] == expected
    assert all(("sequence" in message) == kept for message in said)


async def test_who_is_kept_out_cannot_return_with_its_token(server, call):
    room = await NativeRoom(server, call).make()
    ann, ben = await room.enter("ann"), await room.enter("ben")
    await ann.sees_participant("ben")
    status, answer = await ask(server, "POST", f"/api/rooms/{room.id}/participants/ben/remove", {"keep_out": True})
    assert status == 204, answer
    (reason,) = await ben.sees("disconnected")
    assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    again = call.guest("ben")
    with pytest.raises(rtc.ConnectError):
        await again.room.connect(server.url, room.tokens["ben"], call.options())
