"""What a back end is told of a call: webhooks, read and verified by PyPI `livekit-api`, unmodified."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator, List

import pytest

from conftest import Call
from harness.polling import until
from harness.server import Server

api = pytest.importorskip("livekit.api", reason="the back end's SDK is tested in its newest version")

KEY, SECRET = "devkey", "secret"


class Receiver:
    """A web server that is down for the first post. `events` are those whose signature the SDK accepts."""

    def __init__(self) -> None:
        self.events: List[Any] = []
        self.posts = 0
        verify = api.WebhookReceiver(api.TokenVerifier(KEY, SECRET)).receive
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.posts += 1
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if receiver.posts > 1:
                    receiver.events.append(verify(body, self.headers["Authorization"]))
                self.send_response(503 if receiver.posts == 1 else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def setting(self) -> str:
        url = f"http://127.0.0.1:{self._server.server_port}/hook"
        return f'[{{ url = "{url}", api_key = "{KEY}", allow_private = true }}]'

    @property
    def names(self) -> List[str]:
        return [event.event for event in self.events]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


async def test_a_back_end_hears_of_a_call_in_order(receiver: Receiver, door: str) -> None:
    server = Server(SLUICE_WEBHOOKS=receiver.setting)
    call = Call(server, door)
    try:
        ann = await call.join("ann")
        await ann.publish(call.microphone())
        await until("the track is told of", lambda: "track_published" in receiver.names)
        await ann.room.disconnect()
        async with api.LiveKitAPI(url=server.url.replace("ws", "http", 1), api_key=KEY, api_secret=SECRET) as client:
            await client.room.delete_room(api.DeleteRoomRequest(room=call.room))
        await until("the end is told of", lambda: "room_finished" in receiver.names)
    finally:
        await call.close()
        server.stop()

    assert receiver.names == [
        "room_started",
        "participant_joined",
        "track_published",
        "track_unpublished",
        "participant_left",
        "room_finished",
    ]
    assert {event.room.name for event in receiver.events} == {call.room}
    assert {event.participant.identity for event in receiver.events[1:5]} == {"ann"}
    assert receiver.events[2].track.sid == receiver.events[3].track.sid != ""
    assert len({event.id for event in receiver.events}) == 6
