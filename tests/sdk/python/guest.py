"""A guest for tests that run elsewhere: joins a call, sends a picture and a tone, and says on its standard output what
it receives, one JSON value a line, and answers what it reads. Ends when its standard input does.

    python guest.py URL TOKEN
"""

import asyncio
import json
import sys

from livekit import rtc

from harness.guest import Guest
from harness.media import Camera, LostSink, Microphone, listen, watch


def say(**what: str) -> None:
    print(json.dumps(what), flush=True)


async def receive(track: rtc.Track, identity: str) -> None:
    is_video = track.kind == rtc.TrackKind.KIND_VIDEO
    what = "picture" if is_video else "sound"
    try:
        await (watch if is_video else listen)(track)
        say(received=what, of=identity)
    except (AssertionError, LostSink) as error:
        say(missed=what, of=identity, because=str(error))


async def read(guest: Guest, reader: rtc.TextStreamReader, identity: str) -> None:
    say(read=await reader.read_all(), of=identity)
    await guest.me.send_text("Hello from Python", topic="lk.chat")


async def main(url: str, token: str) -> None:
    guest = Guest("guest")
    tasks = []
    guest.room.on(
        "track_subscribed",
        lambda track, _, participant: tasks.append(asyncio.ensure_future(receive(track, participant.identity))),
    )
    guest.room.register_text_stream_handler(
        "lk.chat", lambda reader, identity: tasks.append(asyncio.ensure_future(read(guest, reader, identity)))
    )
    await guest.room.connect(url, token)
    camera, microphone = Camera(640, 360), Microphone()
    await guest.publish(camera)
    await guest.publish(microphone)
    say(ready=guest.me.identity)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await guest.room.disconnect()
    await camera.close()
    await microphone.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
