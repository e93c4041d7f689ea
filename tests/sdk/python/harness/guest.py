"""One participant as the tests see it: a room of the SDK and everything that ever happened in it."""

import typing
from typing import Any, Callable, List, Optional, Tuple

from livekit import rtc
from livekit.rtc.room import EventTypes

from .media import watch
from .polling import LIMIT_S, until


class Guest:
    """Keeps every event, so that a test may ask for one that has already come."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.room = rtc.Room()
        self.events: List[Tuple[str, Tuple[Any, ...]]] = []
        for event in typing.get_args(EventTypes):
            self.room.on(event, self._recorder(event))

    def _recorder(self, event: str) -> Callable[..., None]:
        return lambda *arguments: self.events.append((event, arguments))

    @property
    def me(self) -> rtc.LocalParticipant:
        return self.room.local_participant

    def all(self, event: str) -> List[Tuple[Any, ...]]:
        """Arguments of every such event so far."""
        return [arguments for name, arguments in self.events if name == event]

    def forget(self) -> None:
        """From here on only what comes counts."""
        self.events.clear()

    async def sees(
        self, event: str, such_that: Callable[..., bool] = lambda *_: True, limit_s: float = LIMIT_S
    ) -> Tuple[Any, ...]:
        """Waits for an event; its arguments."""

        def find() -> Optional[List[Tuple[Any, ...]]]:
            return [found for found in self.all(event) if such_that(*found)]

        what = f"{self.identity} sees {event}"
        try:
            return (await until(what, find, limit_s))[0]
        except AssertionError:
            names = [name for name, _ in self.events]
            raise AssertionError(f"not within {limit_s:g} s: {what}; events so far: {names}") from None

    async def sees_participant(self, identity: str) -> rtc.RemoteParticipant:
        return await until(
            f"{self.identity} sees {identity}", lambda: self.room.remote_participants.get(identity)
        )

    async def subscribes(self, identity: str, kind: "rtc.TrackKind.ValueType") -> rtc.RemoteTrackPublication:
        """Waits until a track of that kind of that participant is here; its publication."""

        def find() -> Optional[rtc.RemoteTrackPublication]:
            participant = self.room.remote_participants.get(identity)
            publications = participant.track_publications.values() if participant else []
            return next((p for p in publications if p.kind == kind and p.track is not None), None)

        return await until(f"{self.identity} receives a track of {identity}", find)

    async def camera_of(self, identity: str) -> rtc.RemoteTrackPublication:
        return await self.subscribes(identity, rtc.TrackKind.KIND_VIDEO)

    async def microphone_of(self, identity: str) -> rtc.RemoteTrackPublication:
        return await self.subscribes(identity, rtc.TrackKind.KIND_AUDIO)

    async def watches(self, identity: str, limit_s: float = LIMIT_S) -> None:
        """Waits until any track of theirs decodes, whatever becomes of its publications meanwhile."""

        async def plays() -> bool:
            participant = self.room.remote_participants.get(identity)
            tracks = [p.track for p in participant.track_publications.values() if p.track] if participant else []
            try:
                return bool(tracks) and bool(await watch(tracks[0], limit_s=2))
            except AssertionError:
                return False

        await until(f"{self.identity} watches {identity}", plays, limit_s)

    async def publish(
        self,
        media: Any,
        source: "Optional[rtc.TrackSource.ValueType]" = None,
        **options: Any,
    ) -> rtc.LocalTrackPublication:
        """Publishes a `Camera` or a `Microphone`."""
        if source is None:
            is_video = isinstance(media.track, rtc.LocalVideoTrack)
            source = rtc.TrackSource.SOURCE_CAMERA if is_video else rtc.TrackSource.SOURCE_MICROPHONE
        return await self.me.publish_track(media.track, rtc.TrackPublishOptions(source=source, **options))
