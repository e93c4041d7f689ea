"""Access tokens of development mode, signed by hand: the suite needs no server SDK."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any, Dict, Optional

HOUR_S = 3600


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token(
    room: str,
    identity: str,
    *,
    name: Optional[str] = None,
    metadata: str = "",
    attributes: Optional[Dict[str, str]] = None,
    key: str = "devkey",
    secret: str = "secret",
    lifetime_s: int = HOUR_S,
    **video: Any,
) -> str:
    """`video` takes further grants, such as `canPublish=False`."""
    now = int(time.time())
    claims: Dict[str, Any] = {
        "iss": key,
        "sub": identity,
        "nbf": now - 10,
        "exp": now + lifetime_s,
        "name": identity if name is None else name,
        "metadata": metadata,
        "attributes": attributes or {},
        "video": {"roomJoin": True, "room": room, "canUpdateOwnMetadata": True, **video},
    }
    header = {"alg": "HS256", "typ": "JWT"}
    signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{_encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"
