"""Spans, as a real collector receives them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from bentos.fakenews.http.tracing import Tracing
from bentos.fakenews.settings import ServiceSettings
from tests.support.answering import answering
from tests.support.servers import serve

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A receiver of OTLP: its address, and the spans that have come."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {one.key: one.value.string_value for one in resource.resource.attributes}
                assert names["service.name"] == "fakenews"
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    with answering(Receiver) as address:
        yield address, spans


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


@pytest.mark.server
def test_spans_of_a_request_reach_a_collector(tmp_path: Path, models: Path) -> None:
    with collector() as (address, spans):
        environment = {"FAKENEWS_TRACING": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": address}
        with serve(tmp_path, models, environment) as server:
            sent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            answer = httpx.post(f"{server.url}/predict", json={"title": "a headline"}, headers=sent)
            server.process.terminate()  # sends what is left
            assert server.process.wait(60) == 0

    (request,) = (span for span in spans if span.name == "POST /predict")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert answer.headers["traceparent"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    assert attributes(request)["http.response.status_code"] == 200
    assert attributes(request)["fakenews.request_id"] == answer.json()["request_id"]
    queue, model = (
        next(span for span in spans if span.name == name and span.trace_id.hex() == TRACE)
        for name in ("queue", "model")
    )
    assert queue.parent_span_id == model.parent_span_id == request.span_id
    assert attributes(model)["fakenews.articles"] == 1
    moments = [request.start_time_unix_nano, queue.start_time_unix_nano, queue.end_time_unix_nano]
    moments += [model.end_time_unix_nano, request.end_time_unix_nano]
    assert moments == sorted(moments)
    assert queue.end_time_unix_nano == model.start_time_unix_nano


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ServiceSettings().tracing
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(RuntimeError, match=r"pip install 'fakenews\[otel\]'"):
        Tracing()
