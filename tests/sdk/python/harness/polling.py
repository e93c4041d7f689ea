"""Waiting without sleeping: ask until the answer is yes, or say what the last answer was."""

import asyncio
import time
from typing import Awaitable, Callable, TypeVar, Union

T = TypeVar("T")

# How long anything in a call may take on a slow machine.
LIMIT_S = 15.0
PAUSE_S = 0.02


async def until(what: str, probe: Callable[[], Union[T, Awaitable[T]]], limit_s: float = LIMIT_S) -> T:
    """Asks `probe` until it returns something truthy, and returns that."""
    deadline = time.monotonic() + limit_s
    while True:
        answer = probe()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s:g} s: {what}; last seen: {answer!r}")
        await asyncio.sleep(PAUSE_S)
