"""Spans for OpenTelemetry, sent by OTLP over HTTP. Imported only where traces are wanted: see `tracing`.

Everything that OpenTelemetry defines an environment variable for is read by its own code: where to, headers, sampling,
resource attributes, batches.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway import __version__
from gateway.tracing import Attributes, Kind, Traces, ids

KINDS = {Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT, Kind.CONSUMER: SpanKind.CONSUMER}
#: The order's id, under which its trace is found.
ORDER = "referans.order.id"
#: How OpenTelemetry calls a service that was given no name.
NAMELESS = "unknown_service"


class _Ids(RandomIdGenerator):
    """Random ids, but those that are planned for the next span of this thread."""

    def __init__(self) -> None:
        self._planned = threading.local()

    @contextmanager
    def planned(self, trace_id: int, span_id: int) -> Iterator[None]:
        self._planned.ids = trace_id, span_id
        try:
            yield
        finally:
            self._planned.ids = None

    def generate_trace_id(self) -> int:
        planned = getattr(self._planned, "ids", None)
        return planned[0] if planned else super().generate_trace_id()

    def generate_span_id(self) -> int:
        planned = getattr(self._planned, "ids", None)
        return planned[1] if planned else super().generate_span_id()


class Exported:
    """Traces that are sent in batches, by a thread of OpenTelemetry's own."""

    def __init__(self, process: str) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=_resource(process), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("referans", __version__)

    def record(
        self,
        order_id: str,
        name: str,
        seconds: float,
        kind: Kind,
        attributes: Attributes,
        *,
        is_first: bool = False,
        has_failed: bool = False,
    ) -> None:
        """See `Traces`."""
        trace_id, span_id = ids(order_id)
        ended = time.time_ns()
        above = Context() if is_first else self._above(trace_id, span_id)
        with self._ids.planned(trace_id, span_id) if is_first else nullcontext():
            span = self._tracer.start_span(
                name,
                above,
                kind=KINDS[kind],
                attributes={ORDER: order_id, **attributes},
                start_time=ended - round(seconds * 1e9),
            )
        if has_failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    @contextmanager
    def working(self, order_id: str, name: str, kind: Kind, attributes: Attributes) -> Iterator[None]:
        """See `Traces`."""
        span = self._tracer.start_span(
            name,
            self._above(*ids(order_id)),
            kind=KINDS[kind],
            attributes={ORDER: order_id, **attributes},
        )
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield
        finally:
            context.detach(token)
            span.end()

    def end(self, timeout_seconds: float) -> None:
        """See `Traces`. A place that does not answer must not keep the process."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(timeout_seconds)

    def _above(self, trace_id: int, span_id: int) -> Context:
        """What stands above a span: the one that this thread works on, if it is of the same trace; else the first."""
        current = trace.get_current_span()
        if current.get_span_context().trace_id == trace_id:
            return trace.set_span_in_context(current, Context())
        decision = self._provider.sampler.should_sample(None, trace_id, "order").decision
        is_sampled = decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
        first = SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
        return trace.set_span_in_context(NonRecordingSpan(first), Context())


def exported(process: str) -> Traces:
    """The traces of this process."""
    return Exported(process)


def _resource(process: str) -> Resource:
    """What all spans of this process have in common; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    ours = Resource({SERVICE_VERSION: __version__, "referans.process": process})
    found = ours.merge(Resource.create())
    is_named = not str(found.attributes.get(SERVICE_NAME, NAMELESS)).startswith(NAMELESS)
    return found if is_named else found.merge(Resource({SERVICE_NAME: "referans"}))
