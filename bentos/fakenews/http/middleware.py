"""HTTP middleware: request ids, body limits, API keys, error responses, the access log."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from time import perf_counter
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos.fakenews import metrics
from bentos.fakenews.http.access_log import AccessLog
from bentos.fakenews.http.identity import client_request_id, traceparent
from bentos.fakenews.http.json_size import JsonSize
from bentos.fakenews.http.keys import Keys, RateLimit
from bentos.fakenews.http.problems import RETRY_SECONDS, busy, problem
from bentos.fakenews.http.server import ABORT, Server, has_left
from bentos.fakenews.http.tracing import Tracing
from bentos.fakenews.model.batching import Overloaded
from bentos.fakenews.model.runtime import Runtime
from bentos.fakenews.schemas import MAX_ARTICLE_BYTES, MAX_ROWS
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.monitoring.log.records import Caller
from fakenews_assets.monitoring.windows import CSV_PATH, KSERVE_PATH
from fakenews_resources.request_ids import new_request_id

logger = logging.getLogger(__name__)

OPEN: Final = ("/", "/docs", "/openapi.json", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready")
"""Paths that need no API key; neither does anything below /page/."""
JUDGING: Final = ("/predict", "/predict_batch", CSV_PATH, "/explain", KSERVE_PATH)
"""Paths that need the model."""

_TYPES: Final = {
    **dict.fromkeys(
        ("/predict", "/predict_batch", "/explain", "/feedback", "/similar", KSERVE_PATH), "application/json"
    ),
    CSV_PATH: "multipart/form-data",
}
"""Content types of the bodies."""

_MOST_BYTES: Final = {
    **dict.fromkeys(("/predict", "/explain", "/similar"), MAX_ARTICLE_BYTES),
    "/feedback": 64 * 1024,
}
"""Bodies that cannot be as large as a batch. Reading JSON of a few megabytes stops everything else meanwhile."""

_MOST_QUOTES: Final = 20 * MAX_ROWS
"""Of a JSON body: a full batch has less than half of this."""
_MOST_STRUCTURE: Final = 100 * MAX_ROWS
"""Bytes of a JSON body outside of strings, without blanks: a full batch has less than a tenth of this."""
_TYPE_BYTES: Final = 1024
"""Of the header Content-Type. Parsing one with thousands of parameters would stop everything else for 60 ms."""
_MANY_BYTES: Final = 16 * 1024
"""A longer body has many articles, unless it can have only one. Shorter ones are looked into first."""

BYTES_PER_SECOND: Final = 128 * 1024
"""Least pace of a body and of taking an answer. It bounds how long an upload has its place: twenty minutes, about."""

_HEADERS: Final = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self';"
        b" base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Middleware:
    """ASGI middleware around the whole API."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, tracing: Tracing | None) -> None:
        self.app = app
        self.settings = settings
        self._keys = Keys(settings)
        per_minute = settings.requests_per_minute
        self._rate = RateLimit(per_minute) if per_minute else None
        self._tracing = tracing
        self._access_log = AccessLog() if settings.access_log else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        if method == "HEAD":  # answered like GET; the server leaves the body out
            scope = {**scope, "method": "GET"}
        request_id = new_request_id()
        begin = perf_counter()
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        limit = self._limit_of(path)
        headers = dict(scope["headers"])
        trace = traceparent(headers)
        span = self._tracing.begin(headers, trace[0] if trace else None) if self._tracing else None
        if span:
            trace = span.traceparent, span.trace_id
        caller = Caller(
            client=self._keys.name_of(headers) if self._keys.required else None,
            client_request_id=client_request_id(headers),
            trace_id=trace[1] if trace else None,
        )
        scope.setdefault("state", {}).update(request_id=request_id, received=begin, caller=caller, span=span)
        ids = [(b"x-request-id", (caller.client_request_id or request_id).encode())]
        if trace:
            ids.append((b"traceparent", trace[0]))
        status = 0
        sent, blocked = 0, 0.0

        async def answer(message: Message) -> None:
            nonlocal status, sent, blocked
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message.get("headers", ()))
                # A page with a stricter policy than the common one keeps it: two policies would both count.
                common = [header for header in _HEADERS if header[0] not in dict(own)]
                message = {**message, "headers": [*own, *common, *ids]}
            since = perf_counter()
            try:
                # What was sent may still lie in buffers, so one part may not wait for all that the sum allows.
                limit_s = self.settings.body_seconds
                async with asyncio.timeout(
                    min(limit_s, max(0.0, limit_s + sent / BYTES_PER_SECOND - blocked))
                ):
                    await send(message)
            except TimeoutError:
                # Closing would first wait for the client to read the rest.
                scope.get("extensions", {}).get(ABORT, lambda: None)()
                raise ClientDisconnect from None
            blocked += perf_counter() - since
            sent += len(message.get("body", b""))

        try:
            if has_left(scope):  # who asks and leaves would else have others wait
                return
            refusal = self._refusal(scope, path, limit, headers)
            if refusal is not None:
                await refusal(scope, receive, answer)
            else:
                # An upload has its place from its first byte to the last one of its answer: it fills a disk meanwhile.
                async with _runtime(scope).uploads if path == CSV_PATH else nullcontext():
                    await self.app(scope, self._limited(receive, path, limit, begin), answer)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            if Server.ends_at is None:
                raise
            # The grace time is over. What has begun is cut by the server.
            if not status:
                message = "The service is stopping. Send the request again."
                await problem(scope, 503, "stopping", message, RETRY_SECONDS)(scope, receive, answer)
        except Exception:
            # The reason is for the operator; the client gets a name to ask with.
            logger.exception("Request %s failed", request_id)
            if not status:
                message = f"The service failed. Report the request id {request_id}."
                await problem(scope, 500, "failed", message)(scope, receive, answer)
        finally:
            # By route: what clients invent must not make a metric of its own.
            endpoint = getattr(scope.get("route"), "path", "") or "page"
            metrics.REQUESTS.labels(endpoint, str(status)).inc()
            seconds = perf_counter() - begin
            metrics.LATENCY.labels(endpoint).observe(seconds)
            if caller.client:
                metrics.CLIENT_REQUESTS.labels(caller.client, str(status)).inc()
            if span:
                span.end(
                    f"{method} {endpoint}",
                    status,
                    {
                        "http.request.method": method,
                        "http.route": endpoint,
                        "fakenews.request_id": request_id,
                        "fakenews.client": caller.client,
                        "fakenews.client_request_id": caller.client_request_id,
                    },
                )
            if self._access_log:
                self._access_log.write(scope, method, status, seconds, sent)

    def _limit_of(self, path: str) -> int:
        """Bytes of a body."""
        if path == CSV_PATH:
            return self.settings.max_csv_bytes
        most = self.settings.max_json_bytes
        return min(most, _MOST_BYTES.get(path, most))

    def _refusal(
        self, scope: Scope, path: str, limit: int, headers: Mapping[bytes, bytes]
    ) -> JSONResponse | None:
        if self._keys.required and path not in OPEN and not path.startswith("/page/"):
            name = scope["state"]["caller"].client
            if name is None:
                message = "Send the service's key in the header X-API-Key, or as Authorization: Bearer."
                refusal = problem(scope, 401, "no_key", message)
                refusal.headers["WWW-Authenticate"] = "Bearer"
                return refusal
            if self._rate and (seconds := self._rate.seconds_to_wait(name)):
                message = f"This key may send {self.settings.requests_per_minute:,} requests a minute; try again in {seconds} s."
                return problem(scope, 429, "rate_limited", message, seconds)
        if scope["method"] == "POST" and (fault := _type_fault(path, headers)):
            refusal = problem(scope, 415, "wrong_type", fault)
            if b"content-encoding" in headers:
                refusal.headers["Accept-Encoding"] = "identity"
            return refusal
        length = headers.get(b"content-length", b"0")
        size = int(length) if length.isdigit() else 0
        if path in JUDGING:
            # Before anything is read or parsed: under overload, refusing is most of the work.
            try:
                many = path in (CSV_PATH, "/explain") or (path != "/predict" and size > _MANY_BYTES)
                _runtime(scope).batcher.require_capacity(many=many)
                if path == CSV_PATH and _runtime(scope).uploads.locked():
                    raise Overloaded(RETRY_SECONDS)
            except Overloaded as error:
                return busy(scope, error)
        if size > limit:
            return problem(scope, 413, "too_large", _too_large(limit))
        return None

    def _limited(self, receive: Receive, path: str, limit: int, begin: float) -> Receive:
        """Limit the size, the content and the duration of a body."""
        size, json = 0, JsonSize()
        complete = False

        async def limited() -> Message:
            nonlocal size, complete
            if complete:
                return await receive()
            due = begin + self.settings.body_seconds + size / BYTES_PER_SECOND
            try:
                async with asyncio.timeout(max(0.0, due - perf_counter())):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The body came too slowly; send it again.") from None
            if message["type"] == "http.request":
                body = message.get("body", b"")
                size += len(body)
                complete = not message.get("more_body", False)
                if size > limit:
                    raise HTTPException(413, _too_large(limit))
                if path != CSV_PATH:
                    json.add(body)
                    if json.quotes > _MOST_QUOTES or json.structure > _MOST_STRUCTURE:
                        raise HTTPException(
                            413, f"The body has more names and values than {MAX_ROWS:,} articles need."
                        )
            return message

        return limited


def _runtime(scope: Scope) -> Runtime:
    return scope["app"].state.runtime


def _type_fault(path: str, headers: Mapping[bytes, bytes]) -> str:
    """Why a body is of the wrong type; "": it is not."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return "Send the body as it is, without Content-Encoding: compressed bodies are not read here. A file may be compressed."
    expected = _TYPES.get(path, "")
    if len(headers.get(b"content-type", b"")) > _TYPE_BYTES:
        return f"Send a header Content-Type of at most {_TYPE_BYTES:,} bytes."
    sent = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if path == KSERVE_PATH:
        if b"inference-header-content-length" in headers:
            return "Send tensors as application/json: the binary extension is not offered (binary_data=False in Triton's client)."
        sent = sent or expected  # Triton's client names no type
    if not expected or sent == expected:
        return ""
    return f"Send the body as {expected}, and say so in the header Content-Type."


def _too_large(limit: int) -> str:
    size = f"{limit / 2**20:,.0f} MiB" if limit >= 2**20 else f"{limit / 2**10:,.0f} KiB"
    return f"The body is larger than {size}, the limit here."
