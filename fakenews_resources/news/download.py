"""HTTP downloads that resume after interruptions, retry, and verify checksums."""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import httpx
from tenacity import Retrying, retry_if_exception_type

from fakenews_resources.news.base import (
    BadAddress,
    ChecksumMismatch,
    NoAnswer,
    NotFound,
    Progress,
    Received,
    Refused,
    Tell,
    Unreachable,
    file_name,
    received,
    without_credentials,
)
from fakenews_resources.news.patience import DownloadPolicy, Interrupted, Patience, Pause, telling
from fakenews_resources.storage.hashing import digest

_BLOCK_BYTES = 2**17
_GONE = (404, 410)


@dataclass(frozen=True)
class Checksum:
    """What the publisher says the bytes hash to."""

    algorithm: Literal["md5", "sha256"]
    hex_digest: str


def download(
    url: str,
    into: Path,
    *,
    checksum: Checksum | None = None,
    policy: DownloadPolicy | None = None,
    progress: Progress | None = None,
    tell: Tell | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Received:
    """Download one file.

    The bytes gather in `<name>.partial` and take their final name only when complete and, if there is a
    checksum, correct. A partial file is kept over errors, kills and restarts: the next call with the same
    URL and folder resumes it, provided that the server can tell that the file is still the same (a strong
    ETag, or Last-Modified). A file that is there already and has the announced checksum is not fetched
    again. Two downloads of one file into one folder must not run at once.

    Args:
        url: `http://` or `https://`; redirects are followed.
        into: folder for the file, which takes its name from the URL.
        checksum: what the file must hash to.
        policy: time-outs and retries.
        progress: called as bytes arrive.
        tell: called before each wait, with why and how long.
        sleep: waits between attempts.
        clock: seconds, for `patience_s`.

    Raises:
        NotFound: at 404 and 410.
        Refused: at any other status that a retry cannot fix.
        Unreachable: if every attempt failed.
        NoAnswer: the same, if for `patience_s` there was no answer or no further byte.
        ChecksumMismatch: if other bytes arrived; they are kept as `<name>.corrupt`.
        BadAddress: if httpx cannot make a request of the URL.
    """
    policy = policy or DownloadPolicy()
    shown = without_credentials(url)
    target = into / file_name(url)
    if checksum and target.exists() and digest(target, checksum.algorithm) == checksum.hex_digest:
        return received(target, shown)
    into.mkdir(parents=True, exist_ok=True)
    partial = _Partial(target, url)
    timeout = httpx.Timeout(policy.read_timeout_s, connect=policy.connect_timeout_s)
    stop = Patience(policy, lambda: partial.size, clock)
    retrying = Retrying(
        retry=retry_if_exception_type(Interrupted),
        stop=stop,
        wait=Pause(policy),
        sleep=sleep,
        before_sleep=telling(shown, tell),
        reraise=True,
    )
    try:
        with httpx.Client(timeout=timeout, follow_redirects=True) as client:
            retrying(_attempt, client, url, partial, policy, progress)
    except Interrupted as error:
        kept = (
            f"{partial.size} bytes are kept; run again to resume" if partial.validator() else "Then run again"
        )
        kind = NoAnswer if stop.lost_patience else Unreachable
        raise kind(
            f"{shown} could not be fetched: {error}. Check the address and the network. {kept}"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadAddress(f"{shown} cannot be fetched ({error}): check the address") from error
    if checksum and (actual := digest(partial.path, checksum.algorithm)) != checksum.hex_digest:
        corrupt = partial.set_aside()
        raise ChecksumMismatch(
            f"{shown} has {checksum.algorithm} {actual}, expected {checksum.hex_digest}. The bytes are kept in "
            f"{corrupt.name} for inspection. Run again to fetch them afresh; if the result is the same, the "
            "publisher changed the file: review the new one, then change the expected checksum"
        )
    partial.deliver()
    return received(target, shown)


def _attempt(
    client: httpx.Client, url: str, partial: "_Partial", policy: DownloadPolicy, progress: Progress | None
) -> None:
    """Fetch what is missing. Return with the partial file complete."""
    headers = {"Accept-Encoding": "identity"}
    if validator := partial.validator():
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": validator}
    try:
        with client.stream("GET", url, headers=headers) as response:
            _judge(response, policy)
            begin, total = _extent(response)
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if partial.size == total:
                    return
                partial.discard()
                raise Interrupted("the server no longer has the part that is missing")
            if response.status_code == httpx.codes.PARTIAL_CONTENT:
                if begin != partial.size or _validator(response) not in (None, validator):
                    partial.discard()
                    raise Interrupted("the server sent another part, or version, than was asked for")
            else:
                partial.restart(_validator(response))
            with partial.path.open("ab") as file:
                for block in response.iter_raw(_BLOCK_BYTES):
                    file.write(block)
                    if progress:
                        progress(file.tell(), total)
    except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError) as error:
        raise Interrupted(f"{type(error).__name__} ({error})") from error
    if total is not None and partial.size != total:
        if partial.size > total:
            partial.discard()
        raise Interrupted(f"{partial.size} of {total} bytes arrived")


def _judge(response: httpx.Response, policy: DownloadPolicy) -> None:
    """Raise unless the response holds bytes of the file, or says that none are left."""
    status = response.status_code
    shown = without_credentials(str(response.url))
    if response.is_success or status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        return
    answer = f"the server answered {status} {response.reason_phrase}"
    if status == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        wait_s = _retry_after_s(response)
        if wait_s is not None and wait_s > policy.longest_wait_s:
            raise Unreachable(f"{shown}: {answer} and asks to wait {wait_s:.0f} s. Run again then, to resume")
        raise Interrupted(answer, wait_s, busy=True)
    if status in _GONE:
        raise NotFound(f"{shown}: {answer}; check the address, or whether the publisher moved the file")
    raise Refused(f"{shown}: {answer}; check the address and whether it needs a login")


def _extent(response: httpx.Response) -> tuple[int, int | None]:
    """Where in the file the body begins, and how long the whole file is."""
    if content_range := response.headers.get("Content-Range"):
        span, _, total = content_range.removeprefix("bytes ").partition("/")
        begin = span.partition("-")[0]
        return int(begin) if begin.isdecimal() else 0, int(total) if total.isdecimal() else None
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _validator(response: httpx.Response) -> str | None:
    """What If-Range may compare: a strong ETag, else the date (RFC 9110, 13.1.5)."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds that Retry-After asks for, in either of its forms; None without one that can be read."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    with contextlib.suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return None


class _Partial:
    """The bytes so far, and beside them a note of the URL and version that they belong to."""

    def __init__(self, target: Path, url: str) -> None:
        self.path = target.with_name(target.name + ".partial")
        self._note = target.with_name(target.name + ".partial.json")
        self._target = target
        self._url = without_credentials(url)

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self) -> str | None:
        """What identifies the version that the bytes belong to; None if there is nothing to resume."""
        if not self.size or not self._note.exists():
            return None
        try:
            note = json.loads(self._note.read_text())
        except json.JSONDecodeError:  # killed while the note was written
            return None
        return note["validator"] if note["url"] == self._url else None

    def restart(self, validator: str | None) -> None:
        """Empty the file, then note the version that is about to be written to it, in this order: a kill in
        between must not pass old bytes off as the new version."""
        self.path.write_bytes(b"")
        self._note.write_text(json.dumps({"url": self._url, "validator": validator}))

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        corrupt = self._target.with_name(self._target.name + ".corrupt")
        self.path.replace(corrupt)
        self._note.unlink(missing_ok=True)
        return corrupt

    def deliver(self) -> None:
        self.path.replace(self._target)
        self._note.unlink(missing_ok=True)
