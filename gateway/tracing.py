"""Traces: one for each order, across web, worker and callbacks, for as long as the order takes.

Needs the extra, `pip install 'referans[tracing]'`, and one of OpenTelemetry's own settings; see docs/operations.md. The
ids of a trace and of its first span follow from the order's id: nothing is stored or sent along for it, and the process
that gets a callback hours later knows them as well as the one that placed the order.
"""

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from hashlib import blake2b
from typing import Protocol
from uuid import UUID

from gateway import log
from gateway.settings import Settings

logger = log.get(__name__)

#: Bytes of the ids of a trace and of a span.
TRACE_BYTES, SPAN_BYTES = 16, 8
#: The one protocol that is spoken; the other needs another package.
PROTOCOL = "http/protobuf"
#: What is told of a span beside its name.
Attributes = Mapping[str, "str | int | float | bool"]


class Kind(StrEnum):
    """What a span is, by OpenTelemetry's words."""

    #: A request to us.
    SERVER = "server"
    #: A request of ours.
    CLIENT = "client"
    #: A message of the queue.
    CONSUMER = "consumer"


class Traces(Protocol):
    """Records what happens to orders. Nothing that it does waits or raises."""

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
        """Something that ends now and took so long. `is_first`: it is what all else in the trace follows from."""

    def working(
        self, order_id: str, name: str, kind: Kind, attributes: Attributes
    ) -> AbstractContextManager[None]:
        """The block is a span; what is recorded of the same order within it stands below it."""

    def end(self, timeout_seconds: float) -> None:
        """Send what is left, in `timeout_seconds` at most."""


class Off:
    """Records nothing."""

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
        """Nothing."""

    def working(
        self, order_id: str, name: str, kind: Kind, attributes: Attributes
    ) -> AbstractContextManager[None]:
        """Just the block."""
        return nullcontext()

    def end(self, timeout_seconds: float) -> None:
        """Nothing."""


#: Where traces are not wanted: what would be told of a span is not even put together.
OFF = Off()


def configure(settings: Settings, process: str) -> Traces:
    """The traces of this process (`web` or `worker`); OFF unless they are wanted, and can be had."""
    if not is_wanted(settings):
        return OFF
    if settings.otel_protocol not in ("", PROTOCOL):
        logger.error(
            "No traces are sent: OTEL_EXPORTER_OTLP_PROTOCOL names a protocol that is not supported.",
            action="tracing_unsupported",
            supported=PROTOCOL,
        )
        return OFF
    try:
        spans = importlib.import_module("gateway.spans")
    except ImportError as error:
        logger.warning(
            "Traces are wanted by OTEL_…, but `referans[tracing]` is not installed.",
            action="tracing_missing",
            error=str(error),
        )
        return OFF
    traces: Traces = spans.exported(process)
    return traces


def is_wanted(settings: Settings) -> bool:
    """Whether OpenTelemetry's settings name a place for traces, or an exporter, and nothing switches it off."""
    if settings.otel_sdk_disabled.lower() == "true":
        return False
    exporter = settings.otel_traces_exporter.lower()
    has_place = bool(settings.otel_exporter_otlp_endpoint or settings.otel_exporter_otlp_traces_endpoint)
    return exporter == "otlp" or (has_place and not exporter)


def ids(order_id: str) -> tuple[int, int]:
    """The ids of the order's trace and of its first span. As even as random ones, so that a share can be sampled.

    Raises ValueError for what is not a UUID.
    """
    digest = blake2b(UUID(order_id).bytes, digest_size=TRACE_BYTES + SPAN_BYTES, person=b"referans-trace")
    whole = digest.digest()
    return int.from_bytes(whole[:TRACE_BYTES], "big"), int.from_bytes(whole[TRACE_BYTES:], "big")
