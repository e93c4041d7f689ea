"""What the installed SDK can do: the suite runs against several versions."""

import pytest
from livekit import rtc

# One peer connection (signal v1) is an option of newer SDKs; older ones only speak v0.
KNOWS_V1 = hasattr(rtc.RoomOptions, "single_peer_connection")
DOORS = ["v1", "v0"] if KNOWS_V1 else ["v0"]

needs_simulate = pytest.mark.skipif(
    not hasattr(rtc.Room, "simulate_scenario"), reason="this SDK has no simulate_scenario"
)
needs_quality = pytest.mark.skipif(
    not hasattr(rtc.RemoteTrackPublication, "set_video_quality"), reason="this SDK has no set_video_quality"
)
needs_frame_metadata = pytest.mark.skipif(
    not hasattr(rtc, "FrameMetadata"), reason="this SDK attaches nothing to frames"
)
# Seen on the wire of 1.0.12: no mute request is ever sent.
needs_mute = pytest.mark.skipif(not KNOWS_V1, reason="this SDK mutes without telling the server")
# Seen with 1.0.12: the publication fails as it should, and `disconnect` then waits for ever.
needs_refusals = pytest.mark.skipif(not KNOWS_V1, reason="this SDK does not survive a refused publication")
# Seen with 1.0.12: told to start over in answer to a resume, it goes on trying to resume, until it gives up.
needs_restart = pytest.mark.skipif(not KNOWS_V1, reason="this SDK only ever resumes")
