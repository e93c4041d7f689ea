"""Recordings, asked for by PyPI `livekit-api` and judged by ffprobe: files of tracks and of people, as they come."""

import asyncio
import json
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from conftest import Call
from harness.polling import until
from harness.server import Server

api = pytest.importorskip("livekit.api", reason="the back end's SDK is tested in its newest version")
# It came with the SDK.
aiohttp = pytest.importorskip("aiohttp")

KEY, SECRET = "devkey", "secret"
# A few seconds of 720p, on a machine that does much else.
COMPOSING_S = 120.0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sluice-recordings-") as path:
        yield Path(path)


def client(server: Server) -> Any:
    return api.LiveKitAPI(url=server.url.replace("ws", "http", 1), api_key=KEY, api_secret=SECRET)


def probed(file: Path) -> Any:
    """What ffprobe reads in it, every packet decoded."""
    decoded = subprocess.run(["ffmpeg", "-v", "error", "-i", str(file), "-fps_mode", "passthrough", "-enc_time_base", "1:1000", "-f", "null", "-"], capture_output=True, text=True)
    assert (decoded.returncode, decoded.stderr) == (0, ""), decoded.stderr
    options = ["-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json"]
    return json.loads(subprocess.run(["ffprobe", *options, str(file)], capture_output=True, check=True).stdout)


async def status(server: Server, egress_id: str) -> Any:
    async with client(server) as back_end:
        listed = await back_end.egress.list_egress(api.ListEgressRequest(egress_id=egress_id))
    (info,) = listed.items
    return info


async def ended(server: Server, egress_id: str) -> Any:
    async def is_over() -> Any:
        info = await status(server, egress_id)
        return info.status >= api.EgressStatus.EGRESS_COMPLETE and info

    return await until("the recording is over", is_over, limit_s=COMPOSING_S)


async def active(server: Server, egress_id: str) -> None:
    async def is_active() -> bool:
        return (await status(server, egress_id)).status == api.EgressStatus.EGRESS_ACTIVE

    await until("media is recorded", is_active)


async def test_somebody_is_recorded_into_one_file(folder: Path, door: str) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder))
    call = Call(server, door)
    try:
        ann = await call.join("ann")
        await ann.publish(call.camera())
        await ann.publish(call.microphone())
        async with client(server) as back_end:
            output = api.EncodedFileOutput(filepath="{room_name}/{publisher_identity}-{time}")
            request = api.ParticipantEgressRequest(room_name=call.room, identity="ann", file_outputs=[output])
            begun = await back_end.egress.start_participant_egress(request)
            assert begun.egress_id.startswith("EG_") and begun.room_name == call.room
            await active(server, begun.egress_id)
            going_on = await back_end.egress.list_egress(api.ListEgressRequest(room_name=call.room, active=True))
            assert [info.egress_id for info in going_on.items] == [begun.egress_id]
            await asyncio.sleep(4)
            stopped = await back_end.egress.stop_egress(api.StopEgressRequest(egress_id=begun.egress_id))
            assert stopped.status >= api.EgressStatus.EGRESS_ENDING
        info = await ended(server, begun.egress_id)
    finally:
        await call.close()
        server.stop()

    assert (info.status, info.error) == (api.EgressStatus.EGRESS_COMPLETE, "")
    (result,) = info.file_results
    assert result.filename.startswith(f"{call.room}/ann-") and result.filename.endswith(".webm")
    (file,) = (folder / begun.egress_id).glob("recording.*")
    assert result.size == file.stat().st_size
    seen = probed(file)
    assert sorted(stream["codec_type"] for stream in seen["streams"]) == ["audio", "video"]
    assert 3.5 < float(seen["format"]["duration"]) < 15
    assert abs(float(seen["format"]["duration"]) - result.duration / 1e9) < 0.1
    manifest = json.loads((folder / begun.egress_id / "manifest.json").read_text())
    assert manifest["room"]["name"] == call.room
    assert sorted(track["kind"] for track in manifest["tracks"]) == ["audio", "video"]
    assert [person["identity"] for person in manifest["participants"]] == ["ann"]


async def test_a_track_is_recorded_until_it_is_gone(folder: Path, door: str) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder))
    call = Call(server, door)
    try:
        ann = await call.join("ann")
        track = await ann.publish(call.microphone())
        async with client(server) as back_end:
            request = api.TrackEgressRequest(room_name=call.room, track_id=track.sid, file=api.DirectFileOutput())
            begun = await back_end.egress.start_track_egress(request)
            await active(server, begun.egress_id)
        await asyncio.sleep(2)
        await ann.room.disconnect()
        info = await ended(server, begun.egress_id)
    finally:
        await call.close()
        server.stop()

    assert info.status == api.EgressStatus.EGRESS_COMPLETE
    (result,) = info.file_results
    assert result.filename.startswith(track.sid)
    (file,) = (folder / begun.egress_id).glob("recording.*")
    assert [stream["codec_name"] for stream in probed(file)["streams"]] == ["opus"]


async def test_a_room_becomes_one_picture(folder: Path) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder))
    call = Call(server, "v1")
    try:
        for name in ["ann", "bob"]:
            somebody = await call.join(name)
            await somebody.publish(call.camera())
            await somebody.publish(call.microphone())
        async with client(server) as back_end:
            output = api.EncodedFileOutput(filepath="{room_name}")
            request = api.RoomCompositeEgressRequest(room_name=call.room, layout="grid", file_outputs=[output])
            begun = await back_end.egress.start_room_composite_egress(request)
            await active(server, begun.egress_id)
            await asyncio.sleep(4)
            await back_end.egress.stop_egress(api.StopEgressRequest(egress_id=begun.egress_id))
        info = await ended(server, begun.egress_id)
    finally:
        await call.close()
        server.stop()

    assert (info.status, info.error) == (api.EgressStatus.EGRESS_COMPLETE, "")
    (result,) = info.file_results
    assert result.filename == f"{call.room}.mp4"
    file = folder / begun.egress_id / "composite-grid.mp4"
    seen = probed(file)
    assert {stream["codec_name"] for stream in seen["streams"]} == {"h264", "aac"}
    assert abs(float(seen["format"]["duration"]) - result.duration / 1e9) < 0.1
    manifest = json.loads((folder / begun.egress_id / "manifest.json").read_text())
    assert {track["participant"] for track in manifest["tracks"]} == {"ann", "bob"}
    assert len({track["file"] for track in manifest["tracks"]}) == 2, "voice and picture of each share a file"
    assert {speaker["participant"] for speaker in manifest["speakers"]} <= {"ann", "bob"}


async def test_a_recording_plays_at_once_and_its_video_comes_later(folder: Path) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder))
    call = Call(server, "v1")

    async def asked(http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
        async with http.request(method, server.url.replace("ws", "http", 1) + path, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    try:
        ann = await call.join("ann")
        await ann.publish(call.camera())
        await ann.publish(call.microphone())
        async with aiohttp.ClientSession() as http:
            what = {"source": {"kind": "room", "layout": "speaker"}, "composite": True}
            begun = await asked(http, "POST", f"/api/rooms/{call.room}/recordings", what)
            path = f"/api/recordings/{begun['id']}"

            async def reached(state: str) -> Any:
                async def is_so() -> Any:
                    seen = await asked(http, "GET", path)
                    return seen["state"] == state and seen

                return await until(f"it is {state}", is_so)

            await reached("active")
            assert ann.room.is_recording
            await asyncio.sleep(3)
            await asked(http, "POST", f"{path}/stop", {})
            over = await reached("complete")
            assert [file["content_type"] for file in over["files"]] == ["video/webm"]
            playback = await asked(http, "POST", f"{path}/playback", {})
            url = server.url.replace("ws", "http", 1) + playback["files"][0]["url"]
            async with http.get(url, headers={"Range": "bytes=0-3"}) as answer:
                assert (answer.status, await answer.read()) == (206, b"\x1a\x45\xdf\xa3")

            async def has_video() -> Any:
                seen = (await asked(http, "GET", path))["composite"]
                assert seen["state"] != "failed", seen
                return seen["state"] == "done" and seen

            video = await until("its video is made", has_video, limit_s=COMPOSING_S)
            assert video["file"] == "composite-speaker.mp4"
            assert {file["name"] for file in (await asked(http, "GET", path))["files"]} >= {video["file"]}
        probed(folder / begun["id"] / video["file"])
    finally:
        await call.close()
        server.stop()


async def test_a_room_goes_out_while_it_goes_on(folder: Path) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder), SLUICE_RECORDINGS__ALLOW_PRIVATE="true")
    call = Call(server, "v1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, received = f"rtmp://127.0.0.1:{port}/live/s3cretkey", folder / "received.flv"
    listen = ["ffmpeg", "-v", "error", "-listen", "1", "-i", f"rtmp://127.0.0.1:{port}/live/s3cretkey", "-c", "copy"]
    receiver = subprocess.Popen([*listen, str(received)], stdin=subprocess.DEVNULL)
    try:
        ann = await call.join("ann")
        await ann.publish(call.camera())
        await ann.publish(call.microphone())
        async with client(server) as back_end:
            request = api.RoomCompositeEgressRequest(
                room_name=call.room,
                layout="grid",
                advanced=api.EncodingOptions(width=640, height=360, framerate=15, video_bitrate=500),
                segment_outputs=[api.SegmentedFileOutput(playlist_name="call", live_playlist_name="now", segment_duration=2)],
                stream_outputs=[api.StreamOutput(urls=[url])],
            )
            begun = await back_end.egress.start_room_composite_egress(request)
            await active(server, begun.egress_id)
            until_playable = folder / begun.egress_id / "live.m3u8"
            await until("segments to watch live", lambda: until_playable.exists() and "segment" in until_playable.read_text(), limit_s=COMPOSING_S)
            await until("something is received", lambda: received.exists() and received.stat().st_size > 10_000, limit_s=COMPOSING_S)
            await back_end.egress.update_layout(api.UpdateLayoutRequest(egress_id=begun.egress_id, layout="speaker"))
            without = api.UpdateStreamRequest(egress_id=begun.egress_id, remove_output_urls=[url])
            (stream,) = (await back_end.egress.update_stream(without)).stream_results
            assert (stream.status, "s3cretkey" in stream.url) == (api.StreamInfo.Status.FINISHED, False)
            await back_end.egress.stop_egress(api.StopEgressRequest(egress_id=begun.egress_id))
        info = await ended(server, begun.egress_id)
        receiver.wait(timeout=30)
    finally:
        await call.close()
        server.stop()
        receiver.kill()

    assert (info.status, info.error) == (api.EgressStatus.EGRESS_COMPLETE, "")
    assert "s3cretkey" not in str(info)
    (segments,) = info.segment_results
    assert segments.playlist_name == "call.m3u8" and segments.segment_count >= 1
    assert {stream["codec_name"] for stream in probed(received)["streams"]} == {"h264", "aac"}
    played = probed(folder / begun.egress_id / "playlist.m3u8")
    assert abs(float(played["format"]["duration"]) - segments.duration / 1e9) < 0.5


async def test_what_is_not_there_and_what_is_not_offered_is_said(folder: Path) -> None:
    server = Server(SLUICE_RECORDINGS__PATH=str(folder))
    call = Call(server, "v1")
    refused: List[str] = []
    try:
        async with client(server) as back_end:
            file = api.EncodedFileOutput(filepath="../../etc/x")
            for room, outputs in [("nobody-is-here", [api.EncodedFileOutput()]), (call.room, [file]), (call.room, [])]:
                request = api.ParticipantEgressRequest(room_name=room, identity="ann", file_outputs=outputs)
                with pytest.raises(api.TwirpError) as error:
                    await back_end.egress.start_participant_egress(request)
                refused.append(error.value.code)
            with pytest.raises(api.TwirpError) as error:
                await back_end.egress.start_web_egress(api.WebEgressRequest(url="https://example.org"))
            refused.append(error.value.code)
            inside = api.StreamOutput(urls=["rtmp://127.0.0.1/live/key"])
            with pytest.raises(api.TwirpError) as error:
                composite = api.RoomCompositeEgressRequest(room_name=call.room, stream_outputs=[inside])
                await back_end.egress.start_room_composite_egress(composite)
            refused.append(error.value.code)
            with pytest.raises(api.TwirpError) as error:
                await back_end.egress.stop_egress(api.StopEgressRequest(egress_id="EG_none"))
            refused.append(error.value.code)
    finally:
        await call.close()
        server.stop()
    assert refused == ["not_found", "invalid_argument", "invalid_argument", "unimplemented", "failed_precondition", "not_found"]
    assert list(folder.iterdir()) == []
