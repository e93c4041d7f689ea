"""The native API, as a back end or a page asks it: plain HTTP beside the SDK."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any, Dict, Optional, Tuple

from .guest import Guest


async def ask(server: Any, method: str, path: str, body: Any = None, token: Optional[str] = None) -> Tuple[int, Any]:
    """Status and answer of a request."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    url = server.url.replace("ws", "http", 1) + path
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)

    def send() -> Tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null")

    return await asyncio.get_running_loop().run_in_executor(None, send)


class NativeRoom:
    """A room made by the API, and people who joined by its link."""

    def __init__(self, server: Any, call: Any, **settings: Any) -> None:
        self.server, self.call, self.settings = server, call, settings
        self.id = ""
        self.tokens: Dict[str, str] = {}

    async def make(self) -> "NativeRoom":
        status, made = await ask(self.server, "POST", "/api/rooms", self.settings)
        assert status == 201, made
        self.id = made["id"]
        return self

    async def enter(self, identity: str) -> Guest:
        joining = {"name": identity.title(), "identity": identity}
        status, joined = await ask(self.server, "POST", f"/api/rooms/{self.id}/join", joining)
        assert status == 200, joined
        self.tokens[identity] = joined["token"]
        guest = self.call.guest(identity)
        await guest.room.connect(joined["url"], joined["token"], self.call.options())
        return guest
