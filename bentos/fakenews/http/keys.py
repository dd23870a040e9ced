"""API keys: who may ask, and how often."""

import logging
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Final

from bentos.fakenews.settings import MIN_KEY, ServiceSettings

logger = logging.getLogger(__name__)

_SINGLE: Final = "default"
"""Name of the key that `FAKENEWS_API_KEY` holds."""
_LOOK_SECONDS: Final = 1
"""How often to look whether the file has changed."""


class BadKeys(ValueError):
    """A file of keys cannot be used; the message says why, and quotes no key."""


class Keys:
    """The keys in force: that of the settings, and those of the file, which is read again when it changes.

    Raises:
        BadKeys: the file cannot be used. Later the keys before stay in force, and the log says so.
    """

    def __init__(self, settings: ServiceSettings, now: Callable[[], float] = monotonic) -> None:
        self._file = settings.api_keys_file
        self._now = now
        self._single = (
            {_digest(settings.api_key.get_secret_value().encode()): _SINGLE} if settings.api_key else {}
        )
        self._looked_at = now()
        self._state = _state(self._file)
        self._names = self._single | _read(self._file)

    @property
    def required(self) -> bool:
        """Whether a key is required."""
        return bool(self._file or self._single)

    def name_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The name of the key that a request sends; None if it sends none that is in force."""
        sent = headers.get(b"x-api-key")
        if sent is None:
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer":
                return None
            sent = token.strip()
        self._look()
        digest = _digest(sent)
        found = None
        for known, name in self._names.items():  # all of them: the time must not tell which one was close
            if secrets.compare_digest(digest, known):
                found = name
        return found

    def _look(self) -> None:
        now = self._now()
        if self._file is None or now < self._looked_at + _LOOK_SECONDS:
            return
        self._looked_at = now
        state = _state(self._file)
        if state == self._state:
            return
        self._state = state
        try:
            self._names = self._single | _read(self._file)
        except BadKeys as error:
            logger.error("The API keys before stay in force: %s", error)
        else:
            logger.info(
                "Read the API keys of %s again: %s", self._file, ", ".join(sorted(set(self._names.values())))
            )


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """A token bucket for each key: it holds a minute's requests, and fills up at an even pace."""

    def __init__(self, per_minute: int, now: Callable[[], float] = monotonic) -> None:
        self._size = per_minute
        self._now = now
        self._buckets: dict[str, _Bucket] = {}

    def seconds_to_wait(self, name: str) -> int:
        """Count a request of a key. Returns 0, or after how many seconds the next one is answered."""
        now = self._now()
        bucket = self._buckets.setdefault(name, _Bucket(self._size, now))
        bucket.tokens = min(self._size, bucket.tokens + (now - bucket.at) * self._size / 60)
        bucket.at = now
        if bucket.tokens < 1:
            return math.ceil((1 - bucket.tokens) * 60 / self._size)
        bucket.tokens -= 1
        return 0


def _digest(key: bytes) -> bytes:
    # Of equal length, whatever is sent.
    return sha256(key).digest()


def _state(file: Path | None) -> tuple[int, int, int] | None:
    """What differs once a file was written or replaced; a link to another one counts as well."""
    try:
        found = file.stat() if file else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size) if found else None


def _read(file: Path | None) -> dict[bytes, str]:
    """Names by digest."""
    if file is None:
        return {}
    if file.exists() and not file.is_file():
        raise BadKeys(f"{file} is no regular file: reading it could last for ever.")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeys(f"{file} cannot be read ({error}).") from error
    names: dict[bytes, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, key = (part.strip() for part in line.partition(":"))
        if not name or len(key) < MIN_KEY or not key.isascii() or not key.isprintable() or " " in key:
            raise BadKeys(
                f"{file}, line {number}: expected `name: key`, the key with at least {MIN_KEY} letters, digits or signs."
            )
        if names.setdefault(_digest(key.encode()), name) != name:
            raise BadKeys(f"{file}, line {number}: the key has another name further up.")
    if not names:
        raise BadKeys(f"{file} holds no key.")
    return names
