"""OpenTelemetry spans of a request, its wait for the model, and the model's work. They are sent by OTLP over HTTP.

Where to, with which headers and how many of them is set by OpenTelemetry's own variables, such as
OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_TRACES_SAMPLER.
"""

import os
from collections.abc import Mapping
from time import perf_counter, time_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer


class RequestSpan:
    """The span of one request, which is running."""

    def __init__(self, tracer: "Tracer", span: "Span", context: "Context") -> None:
        self._tracer = tracer
        self._span = span
        self._context = context
        # Once, so that spans which meet have the same time there.
        self._began_counting = time_ns() - round(perf_counter() * 1e9)
        self.trace_id = f"{span.get_span_context().trace_id:032x}"

    @property
    def traceparent(self) -> bytes:
        """The W3C header that names it."""
        own = self._span.get_span_context()
        return f"00-{self.trace_id}-{own.span_id:016x}-{own.trace_flags:02x}".encode()

    def child(self, name: str, begin: float, end: float, **attributes: int | str) -> None:
        """Add a span that is over.

        Args:
            name: of the span.
            begin: `perf_counter` then.
            end: the same at its end.
            attributes: without the prefix `fakenews.`
        """
        own = {f"fakenews.{key}": value for key, value in attributes.items()}
        span = self._tracer.start_span(name, self._context, attributes=own, start_time=self._epoch(begin))
        span.end(self._epoch(end))

    def end(self, name: str, status: int, attributes: Mapping[str, str | None]) -> None:
        """End it.

        Args:
            name: of the span.
            status: of the answer; 0 if there was none.
            attributes: of the request.
        """
        from opentelemetry.trace import StatusCode

        self._span.update_name(name)
        self._span.set_attribute("http.response.status_code", status)
        self._span.set_attributes({key: value for key, value in attributes.items() if value is not None})
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end(self._epoch(perf_counter()))

    def _epoch(self, moment: float) -> int:
        """Nanoseconds since 1970 of a `perf_counter`."""
        return self._began_counting + round(moment * 1e9)


class Tracing:
    """Starts the spans of requests.

    Raises:
        RuntimeError: the extra `otel` is not installed.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise RuntimeError(
                "FAKENEWS_TRACING needs the extra otel: pip install 'fakenews[otel]'"
            ) from error
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        os.environ.setdefault("OTEL_SERVICE_NAME", "fakenews")
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("fakenews")

    def begin(self, headers: Mapping[bytes, bytes], traceparent: bytes | None) -> RequestSpan:
        """Start the span of a request, in the trace of its client if it names one."""
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {"traceparent": traceparent.decode()} if traceparent else {}
        if state := headers.get(b"tracestate"):
            carrier["tracestate"] = state.decode("latin-1")
        parent = TraceContextTextMapPropagator().extract(carrier)
        span = self._tracer.start_span("request", parent, kind=SpanKind.SERVER)
        return RequestSpan(self._tracer, span, set_span_in_context(span, parent))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
