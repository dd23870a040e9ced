"""Request ids that contain the time of the request."""

import os
import time
import uuid
from datetime import UTC, datetime


def new_request_id() -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, the rest random. They sort by time."""
    value = int.from_bytes(os.urandom(10)) | (time.time_ns() // 1_000_000) << 80
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def time_of(request_id: str) -> datetime:
    """Time of a request, to the millisecond.

    Raises:
        ValueError: not a UUID of version 7.
    """
    parsed = uuid.UUID(request_id)
    if parsed.version != 7:
        raise ValueError(f"{request_id} is not a request id of this service")
    return datetime.fromtimestamp((parsed.int >> 80) / 1000, UTC)
