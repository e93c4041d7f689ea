"""The server of the session, and one call for each test."""

import gc
import itertools
import secrets
from typing import Any, AsyncIterator, Iterator, List

import pytest
from livekit import rtc

from harness.guest import Guest
from harness.media import Camera, Microphone
from harness.sdk import DOORS, KNOWS_V1
from harness.server import Server
from harness.token import token


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    code = server.stop()
    assert code == 0, f"the server ended with {code}:\n{server.log}"
    assert "panicked" not in server.log, server.log


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """The signal protocol to speak."""
    return request.param


class Call:
    """A room of the server's, and the people whom the test lets in. All of them are gone after the test."""

    _numbers = itertools.count(1)

    def __init__(self, server: Server, door: str) -> None:
        self.server = server
        self.door = door
        self.room = f"call-{next(self._numbers)}-{secrets.token_hex(3)}"
        self._guests: List[Guest] = []
        self._media: List[Any] = []

    def options(self, **options: Any) -> rtc.RoomOptions:
        if KNOWS_V1:
            options["single_peer_connection"] = self.door == "v1"
        return rtc.RoomOptions(**options)

    def guest(self, identity: str) -> Guest:
        """Somebody who has still to connect."""
        self._guests.append(Guest(identity))
        return self._guests[-1]

    async def join(self, identity: str, *, url: str = "", grants: Any = None, claims: Any = None, **options: Any) -> Guest:
        """`grants` and `claims` go into the token, `options` into `RoomOptions`."""
        guest = self.guest(identity)
        ticket = token(self.room, identity, **(claims or {}), **(grants or {}))
        await guest.room.connect(url or self.server.url, ticket, self.options(**options))
        return guest

    async def pair(self, **options: Any) -> List[Guest]:
        """Ann and Ben, who see each other."""
        ann, ben = await self.join("ann", **options), await self.join("ben", **options)
        await ann.sees_participant("ben")
        await ben.sees_participant("ann")
        return [ann, ben]

    def camera(self, **options: Any) -> Camera:
        self._media.append(Camera(**options))
        return self._media[-1]

    def microphone(self) -> Microphone:
        self._media.append(Microphone())
        return self._media[-1]

    async def close(self) -> None:
        for guest in self._guests:
            await guest.room.disconnect()
        for media in self._media:
            await media.close()


@pytest.fixture
async def call(server: Server, door: str) -> AsyncIterator[Call]:
    # Here and only here. A room that its server ended stays in the SDK's list of listeners until it is collected, and
    # when that happens while the list is being told something, the SDK passes over the next room in the list.
    gc.disable()
    gc.collect()
    call = Call(server, door)
    yield call
    await call.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Any:
    """A failure brings the end of the server's log."""
    outcome = yield
    report = outcome.get_result()
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and server is not None:
        report.sections.append(("server log, last lines", "\n".join(server.log.splitlines()[-40:])))
