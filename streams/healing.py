"""Healing: what was refused because reference data had not come is sent again when it has, with no command.

A sweep asks the tables which open entries may be decided otherwise now: reference data of their school, of the kind
that their reason is about, was applied after the worker last judged them; the registry knows their schema; their date
lies in the years that are loaded. Each is tried once for each such change. A replay that is on its way is left alone,
and one that an older world has judged is simply tried again: no race can strand an entry.

It runs in the reference loader (streams/reference.py), because that is one process, off the marks' path, and the first
to know. The agent `healing` (streams/agents/healing.py) only makes it happen at once.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import structlog
from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import now
from rollcall.domain.identity import academic_year, academic_year_days
from rollcall.failpoints import FailPoints
from rollcall.settings import Settings
from schemas.registry import Registry, RegistryAway, UnknownSchemaId
from sinks.quarantine_trail import LOST_AFTER, Chosen, new_run
from sinks.statements import load
from streams.assignment import MARK_TOPICS
from streams.decode import MARK_RECORDS
from streams.replaying import Sent, send

__all__ = ["BY", "Healing"]

_log = structlog.get_logger()

#: Who sends, as the trail says it.
BY = "healing"


class Healing:
    """Sweeps of one process, on a client of its own thread."""

    def __init__(self, settings: Settings, client: Client, fail: FailPoints | None = None) -> None:
        self._settings, self._client, self._fail = settings, client, fail
        self._registry = Registry(settings.registry.url)
        #: Schema ids whose messages were sent again since the registry knows them: once a process.
        self._tried: set[int] = set()

    def sweep(self) -> Sent:
        """Send again what may be decided otherwise now. Raises KafkaError, and clickhouse_connect's errors."""
        schema_ids = self._registered()
        chosen = self._choose(schema_ids)
        if not chosen:
            return Sent("")
        run = new_run()
        sent = send(self._settings, self._client, chosen, run=run, by=BY, fail=self._fail)
        self._tried |= schema_ids
        _log.info("healing_sent", run=run, entries=sent.entries, messages=sent.messages)
        return sent

    def close(self) -> None:
        """Give the registry's connection back."""
        self._registry.close()

    def _choose(self, schema_ids: set[int]) -> list[Chosen]:
        first, last, years_at = self._years()
        parameters: dict[str, Any] = {
            "topics": list(MARK_TOPICS), "schema_ids": sorted(schema_ids), "first": first, "last": last,
            "years_at": years_at, "lost_before": round((now() - LOST_AFTER).timestamp() * 1000),
        }  # fmt: skip
        rows = self._client.query(load("healing_chosen"), parameters=parameters).result_rows
        return [
            Chosen(topic, topic_id, partition, offset, tuple(items))
            for topic, topic_id, partition, offset, items in rows
        ]

    def _years(self) -> tuple[date, date, int]:
        """First and last day of the academic years that are loaded, as the worker sees them, and when the newest of
        their calendars was applied (microseconds since 1970).
        """
        ((count, first, last, applied_at),) = self._client.query(load("healing_years")).result_rows
        if not count:
            nothing = datetime(1970, 1, 1, tzinfo=UTC).date()
            return nothing, nothing, 0
        return academic_year_days(academic_year(first))[0], academic_year_days(academic_year(last))[1], int(applied_at)

    def _registered(self) -> set[int]:
        """Ids that messages were refused for, and that the registry now has as schemas of marks; each once."""
        asked = self._client.query(load("healing_schemas"), parameters={"topics": list(MARK_TOPICS)}).result_rows
        known = set()
        for (schema_id,) in asked:
            if schema_id in self._tried:
                continue
            try:
                if str(self._registry.get(schema_id).get("name", "")) in MARK_RECORDS:
                    known.add(int(schema_id))
            except UnknownSchemaId:
                continue
            except RegistryAway:
                break  # the next sweep asks again
        return known
