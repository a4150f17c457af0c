"""Every metric Rollcall exposes, in one typed list, and the server that shows them.

A metric is declared once, in `ALL`, with its unit in its name (Prometheus' conventions), and used as
`metrics.MARKS.labels(outcome="accepted").inc(30)`. `tests/project/test_metrics.py` proves that every metric listed is
used and that no other is. A label takes few values, from closed lists or the topics: never a URN, a pupil, a
code or a source's own text, which would make one series per value.

`serve` answers `/metrics`, `/healthz` (the process lives) and `/readyz` (its `health` says that it can do its work).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

    Metric = Counter | Gauge | Histogram

__all__ = ["ALL", "Health", "MetricsServer", "serve"]

#: From a register's click to the table: the target is under 0.5 s, a pull is minutes, a late register hours.
_AGE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
#: A step of one batch: decoding 300,000 marks takes tenths of a second, a stalled ClickHouse tens of seconds.
_STEP_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: A request that waits for Kafka's acknowledgement: a few milliseconds, or up to the delivery timeout.
_REQUEST_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# --- the worker -------------------------------------------------------------------------------------------------------
MESSAGES = Counter(
    "rollcall_messages_total",
    "Messages consumed, by outcome: decoded, undecodable, no_record (transaction markers and gaps).",
    ["outcome"],
)
MARKS = Counter(
    "rollcall_marks_total",
    "Marks of decoded messages, by outcome: accepted, unchanged, quarantined.",
    ["outcome"],
)
QUARANTINE_MARKS = Counter(
    "rollcall_quarantine_marks_total",
    "Marks and whole messages put in quarantine, by reason (the names of the domain rules).",
    ["reason"],
)
REPLAYED_ENTRIES = Counter(
    "rollcall_replayed_entries_total",
    "Entries of quarantine that were sent again and judged, by outcome: accepted, unchanged, refused.",
    ["outcome"],
)
REPLAYS_SENT = Counter(
    "rollcall_replayed_entries_sent_total",
    "Entries of quarantine sent again by this process: by healing, in the loader and the agent.",
)
EXCEPTIONS = Counter(
    "rollcall_exceptions_total",
    "Findings about accepted marks, by exception (rule 1).",
    ["exception"],
)
UNMAPPED_CODES = Counter(
    "rollcall_unmapped_codes_total",
    "Accepted marks whose raw code no map in force knows, by kind of source: register, mis, kiosk.",
    ["source_kind"],
)
BATCHES = Counter("rollcall_batches_total", "Batches finished: every range of theirs DONE.")
RECOVERED_RANGES = Counter(
    "rollcall_recovered_ranges_total", "PENDING ranges of an earlier life found and finished by recovery."
)
STEP_SECONDS = Histogram(
    "rollcall_step_seconds",
    "Wall time of one step for one batch: poll, decode, check, identify, map_codes, amend_and_delete, suppress,"
    " write, derive.",
    ["step"],
    buckets=_STEP_BUCKETS,
)
EVENT_AGE_SECONDS = Histogram(
    "rollcall_event_age_seconds",
    "From a message's Kafka timestamp until its marks can be read, once a batch and stage: history, current, counts.",
    ["stage"],
    buckets=_AGE_BUCKETS,
)
CONSUMER_LAG_RECORDS = Gauge(
    "rollcall_consumer_lag_records",
    "Records between this worker's position and the high watermark.",
    ["topic", "partition"],
)
LEDGER_PENDING = Gauge("rollcall_ledger_pending", "Ranges this worker has begun and not finished.")
ASSIGNED_PARTITIONS = Gauge("rollcall_assigned_partitions", "Partitions assigned to this worker.")
PAUSED_PARTITIONS = Gauge(
    "rollcall_paused_partitions",
    "Partitions assigned and not consumed, by reason: registry_away, clickhouse_away, schools_fail.",
    ["reason"],
)
REFERENCE_RELOADS = Counter(
    "rollcall_reference_reloads_total", "Reloads of the roster, registers, calendar and code maps held in memory."
)

# --- the archive ------------------------------------------------------------------------------------------------------
ARCHIVED_MESSAGES = Counter("rollcall_archived_messages_total", "Messages written to the archive.")
ARCHIVED_BYTES = Counter("rollcall_archived_bytes_total", "Bytes of their values, before compression.")
ARCHIVE_LOST_MESSAGES = Counter(
    "rollcall_archive_lost_messages_total",
    "Offsets that Kafka had deleted before they were archived: by its retention, or for an erasure.",
)

# --- packed weeks -----------------------------------------------------------------------------------------------------
WEEKS_PACKED = Counter("rollcall_weeks_packed_total", "Weeks of schools packed, first and again, for absence to read.")
WEEKS_PACKED_AT = Gauge(
    "rollcall_weeks_packed_timestamp_seconds", "When a run over all weeks ended last; 0: none has since the start."
)

# --- the agents -------------------------------------------------------------------------------------------------------
KIOSK_EVENTS = Counter(
    "rollcall_kiosk_events_total",
    "Events of kiosks, by outcome: evidence (kept, and evidence sent), fact (kept), refused (in quarantine).",
    ["outcome"],
)
ALERTS = Counter(
    "rollcall_alerts_total", "Alerts said, by kind: register_overdue, source_silent, quarantine_surge.", ["kind"]
)
PULL_REQUESTS = Counter(
    "rollcall_pull_requests_total",
    "Pull requests, by outcome: pulled, folded (a newer one did it too), incomplete, failed, stopped, expired (worth "
    "nothing any more), elsewhere (of another installation), unreadable.",
    ["outcome"],
)

# --- the ingest API ---------------------------------------------------------------------------------------------------
INGEST_REQUESTS = Counter("rollcall_ingest_requests_total", "Requests to the ingest API, by HTTP status.", ["status"])
INGEST_REQUEST_SECONDS = Histogram(
    "rollcall_ingest_request_seconds",
    "From a request's first byte to its answer, Kafka's acknowledgement included.",
    buckets=_REQUEST_BUCKETS,
)

# --- connectors -------------------------------------------------------------------------------------------------------
CONNECTOR_PAGES = Counter(
    "rollcall_connector_pages_total",
    "Pages pulled from sources, by connector and outcome: published, refused, unparsable.",
    ["connector", "outcome"],
)
CONNECTOR_RETRIES = Counter(
    "rollcall_connector_retries_total",
    "Requests to a source that were tried again, by connector and cause: throttled, server_error, network.",
    ["connector", "cause"],
)
CONNECTOR_CURSOR_AGE_SECONDS = Gauge(
    "rollcall_connector_cursor_age_seconds",
    "Age of the oldest cursor among a connector's schools: how far behind its sources it is.",
    ["connector"],
)

#: Every metric there is, in the order they are documented.
ALL: tuple[Metric, ...] = (
    MESSAGES,
    MARKS,
    QUARANTINE_MARKS,
    REPLAYED_ENTRIES,
    REPLAYS_SENT,
    EXCEPTIONS,
    UNMAPPED_CODES,
    BATCHES,
    RECOVERED_RANGES,
    STEP_SECONDS,
    EVENT_AGE_SECONDS,
    CONSUMER_LAG_RECORDS,
    LEDGER_PENDING,
    ASSIGNED_PARTITIONS,
    PAUSED_PARTITIONS,
    REFERENCE_RELOADS,
    ARCHIVED_MESSAGES,
    ARCHIVED_BYTES,
    ARCHIVE_LOST_MESSAGES,
    WEEKS_PACKED,
    WEEKS_PACKED_AT,
    KIOSK_EVENTS,
    ALERTS,
    PULL_REQUESTS,
    INGEST_REQUESTS,
    INGEST_REQUEST_SECONDS,
    CONNECTOR_PAGES,
    CONNECTOR_RETRIES,
    CONNECTOR_CURSOR_AGE_SECONDS,
)

#: Says what stands in the way of work, by name: {"clickhouse": "refuses connections"}. Empty means ready.
Health = Callable[[], Mapping[str, str]]


def _all_well() -> Mapping[str, str]:
    return {}


class MetricsServer:
    """The HTTP server of one process's metrics and health, in a thread of its own. Close it with `close`."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port really bound (asked for 0: a free one)."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def serve(host: str, port: int, health: Health = _all_well, registry: CollectorRegistry = REGISTRY) -> MetricsServer:
    """Serve `/metrics`, `/healthz` and `/readyz` on `host:port` (0: a free port) until the result is closed.

    `/healthz` is 200 as long as the process answers. `/readyz` is 200 when `health()` returns nothing, else 503 with
    what it returned as JSON; a `health` that raises is "not ready", named by the class of its error only: the message
    of an unknown error could quote data.

    Raises OSError when the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/healthz":
                self._answer(200, "application/json", b'{"alive": true}')
            elif self.path == "/readyz":
                try:
                    in_the_way = dict(health())
                except Exception as error:  # noqa: BLE001 - a broken check is itself an answer: not ready
                    in_the_way = {"health_check": type(error).__name__}
                body = json.dumps({"ready": not in_the_way, "in_the_way": in_the_way}).encode()
                self._answer(503 if in_the_way else 200, "application/json", body)
            else:
                self._answer(404, "application/json", b'{"paths": ["/metrics", "/healthz", "/readyz"]}')

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not news."""

    return MetricsServer(ThreadingHTTPServer((host, port), Handler))
